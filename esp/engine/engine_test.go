package engine_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/esp/engine"
	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/tun/packet"
	"github.com/goswan/goswan/tun/tuntest"
)

func udp(n int) []byte { return esptest.UDP("10.1.0.1", "10.2.0.1", 1000, 2000, make([]byte, n)) }

// TestEverySuite sends IPv4 and IPv6 within IPv4 and IPv6, with every suite, both ways.
func TestEverySuite(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		t.Run(fmt.Sprintf("outer IPv6 %v", v6), func(t *testing.T) {
			alice, bob := newEnds(t, options{v6: v6})
			for i, keywords := range esptest.Suites {
				p := everything
				p.Keywords, p.Salt, p.Reqid, p.Sequence = keywords, byte(2*i), uint32(i+1), 1<<32-4
				if esptest.Suite(keywords).ESN {
					p.Window = 64
				} else {
					p.Sequence = 0
				}
				both(alice, bob, p)
				for n := range 8 {
					for _, ip := range [][]byte{
						esptest.UDP("10.1.0.1", "10.2.0.1", 1000, 2000, []byte(esptest.Pattern(n, 100+n))),
						esptest.UDP("fd01::1", "fd02::1", 1000, 2000, []byte(esptest.Pattern(n, 100+n))),
					} {
						alice.inject(ip)
						same(t, keywords, bob.receive(1), [][]byte{ip})
						bob.inject(ip)
						same(t, keywords+" back", alice.receive(1), [][]byte{ip})
					}
				}
			}
		})
	}
}

// TestSuperPackets sends flows as super-packets and as single packets, between devices with and without offload: the inner hosts
// see the same octets.
func TestSuperPackets(t *testing.T) {
	flows := map[string][][]byte{}
	for _, addrs := range [][2]string{{"10.1.0.1", "10.2.0.1"}, {"fd01::1", "fd02::1"}} {
		for _, size := range []int{1, 100, 1347, 1348} {
			name := fmt.Sprintf("%s of %d ", addrs[0], size)
			flows[name+"TCP"] = esptest.Stream(addrs[0], addrs[1], 30, size, 1, 0x10, 0x18)
			flows[name+"UDP"] = esptest.Datagrams(addrs[0], addrs[1], 30, size, size)
		}
	}
	for _, offload := range [][2]bool{{true, true}, {true, false}, {false, true}, {false, false}} {
		for _, keywords := range []string{"aes128gcm16", "aes256-sha512-esn"} {
			t.Run(fmt.Sprintf("%v %s", offload, keywords), func(t *testing.T) {
				alice, bob := newEnds(t, options{offloadA: offload[0], offloadB: offload[1]})
				p := everything
				p.Keywords = keywords
				both(alice, bob, p)
				for name, list := range flows {
					if offload[0] {
						data, gso := esptest.Super(list)
						if err := alice.device.InjectSuper(0, data, gso); err != nil {
							t.Fatal(err)
						}
						same(t, name+" super", bob.receive(len(list)), list)
					}
					for _, ip := range list {
						alice.inject(ip)
					}
					same(t, name, bob.receive(len(list)), list)
				}
				if d := alice.Drops(); d != nil || bob.Drops() != nil {
					t.Errorf("dropped: %v and %v", d, bob.Drops())
				}
			})
		}
	}
}

// TestCoalesces: a super-packet comes out as one.
func TestCoalesces(t *testing.T) {
	alice, bob := newEnds(t, options{offloadA: true, offloadB: true})
	both(alice, bob, fourToFour)
	data, gso := esptest.Super(esptest.Stream("10.1.0.1", "10.2.0.1", 20, 1300, 1300, 0x10, 0x18))
	if err := alice.device.InjectSuper(0, data, gso); err != nil {
		t.Fatal(err)
	}
	p := bob.next()
	if !bytes.Equal(p.Data, data) || p.GSO != gso {
		t.Errorf("a super-packet of %d octets %+v came as %d octets %+v", len(data), gso, len(p.Data), p.GSO)
	}
}

// TestUnfinishedChecksum: what the kernel leaves to the device is finished before it is protected.
func TestUnfinishedChecksum(t *testing.T) {
	alice, bob := newEnds(t, options{offloadA: true})
	both(alice, bob, everything)
	for _, list := range [][][]byte{
		esptest.Datagrams("10.1.0.1", "10.2.0.1", 1, 0, 101), esptest.Datagrams("fd01::1", "fd02::1", 1, 0, 100),
		esptest.Stream("10.1.0.1", "10.2.0.1", 1, 0, 33, 0, 0x10), esptest.Stream("fd01::1", "fd02::1", 1, 0, 0, 0, 0x10),
	} {
		data, gso := esptest.Super(list)
		gso.Type, gso.Size, gso.HdrLen = packet.GSONone, 0, 0
		if err := alice.device.InjectSuper(0, data, gso); err != nil {
			t.Fatal(err)
		}
		same(t, "an unfinished checksum", bob.receive(1), list)
	}
}

// TestOddPackets: options, extension headers and fragments go through as they are.
func TestOddPackets(t *testing.T) {
	alice, bob := newEnds(t, options{offloadA: true, offloadB: true})
	both(alice, bob, everything)
	options := esptest.UDP("10.1.0.1", "10.2.0.1", 1, 2, []byte("options"))
	options = append(options[:20:20], append([]byte{1, 1, 1, 0}, options[20:]...)...)
	options[0] = 0x46
	binary.BigEndian.PutUint16(options[2:], uint16(len(options)))
	esptest.Mend(options)
	fragment := esptest.UDP("10.1.0.1", "10.2.0.1", 1, 2, make([]byte, 200))
	fragment[6], fragment[7] = 0x20, 0x10
	esptest.Mend(fragment)
	extended := esptest.UDP("fd01::1", "fd02::1", 1, 2, []byte("extended"))
	extended = append(extended[:40:40], append([]byte{17, 0, 1, 4, 0, 0, 0, 0}, extended[40:]...)...)
	extended[6], extended[5] = packet.ProtoDestOpts, extended[5]+8
	list := [][]byte{
		options, fragment, extended, esptest.IP("10.1.0.1", "10.2.0.1", packet.ProtoICMP, []byte{8, 0, 1, 2, 3, 4, 5, 6}),
		esptest.IP("fd01::1", "fd02::1", packet.ProtoICMPv6, []byte{128, 0, 0, 0, 1, 2, 3, 4}), esptest.IP("10.1.0.1", "10.2.0.1", 47, []byte{1}),
		esptest.IP("10.1.0.1", "10.2.0.1", 255, nil), udp(65535 - 28 - 100),
	}
	for range 3 {
		for _, ip := range list {
			alice.inject(ip)
		}
		same(t, "odd packets", bob.receive(len(list)), list)
	}
}

func TestTooBigAndMalformed(t *testing.T) {
	alice, bob := newEnds(t, options{offloadA: true})
	both(alice, bob, fourToFour)
	alice.inject(udp(65535 - 28)) // no room for ESP in a UDP datagram
	alice.inject([]byte{0x45, 0, 0})
	short := udp(10)
	binary.BigEndian.PutUint16(short[2:], 20)
	alice.inject(short) // octets behind the packet's own length are cut off
	if err := alice.device.InjectSuper(0, udp(100), packet.GSO{Type: packet.GSOTCP4, Size: 10, HdrLen: 40, NeedsCsum: true, CsumStart: 20, CsumOffset: 16}); err != nil {
		t.Fatal(err)
	}
	if err := alice.device.InjectSuper(0, udp(100), packet.GSO{NeedsCsum: true, CsumStart: 200}); err != nil {
		t.Fatal(err)
	}
	same(t, "a packet with octets behind it", bob.receive(1), [][]byte{short[:20]})
	settled(alice, bob, udp(5))
	if d := alice.Drops(); d["too-big"] != 1 || d["malformed"] != 3 || len(d) != 2 {
		t.Errorf("dropped %v, want 1 too-big and 3 malformed", d)
	}
}

// TestHostileNetwork replays, corrupts and cuts what goes over the network.
func TestHostileNetwork(t *testing.T) {
	for _, keywords := range []string{"aes256gcm16", "chacha20poly1305", "aes128-sha256", "aes128gcm16-esn"} {
		t.Run(keywords, func(t *testing.T) {
			alice, bob := newEnds(t, options{offloadB: true, depth: 4096})
			p := fourToFour
			p.Keywords = keywords
			_, in := alice.sa(bob, p)
			alice.net.Network().SetHook(func(d encap.Datagram, deliver func(encap.Datagram)) {
				for n := range d.Data {
					cut := d
					cut.Data = d.Data[:n:n]
					deliver(cut)
				}
				bad := d
				bad.Data = bytes.Clone(d.Data)
				bad.Data[len(bad.Data)-1] ^= 1
				deliver(bad)
				deliver(d)
				deliver(d)
			})
			var list [][]byte
			for i := range 5 {
				list = append(list, udp(i*20))
				alice.inject(list[i])
			}
			same(t, "under attack", bob.receive(5), list)
			alice.net.Network().SetHook(nil)
			settled(alice, bob, udp(1))
			c, _ := bob.Counters(in)
			if c.Packets != 6 || c.Drops["replay"] != 5 || c.Drops["bad-icv"] < 5 || c.Drops["truncated"] < 5 {
				t.Errorf("the SA counted %+v, want 6 packets, 5 replays and more of bad-icv and truncated", c)
			}
			if d := bob.Drops(); d["replay"] != 5 || d["bad-datagram"] == 0 {
				t.Errorf("the engine counted %v", d)
			}
		})
	}
}

func TestNoSA(t *testing.T) {
	alice, bob := newEnds(t, options{})
	both(alice, bob, fourToFour)
	stray := &packet.Train{Buf: append([]byte{1, 2, 3, 4}, make([]byte, 60)...), Len: 64, Seg: 64, Local: alice.addr, Remote: bob.addr}
	if err := alice.net.Write(stray); err != nil {
		t.Fatal(err)
	}
	settled(alice, bob, udp(1))
	if d := bob.Drops(); d["no-sa"] != 1 {
		t.Errorf("a packet of an unknown SPI was dropped as %v, want no-sa", d)
	}
}

// TestSelectorsAreEnforced: the sender takes more than was agreed, the receiver does not (RFC 4301 §5.2).
func TestSelectorsAreEnforced(t *testing.T) {
	alice, bob := newEnds(t, options{offloadB: true})
	_, in := alice.sa(bob, everything, func(_, in *esp.Params) {
		in.RemoteTS = []spd.TrafficSelector{spd.MustParse("10.1.0.0/16[udp/1000]")}
		in.LocalTS = []spd.TrafficSelector{spd.MustParse("10.2.0.0/16[udp/2000]")}
	})
	bad := [][]byte{
		esptest.UDP("10.1.0.1", "10.2.0.1", 1001, 2000, nil), esptest.UDP("10.1.0.1", "10.2.0.1", 1000, 2001, nil),
		esptest.UDP("10.9.0.1", "10.2.0.1", 1000, 2000, nil), esptest.UDP("10.1.0.1", "10.9.0.1", 1000, 2000, nil),
		esptest.UDP("fd01::1", "fd02::1", 1000, 2000, nil), esptest.IP("10.1.0.1", "10.2.0.1", packet.ProtoTCP, make([]byte, 20)),
	}
	for _, ip := range bad {
		alice.inject(ip)
		alice.inject(udp(1))
	}
	for i, p := range bob.receive(len(bad)) {
		if !bytes.Equal(p, udp(1)) {
			t.Errorf("packet %d from outside the selectors came through: % x", i, p)
		}
	}
	if c, _ := bob.Counters(in); c.Drops["bad-selectors"] != uint64(len(bad)) || c.Packets != uint64(len(bad)) {
		t.Errorf("the SA counted %+v, want %d bad-selectors", c, len(bad))
	}
}

// TestPolicies: protect, bypass, drop, trap and nothing at all.
func TestPolicies(t *testing.T) {
	clock := new(atomic.Int64)
	clock.Store(1e15)
	alice, bob := newEnds(t, options{now: func() time.Time { return time.Unix(0, clock.Load()) }})
	ports := fourToFour
	ports.FromTS, ports.ToTS = []string{"10.1.0.0/16"}, []string{"10.2.0.0/16[udp/2000]"}
	out, _ := alice.sa(bob, ports)
	pol := func(name string, a spd.Action, local, remote string) spd.Policy {
		return spd.Policy{Name: name, Conn: "c", Action: a, Reqid: 77, LocalTS: []spd.TrafficSelector{spd.MustParse(local)}, RemoteTS: []spd.TrafficSelector{spd.MustParse(remote)}}
	}
	err := alice.SetPolicies([]spd.Policy{
		pol("pass", spd.Bypass, "0.0.0.0/0", "10.2.0.9"), pol("trap", spd.Trap, "10.1.0.0/16", "10.3.0.0/16"),
		pol("trap2", spd.Trap, "10.1.0.0/16", "10.4.0.0/16"), pol("drop", spd.Drop, "0.0.0.0/0", "10.5.0.0/16"),
	})
	if err != nil {
		t.Fatal(err)
	}
	send := func(dst string, port uint16) {
		alice.inject(esptest.UDP("10.1.0.1", dst, 1000, port, nil))
	}
	want := func(why string, drops string) {
		t.Helper()
		settled(alice, bob, udp(3))
		if got := fmt.Sprint(alice.Drops()); got != drops {
			t.Errorf("%s: dropped %s, want %s", why, got, drops)
		}
	}
	send("10.2.0.1", 2001)
	want("a port that no policy has", "map[no-policy:1]")
	send("10.2.0.9", 2000)
	want("bypass comes before protect and does not enter the tunnel", "map[no-policy:1 policy-bypass:1]")
	send("10.5.0.1", 2000)
	want("drop", "map[no-policy:1 policy-bypass:1 policy-drop:1]")
	alice.noEvent("no trap was met")

	for range 10 {
		send("10.3.0.1", 7)
	}
	send("10.4.0.1", 8)
	want("traps", "map[no-policy:1 policy-bypass:1 policy-drop:1 policy-trap:11]")
	first, second := alice.event().(engine.Acquire), alice.event().(engine.Acquire)
	if first.Policy.Name != "trap" || first.Policy.Reqid != 77 || first.Flow.Dst != netip.MustParseAddr("10.3.0.1") || first.Flow.DstPort != 7 {
		t.Errorf("the first Acquire is %+v", first)
	}
	if second.Policy.Name != "trap2" {
		t.Errorf("the second Acquire is for %q, want trap2", second.Policy.Name)
	}
	clock.Add(int64(time.Second) - 1)
	send("10.3.0.1", 7)
	settled(alice, bob, udp(3))
	alice.noEvent("within a second another Acquire came")
	clock.Add(1)
	send("10.3.0.1", 7)
	if again := alice.event().(engine.Acquire); again.Policy.Name != "trap" {
		t.Errorf("after a second the Acquire is %+v", again)
	}

	// An SA takes the trap's packets, and gives them back when it goes.
	caught := fourToFour
	caught.ToTS, caught.Reqid = []string{"10.3.0.0/16"}, 77
	out3, _ := alice.sa(bob, caught)
	settled(alice, bob, esptest.UDP("10.1.0.1", "10.3.0.1", 1000, 7, nil))
	alice.Remove(out3)
	clock.Add(int64(time.Hour))
	send("10.3.0.1", 7)
	if again := alice.event().(engine.Acquire); again.Policy.Name != "trap" {
		t.Errorf("after the SA is gone the Acquire is %+v", again)
	}

	// New policies take the place of the old ones whole.
	if err := alice.SetPolicies(nil); err != nil {
		t.Fatal(err)
	}
	settled(alice, bob, esptest.UDP("10.1.0.1", "10.2.0.9", 1000, 2000, nil))
	if n := len(alice.Policies()); n != 1 {
		t.Errorf("%d policies are left, want the SA's", n)
	}
	alice.Remove(out)
	alice.inject(udp(1))
	eventually(t, "without an SA a packet was not dropped for want of a policy", func() bool { return alice.Drops()["no-policy"] == 2 })
}

func TestSetPoliciesRefuses(t *testing.T) {
	alice, _ := newEnds(t, options{})
	all := []spd.TrafficSelector{spd.MustParse("0.0.0.0/0")}
	for name, p := range map[string]spd.Policy{
		"a protect policy without SA": {Action: spd.Protect, LocalTS: all, RemoteTS: all},
		"an invalid selector":         {Action: spd.Drop, LocalTS: all, RemoteTS: []spd.TrafficSelector{{}}},
	} {
		if alice.SetPolicies([]spd.Policy{p}) == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if len(alice.Policies()) != 0 {
		t.Error("a refused policy is in force")
	}
}

// TestRekeyUnderLoad replaces the SA again and again while packets flow: each packet arrives, once and in order.
func TestRekeyUnderLoad(t *testing.T) {
	alice, bob := newEnds(t, options{offloadA: true, offloadB: true})
	const total, window, perRekey = 20000, 400, 1000
	out, in := alice.sa(bob, fourToFour)
	var sent, received, rekeys atomic.Int64
	failed := make(chan error, 1)
	go func() {
		for i := range int64(total) {
			// Neither more under way than the network holds, nor further than the rekeys are.
			for i-received.Load() > window || i/perRekey > rekeys.Load() {
				time.Sleep(50 * time.Microsecond)
			}
			sent.Add(1)
			var b [200]byte
			binary.BigEndian.PutUint32(b[:], uint32(i))
			if err := alice.device.Inject(esptest.SetID(esptest.UDP("10.1.0.1", "10.2.0.1", 1000, 2000, b[:]), uint16(i))); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}()
	go func() {
		for rekeys.Load() < total/perRekey {
			p := fourToFour
			p.Salt = byte(10 + rekeys.Load())
			nextOut, nextIn := alice.sa(bob, p) // the receiver's first
			alice.Remove(out)
			// The old inbound SA stays until what was sent on it has come.
			for mark := sent.Load(); received.Load() < mark; {
				time.Sleep(50 * time.Microsecond)
			}
			bob.Remove(in)
			out, in = nextOut, nextIn
			rekeys.Add(1)
		}
	}()
	for i := 0; i < total; {
		p := bob.next()
		for _, ip := range esptest.Cut(p.Data, p.GSO) {
			if got := binary.BigEndian.Uint32(ip[28:]); got != uint32(i) {
				t.Fatalf("packet %d came as number %d; drops: %v and %v", got, i, alice.Drops(), bob.Drops())
			}
			i++
			received.Add(1)
		}
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	if alice.Drops() != nil || bob.Drops() != nil {
		t.Errorf("dropped: %v and %v", alice.Drops(), bob.Drops())
	}
}

// TestFallBack: the newest outbound SA is used, and the one before when it goes.
func TestFallBack(t *testing.T) {
	alice, bob := newEnds(t, options{})
	oldOut, oldIn := alice.sa(bob, fourToFour)
	p := fourToFour
	p.Salt = 9
	newOut, newIn := alice.sa(bob, p)
	counts := func(id esp.ID) uint64 {
		c, ok := bob.Counters(id)
		if !ok {
			t.Fatalf("SPI %08x has no counters", uint32(id.SPI))
		}
		return c.Packets
	}
	settled(alice, bob, udp(1))
	settled(alice, bob, udp(2))
	eventually(t, "the newest SA was not used", func() bool { return counts(newIn) == 2 && counts(oldIn) == 0 })
	if _, ok := alice.Remove(newOut); !ok {
		t.Error("the new SA was not removed")
	}
	settled(alice, bob, udp(3))
	eventually(t, "the SA before was not fallen back to", func() bool { return counts(oldIn) == 1 })
	if c, ok := alice.Remove(oldOut); !ok || c.Packets != 1 || c.Bytes != uint64(len(udp(3))) {
		t.Errorf("the removed SA had counted %+v, %v", c, ok)
	}
	if _, ok := alice.Remove(oldOut); ok {
		t.Error("an SA was removed twice")
	}
	if _, ok := bob.Remove(oldIn); !ok {
		t.Error("the inbound SA was not removed")
	}
	if _, ok := bob.Counters(oldIn); ok {
		t.Error("a removed SA has counters")
	}
	if in, out := bob.Len(); in != 1 || out != 0 {
		t.Errorf("bob has %d and %d SAs, want 1 and 0", in, out)
	}
}

func TestExpire(t *testing.T) {
	alice, bob := newEnds(t, options{})
	out, in := alice.sa(bob, fourToFour, func(out, in *esp.Params) {
		out.SoftPackets, out.HardPackets = 3, 5
		in.SoftPackets = 2
	})
	for i := range 8 {
		alice.inject(udp(i))
	}
	bob.receive(5)
	for _, hard := range []bool{false, true} {
		if got, want := alice.event(), (engine.Expire{ID: out, Hard: hard}); got != want {
			t.Errorf("the event is %+v, want %+v", got, want)
		}
	}
	if got, want := bob.event(), (engine.Expire{ID: in}); got != want {
		t.Errorf("the receiver's event is %+v, want %+v", got, want)
	}
	eventually(t, "packets beyond the hard lifetime were not dropped", func() bool { return alice.Drops()["lifetime"] == 3 })
	alice.noEvent("an expiry was told twice")
}

func TestSequenceNumbersRunOut(t *testing.T) {
	alice, bob := newEnds(t, options{})
	p := fourToFour
	p.Sequence = 1<<32 - 3
	out, _ := alice.sa(bob, p)
	for i := range 5 {
		alice.inject(udp(i))
	}
	bob.receive(2)
	for _, hard := range []bool{false, true} {
		if got, want := alice.event(), (engine.Expire{ID: out, Hard: hard}); got != want {
			t.Errorf("the event is %+v, want %+v", got, want)
		}
	}
	eventually(t, "the numbers were used again", func() bool { return alice.Drops()["sequence-overflow"] == 3 })
}

// TestPeerMoved: a NAT forgets its mapping; the responder hears of it, and moves.
func TestPeerMoved(t *testing.T) {
	network := encap.NewNetwork()
	alice, bob := newEnd(t, network, "192.168.0.2", false, options{}), newEnd(t, network, "192.0.2.2", false, options{})
	nat := encap.NewNAT(netip.MustParsePrefix("192.168.0.0/24"), netip.MustParseAddr("192.0.2.99"))
	network.SetHook(nat.Hook)
	mapped := netip.MustParseAddrPort("192.0.2.99:20001")
	_, in := alice.sa(bob, fourToFour, func(_, in *esp.Params) { in.Remote = mapped })
	back := fourToFour
	back.FromTS, back.ToTS, back.Salt = back.ToTS, back.FromTS, 1
	out, _ := bob.sa(alice, back, func(out, _ *esp.Params) { out.Remote = mapped })
	reply := esptest.UDP("10.2.0.1", "10.1.0.1", 2000, 1000, nil)

	settled(alice, bob, udp(1))
	settled(bob, alice, reply)
	bob.noEvent("the peer has not moved")
	nat.Forget()
	settled(alice, bob, udp(2))
	moved := bob.event().(engine.PeerMoved)
	if moved.ID != in || moved.Remote == mapped || moved.Remote.Addr() != mapped.Addr() || moved.Local != bob.addr {
		t.Fatalf("the event is %+v", moved)
	}
	for _, id := range []esp.ID{in, out} {
		if !bob.Move(id, moved.Local, moved.Remote) {
			t.Errorf("%+v was not moved", id)
		}
	}
	settled(bob, alice, reply)
	settled(alice, bob, udp(3))
	bob.noEvent("after the move")
	if bob.Move(esp.ID{SPI: 999, Direction: esp.In}, bob.addr, mapped) || bob.Move(esp.ID{SPI: 999, Direction: esp.Out}, bob.addr, mapped) {
		t.Error("an SA that is not there was moved")
	}
}

func TestIKEDatagrams(t *testing.T) {
	alice, bob := newEnds(t, options{})
	both(alice, bob, fourToFour)
	on := func(e *end, port uint16) netip.AddrPort { return netip.AddrPortFrom(e.addr.Addr(), port) }
	for _, port := range []uint16{500, 4500} {
		if err := alice.net.SendIKE(on(alice, port), on(bob, port), []byte("an IKE message")); err != nil {
			t.Fatal(err)
		}
		if got, want := <-bob.ike, (ikeDatagram{on(bob, port), on(alice, port), "an IKE message"}); got != want {
			t.Errorf("on port %d %+v was delivered, want %+v", port, got, want)
		}
	}
	if err := alice.net.SendKeepalive(alice.addr, bob.addr); err != nil {
		t.Fatal(err)
	}
	settled(alice, bob, udp(1))
	select {
	case d := <-bob.ike:
		t.Errorf("a keepalive or an ESP packet was delivered to IKE: %+v", d)
	default:
	}
	if d := bob.Drops(); d != nil {
		t.Errorf("a keepalive was counted as dropped: %v", d)
	}
}

// TestRemoveFromIKECallback: the callee may remove the SA whose packets are in the same train.
func TestRemoveFromIKECallback(t *testing.T) {
	network := encap.NewNetwork()
	alice := newEnd(t, network, "192.0.2.1", false, options{})
	addr := netip.MustParseAddr("192.0.2.2")
	device, ep := tuntest.New(tuntest.Config{}), network.Attach(encap.EndpointConfig{Addresses: []netip.Addr{addr}})
	var bob *engine.Engine
	var in esp.ID
	removed := make(chan bool, 1)
	bob = engine.New(engine.Config{Device: device, Transport: ep, IKE: func(_, _ netip.AddrPort, _ []byte) {
		_, ok := bob.Remove(in)
		removed <- ok
	}})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- bob.Run(ctx) }()
	defer func() { stop(); <-done }()
	_, in = alice.sa(&end{t: t, Engine: bob, addr: netip.AddrPortFrom(addr, 4500)}, fourToFour)
	// One train of an ESP packet and an IKE datagram of equal length.
	train := packet.NewTrain()
	train.Local, train.Remote = alice.addr, netip.AddrPortFrom(addr, 4500)
	binary.BigEndian.PutUint32(train.Grow(64), uint32(in.SPI))
	train.Grow(64)
	if err := alice.net.Write(train); err != nil {
		t.Fatal(err)
	}
	select {
	case ok := <-removed:
		if !ok {
			t.Error("the SA was not removed")
		}
	case <-time.After(patience):
		t.Fatal("the callback cannot remove the SA: deadlock")
	}
}

func TestECN(t *testing.T) {
	alice, bob := newEnds(t, options{})
	_, in := alice.sa(bob, everything)
	var outer atomic.Int64
	alice.net.Network().SetHook(func(d encap.Datagram, deliver func(encap.Datagram)) {
		outer.Store(int64(d.TOS))
		d.TOS |= 3 // a router experiences congestion
		deliver(d)
	})
	for _, mk := range []func() []byte{
		func() []byte { return udp(10) },
		func() []byte { return esptest.UDP("fd01::1", "fd02::1", 1, 2, make([]byte, 10)) },
	} {
		for _, ecn := range []uint8{1, 2, 3} {
			ip, want := mk(), mk()
			packet.SetTOS(ip, 0xb8|ecn)
			packet.SetTOS(want, 0xbb)
			alice.inject(ip)
			same(t, "congestion experienced", bob.receive(1), [][]byte{want})
			if outer.Load() != int64(0xb8|ecn) {
				t.Errorf("the outer TOS is %#x, want that of the inner packet, %#x", outer.Load(), 0xb8|ecn)
			}
		}
	}
	alice.inject(udp(1)) // does not know of ECN
	eventually(t, "congestion was hidden from a packet that does not know of ECN", func() bool {
		c, _ := bob.Counters(in)
		return c.Drops["bad-ecn"] == 1
	})
}

func TestRefusals(t *testing.T) {
	alice, bob := newEnds(t, options{})
	out, _ := alice.sa(bob, fourToFour)
	alice.net.Network().SetMTU(100)
	alice.inject(udp(200))
	eventually(t, "a train that the socket refused was not counted", func() bool {
		c, _ := alice.Counters(out)
		return c.Drops["send-failed"] == 1 && alice.Drops()["send-failed"] == 1
	})
	alice.net.Network().SetMTU(0)
	bob.device.Refuse(errors.New("full"))
	alice.inject(udp(1))
	eventually(t, "a packet that the device refused was not counted", func() bool { return bob.Drops()["device-refused"] == 1 })
}

func TestLastInbound(t *testing.T) {
	now := time.Unix(5000, 0)
	alice, bob := newEnds(t, options{now: func() time.Time { return now }})
	alice.sa(bob, fourToFour)
	if got := bob.LastInbound(1); !got.IsZero() {
		t.Errorf("before any packet the last was at %v", got)
	}
	settled(alice, bob, udp(1))
	eventually(t, "a packet came in and was not seen", func() bool { return bob.LastInbound(1).Equal(now) })
	if got := bob.LastInbound(2); !got.IsZero() {
		t.Errorf("another Reqid had a packet at %v", got)
	}
}

func TestInstallRefuses(t *testing.T) {
	alice, bob := newEnds(t, options{})
	alice.sa(bob, fourToFour)
	p := fourToFour
	p.SPI, p.Reqid, p.From, p.To = 0xc0ffee01, 5, alice.addr, bob.addr
	o, i := p.Params()
	for _, x := range []esp.Params{o, i} {
		if err := alice.Install(x); err != nil {
			t.Errorf("an SA of a chosen SPI: %v", err)
		}
		if err := alice.Install(x); err == nil {
			t.Error("a second SA of the name was installed")
		}
		x.Direction = 7
		if err := alice.Install(x); err == nil {
			t.Error("an SA without direction was installed")
		}
		x.Direction, x.EncrKey = o.Direction, nil
		if err := alice.Install(x); err == nil {
			t.Error("an SA without keys was installed")
		}
	}
	spi, err := alice.NewSPI()
	if err != nil {
		t.Fatal(err)
	}
	alice.ReleaseSPI(spi)
}

func TestRunEnds(t *testing.T) {
	start := func() (*engine.Engine, *tuntest.Device, *encap.Endpoint, func(), chan error) {
		d, ep := tuntest.New(tuntest.Config{Queues: 2}), encap.NewNetwork().Attach(encap.EndpointConfig{Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}})
		e := engine.New(engine.Config{Device: d, Transport: ep})
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		return e, d, ep, stop, done
	}
	p := fourToFour
	p.SPI, p.From, p.To = 0xc0ffee01, netip.MustParseAddrPort("192.0.2.1:4500"), netip.MustParseAddrPort("192.0.2.2:4500")
	o, i := p.Params()

	e, d, ep, stop, done := start()
	for _, x := range []esp.Params{o, i} {
		if err := e.Install(x); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("Run ended by its context returned %v", err)
	}
	if in, out := e.Len(); in+out != 0 {
		t.Error("SAs outlive Run")
	}
	for _, x := range []esp.Params{o, i} {
		if err := e.Install(x); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("an SA was installed after Run: %v", err)
		}
	}
	if d.Inject(udp(1)) != os.ErrClosed || !errors.Is(ep.SendKeepalive(o.Local, o.Remote), net.ErrClosed) {
		t.Error("device or transport is open after Run")
	}

	_, d, _, stop, done = start()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, engine.ErrClosed) {
		t.Errorf("when the device was closed by another Run returned %v, want ErrClosed", err)
	}
	stop()
	_, _, ep, stop, done = start()
	if err := ep.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, engine.ErrClosed) {
		t.Errorf("when the transport was closed by another Run returned %v, want ErrClosed", err)
	}
	stop()
}

// TestRandomFlows sends random mixes of flows through devices with offload and compares with what was sent.
func TestRandomFlows(t *testing.T) {
	alice, bob := newEnds(t, options{offloadA: true, offloadB: true})
	both(alice, bob, everything)
	r := rand.New(rand.NewPCG(7, 8))
	for range 60 {
		var want [][]byte
		for range 1 + r.IntN(6) {
			addrs := [][2]string{{"10.1.0.1", "10.2.0.1"}, {"fd01::1", "fd02::1"}}[r.IntN(2)]
			n, size := 1+r.IntN(40), 1+r.IntN(1300)
			last := 1 + r.IntN(size)
			list := esptest.Datagrams(addrs[0], addrs[1], n, size, last)
			if r.IntN(2) == 0 {
				list = esptest.Stream(addrs[0], addrs[1], n, size, last, 0x10, []byte{0x10, 0x18, 0x19, 0x11}[r.IntN(4)])
			}
			want = append(want, list...)
			if r.IntN(3) == 0 || n == 1 {
				for _, ip := range list {
					alice.inject(ip)
				}
				continue
			}
			data, gso := esptest.Super(list)
			if err := alice.device.InjectSuper(0, data, gso); err != nil {
				t.Fatal(err)
			}
		}
		same(t, "a random mix", bob.receive(len(want)), want)
	}
}
