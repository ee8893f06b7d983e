package ikev2

import (
	"slices"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// deleteChild is an INFORMATIONAL that ends a Child SA (RFC 7296 §1.4.1), or without one, that tells the peer to end what
// we do not have: spi was ours, and is given back when it was only reserved.
type deleteChild struct {
	base
	child    *child
	spi      esp.SPI
	reserved bool
	reason   *core.Reason
}

func (x *deleteChild) task() string              { return "CHILD_DELETE" }
func (x *deleteChild) kind() header.ExchangeType { return header.Informational }

func (x *deleteChild) request(sa *ikeSA) ([]wire.Payload, bool) {
	m, c := sa.m, x.child
	if c == nil {
		return []wire.Payload{childDelete([]esp.SPI{x.spi})}, true
	}
	if !slices.Contains(m.children, c) {
		m.finish(&x.base, nil)
		return nil, false
	}
	if c.successor == nil {
		c.state = core.ChildDeleting
	}
	m.logf("IKE", 0, "closing CHILD_SA %s with SPIs %08x_i %08x_o and TS %s", c.name(), uint32(c.in), uint32(c.out), pair(c.localTS, c.remoteTS))
	// "listing the SPIs (as they would be expected in the headers of inbound packets) of the SAs to be deleted": ours.
	// RFC 7296 §1.4.1
	return []wire.Payload{childDelete([]esp.SPI{c.in})}, true
}

func childDelete(spis []esp.SPI) *wire.Delete {
	d := &wire.Delete{Protocol: suite.ESP}
	for _, spi := range spis {
		d.SPIs = append(d.SPIs, uint32(spi))
	}
	return d
}

func (x *deleteChild) response(sa *ikeSA, _ *wire.Message) {
	if x.child != nil {
		sa.m.remove(x.child, x.reason)
	}
	x.abort(sa.m, sa, nil)
}

func (x *deleteChild) abort(m *Machine, _ *ikeSA, reason *core.Reason) {
	if x.reserved {
		m.emit(core.ReleaseSPI{SPI: x.spi})
		x.reserved = false
	}
	m.finish(&x.base, reason)
}

// deletes tells whether our Delete of a Child SA is in flight.
func (m *Machine) deletes(c *child) bool {
	for _, sa := range m.sas() {
		if sa.inFlight != nil {
			if x, ok := sa.inFlight.exchange.(*deleteChild); ok && x.child == c {
				return true
			}
		}
	}
	return false
}

// wantDelete lets the end of a Child SA wait for its turn, once.
func (m *Machine) wantDelete(c *child, op *operation, reason *core.Reason) {
	same := m.pending(func(x exchange) bool { d, ok := x.(*deleteChild); return ok && d.child == c })
	if same != nil {
		same.common().join(op)
		return
	}
	x := &deleteChild{child: c, reason: reason}
	x.join(op)
	m.enqueue(x)
}

// deleteIKE is an INFORMATIONAL that ends an IKE SA: with the lineage when it is the current one.
type deleteIKE struct {
	base
	reason *core.Reason
}

func (x *deleteIKE) task() string              { return "IKE_DELETE" }
func (x *deleteIKE) kind() header.ExchangeType { return header.Informational }

func (x *deleteIKE) request(sa *ikeSA) ([]wire.Payload, bool) {
	sa.state, x.sa = core.IKEDeleting, sa
	sa.m.logf("IKE", 0, "deleting IKE_SA %s between %s[%s]...%s[%s]", sa.name(), sa.local.Addr().Unmap(), sa.localID, sa.remote.Addr().Unmap(), sa.remoteID)
	sa.reapAt = zero
	return []wire.Payload{&wire.Delete{Protocol: suite.IKE}}, true
}

func (x *deleteIKE) response(sa *ikeSA, _ *wire.Message) {
	m := sa.m
	if sa != m.current {
		m.finish(&x.base, nil)
		m.forget(sa)
		return
	}
	x.abort(m, sa, nil)
}

// abort ends the IKE SA as wished, whether or not the peer said so.
func (x *deleteIKE) abort(m *Machine, sa *ikeSA, _ *core.Reason) {
	m.finish(&x.base, nil)
	if sa == m.current {
		m.close(x.reason)
	}
}

// deleteIKE begins the end of the lineage with notice to the peer. A nil reason is an ordinary wish.
func (m *Machine) deleteIKE(op *operation, reason *core.Reason) {
	if same := m.ends(); same != nil {
		same.common().join(op)
		return
	}
	sa := m.current
	x := &deleteIKE{base: base{sa: sa}, reason: reason}
	x.join(op)
	m.giveUpWaiting(sa, m.orCancelled(reason))
	if f := sa.inFlight; f != nil {
		// The request in flight stays: without its response the window has no room for the Delete.
		m.finish(f.exchange.common(), m.orCancelled(reason))
		if isIKERekey(f.exchange) {
			x.sa = nil // which IKE SA there will be to delete is not known before the response
		}
	}
	if x.sa != nil {
		sa.state = core.IKEDeleting
	}
	m.again(x)
}

// ends is the exchange that is to end, or ends, the lineage's IKE SA; nil when none does.
func (m *Machine) ends() exchange {
	return m.pending(func(x exchange) bool {
		switch x := x.(type) {
		case *deleteIKE:
			return x.sa == nil || x.sa == m.current
		case *notice:
			return true
		}
		return false
	})
}

func isIKERekey(x exchange) bool {
	_, ok := x.(*rekeyIKE)
	return ok
}

// deletesOld tells whether the Delete of an old IKE SA is under way.
func (m *Machine) deletesOld() bool {
	return m.isWaiting(func(x exchange) bool { d, ok := x.(*deleteIKE); return ok && d.sa != nil && d.sa != m.current })
}

// notice is an INFORMATIONAL that tells the peer of an error after which the IKE SA is gone: the initiator's answer to a
// responder that could not prove who it is (RFC 7296 §2.21.2), or that cannot be understood.
type notice struct {
	base
	notify wire.NotifyType
	reason *core.Reason
}

func (x *notice) task() string              { return "IKE_DELETE" }
func (x *notice) kind() header.ExchangeType { return header.Informational }

func (x *notice) request(*ikeSA) ([]wire.Payload, bool) {
	return []wire.Payload{&wire.Notify{NotifyType: x.notify}}, true
}

func (x *notice) response(sa *ikeSA, _ *wire.Message) { sa.m.close(x.reason) }

func (x *notice) abort(m *Machine, _ *ikeSA, _ *core.Reason) { m.close(x.reason) }

// say ends the lineage with an error that the peer is told of. Who waits is told at once.
func (m *Machine) say(sa *ikeSA, n wire.NotifyType, reason *core.Reason) {
	m.giveUp(sa, reason)
	sa.state = core.IKEDeleting
	m.again(&notice{base: base{sa: sa}, notify: n, reason: reason})
}

// answerInformational is the responder's side of INFORMATIONAL: Deletes, errors, and nothing at all (liveness).
func (m *Machine) answerInformational(sa *ikeSA, req *request) {
	for _, d := range wire.All[*wire.Delete](req.msg) {
		if d.Protocol == suite.IKE {
			m.answerIKEDelete(sa, req)
			return
		}
	}
	if n := req.msg.ErrorNotify(); n != nil && fatal(n.NotifyType) && sa == m.current {
		sa.respond(req)
		m.endAnswered(sa, sa.refusedBy(n, 1, req.msg))
		return
	}
	m.takeAuthLifetime(sa, req.msg)
	var gone []esp.SPI
	for _, d := range wire.All[*wire.Delete](req.msg) {
		gone = append(gone, m.answerChildDelete(sa, d, req.msg)...)
	}
	if len(gone) == 0 {
		sa.respond(req)
		return
	}
	sa.respond(req, childDelete(gone))
}

// fatal tells the errors that end an IKE SA without a Delete.  RFC 7296 §2.21.2, §2.21.3
func fatal(n wire.NotifyType) bool { return n == wire.AuthenticationFailed || n == wire.InvalidSyntax }

// answerChildDelete ends the Child SAs of one Delete payload, and returns the SPIs of their other halves.
//
// "If a peer receives a request to close a Child SA that it is currently trying to close, it SHOULD reply without a Delete
// payload … If a peer receives a request to close a Child SA that it is currently rekeying, it SHOULD reply as usual, with a
// Delete payload.  If a peer receives a request to close a Child SA that does not exist, it SHOULD reply without a Delete
// payload."  RFC 7296 §2.25.1
func (m *Machine) answerChildDelete(sa *ikeSA, d *wire.Delete, msg *wire.Message) (ours []esp.SPI) {
	if d.Protocol != suite.ESP {
		return nil
	}
	for _, spi := range d.SPIs {
		c := m.childByOut(esp.SPI(spi))
		if c == nil {
			m.logf("IKE", 1, "received DELETE for unknown ESP CHILD_SA with SPI %08x", spi)
			m.early(sa, esp.SPI(spi))
			continue
		}
		m.logf("IKE", 1, "received DELETE for ESP CHILD_SA with SPI %08x", spi)
		if !m.deletes(c) {
			ours = append(ours, c.in)
		}
		if x, ok := m.pending(func(x exchange) bool { r, ok := x.(*rekeyChild); return ok && r.old() == c }).(*rekeyChild); ok {
			x.yield(m)
		}
		reason := sa.childReason(core.Deleted, c.cfg, msg, "the peer deleted Child SA "+c.name())
		reason.ByPeer = true
		m.remove(c, reason)
	}
	return ours
}

// maxEarly bounds the SPIs that are remembered for one exchange.
const maxEarly = 16

// early remembers a Delete that overtook the response which makes its Child SA.
func (m *Machine) early(sa *ikeSA, spi esp.SPI) {
	if f := sa.inFlight; f != nil && m.busyWithChild(sa) && len(f.deleted) < maxEarly {
		f.deleted = append(f.deleted, spi)
	}
}

// stillborn ends a Child SA whose Delete came before the response that made it.
func (m *Machine) stillborn(sa *ikeSA, c *child, msg *wire.Message) {
	if slices.Contains(sa.deleted, c.out) {
		reason := sa.childReason(core.Deleted, c.cfg, msg, "the peer deleted Child SA "+c.name())
		reason.ByPeer = true
		m.remove(c, reason)
	}
}

// answerIKEDelete ends an IKE SA at the peer's wish.
func (m *Machine) answerIKEDelete(sa *ikeSA, req *request) {
	m.logf("IKE", 1, "received DELETE for IKE_SA %s", sa.name())
	sa.respond(req)
	if sa != m.current || m.succeeds(sa) {
		m.oldDeleted(sa)
		return
	}
	reason := sa.reason(core.Deleted, 1, "INFORMATIONAL", req.msg.MessageID, "the peer deleted the IKE SA")
	reason.ByPeer = true
	if x, ok := m.ends().(*deleteIKE); ok {
		// "If a peer receives a request to close an IKE SA that it is currently trying to close, it SHOULD reply as usual,
		// and forget about its own close request."  RFC 7296 §2.25.2
		m.finish(&x.base, nil)
		reason = x.reason
	}
	m.endAnswered(sa, reason)
}

// succeeds tells that the peer's rekeying has made a new IKE SA while ours is in flight.
//
// "If a peer receives a request to close an IKE SA that it is currently rekeying, it SHOULD reply as usual, and forget about
// its own rekeying request."  RFC 7296 §2.25.2
func (m *Machine) succeeds(sa *ikeSA) bool {
	if sa.inFlight == nil {
		return false
	}
	x, ok := sa.inFlight.exchange.(*rekeyIKE)
	return ok && x.rival != nil
}

// oldDeleted ends an IKE SA that has a successor, or that lost against another one.
func (m *Machine) oldDeleted(sa *ikeSA) {
	for _, other := range m.sas() {
		if other.inFlight == nil {
			continue
		}
		if x, ok := other.inFlight.exchange.(*rekeyIKE); ok && x.rival == sa {
			x.rival = nil
		}
	}
	m.linger(sa)
}
