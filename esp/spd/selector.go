// Package spd is the Security Policy Database (RFC 4301 §4.4.1): traffic selectors and the policies that use them.
//
// A TrafficSelector is one end of a pair. A Policy has lists of them for the local and the remote side and says what is done
// with the packets between. A Database holds the policies as immutable snapshots and finds the one for a packet.
package spd

import (
	"net/netip"

	"github.com/goswan/goswan/tun/packet"
)

// TrafficSelector selects packets by protocol, an inclusive address range and an inclusive port range (RFC 7296 §3.13.1).
//
// Addresses of both ends are of one family. The zero value selects nothing. Values compare with ==.
type TrafficSelector struct {
	// Protocol is the IP protocol ID; 0 is any.
	Protocol uint8
	// StartPort and EndPort are inclusive; 0 and 65535 are any, 65535 and 0 are OPAQUE (RFC 7296 §3.13.1).
	// For ICMP, ICMPv6 and Mobility Header the type is in the high and the code in the low octet.
	StartPort, EndPort uint16
	// Start and End are inclusive and of the same family.
	Start, End netip.Addr
}

// maxPort is the greatest port.
const maxPort = 65535

// FromPrefix selects all packets of the prefix's addresses. Host bits are ignored; an invalid prefix gives the zero value.
func FromPrefix(p netip.Prefix) TrafficSelector {
	if !p.IsValid() {
		return TrafficSelector{}
	}
	return TrafficSelector{EndPort: maxPort, Start: p.Masked().Addr(), End: lastAddr(p)}
}

// FromAddr selects all packets of one address, without its zone.
func FromAddr(a netip.Addr) TrafficSelector {
	a = a.Unmap().WithZone("")
	return TrafficSelector{EndPort: maxPort, Start: a, End: a}
}

// WithAddr is the selector for one address with protocol and ports of ts: what `dynamic` stands for.
func (ts TrafficSelector) WithAddr(a netip.Addr) TrafficSelector {
	ts.Start = a.Unmap().WithZone("")
	ts.End = ts.Start
	return ts
}

// Valid says that the selector can be used: addresses of one family in order, and ports in order or OPAQUE.
func (ts TrafficSelector) Valid() bool {
	return ts.Start.IsValid() && ts.Start.BitLen() == ts.End.BitLen() && !ts.End.Less(ts.Start) &&
		ts.Start.Zone() == "" && ts.End.Zone() == "" && (ts.StartPort <= ts.EndPort || ts.Opaque())
}

// AnyPort says that every port is selected, and packets without ports too.
func (ts TrafficSelector) AnyPort() bool { return ts.StartPort == 0 && ts.EndPort == maxPort }

// Opaque says that packets whose ports cannot be seen are selected, and no others.
func (ts TrafficSelector) Opaque() bool { return ts.StartPort == maxPort && ts.EndPort == 0 }

// containsAddr says that a is within the address range.
func (ts *TrafficSelector) containsAddr(a netip.Addr) bool {
	return ts.Start.BitLen() == a.BitLen() && ts.Start.Compare(a) <= 0 && a.Compare(ts.End) <= 0
}

// MatchSrc says that the selector takes the packet when it stands for the packet's source.
func (ts *TrafficSelector) MatchSrc(f *packet.Flow) bool {
	return ts.containsAddr(f.Src) && ts.matchUpper(f, f.SrcPort, false)
}

// MatchDst says that the selector takes the packet when it stands for the packet's destination.
func (ts *TrafficSelector) MatchDst(f *packet.Flow) bool {
	return ts.containsAddr(f.Dst) && ts.matchUpper(f, f.DstPort, true)
}

// matchUpper looks at protocol and port.
func (ts *TrafficSelector) matchUpper(f *packet.Flow, port uint16, dst bool) bool {
	if ts.Protocol != 0 && ts.Protocol != f.Protocol {
		return false
	}
	// ANY includes OPAQUE, RFC 4301 §4.4.1.1.
	if ts.AnyPort() {
		return true
	}
	switch f.Ports {
	case packet.PortsOpaque:
		return ts.Opaque()
	case packet.PortsType:
		// An end that sends but does not receive a type has the value at its side and OPAQUE at the other (RFC 4301
		// §4.4.1.3): the one value counts for the source, and the destination may be OPAQUE.
		if ts.Opaque() {
			return dst
		}
	}
	return ts.StartPort <= port && port <= ts.EndPort
}

// Subset says that every packet that ts selects is selected by o. What is not valid is no subset and has none.
func (ts TrafficSelector) Subset(o TrafficSelector) bool {
	return (o.Protocol == 0 || o.Protocol == ts.Protocol) && ts.subsetPorts(o) &&
		ts.Start.BitLen() == o.Start.BitLen() && !ts.Start.Less(o.Start) && !o.End.Less(ts.End) && ts.Valid() && o.Valid()
}

func (ts *TrafficSelector) subsetPorts(o TrafficSelector) bool {
	switch {
	case o.AnyPort():
		return true
	case ts.Opaque() || o.Opaque():
		return ts.Opaque() && o.Opaque()
	}
	return o.StartPort <= ts.StartPort && ts.EndPort <= o.EndPort
}

// Intersect is the selector of what both select; ok is false when that is nothing. OPAQUE is part of any port, and of no other
// range.
func (ts TrafficSelector) Intersect(o TrafficSelector) (both TrafficSelector, ok bool) {
	if !ts.Valid() || !o.Valid() || ts.Start.BitLen() != o.Start.BitLen() {
		return TrafficSelector{}, false
	}
	switch {
	case ts.Protocol == 0:
		both.Protocol = o.Protocol
	case o.Protocol == 0 || o.Protocol == ts.Protocol:
		both.Protocol = ts.Protocol
	default:
		return TrafficSelector{}, false
	}
	if both.StartPort, both.EndPort, ok = intersectPorts(ts, o); !ok {
		return TrafficSelector{}, false
	}
	both.Start, both.End = ts.Start, ts.End
	if both.Start.Less(o.Start) {
		both.Start = o.Start
	}
	if o.End.Less(both.End) {
		both.End = o.End
	}
	if both.End.Less(both.Start) {
		return TrafficSelector{}, false
	}
	return both, true
}

func intersectPorts(a, b TrafficSelector) (start, end uint16, ok bool) {
	switch {
	case a.AnyPort():
		return b.StartPort, b.EndPort, true
	case b.AnyPort():
		return a.StartPort, a.EndPort, true
	case a.Opaque() || b.Opaque():
		return maxPort, 0, a.Opaque() && b.Opaque()
	}
	start, end = max(a.StartPort, b.StartPort), min(a.EndPort, b.EndPort)
	return start, end, start <= end
}
