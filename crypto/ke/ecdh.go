package ke

import (
	"crypto/ecdh"
	"io"

	"github.com/goswan/goswan/crypto/secret"
)

// standard is a Diffie-Hellman group of crypto/ecdh with its encoding in the KE payload.
type standard struct {
	name      string
	curve     ecdh.Curve
	privLen   int    // octets of private key
	publicLen int    // octets of public value
	top       byte   // mask of the private key's first octet
	prefix    []byte // what the standard library has in front of a public value and the KE payload has not
}

// "The Diffie-Hellman public value is obtained by concatenating the x and y values."  RFC 5903 §7
// SEC 1, and the standard library with it, has a 4 in front.
var uncompressed = []byte{4}

var (
	x25519 = standard{name: "CURVE_25519", curve: ecdh.X25519(), privLen: 32, publicLen: 32, top: 0xff}
	ecp256 = standard{name: "ECP_256", curve: ecdh.P256(), privLen: 32, publicLen: 64, top: 0xff, prefix: uncompressed}
	ecp384 = standard{name: "ECP_384", curve: ecdh.P384(), privLen: 48, publicLen: 96, top: 0xff, prefix: uncompressed}
	ecp521 = standard{name: "ECP_521", curve: ecdh.P521(), privLen: 66, publicLen: 132, top: 0x01, prefix: uncompressed}
)

func (c standard) String() string { return c.name }

// newKey draws a private key. ecdh.Curve.GenerateKey would ignore the reader.
func (c standard) newKey(rand io.Reader) (key *ecdh.PrivateKey, public []byte, err error) {
	octets, err := draw(c.name, rand, c.privLen, c.top, func(octets secret.Bytes) bool {
		key, err = c.curve.NewPrivateKey(octets)
		return err == nil
	})
	if err != nil {
		return nil, nil, err
	}
	octets.Wipe()
	return key, key.PublicKey().Bytes()[len(c.prefix):], nil
}

func (c standard) parse(value []byte) (*ecdh.PublicKey, error) {
	if len(value) != c.publicLen {
		return nil, errLength(c.name, len(value), c.publicLen)
	}
	// RFC 6989 §2.3 wants both coordinates below p and the point on the curve; NewPublicKey checks just that, and for
	// X25519 there is nothing to check: every 32 octets are a public value (RFC 7748 §5).
	public, err := c.curve.NewPublicKey(append(append([]byte{}, c.prefix...), value...))
	if err != nil {
		return nil, errPublic(c.name, "it is no point of the curve")
	}
	return public, nil
}

// agree returns the x coordinate (RFC 5903 §7), or the 32 octets of RFC 7748 §6.1.
func (c standard) agree(key *ecdh.PrivateKey, peer *ecdh.PublicKey) (secret.Bytes, error) {
	// A point of small order gives the all-zero value of RFC 7748 §6.1, which ECDH refuses.
	shared, err := key.ECDH(peer)
	if err != nil {
		return nil, errPublic(c.name, "the shared secret is all zero")
	}
	return shared, nil
}

// wipe does nothing: the standard library holds the key's octets and offers no way to overwrite them.
func (c standard) wipe(*ecdh.PrivateKey) {}
