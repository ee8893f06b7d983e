package aesgcm

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/cpu"

	"github.com/goswan/goswan/crypto/secret"
)

// accelerated tells whether the processor has what gcm_amd64.s is made of, and the operating system keeps the 512-bit registers
// (which cpu.X86.HasAVX512 includes), and nobody asked for plain Go.
var accelerated = os.Getenv("GOSWAN_NOASM") != "1" &&
	cpu.X86.HasAES && cpu.X86.HasBMI2 &&
	cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL &&
	cpu.X86.HasAVX512VAES && cpu.X86.HasAVX512VPCLMULQDQ

var errOpen = errors.New("aesgcm: message authentication failed")

// maxLen is the longest plaintext: "len(P) ≤ 2³⁹-256" bits, SP 800-38D §5.2.1.1.
const maxLen = (1<<32 - 2) * blockSize

// heldLen is how many octets open deciphers without writing them before the tag was compared.
const heldLen = 240

// vector is AES-GCM by gcm_amd64.s.
type vector struct{ keys schedule }

func newVector(key secret.Bytes) cipher.AEAD {
	v := new(vector)
	v.keys.expand(key)
	return v
}

// seal appends to the n octets of ciphertext at dst their tag. counter is the last 32 bits of J0: 1.
//
//go:noescape
func seal(k *schedule, nonce *[nonceSize]byte, counter uint32, aad *byte, aadLen int, dst, src *byte, n int)

// open deciphers the n octets at src to dst and compares the tag behind them in constant time. Up to heldLen octets stay in
// registers until then. More are hashed and deciphered in one pass, which is faster than hashing first: when open then says that
// the tag is wrong, the caller has to clear dst before anybody sees it.
//
//go:noescape
func open(k *schedule, nonce *[nonceSize]byte, counter uint32, aad *byte, aadLen int, dst, src *byte, n int) bool

func (v *vector) NonceSize() int { return nonceSize }
func (v *vector) Overhead() int  { return tagSize }

func (v *vector) Seal(dst, nonce, plaintext, additionalData []byte) []byte {
	v.check(nonce)
	if uint64(len(plaintext)) > maxLen {
		panic("aesgcm: message too large")
	}
	ret, out := grow(dst, len(plaintext)+tagSize)
	checkOverlap(out, plaintext, additionalData)
	// J0 = IV || 0³¹ || 1, SP 800-38D §7.1 step 2
	seal(&v.keys, (*[nonceSize]byte)(nonce), 1, unsafe.SliceData(additionalData), len(additionalData),
		&out[0], unsafe.SliceData(plaintext), len(plaintext))
	return ret
}

func (v *vector) Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error) {
	v.check(nonce)
	n := len(ciphertext) - tagSize
	if n < 0 || uint64(n) > maxLen {
		return nil, errOpen
	}
	ret, out := grow(dst, n)
	checkOverlap(out, ciphertext, additionalData)
	if !open(&v.keys, (*[nonceSize]byte)(nonce), 1, unsafe.SliceData(additionalData), len(additionalData),
		unsafe.SliceData(out), &ciphertext[0], n) {
		clear(out) // what was written in one pass is not to be seen, as the standard library has it
		return nil, errOpen
	}
	return ret, nil
}

// Wipe overwrites the key schedule. The cipher is not to be used any more.
func (v *vector) Wipe() { v.keys = schedule{} }

// Format prints "[redacted]" for every verb: all that a vector holds is made of the key.
func (v *vector) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(secret.Bytes(nil).String())) }

// check panics for what only a bug of the caller does.
func (v *vector) check(nonce []byte) {
	if len(nonce) != nonceSize {
		panic("aesgcm: incorrect nonce length")
	}
	if v.keys.rounds == 0 {
		panic("aesgcm: used after Wipe")
	}
}

// grow returns b with n octets more, and these alone.
func grow(b []byte, n int) (whole, more []byte) {
	total := len(b) + n
	if cap(b) >= total {
		whole = b[:total]
	} else {
		whole = make([]byte, total)
		copy(whole, b)
	}
	return whole, whole[len(b):]
}

// checkOverlap panics where cipher.AEAD forbids buffers to overlap.
func checkOverlap(out, in, aad []byte) {
	if overlap(out, in) && &out[0] != &in[0] {
		panic("aesgcm: invalid buffer overlap of output and input")
	}
	if overlap(out, aad) {
		panic("aesgcm: invalid buffer overlap of output and additional data")
	}
}

// overlap tells whether two slices share an octet.
func overlap(a, b []byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	x, y := uintptr(unsafe.Pointer(&a[0])), uintptr(unsafe.Pointer(&b[0]))
	return x < y+uintptr(len(b)) && y < x+uintptr(len(a))
}
