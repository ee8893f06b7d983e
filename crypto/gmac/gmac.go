// Package gmac is AES-GMAC (NIST SP 800-38D) as ESP uses it to authenticate without encrypting, RFC 4543:
//
//	nonce = salt (4) | IV (8)
//	ICV   = GMAC of  associated data | IV | plaintext       the plaintext is sent as it is
package gmac

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"errors"

	"github.com/goswan/goswan/crypto/ghash"
	"github.com/goswan/goswan/crypto/secret"
)

const (
	blockSize = ghash.BlockSize
	saltSize  = 4
	nonceSize = 12
	tagSize   = 16
)

var errOpen = errors.New("gmac: message authentication failed")

// aead is a cipher.AEAD that encrypts nothing. It is for one goroutine at a time.
type aead struct {
	block   cipher.Block
	hash    *ghash.Hash
	counter [blockSize]byte // J0
	sum     [blockSize]byte
}

// New keys ENCR_NULL_AUTH_AES_GMAC; a key of 16, 24 or 32 octets chooses AES-128, -192 or -256 and any other is an aes.KeySizeError.
// The key is not kept. Neither Seal nor Open allocates when dst has room. When Open refuses, dst has the octets it had.
func New(key secret.Bytes) (cipher.AEAD, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	a := &aead{block: b}
	// H = CIPH_K(0¹²⁸), SP 800-38D §7.1 step 1
	b.Encrypt(a.sum[:], a.sum[:])
	a.hash = ghash.New(a.sum[:])
	return a, nil
}

func (a *aead) NonceSize() int { return nonceSize }
func (a *aead) Overhead() int  { return tagSize }

func (a *aead) Seal(dst, nonce, plaintext, additionalData []byte) []byte {
	tag := a.icv(nonce, plaintext, additionalData)
	dst = append(dst, plaintext...)
	return append(dst, tag...)
}

func (a *aead) Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error) {
	n := len(ciphertext) - tagSize
	if n < 0 || subtle.ConstantTimeCompare(a.icv(nonce, ciphertext[:n], additionalData), ciphertext[n:]) != 1 {
		return nil, errOpen
	}
	return append(dst, ciphertext[:n]...), nil
}

// icv: "the AAD used in GMAC is SPI, SN or ESN, IV, and the ESP payload data"  RFC 4543 §3.3, figure 3
func (a *aead) icv(nonce, plaintext, aad []byte) []byte {
	return a.mac(nonce, aad, nonce[saltSize:], plaintext)
}

// mac is GMAC of data that comes in pieces: GCM with nothing to encrypt, SP 800-38D §3.
func (a *aead) mac(nonce []byte, data ...[]byte) []byte {
	if len(nonce) != nonceSize {
		panic("gmac: incorrect nonce length")
	}
	a.hash.Reset()
	total := 0
	for _, d := range data {
		a.hash.Write(d)
		total += len(d)
	}
	a.hash.Sum(&a.sum, total, 0)
	// J0 = IV || 0³¹ || 1, §7.1 step 2; T = GCTR(J0, S), step 6
	copy(a.counter[:], nonce)
	a.counter[blockSize-1] = 1
	mask := a.counter[:]
	a.block.Encrypt(mask, mask)
	subtle.XORBytes(a.sum[:], a.sum[:], mask)
	clear(mask)
	return a.sum[:]
}

// Wipe overwrites the hash subkey and what is left of a message. The cipher is not to be used any more.
func (a *aead) Wipe() {
	a.hash.Wipe()
	*a = aead{}
}
