package montgomery

import (
	"math/bits"
	"slices"
)

// windowBits is how many bits of an exponent one multiplication takes care of.
const windowBits = 4

// Exp sets z to x^e, e being octets in network order. z and x may be the same.
func (m *Modulus) Exp(z, x Nat, e []byte) {
	table := m.powers(x)
	acc, factor := slices.Clone(m.one), m.NewNat()
	for _, octet := range e {
		for _, window := range [2]byte{octet >> windowBits, octet & (1<<windowBits - 1)} {
			for range windowBits {
				m.Mul(acc, acc, acc)
			}
			Lookup(factor, table, window)
			m.Mul(acc, acc, factor)
		}
	}
	copy(z, acc)
	clear(acc)
	clear(factor)
	clear(table)
}

// powers returns x^0 to x^15 in one slice.
func (m *Modulus) powers(x Nat) []uint64 {
	n := len(m.m)
	table := make([]uint64, n<<windowBits)
	copy(table, m.one)
	for i := n; i < len(table); i += n {
		m.Mul(table[i:i+n], table[i-n:i], x)
	}
	return table
}

// Lookup sets z to the entry of a table whose entries have as many limbs as z. It reads all of them, so that the index is
// told neither by time nor by the cache.
func Lookup(z, table []uint64, index byte) {
	clear(z)
	for i := byte(0); len(table) >= len(z); i++ {
		mask := uint64(int64(uint64(i^index)-1) >> 63) // all ones if i is the index, zero if not
		for j, limb := range table[:len(z)] {
			z[j] |= limb & mask
		}
		table = table[len(z):]
	}
}

// Inverse sets z to 1/x if m is prime, which is x^(m-2). Of zero it makes zero.
func (m *Modulus) Inverse(z, x Nat) {
	e := m.NewNat()
	var borrow uint64
	for i, limb := range m.m {
		minus := uint64(0)
		if i == 0 {
			minus = 2
		}
		e[i], borrow = bits.Sub64(limb, minus, borrow)
	}
	m.Exp(z, x, e.octets(m.size))
}
