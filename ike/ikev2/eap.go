package ikev2

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// talk is a responder's conversation by EAP, under way or at its good end.
type talk struct {
	machine  talker         // nil when none is under way
	radius   bool           // an authentication server decides
	question uint64         // that it was asked and has not answered; 0 none
	before   []wire.Payload // of the response that waits for that
	result   *eap.Result    // of the end; the initiator's AUTH is awaited
}

// talker is an eap.Server or an eap.PassThrough.
type talker interface {
	Start() eap.Step
	Receive(now time.Time, octets []byte) eap.Step
	Wipe()
}

func (t *talk) under() bool { return t.machine != nil }

func (t *talk) wipe() {
	if t.machine != nil {
		t.machine.Wipe()
	}
	if t.result != nil {
		t.result.Wipe()
	}
	*t = talk{}
}

// asks tells that an authentication server is being asked about the peer.
func (sa *ikeSA) asks() bool {
	return sa.opened != nil && sa.opened.applicant != nil && sa.opened.applicant.talk.question != 0
}

// turn does what a conversation says is next; before goes before its packet in the response.
func (m *Machine) turn(sa *ikeSA, a *applicant, step eap.Step, before []wire.Payload) {
	if step.Discarded != nil {
		m.logf("IKE", 1, "%v", step.Discarded)
	}
	switch {
	case step.Ask != nil:
		m.questions++
		a.talk.question, a.talk.before = m.questions, before
		m.emit(core.Ask{ID: m.questions, Question: core.EAPQuestion{Question: *step.Ask, IKE: m.ikeStatus(sa)}})
	case step.Done != nil && step.Done.Err != nil:
		m.failTalk(sa, a, step.Done.Err, before, step.Send)
	case step.Done != nil:
		m.endTalk(sa, a, step.Done, before, step.Send)
	case step.Send != nil:
		sa.respond(a.req, append(before, &wire.EAP{Packet: step.Send})...)
	default:
		m.failTalk(sa, a, step.Discarded, before, nil)
	}
}

// answeredEAP brings the answer of an authentication server to the conversation that asked.
func (m *Machine) answeredEAP(sa *ikeSA, answer core.Answer) {
	a := sa.opened.applicant
	got, ok := answer.Value.(eap.Answer)
	if answer.Err == nil && !ok {
		answer.Err = errors.New("there is no answer")
	}
	before := a.talk.before
	a.talk.question, a.talk.before = 0, nil
	m.turn(sa, a, a.talk.machine.(*eap.PassThrough).Answer(got, answer.Err), before)
}

// failTalk tells the peer that EAP has failed, and nothing of why.
func (m *Machine) failTalk(sa *ikeSA, a *applicant, reason *eap.Reason, before []wire.Payload, packet []byte) {
	a.wipe()
	if packet != nil {
		before = append(before, &wire.EAP{Packet: packet})
	}
	sa.respond(a.req, append(before, &wire.Notify{NotifyType: wire.AuthenticationFailed})...)
	m.endAnswered(sa, sa.refusedEAP(a.conn.Remote[a.theirs], reason, a.req.msg.MessageID))
}

// endTalk judges what EAP proved, and says Success to a peer that may be let in.
func (m *Machine) endTalk(sa *ikeSA, a *applicant, result *eap.Result, before []wire.Payload, packet []byte) {
	a.talk.machine, a.talk.result = nil, result
	m.logf("IKE", 1, "EAP method %s succeeded for '%s', %s", methodName(result), auth.FromUser(result.Identity), established(result))
	if a.only && len(result.MSK) == 0 {
		r := sa.reason(core.AuthenticationFailed, 1, "IKE_AUTH", a.req.msg.MessageID, "the EAP method made no key, so it proves nobody to the peer")
		r.Fix = "use EAP-TLS, EAP-TTLS or PEAP, or `local { auth = pubkey }`" + at(a.conn.Local[0].Source)
		m.reject(sa, a, r)
		return
	}
	m.settleUser(sa, a, result, sa.meant(a), nil, func(reason *core.Reason) {
		if reason != nil {
			m.reject(sa, a, reason)
			return
		}
		sa.respond(a.req, append(before, &wire.EAP{Packet: packet})...)
	})
}

// settleUser finds the first connection that takes the user, and the certificate that TLS showed. The refusal is why the first of
// all did not.
func (m *Machine) settleUser(sa *ikeSA, a *applicant, result *eap.Result, conns []*core.Connection, refusal *core.Reason, then func(*core.Reason)) {
	if len(conns) == 0 {
		then(refusal)
		return
	}
	conn := conns[0]
	next := func(reason *core.Reason) { m.settleUser(sa, a, result, conns[1:], cmp.Or(refusal, reason), then) }
	if reason := sa.takesUser(conn, a, result); reason != nil {
		next(reason)
		return
	}
	sa.judgeClient(conn, a, result.Certificates, func(err error) {
		if err != nil {
			next(sa.refusedEAP(conn.Remote[a.theirs], distrusted(result.Method, err), a.req.msg.MessageID))
			return
		}
		if conn != a.conn {
			m.logf("CFG", 1, "switching to peer config %s", quoted(conn.Name))
			a.conn, m.conn = conn, conn
		}
		then(nil)
	})
}

// takesUser tells whether a connection is for whom EAP proved the peer to be; nil if it is.
func (sa *ikeSA) takesUser(conn *core.Connection, a *applicant, result *eap.Result) *core.Reason {
	want := conn.Remote[a.theirs]
	user := auth.FromUser(a.userName(sa.m.env.Catalog(), result))
	text, fix := "", ""
	switch {
	case want.EAP.IDSet && user.Matches(want.EAP.ID) == auth.MatchNone:
		text = fmt.Sprintf("EAP proved the peer to be %q, connection %s requires %q", result.Identity, quoted(conn.Name), want.EAP.ID)
		fix = fmt.Sprintf("set `eap_id` of `remote`%s to %s", at(want.Source), user)
	// An address says nothing of a user, unless it is what the connection is for.
	case !want.EAP.IDSet && !want.EAP.RADIUS && !(isAddress(a.id) && want.ID.IsAny()) && !provesUser(result, a.id):
		text = fmt.Sprintf("the peer says it is %q, and EAP proved it to be %q", a.id, result.Identity)
		fix = fmt.Sprintf("set `eap_id = %%any` in `remote`%s to tell users by EAP alone", at(want.Source))
	case demandsCertificate(want) && len(result.Certificates) == 0:
		text = fmt.Sprintf("connection %s requires a certificate, and %s shows none of the peer", quoted(conn.Name), methodName(result))
		fix = "let the peer use EAP-TLS, or remove `cacerts` and the like" + at(want.Source)
	case len(want.Groups) > 0 && !slices.ContainsFunc(result.Grant.Groups, func(group string) bool { return slices.Contains(want.Groups, group) }):
		return sa.inNoGroup(conn, want, result.Identity, a.req.msg.MessageID)
	default:
		return nil
	}
	r := sa.reason(core.AuthenticationFailed, 1, "IKE_AUTH", a.req.msg.MessageID, text)
	r.Conn, r.Fix = conn.Name, clip(fix)
	return r
}

// demandsCertificate tells whether a round takes nobody without a certificate inside EAP. It has no such demand where its method shows
// none to us.
func demandsCertificate(want core.Auth) bool {
	return certified(want) && !want.EAP.RADIUS && (want.EAP.Method == 0 || slices.Contains(provingMethods, want.EAP.Method))
}

// inNoGroup tells of a peer that is in none of the groups that a connection is for.
func (sa *ikeSA) inNoGroup(conn *core.Connection, want core.Auth, name string, id uint32) *core.Reason {
	r := sa.reason(core.AuthenticationFailed, 1, "IKE_AUTH", id,
		fmt.Sprintf("the peer %q is in none of the groups %s that connection %s requires", name, strings.Join(want.Groups, ", "), quoted(conn.Name)))
	r.Conn = conn.Name
	r.Fix = "have the RADIUS server name one of them in Class, or change `groups`" + at(want.Source)
	return r
}

// provesUser tells whether EAP proved an IKE identity: by the same name, with or without a Windows domain, or by a certificate
// that has it.
func provesUser(result *eap.Result, id auth.Identity) bool {
	if len(result.Certificates) > 0 && result.Method == eap.TypeTLS {
		c, err := auth.NewCertificate(result.Certificates[0])
		return err == nil && c.Proves(id) == auth.MatchPerfect
	}
	return id.IsUser(result.Identity)
}

func isAddress(id auth.Identity) bool {
	return id.Type == auth.IDIPv4Addr || id.Type == auth.IDIPv6Addr
}

// peer is who the peer is, for leases and the like: whom EAP proved it to be, or its IKE identity.
func (sa *ikeSA) peer() auth.Identity {
	return core.IKEStatus{RemoteID: sa.remoteID, RemoteEAPID: sa.eapID}.Peer()
}

// granted are the addresses that an authentication server allows the peer.
func (sa *ikeSA) granted() []netip.Addr {
	if sa.grant == nil {
		return nil
	}
	return sa.grant.Addresses
}

// ownAUTH is our AUTH at the end of EAP, made with its key.
//
//	"For EAP methods that create a shared key as a side effect of authentication, that shared key MUST be used by both the
//	initiator and responder to generate AUTH payloads … If EAP methods that do not generate a shared key are used, then AUTH
//	payloads … MUST be generated using SK_pi and SK_pr, respectively."  RFC 7296 §2.16
func (sa *ikeSA) ownAUTH(msk secret.Bytes, idBody []byte) wire.Payload {
	key := msk
	if len(key) == 0 {
		key = sa.ownP()
	}
	octets := auth.SignedOctets(sa.keys.prf, sa.opened.localMessage, sa.theirNonce(), sa.ownP(), idBody)
	return &wire.AUTH{Method: wire.AuthSharedKeyMIC, Data: auth.PSK(sa.keys.prf, key, octets)}
}

// checkAUTH verifies the peer's.
func (sa *ikeSA) checkAUTH(proof *wire.AUTH, msk secret.Bytes, idBody []byte) bool {
	key := msk
	if len(key) == 0 {
		key = sa.peerP()
	}
	octets := auth.SignedOctets(sa.keys.prf, sa.opened.remoteMessage, sa.ourNonce(), sa.peerP(), idBody)
	return auth.VerifyPSK(sa.keys.prf, key, octets, proof.Data) && proof.Method == wire.AuthSharedKeyMIC
}

// provingMethods are those that prove the server to the peer, and are safe without another proof (RFC 5998 §4).
var provingMethods = []eap.Type{eap.TypeTLS, eap.TypeTTLS, eap.TypePEAP}

func mutual(r *eap.Result) bool { return slices.Contains(provingMethods, r.Method) && len(r.MSK) > 0 }

// methodName is "EAP-TTLS with MSCHAPv2", or "of the authentication server".
func methodName(r *eap.Result) string {
	name := "of the authentication server"
	if r.Method != 0 {
		name = "EAP-" + r.Method.String()
	}
	switch {
	case r.Inner != 0:
		name += " with EAP-" + r.InnerName
	case r.InnerName != "":
		name += " with " + r.InnerName
	}
	return name
}

func established(r *eap.Result) string {
	if len(r.MSK) == 0 {
		return "no MSK established"
	}
	return "MSK established"
}

// mayRelyOnEAP tells why EAP alone cannot prove us to an applicant; nil if it can.
func (sa *ikeSA) mayRelyOnEAP(a *applicant) *core.Reason {
	if !sa.opened.eapOnly {
		r := sa.reason(core.AuthenticationFailed, 1, "IKE_AUTH", a.req.msg.MessageID, "the peer wants another proof of who we are than EAP")
		r.Conn = a.conn.Name
		r.Fix = "let the peer rely on EAP (`remote { auth = eap-tls }` there), or write `local { auth = pubkey }`" + at(a.conn.Local[0].Source)
		return r
	}
	return nil
}

func distrusted(method eap.Type, err error) *eap.Reason {
	return &eap.Reason{Kind: eap.BadCertificate, Method: method, Text: clip(err.Error())}
}

func asEAPReason(err error) *eap.Reason {
	var r *eap.Reason
	if errors.As(err, &r) {
		return r
	}
	return &eap.Reason{Kind: eap.BadConfig, Text: clip(err.Error())}
}

// refusedEAP is the reason that the failure of EAP is; a is the round of who has to prove itself by it.
func (sa *ikeSA) refusedEAP(a core.Auth, e *eap.Reason, id uint32) *core.Reason {
	if e == nil {
		e = &eap.Reason{Kind: eap.Internal, Text: "EAP came to no end"}
	}
	kind := core.AuthenticationFailed
	if e.Kind == eap.BadConfig {
		kind = core.BadConfig
	}
	plain := *e
	plain.Offered, plain.Acceptable, plain.Fix = "", "", ""
	r := sa.reason(kind, 1, "IKE_AUTH", id, plain.Error()+at(a.Source))
	r.ByPeer, r.Offered, r.Acceptable, r.Fix = e.ByPeer, e.Offered, e.Acceptable, clip(e.Fix)
	if r.Fix != "" {
		return r
	}
	switch {
	case sa.initiator && (e.Kind == eap.Refused || e.Kind == eap.BadCredentials):
		r.Fix = "compare the name and the secret `eap…` of `secrets`, or the certificate, with what the peer has; its log says why"
	case e.Kind == eap.BadCredentials && !sa.initiator:
		r.Fix = "compare the user's secret in `secrets` with the peer's"
	case e.Kind == eap.NoMethod:
		r.Fix = "set `auth` to a method that both sides have" + at(a.Source)
	case e.Kind == eap.BadCertificate && sa.initiator:
		r.Fix = "let the server have a certificate with the responder's identity, or name the server's in `aaa_id`" + at(a.Source)
	}
	return r
}

// wrongKeyOfEAP tells that the peer's AUTH was not made with the key of EAP.
func (sa *ikeSA) wrongKeyOfEAP(id uint32) *core.Reason {
	return sa.reason(core.AuthenticationFailed, 1, "IKE_AUTH", id, fmt.Sprintf("the AUTH of %q does not fit the key that EAP made: somebody else may be between us", sa.remoteID))
}

func (sa *ikeSA) unexpectedEAP(id uint32) *core.Reason {
	return sa.reason(core.InvalidSyntax, 1, "IKE_AUTH", id, "the peer sent EAP, which nobody asked for")
}

// noSeveralRounds tells of a peer that does not know RFC 4739: a responder says it in IKE_SA_INIT, an initiator in IKE_AUTH.
func (sa *ikeSA) noSeveralRounds() *core.Reason {
	conn, exchange, id := sa.m.conn, "IKE_SA_INIT", uint32(0)
	if !sa.initiator {
		exchange, id = "IKE_AUTH", 1
	}
	r := sa.reason(core.BadConfig, 1, exchange, id, "the peer does not take several authentication rounds (RFC 4739)")
	r.Fix = fmt.Sprintf("keep one section `local-…` of connection %s%s, or add rounds to the peer's configuration", quoted(conn.Name), at(conn.Local[1].Source))
	return r
}

// tooManyRounds tells of a peer that has a further authentication round.
func (sa *ikeSA) tooManyRounds(id uint32) *core.Reason {
	conn := sa.m.conn
	r := sa.reason(core.AuthenticationFailed, 1, "IKE_AUTH", id, fmt.Sprintf("the peer has more authentication rounds than connection %s, which has %d for it", quoted(conn.Name), len(conn.Remote)))
	r.Fix = "add a section `remote-…` for each of the peer's rounds" + at(conn.Source)
	return r
}

// tooFewRounds tells of a peer that has no further authentication round, but should.
func (sa *ikeSA) tooFewRounds(conn *core.Connection, done int, id uint32) *core.Reason {
	want := conn.Remote[done]
	r := sa.reason(core.AuthenticationFailed, 1, "IKE_AUTH", id,
		fmt.Sprintf("the peer ends after authentication round %d, connection %s requires another by %s", done, quoted(conn.Name), words[want.Method]))
	r.Conn = conn.Name
	r.Fix = "let the peer authenticate in as many rounds (RFC 4739), or remove the section" + at(want.Source)
	return r
}
