package ikev2_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/crypto/sig"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/ikev2/wire"
	"github.com/goswan/goswan/ike/sim"
)

// holder is a certificate with its key.
type holder struct {
	cert *auth.Certificate
	key  crypto.Signer
}

// issue makes a certificate that is valid at all times of the simulation; by nil: it is a root. change may be nil.
func issue(t testing.TB, by *holder, cn string, key crypto.Signer, change func(*x509.Certificate)) *holder {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{Country: []string{"CH"}, CommonName: cn}, BasicConstraintsValid: true,
		NotBefore: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2049, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	if by == nil {
		asCA(template)
		by = &holder{key: key}
	} else {
		template.DNSNames, template.KeyUsage = []string{cn}, x509.KeyUsageDigitalSignature
	}
	if change != nil {
		change(template)
	}
	parent := template
	if by.cert != nil {
		parent = by.cert.X509
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := auth.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &holder{c, key}
}

func asCA(c *x509.Certificate) {
	c.IsCA, c.KeyUsage, c.DNSNames, c.SubjectKeyId = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign, nil, []byte(c.Subject.CommonName)
}

func ecKey() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

func rsaKey() crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

func edKey() crypto.Signer {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// curve makes keys on a curve.
func curve(c elliptic.Curve) func() crypto.Signer {
	return func() crypto.Signer {
		key, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			panic(err)
		}
		return key
	}
}

// credential is a holder as one of ours.
func (h *holder) credential(t testing.TB, known ...*auth.Certificate) *auth.Credential {
	t.Helper()
	key, err := auth.NewPrivateKey(h.key)
	if err != nil {
		t.Fatal(err)
	}
	return (&auth.Credential{Certificate: h.cert, Key: key}).CompleteChain(known)
}

// pki is what both ends authenticate with: a root that both trust.
type pki struct {
	t           testing.TB
	root        *holder
	left, right *holder
}

func newPKI(t testing.TB) *pki {
	t.Helper()
	root := issue(t, nil, "root", ecKey(), nil)
	return &pki{t, root, issue(t, root, "left.example", ecKey(), nil), issue(t, root, "right.example", ecKey(), nil)}
}

// both has both ends prove themselves by signatures.
func (p *pki) both(l, r *core.Catalog) {
	for _, side := range []struct {
		c   *core.Catalog
		own *holder
	}{{l, p.left}, {r, p.right}} {
		conn := side.c.Connections[0]
		conn.Local[0].Method, conn.Remote[0].Method = core.AuthPubkey, core.AuthPubkey
		side.c.Secrets = nil
		side.c.Credentials = &core.Credentials{
			Own: []*auth.Credential{side.own.credential(p.t, p.root.cert)}, Trust: auth.NewTrust([]auth.Authority{{Certificate: p.root.cert}}, nil),
		}
	}
}

// crl is a CRL of the root.
func (p *pki) crl(revoked ...*holder) *auth.CRL {
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC), NextUpdate: time.Date(2048, 1, 1, 0, 0, 0, 0, time.UTC)}
	for _, h := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: h.cert.X509.SerialNumber, RevocationTime: list.ThisUpdate})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, p.root.cert.X509, p.root.key)
	if err != nil {
		p.t.Fatal(err)
	}
	crl, err := auth.ParseCRL(der)
	if err != nil {
		p.t.Fatal(err)
	}
	return crl
}

// TestCertificates has both ends prove themselves by certificates of a root that both trust.
func TestCertificates(t *testing.T) {
	tc := newTest(t, sim.Faults{}, newPKI(t).both)
	tc.up()
	tc.want("the CERT payloads stand where RFC 7296 §1.2 has them", strings.Join(tc.left.Ladder(), "\n") == strings.Join([]string{
		"▶ IKE_SA_INIT request 0 [ SA KE No N(NATD_S_IP) N(NATD_D_IP) N(FRAG_SUP) N(HASH_ALG) ]",
		"◀ IKE_SA_INIT response 0 [ SA KE No N(NATD_S_IP) N(NATD_D_IP) CERTREQ N(FRAG_SUP) N(HASH_ALG) N(CHDLESS_SUP) ]",
		"▶ IKE_AUTH request 1 [ IDi CERT N(INIT_CONTACT) CERTREQ IDr AUTH SA TSi TSr ]",
		"◀ IKE_AUTH response 1 [ IDr CERT AUTH SA TSi TSr ]",
	}, "\n"))
	for name, n := range map[string]*sim.Node{"right.example": tc.left, "left.example": tc.right} {
		logs := strings.Join(n.Logs, "\n")
		for _, line := range []string{
			"[IKE] authentication of '" + name + "' with ECDSA_WITH_SHA256_DER successful", `[IKE] received end entity cert "C=CH, CN=` + name + `"`,
			`[IKE] sending cert request for "C=CH, CN=root"`, `[IKE] received cert request for "C=CH, CN=root"`, "(myself) with ECDSA_WITH_SHA256_DER successful",
		} {
			tc.want("the log has "+line, strings.Contains(logs, line))
		}
	}
	tc.end()
}

// TestEveryKindOfKey signs with each kind of key, in both roles at once.
func TestEveryKindOfKey(t *testing.T) {
	for _, test := range []struct {
		key       func() crypto.Signer
		auth, log string
	}{
		{rsaKey, "pubkey", "RSA_EMSA_PKCS1_SHA2_256"},
		{rsaKey, "ike:rsa/pss-sha512", "RSA_EMSA_PSS_SHA2_512_SALT_64"},
		{edKey, "ike:ed25519", "ED25519"},
		{curve(elliptic.P384()), "pubkey", "ECDSA_WITH_SHA384_DER"},
		{curve(elliptic.P521()), "pubkey", "ECDSA_WITH_SHA512_DER"},
	} {
		constraints, err := sig.ParseConstraints(test.auth, false)
		if err != nil {
			t.Fatal(err)
		}
		p := newPKI(t)
		p.left, p.right = issue(t, p.root, "left.example", test.key(), nil), issue(t, p.root, "right.example", test.key(), nil)
		tc := newTest(t, sim.Faults{}, p.both, func(l, r *core.Catalog) {
			for _, c := range []*core.Catalog{l, r} {
				c.Connections[0].Local[0].Constraints, c.Connections[0].Remote[0].Constraints = constraints, constraints
			}
		})
		op := tc.left.Initiate("site", "net", rightAddr)
		tc.w.Run(time.Second)
		tc.want(test.auth+" comes up", tc.done(tc.left, op) == nil)
		tc.want(test.auth+" signs with "+test.log, strings.Contains(strings.Join(tc.right.Logs, "\n"), "authentication of 'left.example' with "+test.log+" successful"))
		tc.end()
	}
}

// TestOlderMethods has one end, or both, not know RFC 7427: RSA then signs by the method of RFC 7296 and ECDSA by those of RFC 4754,
// in both roles.
func TestOlderMethods(t *testing.T) {
	for _, test := range []struct {
		key    func() crypto.Signer
		auth   string
		method wire.AuthMethod // 0: there is none
		log    string
	}{
		{rsaKey, "ike:rsa-sha1", wire.AuthRSASignature, "RSA_EMSA_PKCS1_SHA1"},
		{curve(elliptic.P256()), "pubkey", wire.AuthECDSA256, "ECDSA-256"},
		{curve(elliptic.P384()), "pubkey", wire.AuthECDSA384, "ECDSA-384"},
		{curve(elliptic.P521()), "pubkey", wire.AuthECDSA521, "ECDSA-521"},
		{rsaKey, "pubkey", 0, "the peer"},
		{edKey, "pubkey", 0, "the peer"},
	} {
		constraints, err := sig.ParseConstraints(test.auth, false)
		if err != nil {
			t.Fatal(err)
		}
		p := newPKI(t)
		p.left, p.right = issue(t, p.root, "left.example", test.key(), nil), issue(t, p.root, "right.example", test.key(), nil)
		for _, knows := range []struct{ left, right bool }{{false, true}, {true, false}, {false, false}} {
			tc := newTest(t, sim.Faults{}, p.both, func(l, r *core.Catalog) {
				for _, c := range []*core.Catalog{l, r} {
					c.Connections[0].Local[0].Constraints, c.Connections[0].Remote[0].Constraints = constraints, constraints
				}
			})
			tc.left.Env.Settings.Signatures, tc.right.Env.Settings.Signatures = knows.left, knows.right
			var methods []wire.AuthMethod
			tc.meddle(func(msg *wire.Message) bool {
				if p := wire.First[*wire.AUTH](msg); p != nil {
					methods = append(methods, p.Method)
				}
				return false
			})
			op := tc.left.Initiate("site", "net", rightAddr)
			tc.w.Run(time.Second)
			hashes := strings.Contains(tc.left.Ladder()[0], "N(HASH_ALG)")
			tc.want("SIGNATURE_HASH_ALGORITHMS goes as signature_authentication says", hashes == knows.left && !strings.Contains(tc.left.Ladder()[1], "N(HASH_ALG)"))
			reason := tc.done(tc.left, op)
			if test.method == 0 {
				tc.want("there is no way to sign: "+fmt.Sprint(reason), reason != nil && strings.Contains(reason.Error(), test.log))
				tc.w.Run(time.Minute)
				tc.end()
				continue
			}
			tc.want(test.log+" comes up", reason == nil)
			tc.want(fmt.Sprint("both sign by ", test.method), slices.Equal(methods, []wire.AuthMethod{test.method, test.method}))
			for name, n := range map[string]*sim.Node{"right.example": tc.left, "left.example": tc.right} {
				tc.want("the log says so", strings.Contains(strings.Join(n.Logs, "\n"), "authentication of '"+name+"' with "+test.log+" successful"))
			}
			tc.end()
		}
	}
}

// TestRSAPSS is `rsa_pss`, with which constraints are read: RSA means RSASSA-PSS only where it is set, or where it is named.
func TestRSAPSS(t *testing.T) {
	p := newPKI(t)
	p.left, p.right = issue(t, p.root, "left.example", rsaKey(), nil), issue(t, p.root, "right.example", rsaKey(), nil)
	for _, test := range []struct {
		local, remote string // constraints of the left end for itself, of the right one for its peer
		left, right   bool
		log           string // "" is refused
	}{
		{"pubkey", "pubkey", false, false, "RSA_EMSA_PKCS1_SHA2_256"},
		{"pubkey", "pubkey", true, false, "RSA_EMSA_PSS_SHA2_256_SALT_32"},
		{"rsa-sha384", "pubkey", false, true, "RSA_EMSA_PKCS1_SHA2_384"},
		{"rsa-sha384", "pubkey", true, true, "RSA_EMSA_PSS_SHA2_384_SALT_48"},
		{"rsa/pss-sha512", "ike:rsa/pss-sha512", false, false, "RSA_EMSA_PSS_SHA2_512_SALT_64"},
		{"pubkey", "ike:rsa-sha256", true, false, ""}, // as with strongSwan, a peer cannot say whether it takes PSS
		{"pubkey", "ike:rsa-sha256", true, true, "RSA_EMSA_PSS_SHA2_256_SALT_32"},
		{"pubkey", "ike:rsa-sha256", false, true, "RSA_EMSA_PKCS1_SHA2_256"},
	} {
		tc := newTest(t, sim.Faults{}, p.both, func(l, r *core.Catalog) {
			l.Connections[0].Local[0].Constraints, _ = sig.ParseConstraints(test.local, test.left)
			r.Connections[0].Remote[0].Constraints, _ = sig.ParseConstraints(test.remote, test.right)
		})
		op := tc.left.Initiate("site", "net", rightAddr)
		tc.w.Run(time.Second)
		reason := tc.done(tc.left, op)
		tc.want(fmt.Sprintf("%+v: it comes up or not: %v", test, reason), (reason == nil) == (test.log != ""))
		if test.log != "" {
			tc.want(fmt.Sprintf("%+v: the responder takes it", test), strings.Contains(strings.Join(tc.right.Logs, "\n"), "authentication of 'left.example' with "+test.log+" successful"))
		}
		tc.w.Run(time.Minute)
		tc.end()
	}
}

// TestTamperedOpening has somebody on the way take SIGNATURE_HASH_ALGORITHMS away: AUTH covers what each end saw of IKE_SA_INIT.
func TestTamperedOpening(t *testing.T) {
	tc := newTest(t, sim.Faults{}, newPKI(t).both)
	tc.w.Faults.Drop = func(d core.Datagram) bool {
		if i := bytes.Index(d.Data, []byte{0x00, 0x00, 0x40, 0x2f}); i >= 0 { // no protocol, no SPI, the type of the notify
			d.Data[i+3] = 0xfe
		}
		return false
	}
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(time.Second)
	tc.want("it does not come up", tc.done(tc.left, op) != nil && len(tc.left.Path.In)+len(tc.right.Path.In) == 0)
	tc.w.Run(time.Minute)
	tc.end()
}

// TestRawKeys has no certificates, but the other's key. RFC 7670
func TestRawKeys(t *testing.T) {
	raw := func(key crypto.Signer) *auth.PublicKey {
		spki, err := auth.MarshalPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		k, err := auth.ParsePublicKey(spki)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	p := newPKI(t)
	raws := func(l, r *core.Catalog) {
		for _, side := range []struct {
			c          *core.Catalog
			own, other *holder
		}{{l, p.left, p.right}, {r, p.right, p.left}} {
			key, err := auth.NewPrivateKey(side.own.key)
			if err != nil {
				t.Fatal(err)
			}
			side.c.Credentials = &core.Credentials{Own: []*auth.Credential{{Raw: raw(side.own.key), Key: key}}}
			side.c.Connections[0].Remote[0].PublicKeys = []*auth.PublicKey{raw(side.other.key)}
		}
	}
	tc := newTest(t, sim.Faults{}, p.both, raws)
	tc.up()
	tc.want("raw keys are asked for and sent", strings.Contains(strings.Join(tc.right.Logs, "\n"), "sending raw public key "+raw(p.right.key).Fingerprint()))
	tc.end()

	tc = newTest(t, sim.Faults{}, p.both, raws, func(l, _ *core.Catalog) { l.Connections[0].Remote[0].PublicKeys = []*auth.PublicKey{raw(ecKey())} })
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(time.Second)
	tc.says("left", tc.done(tc.left, op).Error(), `phase 1 IKE_AUTH: AUTHENTICATION_FAILED: the peer presented the raw key `+raw(p.right.key).Fingerprint()+`; connection "site" does not name it`)
	tc.w.Run(time.Minute)
	tc.end()
}

// TestMixed has one side with a pre-shared key and the other with a certificate, and one that takes either.
func TestMixed(t *testing.T) {
	p := newPKI(t)
	for _, remote := range []core.AuthMethod{core.AuthPSK, core.AuthAny} {
		tc := newTest(t, sim.Faults{}, func(l, r *core.Catalog) {
			secrets := l.Secrets
			p.both(l, r)
			l.Secrets, r.Secrets = secrets, secrets
			l.Connections[0].Local[0].Method, r.Connections[0].Remote[0].Method = core.AuthPSK, remote
		})
		tc.up()
		tc.want("the initiator has a pre-shared key", strings.Contains(strings.Join(tc.right.Logs, "\n"), "authentication of 'left.example' with pre-shared key successful"))
		tc.want("and the responder a certificate", strings.Contains(strings.Join(tc.left.Logs, "\n"), "authentication of 'right.example' with ECDSA_WITH_SHA256_DER successful"))
		tc.end()
	}
}

// TestSendCert is `send_cert` and `send_certreq`.
func TestSendCert(t *testing.T) {
	p := newPKI(t)
	for _, test := range []struct {
		send core.SendCert
		ask  bool
		sent bool
	}{{core.SendCertIfAsked, true, true}, {core.SendCertIfAsked, false, false}, {core.SendCertAlways, false, true}, {core.SendCertNever, true, false}} {
		tc := newTest(t, sim.Faults{}, p.both, func(l, r *core.Catalog) {
			l.Connections[0].SendCert, r.Connections[0].NoCertReq = test.send, !test.ask
			r.Connections[0].Remote[0].Certs = []*auth.Certificate{p.left.cert} // so that it need not be sent
		})
		tc.up()
		tc.want("CERT goes as send_cert says", strings.Contains(tc.left.Ladder()[2], " CERT ") == test.sent)
		tc.want("CERTREQ goes as send_certreq says", strings.Contains(tc.left.Ladder()[1], " CERTREQ ") == test.ask)
		tc.end()
	}
}

// TestCertificateRefused is each reason for which a certificate is refused, in both roles.
func TestCertificateRefused(t *testing.T) {
	p := newPKI(t)
	stranger := issue(t, nil, "another root", ecKey(), nil)
	old := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name   string
		bad    func(name string) *holder
		change func(verifier *core.Catalog)
		want   string
	}{
		{"another name", func(string) *holder { return issue(t, p.root, "mallory.example", ecKey(), nil) },
			nil, `peer presented SANs [mallory.example], CN mallory.example`},
		{"unknown CA", func(name string) *holder { return issue(t, stranger, name, ecKey(), nil) },
			nil, `its issuer, "C=CH, CN=another root", is not known here`},
		{"expired", func(name string) *holder {
			return issue(t, p.root, name, ecKey(), func(c *x509.Certificate) { c.NotAfter = old })
		}, nil, `it expired at 2001-01-01`},
		{"revoked", func(name string) *holder { return issue(t, p.root, name, ecKey(), nil) },
			func(v *core.Catalog) {}, `revoked at 2001-01-01`},
		{"key type", func(name string) *holder { return issue(t, p.root, name, ecKey(), nil) },
			func(v *core.Catalog) { v.Connections[0].Remote[0].Constraints, _ = sig.ParseConstraints("rsa", false) }, `ECDSA`},
	} {
		for _, verifier := range []string{"left", "right"} {
			t.Run(test.name+" at "+verifier, func(t *testing.T) {
				var bad *holder
				tc := newTest(t, sim.Faults{}, p.both, func(l, r *core.Catalog) {
					v, other, name := l, r, "right.example"
					if verifier == "right" {
						v, other, name = r, l, "left.example"
					}
					bad = test.bad(name)
					c := *other.Credentials
					c.Own = []*auth.Credential{bad.credential(t, p.root.cert)}
					other.Credentials = &c
					claimed := other.Connections[0].Local[0].ID
					if test.name == "another name" {
						claimed = identity("mallory.example")
						v.Connections[0].Remote[0].ID = identity("%any")
						v.Connections[0].Remote[0].ID = identity("*.example")
						v.Connections[0].Remote[0].CAID = auth.Identity{}
					}
					other.Connections[0].Local[0].ID = claimed
					if test.change != nil {
						test.change(v)
					}
					if test.name == "revoked" {
						c := *v.Credentials
						c.CRLs = []*auth.CRL{p.crl(bad)}
						v.Credentials = &c
					}
				})
				if test.name == "another name" {
					// It is who it says, but not who it has to be: a pattern lets it through to the certificate.
					refuseName(tc, verifier)
					return
				}
				op := tc.left.Initiate("site", "net", rightAddr)
				tc.w.Run(time.Second)
				failure := tc.done(tc.left, op)
				if verifier == "right" {
					tc.want("the peer is told AUTHENTICATION_FAILED and no more", failure.ByPeer && strings.HasSuffix(tc.left.Ladder()[3], "[ N(AUTH_FAILED) ]"))
					failure = sim.Told[core.Failed](tc.right)[0].Reason
				}
				tc.want("the reason has the facts: "+failure.Error(), failure.Kind == core.AuthenticationFailed && strings.Contains(failure.Error(), test.want))
				tc.w.Run(time.Minute)
				tc.want("nothing is left", len(tc.left.Lineages())+len(tc.right.Lineages()) == 0)
				tc.end()
			})
		}
	}
}

// refuseName demands another identity than the certificate's.
func refuseName(tc *test, verifier string) {
	tc.Helper()
	n := map[string]*sim.Node{"left": tc.left, "right": tc.right}[verifier]
	n.Catalog.Connections[0].Remote[0].ID = identity("*.wanted.example")
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(time.Second)
	failure := tc.done(tc.left, op)
	if verifier == "right" {
		failure = sim.Told[core.Failed](tc.right)[0].Reason
		tc.want("a responder has no connection for it", failure.Kind == core.NoConnection)
		return
	}
	tc.want("the reason has what was presented and required: "+failure.Error(), strings.Contains(failure.Error(),
		`peer presented SANs [mallory.example], CN mallory.example and the id "mallory.example"; connection "site" requires id "*.wanted.example" (swanctl.conf:13)`))
}

// preferring has the responder try another connection first, which differs in the CA that it demands.
func preferring(ca *holder) pairOption {
	return func(_, r *core.Catalog) {
		first := *r.Connections[0]
		first.Name, first.Remote = "other", append([]core.Auth{}, first.Remote...)
		first.Remote[0].CACerts = []*auth.Certificate{ca.cert}
		r.Connections = []*core.Connection{&first, r.Connections[0]}
	}
}

// TestConnectionByCA has two connections that differ only in the CA that they demand: the certificate decides.
func TestConnectionByCA(t *testing.T) {
	p := newPKI(t)
	other := issue(t, nil, "other root", ecKey(), nil)
	tc := newTest(t, sim.Faults{}, p.both, preferring(other))
	tc.up()
	tc.want("the connection is that whose CA it has", tc.right.IKESAs()[0].Conn == "site")
	tc.end()
}

// withCRL has a certificate name where its CRL is.
func (p *pki) withCRL(name string) *holder {
	return issue(p.t, p.root, name, ecKey(), func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"http://pki.example/root.crl"} })
}

// TestRevocationAsked has both ends ask for a CRL while the other waits: retransmissions are not handled twice, and what is
// learned is told.
func TestRevocationAsked(t *testing.T) {
	p := newPKI(t)
	p.left, p.right = p.withCRL("left.example"), p.withCRL("right.example")
	tc := newTest(t, sim.Faults{}, p.both)
	questions := 0
	answer := func(q core.Ask) (core.Answer, time.Duration) {
		questions++
		tc.want("the question is where the certificate says", q.Question.(auth.Fetch).URL == "http://pki.example/root.crl")
		return core.Answer{Value: p.crl().List.Raw}, 6 * time.Second
	}
	tc.left.Answer, tc.right.Answer = answer, answer
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(5 * time.Second)
	tc.want("the responder has asked, and waits", questions == 1 && tc.right.IKESAs()[0].State == core.IKEConnecting)
	tc.w.Run(3 * time.Second)
	tc.want("the initiator asks, too", questions == 2 && tc.left.IKESAs()[0].State == core.IKEConnecting && tc.left.IKESAs()[0].Tasks[0] == "IKE_AUTH")
	tc.w.Run(10 * time.Second)
	tc.want("it comes up", tc.done(tc.left, op) == nil)
	tc.same(1)
	tc.want("once", questions == 2 && len(sim.Told[core.Established](tc.right)) == 1)
	tc.want("what was learned is told", len(sim.Told[core.Learned](tc.left)) == 1 && len(sim.Told[core.Learned](tc.right)) == 1)
	tc.want("the log says what was found", strings.Contains(strings.Join(tc.left.Logs, "\n"), `certificate "C=CH, CN=right.example" is good until `))
	tc.end()
}

// TestRevocationFound has the answer be that the certificate is revoked.
func TestRevocationFound(t *testing.T) {
	for _, verifier := range []string{"left", "right"} {
		p := newPKI(t)
		name := map[string]string{"left": "right.example", "right": "left.example"}[verifier]
		bad := p.withCRL(name)
		if verifier == "left" {
			p.right = bad
		} else {
			p.left = bad
		}
		tc := newTest(t, sim.Faults{}, p.both)
		answer := func(core.Ask) (core.Answer, time.Duration) {
			return core.Answer{Value: p.crl(bad).List.Raw}, time.Second
		}
		tc.left.Answer, tc.right.Answer = answer, answer
		op := tc.left.Initiate("site", "net", rightAddr)
		tc.w.Run(5 * time.Second)
		reason := tc.done(tc.left, op)
		if verifier == "right" {
			reason = sim.Told[core.Failed](tc.right)[0].Reason
		}
		tc.want("it is refused as revoked: "+reason.Error(), strings.Contains(reason.Error(), `certificate "C=CH, CN=`+name+`": revoked at 2001-01-01`))
		tc.w.Run(time.Minute)
		tc.end()
	}
}

// TestNobodyAnswers has the source of a CRL fail, or be silent. A relaxed connection does without; a strict one refuses.
func TestNobodyAnswers(t *testing.T) {
	for _, test := range []struct {
		strict, silent bool
		up             bool
		want           string
	}{
		{strict: false, silent: false, up: true},
		{strict: true, silent: false, want: `not known to be good: http://pki.example/root.crl: it is down`},
		{strict: false, silent: true, want: `within 30s nothing came from http://pki.example/root.crl`},
	} {
		p := newPKI(t)
		p.right = p.withCRL("right.example")
		tc := newTest(t, sim.Faults{}, p.both, func(l, _ *core.Catalog) {
			if test.strict {
				l.Connections[0].Remote[0].Revocation = auth.RevocationStrict
			}
		})
		if !test.silent {
			tc.left.Answer = func(core.Ask) (core.Answer, time.Duration) {
				return core.Answer{Err: errors.New("it is down")}, time.Second
			}
		}
		op := tc.left.Initiate("site", "net", rightAddr)
		tc.w.Run(40 * time.Second)
		reason := tc.done(tc.left, op)
		if test.up {
			tc.want("it comes up", reason == nil)
			tc.same(1)
		} else {
			tc.want("it is refused: "+reason.Error(), strings.Contains(reason.Error(), test.want))
			tc.want("and the responder is told", len(tc.right.IKESAs()) == 0)
		}
		tc.end()
	}
}

// TestGoneWhileAsked has the waiting end by command: on the initiator's side the responder, for which the IKE SA is up, is told.
func TestGoneWhileAsked(t *testing.T) {
	p := newPKI(t)
	p.right = p.withCRL("right.example")
	tc := newTest(t, sim.Faults{}, p.both)
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(time.Second)
	tc.want("the initiator waits", len(sim.Told[core.Ask](tc.left)) == 1)
	tc.want("and the responder is up", tc.right.IKESAs()[0].State == core.IKEEstablished)
	tc.left.Command(tc.left.All()[0], func(op uint64) core.Command { return core.Delete{Op: op, IKE: true} })
	tc.w.Run(time.Second)
	tc.want("who waits is told", tc.done(tc.left, op).Kind == core.Cancelled)
	tc.w.Run(time.Minute)
	tc.want("nothing is left", len(tc.left.Lineages())+len(tc.right.Lineages()) == 0)
	tc.end()
}
