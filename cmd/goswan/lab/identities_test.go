//go:build linux

package lab

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// identity is a certificate of the lab with its key.
type identity struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// keyOf makes a key: rsa, ecdsa with the size behind it unless that is 256, or ed25519.
func keyOf(t testing.TB, kind string) (key crypto.Signer) {
	t.Helper()
	var err error
	switch kind {
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ecdsa":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ecdsa384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ecdsa521":
		key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		t.Fatalf("there is no key of kind %s", kind)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue makes a certificate for a new key; without an issuer it is a root. change may be nil.
func issue(t testing.TB, kind, name string, issuer *identity, change func(*x509.Certificate)) *identity {
	t.Helper()
	key := keyOf(t, kind)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{Country: []string{"CH"}, Organization: []string{"goswan lab"}, CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	if issuer == nil {
		authority(template)
		template.SubjectKeyId = keyID(t, key.Public())
		issuer = &identity{template, key}
	} else {
		template.DNSNames, template.KeyUsage = []string{name}, x509.KeyUsageDigitalSignature
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.cert, key.Public(), issuer.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &identity{cert, key}
}

// keyID is the SHA-1 of the subjectPublicKey (RFC 5280 §4.2.1.2), by which strongSwan's pki names the issuer of a certificate.
func keyID(t testing.TB, key crypto.PublicKey) []byte {
	t.Helper()
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err == nil {
		_, err = asn1.Unmarshal(der, &info)
	}
	if err != nil {
		t.Fatal(err)
	}
	id := sha1.Sum(info.Key.Bytes)
	return id[:]
}

// authority makes a certificate that of a CA.
func authority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.DNSNames = true, true, nil
	c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
}

// revoke is a CRL of the CA.
func (ca *identity) revoke(t testing.TB, certificates ...*identity) []byte {
	t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour)}
	for _, c := range certificates {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: c.cert.SerialNumber, RevocationTime: time.Now().Add(-time.Minute), ReasonCode: 1})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, ca.cert, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// credentialDirs are the directories beside swanctl.conf that the lab fills.
var credentialDirs = []string{"x509", "x509ca", "x509crl", "private", "pubkey"}

// ClearCredentials empties the directories of certificates and keys.
func (h *Host) ClearCredentials(t testing.TB) {
	t.Helper()
	for _, dir := range credentialDirs {
		path := filepath.Join(h.SwanctlDir(), dir)
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// own gives the host a certificate with its key.
func (h *Host) own(t testing.TB, id *identity) {
	t.Helper()
	h.knows(t, "x509", "own.pem", id)
	h.privateKey(t, id.key)
}

// certified gives the host a certificate with its key, a root CA to trust, and no other credentials.
func (h *Host) certified(t testing.TB, id, root *identity) {
	t.Helper()
	h.ClearCredentials(t)
	h.own(t, id)
	h.knows(t, "x509ca", "root.pem", root)
}

func (h *Host) privateKey(t testing.TB, key crypto.Signer) {
	t.Helper()
	h.privateKeyAs(t, "own.pem", key)
}

// privateKeyAs puts a private key into the directory private.
func (h *Host) privateKeyAs(t testing.TB, name string, key crypto.Signer) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	h.WriteConfig(t, "private/"+name, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

// knows puts a certificate into a directory.
func (h *Host) knows(t testing.TB, dir, name string, id *identity) {
	t.Helper()
	h.WriteConfig(t, dir+"/"+name, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.cert.Raw})))
}

// publicKey puts a raw public key into the directory pubkey.
func (h *Host) publicKey(t testing.TB, name string, key crypto.PublicKey) {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	h.WriteConfig(t, "pubkey/"+name, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
}

// LoadCredentials has the daemon load what was written: goswan reads it itself, strongSwan is told by swanctl.
func (h *Host) LoadCredentials(t testing.TB) {
	t.Helper()
	if h.Daemon == Goswan {
		h.mustSwanctl(t, "--reload-settings")
		return
	}
	h.mustSwanctl(t, "--load-all", "--noprompt", "--clear")
}
