// Package ghash is GHASH (NIST SP 800-38D §6.4), the hash under AES-GCM and AES-GMAC, in plain Go and in constant time:
//
//	Y0 = 0,  Yi = (Yi-1 ⊕ Xi) • H        in GF(2^128)
//
// It is for what the fast implementations do not do: short tags, and data that is not in one piece. The carry-less products are
// made of integer products of numbers with holes, wide enough for the sums that a carry would come from; no table and no branch
// depends on the key or the data.
package ghash

import (
	"encoding/binary"
	"math/bits"

	"github.com/goswan/goswan/crypto/secret"
)

// BlockSize is the octets of a block.
const BlockSize = 16

// Hash is a GHASH under way. The field's elements are reflected: bit 0 of the block is the highest of hi.
type Hash struct {
	h0, h1   uint64 // H: low, high
	h2       uint64 // and their sum
	h0r, h1r uint64 // with their bits reversed
	h2r      uint64
	y0, y1   uint64
	part     [BlockSize]byte // a block that is not full
	n        int             // octets of it
}

// New makes the hash of a subkey H of 16 octets, which is not kept.
func New(key secret.Bytes) *Hash {
	h := &Hash{h1: binary.BigEndian.Uint64(key), h0: binary.BigEndian.Uint64(key[8:BlockSize])}
	h.h0r, h.h1r = bits.Reverse64(h.h0), bits.Reverse64(h.h1)
	h.h2, h.h2r = h.h0^h.h1, h.h0r^h.h1r
	return h
}

// Reset begins anew.
func (h *Hash) Reset() {
	h.y0, h.y1, h.n = 0, 0, 0
	clear(h.part[:])
}

// Write hashes data, which may come in any pieces.
func (h *Hash) Write(data []byte) {
	if h.n > 0 {
		n := copy(h.part[h.n:], data)
		data, h.n = data[n:], h.n+n
		if h.n < BlockSize {
			return
		}
		h.Pad()
	}
	for ; len(data) >= BlockSize; data = data[BlockSize:] {
		h.block(binary.BigEndian.Uint64(data), binary.BigEndian.Uint64(data[8:]))
	}
	h.n = copy(h.part[:], data)
}

// Pad fills the block under way with zeros.
func (h *Hash) Pad() {
	if h.n == 0 {
		return
	}
	clear(h.part[h.n:])
	h.n = 0
	h.block(binary.BigEndian.Uint64(h.part[:]), binary.BigEndian.Uint64(h.part[8:]))
}

// Sum ends the hash of aad octets and then text octets, each of which was padded, with the block of their lengths, and writes it to
// sum: "[len(A)]64 || [len(C)]64"  SP 800-38D §7.1 step 5.
func (h *Hash) Sum(sum *[BlockSize]byte, aad, text int) {
	h.Pad()
	h.block(uint64(aad)*8, uint64(text)*8)
	binary.BigEndian.PutUint64(sum[:], h.y1)
	binary.BigEndian.PutUint64(sum[8:], h.y0)
}

// Wipe overwrites the key and the state.
func (h *Hash) Wipe() { *h = Hash{} }

// block adds a block and multiplies by H.
func (h *Hash) block(hi, lo uint64) {
	y0, y1 := h.y0^lo, h.y1^hi
	y0r, y1r := bits.Reverse64(y0), bits.Reverse64(y1)
	y2, y2r := y0^y1, y0r^y1r

	// Karatsuba: three products, the lower half of each as it is and the upper half as the lower one of the reversed operands.
	z0, z1, z2 := multiply(y0, h.h0), multiply(y1, h.h1), multiply(y2, h.h2)
	z0h, z1h, z2h := multiply(y0r, h.h0r), multiply(y1r, h.h1r), multiply(y2r, h.h2r)
	z2 ^= z0 ^ z1
	z2h ^= z0h ^ z1h
	z0h, z1h, z2h = bits.Reverse64(z0h)>>1, bits.Reverse64(z1h)>>1, bits.Reverse64(z2h)>>1
	h.y0, h.y1 = reduce(z0, z0h^z2, z1^z2h, z1h)
}

// reduce takes a product of 255 bits, the lowest word first, which reflected operands leave one bit too low, modulo
// x^128 + x^7 + x^2 + x + 1.
func reduce(v0, v1, v2, v3 uint64) (y0, y1 uint64) {
	v3, v2, v1, v0 = v3<<1|v2>>63, v2<<1|v1>>63, v1<<1|v0>>63, v0<<1
	v2 ^= v0 ^ v0>>1 ^ v0>>2 ^ v0>>7
	v1 ^= v0<<63 ^ v0<<62 ^ v0<<57
	v3 ^= v1 ^ v1>>1 ^ v1>>2 ^ v1>>7
	v2 ^= v1<<63 ^ v1<<62 ^ v1<<57
	return v2, v3
}

// multiply is the lower half of the carry-less product. Every fourth bit of an operand leaves room for the sums of 15 ones; the
// sixteenth is of a column beyond the half.
func multiply(x, y uint64) uint64 {
	const m0, m1, m2, m3 = 0x1111111111111111, 0x2222222222222222, 0x4444444444444444, 0x8888888888888888
	x0, x1, x2, x3 := x&m0, x&m1, x&m2, x&m3
	y0, y1, y2, y3 := y&m0, y&m1, y&m2, y&m3
	return (x0*y0^x1*y3^x2*y2^x3*y1)&m0 |
		(x0*y1^x1*y0^x2*y3^x3*y2)&m1 |
		(x0*y2^x1*y1^x2*y0^x3*y3)&m2 |
		(x0*y3^x1*y2^x2*y1^x3*y0)&m3
}
