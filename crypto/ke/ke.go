// Package ke is the table of key exchange methods, Transform Type 4 of RFC 7296 §3.3.2 (and 6 to 12 of RFC 9370).
//
// A method is shaped so that Diffie-Hellman and key encapsulation are the same three steps:
//
//	initiator                               responder
//	i := Initiate(rand)
//	        ── i.Public(), PublicLen ──▶
//	                                        reply, shared := Respond(rand, public)
//	        ◀── reply, ReplyLen ──
//	shared := i.Finish(reply)
package ke

import (
	"errors"
	"fmt"
	"io"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/status"
)

// Transform is one row: an IANA "Transform Type 4 - Key Exchange Method Transform ID".
type Transform struct {
	ID        uint16
	IKEv1     uint16   // the IKEv1 "Group Description" value, RFC 2409 Appendix A; 0: IKEv1 has none
	Name      string   // as strongSwan logs it, "CURVE_25519"
	Keywords  []string // the first is the one we write
	PublicLen int      // octets of the initiator's Key Exchange Data
	ReplyLen  int      // octets of the responder's: a KEM's ciphertext differs from its public key
	SharedLen int      // octets of shared secret
	Strength  int      // bits of security
	RFC       string   // where its use in IKE is specified
	Status    status.Status
	Named     bool   // of a Default row: sound, but used only when it is named; the proposal `default` stays short
	Why       string // of a refused or legacy row: why

	// Initiate makes the initiator's key pair from octets of rand alone: the same octets, the same key.
	Initiate func(rand io.Reader) (Initiator, error)
	// Respond takes the initiator's Key Exchange Data and returns the responder's and the shared secret.
	// The error is ErrPublicValue, wrapped, when the fault is the peer's.
	Respond func(rand io.Reader, peer []byte) (public []byte, shared secret.Bytes, err error)
}

// Initiator is the private half of an exchange that has been started. It is not safe for concurrent use.
type Initiator interface {
	// Public is the Key Exchange Data to send; it is not to be changed.
	Public() []byte
	// Finish takes the responder's Key Exchange Data and returns the shared secret.
	// The error is ErrPublicValue, wrapped, when the fault is the peer's; ErrWiped after Wipe.
	Finish(peer []byte) (secret.Bytes, error)
	// Wipe forgets the private key, and overwrites it where we hold it ourselves.
	Wipe()
}

// None is the Transform ID that stands for no key exchange, RFC 7296 §3.3.2.
const None = 0

var (
	// ErrPublicValue says that the peer's Key Exchange Data fails the checks of RFC 6989 or has the wrong length.
	ErrPublicValue = errors.New("the peer's public value is invalid")
	// ErrWiped says that the private key is gone.
	ErrWiped = errors.New("the private key has been wiped")
	// ErrRandom says that the source of randomness gave nothing that makes a key.
	ErrRandom = errors.New("the random source gave no usable private key")
)

// Lookup finds the row of a Transform ID. The row belongs to the table: it is not to be changed.
func Lookup(id uint16) (*Transform, bool) {
	for i := range Transforms {
		if Transforms[i].ID == id {
			return &Transforms[i], true
		}
	}
	return nil, false
}

// errPublic is ErrPublicValue with what is wrong with it.
func errPublic(name, wrong string) error {
	return fmt.Errorf("ke: %s: %w: %s", name, ErrPublicValue, wrong)
}

// errLength is ErrPublicValue for Key Exchange Data of the wrong length.
func errLength(name string, got, want int) error {
	return errPublic(name, fmt.Sprintf("it has %d octets, not %d", got, want))
}
