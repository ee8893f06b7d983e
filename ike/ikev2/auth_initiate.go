package ikev2

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// ikeAuth is IKE_AUTH (RFC 7296 §1.2): it proves the identities and, unless it is childless (RFC 6023), brings up the first
// Child SA, whose failure alone leaves the IKE SA standing.
//
// It takes as many messages as the rounds of both sides need (RFC 4739), and EAP takes its own (RFC 7296 §2.16):
//
//	IDi, [CERT,] [AUTH,] SA, TSi, TSr ──▶ ◀── IDr, [CERT,] AUTH [, EAP]      introduce, introduced
//	EAP ──▶ ◀── EAP                                                           converse, conversed
//	AUTH, made with the key of EAP ──▶ ◀── AUTH, SA, TSi, TSr                 proveByEAP, provedByEAP
type ikeAuth struct {
	base
	child *createChild // nil: childless
	begun bool         // the first request is out
	rounds
	idBody, peerBody []byte       // bodies of our last IDi and of the responder's last IDr
	asked            bool         // the request under way asks for EAP
	follows          bool         // the responder has another round (ANOTHER_AUTH_FOLLOWS)
	only             bool         // the responder proves itself by EAP alone (RFC 5998)
	peer             *eap.Peer    // our conversation; nil when none is under way
	packet           secret.Bytes // of ours, to be sent; a password can be in it
	server           *auth.Trial  // of the server's chain that TLS has just shown
	eap              *eap.Result
}

// rounds is how many authentication rounds of either side are done.
type rounds struct{ mine, theirs int }

func (x *ikeAuth) task() string              { return "IKE_AUTH" }
func (x *ikeAuth) kind() header.ExchangeType { return header.IKEAuth }

func (x *ikeAuth) wipe() {
	if x.child != nil {
		x.child.wipe()
	}
	if x.peer != nil {
		x.peer.Wipe()
	}
	if x.eap != nil {
		x.eap.Wipe()
	}
	x.packet.Wipe()
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
	switch {
	case x.packet != nil:
		return []wire.Payload{&wire.EAP{Packet: x.packet}}, true
	case x.eap != nil:
		return x.proveByEAP(sa), true
	case x.mine == len(m.conn.Local):
		return nil, true // the responder has a round that we have not
	}
	payloads, reason := x.introduce(sa)
	if reason == nil && !x.begun {
		x.child, reason = m.firstChild(sa)
	}
	switch {
	case reason != nil && x.begun:
		x.refuse(sa, reason)
		return nil, false
	case reason != nil:
		x.giveUp(sa, reason)
		return nil, false
	case x.begun:
		return payloads, true
	}
	x.begun = true
	payloads = append(payloads, m.askConfiguration()...)
	if x.child == nil {
		return payloads, true
	}
	m.logf("CHD", 0, "establishing CHILD_SA %s", x.child.offer.cfg.Name)
	child, err := x.child.offer.payloads(sa, nil)
	if err != nil {
		x.giveUp(sa, sa.reason(core.Internal, 2, "IKE_AUTH", 1, err.Error()))
		return nil, false
	}
	return append(payloads, child...), true
}

// introduce is the part of the request that is about who we are in the next round:
//
//	IDi, [CERT,] [N(INITIAL_CONTACT),] [CERTREQ,] [IDr,] AUTH     RFC 7296 §1.2, Appendix C.2
//
// Without AUTH it asks for EAP (§2.16).
func (x *ikeAuth) introduce(sa *ikeSA) ([]wire.Payload, *core.Reason) {
	m := sa.m
	conn, mine := m.conn, m.conn.Local[x.mine]
	if reason := sa.unsupported(conn); reason != nil {
		return nil, reason
	}
	if len(conn.Local) > 1 && !sa.opened.multiple {
		return nil, sa.noSeveralRounds()
	}
	me, reason := sa.introduce(conn, x.mine, auth.Identity{}, conn.Remote[0].ID, sa.nextSend)
	sa.localID = me.id
	if reason != nil {
		return nil, reason
	}
	idi := &wire.IDi{ID: wire.NewID(me.id)}
	x.idBody = idi.Body()
	payloads := []wire.Payload{idi}
	var proof wire.Payload
	if mine.Method != core.AuthEAP {
		var certificates []wire.Payload
		if certificates, proof, reason = sa.prove(conn, me, x.idBody); reason != nil {
			return nil, reason
		}
		payloads = append(payloads, certificates...)
	}
	if !x.begun {
		payloads = append(payloads, x.first(sa, me.id)...)
	}
	if x.asked = proof == nil; x.asked {
		return payloads, nil
	}
	x.mine++
	return append(append(payloads, proof), x.another(conn)...), nil
}

// first is what only the first request says.
func (x *ikeAuth) first(sa *ikeSA, id auth.Identity) (payloads []wire.Payload) {
	m, remote := sa.m, sa.m.conn.Remote[0]
	if m.firstContact(id, remote.ID) {
		payloads = append(payloads, &wire.Notify{NotifyType: wire.InitialContact})
	}
	payloads = append(payloads, m.requests(m.conn)...)
	if sa.opened.multiple {
		payloads = append(payloads, &wire.Notify{NotifyType: wire.MultipleAuthSupported})
	}
	if remote.Method == core.AuthEAP {
		payloads = append(payloads, &wire.Notify{NotifyType: wire.EAPOnlyAuthentication})
	}
	if sendable(remote.ID) {
		payloads = append(payloads, &wire.IDr{ID: wire.NewID(remote.ID)})
	}
	return payloads
}

// another tells that we have one more round: ANOTHER_AUTH_FOLLOWS stands beside each AUTH but the last (RFC 4739 §2.2).
func (r rounds) another(conn *core.Connection) []wire.Payload {
	if r.mine == len(conn.Local) {
		return nil
	}
	return []wire.Payload{&wire.Notify{NotifyType: wire.AnotherAuthFollows}}
}

// response takes what the responder says, and goes on, or ends IKE_AUTH.
func (x *ikeAuth) response(sa *ikeSA, msg *wire.Message) {
	if refusal := msg.ErrorNotify(); refusal != nil && msg.Count(wire.TypeAUTH)+msg.Count(wire.TypeEAP) == 0 {
		x.giveUp(sa, sa.refusedBy(refusal, 1, msg))
		return
	}
	if msg.Notify(wire.AnotherAuthFollows) != nil {
		x.follows = true
	}
	switch {
	case x.peer != nil:
		x.conversed(sa, msg)
	case x.eap != nil:
		x.provedByEAP(sa, msg)
	case x.theirs == 0 || msg.Count(wire.TypeIDr) > 0 || x.follows && msg.Count(wire.TypeEAP) == 0:
		x.introduced(sa, msg)
	default:
		x.next(sa, msg)
	}
}

// introduced takes a round of the responder.
func (x *ikeAuth) introduced(sa *ikeSA, msg *wire.Message) {
	m := sa.m
	x.follows = msg.Notify(wire.AnotherAuthFollows) != nil
	required := []wire.PayloadType{wire.TypeIDr, wire.TypeAUTH}
	only := m.conn.Remote[0].Method == core.AuthEAP && x.theirs == 0 && msg.Count(wire.TypeAUTH) == 0 && msg.Count(wire.TypeEAP) > 0
	if only {
		required = required[:1]
	}
	if missing := lacks(msg, required...); missing != "" {
		x.refuse(sa, sa.reason(core.InvalidSyntax, 1, "IKE_AUTH", msg.MessageID, missing))
		return
	}
	if x.theirs == len(m.conn.Remote) {
		x.refuse(sa, sa.tooManyRounds(msg.MessageID))
		return
	}
	c, reason := sa.answerer(msg)
	if reason != nil {
		x.refuse(sa, reason)
		return
	}
	c.round, x.peerBody = x.theirs, c.body
	if only {
		x.relyOnEAP(sa, c, msg)
		return
	}
	m.verify(sa, m.conn, c, x, func(reason *core.Reason) {
		if reason != nil {
			x.refuse(sa, reason)
			return
		}
		x.theirs++
		x.next(sa, msg)
	})
}

// relyOnEAP goes on with a responder that shows nothing in IKE: what EAP proves has to be who it says it is (RFC 5998).
func (x *ikeAuth) relyOnEAP(sa *ikeSA, c *claim, msg *wire.Message) {
	sa.remoteID = c.id
	if c.id.Matches(sa.m.conn.Remote[0].ID) == auth.MatchNone {
		x.refuse(sa, sa.wrongIdentity(sa.m.conn, c))
		return
	}
	sa.m.logf("IKE", 1, "allow mutual EAP-only authentication")
	x.only = true
	x.next(sa, msg)
}

// next goes on behind a round: with EAP if that is ours, with our next round or the responder's, or to the end.
func (x *ikeAuth) next(sa *ikeSA, msg *wire.Message) {
	conn := sa.m.conn
	switch {
	case x.theirs < len(conn.Remote) && !x.follows && !x.only:
		// Before we prove more of ourselves, with a password perhaps.
		x.refuse(sa, sa.tooFewRounds(conn, x.theirs, msg.MessageID))
	case x.asked && msg.Count(wire.TypeEAP) > 0:
		x.beginEAP(sa, msg)
	case x.asked:
		x.refuse(sa, sa.reason(core.AuthenticationFailed, 1, "IKE_AUTH", msg.MessageID, "the peer did not begin EAP, which we asked for"))
	case msg.Count(wire.TypeEAP) > 0:
		x.refuse(sa, sa.unexpectedEAP(msg.MessageID))
	case x.mine < len(conn.Local) || x.follows:
		x.again(sa)
	default:
		x.accept(sa, msg)
	}
}

// again sends the next request of the exchange, unless the IKE SA is not wanted any more.
func (x *ikeAuth) again(sa *ikeSA) {
	if end := sa.m.ends(); end != nil {
		x.giveUp(sa, end.(*deleteIKE).reason)
		return
	}
	sa.m.begin(sa, x)
}

// answerer is the claim of who answered.
func (sa *ikeSA) answerer(msg *wire.Message) (*claim, *core.Reason) {
	idr := wire.First[*wire.IDr](msg)
	id, err := idr.Identity()
	if err != nil {
		return nil, sa.reason(core.InvalidSyntax, 1, "IKE_AUTH", msg.MessageID, err.Error())
	}
	return sa.readClaim(msg, id, bytes.Clone(idr.Body()))
}

// refuse ends the IKE SA with a responder that is not who it has to be, and tells it (RFC 7296 §2.21.2).
func (x *ikeAuth) refuse(sa *ikeSA, reason *core.Reason) {
	x.abort(sa.m, sa, nil)
	x.wipe()
	kind := wire.AuthenticationFailed
	if reason.Kind == core.InvalidSyntax {
		kind = wire.InvalidSyntax
	}
	sa.m.say(sa, kind, reason)
}

// giveUp ends the IKE SA without a word to the responder.
func (x *ikeAuth) giveUp(sa *ikeSA, reason *core.Reason) {
	x.abort(sa.m, sa, nil)
	x.wipe()
	sa.m.close(reason)
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

// beginEAP answers the responder's first packet.
func (x *ikeAuth) beginEAP(sa *ikeSA, msg *wire.Message) {
	x.asked = false
	peer, err := sa.eapPeer(x.mine, x.only, func(now time.Time, chain []*x509.Certificate) (err error) {
		if x.server, err = sa.tryServer(now, x.rounds, chain); err == nil {
			_, err = x.server.Verdict()
		}
		return err
	})
	if err != nil {
		x.refuse(sa, sa.refusedEAP(sa.m.conn.Local[x.mine], asEAPReason(err), msg.MessageID))
		return
	}
	x.peer = peer
	x.conversed(sa, msg)
}

// conversed takes a packet of the responder in our conversation.
func (x *ikeAuth) conversed(sa *ikeSA, msg *wire.Message) {
	m, mine := sa.m, sa.m.conn.Local[x.mine]
	if missing := lacks(msg, wire.TypeEAP); missing != "" {
		x.refuse(sa, sa.reason(core.InvalidSyntax, 1, "IKE_AUTH", msg.MessageID, missing))
		return
	}
	x.packet.Wipe()
	packet := wire.First[*wire.EAP](msg)
	step := x.peer.Receive(m.now, packet.Packet)
	if step.Notice != "" {
		m.logf("IKE", 0, "the peer has a message for the user: %s", quoted(step.Notice))
	}
	switch {
	case step.Done != nil && step.Done.Err == nil:
		x.finishEAP(sa, step.Done, msg)
	case step.Done != nil && packet.Code() == wire.EAPFailure:
		x.giveUp(sa, sa.refusedEAP(mine, step.Done.Err, msg.MessageID)) // the peer has ended it
	case step.Done != nil:
		x.refuse(sa, sa.refusedEAP(mine, step.Done.Err, msg.MessageID))
	case step.Send != nil:
		x.packet = step.Send
		x.trust(sa, msg)
	default:
		// There is no other packet to come: IKE's requests have one response each.
		x.refuse(sa, sa.refusedEAP(mine, step.Discarded, msg.MessageID))
	}
}

// finishEAP looks at what EAP proved of the responder, and goes on with AUTH.
func (x *ikeAuth) finishEAP(sa *ikeSA, result *eap.Result, msg *wire.Message) {
	x.peer, x.packet, x.eap = nil, nil, result
	sa.m.logf("IKE", 1, "EAP method %s succeeded, %s", methodName(result), established(result))
	if x.only && !mutual(result) {
		r := sa.reason(core.AuthenticationFailed, 1, "IKE_AUTH", msg.MessageID,
			fmt.Sprintf("the EAP method %s does not prove who the peer is, and nothing else does", methodName(result)))
		r.Fix = "let the peer prove itself by a certificate (`remote { auth = pubkey }`), or use EAP-TLS, EAP-TTLS or PEAP"
		x.refuse(sa, r)
		return
	}
	x.again(sa)
}

// trust goes on with a server that TLS has just shown when all that has to be asked for is known: nothing that is for nobody else,
// as a password, goes into the tunnel before.
func (x *ikeAuth) trust(sa *ikeSA, msg *wire.Message) {
	trial := x.server
	x.server = nil
	if trial == nil {
		x.again(sa)
		return
	}
	if _, err := trial.Verdict(); err != nil {
		x.again(sa) // TLS has an alert to send
		return
	}
	sa.judgeTLS(trial, x, func(err error) {
		if err != nil {
			x.refuse(sa, sa.refusedEAP(sa.m.conn.Local[x.mine], distrusted(x.peer.Method(), err), msg.MessageID))
			return
		}
		x.again(sa)
	})
}

// proveByEAP is our AUTH at the end of EAP (RFC 7296 §2.16).
func (x *ikeAuth) proveByEAP(sa *ikeSA) []wire.Payload {
	x.mine++
	sa.m.logf("IKE", 1, "authentication of '%s' (myself) with EAP", sa.localID)
	return append([]wire.Payload{sa.ownAUTH(x.eap.MSK, x.idBody)}, x.another(sa.m.conn)...)
}

// provedByEAP takes the responder's.
func (x *ikeAuth) provedByEAP(sa *ikeSA, msg *wire.Message) {
	if missing := lacks(msg, wire.TypeAUTH); missing != "" {
		x.refuse(sa, sa.reason(core.InvalidSyntax, 1, "IKE_AUTH", msg.MessageID, missing))
		return
	}
	right := sa.checkAUTH(wire.First[*wire.AUTH](msg), x.eap.MSK, x.peerBody)
	x.eap.Wipe()
	x.eap = nil
	if !right {
		x.refuse(sa, sa.wrongKeyOfEAP(msg.MessageID))
		return
	}
	sa.m.logf("IKE", 1, "authentication of '%s' with EAP successful", sa.remoteID)
	if x.only {
		x.only = false
		x.theirs++
		x.follows = msg.Notify(wire.AnotherAuthFollows) != nil
	}
	x.next(sa, msg)
}
