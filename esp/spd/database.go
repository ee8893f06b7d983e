package spd

import (
	"sync"
	"sync/atomic"

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
	root       *node
}

// NewDatabase makes an empty one.
func NewDatabase() *Database {
	d := new(Database)
	d.current.Store(&Snapshot{generation: 1, root: newNode(remoteAddr)})
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
	next := &Snapshot{generation: old.generation + 1, root: old.root}
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

func (s *Snapshot) insert(p *Policy, remote *TrafficSelector, serial uint64) {
	if remote.Valid() {
		s.root = s.root.with(newEntry(p, remote, serial), remoteAddr)
	}
}

func (s *Snapshot) remove(p *Policy, remote *TrafficSelector) {
	if !remote.Valid() {
		return
	}
	e := newEntry(p, remote, 0)
	if s.root = s.root.without(&e); s.root == nil {
		s.root = newNode(remoteAddr)
	}
}

// Match finds the policy of a packet: the one of the smallest Order, and of two equal ones the newer. It returns nil when
// none matches, and allocates nothing.
func (s *Snapshot) Match(f *packet.Flow) *Policy {
	if !f.Dst.IsValid() {
		return nil
	}
	var best candidate
	s.root.search(f, &best)
	return best.policy
}

// All is every policy once, in no order.
func (s *Snapshot) All() []*Policy {
	seen := map[*Policy]bool{}
	var list []*Policy
	s.root.each(func(e *entry) {
		if !seen[e.policy] {
			seen[e.policy] = true
			list = append(list, e.policy)
		}
	})
	return list
}
