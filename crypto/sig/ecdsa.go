package sig

import (
	"crypto"
	"crypto/ecdsa"
	"io"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// ECDSA, FIPS 186-5 §6. A Digital Signature is an ECDSA-Sig-Value, RFC 3279 §2.2.3:
//
//	Ecdsa-Sig-Value ::= SEQUENCE { r INTEGER, s INTEGER }

func signDER(s *Scheme, rand io.Reader, key crypto.Signer, octets []byte) ([]byte, error) {
	if _, ok := key.(*ecdsa.PrivateKey); ok {
		rand = nil // deterministic, RFC 6979
	}
	return key.Sign(rand, s.digest(octets), s.Hash)
}

func verifyDER(s *Scheme, key crypto.PublicKey, octets, signature []byte) bool {
	return ecdsa.VerifyASN1(key.(*ecdsa.PublicKey), s.digest(octets), signature)
}

// The methods of RFC 4754 §7 put r and s side by side, each as long as the curve's order: 64, 96 or 132 octets.

func signFixed(s *Scheme, rand io.Reader, key crypto.Signer, octets []byte) ([]byte, error) {
	der, err := signDER(s, rand, key, octets)
	if err != nil {
		return nil, err
	}
	return fixed(der, s.orderLen())
}

func verifyFixed(s *Scheme, key crypto.PublicKey, octets, signature []byte) bool {
	n := s.orderLen()
	if len(signature) != 2*n {
		return false
	}
	der, err := sigValue(signature[:n], signature[n:])
	return err == nil && verifyDER(s, key, octets, der)
}

func (s *Scheme) orderLen() int { return (s.Curve.Params().N.BitLen() + 7) / 8 }

// fixed turns an ECDSA-Sig-Value into r | s of n octets each. The error is ErrSignature when there is no such value.
func fixed(der []byte, n int) ([]byte, error) {
	input := cryptobyte.String(der)
	var inner cryptobyte.String
	var r, s big.Int
	if !input.ReadASN1(&inner, asn1.SEQUENCE) || !input.Empty() ||
		!inner.ReadASN1Integer(&r) || !inner.ReadASN1Integer(&s) || !inner.Empty() ||
		r.Sign() <= 0 || s.Sign() <= 0 || r.BitLen() > 8*n || s.BitLen() > 8*n {
		return nil, ErrSignature
	}
	out := make([]byte, 2*n)
	r.FillBytes(out[:n])
	s.FillBytes(out[n:])
	return out, nil
}

// sigValue is the ECDSA-Sig-Value of two unsigned integers.
func sigValue(r, s []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(new(big.Int).SetBytes(r))
		b.AddASN1BigInt(new(big.Int).SetBytes(s))
	})
	return b.Bytes()
}
