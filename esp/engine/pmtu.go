package engine

import (
	"net/netip"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/tun/packet"
)

// Payloads of UDP: what every IPv6 path takes, which any IPv4 path of today does too, and the least of IPv4 (RFC 1122 §3.3.2).
const (
	safePayload  = packet.MinMTU6 - 40 - 8
	leastPayload = 576 - 20 - 8
)

// measure tells a new SA, or one that has moved, what its path is known to take.
func (e *Engine) measure(o *esp.Outbound) {
	transport, ok := e.config.Transport.(encap.PathMTU)
	if !ok {
		return
	}
	local, remote := o.Path()
	if n := transport.PathMTU(local, remote); n > 0 {
		o.LimitPath(remote, n, e.config.Now())
	}
}

// limit tells an SA what its path takes after it did not take refused octets: what the host knows (RFC 4301 §8.2.1), or a size that
// fits nearly everywhere. It reports false when the path takes less than any has to, which no inner sender can help.
func (e *Engine) limit(o *esp.Outbound, local, remote netip.AddrPort, refused int) bool {
	if refused <= leastPayload {
		return false
	}
	n := 0
	if transport, ok := e.config.Transport.(encap.PathMTU); ok {
		n = transport.PathMTU(local, remote)
	}
	if n <= 0 || n >= refused {
		n = min(safePayload, refused-1)
	}
	o.LimitPath(remote, n, e.config.Now())
	return true
}

// ICMP errors that a sender may have made at once, and how fast they come back: the token bucket of RFC 4443
// §2.4 (f); RFC 1812 §4.3.2.8.
const (
	errorBurst    = 10
	errorInterval = 100 * time.Millisecond
)

// tooBig is the ICMP errors of one sender.
type tooBig struct {
	super  packet.Super // room for one
	tokens int
	since  time.Time // when tokens was right
}

func newTooBig() tooBig {
	return tooBig{super: packet.Super{Buf: make([]byte, packet.Headroom+packet.MaxTooBig+packet.Tailroom)}, tokens: errorBurst}
}

// take takes a token.
func (x *tooBig) take(now time.Time) bool {
	if gained := now.Sub(x.since) / errorInterval; gained > 0 {
		x.since = x.since.Add(gained * errorInterval)
		if x.tokens += int(min(gained, errorBurst)); x.tokens >= errorBurst {
			x.tokens, x.since = errorBurst, now
		}
	}
	if x.tokens == 0 {
		return false
	}
	x.tokens--
	return true
}

// cut begins to cut an IPv4 packet without DF that does not fit; it reports whether it may be cut. Fragments but the first
// have no ports: an SA whose selectors name ports does not take them (RFC 4301 §7.1).
func (l *sender) cut(off, n int) bool {
	if l.super.Buf[off]>>4 != 4 {
		return false
	}
	p := l.sa.Params()
	for _, list := range [...][]spd.TrafficSelector{p.LocalTS, p.RemoteTS} {
		for i := range list {
			if !list[i].AnyPort() {
				return false
			}
		}
	}
	return l.frags.Start(l.super.Buf, off, n, l.sa.MTU())
}

// tooBig drops the packet ip, which does not fit the path of its SA, and tells its sender so (RFC 4301 §8.2.1).
func (l *sender) tooBig(ip []byte) {
	l.sa.Drop(esp.TooBig)
	l.engine.audit.drop(esp.TooBig, 1, l.sa.Params(), l.train.Remote)
	if !packet.DontFragment(ip) || !packet.MayAnswer(ip, &l.view) || !l.errs.take(l.engine.config.Now()) {
		return
	}
	s := &l.errs.super
	answer, ok := packet.AppendTooBig(s.Buf[packet.Headroom:packet.Headroom], ip, &l.view, l.sa.MTU())
	if !ok {
		return
	}
	s.Off, s.Len, s.GSO = packet.Headroom, len(answer), packet.GSO{}
	if l.queue.Write(s) != nil {
		l.engine.audit.drop(esp.DeviceRefused, 1, nil, netip.AddrPort{})
	}
}
