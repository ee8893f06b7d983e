package aesgcm

import (
	"bytes"
	"crypto/cipher"
	"fmt"
	"math/rand/v2"
	"testing"
)

var keySizes = []int{16, 24, 32}

// random returns octets that are the same in every run.
func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	var s [32]byte
	s[0], s[1], s[2] = byte(seed), byte(seed>>8), byte(seed>>16)
	_, _ = rand.NewChaCha8(s).Read(b)
	return b
}

// pair is our cipher and the standard library's with the same key.
func pair(t testing.TB, key []byte) (ours, theirs cipher.AEAD) {
	t.Helper()
	ours, err := New(key)
	if err != nil {
		t.Fatalf("New refuses a key of %d octets: %v", len(key), err)
	}
	theirs, err = newStandard(key, tagSize)
	if err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// guard is what stands around a buffer, and has to stand there afterwards.
const guard = 0xa5

// around returns a buffer of n octets that begins offset octets behind an aligned one, between guards.
func around(room []byte, offset, n int) []byte {
	for i := range room {
		room[i] = guard
	}
	return room[64+offset:][:n:n]
}

// touched tells whether an octet of room other than the n at offset was written.
func touched(room []byte, offset, n int) bool {
	for i, x := range room {
		if x != guard && (i < 64+offset || i >= 64+offset+n) {
			return true
		}
	}
	return false
}

// same seals and opens one message with both ciphers, apart and in place.
func same(t *testing.T, ours, theirs cipher.AEAD, room, nonce, plain, aad []byte, offset int) {
	t.Helper()
	n := len(plain)
	want := theirs.Seal(nil, nonce, plain, aad)
	room = room[:64+63+n+tagSize+64]
	apart := around(room, offset, n+tagSize)
	if ours.Seal(apart[:0], nonce, plain, aad); !bytes.Equal(apart, want) {
		t.Fatalf("%d octets with %d of AAD at offset %d seal to other octets than the standard library's", n, len(aad), offset)
	}
	if back, err := ours.Open(apart[:0], nonce, apart, aad); err != nil || !bytes.Equal(back, plain) {
		t.Fatalf("%d octets with %d of AAD do not open in place to what was sealed: %v", n, len(aad), err)
	}
	if ours.Seal(apart[:0], nonce, apart[:n], aad); !bytes.Equal(apart, want) {
		t.Fatalf("%d octets with %d of AAD seal in place to other octets", n, len(aad))
	}
	if touched(room, offset, n+tagSize) {
		t.Fatalf("%d octets with %d of AAD at offset %d: octets around the buffer were written", n, len(aad), offset)
	}
	out := around(room, offset, n)
	if _, err := ours.Open(out[:0], nonce, want, aad); err != nil || !bytes.Equal(out, plain) {
		t.Fatalf("%d octets with %d of AAD do not open to what was sealed: %v", n, len(aad), err)
	}
	if touched(room, offset, n) {
		t.Fatalf("%d octets opened at offset %d: octets around the buffer were written", n, offset)
	}
}

func TestEveryLengthAsTheStandardLibrary(t *testing.T) {
	const most = 4096
	data, room := random(1, most+64), make([]byte, most+1024)
	for _, size := range keySizes {
		t.Run(fmt.Sprint(8*size), func(t *testing.T) {
			ours, theirs := pair(t, random(uint64(size), size))
			for n := range most + 1 {
				for i, aad := range []int{0, 8, 12, 20} {
					offset := (n*7 + i*17) % 64
					same(t, ours, theirs, room, data[n%50:][:nonceSize], data[offset:][:n], data[n%61:][:aad], offset)
				}
			}
		})
	}
}

func TestEveryAADLengthAsTheStandardLibrary(t *testing.T) {
	data, room := random(2, 1024), make([]byte, 2048)
	for _, size := range keySizes {
		ours, theirs := pair(t, random(uint64(size), size))
		for aad := range 300 {
			for _, n := range []int{0, 1, 16, 63, 64, 65, 239, 240, 241, 255, 256, 257, 511, 512, 600} {
				same(t, ours, theirs, room, data[aad:][:nonceSize], data[aad%64:][:n], data[aad:][:aad], aad%64)
			}
		}
	}
}

func TestLargeMessagesAsTheStandardLibrary(t *testing.T) {
	data := random(3, 1<<20+100)
	room := make([]byte, len(data)+1024)
	for _, size := range keySizes {
		ours, theirs := pair(t, random(uint64(size), size))
		for _, n := range []int{9000, 16384, 65503, 65535, 65536, 1<<20 + 13} {
			same(t, ours, theirs, room, data[:nonceSize], data[1:][:n], data[2:][:n/7], 5)
		}
	}
}
