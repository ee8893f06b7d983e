// Package suite is a negotiated set of transforms as working code: proposals, strongSwan's keywords for them,
// their selection, and the keyed cipher that comes of it.
package suite

import (
	"errors"

	"github.com/goswan/goswan/crypto/encr"
	"github.com/goswan/goswan/crypto/integ"
	"github.com/goswan/goswan/crypto/ke"
	"github.com/goswan/goswan/crypto/prf"
	"github.com/goswan/goswan/crypto/secret"
)

// Protocol is a Security Protocol Identifier, RFC 7296 §3.3.1.
type Protocol uint8

// The protocols that proposals are made for.
const (
	IKE Protocol = 1
	AH  Protocol = 2
	ESP Protocol = 3
)

// String returns the name that strongSwan logs: "IKE", "AH", "ESP".
func (p Protocol) String() string { panic("suite: not built yet") }

// TransformType is a Transform Type, RFC 7296 §3.3.2.
type TransformType uint8

// The transform types. RFC 9370 §2.2.2 adds ADDKE1 to ADDKE7.
const (
	ENCR   TransformType = 1
	PRF    TransformType = 2
	INTEG  TransformType = 3
	KE     TransformType = 4
	ESN    TransformType = 5
	ADDKE1 TransformType = 6
	ADDKE7 TransformType = 12
)

// String returns the RFC's name: "ENCR", "PRF", "INTEG", "KE", "ESN", "ADDKE1" ….
func (t TransformType) String() string { panic("suite: not built yet") }

// Transform is one algorithm as a proposal names it. The zero KeyBits means no Key Length attribute.
type Transform struct {
	Type    TransformType
	ID      uint16
	KeyBits uint16
}

// String returns the name that strongSwan logs: "AES_GCM_16_256", "HMAC_SHA2_256_128", "CURVE_25519", "NO_EXT_SEQ".
func (t Transform) String() string { panic("suite: not built yet") }

// Proposal is one alternative that is offered or accepted; several transforms of one type are alternatives within it.
type Proposal struct {
	Protocol   Protocol
	Transforms []Transform
}

// String returns the line that strongSwan logs: "IKE:AES_GCM_16_256/PRF_HMAC_SHA2_256/CURVE_25519".
func (p Proposal) String() string { panic("suite: not built yet") }

// Keywords returns the configuration's words: "aes256gcm16-prfsha256-x25519".
func (p Proposal) Keywords() string { panic("suite: not built yet") }

// Without returns the proposal without its transforms of type t.
func (p Proposal) Without(t TransformType) Proposal { panic("suite: not built yet") }

// Parse reads proposals as swanctl.conf has them.
func Parse(p Protocol, text string) ([]Proposal, error) { panic("suite: not built yet") }

// Default returns what the keyword `default` stands for.
func Default(p Protocol) []Proposal { panic("suite: not built yet") }

// Select chooses from what the peer offered what is accepted here.
func Select(offered, accepted []Proposal, preferOffered bool) (chosen Proposal, offeredIndex int, ok bool) {
	panic("suite: not built yet")
}

// Mismatch is the diagnosis of a negotiation without a common proposal.
type Mismatch struct {
	Offered, Accepted Proposal
	Missing           []TransformType
	Add               string
}

// String returns the diagnosis as a sentence.
func (m Mismatch) String() string { panic("suite: not built yet") }

// Nearest finds the two proposals that differ least.
func Nearest(offered, accepted []Proposal) Mismatch { panic("suite: not built yet") }

// Set is a chosen proposal resolved to rows.
type Set struct {
	Encr        encr.Transform
	EncrKeyBits int
	Integ       *integ.Transform // nil for combined-mode encryption
	PRF         *prf.Transform   // nil for ESP
	KE          *ke.Transform    // nil: none
	ESN         bool
	Proposal    Proposal
}

// Resolve finds the rows of a chosen proposal.
func Resolve(chosen Proposal) (Set, error) { panic("suite: not built yet") }

// EncrKeyLen returns the octets of key material of one direction's encryption, salt included (RFC 4106 §8.1).
func (s Set) EncrKeyLen() int { panic("suite: not built yet") }

// IntegKeyLen returns the octets of key material of one direction's integrity algorithm, 0 for combined mode.
func (s Set) IntegKeyLen() int { panic("suite: not built yet") }

// NewCipher keys one direction.
func (s Set) NewCipher(encrKey, integKey secret.Bytes) (Cipher, error) { panic("suite: not built yet") }

// ErrAuth is returned by Open when the ICV is wrong.
var ErrAuth = errors.New("suite: the integrity check value is wrong")

// ErrLength is returned by Open when the octets are too few, or not a whole number of blocks.
var ErrLength = errors.New("suite: the ciphertext has an impossible length")

// Cipher is one keyed direction, of ESP or of the Encrypted payload. It is not safe for concurrent use
// and allocates nothing after construction.
type Cipher interface {
	IVLen() int
	ICVLen() int
	Align() int
	RandomIV() bool
	Seal(dst, iv, plaintext, aad, trail []byte)
	Open(dst, iv, ciphertextAndICV, aad, trail []byte) (int, error)
	Wipe()
}
