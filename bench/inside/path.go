package inside

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/goswan/goswan/bench/clock"
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/esp/engine"
	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/tun"
	"github.com/goswan/goswan/tun/packet"
)

// How many SAs there are in the larger case, how many of them carry, and what a lap sends.
const (
	manySAs, usedSAs      = 10000, 1000
	lapSupers, lapSingles = 32, 1024
	localInner, localTS   = "10.1.0.1", "10.1.0.0/16"
	firstSPI              = 0x10000
)

// addPaths compares an engine with one SA with one of many. Each packet goes out through its sender and comes in through
// its receiver, on a thread each, one after the other.
func (b *Bench) addPaths() error {
	for _, n := range []PathConfig{{SAs: manySAs, Flows: usedSAs}, {SAs: 1, Flows: 1}} {
		p, err := NewPath(n)
		if err != nil {
			return err
		}
		b.paths = append(b.paths, p)
	}
	many, one := b.paths[0], b.paths[1]
	b.add(PathSuper, func(ns float64) float64 { return 8 * large / ns }, many.superLap, one.superLap)
	b.add(PathSmall, func(ns float64) float64 { return 1e6 / ns }, many.singleLap, one.singleLap)
	return nil
}

// PathConfig says what a Path has. Flow i goes over SA i modulo SAs.
type PathConfig struct {
	Suite string // words as `esp_proposals` has them; "" is aes128gcm16
	SAs   int    // pairs, each with a policy of its own
	Flows int    // that carry, each of a TCP connection or of UDP ports of its own
}

// The sizes of a Path's inner packets, and how many of the large ones are in a super-packet.
const (
	LargePacket  = large
	SmallPacket  = small
	SuperPackets = largeTrain
)

// Path is an engine that sends to itself: a device and a wire in memory, so that each packet goes from the device through the sender
// to the wire, and from there through the receiver to the device. It is for one goroutine.
type Path struct {
	engine *engine.Engine
	device *device
	wire   *wire
	stop   context.CancelFunc
	ended  chan error
	super  template
	single template
}

// NewPath installs the SAs and starts the engine, which Close ends. The suite has to be one that suite.Resolve takes.
func NewPath(c PathConfig) (*Path, error) {
	closed := newClosing()
	p := &Path{
		device: &device{closing: closed, out: newGate(closed)}, wire: &wire{closing: closed, in: newGate(closed)},
		ended: make(chan error, 1),
	}
	p.engine = engine.New(engine.Config{Device: p.device, Transport: p.wire})
	for i := range c.SAs {
		out, in := esptest.Pair{
			Keywords: c.Suite, SPI: firstSPI + esp.SPI(i), Reqid: uint32(i + 1), Salt: byte(i), From: left, To: right, Window: window,
			FromTS: []string{localTS}, ToTS: []string{host(i) + "/32"},
		}.Params()
		for _, sa := range []esp.Params{in, out} {
			if err := p.engine.Install(sa); err != nil {
				return nil, err
			}
		}
	}
	for i := range c.Flows {
		to, port := host(i%c.SAs), uint16(1000+i/c.SAs)
		super, gso := esptest.Super(esptest.Stream(localInner, to, largeTrain, large-headers, large-headers, 0x10, 0x10))
		setPort(super, port)
		p.super.add(super, gso)
		p.single.add(esptest.UDP(localInner, to, port, 2000, make([]byte, small-28)), packet.GSO{})
	}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	go func() { p.ended <- p.engine.Run(ctx) }()
	return p, nil
}

// Close ends the engine.
func (p *Path) Close() error {
	p.stop()
	return <-p.ended
}

// setPort changes the source port of a packet that is TCP or UDP in IPv4 without options. The checksum of a super-packet covers the
// pseudo-header alone.
func setPort(super []byte, port uint16) { binary.BigEndian.PutUint16(super[20:], port) }

// host is the i-th destination.
func host(i int) string { return fmt.Sprintf("10.2.%d.%d", i>>8, i&255) }

// SuperTime lets TCP super-packets of large packets through for d, and returns the nanoseconds of CPU time that a packet took, the
// median of several turns.
func (p *Path) SuperTime(d time.Duration) float64 { return interleave([]lap{p.superLap}, d)[0] }

// SingleTime lets small UDP packets through one by one; it is otherwise like SuperTime.
func (p *Path) SingleTime(d time.Duration) float64 { return interleave([]lap{p.singleLap}, d)[0] }

func (p *Path) superLap() (int, time.Duration)  { return p.lap(&p.super, lapSupers, largeTrain) }
func (p *Path) singleLap() (int, time.Duration) { return p.lap(&p.single, lapSingles, 1) }

// lap sends n packets or super-packets to nowhere, then n more, which are kept and received. The first and the last count:
// keeping is a cost that only this benchmark has.
func (p *Path) lap(t *template, n, each int) (packets int, spent time.Duration) {
	p.wire.keep = false
	spent = p.send(t, n)
	p.wire.keep = true
	p.wire.kept, p.wire.next = 0, 0
	p.send(t, n)
	before := p.device.octets
	spent += p.wire.in.lap()
	if got, want := p.device.octets-before, t.octets*n; got != want {
		panic(fmt.Sprintf("inside: %d octets came through the engine of %d; dropped: %v", got, want, p.engine.Drops()))
	}
	return n * each, spent
}

func (p *Path) send(t *template, n int) time.Duration {
	p.device.source, p.device.left = t, n
	return p.device.out.lap()
}

// template is packets that differ in their headers alone, one for each destination, sent round and round.
type template struct {
	heads  [][]byte
	data   []byte // with room for the headers
	gso    packet.GSO
	octets int
	next   int
}

func (t *template) add(data []byte, gso packet.GSO) {
	head := len(data)
	if gso.HdrLen != 0 {
		head = int(gso.HdrLen)
	}
	t.heads = append(t.heads, bytes.Clone(data[:head]))
	t.data, t.gso, t.octets = data, gso, len(data)
}

// put puts the next packet into s, as reading a device does.
func (t *template) put(s *packet.Super) {
	s.Off, s.Len, s.GSO = packet.Headroom, t.octets, t.gso
	head := t.heads[t.next]
	copy(s.Bytes(), head)
	copy(s.Bytes()[len(head):], t.data[len(head):])
	t.next = (t.next + 1) % len(t.heads)
}

// closing is closed by the engine, by way of the device and the transport.
type closing struct {
	done chan struct{}
	once sync.Once
}

func newClosing() *closing { return &closing{done: make(chan struct{})} }

// Close implements tun.Device and encap.Transport.
func (c *closing) Close() error {
	c.once.Do(func() { close(c.done) })
	return nil
}

// gate lets one loop of the engine run a lap at a time and tells the CPU time that it took.
type gate struct {
	closing *closing
	begin   chan struct{}
	end     chan time.Duration

	running, locked bool // these belong to the loop, which may look at what is to be read only while it is running
	started         time.Duration
}

func newGate(c *closing) *gate {
	return &gate{closing: c, begin: make(chan struct{}), end: make(chan time.Duration)}
}

// lap lets the loop run until it waits again.
func (g *gate) lap() time.Duration {
	g.begin <- struct{}{}
	return <-g.end
}

// wait is called by the loop when it has nothing more to read. It returns false when it is to end.
func (g *gate) wait() bool {
	if g.running {
		g.running = false
		g.end <- clock.Thread() - g.started
	}
	if !g.locked {
		runtime.LockOSThread() // the thread ends with the loop
		g.locked = true
	}
	select {
	case <-g.begin:
	case <-g.closing.done:
		return false
	}
	g.running, g.started = true, clock.Thread()
	return true
}

// device is a tun.Device with one queue, itself.
type device struct {
	*closing
	out    *gate
	source *template
	left   int // of the lap
	octets int // written
}

// Name and the other methods implement tun.Device and tun.Queue.
func (d *device) Name() string        { return "inside" }
func (d *device) MTU() int            { return large }
func (d *device) Offload() bool       { return true }
func (d *device) Queues() []tun.Queue { return []tun.Queue{d} }

func (d *device) Read(s *packet.Super, idle func()) error {
	if !d.out.running || d.left == 0 {
		idle()
		if !d.out.wait() {
			return os.ErrClosed
		}
	}
	d.left--
	d.source.put(s)
	return nil
}

// Write counts.
func (d *device) Write(s *packet.Super) error {
	d.octets += s.Len
	return nil
}

// wire is an encap.Transport with one port-4500 socket, itself.
type wire struct {
	*closing
	in   *gate
	keep bool
	room []*packet.Train // used again in every lap
	kept int             // of room
	next int             // to be read
}

var errNoIKE = errors.New("inside: this transport carries no IKE")

// Conns and the other methods implement encap.Transport and encap.Conn.
func (w *wire) Conns() []encap.Conn                         { return []encap.Conn{w} }
func (w *wire) NATT() bool                                  { return true }
func (w *wire) SendIKE(_, _ netip.AddrPort, _ []byte) error { return errNoIKE }
func (w *wire) SendKeepalive(_, _ netip.AddrPort) error     { return errNoIKE }
func (w *wire) LocalFor(netip.Addr) (addr netip.Addr, port, portNATT uint16, err error) {
	return netip.Addr{}, 0, 0, errNoIKE
}

// Write keeps a copy of the train as it arrives at the other end.
func (w *wire) Write(t *packet.Train) error {
	if !w.keep {
		return nil
	}
	if w.kept == len(w.room) {
		w.room = append(w.room, new(packet.Train))
	}
	k := w.room[w.kept]
	w.kept++
	k.Buf = append(k.Buf[:0], t.Buf[:t.Len]...)
	k.Len, k.Seg, k.Local, k.Remote, k.TOS = t.Len, t.Seg, t.Remote, t.Local, t.TOS
	return nil
}

// Read hands over what was kept, without the copy that a kernel makes.
func (w *wire) Read(t *packet.Train, idle func()) error {
	if !w.in.running || w.next == w.kept {
		idle()
		if !w.in.wait() {
			return net.ErrClosed
		}
	}
	*t = *w.room[w.next]
	w.next++
	return nil
}
