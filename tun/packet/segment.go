package packet

import (
	"encoding/binary"
	"errors"
)

// ErrSuper is a super-packet whose description does not fit its headers.
var ErrSuper = errors.New("packet: a GSO description that does not fit the packet")

// maxHeaders is the longest chain of headers that Segments repeats: any that occurs before a payload in practice.
const maxHeaders = 256

// TCP flags, as in the header's fourteenth octet (RFC 9293 §3.1, RFC 3168 §6.1).
const (
	tcpFIN = 0x01
	tcpPSH = 0x08
	tcpACK = 0x10
	tcpECE = 0x40
	tcpCWR = 0x80
)

// Segments cuts a super-packet into the packets that it stands for, in place: each one's headers are written right before
// its payload, over payload that was handed out before. The payload does not move.
//
//	| headers | payload 0 | payload 1 | payload 2 |
//	          |      head | payload 1 |             the second packet, where the super-packet was
type Segments struct {
	buf      []byte
	at, end  int // next payload and the end of all, in buf
	size     int
	first    bool
	version  uint8
	tcp      bool
	l4       int // length of the IP headers
	flags    uint8
	id       uint16
	seq      uint32
	ipBase   uint64 // sum of the IPv4 header without length, identification and checksum
	l4Base   uint64 // sum of pseudo and transport header without what differs between segments
	headLen  int
	headroom [maxHeaders]byte
}

// Start takes a super-packet whose view is v. It changes nothing when it returns an error.
func (g *Segments) Start(s *Super, v *View) error {
	ip := s.Bytes()
	if !superShape(ip, &s.GSO, v) {
		return ErrSuper
	}
	head := g.headroom[:copy(g.headroom[:], ip[:s.GSO.HdrLen])]
	g.buf, g.at, g.end, g.size = s.Buf, s.Off+len(head), s.Off+len(ip), int(s.GSO.Size)
	g.first, g.version, g.tcp, g.l4, g.headLen = true, v.Version, v.Protocol == ProtoTCP, v.L4, len(head)
	length := len(ip) - g.l4
	base := g.pseudoBase(head, v, length, int(s.GSO.CsumOffset))
	if g.version == 4 {
		g.id = binary.BigEndian.Uint16(head[4:])
		clear(head[2:6])
		clear(head[10:12])
		g.ipBase = half(sum(head[:g.l4], 0))
	}
	t := head[g.l4:]
	if g.tcp {
		g.seq, g.flags = binary.BigEndian.Uint32(t[4:]), t[13]
		clear(t[4:8])
		clear(t[16:18])
		t[13] = 0
	} else {
		clear(t[4:8])
	}
	g.l4Base = half(sum(t, base))
	return nil
}

// superShape says that the description fits the packet.
func superShape(ip []byte, g *GSO, v *View) bool {
	if v.Fragment || !g.NeedsCsum || g.Size == 0 || v.L4 != int(g.CsumStart) || int(g.HdrLen) > min(len(ip), maxHeaders) {
		return false
	}
	switch {
	case v.Protocol == ProtoUDP && g.Type == GSOUDP:
		return g.CsumOffset == 6 && int(g.HdrLen) == v.L4+8
	case v.Protocol == ProtoTCP && (g.Type == GSOTCP4 && v.Version == 4 || g.Type == GSOTCP6 && v.Version == 6):
		return g.CsumOffset == 16 && len(ip) >= v.L4+20 && ip[v.L4+12]>>4 >= 5 && int(g.HdrLen) == v.L4+int(ip[v.L4+12]>>4)*4
	}
	return false
}

// pseudoBase is the pseudo header's sum without the length. Behind IPv6 extension headers or IPv4 options the destination in it may be
// that of a routing header (RFC 8200 §8.1) or of a source route (RFC 791 §3.1): there it is taken from the partial checksum, which
// covers it with the whole length.
func (g *Segments) pseudoBase(head []byte, v *View, length, csumOffset int) uint64 {
	if !v.Extended {
		return pseudo(head, v.Protocol, 0)
	}
	partial := uint64(binary.LittleEndian.Uint16(head[v.L4+csumOffset:]))
	return partial + uint64(^swap(length))
}

// swap is a length as it counts in a little-endian sum.
func swap(n int) uint16 { return uint16(n)<<8 | uint16(n)>>8 }

// Next writes the next packet and tells where in the super-packet's buffer it stands. It is valid until the following
// call, and may have a trailer of up to Tailroom octets written behind it if those are put back before that call.
func (g *Segments) Next() (off, n int, ok bool) {
	if g.at == g.end && !g.first {
		return 0, 0, false
	}
	m := min(g.size, g.end-g.at)
	off = g.at - g.headLen
	p := g.buf[off : g.at+m : g.at+m]
	copy(p, g.headroom[:g.headLen])
	g.at += m
	g.ip(p)
	if g.tcp {
		g.finishTCP(p, g.at == g.end)
	} else {
		g.finishUDP(p)
	}
	g.first = false
	return off, len(p), true
}

func (g *Segments) ip(p []byte) {
	if g.version == 6 {
		binary.BigEndian.PutUint16(p[4:], uint16(len(p)-lengthIPv6))
		return
	}
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	// Segments count up, as the kernel's and a network card's do.
	binary.BigEndian.PutUint16(p[4:], g.id)
	g.id++
	put(p[10:], g.ipBase+uint64(binary.LittleEndian.Uint32(p[2:])))
}

func (g *Segments) finishTCP(p []byte, last bool) {
	t := p[g.l4:]
	flags := g.flags
	if !last {
		flags &^= tcpFIN | tcpPSH
	}
	// CWR is for the first data packet after the window was reduced, RFC 3168 §6.1.2.
	if !g.first {
		flags &^= tcpCWR
	}
	binary.BigEndian.PutUint32(t[4:], g.seq)
	t[13] = flags
	g.seq += uint32(len(p) - g.headLen)
	acc := g.l4Base + uint64(swap(len(t))) + uint64(binary.LittleEndian.Uint32(t[4:])) + uint64(flags)<<8
	put(t[16:], sum(p[g.headLen:], acc))
}

func (g *Segments) finishUDP(p []byte) {
	t := p[g.l4:]
	binary.BigEndian.PutUint16(t[4:], uint16(len(t)))
	c := ^fold(sum(p[g.headLen:], g.l4Base+2*uint64(swap(len(t)))))
	if c == 0 {
		c = 0xffff // "If the computed checksum is zero, it is transmitted as all ones"  RFC 768
	}
	binary.LittleEndian.PutUint16(t[6:], c)
}
