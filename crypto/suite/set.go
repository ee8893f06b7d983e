package suite

import (
	"fmt"

	"github.com/goswan/goswan/crypto/encr"
	"github.com/goswan/goswan/crypto/integ"
	"github.com/goswan/goswan/crypto/ke"
	"github.com/goswan/goswan/crypto/prf"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/status"
)

// Set is a chosen proposal resolved to rows.
type Set struct {
	Encr        encr.Transform   // the zero row for AH
	EncrKeyBits int              // its Key Length attribute, 0 without one
	Integ       *integ.Transform // nil for combined-mode encryption
	PRF         *prf.Transform   // nil for ESP and AH
	KE          *ke.Transform    // nil: none
	ESN         bool             // sequence numbers of 64 bits, RFC 4303 §2.2.1
	Proposal    Proposal         // what it was resolved from
}

// Resolve finds the rows of a chosen proposal: one that Select returned, or that came back from the peer and was
// checked against what we had offered. It is an error if a type occurs twice, if one is missing that the protocol needs,
// or if a transform is not usable in this version.
func Resolve(chosen Proposal) (Set, error) {
	s := Set{Proposal: chosen}
	seen := map[TransformType]bool{}
	for _, t := range chosen.Transforms {
		if seen[t.Type] {
			return Set{}, fmt.Errorf("suite: %s has two transforms of type %s", chosen, t.Type)
		}
		seen[t.Type] = true
		if st, _ := t.Status(); !st.Usable() {
			return Set{}, fmt.Errorf("suite: %s: %s cannot be used: %s", chosen, t, st)
		}
		if t.notFor(chosen.Protocol) {
			return Set{}, fmt.Errorf("suite: %s: %s is not for %s", chosen, t, chosen.Protocol)
		}
		s.take(t)
	}
	if lack := s.lacks(); lack != "" {
		return Set{}, fmt.Errorf("suite: %s has no %s", chosen, lack)
	}
	return s, nil
}

// take enters the row of a usable transform.
func (s *Set) take(t Transform) {
	switch t.Type {
	case ENCR:
		s.Encr, _ = encr.Lookup(t.ID)
		s.EncrKeyBits = int(t.KeyBits)
	case PRF:
		s.PRF, _ = prf.Lookup(t.ID)
	case INTEG:
		s.Integ, _ = integ.Lookup(t.ID) // nil for NONE
	case KE:
		s.KE, _ = ke.Lookup(t.ID) // nil for NONE
	case ESN:
		s.ESN = t.ID == useESN
	}
}

// lacks names the first type that the protocol needs and the set has not, RFC 7296 §3.3.3.
func (s *Set) lacks() string {
	protocol := s.Proposal.Protocol
	switch {
	case protocol != AH && s.Encr.Status == status.Unimplemented:
		return "ENCR"
	case s.Integ == nil && !s.Encr.AEAD:
		return "INTEG"
	case protocol == IKE && s.PRF == nil:
		return "PRF"
	case protocol == IKE && s.KE == nil:
		return "KE"
	}
	return ""
}

// EncrKeyLen returns the octets of key material of one direction's encryption, salt included: 20 for AES-GCM with a key
// of 128 bits (RFC 4106 §8.1) and for AES-CTR, whose nonce that is (RFC 3686 §5.1), 19 for AES-CCM (RFC 4309 §7.1), 36 for
// ChaCha20-Poly1305 (RFC 7634 §2), none for NULL.
func (s Set) EncrKeyLen() int { return s.Encr.KeyLen(uint16(s.EncrKeyBits)) + s.Encr.SaltLen }

// IntegKeyLen returns the octets of key material of one direction's integrity algorithm, 0 for combined mode.
func (s Set) IntegKeyLen() int {
	if s.Integ == nil || s.Encr.AEAD {
		return 0
	}
	return s.Integ.KeyLen
}

// NewCipher keys one direction. encrKey has EncrKeyLen octets, salt included, and integKey has IntegKeyLen octets;
// the Cipher keeps nothing of either slice.
func (s Set) NewCipher(encrKey, integKey secret.Bytes) (Cipher, error) {
	if s.Encr.NewAEAD == nil && s.Encr.NewMode == nil {
		return nil, fmt.Errorf("suite: %s has no encryption algorithm to key", s.Proposal)
	}
	if len(encrKey) != s.EncrKeyLen() || len(integKey) != s.IntegKeyLen() {
		return nil, fmt.Errorf("suite: %s takes keys of %d and %d octets, not %d and %d",
			s.Proposal, s.EncrKeyLen(), s.IntegKeyLen(), len(encrKey), len(integKey))
	}
	if s.Encr.AEAD {
		return newCombined(s.Encr, encrKey)
	}
	return newApart(s.Encr, s.Integ, encrKey, integKey)
}
