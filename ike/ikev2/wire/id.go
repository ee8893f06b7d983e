package wire

import (
	"fmt"

	"github.com/goswan/goswan/ike/auth"
)

// ID is the Identification Data with its type, as both Identification payloads have it (RFC 7296 §3.5).
type ID struct {
	IDType auth.IDType
	// Reserved is as received, because AUTH covers it (RFC 7296 §2.15); zero in ours.
	Reserved [3]byte
	Data     []byte
}

// NewID is the Identification Data of an identity.
func NewID(id auth.Identity) ID { return ID{IDType: id.Type, Data: []byte(id.Data)} }

// Identity checks the octets and returns the identity they are.
func (id *ID) Identity() (auth.Identity, error) { return auth.FromWire(id.IDType, id.Data) }

// Body is the payload without its generic header: RestOfInitIDPayload and RestOfRespIDPayload of RFC 7296 §2.15.
func (id *ID) Body() []byte { return id.appendBody(nil) }

func (id *ID) appendBody(b []byte) []byte {
	b = append(b, uint8(id.IDType))
	b = append(b, id.Reserved[:]...)
	return append(b, id.Data...)
}

func (id *ID) decode(d *decoder) {
	id.IDType = auth.IDType(d.uint8())
	copy(id.Reserved[:], d.take(3))
	id.Data = d.rest()
}

// text is "FQDN moon.example.org".
func (id *ID) text() string {
	identity, err := id.Identity()
	if err != nil {
		return fmt.Sprintf("%s, %d octets, malformed", id.IDType, len(id.Data))
	}
	return fmt.Sprintf("%s %s", id.IDType, clip(identity.String()))
}

// IDi is the Identification payload of the initiator.
type IDi struct{ ID }

// Type is TypeIDi.
func (*IDi) Type() PayloadType { return TypeIDi }

// String is "IDi".
func (*IDi) String() string { return TypeIDi.String() }

// Detail is "IDi FQDN moon.example.org".
func (p *IDi) Detail() []string { return []string{"IDi " + p.text()} }

// IDr is the Identification payload of the responder; in a request, whom the initiator wants to talk to.
type IDr struct{ ID }

// Type is TypeIDr.
func (*IDr) Type() PayloadType { return TypeIDr }

// String is "IDr".
func (*IDr) String() string { return TypeIDr.String() }

// Detail is "IDr FQDN sun.example.org".
func (p *IDr) Detail() []string { return []string{"IDr " + p.text()} }
