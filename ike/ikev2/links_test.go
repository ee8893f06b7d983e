package ikev2_test

import (
	"bytes"
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/ikev2/wire"
	"github.com/goswan/goswan/ike/sim"
)

// uriBase is the cert_uri_base of the authorities here.
const uriBase = "http://pki.example/certs/"

// urlOf is where strongSwan puts a certificate: its SHA-1 in hexadecimal digits behind the base.
func urlOf(c *auth.Certificate) string {
	hash := sha1.Sum(c.X509.Raw)
	return uriBase + hex.EncodeToString(hash[:])
}

// shop is a web server with certificates, by URL.
type shop map[string][]byte

func newShop(certs ...*auth.Certificate) shop {
	s := shop{}
	for _, c := range certs {
		s[urlOf(c)] = c.X509.Raw
	}
	return s
}

// answer is Node.Answer; asked gets the URLs in their order.
func (s shop) answer(asked *[]string) func(core.Ask) (core.Answer, time.Duration) {
	return func(q core.Ask) (core.Answer, time.Duration) {
		url := q.Question.(auth.Fetch).URL
		*asked = append(*asked, url)
		if octets, ok := s[url]; ok {
			return core.Answer{Value: octets}, 2 * time.Second
		}
		return core.Answer{Err: errors.New("the server answers 404 Not Found")}, time.Second
	}
}

// linked is a PKI in which the left end's certificate comes from an intermediate CA, and the right one's from the root.
type linked struct {
	*pki
	sub *holder
}

func newLinked(t *testing.T) *linked {
	p := &linked{pki: newPKI(t)}
	p.sub = issue(t, p.root, "sub", ecKey(), asCA)
	p.left = issue(t, p.sub, "left.example", ecKey(), nil)
	return p
}

// both is pki.both with the intermediate CA and authorities that have a base for URLs.
func (p *linked) both(l, r *core.Catalog) {
	p.pki.both(l, r)
	l.Credentials.Own[0].CompleteChain([]*auth.Certificate{p.sub.cert, p.root.cert})
	for _, c := range []*core.Catalog{l, r} {
		c.Authorities = []*core.Authority{
			{Name: "without", Certificate: p.root.cert},
			{Name: "root", Certificate: p.root.cert, CertURIBase: uriBase},
			{Name: "sub", Certificate: p.sub.cert, CertURIBase: uriBase},
		}
	}
}

// TestHashAndURL shows certificates by Hash and URL to those that look them up, in both roles. RFC 7296 §3.6
func TestHashAndURL(t *testing.T) {
	for _, who := range []struct{ left, right bool }{{true, true}, {true, false}, {false, true}, {false, false}} {
		p := newLinked(t)
		tc := newTest(t, sim.Faults{}, p.both)
		tc.left.Env.Settings.HashAndURL, tc.right.Env.Settings.HashAndURL = who.left, who.right
		var leftAsked, rightAsked []string
		s := newShop(p.left.cert, p.sub.cert, p.right.cert)
		tc.left.Answer, tc.right.Answer = s.answer(&leftAsked), s.answer(&rightAsked)
		op := tc.left.Initiate("site", "net", rightAddr)
		tc.w.Run(20 * time.Second)
		tc.want("it comes up", tc.done(tc.left, op) == nil)
		tc.same(1)
		tc.want("the responder says whether it looks up", strings.Contains(tc.left.Ladder()[1], "CERTREQ N(HTTP_CERT_LOOK)") == who.right)
		tc.want("the initiator says whether it looks up", strings.Contains(tc.right.Ladder()[2], "CERTREQ N(HTTP_CERT_LOOK)") == who.left)
		var wantLeft, wantRight []string
		if who.left {
			wantLeft = []string{urlOf(p.right.cert)}
		}
		if who.right {
			wantRight = []string{urlOf(p.left.cert), urlOf(p.sub.cert)} // the certificate itself before what is above it
		}
		tc.want(fmt.Sprint("the initiator gets ", leftAsked), slices.Equal(leftAsked, wantLeft))
		tc.want(fmt.Sprint("the responder gets ", rightAsked), slices.Equal(rightAsked, wantRight))
		tc.end()
	}
}

// TestLinksNeedABase sends whole certificates where no authority has a base, or another one has issued them.
func TestLinksNeedABase(t *testing.T) {
	p := newLinked(t)
	tc := newTest(t, sim.Faults{}, p.both, func(l, _ *core.Catalog) { l.Authorities = l.Authorities[:2] })
	tc.right.Env.Settings.HashAndURL = true
	var asked []string
	tc.right.Answer = newShop(p.sub.cert).answer(&asked)
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(20 * time.Second)
	tc.want("it comes up", tc.done(tc.left, op) == nil)
	tc.want("only the CA that the root has issued goes as a link", slices.Equal(asked, []string{urlOf(p.sub.cert)}))
	tc.end()
}

// TestLinksAreNotTaken has a peer send a Hash and URL to one that has not said that it looks up, and to one that asks for no
// certificate.
func TestLinksAreNotTaken(t *testing.T) {
	for _, on := range []bool{false, true} {
		p := newPKI(t)
		tc := newTest(t, sim.Faults{}, p.both, func(_, r *core.Catalog) { r.Connections[0].NoCertReq = true })
		tc.right.Env.Settings.HashAndURL = on
		tc.left.Catalog.Connections[0].SendCert = core.SendCertAlways
		var asked []string
		tc.right.Answer = newShop(p.left.cert).answer(&asked)
		tc.meddle(showing(auth.Link{Hash: sha1.Sum(p.left.cert.X509.Raw), URL: urlOf(p.left.cert)}.Payload()))
		op := tc.left.Initiate("site", "net", rightAddr)
		tc.w.Run(time.Second)
		tc.want("it is refused", tc.done(tc.left, op).ByPeer)
		tc.want("nothing is fetched", len(asked) == 0)
		tc.want("the log says so", strings.Contains(strings.Join(tc.right.Logs, "\n"), "received hash-and-url encoded cert, but we don't accept them, ignore"))
		tc.want("the reason is that there is no certificate", strings.Contains(sim.Told[core.Failed](tc.right)[0].Reason.Error(), "the peer sent no certificate"))
		tc.w.Run(time.Minute)
		tc.end()
	}
}

// showing replaces the CERT payloads of the initiator.
func showing(payloads ...auth.CertPayload) func(*wire.Message) bool {
	return func(msg *wire.Message) bool {
		if wire.First[*wire.IDi](msg) == nil {
			return false
		}
		msg.Payloads = slices.DeleteFunc(msg.Payloads, func(p wire.Payload) bool { _, ok := p.(*wire.CERT); return ok })
		for i, p := range payloads {
			msg.Payloads = slices.Insert(msg.Payloads, 1+i, wire.Payload(&wire.CERT{Encoding: wire.CertEncoding(p.Encoding), Data: p.Data}))
		}
		return true
	}
}

// TestHostileLinks is what a stranger may show by Hash and URL, and how little it gets for it.
func TestHostileLinks(t *testing.T) {
	p := newPKI(t)
	stranger := issue(t, p.root, "stranger.example", ecKey(), nil)
	link := func(c *auth.Certificate, url string) auth.CertPayload {
		return auth.Link{Hash: sha1.Sum(c.X509.Raw), URL: url}.Payload()
	}
	var seventeen, nine []auth.CertPayload
	for i := range 17 {
		seventeen = append(seventeen, link(p.left.cert, fmt.Sprint(uriBase, i)))
	}
	nine = append([]auth.CertPayload{link(p.left.cert, uriBase)}, seventeen[:15]...)
	good := func(string) ([]byte, error) { return p.left.cert.X509.Raw, nil }
	for name, test := range map[string]struct {
		shown  []auth.CertPayload
		server func(url string) ([]byte, error) // nil is silent
		asked  int
		want   string // of the reason; "" is up
	}{
		"wrong hash": {[]auth.CertPayload{link(p.left.cert, uriBase)},
			func(string) ([]byte, error) { return stranger.cert.X509.Raw, nil }, 1, "what is at " + uriBase + " has not the hash that the peer sent"},
		"oversized": {[]auth.CertPayload{link(p.left.cert, uriBase)},
			func(string) ([]byte, error) { return make([]byte, auth.MaxFetched+1), nil }, 1, "65537 octets are more than 65536"},
		"not there": {[]auth.CertPayload{link(p.left.cert, uriBase)},
			func(string) ([]byte, error) { return nil, errors.New("404") }, 1, "the peer's certificate could not be had"},
		"silent server": {[]auth.CertPayload{link(p.left.cert, uriBase)}, nil, 1, "within 30s nothing came from " + uriBase},
		"another's certificate": {[]auth.CertPayload{link(stranger.cert, uriBase)},
			func(string) ([]byte, error) { return stranger.cert.X509.Raw, nil }, 1, "the signature is wrong"},
		"another's certificate and more": {append([]auth.CertPayload{link(stranger.cert, uriBase)}, seventeen[:3]...),
			func(string) ([]byte, error) { return stranger.cert.X509.Raw, nil }, 1, "the signature is wrong"},
		"17 links":             {seventeen, good, 0, "the peer sent 17 CERT payloads; 16 are the limit"},
		"16 links":             {nine, good, 8, ""},
		"a file":               {[]auth.CertPayload{link(p.left.cert, "file:///etc/passwd")}, good, 0, "which is no http URL"},
		"a password":           {[]auth.CertPayload{link(p.left.cert, "http://root:root@router/")}, good, 0, "which is no http URL"},
		"a line feed":          {[]auth.CertPayload{link(p.left.cert, "http://h/\r\nHost: x")}, good, 0, "which is no http URL"},
		"no URL":               {[]auth.CertPayload{link(p.left.cert, "")}, good, 0, "a Hash and URL of 20 octets"},
		"a URL of 3000 octets": {[]auth.CertPayload{link(p.left.cert, uriBase+strings.Repeat("x", 3000))}, good, 0, "a Hash and URL of"},
		"a bundle that is a certificate": {[]auth.CertPayload{{Encoding: auth.EncodingHashURLBundle, Data: link(p.left.cert, uriBase).Data}},
			good, 1, "a bundle has a part that is neither certificate nor CRL"},
	} {
		t.Run(name, func(t *testing.T) {
			tc := newTest(t, sim.Faults{}, p.both)
			tc.right.Env.Settings.HashAndURL = true
			asked := 0
			tc.right.Answer = func(q core.Ask) (core.Answer, time.Duration) {
				asked++
				if test.server == nil {
					return core.Answer{}, time.Hour
				}
				octets, err := test.server(q.Question.(auth.Fetch).URL)
				return core.Answer{Value: octets, Err: err}, time.Second
			}
			tc.meddle(showing(test.shown...))
			op := tc.left.Initiate("site", "net", rightAddr)
			tc.w.Run(time.Minute)
			tc.want(fmt.Sprintf("%d things are fetched, want %d", asked, test.asked), asked == test.asked)
			if test.want == "" {
				tc.want("it comes up", tc.done(tc.left, op) == nil)
				tc.end()
				return
			}
			tc.want("the peer is told AUTHENTICATION_FAILED and no more", tc.done(tc.left, op).ByPeer && strings.HasSuffix(tc.left.Ladder()[len(tc.left.Ladder())-1], "[ N(AUTH_FAILED) ]"))
			reason := sim.Told[core.Failed](tc.right)[0].Reason
			tc.want("the reason has the facts: "+reason.Error(), strings.Contains(reason.Error(), test.want))
			tc.w.Run(2 * time.Hour)
			tc.want("nothing is left", len(tc.left.Lineages())+len(tc.right.Lineages()) == 0)
			tc.end()
		})
	}
}

// TestLinkIsFetchedOnce has two connections that the peer may mean: what was fetched for the one is there for the other.
func TestLinkIsFetchedOnce(t *testing.T) {
	p := newLinked(t)
	other := issue(t, nil, "other root", ecKey(), nil)
	tc := newTest(t, sim.Faults{}, p.both, preferring(other))
	tc.right.Env.Settings.HashAndURL = true
	var asked []string
	tc.right.Answer = newShop(p.left.cert, p.sub.cert).answer(&asked)
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(20 * time.Second)
	tc.want("it comes up", tc.done(tc.left, op) == nil)
	tc.want("with the connection whose CA it has", tc.right.IKESAs()[0].Conn == "site")
	tc.want("each link is followed once", slices.Equal(asked, []string{urlOf(p.left.cert), urlOf(p.sub.cert)}))
	tc.end()
}

// TestBundle shows the whole chain and a CRL by one link.
func TestBundle(t *testing.T) {
	for _, revoked := range []bool{false, true} {
		p := newLinked(t)
		var gone []*holder
		if revoked {
			gone = []*holder{p.sub}
		}
		bundle := bundleOf(t, p.crl(gone...).List.Raw, p.left.cert.X509, p.sub.cert.X509)
		tc := newTest(t, sim.Faults{}, p.both)
		tc.right.Env.Settings.HashAndURL = true
		var asked []string
		tc.right.Answer = shop{uriBase: bundle}.answer(&asked)
		tc.meddle(showing(auth.Link{Hash: sha1.Sum(bundle), URL: uriBase, Bundle: true}.Payload()))
		op := tc.left.Initiate("site", "net", rightAddr)
		tc.w.Run(20 * time.Second)
		reason := tc.done(tc.left, op)
		tc.want("the CRL in it counts", (reason == nil) != revoked)
		if revoked {
			failure := sim.Told[core.Failed](tc.right)[0].Reason.Error()
			tc.want("it says who is revoked: "+failure, strings.Contains(failure, `certificate "C=CH, CN=sub": revoked at 2001-01-01`))
		}
		tc.w.Run(time.Minute)
		tc.end()
	}
}

// bundleOf is a CertificateBundle (RFC 7296 §3.6): explicit tags 0 for certificates and 1 for CRLs.
func bundleOf(t *testing.T, crl []byte, certs ...*x509.Certificate) []byte {
	t.Helper()
	tlv := func(tag byte, content []byte) []byte {
		if len(content) < 256 || len(content) > 0xffff {
			t.Fatalf("%d octets need another length than two octets", len(content))
		}
		return append([]byte{tag, 0x82, byte(len(content) >> 8), byte(len(content))}, content...)
	}
	var parts bytes.Buffer
	for _, c := range certs {
		parts.Write(tlv(0xa0, c.Raw))
	}
	if len(crl) < 256 {
		parts.Write(append([]byte{0xa1, 0x81, byte(len(crl))}, crl...))
	} else {
		parts.Write(tlv(0xa1, crl))
	}
	return tlv(0x30, parts.Bytes())
}
