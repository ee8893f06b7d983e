package wire

import (
	"fmt"
	"strings"
)

// VendorID is the Vendor ID payload (RFC 7296 §3.12).
type VendorID struct {
	Data []byte
}

// Type is TypeVendorID.
func (*VendorID) Type() PayloadType { return TypeVendorID }

// String is "V".
func (*VendorID) String() string { return TypeVendorID.String() }

// Detail is "V 882fe56d6fd20dbc2251613b2ebe5beb".
func (p *VendorID) Detail() []string { return []string{strings.TrimRight("V "+hexPrefix(p.Data), " ")} }

func (p *VendorID) appendBody(b []byte) []byte { return append(b, p.Data...) }

func (p *VendorID) decode(d *decoder) { p.Data = d.rest() }

// Unknown is a payload of a type that this package does not know.
type Unknown struct {
	T PayloadType
	// Critical: the message must be rejected because of it (RFC 7296 §2.5).
	Critical bool
	Body     []byte
}

// Type is the payload's type as received.
func (p *Unknown) Type() PayloadType { return p.T }

// String is "UNKN(99)".
func (p *Unknown) String() string { return p.T.String() }

// Detail is "UNKN(99) critical, 12 octets".
func (p *Unknown) Detail() []string {
	critical := ""
	if p.Critical {
		critical = " critical"
	}
	return []string{fmt.Sprintf("%s%s, %d octets", p.T, critical, len(p.Body))}
}

func (p *Unknown) appendBody(b []byte) []byte { return append(b, p.Body...) }

func (p *Unknown) decode(d *decoder) { p.Body = d.rest() }
