package camellia

import (
	"crypto/cipher"
	"crypto/subtle"

	"github.com/goswan/goswan/crypto/secret"
)

// Mode is one direction of cipher block chaining (NIST SP 800-38A §6.2). SetIV begins another message. It is not safe for
// concurrent use.
//
// Like the standard library's, CryptBlocks continues where the call before ended, and panics where it is not given whole blocks or
// room for them.
type Mode interface {
	cipher.BlockMode
	SetIV(iv []byte)
}

// NewCBC keys both directions of Camellia in CBC mode (RFC 4312, RFC 5529); a key of 16, 24 or 32 octets chooses the cipher and any
// other is a KeySizeError. The IVs are zero. A Mode with a method Wipe overwrites its subkeys by it.
func NewCBC(key secret.Bytes) (encrypt, decrypt Mode, err error) {
	c, err := New(key)
	if err != nil {
		return nil, nil, err
	}
	encrypt, ok := cipher.NewCBCEncrypter(c, make([]byte, BlockSize)).(Mode)
	if !ok {
		panic("camellia: the standard library's mode takes no second IV")
	}
	return encrypt, &decrypter{cipher: c}, nil
}

// decrypter deciphers batches: P1 = CIPH⁻¹(C1) ⊕ IV, Pj = CIPH⁻¹(Cj) ⊕ Cj-1.
type decrypter struct {
	cipher *Cipher
	iv     [BlockSize]byte
	room   [(1 + batch) * BlockSize]byte // the block before and a batch of ciphertext, which may be overwritten where it was
}

func (d *decrypter) BlockSize() int { return BlockSize }

func (d *decrypter) SetIV(iv []byte) {
	if len(iv) != BlockSize {
		panic("camellia: incorrect IV length")
	}
	copy(d.iv[:], iv)
}

func (d *decrypter) CryptBlocks(dst, src []byte) {
	if len(src)%BlockSize != 0 || len(dst) < len(src) {
		panic("camellia: no whole blocks, or no room for them")
	}
	for len(src) > 0 {
		n := min(len(src), batch*BlockSize)
		copy(d.room[:], d.iv[:])
		copy(d.room[BlockSize:], src[:n])
		copy(d.iv[:], src[n-BlockSize:n])
		d.cipher.DecryptBlocks(dst[:n], src[:n])
		subtle.XORBytes(dst[:n], dst[:n], d.room[:n])
		dst, src = dst[n:], src[n:]
	}
}

// Wipe overwrites the subkeys, which the other direction shares. Neither is to be used any more.
func (d *decrypter) Wipe() { d.cipher.Wipe() }
