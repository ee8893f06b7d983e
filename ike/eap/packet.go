package eap

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Code is the first octet of a packet. RFC 3748 §4
type Code uint8

// The codes.
const (
	CodeRequest  Code = 1
	CodeResponse Code = 2
	CodeSuccess  Code = 3
	CodeFailure  Code = 4
)

// String is the code's name in RFC 3748.
func (c Code) String() string {
	switch c {
	case CodeRequest:
		return "Request"
	case CodeResponse:
		return "Response"
	case CodeSuccess:
		return "Success"
	case CodeFailure:
		return "Failure"
	}
	return fmt.Sprintf("code %d", uint8(c))
}

// Type is a method, or one of Identity, Notification and Nak: the Vendor-Id in the upper half, the type in the lower.
// A type below 256 is the same whether it came in one octet or as an Expanded Type of vendor 0 (RFC 3748 §5.7).
type Type uint64

// The types.
const (
	TypeIdentity     Type = 1
	TypeNotification Type = 2
	TypeNak          Type = 3
	TypeMD5          Type = 4
	TypeGTC          Type = 6
	TypeTLS          Type = 13
	TypeTTLS         Type = 21
	TypePEAP         Type = 25
	TypeMSCHAPv2     Type = 26
	TypeExtensions   Type = 33 // the TLVs inside PEAP, MS-PEAP §2.2.8.1

	typeExpanded Type = 254
	maxLegacy    Type = 255 // the largest type in one octet
)

var typeNames = map[Type]string{
	TypeIdentity: "Identity", TypeNotification: "Notification", TypeNak: "Nak", TypeMD5: "MD5-Challenge", TypeGTC: "GTC",
	TypeTLS: "TLS", TypeTTLS: "TTLS", TypePEAP: "PEAP", TypeMSCHAPv2: "MSCHAPv2", TypeExtensions: "Extensions",
}

// ExpandedType is a vendor's type.
func ExpandedType(vendor, id uint32) Type { return Type(vendor&0xffffff)<<32 | Type(id) }

// Vendor is the Vendor-Id, 0 for the IETF's types.
func (t Type) Vendor() uint32 { return uint32(t >> 32) }

// ID is the type within its vendor's.
func (t Type) ID() uint32 { return uint32(t) }

// String is "MSCHAPv2", "99" or "vendor 311 type 1".
func (t Type) String() string {
	if name, ok := typeNames[t]; ok {
		return name
	}
	if t.Vendor() == 0 {
		return fmt.Sprint(t.ID())
	}
	return fmt.Sprintf("vendor %d type %d", t.Vendor(), t.ID())
}

// Packet is one EAP packet. Type and Data are of requests and responses only.
type Packet struct {
	Code       Code
	Identifier uint8
	Type       Type
	// Expanded says that Type is written in 8 octets; types that do not fit into one always are.
	Expanded bool
	Data     []byte
}

const (
	headerSize   = 4
	expandedSize = 8 // 254, Vendor-Id in three octets, Vendor-Type in four
	maxPacket    = 0xffff
)

// errLength says that a packet is not as long as it says or needs.
var errLength = errors.New("eap: bad length")

// Parse reads a packet that fills b; Data points into b. It errs for unknown codes and for lengths that do not fit.
func Parse(b []byte) (Packet, error) {
	if len(b) < headerSize {
		return Packet{}, fmt.Errorf("%w: a packet of %d octets", errLength, len(b))
	}
	p := Packet{Code: Code(b[0]), Identifier: b[1]}
	// IKE knows the packet's length: Length "MUST be four less than the Payload Length of the encapsulating payload"
	// (RFC 7296 §3.16). So do RADIUS and the tunnels of TTLS and PEAP; padding has no place in any.
	if length := int(binary.BigEndian.Uint16(b[2:])); length != len(b) {
		return Packet{}, fmt.Errorf("%w: Length %d in a packet of %d octets", errLength, length, len(b))
	}
	switch p.Code {
	case CodeRequest, CodeResponse:
		return p.withType(b[headerSize:])
	case CodeSuccess, CodeFailure:
		// "Success and Failure packets MUST NOT contain additional data."  RFC 3748 §4.2
		if len(b) != headerSize {
			return Packet{}, fmt.Errorf("%w: %s of %d octets", errLength, p.Code, len(b))
		}
		return p, nil
	}
	return Packet{}, fmt.Errorf("eap: %s", p.Code)
}

func (p Packet) withType(b []byte) (Packet, error) {
	if len(b) == 0 {
		return Packet{}, fmt.Errorf("%w: %s without a Type", errLength, p.Code)
	}
	if Type(b[0]) != typeExpanded {
		p.Type, p.Data = Type(b[0]), b[1:]
		return p, nil
	}
	if len(b) < expandedSize {
		return Packet{}, fmt.Errorf("%w: Expanded Type of %d octets", errLength, len(b))
	}
	p.Type, p.Expanded, p.Data = parseExpanded(b), true, b[expandedSize:]
	return p, nil
}

// parseExpanded reads the 8 octets of an Expanded Type (RFC 3748 §5.7).
func parseExpanded(b []byte) Type {
	return ExpandedType(binary.BigEndian.Uint32(b)&0xffffff, binary.BigEndian.Uint32(b[4:]))
}

func appendExpanded(b []byte, t Type) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(typeExpanded)<<24|t.Vendor())
	return binary.BigEndian.AppendUint32(b, t.ID())
}

// AppendTo appends the packet's octets. It panics if they are more than 65535, which no method makes.
func (p Packet) AppendTo(b []byte) []byte {
	start := len(b)
	b = append(b, byte(p.Code), p.Identifier, 0, 0)
	if p.Code == CodeRequest || p.Code == CodeResponse {
		if p.Expanded || p.Type == typeExpanded || p.Type > maxLegacy {
			b = appendExpanded(b, p.Type)
		} else {
			b = append(b, byte(p.Type))
		}
		b = append(b, p.Data...)
	}
	if len(b)-start > maxPacket {
		panic(fmt.Sprintf("eap: a packet of %d octets", len(b)-start))
	}
	binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start))
	return b
}

// String is "Request/MSCHAPv2 identifier 7, 40 octets of data", without the data.
func (p Packet) String() string {
	if p.Code == CodeRequest || p.Code == CodeResponse {
		return fmt.Sprintf("%s/%s identifier %d, %d octets of data", p.Code, p.Type, p.Identifier, len(p.Data))
	}
	return fmt.Sprintf("%s identifier %d", p.Code, p.Identifier)
}

// Desired are the types a Nak asks for instead. None says that the peer has no other method (RFC 3748 §5.3).
func (p Packet) Desired() ([]Type, error) {
	if p.Expanded {
		return p.desiredExpanded()
	}
	// "one or more octets indicating the desired authentication Type(s), one octet per Type, or the value zero (0) to
	// indicate no proposed alternative"  RFC 3748 §5.3.1
	if len(p.Data) == 0 {
		return nil, fmt.Errorf("%w: empty Nak", errLength)
	}
	var all []Type
	for _, octet := range p.Data {
		// "A peer supporting Expanded Types that receives a Request for an unacceptable authentication Type … MAY include
		// the value 254 in the Nak Response"  RFC 3748 §5.3.1. No method here is of a vendor, so it asks for nothing.
		if t := Type(octet); t != 0 && t != typeExpanded {
			all = append(all, t)
		}
	}
	return all, nil
}

// desiredExpanded reads an Expanded Nak: Expanded Types, of which vendor 0 with type 0 stands for none (RFC 3748 §5.3.2).
func (p Packet) desiredExpanded() ([]Type, error) {
	if len(p.Data) == 0 || len(p.Data)%expandedSize != 0 {
		return nil, fmt.Errorf("%w: Expanded Nak of %d octets", errLength, len(p.Data))
	}
	var all []Type
	for b := p.Data; len(b) > 0; b = b[expandedSize:] {
		if Type(b[0]) != typeExpanded {
			return nil, fmt.Errorf("eap: type %d in an Expanded Nak", b[0])
		}
		if t := parseExpanded(b); t != 0 {
			all = append(all, t)
		}
	}
	return all, nil
}

// nak is the answer to a request for a type that is not ours, in the form of the request.
func nak(request Packet, desired []Type) Packet {
	p := Packet{Code: CodeResponse, Identifier: request.Identifier, Type: TypeNak, Expanded: request.Expanded}
	if len(desired) == 0 {
		desired = []Type{0}
	}
	for _, t := range desired {
		if request.Expanded {
			p.Data = appendExpanded(p.Data, t)
		} else {
			p.Data = append(p.Data, byte(t))
		}
	}
	return p
}
