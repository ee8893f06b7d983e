package esptest

import (
	"bytes"
	"encoding/binary"

	"github.com/goswan/goswan/tun/packet"
)

// TCP is an IP packet, of the family of src, with a TCP segment and right checksums; options has a multiple of four octets.
func TCP(src, dst string, sport, dport uint16, seq, ack uint32, flags byte, options []byte, data string) []byte {
	h := make([]byte, 20, 60)
	binary.BigEndian.PutUint16(h, sport)
	binary.BigEndian.PutUint16(h[2:], dport)
	binary.BigEndian.PutUint32(h[4:], seq)
	binary.BigEndian.PutUint32(h[8:], ack)
	h[12], h[13] = byte(20+len(options))<<2, flags
	binary.BigEndian.PutUint16(h[14:], 500)
	h = append(append(h, options...), data...)
	return IP(src, dst, packet.ProtoTCP, h)
}

// SetID sets the identification of an IPv4 packet and mends its header checksum; an IPv6 packet has none. It returns p.
func SetID(p []byte, id uint16) []byte {
	if p[0]>>4 == 4 {
		binary.BigEndian.PutUint16(p[4:], id)
		Mend(p)
	}
	return p
}

// Mend computes the header checksum of an IPv4 packet.
func Mend(p []byte) {
	p[10], p[11] = 0, 0
	binary.BigEndian.PutUint16(p[10:], ^Sum(p[:int(p[0]&15)*4], 0))
}

// Pattern is n octets that differ for each seed.
func Pattern(seed, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(seed*31 + i*7)
	}
	return string(b)
}

// Stream is n TCP segments of one flow as a sender made them, all of size but the last.
func Stream(src, dst string, n, size, last int, flags, lastFlags byte) [][]byte {
	var list [][]byte
	for i := range n {
		f, s := flags, size
		if i == n-1 {
			f, s = lastFlags, last
		}
		p := TCP(src, dst, 5000, 80, uint32(1000+i*size), 77, f, []byte{1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8}, Pattern(i, s))
		list = append(list, SetID(p, uint16(0xfffe+i)))
	}
	return list
}

// Datagrams is n UDP datagrams of one flow, all of size but the last.
func Datagrams(src, dst string, n, size, last int) [][]byte {
	var list [][]byte
	for i := range n {
		s := size
		if i == n-1 {
			s = last
		}
		list = append(list, SetID(UDP(src, dst, 5000, 53, []byte(Pattern(i, s))), uint16(0xfffe+i)))
	}
	return list
}

// Super is the super-packet that a kernel hands over for packets of one flow without IPv4 options or extension headers: the
// flags of all of them and a partial checksum.
func Super(list [][]byte) ([]byte, packet.GSO) {
	first := list[0]
	data := bytes.Clone(first)
	l4, protocol, addresses := 20, first[9], first[12:20]
	if first[0]>>4 == 6 {
		l4, protocol, addresses = 40, first[6], first[8:40]
	}
	hdr := l4 + 8
	g := packet.GSO{Type: packet.GSOUDP, NeedsCsum: true, CsumStart: uint16(l4), CsumOffset: 6}
	if protocol == packet.ProtoTCP {
		hdr = l4 + int(first[l4+12]>>4)*4
		g.Type, g.CsumOffset = packet.GSOTCP4, 16
		if l4 == 40 {
			g.Type = packet.GSOTCP6
		}
	}
	g.HdrLen, g.Size = uint16(hdr), uint16(len(first)-hdr)
	for _, p := range list[1:] {
		data = append(data, p[hdr:]...)
		if protocol == packet.ProtoTCP {
			data[l4+13] |= p[l4+13]
		}
	}
	n := len(data)
	if l4 == 20 {
		binary.BigEndian.PutUint16(data[2:], uint16(n))
		Mend(data)
	} else {
		binary.BigEndian.PutUint16(data[4:], uint16(n-40))
	}
	if protocol == packet.ProtoUDP {
		binary.BigEndian.PutUint16(data[l4+4:], uint16(n-l4))
	}
	pseudo := append(bytes.Clone(addresses), 0, protocol, byte((n-l4)>>8), byte(n-l4))
	binary.BigEndian.PutUint16(data[l4+int(g.CsumOffset):], Sum(pseudo, 0))
	return data, g
}
