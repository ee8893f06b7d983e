package pool

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
)

// RADIUS is the pool of the addresses that authentication servers grant, whichever those are (Framed-IP-Address). It needs no
// configuration.
const RADIUS = "radius"

// reserve takes the addresses that are always the same peers'. What others had of them and do not use is theirs no more.
func (p *pool) reserve(all []core.StaticAddress) {
	p.static, p.fixed, p.next = map[netip.Addr]auth.Identity{}, map[auth.Identity]netip.Addr{}, 0
	for _, s := range all {
		peer := s.Peer.Folded()
		p.static[s.Addr], p.fixed[peer] = peer, s.Addr
		if l := p.byAddr[s.Addr]; l != nil && l.peer != peer && l.users == 0 {
			p.drop(l)
		}
	}
}

// isOthers tells whether an address is another peer's, by configuration or because it is in use elsewhere.
func (p *pool) isOthers(a netip.Addr, peer auth.Identity) bool {
	if owner, static := p.static[a]; static && owner != peer {
		return true
	}
	return p.of != nil && p.of.elsewhere(a)
}

// elsewhere tells whether an address is in use that no pool leased: a server granted it, or its pool is gone.
func (l *Leases) elsewhere(a netip.Addr) bool {
	for _, p := range l.gone {
		if found := p.byAddr[a]; found != nil && found.users > 0 {
			return true
		}
	}
	return l.granted.byAddr[a] != nil
}

// exact is the lease of an address that has to be the peer's: its static one in one of the pools, or one that a server grants if
// RADIUS is among the pools. The same peer gets it as often as it comes, for it may have lost its IKE SA.
func (l *Leases) exact(pools []*pool, r *core.LeaseRequest) (*pool, *lease, error) {
	for _, p := range pools {
		if a, static := p.fixed[r.Peer]; static {
			if slices.Contains(r.Except, a) {
				return nil, nil, fmt.Errorf("%s is the only address of %s in pool %s", a, r.Peer, p.name)
			}
			found, err := p.only(a, r)
			return p, found, err
		}
	}
	if !slices.Contains(r.Pools, RADIUS) {
		return nil, nil, nil
	}
	var failed error
	for _, a := range granted(r) {
		if failed = l.free(a, r); failed == nil {
			found, err := l.granted.only(a, r)
			return l.granted, found, err
		}
	}
	if failed == nil && len(pools) == 0 {
		failed = errors.New("the RADIUS server granted no address")
	}
	return nil, nil, failed
}

// granted are the addresses of a request's family that a server grants and that the peer does not have yet.
func granted(r *core.LeaseRequest) (all []netip.Addr) {
	for _, a := range r.Granted {
		if a.Is4() == r.Requested.Is4() && !slices.Contains(r.Except, a) {
			all = append(all, a)
		}
	}
	return all
}

// only is the lease of one address, or why the peer cannot have it.
func (p *pool) only(a netip.Addr, r *core.LeaseRequest) (*lease, error) {
	switch l := p.byAddr[a]; {
	case l == nil:
	case l.peer == r.Peer:
		return l, nil
	case l.users > 0:
		return nil, fmt.Errorf("%s, which is to be %s's, is in use by %s", a, r.Peer, l.peer)
	default:
		p.drop(l)
	}
	return p.make(a, r.Peer), nil
}

// free tells why an address that a server grants cannot be had: it is another's in one of our own pools.
func (l *Leases) free(a netip.Addr, r *core.LeaseRequest) error {
	for _, p := range slices.AppendSeq(slices.Clone(l.pools), maps.Values(l.gone)) {
		owner, other := p.static[a], p.byAddr[a]
		switch {
		case owner != auth.Identity{} && owner != r.Peer:
			return fmt.Errorf("the RADIUS server granted %s, which is %s's in pool %s", a, owner, p.name)
		case other != nil && other.users > 0 && other.peer != r.Peer:
			return fmt.Errorf("the RADIUS server granted %s, which is in use by %s from pool %s", a, other.peer, p.name)
		}
	}
	if other := l.granted.byAddr[a]; other != nil && other.peer != r.Peer {
		return fmt.Errorf("the RADIUS server granted %s, which is in use by %s", a, other.peer)
	}
	return nil
}

// again lets pools give an address once more that was in use elsewhere.
func (l *Leases) again(a netip.Addr) {
	for _, p := range l.pools {
		if p.rng.Contains(a) {
			p.next = min(p.next, distance(p.rng.First, a))
		}
	}
}

// allowed is the lease of an address in the pool that a server grants, if nobody else uses it.
func (p *pool) allowed(r *core.LeaseRequest) *lease {
	for _, a := range granted(r) {
		if !p.rng.Contains(a) || p.isOthers(a, r.Peer) {
			continue
		}
		l := p.byAddr[a]
		switch {
		case l == nil:
			return p.make(a, r.Peer)
		case l.peer == r.Peer && (l.users == 0 || l.remote == r.Remote || r.Takeover):
			return l
		case l.users == 0:
			p.drop(l)
			return p.make(a, r.Peer)
		}
	}
	return nil
}

// size is how many addresses the pool has.
func (p *pool) size() uint64 {
	if p.name == RADIUS {
		return uint64(len(p.byAddr))
	}
	return p.rng.Size
}
