package engine

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/esp/esptest"
)

// meter counts what an engine asks of its transport.
type meter struct {
	*encap.UDP
	connected    chan netip.AddrPort
	disconnected chan struct{}
}

func (m *meter) Connect(local, remote netip.AddrPort) (encap.Polled, error) {
	c, err := m.UDP.Connect(local, remote)
	if err == nil {
		m.connected <- remote
	}
	return c, err
}

func (m *meter) Disconnect(c encap.Polled) error {
	m.disconnected <- struct{}{}
	return m.UDP.Disconnect(c)
}

func TestABusyPeerGetsASocketAndPacketsGoOn(t *testing.T) {
	engines, devices := twoLanes(t, encap.Config{})
	m := &meter{engines[1].config.Transport.(*encap.UDP), make(chan netip.AddrPort, 10), make(chan struct{}, 10)}
	engines[1].config.Transport = m
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	for _, e := range engines {
		go func() { done <- e.Run(ctx) }()
	}
	buf := make([]byte, 2000)
	back := installBack(t, engines)
	for n := range 4 * worthy {
		p := esptest.UDP("10.1.0.1", "10.2.0.1", 1, 2, make([]byte, n))
		if _, err := devices[0].host.Write(p); err != nil {
			t.Fatal(err)
		}
		got, err := devices[1].host.Read(buf)
		if err != nil || !bytes.Equal(buf[:got], p) {
			t.Fatalf("packet %d came as % x (%v), want % x", n, buf[:got], err, p)
		}
	}
	if _, ok := engines[1].Remove(back); !ok {
		t.Error("there is no SA back")
	}
	<-m.disconnected // with the last SA to the peer
	cancel()
	for range engines {
		if err := <-done; err != nil {
			t.Errorf("Run ended with %v after its context", err)
		}
	}
	if len(m.connected) != 1 {
		t.Errorf("%d sockets were opened for one peer, want 1", len(m.connected))
	}
	if engines[1].Drops() != nil {
		t.Errorf("dropped: %v", engines[1].Drops())
	}
}

// installBack installs an SA from the second engine of twoLanes to the first.
func installBack(t *testing.T, engines [2]*Engine) esp.ID {
	t.Helper()
	there := engines[0].out.All()[0]
	local, remote := there.Path()
	spi, err := engines[0].NewSPI()
	if err != nil {
		t.Fatal(err)
	}
	out, in := esptest.Pair{
		Keywords: "aes128gcm16", SPI: spi, Reqid: 1, From: remote, To: local, FromTS: []string{"10.2.0.0/16"}, ToTS: []string{"10.1.0.0/16"},
	}.Params()
	if err := errors.Join(engines[1].Install(out), engines[0].Install(in)); err != nil {
		t.Fatal(err)
	}
	return out.ID()
}

// A peer to which no SA goes is given nothing either: nobody would take it back.
func TestAPeerWithoutAnSAGetsNoSocket(t *testing.T) {
	engines, devices := twoLanes(t, encap.Config{})
	m := &meter{engines[1].config.Transport.(*encap.UDP), make(chan netip.AddrPort, 10), nil}
	engines[1].config.Transport = m
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	for _, e := range engines {
		go func() { done <- e.Run(ctx) }()
	}
	buf := make([]byte, 2000)
	for range 3 * worthy {
		if _, err := devices[0].host.Write(esptest.UDP("10.1.0.1", "10.2.0.1", 1, 2, make([]byte, 10))); err != nil {
			t.Fatal(err)
		}
		if _, err := devices[1].host.Read(buf); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	for range engines {
		<-done
	}
	if len(m.connected) != 0 {
		t.Errorf("%d sockets were opened", len(m.connected))
	}
}

func TestPeersAreForgottenWithTheirLastSA(t *testing.T) {
	p := peers{of: map[*esp.Outbound]peer{}, count: map[peer]int{}}
	here, there := peer{local: netip.MustParseAddrPort("192.0.2.1:4500")}, peer{local: netip.MustParseAddrPort("192.0.2.2:4500")}
	one, two := new(esp.Outbound), new(esp.Outbound)
	want := func(sentence string, o *esp.Outbound, to peer, gone bool, last *peer) {
		t.Helper()
		if got, ok := p.set(o, to, gone); ok != (last != nil) || ok && got != *last {
			t.Errorf("%s: forgotten is %v, %v", sentence, got, ok)
		}
	}
	want("the first SA", one, here, false, nil)
	want("the same again", one, here, false, nil)
	want("a second", two, here, false, nil)
	want("one moves, the other stays", one, there, false, nil)
	want("the other moves as well", two, there, false, &here)
	want("one goes", two, there, true, nil)
	want("the last goes", one, there, true, &there)
	want("what was gone goes", one, there, true, nil)
	if len(p.of)+len(p.count) != 0 {
		t.Errorf("%v and %v are left", p.of, p.count)
	}
}

// Whoever sends what is not authentic is given nothing.
func TestAForgedPacketGetsNoSocket(t *testing.T) {
	var d direct
	l := lane{in: &receiver{natt: true}, direct: d}
	for range 4 * worthy {
		l.listen(nil) // a turn without an authentic packet
	}
	if l.direct.ready || len(l.direct.strange) != 0 {
		t.Errorf("%d strangers are noted, want none", len(l.direct.strange))
	}
}

func TestTheBusiestAreFoundAmongMany(t *testing.T) {
	var d direct
	local := netip.MustParseAddrPort("192.0.2.1:4500")
	worth := map[netip.AddrPort]bool{}
	for turn := range 100 * worthy {
		busy := netip.AddrPortFrom(netip.MustParseAddr("198.51.100.1"), uint16(1+turn%4))
		rare := netip.AddrPortFrom(netip.MustParseAddr("203.0.113.1"), uint16(1+turn))
		for _, remote := range []netip.AddrPort{busy, rare} {
			if d.note(local, remote) {
				worth[remote] = true
			}
		}
	}
	if len(worth) != 4 {
		t.Errorf("%d peers are worth a socket, want the four that are heard again and again: %v", len(worth), worth)
	}
	if len(d.strange) > maxStrange {
		t.Errorf("%d strangers are remembered, at most %d", len(d.strange), maxStrange)
	}
}

// befriended is a lane over real sockets, with a clock that the test sets, that has heard from so many peers.
func befriended(t *testing.T, peers int) (l *lane, m *meter, now *time.Time) {
	t.Helper()
	u, err := encap.Listen(encap.Config{})
	if err != nil {
		t.Fatal(err)
	}
	m = &meter{u, make(chan netip.AddrPort, 100), make(chan struct{}, 100)}
	now = new(time.Time)
	*now = time.Unix(1000, 0)
	e := New(Config{Device: newPaired(t), Transport: m, Now: func() time.Time { return *now }})
	lanes, err := e.newLanes()
	if err != nil || len(lanes) != 1 {
		t.Fatalf("%d lanes, %v", len(lanes), err)
	}
	t.Cleanup(func() {
		closeLanes(lanes)
		if err := u.Close(); err != nil {
			t.Error(err)
		}
	})
	for i := range peers {
		makeWorthy(t, lanes[0], i)
	}
	return lanes[0], m, now
}

// makeWorthy lets a lane hear the i-th peer until it should have a socket.
func makeWorthy(t *testing.T, l *lane, i int) {
	t.Helper()
	_, _, natt, err := l.in.engine.config.Transport.LocalFor(netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	l.in.natt = true
	l.in.heard = heard{
		netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), natt), netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), uint16(1+i)),
		l.in.engine.config.Now(),
	}
	l.in.engine.peers.set(new(esp.Outbound), peer{l.in.heard.local, l.in.heard.remote}, false)
	for range worthy {
		l.listen(l.conns[0])
	}
	if err := l.befriend(); err != nil {
		t.Fatal(err)
	}
}

func TestSocketsForPeersAreFew(t *testing.T) {
	l, m, now := befriended(t, maxDirect+1)
	if len(m.connected) != maxDirect || len(l.direct.used) != maxDirect {
		t.Fatalf("%d sockets were opened, want %d", len(m.connected), maxDirect)
	}
	// All but the third are heard again; then a minute is over since that one was.
	*now = now.Add(directIdle)
	first := len(l.conns) - maxDirect
	for i, c := range l.conns[first:] {
		if i != 2 {
			l.in.heard.at = *now
			l.listen(c)
		}
	}
	third := l.conns[first+2]
	makeWorthy(t, l, maxDirect)
	if len(m.connected) != maxDirect+1 || len(m.disconnected) != 1 {
		t.Fatalf("%d sockets were opened and %d closed, want %d and 1", len(m.connected), len(m.disconnected), maxDirect+1)
	}
	for _, c := range l.conns {
		if c == third {
			t.Error("the socket of the silent peer is still there")
		}
	}
	if _, err := l.turn(everything); err != nil {
		t.Errorf("the lane does not go on: %v", err)
	}
}

func TestAPeerThatCannotBeConnectedToIsAskedOnce(t *testing.T) {
	l, m, _ := befriended(t, 0)
	l.in.natt = true
	l.in.engine.peers.set(new(esp.Outbound), peer{netip.MustParseAddrPort("192.0.2.77:4500"), netip.MustParseAddrPort("127.0.0.2:4500")}, false)
	for range 3 * worthy {
		l.in.heard = heard{netip.MustParseAddrPort("192.0.2.77:4500"), netip.MustParseAddrPort("127.0.0.2:4500"), time.Unix(1, 0)} // no address of ours
		l.listen(l.conns[0])
		if err := l.befriend(); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.connected) != 0 || l.direct.strange[0].turns != -1 {
		t.Errorf("%d connected, the stranger has %d turns", len(m.connected), l.direct.strange[0].turns)
	}
}
