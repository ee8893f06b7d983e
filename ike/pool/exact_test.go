package pool

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/goswan/goswan/ike/core"
)

func static(peer, addr string) core.StaticAddress {
	return core.StaticAddress{Peer: id(peer), Addr: netip.MustParseAddr(addr)}
}

func grants(addrs ...string) func(*core.LeaseRequest) {
	return func(r *core.LeaseRequest) {
		for _, a := range addrs {
			r.Granted = append(r.Granted, netip.MustParseAddr(a))
		}
	}
}

func of(pools ...string) func(*core.LeaseRequest) {
	return func(r *core.LeaseRequest) { r.Pools = pools }
}

func except(addr string) func(*core.LeaseRequest) {
	return func(r *core.LeaseRequest) { r.Except = []netip.Addr{netip.MustParseAddr(addr)} }
}

// refuses fails unless the peer gets no address, for that reason.
func (s *script) refuses(peer, why string, change ...func(*core.LeaseRequest)) {
	s.Helper()
	if l, err := s.ask(peer, change...); err == nil || !strings.Contains(err.Error(), why) {
		s.Errorf("%s gets %s (%v), want the error %q", peer, l.Addr, err, why)
	}
}

func TestStaticAddresses(t *testing.T) {
	small := &core.Pool{Name: "a", Addrs: "10.0.0.1-10.0.0.4", Static: []core.StaticAddress{static("alice", "10.0.0.1"), static("bob", "10.0.0.3")}}
	s := newScript(t, nil, small, poolB)
	s.want("carol", "10.0.0.2")
	s.want("dave", "10.0.0.4", requested("10.0.0.3"))
	erin := s.want("erin", "10.0.1.1") // what is left of the pool is others'
	s.want("alice", "10.0.0.1")
	s.want("alice", "10.0.0.1", elsewhere) // a second device, or the first one that has lost its IKE SA
	s.want("alice", "10.0.0.1", requested("10.0.0.4"))
	s.refuses("alice", "10.0.0.1 is the only address of alice in pool a", except("10.0.0.1"))
	s.want("ALICE", "10.0.0.1")
	s.want("bob", "10.0.1.2", of("b")) // in a pool where it has none
	s.want("bob", "10.0.0.3", of("b", "a"))
	s.Release(erin)
	if err := s.Configure([]*core.Pool{small, {Name: "b", Addrs: poolB.Addrs, Static: []core.StaticAddress{static("frank", "10.0.1.1")}}}); err != nil {
		t.Fatal(err)
	}
	s.refuses("grace", "all 4 addresses of pool a", requested("10.0.1.1")) // bob has the other one
	s.want("frank", "10.0.1.1")
	s.refuses("erin", "all 4 addresses of pool a")
}

// TestStaticAddressInUse has one configured that another peer still uses.
func TestStaticAddressInUse(t *testing.T) {
	s := newScript(t, nil, &core.Pool{Name: "a", Addrs: "10.0.0.0/29"})
	alice, bob := s.want("alice", "10.0.0.1"), s.want("bob", "10.0.0.2")
	s.Release(bob)
	must(t, s.Configure([]*core.Pool{{Name: "a", Addrs: "10.0.0.0/29", Static: []core.StaticAddress{static("carol", "10.0.0.1"), static("dave", "10.0.0.2")}}}))
	s.refuses("carol", "10.0.0.1, which is to be carol's, is in use by alice")
	s.want("dave", "10.0.0.2") // bob does not use it any more
	s.want("bob", "10.0.0.3")
	s.Release(alice)
	s.want("alice", "10.0.0.4")
	s.want("carol", "10.0.0.1")
	status := s.Status()[0]
	var shown []string
	for _, l := range status.Leases {
		shown = append(shown, fmt.Sprint(l.Addr, " ", l.Peer, " ", l.Online, " ", l.Static))
	}
	if got := strings.Join(shown, ", "); got != "10.0.0.1 carol true true, 10.0.0.2 dave true true, 10.0.0.3 bob true false, 10.0.0.4 alice true false" {
		t.Errorf("the leases are shown as %s", got)
	}
	must(t, s.Configure([]*core.Pool{{Name: "a", Addrs: "10.0.0.0/29", Static: []core.StaticAddress{static("erin", "10.0.0.6")}}}))
	if got := s.Status()[0].Leases; len(got) != 5 || got[4].Online || !got[4].Static || got[4].Peer != id("erin") {
		t.Errorf("an address that was never used is not shown as its peer's: %v", got)
	}
}

// TestGrantedAddresses are those of the pool radius, which is not configured.
func TestGrantedAddresses(t *testing.T) {
	s := newScript(t, nil, &core.Pool{Name: "a", Addrs: "10.0.0.0/29", Static: []core.StaticAddress{static("frank", "10.0.0.6")}}, &core.Pool{Name: RADIUS})
	radius := of(RADIUS)
	s.refuses("alice", "the RADIUS server granted no address", radius)
	s.refuses("alice", "the RADIUS server granted no address", radius, grants("fd00::1"))
	alice := s.want("alice", "10.9.0.1", radius, grants("fd00::1", "10.9.0.1"))
	s.want("alice", "fd00::1", radius, grants("fd00::1", "10.9.0.1"), requested("::"))
	s.want("alice", "10.9.0.1", radius, grants("10.9.0.1"), elsewhere)
	s.refuses("bob", "the RADIUS server granted 10.9.0.1, which is in use by alice", radius, grants("10.9.0.1"))
	s.want("bob", "10.9.0.2", radius, grants("10.9.0.1", "10.9.0.2"))
	s.refuses("bob", "granted no address", radius, grants("10.9.0.2"), except("10.9.0.2"))
	s.refuses("bob", "which is frank's in pool a", radius, grants("10.0.0.6"))
	if status := s.Status(); len(status) != 2 || status[1].Name != RADIUS || status[1].Online != 3 || status[1].Size != 3 {
		t.Errorf("the pools are shown as %+v", status)
	}
	s.Release(alice)
	s.refuses("bob", "in use by alice", radius, grants("10.9.0.1")) // its other IKE SA has it
	s.Release(alice)
	s.want("bob", "10.9.0.1", radius, grants("10.9.0.1"))

	carol := s.want("carol", "10.0.0.1", radius, grants("10.0.0.1"))
	s.want("dave", "10.0.0.2", of("a"), requested("10.0.0.1")) // carol has it
	s.refuses("erin", "which is in use by dave from pool a", radius, grants("10.0.0.2"))
	s.Release(carol)
	s.want("erin", "10.0.0.1", of("a")) // it is the pool's again
	s.want("gina", "10.0.0.3", of(RADIUS, "a"))
}

// TestGrantedAddressOfAPool is preferred to what the peer had and to what it asks for.
func TestGrantedAddressOfAPool(t *testing.T) {
	s := newScript(t, nil, &core.Pool{Name: "a", Addrs: "10.0.0.0/29", Static: []core.StaticAddress{static("frank", "10.0.0.6")}})
	alice := s.want("alice", "10.0.0.1")
	s.Release(alice)
	alice = s.want("alice", "10.0.0.4", grants("10.0.0.4"), requested("10.0.0.2"))
	s.want("alice", "10.0.0.4", grants("10.0.0.4"))            // a reauthentication
	s.want("alice", "10.0.0.1", grants("10.0.0.4"), elsewhere) // another device: the address that it had
	s.want("bob", "10.0.0.2", grants("10.0.0.4"))
	s.want("carol", "10.0.0.3", grants("10.9.0.1", "10.0.0.6"))
	s.Release(alice)
	s.Release(alice)
	s.want("dave", "10.0.0.4", grants("10.0.0.4"))
}

// TestGrantedAddressesAreNotStored: they are for an IKE SA alone.
func TestGrantedAddressesAreNotStored(t *testing.T) {
	store := &memory{}
	s := newScript(t, store, poolA)
	s.want("alice", "10.9.0.1", of(RADIUS), grants("10.9.0.1"))
	s.want("bob", "10.0.0.1")
	must(t, s.Close())
	if len(store.saved) != 1 || store.saved[0].Pool != "a" {
		t.Errorf("stored is %+v", store.saved)
	}
}

// memory is a store in memory.
type memory struct{ saved []Record }

func (m *memory) Load() ([]Record, error) { return nil, nil }
func (m *memory) Save(all []Record) error { m.saved = append(m.saved, all...); return nil }
func (m *memory) Close() error            { return nil }
