package packet

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// View is one IP packet, parsed as far as the data path needs it.
type View struct {
	Flow
	// Version is 4 or 6.
	Version uint8
	// TOS is the IPv4 TOS or IPv6 Traffic Class octet.
	TOS uint8
	// Fragment says that the packet is a fragment, the first or another.
	Fragment bool
	// Extended says that IPv4 options or IPv6 extension headers stand before the upper layer.
	Extended bool
	// Len is the packet's length by its own header; at most the octets given to Parse.
	Len int
	// L4 is where the upper layer begins; at most Len.
	L4 int
}

// What Parse refuses.
var (
	ErrTruncated = errors.New("packet: shorter than its IP header says")
	ErrVersion   = errors.New("packet: neither IPv4 nor IPv6")
	ErrHeader    = errors.New("packet: malformed IP header")
)

// Parse reads the headers of the IP packet at the start of b into v. Octets behind the packet's own length are not
// looked at. A transport header that is cut short makes the ports OPAQUE, it is not an error.
func (v *View) Parse(b []byte) error {
	if len(b) < lengthIPv4 {
		return ErrTruncated
	}
	switch b[0] >> 4 {
	case 4:
		return v.parse4(b)
	case 6:
		return v.parse6(b)
	}
	return ErrVersion
}

func (v *View) parse4(b []byte) error {
	l4 := int(b[0]&15) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	switch {
	case l4 < lengthIPv4 || total < l4:
		return ErrHeader
	case total > len(b):
		return ErrTruncated
	}
	frag := binary.BigEndian.Uint16(b[6:])
	v.Version, v.TOS, v.Len, v.L4 = 4, b[1], total, l4
	v.Fragment = frag&(moreFragments|fragmentOffset) != 0
	v.Extended = l4 != lengthIPv4
	v.Src = netip.AddrFrom4([4]byte(b[12:16]))
	v.Dst = netip.AddrFrom4([4]byte(b[16:20]))
	v.Protocol = b[9]
	v.ports(b[l4:total], frag&fragmentOffset == 0)
	return nil
}

func (v *View) parse6(b []byte) error {
	if len(b) < lengthIPv6 {
		return ErrTruncated
	}
	total := lengthIPv6 + int(binary.BigEndian.Uint16(b[4:]))
	if total > len(b) {
		return ErrTruncated
	}
	v.Version, v.TOS, v.Len, v.L4 = 6, b[0]<<4|b[1]>>4, total, lengthIPv6
	v.Fragment = false
	v.Src = netip.AddrFrom16([16]byte(b[8:24]))
	v.Dst = netip.AddrFrom16([16]byte(b[24:40]))
	v.Protocol = b[6]
	first, err := v.extensions(b[:total])
	if err != nil {
		return err
	}
	v.Extended = v.L4 != lengthIPv6
	v.ports(b[v.L4:total], first)
	return nil
}

// extensions walks the IPv6 extension headers up to the upper layer. first is false when what follows is in the middle
// of a fragmented packet.
func (v *View) extensions(b []byte) (first bool, err error) {
	for range maxExtensions {
		rest := b[v.L4:]
		switch v.Protocol {
		case ProtoHopByHop, ProtoRouting, ProtoDestOpts:
			if len(rest) < 8 || len(rest) < (int(rest[1])+1)*8 {
				return false, ErrHeader
			}
			v.Protocol, v.L4 = rest[0], v.L4+(int(rest[1])+1)*8
		case ProtoFragment:
			if len(rest) < 8 {
				return false, ErrHeader
			}
			v.Protocol, v.L4 = rest[0], v.L4+8
			// Offset 0 without more fragments is a whole packet, an "atomic fragment" (RFC 6946).
			v.Fragment = v.Fragment || binary.BigEndian.Uint16(rest[2:])&0xfff9 != 0
			if binary.BigEndian.Uint16(rest[2:])&0xfff8 != 0 {
				return false, nil
			}
		default:
			return true, nil
		}
	}
	return false, ErrHeader
}

// ports reads the port selectors from the upper layer l4.
func (v *View) ports(l4 []byte, first bool) {
	v.SrcPort, v.DstPort, v.Ports = 0, 0, PortsOpaque
	// Ports may not be available in a fragment or behind encryption, "thus a value of OPAQUE also MUST be supported."
	// RFC 4301 §4.4.1.1
	if !first || len(l4) < 4 {
		return
	}
	switch v.Protocol {
	case ProtoTCP, ProtoUDP, ProtoSCTP, ProtoDCCP, ProtoUDPLite:
		v.SrcPort, v.DstPort, v.Ports = binary.BigEndian.Uint16(l4), binary.BigEndian.Uint16(l4[2:]), PortsPair
	case ProtoICMP, ProtoICMPv6:
		// The type in the most significant 8 bits, the code in the least: RFC 4301 §4.4.1.1.
		t := binary.BigEndian.Uint16(l4)
		v.SrcPort, v.DstPort, v.Ports = t, t, PortsType
	case ProtoMobility:
		t := uint16(l4[2]) << 8
		v.SrcPort, v.DstPort, v.Ports = t, t, PortsType
	}
}

// SetTOS replaces the IPv4 TOS or IPv6 Traffic Class octet of the packet ip. An IPv4 header checksum that was right stays
// right, and one that was wrong stays wrong.
func SetTOS(ip []byte, tos uint8) {
	if ip[0]>>4 == 6 {
		ip[0], ip[1] = ip[0]&0xf0|tos>>4, ip[1]&0x0f|tos<<4
		return
	}
	// HC' = ~(~HC + ~m + m')  RFC 1624 §3 eqn. 3
	was := binary.LittleEndian.Uint16(ip)
	ip[1] = tos
	acc := uint64(^binary.LittleEndian.Uint16(ip[10:])) + uint64(^was) + uint64(binary.LittleEndian.Uint16(ip))
	put(ip[10:], acc)
}
