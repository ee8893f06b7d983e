package aesgcm

import (
	"encoding/binary"

	"github.com/goswan/goswan/crypto/aeskey"
	"github.com/goswan/goswan/crypto/secret"
)

// schedule is all that a key is made into, laid out for gcm_amd64.s.
type schedule struct {
	round  [14][blockSize]byte // round keys but the last, from offset 0
	last   [blockSize]byte     // the last round key, 224
	rounds uint64              // 10, 12 or 14, 240; 0 after Wipe
	_      uint64
	power  [16][blockSize]byte // H¹⁶ … H, reflected and shifted by a bit, 256
	_      [64]byte            // read by loads of four powers that begin at a later one
}

// multiply is the product of two elements of GHASH's field: a, reflected, and b as factor makes it. The product of two factors
// is a factor.
//
//go:noescape
func multiply(product, a, b *[blockSize]byte)

// expand fills the schedule.
func (k *schedule) expand(key secret.Bytes) {
	k.expandKey(key)
	k.expandHash()
}

// expandKey keeps the round keys, the last one apart.
func (k *schedule) expandKey(key secret.Bytes) {
	var keys aeskey.Schedule
	defer clear(keys[:])
	rounds := keys.Expand(key)
	k.rounds = uint64(rounds)
	copy(k.round[:], keys[:rounds])
	k.last = keys[rounds]
}

// expandHash makes the powers of the hash subkey H = CIPH_K(0¹²⁸), SP 800-38D §6.4.
func (k *schedule) expandHash() {
	// While the powers are zero so is GHASH, and the tag of nothing is the counter block enciphered.
	var nonce [nonceSize]byte
	var h [blockSize]byte
	seal(k, &nonce, 0, 1<<tagSize-1, nil, 0, &h[0], nil, 0)
	defer clear(h[:])

	k.power[15] = factor(&h)
	for i := 14; i >= 0; i-- {
		multiply(&k.power[i], &k.power[i+1], &k.power[15])
	}
}

// factor makes a block what multiply takes for b: reflected and times x, shifted by one bit and reduced when a bit falls out,
// without a branch on it.
func factor(h *[blockSize]byte) (f [blockSize]byte) {
	hi, lo := binary.BigEndian.Uint64(h[:]), binary.BigEndian.Uint64(h[8:])
	carry := hi >> 63
	hi, lo = hi<<1|lo>>63, lo<<1
	binary.LittleEndian.PutUint64(f[:], lo^carry)
	binary.LittleEndian.PutUint64(f[8:], hi^-carry&0xc200000000000000)
	return f
}
