package spd

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/goswan/goswan/tun/packet"
)

func TestParseAndString(t *testing.T) {
	for _, tt := range []struct{ in, out string }{
		{"10.1.0.0/16", "10.1.0.0/16"},
		{"10.1.2.3/16", "10.1.0.0/16"},
		{" 10.1.2.3 ", "10.1.2.3/32"},
		{"fd00::1", "fd00::1/128"},
		{"::/0", "::/0"},
		{"0.0.0.0/0[udp]", "0.0.0.0/0[udp]"},
		{"10.1.0.0/16[tcp/80]", "10.1.0.0/16[tcp/80]"},
		{"10.1.0.0/16[6/80]", "10.1.0.0/16[tcp/80]"},
		{"10.1.0.0/16[tcp/http]", "10.1.0.0/16[tcp/80]"},
		{"10.1.0.0/16[TCP/1000-2000]", "10.1.0.0/16[tcp/1000-2000]"},
		{"10.1.0.0/16[tcp/%any]", "10.1.0.0/16[tcp]"},
		{"10.1.0.0/16[%any/%any]", "10.1.0.0/16"},
		{"10.1.0.0/16[/53]", "10.1.0.0/16[0/53]"},
		{"10.1.0.0/16[udp/opaque]", "10.1.0.0/16[udp/OPAQUE]"},
		{"10.1.0.0/16[132/5]", "10.1.0.0/16[sctp/5]"},
		{"10.1.0.0/16[200]", "10.1.0.0/16[200]"},
		{"10.1.0.5-10.1.0.9", "10.1.0.5..10.1.0.9"},
		{"10.1.0.5..10.1.0.9[icmp/8]", "10.1.0.5..10.1.0.9[icmp/8]"},
		{"10.1.0.4-10.1.0.7", "10.1.0.4/30"},
		{"10.0.0.0/8[icmp/2048]", "10.0.0.0/8[icmp/8(0)]"},
		{"10.0.0.0/8[icmp/3(4)]", "10.0.0.0/8[icmp/3(4)]"},
		{"10.0.0.0/8[icmp/3(1)-3(4)]", "10.0.0.0/8[icmp/3(1)-3(4)]"},
		{"fd00::/8[icmpv6/128-129]", "fd00::/8[ipv6-icmp/128-129]"},
		{"::ffff:10.0.0.1", "10.0.0.1/32"},
	} {
		ts, dynamic, err := Parse(tt.in)
		if err != nil || dynamic || !ts.Valid() {
			t.Errorf("Parse(%q) = %+v, %v, %v, want a valid selector", tt.in, ts, dynamic, err)
			continue
		}
		if got := ts.String(); got != tt.out {
			t.Errorf("Parse(%q) prints as %q, want %q", tt.in, got, tt.out)
		}
		if back := MustParse(ts.String()); back != ts {
			t.Errorf("%q does not parse back: %+v, want %+v", ts, back, ts)
		}
	}
}

func TestParseDynamic(t *testing.T) {
	ts, dynamic, err := Parse("dynamic[tcp/22]")
	if err != nil || !dynamic || ts.Valid() {
		t.Fatalf("Parse(dynamic[tcp/22]) = %+v, %v, %v, want a dynamic selector without addresses", ts, dynamic, err)
	}
	if got := ts.String(); got != "dynamic[tcp/22]" {
		t.Errorf("a dynamic selector prints as %q", got)
	}
	got := ts.WithAddr(netip.MustParseAddr("192.0.2.7"))
	if want := MustParse("192.0.2.7[tcp/22]"); got != want {
		t.Errorf("dynamic at 192.0.2.7 is %v, want %v", got, want)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, in := range []string{
		"", "10.1.0.0/33", "10.1.0.0/-1", "fd00::/129", "10.1.0.0/", "10.1.0.0/16[tcp/80", "10.1.0.0/16]", "10.1.0.0/16[tcp/80]x",
		"10.1.0.9-10.1.0.5", "10.1.0.1-fd00::1", "fe80::1%eth0", "10.1.0.0/16[nosuch]", "10.1.0.0/16[256]", "10.1.0.0/16[tcp/65536]",
		"10.1.0.0/16[tcp/90-80]", "10.1.0.0/16[icmp/3(256)]", "10.1.0.0/16[icmp/3(4]", "10.1.0.0/16[tcp/3(4)]", "dynamics", "moon.example.org",
		"10.1.0.0/16[tcp/no-such-service-name]", "10.1.0.0/16[icmp/echo]", "-", "..", "10.0.0.1-", "[tcp]",
	} {
		if ts, dynamic, err := Parse(in); err == nil {
			t.Errorf("Parse(%q) = %v (dynamic %v), want an error", in, ts, dynamic)
		}
	}
}

func FuzzSelectorParse(f *testing.F) {
	for _, seed := range []string{
		"10.1.0.0/16[tcp/80]", "10.1.0.5..10.1.0.9", "dynamic[udp/1-2]", "::/0[ipv6-icmp/1(2)-3(4)]", "0.0.0.0/0[/opaque]",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ts, dynamic, err := Parse(text)
		if err != nil {
			return
		}
		if !dynamic && !ts.Valid() {
			t.Fatalf("Parse(%q) gave an invalid selector %+v without an error", text, ts)
		}
		back, again, err := Parse(ts.String())
		if err != nil || back != ts || again != dynamic {
			t.Fatalf("Parse(%q) prints as %q, which reads as %+v, %v", text, ts, back, err)
		}
	})
}

func TestPrefixes(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want string
	}{
		{"10.1.0.0/16", "10.1.0.0/16"},
		{"0.0.0.0-255.255.255.255", "0.0.0.0/0"},
		{"10.0.0.1-10.0.0.6", "10.0.0.1/32 10.0.0.2/31 10.0.0.4/31 10.0.0.6/32"},
		{"255.255.255.254-255.255.255.255", "255.255.255.254/31"},
		{"0.0.0.0-0.0.0.2", "0.0.0.0/31 0.0.0.2/32"},
		{"fd00::-fd00::3:ffff", "fd00::/110"},
		{"::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"},
	} {
		var got string
		for i, p := range MustParse(tt.in).Prefixes() {
			if i > 0 {
				got += " "
			}
			got += p.String()
		}
		if got != tt.want {
			t.Errorf("%s is the prefixes %s, want %s", tt.in, got, tt.want)
		}
	}
	worst := MustParse("0.0.0.1-255.255.255.254").Prefixes()
	if len(worst) != 62 {
		t.Errorf("the worst IPv4 range takes %d prefixes, want 62", len(worst))
	}
	if got := (TrafficSelector{}).Prefixes(); got != nil {
		t.Errorf("the zero selector has the prefixes %v, want none", got)
	}
}

// TestPrefixesCoverExactly adds up random ranges: the prefixes touch each other and begin and end where the range does.
func TestPrefixesCoverExactly(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		a, b := randomAddr(r), randomAddr(r)
		if a.BitLen() != b.BitLen() {
			continue
		}
		if b.Less(a) {
			a, b = b, a
		}
		at := a
		list := TrafficSelector{EndPort: maxPort, Start: a, End: b}.Prefixes()
		for i, p := range list {
			if p.Masked().Addr() != at {
				t.Fatalf("%v-%v: prefix %d is %v, want one that begins at %v", a, b, i, p, at)
			}
			at = lastAddr(p).Next()
		}
		if lastAddr(list[len(list)-1]) != b {
			t.Fatalf("%v-%v: the prefixes %v end elsewhere", a, b, list)
		}
	}
}

func randomAddr(r *rand.Rand) netip.Addr {
	if r.IntN(2) == 0 {
		return netip.AddrFrom4([4]byte{10, byte(r.IntN(4)), byte(r.IntN(256)), byte(r.IntN(256))})
	}
	return netip.AddrFrom16([16]byte{0xfd, 14: byte(r.IntN(256)), 15: byte(r.IntN(256))})
}

func TestFromPrefix(t *testing.T) {
	if got, want := FromPrefix(netip.MustParsePrefix("10.1.2.3/16")), MustParse("10.1.0.0/16"); got != want {
		t.Errorf("FromPrefix(10.1.2.3/16) = %v, want %v", got, want)
	}
	if got := FromPrefix(netip.Prefix{}); got != (TrafficSelector{}) || got.Valid() {
		t.Errorf("FromPrefix of no prefix = %v, want the zero selector", got)
	}
	if got, want := FromAddr(netip.MustParseAddr("fe80::1%eth0")), MustParse("fe80::1"); got != want {
		t.Errorf("FromAddr(fe80::1%%eth0) = %v, want %v", got, want)
	}
}

func TestIntersect(t *testing.T) {
	for _, tt := range []struct{ a, b, want string }{
		{"10.0.0.0/8", "10.1.0.0/16", "10.1.0.0/16"},
		{"10.0.0.0/8", "11.0.0.0/8", ""},
		{"10.0.0.0/8", "fd00::/8", ""},
		{"10.0.0.0/8[tcp]", "10.1.0.0/16", "10.1.0.0/16[tcp]"},
		{"10.0.0.0/8[tcp]", "10.1.0.0/16[udp]", ""},
		{"10.0.0.0/8[tcp/80-90]", "10.1.0.0/16[/85-100]", "10.1.0.0/16[tcp/85-90]"},
		{"10.0.0.0/8[tcp/80]", "10.1.0.0/16[tcp/81]", ""},
		{"10.0.0.0/8[tcp/opaque]", "10.1.0.0/16", "10.1.0.0/16[tcp/opaque]"},
		{"10.0.0.0/8[tcp/opaque]", "10.1.0.0/16[tcp/opaque]", "10.1.0.0/16[tcp/opaque]"},
		{"10.0.0.0/8[tcp/opaque]", "10.1.0.0/16[tcp/0-10]", ""},
		{"10.0.0.0/8[tcp/opaque]", "10.1.0.0/16[tcp/65535]", ""},
		{"10.0.0.5-10.0.0.20", "10.0.0.10-10.0.0.30", "10.0.0.10-10.0.0.20"},
		{"10.0.0.5-10.0.0.20", "10.0.0.21-10.0.0.30", ""},
	} {
		for _, pair := range [][2]string{{tt.a, tt.b}, {tt.b, tt.a}} {
			got, ok := MustParse(pair[0]).Intersect(MustParse(pair[1]))
			if ok != (tt.want != "") || ok && got != MustParse(tt.want) {
				t.Errorf("%s ∩ %s = %v, %v, want %q", pair[0], pair[1], got, ok, tt.want)
			}
		}
	}
	if _, ok := (TrafficSelector{}).Intersect(MustParse("0.0.0.0/0")); ok {
		t.Error("the zero selector intersects with something")
	}
}

func selectors(texts ...string) []TrafficSelector {
	var list []TrafficSelector
	for _, s := range texts {
		list = append(list, MustParse(s))
	}
	return list
}

func TestNarrow(t *testing.T) {
	for _, tt := range []struct {
		name                string
		offered, ours, want []TrafficSelector
	}{
		{"all of it", selectors("10.0.0.0/8"), selectors("10.0.0.0/8"), selectors("10.0.0.0/8")},
		{"the peer offers more", selectors("0.0.0.0/0"), selectors("10.1.0.0/16", "10.2.0.0/16"), selectors("10.1.0.0/16", "10.2.0.0/16")},
		{"we accept more", selectors("10.1.0.0/16[tcp/80]"), selectors("0.0.0.0/0"), selectors("10.1.0.0/16[tcp/80]")},
		{"the packet's selector is covered by the next", selectors("10.1.0.5[tcp/80]", "10.1.0.0/16"), selectors("10.0.0.0/8"), selectors("10.1.0.0/16")},
		{"the packet's selector stays first", selectors("10.1.0.5[tcp/80]", "10.2.0.0/16"), selectors("10.0.0.0/8"), selectors("10.1.0.5[tcp/80]", "10.2.0.0/16")},
		{"families apart", selectors("0.0.0.0/0", "::/0"), selectors("fd00::/8"), selectors("fd00::/8")},
		{"nothing", selectors("10.1.0.0/16"), selectors("10.2.0.0/16"), nil},
		{"nothing offered", nil, selectors("10.2.0.0/16"), nil},
		{"the same twice", selectors("10.1.0.0/16", "10.1.0.0/16"), selectors("10.0.0.0/8"), selectors("10.1.0.0/16")},
		{"a later one covers two", selectors("10.1.0.0/24", "10.3.0.0/24", "10.1.1.0/24", "10.1.0.0/16"), selectors("10.0.0.0/8"), selectors("10.1.0.0/16", "10.3.0.0/24")},
	} {
		if got := Narrow(tt.offered, tt.ours); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v narrowed to %v is %v, want %v", tt.name, tt.offered, tt.ours, got, tt.want)
		}
	}
}

func TestNarrowIsBounded(t *testing.T) {
	var offered, ours []TrafficSelector
	for i := range 255 {
		offered = append(offered, TrafficSelector{StartPort: uint16(i), EndPort: uint16(i), Start: netip.MustParseAddr("0.0.0.0"), End: netip.MustParseAddr("255.255.255.255")})
		a := netip.AddrFrom4([4]byte{10, 0, byte(i), 1})
		ours = append(ours, FromAddr(a))
	}
	if got := Narrow(offered, ours); len(got) != MaxSelectors {
		t.Errorf("255 × 255 disjoint selectors narrow to %d, want %d", len(got), MaxSelectors)
	}
}

func TestCovers(t *testing.T) {
	outer := selectors("10.0.0.0/8[tcp]", "fd00::/8")
	if !Covers(outer, selectors("10.1.0.0/16[tcp/80]", "fd00::1")) {
		t.Error("a narrowing is not covered")
	}
	if Covers(outer, selectors("10.1.0.0/16[tcp/80]", "10.1.0.0/16")) {
		t.Error("a widening is covered")
	}
	if Covers(outer, nil) {
		t.Error("nothing is covered, want refused")
	}
}

// TestMatch looks at single packets at each end.
func TestMatch(t *testing.T) {
	a, b := netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("10.2.0.1")
	pair := packet.Flow{Src: a, Dst: b, Protocol: packet.ProtoTCP, SrcPort: 1000, DstPort: 80, Ports: packet.PortsPair}
	opaque := packet.Flow{Src: a, Dst: b, Protocol: packet.ProtoTCP}
	echo := packet.Flow{Src: a, Dst: b, Protocol: packet.ProtoICMP, SrcPort: 0x0800, DstPort: 0x0800, Ports: packet.PortsType}
	for _, tt := range []struct {
		name     string
		ts       string
		flow     packet.Flow
		src, dst bool
	}{
		{"everything", "0.0.0.0/0", pair, true, true},
		{"the other family", "::/0", pair, false, false},
		{"the source's network", "10.1.0.0/16", pair, true, false},
		{"the destination's port", "0.0.0.0/0[tcp/80]", pair, false, true},
		{"a port range", "0.0.0.0/0[tcp/1000-1001]", pair, true, false},
		{"another protocol", "0.0.0.0/0[udp]", pair, false, false},
		{"a protocol without ports seen", "0.0.0.0/0[tcp]", opaque, true, true},
		{"a port that cannot be seen", "0.0.0.0/0[tcp/80]", opaque, false, false},
		{"OPAQUE takes what has no ports", "0.0.0.0/0[tcp/opaque]", opaque, true, true},
		{"OPAQUE takes nothing with ports", "0.0.0.0/0[tcp/opaque]", pair, false, false},
		{"an ICMP type, at either end", "0.0.0.0/0[icmp/8]", echo, true, true},
		{"another ICMP type", "0.0.0.0/0[icmp/0]", echo, false, false},
		{"ICMP towards an end that sends none", "0.0.0.0/0[icmp/opaque]", echo, false, true},
	} {
		ts := MustParse(tt.ts)
		if src, dst := ts.MatchSrc(&tt.flow), ts.MatchDst(&tt.flow); src != tt.src || dst != tt.dst {
			t.Errorf("%s: %s as source %v, as destination %v, want %v and %v", tt.name, tt.ts, src, dst, tt.src, tt.dst)
		}
	}
}

func TestFromFlow(t *testing.T) {
	for _, tt := range []struct {
		flow     packet.Flow
		src, dst string
	}{
		{packet.Flow{Protocol: packet.ProtoTCP, SrcPort: 1000, DstPort: 80, Ports: packet.PortsPair}, "10.1.0.1[tcp/1000]", "10.2.0.1[tcp/80]"},
		{packet.Flow{Protocol: packet.ProtoICMP, SrcPort: 0x800, DstPort: 0x800, Ports: packet.PortsType}, "10.1.0.1[icmp/8(0)]", "10.2.0.1[icmp/8(0)]"},
		{packet.Flow{Protocol: 47}, "10.1.0.1[gre]", "10.2.0.1[gre]"},
	} {
		tt.flow.Src, tt.flow.Dst = netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("10.2.0.1")
		src, dst := FromFlow(&tt.flow)
		if src != MustParse(tt.src) || dst != MustParse(tt.dst) {
			t.Errorf("%+v is %v and %v, want %s and %s", tt.flow, src, dst, tt.src, tt.dst)
		}
		if !src.MatchSrc(&tt.flow) || !dst.MatchDst(&tt.flow) {
			t.Errorf("%v and %v do not match the packet they were made of", src, dst)
		}
	}
}

// TestSubsetMeansMatch: what a subset matches, the superset matches, over random selectors and packets.
func TestSubsetMeansMatch(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	found := 0
	for range 50000 {
		x, y := randomSelector(r), randomSelector(r)
		f := packet.Flow{Src: randomAddr(r), Protocol: uint8(r.IntN(3)), Ports: packet.Ports(r.IntN(3))}
		if f.Ports != packet.PortsOpaque {
			f.SrcPort = uint16(r.IntN(4))
		}
		both, ok := x.Intersect(y)
		if got, want := ok && both.MatchSrc(&f), x.MatchSrc(&f) && y.MatchSrc(&f); got != want {
			t.Fatalf("%v ∩ %v = %v, %v: matches %+v is %v, want %v", x, y, both, ok, f, got, want)
		}
		if got, want := x.Subset(y), ok && both == x; got != want {
			t.Fatalf("%v is a subset of %v: %v, want %v: both is %v", x, y, got, want, both)
		}
		if x.Subset(y) && x.MatchSrc(&f) {
			found++
			if !y.MatchSrc(&f) {
				t.Fatalf("%v is a subset of %v but matches more: %+v", x, y, f)
			}
		}
	}
	if found == 0 {
		t.Error("no case was found: the test does not test")
	}
}

func randomSelector(r *rand.Rand) TrafficSelector {
	for {
		ts := TrafficSelector{Protocol: uint8(r.IntN(3)), Start: randomAddr(r), End: randomAddr(r)}
		switch r.IntN(3) {
		case 0:
			ts.EndPort = maxPort
		case 1:
			ts.StartPort = maxPort
		default:
			ts.StartPort, ts.EndPort = uint16(r.IntN(3)), uint16(r.IntN(4))
		}
		if ts.Valid() {
			return ts
		}
	}
}
