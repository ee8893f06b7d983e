package packet

import "encoding/binary"

// The ICMP errors that tell a sender of a smaller MTU.
const (
	icmp4Unreachable = 3 // with code 4: "fragmentation needed and DF set"  RFC 792
	icmp4NeedsFrag   = 4
	icmp6TooBig      = 2 // RFC 4443 §3.2
	icmp6Redirect    = 137

	// MinMTU4 and MinMTU6 are the least MTU that an IPv4 and an IPv6 link has (RFC 791 §3.2, RFC 8200 §5).
	MinMTU4 = 68
	MinMTU6 = 1280

	// MaxTooBig is the longest packet that AppendTooBig makes: "as much of invoking packet as possible without the ICMPv6
	// packet exceeding the minimum IPv6 MTU"  RFC 4443 §3.2.
	MaxTooBig = MinMTU6

	maxError4 = 576  // "SHOULD contain as much of the original datagram as possible without the length of the ICMP datagram exceeding 576 bytes"  RFC 1812 §4.3.2.3
	control   = 0xc0 // "…SHOULD have their precedence value set to 6 (INTERNETWORK CONTROL) or 7"  RFC 1812 §4.3.2.5
	errorTTL  = 64
)

// DontFragment says that the packet ip may not be fragmented under way: DF is set, or it is IPv6.
func DontFragment(ip []byte) bool { return ip[0]>>4 == 6 || ip[6]&(dontFragment>>8) != 0 }

// AppendTooBig appends to b the ICMP error that asks the sender of the packet ip, whose view is v, for packets of at most mtu
// octets, and returns it: IPv4 "fragmentation needed" (RFC 1191 §4) or IPv6 Packet Too Big (RFC 4443 §3.2).
// ok is false when there must be none: MayAnswer, an IPv4 packet without DF, an IPv6 packet that fits MinMTU6.
//
// It comes from the packet's destination, for which the host has a route through the device: of the sender's network it
// is the far end of the tunnel that cannot take the packet, and no filter of reverse paths finds fault with it. An address of this
// host, as RFC 1812 §4.3.2.4 has it of a router, would be refused: a packet that comes in from one's own address is a martian.
func AppendTooBig(b, ip []byte, v *View, mtu int) (out []byte, ok bool) {
	if !DontFragment(ip) || !MayAnswer(ip, v) {
		return b, false
	}
	if v.Version == 4 {
		return appendNeedsFrag(b, ip, max(mtu, MinMTU4)), true
	}
	// A node does not take its estimate of the path MTU below the minimum link MTU (RFC 8201 §4): asking is in vain.
	if len(ip) <= MinMTU6 {
		return b, false
	}
	return appendTooBig6(b, ip, max(mtu, MinMTU6)), true
}

// MayAnswer says that an ICMP error may be sent for the packet ip: it is no ICMP error itself, no fragment but the first, and its
// two addresses are each of one host (RFC 1812 §4.3.2.7, RFC 4443 §2.4 (e)). RFC 4443 lets Packet Too Big answer a
// multicast; here it would have to come from the group.
func MayAnswer(ip []byte, v *View) bool {
	return !laterFragment(ip, v) && !isError(v) && oneHost(v)
}

// laterFragment says that a packet is a fragment other than the first. A first IPv6 fragment without ports to be seen counts too.
func laterFragment(ip []byte, v *View) bool {
	if v.Version == 4 {
		return binary.BigEndian.Uint16(ip[6:])&fragmentOffset != 0
	}
	return v.Fragment && v.Ports == PortsOpaque
}

// isError says that a packet is an ICMP error or redirect, or ICMP of a type that cannot be seen.
func isError(v *View) bool {
	t := uint8(v.SrcPort >> 8)
	switch {
	case v.Protocol == ProtoICMP && v.Ports == PortsType:
		// RFC 1122 §3.2.2: the error messages are Destination Unreachable, Source Quench, Redirect, Time Exceeded and
		// Parameter Problem.
		return t == 3 || t == 4 || t == 5 || t == 11 || t == 12
	case v.Protocol == ProtoICMPv6 && v.Ports == PortsType:
		return t < 128 || t == icmp6Redirect // errors have the high bit clear, RFC 4443 §2.1
	}
	return v.Protocol == ProtoICMP || v.Protocol == ProtoICMPv6
}

// oneHost says that source and destination are each the address of one host on the network.
func oneHost(v *View) bool {
	src, dst := v.Src, v.Dst
	if src.IsUnspecified() || src.IsMulticast() || src.IsLoopback() || dst.IsUnspecified() || dst.IsMulticast() || dst.IsLoopback() {
		return false
	}
	if v.Version == 6 {
		return true
	}
	// Neither class E, where 255.255.255.255 lies, nor network 0 (RFC 1812 §5.3.7).
	s, d := src.As4(), dst.As4()
	return s[0] < 240 && d[0] < 240 && s[0] != 0 && d[0] != 0
}

func appendNeedsFrag(b, ip []byte, mtu int) []byte {
	quoted := ip[:min(len(ip), maxError4-lengthIPv4-8)]
	n := lengthIPv4 + 8 + len(quoted)
	at := len(b)
	b = append(b, 0x45, control, byte(n>>8), byte(n), 0, 0, 0, 0, errorTTL, ProtoICMP, 0, 0)
	b = append(append(b, ip[16:20]...), ip[12:16]...)
	b = append(b, icmp4Unreachable, icmp4NeedsFrag, 0, 0, 0, 0, byte(mtu>>8), byte(mtu))
	b = append(b, quoted...)
	p := b[at:]
	header4(p)
	put(p[lengthIPv4+2:], sum(p[lengthIPv4:], 0))
	return b
}

func appendTooBig6(b, ip []byte, mtu int) []byte {
	quoted := ip[:min(len(ip), MaxTooBig-lengthIPv6-8)]
	n := 8 + len(quoted)
	at := len(b)
	b = append(b, 0x60, 0, 0, 0, byte(n>>8), byte(n), ProtoICMPv6, errorTTL)
	b = append(append(b, ip[24:40]...), ip[8:24]...)
	b = append(b, icmp6TooBig, 0, 0, 0, byte(mtu>>24), byte(mtu>>16), byte(mtu>>8), byte(mtu))
	b = append(b, quoted...)
	p := b[at:]
	l4 := p[lengthIPv6:]
	put(l4[2:], sum(l4, pseudo(p, ProtoICMPv6, len(l4))))
	return b
}
