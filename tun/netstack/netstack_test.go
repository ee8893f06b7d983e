package netstack

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"

	"github.com/goswan/goswan/tun"
	"github.com/goswan/goswan/tun/packet"
)

// join carries packets from one device's queue to the other's until the first is closed.
func join(wg *sync.WaitGroup, from, to tun.Queue) {
	wg.Go(func() {
		s := packet.NewSuper()
		for from.Read(s, nil) == nil {
			_ = to.Write(s)
		}
	})
}

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

func TestNoAddressIsRefused(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("a stack without addresses was made")
	}
}
