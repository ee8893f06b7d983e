package packet

import (
	"encoding/binary"
	"math/bits"
)

// The Internet checksum (RFC 1071). Sums here are of the octets as little-endian words: the ones' complement sum does
// not depend on the byte order (RFC 1071 §2 (B)), so a folded sum is stored little-endian too.

// assembly is a way to sum; the zero value is plain Go.
type assembly int

const (
	plain  assembly = iota
	avx2            // registers of 256 bits
	avx512          // registers of 512 bits
)

// vectorFrom is how many octets sum needs before wide registers are worth their beginning and end.
const vectorFrom = 256

// sum adds the octets b to the ones' complement accumulator acc. b must begin at an even distance from what was added before.
func sum(b []byte, acc uint64) uint64 {
	if chosen == plain || len(b) < vectorFrom {
		return sumGeneric(b, acc)
	}
	return sumVector(chosen, b, acc)
}

// sumGeneric is sum in plain Go.
func sumGeneric(b []byte, acc uint64) uint64 {
	var c uint64
	for len(b) >= 64 {
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b), 0)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[8:]), c)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[16:]), c)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[24:]), c)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[32:]), c)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[40:]), c)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[48:]), c)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[56:]), c)
		acc += c // cannot carry again: a sum that overflowed is at most 2⁶⁴-2
		b = b[64:]
	}
	for len(b) >= 8 {
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b), 0)
		acc += c
		b = b[8:]
	}
	var last uint64
	for i, x := range b {
		last |= uint64(x) << (8 * i)
	}
	acc, c = bits.Add64(acc, last, 0)
	return acc + c
}

// half folds an accumulator to 33 bits, so that a few 32-bit words can be added without minding the carry.
func half(acc uint64) uint64 { return acc>>32 + acc&0xffffffff }

// fold makes the 16 bits of an accumulator.
func fold(acc uint64) uint16 {
	acc = half(half(acc))
	acc = acc>>16 + acc&0xffff
	acc = acc>>16 + acc&0xffff
	acc = acc>>16 + acc&0xffff
	return uint16(acc)
}

// pseudo is the sum of the pseudo header (RFC 9293 §3.1, RFC 8200 §8.1) of the IP packet ip with n octets of the
// upper-layer protocol.
func pseudo(ip []byte, protocol uint8, n int) uint64 {
	addresses := ip[12:20]
	if ip[0]>>4 == 6 {
		addresses = ip[8:40]
	}
	return half(sum(addresses, 0)) + uint64(bits.ReverseBytes32(uint32(n))) + uint64(protocol)<<8
}

// put stores the checksum that completes acc.
func put(b []byte, acc uint64) { binary.LittleEndian.PutUint16(b, ^fold(acc)) }

// header4 writes the header checksum of the IPv4 packet ip (RFC 791 §3.1).
func header4(ip []byte) {
	ip[10], ip[11] = 0, 0
	put(ip[10:], sum(ip[:int(ip[0]&15)*4], 0))
}

// Complete finishes the transport checksum of a packet that the device left partial (GSO.NeedsCsum), and says that it
// is complete. The packet must not be a super-packet. It reports false when the two offsets lie outside the packet.
func (s *Super) Complete() bool {
	if !s.GSO.NeedsCsum {
		return true
	}
	start, at := int(s.GSO.CsumStart), int(s.GSO.CsumStart)+int(s.GSO.CsumOffset)
	ip := s.Bytes()
	if start > len(ip) || at+2 > len(ip) {
		return false
	}
	c := ^fold(sum(ip[start:], 0))
	// "If the computed checksum is zero, it is transmitted as all ones"  RFC 768. No other protocol minds.
	if c == 0 && s.GSO.CsumOffset == 6 {
		c = 0xffff
	}
	binary.LittleEndian.PutUint16(ip[at:], c)
	s.GSO.NeedsCsum, s.GSO.CsumStart, s.GSO.CsumOffset = false, 0, 0
	return true
}

// ChecksumOK says that a packet's transport checksum is right and present, and its IPv4 header's too. v is its view; it is
// false for fragments, for UDP of another length than its own header says, and for protocols other than TCP and UDP.
func ChecksumOK(ip []byte, v *View) bool {
	if v.Fragment || v.Version == 4 && fold(sum(ip[:v.L4], 0)) != 0xffff {
		return false
	}
	l4 := ip[v.L4:v.Len]
	switch {
	case v.Protocol == ProtoTCP && len(l4) >= 20:
	case v.Protocol == ProtoUDP && len(l4) >= 8 && l4[6]|l4[7] != 0 && int(binary.BigEndian.Uint16(l4[4:])) == len(l4):
	default:
		return false
	}
	return fold(sum(l4, pseudo(ip, v.Protocol, len(l4)))) == 0xffff
}
