// Package ke is the table of key exchange methods, Transform Type 4 of RFC 7296 §3.3.2 (and 6 to 12 of RFC 9370).
package ke

import (
	"io"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/status"
)

// Transform is one row: an IANA "Transform Type 4 - Key Exchange Method Transform ID".
type Transform struct {
	ID        uint16
	Name      string           // as strongSwan logs it, "CURVE_25519"
	Keywords  []status.Keyword // the first is the one we write
	PublicLen int              // octets of the initiator's Key Exchange Data
	ReplyLen  int              // octets of the responder's: a KEM's ciphertext differs from its public key
	SharedLen int              // octets of shared secret
	Strength  int              // bits of security
	RFC       string
	Status    status.Status
	Why       string // of a refused row: why

	// Initiate makes the initiator's key pair from octets of rand alone: the same octets, the same key.
	Initiate func(rand io.Reader) (Initiator, error)
	// Respond takes the initiator's Key Exchange Data and returns ours and the shared secret.
	Respond func(rand io.Reader, peer []byte) (public []byte, shared secret.Bytes, err error)
}

// Initiator is the private half of an exchange that has been started.
type Initiator interface {
	// Public is the Key Exchange Data to send.
	Public() []byte
	// Finish takes the responder's Key Exchange Data and returns the shared secret.
	Finish(peer []byte) (secret.Bytes, error)
	// Wipe overwrites the private key.
	Wipe()
}
