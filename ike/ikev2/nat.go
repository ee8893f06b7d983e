package ikev2

import (
	"crypto/sha1"
	"encoding/binary"
	"net/netip"

	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// The ports of IKE (RFC 7296 §2) and of IKE with NAT traversal (RFC 7296 §2.23).
const (
	portIKE  = 500
	portNATT = 4500
)

// nat is what NAT_DETECTION told. Our transport carries ESP in UDP only, so we always announce a NAT in front of us by a
// NAT_DETECTION_SOURCE_IP that fits no address; the peer then encapsulates too.
type nat struct {
	known  bool // the peer sent NAT_DETECTION notifies
	local  bool // a NAT in front of us
	remote bool // a NAT in front of the peer, or the peer says so as we do
}

// detectionHash is the data of a NAT_DETECTION notify:
//
//	SHA-1( SPIi | SPIr | IP address | port )   RFC 7296 §2.23
func detectionHash(i, r header.SPI, a netip.AddrPort) []byte {
	b := append(append([]byte{}, i[:]...), r[:]...)
	b = append(b, a.Addr().Unmap().AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, a.Port())
	sum := sha1.Sum(b)
	return sum[:]
}

// detectionNotifies are ours: a source that fits no address, and the destination as we see it.
func (sa *ikeSA) detectionNotifies(to netip.AddrPort) ([]wire.Payload, error) {
	fake := make([]byte, 20)
	if err := sa.m.random(fake); err != nil {
		return nil, err
	}
	return []wire.Payload{
		&wire.Notify{NotifyType: wire.NATDetectionSourceIP, Data: fake},
		&wire.Notify{NotifyType: wire.NATDetectionDestinationIP, Data: detectionHash(sa.spiI, sa.spiR, to)},
	}, nil
}

// detect compares the peer's notifies with the addresses that its message really had.
//
// If none of the source hashes fits, the sender is behind a NAT; if the destination hash does not, we are.  RFC 7296 §2.23
func (sa *ikeSA) detect(msg *wire.Message, d core.Datagram) {
	sources, destinations := msg.Notifies(wire.NATDetectionSourceIP), msg.Notifies(wire.NATDetectionDestinationIP)
	i, r := msg.Initiator, msg.Responder
	sa.nat.known = len(sources) > 0 && len(destinations) > 0
	if !sa.nat.known {
		sa.m.logf("IKE", 1, "peer does not support NAT traversal, but ESP travels in UDP only: the peer may not take it")
		return
	}
	sa.nat.remote = !hasHash(sources, detectionHash(i, r, d.Remote))
	sa.nat.local = !hasHash(destinations, detectionHash(i, r, d.Local))
	if sa.nat.local {
		sa.m.logf("IKE", 1, "local host is behind NAT, sending keep alives")
	}
	if sa.nat.remote {
		sa.m.logf("IKE", 1, "remote host is behind NAT")
	}
}

func hasHash(notifies []*wire.Notify, hash []byte) bool {
	for _, n := range notifies {
		if string(n.Data) == string(hash) {
			return true
		}
	}
	return false
}

// float moves the initiator to the ports of NAT traversal.
//
// An initiator that finds a NAT, here the one that we announce, "MUST tunnel all future IKE and ESP packets associated with
// this IKE SA over UDP port 4500."  RFC 7296 §2.23. A peer on a port other than 500 is there already.
func (sa *ikeSA) float() {
	if !sa.nat.known || sa.remote.Port() != portIKE {
		return
	}
	sa.remote = netip.AddrPortFrom(sa.remote.Addr(), portNATT)
	if p := sa.m.env.NATTPort; p != 0 {
		sa.local = netip.AddrPortFrom(sa.local.Addr(), p)
	}
}

// follow takes the addresses of a new authenticated request: a NAT in front of the peer may have given it others.
//
// "A host behind a NAT SHOULD NOT do this type of dynamic address update if a validated packet has different port and/or
// address values because it opens a possible DoS attack"  RFC 7296 §2.23. Here that is an original initiator: gateways are
// put behind a NAT that forwards to them, and their peers still move.
func (m *Machine) follow(sa *ikeSA, local, remote netip.AddrPort) {
	if !remote.IsValid() || (sa.nat.local && sa.initiator) {
		remote = sa.remote
	}
	if !local.IsValid() {
		local = sa.local
	}
	if local == sa.local && remote == sa.remote {
		return
	}
	if sa.established() {
		m.logf("IKE", 1, "%s moved: %s to %s, was %s to %s", sa.name(), endpoint(local), endpoint(remote), endpoint(sa.local), endpoint(sa.remote))
	}
	for _, other := range m.sas() {
		other.local, other.remote = local, remote
	}
	m.moveChildren(local, remote)
}

// move is the driver's news that an address changed.
func (m *Machine) move(c core.Move) {
	sa := m.current
	if sa == nil || !sa.established() {
		return
	}
	ours := c.Local.IsValid() && c.Local != sa.local
	m.follow(sa, c.Local, c.Remote)
	if ours {
		// The peer follows an authenticated request from our new address.
		m.enqueue(&liveness{})
	}
}

// moveChildren gives every installed SA its new outer addresses.
func (m *Machine) moveChildren(local, remote netip.AddrPort) {
	for _, c := range m.children {
		for _, dir := range c.directions() {
			m.emit(core.MoveSA{SPI: dir.spi, Direction: dir.direction, Reqid: c.reqid, Local: local, Remote: remote})
		}
		if c.later != nil {
			c.later.Local, c.later.Remote = local, remote
		}
	}
}
