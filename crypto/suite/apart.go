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

// apart is a Cipher of an encryption algorithm, or none, and an integrity algorithm beside it: encrypt, then authenticate.
type apart struct {
	encrypt, decrypt encr.Mode
	mac              hash.Hash
	sum              [sha512.Size]byte // room for the value before truncation
	iv, icv, block   int
	random           bool // the IV is
}

func newApart(e encr.Transform, i *integ.Transform, encrKey, integKey secret.Bytes) (Cipher, error) {
	split := len(encrKey) - e.SaltLen
	enc, dec, err := e.NewMode(encrKey[:split], encrKey[split:])
	if err != nil {
		return nil, fmt.Errorf("suite: %s: %w", e.Name, err)
	}
	if enc.BlockSize() != e.Block || dec.BlockSize() != e.Block {
		panic("suite: the row of " + e.Name + " and its cipher disagree on a length")
	}
	mac := i.New(integKey)
	if mac.Size() < i.ICVLen || mac.Size() > sha512.Size {
		panic("suite: the row of " + i.Name + " and its function disagree on a length")
	}
	// The first Reset after the first Sum keeps the keyed states; doing both here keeps that allocation off the packets.
	mac.Sum(nil)
	mac.Reset()
	return &apart{encrypt: enc, decrypt: dec, mac: mac, iv: e.IVLen, icv: i.ICVLen, block: e.Block, random: e.RandomIV}, nil
}

func (c *apart) IVLen() int     { return c.iv }
func (c *apart) ICVLen() int    { return c.icv }
func (c *apart) Align() int     { return c.block }
func (c *apart) RandomIV() bool { return c.random }

func (c *apart) Seal(dst, iv, plaintext, aad, trail []byte) {
	n := len(plaintext)
	dst = dst[:n+c.icv]
	c.setIV(c.encrypt, iv)
	c.encrypt.CryptBlocks(dst[:n], plaintext)
	copy(dst[n:], c.value(aad, iv, dst[:n], trail))
}

func (c *apart) Open(dst, iv, ciphertextAndICV, aad, trail []byte) (int, error) {
	n := len(ciphertextAndICV) - c.icv
	if n < 0 || n%c.block != 0 {
		return 0, ErrLength
	}
	ciphertext := ciphertextAndICV[:n]
	if subtle.ConstantTimeCompare(c.value(aad, iv, ciphertext, trail), ciphertextAndICV[n:]) != 1 {
		return 0, ErrAuth
	}
	c.setIV(c.decrypt, iv)
	c.decrypt.CryptBlocks(dst[:n], ciphertext)
	return n, nil
}

// setIV begins a packet.
func (c *apart) setIV(m encr.Mode, iv []byte) {
	if len(iv) != c.iv {
		panic("suite: an IV of another length than the cipher's")
	}
	m.SetIV(iv)
}

// value computes the integrity check value.
// "The Integrity Check Value is a variable-length field computed over the ESP header, Payload, and ESP trailer fields."
// RFC 4303 §2.8; the IV is the beginning of the Payload, §2.3.
func (c *apart) value(aad, iv, ciphertext, trail []byte) []byte {
	c.mac.Reset()
	c.mac.Write(aad)
	c.mac.Write(iv)
	c.mac.Write(ciphertext)
	c.mac.Write(trail)
	return c.mac.Sum(c.sum[:0])[:c.icv]
}

func (c *apart) Wipe() {
	clear(c.sum[:])
	for _, x := range []any{c.encrypt, c.decrypt, c.mac} {
		if w, ok := x.(interface{ Wipe() }); ok {
			w.Wipe()
		}
	}
	c.encrypt, c.decrypt, c.mac = nil, nil, nil
}
