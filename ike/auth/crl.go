package auth

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/goswan/goswan/crypto/sig"
)

// MaxCRL bounds the octets of a CRL: some 100,000 entries.
const MaxCRL = 4 << 20

// clockSkew is how far ahead of ours the clock of a CA or of an OCSP responder may be.
const clockSkew = 5 * time.Minute

// CRL is a parsed certificate revocation list (RFC 5280 §5) that covers all reasons.
type CRL struct {
	List  *x509.RevocationList
	scope crlScope
}

// crlScope is the issuingDistributionPoint extension: which certificates the list is for.
type crlScope struct {
	urls            []string // its distribution points; nil: it is for every one
	onlyUser, onlyC bool
}

// The extensions of CRLs and of their entries.
var (
	oidDeltaCRL      = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidIssuingPoint  = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidAuthorityKey  = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidCRLNumber     = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidReasonCode    = asn1.ObjectIdentifier{2, 5, 29, 21}
	oidInvalidity    = asn1.ObjectIdentifier{2, 5, 29, 24}
	handledCRL       = []asn1.ObjectIdentifier{oidIssuingPoint, oidAuthorityKey, oidCRLNumber}
	handledCRLEntry  = []asn1.ObjectIdentifier{oidReasonCode, oidInvalidity}
	oidNonce         = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
	revocationReason = []string{"", "key compromise", "CA compromise", "affiliation changed", "superseded", "cessation of operation",
		"on hold", "", "", "privilege withdrawn", "AA compromise"}
)

// ParseCRL reads the DER of a CRL. Delta CRLs, indirect CRLs and those for some reasons only are refused, and so is what has a
// critical extension that is not known here; the error is a *Refusal.
func ParseCRL(der []byte) (*CRL, error) {
	if len(der) > MaxCRL {
		return nil, &Refusal{Why: TooLarge, Text: fmt.Sprintf("a CRL of %d octets is longer than %d", len(der), MaxCRL)}
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, malformed("a CRL", err)
	}
	crl := &CRL{List: list}
	for _, e := range list.Extensions {
		switch {
		case e.Id.Equal(oidDeltaCRL):
			return nil, crl.refuse(CriticalExtension, "it is a delta CRL; only complete ones are used")
		case e.Id.Equal(oidIssuingPoint):
			if err := crl.readScope(e.Value); err != nil {
				return nil, err
			}
		case e.Critical && !slices.ContainsFunc(handledCRL, e.Id.Equal):
			return nil, crl.refuse(CriticalExtension, fmt.Sprintf("it has the critical extension %v, which is not known here", e.Id))
		}
	}
	// "If a CRL contains a critical CRL entry extension that the application cannot process, then the application MUST
	// NOT use that CRL to determine the status of any certificates."  RFC 5280 §5.3
	for i := range list.RevokedCertificateEntries {
		for _, e := range list.RevokedCertificateEntries[i].Extensions {
			if e.Critical && !slices.ContainsFunc(handledCRLEntry, e.Id.Equal) {
				return nil, crl.refuse(CriticalExtension, fmt.Sprintf("an entry has the critical extension %v, which is not known here", e.Id))
			}
		}
	}
	return crl, nil
}

// Issuer is the distinguished name of the CA.
func (c *CRL) Issuer() string { return decodeDN(c.List.RawIssuer) }

// Key tells CRLs of different issuers and scopes apart; the newest of one key replaces the others.
func (c *CRL) Key() string {
	return string(c.List.RawIssuer) + string(c.List.AuthorityKeyId) + strings.Join(c.scope.urls, " ") + fmt.Sprint(c.scope.onlyUser, c.scope.onlyC)
}

func (c *CRL) refuse(why Why, text string) *Refusal {
	return &Refusal{Why: why, Text: fmt.Sprintf("the CRL of %q cannot be used: %s", c.Issuer(), text)}
}

// readScope reads an issuingDistributionPoint, RFC 5280 §5.2.5:
//
//	IssuingDistributionPoint ::= SEQUENCE {
//	     distributionPoint          [0] DistributionPointName OPTIONAL,
//	     onlyContainsUserCerts      [1] BOOLEAN DEFAULT FALSE,
//	     onlyContainsCACerts        [2] BOOLEAN DEFAULT FALSE,
//	     onlySomeReasons            [3] ReasonFlags OPTIONAL,
//	     indirectCRL                [4] BOOLEAN DEFAULT FALSE,
//	     onlyContainsAttributeCerts [5] BOOLEAN DEFAULT FALSE }
func (c *CRL) readScope(value []byte) error {
	input := cryptobyte.String(value)
	var fields cryptobyte.String
	if !input.ReadASN1(&fields, casn1.SEQUENCE) || !input.Empty() {
		return c.refuse(Malformed, "its issuingDistributionPoint is malformed")
	}
	for !fields.Empty() {
		var field cryptobyte.String
		var tag casn1.Tag
		if !fields.ReadAnyASN1(&field, &tag) {
			return c.refuse(Malformed, "its issuingDistributionPoint is malformed")
		}
		set := len(field) == 1 && field[0] != 0
		switch tag {
		case casn1.Tag(0).ContextSpecific().Constructed():
			if c.scope.urls = pointURLs(field); c.scope.urls == nil {
				return c.refuse(CriticalExtension, "its distribution point is not named by URLs")
			}
		case casn1.Tag(1).ContextSpecific():
			c.scope.onlyUser = set
		case casn1.Tag(2).ContextSpecific():
			c.scope.onlyC = set
		case casn1.Tag(4).ContextSpecific():
			if set {
				return c.refuse(CriticalExtension, "it is an indirect CRL")
			}
		default:
			return c.refuse(CriticalExtension, "it is for some reasons or for attribute certificates only")
		}
	}
	return nil
}

// pointURLs are the URLs in the fullName of a DistributionPointName.
func pointURLs(point cryptobyte.String) (urls []string) {
	var names cryptobyte.String
	if !point.ReadASN1(&names, casn1.Tag(0).ContextSpecific().Constructed()) {
		return nil
	}
	for !names.Empty() {
		var name cryptobyte.String
		var tag casn1.Tag
		if !names.ReadAnyASN1(&name, &tag) {
			return nil
		}
		if tag == casn1.Tag(6).ContextSpecific() {
			urls = append(urls, string(name))
		}
	}
	return urls
}

// covers tells whether the list speaks for a certificate: issuer, kind and distribution point fit. The points are the
// certificate's own and those that are configured for its CA.
func (c *CRL) covers(cert *Certificate, points []string) bool {
	if !bytes.Equal(c.List.RawIssuer, cert.X509.RawIssuer) || c.scope.onlyUser && cert.IsCA() || c.scope.onlyC && !cert.IsCA() {
		return false
	}
	return c.scope.urls == nil || slices.ContainsFunc(c.scope.urls, func(url string) bool {
		return slices.Contains(points, url)
	})
}

// check looks a certificate up. The issuer's signature and the dates of the list have to be good; a revocation is believed
// even from a list that is out of date.
func (c *CRL) check(now time.Time, cert, issuer *Certificate, points []string, constraints sig.Constraints) Finding {
	source := "the CRL of " + c.Issuer()
	if !c.covers(cert, points) {
		return unknown(source, "it is not for this certificate")
	}
	if err := checkSigned(c.List.Raw, constraints); err != nil {
		return unknown(source, err.Error())
	}
	if err := c.List.CheckSignatureFrom(issuer.X509); err != nil {
		return unknown(source, "the CA's key did not sign it")
	}
	f := Finding{Source: source, ThisUpdate: c.List.ThisUpdate, NextUpdate: c.List.NextUpdate}
	if c.List.ThisUpdate.After(now.Add(clockSkew)) {
		return unknown(source, "it begins to hold at "+date(c.List.ThisUpdate))
	}
	for i := range c.List.RevokedCertificateEntries {
		if e := &c.List.RevokedCertificateEntries[i]; e.SerialNumber.Cmp(cert.X509.SerialNumber) == 0 {
			f.Status, f.Reason, f.RevokedAt = StatusRevoked, e.ReasonCode, e.RevocationTime
			return f
		}
	}
	switch {
	case c.List.NextUpdate.IsZero():
		return unknown(source, "it does not say until when it holds")
	case now.After(c.List.NextUpdate):
		return unknown(source, "it is out of date since "+date(c.List.NextUpdate))
	}
	f.Status = StatusGood
	return f
}

// checkSigned refuses signature schemes that may not sign certificates.
func checkSigned(signed []byte, constraints sig.Constraints) error {
	scheme, err := signedWith(signed)
	if err != nil {
		return fmt.Errorf("its signature: %s", trimPrefix(err))
	}
	if !constraints.AcceptsChain(scheme) {
		return fmt.Errorf("it is signed with %s, which is not allowed", scheme)
	}
	return nil
}

// date prints a time of a certificate.
func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
