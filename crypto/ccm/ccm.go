// Package ccm is counter mode with CBC-MAC (NIST SP 800-38C, RFC 3610) of any block cipher with blocks of 16 octets. RFC 4309 uses
// it in ESP, and RFC 5282 in IKE, with nonces of 11 octets.
//
//	B0 = flags | nonce | length of the plaintext      T = CBC-MAC(B0 | length of A | A | 0… | plaintext | 0…)
//	Ai = flags | nonce | i                            ciphertext = plaintext ⊕ E(A1) | E(A2) …, tag = T ⊕ E(A0), truncated
package ccm

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/goswan/goswan/crypto/ctr"
)

const blockSize = ctr.BlockSize

var errOpen = errors.New("ccm: message authentication failed")

// aead is a cipher.AEAD of which one goroutine at a time may use.
type aead struct {
	block            cipher.Block
	stream           ctr.Stream
	nonceLen, tagLen int

	counter [blockSize]byte // A0, A1
	mac     mac
	mask    [blockSize]byte // E(A0)
}

// New makes the mode of a keyed cipher, whose counter mode is stream, for nonces of 7 to 13 octets and tags of 4, 6, … 16. It is not
// safe for concurrent use and neither Seal nor Open allocates when dst has room. A cipher with a method Wipe is wiped with it.
//
// When Open refuses, dst up to its capacity has the octets it had, or zeros. As with every cipher.AEAD, buffers may overlap exactly
// or not at all, which is not checked.
func New(b cipher.Block, stream ctr.Stream, nonceSize, tagSize int) (cipher.AEAD, error) {
	if b.BlockSize() != blockSize || nonceSize < 7 || nonceSize > 13 || tagSize < 4 || tagSize > 16 || tagSize%2 != 0 {
		return nil, errors.New("ccm: no such parameters in SP 800-38C A.1")
	}
	return &aead{block: b, stream: stream, nonceLen: nonceSize, tagLen: tagSize, mac: mac{block: b}}, nil
}

func (a *aead) NonceSize() int { return a.nonceLen }
func (a *aead) Overhead() int  { return a.tagLen }

// lengthSize is L of RFC 3610: the octets of the plaintext's length and of the counter.
func (a *aead) lengthSize() int { return 15 - a.nonceLen }

// longest is whether plaintext of n octets has a length that fits.
func (a *aead) fits(n int) bool {
	return a.lengthSize() >= 8 || uint64(n)>>(8*a.lengthSize()) == 0 && uint64(n) < 1<<32*blockSize
}

func (a *aead) Seal(dst, nonce, plaintext, additionalData []byte) []byte {
	n := len(plaintext)
	if !a.fits(n) {
		panic("ccm: message too large")
	}
	ret, out := grow(dst, n+a.tagLen)
	a.begin(nonce, n, additionalData)
	a.mac.write(plaintext)
	a.crypt(out[:n], plaintext)
	tag := a.tag()
	copy(out[n:], tag[:a.tagLen])
	return ret
}

func (a *aead) Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error) {
	n := len(ciphertext) - a.tagLen
	if n < 0 || !a.fits(n) {
		return nil, errOpen
	}
	ret, out := grow(dst, n)
	a.begin(nonce, n, additionalData)
	// The tag is of the plaintext, and in place the received one stays where it is, behind out.
	a.crypt(out, ciphertext[:n])
	a.mac.write(out)
	tag := a.tag()
	// "…the payload P and the MAC T shall not be revealed"  SP 800-38C §6.2
	if subtle.ConstantTimeCompare(tag[:a.tagLen], ciphertext[n:]) != 1 {
		clear(out)
		return nil, errOpen
	}
	return ret, nil
}

// begin sets the counter block and hashes what stands in front of the plaintext of n octets.
func (a *aead) begin(nonce []byte, n int, aad []byte) {
	if len(nonce) != a.nonceLen {
		panic("ccm: incorrect nonce length")
	}
	clear(a.counter[:])
	a.counter[0] = byte(a.lengthSize() - 1)
	copy(a.counter[1:], nonce)

	// Flags of B0: a bit for associated data, (t-2)/2 and q-1.  SP 800-38C A.2.1
	b0 := &a.mac.sum
	*b0 = a.counter
	b0[0] |= byte(a.tagLen-2) / 2 << 3
	if len(aad) > 0 {
		b0[0] |= 1 << 6
	}
	for i, rest := blockSize-1, uint64(n); rest != 0; i, rest = i-1, rest>>8 {
		b0[i] = byte(rest)
	}
	a.mac.begin()
	if len(aad) > 0 {
		a.mac.associated(aad)
	}
}

// crypt adds the key stream, which begins with E(A1).
func (a *aead) crypt(dst, src []byte) {
	a.counter[blockSize-1] = 1
	a.stream.XORKeyStream(dst, src, &a.counter)
	a.counter[blockSize-1] = 0
}

// tag is T ⊕ E(A0), before truncation.
func (a *aead) tag() *[blockSize]byte {
	a.block.Encrypt(a.mask[:], a.counter[:])
	subtle.XORBytes(a.mask[:], a.mask[:], a.mac.sum[:])
	return &a.mask
}

// Wipe overwrites the keys if the cipher can, and what is left of a message.
func (a *aead) Wipe() {
	for _, x := range []any{a.block, a.stream} {
		if w, ok := x.(interface{ Wipe() }); ok {
			w.Wipe()
		}
	}
	*a = aead{}
}

// mac is a CBC-MAC under way, of whole blocks: zeros fill the last one of each write.
type mac struct {
	block cipher.Block
	sum   [blockSize]byte
}

// begin takes the first block, which is in sum.
func (m *mac) begin() { m.block.Encrypt(m.sum[:], m.sum[:]) }

// associated takes the associated data behind its length: "If 0 < a < 2^16-2^8, then a is encoded as [a]16 …; if 2^16-2^8 ≤ a < 2^32,
// then a is encoded as 0xff || 0xfe || [a]32"  SP 800-38C A.2.2.
func (m *mac) associated(aad []byte) {
	var room [6]byte
	length := room[:2]
	if n := len(aad); n < 1<<16-1<<8 {
		binary.BigEndian.PutUint16(length, uint16(n))
	} else {
		length = room[:]
		length[0], length[1] = 0xff, 0xfe
		binary.BigEndian.PutUint32(length[2:], uint32(n))
	}
	first := min(len(aad), blockSize-len(length))
	subtle.XORBytes(m.sum[:], m.sum[:], length)
	subtle.XORBytes(m.sum[len(length):], m.sum[len(length):], aad[:first])
	m.block.Encrypt(m.sum[:], m.sum[:])
	m.write(aad[first:])
}

func (m *mac) write(data []byte) {
	for ; len(data) >= blockSize; data = data[blockSize:] {
		lo := binary.LittleEndian.Uint64(m.sum[:]) ^ binary.LittleEndian.Uint64(data)
		hi := binary.LittleEndian.Uint64(m.sum[8:]) ^ binary.LittleEndian.Uint64(data[8:])
		binary.LittleEndian.PutUint64(m.sum[:], lo)
		binary.LittleEndian.PutUint64(m.sum[8:], hi)
		m.block.Encrypt(m.sum[:], m.sum[:])
	}
	if len(data) > 0 {
		subtle.XORBytes(m.sum[:], m.sum[:], data)
		m.block.Encrypt(m.sum[:], m.sum[:])
	}
}

// grow returns b with n octets more, and these alone.
func grow(b []byte, n int) (whole, more []byte) {
	whole = slices.Grow(b, n)[:len(b)+n]
	return whole, whole[len(b):]
}
