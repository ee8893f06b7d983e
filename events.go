package goswan

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goswan/goswan/ike/core"
)

// eventBuffer is how many events may wait for one reader of Events.
const eventBuffer = 1024

// Event is one thing that happened: what a machine told (core.Established, core.ChildUp, core.Failed, core.Message,
// core.Log …) about the IKE SA lineage with this number.
type Event struct {
	Time    time.Time
	Lineage uint64
	What    core.Output
}

// subscribers get every event, in the order in which each lineage told it.
type subscribers struct {
	mu   sync.Mutex // guards what follows
	next int
	all  map[int]func(Event)
}

// Subscribe calls f for each event until cancel is called. f runs on the goroutine that negotiates: it must not block
// and must not call the endpoint's methods that wait.
func (e *Endpoint) Subscribe(f func(Event)) (cancel func()) {
	s := &e.subscribers
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[int]func(Event){}
	}
	s.next++
	id := s.next
	s.all[id] = f
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, id)
	}
}

func (s *subscribers) tell(ev Event) {
	s.mu.Lock()
	all := make([]func(Event), 0, len(s.all))
	for _, f := range s.all {
		all = append(all, f)
	}
	s.mu.Unlock()
	for _, f := range all {
		f(ev)
	}
}

// Events is a channel of what happens from now on, closed when ctx is done. A reader that does not keep up loses events;
// the function tells how many.
func (e *Endpoint) Events(ctx context.Context) (<-chan Event, func() (lost uint64)) {
	ch := make(chan Event, eventBuffer)
	var lost atomic.Uint64
	var mu sync.Mutex // guards ch against a send after its close
	open := true
	cancel := e.Subscribe(func(ev Event) {
		mu.Lock()
		defer mu.Unlock()
		if !open {
			return
		}
		select {
		case ch <- ev:
		default:
			lost.Add(1)
		}
	})
	context.AfterFunc(ctx, func() {
		cancel()
		mu.Lock()
		defer mu.Unlock()
		open = false
		close(ch)
	})
	return ch, lost.Load
}
