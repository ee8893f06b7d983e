package ke

import (
	stdlib "crypto/mlkem"
	"fmt"
	"io"

	"github.com/cloudflare/circl/kem"
	"github.com/cloudflare/circl/kem/mlkem/mlkem1024"
	"github.com/cloudflare/circl/kem/mlkem/mlkem512"
	"github.com/cloudflare/circl/kem/mlkem/mlkem768"

	"github.com/goswan/goswan/crypto/secret"
)

// mlkem is a parameter set of ML-KEM, FIPS 203: the initiator's Key Exchange Data is an encapsulation key, the responder's a
// ciphertext. Each exchange has a key pair of its own.
//
// Keys and decapsulation are the standard library's, which lacks ML-KEM-512. Encapsulation is circl's: the standard library's
// takes its randomness from the system, and here it has to come from the reader.
type mlkem struct {
	name   string
	scheme kem.Scheme
	newKey func(seed []byte) (key decapsulator, public []byte, err error)
}

// decapsulator is a decapsulation key.
type decapsulator interface {
	Decapsulate(ciphertext []byte) (shared []byte, err error)
}

var (
	kem512  = mlkem{name: "ML_KEM_512", scheme: mlkem512.Scheme(), newKey: newMLKEM512}
	kem768  = mlkem{name: "ML_KEM_768", scheme: mlkem768.Scheme(), newKey: newMLKEM768}
	kem1024 = mlkem{name: "ML_KEM_1024", scheme: mlkem1024.Scheme(), newKey: newMLKEM1024}
)

func newMLKEM768(seed []byte) (decapsulator, []byte, error) {
	key, err := stdlib.NewDecapsulationKey768(seed)
	if err != nil {
		return nil, nil, err
	}
	return key, key.EncapsulationKey().Bytes(), nil
}

func newMLKEM1024(seed []byte) (decapsulator, []byte, error) {
	key, err := stdlib.NewDecapsulationKey1024(seed)
	if err != nil {
		return nil, nil, err
	}
	return key, key.EncapsulationKey().Bytes(), nil
}

// circlKey512 is a decapsulation key of circl's.
type circlKey512 struct{ key *mlkem512.PrivateKey }

func newMLKEM512(seed []byte) (decapsulator, []byte, error) {
	public, key := mlkem512.NewKeyFromSeed(seed)
	out, err := public.MarshalBinary()
	return circlKey512{key}, out, err
}

func (k circlKey512) Decapsulate(ciphertext []byte) ([]byte, error) {
	shared := make([]byte, mlkem512.SharedKeySize)
	k.key.DecapsulateTo(shared, ciphertext)
	return shared, nil
}

// seed draws n octets.
func (m mlkem) seed(rand io.Reader, n int) (secret.Bytes, error) {
	return draw(m.name, rand, n, 0xff, func(secret.Bytes) bool { return true })
}

// initiate is the Initiate of a row. The octets of rand are d and z of FIPS 203, Algorithm 19.
func (m mlkem) initiate(rand io.Reader) (Initiator, error) {
	seed, err := m.seed(rand, m.scheme.SeedSize())
	if err != nil {
		return nil, err
	}
	defer seed.Wipe()
	key, public, err := m.newKey(seed)
	if err != nil {
		return nil, fmt.Errorf("ke: %s: %w", m.name, err)
	}
	return &mlkemInitiator{mlkem: m, key: key, public: public}, nil
}

// respond is the Respond of a row. The octets of rand are m of FIPS 203, Algorithm 20.
func (m mlkem) respond(rand io.Reader, peer []byte) ([]byte, secret.Bytes, error) {
	if want := m.scheme.PublicKeySize(); len(peer) != want {
		return nil, nil, errLength(m.name, len(peer), want)
	}
	// The "modulus check" of FIPS 203 §7.2: every coefficient is below q, so that encoding it again gives the same octets.
	key, err := m.scheme.UnmarshalBinaryPublicKey(peer)
	if err != nil {
		return nil, nil, errPublic(m.name, "a coefficient of the encapsulation key is not below q")
	}
	seed, err := m.seed(rand, m.scheme.EncapsulationSeedSize())
	if err != nil {
		return nil, nil, err
	}
	defer seed.Wipe()
	ciphertext, shared, err := m.scheme.EncapsulateDeterministically(key, seed)
	if err != nil {
		return nil, nil, fmt.Errorf("ke: %s: %w", m.name, err)
	}
	return ciphertext, shared, nil
}

type mlkemInitiator struct {
	mlkem  mlkem
	key    decapsulator // nil once wiped
	public []byte
}

func (i *mlkemInitiator) Public() []byte { return i.public }

// Finish decapsulates. Of a ciphertext there is nothing to check but the length: one that was not made with our key gives a
// secret that nobody else has ("implicit rejection", FIPS 203 §6.3), and the peers then fail to authenticate.
func (i *mlkemInitiator) Finish(peer []byte) (secret.Bytes, error) {
	if i.key == nil {
		return nil, fmt.Errorf("ke: %s: %w", i.mlkem.name, ErrWiped)
	}
	if want := i.mlkem.scheme.CiphertextSize(); len(peer) != want {
		return nil, errLength(i.mlkem.name, len(peer), want)
	}
	shared, err := i.key.Decapsulate(peer)
	if err != nil {
		return nil, errPublic(i.mlkem.name, err.Error())
	}
	return shared, nil
}

// Wipe drops the key: the libraries hold its octets and offer no way to overwrite them.
func (i *mlkemInitiator) Wipe() { i.key = nil }
