package packet

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// words is the sum by its definition: words of 16 bits, one after the other. RFC 1071 §1.
func words(b []byte, acc uint64) uint64 {
	for ; len(b) >= 2; b = b[2:] {
		acc += uint64(binary.LittleEndian.Uint16(b))
	}
	if len(b) == 1 {
		acc += uint64(b[0])
	}
	return acc
}

// vectors are the assemblies that run here.
func vectors() (out []assembly) {
	for _, a := range []assembly{avx2, avx512} {
		if runs(a) {
			out = append(out, a)
		}
	}
	return out
}

func TestSumByItsDefinition(t *testing.T) {
	const most = 4096
	random := make([]byte, most+64)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(random)
	ones := make([]byte, most+64)
	for i := range ones {
		ones[i] = 0xff
	}
	for name, data := range map[string][]byte{"random": random, "ones": ones, "zero": make([]byte, most+64)} {
		for n := range most + 1 {
			offset, acc := n*7%64, uint64(n)*0x12345
			b := data[offset:][:n]
			want := fold(words(b, acc))
			if got := fold(sum(b, acc)); got != want {
				t.Fatalf("%d octets of %s data at offset %d: %#04x, want %#04x", n, name, offset, got, want)
			}
			if got := fold(sumGeneric(b, acc)); got != want {
				t.Fatalf("%d octets of %s data at offset %d in plain Go: %#04x, want %#04x", n, name, offset, got, want)
			}
			for _, a := range vectors() {
				for _, offset := range []int{0, 1, n % 64} {
					b := data[offset:][:n]
					if got, want := fold(sumVector(a, b, acc)), fold(words(b, acc)); got != want {
						t.Fatalf("%d octets of %s data at offset %d by assembly %d: %#04x, want %#04x", n, name, offset, a, got, want)
					}
				}
			}
		}
	}
}

// A full accumulator carries around.
func TestSumCarriesAround(t *testing.T) {
	b := make([]byte, 1000)
	for i := range b {
		b[i] = 0xff
	}
	for _, acc := range []uint64{math.MaxUint64, math.MaxUint64 - 1, math.MaxUint64 - 0xffffffff} {
		if got, want := fold(sum(b, acc)), fold(words(b, uint64(fold(acc)))); got != want {
			t.Errorf("an accumulator of %#x and ones: %#04x, want %#04x", acc, got, want)
		}
		for _, a := range vectors() {
			if got, want := fold(sumVector(a, b, acc)), fold(words(b, uint64(fold(acc)))); got != want {
				t.Errorf("an accumulator of %#x and ones by assembly %d: %#04x, want %#04x", acc, a, got, want)
			}
		}
	}
}

func FuzzSum(f *testing.F) {
	f.Add([]byte("an odd number of octets"), uint64(0))
	f.Add(make([]byte, 300), uint64(math.MaxUint64))
	f.Fuzz(func(t *testing.T, b []byte, acc uint64) {
		want := fold(words(b, uint64(fold(acc))))
		if got := fold(sum(b, acc)); got != want {
			t.Errorf("%d octets: %#04x, want %#04x", len(b), got, want)
		}
		if got := fold(sumGeneric(b, acc)); got != want {
			t.Errorf("%d octets in plain Go: %#04x, want %#04x", len(b), got, want)
		}
		for _, a := range vectors() {
			if got := fold(sumVector(a, b, acc)); got != want {
				t.Errorf("%d octets by assembly %d: %#04x, want %#04x", len(b), a, got, want)
			}
		}
	})
}

func BenchmarkSum(b *testing.B) {
	for _, n := range []int{20, 40, 64, 96, 128, 192, 256, 512, 1460, 65000} {
		data := make([]byte, n)
		ways := map[string]func([]byte, uint64) uint64{"sum": sum, "plain": sumGeneric}
		for _, a := range vectors() {
			ways[fmt.Sprint("assembly", a)] = func(b []byte, acc uint64) uint64 { return sumVector(a, b, acc) }
		}
		for name, f := range ways {
			b.Run(fmt.Sprintf("%d/%s", n, name), func(b *testing.B) {
				b.SetBytes(int64(n))
				for b.Loop() {
					f(data, 0)
				}
			})
		}
	}
}

func TestSumDoesNotAllocate(t *testing.T) {
	b := make([]byte, 1460)
	if allocs := testing.AllocsPerRun(100, func() { sum(b, 1) }); allocs != 0 {
		t.Errorf("a sum allocates %v times", allocs)
	}
	for _, a := range vectors() {
		if allocs := testing.AllocsPerRun(100, func() {
			var room [1460]byte // on the stack, unless sumVector lets it escape
			sumVector(a, room[:], 1)
		}); allocs != 0 {
			t.Errorf("a sum by assembly %d allocates %v times", a, allocs)
		}
	}
}
