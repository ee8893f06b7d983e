package ke

import (
	"bytes"
	stdlib "crypto/mlkem"
	"crypto/mlkem/mlkemtest"
	"errors"
	"testing"
)

// mlkemRows are the rows of ML-KEM.
var mlkemRows = []uint16{35, 36, 37}

// FIPS 203 §7.2, the modulus check: a coefficient of 12 bits that is not below q = 3329 is refused wherever it stands.
func TestMLKEMRefusesCoefficientsNotBelowQ(t *testing.T) {
	const q = 3329
	for _, id := range mlkemRows {
		r := row(t, id)
		good := initiateRow(t, r, seeded(30)).Public()
		coefficients := (r.PublicLen - 32) * 8 / 12
		for at := range coefficients {
			for _, value := range []int{q, q + 1, 1<<12 - 1} {
				if _, _, err := r.Respond(seeded(31), withCoefficient(good, at, value)); !errors.Is(err, ErrPublicValue) {
					t.Fatalf("%s: the responder takes the coefficient %d of %d: %v", r.Name, at, value, err)
				}
			}
		}
		if _, _, err := r.Respond(seeded(31), withCoefficient(good, coefficients-1, q-1)); err != nil {
			t.Errorf("%s: the responder refuses a coefficient of q-1: %v", r.Name, err)
		}
	}
}

// withCoefficient returns an encapsulation key with one coefficient, of 12 bits, replaced. FIPS 203, Algorithm 5.
func withCoefficient(key []byte, at, value int) []byte {
	key = bytes.Clone(key)
	b := key[at/2*3:]
	if at%2 == 0 {
		b[0], b[1] = byte(value), b[1]&0xf0|byte(value>>8)
	} else {
		b[1], b[2] = b[1]&0x0f|byte(value<<4), byte(value>>4)
	}
	return key
}

// FIPS 203 §6.3: a ciphertext that was not made with the key gives a secret nevertheless, always the same and nobody else's.
func TestMLKEMRejectsImplicitly(t *testing.T) {
	for _, id := range mlkemRows {
		r := row(t, id)
		i := initiateRow(t, r, seeded(32))
		reply, shared, err := r.Respond(seeded(33), i.Public())
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []int{0, len(reply) / 2, len(reply) - 1} {
			wrong := bytes.Clone(reply)
			wrong[at] ^= 1
			one, err1 := i.Finish(wrong)
			two, err2 := i.Finish(wrong)
			if err1 != nil || err2 != nil || len(one) != r.SharedLen || !one.Equal(two) {
				t.Errorf("%s: a changed ciphertext gives %d and %d octets, the same: %v (%v, %v)", r.Name, len(one), len(two), one.Equal(two), err1, err2)
			}
			if one.Equal(shared) {
				t.Errorf("%s: a changed ciphertext gives the same secret", r.Name)
			}
		}
	}
}

// The standard library's and circl's ML-KEM are the same: of keys, of encapsulation and of decapsulation.
func TestMLKEMAgainstTheOtherLibrary(t *testing.T) {
	for seed := range uint64(8) {
		for _, m := range []mlkem2{second768, second1024} {
			m.compare(t, seed)
		}
	}
}

// mlkem2 is a parameter set with the library that the row does not use for it.
type mlkem2 struct {
	row         mlkem
	encapsulate func(public, random []byte) (shared, ciphertext []byte, err error)
}

var (
	second768 = mlkem2{kem768, func(public, random []byte) ([]byte, []byte, error) {
		key, err := stdlib.NewEncapsulationKey768(public)
		if err != nil {
			return nil, nil, err
		}
		return mlkemtest.Encapsulate768(key, random)
	}}
	second1024 = mlkem2{kem1024, func(public, random []byte) ([]byte, []byte, error) {
		key, err := stdlib.NewEncapsulationKey1024(public)
		if err != nil {
			return nil, nil, err
		}
		return mlkemtest.Encapsulate1024(key, random)
	}}
)

func (m mlkem2) compare(t *testing.T, seed uint64) {
	t.Helper()
	draw := func(n int, s uint64) []byte {
		octets := make([]byte, n)
		_, _ = seeded(s).Read(octets)
		return octets
	}
	i, err := m.row.initiate(seeded(seed))
	if err != nil {
		t.Fatal(err)
	}
	public, private := m.row.scheme.DeriveKeyPair(draw(m.row.scheme.SeedSize(), seed))
	if other, err := public.MarshalBinary(); err != nil || !bytes.Equal(i.Public(), other) {
		t.Errorf("%s: the libraries make different keys of one seed (%v)", m.row.name, err)
	}
	reply, shared, err := m.row.respond(seeded(seed+100), i.Public())
	if err != nil {
		t.Fatal(err)
	}
	k, c, err := m.encapsulate(i.Public(), draw(m.row.scheme.EncapsulationSeedSize(), seed+100))
	if err != nil || !bytes.Equal(k, shared) || !bytes.Equal(c, reply) {
		t.Errorf("%s: the libraries encapsulate differently (%v)", m.row.name, err)
	}
	reply[int(seed)*13] ^= byte(seed) // the first is left as it is
	one, err1 := i.Finish(reply)
	two, err2 := m.row.scheme.Decapsulate(private, reply)
	if err1 != nil || err2 != nil || !bytes.Equal(one, two) {
		t.Errorf("%s: the libraries decapsulate differently (%v, %v)", m.row.name, err1, err2)
	}
}
