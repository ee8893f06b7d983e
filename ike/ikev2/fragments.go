package ikev2

import (
	"net/netip"

	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// fragments is what was agreed in IKE_SA_INIT about IKE Fragmentation (RFC 7383 §2.3). An IKE SA that takes over from another has
// what that one had.
type fragments struct {
	gathers bool // the peer may send fragments
	splits  bool // we send what is too long in fragments
}

// The largest IP datagrams that every host takes (RFC 791 §3.1) and every path (RFC 8200 §5).
const (
	everyIPv4 = 576
	everyIPv6 = 1280
)

// announceFragments is the notification that says that we take fragments, if the connection does.
func announceFragments(conn *core.Connection) []wire.Payload {
	if conn.Fragmentation == core.FragmentNo {
		return nil
	}
	return []wire.Payload{&wire.Notify{NotifyType: wire.IKEv2FragmentationSupported}}
}

// agreeFragments takes the peer's first message: "The Initiator MUST NOT use IKE Fragmentation if the responder didn't include
// this notification", nor the other way round.  RFC 7383 §2.3
func (sa *ikeSA) agreeFragments(conn *core.Connection, msg *wire.Message) {
	agreed := conn.Fragmentation != core.FragmentNo && msg.Notify(wire.IKEv2FragmentationSupported) != nil
	sa.fragments = fragments{gathers: agreed, splits: agreed && conn.Fragmentation != core.FragmentAccept}
}

// split is the message in fragments, nil when it fits one datagram of n octets or fragments were not agreed on.
func (sa *ikeSA) split(msg *wire.Message, n int, local, remote netip.AddrPort) [][]byte {
	limit := sa.m.fragmentSize(local, remote)
	if !sa.splits || n <= limit {
		return nil
	}
	pieces, err := wire.SealFragments(msg, sa.keys.out, sa.keys.ivs, limit)
	if err != nil {
		sa.m.logf("ENC", 1, "IKE message of %d bytes is not split: %v", n, err)
		return nil
	}
	sa.m.logf("ENC", 1, "splitting IKE message (%d bytes) into %d fragments", n, len(pieces))
	return pieces
}

// fragmentSize is the most octets of an IKE message in a datagram from local to remote that is not longer than fragment_size.
func (m *Machine) fragmentSize(local, remote netip.AddrPort) int {
	whole, headers := everyIPv4, ipv4AndUDP
	if remote.Addr().Unmap().Is6() {
		whole, headers = everyIPv6, ipv6AndUDP
	}
	if size := m.env.Settings.FragmentSize; size != 0 {
		whole = size
	}
	if local.Port() != portIKE {
		headers += nonESPMarker
	}
	return whole - headers
}

// What stands before an IKE message in an IP datagram.
const (
	ipv4AndUDP   = 20 + 8
	ipv6AndUDP   = 40 + 8
	nonESPMarker = 4 // RFC 3948 §2.2
)

// gather takes one fragment; the message is there when it was the last.
//
// A fragment that is not authentic changes nothing: it is "silently discarded".  RFC 7383 §2.6
func (m *Machine) gather(sa *ikeSA, d core.Datagram, parts *wire.Reassembly) (*wire.Message, *wire.Error) {
	f, err := wire.OpenFragment(d.Data, sa.keys.in)
	if err != nil {
		return m.opened(sa, d, nil, err)
	}
	msg, err := parts.Add(f)
	if msg == nil && err == nil {
		m.logf("ENC", 1, "received fragment #%d of %d, waiting for complete IKE message", f.Number, f.Total)
		return nil, nil
	}
	m.logf("ENC", 1, "received fragment #%d of %d, reassembled fragmented IKE message", f.Number, f.Total)
	return m.opened(sa, d, msg, err)
}
