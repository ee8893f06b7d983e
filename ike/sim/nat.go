package sim

import "net/netip"

// nat is a network address and port translator in front of one node.
type nat struct {
	outside netip.Addr
	next    uint16
	ports   map[uint16]uint16 // outside port of each inside port
}

// Behind puts the node behind a NAT with this outside address.
func (n *Node) Behind(outside netip.Addr) {
	n.nat = &nat{outside: outside, next: 20000, ports: map[uint16]uint16{}}
}

// Rebind makes the NAT forget its mappings: from now on the node comes from other ports.
func (n *Node) Rebind() {
	n.nat.ports = map[uint16]uint16{}
}

// Move gives the node another address of its own.
func (n *Node) Move(addr netip.Addr) { n.Addr = addr }

// translateOut is how the world sees a source of the node.
func (n *Node) translateOut(src netip.AddrPort) netip.AddrPort {
	if n.nat == nil {
		return src
	}
	port, ok := n.nat.ports[src.Port()]
	if !ok {
		n.nat.next++
		port = n.nat.next
		n.nat.ports[src.Port()] = port
	}
	return netip.AddrPortFrom(n.nat.outside, port)
}

// translateIn is where at the node a destination is; false when it is not the node's.
func (n *Node) translateIn(dst netip.AddrPort) (netip.AddrPort, bool) {
	if n.nat == nil {
		return dst, dst.Addr() == n.Addr
	}
	if dst.Addr() != n.nat.outside {
		return dst, false
	}
	for inside, outside := range n.nat.ports {
		if outside == dst.Port() {
			return n.at(inside), true
		}
	}
	return dst, false
}
