package ikev2_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/sim"
)

// command gives a command to the left lineage and lets it settle.
func (tc *test) command(n *sim.Node, make func(op uint64) core.Command) *core.Reason {
	tc.Helper()
	op := n.Command(n.Lineages()[0], make)
	tc.w.Run(time.Second)
	return tc.done(n, op)
}

// config is a child's configuration on the left.
func (tc *test) config(i int) *core.Child { return tc.left.Catalog.Connections[0].Children[i] }

// last is the ladder's end.
func last(n *sim.Node, count int) string {
	l := n.Ladder()
	return strings.Join(l[max(0, len(l)-count):], "\n")
}

func TestSecondChild(t *testing.T) {
	tc := newTest(t, sim.Faults{})
	tc.up()
	reason := tc.command(tc.left, func(op uint64) core.Command { return core.Initiate{Op: op, Child: tc.config(1)} })
	tc.want("a second Child SA comes up in the same IKE SA", reason == nil && len(tc.left.IKESAs()) == 1)
	tc.same(2)
	tc.want("by CREATE_CHILD_SA without a key exchange", last(tc.left, 2) == "▶ CREATE_CHILD_SA request 2 [ SA No TSi TSr ]\n◀ CREATE_CHILD_SA response 2 [ SA No TSi TSr ]")
	messages := len(tc.left.Ladder())
	reason = tc.command(tc.left, func(op uint64) core.Command { return core.Initiate{Op: op, Child: tc.config(1)} })
	tc.want("asking for what is there is done at once", reason == nil && len(tc.left.Ladder()) == messages)
	reason = tc.command(tc.right, func(op uint64) core.Command { return core.Delete{Op: op, Child: "web"} })
	tc.want("the other side deletes it", reason == nil && last(tc.right, 2) == "▶ INFORMATIONAL request 0 [ D ]\n◀ INFORMATIONAL response 0 [ D ]")
	tc.same(1)
	down := sim.Told[core.ChildDown](tc.left)
	tc.want("whose end is told with who did it", len(down) == 1 && down[0].Child.Name == "web" && down[0].Reason.Kind == core.Deleted && down[0].Reason.ByPeer)
	reason = tc.command(tc.right, func(op uint64) core.Command { return core.Delete{Op: op, Child: "nothing"} })
	tc.want("deleting what is not there fails", reason != nil && reason.Kind == core.ChildSANotFound)
	tc.end()
}

func TestForwardSecrecy(t *testing.T) {
	tc := newTest(t, sim.Faults{}, func(l, r *core.Catalog) {
		l.Connections[0].Children[1].Proposals = esp("aes256gcm16-x25519-ecp256")
		r.Connections[0].Children[1].Proposals = esp("aes256gcm16-ecp256")
	})
	tc.up()
	reason := tc.command(tc.left, func(op uint64) core.Command { return core.Initiate{Op: op, Child: tc.config(1)} })
	tc.want("it comes up with the other key exchange", reason == nil)
	tc.want("which the responder asked for", last(tc.left, 4) == strings.Join([]string{
		"▶ CREATE_CHILD_SA request 2 [ SA No KE TSi TSr ]", "◀ CREATE_CHILD_SA response 2 [ N(INVAL_KE) ]",
		"▶ CREATE_CHILD_SA request 3 [ SA No KE TSi TSr ]", "◀ CREATE_CHILD_SA response 3 [ SA No KE TSi TSr ]"}, "\n"))
	tc.same(2)
	web := tc.left.Children()[1]
	tc.want("and the status names it: "+web.Suite.String(), strings.Contains(web.Suite.String(), "ECP_256"))
	tc.end()
}

func TestNarrowing(t *testing.T) {
	for _, c := range []struct {
		name                                 string
		left, leftRemote, right, rightRemote string
		wantLocal, wantRemote                string
	}{
		{name: "to the responder's networks", left: "10.0.0.0/8", leftRemote: "10.0.0.0/8", right: "10.2.0.0/16", rightRemote: "10.1.0.0/24", wantLocal: "10.1.0.0/24", wantRemote: "10.2.0.0/16"},
		{name: "to the initiator's", left: "10.1.0.7/32", leftRemote: "10.2.3.0/24", right: "10.2.0.0/16", rightRemote: "10.1.0.0/24", wantLocal: "10.1.0.7/32", wantRemote: "10.2.3.0/24"},
		{name: "to one protocol and port", left: "10.1.0.0/24", leftRemote: "10.2.0.0/24", right: "10.2.0.0/24[tcp/443]", rightRemote: "10.1.0.0/24[tcp]", wantLocal: "10.1.0.0/24[tcp]", wantRemote: "10.2.0.0/24[tcp/443]"},
		{name: "to a range of ports", left: "10.1.0.0/24[udp/1000-3000]", leftRemote: "10.2.0.0/24", right: "10.2.0.0/24", rightRemote: "10.1.0.0/24[udp/2000-4000]", wantLocal: "10.1.0.0/24[udp/2000-3000]", wantRemote: "10.2.0.0/24"},
		{name: "with the addresses of both ends", left: "dynamic", leftRemote: "dynamic", right: "dynamic", rightRemote: "dynamic", wantLocal: "192.0.2.1/32", wantRemote: "198.51.100.2/32"},
		{name: "of IPv6", left: "2001:db8:1::/48", leftRemote: "::/0", right: "2001:db8:2::/48", rightRemote: "::/0", wantLocal: "2001:db8:1::/48", wantRemote: "2001:db8:2::/48"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tc := newTest(t, sim.Faults{}, func(l, r *core.Catalog) {
				l.Connections[0].Children = []*core.Child{childConfig("net", c.left, c.leftRemote)}
				r.Connections[0].Children = []*core.Child{childConfig("net", c.right, c.rightRemote)}
			})
			tc.up()
			net := tc.left.Children()[0]
			tc.want("the selectors are narrowed to "+texts(net.LocalTS)+" === "+texts(net.RemoteTS), texts(net.LocalTS) == c.wantLocal && texts(net.RemoteTS) == c.wantRemote)
			tc.end()
		})
	}
}

// TestSeveralSelectors has lists on both sides, and a responder with two children of which the closer one answers.
func TestSeveralSelectors(t *testing.T) {
	tc := newTest(t, sim.Faults{}, func(l, r *core.Catalog) {
		l.Connections[0].Children[0].RemoteTS = []core.Selector{selector("10.2.0.0/24"), selector("10.3.0.0/24"), selector("10.4.0.0/24")}
		wide := childConfig("wide", "0.0.0.0/0", "0.0.0.0/0")
		exact := childConfig("exact", "10.2.0.0/24", "10.1.0.0/24")
		exact.LocalTS = append(exact.LocalTS, selector("10.3.0.0/24"), selector("10.4.0.0/24"))
		r.Connections[0].Children = []*core.Child{wide, exact}
	})
	tc.up()
	tc.want("the closest child answers", tc.right.Children()[0].Name == "exact")
	tc.want("with all networks", texts(tc.left.Children()[0].RemoteTS) == "10.2.0.0/24 10.3.0.0/24 10.4.0.0/24")
	tc.want("and tells that another would too", strings.Contains(strings.Join(tc.left.Ladder(), "\n"), "N(ADD_TS_POSS)"))
	tc.end()
}

// TestAcquire brings a Child SA up by a packet, whose selectors go first, and another for a packet that the first does not take.
func TestAcquire(t *testing.T) {
	tc := newTest(t, sim.Faults{}, func(l, r *core.Catalog) {
		l.Connections[0].Children[0] = childConfig("net", "10.1.0.0/16", "10.2.0.0/16")
		r.Connections[0].Children = []*core.Child{childConfig("a", "10.2.1.0/24", "10.1.0.0/16"), childConfig("b", "10.2.2.0/24", "10.1.0.0/16")}
	})
	packet := func(dst string) core.Flow {
		return core.Flow{Local: spd.MustParse("10.1.0.5[udp/5000]"), Remote: spd.MustParse(dst + "[udp/53]")}
	}
	tc.up()
	first := tc.left.Children()[0]
	tc.want("without a packet the responder chooses", texts(first.RemoteTS) == "10.2.1.0/24")
	messages := len(tc.left.Ladder())
	reason := tc.command(tc.left, func(op uint64) core.Command {
		return core.Initiate{Op: op, Child: tc.config(0), Packet: packet("10.2.1.9")}
	})
	tc.want("a packet that has its Child SA asks for nothing", reason == nil && len(tc.left.Ladder()) == messages)
	reason = tc.command(tc.left, func(op uint64) core.Command {
		return core.Initiate{Op: op, Child: tc.config(0), Packet: packet("10.2.2.9")}
	})
	tc.want("another packet brings up another", reason == nil)
	offer := slices.IndexFunc(sim.Told[core.Message](tc.left), func(m core.Message) bool { return m.Exchange == "CREATE_CHILD_SA" })
	detail := strings.Join(sim.Told[core.Message](tc.left)[offer].Detail, "\n")
	tc.want("with its own selectors in front: "+detail, strings.Contains(detail, "TSi 10.1.0.5/32[udp/5000] 10.1.0.0/16\nTSr 10.2.2.9/32[udp/53] 10.2.0.0/16"))
	tc.end()
}

func TestChildless(t *testing.T) {
	tc := newTest(t, sim.Faults{})
	op := tc.left.Initiate("site", "", rightAddr)
	tc.w.Run(time.Second)
	tc.want("an IKE SA alone comes up (RFC 6023)", tc.done(tc.left, op) == nil && strings.HasPrefix(last(tc.left, 2), "▶ IKE_AUTH request 1 [ IDi N(INIT_CONTACT) IDr AUTH ]"))
	tc.same(0)
	tc.end()

	tc = newTest(t, sim.Faults{}, func(_, r *core.Catalog) { r.Connections[0].Childless = core.ChildlessNever })
	op = tc.left.Initiate("site", "", rightAddr)
	tc.w.Run(time.Second)
	tc.says("left", tc.done(tc.left, op).Error(), `phase 1 IKE_SA_INIT: CONFIGURATION: the peer cannot bring up an IKE SA without a Child SA (it does not know RFC 6023); initiate a child of connection "site"`)
	tc.w.Run(time.Minute)
	tc.end()

	tc = newTest(t, sim.Faults{}, func(l, _ *core.Catalog) { l.Connections[0].Childless = core.ChildlessPrefer })
	op = tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(time.Second)
	tc.want("who prefers it makes the first Child SA afterwards", tc.done(tc.left, op) == nil && strings.HasPrefix(last(tc.left, 2), "▶ CREATE_CHILD_SA request 2 [ SA No TSi TSr ]"))
	tc.same(1)
	tc.end()
}

// TestJoin has several commands wait for one Child SA and for the IKE SA.
func TestJoin(t *testing.T) {
	tc := newTest(t, sim.Faults{})
	ops := []uint64{tc.left.Initiate("site", "net", rightAddr), tc.left.Initiate("site", "net", rightAddr), tc.left.Initiate("site", "", rightAddr), tc.left.Initiate("site", "web", rightAddr)}
	tc.w.Run(time.Second)
	for _, op := range ops {
		tc.want("every operation is done", tc.done(tc.left, op) == nil)
	}
	tc.same(2)
	tc.end()
}

// TestBothDelete has both ends delete one Child SA at once, and then the IKE SA. RFC 7296 §1.4.1, §2.25
func TestBothDelete(t *testing.T) {
	tc := newTest(t, sim.Faults{})
	tc.up()
	for _, n := range []*sim.Node{tc.left, tc.right} {
		n.Command(n.Lineage("site"), func(op uint64) core.Command { return core.Delete{Op: op, Child: "net"} })
	}
	tc.w.Run(time.Second)
	tc.same(0)
	tc.want("each answers without a Delete of its own half", strings.HasSuffix(last(tc.left, 3), "▶ INFORMATIONAL response 0 [ ]\n◀ INFORMATIONAL response 2 [ ]"))
	for _, n := range []*sim.Node{tc.left, tc.right} {
		n.Command(n.Lineage("site"), func(op uint64) core.Command { return core.Delete{Op: op, IKE: true} })
	}
	tc.w.Run(time.Second)
	tc.want("both are gone", len(tc.left.IKESAs()) == 0 && len(tc.right.IKESAs()) == 0)
	tc.end()
}

func TestForcedDelete(t *testing.T) {
	tc := newTest(t, sim.Faults{})
	tc.up()
	tc.w.Faults.Loss = 1
	op := tc.left.Command(tc.left.Lineage("site"), func(op uint64) core.Command { return core.Delete{Op: op, IKE: true, Force: true} })
	tc.want("it waits for nobody", tc.done(tc.left, op) == nil && len(tc.left.Lineages()) == 0 && len(tc.left.Path.In) == 0)
	tc.want("but tells the peer once", last(tc.left, 1) == "▶ INFORMATIONAL request 2 [ D ]")
	tc.end()
}

func TestCloseOnChildFailure(t *testing.T) {
	tc := newTest(t, sim.Faults{}, func(_, r *core.Catalog) { r.Connections[0].Children[0].Proposals = esp("aes128-sha256") })
	tc.left.Env.Settings.CloseIKEOnChildFailure = true
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(time.Second)
	tc.want("the Child SA fails", tc.done(tc.left, op).Kind == core.NoProposalChosen)
	tc.want("and the IKE SA with it", len(tc.left.IKESAs()) == 0 && len(tc.right.IKESAs()) == 0)
	down := sim.Told[core.IKEDown](tc.left)
	tc.want("for that reason", len(down) == 1 && down[0].Reason.Kind == core.NoProposalChosen)
	tc.end()
}

// TestDeleteWhileConnecting ends what the peer may have established already: its IKE_AUTH response is waited for, so that the
// peer can be told.
func TestDeleteWhileConnecting(t *testing.T) {
	tc := newTest(t, sim.Faults{})
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(35 * time.Millisecond)
	tc.want("the responder has it, the initiator does not know", tc.right.IKESAs()[0].State == core.IKEEstablished && tc.left.IKESAs()[0].State == core.IKEConnecting)
	end := tc.left.Command(tc.left.Lineages()[0], func(op uint64) core.Command { return core.Delete{Op: op, IKE: true} })
	tc.want("who waited is told at once", tc.done(tc.left, op).Kind == core.Cancelled && tc.done(tc.left, end) == nil)
	tc.w.Run(time.Second)
	tc.want("and the responder's half ends too", len(tc.left.IKESAs()) == 0 && len(tc.right.IKESAs()) == 0)
	tc.end()

	tc = newTest(t, sim.Faults{Drop: func(d core.Datagram) bool { return d.Remote.Port() == 4500 }})
	tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(time.Second)
	tc.left.Command(tc.left.Lineages()[0], func(op uint64) core.Command { return core.Delete{Op: op, IKE: true} })
	tc.w.Run(4 * time.Second)
	tc.want("without an answer it waits no longer than for a retransmission", len(tc.left.Lineages()) == 0)
	tc.end()
}

// TestPacketsAtOnce has a trap catch many packets before there is a Child SA: one is made.
func TestPacketsAtOnce(t *testing.T) {
	tc := newTest(t, sim.Faults{})
	tc.left.Initiate("site", "", rightAddr)
	tc.w.Run(time.Second)
	l := tc.left.Lineage("site")
	for i := range 50 {
		packet := core.Flow{Local: spd.MustParse("10.1.0.5[udp/5000]"), Remote: spd.MustParse("10.2.0.9[udp/53]")}
		packet.Local.StartPort += uint16(i)
		packet.Local.EndPort += uint16(i)
		tc.left.Command(l, func(op uint64) core.Command {
			return core.Initiate{Op: op, Child: tc.config(0), Packet: packet}
		})
	}
	tc.w.Run(10 * time.Second)
	tc.same(1)
	for op := range uint64(51) {
		tc.want("every operation is done", op == 0 || tc.done(tc.left, op) == nil)
	}
	tc.end()
}
