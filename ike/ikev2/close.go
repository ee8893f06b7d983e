package ikev2

import (
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/ike/core"
)

// close ends the lineage at once.
func (m *Machine) close(reason *core.Reason) { m.closeBut(nil, reason) }

// endAnswered ends an IKE SA after its last response, which may have to be repeated: the lineage with it when it is the
// current one.
func (m *Machine) endAnswered(sa *ikeSA, reason *core.Reason) {
	if sa == m.current {
		m.closeBut(sa, reason)
		return
	}
	m.linger(sa)
}

// closeBut ends the lineage, of which one IKE SA may linger.
func (m *Machine) closeBut(lingers *ikeSA, reason *core.Reason) {
	if m.end != nil {
		return
	}
	m.end = &ending{reason}
	m.giveUp(m.current, m.orCancelled(reason))
	status := m.lineageStatus()
	up := m.current != nil && !m.current.times.established.IsZero()
	m.removeAll(reason)
	m.withdraw(status)
	switch {
	case up:
		m.emit(core.IKEDown{IKE: status, Reason: reason})
	case !m.told && reason != nil:
		m.emit(core.Failed{Reason: reason})
	}
	m.told = false
	for _, sa := range m.sas() {
		if sa == lingers {
			m.linger(sa)
		} else {
			m.forget(sa)
		}
	}
}

// removeAll takes everything of the lineage out of the data path.
func (m *Machine) removeAll(reason *core.Reason) {
	children := m.children
	m.children = nil
	for _, c := range children {
		status := m.childStatus(c)
		m.release(c, 0)
		if c.announced {
			m.emit(core.ChildDown{IKE: m.lineageStatus(), Child: status, Reason: reason})
		}
	}
	for _, r := range m.retired {
		m.emit(core.RemoveSA{SPI: r.spi, Direction: esp.In})
	}
	m.retired = nil
}

// giveUp ends all exchanges and operations of the lineage, and remembers whether somebody was told.
func (m *Machine) giveUp(sa *ikeSA, reason *core.Reason) {
	m.giving = true
	defer func() { m.giving = false }()
	for _, other := range m.sas() {
		if f := other.inFlight; f != nil {
			other.inFlight = nil
			m.abort(f.exchange, other, reason)
		}
		if j := other.judging; j != nil {
			other.judging = nil
			if j.x != nil {
				m.abort(j.x, other, reason)
			}
		}
	}
	m.giveUpWaiting(sa, reason)
}

// giveUpWaiting ends what has not begun. While the lineage still lives, its old IKE SAs are deleted all the same.
func (m *Machine) giveUpWaiting(sa *ikeSA, reason *core.Reason) {
	waiting := m.waiting
	m.waiting = nil
	for _, x := range waiting {
		if _, old := x.(*deleteIKE); old && m.end == nil {
			m.waiting = append(m.waiting, x)
			continue
		}
		m.abort(x, sa, reason)
	}
	ops := m.ikeOps
	m.ikeOps = nil
	for _, op := range ops {
		m.told = true
		op.pending--
		op.reason = reason
		m.conclude(op)
	}
}

func (m *Machine) abort(x exchange, sa *ikeSA, reason *core.Reason) {
	if len(x.common().ops) > 0 {
		m.told = true
	}
	x.abort(m, sa, reason)
	x.wipe()
}

func (m *Machine) orCancelled(reason *core.Reason) *core.Reason {
	if reason != nil {
		return reason
	}
	return m.reason(core.Cancelled, 1, "the IKE SA was deleted by command")
}

// timedOut ends what a request without an answer stands for: an attempt, an old IKE SA, or the lineage.
func (m *Machine) timedOut(sa *ikeSA, f *inFlight) {
	reason := sa.timeout(f)
	connecting := !sa.established()
	f.exchange.abort(m, sa, reason)
	f.exchange.wipe()
	switch {
	case m.end != nil:
	case sa != m.current:
		m.forget(sa)
	case connecting && m.retry(sa):
	default:
		m.close(reason)
	}
}
