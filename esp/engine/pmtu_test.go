package engine_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/goswan/goswan/esp/encap"
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
