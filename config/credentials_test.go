package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/youmark/pkcs8"

	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
)

// credentials are a directory of swanctl.conf with a CA and a gateway's certificate and key.
type credentials struct {
	t           *testing.T
	dir         string
	ca, gateway *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newCredentials(t *testing.T) *credentials {
	t.Helper()
	c := &credentials{t: t, dir: t.TempDir()}
	var caKey *ecdsa.PrivateKey
	for _, name := range []string{"Company CA", "gateway.example.org"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(7), Subject: pkix.Name{Country: []string{"CH"}, Organization: []string{"Example"}, CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, DNSNames: []string{name},
		}
		parent, signer := c.ca, caKey
		if parent == nil {
			template.IsCA, template.DNSNames, template.KeyUsage = true, nil, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
			parent, signer, caKey = template, key, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		if c.ca == nil {
			c.ca = cert
		}
		c.gateway, c.key = cert, key
	}
	private, err := x509.MarshalPKCS8PrivateKey(c.key)
	if err != nil {
		t.Fatal(err)
	}
	c.write("x509ca/company.pem", "CERTIFICATE", c.ca.Raw)
	c.write("x509/gateway.pem", "CERTIFICATE", c.gateway.Raw)
	c.write("private/gateway.pem", "PRIVATE KEY", private)
	return c
}

func (c *credentials) write(name, kind string, der []byte) {
	c.t.Helper()
	c.text(name, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}

func (c *credentials) text(name, text string) {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// load loads a configuration beside the credentials.
func (c *credentials) load(text string) (*core.Catalog, []Warning, error) {
	c.t.Helper()
	c.text("swanctl.conf", text)
	return Load(c.dir)
}

// TestExampleWithCertificates loads docs/example/certificates as its comments say that it is used.
func TestExampleWithCertificates(t *testing.T) {
	c := newCredentials(t)
	text, err := os.ReadFile("../docs/example/certificates/swanctl.conf")
	if err != nil {
		t.Fatal(err)
	}
	catalog, warnings, err := c.load(string(text))
	if err != nil || len(warnings) > 0 {
		t.Fatalf("the example is not good: %v, %v", err, warnings)
	}
	branch, laptops := catalog.Connection("branch"), catalog.Connection("laptops")
	local, remote := branch.Local[0], branch.Remote[0]
	if local.Method != core.AuthPubkey || len(local.Certs) != 1 || local.Certs[0].Name() != "C=CH, O=Example, CN=gateway.example.org" {
		t.Errorf("the gateway authenticates with %+v", local)
	}
	if remote.Constraints.Text != "ecdsa-256-sha256-sha384" || remote.Revocation != auth.RevocationIfURI {
		t.Errorf("of the branch is demanded %+v", remote)
	}
	if cas := laptops.Remote[0].CACerts; len(cas) != 1 || cas[0].Name() != "C=CH, O=Example, CN=Company CA" {
		t.Errorf("of laptops is demanded the CA %v", cas)
	}
	proofs := catalog.Proofs()
	if len(proofs.Own) != 1 || proofs.Own[0].Certificate.Name() != local.Certs[0].Name() || len(proofs.Own[0].Chain) != 1 {
		t.Errorf("our credentials are %v", proofs.Own)
	}
	if a := proofs.Trust.Authorities; len(a) != 1 || len(a[0].CRLURIs) != 1 || catalog.Authorities[0].Name != "company" {
		t.Errorf("the authorities are %v, want one with its CRL", a)
	}
}

// TestCertificateSettings is what is said of certificates and rounds that do not go together.
func TestCertificateSettings(t *testing.T) {
	c := newCredentials(t)
	for _, test := range []struct{ local, remote, want string }{
		{"auth = pubkey\ncerts = gateway.pem", "", ""},
		{"auth = pubkey\ncert1 {\nfile = " + c.dir + "/x509/gateway.pem\n}", "", ""},
		{"auth = rsa-512", "", "RSA keys have from 1024 to"},
		{"auth = rsa-sha3", "", `"sha3" is no hash`},
		{"id = other.example.org\ncerts = gateway.pem", "", `the certificate does not name "other.example.org" but SANs [gateway.example.org], CN gateway.example.org; the id is its subject`},
		{"auth = psk\ncerts = gateway.pem", "auth = psk", "certs, cacerts and pubkeys have no effect with auth = psk"},
		{"certs = company.pem", "", "there is no file " + c.dir + "/x509/company.pem"},
		{"cacerts = company.pem", "", "has no effect in a section local"},
		{"certs = " + c.dir + "/x509ca/company.pem", "", `there is no private key for the certificate "C=CH, O=Example, CN=Company CA"`},
		{"", "cert_policy = x.y", "is not an object identifier"},
		{"", "revocation = sometimes", "write strict, ifuri or relaxed"},
		{"", "cert_policy = 2.23.140.1.2.1\nca_id = \"C=CH, CN=x\"\nrevocation = strict\nauth = any", ""},
	} {
		_, warnings, err := c.load("connections {\nsite {\nremote_addrs = 192.0.2.1\nlocal {\n" + test.local + "\n}\nremote {\n" + test.remote + "\n}\n}\n}\nsecrets {\nike {\nsecret = abc\n}\n}\n")
		got := said(warnings, err)
		if test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("local { %s } remote { %s } says %q, want %q", test.local, test.remote, got, test.want)
		}
	}
}

// TestPassphrases has an encrypted key, with and without what decrypts it.
func TestPassphrases(t *testing.T) {
	c := newCredentials(t)
	if err := os.Remove(filepath.Join(c.dir, "private/gateway.pem")); err != nil {
		t.Fatal(err)
	}
	der, err := pkcs8.MarshalPrivateKey(c.key, []byte("open sesame"), nil)
	if err != nil {
		t.Fatal(err)
	}
	c.write("ecdsa/gateway.pem", "ENCRYPTED PRIVATE KEY", der)
	const site = "connections {\nsite {\nremote_addrs = 192.0.2.1\nlocal {\ncerts = gateway.pem\n}\n}\n}\n"
	catalog, warnings, err := c.load(site + "secrets {\necdsa-gateway {\nfile = gateway.pem\nsecret = \"open sesame\"\n}\n}\n")
	if err != nil || len(warnings) > 0 || len(catalog.Proofs().Keys) != 1 {
		t.Errorf("with its passphrase the key is loaded as %v, %v, %v", catalog, warnings, err)
	}
	_, warnings, err = c.load(site)
	if got := said(warnings, err); !strings.Contains(got, "ecdsa/gateway.pem: it is encrypted") || !strings.Contains(got, "of secrets in swanctl.conf") || strings.Contains(got, "sesame") {
		t.Errorf("without a passphrase it says %q", got)
	}
}

// TestCertificatesOverVICI has the octets of certificates where the file has names.
func TestCertificatesOverVICI(t *testing.T) {
	c := newCredentials(t)
	var none settings.Position
	s := settings.New("site", none)
	s.Ensure("local-1", none).SetList("certs", []string{string(c.gateway.Raw)}, none)
	s.Ensure("remote-1", none).SetList("cacerts", []string{string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.ca.Raw}))}, none)
	conn, warnings, err := Connection("site", s)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	if conn.Local[0].ID.String() != "C=CH, O=Example, CN=gateway.example.org" || len(conn.Remote[0].CACerts) != 1 {
		t.Errorf("the connection is read as %+v", conn)
	}
	again, _, err := Connection("site", s)
	if err != nil || !Same(conn, again) {
		t.Errorf("a connection with certificates is not the same as itself (%v)", err)
	}
	again.Local[0].Certs = again.Remote[0].CACerts
	if Same(conn, again) {
		t.Error("a connection with another certificate is the same")
	}
	a := settings.New("ca", none)
	a.Set("cacert", string(c.gateway.Raw), none)
	if _, _, err := (Loader{}).Authority("ca", a); err == nil || !strings.Contains(err.Error(), "is not a CA") {
		t.Errorf("a gateway's certificate as an authority: %v", err)
	}
}
