package pki

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goswan/goswan/config/creds"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/auth"
)

// The files of a CA's directory.
const (
	fileCA    = "ca.pem"
	fileKey   = "ca.key"
	fileChain = "chain.pem"
	fileIndex = "index.jsonl"
	fileURLs  = "urls"
	fileCRL   = "crl.pem"
	fileCRLD  = "crl.der"
	dirIssued = "issued"
)

// Lifetimes.
const (
	CALifetime     = 10 * 365 * 24 * time.Hour
	SubLifetime    = 5 * 365 * 24 * time.Hour
	LeafLifetime   = 365 * 24 * time.Hour
	CRLLifetime    = 30 * 24 * time.Hour
	maxCALifetime  = 30 * 365 * 24 * time.Hour
	MaxLeafDays    = 825 // Apple's systems refuse longer ones
	clockTolerance = time.Hour
)

// Authority is a CA that can issue.
type Authority struct {
	Dir         string
	Certificate *auth.Certificate
	// Chain are the CAs above it, the nearest first.
	Chain []*auth.Certificate
	// CRLURL and OCSPURL are written into what it issues; "" is none.
	CRLURL, OCSPURL string

	key  crypto.Signer
	rand io.Reader
}

// NewAuthority describes a CA to make.
type NewAuthority struct {
	Dir      string
	Subject  auth.Identity // a distinguished name
	Key      string        // a type of KeyNames
	Lifetime time.Duration
	Parent   *Authority // nil: a root
	// Passphrase encrypts the private key; none if it is empty.
	Passphrase      secret.Bytes
	CRLURL, OCSPURL string
}

// Create makes a CA in a directory. Nothing that exists is overwritten.
func Create(rand io.Reader, now time.Time, n NewAuthority) (*Authority, error) {
	for _, u := range []string{n.CRLURL, n.OCSPURL} {
		if err := checkURL(u); err != nil {
			return nil, err
		}
	}
	if _, err := os.Stat(filepath.Join(n.Dir, fileCA)); err == nil {
		return nil, fmt.Errorf("%s exists: there is a CA already; use another --dir", filepath.Join(n.Dir, fileCA))
	}
	key, err := GenerateKey(rand, n.Key)
	if err != nil {
		return nil, err
	}
	a := &Authority{Dir: n.Dir, CRLURL: n.CRLURL, OCSPURL: n.OCSPURL, key: key, rand: rand}
	if a.Certificate, err = a.certify(now, n); err != nil {
		return nil, err
	}
	if n.Parent != nil {
		a.Chain = append([]*auth.Certificate{n.Parent.Certificate}, n.Parent.Chain...)
	}
	if err := a.write(n.Passphrase); err != nil {
		return nil, err
	}
	if _, err := a.WriteCRL(now, CRLLifetime); err != nil {
		return nil, err
	}
	if n.Parent == nil {
		return a, nil
	}
	return a, n.Parent.record(now, a.Certificate, filepath.Join(n.Dir, fileCA))
}

// certify makes the CA's certificate: RFC 5280 §4.2.1.9 and §4.2.1.3. A root allows one CA below it, and that none.
func (a *Authority) certify(now time.Time, n NewAuthority) (*auth.Certificate, error) {
	template := &x509.Certificate{
		RawSubject: []byte(n.Subject.Data), BasicConstraintsValid: true, IsCA: true, MaxPathLen: 1,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if n.Lifetime <= 0 || n.Lifetime > maxCALifetime {
		return nil, fmt.Errorf("--lifetime: a CA lasts for a day to 30 years")
	}
	issuer, parent := a, template
	if p := n.Parent; p != nil {
		if p.Certificate.X509.MaxPathLenZero {
			return nil, fmt.Errorf("%s is an intermediate CA: it may issue certificates, but no CAs (path length 0)", p.Certificate.Name())
		}
		template.MaxPathLen, template.MaxPathLenZero = 0, true
		issuer, parent = p, p.Certificate.X509
	}
	if err := issuer.fill(template, now, n.Lifetime, a.key.Public()); err != nil {
		return nil, err
	}
	return sign(issuer.rand, template, parent, a.key.Public(), issuer.key)
}

// fill completes a template: serial number, dates, key identifier, where revocation is found.
func (a *Authority) fill(template *x509.Certificate, now time.Time, lifetime time.Duration, key crypto.PublicKey) (err error) {
	if template.SerialNumber, err = serial(a.rand); err != nil {
		return err
	}
	template.NotBefore = now.Add(-clockTolerance).UTC().Truncate(time.Second)
	template.NotAfter = now.Add(lifetime).UTC().Truncate(time.Second)
	if a.Certificate != nil {
		if ca := a.Certificate.X509; now.After(ca.NotAfter) || now.Before(ca.NotBefore) {
			return fmt.Errorf("the CA %s is valid from %s to %s: it cannot issue now", a.Certificate.Name(), ca.NotBefore.Format(time.DateOnly), ca.NotAfter.Format(time.DateOnly))
		} else if template.NotAfter.After(ca.NotAfter) {
			template.NotAfter = ca.NotAfter // nobody accepts it any longer
		}
		if a.CRLURL != "" {
			template.CRLDistributionPoints = []string{a.CRLURL}
		}
		if a.OCSPURL != "" {
			template.OCSPServer = []string{a.OCSPURL}
		}
	}
	spki, err := auth.MarshalPublicKey(key)
	sum := sha256.Sum256(spki)
	template.SubjectKeyId = sum[:20] // RFC 7093 §2, method 4: any hash of it will do
	return err
}

// serial is 128 random bits, RFC 5280 §4.1.2.2: positive and at most 20 octets.
func serial(rand io.Reader) (*big.Int, error) {
	octets := make([]byte, 16)
	for {
		if _, err := io.ReadFull(rand, octets); err != nil {
			return nil, err
		}
		if n := new(big.Int).SetBytes(octets); n.Sign() > 0 {
			return n, nil
		}
	}
}

func sign(rand io.Reader, template, parent *x509.Certificate, key crypto.PublicKey, signer crypto.Signer) (*auth.Certificate, error) {
	der, err := x509.CreateCertificate(rand, template, parent, key, signer)
	if err != nil {
		return nil, err
	}
	return auth.ParseCertificate(der)
}

// write puts a new CA into its directory, the key first.
func (a *Authority) write(passphrase secret.Bytes) error {
	key, err := marshalKey(a.key, passphrase)
	if err != nil {
		return err
	}
	defer clear(key)
	if err := WriteNew(a.path(fileKey), key, modePrivate); err != nil {
		return err
	}
	if err := WriteNew(a.path(fileCA), certificatePEM(a.Certificate.X509.Raw), modePublic); err != nil {
		return err
	}
	if len(a.Chain) > 0 {
		var ders [][]byte
		for _, c := range a.Chain {
			ders = append(ders, c.X509.Raw)
		}
		if err := WriteNew(a.path(fileChain), certificatePEM(ders...), modePublic); err != nil {
			return err
		}
	}
	if a.CRLURL+a.OCSPURL == "" {
		return nil
	}
	return WriteNew(a.path(fileURLs), []byte("crl "+a.CRLURL+"\nocsp "+a.OCSPURL+"\n"), modePublic)
}

func (a *Authority) path(name string) string { return filepath.Join(a.Dir, name) }

// Open reads a CA. passphrase is asked for if its key is encrypted.
func Open(rand io.Reader, dir string, passphrase func() (secret.Bytes, error)) (*Authority, error) {
	a := &Authority{Dir: dir, rand: rand}
	if _, err := os.Stat(a.path(fileCA)); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no CA in %s: make one with `goswan pki ca --dir %s --name \"…\"`, or name its directory with --dir", dir, dir)
	}
	certificates, key, err := ReadPair(a.path(fileCA), a.path(fileKey), passphrase)
	if err != nil {
		return nil, err
	}
	a.Certificate, a.key = certificates[0], key
	if a.Chain, err = creds.ReadCertificates(a.path(fileChain)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if p := creds.CheckMode(a.path(fileKey)); p != nil {
		return nil, p
	}
	return a, a.readURLs()
}

func (a *Authority) readURLs() error {
	octets, err := os.ReadFile(a.path(fileURLs))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for line := range strings.Lines(string(octets)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch name {
		case "crl":
			a.CRLURL = value
		case "ocsp":
			a.OCSPURL = value
		}
	}
	return err
}

func checkURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%q is no URL of a web server: write http://pki.example.org/ca.crl", s)
	}
	return nil
}

// record enters a certificate into the index.
func (a *Authority) record(now time.Time, c *auth.Certificate, file string) error {
	var names []string
	for _, id := range c.Identities()[min(1, len(c.Identities())):] {
		names = append(names, id.String())
	}
	return add(a.path(fileIndex), record{Event: "issued", At: now.UTC().Truncate(time.Second), Serial: auth.Serial(c.X509.SerialNumber), Subject: c.Name(), Names: names,
		NotAfter: c.X509.NotAfter, File: file})
}

// Reasons are the reasons for a revocation, as RFC 5280 §5.3.1 names and numbers them.
var Reasons = []struct {
	Name string
	Code int
}{
	{"unspecified", 0}, {"keyCompromise", 1}, {"cACompromise", 2}, {"affiliationChanged", 3}, {"superseded", 4}, {"cessationOfOperation", 5}, {"privilegeWithdrawn", 9},
}

func reason(name string) (int, error) {
	var names []string
	for _, r := range Reasons {
		if strings.EqualFold(r.Name, name) {
			return r.Code, nil
		}
		names = append(names, r.Name)
	}
	return 0, fmt.Errorf("--reason %s: use one of %s", name, strings.Join(names, ", "))
}

// Revoke revokes a certificate of the CA, by its file or serial number, and writes a CRL.
func (a *Authority) Revoke(now time.Time, which, why string) (*Issued, error) {
	code, err := reason(why)
	if err != nil {
		return nil, err
	}
	x, err := readIndex(a.path(fileIndex))
	if err != nil {
		return nil, err
	}
	i, err := a.find(x, which)
	if err != nil {
		return nil, err
	}
	if i.Revoked {
		return nil, fmt.Errorf("%s (serial %s) was revoked on %s already", i.Subject, i.Serial, i.RevokedAt.Format(time.DateOnly))
	}
	if err := add(a.path(fileIndex), record{Event: "revoked", At: now.UTC().Truncate(time.Second), Serial: i.Serial, Subject: i.Subject, NotAfter: i.NotAfter, Reason: code}); err != nil {
		return nil, err
	}
	i.Revoked, i.RevokedAt, i.Reason = true, now, code
	_, err = a.WriteCRL(now, CRLLifetime)
	return i, err
}

// find looks a certificate up by file, serial number, or one of its names.
func (a *Authority) find(x *index, which string) (*Issued, error) {
	if _, err := os.Stat(which); err == nil {
		certificates, err := creds.ReadCertificates(which)
		if err != nil {
			return nil, err
		}
		c := certificates[0]
		if c.X509.CheckSignatureFrom(a.Certificate.X509) != nil {
			return nil, fmt.Errorf("%s was not issued by %s, but by %q", which, a.Certificate.Name(), c.Issuer())
		}
		if i := x.bySerial(auth.Serial(c.X509.SerialNumber)); i != nil {
			return i, nil
		}
		return &Issued{Serial: auth.Serial(c.X509.SerialNumber), Subject: c.Name(), NotAfter: c.X509.NotAfter}, nil
	}
	if i := x.bySerial(which); i != nil && bare(which) != "" {
		return i, nil
	}
	var found, gone []*Issued
	for _, i := range x.issued {
		switch {
		case i.Subject != which && !slices.Contains(i.Names, which):
		case i.Revoked:
			gone = append(gone, i)
		default:
			found = append(found, i)
		}
	}
	switch len(found) {
	case 0:
		if len(gone) > 0 {
			return gone[len(gone)-1], nil
		}
		return nil, fmt.Errorf("%q is neither a file nor a serial number or name that this CA issued; `goswan pki list` shows them", which)
	case 1:
		return found[0], nil
	}
	var serials []string
	for _, i := range found {
		serials = append(serials, i.Serial)
	}
	return nil, fmt.Errorf("%q has %d certificates; name one by its serial number: %s", which, len(found), strings.Join(serials, ", "))
}

// WriteCRL writes a CRL with everything that is revoked and not expired, as PEM and as DER, and returns its file.
func (a *Authority) WriteCRL(now time.Time, lifetime time.Duration) (string, error) {
	x, err := readIndex(a.path(fileIndex))
	if err != nil {
		return "", err
	}
	list := &x509.RevocationList{Number: big.NewInt(x.crls + 1), ThisUpdate: now.UTC().Truncate(time.Second), NextUpdate: now.Add(lifetime).UTC().Truncate(time.Second)}
	for _, i := range x.issued {
		if !i.Revoked || now.After(i.NotAfter) {
			continue
		}
		n, ok := new(big.Int).SetString(bare(i.Serial), 16)
		if !ok {
			return "", fmt.Errorf("%s: %q is no serial number", a.path(fileIndex), i.Serial)
		}
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: n, RevocationTime: i.RevokedAt, ReasonCode: i.Reason})
	}
	der, err := x509.CreateRevocationList(a.rand, list, a.Certificate.X509, a.key)
	if err != nil {
		return "", err
	}
	if err := add(a.path(fileIndex), record{Event: "crl", At: list.ThisUpdate, Number: x.crls + 1}); err != nil {
		return "", err
	}
	err = errors.Join(Replace(a.path(fileCRL), pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}), modePublic), Replace(a.path(fileCRLD), der, modePublic))
	return a.path(fileCRL), err
}

// List is what the CA of a directory issued, in order.
func List(dir string) ([]*Issued, error) {
	if _, err := os.Stat(filepath.Join(dir, fileCA)); err != nil {
		return nil, fmt.Errorf("there is no CA in %s", dir)
	}
	x, err := readIndex(filepath.Join(dir, fileIndex))
	if err != nil {
		return nil, err
	}
	return x.issued, nil
}
