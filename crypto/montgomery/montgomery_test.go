package montgomery

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// sizes are those of the moduli in use, in octets, and some at the edges of a limb and of four limbs.
var sizes = []int{1, 2, 7, 8, 9, 16, 20, 24, 28, 32, 33, 48, 64, 65, 96, 97, 128, 192, 256, 384, 512, 768, 1024}

// oddNumbers are moduli of n octets: random ones, the smallest and the largest.
func oddNumbers(n int, source *rand.ChaCha8) [][]byte {
	random := make([]byte, n)
	_, _ = source.Read(random)
	random[0] |= 1
	random[n-1] |= 1
	smallest := make([]byte, n)
	smallest[0], smallest[n-1] = 1, 1
	largest := bytes.Repeat([]byte{0xff}, n)
	if n == 1 {
		random[0], smallest[0] = random[0]|2, 3
	}
	return [][]byte{random, smallest, largest}
}

// residues are numbers below p: at the edges, and random ones.
func residues(p *big.Int, source *rand.ChaCha8) []*big.Int {
	random := func() *big.Int {
		octets := make([]byte, len(p.Bytes())+8)
		_, _ = source.Read(octets)
		return new(big.Int).Mod(new(big.Int).SetBytes(octets), p)
	}
	minus := func(d int64) *big.Int { return new(big.Int).Sub(p, big.NewInt(d)) }
	return []*big.Int{big.NewInt(0), big.NewInt(1), big.NewInt(2), minus(1), minus(2), new(big.Int).Rsh(p, 1), random(), random()}
}

// pair is a modulus here and in math/big.
type pair struct {
	m *Modulus
	p *big.Int
}

func newPair(octets []byte) pair { return pair{NewModulus(octets), new(big.Int).SetBytes(octets)} }

func (c pair) set(t *testing.T, x *big.Int) Nat {
	t.Helper()
	z := c.m.NewNat()
	if !c.m.SetBytes(z, x.FillBytes(make([]byte, c.m.Size()))) {
		t.Fatalf("%x is refused as a number below %x", x, c.p)
	}
	return z
}

// want compares a residue with the result of math/big, which it reduces.
func (c pair) want(t *testing.T, what string, got Nat, want *big.Int) {
	t.Helper()
	want.Mod(want, c.p)
	if octets := want.FillBytes(make([]byte, c.m.Size())); !bytes.Equal(c.m.Bytes(got), octets) {
		t.Errorf("modulo %.40x… (%d bits): %s is %.40x…, want %.40x…", c.p, c.p.BitLen(), what, c.m.Bytes(got), octets)
	}
	// A residue that is not below the modulus would be another number than the one that it is compared with.
	if c.m.sub(c.m.NewNat(), got) == 0 {
		t.Errorf("modulo %.40x…: %s is not reduced", c.p, what)
	}
}

func (c pair) arithmetic(t *testing.T, x, y *big.Int) {
	t.Helper()
	nx, ny, z := c.set(t, x), c.set(t, y), c.m.NewNat()
	c.m.Mul(z, nx, ny)
	c.want(t, fmt.Sprintf("%.20x…·%.20x…", x, y), z, new(big.Int).Mul(x, y))
	c.m.Add(z, nx, ny)
	c.want(t, fmt.Sprintf("%.20x… + %.20x…", x, y), z, new(big.Int).Add(x, y))
	c.m.Sub(z, nx, ny)
	c.want(t, fmt.Sprintf("%.20x… - %.20x…", x, y), z, new(big.Int).Sub(x, y))
	// The result may be written over an argument.
	c.m.Mul(nx, nx, nx)
	c.want(t, fmt.Sprintf("%.20x… squared in place", x), nx, new(big.Int).Mul(x, x))
	c.m.Sub(ny, ny, ny)
	c.want(t, "x - x in place", ny, new(big.Int))
	if !IsZero(ny) || IsZero(c.m.One()) || Equal(ny, c.m.One()) || !Equal(c.set(t, big.NewInt(1)), c.m.One()) {
		t.Errorf("modulo %.40x…: zero and one are not told apart", c.p)
	}
}

func TestArithmeticAgainstMathBig(t *testing.T) {
	source := rand.NewChaCha8([32]byte{1})
	for _, size := range sizes {
		for _, octets := range oddNumbers(size, source) {
			c := newPair(octets)
			for i, x := range residues(c.p, source) {
				for j, y := range residues(c.p, source) {
					if size > 128 && i%3 != j%3 { // of the large ones a third of the pairs
						continue
					}
					if x.Cmp(c.p) < 0 && y.Cmp(c.p) < 0 {
						c.arithmetic(t, x, y)
					}
				}
			}
		}
	}
}

func TestExpAgainstMathBig(t *testing.T) {
	source := rand.NewChaCha8([32]byte{2})
	for _, size := range sizes {
		for _, octets := range oddNumbers(size, source) {
			c := newPair(octets)
			random := make([]byte, 9)
			_, _ = source.Read(random)
			for _, e := range [][]byte{nil, {0}, {1}, {2}, {0x10}, {0, 0, 3}, bytes.Repeat([]byte{0xff}, 5), random} {
				x := residues(c.p, source)[7]
				z := c.set(t, x)
				c.m.Exp(z, z, e)
				c.want(t, fmt.Sprintf("%.20x…^%x", x, e), z, new(big.Int).Exp(x, new(big.Int).SetBytes(e), c.p))
			}
		}
	}
}

func TestInverse(t *testing.T) {
	// p - 2 borrows from limb to limb: 2^224 - 2^96 + 1 ends in zeros and a one.
	for _, prime := range []string{"03", "010001", "ffffffffffffffffffffffffffffffff000000000000000000000001"} {
		octets, _ := hex.DecodeString(prime)
		c := newPair(octets)
		for _, x := range []int64{1, 2, 5, 65535} {
			number := new(big.Int).Mod(big.NewInt(x), c.p)
			z := c.m.NewNat()
			c.m.Inverse(z, c.set(t, number))
			c.want(t, fmt.Sprintf("1/%d", x), z, new(big.Int).Exp(number, new(big.Int).Sub(c.p, big.NewInt(2)), c.p))
		}
	}
}

func TestSetBytesRefuses(t *testing.T) {
	source := rand.NewChaCha8([32]byte{3})
	for _, size := range sizes {
		for _, octets := range oddNumbers(size, source) {
			c := newPair(octets)
			refused := map[string][]byte{"the modulus itself": octets, "an octet too many": append([]byte{0}, make([]byte, size)...), "an octet too few": make([]byte, size-1)}
			if plus := new(big.Int).Add(c.p, big.NewInt(1)); len(plus.Bytes()) == size {
				refused["the modulus and one"] = plus.Bytes()
			}
			for what, value := range refused {
				z := slices.Clone(c.m.One())
				if c.m.SetBytes(z, value) || !Equal(z, c.m.One()) {
					t.Errorf("modulo %.40x…: SetBytes takes %s, or changes what it was to set", c.p, what)
				}
			}
		}
	}
}

func TestNewModulusRefuses(t *testing.T) {
	for what, octets := range map[string][]byte{
		"nothing": nil, "an even number": {2}, "one": {1}, "a zero in front": {0, 3},
		"8200 bits": bytes.Repeat([]byte{0xff}, 1025),
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("NewModulus takes %s", what)
				}
			}()
			NewModulus(octets)
		}()
	}
}

func TestLookup(t *testing.T) {
	table := make([]uint64, 16*3)
	for i := range table {
		table[i] = uint64(i) + 100
	}
	z := []uint64{1, 2, 3}
	for i := range byte(16) {
		if Lookup(z, table, i); !slices.Equal(z, table[3*i:3*i+3]) {
			t.Errorf("entry %d is %v, want %v", i, z, table[3*i:3*i+3])
		}
	}
}

// The assembly and plain Go give the same rows, carry included.
func (c pair) rows(t *testing.T, x, y []uint64) {
	t.Helper()
	n := len(c.m.m)
	one, two := make([]uint64, 2*n), make([]uint64, 2*n)
	carry1, carry2 := c.m.rows(one, x, y), c.m.rowsGeneric(two, x, y)
	if carry1 != carry2 || !slices.Equal(one, two) {
		t.Errorf("modulo %.40x…: the rows of assembly and of Go differ for %x and %x", c.p, x, y)
	}
}

func TestRowsOfAssembly(t *testing.T) {
	if !accelerated {
		t.Skip("there is no assembly for this processor, or GOSWAN_NOASM=1")
	}
	source := rand.NewChaCha8([32]byte{4})
	for _, n := range []int{4, 8, 12, 16, 24, 32, 48, 64, 96, 100, maxLimbs} {
		for _, octets := range oddNumbers(8*n, source) {
			c := newPair(octets)
			random, ones := c.m.NewNat(), c.m.NewNat()
			for i := range random {
				random[i], ones[i] = source.Uint64(), ^uint64(0)
			}
			for _, x := range []Nat{random, ones, c.m.NewNat(), c.m.m} {
				c.rows(t, x, random)
				c.rows(t, x, ones)
			}
		}
	}
}

// FuzzAgainstMathBig compares all arithmetic with math/big, and the assembly with plain Go.
func FuzzAgainstMathBig(f *testing.F) {
	f.Add([]byte{3}, []byte{2}, []byte{2}, []byte{1})
	f.Add(bytes.Repeat([]byte{0xff}, 96), bytes.Repeat([]byte{0xff}, 96), []byte{1}, []byte{0xff, 0x10})
	f.Add(append([]byte{1}, make([]byte, 31)...), bytes.Repeat([]byte{0x80}, 32), bytes.Repeat([]byte{0x7f}, 32), []byte{5})
	f.Fuzz(func(t *testing.T, modulus, x, y, e []byte) {
		modulus = bytes.Clone(bytes.TrimLeft(modulus, "\x00"))
		if len(modulus) == 0 || len(modulus) > 8*maxLimbs || len(e) > 64 {
			return
		}
		modulus[len(modulus)-1] |= 1
		if len(modulus) == 1 && modulus[0] == 1 {
			return
		}
		c := newPair(modulus)
		nx, ny := new(big.Int).SetBytes(x), new(big.Int).SetBytes(y)
		nx.Mod(nx, c.p)
		ny.Mod(ny, c.p)
		c.arithmetic(t, nx, ny)
		c.rows(t, c.set(t, nx), c.set(t, ny))
		z := c.m.NewNat()
		c.m.Exp(z, c.set(t, nx), e)
		c.want(t, "a power", z, new(big.Int).Exp(nx, new(big.Int).SetBytes(e), c.p))
	})
}

func TestMulAllocatesNothing(t *testing.T) {
	for _, size := range []int{32, 64, 384, 1024} {
		m := NewModulus(bytes.Repeat([]byte{0xff}, size))
		x := slices.Clone(m.rr)
		if n := testing.AllocsPerRun(10, func() { m.Mul(x, x, x) }); n != 0 {
			t.Errorf("a multiplication of %d bits allocates %v times", 8*size, n)
		}
	}
}

// exponentLen are the octets of exponent that crypto/ke uses with a modulus.
var exponentLen = map[int]int{2048: 40, 3072: 53, 4096: 60, 8192: 78}

func BenchmarkExp(b *testing.B) {
	for _, n := range []int{2048, 3072, 4096, 8192} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := NewModulus(bytes.Repeat([]byte{0xff}, n/8))
			x, e := slices.Clone(m.rr), bytes.Repeat([]byte{0xa5}, exponentLen[n])
			for b.Loop() {
				m.Exp(x, x, e)
			}
		})
	}
}

func BenchmarkMul(b *testing.B) {
	for _, n := range []int{192, 256, 512, 2048, 3072} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := NewModulus(bytes.Repeat([]byte{0xff}, n/8))
			x := slices.Clone(m.rr)
			for b.Loop() {
				m.Mul(x, x, x)
			}
		})
	}
}
