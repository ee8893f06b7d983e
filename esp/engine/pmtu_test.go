package engine_test

import (
	"bytes"
	"encoding/binary"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/esp/engine"
	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/tun/packet"
)

// still is a clock that does not run, so that no token comes back.
func still() time.Time { return time.Unix(1000, 0) }

// told checks the ICMP error that a device was given and returns the MTU in it.
func told(t *testing.T, p, quoted []byte) int {
	t.Helper()
	var v packet.View
	if err := v.Parse(p); err != nil {
		t.Fatal(err)
	}
	l4 := p[v.L4:]
	if v.Protocol == packet.ProtoICMP && (l4[0] != 3 || l4[1] != 4) || v.Protocol == packet.ProtoICMPv6 && l4[0] != 2 || v.Ports != packet.PortsType {
		t.Fatalf("no ICMP error came: % x", p)
	}
	if n := len(l4) - 8; n == 0 || !bytes.Equal(l4[8:], quoted[:n]) {
		t.Errorf("the error does not quote the packet that did not fit")
	}
	return int(binary.BigEndian.Uint16(l4[6:]))
}

// largest is the MTU for a path that takes n octets of AES-GCM: SPI, number, IV, padding to 4, two octets of trailer, ICV.
func largest(n int) int { return (n-8-8-16)/4*4 - 2 }

// TestKnownPath: what the transport knows of the path when the SA is installed. What fits exactly goes through.
func TestKnownPath(t *testing.T) {
	alice, bob := newEnds(t, options{now: still})
	alice.net.Network().SetMTU(1401)
	out, _ := alice.sa(bob, everything)
	mtu := largest(1401)
	fits := udp(mtu - 28)
	alice.inject(fits)
	same(t, "the longest packet that fits", bob.receive(1), [][]byte{fits})
	six := func(n int) []byte { return esptest.UDP("fd01::1", "fd02::1", 1, 2, make([]byte, n-48)) }
	alice.inject(six(mtu))
	same(t, "the longest packet of IPv6 that fits", bob.receive(1), [][]byte{six(mtu)})
	for _, ip := range [][]byte{udp(mtu + 1 - 28), six(mtu + 1), udp(9000)} {
		alice.inject(ip)
		if got := told(t, alice.next().Data, ip); got != mtu {
			t.Errorf("a packet of %d octets: the MTU told is %d, want %d", len(ip), got, mtu)
		}
	}
	if c, _ := alice.Counters(out); c.Drops["too-big"] != 3 || len(c.Drops) != 1 {
		t.Errorf("dropped %v, want 3 too-big", c.Drops)
	}
}

// TestPathShrinks: the path becomes smaller under way. One packet is lost, the next is answered, and a smaller one passes.
func TestPathShrinks(t *testing.T) {
	alice, bob := newEnds(t, options{now: still})
	out, _ := alice.sa(bob, everything)
	settled(alice, bob, udp(1300))
	alice.net.Network().SetMTU(1200)
	alice.inject(udp(1300))
	eventually(t, "the packet that the network refused is not counted", func() bool {
		c, _ := alice.Counters(out)
		return c.Drops["too-big"] == 1
	})
	alice.inject(udp(1300))
	if got := told(t, alice.next().Data, udp(1300)); got != largest(1200) {
		t.Errorf("the MTU told is %d, want %d", got, largest(1200))
	}
	settled(alice, bob, udp(largest(1200)-28))
	// Elsewhere the path is another.
	alice.net.Network().SetMTU(0)
	alice.Move(out, alice.addr, bob.addr)
	settled(alice, bob, udp(1300))
}

// TestErrorsAreLimited: a flood of what does not fit is answered ten times.
func TestErrorsAreLimited(t *testing.T) {
	alice, bob := newEnds(t, options{now: still})
	alice.net.Network().SetMTU(1200)
	both(alice, bob, everything)
	for range 50 {
		alice.inject(udp(1300))
	}
	last := esptest.UDP("10.2.0.1", "10.1.0.1", 1, 2, nil)
	settled(alice, bob, udp(10)) // all 50 were dealt with
	bob.inject(last)
	errs := 0
	for p := alice.next(); !bytes.Equal(p.Data, last); p = alice.next() {
		told(t, p.Data, udp(1300))
		errs++
	}
	if errs != 10 {
		t.Errorf("%d ICMP errors came, want 10", errs)
	}
}

// TestSegmentsTooBig: the segments of a super-packet that do not fit are answered with their own headers, not the whole's.
func TestSegmentsTooBig(t *testing.T) {
	alice, bob := newEnds(t, options{offloadA: true, offloadB: true, now: still})
	alice.net.Network().SetMTU(1000)
	alice.sa(bob, everything)
	list := [][]byte{udp(1300), udp(1300), udp(100)}
	for i := range list {
		binary.BigEndian.PutUint16(list[i][4:], uint16(0x1234+i))
		esptest.Mend(list[i])
	}
	data, gso := esptest.Super(list)
	if err := alice.device.InjectSuper(0, data, gso); err != nil {
		t.Fatal(err)
	}
	for _, ip := range list[:2] {
		if got := told(t, alice.next().Data, ip); got != largest(1000) {
			t.Errorf("the MTU told is %d, want %d", got, largest(1000))
		}
	}
	same(t, "the segment that fits", bob.receive(1), list[2:])
}

// blind is a transport that does not know its paths.
type blind struct{ encap.Transport }

// TestUnknownPath: without knowledge a size that fits nearly everywhere is taken.
func TestUnknownPath(t *testing.T) {
	network := encap.NewNetwork()
	network.SetMTU(1300)
	o := options{now: still, wrap: func(e *encap.Endpoint) encap.Transport { return blind{e} }}
	alice, bob := newEnd(t, network, "192.0.2.1", false, o), newEnd(t, network, "192.0.2.2", false, o)
	out, _ := alice.sa(bob, everything)
	alice.inject(udp(1300))
	eventually(t, "the packet that the network refused is not counted", func() bool {
		c, _ := alice.Counters(out)
		return c.Drops["too-big"] == 1
	})
	alice.inject(udp(1300))
	if got := told(t, alice.next().Data, udp(1300)); got != largest(1280-48) {
		t.Errorf("the MTU told is %d, want %d", got, largest(1280-48))
	}
	// A path that does not take even the least is broken, not small.
	network.SetMTU(100)
	alice.inject(udp(400))
	eventually(t, "what a broken path refuses is not counted as a failure to send", func() bool {
		c, _ := alice.Counters(out)
		return c.Drops["send-failed"] == 1
	})
}

// TestFragmentsInside: IPv4 without DF is cut before it is sealed, unless the SA's selectors name ports.
func TestFragmentsInside(t *testing.T) {
	alice, bob := newEnds(t, options{now: still})
	alice.net.Network().SetMTU(1000)
	alice.sa(bob, fourToFour)
	ports := esptest.Pair{FromTS: []string{"10.8.0.0/16[udp]"}, ToTS: []string{"10.9.0.0/16[udp/53]"}, Reqid: 2, Salt: 9}
	out, _ := alice.sa(bob, ports)
	loose := func(ip []byte) []byte {
		ip[6] = 0
		esptest.Mend(ip)
		return ip
	}
	whole := loose(udp(3000))
	alice.inject(whole)
	var payload []byte
	for _, p := range bob.receive(4) {
		if len(p) > largest(1000) || esptest.Sum(p[:20], 0) != 0xffff {
			t.Errorf("a fragment of %d octets does not fit, or has a wrong checksum", len(p))
		}
		if int(binary.BigEndian.Uint16(p[6:])&0x1fff)*8 != len(payload) {
			t.Errorf("a fragment has the offset %#x, want that of %d octets", p[6:8], len(payload))
		}
		payload = append(payload, p[20:]...)
	}
	if !bytes.Equal(payload, whole[20:]) {
		t.Errorf("the fragments are not the packet: %d octets, want %d", len(payload), len(whole)-20)
	}
	alice.inject(loose(esptest.UDP("10.8.0.1", "10.9.0.1", 1, 53, make([]byte, 3000))))
	settled(alice, bob, udp(10))
	if c, _ := alice.Counters(out); c.Drops["too-big"] != 1 || c.Packets != 0 {
		t.Errorf("the SA for one port counts %+v, want one packet dropped as too big", c)
	}
}

// TestAlwaysRoomFor1280: a path of 1000 octets carries IPv6 packets of 1280, which no sender can make smaller, and no longer ones.
func TestAlwaysRoomFor1280(t *testing.T) {
	alice, bob := newEnds(t, options{now: still})
	alice.net.Network().SetMTU(1000)
	out, _ := alice.sa(bob, everything)
	six := func(n int) []byte { return esptest.UDP("fd01::1", "fd02::1", 1, 2, make([]byte, n-48)) }
	for _, n := range []int{largest(1000), largest(1000) + 1, 1279, 1280} {
		alice.inject(six(n))
		same(t, "an IPv6 packet that every path has to carry", bob.receive(1), [][]byte{six(n)})
	}
	alice.inject(six(1281))
	if got := told(t, alice.next().Data, six(1281)); got != 1280 {
		t.Errorf("the MTU told is %d, want 1280", got)
	}
	if c, _ := alice.Counters(out); c.Drops["too-big"] != 1 || len(c.Drops) != 1 {
		t.Errorf("dropped %v, want one too-big", c.Drops)
	}
}

// TestIgnoreDF: with copy_df = no everything goes out whole, and is left to the host to fragment.
func TestIgnoreDF(t *testing.T) {
	alice, bob := newEnds(t, options{now: still})
	alice.net.Network().SetMTU(1000)
	out, _ := alice.sa(bob, everything, func(out, in *esp.Params) { out.IgnoreDF = true })
	loose := udp(3000)
	loose[6] = 0
	esptest.Mend(loose)
	for _, ip := range [][]byte{udp(1300), udp(10), loose, udp(9000), esptest.UDP("fd01::1", "fd02::1", 1, 2, make([]byte, 2000))} {
		alice.inject(ip)
		same(t, "a packet that the host is to fragment", bob.receive(1), [][]byte{ip})
	}
	if c, _ := alice.Counters(out); len(c.Drops) != 0 {
		t.Errorf("dropped %v, want nothing", c.Drops)
	}
	alice.noEvent("an SA that fragments has a word on the room")
}

// TestPathIsFollowed: what the host knows of the path is asked for again while the SA is used, and silly answers are not believed.
func TestPathIsFollowed(t *testing.T) {
	var clock atomic.Int64
	alice, bob := newEnds(t, options{now: func() time.Time { return time.Unix(1000, 0).Add(time.Duration(clock.Load())) }})
	network := alice.net.Network()
	room := func(want int) {
		t.Helper()
		if e := alice.event(); e != (engine.RoomChanged{Octets: want}) {
			t.Fatalf("the event is %#v, want room for %d", e, want)
		}
	}
	network.SetMTU(1300)
	first, _ := alice.sa(bob, everything)
	room(largest(1300))
	for _, c := range []struct{ known, takes int }{{1200, 1200}, {1400, 1400}, {300, 548}, {1400, 1400}} {
		network.SetMTU(c.known)
		clock.Add(int64(11 * time.Second))
		settled(alice, bob, udp(0)) // its train is the first to see that the time has passed
		room(largest(c.takes))
	}
	// The least of several counts, as long as it is there.
	network.SetMTU(1350)
	second, _ := alice.sa(bob, esptest.Pair{FromTS: []string{"10.8.0.0/16"}, ToTS: []string{"10.9.0.0/16"}, Reqid: 2, Salt: 9})
	room(largest(1350))
	alice.Remove(second)
	room(largest(1400))
	alice.Remove(first)
	room(0)
}

// fragmenting is a transport that sends in fragments what does not fit, and says so, as the host's sockets do.
type fragmenting struct{ *encap.Endpoint }

func (f fragmenting) Write(t *packet.Train) error {
	fits := f.PathMTU(t.Local, t.Remote) >= t.Seg
	t.Fragment = true
	if err := f.Endpoint.Write(t); err != nil || fits {
		return err
	}
	return encap.ErrFragmented
}

// TestFragmentedTrainsTell: a train that went out in fragments is no loss, and tells all SAs to the peer of the smaller path.
func TestFragmentedTrainsTell(t *testing.T) {
	network := encap.NewNetwork()
	network.SetMTU(1400)
	o := options{now: still, wrap: func(e *encap.Endpoint) encap.Transport { return fragmenting{e} }}
	alice, bob := newEnd(t, network, "192.0.2.1", false, o), newEnd(t, network, "192.0.2.2", false, o)
	out, _ := alice.sa(bob, fourToFour)
	other, _ := alice.sa(bob, esptest.Pair{FromTS: []string{"10.8.0.0/16"}, ToTS: []string{"10.9.0.0/16"}, Reqid: 2, Salt: 9})
	network.SetMTU(1200)
	alice.inject(udp(1300))
	same(t, "the packet that went out in fragments", bob.receive(1), [][]byte{udp(1300)})
	alice.inject(udp(1300))
	if got := told(t, alice.next().Data, udp(1300)); got != largest(1200) {
		t.Errorf("the MTU told is %d, want %d", got, largest(1200))
	}
	room := func(want int) {
		t.Helper()
		if e := alice.event(); e != (engine.RoomChanged{Octets: want}) {
			t.Errorf("the event is %#v, want room for %d", e, want)
		}
	}
	room(largest(1400))
	room(largest(1200))
	// Events keep their order: behind that of a third SA the second has been told too.
	network.SetMTU(1100)
	third, _ := alice.sa(bob, esptest.Pair{FromTS: []string{"10.6.0.0/16"}, ToTS: []string{"10.7.0.0/16"}, Reqid: 3, Salt: 10})
	room(largest(1100))
	alice.Remove(third)
	room(largest(1200))
	alice.Remove(out) // which changes nothing, since the other has the same room
	alice.Remove(other)
	room(0)
}
