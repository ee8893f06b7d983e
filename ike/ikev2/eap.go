package ikev2

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
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

// eapServer makes the machine for an applicant's round.
func (sa *ikeSA) eapServer(a *applicant) (talker, error) {
	want, settings := a.conn.Remote[a.theirs], sa.m.env.Settings.EAP
	known := ""
	switch {
	case want.EAP.IDSet && sendable(want.EAP.ID):
		known = want.EAP.ID.UserName()
	case !want.EAP.IDSet && !isAddress(a.id):
		// "the responder SHOULD NOT send EAP Identity requests": IDi has told.  RFC 7296 §3.16. An address is not a user.
		known = a.id.UserName()
	}
	if want.EAP.RADIUS {
		return eap.NewPassThrough(eap.PassThroughConfig{Identity: known, MaxRounds: settings.MaxRounds}), nil
	}
	methods, err := sa.serverMethods(a, want)
	if err != nil {
		return nil, err
	}
	return eap.NewServer(eap.ServerConfig{Identity: known, Methods: methods, PreferPeer: settings.PreferUser, Rand: sa.m.env.Rand, MaxRounds: settings.MaxRounds})
}

// serverMethods are those that an applicant may use; of any those that we have what they need for.
func (sa *ikeSA) serverMethods(a *applicant, want core.Auth) (methods []eap.ServerMethod, err error) {
	settings := sa.m.env.Settings.EAP
	types, any := []eap.Type{want.EAP.Method}, want.EAP.Method == 0
	if any {
		types = settings.Preferred
	}
	own, lacking := sa.tlsCertificates(a.conn.Local[0], sa.localID)
	conf := sa.tlsConfig(own, sa.clientVerifier(a), a.only)
	users := sa.m.users()
	for _, t := range types {
		if a.only && !slices.Contains(provingMethods, t) {
			err = fmt.Errorf("EAP-%s does not prove who we are", t)
			continue
		}
		if slices.Contains(provingMethods, t) && lacking != nil {
			err = lacking
			continue
		}
		if any && t != eap.TypeTLS && !sa.m.hasUsers() {
			err = errors.New("there are no users in `secrets`: sections whose names begin with eap, with id and secret")
			continue
		}
		switch t {
		case eap.TypeTLS:
			methods = append(methods, eap.ServerTLS{TLS: conf})
		case eap.TypeTTLS:
			methods = append(methods, eap.ServerTTLS{TLS: conf, Users: users, Methods: serverInside(settings.TTLS, users), RequireCertificate: settings.TTLSCertificate || certified(want)})
		case eap.TypePEAP:
			methods = append(methods, eap.ServerPEAP{TLS: conf, Methods: serverInside(settings.PEAP, users), RequireCertificate: settings.PEAPCertificate || certified(want)})
		default:
			methods = append(methods, serverInside(t, users)...)
		}
	}
	if len(methods) > 0 {
		return methods, nil
	}
	if err == nil {
		err = fmt.Errorf("EAP-%s is not a method of this version", want.EAP.Method)
	}
	return nil, err
}

// serverInside is a method with a password, also inside TTLS and PEAP.
func serverInside(t eap.Type, users eap.Users) []eap.ServerMethod {
	switch t {
	case eap.TypeMD5:
		return []eap.ServerMethod{eap.ServerMD5{Users: users}}
	case eap.TypeGTC:
		return []eap.ServerMethod{eap.ServerGTC{Users: users}}
	case eap.TypeMSCHAPv2, 0:
		return []eap.ServerMethod{eap.ServerMSCHAPv2{Users: users}}
	}
	return nil
}

func (m *Machine) hasUsers() bool {
	return slices.ContainsFunc(m.env.Catalog().Secrets, func(s *core.Secret) bool { return isUser(s) && len(s.Owners) > 0 })
}

func isUser(s *core.Secret) bool { return s.Kind == core.SecretEAP || s.Kind == core.SecretNTLM }

// users finds the accounts in the secrets that name an owner.
func (m *Machine) users() eap.Users {
	catalog := m.env.Catalog()
	return func(name string) (eap.Account, bool) {
		account, owner := accountOf(catalog, name)
		return account, !owner.IsAny()
	}
}

// accountOf is the account of a user, and its owner, %any for none: whose name it is, before whose it is without a Windows domain.
// All are looked at, whoever it is.
func accountOf(catalog *core.Catalog, name string) (account eap.Account, owner auth.Identity) {
	best := 0
	for _, s := range catalog.Secrets {
		if !isUser(s) {
			continue
		}
		for _, o := range s.Owners {
			fit := o.FitsUser(name)
			if fit == 0 || fit < best {
				continue
			}
			if fit > best {
				account, owner, best = eap.Account{}, o, fit
			}
			if s.Kind == core.SecretNTLM {
				account.NTHash = s.Key
			} else {
				account.Password = s.Key
			}
		}
	}
	return account, owner
}

// userName is whom EAP proved an applicant to be. An account in `secrets` has one name: what was typed may have capitals or a Windows
// domain, which make no other user of it.
func (a *applicant) userName(catalog *core.Catalog, result *eap.Result) string {
	if a.talk.radius || result.Method == eap.TypeTLS {
		return result.Identity
	}
	if _, owner := accountOf(catalog, result.Identity); !owner.IsAny() {
		return owner.UserName()
	}
	return result.Identity
}

// eapPeer makes our own machine for a round; only: EAP has to prove the responder too. verify judges the server in TLS.
func (sa *ikeSA) eapPeer(round int, only bool, verify verifyFunc) (*eap.Peer, error) {
	mine, settings := sa.m.conn.Local[round], sa.m.env.Settings.EAP
	name := sa.localID.UserName()
	if mine.EAP.IDSet && !mine.EAP.ID.IsAny() {
		name = mine.EAP.ID.UserName()
	}
	methods, err := sa.peerMethods(mine, name, only, verify)
	if err != nil {
		return nil, err
	}
	return eap.NewPeer(eap.PeerConfig{Identity: name, Methods: methods, Rand: sa.m.env.Rand, MaxRounds: settings.MaxRounds})
}

// anyMethod is the order in which we offer methods where any will do. MD5 and GTC have to be named: the one is weak, the other
// gives the password to whoever asks.
var anyMethod = []eap.Type{eap.TypeTLS, eap.TypeTTLS, eap.TypePEAP, eap.TypeMSCHAPv2}

// peerMethods are those that we do; of any those that we have what they need for.
func (sa *ikeSA) peerMethods(mine core.Auth, name string, only bool, verify verifyFunc) (methods []eap.PeerMethod, err error) {
	types, any := []eap.Type{mine.EAP.Method}, mine.EAP.Method == 0
	if any {
		types = anyMethod
	}
	password, missing := sa.password(mine, name)
	own, lacking := sa.tlsCertificates(mine, sa.localID)
	conf := sa.tlsConfig(own, verify, only)
	for _, t := range types {
		switch {
		case only && !slices.Contains(provingMethods, t):
			err = fmt.Errorf("EAP-%s does not prove who the responder is", t)
		case t == eap.TypeTLS && lacking != nil:
			err = lacking
		case t != eap.TypeTLS && missing != nil:
			err = missing
		case t == eap.TypeTLS:
			methods = append(methods, eap.PeerTLS{TLS: conf})
		case t == eap.TypeTTLS:
			methods = append(methods, eap.PeerTTLS{TLS: conf, Inner: mine.EAP.Inner, Name: name, Password: password, Methods: append(insideOf(name, password), eap.PeerMD5{Password: password})})
		case t == eap.TypePEAP:
			methods = append(methods, eap.PeerPEAP{TLS: conf, Identity: name, Methods: insideOf(name, password)})
		case t == eap.TypeMSCHAPv2:
			methods = append(methods, eap.PeerMSCHAPv2{Name: name, Password: password})
		case t == eap.TypeMD5:
			methods = append(methods, eap.PeerMD5{Password: password})
		case t == eap.TypeGTC:
			methods = append(methods, eap.PeerGTC{Password: password})
		default:
			err = fmt.Errorf("EAP-%s is not a method of this version", t)
		}
	}
	if len(methods) > 0 {
		return methods, nil
	}
	return nil, err
}

// insideOf are the methods that we do inside a tunnel, whose other end has proved itself.
func insideOf(name string, password secret.Bytes) []eap.PeerMethod {
	return []eap.PeerMethod{eap.PeerMSCHAPv2{Name: name, Password: password}, eap.PeerGTC{Password: password}}
}

// password is that of one of our names.
func (sa *ikeSA) password(mine core.Auth, name string) (secret.Bytes, error) {
	best, weight := (*core.Secret)(nil), auth.MatchNone
	for _, s := range sa.m.env.Catalog().Secrets {
		if s.Kind != core.SecretEAP {
			continue
		}
		w := weigh(s, auth.FromUser(name), sa.remoteID)
		if len(s.Owners) > 0 && !slices.ContainsFunc(s.Owners, func(o auth.Identity) bool { return o.IsUser(name) }) {
			continue
		}
		if w > weight || best == nil {
			best, weight = s, w
		}
	}
	if best == nil {
		return nil, fmt.Errorf("there is no password of %q%s: add `eap-… { id = %s; secret = … }` to `secrets`", name, at(mine.Source), name)
	}
	return best.Key, nil
}

// tlsCertificates are our own for TLS inside EAP: those that a round may use and that prove an identity, the first that fits.
func (sa *ikeSA) tlsCertificates(mine core.Auth, id auth.Identity) ([]tls.Certificate, error) {
	for _, named := range []bool{true, false} {
		for _, c := range ownCredentials(sa.m.env.Catalog().Proofs().Own, mine) {
			if c.Certificate == nil || !c.Key.Valid() || !usableInTLS(c.Key.Public()) {
				continue
			}
			// A user's certificate need not have the IKE identity in it; a server's goes first that has.
			if named && c.Certificate.Proves(id) == auth.MatchNone {
				continue
			}
			own := tls.Certificate{PrivateKey: c.Key.Signer(), Leaf: c.Certificate.X509}
			for _, p := range c.Payloads() {
				own.Certificate = append(own.Certificate, p.Data)
			}
			return []tls.Certificate{own}, nil
		}
	}
	return nil, fmt.Errorf("there is no certificate for %q with an RSA, ECDSA or Ed25519 key, which TLS needs%s", id, at(mine.Source))
}

func usableInTLS(key crypto.PublicKey) bool {
	switch key.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	}
	return false
}

// tlsConfig is TLS inside EAP.
func (sa *ikeSA) tlsConfig(own []tls.Certificate, verify verifyFunc, only bool) eap.TLSConfig {
	settings := sa.m.env.Settings.EAP
	return eap.TLSConfig{
		Certificates: own, MinVersion: settings.MinTLS, MaxVersion: settings.MaxTLS, FragmentSize: settings.FragmentSize,
		WithoutEMS: settings.WithoutEMS || !only, Verify: verify,
	}
}

// verifyFunc refuses a chain in TLS, as far as that can be judged without asking anybody.
type verifyFunc func(now time.Time, chain []*x509.Certificate) error

// clientVerifier takes the chain of an applicant that one of the connections takes which are meant; the error is the first one's.
// What would have to be fetched is seen to at the end of EAP, before anything is believed.
func (sa *ikeSA) clientVerifier(a *applicant) verifyFunc {
	return func(now time.Time, chain []*x509.Certificate) (refusal error) {
		for _, conn := range sa.meant(a) {
			t, err := sa.tryClient(now, conn, a, chain)
			if err == nil {
				_, err = t.Verdict()
			}
			if err == nil {
				return nil
			}
			refusal = cmp.Or(refusal, err)
		}
		return refusal
	}
}

// tryServer begins the trial of a server's chain: the server has to be the responder as it has last proved itself, if it has, or
// whom aaa_id names.
func (sa *ikeSA) tryServer(now time.Time, done rounds, chain []*x509.Certificate) (*auth.Trial, error) {
	conn := sa.m.conn
	mine, want := conn.Local[done.mine], conn.Remote[max(done.theirs-1, 0)]
	id := sa.remoteID
	req := requirement(conn, want)
	if !mine.EAP.ServerID.IsAny() {
		id = mine.EAP.ServerID
		req = &auth.Requirement{Conn: conn.Name, ID: id, IDSource: mine.Source.String(), CACerts: want.CACerts, Revocation: want.Revocation}
	}
	req.Constraints = mine.Constraints
	return sa.tryChain(now, req, chain, id)
}

// tryClient begins the trial of an applicant's chain for a connection. Who the client is, its certificate says; what that is worth
// comes afterwards (takesUser).
func (sa *ikeSA) tryClient(now time.Time, conn *core.Connection, a *applicant, chain []*x509.Certificate) (*auth.Trial, error) {
	req := requirement(conn, conn.Remote[a.theirs])
	req.ID = auth.Identity{}
	return sa.tryChain(now, req, chain, auth.Identity{})
}

// tryChain begins the trial of a chain, whose holder TLS has proved; %any is the holder that the certificate names.
func (sa *ikeSA) tryChain(now time.Time, req *auth.Requirement, chain []*x509.Certificate, id auth.Identity) (*auth.Trial, error) {
	shown := auth.Presented{}
	for i, parsed := range chain[:min(len(chain), auth.MaxCertificates)] {
		c, err := auth.NewCertificate(parsed)
		switch {
		case err != nil && i == 0:
			return nil, err
		case err != nil:
		case i == 0:
			shown.Leaf = c
		default:
			shown.Others = append(shown.Others, c)
		}
	}
	if id.IsAny() {
		id = (&auth.Credential{Certificate: shown.Leaf}).ID()
	}
	return sa.m.env.Catalog().Proofs().Trust.Try(now, sa.m.env.Rand, req, shown, id, nil, sa.m.evidence()), nil
}

// judgeClient judges the chain of an applicant, if it showed one, with all that has to be asked for.
func (sa *ikeSA) judgeClient(conn *core.Connection, a *applicant, chain []*x509.Certificate, then func(error)) {
	if len(chain) == 0 {
		then(nil)
		return
	}
	t, err := sa.tryClient(sa.m.now, conn, a, chain)
	if err != nil {
		then(err)
		return
	}
	sa.judgeTLS(t, nil, then)
}

// judgeTLS brings the trial of a chain to its end; x is our exchange that waits for it.
func (sa *ikeSA) judgeTLS(t *auth.Trial, x exchange, then func(error)) {
	sa.m.await(sa, &judging{trial: t, x: x, then: func(v *auth.Verdict, err error) {
		if err == nil {
			sa.m.tellVerdict(v)
		}
		then(err)
	}})
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
