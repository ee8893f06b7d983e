// Package creds reads the directories beside swanctl.conf that hold certificates and keys, in the layout of strongSwan:
//
//	x509      certificates: ours, and those of peers     private, rsa, ecdsa, pkcs8   private keys
//	x509ca    CAs that are trusted                       pkcs12                       keys with certificates and CAs
//	x509crl   CRLs                                       pubkey                       raw public keys (RFC 7670)
//	x509ocsp  signers of OCSP responses that are believed, whichever CA they come from
//
// Files are PEM or DER. Every error names the file and says what would be right, and a broken file does not keep the others
// from being loaded.
package creds

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
)

// privateDirs are the directories with private keys.
var privateDirs = []string{"private", "rsa", "ecdsa", "pkcs8"}

// unusedDirs are strongSwan's directories whose contents have no use here.
var unusedDirs = map[string]string{
	"x509aa": "attribute certificates are not used", "x509ac": "attribute certificates are not used",
}

// Loader reads the directories.
type Loader struct {
	// Dir is the directory of swanctl.conf.
	Dir string
	// Passphrases are those of the sections private*, rsa*, ecdsa*, pkcs8* and pkcs12* of `secrets`, by file: "private/gw.key"
	// below Dir, or an absolute path.
	Passphrases map[string]secret.Bytes
}

// contents is what one file holds.
type contents struct {
	certificates, authorities, responders []*auth.Certificate

	crl    *auth.CRL
	public *auth.PublicKey
	key    auth.PrivateKey
}

// Load reads everything, for Join. The problems are of single files, in their order; the credentials have the rest, each key once.
func (l Loader) Load() (core.Credentials, []*Problem) {
	var all core.Credentials
	var problems []*Problem
	var keys []keyFile
	for _, dir := range l.dirs() {
		names, err := list(filepath.Join(l.Dir, dir.name))
		if err != nil {
			problems = append(problems, wrap(filepath.Join(l.Dir, dir.name), "", err))
		}
		for _, name := range names {
			file := filepath.Join(l.Dir, dir.name, name)
			got, p := l.read(dir, file)
			if p != nil {
				problems = append(problems, p)
			}
			got.addTo(&all)
			if got.key.Valid() {
				keys = append(keys, keyFile{file, got.key})
			}
		}
	}
	for name, why := range unusedDirs {
		if names, _ := list(filepath.Join(l.Dir, name)); len(names) > 0 {
			problems = append(problems, &Problem{File: filepath.Join(l.Dir, name), What: "is not read: " + why, Warning: true})
		}
	}
	slices.SortStableFunc(problems, func(a, b *Problem) int { return strings.Compare(a.File, b.File) })
	for _, k := range keys {
		if !slices.ContainsFunc(all.Keys, k.key.SameAs) {
			all.Keys = append(all.Keys, k.key)
		}
		if len(pairs(k.key, slices.Concat(all.Authorities, all.Certificates), all.PublicKeys)) == 0 {
			problems = append(problems, &Problem{File: k.file, What: "no certificate in x509 and no key in pubkey belongs to this private key", Fix: "put its certificate into x509", Warning: true})
		}
	}
	return all, problems
}

// read reads a file of a directory. Other things than files, as named pipes, could let us wait without end.
func (l Loader) read(d dir, file string) (contents, *Problem) {
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
		return contents{}, problem(file, "", "it is no regular file, and is not read")
	}
	return d.read(file, l.passphrase(d.name, file))
}

// dir is a directory and what reads a file of it.
type dir struct {
	name string
	read func(file string, passphrase func() (secret.Bytes, error)) (contents, *Problem)
}

func (l Loader) dirs() []dir {
	all := []dir{{"x509", readX509}, {"x509ca", readCA}, {"x509ocsp", readResponder}, {"x509crl", readCRL}, {"pubkey", readPublic}, {"pkcs12", readContainer}}
	for _, name := range privateDirs {
		all = append(all, dir{name, readPrivate})
	}
	return all
}

// Dirs are the names of the directories that are read.
func Dirs() (names []string) {
	for _, d := range (Loader{}).dirs() {
		names = append(names, d.name)
	}
	return names
}

// list are the files of a directory in order. A directory that is not there has none.
func list(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") {
			continue // of editors and the file system
		}
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.IsDir() {
			continue
		}
		names = append(names, name)
	}
	return names, err
}

// passphrase is what the configuration has for a file.
func (l Loader) passphrase(dir, file string) func() (secret.Bytes, error) {
	return func() (secret.Bytes, error) {
		for _, name := range []string{file, filepath.Join(dir, filepath.Base(file))} {
			if phrase, ok := l.Passphrases[name]; ok {
				return phrase, nil
			}
		}
		if dir == "pkcs12" {
			return nil, nil // an empty passphrase is usual there
		}
		return nil, fmt.Errorf("it is %w, and there is no passphrase for it", ErrPassphrase)
	}
}

// asProblem is an error of the readers.
func asProblem(err error) *Problem {
	var p *Problem
	if err == nil || errors.As(err, &p) {
		return p
	}
	return &Problem{What: err.Error(), Err: err}
}

func readX509(file string, _ func() (secret.Bytes, error)) (contents, *Problem) {
	certificates, err := ReadCertificates(file)
	return contents{certificates: certificates}, asProblem(err)
}

func readCA(file string, _ func() (secret.Bytes, error)) (contents, *Problem) {
	certificates, err := ReadCertificates(file)
	if err != nil {
		return contents{}, asProblem(err)
	}
	for _, c := range certificates {
		// A certificate that signed itself may be trusted without being a CA; it then proves its own holder.
		if !c.IsCA() && !c.SelfIssued() {
			return contents{}, problem(file, "certificates of hosts and users belong in x509", "%q is not a CA (basicConstraints)", c.Name())
		}
	}
	return contents{authorities: certificates}, nil
}

// readResponder reads an OCSP signer. It may have signed its certificate itself, but has to be meant for that.
func readResponder(file string, _ func() (secret.Bytes, error)) (contents, *Problem) {
	certificates, err := ReadCertificates(file)
	if err != nil {
		return contents{}, asProblem(err)
	}
	for _, c := range certificates {
		if !c.SignsOCSP() {
			return contents{}, problem(file, "other certificates belong in x509, those of CAs in x509ca", "%q is not for signing OCSP responses (extendedKeyUsage OCSPSigning)", c.Name())
		}
	}
	return contents{responders: certificates}, nil
}

func readCRL(file string, _ func() (secret.Bytes, error)) (contents, *Problem) {
	crl, err := ReadCRL(file)
	return contents{crl: crl}, asProblem(err)
}

func readPublic(file string, _ func() (secret.Bytes, error)) (contents, *Problem) {
	key, err := ReadPublicKey(file)
	return contents{public: key}, asProblem(err)
}

func readPrivate(file string, passphrase func() (secret.Bytes, error)) (contents, *Problem) {
	key, err := ReadPrivateKey(file, passphrase)
	if err != nil {
		return contents{}, secretsFix(asProblem(err), file)
	}
	return contents{key: key}, CheckMode(file)
}

func readContainer(file string, passphrase func() (secret.Bytes, error)) (contents, *Problem) {
	given, _ := passphrase() // of a container it is never an error
	c, err := ReadPKCS12(file, passphrase)
	if err != nil {
		p := asProblem(err)
		if errors.Is(p, ErrPassphrase) && given == nil {
			p.What = fmt.Sprintf("it is %v, and there is no passphrase for it", ErrPassphrase)
		}
		return contents{}, secretsFix(p, file)
	}
	return contents{certificates: []*auth.Certificate{c.Certificate}, authorities: c.CAs, key: c.Key}, CheckMode(file)
}

// secretsFix tells where a passphrase is written.
func secretsFix(p *Problem, file string) *Problem {
	if errors.Is(p, ErrPassphrase) {
		kind := filepath.Base(filepath.Dir(file))
		p.Fix = fmt.Sprintf("write it into a section %s-%s of secrets in swanctl.conf, with file = %s and secret = \"…\"", kind, stem(file), filepath.Base(file))
	}
	return p
}

func stem(file string) string {
	return strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
}

// keyFile is a private key and where it was.
type keyFile struct {
	file string
	key  auth.PrivateKey
}

// addTo adds the certificates, the CRL and the public key of a file.
func (c contents) addTo(all *core.Credentials) {
	all.Certificates = append(all.Certificates, c.certificates...)
	all.Authorities = append(all.Authorities, c.authorities...)
	all.Responders = append(all.Responders, c.responders...)
	if c.crl != nil {
		all.CRLs = append(all.CRLs, c.crl)
	}
	if c.public != nil {
		all.PublicKeys = append(all.PublicKeys, c.public)
	}
}
