package aeskey

import (
	"encoding/binary"
	"math/bits"

	"github.com/goswan/goswan/crypto/secret"
)

const blockSize = 16

// Schedule has the round keys in the order of encryption: 11 for AES-128, 13 for AES-192 and 15 for AES-256.
type Schedule [15][blockSize]byte

// subWord is SubWord of FIPS 197 §5.2 by the processor, without a table whose use could be timed.
func subWord(w uint32) uint32

// InvMixColumns is the transformation of FIPS 197 §5.3.3, which makes a round key one of the Equivalent Inverse Cipher, §5.3.5.
//
//go:noescape
func InvMixColumns(block *[blockSize]byte)

// Expand is KeyExpansion of FIPS 197 §5.2 for a key of 16, 24 or 32 octets. It returns the rounds; the last round key is that of
// the same index. The words are little-endian here, so RotWord is a rotation to the right.
func (s *Schedule) Expand(key secret.Bytes) (rounds int) {
	nk := len(key) / 4
	rounds = nk + 6
	var w [4 * len(s)]uint32
	defer clear(w[:])
	for i := range nk {
		w[i] = binary.LittleEndian.Uint32(key[4*i:])
	}
	rcon := uint32(1)
	for i := nk; i < 4*(rounds+1); i++ {
		t := w[i-1]
		switch {
		case i%nk == 0:
			t = subWord(bits.RotateLeft32(t, -8)) ^ rcon
			rcon = rcon<<1 ^ rcon>>7*0x11b
		case nk > 6 && i%nk == 4:
			t = subWord(t)
		}
		w[i] = w[i-nk] ^ t
	}
	for i, word := range w[:4*(rounds+1)] {
		binary.LittleEndian.PutUint32(s[i/4][i%4*4:], word)
	}
	return rounds
}
