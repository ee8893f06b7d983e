package esp

import (
	"net/netip"
	"time"

	"github.com/goswan/goswan/tun/packet"
)

// askInterval is how long PathDue is not repeated.
const askInterval = time.Second

// newPath is a path on which ESP packets of up to octets fit, as far as is known, until the time given, if any.
func (o *Outbound) newPath(local, remote netip.AddrPort, octets int, until time.Time) *path {
	return &path{local: local, remote: remote, room: o.room(min(octets, packet.MaxTrain)), until: until}
}

// room is the most octets of an inner packet whose ESP packet is not longer than n octets: Size(room(n)) ≤ n < Size(room(n)+1).
func (o *Outbound) room(n int) int {
	return (n-o.start-o.icvLen)&-o.align - trailerLen
}

// Room is the length of the longest inner packet that fits the path unfragmented; known tells that something was heard of the
// path, and else it is what a datagram can hold.
func (o *Outbound) Room() (n int, known bool) {
	p := o.path.Load()
	return p.room, !p.until.IsZero()
}

// Fits says that an inner packet of n octets fits the path of the train under way unfragmented.
func (o *Outbound) Fits(n int) bool { return n <= o.bound.room }

// MTU is the length of the longest inner packet of an IP version that is sealed whole: what fits the path of the train under way, and
// what may be sent in fragments.
func (o *Outbound) MTU(version uint8) int {
	switch {
	case o.params.IgnoreDF:
		return o.room(packet.MaxTrain)
	case version == 6:
		// "On any link that cannot convey a 1280-octet packet in one piece, link-specific fragmentation and reassembly must be
		// provided at a layer below IPv6."  RFC 8200 §5. Here that layer is the outer IP.
		return max(o.bound.room, packet.MinMTU6)
	}
	return o.bound.room
}

// LimitPath tells that on the path to remote ESP packets of up to n octets fit and no longer ones. From until on End says PathDue;
// a zero time is for n that nobody knows. It is nothing to an SA that has moved already, and is forgotten when it moves.
func (o *Outbound) LimitPath(remote netip.AddrPort, n int, until time.Time) {
	p := o.path.Load()
	if p.remote != remote {
		return
	}
	o.path.CompareAndSwap(p, o.newPath(p.local, p.remote, n, until)) // a Move in between made another path
}

// pathDue says PathDue when what is known of the path is old.
func (o *Outbound) pathDue(now time.Time) Signal {
	p := o.path.Load()
	if p.until.IsZero() || !now.After(p.until) || now.Sub(o.asked) < askInterval {
		return 0
	}
	o.asked = now
	return PathDue
}
