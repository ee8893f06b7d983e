package sig

import (
	"crypto"
	"crypto/ed25519"
	"io"

	"github.com/cloudflare/circl/sign/ed448"
)

// EdDSA signs the octets themselves, not a hash of them: PureEdDSA with no context, RFC 8032 §5.1 and §5.2. Its
// hash algorithm is called Identity, RFC 8420 §2.

func signEd25519(_ *Scheme, rand io.Reader, key crypto.Signer, octets []byte) ([]byte, error) {
	return key.Sign(rand, octets, crypto.Hash(0))
}

func verifyEd25519(_ *Scheme, key crypto.PublicKey, octets, signature []byte) bool {
	return ed25519.Verify(key.(ed25519.PublicKey), octets, signature)
}

func signEd448(_ *Scheme, rand io.Reader, key crypto.Signer, octets []byte) ([]byte, error) {
	return key.Sign(rand, octets, crypto.Hash(0))
}

func verifyEd448(_ *Scheme, key crypto.PublicKey, octets, signature []byte) bool {
	return ed448.Verify(key.(ed448.PublicKey), octets, signature, "")
}
