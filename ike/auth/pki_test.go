package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/ocsp"

	"github.com/goswan/goswan/crypto/sig"
)

// now is when the tests take place.
var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// holder is a certificate with its key.
type holder struct {
	cert *Certificate
	key  crypto.Signer
}

var serials int64 = 100

// issue makes a certificate; change may alter the template. by nil: it signs itself.
func issue(t testing.TB, by *holder, cn string, change func(*x509.Certificate)) *holder {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return issueKey(t, by, cn, key, change)
}

func issueKey(t testing.TB, by *holder, cn string, key crypto.Signer, change func(*x509.Certificate)) *holder {
	t.Helper()
	serials++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serials), Subject: pkix.Name{Country: []string{"CH"}, Organization: []string{"example"}, CommonName: cn},
		NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	if change != nil {
		change(template)
	}
	signer, parent := key, template
	if by != nil {
		signer, parent = by.key, by.cert.X509
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &holder{c, key}
}

func asCA(c *x509.Certificate) {
	c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
}

// dns gives a certificate a name.
func dns(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames = names }
}

func with(changes ...func(*x509.Certificate)) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		for _, change := range changes {
			change(c)
		}
	}
}

// trusting is the Trust of CAs.
func trusting(cas ...*holder) *Trust {
	var all []Authority
	for _, ca := range cas {
		all = append(all, Authority{Certificate: ca.cert})
	}
	return NewTrust(all, nil)
}

func id(t testing.TB, s string) Identity {
	t.Helper()
	i, err := ParseIdentity(s)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// shown is what a peer presents.
func shown(leaf *holder, others ...*holder) Presented {
	p := Presented{Leaf: leaf.cert}
	for _, o := range others {
		p.Others = append(p.Others, o.cert)
	}
	return p
}

// try judges without AUTH and without answering questions.
func try(trust *Trust, req *Requirement, p Presented, id Identity) (*Verdict, error) {
	trial := trust.Try(now, rand.Reader, req, p, id, nil, Evidence{})
	for range 100 {
		for _, f := range trial.Needs() {
			trial.Supply(now, f, nil, errors.New("unreachable"))
		}
	}
	return trial.Verdict()
}

// refused checks the kind and the text of a refusal.
func refused(t *testing.T, what string, err error, why Why, texts ...string) {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) {
		t.Errorf("%s: the error is %v, want a refusal", what, err)
		return
	}
	if r.Why != why {
		t.Errorf("%s: it is refused as %q (%v), want %q", what, r.Why, r, why)
	}
	for _, text := range texts {
		if !strings.Contains(r.Error(), text) {
			t.Errorf("%s: the reason is\n\t%v\nwhich does not say\n\t%s", what, r, text)
		}
	}
}

// crlOf makes a CRL.
func crlOf(t testing.TB, ca *holder, change func(*x509.RevocationList), revoked ...*holder) []byte {
	t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(7), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(time.Hour)}
	for _, h := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: h.cert.X509.SerialNumber, RevocationTime: now.Add(-2 * time.Hour), ReasonCode: 1})
	}
	if change != nil {
		change(list)
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, ca.cert.X509, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// ocspOf makes an OCSP response by a signer, with a nonce if it is not nil.
func ocspOf(t testing.TB, ca, signer *holder, of *holder, nonce []byte, change func(*ocsp.Response)) []byte {
	t.Helper()
	template := ocsp.Response{Status: ocsp.Good, SerialNumber: of.cert.X509.SerialNumber, ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(time.Hour), IssuerHash: crypto.SHA1}
	if signer != ca {
		template.Certificate = signer.cert.X509
	}
	if change != nil {
		change(&template)
	}
	der, err := ocsp.CreateResponse(ca.cert.X509, signer.cert.X509, template, signer.key)
	if err != nil {
		t.Fatal(err)
	}
	if nonce == nil {
		return der
	}
	return addNonce(t, der, nonce, signer)
}

// addNonce puts a nonce into a response and signs it anew: golang.org/x/crypto/ocsp makes none.
func addNonce(t testing.TB, der, nonce []byte, signer *holder) []byte {
	t.Helper()
	var basic struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
		Rest      []asn1.RawValue `asn1:"explicit,tag:0,optional"`
	}
	var outer struct {
		Status asn1.Enumerated
		Bytes  struct {
			Type  asn1.ObjectIdentifier
			Value []byte
		} `asn1:"explicit,tag:0"`
	}
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		t.Fatal(err)
	}
	if _, err := asn1.Unmarshal(outer.Bytes.Value, &basic); err != nil {
		t.Fatal(err)
	}
	var b cryptobyte.Builder
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(basic.TBS.Bytes)
		b.AddASN1(casn1.Tag(1).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oidNonce)
					b.AddASN1(casn1.OCTET_STRING, func(b *cryptobyte.Builder) { b.AddASN1OctetString(nonce) })
				})
			})
		})
	})
	tbs := b.BytesOrPanic()
	digest := crypto.SHA256.New()
	digest.Write(tbs)
	signature, err := signer.key.Sign(rand.Reader, digest.Sum(nil), crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	basic.TBS, basic.Signature = asn1.RawValue{FullBytes: tbs}, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	if outer.Bytes.Value, err = asn1.Marshal(basic); err != nil {
		t.Fatal(err)
	}
	der, err = asn1.Marshal(outer)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// nonceOf finds the nonce in a request.
func nonceOf(t testing.TB, request string) []byte {
	t.Helper()
	i := strings.LastIndex(request, string([]byte{0x04, nonceLen}))
	if i < 0 || len(request) != i+2+nonceLen {
		t.Fatalf("the request has no nonce at its end: %x", request)
	}
	return []byte(request[i+2:])
}

func TestChains(t *testing.T) {
	root := issue(t, nil, "root", asCA)
	middle := issue(t, root, "middle", asCA)
	low := issue(t, middle, "low", asCA)
	leaf := issue(t, low, "gw", dns("gw.example.org"))
	direct := issue(t, root, "direct", dns("gw.example.org"))
	stranger := issue(t, nil, "stranger", asCA)
	req := &Requirement{Conn: "x"}
	gw := id(t, "gw.example.org")
	for _, c := range []struct {
		name   string
		trust  *Trust
		req    *Requirement
		shown  Presented
		length int
	}{
		{"the peer sends its intermediate CAs in any order", trusting(root), req, shown(leaf, middle, low), 4},
		{"strangers among them do not matter", trusting(root, stranger), req, shown(leaf, stranger, low, middle, direct), 4},
		{"the intermediate CAs are known here", NewTrust([]Authority{{Certificate: root.cert}}, []*Certificate{low.cert, middle.cert}), req, shown(leaf), 4},
		{"all CAs are in x509ca: the chain goes to the root", trusting(low, middle, root), req, shown(leaf), 4},
		{"only an intermediate CA is trusted", trusting(middle), req, shown(leaf, low), 3},
		{"cacerts names an intermediate CA", trusting(root), &Requirement{CACerts: []*Certificate{middle.cert}}, shown(leaf, low), 4},
		{"cacerts alone is trusted", trusting(), &Requirement{CACerts: []*Certificate{root.cert}}, shown(direct), 2},
		{"ca_id names an intermediate CA", trusting(root), &Requirement{CAID: id(t, "C=CH, O=example, CN=middle")}, shown(leaf, middle, low), 4},
	} {
		v, err := try(c.trust, c.req, c.shown, gw)
		if err != nil || len(v.Chain) != c.length {
			t.Errorf("%s: the verdict is %v (%v), want a chain of %d", c.name, v, err, c.length)
		}
	}
}

func TestCrossSigned(t *testing.T) {
	old, fresh := issue(t, nil, "old root", asCA), issue(t, nil, "new root", asCA)
	cross := issueKey(t, old, "new root", fresh.key, asCA)
	leaf := issue(t, fresh, "gw", dns("gw.example.org"))
	gw := id(t, "gw.example.org")
	for what, trust := range map[string]*Trust{"the old root": trusting(old), "the new root": trusting(fresh), "both": trusting(old, fresh)} {
		v, err := try(trust, &Requirement{}, shown(leaf, cross), gw)
		if err != nil {
			t.Errorf("trusting %s, a certificate of the new root with the cross certificate is refused: %v", what, err)
		} else if last := v.Chain[len(v.Chain)-1]; !last.in(trust.Certificates()) {
			t.Errorf("trusting %s, the chain ends at %s", what, last.Name())
		}
	}
}

// TestMeshesEnd shows that certificates which all sign each other lead to a refusal, not in circles.
func TestMeshesEnd(t *testing.T) {
	root := issue(t, nil, "root", asCA)
	var mesh []*holder
	for i := range 4 {
		mesh = append(mesh, issue(t, nil, fmt.Sprint("mesh ", i), asCA))
	}
	var others []*holder
	for i, a := range mesh {
		for j, b := range mesh {
			if i != j {
				others = append(others, issueKey(t, b, fmt.Sprint("mesh ", i), a.key, asCA))
			}
		}
	}
	leaf := issue(t, mesh[0], "gw", dns("gw.example.org"))
	_, err := try(trusting(root), &Requirement{}, shown(leaf, others...), id(t, "gw.example.org"))
	refused(t, "a mesh", err, UnknownIssuer)
}

func TestRefusedChains(t *testing.T) {
	root := issue(t, nil, "root", asCA)
	trust := trusting(root)
	gwName := dns("gw.example.org")
	gw := id(t, "gw.example.org")
	rootAgain := issue(t, nil, "root", asCA) // the same name with another key
	notCA := issue(t, root, "not a CA", nil)
	short := issue(t, root, "short", with(asCA, func(c *x509.Certificate) { c.MaxPathLenZero = true }))
	below := issue(t, short, "below", asCA)
	constrained := issue(t, root, "constrained", with(asCA, func(c *x509.Certificate) {
		c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"example.com"}, true
	}))
	oldCA := issue(t, root, "old CA", with(asCA, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Hour) }))
	noSign := issue(t, root, "no sign", with(asCA, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }))
	policy := x509.OID{}
	if err := policy.UnmarshalText([]byte("1.2.3.4")); err != nil {
		t.Fatal(err)
	}
	critical := func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
	}
	onlyRSA, err := sig.ParseConstraints("rsa-3072-sha256", false)
	if err != nil {
		t.Fatal(err)
	}
	only384, err := sig.ParseConstraints("ecdsa-sha384", false)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		req   Requirement
		shown Presented
		why   Why
		text  string
	}{
		{"the issuer is not known", Requirement{}, shown(issue(t, issue(t, nil, "other", asCA), "gw", gwName)), UnknownIssuer,
			`certificate "C=CH, O=example, CN=gw": its issuer, "C=CH, O=example, CN=other", is not known here; put that CA's certificate into x509ca`},
		{"the intermediate CA is missing", Requirement{}, shown(issue(t, issue(t, root, "sub", asCA), "gw", gwName)), UnknownIssuer, "or have the peer send it if it is an intermediate CA"},
		{"it is signed by itself", Requirement{}, shown(issue(t, nil, "gw", gwName)), UnknownIssuer, "it is signed by itself, and it is not trusted here"},
		{"the root is sent, but not trusted", Requirement{}, func() Presented {
			other := issue(t, nil, "other", asCA)
			return shown(issue(t, other, "gw", gwName), other)
		}(), UnknownIssuer, "ends at this root, which is not trusted here"},
		{"the CA has a new key", Requirement{}, shown(issue(t, rootAgain, "gw", gwName)), BadSignature, "has the name of its issuer, but not the key that signed it"},
		{"it is expired", Requirement{}, shown(issue(t, root, "gw", with(gwName, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) }))), Expired,
			"it expired at 2026-06-01 11:59:59 UTC, and it is 2026-06-01 12:00:00 UTC; it has to be renewed"},
		{"it is not yet valid", Requirement{}, shown(issue(t, root, "gw", with(gwName, func(c *x509.Certificate) { c.NotBefore = now.Add(time.Second) }))), NotYetValid, "check the clock of this host"},
		{"its CA is expired", Requirement{}, shown(issue(t, oldCA, "gw", gwName), oldCA), Expired, `certificate "C=CH, O=example, CN=old CA": it expired`},
		{"its issuer is no CA", Requirement{}, shown(issue(t, notCA, "gw", gwName), notCA), NotACA, `certificate "C=CH, O=example, CN=not a CA": it is not a CA (basicConstraints)`},
		{"its CA may not sign certificates", Requirement{}, shown(issue(t, noSign, "gw", gwName), noSign), NotACA, "its keyUsage does not allow it to sign certificates"},
		{"the path is too long", Requirement{}, shown(issue(t, below, "gw", gwName), below, short), PathLength, "it allows 0 CAs below it, and there are 1"},
		{"the name is not permitted", Requirement{}, shown(issue(t, constrained, "gw", gwName), constrained), NameConstraint, "gw.example.org"},
		{"there is a critical extension", Requirement{}, shown(issue(t, root, "gw", with(gwName, critical))), CriticalExtension, "it has the critical extension 1.2.3"},
		{"the key is for encipherment only", Requirement{}, shown(issue(t, root, "gw", with(gwName, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }))), KeyUsage, "it needs digitalSignature"},
		{"the key is for signing code", Requirement{}, shown(issue(t, root, "gw", with(gwName, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
		}))), KeyUsage, "its extendedKeyUsage is for something else"},
		{"another CA is required", Requirement{Conn: "x", CACerts: []*Certificate{rootAgain.cert}}, shown(issue(t, root, "gw", gwName)), WrongCA, `connection "x" accepts "C=CH, O=example, CN=root"`},
		{"another ca_id is required", Requirement{Conn: "x", CAID: id(t, "C=CH, O=example, CN=*x")}, shown(issue(t, root, "gw", gwName)), WrongCA, `requires ca_id`},
		{"another certificate is required", Requirement{Conn: "x", Certs: []*Certificate{notCA.cert}}, shown(issue(t, root, "gw", gwName)), NotPinned, `it is none of those that connection "x" accepts: "C=CH, O=example, CN=not a CA"`},
		{"a policy is required", Requirement{Conn: "x", Policies: []x509.OID{policy}}, shown(issue(t, root, "gw", gwName)), Policy, `the policy 1.2.3.4, which connection "x" requires, does not hold for it and its CAs; it has no policy`},
		{"RSA is required", Requirement{Constraints: onlyRSA}, shown(issue(t, root, "gw", gwName)), WeakKey, "ECDSA on P-256"},
		{"SHA-384 is required", Requirement{Constraints: only384}, shown(issue(t, root, "gw", gwName)), WeakSignature, "it is signed with ECDSA_WITH_SHA256_DER, which is not allowed by auth = ecdsa-sha384"},
	} {
		_, err := try(trust, &c.req, c.shown, gw)
		refused(t, c.name, err, c.why, c.text)
	}
}

func TestExtendedKeyUsagesThatAreAccepted(t *testing.T) {
	root := issue(t, nil, "root", asCA)
	for name, change := range map[string]func(*x509.Certificate){
		"none":            func(*x509.Certificate) {},
		"serverAuth":      func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} },
		"clientAuth":      func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} },
		"any":             func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} },
		"ipsecIKE":        func(c *x509.Certificate) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{oidIPsecIKE} },
		"ikeIntermediate": func(c *x509.Certificate) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{oidIKEIntermediate} },
	} {
		leaf := issue(t, root, "gw", with(dns("gw.example.org"), change))
		if _, err := try(trusting(root), &Requirement{}, shown(leaf), id(t, "gw.example.org")); err != nil {
			t.Errorf("a certificate with the extendedKeyUsage %s is refused: %v", name, err)
		}
	}
}

func TestPolicies(t *testing.T) {
	oid := func(s string) x509.OID {
		o := x509.OID{}
		if err := o.UnmarshalText([]byte(s)); err != nil {
			t.Fatal(err)
		}
		return o
	}
	has := func(oids ...x509.OID) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.Policies = oids }
	}
	root := issue(t, nil, "root", asCA)
	a, b, any := oid("1.2.3.1"), oid("1.2.3.2"), oid(anyPolicy)
	for _, c := range []struct {
		name     string
		ca, leaf func(*x509.Certificate)
		required []x509.OID
		ok       bool
	}{
		{"both assert it", has(a), has(a), []x509.OID{a}, true},
		{"the CA asserts any", has(any), has(a), []x509.OID{a}, true},
		{"both of two", has(a, b), has(a, b), []x509.OID{a, b}, true},
		{"one of two", has(a, b), has(a), []x509.OID{a, b}, false},
		{"the CA has another", has(b), has(a), []x509.OID{a}, false},
		{"the CA has none", has(), has(a), []x509.OID{a}, false},
		{"the certificate has another", has(a), has(b), []x509.OID{a}, false},
	} {
		ca := issue(t, root, "ca", with(asCA, c.ca))
		leaf := issue(t, ca, "gw", with(dns("gw"), c.leaf))
		_, err := try(trusting(root), &Requirement{Policies: c.required}, shown(leaf, ca), id(t, "gw"))
		if (err == nil) != c.ok {
			t.Errorf("%s: %v, want accepted %v", c.name, err, c.ok)
		}
	}
}

func TestIdentitiesInCertificates(t *testing.T) {
	root := issue(t, nil, "root", asCA)
	leaf := issue(t, root, "gw.example.org", func(c *x509.Certificate) {
		c.DNSNames, c.EmailAddresses = []string{"vpn.example.org", "*.wild.example.org"}, []string{"admin@example.org"}
		c.IPAddresses = []net.IP{net.ParseIP("192.0.2.1"), net.ParseIP("2001:db8::1")}
		c.SubjectKeyId = []byte{1, 2, 3, 4}
	})
	for _, c := range []struct {
		id   string
		want Match
	}{
		{"vpn.example.org", MatchPerfect},
		{"VPN.example.org", MatchPerfect},
		{"*.example.org", MatchWildcard}, // a pattern of ours
		{"admin@example.org", MatchPerfect},
		{"*@example.org", MatchWildcard},
		{"192.0.2.1", MatchPerfect},
		{"2001:db8::1", MatchPerfect},
		{"C=CH, O=example, CN=gw.example.org", MatchPerfect},
		{"C=CH, O=example, CN=*", MatchWildcard},
		{"keyid:#01020304", MatchPerfect},
		{"%any", MatchAny},
		{"gw.example.org", MatchNone},     // a common name is no FQDN
		{"a.wild.example.org", MatchNone}, // a wildcard proves nothing
		{"*.wild.example.org", MatchNone},
		{"192.0.2.2", MatchNone},
		{"fqdn:192.0.2.1", MatchNone},
		{"vpn.example.org.", MatchNone},
		{"O=example, CN=gw.example.org", MatchNone},
		{"keyid:#0102", MatchNone},
	} {
		if got := leaf.cert.Proves(id(t, c.id)); got != c.want {
			t.Errorf("the certificate proves %q with %d, want %d", c.id, got, c.want)
		}
	}
	trust := trusting(root)
	for _, c := range []struct {
		required, claimed, text string
	}{
		{"other.example.org", "other.example.org", `peer presented SANs [vpn.example.org, *.wild.example.org, admin@example.org, 192.0.2.1, 2001:db8::1], CN gw.example.org; ` +
			`connection "x" requires id "other.example.org" (config line 14); the certificate needs the subjectAltName DNS:other.example.org`},
		{"gw.example.org", "gw.example.org", "a common name is no identity of type FQDN: the certificate needs the subjectAltName DNS:gw.example.org"},
		{"%any", "a.wild.example.org", `it claims the id "a.wild.example.org"; a wildcard in a certificate proves no identity of IKE`},
		{"other.example.org", "vpn.example.org", `and the id "vpn.example.org"; connection "x" requires id "other.example.org" (config line 14); write id = vpn.example.org there if that is the peer`},
	} {
		_, err := try(trust, &Requirement{Conn: "x", ID: id(t, c.required), IDSource: "config line 14"}, shown(leaf), id(t, c.claimed))
		refused(t, "required "+c.required+", claimed "+c.claimed, err, WrongIdentity, c.text)
		var r *Refusal
		if errors.As(err, &r) && (r.Presents.CN != "gw.example.org" || len(r.Presents.SANs) != 5 || r.Presents.Fingerprint != leaf.cert.Fingerprint()) {
			t.Errorf("the refusal's data are %+v", r.Presents)
		}
	}
	for _, pattern := range []string{"*.example.org", "fqdn:*.wild.example.org", "C=CH, O=example, CN=*"} {
		_, err := try(trust, &Requirement{Conn: "x"}, shown(leaf), id(t, pattern))
		refused(t, "a peer that calls itself "+pattern, err, WrongIdentity, "it claims the id")
	}
	if v, err := try(trust, &Requirement{Conn: "x", ID: id(t, "*.example.org")}, shown(leaf), id(t, "vpn.example.org")); err != nil || v.Match != MatchWildcard {
		t.Errorf("a pattern that fits gives %v (%v)", v, err)
	}
}

func TestPinned(t *testing.T) {
	self := issue(t, nil, "self", dns("gw"))
	v, err := try(trusting(), &Requirement{Certs: []*Certificate{self.cert}}, shown(self), id(t, "gw"))
	if err != nil || len(v.Chain) != 1 {
		t.Errorf("a certificate that is named in certs is refused without a CA: %v (%v)", v, err)
	}
	_, err = try(trusting(), &Requirement{Certs: []*Certificate{self.cert}, Revocation: RevocationStrict}, shown(self), id(t, "gw"))
	refused(t, "a certificate without a CA, revocation = strict", err, RevocationUnknown, "its CA is not known here")
	root := issue(t, nil, "root", asCA)
	_, err = try(trusting(root), &Requirement{Certs: []*Certificate{self.cert}, CACerts: []*Certificate{root.cert}}, shown(self), id(t, "gw"))
	refused(t, "certs and cacerts both have to hold", err, UnknownIssuer)
	weak, err := sig.ParseConstraints("ecdsa-256-sha384", false)
	if err != nil {
		t.Fatal(err)
	}
	leaf := issue(t, root, "gw", dns("gw"))
	if _, err := try(trusting(root), &Requirement{Certs: []*Certificate{leaf.cert}, Constraints: weak}, shown(leaf), id(t, "gw")); err != nil {
		t.Errorf("a certificate that is named in certs is refused for the signature of its CA: %v", err)
	}
	expired := issue(t, nil, "old", with(dns("gw"), func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Hour) }))
	_, err = try(trusting(), &Requirement{Certs: []*Certificate{expired.cert}}, shown(expired), id(t, "gw"))
	refused(t, "a certificate named in certs that has expired", err, Expired)
}

func TestRawKeys(t *testing.T) {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParsePresented([]CertPayload{{EncodingRawKey, spki}})
	if err != nil || p.RawKey == nil {
		t.Fatalf("a raw key is not read: %v", err)
	}
	req := &Requirement{Conn: "x", ID: id(t, "keyid:office"), PublicKeys: []*PublicKey{p.RawKey}}
	if _, err := try(trusting(), req, p, id(t, "keyid:office")); err != nil {
		t.Errorf("a raw key that is named in pubkeys is refused: %v", err)
	}
	_, err = try(trusting(), req, p, id(t, "keyid:other"))
	refused(t, "a raw key with another id", err, WrongIdentity, `connection "x" requires id "office"`)
	_, err = try(trusting(), &Requirement{Conn: "x"}, p, id(t, "a"))
	refused(t, "a raw key that nobody named", err, NotPinned, `connection "x" does not name it`)
	_, err = try(trusting(), &Requirement{Conn: "x"}, Presented{}, id(t, "a"))
	refused(t, "a peer that presents nothing", err, NoCertificate, "the peer sent no certificate")
}

func TestLimits(t *testing.T) {
	root := issue(t, nil, "root", asCA)
	many := make([]CertPayload, 4096)
	for i := range many {
		many[i] = CertPayload{EncodingX509, root.cert.X509.Raw}
	}
	_, err := ParsePresented(many)
	refused(t, "4096 certificates", err, TooLarge, "the peer sent 4096 CERT payloads; 16 are the limit")
	_, err = ParseCertificate(make([]byte, MaxCertificate+1))
	refused(t, "a long certificate", err, TooLarge)
	// SEQUENCEs within SEQUENCEs.
	bomb := []byte{}
	for range 2000 {
		bomb = append([]byte{0x30, 0x84, 0, 0, byte(len(bomb) >> 8), byte(len(bomb))}, bomb...)
	}
	_, err = ParseCertificate(bomb)
	refused(t, "an ASN.1 bomb", err, Malformed)
	_, err = ParseCertificate(replaceKey(t, root.cert.X509.Raw, rsaKey(16384)))
	refused(t, "an RSA key of 16384 bits", err, WeakKey, "RSA with 16384 bits")
	_, err = ParseCertificate(replaceKey(t, root.cert.X509.Raw, rsaKey(512)))
	refused(t, "an RSA key of 512 bits", err, WeakKey)
	_, err = ParseCertificate(replaceKey(t, root.cert.X509.Raw, brainpool()))
	refused(t, "a key on brainpoolP256r1", err, Malformed, "unsupported elliptic curve")
	names := make([]string, maxNames+1)
	for i := range names {
		names[i] = fmt.Sprint("h", i)
	}
	long := issueDER(t, names)
	_, err = ParseCertificate(long)
	refused(t, "a certificate with 257 names", err, TooLarge)
	// A chain longer than MaxChain.
	chain := []*holder{root}
	for i := range MaxChain {
		chain = append(chain, issue(t, chain[i], fmt.Sprint("ca ", i), asCA))
	}
	leaf := issue(t, chain[len(chain)-1], "gw", dns("gw"))
	_, err = try(trusting(root), &Requirement{}, shown(leaf, chain[1:]...), id(t, "gw"))
	refused(t, "a chain of ten", err, TooLarge, "the chain to its CA has more than 8 certificates")
}

// issueDER makes a certificate with so many names, and does not parse it.
func issueDER(t *testing.T, names []string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: names, NotAfter: now}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// replaceKey puts another SubjectPublicKeyInfo into a certificate; its signature is then wrong.
func replaceKey(t *testing.T, der, spki []byte) []byte {
	t.Helper()
	var c struct {
		TBS       asn1.RawValue
		Algorithm asn1.RawValue
		Signature asn1.RawValue
	}
	if _, err := asn1.Unmarshal(der, &c); err != nil {
		t.Fatal(err)
	}
	var fields []asn1.RawValue
	for rest := c.TBS.Bytes; len(rest) > 0; {
		var f asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &f); err != nil {
			t.Fatal(err)
		}
		fields = append(fields, f)
	}
	fields[6] = asn1.RawValue{FullBytes: spki} // behind version, serial, signature, issuer, validity, subject
	var body []byte
	for _, f := range fields {
		body = append(body, f.FullBytes...)
	}
	c.TBS = asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: body}
	out, err := asn1.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// rsaKey is the SubjectPublicKeyInfo of an RSA key with a modulus of so many bits, which nobody has.
func rsaKey(bits int) []byte {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	n.SetBit(n, 0, 1)
	key, err := asn1.Marshal(struct {
		N *big.Int
		E int
	}{n, 65537})
	if err != nil {
		panic(err)
	}
	return spkiOf(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, []byte{5, 0}, key)
}

// brainpool is the SubjectPublicKeyInfo of a key on brainpoolP256r1 (RFC 5639).
func brainpool() []byte {
	curve, err := asn1.Marshal(asn1.ObjectIdentifier{1, 3, 36, 3, 3, 2, 8, 1, 1, 7})
	if err != nil {
		panic(err)
	}
	return spkiOf(asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}, curve, append([]byte{4}, make([]byte, 64)...))
}

func spkiOf(oid asn1.ObjectIdentifier, parameters, key []byte) []byte {
	spki, err := asn1.Marshal(struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}{pkix.AlgorithmIdentifier{Algorithm: oid, Parameters: asn1.RawValue{FullBytes: parameters}}, asn1.BitString{Bytes: key, BitLength: 8 * len(key)}})
	if err != nil {
		panic(err)
	}
	return spki
}

func TestAUTHComesFirst(t *testing.T) {
	root := issue(t, nil, "root", asCA)
	leaf := issue(t, root, "gw", dns("gw"))
	key, err := NewPrivateKey(leaf.key)
	if err != nil {
		t.Fatal(err)
	}
	ours := &Credential{Certificate: leaf.cert, Key: key}
	for name, peer := range map[string][]uint16{"RFC 7427": sig.Constraints{}.Hashes(), "RFC 4754": nil} {
		got, use, err := Choose([]*Credential{ours}, id(t, "gw"), nil, sig.Constraints{}, peer)
		if err != nil {
			t.Fatal(err)
		}
		data, err := got.Sign(rand.Reader, use, []byte("octets"))
		if err != nil {
			t.Fatal(err)
		}
		proof := &Proof{Method: use.Method, Data: data, Octets: []byte("octets")}
		trial := trusting(root).Try(now, rand.Reader, &Requirement{}, shown(leaf), id(t, "gw"), proof, Evidence{})
		if v, err := trial.Verdict(); err != nil || v.Scheme.Name != use.Scheme.Name {
			t.Errorf("a signature of %s gives %v (%v)", name, v, err)
		}
		proof.Octets = []byte("octetz")
		trial = trusting(root).Try(now, rand.Reader, &Requirement{}, shown(leaf), id(t, "gw"), proof, Evidence{})
		if _, err := trial.Verdict(); !errors.Is(err, sig.ErrSignature) {
			t.Errorf("%s: over other octets the error is %v, want ErrSignature", name, err)
		}
	}
	// A peer that sends no certificate is found among those that are named.
	proofless := &Requirement{Conn: "x", Certs: []*Certificate{root.cert, leaf.cert}}
	_, use, _ := Choose([]*Credential{ours}, id(t, "gw"), nil, sig.Constraints{}, sig.Constraints{}.Hashes())
	data, err := ours.Sign(rand.Reader, use, []byte("octets"))
	if err != nil {
		t.Fatal(err)
	}
	trial := trusting().Try(now, rand.Reader, proofless, Presented{}, id(t, "gw"), &Proof{use.Method, data, []byte("octets")}, Evidence{})
	if v, err := trial.Verdict(); err != nil || !v.Chain[0].Equal(leaf.cert) {
		t.Errorf("a peer without CERT payload gives %v (%v)", v, err)
	}
}

func TestChoose(t *testing.T) {
	first, second := issue(t, nil, "first", asCA), issue(t, nil, "second", asCA)
	sub := issue(t, second, "sub", asCA)
	credential := func(by *holder, cn string, change func(*x509.Certificate)) *Credential {
		h := issue(t, by, cn, change)
		key, err := NewPrivateKey(h.key)
		if err != nil {
			t.Fatal(err)
		}
		return (&Credential{Certificate: h.cert, Key: key}).CompleteChain([]*Certificate{first.cert, second.cert, sub.cert})
	}
	a, b := credential(first, "a", dns("vpn")), credential(sub, "b", dns("vpn", "other"))
	list := []*Credential{a, b}
	wanted := func(cas ...*holder) []KeyHash {
		var all []*Certificate
		for _, ca := range cas {
			all = append(all, ca.cert)
		}
		hashes, err := ParseCertRequest(CertRequest(all))
		if err != nil {
			t.Fatal(err)
		}
		return hashes
	}
	for _, c := range []struct {
		name     string
		id       string
		requests []KeyHash
		want     *Credential
	}{
		{"no wishes", "vpn", nil, a},
		{"the peer trusts the second CA", "vpn", wanted(second), b},
		{"the peer trusts the intermediate CA", "vpn", wanted(sub), b},
		{"the peer trusts both", "vpn", wanted(second, first), a},
		{"the peer trusts neither: a hint", "vpn", []KeyHash{sha1.Sum(nil)}, a},
		{"only one has the identity", "other", wanted(first), b},
		{"any identity", "%any", wanted(second), b},
	} {
		got, _, err := Choose(list, id(t, c.id), c.requests, sig.Constraints{}, []uint16{2})
		if err != nil || got != c.want {
			t.Errorf("%s: %v is chosen (%v), want %s", c.name, got, err, c.want.Name())
		}
	}
	_, _, err := Choose(list, id(t, "nobody"), nil, sig.Constraints{}, []uint16{2})
	if want := `no certificate of ours proves the id "nobody"; there are "C=CH, O=example, CN=a" (SANs [vpn], CN a); "C=CH, O=example, CN=b"`; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("without one that fits the error is\n\t%v\nwant\n\t%s", err, want)
	}
	_, _, err = Choose(list, id(t, "vpn"), nil, sig.Constraints{}, []uint16{1})
	var scheme *sig.NoScheme
	if !errors.As(err, &scheme) {
		t.Errorf("for a peer with SHA-1 only the error is %v", err)
	}
	if n := len(b.Payloads()); n != 2 {
		t.Errorf("%d CERT payloads are sent, want the certificate and its intermediate CA, and no root", n)
	}
	if got := b.ID(); got.Type != IDDERASN1DN {
		t.Errorf("the identity without configuration is %v, want the subject", got)
	}
	for _, text := range []string{fmt.Sprint(a.Key), fmt.Sprintf("%#v", a.Key), fmt.Sprintf("%x", a.Key), fmt.Sprintf("%+v", a)} {
		if !strings.Contains(text, redacted) {
			t.Errorf("a private key prints as %s", text)
		}
	}
}

func TestPayloadsAreBounded(t *testing.T) {
	if _, err := ParseCertRequest(make([]byte, 19)); err == nil {
		t.Error("a CERTREQ of 19 octets is taken")
	}
	if _, err := ParseCertRequest(make([]byte, 20*(maxRequested+1))); err == nil {
		t.Error("a CERTREQ without bound is taken")
	}
	for _, data := range [][]byte{nil, make([]byte, 20), append(make([]byte, 20), "ftp://h/x"...), append(make([]byte, 20), "http://h/\n"...), append(make([]byte, 20), "http://u@h/"...), make([]byte, 5000)} {
		if _, err := ParseLink(CertPayload{EncodingHashURL, data}); err == nil {
			t.Errorf("the Hash and URL %q is taken", data)
		}
	}
}

// TestWorkIsBounded has a peer show as many certificates as it may, all of one name, so that each could have issued each: the
// work of judging them is that of a bounded number of signatures. It is counted in allocations, of which a signature has a
// fixed number.
func TestWorkIsBounded(t *testing.T) {
	root := issue(t, nil, "root", asCA)
	var others []*holder
	for range MaxCertificates {
		others = append(others, issue(t, nil, "mesh", asCA))
	}
	leaf := issue(t, issue(t, nil, "mesh", asCA), "gw", dns("gw"))
	one := testing.AllocsPerRun(10, func() { _ = leaf.cert.X509.CheckSignatureFrom(others[0].cert.X509) })
	var err error
	all := testing.AllocsPerRun(2, func() {
		_, err = try(trusting(root), &Requirement{}, shown(leaf, others...), id(t, "gw"))
	})
	refused(t, "certificates of one name", err, BadSignature)
	// crypto/x509 verifies up to 100 signatures, and the walk that finds the reason as many as there are certificates, at each
	// of MaxChain steps.
	if limit := float64(100+MaxChain*(MaxCertificates+1)) * (one + 10); all > limit {
		t.Errorf("judging them costs %v allocations, one signature %v: more than %v", all, one, limit)
	}
}

// TestASN1Bombs has octets that are small and say that they are much, in every parser of a peer's octets: they are refused, and
// cost next to nothing.
func TestASN1Bombs(t *testing.T) {
	root := issue(t, nil, "root", asCA)
	leaf := issue(t, root, "gw", dns("gw"))
	nested, indefinite := []byte{}, bytes.Repeat([]byte{0x30, 0x80}, 8000)
	for range 2000 {
		nested = append([]byte{0x30, 0x84, 0, 0, byte(len(nested) >> 8), byte(len(nested))}, nested...)
	}
	sets := append([]byte{0x30, 0x82, 0x3a, 0x98}, bytes.Repeat([]byte{0x31, 0x00}, 7500)...) // a name of empty parts
	for what, bomb := range map[string][]byte{
		"SEQUENCEs within SEQUENCEs": nested, "indefinite lengths": indefinite, "7500 empty SETs": sets,
		"a length of 2 GiB": {0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0x30}, "a length of 2^64": {0x30, 0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0},
	} {
		for name, parse := range map[string]func() error{
			"ParseCertificate":  func() error { _, err := ParseCertificate(bomb); return err },
			"ParseCRL":          func() error { _, err := ParseCRL(bomb); return err },
			"ParsePublicKey":    func() error { _, err := ParsePublicKey(bomb); return err },
			"ParsePKCS8":        func() error { _, err := ParsePKCS8(bomb); return err },
			"parseBundle":       func() error { _, _, err := parseBundle(bomb); return err },
			"readResponseData":  func() error { _, err := readResponseData(bomb); return err },
			"readNonce":         func() error { _, err := readNonce(bomb); return err },
			"the scope of CRLs": func() error { return (&CRL{List: &x509.RevocationList{}}).readScope(bomb) },
			"an OCSP response": func() error {
				if f := (&Trust{}).checkOCSP(now, bomb, nil, leaf.cert, root.cert, sig.Constraints{}); f.Status == StatusUnknown {
					return errors.New(f.Text)
				}
				return nil
			},
		} {
			var err error
			cost := testing.AllocsPerRun(1, func() { err = parse() })
			if err == nil || cost > 1000 {
				t.Errorf("%s of %s: the error %v for %v allocations", name, what, err, cost)
			}
		}
	}
}
