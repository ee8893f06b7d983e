package encap

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/goswan/goswan/tun/packet"
)

var (
	addrA = netip.MustParseAddr("192.0.2.1")
	addrB = netip.MustParseAddr("192.0.2.2")
)

// train fills a train with datagrams of equal size; each is filled with its index + 1.
func train(local, remote netip.AddrPort, size, count int) *packet.Train {
	t := packet.NewTrain()
	t.Local, t.Remote, t.Seg, t.Len = local, remote, size, size*count
	for i := range count {
		copy(t.Datagram(i), bytes.Repeat([]byte{byte(i + 1)}, size))
	}
	return t
}

func read(t *testing.T, c Conn) *packet.Train {
	t.Helper()
	got := packet.NewTrain()
	if err := c.Read(got, nil); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestPipeCarriesTrainsWhole(t *testing.T) {
	a, b := Pipe(addrA, addrB)
	sent := train(netip.AddrPortFrom(addrA, 4500), netip.AddrPortFrom(addrB, 4500), 100, 5)
	sent.Len -= 30
	sent.TOS = 0xb8
	if err := a.Write(sent); err != nil {
		t.Fatal(err)
	}
	got := read(t, b.Conns()[1])
	if got.Count() != 5 || len(got.Datagram(4)) != 70 || !bytes.Equal(got.Buf[:got.Len], sent.Buf[:sent.Len]) {
		t.Errorf("the train came as %d datagrams, %d octets; want 5, 470", got.Count(), got.Len)
	}
	if got.Remote != sent.Local || got.Local != sent.Remote || got.TOS != 0xb8 {
		t.Errorf("it came from %v to %v with TOS %#x", got.Remote, got.Local, got.TOS)
	}
}

func TestPipeMarksIKEOnPort4500Only(t *testing.T) {
	a, b := Pipe(addrA, addrB)
	for _, c := range []struct {
		port uint16
		want []byte
	}{{500, []byte("ike_init")}, {4500, []byte("\x00\x00\x00\x00ike_init")}} {
		if err := a.SendIKE(netip.AddrPortFrom(addrA, c.port), netip.AddrPortFrom(addrB, c.port), []byte("ike_init")); err != nil {
			t.Fatal(err)
		}
		conn := b.Conns()[c.port/4500]
		got := read(t, conn)
		if !bytes.Equal(got.Datagram(0), c.want) {
			t.Errorf("on port %d came %q, want %q", c.port, got.Datagram(0), c.want)
		}
		if conn.NATT() != (c.port == 4500) {
			t.Errorf("NATT() of port %d is %v", c.port, conn.NATT())
		}
	}
	if err := a.SendKeepalive(netip.AddrPortFrom(addrA, 4500), netip.AddrPortFrom(addrB, 4500)); err != nil {
		t.Fatal(err)
	}
	if kind, _ := Split(read(t, b.Conns()[1]).Datagram(0)); kind != Keepalive {
		t.Errorf("a keepalive came as kind %d", kind)
	}
}

func TestHookDropsDuplicatesAndRecords(t *testing.T) {
	a, b := Pipe(addrA, addrB)
	var seen []Datagram
	a.Network().SetHook(func(d Datagram, deliver func(Datagram)) {
		seen = append(seen, d)
		switch d.Data[0] {
		case 2: // lost
		case 3:
			deliver(d)
			deliver(d)
		default:
			deliver(d)
		}
	})
	if err := a.Write(train(netip.AddrPort{}, netip.AddrPortFrom(addrB, 4500), 10, 4)); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for range 4 {
		got = append(got, read(t, b.Conns()[1]).Datagram(0)[0])
	}
	if want := []byte{1, 3, 3, 4}; !slices.Equal(got, want) {
		t.Errorf("datagrams %v arrived, want %v", got, want)
	}
	if len(seen) != 4 || seen[0].From != netip.AddrPortFrom(addrA, 4500) {
		t.Errorf("the hook saw %d datagrams, the first from %v", len(seen), seen[0].From)
	}
}

func TestNATRewritesBothWays(t *testing.T) {
	n := NewNetwork()
	inside, outside := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("203.0.113.9")
	a := n.Attach(EndpointConfig{Addresses: []netip.Addr{inside}})
	b := n.Attach(EndpointConfig{Addresses: []netip.Addr{addrB}})
	nat := NewNAT(netip.MustParsePrefix("10.0.0.0/8"), outside)
	n.SetHook(nat.Hook)
	send := func() netip.AddrPort {
		t.Helper()
		if err := a.Write(train(netip.AddrPort{}, netip.AddrPortFrom(addrB, 4500), 10, 1)); err != nil {
			t.Fatal(err)
		}
		return read(t, b.Conns()[1]).Remote
	}
	from := send()
	if from.Addr() != outside || from.Port() == 4500 {
		t.Fatalf("behind the NAT it came from %v, want %v and another port", from, outside)
	}
	if again := send(); again != from {
		t.Errorf("the mapping changed from %v to %v", from, again)
	}
	if err := b.Write(train(netip.AddrPort{}, from, 10, 1)); err != nil {
		t.Fatal(err)
	}
	if got := read(t, a.Conns()[1]); got.Local != netip.AddrPortFrom(inside, 4500) {
		t.Errorf("the answer came to %v", got.Local)
	}
	nat.Forget()
	if err := b.Write(train(netip.AddrPort{}, from, 10, 1)); err != nil {
		t.Fatal(err)
	}
	if again := send(); again == from {
		t.Errorf("after Forget the mapping is still %v", from)
	}
}

func TestPipeRefusesWhatAHostRefuses(t *testing.T) {
	a, _ := Pipe(addrA, addrB)
	to := netip.AddrPortFrom(addrB, 4500)
	if err := a.Write(train(netip.AddrPortFrom(addrB, 4500), to, 10, 1)); !errors.Is(err, ErrNoAddress) {
		t.Errorf("sending from a foreign address: %v, want ErrNoAddress", err)
	}
	a.Network().SetMTU(100)
	if err := a.Write(train(netip.AddrPort{}, to, 101, 2)); !errors.Is(err, ErrTooBig) {
		t.Errorf("sending above the MTU: %v, want ErrTooBig", err)
	}
	if err := a.Write(train(netip.AddrPort{}, to, 100, 2)); err != nil {
		t.Errorf("sending at the MTU: %v", err)
	}
	if err := a.Write(train(netip.AddrPort{}, netip.MustParseAddrPort("198.51.100.1:4500"), 10, 1)); err != nil || a.Network().Lost() != 1 {
		t.Errorf("sending to nobody: %v, %d lost; want it lost silently", err, a.Network().Lost())
	}
	addr, port, natt, err := a.LocalFor(addrB)
	if addr != addrA || port != 500 || natt != 4500 || err != nil {
		t.Errorf("LocalFor: %v %d %d %v", addr, port, natt, err)
	}
	if _, _, _, err := a.LocalFor(netip.MustParseAddr("2001:db8::1")); !errors.Is(err, ErrNoAddress) {
		t.Errorf("LocalFor of a family without address: %v, want ErrNoAddress", err)
	}
	a.SetAddresses(netip.MustParseAddr("192.0.2.77"))
	if addr, _, _, _ := a.LocalFor(addrB); addr.String() != "192.0.2.77" {
		t.Errorf("after roaming LocalFor is %v", addr)
	}
}

func TestPipeCloseUnblocksRead(t *testing.T) {
	a, b := Pipe(addrA, addrB)
	err := a.Conns()[1].Read(packet.NewTrain(), func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("a read blocked during Close returned %v, want net.ErrClosed", err)
	}
	if err := a.Write(train(netip.AddrPort{}, netip.AddrPortFrom(addrB, 4500), 10, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write after Close returned %v, want net.ErrClosed", err)
	}
	if err := b.Write(train(netip.AddrPort{}, netip.AddrPortFrom(addrA, 4500), 10, 1)); err != nil {
		t.Errorf("writing to a closed endpoint returned %v, want it lost", err)
	}
}

func TestPipeDoesNotAllocate(t *testing.T) {
	a, b := Pipe(addrA, addrB)
	out, in := train(netip.AddrPort{}, netip.AddrPortFrom(addrB, 4500), 1400, 10), packet.NewTrain()
	conn := b.Conns()[1]
	n := testing.AllocsPerRun(100, func() {
		if a.Write(out) != nil || conn.Read(in, nil) != nil {
			t.Fatal("a train was refused")
		}
	})
	if n != 0 {
		t.Fatalf("writing and reading a train allocate %v times, want 0", n)
	}
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []byte
		kind Kind
		out  []byte
	}{
		{"keepalive", []byte{0xff}, Keepalive, nil},
		{"another single octet", []byte{0xfe}, Bad, nil},
		{"empty", nil, Bad, nil},
		{"seven octets", make([]byte, 7), Bad, nil},
		{"IKE behind the marker", []byte("\x00\x00\x00\x00ABCD"), IKE, []byte("ABCD")},
		{"ESP", []byte("\x00\x00\x01\x00ABCD"), ESP, []byte("\x00\x00\x01\x00ABCD")},
	} {
		kind, out := Split(c.in)
		if kind != c.kind || (c.kind != Bad && !bytes.Equal(out, c.out)) {
			t.Errorf("%s: kind %d %q, want %d %q", c.name, kind, out, c.kind, c.out)
		}
	}
}
