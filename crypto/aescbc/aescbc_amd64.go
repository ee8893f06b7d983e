package aescbc

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/cpu"

	"github.com/goswan/goswan/crypto/aeskey"
	"github.com/goswan/goswan/crypto/secret"
)

// accelerated tells whether the processor has what cbc_amd64.s is made of, and the operating system keeps the 512-bit registers
// (which cpu.X86.HasAVX512 includes), and nobody asked for plain Go.
var accelerated = os.Getenv("GOSWAN_NOASM") != "1" &&
	cpu.X86.HasAES && cpu.X86.HasBMI2 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VAES

// schedule is all that a key is made into, laid out for cbc_amd64.s: the round keys of the Equivalent Inverse Cipher of FIPS 197
// §5.3.5, in the order of their use.
type schedule struct {
	round  [14][blockSize]byte // all but the last
	last   [blockSize]byte
	rounds uint64 // 10, 12 or 14; 0 after Wipe
}

// expand fills the schedule.
func (k *schedule) expand(key secret.Bytes) {
	var keys aeskey.Schedule
	defer clear(keys[:])
	rounds := keys.Expand(key)
	k.rounds = uint64(rounds)
	for i := range rounds {
		k.round[i] = keys[rounds-i]
		if i > 0 {
			aeskey.InvMixColumns(&k.round[i])
		}
	}
	k.last = keys[0]
}

// vector deciphers by cbc_amd64.s.
type vector struct {
	keys schedule
	iv   [blockSize]byte
}

func newVector(key secret.Bytes) Mode {
	v := new(vector)
	v.keys.expand(key)
	return v
}

// decryptBlocks deciphers n octets, of whole blocks, from src to dst, which are the same place or do not overlap.
//
//go:noescape
func decryptBlocks(k *schedule, iv *[blockSize]byte, dst, src *byte, n int)

func (v *vector) BlockSize() int { return blockSize }

func (v *vector) SetIV(iv []byte) {
	if len(iv) != blockSize {
		panic("aescbc: incorrect IV length")
	}
	copy(v.iv[:], iv)
}

func (v *vector) CryptBlocks(dst, src []byte) {
	n := len(src)
	if v.keys.rounds == 0 {
		panic("aescbc: used after Wipe")
	}
	if n%blockSize != 0 {
		panic("aescbc: input not full blocks")
	}
	if len(dst) < n {
		panic("aescbc: output smaller than input")
	}
	if n == 0 {
		return
	}
	dst = dst[:n]
	if overlap(dst, src) && &dst[0] != &src[0] {
		panic("aescbc: invalid buffer overlap")
	}
	// In place the last block of ciphertext is gone afterwards.
	next := [blockSize]byte(src[n-blockSize:])
	decryptBlocks(&v.keys, &v.iv, &dst[0], &src[0], n)
	v.iv = next
}

// Wipe overwrites the key schedule. The Mode is not to be used any more.
func (v *vector) Wipe() { *v = vector{} }

// Format prints "[redacted]" for every verb: nearly all that a vector holds is made of the key.
func (v *vector) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(secret.Bytes(nil).String())) }

// overlap tells whether two slices of the same length share an octet.
func overlap(a, b []byte) bool {
	x, y := uintptr(unsafe.Pointer(&a[0])), uintptr(unsafe.Pointer(&b[0]))
	return x < y+uintptr(len(b)) && y < x+uintptr(len(a))
}
