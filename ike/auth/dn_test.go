package auth

import (
	"encoding/asn1"
	"encoding/hex"
	"strings"
	"testing"
	"unicode"
)

// rawDN makes a distinguished name of attributes with the string types given.
func rawDN(t *testing.T, attributes ...attribute) Identity {
	t.Helper()
	var names []byte
	for _, a := range attributes {
		der, err := asn1.MarshalWithParams([]attribute{a}, "set")
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, der...)
	}
	der, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: names})
	if err != nil {
		t.Fatal(err)
	}
	return Identity{IDDERASN1DN, string(der)}
}

func attr(name string, tag int, value string) attribute {
	return attribute{oidOf(name), asn1.RawValue{Tag: tag, Bytes: []byte(value)}}
}

// TestDNMatching follows what strongSwan documents of rdn_matching = strict: every RDN in its place, and * for a whole value.
func TestDNMatching(t *testing.T) {
	for _, c := range []struct {
		name, pattern string
		want          Match
	}{
		{"C=CH, O=strongSwan, CN=moon", "C=CH, O=strongSwan, CN=moon", MatchPerfect},
		{"C=CH, O=strongSwan, CN=moon", "c=ch, o=STRONGSWAN, cn=Moon", MatchPerfect},
		{"C=CH, O=strongSwan, CN=moon", "C=CH, O=strongSwan, CN=*", MatchWildcard},
		{"C=CH, O=strongSwan, CN=moon", "C=*, O=*, CN=*", MatchWildcard},
		{"C=CH, O=strongSwan, CN=moon", "C=CH, O=strongSwan, CN=m*", MatchNone},   // part of a value
		{"C=CH, O=strongSwan, CN=moon", "O=strongSwan, C=CH, CN=moon", MatchNone}, // another order
		{"C=CH, O=strongSwan, CN=moon", "C=CH, O=strongSwan", MatchNone},
		{"C=CH, O=strongSwan, CN=moon", "C=CH, O=strongSwan, CN=moon, E=a@b", MatchNone},
		{"C=CH, O=strongSwan, CN=moon", "C=CH, O=strongSwan, OU=*", MatchNone},
		{"C=CH, O=strongSwan, CN=*", "C=CH, O=strongSwan, CN=moon", MatchNone}, // the peer's own wildcard
		{"C=CH, O=strongSwan, E=Carol@example.org", "C=CH, O=strongSwan, E=carol@EXAMPLE.org", MatchPerfect},
		{"O=Smith\\, Inc., CN=x", "O=Smith\\, Inc., CN=x", MatchPerfect},
		{"O=Smith, CN=x", "O=Smith\\, CN=x", MatchNone},
		{"CN=Müller", "CN=Müller", MatchPerfect},
		{"CN=MÜLLER", "CN=müller", MatchNone}, // only ASCII letters have two cases
		{"CN=\u212a", "CN=k", MatchNone},      // the Kelvin sign
	} {
		if got := id(t, c.name).Matches(id(t, c.pattern)); got != c.want {
			t.Errorf("%q against %q is %d, want %d", c.name, c.pattern, got, c.want)
		}
	}
	utf8, printable := rawDN(t, attr("CN", asn1.TagUTF8String, "Moon")), rawDN(t, attr("CN", asn1.TagPrintableString, "moon"))
	if utf8.Matches(printable) != MatchPerfect {
		t.Error("the same text as UTF8String and PrintableString does not match")
	}
	t61, t61Lower := rawDN(t, attr("CN", asn1.TagT61String, "Moon")), rawDN(t, attr("CN", asn1.TagT61String, "moon"))
	if t61.Matches(t61Lower) != MatchNone || t61.Matches(rawDN(t, attr("CN", asn1.TagUTF8String, "Moon"))) != MatchNone {
		t.Error("a T61String matches what is not the same octets")
	}
	if a, b := (Identity{IDFQDN, "\xff"}), (Identity{IDFQDN, "\xfe"}); a.Matches(b) != MatchNone {
		t.Error("two names of different octets that are no UTF-8 match")
	}
}

func TestDNsPrintAndReadBack(t *testing.T) {
	for _, s := range []string{`C=CH, O=Smith\, Inc., CN=a\\b`, "CN=Müller", "O=a/b, CN=c=d", "CN=a+b"} {
		got := id(t, s)
		if got.String() != s || id(t, got.String()) != got {
			t.Errorf("%q prints as %q", s, got)
		}
	}
	for in, want := range map[string]string{
		`CN= a\ , O=x`: "CN=a , O=x", "CN=a\u202eb": "CN=a?b", "/O=x, y/CN=z": `O=x\, y, CN=z`, `/O=x\/y/CN=z`: "O=x/y, CN=z",
	} {
		if got := id(t, in).String(); got != want {
			t.Errorf("%q prints as %q, want %q", in, got, want)
		}
	}
	bmp := rawDN(t, attr("CN", asn1.TagBMPString, "\x00M\x00\xfc"))
	if got := bmp.String(); got != "CN=Mü" {
		t.Errorf("a BMPString prints as %q", got)
	}
}

// TestBadDNs has octets that are no distinguished name: they print as hexadecimal and match nothing, not even themselves.
func TestBadDNs(t *testing.T) {
	bomb := []byte{}
	for range 700 {
		bomb = append([]byte{0x30, 0x82, byte(len(bomb) >> 8), byte(len(bomb))}, bomb...)
	}
	for name, der := range map[string][]byte{
		"nothing":                    {},
		"a SEQUENCE cut short":       {0x30, 0x05, 0x31},
		"an indefinite length":       {0x30, 0x80, 0x00, 0x00},
		"a SET at the top":           {0x31, 0x00},
		"octets behind it":           {0x30, 0x00, 0x00},
		"a SEQUENCE for a SET":       {0x30, 0x02, 0x30, 0x00},
		"an attribute without value": {0x30, 0x09, 0x31, 0x07, 0x30, 0x05, 0x06, 0x03, 0x55, 0x04, 0x03},
		"a type that is no OID":      {0x30, 0x09, 0x31, 0x07, 0x30, 0x05, 0x02, 0x01, 0x01, 0x0c, 0x00},
		"a length of 4 GiB":          {0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x31},
		"SEQUENCEs within SEQUENCEs": bomb,
	} {
		if _, ok := parseDN(der); ok {
			t.Errorf("%s is taken for a distinguished name", name)
		}
		if got := decodeDN(der); got != hex.EncodeToString(der) {
			t.Errorf("%s prints as %q, want hexadecimal", name, got)
		}
		if matchDN(der, der) != MatchNone {
			t.Errorf("%s matches", name)
		}
	}
}

// FuzzDN reads distinguished names of a peer: what is taken matches itself, and what it prints as has no control characters.
func FuzzDN(f *testing.F) {
	for _, s := range []string{"C=CH, O=x, CN=y", "/DC=org/DC=example/UID=a", "CN=*"} {
		der, err := encodeDN(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der, der)
	}
	f.Add([]byte{0x30, 0x02, 0x31, 0x00}, []byte{0x30, 0x00})
	f.Fuzz(func(t *testing.T, der, pattern []byte) {
		_, ok := parseDN(der)
		if got := matchDN(der, der) != MatchNone; got != ok {
			t.Errorf("%x is a distinguished name: %v, and matches itself: %v", der, ok, got)
		}
		if text := decodeDN(der); strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("%x prints as %q", der, text)
		}
		if _, fits := parseDN(pattern); matchDN(der, pattern) != MatchNone && !(ok && fits) {
			t.Errorf("%x matches %x, of which one is no distinguished name", der, pattern)
		}
	})
}
