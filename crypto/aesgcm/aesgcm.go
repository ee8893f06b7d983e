// Package aesgcm is AES-GCM (NIST SP 800-38D, RFC 4106) with nonces of 12 octets and tags of 16, 12 or 8, and the counter mode
// inside it.
//
// On amd64 processors with VAES, VPCLMULQDQ and AVX-512 it is written in assembly that works on sixteen blocks at once.
// Elsewhere, and where the environment has GOSWAN_NOASM=1, it is the standard library's.
package aesgcm

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"slices"

	"github.com/goswan/goswan/crypto/ctr"
	"github.com/goswan/goswan/crypto/secret"
)

const (
	nonceSize = 12
	tagSize   = 16
	blockSize = 16
)

var errOpen = errors.New("aesgcm: message authentication failed")

// New keys AES-GCM; a key of 16, 24 or 32 octets chooses AES-128, -192 or -256 and any other is an aes.KeySizeError.
// The key is not kept. A cipher with a method Wipe overwrites its key schedule by it and panics if used afterwards.
//
// Like the standard library's it may be used concurrently, appends to dst, and panics where a buffer overlaps another inexactly.
// When Open refuses, dst up to its capacity has the octets it had, or zeros: no plaintext is to be seen whose tag is wrong.
func New(key secret.Bytes) (cipher.AEAD, error) {
	return NewTruncated(key, tagSize)
}

// NewTruncated is New with tags of 8, 12 or 16 octets, the beginning of the whole tag (SP 800-38D §7.1 step 6); another size is a bug
// of the caller and panics. With tags of less than 16 octets the cipher is for one goroutine at a
// time.
func NewTruncated(key secret.Bytes, tagLen int) (cipher.AEAD, error) {
	if tagLen != 8 && tagLen != 12 && tagLen != tagSize {
		panic("aesgcm: a tag of another size than 8, 12 or 16 octets")
	}
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if accelerated {
		return newVector(key, tagLen), nil
	}
	return newStandard(key, tagLen)
}

// NewCounter keys the counter mode inside GCM (§6.5) alone; the key is as for New.
func NewCounter(key secret.Bytes) (ctr.Stream, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if accelerated {
		return newCounterVector(key), nil
	}
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return ctr.New(b), nil
}

func checkKey(key secret.Bytes) error {
	switch len(key) {
	case 16, 24, 32:
		return nil
	}
	return aes.KeySizeError(len(key))
}

// newStandard is the standard library's, which has no tags of less than 12 octets.
func newStandard(key secret.Bytes, tagLen int) (cipher.AEAD, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	switch tagLen {
	case tagSize:
		return cipher.NewGCM(b)
	case 12:
		fast, err := cipher.NewGCMWithTagSize(b, tagLen)
		return &twelve{fast, newPortable(b, tagLen)}, err
	}
	return newPortable(b, tagLen), nil
}

// twelve is the standard library's with tags of 12 octets. Its assembly for amd64 stores the last block of ciphertext whole, before the
// tag, and so up to three octets behind the tag when that block has less than four: those messages are not for it.
type twelve struct {
	cipher.AEAD
	portable *portable
}

func (t *twelve) Seal(dst, nonce, plaintext, additionalData []byte) []byte {
	if n := len(plaintext) % blockSize; n != 0 && n < 4 {
		return t.portable.Seal(dst, nonce, plaintext, additionalData)
	}
	return t.AEAD.Seal(dst, nonce, plaintext, additionalData)
}

// Wipe overwrites what the cipher for short messages holds, of which the standard library's offers no overwriting.
func (t *twelve) Wipe() {
	t.portable.Wipe()
	t.AEAD = nil
}

// grow returns b with n octets more, and these alone.
func grow(b []byte, n int) (whole, more []byte) {
	whole = slices.Grow(b, n)[:len(b)+n]
	return whole, whole[len(b):]
}
