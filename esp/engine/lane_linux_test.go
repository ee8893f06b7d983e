package engine

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/tun"
	"github.com/goswan/goswan/tun/packet"
	"github.com/goswan/goswan/tun/poll"
)

// paired is a device of one queue whose packets go to and come from a socket that the test holds.
type paired struct {
	file *poll.File
	host *os.File
	fail error // what a read returns, if not nil
}

func newPaired(t *testing.T) *paired {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &paired{host: os.NewFile(uintptr(fds[1]), "host")}
	if p.file, err = poll.NewFile(fds[0], "device"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.host.Close() })
	return p
}

func (p *paired) Name() string                          { return "paired" }
func (p *paired) MTU() int                              { return 1400 }
func (p *paired) Queues() []tun.Queue                   { return []tun.Queue{p} }
func (p *paired) Close() error                          { return p.file.Close() }
func (p *paired) SyscallConn() (syscall.RawConn, error) { return p.file, nil }

// Read is not for a lane, which does not wait for one queue alone.
func (p *paired) Read(*packet.Super, func()) error { return errors.ErrUnsupported }

func (p *paired) TryRead(s *packet.Super) (ok bool, err error) {
	s.Off, s.GSO = packet.Headroom, packet.GSO{}
	e := p.file.Control(func(fd uintptr) {
		s.Len, _, err = unix.Recvfrom(int(fd), s.Buf[s.Off:s.Off+packet.MaxPacket], unix.MSG_DONTWAIT)
	})
	switch {
	case e != nil:
		return false, os.ErrClosed
	case err == unix.EAGAIN:
		return false, nil
	case p.fail != nil:
		return false, p.fail
	}
	return err == nil && s.Len > 0, err
}

func (p *paired) Write(s *packet.Super) error {
	var err error
	if e := p.file.Control(func(fd uintptr) { err = unix.Sendto(int(fd), s.Bytes(), 0, nil) }); e != nil {
		return os.ErrClosed
	}
	return err
}

// twoLanes are two engines with an SA from the first to the second, over the host's sockets.
func twoLanes(t *testing.T, c encap.Config) (engines [2]*Engine, devices [2]*paired) {
	t.Helper()
	var ports [2]netip.AddrPort
	for i := range engines {
		u, err := encap.Listen(c)
		if err != nil {
			t.Fatal(err)
		}
		devices[i] = newPaired(t)
		engines[i] = New(Config{Device: devices[i], Transport: u})
		_, _, natt, err := u.LocalFor(netip.MustParseAddr("127.0.0.1"))
		if err != nil {
			t.Fatal(err)
		}
		ports[i] = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), natt)
	}
	spi, err := engines[1].NewSPI()
	if err != nil {
		t.Fatal(err)
	}
	out, in := esptest.Pair{
		Keywords: "aes128gcm16", SPI: spi, Reqid: 1, From: ports[0], To: ports[1], FromTS: []string{"10.1.0.0/16"}, ToTS: []string{"10.2.0.0/16"},
	}.Params()
	for i, p := range []esp.Params{out, in} {
		if err := engines[i].Install(p); err != nil {
			t.Fatal(err)
		}
	}
	return engines, devices
}

func TestLaneCarriesPacketsAndStops(t *testing.T) {
	engines, devices := twoLanes(t, encap.Config{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	for _, e := range engines {
		go func() { done <- e.Run(ctx) }()
	}
	buf := make([]byte, 2000)
	for n := range 300 { // more than one turn
		p := esptest.UDP("10.1.0.1", "10.2.0.1", 1, 2, make([]byte, n))
		if _, err := devices[0].host.Write(p); err != nil {
			t.Fatal(err)
		}
		got, err := devices[1].host.Read(buf)
		if err != nil || !bytes.Equal(buf[:got], p) {
			t.Fatalf("packet %d came as % x (%v), want % x", n, buf[:got], err, p)
		}
	}
	cancel()
	for range engines {
		if err := <-done; err != nil {
			t.Errorf("Run ended with %v after its context", err)
		}
	}
	for i, e := range engines {
		if e.Drops() != nil {
			t.Errorf("engine %d dropped %v", i, e.Drops())
		}
	}
}

// A queue that fails ends Run, which says why.
func TestLaneEndsWithItsQueue(t *testing.T) {
	engines, devices := twoLanes(t, encap.Config{})
	defer func() { _ = engines[1].config.Transport.Close() }()
	devices[0].fail = errors.New("the interface is on fire")
	done := make(chan error)
	go func() { done <- engines[0].Run(context.Background()) }()
	if _, err := devices[0].host.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, devices[0].fail) {
		t.Errorf("Run ended with %v, want what the queue said", err)
	}
}

// More sockets than a lane can wait for at once are read each by a goroutine of its own.
func TestTooManySocketsForALane(t *testing.T) {
	many := encap.Config{}
	for i := range poll.MaxSources/2 + 1 {
		many.Addresses = append(many.Addresses, netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + i)}))
	}
	engines, _ := twoLanes(t, many)
	defer func() {
		for _, e := range engines {
			if err := errors.Join(e.config.Device.Close(), e.config.Transport.Close()); err != nil {
				t.Error(err)
			}
		}
	}()
	if lanes, err := engines[0].newLanes(); err != nil || lanes != nil {
		closeLanes(lanes)
		t.Errorf("%d lanes (%v), want none", len(lanes), err)
	}
}
