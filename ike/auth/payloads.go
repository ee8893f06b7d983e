package auth

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Encoding is a Certificate Encoding of CERT and CERTREQ payloads (RFC 7296 §3.6 and IANA's registry).
type Encoding uint8

// The encodings that are used here. 11, a raw RSA key, is deprecated by RFC 7670.
const (
	EncodingX509          Encoding = 4  // X.509 Certificate - Signature
	EncodingCRL           Encoding = 7  // Certificate Revocation List
	EncodingHashURL       Encoding = 12 // Hash and URL of X.509 certificate
	EncodingHashURLBundle Encoding = 13 // Hash and URL of X.509 bundle
	EncodingOCSP          Encoding = 14 // OCSP Content, RFC 4806
	EncodingRawKey        Encoding = 15 // Raw Public Key, RFC 7670
)

// CertPayload is the content of a CERT payload, behind its generic header:
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Cert Encoding |                                               |
//	+-+-+-+-+-+-+-+-+                                               |
//	~                       Certificate Data                        ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
type CertPayload struct {
	Encoding Encoding
	Data     []byte
}

// Presented is what a peer's CERT payloads hold, parsed.
type Presented struct {
	// Leaf is the certificate whose key makes AUTH, and Others are what may lead from it to a CA.
	Leaf   *Certificate
	Others []*Certificate
	// RawKey is the key of a peer without a certificate.
	RawKey *PublicKey
	// Links are certificates and bundles to fetch; with LeafByLink the peer's own certificate is among them.
	Links      []Link
	LeafByLink bool
	// CRLs and OCSP are what the peer adds about revocation. It proves itself.
	CRLs, OCSP [][]byte
	// Skipped says what could not be used, a sentence each.
	Skipped []string
}

// Link is the content of a Hash and URL encoding: where to fetch a certificate, and its SHA-1 (RFC 7296 §3.6).
type Link struct {
	Hash   [sha1.Size]byte
	URL    string
	Bundle bool
}

// maxURL bounds a URL, in octets.
const maxURL = 2048

// maxLinks bounds what is fetched for one peer: a chain has no more.
const maxLinks = MaxChain

// ParsePresented reads the CERT payloads of a peer in their order. What is of no use is skipped, unless it is the peer's own
// certificate: that is a *Refusal, and so is more than MaxCertificates.
//
//	"If multiple certificates are sent, the first certificate MUST contain the public key used to sign the AUTH
//	payload.  The other certificates may be sent in any order."  RFC 7296 §3.6
func ParsePresented(payloads []CertPayload) (Presented, error) {
	var p Presented
	if len(payloads) > MaxCertificates {
		return p, &Refusal{Why: TooLarge, Text: fmt.Sprintf("the peer sent %d CERT payloads; %d are the limit", len(payloads), MaxCertificates)}
	}
	for _, payload := range payloads {
		if err := p.add(payload); err != nil {
			return Presented{}, err
		}
	}
	return p, nil
}

// named tells whether the payload with the peer's own key was there already.
func (p *Presented) named() bool { return p.Leaf != nil || p.RawKey != nil || p.LeafByLink }

func (p *Presented) add(payload CertPayload) (err error) {
	first := !p.named()
	switch payload.Encoding {
	case EncodingX509:
		err = p.addCertificate(payload.Data, first)
	case EncodingRawKey:
		if !first {
			return nil
		}
		p.RawKey, err = ParsePublicKey(payload.Data)
	case EncodingHashURL, EncodingHashURLBundle:
		err = p.addLink(payload, first)
	case EncodingCRL:
		p.CRLs = append(p.CRLs, payload.Data)
	case EncodingOCSP:
		p.OCSP = append(p.OCSP, payload.Data)
	default:
		p.Skipped = append(p.Skipped, fmt.Sprintf("a CERT payload with encoding %d", payload.Encoding))
	}
	return err
}

func (p *Presented) addCertificate(der []byte, first bool) error {
	c, err := ParseCertificate(der)
	switch {
	case err != nil && first:
		return err
	case err != nil:
		p.Skipped = append(p.Skipped, err.Error())
	case first:
		p.Leaf = c
	case len(p.Others) < MaxCertificates && !c.in([]*Certificate{p.Leaf}) && !c.in(p.Others):
		p.Others = append(p.Others, c)
	}
	return nil
}

func (p *Presented) addLink(payload CertPayload, first bool) error {
	link, err := ParseLink(payload)
	if err != nil {
		if first {
			return err
		}
		p.Skipped = append(p.Skipped, err.Error())
		return nil
	}
	if len(p.Links) == maxLinks {
		p.Skipped = append(p.Skipped, fmt.Sprintf("%s: it is behind the %d links that are followed", link.URL, maxLinks))
		return nil
	}
	p.Links = append(p.Links, link)
	p.LeafByLink = p.LeafByLink || first
	return nil
}

// ParseLink reads a Hash and URL: 20 octets of SHA-1, and the URL.
func ParseLink(payload CertPayload) (Link, error) {
	if len(payload.Data) <= sha1.Size || len(payload.Data) > sha1.Size+maxURL {
		return Link{}, &Refusal{Why: Malformed, Text: fmt.Sprintf("a Hash and URL of %d octets", len(payload.Data))}
	}
	link := Link{URL: string(payload.Data[sha1.Size:]), Bundle: payload.Encoding == EncodingHashURLBundle}
	copy(link.Hash[:], payload.Data)
	if !fetchable(link.URL) {
		return Link{}, &Refusal{Why: Malformed, Text: fmt.Sprintf("a certificate is at %q, which is no http URL", printable(link.URL))}
	}
	return link, nil
}

// NewLink is the link to a certificate below a base URL, as strongSwan makes it of its cert_uri_base: the hash in hexadecimal digits
// is the name. The error says that the whole is no http URL.
func NewLink(base string, c *Certificate) (Link, error) {
	link := Link{Hash: sha1.Sum(c.X509.Raw)}
	link.URL = base + hex.EncodeToString(link.Hash[:])
	if !fetchable(link.URL) {
		return Link{}, fmt.Errorf("auth: %q is no http URL", link.URL)
	}
	return link, nil
}

// Payload is the CERT payload of the link.
func (l Link) Payload() CertPayload {
	encoding := EncodingHashURL
	if l.Bundle {
		encoding = EncodingHashURLBundle
	}
	return CertPayload{encoding, l.AppendTo(nil)}
}

// AppendTo appends the Certificate Data of the link.
func (l Link) AppendTo(b []byte) []byte { return append(append(b, l.Hash[:]...), l.URL...) }

// take reads what a link led to. Octets with another hash than the link's are no answer.
func (p *Presented) take(link Link, octets []byte) error {
	if sha1.Sum(octets) != link.Hash {
		return &Refusal{Why: NotRetrieved, Text: fmt.Sprintf("what is at %s has not the hash that the peer sent", link.URL)}
	}
	first := p.LeafByLink && p.Leaf == nil
	p.Others, p.CRLs = slices.Clip(p.Others), slices.Clip(p.CRLs)
	if !link.Bundle {
		return p.addCertificate(octets, first)
	}
	certificates, crls, err := parseBundle(octets)
	if err != nil {
		return err
	}
	p.CRLs = append(p.CRLs, crls...)
	for i, der := range certificates {
		if err := p.addCertificate(der, first && i == 0); err != nil {
			return err
		}
	}
	return nil
}

// parseBundle reads an X.509 bundle, RFC 7296 §3.6:
//
//	CertificateOrCRL ::= CHOICE { cert [0] Certificate, crl [1] CertificateList }
//	CertificateBundle ::= SEQUENCE OF CertificateOrCRL      with explicit tags
func parseBundle(der []byte) (certificates, crls [][]byte, err error) {
	input := cryptobyte.String(der)
	var list cryptobyte.String
	if !input.ReadASN1(&list, asn1.SEQUENCE) || !input.Empty() {
		return nil, nil, &Refusal{Why: Malformed, Text: "a bundle of certificates is no SEQUENCE"}
	}
	for !list.Empty() {
		var item cryptobyte.String
		var tag asn1.Tag
		if !list.ReadAnyASN1(&item, &tag) || len(certificates)+len(crls) >= MaxCertificates {
			return nil, nil, &Refusal{Why: Malformed, Text: fmt.Sprintf("a bundle of certificates is malformed or has more than %d parts", MaxCertificates)}
		}
		switch tag {
		case asn1.Tag(0).ContextSpecific().Constructed():
			certificates = append(certificates, item)
		case asn1.Tag(1).ContextSpecific().Constructed():
			crls = append(crls, item)
		default:
			return nil, nil, &Refusal{Why: Malformed, Text: "a bundle has a part that is neither certificate nor CRL"}
		}
	}
	return certificates, crls, nil
}

// KeyHash is the SHA-1 of a CA's SubjectPublicKeyInfo.
type KeyHash [sha1.Size]byte

// CertRequest is the Certification Authority of a CERTREQ payload with encoding X509: the key hashes of all trusted CAs, side
// by side (RFC 7296 §3.7).
func CertRequest(authorities []*Certificate) []byte {
	var data []byte
	var seen []KeyHash
	for _, ca := range authorities {
		h := ca.KeyHash()
		if !slices.Contains(seen, h) {
			seen = append(seen, h)
			data = append(data, h[:]...)
		}
	}
	return data
}

// maxRequested bounds the CAs that a peer may name.
const maxRequested = 1024

// ParseCertRequest reads the key hashes of a CERTREQ payload of the encodings X509, HashURL and HashURLBundle.
func ParseCertRequest(data []byte) ([]KeyHash, error) {
	if len(data)%sha1.Size != 0 {
		return nil, fmt.Errorf("auth: CERTREQ of %d octets, which are no SHA-1 hashes", len(data))
	}
	if len(data) > maxRequested*sha1.Size {
		return nil, fmt.Errorf("auth: CERTREQ for %d CAs; %d are the limit", len(data)/sha1.Size, maxRequested)
	}
	hashes := make([]KeyHash, 0, len(data)/sha1.Size)
	for i := 0; i < len(data); i += sha1.Size {
		hashes = append(hashes, KeyHash(data[i:i+sha1.Size]))
	}
	return hashes, nil
}
