package sad

import (
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
	bundles map[uint32][]*Bundle
	bySPI   map[esp.SPI][]*esp.Outbound
	sas     int
}

// NewOutbound makes an empty one that enters its policies into policies.
func NewOutbound(policies *spd.Database) *Outbound {
	return &Outbound{policies: policies, bundles: map[uint32][]*Bundle{}, bySPI: map[esp.SPI][]*esp.Outbound{}}
}

// Add puts an SA in use for the packets of its selectors, in place of the one before.
func (d *Outbound) Add(o *esp.Outbound) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := o.Params()
	if d.find(p.ID()) != nil {
		return ErrExists
	}
	d.bySPI[p.SPI] = append(d.bySPI[p.SPI], o)
	d.sas++
	for _, b := range d.bundles[p.Reqid] {
		if samePolicy(b.Policy, p) {
			b.sas = append(b.sas, o)
			b.update()
			return nil
		}
	}
	b := &Bundle{sas: []*esp.Outbound{o}}
	b.Policy = &spd.Policy{
		Name: p.Name, Conn: p.Conn, Action: spd.Protect, LocalTS: p.LocalTS, RemoteTS: p.RemoteTS,
		Priority: p.Priority, Reqid: p.Reqid, State: b,
	}
	b.update()
	d.bundles[p.Reqid] = append(d.bundles[p.Reqid], b)
	d.policies.Change(nil, []*spd.Policy{b.Policy})
	return nil
}

func samePolicy(a *spd.Policy, p *esp.Params) bool {
	return a.Priority == p.Priority && slices.Equal(a.LocalTS, p.LocalTS) && slices.Equal(a.RemoteTS, p.RemoteTS)
}

// find is the SA of a name; Reqid 0 is any, if there is only one of the SPI. d.mu is held.
func (d *Outbound) find(id esp.ID) *esp.Outbound {
	list := d.bySPI[id.SPI]
	if id.Reqid == 0 && len(list) == 1 {
		return list[0]
	}
	for _, o := range list {
		if o.Params().Reqid == id.Reqid {
			return o
		}
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
	is := func(x *esp.Outbound) bool { return x == o }
	if d.bySPI[id.SPI] = slices.DeleteFunc(d.bySPI[id.SPI], is); len(d.bySPI[id.SPI]) == 0 {
		delete(d.bySPI, id.SPI)
	}
	d.sas--
	reqid := o.Params().Reqid
	for _, b := range d.bundles[reqid] {
		if b.sas = slices.DeleteFunc(b.sas, is); len(b.sas) == 0 {
			// The policy goes before the SA, so that a packet falls to a trap or another policy rather than to nothing.
			d.policies.Change([]*spd.Policy{b.Policy}, nil)
		}
		b.update()
	}
	d.bundles[reqid] = slices.DeleteFunc(d.bundles[reqid], func(b *Bundle) bool { return len(b.sas) == 0 })
	if len(d.bundles[reqid]) == 0 {
		delete(d.bundles, reqid)
	}
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
