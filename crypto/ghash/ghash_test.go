package ghash

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"testing"
)

// random returns octets that are the same in every run.
func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b)
	return b
}

// simpleProduct is the multiplication of SP 800-38D §6.3, a bit at a time.
func simpleProduct(x, y [16]byte) (z [16]byte) {
	v := y
	for i := range 128 {
		if x[i/8]>>(7-i%8)&1 == 1 {
			for j := range z {
				z[j] ^= v[j]
			}
		}
		odd := v[15]&1 == 1
		for j := 15; j >= 0; j-- {
			v[j] >>= 1
			if j > 0 {
				v[j] |= v[j-1] << 7
			}
		}
		if odd {
			v[0] ^= 0xe1
		}
	}
	return z
}

// simple is GHASH of SP 800-38D §6.4 over what §7.1 step 5 puts together.
func simple(key, aad, text []byte) []byte {
	var data []byte
	for _, part := range [][]byte{aad, text} {
		data = append(data, part...)
		for len(data)%16 != 0 {
			data = append(data, 0)
		}
	}
	for _, n := range []int{len(aad), len(text)} {
		for i := 7; i >= 0; i-- {
			data = append(data, byte(uint64(n)*8>>(8*i)))
		}
	}
	var y [16]byte
	for ; len(data) > 0; data = data[16:] {
		for j := range y {
			y[j] ^= data[j]
		}
		y = simpleProduct(y, [16]byte(key))
	}
	return y[:]
}

func compare(t *testing.T, h *Hash, key, aad, text []byte, piece int) {
	t.Helper()
	h.Reset()
	for rest := aad; len(rest) > 0; {
		n := min(piece, len(rest))
		h.Write(rest[:n])
		rest = rest[n:]
	}
	h.Pad()
	h.Write(text)
	var sum [BlockSize]byte
	h.Sum(&sum, len(aad), len(text))
	if want := simple(key, aad, text); !bytes.Equal(sum[:], want) {
		t.Fatalf("%d and %d octets hash to %x, the specification has %x", len(aad), len(text), sum, want)
	}
}

func TestAgainstTheSpecification(t *testing.T) {
	for seed := range uint64(20) {
		key, data := random(seed, 16), random(seed+1, 200)
		h := New(key)
		for n := range 70 {
			for _, piece := range []int{1, 7, 16, 33} {
				compare(t, h, key, data[:n], data[n:][:n*3%100], piece)
			}
		}
	}
}

// Keys and data with single bits, all bits and none: where a carry between the holes would show.
func TestExtremes(t *testing.T) {
	ones, zeros := bytes.Repeat([]byte{0xff}, 16), make([]byte, 16)
	blocks := [][]byte{ones, zeros}
	for i := range 128 {
		b := make([]byte, 16)
		b[i/8] = 0x80 >> (i % 8)
		blocks = append(blocks, b)
	}
	for _, key := range blocks {
		h := New(key)
		for _, data := range blocks {
			compare(t, h, key, nil, data, 16)
		}
	}
}

// McGrew and Viega, "The Galois/Counter Mode of Operation (GCM)", appendix B, test case 2.
func TestPublishedVector(t *testing.T) {
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatalf("the test's own hex %q: %v", s, err)
		}
		return b
	}
	h := New(unhex("66e94bd4ef8a2c3b884cfa59ca342b2e"))
	text := unhex("0388dace60b6a392f328c2b971b2fe78")
	h.Write(text)
	var sum [BlockSize]byte
	if h.Sum(&sum, 0, len(text)); hex.EncodeToString(sum[:]) != "f38cbb1ad69223dcc3457ae5b6b0f885" {
		t.Errorf("GHASH is %x, the specification has f38cbb1ad69223dcc3457ae5b6b0f885", sum)
	}
}

func TestWipeAndReset(t *testing.T) {
	key := random(9, 16)
	h := New(key)
	h.Write(random(10, 21))
	compare(t, h, key, nil, random(11, 5), 3) // compare begins with Reset
	if h.Wipe(); *h != (Hash{}) {
		t.Error("Wipe leaves something")
	}
}

func FuzzAgainstTheSpecification(f *testing.F) {
	f.Add(random(1, 16), []byte("aad"), []byte("text"), uint8(1))
	f.Fuzz(func(t *testing.T, key, aad, text []byte, piece uint8) {
		key = append(key, make([]byte, 16)...)[:16]
		compare(t, New(key), key, aad, text, int(piece)+1)
	})
}

func BenchmarkWrite(b *testing.B) {
	h, data := New(random(1, 16)), random(2, 1408)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		h.Write(data)
	}
}
