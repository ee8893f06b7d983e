package packet_test

import (
	"encoding/binary"
	"testing"

	"github.com/goswan/goswan/esp/esptest"
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
