package sig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"

	"github.com/cloudflare/circl/sign/ed448"
)

// Key is a type of key.
type Key uint8

// The types of keys: RFC 8017, FIPS 186-5 and RFC 8032.
const (
	RSA Key = iota + 1
	ECDSA
	Ed25519
	Ed448
)

// The sizes of RSA keys, in bits. Keys below DefaultRSABits are used when the configuration names their size; the standard
// library has none below MinRSABits; the limit above keeps what a stranger's key costs us within bounds.
const (
	MinRSABits     = 1024
	DefaultRSABits = 2048
	MaxRSABits     = 8192
)

// String is strongSwan's name of the type: "RSA", "ECDSA", "ED25519", "ED448".
func (k Key) String() string {
	switch k {
	case RSA:
		return "RSA"
	case ECDSA:
		return "ECDSA"
	case Ed25519:
		return "ED25519"
	case Ed448:
		return "ED448"
	}
	return fmt.Sprintf("key type %d", uint8(k))
}

// Strength returns the bits of security of a key of so many bits: NIST SP 800-57 Part 1 Rev. 5 §5.6.1, and RFC 8032 for
// EdDSA.
func (k Key) Strength(bits int) int {
	switch k {
	case RSA:
		return rsaStrength(bits)
	case Ed448:
		return 224
	}
	return bits / 2
}

func rsaStrength(bits int) int {
	strength := 0
	for _, row := range []struct{ bits, strength int }{{1024, 80}, {2048, 112}, {3072, 128}, {7680, 192}, {15360, 256}} {
		if bits >= row.bits {
			strength = row.strength
		}
	}
	return strength
}

// KeyOf returns the type of a public key and its size: the bits of an RSA modulus or of a curve. The error is ErrKey,
// wrapped, for what no row can verify with.
func KeyOf(key crypto.PublicKey) (t Key, bits int, err error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return rsaKey(k)
	case *ecdsa.PublicKey:
		return ecdsaKey(k)
	case ed25519.PublicKey:
		// crypto/ed25519 panics over any other length.
		if len(k) == ed25519.PublicKeySize {
			return Ed25519, 256, nil
		}
	case ed448.PublicKey:
		if len(k) == ed448.PublicKeySize {
			return Ed448, 448, nil
		}
	}
	return 0, 0, fmt.Errorf("sig: %w: it is %s", ErrKey, Describe(key))
}

func rsaKey(k *rsa.PublicKey) (Key, int, error) {
	if k == nil || k.N == nil || k.N.Sign() <= 0 {
		return 0, 0, fmt.Errorf("sig: %w: an RSA key without modulus", ErrKey)
	}
	bits := k.N.BitLen()
	if bits < MinRSABits || bits > MaxRSABits {
		return 0, 0, fmt.Errorf("sig: %w: %s; RSA keys have from %d to %d bits here", ErrKey, Describe(k), MinRSABits, MaxRSABits)
	}
	return RSA, bits, nil
}

func ecdsaKey(k *ecdsa.PublicKey) (Key, int, error) {
	if k == nil {
		return 0, 0, fmt.Errorf("sig: %w: there is none", ErrKey)
	}
	switch k.Curve {
	case elliptic.P256(), elliptic.P384(), elliptic.P521():
		return ECDSA, k.Curve.Params().BitSize, nil
	}
	return 0, 0, fmt.Errorf("sig: %w: %s; the curves are P-256, P-384 and P-521", ErrKey, Describe(k))
}

// Describe names a public key for a message, "RSA with 1024 bits", whether or not it can be used.
func Describe(key crypto.PublicKey) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k != nil && k.N != nil {
			return fmt.Sprintf("RSA with %d bits", k.N.BitLen())
		}
	case *ecdsa.PublicKey:
		if k != nil && k.Curve != nil {
			return "ECDSA on " + k.Curve.Params().Name
		}
	case ed25519.PublicKey:
		return fmt.Sprintf("ED25519 with %d octets", len(k))
	case ed448.PublicKey:
		return fmt.Sprintf("ED448 with %d octets", len(k))
	}
	return fmt.Sprintf("a %T", key)
}

// inMemory tells whether a key is one of a library's that needs no supervision.
func inMemory(key crypto.Signer) bool {
	switch key.(type) {
	case *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey, ed448.PrivateKey:
		return true
	}
	return false
}
