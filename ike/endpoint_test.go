package ike

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/ike/core"
)

func TestTwoEndpointsNegotiate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, left, right := pair(t)
		left.up(t)
		for _, h := range []*host{left, right} {
			all := h.IKESAs()
			want(t, "each end has one established IKE SA with one Child SA",
				len(all) == 1 && all[0].State == core.IKEEstablished && len(all[0].Children) == 1)
			want(t, "each end has one SA in each direction", len(h.path.ids(esp.In)) == 1 && len(h.path.ids(esp.Out)) == 1)
			want(t, "each end tells Established and ChildUp once", len(outputs[core.Established](h)) == 1 && len(outputs[core.ChildUp](h)) == 1)
		}
		want(t, "the responder's half-open count is back at 0", right.HalfOpen() == 0)
		conn, id := left.Current(left.tables.snapshot()[0].id)
		want(t, "a lineage is known by its connection and IKE SA", conn == "site" && id == left.IKESAs()[0].UniqueID)
		want(t, "each lineage has one timer", left.Timers() == 1)
		end(left, right)
		want(t, "no SA is left in the data paths", len(left.path.sas) == 0 && len(right.path.sas) == 0)
		want(t, "no lineage is left", left.Timers() == 0 && right.Timers() == 0)
	})
}

func TestASecondInitiateUsesTheIKESA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, left, right := pair(t)
		first, second := left.initiate(t), left.initiate(t)
		want(t, "both are done by the one negotiation", first.settled(t) == nil && second.settled(t) == nil && len(left.IKESAs()) == 1)
		left.up(t)
		want(t, "what is up already is not negotiated again", len(left.IKESAs()) == 1 && len(left.IKESAs()[0].Children) == 1)
		left.up(t, func(r *InitiateRequest) { r.Separate = true })
		want(t, "Separate makes another IKE SA", len(left.IKESAs()) == 2)
		end(left, right)
	})
}

func TestCommandsFindTheirIKESA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, left, right := pair(t)
		left.up(t)
		old := left.IKESAs()[0].UniqueID
		rekey := new(outcome)
		want(t, "the IKE SA is found", left.Command(old, func(op uint64) core.Command { return core.Rekey{Op: op, IKE: true} }, rekey.done))
		want(t, "it is rekeyed", rekey.settled(t) == nil)
		current := left.IKESAs()[0].UniqueID
		want(t, "the successor has an ID of its own", current != old)
		sa, ok := left.IKESA(current)
		want(t, "a snapshot of it has its Child SA", ok && sa.UniqueID == current && len(sa.Children) == 1)
		_, ok = left.IKESA(old)
		want(t, "there is none of the old one", !ok)
		want(t, "the old ID is not known any more", !left.Command(old, func(op uint64) core.Command { return core.Liveness{Op: op} }, rekey.done))
		alive := new(outcome)
		want(t, "the new ID is known", left.Command(current, func(op uint64) core.Command { return core.Liveness{Op: op} }, alive.done))
		want(t, "the peer answers", alive.settled(t) == nil)
		end(left, right)
	})
}

func TestAnIKESAThatEndedIsNotInitiatedIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, left, right := pair(t)
		left.up(t)
		gone := new(outcome)
		right.Command(right.IKESAs()[0].UniqueID, func(op uint64) core.Command { return core.Delete{Op: op, IKE: true} }, gone.done)
		want(t, "the peer deletes the IKE SA", gone.settled(t) == nil && len(left.IKESAs()) == 0)
		want(t, "its lineage still answers retransmissions", left.Timers() == 1)

		next := catalog("left", "right", rightAddr)
		next.Connections[0].Children[0].RekeyTime = time.Hour
		left.catalog.Store(next)
		left.up(t)
		want(t, "the new IKE SA has a lineage of its own and the new configuration",
			left.Timers() == 2 && left.IKESAs()[0].Config == next.Connections[0])
		end(left, right)
	})
}

func TestEveryOperationIsDoneOnce(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(n *network, left, right *host)
		after   func(t *testing.T, left *host)
		kind    core.Kind
	}{
		"the peer refuses": {func(_ *network, _, right *host) { right.catalog.Store(&core.Catalog{}) }, func(*testing.T, *host) { pass(2 * time.Second) }, core.NoProposalChosen},
		"the peer does not authenticate": {func(_ *network, _, right *host) {
			c := catalog("right", "left", leftAddr)
			c.Secrets[0].Key = []byte("another")
			right.catalog.Store(c)
		}, nil, core.AuthenticationFailed},
		"the peer is silent":    {func(n *network, _, _ *host) { n.lose(func(sent) bool { return true }) }, func(*testing.T, *host) { pass(5 * time.Minute) }, core.Timeout},
		"there is no such peer": {func(n *network, _, right *host) { n.detach(right) }, func(*testing.T, *host) { pass(5 * time.Minute) }, core.Timeout},
		"the endpoint is closed": {func(n *network, _, _ *host) { n.lose(func(sent) bool { return true }) }, func(t *testing.T, left *host) {
			synctest.Wait()
			end(left)
		}, core.ShuttingDown},
		"it is killed": {func(n *network, _, _ *host) { n.lose(func(sent) bool { return true }) }, func(t *testing.T, left *host) {
			synctest.Wait()
			for _, l := range left.tables.snapshot() {
				l.kill()
			}
		}, core.ShuttingDown},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, left, right := pair(t)
				c.prepare(n, left, right)
				o := left.initiate(t)
				if c.after != nil {
					c.after(t, left)
				}
				if r := o.settled(t); r == nil || r.Kind != c.kind {
					t.Errorf("the reason is %v, want one of kind %s", r, c.kind)
				}
				end(left, right)
				_ = o.settled(t) // still once
			})
		})
	}
}

func TestAnOperationOfADeadLineageIsDoneAtOnce(t *testing.T) {
	l := &lineage{ops: map[uint64]func(*core.Reason){}, e: &Endpoint{tables: newTables(), cfg: Config{}}}
	var before, after outcome
	l.operation(1, before.done)
	l.end(nil)
	l.operation(2, after.done)
	if before.times != 1 || after.times != 1 || before.reason == nil || after.reason == nil {
		t.Errorf("done %d times before and %d after the end (%v, %v), want once each with a reason", before.times, after.times, before.reason, after.reason)
	}
}

func TestTheDataPathRefusesAnSA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, left, right := pair(t)
		left.up(t)
		left.path.refuse = func(p esp.Params) error { return errors.New("no room") }
		rekeyed := new(outcome)
		child := left.IKESAs()[0].Children[0].UniqueID
		left.Command(left.IKESAs()[0].UniqueID, func(op uint64) core.Command { return core.Rekey{Op: op, ChildID: child} }, rekeyed.done)
		_ = rekeyed.settled(t)
		failed := outputs[core.Failed](left)
		want(t, "the refusal is told with the data path's words", len(failed) > 0 && failed[0].Reason.Text == "the data path refused the SA: no room")
		pass(time.Minute)
		want(t, "the Child SA that could not be installed is gone at both ends",
			len(left.IKESAs()[0].Children) == 0 && len(right.IKESAs()[0].Children) == 0 && len(left.tables.bySA) == 0)
		end(left, right)
	})
}

func TestMovesAndExpiriesReachTheOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, left, right := pair(t)
		left.up(t)
		left.up(t, func(r *InitiateRequest) { r.Separate = true })
		all := right.IKESAs()
		want(t, "there are two IKE SAs", len(all) == 2)
		child := all[1].Children[0]
		moved := netip.AddrPortFrom(leftAddr, 31000)
		right.PeerMoved(child.SPIIn, netip.AddrPortFrom(rightAddr, 4500), moved)
		synctest.Wait()
		for _, s := range right.IKESAs() {
			want(t, "only the IKE SA of the SA that moved follows", (s.Remote == moved) == (s.UniqueID == all[1].UniqueID))
		}
		for _, id := range right.path.moved {
			want(t, "an SA that is moved is named with its Reqid", id.Reqid != 0)
		}
		want(t, "its SAs are moved", len(right.path.moved) > 0)

		// The peer really is there, so that the rekeying finds it.
		right.PeerMoved(child.SPIIn, netip.AddrPortFrom(rightAddr, 4500), netip.AddrPortFrom(leftAddr, 4500))
		right.Expire(esp.ID{SPI: child.SPIOut, Direction: esp.Out, Reqid: child.Reqid + 1}, false)
		right.PeerMoved(child.SPIIn+1000, netip.AddrPort{}, moved)
		synctest.Wait()
		want(t, "an SA that nobody owns changes nothing", len(outputs[core.ChildRekeyed](right)) == 0)
		right.Expire(esp.ID{SPI: child.SPIOut, Direction: esp.Out, Reqid: child.Reqid}, false)
		synctest.Wait()
		rekeyed := outputs[core.ChildRekeyed](right)
		want(t, "the SA that reached its limit is rekeyed, alone", len(rekeyed) == 1 && rekeyed[0].Old.UniqueID == child.UniqueID)
		end(left, right)
	})
}

func TestCloseTellsThePeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, left, right := pair(t)
		left.up(t)
		left.up(t, func(r *InitiateRequest) { r.Separate = true })
		begin := time.Now()
		want(t, "Close succeeds", left.Close(context.Background()) == nil)
		want(t, "it takes no longer than the answers", time.Since(begin) == 0)
		synctest.Wait()
		want(t, "the peer has no IKE SA any more", len(right.IKESAs()) == 0)
		down := outputs[core.IKEDown](right)
		want(t, "the peer knows that it was deleted", len(down) == 2 && down[0].Reason.Kind == core.Deleted)
		want(t, "a closed endpoint initiates nothing", errors.Is(left.Initiate(InitiateRequest{Connection: left.catalog.Load().Connections[0]}, nil), ErrClosed))
		want(t, "Close may be called again", left.Close(context.Background()) == nil)
		end(right)
	})
}

func TestCloseAtBothEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, left, right := pair(t)
		left.up(t)
		begin := time.Now()
		other := make(chan error)
		go func() { other <- right.Close(context.Background()) }()
		want(t, "both succeed", left.Close(context.Background()) == nil && <-other == nil)
		want(t, "neither waits for retransmissions that will not come", time.Since(begin) == 0)
	})
}

func TestCloseDoesNotWaitForWhatHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, left, right := pair(t)
		left.up(t)
		left.Broadcast(core.Delete{IKE: true}, func([]core.IKEStatus) bool { return true })
		synctest.Wait()
		want(t, "the responder still answers retransmissions", right.Timers() == 1 && len(right.IKESAs()) == 0)
		begin := time.Now()
		want(t, "Close ends that", right.Close(context.Background()) == nil && time.Since(begin) == 0)
		end(left)
	})
}

func TestCloseWithADeadPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, left, right := pair(t)
		left.up(t)
		n.lose(func(sent) bool { return true })
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		want(t, "Close tells that the peer did not answer", errors.Is(left.Close(ctx), context.DeadlineExceeded))
		want(t, "it waits no longer than it may", time.Since(begin) == 8*time.Second)
		want(t, "nothing is left", len(left.IKESAs()) == 0 && left.Timers() == 0 && len(left.path.sas) == 0)
		down := outputs[core.IKEDown](left)
		want(t, "the end is told", len(down) == 1)
		end(right)
	})
}
