// Package montgomery is arithmetic modulo an odd number of up to 8192 bits in constant time: what Diffie-Hellman with
// large primes and with the elliptic curves that the standard library has not is made of.
//
// A residue x is held as x·R mod m with R = 2^(64n), n the number of 64-bit limbs of m: Montgomery's form, in which a
// multiplication needs no division (P. Montgomery, "Modular Multiplication Without Trial Division", 1985).
//
// The time that a function takes, and the memory that it touches, depend on the modulus and on the lengths of its
// arguments alone, unless its comment says otherwise.
package montgomery

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// maxLimbs is the length of the largest modulus: 8192 bits.
const maxLimbs = 128

// fewLimbs is the length up to which a modulus is one of an elliptic curve: 512 bits.
const fewLimbs = 8

// Modulus is an odd number greater than 1. It may be used by several goroutines at once.
type Modulus struct {
	m    Nat
	inv  uint64 // -1/m mod 2^64
	one  Nat    // R mod m: 1 in Montgomery's form
	rr   Nat    // R² mod m
	size int    // octets of m
}

// Nat is a residue below its modulus, in Montgomery's form, the least significant limb first. It has as many limbs as
// the modulus. Two residues are equal if and only if their limbs are.
type Nat []uint64

// NewModulus makes a modulus of its octets in network order, which are no secret. It panics if the number is even, starts
// with an octet of zero, or is too large or too small: a modulus is a constant of the program.
func NewModulus(octets []byte) *Modulus {
	n := (len(octets) + 7) / 8
	if n == 0 || n > maxLimbs || octets[0] == 0 || octets[len(octets)-1]&1 == 0 || len(octets) == 1 && octets[0] == 1 {
		panic(fmt.Sprintf("montgomery: no modulus: %x", octets))
	}
	m := &Modulus{m: make(Nat, n), size: len(octets)}
	m.m.read(octets)
	m.inv = negativeInverse(m.m[0])
	m.one, m.rr = m.powersOfTwo()
	return m
}

// negativeInverse returns -1/m mod 2^64 of an odd m, by Newton's iteration: each step doubles the right bits.
func negativeInverse(m uint64) uint64 {
	x := m // right in three bits: m² = 1 mod 8
	for range 5 {
		x *= 2 - m*x
	}
	return -x
}

// powersOfTwo returns R mod m and R² mod m by doubling.
func (m *Modulus) powersOfTwo() (r, rr Nat) {
	x := m.NewNat()
	x[0] = 1
	for i := range 128 * len(m.m) {
		if i == 64*len(m.m) {
			r = slices.Clone(x)
		}
		m.Add(x, x, x)
	}
	return r, x
}

// Size returns the octets of the modulus.
func (m *Modulus) Size() int { return m.size }

// Limbs returns the limbs of the modulus and of its residues.
func (m *Modulus) Limbs() int { return len(m.m) }

// NewNat returns the residue zero.
func (m *Modulus) NewNat() Nat { return make(Nat, len(m.m)) }

// One returns the residue one, which is not to be changed.
func (m *Modulus) One() Nat { return m.one }

// SetBytes sets z to the number in octets, network order. It tells false, and sets nothing, if there are not just as many
// octets as the modulus has, or if the number is not below it.
func (m *Modulus) SetBytes(z Nat, octets []byte) bool {
	if len(octets) != m.size {
		return false
	}
	x, difference := m.NewNat(), m.NewNat()
	defer clear(x)
	defer clear(difference)
	x.read(octets)
	if m.sub(difference, x) == 0 {
		return false
	}
	m.Mul(z, x, m.rr)
	return true
}

// sub sets z to x-m and returns the borrow: 1 if x < m.
func (m *Modulus) sub(z, x Nat) (borrow uint64) {
	for i, limb := range m.m {
		z[i], borrow = bits.Sub64(x[i], limb, borrow)
	}
	return borrow
}

// Bytes returns the number x in network order, as many octets as the modulus has.
func (m *Modulus) Bytes(x Nat) []byte {
	plain, unit := m.NewNat(), m.NewNat()
	unit[0] = 1
	m.Mul(plain, x, unit)
	defer clear(plain)
	return plain.octets(m.size)
}

// octets writes the number as it stands into n octets, network order.
func (x Nat) octets(n int) []byte {
	b := make([]byte, 8*len(x))
	for i, limb := range x {
		binary.BigEndian.PutUint64(b[8*(len(x)-1-i):], limb)
	}
	return b[len(b)-n:]
}

// read sets x to the number in octets, which are at most as many as x has.
func (x Nat) read(octets []byte) {
	clear(x)
	for i, b := range octets {
		at := len(octets) - 1 - i
		x[at/8] |= uint64(b) << (at % 8 * 8)
	}
}

// Add sets z to x+y. The arguments may be the same.
func (m *Modulus) Add(z, x, y Nat) {
	var carry uint64
	for i := range m.m {
		z[i], carry = bits.Add64(x[i], y[i], carry)
	}
	m.reduce(z, carry)
}

// Sub sets z to x-y. The arguments may be the same.
func (m *Modulus) Sub(z, x, y Nat) {
	var borrow, carry uint64
	for i := range m.m {
		z[i], borrow = bits.Sub64(x[i], y[i], borrow)
	}
	for i, limb := range m.m {
		z[i], carry = bits.Add64(z[i], limb&-borrow, carry)
	}
}

// reduce subtracts m from z + carry·R, which is below 2m, unless that is below m already.
func (m *Modulus) reduce(z Nat, carry uint64) {
	var borrow uint64
	for i, limb := range m.m {
		_, borrow = bits.Sub64(z[i], limb, borrow)
	}
	mask := -(carry | (1 - borrow)) // all ones if z + carry·R is not below m
	borrow = 0
	for i, limb := range m.m {
		z[i], borrow = bits.Sub64(z[i], limb&mask, borrow)
	}
}

// Mul sets z to x·y. The arguments may be the same.
func (m *Modulus) Mul(z, x, y Nat) {
	n := len(m.m)
	if n <= fewLimbs {
		var t [2 * fewLimbs]uint64
		m.mul(z, x, y, t[:2*n])
		return
	}
	var t [2 * maxLimbs]uint64
	m.mul(z, x, y, t[:2*n])
}

// mul is Mul with 2n limbs of zeros to work in.
func (m *Modulus) mul(z, x, y Nat, t []uint64) {
	n := len(m.m)
	carry := m.rows(t, x, y)
	copy(z, t[n:])
	m.reduce(z, carry)
}

// rowsGeneric sets t to a number whose upper half, with the carry in front, is x·y/R mod m and below 2m. For each limb of y
// it adds a row of the product and the multiple of m that makes t's lowest limb zero.
func (m *Modulus) rowsGeneric(t, x, y []uint64) (carry uint64) {
	n := len(m.m)
	for i := range n {
		row := t[i : i+n]
		c1 := addMul(row, x, y[i])
		c2 := addMul(row, m.m, row[0]*m.inv)
		t[n+i], carry = bits.Add64(c1, c2, carry)
	}
	return carry
}

// addMul adds x·y to z, which has as many limbs as x, and returns the limb that does not fit.
func addMul(z, x []uint64, y uint64) (carry uint64) {
	for len(z) >= 4 && len(x) >= 4 {
		z[0], carry = step(z[0], x[0], y, carry)
		z[1], carry = step(z[1], x[1], y, carry)
		z[2], carry = step(z[2], x[2], y, carry)
		z[3], carry = step(z[3], x[3], y, carry)
		z, x = z[4:], x[4:]
	}
	for i := range min(len(z), len(x)) {
		z[i], carry = step(z[i], x[i], y, carry)
	}
	return carry
}

// step returns z + x·y + carry, which has two limbs.
func step(z, x, y, carry uint64) (lo, hi uint64) {
	hi, lo = bits.Mul64(x, y)
	lo, c := bits.Add64(lo, z, 0)
	hi += c
	lo, c = bits.Add64(lo, carry, 0)
	return lo, hi + c
}

// IsZero tells whether x is zero. The answer is no secret.
func IsZero(x Nat) bool {
	var all uint64
	for _, limb := range x {
		all |= limb
	}
	return all == 0
}

// Equal tells whether x and y, residues of one modulus, are the same. The answer is no secret.
func Equal(x, y Nat) bool {
	var all uint64
	for i, limb := range x {
		all |= limb ^ y[i]
	}
	return all == 0
}
