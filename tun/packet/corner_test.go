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
