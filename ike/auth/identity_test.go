package auth

import (
	"encoding/hex"
	"net/netip"
	"testing"
)

func TestParseIdentity(t *testing.T) {
	for _, c := range []struct {
		in   string
		typ  IDType
		data string
		out  string
	}{
		{"", IDAny, "", "%any"},
		{"%any", IDAny, "", "%any"},
		{"192.0.2.1", IDIPv4Addr, "\xc0\x00\x02\x01", "192.0.2.1"},
		{"2001:db8::1", IDIPv6Addr, "\x20\x01\x0d\xb8" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", "2001:db8::1"},
		{"moon.example.org", IDFQDN, "moon.example.org", "moon.example.org"},
		{"@moon.example.org", IDFQDN, "moon.example.org", "moon.example.org"},
		{"carol@example.org", IDRFC822Addr, "carol@example.org", "carol@example.org"},
		{"@@carol@example.org", IDRFC822Addr, "carol@example.org", "carol@example.org"},
		{"@#0a0b0c", IDKeyID, "\x0a\x0b\x0c", "0a0b0c"},
		{"keyid:office", IDKeyID, "office", "office"},
		{"keyid:#6f66", IDKeyID, "of", "of"},
		{"fqdn:10.0.0.1", IDFQDN, "10.0.0.1", "10.0.0.1"},
		{"email:carol", IDRFC822Addr, "carol", "carol"},
		{"ipv4:10.0.0.1", IDIPv4Addr, "\x0a\x00\x00\x01", "10.0.0.1"},
		{"%null", IDNull, "", "%null"},
		{"not:an:address", IDKeyID, "not:an:address", "not:an:address"},
	} {
		id, err := ParseIdentity(c.in)
		if err != nil || id.Type != c.typ || id.Data != c.data || id.String() != c.out {
			t.Errorf("ParseIdentity(%q) = %v %q printed %q (%v), want %v %q printed %q", c.in, id.Type, id.Data, id, err, c.typ, c.data, c.out)
		}
	}
	for _, bad := range []string{"keyid:#xyz", "ipv4:2001:db8::1", "ipv6:10.0.0.1", "NOPE=1", "keyid:", "@@"} {
		if id, err := ParseIdentity(bad); err == nil {
			t.Errorf("ParseIdentity(%q) = %v, want an error", bad, id)
		}
	}
}

func TestDistinguishedNames(t *testing.T) {
	id, err := ParseIdentity("C=CH, O=strongSwan, CN=moon")
	if err != nil {
		t.Fatal(err)
	}
	// SEQUENCE { SET { SEQUENCE { countryName, PrintableString } } … }, written out by hand from X.690.
	if got := hex.EncodeToString([]byte(id.Data)); got != "3031"+"310b3009060355040613024348"+"31133011060355040a130a7374726f6e675377616e"+"310d300b06035504031304"+"6d6f6f6e" {
		t.Errorf("the DER is %s", got)
	}
	if id.String() != "C=CH, O=strongSwan, CN=moon" {
		t.Errorf("it prints as %q", id)
	}
	slash, err := ParseIdentity("/C=CH/O=strongSwan/CN=moon")
	if err != nil || slash != id {
		t.Errorf("the OpenSSL form gives %v (%v), want the same name", slash, err)
	}
	for pattern, match := range map[string]Match{
		"C=CH, O=strongswan, CN=MOON": MatchPerfect, "C=CH, O=strongSwan, CN=*": MatchWildcard,
		"C=CH, O=other, CN=moon": MatchNone, "C=CH, CN=moon": MatchNone, "%any": MatchAny, "moon": MatchNone,
	} {
		p, err := ParseIdentity(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if m := id.Matches(p); m != match {
			t.Errorf("%q matches %q with %d, want %d", id, pattern, m, match)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		id, pattern string
		want        Match
	}{
		{"moon.example.org", "MOON.example.org", MatchPerfect},
		{"moon.example.org", "*.example.org", MatchWildcard},
		{"example.org", "*.example.org", MatchNone},
		{"carol@example.org", "*@example.org", MatchWildcard},
		{"192.0.2.1", "192.0.2.1", MatchPerfect},
		{"192.0.2.1", "192.0.2.2", MatchNone},
		{"192.0.2.1", "fqdn:192.0.2.1", MatchNone},
		{"keyid:A", "keyid:a", MatchNone},
		{"moon", "", MatchAny},
	} {
		id, _ := ParseIdentity(c.id)
		p, _ := ParseIdentity(c.pattern)
		if m := id.Matches(p); m != c.want {
			t.Errorf("%q against %q is %d, want %d", c.id, c.pattern, m, c.want)
		}
	}
}

func TestFromWireChecksLengths(t *testing.T) {
	if _, err := FromWire(IDIPv4Addr, []byte{1, 2, 3}); err == nil {
		t.Error("an IPv4 identity of three octets is taken")
	}
	if _, err := FromWire(IDFQDN, nil); err == nil {
		t.Error("an empty FQDN is taken")
	}
	if _, err := FromWire(IDKeyID, make([]byte, MaxIdentity+1)); err == nil {
		t.Error("an identity without bound is taken")
	}
	if id := FromAddr(netip.MustParseAddr("::ffff:10.0.0.1")); id.String() != "10.0.0.1" {
		t.Errorf("a mapped address gives %v", id)
	}
}

func FuzzIdentity(f *testing.F) {
	f.Add("C=CH, O=x, CN=y", []byte{0x30, 0})
	f.Add("keyid:#00", []byte{0x30, 0x80})
	f.Fuzz(func(t *testing.T, s string, der []byte) {
		if id, err := ParseIdentity(s); err == nil {
			_ = id.String()
			if id.Matches(id) == MatchNone {
				t.Errorf("%q does not match itself", s)
			}
		}
		if id, err := FromWire(IDDERASN1DN, der); err == nil {
			_ = id.String()
			id.Matches(Identity{IDDERASN1DN, "0\x00"})
		}
	})
}

// TestUserNames has names of users in EAP become identities and the same names again.
func TestUserNames(t *testing.T) {
	for _, name := range []string{"alice", "alice@example.org", "alice smith", "bjørn", "bjørn@example.org", "%any", "a=b", `CORP\alice`, "a\x00b", "192.0.2.1", "@", "@@"} {
		id := FromUser(name)
		if got := id.UserName(); got != name || !id.IsUser(name) {
			t.Errorf("the user %q is the identity %s, whose name is %q; the same user: %v", name, id, got, id.IsUser(name))
		}
	}
	for _, c := range []struct {
		id, name string
		is       bool
	}{
		{"alice", `CORP\alice`, true}, {"alice", `A\B\Alice`, true}, {`CORP\alice`, "alice", false}, {"alice", "bob", false}, {"%any", "alice", false},
		{"*@example.org", "alice@example.org", false}, {"alice@example.org", "Alice@Example.org", true}, {"alice", `alice\`, false},
	} {
		id, err := ParseIdentity(c.id)
		if err != nil {
			t.Fatal(err)
		}
		if got := id.IsUser(c.name); got != c.is {
			t.Errorf("%q is the user %q: %v, want %v", c.id, c.name, got, c.is)
		}
	}
}
