// Package aescbc is AES in cipher block chaining mode (NIST SP 800-38A §6.2, RFC 3602).
//
//	C1 = CIPH(P1 ⊕ IV), Cj = CIPH(Pj ⊕ Cj-1)             each block waits for the one before
//	P1 = CIPH⁻¹(C1) ⊕ IV, Pj = CIPH⁻¹(Cj) ⊕ Cj-1         all blocks at once
//
// On amd64 processors with VAES and AVX-512 decryption is written in assembly that works on sixteen blocks at once. Encryption is
// the standard library's, and elsewhere, and where the environment has GOSWAN_NOASM=1, decryption too.
package aescbc

import (
	"crypto/aes"
	"crypto/cipher"

	"github.com/goswan/goswan/crypto/secret"
)

const blockSize = aes.BlockSize

// Mode is one direction of the mode. SetIV begins another message. It is not safe for concurrent use.
//
// Like the standard library's, CryptBlocks continues where the call before ended, and panics where it is not given whole blocks,
// room for them, or buffers that overlap exactly or not at all.
type Mode interface {
	cipher.BlockMode
	SetIV(iv []byte)
}

// New keys both directions; a key of 16, 24 or 32 octets chooses AES-128, -192 or -256 and any other is an aes.KeySizeError. The
// key is not kept. The IVs are zero. A Mode with a method Wipe overwrites its key schedule by it and panics if used afterwards.
func New(key secret.Bytes) (encrypt, decrypt Mode, err error) {
	encrypt, decrypt, err = newStandard(key)
	if err == nil && accelerated {
		decrypt = newVector(key)
	}
	return encrypt, decrypt, err
}

func newStandard(key secret.Bytes) (encrypt, decrypt Mode, err error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, err
	}
	zero := make([]byte, blockSize)
	encrypt, ok := cipher.NewCBCEncrypter(b, zero).(Mode)
	decrypt, ok2 := cipher.NewCBCDecrypter(b, zero).(Mode)
	if !ok || !ok2 {
		panic("aescbc: the standard library's mode takes no second IV")
	}
	return encrypt, decrypt, nil
}
