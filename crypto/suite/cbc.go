package suite

import (
	"crypto/sha512"
	"crypto/subtle"
	"fmt"
	"hash"

	"github.com/goswan/goswan/crypto/encr"
	"github.com/goswan/goswan/crypto/integ"
	"github.com/goswan/goswan/crypto/secret"
)

// cbc is a Cipher of a block cipher in CBC mode and an integrity algorithm beside it: encrypt, then authenticate.
type cbc struct {
	encrypt, decrypt encr.CBC
	mac              hash.Hash
	sum              [sha512.Size]byte // room for the value before truncation
	icv              int
}

func newCBC(e encr.Transform, i *integ.Transform, encrKey, integKey secret.Bytes) (Cipher, error) {
	enc, dec, err := e.NewCBC(encrKey)
	if err != nil {
		return nil, fmt.Errorf("suite: %s: %w", e.Name, err)
	}
	if enc.BlockSize() != e.Block || dec.BlockSize() != e.Block || e.Block != e.IVLen {
		panic("suite: the row of " + e.Name + " and its cipher disagree on a length")
	}
	mac := i.New(integKey)
	if mac.Size() < i.ICVLen || mac.Size() > sha512.Size {
		panic("suite: the row of " + i.Name + " and its function disagree on a length")
	}
	// The first Reset after the first Sum keeps the keyed states; doing both here keeps that allocation off the packets.
	mac.Sum(nil)
	mac.Reset()
	return &cbc{encrypt: enc, decrypt: dec, mac: mac, icv: i.ICVLen}, nil
}

func (c *cbc) IVLen() int     { return c.encrypt.BlockSize() }
func (c *cbc) ICVLen() int    { return c.icv }
func (c *cbc) Align() int     { return c.encrypt.BlockSize() }
func (c *cbc) RandomIV() bool { return true }

func (c *cbc) Seal(dst, iv, plaintext, aad, trail []byte) {
	n := len(plaintext)
	dst = dst[:n+c.icv]
	c.encrypt.SetIV(iv)
	c.encrypt.CryptBlocks(dst[:n], plaintext)
	copy(dst[n:], c.value(aad, iv, dst[:n], trail))
}

func (c *cbc) Open(dst, iv, ciphertextAndICV, aad, trail []byte) (int, error) {
	n := len(ciphertextAndICV) - c.icv
	if n < 0 || n%c.Align() != 0 {
		return 0, ErrLength
	}
	ciphertext := ciphertextAndICV[:n]
	if subtle.ConstantTimeCompare(c.value(aad, iv, ciphertext, trail), ciphertextAndICV[n:]) != 1 {
		return 0, ErrAuth
	}
	c.decrypt.SetIV(iv)
	c.decrypt.CryptBlocks(dst[:n], ciphertext)
	return n, nil
}

// value computes the integrity check value.
// "The Integrity Check Value is a variable-length field computed over the ESP header, Payload, and ESP trailer fields."
// RFC 4303 §2.8; the IV is the beginning of the Payload, §2.3.
func (c *cbc) value(aad, iv, ciphertext, trail []byte) []byte {
	c.mac.Reset()
	c.mac.Write(aad)
	c.mac.Write(iv)
	c.mac.Write(ciphertext)
	c.mac.Write(trail)
	return c.mac.Sum(c.sum[:0])[:c.icv]
}

func (c *cbc) Wipe() {
	clear(c.sum[:])
	for _, m := range []encr.CBC{c.encrypt, c.decrypt} {
		if w, ok := m.(interface{ Wipe() }); ok {
			w.Wipe()
		}
	}
	c.encrypt, c.decrypt, c.mac = nil, nil, nil
}
