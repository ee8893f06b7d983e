// Package split cuts super-packets in software, for devices whose kernel does not.
package split

import (
	"encoding/binary"
	"errors"

	"github.com/goswan/goswan/tun/packet"
)

var errShape = errors.New("split: not a super-packet of UDP datagrams")

// UDP cuts a super-packet of UDP datagrams into packets of one datagram each, for a device that takes super-packets
// of TCP only (Linux before 6.2, netstack). Each packet is built in place, its headers over payload that was handed out
// before, and valid until write returns. The super-packet is used up. The first error of write is returned, after all
// packets.
func UDP(s *packet.Super, write func(s *packet.Super) error) error {
	ip, g := s.Bytes(), s.GSO
	hdr, size := int(g.HdrLen), int(g.Size)
	if g.CsumStart < 20 || g.Type != packet.GSOUDP || hdr != int(g.CsumStart)+8 || hdr > min(len(ip), maxHeaders) || size == 0 {
		return errShape
	}
	var saved [maxHeaders]byte
	headers := saved[:copy(saved[:], ip[:hdr])]
	id := binary.BigEndian.Uint16(headers[4:])
	off, end := s.Off, s.Off+s.Len
	var first error
	for at := off + hdr; at < end; at += size {
		s.Off, s.Len = at-hdr, hdr+min(size, end-at)
		s.GSO = packet.GSO{}
		copy(s.Bytes(), headers)
		finishDatagram(s.Bytes(), int(g.CsumStart), id)
		id++
		if err := write(s); err != nil && first == nil {
			first = err
		}
	}
	s.Off, s.Len = off, 0
	return first
}

// maxHeaders is the longest chain of headers that is repeated: any that fits before a payload in practice.
const maxHeaders = 256

// finishDatagram fills in the lengths, the IPv4 identification and the checksums of one packet with a UDP datagram at l4.
func finishDatagram(ip []byte, l4 int, id uint16) {
	pseudo := uint32(17 + len(ip) - l4)
	if ip[0]>>4 == 4 {
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
		// "…  the identification field … must be unique for that source-destination pair and protocol for the time the
		// datagram … could be alive" RFC 791 §3.2: segments count up, as those of a network card do.
		binary.BigEndian.PutUint16(ip[4:], id)
		ip[10], ip[11] = 0, 0
		binary.BigEndian.PutUint16(ip[10:], ^fold(sum(ip[:int(ip[0]&15)*4], 0)))
		pseudo = sum(ip[12:20], pseudo)
	} else {
		binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-40))
		pseudo = sum(ip[8:40], pseudo)
	}
	udp := ip[l4:]
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	udp[6], udp[7] = 0, 0
	c := ^fold(sum(udp, pseudo))
	if c == 0 {
		c = 0xffff // "If the computed checksum is zero, it is transmitted as all ones" RFC 768
	}
	binary.BigEndian.PutUint16(udp[6:], c)
}

// sum adds the 16-bit words of b to acc, without folding (RFC 1071). b is at most a packet, so acc does not overflow.
func sum(b []byte, acc uint32) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		acc += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		acc += uint32(b[0]) << 8
	}
	return acc
}

// fold makes 16 bits of a sum.
func fold(acc uint32) uint16 {
	for acc > 0xffff {
		acc = acc>>16 + acc&0xffff
	}
	return uint16(acc)
}
