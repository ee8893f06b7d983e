// Package pki is a small certification authority for IPsec: it makes CAs, issues certificates for gateways and clients,
// revokes them, and shows what is in such files (RFC 5280). What it issues follows RFC 4945 and what strongSwan, Windows and
// Apple's systems demand of a peer.
//
// A CA is a directory:
//
//	ca.pem        its certificate            index.jsonl   what it issued and revoked, a line each, only ever added to
//	ca.key        its private key, mode 0600 crl.pem       its newest CRL, and crl.der for a web server
//	chain.pem     of an intermediate CA: the CAs above it
//	issued/       what it issued
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/youmark/pkcs8"

	"github.com/goswan/goswan/crypto/secret"
)

// keyKinds are the types of keys that are made.
var keyKinds = []struct {
	names    []string
	generate func(rand io.Reader) (crypto.Signer, error)
}{
	{[]string{"ecdsa256", "p256"}, ecdsaKey(elliptic.P256())},
	{[]string{"ecdsa384", "p384"}, ecdsaKey(elliptic.P384())},
	{[]string{"ecdsa521", "p521"}, ecdsaKey(elliptic.P521())},
	{[]string{"rsa2048"}, rsaKey(2048)},
	{[]string{"rsa3072"}, rsaKey(3072)},
	{[]string{"rsa4096"}, rsaKey(4096)},
	{[]string{"ed25519"}, func(rand io.Reader) (crypto.Signer, error) {
		_, key, err := ed25519.GenerateKey(rand)
		return key, err
	}},
}

func ecdsaKey(curve elliptic.Curve) func(io.Reader) (crypto.Signer, error) {
	return func(rand io.Reader) (crypto.Signer, error) { return ecdsa.GenerateKey(curve, rand) }
}

func rsaKey(bits int) func(io.Reader) (crypto.Signer, error) {
	return func(rand io.Reader) (crypto.Signer, error) { return rsa.GenerateKey(rand, bits) }
}

// KeyNames are the types of keys that GenerateKey makes.
func KeyNames() (names []string) {
	for _, k := range keyKinds {
		names = append(names, k.names[0])
	}
	return names
}

// GenerateKey makes a private key of a type of KeyNames.
func GenerateKey(rand io.Reader, kind string) (crypto.Signer, error) {
	for _, k := range keyKinds {
		for _, name := range k.names {
			if strings.EqualFold(name, strings.ReplaceAll(kind, "-", "")) {
				return k.generate(rand)
			}
		}
	}
	why := "there is no such type of key"
	if strings.HasPrefix(kind, "rsa") {
		why = "RSA keys are made with 2048, 3072 or 4096 bits: shorter ones are weak, longer ones only slow"
	}
	return nil, fmt.Errorf("--key %s: %s; use one of %s", kind, why, strings.Join(KeyNames(), ", "))
}

// iterations of PBKDF2 with HMAC-SHA-256, as OWASP recommends for passwords.
const iterations = 600_000

// marshalKey is a PKCS#8 key in PEM, encrypted if there is a passphrase.
func marshalKey(key crypto.Signer, passphrase secret.Bytes) ([]byte, error) {
	if len(passphrase) == 0 {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
	}
	der, err := pkcs8.MarshalPrivateKey(key, passphrase, &pkcs8.Opts{
		Cipher: pkcs8.AES256CBC, KDFOpts: pkcs8.PBKDF2Opts{SaltSize: 16, IterationCount: iterations, HMACHash: crypto.SHA256},
	})
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der}), nil
}

// The modes of files.
const (
	modePublic  = 0o644
	modePrivate = 0o600
	modeDir     = 0o700
)

// WriteNew writes a file that must not be there yet, with its directories: what exists is never overwritten.
func WriteNew(file string, octets []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(file), modeDir); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists; nothing is overwritten: move it away, or write to another place", file)
	}
	if err != nil {
		return err
	}
	if _, err = f.Write(octets); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Replace writes a file that may be there already, whole or not at all.
func Replace(file string, octets []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(octets)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

func certificatePEM(ders ...[]byte) (out []byte) {
	for _, der := range ders {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return out
}

// Free tells whether nothing is where files are to be written, so that no certificate is issued that then has no place. ""
// is no file.
func Free(files ...string) error {
	for _, file := range files {
		if _, err := os.Lstat(file); file != "" && err == nil {
			return fmt.Errorf("%s exists; nothing is overwritten: move it away, or write to another place", file)
		}
	}
	return nil
}
