package spd

import "github.com/goswan/goswan/tun/packet"

// MaxSelectors is the most traffic selectors that one payload carries: their number is one octet (RFC 7296 §3.13).
const MaxSelectors = 255

// Narrow is the responder's choice of RFC 7296 §2.9: the intersection of what was offered with what we accept, nil when
// there is none. It keeps the order of the offer, whose first selector may be that of the packet which caused it, and leaves out
// what another selector of the result covers. It ends at MaxSelectors.
func Narrow(offered, ours []TrafficSelector) []TrafficSelector {
	var result []TrafficSelector
	for _, o := range offered {
		for _, a := range ours {
			if both, ok := o.Intersect(a); ok {
				result = add(result, both)
			}
			if len(result) == MaxSelectors {
				return result
			}
		}
	}
	return result
}

// add appends ts unless it is covered, and takes out what it covers; its place is the first of those.
func add(list []TrafficSelector, ts TrafficSelector) []TrafficSelector {
	placed := false
	kept := list[:0]
	for _, have := range list {
		switch {
		case ts.Subset(have):
			// Nothing was taken out: what ts covers, have covers too, and both are not in the list.
			return list
		case !have.Subset(ts):
			kept = append(kept, have)
		case !placed:
			kept = append(kept, ts)
			placed = true
		}
	}
	if !placed {
		kept = append(kept, ts)
	}
	return kept
}

// Covers says that each selector of inner is a subset of one of outer: inner is a narrowing of outer, and not empty.
func Covers(outer, inner []TrafficSelector) bool {
	for _, in := range inner {
		found := false
		for _, out := range outer {
			found = found || in.Subset(out)
		}
		if !found {
			return false
		}
	}
	return len(inner) > 0
}

// FromFlow is one packet as a pair of selectors, such as go first in the traffic selector payloads when the packet caused the
// negotiation (RFC 7296 §2.9). Ports that cannot be seen become any.
func FromFlow(f *packet.Flow) (src, dst TrafficSelector) {
	src, dst = FromAddr(f.Src), FromAddr(f.Dst)
	src.Protocol, dst.Protocol = f.Protocol, f.Protocol
	if f.Ports != packet.PortsOpaque {
		src.StartPort, src.EndPort = f.SrcPort, f.SrcPort
		dst.StartPort, dst.EndPort = f.DstPort, f.DstPort
	}
	return src, dst
}
