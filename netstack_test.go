package goswan

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"net/netip"
	"testing"

	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/tun/netstack"
)

// stackEnd is an end whose device is a network stack with one address.
func stackEnd(t *testing.T, n *encap.Network, c text, addr string) *end {
	t.Helper()
	device, err := netstack.New(netstack.Config{Addresses: []netip.Addr{netip.MustParseAddr(addr)}})
	if err != nil {
		t.Fatal(err)
	}
	return newEnd(t, n, c, func(c *Config) { c.Device = device }).start()
}

// TestTCPThroughTheTunnel runs in real time: the network stack keeps its own.
func TestTCPThroughTheTunnel(t *testing.T) {
	n := encap.NewNetwork()
	moon, sun := stackEnd(t, n, moonText(), "10.1.0.1"), stackEnd(t, n, sunText(), "10.2.0.1")
	if err := moon.Initiate(t.Context(), InitiateRequest{Child: "net"}); err != nil {
		t.Fatal(err)
	}
	l, err := sun.ListenTCP(netip.MustParseAddrPort("10.2.0.1:7"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() { // an echo service
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.Copy(c, c)
		_ = c.Close()
	}()
	c, err := moon.DialContext(t.Context(), "tcp", "10.2.0.1:7")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()

	chunk := bytes.Repeat([]byte("goswan "), 1<<14)
	const chunks = 40
	sent := sha256.New()
	wrote := make(chan error, 1)
	halfway := make(chan struct{})
	go func() {
		for i := range chunks {
			chunk := append([]byte{byte(i)}, chunk...)
			_, _ = sent.Write(chunk)
			if i == chunks/2 {
				close(halfway)
			}
			if _, err := c.Write(chunk); err != nil {
				wrote <- err
				return
			}
		}
		wrote <- nil
	}()
	keys := make(chan error, 1)
	go func() { keys <- rekeyAll(t.Context(), moon, halfway) }()
	got := sha256.New()
	if _, err := io.CopyN(got, c, int64(chunks*(len(chunk)+1))); err != nil {
		t.Fatal(err)
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	want(t, "what comes back is what was sent", bytes.Equal(sent.Sum(nil), got.Sum(nil)))
	if err := <-keys; err != nil {
		t.Errorf("rekeying in the middle of it: %v", err)
	}
}

// rekeyAll rekeys both SAs once something has begun.
func rekeyAll(ctx context.Context, x *end, begun <-chan struct{}) error {
	<-begun
	for _, s := range []SelectSAs{{Child: "net"}, {IKE: "site"}} {
		if _, err := x.Rekey(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func TestUDPThroughTheTunnel(t *testing.T) {
	n := encap.NewNetwork()
	moon, sun := stackEnd(t, n, moonText(), "10.1.0.1"), stackEnd(t, n, sunText(), "10.2.0.1")
	// Whoever initiates may send at once: the other end has its inbound SA before it answers.
	if err := moon.Initiate(t.Context(), InitiateRequest{Child: "net"}); err != nil {
		t.Fatal(err)
	}
	l, err := sun.ListenUDP(netip.MustParseAddrPort("10.2.0.1:7"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c, err := moon.DialContext(t.Context(), "udp", "10.2.0.1:7")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Write([]byte("one datagram")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	got, from, err := l.ReadFrom(b)
	if err != nil || string(b[:got]) != "one datagram" {
		t.Errorf("%q comes from %v (%v)", b[:got], from, err)
	}
}
