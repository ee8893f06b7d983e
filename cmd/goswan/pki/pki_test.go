package pki

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/config/creds"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/auth"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func dn(t testing.TB, s string) auth.Identity {
	t.Helper()
	id, err := auth.ParseIdentity("asn1dn:" + s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// newCA makes a root in a directory.
func newCA(t testing.TB, change func(*NewAuthority)) *Authority {
	t.Helper()
	n := NewAuthority{Dir: filepath.Join(t.TempDir(), "pki"), Subject: dn(t, "C=CH, O=Example, CN=Example CA"), Key: "ecdsa256", Lifetime: CALifetime}
	if change != nil {
		change(&n)
	}
	a, err := Create(rand.Reader, now, n)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// issued issues and writes a certificate, and returns its file.
func issued(t testing.TB, a *Authority, r Request) (string, *Result) {
	t.Helper()
	if r.Key == "" {
		r.Key = "ecdsa256"
	}
	if r.Lifetime == 0 {
		r.Lifetime = LeafLifetime
	}
	out := filepath.Join(a.Dir, dirIssued)
	file := filepath.Join(out, "x509", FileName(r.Name())+".pem")
	got, err := a.Issue(now, r, file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := got.Write(out, FileName(r.Name()), nil); err != nil {
		t.Fatal(err)
	}
	return file, got
}

func verify(c Check) (string, error) {
	var out bytes.Buffer
	err := Verify(context.Background(), &out, rand.Reader, now, c)
	return out.String(), err
}

// TestEveryKey makes a CA and certificates with each type of key, reads them as swanctl's directories, and has them judged.
func TestEveryKey(t *testing.T) {
	for _, kind := range KeyNames() {
		a := newCA(t, func(n *NewAuthority) { n.Key = kind })
		file, _ := issued(t, a, Request{Gateway: "vpn.example.org", SANs: []string{"192.0.2.1", "2001:db8::1", "dns:gw", "email:root@example.org"}, Key: kind})
		ca := filepath.Join(a.Dir, fileCA)
		for _, id := range []string{"vpn.example.org", "192.0.2.1", "2001:db8::1", "gw", "root@example.org", "C=CH, O=Example, CN=vpn.example.org"} {
			if out, err := verify(Check{Certificate: file, CAs: []string{ca}, CRLs: []string{filepath.Join(a.Dir, fileCRL)}, Revocation: auth.RevocationStrict, ID: id}); err != nil {
				t.Errorf("%s: a certificate of ours does not prove %s: %v\n%s", kind, id, err, out)
			}
		}
		parts, problems := creds.Loader{Dir: filepath.Join(a.Dir, dirIssued)}.Load()
		s := creds.Join(parts, nil)
		if len(problems) > 0 || len(s.Own) != 1 || len(s.Authorities) != 1 {
			t.Errorf("%s: what was written loads as %d credentials and %d CAs, with %v", kind, len(s.Own), len(s.Authorities), problems)
		}
	}
}

func TestProfiles(t *testing.T) {
	a := newCA(t, func(n *NewAuthority) {
		n.CRLURL, n.OCSPURL = "http://pki.example.org/ca.crl", "http://ocsp.example.org"
	})
	_, gateway := issued(t, a, Request{Gateway: "192.0.2.1"})
	_, client := issued(t, a, Request{Client: "alice@example.org"})
	_, named := issued(t, a, Request{Client: "Alice Doe, sales"})
	g, c := gateway.Certificate.X509, client.Certificate.X509
	if !g.IPAddresses[0].Equal(net.ParseIP("192.0.2.1")) || len(g.ExtKeyUsage) != 1 || g.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth || !g.UnknownExtKeyUsage[0].Equal(oidIPsecIKE) {
		t.Errorf("a gateway's certificate is for %v with %v", g.IPAddresses, extKeyUsages(g))
	}
	if c.EmailAddresses[0] != "alice@example.org" || c.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth || c.KeyUsage != x509.KeyUsageDigitalSignature || c.IsCA {
		t.Errorf("a client's certificate is for %v with %v", c.EmailAddresses, extKeyUsages(c))
	}
	if c.CRLDistributionPoints[0] != a.CRLURL || c.OCSPServer[0] != a.OCSPURL {
		t.Errorf("the certificate names %v and %v for revocation", c.CRLDistributionPoints, c.OCSPServer)
	}
	if got := c.SerialNumber.BitLen(); got < 96 || got > 128 {
		t.Errorf("a serial number has %d bits, want 128 random ones", got)
	}
	if got := named.Certificate.Name(); got != `C=CH, O=Example, CN=Alice Doe\, sales` || len(named.Notes) != 1 {
		t.Errorf("a client with a name of its own is %s, with the notes %q", got, named.Notes)
	}
	root := a.Certificate.X509
	if root.MaxPathLen != 1 || root.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || root.CRLDistributionPoints != nil {
		t.Errorf("the root has the path length %d, the key usages %s and the CRLs %v", root.MaxPathLen, keyUsages(root.KeyUsage), root.CRLDistributionPoints)
	}
	reopened, err := Open(rand.Reader, a.Dir, nil)
	if err != nil || reopened.CRLURL != a.CRLURL || reopened.OCSPURL != a.OCSPURL {
		t.Errorf("opened again, the CA has the URLs %q and %q (%v)", reopened.CRLURL, reopened.OCSPURL, err)
	}
}

func TestIntermediateCA(t *testing.T) {
	root := newCA(t, nil)
	sub := newCA(t, func(n *NewAuthority) {
		n.Parent, n.Subject, n.Lifetime = root, dn(t, "CN=Site CA"), 40*365*24*time.Hour/2
	})
	if !sub.Certificate.X509.NotAfter.Equal(root.Certificate.X509.NotAfter) {
		t.Error("an intermediate CA outlives its root")
	}
	sub, err := Open(rand.Reader, sub.Dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	file, got := issued(t, sub, Request{Gateway: "vpn.example.org"})
	if len(got.Chain) != 2 {
		t.Errorf("%d CAs are given with a certificate of an intermediate CA, want both", len(got.Chain))
	}
	rootFile, subFile := filepath.Join(root.Dir, fileCA), filepath.Join(sub.Dir, fileCA)
	if _, err := verify(Check{Certificate: file, CAs: []string{rootFile}, Untrusted: []string{subFile}}); err != nil {
		t.Errorf("a certificate of an intermediate CA is refused: %v", err)
	}
	_, err = verify(Check{Certificate: file, CAs: []string{rootFile}})
	if err == nil || !strings.Contains(err.Error(), `its issuer, "CN=Site CA", is not known here`) {
		t.Errorf("without the intermediate CA the error is %v", err)
	}
	_, err = Create(rand.Reader, now, NewAuthority{Dir: t.TempDir() + "/x", Parent: sub, Subject: dn(t, "CN=x"), Key: "ecdsa256", Lifetime: SubLifetime})
	if err == nil || !strings.Contains(err.Error(), "it may issue certificates, but no CAs") {
		t.Errorf("an intermediate CA issues another: %v", err)
	}
	if _, err := root.Revoke(now, subFile, "cACompromise"); err != nil {
		t.Fatal(err)
	}
	_, err = verify(Check{Certificate: file, CAs: []string{rootFile}, Untrusted: []string{subFile}, CRLs: []string{filepath.Join(root.Dir, fileCRL)}})
	if err == nil || !strings.Contains(err.Error(), `certificate "CN=Site CA": revoked`) {
		t.Errorf("with its CA revoked the error is %v", err)
	}
}

func TestRevoke(t *testing.T) {
	a := newCA(t, nil)
	file, got := issued(t, a, Request{Gateway: "vpn.example.org"})
	issued(t, a, Request{Client: "alice@example.org"})
	ca, crl := filepath.Join(a.Dir, fileCA), filepath.Join(a.Dir, fileCRL)
	if out, err := verify(Check{Certificate: file, CAs: []string{ca}, CRLs: []string{crl}, Revocation: auth.RevocationStrict}); err != nil || !strings.Contains(out, "good until 2026-07-01 12:00:00 UTC, says the CRL of C=CH, O=Example, CN=Example CA") {
		t.Errorf("before it is revoked: %v\n%s", err, out)
	}
	i, err := a.Revoke(now, "vpn.example.org", "keyCompromise")
	if err != nil || i.Serial != auth.Serial(got.Certificate.X509.SerialNumber) {
		t.Fatalf("revoking by name gives %+v (%v)", i, err)
	}
	_, err = verify(Check{Certificate: file, CAs: []string{ca}, CRLs: []string{crl}})
	if err == nil || !strings.Contains(err.Error(), "revoked at 2026-06-01 12:00:00 UTC, key compromise") {
		t.Errorf("after it was revoked the error is %v", err)
	}
	for _, c := range []struct{ which, why, want string }{
		{"vpn.example.org", "unspecified", "was revoked on 2026-06-01 already"},
		{file, "unspecified", "was revoked on 2026-06-01 already"},
		{"nobody", "unspecified", "is neither a file nor a serial number or name that this CA issued"},
		{"alice@example.org", "dislike", "use one of unspecified, keyCompromise"},
		{filepath.Join(newCA(t, nil).Dir, fileCA), "unspecified", "was not issued by"},
	} {
		if _, err := a.Revoke(now, c.which, c.why); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("revoking %s for %s gives %v, want %s", c.which, c.why, err, c.want)
		}
	}
	list, err := List(a.Dir)
	if err != nil || len(list) != 2 || !list[0].Revoked || list[1].Revoked {
		t.Errorf("the list is %+v (%v)", list, err)
	}
	if read, err := creds.ReadCRL(crl); err != nil || read.List.Number.Int64() != 2 {
		t.Errorf("the CRL's number is %v (%v), want 2", read.List.Number, err)
	}
	// A name that two certificates have is not enough.
	if _, err := a.Issue(now, Request{Client: "alice@example.org", Key: "ecdsa256", Lifetime: LeafLifetime}, "second"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Revoke(now, "alice@example.org", "superseded"); err == nil || !strings.Contains(err.Error(), "has 2 certificates; name one by its serial number") {
		t.Errorf("revoking one of two by name gives %v", err)
	}
	if _, err := a.Revoke(now, list[1].Serial, "superseded"); err != nil {
		t.Errorf("revoking by serial number fails: %v", err)
	}
}

func TestRequests(t *testing.T) {
	a := newCA(t, nil)
	key, err := GenerateKey(rand.Reader, "p256")
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "laptop7"}, DNSNames: []string{"laptop7.example.org", "vpn.example.org"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "laptop7.csr")
	if err := WriteNew(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), modePublic); err != nil {
		t.Fatal(err)
	}
	_, got := issued(t, a, Request{Client: "laptop7.example.org", CSR: file})
	c := got.Certificate.X509
	if len(c.DNSNames) != 1 || got.Key != nil {
		t.Errorf("a request gets the names %v, want the one of the command line", c.DNSNames)
	}
	if want := "the request asks for the name vpn.example.org, which it did not get: --san vpn.example.org gives it"; len(got.Notes) != 1 || got.Notes[0] != want {
		t.Errorf("the notes are %q, want %q", got.Notes, want)
	}
	der[len(der)-1] ^= 1
	if err := os.WriteFile(file, der, modePublic); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadRequest(file); err == nil || !strings.Contains(err.Error(), "does not have the private key") {
		t.Errorf("a request with a wrong signature gives %v", err)
	}
}

func TestRefusals(t *testing.T) {
	a := newCA(t, nil)
	for _, c := range []struct {
		r    Request
		want string
	}{
		{Request{Key: "ecdsa256", Lifetime: LeafLifetime}, "--gateway NAME or --client NAME"},
		{Request{Gateway: "*.example.org", Key: "ecdsa256", Lifetime: LeafLifetime}, "a wildcard proves no identity of IKE"},
		{Request{Gateway: "not a name", Key: "ecdsa256", Lifetime: LeafLifetime}, "is neither a DNS name, an address nor an e-mail address"},
		{Request{Gateway: "gw", SANs: []string{"ip:nonsense"}, Key: "ecdsa256", Lifetime: LeafLifetime}, `"nonsense" is not an address`},
		{Request{Gateway: "gw", SANs: []string{"a@b@c"}, Key: "ecdsa256", Lifetime: LeafLifetime}, "is neither"},
		{Request{Gateway: "gw", Key: "rsa1024", Lifetime: LeafLifetime}, "RSA keys are made with 2048, 3072 or 4096 bits"},
		{Request{Gateway: "gw", Key: "dsa", Lifetime: LeafLifetime}, "there is no such type of key; use one of ecdsa256"},
		{Request{Gateway: "gw", Key: "ecdsa256"}, "it has to last for some time"},
		{Request{Gateway: "gw", CSR: "/nonexistent", Lifetime: LeafLifetime}, "no such file"},
	} {
		if _, err := a.Issue(now, c.r, "x"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("issuing %+v gives %v, want %s", c.r, err, c.want)
		}
	}
	if _, err := a.Issue(now.AddDate(20, 0, 0), Request{Gateway: "gw", Key: "ecdsa256", Lifetime: LeafLifetime}, "x"); err == nil || !strings.Contains(err.Error(), "it cannot issue now") {
		t.Errorf("an expired CA issues: %v", err)
	}
	if _, err := Create(rand.Reader, now, NewAuthority{Dir: a.Dir, Key: "ecdsa256", Lifetime: CALifetime, Subject: dn(t, "CN=x")}); err == nil || !strings.Contains(err.Error(), "there is a CA already") {
		t.Errorf("a CA is made over another: %v", err)
	}
	if _, err := Create(rand.Reader, now, NewAuthority{Dir: a.Dir + "2", Key: "ecdsa256", Lifetime: CALifetime, Subject: dn(t, "CN=x"), CRLURL: "pki.example.org"}); err == nil || !strings.Contains(err.Error(), "is no URL of a web server") {
		t.Errorf("a URL that is none is taken: %v", err)
	}
	if _, err := Open(rand.Reader, t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "make one with `goswan pki ca") {
		t.Errorf("opening nothing gives %v", err)
	}
	if len(must(List(a.Dir))) != 0 {
		t.Error("a refused certificate is in the index")
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestEncryptedKeys(t *testing.T) {
	phrase := secret.Bytes("correct horse")
	a := newCA(t, func(n *NewAuthority) { n.Passphrase = phrase })
	if info, err := os.Stat(filepath.Join(a.Dir, fileKey)); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the CA's key has the mode %v (%v)", info.Mode(), err)
	}
	if _, err := Open(rand.Reader, a.Dir, func() (secret.Bytes, error) { return secret.Bytes("wrong"), nil }); !errors.Is(err, creds.ErrPassphrase) {
		t.Errorf("a wrong passphrase gives %v", err)
	}
	if _, err := Open(rand.Reader, a.Dir, func() (secret.Bytes, error) { return phrase.Clone(), nil }); err != nil {
		t.Errorf("the passphrase does not open the CA: %v", err)
	}
}

func TestP12(t *testing.T) {
	a := newCA(t, nil)
	certificate, got := issued(t, a, Request{Client: "alice@example.org"})
	key := filepath.Join(a.Dir, dirIssued, "private", "alice@example.org.key")
	phrase := func() (secret.Bytes, error) { return secret.Bytes("correct horse"), nil }
	for _, legacy := range []bool{false, true} {
		file := filepath.Join(t.TempDir(), "alice.p12")
		if err := Export(rand.Reader, file, certificate, key, []string{filepath.Join(a.Dir, fileCA)}, nil, phrase, legacy); err != nil {
			t.Errorf("exporting, legacy %v: %v", legacy, err)
			continue
		}
		c, err := creds.ReadPKCS12(file, phrase)
		if err != nil || !c.Certificate.Equal(got.Certificate) || len(c.CAs) != 1 {
			t.Errorf("a PKCS#12 file of ours, legacy %v, holds %+v (%v)", legacy, c, err)
		}
	}
	if err := Export(rand.Reader, filepath.Join(t.TempDir(), "x"), filepath.Join(a.Dir, fileCA), key, nil, nil, phrase, false); err == nil || !strings.Contains(err.Error(), "is not the private key of") {
		t.Errorf("a key with another certificate is exported: %v", err)
	}
	none := func() (secret.Bytes, error) { return nil, nil }
	if err := Export(rand.Reader, filepath.Join(t.TempDir(), "x"), certificate, key, nil, nil, none, false); err == nil {
		t.Error("a PKCS#12 file is written without a passphrase")
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	a := newCA(t, nil)
	_, got := issued(t, a, Request{Gateway: "gw"})
	if _, err := got.Write(filepath.Join(a.Dir, dirIssued), "gw", nil); err != nil {
		t.Errorf("the same files once more: %v", err)
	}
	other, err := a.Issue(now, Request{Gateway: "gw", Key: "ecdsa256", Lifetime: LeafLifetime}, "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Write(filepath.Join(a.Dir, dirIssued), "gw", nil); err == nil || !strings.Contains(err.Error(), "nothing is overwritten") {
		t.Errorf("a private key is overwritten: %v", err)
	}
}

func TestShow(t *testing.T) {
	a := newCA(t, nil)
	certificate, _ := issued(t, a, Request{Gateway: "vpn.example.org", SANs: []string{"192.0.2.1"}})
	if _, err := a.Revoke(now, certificate, "superseded"); err != nil {
		t.Fatal(err)
	}
	test := func(name string) string { return filepath.Join("..", "..", "..", "config", "creds", "testdata", name) }
	correct := func() (secret.Bytes, error) { return secret.Bytes("correct"), nil }
	for _, c := range []struct {
		file string
		want []string
	}{
		{certificate, []string{": certificate\n", "vpn.example.org (FQDN)", "192.0.2.1 (IPV4_ADDR)", "serverAuth, ipsecIKE", "for 365 days more", "ECDSA on P-256, 128 bits of security"}},
		{filepath.Join(a.Dir, fileCA), []string{"certificate of a root CA", "yes, with 1 below it"}},
		{filepath.Join(a.Dir, fileCRL), []string{"certificate revocation list", "revoked      1", "superseded"}},
		{filepath.Join(a.Dir, fileCRLD), []string{"certificate revocation list"}},
		{test("rsa.encrypted.pem"), []string{"private key", "RSA with 2048 bits, 112 bits of security"}},
		{test("p256.sec1.pem"), []string{"private key"}},
		{test("p256.sec1.der"), []string{"private key"}},
		{test("ed448.crt.pem"), []string{"ED448 with 57 octets, 224 bits of security"}},
		{test("rsa.crt.der"), []string{"rsa.example.org (FQDN)"}},
		{test("rsa.pub.pem"), []string{"public key"}},
		{test("request.pem"), []string{"certificate request", "C=CH, O=example, CN=rsa"}},
		{test("rsa.p12"), []string{"PKCS#12 with a private key, its certificate and 1 of CAs", "certificate of a root CA in it"}},
	} {
		var out bytes.Buffer
		if err := Show(&out, now, c.file, correct); err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s is shown as\n%s\nwithout %q", c.file, &out, want)
			}
		}
	}
	if err := Show(io.Discard, now, "pki_test.go", nil); err == nil || !strings.Contains(err.Error(), "it is no certificate, key, CRL, certificate request or PKCS#12 file") {
		t.Errorf("a text is shown: %v", err)
	}
	// None of a private key is shown.
	var out bytes.Buffer
	if err := Show(&out, now, test("p256.sec1.pem"), nil); err != nil || strings.Contains(out.String(), "BEGIN") {
		t.Errorf("a private key is shown as\n%s", &out)
	}
}

func TestDamagedIndex(t *testing.T) {
	a := newCA(t, nil)
	if err := os.WriteFile(filepath.Join(a.Dir, fileIndex), []byte("{\"event\":\"crl\",\"number\":1}\n{\"event\":\"iss"), modePrivate); err != nil {
		t.Fatal(err)
	}
	if _, err := a.WriteCRL(now, CRLLifetime); err == nil || !strings.Contains(err.Error(), "index.jsonl:2: ") || !strings.Contains(err.Error(), "restore the file from a backup") {
		t.Errorf("a damaged index gives %v: a CRL without what it had is worse than none", err)
	}
}

func FuzzSAN(f *testing.F) {
	for _, s := range []string{"vpn.example.org", "ip:::1", "email:a@b", "*", "dns:", "@", "192.0.2.1%eth0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := &x509.Certificate{}
		if err := addSAN(c, s, false); err == nil && len(c.DNSNames)+len(c.EmailAddresses)+len(c.IPAddresses) != 1 {
			t.Errorf("%q gives %v %v %v", s, c.DNSNames, c.EmailAddresses, c.IPAddresses)
		}
		_ = FileName(s)
	})
}

// TestBadIndexes and requests: each is an error that names the file.
func TestBadIndexesAndRequests(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON": "hello\n", "half a line": "{\"event\":\"crl\",\"number\":1}\n{\"ev", "an unknown event": "{\"event\":\"signed\"}\n",
		"no event": "{}\n", "a number for a text": "{\"event\":\"issued\",\"serial\":7}\n", "a date that is none": "{\"event\":\"issued\",\"at\":\"yesterday\"}\n",
		"a line without end": strings.Repeat("x", 1<<17), "JSON without end": strings.Repeat("[", 1<<15) + "\n",
	} {
		if _, err := parseIndex("f", []byte(text)); err == nil || len(err.Error()) > 200 {
			t.Errorf("an index with %s gives %v", name, err)
		}
	}
	bomb := []byte{}
	for range 2000 {
		bomb = append([]byte{0x30, 0x84, 0, 0, byte(len(bomb) >> 8), byte(len(bomb))}, bomb...)
	}
	for name, text := range map[string]string{
		"nothing": "", "text": "hello", "a certificate": "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
		"an empty request": "-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n", "an ASN.1 bomb": string(bomb),
	} {
		if _, err := parseRequest("f", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), "f: ") {
			t.Errorf("a request that is %s gives %v, want an error that names the file", name, err)
		}
	}
}

// FuzzIndex reads an index, and what was read has no two entries of one serial number unless both were issued.
func FuzzIndex(f *testing.F) {
	f.Add([]byte("{\"event\":\"issued\",\"serial\":\"01\"}\n{\"event\":\"revoked\",\"serial\":\"1\",\"reason\":1}\n{\"event\":\"crl\",\"number\":7}\n"))
	f.Add([]byte("{\"event\":\"revoked\",\"serial\":\"0a:3f\"}\n"))
	f.Fuzz(func(t *testing.T, octets []byte) {
		x, err := parseIndex("f", octets)
		if err != nil {
			return
		}
		for _, i := range x.issued {
			if x.bySerial(i.Serial) == nil {
				t.Errorf("the certificate %q is not found", i.Serial)
			}
		}
	})
}

// FuzzRequest reads certificate requests: only one whose maker has the key is taken.
func FuzzRequest(f *testing.F) {
	key, err := GenerateKey(rand.Reader, "ecdsa256")
	if err != nil {
		f.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "a"}, DNSNames: []string{"a"}}, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	f.Fuzz(func(t *testing.T, octets []byte) {
		csr, err := parseRequest("f", octets)
		if err == nil && csr.CheckSignature() != nil {
			t.Error("a request with a wrong signature is taken")
		}
	})
}
