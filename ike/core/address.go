package core

import (
	"net/netip"

	"github.com/goswan/goswan/ike/auth"
)

// Attribute is one configuration attribute (RFC 7296 §3.15.1) that a pool gives along with its addresses.
type Attribute struct {
	Type  uint16 // IANA's number
	Value []byte
}

// LeaseRequest asks for a virtual address for a peer.
type LeaseRequest struct {
	// Pools are looked through in order.
	Pools []string
	// Peer is the authenticated identity: the same one gets the same address again.
	Peer auth.Identity
	// Requested is the address that the peer would like; 0.0.0.0 or :: is any of its family.
	Requested netip.Addr
	// Granted are the addresses that an authentication server allows the peer: what the pool "radius" gives, and what other
	// pools take as Requested.
	Granted []netip.Addr
	// Remote is the peer's outer address. A peer that asks from there for an address that it has already, in an IKE SA that it
	// is about to leave, gets it once more: that is a reauthentication.
	Remote netip.Addr
	// Takeover says that the peer's other IKE SAs end with this one (INITIAL_CONTACT, `unique = replace`), so that their
	// addresses are free for it.
	Takeover bool
	// Except are addresses that the peer has been given in the same exchange.
	Except []netip.Addr
}

// Lease is a virtual address that a peer has.
type Lease struct {
	Pool string
	Addr netip.Addr
	Peer auth.Identity
}

// Assignment is what a responder's CFG_REPLY gave to us (RFC 7296 §3.15, RFC 8598). Every address in it is a unicast
// address that a host may have; every domain is a host name.
type Assignment struct {
	Addresses []netip.Addr
	DNS       []netip.Addr
	// Domains are those that DNS is for; none is all.
	Domains []string
	// Subnets are the networks that the responder says it protects (INTERNAL_IP4_SUBNET, INTERNAL_IP6_SUBNET), for people and scripts.
	// What goes there is decided by traffic selectors alone.
	Subnets []netip.Prefix
}

// Assigned: the peer gave us addresses, IKE.Assigned. It comes behind Established and before the Child SA that uses them.
type Assigned struct{ IKE IKEStatus }

// Withdrawn: the IKE SA that an Assigned came with has ended, and its Child SAs before it.
type Withdrawn struct{ IKE IKEStatus }

func (Assigned) output()  {}
func (Withdrawn) output() {}
