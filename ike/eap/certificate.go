package eap

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"
)

// TLSConfig is what the TLS methods need on either side.
type TLSConfig struct {
	// Certificates are our own, with their keys: a server needs one, a peer of TLS too.
	Certificates []tls.Certificate
	// Roots are what the other side's chain must lead to. There is no default: the system's roots vouch for web sites.
	Roots *x509.CertPool
	// Names are the names one of which a server's certificate must have, as DNS name or address; empty takes any
	// certificate below Roots. Peers only.
	Names []string
	// Verify, if set, decides about the other side's chain, its own certificate first, in place of Roots and Names.
	Verify func(now time.Time, chain []*x509.Certificate) error
	// MinVersion and MaxVersion are of TLS; 0 are 1.2 and 1.3.
	MinVersion, MaxVersion uint16
	// FragmentSize is how many octets of TLS go into one packet; 0 is 1024.
	FragmentSize int
	// WithoutEMS takes a TLS 1.2 without extended master secret (RFC 7627), which strongSwan's libtls is. The keys do not
	// prove then that there is nobody in the middle who has both sides' trust; IKE's own authentication has to.
	WithoutEMS bool
}

// check tells what a side lacks, which needs a certificate of its own, or verifies the other side's.
func (c TLSConfig) check(method Type, certificate, verifies bool) *Reason {
	switch {
	case certificate && len(c.Certificates) == 0:
		return reasonf(BadConfig, method, "there is no certificate of our own")
	case verifies && c.Roots == nil && c.Verify == nil:
		return reasonf(BadConfig, method, "there is nothing to verify the other side's certificate by")
	case c.FragmentSize != 0 && (c.FragmentSize < leastFragment || c.FragmentSize > mostFragment):
		return reasonf(BadConfig, method, "fragments of %d octets; %d to %d are possible", c.FragmentSize, leastFragment, mostFragment)
	case c.MinVersion != 0 && c.MinVersion < tls.VersionTLS12:
		return reasonf(BadConfig, method, "TLS below 1.2 is not possible")
	case c.MinVersion > tls.VersionTLS13 || c.MaxVersion > tls.VersionTLS13:
		return reasonf(BadConfig, method, "TLS above 1.3 is not possible")
	case c.MaxVersion != 0 && c.MaxVersion < max(c.MinVersion, tls.VersionTLS12):
		return reasonf(BadConfig, method, "the highest version of TLS is below the lowest")
	}
	return nil
}

// verify decides about the other side's chain and tells what was wrong with it.
func (c TLSConfig) verify(method Type, now time.Time, chain []*x509.Certificate, usage x509.ExtKeyUsage) *Reason {
	if len(chain) == 0 {
		return reasonf(BadCertificate, method, "the other side has no certificate")
	}
	if c.Verify != nil {
		if err := c.Verify(now, chain); err != nil {
			return c.distrust(method, chain[0], err)
		}
		return nil
	}
	options := x509.VerifyOptions{
		Roots: c.Roots, Intermediates: x509.NewCertPool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage},
	}
	for _, certificate := range chain[1:] {
		options.Intermediates.AddCert(certificate)
	}
	if _, err := chain[0].Verify(options); err != nil {
		return c.distrust(method, chain[0], err)
	}
	named := func(name string) bool { return chain[0].VerifyHostname(name) == nil }
	if usage == x509.ExtKeyUsageServerAuth && len(c.Names) > 0 && !slices.ContainsFunc(c.Names, named) {
		reason := c.distrust(method, chain[0], fmt.Errorf("it has another name"))
		reason.Acceptable = clip(strings.Join(c.Names, ", "))
		return reason
	}
	return nil
}

// distrust is the reason with the facts of the certificate.
func (c TLSConfig) distrust(method Type, leaf *x509.Certificate, err error) *Reason {
	reason := reasonf(BadCertificate, method, "the certificate %q by %q, good from %s to %s, is not accepted: %v",
		leaf.Subject, leaf.Issuer, leaf.NotBefore.UTC().Format(time.DateOnly), leaf.NotAfter.UTC().Format(time.DateOnly), err)
	if reason.Offered = clip(strings.Join(certificateNames(leaf), ", ")); reason.Offered == "" {
		reason.Offered = "no names"
	}
	return reason
}

// certificateNames are the names a certificate has, those of the subject last: each can be the Peer-Id (RFC 5216 §5.2).
func certificateNames(c *x509.Certificate) (names []string) {
	names = append(names, c.EmailAddresses...)
	names = append(names, c.DNSNames...)
	for _, uri := range c.URIs {
		names = append(names, uri.String())
	}
	for _, address := range c.IPAddresses {
		names = append(names, address.String())
	}
	if c.Subject.CommonName != "" {
		names = append(names, c.Subject.CommonName)
	}
	if subject := c.Subject.String(); subject != "" {
		names = append(names, subject)
	}
	return names
}

// certifiedIdentity is the identity a certificate proves: the one that was given, if it is in there, else the first name.
func certifiedIdentity(c *x509.Certificate, given string) string {
	names := certificateNames(c)
	for _, name := range names {
		if strings.EqualFold(name, given) {
			return name
		}
	}
	if len(names) == 0 {
		return ""
	}
	return names[0]
}
