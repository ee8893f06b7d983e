package encap

import (
	"bytes"
	"errors"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goswan/goswan/tun/packet"
)

// An endpoint with several addresses must answer from the one it was asked at.
func TestRepliesLeaveFromTheAddressThatWasAsked(t *testing.T) {
	for name, open := range openers {
		t.Run(name, func(t *testing.T) {
			a, b := listenFor(t, Config{}, open), listenFor(t, Config{}, open)
			asked := netip.MustParseAddr("127.0.0.7")
			if err := a.Write(train(netip.AddrPort{}, netip.AddrPortFrom(asked, b.portNATT), 10, 1)); err != nil {
				t.Fatal(err)
			}
			_, in := readAll(t, b.conn(t, false, true), 1)
			if in.Local.Addr() != asked {
				t.Fatalf("it arrived at %v, want %v", in.Local, asked)
			}
			if err := b.Write(train(in.Local, in.Remote, 10, 1)); err != nil {
				t.Fatal(err)
			}
			if _, back := readAll(t, a.conn(t, false, true), 1); back.Remote != in.Local {
				t.Errorf("the answer came from %v, want %v", back.Remote, in.Local)
			}
		})
	}
}

func TestTrafficClassIsCarried(t *testing.T) {
	a, b := listenFor(t, Config{}, openSocket), listenFor(t, Config{}, openSocket)
	for _, v6 := range []bool{false, true} {
		in := b.conn(t, v6, true)
		for _, tos := range []uint8{0, 0xb8, 0x03} {
			out := train(netip.AddrPort{}, netip.AddrPortFrom(loopback(v6), b.portNATT), 100, 3)
			out.TOS = tos
			if err := a.Write(out); err != nil {
				t.Fatal(err)
			}
			if _, got := readAll(t, in, 3); got.TOS != tos {
				t.Errorf("IPv6 %v: a train of TOS %#x came with %#x", v6, tos, got.TOS)
			}
		}
	}
}

func TestTrainsTravelWhole(t *testing.T) {
	a, b := listenFor(t, Config{}, openSocket), listenFor(t, Config{}, openSocket)
	out := train(netip.AddrPort{}, netip.AddrPortFrom(loopback(false), b.portNATT), 1000, 60)
	if err := a.Write(out); err != nil {
		t.Fatal(err)
	}
	got := packet.NewTrain()
	if err := b.conn(t, false, true).Read(got, nil); err != nil {
		t.Fatal(err)
	}
	if got.Count() != 60 {
		t.Errorf("60 datagrams sent at once came as a train of %d: no UDP_SEGMENT or no UDP_GRO", got.Count())
	}
}

func TestWithoutSegmentationTrainsTravelAsDatagrams(t *testing.T) {
	a, b := listenFor(t, Config{}, openSocket), listenFor(t, Config{}, openSocket)
	out := train(netip.AddrPort{}, netip.AddrPortFrom(loopback(false), b.portNATT), 500, 50)
	out.Len -= 77
	s := a.conn(t, false, true).(*linuxSocket)
	slot := &s.alone[class(out.Remote.Addr())]
	slot.Store(2)
	in := b.conn(t, false, true)
	for round, want := range []uint32{1, 0, 0} {
		if err := a.Write(out); err != nil {
			t.Fatal(err)
		}
		got, last := readAll(t, in, 50)
		for i, d := range got {
			if !bytes.Equal(d, out.Datagram(i)) {
				t.Fatalf("round %d: datagram %d is wrong", round, i)
			}
		}
		if alone := last.Count() == 1; alone != (round < 2) {
			t.Errorf("round %d: the last train has %d datagrams", round, last.Count())
		}
		if left := slot.Load(); left != want {
			t.Errorf("round %d: %d trains left to send singly, want %d", round, left, want)
		}
	}
}

// Newer kernels join up to 128 datagrams; a train has at most 64.
func TestLongerTrainsAreCut(t *testing.T) {
	a, b := listenFor(t, Config{}, openSocket), listenFor(t, Config{}, openSocket)
	out := train(netip.AddrPort{}, netip.AddrPortFrom(loopback(false), b.portNATT), 100, 120)
	if err := a.Write(out); err != nil {
		t.Fatal(err)
	}
	got, _ := readAll(t, b.conn(t, false, true), 120)
	for i, d := range got {
		if !bytes.Equal(d, out.Datagram(i)) {
			t.Fatalf("datagram %d is wrong", i)
		}
	}
}

func TestAForeignSourceAddressIsAnError(t *testing.T) {
	u := listenFor(t, Config{}, openSocket)
	for _, c := range []struct{ local, remote string }{
		{"192.0.2.200", "127.0.0.1"}, {"2001:db8::77", "::1"},
	} {
		remote := netip.MustParseAddr(c.remote)
		u.conn(t, remote.Is6(), true)
		out := train(netip.AddrPortFrom(netip.MustParseAddr(c.local), 0), netip.AddrPortFrom(remote, 4500), 10, 3)
		if err := u.Write(out); !errors.Is(err, ErrNoAddress) {
			t.Errorf("sending from %s: %v, want ErrNoAddress", c.local, err)
		}
	}
}

func TestReadAndWriteDoNotAllocate(t *testing.T) {
	a, b := listenFor(t, Config{}, openSocket), listenFor(t, Config{}, openSocket)
	for _, v6 := range []bool{false, true} {
		conn, in := b.conn(t, v6, true), packet.NewTrain()
		out := train(netip.AddrPortFrom(loopback(v6), a.portNATT), netip.AddrPortFrom(loopback(v6), b.portNATT), 1400, 20)
		out.TOS = 0x28
		idle := func() {}
		n := testing.AllocsPerRun(200, func() {
			if a.Write(out) != nil {
				t.Fatal("a train was refused")
			}
			for got := 0; got < 20; got += in.Count() {
				if conn.Read(in, idle) != nil {
					t.Fatal("a read failed")
				}
			}
		})
		if n != 0 && pools {
			t.Errorf("IPv6 %v: writing and reading a train allocate %v times, want 0", v6, n)
		}
	}
}

// Without CAP_NET_ADMIN the mark is refused: the sockets work and say so.
func TestAMarkThatIsNotPermittedIsReported(t *testing.T) {
	type result struct {
		u   *UDP
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its changed capabilities
		if err := dropNetAdmin(); err != nil {
			done <- result{err: err}
			return
		}
		u, err := Listen(Config{Mark: 7})
		done <- result{u, err}
	}()
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	defer r.u.Close()
	if r.u.Marked() || len(r.u.Warnings()) != 1 {
		t.Errorf("without the capability Marked is %v and the warnings are %q", r.u.Marked(), r.u.Warnings())
	}
	if unix.Geteuid() != 0 {
		t.Skip("SKIP: not root, so a permitted mark cannot be tested")
	}
	u := listenFor(t, Config{Mark: 7}, openSocket)
	if !u.Marked() || len(u.Warnings()) != 0 {
		t.Errorf("with the capability Marked is %v and the warnings are %q", u.Marked(), u.Warnings())
	}
}

// dropNetAdmin takes CAP_NET_ADMIN, and CAP_NET_RAW which also permits a mark, from this thread.
func dropNetAdmin() error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return err
	}
	data[0].Effective &^= 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW
	return unix.Capset(&hdr, &data[0])
}

func TestEachReadCallsIdleOnceWhenNothingWaits(t *testing.T) {
	a, b := listenFor(t, Config{}, openSocket), listenFor(t, Config{}, openSocket)
	to := netip.AddrPortFrom(loopback(false), b.portNATT)
	calls := 0
	in := packet.NewTrain()
	err := b.conn(t, false, true).Read(in, func() {
		calls++
		if err := a.Write(train(netip.AddrPort{}, to, 10, 1)); err != nil {
			t.Error(err)
		}
	})
	if err != nil || calls != 1 || in.Count() != 1 {
		t.Errorf("Read: %v, idle called %d times, %d datagrams; want one call, then the datagram", err, calls, in.Count())
	}
	if err := a.Write(train(netip.AddrPort{}, to, 10, 1)); err != nil {
		t.Fatal(err)
	}
	if err := b.conn(t, false, true).Read(in, func() { t.Error("idle was called though a datagram waited") }); err != nil {
		t.Error(err)
	}
}

func BenchmarkTrainOverLoopback(b *testing.B) {
	u, err := Listen(Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer u.Close()
	out := train(netip.AddrPort{}, netip.AddrPortFrom(loopback(false), u.portNATT), 1400, 46)
	in, conn := packet.NewTrain(), u.sockets[2]
	b.SetBytes(int64(out.Len))
	b.ReportAllocs()
	start := time.Now()
	for b.Loop() {
		if err := u.Write(out); err != nil {
			b.Fatal(err)
		}
		for got := 0; got < 46; got += in.Count() {
			if err := conn.Read(in, nil); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N*46)/time.Since(start).Seconds(), "datagrams/s")
}

func TestLanesShareThePort(t *testing.T) {
	const lanes, peers = 4, 64
	u := listenFor(t, Config{Lanes: lanes}, openSocket)
	var conns []Conn
	for _, c := range u.Conns() {
		if s := c.(*linuxSocket); s.NATT() && s.port == u.portNATT {
			conns = append(conns, c)
		}
	}
	if len(conns)%lanes != 0 || len(u.Conns()) <= lanes {
		t.Fatalf("%d sockets of which %d are of the NAT-T port, want %d for each family", len(u.Conns()), len(conns), lanes)
	}
	for range peers {
		p := listenFor(t, Config{Addresses: []netip.Addr{loopback(false)}}, openSocket)
		for range 3 {
			if err := p.Write(train(netip.AddrPort{}, netip.AddrPortFrom(loopback(false), u.portNATT), 10, 2)); err != nil {
				t.Fatal(err)
			}
		}
	}
	total, used := 0, 0
	seen := map[netip.AddrPort]int{}
	for i, c := range conns {
		got := packet.NewTrain()
		n := 0
		for {
			ok, err := c.(Polled).TryRead(got)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if was, there := seen[got.Remote]; there && was != i {
				t.Errorf("datagrams of %v came to two lanes", got.Remote)
			}
			seen[got.Remote] = i
			n += got.Count()
		}
		if total += n; n > 0 {
			used++
		}
	}
	if total != peers*6 || used < 2 {
		t.Errorf("%d datagrams came to %d lanes, want %d to several", total, used, peers*6)
	}
}

func TestLanesFindOutAnotherDaemon(t *testing.T) {
	u := listenFor(t, Config{Lanes: 3}, openSocket)
	for _, theirs := range []int{1, 3} {
		_, err := Listen(Config{Port: u.port, PortNATT: u.portNATT, Lanes: theirs})
		if err == nil || !strings.Contains(err.Error(), "another IKE daemon") {
			t.Errorf("a second daemon with %d lanes on the same ports: %v", theirs, err)
		}
		_, err = Listen(Config{PortNATT: u.portNATT, Lanes: theirs})
		if err == nil || !strings.Contains(err.Error(), "another IKE daemon") {
			t.Errorf("a second daemon with %d lanes on the same NAT-T port: %v", theirs, err)
		}
	}
}
