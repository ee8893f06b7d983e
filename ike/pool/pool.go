// Package pool leases virtual addresses from pools to peers (RFC 7296 §2.19), by their authenticated identities.
//
// A peer gets the address that it had before: a lease that nobody uses is kept, and goes to another peer only when its pool
// has no other address left, the one that has been unused for longest first. Leases outlive the process in a Store.
//
//	never leased ──Lease──▶ online ──Release──▶ offline ──Lease, same peer──▶ online
//	                                               └──Lease, another peer, pool full──▶ online
package pool

import (
	"container/list"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
)

// Leases are the pools of an endpoint and what they have leased. Its methods are safe for concurrent use, and wait for
// nothing but each other: the store is written behind them.
type Leases struct {
	mu     sync.Mutex // guards what follows
	config Config
	writer *writer // nil: in memory only
	pools  []*pool
	// granted are the addresses that authentication servers gave, as long as they are in use.
	granted *pool
	gone    map[string]*pool    // that were configured before: their addresses may be in use still
	kept    map[string][]Record // of pools that never were
	closed  bool
}

// pool is one pool.
type pool struct {
	name   string
	text   string // as configured
	rng    Range
	next   uint64 // the first of the range that may never have been leased
	byAddr map[netip.Addr]*lease
	byPeer map[auth.Identity][]*lease
	idle   *list.List // offline leases, the longest unused first
	online int
	static map[netip.Addr]auth.Identity // whose addresses they always are
	fixed  map[auth.Identity]netip.Addr // the same by peer
	of     *Leases                      // knows of addresses that are in use elsewhere; nil: none are
}

// lease is an address that a peer has or had.
type lease struct {
	addr   netip.Addr
	peer   auth.Identity
	users  int // IKE SAs that use it; 0: it is offline
	remote netip.Addr
	seen   time.Time     // when it went offline
	place  *list.Element // among the idle; nil while it is online
}

// Config is what Leases are made of.
type Config struct {
	// Open opens the store when the first pool is configured; nil keeps leases in memory.
	Open func() (Store, error)
	// Failed is told what is wrong with the store: leases go on without it.
	Failed func(error)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// New makes leases without pools.
func New(c Config) *Leases {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Failed == nil {
		c.Failed = func(error) {}
	}
	granted := emptyPool(RADIUS)
	return &Leases{config: c, granted: granted, gone: map[string]*pool{}, kept: map[string][]Record{}}
}

// open opens the store and takes what is in it. l.mu is held.
func (l *Leases) open() {
	open := l.config.Open
	if l.config.Open = nil; open == nil || l.closed {
		return
	}
	store, err := open()
	if err != nil {
		l.config.Failed(err)
		return
	}
	records, err := store.Load()
	if err != nil {
		l.config.Failed(errors.Join(err, store.Close()))
		return
	}
	for _, r := range records {
		l.kept[r.Pool] = append(l.kept[r.Pool], r)
	}
	l.writer = newWriter(store, l.config.Failed)
}

// Close writes what is not written yet, and closes the store.
func (l *Leases) Close() error {
	l.mu.Lock()
	l.closed = true
	w := l.writer
	l.mu.Unlock()
	if w == nil {
		return nil
	}
	return w.close()
}

// Configure takes the pools of a configuration. Leases stay as far as their addresses do; those of a pool that is gone come
// back with it.
func (l *Leases) Configure(pools []*core.Pool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(pools) > 0 {
		l.open()
	}
	var next []*pool
	var failed error
	for _, c := range pools {
		if c.Name == RADIUS {
			continue
		}
		i := slices.IndexFunc(l.pools, func(p *pool) bool { return p.name == c.Name })
		if i >= 0 && l.pools[i].text == c.Addrs {
			l.pools[i].reserve(c.Static)
			next = append(next, l.pools[i])
			l.pools = slices.Delete(l.pools, i, i+1)
			continue
		}
		p, err := newPool(c)
		if err != nil {
			failed = err
			continue
		}
		p.of = l
		if i >= 0 {
			p.inherit(l.pools[i])
		} else if before := l.gone[c.Name]; before != nil {
			p.inherit(before)
			delete(l.gone, c.Name)
		}
		for _, r := range l.kept[c.Name] {
			p.restore(r)
		}
		delete(l.kept, c.Name)
		p.reserve(c.Static)
		next = append(next, p)
	}
	for _, gone := range l.pools {
		if !slices.ContainsFunc(next, func(p *pool) bool { return p.name == gone.name }) {
			gone.static, gone.fixed = nil, nil
			l.gone[gone.name] = gone
		}
	}
	l.pools = next
	return failed
}

func newPool(c *core.Pool) (*pool, error) {
	rng, err := ParseRange(c.Addrs)
	if err != nil {
		return nil, err
	}
	p := emptyPool(c.Name)
	p.text, p.rng = c.Addrs, rng
	return p, nil
}

func emptyPool(name string) *pool {
	return &pool{name: name, idle: list.New(), byAddr: map[netip.Addr]*lease{}, byPeer: map[auth.Identity][]*lease{}}
}

// inherit takes the leases of the pool as it was configured before. Those in use stay until they are not, also if the pool has
// their addresses no more: it may have them again by then.
func (p *pool) inherit(old *pool) {
	for e := old.idle.Front(); e != nil; e = e.Next() {
		p.restore(old.record(e.Value.(*lease)))
	}
	for _, l := range old.byAddr {
		if l.users > 0 {
			p.online++
			p.file(l)
		}
	}
}

// restore takes a lease from the store; it is offline.
func (p *pool) restore(r Record) {
	if !p.rng.Contains(r.Addr) || p.byAddr[r.Addr] != nil {
		return
	}
	l := &lease{addr: r.Addr, peer: r.Peer.Folded(), seen: r.Seen}
	p.file(l)
	at := p.idle.Back()
	for at != nil && at.Value.(*lease).seen.After(l.seen) {
		at = at.Prev()
	}
	if at == nil {
		l.place = p.idle.PushFront(l)
		return
	}
	l.place = p.idle.InsertAfter(l, at)
}

// file enters a lease under its address and its peer.
func (p *pool) file(l *lease) {
	p.byAddr[l.addr] = l
	p.byPeer[l.peer] = append(p.byPeer[l.peer], l)
}

// unfile takes a lease away from its peer.
func (p *pool) unfile(l *lease) {
	delete(p.byAddr, l.addr)
	rest := slices.DeleteFunc(p.byPeer[l.peer], func(o *lease) bool { return o == l })
	if p.byPeer[l.peer] = rest; len(rest) == 0 {
		delete(p.byPeer, l.peer)
	}
}

func (p *pool) record(l *lease) Record {
	return Record{Pool: p.name, Addr: l.addr, Peer: l.peer, Seen: l.seen}
}

// Lease is core.Environment's: the address that is the peer's by configuration or by the word of an authentication server, else
// the one that it had, else one that nobody had, else the one that nobody has used for longest, from the first of the pools that
// has such.
func (l *Leases) Lease(r core.LeaseRequest) (core.Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Peer = r.Peer.Folded() // the same peer in capitals has the same addresses
	pools := l.named(&r)
	if p, found, err := l.exact(pools, &r); err != nil {
		return core.Lease{}, err
	} else if found != nil {
		return l.take(p, found, &r), nil
	}
	for _, find := range []func(*pool, *core.LeaseRequest) *lease{(*pool).allowed, (*pool).existing, (*pool).unused, (*pool).reassigned} {
		for _, p := range pools {
			if found := find(p, &r); found != nil {
				return l.take(p, found, &r), nil
			}
		}
	}
	return core.Lease{}, full(pools, &r)
}

// named are the pools of a request that have addresses of its family.
func (l *Leases) named(r *core.LeaseRequest) (pools []*pool) {
	for _, name := range r.Pools {
		for _, p := range l.pools {
			if p.name == name && p.rng.First.Is4() == r.Requested.Is4() {
				pools = append(pools, p)
			}
		}
	}
	return pools
}

// take puts a lease online.
func (l *Leases) take(p *pool, found *lease, r *core.LeaseRequest) core.Lease {
	if found.place != nil {
		p.idle.Remove(found.place)
		found.place = nil
	}
	if found.users == 0 {
		p.online++
	}
	found.users++
	found.remote, found.seen = r.Remote, l.config.Now()
	l.save(p, found)
	return core.Lease{Pool: p.name, Addr: found.addr, Peer: found.peer}
}

// existing is a lease that the peer has already: one that it asks for, or one that nobody uses.
func (p *pool) existing(r *core.LeaseRequest) *lease {
	var idle *lease
	for _, l := range p.byPeer[r.Peer] {
		switch {
		case slices.Contains(r.Except, l.addr) || p.isOthers(l.addr, r.Peer) || !p.rng.Contains(l.addr):
		case l.addr == r.Requested && (l.users == 0 || l.remote == r.Remote || r.Takeover):
			return l
		case l.users == 0 || r.Takeover:
			if idle == nil || l.users == 0 && (idle.users > 0 || l.seen.After(idle.seen)) {
				idle = l
			}
		}
	}
	return idle
}

// unused is a new lease of an address that nobody ever had: the one that the peer asks for, or the next.
func (p *pool) unused(r *core.LeaseRequest) *lease {
	if p.rng.Contains(r.Requested) && p.byAddr[r.Requested] == nil && !p.isOthers(r.Requested, r.Peer) {
		return p.make(r.Requested, r.Peer)
	}
	for ; p.next < p.rng.Size; p.next++ {
		if a := p.rng.at(p.next); p.byAddr[a] == nil && !p.isOthers(a, r.Peer) {
			p.next++
			return p.make(a, r.Peer)
		}
	}
	return nil
}

// reassigned is the lease that has been offline for longest, now the peer's.
func (p *pool) reassigned(r *core.LeaseRequest) *lease {
	for oldest := p.idle.Front(); oldest != nil; oldest = oldest.Next() {
		if l := oldest.Value.(*lease); !p.isOthers(l.addr, r.Peer) {
			p.drop(l)
			return p.make(l.addr, r.Peer)
		}
	}
	return nil
}

// drop forgets a lease that is offline.
func (p *pool) drop(l *lease) {
	p.idle.Remove(l.place)
	p.unfile(l)
}

func (p *pool) make(a netip.Addr, peer auth.Identity) *lease {
	l := &lease{addr: a, peer: peer}
	p.file(l)
	return l
}

// full tells why there is no address.
func full(pools []*pool, r *core.LeaseRequest) error {
	family := "IPv6"
	if r.Requested.Is4() {
		family = "IPv4"
	}
	if len(pools) == 0 {
		return fmt.Errorf("no %s address in pools %s", family, strings.Join(r.Pools, ", "))
	}
	var texts []string
	for _, p := range pools {
		texts = append(texts, fmt.Sprintf("all %d addresses of pool %s (%s) are in use", p.rng.Size, p.name, p.text))
	}
	return errors.New(strings.Join(texts, ", "))
}

// Release is core.Environment's: one IKE SA less uses the address.
func (l *Leases) Release(r core.Lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range append(slices.Clip(l.shown()), l.gone[r.Pool]) {
		if p == nil || p.name != r.Pool {
			continue
		}
		found := p.byAddr[r.Addr]
		if found == nil || found.peer != r.Peer || found.users == 0 {
			continue
		}
		found.users--
		found.seen = l.config.Now()
		if found.users == 0 {
			p.online--
			found.place = p.idle.PushBack(found)
		}
		l.save(p, found)
		if has := p.rng.Contains(found.addr); found.users == 0 && (!has || p == l.gone[p.name]) {
			l.again(found.addr)
			if !has {
				p.drop(found)
			}
		}
	}
}

// save has a lease stored. What a server granted holds for an IKE SA alone.
func (l *Leases) save(p *pool, found *lease) {
	if l.writer != nil && p != l.granted {
		l.writer.put(p.record(found))
	}
}

// shown are all pools, the granted addresses last if there are any.
func (l *Leases) shown() []*pool {
	if l.granted.online == 0 {
		return l.pools
	}
	return append(slices.Clone(l.pools), l.granted)
}

// Status is a snapshot of one pool.
type Status struct {
	Name            string
	First           netip.Addr // of its addresses; the zero value for those that authentication servers granted
	Size            uint64
	Online, Offline int
	Leases          []LeaseStatus // by address
}

// LeaseStatus is one lease of a Status.
type LeaseStatus struct {
	Addr   netip.Addr
	Peer   auth.Identity
	Online bool
	// Static says that the address is the peer's by configuration, even if it never had it.
	Static bool
}

// Status are snapshots of the pools, in the order of the configuration; behind them is RADIUS while it has leases.
func (l *Leases) Status() []Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []Status
	for _, p := range l.shown() {
		s := Status{Name: p.name, First: p.rng.First, Size: p.size(), Online: p.online, Offline: p.idle.Len()}
		for _, found := range p.byAddr {
			s.Leases = append(s.Leases, LeaseStatus{Addr: found.addr, Peer: found.peer, Online: found.users > 0, Static: p.static[found.addr] == found.peer})
		}
		for a, peer := range p.static {
			if p.byAddr[a] == nil {
				s.Leases = append(s.Leases, LeaseStatus{Addr: a, Peer: peer, Static: true})
			}
		}
		slices.SortFunc(s.Leases, func(a, b LeaseStatus) int { return a.Addr.Compare(b.Addr) })
		all = append(all, s)
	}
	return all
}
