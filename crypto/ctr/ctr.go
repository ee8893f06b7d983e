// Package ctr is the counter mode (NIST SP 800-38A §6.5) of any block cipher with blocks of 16 octets, without an allocation for
// each message, and Mode, what ESP and IKE make of it:
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---------------------------------------------------------------+
//	|                            Nonce                              |
//	+---------------------------------------------------------------+
//	|                  Initialization Vector (IV)                   |
//	+                                                               +
//	+---------------------------------------------------------------+
//	|                         Block Counter                         |     RFC 3686 §4
//	+---------------------------------------------------------------+
package ctr

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

// BlockSize is the octets of a block.
const BlockSize = 16

// Stream is the key stream of one key. It is not safe for concurrent use.
type Stream interface {
	// XORKeyStream adds to src the key stream that begins with the counter block first and goes on by adding one to its last 32
	// bits, without a carry into the others. dst and src are the same place or do not overlap. first stays as it is.
	XORKeyStream(dst, src []byte, first *[BlockSize]byte)
}

// blocks is what a cipher may have besides: whole blocks at once.
type blocks interface {
	EncryptBlocks(dst, src []byte)
}

// batch is how many blocks are enciphered before they are added.
const batch = 8

// stream is a Stream of any block cipher.
type stream struct {
	block  cipher.Block
	many   blocks // the same, nil when it has not that
	blocks [batch * BlockSize]byte
}

// New is the counter mode of a keyed cipher. A Stream with a method Wipe overwrites its key by it.
func New(b cipher.Block) Stream {
	if b.BlockSize() != BlockSize {
		panic("ctr: a cipher with blocks of another size than 16 octets")
	}
	s := &stream{block: b}
	s.many, _ = b.(blocks)
	return s
}

func (s *stream) XORKeyStream(dst, src []byte, first *[BlockSize]byte) {
	counter := binary.BigEndian.Uint32(first[12:])
	for len(src) > 0 {
		n := min(len(src), len(s.blocks))
		key := s.blocks[:(n+BlockSize-1)/BlockSize*BlockSize]
		for i := 0; i < len(key); i += BlockSize {
			copy(key[i:], first[:12])
			binary.BigEndian.PutUint32(key[i+12:], counter)
			counter++
		}
		s.encrypt(key)
		subtle.XORBytes(dst[:n], src[:n], key)
		dst, src = dst[n:], src[n:]
	}
}

// encrypt enciphers counter blocks in place.
func (s *stream) encrypt(b []byte) {
	if s.many != nil {
		s.many.EncryptBlocks(b, b)
		return
	}
	for ; len(b) > 0; b = b[BlockSize:] {
		s.block.Encrypt(b[:BlockSize], b[:BlockSize])
	}
}

// Wipe overwrites what is left of the key stream, and the key if the cipher can. The Stream is not to be used any more.
func (s *stream) Wipe() {
	clear(s.blocks[:])
	wipe(s.block)
	s.block, s.many = nil, nil
}

func wipe(x any) {
	if w, ok := x.(interface{ Wipe() }); ok {
		w.Wipe()
	}
}

// NonceSize and IVSize are the octets of Mode's nonce, which comes with the key, and of its IV.
const (
	NonceSize = 4
	IVSize    = 8
)

// Mode is both directions of the counter mode of RFC 3686, which are the same; a cipher.BlockMode with blocks of one octet. SetIV
// begins another message, which one call of CryptBlocks takes whole. It is not safe for concurrent use.
type Mode struct {
	stream Stream
	first  [BlockSize]byte
}

// NewMode makes the mode of a Stream and a nonce.
func NewMode(s Stream, nonce []byte) *Mode {
	if len(nonce) != NonceSize {
		panic("ctr: incorrect nonce length")
	}
	m := &Mode{stream: s}
	copy(m.first[:], nonce)
	// "The block counter begins with the value of one"  RFC 3686 §4
	m.first[BlockSize-1] = 1
	return m
}

// BlockSize is 1.
func (m *Mode) BlockSize() int { return 1 }

// SetIV takes the IV of a message, which must not come again with this key.
func (m *Mode) SetIV(iv []byte) {
	if len(iv) != IVSize {
		panic("ctr: incorrect IV length")
	}
	copy(m.first[NonceSize:], iv)
}

// CryptBlocks ciphers a whole message; dst and src are the same place or do not overlap.
func (m *Mode) CryptBlocks(dst, src []byte) { m.stream.XORKeyStream(dst, src, &m.first) }

// Wipe overwrites the nonce, and the key if the Stream can. The Mode is not to be used any more.
func (m *Mode) Wipe() {
	clear(m.first[:])
	if m.stream != nil {
		wipe(m.stream)
	}
	m.stream = nil
}
