package auth

import (
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/goswan/goswan/crypto/sig"
)

const (
	crlURL  = "http://pki.example.org/ca.crl"
	ocspURL = "http://ocsp.example.org/"
)

func asksCRL(c *x509.Certificate)  { c.CRLDistributionPoints = []string{crlURL} }
func asksOCSP(c *x509.Certificate) { c.OCSPServer = []string{ocspURL} }

func asResponder(c *x509.Certificate) {
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}
}

// source answers a fetch: what a web server would.
type source func(f Fetch) ([]byte, error)

// run judges with a source that answers.
func run(trust *Trust, req *Requirement, p Presented, id Identity, known Evidence, from source) (*Trial, int) {
	trial := trust.Try(now, rand.Reader, req, p, id, nil, known)
	fetches := 0
	for needs := trial.Needs(); len(needs) > 0; needs = trial.Needs() {
		for _, f := range needs {
			fetches++
			octets, err := from(f)
			trial.Supply(now, f, octets, err)
		}
	}
	return trial, fetches
}

var errUnreachable = errors.New("connection refused")

// TestRevocation goes through every answer of a source with every setting.
func TestRevocation(t *testing.T) {
	root := issue(t, nil, "root", asCA)
	other := issue(t, nil, "other", asCA)
	twin := issue(t, nil, "root", asCA) // the CA's name with another key
	responder := issue(t, root, "responder", asResponder)
	unfit := issue(t, root, "unfit", nil)
	late := issue(t, root, "late", with(asResponder, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Hour) }))
	byCRL := issue(t, root, "gw", with(dns("gw"), asksCRL))
	byOCSP := issue(t, root, "gw", with(dns("gw"), asksOCSP))
	both := issue(t, root, "gw", with(dns("gw"), asksOCSP, asksCRL))
	silent := issue(t, root, "gw", dns("gw"))
	fixed := func(octets []byte) source { return func(Fetch) ([]byte, error) { return octets, nil } }
	stale := func(l *x509.RevocationList) { l.NextUpdate = now.Add(-time.Minute) }
	answer := func(signer *holder, change func(*ocsp.Response)) source {
		return func(f Fetch) ([]byte, error) {
			return ocspOf(t, root, signer, byOCSP, nonceOf(t, f.Request), change), nil
		}
	}
	extension := func(id asn1.ObjectIdentifier, value ...byte) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{{Id: id, Critical: true, Value: value}}
		}
	}
	broken := crlOf(t, root, nil)
	broken[len(broken)-1] ^= 1
	const ok, bad = true, false
	for _, c := range []struct {
		name                   string
		leaf                   *holder
		from                   source
		strict, ifuri, relaxed bool
		text                   string // in the refusal, or in the warning
	}{
		{"a CRL without the certificate", byCRL, fixed(crlOf(t, root, nil, other)), ok, ok, ok, ""},
		{"a CRL with the certificate", byCRL, fixed(crlOf(t, root, nil, byCRL)), bad, bad, bad,
			`certificate "C=CH, O=example, CN=gw": revoked at 2026-06-01 10:00:00 UTC, key compromise, says the CRL of C=CH, O=example, CN=root from ` + crlURL},
		{"an old CRL with the certificate", byCRL, fixed(crlOf(t, root, stale, byCRL)), bad, bad, bad, "revoked at"},
		{"an old CRL", byCRL, fixed(crlOf(t, root, stale)), bad, bad, ok, "it is out of date since 2026-06-01 11:59:00 UTC"},
		{"a CRL of the future", byCRL, fixed(crlOf(t, root, func(l *x509.RevocationList) { l.ThisUpdate, l.NextUpdate = now.Add(time.Hour), now.Add(2*time.Hour) })), bad, bad, ok, "it begins to hold at"},
		{"a CRL of another CA", byCRL, fixed(crlOf(t, other, nil)), bad, bad, ok, "it is not for this certificate"},
		{"a CRL of another key", byCRL, fixed(crlOf(t, twin, nil)), bad, bad, ok, "the CA's key did not sign it"},
		{"a CRL with a broken signature", byCRL, fixed(broken), bad, bad, ok, "the CA's key did not sign it"},
		{"a delta CRL", byCRL, fixed(crlOf(t, root, extension(oidDeltaCRL, 2, 1, 1))), bad, bad, ok, "it is a delta CRL; only complete ones are used"},
		{"an indirect CRL", byCRL, fixed(crlOf(t, root, extension(oidIssuingPoint, 0x30, 3, 0x84, 1, 0xff))), bad, bad, ok, "it is an indirect CRL"},
		{"a CRL for CAs", byCRL, fixed(crlOf(t, root, extension(oidIssuingPoint, 0x30, 3, 0x82, 1, 0xff))), bad, bad, ok, "it is not for this certificate"},
		{"a CRL for end entities", byCRL, fixed(crlOf(t, root, extension(oidIssuingPoint, 0x30, 3, 0x81, 1, 0xff))), ok, ok, ok, ""},
		{"a CRL for some reasons", byCRL, fixed(crlOf(t, root, extension(oidIssuingPoint, 0x30, 4, 0x83, 2, 6, 0x40))), bad, bad, ok, "for some reasons"},
		{"a CRL with an unknown extension", byCRL, fixed(crlOf(t, root, extension(asn1.ObjectIdentifier{1, 2, 3}, 5, 0))), bad, bad, ok, "critical extension 1.2.3"},
		{"no CRL, but a page", byCRL, fixed([]byte("<html>404")), bad, bad, ok, "a CRL cannot be read"},
		{"an unreachable server", byCRL, func(Fetch) ([]byte, error) { return nil, errUnreachable }, bad, bad, ok,
			crlURL + ": connection refused"},
		{"no source at all", silent, nil, bad, ok, ok, "neither the certificate nor its CA names a CRL or an OCSP responder"},

		{"OCSP: good", byOCSP, answer(root, nil), ok, ok, ok, ""},
		{"OCSP: good, by a responder of the CA", byOCSP, answer(responder, nil), ok, ok, ok, ""},
		{"OCSP: good, without nonce", byOCSP, fixed(ocspOf(t, root, root, byOCSP, nil, nil)), ok, ok, ok, ""},
		{"OCSP: revoked", byOCSP, answer(root, func(r *ocsp.Response) { r.Status, r.RevokedAt = ocsp.Revoked, now.Add(-time.Hour) }), bad, bad, bad, "revoked at 2026-06-01 11:00:00 UTC, says an OCSP response from " + ocspURL},
		{"OCSP: unknown", byOCSP, answer(root, func(r *ocsp.Response) { r.Status = ocsp.Unknown }), bad, bad, ok, "the responder does not know the certificate"},
		{"OCSP: out of date", byOCSP, answer(root, func(r *ocsp.Response) { r.ThisUpdate, r.NextUpdate = now.Add(-2*time.Hour), now.Add(-time.Hour) }), bad, bad, ok, "it is out of date since 2026-06-01 11:00:00 UTC"},
		{"OCSP: of the future", byOCSP, answer(root, func(r *ocsp.Response) { r.ThisUpdate = now.Add(time.Hour) }), bad, bad, ok, "it begins to hold at"},
		{"OCSP: without nextUpdate, old", byOCSP, answer(root, func(r *ocsp.Response) { r.ThisUpdate, r.NextUpdate = now.Add(-time.Hour), time.Time{} }), bad, bad, ok, "out of date since"},
		{"OCSP: another nonce", byOCSP, fixed(ocspOf(t, root, root, byOCSP, make([]byte, nonceLen), nil)), bad, bad, ok, "it has the nonce of another request"},
		{"OCSP: by another CA", byOCSP, answer(other, nil), bad, bad, ok, "bad OCSP signature"},
		{"OCSP: by a certificate that may not", byOCSP, answer(unfit, nil), bad, bad, ok, `its signer, "C=CH, O=example, CN=unfit", is not allowed to sign OCSP responses`},
		{"OCSP: by an expired responder", byOCSP, answer(late, nil), bad, bad, ok, "is out of date"},
		{"OCSP: for another serial number", byOCSP, fixed(ocspOf(t, root, root, other, nil, nil)), bad, bad, ok, "no response matching"},
		{"OCSP: the responder refuses", byOCSP, fixed(ocsp.TryLaterErrorResponse), bad, bad, ok, "the responder refuses: try later"},
		{"OCSP: garbage", byOCSP, fixed([]byte{0x30, 0x80}), bad, bad, ok, ocspURL},

		{"OCSP fails, the CRL is good", both, func(f Fetch) ([]byte, error) {
			if f.Kind == FetchOCSP {
				return nil, errUnreachable
			}
			return crlOf(t, root, nil), nil
		}, ok, ok, ok, ""},
		{"OCSP fails, the CRL has it", both, func(f Fetch) ([]byte, error) {
			if f.Kind == FetchOCSP {
				return nil, errUnreachable
			}
			return crlOf(t, root, nil, both), nil
		}, bad, bad, bad, "revoked at"},
	} {
		for mode, want := range map[Revocation]bool{RevocationStrict: c.strict, RevocationIfURI: c.ifuri, RevocationRelaxed: c.relaxed} {
			trial, _ := run(trusting(root), &Requirement{Revocation: mode}, shown(c.leaf), id(t, "gw"), Evidence{}, c.from)
			v, err := trial.Verdict()
			if (err == nil) != want {
				t.Errorf("%s, revocation = %s: %v (%v), want accepted %v", c.name, mode, v, err, want)
				continue
			}
			said := ""
			if err != nil {
				said = err.Error()
			} else {
				said = strings.Join(v.Warnings, "; ") + v.Revocation[0].Text
			}
			if !strings.Contains(said, c.text) {
				t.Errorf("%s, revocation = %s: it is said\n\t%s\nwithout\n\t%s", c.name, mode, said, c.text)
			}
		}
	}
}

// TestConfiguredResponder has OCSP responses signed by somebody whom no CA lets sign, but who is in x509ocsp.
//
//	"Matches a local configuration of OCSP signing authority for the certificate in question"  RFC 6960 §4.2.2.2
func TestConfiguredResponder(t *testing.T) {
	root := issue(t, nil, "root", asCA)
	responder := issue(t, nil, "responder", asResponder)
	stranger := issue(t, nil, "stranger", asResponder)
	late := issue(t, nil, "late", with(asResponder, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Hour) }))
	leaf := issue(t, root, "gw", with(dns("gw"), asksOCSP))
	for _, c := range []struct {
		name       string
		configured []*holder
		signer     *holder
		change     func(*ocsp.Response)
		text       string
	}{
		{"good, by a responder of ours", []*holder{stranger, responder}, responder, nil, ""},
		{"good, by one whose certificate is not in the response", []*holder{responder}, responder, func(r *ocsp.Response) { r.Certificate = nil }, ""},
		{"revoked, by a responder of ours", []*holder{responder}, responder, func(r *ocsp.Response) { r.Status, r.RevokedAt = ocsp.Revoked, now.Add(-time.Hour) }, "revoked at"},
		{"by a stranger", []*holder{responder}, stranger, nil, "bad OCSP signature"},
		{"by nobody of ours", nil, responder, nil, "bad OCSP signature"},
		{"by one of ours that is out of date", []*holder{late}, late, nil, "is out of date"},
	} {
		trust := trusting(root)
		for _, h := range c.configured {
			trust.Responders = append(trust.Responders, h.cert)
		}
		trial, _ := run(trust, &Requirement{Revocation: RevocationStrict}, shown(leaf), id(t, "gw"), Evidence{}, func(f Fetch) ([]byte, error) {
			return ocspOf(t, root, c.signer, leaf, nonceOf(t, f.Request), c.change), nil
		})
		_, err := trial.Verdict()
		if (err == nil) != (c.text == "") || err != nil && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want a refusal with %q (accepted if that is empty)", c.name, err, c.text)
		}
	}
}

func TestRevocationOfCAs(t *testing.T) {
	root := issue(t, nil, "root", asCA)
	sub := issue(t, root, "sub", with(asCA, asksCRL))
	leaf := issue(t, sub, "gw", dns("gw"))
	trial, _ := run(trusting(root), &Requirement{}, shown(leaf, sub), id(t, "gw"), Evidence{}, func(Fetch) ([]byte, error) { return crlOf(t, root, nil, sub), nil })
	_, err := trial.Verdict()
	refused(t, "a revoked intermediate CA", err, Revoked, `certificate "C=CH, O=example, CN=sub": revoked`)
	trial, _ = run(trusting(sub, root), &Requirement{}, shown(leaf), id(t, "gw"), Evidence{}, func(Fetch) ([]byte, error) { return crlOf(t, root, nil, sub), nil })
	_, err = trial.Verdict()
	refused(t, "a revoked intermediate CA in x509ca", err, Revoked)
	// Cross-signed: the other way is good.
	second := issue(t, nil, "second", asCA)
	cross := issueKey(t, second, "sub", sub.key, asCA)
	trial, _ = run(trusting(root, second), &Requirement{}, shown(leaf, sub, cross), id(t, "gw"), Evidence{}, func(Fetch) ([]byte, error) { return crlOf(t, root, nil, sub), nil })
	if _, err := trial.Verdict(); err != nil {
		t.Errorf("one of two certificates of a CA is revoked, and the other is not taken: %v", err)
	}
}

// TestWhatIsKnownIsNotAskedFor shows CRLs from files, what earlier trials learned, and what the peer adds itself.
func TestWhatIsKnownIsNotAskedFor(t *testing.T) {
	root := issue(t, nil, "root", asCA)
	leaf := issue(t, root, "gw", with(dns("gw"), asksOCSP, asksCRL))
	strict := &Requirement{Revocation: RevocationStrict}
	none := func(f Fetch) ([]byte, error) { return nil, errUnreachable }
	crl, err := ParseCRL(crlOf(t, root, nil))
	if err != nil {
		t.Fatal(err)
	}
	trial, fetches := run(trusting(root), strict, shown(leaf), id(t, "gw"), Evidence{CRLs: []*CRL{crl}}, none)
	if _, err := trial.Verdict(); err != nil || fetches != 0 {
		t.Errorf("with the CRL of a file, %d things are fetched (%v)", fetches, err)
	}
	trial, _ = run(trusting(root), strict, shown(leaf), id(t, "gw"), Evidence{}, func(f Fetch) ([]byte, error) {
		return ocspOf(t, root, root, leaf, nonceOf(t, f.Request), nil), nil
	})
	learned := trial.Learned()
	if len(learned.Answers) != 1 || !learned.Answers[0].Until().Equal(now.Add(time.Hour)) {
		t.Fatalf("an OCSP response teaches %+v", learned)
	}
	trial, fetches = run(trusting(root), strict, shown(leaf), id(t, "gw"), learned, none)
	if _, err := trial.Verdict(); err != nil || fetches != 0 {
		t.Errorf("with what was learned, %d things are fetched (%v)", fetches, err)
	}
	stapled := shown(leaf)
	stapled.OCSP = [][]byte{ocspOf(t, root, root, leaf, nil, nil)}
	trial, fetches = run(trusting(root), strict, stapled, id(t, "gw"), Evidence{}, none)
	if _, err := trial.Verdict(); err != nil || fetches != 0 {
		t.Errorf("with an OCSP response from the peer, %d things are fetched (%v)", fetches, err)
	}
	listed := shown(leaf)
	listed.CRLs = [][]byte{crlOf(t, root, nil, leaf)}
	trial, _ = run(trusting(root), strict, listed, id(t, "gw"), Evidence{}, none)
	_, err = trial.Verdict()
	refused(t, "a CRL from the peer that has its own certificate", err, Revoked)
}

func TestSourcesOfAuthorities(t *testing.T) {
	root := issue(t, nil, "root", asCA)
	leaf := issue(t, root, "gw", dns("gw"))
	for name, a := range map[string]Authority{
		"crl_uris":  {Certificate: root.cert, CRLURIs: []string{"ldap://x/y", crlURL}},
		"ocsp_uris": {Certificate: root.cert, OCSPURIs: []string{"file:///etc/passwd", ocspURL}},
	} {
		var asked []string
		trial, _ := run(NewTrust([]Authority{a}, nil), &Requirement{Revocation: RevocationIfURI}, shown(leaf), id(t, "gw"), Evidence{}, func(f Fetch) ([]byte, error) {
			asked = append(asked, f.URL)
			return nil, errUnreachable
		})
		_, err := trial.Verdict()
		refused(t, name, err, RevocationUnknown, "connection refused; revocation = ifuri demands an answer")
		if len(asked) != 1 {
			t.Errorf("%s: asked are %v, want the one http URL", name, asked)
		}
	}
}

// TestNothingIsFetchedForStrangers shows that a certificate that leads to no CA of ours cannot send us anywhere.
func TestNothingIsFetchedForStrangers(t *testing.T) {
	stranger := issue(t, nil, "stranger", asCA)
	leaf := issue(t, stranger, "gw", with(dns("gw"), asksCRL, asksOCSP))
	trial, fetches := run(trusting(issue(t, nil, "root", asCA)), &Requirement{Revocation: RevocationStrict}, shown(leaf, stranger), id(t, "gw"), Evidence{}, nil)
	if _, err := trial.Verdict(); err == nil || fetches != 0 {
		t.Errorf("a stranger's certificate made %d fetches (%v)", fetches, err)
	}
}

func TestSourcesAreBounded(t *testing.T) {
	root := issue(t, nil, "root", asCA)
	leaf := issue(t, root, "gw", with(dns("gw"), func(c *x509.Certificate) {
		for i := range 100 {
			c.CRLDistributionPoints = append(c.CRLDistributionPoints, crlURL+strings.Repeat("x", i))
		}
	}))
	_, fetches := run(trusting(root), &Requirement{}, shown(leaf), id(t, "gw"), Evidence{}, func(Fetch) ([]byte, error) { return nil, errUnreachable })
	if fetches != maxSources {
		t.Errorf("a certificate with 100 distribution points makes %d fetches, want %d", fetches, maxSources)
	}
}

func TestHashAndURL(t *testing.T) {
	root := issue(t, nil, "root", asCA)
	sub := issue(t, root, "sub", asCA)
	leaf := issue(t, sub, "gw", dns("gw"))
	bundle, err := asn1.Marshal([]asn1.RawValue{
		{Class: 2, Tag: 0, IsCompound: true, Bytes: leaf.cert.X509.Raw}, {Class: 2, Tag: 0, IsCompound: true, Bytes: sub.cert.X509.Raw},
		{Class: 2, Tag: 1, IsCompound: true, Bytes: crlOf(t, sub, nil)}})
	if err != nil {
		t.Fatal(err)
	}
	link := func(octets []byte, url string, encoding Encoding) CertPayload {
		return CertPayload{encoding, Link{Hash: sha1.Sum(octets), URL: url}.AppendTo(nil)}
	}
	gone, err := asn1.Marshal([]asn1.RawValue{
		{Class: 2, Tag: 0, IsCompound: true, Bytes: leaf.cert.X509.Raw}, {Class: 2, Tag: 0, IsCompound: true, Bytes: sub.cert.X509.Raw},
		{Class: 2, Tag: 1, IsCompound: true, Bytes: crlOf(t, sub, nil, leaf)}})
	if err != nil {
		t.Fatal(err)
	}
	single := link(leaf.cert.X509.Raw, "http://h/gw", EncodingHashURL)
	for _, c := range []struct {
		name     string
		payloads []CertPayload
		at       map[string][]byte
		why      Why
	}{
		{"a certificate and an intermediate CA", []CertPayload{single, {EncodingX509, sub.cert.X509.Raw}}, map[string][]byte{"http://h/gw": leaf.cert.X509.Raw}, ""},
		{"two certificates", []CertPayload{single, link(sub.cert.X509.Raw, "http://h/sub", EncodingHashURL)}, map[string][]byte{"http://h/gw": leaf.cert.X509.Raw, "http://h/sub": sub.cert.X509.Raw}, ""},
		{"a bundle", []CertPayload{link(bundle, "http://h/b", EncodingHashURLBundle)}, map[string][]byte{"http://h/b": bundle}, ""},
		{"another certificate than promised", []CertPayload{single}, map[string][]byte{"http://h/gw": sub.cert.X509.Raw}, NotRetrieved},
		{"nothing there", []CertPayload{single}, nil, NotRetrieved},
		{"a missing intermediate CA", []CertPayload{single, link(sub.cert.X509.Raw, "http://h/sub", EncodingHashURL)}, map[string][]byte{"http://h/gw": leaf.cert.X509.Raw}, UnknownIssuer},
		{"a CA by link behind the certificate itself", []CertPayload{{EncodingX509, leaf.cert.X509.Raw}, link(sub.cert.X509.Raw, "http://h/sub", EncodingHashURL)}, map[string][]byte{"http://h/sub": sub.cert.X509.Raw}, ""},
		{"a CRL in a bundle", []CertPayload{link(gone, "http://h/b", EncodingHashURLBundle)}, map[string][]byte{"http://h/b": gone}, Revoked},
		{"a bundle that is none", []CertPayload{link([]byte("x"), "http://h/b", EncodingHashURLBundle)}, map[string][]byte{"http://h/b": []byte("x")}, NotRetrieved},
	} {
		p, err := ParsePresented(c.payloads)
		if err != nil {
			t.Fatal(err)
		}
		trial, _ := run(trusting(root), &Requirement{}, p, id(t, "gw"), Evidence{}, func(f Fetch) ([]byte, error) {
			if octets := c.at[f.URL]; octets != nil {
				return octets, nil
			}
			return nil, errUnreachable
		})
		_, err = trial.Verdict()
		if c.why == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		refused(t, c.name, err, c.why)
	}
}

// TestLinksComeInOrder asks for the peer's own certificate alone, and for what leads from it only when that is in order.
func TestLinksComeInOrder(t *testing.T) {
	root := issue(t, nil, "root", asCA)
	sub := issue(t, root, "sub", asCA)
	leaf := issue(t, sub, "gw", dns("gw"))
	var payloads []CertPayload
	for _, c := range []*Certificate{leaf.cert, sub.cert} {
		link, err := NewLink("http://h/", c)
		if err != nil {
			t.Fatal(err)
		}
		payloads = append(payloads, link.Payload())
	}
	for _, claimed := range []string{"gw", "other"} {
		shown, err := ParsePresented(payloads)
		if err != nil {
			t.Fatal(err)
		}
		trial := trusting(root).Try(now, nil, &Requirement{}, shown, id(t, claimed), nil, Evidence{})
		first := trial.Needs()
		if len(first) != 1 || first[0].URL != shown.Links[0].URL {
			t.Fatalf("it asks for %v first, want the certificate alone", first)
		}
		trial.Supply(now, first[0], leaf.cert.X509.Raw, nil)
		if claimed == "other" {
			if needs := trial.Needs(); len(needs) > 0 {
				t.Errorf("with another name in its certificate it still asks for %v", needs)
			}
			_, err := trial.Verdict()
			refused(t, "another name", err, WrongIdentity)
			continue
		}
		second := trial.Needs()
		if len(second) != 1 || second[0].URL != shown.Links[1].URL {
			t.Fatalf("it asks for %v then, want the CA", second)
		}
		if _, err := trial.Verdict(); err != nil {
			t.Errorf("while a link is followed the verdict is %v", err)
		}
		trial.Supply(now, second[0], sub.cert.X509.Raw, nil)
		if v, err := trial.Verdict(); err != nil || v == nil || len(v.Chain) != 3 {
			t.Errorf("the verdict is %v (%v), want a chain of three", v, err)
		}
		if again := trusting(root).Try(now, nil, &Requirement{}, trial.Shown(), id(t, claimed), nil, Evidence{}); len(again.Needs()) > 0 {
			t.Errorf("a second trial asks for %v again", again.Needs())
		}
	}
}

// TestLostLeaf judges again what could not be had: it is refused and nothing is asked.
func TestLostLeaf(t *testing.T) {
	root := issue(t, nil, "root", asCA)
	leaf := issue(t, root, "gw", dns("gw"))
	link, err := NewLink("http://h/", leaf.cert)
	if err != nil {
		t.Fatal(err)
	}
	second := Link{Hash: link.Hash, URL: "http://h/second"}
	shown, err := ParsePresented([]CertPayload{link.Payload(), second.Payload()})
	if err != nil {
		t.Fatal(err)
	}
	trial := trusting(root).Try(now, nil, &Requirement{}, shown, id(t, "gw"), nil, Evidence{})
	trial.Supply(now, trial.Needs()[0], nil, errUnreachable)
	for name, trial := range map[string]*Trial{"first": trial, "second": trusting(root).Try(now, nil, &Requirement{}, trial.Shown(), id(t, "gw"), nil, Evidence{})} {
		_, err := trial.Verdict()
		refused(t, "the "+name+" trial", err, NotRetrieved)
		if needs := trial.Needs(); len(needs) > 0 {
			t.Errorf("the %s trial asks for %v", name, needs)
		}
	}
	if _, err := NewLink("ftp://h/", leaf.cert); err == nil {
		t.Error("a link to an FTP server is made")
	}
}

func TestRevocationWords(t *testing.T) {
	for _, r := range []Revocation{RevocationRelaxed, RevocationIfURI, RevocationStrict} {
		if got, err := ParseRevocation(r.String()); err != nil || got != r {
			t.Errorf("%s reads as %v (%v)", r, got, err)
		}
	}
	if _, err := ParseRevocation("sometimes"); err == nil {
		t.Error("revocation = sometimes is taken")
	}
}

func TestSerialNumbersPrint(t *testing.T) {
	for n, want := range map[int64]string{0: "00", 10: "0a", 1 << 12: "10:00", -1: "-01"} {
		if got := Serial(big.NewInt(n)); got != want {
			t.Errorf("the serial number %d prints as %s, want %s", n, got, want)
		}
	}
}

func FuzzCertificates(f *testing.F) {
	root := issue(f, nil, "root", asCA)
	leaf := issue(f, root, "gw", with(dns("gw"), asksCRL, asksOCSP))
	f.Add(leaf.cert.X509.Raw, uint8(EncodingX509))
	f.Add(leaf.cert.X509.RawSubjectPublicKeyInfo, uint8(EncodingRawKey))
	f.Add(crlOf(f, root, nil, leaf), uint8(EncodingCRL))
	f.Add(ocspOf(f, root, root, leaf, make([]byte, 32), nil), uint8(EncodingOCSP))
	f.Add(Link{URL: "http://h/"}.AppendTo(nil), uint8(EncodingHashURL))
	trust := trusting(root)
	trust.Responders = []*Certificate{issue(f, nil, "responder", asResponder).cert}
	f.Fuzz(func(t *testing.T, data []byte, encoding uint8) {
		for _, payloads := range [][]CertPayload{{{Encoding(encoding), data}}, {{EncodingX509, leaf.cert.X509.Raw}, {Encoding(encoding), data}}} {
			p, err := ParsePresented(payloads)
			if err != nil {
				continue
			}
			trial, fetches := run(trust, &Requirement{}, p, Identity{IDFQDN, "gw"}, Evidence{}, func(fetch Fetch) ([]byte, error) { return data, nil })
			if v, err := trial.Verdict(); v == nil && err == nil {
				t.Errorf("after %d fetches there is no verdict", fetches)
			}
		}
		_, _ = ParseCRL(data)
		_, _ = readResponseData(data)
		_, _, _ = parseBundle(data)
		_, _ = ParseCertRequest(data)
		trust.checkOCSP(now, data, nil, leaf.cert, root.cert, sig.Constraints{})
	})
}
