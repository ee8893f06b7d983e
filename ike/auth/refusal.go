package auth

import (
	"fmt"
	"strings"
)

// Why classifies the refusal of a peer's proof.
type Why string

// The reasons for a refusal.
const (
	Malformed         Why = "malformed"           // no certificate, CRL or response at all
	TooLarge          Why = "too large"           // over one of the limits
	NoCertificate     Why = "no certificate"      // the peer presented none, and none is configured
	WrongProof        Why = "wrong signature"     // AUTH was not made with the key presented
	WrongIdentity     Why = "wrong identity"      // the certificate, or the peer, names another
	NotPinned         Why = "not the certificate" // `certs` or `pubkeys` name others
	UnknownIssuer     Why = "unknown issuer"
	BadSignature      Why = "bad certificate" // the issuer's key did not sign it
	Expired           Why = "expired"
	NotYetValid       Why = "not yet valid"
	NotACA            Why = "not a CA"
	PathLength        Why = "path length"
	NameConstraint    Why = "name constraint"
	KeyUsage          Why = "key usage"
	CriticalExtension Why = "critical extension"
	WeakKey           Why = "key not allowed"
	WeakSignature     Why = "signature not allowed"
	WrongCA           Why = "wrong CA" // `cacerts` or `ca_id` name others
	Policy            Why = "policy"
	Revoked           Why = "revoked"
	RevocationUnknown Why = "revocation unknown"
	NotRetrieved      Why = "not retrieved" // Hash and URL led nowhere
)

// Refusal is why a peer's proof is not accepted: a typed reason that log, vici and command line print alike.
type Refusal struct {
	Why Why
	// Certificate is the name of the one that it is about; "" for none.
	Certificate string
	// Text is one clause without a full stop: what is wrong.
	Text string
	// Fix is what to change; "" where only the peer can.
	Fix string
	// Presents is what the peer's certificate says of its holder, and Required what had to be there; with WrongIdentity.
	Presents Presents
	Required Identity
	// Err is the error underneath, of crypto/sig or crypto/x509.
	Err error
}

// Error is the certificate, what is wrong with it, and the nearest fix.
func (r *Refusal) Error() string {
	var b strings.Builder
	if r.Certificate != "" {
		fmt.Fprintf(&b, "certificate %q: ", r.Certificate)
	}
	b.WriteString(r.Text)
	if r.Fix != "" {
		b.WriteString("; " + r.Fix)
	}
	return b.String()
}

// Unwrap returns the error underneath.
func (r *Refusal) Unwrap() error { return r.Err }

// Presents is what a certificate, or a peer without one, says of its holder.
type Presents struct {
	SANs        []string // the subjectAltNames of types that IKE has
	CN          string   // the last common name; "" for none
	DN          string   // the whole subject
	Fingerprint string   // SHA-256, hexadecimal
	Issuer      string
}

// Presents is what the certificate says of its holder.
func (c *Certificate) Presents() Presents {
	p := Presents{CN: c.commonName(), DN: decodeDN(c.X509.RawSubject), Fingerprint: c.Fingerprint(), Issuer: c.Issuer()}
	for _, id := range c.alternatives() {
		p.SANs = append(p.SANs, id.String())
	}
	return p
}

func (c *Certificate) commonName() (cn string) {
	names, _ := parseDN(c.X509.RawSubject)
	for _, rdn := range names {
		for _, a := range rdn {
			if nameOf(a.Type) == "CN" {
				cn = text(a.Value)
			}
		}
	}
	return cn
}

// String is "SANs [a, b], CN c"; a name that is not there is left out.
func (p Presents) String() string {
	s := "no SANs"
	if len(p.SANs) > 0 {
		s = "SANs [" + strings.Join(p.SANs, ", ") + "]"
	}
	if p.CN != "" {
		return s + ", CN " + p.CN
	}
	if p.DN != "" {
		return s + ", DN " + p.DN
	}
	return s
}
