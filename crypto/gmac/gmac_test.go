package gmac

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// random returns octets that are the same in every run.
func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b)
	return b
}

// standard is the standard library's AES-GCM, whose tag of associated data alone is GMAC.
func standard(t testing.TB, key []byte) cipher.AEAD {
	t.Helper()
	b, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	a, err := cipher.NewGCM(b)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newESP(t testing.TB, key []byte) cipher.AEAD {
	t.Helper()
	a, err := NewESP(key)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// compare holds a packet to the standard library's tag of header, IV and payload.
func compare(t *testing.T, key, nonce, plain, aad []byte) {
	t.Helper()
	a := newESP(t, key)
	want := append(bytes.Clone(plain), standard(t, key).Seal(nil, nonce, nil, slices.Concat(aad, nonce[4:], plain))...)
	if got := a.Seal(nil, nonce, plain, aad); !bytes.Equal(got, want) {
		t.Fatalf("%d octets become %x, want %x", len(plain), got, want)
	}
	buf := append(bytes.Clone(plain), make([]byte, Size)...)
	if a.Seal(buf[:0], nonce, buf[:len(plain)], aad); !bytes.Equal(buf, want) {
		t.Fatalf("%d octets become in place %x, want %x", len(plain), buf, want)
	}
	if got, err := a.Open(buf[:0], nonce, buf, aad); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("%d octets open in place to %x, %v", len(plain), got, err)
	}
	for _, part := range [][]byte{nonce, aad, want} {
		for i := range part {
			part[i] ^= 1 << (i % 8)
			out := make([]byte, len(plain))
			if got, err := a.Open(out[:0], nonce, want, aad); err == nil || got != nil || !bytes.Equal(out, make([]byte, len(plain))) {
				t.Fatalf("a packet of %d octets with a changed bit opens, or leaves something", len(plain))
			}
			part[i] ^= 1 << (i % 8)
		}
	}
}

func TestAgainstTheStandardLibrary(t *testing.T) {
	for _, size := range []int{16, 24, 32} {
		for n := range 100 {
			compare(t, random(uint64(n), size), random(1, 12), random(2, n), random(3, 8+n%5))
		}
	}
}

// Data in pieces is as good as in one.
func TestPieces(t *testing.T) {
	key, nonce, data := random(4, 16), random(5, 12), random(6, 100)
	m, err := New(key)
	if err != nil {
		t.Fatal(err)
	}
	want := standard(t, key).Seal(nil, nonce, nil, data)
	for cut := range data {
		if got := m.Sum(nonce, data[:cut], nil, data[cut:]); !bytes.Equal(got, want) {
			t.Errorf("cut after %d octets the tag is %x, want %x", cut, got, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	a := newESP(t, make([]byte, 16))
	if a.NonceSize() != 12 || a.Overhead() != 16 {
		t.Errorf("nonces have %d octets and tags %d, want 12 and 16", a.NonceSize(), a.Overhead())
	}
	for n := range Size {
		if got, err := a.Open(nil, make([]byte, 12), make([]byte, n), nil); err == nil || got != nil {
			t.Errorf("%d octets open", n)
		}
	}
	for n := range 40 {
		_, err := NewESP(make([]byte, n))
		var size aes.KeySizeError
		if taken := n == 16 || n == 24 || n == 32; taken != (err == nil) || !taken && !errors.As(err, &size) {
			t.Errorf("a key of %d octets: %v", n, err)
		}
	}
	for _, n := range []int{0, 3, 8, 11, 13, 16} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a nonce of %d octets is taken", n)
				}
			}()
			a.Seal(nil, make([]byte, n), nil, nil)
		}()
	}
}

func TestNothingIsAllocated(t *testing.T) {
	a := newESP(t, make([]byte, 32))
	buf, nonce, aad := make([]byte, 1420+Size), make([]byte, 12), make([]byte, 12)
	if n := testing.AllocsPerRun(20, func() {
		a.Seal(buf[:0], nonce, buf[:1420], aad)
		if _, err := a.Open(buf[:0], nonce, buf, aad); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("Seal and Open allocate %v times, want none", n)
	}
}

func TestWipe(t *testing.T) {
	a := newESP(t, make([]byte, 16))
	a.(interface{ Wipe() }).Wipe()
	defer func() {
		if recover() == nil {
			t.Error("it goes on after Wipe")
		}
	}()
	a.Seal(nil, make([]byte, 12), nil, nil)
}

func FuzzAgainstTheStandardLibrary(f *testing.F) {
	f.Add(random(7, 16), random(8, 12), []byte("plaintext"), []byte("aad"))
	f.Fuzz(func(t *testing.T, key, nonce, plain, aad []byte) {
		compare(t, append(key, make([]byte, 32)...)[:16+8*(len(aad)%3)], append(nonce, make([]byte, 12)...)[:12], plain, aad)
	})
}
