// Package sig is the table of signature schemes by which peers prove who they are: the Authentication Methods of
// RFC 7296 §3.8 that are signatures, and what the method Digital Signature of RFC 7427 carries.
//
// The Authentication Data of a Digital Signature names its algorithm, RFC 7427 §3:
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| ASN.1 Length  | AlgorithmIdentifier ASN.1 object              |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~        AlgorithmIdentifier ASN.1 object continuing            ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                         Signature Value                       ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// What a connection accepts and prefers are its Constraints: Select finds what to sign with, Verify checks a peer.
package sig

import (
	"crypto"
	"crypto/elliptic"
	"errors"
	"fmt"
	"io"

	"github.com/goswan/goswan/crypto/status"
)

// DigitalSignature is the Authentication Method whose data name the algorithm, RFC 7427 §3.
const DigitalSignature = 14

// Scheme is one row: how octets become a signature.
type Scheme struct {
	Name     string         // as strongSwan logs it, "ECDSA_WITH_SHA384_DER"
	Keyword  string         // what names it in the setting `auth`, "ecdsa-sha384"; none for what IKEv1 alone has
	Key      Key            // the type of key it is made with
	Curve    elliptic.Curve // the one curve of RFC 4754's methods; nil: any
	Method   uint8          // the IKEv2 Authentication Method that stands for it without naming it; 0: none
	IKEv1    uint16         // the value of IKEv1's Authentication Method attribute, RFC 2409 Appendix A; 0: none
	ID       []byte         // the AlgorithmIdentifier of a Digital Signature, DER; nil: it cannot be one
	HashID   uint16         // of SIGNATURE_HASH_ALGORITHMS, RFC 7427 §7 and IANA; 0: not negotiated there
	Hash     crypto.Hash    // of the octets; 0: they are signed as they are
	Digested bool           // the octets are a digest already, as in IKEv1
	SaltLen  int            // octets of salt of RSASSA-PSS
	Strength int            // bits of security that the hash allows; a key may have fewer, Key.Strength
	RFC      string         // where its use in IKE is specified
	Status   status.Status
	Why      string // of a refused or legacy row: why

	sign   func(s *Scheme, rand io.Reader, key crypto.Signer, octets []byte) ([]byte, error)
	verify func(s *Scheme, key crypto.PublicKey, octets, signature []byte) bool
}

var (
	// ErrSignature says that octets, key and signature do not belong together, or that the signature is malformed.
	ErrSignature = errors.New("the signature is wrong")
	// ErrKey says that a key cannot be used: of another type or curve than the scheme's, too short or too long.
	ErrKey = errors.New("the key cannot be used")
	// ErrOctets says that what was to be signed as a digest has not the length of one.
	ErrOctets = errors.New("the octets are no digest of this scheme")
)

// Lookup finds the row of a name. The row belongs to the table: it is not to be changed.
func Lookup(name string) (*Scheme, bool) {
	for i := range Schemes {
		if Schemes[i].Name == name {
			return &Schemes[i], true
		}
	}
	return nil, false
}

// IKEv1 finds the row of a value of IKEv1's Authentication Method attribute.
func IKEv1(method uint16) (*Scheme, bool) {
	for i := range Schemes {
		if method != 0 && Schemes[i].IKEv1 == method {
			return &Schemes[i], true
		}
	}
	return nil, false
}

// String is the name that strongSwan logs; for RSASSA-PSS with the length of the salt, "RSA_EMSA_PSS_SHA2_256_SALT_32".
func (s Scheme) String() string {
	if s.SaltLen != 0 {
		return fmt.Sprintf("%s_SALT_%d", s.Name, s.SaltLen)
	}
	return s.Name
}

// Sign returns the signature over octets, without what goes before it in an AUTH payload.
//
// Only RSASSA-PSS takes randomness: its salt, from rand. ECDSA with a key in memory is deterministic, RFC 6979, since the
// standard library ignores the reader it is given; RSA PKCS#1 v1.5 and EdDSA are so by nature. A key elsewhere, in a token
// or an agent, is given rand but does as it likes; what it returns is verified.
//
// The error is ErrKey, wrapped, for a key of another type or curve, ErrOctets for what is no digest, or the key's own.
func (s Scheme) Sign(rand io.Reader, key crypto.Signer, octets []byte) ([]byte, error) {
	if err := s.fits(key.Public(), octets); err != nil {
		return nil, err
	}
	signature, err := s.sign(&s, rand, key, octets)
	if err != nil {
		return nil, fmt.Errorf("sig: %s: %w", s, err)
	}
	if !inMemory(key) && !s.verify(&s, key.Public(), octets, signature) {
		return nil, fmt.Errorf("sig: %s: the key's owner returned another's signature: %w", s, ErrSignature)
	}
	return signature, nil
}

// Verify checks a signature over octets. The error is ErrSignature, wrapped, for a signature that is not one of this key
// over these octets in the one encoding there is; ErrKey or ErrOctets where those do not fit the scheme.
func (s Scheme) Verify(key crypto.PublicKey, octets, signature []byte) error {
	if err := s.fits(key, octets); err != nil {
		return err
	}
	if !s.verify(&s, key, octets, signature) {
		return fmt.Errorf("sig: %s: %w", s, ErrSignature)
	}
	return nil
}

// fits checks the key's type and curve, and the length of a digest.
func (s Scheme) fits(key crypto.PublicKey, octets []byte) error {
	if !s.Status.Usable() {
		return fmt.Errorf("sig: %s is %s: %s", s, s.Status, s.Why)
	}
	t, bits, err := KeyOf(key)
	if err != nil {
		return err
	}
	if t != s.Key || s.Curve != nil && bits != s.Curve.Params().BitSize {
		return fmt.Errorf("sig: %s: %w: it is %s", s, ErrKey, Describe(key))
	}
	if s.Digested && (s.Hash != 0 && len(octets) != s.Hash.Size() || len(octets) > maxDigest) {
		return fmt.Errorf("sig: %s: %w: %d octets", s, ErrOctets, len(octets))
	}
	return nil
}

// maxDigest is the longest digest that IKEv1 signs, HMAC-SHA2-512's.
const maxDigest = 64

// digest is what the algorithm signs: the hash of the octets, or the octets themselves.
func (s *Scheme) digest(octets []byte) []byte {
	if s.Digested || s.Hash == 0 {
		return octets
	}
	h := s.Hash.New()
	h.Write(octets)
	return h.Sum(nil)
}
