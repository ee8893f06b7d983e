package packet_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/tun/packet"
)

// fragments cuts ip and checks what each fragment must be; whole is the payload put together again.
func fragments(t *testing.T, ip []byte, mtu int) (heads [][]byte, whole []byte, ok bool) {
	t.Helper()
	var f packet.Fragments
	buf := append(bytes.Clone(ip), make([]byte, packet.Tailroom)...)
	if !f.Start(buf, 0, len(ip), mtu) {
		return nil, nil, false
	}
	at := int(binary.BigEndian.Uint16(ip[6:])&0x1fff) * 8
	for {
		off, n, more := f.Next()
		if !more {
			return heads, whole, true
		}
		p := buf[off : off+n]
		h := int(p[0]&15) * 4
		bits := binary.BigEndian.Uint16(p[6:])
		if n > mtu || int(binary.BigEndian.Uint16(p[2:])) != n || esptest.Sum(p[:h], 0) != 0xffff || int(bits&0x1fff)*8 != at {
			t.Fatalf("a fragment of %d octets at %d for an MTU of %d is wrong: % x", n, at, mtu, p[:h])
		}
		last := h+len(whole)+n-h == len(ip)
		if wasMore := ip[6]&0x20 != 0; (bits&0x2000 != 0) != (!last || wasMore) || !last && (n-h)%8 != 0 {
			t.Fatalf("the fragment at %d has the bits %#x; it is the last: %v", at, bits, last)
		}
		at += n - h
		heads, whole = append(heads, bytes.Clone(p[:h])), append(whole, p[h:]...)
	}
}

func TestFragments(t *testing.T) {
	plain := change(esptest.UDP("10.1.0.1", "10.2.0.1", 1, 2, bytes.Repeat([]byte("payload"), 200)), map[int]byte{6: 0})
	options := append(bytes.Clone(plain[:20]), 7, 4, 4, 0, 0x94, 4, 0, 0, 1, 1, 1, 0) // Record Route, Router Alert (copied)
	options = append(options, plain[20:]...)
	options[0], options[2], options[3] = 0x48, byte(len(options)>>8), byte(len(options))
	for name, ip := range map[string][]byte{"plain": plain, "options": options, "a fragment": change(plain, map[int]byte{6: 0x20, 7: 9})} {
		h := int(ip[0]&15) * 4
		for _, mtu := range []int{68, 100, 576, 1000, 1300, len(ip) - 1} {
			heads, whole, ok := fragments(t, ip, mtu)
			if !ok || len(heads) < 2 || !bytes.Equal(whole, ip[h:]) {
				t.Errorf("%s, MTU %d: %v, %d fragments that do not give the packet again", name, mtu, ok, len(heads))
				continue
			}
			if h > 20 && (!bytes.Equal(heads[0][20:], ip[20:h]) || !bytes.Equal(heads[1][20:], []byte{1, 1, 1, 1, 0x94, 4, 0, 0, 1, 1, 1, 0})) {
				t.Errorf("MTU %d: the options are % x and then % x", mtu, heads[0][20:], heads[1][20:])
			}
		}
	}
	for name, ip := range map[string][]byte{
		"an offset beyond any datagram": change(plain, map[int]byte{6: 0x1f, 7: 0xff}), "DF": change(plain, map[int]byte{6: 0x40}), "malformed options": func() []byte { p := bytes.Clone(options); p[21] = 99; return p }(),
	} {
		if _, _, ok := fragments(t, ip, 576); ok {
			t.Errorf("%s: it is cut", name)
		}
	}
	if _, _, ok := fragments(t, plain, 27); ok {
		t.Error("an MTU without room for eight octets is taken")
	}
}

// FuzzFragments cuts whatever parses: each fragment is a right one, and together they are the payload.
func FuzzFragments(f *testing.F) {
	f.Add(change(esptest.UDP("10.1.0.1", "10.2.0.1", 1, 2, make([]byte, 300)), map[int]byte{6: 0}), 100)
	f.Add(change(esptest.UDP("10.1.0.1", "10.2.0.1", 1, 2, make([]byte, 300)), map[int]byte{6: 0x20, 7: 4}), 68)
	f.Fuzz(func(t *testing.T, ip []byte, mtu int) {
		var v packet.View
		if v.Parse(ip) != nil || v.Version != 4 || mtu >= v.Len {
			return
		}
		ip = ip[:v.Len]
		if _, whole, ok := fragments(t, ip, mtu); ok && !bytes.Equal(whole, ip[v.L4:]) {
			t.Fatal("the fragments are not the packet")
		}
	})
}
