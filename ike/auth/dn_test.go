package auth

import (
	"encoding/asn1"
	"testing"
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
