package aescbc

import (
	"bytes"
	"crypto/aes"
	"errors"
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

// keyed is our decrypting mode, and the standard library's two with the same key.
func keyed(t testing.TB, key []byte) (ours, encrypt, theirs Mode) {
	t.Helper()
	_, ours, err := New(key)
	if err != nil {
		t.Fatalf("New refuses a key of %d octets: %v", len(key), err)
	}
	encrypt, theirs, err = newStandard(key)
	if err != nil {
		t.Fatal(err)
	}
	return ours, encrypt, theirs
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

// same deciphers whole blocks, apart, in place, and in two calls of which the second continues the first.
func same(t *testing.T, ours, theirs Mode, room, iv, in []byte, offset, split int) {
	t.Helper()
	n, want := len(in), make([]byte, len(in))
	theirs.SetIV(iv)
	theirs.CryptBlocks(want, in)
	room = room[:64+63+n+64]
	check := func(how string, out []byte) {
		t.Helper()
		if !bytes.Equal(out, want) {
			t.Fatalf("%d octets at offset %d decipher %s to other octets than the standard library's", n, offset, how)
		}
		if touched(room, offset, n) {
			t.Fatalf("%d octets at offset %d deciphered %s: octets around the buffer were written", n, offset, how)
		}
	}
	out := around(room, offset, n)
	ours.SetIV(iv)
	ours.CryptBlocks(out, in)
	check("apart", out)

	copy(out, in)
	ours.SetIV(iv)
	ours.CryptBlocks(out, out)
	check("in place", out)

	copy(out, in)
	ours.SetIV(iv)
	ours.CryptBlocks(out, out[:split])
	ours.CryptBlocks(out[split:], out[split:])
	check("in two calls", out)
}

func TestEveryLengthAsTheStandardLibrary(t *testing.T) {
	const most = 4096
	data, room := random(1, most+64), make([]byte, most+1024)
	for _, size := range keySizes {
		t.Run(fmt.Sprint(8*size), func(t *testing.T) {
			for n := 0; n <= most; n += blockSize {
				ours, _, theirs := keyed(t, random(uint64(size+n), size))
				for i := range 8 {
					offset := (n/blockSize*7 + i*9) % 64
					same(t, ours, theirs, room, data[n%40:][:blockSize], data[63-offset:][:n], offset, n/blockSize*i/7*blockSize)
				}
			}
		})
	}
}

func TestLargeMessagesAsTheStandardLibrary(t *testing.T) {
	data := random(3, 1<<20)
	room := make([]byte, len(data)+1024)
	for _, size := range keySizes {
		ours, _, theirs := keyed(t, random(uint64(size), size))
		for _, n := range []int{8992, 16384, 65520, 1<<20 - 16} {
			same(t, ours, theirs, room, data[:blockSize], data[16:][:n], 5, n/32*16)
		}
	}
}

func TestWhatIsEncipheredIsDeciphered(t *testing.T) {
	for _, size := range keySizes {
		encrypt, decrypt, err := New(random(4, size))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{16, 256, 1424} {
			plain, iv := random(5, n), random(6, blockSize)
			buf := append([]byte{}, plain...)
			encrypt.SetIV(iv)
			encrypt.CryptBlocks(buf, buf)
			if bytes.Equal(buf, plain) {
				t.Fatalf("%d octets are not enciphered", n)
			}
			decrypt.SetIV(iv)
			if decrypt.CryptBlocks(buf, buf); !bytes.Equal(buf, plain) {
				t.Errorf("%d octets do not decipher to what was enciphered", n)
			}
		}
	}
}

func TestPanicsAsTheStandardLibrary(t *testing.T) {
	ours, encrypt, theirs := keyed(t, random(7, 16))
	panics := func(f func()) (did bool) {
		defer func() { did = recover() != nil }()
		f()
		return false
	}
	for n := range 50 {
		for room := range 50 {
			run := func(m Mode) bool { return panics(func() { m.CryptBlocks(make([]byte, room, 100), make([]byte, n)) }) }
			if got, want := run(ours), run(theirs); got != want {
				t.Errorf("%d octets with room for %d: panics %v, the standard library's %v", n, room, got, want)
			}
		}
	}
	for shift := -70; shift <= 70; shift++ {
		run := func(m Mode) bool {
			room := make([]byte, 300)
			return panics(func() { m.CryptBlocks(room[100:], room[100+shift:][:64]) })
		}
		if got, want := run(ours), run(theirs); got != want {
			t.Errorf("buffers %d octets apart: panics %v, the standard library's %v", shift, got, want)
		}
	}
	for _, n := range []int{0, 8, 15, 17, 32} {
		for _, m := range []Mode{ours, encrypt} {
			if !panics(func() { m.SetIV(make([]byte, n)) }) {
				t.Errorf("an IV of %d octets is taken", n)
			}
		}
	}
}

func TestKeyLengths(t *testing.T) {
	for n := range 65 {
		encrypt, decrypt, err := New(make([]byte, n))
		var size aes.KeySizeError
		taken := n == 16 || n == 24 || n == 32
		if taken && (err != nil || encrypt.BlockSize() != 16 || decrypt.BlockSize() != 16) {
			t.Errorf("a key of %d octets: %v", n, err)
		}
		if !taken && (encrypt != nil || decrypt != nil || !errors.As(err, &size)) {
			t.Errorf("a key of %d octets: %v", n, err)
		}
	}
}

func TestDoesNotAllocate(t *testing.T) {
	for _, size := range keySizes {
		encrypt, decrypt, _ := New(random(8, size))
		for _, n := range []int{0, 16, 240, 1424} {
			buf, iv := make([]byte, n), make([]byte, blockSize)
			if allocs := testing.AllocsPerRun(100, func() {
				encrypt.SetIV(iv)
				encrypt.CryptBlocks(buf, buf)
				decrypt.SetIV(iv)
				decrypt.CryptBlocks(buf, buf)
			}); allocs != 0 {
				t.Errorf("%d octets both ways allocate %v times", n, allocs)
			}
		}
	}
}

func FuzzAsTheStandardLibrary(f *testing.F) {
	f.Add(uint8(0), random(9, 16), random(10, blockSize), random(11, 16), uint8(3), uint8(0))
	f.Add(uint8(1), random(12, 24), random(13, blockSize), random(14, 320), uint8(0), uint8(7))
	f.Add(uint8(2), random(15, 32), random(16, blockSize), random(17, 1424), uint8(63), uint8(80))
	f.Fuzz(func(t *testing.T, size uint8, key, iv, in []byte, offset, split uint8) {
		key = append(key, make([]byte, 32)...)[:keySizes[size%3]]
		iv = append(iv, make([]byte, blockSize)...)[:blockSize]
		in = in[:len(in)/blockSize*blockSize]
		ours, _, theirs := keyed(t, key)
		same(t, ours, theirs, make([]byte, len(in)+1024), iv, in, int(offset%64), min(int(split)*blockSize, len(in)))
	})
}

// The standard library's figures stand beside ours, of the same run.
func BenchmarkDecrypt(b *testing.B) {
	for _, size := range keySizes {
		ours, _, theirs := keyed(b, random(18, size))
		for _, n := range []int{64, 256, 1424, 4096, 16384} {
			for _, m := range []struct {
				name string
				Mode
			}{{"goswan", ours}, {"standard", theirs}} {
				b.Run(fmt.Sprintf("AES-%d/%d/%s", 8*size, n, m.name), func(b *testing.B) {
					buf := make([]byte, n)
					b.SetBytes(int64(n))
					for b.Loop() {
						m.CryptBlocks(buf, buf)
					}
				})
			}
		}
	}
}
