package sad

import (
	"cmp"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/spd"
)

// Bundle is the outbound SAs of one policy: those of one Reqid and equal selectors. The newest is in use; the others are there
// until they are removed, and are fallen back to.
type Bundle struct {
	// Policy is the protect policy of the bundle; its State is the bundle.
	Policy *spd.Policy

	current atomic.Pointer[esp.Outbound]
	sas     []*esp.Outbound // oldest first; protected by Outbound.mu
}

// Current is the SA to send on; nil when the last one was removed.
func (b *Bundle) Current() *esp.Outbound { return b.current.Load() }

func (b *Bundle) update() {
	if len(b.sas) == 0 {
		b.current.Store(nil)
		return
	}
	b.current.Store(b.sas[len(b.sas)-1])
}

// Outbound is the outbound SAs by name and by policy, and keeps a policy database up to date with them.
type Outbound struct {
	policies *spd.Database

	mu      sync.Mutex // protects what follows
	seed    maphash.Seed
	bundles map[uint64][]*Bundle        // by a hash of Reqid, priority and selectors
	bySPI   map[esp.SPI][]*esp.Outbound // by their Reqid
	sas     int
}

// NewOutbound makes an empty one that enters its policies into policies.
func NewOutbound(policies *spd.Database) *Outbound {
	return &Outbound{
		policies: policies, seed: maphash.MakeSeed(), bundles: map[uint64][]*Bundle{}, bySPI: map[esp.SPI][]*esp.Outbound{},
	}
}

// Add puts an SA in use for the packets of its selectors, in place of the one before.
func (d *Outbound) Add(o *esp.Outbound) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := o.Params()
	if d.find(p.ID()) != nil {
		return ErrExists
	}
	at, _ := d.search(p.ID())
	d.bySPI[p.SPI] = slices.Insert(d.bySPI[p.SPI], at, o)
	d.sas++
	hash := d.hash(p)
	if b := d.bundle(hash, p); b != nil {
		b.sas = append(b.sas, o)
		b.update()
		return nil
	}
	b := &Bundle{sas: []*esp.Outbound{o}}
	b.Policy = &spd.Policy{
		Name: p.Name, Conn: p.Conn, Action: spd.Protect, LocalTS: p.LocalTS, RemoteTS: p.RemoteTS,
		Priority: p.Priority, Reqid: p.Reqid, State: b,
	}
	b.update()
	d.bundles[hash] = append(d.bundles[hash], b)
	d.policies.Change(nil, []*spd.Policy{b.Policy})
	return nil
}

// hash is of what the SAs of one bundle have in common.
func (d *Outbound) hash(p *esp.Params) uint64 {
	var h maphash.Hash
	h.SetSeed(d.seed)
	maphash.WriteComparable(&h, [2]uint32{p.Reqid, p.Priority})
	for _, list := range [][]spd.TrafficSelector{p.LocalTS, p.RemoteTS} {
		for _, ts := range list {
			maphash.WriteComparable(&h, ts)
		}
	}
	return h.Sum64()
}

// bundle is that of an SA with this hash, nil when there is none; d.mu is held.
func (d *Outbound) bundle(hash uint64, p *esp.Params) *Bundle {
	for _, b := range d.bundles[hash] {
		if b.takes(p) {
			return b
		}
	}
	return nil
}

// drop takes an empty bundle out; d.mu is held.
func (d *Outbound) drop(hash uint64, b *Bundle) {
	d.bundles[hash] = slices.DeleteFunc(d.bundles[hash], func(x *Bundle) bool { return x == b })
	if len(d.bundles[hash]) == 0 {
		delete(d.bundles, hash)
	}
}

// takes says that an SA is one of the bundle's.
func (b *Bundle) takes(p *esp.Params) bool {
	q := b.Policy
	return q.Reqid == p.Reqid && q.Priority == p.Priority && slices.Equal(q.LocalTS, p.LocalTS) && slices.Equal(q.RemoteTS, p.RemoteTS)
}

// search is the place of a name among the SAs of its SPI; d.mu is held.
func (d *Outbound) search(id esp.ID) (at int, ok bool) {
	return slices.BinarySearchFunc(d.bySPI[id.SPI], id.Reqid, func(o *esp.Outbound, reqid uint32) int {
		return cmp.Compare(o.Params().Reqid, reqid)
	})
}

// find is the SA of a name; Reqid 0 is any, if there is only one of the SPI. d.mu is held.
func (d *Outbound) find(id esp.ID) *esp.Outbound {
	list := d.bySPI[id.SPI]
	if id.Reqid == 0 && len(list) == 1 {
		return list[0]
	}
	if at, ok := d.search(id); ok {
		return list[at]
	}
	return nil
}

// Find is the SA of a name, nil when there is none. A Reqid of 0 stands for any, if only one SA has the SPI.
func (d *Outbound) Find(id esp.ID) *esp.Outbound {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.find(id)
}

// Remove takes an SA out and returns it; nil when there is none. The one before it is in use again, or the policy is gone
// with its last SA.
func (d *Outbound) Remove(id esp.ID) *esp.Outbound {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.find(id)
	if o == nil {
		return nil
	}
	p := o.Params()
	is := func(x *esp.Outbound) bool { return x == o }
	if d.bySPI[p.SPI] = slices.DeleteFunc(d.bySPI[p.SPI], is); len(d.bySPI[p.SPI]) == 0 {
		delete(d.bySPI, p.SPI)
	}
	d.sas--
	hash := d.hash(p)
	b := d.bundle(hash, p)
	if b.sas = slices.DeleteFunc(b.sas, is); len(b.sas) == 0 {
		// The policy goes before the SA, so that a packet falls to a trap or another policy rather than to nothing.
		d.policies.Change([]*spd.Policy{b.Policy}, nil)
		d.drop(hash, b)
	}
	b.update()
	return o
}

// Len is the number of SAs.
func (d *Outbound) Len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sas
}

// All is the SAs at one time.
func (d *Outbound) All() []*esp.Outbound {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]*esp.Outbound, 0, d.sas)
	for _, of := range d.bySPI {
		list = append(list, of...)
	}
	return list
}
