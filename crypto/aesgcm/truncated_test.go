package aesgcm

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/goswan/goswan/crypto/ctr"
)

// ciphers are all implementations with tags of tagLen octets there are for a key on this machine, by name.
func ciphers(t testing.TB, key []byte, tagLen int) map[string]cipher.AEAD {
	t.Helper()
	chosen, err := NewTruncated(key, tagLen)
	if err != nil {
		t.Fatal(err)
	}
	b, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	standard, err := newStandard(key, tagLen)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]cipher.AEAD{"the chosen one": chosen, "the standard library's": standard, "the portable one": newPortable(b, tagLen)}
}

// sameTruncated holds every implementation to the standard library's whole tag.
func sameTruncated(t *testing.T, key, nonce, plain, aad []byte, tagLen int) {
	t.Helper()
	whole, err := newStandard(key, tagSize)
	if err != nil {
		t.Fatal(err)
	}
	n := len(plain)
	want := whole.Seal(nil, nonce, plain, aad)[:n+tagLen]
	for name, c := range ciphers(t, key, tagLen) {
		if c.NonceSize() != nonceSize || c.Overhead() != tagLen {
			t.Fatalf("%s has nonces of %d and tags of %d octets, want 12 and %d", name, c.NonceSize(), c.Overhead(), tagLen)
		}
		room := make([]byte, 64+n+tagLen+64)
		out := around(room, 0, n+tagLen)
		if c.Seal(out[:0], nonce, plain, aad); !bytes.Equal(out, want) || touched(room, 0, n+tagLen) {
			t.Fatalf("%s, tag of %d: %d octets seal to %x, want %x", name, tagLen, n, out, want)
		}
		if got, err := c.Open(out[:0], nonce, out, aad); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%s, tag of %d: %d octets do not open in place to what was sealed: %v", name, tagLen, n, err)
		}
		refuseTruncated(t, name, c, nonce, want, aad)
	}
}

// refuseTruncated flips each bit of the tag, and one of everything else, and cuts the message.
func refuseTruncated(t *testing.T, name string, c cipher.AEAD, nonce, sealed, aad []byte) {
	t.Helper()
	n := len(sealed) - c.Overhead()
	out := make([]byte, n)
	check := func(what string, sealed []byte) {
		t.Helper()
		clear(out)
		if got, err := c.Open(out[:0], nonce, sealed, aad); err == nil || got != nil || !bytes.Equal(out, make([]byte, n)) {
			t.Fatalf("%s opens %d octets with %s, or leaves something of them", name, n, what)
		}
	}
	for bit := range 8 * c.Overhead() {
		sealed[n+bit/8] ^= 1 << (bit % 8)
		check(fmt.Sprintf("bit %d of the tag flipped", bit), sealed)
		sealed[n+bit/8] ^= 1 << (bit % 8)
	}
	for _, part := range [][]byte{sealed[:n], nonce, aad} {
		if len(part) > 0 {
			part[len(part)/2] ^= 4
			check("a bit flipped", sealed)
			part[len(part)/2] ^= 4
		}
	}
	check("an octet less", sealed[:len(sealed)-1])
	check("less than a tag", sealed[:c.Overhead()-1])
}

func TestTruncatedTags(t *testing.T) {
	for _, size := range keySizes {
		for _, tagLen := range []int{8, 12, 16} {
			for _, n := range []int{0, 1, 15, 16, 17, 63, 64, 65, 128, 239, 240, 241, 255, 256, 257, 300, 1420} {
				key, data := random(uint64(70+n), size), random(uint64(n), n+40)
				sameTruncated(t, key, data[:nonceSize], data[40:], data[nonceSize:][:n%28], tagLen)
			}
		}
	}
}

func TestOtherTagSizesPanic(t *testing.T) {
	for _, n := range []int{0, 4, 7, 9, 15, 17} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a tag of %d octets is taken", n)
				}
			}()
			_, _ = NewTruncated(make([]byte, 16), n)
		}()
	}
	for n := range 40 {
		taken := n == 16 || n == 24 || n == 32
		_, err := NewTruncated(make([]byte, n), 8)
		_, err2 := NewCounter(make([]byte, n))
		if (err == nil) != taken || (err2 == nil) != taken {
			t.Errorf("a key of %d octets: %v, %v", n, err, err2)
		}
	}
}

// streams are the implementations of the counter mode there are for a key on this machine.
func streams(t testing.TB, key []byte) map[string]ctr.Stream {
	t.Helper()
	chosen, err := NewCounter(key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]ctr.Stream{"the chosen one": chosen, "the portable one": ctr.New(b)}
}

// sameCounter holds the counter modes to the standard library's, which counts with all 128 bits: data must not be so long that the
// last 32 wrap.
func sameCounter(t *testing.T, key, data []byte, first [blockSize]byte, offset int) {
	t.Helper()
	b, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, len(data))
	cipher.NewCTR(b, first[:]).XORKeyStream(want, data)
	for name, s := range streams(t, key) {
		room := make([]byte, 64+63+len(data)+64)
		out := around(room, offset, len(data))
		before := first
		if s.XORKeyStream(out, data, &first); !bytes.Equal(out, want) || touched(room, offset, len(data)) || first != before {
			t.Fatalf("%s: %d octets become %x, want %x", name, len(data), out, want)
		}
		if s.XORKeyStream(out, out, &first); !bytes.Equal(out, data) {
			t.Fatalf("%s: %d octets do not become themselves in place", name, len(data))
		}
	}
}

func TestCounterAsTheStandardLibrary(t *testing.T) {
	for _, size := range keySizes {
		key := random(80, size)
		for n := range 1100 {
			first := [blockSize]byte(random(uint64(n), blockSize))
			first[nonceSize] &= 0x7f
			sameCounter(t, key, random(81, n), first, n%64)
		}
	}
}

// The last 32 bits wrap and leave the others alone, in all implementations alike.
func TestCounterModeWraps(t *testing.T) {
	key, data := random(82, 16), random(83, 700)
	b, _ := aes.NewCipher(key)
	for before := range uint32(20) {
		first := [blockSize]byte(bytes.Repeat([]byte{0xff}, blockSize))
		binary.BigEndian.PutUint32(first[nonceSize:], -before)
		want := bytes.Clone(data)
		for i := 0; i < len(want); i += blockSize {
			block := first
			binary.BigEndian.PutUint32(block[nonceSize:], uint32(i/blockSize)-before)
			b.Encrypt(block[:], block[:])
			for j := i; j < min(i+blockSize, len(want)); j++ {
				want[j] ^= block[j-i]
			}
		}
		for name, s := range streams(t, key) {
			got := make([]byte, len(data))
			if s.XORKeyStream(got, data, &first); !bytes.Equal(got, want) {
				t.Fatalf("%s wraps wrongly when it begins %d blocks before the end", name, before)
			}
		}
	}
}

func TestTruncatedAndCounterAllocateNothing(t *testing.T) {
	key, nonce, aad := random(84, 16), make([]byte, nonceSize), make([]byte, 12)
	buf, first := make([]byte, 1420+tagSize), new([blockSize]byte)
	for name, s := range streams(t, key) {
		if n := testing.AllocsPerRun(50, func() { s.XORKeyStream(buf, buf, first) }); n != 0 {
			t.Errorf("%s of the counter modes allocates %v times, want none", name, n)
		}
	}
	for name, c := range ciphers(t, key, 8) {
		if n := testing.AllocsPerRun(50, func() {
			c.Seal(buf[:0], nonce, buf[:1420], aad)
			if _, err := c.Open(buf[:0], nonce, buf[:1428], aad); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s with a tag of 8 octets allocates %v times, want none", name, n)
		}
	}
}

func TestWipeOfTruncatedAndCounter(t *testing.T) {
	for name, s := range streams(t, random(85, 16)) {
		s.(interface{ Wipe() }).Wipe()
		mustPanic(t, name, func() { s.XORKeyStream(make([]byte, 16), make([]byte, 16), new([blockSize]byte)) })
	}
	b, _ := aes.NewCipher(random(86, 16))
	p := newPortable(b, 8)
	p.Wipe()
	mustPanic(t, "the portable cipher", func() { p.Seal(nil, make([]byte, nonceSize), nil, nil) })
}

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s goes on after Wipe, with a key that everybody knows", what)
		}
	}()
	f()
}

func FuzzTruncated(f *testing.F) {
	f.Add(uint8(0), uint8(0), random(90, 32), random(91, nonceSize), []byte("aad"), []byte("plaintext"))
	f.Add(uint8(1), uint8(1), random(92, 32), random(93, nonceSize), random(94, 20), random(95, 300))
	f.Fuzz(func(t *testing.T, size, tag uint8, key, nonce, aad, text []byte) {
		key = append(key, make([]byte, 32)...)[:keySizes[size%3]]
		nonce = append(nonce, make([]byte, nonceSize)...)[:nonceSize]
		sameTruncated(t, key, nonce, text, aad, []int{8, 12, 16}[tag%3])
		first := [blockSize]byte(append(nonce, 0, octet(text, 0), octet(text, 1), octet(text, 2)))
		sameCounter(t, key, text, first, int(tag%64))
	})
}

// octet is the octet i of text, 0 where it has none.
func octet(text []byte, i int) byte {
	if i < len(text) {
		return text[i]
	}
	return 0
}
