// Package aesgcm is AES-GCM (NIST SP 800-38D, RFC 4106) with nonces of 12 octets and tags of 16.
//
// On amd64 processors with VAES, VPCLMULQDQ and AVX-512 it is written in assembly that works on sixteen blocks at once.
// Elsewhere, and where the environment has GOSWAN_NOASM=1, it is the standard library's.
package aesgcm

import (
	"crypto/aes"
	"crypto/cipher"

	"github.com/goswan/goswan/crypto/secret"
)

const (
	nonceSize = 12
	tagSize   = 16
	blockSize = 16
)

// New keys AES-GCM; a key of 16, 24 or 32 octets chooses AES-128, -192 or -256 and any other is an aes.KeySizeError.
// The key is not kept. A cipher with a method Wipe overwrites its key schedule by it and panics if used afterwards.
//
// Like the standard library's it may be used concurrently, appends to dst, and panics where a buffer overlaps another inexactly.
// When Open refuses, dst up to its capacity has the octets it had, or zeros: no plaintext is to be seen whose tag is wrong.
func New(key secret.Bytes) (cipher.AEAD, error) {
	switch len(key) {
	case 16, 24, 32:
	default:
		return nil, aes.KeySizeError(len(key))
	}
	if accelerated {
		return newVector(key), nil
	}
	return newStandard(key)
}

func newStandard(key secret.Bytes) (cipher.AEAD, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(b)
}
