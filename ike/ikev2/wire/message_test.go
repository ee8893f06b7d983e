package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/header"
)

// firstRequest is an IKE_SA_INIT request as charon sends one, by hand.
func firstRequest() *Message {
	return &Message{
		Header: header.Header{Initiator: header.SPI{1, 2, 3, 4, 5, 6, 7, 8}, Major: 2, Exchange: header.IKESAInit, Flags: header.Initiator},
		Payloads: []Payload{
			NewSA([]suite.Proposal{{Protocol: suite.IKE, Transforms: []suite.Transform{encr(20, 256), {Type: suite.PRF, ID: 5}, {Type: suite.KE, ID: 31}}}}, nil),
			&KE{Group: 31, Data: bytes.Repeat([]byte{0xab}, 32)},
			&Nonce{Data: bytes.Repeat([]byte{0xcd}, 32)},
			&Notify{NotifyType: NATDetectionSourceIP, Data: make([]byte, 20)},
			&Notify{NotifyType: NATDetectionDestinationIP, Data: make([]byte, 20)},
			&Notify{NotifyType: IKEv2FragmentationSupported},
			NewHashAlgorithms(HashSHA2_256, HashSHA2_384, HashSHA2_512, HashIdentity),
		},
	}
}

func TestMessageRoundTrip(t *testing.T) {
	octets := firstRequest().AppendTo(nil)
	m, err := Parse(octets)
	if err != nil {
		t.Fatalf("our own message was refused: %v", err)
	}
	if m.NextPayload != uint8(TypeSA) || int(m.Length) != len(octets) {
		t.Errorf("Next Payload %d and Length %d were not worked out for %d octets", m.NextPayload, m.Length, len(octets))
	}
	if again := m.AppendTo(nil); !bytes.Equal(octets, again) {
		t.Errorf("read and written again, the message differs:\n%x\n%x", octets, again)
	}
	checkConsistent(t, octets)
}

func TestMessageKeepsNothingOfTheDatagram(t *testing.T) {
	octets := firstRequest().AppendTo(nil)
	m, err := Parse(octets)
	if err != nil {
		t.Fatalf("our own message was refused: %v", err)
	}
	want := m.AppendTo(nil)
	for i := range octets {
		octets[i] = 0xff
	}
	if !bytes.Equal(m.AppendTo(nil), want) {
		t.Error("the message changed with the memory it was read from")
	}
}

func TestMessageOneLine(t *testing.T) {
	m := firstRequest()
	want := "IKE_SA_INIT request 0 [ SA KE No N(NATD_S_IP) N(NATD_D_IP) N(FRAG_SUP) N(HASH_ALG) ]"
	if got := m.String(); got != want {
		t.Errorf("the message is\n%s\nwant what charon logs:\n%s", got, want)
	}
	liveness := &Message{Header: header.Header{Major: 2, Exchange: header.Informational, Flags: header.Response, MessageID: 3}}
	if got := liveness.String(); got != "INFORMATIONAL response 3 [ ]" {
		t.Errorf("an empty message is %q, want what charon logs", got)
	}
	ms := &Notify{NotifyType: MSNotifyStatus, Data: []byte{0xff, 0xff, 0xff, 0xff}}
	if got := ms.String(); got != "N(MS_STATUS(-1))" {
		t.Errorf("Microsoft's notify is %q, want what charon logs", got)
	}
}

func TestDetailHasNoSecrets(t *testing.T) {
	mark := bytes.Repeat([]byte("SECRET"), 8)
	m := &Message{Payloads: []Payload{
		&KE{Group: 31, Data: mark}, &Nonce{Data: mark}, &AUTH{Method: AuthSharedKeyMIC, Data: mark},
		&Notify{NotifyType: Cookie, Data: mark}, &Notify{NotifyType: TicketOpaque, Data: mark}, &SK{Body: mark}, &SKF{Body: mark},
		&EAP{Packet: append([]byte{2, 1, 0, 53, 4}, mark...)}, &CERT{Encoding: 4, Data: mark}, &Unknown{T: 99, Body: mark},
	}}
	text := m.String() + strings.Join(m.Detail(), "\n")
	if strings.Contains(text, "SECRET") || strings.Contains(text, "534543524554") {
		t.Errorf("octets that are nobody's business are printed:\n%s", text)
	}
	if n := len(m.Detail()); n != len(m.Payloads) {
		t.Errorf("%d payloads have %d lines", len(m.Payloads), n)
	}
}

func TestTextOfAHostilePeerIsHarmless(t *testing.T) {
	m := &Message{Payloads: []Payload{
		&IDi{ID{IDType: auth.IDFQDN, Data: []byte("\x1b[2J\x07" + strings.Repeat("a", 4000))}},
		&CP{CFGType: CFGReply, Attributes: []CPAttribute{{Type: InternalDNSDomain, Value: []byte("\x1b]0;x\x07\n\xff" + strings.Repeat("b", 5000))}}},
		&VendorID{Data: bytes.Repeat([]byte{0x1b}, 60000)},
		&Delete{Protocol: suite.ESP, SPIs: make([]uint32, MaxDeleteSPIs)},
		&CP{CFGType: CFGRequest, Attributes: make([]CPAttribute, MaxCPAttributes)},
		NewSA(make([]suite.Proposal, 255), nil),
		NewHashAlgorithms(make([]HashAlgorithm, 5000)...),
	}}
	for _, line := range append(m.Detail(), m.Summary()) {
		if len(line) > 1500 {
			t.Errorf("a line of %d octets: %.100s", len(line), line)
		}
		for _, r := range line {
			if r < 0x20 || r == 0x7f || r == '�' {
				t.Errorf("a line holds the character %q: %.100q", r, line)
				break
			}
		}
	}
	if n := len(m.Detail()); n > 5*(maxListed+1) {
		t.Errorf("a message that a peer made long has %d lines", n)
	}
}

func TestGetters(t *testing.T) {
	m := firstRequest()
	m.Payloads = append(m.Payloads, &Notify{NotifyType: Cookie, Data: []byte{1}}, &Notify{NotifyType: Cookie, Data: []byte{2}}, &Notify{NotifyType: TSUnacceptable})
	if sa := First[*SA](m); sa == nil || len(sa.Proposals) != 1 || sa.Offers()[0].Protocol != suite.IKE {
		t.Errorf("the SA payload was not found: %+v", sa)
	}
	if p := First[*AUTH](m); p != nil {
		t.Errorf("an AUTH payload was found where there is none: %+v", p)
	}
	if all := All[*Notify](m); len(all) != 7 || m.Count(TypeNotify) != 7 || m.Count(TypeAUTH) != 0 {
		t.Errorf("seven Notify payloads are counted as %d and %d", len(all), m.Count(TypeNotify))
	}
	if n := m.Notify(Cookie); n == nil || n.Data[0] != 1 || len(m.Notifies(Cookie)) != 2 || m.Notify(RekeySA) != nil {
		t.Errorf("the first of two COOKIEs was not found: %+v", n)
	}
	if n := m.ErrorNotify(); n == nil || n.NotifyType != TSUnacceptable {
		t.Errorf("the error among the notifies is %+v, want TS_UNACCEPTABLE", n)
	}
	if n := firstRequest().ErrorNotify(); n != nil {
		t.Errorf("the status %v is taken for an error", n)
	}
}

func TestSPIs(t *testing.T) {
	sa := NewSA([]suite.Proposal{{Protocol: suite.ESP}, {Protocol: suite.ESP}}, AppendSPI(nil, 0xc0000001))
	if sa.Proposals[0].Num != 1 || sa.Proposals[1].Num != 2 {
		t.Errorf("the proposals are numbered %d and %d, not from 1", sa.Proposals[0].Num, sa.Proposals[1].Num)
	}
	if spi, ok := sa.Proposals[1].ChildSPI(); !ok || spi != 0xc0000001 {
		t.Errorf("the SPI of a Child SA is %08x, %v", spi, ok)
	}
	if _, ok := sa.Proposals[0].IKESPI(); ok {
		t.Error("a proposal for ESP has an IKE SPI")
	}
	ike := Proposal{SPI: []byte{1, 2, 3, 4, 5, 6, 7, 8}, Proposal: suite.Proposal{Protocol: suite.IKE}}
	if spi, ok := ike.IKESPI(); !ok || spi != (header.SPI{1, 2, 3, 4, 5, 6, 7, 8}) {
		t.Errorf("the SPI of an IKE SA is %v, %v", spi, ok)
	}
	if _, ok := ike.ChildSPI(); ok {
		t.Error("a proposal for IKE has an ESP SPI")
	}
	n := NewChildNotify(ChildSANotFound, suite.ESP, 0xc0000001)
	if spi, ok := n.ChildSPI(); !ok || spi != 0xc0000001 {
		t.Errorf("the SPI of a notification is %08x, %v", spi, ok)
	}
	if _, ok := (&Notify{NotifyType: RekeySA, Protocol: suite.IKE, SPI: []byte{1, 2, 3, 4}}).ChildSPI(); ok {
		t.Error("a notification about the IKE SA has an ESP SPI")
	}
}

func TestNotificationValues(t *testing.T) {
	if group, ok := NewInvalidKE(19).Group(); !ok || group != 19 {
		t.Errorf("the group wanted is %d, %v", group, ok)
	}
	for _, n := range []*Notify{{NotifyType: InvalidKEPayload}, {NotifyType: InvalidKEPayload, Data: []byte{1, 2, 3}}, {NotifyType: Cookie, Data: []byte{0, 19}}} {
		if group, ok := n.Group(); ok {
			t.Errorf("%v with %d octets names the group %d", n, len(n.Data), group)
		}
	}
	hashes, ok := NewHashAlgorithms(HashSHA2_256, 99).HashAlgorithms()
	if !ok || fmt.Sprint(hashes) != "[SHA2_256 (99)]" {
		t.Errorf("the hash algorithms are %v, %v", hashes, ok)
	}
	if _, ok := (&Notify{NotifyType: SignatureHashAlgorithms, Data: []byte{1}}).HashAlgorithms(); ok {
		t.Error("half a hash algorithm is taken for a list")
	}
	if _, ok := (&Notify{NotifyType: SignatureHashAlgorithms, Data: []byte{0, 1, 2}}).HashAlgorithms(); ok {
		t.Error("an odd SIGNATURE_HASH_ALGORITHMS is taken")
	}
	if ids, ok := (&Notify{NotifyType: SignatureHashAlgorithms}).HashAlgorithms(); !ok || ids == nil {
		t.Errorf("an empty SIGNATURE_HASH_ALGORITHMS gives %v, %v: it was announced, with nothing in it", ids, ok)
	}
	for _, tc := range []struct {
		n    Notify
		want string
	}{
		{Notify{NotifyType: UnsupportedCriticalPayload, Data: []byte{99}}, "N UNSUPPORTED_CRITICAL_PAYLOAD UNKN(99)"},
		{Notify{NotifyType: AuthLifetime, Data: []byte{0, 0, 0x0e, 0x10}}, "N AUTH_LIFETIME 3600 s"},
		{Notify{NotifyType: SetWindowSize, Data: []byte{0, 0, 0, 5}}, "N SET_WINDOW_SIZE 5"},
		{Notify{NotifyType: SetWindowSize, Data: []byte{5}}, "N SET_WINDOW_SIZE, 1 octets"},
		{Notify{NotifyType: Cookie, Data: make([]byte, 64)}, "N COOKIE, 64 octets"},
	} {
		if got := strings.Join(tc.n.Detail(), ""); got != tc.want {
			t.Errorf("the notification is %q, want %q", got, tc.want)
		}
	}
	if !InvalidSyntax.IsError() || !NotifyType(16383).IsError() || InitialContact.IsError() {
		t.Error("errors and statuses are not told apart at 16384")
	}
}

func TestNotifyNamesAreUnique(t *testing.T) {
	long, short := map[string]NotifyType{}, map[string]NotifyType{}
	for n, names := range notifyNames {
		for i, seen := range []map[string]NotifyType{long, short} {
			if other, dup := seen[names[i]]; dup {
				t.Errorf("%d and %d are both called %s", n, other, names[i])
			}
			if names[i] == "" || strings.ContainsAny(names[i], " ()") {
				t.Errorf("%d is called %q", n, names[i])
			}
			seen[names[i]] = n
		}
	}
	// IANA assigns these ranges without a gap.
	for n := UnacceptableAddresses; n <= RegistrationFailed; n++ {
		if _, ok := notifyNames[n]; !ok {
			t.Errorf("error %d has no name", n)
		}
	}
	for n := InitialContact; n <= PPKIdentityKey; n++ {
		if _, ok := notifyNames[n]; !ok {
			t.Errorf("status %d has no name", n)
		}
	}
}

func TestCPPrefix(t *testing.T) {
	six := append(addr("2001:db8::1").AsSlice(), 64)
	for _, tc := range []struct {
		name string
		attr CPAttribute
		want string
	}{
		{"IPv6 address", CPAttribute{InternalIP6Address, six}, "2001:db8::1/64"},
		{"IPv6 prefix length beyond 128", CPAttribute{InternalIP6Address, append(addr("::").AsSlice(), 129)}, ""},
		{"IPv4 subnet", CPAttribute{InternalIP4Subnet, []byte{10, 0, 0, 0, 255, 255, 128, 0}}, "10.0.0.0/17"},
		{"all of IPv4", CPAttribute{InternalIP4Subnet, make([]byte, 8)}, "0.0.0.0/0"},
		{"one IPv4 host", CPAttribute{InternalIP4Subnet, []byte{10, 0, 0, 1, 255, 255, 255, 255}}, "10.0.0.1/32"},
		{"netmask with a hole", CPAttribute{InternalIP4Subnet, []byte{10, 0, 0, 0, 255, 0, 255, 0}}, ""},
		{"wrong length", CPAttribute{InternalIP4Subnet, []byte{10, 0, 0, 0, 255}}, ""},
		{"another type", CPAttribute{InternalIP4DNS, make([]byte, 8)}, ""},
	} {
		prefix, ok := tc.attr.Prefix()
		if ok != (tc.want != "") || ok && prefix.String() != tc.want {
			t.Errorf("%s: the prefix is %v, %v; want %q", tc.name, prefix, ok, tc.want)
		}
	}
}

func TestIdentities(t *testing.T) {
	for _, text := range []string{"192.0.2.1", "2001:db8::1", "moon.example.org", "carol@example.org", "C=CH, O=x, CN=y", "keyid:office", "%null"} {
		want, err := auth.ParseIdentity(text)
		if err != nil {
			t.Fatalf("%q is not an identity: %v", text, err)
		}
		id := NewID(want)
		if got, err := id.Identity(); err != nil || got != want {
			t.Errorf("%q comes back from the wire as %v, %v", text, got, err)
		}
		if body := id.Body(); body[0] != uint8(want.Type) || !bytes.Equal(body[:4], []byte{uint8(want.Type), 0, 0, 0}) || string(body[4:]) != want.Data {
			t.Errorf("%q has the body %x", text, body)
		}
	}
}

func TestNumbersWithoutNames(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{AuthMethod(200).String(), "method 200"}, {CertEncoding(200).String(), "encoding 200"}, {CFGType(9).String(), "CFG_(9)"},
		{CPType(9).String(), "(9)"}, {CPType(9).Short(), "(9)"}, {NotifyType(8191).String(), "(8191)"}, {HashAlgorithm(8).String(), "(8)"},
		{PayloadType(200).String(), "UNKN(200)"}, {TypeNone.String(), "none"},
		{(&EAP{}).String(), "EAP/(0)"}, {(&EAP{Packet: []byte{1, 2, 0, 5, 200}}).String(), "EAP/REQ/(200)"},
		{(&CP{CFGType: 9, Attributes: []CPAttribute{{Type: 9}}}).String(), "CP((9))"},
	} {
		if tc.got != tc.want {
			t.Errorf("a number without a name is %q, want %q", tc.got, tc.want)
		}
	}
}

func TestKeyHashes(t *testing.T) {
	if hashes, ok := (&CERTREQ{Encoding: CertX509Signature, Authority: make([]byte, 60)}).KeyHashes(); !ok || len(hashes) != 3 {
		t.Errorf("60 octets are %d authorities, %v", len(hashes), ok)
	}
	if _, ok := (&CERTREQ{Encoding: CertX509Signature, Authority: make([]byte, 61)}).KeyHashes(); ok {
		t.Error("61 octets are taken for authorities")
	}
	if _, ok := (&CERTREQ{Encoding: CertRawPublicKey, Authority: make([]byte, 60)}).KeyHashes(); ok {
		t.Error("a request for raw public keys is taken for authorities")
	}
}

func TestVersions(t *testing.T) {
	for _, tc := range []struct {
		version byte
		refused bool
		notify  bool
	}{
		{0x20, false, false},
		{0x2f, false, false}, // "MUST be ignored by a node with a smaller minor version number"  RFC 7296 §2.5
		{0x10, true, false},
		{0x00, true, false},
		{0x30, true, true},
	} {
		octets := firstRequest().AppendTo(nil)
		octets[17] = tc.version
		_, err := Parse(octets)
		if (err != nil) != tc.refused {
			t.Errorf("version %#02x gave %v", tc.version, err)
			continue
		}
		var e *Error
		if !tc.refused {
			continue
		}
		if !errors.As(err, &e) || e.Reason != Version || e.Major != tc.version>>4 {
			t.Errorf("version %#02x gave %v, not the Reason Version", tc.version, err)
			continue
		}
		if n := e.Notify(); (n != nil) != tc.notify || n != nil && n.NotifyType != InvalidMajorVersion {
			t.Errorf("version %#02x is answered with %v", tc.version, n)
		}
	}
	// A version that we cannot read may have another idea of length, too.
	octets := append(firstRequest().AppendTo(nil), 0)
	octets[17] = 0x30
	var e *Error
	if _, err := Parse(octets); !errors.As(err, &e) || e.Reason != Version {
		t.Errorf("version 3 with octets to spare gave %v, not the Reason Version", err)
	}
}

func TestCriticalPayloads(t *testing.T) {
	critical := "2b 80 00 05 01  63 00 00 04  00 80 00 06 01 02" // 98 critical, V, 99 critical
	m, err := Parse(message(98, unhex(t, critical)))
	var e *Error
	if !errors.As(err, &e) || e.Reason != Critical || e.Payload != 98 || e.Offset != header.Len {
		t.Fatalf("two critical payloads gave %v, want the first one", err)
	}
	n := e.Notify()
	if n == nil || n.NotifyType != UnsupportedCriticalPayload || !bytes.Equal(n.Data, []byte{98}) {
		t.Errorf("the answer is %v with %x, want UNSUPPORTED_CRITICAL_PAYLOAD with the type", n, n.Data)
	}
	if m == nil || m.Summary() != "UNKN(98) V UNKN(99)" {
		t.Fatalf("the payloads did not come along with the error: %v", m)
	}
	if again := m.AppendTo(nil); !bytes.Equal(again, message(98, unhex(t, critical))) {
		t.Errorf("the critical bits are lost in writing: %x", again)
	}
	if got := strings.Join(m.Detail(), "; "); got != "UNKN(98) critical, 1 octets; V; UNKN(99) critical, 2 octets" {
		t.Errorf("in detail the payloads are %q", got)
	}
	// Bad syntax elsewhere is worse.
	if _, err := Parse(message(98, unhex(t, "28 80 00 04  00 00 00 05 01"))); !errors.As(err, &e) || e.Reason != BadLength {
		t.Errorf("a critical payload hid a bad nonce: %v", err)
	}
}

func TestUnwritableMessages(t *testing.T) {
	huge := make([]byte, 65535)
	for name, m := range map[string]*Message{
		"payload of 64 KB":       {Payloads: []Payload{&VendorID{Data: huge}}},
		"message of 64 KB":       {Payloads: []Payload{&VendorID{Data: huge[:40000]}, &VendorID{Data: huge[:40000]}}},
		"256 selectors":          {Payloads: []Payload{&TSi{TS{Others: make([]OtherSelector, 256)}}}},
		"selector without range": {Payloads: []Payload{NewTSi(ts(0, 0, 65535, "10.0.0.1", "2001:db8::1"))}},
		"selector of 64 KB":      {Payloads: []Payload{&TSr{TS{Others: []OtherSelector{{Body: huge}}}}}},
		"256 proposals":          {Payloads: []Payload{&SA{Proposals: make([]Proposal, 256)}}},
		"256 transforms":         {Payloads: []Payload{NewSA([]suite.Proposal{{Transforms: make([]suite.Transform, 256)}}, nil)}},
		"SPI of 256 octets":      {Payloads: []Payload{NewSA([]suite.Proposal{{}}, huge[:256])}},
		"notify SPI":             {Payloads: []Payload{&Notify{SPI: huge[:256]}}},
		"SPIs to delete":         {Payloads: []Payload{&Delete{SPIs: make([]uint32, MaxDeleteSPIs+1)}}},
		"CP attributes":          {Payloads: []Payload{&CP{Attributes: make([]CPAttribute, MaxCPAttributes+1)}}},
		"CP attribute of 64 KB":  {Payloads: []Payload{&CP{Attributes: []CPAttribute{{Value: append(huge, 0)}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			c := testCiphers(t)[0].make()
			if b, err := Seal(m, c, NewIVs(c, rand.NewChaCha8([32]byte{})), nil); err == nil {
				t.Errorf("Seal made %d octets of it", len(b))
			}
			defer func() {
				if recover() == nil {
					t.Error("AppendTo wrote it")
				}
			}()
			m.AppendTo(nil)
		})
	}
}

// TestLengthsOfMessage has headers that lie about the message's length.
func TestLengthsOfMessage(t *testing.T) {
	octets := firstRequest().AppendTo(nil)
	for _, tc := range []struct {
		length uint32
		reason Reason
	}{
		{0, BadLength}, {27, BadLength}, {uint32(len(octets)) - 1, BadLength}, {uint32(len(octets)) + 1, Truncated}, {0xffffffff, Truncated},
	} {
		binary.BigEndian.PutUint32(octets[24:], tc.length)
		var e *Error
		if _, err := Parse(octets); !errors.As(err, &e) || e.Reason != tc.reason || e.Payload != TypeNone {
			t.Errorf("length %d of %d octets gave %v, want reason %v", tc.length, len(octets), err, tc.reason)
		}
	}
}

// TestClaimsCostNothing has counts and lengths that claim much with nothing behind them.
func TestClaimsCostNothing(t *testing.T) {
	for _, tc := range []struct {
		name   string
		typ    PayloadType
		octets string
	}{
		{"SPIs", TypeDelete, "00 00 00 08 03 04 10 00"},
		{"selectors", TypeTSi, "00 00 00 08 ff 00 00 00"},
		{"transforms", TypeSA, "00 00 00 10  00 00 00 0c 01 03 04 ff c0000001"},
		{"proposal length", TypeSA, "00 00 00 10  02 00 ff ff 01 03 04 ff c0000001"},
		{"attribute length", TypeCP, "00 00 00 0c 01000000 0001ffff"},
		{"payload length", TypeVendorID, "00 00 ff ff"},
		{"fragments", TypeSKF, "00 00 00 08 0001ffff"},
	} {
		octets := message(tc.typ, unhex(t, tc.octets))
		const runs = 200
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			if _, err := Parse(octets); err == nil {
				t.Fatalf("%s that are not there were believed", tc.name)
			}
		}
		runtime.ReadMemStats(&after)
		if n := (after.TotalAlloc - before.TotalAlloc) / runs; n > 2048 {
			t.Errorf("%s that are not there cost %d octets of memory", tc.name, n)
		}
	}
}

func TestErrorsSayWhatAndWhere(t *testing.T) {
	_, err := Parse(message(TypeKE, unhex(t, "00 00 00 06 00 1f")))
	if want := "ikev2: KE payload is truncated at octet 34: 2 octets needed, 0 there"; err == nil || err.Error() != want {
		t.Errorf("the error is %v, want %s", err, want)
	}
	_, err = Parse(nil)
	if want := "ikev2: message is truncated at octet 0: a message is as long as its header says"; err == nil || err.Error() != want {
		t.Errorf("the error is %v, want %s", err, want)
	}
	for r := Truncated; r <= Critical; r++ {
		if strings.Contains(r.String(), "reason") {
			t.Errorf("reason %d has no words", r)
		}
	}
	if got := Reason(0).String(); got != "has reason 0" {
		t.Errorf("no reason at all is %q", got)
	}
}
