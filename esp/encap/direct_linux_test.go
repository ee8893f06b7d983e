package encap

import (
	"net"
	"net/netip"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/goswan/goswan/tun/packet"
	"github.com/goswan/goswan/tun/poll"
)

// friends are two transports on the loopback address of a family, the first with a socket for the second.
func friends(t *testing.T, v6 bool) (a, b *UDP, between pair, direct Polled) {
	t.Helper()
	a, b = listenFor(t, Config{}, openSocket), listenFor(t, Config{}, openSocket)
	between = pair{netip.AddrPortFrom(loopback(v6), a.portNATT), netip.AddrPortFrom(loopback(v6), b.portNATT)}
	direct, err := a.Connect(between.local, between.remote)
	if err != nil {
		t.Fatal(err)
	}
	return a, b, between, direct
}

func TestAPeerHasASocketOfItsOwn(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		a, b, between, direct := friends(t, v6)
		stranger := listenFor(t, Config{}, openSocket)
		const tos = 0x02
		for n := range 3 {
			out := train(between.local, between.remote, 100, 1+n)
			out.TOS = tos
			if err := a.Write(out); err != nil {
				t.Fatal(err)
			}
			_, in := readAll(t, b.conn(t, v6, true), 1+n)
			if in.Remote != between.local || in.TOS != tos {
				t.Errorf("IPv6 %v: a train came from %v with TOS %#x, want %v and %#x", v6, in.Remote, in.TOS, between.local, tos)
			}
			if err := b.Write(train(between.remote, between.local, 100, 1+n)); err != nil {
				t.Fatal(err)
			}
			_, back := readAll(t, direct, 1+n)
			if back.Remote != between.remote || back.Local != between.local {
				t.Errorf("IPv6 %v: the peer's socket has a train from %v to %v, want %v", v6, back.Remote, back.Local, between)
			}
			if err := stranger.Write(train(netip.AddrPort{}, between.local, 100, 1+n)); err != nil {
				t.Fatal(err)
			}
			_, strange := readAll(t, a.conn(t, v6, true), 1+n)
			if strange.Remote.Port() != stranger.portNATT {
				t.Errorf("IPv6 %v: everybody's socket has a train from %v, want the stranger's", v6, strange.Remote)
			}
		}
	}
}

// Without naming the peer, what is sent goes to the one that the socket is connected to.
func TestTheKernelIsNotToldWhatItKnows(t *testing.T) {
	a, _, between, direct := friends(t, false)
	var x letter
	x.prepare(train(between.local, between.remote, 10, 1), direct.(*linuxSocket).connected())
	if x.nameLen != 0 || x.ctlLen != 0 {
		t.Errorf("a connected socket is given %d octets of address and %d of ancillary data", x.nameLen, x.ctlLen)
	}
	x.prepare(train(between.local, between.remote, 10, 1), a.sockets[0].socket.(*linuxSocket).connected())
	if x.nameLen == 0 || x.ctlLen == 0 {
		t.Error("any other socket has to be told where to send to and from")
	}
}

func TestSeveralTrainsLeaveThroughAPeersSocket(t *testing.T) {
	a, b, between, _ := friends(t, false)
	trains := []*packet.Train{train(between.local, between.remote, 100, 2), train(between.local, between.remote, 60, 3)}
	errs := make([]error, len(trains))
	a.WriteBatch(trains, errs)
	for i, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
		if _, in := readAll(t, b.conn(t, false, true), trains[i].Count()); in.Remote != between.local {
			t.Errorf("train %d came from %v, want %v", i, in.Remote, between.local)
		}
	}
}

func TestDisconnectedPeersAreServedLikeAll(t *testing.T) {
	a, b, between, direct := friends(t, false)
	if err := a.Disconnect(direct); err != nil {
		t.Fatal(err)
	}
	if _, err := direct.TryRead(train(between.local, between.remote, 10, 1)); err != net.ErrClosed {
		t.Errorf("a socket that was given up was read: %v", err)
	}
	if err := a.Write(train(between.local, between.remote, 10, 1)); err != nil {
		t.Fatal(err)
	}
	readAll(t, b.conn(t, false, true), 1)
	if err := b.Write(train(between.remote, between.local, 10, 1)); err != nil {
		t.Fatal(err)
	}
	readAll(t, a.conn(t, false, true), 1)
}

// A peer that is forgotten is read to the end; whoever waits for its socket is woken.
func TestForgottenPeers(t *testing.T) {
	a, b, between, direct := friends(t, false)
	if err := b.Write(train(between.remote, between.local, 10, 1)); err != nil {
		t.Fatal(err)
	}
	a.Forget(between.local, between.remote)
	a.Forget(between.local, netip.AddrPortFrom(loopback(false), 9)) // of whom nobody has heard
	rc, err := direct.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	set, err := poll.New(rc)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	if ready, err := set.Wait(); err != nil || ready != 1 {
		t.Errorf("waiting for the socket returned %b, %v", ready, err)
	}
	in := packet.NewTrain()
	if ok, err := direct.TryRead(in); !ok || err != nil {
		t.Errorf("what had come is not read: %v, %v", ok, err)
	}
	if ready, err := set.Wait(); err != nil || ready != 1 {
		t.Errorf("waiting for the empty socket returned %b, %v", ready, err)
	}
	if ok, err := direct.TryRead(in); ok || err != ErrForgotten {
		t.Errorf("reading the empty socket returned %v, %v, want ErrForgotten", ok, err)
	}
	if err := a.Write(train(between.local, between.remote, 10, 1)); err != nil {
		t.Fatal(err)
	}
	readAll(t, b.conn(t, false, true), 1)
	if err := a.Disconnect(direct); err != nil {
		t.Error(err)
	}
}

// A socket that cannot send, as when its address went away, is not used any more; everybody's socket may know a way.
func TestASocketThatCannotSendIsPassedOver(t *testing.T) {
	a, b, between, direct := friends(t, false)
	s := direct.(*linuxSocket)
	// Connecting to AF_UNSPEC ends the connection, connect(2): a send without a name fails then.
	none := unix.RawSockaddr{Family: unix.AF_UNSPEC}
	if err := s.file.Control(func(fd uintptr) {
		if _, _, errno := unix.Syscall(unix.SYS_CONNECT, fd, uintptr(unsafe.Pointer(&none)), unsafe.Sizeof(none)); errno != 0 {
			t.Error(errno)
		}
	}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := a.Write(train(between.local, between.remote, 10, 1)); err != nil {
			t.Fatal(err)
		}
		readAll(t, b.conn(t, false, true), 1)
	}
	if a.direct.find(train(between.local, between.remote, 10, 1)) != nil {
		t.Error("the socket is still to send")
	}
}

func TestConnectRefusesWhatCannotBe(t *testing.T) {
	a := listenFor(t, Config{}, openSocket)
	to := netip.AddrPortFrom(loopback(false), 9)
	for name, local := range map[string]netip.AddrPort{
		"no address":             netip.AddrPortFrom(netip.Addr{}, a.portNATT),
		"the unspecified one":    netip.AddrPortFrom(netip.IPv4Unspecified(), a.portNATT),
		"IKE's port":             netip.AddrPortFrom(loopback(false), a.port),
		"an address of nobody's": netip.AddrPortFrom(netip.MustParseAddr("192.0.2.77"), a.portNATT),
	} {
		if _, err := a.Connect(local, to); err == nil {
			t.Errorf("%s: a socket was connected from %v", name, local)
		}
	}
	if len(a.direct.open) != 0 {
		t.Errorf("%d sockets stayed open", len(a.direct.open))
	}
}

func TestAPeersSocketDoesNotAllocate(t *testing.T) {
	a, b, between, direct := friends(t, false)
	in := packet.NewTrain()
	for _, way := range []struct {
		from *UDP
		out  *packet.Train
		to   Polled
	}{
		{a, train(between.local, between.remote, 100, 4), b.conn(t, false, true).(Polled)},
		{b, train(between.remote, between.local, 100, 4), direct},
	} {
		if n := testing.AllocsPerRun(100, func() {
			if err := way.from.Write(way.out); err != nil {
				t.Fatal(err)
			}
			for got := 0; got < 4; got += in.Count() {
				if ok, err := way.to.TryRead(in); !ok || err != nil {
					t.Fatal(ok, err)
				}
			}
		}); n != 0 && pools {
			t.Errorf("a train from %v: %v allocations", way.out.Local, n)
		}
	}
}
