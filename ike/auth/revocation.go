package auth

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Revocation is how certain a connection must be that no certificate is revoked: strongSwan's setting of this name.
type Revocation uint8

// The values of `revocation`; the zero value is the default, relaxed.
const (
	RevocationRelaxed Revocation = iota // fails on a revoked certificate only
	RevocationIfURI                     // fails, too, where a certificate or CA names a source and that does not answer
	RevocationStrict                    // fails where nothing answers
)

// String is the word of swanctl.conf.
func (r Revocation) String() string {
	switch r {
	case RevocationIfURI:
		return "ifuri"
	case RevocationStrict:
		return "strict"
	}
	return "relaxed"
}

// ParseRevocation reads the word of swanctl.conf.
func ParseRevocation(s string) (Revocation, error) {
	for _, r := range []Revocation{RevocationRelaxed, RevocationIfURI, RevocationStrict} {
		if strings.EqualFold(s, r.String()) {
			return r, nil
		}
	}
	return 0, fmt.Errorf("auth: revocation = %s: write strict, ifuri or relaxed", s)
}

// Status is what is known of one certificate.
type Status uint8

// The statuses.
const (
	StatusUnknown Status = iota
	StatusGood
	StatusRevoked
)

// Finding is what a source says of one certificate.
type Finding struct {
	Certificate            string // its name
	Status                 Status
	Reason                 int // CRLReason, RFC 5280 §5.3.1
	RevokedAt              time.Time
	ThisUpdate, NextUpdate time.Time
	Source                 string // "the CRL of C=CH, CN=ca"
	Text                   string // of an unknown status: why
	offered                bool   // there was a place to ask
}

// String is the finding in a sentence without a full stop.
func (f Finding) String() string {
	switch f.Status {
	case StatusGood:
		return fmt.Sprintf("good until %s, says %s", date(f.NextUpdate), f.Source)
	case StatusRevoked:
		reason := ""
		if f.Reason > 0 && f.Reason < len(revocationReason) && revocationReason[f.Reason] != "" {
			reason = ", " + revocationReason[f.Reason]
		}
		return fmt.Sprintf("revoked at %s%s, says %s", date(f.RevokedAt), reason, f.Source)
	}
	return "not known to be good: " + f.Text
}

// unknown is a source that says nothing usable.
func unknown(source, why string) Finding {
	return Finding{Source: source, Text: source + ": " + why}
}

// judge applies the setting to a finding; nil is acceptable.
func (r Revocation) judge(f Finding) *Refusal {
	switch {
	case f.Status == StatusRevoked:
		return &Refusal{Why: Revoked, Certificate: f.Certificate, Text: f.String()}
	case f.Status == StatusGood || r == RevocationRelaxed || r == RevocationIfURI && !f.offered:
		return nil
	}
	return &Refusal{Why: RevocationUnknown, Certificate: f.Certificate, Text: f.String(),
		Fix: fmt.Sprintf("revocation = %s demands an answer: make a CRL or OCSP responder reachable, put the CRL into x509crl, or write revocation = relaxed", r)}
}

// Evidence is what is known about revocation before anybody is asked: CRLs from files and what earlier trials learned. The
// signatures are checked whenever it is used.
type Evidence struct {
	CRLs    []*CRL
	Answers []*Answer
}

// FetchKind is what is to be fetched.
type FetchKind string

// The kinds. A CRL and a certificate are HTTP GETs; OCSP is a POST of Request with the type application/ocsp-request.
const (
	FetchCRL         FetchKind = "CRL"
	FetchOCSP        FetchKind = "OCSP"
	FetchCertificate FetchKind = "certificate"
)

// Fetch is a question to the driver, answered by Trial.Supply. Values compare with ==.
type Fetch struct {
	Kind    FetchKind
	URL     string // http or https
	Request string // the octets to send with FetchOCSP
	// Subject is the CertID that an OCSP request asks for.
	Subject string
}

// MaxFetched bounds a certificate or a bundle by Hash and URL, in octets.
const MaxFetched = 64 << 10

// Limit is the most octets that an answer may have.
func (f Fetch) Limit() int {
	switch f.Kind {
	case FetchCRL:
		return MaxCRL
	case FetchOCSP:
		return MaxOCSP
	}
	return MaxFetched
}

// maxSources bounds the places that are asked about one certificate.
const maxSources = 6

// fetchable tells a URL that a driver may be sent to. The certificate's author chose it: only HTTP, and nothing odd.
func fetchable(s string) bool {
	if len(s) > maxURL || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil
}

// inquiry finds out about one certificate of a chain, one source at a time.
type inquiry struct {
	cert, issuer *Certificate
	points       []string // where its CRLs may be
	sources      []Fetch  // not asked yet
	asked        *Fetch
	nonce        []byte
	finding      Finding
	failed       []string // what the sources so far said instead of an answer
}

// learn takes a finding: a revocation is final, and of two good ones the newer counts.
func (q *inquiry) learn(f Finding) {
	switch {
	case f.Status == StatusUnknown:
		if !slices.Contains(q.failed, f.Text) {
			q.failed = append(q.failed, f.Text)
		}
	case q.finding.Status == StatusRevoked:
	case f.Status == StatusRevoked, q.finding.Status == StatusUnknown, f.ThisUpdate.After(q.finding.ThisUpdate):
		q.finding = f
	}
}

// done tells whether nothing more is to be asked.
func (q *inquiry) done() bool {
	return q.finding.Status != StatusUnknown || q.asked == nil && len(q.sources) == 0
}

// result is the finding with what is to be told of it.
func (q *inquiry) result(offered bool) Finding {
	f := q.finding
	f.Certificate, f.offered = q.cert.Name(), offered
	if f.Status == StatusUnknown {
		f.Text = strings.Join(q.failed, "; ")
		if f.Text == "" {
			f.Text = "neither the certificate nor its CA names a CRL or an OCSP responder, and no CRL of the CA is in x509crl"
		}
	}
	return f
}
