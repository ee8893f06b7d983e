package ke

import (
	"encoding/hex"
	"fmt"
	"io"
	"sync"

	"filippo.io/bigmod"

	"github.com/goswan/goswan/crypto/secret"
)

// modp is a group of RFC 3526: the integers modulo a safe prime, generator 2. All arithmetic with the private
// exponent is constant time; its time depends on the group alone.
type modp struct {
	name   string
	expLen int                    // octets of private exponent
	p      func() *bigmod.Modulus // computed at first use
}

// The private exponents have the sizes of the larger estimate of RFC 3526 §8: 320, 420 and 480 bits, which is twice the
// group's strength. A longer exponent would cost time and gain nothing.
var (
	modp2048 = modp{name: "MODP_2048", expLen: 40, p: modulus(prime2048)}
	modp3072 = modp{name: "MODP_3072", expLen: 53, p: modulus(prime3072)}
	modp4096 = modp{name: "MODP_4096", expLen: 60, p: modulus(prime4096)}
)

func modulus(prime string) func() *bigmod.Modulus {
	return sync.OnceValue(func() *bigmod.Modulus {
		b, err := hex.DecodeString(prime)
		if err != nil {
			panic(err)
		}
		m, err := bigmod.NewModulus(b)
		if err != nil {
			panic(err)
		}
		return m
	})
}

// parse reads a public value and checks it.
func (g modp) parse(value []byte) (*bigmod.Nat, error) {
	p := g.p()
	// "The length of the Diffie-Hellman public value for MODP groups MUST be equal to the length of the prime modulus
	// over which the exponentiation was performed, prepending zero bits to the value if necessary."  RFC 7296 §3.4
	if len(value) != p.Size() {
		return nil, errLength(g.name, len(value), p.Size())
	}
	// Of r from the peer, RFC 6989 §2.1 wants 1 < r < p-1. SetBytes refuses r >= p.
	r, err := bigmod.NewNat().SetBytes(value, p)
	if err != nil || r.IsZero()|r.IsOne()|r.IsMinusOne(p) != 0 {
		return nil, fmt.Errorf("ke: %s: %w: it is not between 1 and p-1", g.name, ErrPublicValue)
	}
	return r, nil
}

// power returns base^x as octets of the modulus' length, zeros in front if need be.
// "g^ir is represented as a string of octets in big endian order padded with zeros if necessary to make it the length
// of the modulus."  RFC 7296 §2.14
func (g modp) power(base *bigmod.Nat, x secret.Bytes) []byte {
	p := g.p()
	return bigmod.NewNat().Exp(base, x, p).Bytes(p)
}

// newKey draws a private exponent and computes its public value.
func (g modp) newKey(rand io.Reader) (x secret.Bytes, public []byte, err error) {
	x = make(secret.Bytes, g.expLen)
	for range draws {
		if _, err := io.ReadFull(rand, x); err != nil {
			x.Wipe()
			return nil, nil, fmt.Errorf("ke: %s: %w", g.name, err)
		}
		public := g.power(bigmod.NewNat().SetUint(2).ExpandFor(g.p()), x)
		// An exponent of zero would publish 1, which no peer accepts.
		if _, err := g.parse(public); err == nil {
			return x, public, nil
		}
	}
	return nil, nil, fmt.Errorf("ke: %s: %w", g.name, ErrRandom)
}

// shared checks the peer's public value and returns g^ir.
func (g modp) shared(x secret.Bytes, peer []byte) (secret.Bytes, error) {
	r, err := g.parse(peer)
	if err != nil {
		return nil, err
	}
	return g.power(r, x), nil
}

// initiate is the Initiate of a row.
func (g modp) initiate(rand io.Reader) (Initiator, error) {
	x, public, err := g.newKey(rand)
	if err != nil {
		return nil, err
	}
	return &modpInitiator{group: g, x: x, pub: public}, nil
}

// respond is the Respond of a row.
func (g modp) respond(rand io.Reader, peer []byte) ([]byte, secret.Bytes, error) {
	// The cheap check comes before the expensive power: a stranger's bad value costs us nothing.
	if _, err := g.parse(peer); err != nil {
		return nil, nil, err
	}
	x, public, err := g.newKey(rand)
	if err != nil {
		return nil, nil, err
	}
	defer x.Wipe()
	k, err := g.shared(x, peer)
	if err != nil {
		return nil, nil, err
	}
	return public, k, nil
}

type modpInitiator struct {
	group modp
	x     secret.Bytes // nil once wiped
	pub   []byte
}

func (i *modpInitiator) Public() []byte { return i.pub }

func (i *modpInitiator) Finish(peer []byte) (secret.Bytes, error) {
	if i.x == nil {
		return nil, fmt.Errorf("ke: %s: %w", i.group.name, ErrWiped)
	}
	return i.group.shared(i.x, peer)
}

func (i *modpInitiator) Wipe() {
	i.x.Wipe()
	i.x = nil
}
