package ke

import (
	"bytes"
	"errors"
	"math/big"
	"testing"

	"github.com/goswan/goswan/crypto/montgomery"
	"github.com/goswan/goswan/crypto/secret"
)

var modps = map[string]modp{
	"MODP_768": modp768, "MODP_1024": modp1024, "MODP_1536": modp1536, "MODP_2048": modp2048, "MODP_3072": modp3072,
	"MODP_4096": modp4096, "MODP_6144": modp6144, "MODP_8192": modp8192,
	"MODP_1024_160": modp1024s160, "MODP_2048_224": modp2048s224, "MODP_2048_256": modp2048s256,
}

// prime returns p.
func (f *primeField) prime() *big.Int {
	minus := new(big.Int).SetBytes(f.p.Bytes(f.minus))
	return minus.Add(minus, big.NewInt(1))
}

// The primes come from pi, so that no digit of them rests on trust: RFC 2409 and RFC 3526 give each as
// 2^n - 2^(n-64) - 1 + 2^64 * ([2^(n-130) pi] + k), and say that (p-1)/2 is prime.
func TestPrimesOfPi(t *testing.T) {
	for _, c := range []struct {
		group modp
		n     uint
		k     int64
	}{
		{modp768, 768, 149686}, {modp1024, 1024, 129093}, {modp1536, 1536, 741804}, {modp2048, 2048, 124476},
		{modp3072, 3072, 1690314}, {modp4096, 4096, 240904}, {modp6144, 6144, 929484}, {modp8192, 8192, 4743158},
	} {
		one := big.NewInt(1)
		want := new(big.Int).Lsh(one, c.n)
		want.Sub(want, new(big.Int).Lsh(one, c.n-64))
		want.Sub(want, one)
		middle := new(big.Int).Add(machin(c.n-130), big.NewInt(c.k))
		want.Add(want, middle.Lsh(middle, 64))
		p := c.group.field().prime()
		if p.Cmp(want) != 0 {
			t.Errorf("the prime of %s is not that of its formula", c.group)
		}
		// The largest would take their time; that the formula gives a prime is the RFC's word.
		if q := new(big.Int).Rsh(p, 1); c.n <= 4096 && (!p.ProbablyPrime(1) || !q.ProbablyPrime(1)) {
			t.Errorf("the prime of %s is not a safe prime", c.group)
		}
	}
}

// machin returns the integer part of 2^n pi, by Machin's formula: pi/4 = 4 arctan(1/5) - arctan(1/239).
func machin(n uint) *big.Int {
	const guard = 64
	unit := new(big.Int).Lsh(big.NewInt(1), n+guard)
	arctan := func(x int64) *big.Int {
		term := new(big.Int).Quo(unit, big.NewInt(x))
		sum := new(big.Int).Set(term)
		for k := int64(3); term.Sign() != 0; k += 2 {
			term.Quo(term, big.NewInt(-x*x))
			sum.Add(sum, new(big.Int).Quo(term, big.NewInt(k)))
		}
		return sum
	}
	sum := arctan(5)
	sum.Lsh(sum, 2).Sub(sum, arctan(239)).Lsh(sum, 2)
	return sum.Rsh(sum, guard)
}

// RFC 5114 §2: q is prime and divides p-1, and the generator generates q values.
func TestSubgroupsOfRFC5114(t *testing.T) {
	for _, g := range []modp{modp1024s160, modp2048s224, modp2048s256} {
		f := g.field()
		p, q := f.prime(), new(big.Int).SetBytes(f.order)
		generator := new(big.Int).SetBytes(f.p.Bytes(f.g))
		one := big.NewInt(1)
		if !p.ProbablyPrime(1) || !q.ProbablyPrime(1) {
			t.Errorf("%s: p or q is not prime", g)
		}
		if new(big.Int).Mod(new(big.Int).Sub(p, one), q).Sign() != 0 {
			t.Errorf("%s: q does not divide p-1", g)
		}
		if generator.Cmp(one) <= 0 || new(big.Int).Exp(generator, q, p).Cmp(one) != 0 {
			t.Errorf("%s: the generator does not generate q values", g)
		}
		if len(f.order) != g.expLen {
			t.Errorf("%s: an exponent has %d octets and q %d", g, g.expLen, len(f.order))
		}
	}
}

// RFC 6989 §2.1: 1 < r < p-1.
func TestMODPRefusesPublicValuesOutOfRange(t *testing.T) {
	for name, g := range modps {
		r := rowNamed(t, name)
		p := g.field().prime()
		plus := func(d int64) []byte {
			return new(big.Int).Add(p, big.NewInt(d)).FillBytes(make([]byte, r.PublicLen))
		}
		at := func(v int64) []byte { return big.NewInt(v).FillBytes(make([]byte, r.PublicLen)) }
		safe := g.field().q == nil // 2 and p-2 are in no subgroup of RFC 5114
		for _, c := range []struct {
			what  string
			value []byte
			good  bool
		}{
			{"0", at(0), false}, {"1", at(1), false}, {"2", at(2), safe}, {"p-2", plus(-2), safe}, {"p-1", plus(-1), false},
			{"p", plus(0), false}, {"p+1", plus(1), false}, {"all ones", bytes.Repeat([]byte{0xff}, r.PublicLen), false},
		} {
			_, k, err := r.Respond(seeded(5), c.value)
			if c.good != (err == nil) || err != nil && !errors.Is(err, ErrPublicValue) {
				t.Errorf("%s: the public value %s gives the error %v, taken is to be %v", r.Name, c.what, err, c.good)
			}
			if err != nil && k != nil {
				t.Errorf("%s: the refused public value %s gives a secret", r.Name, c.what)
			}
		}
	}
}

// RFC 6989 §2.2: a value of small order would tell the private exponent modulo that order.
func TestSubgroupsRefuseValuesOfSmallOrder(t *testing.T) {
	for _, g := range []modp{modp1024s160, modp2048s224, modp2048s256} {
		r := rowNamed(t, g.name)
		i := initiateRow(t, r, seeded(10))
		for order, value := range smallOrders(g) {
			octets := value.FillBytes(make([]byte, r.PublicLen))
			if _, _, err := r.Respond(seeded(10), octets); !errors.Is(err, ErrPublicValue) {
				t.Errorf("%s: the responder takes a value of order %d: %v", g, order, err)
			}
			if _, err := i.Finish(octets); !errors.Is(err, ErrPublicValue) {
				t.Errorf("%s: the initiator takes a value of order %d: %v", g, order, err)
			}
			// A good value times it is outside of the subgroup too.
			mixed := new(big.Int).SetBytes(i.Public())
			mixed.Mod(mixed.Mul(mixed, value), g.field().prime())
			if _, err := i.Finish(mixed.FillBytes(octets)); !errors.Is(err, ErrPublicValue) {
				t.Errorf("%s: the initiator takes a good value times one of order %d: %v", g, order, err)
			}
		}
	}
}

// smallOrders returns values whose order is a small prime.
func smallOrders(g modp) map[int64]*big.Int {
	p := g.field().prime()
	minus := new(big.Int).Sub(p, big.NewInt(1))
	found := map[int64]*big.Int{2: minus}
	for order := int64(3); order < 1<<12; order += 2 {
		n := big.NewInt(order)
		if !n.ProbablyPrime(0) || new(big.Int).Mod(minus, n).Sign() != 0 {
			continue
		}
		for base := int64(2); found[order] == nil; base++ {
			value := new(big.Int).Exp(big.NewInt(base), new(big.Int).Quo(minus, n), p)
			if value.Cmp(big.NewInt(1)) != 0 {
				found[order] = value
			}
		}
	}
	return found
}

// math/big is not constant time but it is another implementation.
func TestMODPAgainstMathBig(t *testing.T) {
	for name, g := range modps {
		r := rowNamed(t, name)
		f := g.field()
		i := initiateRow(t, r, seeded(9))
		octets := i.(*initiator[secret.Bytes, montgomery.Nat]).key
		p, x := f.prime(), new(big.Int).SetBytes(octets)
		generator := new(big.Int).SetBytes(f.p.Bytes(f.g))
		want := new(big.Int).Exp(generator, x, p).FillBytes(make([]byte, r.PublicLen))
		if !bytes.Equal(i.Public(), want) {
			t.Errorf("%s: the public value differs from the one of math/big", r.Name)
		}
		peer := initiateRow(t, r, seeded(12)).Public()
		want = new(big.Int).Exp(new(big.Int).SetBytes(peer), x, p).FillBytes(make([]byte, r.PublicLen))
		if shared, err := i.Finish(peer); err != nil || !bytes.Equal(shared, want) {
			t.Errorf("%s: the shared secret differs from the one of math/big (%v)", r.Name, err)
		}
	}
}

// RFC 3526 §8, the larger estimate of the exponent's size.
func TestExponentsAreLongEnough(t *testing.T) {
	for name, bits := range map[string]int{"MODP_1536": 240, "MODP_2048": 320, "MODP_3072": 420, "MODP_4096": 480, "MODP_6144": 540, "MODP_8192": 620} {
		if got := 8 * modps[name].expLen; got < bits {
			t.Errorf("%s: the private exponent has %d bits, want at least %d", name, got, bits)
		}
	}
}
