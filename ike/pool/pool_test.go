package pool

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
)

// TestParseRange has the sizes of strongSwan's pools.
func TestParseRange(t *testing.T) {
	for _, test := range []struct {
		addrs, first, last string
		size               uint64
	}{
		{"10.0.0.0/24", "10.0.0.1", "10.0.0.254", 254},
		{"10.0.0.10/24", "10.0.0.10", "10.0.0.254", 245},
		{"10.0.0.0/32", "10.0.0.0", "10.0.0.0", 1},
		{"10.0.0.0/31", "10.0.0.0", "10.0.0.1", 2},
		{"10.0.0.1/31", "10.0.0.1", "10.0.0.1", 1},
		{"10.0.0.0/30", "10.0.0.1", "10.0.0.2", 2},
		{"10.255.0.0/16", "10.255.0.1", "10.255.255.254", 65534},
		{"fd00::/64", "fd00::1", "fd00::7fff:fffe", 1<<31 - 2},
		{"10.0.0.5-10.0.0.5", "10.0.0.5", "10.0.0.5", 1},
		{"10.0.0.250-10.0.1.3", "10.0.0.250", "10.0.1.3", 10},
		{" fd00::1 - fd00::10 ", "fd00::1", "fd00::10", 16},
		{"fd00::1-fd01::1", "fd00::1", "fd00::8000:0", 1 << 31},
	} {
		r, err := ParseRange(test.addrs)
		if err != nil || r.First.String() != test.first || r.Size != test.size || r.at(r.Size-1).String() != test.last {
			t.Errorf("%s is %d addresses from %s to %s (%v), want %d from %s to %s", test.addrs, r.Size, r.First, r.at(max(r.Size, 1)-1), err, test.size, test.first, test.last)
			continue
		}
		if !r.Contains(r.First) || !r.Contains(r.at(r.Size-1)) || r.Contains(r.First.Prev()) || r.Contains(r.at(r.Size-1).Next()) {
			t.Errorf("%s does not contain its own addresses, or others", test.addrs)
		}
	}
	for _, bad := range []string{"", "nonsense", "10.0.0.1", "10.0.0.9-10.0.0.1", "10.0.0.1-fd00::1", "10.0.0.0/33", "-", "10.0.0.1-"} {
		if r, err := ParseRange(bad); err == nil {
			t.Errorf("%q is taken for %v", bad, r)
		}
	}
}

var any4 = netip.IPv4Unspecified()

func id(name string) auth.Identity { return auth.Identity{Type: auth.IDFQDN, Data: name} }

// script is a test over leases whose clock goes on by a second with each look.
type script struct {
	*testing.T
	*Leases
	clock time.Time
}

func newScript(t *testing.T, store Store, pools ...*core.Pool) *script {
	t.Helper()
	s := &script{T: t, clock: time.Unix(1e9, 0).UTC()}
	c := Config{Failed: func(err error) { t.Error(err) }, Now: func() time.Time { s.clock = s.clock.Add(time.Second); return s.clock }}
	if store != nil {
		c.Open = func() (Store, error) { return store, nil }
	}
	s.Leases = New(c)
	if err := s.Configure(pools); err != nil {
		t.Fatal(err)
	}
	return s
}

// ask leases any IPv4 address for a peer, unless change asks for something else.
func (s *script) ask(peer string, change ...func(*core.LeaseRequest)) (core.Lease, error) {
	r := core.LeaseRequest{Pools: []string{"a", "b"}, Peer: id(peer), Requested: any4, Remote: netip.MustParseAddr("192.0.2.1")}
	for _, c := range change {
		c(&r)
	}
	return s.Lease(r)
}

func (s *script) want(peer, addr string, change ...func(*core.LeaseRequest)) core.Lease {
	s.Helper()
	l, err := s.ask(peer, change...)
	if err != nil || l.Addr.String() != addr {
		s.Errorf("%s gets %s (%v), want %s", peer, l.Addr, err, addr)
	}
	return l
}

func requested(addr string) func(*core.LeaseRequest) {
	return func(r *core.LeaseRequest) { r.Requested = netip.MustParseAddr(addr) }
}

func takeover(r *core.LeaseRequest) { r.Takeover = true }

func elsewhere(r *core.LeaseRequest) { r.Remote = netip.MustParseAddr("192.0.2.99") }

var poolA, poolB = &core.Pool{Name: "a", Addrs: "10.0.0.1-10.0.0.2"}, &core.Pool{Name: "b", Addrs: "10.0.1.0/30"}

func TestLeases(t *testing.T) {
	s := newScript(t, nil, poolA, poolB)
	alice := s.want("alice", "10.0.0.1")
	bob := s.want("bob", "10.0.0.2")
	s.want("carol", "10.0.1.1") // the first pool is full
	s.Release(alice)
	s.want("alice", "10.0.0.1") // the one that it had
	s.want("dave", "10.0.1.2")  // one that nobody had
	if l, err := s.ask("erin"); err == nil || err.Error() != "all 2 addresses of pool a (10.0.0.1-10.0.0.2) are in use, all 2 addresses of pool b (10.0.1.0/30) are in use" {
		t.Errorf("with all addresses in use erin gets %v, %v", l, err)
	}
	s.Release(bob)
	s.Release(alice)
	s.want("erin", "10.0.0.2") // bob's has been offline for longest
	s.want("bob", "10.0.0.1")  // and alice's is next
	if _, err := s.ask("frank", requested("::")); err == nil || err.Error() != "no IPv6 address in pools a, b" {
		t.Errorf("an IPv6 address of IPv4 pools gives %v", err)
	}
}

func TestOneIdentityTwice(t *testing.T) {
	s := newScript(t, nil, poolA, poolB)
	first := s.want("alice", "10.0.0.1")
	second := s.want("alice", "10.0.0.2") // another device
	s.Release(first)
	s.Release(first) // what is released twice is not lost
	s.want("alice", "10.0.0.1")
	s.want("alice", "10.0.0.2", requested("10.0.0.2")) // a reauthentication: from where the lease is
	s.Release(second)
	if s.Status()[0].Online != 2 {
		t.Error("a lease ended although the IKE SA that reauthenticated it uses it still")
	}
	s.want("alice", "10.0.1.1", requested("10.0.0.2"), elsewhere) // from elsewhere it is another device
	s.want("alice", "10.0.0.1", takeover)                         // its other IKE SAs end
	s.want("bob", "10.0.1.2", requested("10.0.0.1"), takeover)    // of others it takes nothing over
}

func TestRequestedAddress(t *testing.T) {
	s := newScript(t, nil, &core.Pool{Name: "a", Addrs: "10.0.0.0/24"})
	s.want("alice", "10.0.0.9", requested("10.0.0.9"))
	s.want("bob", "10.0.0.1", requested("10.0.0.9"))  // alice has it
	s.want("carol", "10.0.0.2", requested("9.9.9.9")) // it is not of the pool
	s.want("dave", "10.0.0.3", requested("10.0.0.255"))
	s.want("erin", "10.0.0.4", func(r *core.LeaseRequest) { r.Pools = []string{"none", "a"} })
}

func TestPoolsChange(t *testing.T) {
	s := newScript(t, nil, poolA, poolB)
	alice := s.want("alice", "10.0.0.1")
	bob := s.want("bob", "10.0.0.2")
	s.Release(bob)
	wider := &core.Pool{Name: "a", Addrs: "10.0.0.0/29"}
	if err := s.Configure([]*core.Pool{wider}); err != nil {
		t.Fatal(err)
	}
	s.want("bob", "10.0.0.2")
	carol := s.want("carol", "10.0.0.3")
	if err := s.Configure(nil); err != nil {
		t.Fatal(err)
	}
	s.Release(alice) // of a pool that is gone
	s.Release(carol)
	if err := s.Configure([]*core.Pool{wider, {Name: "bad", Addrs: "?"}}); err == nil || len(s.Status()) != 1 {
		t.Errorf("a pool that cannot be read gives %v and %d pools, want an error and the other pool", err, len(s.Status()))
	}
	s.want("carol", "10.0.0.3")
	if got := s.Status()[0]; got.Online != 2 || got.Offline != 1 || got.Size != 6 || len(got.Leases) != 3 {
		t.Errorf("the status is %+v, want 2 online and 1 offline of 6", got)
	}
}

// TestPoolsComeBack takes pools away while their addresses are in use: nobody else gets those when the pool is there again.
func TestPoolsComeBack(t *testing.T) {
	elsewhere := &core.Pool{Name: "a", Addrs: "10.9.0.0/24"}
	for name, between := range map[string][]*core.Pool{"no pool": nil, "another range": {elsewhere}} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, nil, poolA)
			alice := s.want("alice", "10.0.0.1")
			must(t, s.Configure(between))
			if between != nil {
				other := s.want("alice", "10.9.0.1", requested("10.0.0.1"), takeover)
				s.Release(other)
			}
			must(t, s.Configure([]*core.Pool{poolA}))
			s.want("bob", "10.0.0.2")
			if l, err := s.ask("carol"); err == nil {
				t.Errorf("carol gets %s, which alice uses still", l.Addr)
			}
			s.Release(alice)
			alice = s.want("carol", "10.0.0.1")
			must(t, s.Configure(between))
			s.Release(alice)
			must(t, s.Configure([]*core.Pool{poolA}))
			s.want("dave", "10.0.0.1") // released in the meantime
			if got := s.Status()[0]; got.Online != 2 || got.Offline != 0 {
				t.Errorf("%d are in use and %d not, want 2 and 0", got.Online, got.Offline)
			}
		})
	}
}

// TestPoolIsRenamed has a pool with the addresses of one that is gone: those that are in use still are nobody else's.
func TestPoolIsRenamed(t *testing.T) {
	s := newScript(t, nil, poolA)
	alice := s.want("alice", "10.0.0.1")
	must(t, s.Configure([]*core.Pool{{Name: "b", Addrs: poolA.Addrs}}))
	s.want("bob", "10.0.0.2", requested("10.0.0.1"))
	if l, err := s.ask("carol"); err == nil {
		t.Errorf("carol gets %s, which alice uses still", l.Addr)
	}
	if l, err := s.ask("carol", func(r *core.LeaseRequest) {
		r.Pools, r.Granted = []string{RADIUS}, []netip.Addr{alice.Addr}
	}); err == nil || !strings.Contains(err.Error(), "in use by alice from pool a") {
		t.Errorf("a server grants carol %s, which alice uses still: %v", l.Addr, err)
	}
	s.Release(alice)
	s.want("carol", "10.0.0.1")
}

// TestLeasesOutliveTheProcess opens the file again and again.
func TestLeasesOutliveTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "leases.db")
	open := func() *script {
		t.Helper()
		b, err := OpenBolt(path)
		if err != nil {
			t.Fatal(err)
		}
		return newScript(t, b, poolA, poolB)
	}
	s := open()
	s.Release(s.want("alice", "10.0.0.1"))
	s.want("bob", "10.0.0.2")
	must(t, s.Close())
	must(t, s.Close())
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v (%v), want 0600", info.Mode(), err)
	}
	s = open()
	s.clock = s.clock.Add(time.Hour)
	s.want("carol", "10.0.1.1") // the others' are kept for them
	s.want("bob", "10.0.0.2")
	s.want("dave", "10.0.1.2")
	s.want("erin", "10.0.0.1") // the pools are full, and alice is not there
	must(t, s.Close())
	s = open()
	defer func() { must(t, s.Close()) }()
	s.want("erin", "10.0.0.1")
	if online, offline := s.Status()[0].Online, s.Status()[0].Offline; online != 1 || offline != 1 {
		t.Errorf("after the start %d leases of pool a are online and %d offline, want 1 and 1", online, offline)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestManyLeases has as many as a large gateway.
func TestManyLeases(t *testing.T) {
	const many = 50000
	path := filepath.Join(t.TempDir(), "leases.db")
	b, err := OpenBolt(path)
	must(t, err)
	wide := &core.Pool{Name: "a", Addrs: "10.0.0.0/16"}
	s := newScript(t, b, wide)
	var group sync.WaitGroup
	for k := range 4 {
		group.Go(func() {
			for i := range many / 4 {
				if _, err := s.Lease(core.LeaseRequest{Pools: []string{"a"}, Peer: id(fmt.Sprint(k, i)), Requested: any4}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	must(t, s.Close())
	b, err = OpenBolt(path)
	must(t, err)
	records, err := b.Load()
	must(t, err)
	must(t, b.Close())
	peers, addrs := map[auth.Identity]bool{}, map[netip.Addr]bool{}
	for _, r := range records {
		peers[r.Peer], addrs[r.Addr] = true, true
	}
	if len(records) != many || len(peers) != many || len(addrs) != many {
		t.Errorf("%d leases are stored as %d records of %d peers and %d addresses", many, len(records), len(peers), len(addrs))
	}
}

// TestBadFiles: whatever is in the file, there is an error that names it and says what to do, and the file stays.
func TestBadFiles(t *testing.T) {
	good := filepath.Join(t.TempDir(), "good.db")
	b, err := OpenBolt(good)
	must(t, err)
	must(t, b.Save([]Record{{Pool: "a", Addr: netip.MustParseAddr("10.0.0.1"), Peer: id("alice")}}))
	must(t, b.Close())
	octets, err := os.ReadFile(good)
	must(t, err)
	page := os.Getpagesize()
	damaged := func(change func([]byte) []byte) []byte { return change(slices.Clone(octets)) }
	for name, content := range map[string][]byte{
		"text":     []byte(strings.Repeat("this is no database\n", 4096)),
		"cut":      damaged(func(b []byte) []byte { return b[:3*page] }),
		"one page": damaged(func(b []byte) []byte { return b[:page] }),
		"zeroed":   damaged(func(b []byte) []byte { clear(b[2*page:]); return b }),
		"scrambled": damaged(func(b []byte) []byte {
			for i := 2 * page; i < len(b); i += 7 {
				b[i] ^= 0x5a
			}
			return b
		}),
		"format":    damaged(func(b []byte) []byte { return []byte(strings.ReplaceAll(string(b), format, "leases 9")) }),
		"no record": damaged(func(b []byte) []byte { return []byte(strings.ReplaceAll(string(b), `{"type":`, `{"tipe?"`)) }),
	} {
		path := filepath.Join(t.TempDir(), name)
		must(t, os.WriteFile(path, content, 0o600))
		var said error
		l := New(Config{Open: func() (Store, error) { return OpenBolt(path) }, Failed: func(err error) { said = err }})
		must(t, l.Configure([]*core.Pool{poolA}))
		if said == nil || !strings.Contains(said.Error(), path+" is damaged or not goswan's") || !strings.Contains(said.Error(), "move it away") {
			t.Errorf("%s: the error is %v", name, said)
		}
		if got, err := l.Lease(core.LeaseRequest{Pools: []string{"a"}, Peer: id("alice"), Requested: any4}); err != nil {
			t.Errorf("%s: without the file there is no lease: %v, %v", name, got, err)
		}
		must(t, l.Close())
		if after, err := os.ReadFile(path); err != nil || string(after) != string(content) {
			t.Errorf("%s: the file was changed (%v)", name, err)
		}
	}
}

func TestFileInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.db")
	b, err := OpenBolt(path)
	must(t, err)
	defer b.Close()
	if _, err := OpenBolt(path); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("a file in use gives %v", err)
	}
	if _, err := OpenBolt(filepath.Join(path, "below")); err == nil {
		t.Error("a directory that cannot be made is no error")
	}
}

// failing is a store that cannot write.
type failing struct{ Store }

var errFull = errors.New("no space left")

func (failing) Load() ([]Record, error) { return nil, nil }
func (failing) Save([]Record) error     { return errFull }
func (failing) Close() error            { return nil }

func TestStoreThatFails(t *testing.T) {
	var said []error
	l := New(Config{Open: func() (Store, error) { return failing{}, nil }, Failed: func(err error) { said = append(said, err) }})
	must(t, l.Configure([]*core.Pool{poolA}))
	if _, err := l.Lease(core.LeaseRequest{Pools: []string{"a"}, Peer: id("alice"), Requested: any4}); err != nil {
		t.Errorf("a store that fails keeps a peer from its address: %v", err)
	}
	must(t, l.Close())
	if len(said) == 0 || !errors.Is(said[0], errFull) {
		t.Errorf("the failure is told as %v", said)
	}
}

func TestBadRecords(t *testing.T) {
	good := `{"type":2,"id":"YWxpY2U=","seen":"2026-06-01T12:00:00Z"}`
	if r, err := parseRecord("a", []byte{10, 0, 0, 1}, []byte(good)); err != nil || r.Peer.Data != "alice" {
		t.Fatalf("a good record is read as %v (%v)", r, err)
	}
	for name, kv := range map[string][2]string{
		"no address":              {"", good},
		"an address of 5 octets":  {"\x0a\x00\x00\x01\x00", good},
		"an address of 17 octets": {strings.Repeat("x", 17), good},
		"nothing":                 {"\x0a\x00\x00\x01", ""},
		"no JSON":                 {"\x0a\x00\x00\x01", "alice"},
		"half a record":           {"\x0a\x00\x00\x01", good[:20]},
		"a type beyond an octet":  {"\x0a\x00\x00\x01", `{"type":300}`},
		"an identity in clear":    {"\x0a\x00\x00\x01", `{"type":2,"id":"alice!"}`},
		"a time that is none":     {"\x0a\x00\x00\x01", `{"seen":"yesterday"}`},
		"JSON without end":        {"\x0a\x00\x00\x01", strings.Repeat("[", 1<<15)},
	} {
		if r, err := parseRecord("a", []byte(kv[0]), []byte(kv[1])); err == nil || !strings.Contains(err.Error(), "cannot be read") {
			t.Errorf("%s is read as %v (%v)", name, r, err)
		}
	}
}

// FuzzRecord reads stored leases; what is read is written and read again the same.
func FuzzRecord(f *testing.F) {
	f.Add([]byte{10, 0, 0, 1}, []byte(`{"type":2,"id":"YWxpY2U=","seen":"2026-06-01T12:00:00Z"}`))
	f.Add(make([]byte, 16), []byte(`{}`))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		r, err := parseRecord("a", key, value)
		if err != nil {
			return
		}
		again, err := json.Marshal(stored{Type: uint8(r.Peer.Type), Data: []byte(r.Peer.Data), Seen: r.Seen})
		if err != nil {
			return // a year that JSON does not have
		}
		if back, err := parseRecord("a", r.Addr.AsSlice(), again); err != nil || back.Peer != r.Peer || back.Addr != r.Addr || !back.Seen.Equal(r.Seen) {
			t.Errorf("%v is written as %s and read as %v (%v)", r, again, back, err)
		}
		_ = r.Peer.String()
	})
}

// FuzzParseRange has that a range contains its first and its last address and none beside them.
func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"10.3.0.0/24", "10.3.0.10-10.3.0.99", "fd00::/64", "fd00::1 - fd00::ff", "0.0.0.0/0", "10.0.0.1/32", "::/0", "255.255.255.255-255.255.255.255"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRange(s)
		if err != nil {
			return
		}
		last := r.at(r.Size - 1)
		if r.Size == 0 || !r.Contains(r.First) || !r.Contains(last) {
			t.Fatalf("%q is %d addresses from %v, and does not contain both ends", s, r.Size, r.First)
		}
		if next := last.Next(); next.IsValid() && r.Contains(next) {
			t.Errorf("%q has %d addresses from %v, and contains %v", s, r.Size, r.First, next)
		}
	})
}
