package esp_test

import (
	"testing"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/esptest"
)

// TestCopies: the octets of inner and outer header for each way to copy. DSCP 46 is 0xb8, DSCP 10 is 0x28; ECT(0) is 2, CE 3.
func TestCopies(t *testing.T) {
	for _, c := range []struct {
		name         string
		dscp         esp.CopyDSCP
		keepECN      bool
		inner, outer uint8 // what is sent
		later, got   uint8 // the outer octet on arrival, and what the inner one becomes
		dropped      bool
	}{
		{name: "out", dscp: esp.CopyDSCPOut, inner: 0xba, outer: 0xba, later: 0x2b, got: 0xbb},
		{name: "in", dscp: esp.CopyDSCPIn, inner: 0xba, outer: 0x02, later: 0x2b, got: 0x2b},
		{name: "both", dscp: esp.CopyDSCPBoth, inner: 0xba, outer: 0xba, later: 0x2b, got: 0x2b},
		{name: "never", dscp: esp.CopyDSCPNever, inner: 0xba, outer: 0x02, later: 0x2b, got: 0xbb},
		{name: "out, no ECN", dscp: esp.CopyDSCPOut, keepECN: true, inner: 0xba, outer: 0xb8, later: 0x2b, got: 0xba},
		{name: "in, no ECN", dscp: esp.CopyDSCPIn, keepECN: true, inner: 0xba, outer: 0x00, later: 0x2b, got: 0x2a},
		{name: "never, no ECN", dscp: esp.CopyDSCPNever, keepECN: true, inner: 0xbb, outer: 0x00, later: 0xff, got: 0xbb},
		{name: "congestion that the inner packet cannot tell", dscp: esp.CopyDSCPBoth, inner: 0xb8, outer: 0xb8, later: 0xbb, dropped: true},
		{name: "congestion that is not looked at", dscp: esp.CopyDSCPBoth, keepECN: true, inner: 0xb8, outer: 0xb8, later: 0x2b, got: 0x28},
	} {
		o, i := esptest.Pair{SPI: 0xc0ffee01, From: alice, To: bob, FromTS: []string{"10.1.0.0/16"}, ToTS: []string{"10.2.0.0/16"}}.Params()
		o.CopyDSCP, i.CopyDSCP, o.KeepECN, i.KeepECN = c.dscp, c.dscp, c.keepECN, c.keepECN
		l := linkOf(t, o, i)
		if got := l.out.TOS(c.inner); got != c.outer {
			t.Errorf("%s: the outer octet of %#02x is %#02x, want %#02x", c.name, c.inner, got, c.outer)
		}
		got, ok := l.in.DecapsulateTOS(c.inner, c.later)
		if ok == c.dropped || ok && got != c.got {
			t.Errorf("%s: inner %#02x and outer %#02x become %#02x, %v; want %#02x, %v", c.name, c.inner, c.later, got, ok, c.got, !c.dropped)
		}
	}
}

// TestEncapsulateTOS: every inner octet, for each way to copy. RFC 6040 §4.1: the ECN field of the outer header is that of the inner one
// in normal mode, CE included, and Not-ECT in compatibility mode.
func TestEncapsulateTOS(t *testing.T) {
	for dscp, out := range map[esp.CopyDSCP]bool{esp.CopyDSCPOut: true, esp.CopyDSCPBoth: true, esp.CopyDSCPIn: false, esp.CopyDSCPNever: false} {
		for _, keep := range []bool{false, true} {
			o, i := esptest.Pair{SPI: 0xc0ffee01, From: alice, To: bob, FromTS: []string{"10.1.0.0/16"}, ToTS: []string{"10.2.0.0/16"}}.Params()
			o.CopyDSCP, o.KeepECN = dscp, keep
			l := linkOf(t, o, i)
			for inner := range 256 {
				want := 0
				if out {
					want |= inner &^ 3
				}
				if !keep {
					want |= inner & 3
				}
				if got := l.out.TOS(uint8(inner)); int(got) != want {
					t.Errorf("copy_dscp %d, copy_ecn %v: the outer octet of %#02x is %#02x, want %#02x", dscp, !keep, inner, got, want)
				}
			}
		}
	}
}
