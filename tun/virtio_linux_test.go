package tun

import (
	"testing"

	"github.com/goswan/goswan/tun/packet"
)

// tcp4 is an IPv4 packet with a TCP header of the given length in words, and n octets of payload.
func tcp4(words byte, n int) []byte {
	ip := make([]byte, 20+int(words)*4+n)
	ip[0], ip[9], ip[32] = 0x45, 6, words<<4
	return ip
}

func TestVirtioHeadersFitTheirPackets(t *testing.T) {
	super := packet.GSO{Type: packet.GSOTCP4, Size: 1000, HdrLen: 52, NeedsCsum: true, CsumStart: 20, CsumOffset: 16}
	with := func(change func(g *packet.GSO)) packet.GSO {
		g := super
		change(&g)
		return g
	}
	v6 := make([]byte, 40+8+100)
	v6[0] = 0x60
	for _, c := range []struct {
		name string
		gso  packet.GSO
		ip   []byte
		want packet.GSO
		ok   bool
	}{
		{"a plain packet", packet.GSO{}, tcp4(5, 0), packet.GSO{}, true},
		{"an unfinished checksum", packet.GSO{NeedsCsum: true, CsumStart: 20, CsumOffset: 16}, tcp4(5, 0), packet.GSO{NeedsCsum: true, CsumStart: 20, CsumOffset: 16}, true},
		{"a checksum at the very end", packet.GSO{NeedsCsum: true, CsumStart: 20, CsumOffset: 18}, tcp4(5, 0), packet.GSO{NeedsCsum: true, CsumStart: 20, CsumOffset: 18}, true},
		{"a checksum beyond the end", packet.GSO{NeedsCsum: true, CsumStart: 20, CsumOffset: 19}, tcp4(5, 0), packet.GSO{}, false},
		{"TCP", super, tcp4(8, 3000), super, true},
		{"TCP whose kernel counts the first segment as header", with(func(g *packet.GSO) { g.HdrLen = 1052 }), tcp4(8, 3000), super, true},
		{"TCP without a segment size", with(func(g *packet.GSO) { g.Size = 0 }), tcp4(8, 3000), packet.GSO{}, false},
		{"TCP with a header of 16 octets", super, tcp4(4, 3000), packet.GSO{}, false},
		{"TCP cut within its options", super, tcp4(8, 3000)[:50], packet.GSO{}, false},
		{"TCP cut within its header", super, tcp4(8, 3000)[:39], packet.GSO{}, false},
		{"TCP that begins within the IP header", with(func(g *packet.GSO) { g.CsumStart = 19 }), tcp4(8, 3000), packet.GSO{}, false},
		{"TCP with UDP's checksum", with(func(g *packet.GSO) { g.CsumOffset = 6 }), tcp4(8, 3000), packet.GSO{}, false},
		{"TCP of the other IP version", with(func(g *packet.GSO) { g.Type = packet.GSOTCP6 }), tcp4(8, 3000), packet.GSO{}, false},
		{"segments with complete checksums", with(func(g *packet.GSO) { g.NeedsCsum = false }), tcp4(8, 3000), packet.GSO{}, false},
		{"an unknown kind", with(func(g *packet.GSO) { g.Type = 3 }), tcp4(8, 3000), packet.GSO{}, false},
		{"UDP over IPv6", packet.GSO{Type: packet.GSOUDP, Size: 50, HdrLen: 40, NeedsCsum: true, CsumStart: 40, CsumOffset: 6}, v6,
			packet.GSO{Type: packet.GSOUDP, Size: 50, HdrLen: 48, NeedsCsum: true, CsumStart: 40, CsumOffset: 6}, true},
		{"UDP of no IP version", packet.GSO{Type: packet.GSOUDP, Size: 50, NeedsCsum: true, CsumStart: 40, CsumOffset: 6}, make([]byte, 148), packet.GSO{}, false},
	} {
		var h [virtioLen]byte
		encodeVirtio(h[:], c.gso)
		got, err := decodeVirtio(h[:], c.ip)
		if (err == nil) != c.ok || got != c.want {
			t.Errorf("%s: decoded as %+v (%v), want %+v", c.name, got, err, c.want)
		}
	}
}

func TestCongestionMarksAreNoKindOfTheirOwn(t *testing.T) {
	var h [virtioLen]byte
	encodeVirtio(h[:], packet.GSO{Type: packet.GSOTCP4, Size: 100, NeedsCsum: true, CsumStart: 20, CsumOffset: 16})
	h[1] |= virtioGSOECN
	if g, err := decodeVirtio(h[:], tcp4(5, 300)); err != nil || g.Type != packet.GSOTCP4 {
		t.Errorf("a super-packet with the ECN bit is %+v (%v)", g, err)
	}
}

func FuzzDecodeVirtio(f *testing.F) {
	f.Add([]byte{1, 1, 0, 0, 100, 0, 20, 0, 16, 0}, tcp4(8, 300))
	f.Add([]byte{1, 5, 0, 0, 100, 0, 20, 0, 6, 0}, tcp4(8, 300))
	f.Fuzz(func(t *testing.T, h, ip []byte) {
		if len(h) < virtioLen || len(ip) == 0 {
			return
		}
		g, err := decodeVirtio(h, ip)
		if err != nil {
			return
		}
		if int(g.HdrLen) > len(ip) || g.NeedsCsum && int(g.CsumStart)+int(g.CsumOffset)+2 > len(ip) {
			t.Errorf("%+v does not fit %d octets", g, len(ip))
		}
		var again [virtioLen]byte
		encodeVirtio(again[:], g)
		if g2, err := decodeVirtio(again[:], ip); err != nil || g2 != g {
			t.Errorf("%+v is read back as %+v (%v)", g, g2, err)
		}
	})
}
