package pki

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/goswan/goswan/config/creds"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/sig"
	"github.com/goswan/goswan/ike/auth"
)

// row prints a line of what Show shows.
func row(w io.Writer, name, format string, args ...any) {
	fmt.Fprintf(w, "  %-12s %s\n", name, fmt.Sprintf(format, args...))
}

// rows prints a line for each value.
func rows(w io.Writer, name string, values []string) {
	for _, v := range values {
		row(w, name, "%s", v)
		name = ""
	}
}

// Show prints what is in a file: certificates, a key, a CRL, a certificate request or a PKCS#12 file. passphrase is asked for
// if it is encrypted.
func Show(w io.Writer, now time.Time, file string, passphrase func() (secret.Bytes, error)) error {
	octets, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	kind := ""
	if block, _ := pem.Decode(octets); block != nil {
		kind = block.Type
	} else if creds.IsPKCS12(file) {
		kind = "PKCS12"
	}
	switch {
	case kind == "PKCS12":
		return showContainer(w, now, file, passphrase)
	case strings.Contains(kind, "CERTIFICATE REQUEST"):
		return showRequest(w, file)
	case strings.Contains(kind, "CRL"):
		return showCRLFile(w, now, file)
	case strings.Contains(kind, "PRIVATE KEY"), kind == "EC PARAMETERS":
		return showPrivate(w, file, passphrase)
	case strings.Contains(kind, "PUBLIC KEY"):
		return showPublic(w, file)
	case strings.Contains(kind, "CERTIFICATE"):
		return showCertificates(w, now, file)
	}
	// DER says nothing of what it is.
	for _, try := range []func() error{
		func() error { return showCertificates(w, now, file) },
		func() error { return showCRLFile(w, now, file) },
		func() error { return showRequest(w, file) },
		func() error { return showPublic(w, file) },
		func() error { return showContainer(w, now, file, passphrase) },
		func() error { return showPrivate(w, file, passphrase) },
	} {
		if err := try(); err == nil || errors.Is(err, creds.ErrPassphrase) {
			return err
		}
	}
	return fmt.Errorf("%s: it is no certificate, key, CRL, certificate request or PKCS#12 file, in PEM or DER", file)
}

func showCertificates(w io.Writer, now time.Time, file string) error {
	certificates, err := creds.ReadCertificates(file)
	if err != nil {
		return err
	}
	for i, c := range certificates {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s: %s\n", file, kindOf(c))
		ShowCertificate(w, now, c)
	}
	return nil
}

func kindOf(c *auth.Certificate) string {
	switch {
	case c.IsCA() && c.SelfIssued():
		return "certificate of a root CA"
	case c.IsCA():
		return "certificate of an intermediate CA"
	case c.SelfIssued():
		return "certificate that signed itself"
	}
	return "certificate"
}

// ShowCertificate prints a certificate.
func ShowCertificate(w io.Writer, now time.Time, c *auth.Certificate) {
	p := c.X509
	row(w, "subject", "%s", c.Name())
	row(w, "issuer", "%s", c.Issuer())
	row(w, "serial", "%s", auth.Serial(p.SerialNumber))
	row(w, "valid", "%s", validity(now, p.NotBefore, p.NotAfter))
	row(w, "key", "%s", describeKey(c.Key))
	row(w, "signature", "%s", signatureName(p))
	rows(w, "ids", identities(c))
	if uses := keyUsages(p.KeyUsage); uses != "" {
		row(w, "key usage", "%s", uses)
	}
	if uses := extKeyUsages(p); uses != "" {
		row(w, "for", "%s", uses)
	}
	if c.IsCA() {
		row(w, "CA", "%s", pathLength(p))
	}
	for _, constraint := range [][]string{p.PermittedDNSDomains, p.PermittedEmailAddresses} {
		rows(w, "only for", constraint)
	}
	var policies []string
	for _, o := range p.Policies {
		policies = append(policies, o.String())
	}
	rows(w, "policies", policies)
	rows(w, "CRL", p.CRLDistributionPoints)
	rows(w, "OCSP", p.OCSPServer)
	row(w, "SHA-256", "%s", c.Fingerprint())
}

func pathLength(p *x509.Certificate) string {
	switch {
	case p.MaxPathLenZero:
		return "yes, but no CAs below it"
	case p.MaxPathLen > 0:
		return fmt.Sprintf("yes, with %d below it", p.MaxPathLen)
	}
	return "yes"
}

// identities are what the certificate proves, with the types that IKE has for them.
func identities(c *auth.Certificate) (all []string) {
	for _, id := range c.Identities() {
		s := fmt.Sprintf("%s (%s)", id, id.Type)
		if id.Type != auth.IDDERASN1DN && strings.Contains(id.Data, "*") {
			s += ", which proves nothing: it is a wildcard"
		}
		all = append(all, s)
	}
	return all
}

// validity is the time of a certificate, seen from now.
func validity(now, from, to time.Time) string {
	s := fmt.Sprintf("%s to %s", from.UTC().Format("2006-01-02 15:04"), to.UTC().Format("2006-01-02 15:04 UTC"))
	switch {
	case now.Before(from):
		return s + ", NOT YET VALID"
	case now.After(to):
		return s + ", EXPIRED " + days(now.Sub(to)) + " ago"
	}
	return s + ", for " + days(to.Sub(now)) + " more"
}

func days(d time.Duration) string {
	switch n := int(d.Hours() / 24); {
	case n == 1:
		return "1 day"
	case n > 1:
		return fmt.Sprintf("%d days", n)
	case d >= time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d minutes", int(d.Minutes()))
}

// describeKey is a key with its strength.
func describeKey(key crypto.PublicKey) string {
	t, bits, err := sig.KeyOf(key)
	if err != nil {
		return sig.Describe(key) + ", WHICH CANNOT BE USED"
	}
	return fmt.Sprintf("%s, %d bits of security", sig.Describe(key), t.Strength(bits))
}

func signatureName(p *x509.Certificate) string {
	s := p.SignatureAlgorithm.String()
	if p.SignatureAlgorithm == x509.SHA1WithRSA || p.SignatureAlgorithm == x509.ECDSAWithSHA1 {
		s += ", WHICH IS NOT ACCEPTED"
	}
	return s
}

func keyUsages(u x509.KeyUsage) string {
	var all []string
	for i, name := range []string{"digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement", "keyCertSign", "cRLSign", "encipherOnly", "decipherOnly"} {
		if u&(1<<i) != 0 {
			all = append(all, name)
		}
	}
	return strings.Join(all, ", ")
}

// extNames are extended key usages that IKE may meet.
var extNames = map[x509.ExtKeyUsage]string{
	x509.ExtKeyUsageAny: "any use", x509.ExtKeyUsageServerAuth: "serverAuth", x509.ExtKeyUsageClientAuth: "clientAuth", x509.ExtKeyUsageCodeSigning: "codeSigning",
	x509.ExtKeyUsageEmailProtection: "emailProtection", x509.ExtKeyUsageIPSECEndSystem: "ipsecEndSystem", x509.ExtKeyUsageIPSECTunnel: "ipsecTunnel",
	x509.ExtKeyUsageIPSECUser: "ipsecUser", x509.ExtKeyUsageTimeStamping: "timeStamping", x509.ExtKeyUsageOCSPSigning: "OCSPSigning",
}

func extKeyUsages(p *x509.Certificate) string {
	var all []string
	for _, u := range p.ExtKeyUsage {
		name := extNames[u]
		if name == "" {
			name = fmt.Sprintf("use %d", u)
		}
		all = append(all, name)
	}
	for _, oid := range p.UnknownExtKeyUsage {
		switch {
		case oid.Equal(oidIPsecIKE):
			all = append(all, "ipsecIKE")
		case oid.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 8, 2, 2}):
			all = append(all, "ikeIntermediate")
		default:
			all = append(all, oid.String())
		}
	}
	return strings.Join(all, ", ")
}

func showRequest(w io.Writer, file string) error {
	csr, err := ReadRequest(file)
	if err != nil {
		return err
	}
	subject, err := auth.FromWire(auth.IDDERASN1DN, csr.RawSubject)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	fmt.Fprintf(w, "%s: certificate request\n", file)
	row(w, "subject", "%s", subject)
	row(w, "key", "%s", describeKey(csr.PublicKey))
	rows(w, "names", slices.Concat(csr.DNSNames, csr.EmailAddresses))
	for _, ip := range csr.IPAddresses {
		row(w, "", "%s", ip)
	}
	return nil
}

func showCRLFile(w io.Writer, now time.Time, file string) error {
	crl, err := creds.ReadCRL(file)
	if err != nil {
		return err
	}
	list := crl.List
	fmt.Fprintf(w, "%s: certificate revocation list\n", file)
	row(w, "issuer", "%s", crl.Issuer())
	if list.Number != nil {
		row(w, "number", "%s", list.Number)
	}
	row(w, "valid", "%s", validity(now, list.ThisUpdate, list.NextUpdate))
	row(w, "signature", "%s", list.SignatureAlgorithm)
	row(w, "revoked", "%d", len(list.RevokedCertificateEntries))
	for i := range list.RevokedCertificateEntries {
		e := &list.RevokedCertificateEntries[i]
		fmt.Fprintf(w, "    %s  %s  %s\n", e.RevocationTime.UTC().Format("2006-01-02 15:04"), auth.Serial(e.SerialNumber), reasonName(e.ReasonCode))
	}
	return nil
}

func reasonName(code int) string {
	for _, r := range Reasons {
		if r.Code == code {
			return r.Name
		}
	}
	return fmt.Sprintf("reason %d", code)
}

func showPrivate(w io.Writer, file string, passphrase func() (secret.Bytes, error)) error {
	key, err := creds.ReadPrivateKey(file, passphrase)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s: private key\n", file)
	return showKey(w, key.Public())
}

func showPublic(w io.Writer, file string) error {
	key, err := creds.ReadPublicKey(file)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s: public key\n", file)
	return showKey(w, key.Key)
}

// showKey prints a key by its fingerprint, which `openssl pkey -pubout -outform DER | sha256sum` prints, too.
func showKey(w io.Writer, key crypto.PublicKey) error {
	spki, err := auth.MarshalPublicKey(key)
	if err != nil {
		return err
	}
	row(w, "key", "%s", describeKey(key))
	sum := crypto.SHA256.New()
	sum.Write(spki)
	row(w, "SHA-256", "%s", hex.EncodeToString(sum.Sum(nil)))
	return nil
}

func showContainer(w io.Writer, now time.Time, file string, passphrase func() (secret.Bytes, error)) error {
	c, err := creds.ReadPKCS12(file, passphrase)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s: PKCS#12 with a private key, its certificate and %d of CAs\n", file, len(c.CAs))
	ShowCertificate(w, now, c.Certificate)
	for _, ca := range c.CAs {
		fmt.Fprintf(w, "\n%s: %s in it\n", file, kindOf(ca))
		ShowCertificate(w, now, ca)
	}
	return nil
}

// ShowList prints what a CA has issued.
func ShowList(w io.Writer, now time.Time, issued []*Issued) {
	if len(issued) == 0 {
		fmt.Fprintln(w, "nothing was issued yet")
		return
	}
	for _, i := range issued {
		state := "valid for " + days(i.NotAfter.Sub(now))
		switch {
		case i.Revoked:
			state = fmt.Sprintf("REVOKED %s, %s", i.RevokedAt.Format(time.DateOnly), reasonName(i.Reason))
		case now.After(i.NotAfter):
			state = "expired " + i.NotAfter.Format(time.DateOnly)
		}
		fmt.Fprintf(w, "%s  %s\n  %s\n", i.Serial, state, i.Subject)
		if len(i.Names) > 0 {
			fmt.Fprintf(w, "  %s\n", strings.Join(i.Names, ", "))
		}
	}
}
