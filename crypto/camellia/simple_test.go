package camellia

import "encoding/binary"

// simple is Camellia a second time, written from RFC 3713 octet by octet with the tables of the s-boxes and the subkeys of its two
// listings, and from nothing of this package.
type simple struct {
	kw    [5]uint64
	k, ke []uint64
}

// simpleSBox1 is SBOX1: h(g(f(x ⊕ 0xc5))) ⊕ 0x6e, with g the inversion in GF(2^8) modulo β⁸ + β⁶ + β⁵ + β³ + 1, on the basis of
// appendix A.3 of the specification.
var simpleSBox1 = makeSBox1()

func makeSBox1() (table [256]byte) {
	const beta = 2
	alpha := byte(1)
	for range 238 {
		alpha = times(alpha, beta)
	}
	// The basis of the bits a8, a7, … a1.
	var basis [9]byte
	power := byte(1)
	for i := range 4 {
		basis[8-i], basis[4-i] = power, times(power, beta)
		power = times(power, alpha)
	}
	number := map[byte]byte{} // the bits of an element
	for x := range 256 {
		e := byte(0)
		for i := 1; i <= 8; i++ {
			if bit(byte(x), i) != 0 {
				e ^= basis[i]
			}
		}
		number[e] = byte(x)
	}
	element := map[byte]byte{}
	for e, x := range number {
		element[x] = e
	}
	for x := range 256 {
		inverse := byte(0)
		for y := range 256 {
			if times(element[affine(byte(x)^0xc5, fRows)], byte(y)) == 1 {
				inverse = byte(y)
			}
		}
		table[x] = affine(number[inverse], hRows) ^ 0x6e
	}
	return table
}

// fRows and hRows are which bits make b1, b2, … of the two linear maps.
var (
	fRows = [8][]int{{6, 2}, {7, 1}, {8, 5, 3}, {8, 3}, {7, 4}, {5, 2}, {8, 1}, {6, 4}}
	hRows = [8][]int{{5, 6, 2}, {6, 2}, {7, 4}, {8, 2}, {7, 3}, {8, 1}, {5, 1}, {6, 3}}
)

// bit is the i-th from the left, from 1.
func bit(x byte, i int) byte { return x >> (8 - i) & 1 }

func affine(x byte, rows [8][]int) (y byte) {
	for _, row := range rows {
		y <<= 1
		for _, i := range row {
			y ^= bit(x, i)
		}
	}
	return y
}

func times(a, b byte) (product byte) {
	for ; b != 0; b >>= 1 {
		if b&1 != 0 {
			product ^= a
		}
		high := a & 0x80
		a <<= 1
		if high != 0 {
			a ^= 0x69
		}
	}
	return product
}

func simpleF(in, key uint64) uint64 {
	x := in ^ key
	var t [9]byte
	for i := 1; i <= 8; i++ {
		t[i] = byte(x >> (64 - 8*i))
	}
	s2 := func(x byte) byte { return simpleSBox1[x]<<1 | simpleSBox1[x]>>7 }
	s3 := func(x byte) byte { return simpleSBox1[x]<<7 | simpleSBox1[x]>>1 }
	s4 := func(x byte) byte { return simpleSBox1[x<<1|x>>7] }
	t[1], t[2], t[3], t[4] = simpleSBox1[t[1]], s2(t[2]), s3(t[3]), s4(t[4])
	t[5], t[6], t[7], t[8] = s2(t[5]), s3(t[6]), s4(t[7]), simpleSBox1[t[8]]
	y := [8]byte{
		t[1] ^ t[3] ^ t[4] ^ t[6] ^ t[7] ^ t[8],
		t[1] ^ t[2] ^ t[4] ^ t[5] ^ t[7] ^ t[8],
		t[1] ^ t[2] ^ t[3] ^ t[5] ^ t[6] ^ t[8],
		t[2] ^ t[3] ^ t[4] ^ t[5] ^ t[6] ^ t[7],
		t[1] ^ t[2] ^ t[6] ^ t[7] ^ t[8],
		t[2] ^ t[3] ^ t[5] ^ t[7] ^ t[8],
		t[3] ^ t[4] ^ t[5] ^ t[6] ^ t[8],
		t[1] ^ t[4] ^ t[5] ^ t[6] ^ t[7],
	}
	return binary.BigEndian.Uint64(y[:])
}

// pair rotates 128 bits bit by bit.
func pair(hi, lo uint64, n int) (uint64, uint64) {
	for range n {
		hi, lo = hi<<1|lo>>63, lo<<1|hi>>63
	}
	return hi, lo
}

func newSimple(key []byte) *simple {
	at := binary.BigEndian.Uint64
	klh, kll := at(key), at(key[8:])
	var krh, krl uint64
	if len(key) >= 24 {
		krh = at(key[16:])
		krl = ^krh
	}
	if len(key) == 32 {
		krl = at(key[24:])
	}
	s := [7]uint64{0, 0xA09E667F3BCC908B, 0xB67AE8584CAA73B2, 0xC6EF372FE94F82BE, 0x54FF53A5F1D36F1C, 0x10E527FADE682D1D, 0xB05688C2B3E6C1FD}
	d1, d2 := klh^krh, kll^krl
	d2 ^= simpleF(d1, s[1])
	d1 ^= simpleF(d2, s[2])
	d1 ^= klh
	d2 ^= kll
	d2 ^= simpleF(d1, s[3])
	d1 ^= simpleF(d2, s[4])
	kah, kal := d1, d2
	d1, d2 = kah^krh, kal^krl
	d2 ^= simpleF(d1, s[5])
	d1 ^= simpleF(d2, s[6])
	kbh, kbl := d1, d2
	c := &simple{}
	both := func(list *[]uint64, hi, lo uint64, n int) {
		hi, lo = pair(hi, lo, n)
		*list = append(*list, hi, lo)
	}
	c.kw[1], c.kw[2] = klh, kll
	if len(key) == 16 {
		both(&c.k, kah, kal, 0)
		both(&c.k, klh, kll, 15)
		both(&c.k, kah, kal, 15)
		both(&c.ke, kah, kal, 30)
		both(&c.k, klh, kll, 45)
		k9, _ := pair(kah, kal, 45)
		_, k10 := pair(klh, kll, 60)
		c.k = append(c.k, k9, k10)
		both(&c.k, kah, kal, 60)
		both(&c.ke, klh, kll, 77)
		both(&c.k, klh, kll, 94)
		both(&c.k, kah, kal, 94)
		both(&c.k, klh, kll, 111)
		c.kw[3], c.kw[4] = pair(kah, kal, 111)
		return c
	}
	both(&c.k, kbh, kbl, 0)
	both(&c.k, krh, krl, 15)
	both(&c.k, kah, kal, 15)
	both(&c.ke, krh, krl, 30)
	both(&c.k, kbh, kbl, 30)
	both(&c.k, klh, kll, 45)
	both(&c.k, kah, kal, 45)
	both(&c.ke, klh, kll, 60)
	both(&c.k, krh, krl, 60)
	both(&c.k, kbh, kbl, 60)
	both(&c.k, klh, kll, 77)
	both(&c.ke, kah, kal, 77)
	both(&c.k, krh, krl, 94)
	both(&c.k, kah, kal, 94)
	both(&c.k, klh, kll, 111)
	c.kw[3], c.kw[4] = pair(kbh, kbl, 111)
	return c
}

// encrypt is RFC 3713 §2.3.1 and §2.3.2.
func (c *simple) encrypt(dst, src []byte) {
	d1, d2 := binary.BigEndian.Uint64(src)^c.kw[1], binary.BigEndian.Uint64(src[8:])^c.kw[2]
	for i := range c.k {
		if i%6 == 0 && i > 0 {
			ke1, ke2 := c.ke[i/6*2-2], c.ke[i/6*2-1]
			x1, x2 := uint32(d1>>32), uint32(d1)
			t := x1 & uint32(ke1>>32)
			x2 ^= t<<1 | t>>31
			x1 ^= x2 | uint32(ke1)
			d1 = uint64(x1)<<32 | uint64(x2)
			y1, y2 := uint32(d2>>32), uint32(d2)
			y1 ^= y2 | uint32(ke2)
			t = y1 & uint32(ke2>>32)
			y2 ^= t<<1 | t>>31
			d2 = uint64(y1)<<32 | uint64(y2)
		}
		if i%2 == 0 {
			d2 ^= simpleF(d1, c.k[i])
		} else {
			d1 ^= simpleF(d2, c.k[i])
		}
	}
	binary.BigEndian.PutUint64(dst, d2^c.kw[3])
	binary.BigEndian.PutUint64(dst[8:], d1^c.kw[4])
}
