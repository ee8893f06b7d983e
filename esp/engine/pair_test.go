package engine_test

import (
	"bytes"
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/esp/engine"
	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/tun/tuntest"
)

// patience is how long a test waits for what must come; it is not what passes or fails a test.
const patience = 30 * time.Second

// end is one endpoint: a device in memory, a place on a network in memory and an engine between them.
type end struct {
	t      testing.TB
	device *tuntest.Device
	net    *encap.Endpoint
	addr   netip.AddrPort
	*engine.Engine
	events chan engine.Event
	ike    chan ikeDatagram
}

type ikeDatagram struct {
	local, remote netip.AddrPort
	data          string
}

// options change what newEnds makes.
type options struct {
	v6                 bool // the outer family
	offloadA, offloadB bool
	now                func() time.Time
	depth              int
	wrap               func(*encap.Endpoint) encap.Transport // what the engine is given instead of its end of the network
}

// newEnds makes two running endpoints, alice and bob, that are stopped with the test.
func newEnds(t testing.TB, o options) (alice, bob *end) {
	network := encap.NewNetwork()
	a, b := "192.0.2.1", "192.0.2.2"
	if o.v6 {
		a, b = "2001:db8::1", "2001:db8::2"
	}
	return newEnd(t, network, a, o.offloadA, o), newEnd(t, network, b, o.offloadB, o)
}

func newEnd(t testing.TB, network *encap.Network, addr string, offload bool, o options) *end {
	ip := netip.MustParseAddr(addr)
	e := &end{
		t: t, addr: netip.AddrPortFrom(ip, encap.PortNATT),
		device: tuntest.New(tuntest.Config{Offload: offload, Depth: o.depth}),
		net:    network.Attach(encap.EndpointConfig{Addresses: []netip.Addr{ip}, Depth: o.depth}),
		events: make(chan engine.Event, 1000), ike: make(chan ikeDatagram, 1000),
	}
	var transport encap.Transport = e.net
	if o.wrap != nil {
		transport = o.wrap(e.net)
	}
	e.Engine = engine.New(engine.Config{
		Device: e.device, Transport: transport, Now: o.now,
		Events: func(x engine.Event) { e.events <- x },
		IKE:    func(l, r netip.AddrPort, d []byte) { e.ike <- ikeDatagram{l, r, string(d)} },
	})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run of %s ended with %v", addr, err)
		}
	})
	return e
}

// sa installs one SA from e to o with fresh SPIs and returns its names at both ends.
func (e *end) sa(o *end, p esptest.Pair, change ...func(out, in *esp.Params)) (out, in esp.ID) {
	e.t.Helper()
	if p.SPI == 0 {
		spi, err := o.NewSPI()
		if err != nil {
			e.t.Fatal(err)
		}
		p.SPI = spi
	}
	if p.Reqid == 0 {
		p.Reqid = 1
	}
	p.From, p.To = e.addr, o.addr
	po, pi := p.Params()
	for _, f := range change {
		f(&po, &pi)
	}
	if err := o.Install(pi); err != nil {
		e.t.Fatal(err)
	}
	if err := e.Install(po); err != nil {
		e.t.Fatal(err)
	}
	return po.ID(), pi.ID()
}

var (
	everything = esptest.Pair{FromTS: []string{"0.0.0.0/0", "::/0"}, ToTS: []string{"0.0.0.0/0", "::/0"}, Window: 1024}
	fourToFour = esptest.Pair{FromTS: []string{"10.1.0.0/16"}, ToTS: []string{"10.2.0.0/16"}, Window: 1024}
)

// both installs an SA in each direction.
func both(a, b *end, p esptest.Pair) {
	a.sa(b, p)
	p.FromTS, p.ToTS = p.ToTS, p.FromTS
	p.Salt++
	b.sa(a, p)
}

// inject gives one plain packet to the device.
func (e *end) inject(ip []byte) {
	e.t.Helper()
	if err := e.device.Inject(ip); err != nil {
		e.t.Fatal(err)
	}
}

// next waits for the next packet that the device is given.
func (e *end) next() tuntest.Packet {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p, err := e.device.Next(ctx)
	if err != nil {
		e.t.Fatalf("no packet came: %v; dropped here: %v", err, e.Drops())
	}
	return p
}

// receive waits for n packets and cuts super-packets.
func (e *end) receive(n int) [][]byte {
	e.t.Helper()
	var list [][]byte
	for len(list) < n {
		p := e.next()
		cut := esptest.Cut(p.Data, p.GSO)
		if cut == nil {
			e.t.Fatalf("a super-packet that cannot be cut was written: %+v", p.GSO)
		}
		list = append(list, cut...)
	}
	return list
}

// same checks packets octet for octet.
func same(t testing.TB, why string, got, want [][]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d packets came, want %d", why, len(got), len(want))
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			n, m := min(64, len(got[i])), min(64, len(want[i]))
			t.Fatalf("%s: packet %d of %d octets came with %d octets and other contents:\n% x\nwas\n% x", why, i, len(want[i]), len(got[i]), got[i][:n], want[i][:m])
		}
	}
}

// event waits for an event.
func (e *end) event() engine.Event {
	e.t.Helper()
	select {
	case x := <-e.events:
		return x
	case <-time.After(patience):
		e.t.Fatal("no event came")
		return nil
	}
}

// settled sends a packet that gets through and waits for it: what was sent before has been dealt with.
func settled(from, to *end, ip []byte) {
	from.t.Helper()
	from.inject(ip)
	for {
		if p := to.next(); bytes.Equal(p.Data, ip) {
			return
		}
	}
}

// noEvent checks that no event is waiting.
func (e *end) noEvent(why string) {
	e.t.Helper()
	select {
	case x := <-e.events:
		e.t.Errorf("%s: %#v", why, x)
	default:
	}
}

// eventually waits until ok.
func eventually(t testing.TB, why string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			t.Fatal(why)
		}
		time.Sleep(time.Millisecond)
	}
}
