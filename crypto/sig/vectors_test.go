package sig

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cloudflare/circl/sign/ed448"
)

// vector is one block of testdata/vectors.txt.
type vector struct {
	source, scheme, result string // result is empty for a signature to be made, "valid", or "refused" and why
	values                 map[string]string
}

func vectors(t testing.TB) []vector {
	t.Helper()
	file, err := os.ReadFile("testdata/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	for line := range strings.Lines(string(file)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch name {
		case "", "#":
		case "source":
			all = append(all, vector{source: value, values: map[string]string{}})
		case "scheme":
			all[len(all)-1].scheme = value
		case "result":
			all[len(all)-1].result = value
		default:
			all[len(all)-1].values[name] = value
		}
	}
	return all
}

// octets are a value of the block, nil if it has none.
func (v vector) octets(t testing.TB, name string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(v.values[name], "-"))
	if err != nil {
		t.Fatalf("%s: %s: %v", v.source, name, err)
	}
	return b
}

func (v vector) number(t testing.TB, name string) *big.Int {
	return new(big.Int).SetBytes(v.octets(t, name))
}

// row is the scheme of the block, with the length of its salt.
func (v vector) row(t testing.TB) Scheme {
	t.Helper()
	s, ok := Lookup(v.scheme)
	if !ok {
		t.Fatalf("%s: the table has no row %s", v.source, v.scheme)
	}
	row := *s
	if salt := v.octets(t, "salt"); len(salt) > 0 {
		row.SaltLen = len(salt)
	}
	return row
}

// signer is the private key of the block, nil if it has none.
func (v vector) signer(t testing.TB) crypto.Signer {
	t.Helper()
	switch row := v.row(t); {
	case v.values["seed"] != "" && row.Key == Ed25519:
		return ed25519.NewKeyFromSeed(v.octets(t, "seed"))
	case v.values["seed"] != "":
		return ed448.NewKeyFromSeed(v.octets(t, "seed"))
	case v.values["d"] == "":
		return nil
	case row.Key == ECDSA:
		key, err := ecdsa.ParseRawPrivateKey(curves[v.values["curve"]], v.octets(t, "d"))
		if err != nil {
			t.Fatalf("%s: %v", v.source, err)
		}
		return key
	default:
		return &rsa.PrivateKey{PublicKey: *v.public(t).(*rsa.PublicKey), D: v.number(t, "d")}
	}
}

var curves = map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}

// public is the public key of the block.
func (v vector) public(t testing.TB) crypto.PublicKey {
	t.Helper()
	switch row := v.row(t); {
	case v.values["n"] != "":
		return &rsa.PublicKey{N: v.number(t, "n"), E: int(v.number(t, "e").Int64())}
	case v.values["x"] != "":
		point := slices.Concat([]byte{4}, v.octets(t, "x"), v.octets(t, "y"))
		key, err := ecdsa.ParseUncompressedPublicKey(curves[v.values["curve"]], point)
		if err != nil {
			t.Fatalf("%s: %v", v.source, err)
		}
		return key
	case row.Key == Ed25519 && v.values["public"] != "":
		return ed25519.PublicKey(v.octets(t, "public"))
	case row.Key == Ed448 && v.values["public"] != "":
		return ed448.PublicKey(v.octets(t, "public"))
	}
	return v.signer(t).Public()
}

// signature is the block's in the encoding of its row.
func (v vector) signature(t testing.TB) []byte {
	t.Helper()
	if v.values["r"] == "" {
		return v.octets(t, "signature")
	}
	if v.row(t).Curve != nil {
		return slices.Concat(v.octets(t, "r"), v.octets(t, "s"))
	}
	return sequence(t, v.number(t, "r"), v.number(t, "s"))
}

// sequence is an ECDSA-Sig-Value made by another encoder than the package's.
func sequence(t testing.TB, r, s *big.Int) []byte {
	t.Helper()
	value, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestPublishedVectors(t *testing.T) {
	for _, v := range vectors(t) {
		row, key, octets, signature := v.row(t), v.public(t), v.octets(t, "octets"), v.signature(t)
		err := row.Verify(key, octets, signature)
		if strings.HasPrefix(v.result, "refused") {
			if err == nil {
				t.Errorf("%s accepts a signature of %s that is to be %s", row, v.source, v.result)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s refuses the signature of %s: %v", row, v.source, err)
		}
	}
}

// A signature has nothing but the key, the octets and the salt in it, so what we make is what the source has.
func TestPublishedVectorsOfSigning(t *testing.T) {
	for _, v := range vectors(t) {
		signer := v.signer(t)
		if signer == nil || v.result != "" {
			continue
		}
		row, want := v.row(t), v.signature(t)
		got, err := row.Sign(bytes.NewReader(v.octets(t, "salt")), signer, v.octets(t, "octets"))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s signs %x (%v), %s has %x", row, got, err, v.source, want)
		}
	}
}

func TestEveryUsableRowHasVectors(t *testing.T) {
	signed, verified, refused := map[string]bool{}, map[string]bool{}, map[Key]bool{}
	for _, v := range vectors(t) {
		switch {
		case v.source == "":
			t.Errorf("a vector of %s tells no source", v.scheme)
		case strings.HasPrefix(v.result, "refused"):
			refused[v.row(t).Key] = true
		case v.result == "valid":
			verified[v.scheme] = true
		default:
			signed[v.scheme], verified[v.scheme] = true, true
		}
	}
	for _, s := range Schemes {
		if s.Status.Usable() && (!signed[s.Name] || !verified[s.Name]) {
			t.Errorf("%s has no published vector that proves signing and verifying", s.Name)
		}
		if s.Status.Usable() && !refused[s.Key] {
			t.Errorf("no published vector shows what %s keys have to refuse", s.Key)
		}
	}
}
