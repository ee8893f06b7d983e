package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/goswan/goswan/crypto/suite"
)

// KE is the Key Exchange payload (RFC 7296 §3.4): one public value.
type KE struct {
	// Group is the Diffie-Hellman Group Num, the ID of a transform of type 4.
	Group uint16
	Data  []byte
}

// Type is TypeKE.
func (*KE) Type() PayloadType { return TypeKE }

// String is "KE".
func (*KE) String() string { return TypeKE.String() }

// Detail is "KE CURVE_25519, 32 octets".
func (p *KE) Detail() []string {
	return []string{fmt.Sprintf("KE %s, %d octets", groupName(p.Group), len(p.Data))}
}

func groupName(group uint16) string { return suite.Transform{Type: suite.KE, ID: group}.String() }

func (p *KE) appendBody(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, p.Group)
	b = append(b, 0, 0)
	return append(b, p.Data...)
}

func (p *KE) decode(d *decoder) {
	p.Group = d.uint16()
	d.skip(2)
	p.Data = d.rest()
}

// Nonce is the Nonce payload, Ni or Nr (RFC 7296 §3.9).
type Nonce struct {
	Data []byte
}

// Type is TypeNonce.
func (*Nonce) Type() PayloadType { return TypeNonce }

// String is "No".
func (*Nonce) String() string { return TypeNonce.String() }

// Detail is "No 32 octets".
func (p *Nonce) Detail() []string { return []string{fmt.Sprintf("No %d octets", len(p.Data))} }

func (p *Nonce) appendBody(b []byte) []byte { return append(b, p.Data...) }

func (p *Nonce) decode(d *decoder) {
	// "The size of the Nonce Data MUST be between 16 and 256 octets, inclusive."  RFC 7296 §3.9
	if n := d.remaining(); n < 16 || n > 256 {
		d.fail(BadLength, "nonce of %d octets", n)
	}
	p.Data = d.rest()
}
