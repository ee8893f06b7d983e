package ikev2_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/sim"
)

// seeds is how many runs a property is tried with.
func seeds(t *testing.T, n uint64, f func(t *testing.T, seed uint64)) {
	t.Helper()
	if testing.Short() {
		n /= 4
	}
	for seed := range n {
		if !t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { f(t, seed) }) {
			return
		}
	}
}

// TestLossy begins over a network that loses, duplicates and reorders, and then ends: either both sides come up with the
// same keys or the initiator is told why not, and nothing is left at the end.
func TestLossy(t *testing.T) {
	seeds(t, 120, func(t *testing.T, seed uint64) {
		loss := float64(seed%4) * 0.15
		tc := seeded(t, seed, sim.Faults{Loss: loss, Duplicate: 0.2, Min: time.Millisecond, Max: 3 * time.Second})
		op := tc.left.Initiate("site", "net", rightAddr)
		tc.w.Run(10 * time.Minute)
		if reason := tc.done(tc.left, op); reason != nil {
			tc.want("a failure is a timeout: "+reason.Error(), reason.Kind == core.Timeout)
		} else {
			tc.same(1)
		}
		tc.end()
	})
}

// end deletes the IKE SAs and checks that nothing is left.
func (tc *test) end() {
	tc.Helper()
	tc.w.Faults = sim.Faults{Min: time.Millisecond, Max: time.Millisecond}
	for _, n := range []*sim.Node{tc.left, tc.right} {
		for _, l := range n.Lineages() {
			n.Command(l, func(op uint64) core.Command { return core.Delete{Op: op, IKE: true} })
		}
	}
	tc.w.Run(20 * time.Minute)
	for _, n := range []*sim.Node{tc.left, tc.right} {
		tc.want(n.Name+" has no lineage left", len(n.Lineages()) == 0)
		tc.want(n.Name+" has no SA left", len(n.Path.In) == 0 && len(n.Path.Out) == 0 && n.Path.Reserved() == 0)
	}
}

// TestSimultaneousRekeys lets both ends rekey the Child SA and the IKE SA within moments of each other, again and again.
// RFC 7296 §2.8.1, §2.8.2, §2.25
func TestSimultaneousRekeys(t *testing.T) {
	for _, loss := range []float64{0, 0.2} {
		t.Run(fmt.Sprintf("loss %v", loss), func(t *testing.T) {
			seeds(t, 150, func(t *testing.T, seed uint64) {
				tc := seeded(t, seed, sim.Faults{Loss: loss, Duplicate: 0.1, Min: time.Millisecond, Max: 60 * time.Millisecond})
				tc.patient()
				op := tc.left.Initiate("site", "net", rightAddr)
				tc.w.Until(20*time.Minute, func() bool { return len(tc.left.Children()) == 1 && len(tc.right.Children()) == 1 })
				tc.want("it comes up", tc.done(tc.left, op) == nil)
				tc.rekeyAll(seed)
				tc.same(1)
				tc.want("one IKE SA is left at each end", len(tc.left.IKESAs()) == 1 && len(tc.right.IKESAs()) == 1)
				tc.want("no more SAs are installed than the Child SA has", len(tc.left.Path.In) == 1 && len(tc.left.Path.Out) == 1 && len(tc.right.Path.In) == 1 && len(tc.right.Path.Out) == 1)
				tc.want("not one packet found no SA", tc.w.PacketsLost == 0)
				tc.want("no Child SA ever went down", len(sim.Told[core.ChildDown](tc.left)) == 0 && len(sim.Told[core.ChildDown](tc.right)) == 0)
				tc.end()
			})
		})
	}
}

// patient makes both ends go on until a loss of any likely size is overcome.
func (tc *test) patient() {
	tc.left.Env.Settings.RetransmitTries, tc.right.Env.Settings.RetransmitTries = 30, 30
	tc.left.Env.Settings.HalfOpenTimeout, tc.right.Env.Settings.HalfOpenTimeout = 10*time.Minute, 10*time.Minute
	tc.left.Env.Settings.RetransmitLimit, tc.right.Env.Settings.RetransmitLimit = 10*time.Second, 10*time.Second
}

// rekeyAll has both ends rekey what they like at random moments while packets flow, and waits for calm.
func (tc *test) rekeyAll(seed uint64) {
	draw := seed*2654435761 + 12345
	next := func(n uint64) uint64 { draw = draw*6364136223846793005 + 1442695040888963407; return (draw >> 33) % n }
	for range 12 {
		for _, n := range []*sim.Node{tc.left, tc.right} {
			tc.w.After(time.Duration(next(80))*time.Millisecond, func() {
				if l := n.Lineage("site"); l != nil {
					n.Command(l, func(op uint64) core.Command { return core.Rekey{Op: op, IKE: next(3) == 0, Child: "net"} })
				}
			})
		}
		for range 20 {
			tc.left.Send()
			tc.right.Send()
			tc.w.Run(10 * time.Millisecond)
		}
		if next(2) == 0 {
			tc.w.Run(30 * time.Second)
		}
	}
	tc.w.Run(20 * time.Minute)
	tc.left.Send()
	tc.right.Send()
	tc.w.Run(time.Second)
}

// TestDeterministic runs one script twice.
func TestDeterministic(t *testing.T) {
	run := func() (*sim.Node, *sim.Node) {
		tc := seeded(t, 7, sim.Faults{Loss: 0.2, Duplicate: 0.2, Min: time.Millisecond, Max: time.Second})
		tc.left.Initiate("site", "net", rightAddr)
		tc.w.Run(10 * time.Minute)
		tc.rekeyAll(7)
		tc.end()
		return tc.left, tc.right
	}
	l1, r1 := run()
	l2, r2 := run()
	same := func(a, b *sim.Node) bool {
		return strings.Join(a.Logs, "\n") == strings.Join(b.Logs, "\n") && reflect.DeepEqual(kinds(a), kinds(b))
	}
	if !same(l1, l2) || !same(r1, r2) {
		t.Error("two runs of one seed differ")
	}
}

func kinds(n *sim.Node) []string {
	var list []string
	for _, o := range n.Outputs {
		list = append(list, fmt.Sprintf("%T", o))
		if m, ok := o.(core.Message); ok {
			list = append(list, m.At.String(), m.Payloads)
		}
	}
	return list
}

// BenchmarkHandshake is both sides of IKE_SA_INIT and IKE_AUTH with a Child SA, and its end.
func BenchmarkHandshake(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		w := sim.New(1, sim.Faults{Min: time.Millisecond})
		left := w.Node("left", leftAddr, catalog("left.example", "right.example", "10.1.0.0/24", "10.2.0.0/24"))
		right := w.Node("right", rightAddr, catalog("right.example", "left.example", "10.2.0.0/24", "10.1.0.0/24"))
		op := left.Initiate("site", "net", right.Addr)
		w.Run(time.Second)
		if reason, done := left.Done[op]; !done || reason != nil {
			b.Fatal("it does not come up")
		}
		left.Command(left.Lineages()[0], func(op uint64) core.Command { return core.Delete{Op: op, IKE: true} })
		w.Run(time.Minute)
	}
}
