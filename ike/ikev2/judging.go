package ikev2

import (
	"errors"
	"slices"
	"strings"

	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// claim is who a peer says it is, and its proof.
type claim struct {
	id    auth.Identity
	body  []byte // of IDi or IDr
	proof *wire.AUTH
	asks  bool // for EAP: it has no AUTH payload (RFC 7296 §2.16)
	shown auth.Presented
	msgID uint32
	round int // of the connection's
}

// wanted is what the connection demands in the claim's round.
func (c *claim) wanted(conn *core.Connection) core.Auth { return conn.Remote[c.round] }

// signs tells whether the proof is a signature, and not made with a pre-shared key or none.
func (c *claim) signs() bool { return c.method() == core.AuthPubkey }

// method is the proof's kind; "" for one that nobody here can verify.
func (c *claim) method() core.AuthMethod {
	if c.asks {
		return core.AuthEAP
	}
	switch c.proof.Method {
	case wire.AuthSharedKeyMIC:
		return core.AuthPSK
	case wire.AuthRSASignature, wire.AuthECDSA256, wire.AuthECDSA384, wire.AuthECDSA521, wire.AuthDigitalSignature:
		return core.AuthPubkey
	}
	return ""
}

// readClaim takes the proof of a message, an empty one where there is none.
func (sa *ikeSA) readClaim(msg *wire.Message, id auth.Identity, body []byte) (*claim, *core.Reason) {
	c := &claim{id: id, body: body, msgID: msg.MessageID, proof: wire.First[*wire.AUTH](msg)}
	if c.proof == nil {
		c.proof, c.asks = &wire.AUTH{}, true
	}
	shown, err := sa.presented(msg)
	if err != nil {
		return c, sa.refusedProof(sa.m.conn, err, msg.MessageID)
	}
	c.shown = shown
	return c, nil
}

// judging is a peer's signature under judgement, while something is being fetched for it.
type judging struct {
	trial *auth.Trial
	open  []question
	x     exchange // of ours, whose response it is about; nil as responder
	then  func(*auth.Verdict, error)
}

type question struct {
	id    uint64
	fetch auth.Fetch
}

// errLate is underneath the refusal of a peer about which nobody found out in time.
var errLate = errors.New("ikev2: no answers in time")

// verify judges a peer's claim by what a connection demands and calls then, at once or when what has to be asked for is there; a
// nil reason accepts it. x is our exchange that has the claim in its response.
func (m *Machine) verify(sa *ikeSA, conn *core.Connection, c *claim, x exchange, then func(*core.Reason)) {
	want := c.wanted(conn)
	sa.remoteID = c.id
	switch method := c.method(); {
	case sa.unsupported(conn) != nil:
		m.spend(sa, c)
		then(sa.unsupported(conn))
	case method == core.AuthEAP && (want.Method != core.AuthEAP || sa.initiator): // a responder has nothing to ask for
		m.spend(sa, c)
		then(sa.wantsEAP(conn, c))
	case method == "" || !takes(want, method):
		m.spend(sa, c)
		then(sa.wrongMethod(conn, c))
	case method == core.AuthEAP && c.id.Matches(want.ID) == auth.MatchNone:
		then(sa.wrongIdentity(conn, c))
	case method == core.AuthEAP:
		then(nil) // nothing is proved yet
	case len(want.Groups) > 0: // which an authentication server alone tells
		m.spend(sa, c)
		then(sa.inNoGroup(conn, want, c.id.String(), c.msgID))
	case method == core.AuthPSK:
		then(m.verifySecret(sa, conn, c))
	default:
		trial := m.try(sa, requirement(conn, want), c)
		m.await(sa, &judging{trial: trial, x: x, then: func(v *auth.Verdict, err error) {
			c.shown = trial.Shown()
			then(m.judged(sa, conn, c, v, err))
		}})
	}
}

// takes tells whether a peer may prove itself by a method in a round. Whoever has to have a certificate or a raw key cannot do with a
// pre-shared key, also where any method will do.
func takes(want core.Auth, method core.AuthMethod) bool {
	return want.Method.Takes(method) && !(want.Method == core.AuthAny && method == core.AuthPSK && certified(want))
}

func certified(want core.Auth) bool {
	return len(want.Certs)+len(want.PublicKeys)+len(want.CACerts)+len(want.Policies) > 0 || !want.CAID.IsAny()
}

// evidence is what is known about the revocation of certificates.
func (m *Machine) evidence() auth.Evidence {
	known := auth.Evidence{CRLs: slices.Clip(m.env.Catalog().Proofs().CRLs)}
	if m.env.Evidence != nil {
		more := m.env.Evidence(m.now)
		known.CRLs, known.Answers = append(known.CRLs, more.CRLs...), more.Answers
	}
	return known
}

// try begins the trial of a signature.
func (m *Machine) try(sa *ikeSA, req *auth.Requirement, c *claim) *auth.Trial {
	octets := auth.SignedOctets(sa.keys.prf, sa.opened.remoteMessage, sa.ourNonce(), sa.peerP(), c.body)
	proof := &auth.Proof{Method: uint8(c.proof.Method), Data: c.proof.Data, Octets: octets}
	return m.env.Catalog().Proofs().Trust.Try(m.now, m.env.Rand, req, c.shown, c.id, proof, m.evidence())
}

// spend does the work of a verification and forgets the outcome: whether an identity is known does not show in time.
func (m *Machine) spend(sa *ikeSA, c *claim) {
	if c.signs() {
		m.try(sa, &auth.Requirement{}, c)
		return
	}
	sa.fitting([]*core.Secret{{}}, c)
}

// verifySecret judges a claim that was made with a pre-shared key.
func (m *Machine) verifySecret(sa *ikeSA, conn *core.Connection, c *claim) *core.Reason {
	if c.id.Matches(c.wanted(conn).ID) == auth.MatchNone {
		m.spend(sa, c)
		return sa.wrongIdentity(conn, c)
	}
	secrets := sharedKeys(m.env.Catalog(), sa.localID, c.id)
	if len(secrets) == 0 {
		m.spend(sa, c)
		return sa.noSecret(conn, "IKE_AUTH", c.msgID, sa.localID, c.id)
	}
	if sa.fitting(secrets, c) == nil {
		return sa.wrongProof(conn, secrets, c.msgID)
	}
	m.logf("IKE", 1, "authentication of '%s' with pre-shared key successful", c.id)
	return nil
}

// fitting finds the secret that the peer's AUTH was made with, nil when there is none. The time it takes tells only how
// many secrets there are.
func (sa *ikeSA) fitting(secrets []*core.Secret, c *claim) *core.Secret {
	octets := auth.SignedOctets(sa.keys.prf, sa.opened.remoteMessage, sa.ourNonce(), sa.peerP(), c.body)
	var right *core.Secret
	for _, s := range secrets {
		if auth.VerifyPSK(sa.keys.prf, s.Key, octets, c.proof.Data) && right == nil {
			right = s
		}
	}
	return right
}

// await asks what a trial needs to know, and goes on when its verdict is there. A responder is bounded by half_open_timeout
// anyway; an initiator by the same time from now.
func (m *Machine) await(sa *ikeSA, j *judging) {
	for _, f := range j.trial.Needs() {
		if slices.ContainsFunc(j.open, func(q question) bool { return q.fetch == f }) {
			continue
		}
		m.questions++
		j.open = append(j.open, question{m.questions, f})
		m.logf("CFG", 1, "fetching %s from '%s' ...", f.Kind, clip(f.URL))
		m.emit(core.Ask{ID: m.questions, Question: f})
	}
	verdict, err := j.trial.Verdict()
	if verdict == nil && err == nil {
		if d := m.env.Settings.HalfOpenTimeout; sa.reapAt.IsZero() && d > 0 {
			sa.reapAt = m.now.Add(d)
		}
		sa.judging = j
		return
	}
	sa.judging = nil
	if sa.initiator {
		sa.reapAt = zero
	}
	if learned := j.trial.Learned(); len(learned.CRLs)+len(learned.Answers) > 0 {
		m.emit(core.Learned{Evidence: learned})
	}
	j.then(verdict, err)
}

// answered brings an answer of the driver to the trial that asked. What nobody waits for any more is ignored.
func (m *Machine) answered(a core.Answer) {
	for _, sa := range m.sas() {
		if sa.asks() && sa.opened.applicant.talk.question == a.ID {
			m.answeredEAP(sa, a)
			return
		}
		j := sa.judging
		if j == nil {
			continue
		}
		i := slices.IndexFunc(j.open, func(q question) bool { return q.id == a.ID })
		if i < 0 {
			continue
		}
		f := j.open[i].fetch
		j.open = slices.Delete(j.open, i, i+1)
		octets, ok := a.Value.([]byte)
		if a.Err == nil && !ok {
			a.Err = errors.New("there is no answer")
		}
		if a.Err != nil {
			m.logf("CFG", 1, "fetching %s from '%s' failed: %v", f.Kind, clip(f.URL), a.Err)
		}
		j.trial.Supply(m.now, f, octets, a.Err)
		m.await(sa, j)
		return
	}
	if late, ok := a.Value.(eap.Answer); ok {
		late.MSK.Wipe()
	}
}

// late ends the waiting: what is not known by now will not be.
func (m *Machine) late(sa *ikeSA) {
	j := sa.judging
	sa.judging = nil
	var open []string
	for _, q := range j.open {
		open = append(open, q.fetch.URL)
	}
	j.then(nil, &auth.Refusal{Why: auth.RevocationUnknown, Err: errLate,
		Text: "within " + round(m.env.Settings.HalfOpenTimeout).String() + " nothing came from " + clip(orNothing(strings.Join(open, ", ")))})
}

// judged is the end of a trial.
func (m *Machine) judged(sa *ikeSA, conn *core.Connection, c *claim, v *auth.Verdict, err error) *core.Reason {
	if err != nil {
		return sa.refusedClaim(conn, c.wanted(conn), err, c.msgID)
	}
	m.tellVerdict(v)
	m.logf("IKE", 1, "authentication of '%s' with %s successful", c.id, v.Scheme)
	return nil
}

// tellVerdict logs what a certificate was accepted by.
func (m *Machine) tellVerdict(v *auth.Verdict) {
	for i, cert := range v.Chain {
		what := "certificate"
		switch {
		case i > 0 && i == len(v.Chain)-1:
			what = "trusted ca certificate"
		case i > 0:
			what = "untrusted intermediate certificate"
		}
		m.logf("CFG", 1, "  using %s %q", what, cert.Name())
	}
	for _, f := range v.Revocation {
		m.logf("CFG", 1, "certificate %q is %s", f.Certificate, f)
	}
	for _, warning := range v.Warnings {
		m.logf("CFG", 1, "%s", warning)
	}
}
