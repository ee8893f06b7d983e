package ke

import (
	"fmt"
	"io"

	"github.com/goswan/goswan/crypto/secret"
)

// group is a Diffie-Hellman group: K is its private keys, V its public values once they are checked.
type group[K, V any] interface {
	// String is the name of the row.
	String() string
	// newKey draws a private key and computes its public value.
	newKey(rand io.Reader) (key K, public []byte, err error)
	// parse checks a public value as far as RFC 6989 wants it.
	parse(value []byte) (V, error)
	// agree returns the shared secret.
	agree(key K, peer V) (secret.Bytes, error)
	// wipe overwrites a private key where we hold it ourselves.
	wipe(key K)
}

// draws bounds how often a private key is drawn. A draw fails when it is 0 or not below the group's order: for the worst
// of them, MODP_2048_224, with probability one half. A sound source never comes near the bound.
const draws = 128

// draw calls try with n octets of rand, the first of them masked with top, until it returns true. The octets stay with try's
// caller when it does.
func draw(name string, rand io.Reader, n int, top byte, try func(octets secret.Bytes) bool) (secret.Bytes, error) {
	octets := make(secret.Bytes, n)
	for range draws {
		if _, err := io.ReadFull(rand, octets); err != nil {
			octets.Wipe()
			return nil, fmt.Errorf("ke: %s: %w", name, err)
		}
		octets[0] &= top
		if try(octets) {
			return octets, nil
		}
	}
	octets.Wipe()
	return nil, fmt.Errorf("ke: %s: %w", name, ErrRandom)
}

// initiate is the Initiate of a row.
func initiate[K, V any](g group[K, V]) func(io.Reader) (Initiator, error) {
	return func(rand io.Reader) (Initiator, error) {
		key, public, err := g.newKey(rand)
		if err != nil {
			return nil, err
		}
		return &initiator[K, V]{group: g, key: key, public: public}, nil
	}
}

// respond is the Respond of a row.
func respond[K, V any](g group[K, V]) func(io.Reader, []byte) ([]byte, secret.Bytes, error) {
	return func(rand io.Reader, peer []byte) ([]byte, secret.Bytes, error) {
		// The cheap check comes before the expensive key: a stranger's bad value costs us little.
		value, err := g.parse(peer)
		if err != nil {
			return nil, nil, err
		}
		key, public, err := g.newKey(rand)
		if err != nil {
			return nil, nil, err
		}
		defer g.wipe(key)
		shared, err := g.agree(key, value)
		if err != nil {
			return nil, nil, err
		}
		return public, shared, nil
	}
}

type initiator[K, V any] struct {
	group  group[K, V]
	key    K
	wiped  bool
	public []byte
}

func (i *initiator[K, V]) Public() []byte { return i.public }

func (i *initiator[K, V]) Finish(peer []byte) (secret.Bytes, error) {
	if i.wiped {
		return nil, fmt.Errorf("ke: %s: %w", i.group, ErrWiped)
	}
	value, err := i.group.parse(peer)
	if err != nil {
		return nil, err
	}
	return i.group.agree(i.key, value)
}

func (i *initiator[K, V]) Wipe() {
	if !i.wiped {
		i.group.wipe(i.key)
	}
	var none K
	i.key, i.wiped = none, true
}
