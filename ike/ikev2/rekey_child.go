package ikev2

import (
	"bytes"
	"slices"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// rekeyChild is a CREATE_CHILD_SA that replaces a Child SA (RFC 7296 §1.3.3). When both ends do it at once there are two
// new Child SAs for a while: rival is the peer's.
type rekeyChild struct {
	base
	offer   childOffer
	rival   *child
	lowest  []byte // of the rival exchange's two nonces
	settled bool   // the rival has taken over
}

func (x *rekeyChild) task() string              { return "CHILD_REKEY" }
func (x *rekeyChild) kind() header.ExchangeType { return header.CreateChildSA }
func (x *rekeyChild) wipe()                     { x.offer.wipe() }

func (x *rekeyChild) old() *child { return x.offer.old }

// request does nothing for a Child SA that has gone or was replaced while this waited.
func (x *rekeyChild) request(sa *ikeSA) ([]wire.Payload, bool) {
	m, old := sa.m, x.old()
	if !slices.Contains(m.children, old) || old.state != core.ChildInstalled {
		x.offer.release(m)
		m.finish(&x.base, nil)
		return nil, false
	}
	x.offer.cfg = m.configured(old.cfg)
	ni, err := m.newNonce()
	var list []wire.Payload
	if err == nil {
		list, err = x.offer.payloads(sa, ni)
	}
	if err != nil {
		x.failed(sa, sa.reason(core.Internal, 2, "CREATE_CHILD_SA", 0, err.Error()), false)
		return nil, false
	}
	old.state = core.ChildRekeying
	m.logf("IKE", 0, "establishing CHILD_SA %s, rekeying %s", old.cfg.Name, old.name())
	// "The SA being rekeyed is identified by the SPI field in the Notify payload; this is the SPI the exchange initiator
	// would expect in inbound ESP or AH packets."  RFC 7296 §1.3.3
	rekey := wire.NewChildNotify(wire.RekeySA, suite.ESP, uint32(old.in))
	return append([]wire.Payload{rekey}, list...), true
}

func (x *rekeyChild) abort(m *Machine, _ *ikeSA, reason *core.Reason) {
	x.offer.release(m)
	x.yield(m)
	m.finish(&x.base, reason)
}

// yield lets the peer's Child SA win when nothing came of ours, and lets the old one go on otherwise.
func (x *rekeyChild) yield(m *Machine) {
	old := x.old()
	switch {
	case x.rival != nil:
		if !x.settled && slices.Contains(m.children, x.rival) && !m.giving {
			x.settled = true
			m.replace(x.rival)
		}
	case old.state == core.ChildRekeying:
		old.state = core.ChildInstalled
	}
}

func (x *rekeyChild) response(sa *ikeSA, msg *wire.Message) {
	if n := x.offer.refusal(msg); n != nil {
		x.refused(sa, n, msg)
		return
	}
	nr := wire.First[*wire.Nonce](msg)
	if nr == nil {
		x.failed(sa, sa.childReason(core.InvalidSyntax, x.offer.cfg, msg, "the No payload is missing"), msg.Count(wire.TypeSA) > 0)
		return
	}
	a, reason := x.offer.agreed(sa, msg)
	if reason != nil {
		x.failed(sa, reason, true)
		return
	}
	m, ni := sa.m, x.offer.ni
	c := m.bring(sa, &x.offer, a, ni, nr.Data)
	if x.settled || (x.loses(ni, nr.Data) && slices.Contains(m.children, x.rival)) {
		x.lose(m, c)
	} else {
		x.win(m, c)
	}
	m.stillborn(sa, c, msg)
}

// loses settles a simultaneous rekeying.
//
// "If redundant SAs are created though such a collision, the SA created with the lowest of the four nonces used in the two
// exchanges SHOULD be closed by the endpoint that created it."  RFC 7296 §2.8.1
func (x *rekeyChild) loses(ni, nr []byte) bool {
	return x.rival != nil && bytes.Compare(lowestNonce(ni, nr), x.lowest) < 0
}

// lose gives up our new Child SA, whose inbound SA is there until the peer knows, and takes the peer's.
func (x *rekeyChild) lose(m *Machine, c *child) {
	m.logf("IKE", 1, "CHILD_SA %s was rekeyed by both, the peer's stays", x.old().name())
	c.replaces = nil
	c.state = core.ChildRekeyedOld
	x.yield(m)
	m.enqueue(&deleteChild{child: c})
	m.finish(&x.base, nil)
}

// win takes our new Child SA. The peer deletes its own, we delete the old one.
func (x *rekeyChild) win(m *Machine, c *child) {
	if x.rival != nil && slices.Contains(m.children, x.rival) {
		m.logf("IKE", 1, "CHILD_SA %s was rekeyed by both, ours stays", x.old().name())
		x.rival.replaces = nil
		x.rival.state = core.ChildRekeyedOld
		x.rival.times.reapAt = m.now.Add(reapDelay)
	}
	old := x.old()
	m.installOut(c, c.later)
	m.replace(c)
	if slices.Contains(m.children, old) {
		m.enqueue(&deleteChild{child: old})
	}
	m.finish(&x.base, nil)
}

func (x *rekeyChild) refused(sa *ikeSA, n *wire.Notify, msg *wire.Message) {
	m, old := sa.m, x.old()
	x.offer.wipe()
	switch {
	case x.rival != nil || !slices.Contains(m.children, old):
		// The peer was quicker: its Child SA is the new one, or the old one is gone.
		x.abort(m, sa, nil)
	case n.NotifyType == wire.TemporaryFailure:
		old.state = core.ChildInstalled
		m.postpone(sa, x, old.times.expireAt)
	case n.NotifyType == wire.ChildSANotFound:
		x.recreate(sa, msg)
	case x.offer.mend(sa, n):
		old.state = core.ChildInstalled
		m.again(x)
	default:
		x.failed(sa, sa.childRefused(n, &x.offer, msg), false)
	}
}

// recreate makes a new Child SA for one that the peer does not have.
//
// "A peer that receives a CHILD_SA_NOT_FOUND notification SHOULD silently delete the Child SA (if it still exists) and send
// a request to create a new Child SA from scratch (if the Child SA does not yet exist)."  RFC 7296 §2.25
func (x *rekeyChild) recreate(sa *ikeSA, msg *wire.Message) {
	m, old := sa.m, x.old()
	reason := sa.childReason(core.ChildSANotFound, old.cfg, msg, "the peer does not have Child SA "+old.name()+" any more, making a new one")
	reason.ByPeer = true
	next := &createChild{offer: childOffer{cfg: m.configured(old.cfg), spi: x.offer.spi}}
	next.ops, x.ops = x.ops, nil
	m.remove(old, reason)
	m.enqueue(next)
}

// failed leaves the old Child SA in place, and tries again later: its hard lifetime is the end.
func (x *rekeyChild) failed(sa *ikeSA, reason *core.Reason, created bool) {
	m, old := sa.m, x.old()
	reason.Child = old.cfg.Name
	if created && x.offer.spi != 0 {
		m.enqueue(&deleteChild{spi: x.offer.spi, reserved: true})
		x.offer.spi = 0
	}
	x.offer.release(m)
	m.logf("IKE", 1, "rekeying CHILD_SA %s failed: %s", old.name(), reason.Error())
	x.yield(m)
	if old.state == core.ChildInstalled {
		old.times.rekeyAt = m.now.Add(m.hurried(rekeyRetry, old.times.expireAt))
	}
	m.fail(&x.base, reason)
}

// answerChildRekey is the responder's side.
func (m *Machine) answerChildRekey(sa *ikeSA, req *request) {
	n := req.msg.Notify(wire.RekeySA)
	old := m.byOut(n.ChildSPI())
	mine, _ := m.pending(func(x exchange) bool {
		r, ok := x.(*rekeyChild)
		return ok && old != nil && r.old() == old && sa.isInFlight(r)
	}).(*rekeyChild)
	switch {
	case old == nil && m.busyWithChild(sa):
		// It may be the one that our request, whose response is under way, is making.
		sa.respond(req, &wire.Notify{NotifyType: wire.TemporaryFailure})
		return
	case old == nil:
		// "If a peer receives a request to rekey a Child SA that does not exist, it SHOULD reply with CHILD_SA_NOT_FOUND."  RFC 7296 §2.25.1
		sa.respond(req, &wire.Notify{NotifyType: wire.ChildSANotFound, Protocol: n.Protocol, SPI: n.SPI})
		return
	case m.busyWithIKE(sa), old.state == core.ChildDeleting, old.state == core.ChildRekeyedOld, mine != nil && mine.rival != nil:
		// "If a peer receives a request to rekey a Child SA that it is currently trying to close, it SHOULD reply with
		// TEMPORARY_FAILURE."  RFC 7296 §2.25.1
		sa.respond(req, &wire.Notify{NotifyType: wire.TemporaryFailure})
		return
	}
	ni := wire.First[*wire.Nonce](req.msg).Data
	r := childRequest{req: req, ni: ni, old: old}
	reply := m.respondChild(sa, r)
	if reply.child == nil {
		sa.respond(req, reply.payloads...)
		reply.tell()
		return
	}
	nr := nonceOf(reply.payloads)
	if mine != nil {
		// "it SHOULD reply as usual, and SHOULD prepare to close redundant SAs later based on the nonces"  RFC 7296 §2.25.1
		mine.rival, mine.lowest = reply.child, lowestNonce(ni, nr)
		sa.respond(req, reply.payloads...)
		return
	}
	m.replace(reply.child)
	old.times.reapAt = m.now.Add(reapDelay)
	sa.respond(req, reply.payloads...)
}

func nonceOf(payloads []wire.Payload) []byte {
	for _, p := range payloads {
		if n, ok := p.(*wire.Nonce); ok {
			return n.Data
		}
	}
	return nil
}

func (sa *ikeSA) isInFlight(x exchange) bool { return sa.inFlight != nil && sa.inFlight.exchange == x }
