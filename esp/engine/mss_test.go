package engine_test

import (
	"testing"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/tun/packet"
)

// open is a TCP segment that offers an MSS.
func open(src, dst string, flags byte, mss int) []byte {
	return esptest.TCP(src, dst, 5000, 80, 1000, 0, flags, []byte{2, 4, byte(mss >> 8), byte(mss)}, "")
}

// TestMSSIsClamped: both directions of a connection offer no more than what fits the path, or a number; the checksums are right,
// also where the device left one unfinished.
func TestMSSIsClamped(t *testing.T) {
	fit := largest(1300)
	for _, c := range []struct {
		clamp     esp.MSSClamp
		four, six int
	}{
		{esp.KeepMSS, 1460, 1440},
		{esp.MSSFromPath, fit - 40, max(fit, 1280) - 60},
		{1000, 1000, 1000},
		{9000, 1460, 1440},
	} {
		alice, bob := newEnds(t, options{offloadA: true, now: still})
		alice.net.Network().SetMTU(1300)
		// Bob does nothing, so that what Alice does is seen.
		alice.sa(bob, everything, func(out, in *esp.Params) { out.MSSClamp = c.clamp })
		bob.sa(alice, everything, func(out, in *esp.Params) { in.MSSClamp = c.clamp })
		for _, way := range []struct{ from, to *end }{{alice, bob}, {bob, alice}} {
			for _, flags := range []byte{2, 2 | 16} {
				way.from.inject(open("10.1.0.1", "10.2.0.1", flags, 1460))
				same(t, "the MSS over IPv4", way.to.receive(1), [][]byte{open("10.1.0.1", "10.2.0.1", flags, c.four)})
				way.from.inject(open("fd01::1", "fd02::1", flags, 1440))
				same(t, "the MSS over IPv6", way.to.receive(1), [][]byte{open("fd01::1", "fd02::1", flags, c.six)})
			}
		}
		ip := open("10.1.0.1", "10.2.0.1", 2, 1460)
		var v packet.View
		if err := v.Parse(ip); err != nil {
			t.Fatal(err)
		}
		pseudo := esptest.Sum([]byte{10, 1, 0, 1, 10, 2, 0, 1, 0, 6, 0, 24}, 0)
		ip[36], ip[37] = byte(pseudo>>8), byte(pseudo)
		partial := packet.GSO{NeedsCsum: true, CsumStart: 20, CsumOffset: 16}
		if err := alice.device.InjectSuper(0, ip, partial); err != nil {
			t.Fatal(err)
		}
		same(t, "the MSS with an unfinished checksum", bob.receive(1), [][]byte{open("10.1.0.1", "10.2.0.1", 2, c.four)})
	}
}
