package spd

import (
	"math/bits"

	"github.com/goswan/goswan/tun/packet"
)

// Action is what a policy does with its packets (RFC 4301 §4.4.1: PROTECT, BYPASS, DISCARD; a trap protects as soon as there
// is an SA).
type Action uint8

// The actions; the zero value is Drop.
const (
	Drop    Action = iota
	Bypass         // does not enter the tunnel
	Protect        // goes out on an SA
	Trap           // asks for an SA and is dropped until there is one
)

// String is the configuration's word: "drop", "bypass", "protect", "trap".
func (a Action) String() string {
	switch a {
	case Bypass:
		return "bypass"
	case Protect:
		return "protect"
	case Trap:
		return "trap"
	}
	return "drop"
}

// Policy says what is done with packets from LocalTS to RemoteTS. It is immutable once it is in a Database.
type Policy struct {
	// Name is the child's configured name and Conn its connection's.
	Name, Conn        string
	Action            Action
	LocalTS, RemoteTS []TrafficSelector
	// Priority orders policies, smaller first; 0 means computed from action and selectors, see Order.
	Priority uint32
	// Reqid ties a Protect or Trap policy to its SAs.
	Reqid uint32
	// State is what the data path keeps with the policy.
	State any
}

// The computed order is strongSwan's, smaller first: bypass policies, then those of SAs, then traps, then drop policies;
// within an action the longer prefixes, then a protocol over none, then the narrower ports. The bands do not overlap: what
// selectors take off is less than a band.
const (
	bandWidth     = 200000
	perPrefixBit  = 512
	perProtocol   = 256
	perPortBit    = 4
	bypassBand    = 1 * bandWidth
	protectBand   = 2 * bandWidth
	trapBand      = 3 * bandWidth
	dropBand      = 4 * bandWidth
	portMaskWidth = 16
)

// Order is the priority that counts for a pair of the policy's selectors: Priority if it is set, computed otherwise.
func (p *Policy) Order(local, remote *TrafficSelector) uint32 {
	if p.Priority != 0 {
		return p.Priority
	}
	order := uint32(dropBand)
	switch p.Action {
	case Bypass:
		order = bypassBand
	case Protect:
		order = protectBand
	case Trap:
		order = trapBand
	}
	order -= uint32(local.prefixBits()+remote.prefixBits()) * perPrefixBit
	if local.Protocol != 0 || remote.Protocol != 0 {
		order -= perProtocol
	}
	return order - uint32(local.portBits()+remote.portBits())*perPortBit
}

// prefixBits is how many leading bits all addresses of the selector share.
func (ts *TrafficSelector) prefixBits() int {
	a, b := ts.Start.As16(), ts.End.As16()
	n := 0
	for i := range a {
		if x := a[i] ^ b[i]; x != 0 {
			n += bits.LeadingZeros8(x)
			break
		}
		n += 8
	}
	return max(n-(128-ts.Start.BitLen()), 0)
}

// portBits is how many leading bits all ports of the selector share; OPAQUE is as narrow as one port.
func (ts *TrafficSelector) portBits() int {
	if ts.Opaque() {
		return portMaskWidth
	}
	return bits.LeadingZeros16(ts.StartPort ^ ts.EndPort)
}

// match is the smallest Order among the policy's local selectors for a packet whose destination is in remote.
func (p *Policy) match(f *packet.Flow, remote *TrafficSelector) (order uint32, ok bool) {
	order = 1<<32 - 1
	for i := range p.LocalTS {
		if l := &p.LocalTS[i]; l.MatchSrc(f) {
			order, ok = min(order, p.Order(l, remote)), true
		}
	}
	return order, ok
}
