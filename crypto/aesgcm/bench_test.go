package aesgcm

import (
	"crypto/cipher"
	"fmt"
	"testing"
)

// The standard library's figures stand beside ours, of the same run.
func BenchmarkSeal(b *testing.B) {
	sideBySide(b, func(b *testing.B, c cipher.AEAD, n int) {
		buf, nonce, aad := make([]byte, n, n+tagSize), make([]byte, nonceSize), make([]byte, 8)
		for b.Loop() {
			c.Seal(buf[:0], nonce, buf, aad)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	sideBySide(b, func(b *testing.B, c cipher.AEAD, n int) {
		plain, nonce, aad := make([]byte, n), make([]byte, nonceSize), make([]byte, 8)
		sealed := c.Seal(nil, nonce, plain, aad)
		for b.Loop() {
			if _, err := c.Open(plain[:0], nonce, sealed, aad); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func sideBySide(b *testing.B, f func(b *testing.B, c cipher.AEAD, n int)) {
	for _, size := range keySizes {
		ours, theirs := pair(b, random(3, size))
		for _, n := range []int{64, 256, 1420, 4096, 16384} {
			for _, c := range []struct {
				name string
				cipher.AEAD
			}{{"goswan", ours}, {"standard", theirs}} {
				b.Run(fmt.Sprintf("AES-%d/%d/%s", 8*size, n, c.name), func(b *testing.B) {
					b.SetBytes(int64(n))
					f(b, c, n)
				})
			}
		}
	}
}
