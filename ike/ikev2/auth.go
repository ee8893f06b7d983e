package ikev2

import (
	"github.com/goswan/goswan/crypto/secret"
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

// identify is the part of the request that is about who we are.
func (x *ikeAuth) identify(sa *ikeSA) ([]wire.Payload, *core.Reason) {
	m := sa.m
	local, remote := m.conn.Local[0], m.conn.Remote[0]
	sa.localID = local.ID
	if sa.localID.IsAny() {
		sa.localID = auth.FromAddr(sa.local.Addr())
	}
	if reason := sa.unsupported(m.conn); reason != nil {
		return nil, reason
	}
	keys := sharedKeys(m.env.Catalog(), sa.localID, remote.ID)
	if len(keys) == 0 {
		return nil, sa.noSecret(m.conn, "IKE_AUTH", 1, remote.ID)
	}
	idi := &wire.IDi{ID: wire.NewID(sa.localID)}
	m.logf("IKE", 1, "authentication of '%s' (myself) with pre-shared key", sa.localID)
	payloads := []wire.Payload{idi}
	if m.firstContact(sa.localID, remote.ID) {
		payloads = append(payloads, &wire.Notify{NotifyType: wire.InitialContact})
	}
	if sendable(remote.ID) {
		payloads = append(payloads, &wire.IDr{ID: wire.NewID(remote.ID)})
	}
	return append(payloads, sa.prove(keys[0].Key, idi.Body())), nil
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

// prove is our AUTH payload (RFC 7296 §2.15).
func (sa *ikeSA) prove(psk secret.Bytes, idBody []byte) *wire.AUTH {
	octets := auth.SignedOctets(sa.keys.prf, sa.opened.localMessage, sa.theirNonce(), sa.ownP(), idBody)
	return &wire.AUTH{Method: wire.AuthSharedKeyMIC, Data: auth.PSK(sa.keys.prf, psk, octets)}
}

// verify finds the secret that the peer's AUTH was made with, nil when there is none. The time it takes tells only how
// many secrets there are.
func (sa *ikeSA) verify(secrets []*core.Secret, idBody []byte, proof *wire.AUTH) *core.Secret {
	octets := auth.SignedOctets(sa.keys.prf, sa.opened.remoteMessage, sa.ourNonce(), sa.peerP(), idBody)
	var right *core.Secret
	for _, s := range secrets {
		if auth.VerifyPSK(sa.keys.prf, s.Key, octets, proof.Data) && right == nil {
			right = s
		}
	}
	return right
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

// response is the end of IKE_AUTH on the initiator's side.
func (x *ikeAuth) response(sa *ikeSA, msg *wire.Message) {
	m := sa.m
	row := row{required: []wire.PayloadType{wire.TypeIDr, wire.TypeAUTH}}
	missing := row.wrong(msg)
	if refusal := msg.ErrorNotify(); refusal != nil && missing != "" {
		x.abort(m, sa, nil)
		m.close(sa.refusedBy(refusal, 1, msg))
		return
	}
	reason := sa.reason(core.InvalidSyntax, 1, "IKE_AUTH", msg.MessageID, missing)
	if missing == "" {
		reason = sa.authenticate(msg)
	}
	if reason != nil {
		x.abort(m, sa, nil)
		kind := wire.AuthenticationFailed
		if reason.Kind == core.InvalidSyntax {
			kind = wire.InvalidSyntax
		}
		m.say(sa, kind, reason)
		return
	}
	opened := sa.opened
	m.takeConfiguration(msg)
	m.establish(sa, msg.Notify(wire.InitialContact) != nil)
	m.takeAuthLifetime(sa, msg)
	if x.child != nil {
		child := x.child
		x.child = nil
		child.accept(sa, msg, opened.ni, opened.nr)
	}
}

// authenticate checks who answered.
func (sa *ikeSA) authenticate(msg *wire.Message) *core.Reason {
	m := sa.m
	idr, proof := wire.First[*wire.IDr](msg), wire.First[*wire.AUTH](msg)
	id, err := idr.Identity()
	if err != nil {
		return sa.reason(core.InvalidSyntax, 1, "IKE_AUTH", msg.MessageID, err.Error())
	}
	want := m.conn.Remote[0]
	if id.Matches(want.ID) == auth.MatchNone {
		return sa.wrongIdentity(id, want, msg.MessageID)
	}
	if proof.Method != wire.AuthSharedKeyMIC {
		return sa.wrongMethod(m.conn, proof.Method, msg.MessageID)
	}
	secrets := sharedKeys(m.env.Catalog(), sa.localID, id)
	if len(secrets) == 0 {
		return sa.noSecret(m.conn, "IKE_AUTH", msg.MessageID, id)
	}
	sa.remoteID = id
	if sa.verify(secrets, idr.Body(), proof) == nil {
		return sa.wrongProof(m.conn, secrets, msg.MessageID)
	}
	m.logf("IKE", 1, "authentication of '%s' with pre-shared key successful", id)
	return nil
}

// answerAuth is the responder's side. Whoever is refused learns AUTHENTICATION_FAILED and no more, after the same work as
// for a wrong key: whether an identity is known does not show in time.
func (m *Machine) answerAuth(sa *ikeSA, req *request) {
	conn, key, reason := m.admit(sa, req)
	if reason != nil {
		sa.respond(req, &wire.Notify{NotifyType: wire.AuthenticationFailed})
		m.endAnswered(sa, reason)
		return
	}
	m.conn = conn
	m.logf("CFG", 1, "selected peer config %s", quoted(conn.Name))
	m.logf("IKE", 1, "authentication of '%s' with pre-shared key successful", sa.remoteID)
	m.logf("IKE", 1, "authentication of '%s' (myself) with pre-shared key", sa.localID)
	idr := &wire.IDr{ID: wire.NewID(sa.localID)}
	payloads := []wire.Payload{idr, sa.prove(key, idr.Body())}
	ni, nr := sa.opened.ni, sa.opened.nr
	config, refusal := m.answerConfiguration(sa, req)
	m.establish(sa, req.msg.Notify(wire.InitialContact) != nil)
	payloads = append(append(payloads, config...), m.authLifetime(sa)...)
	if refusal != nil {
		sa.respond(req, append(payloads, refusal.payloads...)...)
		refusal.conclude()
		return
	}
	if req.msg.Count(wire.TypeSA) == 0 || req.msg.Count(wire.TypeTSi) == 0 || req.msg.Count(wire.TypeTSr) == 0 {
		sa.respond(req, payloads...)
		return
	}
	child := m.respondChild(sa, childRequest{req: req, ni: ni, nr: nr, first: true})
	sa.respond(req, append(payloads, child.payloads...)...)
	child.conclude()
}

// admit decides whether the initiator is who it says, and picks connection and secret.
func (m *Machine) admit(sa *ikeSA, req *request) (*core.Connection, secret.Bytes, *core.Reason) {
	idi, idr, reason := sa.claims(req)
	if reason != nil {
		return nil, nil, reason
	}
	sa.remoteID = idi
	conn := choose(sa.opened.candidates, sa.set.Proposal, idi, idr)
	secrets := []*core.Secret{{}} // of nobody, for the sake of time
	if conn != nil {
		sa.localID = ownIdentity(conn, idr, sa)
		secrets = sharedKeys(m.env.Catalog(), sa.localID, idi)
	}
	if len(secrets) == 0 {
		secrets = []*core.Secret{{}}
		reason = sa.noSecret(conn, "IKE_AUTH", req.msg.MessageID, idi)
	}
	proof := wire.First[*wire.AUTH](req.msg)
	if proof == nil {
		proof = &wire.AUTH{}
	}
	right := sa.verify(secrets, wire.First[*wire.IDi](req.msg).Body(), proof)
	switch {
	case conn == nil:
		return nil, nil, sa.noConnectionForIdentities(idi, idr, req.msg.MessageID)
	case reason != nil:
		return nil, nil, reason
	case sa.unsupported(conn) != nil:
		return nil, nil, sa.unsupported(conn)
	case proof.Method == 0:
		return nil, nil, sa.wantsEAP(conn, req.msg.MessageID)
	case proof.Method != wire.AuthSharedKeyMIC:
		return nil, nil, sa.wrongMethod(conn, proof.Method, req.msg.MessageID)
	case right == nil:
		return nil, nil, sa.wrongProof(conn, secrets, req.msg.MessageID)
	}
	return conn, right.Key, nil
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

// ownIdentity is who we are to this peer: as configured, else whom it asked for, else our address.
func ownIdentity(conn *core.Connection, asked auth.Identity, sa *ikeSA) auth.Identity {
	switch id := conn.Local[0].ID; {
	case sendable(id):
		return id
	case !asked.IsAny():
		return asked
	}
	return auth.FromAddr(sa.local.Addr())
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
