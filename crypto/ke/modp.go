package ke

import (
	"io"
	"sync"

	"github.com/goswan/goswan/crypto/montgomery"
	"github.com/goswan/goswan/crypto/secret"
)

// modp is a group of integers modulo a prime. All arithmetic with the private exponent is constant time; its time depends on
// the group alone.
type modp struct {
	name   string
	expLen int                // octets of private exponent
	field  func() *primeField // computed at first use
}

// primeField is the numbers of a group.
type primeField struct {
	p     *montgomery.Modulus
	g     montgomery.Nat      // the generator
	minus montgomery.Nat      // p-1
	q     *montgomery.Modulus // the order of the generator's subgroup, RFC 5114; nil: p is a safe prime
	order []byte              // q's octets
}

// The private exponents of the groups with a safe prime have the sizes of the larger estimate of RFC 3526 §8, from 240 bits
// for 1536 to 620 for 8192, which is more than twice the group's strength: a longer exponent would cost time and gain nothing.
// The two smaller groups take what MODP_1536 takes.
var (
	modp768  = modp{name: "MODP_768", expLen: 30, field: safePrime(768, 149686)}
	modp1024 = modp{name: "MODP_1024", expLen: 30, field: safePrime(1024, 129093)}
	modp1536 = modp{name: "MODP_1536", expLen: 30, field: safePrime(1536, 741804)}
	modp2048 = modp{name: "MODP_2048", expLen: 40, field: safePrime(2048, 124476)}
	modp3072 = modp{name: "MODP_3072", expLen: 53, field: safePrime(3072, 1690314)}
	modp4096 = modp{name: "MODP_4096", expLen: 60, field: safePrime(4096, 240904)}
	modp6144 = modp{name: "MODP_6144", expLen: 68, field: safePrime(6144, 929484)}
	modp8192 = modp{name: "MODP_8192", expLen: 78, field: safePrime(8192, 4743158)}
)

// The groups with a subgroup of prime order: the exponents are below that.
var (
	modp1024s160 = modp{name: "MODP_1024_160", expLen: 20, field: subgroup(p1024s160, g1024s160, q1024s160)}
	modp2048s224 = modp{name: "MODP_2048_224", expLen: 28, field: subgroup(p2048s224, g2048s224, q2048s224)}
	modp2048s256 = modp{name: "MODP_2048_256", expLen: 32, field: subgroup(p2048s256, g2048s256, q2048s256)}
)

// safePrime is a group of RFC 2409 or RFC 3526 of n bits, whose generator is 2.
func safePrime(n int, k uint64) func() *primeField {
	return sync.OnceValue(func() *primeField { return newPrimeField(piPrime(n, k), []byte{2}) })
}

// subgroup is a group of RFC 5114.
func subgroup(p, g, q string) func() *primeField {
	return sync.OnceValue(func() *primeField {
		f := newPrimeField(unhex(p), unhex(g))
		f.order = unhex(q)
		f.q = montgomery.NewModulus(f.order)
		return f
	})
}

func newPrimeField(p, g []byte) *primeField {
	f := &primeField{p: montgomery.NewModulus(p)}
	f.g, f.minus = f.p.NewNat(), f.p.NewNat()
	f.p.SetBytes(f.g, append(make([]byte, len(p)-len(g)), g...))
	f.p.Sub(f.minus, f.minus, f.p.One())
	return f
}

func (g modp) String() string { return g.name }

// newKey draws a private exponent and computes its public value.
func (g modp) newKey(rand io.Reader) (x secret.Bytes, public []byte, err error) {
	f := g.field()
	x, err = draw(g.name, rand, g.expLen, 0xff, f.exponent)
	if err != nil {
		return nil, nil, err
	}
	return x, f.power(f.g, x), nil
}

// exponent tells whether x makes a key: an exponent of zero would publish 1, which no peer accepts, and one of a subgroup is to
// be below its order. That one was refused is no secret: it is not used.
func (f *primeField) exponent(x secret.Bytes) bool {
	var all byte
	for _, b := range x {
		all |= b
	}
	if f.q == nil || all == 0 {
		return all != 0
	}
	z := f.q.NewNat()
	defer clear(z)
	return f.q.SetBytes(z, x)
}

// parse reads a public value and checks it.
func (g modp) parse(value []byte) (montgomery.Nat, error) {
	f := g.field()
	// "The length of the Diffie-Hellman public value for MODP groups MUST be equal to the length of the prime modulus
	// over which the exponentiation was performed, prepending zero bits to the value if necessary."  RFC 7296 §3.4
	if len(value) != f.p.Size() {
		return nil, errLength(g.name, len(value), f.p.Size())
	}
	// Of r from the peer, RFC 6989 §2.1 wants 1 < r < p-1. SetBytes refuses r >= p.
	r := f.p.NewNat()
	if !f.p.SetBytes(r, value) || montgomery.IsZero(r) || montgomery.Equal(r, f.p.One()) || montgomery.Equal(r, f.minus) {
		return nil, errPublic(g.name, "it is not between 1 and p-1")
	}
	if f.q != nil && !f.inSubgroup(r) {
		return nil, errPublic(g.name, "it is not in the subgroup of prime order")
	}
	return r, nil
}

// inSubgroup tells whether r^q = 1, as RFC 6989 §2.2 wants it of the groups with small subgroups: without it a value of small
// order would tell the private exponent modulo that order.
func (f *primeField) inSubgroup(r montgomery.Nat) bool {
	z := f.p.NewNat()
	f.p.Exp(z, r, f.order)
	return montgomery.Equal(z, f.p.One())
}

// power returns base^x as octets of the modulus' length, zeros in front if need be.
// "g^ir is represented as a string of octets in big endian order padded with zeros if necessary to make it the length
// of the modulus."  RFC 7296 §2.14
func (f *primeField) power(base montgomery.Nat, x []byte) []byte {
	z := f.p.NewNat()
	defer clear(z)
	f.p.Exp(z, base, x)
	return f.p.Bytes(z)
}

// agree returns g^ir.
func (g modp) agree(x secret.Bytes, r montgomery.Nat) (secret.Bytes, error) {
	return g.field().power(r, x), nil
}

func (modp) wipe(x secret.Bytes) { x.Wipe() }
