package sad

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"testing"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/tun/packet"
)

var (
	alice = netip.MustParseAddrPort("192.0.2.1:4500")
	bob   = netip.MustParseAddrPort("192.0.2.2:4500")
)

func pair(spi esp.SPI, reqid uint32, from, to string) esptest.Pair {
	return esptest.Pair{SPI: spi, Reqid: reqid, From: alice, To: bob, FromTS: []string{from}, ToTS: []string{to}}
}

func inbound(t testing.TB, spi esp.SPI) *esp.Inbound {
	t.Helper()
	_, p := pair(spi, 1, "10.1.0.0/16", "10.2.0.0/16").Params()
	in, err := esp.NewInbound(p)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func outbound(t testing.TB, p esptest.Pair) *esp.Outbound {
	t.Helper()
	out, _ := p.Params()
	o, err := esp.NewOutbound(out)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestReserveAddFindRemove(t *testing.T) {
	d := NewInbound(rand.Reader)
	spi, err := d.Reserve()
	if err != nil || spi < 256 {
		t.Fatalf("reserved %#x, %v, want an SPI above 255", spi, err)
	}
	if d.Find(spi) != nil || d.Len() != 0 {
		t.Error("a reserved SPI has an SA")
	}
	in := inbound(t, spi)
	if err := d.Add(in); err != nil {
		t.Fatal(err)
	}
	if d.Find(spi) != in || d.Len() != 1 || len(d.All()) != 1 {
		t.Error("the SA that was added is not found")
	}
	if d.Find(spi^1<<20) != nil {
		t.Error("an SPI of the same slot with another random half is found")
	}
	if err := d.Add(inbound(t, spi)); !errors.Is(err, ErrExists) {
		t.Errorf("a second SA of the SPI: %v, want ErrExists", err)
	}
	if err := d.Add(inbound(t, spi^1<<20)); !errors.Is(err, ErrExists) {
		t.Errorf("another SA in the slot: %v, want ErrExists", err)
	}
	d.Release(spi)
	if d.Find(spi) != in {
		t.Error("releasing the SPI of an SA took the SA away")
	}
	if d.Remove(spi) != in || d.Find(spi) != nil || d.Len() != 0 {
		t.Error("the SA was not removed")
	}
	if d.Remove(spi) != nil || d.Remove(12345) != nil {
		t.Error("an SA that is not there was removed")
	}
}

func TestChosenSPI(t *testing.T) {
	d := NewInbound(rand.Reader)
	in := inbound(t, 0xc0ffee01)
	if err := d.Add(in); err != nil || d.Find(0xc0ffee01) != in {
		t.Errorf("an SA of an SPI that was not reserved: %v", err)
	}
}

// TestEverySPI reserves all of them: each slot once, a clean refusal, and slots that rest before they are used again.
func TestEverySPI(t *testing.T) {
	d := NewInbound(rand.Reader)
	seen := make(map[uint16]bool, slots)
	var first esp.SPI
	for i := range slots {
		spi, err := d.Reserve()
		if err != nil {
			t.Fatalf("SPI %d: %v", i, err)
		}
		if i == 0 {
			first = spi
		}
		if seen[slotOf(spi)] || spi>>slotBits == 0 {
			t.Fatalf("SPI %08x is reserved twice or has no random half", uint32(spi))
		}
		seen[slotOf(spi)] = true
	}
	if _, err := d.Reserve(); !errors.Is(err, ErrFull) {
		t.Errorf("one more: %v, want ErrFull", err)
	}
	d.Release(first ^ 1<<30)
	if _, err := d.Reserve(); !errors.Is(err, ErrFull) {
		t.Error("releasing an SPI that is not reserved freed one")
	}
	d.Release(first)
	if spi, err := d.Reserve(); err != nil || slotOf(spi) != slotOf(first) {
		t.Errorf("the one free slot is %d, got %08x, %v", slotOf(first), uint32(spi), err)
	}
}

func TestSlotsRest(t *testing.T) {
	d := NewInbound(rand.Reader)
	a, _ := d.Reserve()
	d.Release(a)
	if b, _ := d.Reserve(); slotOf(b) == slotOf(a) {
		t.Error("a slot was used again at once")
	}
}

func TestReserveWithoutRandomness(t *testing.T) {
	if _, err := NewInbound(bytes.NewReader([]byte{0, 0, 1})).Reserve(); err == nil {
		t.Error("an SPI was made without randomness")
	}
	spi, err := NewInbound(bytes.NewReader([]byte{0, 0, 0, 7})).Reserve()
	if err != nil || spi != 7<<slotBits {
		t.Errorf("a random half of zero was not skipped: %08x, %v", uint32(spi), err)
	}
}

// TestFindWhileChanging is for the race detector.
func TestFindWhileChanging(t *testing.T) {
	d := NewInbound(rand.Reader)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	spis := make(chan esp.SPI, 1)
	wg.Go(func() {
		spi := esp.SPI(0)
		for {
			select {
			case <-stop:
				return
			case spi = <-spis:
			default:
			}
			if in := d.Find(spi); in != nil && in.SPI() != spi {
				t.Error("another SA was found")
			}
		}
	})
	for range 300 {
		spi, err := d.Reserve()
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Add(inbound(t, spi)); err != nil {
			t.Fatal(err)
		}
		select {
		case spis <- spi:
		default:
		}
		d.Remove(spi)
	}
	close(stop)
	wg.Wait()
}

func TestFiftyThousand(t *testing.T) {
	d := NewInbound(rand.Reader)
	var list []*esp.Inbound
	for range 50000 {
		spi, err := d.Reserve()
		if err != nil {
			t.Fatal(err)
		}
		in := inbound(t, spi)
		if err := d.Add(in); err != nil {
			t.Fatal(err)
		}
		list = append(list, in)
	}
	for _, in := range list {
		if d.Find(in.SPI()) != in {
			t.Fatalf("SPI %08x is not found among 50,000", uint32(in.SPI()))
		}
	}
	if n := testing.AllocsPerRun(100, func() { d.Find(list[777].SPI()) }); n != 0 {
		t.Errorf("a look-up allocates %v times, want 0", n)
	}
}

// current is the SA that the policies give for a packet.
func current(t *testing.T, policies *spd.Database, src, dst string) *esp.Outbound {
	t.Helper()
	p := policies.Load().Match(&packet.Flow{Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst)})
	if p == nil {
		return nil
	}
	return p.State.(*Bundle).Current()
}

func TestNewestOutboundWins(t *testing.T) {
	policies := spd.NewDatabase()
	d := NewOutbound(policies)
	old := outbound(t, pair(1000, 7, "10.1.0.0/16", "10.2.0.0/16"))
	next := outbound(t, pair(1001, 7, "10.1.0.0/16", "10.2.0.0/16"))
	want := func(why string, sa *esp.Outbound) {
		t.Helper()
		if got := current(t, policies, "10.1.0.1", "10.2.0.1"); got != sa {
			t.Errorf("%s: another SA is in use", why)
		}
	}
	if err := d.Add(old); err != nil {
		t.Fatal(err)
	}
	want("one SA", old)
	before := policies.Load()
	if err := d.Add(next); err != nil {
		t.Fatal(err)
	}
	want("after a rekey", next)
	if policies.Load() != before {
		t.Error("a rekey changed the policies")
	}
	if d.Remove(esp.ID{SPI: 1001, Reqid: 7}) != next {
		t.Error("the new SA was not removed")
	}
	want("the new SA was removed again", old)
	if err := d.Add(outbound(t, pair(1000, 7, "10.1.0.0/16", "10.2.0.0/16"))); !errors.Is(err, ErrExists) {
		t.Errorf("a second SA of the name: %v, want ErrExists", err)
	}
	if d.Remove(esp.ID{SPI: 1000}) != old {
		t.Error("an SPI alone does not name the one SA that has it")
	}
	want("all were removed", nil)
	if d.Len() != 0 || len(policies.Load().All()) != 0 || len(d.bundles)+len(d.bySPI) != 0 {
		t.Error("something is left of removed SAs")
	}
}

func TestRekeyWithOtherSelectors(t *testing.T) {
	policies := spd.NewDatabase()
	d := NewOutbound(policies)
	wide, narrow := outbound(t, pair(1000, 7, "10.1.0.0/16", "10.2.0.0/16")), outbound(t, pair(1001, 7, "10.1.0.0/16", "10.2.0.0/24"))
	for _, o := range []*esp.Outbound{wide, narrow} {
		if err := d.Add(o); err != nil {
			t.Fatal(err)
		}
	}
	if current(t, policies, "10.1.0.1", "10.2.0.1") != narrow || current(t, policies, "10.1.0.1", "10.2.9.1") != wide {
		t.Error("SAs of other selectors share a policy")
	}
	d.Remove(esp.ID{SPI: 1000, Reqid: 7})
	if current(t, policies, "10.1.0.1", "10.2.0.1") != narrow || current(t, policies, "10.1.0.1", "10.2.9.1") != nil {
		t.Error("removing one SA did not leave the other's policy")
	}
}

// TestTwoPeersOfOneSPI: outbound SPIs are chosen by the peers, and two may choose the same.
func TestTwoPeersOfOneSPI(t *testing.T) {
	policies := spd.NewDatabase()
	d := NewOutbound(policies)
	a, b := outbound(t, pair(1000, 7, "10.1.0.0/16", "10.2.0.0/16")), outbound(t, pair(1000, 8, "10.1.0.0/16", "10.3.0.0/16"))
	for _, o := range []*esp.Outbound{a, b} {
		if err := d.Add(o); err != nil {
			t.Fatal(err)
		}
	}
	if d.Find(esp.ID{SPI: 1000}) != nil {
		t.Error("an SPI that two SAs have names one of them")
	}
	if len(d.All()) != 2 || d.Find(esp.ID{SPI: 1000, Reqid: 8}) != b {
		t.Error("an SA is not found by SPI and Reqid")
	}
	if d.Remove(esp.ID{SPI: 1000, Reqid: 8}) != b {
		t.Error("the SA was not removed")
	}
	if current(t, policies, "10.1.0.1", "10.2.0.1") != a || current(t, policies, "10.1.0.1", "10.3.0.1") != nil {
		t.Error("removing the SA of one peer touched that of the other")
	}
}

// TestFreeSlots compares the choice of slots, nearly all of which are in use, with a walk from one to the next.
func TestFreeSlots(t *testing.T) {
	d := NewInbound(rand.Reader)
	used := map[uint16]esp.SPI{}
	next := uint16(0)
	reserve := func() {
		t.Helper()
		want := next
		for used[want] != 0 {
			want++
		}
		spi, err := d.Reserve()
		if err != nil || slotOf(spi) != want {
			t.Fatalf("reserved slot %d, %v, want %d, the next free one from %d", slotOf(spi), err, want, next)
		}
		used[want], next = spi, want+1
	}
	for range slots {
		reserve()
	}
	r := mathrand.New(mathrand.NewPCG(1, 2))
	for range 300 {
		for range 1 + r.IntN(3) {
			slot := uint16(r.IntN(slots))
			if r.IntN(2) == 0 {
				slot = next + uint16(r.IntN(5)) - 2
			}
			d.Release(used[slot])
			delete(used, slot)
		}
		for len(used) < slots {
			reserve()
		}
	}
	if _, err := d.Reserve(); !errors.Is(err, ErrFull) {
		t.Errorf("one more: %v, want ErrFull", err)
	}
}

// TestManyOfOneReqid: SAs of one Reqid and of one SPI are told apart however many there are.
func TestManyOfOneReqid(t *testing.T) {
	const n = 3000
	policies := spd.NewDatabase()
	d := NewOutbound(policies)
	to := func(i int) string { return fmt.Sprintf("10.2.%d.%d", i>>8, i&255) }
	var list []*esp.Outbound
	for i := range n {
		p := pair(esp.SPI(1000+i), 7, "10.1.0.0/16", to(i))
		if i%2 == 1 {
			p = pair(1000, uint32(7+i), "10.1.0.0/16", to(i))
		}
		o := outbound(t, p)
		if err := d.Add(o); err != nil {
			t.Fatal(err)
		}
		list = append(list, o)
	}
	if len(policies.Load().All()) != n || d.Len() != n || len(d.All()) != n {
		t.Fatalf("%d policies and %d SAs, want %d of each", len(policies.Load().All()), d.Len(), n)
	}
	for i, o := range list {
		if current(t, policies, "10.1.0.1", to(i)) != o || d.Find(o.Params().ID()) != o {
			t.Fatalf("SA %d is not found by its name or by its policy", i)
		}
	}
	for i, o := range list {
		if d.Remove(o.Params().ID()) != o || current(t, policies, "10.1.0.1", to(i)) != nil {
			t.Fatalf("SA %d was not removed", i)
		}
		if i+1 < n && current(t, policies, "10.1.0.1", to(i+1)) != list[i+1] {
			t.Fatalf("removing SA %d touched the next", i)
		}
	}
	if d.Len() != 0 || len(policies.Load().All()) != 0 || len(d.bundles)+len(d.bySPI) != 0 {
		t.Error("something is left of removed SAs")
	}
}

// TestBundlesOfOneHash: a hash only leads to the bundles among which the selectors decide.
func TestBundlesOfOneHash(t *testing.T) {
	d := NewOutbound(spd.NewDatabase())
	a, b := outbound(t, pair(1000, 7, "10.1.0.0/16", "10.2.0.0/16")), outbound(t, pair(1001, 7, "10.1.0.0/16", "10.3.0.0/16"))
	for _, o := range []*esp.Outbound{a, b} {
		if err := d.Add(o); err != nil {
			t.Fatal(err)
		}
	}
	x, y := d.hash(a.Params()), d.hash(b.Params())
	if x == y {
		t.Fatal("two sets of selectors have one hash")
	}
	d.bundles[x] = append(d.bundles[x], d.bundles[y]...)
	d.bundles[y] = d.bundles[x]
	first, second := d.bundle(x, a.Params()), d.bundle(x, b.Params())
	if first == nil || second == nil || first.Current() != a || second.Current() != b {
		t.Fatal("bundles of one hash are mixed up")
	}
	if d.drop(x, first); d.bundle(x, a.Params()) != nil || d.bundle(x, b.Params()) != second {
		t.Error("dropping one bundle touched another of its hash")
	}
}

// BenchmarkMemory reports what an SA takes up: an inbound one, an outbound one and a policy.
func BenchmarkMemory(b *testing.B) {
	const n = 50000
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for b.Loop() {
		at := []uint64{heap()}
		in, out := NewInbound(rand.Reader), NewOutbound(spd.NewDatabase())
		for range n {
			spi, _ := in.Reserve()
			if err := in.Add(inbound(b, spi)); err != nil {
				b.Fatal(err)
			}
		}
		at = append(at, heap())
		for i := range n {
			p := pair(esp.SPI(1000+i), uint32(1+i), "10.1.0.0/16", fmt.Sprintf("10.%d.%d.%d", 2+i>>16, i>>8&255, i&255))
			if err := out.Add(outbound(b, p)); err != nil {
				b.Fatal(err)
			}
		}
		at = append(at, heap())
		b.ReportMetric(float64(at[1]-at[0])/n, "octets/inbound")
		b.ReportMetric(float64(at[2]-at[1])/n, "octets/outbound")
		runtime.KeepAlive(in)
		runtime.KeepAlive(out)
	}
}
