package sig

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"slices"
	"testing"

	"github.com/cloudflare/circl/sign/ed448"

	"github.com/goswan/goswan/crypto/status"
)

// keys are private keys for every row: the one of the first vector that has one.
func keys(t testing.TB) map[string]crypto.Signer {
	t.Helper()
	all := map[string]crypto.Signer{}
	for _, v := range vectors(t) {
		if all[v.scheme] == nil {
			if signer := v.signer(t); signer != nil {
				all[v.scheme] = signer
			}
		}
	}
	return all
}

// seeded is a source of the same octets every time.
func seeded(n byte) io.Reader { return bytes.NewReader(bytes.Repeat([]byte{n, n + 1, n + 2}, 100)) }

// eachRow calls f for every usable row with a key and octets that it can sign.
func eachRow(t *testing.T, f func(t *testing.T, s Scheme, key crypto.Signer, octets []byte)) {
	signers := keys(t)
	for _, s := range Schemes {
		if !s.Status.Usable() {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			octets := []byte("RealMessage1 | NonceRData | MACedIDForI")
			if s.Digested && s.Hash != 0 {
				octets = octets[:0:0]
				octets = append(octets, bytes.Repeat([]byte{0x5a}, s.Hash.Size())...)
			}
			f(t, s, signers[s.Name], octets)
		})
	}
}

func sign(t testing.TB, s Scheme, key crypto.Signer, octets []byte) []byte {
	t.Helper()
	signature, err := s.Sign(seeded(1), key, octets)
	if err != nil {
		t.Fatalf("%s does not sign: %v", s, err)
	}
	return signature
}

func TestRoundTrip(t *testing.T) {
	eachRow(t, func(t *testing.T, s Scheme, key crypto.Signer, octets []byte) {
		signature := sign(t, s, key, octets)
		if err := s.Verify(key.Public(), octets, signature); err != nil {
			t.Errorf("what %s signs it does not verify: %v", s, err)
		}
		if !bytes.Equal(signature, sign(t, s, key, octets)) {
			t.Errorf("%s makes two signatures out of the same octets, key and randomness", s)
		}
	})
}

func TestRefusesOtherOctets(t *testing.T) {
	eachRow(t, func(t *testing.T, s Scheme, key crypto.Signer, octets []byte) {
		signature := sign(t, s, key, octets)
		for bit := range 8 * len(octets) {
			if bit%13 != 0 {
				continue // every octet has one flipped sooner or later
			}
			other := slices.Clone(octets)
			other[bit/8] ^= 1 << (bit % 8)
			if err := s.Verify(key.Public(), other, signature); !errors.Is(err, ErrSignature) {
				t.Fatalf("%s verifies octets in which bit %d was flipped: %v", s, bit, err)
			}
		}
	})
}

func TestRefusesFlippedBits(t *testing.T) {
	eachRow(t, func(t *testing.T, s Scheme, key crypto.Signer, octets []byte) {
		signature := sign(t, s, key, octets)
		for bit := range 8 * len(signature) {
			if bit%7 != 0 {
				continue
			}
			other := slices.Clone(signature)
			other[bit/8] ^= 1 << (bit % 8)
			if err := s.Verify(key.Public(), octets, other); !errors.Is(err, ErrSignature) {
				t.Fatalf("%s verifies a signature in which bit %d was flipped: %v", s, bit, err)
			}
		}
	})
}

func TestRefusesOtherLengths(t *testing.T) {
	eachRow(t, func(t *testing.T, s Scheme, key crypto.Signer, octets []byte) {
		signature := sign(t, s, key, octets)
		for n := range signature {
			if err := s.Verify(key.Public(), octets, signature[:n]); !errors.Is(err, ErrSignature) {
				t.Fatalf("%s verifies the first %d of %d octets: %v", s, n, len(signature), err)
			}
		}
		for _, other := range [][]byte{
			append(slices.Clone(signature), 0), append(slices.Clone(signature), signature...), append([]byte{0}, signature...), nil,
		} {
			if err := s.Verify(key.Public(), octets, other); !errors.Is(err, ErrSignature) {
				t.Errorf("%s verifies %d octets, where a signature has %d: %v", s, len(other), len(signature), err)
			}
		}
	})
}

func TestRefusesOtherKeys(t *testing.T) {
	signers := keys(t)
	eachRow(t, func(t *testing.T, s Scheme, key crypto.Signer, octets []byte) {
		signature := sign(t, s, key, octets)
		for name, other := range signers {
			if fitsRow(s, other) {
				continue
			}
			if err := s.Verify(other.Public(), octets, signature); !errors.Is(err, ErrKey) {
				t.Errorf("%s verifies with a key of %s: %v", s, name, err)
			}
			if _, err := s.Sign(seeded(1), other, octets); !errors.Is(err, ErrKey) {
				t.Errorf("%s signs with a key of %s: %v", s, name, err)
			}
		}
	})
}

// fitsRow tells whether a row could use a key at all.
func fitsRow(s Scheme, key crypto.Signer) bool {
	k, bits, err := KeyOf(key.Public())
	return err == nil && k == s.Key && (s.Curve == nil || s.Curve.Params().BitSize == bits)
}

// A key of the same type and size that is not the signer's.
func TestRefusesAnotherPairOfTheSameType(t *testing.T) {
	eachRow(t, func(t *testing.T, s Scheme, key crypto.Signer, octets []byte) {
		signature := sign(t, s, key, octets)
		var other crypto.PublicKey
		switch k := key.Public().(type) {
		case *rsa.PublicKey:
			n := new(big.Int).Add(k.N, big.NewInt(2))
			other = &rsa.PublicKey{N: n, E: k.E}
		case *ecdsa.PublicKey:
			other = generate(t, k.Curve).Public()
		case ed25519.PublicKey:
			other = ed25519.NewKeyFromSeed(make([]byte, 32)).Public()
		case ed448.PublicKey:
			other = ed448.NewKeyFromSeed(make([]byte, 57)).Public()
		}
		if err := s.Verify(other, octets, signature); !errors.Is(err, ErrSignature) {
			t.Errorf("%s verifies with the key of somebody else: %v", s, err)
		}
	})
}

func generate(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Constructed for this test in the manner of Wycheproof: a signature has one encoding, and its integers are within bounds.
func TestRefusesOtherEncodingsOfECDSA(t *testing.T) {
	octets := []byte("octets")
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		s, _ := Lookup("ECDSA_WITH_SHA256_DER")
		key := generate(t, curve)
		var rs struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(sign(t, *s, key, octets), &rs); err != nil {
			t.Fatal(err)
		}
		r, v, n, zero := rs.R, rs.S, curve.Params().N, new(big.Int)
		plus := func(a, b *big.Int) *big.Int { return new(big.Int).Add(a, b) }
		for _, bad := range []struct {
			what      string
			signature []byte
		}{
			{"r of 0", sequence(t, zero, v)},
			{"s of 0", sequence(t, r, zero)},
			{"r and s of 0", sequence(t, zero, zero)},
			{"r + n", sequence(t, plus(r, n), v)},
			{"s + n", sequence(t, r, plus(v, n))},
			{"r of n", sequence(t, n, v)},
			{"s of n", sequence(t, r, n)},
			{"a negative r", sequence(t, new(big.Int).Neg(r), v)},
			{"a negative s", sequence(t, r, new(big.Int).Neg(v))},
			{"r and s of 1", sequence(t, big.NewInt(1), big.NewInt(1))},
			{"a zero octet before r", padded(t, r, v)},
			{"a length in the long form", longForm(sequence(t, r, v))},
			{"an indefinite length", slices.Concat([]byte{0x30, 0x80}, body(sequence(t, r, v)), []byte{0, 0})},
			{"something behind s", withBody(append(body(sequence(t, r, v)), 5, 0))},
			{"a SET", append([]byte{0x31}, sequence(t, r, v)[1:]...)},
			{"no s", withBody(body(sequence(t, r, v))[:2+len(r.Bytes())])},
			{"an empty SEQUENCE", []byte{0x30, 0}},
			{"a length beyond the end", []byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 2, 1, 1}},
			{"r | s without DER", slices.Concat(r.Bytes(), v.Bytes())},
		} {
			if err := s.Verify(key.Public(), octets, bad.signature); !errors.Is(err, ErrSignature) {
				t.Errorf("%s on %s verifies a signature with %s: %v", s, curve.Params().Name, bad.what, err)
			}
		}
	}
}

// body is what a short SEQUENCE holds, withBody the SEQUENCE of it.
func body(der []byte) []byte {
	if der[1] < 0x80 {
		return slices.Clone(der[2:])
	}
	return slices.Clone(der[2+der[1]&0x7f:])
}

func withBody(b []byte) []byte {
	out, _ := asn1.Marshal(asn1.RawValue{Class: 0, Tag: 16, IsCompound: true, Bytes: b})
	return out
}

func padded(t testing.TB, r, s *big.Int) []byte {
	first, err := asn1.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	second, err := asn1.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	first = slices.Concat([]byte{2, first[1] + 1, 0}, first[2:])
	return withBody(append(first, second...))
}

// longForm writes the length of a SEQUENCE with one octet more than it needs.
func longForm(der []byte) []byte {
	b := body(der)
	if len(b) < 0x80 {
		return slices.Concat([]byte{0x30, 0x81, byte(len(b))}, b)
	}
	return slices.Concat([]byte{0x30, 0x82, 0, byte(len(b))}, b)
}

// Constructed for this test: r | s of RFC 4754 with integers out of bounds.
func TestRefusesOtherEncodingsOfFixedECDSA(t *testing.T) {
	for _, s := range Schemes {
		if s.Curve == nil {
			continue
		}
		octets := bytes.Repeat([]byte{7}, s.Hash.Size())
		key := generate(t, s.Curve)
		good := sign(t, s, key, octets)
		n := len(good) / 2
		order := s.Curve.Params().N.FillBytes(make([]byte, n))
		zero, full := make([]byte, n), bytes.Repeat([]byte{0xff}, n)
		for _, bad := range [][]byte{
			slices.Concat(zero, good[n:]), slices.Concat(good[:n], zero), slices.Concat(zero, zero),
			slices.Concat(order, good[n:]), slices.Concat(good[:n], order), slices.Concat(full, good[n:]), slices.Concat(good[:n], full),
			slices.Concat(good[n:], good[:n]), slices.Concat([]byte{0}, good[:n], []byte{0}, good[n:]),
			slices.Concat(good[:n], []byte{0}, good[n:]), slices.Concat(good[:n], make([]byte, n), good[n:]),
		} {
			if err := s.Verify(key.Public(), octets, bad); !errors.Is(err, ErrSignature) {
				t.Errorf("%s verifies %x: %v", s, bad, err)
			}
		}
	}
}

func TestFixedRefusesWhatIsNoSignature(t *testing.T) {
	big1, long := big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), 256)
	for _, der := range [][]byte{nil, {0x30, 0}, sequence(t, new(big.Int), big1), sequence(t, big1, new(big.Int).Neg(big1)), sequence(t, long, big1),
		append(sequence(t, big1, big1), 0)} {
		if out, err := fixed(der, 32); err == nil {
			t.Errorf("%x becomes %x", der, out)
		}
	}
}

// Constructed for this test: the signature is an integer below n, in as many octets as n has.
func TestRefusesOtherEncodingsOfRSA(t *testing.T) {
	eachRow(t, func(t *testing.T, s Scheme, key crypto.Signer, octets []byte) {
		public, ok := key.Public().(*rsa.PublicKey)
		if !ok {
			return
		}
		good := sign(t, s, key, octets)
		n := len(good)
		sum := new(big.Int).Add(new(big.Int).SetBytes(good), public.N)
		for what, bad := range map[string][]byte{
			"n": public.N.FillBytes(make([]byte, n)), "0": make([]byte, n), "1": append(make([]byte, n-1), 1),
			"n - 1":         new(big.Int).Sub(public.N, big.NewInt(1)).FillBytes(make([]byte, n)),
			"all ones":      bytes.Repeat([]byte{0xff}, n),
			"itself plus n": sum.Bytes(),
		} {
			if err := s.Verify(public, octets, bad); !errors.Is(err, ErrSignature) {
				t.Errorf("%s verifies a signature of %s: %v", s, what, err)
			}
		}
	})
}

// A signature of one scheme is none of another.
func TestSchemesAreNotConfused(t *testing.T) {
	signers := keys(t)
	octets := bytes.Repeat([]byte{9}, 32)
	key := signers["RSA_EMSA_PKCS1_SHA2_256"]
	for _, a := range Schemes {
		if a.Key != RSA || !a.Status.Usable() {
			continue
		}
		signature := sign(t, a, key, octets)
		for _, b := range Schemes {
			if b.Key == RSA && b.Status.Usable() && a.Name != b.Name && b.Verify(key.Public(), octets, signature) == nil {
				t.Errorf("%s verifies a signature of %s", b, a)
			}
		}
	}
	pss, _ := Lookup("RSA_EMSA_PSS_SHA2_256")
	salted := *pss
	salted.SaltLen = 20
	if salted.Verify(key.Public(), octets, sign(t, *pss, key, octets)) == nil {
		t.Error("a signature with a salt of 32 octets verifies as one with 20")
	}
	salted.SaltLen = 0
	if salted.Verify(key.Public(), octets, sign(t, *pss, key, octets)) == nil {
		t.Error("a signature with a salt of 32 octets verifies as one without")
	}
}

func TestDigestsHaveTheirLength(t *testing.T) {
	signers := keys(t)
	for _, s := range Schemes {
		if !s.Digested {
			continue
		}
		for _, n := range []int{0, 20, 31, 33, 65, 4096} {
			if s.Hash == 0 && n <= 64 {
				continue // HASH_I of RSA is as long as the PRF's output, whichever that is
			}
			if _, err := s.Sign(seeded(1), signers[s.Name], make([]byte, n)); !errors.Is(err, ErrOctets) {
				t.Errorf("%s signs a digest of %d octets: %v", s, n, err)
			}
			if err := s.Verify(signers[s.Name].Public(), make([]byte, n), nil); !errors.Is(err, ErrOctets) {
				t.Errorf("%s verifies a digest of %d octets: %v", s, n, err)
			}
		}
	}
}

// token is a key elsewhere: it returns what it likes.
type token struct {
	crypto.Signer
	returns []byte
	err     error
}

func (k token) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return k.returns, k.err }

func TestTokensAreSupervised(t *testing.T) {
	broken := errors.New("no card in the slot")
	eachRow(t, func(t *testing.T, s Scheme, key crypto.Signer, octets []byte) {
		for _, bad := range [][]byte{nil, make([]byte, 64), {0x30, 0}} {
			if _, err := s.Sign(seeded(1), token{Signer: key, returns: bad}, octets); err == nil {
				t.Errorf("%s returns what a token says is a signature: %x", s, bad)
			}
		}
		if _, err := s.Sign(seeded(1), token{Signer: key, err: broken}, octets); !errors.Is(err, broken) {
			t.Errorf("%s does not tell the token's own error: %v", s, err)
		}
		good := sign(t, s, key, octets)
		if s.Curve != nil {
			good = sequence(t, new(big.Int).SetBytes(good[:len(good)/2]), new(big.Int).SetBytes(good[len(good)/2:]))
		}
		if _, err := s.Sign(nil, token{Signer: key, returns: good}, octets); err != nil {
			t.Errorf("%s refuses a token's good signature: %v", s, err)
		}
	})
}

func TestRefusesKeys(t *testing.T) {
	short := new(big.Int).Lsh(big.NewInt(1), 1022)
	long := new(big.Int).Lsh(big.NewInt(1), MaxRSABits)
	var noRSA *rsa.PublicKey
	var noECDSA *ecdsa.PublicKey
	for what, key := range map[string]crypto.PublicKey{
		"RSA with 1023 bits": &rsa.PublicKey{N: short, E: 65537}, "RSA with 8193 bits": &rsa.PublicKey{N: long, E: 65537},
		"RSA without modulus": &rsa.PublicKey{E: 3}, "no RSA key": noRSA, "RSA below zero": &rsa.PublicKey{N: big.NewInt(-7), E: 3},
		"ECDSA on P-224": generate(t, elliptic.P224()).Public(), "no ECDSA key": noECDSA, "ECDSA without curve": &ecdsa.PublicKey{},
		"Ed25519 with 31 octets": ed25519.PublicKey(make([]byte, 31)), "Ed448 with 56 octets": ed448.PublicKey(make([]byte, 56)),
		"nothing": nil, "a string": "key",
	} {
		if _, _, err := KeyOf(key); !errors.Is(err, ErrKey) {
			t.Errorf("%s passes for a key: %v", what, err)
		}
		for _, s := range Schemes {
			if s.Status.Usable() && !errors.Is(s.Verify(key, make([]byte, 32), make([]byte, 256)), ErrKey) {
				t.Errorf("%s verifies with %s", s, what)
			}
		}
	}
}

func TestKeyStrength(t *testing.T) {
	for _, c := range []struct {
		key            Key
		bits, strength int
	}{
		{RSA, 512, 0}, {RSA, 1024, 80}, {RSA, 2048, 112}, {RSA, 3072, 128}, {RSA, 4096, 128}, {RSA, 8192, 192},
		{ECDSA, 256, 128}, {ECDSA, 384, 192}, {ECDSA, 521, 260}, {Ed25519, 256, 128}, {Ed448, 448, 224},
	} {
		if got := c.key.Strength(c.bits); got != c.strength {
			t.Errorf("%s with %d bits has a strength of %d, want %d", c.key, c.bits, got, c.strength)
		}
	}
	if Key(9).String() != "key type 9" {
		t.Errorf("a type of key without name is called %s", Key(9))
	}
}

func TestRows(t *testing.T) {
	names, ids, v1 := map[string]bool{}, map[string]bool{}, map[uint16]bool{}
	for _, s := range Schemes {
		if names[s.Name] || ids[string(s.ID)] && s.ID != nil || v1[s.IKEv1] && s.IKEv1 != 0 {
			t.Errorf("%s has the name, AlgorithmIdentifier or IKEv1 method of another row", s.Name)
		}
		names[s.Name], ids[string(s.ID)], v1[s.IKEv1] = true, true, true
		if s.Status.Usable() != (s.sign != nil && s.verify != nil) {
			t.Errorf("%s is %s, which does not fit its functions", s.Name, s.Status)
		}
		if s.RFC == "" || s.Status != status.Default && s.Why == "" {
			t.Errorf("%s lacks its RFC, or the reason why it is %s", s.Name, s.Status)
		}
		if s.Status == status.Unimplemented {
			t.Errorf("%s forgets its standing", s.Name)
		}
		if s.Status.Usable() && s.Method == 0 && s.IKEv1 == 0 && s.ID == nil {
			t.Errorf("%s can be sent in no way", s.Name)
		}
		if len(s.ID) > 255 {
			t.Errorf("the AlgorithmIdentifier of %s is longer than its length octet tells", s.Name)
		}
		if s.SaltLen != 0 && s.SaltLen != s.Hash.Size() {
			t.Errorf("%s has a salt of %d octets, its hash %d", s.Name, s.SaltLen, s.Hash.Size())
		}
	}
	for method, name := range map[uint16]string{3: "RSA_EMSA_PKCS1_NULL", 9: "ECDSA_WITH_NULL_256", 10: "ECDSA_WITH_NULL_384", 11: "ECDSA_WITH_NULL_521", 2: "DSS"} {
		if s, ok := IKEv1(method); !ok || s.Name != name {
			t.Errorf("IKEv1's method %d is not %s", method, name)
		}
	}
	if _, ok := IKEv1(0); ok {
		t.Error("no method of IKEv1 has a row")
	}
	if _, ok := Lookup("RSA"); ok {
		t.Error("a name that no row has is found")
	}
	dss, _ := Lookup("DSS")
	if _, err := dss.Sign(nil, keys(t)["ED25519"], nil); err == nil {
		t.Error("a refused row signs")
	}
}

func BenchmarkSchemes(b *testing.B) {
	signers := keys(b)
	octets := bytes.Repeat([]byte{0x5a}, 64)
	for _, s := range Schemes {
		if !s.Status.Usable() {
			continue
		}
		in := octets
		if s.Digested && s.Hash != 0 {
			in = octets[:s.Hash.Size()]
		}
		signature := sign(b, s, signers[s.Name], in)
		b.Run(s.Name+"/sign", func(b *testing.B) {
			for b.Loop() {
				sign(b, s, signers[s.Name], in)
			}
		})
		b.Run(s.Name+"/verify", func(b *testing.B) {
			public := signers[s.Name].Public()
			for b.Loop() {
				if err := s.Verify(public, in, signature); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
