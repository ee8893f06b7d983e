package camellia

// The s-boxes are computed, not looked up: an index into a table made of secret octets shows in the processor's cache.
//
// SBOX1 is an inversion in GF(2^8) between two affine maps ("Specification of Camellia", Aoki et al., appendix A.3). Here it is a
// circuit of AND and XOR over planes: bit n of plane i is bit i of the n-th octet, so that one pass takes 64 octets.
//
// GF(2^8) is GF(2^4)[β] with β² = β + δ, and GF(2^4) is GF(2)[α] with α⁴ = α + 1 and δ = α³ + 1. Then
//
//	1/(x + yβ) = ((x + y) + yβ) / (x² + xy + δy²)

// planes are the eight bits of up to 64 octets; plane 0 has the lowest bits.
type planes [8]uint64

// nibble is elements of GF(2^4), b3·α³ + b2·α² + b1·α + b0.
type nibble struct{ b0, b1, b2, b3 uint64 }

func add(x, y nibble) nibble {
	return nibble{x.b0 ^ y.b0, x.b1 ^ y.b1, x.b2 ^ y.b2, x.b3 ^ y.b3}
}

func multiply(x, y nibble) nibble {
	// The coefficients of α⁴ = α + 1, α⁵ = α² + α and α⁶ = α³ + α².
	c4 := x.b1&y.b3 ^ x.b2&y.b2 ^ x.b3&y.b1
	c5 := x.b2&y.b3 ^ x.b3&y.b2
	c6 := x.b3 & y.b3
	return nibble{
		x.b0&y.b0 ^ c4,
		x.b0&y.b1 ^ x.b1&y.b0 ^ c4 ^ c5,
		x.b0&y.b2 ^ x.b1&y.b1 ^ x.b2&y.b0 ^ c5 ^ c6,
		x.b0&y.b3 ^ x.b1&y.b2 ^ x.b2&y.b1 ^ x.b3&y.b0 ^ c6,
	}
}

// norm is x² + xy + δy².
func norm(x, y nibble) nibble {
	return add(multiply(x, y), nibble{
		x.b0 ^ x.b2 ^ y.b0,
		x.b2 ^ y.b1 ^ y.b3,
		x.b1 ^ x.b3 ^ y.b3,
		x.b3 ^ y.b0 ^ y.b2,
	})
}

// invert is 1/x, and 0 for 0: the polynomials of x¹⁴.
func invert(x nibble) nibble {
	p01, p02, p12 := x.b0&x.b1, x.b0&x.b2, x.b1&x.b2
	p03, p13, p23 := x.b0&x.b3, x.b1&x.b3, x.b2&x.b3
	p123 := p12 & x.b3
	return nibble{
		x.b0 ^ x.b1 ^ x.b2 ^ x.b3 ^ p02 ^ p12 ^ p12&x.b0 ^ p123,
		x.b3 ^ p01 ^ p02 ^ p12 ^ p13 ^ p01&x.b3,
		x.b2 ^ x.b3 ^ p01 ^ p02 ^ p03 ^ p02&x.b3,
		x.b1 ^ x.b2 ^ x.b3 ^ p03 ^ p13 ^ p23 ^ p123,
	}
}

// sbox1 puts SBOX1 of every octet in its place: h(g(f(0xc5 ⊕ x))) ⊕ 0x6e.
func (p *planes) sbox1() {
	a1, a2, a3, a4, a5, a6, a7, a8 := ^p[7], ^p[6], p[5], p[4], p[3], ^p[2], p[1], ^p[0]
	// f, straight into the two halves of g's operand.
	y := nibble{b3: a2 ^ a6, b2: a1 ^ a7, b1: a3 ^ a5 ^ a8, b0: a3 ^ a8}
	x := nibble{b3: a4 ^ a7, b2: a2 ^ a5, b1: a1 ^ a8, b0: a4 ^ a6}
	// g
	n := invert(norm(x, y))
	x = multiply(add(x, y), n)
	y = multiply(y, n)
	// h
	a1, a2, a3, a4, a5, a6, a7, a8 = y.b3, y.b2, y.b1, y.b0, x.b3, x.b2, x.b1, x.b0
	p[7] = a5 ^ a6 ^ a2
	p[6] = ^(a6 ^ a2)
	p[5] = ^(a7 ^ a4)
	p[4] = a8 ^ a2
	p[3] = ^(a7 ^ a3)
	p[2] = ^(a8 ^ a1)
	p[1] = ^(a5 ^ a1)
	p[0] = a6 ^ a3
}

// The octets of a word are t1 to t8 of F, from the highest down.
const (
	octets4  = 0x000000ff0000ff00 // t4 and t7, which go through SBOX4
	octets2  = 0x00ff0000ff000000 // t2 and t5, through SBOX2
	octets3  = 0x0000ff0000ff0000 // t3 and t6, through SBOX3
	lowBits  = 0x0101010101010101 // of each octet
	highBits = 0x8080808080808080
)

func rotateLeft(x uint64) uint64  { return x<<1&^lowBits | x>>7&lowBits }
func rotateRight(x uint64) uint64 { return x>>1&^highBits | x<<7&highBits }

// before makes SBOX1 do for SBOX4: "SBOX4[x] = SBOX1[x <<< 1]".  RFC 3713 §2.4.1
func before(x uint64) uint64 { return x&^octets4 | rotateLeft(x)&octets4 }

// after makes SBOX1 do for the other two: "SBOX2[x] = SBOX1[x] <<< 1; SBOX3[x] = SBOX1[x] <<< 7".  RFC 3713 §2.4.1
func after(x uint64) uint64 {
	return x&^(octets2|octets3) | rotateLeft(x)&octets2 | rotateRight(x)&octets3
}

// transpose exchanges, in each octet, the bits of the eight words: bit b of word i is bit i of word b.
func transpose(w *planes) {
	for i := 0; i < 8; i += 2 {
		w[i], w[i+1] = exchange(w[i], w[i+1], 1, 0x5555555555555555)
	}
	for i := 0; i < 8; i += 4 {
		w[i], w[i+2] = exchange(w[i], w[i+2], 2, 0x3333333333333333)
		w[i+1], w[i+3] = exchange(w[i+1], w[i+3], 2, 0x3333333333333333)
	}
	for i := range 4 {
		w[i], w[i+4] = exchange(w[i], w[i+4], 4, 0x0f0f0f0f0f0f0f0f)
	}
}

// exchange swaps the upper bits of each group in x with the lower ones in y.
func exchange(x, y uint64, n uint, low uint64) (uint64, uint64) {
	d := (x>>n ^ y) & low
	return x ^ d<<n, y ^ d
}

// transposeOne is transpose of the eight octets of one word, as an 8 by 8 matrix of bits: octet i has bit i of every octet.
func transposeOne(x uint64) uint64 {
	x = within(x, 7, 0x00aa00aa00aa00aa)
	x = within(x, 14, 0x0000cccc0000cccc)
	return within(x, 28, 0x00000000f0f0f0f0)
}

// within swaps the bits of x under mask with those n higher.
func within(x uint64, n uint, mask uint64) uint64 {
	d := (x ^ x>>n) & mask
	return x ^ d ^ d<<n
}
