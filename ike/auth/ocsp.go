package auth

import (
	"bytes"
	"crypto"
	"crypto/x509"
	encoding "encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/ocsp"

	"github.com/goswan/goswan/crypto/sig"
)

const (
	// MaxOCSP bounds the octets of an OCSP response.
	MaxOCSP = 64 << 10
	// nonceLen is the length of our nonces; RFC 9654 §2.1 wants at least 32 octets.
	nonceLen = 32
	// maxOCSPAge is how long a response without nextUpdate is believed: "newer information is available all the time".
	maxOCSPAge = 10 * time.Minute
)

// oidSHA1 is the hash of a CertID, id-sha1 with NULL.
var oidSHA1 = []byte{0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00}

// certID names a certificate to a responder, RFC 6960 §4.1.1:
//
//	CertID ::= SEQUENCE { hashAlgorithm AlgorithmIdentifier, issuerNameHash OCTET STRING, issuerKeyHash OCTET STRING,
//	                      serialNumber CertificateSerialNumber }
//
// SHA-1 names here, it proves nothing: the response is signed. RFC 5019 §2.1.1 has it so.
func certID(cert, issuer *Certificate) []byte {
	name := digest(crypto.SHA1, issuer.X509.RawSubject)
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(oidSHA1)
		b.AddASN1OctetString(name)
		b.AddASN1OctetString(issuer.keyID())
		b.AddASN1BigInt(cert.X509.SerialNumber)
	})
	return b.BytesOrPanic()
}

// ocspRequest is the DER of an OCSPRequest for one certificate, with a nonce (RFC 6960 §4.1.1, RFC 9654).
func ocspRequest(id, nonce []byte) []byte {
	var b cryptobyte.Builder
	seq := func(b *cryptobyte.Builder, f func(*cryptobyte.Builder)) { b.AddASN1(asn1.SEQUENCE, f) }
	seq(&b, func(b *cryptobyte.Builder) { // OCSPRequest
		seq(b, func(b *cryptobyte.Builder) { // TBSRequest
			seq(b, func(b *cryptobyte.Builder) { // requestList
				seq(b, func(b *cryptobyte.Builder) { b.AddBytes(id) })
			})
			b.AddASN1(asn1.Tag(2).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { // requestExtensions
				seq(b, func(b *cryptobyte.Builder) {
					seq(b, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(oidNonce)
						b.AddASN1(asn1.OCTET_STRING, func(b *cryptobyte.Builder) { b.AddASN1OctetString(nonce) })
					})
				})
			})
		})
	})
	return b.BytesOrPanic()
}

func newNonce(rand io.Reader) ([]byte, error) {
	nonce := make([]byte, nonceLen)
	_, err := io.ReadFull(rand, nonce)
	return nonce, err
}

// Answer is an OCSP response that speaks for one certificate. It is a value for a cache: what it says is checked on each use.
type Answer struct {
	Response []byte // the OCSPResponse
	Subject  string // the CertID that it was asked for
	until    time.Time
}

// Until is when the answer is out of date.
func (a *Answer) Until() time.Time { return a.until }

// checkOCSP reads what a response says of a certificate. nonce is that of our request; nil when there was none, or when it was
// compared before.
func (t *Trust) checkOCSP(now time.Time, response []byte, nonce []byte, cert, issuer *Certificate, constraints sig.Constraints) Finding {
	source := "an OCSP response"
	if len(response) > MaxOCSP {
		return unknown(source, fmt.Sprintf("it has %d octets; %d are the limit", len(response), MaxOCSP))
	}
	got, local, err := t.parseOCSP(response, cert, issuer)
	var refused ocsp.ResponseError
	switch {
	case errors.As(err, &refused):
		return unknown(source, fmt.Sprintf("the responder refuses: %s", refused.Status))
	case err != nil:
		return unknown(source, strings.TrimPrefix(err.Error(), "ocsp: "))
	}
	if weak := map[x509.SignatureAlgorithm]string{x509.SHA1WithRSA: "RSA_EMSA_PKCS1_SHA1", x509.ECDSAWithSHA1: "ECDSA_WITH_SHA1_DER"}[got.SignatureAlgorithm]; weak != "" {
		if row, _ := sig.Lookup(weak); !constraints.AcceptsChain(*row) {
			return unknown(source, fmt.Sprintf("it is signed with %s, which is not allowed", row))
		}
	}
	if local != nil {
		err = checkSigner(now, local.X509, constraints)
	} else {
		err = checkResponder(now, got, issuer, constraints)
	}
	if err != nil {
		return unknown(source, err.Error())
	}
	data, err := readResponseData(got.TBSResponseData)
	if err != nil {
		return unknown(source, err.Error())
	}
	if !data.onlyFor(cert, issuer) {
		return unknown(source, "it is for a certificate of another CA with the same serial number")
	}
	// A responder that signs its answers ahead of time has no nonce in them, RFC 5019 §4; dates protect those.
	if nonce != nil && data.nonce != nil && !bytes.Equal(nonce, data.nonce) {
		return unknown(source, "it has the nonce of another request")
	}
	return dated(now, got, source)
}

// parseOCSP reads a response and verifies its signature: by the CA, or by whom the CA lets sign. Failing that, the signer may be
// one of ours, which is then returned, too.
//
//	"Systems or applications that rely on OCSP responses MUST … reject the response if the certificate required to validate the
//	signature on the response does not meet at least one of the following criteria: 1. Matches a local configuration of OCSP
//	signing authority for the certificate in question, or …"  RFC 6960 §4.2.2.2
func (t *Trust) parseOCSP(response []byte, cert, issuer *Certificate) (got *ocsp.Response, local *Certificate, err error) {
	if got, err = ocsp.ParseResponseForCert(response, cert.X509, issuer.X509); err == nil || len(t.Responders) == 0 {
		return got, nil, err
	}
	unproven, parseErr := ocsp.ParseResponseForCert(response, cert.X509, nil)
	if parseErr != nil {
		return nil, nil, err
	}
	for _, r := range t.Responders {
		if unproven.CheckSignatureFrom(r.X509) == nil {
			return unproven, r, nil
		}
	}
	return nil, nil, err
}

// dated turns a response that is proven into a finding, if its time has come and not gone.
func dated(now time.Time, got *ocsp.Response, source string) Finding {
	f := Finding{Source: source, ThisUpdate: got.ThisUpdate, NextUpdate: got.NextUpdate}
	if f.NextUpdate.IsZero() {
		f.NextUpdate = got.ThisUpdate.Add(maxOCSPAge)
	}
	switch {
	case got.ThisUpdate.After(now.Add(clockSkew)):
		return unknown(source, "it begins to hold at "+date(got.ThisUpdate))
	case got.Status == ocsp.Revoked:
		f.Status, f.Reason, f.RevokedAt = StatusRevoked, got.RevocationReason, got.RevokedAt
	case now.After(f.NextUpdate):
		return unknown(source, "it is out of date since "+date(f.NextUpdate))
	case got.Status == ocsp.Good:
		f.Status = StatusGood
	default:
		return unknown(source, "the responder does not know the certificate")
	}
	return f
}

// checkResponder checks who signed. The signatures are verified by then: of the response by a certificate in it, and of that
// by the CA; or of the response by the CA.
// Whom the CA lets sign in its place, its certificate tells by id-kp-OCSPSigning, and nobody else may (RFC 6960 §4.2.2.2).
func checkResponder(now time.Time, got *ocsp.Response, issuer *Certificate, constraints sig.Constraints) error {
	responder := got.Certificate
	if responder == nil || bytes.Equal(responder.Raw, issuer.X509.Raw) {
		return nil
	}
	switch {
	case !signsOCSP(responder):
		return fmt.Errorf("its signer, %q, is not allowed to sign OCSP responses (extendedKeyUsage OCSPSigning)", decodeDN(responder.RawSubject))
	case !bytes.Equal(responder.RawIssuer, issuer.X509.RawSubject):
		return fmt.Errorf("its signer, %q, is not of the same CA", decodeDN(responder.RawSubject))
	}
	if err := checkSigner(now, responder, constraints); err != nil {
		return err
	}
	return checkSigned(responder.Raw, constraints)
}

func signsOCSP(c *x509.Certificate) bool {
	return slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning)
}

// SignsOCSP tells whether the certificate is for signing OCSP responses (RFC 6960 §4.2.2.2).
func (c *Certificate) SignsOCSP() bool { return signsOCSP(c.X509) }

// checkSigner checks what holds for the certificate of every signer.
func checkSigner(now time.Time, responder *x509.Certificate, constraints sig.Constraints) error {
	switch {
	case now.Before(responder.NotBefore) || now.After(responder.NotAfter):
		return fmt.Errorf("the certificate of its signer, %q, is out of date", decodeDN(responder.RawSubject))
	case len(responder.UnhandledCriticalExtensions) > 0:
		return fmt.Errorf("the certificate of its signer, %q, has a critical extension that is not known here", decodeDN(responder.RawSubject))
	}
	if err := constraints.CheckKey(responder.PublicKey); err != nil {
		return fmt.Errorf("its signer: %w", err)
	}
	return nil
}

// responseData is what golang.org/x/crypto/ocsp does not tell of a ResponseData.
type responseData struct {
	ids   [][]byte // the CertIDs
	nonce []byte   // nil: none
}

var errResponse = errors.New("it is malformed")

// readResponseData walks over a ResponseData, RFC 6960 §4.2.1:
//
//	ResponseData ::= SEQUENCE { version [0] EXPLICIT Version DEFAULT v1, responderID ResponderID, producedAt GeneralizedTime,
//	                            responses SEQUENCE OF SingleResponse, responseExtensions [1] EXPLICIT Extensions OPTIONAL }
func readResponseData(tbs []byte) (data responseData, err error) {
	input := cryptobyte.String(tbs)
	var fields, skip, singles, extensions cryptobyte.String
	var tag asn1.Tag
	var present bool
	if !input.ReadASN1(&fields, asn1.SEQUENCE) ||
		!fields.SkipOptionalASN1(asn1.Tag(0).ContextSpecific().Constructed()) ||
		!fields.ReadAnyASN1(&skip, &tag) || !fields.SkipASN1(asn1.GeneralizedTime) ||
		!fields.ReadASN1(&singles, asn1.SEQUENCE) ||
		!fields.ReadOptionalASN1(&extensions, &present, asn1.Tag(1).ContextSpecific().Constructed()) {
		return data, errResponse
	}
	for !singles.Empty() {
		var single, id cryptobyte.String
		if !singles.ReadASN1(&single, asn1.SEQUENCE) || !single.ReadASN1Element(&id, asn1.SEQUENCE) {
			return data, errResponse
		}
		data.ids = append(data.ids, id)
	}
	if present {
		data.nonce, err = readNonce(extensions)
	}
	return data, err
}

// readNonce finds the nonce among Extensions. A critical one that is not known is an error.
func readNonce(extensions cryptobyte.String) (nonce []byte, err error) {
	var list cryptobyte.String
	if !extensions.ReadASN1(&list, asn1.SEQUENCE) {
		return nil, errResponse
	}
	for !list.Empty() {
		var extension, value cryptobyte.String
		var id = slices.Clone(oidNonce[:0])
		var critical bool
		if !list.ReadASN1(&extension, asn1.SEQUENCE) || !extension.ReadASN1ObjectIdentifier(&id) ||
			!extension.ReadOptionalASN1Boolean(&critical, asn1.BOOLEAN, false) || !extension.ReadASN1(&value, asn1.OCTET_STRING) {
			return nil, errResponse
		}
		switch {
		case id.Equal(oidNonce):
			var inner cryptobyte.String
			if !value.ReadASN1(&inner, asn1.OCTET_STRING) {
				return nil, errResponse
			}
			nonce = inner
		case critical:
			return nil, fmt.Errorf("it has the critical extension %v, which is not known here", id)
		}
	}
	return nonce, nil
}

// ocspHashes are the hashes of CertIDs, by their OBJECT IDENTIFIERs.
var ocspHashes = []struct {
	oid  encoding.ObjectIdentifier
	hash crypto.Hash
}{
	{encoding.ObjectIdentifier{1, 3, 14, 3, 2, 26}, crypto.SHA1},
	{encoding.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, crypto.SHA256},
	{encoding.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}, crypto.SHA384},
	{encoding.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, crypto.SHA512},
}

// onlyFor tells whether every response for the certificate's serial number is for a certificate of its CA: serial numbers are
// unique within a CA only.
func (d responseData) onlyFor(cert, issuer *Certificate) bool {
	for _, id := range d.ids {
		input := cryptobyte.String(id)
		var fields, algorithm, name, key cryptobyte.String
		var oid encoding.ObjectIdentifier
		serial := new(big.Int)
		if !input.ReadASN1(&fields, asn1.SEQUENCE) || !fields.ReadASN1(&algorithm, asn1.SEQUENCE) ||
			!algorithm.ReadASN1ObjectIdentifier(&oid) || !fields.ReadASN1(&name, asn1.OCTET_STRING) ||
			!fields.ReadASN1(&key, asn1.OCTET_STRING) || !fields.ReadASN1Integer(serial) {
			return false
		}
		if serial.Cmp(cert.X509.SerialNumber) != 0 {
			continue
		}
		i := slices.IndexFunc(ocspHashes, func(h struct {
			oid  encoding.ObjectIdentifier
			hash crypto.Hash
		}) bool {
			return h.oid.Equal(oid)
		})
		if i < 0 || !bytes.Equal(name, digest(ocspHashes[i].hash, issuer.X509.RawSubject)) ||
			!bytes.Equal(key, digest(ocspHashes[i].hash, keyOctets(issuer.X509.RawSubjectPublicKeyInfo))) {
			return false
		}
	}
	return true
}

func digest(h crypto.Hash, octets []byte) []byte {
	d := h.New()
	d.Write(octets)
	return d.Sum(nil)
}
