// Package encr is the table of encryption algorithms, Transform Type 1 of RFC 7296 §3.3.2.
//
// A row says what a proposal, a log line and a packet have to know of an algorithm, and how to key it. The key
// material of one direction is the key and, for the counter-based algorithms, a salt behind it (RFC 4106 §8.1,
// RFC 7634 §2):
//
//	+----------------------+------------+
//	|  key (KeyLen octets) | salt (4)   |      nonce of a packet = salt | explicit IV (8)
//	+----------------------+------------+
package encr

import (
	"crypto/cipher"
	"slices"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/status"
)

// Transform is one row: an IANA "Transform Type 1 - Encryption Algorithm Transform ID".
// A usable row has exactly one of NewAEAD and NewMode.
type Transform struct {
	ID       uint16
	IKEv1    uint16    // its value of the Phase 1 attribute Encryption Algorithm, RFC 2409 appendix A; 0: none
	DOI      uint16    // its ESP transform ID of IKEv1, RFC 2407 §4.4.4; 0: none
	Name     string    // as IANA registered it, "ENCR_AES_GCM_16"
	Log      string    // as strongSwan logs it, without the key length, "AES_GCM_16"
	Keywords []Keyword // the first for a key length is the one we write
	KeyBits  []uint16  // the Key Length attributes it takes, RFC 7296 §3.3.5; empty when the key length is fixed
	FixedKey int       // octets of a key of fixed length, 0 when the attribute tells or there is no key
	SaltLen  int       // octets of key material behind the key
	IVLen    int       // octets of explicit IV in each packet
	ICVLen   int       // octets of ICV of a combined-mode algorithm, 0 otherwise
	Block    int       // plaintext must be a multiple of it
	AEAD     bool      // combined mode: takes no integrity algorithm, RFC 7296 §3.3.3
	RandomIV bool      // an IV must be unpredictable; otherwise it must only never come again
	Implicit bool      // the IV is the sequence number and is not in the packet, RFC 8750
	ESPOnly  bool      // not for the IKE SA
	Strength int       // bits of security of a key of fixed length; 0: as many as the key has
	RFC      string    // where its use in IKE and ESP is specified
	Status   status.Status
	Named    bool   // of a Default row: sound, but used only when it is named; the proposal `default` stays short
	Why      string // of a refused or legacy row: why

	// NewAEAD keys a combined mode whose nonce is salt | IV. One goroutine at a time may use it, and Seal and Open do not allocate
	// when dst has room.
	NewAEAD func(key secret.Bytes) (cipher.AEAD, error)
	// NewMode keys both directions of another algorithm.
	NewMode func(key, salt secret.Bytes) (encrypt, decrypt Mode, err error)
}

// Mode is one direction of encryption without integrity. SetIV begins another packet, which one call of CryptBlocks takes whole.
type Mode interface {
	cipher.BlockMode
	SetIV(iv []byte)
}

// implicitIV is the octets of the sequence number that is the IV, extended to 64 bits if need be: RFC 8750 §4.
const implicitIV = 8

// NonceIV returns the octets of IV that a packet is ciphered with: those in the packet, or those of an implicit IV.
func (t Transform) NonceIV() int {
	if t.Implicit {
		return implicitIV
	}
	return t.IVLen
}

// Keyword is one of the words that strongSwan's proposals have for a transform.
type Keyword struct {
	Word string
	Bits uint16 // the Key Length attribute it stands for; 0 is none
}

// Lookup finds the row of a Transform ID.
func Lookup(id uint16) (Transform, bool) {
	for i := range Transforms {
		if Transforms[i].ID == id {
			return Transforms[i], true
		}
	}
	return Transform{}, false
}

// TakesKeyBits tells whether bits is a Key Length attribute that this transform has; 0 stands for no attribute.
func (t Transform) TakesKeyBits(bits uint16) bool {
	// "The Key Length attribute ... MUST NOT be used with transforms that use a fixed-length key."  RFC 7296 §3.3.5
	if len(t.KeyBits) == 0 {
		return bits == 0
	}
	return slices.Contains(t.KeyBits, bits)
}

// KeyLen returns the octets of key for a Key Length attribute, without the salt.
func (t Transform) KeyLen(bits uint16) int {
	if t.FixedKey != 0 {
		return t.FixedKey
	}
	return int(bits) / 8
}

// StrengthBits returns the bits of security with a Key Length attribute.
func (t Transform) StrengthBits(bits uint16) int {
	if t.Strength != 0 {
		return t.Strength
	}
	return int(bits)
}
