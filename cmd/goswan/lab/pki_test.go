//go:build linux

package lab

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/config/creds"
	"github.com/goswan/goswan/ike/auth"
)

// shop runs programs in a directory.
type shop struct {
	t   *testing.T
	dir string
}

// run runs a program and returns what it prints, and whether it is content.
func (s shop) run(program string, args ...string) (string, bool) {
	s.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = s.dir
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// must runs a program that has to be content.
func (s shop) must(program string, args ...string) string {
	s.t.Helper()
	out, ok := s.run(program, args...)
	if !ok {
		s.t.Fatalf("%s %s fails:\n%s", program, strings.Join(args, " "), out)
	}
	return out
}

// save runs a program that prints a file.
func (s shop) save(file, program string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = s.dir
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("%s %s: %v", program, strings.Join(args, " "), err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, file), out, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// newShop makes a directory with a passphrase in it.
func newShop(t *testing.T) shop {
	requireLab(t)
	if err := buildGoswan(); err != nil {
		t.Fatal(err)
	}
	s := shop{t, t.TempDir()}
	if err := os.WriteFile(filepath.Join(s.dir, "phrase"), []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestPKIForOthers has what goswan pki makes judged by OpenSSL and by strongSwan's pki.
func TestPKIForOthers(t *testing.T) {
	for _, key := range []string{"ecdsa256", "ecdsa384", "ecdsa521", "rsa3072", "ed25519"} {
		t.Run(key, func(t *testing.T) {
			s := newShop(t)
			g := programs.goswan
			s.must(g, "pki", "ca", "--dn", "C=CH, O=Example, CN=Root", "--key", key)
			s.must(g, "pki", "ca", "--parent", "pki", "--dir", "sub", "--dn", "C=CH, O=Example, CN=Sub", "--key", key)
			s.must(g, "pki", "issue", "--dir", "sub", "--gateway", "vpn.example.org", "--san", "192.0.2.1", "--key", key, "--passphrase-file", "phrase")
			s.must(g, "pki", "issue", "--dir", "sub", "--client", "alice@example.org", "--key", key, "--p12", "alice.p12", "--p12-passphrase-file", "phrase")
			const gateway, client = "sub/issued/x509/vpn.example.org.pem", "sub/issued/x509/alice@example.org.pem"

			s.must("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "pki/ca.pem", "-untrusted", "sub/ca.pem", gateway)
			s.must("openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", "pki/ca.pem", "-untrusted", "sub/ca.pem", client)
			s.must("openssl", "pkey", "-in", "sub/issued/private/vpn.example.org.key", "-passin", "file:phrase", "-noout")
			s.must("openssl", "pkcs12", "-in", "alice.p12", "-passin", "file:phrase", "-noout")
			verify := []string{"--verify", "--in", gateway, "--cacert", "pki/ca.pem", "--cacert", "sub/ca.pem", "--crl", "sub/crl.pem", "--crl", "pki/crl.pem"}
			if out := s.must("pki", verify...); !strings.Contains(out, "certificate trusted") {
				t.Errorf("strongSwan says of a certificate:\n%s", out)
			}
			if out := s.must("pki", "--print", "--in", gateway); !strings.Contains(out, "altNames:  vpn.example.org, 192.0.2.1") {
				t.Errorf("strongSwan shows a certificate as\n%s", out)
			}

			s.must(g, "pki", "revoke", "vpn.example.org", "--dir", "sub", "--reason", "keyCompromise")
			if out, ok := s.run("openssl", "verify", "-CAfile", "pki/ca.pem", "-untrusted", "sub/ca.pem", "-crl_check", "-CRLfile", "sub/crl.pem", gateway); ok || !strings.Contains(out, "certificate revoked") {
				t.Errorf("OpenSSL accepts a revoked certificate:\n%s", out)
			}
			if out, ok := s.run("pki", verify...); ok || !strings.Contains(out, "key compromise") {
				t.Errorf("strongSwan accepts a revoked certificate:\n%s", out)
			}
		})
	}
}

// TestPKIOfOthers judges what strongSwan's pki and OpenSSL make.
func TestPKIOfOthers(t *testing.T) {
	s := newShop(t)
	g := programs.goswan
	for _, kind := range [][]string{{"rsa", "3072"}, {"ecdsa", "384"}, {"ed25519"}} {
		name := kind[0]
		gen := []string{"--gen", "--type", name, "--outform", "pem"}
		if len(kind) > 1 {
			gen = append(gen, "--size", kind[1])
		}
		ca, key, leaf, crl := name+"-ca.pem", name+"-ca.key", name+".pem", name+".crl"
		s.save(key, "pki", gen...)
		s.save(name+".key", "pki", gen...)
		s.save(ca, "pki", "--self", "--ca", "--in", key, "--type", "priv", "--dn", "C=CH, O=strongSwan, CN="+name+" CA", "--outform", "pem")
		s.save(name+".pub", "pki", "--pub", "--in", name+".key", "--type", "priv", "--outform", "pem")
		s.save(leaf, "pki", "--issue", "--cacert", ca, "--cakey", key, "--in", name+".pub", "--type", "pub", "--dn", "C=CH, O=strongSwan, CN=moon",
			"--san", "moon.strongswan.org", "--san", "carol@strongswan.org", "--flag", "serverAuth", "--flag", "ikeIntermediate", "--outform", "pem")
		s.save(crl, "pki", "--signcrl", "--cacert", ca, "--cakey", key, "--outform", "pem")
		for _, id := range []string{"moon.strongswan.org", "carol@strongswan.org", "C=CH, O=strongSwan, CN=moon"} {
			s.must(g, "pki", "verify", "--cert", leaf, "--ca", ca, "--crl", crl, "--revocation", "strict", "--id", id)
		}
		s.save(crl, "pki", "--signcrl", "--cacert", ca, "--cakey", key, "--reason", "superseded", "--cert", leaf, "--outform", "pem")
		if out, ok := s.run(g, "pki", "verify", "--cert", leaf, "--ca", ca, "--crl", crl); ok || !strings.Contains(out, "superseded, says the CRL of C=CH, O=strongSwan") {
			t.Errorf("a certificate revoked by strongSwan's pki is accepted:\n%s", out)
		}
		for _, file := range []string{name + ".key", name + ".pub", leaf, crl} {
			s.must(g, "pki", "show", file)
		}
		s.must("openssl", "pkcs12", "-export", "-inkey", name+".key", "-in", leaf, "-certfile", ca, "-passout", "file:phrase", "-out", name+".p12")
		if out := s.must(g, "pki", "show", name+".p12", "--passphrase-file", "phrase"); !strings.Contains(out, "moon.strongswan.org (FQDN)") {
			t.Errorf("a PKCS#12 file of OpenSSL is shown as\n%s", out)
		}
	}
	s.must("openssl", "req", "-newkey", "rsa:2048", "-noenc", "-keyout", "req.key", "-subj", "/CN=laptop7.example.org", "-addext", "subjectAltName=DNS:laptop7.example.org", "-out", "req.pem")
	s.must(g, "pki", "ca", "--name", "Example CA")
	s.must(g, "pki", "issue", "--client", "laptop7.example.org", "--csr", "req.pem")
	s.must("openssl", "verify", "-x509_strict", "-CAfile", "pki/ca.pem", "pki/issued/x509/laptop7.example.org.pem")
}

// TestOCSPOfOpenSSL asks OpenSSL's responder, by files: a good certificate, a revoked one, one that it does not know.
func TestOCSPOfOpenSSL(t *testing.T) {
	s := newShop(t)
	g := programs.goswan
	s.must(g, "pki", "ca", "--name", "Example CA", "--ocsp-url", "http://ocsp.example.org/")
	for _, name := range []string{"good", "gone", "stranger"} {
		s.must(g, "pki", "issue", "--gateway", name)
	}
	ca := readCertificate(t, filepath.Join(s.dir, "pki/ca.pem"))
	line := func(state, revoked string, c *auth.Certificate) string {
		n := c.X509.SerialNumber.Text(16)
		return state + "\t" + c.X509.NotAfter.UTC().Format("060102150405Z") + "\t" + revoked + "\t" + strings.ToUpper(strings.Repeat("0", len(n)%2)+n) + "\tunknown\t/CN=x\n"
	}
	good, gone := readCertificate(t, filepath.Join(s.dir, "pki/issued/x509/good.pem")), readCertificate(t, filepath.Join(s.dir, "pki/issued/x509/gone.pem"))
	index := line("V", "", good) + line("R", "240101000000Z,keyCompromise", gone)
	if err := os.WriteFile(filepath.Join(s.dir, "index.txt"), []byte(index), 0o600); err != nil {
		t.Fatal(err)
	}
	trust := auth.NewTrust([]auth.Authority{{Certificate: ca}}, nil)
	for name, want := range map[string]string{"good": "", "gone": "key compromise", "stranger": "the responder does not know the certificate"} {
		now := time.Now()
		shown := auth.Presented{Leaf: readCertificate(t, filepath.Join(s.dir, "pki/issued/x509", name+".pem"))}
		trial := trust.Try(now, rand.Reader, &auth.Requirement{Revocation: auth.RevocationStrict}, shown, auth.Identity{Type: auth.IDFQDN, Data: name}, nil, auth.Evidence{})
		for _, f := range trial.Needs() {
			if err := os.WriteFile(filepath.Join(s.dir, "request.der"), []byte(f.Request), 0o600); err != nil {
				t.Fatal(err)
			}
			s.must("openssl", "ocsp", "-index", "index.txt", "-CA", "pki/ca.pem", "-rsigner", "pki/ca.pem", "-rkey", "pki/ca.key", "-nmin", "10", "-reqin", "request.der", "-respout", "response.der")
			response, err := os.ReadFile(filepath.Join(s.dir, "response.der"))
			trial.Supply(now, f, response, err)
		}
		_, err := trial.Verdict()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: OpenSSL's answer is judged as %v, want %q", name, err, want)
		}
	}
}

func readCertificate(t *testing.T, file string) *auth.Certificate {
	t.Helper()
	all, err := creds.ReadCertificates(file)
	if err != nil {
		t.Fatal(err)
	}
	return all[0]
}
