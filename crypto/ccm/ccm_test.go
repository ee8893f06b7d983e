package ccm

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/goswan/goswan/crypto/camellia"
	"github.com/goswan/goswan/crypto/ctr"
)

// random returns octets that are the same in every run.
func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b)
	return b
}

// newBlock is AES, or Camellia for odd.
func newBlock(t testing.TB, odd bool, key []byte) cipher.Block {
	t.Helper()
	if odd {
		b, err := camellia.New(key)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	b, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newCCM(t testing.TB, b cipher.Block, nonce, tag int) cipher.AEAD {
	t.Helper()
	a, err := New(b, ctr.New(b), nonce, tag)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// simple is CCM a second time: SP 800-38C §6.1 step by step, with the formatting of its appendix A written out as one string of blocks.
func simple(b cipher.Block, nonce, plain, aad []byte, tag int) []byte {
	// A.2.1: the control information and the nonce.
	q := 15 - len(nonce)
	flags := 8*((tag-2)/2) + (q - 1)
	if len(aad) > 0 {
		flags += 64
	}
	formatted := append([]byte{byte(flags)}, nonce...)
	for i := q - 1; i >= 0; i-- {
		formatted = append(formatted, byte(uint64(len(plain))>>(8*i)))
	}
	// A.2.2: the associated data.
	if a := len(aad); a > 0 {
		if a < 65280 {
			formatted = append(formatted, byte(a>>8), byte(a))
		} else {
			formatted = append(formatted, 0xff, 0xfe, byte(a>>24), byte(a>>16), byte(a>>8), byte(a))
		}
		formatted = append(formatted, aad...)
		for len(formatted)%16 != 0 {
			formatted = append(formatted, 0)
		}
	}
	// A.2.3: the payload.
	formatted = append(formatted, plain...)
	for len(formatted)%16 != 0 {
		formatted = append(formatted, 0)
	}
	// §6.1 steps 2 to 4.
	y := make([]byte, 16)
	for i := 0; i < len(formatted); i += 16 {
		for j := range y {
			y[j] ^= formatted[i+j]
		}
		b.Encrypt(y, y)
	}
	// A.3 and steps 5 to 8.
	s := func(i int) []byte {
		block := make([]byte, 16)
		block[0] = byte(q - 1)
		copy(block[1:], nonce)
		for j := 15; i > 0; j, i = j-1, i>>8 {
			block[j] = byte(i)
		}
		b.Encrypt(block, block)
		return block
	}
	out := make([]byte, 0, len(plain)+tag)
	for i := range plain {
		out = append(out, plain[i]^s(1 + i/16)[i%16])
	}
	for i := range tag {
		out = append(out, y[i]^s(0)[i])
	}
	return out
}

// same holds the cipher to the simple one, apart, in place and behind other octets, and what it must refuse is refused.
func same(t *testing.T, b cipher.Block, nonce, plain, aad []byte, tag int) {
	t.Helper()
	a, want := newCCM(t, b, len(nonce), tag), simple(b, nonce, plain, aad, tag)
	if got := a.Seal(nil, nonce, plain, aad); !bytes.Equal(got, want) {
		t.Fatalf("%d octets seal to %x, the specification has %x", len(plain), got, want)
	}
	buf := append(bytes.Clone(plain), make([]byte, tag)...)
	if a.Seal(buf[:0], nonce, buf[:len(plain)], aad); !bytes.Equal(buf, want) {
		t.Fatalf("%d octets seal in place to %x, want %x", len(plain), buf, want)
	}
	if got, err := a.Open(buf[:0], nonce, buf, aad); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("%d octets open in place to %x, %v", len(plain), got, err)
	}
	if got := a.Seal([]byte("head"), nonce, plain, aad); !bytes.Equal(got, append([]byte("head"), want...)) {
		t.Fatalf("%d octets seal behind others to %x", len(plain), got)
	}
	if got, err := a.Open([]byte("head"), nonce, want, aad); err != nil || !bytes.Equal(got, append([]byte("head"), plain...)) {
		t.Fatalf("%d octets open behind others to %x, %v", len(plain), got, err)
	}
	for _, part := range [][]byte{nonce, aad, want[:len(plain)], want[len(plain):]} {
		if len(part) > 0 {
			part[len(part)/2] ^= 0x10
			refused(t, a, nonce, want, aad)
			part[len(part)/2] ^= 0x10
		}
	}
	refused(t, a, nonce, want[:len(want)-1], aad)
}

// refused opens what must not open, and sees that no octet of plaintext comes out.
func refused(t *testing.T, a cipher.AEAD, nonce, sealed, aad []byte) {
	t.Helper()
	n := max(0, len(sealed)-a.Overhead())
	out := bytes.Repeat([]byte{0xa5}, n+8)
	got, err := a.Open(out[:0:n], nonce, sealed, aad)
	if err == nil || got != nil || !bytes.Equal(out[n:], bytes.Repeat([]byte{0xa5}, 8)) {
		t.Fatalf("a message of %d octets that was changed opens to %x, %v", n, got, err)
	}
	if !bytes.Equal(out[:n], make([]byte, n)) && !bytes.Equal(out[:n], bytes.Repeat([]byte{0xa5}, n)) {
		t.Fatalf("a message of %d octets is refused and leaves %x", n, out[:n])
	}
}

func TestAgainstTheSpecification(t *testing.T) {
	for nonce := 7; nonce <= 13; nonce++ {
		for tag := 4; tag <= 16; tag += 2 {
			for _, n := range []int{0, 1, 15, 16, 17, 31, 32, 33, 128, 129, 300} {
				for _, aad := range []int{0, 1, 8, 12, 13, 14, 15, 30, 31} {
					b := newBlock(t, aad%2 == 1, random(uint64(n), 16+8*(n%3)))
					same(t, b, random(1, nonce), random(2, n), random(3, aad), tag)
				}
			}
		}
	}
}

func TestEveryLengthOfESP(t *testing.T) {
	b := newBlock(t, false, random(4, 32))
	for n := range 400 {
		same(t, b, random(5, 11), random(6, n), random(7, 8+n%5), []int{8, 12, 16}[n%3])
	}
}

// The length of long associated data is written otherwise, and an IKE message may have that much in front of its Encrypted payload.
func TestLongAssociatedData(t *testing.T) {
	b := newBlock(t, false, random(8, 16))
	for _, n := range []int{65278, 65279, 65280, 65281, 70000} {
		same(t, b, random(9, 11), random(10, 40), random(11, n), 16)
	}
}

func TestBounds(t *testing.T) {
	b := newBlock(t, false, random(12, 16))
	// With a nonce of 13 octets a length has 2.
	a := newCCM(t, b, 13, 8)
	same(t, b, random(13, 13), random(14, 65535), nil, 8)
	if got, err := a.Open(nil, make([]byte, 13), make([]byte, 65536+8), nil); err == nil || got != nil {
		t.Errorf("65536 octets open with a length of 2 octets: %v", err)
	}
	mustPanic(t, "65536 octets with a length of 2 octets", func() { a.Seal(nil, make([]byte, 13), make([]byte, 65536), nil) })
	mustPanic(t, "a short nonce", func() { a.Seal(nil, make([]byte, 12), nil, nil) })
	mustPanic(t, "a long nonce to open", func() { _, _ = a.Open(nil, make([]byte, 14), make([]byte, 8), nil) })
	for n := range 8 {
		refused(t, a, make([]byte, 13), make([]byte, n), nil)
	}
	for _, c := range []struct{ nonce, tag int }{{6, 8}, {14, 8}, {11, 2}, {11, 3}, {11, 7}, {11, 18}, {11, 0}} {
		if _, err := New(b, ctr.New(b), c.nonce, c.tag); err == nil {
			t.Errorf("a nonce of %d and a tag of %d octets are taken", c.nonce, c.tag)
		}
	}
}

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: it goes on", what)
		}
	}()
	f()
}

func TestAnyBitOfTheTagFlippedIsRefused(t *testing.T) {
	b := newBlock(t, false, random(15, 16))
	for _, tag := range []int{4, 8, 12, 16} {
		a, nonce := newCCM(t, b, 11, tag), random(16, 11)
		sealed := a.Seal(nil, nonce, random(17, 50), nil)
		for bit := range 8 * tag {
			sealed[50+bit/8] ^= 1 << (bit % 8)
			refused(t, a, nonce, sealed, nil)
			sealed[50+bit/8] ^= 1 << (bit % 8)
		}
	}
}

func TestSealAndOpenAllocateNothing(t *testing.T) {
	for _, odd := range []bool{false, true} {
		a := newCCM(t, newBlock(t, odd, random(18, 16)), 11, 16)
		buf, nonce, aad := make([]byte, 1424), make([]byte, 11), make([]byte, 12)
		if n := testing.AllocsPerRun(20, func() {
			a.Seal(buf[:0], nonce, buf[:1408], aad)
			if _, err := a.Open(buf[:0], nonce, buf, aad); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("Seal and Open allocate %v times, want none", n)
		}
	}
}

func TestWipe(t *testing.T) {
	b := newBlock(t, true, random(19, 16))
	a := newCCM(t, b, 11, 16)
	a.(interface{ Wipe() }).Wipe()
	mustPanic(t, "the cipher after Wipe", func() { a.Seal(nil, make([]byte, 11), nil, nil) })
	mustPanic(t, "the block cipher after Wipe", func() { b.Encrypt(make([]byte, 16), make([]byte, 16)) })
}

func FuzzAgainstTheSpecification(f *testing.F) {
	f.Add(uint8(4), uint8(6), random(20, 32), random(21, 13), []byte("aad"), []byte("plaintext"))
	f.Add(uint8(11), uint8(2), random(22, 32), random(23, 13), random(24, 40), random(25, 200))
	f.Fuzz(func(t *testing.T, size, tag uint8, key, nonce, aad, text []byte) {
		b := newBlock(t, size%2 == 1, append(key, make([]byte, 32)...)[:16+8*(tag%3)])
		n := 7 + int(size/2%7)
		same(t, b, append(nonce, make([]byte, 13)...)[:n:n], text, aad, 4+2*int(tag%7))
		// The text as a message that somebody sent.
		refusedOrOurs(t, b, append(nonce, make([]byte, 13)...)[:n:n], text, aad)
	})
}

// refusedOrOurs opens what nobody sealed: it does not open, unless the simple one seals to just that.
func refusedOrOurs(t *testing.T, b cipher.Block, nonce, text, aad []byte) {
	a := newCCM(t, b, len(nonce), 4)
	if plain, err := a.Open(nil, nonce, text, aad); err == nil && !bytes.Equal(simple(b, nonce, plain, aad, 4), text) {
		t.Fatalf("%x opens to %x, which seals to something else", text, plain)
	}
}

func BenchmarkCCM(b *testing.B) {
	for _, odd := range []bool{false, true} {
		a := newCCM(b, newBlock(b, odd, random(26, 16)), 11, 16)
		buf, nonce, aad := make([]byte, 1424), make([]byte, 11), make([]byte, 8)
		b.Run(fmt.Sprint("Camellia ", odd), func(b *testing.B) {
			b.SetBytes(1408)
			for b.Loop() {
				a.Seal(buf[:0], nonce, buf[:1408], aad)
			}
		})
	}
}
