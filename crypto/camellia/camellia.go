// Package camellia is the block cipher Camellia (RFC 3713), with blocks of 128 bits and keys of 128, 192 or 256.
//
//	D1 | D2 = P ⊕ (kw1 | kw2)
//	six rounds   D2 = D2 ⊕ F(D1, k1), D1 = D1 ⊕ F(D2, k2) …, three or four times, with FL(D1), FL⁻¹(D2) in between
//	C = (D2 | D1) ⊕ (kw3 | kw4)
//
// It has no table and no branch on secrets, so that neither keys nor data show in its timing: the s-boxes are circuits. Eight blocks
// at once cost hardly more than two, so what can be done at once, deciphering of CBC and the counter mode, is.
package camellia

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"github.com/goswan/goswan/crypto/secret"
)

// BlockSize is the octets of a block.
const BlockSize = 16

// batch is how many blocks are worked on at once.
const batch = 8

// KeySizeError is a key whose length is not 16, 24 or 32 octets.
type KeySizeError int

// Error says which length it was.
func (k KeySizeError) Error() string { return fmt.Sprintf("camellia: invalid key size %d", int(k)) }

// Cipher is a keyed Camellia; a crypto/cipher.Block that also takes many blocks at once.
type Cipher struct{ encrypt, decrypt schedule }

// schedule is the subkeys of one direction in the order of their use, RFC 3713 §2.2.
type schedule struct {
	before, after [2]uint64 // kw1, kw2 and kw3, kw4
	round         []uint64  // k1 …: 18 or 24
	layer         []uint64  // ke1 …: two between six rounds
}

// New keys the cipher; a key of 16, 24 or 32 octets chooses Camellia-128, -192 or -256 and any other is a KeySizeError. The key is
// not kept.
func New(key secret.Bytes) (*Cipher, error) {
	switch len(key) {
	case 16, 24, 32:
	default:
		return nil, KeySizeError(len(key))
	}
	c := &Cipher{encrypt: expand(key)}
	c.decrypt = c.encrypt.reversed()
	return c, nil
}

// BlockSize is 16.
func (c *Cipher) BlockSize() int { return BlockSize }

// Encrypt enciphers one block; dst and src are the same place or do not overlap.
func (c *Cipher) Encrypt(dst, src []byte) { c.encrypt.one(dst, src) }

// Decrypt deciphers one block; dst and src are the same place or do not overlap.
func (c *Cipher) Decrypt(dst, src []byte) { c.decrypt.one(dst, src) }

// EncryptBlocks enciphers len(src) octets of whole blocks, each by itself; dst and src are the same place or do not overlap.
func (c *Cipher) EncryptBlocks(dst, src []byte) { c.encrypt.many(dst, src) }

// DecryptBlocks is the contrary of EncryptBlocks.
func (c *Cipher) DecryptBlocks(dst, src []byte) { c.decrypt.many(dst, src) }

// Wipe overwrites the subkeys. The Cipher is not to be used any more.
func (c *Cipher) Wipe() {
	for _, s := range []*schedule{&c.encrypt, &c.decrypt} {
		clear(s.round)
		clear(s.layer)
		*s = schedule{}
	}
}

// Format prints "[redacted]" for every verb: all that a Cipher holds is made of the key.
func (c *Cipher) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(secret.Bytes(nil).String())) }

// one runs the rounds over one block.
func (s *schedule) one(dst, src []byte) {
	if len(s.round) == 0 {
		panic("camellia: used after Wipe")
	}
	d1 := binary.BigEndian.Uint64(src) ^ s.before[0]
	d2 := binary.BigEndian.Uint64(src[8:BlockSize]) ^ s.before[1]
	for i := 0; i < len(s.round); i += 2 {
		if i != 0 && i%6 == 0 {
			d1 = fl(d1, s.layer[i/3-2])
			d2 = flInverse(d2, s.layer[i/3-1])
		}
		d2 ^= f(d1 ^ s.round[i])
		d1 ^= f(d2 ^ s.round[i+1])
	}
	_ = dst[BlockSize-1]
	binary.BigEndian.PutUint64(dst, d2^s.after[0])
	binary.BigEndian.PutUint64(dst[8:], d1^s.after[1])
}

// many runs the rounds over whole blocks, a batch at a time.
func (s *schedule) many(dst, src []byte) {
	if len(src)%BlockSize != 0 || len(dst) < len(src) {
		panic("camellia: no whole blocks, or no room for them")
	}
	for len(src) >= batch*BlockSize {
		s.eight(dst, src)
		dst, src = dst[batch*BlockSize:], src[batch*BlockSize:]
	}
	if len(src) <= 2*BlockSize {
		for ; len(src) > 0; dst, src = dst[BlockSize:], src[BlockSize:] {
			s.one(dst, src)
		}
		return
	}
	var room [batch * BlockSize]byte
	copy(room[:], src)
	s.eight(room[:], room[:])
	copy(dst, room[:len(src)])
	clear(room[:])
}

// eight runs the rounds over a batch.
func (s *schedule) eight(dst, src []byte) {
	if len(s.round) == 0 {
		panic("camellia: used after Wipe")
	}
	var d1, d2 planes
	src, dst = src[:batch*BlockSize], dst[:batch*BlockSize]
	for b := range batch {
		d1[b] = binary.BigEndian.Uint64(src[b*BlockSize:]) ^ s.before[0]
		d2[b] = binary.BigEndian.Uint64(src[b*BlockSize+8:]) ^ s.before[1]
	}
	for i := 0; i < len(s.round); i += 2 {
		if i != 0 && i%6 == 0 {
			for b := range batch {
				d1[b] = fl(d1[b], s.layer[i/3-2])
				d2[b] = flInverse(d2[b], s.layer[i/3-1])
			}
		}
		f8(&d2, &d1, s.round[i])
		f8(&d1, &d2, s.round[i+1])
	}
	for b := range batch {
		binary.BigEndian.PutUint64(dst[b*BlockSize:], d2[b]^s.after[0])
		binary.BigEndian.PutUint64(dst[b*BlockSize+8:], d1[b]^s.after[1])
	}
}

// f is F of RFC 3713 §2.4.1 for a word that the subkey was added to.
func f(x uint64) uint64 {
	x = transposeOne(before(x))
	var p planes
	for i := range p {
		p[i] = x >> (8 * i)
	}
	p.sbox1()
	x = 0
	for i := range p {
		x |= p[i] & 0xff << (8 * i)
	}
	return diffuse(after(transposeOne(x)))
}

// f8 adds F of each of eight words and one subkey to eight others.
func f8(to, from *planes, key uint64) {
	var p planes
	for b := range p {
		p[b] = before(from[b] ^ key)
	}
	transpose(&p)
	p.sbox1()
	transpose(&p)
	for b := range p {
		to[b] ^= diffuse(after(p[b]))
	}
}

// diffuse is the linear layer of F: y1 to y8 from t1 to t8, the halves of which are sums of rotated halves.
func diffuse(x uint64) uint64 {
	l, r := uint32(x>>32), uint32(x)
	both := l ^ bits.RotateLeft32(r, 8) ^ bits.RotateLeft32(r, 16) ^ bits.RotateLeft32(r, 24)
	left := both ^ bits.RotateLeft32(l, 16) ^ bits.RotateLeft32(l, 24)
	return uint64(left)<<32 | uint64(both^bits.RotateLeft32(l, 8))
}

// fl is FL of RFC 3713 §2.4.2.
func fl(x, key uint64) uint64 {
	x1, x2 := uint32(x>>32), uint32(x)
	x2 ^= bits.RotateLeft32(x1&uint32(key>>32), 1)
	x1 ^= x2 | uint32(key)
	return uint64(x1)<<32 | uint64(x2)
}

// flInverse is FLINV of RFC 3713 §2.4.3.
func flInverse(y, key uint64) uint64 {
	y1, y2 := uint32(y>>32), uint32(y)
	y1 ^= y2 | uint32(key)
	y2 ^= bits.RotateLeft32(y1&uint32(key>>32), 1)
	return uint64(y1)<<32 | uint64(y2)
}

// reversed is the schedule of the other direction: "The decryption procedure … can be done in the same way as the encryption
// procedure by reversing the order of the subkeys."  RFC 3713 §2.3.3
func (s *schedule) reversed() schedule {
	r := schedule{before: s.after, after: s.before, round: slices.Clone(s.round), layer: slices.Clone(s.layer)}
	slices.Reverse(r.round)
	slices.Reverse(r.layer)
	return r
}
