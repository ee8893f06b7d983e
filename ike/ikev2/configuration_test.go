package ikev2_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2/wire"
	"github.com/goswan/goswan/ike/pool"
	"github.com/goswan/goswan/ike/sim"
)

var any4, any6 = netip.IPv4Unspecified(), netip.IPv6Unspecified()

// virtualPair makes left a laptop that asks for vips, and right its gateway.
func virtualPair(vips ...netip.Addr) pairOption {
	return func(left, right *core.Catalog) {
		l, r := left.Connections[0], right.Connections[0]
		l.VIPs, r.Pools = vips, []string{"p4", "p6"}
		dynamic := []core.Selector{selector("dynamic")}
		l.Children[0].LocalTS, r.Children[0].RemoteTS = dynamic, dynamic
		l.Children[1].LocalTS, r.Children[1].RemoteTS = dynamic, dynamic
		for _, c := range []*core.Child{l.Children[0]} {
			c.RemoteTS = append(slices.Clone(c.RemoteTS), selector("fd00:2::/64"))
		}
		r.Children[0].LocalTS = append(slices.Clone(r.Children[0].LocalTS), selector("fd00:2::/64"))
		right.Pools = []*core.Pool{
			{Name: "p4", Addrs: "10.3.0.0/30", Attributes: []core.Attribute{
				{Type: uint16(wire.InternalIP4DNS), Value: []byte{10, 2, 0, 53}},
				{Type: uint16(wire.InternalDNSDomain), Value: []byte("corp.example")},
				{Type: uint16(wire.InternalIP4Subnet), Value: []byte{10, 0, 0, 7, 255, 0, 0, 0}},
			}},
			{Name: "p6", Addrs: "fd00:3::/126"},
			{Name: "unused", Addrs: "10.9.0.0/24", Attributes: []core.Attribute{{Type: uint16(wire.InternalIP4DNS), Value: []byte{10, 9, 0, 1}}}},
		}
	}
}

// lease gives a node the pools of its catalog.
func lease(t *testing.T, n *sim.Node) *pool.Leases {
	t.Helper()
	leases := pool.New(pool.Config{Now: func() time.Time { return time.Unix(0, 0) }})
	if err := leases.Configure(n.Catalog.Pools); err != nil {
		t.Fatal(err)
	}
	n.Env.Lease, n.Env.Release = leases.Lease, leases.Release
	return leases
}

// virtualTest is a laptop and a gateway with pools.
func virtualTest(t *testing.T, options ...pairOption) (*test, *pool.Leases) {
	t.Helper()
	tc := newTest(t, sim.Faults{}, options...)
	return tc, lease(t, tc.right)
}

// online counts the leases in use.
func online(leases *pool.Leases) (n int) {
	for _, s := range leases.Status() {
		n += s.Online
	}
	return n
}

func TestVirtualAddresses(t *testing.T) {
	tc, leases := virtualTest(t, virtualPair(any4, any6))
	tc.up()
	a4, a6 := netip.MustParseAddr("10.3.0.1"), netip.MustParseAddr("fd00:3::1")
	got := tc.left.IKESAs()[0].Assigned
	tc.want("the laptop has an address of each family", slices.Equal(got.Addresses, []netip.Addr{a4, a6}))
	tc.want("it has the name server of the pool that it has an address from, and no other's", fmt.Sprint(got.DNS) == "[10.2.0.53]")
	tc.want("and the domain that it is for", fmt.Sprint(got.Domains) == "[corp.example]")
	tc.want("and the network that the gateway says it has", fmt.Sprint(got.Subnets) == "[10.0.0.0/8]")
	tc.want("which changes nothing of what the Child SA is for", texts(tc.left.Children()[0].RemoteTS) == texts(tc.right.Children()[0].LocalTS) && !strings.Contains(texts(tc.left.Children()[0].RemoteTS), "/8"))
	tc.want("the gateway says the same", slices.Equal(tc.right.IKESAs()[0].RemoteVIPs, []netip.Addr{a4, a6}))
	tc.want("dynamic is the virtual addresses", texts(tc.left.Children()[0].LocalTS) == "10.3.0.1/32 fd00:3::1/128")
	tc.want("the address is told before the Child SA that uses it, and behind the IKE SA", order(tc.left) == "Established Assigned ChildUp")
	reason := tc.command(tc.left, func(op uint64) core.Command { return core.Initiate{Op: op, Child: tc.config(1)} })
	tc.want("another Child SA comes up", reason == nil)
	tc.want("and is for the same address", strings.HasPrefix(texts(tc.left.Children()[1].LocalTS), "10.3.0.1/32"))
	tc.command(tc.left, func(op uint64) core.Command { return core.Delete{Op: op, IKE: true} })
	tc.want("the addresses end behind the Child SAs", strings.HasSuffix(order(tc.left), "ChildDown ChildDown Withdrawn"))
	tc.want("the leases are back", online(leases) == 0)
	tc.up()
	tc.want("and the same peer gets the same address again", slices.Equal(tc.left.IKESAs()[0].Assigned.Addresses, []netip.Addr{a4, a6}))
	tc.end()
	tc.want("nothing is leased in the end", online(leases) == 0)
}

// order is what was told of addresses and SAs.
func order(n *sim.Node) string {
	var names []string
	for _, o := range n.Outputs {
		switch o.(type) {
		case core.Established, core.Assigned, core.Withdrawn, core.ChildUp, core.ChildDown:
			names = append(names, strings.TrimPrefix(fmt.Sprintf("%T", o), "core."))
		}
	}
	return strings.Join(names, " ")
}

// mentions tells that a reason has a part in it.
func (tc *test) mentions(who, got, part string) {
	tc.Helper()
	if !strings.Contains(got, part) {
		tc.Errorf("%s says\n\t%s\nwithout\n\t%s", who, got, part)
	}
}

func TestFixedVirtualAddress(t *testing.T) {
	want := netip.MustParseAddr("10.3.0.2")
	tc, _ := virtualTest(t, virtualPair(want))
	tc.up()
	tc.want("the laptop gets the address that it asks for", slices.Equal(tc.left.IKESAs()[0].Assigned.Addresses, []netip.Addr{want}))
	tc.end()
}

// TestVirtualAddressesStayOverRekeying rekeys both SAs from both ends.
func TestVirtualAddressesStayOverRekeying(t *testing.T) {
	tc, leases := virtualTest(t, virtualPair(any4))
	tc.up()
	for _, n := range []*sim.Node{tc.left, tc.right} {
		for _, ike := range []bool{true, false} {
			reason := tc.command(n, func(op uint64) core.Command {
				c := core.Rekey{Op: op, IKE: ike}
				if !ike {
					c.Child = "net"
				}
				return c
			})
			tc.want("the rekeying succeeds", reason == nil)
			tc.w.Run(10 * time.Second)
			tc.same(1)
			tc.want("the address stays", texts(tc.left.Children()[0].LocalTS) == "10.3.0.1/32" && len(tc.right.IKESAs()[0].RemoteVIPs) == 1)
			tc.want("the lease stays", online(leases) == 1)
		}
	}
	tc.end()
	tc.want("and ends once", online(leases) == 0)
}

// TestNoVirtualAddress: the IKE SA is created, the Child SA is not, and both ends say why. RFC 7296 §3.15.4
func TestNoVirtualAddress(t *testing.T) {
	empty := func(_, right *core.Catalog) { right.Connections[0].Pools = nil }
	silent := func(left, _ *core.Catalog) { left.Connections[0].VIPs = nil }
	taken := func(_, right *core.Catalog) { right.Pools[0].Addrs = "10.3.0.9/32" }
	for _, c := range []struct {
		name        string
		options     []pairOption
		taken       bool
		left, right string
	}{
		{"the pool is full", []pairOption{virtualPair(any4), taken}, true,
			`INTERNAL_ADDRESS_FAILURE: the peer has no virtual address for us; give the peer an address pool for "left.example", or remove ` + "`vips` from connection \"site\"",
			`INTERNAL_ADDRESS_FAILURE: no virtual address for the peer "left.example": all 1 addresses of pool p4 (10.3.0.9/32) are in use`},
		{"no pool has the family", []pairOption{virtualPair(any6), func(_, right *core.Catalog) { right.Connections[0].Pools = []string{"p4"} }}, false,
			"INTERNAL_ADDRESS_FAILURE", "no IPv6 address in pools p4"},
		{"the connection has no pools", []pairOption{virtualPair(any4), empty}, false,
			"INTERNAL_ADDRESS_FAILURE", `connection "site" has no pools; add ` + "`pools`"},
		{"the peer does not ask", []pairOption{virtualPair(), silent}, false,
			"FAILED_CP_REQUIRED: the peer refused with FAILED_CP_REQUIRED; add `vips = 0.0.0.0`", `FAILED_CP_REQUIRED: the peer "left.example" asks for no virtual address`},
	} {
		t.Run(c.name, func(t *testing.T) {
			tc, leases := virtualTest(t, c.options...)
			if c.taken {
				_, err := leases.Lease(core.LeaseRequest{Pools: []string{"p4"}, Peer: identity("other"), Requested: any4})
				tc.want("another has the only address", err == nil)
			}
			op := tc.left.Initiate("site", "net", rightAddr)
			tc.w.Run(time.Second)
			tc.mentions("left", tc.done(tc.left, op).Error(), c.left)
			got := failures(tc.right)
			tc.want("the gateway says why, once", len(got) == 1)
			tc.mentions("right", got[0].Error(), c.right)
			tc.want("the IKE SA stays without a Child SA", len(tc.left.IKESAs()) == 1 && len(tc.right.IKESAs()) == 1 && len(tc.right.Children()) == 0)
			if len(tc.left.Catalog.Connections[0].VIPs) > 0 {
				reason := tc.command(tc.left, func(op uint64) core.Command { return core.Initiate{Op: op, Child: tc.config(1)} })
				tc.mentions("left, of another Child SA", reason.Error(), "INTERNAL_ADDRESS_FAILURE: the peer assigned no virtual address")
			}
			tc.end()
		})
	}
}

// TestOneFamilyIsEnough has the gateway lack one of two families.
func TestOneFamilyIsEnough(t *testing.T) {
	tc, _ := virtualTest(t, virtualPair(any6, any4), func(_, right *core.Catalog) { right.Connections[0].Pools = []string{"p4"} })
	tc.up()
	tc.want("the laptop gets what there is", texts(tc.left.Children()[0].LocalTS) == "10.3.0.1/32")
	tc.end()
}

// TestHostileReply has the gateway assign what it must not; the laptop takes none of it.
func TestHostileReply(t *testing.T) {
	four := func(b ...byte) wire.CPAttribute { return wire.CPAttribute{Type: wire.InternalIP4Address, Value: b} }
	for _, c := range []struct {
		name  string
		reply []wire.CPAttribute
		want  string
	}{
		{"nothing", nil, "the peer assigned no virtual address"},
		{"loopback", []wire.CPAttribute{four(127, 0, 0, 1)}, "the peer assigned no virtual address"},
		{"multicast", []wire.CPAttribute{four(224, 0, 0, 1)}, "the peer assigned no virtual address"},
		{"broadcast", []wire.CPAttribute{four(255, 255, 255, 255)}, "the peer assigned no virtual address"},
		{"no address", []wire.CPAttribute{four(0, 0, 0, 0)}, "the peer assigned no virtual address"},
		{"three octets", []wire.CPAttribute{four(10, 3, 0)}, "the peer assigned no virtual address"},
		{"an IPv6 address in an IPv4 attribute", []wire.CPAttribute{four(make([]byte, 16)...)}, "the peer assigned no virtual address"},
		{"the family that was not asked for", []wire.CPAttribute{{Type: wire.InternalIP6Address, Value: append(netip.MustParseAddr("fd00:3::1").AsSlice(), 64)}},
			"the peer assigned no virtual address"},
		{"another address than the selectors'", []wire.CPAttribute{four(10, 3, 0, 77)},
			"the peer's traffic selectors have no place for the virtual address 10.3.0.77 that it assigned"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tc, _ := virtualTest(t, virtualPair(any4))
			tc.meddle(func(msg *wire.Message) bool {
				if cp := wire.First[*wire.CP](msg); cp != nil && msg.IsResponse() {
					cp.Attributes = c.reply
					return true
				}
				return false
			})
			op := tc.left.Initiate("site", "net", rightAddr)
			tc.w.Run(time.Second)
			tc.mentions("left", tc.done(tc.left, op).Error(), c.want)
			tc.want("no Child SA is left on either side", len(tc.left.Children()) == 0 && len(tc.right.Children()) == 0)
			tc.end()
		})
	}
}

// TestReplyIsBounded has the gateway send much, and names that are none.
func TestReplyIsBounded(t *testing.T) {
	tc, _ := virtualTest(t, virtualPair(any4))
	tc.meddle(func(msg *wire.Message) bool {
		cp := wire.First[*wire.CP](msg)
		if cp == nil || !msg.IsResponse() {
			return false
		}
		for i := range 30 {
			cp.Attributes = append(cp.Attributes, wire.CPAttribute{Type: wire.InternalIP4DNS, Value: []byte{10, 2, 1, byte(i + 1)}},
				wire.CPAttribute{Type: wire.InternalIP4Address, Value: []byte{10, 3, 1, byte(i + 1)}})
		}
		for i := range 40 {
			cp.Attributes = append(cp.Attributes, wire.CPAttribute{Type: wire.InternalIP4Subnet, Value: []byte{10, byte(i), 0, 0, 255, 255, 0, 0}})
		}
		for _, mask := range [][]byte{{255, 0, 255, 0}, {255}, {}} {
			cp.Attributes = append([]wire.CPAttribute{{Type: wire.InternalIP4Subnet, Value: append([]byte{192, 0, 2, 0}, mask...)}}, cp.Attributes...)
		}
		for _, name := range []string{"", ".", "two words", "a\nnameserver 6.6.6.6", "-x.example", "x..example", strings.Repeat("a", 64) + ".example", strings.Repeat("a.", 127) + "aa", "Fine.Example."} {
			cp.Attributes = append(cp.Attributes, wire.CPAttribute{Type: wire.InternalDNSDomain, Value: []byte(name)})
		}
		return true
	})
	tc.up()
	got := tc.left.IKESAs()[0].Assigned
	tc.want("one address is taken, the one that was asked for", fmt.Sprint(got.Addresses) == "[10.3.0.1]")
	tc.want("eight name servers are taken", len(got.DNS) == 8)
	tc.want("32 networks are noted, and none that is no network", len(got.Subnets) == 32 && !strings.Contains(fmt.Sprint(got.Subnets), "192.0.2"))
	tc.want("only host names are taken for domains", fmt.Sprint(got.Domains) == "[corp.example fine.example]")
	tc.end()
}

// TestHostileRequest has the laptop ask for more than a laptop needs.
func TestHostileRequest(t *testing.T) {
	tc, leases := virtualTest(t, virtualPair(any4), func(_, right *core.Catalog) { right.Pools[0].Addrs = "10.3.0.0/24" })
	tc.meddle(func(msg *wire.Message) bool {
		cp := wire.First[*wire.CP](msg)
		if cp == nil || msg.IsResponse() {
			return false
		}
		for range wire.MaxCPAttributes - len(cp.Attributes) {
			cp.Attributes = append(cp.Attributes, wire.CPAttribute{Type: wire.InternalIP4Address})
		}
		return true
	})
	tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(time.Second)
	tc.want("one peer gets four addresses at most", online(leases) == 4)
	seen := map[netip.Addr]bool{}
	for _, a := range tc.right.IKESAs()[0].RemoteVIPs {
		seen[a] = true
	}
	tc.want("and they differ", len(seen) == 4)
	tc.end()
	tc.want("and come back", online(leases) == 0)
}

// TestHostileConfiguration sends nonsense in place of the Configuration payloads.
func TestHostileConfiguration(t *testing.T) {
	seeds(t, 100, func(t *testing.T, seed uint64) {
		tc := seeded(t, seed, sim.Faults{Min: time.Millisecond, Max: 30 * time.Millisecond}, virtualPair(any4, any6))
		leases := lease(t, tc.right)
		r := rand.New(rand.NewPCG(seed, 7))
		tc.meddle(func(msg *wire.Message) bool {
			cp := wire.First[*wire.CP](msg)
			if cp == nil {
				return false
			}
			cp.CFGType = wire.CFGType(r.IntN(6))
			for range r.IntN(wire.MaxCPAttributes - len(cp.Attributes)) {
				value := make([]byte, []int{0, 1, 4, 8, 16, 17, 300}[r.IntN(7)])
				for i := range value {
					value[i] = byte(r.Uint32())
				}
				cp.Attributes = append(cp.Attributes, wire.CPAttribute{Type: wire.CPType(r.IntN(30)), Value: value})
			}
			return true
		})
		op := tc.left.Initiate("site", "net", rightAddr)
		tc.w.Run(10 * time.Minute)
		_, done := tc.left.Done[op]
		tc.want("the operation is done", done)
		tc.end()
		tc.want("no lease is left", online(leases) == 0)
	})
}

// TestManyClients leases from a network of 254 addresses to 200 peers at once.
func TestManyClients(t *testing.T) {
	const clients = 200
	_, right := catalog("", "", "10.1.0.0/24", "10.2.0.0/24"), catalog("right.example", "%any", "10.2.0.0/24", "dynamic")
	right.Pools = []*core.Pool{{Name: "p", Addrs: "10.3.0.0/24"}}
	right.Connections[0].Pools = []string{"p"}
	right.Secrets[0].Owners = nil
	w := sim.New(1, sim.Faults{Min: time.Millisecond, Max: 20 * time.Millisecond})
	gateway := w.Node("right", rightAddr, right)
	leases := lease(t, gateway)
	var all []*sim.Node
	for i := range clients {
		c := catalog(fmt.Sprintf("user%d.example", i), "right.example", "dynamic", "10.2.0.0/24")
		c.Connections[0].VIPs = []netip.Addr{any4}
		n := w.Node(fmt.Sprintf("user%d", i), netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), c)
		all = append(all, n)
		n.Initiate("site", "net", rightAddr)
	}
	w.Run(5 * time.Second)
	seen := map[netip.Addr]bool{}
	for _, n := range all {
		if children := n.Children(); len(children) == 1 {
			seen[children[0].LocalTS[0].Start] = true
		}
	}
	if len(seen) != clients || online(leases) != clients {
		t.Errorf("%d clients have %d distinct addresses, and %d are leased", clients, len(seen), online(leases))
	}
	for _, v := range w.Violations {
		t.Errorf("contract: %s", v)
	}
}

// TestAuthLifetime has the gateway want the laptop to reauthenticate. RFC 4478
func TestAuthLifetime(t *testing.T) {
	reauth := func(_, right *core.Catalog) {
		right.Connections[0].ReauthTime, right.Connections[0].OverTime = time.Hour, 6*time.Minute
	}
	tc, _ := virtualTest(t, virtualPair(any4), reauth)
	tc.up()
	left := tc.left.IKESAs()[0]
	tc.want("the laptop plans it for a tenth before the hour is over", left.ReauthAt.Sub(left.Established).Round(time.Minute) == 54*time.Minute)
	tc.command(tc.left, func(op uint64) core.Command { return core.Rekey{Op: op, IKE: true} })
	tc.want("a rekeying of the IKE SA does not put it off", tc.left.IKESAs()[0].ReauthAt.Equal(left.ReauthAt))
	tc.w.Run(55 * time.Minute)
	tc.want("the laptop's driver is told", len(sim.Told[core.ReauthDue](tc.left)) == 1)
	tc.w.Run(10 * time.Minute)
	tc.want("the gateway's is not: it cannot call", len(sim.Told[core.ReauthDue](tc.right)) == 0)
	tc.w.Run(10 * time.Minute)
	tc.want("and ends the IKE SA when the laptop does nothing", len(tc.right.IKESAs()) == 0)
}

// TestHostileAuthLifetime has the gateway ask for reauthentication at once, again and again.
func TestHostileAuthLifetime(t *testing.T) {
	tc := newTest(t, sim.Faults{})
	tc.meddle(func(msg *wire.Message) bool {
		if msg.Exchange != header.IKEAuth || !msg.IsResponse() {
			return false
		}
		msg.Payloads = append(msg.Payloads, &wire.Notify{NotifyType: wire.AuthLifetime, Data: []byte{0, 0, 0, 0}})
		return true
	})
	tc.up()
	left := tc.left.IKESAs()[0]
	tc.want("it is not sooner than in ten seconds", left.ReauthAt.Sub(left.Established) >= 10*time.Second)
	tc.end()
}

// TestRecordedLeases replays a gateway's run with its answers of the pools.
func TestRecordedLeases(t *testing.T) {
	tc, _ := virtualTest(t, virtualPair(any4, any6))
	tc.right.Record = true
	tc.up()
	tc.end()
	for _, l := range tc.right.All() {
		if _, err := sim.Replay(l.Recording, tc.right.Catalog); err != nil {
			t.Error(err)
		}
	}
}
