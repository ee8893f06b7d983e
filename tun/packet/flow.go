package packet

import "net/netip"

// Flow is what the Security Policy Database looks at: the selectors of one packet (RFC 4301 §4.4.1.1).
// The zero value is no flow. Values compare with ==.
type Flow struct {
	Src, Dst netip.Addr
	// SrcPort and DstPort are as Ports says.
	SrcPort, DstPort uint16
	// Protocol is the Next Layer Protocol, behind all IPv6 extension headers.
	Protocol uint8
	Ports    Ports
}

// Ports says what the two port fields of a Flow hold.
type Ports uint8

// The kinds of port fields.
const (
	// PortsOpaque: there are none to be seen (a fragment that is not the first, a protocol without ports, a header
	// cut short by fragmentation, encrypted). Both fields are 0. RFC 4301 §4.4.1.1 calls the value OPAQUE.
	PortsOpaque Ports = iota
	// PortsPair: a source and a destination port.
	PortsPair
	// PortsType: one selector for both ends, in both fields: ICMP type and code, or the Mobility Header type in the
	// high octet.
	PortsType
)

// The protocol numbers that the data path knows by name (IANA "Assigned Internet Protocol Numbers").
const (
	ProtoHopByHop  = 0
	ProtoICMP      = 1
	ProtoIPv4      = 4 // IPv4 in something, the Next Header of a tunnel
	ProtoTCP       = 6
	ProtoUDP       = 17
	ProtoDCCP      = 33
	ProtoIPv6      = 41
	ProtoRouting   = 43
	ProtoFragment  = 44
	ProtoESP       = 50
	ProtoAH        = 51
	ProtoICMPv6    = 58
	ProtoNoNext    = 59 // "dummy packet" as an ESP Next Header, RFC 4303 §2.6
	ProtoDestOpts  = 60
	ProtoSCTP      = 132
	ProtoMobility  = 135
	ProtoUDPLite   = 136
	lengthIPv6     = 40
	lengthIPv4     = 20
	maxExtensions  = 8 // IPv6 extension headers that are walked; RFC 8200 §4.1 knows 7 at most once each, one twice
	moreFragments  = 0x2000
	dontFragment   = 0x4000
	fragmentOffset = 0x1fff
)
