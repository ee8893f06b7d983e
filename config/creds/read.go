package creds

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/youmark/pkcs8"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/ssh"
	pkcs12 "software.sslmate.com/src/go-pkcs12"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/auth"
)

// maxFile bounds a file of certificates or keys, in octets; CRLs may have auth.MaxCRL, and half as much again as PEM.
const (
	maxFile    = 1 << 20
	maxCRLFile = auth.MaxCRL + auth.MaxCRL/2
)

// Problem is what is wrong with a file, and what to do. A warning does not keep it from being used.
type Problem struct {
	File    string
	What    string
	Fix     string
	Warning bool
	Err     error // underneath; nil: none
}

// Error is "file: what; fix".
func (p *Problem) Error() string {
	s := p.File + ": " + p.What
	if p.Fix != "" {
		s += "; " + p.Fix
	}
	return s
}

// Unwrap returns the error underneath.
func (p *Problem) Unwrap() error { return p.Err }

func problem(file, fix, format string, args ...any) *Problem {
	return &Problem{File: file, What: fmt.Sprintf(format, args...), Fix: fix}
}

// wrap is a problem made of an error.
func wrap(file, fix string, err error) *Problem {
	what := err.Error()
	for _, prefix := range []string{"x509: ", "auth: ", "sig: ", "pkcs12: ", "pkcs8: ", "ssh: "} {
		what = strings.TrimPrefix(what, prefix)
	}
	var path *os.PathError
	if errors.As(err, &path) && path.Path == file {
		what = path.Err.Error() // the name of the file stands before it
	}
	return &Problem{File: file, What: what, Fix: fix, Err: err}
}

// readFile reads a file of a bounded size.
func readFile(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, wrap(file, "", err)
	}
	defer f.Close()
	octets, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, wrap(file, "", err)
	case int64(len(octets)) > limit:
		return nil, problem(file, "", "it is longer than %d octets", limit)
	case len(bytes.TrimSpace(octets)) == 0:
		return nil, problem(file, "", "it is empty")
	}
	return octets, nil
}

// blocks are the PEM blocks of a file; without any it is DER.
func blocks(octets []byte) (all []*pem.Block) {
	for block, rest := pem.Decode(octets); block != nil; block, rest = pem.Decode(rest) {
		all = append(all, block)
	}
	return all
}

// ofType are the contents of the blocks of some types, or a DER file whole. The error says what is there instead, and where
// that belongs.
func ofType(file, what string, octets []byte, types ...string) (found [][]byte, err error) {
	all := blocks(octets)
	if len(all) == 0 {
		if bytes.Contains(octets, []byte("-----BEGIN")) {
			return nil, problem(file, "is it cut off?", "it begins as PEM, but nothing in it can be decoded")
		}
		return [][]byte{octets}, nil
	}
	other := ""
	for _, block := range all {
		if slices.Contains(types, block.Type) {
			found = append(found, block.Bytes)
		} else {
			other = block.Type
		}
	}
	if found == nil {
		return nil, problem(file, belongs(other), "there is no %s in it, but %q", what, other)
	}
	return found, nil
}

// belongs tells where a PEM block is looked for.
func belongs(block string) string {
	switch {
	case strings.Contains(block, "PRIVATE KEY"):
		return "private keys belong in the directory private"
	case strings.Contains(block, "CERTIFICATE REQUEST"):
		return "a CA has to make a certificate of it: goswan pki issue --csr"
	case strings.Contains(block, "TRUSTED CERTIFICATE"):
		return "`openssl x509` turns it into a plain certificate"
	case strings.Contains(block, "CERTIFICATE"):
		return "certificates belong in the directory x509, those of CAs in x509ca"
	case strings.Contains(block, "CRL"):
		return "CRLs belong in the directory x509crl"
	case strings.Contains(block, "PUBLIC KEY"):
		return "public keys belong in the directory pubkey"
	}
	return ""
}

// ReadCertificates reads a file with one certificate in DER, or with one or more in PEM. The error is a *Problem.
func ReadCertificates(file string) ([]*auth.Certificate, error) {
	octets, err := readFile(file, maxFile)
	if err != nil {
		return nil, err
	}
	return ParseCertificates(file, octets)
}

// ParseCertificates is ReadCertificates for octets that were read already; file is what messages call them.
func ParseCertificates(file string, octets []byte) ([]*auth.Certificate, error) {
	ders, err := ofType(file, "certificate", octets, "CERTIFICATE", "X509 CERTIFICATE")
	if err != nil {
		return nil, err
	}
	var all []*auth.Certificate
	for _, der := range ders {
		c, err := auth.ParseCertificate(der)
		if err != nil {
			return nil, wrap(file, "", err)
		}
		all = append(all, c)
	}
	return all, nil
}

// ReadCRL reads a file with a CRL. The error is a *Problem.
func ReadCRL(file string) (*auth.CRL, error) {
	octets, err := readFile(file, maxCRLFile)
	if err != nil {
		return nil, err
	}
	return ParseCRL(file, octets)
}

// ParseCRL is ReadCRL for octets that were read already; file is what messages call them.
func ParseCRL(file string, octets []byte) (*auth.CRL, error) {
	ders, err := ofType(file, "CRL", octets, "X509 CRL", "CRL")
	if err != nil {
		return nil, err
	}
	crl, err := auth.ParseCRL(ders[0])
	if err != nil {
		return nil, wrap(file, "", err)
	}
	return crl, nil
}

// ReadPublicKey reads a file with a SubjectPublicKeyInfo, or an RSAPublicKey of PKCS#1. The error is a *Problem.
func ReadPublicKey(file string) (*auth.PublicKey, error) {
	octets, err := readFile(file, maxFile)
	if err != nil {
		return nil, err
	}
	return ParsePublicKey(file, octets)
}

// ParsePublicKey is ReadPublicKey for octets that were read already; file is what messages call them.
func ParsePublicKey(file string, octets []byte) (*auth.PublicKey, error) {
	ders, err := ofType(file, "public key", octets, "PUBLIC KEY", "RSA PUBLIC KEY")
	if err != nil {
		return nil, err
	}
	spki := ders[0]
	if key, err := x509.ParsePKCS1PublicKey(spki); err == nil {
		if spki, err = auth.MarshalPublicKey(key); err != nil {
			return nil, wrap(file, "", err)
		}
	}
	key, err := auth.ParsePublicKey(spki)
	if err != nil {
		return nil, wrap(file, "", err)
	}
	return key, nil
}

// ErrPassphrase says that a file is encrypted, and that no passphrase or a wrong one was given.
var ErrPassphrase = errors.New("encrypted")

// ReadPrivateKey reads a private key: PKCS#8, PKCS#1, SEC 1 or OpenSSH's, in PEM or DER, maybe encrypted. passphrase is asked
// for only if it is; nil: there is none. The error is a *Problem, and wraps ErrPassphrase where that is the matter.
func ReadPrivateKey(file string, passphrase func() (secret.Bytes, error)) (auth.PrivateKey, error) {
	octets, err := readFile(file, maxFile)
	if err != nil {
		return auth.PrivateKey{}, err
	}
	defer clear(octets)
	return ParsePrivateKey(file, octets, passphrase)
}

// ParsePrivateKey is ReadPrivateKey for octets that were read already; file is what messages call them.
func ParsePrivateKey(file string, octets []byte, passphrase func() (secret.Bytes, error)) (auth.PrivateKey, error) {
	signer, err := parsePrivateKey(octets, asked(passphrase))
	if err != nil {
		return auth.PrivateKey{}, keyProblem(file, octets, err)
	}
	key, err := auth.NewPrivateKey(signer)
	if err != nil {
		return auth.PrivateKey{}, wrap(file, "", err)
	}
	return key, nil
}

// asked makes of a missing passphrase an error.
func asked(passphrase func() (secret.Bytes, error)) func() (secret.Bytes, error) {
	return func() (secret.Bytes, error) {
		if passphrase == nil {
			return nil, fmt.Errorf("it is %w, and there is no passphrase for it", ErrPassphrase)
		}
		return passphrase()
	}
}

// keyProblem says what is wrong with a key; never with anything of it in the message.
func keyProblem(file string, octets []byte, err error) error {
	for _, block := range blocks(octets) {
		if !strings.Contains(block.Type, "PRIVATE KEY") {
			return problem(file, belongs(block.Type), "there is no private key in it, but %q", block.Type)
		}
	}
	return wrap(file, "", err)
}

// parsePrivateKey tries what the file says it is.
func parsePrivateKey(octets []byte, passphrase func() (secret.Bytes, error)) (crypto.Signer, error) {
	for _, block := range blocks(octets) {
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY":
			return decryptPKCS8(block.Bytes, passphrase)
		case block.Headers["DEK-Info"] != "" || block.Type == "OPENSSH PRIVATE KEY":
			return decryptPEM(pem.EncodeToMemory(block), passphrase)
		case block.Type == "PRIVATE KEY":
			return auth.ParsePKCS8(block.Bytes)
		case block.Type == "RSA PRIVATE KEY":
			return asSigner(x509.ParsePKCS1PrivateKey(block.Bytes))
		case block.Type == "EC PRIVATE KEY":
			return asSigner(x509.ParseECPrivateKey(block.Bytes))
		}
	}
	return parseDER(octets, passphrase)
}

func parseDER(der []byte, passphrase func() (secret.Bytes, error)) (crypto.Signer, error) {
	if key, err := auth.ParsePKCS8(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	if isEncryptedPKCS8(der) {
		return decryptPKCS8(der, passphrase)
	}
	return nil, errors.New("it is no private key: neither PKCS#8, PKCS#1 nor SEC 1, in PEM or DER")
}

func asSigner[K crypto.Signer](key K, err error) (crypto.Signer, error) {
	if err != nil {
		return nil, err
	}
	return key, nil
}

// decryptPEM reads the encryption of OpenSSL's old files and of OpenSSH's.
func decryptPEM(text []byte, passphrase func() (secret.Bytes, error)) (crypto.Signer, error) {
	key, err := ssh.ParseRawPrivateKey(text)
	var missing *ssh.PassphraseMissingError
	if errors.As(err, &missing) {
		var phrase secret.Bytes
		if phrase, err = passphrase(); err != nil {
			return nil, err
		}
		if key, err = ssh.ParseRawPrivateKeyWithPassphrase(text, phrase); errors.Is(err, x509.IncorrectPasswordError) {
			return nil, fmt.Errorf("it is %w with another passphrase", ErrPassphrase)
		}
	}
	if err != nil {
		return nil, err
	}
	if pointer, ok := key.(interface{ Public() crypto.PublicKey }); ok {
		if signer, ok := pointer.(crypto.Signer); ok {
			return flat(signer), nil
		}
	}
	return nil, errors.New("the key is not for signatures")
}

// decryptPKCS8 reads an EncryptedPrivateKeyInfo (RFC 5958 §3).
func decryptPKCS8(der []byte, passphrase func() (secret.Bytes, error)) (crypto.Signer, error) {
	phrase, err := passphrase()
	if err != nil {
		return nil, err
	}
	key, _, err := pkcs8.ParsePrivateKey(der, phrase)
	switch {
	case err != nil && strings.Contains(err.Error(), "incorrect password"): // the library says so of an Ed448 key, too
		return nil, fmt.Errorf("it is %w with another passphrase, or has an Ed448 key in it, which only `openssl pkey` can decrypt", ErrPassphrase)
	case err != nil:
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("the key is not for signatures")
	}
	return signer, nil
}

// Container is what a PKCS#12 file holds.
type Container struct {
	Key         auth.PrivateKey
	Certificate *auth.Certificate
	CAs         []*auth.Certificate
}

// ReadPKCS12 reads a PKCS#12 file (RFC 7292). The error is a *Problem, and wraps ErrPassphrase where that is the matter.
func ReadPKCS12(file string, passphrase func() (secret.Bytes, error)) (*Container, error) {
	octets, err := readFile(file, maxFile)
	if err != nil {
		return nil, err
	}
	if len(blocks(octets)) > 0 {
		return nil, problem(file, belongs(blocks(octets)[0].Type), "it is PEM, not PKCS#12")
	}
	if !isPFX(octets) {
		return nil, problem(file, "`openssl pkcs12 -export` makes one", "it is no PKCS#12 file")
	}
	phrase, err := asked(passphrase)()
	if err != nil {
		return nil, wrap(file, "", err)
	}
	key, leaf, cas, err := pkcs12.DecodeChain(octets, string(phrase))
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword), errors.Is(err, pkcs12.ErrDecryption):
		return nil, wrap(file, "", fmt.Errorf("it is %w with another passphrase", ErrPassphrase))
	case err != nil:
		return nil, wrap(file, "`openssl pkcs12 -export` makes files with one key, its certificate and the CAs", err)
	}
	return newContainer(file, key, leaf, cas)
}

func newContainer(file string, key any, leaf *x509.Certificate, cas []*x509.Certificate) (*Container, error) {
	var out Container
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, problem(file, "", "the key in it is not for signatures")
	}
	var err error
	if out.Key, err = auth.NewPrivateKey(signer); err != nil {
		return nil, wrap(file, "", err)
	}
	if out.Certificate, err = auth.NewCertificate(leaf); err != nil {
		return nil, wrap(file, "", err)
	}
	for _, ca := range cas {
		c, err := auth.NewCertificate(ca)
		if err != nil {
			return nil, wrap(file, "", err)
		}
		out.CAs = append(out.CAs, c)
	}
	return &out, nil
}

// CheckMode warns of a file with a private key that others than its owner can read or change; nil is fine.
func CheckMode(file string) *Problem {
	if runtime.GOOS == "windows" {
		return nil // the mode says nothing there
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm()&0o066 == 0 {
		return nil
	}
	p := problem(file, "run chmod 600 "+file, "there is a private key in it, and others can read or change it (mode %04o)", info.Mode().Perm())
	p.Warning = true
	return p
}

// isEncryptedPKCS8 tells an EncryptedPrivateKeyInfo, SEQUENCE { AlgorithmIdentifier, OCTET STRING }, from other DER.
func isEncryptedPKCS8(der []byte) bool {
	input := cryptobyte.String(der)
	var info cryptobyte.String
	return input.ReadASN1(&info, asn1.SEQUENCE) && info.SkipASN1(asn1.SEQUENCE) && info.SkipASN1(asn1.OCTET_STRING) && info.Empty()
}

// flat takes OpenSSH's *ed25519.PrivateKey for what everybody else has.
func flat(signer crypto.Signer) crypto.Signer {
	if key, ok := signer.(*ed25519.PrivateKey); ok {
		return *key
	}
	return signer
}

// IsPKCS12 tells a PKCS#12 file by its name.
func IsPKCS12(file string) bool {
	ext := strings.ToLower(filepath.Ext(file))
	return ext == ".p12" || ext == ".pfx"
}

// isPFX tells a PKCS#12 file, SEQUENCE { INTEGER 3, … }.
func isPFX(der []byte) bool {
	input := cryptobyte.String(der)
	var pfx cryptobyte.String
	var version int
	return input.ReadASN1(&pfx, asn1.SEQUENCE) && pfx.ReadASN1Integer(&version) && version == 3
}
