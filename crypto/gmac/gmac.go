// Package gmac is AES-GMAC (NIST SP 800-38D), and NewESP, what ESP authenticates with that does not encrypt (RFC 4543):
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
	// Size is the octets of a tag.
	Size = 16
)

// MAC is a keyed GMAC, for one goroutine at a time.
type MAC struct {
	block   cipher.Block
	hash    *ghash.Hash
	counter [blockSize]byte // J0
	sum     [Size]byte
}

// New keys GMAC; a key of 16, 24 or 32 octets chooses AES-128, -192 or -256 and any other is an aes.KeySizeError. The key is not kept.
func New(key secret.Bytes) (*MAC, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	m := &MAC{block: b}
	// H = CIPH_K(0¹²⁸), SP 800-38D §7.1 step 1
	b.Encrypt(m.sum[:], m.sum[:])
	m.hash = ghash.New(m.sum[:])
	return m, nil
}

// Sum is the tag of data, which may come in pieces, under a nonce of 12 octets. It is valid until the next call and allocates nothing.
// Two messages with one nonce give the key away.
func (m *MAC) Sum(nonce []byte, data ...[]byte) []byte {
	if len(nonce) != nonceSize {
		panic("gmac: incorrect nonce length")
	}
	m.hash.Reset()
	total := 0
	for _, d := range data {
		m.hash.Write(d)
		total += len(d)
	}
	m.hash.Sum(&m.sum, total, 0)
	// J0 = IV || 0³¹ || 1, §7.1 step 2; T = GCTR(J0, S), step 6
	mask := m.counter[:]
	copy(mask, nonce)
	mask[blockSize-1] = 1
	m.block.Encrypt(mask, mask)
	subtle.XORBytes(m.sum[:], m.sum[:], mask)
	clear(mask)
	return m.sum[:]
}

// Wipe overwrites the hash subkey and what is left of a message. The MAC is not to be used any more.
func (m *MAC) Wipe() {
	m.hash.Wipe()
	*m = MAC{}
}

// esp is a cipher.AEAD that encrypts nothing.
type esp struct{ *MAC }

var errOpen = errors.New("gmac: message authentication failed")

// NewESP keys ENCR_NULL_AUTH_AES_GMAC as New does. One goroutine at a time may use it, and neither Seal nor Open allocates when dst has
// room. When Open refuses, dst has the octets it had.
func NewESP(key secret.Bytes) (cipher.AEAD, error) {
	m, err := New(key)
	if err != nil {
		return nil, err
	}
	return esp{m}, nil
}

func (esp) NonceSize() int { return nonceSize }
func (esp) Overhead() int  { return Size }

func (e esp) Seal(dst, nonce, plaintext, additionalData []byte) []byte {
	tag := e.icv(nonce, plaintext, additionalData)
	dst = append(dst, plaintext...)
	return append(dst, tag...)
}

func (e esp) Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error) {
	n := len(ciphertext) - Size
	if n < 0 || subtle.ConstantTimeCompare(e.icv(nonce, ciphertext[:n], additionalData), ciphertext[n:]) != 1 {
		return nil, errOpen
	}
	return append(dst, ciphertext[:n]...), nil
}

// icv is what the packet has at its end: its header with the number, short or extended, the IV and the payload are authenticated.
// RFC 4543 §3.3
func (e esp) icv(nonce, plaintext, aad []byte) []byte {
	return e.Sum(nonce, aad, nonce[min(saltSize, len(nonce)):], plaintext)
}
