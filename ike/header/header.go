// Package header is the IKE header: the 28 octets that open every message of IKEv2 (RFC 7296 §3.1) and of IKEv1
// (RFC 2408 §3.1).
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                       IKE SA Initiator's SPI                  |
//	|                                                               |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                       IKE SA Responder's SPI                  |
//	|                                                               |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|  Next Payload | MjVer | MnVer | Exchange Type |     Flags     |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                          Message ID                           |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                            Length                             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// It tells the two versions apart and names the IKE SA; nothing behind it is looked at here.
package header

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strconv"
)

// Len is the size of the header in octets.
const Len = 28

// Why Parse refuses octets.
var (
	// ErrTruncated: fewer octets than a header has, or than its Length field claims.
	ErrTruncated = errors.New("ike: message is truncated")
	// ErrLength: the Length field is smaller than the header itself.
	ErrLength = errors.New("ike: message length is smaller than its header")
)

// SPI is an IKE SA's Security Parameters Index as one of its two ends chose it; IKEv1 calls it cookie. The zero value is none.
type SPI [8]byte

// String is sixteen hexadecimal digits.
func (s SPI) String() string { return hex.EncodeToString(s[:]) }

// IsZero tells whether there is no SPI, as for the responder's in the first request of an IKE SA.
func (s SPI) IsZero() bool { return s == SPI{} }

// Header is the fixed header of an IKE message.
type Header struct {
	Initiator, Responder SPI
	// NextPayload is the type of the first payload; 0 is none. Its meaning depends on Major.
	NextPayload uint8
	// Major and Minor are the protocol version, 4 bits each: 2.0 or 1.0.
	Major, Minor uint8
	Exchange     ExchangeType
	Flags        Flags
	MessageID    uint32
	// Length is that of the whole message in octets, header included.
	Length uint32
}

// Parse reads the header at the start of b, a whole message. It refuses fewer than Len octets and a Length field that is
// smaller than Len or larger than b. Octets of b behind Length are the caller's to judge, as is the version.
func Parse(b []byte) (Header, error) {
	if len(b) < Len {
		return Header{}, ErrTruncated
	}
	h := Header{
		Initiator:   SPI(b[0:8]),
		Responder:   SPI(b[8:16]),
		NextPayload: b[16],
		Major:       b[17] >> 4,
		Minor:       b[17] & 0x0f,
		Exchange:    ExchangeType(b[18]),
		Flags:       Flags(b[19]),
		MessageID:   binary.BigEndian.Uint32(b[20:24]),
		Length:      binary.BigEndian.Uint32(b[24:28]),
	}
	if h.Length < Len {
		return h, ErrLength
	}
	if uint64(h.Length) > uint64(len(b)) {
		return h, ErrTruncated
	}
	return h, nil
}

// AppendTo appends the 28 octets to b, every field as it stands.
func (h Header) AppendTo(b []byte) []byte {
	b = append(b, h.Initiator[:]...)
	b = append(b, h.Responder[:]...)
	b = append(b, h.NextPayload, h.Major<<4|h.Minor&0x0f, uint8(h.Exchange), uint8(h.Flags))
	b = binary.BigEndian.AppendUint32(b, h.MessageID)
	return binary.BigEndian.AppendUint32(b, h.Length)
}

// IsResponse tells whether an IKEv2 message answers a request.
func (h Header) IsResponse() bool { return h.Flags&Response != 0 }

// FromInitiator tells whether an IKEv2 message comes from the original initiator of the IKE SA.
func (h Header) FromInitiator() bool { return h.Flags&Initiator != 0 }

// String is one line for logs: "IKE_AUTH request 1, 0102030405060708_i a1a2a3a4a5a6a7a8_r".
func (h Header) String() string {
	kind := " request "
	if h.IsResponse() {
		kind = " response "
	}
	if h.Major == 1 {
		kind = " " // IKEv1 has no such bit
	}
	return h.Exchange.String() + kind + strconv.FormatUint(uint64(h.MessageID), 10) +
		", " + h.Initiator.String() + "_i " + h.Responder.String() + "_r"
}
