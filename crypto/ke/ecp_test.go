package ke

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"math/big"
	"testing"

	"github.com/goswan/goswan/crypto/secret"
)

// ecps are the curves of our own with their parameters.
var ecps = []struct {
	group  weierstrass
	params curveParams
}{
	{ecp192, params192}, {ecp224, params224}, {brainpool224, paramsBrainpool224},
	{brainpool256, paramsBrainpool256}, {brainpool384, paramsBrainpool384}, {brainpool512, paramsBrainpool512},
}

// slow is a curve in math/big: affine coordinates and the formulas of the school book. It is not constant time but it is
// another implementation.
type slow struct{ p, a, b, n *big.Int }

// affinePoint is a point of a slow curve; nil is the point at infinity.
type affinePoint struct{ x, y *big.Int }

func newSlow(c curveParams) (slow, *affinePoint) {
	hex := func(s string) *big.Int { return new(big.Int).SetBytes(unhex(s)) }
	return slow{hex(c.p), hex(c.a), hex(c.b), hex(c.n)}, &affinePoint{hex(c.x), hex(c.y)}
}

func (c slow) mod(x *big.Int) *big.Int { return x.Mod(x, c.p) }

// add returns r + q. SEC 1 §2.2.1.
func (c slow) add(r, q *affinePoint) *affinePoint {
	if r == nil {
		return q
	}
	if q == nil {
		return r
	}
	var top, bottom *big.Int
	switch {
	case r.x.Cmp(q.x) != 0:
		top, bottom = new(big.Int).Sub(q.y, r.y), new(big.Int).Sub(q.x, r.x)
	case r.y.Cmp(q.y) != 0 || r.y.Sign() == 0:
		return nil
	default:
		top = new(big.Int).Mul(r.x, r.x)
		top.Mul(top, big.NewInt(3)).Add(top, c.a)
		bottom = new(big.Int).Lsh(r.y, 1)
	}
	slope := c.mod(top.Mul(top, new(big.Int).ModInverse(c.mod(bottom), c.p)))
	x := new(big.Int).Mul(slope, slope)
	c.mod(x.Sub(x, r.x).Sub(x, q.x))
	y := new(big.Int).Sub(r.x, x)
	return &affinePoint{x, c.mod(y.Mul(y, slope).Sub(y, r.y))}
}

func (c slow) multiply(q *affinePoint, d *big.Int) (sum *affinePoint) {
	for i := d.BitLen() - 1; i >= 0; i-- {
		sum = c.add(sum, sum)
		if d.Bit(i) == 1 {
			sum = c.add(sum, q)
		}
	}
	return sum
}

// octets is the Key Exchange Data of a point.
func (c slow) octets(q *affinePoint) []byte {
	size := (c.p.BitLen() + 7) / 8
	return append(q.x.FillBytes(make([]byte, size)), q.y.FillBytes(make([]byte, size))...)
}

func TestParametersOfCurves(t *testing.T) {
	for _, c := range ecps {
		s, base := newSlow(c.params)
		if !s.p.ProbablyPrime(1) || !s.n.ProbablyPrime(1) {
			t.Errorf("%s: p or n is not prime", c.group)
		}
		// By Hasse's theorem a curve has at most p + 1 + 2√p points, fewer than 2n: n is all of them.
		if s.n.BitLen() != s.p.BitLen() {
			t.Errorf("%s: n has %d bits and p %d: there are more points than the base generates", c.group, s.n.BitLen(), s.p.BitLen())
		}
		if s.multiply(base, s.n) != nil || s.add(s.multiply(base, new(big.Int).Sub(s.n, big.NewInt(1))), base) != nil {
			t.Errorf("%s: the base does not generate n points", c.group)
		}
	}
	s, base := newSlow(params224)
	if std := elliptic.P224().Params(); std.P.Cmp(s.p) != 0 || std.B.Cmp(s.b) != 0 || std.N.Cmp(s.n) != 0 || std.Gx.Cmp(base.x) != 0 || std.Gy.Cmp(base.y) != 0 {
		t.Error("ECP_224 is not the standard library's P-224")
	}
}

// agreeWith compares a private key's public value and shared secret with those of the slow curve.
func agreeWith(t *testing.T, g weierstrass, params curveParams, d []byte, peer *big.Int) {
	t.Helper()
	c, base := newSlow(params)
	x := new(big.Int).SetBytes(d)
	key, public, err := g.newKey(bytes.NewReader(d))
	if bad := x.Sign() == 0 || x.Cmp(c.n) >= 0; bad != (err != nil) {
		t.Fatalf("%s: the private key %x gives the error %v", g, d, err)
	} else if bad {
		return
	}
	if want := c.octets(c.multiply(base, x)); !bytes.Equal(public, want) {
		t.Errorf("%s: the private key %x has the public value %x, want %x", g, d, public, want)
	}
	value := c.multiply(base, peer)
	q, err := g.parse(c.octets(value))
	if err != nil {
		t.Fatalf("%s: a good public value is refused: %v", g, err)
	}
	shared, err := g.agree(key, q)
	if want := c.octets(c.multiply(value, x)); err != nil || !bytes.Equal(shared, want[:len(want)/2]) {
		t.Errorf("%s: the shared secret of %x and %x is %x (%v), want %x", g, d, peer, []byte(shared), err, want[:len(want)/2])
	}
}

// Private keys at the edges: 0 and n are none; the others have the most zeros and ones in their windows and meet equal, opposite
// and infinite points on the way.
func TestCurvesAgainstMathBigAtTheEdges(t *testing.T) {
	for _, c := range ecps {
		t.Run(c.group.name, func(t *testing.T) {
			t.Parallel()
			s, _ := newSlow(c.params)
			size := len(c.params.n) / 2
			for _, i := range []int64{0, 1, 2, 15, 16, 17} {
				low := big.NewInt(i)
				high := new(big.Int).Sub(s.n, low)
				agreeWith(t, c.group, c.params, low.FillBytes(make([]byte, size)), new(big.Int).Sub(s.n, big.NewInt(i+1)))
				agreeWith(t, c.group, c.params, high.FillBytes(make([]byte, size)), big.NewInt(i+1))
			}
		})
	}
}

func TestCurvesAgainstMathBig(t *testing.T) {
	for n, c := range ecps {
		source := seeded(uint64(100 + n))
		for range 8 {
			octets := make([]byte, len(c.params.n)) // twice as many as n has
			_, _ = source.Read(octets)
			s, _ := newSlow(c.params)
			peer := new(big.Int).SetBytes(octets[len(octets)/2:])
			peer.Mod(peer, new(big.Int).Sub(s.n, big.NewInt(1))).Add(peer, big.NewInt(1))
			agreeWith(t, c.group, c.params, octets[:len(octets)/2], peer)
		}
	}
}

// The formulas are complete: they give every sum, also where the school book's divide by zero.
func TestSumsAreComplete(t *testing.T) {
	for _, c := range ecps {
		curve := c.group.curve()
		infinity := point{y: curve.one()}
		base := curve.base
		minus := base
		minus.y = curve.sub(element{}, base.y)
		double := curve.sum(&base, &base)
		isInfinity := func(q point) bool { return q.z == element{} && q.x == element{} && q.y != element{} }
		same := func(r, q point) bool {
			return curve.mul(r.x, q.z) == curve.mul(q.x, r.z) && curve.mul(r.y, q.z) == curve.mul(q.y, r.z) && r.z != element{}
		}
		if sum := curve.sum(&base, &minus); !isInfinity(sum) {
			t.Errorf("%s: a point and its opposite have the sum %v", c.group, sum)
		}
		if sum := curve.sum(&infinity, &infinity); !isInfinity(sum) {
			t.Errorf("%s: twice the point at infinity is %v", c.group, sum)
		}
		if !same(curve.sum(&base, &infinity), base) || !same(curve.sum(&infinity, &base), base) {
			t.Errorf("%s: adding the point at infinity changes a point", c.group)
		}
		if !same(curve.sum(&double, &minus), base) {
			t.Errorf("%s: 2·G - G is not G", c.group)
		}
	}
}

// The standard library has P-224 for signatures only; a private key's public value is the same.
func TestECP224AgainstTheStandardLibrary(t *testing.T) {
	for seed := range uint64(32) {
		d, public, err := ecp224.newKey(seeded(200 + seed))
		if err != nil {
			t.Fatal(err)
		}
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P224(), d)
		if err != nil {
			t.Fatal(err)
		}
		if want, err := key.PublicKey.Bytes(); err != nil || !bytes.Equal(public, want[1:]) {
			t.Errorf("the private key %x has the public value %x, want %x (%v)", []byte(d), public, want, err)
		}
	}
}

// RFC 6989 §2.3: both coordinates are below p. Those of a point that is on the curve modulo p are refused too.
func TestCurvesRefuseCoordinatesNotBelowP(t *testing.T) {
	for _, c := range ecps {
		s, _ := newSlow(c.params)
		size := (s.p.BitLen() + 7) / 8
		r := rowNamed(t, c.group.name)
		for _, q := range c.params.pointsOfSmallX() {
			good := s.octets(q)
			if _, _, err := r.Respond(seeded(20), good); err != nil {
				t.Errorf("%s: a point with a small x is refused: %v", r.Name, err)
			}
			large := new(big.Int).Add(q.x, s.p)
			if large.BitLen() > 8*size {
				continue
			}
			if _, _, err := r.Respond(seeded(20), append(large.FillBytes(make([]byte, size)), good[size:]...)); !errors.Is(err, ErrPublicValue) {
				t.Errorf("%s: the responder takes an x of p + %v: %v", r.Name, q.x, err)
			}
		}
	}
}

func (c curveParams) pointsOfSmallX() (found []*affinePoint) {
	s, _ := newSlow(c)
	for x := int64(0); len(found) < 3; x++ {
		q := &affinePoint{x: big.NewInt(x)}
		right := new(big.Int).Exp(q.x, big.NewInt(3), s.p)
		s.mod(right.Add(right, new(big.Int).Mul(s.a, q.x)).Add(right, s.b))
		if q.y = right.ModSqrt(right, s.p); q.y != nil {
			found = append(found, q)
		}
	}
	return found
}

// FuzzCurves compares our curves with math/big.
func FuzzCurves(f *testing.F) {
	f.Add(uint8(0), []byte{1}, []byte{2})
	f.Add(uint8(3), bytes.Repeat([]byte{0xff}, 31), []byte{0x10, 0, 0})
	f.Add(uint8(5), bytes.Repeat([]byte{0xa9}, 64), bytes.Repeat([]byte{0x10}, 64))
	f.Fuzz(func(t *testing.T, which uint8, d, peer []byte) {
		c := ecps[int(which)%len(ecps)]
		s, _ := newSlow(c.params)
		size := len(c.params.n) / 2
		// The key as it comes, so that one not below n is refused; the peer's below n.
		key := make(secret.Bytes, size)
		copy(key[size-min(len(d), size):], d)
		scalar := new(big.Int).SetBytes(peer)
		scalar.Mod(scalar, new(big.Int).Sub(s.n, big.NewInt(1))).Add(scalar, big.NewInt(1))
		agreeWith(t, c.group, c.params, key, scalar)
	})
}
