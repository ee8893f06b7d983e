package encap

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/goswan/goswan/tun/packet"
)

// openers are the implementations that this host can run.
var openers = map[string]opener{"host": openSocket, "portable": openPortable}

func listenFor(t *testing.T, c Config, open opener) *UDP {
	t.Helper()
	u, err := listen(c, open)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := u.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return u
}

// conn is the socket of a family.
func (u *UDP) conn(t *testing.T, v6, natt bool) Conn {
	t.Helper()
	for _, s := range u.sockets {
		if s.addr.Is6() == v6 && s.NATT() == natt {
			return s.socket
		}
	}
	t.Skipf("SKIP: this host gave no socket of the family (IPv6 %v)", v6)
	return nil
}

// readAll reads trains until n datagrams came.
func readAll(t *testing.T, c Conn, n int) (datagrams [][]byte, last *packet.Train) {
	t.Helper()
	last = packet.NewTrain()
	for len(datagrams) < n {
		if err := c.Read(last, func() {}); err != nil {
			t.Fatal(err)
		}
		if last.Count() == 0 || last.Count() > packet.MaxCars {
			t.Fatalf("a train of %d datagrams was read, want 1 to %d", last.Count(), packet.MaxCars)
		}
		for i := range last.Count() {
			datagrams = append(datagrams, bytes.Clone(last.Datagram(i)))
		}
	}
	return datagrams, last
}

func loopback(v6 bool) netip.Addr {
	if v6 {
		return netip.IPv6Loopback()
	}
	return netip.MustParseAddr("127.0.0.1")
}

func TestDatagramsCrossTheHost(t *testing.T) {
	for name, open := range openers {
		for _, v6 := range []bool{false, true} {
			for _, size := range []int{1, 200, 1400, 1500} {
				t.Run(name+map[bool]string{false: "/IPv4", true: "/IPv6"}[v6], func(t *testing.T) {
					crossHost(t, open, v6, size)
				})
			}
		}
	}
}

func crossHost(t *testing.T, open opener, v6 bool, size int) {
	a, b := listenFor(t, Config{}, open), listenFor(t, Config{}, open)
	in := b.conn(t, v6, true)
	local, remote := netip.AddrPortFrom(loopback(v6), a.portNATT), netip.AddrPortFrom(loopback(v6), b.portNATT)
	sent := train(local, remote, size, 40)
	sent.Len -= size / 3
	if err := a.Write(sent); err != nil {
		t.Fatal(err)
	}
	got, last := readAll(t, in, 40)
	for i, d := range got {
		if !bytes.Equal(d, sent.Datagram(i)) {
			t.Fatalf("datagram %d came as %d octets of %d, want %d of %d", i, len(d), d[0], len(sent.Datagram(i)), i+1)
		}
	}
	if last.Remote != local || last.Local != remote {
		t.Errorf("it came from %v to %v, want from %v to %v", last.Remote, last.Local, local, remote)
	}
}

func TestIKEGoesByItsPort(t *testing.T) {
	for name, open := range openers {
		t.Run(name, func(t *testing.T) {
			a, b := listenFor(t, Config{}, open), listenFor(t, Config{}, open)
			_, port, portNATT, err := b.LocalFor(loopback(false))
			if err != nil {
				t.Fatal(err)
			}
			if err := a.SendIKE(netip.AddrPortFrom(netip.Addr{}, a.port), netip.AddrPortFrom(loopback(false), port), []byte("ike_init")); err != nil {
				t.Fatal(err)
			}
			got, last := readAll(t, b.conn(t, false, false), 1)
			if string(got[0]) != "ike_init" || last.Remote.Port() != a.port {
				t.Errorf("on the IKE port came %q from %v", got[0], last.Remote)
			}
			if err := a.SendIKE(netip.AddrPortFrom(loopback(false), a.portNATT), netip.AddrPortFrom(loopback(false), portNATT), []byte("ike_auth")); err != nil {
				t.Fatal(err)
			}
			if err := a.SendKeepalive(netip.AddrPortFrom(loopback(false), a.portNATT), netip.AddrPortFrom(loopback(false), portNATT)); err != nil {
				t.Fatal(err)
			}
			got, last = readAll(t, b.conn(t, false, true), 2)
			if string(got[0]) != "\x00\x00\x00\x00ike_auth" || last.Remote.Port() != a.portNATT {
				t.Errorf("on the NAT-T port came %q from %v", got[0], last.Remote)
			}
			if kind, _ := Split(got[1]); kind != Keepalive {
				t.Errorf("the keepalive came as %q", got[1])
			}
		})
	}
}

func TestCloseUnblocksReadOnTheHost(t *testing.T) {
	for name, open := range openers {
		t.Run(name, func(t *testing.T) {
			for i := range listenFor(t, Config{}, open).Conns() {
				u := listenFor(t, Config{}, open)
				c := u.Conns()[i]
				reading, done := make(chan struct{}), make(chan error)
				go func() { done <- c.Read(packet.NewTrain(), func() { close(reading) }) }()
				<-reading
				if err := u.Close(); err != nil {
					t.Error(err)
				}
				if err := <-done; !errors.Is(err, net.ErrClosed) {
					t.Errorf("a blocked read returned %v after Close, want net.ErrClosed", err)
				}
				err := u.Write(train(netip.AddrPort{}, netip.AddrPortFrom(loopback(false), 4500), 10, 2))
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("Write after Close returned %v, want net.ErrClosed", err)
				}
			}
		})
	}
}

// An ICMP error is provoked by sending to a port that nobody has; what comes afterwards must still be read.
func TestICMPErrorsEndNothing(t *testing.T) {
	for name, open := range openers {
		t.Run(name, func(t *testing.T) {
			a, b := listenFor(t, Config{}, open), listenFor(t, Config{}, open)
			gone := listenFor(t, Config{}, open)
			dead := netip.AddrPortFrom(loopback(false), gone.portNATT)
			if err := gone.Close(); err != nil {
				t.Fatal(err)
			}
			for range 50 {
				if err := a.Write(train(netip.AddrPort{}, dead, 100, 3)); err != nil {
					t.Fatalf("sending to a closed port: %v", err)
				}
			}
			back := netip.AddrPortFrom(loopback(false), a.portNATT)
			if err := b.Write(train(netip.AddrPort{}, back, 100, 1)); err != nil {
				t.Fatal(err)
			}
			readAll(t, a.conn(t, false, true), 1)
		})
	}
}

func TestConcurrentWritersKeepTrainsWhole(t *testing.T) {
	a, b := listenFor(t, Config{}, openSocket), listenFor(t, Config{}, openSocket)
	to := netip.AddrPortFrom(loopback(false), b.portNATT)
	const writers, trains, count = 4, 10, 8
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			out := train(netip.AddrPort{}, to, 300+w, count)
			for range trains {
				if err := a.Write(out); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got, _ := readAll(t, b.conn(t, false, true), writers*trains*count)
	for _, d := range got {
		if len(d) < 300 || len(d) >= 300+writers || bytes.Count(d, d[:1]) != len(d) {
			t.Fatalf("a datagram of %d octets mixes the octets of several", len(d))
		}
	}
}

func TestListenRefusesWhatCannotBe(t *testing.T) {
	if _, err := Listen(Config{Port: 7000, PortNATT: 7000}); err == nil {
		t.Error("one port for IKE and NAT-T was accepted")
	}
	u := listenFor(t, Config{Addresses: []netip.Addr{loopback(false)}}, openSocket)
	_, err := Listen(Config{Port: u.port, Addresses: []netip.Addr{loopback(false)}})
	if err == nil || !hostInUse(err) {
		t.Errorf("a port in use gave %v", err)
	}
	if _, err := Listen(Config{Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.123")}}); err == nil {
		t.Error("binding an address that is not the host's succeeded")
	}
	to := netip.AddrPortFrom(loopback(true), 4500)
	if err := u.Write(train(netip.AddrPort{}, to, 10, 1)); !errors.Is(err, ErrNoAddress) {
		t.Errorf("sending to IPv6 without an IPv6 socket: %v, want ErrNoAddress", err)
	}
	if err := u.Write(train(netip.AddrPort{}, netip.AddrPort{}, 10, 1)); err == nil {
		t.Error("sending to no address succeeded")
	}
	if err := u.Write(packet.NewTrain()); err != nil {
		t.Errorf("an empty train: %v", err)
	}
}

func TestLocalForIsOneOfOurAddresses(t *testing.T) {
	u := listenFor(t, Config{}, openSocket)
	addr, port, portNATT, err := u.LocalFor(loopback(false))
	if err != nil || addr != loopback(false) || port != u.port || portNATT != u.portNATT || port == 0 || portNATT == 0 {
		t.Errorf("LocalFor is %v %d %d %v", addr, port, portNATT, err)
	}
	other := netip.MustParseAddr("127.0.0.9")
	bound := listenFor(t, Config{Addresses: []netip.Addr{other}}, openSocket)
	if addr, _, _, err := bound.LocalFor(loopback(false)); err != nil || addr != other {
		t.Errorf("bound to %v alone, LocalFor is %v %v", other, addr, err)
	}
	if _, _, _, err := bound.LocalFor(loopback(true)); !errors.Is(err, ErrNoAddress) {
		t.Errorf("LocalFor of a family without socket: %v, want ErrNoAddress", err)
	}
}
