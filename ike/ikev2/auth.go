package ikev2

import (
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// ikeAuth is IKE_AUTH (RFC 7296 §1.2): it proves the identities and, unless it is childless (RFC 6023), brings up the first
// Child SA, whose failure alone leaves the IKE SA standing.
type ikeAuth struct {
	base
	child *createChild // nil: childless
}

func (x *ikeAuth) task() string              { return "IKE_AUTH" }
func (x *ikeAuth) kind() header.ExchangeType { return header.IKEAuth }

func (x *ikeAuth) wipe() {
	if x.child != nil {
		x.child.wipe()
	}
}

// abort gives the Child SA back to those that wait, for another attempt or to be told.
func (x *ikeAuth) abort(m *Machine, _ *ikeSA, _ *core.Reason) {
	if x.child != nil {
		x.child.offer.release(m)
		m.again(x.child)
		x.child = nil
	}
}

func (x *ikeAuth) request(sa *ikeSA) ([]wire.Payload, bool) {
	m := sa.m
	payloads, reason := x.identify(sa)
	if reason == nil {
		x.child, reason = m.firstChild(sa)
	}
	if reason != nil {
		m.close(reason)
		return nil, false
	}
	payloads = append(payloads, m.askConfiguration()...)
	if x.child == nil {
		return payloads, true
	}
	m.logf("CHD", 0, "establishing CHILD_SA %s", x.child.offer.cfg.Name)
	child, err := x.child.offer.payloads(sa, nil)
	if err != nil {
		m.close(sa.reason(core.Internal, 2, "IKE_AUTH", 1, err.Error()))
		return nil, false
	}
	return append(payloads, child...), true
}

// identify is the part of the request that is about who we are:
//
//	IDi, [CERT,] [N(INITIAL_CONTACT),] [CERTREQ,] [IDr,] AUTH     RFC 7296 §1.2, Appendix C.2
func (x *ikeAuth) identify(sa *ikeSA) ([]wire.Payload, *core.Reason) {
	m := sa.m
	remote := m.conn.Remote[0]
	if reason := sa.unsupported(m.conn); reason != nil {
		return nil, reason
	}
	me, reason := sa.introduce(m.conn, auth.Identity{}, remote.ID, 1)
	sa.localID = me.id
	if reason != nil {
		return nil, reason
	}
	idi := &wire.IDi{ID: wire.NewID(me.id)}
	certificates, proof, reason := sa.prove(m.conn, me, idi.Body())
	if reason != nil {
		return nil, reason
	}
	payloads := append([]wire.Payload{idi}, certificates...)
	if m.firstContact(me.id, remote.ID) {
		payloads = append(payloads, &wire.Notify{NotifyType: wire.InitialContact})
	}
	payloads = append(payloads, m.requests(m.conn)...)
	if sendable(remote.ID) {
		payloads = append(payloads, &wire.IDr{ID: wire.NewID(remote.ID)})
	}
	return append(payloads, proof), nil
}

// firstContact tells whether INITIAL_CONTACT is true: no other IKE SA between the two, and we care (unique is not never).
func (m *Machine) firstContact(local, remote auth.Identity) bool {
	if m.conn.Unique == core.UniqueNever {
		return false
	}
	return m.env.FirstContact == nil || m.env.FirstContact(local, remote)
}

// firstChild takes the Child SA that comes with IKE_AUTH: the first that waits, unless it is to be childless.
func (m *Machine) firstChild(sa *ikeSA) (*createChild, *core.Reason) {
	separate := m.conn.Childless == core.ChildlessForce || (m.conn.Childless == core.ChildlessPrefer && sa.opened.childless)
	for i, x := range m.waiting {
		if c, ok := x.(*createChild); ok && !separate {
			m.waiting = append(m.waiting[:i:i], m.waiting[i+1:]...)
			return c, nil
		}
	}
	if sa.opened.childless {
		return nil, nil
	}
	reason := sa.reason(core.BadConfig, 1, "IKE_SA_INIT", 0, "the peer cannot bring up an IKE SA without a Child SA (it does not know RFC 6023)")
	reason.Fix = "initiate a child of connection " + quoted(m.conn.Name)
	if separate {
		reason.Fix = "set `childless = allow` in connection " + quoted(m.conn.Name) + at(m.conn.Source)
	}
	return nil, reason
}

func (sa *ikeSA) ourNonce() []byte {
	if sa.initiator {
		return sa.opened.ni
	}
	return sa.opened.nr
}

func (sa *ikeSA) theirNonce() []byte {
	if sa.initiator {
		return sa.opened.nr
	}
	return sa.opened.ni
}

// response is the end of IKE_AUTH on the initiator's side, unless something has to be found out about the responder first.
func (x *ikeAuth) response(sa *ikeSA, msg *wire.Message) {
	m := sa.m
	row := row{required: []wire.PayloadType{wire.TypeIDr, wire.TypeAUTH}}
	missing := row.wrong(msg)
	if refusal := msg.ErrorNotify(); refusal != nil && missing != "" {
		x.abort(m, sa, nil)
		m.close(sa.refusedBy(refusal, 1, msg))
		return
	}
	if missing != "" {
		x.refuse(sa, sa.reason(core.InvalidSyntax, 1, "IKE_AUTH", msg.MessageID, missing))
		return
	}
	c, reason := sa.answerer(msg)
	if reason != nil {
		x.refuse(sa, reason)
		return
	}
	m.verify(sa, m.conn, c, x, func(reason *core.Reason) {
		if reason != nil {
			x.refuse(sa, reason)
			return
		}
		x.accept(sa, msg)
	})
}

// answerer is the claim of who answered.
func (sa *ikeSA) answerer(msg *wire.Message) (*claim, *core.Reason) {
	idr := wire.First[*wire.IDr](msg)
	id, err := idr.Identity()
	if err != nil {
		return nil, sa.reason(core.InvalidSyntax, 1, "IKE_AUTH", msg.MessageID, err.Error())
	}
	return sa.readClaim(msg, id, idr.Body())
}

// refuse ends the IKE SA with a responder that is not who it has to be, and tells it (RFC 7296 §2.21.2).
func (x *ikeAuth) refuse(sa *ikeSA, reason *core.Reason) {
	x.abort(sa.m, sa, nil)
	kind := wire.AuthenticationFailed
	if reason.Kind == core.InvalidSyntax {
		kind = wire.InvalidSyntax
	}
	sa.m.say(sa, kind, reason)
}

// accept goes on with a responder that has proved who it is.
func (x *ikeAuth) accept(sa *ikeSA, msg *wire.Message) {
	m, opened := sa.m, sa.opened
	m.takeConfiguration(msg)
	m.establish(sa, msg.Notify(wire.InitialContact) != nil)
	m.takeAuthLifetime(sa, msg)
	if x.child != nil {
		child := x.child
		x.child = nil
		child.accept(sa, msg, opened.ni, opened.nr)
	}
}

// applicant is an initiator that wants to be let in.
type applicant struct {
	req   *request
	asked auth.Identity // whom it wants to talk to; %any when it does not say
	*claim
	conns   []*core.Connection // that may be meant and were not tried
	refusal *core.Reason       // of the first that was tried
}

// answerAuth is the responder's side. Whoever is refused learns AUTHENTICATION_FAILED and no more, after the same work as
// for a wrong key: whether an identity is known does not show in time.
func (m *Machine) answerAuth(sa *ikeSA, req *request) {
	a := &applicant{req: req}
	if a.refusal = a.read(sa); a.refusal == nil {
		a.conns = fitting(sa.opened.candidates, sa.set.Proposal, a.claim, a.asked)
		if len(a.conns) == 0 {
			m.spend(sa, a.claim)
			a.refusal = sa.noConnectionForIdentities(a.id, a.asked, req.msg.MessageID)
		}
	}
	m.consider(sa, a)
}

// read takes identities and proof out of the request.
func (a *applicant) read(sa *ikeSA) *core.Reason {
	idi, idr, reason := sa.claims(a.req)
	if reason != nil {
		return reason
	}
	a.asked, sa.remoteID = idr, idi
	sa.readRequests(a.req.msg)
	a.claim, reason = sa.readClaim(a.req.msg, idi, wire.First[*wire.IDi](a.req.msg).Body())
	return reason
}

// consider tries the next connection that the applicant may mean. One demands a CA, say, that another does not.
func (m *Machine) consider(sa *ikeSA, a *applicant) {
	if len(a.conns) == 0 {
		sa.respond(a.req, &wire.Notify{NotifyType: wire.AuthenticationFailed})
		m.endAnswered(sa, a.refusal)
		return
	}
	conn := a.conns[0]
	a.conns = a.conns[1:]
	me, lacking := sa.introduce(conn, a.asked, a.id, a.req.msg.MessageID)
	sa.localID = me.id
	m.verify(sa, conn, a.claim, nil, func(reason *core.Reason) {
		if reason == nil {
			reason = lacking
		}
		if reason == nil {
			reason = m.admit(sa, a, conn, me)
		}
		if reason == nil {
			return
		}
		if a.refusal == nil {
			a.refusal = reason
		}
		m.consider(sa, a)
	})
}

// admit lets an applicant in that has proved who it is, by proving who we are.
func (m *Machine) admit(sa *ikeSA, a *applicant, conn *core.Connection, me own) *core.Reason {
	idr := &wire.IDr{ID: wire.NewID(me.id)}
	certificates, proof, reason := sa.prove(conn, me, idr.Body())
	if reason != nil {
		return reason
	}
	m.conn = conn
	m.logf("CFG", 1, "selected peer config %s", quoted(conn.Name))
	payloads := append(append([]wire.Payload{idr}, certificates...), proof)
	ni, nr := sa.opened.ni, sa.opened.nr
	req := a.req
	config, refusal := m.answerConfiguration(sa, req)
	m.establish(sa, req.msg.Notify(wire.InitialContact) != nil)
	payloads = append(append(payloads, config...), m.authLifetime(sa)...)
	if refusal != nil {
		sa.respond(req, append(payloads, refusal.payloads...)...)
		refusal.conclude()
		return nil
	}
	if req.msg.Count(wire.TypeSA) == 0 || req.msg.Count(wire.TypeTSi) == 0 || req.msg.Count(wire.TypeTSr) == 0 {
		sa.respond(req, payloads...)
		return nil
	}
	child := m.respondChild(sa, childRequest{req: req, ni: ni, nr: nr, first: true})
	sa.respond(req, append(payloads, child.payloads...)...)
	child.conclude()
	return nil
}

// claims are the identities of the request: the initiator's, and the one it wants to talk to, %any when it does not say.
func (sa *ikeSA) claims(req *request) (idi, idr auth.Identity, reason *core.Reason) {
	idi, err := wire.First[*wire.IDi](req.msg).Identity()
	if p := wire.First[*wire.IDr](req.msg); err == nil && p != nil {
		idr, err = p.Identity()
	}
	if err != nil {
		reason = sa.reason(core.InvalidSyntax, 1, "IKE_AUTH", req.msg.MessageID, err.Error())
	}
	return idi, idr, reason
}

// establish makes an IKE SA of a proven peer the lineage's own.
func (m *Machine) establish(sa *ikeSA, contact bool) {
	sa.state = core.IKEEstablished
	sa.reapAt = zero
	sa.opened = nil
	sa.keys.wipeProofs()
	m.attempt.number = 0
	m.schedule(sa)
	m.logf("IKE", 0, "IKE_SA %s established between %s[%s]...%s[%s]", sa.name(), sa.local.Addr().Unmap(), sa.localID, sa.remote.Addr().Unmap(), sa.remoteID)
	m.emit(core.Established{IKE: m.ikeStatus(sa), Connection: m.conn, InitialContact: contact})
	m.tellAssigned(sa)
	ops := m.ikeOps
	m.ikeOps = nil
	for _, op := range ops {
		op.pending--
		m.conclude(op)
	}
}
