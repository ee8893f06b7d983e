package engine

import (
	"net/netip"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/goswan/goswan/esp"
)

// TestAuditLog: each reason is logged with SA and peer, but a flood of it is one line in ten seconds.
func TestAuditLog(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	now := time.Unix(1000, 0)
	var a audit
	a.init(zap.New(core), func() time.Time { return now })
	sa := &esp.Params{SPI: 0xc0ffee01, Conn: "office", Name: "net"}
	peer := netip.MustParseAddrPort("192.0.2.1:4500")
	for range 1000 {
		a.drop(esp.BadICV, 1, sa, peer)
		a.drop(esp.NoSA, 2, nil, peer)
		a.drop(esp.NoPolicy, 1, nil, netip.AddrPort{}) // the host's own traffic: of no interest at this level
	}
	if n := logs.Len(); n != 2 {
		t.Fatalf("a flood of two reasons made %d lines, want 2", n)
	}
	first := logs.All()[0].ContextMap()
	if first["reason"] != "bad-icv" || first["child_spi"] != uint32(0xc0ffee01) || first["conn"] != "office" || first["peer"] != peer.String() {
		t.Errorf("the line has the fields %v", first)
	}
	now = now.Add(auditInterval)
	a.drop(esp.BadICV, 1, sa, peer)
	if n := logs.Len(); n != 3 {
		t.Errorf("after the interval there are %d lines, want 3", n)
	}
	if m := a.drops.Map(); m["bad-icv"] != 1001 || m["no-sa"] != 2000 || m["no-policy"] != 1000 {
		t.Errorf("counted %v", m)
	}
	if n := testing.AllocsPerRun(100, func() { a.drop(esp.BadICV, 1, sa, peer) }); n != 0 {
		t.Errorf("a dropped packet allocates %v times, want 0", n)
	}
}
