package creds

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/sig"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
)

func correct() (secret.Bytes, error) { return secret.Bytes("correct"), nil }
func wrong() (secret.Bytes, error)   { return secret.Bytes("wrong"), nil }

func TestPrivateKeys(t *testing.T) {
	for _, c := range []struct {
		file, key string
		encrypted bool
	}{
		{"rsa.pkcs8.pem", "RSA with 2048 bits", false},
		{"rsa.pkcs8.der", "RSA with 2048 bits", false},
		{"rsa.pkcs1.pem", "RSA with 2048 bits", false},
		{"rsa.encrypted.pem", "RSA with 2048 bits", true},
		{"rsa.legacy-encrypted.pem", "RSA with 2048 bits", true},
		{"p256.sec1.pem", "ECDSA on P-256", false}, // with EC PARAMETERS before it
		{"p256.sec1.der", "ECDSA on P-256", false},
		{"p384.sec1.pem", "ECDSA on P-384", false},
		{"p384.sec1.der", "ECDSA on P-384", false},
		{"p521.sec1.pem", "ECDSA on P-521", false},
		{"p521.sec1.der", "ECDSA on P-521", false},
		{"p256.scrypt.pem", "ECDSA on P-256", true},
		{"p256.encrypted.der", "ECDSA on P-256", true},
		{"ed25519.pem", "ED25519 with 32 octets", false},
		{"ssh.ed25519", "ED25519 with 32 octets", true},
		{"ed448.pem", "ED448 with 57 octets", false},
	} {
		file := filepath.Join("testdata", c.file)
		passphrase := correct
		if !c.encrypted {
			passphrase = func() (secret.Bytes, error) {
				t.Errorf("%s is not encrypted, and a passphrase is asked for", c.file)
				return nil, nil
			}
		}
		key, err := ReadPrivateKey(file, passphrase)
		if err != nil {
			t.Errorf("%s is not read: %v", c.file, err)
			continue
		}
		if got := sig.Describe(key.Public()); got != c.key {
			t.Errorf("%s is %s, want %s", c.file, got, c.key)
		}
		if !c.encrypted {
			continue
		}
		if _, err := ReadPrivateKey(file, wrong); !errors.Is(err, ErrPassphrase) || !strings.Contains(err.Error(), "it is encrypted with another passphrase") {
			t.Errorf("%s with a wrong passphrase gives %v", c.file, err)
		}
		if _, err := ReadPrivateKey(file, nil); !errors.Is(err, ErrPassphrase) {
			t.Errorf("%s without a passphrase gives %v", c.file, err)
		}
	}
}

func TestFilesThatAreWrong(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"empty": " \n", "text": "hello", "cut": "-----BEGIN CERTIFICATE-----\nMIIB", "long": strings.Repeat("x", maxFile+1),
		"garbage.pem": "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
		"badkey.pem":  "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	test := func(name string) string { return filepath.Join("testdata", name) }
	certificate := func(file string) error { _, err := ReadCertificates(file); return err }
	private := func(file string) error { _, err := ReadPrivateKey(file, correct); return err }
	public := func(file string) error { _, err := ReadPublicKey(file); return err }
	crl := func(file string) error { _, err := ReadCRL(file); return err }
	container := func(file string) error { _, err := ReadPKCS12(file, correct); return err }
	for _, c := range []struct {
		read func(string) error
		file string
		want string
	}{
		{certificate, filepath.Join(dir, "none"), "no such file or directory"},
		{certificate, filepath.Join(dir, "empty"), "it is empty"},
		{certificate, filepath.Join(dir, "long"), "it is longer than 1048576 octets"},
		{certificate, filepath.Join(dir, "text"), "a certificate cannot be read"},
		{certificate, filepath.Join(dir, "cut"), "it begins as PEM, but nothing in it can be decoded; is it cut off?"},
		{certificate, filepath.Join(dir, "garbage.pem"), "a certificate cannot be read"},
		{certificate, test("rsa.pkcs8.pem"), `there is no certificate in it, but "PRIVATE KEY"; private keys belong in the directory private`},
		{certificate, test("request.pem"), "a CA has to make a certificate of it"},
		{private, test("ca.pem"), `there is no private key in it, but "CERTIFICATE"; certificates belong in the directory x509, those of CAs in x509ca`},
		{private, filepath.Join(dir, "text"), "it is no private key: neither PKCS#8, PKCS#1 nor SEC 1, in PEM or DER"},
		{private, filepath.Join(dir, "badkey.pem"), "asn1"},
		{private, test("secp256k1.pem"), "unknown elliptic curve"},
		{private, test("ed448.encrypted.pem"), "or has an Ed448 key in it, which only `openssl pkey` can decrypt"},
		{public, test("ca.pem"), `there is no public key in it`},
		{public, filepath.Join(dir, "text"), "a public key cannot be read"},
		{crl, test("ca.pem"), `there is no CRL in it, but "CERTIFICATE"`},
		{container, test("ca.pem"), "it is PEM, not PKCS#12"},
		{container, test("p256.open.p12"), "it is encrypted with another passphrase"},
		{container, filepath.Join(dir, "text"), "openssl pkcs12 -export"},
	} {
		err := c.read(c.file)
		var p *Problem
		if !errors.As(err, &p) || !strings.HasPrefix(err.Error(), c.file+": ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the error is\n\t%v\nwant a *Problem that names the file and says\n\t%s", c.file, err, c.want)
		}
	}
}

func TestPublicKeys(t *testing.T) {
	for _, c := range []struct{ public, private string }{{"rsa.pub.pem", "rsa.pkcs8.pem"}, {"rsa.pkcs1.pub.pem", "rsa.pkcs8.pem"}, {"ed448.pub.pem", "ed448.pem"}} {
		public, err := ReadPublicKey(filepath.Join("testdata", c.public))
		if err != nil {
			t.Errorf("%s: %v", c.public, err)
			continue
		}
		private, err := ReadPrivateKey(filepath.Join("testdata", c.private), nil)
		if err != nil {
			t.Fatal(err)
		}
		if spki, err := auth.MarshalPublicKey(private.Public()); err != nil || string(spki) != string(public.SPKI) {
			t.Errorf("%s is not the public key of %s (%v)", c.public, c.private, err)
		}
	}
}

func TestPKCS12(t *testing.T) {
	for _, c := range []struct {
		file   string
		phrase string
		cas    int
	}{{"rsa.p12", "correct", 1}, {"rsa.legacy.p12", "correct", 1}, {"p256.open.p12", "", 0}} {
		got, err := ReadPKCS12(filepath.Join("testdata", c.file), func() (secret.Bytes, error) { return secret.Bytes(c.phrase), nil })
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		if got.Certificate == nil || len(got.CAs) != c.cas {
			t.Errorf("%s has %v and %d CAs, want a certificate and %d", c.file, got.Certificate, len(got.CAs), c.cas)
		}
	}
	if _, err := ReadPKCS12(filepath.Join("testdata", "rsa.p12"), wrong); !errors.Is(err, ErrPassphrase) {
		t.Errorf("a wrong passphrase gives %v", err)
	}
}

// place copies test data into a directory of swanctl.
func place(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for to, from := range files {
		octets, err := os.ReadFile(filepath.Join("testdata", from))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(root, to)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, octets, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLoad(t *testing.T) {
	root := t.TempDir()
	place(t, root, map[string]string{
		"x509/rsa.pem": "rsa.crt.pem", "x509/p256.pem": "p256.crt.pem", "x509/ed25519.pem": "ed25519.crt.pem", "x509/ed448.pem": "ed448.crt.pem",
		"x509ca/ca.pem": "ca.pem", "private/ed25519.pem": "ed25519.pem", "private/ed448": "ed448.pem", "rsa/rsa.key": "rsa.encrypted.pem",
		"ecdsa/p256.der": "p256.sec1.der", "pkcs8/p521": "p521.sec1.pem", "pubkey/ed448.pub": "ed448.pub.pem", "x509/rsa.pem~": "rsa.pkcs8.pem",
		"x509/.hidden": "rsa.pkcs8.pem", "x509aa/x": "ca.pem",
	})
	if err := os.Mkdir(filepath.Join(root, "x509", "old"), 0o700); err != nil {
		t.Fatal(err)
	}
	parts, problems := Loader{Dir: root, Passphrases: map[string]secret.Bytes{"rsa/rsa.key": secret.Bytes("correct")}}.Load()
	s := Join(parts, nil)
	var texts []string
	for _, p := range problems {
		texts = append(texts, strings.TrimPrefix(p.Error(), root+"/"))
	}
	want := "x509aa: is not read: attribute certificates are not used\n" +
		"pkcs8/p521: no certificate in x509 and no key in pubkey belongs to this private key; put its certificate into x509"
	if got := strings.Join(texts, "\n"); got != want {
		t.Errorf("the problems are\n%s\nwant\n%s", got, want)
	}
	if len(s.Certificates) != 4 || len(s.Authorities) != 1 || len(s.PublicKeys) != 1 || len(s.Own) != 5 {
		t.Errorf("there are %d certificates, %d CAs, %d public keys and %d credentials, want 4, 1, 1 and 5", len(s.Certificates), len(s.Authorities), len(s.PublicKeys), len(s.Own))
	}
	// Each credential convinces a peer with the CA.
	now := time.Now()
	constraints := sig.Constraints{}
	for _, c := range s.Own {
		if c.Certificate == nil {
			continue
		}
		name := strings.TrimPrefix(c.Certificate.Name(), "C=CH, O=example, CN=") + ".example.org"
		id, err := auth.ParseIdentity(name)
		if err != nil {
			t.Fatal(err)
		}
		chosen, use, err := auth.Choose(s.Own, id, nil, constraints, constraints.Hashes())
		if err != nil || chosen != c {
			t.Errorf("for %s, %v is chosen (%v)", name, chosen, err)
			continue
		}
		data, err := chosen.Sign(rand.Reader, use, []byte("octets"))
		if err != nil {
			t.Fatal(err)
		}
		shown, err := auth.ParsePresented(chosen.Payloads())
		if err != nil {
			t.Fatal(err)
		}
		trial := s.Trust.Try(now, rand.Reader, &auth.Requirement{ID: id}, shown, id, &auth.Proof{Method: use.Method, Data: data, Octets: []byte("octets")}, auth.Evidence{})
		if _, err := trial.Verdict(); err != nil {
			t.Errorf("%s with %s is refused: %v", name, use.Scheme, err)
		}
	}
}

func TestProblemsOfDirectories(t *testing.T) {
	root := t.TempDir()
	place(t, root, map[string]string{"x509ca/gw.pem": "p256.crt.pem", "private/rsa.pem": "rsa.encrypted.pem", "pkcs12/rsa.p12": "rsa.p12", "private/open.pem": "p256.sec1.pem", "x509/gw.pem": "p256.crt.pem"})
	if err := os.Chmod(filepath.Join(root, "private/open.pem"), 0o640); err != nil {
		t.Fatal(err)
	}
	_, problems := Loader{Dir: root}.Load()
	want := []string{
		`pkcs12/rsa.p12: it is encrypted, and there is no passphrase for it; write it into a section pkcs12-rsa of secrets in swanctl.conf, with file = rsa.p12 and secret = "…"`,
		"private/open.pem: there is a private key in it, and others can read or change it (mode 0640); run chmod 600 " + filepath.Join(root, "private/open.pem"),
		`private/rsa.pem: it is encrypted, and there is no passphrase for it; write it into a section private-rsa of secrets in swanctl.conf, with file = rsa.pem and secret = "…"`,
		`x509ca/gw.pem: "C=CH, O=example, CN=p256" is not a CA (basicConstraints); certificates of hosts and users belong in x509`,
	}
	if runtime.GOOS == "windows" {
		want = append(want[:1], want[2:]...) // no modes there
	}
	var got []string
	for _, p := range problems {
		got = append(got, strings.TrimPrefix(p.Error(), root+"/"))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the problems are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTrustMergesURIs(t *testing.T) {
	root := t.TempDir()
	place(t, root, map[string]string{"x509ca/ca.pem": "ca.pem"})
	parts, _ := Loader{Dir: root}.Load()
	ca, err := ReadCertificates(filepath.Join(root, "x509ca", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	trust := Join(parts, []*core.Authority{{Certificate: ca[0], CRLURIs: []string{"http://h/"}}}).Trust
	if len(trust.Authorities) != 1 || len(trust.Authorities[0].CRLURIs) != 1 {
		t.Errorf("the CA of x509ca and of a section of authorities become %+v, want one with the URI", trust.Authorities)
	}
	if _, err := ReadCertificates(filepath.Join(root, "x509", "none.pem")); err == nil || !strings.Contains(err.Error(), filepath.Join(root, "x509", "none.pem")) {
		t.Errorf("a certificate that is not there gives %v, want the whole path in it", err)
	}
}

func TestPrivateKeysDoNotPrint(t *testing.T) {
	root := t.TempDir()
	place(t, root, map[string]string{"x509/gw.pem": "p256.crt.pem", "private/gw.pem": "p256.sec1.pem"})
	parts, _ := Loader{Dir: root}.Load()
	if text := fmt.Sprintf("%+v", Join(parts, nil).Own[0].Key); text != "[redacted]" {
		t.Errorf("a private key prints as %s", text)
	}
}

func FuzzPrivateKey(f *testing.F) {
	for _, name := range []string{"rsa.pkcs1.pem", "p256.sec1.pem", "p256.sec1.der", "ed448.pem", "ed25519.pem", "rsa.pub.pem"} {
		octets, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(octets)
	}
	f.Fuzz(func(t *testing.T, octets []byte) {
		// What is encrypted stays so: the work of deriving a key is as large as the file says.
		key, err := parsePrivateKey(octets, asked(nil))
		if key == nil && err == nil {
			t.Error("neither a key nor an error")
		}
		if err != nil {
			_ = keyProblem("f", octets, err).Error()
		}
	})
}

// FuzzFiles reads what may lie in the directories but for private keys: each gives something or an error that names the file.
func FuzzFiles(f *testing.F) {
	for _, name := range []string{"ca.pem", "p256.crt.pem", "ed448.crt.pem", "rsa.pub.pem", "rsa.pkcs1.pub.pem", "request.pem", "rsa.p12"} {
		octets, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(octets)
	}
	f.Add([]byte("-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n"))
	f.Fuzz(func(t *testing.T, octets []byte) {
		check := func(what string, got bool, err error) {
			var p *Problem
			if got == (err != nil) || err != nil && (!errors.As(err, &p) || p.File != "f") {
				t.Errorf("%s: something %v and the error %v", what, got, err)
			}
		}
		certificates, err := ParseCertificates("f", octets)
		check("certificates", len(certificates) > 0, err)
		crl, err := ParseCRL("f", octets)
		check("a CRL", crl != nil, err)
		key, err := ParsePublicKey("f", octets)
		check("a public key", key != nil, err)
		_ = isPFX(octets)
		_ = isEncryptedPKCS8(octets)
	})
}
