package ikev2

import (
	"errors"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/ike/core"
)

var zero time.Time

const (
	// rekeyRetry is when a rekeying that failed is tried again, until the hard lifetime.
	rekeyRetry = time.Minute
	// leastWait is how long a rekeying that failed waits in any case.
	leastWait = 250 * time.Millisecond
	// reapDelay is when we delete what the peer should have deleted after a rekeying: later than its retransmissions end.
	reapDelay = 3 * time.Minute
)

// ikeTimes are an IKE SA's times; zero is never.
type ikeTimes struct {
	established, rekeyAt, reauthAt, expireAt time.Time
}

// childTimes are a Child SA's times; zero is never.
type childTimes struct {
	installed, rekeyAt, expireAt time.Time
	reapAt                       time.Time // it was replaced, and the peer has not deleted it by then
}

// timer is something that happens at a time.
type timer struct {
	at   time.Time
	fire func()
}

// schedule sets the lifetimes of an IKE SA that came up: soft ones less some chance, and a hard one after them.
func (m *Machine) schedule(sa *ikeSA) {
	c := m.conn
	sa.times = ikeTimes{established: m.now, rekeyAt: m.jittered(c.RekeyTime, c.RandTime), reauthAt: m.jittered(c.ReauthTime, c.RandTime)}
	soft := sa.times.rekeyAt
	if soft.IsZero() || (!sa.times.reauthAt.IsZero() && sa.times.reauthAt.Before(soft)) {
		soft = sa.times.reauthAt
	}
	if !soft.IsZero() && c.OverTime > 0 {
		sa.times.expireAt = soft.Add(c.OverTime)
	}
}

func (m *Machine) scheduleChild(c *child) {
	c.times = childTimes{installed: m.now, rekeyAt: m.jittered(c.cfg.RekeyTime, c.cfg.RandTime)}
	if c.cfg.LifeTime > 0 {
		c.times.expireAt = m.now.Add(c.cfg.LifeTime)
	}
}

// jittered is a time from now, less up to spread at random; zero for never.
func (m *Machine) jittered(d, spread time.Duration) time.Time {
	if d <= 0 {
		return zero
	}
	d -= time.Duration(m.chance() * float64(min(spread, d)))
	return m.now.Add(d)
}

// hurried is a wait before another try, shortened so that there are several of them until expireAt; zero is never.
func (m *Machine) hurried(wait time.Duration, expireAt time.Time) time.Duration {
	if expireAt.IsZero() {
		return wait
	}
	return min(wait, max(expireAt.Sub(m.now)/4, leastWait))
}

// less is a limit by volume less up to spread at random; 0 for none.
func (m *Machine) less(limit, spread uint64) uint64 {
	if limit == 0 {
		return 0
	}
	return max(1, limit-uint64(m.chance()*float64(min(spread, limit))))
}

// Deadline is when Advance is due; zero is never.
func (m *Machine) Deadline() time.Time {
	next, _ := m.next()
	return next.at
}

// advance does what is due, in the order in which it was due.
func (m *Machine) advance() {
	for {
		next, ok := m.next()
		if !ok || next.at.After(m.now) {
			return
		}
		next.fire()
		m.pump()
	}
}

// next is the timer that is due first.
func (m *Machine) next() (first timer, ok bool) {
	m.eachTimer(func(at time.Time, fire func()) {
		if !at.IsZero() && (!ok || at.Before(first.at)) {
			first, ok = timer{at, fire}, true
		}
	})
	return first, ok
}

// eachTimer visits all timers of the lineage. Firing one always moves or ends it.
func (m *Machine) eachTimer(visit func(time.Time, func())) {
	if m.closed {
		return
	}
	for _, sa := range m.sas() {
		m.saTimers(sa, visit)
	}
	for _, sa := range m.gone {
		visit(sa.reapAt, func() { m.forget(sa) })
	}
	for _, c := range m.children {
		visit(c.times.rekeyAt, func() { m.rekeyDue(c) })
		visit(c.times.expireAt, func() { m.childExpired(c) })
		visit(c.times.reapAt, func() { m.reapChild(c) })
	}
	if len(m.retired) > 0 {
		visit(m.retired[0].until, m.removeRetired)
	}
	for _, x := range m.waiting {
		if t := x.common(); t.notBefore.After(m.now) {
			visit(t.notBefore, func() { t.notBefore = zero })
		}
	}
	if m.current != nil && m.current.established() {
		m.currentTimers(m.current, visit)
	}
}

// saTimers are those that every IKE SA has.
func (m *Machine) saTimers(sa *ikeSA, visit func(time.Time, func())) {
	if f := sa.inFlight; f != nil {
		visit(f.next, sa.retransmit)
		if x, ok := f.exchange.(*saInit); ok {
			visit(x.verdict, func() { x.judge(sa) })
		}
	}
	visit(sa.reapAt, func() { m.reap(sa) })
}

// currentTimers are those of the lineage's IKE SA.
func (m *Machine) currentTimers(sa *ikeSA, visit func(time.Time, func())) {
	visit(sa.times.expireAt, func() {
		text := "the IKE SA reached its hard lifetime and was not rekeyed in time"
		if sa.times.expireAt.Equal(sa.sessionEnd) {
			text = "the session lasted as long as the RADIUS server allows (Session-Timeout)"
		}
		sa.times.expireAt = zero
		m.deleteIKE(nil, sa.reason(core.Expired, 1, "", 0, text))
	})
	if sa.state != core.IKEEstablished {
		return
	}
	visit(sa.times.rekeyAt, func() {
		sa.times.rekeyAt = zero
		m.wantIKERekey(nil)
	})
	visit(sa.times.reauthAt, func() {
		m.reauthenticationDue(sa)
	})
	visit(m.livenessDue(sa), func() { m.checkLiveness(sa) })
	visit(m.keepaliveDue(sa), func() {
		sa.lastOut = m.now
		m.logf("IKE", 2, "sending keep alive to %s", endpoint(sa.remote))
		m.emit(core.SendKeepalive{Local: sa.local, Remote: sa.remote})
	})
}

// reap ends what was not finished in time: a half-open IKE SA, or an old one that the peer should have deleted.
func (m *Machine) reap(sa *ikeSA) {
	sa.reapAt = zero
	if sa.judging != nil {
		if m.late(sa); m.end == nil && !sa.initiator && !sa.established() && sa.reapAt.IsZero() {
			sa.reapAt = m.now.Add(m.env.Settings.HalfOpenTimeout) // it goes on, with another connection
		}
		return
	}
	if sa.asks() {
		m.answeredEAP(sa, core.Answer{Err: errors.New("no answer within " + round(m.env.Settings.HalfOpenTimeout).String())})
		return
	}
	if !sa.established() {
		m.close(sa.reason(core.Timeout, 1, "IKE_AUTH", sa.nextRecv, "the peer began an IKE SA and did not authenticate within "+round(m.env.Settings.HalfOpenTimeout).String()))
		return
	}
	if sa.redundant {
		m.forget(sa)
		return
	}
	if !m.isWaiting(func(x exchange) bool { d, ok := x.(*deleteIKE); return ok && d.sa == sa }) {
		m.enqueue(&deleteIKE{base: base{sa: sa}})
	}
}

func (m *Machine) reapChild(c *child) {
	c.times.reapAt = zero
	m.wantDelete(c, nil, nil)
}

func (m *Machine) childExpired(c *child) {
	c.times.expireAt = zero
	reason := m.reason(core.Expired, 2, "Child SA "+c.name()+" reached its hard lifetime and was not rekeyed in time")
	reason.Child = c.cfg.Name
	m.wantDelete(c, nil, reason)
}

func (m *Machine) rekeyDue(c *child) {
	c.times.rekeyAt = zero
	m.wantRekey(c, nil)
}

func (m *Machine) removeRetired() {
	m.emit(core.RemoveSA{SPI: m.retired[0].spi, Direction: esp.In})
	m.retired = m.retired[1:]
}
