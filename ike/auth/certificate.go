package auth

import (
	"bytes"
	"crypto"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"

	"github.com/cloudflare/circl/sign/ed448"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/goswan/goswan/crypto/sig"
)

// The limits of what a peer may present. They bound memory and time before anything is parsed.
const (
	MaxCertificate  = 16 << 10 // octets of one certificate
	MaxCertificates = 16       // certificates of one peer
	MaxChain        = 8        // certificates from a peer's own to the trust anchor, both included
	maxNames        = 256      // identities in one certificate
)

// Certificate is an X.509 certificate whose key can be used.
type Certificate struct {
	X509 *x509.Certificate
	// Key is the public key, of a type and size that crypto/sig knows.
	Key crypto.PublicKey
}

// ParseCertificate reads the DER of a certificate (RFC 5280). The error is a *Refusal: Malformed for what is no certificate,
// TooLarge for what is longer than MaxCertificate, WeakKey for a key that nothing here can verify with.
func ParseCertificate(der []byte) (*Certificate, error) {
	if len(der) > MaxCertificate {
		return nil, &Refusal{Why: TooLarge, Text: fmt.Sprintf("a certificate of %d octets is longer than %d", len(der), MaxCertificate)}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, malformed("a certificate", err)
	}
	return NewCertificate(parsed)
}

// NewCertificate takes a certificate that crypto/x509 parsed; errors are those of ParseCertificate.
func NewCertificate(parsed *x509.Certificate) (*Certificate, error) {
	c := &Certificate{X509: parsed}
	names := len(parsed.DNSNames) + len(parsed.EmailAddresses) + len(parsed.IPAddresses)
	if names > maxNames {
		return nil, &Refusal{Why: TooLarge, Certificate: c.Name(), Text: fmt.Sprintf("it has %d names; %d are the limit", names, maxNames)}
	}
	key, err := publicKey(parsed.RawSubjectPublicKeyInfo, parsed.PublicKey)
	if err != nil {
		return nil, &Refusal{Why: WeakKey, Certificate: c.Name(), Text: trimPrefix(err), Err: err}
	}
	c.Key = key
	return c, nil
}

func malformed(what string, err error) *Refusal {
	return &Refusal{Why: Malformed, Text: what + " cannot be read: " + strings.TrimPrefix(err.Error(), "x509: "), Err: err}
}

// trimPrefix is an error's text without the package that made it.
func trimPrefix(err error) string { return strings.TrimPrefix(err.Error(), "sig: ") }

// oidEd448 is id-Ed448 (RFC 8410 §3), which crypto/x509 does not know.
var oidEd448 = []byte{0x06, 0x03, 0x2b, 0x65, 0x71}

// publicKey is the key of a SubjectPublicKeyInfo that crypto/x509 has parsed as far as it can.
func publicKey(spki []byte, parsed any) (crypto.PublicKey, error) {
	key := parsed
	if key == nil {
		key = parseEd448(spki)
	}
	if key == nil {
		return nil, fmt.Errorf("sig: %w: its type is none of RSA, ECDSA, ED25519 and ED448", sig.ErrKey)
	}
	_, _, err := sig.KeyOf(key)
	return key, err
}

// parseEd448 reads the SubjectPublicKeyInfo of an Ed448 key, RFC 8410 §4; nil if it is none.
//
//	SubjectPublicKeyInfo ::= SEQUENCE { algorithm SEQUENCE { OBJECT IDENTIFIER }, subjectPublicKey BIT STRING }
func parseEd448(spki []byte) crypto.PublicKey {
	input := cryptobyte.String(spki)
	var info, algorithm, oid cryptobyte.String
	var octets []byte
	ok := input.ReadASN1(&info, asn1.SEQUENCE) && input.Empty() &&
		info.ReadASN1(&algorithm, asn1.SEQUENCE) && algorithm.ReadASN1Element(&oid, asn1.OBJECT_IDENTIFIER) && algorithm.Empty() &&
		info.ReadASN1BitStringAsBytes(&octets) && info.Empty()
	if !ok || !bytes.Equal(oid, oidEd448) || len(octets) != ed448.PublicKeySize {
		return nil
	}
	return ed448.PublicKey(octets)
}

// IssuedBy tells whether a CA has signed the certificate.
func (c *Certificate) IssuedBy(ca *Certificate) bool {
	return bytes.Equal(c.X509.RawIssuer, ca.X509.RawSubject) && checkIssued(c, ca, 0) == nil
}

// Name is the subject's distinguished name, or the first other name if that is empty.
func (c *Certificate) Name() string {
	if name := decodeDN(c.X509.RawSubject); name != "" {
		return name
	}
	for _, id := range c.alternatives() {
		return id.String()
	}
	return "serial " + Serial(c.X509.SerialNumber)
}

// Issuer is the issuer's distinguished name.
func (c *Certificate) Issuer() string { return decodeDN(c.X509.RawIssuer) }

// DN is the subject as an identity; %any when it is empty.
func (c *Certificate) DN() Identity {
	if names, ok := parseDN(c.X509.RawSubject); !ok || len(names) == 0 {
		return Identity{}
	}
	return Identity{IDDERASN1DN, string(c.X509.RawSubject)}
}

// alternatives are the subjectAltNames that are identities of IKE: dNSName, rfc822Name and iPAddress (RFC 4945 §5.1.3.6).
func (c *Certificate) alternatives() (ids []Identity) {
	for _, name := range c.X509.DNSNames {
		ids = append(ids, Identity{IDFQDN, name})
	}
	for _, name := range c.X509.EmailAddresses {
		ids = append(ids, Identity{IDRFC822Addr, name})
	}
	for _, ip := range c.X509.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			ids = append(ids, FromAddr(a))
		}
	}
	return ids
}

// Identities are all that the certificate names its holder: the distinguished name and the subjectAltNames.
func (c *Certificate) Identities() []Identity {
	ids := c.alternatives()
	if dn := c.DN(); !dn.IsAny() {
		ids = append([]Identity{dn}, ids...)
	}
	return ids
}

// Proves tells how well the certificate proves an identity, which may be a pattern: one of its names has to match. A wildcard
// in the certificate proves nothing, and neither does a common name without a subjectAltName of the same text: RFC 4945
// §3.1 matches each type of identity against its own field. A KEY_ID is the subjectKeyIdentifier or the SHA-1 of the key.
func (c *Certificate) Proves(id Identity) Match {
	best := MatchNone
	if id.Type == IDKeyID && (id.Data == string(c.X509.SubjectKeyId) || id.Data == string(c.keyID())) {
		return MatchPerfect
	}
	for _, name := range c.Identities() {
		if strings.Contains(name.Data, "*") && name.Type != IDDERASN1DN && !id.IsAny() {
			continue
		}
		best = max(best, name.Matches(id))
	}
	if id.IsAny() {
		return MatchAny
	}
	return best
}

// keyID is the SHA-1 of the subjectPublicKey BIT STRING, RFC 5280 §4.2.1.2 (1).
func (c *Certificate) keyID() []byte {
	sum := sha1.Sum(keyOctets(c.X509.RawSubjectPublicKeyInfo))
	return sum[:]
}

// keyOctets are those of the subjectPublicKey BIT STRING of a SubjectPublicKeyInfo.
func keyOctets(spki []byte) []byte {
	input := cryptobyte.String(spki)
	var info, algorithm cryptobyte.String
	var octets []byte
	if !input.ReadASN1(&info, asn1.SEQUENCE) || !info.ReadASN1(&algorithm, asn1.SEQUENCE) || !info.ReadASN1BitStringAsBytes(&octets) {
		return nil
	}
	return octets
}

// KeyHash is the SHA-1 of the SubjectPublicKeyInfo, by which a CERTREQ names a CA (RFC 7296 §3.7).
func (c *Certificate) KeyHash() KeyHash { return sha1.Sum(c.X509.RawSubjectPublicKeyInfo) }

// Fingerprint is the SHA-256 of the certificate in hexadecimal.
func (c *Certificate) Fingerprint() string {
	sum := sha256.Sum256(c.X509.Raw)
	return hex.EncodeToString(sum[:])
}

// Equal tells whether two certificates are the same octets; nil equals none.
func (c *Certificate) Equal(o *Certificate) bool {
	return o != nil && bytes.Equal(c.X509.Raw, o.X509.Raw)
}

// SelfIssued tells whether subject and issuer are the same: a root, or a certificate of its own.
func (c *Certificate) SelfIssued() bool { return bytes.Equal(c.X509.RawSubject, c.X509.RawIssuer) }

// IsCA tells whether the certificate may issue others (RFC 5280 §4.2.1.9).
func (c *Certificate) IsCA() bool { return c.X509.BasicConstraintsValid && c.X509.IsCA }

// in tells whether a list has the certificate.
func (c *Certificate) in(list []*Certificate) bool { return slices.ContainsFunc(list, c.Equal) }

// Serial prints a serial number as hexadecimal octets, "0a:3f".
func Serial(n *big.Int) string {
	if n == nil {
		return "none"
	}
	digits := n.Text(16)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	if len(digits)%2 == 1 {
		digits = "0" + digits
	}
	var parts []string
	for i := 0; i < len(digits); i += 2 {
		parts = append(parts, digits[i:i+2])
	}
	return sign + strings.Join(parts, ":")
}

// scheme is the row of crypto/sig by which the certificate is signed.
func (c *Certificate) scheme() (sig.Scheme, error) { return signedWith(c.X509.Raw) }

// signedWith finds the scheme of a certificate, a CRL or whatever else is SEQUENCE { tbs, AlgorithmIdentifier, BIT STRING }.
func signedWith(signed []byte) (sig.Scheme, error) {
	input := cryptobyte.String(signed)
	var inner, tbs, id cryptobyte.String
	if !input.ReadASN1(&inner, asn1.SEQUENCE) || !inner.ReadASN1(&tbs, asn1.SEQUENCE) || !inner.ReadASN1Element(&id, asn1.SEQUENCE) {
		return sig.Scheme{}, sig.ErrAlgorithm
	}
	return sig.ParseAlgorithm(id)
}

// PublicKey is a raw public key: a SubjectPublicKeyInfo without a certificate around it (RFC 7670).
type PublicKey struct {
	SPKI []byte
	Key  crypto.PublicKey
}

// ParsePublicKey reads the DER of a SubjectPublicKeyInfo. The error is a *Refusal as ParseCertificate returns it.
func ParsePublicKey(spki []byte) (*PublicKey, error) {
	if len(spki) > MaxCertificate {
		return nil, &Refusal{Why: TooLarge, Text: fmt.Sprintf("a public key of %d octets is longer than %d", len(spki), MaxCertificate)}
	}
	parsed, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		if parsed = parseEd448(spki); parsed == nil {
			return nil, malformed("a public key", err)
		}
	}
	key, err := publicKey(spki, parsed)
	if err != nil {
		return nil, &Refusal{Why: WeakKey, Text: trimPrefix(err), Err: err}
	}
	return &PublicKey{SPKI: bytes.Clone(spki), Key: key}, nil
}

// Fingerprint is the SHA-256 of the key in hexadecimal.
func (k *PublicKey) Fingerprint() string {
	sum := sha256.Sum256(k.SPKI)
	return hex.EncodeToString(sum[:])
}

// Equal tells whether two keys are the same.
func (k *PublicKey) Equal(o *PublicKey) bool { return bytes.Equal(k.SPKI, o.SPKI) }
