package packet_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/tun/packet"
)

// written is what a Coalescer handed on.
type written struct {
	data []byte
	gso  packet.GSO
}

// coalesce runs packets through a Coalescer as the data path does, in Room's place.
func coalesce(t testing.TB, list [][]byte) []written {
	var out []written
	c := packet.NewCoalescer(true, func(s *packet.Super) {
		out = append(out, written{bytes.Clone(s.Bytes()), s.GSO})
	})
	for i, p := range list {
		// Something not authentic comes in between.
		for room, j := c.Room(len(p)+40), 0; j < len(room); j++ {
			room[j] = 0xdd
		}
		c.Abandon()
		room := c.Room(len(p) + 30)
		if n := copy(room, p); n != len(p) {
			t.Fatalf("packet %d: Room has %d octets, want %d", i, n, len(p))
		}
		var v packet.View
		if err := v.Parse(room[:len(p)]); err != nil {
			t.Fatal(err)
		}
		c.Accept(&v)
	}
	c.Flush()
	c.Flush()
	return out
}

// segment cuts a super-packet as the data path does, with trailers written behind each packet, and compares with packets made
// one by one.
func segment(t testing.TB, w written) [][]byte {
	s := packet.NewSuper()
	s.Len, s.GSO = copy(s.Buf[s.Off:], w.data), w.gso
	var v packet.View
	if err := v.Parse(s.Bytes()); err != nil {
		t.Fatal(err)
	}
	if s.GSO.Type == packet.GSONone {
		if !s.Complete() {
			t.Fatal("the checksum of a plain packet cannot be completed")
		}
		return [][]byte{bytes.Clone(s.Bytes())}
	}
	var g packet.Segments
	if err := g.Start(s, &v); err != nil {
		t.Fatalf("%+v: %v", w.gso, err)
	}
	var list [][]byte
	for {
		off, n, ok := g.Next()
		if !ok {
			same(t, list, esptest.Cut(w.data, w.gso))
			return list
		}
		list = append(list, bytes.Clone(s.Buf[off:off+n]))
		trailer := s.Buf[off+n : off+n+17]
		saved := bytes.Clone(trailer)
		for i := range trailer {
			trailer[i] = 0xaa
		}
		copy(trailer, saved)
	}
}

// again coalesces and segments.
func again(t testing.TB, list [][]byte) [][]byte {
	var out [][]byte
	for _, w := range coalesce(t, list) {
		out = append(out, segment(t, w)...)
	}
	return out
}

func same(t testing.TB, got, want [][]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d packets became %d", len(want), len(got))
	}
	for i := range want {
		if bytes.Equal(got[i], want[i]) {
			continue
		}
		k := 0
		for k < min(len(got[i]), len(want[i])) && got[i][k] == want[i][k] {
			k++
		}
		t.Fatalf("packet %d of %d octets differs at %d, it has %d octets:\n% x\nwas\n% x", i, len(want[i]), k, len(got[i]),
			got[i][:min(80, len(got[i]))], want[i][:min(80, len(want[i]))])
	}
}

// TestJoinsAndCuts: what continues a flow is one super-packet, and cut again gives the same octets.
func TestJoinsAndCuts(t *testing.T) {
	const ack, psh, ece = 0x10, 0x18, 0x50
	change := func(list [][]byte, i, at int, x byte) [][]byte {
		list[i][at] ^= x
		if list[i][0]>>4 == 4 {
			esptest.Mend(list[i])
		}
		return list
	}
	for _, tt := range []struct {
		name   string
		list   [][]byte
		supers int
	}{
		{"TCP", esptest.Stream(a4, b4, 40, 1000, 1000, ack, ack), 1},
		{"TCP in IPv6", esptest.Stream(a6, b6, 40, 1000, 1000, ack, ack), 1},
		{"TCP with a short end", esptest.Stream(a4, b4, 10, 1001, 3, ack, psh), 1},
		{"TCP with ECE", esptest.Stream(a4, b4, 10, 100, 100, ece, ece), 1},
		{"TCP of one octet each", esptest.Stream(a4, b4, 10, 1, 1, ack, ack), 1},
		{"64 KB of TCP", esptest.Stream(a4, b4, 60, 1400, 1400, ack, ack), 2},
		{"64 KB of TCP in IPv6", esptest.Stream(a6, b6, 60, 1400, 1400, ack, ack), 2},
		{"more than 64 packets", esptest.Stream(a4, b4, 70, 100, 100, ack, ack), 2},
		{"every segment pushed", esptest.Stream(a4, b4, 3, 100, 100, psh, psh), 3},
		{"acknowledgements", esptest.Stream(a4, b4, 3, 0, 0, ack, ack), 3},
		{"FIN goes alone", esptest.Stream(a4, b4, 3, 100, 100, ack, 0x11), 2},
		{"CWR goes alone", esptest.Stream(a4, b4, 3, 100, 100, 0x90, ack), 3},
		{"a longer one starts anew", esptest.Stream(a4, b4, 3, 100, 101, ack, ack), 2},
		{"UDP", esptest.Datagrams(a4, b4, 40, 1000, 1000), 1},
		{"UDP in IPv6", esptest.Datagrams(a6, b6, 40, 1000, 7), 1},
		{"UDP of one octet each", esptest.Datagrams(a6, b6, 40, 1, 1), 1},
		{"UDP without data", esptest.Datagrams(a4, b4, 3, 0, 0), 3},
		{"an identification that does not count", append(esptest.Datagrams(a4, b4, 3, 10, 10), esptest.Datagrams(a4, b4, 3, 10, 10)...), 2},
		{"two flows in turn", interleave(esptest.Stream(a4, b4, 3, 10, 10, ack, ack), esptest.Datagrams(a4, b4, 3, 10, 10)), 6},
		{"a change of TTL", change(esptest.Datagrams(a4, b4, 3, 10, 10), 1, 8, 1), 3},
		{"a change of TOS", change(esptest.Datagrams(a4, b4, 3, 10, 10), 2, 1, 4), 2},
		{"a change of DF", change(esptest.Datagrams(a4, b4, 3, 10, 10), 2, 6, 0x40), 2},
		{"a change of the Flow Label", change(esptest.Datagrams(a6, b6, 3, 10, 10), 2, 3, 4), 2},
		{"a change of the Hop Limit", change(esptest.Datagrams(a6, b6, 3, 10, 10), 2, 7, 4), 2},
		{"a wrong TCP checksum", change(esptest.Stream(a4, b4, 3, 10, 10, ack, ack), 1, 60, 1), 3},
		{"a wrong TCP checksum first", change(esptest.Stream(a4, b4, 3, 10, 10, ack, ack), 0, 60, 1), 2},
		{"a wrong UDP checksum", change(esptest.Datagrams(a4, b4, 3, 10, 10), 2, 30, 1), 2},
		{"fragments", change(esptest.Datagrams(a4, b4, 3, 10, 10), 1, 7, 1), 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			supers := coalesce(t, tt.list)
			if len(supers) != tt.supers {
				t.Errorf("%d packets became %d super-packets, want %d", len(tt.list), len(supers), tt.supers)
			}
			same(t, again(t, tt.list), tt.list)
		})
	}
}

func interleave(a, b [][]byte) [][]byte {
	var list [][]byte
	for i := range a {
		list = append(list, a[i], b[i])
	}
	return list
}

// TestWrongIPChecksum: a wrong IPv4 header checksum stays wrong, the inner host is to see it.
func TestWrongIPChecksum(t *testing.T) {
	list := esptest.Datagrams(a4, b4, 4, 10, 10)
	list[2][10] ^= 1
	same(t, again(t, list), list)
}

// TestUDPWithoutChecksum: no checksum stays none.
func TestUDPWithoutChecksum(t *testing.T) {
	list := esptest.Datagrams(a4, b4, 4, 10, 10)
	for _, p := range list {
		p[26], p[27] = 0, 0
	}
	same(t, again(t, list), list)
}

// TestOtherZero: a TCP checksum of 0xffff is right where 0 is computed, and must not become 0.
func TestOtherZero(t *testing.T) {
	list := esptest.Stream(a4, b4, 3, 100, 100, 0x10, 0x10)
	for _, p := range list {
		// Make the sum come out as 0xffff by what the data adds.
		binary.BigEndian.PutUint16(p[36:], 0)
		p[52], p[53] = 0, 0
		l4 := p[20:]
		pseudo := append(bytes.Clone(p[12:20]), 0, 6, byte(len(l4)>>8), byte(len(l4)))
		binary.BigEndian.PutUint16(p[52:], ^esptest.Sum(l4, esptest.Sum(pseudo, 0)))
		binary.BigEndian.PutUint16(p[36:], 0xffff)
		var v packet.View
		if err := v.Parse(p); err != nil || !packet.ChecksumOK(p, &v) {
			t.Fatalf("the test's packet is not what it is to be: %v", err)
		}
	}
	same(t, again(t, list), list)
}

// TestSegmentOfKernel cuts what Linux hands over and compares with packets made one by one.
func TestSegmentOfKernel(t *testing.T) {
	for _, addrs := range [][2]string{{a4, b4}, {a6, b6}} {
		for _, tt := range []struct {
			name string
			want [][]byte
		}{
			{"TCP with CWR, PSH and FIN", cwr(esptest.Stream(addrs[0], addrs[1], 5, 777, 31, 0x10, 0x19))},
			{"UDP", esptest.Datagrams(addrs[0], addrs[1], 5, 777, 31)},
			{"UDP of odd size", esptest.Datagrams(addrs[0], addrs[1], 9, 3, 1)},
		} {
			t.Run(fmt.Sprint(tt.name, " ", addrs[0]), func(t *testing.T) {
				same(t, segment(t, kernelSuper(tt.want)), tt.want)
			})
		}
	}
}

// kernelSuper is what a kernel hands over for packets of one flow.
func kernelSuper(list [][]byte) written {
	data, gso := esptest.Super(list)
	return written{data, gso}
}

// cwr sets CWR in the first packet.
func cwr(list [][]byte) [][]byte {
	p := list[0]
	l4 := 20
	if p[0]>>4 == 6 {
		l4 = 40
	}
	p[l4+13] |= 0x80
	c := binary.BigEndian.Uint16(p[l4+16:])
	binary.BigEndian.PutUint16(p[l4+16:], ^esptest.Sum([]byte{0, 0x80}, ^c))
	return list
}

// TestSegmentBehindRoutingHeader: the partial checksum covers the final destination, which is not the header's.
func TestSegmentBehindRoutingHeader(t *testing.T) {
	final := esptest.Datagrams(a6, b6, 4, 100, 50)
	w := kernelSuper(final)
	via := "fd99::9"
	routed := func(p []byte) []byte {
		h := append([]byte{17, 2, 4, 1, 0, 0, 0, 0}, p[24:40]...) // RFC 8754: one segment left
		q := append(bytes.Clone(p[:40]), append(h, p[40:]...)...)
		copy(q[24:40], esptest.IP(a6, via, 17, nil)[24:40])
		q[6] = packet.ProtoRouting
		binary.BigEndian.PutUint16(q[4:], uint16(len(q)-40))
		return q
	}
	w.data = routed(w.data)
	w.gso.HdrLen += 24
	w.gso.CsumStart += 24
	want := make([][]byte, len(final))
	for i := range final {
		want[i] = routed(final[i])
	}
	same(t, segment(t, w), want)
}

func TestStartRefuses(t *testing.T) {
	good := kernelSuper(esptest.Stream(a4, b4, 3, 100, 100, 0x10, 0x10))
	for name, spoil := range map[string]func(*written){
		"no size":                   func(w *written) { w.gso.Size = 0 },
		"UDP that is TCP":           func(w *written) { w.gso.Type = packet.GSOUDP },
		"IPv6 that is IPv4":         func(w *written) { w.gso.Type = packet.GSOTCP6 },
		"an unknown type":           func(w *written) { w.gso.Type = 3 },
		"headers beyond the packet": func(w *written) { w.data = w.data[:40]; binary.BigEndian.PutUint16(w.data[2:], 40) },
		"another header length":     func(w *written) { w.gso.HdrLen -= 4 },
		"another checksum start":    func(w *written) { w.gso.CsumStart += 2 },
		"another checksum offset":   func(w *written) { w.gso.CsumOffset = 6 },
		"a complete checksum":       func(w *written) { w.gso.NeedsCsum = false },
		"a data offset below 5":     func(w *written) { w.data[32] = 0x40 },
		"a fragment":                func(w *written) { w.data[6] = 0x20 },
	} {
		w := written{bytes.Clone(good.data), good.gso}
		spoil(&w)
		s := packet.NewSuper()
		s.Len, s.GSO = copy(s.Buf[s.Off:], w.data), w.gso
		var v packet.View
		var g packet.Segments
		if err := v.Parse(s.Bytes()); err != nil {
			t.Fatal(err)
		}
		if g.Start(s, &v) == nil {
			t.Errorf("a super-packet with %s was taken", name)
		}
		if !bytes.Equal(s.Bytes(), w.data) {
			t.Errorf("a refused super-packet with %s was changed", name)
		}
	}
}

func TestSuperWithoutPayload(t *testing.T) {
	w := kernelSuper(esptest.Stream(a4, b4, 1, 100, 0, 0x10, 0x10))
	w.gso.Size = 100
	same(t, segment(t, w), esptest.Stream(a4, b4, 1, 100, 0, 0x10, 0x10))
}

func TestComplete(t *testing.T) {
	for _, want := range [][]byte{
		esptest.Stream(a4, b4, 1, 0, 100, 0, 0x10)[0], esptest.Stream(a6, b6, 1, 0, 101, 0, 0x10)[0],
		esptest.Datagrams(a4, b4, 1, 0, 33)[0], esptest.Datagrams(a6, b6, 1, 0, 33)[0],
	} {
		w := kernelSuper([][]byte{want})
		w.gso.Type, w.gso.Size, w.gso.HdrLen = packet.GSONone, 0, 0
		same(t, segment(t, w), [][]byte{want})
	}
	s := packet.NewSuper()
	s.Len = 30
	for _, g := range []packet.GSO{
		{NeedsCsum: true, CsumStart: 31}, {NeedsCsum: true, CsumStart: 20, CsumOffset: 9}, {NeedsCsum: true, CsumStart: 65535, CsumOffset: 65535},
	} {
		if s.GSO = g; s.Complete() {
			t.Errorf("a checksum outside the packet was completed: %+v", g)
		}
	}
}

// TestRandomMixes joins and cuts random mixes of flows.
func TestRandomMixes(t *testing.T) {
	for seed := range uint64(300) {
		list := mix(rand.New(rand.NewPCG(seed, 1)), 60)
		same(t, again(t, list), list)
	}
}

// mix is packets of a few flows that go on, stop, repeat and change.
func mix(r *rand.Rand, n int) [][]byte {
	type flow struct {
		src, dst string
		udp      bool
		size     int
		seq      uint32
		id       uint16
	}
	flows := []*flow{{src: a4, dst: b4}, {src: a6, dst: b6}, {src: a4, dst: b4, udp: true}, {src: a6, dst: b6, udp: true}}
	for _, f := range flows {
		f.size, f.seq, f.id = 1+r.IntN(1300), r.Uint32(), uint16(r.Uint32())
	}
	var list [][]byte
	at := flows[0]
	for range n {
		if r.IntN(6) == 0 {
			at = flows[r.IntN(len(flows))]
		}
		size := at.size
		if r.IntN(10) == 0 {
			size = r.IntN(1400)
		}
		var p []byte
		if at.udp {
			p = esptest.UDP(at.src, at.dst, 9, 10, []byte(esptest.Pattern(int(at.seq), size)))
		} else {
			flags := []byte{0x10, 0x10, 0x10, 0x10, 0x10, 0x18, 0x11, 0x50, 0x90, 0x30}[r.IntN(10)]
			var options []byte
			if r.IntN(3) > 0 {
				options = []byte{1, 1, 1, byte(r.IntN(20) / 19)}
			}
			p = esptest.TCP(at.src, at.dst, 9, 10, at.seq, 7, flags, options, esptest.Pattern(int(at.seq), size))
		}
		esptest.SetID(p, at.id)
		at.seq += uint32(size)
		at.id++
		if r.IntN(15) == 0 {
			at.id += uint16(r.IntN(3))
		}
		if r.IntN(15) == 0 {
			p[r.IntN(len(p)-20)+20] ^= 1 // behind the lengths
		}
		list = append(list, p)
	}
	return list
}

// FuzzCoalesce puts arbitrary packets through joining and cutting.
func FuzzCoalesce(f *testing.F) {
	for seed := range uint64(4) {
		var all []byte
		for _, p := range mix(rand.New(rand.NewPCG(seed, 2)), 6) {
			all = append(all, p...)
		}
		f.Add(all)
	}
	f.Fuzz(func(t *testing.T, all []byte) {
		var list [][]byte
		for len(all) > 0 && len(list) < 100 {
			var v packet.View
			if v.Parse(all) != nil {
				break
			}
			list = append(list, all[:v.Len])
			all = all[v.Len:]
		}
		same(t, again(t, list), list)
	})
}

func TestCoalescerOff(t *testing.T) {
	n := 0
	c := packet.NewCoalescer(false, func(s *packet.Super) {
		n++
		if s.GSO != (packet.GSO{}) {
			t.Error("a device without offload was given a super-packet")
		}
	})
	for _, p := range esptest.Stream(a4, b4, 5, 100, 100, 0x10, 0x10) {
		var v packet.View
		copy(c.Room(len(p)), p)
		if err := v.Parse(p); err != nil {
			t.Fatal(err)
		}
		c.Accept(&v)
	}
	if n != 5 {
		t.Errorf("%d of 5 packets were written at once", n)
	}
}

func TestNoAllocations(t *testing.T) {
	list := append(esptest.Stream(a4, b4, 30, 1000, 3, 0x10, 0x18), esptest.Datagrams(a6, b6, 30, 100, 100)...)
	written := 0
	c := packet.NewCoalescer(true, func(*packet.Super) { written++ })
	var v packet.View
	if n := testing.AllocsPerRun(100, func() {
		for _, p := range list {
			room := c.Room(len(p))
			copy(room, p)
			if v.Parse(room) != nil {
				t.Fatal("malformed")
			}
			c.Accept(&v)
		}
		c.Flush()
	}); n != 0 {
		t.Errorf("coalescing allocates %v times, want 0", n)
	}
	w := kernelSuper(esptest.Stream(a4, b4, 30, 1000, 1000, 0x10, 0x10))
	s := packet.NewSuper()
	var g packet.Segments
	if n := testing.AllocsPerRun(100, func() {
		s.Len, s.GSO = copy(s.Buf[s.Off:], w.data), w.gso
		if v.Parse(s.Bytes()) != nil || g.Start(s, &v) != nil {
			t.Fatal("refused")
		}
		for {
			if _, _, ok := g.Next(); !ok {
				return
			}
		}
	}); n != 0 {
		t.Errorf("segmenting allocates %v times, want 0", n)
	}
}

func BenchmarkCoalesce(b *testing.B) {
	list := esptest.Stream(a4, b4, 40, 1380, 1380, 0x10, 0x10)
	c := packet.NewCoalescer(true, func(*packet.Super) {})
	var v packet.View
	b.SetBytes(int64(40 * 1380))
	for b.Loop() {
		for _, p := range list {
			room := c.Room(len(p))
			copy(room, p)
			_ = v.Parse(room)
			c.Accept(&v)
		}
		c.Flush()
	}
}

func BenchmarkSegment(b *testing.B) {
	w := kernelSuper(esptest.Stream(a4, b4, 40, 1380, 1380, 0x10, 0x10))
	s := packet.NewSuper()
	var g packet.Segments
	var v packet.View
	b.SetBytes(int64(40 * 1380))
	for b.Loop() {
		s.Len, s.GSO = copy(s.Buf[s.Off:], w.data), w.gso
		_ = v.Parse(s.Bytes())
		_ = g.Start(s, &v)
		for {
			if _, _, ok := g.Next(); !ok {
				break
			}
		}
	}
}
