package pool

import (
	"net/netip"
	"sync"
	"time"

	"github.com/goswan/goswan/ike/auth"
)

// Record is a lease as it is stored. A pool has one for an address.
type Record struct {
	Pool string
	Addr netip.Addr
	Peer auth.Identity
	Seen time.Time // when it was last used
}

// Store keeps leases when the process ends. Its methods are called one at a time.
type Store interface {
	// Load returns all records.
	Load() ([]Record, error)
	// Save stores records, each in place of the one of its pool and address; all or, with an error, none.
	Save([]Record) error
	Close() error
}

// writer writes to a store on its own goroutine, as many records at once as have come since the last time.
type writer struct {
	store  Store
	failed func(error)
	wake   chan struct{} // capacity 1: there are changes
	done   chan struct{}
	once   sync.Once
	err    error

	mu      sync.Mutex // guards what follows
	changes map[place]Record
	ended   bool
}

// place is where a record is stored.
type place struct {
	pool string
	addr netip.Addr
}

func newWriter(s Store, failed func(error)) *writer {
	w := &writer{store: s, failed: failed, wake: make(chan struct{}, 1), done: make(chan struct{}), changes: map[place]Record{}}
	go w.run()
	return w
}

func (w *writer) put(r Record) {
	w.mu.Lock()
	if !w.ended {
		w.changes[place{r.Pool, r.Addr}] = r
	}
	w.mu.Unlock()
	w.signal()
}

func (w *writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *writer) run() {
	defer close(w.done)
	for range w.wake {
		all, ended := w.take()
		if len(all) > 0 {
			if err := w.store.Save(all); err != nil {
				w.failed(err)
			}
		}
		if ended {
			return
		}
	}
}

// take takes all changes.
func (w *writer) take() (all []Record, ended bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.changes {
		all = append(all, r)
	}
	clear(w.changes)
	return all, w.ended
}

// close writes what is left and closes the store; it may be called more than once.
func (w *writer) close() error {
	w.once.Do(func() {
		w.mu.Lock()
		w.ended = true
		w.mu.Unlock()
		w.signal()
		<-w.done
		w.err = w.store.Close()
	})
	return w.err
}
