package ikev2_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/ikev2/wire"
	"github.com/goswan/goswan/ike/sim"
)

// narrow is a fragment_size that no IKE_AUTH of these tests fits.
const narrow = 180

// narrowed is a test whose messages from both sides have to be split; sizes are those of the datagrams that were sent.
func narrowed(t *testing.T, seed uint64, f sim.Faults, options ...pairOption) (tc *test, sizes *[]int) {
	t.Helper()
	sizes = new([]int)
	drop := f.Drop
	f.Drop = func(d core.Datagram) bool {
		*sizes = append(*sizes, len(d.Data))
		return drop != nil && drop(d)
	}
	tc = seeded(t, seed, f, options...)
	for _, n := range []*sim.Node{tc.left, tc.right} {
		n.Env.Settings.FragmentSize = narrow
	}
	return tc, sizes
}

// fragmented counts the datagrams that are fragments.
func fragmented(n *int) func(core.Datagram) bool {
	return func(d core.Datagram) bool {
		if wire.IsFragment(d.Data) {
			*n++
		}
		return false
	}
}

func TestLongMessagesGoInFragments(t *testing.T) {
	count := 0
	tc, sizes := narrowed(t, 1, sim.Faults{Min: time.Millisecond, Max: time.Millisecond, Drop: fragmented(&count)})
	tc.up()
	tc.want("IKE_AUTH goes in several fragments each way", count >= 4)
	before := count
	op := tc.rekeyIKE()
	tc.w.Run(20 * time.Second)
	tc.want("the IKE SA is rekeyed", tc.done(tc.left, op) == nil)
	tc.want("in fragments", count > before)
	before = count
	op = tc.rekeyIKE()
	tc.w.Run(20 * time.Second)
	tc.want("the one that took over splits its messages as the old one did", tc.done(tc.left, op) == nil && count > before)
	tc.same(1)
	for _, n := range (*sizes)[2:] { // IKE_SA_INIT is never split
		tc.want(fmt.Sprintf("no datagram is longer than fragment_size allows: %d octets", n), n <= narrow-20-8)
	}
	ladder := strings.Join(tc.left.Ladder(), "\n")
	tc.want("the ladder shows whole messages", strings.Contains(ladder, "▶ IKE_AUTH request 1 [ IDi N(INIT_CONTACT) IDr AUTH SA TSi TSr ]"))
	tc.want("and the log what became of them", slices.ContainsFunc(tc.right.Logs, func(l string) bool {
		return strings.Contains(l, "received fragment #1 of")
	}))
	tc.end()
}

// TestWhoSplits goes through the values of fragmentation on either side.
func TestWhoSplits(t *testing.T) {
	for _, test := range []struct {
		left, right   core.Fragmentation
		there, back   bool
		announcements int
	}{
		{core.FragmentYes, core.FragmentYes, true, true, 2},
		{core.FragmentForce, core.FragmentYes, true, true, 2},
		{core.FragmentAccept, core.FragmentYes, false, true, 2},
		{core.FragmentYes, core.FragmentAccept, true, false, 2},
		{core.FragmentNo, core.FragmentYes, false, false, 0},
		{core.FragmentYes, core.FragmentNo, false, false, 1},
	} {
		t.Run(fmt.Sprintf("%d-%d", test.left, test.right), func(t *testing.T) {
			var there, back bool
			tc, _ := narrowed(t, 1, sim.Faults{Min: time.Millisecond, Max: time.Millisecond, Drop: func(d core.Datagram) bool {
				if wire.IsFragment(d.Data) {
					there = there || d.Local.Addr() == leftAddr
					back = back || d.Local.Addr() == rightAddr
				}
				return false
			}}, func(l, r *core.Catalog) {
				l.Connections[0].Fragmentation, r.Connections[0].Fragmentation = test.left, test.right
			})
			tc.up()
			tc.want(fmt.Sprintf("the initiator splits: %v", test.there), there == test.there)
			tc.want(fmt.Sprintf("the responder splits: %v", test.back), back == test.back)
			tc.want(fmt.Sprintf("it is announced %d times", test.announcements), strings.Count(strings.Join(tc.left.Ladder(), "\n"), "N(FRAG_SUP)") == test.announcements)
			tc.end()
		})
	}
}

// TestFragmentsAreLost loses each datagram once, of those that there are.
func TestFragmentsAreLost(t *testing.T) {
	for lost := 2; lost < 8; lost++ {
		n := -1
		tc, _ := narrowed(t, 1, sim.Faults{Min: time.Millisecond, Max: time.Millisecond, Drop: func(core.Datagram) bool { n++; return n == lost }})
		op := tc.left.Initiate("site", "net", rightAddr)
		tc.w.Run(10 * time.Second)
		tc.want("it comes up", tc.done(tc.left, op) == nil)
		tc.same(1)
		tc.want("with one IKE SA", len(tc.right.Lineages()) == 1)
		tc.end()
	}
}

// "If the responder receives a retransmitted … IKE Fragment message with the Fragment Number 1, it MUST retransmit its
// response": one for all of them.  RFC 7383 §2.6.1
func TestARepeatedRequestIsAnsweredOnce(t *testing.T) {
	var responses, requests [][]byte
	tc, _ := narrowed(t, 1, sim.Faults{Min: time.Millisecond, Max: time.Millisecond, Drop: func(d core.Datagram) bool {
		if !wire.IsFragment(d.Data) {
			return false
		}
		if d.Local.Addr() == leftAddr {
			requests = append(requests, bytes.Clone(d.Data))
			return false
		}
		responses = append(responses, bytes.Clone(d.Data))
		return len(responses) == 1 // so that the request comes again
	}})
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(10 * time.Second)
	tc.want("it comes up", tc.done(tc.left, op) == nil)
	half := len(requests) / 2
	tc.want("the request came twice, octet for octet", len(requests) == 2*half && half > 1 && bytes.Equal(requests[0], requests[half]))
	tc.want("and so did the response, once for each time", len(responses)%2 == 0 && bytes.Equal(responses[0], responses[len(responses)/2]))
	tc.end()
}

// TestForgedFragmentsChangeNothing has a stranger send fragments with the right SPIs and Message ID.
func TestForgedFragmentsChangeNothing(t *testing.T) {
	tc, _ := narrowed(t, 1, sim.Faults{Min: time.Millisecond, Max: time.Millisecond})
	forged := 0
	tc.w.Faults.Alter = func(d core.Datagram) []byte {
		if wire.IsFragment(d.Data) && forged < 3 {
			forged++
			b := bytes.Clone(d.Data)
			b[len(b)-1] ^= 1
			return b
		}
		return d.Data
	}
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(20 * time.Second)
	tc.want("fragments were forged", forged == 3)
	tc.want("it comes up with those that are sent again", tc.done(tc.left, op) == nil)
	tc.same(1)
	tc.end()
}

// TestFragmentsThatNobodyAgreedOn are no messages.
func TestFragmentsThatNobodyAgreedOn(t *testing.T) {
	tc, _ := narrowed(t, 1, sim.Faults{Min: time.Millisecond, Max: time.Millisecond}, func(l, _ *core.Catalog) {
		l.Connections[0].Fragmentation = core.FragmentNo
	})
	tc.up()
	op := tc.rekeyIKE()
	tc.w.Run(time.Minute)
	tc.want("the IKE SA is rekeyed", tc.done(tc.left, op) == nil)
	tc.end()

	tc = newTest(t, sim.Faults{}, func(l, _ *core.Catalog) { l.Connections[0].Fragmentation = core.FragmentNo })
	tc.meddleAnd(func(*wire.Message) bool { return true }, func(msg *wire.Message, c suite.Cipher, m *meddler) ([]byte, error) {
		pieces, err := wire.SealFragments(msg, c, m, 60000)
		return pieces[0], err
	})
	op = tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(10 * time.Second)
	_, done := tc.left.Done[op]
	tc.want("a request in a fragment is not answered", !done)
	tc.want("and changes nothing", len(sim.Told[core.Established](tc.right)) == 0 && len(sim.Told[core.Closed](tc.right)) == 0)
}

// rekeyIKE asks the left for a new IKE SA.
func (tc *test) rekeyIKE() uint64 {
	return tc.left.Command(tc.left.Lineage("site"), func(op uint64) core.Command { return core.Rekey{Op: op, IKE: true} })
}

// TestFragmentsInARoughNetwork brings everything up and rekeys it over loss, duplicates and reordering.
func TestFragmentsInARoughNetwork(t *testing.T) {
	for seed := uint64(1); seed <= 30; seed++ {
		tc, _ := narrowed(t, seed, sim.Faults{Min: time.Millisecond, Max: 300 * time.Millisecond, Loss: 0.15, Duplicate: 0.2})
		op := tc.left.Initiate("site", "net", rightAddr)
		tc.w.Run(5 * time.Minute)
		if reason := tc.done(tc.left, op); reason != nil {
			if reason.Kind == core.Timeout {
				continue // that many were lost
			}
			tc.Fatalf("seed %d: %v", seed, reason)
		}
		tc.same(1)
	}
}
