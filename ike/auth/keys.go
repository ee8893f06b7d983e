package auth

import (
	"crypto"
	"crypto/x509"
	"errors"

	"github.com/cloudflare/circl/sign/ed448"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// MarshalPublicKey is the DER of a key's SubjectPublicKeyInfo, for every type of key that signatures have here.
func MarshalPublicKey(key crypto.PublicKey) ([]byte, error) {
	octets, ok := key.(ed448.PublicKey)
	if !ok {
		return x509.MarshalPKIXPublicKey(key)
	}
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(oidEd448) })
		b.AddASN1BitString(octets)
	})
	return b.Bytes()
}

// errPKCS8 says that octets are no PrivateKeyInfo of an Ed448 key.
var errPKCS8 = errors.New("auth: no Ed448 key")

// ParsePKCS8 reads a PrivateKeyInfo (RFC 5958) of every type of key that signatures have here. crypto/x509 knows all but
// Ed448's (RFC 8410 §7):
//
//	OneAsymmetricKey ::= SEQUENCE { version INTEGER, privateKeyAlgorithm SEQUENCE { OBJECT IDENTIFIER },
//	                                privateKey OCTET STRING (an OCTET STRING of 57 octets), … }
func ParsePKCS8(der []byte) (crypto.Signer, error) {
	if key, err := parsePKCS8Ed448(der); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("auth: the key is not for signatures")
	}
	return signer, nil
}

func parsePKCS8Ed448(der []byte) (crypto.Signer, error) {
	input := cryptobyte.String(der)
	var info, algorithm, oid, key, seed cryptobyte.String
	var version int
	ok := input.ReadASN1(&info, asn1.SEQUENCE) && input.Empty() && info.ReadASN1Integer(&version) &&
		info.ReadASN1(&algorithm, asn1.SEQUENCE) && algorithm.ReadASN1Element(&oid, asn1.OBJECT_IDENTIFIER) && algorithm.Empty() &&
		info.ReadASN1(&key, asn1.OCTET_STRING) && key.ReadASN1(&seed, asn1.OCTET_STRING) && key.Empty()
	if !ok || string(oid) != string(oidEd448) || len(seed) != ed448.SeedSize {
		return nil, errPKCS8
	}
	return ed448.NewKeyFromSeed(seed), nil
}
