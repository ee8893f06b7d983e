package netstack

import (
	"context"
	"io"
	"net/netip"
	"sync"
	"testing"

	"github.com/goswan/goswan/tun"
	"github.com/goswan/goswan/tun/packet"
)

func BenchmarkTCPBetweenTwoStacks(b *testing.B) {
	left, err := New(Config{Addresses: []netip.Addr{netip.MustParseAddr("10.9.0.1")}})
	if err != nil {
		b.Fatal(err)
	}
	right, err := New(Config{Addresses: []netip.Addr{netip.MustParseAddr("10.9.0.2")}})
	if err != nil {
		b.Fatal(err)
	}
	var wg sync.WaitGroup
	join := func(from, to tun.Queue) {
		wg.Go(func() {
			for s := packet.NewSuper(); from.Read(s, nil) == nil; {
				_ = to.Write(s)
			}
		})
	}
	join(left.Queues()[0], right.Queues()[0])
	join(right.Queues()[0], left.Queues()[0])
	l, err := right.ListenTCP(netip.MustParseAddrPort("10.9.0.2:80"))
	if err != nil {
		b.Fatal(err)
	}
	wg.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
	})
	c, err := left.DialContext(context.Background(), "tcp", "10.9.0.2:80")
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 1<<20)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		if _, err := c.Write(buf); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	_ = c.Close()
	_ = left.Close()
	_ = right.Close()
	wg.Wait()
}
