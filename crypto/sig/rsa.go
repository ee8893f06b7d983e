package sig

import (
	"crypto"
	"crypto/rsa"
	"io"
)

// RSASSA-PKCS1-v1_5, RFC 8017 §8.2. With no hash it signs the octets without a DigestInfo around them, as IKEv1 does:
// "RSA signatures MUST be encoded as a private key encryption in PKCS #1 format and not as a signature in PKCS #1 format
// (which includes the OID of the hash algorithm)."  RFC 2409 §5.1

func signPKCS1(s *Scheme, rand io.Reader, key crypto.Signer, octets []byte) ([]byte, error) {
	return key.Sign(rand, s.digest(octets), s.Hash)
}

func verifyPKCS1(s *Scheme, key crypto.PublicKey, octets, signature []byte) bool {
	return rsa.VerifyPKCS1v15(key.(*rsa.PublicKey), s.Hash, s.digest(octets), signature) == nil
}

// RSASSA-PSS, RFC 8017 §8.1, whose mask is made with the hash of the octets.

func signPSS(s *Scheme, rand io.Reader, key crypto.Signer, octets []byte) ([]byte, error) {
	return key.Sign(rand, s.digest(octets), &rsa.PSSOptions{SaltLength: s.SaltLen, Hash: s.Hash})
}

// verifyPSS wants the very length of salt that the AlgorithmIdentifier tells, which is never 0: that would be
// rsa.PSSSaltLengthAuto, any length.
func verifyPSS(s *Scheme, key crypto.PublicKey, octets, signature []byte) bool {
	return s.SaltLen > 0 &&
		rsa.VerifyPSS(key.(*rsa.PublicKey), s.Hash, s.digest(octets), signature, &rsa.PSSOptions{SaltLength: s.SaltLen}) == nil
}
