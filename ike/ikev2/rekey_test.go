package ikev2_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	espsa "github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/ikev2/wire"
	"github.com/goswan/goswan/ike/sim"
)

// steps records what a node does to its data path, and when it sends, by kind.
func steps(n *sim.Node) *[]string {
	var list []string
	n.Watch = func(o core.Output) {
		switch o := o.(type) {
		case core.InstallSA:
			list = append(list, fmt.Sprintf("install %s %d", way(o.Params.Direction), o.Params.Reqid))
		case core.RemoveSA:
			list = append(list, "remove "+way(o.Direction))
		case core.Message:
			if o.Outbound {
				list = append(list, "send "+o.Exchange)
			}
		}
	}
	return &list
}

func way(d espsa.Direction) string {
	if d == espsa.In {
		return "in"
	}
	return "out"
}

// TestChildRekeyOrder holds both sides to the order that loses no packet.
func TestChildRekeyOrder(t *testing.T) {
	tc := newTest(t, sim.Faults{})
	tc.up()
	old := tc.left.Children()[0]
	left, right := steps(tc.left), steps(tc.right)
	reason := tc.command(tc.left, func(op uint64) core.Command { return core.Rekey{Op: op, Child: "net"} })
	tc.want("it is rekeyed", reason == nil)
	r := tc.right.Children()[0].Reqid
	tc.want("the initiator installs both and then deletes: "+strings.Join(*left, ", "), strings.Join(*left, ", ") ==
		fmt.Sprintf("send CREATE_CHILD_SA, install in %d, install out %d, send INFORMATIONAL, remove out", old.Reqid, old.Reqid))
	tc.want("the responder installs inbound before its response, and outbound when the old one is deleted: "+strings.Join(*right, ", "), strings.Join(*right, ", ") ==
		fmt.Sprintf("install in %d, send CREATE_CHILD_SA, install out %d, remove out, send INFORMATIONAL", r, r))
	tc.want("the old inbound SAs stay for packets under way", len(tc.left.Path.In) == 2 && len(tc.right.Path.In) == 2)
	tc.w.Run(5 * time.Second)
	tc.want("for delete_rekeyed_delay", len(tc.left.Path.In) == 1 && len(tc.right.Path.In) == 1)
	tc.same(1)
	now := tc.left.Children()[0]
	tc.want("the new Child SA has the old one's reqid and another unique ID and SPIs", now.Reqid == old.Reqid && now.UniqueID != old.UniqueID && now.SPIIn != old.SPIIn && now.SPIOut != old.SPIOut)
	told := sim.Told[core.ChildRekeyed](tc.left)
	tc.want("the rekeying is told, and no end", len(told) == 1 && told[0].Old.UniqueID == old.UniqueID && told[0].New.UniqueID == now.UniqueID && len(sim.Told[core.ChildDown](tc.left)) == 0)
	tc.end()
}

// TestIKERekey replaces the IKE SA under its Child SAs.
func TestIKERekey(t *testing.T) {
	tc := newTest(t, sim.Faults{})
	tc.up()
	old, child := tc.left.IKESAs()[0], tc.left.Children()[0]
	reason := tc.command(tc.right, func(op uint64) core.Command { return core.Rekey{Op: op, IKE: true} })
	tc.want("it is rekeyed", reason == nil)
	tc.want("by the three payloads of RFC 7296 §1.3.2, and the old one deleted", last(tc.right, 4) == strings.Join([]string{
		"▶ CREATE_CHILD_SA request 0 [ SA No KE ]", "◀ CREATE_CHILD_SA response 0 [ SA No KE ]",
		"▶ INFORMATIONAL request 1 [ D ]", "◀ INFORMATIONAL response 1 [ ]"}, "\n"))
	now := tc.left.IKESAs()
	tc.want("one IKE SA is left, with new SPIs, begun by the other side", len(now) == 1 && now[0].SPIi != old.SPIi && now[0].SPIr != old.SPIr && !now[0].Initiator)
	tc.want("the identities stay", now[0].LocalID == old.LocalID && now[0].RemoteID == old.RemoteID)
	tc.same(1)
	tc.want("the Child SA is the same", tc.left.Children()[0].UniqueID == child.UniqueID)
	told := sim.Told[core.IKERekeyed](tc.left)
	tc.want("both are told", len(told) == 1 && len(sim.Told[core.IKERekeyed](tc.right)) == 1 && told[0].Old.UniqueID == old.UniqueID)
	reason = tc.command(tc.left, func(op uint64) core.Command { return core.Rekey{Op: op, Child: "net"} })
	tc.want("the Child SA is rekeyed in the new IKE SA, whose message IDs begin at 0", reason == nil && strings.Contains(last(tc.left, 4), "▶ CREATE_CHILD_SA request 0 [ N(REKEY_SA)"))
	tc.same(1)
	tc.end()
}

// TestLifetimes lets time rekey everything while packets flow.
func TestLifetimes(t *testing.T) {
	tc := newTest(t, sim.Faults{}, func(l, r *core.Catalog) {
		for _, c := range []*core.Catalog{l, r} {
			c.Connections[0].RekeyTime, c.Connections[0].OverTime, c.Connections[0].RandTime = 10*time.Minute, time.Minute, time.Minute
			c.Connections[0].Children[0].RekeyTime, c.Connections[0].Children[0].LifeTime, c.Connections[0].Children[0].RandTime = 4*time.Minute, 5*time.Minute, time.Minute
		}
	})
	tc.up()
	s := tc.left.IKESAs()[0]
	tc.want("the times are told, with jitter", s.RekeyAt.Sub(s.Established) <= 10*time.Minute && s.RekeyAt.Sub(s.Established) > 9*time.Minute &&
		s.Children[0].ExpireAt.Sub(s.Children[0].Installed) == 5*time.Minute && s.Children[0].RekeyAt.Sub(s.Children[0].Installed) < 4*time.Minute)
	for range 3600 {
		tc.left.Send()
		tc.right.Send()
		tc.w.Run(time.Second)
	}
	tc.same(1)
	tc.want("in an hour there were more than 15 rekeyings of the Child SA", len(sim.Told[core.ChildRekeyed](tc.left)) >= 15)
	tc.want("and more than 5 of the IKE SA", len(sim.Told[core.IKERekeyed](tc.left)) >= 5)
	tc.want("nothing ever went down", len(sim.Told[core.ChildDown](tc.left))+len(sim.Told[core.IKEDown](tc.left)) == 0)
	tc.want(fmt.Sprintf("not one of %d packets was lost", tc.w.Packets), tc.w.PacketsLost == 0 && tc.w.Packets > 7000)
	tc.end()
}

// TestExpire is about limits by volume, which the data path tells of.
func TestExpire(t *testing.T) {
	tc := newTest(t, sim.Faults{}, func(l, _ *core.Catalog) {
		l.Connections[0].Children[0].RekeyBytes, l.Connections[0].Children[0].RandBytes, l.Connections[0].Children[0].LifeBytes = 1000, 100, 2000
		l.Connections[0].Children[0].RekeyPackets, l.Connections[0].Children[0].LifePackets = 50, 60
	})
	tc.up()
	c := tc.left.Children()[0]
	p := tc.left.Path.Out[c.SPIOut]
	tc.want("the data path gets the limits, the soft one with jitter", p.SoftBytes <= 1000 && p.SoftBytes >= 900 && p.HardBytes == 2000 && p.SoftPackets == 50 && p.HardPackets == 60)
	l := tc.left.Lineage("site")
	expire := func(hard bool) {
		now := tc.left.Children()[0]
		tc.left.Command(l, func(uint64) core.Command { return core.Expire{SPI: now.SPIOut, Direction: espsa.Out, Hard: hard} })
		tc.w.Run(time.Second)
	}
	expire(false)
	tc.want("the soft limit rekeys", len(sim.Told[core.ChildRekeyed](tc.left)) == 1)
	tc.same(1)
	expire(true)
	tc.want("the hard limit ends it", len(tc.left.Children()) == 0 && len(tc.right.Children()) == 0)
	down := sim.Told[core.ChildDown](tc.left)
	tc.want("for that reason", len(down) == 1 && down[0].Reason.Kind == core.Expired)
	tc.end()
}

// TestRekeyRefused changes the configuration under a Child SA and under the IKE SA: the old ones go on, until their end.
func TestRekeyRefused(t *testing.T) {
	tc := newTest(t, sim.Faults{})
	tc.up()
	other := *tc.right.Catalog.Connections[0]
	net := *other.Children[0]
	net.Proposals = esp("aes128-sha256")
	other.Children = []*core.Child{&net}
	other.Proposals = ike("aes128-sha256-ecp256")
	tc.right.Command(tc.right.Lineage("site"), func(uint64) core.Command { return core.Reconfigure{Connection: &other} })
	reason := tc.command(tc.left, func(op uint64) core.Command { return core.Rekey{Op: op, Child: "net"} })
	tc.want("rekeying the Child SA fails for want of a proposal", reason != nil && reason.Kind == core.NoProposalChosen && reason.Child == "net" && reason.ByPeer)
	reason = tc.command(tc.left, func(op uint64) core.Command { return core.Rekey{Op: op, IKE: true} })
	tc.want("rekeying the IKE SA too", reason != nil && reason.Kind == core.NoProposalChosen && reason.Phase == 1)
	tc.same(1)
	failed := sim.Told[core.Failed](tc.right)
	tc.want("the other side says what to add", len(failed) == 2 && strings.Contains(failed[0].Reason.Error(), "add `aes256gcm16` to `esp_proposals`") &&
		strings.Contains(failed[1].Reason.Error(), "add `aes256gcm16-prfsha384-x25519` to `proposals`"))
	tc.end()
}

// TestHardLifetime has a peer that refuses every rekeying: the IKE SA ends at its hard lifetime.
func TestHardLifetime(t *testing.T) {
	tc := newTest(t, sim.Faults{}, func(l, r *core.Catalog) {
		l.Connections[0].RekeyTime, l.Connections[0].OverTime = 10*time.Minute, 5*time.Minute
	})
	tc.up()
	other := *tc.right.Catalog.Connections[0]
	other.Proposals = ike("aes128-sha256-ecp256")
	tc.right.Command(tc.right.Lineage("site"), func(uint64) core.Command { return core.Reconfigure{Connection: &other} })
	tc.w.Run(14 * time.Minute)
	tc.want("it tries every minute", len(sim.Told[core.Failed](tc.left)) >= 4 && len(tc.left.IKESAs()) == 1)
	tc.w.Run(2 * time.Minute)
	down := sim.Told[core.IKEDown](tc.left)
	tc.want("and ends after over_time", len(tc.left.IKESAs()) == 0 && len(tc.right.IKESAs()) == 0 && len(down) == 1 && down[0].Reason.Kind == core.Expired)
	tc.end()
}

// TestRekeyForgottenChild rekeys a Child SA that the peer has lost: a new one takes its place. RFC 7296 §2.25
func TestRekeyForgottenChild(t *testing.T) {
	tc := newTest(t, sim.Faults{})
	meddled := 0
	tc.meddle(func(msg *wire.Message) bool {
		n := msg.Notify(wire.RekeySA)
		if n == nil {
			return false
		}
		n.SPI = []byte{1, 2, 3, 4} // which the right does not have
		meddled++
		return true
	})
	tc.up()
	reason := tc.command(tc.left, func(op uint64) core.Command { return core.Rekey{Op: op, Child: "net"} })
	tc.want("the operation ends well", meddled == 1 && reason == nil)
	tc.want("by a Child SA from scratch", len(sim.Told[core.ChildUp](tc.left)) == 2 && len(tc.left.Children()) == 1)
	down := sim.Told[core.ChildDown](tc.left)
	tc.want("and the old one is told to be lost", len(down) == 1 && down[0].Reason.Kind == core.ChildSANotFound)
	tc.end()
}

// TestReauthDue tells the driver when reauth_time has come.
func TestReauthDue(t *testing.T) {
	tc := newTest(t, sim.Faults{}, func(l, _ *core.Catalog) {
		l.Connections[0].ReauthTime, l.Connections[0].OverTime = 10*time.Minute, time.Minute
	})
	tc.up()
	tc.w.Run(10 * time.Minute)
	tc.want("once", len(sim.Told[core.ReauthDue](tc.left)) == 1)
	tc.w.Run(time.Minute)
	tc.want("and over_time later it is over", len(tc.left.IKESAs()) == 0)
	tc.end()
}
