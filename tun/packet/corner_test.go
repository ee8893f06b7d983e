package packet_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/tun/packet"
)

// mendTCP computes the TCP checksum of an IPv4 packet without options.
func mendTCP(p []byte) {
	p[36], p[37] = 0, 0
	l4 := p[20:]
	pseudo := append(append([]byte(nil), p[12:20]...), 0, 6, byte(len(l4)>>8), byte(len(l4)))
	binary.BigEndian.PutUint16(p[36:], ^esptest.Sum(l4, esptest.Sum(pseudo, 0)))
}

// TestShortDataOffset: a TCP header that says it is shorter than any can be, with a right checksum, is no flow to join.
func TestShortDataOffset(t *testing.T) {
	for words := byte(0); words < 5; words++ {
		list := esptest.Stream(a4, b4, 3, 100, 100, 0x10, 0x10)
		for i, p := range list {
			p[32] = words << 4
			binary.BigEndian.PutUint32(p[24:], uint32(1000+i*(len(p)-20-int(words)*4)))
			mendTCP(p)
		}
		if n := len(coalesce(t, list)); n != len(list) {
			t.Errorf("a data offset of %d: %d packets became %d", words, len(list), n)
		}
		same(t, again(t, list), list)
	}
}

// TestOtherZeroOfIPv4: a header checksum of 0xffff is right where 0 is computed, and must not become 0.
func TestOtherZeroOfIPv4(t *testing.T) {
	for _, other := range []int{0, 1} { // in the first packet, and in one that follows
		list := esptest.Datagrams(a4, b4, 3, 100, 100)
		for i, p := range list {
			esptest.SetID(p, 0)
			// The identification for which the sum comes out as 0xffff, and those after it.
			c := binary.BigEndian.Uint16(p[10:])
			esptest.SetID(p, c+uint16(i-other))
		}
		if p := list[other]; binary.BigEndian.Uint16(p[10:]) != 0 {
			t.Fatalf("the test's packet has the checksum %#x, want 0", p[10:12])
		}
		list[other][10], list[other][11] = 0xff, 0xff
		same(t, again(t, list), list)
	}
}

// TestSegmentBehindSourceRoute: as behind an IPv6 routing header, the partial checksum covers the final destination (RFC 791 §3.1:
// the header has that of the next hop).
func TestSegmentBehindSourceRoute(t *testing.T) {
	route := append([]byte{0x83, 7, 4}, esptest.IP(a4, b4, 6, nil)[16:20]...) // loose source route, to b4 in the end
	routed := func(p []byte) []byte {
		q := append(append(bytes.Clone(p[:20]), append(route, 0)...), p[20:]...)
		q[0] = 0x47
		copy(q[16:20], []byte{10, 9, 9, 9})
		binary.BigEndian.PutUint16(q[2:], uint16(len(q)))
		esptest.Mend(q)
		return q
	}
	for _, final := range [][][]byte{
		esptest.Stream(a4, b4, 4, 100, 50, 0x10, 0x18), esptest.Datagrams(a4, b4, 4, 101, 50),
	} {
		w := kernelSuper(final)
		w.data = routed(w.data)
		w.gso.HdrLen += 8
		w.gso.CsumStart += 8
		var want [][]byte
		for _, p := range final {
			want = append(want, routed(p))
		}
		same(t, segment(t, w), want)
	}
}

// FuzzSegments cuts arbitrary super-packets: what is taken is cut as a kernel cuts it.
func FuzzSegments(f *testing.F) {
	for _, addrs := range [][2]string{{a4, b4}, {a6, b6}} {
		for _, w := range []written{
			kernelSuper(cwr(esptest.Stream(addrs[0], addrs[1], 3, 77, 31, 0x30, 0x19))), kernelSuper(esptest.Datagrams(addrs[0], addrs[1], 4, 33, 2)),
		} {
			f.Add(w.data, uint8(w.gso.Type), w.gso.Size, w.gso.HdrLen, w.gso.CsumStart, w.gso.CsumOffset)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, kind uint8, size, hdr, start, offset uint16) {
		w := written{data, packet.GSO{Type: packet.GSOType(kind), Size: size, HdrLen: hdr, NeedsCsum: true, CsumStart: start, CsumOffset: offset}}
		var v packet.View
		if v.Parse(data) != nil || v.Len != len(data) {
			return
		}
		s, g := packet.NewSuper(), packet.Segments{}
		s.Len, s.GSO = copy(s.Buf[s.Off:], data), w.gso
		if w.gso.Type != packet.GSONone && g.Start(s, &v) == nil && honest(data, int(start), int(offset), v.Extended) {
			segment(t, w)
		}
	})
}

// honest says that the partial checksum is that of the packet's addresses, or cannot be told.
func honest(p []byte, start, offset int, extended bool) bool {
	if extended {
		return true
	}
	n, protocol, addresses := len(p)-start, p[9], p[12:20]
	if p[0]>>4 == 6 {
		protocol, addresses = p[6], p[8:40]
	}
	pseudo := append(bytes.Clone(addresses), 0, protocol, byte(n>>8), byte(n))
	return binary.BigEndian.Uint16(p[start+offset:]) == esptest.Sum(pseudo, 0)
}
