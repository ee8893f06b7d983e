package eap

import (
	"encoding/binary"
	"fmt"
)

// tlv is one of the TLVs that an Extensions packet (type 33) inside PEAP has for data.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|M|R|         TLV Type          |            Length             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                            Value ...
//	+-+-+-+-+-+-+-+-+-                                MS-PEAP §2.2.4
type tlv struct {
	typ       tlvType
	mandatory bool
	value     []byte
}

type tlvType uint16

const (
	tlvResult        tlvType = 3
	tlvCryptoBinding tlvType = 12

	tlvMandatory = 0x8000
	tlvTypeMask  = 0x3fff
	tlvHeader    = 4
)

// parseTLVs reads all there are. Values point into b.
func parseTLVs(b []byte) (all []tlv, err error) {
	for len(b) > 0 {
		if len(b) < tlvHeader {
			return nil, fmt.Errorf("%w: %d octets behind the TLVs", errLength, len(b))
		}
		head, length := binary.BigEndian.Uint16(b), tlvHeader+int(binary.BigEndian.Uint16(b[2:]))
		if length > len(b) {
			return nil, fmt.Errorf("%w: TLV %d of %d octets, %d there", errLength, head&tlvTypeMask, length, len(b))
		}
		all = append(all, tlv{tlvType(head & tlvTypeMask), head&tlvMandatory != 0, b[tlvHeader:length:length]})
		b = b[length:]
	}
	return all, nil
}

func (t tlv) appendTo(b []byte) []byte {
	head := uint16(t.typ)
	if t.mandatory {
		head |= tlvMandatory
	}
	b = binary.BigEndian.AppendUint16(b, head)
	b = binary.BigEndian.AppendUint16(b, uint16(len(t.value)))
	return append(b, t.value...)
}

// The values of a Result TLV. MS-PEAP §2.2.8.1.2
const (
	resultSuccess = 1
	resultFailure = 2
)

// extensions are the TLVs of an Extensions packet that mean something here.
type extensions struct {
	result  uint16   // 0: none
	binding *binding // nil: none
}

// parseExtensions reads the data of an Extensions packet. Unknown TLVs are passed over unless they are mandatory.
func parseExtensions(data []byte) (e extensions, reason *Reason) {
	all, err := parseTLVs(data)
	if err != nil {
		return e, reasonf(BadPacket, TypePEAP, "%v", err)
	}
	for _, t := range all {
		switch t.typ {
		case tlvResult:
			if len(t.value) != 2 {
				return e, reasonf(BadPacket, TypePEAP, "a Result of %d octets", len(t.value))
			}
			e.result = binary.BigEndian.Uint16(t.value)
		case tlvCryptoBinding:
			if e.binding, err = parseBinding(t.value); err != nil {
				return e, reasonf(BadPacket, TypePEAP, "%v", err)
			}
		default:
			if t.mandatory {
				return e, reasonf(BadPacket, TypePEAP, "TLV %d is mandatory and not known", t.typ)
			}
		}
	}
	if e.result != resultSuccess && e.result != resultFailure {
		return e, reasonf(BadPacket, TypePEAP, "Result %d", e.result)
	}
	return e, nil
}

// packet is the Extensions packet, with the header that PEAP leaves off all others.
func (e extensions) packet(code Code, identifier uint8) []byte {
	data := tlv{tlvResult, true, binary.BigEndian.AppendUint16(nil, e.result)}.appendTo(nil)
	if e.binding != nil {
		data = e.binding.tlv().appendTo(data)
	}
	return Packet{Code: code, Identifier: identifier, Type: TypeExtensions, Data: data}.AppendTo(nil)
}
