package vici

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

	"github.com/goswan/goswan/tun/tuntest/need"
)

// pki is a CA's certificate, its CRL, and its key in the forms that clients send.
type pki struct{ cert, crl, public, key, keyPEM string }

func newPKI(t *testing.T) pki {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Country: []string{"CH"}, CommonName: "test ca"}, SubjectKeyId: []byte{1, 2, 3},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	crl, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour)}, ca, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pki{string(cert), string(crl), string(public), string(private), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}))}
}

func TestCertificateCommands(t *testing.T) {
	b := newBench(t, nil)
	c := b.client()
	p := newPKI(t)
	for _, step := range []struct {
		command string
		request *Message
		want    string
	}{
		{"load-cert", kv("flag", "CA"), "{success=no errmsg=certificate type missing}"},
		{"load-cert", kv("type", "PGP"), "{success=no errmsg=invalid certificate type: PGP}"},
		{"load-cert", kv("type", "X509_AC"), "{success=no errmsg=attribute certificates are not supported in this version of goswan}"},
		{"load-cert", kv("type", "X509", "flag", "ROOT"), "{success=no errmsg=invalid certificate flag 'ROOT'}"},
		{"load-cert", kv("type", "X509", "flag", "CA"), "{success=no errmsg=certificate data missing}"},
		{"load-cert", kv("type", "X509", "flag", "CA", "data", "no certificate"), "{success=no errmsg=the certificate: "},
		{"load-cert", kv("type", "X509", "flag", "CA", "data", p.cert), "{success=yes}"},
		{"load-cert", kv("type", "x509_crl", "data", p.crl), "{success=yes}"},
		{"load-cert", kv("type", "X509_CRL", "data", p.cert), "{success=no errmsg=the CRL: "},
		{"load-cert", kv("type", "PUBKEY", "data", p.cert), "{success=no errmsg=the public key: "},
		{"load-cert", kv("type", "PUBKEY", "data", p.public), "{success=yes}"},
		{"load-key", kv("data", p.key), "{success=no errmsg=key type missing}"},
		{"load-key", kv("type", "dsa", "data", p.key), "{success=no errmsg=invalid key type: dsa}"},
		{"load-key", kv("type", "any"), "{success=no errmsg=key data missing}"},
		{"load-key", kv("type", "ecdsa", "data", p.cert), "{success=no errmsg=the private key: "},
		{"load-key", kv("type", "ecdsa", "data", p.key), "{success=yes id="},
		{"load-key", kv("type", "any", "data", p.keyPEM), "{success=yes id="},
		{"flush-certs", nil, "{success=yes}"},
		{"load-authority", (&Message{}).Add("name", "x"), "{success=no errmsg=load-authority: "},
	} {
		if got := b.ask(c, step.command, step.request); !strings.HasPrefix(got, step.want) {
			t.Errorf("%s is answered %s, want %s", step.command, got, step.want)
		}
	}
	ids := b.daemon.KeyIDs()
	if len(ids) != 2 || ids[0] != ids[1] || len(ids[0]) != 40 {
		t.Fatalf("the key has the IDs %q, want the same SHA-1 both times", ids)
	}
	if got := b.ask(c, "get-keys", nil); got != "{keys=["+ids[0]+" "+ids[0]+"]}" {
		t.Errorf("get-keys is answered %s", got)
	}
	if got := b.ask(c, "unload-key", kv("id", ids[0])); got != "{success=yes}" || len(b.daemon.KeyIDs()) != 0 {
		t.Errorf("unload-key is answered %s, and %d keys are left", got, len(b.daemon.KeyIDs()))
	}
	for filter, want := range map[string]int{"": 3, "X509": 1, "X509_CRL": 1, "PUBKEY": 1, "OCSP_RESPONSE": 0, "ANY": 3} {
		if all := b.list("list-certs", "list-cert", kv("type", filter)); len(all) != want {
			t.Errorf("list-certs of type %q has %d, want %d", filter, len(all), want)
		}
	}
	all := b.list("list-certs", "list-cert", kv("flag", "CA", "type", "X509", "subject", "C=CH, CN=test ca"))
	if len(all) != 1 || string(all[0].Bytes("data")) != p.cert || all[0].Get("flag") != "CA" || all[0].Get("has_privkey") != "" {
		t.Errorf("the CA is listed as %v", all)
	}
	if got := b.ask(c, "clear-creds", nil); got != "{success=yes}" || len(b.daemon.Certificates()) != 0 {
		t.Errorf("clear-creds is answered %s, and %d certificates are left", got, len(b.daemon.Certificates()))
	}
}

func TestAuthorityCommands(t *testing.T) {
	b := newBench(t, nil)
	c := b.client()
	p := newPKI(t)
	request := &Message{}
	request.AddSection("lab").AddBytes("cacert", []byte(p.cert)).AddList("crl_uris", "http://pki.example/ca.crl").AddList("ocsp_uris")
	if got := b.ask(c, "load-authority", request); got != "{success=yes}" {
		t.Fatalf("load-authority is answered %s", got)
	}
	if got := b.ask(c, "get-authorities", nil); got != "{authorities=[lab]}" {
		t.Errorf("get-authorities is answered %s", got)
	}
	all := b.list("list-authorities", "list-authority", nil)
	if len(all) != 1 || all[0].String() != "{lab {cacert=C=CH, CN=test ca crl_uris=[http://pki.example/ca.crl] ocsp_uris=[]}}" {
		t.Errorf("list-authorities has %v", all)
	}
	if all := b.list("list-authorities", "list-authority", kv("name", "other")); len(all) != 0 {
		t.Errorf("list-authorities of another name has %v", all)
	}
	if got := b.ask(c, "unload-authority", kv("name", "lab")); got != "{success=yes}" || len(b.daemon.Authorities()) != 0 {
		t.Errorf("unload-authority is answered %s", got)
	}
}

// TestSwanctlCredentials loads certificates and keys with the host's own swanctl.
func TestSwanctlCredentials(t *testing.T) {
	if installedSwanctl() == "" {
		need.Lacking(t, "strongSwan's swanctl is not installed (Debian package strongswan-swanctl)")
	}
	f := newForeman(t)
	p := newPKI(t)
	for name, text := range map[string]string{"x509ca/ca.der": p.cert, "x509crl/ca.crl": p.crl, "private/ca.key": p.keyPEM} {
		path := filepath.Join(f.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.want(0, "--load-creds --noprompt", "loaded certificate from '", "ca.der'", "loaded certificate from '", "ca.crl'", "loaded private key from '")
	f.want(0, "--list-certs", "List of X.509 CA Certificates", `subject:  "C=CH, CN=test ca"`, "List of X.509 CRLs")
	if err := os.Remove(filepath.Join(f.dir, "private/ca.key")); err != nil {
		t.Fatal(err)
	}
	f.want(0, "--load-creds --noprompt", "loaded certificate from '")
	if ids := f.daemon.KeyIDs(); len(ids) != 0 {
		t.Errorf("the keys %q are still there", ids)
	}
}

// FuzzLoadCredentials has certificates, CRLs and keys of any octets: each is loaded, or refused with a reason.
func FuzzLoadCredentials(f *testing.F) {
	f.Add("X509", "CA", []byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"))
	f.Add("X509_CRL", "", []byte{0x30, 0x80})
	f.Add("PUBKEY", "NONE", []byte{0x30, 0})
	f.Add("rsa", "OCSP", []byte("-----BEGIN RSA PRIVATE KEY-----\nMAA=\n-----END RSA PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, kind, flag string, data []byte) {
		daemon := newMemory()
		server := NewServer(ServerConfig{Daemon: daemon})
		for name, command := range map[string]func(*call) *Message{"load-cert": loadCert, "load-key": loadKey} {
			request := (&Message{}).Add("type", kind).Add("flag", flag).AddBytes("data", data)
			answer := command(&call{Server: server, name: name, request: request})
			loaded := len(daemon.Certificates()) + len(daemon.KeyIDs())
			if (answer.Get("success") == "yes") != (loaded > 0) || loaded == 0 && answer.Get("errmsg") == "" {
				t.Errorf("%s is answered %v, and %d things are loaded", name, answer, loaded)
			}
			_ = daemon.ClearCredentials()
		}
	})
}
