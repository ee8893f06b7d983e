package engine

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/tun/packet"
)

// Event is something that the key management has to know.
type Event interface{ event() }

// Acquire tells that a packet met a trap policy: an SA is wanted. It is not repeated for a policy within Config.AcquireInterval.
type Acquire struct {
	Policy *spd.Policy
	Flow   packet.Flow
}

// Expire tells that an SA passed a lifetime by volume, once for each SA and lifetime. After a hard one it carries nothing more.
type Expire struct {
	ID   esp.ID
	Hard bool
}

// PeerMoved tells that the newest authentic packet of an inbound SA came from another address or port than its Remote. It is not
// repeated for the same address within a second. Nothing was changed: that is for Move.
type PeerMoved struct {
	ID            esp.ID
	Local, Remote netip.AddrPort
}

// RoomChanged tells how long an inner packet may be that fits the path of every outbound SA in one ESP packet. SAs whose paths nobody
// knows do not count, nor those which send in fragments what does not fit; Octets is 0 when there are no others.
type RoomChanged struct{ Octets int }

// pathDue tells that what an SA's path takes has to be asked anew. It stays within the engine.
type pathDue struct{ id esp.ID }

// pathChanged tells that the path to an address takes something else. It stays within the engine.
type pathChanged struct{ remote netip.Addr }

func (Acquire) event()     {}
func (Expire) event()      {}
func (PeerMoved) event()   {}
func (RoomChanged) event() {}
func (pathDue) event()     {}
func (pathChanged) event() {}

// maxEvents is how many events wait for a callee that does not come back; more are lost.
const maxEvents = 1 << 16

// queue hands events from the loops to a goroutine that may take its time.
type queue struct {
	wake chan struct{} // holds a token while list is not empty

	mu   sync.Mutex // protects list
	list []Event
}

func (q *queue) put(e Event) {
	q.mu.Lock()
	if len(q.list) < maxEvents {
		q.list = append(q.list, e)
	}
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) take() []Event {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := q.list
	q.list = nil
	return list
}

// deliver calls to for each event until done.
func (q *queue) deliver(done <-chan struct{}, to func(Event)) {
	for {
		select {
		case <-done:
			return
		case <-q.wake:
		}
		for _, e := range q.take() {
			to(e)
		}
	}
}

// trap is the State of a trap policy.
type trap struct {
	last atomic.Int64 // when Acquire was raised, in nanoseconds; 0 never
}

// due says that an Acquire may be raised now, and notes it; for one caller only.
func (t *trap) due(now time.Time, interval time.Duration) bool {
	last := t.last.Load()
	if last != 0 && now.UnixNano()-last < int64(interval) {
		return false
	}
	return t.last.CompareAndSwap(last, now.UnixNano())
}

// event takes what the engine has to do itself, away from the packets, and passes on the rest.
func (e *Engine) event(x Event) {
	switch x := x.(type) {
	case pathDue:
		if o := e.out.Find(x.id); o != nil {
			e.measure(o)
		}
	case pathChanged:
		e.measureAll(x.remote)
	default:
		if e.config.Events != nil {
			e.config.Events(x)
		}
	}
}

// signal raises the events of an SA.
func (e *Engine) signal(s esp.Signal, id esp.ID, local, remote netip.AddrPort) {
	if s&esp.PeerMoved != 0 {
		e.events.put(PeerMoved{ID: id, Local: local, Remote: remote})
	}
	if s&esp.PathDue != 0 {
		e.events.put(pathDue{id})
	}
	if s&esp.SoftExpire != 0 {
		e.events.put(Expire{ID: id})
	}
	if s&esp.HardExpire != 0 {
		e.events.put(Expire{ID: id, Hard: true})
	}
}
