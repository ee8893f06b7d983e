package encap

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/goswan/goswan/tun/packet"
	"github.com/goswan/goswan/tun/tuntest/testns"
)

// neighbours are two namespaces on one link of MTU 1500, with sockets in each.
func neighbours(t *testing.T, c Config) (a, b *testns.Namespace, ours, theirs *UDP) {
	t.Helper()
	a, b = testns.New(t), testns.New(t)
	testns.Veth(t, a, "gsveth0", b, "gsveth0")
	for _, addr := range []string{"192.0.2.1/24", "fd02::1/64"} {
		a.AddAddress(t, "gsveth0", addr)
	}
	for _, addr := range []string{"192.0.2.2/24", "fd02::2/64"} {
		b.AddAddress(t, "gsveth0", addr)
	}
	a.AwaitAddresses(t, "gsveth0")
	b.AwaitAddresses(t, "gsveth0")
	return a, b, listenIn(t, a, c), listenIn(t, b, Config{})
}

func listenIn(t *testing.T, n *testns.Namespace, c Config) *UDP {
	t.Helper()
	var u *UDP
	n.Do(t, func() (err error) {
		u, err = Listen(c)
		return err
	})
	t.Cleanup(func() { _ = u.Close() })
	return u
}

// The kernel does not segment into datagrams that do not fit the link; alone, each is sent in fragments.
func TestSegmentsAboveTheMTUTravelAsFragments(t *testing.T) {
	_, _, ours, theirs := neighbours(t, Config{})
	for _, to := range []string{"192.0.2.2", "fd02::2"} {
		remote := netip.AddrPortFrom(netip.MustParseAddr(to), theirs.portNATT)
		in := theirs.conn(t, remote.Addr().Is6(), true)
		for round, size := range []int{2000, 1000} {
			out := train(netip.AddrPort{}, remote, size, 10)
			if err, want := ours.Write(out), []error{ErrFragmented, nil}[round]; err != want {
				t.Fatalf("to %s: 10 datagrams of %d octets gave %v, want %v", to, size, err, want)
			}
			got, _ := readAll(t, in, 10)
			for i, d := range got {
				if !bytes.Equal(d, out.Datagram(i)) {
					t.Fatalf("to %s: datagram %d of %d octets came as %d", to, i, size, len(d))
				}
			}
			slot := &ours.conn(t, remote.Addr().Is6(), true).(*linuxSocket).alone[class(remote.Addr())]
			if slot.Load() != 0 {
				t.Errorf("to %s: after %d trains %d are to be sent singly, want none", to, round+1, slot.Load())
			}
		}
	}
}

// A train that is known not to fit is sent in fragments, and what does fit to the same place still goes at once.
func TestFragmentedTrains(t *testing.T) {
	_, _, ours, theirs := neighbours(t, Config{})
	for _, to := range []string{"192.0.2.2", "fd02::2"} {
		remote := netip.AddrPortFrom(netip.MustParseAddr(to), theirs.portNATT)
		large, small := train(netip.AddrPort{}, remote, 2000, 10), train(netip.AddrPort{}, remote, 1000, 10)
		large.Fragment = true
		errs := make([]error, 3)
		ours.WriteBatch([]*packet.Train{small, large, small}, errs)
		if err := errors.Join(errs...); err != nil {
			t.Errorf("to %s: %v", to, err)
		}
		readAll(t, theirs.conn(t, remote.Addr().Is6(), true), 30)
		if n := testing.AllocsPerRun(20, func() { _ = ours.Write(large) }); n != 0 && pools {
			t.Errorf("to %s: a train in fragments costs %v allocations, want 0", to, n)
		}
		if left := ours.conn(t, remote.Addr().Is6(), true).(*linuxSocket).alone[class(remote.Addr())].Load(); left != 0 {
			t.Errorf("to %s: %d trains are to be sent singly, want none", to, left)
		}
	}
}

// What fits has DF, which a smaller link further on answers, also after something was sent in fragments. IKE's own port has none.
func TestDFIsSetOnWhatFits(t *testing.T) {
	_, _, ours, theirs := neighbours(t, Config{})
	for _, to := range []string{"192.0.2.2", "fd02::2"} {
		remote := netip.AddrPortFrom(netip.MustParseAddr(to), theirs.portNATT)
		if err := ours.Write(train(netip.AddrPort{}, remote, 2000, 1)); err != ErrFragmented {
			t.Errorf("to %s: a datagram of 2000 octets gave %v, want ErrFragmented", to, err)
		}
		if err := ours.SendIKE(netip.AddrPortFrom(netip.Addr{}, ours.portNATT), remote, make([]byte, 2000)); err != nil {
			t.Errorf("to %s: an IKE message of 2000 octets gave %v", to, err)
		}
	}
	for natt, want := range map[bool]int{true: unix.IP_PMTUDISC_DO, false: unix.IP_PMTUDISC_DONT} {
		for v6, option := range map[bool][2]int{false: {unix.IPPROTO_IP, unix.IP_MTU_DISCOVER}, true: {unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER}} {
			got := -1
			err := ours.conn(t, v6, natt).(*linuxSocket).file.Control(func(fd uintptr) { got, _ = unix.GetsockoptInt(int(fd), option[0], option[1]) })
			if err != nil || got != want {
				t.Errorf("IPv6 %v, NAT-T %v: MTU discovery is %d, %v; want %d", v6, natt, got, err, want)
			}
		}
	}
}

func TestDontFragmentTellsWhatIsTooBig(t *testing.T) {
	a, _, ours, theirs := neighbours(t, Config{DontFragment: true})
	for _, to := range []string{"192.0.2.2", "fd02::2"} {
		remote := netip.AddrPortFrom(netip.MustParseAddr(to), theirs.portNATT)
		for _, count := range []int{1, 10} {
			if err := ours.Write(train(netip.AddrPort{}, remote, 2000, count)); !errors.Is(err, ErrTooBig) {
				t.Errorf("to %s: %d datagrams of 2000 octets gave %v, want ErrTooBig", to, count, err)
			}
			if err := ours.Write(train(netip.AddrPort{}, remote, 1400, count)); err != nil {
				t.Errorf("to %s: %d datagrams of 1400 octets gave %v", to, count, err)
			}
			readAll(t, theirs.conn(t, remote.Addr().Is6(), true), count)
		}
	}
	for to, want := range map[string]int{"192.0.2.2": 1500 - 28, "fd02::2": 1500 - 48, "198.51.100.1": 0} {
		for _, from := range []netip.AddrPort{{}, netip.AddrPortFrom(netip.IPv6Unspecified(), 1)} {
			remote := netip.AddrPortFrom(netip.MustParseAddr(to), theirs.portNATT)
			a.Do(t, func() error {
				if got := ours.PathMTU(from, remote); got != want {
					t.Errorf("the path to %s is said to take %d octets, want %d", to, got, want)
				}
				return nil
			})
		}
	}
}

// While a neighbour's link address is not known the kernel keeps what is sent to it, and the socket's buffer fills.
func TestAFullBufferIsWaitedFor(t *testing.T) {
	a, b, ours, theirs := neighbours(t, Config{Buffer: 4096})
	absent := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.3"), theirs.portNATT)
	s := ours.conn(t, false, true).(*linuxSocket)
	fill(t, s, absent)
	done := make(chan error)
	go func() { done <- ours.Write(train(netip.AddrPort{}, absent, 1000, 20)) }()
	// Now the neighbour appears.
	b.AddAddress(t, "gsveth0", "192.0.2.3/24")
	var hardware net.HardwareAddr
	b.Do(t, func() error {
		link, err := netlink.LinkByName("gsveth0")
		if err == nil {
			hardware = link.Attrs().HardwareAddr
		}
		return err
	})
	a.Do(t, func() error {
		link, err := netlink.LinkByName("gsveth0")
		if err != nil {
			return err
		}
		return netlink.NeighSet(&netlink.Neigh{
			LinkIndex: link.Attrs().Index, Family: netlink.FAMILY_V4, State: netlink.NUD_PERMANENT,
			IP: absent.Addr().AsSlice(), HardwareAddr: hardware,
		})
	})
	if err := <-done; err != nil {
		t.Errorf("writing into a full buffer: %v", err)
	}
	for in := theirs.conn(t, false, true); ; {
		got, _ := readAll(t, in, 1)
		if last := got[len(got)-1]; len(last) == 1000 && last[0] == 20 {
			return
		}
	}
}

// fill sends until the socket has no more room.
func fill(t *testing.T, s *linuxSocket, to netip.AddrPort) {
	t.Helper()
	var err error
	e := s.file.Control(func(fd uintptr) {
		for err == nil {
			err = unix.Sendto(int(fd), make([]byte, 500), unix.MSG_DONTWAIT, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
		}
	})
	if e != nil || err != unix.EAGAIN {
		t.Fatalf("filling a socket's buffer ended with %v %v", e, err)
	}
}

func TestCloseEndsAWriteThatWaits(t *testing.T) {
	_, _, ours, theirs := neighbours(t, Config{Buffer: 4096})
	absent := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.3"), theirs.portNATT)
	fill(t, ours.conn(t, false, true).(*linuxSocket), absent)
	done := make(chan error)
	go func() { done <- ours.Write(train(netip.AddrPort{}, absent, 1000, 20)) }()
	if err := ours.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("a write that waited for room returned %v after Close, want net.ErrClosed", err)
	}
}

func TestLinkLocalPeersKeepTheirZone(t *testing.T) {
	a, b, ours, theirs := neighbours(t, Config{})
	a.AddAddress(t, "gsveth0", "fe80::1:1/64")
	b.AddAddress(t, "gsveth0", "fe80::1:2/64")
	var index int
	a.Do(t, func() error {
		link, err := netlink.LinkByName("gsveth0")
		if err == nil {
			index = link.Attrs().Index
		}
		return err
	})
	to := netip.AddrPortFrom(netip.MustParseAddr("fe80::1:2").WithZone(zoneOf(index)), theirs.portNATT)
	if err := ours.Write(train(netip.AddrPort{}, to, 100, 3)); err != nil {
		t.Fatal(err)
	}
	_, in := readAll(t, theirs.conn(t, true, true), 3)
	if in.Remote.Addr().Zone() == "" || in.Local.Addr().Zone() == "" {
		t.Fatalf("it came from %v to %v, want both with a zone", in.Remote, in.Local)
	}
	if err := theirs.Write(train(in.Local, in.Remote, 100, 3)); err != nil {
		t.Fatal(err)
	}
	if _, back := readAll(t, ours.conn(t, true, true), 3); back.Remote != to {
		t.Errorf("the answer came from %v, want %v", back.Remote, to)
	}
}

func zoneOf(index int) string {
	var z zone
	return z.add(netip.MustParseAddr("fe80::1"), uint32(index)).Zone()
}
