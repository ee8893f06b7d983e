package wire

import (
	"encoding/binary"
	"fmt"
)

// EAP is the Extensible Authentication payload (RFC 7296 §3.16): one EAP packet (RFC 3748 §4), whose length is right.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|     Code      |  Identifier   |            Length             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|     Type      |  Type-Data ...
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-
type EAP struct {
	Packet []byte
}

// The EAP codes (RFC 3748 §4).
const (
	EAPRequest  = 1
	EAPResponse = 2
	EAPSuccess  = 3
	EAPFailure  = 4
)

var eapCodes = map[uint8]string{EAPRequest: "REQ", EAPResponse: "RES", EAPSuccess: "SUCC", EAPFailure: "FAIL"}

// eapMethods are the types' short names in charon's log.
var eapMethods = map[uint8]string{
	1: "ID", 2: "NTF", 3: "NAK", 4: "MD5", 5: "OTP", 6: "GTC", 13: "TLS", 18: "SIM", 21: "TTLS", 23: "AKA",
	25: "PEAP", 26: "MSCHAPV2", 33: "MSTLV", 38: "TNC", 50: "AKA'", 52: "PWD", 54: "PT", 55: "TEAP",
}

const eapExpanded = 254 // RFC 3748 §5.7

// Code is the EAP code; 0 when there is no packet.
func (p *EAP) Code() uint8 {
	if len(p.Packet) == 0 {
		return 0
	}
	return p.Packet[0]
}

// Type is TypeEAP.
func (*EAP) Type() PayloadType { return TypeEAP }

// String is "EAP/REQ/ID", as charon logs it.
func (p *EAP) String() string {
	code, ok := eapCodes[p.Code()]
	if !ok {
		code = fmt.Sprintf("(%d)", p.Code())
	}
	return "EAP/" + code + p.method()
}

// method is "/ID", "/1-311" for method 1 of vendor 311, or "" in a packet without a type.
func (p *EAP) method() string {
	if len(p.Packet) < 5 {
		return ""
	}
	t := p.Packet[4]
	if t == eapExpanded && len(p.Packet) >= 12 {
		// Vendor-Id is three octets, Vendor-Type four.  RFC 3748 §5.7
		vendor := binary.BigEndian.Uint32(p.Packet[4:]) & 0xffffff
		return fmt.Sprintf("/%d-%d", binary.BigEndian.Uint32(p.Packet[8:]), vendor)
	}
	if name, ok := eapMethods[t]; ok {
		return "/" + name
	}
	return fmt.Sprintf("/(%d)", t)
}

// Detail is "EAP/REQ/ID identifier 1, 12 octets".
func (p *EAP) Detail() []string {
	if len(p.Packet) < 2 {
		return []string{p.String()}
	}
	return []string{fmt.Sprintf("%s identifier %d, %d octets", p, p.Packet[1], len(p.Packet))}
}

func (p *EAP) appendBody(b []byte) []byte { return append(b, p.Packet...) }

func (p *EAP) decode(d *decoder) {
	n := d.remaining()
	p.Packet = d.rest()
	if n < 4 {
		d.fail(Truncated, "EAP packet of %d octets", n)
		return
	}
	// "Length … indicates the length of the EAP packet and MUST be four less than the Payload Length of the encapsulating
	// payload."  RFC 7296 §3.16
	if length := int(binary.BigEndian.Uint16(p.Packet[2:])); length != n {
		d.fail(BadLength, "EAP length %d in %d octets", length, n)
		return
	}
	// "Type (1 octet) is present only if the Code field is Request (1) or Response (2). For other codes, the EAP message length
	// MUST be four octets"  RFC 7296 §3.16. Codes 5 and 6 came later and have one too (RFC 6867).
	switch p.Code() {
	case EAPSuccess, EAPFailure:
		if n != 4 {
			d.fail(BadLength, "EAP packet of %d octets", n)
		}
	default:
		if n == 4 {
			d.fail(Truncated, "EAP packet without a type")
		}
	}
}
