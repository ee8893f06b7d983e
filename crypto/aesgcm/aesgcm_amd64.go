package aesgcm

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/cpu"

	"github.com/goswan/goswan/crypto/ctr"
	"github.com/goswan/goswan/crypto/secret"
)

// accelerated tells whether the processor has what gcm_amd64.s is made of, and the operating system keeps the 512-bit registers
// (which cpu.X86.HasAVX512 includes), and nobody asked for plain Go.
var accelerated = os.Getenv("GOSWAN_NOASM") != "1" &&
	cpu.X86.HasAES && cpu.X86.HasBMI2 &&
	cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL &&
	cpu.X86.HasAVX512VAES && cpu.X86.HasAVX512VPCLMULQDQ

// maxLen is the longest plaintext: "len(P) ≤ 2³⁹-256" bits, SP 800-38D §5.2.1.1.
const maxLen = (1<<32 - 2) * blockSize

// heldLen is how many octets open deciphers without writing them before the tag was compared.
const heldLen = 240

// vector is AES-GCM by gcm_amd64.s.
type vector struct {
	keys    schedule
	tagLen  int
	tagMask uint32 // a bit for each octet of the tag
}

func newVector(key secret.Bytes, tagLen int) cipher.AEAD {
	v := &vector{tagLen: tagLen, tagMask: 1<<tagLen - 1}
	v.keys.expand(key)
	return v
}

// seal appends to the n octets of ciphertext at dst their tag, of which the octets with a bit in tagMask are written. counter is the
// last 32 bits of J0: 1.
//
//go:noescape
func seal(k *schedule, nonce *[nonceSize]byte, counter, tagMask uint32, aad *byte, aadLen int, dst, src *byte, n int)

// open deciphers the n octets at src to dst and compares the tag behind them in constant time. Up to heldLen octets stay in
// registers until then. More are hashed and deciphered in one pass, which is faster than hashing first: when open then says that
// the tag is wrong, the caller has to clear dst before anybody sees it.
//
//go:noescape
func open(k *schedule, nonce *[nonceSize]byte, counter, tagMask uint32, aad *byte, aadLen int, dst, src *byte, n int) bool

func (v *vector) NonceSize() int { return nonceSize }
func (v *vector) Overhead() int  { return v.tagLen }

func (v *vector) Seal(dst, nonce, plaintext, additionalData []byte) []byte {
	v.check(nonce)
	if uint64(len(plaintext)) > maxLen {
		panic("aesgcm: message too large")
	}
	ret, out := grow(dst, len(plaintext)+v.tagLen)
	checkOverlap(out, plaintext, additionalData)
	// J0 = IV || 0³¹ || 1, SP 800-38D §7.1 step 2
	seal(&v.keys, (*[nonceSize]byte)(nonce), 1, v.tagMask, unsafe.SliceData(additionalData), len(additionalData),
		&out[0], unsafe.SliceData(plaintext), len(plaintext))
	return ret
}

func (v *vector) Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error) {
	v.check(nonce)
	n := len(ciphertext) - v.tagLen
	if n < 0 || uint64(n) > maxLen {
		return nil, errOpen
	}
	ret, out := grow(dst, n)
	checkOverlap(out, ciphertext, additionalData)
	if !open(&v.keys, (*[nonceSize]byte)(nonce), 1, v.tagMask, unsafe.SliceData(additionalData), len(additionalData),
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

// counter is the counter mode by gcm_amd64.s: GCM without additional data and without a tag.
type counter struct{ keys schedule }

func newCounterVector(key secret.Bytes) ctr.Stream {
	c := new(counter)
	c.keys.expandKey(key) // the powers of H stay zero: what GHASH makes is thrown away
	return c
}

func (c *counter) XORKeyStream(dst, src []byte, first *[blockSize]byte) {
	if c.keys.rounds == 0 {
		panic("aesgcm: used after Wipe")
	}
	if len(src) == 0 {
		return
	}
	_ = dst[len(src)-1]
	// GCM adds one to J0 for the first block.
	seal(&c.keys, (*[nonceSize]byte)(first[:]), binary.BigEndian.Uint32(first[nonceSize:])-1, 0, nil, 0, &dst[0], &src[0], len(src))
}

// Wipe overwrites the key schedule. The Stream is not to be used any more.
func (c *counter) Wipe() { c.keys = schedule{} }

// Format prints "[redacted]" for every verb: all that a counter holds is made of the key.
func (c *counter) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(secret.Bytes(nil).String())) }

// check panics for what only a bug of the caller does.
func (v *vector) check(nonce []byte) {
	if len(nonce) != nonceSize {
		panic("aesgcm: incorrect nonce length")
	}
	if v.keys.rounds == 0 {
		panic("aesgcm: used after Wipe")
	}
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
