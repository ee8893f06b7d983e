package wire

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	encrypt "github.com/goswan/goswan/crypto/encr"
	integrity "github.com/goswan/goswan/crypto/integ"
	"github.com/goswan/goswan/crypto/suite"
)

// suites are keywords of IKE suites with every encryption algorithm and key length and every integrity algorithm that is not refused.
func suites() (list []string) {
	for _, row := range encrypt.Transforms {
		if !row.Status.Usable() || row.ESPOnly {
			continue
		}
		for _, k := range row.Keywords {
			if row.TakesKeyBits(k.Bits) {
				list = append(list, k.Word+"-sha256-x25519") // combined mode takes the PRF of it
			}
		}
	}
	for _, row := range integrity.Transforms {
		if row.Status.Usable() {
			list = append(list, "aes128-"+row.Keywords[0]+"-x25519", "aes256ctr-"+row.Keywords[0]+"-x25519")
		}
	}
	return list
}

// TestSuites protects and opens with what a negotiation gives, in one message and in fragments.
func TestSuites(t *testing.T) {
	for _, keywords := range suites() {
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
			inFragments(t, sender, receiver, ivs)
		})
	}
}

// inFragments sends a message in pieces of 200 octets.
func inFragments(t *testing.T, sender, receiver suite.Cipher, ivs io.Reader) {
	t.Helper()
	m := authRequest()
	m.Payloads = append(m.Payloads, &VendorID{Data: bytes.Repeat([]byte{7}, 700)})
	pieces, err := SealFragments(m, sender, ivs, 200)
	if err != nil || len(pieces) < 4 {
		t.Fatalf("a message of more than 700 octets makes %d fragments of 200: %v", len(pieces), err)
	}
	var r Reassembly
	for i, b := range pieces {
		if len(b) > 200 {
			t.Errorf("fragment %d has %d octets, at most 200 were asked for", i+1, len(b))
		}
		f, err := OpenFragment(b, receiver)
		if err != nil {
			t.Fatalf("fragment %d does not open: %v", i+1, err)
		}
		got, err := r.Add(f)
		if last := i == len(pieces)-1; err != nil || last != (got != nil) || last && !bytes.Equal(got.AppendTo(nil), m.AppendTo(nil)) {
			t.Fatalf("after fragment %d of %d there is %v, %v", i+1, len(pieces), got, err)
		}
	}
}

// A message may have much in front of its Encrypted payload that nobody has proven yet. The longest is refused like another.
func TestMuchInFrontOfTheEncryptedPayload(t *testing.T) {
	for _, keywords := range []string{"aes128ccm16-prfsha256-x25519", "aes128gcm8-prfsha256-x25519", "aes128-aesxcbc-x25519"} {
		proposals, err := suite.Parse(suite.IKE, keywords)
		if err != nil {
			t.Fatal(err)
		}
		set, err := suite.Resolve(proposals[0])
		if err != nil {
			t.Fatal(err)
		}
		c, err := set.NewCipher(make([]byte, set.EncrKeyLen()), make([]byte, set.IntegKeyLen()))
		if err != nil {
			t.Fatal(err)
		}
		m := authRequest()
		m.Outer = []Payload{&VendorID{Data: make([]byte, 65100)}}
		b, err := Seal(m, c, NewIVs(c, rand.NewChaCha8([32]byte{})), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(b, c); err != nil {
			t.Errorf("%s: a message of %d octets, nearly all in front, does not open: %v", keywords, len(b), err)
		}
		b[100] ^= 1
		if _, err := Open(b, c); err != ErrIntegrity {
			t.Errorf("%s: one that was changed in front gives %v", keywords, err)
		}
	}
}
