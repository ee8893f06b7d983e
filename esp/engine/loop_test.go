package engine

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"syscall"
	"testing"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/tun/packet"
	"github.com/goswan/goswan/tun/tuntest"
)

// wire is a transport that keeps what is written, and reads nothing.
type wire struct {
	encap.Transport // what the loops do not use
	trains          []*packet.Train
	keep            bool
	refuse          func(*packet.Train) error // what Write returns instead, if not nil
}

func (w *wire) Write(t *packet.Train) error {
	if w.refuse != nil {
		if err := w.refuse(t); err != nil {
			return err
		}
	}
	if !w.keep {
		return nil
	}
	c := packet.NewTrain()
	copy(c.Buf, t.Buf[:t.Len])
	c.Len, c.Seg, c.Local, c.Remote, c.TOS = t.Len, t.Seg, t.Remote, t.Local, t.TOS
	w.trains = append(w.trains, c)
	return nil
}

// loops is a sender and a receiver that are driven by the test, for AllocsPerRun, benchmarks and comparisons.
type loops struct {
	wire   *wire
	device *tuntest.Device
	out    *sender
	in     *receiver
	outs   *Engine
	pairs  []esptest.Pair // what the SAs were made of
}

// setup describes loops. Without a window the same trains can come again.
type setup struct {
	keywords string
	sas      int
	v6       bool // the outer family
	device   tuntest.Config
}

func newLoops(t testing.TB, keywords string, n int) *loops {
	return setup{keywords: keywords, sas: n, device: tuntest.Config{Offload: true, Discard: true}}.loops(t)
}

func (c setup) loops(t testing.TB) *loops {
	l := &loops{wire: &wire{keep: true}, device: tuntest.New(c.device)}
	l.outs = New(Config{Device: tuntest.New(tuntest.Config{Offload: true}), Transport: l.wire})
	ins := New(Config{Device: l.device, Transport: l.wire})
	from, to := "192.0.2.1:4500", "192.0.2.2:4500"
	if c.v6 {
		from, to = "[2001:db8::1]:4500", "[2001:db8::2]:4500"
	}
	for i := range c.sas {
		spi, err := ins.NewSPI()
		if err != nil {
			t.Fatal(err)
		}
		p := esptest.Pair{
			Keywords: c.keywords, SPI: spi, Reqid: uint32(i + 1), Salt: byte(i),
			From: netip.MustParseAddrPort(from), To: netip.MustParseAddrPort(to),
			FromTS: []string{"10.1.0.0/16", "fd01::/16"}, ToTS: []string{host(i) + "/32", host6(i) + "/128"},
		}
		l.pairs = append(l.pairs, p)
		o, in := p.Params()
		for e, x := range map[*Engine]esp.Params{l.outs: o, ins: in} {
			if err := e.Install(x); err != nil {
				t.Fatal(err)
			}
		}
	}
	l.out = newSender(l.outs, l.outs.config.Device.Queues()[0])
	l.in = newReceiver(ins, l.device.Queues()[0])
	l.in.natt = true
	return l
}

func host6(i int) string { return fmt.Sprintf("fd02::%x", i+1) }

func host(i int) string { return fmt.Sprintf("10.2.%d.%d", i/250, 1+i%250) }

// send does what run does with a super-packet.
func (l *loops) send(data []byte, gso packet.GSO) {
	s := l.out.super
	s.Off, s.Len, s.GSO = packet.Headroom, len(data), gso
	copy(s.Bytes(), data)
	l.out.packet()
}

// receive does what run does with a train.
func (l *loops) receive(t *packet.Train) {
	was := l.in.train
	l.in.train = t
	for i := range t.Count() {
		l.in.datagram(t.Datagram(i))
	}
	l.in.release()
	l.in.train = was
}

// traffic is what the allocation test and the benchmarks send.
type traffic struct {
	name    string
	data    [][]byte
	gso     packet.GSO
	packets int
	octets  int
}

func traffics(hosts int) []traffic {
	var list []traffic
	six := [2]string{"fd01::1", host6(0)}
	for _, addrs := range [][2]string{{"10.1.0.1", host(0)}, six} {
		version := "IPv4"
		if addrs == six {
			version = "IPv6"
		}
		list = append(list, super("TCP super-packets of "+version, esptest.Stream(addrs[0], addrs[1], 46, 1348, 1348, 0x10, 0x10)),
			super("UDP super-packets of "+version, esptest.Datagrams(addrs[0], addrs[1], 46, 1348, 1347)))
	}
	for _, size := range []int{64, 1400} {
		small := traffic{name: fmt.Sprintf("packets of %d", size), packets: 64, octets: 64 * size}
		for i := range 64 {
			p := esptest.UDP("10.1.0.1", host(i%hosts), 1000, 2000, make([]byte, size-28))
			small.data = append(small.data, esptest.SetID(p, uint16(i)))
		}
		list = append(list, small)
	}
	turns := traffic{name: "flows in turn", packets: 64}
	for i := range 16 {
		a, b := esptest.Stream("10.1.0.1", host(i%hosts), 16, 1000, 1000, 0x10, 0x10), esptest.Datagrams("10.1.0.1", host(i%hosts), 16, 100, 100)
		c, d := esptest.Stream("fd01::1", host6(i%hosts), 16, 1000, 1000, 0x10, 0x10), esptest.Datagrams("fd01::1", host6(i%hosts), 16, 100, 100)
		for _, p := range [][]byte{a[i], b[i], c[i], d[i]} {
			turns.data, turns.octets = append(turns.data, p), turns.octets+len(p)
		}
	}
	return append(list, turns)
}

func super(name string, list [][]byte) traffic {
	data, gso := esptest.Super(list)
	return traffic{name: name, data: [][]byte{data}, gso: gso, packets: len(list), octets: len(data)}
}

func TestLoopsAllocateNothing(t *testing.T) {
	for _, keywords := range esptest.Suites {
		for _, hosts := range []int{1, 3} {
			l := newLoops(t, keywords, hosts)
			for _, x := range traffics(hosts) {
				send := func() {
					for _, d := range x.data {
						l.send(d, x.gso)
					}
					l.out.flush()
				}
				l.wire.trains, l.wire.keep = nil, true
				send()
				l.wire.keep = false
				if n := testing.AllocsPerRun(10, send); n != 0 {
					t.Errorf("%s, %d SAs: sending %s allocates %v times, want 0", keywords, hosts, x.name, n)
				}
				before := l.device.Count()
				receive := func() {
					for _, tr := range l.wire.trains {
						l.receive(tr)
					}
					l.in.out.Flush()
				}
				if n := testing.AllocsPerRun(10, receive); n != 0 {
					t.Errorf("%s, %d SAs: receiving %s allocates %v times, want 0", keywords, hosts, x.name, n)
				}
				if l.device.Count() == before || l.outs.Drops() != nil || l.in.engine.Drops() != nil {
					t.Fatalf("%s: nothing came through; dropped: %v and %v", x.name, l.outs.Drops(), l.in.engine.Drops())
				}
			}
		}
	}
}

// TestTrains: what is gathered in one train is bounded by size, number, SA and TOS.
func TestTrains(t *testing.T) {
	l := newLoops(t, "aes128gcm16", 2)
	udp := func(to, n int, tos uint8) []byte {
		p := esptest.UDP("10.1.0.1", host(to), 1, 2, make([]byte, n))
		packet.SetTOS(p, tos)
		return p
	}
	for _, tt := range []struct {
		name string
		data [][]byte
		want []int
	}{
		{"equal ones", [][]byte{udp(0, 10, 0), udp(0, 10, 0), udp(0, 10, 0)}, []int{3}},
		{"a shorter one ends a train", [][]byte{udp(0, 100, 0), udp(0, 10, 0), udp(0, 10, 0)}, []int{2, 1}},
		{"a longer one begins a train", [][]byte{udp(0, 10, 0), udp(0, 100, 0)}, []int{1, 1}},
		{"two SAs in turn", [][]byte{udp(0, 10, 0), udp(1, 10, 0), udp(0, 10, 0), udp(1, 10, 0)}, []int{2, 2}},
		{"another TOS", [][]byte{udp(0, 10, 0), udp(0, 10, 4), udp(0, 10, 4)}, []int{1, 2}},
		{"nothing", nil, nil},
	} {
		l.wire.trains = nil
		for _, d := range tt.data {
			l.send(d, packet.GSO{})
		}
		l.out.flush()
		var got []int
		for _, tr := range l.wire.trains {
			got = append(got, tr.Count())
		}
		if fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: trains of %v, want %v", tt.name, got, tt.want)
		}
	}
	l.wire.trains = nil
	for range 200 {
		l.send(udp(0, 10, 0), packet.GSO{})
	}
	l.out.flush()
	if len(l.wire.trains) != 4 || l.wire.trains[0].Count() != packet.MaxCars || l.wire.trains[3].Count() != 200-3*packet.MaxCars {
		t.Errorf("200 packets went in %d trains, want 3 full ones and the rest", len(l.wire.trains))
	}
}

// The numbers of an SA leave in their order, whatever its packets' sizes and TOS octets, and whatever goes out between them.
func TestTrainsKeepTheOrderOfAnSA(t *testing.T) {
	const sas = 40 // more than trains are gathered
	l := newLoops(t, "aes128gcm16", sas)
	r := rand.New(rand.NewPCG(1, 2))
	const packets = 5000
	for range packets {
		p := esptest.UDP("10.1.0.1", host(r.IntN(sas)), 1, 2, make([]byte, 10+r.IntN(3)*400))
		packet.SetTOS(p, uint8(r.IntN(3))<<2)
		l.send(p, packet.GSO{})
		if r.IntN(100) == 0 {
			l.out.flush()
		}
	}
	l.out.flush()
	next, total := map[uint32]uint32{}, 0
	for _, tr := range l.wire.trains {
		for i := range tr.Count() {
			d := tr.Datagram(i)
			spi, seq := binary.BigEndian.Uint32(d), binary.BigEndian.Uint32(d[4:])
			if next[spi]++; seq != next[spi] {
				t.Fatalf("SPI %08x: number %d left as the %d-th", spi, seq, next[spi])
			}
			total++
		}
	}
	if total != packets || len(next) != sas {
		t.Errorf("%d packets of %d SAs left, want %d of %d", total, len(next), packets, sas)
	}
}

// Two senders that use the same SAs in opposite orders wait for each other's turn, not for ever.
func TestSendersShareSAs(t *testing.T) {
	const sas = 3
	l := newLoops(t, "aes128gcm16", sas)
	l.wire.keep = false
	other := *l
	other.out = newSender(l.outs, l.device.Queues()[0])
	var done sync.WaitGroup
	for i, x := range []*loops{l, &other} {
		done.Go(func() {
			for n := range 3000 {
				to := n % sas
				if i == 1 {
					to = sas - 1 - to
				}
				x.send(esptest.UDP("10.1.0.1", host(to), 1, 2, make([]byte, 10)), packet.GSO{})
				if n%7 == 6 {
					x.out.flush()
				}
			}
			x.out.flush()
		})
	}
	done.Wait()
	var packets uint64
	for _, o := range l.outs.out.All() {
		packets += o.Counters().Packets
	}
	if packets != 6000 || l.outs.Drops() != nil {
		t.Errorf("%d packets were sent, want 6000; dropped: %v", packets, l.outs.Drops())
	}
}

// A train that the host refuses is counted, and is all that is lost: the others come whole, in order and once.
func TestRefusedTrainsLoseOnlyThemselves(t *testing.T) {
	for _, refusal := range []error{syscall.EIO, syscall.EINVAL, encap.ErrNoAddress} {
		l := setup{keywords: "aes128gcm16", sas: 1, device: tuntest.Config{Offload: true}}.loops(t)
		trains, sent, lost := 0, 0, 0
		refused := map[int]bool{}
		l.wire.refuse = func(tr *packet.Train) error {
			from := sent
			sent += tr.Count()
			if trains++; trains%3 != 2 {
				return nil
			}
			for i := from; i < sent; i++ {
				refused[i] = true
			}
			lost += tr.Count()
			return refusal
		}
		var all [][]byte
		for i := range 10 {
			list := esptest.Datagrams("10.1.0.1", host(0), 20, 1000+i, 30)
			if i%2 == 0 {
				list = esptest.Stream("10.1.0.1", host(0), 20, 1000+i, 30, 0x10, 0x18)
			}
			data, gso := esptest.Super(list)
			l.send(data, gso)
			all = append(all, list...)
		}
		l.out.flush()
		for _, tr := range l.wire.trains {
			l.receive(tr)
		}
		l.in.out.Flush()
		var got, want [][]byte
		for _, p := range l.device.Written() {
			got = append(got, esptest.Cut(p.Data, p.GSO)...)
		}
		for i, p := range all {
			if !refused[i] {
				want = append(want, p)
			}
		}
		if lost == 0 || sent != len(all) || l.outs.Drops()["send-failed"] != uint64(lost) {
			t.Errorf("%v: %d of %d packets were refused, dropped %v", refusal, lost, sent, l.outs.Drops())
		}
		way{keywords: refusal.Error()}.same(t, got, want)
	}
}

// BenchmarkPath is the data path without system calls: octets and packets of the inner traffic.
func BenchmarkPath(b *testing.B) {
	for _, keywords := range []string{"aes128gcm16", "chacha20poly1305", "aes128-sha256"} {
		for _, x := range traffics(1) {
			l := newLoops(b, keywords, 1)
			for _, d := range x.data {
				l.send(d, x.gso)
			}
			l.out.flush()
			l.wire.keep = false
			run := func(name string, f func()) {
				b.Run(keywords+"/"+x.name+"/"+name, func(b *testing.B) {
					b.SetBytes(int64(x.octets))
					b.ReportAllocs()
					for b.Loop() {
						f()
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*x.packets), "ns/packet")
				})
			}
			run("out", func() {
				for _, d := range x.data {
					l.send(d, x.gso)
				}
				l.out.flush()
			})
			run("in", func() {
				for _, tr := range l.wire.trains {
					l.receive(tr)
				}
				l.in.out.Flush()
			})
		}
	}
}
