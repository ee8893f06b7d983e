package wire

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/goswan/goswan/crypto/suite"
)

// TestSuites protects and opens with what a negotiation gives: combined modes, and CBC with every integrity algorithm.
func TestSuites(t *testing.T) {
	for _, keywords := range []string{
		"aes128gcm16-prfsha256-x25519", "aes192gcm16-prfsha256-x25519", "aes256gcm16-prfsha384-x25519", "chacha20poly1305-prfsha256-x25519",
		"aes128-sha1-modp2048", "aes192-sha256-modp2048", "aes256-sha384-ecp384", "aes256-sha512-ecp521",
	} {
		t.Run(keywords, func(t *testing.T) {
			proposals, err := suite.Parse(suite.IKE, keywords)
			if err != nil {
				t.Fatalf("the keywords are refused: %v", err)
			}
			set, err := suite.Resolve(proposals[0])
			if err != nil {
				t.Fatalf("the proposal has no code: %v", err)
			}
			cipher := func() suite.Cipher {
				c, err := set.NewCipher(bytes.Repeat([]byte{1}, set.EncrKeyLen()), bytes.Repeat([]byte{2}, set.IntegKeyLen()))
				if err != nil {
					t.Fatalf("no cipher: %v", err)
				}
				return c
			}
			sender, receiver := cipher(), cipher()
			ivs := NewIVs(sender, rand.NewChaCha8([32]byte{3}))
			for n := range 40 {
				m := authRequest()
				m.Payloads = append(m.Payloads, &VendorID{Data: bytes.Repeat([]byte{7}, n)})
				b, err := Seal(m, sender, ivs, nil)
				if err != nil {
					t.Fatalf("not sealed: %v", err)
				}
				got, err := Open(b, receiver)
				if err != nil || !bytes.Equal(got.AppendTo(nil), m.AppendTo(nil)) {
					t.Fatalf("with a vendor ID of %d octets, what was opened is %v, %v", n, got, err)
				}
				b[len(b)-1] ^= 1
				if _, err := Open(b, receiver); err != ErrIntegrity {
					t.Fatalf("a changed ICV gave %v", err)
				}
			}
		})
	}
}
