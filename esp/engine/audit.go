package engine

import (
	"net/netip"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/goswan/goswan/esp"
)

// auditInterval is how long the log is silent about a reason after an entry.
const auditInterval = 10 * time.Second

// audit counts dropped packets and logs a sample of them: RFC 4301 and RFC 4303 call for an audit log entry with the SPI and the
// addresses.
type audit struct {
	drops esp.Drops
	log   *zap.Logger
	now   func() time.Time
	last  [256]atomic.Int64 // of each reason: when it was logged, in nanoseconds; 0 never
}

func (a *audit) init(log *zap.Logger, now func() time.Time) { a.log, a.now = log, now }

// level: what an attack or a broken peer causes is for the operator; what the host's own traffic causes is for who looks.
func level(r esp.Reason) zapcore.Level {
	switch r {
	case esp.NoPolicy, esp.PolicyDrop, esp.PolicyBypass, esp.PolicyTrap, esp.Dummy, esp.Malformed:
		return zapcore.DebugLevel
	}
	return zapcore.InfoLevel
}

// drop counts n packets dropped for r. p is the SA, nil when there is none; peer is not valid for packets from the device.
func (a *audit) drop(r esp.Reason, n uint64, p *esp.Params, peer netip.AddrPort) {
	a.drops.Add(r, n)
	if !a.log.Core().Enabled(level(r)) {
		return
	}
	now := a.now().UnixNano()
	last := a.last[r].Load()
	if last != 0 && now-last < int64(auditInterval) || !a.last[r].CompareAndSwap(last, now) {
		return
	}
	fields := []zap.Field{zap.Stringer("reason", r)}
	if p != nil {
		fields = append(fields, zap.String("conn", p.Conn), zap.String("child", p.Name), zap.Uint32("child_spi", uint32(p.SPI)))
	}
	if peer.IsValid() {
		fields = append(fields, zap.Stringer("peer", peer))
	}
	a.log.Log(level(r), "packet dropped", fields...)
}
