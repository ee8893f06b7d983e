package engine_test

import (
	"sync/atomic"
	"testing"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/tun/packet"
)

// TestCopyDSCPIn sends with copy_dscp = in and copy_ecn = no, over a network that marks what it carries.
func TestCopyDSCPIn(t *testing.T) {
	alice, bob := newEnds(t, options{})
	alice.sa(bob, everything, func(out, in *esp.Params) {
		out.CopyDSCP, in.CopyDSCP, out.KeepECN, in.KeepECN = esp.CopyDSCPIn, esp.CopyDSCPIn, true, true
	})
	var outer atomic.Int64
	alice.net.Network().SetHook(func(d encap.Datagram, deliver func(encap.Datagram)) {
		outer.Store(int64(d.TOS))
		d.TOS = 0x2b // DSCP 10, congestion experienced
		deliver(d)
	})
	for _, mk := range []func() []byte{
		func() []byte { return udp(10) },
		func() []byte { return esptest.UDP("fd01::1", "fd02::1", 1, 2, make([]byte, 10)) },
	} {
		ip, want := mk(), mk()
		packet.SetTOS(ip, 0xba)
		packet.SetTOS(want, 0x2a)
		alice.inject(ip)
		same(t, "the DSCP of the outer header and the ECN of the inner one", bob.receive(1), [][]byte{want})
		if outer.Load() != 0 {
			t.Errorf("the outer TOS is %#x, want 0", outer.Load())
		}
	}
}
