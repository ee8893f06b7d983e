package ke

import (
	"io"

	"github.com/cloudflare/circl/dh/x448"

	"github.com/goswan/goswan/crypto/secret"
)

// curve448 is X448 of RFC 7748 §5, used in IKE as RFC 8031 says.
type curve448 struct{}

func (curve448) String() string { return "CURVE_448" }

func (c curve448) newKey(rand io.Reader) (key *x448.Key, public []byte, err error) {
	// Every 56 octets are a key: RFC 7748 §5 sets the bits that have to be set.
	octets, err := draw(c.String(), rand, x448.Size, 0xff, func(secret.Bytes) bool { return true })
	if err != nil {
		return nil, nil, err
	}
	defer octets.Wipe()
	key = (*x448.Key)(append([]byte(nil), octets...))
	var out x448.Key
	x448.KeyGen(&out, key)
	return key, out[:], nil
}

// parse finds nothing to check but the length: every 56 octets are a public value, also those that are not below p
// (RFC 7748 §5).
func (c curve448) parse(value []byte) (*x448.Key, error) {
	if len(value) != x448.Size {
		return nil, errLength(c.String(), len(value), x448.Size)
	}
	return (*x448.Key)(value), nil
}

func (c curve448) agree(key, peer *x448.Key) (secret.Bytes, error) {
	var shared x448.Key
	// "both MAY check, without leaking extra information about the value of K, whether the resulting shared K is the all-zero
	// value and abort if so."  RFC 7748 §6.2; RFC 8031 §2 makes it a MUST.
	if !x448.Shared(&shared, key, peer) {
		return nil, errPublic(c.String(), "the shared secret is all zero")
	}
	return shared[:], nil
}

func (curve448) wipe(key *x448.Key) { clear(key[:]) }
