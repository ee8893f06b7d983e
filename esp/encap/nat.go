package encap

import (
	"net/netip"
	"slices"
	"sync"
)

// NAT is a network address and port translator to stand in the middle of a Network; its Hook method is the Hook.
// Mapping and filtering are endpoint-independent (RFC 4787 §4.1 and §5): a mapped port is the same towards everyone
// and reachable from everywhere.
type NAT struct {
	inside  netip.Prefix
	outside netip.Addr

	mu       sync.Mutex // protects the mappings
	next     uint16
	mappings []mapping
}

type mapping struct {
	inside  netip.AddrPort
	outside uint16
}

// NewNAT hides the addresses of inside behind the address outside; the ports it maps to start at 20001.
func NewNAT(inside netip.Prefix, outside netip.Addr) *NAT {
	return &NAT{inside: inside, outside: outside, next: 20001}
}

// Forget drops all mappings, as a NAT that was restarted or a phone that changed its cell: datagrams from outside are
// lost until something is sent, and then have come from other ports.
func (n *NAT) Forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mappings = nil
}

// Hook translates; it is a Hook.
func (n *NAT) Hook(d Datagram, deliver func(Datagram)) {
	if n.translate(&d) {
		deliver(d)
	}
}

func (n *NAT) translate(d *Datagram) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.inside.Contains(d.From.Addr()) && !n.inside.Contains(d.To.Addr()) {
		d.From = netip.AddrPortFrom(n.outside, n.outgoing(d.From))
	}
	if d.To.Addr() != n.outside {
		return true
	}
	i := slices.IndexFunc(n.mappings, func(m mapping) bool { return m.outside == d.To.Port() })
	if i < 0 {
		return false
	}
	d.To = n.mappings[i].inside
	return true
}

// outgoing is the mapped port of an inside address and port.
func (n *NAT) outgoing(from netip.AddrPort) uint16 {
	i := slices.IndexFunc(n.mappings, func(m mapping) bool { return m.inside == from })
	if i >= 0 {
		return n.mappings[i].outside
	}
	m := mapping{inside: from, outside: n.next}
	n.next++
	n.mappings = append(n.mappings, m)
	return m.outside
}
