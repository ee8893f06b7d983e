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
// A usable row has exactly one of NewAEAD and NewCBC.
type Transform struct {
	ID       uint16
	Name     string    // as IANA registered it, "ENCR_AES_GCM_16"
	Log      string    // as strongSwan logs it, without the key length, "AES_GCM_16"
	Keywords []Keyword // the first for a key length is the one we write
	KeyBits  []uint16  // the Key Length attributes it takes, RFC 7296 §3.3.5; empty when the key length is fixed
	FixedKey int       // octets of a key of fixed length, 0 when the attribute tells
	SaltLen  int       // octets of key material behind the key
	IVLen    int       // octets of explicit IV in each packet
	ICVLen   int       // octets of ICV of a combined-mode algorithm, 0 otherwise
	Block    int       // plaintext must be a multiple of it
	AEAD     bool      // combined mode: takes no integrity algorithm, RFC 7296 §3.3.3
	Strength int       // bits of security of a key of fixed length; 0: as many as the key has
	RFC      string    // where its use in IKE and ESP is specified
	Status   status.Status
	Why      string // of a refused or legacy row: why

	NewAEAD func(key secret.Bytes) (cipher.AEAD, error)
	NewCBC  func(key secret.Bytes) (encrypt, decrypt CBC, err error)
}

// CBC is one direction of a block cipher in CBC mode that takes a new IV for each packet.
type CBC interface {
	cipher.BlockMode
	SetIV(iv []byte)
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
