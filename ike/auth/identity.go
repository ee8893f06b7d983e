// Package auth proves who is at the other end: identities (RFC 7296 §3.5) and the AUTH data of RFC 7296 §2.15.
package auth

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
)

// IDType is an Identification type (RFC 7296 §3.5).
type IDType uint8

// The identification types; 0 is %any, which matches every identity and is never sent.
const (
	IDAny        IDType = 0
	IDIPv4Addr   IDType = 1
	IDFQDN       IDType = 2
	IDRFC822Addr IDType = 3
	IDIPv6Addr   IDType = 5
	IDDERASN1DN  IDType = 9
	IDDERASN1GN  IDType = 10
	IDKeyID      IDType = 11
	IDNull       IDType = 13 // RFC 7619
)

// MaxIdentity bounds the octets of an identity.
const MaxIdentity = 4096

// Identity is an IKE identity; values compare with ==. The zero value is %any.
type Identity struct {
	Type IDType
	Data string // the octets of the Identification Data
}

// prefixes are the explicit types that may stand before an identity, "keyid:office". With a # behind the colon the
// rest is hexadecimal.
var prefixes = map[string]IDType{
	"ipv4": IDIPv4Addr, "ipv6": IDIPv6Addr,
	"fqdn": IDFQDN, "dns": IDFQDN,
	"rfc822": IDRFC822Addr, "email": IDRFC822Addr, "userfqdn": IDRFC822Addr,
	"asn1dn": IDDERASN1DN, "asn1gn": IDDERASN1GN,
	"keyid": IDKeyID,
}

// ParseIdentity reads an identity as strongSwan's swanctl.conf writes it:
//
//	%any, "", *          any
//	192.0.2.1, 2001:db8::1  an address
//	@moon.example.org    an FQDN, also without the @
//	carol@example.org    an RFC 822 address, also as @@carol@example.org
//	C=CH, O=x, CN=y      a distinguished name (anything with an =)
//	@#0a0b0c             a key ID in hexadecimal
//	keyid:office, fqdn:…, email:…, ipv4:…, asn1dn:…   an explicit type, with keyid:#0a0b as octets
func ParseIdentity(s string) (Identity, error) {
	s = strings.TrimSpace(s)
	if len(s) > MaxIdentity {
		return Identity{}, fmt.Errorf("identity of %d octets is longer than %d", len(s), MaxIdentity)
	}
	switch s {
	case "", "%any", "%any6", "*", "0.0.0.0", "::":
		return Identity{}, nil
	case "%null":
		return Identity{Type: IDNull}, nil
	}
	if name, rest, ok := strings.Cut(s, ":"); ok {
		if t, known := prefixes[strings.ToLower(name)]; known {
			return parseTyped(t, rest)
		}
	}
	switch {
	case strings.Contains(s, "="):
		return parseTyped(IDDERASN1DN, s)
	case strings.HasPrefix(s, "@#"):
		return parseTyped(IDKeyID, s[1:])
	case s == "@@":
		return Identity{}, fmt.Errorf("an identity of type %s has no value", IDRFC822Addr)
	case strings.HasPrefix(s, "@@"):
		return Identity{IDRFC822Addr, s[2:]}, nil
	case strings.HasPrefix(s, "@"):
		return parseTyped(IDFQDN, s[1:])
	case strings.Contains(s, "@"):
		return Identity{IDRFC822Addr, s}, nil
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return FromAddr(a), nil
	}
	if strings.Contains(s, ":") {
		return Identity{IDKeyID, s}, nil
	}
	return Identity{IDFQDN, s}, nil
}

func parseTyped(t IDType, s string) (Identity, error) {
	if h, ok := strings.CutPrefix(s, "#"); ok {
		data, err := hex.DecodeString(strings.NewReplacer(":", "", " ", "").Replace(h))
		if err != nil || len(data) == 0 {
			return Identity{}, fmt.Errorf("identity %q: the octets behind # are not hexadecimal", s)
		}
		return FromWire(t, data)
	}
	switch t {
	case IDIPv4Addr, IDIPv6Addr:
		a, err := netip.ParseAddr(s)
		if err != nil || a.Is4() != (t == IDIPv4Addr) {
			return Identity{}, fmt.Errorf("identity %q is not an %s address", s, map[bool]string{true: "IPv4", false: "IPv6"}[t == IDIPv4Addr])
		}
		return FromAddr(a), nil
	case IDDERASN1DN:
		der, err := encodeDN(s)
		if err != nil {
			return Identity{}, err
		}
		return Identity{t, string(der)}, nil
	}
	if s == "" {
		return Identity{}, fmt.Errorf("an identity of type %s has no value", t)
	}
	return Identity{t, s}, nil
}

// FromAddr is the identity of an address.
func FromAddr(a netip.Addr) Identity {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return Identity{}
	}
	t := IDIPv6Addr
	if a.Is4() {
		t = IDIPv4Addr
	}
	return Identity{t, string(a.AsSlice())}
}

// FromUser is the identity that a user's name in EAP is: one of the types that a text can be, else a key ID with its octets.
func FromUser(name string) Identity {
	id, err := ParseIdentity(name)
	if err != nil || id.IsAny() {
		return Identity{Type: IDKeyID, Data: name}
	}
	return id
}

// UserName is the name in EAP of whom the identity is: its octets, where they are a text.
func (id Identity) UserName() string {
	switch id.Type {
	case IDFQDN, IDRFC822Addr, IDKeyID:
		return id.Data
	}
	return id.String()
}

// FitsUser is how the identity is that of a user's name in EAP: 2 as it is, 1 without a Windows domain before it, 0 not at all.
func (id Identity) FitsUser(name string) int {
	withoutDomain := name[strings.LastIndexByte(name, '\\')+1:]
	switch {
	case FromUser(name).Matches(id) == MatchPerfect:
		return 2
	case FromUser(withoutDomain).Matches(id) == MatchPerfect:
		return 1
	}
	return 0
}

// IsUser tells whether the identity is that of a user's name in EAP, with or without a Windows domain before it.
func (id Identity) IsUser(name string) bool { return id.FitsUser(name) > 0 }

// FromWire checks an identity as a peer sent it (RFC 7296 §3.5).
func FromWire(t IDType, data []byte) (Identity, error) {
	want := map[IDType]int{IDIPv4Addr: 4, IDIPv6Addr: 16}
	if n, fixed := want[t]; fixed && len(data) != n {
		return Identity{}, fmt.Errorf("identity of type %s has %d octets, not %d", t, len(data), n)
	}
	if len(data) > MaxIdentity {
		return Identity{}, fmt.Errorf("identity of %d octets is longer than %d", len(data), MaxIdentity)
	}
	if t == IDAny || (len(data) == 0 && t != IDNull) {
		return Identity{}, fmt.Errorf("empty identity of type %d", t)
	}
	return Identity{t, string(data)}, nil
}

// Folded is the identity in lower case where Matches has no regard for case in it.
func (id Identity) Folded() Identity {
	if id.Type == IDFQDN || id.Type == IDRFC822Addr {
		id.Data = lower(id.Data)
	}
	return id
}

// IsAny says that the identity is %any.
func (id Identity) IsAny() bool { return id == Identity{} }

// String is the identity as strongSwan prints it; unprintable octets are shown in hexadecimal or as '?'.
func (id Identity) String() string {
	switch id.Type {
	case IDAny:
		return "%any"
	case IDNull:
		return "%null"
	case IDIPv4Addr, IDIPv6Addr:
		a, ok := netip.AddrFromSlice([]byte(id.Data))
		if !ok {
			return "?"
		}
		return a.String()
	case IDDERASN1DN:
		return decodeDN([]byte(id.Data))
	case IDFQDN, IDRFC822Addr:
		return printable(id.Data)
	case IDKeyID:
		if printable(id.Data) == id.Data {
			return id.Data
		}
	}
	return hex.EncodeToString([]byte(id.Data))
}

// String is the RFC's name without "ID_".
func (t IDType) String() string {
	switch t {
	case IDAny:
		return "ANY"
	case IDIPv4Addr:
		return "IPV4_ADDR"
	case IDFQDN:
		return "FQDN"
	case IDRFC822Addr:
		return "RFC822_ADDR"
	case IDIPv6Addr:
		return "IPV6_ADDR"
	case IDDERASN1DN:
		return "DER_ASN1_DN"
	case IDDERASN1GN:
		return "DER_ASN1_GN"
	case IDKeyID:
		return "KEY_ID"
	case IDNull:
		return "NULL"
	}
	return fmt.Sprintf("type %d", uint8(t))
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, s)
}

// Match is how well an identity fits a pattern; greater is closer.
type Match int

// The degrees of a match, as strongSwan weighs them.
const (
	MatchNone     Match = 0
	MatchAny      Match = 1  // the pattern is %any
	MatchWildcard Match = 10 // the pattern has a wildcard
	MatchPerfect  Match = 20
)

// Matches tells how well id fits the pattern. FQDN and RFC 822 identities compare without regard to case and take a
// leading * ("*.example.org", "*@example.org"); distinguished names compare attribute by attribute, in order, and "*" matches
// any value.
func (id Identity) Matches(pattern Identity) Match {
	switch {
	case pattern.IsAny():
		return MatchAny
	case id.Type != pattern.Type:
		return MatchNone
	case id == pattern:
		return MatchPerfect
	case id.Type == IDDERASN1DN:
		return matchDN([]byte(id.Data), []byte(pattern.Data))
	case id.Type != IDFQDN && id.Type != IDRFC822Addr:
		return MatchNone
	}
	have, want := lower(id.Data), lower(pattern.Data)
	if have == want {
		return MatchPerfect
	}
	if suffix, ok := strings.CutPrefix(want, "*"); ok && len(have) > len(suffix) && strings.HasSuffix(have, suffix) {
		return MatchWildcard
	}
	return MatchNone
}
