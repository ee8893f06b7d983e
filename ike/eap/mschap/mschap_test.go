package mschap

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/goswan/goswan/crypto/secret"
)

// sample is RFC 2759 §9.2.
var sample = Exchange{
	Authenticator: Challenge(unhex("5B5D7C7D7B3F2F3E3C2C602132262628")),
	Peer:          Challenge(unhex("21402324255E262A28295F2B3A337C7E")),
	Name:          "User",
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func TestRFC2759Vectors(t *testing.T) {
	want := func(what, got, want string) {
		t.Helper()
		if !strings.EqualFold(got, want) {
			t.Errorf("RFC 2759 §9.2: %s is %s, want %s", what, got, want)
		}
	}
	hash := NTHash(secret.Bytes("clientPass"))
	challenge := sample.challengeHash()
	response := sample.NTResponse(hash)
	want("Challenge", hex.EncodeToString(challenge[:]), "D02E4386BCE91226")
	want("PasswordHash", hex.EncodeToString(hash), "44EBBA8D5312B8D611474411F56989AE")
	want("NT-Response", hex.EncodeToString(response[:]), "82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF")
	want("PasswordHashHash", hex.EncodeToString(sumMD4(hash)), "41C00C584BD2D91C4017A2A12FA59F3F")
	want("AuthenticatorResponse", sample.AuthenticatorResponse(hash, response), "S=407A5589115FD0D6209F510FE9C04566932CDA56")
}

// TestRFC3079Vectors has the keys of RFC 3079 §3.5.3, which come from the exchange above.
func TestRFC3079Vectors(t *testing.T) {
	hash := NTHash(secret.Bytes("clientPass"))
	response := sample.NTResponse(hash)
	master := masterKey(hash, response)
	if got := hex.EncodeToString(master); !strings.EqualFold(got, "FDECE3717A8C838CB388E527AE3CDD31") {
		t.Errorf("RFC 3079 §3.5.3: MasterKey is %s", got)
	}
	send := hex.EncodeToString(startKey(master, serverSendKeyText))
	if !strings.EqualFold(send, "8B7CDC149B993A1BA118CB153F56DCCB") {
		t.Errorf("RFC 3079 §3.5.3: SendStartKey128 of the server is %s", send)
	}
	msk := MSK(hash, response)
	if len(msk) != MSKSize || hex.EncodeToString(msk[16:32]) != send || hex.EncodeToString(msk[32:]) != strings.Repeat("00", 32) {
		t.Error("the MSK is not the client's and the server's send key and 32 zeros")
	}
}

func TestNTHashOfOtherPasswords(t *testing.T) {
	for _, tc := range []struct{ password, hash string }{
		{"", "31d6cfe0d16ae931b73c59d7e0c089c0"},
		{"password", "8846f7eaee8fb117ad06bdd830b7586c"},
	} {
		if got := hex.EncodeToString(NTHash(secret.Bytes(tc.password))); got != tc.hash {
			t.Errorf("the NT hash of %q is %s, want %s", tc.password, got, tc.hash)
		}
	}
	// A character outside the first plane is two units; octets that are no UTF-8 are replaced and do no harm.
	if NTHash(secret.Bytes("\U0001F511")).Equal(NTHash(secret.Bytes("�"))) {
		t.Error("a character of two UTF-16 units is hashed like the replacement character")
	}
	if !NTHash(secret.Bytes("\xff")).Equal(NTHash(secret.Bytes("�"))) {
		t.Error("an octet that is no UTF-8 is not hashed as the replacement character")
	}
}

func TestDomainIsNotHashed(t *testing.T) {
	with := sample
	with.Name = `EXAMPLE\User`
	hash := NTHash(secret.Bytes("clientPass"))
	if with.NTResponse(hash) != sample.NTResponse(hash) {
		t.Error(`the response for EXAMPLE\User differs from that for User`)
	}
}

func TestSameAuthenticatorResponse(t *testing.T) {
	const right = "S=407A5589115FD0D6209F510FE9C04566932CDA56"
	for _, tc := range []struct {
		got  string
		same bool
	}{
		{right, true},
		{strings.ToLower(right), true},
		{right[:len(right)-1], false},
		{right[:len(right)-1] + "7", false},
		{"", false},
	} {
		if SameAuthenticatorResponse(tc.got, right) != tc.same {
			t.Errorf("comparing %q with the right response does not say %t", tc.got, tc.same)
		}
	}
}

// FuzzPassword has that any octets are a password, and that a response fits no other authenticator.
func FuzzPassword(f *testing.F) {
	f.Add([]byte("clientPass"), "S=407A5589115FD0D6209F510FE9C04566932CDA56")
	f.Add([]byte{0xff, 0xed, 0xa0, 0x80}, "S=")
	f.Fuzz(func(t *testing.T, password []byte, got string) {
		hash := NTHash(password)
		e := Exchange{Name: "user"}
		want := e.AuthenticatorResponse(hash, e.NTResponse(hash))
		if len(hash) != 16 || SameAuthenticatorResponse(got, want) && !strings.EqualFold(got, want) || !SameAuthenticatorResponse(want, want) {
			t.Errorf("the password %x has a hash of %d octets, and %q is taken for %q", password, len(hash), got, want)
		}
	})
}
