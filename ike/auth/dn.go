package auth

import (
	"bytes"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
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

// encodeDN makes the DER of a distinguished name from "C=CH, O=x, CN=y" or "/C=CH/O=x/CN=y". A backslash takes the
// character behind it as it is: "O=Smith\\, Inc." (RFC 4514 §2.4).
func encodeDN(s string) ([]byte, error) {
	sep := byte(',')
	rest, slash := strings.CutPrefix(s, "/")
	if slash {
		sep = '/'
	}
	var sequence []byte
	for _, part := range splitDN(rest, sep) {
		name, value, ok := strings.Cut(part, "=")
		name = strings.TrimSpace(name)
		oid := oidOf(name)
		if !ok || oid == nil {
			return nil, fmt.Errorf("distinguished name %q: %q is not an attribute (C=, ST=, L=, O=, OU=, CN=, E=, …)", s, strings.TrimSpace(part))
		}
		set, err := marshalAttribute(oid, unescape(value))
		if err != nil {
			return nil, fmt.Errorf("distinguished name %q: %w", s, err)
		}
		sequence = append(sequence, set...)
	}
	return asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: sequence})
}

// splitDN splits at separators that no backslash stands before.
func splitDN(s string, sep byte) (parts []string) {
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case sep:
			parts, start = append(parts, s[start:i]), i+1
		}
	}
	return append(parts, s[start:])
}

// unescape takes the spaces around a value off and the backslashes in it out.
func unescape(value string) string {
	value = strings.TrimLeft(value, " ")
	var out strings.Builder
	keep := 0 // what spaces at the end must not be cut below
	for i := 0; i < len(value); i++ {
		if value[i] == '\\' && i+1 < len(value) {
			i++
			keep = out.Len() + 1
		}
		out.WriteByte(value[i])
	}
	text := out.String()
	return text[:keep] + strings.TrimRight(text[keep:], " ")
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
			parts = append(parts, nameOf(a.Type)+"="+escape(text(a.Value)))
		}
	}
	return strings.Join(parts, ", ")
}

// text is the value of an attribute as people read it; what does not print is '?'.
func text(v asn1.RawValue) string {
	s := string(v.Bytes)
	if v.Tag == asn1.TagBMPString && len(v.Bytes)%2 == 0 {
		units := make([]uint16, 0, len(v.Bytes)/2)
		for i := 0; i < len(v.Bytes); i += 2 {
			units = append(units, uint16(v.Bytes[i])<<8|uint16(v.Bytes[i+1]))
		}
		s = string(utf16.Decode(units))
	}
	if !utf8.ValidString(s) {
		return printable(s)
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// escape puts a backslash before what would otherwise end a value, so that no name looks like another.
func escape(value string) string {
	return strings.NewReplacer(`\`, `\\`, ",", `\,`).Replace(value)
}

func nameOf(oid asn1.ObjectIdentifier) string {
	for _, a := range attributeOIDs {
		if a.oid.Equal(oid) {
			return a.name
		}
	}
	return oid.String()
}

// matchDN compares attribute by attribute in order, as strongSwan does; a pattern's value "*" matches any value, and only a
// whole value can be a wildcard.
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
			case !equalValues(h.Value, w.Value):
				return MatchNone
			}
		}
	}
	return best
}

// equalValues compares two attribute values: strings of characters without regard to the case of ASCII letters and to
// spaces around them (RFC 5280 §7.1), everything else octet by octet.
func equalValues(a, b asn1.RawValue) bool {
	if isText(a) && isText(b) {
		return equalFold(string(bytes.Trim(a.Bytes, " ")), string(bytes.Trim(b.Bytes, " ")))
	}
	return a.Tag == b.Tag && a.Class == b.Class && bytes.Equal(a.Bytes, b.Bytes)
}

func isText(v asn1.RawValue) bool {
	switch v.Tag {
	case asn1.TagPrintableString, asn1.TagUTF8String, asn1.TagIA5String:
		return v.Class == asn1.ClassUniversal
	}
	return false
}

// equalFold compares without regard to the case of ASCII letters, and of no others: Unicode would make a Kelvin sign a k.
func equalFold(a, b string) bool { return lower(a) == lower(b) }

// lower makes ASCII letters small.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
