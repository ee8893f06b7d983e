package netstack

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/goswan/goswan/tun"
	"github.com/goswan/goswan/tun/packet"
)

// join carries packets from one device's queue to the other's until the first is closed.
func join(wg *sync.WaitGroup, from, to tun.Queue) {
	wg.Go(func() {
		s := packet.NewSuper()
		for from.Read(s, nil) == nil {
			if m := measured.Load(); m != nil && int64(s.Len) > m.Load() {
				m.Store(int64(s.Len))
			}
			_ = to.Write(s)
		}
	})
}

// measured gets the length of the largest packet that is carried while it is set.
var measured atomic.Pointer[atomic.Int64]

func pair(t *testing.T, a, b netip.Addr) (*Device, *Device) {
	t.Helper()
	var devices []*Device
	for _, addr := range []netip.Addr{a, b} {
		d, err := New(Config{Addresses: []netip.Addr{addr}})
		if err != nil {
			t.Fatal(err)
		}
		devices = append(devices, d)
	}
	var wg sync.WaitGroup
	join(&wg, devices[0].Queues()[0], devices[1].Queues()[0])
	join(&wg, devices[1].Queues()[0], devices[0].Queues()[0])
	t.Cleanup(func() {
		for _, d := range devices {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}
		wg.Wait()
	})
	return devices[0], devices[1]
}

func TestTCPBetweenTwoStacks(t *testing.T) {
	for _, addrs := range [][2]string{{"10.9.0.1", "10.9.0.2"}, {"fd09::1", "fd09::2"}} {
		a, b := netip.MustParseAddr(addrs[0]), netip.MustParseAddr(addrs[1])
		left, right := pair(t, a, b)
		l, err := right.ListenTCP(netip.AddrPortFrom(b, 80))
		if err != nil {
			t.Fatal(err)
		}
		sent := bytes.Repeat([]byte("goswan"), 100000)
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write(sent)
			_ = c.Close()
		}()
		c, err := left.DialContext(context.Background(), "tcp", net.JoinHostPort(b.String(), "80"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%s received %d octets (%v), want the %d that were sent", a, len(got), err, len(sent))
		}
		_ = c.Close()
		_ = l.Close()
	}
}

func TestUDPBetweenTwoStacks(t *testing.T) {
	a, b := netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("10.9.0.2")
	left, right := pair(t, a, b)
	server, err := right.ListenUDP(netip.AddrPortFrom(b, 53))
	if err != nil {
		t.Fatal(err)
	}
	c, err := left.DialContext(context.Background(), "udp", "10.9.0.2:53")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, from, err := server.ReadFrom(buf)
	if err != nil || string(buf[:n]) != "question" {
		t.Errorf("the server read %q from %v (%v)", buf[:n], from, err)
	}
}

func TestCloseUnblocksReadAndRepeats(t *testing.T) {
	d, err := New(Config{Addresses: []netip.Addr{netip.MustParseAddr("10.9.0.1")}})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		s := packet.NewSuper()
		for {
			if err := d.Queues()[0].Read(s, nil); err != nil {
				done <- err
				return
			}
		}
	}()
	for range 2 {
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != os.ErrClosed {
		t.Errorf("a blocked Read returned %v after Close, want os.ErrClosed", err)
	}
}

func TestAddressesComeAndGo(t *testing.T) {
	b := netip.MustParseAddr("10.9.0.2")
	left, right := pair(t, netip.MustParseAddr("10.9.0.1"), b)
	l, err := right.ListenTCP(netip.AddrPortFrom(netip.Addr{}, 80))
	if err != nil {
		t.Fatal(err)
	}
	added := netip.MustParseAddr("10.9.0.77")
	if err := right.AddAddress(added); err != nil {
		t.Fatal(err)
	}
	c, err := left.DialContext(context.Background(), "tcp4", "10.9.0.77:80")
	if err != nil {
		t.Fatalf("an added address is not reached: %v", err)
	}
	_ = c.Close()
	if err := right.RemoveAddress(added); err != nil {
		t.Fatal(err)
	}
	if err := right.RemoveAddress(added); err == nil {
		t.Error("an address was removed twice")
	}
	if err := right.AddAddress(netip.Addr{}); err == nil {
		t.Error("no address was added as one")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestListenerCloseEndsAccept(t *testing.T) {
	d, err := New(Config{Addresses: []netip.Addr{netip.MustParseAddr("10.9.0.1")}})
	if err != nil {
		t.Fatal(err)
	}
	acceptEnds(t, d, "the listener", net.Listener.Close)
	acceptEnds(t, d, "the device", func(net.Listener) error { return d.Close() })
	if _, err := d.ListenTCP(netip.AddrPort{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("listening on a closed device: %v, want net.ErrClosed", err)
	}
	if _, err := d.ListenUDP(netip.AddrPort{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("opening UDP on a closed device: %v, want net.ErrClosed", err)
	}
	if _, err := d.DialContext(context.Background(), "tcp", "10.9.0.1:1"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("dialling from a closed device: %v, want net.ErrClosed", err)
	}
}

// acceptEnds accepts and ends it.
func acceptEnds(t *testing.T, d *Device, what string, end func(net.Listener) error) {
	t.Helper()
	l, err := d.ListenTCP(netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { _, err := l.Accept(); done <- err }()
	if err := end(l); err != nil {
		t.Errorf("closing %s: %v", what, err)
	}
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after closing %s returned %v, want net.ErrClosed", what, err)
	}
}

func TestDialEndsWithItsContextAndWithTheDevice(t *testing.T) {
	d, err := New(Config{Addresses: []netip.Addr{netip.MustParseAddr("10.9.0.1")}})
	if err != nil {
		t.Fatal(err)
	}
	s := packet.NewSuper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { _, err := d.DialContext(ctx, "tcp", "10.9.0.2:80"); done <- err }()
	if err := d.Queues()[0].Read(s, nil); err != nil { // its SYN, which nobody answers
		t.Fatal(err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("an unanswered dial returned %v, want context.Canceled", err)
	}
	go func() { _, err := d.DialContext(context.Background(), "tcp", "10.9.0.3:80"); done <- err }()
	for {
		if err := d.Queues()[0].Read(s, nil); err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(s.Bytes()[16:20], []byte{10, 9, 0, 3}) {
			break
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("a dial through a closed device returned %v, want net.ErrClosed", err)
	}
}

func TestDialRefusesWhatItCannotDo(t *testing.T) {
	d, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, c := range [][2]string{
		{"unix", "10.9.0.1:80"}, {"tcp", "10.9.0.1"}, {"tcp", "10.9.0.1:http"}, {"tcp6", "10.9.0.1:80"}, {"tcp", "example.com:80"},
	} {
		if _, err := d.DialContext(context.Background(), c[0], c[1]); err == nil {
			t.Errorf("dialling %s %s succeeded", c[0], c[1])
		}
	}
	if _, err := New(Config{MTU: 1000}); err == nil {
		t.Error("an MTU below IPv6's least was accepted")
	}
}

// A name server on the far stack answers every question with 10.9.0.2.
func TestNamesAreAskedThroughTheStack(t *testing.T) {
	a, b := netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("10.9.0.2")
	left, right := pair(t, a, b)
	left.SetDNS([]netip.Addr{b})
	server, err := right.ListenUDP(netip.AddrPortFrom(b, 53))
	if err != nil {
		t.Fatal(err)
	}
	go answer(server, b)
	got, err := left.LookupHost(context.Background(), "gateway.goswan.test.")
	if err != nil || len(got) != 1 || got[0] != b.String() {
		t.Errorf("LookupHost returned %v %v, want %v", got, err, b)
	}
	_, err = left.LookupHost(context.Background(), "nobody.goswan.test.")
	var dns *net.DNSError
	if !errors.As(err, &dns) || !dns.IsNotFound {
		t.Errorf("a name that does not exist gives %v", err)
	}
	if _, err := right.LookupHost(context.Background(), "gateway.goswan.test."); err == nil {
		t.Error("a device without name servers resolved a name")
	}
}

// answer is a name server that knows gateway.goswan.test alone.
func answer(server net.PacketConn, addr netip.Addr) {
	buf := make([]byte, 512)
	for {
		n, from, err := server.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil {
			continue
		}
		q := m.Questions[0]
		m = dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true}, Questions: m.Questions}
		switch {
		case q.Name.String() != "gateway.goswan.test.":
			m.RCode = dnsmessage.RCodeNameError
		case q.Type == dnsmessage.TypeA:
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60},
				Body:   &dnsmessage.AResource{A: addr.As4()},
			}}
		}
		if out, err := m.Pack(); err == nil {
			_, _ = server.WriteTo(out, from)
		}
	}
}

func TestWriteRefusesWhatIsNoPacket(t *testing.T) {
	d, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	q := d.Queues()[0]
	for name, c := range map[string]packet.Super{
		"nothing":                   {},
		"no IP version":             {Len: 40},
		"a checksum out of bounds":  {Len: 40, GSO: packet.GSO{NeedsCsum: true, CsumStart: 39, CsumOffset: 16}},
		"a shapeless super-packet":  {Len: 40, GSO: packet.GSO{Type: packet.GSOUDP, Size: 1}},
		"a super-packet too short ": {Len: 1, GSO: packet.GSO{Type: packet.GSOUDP, Size: 1}},
	} {
		s := packet.NewSuper()
		s.Len, s.GSO = c.Len, c.GSO
		if q.Write(s) == nil {
			t.Errorf("%s was taken", name)
		}
	}
	_ = d.Close()
	s := packet.NewSuper()
	s.Len = 20
	if err := q.Write(s); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write after Close returned %v, want os.ErrClosed", err)
	}
}

func TestSuperPacketsOfUDPArriveAsDatagrams(t *testing.T) {
	b := netip.MustParseAddr("10.9.0.2")
	d, err := New(Config{Addresses: []netip.Addr{b}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	server, err := d.ListenUDP(netip.AddrPortFrom(b, 9))
	if err != nil {
		t.Fatal(err)
	}
	s := packet.NewSuper()
	ip := []byte{0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2, 0, 7, 0, 9, 0, 0, 0, 0}
	ip = append(ip, "aaaabbbbcc"...)
	ip[3], ip[25] = byte(len(ip)), byte(len(ip)-20)
	s.Len = copy(s.Buf[s.Off:], ip)
	s.GSO = packet.GSO{Type: packet.GSOUDP, Size: 4, HdrLen: 28, NeedsCsum: true, CsumStart: 20, CsumOffset: 6}
	if err := d.Queues()[0].Write(s); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	for _, want := range []string{"aaaa", "bbbb", "cc"} {
		if n, _, err := server.ReadFrom(buf); err != nil || string(buf[:n]) != want {
			t.Fatalf("a datagram came as %q (%v), want %q", buf[:n], err, want)
		}
	}
}

func TestTCPLeavesInSuperPackets(t *testing.T) {
	for _, addrs := range [][2]string{{"10.9.0.1", "10.9.0.2"}, {"fd09::1", "fd09::2"}} {
		var largest atomic.Int64
		a, b := netip.MustParseAddr(addrs[0]), netip.MustParseAddr(addrs[1])
		left, right := pair(t, a, b)
		l, err := right.ListenTCP(netip.AddrPortFrom(b, 80))
		if err != nil {
			t.Fatal(err)
		}
		measured.Store(&largest)
		go func() {
			c, err := left.DialContext(context.Background(), "tcp", net.JoinHostPort(b.String(), "80"))
			if err != nil {
				return
			}
			_, _ = c.Write(make([]byte, 1<<20))
			_ = c.Close()
		}()
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, c); err != nil || n != 1<<20 {
			t.Errorf("%d octets arrived (%v), want %d", n, err, 1<<20)
		}
		measured.Store(nil)
		if largest.Load() <= int64(left.MTU()) {
			t.Errorf("the largest packet of a megabyte from %v has %d octets, want a super-packet above %d", a, largest.Load(), left.MTU())
		}
	}
}

// Closing in mid-transfer, from both sides, ends every goroutine and panics in none.
func TestCloseInMidTransferLeavesNothing(t *testing.T) {
	for range 20 {
		left, right := pair(t, netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("10.9.0.2"))
		l, err := right.ListenTCP(netip.AddrPortFrom(netip.Addr{}, 80))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				wg.Go(func() { _, _ = io.Copy(io.Discard, c) })
			}
		})
		for range 3 {
			c, err := left.DialContext(context.Background(), "tcp", "10.9.0.2:80")
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				for buf := make([]byte, 1<<16); err == nil; {
					_, err = c.Write(buf)
				}
			})
		}
		wg.Go(func() { _ = left.Close() })
		wg.Go(func() { _ = right.Close() })
		wg.Wait()
	}
	awaitNoGoroutines(t, "gvisor.dev")
}

// awaitNoGoroutines waits until no goroutine runs in a module; those that were told to end need a moment. It gives up
// shortly before the test would be killed.
func awaitNoGoroutines(t *testing.T, module string) {
	t.Helper()
	for buf := make([]byte, 1<<20); ; {
		all := string(buf[:runtime.Stack(buf, true)])
		if !strings.Contains(all, module) {
			return
		}
		if end, ok := t.Deadline(); ok && time.Until(end) < 5*time.Second {
			t.Fatalf("goroutines are left:\n%s", all)
		}
		runtime.Gosched()
	}
}
