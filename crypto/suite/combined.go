package suite

import (
	"crypto/cipher"
	"fmt"

	"github.com/goswan/goswan/crypto/encr"
	"github.com/goswan/goswan/crypto/secret"
)

// combined is a Cipher of combined mode: AES-GCM (RFC 4106), AES-CCM (RFC 4309), ChaCha20-Poly1305 (RFC 7634) and what is like them.
//
//	nonce: | salt (3 or 4), from the key material | iv (8), from the packet or its sequence number |
type combined struct {
	aead   cipher.AEAD
	nonce  []byte // salt and room for the IV
	salt   int    // octets of salt
	packet int    // octets of IV in the packet
	icv    int
	block  int
}

func newCombined(row encr.Transform, key secret.Bytes) (Cipher, error) {
	split := len(key) - row.SaltLen
	aead, err := row.NewAEAD(key[:split])
	if err != nil {
		return nil, fmt.Errorf("suite: %s: %w", row.Name, err)
	}
	if aead.NonceSize() != row.SaltLen+row.NonceIV() || aead.Overhead() != row.ICVLen {
		panic("suite: the row of " + row.Name + " and its cipher disagree on a length")
	}
	c := &combined{
		aead:   aead,
		nonce:  make([]byte, aead.NonceSize()),
		salt:   row.SaltLen,
		packet: row.IVLen,
		icv:    row.ICVLen,
		block:  row.Block,
	}
	copy(c.nonce, key[split:])
	return c, nil
}

func (c *combined) IVLen() int     { return c.packet }
func (c *combined) ICVLen() int    { return c.icv }
func (c *combined) Align() int     { return c.block }
func (c *combined) RandomIV() bool { return false }

func (c *combined) Seal(dst, iv, plaintext, aad, trail []byte) {
	c.setIV(iv, trail)
	c.aead.Seal(dst[:0:len(plaintext)+c.icv], c.nonce, plaintext, aad)
}

func (c *combined) Open(dst, iv, ciphertextAndICV, aad, trail []byte) (int, error) {
	n := len(ciphertextAndICV) - c.icv
	if n < 0 {
		return 0, ErrLength
	}
	c.setIV(iv, trail)
	if _, err := c.aead.Open(dst[:0:n], c.nonce, ciphertextAndICV, aad); err != nil {
		return 0, ErrAuth
	}
	return n, nil
}

// setIV puts the packet's IV behind the salt.
func (c *combined) setIV(iv, trail []byte) {
	if len(iv) != len(c.nonce)-c.salt || len(trail) != 0 {
		panic("suite: combined mode takes an IV of its length and no trail")
	}
	copy(c.nonce[c.salt:], iv)
}

func (c *combined) Wipe() {
	clear(c.nonce)
	if w, ok := c.aead.(interface{ Wipe() }); ok {
		w.Wipe()
	}
	c.aead = nil
}
