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

// Store is what the directories held. It is immutable.
type Store struct {
	Certificates []*auth.Certificate // of x509 and pkcs12
	Authorities  []*auth.Certificate // of x509ca and pkcs12: trusted
	Responders   []*auth.Certificate // of x509ocsp
	CRLs         []*auth.CRL
	PublicKeys   []*auth.PublicKey
	Keys         []auth.PrivateKey // each once
	// Credentials are the private keys with the certificate, or public key, of each.
	Credentials []*auth.Credential

	files map[string]contents
}

// contents is what one file holds.
type contents struct {
	certificates, authorities, responders []*auth.Certificate

	crl    *auth.CRL
	public *auth.PublicKey
	key    auth.PrivateKey
	shared bool // with the store before
}

// Load reads everything. The problems are of single files, in their order, and the store has the rest. A file that is broken
// now and was not in previous (which may be nil) is used as it was then.
func (l Loader) Load(previous *Store) (*Store, []*Problem) {
	s := &Store{files: map[string]contents{}}
	var problems []*Problem
	var order []string
	for _, dir := range l.dirs() {
		names, err := list(filepath.Join(l.Dir, dir.name))
		if err != nil {
			problems = append(problems, wrap(filepath.Join(l.Dir, dir.name), "", err))
		}
		for _, name := range names {
			file := filepath.Join(l.Dir, dir.name, name)
			got, p := l.read(dir, file)
			if p != nil {
				problems = append(problems, kept(previous, file, &got, p))
			}
			s.files[file] = got
			order = append(order, file)
		}
	}
	for name, why := range unusedDirs {
		if names, _ := list(filepath.Join(l.Dir, name)); len(names) > 0 {
			problems = append(problems, &Problem{File: filepath.Join(l.Dir, name), What: "is not read: " + why, Warning: true})
		}
	}
	slices.SortStableFunc(problems, func(a, b *Problem) int { return strings.Compare(a.File, b.File) })
	return s, append(problems, s.join(order)...)
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

// kept keeps what a broken file held before.
func kept(previous *Store, file string, got *contents, p *Problem) *Problem {
	if p.Warning || previous == nil {
		return p
	}
	if old, ok := previous.files[file]; ok {
		*got = old
		got.shared = true
		p.Fix = strings.TrimPrefix(p.Fix+"; until then what was loaded before is used", "; ")
	}
	return p
}

// join puts the files together, and keys with their certificates.
func (s *Store) join(order []string) (problems []*Problem) {
	for _, file := range order {
		c := s.files[file]
		s.Certificates = append(s.Certificates, c.certificates...)
		s.Authorities = append(s.Authorities, c.authorities...)
		s.Responders = append(s.Responders, c.responders...)
		if c.crl != nil {
			s.CRLs = append(s.CRLs, c.crl)
		}
		if c.public != nil {
			s.PublicKeys = append(s.PublicKeys, c.public)
		}
	}
	for _, file := range order {
		if key := s.files[file].key; key.Valid() {
			if p := s.pair(file, key); p != nil {
				problems = append(problems, p)
			}
		}
	}
	return problems
}

// pair finds what belongs to a private key: every certificate with its public key, and the public key in pubkey.
func (s *Store) pair(file string, key auth.PrivateKey) *Problem {
	all := pairs(key, slices.Concat(s.Authorities, s.Certificates), s.PublicKeys)
	for _, c := range all {
		c.Source = file
	}
	if !slices.ContainsFunc(s.Keys, key.SameAs) {
		s.Keys = append(s.Keys, key)
		s.Credentials = append(s.Credentials, all...)
	}
	if len(all) == 0 {
		return &Problem{File: file, What: "no certificate in x509 and no key in pubkey belongs to this private key", Fix: "put its certificate into x509", Warning: true}
	}
	return nil
}

// Trust is what certificates are judged by: the CAs of the store, and those of the configuration. Where both have a CA, its
// URIs are added.
func (s *Store) Trust(configured ...auth.Authority) *auth.Trust {
	all := slices.Clone(configured)
	for _, ca := range s.Authorities {
		if !slices.ContainsFunc(all, func(a auth.Authority) bool { return ca.Equal(a.Certificate) }) {
			all = append(all, auth.Authority{Certificate: ca})
		}
	}
	return auth.NewTrust(all, intermediates(s.Certificates))
}

// Wipe overwrites the private keys, as far as they can be, but for those that a store loaded after this one goes on using; nil:
// there is none.
func (s *Store) Wipe(successor *Store) {
	for file, c := range s.files {
		if successor == nil || !successor.files[file].shared {
			c.key.Wipe()
		}
	}
}

// Certificate reads the file that a setting `certs` or `cacerts` names: a path, or a name in a directory of Dir, x509 or
// x509ca. The error is a *Problem.
func (l Loader) Certificate(dir, name string) (*auth.Certificate, error) {
	file := name
	if !filepath.IsAbs(name) {
		file = filepath.Join(l.Dir, dir, name)
	}
	all, err := ReadCertificates(file)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// PublicKey reads the file that a setting `pubkeys` names: a path, or a name in the directory pubkey. The error is a *Problem.
func (l Loader) PublicKey(name string) (*auth.PublicKey, error) {
	file := name
	if !filepath.IsAbs(name) {
		file = filepath.Join(l.Dir, "pubkey", name)
	}
	return ReadPublicKey(file)
}
