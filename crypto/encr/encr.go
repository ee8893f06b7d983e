// Package encr is the table of encryption algorithms, Transform Type 1 of RFC 7296 §3.3.2.
package encr

import (
	"crypto/cipher"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/status"
)

// Transform is one row: an IANA "Transform Type 1 - Encryption Algorithm Transform ID".
// Exactly one of NewAEAD and NewBlock is set in a usable row.
type Transform struct {
	ID       uint16
	Name     string           // as IANA registered it, "ENCR_AES_GCM_16"
	Log      string           // as strongSwan logs it, without the key length, "AES_GCM_16"
	Keywords []status.Keyword // the first for a key length is the one we write
	KeyBits  []uint16         // the Key Length attributes it takes, RFC 7296 §3.3.5; empty when the key length is fixed
	FixedKey int              // octets of a key of fixed length, 0 when the attribute tells
	SaltLen  int              // octets of KEYMAT after the key, RFC 4106 §8.1
	IVLen    int              // octets of explicit IV in each packet
	ICVLen   int              // octets of ICV of a combined-mode algorithm, 0 otherwise
	Block    int              // plaintext must be a multiple of it
	AEAD     bool             // combined mode: takes no integrity algorithm, RFC 7296 §3.3.3
	Strength int              // bits of security with a key of fixed length; 0: as many as the key has
	RFC      string
	Status   status.Status
	Why      string // of a refused row: why

	NewAEAD  func(key secret.Bytes) (cipher.AEAD, error)
	NewBlock func(key secret.Bytes) (cipher.Block, error)
}
