package cmac

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"hash"
	"math/big"
	"testing"

	"github.com/goswan/goswan/crypto/camellia"
	"github.com/goswan/goswan/crypto/secret"
)

func newAES(key secret.Bytes) (cipher.Block, error)      { return aes.NewCipher(key) }
func newCamellia(key secret.Bytes) (cipher.Block, error) { return camellia.New(key) }

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("the test's own hex %q: %v", s, err)
	}
	return b
}

func made(t testing.TB, h hash.Hash, err error) hash.Hash {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// The subkeys that RFC 4493 §4 prints, which no code shows.
func TestPublishedSubkeys(t *testing.T) {
	h, err := New(newAES, unhex(t, "2b7e151628aed2a6abf7158809cf4f3c"))
	c := made(t, h, err).(*code)
	if k1, k2 := hex.EncodeToString(c.k1[:]), hex.EncodeToString(c.k2[:]); k1 != "fbeed618357133667c85e08f7236a8de" || k2 != "f7ddac306ae266ccf90bc11ee46d513b" {
		t.Errorf("K1 and K2 are %s and %s, RFC 4493 §4 has others", k1, k2)
	}
}

// simpleCMAC is SP 800-38B §6.2 with the multiplication of its §6.1 in integers.
func simpleCMAC(b cipher.Block, data []byte) []byte {
	l := make([]byte, 16)
	b.Encrypt(l, l)
	double := func(k []byte) []byte {
		n := new(big.Int).Lsh(new(big.Int).SetBytes(k), 1)
		if n.Bit(128) == 1 {
			n.SetBit(n, 128, 0)
			n.Xor(n, big.NewInt(0x87))
		}
		return n.FillBytes(make([]byte, 16))
	}
	k1 := double(l)
	return simpleChain(b, data, k1, double(k1))
}

// simpleXCBC is RFC 3566 §4.
func simpleXCBC(newCipher NewCipher, key, data []byte) []byte {
	b, _ := newCipher(key)
	derived := func(x byte) []byte {
		k := bytes.Repeat([]byte{x}, 16)
		b.Encrypt(k, k)
		return k
	}
	first, _ := newCipher(derived(1))
	return simpleChain(first, data, derived(2), derived(3))
}

// simpleChain is what the two have in common: blocks, the last of which is added to one key if it is whole and else filled and added to
// the other.
func simpleChain(b cipher.Block, data, whole, filled []byte) []byte {
	data = bytes.Clone(data)
	last := whole
	if len(data) == 0 || len(data)%16 != 0 {
		data = append(data, 0x80)
		for len(data)%16 != 0 {
			data = append(data, 0)
		}
		last = filled
	}
	for i := range last {
		data[len(data)-16+i] ^= last[i]
	}
	e := make([]byte, 16)
	for ; len(data) > 0; data = data[16:] {
		for i := range e {
			e[i] ^= data[i]
		}
		b.Encrypt(e, e)
	}
	return e
}

// compare holds both codes, of both ciphers, to the simple ones: written at once and in pieces, twice, and with a Sum in between.
func compare(t *testing.T, key, data []byte, piece int) {
	t.Helper()
	for name, newCipher := range map[string]NewCipher{"AES": newAES, "Camellia": newCamellia} {
		b, err := newCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		h, err := New(newCipher, key)
		check(t, name+"-CMAC", made(t, h, err), func(d []byte) []byte { return simpleCMAC(b, d) }, data, piece)
		h, err = NewXCBC(newCipher, key)
		check(t, name+"-XCBC", made(t, h, err), func(d []byte) []byte { return simpleXCBC(newCipher, key, d) }, data, piece)
	}
}

func check(t *testing.T, name string, h hash.Hash, simple func([]byte) []byte, data []byte, piece int) {
	t.Helper()
	h.Write(data)
	if got, want := h.Sum([]byte("head")), append([]byte("head"), simple(data)...); !bytes.Equal(got, want) {
		t.Fatalf("%s of %d octets is %x, the specification has %x", name, len(data), got, want)
	}
	h.Reset()
	for rest := data; len(rest) > 0; {
		n := min(piece, len(rest))
		if written, err := h.Write(rest[:n]); written != n || err != nil {
			t.Fatalf("%s: Write of %d octets returns %d, %v", name, n, written, err)
		}
		rest = rest[n:]
		if so := data[:len(data)-len(rest)]; len(so)%7 == 0 && !bytes.Equal(h.Sum(nil), simple(so)) {
			t.Fatalf("%s of the first %d octets is wrong in the middle", name, len(so))
		}
	}
	if got, want := h.Sum(nil), simple(data); !bytes.Equal(got, want) {
		t.Fatalf("%s of %d octets in pieces of %d is %x, want %x", name, len(data), piece, got, want)
	}
}

func TestAgainstTheSpecification(t *testing.T) {
	key, data := []byte("sixteen octets.."), make([]byte, 200)
	for i := range data {
		data[i] = byte(i * 11)
	}
	for n := range len(data) {
		for _, piece := range []int{1, 3, 15, 16, 17, 33} {
			compare(t, key, data[:n], piece)
		}
	}
}

func FuzzAgainstTheSpecification(f *testing.F) {
	f.Add([]byte("sixteen octets.."), []byte("data"), uint8(3))
	f.Add(make([]byte, 16), make([]byte, 64), uint8(16))
	f.Fuzz(func(t *testing.T, key, data []byte, piece uint8) {
		compare(t, append(key, make([]byte, 16)...)[:16], data, int(piece)+1)
	})
}

func TestSizes(t *testing.T) {
	h, err := New(newAES, make([]byte, 16))
	if h = made(t, h, err); h.Size() != 16 || h.BlockSize() != 16 {
		t.Errorf("a code has %d octets and blocks of %d, want 16 and 16", h.Size(), h.BlockSize())
	}
}

func TestTheCiphersErrorIsTheAnswer(t *testing.T) {
	for _, f := range []func(NewCipher, secret.Bytes) (hash.Hash, error){New, NewXCBC} {
		var size aes.KeySizeError
		if h, err := f(newAES, make([]byte, 15)); h != nil || !errors.As(err, &size) {
			t.Errorf("a key of 15 octets gives %v, %v", h, err)
		}
		calls := 0
		second := func(key secret.Bytes) (cipher.Block, error) {
			if calls++; calls == 2 {
				return nil, size
			}
			return newAES(key)
		}
		if h, err := f(second, make([]byte, 16)); calls == 2 && (h != nil || err == nil) {
			t.Errorf("that the derived key is refused gives %v, %v", h, err)
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	data, sum := make([]byte, 1400), make([]byte, 0, Size)
	for name, newCipher := range map[string]NewCipher{"AES": newAES, "Camellia": newCamellia} {
		h, err := NewXCBC(newCipher, make([]byte, 16))
		h = made(t, h, err)
		if n := testing.AllocsPerRun(20, func() {
			h.Reset()
			h.Write(data[:13])
			h.Write(data)
			h.Sum(sum)
		}); n != 0 {
			t.Errorf("a code of %s costs %v allocations, want none", name, n)
		}
	}
}

func TestWipe(t *testing.T) {
	h, err := NewXCBC(newCamellia, make([]byte, 16))
	c := made(t, h, err).(*code)
	c.Wipe()
	if *c != (code{}) {
		t.Error("Wipe leaves something")
	}
}
