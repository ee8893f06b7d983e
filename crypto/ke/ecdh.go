package ke

import (
	"crypto/ecdh"
	"fmt"
	"io"

	"github.com/goswan/goswan/crypto/secret"
)

// curve is one Diffie-Hellman group of crypto/ecdh with its encoding in the KE payload.
type curve struct {
	name    string
	curve   ecdh.Curve
	privLen int    // octets of private key
	top     byte   // mask of the private key's first octet
	prefix  []byte // what the standard library has in front of a public value and the KE payload has not
}

// "The Diffie-Hellman public value is obtained by concatenating the x and y values."  RFC 5903 §7
// SEC 1, and the standard library with it, has a 4 in front.
var uncompressed = []byte{4}

var (
	x25519 = curve{name: "CURVE_25519", curve: ecdh.X25519(), privLen: 32, top: 0xff}
	ecp256 = curve{name: "ECP_256", curve: ecdh.P256(), privLen: 32, top: 0xff, prefix: uncompressed}
	ecp384 = curve{name: "ECP_384", curve: ecdh.P384(), privLen: 48, top: 0xff, prefix: uncompressed}
	ecp521 = curve{name: "ECP_521", curve: ecdh.P521(), privLen: 66, top: 0x01, prefix: uncompressed}
)

// draws bounds how often a private key is drawn. A draw fails when it is 0 or not below the group's order: with
// probability 2^-32 for P-256, less for the others. A sound source never comes near the bound.
const draws = 16

// newKey draws a private key. ecdh.Curve.GenerateKey would ignore the reader.
func (c curve) newKey(rand io.Reader) (*ecdh.PrivateKey, error) {
	octets := make(secret.Bytes, c.privLen)
	defer octets.Wipe()
	for range draws {
		if _, err := io.ReadFull(rand, octets); err != nil {
			return nil, fmt.Errorf("ke: %s: %w", c.name, err)
		}
		octets[0] &= c.top
		if key, err := c.curve.NewPrivateKey(octets); err == nil {
			return key, nil
		}
	}
	return nil, fmt.Errorf("ke: %s: %w", c.name, ErrRandom)
}

// public returns the Key Exchange Data of a key.
func (c curve) public(key *ecdh.PrivateKey) []byte { return key.PublicKey().Bytes()[len(c.prefix):] }

// shared checks the peer's public value and returns the shared secret: the x coordinate (RFC 5903 §7), or the 32 octets
// of RFC 7748 §6.1.
func (c curve) shared(key *ecdh.PrivateKey, peer []byte) (secret.Bytes, error) {
	if want := len(c.public(key)); len(peer) != want {
		return nil, errLength(c.name, len(peer), want)
	}
	// RFC 6989 §2.3 wants both coordinates below p and the point on the curve; NewPublicKey checks just that, and for
	// X25519 there is nothing to check: every 32 octets are a public value (RFC 7748 §5).
	pub, err := c.curve.NewPublicKey(append(append([]byte{}, c.prefix...), peer...))
	if err != nil {
		return nil, fmt.Errorf("ke: %s: %w: it is no point of the curve", c.name, ErrPublicValue)
	}
	// A point of small order gives the all-zero value of RFC 7748 §6.1, which ECDH refuses.
	k, err := key.ECDH(pub)
	if err != nil {
		return nil, fmt.Errorf("ke: %s: %w: the shared secret is all zero", c.name, ErrPublicValue)
	}
	return k, nil
}

// initiate is the Initiate of a row.
func (c curve) initiate(rand io.Reader) (Initiator, error) {
	key, err := c.newKey(rand)
	if err != nil {
		return nil, err
	}
	return &curveInitiator{curve: c, key: key, pub: c.public(key)}, nil
}

// respond is the Respond of a row.
func (c curve) respond(rand io.Reader, peer []byte) ([]byte, secret.Bytes, error) {
	key, err := c.newKey(rand)
	if err != nil {
		return nil, nil, err
	}
	k, err := c.shared(key, peer)
	if err != nil {
		return nil, nil, err
	}
	return c.public(key), k, nil
}

type curveInitiator struct {
	curve curve
	key   *ecdh.PrivateKey // nil once wiped
	pub   []byte
}

func (i *curveInitiator) Public() []byte { return i.pub }

func (i *curveInitiator) Finish(peer []byte) (secret.Bytes, error) {
	if i.key == nil {
		return nil, fmt.Errorf("ke: %s: %w", i.curve.name, ErrWiped)
	}
	return i.curve.shared(i.key, peer)
}

// Wipe drops the key: the standard library holds its octets and offers no way to overwrite them.
func (i *curveInitiator) Wipe() { i.key = nil }
