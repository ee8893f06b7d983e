package esp

import (
	"net/netip"
	"time"

	"github.com/goswan/goswan/tun/packet"
)

// pathMTUAge is how long a path counts as small: ten minutes, as RFC 1191 §6.3 and RFC 8201 §5.3 recommend.
const pathMTUAge = 10 * time.Minute

// newPath is a path on which everything fits that a datagram can hold.
func (o *Outbound) newPath(local, remote netip.AddrPort) *path {
	return &path{local: local, remote: remote, mtu: o.room(packet.MaxTrain)}
}

// room is the most octets of an inner packet whose ESP packet is not longer than n octets: Size(room(n)) ≤ n < Size(room(n)+1).
func (o *Outbound) room(n int) int {
	return (n-o.start-o.icvLen)&-o.align - trailerLen
}

// MTU is the length of the longest inner packet that fits the path of the train under way.
func (o *Outbound) MTU() int { return o.mtu }

// LimitPath tells that on the path to remote ESP packets of up to n octets fit and no longer ones. It holds for ten minutes, or until
// the SA moves, and is nothing to an SA that has moved already.
func (o *Outbound) LimitPath(remote netip.AddrPort, n int, now time.Time) {
	p := o.path.Load()
	if p.remote != remote {
		return
	}
	limited := *p
	limited.mtu, limited.until = o.room(min(n, packet.MaxTrain)), now.Add(pathMTUAge)
	o.path.CompareAndSwap(p, &limited) // a Move in between made another path
}

// agePath takes an old limit off the path.
func (o *Outbound) agePath(now time.Time) {
	if p := o.path.Load(); !p.until.IsZero() && now.After(p.until) {
		o.path.CompareAndSwap(p, o.newPath(p.local, p.remote))
	}
}
