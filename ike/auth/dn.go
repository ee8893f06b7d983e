package auth

import (
	"bytes"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"strings"
)

// attributeOIDs are the attribute types of distinguished names (RFC 4514 §3 and X.520), the preferred name first.
var attributeOIDs = []struct {
	name string
	oid  asn1.ObjectIdentifier
}{
	{"CN", asn1.ObjectIdentifier{2, 5, 4, 3}},
	{"SN", asn1.ObjectIdentifier{2, 5, 4, 4}},
	{"S", asn1.ObjectIdentifier{2, 5, 4, 4}},
	{"serialNumber", asn1.ObjectIdentifier{2, 5, 4, 5}},
	{"C", asn1.ObjectIdentifier{2, 5, 4, 6}},
	{"L", asn1.ObjectIdentifier{2, 5, 4, 7}},
	{"ST", asn1.ObjectIdentifier{2, 5, 4, 8}},
	{"street", asn1.ObjectIdentifier{2, 5, 4, 9}},
	{"O", asn1.ObjectIdentifier{2, 5, 4, 10}},
	{"OU", asn1.ObjectIdentifier{2, 5, 4, 11}},
	{"T", asn1.ObjectIdentifier{2, 5, 4, 12}},
	{"D", asn1.ObjectIdentifier{2, 5, 4, 13}},
	{"postalCode", asn1.ObjectIdentifier{2, 5, 4, 17}},
	{"N", asn1.ObjectIdentifier{2, 5, 4, 41}},
	{"G", asn1.ObjectIdentifier{2, 5, 4, 42}},
	{"I", asn1.ObjectIdentifier{2, 5, 4, 43}},
	{"dnQualifier", asn1.ObjectIdentifier{2, 5, 4, 46}},
	{"E", asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}},
	{"emailAddress", asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}},
	{"DC", asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}},
	{"UID", asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}},
}

type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

type relativeName []attribute // a SET

// encodeDN makes the DER of a distinguished name from "C=CH, O=x, CN=y" or "/C=CH/O=x/CN=y".
func encodeDN(s string) ([]byte, error) {
	sep := ","
	if rest, ok := strings.CutPrefix(s, "/"); ok {
		sep, s = "/", rest
	}
	var sequence []byte
	for _, part := range strings.Split(s, sep) {
		name, value, ok := strings.Cut(part, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		oid := oidOf(name)
		if !ok || oid == nil {
			return nil, fmt.Errorf("distinguished name %q: %q is not an attribute (C=, ST=, L=, O=, OU=, CN=, E=, …)", s, strings.TrimSpace(part))
		}
		set, err := marshalAttribute(oid, value)
		if err != nil {
			return nil, fmt.Errorf("distinguished name %q: %w", s, err)
		}
		sequence = append(sequence, set...)
	}
	return asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: sequence})
}

func marshalAttribute(oid asn1.ObjectIdentifier, value string) ([]byte, error) {
	tag := asn1.TagUTF8String
	switch {
	case oid[0] != 2: // emailAddress and domainComponent (RFC 5280 appendix A.1)
		tag = asn1.TagIA5String
	case isPrintableString(value):
		tag = asn1.TagPrintableString
	}
	attr, err := asn1.Marshal(attribute{oid, asn1.RawValue{Tag: tag, Bytes: []byte(value)}})
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: attr})
}

func oidOf(name string) asn1.ObjectIdentifier {
	for _, a := range attributeOIDs {
		if strings.EqualFold(a.name, name) {
			return a.oid
		}
	}
	return nil
}

// isPrintableString tells whether X.680's PrintableString takes the value.
func isPrintableString(s string) bool {
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(" '()+,-./:=?", r):
		default:
			return false
		}
	}
	return true
}

// parseDN splits a distinguished name into its relative names. A peer's DER is hostile: anything behind it is refused.
func parseDN(der []byte) ([]relativeName, bool) {
	var seq asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &seq); err != nil || len(rest) > 0 || seq.Tag != asn1.TagSequence || seq.Class != 0 {
		return nil, false
	}
	var names []relativeName
	for rest := seq.Bytes; len(rest) > 0; {
		var rdn relativeName
		var err error
		if rest, err = asn1.UnmarshalWithParams(rest, &rdn, "set"); err != nil {
			return nil, false
		}
		names = append(names, rdn)
	}
	return names, true
}

func decodeDN(der []byte) string {
	names, ok := parseDN(der)
	if !ok {
		return hex.EncodeToString(der)
	}
	var parts []string
	for _, rdn := range names {
		for _, a := range rdn {
			parts = append(parts, nameOf(a.Type)+"="+printable(string(a.Value.Bytes)))
		}
	}
	return strings.Join(parts, ", ")
}

func nameOf(oid asn1.ObjectIdentifier) string {
	for _, a := range attributeOIDs {
		if a.oid.Equal(oid) {
			return a.name
		}
	}
	return oid.String()
}

// matchDN compares attribute by attribute in order; a pattern's value "*" matches any value.
func matchDN(der, pattern []byte) Match {
	have, ok1 := parseDN(der)
	want, ok2 := parseDN(pattern)
	if !ok1 || !ok2 || len(have) != len(want) {
		return MatchNone
	}
	best := MatchPerfect
	for i := range have {
		if len(have[i]) != len(want[i]) {
			return MatchNone
		}
		for j := range have[i] {
			h, w := have[i][j], want[i][j]
			switch {
			case !h.Type.Equal(w.Type):
				return MatchNone
			case string(w.Value.Bytes) == "*":
				best = MatchWildcard
			case !bytes.EqualFold(bytes.TrimSpace(h.Value.Bytes), bytes.TrimSpace(w.Value.Bytes)):
				return MatchNone
			}
		}
	}
	return best
}
