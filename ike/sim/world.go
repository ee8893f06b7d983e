// Package sim is a network and a clock in memory for IKE machines: seeded latency, loss, duplication, reordering and NAT.
//
// A World has Nodes. A Node drives machines as the daemon's endpoint does, and keeps a model of the data path: which SAs
// are installed, with which keys, and whether packets sent on one end find their SA at the other. Everything happens in one
// goroutine, in an order that the seed alone decides: two Worlds of one seed and one script give the same outputs.
//
// Whatever breaks the contract of core.Machine is collected in World.Violations.
package sim

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/goswan/goswan/ike/core"
)

// Faults are what the network does to datagrams. Probabilities are 0 to 1.
type Faults struct {
	Loss, Duplicate float64
	// Latency of a datagram is between Min and Max; when they differ, datagrams overtake each other.
	Min, Max time.Duration
	// Drop loses the datagrams that it is true for, besides Loss; nil none.
	Drop func(core.Datagram) bool
	// Alter changes datagrams on their way; nil none.
	Alter func(core.Datagram) []byte
}

// epoch is when every World begins.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// World is a network with its nodes and one clock.
type World struct {
	Faults Faults
	// Violations are breaches of the machines' contract, each one sentence.
	Violations []string
	// Sent and Lost count datagrams of IKE; PacketsLost counts packets of the data path that found no SA.
	Sent, Lost, Packets, PacketsLost int

	seed   uint64
	rng    *rand.Rand
	now    time.Time
	events queue
	serial uint64
	nodes  []*Node
}

// New makes a World whose chances come from the seed.
func New(seed uint64, f Faults) *World {
	if f.Max < f.Min {
		f.Max = f.Min
	}
	return &World{Faults: f, seed: seed, rng: rand.New(rand.NewPCG(seed, 0x676f7377616e)), now: epoch}
}

// Now is the World's time.
func (w *World) Now() time.Time { return w.now }

func (w *World) violated(format string, args ...any) {
	w.Violations = append(w.Violations, fmt.Sprintf(format, args...))
}

// After runs f after a while.
func (w *World) After(d time.Duration, f func()) {
	w.serial++
	heap.Push(&w.events, event{at: w.now.Add(d), serial: w.serial, run: f})
}

// latency draws the way of one datagram.
func (w *World) latency() time.Duration {
	d := w.Faults.Min
	if spread := w.Faults.Max - w.Faults.Min; spread > 0 {
		d += time.Duration(w.rng.Int64N(int64(spread)))
	}
	return d
}

func (w *World) chance(p float64) bool { return p > 0 && w.rng.Float64() < p }

// carry brings an IKE datagram of a node to where it is addressed.
func (w *World) carry(from *Node, d core.Datagram) {
	w.Sent++
	src, dst := from.translateOut(d.Local), d.Remote
	arrived := core.Datagram{Local: dst, Remote: src, Data: d.Data}
	if w.chance(w.Faults.Loss) || (w.Faults.Drop != nil && w.Faults.Drop(core.Datagram{Local: src, Remote: dst, Data: d.Data})) {
		w.Lost++
		return
	}
	if w.Faults.Alter != nil {
		arrived.Data = w.Faults.Alter(core.Datagram{Local: src, Remote: dst, Data: d.Data})
	}
	copies := 1
	if w.chance(w.Faults.Duplicate) {
		copies = 2
	}
	for range copies {
		w.After(w.latency(), func() { w.arrive(arrived) })
	}
}

func (w *World) arrive(d core.Datagram) {
	for _, n := range w.nodes {
		if local, mine := n.translateIn(d.Local); mine {
			n.receive(core.Datagram{Local: local, Remote: d.Remote, Data: append([]byte{}, d.Data...)})
			return
		}
	}
}

// Step lets the next thing happen; false when nothing is due any more.
func (w *World) Step() bool {
	node, deadline := w.nextDeadline()
	if len(w.events) > 0 && (node == nil || !w.events[0].at.After(deadline)) {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.run()
		return true
	}
	if node == nil {
		return false
	}
	if deadline.After(w.now) {
		w.now = deadline
	}
	node.advance()
	return true
}

func (w *World) nextDeadline() (*Node, time.Time) {
	var first *Node
	var at time.Time
	for _, n := range w.nodes {
		if d := n.deadline(); !d.IsZero() && (first == nil || d.Before(at)) {
			first, at = n, d
		}
	}
	return first, at
}

// maxSteps bounds a run: a World that needs more is going round in circles.
const maxSteps = 200_000

// Run lets time pass for d.
func (w *World) Run(d time.Duration) { w.Until(d, func() bool { return false }) }

// Until lets time pass until done, at most for d; it tells whether done was reached.
func (w *World) Until(d time.Duration, done func() bool) bool {
	end := w.now.Add(d)
	stop := false
	w.After(d, func() { stop = true })
	for range maxSteps {
		if done() {
			return true
		}
		if stop || !w.Step() {
			w.now = end
			return done()
		}
	}
	w.violated("the machines were busy for %d steps at %s", maxSteps, w.now.Sub(epoch))
	return done()
}

// Node adds a node with one address. Its outer ports are 500 and 4500.
func (w *World) Node(name string, addr netip.Addr, catalog *core.Catalog) *Node {
	n := newNode(w, name, addr, catalog)
	w.nodes = append(w.nodes, n)
	return n
}

// event is something that happens at a time; of equal times the one that was planned first.
type event struct {
	at     time.Time
	serial uint64
	run    func()
}

type queue []event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].serial < q[j].serial
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	*q = (*q)[:last]
	return e
}
