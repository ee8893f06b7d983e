package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/spd"
)

// NewSPI reserves an inbound SPI. What is not installed is given back with ReleaseSPI.
func (e *Engine) NewSPI() (esp.SPI, error) { return e.in.Reserve() }

// ReleaseSPI gives back a reserved SPI. An SPI with an SA is left alone.
func (e *Engine) ReleaseSPI(spi esp.SPI) { e.in.Release(spi) }

// Install puts an SA in use. An inbound SPI comes from NewSPI. An outbound SA takes over from the one before of the same
// Reqid and selectors, which stays until it is removed.
func (e *Engine) Install(p esp.Params) error {
	switch p.Direction {
	case esp.In:
		return e.installIn(p)
	case esp.Out:
		return e.installOut(p)
	}
	return fmt.Errorf("engine: SPI %08x has the direction %d", uint32(p.SPI), p.Direction)
}

func (e *Engine) installIn(p esp.Params) error {
	in, err := esp.NewInbound(p)
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		in.Wipe()
		return ErrClosed
	}
	if err := e.in.Add(in); err != nil {
		in.Wipe()
		return fmt.Errorf("engine: inbound SPI %08x: %w", uint32(p.SPI), err)
	}
	e.byReqid[p.Reqid] = append(e.byReqid[p.Reqid], in)
	return nil
}

func (e *Engine) installOut(p esp.Params) error {
	o, err := esp.NewOutbound(p)
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	e.ask(o)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		o.Wipe()
		return ErrClosed
	}
	if err := e.out.Add(o); err != nil {
		o.Wipe()
		return fmt.Errorf("engine: outbound SPI %08x: %w", uint32(p.SPI), err)
	}
	e.noteRoom(o)
	e.notePeer(o, false)
	return nil
}

// Remove takes an SA out of use, wipes its keys and returns what it had counted; ok is false when there is none. Packets that a
// loop is working on are finished first. For an outbound SA a Reqid of 0 is any, if only one SA has the SPI.
func (e *Engine) Remove(id esp.ID) (c esp.Counters, ok bool) {
	if id.Direction == esp.Out {
		o := e.out.Remove(id)
		if o == nil {
			return esp.Counters{}, false
		}
		e.noteRoom(o)
		e.notePeer(o, true)
		o.Wipe()
		return o.Counters(), true
	}
	e.mu.Lock()
	in := e.in.Remove(id.SPI)
	if in != nil {
		e.forget(in)
	}
	e.mu.Unlock()
	if in == nil {
		return esp.Counters{}, false
	}
	in.Wipe()
	return in.Counters(), true
}

// forget takes an inbound SA out of byReqid; e.mu is held.
func (e *Engine) forget(in *esp.Inbound) {
	reqid := in.Params().Reqid
	list := e.byReqid[reqid]
	if at := slices.Index(list, in); at >= 0 {
		last := len(list) - 1
		list[at], list[last] = list[last], nil // in no order
		e.byReqid[reqid] = list[:last]
	}
	if len(e.byReqid[reqid]) == 0 {
		delete(e.byReqid, reqid)
	}
}

// Move gives an SA other outer addresses (NAT rebinding, RFC 7296 §2.23; MOBIKE, RFC 4555). It reports whether there is such
// an SA.
func (e *Engine) Move(id esp.ID, local, remote netip.AddrPort) bool {
	if id.Direction == esp.Out {
		o := e.out.Find(id)
		if o == nil {
			return false
		}
		o.Move(local, remote)
		e.notePeer(o, false)
		e.measure(o)
		return true
	}
	in := e.in.Find(id.SPI)
	if in == nil {
		return false
	}
	in.Move(local, remote)
	return true
}

// SetPolicies replaces the bypass, drop and trap policies in one step. Protect policies come with the SAs and are refused here.
func (e *Engine) SetPolicies(list []spd.Policy) error {
	next := make([]*spd.Policy, 0, len(list))
	for _, p := range list {
		if p.Action == spd.Protect {
			return fmt.Errorf("engine: policy %q: a protect policy comes with its SA", p.Name)
		}
		for _, ts := range slices.Concat(p.LocalTS, p.RemoteTS) {
			if !ts.Valid() {
				return fmt.Errorf("engine: policy %q: the traffic selector %v is not valid", p.Name, ts)
			}
		}
		if p.Action == spd.Trap {
			p.State = new(trap)
		}
		next = append(next, &p)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.policies.Change(e.static, next)
	e.static = next
	return nil
}

// Policies is a snapshot of all policies, those of SAs included, in no order. They are not to be changed.
func (e *Engine) Policies() []*spd.Policy { return e.policies.Load().All() }

// Counters is what an SA has counted, a train ago at most; ok is false when there is none.
func (e *Engine) Counters(id esp.ID) (c esp.Counters, ok bool) {
	if id.Direction == esp.Out {
		if o := e.out.Find(id); o != nil {
			return o.Counters(), true
		}
		return esp.Counters{}, false
	}
	if in := e.in.Find(id.SPI); in != nil {
		return in.Counters(), true
	}
	return esp.Counters{}, false
}

// LastInbound is when an authentic packet last came in on an SA of this Reqid, for liveness checks; zero when none has.
func (e *Engine) LastInbound(reqid uint32) time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	var last time.Time
	for _, in := range e.byReqid[reqid] {
		if t := in.LastUse(); t.After(last) {
			last = t
		}
	}
	return last
}

// Drops is the count of all dropped packets by reason, those of SAs included.
func (e *Engine) Drops() map[string]uint64 { return e.audit.drops.Map() }

// Len is the number of inbound and outbound SAs.
func (e *Engine) Len() (in, out int) { return e.in.Len(), e.out.Len() }
