package eap

import (
	"encoding/binary"
	"fmt"
)

// avp is an attribute-value pair of TTLS.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                           AVP Code                            |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|V M r r r r r r|                  AVP Length                   |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                        Vendor-ID (opt)                        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|    Data ...
//	+-+-+-+-+-+-+-+-+                                  RFC 5281 §10.1
type avp struct {
	code      avpCode
	mandatory bool
	data      []byte
}

// avpCode is an AVP Code below the Vendor-ID it belongs to, 0 for RADIUS's own.
type avpCode uint64

const vendorMicrosoft = 311

// The AVPs that are understood: those of RADIUS and of RFC 2548.
const (
	avpUserName     avpCode = 1
	avpUserPassword avpCode = 2
	avpReplyMessage avpCode = 18
	avpEAPMessage   avpCode = 79

	avpMSCHAPError     avpCode = vendorMicrosoft<<32 | 2
	avpMSCHAPChallenge avpCode = vendorMicrosoft<<32 | 11
	avpMSCHAP2Response avpCode = vendorMicrosoft<<32 | 25
	avpMSCHAP2Success  avpCode = vendorMicrosoft<<32 | 26
)

var avpNames = map[avpCode]string{
	avpUserName: "User-Name", avpUserPassword: "User-Password", avpReplyMessage: "Reply-Message", avpEAPMessage: "EAP-Message",
	avpMSCHAPError: "MS-CHAP-Error", avpMSCHAPChallenge: "MS-CHAP-Challenge", avpMSCHAP2Response: "MS-CHAP2-Response",
	avpMSCHAP2Success: "MS-CHAP2-Success",
}

func (c avpCode) String() string {
	if name, ok := avpNames[c]; ok {
		return name
	}
	if vendor := c >> 32; vendor != 0 {
		return fmt.Sprintf("AVP %d of vendor %d", uint32(c), uint64(vendor))
	}
	return fmt.Sprintf("AVP %d", uint32(c))
}

const (
	avpVendor    = 0x80 // the V flag
	avpMandatory = 0x40 // the M flag
	avpHeader    = 8
)

// parseAVPs reads all there are. Data points into b.
func parseAVPs(b []byte) (all []avp, err error) {
	for len(b) > 0 {
		if len(b) < avpHeader {
			return nil, fmt.Errorf("%w: %d octets behind the AVPs", errLength, len(b))
		}
		flags, length := b[4], int(binary.BigEndian.Uint32(b[4:])&0xffffff)
		a := avp{code: avpCode(binary.BigEndian.Uint32(b)), mandatory: flags&avpMandatory != 0}
		header := avpHeader
		if flags&avpVendor != 0 {
			header += 4
		}
		if length < header || length > len(b) {
			return nil, fmt.Errorf("%w: %s of %d octets, %d there", errLength, a.code, length, len(b))
		}
		if flags&avpVendor != 0 {
			a.code |= avpCode(binary.BigEndian.Uint32(b[avpHeader:])) << 32
		}
		a.data = b[header:length:length]
		all = append(all, a)
		// "it must be padded with zeros to the next four-octet boundary"  RFC 5281 §10.2. Some leave out the last one's.
		b = b[min(len(b), (length+3)&^3):]
	}
	return all, nil
}

// appendTo appends the AVP with its padding. All of ours are mandatory: they are what it is about.
func (a avp) appendTo(b []byte) []byte {
	flags, header := uint32(avpMandatory), avpHeader
	if a.code>>32 != 0 {
		flags |= avpVendor
		header += 4
	}
	b = binary.BigEndian.AppendUint32(b, uint32(a.code))
	b = binary.BigEndian.AppendUint32(b, flags<<24|uint32(header+len(a.data)))
	if a.code>>32 != 0 {
		b = binary.BigEndian.AppendUint32(b, uint32(a.code>>32))
	}
	b = append(b, a.data...)
	return append(b, make([]byte, -len(a.data)&3)...)
}

func appendAVPs(all ...avp) (b []byte) {
	for _, a := range all {
		b = a.appendTo(b)
	}
	return b
}

// avps are the AVPs of one message by what they are.
type avps map[avpCode][]byte

// takeAVPs reads a message. Of the mandatory bit: "the receiving party MUST fail the negotiation if it does not
// understand the AVP"  RFC 5281 §10.1.
func takeAVPs(data []byte) (avps, *Reason) {
	all, err := parseAVPs(data)
	if err != nil {
		return nil, reasonf(BadPacket, TypeTTLS, "%v", err)
	}
	found := avps{}
	for _, a := range all {
		if _, known := avpNames[a.code]; !known && a.mandatory {
			return nil, reasonf(BadPacket, TypeTTLS, "%s is mandatory and not known", a.code)
		}
		// "a tunneled EAP packet within a single EAP-TTLS message MUST be contained in a single EAP-Message AVP"
		// RFC 5281 §11.2.1
		if found.has(a.code) && a.code != avpReplyMessage {
			return nil, reasonf(BadPacket, TypeTTLS, "%s comes twice", a.code)
		}
		found[a.code] = a.data
	}
	return found, nil
}

// has tells whether there is such an AVP, empty or not.
func (a avps) has(code avpCode) bool {
	_, ok := a[code]
	return ok
}
