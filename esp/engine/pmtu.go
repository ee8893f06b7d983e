package engine

import (
	"net/netip"
	"sync"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/tun/packet"
)

// What UDP payloads a path takes: what every IPv6 path does, which any IPv4 path of today does too, and the least that IPv4 hosts take
// (RFC 1122 §3.3.2). Less is not believed.
const (
	safePayload  = packet.MinMTU6 - 40 - 8
	leastPayload = 576 - 20 - 8
)

// How long what the host says of a path is taken for true, and a guess: ten minutes, as RFC 1191 §6.3 and RFC 8201 §5.3 recommend. The
// host itself forgets what it learnt in such times.
const (
	pathAge  = 10 * time.Second
	guessAge = 10 * time.Minute
)

// pathMTU is what the host knows of a path, 0 when it knows nothing.
func (e *Engine) pathMTU(local, remote netip.AddrPort) int {
	transport, ok := e.config.Transport.(encap.PathMTU)
	if !ok {
		return 0
	}
	n := transport.PathMTU(local, remote)
	switch {
	case n <= 0:
		return 0
	case remote.Addr().Is4():
		return max(n, leastPayload)
	}
	return max(n, safePayload)
}

// ask tells an SA what its path is known to take.
func (e *Engine) ask(o *esp.Outbound) {
	local, remote := o.Path()
	if n := e.pathMTU(local, remote); n > 0 {
		o.LimitPath(remote, n, e.config.Now().Add(pathAge))
		return
	}
	o.LimitPath(remote, packet.MaxTrain, time.Time{})
}

// measure is ask for an SA in use.
func (e *Engine) measure(o *esp.Outbound) {
	e.ask(o)
	e.noteRoom(o)
}

// refused is what is learnt from a train that went out in fragments. Other SAs to the same peer share the path, and may not hear of it
// themselves for some time.
func (e *Engine) refused(o *esp.Outbound, local, remote netip.AddrPort, octets int) {
	if e.limit(o, local, remote, octets) {
		e.events.put(pathChanged{remote.Addr()})
	}
}

// measureAll measures the paths of all SAs to an address.
func (e *Engine) measureAll(remote netip.Addr) {
	for _, o := range e.out.All() {
		if _, to := o.Path(); to.Addr() == remote {
			e.measure(o)
		}
	}
}

// limit tells an SA what its path takes after it did not take refused octets: what the host knows (RFC 4301 §8.2.1), or a size that
// fits nearly everywhere. It reports false when the path takes less than any has to, which no inner sender can help.
func (e *Engine) limit(o *esp.Outbound, local, remote netip.AddrPort, refused int) bool {
	if refused <= leastPayload {
		return false
	}
	n, age := e.pathMTU(local, remote), pathAge
	if n <= 0 || n >= refused {
		n, age = min(safePayload, refused-1), guessAge
	}
	o.LimitPath(remote, n, e.config.Now().Add(age))
	e.noteRoom(o)
	return true
}

// rooms is the rooms of the outbound SAs whose paths are known, for RoomChanged.
type rooms struct {
	mu    sync.Mutex // protects what follows
	of    map[*esp.Outbound]int
	count map[int]int // of SAs with that room; there are few different ones
	least int         // 0: none
}

// set takes note of an SA's room, 0 when it does not count any more, and says whether that changes the least of all.
func (r *rooms) set(o *esp.Outbound, room int) (changed bool) {
	was := r.of[o]
	if was == room {
		return false
	}
	if r.count[was]--; r.count[was] <= 0 {
		delete(r.count, was)
	}
	if delete(r.of, o); room != 0 {
		r.of[o] = room
		r.count[room]++
	}
	least := 0
	for n := range r.count {
		if least == 0 || n < least {
			least = n
		}
	}
	changed, r.least = r.least != least, least
	return changed
}

// noteRoom takes note of the room of an SA that was installed or removed, or whose path is another.
func (e *Engine) noteRoom(o *esp.Outbound) {
	r := &e.rooms
	r.mu.Lock()
	defer r.mu.Unlock()
	room, known := o.Room()
	p := o.Params()
	if !known || p.IgnoreDF || e.out.Find(p.ID()) != o {
		room = 0
	}
	if r.set(o, room) {
		e.events.put(RoomChanged{r.least}) // under the lock, for the order
	}
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
	p := l.sa.Params()
	if l.super.Buf[off]>>4 != 4 || p.IgnoreDF {
		return false
	}
	for _, list := range [...][]spd.TrafficSelector{p.LocalTS, p.RemoteTS} {
		for i := range list {
			if !list[i].AnyPort() {
				return false
			}
		}
	}
	return l.frags.Start(l.super.Buf, off, n, l.sa.MTU(4))
}

// tooBig drops the packet ip, which does not fit the path of its SA, and tells its sender so (RFC 4301 §8.2.1).
func (l *sender) tooBig(ip []byte) {
	l.sa.Drop(esp.TooBig)
	l.engine.audit.drop(esp.TooBig, 1, l.sa.Params(), l.train.Remote)
	if !packet.DontFragment(ip) || !packet.MayAnswer(ip, &l.view) || !l.errs.take(l.engine.config.Now()) {
		return
	}
	s := &l.errs.super
	answer, ok := packet.AppendTooBig(s.Buf[packet.Headroom:packet.Headroom], ip, &l.view, l.sa.MTU(l.view.Version))
	if !ok {
		return
	}
	s.Off, s.Len, s.GSO = packet.Headroom, len(answer), packet.GSO{}
	if l.queue.Write(s) != nil {
		l.engine.audit.drop(esp.DeviceRefused, 1, nil, netip.AddrPort{})
	}
}
