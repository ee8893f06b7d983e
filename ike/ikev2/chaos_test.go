package ikev2_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/sim"
)

// TestChaos has both ends do whatever they can at any time over a bad network, and waits for calm: then both agree on every
// Child SA, every operation is done once, and no machine broke its contract.
func TestChaos(t *testing.T) {
	seeds(t, 150, func(t *testing.T, seed uint64) {
		loss := float64(seed%3) * 0.1
		tc := seeded(t, seed, sim.Faults{Loss: loss, Duplicate: 0.1, Min: time.Millisecond, Max: 80 * time.Millisecond}, func(l, r *core.Catalog) {
			for _, c := range []*core.Catalog{l, r} {
				c.Connections[0].Children[0].Proposals = esp("aes256gcm16-x25519-ecp256")
				c.Connections[0].Children[0].RekeyTime, c.Connections[0].Children[0].LifeTime = 15*time.Second, 4*time.Minute
			}
			l.Connections[0].DPDDelay, r.Connections[0].DPDDelay = 20*time.Second, time.Minute
		})
		tc.patient()
		r := rand.New(rand.NewPCG(seed, 99))
		ops := map[*sim.Node][]uint64{}
		ops[tc.left] = append(ops[tc.left], tc.left.Initiate("site", "net", rightAddr))
		for range 60 {
			n := []*sim.Node{tc.left, tc.right}[r.IntN(2)]
			if op := tc.anything(r, n); op != 0 {
				ops[n] = append(ops[n], op)
			}
			tc.w.Run(time.Duration(r.IntN(4)*r.IntN(100)) * time.Millisecond)
			if r.IntN(8) == 0 {
				tc.w.Run(20 * time.Second)
			}
		}
		tc.calm()
		for n, list := range ops {
			for _, op := range list {
				_, done := n.Done[op]
				tc.want(n.Name+": every operation is done", done)
			}
		}
		tc.agree()
		tc.end()
	})
}

// calm lets everything come to an end that was begun: rekeyings, what the network lost, and IKE SAs that only one side has.
func (tc *test) calm() {
	both := []*core.Connection{tc.left.Catalog.Connections[0], tc.right.Catalog.Connections[0]}
	for _, c := range both {
		c.Children[0].RekeyTime, c.Children[0].LifeTime = 0, 0
	}
	tc.w.Run(30 * time.Minute)
	for _, c := range both {
		c.DPDDelay = 0
	}
	tc.w.Run(10 * time.Minute)
}

// anything gives a node one command at random, and returns its operation.
func (tc *test) anything(r *rand.Rand, n *sim.Node) uint64 {
	peer := map[*sim.Node]*sim.Node{tc.left: tc.right, tc.right: tc.left}[n]
	child := []string{"net", "web"}[r.IntN(2)]
	l := n.Lineage("site")
	if l == nil {
		if n == tc.left && r.IntN(2) == 0 {
			return n.Initiate("site", child, peer.Addr)
		}
		return 0
	}
	return n.Command(l, func(op uint64) core.Command {
		switch r.IntN(12) {
		case 0, 1:
			return core.Initiate{Op: op, Child: n.Catalog.Connections[0].Children[r.IntN(2)]}
		case 2, 3, 4:
			return core.Rekey{Op: op, Child: child}
		case 5, 6:
			return core.Rekey{Op: op, IKE: true}
		case 7:
			return core.Delete{Op: op, Child: child}
		case 8:
			if r.IntN(6) == 0 {
				return core.Delete{Op: op, IKE: true}
			}
			return core.Liveness{Op: op}
		case 9:
			if c := n.Children(); len(c) > 0 {
				return core.Delete{Op: op, ChildID: c[r.IntN(len(c))].UniqueID}
			}
		case 10:
			if c := n.Children(); len(c) > 0 {
				return core.Rekey{Op: op, ChildID: c[r.IntN(len(c))].UniqueID}
			}
		}
		return core.Liveness{Op: op}
	})
}

// agree tells that each Child SA of one side is one of the other, and that nothing else is installed.
func (tc *test) agree() {
	tc.Helper()
	tc.same(len(tc.left.Children()))
	for _, n := range []*sim.Node{tc.left, tc.right} {
		c := len(n.Children())
		tc.want(n.Name+" has installed what its Child SAs are and no more", len(n.Path.In) == c && len(n.Path.Out) == c && n.Path.Reserved() == 0)
		tc.want(n.Name+" has at most one IKE SA", len(n.IKESAs()) <= 1)
		for _, s := range n.IKESAs() {
			tc.want(n.Name+" has nothing under way", len(s.Tasks) == 0 && s.State == core.IKEEstablished)
			tc.want(n.Name+" shows no Child SA in between states", !slices.ContainsFunc(s.Children, func(c core.ChildStatus) bool { return c.State != core.ChildInstalled }))
		}
	}
}
