package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/tun/packet"
	"github.com/goswan/goswan/tun/tuntest"
)

// offered is what a host hands to the device: a super-packet or a packet.
type offered struct {
	data []byte
	gso  packet.GSO
	path int // not 0: the path takes ESP packets of so many octets from here on
}

// plainPath is the reference: every packet is cut out, sealed, carried, opened and written by itself.
type plainPath struct {
	out    *esp.Outbound
	in     *esp.Inbound
	tooBig uint64
	outer  []byte // the outer TOS of each packet sent
}

func newPlainPath(t testing.TB, p esptest.Pair) *plainPath {
	t.Helper()
	po, pi := p.Params()
	out, err := esp.NewOutbound(po)
	if err != nil {
		t.Fatal(err)
	}
	in, err := esp.NewInbound(pi)
	if err != nil {
		t.Fatal(err)
	}
	return &plainPath{out: out, in: in}
}

// carry is what the inner host at the other end sees of one packet.
func (x *plainPath) carry(t testing.TB, ip []byte, mark func(i int, tos uint8) uint8) (list [][]byte) {
	t.Helper()
	var v packet.View
	if err := v.Parse(ip); err != nil {
		t.Fatal(err)
	}
	train := packet.NewTrain()
	x.out.Begin(train)
	defer func() { x.out.End(time.Now()) }()
	parts := [][]byte{ip}
	if len(ip) > x.out.MTU(v.Version) {
		if parts = fragments(ip, x.out.MTU(v.Version)); parts == nil {
			x.tooBig++
		}
	}
	next := uint8(packet.ProtoIPv4)
	if v.Version == 6 {
		next = packet.ProtoIPv6
	}
	for _, p := range parts {
		train.Reset()
		if r := x.out.Seal(train, append(bytes.Clone(p), make([]byte, packet.Tailroom)...), 0, len(p), next); r != esp.OK {
			t.Fatal(r)
		}
		tos := x.out.TOS(v.TOS)
		list = append(list, x.open(t, train.Datagram(0), mark(len(x.outer), tos)))
		x.outer = append(x.outer, tos)
	}
	return list
}

func (x *plainPath) open(t testing.TB, d []byte, outer uint8) []byte {
	t.Helper()
	x.in.Begin()
	defer x.in.End(time.Now(), x.in.Params().Remote)
	p := make([]byte, len(d))
	n, _, r := x.in.Open(p, d)
	var v packet.View
	if r != esp.OK || v.Parse(p[:n]) != nil {
		t.Fatalf("the plain path cannot open what it sealed: %v", r)
	}
	tos, ok := x.in.DecapsulateTOS(v.TOS, outer)
	if !ok {
		t.Fatal("the test marks a packet that knows nothing of ECN")
	}
	if tos != v.TOS {
		packet.SetTOS(p, tos)
	}
	return p[:n]
}

// fragments cuts an IPv4 packet without options and DF (RFC 791 §3.2); nil when it may not be cut.
func fragments(ip []byte, mtu int) (list [][]byte) {
	if ip[0] != 0x45 || ip[6]&0x40 != 0 {
		return nil
	}
	size := (mtu - 20) / 8 * 8
	for from := 0; 20+from < len(ip); from += size {
		p := append(bytes.Clone(ip[:20]), ip[20+from:min(20+from+size, len(ip))]...)
		offset := binary.BigEndian.Uint16(ip[6:]) + uint16(from/8)
		if 20+from+size < len(ip) {
			offset |= 0x2000
		}
		binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
		binary.BigEndian.PutUint16(p[6:], offset)
		esptest.Mend(p)
		list = append(list, p)
	}
	return list
}

// A link is how trains come through the network; it may take them apart and put them together, and its routers mark.
type link string

const (
	wholeTrains link = "trains come whole"
	noGRO       link = "no GSO and no GRO"
	otherGRO    link = "GRO joins other trains"
)

var links = []link{wholeTrains, noGRO, otherGRO}

func unmarked(_ int, tos uint8) uint8 { return tos }

// through is what comes of trains that were sent.
func (k link) through(trains []*packet.Train, mark func(i int, tos uint8) uint8) (list []*packet.Train) {
	i := 0
	for _, tr := range trains {
		for n := range tr.Count() {
			d, tos := tr.Datagram(n), mark(i, tr.TOS)
			i++
			var last *packet.Train
			if len(list) > 0 && k != noGRO && (k == otherGRO || n > 0) {
				last = list[len(list)-1]
			}
			if last == nil || last.TOS != tos || !last.Fits(len(d)) {
				last = packet.NewTrain()
				last.Local, last.Remote, last.TOS = tr.Local, tr.Remote, tos
				list = append(list, last)
			}
			copy(last.Grow(len(d)), d)
		}
	}
	return list
}

// way is one of the ways packets take through two engines.
type way struct {
	keywords           string
	v6                 bool // the outer family
	offloadA, offloadB bool // of the two devices
	link               link
	mark               func(i int, tos uint8) uint8
	flushEvery         int
}

func (w way) String() string {
	return fmt.Sprintf("%s, outer IPv6 %v, offload %v and %v, %s", w.keywords, w.v6, w.offloadA, w.offloadB, w.link)
}

// compare sends what is offered through the engines and packet by packet, and compares what the devices are given.
func (w way) compare(t testing.TB, list []offered) {
	t.Helper()
	l := setup{keywords: w.keywords, sas: 1, v6: w.v6, device: tuntest.Config{Offload: w.offloadB}}.loops(t)
	plain := newPlainPath(t, l.pairs[0])
	var want [][]byte
	for i, x := range list {
		if x.path != 0 {
			l.out.flush()
			for _, o := range append(l.outs.out.All(), plain.out) {
				o.LimitPath(o.Params().Remote, x.path, time.Now())
			}
			// What is known of the path holds from the next train on.
			plain.out.Begin(packet.NewTrain())
			plain.out.End(time.Now())
		}
		cut := esptest.Cut(x.data, x.gso)
		if cut == nil {
			t.Fatalf("the test offers what no kernel does: %+v", x.gso)
		}
		for _, ip := range cut {
			want = append(want, plain.carry(t, ip, w.mark)...)
		}
		if w.offloadA {
			l.send(x.data, x.gso)
		} else {
			for _, ip := range cut {
				l.send(ip, packet.GSO{})
			}
		}
		if w.flushEvery > 0 && i%w.flushEvery == 0 {
			l.out.flush()
		}
	}
	l.out.flush()
	var outer []byte
	for _, tr := range l.wire.trains {
		outer = append(outer, bytes.Repeat([]byte{tr.TOS}, tr.Count())...)
	}
	if !bytes.Equal(outer, plain.outer) {
		t.Errorf("%v: the outer TOS octets are % x, want % x", w, outer, plain.outer)
	}
	for _, tr := range w.link.through(l.wire.trains, w.mark) {
		l.receive(tr)
	}
	l.in.out.Flush()
	var got [][]byte
	for _, p := range l.device.Written() {
		cut := esptest.Cut(p.Data, p.GSO)
		if cut == nil {
			t.Fatalf("%v: a super-packet that no kernel takes was written: %+v", w, p.GSO)
		}
		got = append(got, cut...)
	}
	if d := l.outs.Drops(); d["too-big"] != plain.tooBig || len(d) > 1 || len(d) == 1 && plain.tooBig == 0 || l.in.engine.Drops() != nil {
		t.Errorf("%v: dropped %v and %v, want %d too big", w, d, l.in.engine.Drops(), plain.tooBig)
	}
	w.same(t, got, want)
}

func (w way) same(t testing.TB, got, want [][]byte) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if !bytes.Equal(got[i], want[i]) {
			t.Fatalf("%v: packet %d of %d octets came with %d octets and other contents:\n% x\nwant\n% x", w, i, len(want[i]), len(got[i]),
				got[i][:min(90, len(got[i]))], want[i][:min(90, len(want[i]))])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%v: %d packets came, want %d", w, len(got), len(want))
	}
}

// ways are all of them.
func ways() (list []way) {
	for _, keywords := range []string{"aes128gcm16", "chacha20poly1305", "aes128-sha256-esn"} {
		for i := range 8 {
			for _, k := range links {
				list = append(list, way{keywords: keywords, v6: i&1 != 0, offloadA: i&2 != 0, offloadB: i&4 != 0, link: k, mark: unmarked})
			}
		}
	}
	return list
}

// alone offers each packet by itself, as without offload.
func alone(list ...[]byte) (all []offered) {
	for _, p := range list {
		all = append(all, offered{data: p})
	}
	return all
}

// joined offers packets as one super-packet.
func joined(list [][]byte) []offered {
	data, gso := esptest.Super(list)
	return []offered{{data: data, gso: gso}}
}

// twice offers packets as one super-packet and each by itself.
func twice(list [][]byte) []offered { return append(joined(list), alone(list...)...) }

// change applies a change to copies of packets and makes the IPv4 header checksum right.
func change(list [][]byte, f func(i int, p []byte)) (all [][]byte) {
	for i, p := range list {
		p = bytes.Clone(p)
		f(i, p)
		if p[0]>>4 == 4 {
			esptest.Mend(p)
		}
		all = append(all, p)
	}
	return all
}

// extend puts IPv4 options or an IPv6 extension header (Destination Options) before the upper layer.
func extend(list []offered) (all []offered) {
	for _, x := range list {
		n, ext := 20, []byte{1, 1, 7, 7, 4, 0, 0, 0, 0, 0, 1, 0} // No Operation, Record Route
		if x.data[0]>>4 == 6 {
			n, ext = 40, []byte{x.data[6], 0, 1, 4, 9, 9, 9, 9}
		}
		p := slices.Concat(x.data[:n], ext, x.data[n:])
		if n == 20 {
			p[0] += byte(len(ext) / 4)
			binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
			esptest.Mend(p)
		} else {
			p[6] = packet.ProtoDestOpts
			binary.BigEndian.PutUint16(p[4:], uint16(len(p)-40))
		}
		x.data = p
		if x.gso.NeedsCsum {
			x.gso.CsumStart += uint16(len(ext))
		}
		if x.gso.Type != packet.GSONone {
			x.gso.HdrLen += uint16(len(ext))
		}
		all = append(all, x)
	}
	return all
}

// partial leaves the checksum of each packet to the device.
func partial(list [][]byte) (all []offered) {
	for _, p := range list {
		x := joined([][]byte{p})[0]
		x.gso.Type, x.gso.Size, x.gso.HdrLen = packet.GSONone, 0, 0
		all = append(all, x)
	}
	return all
}

func inTurn[T any](lists ...[]T) (all []T) {
	for i := range lists[0] {
		for _, list := range lists {
			all = append(all, list[i])
		}
	}
	return all
}

// corners are the named ones, from src to dst.
var corners = []struct {
	name string
	make func(src, dst string) []offered
	mark func(i int, tos uint8) uint8
}{
	{name: "TCP of many segments", make: func(src, dst string) []offered {
		return append(twice(esptest.Stream(src, dst, 46, 1348, 1348, ack, ack)), twice(esptest.Stream(src, dst, 64, 900, 3, ack, push))...)
	}},
	{name: "UDP in GSO", make: func(src, dst string) []offered {
		return append(twice(esptest.Datagrams(src, dst, 46, 1348, 1348)), twice(esptest.Datagrams(src, dst, 64, 900, 1))...)
	}},
	{name: "identifications that stand still, jump and wrap", make: func(src, dst string) (all []offered) {
		for _, step := range []int{0, 1, 2, 0xffff} {
			for _, list := range [][][]byte{esptest.Datagrams(src, dst, 6, 50, 50), esptest.Stream(src, dst, 6, 50, 50, ack, ack)} {
				for i, p := range list {
					esptest.SetID(p, uint16(0xfffd+i*step))
				}
				all = append(all, alone(list...)...)
				if step == 1 {
					all = append(all, joined(list)...)
				}
			}
		}
		return all
	}},
	{name: "options and extension headers", make: func(src, dst string) []offered {
		return extend(append(twice(esptest.Stream(src, dst, 9, 701, 31, ack, push)), twice(esptest.Datagrams(src, dst, 9, 701, 31))...))
	}},
	{name: "ECN fields that change in a run", make: func(src, dst string) []offered {
		tos := func(i int, p []byte) { packet.SetTOS(p, []byte{2, 2, 3, 3, 2, 1, 0, 0xb8}[i%8]) }
		all := alone(change(esptest.Stream(src, dst, 24, 500, 500, ack, ack), tos)...)
		for _, x := range [][]byte{{2}, {3}, {1}} {
			all = append(all, joined(change(esptest.Stream(src, dst, 5, 500, 500, ack, ack), func(_ int, p []byte) { packet.SetTOS(p, x[0]) }))...)
		}
		return append(all, alone(change(esptest.Datagrams(src, dst, 24, 500, 500), tos)...)...)
	}},
	{name: "marks of routers on the way", mark: func(i int, tos uint8) uint8 {
		if i%5 == 3 {
			tos |= 3
		}
		return tos
	}, make: func(src, dst string) []offered {
		capable := func(_ int, p []byte) { packet.SetTOS(p, 0x2a) }
		return append(twice(change(esptest.Stream(src, dst, 24, 500, 500, ack, ack), capable)), twice(change(esptest.Datagrams(src, dst, 24, 500, 500), capable))...)
	}},
	{name: "PSH, FIN, URG, CWR and ECE", make: func(src, dst string) (all []offered) {
		for _, flags := range [][2]byte{{ack, push}, {ack, 0x11}, {ack, 0x19}, {0x30, 0x39}, {0x50, 0x50}, {0x70, 0x79}} {
			list := esptest.Stream(src, dst, 5, 333, 30, flags[0], flags[1])
			all = append(all, twice(list)...)
			x := joined(list)[0]
			x.data[len(x.data)-30-4*333-19] |= 0x80 // CWR, in the flags before window, checksum, urgent pointer and 12 octets of options
			all = append(all, x)
			all = append(all, alone(esptest.Cut(x.data, x.gso)...)...)
		}
		for _, flags := range []byte{0x02, 0x12, 0x04, 0x14, 0x00, 0x11, 0x31, 0x90, 0xff} {
			all = append(all, alone(esptest.Stream(src, dst, 3, 10, 10, flags, flags)...)...)
		}
		return all
	}},
	{name: "partial checksums", make: func(src, dst string) []offered {
		list := append(esptest.Stream(src, dst, 4, 101, 33, ack, push), esptest.Datagrams(src, dst, 4, 101, 0)...)
		return append(partial(list), extend(partial(list))...)
	}},
	{name: "odd sizes", make: func(src, dst string) (all []offered) {
		for _, n := range []int{1, 2, 3, 7, 63, 777, 1347} {
			all = append(all, twice(esptest.Stream(src, dst, 5, n, 1, ack, ack))...)
			all = append(all, twice(esptest.Datagrams(src, dst, 5, n, 1))...)
		}
		return all
	}},
	{name: "TCP options that change within a run", make: func(src, dst string) (all []offered) {
		for i := range 9 {
			options := []byte{1, 1, 8, 10, 0, 0, 0, byte(i / 3), 5, 6, 7, 8}
			if i == 8 {
				options = nil
			}
			p := esptest.TCP(src, dst, 5000, 80, uint32(1000+i*100), 7, ack, options, esptest.Pattern(i, 100))
			all = append(all, offered{data: esptest.SetID(p, uint16(i))})
		}
		return all
	}},
	{name: "fragments", make: func(src, dst string) (all []offered) {
		if list := esptest.Datagrams(src, dst, 3, 900, 900); list[0][0]>>4 == 4 {
			for _, p := range change(list, func(_ int, p []byte) { p[6] = 0 }) {
				all = append(all, alone(fragments(p, 300)...)...)
			}
			return append(all, twice(list)...)
		}
		for i, p := range esptest.Datagrams(src, dst, 4, 400, 400) {
			h := []byte{p[6], 0, 0, byte([]int{1, 8, 9, 0}[i]), 1, 2, 3, 4} // first, last, middle and whole
			p = slices.Concat(p[:40], h, p[40:])
			p[6] = packet.ProtoFragment
			binary.BigEndian.PutUint16(p[4:], uint16(len(p)-40))
			all = append(all, alone(p, p)...)
		}
		return append(all, twice(esptest.Datagrams(src, dst, 3, 400, 400))...)
	}},
	{name: "one datagram longer than the last", make: func(src, dst string) []offered {
		return slices.Concat(alone(esptest.Datagrams(src, dst, 5, 300, 301)...), alone(esptest.Stream(src, dst, 5, 300, 303, ack, ack)...),
			joined(esptest.Datagrams(src, dst, 5, 300, 2)), joined(esptest.Datagrams(src, dst, 5, 301, 301)), joined(esptest.Stream(src, dst, 5, 500, 500, ack, ack)))
	}},
	{name: "packets without data", make: func(src, dst string) []offered {
		return slices.Concat(alone(esptest.Datagrams(src, dst, 5, 0, 0)...), alone(esptest.Datagrams(src, dst, 5, 20, 0)...),
			alone(esptest.Stream(src, dst, 5, 0, 0, ack, ack)...), alone(esptest.Stream(src, dst, 5, 20, 0, ack, ack)...))
	}},
	{name: "flows in turn", make: func(src, dst string) []offered {
		tcp, udp := esptest.Stream(src, dst, 12, 100, 100, ack, ack), esptest.Datagrams(src, dst, 12, 100, 100)
		other := esptest.Stream("fd01::9", host6(0), 12, 100, 100, ack, push)
		supers := inTurn(append(joined(tcp), joined(other)...), append(joined(udp), joined(tcp)...))
		return append(alone(inTurn(tcp, udp, other)...), supers...)
	}},
	{name: "wrong and missing checksums", make: func(src, dst string) (all []offered) {
		for at := range 3 {
			list := esptest.Datagrams(src, dst, 5, 100, 100)
			for i, p := range esptest.Stream(src, dst, 5, 100, 100, ack, ack) {
				list = append(list, p)
				if i%3 == at {
					p[len(p)-1] ^= 1
					p = list[i]
					l4 := len(p) - 108
					p[l4+6], p[l4+7] = 0, 0
				}
			}
			all = append(all, alone(list...)...)
		}
		return all
	}},
	{name: "malformed transport headers", make: func(src, dst string) (all []offered) {
		for _, words := range []int{0, 3, 4, 15} {
			for i := range 3 {
				p := esptest.TCP(src, dst, 5000, 80, uint32(1000+i*(120-words*4)), 7, ack, nil, esptest.Pattern(i, 100))
				l4 := p[len(p)-120:]
				l4[12], l4[16], l4[17] = byte(words<<4), 0, 0
				all = append(all, offered{data: esptest.SetID(esptest.IP(src, dst, packet.ProtoTCP, l4), uint16(i))})
			}
		}
		return append(all, alone(change(esptest.Datagrams(src, dst, 3, 40, 40), func(i int, p []byte) { p[len(p)-43] ^= byte(i) })...)...)
	}},
	{name: "a path that changes under way", make: func(src, dst string) (all []offered) {
		tcp, udp := esptest.Stream(src, dst, 5, 1200, 700, ack, ack), esptest.Datagrams(src, dst, 5, 1200, 700)
		loose := change(udp, func(_ int, p []byte) {
			if p[0]>>4 == 4 {
				p[6] = 0 // without DF
			}
		})
		for _, path := range []int{65000, 1200, 700, 1201, 1280, 65000} {
			more := slices.Concat(twice(tcp), twice(udp), twice(loose))
			more[0].path = path
			all = append(all, more...)
		}
		return all
	}},
}

const ack, push = 0x10, 0x18

// TestAgainstThePlainPath: in every corner the inner hosts see octet for octet, and in order, what they see when each packet goes by itself.
func TestAgainstThePlainPath(t *testing.T) {
	for _, c := range corners {
		t.Run(c.name, func(t *testing.T) {
			for _, addrs := range [][2]string{{"10.1.0.1", host(0)}, {"fd01::1", host6(0)}} {
				list := c.make(addrs[0], addrs[1])
				for _, w := range ways() {
					if c.mark != nil {
						w.mark = c.mark
					}
					w.compare(t, list)
				}
			}
		})
	}
}

// script reads what to offer from the octets of a fuzzer.
type script struct {
	rest []byte
	next [8]struct {
		seq uint32
		id  uint16
	}
}

func (x *script) octet() (b byte) {
	if len(x.rest) > 0 {
		b, x.rest = x.rest[0], x.rest[1:]
	}
	return b
}

// run is the packets of one flow that go on where its last ones ended.
func (x *script) run() (list [][]byte) {
	kind, count, size, last, flags := x.octet(), 1+int(x.octet())%20, 1+int(x.octet())*5, int(x.octet())*6, x.octet()
	src, dst := "10.1.0.1", host(0)
	if kind&1 != 0 {
		src, dst = "fd01::1", host6(0)
	}
	flow := &x.next[kind&7]
	for i := range count {
		n, f := size, flags&^(0x09|0x80)|ack
		if i == count-1 {
			n, f = last, flags|ack
		}
		var p []byte
		if data := esptest.Pattern(int(flow.seq), n); kind&2 != 0 {
			p = esptest.UDP(src, dst, 9, uint16(kind&7), []byte(data))
		} else {
			p = esptest.TCP(src, dst, 9, uint16(kind&7), flow.seq, 7, f, make([]byte, int(kind>>3&3)*4), data)
		}
		esptest.SetID(p, flow.id)
		packet.SetTOS(p, kind>>6)
		flow.seq, flow.id = flow.seq+uint32(n), flow.id+1
		list = append(list, p)
	}
	return list
}

// offers makes packets of the next run and of what is to happen to them.
func (x *script) offers() (all []offered) {
	list := x.run()
	how := x.octet()
	switch {
	case how&1 != 0 && len(list) > 1 && len(list[len(list)-1]) <= len(list[0]) && len(list[0])*len(list) < 60000 && hasData(list):
		all = joined(list)
	case how&2 != 0:
		all = partial(list)
	case how&4 != 0:
		at, bits := int(x.octet())<<3, x.octet()
		all = alone(change(list, func(i int, p []byte) {
			// Behind the addresses and the version, so that it stays a packet of the tunnel.
			if from := len(p) - 1 - at%len(p); i == len(list)/2 && from >= 40 {
				p[from] ^= bits
			}
		})...)
	default:
		all = alone(list...)
	}
	if how&8 != 0 {
		all = extend(all)
	}
	if how&0x30 == 0x30 {
		all[0].path = 300 + int(x.octet())*16
	}
	return all
}

// hasData says that the last packet is not without data, which a super-packet cannot tell.
func hasData(list [][]byte) bool {
	a, b := list[0], list[len(list)-1]
	l4 := 20
	if a[0]>>4 == 6 {
		l4 = 40
	}
	protocol := a[9]
	if l4 == 40 {
		protocol = a[6]
	}
	if protocol == packet.ProtoUDP {
		return len(b) > l4+8
	}
	return len(b) > l4+int(a[l4+12]>>4)*4
}

// FuzzAgainstThePlainPath makes packets and super-packets of several flows, with the corners that the octets ask for, and compares as
// TestAgainstThePlainPath does.
func FuzzAgainstThePlainPath(f *testing.F) {
	f.Add(uint8(0), []byte{0, 10, 100, 50, 0x18, 1, 1, 10, 100, 50, 0x19, 1, 2, 9, 9, 1, 0, 1, 3, 9, 9, 1, 0, 9})
	f.Add(uint8(30), []byte{0, 3, 20, 16, 0, 0, 2, 3, 20, 16, 0, 0, 0, 3, 20, 17, 0, 0, 0x41, 3, 20, 16, 0, 4, 7, 0xff})
	f.Add(uint8(71), []byte{8, 9, 240, 99, 0x30, 0x31, 50, 10, 9, 240, 99, 0, 2, 3, 9, 240, 0, 0, 0x38, 12})
	all := ways()
	f.Fuzz(func(t *testing.T, which uint8, octets []byte) {
		x, w := script{rest: octets}, all[int(which)%len(all)]
		w.flushEvery = int(which) % 5
		var list []offered
		for len(x.rest) > 0 && len(list) < 60 {
			list = append(list, x.offers()...)
		}
		w.compare(t, list)
	})
}
