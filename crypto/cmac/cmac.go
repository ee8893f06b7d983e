// Package cmac is two message authentication codes made of a block cipher with blocks of 16 octets in CBC mode, which differ in the
// keys of their last block only:
//
//	CMAC  (NIST SP 800-38B, RFC 4493)   K is the cipher's key; K1 = E(0)·x, K2 = E(0)·x²
//	XCBC  (RFC 3566)                    K is E(0x0101…); K1 = E(0x0202…), K2 = E(0x0303…)
//
//	E[0] = 0,  E[i] = E(K, E[i-1] ⊕ M[i])
//	the last block: whole ⊕ K1, or filled with 1000… ⊕ K2
package cmac

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"hash"

	"github.com/goswan/goswan/crypto/secret"
)

// Size is the octets of a code, and BlockSize those of a block.
const (
	Size      = 16
	BlockSize = 16
)

// NewCipher keys a block cipher; the key has 16 octets.
type NewCipher func(key secret.Bytes) (cipher.Block, error)

// code is a hash.Hash under way.
type code struct {
	block  cipher.Block
	k1, k2 [BlockSize]byte
	sum    [BlockSize]byte // E[i-1]
	last   [BlockSize]byte // the block that may be the last one
	n      int             // octets of it: 0 to 16
	out    [Size]byte
}

// New is CMAC with a key that the cipher takes. Write, Sum and Reset do not allocate once Sum's argument has room. The error is the
// cipher's.
func New(newCipher NewCipher, key secret.Bytes) (hash.Hash, error) {
	b, err := newCipher(key)
	if err != nil {
		return nil, err
	}
	c := &code{block: b}
	// "K1: … L := AES-128(K, const_Zero) … if MSB(L) is equal to 0 then K1 := L << 1; else K1 := (L << 1) XOR const_Rb"
	// RFC 4493 §2.3
	b.Encrypt(c.k1[:], c.k1[:])
	double(&c.k1)
	c.k2 = c.k1
	double(&c.k2)
	return c, nil
}

// NewXCBC is XCBC with a key of 16 octets; otherwise like New.
func NewXCBC(newCipher NewCipher, key secret.Bytes) (hash.Hash, error) {
	b, err := newCipher(key)
	if err != nil {
		return nil, err
	}
	// "K1 = 0x01010101010101010101010101010101 encrypted with Key K", K2 with 0x02…, K3 with 0x03…  RFC 3566 §4
	var keys [3][BlockSize]byte
	defer clear(keys[:])
	for i := range keys {
		for j := range keys[i] {
			keys[i][j] = byte(i + 1)
		}
		b.Encrypt(keys[i][:], keys[i][:])
	}
	if w, ok := b.(interface{ Wipe() }); ok {
		w.Wipe()
	}
	if b, err = newCipher(keys[0][:]); err != nil {
		return nil, err
	}
	return &code{block: b, k1: keys[1], k2: keys[2]}, nil
}

// double multiplies by x in GF(2^128), without a branch on the bit that falls out.
func double(k *[BlockSize]byte) {
	hi, lo := binary.BigEndian.Uint64(k[:]), binary.BigEndian.Uint64(k[8:])
	carry := hi >> 63
	binary.BigEndian.PutUint64(k[:], hi<<1|lo>>63)
	binary.BigEndian.PutUint64(k[8:], lo<<1^-carry&0x87)
}

func (c *code) Size() int      { return Size }
func (c *code) BlockSize() int { return BlockSize }

func (c *code) Reset() {
	clear(c.sum[:])
	clear(c.last[:])
	c.n = 0
}

// Write takes data in any pieces and never fails. The last whole block waits: it may be the last of all.
func (c *code) Write(data []byte) (int, error) {
	written := len(data)
	if c.n > 0 {
		n := copy(c.last[c.n:], data)
		data, c.n = data[n:], c.n+n
		if len(data) == 0 {
			return written, nil
		}
		c.chain(c.last[:])
	}
	for ; len(data) > BlockSize; data = data[BlockSize:] {
		c.chain(data)
	}
	c.n = copy(c.last[:], data)
	return written, nil
}

// chain takes a block.
func (c *code) chain(b []byte) {
	lo := binary.LittleEndian.Uint64(c.sum[:]) ^ binary.LittleEndian.Uint64(b)
	hi := binary.LittleEndian.Uint64(c.sum[8:]) ^ binary.LittleEndian.Uint64(b[8:])
	binary.LittleEndian.PutUint64(c.sum[:], lo)
	binary.LittleEndian.PutUint64(c.sum[8:], hi)
	c.block.Encrypt(c.sum[:], c.sum[:])
}

// Sum appends the code of what was written, which may go on.
func (c *code) Sum(b []byte) []byte {
	if c.n == BlockSize {
		subtle.XORBytes(c.out[:], c.last[:], c.k1[:])
	} else {
		copy(c.out[:], c.last[:c.n])
		clear(c.out[c.n:])
		// "…the concatenation of x and a single '1', followed by the minimum number of '0's"  RFC 4493 §2.4, and RFC 3566 §4
		c.out[c.n] = 0x80
		subtle.XORBytes(c.out[:], c.out[:], c.k2[:])
	}
	subtle.XORBytes(c.out[:], c.out[:], c.sum[:])
	c.block.Encrypt(c.out[:], c.out[:])
	return append(b, c.out[:]...)
}

// Wipe overwrites the keys of the last block and what is left of a message, and the cipher's key if that can. The code is not to be
// used any more.
func (c *code) Wipe() {
	if w, ok := c.block.(interface{ Wipe() }); ok {
		w.Wipe()
	}
	*c = code{}
}
