package ikev2

import (
	"slices"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/core"
)

// command does what the driver wants.
func (m *Machine) command(c core.Command) {
	switch c := c.(type) {
	case core.Initiate:
		m.initiate(c)
	case core.Delete:
		m.delete(c)
	case core.Rekey:
		m.rekey(c)
	case core.Expire:
		m.expire(c)
	case core.Liveness:
		m.probe(c)
	case core.Move:
		m.move(c)
	case core.Reconfigure:
		m.reconfigure(c.Connection)
	case core.Answer:
		m.answered(c)
	}
}

// reconfigure takes a connection as newly loaded; while an IKE SA is being established, which its old rounds and proposals are
// for, behind that.
func (m *Machine) reconfigure(c *core.Connection) {
	switch {
	case m.conn == nil || c == nil:
	case m.current != nil && !m.current.established():
		m.reloaded = c
	default:
		m.conn = c
	}
}

// takeReloaded is the end of the waiting. A responder is told nothing of the connections that it has yet to choose from.
func (m *Machine) takeReloaded() {
	next := m.reloaded
	m.reloaded = nil
	if m.conn == nil {
		return
	}
	if !m.initiates() && (next == nil || next.Name != m.conn.Name) {
		next = m.env.Catalog().Connection(m.conn.Name)
	}
	if next != nil && next.Name == m.conn.Name {
		m.conn = next
	}
}

// done ends an operation that needs no task.
func (m *Machine) done(id uint64, reason *core.Reason) {
	if id != 0 {
		m.emit(core.Done{Op: id, Reason: reason})
	}
}

// usable is why nothing can be asked of the lineage now, nil when it can.
func (m *Machine) usable() *core.Reason {
	switch sa := m.current; {
	case m.closed, m.end != nil, sa == nil:
		return m.reason(core.Cancelled, 1, "the IKE SA has ended")
	case sa.state == core.IKEDeleting, m.ends() != nil:
		return m.reason(core.Cancelled, 1, "the IKE SA is being deleted")
	}
	return nil
}

// initiate asks for the IKE SA, and for a Child SA if one is named.
func (m *Machine) initiate(c core.Initiate) {
	switch {
	case m.closed:
		m.done(c.Op, m.reason(core.Cancelled, 1, "the IKE SA has ended"))
		return
	case m.current == nil && (m.conn == nil || len(m.conn.Local) == 0 || len(m.conn.Remote) == 0 || !c.Remote.IsValid()):
		m.done(c.Op, m.reason(core.BadConfig, 1, "the connection says not whom to connect to or how to authenticate"))
		return
	case m.current != nil && m.usable() != nil:
		m.done(c.Op, m.usable())
		return
	}
	op := m.operate(c.Op)
	if c.Child != nil {
		m.wantChild(c, op)
	} else {
		m.wantIKE(op)
	}
	if m.current == nil {
		m.attempt = attempt{local: c.Local, remote: c.Remote}
		m.wantAddresses(c.VIPs)
		m.connect()
	}
}

// wantIKE makes an operation wait for the IKE SA.
func (m *Machine) wantIKE(op *operation) {
	switch {
	case op == nil:
	case m.current != nil && m.current.established():
		m.conclude(op)
	default:
		op.pending++
		m.ikeOps = append(m.ikeOps, op)
	}
}

// wantChild makes an operation wait for a Child SA, unless there is one already.
func (m *Machine) wantChild(c core.Initiate, op *operation) {
	if m.served(c) {
		m.conclude(op)
		return
	}
	same := m.pending(func(x exchange) bool {
		switch x := x.(type) {
		case *createChild:
			return x.offer.serves(c)
		case *ikeAuth:
			return x.child != nil && x.child.offer.serves(c)
		}
		return false
	})
	if auth, ok := same.(*ikeAuth); ok {
		same = auth.child
	}
	if same != nil {
		same.common().join(op)
		return
	}
	x := &createChild{offer: childOffer{cfg: c.Child, packet: c.Packet}}
	x.join(op)
	m.enqueue(x)
}

// served tells that there is a Child SA for an Initiate.
func (m *Machine) served(i core.Initiate) bool {
	return slices.ContainsFunc(m.children, func(c *child) bool { return m.serves(c, i) })
}

// serves tells that a Child SA is what an Initiate wants: of the same configuration, and for its packet if there is one.
func (m *Machine) serves(c *child, i core.Initiate) bool {
	if c.cfg.Name != i.Child.Name || c.successor != nil || (c.state != core.ChildInstalled && c.state != core.ChildRekeying) {
		return false
	}
	if !i.Packet.Local.Valid() || !i.Packet.Remote.Valid() {
		return true
	}
	return m.coversLocal(c, i.Packet.Local) && spd.Covers(c.remoteTS, []spd.TrafficSelector{i.Packet.Remote})
}

func (o *childOffer) serves(i core.Initiate) bool {
	return o.cfg.Name == i.Child.Name && (o.packet == i.Packet || !i.Packet.Local.Valid())
}

// delete ends the lineage or Child SAs.
func (m *Machine) delete(c core.Delete) {
	if c.IKE {
		m.deleteLineage(c)
		return
	}
	if reason := m.usable(); reason != nil {
		m.done(c.Op, reason)
		return
	}
	op := m.operate(c.Op)
	found := m.named(c.Child, c.ChildID)
	for _, child := range found {
		if c.Force {
			m.enqueue(&deleteChild{spi: child.in})
			m.remove(child, c.Reason)
			continue
		}
		m.wantDelete(child, op, c.Reason)
	}
	if len(found) > 0 || op == nil {
		m.conclude(op)
		return
	}
	if m.cancel(c.Child) {
		m.conclude(op)
		return
	}
	m.done(c.Op, m.noChild(c.Child))
}

// cancel gives up the creation of Child SAs that have not begun.
func (m *Machine) cancel(name string) bool {
	var cancelled []exchange
	m.waiting = slices.DeleteFunc(m.waiting, func(x exchange) bool {
		create, ok := x.(*createChild)
		if ok && create.offer.cfg.Name == name {
			cancelled = append(cancelled, x)
			return true
		}
		return false
	})
	for _, x := range cancelled {
		x.abort(m, m.current, m.reason(core.Cancelled, 2, "the Child SA was deleted by command"))
	}
	return len(cancelled) > 0
}

func (m *Machine) noChild(name string) *core.Reason {
	r := m.reason(core.ChildSANotFound, 2, "there is no such Child SA")
	r.Child = name
	return r
}

// deleteLineage ends everything: with a Delete that the peer has to answer, or at once.
func (m *Machine) deleteLineage(c core.Delete) {
	sa := m.current
	switch {
	case sa == nil || m.end != nil:
		for _, gone := range slices.Clone(m.gone) {
			m.forget(gone)
		}
		if m.end == nil {
			m.end = &ending{c.Reason}
		}
		m.done(c.Op, nil)
	case sa.times.established.IsZero() && !c.Force && sa.mayBeUp() && m.ends() == nil:
		m.told = true
		if child := sa.inFlight.exchange.(*ikeAuth).child; child != nil {
			m.finish(&child.base, m.orCancelled(c.Reason))
		}
		m.giveUpWaiting(sa, m.orCancelled(c.Reason))
		m.again(&deleteIKE{base: base{sa: sa}, reason: c.Reason})
		m.done(c.Op, nil)
	case sa.times.established.IsZero():
		if sa.initiator && sa.judging != nil {
			m.deleteNow(sa) // for the peer it may be up
		}
		m.close(m.orCancelled(c.Reason))
		m.done(c.Op, nil)
	case c.Force:
		m.deleteNow(sa)
		m.close(c.Reason)
		m.done(c.Op, nil)
	default:
		m.deleteIKE(m.operate(c.Op), c.Reason)
	}
}

// mayBeUp tells that the peer may have an IKE SA already that we do not: its IKE_AUTH response may be under way. Only then
// can it be told of the end, so that response is waited for, until the request would have to be sent again.
func (sa *ikeSA) mayBeUp() bool {
	if sa.inFlight == nil {
		return false
	}
	_, ok := sa.inFlight.exchange.(*ikeAuth)
	return ok
}

// deleteNow sends a Delete of the IKE SA once, if the window lets us.
func (m *Machine) deleteNow(sa *ikeSA) {
	if sa.inFlight == nil && !sa.exhausted() {
		m.begin(sa, &deleteIKE{base: base{sa: sa}})
		sa.inFlight = nil
	}
}

// named are the Child SAs with a configured name or a unique ID, those that were replaced left out.
func (m *Machine) named(name string, id uint32) []*child {
	var found []*child
	for _, c := range m.children {
		if c.successor == nil && ((id != 0 && c.id == id) || (id == 0 && name != "" && c.cfg.Name == name)) {
			found = append(found, c)
		}
	}
	return found
}

// rekey replaces the IKE SA or Child SAs now.
func (m *Machine) rekey(c core.Rekey) {
	if reason := m.usable(); reason != nil {
		m.done(c.Op, reason)
		return
	}
	op := m.operate(c.Op)
	if c.IKE {
		m.wantIKERekey(op)
		return
	}
	found := m.named(c.Child, c.ChildID)
	if len(found) == 0 {
		m.done(c.Op, m.noChild(c.Child))
		return
	}
	for _, child := range found {
		m.wantRekey(child, op)
	}
}

// wantRekey lets the rekeying of a Child SA wait for its turn, once.
func (m *Machine) wantRekey(c *child, op *operation) {
	same := m.pending(func(x exchange) bool { r, ok := x.(*rekeyChild); return ok && r.old() == c })
	if same != nil {
		same.common().join(op)
		return
	}
	x := &rekeyChild{offer: childOffer{cfg: c.cfg, old: c}}
	x.join(op)
	m.enqueue(x)
}

// wantIKERekey lets the rekeying of the IKE SA wait for its turn, once.
func (m *Machine) wantIKERekey(op *operation) {
	if !m.current.established() {
		m.conclude(op)
		return
	}
	if same := m.pending(func(x exchange) bool { _, ok := x.(*rekeyIKE); return ok }); same != nil {
		same.common().join(op)
		return
	}
	x := &rekeyIKE{}
	x.join(op)
	m.enqueue(x)
}

// expire is the data path's news that an SA reached a lifetime by volume.
func (m *Machine) expire(c core.Expire) {
	if m.usable() != nil {
		return
	}
	i := slices.IndexFunc(m.children, func(have *child) bool {
		return (c.Direction == esp.In && have.in == c.SPI) || (c.Direction == esp.Out && have.out == c.SPI)
	})
	if i < 0 || m.children[i].successor != nil {
		return
	}
	if c.Hard {
		m.childExpired(m.children[i])
		return
	}
	m.rekeyDue(m.children[i])
}

// probe checks now whether the peer lives.
func (m *Machine) probe(c core.Liveness) {
	if reason := m.usable(); reason != nil {
		m.done(c.Op, reason)
		return
	}
	if !m.current.established() {
		m.wantIKE(m.operate(c.Op))
		return
	}
	x := &liveness{}
	x.join(m.operate(c.Op))
	m.enqueue(x)
}
