package header

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatalf("the test's own octets are not hexadecimal: %v", err)
	}
	return b
}

// samples are written field by field from the diagrams of RFC 7296 §3.1 and RFC 2408 §3.1.
var samples = []struct {
	name, octets string
	want         Header
}{
	{
		"IKEv2 first request",
		"0102030405060708 0000000000000000 21 20 22 08 00000000 0000001c",
		Header{Initiator: SPI{1, 2, 3, 4, 5, 6, 7, 8}, NextPayload: 33, Major: 2, Exchange: IKESAInit, Flags: Initiator, Length: 28},
	},
	{
		"IKEv2 response of the original responder",
		"0102030405060708 a1a2a3a4a5a6a7a8 2e 20 24 20 00000002 0000001c",
		Header{Initiator: SPI{1, 2, 3, 4, 5, 6, 7, 8}, Responder: SPI{0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8},
			NextPayload: 46, Major: 2, Exchange: CreateChildSA, Flags: Response, MessageID: 2, Length: 28},
	},
	{
		"reserved flag bits and a minor version are kept",
		"0102030405060708 a1a2a3a4a5a6a7a8 00 2f 25 ff ffffffff 0000001c",
		Header{Initiator: SPI{1, 2, 3, 4, 5, 6, 7, 8}, Responder: SPI{0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8},
			Major: 2, Minor: 15, Exchange: Informational, Flags: 0xff, MessageID: 0xffffffff, Length: 28},
	},
	{
		"IKEv1 quick mode",
		"0102030405060708 a1a2a3a4a5a6a7a8 08 10 20 01 deadbeef 0000001c",
		Header{Initiator: SPI{1, 2, 3, 4, 5, 6, 7, 8}, Responder: SPI{0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8},
			NextPayload: 8, Major: 1, Exchange: QuickMode, Flags: Encryption, MessageID: 0xdeadbeef, Length: 28},
	},
}

func TestRoundTrip(t *testing.T) {
	for _, tc := range samples {
		t.Run(tc.name, func(t *testing.T) {
			octets := unhex(t, tc.octets)
			got, err := Parse(octets)
			if err != nil || got != tc.want {
				t.Fatalf("the octets are another header: got %+v, %v; want %+v", got, err, tc.want)
			}
			if again := got.AppendTo([]byte("before")); !bytes.Equal(again, append([]byte("before"), octets...)) {
				t.Errorf("the header is written differently from how it was read: %x", again)
			}
		})
	}
}

func TestTruncationsAreRefused(t *testing.T) {
	octets := unhex(t, samples[0].octets)
	for n := range octets {
		if _, err := Parse(octets[:n]); !errors.Is(err, ErrTruncated) {
			t.Errorf("%d octets of a header gave %v, not ErrTruncated", n, err)
		}
	}
}

func TestLengthField(t *testing.T) {
	for _, tc := range []struct {
		name   string
		length uint32
		octets int
		want   error
	}{
		{"exact", 40, 40, nil},
		{"octets behind the message are the caller's business", 40, 60, nil},
		{"one octet is missing", 41, 40, ErrTruncated},
		{"as large as it gets", 0xffffffff, 40, ErrTruncated},
		{"smaller than a header", 27, 40, ErrLength},
		{"zero", 0, 40, ErrLength},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := Header{Major: 2, Exchange: IKEAuth, Length: tc.length}.AppendTo(nil)
			h, err := Parse(append(b, make([]byte, tc.octets-Len)...))
			if !errors.Is(err, tc.want) {
				t.Errorf("length %d in %d octets gave %v, want %v", tc.length, tc.octets, err, tc.want)
			}
			if h.Length != tc.length || h.Exchange != IKEAuth {
				t.Errorf("the fields were not told along with the error: %+v", h)
			}
		})
	}
}

func TestNames(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{IKESAInit.String(), "IKE_SA_INIT"},
		{IKEFollowupKE.String(), "IKE_FOLLOWUP_KE"},
		{IdentityProtection.String(), "ID_PROT"},
		{ExchangeType(240).String(), "EXCHANGE_240"},
		{SPI{0xab, 0, 0, 0, 0, 0, 0, 1}.String(), "ab00000000000001"},
		{Flags(0).String(), "-"},
		{(Initiator | Response).String(), "I|R"},
		{Flags(0xff).String(), "I|V|R|E|C|A|0xc0"},
	} {
		if tc.got != tc.want {
			t.Errorf("the name is %q, want %q", tc.got, tc.want)
		}
	}
}

func TestDirectionBits(t *testing.T) {
	h := Header{Flags: Initiator}
	if !h.FromInitiator() || h.IsResponse() {
		t.Errorf("a request of the initiator is read as something else: %v", h.Flags)
	}
	h.Flags = Response
	if h.FromInitiator() || !h.IsResponse() {
		t.Errorf("a response of the responder is read as something else: %v", h.Flags)
	}
	if !h.Responder.IsZero() || (SPI{7: 1}).IsZero() {
		t.Error("the SPI that is none is not told from the others")
	}
}

func TestHeaderAllocatesNothing(t *testing.T) {
	octets := unhex(t, samples[1].octets)
	buf := make([]byte, 0, Len)
	allocs := testing.AllocsPerRun(100, func() {
		h, err := Parse(octets)
		if err != nil {
			t.Fatalf("the sample was refused: %v", err)
		}
		h.AppendTo(buf)
	})
	if allocs != 0 {
		t.Errorf("reading and writing a header allocates %v times", allocs)
	}
}

func FuzzHeader(f *testing.F) {
	for _, tc := range samples {
		f.Add(unhex(f, tc.octets))
	}
	f.Add([]byte{})
	f.Add(make([]byte, Len))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := Parse(b)
		if err != nil {
			return
		}
		if again := h.AppendTo(nil); !bytes.Equal(again, b[:Len]) {
			t.Errorf("an accepted header is written differently from how it was read:\n%x\n%x", b[:Len], again)
		}
		if h.String() == "" {
			t.Error("a header prints as nothing")
		}
	})
}
