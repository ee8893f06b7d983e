package ikev2

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"

	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// applicant is an initiator that wants to be let in.
type applicant struct {
	first *request      // IKE_AUTH's first; its SA, TSi, TSr and CP are answered at the end
	req   *request      // that is being answered
	asked auth.Identity // whom it wants to talk to; %any when it does not say
	*claim
	conns   []*core.Connection // that may be meant and were not tried
	conn    *core.Connection   // that is being followed; nil before the first round
	refusal *core.Reason       // of the first that was tried
	follows bool               // it has another round (ANOTHER_AUTH_FOLLOWS)
	rounds
	me      own          // who we are in our next round
	lacking *core.Reason // why nothing proves it
	body    []byte       // of our last IDr
	only    bool         // EAP alone proves who we are (RFC 5998)
	talk    talk         // EAP under way or at its end; the zero value is none
}

// answerAuth is the responder's side of IKE_AUTH, one message after the other. Whoever is refused learns AUTHENTICATION_FAILED
// and no more, after the same work as for a wrong key: whether an identity is known does not show in time.
func (m *Machine) answerAuth(sa *ikeSA, req *request) {
	a := sa.opened.applicant
	if a == nil {
		a = &applicant{first: req}
		sa.opened.applicant = a
	}
	a.req = req
	switch {
	case a.talk.under():
		m.converse(sa, a)
	case a.talk.result != nil:
		m.takeProofByEAP(sa, a)
	case a.conn != nil && a.theirs == len(a.conn.Remote) && req.msg.Count(wire.TypeIDi) == 0:
		m.goOn(sa, a, nil) // it waits for a round of ours
	default:
		m.answerRound(sa, a)
	}
}

// answerRound takes a round of the initiator.
func (m *Machine) answerRound(sa *ikeSA, a *applicant) {
	if missing := lacks(a.req.msg, wire.TypeIDi); missing != "" {
		m.refuseSyntax(sa, a.req, "IKE_AUTH: "+missing)
		return
	}
	reason := a.read(sa)
	switch {
	case a.conn == nil:
		m.beginWith(sa, a, reason)
		return
	case reason == nil && a.theirs == len(a.conn.Remote):
		reason = sa.tooManyRounds(a.msgID)
	case reason == nil:
		a.round = a.theirs
		a.prepare(sa, a.conn)
		m.verify(sa, a.conn, a.claim, nil, func(reason *core.Reason) { m.judgedRound(sa, a, reason) })
		return
	}
	m.reject(sa, a, reason)
}

// beginWith finds the connection that the first round is for.
func (m *Machine) beginWith(sa *ikeSA, a *applicant, reason *core.Reason) {
	if a.refusal = reason; reason == nil {
		a.conns = fitting(sa.opened.candidates, sa.set.Proposal, a.claim, a.asked, a.follows)
		if len(a.conns) == 0 {
			m.spend(sa, a.claim)
			a.refusal = sa.noConnectionForIdentities(a.id, a.asked, a.req.msg.MessageID)
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
	if a.claim == nil {
		a.asked = idr
		sa.readRequests(a.req.msg)
		sa.opened.eapOnly = a.req.msg.Notify(wire.EAPOnlyAuthentication) != nil
		sa.opened.multiple = sa.opened.multiple || a.req.msg.Notify(wire.MultipleAuthSupported) != nil
	}
	sa.remoteID = idi
	a.follows = a.req.msg.Notify(wire.AnotherAuthFollows) != nil
	a.claim, reason = sa.readClaim(a.req.msg, idi, bytes.Clone(wire.First[*wire.IDi](a.req.msg).Body()))
	return reason
}

// consider tries the next connection that the applicant may mean. One demands a CA, say, that another does not.
func (m *Machine) consider(sa *ikeSA, a *applicant) {
	if len(a.conns) == 0 {
		m.reject(sa, a, a.refusal)
		return
	}
	conn := a.conns[0]
	a.conns = a.conns[1:]
	a.prepare(sa, conn)
	m.verify(sa, conn, a.claim, nil, func(reason *core.Reason) {
		if reason == nil {
			a.conn, m.conn = conn, conn
			m.logf("CFG", 1, "selected peer config %s", quoted(conn.Name))
			reason = m.goOnAfter(sa, a)
		}
		if reason == nil {
			return
		}
		a.conn, m.conn, a.rounds, a.only, a.body = nil, nil, rounds{}, false, nil
		if a.refusal == nil {
			a.refusal = reason
		}
		m.consider(sa, a)
	})
}

// reject ends the IKE SA with an applicant that is not let in.
func (m *Machine) reject(sa *ikeSA, a *applicant, reason *core.Reason) {
	a.wipe()
	sa.respond(a.req, &wire.Notify{NotifyType: wire.AuthenticationFailed})
	m.endAnswered(sa, reason)
}

func (a *applicant) wipe() {
	if a != nil {
		a.talk.wipe()
	}
}

// leaves is why an applicant has given up: what we know of a wrong password, say, or what it tells.
func (a *applicant) leaves(sa *ikeSA, req *request) *core.Reason {
	defer a.wipe()
	if server, ok := a.talk.machine.(*eap.Server); ok && server.Failing() != nil {
		return sa.refusedEAP(a.conn.Remote[a.theirs], server.Failing(), req.msg.MessageID)
	}
	if n := req.msg.ErrorNotify(); n != nil {
		return sa.refusedBy(n, 1, req.msg)
	}
	r := sa.reason(core.Deleted, 1, "INFORMATIONAL", req.msg.MessageID, fmt.Sprintf("the peer %q gave up before it was authenticated", sa.remoteID))
	r.ByPeer = true
	return r
}

// judgedRound is the end of a later round.
func (m *Machine) judgedRound(sa *ikeSA, a *applicant, reason *core.Reason) {
	if reason == nil {
		reason = m.goOnAfter(sa, a)
	}
	if reason != nil {
		m.reject(sa, a, reason)
	}
}

// goOnAfter answers a round that was accepted: with what proves us, if it is our turn, and with EAP's first packet, if the
// initiator wants to prove itself by EAP.
func (m *Machine) goOnAfter(sa *ikeSA, a *applicant) *core.Reason {
	proof, reason := m.ownRound(sa, a)
	if reason != nil {
		return reason
	}
	if a.method() == core.AuthEAP {
		return m.beginTalk(sa, a, proof)
	}
	a.theirs++
	m.goOn(sa, a, proof)
	return nil
}

// prepare finds out who we are in our next round. It comes before the judgement of the applicant, which the choice of a
// pre-shared key depends on, and costs the same whatever that is.
func (a *applicant) prepare(sa *ikeSA, conn *core.Connection) {
	if a.mine == len(conn.Local) || a.only {
		return
	}
	a.me, a.lacking = sa.introduce(conn, a.mine, a.asked, a.id, a.req.msg.MessageID)
	sa.localID = a.me.id
}

// ownRound is our next authentication round, nothing when there is none:
//
//	IDr, [CERT,] AUTH [, N(ANOTHER_AUTH_FOLLOWS)]
func (m *Machine) ownRound(sa *ikeSA, a *applicant) ([]wire.Payload, *core.Reason) {
	conn := a.conn
	if a.mine == len(conn.Local) || a.only {
		return nil, nil
	}
	mine, me, reason := conn.Local[a.mine], a.me, a.lacking
	if reason == nil && len(conn.Local) > 1 && !sa.opened.multiple {
		reason = sa.noSeveralRounds()
	}
	if reason == nil && mine.Method == core.AuthEAP {
		reason = sa.mayRelyOnEAP(a)
	}
	if reason != nil {
		return nil, reason
	}
	idr := &wire.IDr{ID: wire.NewID(me.id)}
	a.body = idr.Body()
	if mine.Method == core.AuthEAP {
		a.only = true
		return []wire.Payload{idr}, nil
	}
	certificates, proof, reason := sa.prove(conn, me, a.body)
	if reason != nil {
		return nil, reason
	}
	a.mine++
	return append(append([]wire.Payload{idr}, certificates...), proof), nil
}

// another tells that we have one more round, which is not EAP's.
func (a *applicant) another() []wire.Payload {
	if a.only {
		return nil
	}
	return a.rounds.another(a.conn)
}

// goOn answers with what there is to say, waits for the next round, or lets the applicant in when there is none left.
func (m *Machine) goOn(sa *ikeSA, a *applicant, payloads []wire.Payload) {
	if payloads == nil && a.theirs == len(a.conn.Remote) && !a.follows {
		a.prepare(sa, a.conn)
		proof, reason := m.ownRound(sa, a)
		if reason != nil {
			m.reject(sa, a, reason)
			return
		}
		payloads = proof
	}
	switch {
	case a.follows && a.theirs == len(a.conn.Remote):
		m.reject(sa, a, sa.tooManyRounds(a.req.msg.MessageID))
	case !a.follows && a.theirs < len(a.conn.Remote):
		m.reject(sa, a, sa.tooFewRounds(a.conn, a.theirs, a.req.msg.MessageID))
	case a.follows || a.mine < len(a.conn.Local):
		sa.respond(a.req, append(payloads, a.another()...)...)
	default:
		m.admit(sa, a, payloads)
	}
}

// admit lets an applicant in that has proved who it is, behind the last proof of who we are.
func (m *Machine) admit(sa *ikeSA, a *applicant, payloads []wire.Payload) {
	ni, nr := sa.opened.ni, sa.opened.nr
	req := a.req
	wishes := &request{msg: a.first.msg, from: req.from}
	config, refusal := m.answerConfiguration(sa, wishes)
	m.establish(sa, wishes.msg.Notify(wire.InitialContact) != nil)
	payloads = append(append(payloads, config...), m.authLifetime(sa)...)
	if refusal != nil {
		sa.respond(req, append(payloads, refusal.payloads...)...)
		refusal.conclude()
		return
	}
	if wishes.msg.Count(wire.TypeSA) == 0 || wishes.msg.Count(wire.TypeTSi) == 0 || wishes.msg.Count(wire.TypeTSr) == 0 {
		sa.respond(req, payloads...)
		return
	}
	child := m.respondChild(sa, childRequest{req: wishes, ni: ni, nr: nr, first: true})
	sa.respond(req, append(payloads, child.payloads...)...)
	child.conclude()
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

// beginTalk begins EAP with an applicant; proof goes before its first packet.
func (m *Machine) beginTalk(sa *ikeSA, a *applicant, proof []wire.Payload) *core.Reason {
	machine, err := sa.eapServer(a)
	if err != nil {
		return sa.refusedEAP(a.conn.Remote[a.theirs], asEAPReason(err), a.req.msg.MessageID)
	}
	a.talk = talk{machine: machine, radius: a.conn.Remote[a.theirs].EAP.RADIUS}
	m.turn(sa, a, machine.Start(), append(proof, a.another()...))
	return nil
}

// converse takes a packet of the applicant in its conversation.
func (m *Machine) converse(sa *ikeSA, a *applicant) {
	if missing := lacks(a.req.msg, wire.TypeEAP); missing != "" {
		a.wipe()
		m.refuseSyntax(sa, a.req, "IKE_AUTH: "+missing)
		return
	}
	m.turn(sa, a, a.talk.machine.Receive(m.now, wire.First[*wire.EAP](a.req.msg).Packet), nil)
}

// takeProofByEAP takes the applicant's AUTH at the end of EAP (RFC 7296 §2.16), and answers with ours.
func (m *Machine) takeProofByEAP(sa *ikeSA, a *applicant) {
	if missing := lacks(a.req.msg, wire.TypeAUTH); missing != "" {
		a.wipe()
		m.refuseSyntax(sa, a.req, "IKE_AUTH: "+missing)
		return
	}
	result := a.talk.result
	defer a.wipe()
	if !sa.checkAUTH(wire.First[*wire.AUTH](a.req.msg), result.MSK, a.claim.body) {
		reason := sa.wrongKeyOfEAP(a.req.msg.MessageID)
		if a.talk.radius && len(result.MSK) == 0 {
			reason.Text = fmt.Sprintf("the AUTH of %q is made with a key of EAP that the RADIUS server has not sent, or with a wrong one", sa.remoteID)
			reason.Fix = "let the RADIUS server send MS-MPPE-Send-Key and MS-MPPE-Recv-Key (in FreeRADIUS `use_mppe = yes`)"
		}
		m.reject(sa, a, reason)
		return
	}
	m.logf("IKE", 1, "authentication of '%s' with EAP successful", sa.remoteID)
	sa.eapID, a.talk.result = a.userName(m.env.Catalog(), result), nil
	if a.talk.radius {
		grant := result.Grant
		sa.grant = &grant
	}
	a.follows = a.req.msg.Notify(wire.AnotherAuthFollows) != nil
	a.theirs++
	if a.only {
		a.only = false
		a.mine++
	}
	m.logf("IKE", 1, "authentication of '%s' (myself) with EAP", sa.localID)
	own := sa.ownAUTH(result.MSK, a.body)
	result.Wipe()
	m.goOn(sa, a, []wire.Payload{own})
}

// meant are the connections that the applicant may mean while it does EAP: the one that is being followed, and those that differ
// from it only in what is not settled before EAP's end.
func (sa *ikeSA) meant(a *applicant) []*core.Connection {
	conns := []*core.Connection{a.conn}
	for _, c := range a.conns {
		if sa.unsupported(c) == nil && a.saidFor(c) && a.provedFor(c) && sa.mayTake(c, a) {
			conns = append(conns, c)
		}
	}
	return conns
}

// saidFor tells whether a connection would have had us say what we said.
func (a *applicant) saidFor(c *core.Connection) bool {
	if len(c.Local) != len(a.conn.Local) {
		return false
	}
	for i, mine := range a.conn.Local[:max(a.mine, 1)] {
		if c.Local[i].ID != mine.ID || c.Local[i].Method != mine.Method {
			return false
		}
	}
	return true
}

// provedFor tells whether a connection demands in the rounds that are done what the followed one does, which judged them.
func (a *applicant) provedFor(c *core.Connection) bool {
	if len(c.Remote) != len(a.conn.Remote) {
		return false
	}
	for i, judged := range a.conn.Remote[:a.theirs] {
		want := c.Remote[i]
		want.Source, want.IDSource = judged.Source, judged.IDSource
		if !reflect.DeepEqual(want, judged) {
			return false
		}
	}
	return true
}

// mayTake tells whether a connection takes the EAP that is under way.
func (sa *ikeSA) mayTake(c *core.Connection, a *applicant) bool {
	want, under := c.Remote[a.theirs], a.conn.Remote[a.theirs]
	method := want.EAP.Method == under.EAP.Method || want.EAP.Method == 0 && slices.Contains(sa.m.env.Settings.EAP.Preferred, under.EAP.Method)
	return want.Method == core.AuthEAP && want.EAP.RADIUS == under.EAP.RADIUS && method && a.id.Matches(want.ID) != auth.MatchNone
}
