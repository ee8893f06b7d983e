package ke

import (
	"io"
	"sync"

	"github.com/goswan/goswan/crypto/montgomery"
	"github.com/goswan/goswan/crypto/secret"
)

// weierstrass is a Diffie-Hellman group of points of y² = x³ + ax + b modulo a prime p, of which there are a prime number. It is
// for the curves that the standard library has not. All arithmetic with the private key is constant time.
type weierstrass struct {
	name  string
	curve func() *curve // computed at first use
}

var (
	ecp192       = newWeierstrass("ECP_192", params192)
	ecp224       = newWeierstrass("ECP_224", params224)
	brainpool224 = newWeierstrass("ECP_224_BP", paramsBrainpool224)
	brainpool256 = newWeierstrass("ECP_256_BP", paramsBrainpool256)
	brainpool384 = newWeierstrass("ECP_384_BP", paramsBrainpool384)
	brainpool512 = newWeierstrass("ECP_512_BP", paramsBrainpool512)
)

func newWeierstrass(name string, params curveParams) weierstrass {
	return weierstrass{name, sync.OnceValue(func() *curve { return newCurve(params) })}
}

func (w weierstrass) String() string { return w.name }

// newKey draws a private key: a number from 1 to n-1.
func (w weierstrass) newKey(rand io.Reader) (d secret.Bytes, public []byte, err error) {
	c := w.curve()
	d, err = draw(w.name, rand, c.n.Size(), 0xff, func(d secret.Bytes) bool {
		z := c.n.NewNat()
		defer clear(z)
		return c.n.SetBytes(z, d) && !montgomery.IsZero(z)
	})
	if err != nil {
		return nil, nil, err
	}
	x, y := c.multiply(&c.base, d)
	return d, append(x, y...), nil
}

// parse reads a point: x and y, as many octets each as p has (RFC 5903 §7; RFC 6954 says the same).
func (w weierstrass) parse(value []byte) (*point, error) {
	c := w.curve()
	n := c.p.Size()
	if len(value) != 2*n {
		return nil, errLength(w.name, len(value), 2*n)
	}
	// RFC 6989 §2.3: both coordinates are below p and the point is on the curve. Since the number of points is prime, there
	// are no points of small order; the point at infinity has no encoding.
	q := &point{z: c.one()}
	if !c.p.SetBytes(q.x[:c.limbs], value[:n]) || !c.p.SetBytes(q.y[:c.limbs], value[n:]) {
		return nil, errPublic(w.name, "a coordinate is not below p")
	}
	if !c.has(q) {
		return nil, errPublic(w.name, "it is no point of the curve")
	}
	return q, nil
}

// agree returns the x coordinate of the common point.
// "The Diffie-Hellman shared secret value consists of the x value of the Diffie-Hellman common value."  RFC 5903 §7
func (w weierstrass) agree(d secret.Bytes, peer *point) (secret.Bytes, error) {
	x, y := w.curve().multiply(peer, d)
	clear(y)
	return x, nil
}

func (weierstrass) wipe(d secret.Bytes) { d.Wipe() }

// element is a number modulo p in Montgomery's form; only as many limbs as p has are used.
type element [8]uint64

// point is X:Y:Z, homogeneous coordinates: x = X/Z, y = Y/Z. The point at infinity is 0:1:0.
type point struct{ x, y, z element }

// curve is y² = x³ + ax + b with base, which generates its n points.
type curve struct {
	p, n  *montgomery.Modulus
	limbs int // of p
	a, b  element
	base  point
}

func newCurve(params curveParams) *curve {
	c := &curve{p: montgomery.NewModulus(unhex(params.p)), n: montgomery.NewModulus(unhex(params.n))}
	c.limbs = c.p.Limbs()
	c.a, c.b = c.element(params.a), c.element(params.b)
	c.base = point{c.element(params.x), c.element(params.y), c.one()}
	return c
}

// element reads a constant of the program.
func (c *curve) element(s string) (z element) {
	if !c.p.SetBytes(z[:c.limbs], unhex(s)) {
		panic("ke: a parameter is not below p: " + s)
	}
	return z
}

func (c *curve) one() (z element) {
	copy(z[:], c.p.One())
	return z
}

func (c *curve) mul(x, y element) (z element) {
	c.p.Mul(z[:c.limbs], x[:c.limbs], y[:c.limbs])
	return z
}

func (c *curve) add(x, y element) (z element) {
	c.p.Add(z[:c.limbs], x[:c.limbs], y[:c.limbs])
	return z
}

func (c *curve) sub(x, y element) (z element) {
	c.p.Sub(z[:c.limbs], x[:c.limbs], y[:c.limbs])
	return z
}

func (c *curve) triple(x element) element { return c.add(c.add(x, x), x) }

// cross returns x₁y₂ + x₂y₁.
func (c *curve) cross(x1, y1, x2, y2 element) element { return c.add(c.mul(x1, y2), c.mul(x2, y1)) }

// has tells whether a point with z = 1 is on the curve.
func (c *curve) has(q *point) bool {
	return c.mul(q.y, q.y) == c.add(c.mul(c.add(c.mul(q.x, q.x), c.a), q.x), c.b)
}

// sum returns r + q, for any two points, equal, opposite or infinite: the formulas are complete because the number of points
// is odd. J. Renes, C. Costello, L. Batina, "Complete addition formulas for prime order elliptic curves", 2016, Algorithm 1.
func (c *curve) sum(r, q *point) point {
	xx, yy, zz := c.mul(r.x, q.x), c.mul(r.y, q.y), c.mul(r.z, q.z)
	xy, xz, yz := c.cross(r.x, r.y, q.x, q.y), c.cross(r.x, r.z, q.x, q.z), c.cross(r.y, r.z, q.y, q.z)
	azz := c.mul(c.a, zz)
	s := c.add(c.mul(c.a, xz), c.triple(c.mul(c.b, zz)))
	t := c.add(c.mul(c.a, c.sub(xx, azz)), c.triple(c.mul(c.b, xz)))
	u := c.add(c.triple(xx), azz)
	v, w := c.sub(yy, s), c.add(yy, s)
	return point{
		x: c.sub(c.mul(xy, v), c.mul(yz, t)),
		y: c.add(c.mul(w, v), c.mul(u, t)),
		z: c.add(c.mul(yz, w), c.mul(xy, u)),
	}
}

// multiply returns the coordinates of d·q, d being from 1 to n-1 and q a point of the curve: four bits of d at a time, with a
// table of 0·q to 15·q.
func (c *curve) multiply(q *point, d secret.Bytes) (x, y []byte) {
	multiple := point{y: c.one()}
	acc := multiple
	table := make([]uint64, 0, 16*pointLimbs)
	defer func() { clear(table) }()
	for range 16 {
		table = multiple.appendTo(table)
		multiple = c.sum(&multiple, q)
	}
	for _, octet := range d {
		for _, window := range [2]byte{octet >> 4, octet & 15} {
			for range 4 {
				acc = c.sum(&acc, &acc)
			}
			multiple = lookup(table, window)
			acc = c.sum(&acc, &multiple)
		}
	}
	return c.affine(&acc)
}

// pointLimbs is the length of a point in a table.
const pointLimbs = 3 * len(element{})

func (q *point) appendTo(table []uint64) []uint64 {
	return append(append(append(table, q.x[:]...), q.y[:]...), q.z[:]...)
}

// lookup returns a point of a table, having read all.
func lookup(table []uint64, index byte) point {
	var q [pointLimbs]uint64
	montgomery.Lookup(q[:], table, index)
	const n = len(element{})
	return point{element(q[:n]), element(q[n : 2*n]), element(q[2*n:])}
}

// affine returns X/Z and Y/Z, as many octets each as p has.
func (c *curve) affine(q *point) (x, y []byte) {
	var inverse element
	c.p.Inverse(inverse[:c.limbs], q.z[:c.limbs])
	ex, ey := c.mul(q.x, inverse), c.mul(q.y, inverse)
	return c.p.Bytes(ex[:c.limbs]), c.p.Bytes(ey[:c.limbs])
}
