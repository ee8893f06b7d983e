package eap

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// samples are packets and what they are.
var samples = []struct {
	octets string
	packet Packet
	text   string
}{
	{"01 07 0005 01", Packet{Code: CodeRequest, Identifier: 7, Type: TypeIdentity}, "Request/Identity identifier 7, 0 octets of data"},
	{"02 07 0008 01 626f62", Packet{Code: CodeResponse, Identifier: 7, Type: TypeIdentity, Data: []byte("bob")}, "Response/Identity identifier 7, 3 octets of data"},
	{"02 08 0007 03 19 15", Packet{Code: CodeResponse, Identifier: 8, Type: TypeNak, Data: []byte{25, 21}}, "Response/Nak identifier 8, 2 octets of data"},
	{"03 09 0004", Packet{Code: CodeSuccess, Identifier: 9}, "Success identifier 9"},
	{"04 ff 0004", Packet{Code: CodeFailure, Identifier: 255}, "Failure identifier 255"},
	{"01 02 000d fe 000137 00000001 ab", Packet{Code: CodeRequest, Identifier: 2, Type: ExpandedType(311, 1), Expanded: true, Data: []byte{0xab}},
		"Request/vendor 311 type 1 identifier 2, 1 octets of data"},
	{"01 02 0005 ff", Packet{Code: CodeRequest, Identifier: 2, Type: 255}, "Request/255 identifier 2, 0 octets of data"},
	{"01 02 000c fe 000000 00000004", Packet{Code: CodeRequest, Identifier: 2, Type: TypeMD5, Expanded: true},
		"Request/MD5-Challenge identifier 2, 0 octets of data"},
}

func TestParse(t *testing.T) {
	for _, tc := range samples {
		octets := unhex(t, tc.octets)
		p, err := Parse(octets)
		if err != nil {
			t.Errorf("%s: %v", tc.octets, err)
			continue
		}
		if p.Code != tc.packet.Code || p.Identifier != tc.packet.Identifier || p.Type != tc.packet.Type ||
			p.Expanded != tc.packet.Expanded || !bytes.Equal(p.Data, tc.packet.Data) || p.String() != tc.text {
			t.Errorf("%s is read as %v, want %v", tc.octets, p, tc.packet)
		}
		if again := tc.packet.AppendTo(nil); !bytes.Equal(again, octets) {
			t.Errorf("%v is written as %x, want %s", tc.packet, again, tc.octets)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, octets := range map[string]string{
		"nothing":                       "",
		"three octets":                  "01 00 00",
		"a Length below the header":     "01 00 0003 01",
		"a Length below the octets":     "01 00 0005 01 00",
		"a Length above the octets":     "01 00 0007 01 00",
		"a Request without Type":        "01 00 0004",
		"a Response without Type":       "02 00 0004",
		"a Success with data":           "03 00 0005 00",
		"a Failure with data":           "04 00 0006 00 00",
		"code 0":                        "00 00 0005 01",
		"code 5 (RFC 6696)":             "05 00 0005 01",
		"an Expanded Type cut short":    "01 00 000b fe 000137 000000",
		"an Expanded Type of one octet": "01 00 0005 fe",
	} {
		if p, err := Parse(unhex(t, octets)); err == nil {
			t.Errorf("%s is read as %v", name, p)
		}
	}
}

func TestDesired(t *testing.T) {
	for _, tc := range []struct {
		data     string
		expanded bool
		want     []Type
		bad      bool
	}{
		{"19 15 1a", false, []Type{TypePEAP, TypeTTLS, TypeMSCHAPv2}, false},
		{"00", false, nil, false},
		{"fe 0d", false, []Type{TypeTLS}, false},
		{"", false, nil, true},
		{"fe 000000 0000000d fe 000137 00000002", true, []Type{TypeTLS, ExpandedType(311, 2)}, false},
		{"fe 000000 00000000", true, nil, false},
		{"fe 000000 000000", true, nil, true},
		{"0d 000000 0000000d", true, nil, true},
		{"", true, nil, true},
	} {
		got, err := Packet{Code: CodeResponse, Type: TypeNak, Expanded: tc.expanded, Data: unhex(t, tc.data)}.Desired()
		if (err != nil) != tc.bad || !slices.Equal(got, tc.want) {
			t.Errorf("a Nak of %q asks for %v, %v; want %v", tc.data, got, err, tc.want)
		}
		if err != nil && !tc.expanded && !errors.Is(err, errLength) {
			t.Errorf("a Nak of %q: %v does not say that the length is wrong", tc.data, err)
		}
	}
}

func TestAVPs(t *testing.T) {
	for _, tc := range []struct {
		octets string
		want   []avp
	}{
		{"", nil},
		{"00000001 4000000b 626f62 00", []avp{{avpUserName, true, []byte("bob")}}},
		{"00000001 0000000b 626f62", []avp{{avpUserName, false, []byte("bob")}}}, // the last padding left out
		{"0000001a c000000d 00000137 07 000000 0000004f 40000008", []avp{{avpMSCHAP2Success, true, []byte{7}}, {avpEAPMessage, true, []byte{}}}},
	} {
		got, err := parseAVPs(unhex(t, tc.octets))
		if err != nil || !slices.EqualFunc(got, tc.want, sameAVP) {
			t.Errorf("%q is read as %v, %v; want %v", tc.octets, got, err, tc.want)
		}
	}
	if b := appendAVPs(avp{code: avpUserName, data: []byte("bob")}); !bytes.Equal(b, unhex(t, "00000001 4000000b 626f62 00")) {
		t.Errorf("User-Name bob is written as %x", b)
	}
	for name, octets := range map[string]string{
		"a header cut short":          "00000001 400000",
		"a length below the header":   "00000001 40000007",
		"a length above the octets":   "00000001 4000000b 626f",
		"a vendor's below its header": "0000001a c000000b 00000137",
		"a vendor's without Vendor":   "0000001a c0000008",
		"octets behind the last":      "00000001 4000000b 626f62 00 00",
	} {
		if got, err := parseAVPs(unhex(t, octets)); err == nil {
			t.Errorf("%s is read as %v", name, got)
		}
	}
	if _, reason := takeAVPs(unhex(t, "00000063 40000008")); reason == nil {
		t.Error("an unknown AVP that is mandatory is passed over")
	}
	if _, reason := takeAVPs(unhex(t, "0000004f 40000008 0000004f 40000008")); reason == nil {
		t.Error("an EAP-Message in two AVPs is put together")
	}
	if _, reason := takeAVPs(unhex(t, "00000063 00000008")); reason != nil {
		t.Errorf("an unknown AVP that is not mandatory: %v", reason)
	}
}

func sameAVP(a, b avp) bool {
	return a.code == b.code && a.mandatory == b.mandatory && bytes.Equal(a.data, b.data)
}

func TestExtensions(t *testing.T) {
	ok := extensions{result: resultSuccess, binding: &binding{subType: bindingResponse, nonce: [32]byte{1}, mac: [20]byte{2}}}
	packet, isExtensions := asExtensions(CodeRequest, ok.packet(CodeRequest, 3))
	if !isExtensions {
		t.Fatal("our own Extensions packet is not taken for one")
	}
	got, reason := parseExtensions(packet.Data)
	if reason != nil || got.result != ok.result || got.binding == nil || *got.binding != *ok.binding {
		t.Errorf("Extensions are read as %v, %v; want %v", got, reason, ok)
	}
	if _, isExtensions := asExtensions(CodeResponse, ok.packet(CodeRequest, 3)); isExtensions {
		t.Error("a Request is taken for a Response")
	}
	for name, data := range map[string]string{
		"no Result":                 "",
		"a header cut short":        "8003 00",
		"a TLV cut short":           "8003 0002 00",
		"a Result of one octet":     "8003 0001 01",
		"Result 3":                  "8003 0002 0003",
		"an unknown mandatory TLV":  "8003 0002 0001 8063 0000",
		"a short Crypto-Binding":    "8003 0002 0001 000c 0004 00000000",
		"a Crypto-Binding of later": "8003 0002 0001 000c 0038 00010000" + strings.Repeat("00", 52),
	} {
		if e, reason := parseExtensions(unhex(t, data)); reason == nil {
			t.Errorf("%s is read as %v", name, e)
		}
	}
	if _, reason := parseExtensions(unhex(t, "8003 0002 0001 0063 0000")); reason != nil {
		t.Errorf("an unknown TLV that is not mandatory: %v", reason)
	}
}

// TestFragments has what both ends of fragmentation must not take.
func TestFragments(t *testing.T) {
	for _, tc := range []struct {
		name    string
		packets []string // all but the last are taken
		kind    Kind
	}{
		{"no flags", []string{""}, BadPacket},
		{"a length cut short", []string{"80 0000"}, BadPacket},
		{"64 KiB and one octet", []string{"c0 00010001 aa"}, TooLong},
		{"4 GiB", []string{"c0 ffffffff aa"}, TooLong},
		{"a first fragment without length", []string{"40 aa"}, BadPacket},
		{"a whole message that says it is longer", []string{"80 00000002 aa"}, BadPacket},
		{"a whole message that says it is shorter", []string{"80 00000001 aabb"}, BadPacket},
		{"a fragment without octets", []string{"c0 00000002"}, BadPacket},
		{"an endless message", []string{"c0 00000002 aa", "40 bb", "40 cc"}, BadPacket},
		{"an end that comes too soon", []string{"c0 00000003 aa", "00 bb"}, BadPacket},
		{"an end without octets", []string{"c0 00000002 aa", "00"}, BadPacket},
		{"a length that changes", []string{"c0 00000003 aa", "80 00000002 bb"}, BadPacket},
		{"a Start in the midst", []string{"c0 00000003 aa", "20"}, BadPacket},
	} {
		f := fragments{method: TypeTLS, size: 100}
		for i, packet := range tc.packets {
			_, message, reason := f.take(unhex(t, packet))
			if last := i == len(tc.packets)-1; last && (reason == nil || reason.Kind != tc.kind) || !last && reason != nil {
				t.Errorf("%s: packet %d gives %x, %v; want %s", tc.name, i, message, reason, tc.kind)
			}
		}
	}
	// The length in every packet is how FreeRADIUS sends.
	f := fragments{method: TypeTLS, size: 100}
	for _, packet := range []string{"c0 00000003 aa", "c0 00000003 bb"} {
		if got, _, reason := f.take(unhex(t, packet)); got != gotPart || reason != nil {
			t.Errorf("a fragment with length is %d, %v", got, reason)
		}
	}
	if got, message, reason := f.take(unhex(t, "80 00000003 cc")); got != gotMessage || reason != nil || hex.EncodeToString(message) != "aabbcc" {
		t.Errorf("the last fragment makes %x, %v", message, reason)
	}
	other := fragments{method: TypePEAP, size: 100}
	if _, _, reason := other.take([]byte{1, 0xaa}); reason == nil {
		t.Error("PEAP of another version is taken in the midst of version 0")
	}
}

func TestReasonInOneLine(t *testing.T) {
	r := reasonf(NoMethod, TypeTTLS, "no method in common")
	r.Offered, r.Acceptable, r.Fix = "GTC", "MSCHAPv2", "let them meet"
	const want = "EAP TTLS: NO_METHOD: no method in common; offered GTC; acceptable MSCHAPv2; let them meet"
	if r.Error() != want {
		t.Errorf("the reason is %q, want %q", r.Error(), want)
	}
	if long := reasonf(BadPacket, 0, "%s", strings.Repeat("é", 2000)); len(long.Text) > 1100 {
		t.Errorf("a text of %d octets is not clipped", len(long.Text))
	}
}
