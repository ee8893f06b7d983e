package tun

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/goswan/goswan/tun/packet"
	"github.com/goswan/goswan/tun/tuntest/testns"
)

// openIn opens a device in a namespace, with an address, up.
func openIn(t testing.TB, n *testns.Namespace, c Config, addrs ...string) *Native {
	t.Helper()
	var d *Native
	n.Do(t, func() error {
		var err error
		d, err = Open(c)
		return err
	})
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		<-d.drained
	})
	// No router solicitations and the like: only what the test sends.
	n.Sysctl(t, "net/ipv6/conf/"+d.Name()+"/addr_gen_mode", "1")
	for _, a := range addrs {
		n.AddAddress(t, d.Name(), a)
	}
	n.SetUp(t, d.Name(), true)
	n.AwaitAddresses(t, d.Name())
	return d
}

// udpIn opens a UDP socket in a namespace.
func udpIn(t testing.TB, n *testns.Namespace, local, remote string) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	n.Do(t, func() error {
		laddr := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(local))
		var raddr *net.UDPAddr
		if remote != "" {
			raddr = net.UDPAddrFromAddrPort(netip.MustParseAddrPort(remote))
		}
		var err error
		if raddr != nil {
			c, err = net.DialUDP("udp", laddr, raddr)
		} else {
			c, err = net.ListenUDP("udp", laddr)
		}
		return err
	})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestPacketsCrossTheDevice(t *testing.T) {
	n := testns.New(t)
	d := openIn(t, n, Config{Name: "gstun0", MTU: 1300}, "10.77.0.1/24", "fd77::1/64")
	if d.Name() != "gstun0" || d.MTU() != 1300 || !d.Offload() {
		t.Errorf("the device is %s of MTU %d with offload %v", d.Name(), d.MTU(), d.Offload())
	}
	q := d.Queues()[0]
	for _, c := range []struct{ local, remote string }{
		{"10.77.0.1:7000", "10.77.0.2:9000"}, {"[fd77::1]:7000", "[fd77::2]:9000"},
	} {
		s := packet.NewSuper()
		sock := udpIn(t, n, c.local, c.remote)
		idles := 0
		err := q.Read(s, func() {
			idles++
			if _, err := sock.Write([]byte("question")); err != nil {
				t.Error(err)
			}
		})
		if err != nil || idles != 1 {
			t.Fatalf("Read: %v with %d calls of idle, want none and one", err, idles)
		}
		if !s.Complete() {
			t.Fatalf("the checksum of %+v lies outside its packet", s.GSO)
		}
		var v packet.View
		if err := v.Parse(s.Bytes()); err != nil || !bytes.HasSuffix(s.Bytes(), []byte("question")) || !packet.ChecksumOK(s.Bytes(), &v) {
			t.Fatalf("the host's datagram came as % x (%v)", s.Bytes(), err)
		}
		turn(s.Bytes(), v.L4)
		if err := q.Write(s); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		if n, err := sock.Read(buf); err != nil || string(buf[:n]) != "question" {
			t.Errorf("the host received %q (%v), want its question back", buf[:n], err)
		}
	}
}

// turn exchanges addresses and ports; the checksums stay right.
func turn(ip []byte, l4 int) {
	swap := func(b []byte) {
		half := len(b) / 2
		first := bytes.Clone(b[:half])
		copy(b, b[half:])
		copy(b[half:], first)
	}
	if ip[0]>>4 == 4 {
		swap(ip[12:20])
	} else {
		swap(ip[8:40])
	}
	swap(ip[l4 : l4+4])
}

// join carries super-packets from one queue to another until the first ends, and tells the largest.
func join(wg *sync.WaitGroup, from, to Queue, largest *atomic.Int64, kinds *[256]atomic.Int64) {
	wg.Go(func() {
		s := packet.NewSuper()
		for from.Read(s, nil) == nil {
			largest.Store(max(largest.Load(), int64(s.Len)))
			kinds[s.GSO.Type].Add(1)
			_ = to.Write(s) // a packet that is refused is lost, and the test's transfer with it
		}
	})
}

// joined is two namespaces whose only link is one's device joined to the other's.
func joined(t *testing.T, prepare func(a, b *vnetQueue)) (a, b *testns.Namespace, largest *atomic.Int64, kinds *[256]atomic.Int64) {
	t.Helper()
	a, b = testns.New(t), testns.New(t)
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	left := openIn(t, a, Config{Name: "gstun0"}, "10.77.0.1/24", "fd77::1/64")
	right := openIn(t, b, Config{Name: "gstun0"}, "10.77.0.2/24", "fd77::2/64")
	if prepare != nil {
		prepare(left.Queues()[0].(*vnetQueue), right.Queues()[0].(*vnetQueue))
	}
	largest, kinds = new(atomic.Int64), new([256]atomic.Int64)
	join(&wg, left.Queues()[0], right.Queues()[0], largest, kinds)
	join(&wg, right.Queues()[0], left.Queues()[0], largest, kinds)
	return a, b, largest, kinds
}

func TestTCPCrossesTwoDevicesInSuperPackets(t *testing.T) {
	a, b, largest, kinds := joined(t, nil)
	for _, c := range []struct {
		to   string
		kind packet.GSOType
	}{{"10.77.0.2:80", packet.GSOTCP4}, {"[fd77::2]:80", packet.GSOTCP6}} {
		var l net.Listener
		b.Do(t, func() (err error) {
			l, err = net.Listen("tcp", c.to)
			return err
		})
		var out net.Conn
		a.Do(t, func() (err error) {
			out, err = net.Dial("tcp", c.to)
			return err
		})
		in, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		sent, received := sha256.New(), sha256.New()
		go func() {
			chunk := bytes.Repeat([]byte("super-packet "), 10000)
			for i := range 160 {
				chunk[0] = byte(i)
				_, _ = sent.Write(chunk)
				if _, err := out.Write(chunk); err != nil {
					break
				}
			}
			_ = out.Close()
		}()
		n, err := io.Copy(received, in)
		if err != nil || n != 160*130000 || !bytes.Equal(sent.Sum(nil), received.Sum(nil)) {
			t.Errorf("to %s: %d octets came (%v), want %d with the same digest", c.to, n, err, 160*130000)
		}
		if kinds[c.kind].Load() == 0 || largest.Load() < 10000 {
			t.Errorf("to %s: %d super-packets, the largest packet %d octets: the kernel's segmentation offload is not used", c.to, kinds[c.kind].Load(), largest.Load())
		}
		_ = in.Close()
		_ = l.Close()
	}
}

func TestUDPSuperPacketsAreTakenWholeOrCut(t *testing.T) {
	for name, prepare := range map[string]func(a, b *vnetQueue){
		"as the kernel can": nil,
		"cut by software":   func(_, b *vnetQueue) { b.uso = false },
	} {
		t.Run(name, func(t *testing.T) {
			a, b, _, kinds := joined(t, prepare)
			for _, c := range []struct{ from, to string }{{"10.77.0.1:1", "10.77.0.2:2"}, {"[fd77::1]:1", "[fd77::2]:2"}} {
				out, in := udpIn(t, a, c.from, c.to), udpIn(t, b, c.to, "")
				segment(t, out, 500)
				sent := make([]byte, 20*500-123)
				for i := range sent {
					sent[i] = byte(i / 500)
				}
				if _, err := out.Write(sent); err != nil {
					t.Fatal(err)
				}
				buf := make([]byte, 2000)
				for i := range 20 {
					want := sent[i*500 : min((i+1)*500, len(sent))]
					if n, err := in.Read(buf); err != nil || !bytes.Equal(buf[:n], want) {
						t.Fatalf("to %s: datagram %d came as %d octets (%v), want %d", c.to, i, n, err, len(want))
					}
				}
			}
			t.Logf("%d super-packets of UDP were read", kinds[packet.GSOUDP].Load())
		})
	}
}

// segment makes a socket send datagrams of a size out of larger writes.
func segment(t *testing.T, c *net.UDPConn, size int) {
	t.Helper()
	rc, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	e := rc.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, size) })
	if err = errors.Join(e, err); err != nil {
		t.Fatal(err)
	}
}

func TestTheMTUIsFollowed(t *testing.T) {
	n := testns.New(t)
	d := openIn(t, n, Config{Name: "gstun0"})
	if d.MTU() != DefaultMTU {
		t.Errorf("the MTU is %d, want the default %d", d.MTU(), DefaultMTU)
	}
	n.Do(t, func() error {
		l, err := netlink.LinkByName("gstun0")
		if err != nil {
			return err
		}
		return netlink.LinkSetMTU(l, 1280)
	})
	await(t, "the MTU to become 1280", func() bool { return d.MTU() == 1280 })
}

func TestTheMTUIsSet(t *testing.T) {
	n := testns.New(t)
	d := openIn(t, n, Config{Name: "gstun0"})
	if err := d.SetMTU(1300); err != nil || d.MTU() != 1300 {
		t.Errorf("the MTU is %d after %v, want 1300", d.MTU(), err)
	}
	n.Do(t, func() error {
		l, err := netlink.LinkByName("gstun0")
		if err == nil && l.Attrs().MTU != 1300 {
			t.Errorf("the kernel's MTU is %d, want 1300", l.Attrs().MTU)
		}
		return err
	})
	if err := d.SetMTU(1); err == nil || d.MTU() != 1300 {
		t.Errorf("an MTU of 1 gave %v, and now it is %d", err, d.MTU())
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, "a closed device to refuse an MTU", func() bool { return errors.Is(d.SetMTU(1300), os.ErrClosed) })
}

// await waits for what another goroutine does.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	end, ok := t.Deadline()
	for !done() {
		if ok && time.Until(end) < 5*time.Second { // some are left to say so before the test is killed
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestADownDeviceTakesNothing(t *testing.T) {
	n := testns.New(t)
	d := openIn(t, n, Config{Name: "gstun0"}, "10.77.0.1/24")
	n.SetUp(t, "gstun0", false)
	s := packet.NewSuper()
	s.Len = copy(s.Bytes()[:cap(s.Bytes())], []byte{0x45, 0, 0, 20, 0, 0, 0, 0, 64, 59, 0, 0, 10, 77, 0, 2, 10, 77, 0, 1})
	if err := d.Queues()[0].Write(s); !errors.Is(err, ErrDown) {
		t.Errorf("Write to a device that is down: %v, want ErrDown", err)
	}
	n.SetUp(t, "gstun0", true)
	if err := d.Queues()[0].Write(s); err != nil {
		t.Errorf("Write to a device that is up again: %v", err)
	}
}

func TestWriteRefusesWhatIsNoPacket(t *testing.T) {
	n := testns.New(t)
	d := openIn(t, n, Config{Name: "gstun0"}, "10.77.0.1/24")
	q := d.Queues()[0].(*vnetQueue)
	for name, c := range map[string]packet.Super{
		"nothing":                       {},
		"no headroom":                   {Off: -packet.Headroom, Len: 20},
		"no IP version":                 {Len: 20},
		"a checksum outside the packet": {Len: 20, GSO: packet.GSO{NeedsCsum: true, CsumStart: 100, CsumOffset: 6}},
	} {
		s := packet.NewSuper()
		s.Off, s.Len, s.GSO = s.Off+c.Off, c.Len, c.GSO
		if err := q.Write(s); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: Write returned %v, want ErrRefused", name, err)
		}
	}
	q.uso = false
	s := packet.NewSuper()
	s.Len, s.GSO = 40, packet.GSO{Type: packet.GSOUDP, Size: 3}
	if err := q.Write(s); err == nil {
		t.Error("a shapeless super-packet of UDP was taken")
	}
	s.Buf[s.Off] = 0x60
	if err := q.Write(s); err == nil {
		t.Error("a shapeless super-packet of UDP was taken")
	}
}

func TestCloseUnblocksReads(t *testing.T) {
	n := testns.New(t)
	d := openIn(t, n, Config{Name: "gstun0"})
	q := d.Queues()[0]
	reading, done := make(chan struct{}), make(chan error)
	go func() { done <- q.Read(packet.NewSuper(), func() { close(reading) }) }()
	<-reading
	for range 2 {
		if err := d.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if err := <-done; !errors.Is(err, os.ErrClosed) {
		t.Errorf("a blocked read returned %v after Close, want os.ErrClosed", err)
	}
	s := packet.NewSuper()
	s.Len = 20
	if err := q.Write(s); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write after Close returned %v, want os.ErrClosed", err)
	}
}

func TestADeletedDeviceEndsReads(t *testing.T) {
	n := testns.New(t)
	d := openIn(t, n, Config{Name: "gstun0"})
	q := d.Queues()[0]
	reading, done := make(chan struct{}), make(chan error)
	go func() { done <- q.Read(packet.NewSuper(), func() { close(reading) }) }()
	<-reading
	n.Do(t, func() error {
		l, err := netlink.LinkByName("gstun0")
		if err != nil {
			return err
		}
		return netlink.LinkDel(l)
	})
	if err := <-done; !errors.Is(err, os.ErrClosed) || !strings.Contains(err.Error(), "gstun0 is gone") {
		t.Errorf("a read returned %v when the device was deleted, want that it is gone", err)
	}
	s := packet.NewSuper()
	s.Len = 20
	if err := q.Write(s); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write to a deleted device returned %v, want os.ErrClosed", err)
	}
}

func TestOpenSaysWhyItCannot(t *testing.T) {
	n := testns.New(t)
	openIn(t, n, Config{Name: "gstun0"})
	n.Do(t, func() error {
		if d, err := Open(Config{Name: "gstun0"}); err == nil || !strings.Contains(err.Error(), "another process") {
			t.Errorf("opening a device twice gave %v %v", d, err)
		}
		if d, err := Open(Config{Name: "a-name-that-is-too-long"}); err == nil {
			t.Errorf("a name of 23 octets gave %v", d)
		}
		if d, err := Open(Config{Name: "gstun1", MTU: 60}); err == nil {
			t.Errorf("an MTU of 60 gave %v", d)
		}
		return nil
	})
}

func TestReadAndWriteDoNotAllocate(t *testing.T) {
	n := testns.New(t)
	d := openIn(t, n, Config{Name: "gstun0"}, "10.77.0.1/24")
	q, s := d.Queues()[0], packet.NewSuper()
	sock := udpIn(t, n, "10.77.0.1:7000", "10.77.0.2:9000")
	payload := make([]byte, 1000)
	idle := func() {}
	allocs := testing.AllocsPerRun(200, func() {
		if _, err := sock.Write(payload); err != nil {
			t.Fatal(err)
		}
		if err := q.Read(s, idle); err != nil {
			t.Fatal(err)
		}
		if err := q.Write(s); err != nil && !errors.Is(err, syscall.EINVAL) {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("reading and writing a packet allocates %v times, want 0", allocs)
	}
}

func TestQueuesShareTheFlows(t *testing.T) {
	const queues, flows = 3, 48
	n := testns.New(t)
	d := openIn(t, n, Config{Name: "gstun0", Queues: queues}, "10.77.0.1/24")
	if got := len(d.Queues()); got != queues {
		t.Fatalf("%d queues, want %d", got, queues)
	}
	for i := range flows {
		if _, err := udpIn(t, n, fmt.Sprintf("10.77.0.1:%d", 7000+i), "10.77.0.2:9000").Write([]byte("question")); err != nil {
			t.Fatal(err)
		}
	}
	// The kernel hands a packet to its queue within the write.
	s, total, used := packet.NewSuper(), 0, 0
	for _, q := range d.Queues() {
		before := total
		for {
			ok, err := q.(Polled).TryRead(s)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if bytes.HasSuffix(s.Bytes(), []byte("question")) {
				total++
			}
		}
		if total > before {
			used++
		}
	}
	if total != flows || used < 2 {
		t.Errorf("%d datagrams came in %d queues, want %d in several", total, used, flows)
	}
}

// Another process must not be given a queue of our interface.
func TestQueuesAreNotShared(t *testing.T) {
	n := testns.New(t)
	openIn(t, n, Config{Name: "gstun0", Queues: 2})
	for _, queues := range []int{1, 2} {
		n.Do(t, func() error {
			d, err := Open(Config{Name: "gstun0", Queues: queues})
			if err == nil {
				_ = d.Close()
			}
			if err == nil || queues > 1 && !strings.Contains(err.Error(), "another process") {
				t.Errorf("a second device of the same name with %d queues: %v", queues, err)
			}
			return nil
		})
	}
}

func TestTooManyQueues(t *testing.T) {
	for _, queues := range []int{-1, MaxQueues + 1} {
		if _, err := Open(Config{Name: "gstun0", Queues: queues}); err == nil || !strings.Contains(err.Error(), "queues") {
			t.Errorf("%d queues: %v", queues, err)
		}
	}
}

func TestCloseUnblocksReadsOfEveryQueue(t *testing.T) {
	n := testns.New(t)
	d := openIn(t, n, Config{Name: "gstun0", Queues: 3}, "10.77.0.1/24")
	errs := make(chan error)
	for _, q := range d.Queues() {
		go func() { errs <- q.Read(packet.NewSuper(), nil) }()
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	for range d.Queues() {
		if err := <-errs; !errors.Is(err, os.ErrClosed) {
			t.Errorf("a read ended with %v after Close, want os.ErrClosed", err)
		}
	}
}
