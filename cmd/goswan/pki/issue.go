package pki

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	pkcs12 "software.sslmate.com/src/go-pkcs12"

	"github.com/goswan/goswan/config/creds"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/sig"
	"github.com/goswan/goswan/ike/auth"
)

// oidIPsecIKE is id-kp-ipsecIKE, RFC 4945 §5.1.3.12.
var oidIPsecIKE = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 17}

// Request describes a certificate to issue. Exactly one of Gateway and Client is set.
type Request struct {
	Gateway string // host name or address
	Client  string // e-mail address, host name or any other name
	// SANs are further names: DNS names, addresses, e-mail addresses, also as dns:…, ip:…, email:….
	SANs     []string
	Subject  auth.Identity // %any: C and O of the CA, and the name as CN
	Key      string        // a type of KeyNames, when there is no CSR
	CSR      string        // a file with a PKCS#10 request; the key is then not ours
	Lifetime time.Duration
}

// Name is what the certificate is for.
func (r Request) Name() string { return r.Gateway + r.Client }

// Result is what was issued.
type Result struct {
	Certificate *auth.Certificate
	Chain       []*auth.Certificate // the CAs above it, the nearest first
	Key         crypto.Signer       // nil with a CSR
	Notes       []string            // what is worth knowing
}

// Issue makes a certificate and enters it into the index, as being in file.
func (a *Authority) Issue(now time.Time, r Request, file string) (*Result, error) {
	if (r.Gateway == "") == (r.Client == "") {
		return nil, fmt.Errorf("say what the certificate is for: --gateway NAME or --client NAME")
	}
	out := &Result{Chain: append([]*auth.Certificate{a.Certificate}, a.Chain...)}
	public, err := a.publicKey(r, out)
	if err != nil {
		return nil, err
	}
	template, err := a.template(r, out)
	if err != nil {
		return nil, err
	}
	if r.Lifetime <= 0 {
		return nil, fmt.Errorf("--lifetime: it has to last for some time")
	}
	if r.Lifetime > MaxLeafDays*24*time.Hour && r.Gateway != "" {
		out.Notes = append(out.Notes, fmt.Sprintf("it lasts for more than %d days: macOS and iOS may refuse it", MaxLeafDays))
	}
	if err := a.fill(template, now, r.Lifetime, public); err != nil {
		return nil, err
	}
	if wanted := now.Add(r.Lifetime); template.NotAfter.Before(wanted.Add(-time.Minute)) {
		out.Notes = append(out.Notes, fmt.Sprintf("it ends with its CA, on %s", template.NotAfter.Format(time.DateOnly)))
	}
	if out.Certificate, err = sign(a.rand, template, a.Certificate.X509, public, a.key); err != nil {
		return nil, err
	}
	return out, a.record(now, out.Certificate, file)
}

// publicKey is the public key to certify: a new one, or that of the CSR.
func (a *Authority) publicKey(r Request, out *Result) (crypto.PublicKey, error) {
	if r.CSR == "" {
		key, err := GenerateKey(a.rand, r.Key)
		if err != nil {
			return nil, err
		}
		out.Key = key
		return key.Public(), nil
	}
	csr, err := ReadRequest(r.CSR)
	if err != nil {
		return nil, err
	}
	if err := (sig.Constraints{}).CheckKey(csr.PublicKey); err != nil {
		return nil, fmt.Errorf("%s: %w", r.CSR, err)
	}
	var asked []string
	asked = append(asked, csr.DNSNames...)
	asked = append(asked, csr.EmailAddresses...)
	for _, ip := range csr.IPAddresses {
		asked = append(asked, ip.String())
	}
	for _, name := range asked {
		if name != r.Name() && !slices.Contains(r.SANs, name) {
			out.Notes = append(out.Notes, fmt.Sprintf("the request asks for the name %s, which it did not get: --san %s gives it", name, name))
		}
	}
	return csr.PublicKey, nil
}

// ReadRequest reads a PKCS#10 request (RFC 2986) and checks that its maker has the key.
func ReadRequest(file string) (*x509.CertificateRequest, error) {
	octets, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parseRequest(file, octets)
}

// parseRequest reads a request in PEM or DER; file is what messages call it.
func parseRequest(file string, octets []byte) (*x509.CertificateRequest, error) {
	if block, _ := pem.Decode(octets); block != nil {
		if !strings.Contains(block.Type, "CERTIFICATE REQUEST") {
			return nil, fmt.Errorf("%s: there is no certificate request in it, but %q", file, block.Type)
		}
		octets = block.Bytes
	}
	csr, err := x509.ParseCertificateRequest(octets)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", file, strings.TrimPrefix(err.Error(), "x509: "))
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("%s: who made it does not have the private key: its signature is wrong", file)
	}
	return csr, nil
}

// template is the certificate without what Authority.fill adds. Names come from the command line alone, not from a CSR.
func (a *Authority) template(r Request, out *Result) (*x509.Certificate, error) {
	subject := r.Subject
	if subject.IsAny() {
		var err error
		if subject, err = a.subject(r.Name()); err != nil {
			return nil, err
		}
	}
	t := &x509.Certificate{RawSubject: []byte(subject.Data), BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		UnknownExtKeyUsage: []asn1.ObjectIdentifier{oidIPsecIKE}}
	// Windows demands serverAuth of a gateway and clientAuth of a machine; macOS and iOS demand serverAuth.
	if r.Gateway != "" {
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	} else {
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	for _, name := range append([]string{r.Name()}, r.SANs...) {
		if err := addSAN(t, name, name == r.Client); err != nil {
			return nil, err
		}
	}
	if len(t.DNSNames)+len(t.EmailAddresses)+len(t.IPAddresses) == 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("%q is no DNS name, address or e-mail address: the peer's id has to be the distinguished name %q", r.Name(), subject))
	}
	return t, nil
}

// subject is a name with the C and O of the CA.
func (a *Authority) subject(name string) (auth.Identity, error) {
	var parts []string
	ca := a.Certificate.X509.Subject
	for _, c := range ca.Country {
		parts = append(parts, "C="+EscapeDN(c))
	}
	for _, o := range ca.Organization {
		parts = append(parts, "O="+EscapeDN(o))
	}
	return auth.ParseIdentity("asn1dn:" + strings.Join(append(parts, "CN="+EscapeDN(name)), ", "))
}

// EscapeDN is a value as it stands in a distinguished name.
func EscapeDN(s string) string { return strings.NewReplacer(`\`, `\\`, ",", `\,`).Replace(s) }

// addSAN adds a name. What can be none is an error, unless it may stand in the subject alone.
func addSAN(t *x509.Certificate, name string, subjectOnly bool) error {
	kind, value, typed := strings.Cut(name, ":")
	kind = strings.ToLower(kind)
	if !typed || !slices.Contains([]string{"dns", "fqdn", "ip", "ipv4", "ipv6", "email", "rfc822"}, kind) {
		kind, value = "", name
	}
	a, notAddr := netip.ParseAddr(value)
	switch {
	case notAddr == nil && a.Zone() == "" && (kind == "" || strings.HasPrefix(kind, "ip")):
		t.IPAddresses = append(t.IPAddresses, net.IP(a.Unmap().AsSlice()))
	case strings.HasPrefix(kind, "ip"):
		return fmt.Errorf("--san %s: %q is not an address", name, value)
	case strings.Contains(value, "*"):
		return fmt.Errorf("%q: a wildcard proves no identity of IKE; give each host its name", name)
	case strings.Count(value, "@") == 1 && kind != "dns" && kind != "fqdn" && isASCII(value) && !strings.HasPrefix(value, "@") && !strings.HasSuffix(value, "@"):
		t.EmailAddresses = append(t.EmailAddresses, value)
	case kind != "email" && kind != "rfc822" && isDNSName(value):
		t.DNSNames = append(t.DNSNames, value)
	case subjectOnly && kind == "":
	default:
		return fmt.Errorf("%q is neither a DNS name, an address nor an e-mail address", name)
	}
	return nil
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// isDNSName takes names of letters, digits, hyphens and dots. Others are written in punycode.
func isDNSName(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") ||
			strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return len(s) <= 253
}

// Write puts a result into directories as swanctl has them: x509, private, x509ca. It returns the files.
func (r *Result) Write(dir, name string, passphrase secret.Bytes) (files []string, err error) {
	type file struct {
		path string
		data []byte
		mode os.FileMode
	}
	all := []file{{filepath.Join(dir, "x509", name+".pem"), certificatePEM(r.Certificate.X509.Raw), modePublic}}
	if r.Key != nil {
		key, err := marshalKey(r.Key, passphrase)
		if err != nil {
			return nil, err
		}
		defer clear(key)
		all = append([]file{{filepath.Join(dir, "private", name+".key"), key, modePrivate}}, all...)
	}
	for _, ca := range r.Chain {
		all = append(all, file{filepath.Join(dir, "x509ca", FileName(ca.Presents().CN)+".pem"), certificatePEM(ca.X509.Raw), modePublic})
	}
	for _, f := range all {
		if old, err := os.ReadFile(f.path); err == nil && bytes.Equal(old, f.data) {
			files = append(files, f.path)
			continue // the CA is there already
		}
		if err := WriteNew(f.path, f.data, f.mode); err != nil {
			return files, err
		}
		files = append(files, f.path)
	}
	return files, nil
}

// FileName is a name that can be one of a file.
func FileName(name string) string {
	s := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.@", r) {
			return r
		}
		return '-'
	}, name)
	if s = strings.Trim(s, "."); s == "" {
		return "certificate"
	}
	return s
}

// p12Iterations of PBKDF2: a PKCS#12 file travels by mail and USB stick.
const p12Iterations = 100_000

// WriteP12 writes a PKCS#12 file for phones and laptops. legacy is the encryption that old macOS, Windows and Android read.
func WriteP12(rand io.Reader, file string, key crypto.Signer, c *auth.Certificate, chain []*auth.Certificate, passphrase secret.Bytes, legacy bool) error {
	if len(passphrase) == 0 {
		return fmt.Errorf("%s: a PKCS#12 file has a private key in it and needs a passphrase", file)
	}
	der, err := EncodeP12(rand, key, c, chain, passphrase, legacy)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return WriteNew(file, der, modePrivate)
}

// EncodeP12 makes what WriteP12 writes.
func EncodeP12(rand io.Reader, key crypto.Signer, c *auth.Certificate, chain []*auth.Certificate, passphrase secret.Bytes, legacy bool) ([]byte, error) {
	encoder := pkcs12.Modern2023.WithIterations(p12Iterations)
	if legacy {
		encoder = pkcs12.LegacyDES
	}
	var cas []*x509.Certificate
	for _, ca := range chain {
		cas = append(cas, ca.X509)
	}
	der, err := encoder.WithRand(rand).Encode(key, c.X509, cas, string(passphrase))
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "pkcs12: "))
	}
	return der, nil
}

// Export makes a PKCS#12 file of a certificate, its key, and CAs.
func Export(rand io.Reader, file, certificate, key string, cas []string, unlock func() (secret.Bytes, error), passphrase func() (secret.Bytes, error), legacy bool) error {
	certificates, private, err := ReadPair(certificate, key, unlock)
	if err != nil {
		return err
	}
	chain := certificates[1:]
	for _, ca := range cas {
		more, err := creds.ReadCertificates(ca)
		if err != nil {
			return err
		}
		chain = append(chain, more...)
	}
	phrase, err := passphrase()
	if err != nil {
		return err
	}
	return WriteP12(rand, file, private, certificates[0], chain, phrase, legacy)
}

// ReadPair reads a certificate, and those of CAs in the same file behind it, with the private key of the first.
func ReadPair(certificate, key string, unlock func() (secret.Bytes, error)) ([]*auth.Certificate, crypto.Signer, error) {
	certificates, err := creds.ReadCertificates(certificate)
	if err != nil {
		return nil, nil, err
	}
	private, err := creds.ReadPrivateKey(key, unlock)
	if err != nil {
		return nil, nil, err
	}
	spki, err := auth.MarshalPublicKey(private.Public())
	if err != nil || !bytes.Equal(spki, certificates[0].X509.RawSubjectPublicKeyInfo) {
		return nil, nil, fmt.Errorf("%s is not the private key of %s", key, certificate)
	}
	return certificates, private.Signer(), nil
}
