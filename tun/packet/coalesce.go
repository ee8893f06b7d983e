package packet

import (
	"bytes"
	"encoding/binary"
)

// maxSegments is the most packets that are joined in one super-packet: what Linux takes of UDP (UDP_MAX_SEGMENTS).
const maxSegments = 64

// Coalescer joins packets that continue one TCP or UDP flow in one super-packet, so that cutting it again gives the
// very same octets. It offers the place right behind the packet it is building, so that what continues the flow need not be
// moved; the headers of a packet put there lie over the tail of the one before, which is kept and put back.
//
//	pending  | headers | payload 0 | payload 1 |
//	Room                       | headers       | payload 2 |
//
// Packets leave in the order they came in. A Coalescer is for one goroutine and allocates nothing after NewCoalescer.
type Coalescer struct {
	write   func(*Super)
	enabled bool

	pending *Super // what is being built, when segs > 0
	spare   *Super
	behind  bool // Room gave the place behind pending
	saved   [maxHeaders]byte

	// The flow of pending. Its headers are kept apart: those of a packet put behind a short one lie over them.
	head    [maxHeaders]byte
	segs    int
	hdr, l4 int // lengths of all headers and of the IP header
	size    int // payload of each segment but the last
	tcp     bool
	id      uint16
	seq     uint32
	push    uint8
}

// NewCoalescer makes one that hands what is finished to write. The super-packet is valid until write returns. When
// join is false every packet is written alone, as it is.
func NewCoalescer(join bool, write func(*Super)) *Coalescer {
	return &Coalescer{write: write, enabled: join, pending: NewSuper(), spare: NewSuper()}
}

// Room is where the next packet, of at most n octets, is to be put: at its start, n ≤ MaxPacket. Accept or Abandon must follow.
func (c *Coalescer) Room(n int) []byte {
	end := c.pending.Off + c.pending.Len
	c.behind = c.segs > 0 && end-c.hdr+n <= len(c.pending.Buf)
	if !c.behind {
		return c.spare.Buf[Headroom : Headroom+n]
	}
	copy(c.saved[:c.hdr], c.pending.Buf[end-c.hdr:end])
	return c.pending.Buf[end-c.hdr : end-c.hdr+n]
}

// Abandon tells that what was put into Room is no packet.
func (c *Coalescer) Abandon() {
	if c.behind {
		c.restore()
	}
}

// restore puts back the octets of pending that Room's headers were written over.
func (c *Coalescer) restore() {
	end := c.pending.Off + c.pending.Len
	copy(c.pending.Buf[end-c.hdr:end], c.saved[:c.hdr])
	c.behind = false
}

// Accept takes the packet of view v that was put into Room.
func (c *Coalescer) Accept(v *View) {
	if c.behind {
		end := c.pending.Off + c.pending.Len
		p := c.pending.Buf[end-c.hdr : end-c.hdr+v.Len]
		if c.joins(p, v) {
			if c.tcp {
				c.push = p[c.l4+13] & tcpPSH
			}
			c.restore()
			c.join(v.Len - c.hdr)
			return
		}
		copy(c.spare.Buf[Headroom:], p)
		c.restore()
	}
	c.Flush()
	c.spare.Off, c.spare.Len, c.spare.GSO = Headroom, v.Len, GSO{}
	if !c.begins(c.spare.Bytes(), v) {
		c.write(c.spare)
		return
	}
	c.pending, c.spare = c.spare, c.pending
	c.segs = 1
}

// begins says that more packets may be joined behind p, and if so notes its flow.
func (c *Coalescer) begins(p []byte, v *View) bool {
	if !c.enabled || v.Extended || v.Fragment {
		return false
	}
	l4 := p[v.L4:]
	hdr := v.L4 + 8
	if v.Protocol == ProtoTCP {
		// A PSH ends a super-packet, so one that begins with it is never joined. A data offset below 5 is malformed (RFC 9293 §3.1)
		// and nevertheless ours to carry, but there is no such header to repeat.
		if len(l4) < 20 || l4[12]>>4 < 5 || l4[13]&^tcpECE != tcpACK || !canonical(l4) {
			return false
		}
		hdr = v.L4 + int(l4[12]>>4)*4
	}
	if hdr >= len(p) || hdr < v.L4+8 || v.Version == 4 && !canonical4(p) || !ChecksumOK(p, v) {
		return false
	}
	c.hdr, c.l4, c.size, c.tcp, c.push = hdr, v.L4, len(p)-hdr, v.Protocol == ProtoTCP, 0
	c.id = binary.BigEndian.Uint16(p[4:])
	c.seq = binary.BigEndian.Uint32(l4[4:]) + uint32(c.size)
	copy(c.head[:hdr], p)
	return true
}

// canonical says that the TCP checksum is the one of the two zeros that computing it gives.
func canonical(tcp []byte) bool { return tcp[16]&tcp[17] != 0xff }

// canonical4 says the same of the IPv4 header checksum.
func canonical4(ip []byte) bool { return ip[10]&ip[11] != 0xff }

// joins says that p, which lies in Room, continues pending, such that cutting gives p again.
func (c *Coalescer) joins(p []byte, v *View) bool {
	q := c.head[:c.hdr]
	n := len(p) - c.hdr
	if n <= 0 || n > c.size || c.pending.Len+n > MaxPacket || v.Extended || v.Fragment || v.L4 != c.l4 || p[0] != q[0] {
		return false
	}
	if c.l4 == lengthIPv4 {
		// TOS; DF; TTL and protocol; addresses. Cutting counts the identification up.
		if p[1] != q[1] || binary.BigEndian.Uint16(p[4:]) != c.id+uint16(c.segs) || p[6] != q[6] ||
			p[8] != q[8] || p[9] != q[9] || !bytes.Equal(p[12:20], q[12:20]) || !canonical4(p) {
			return false
		}
	} else if !bytes.Equal(p[1:4], q[1:4]) || !bytes.Equal(p[6:lengthIPv6], q[6:lengthIPv6]) {
		return false // Traffic Class and Flow Label; Next Header, Hop Limit and addresses
	}
	t, u := p[c.l4:], q[c.l4:]
	if !bytes.Equal(t[:4], u[:4]) || c.tcp && !c.continues(t, u) {
		return false
	}
	return ChecksumOK(p, v)
}

// continues says that the TCP segment t goes on where pending, whose header is u, ends, and differs in nothing else.
func (c *Coalescer) continues(t, u []byte) bool {
	n := c.hdr - c.l4
	return binary.BigEndian.Uint32(t[4:]) == c.seq &&
		bytes.Equal(t[8:13], u[8:13]) && t[13]&^tcpPSH == u[13] && bytes.Equal(t[14:16], u[14:16]) &&
		bytes.Equal(t[18:n], u[18:n]) && canonical(t)
}

// join appends n octets of payload, which lie behind pending already. It is written at once when nothing can follow.
func (c *Coalescer) join(n int) {
	c.seq += uint32(n)
	c.pending.Len += n
	c.segs++
	if n < c.size || c.push != 0 || c.segs == maxSegments || c.pending.Len+c.size > MaxPacket {
		c.Flush()
	}
}

// Flush writes what is pending.
func (c *Coalescer) Flush() {
	if c.segs == 0 {
		return
	}
	if c.segs > 1 {
		c.finish()
	}
	c.segs = 0
	c.write(c.pending)
}

// finish makes pending a super-packet.
func (c *Coalescer) finish() {
	p := c.pending.Bytes()
	g := GSO{
		Size: uint16(c.size), HdrLen: uint16(c.hdr),
		NeedsCsum: true, CsumStart: uint16(c.l4),
	}
	protocol := uint8(ProtoUDP)
	g.Type, g.CsumOffset = GSOUDP, 6
	if c.tcp {
		protocol, g.Type, g.CsumOffset = ProtoTCP, GSOTCP4, 16
		p[c.l4+13] |= c.push
	} else {
		binary.BigEndian.PutUint16(p[c.l4+4:], uint16(len(p)-c.l4))
	}
	if p[0]>>4 == 4 {
		binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
		header4(p)
	} else {
		binary.BigEndian.PutUint16(p[4:], uint16(len(p)-lengthIPv6))
		if c.tcp {
			g.Type = GSOTCP6
		}
	}
	binary.LittleEndian.PutUint16(p[c.l4+int(g.CsumOffset):], fold(pseudo(p, protocol, len(p)-c.l4)))
	c.pending.GSO = g
}
