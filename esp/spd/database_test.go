package spd

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/goswan/goswan/tun/packet"
)

func policy(name string, action Action, local, remote string) *Policy {
	return &Policy{Name: name, Action: action, LocalTS: selectors(local), RemoteTS: selectors(remote)}
}

func tcp(src, dst string, sport, dport uint16) *packet.Flow {
	return &packet.Flow{
		Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst), Protocol: packet.ProtoTCP,
		SrcPort: sport, DstPort: dport, Ports: packet.PortsPair,
	}
}

// want checks the name of the policy that matches; "" is none.
func want(t *testing.T, d *Database, why string, f *packet.Flow, name string) {
	t.Helper()
	got := ""
	if p := d.Load().Match(f); p != nil {
		got = p.Name
	}
	if got != name {
		t.Errorf("%s: %v:%d → %v:%d matches %q, want %q", why, f.Src, f.SrcPort, f.Dst, f.DstPort, got, name)
	}
}

func TestMatchOrder(t *testing.T) {
	d := NewDatabase()
	flow := tcp("10.1.0.1", "10.2.0.1", 1000, 80)
	want(t, d, "no policy", flow, "")
	net := policy("net", Protect, "10.1.0.0/16", "10.2.0.0/16")
	d.Change(nil, []*Policy{net, policy("drop", Drop, "0.0.0.0/0", "10.2.0.0/16"), policy("trap", Trap, "10.1.0.0/16", "10.2.0.1")})
	want(t, d, "an SA comes before a trap and a drop policy, whatever is more specific", flow, "net")
	want(t, d, "what no other policy takes is dropped", tcp("10.9.0.1", "10.2.0.1", 1, 1), "drop")
	want(t, d, "a destination under no prefix", tcp("10.1.0.1", "10.3.0.1", 1, 1), "")
	d.Change(nil, []*Policy{policy("host", Protect, "10.1.0.0/16", "10.2.0.1")})
	want(t, d, "the longer prefix wins", flow, "host")
	d.Change(nil, []*Policy{policy("web", Protect, "10.1.0.0/16", "10.2.0.1[tcp/80]")})
	want(t, d, "a port wins over none", flow, "web")
	want(t, d, "another port goes where it went", tcp("10.1.0.1", "10.2.0.1", 1000, 81), "host")
	d.Change(nil, []*Policy{policy("pass", Bypass, "0.0.0.0/0", "0.0.0.0/0")})
	want(t, d, "bypass comes first", flow, "pass")
	urgent := policy("urgent", Drop, "0.0.0.0/0", "0.0.0.0/0")
	urgent.Priority = 5
	d.Change(nil, []*Policy{urgent})
	want(t, d, "a configured priority stands above computed ones", flow, "urgent")
	d.Change(d.Load().All(), []*Policy{net})
	want(t, d, "after all others are gone", flow, "net")
	d.Change([]*Policy{net}, nil)
	want(t, d, "after all are gone", flow, "")
}

func TestNewerWinsOfEqualPolicies(t *testing.T) {
	d := NewDatabase()
	old, next := policy("old", Protect, "10.1.0.0/16", "10.2.0.0/16"), policy("new", Protect, "10.1.0.0/16", "10.2.0.0/16")
	flow := tcp("10.1.0.1", "10.2.0.1", 1, 1)
	d.Change(nil, []*Policy{old})
	d.Change(nil, []*Policy{next})
	want(t, d, "two equal policies", flow, "new")
	d.Change([]*Policy{next}, nil)
	want(t, d, "the newer one is gone", flow, "old")
	d.Change([]*Policy{next}, nil)
	want(t, d, "removing what is not there", flow, "old")
}

func TestSnapshotIsImmutable(t *testing.T) {
	d := NewDatabase()
	p := policy("p", Protect, "10.1.0.0/16", "10.2.0.0/16")
	flow := tcp("10.1.0.1", "10.2.0.1", 1, 1)
	before := d.Load()
	d.Change(nil, []*Policy{p})
	with := d.Load()
	d.Change([]*Policy{p}, nil)
	if before.Match(flow) != nil || with.Match(flow) != p || d.Load().Match(flow) != nil {
		t.Error("a snapshot changed with the database")
	}
}

func TestSeveralSelectors(t *testing.T) {
	d := NewDatabase()
	p := &Policy{Name: "p", Action: Protect, LocalTS: selectors("10.1.0.0/16", "fd01::/16"), RemoteTS: selectors("10.2.0.5-10.2.0.9", "10.4.0.0/16", "fd02::/16")}
	d.Change(nil, []*Policy{p})
	want(t, d, "within the range", tcp("10.1.0.1", "10.2.0.7", 1, 1), "p")
	want(t, d, "beside the range, under its prefix", tcp("10.1.0.1", "10.2.0.10", 1, 1), "")
	want(t, d, "the second remote selector", tcp("10.1.0.1", "10.4.0.1", 1, 1), "p")
	want(t, d, "the other family", tcp("fd01::1", "fd02::1", 1, 1), "p")
	want(t, d, "a source outside", tcp("10.3.0.1", "10.4.0.1", 1, 1), "")
	d.Change([]*Policy{p}, nil)
	if n := len(d.Load().All()); n != 0 {
		t.Errorf("%d policies are left of a removed one", n)
	}
}

// TestMatchAgainstScan compares with looking at each pair of selectors of each policy, with selectors of all sorts and with
// such that are much alike.
func TestMatchAgainstScan(t *testing.T) {
	for _, tt := range []struct {
		name     string
		selector func(*rand.Rand) TrafficSelector
	}{{"all sorts", randomSelector}, {"alike", alike}} {
		t.Run(tt.name, func(t *testing.T) { againstScan(t, tt.selector) })
	}
}

func againstScan(t *testing.T, selector func(*rand.Rand) TrafficSelector) {
	r := rand.New(rand.NewPCG(5, 6))
	d := NewDatabase()
	var cache Cache
	var all []*Policy
	hits := 0
	for i := range 500 {
		p := &Policy{Name: fmt.Sprint(i), Action: Action(r.IntN(4))}
		for range 1 + r.IntN(2) {
			p.LocalTS = append(p.LocalTS, selector(r))
			p.RemoteTS = append(p.RemoteTS, selector(r))
		}
		if r.IntN(4) == 0 {
			p.Priority = uint32(r.IntN(900000)) + 1
		}
		d.Change(nil, []*Policy{p})
		all = append(all, p)
		if i%5 == 4 || i > 400 {
			k := r.IntN(len(all))
			d.Change([]*Policy{all[k]}, nil)
			all = append(all[:k:k], all[k+1:]...)
		}
		for range 50 {
			f := randomFlow(r)
			got, again, want := d.Load().Match(&f), cache.Match(d.Load(), &f), scan(all, &f)
			if got != want || again != want {
				t.Fatalf("%+v matches %+v, through the cache %+v, want %+v", f, got, again, want)
			}
			if want != nil {
				hits++
			}
		}
	}
	if deep := d.Load().root.depth(); deep != int(fields) || hits < 1000 {
		t.Errorf("the index is %d fields deep and %d packets matched: the test does not test", deep, hits)
	}
	if n := len(d.Load().All()); n != len(all) {
		t.Errorf("the snapshot lists %d policies of %d", n, len(all))
	}
	d.Change(all, nil)
	if root := d.Load().root; root.table.Size() != 0 {
		t.Errorf("after all policies are gone %d prefixes are left", root.table.Size())
	}
}

// depth is the greatest number of fields that a packet is told apart by.
func (n *node) depth() int {
	if n.table == nil {
		return 0
	}
	deepest := 0
	for _, child := range n.table.All() {
		deepest = max(deepest, child.depth())
	}
	return 1 + deepest
}

// alike is a random selector of few addresses, protocols and ports, which many other ones have too.
func alike(r *rand.Rand) TrafficSelector {
	ts := TrafficSelector{Protocol: uint8(r.IntN(3)), EndPort: maxPort, Start: randomAddr(r)}
	switch prefix := FromPrefix(netip.PrefixFrom(ts.Start, []int{0, 8, 14, 15, 16}[r.IntN(5)])); r.IntN(3) {
	case 0:
		ts.Start, ts.End = prefix.Start, prefix.End
	case 1:
		ts.Start, ts.End = prefix.Start, prefix.End.Prev()
	default:
		ts.Start, ts.End = FromAddr(ts.Start).Start, FromAddr(ts.Start).End
	}
	switch port := uint16(r.IntN(4)); r.IntN(4) {
	case 0:
		ts.StartPort, ts.EndPort = maxPort, 0
	case 1:
		ts.StartPort, ts.EndPort = port, port
	case 2:
		ts.StartPort, ts.EndPort = port, 3
	}
	return ts
}

// randomFlow is one that randomSelector may select, of one family as all packets are.
func randomFlow(r *rand.Rand) packet.Flow {
	f := packet.Flow{Src: randomAddr(r), Dst: randomAddr(r), Protocol: uint8(r.IntN(3)), Ports: packet.Ports(r.IntN(3))}
	for f.Dst.BitLen() != f.Src.BitLen() {
		f.Dst = randomAddr(r)
	}
	switch f.Ports {
	case packet.PortsPair:
		f.SrcPort, f.DstPort = uint16(r.IntN(4)), uint16(r.IntN(4))
	case packet.PortsType:
		f.SrcPort = uint16(r.IntN(4))
		f.DstPort = f.SrcPort
	}
	return f
}

// scan finds the policy the slow way; all is in the order of insertion.
func scan(all []*Policy, f *packet.Flow) *Policy {
	var best *Policy
	least := uint32(1<<32 - 1)
	for _, p := range all {
		for i := range p.LocalTS {
			for j := range p.RemoteTS {
				l, r := &p.LocalTS[i], &p.RemoteTS[j]
				if o := p.Order(l, r); l.MatchSrc(f) && r.MatchDst(f) && o <= least {
					best, least = p, o
				}
			}
		}
	}
	return best
}

func TestCacheFollowsChanges(t *testing.T) {
	d := NewDatabase()
	var c Cache
	flow := tcp("10.1.0.1", "10.2.0.1", 1, 1)
	for i := range 5 {
		if got := c.Match(d.Load(), flow); got != nil {
			t.Fatalf("round %d: the cache has %v for a removed policy", i, got.Name)
		}
		p := policy("p", Protect, "10.1.0.0/16", "10.2.0.0/16")
		d.Change(nil, []*Policy{p})
		if got := c.Match(d.Load(), flow); got != p {
			t.Fatalf("round %d: the cache has %v, want the policy just inserted", i, got)
		}
		d.Change([]*Policy{p}, nil)
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	for _, l := range layouts {
		d, i := NewDatabase(), 0
		var c Cache
		for i := range 1000 {
			d.Change(nil, []*Policy{l.policy(i)})
		}
		if n := testing.AllocsPerRun(1000, func() {
			f := l.flow(i % 1000)
			if s := d.Load(); s.Match(&f) == nil || c.Match(s, &f) == nil {
				t.Fatalf("%s: flow %d has no policy", l.name, i)
			}
			i++
		}); n != 0 {
			t.Errorf("%s: a match allocates %v times, want 0", l.name, n)
		}
	}
}

// TestManyAlike: each of many policies is found, and the index tells them apart rather than a scan.
func TestManyAlike(t *testing.T) {
	const n = 3000
	for _, l := range layouts {
		d := NewDatabase()
		list := make([]*Policy, n)
		for i := range list {
			list[i] = l.policy(i)
			d.Change(nil, []*Policy{list[i]})
		}
		for i := range list {
			f := l.flow(i)
			if d.Load().Match(&f) != list[i] {
				t.Fatalf("%s: flow %d does not match its policy", l.name, i)
			}
		}
		if longest := d.Load().root.longest(); longest > leafSize {
			t.Errorf("%s: %d entries are looked at one after the other", l.name, longest)
		}
	}
}

// longest is the greatest number of entries in a leaf.
func (n *node) longest() int {
	if n.table == nil {
		return len(n.entries)
	}
	most := 0
	for _, child := range n.table.All() {
		most = max(most, child.longest())
	}
	return most
}

// TestCacheKeepsFlows: a thousand flows that take turns do not drive each other out for long.
func TestCacheKeepsFlows(t *testing.T) {
	const flows = 1000
	d := many(flows)
	s := d.Load()
	var c Cache
	flow := func(i int) packet.Flow {
		return packet.Flow{Src: host(10, 1), Dst: netip.AddrFrom4([4]byte{172, 16, byte(i >> 8), byte(i)})}
	}
	for range 20 {
		for i := range flows {
			f := flow(i)
			if got := c.Match(s, &f); got == nil || got.Reqid != uint32(i) {
				t.Fatalf("flow %d has another one's policy", i)
			}
		}
	}
	missing := 0
	for i := range flows {
		f := flow(i)
		if a, b := c.places(&f); !a.holds(s, &f) && !b.holds(s, &f) {
			missing++
		}
	}
	if missing > flows/100 {
		t.Errorf("%d of %d flows are not remembered", missing, flows)
	}
}

// many is a gateway with a road warrior behind each of n policies.
func many(n int) *Database {
	d := NewDatabase()
	for i := range n {
		a := netip.AddrFrom4([4]byte{172, 16 + byte(i>>16), byte(i >> 8), byte(i)})
		d.Change(nil, []*Policy{{Action: Protect, Reqid: uint32(i), LocalTS: selectors("10.0.0.0/8"), RemoteTS: []TrafficSelector{FromAddr(a)}}})
	}
	return d
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{1, 1000, 50000} {
		d := many(n)
		b.Run(fmt.Sprintf("%d policies", n), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i = (i + 7919) % n
				f := packet.Flow{Src: netip.AddrFrom4([4]byte{10, 0, 0, 1}), Dst: netip.AddrFrom4([4]byte{172, 16 + byte(i>>16), byte(i >> 8), byte(i)})}
				if d.Load().Match(&f) == nil {
					b.Fatal("no policy")
				}
			}
		})
	}
	d := many(1000)
	var c Cache
	b.Run("cached", func(b *testing.B) {
		f := packet.Flow{Src: netip.AddrFrom4([4]byte{10, 0, 0, 1}), Dst: netip.AddrFrom4([4]byte{172, 16, 0, 1})}
		for b.Loop() {
			c.Match(d.Load(), &f)
		}
	})
}

func BenchmarkChange(b *testing.B) {
	d := many(50000)
	p := policy("p", Protect, "10.0.0.0/8", "10.2.0.0/16")
	for b.Loop() {
		d.Change(nil, []*Policy{p})
		d.Change([]*Policy{p}, nil)
	}
}
