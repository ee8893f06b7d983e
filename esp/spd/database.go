package spd

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gaissmai/bart"

	"github.com/goswan/goswan/tun/packet"
)

// Database holds policies. Readers take immutable snapshots without locking; a change makes a new one, which shares with
// the old what did not change. The zero value is not usable: see NewDatabase.
type Database struct {
	current atomic.Pointer[Snapshot]

	mu     sync.Mutex // serializes changes; protects serial
	serial uint64     // numbers the policies in the order of insertion
}

// Snapshot is the policies at one time. It is immutable.
type Snapshot struct {
	generation uint64
	table      *bart.Table[*bucket]
}

// bucket is the policies that have a remote selector under one prefix, by their least order, the newer first.
type bucket struct{ entries []entry }

type entry struct {
	policy *Policy
	remote TrafficSelector
	order  uint32
	serial uint64
}

// NewDatabase makes an empty one.
func NewDatabase() *Database {
	d := new(Database)
	d.current.Store(&Snapshot{generation: 1, table: new(bart.Table[*bucket])})
	return d
}

// Load is the current snapshot.
func (d *Database) Load() *Snapshot { return d.current.Load() }

// Change takes policies out and puts others in, in one step that readers see whole. Policies are the same when their pointers are.
// Selectors that are not valid match nothing.
func (d *Database) Change(remove, insert []*Policy) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.current.Load()
	next := &Snapshot{generation: old.generation + 1, table: old.table}
	for _, p := range remove {
		for i := range p.RemoteTS {
			next.remove(p, &p.RemoteTS[i])
		}
	}
	for _, p := range insert {
		d.serial++
		for i := range p.RemoteTS {
			next.insert(p, &p.RemoteTS[i], d.serial)
		}
	}
	d.current.Store(next)
}

// index is the prefix under which a selector is filed: the longest that holds all its addresses.
func (ts *TrafficSelector) index() netip.Prefix {
	return netip.PrefixFrom(ts.Start, ts.prefixBits()).Masked()
}

func (s *Snapshot) insert(p *Policy, remote *TrafficSelector, serial uint64) {
	if !remote.Valid() {
		return
	}
	e := entry{policy: p, remote: *remote, order: p.order(remote), serial: serial}
	s.table = s.table.ModifyPersist(remote.index(), func(b *bucket, ok bool) (*bucket, bool) {
		if !ok {
			return &bucket{entries: []entry{e}}, false
		}
		i, _ := slices.BinarySearchFunc(b.entries, e, compare)
		entries := make([]entry, 0, len(b.entries)+1)
		entries = append(entries, b.entries[:i]...)
		entries = append(entries, e)
		return &bucket{entries: append(entries, b.entries[i:]...)}, false
	})
}

// compare orders entries: smaller order first, then the newer.
func compare(a, b entry) int {
	switch {
	case a.order < b.order, a.order == b.order && a.serial > b.serial:
		return -1
	case a.order == b.order && a.serial == b.serial:
		return 0
	}
	return 1
}

func (s *Snapshot) remove(p *Policy, remote *TrafficSelector) {
	if !remote.Valid() {
		return
	}
	index := remote.index()
	if _, ok := s.table.Get(index); !ok {
		return
	}
	s.table = s.table.ModifyPersist(index, func(b *bucket, ok bool) (*bucket, bool) {
		if !ok {
			return nil, true
		}
		entries := make([]entry, 0, len(b.entries))
		for i := range b.entries {
			if b.entries[i].policy != p {
				entries = append(entries, b.entries[i])
			}
		}
		return &bucket{entries: entries}, len(entries) == 0
	})
}

// Match finds the policy of a packet: the one of the smallest Order, and of two equal ones the newer. It returns nil when
// none matches, and allocates nothing.
func (s *Snapshot) Match(f *packet.Flow) *Policy {
	if !f.Dst.IsValid() {
		return nil
	}
	var best candidate
	// From the longest prefix that holds the destination to the shortest.
	for at := netip.PrefixFrom(f.Dst, f.Dst.BitLen()); ; {
		prefix, b, ok := s.table.LookupPrefixLPM(at)
		if !ok {
			return best.policy
		}
		best.search(b, f)
		if prefix.Bits() == 0 {
			return best.policy
		}
		at = netip.PrefixFrom(f.Dst, prefix.Bits()-1)
	}
}

// candidate is the best match so far.
type candidate struct {
	policy *Policy
	order  uint32
	serial uint64
}

func (c *candidate) search(b *bucket, f *packet.Flow) {
	for i := range b.entries {
		e := &b.entries[i]
		if c.policy != nil && e.order > c.order {
			return
		}
		if !e.remote.MatchDst(f) {
			continue
		}
		order, ok := e.policy.match(f, &e.remote)
		if ok && (c.policy == nil || order < c.order || order == c.order && e.serial > c.serial) {
			*c = candidate{policy: e.policy, order: order, serial: e.serial}
		}
	}
}

// All is every policy once, in no order.
func (s *Snapshot) All() []*Policy {
	seen := map[*Policy]bool{}
	var list []*Policy
	for _, b := range s.table.All() {
		for i := range b.entries {
			if p := b.entries[i].policy; !seen[p] {
				seen[p] = true
				list = append(list, p)
			}
		}
	}
	return list
}
