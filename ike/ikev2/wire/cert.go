package wire

import (
	"crypto/sha1"
	"fmt"
)

// CertEncoding is how a certificate or what leads to it is encoded (RFC 7296 §3.6 and IANA).
type CertEncoding uint8

// The certificate encodings.
const (
	CertPKCS7            CertEncoding = 1  // PKCS #7 wrapped X.509
	CertPGP              CertEncoding = 2  // PGP certificate
	CertDNSKey           CertEncoding = 3  // DNS signed key
	CertX509Signature    CertEncoding = 4  // X.509 certificate for signatures
	CertKerberosToken    CertEncoding = 6  // Kerberos token
	CertCRL              CertEncoding = 7  // certificate revocation list
	CertARL              CertEncoding = 8  // authority revocation list
	CertSPKI             CertEncoding = 9  // SPKI certificate
	CertX509Attribute    CertEncoding = 10 // X.509 attribute certificate
	CertRawRSA           CertEncoding = 11 // deprecated by RFC 7670
	CertHashAndURL       CertEncoding = 12 // hash and URL of an X.509 certificate
	CertHashAndURLBundle CertEncoding = 13 // hash and URL of an X.509 bundle
	CertOCSPContent      CertEncoding = 14 // RFC 4806
	CertRawPublicKey     CertEncoding = 15 // RFC 7670
)

var certNames = map[CertEncoding]string{
	CertPKCS7: "PKCS #7 X.509", CertPGP: "PGP", CertDNSKey: "DNS signed key", CertX509Signature: "X.509",
	CertKerberosToken: "Kerberos token", CertCRL: "CRL", CertARL: "ARL", CertSPKI: "SPKI",
	CertX509Attribute: "X.509 attribute", CertRawRSA: "raw RSA key", CertHashAndURL: "hash and URL of X.509",
	CertHashAndURLBundle: "hash and URL of X.509 bundle", CertOCSPContent: "OCSP", CertRawPublicKey: "raw public key",
}

// String is a short name, "X.509".
func (e CertEncoding) String() string {
	if name, ok := certNames[e]; ok {
		return name
	}
	return fmt.Sprintf("encoding %d", uint8(e))
}

// CERT is the Certificate payload (RFC 7296 §3.6).
type CERT struct {
	Encoding CertEncoding
	Data     []byte
}

// Type is TypeCERT.
func (*CERT) Type() PayloadType { return TypeCERT }

// String is "CERT".
func (*CERT) String() string { return TypeCERT.String() }

// Detail is "CERT X.509, 812 octets".
func (p *CERT) Detail() []string {
	return []string{fmt.Sprintf("CERT %s, %d octets", p.Encoding, len(p.Data))}
}

func (p *CERT) appendBody(b []byte) []byte {
	return append(append(b, uint8(p.Encoding)), p.Data...)
}

func (p *CERT) decode(d *decoder) {
	p.Encoding = CertEncoding(d.uint8())
	p.Data = d.rest()
}

// CERTREQ is the Certificate Request payload (RFC 7296 §3.7).
type CERTREQ struct {
	Encoding CertEncoding
	// Authority is, for the X.509 encodings, a concatenation of SHA-1 hashes of trusted authorities' public keys.
	Authority []byte
}

// Type is TypeCERTREQ.
func (*CERTREQ) Type() PayloadType { return TypeCERTREQ }

// String is "CERTREQ".
func (*CERTREQ) String() string { return TypeCERTREQ.String() }

// Detail is "CERTREQ X.509, 3 authorities".
func (p *CERTREQ) Detail() []string {
	if hashes, ok := p.KeyHashes(); ok {
		return []string{fmt.Sprintf("CERTREQ %s, %d authorities", p.Encoding, len(hashes))}
	}
	return []string{fmt.Sprintf("CERTREQ %s, %d octets", p.Encoding, len(p.Authority))}
}

// KeyHashes are the authorities of an X.509 request: "a concatenated list of SHA-1 hashes of the public keys of trusted
// Certification Authorities (CAs)"  RFC 7296 §3.7. False when the encoding has none or the octets are not a whole number
// of them.
func (p *CERTREQ) KeyHashes() ([][sha1.Size]byte, bool) {
	switch p.Encoding {
	case CertX509Signature, CertHashAndURL, CertHashAndURLBundle:
	default:
		return nil, false
	}
	if len(p.Authority)%sha1.Size != 0 {
		return nil, false
	}
	hashes := make([][sha1.Size]byte, 0, len(p.Authority)/sha1.Size)
	for b := p.Authority; len(b) > 0; b = b[sha1.Size:] {
		hashes = append(hashes, [sha1.Size]byte(b[:sha1.Size]))
	}
	return hashes, true
}

func (p *CERTREQ) appendBody(b []byte) []byte {
	return append(append(b, uint8(p.Encoding)), p.Authority...)
}

func (p *CERTREQ) decode(d *decoder) {
	p.Encoding = CertEncoding(d.uint8())
	p.Authority = d.rest()
}
