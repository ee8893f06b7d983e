package prf

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"slices"
	"testing"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/status"
	"github.com/goswan/goswan/crypto/vectors"
)

// published are known answers of the functions, and with Use "prf+" of prf+. Those of NIST for prf+ are from its validation of the key
// derivations of SP 800-135 Rev. 1 §4.2: the key is SKEYSEED and the seed is Ni | Nr | SPIi | SPIr. HKDF-Expand of RFC 5869 §2.3 is
// prf+ by another name.
func published(t testing.TB, use string) []vectors.Vector {
	t.Helper()
	list, err := vectors.Read("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(list, func(v vectors.Vector) bool { return v.Use != use })
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("the test's own hex %q: %v", s, err)
	}
	return b
}

func row(t *testing.T, id uint16) Transform {
	t.Helper()
	r, ok := Lookup(id)
	if !ok {
		t.Fatalf("the table has no row %d", id)
	}
	return *r
}

// named is the row of a name.
func named(t testing.TB, name string) *Transform {
	t.Helper()
	i := slices.IndexFunc(Transforms, func(r Transform) bool { return r.Name == name })
	if i < 0 {
		t.Fatalf("the table has no row %s", name)
	}
	return &Transforms[i]
}

func TestPublishedVectors(t *testing.T) {
	for _, v := range published(t, "") {
		r, cut := named(t, v.Transform), len(v.Input)/3
		if got := r.Sum(secret.Bytes(v.Key), v.Input[:cut], v.Input[cut:]); !bytes.Equal(got, v.Output) {
			t.Errorf("%s gives %x for %s, the source has %x", r.Name, got, v.Source, v.Output)
		}
	}
}

func TestPublishedVectorsOfPlus(t *testing.T) {
	for _, v := range published(t, "prf+") {
		r := named(t, v.Transform)
		// Every length is a beginning of the longest.
		for n := range len(v.Output) + 1 {
			if got := r.Plus(v.Key, v.Input, n); !bytes.Equal(got, v.Output[:n]) {
				t.Fatalf("the first %d octets of %s+ are %x for %s, the source has %x", n, r.Name, []byte(got), v.Source, v.Output[:n])
			}
		}
	}
}

// prf+ as RFC 7296 §2.13 writes it down, of each function that is proven.
func TestPlusByItsDefinition(t *testing.T) {
	for _, r := range Transforms {
		if !r.Status.Usable() {
			continue
		}
		for _, n := range []int{8, r.KeyLen, 100} {
			key, seed := bytes.Repeat([]byte{0x5c}, n), []byte("the seed of prf+")
			var all, block []byte
			for i := byte(1); i <= 9; i++ {
				block = r.Sum(key, block, seed, []byte{i})
				all = append(all, block...)
			}
			if got := r.Plus(key, seed, len(all)); !bytes.Equal(got, all) {
				t.Errorf("%s+ with a key of %d octets is %x, its definition gives %x", r.Name, n, []byte(got), all)
			}
		}
	}
}

// "…only the first 64 bits of Ni and the first 64 bits of Nr are used in calculating SKEYSEED"  RFC 7296 §2.14
func TestNonceKey(t *testing.T) {
	ni, nr := bytes.Repeat([]byte{1}, 16), bytes.Repeat([]byte{2}, 32)
	for _, r := range Transforms {
		want := slices.Concat(ni, nr)
		switch r.Name {
		case "PRF_AES128_XCBC", "PRF_AES128_CMAC", "PRF_CAMELLIA128_XCBC":
			want = slices.Concat(ni[:8], nr[:8])
		}
		if got := r.NonceKey(ni, nr); !bytes.Equal(got, want) {
			t.Errorf("the key of SKEYSEED of %s is %x, want %x", r.Name, got, want)
		}
		if got := r.NonceKey(ni[:3], nr[:0]); !bytes.Equal(got, ni[:3]) {
			t.Errorf("of nonces that are too short the key of %s is %x", r.Name, got)
		}
	}
}

// The derivation of a whole IKE SA and its successors, from NIST's ACVP (kdf-components-ikev2-1.0, SHA2-256).
func TestDerivationOfAnIKESA(t *testing.T) {
	r := row(t, 5)
	nonces := unhex(t, "3651fef5c9c35e93"+"c09a8b90a3f04d59")
	spis := unhex(t, "8e5c3ae507221684"+"b1f201bb155c3acd")
	gir := unhex(t, "d084a30166a50fb7325c3960874a839449ef9741c2f4f947d0201dd8c1269273d79509f37e3ca3eb4fa2fe2a28254e289cd3f34dad4eb4df1a07685a4b8a94fa"+
		"61e2491f7598b3ce65547ff133b3f63d1ac4175eaa695033f3cedb026a6873a36455172a8540b8a5d23a0143bed0390ee49b168269d75fffee9fb62be965993c")
	girNew := unhex(t, "52f00ab174c25d5b7139ae5ff4e8e9eddee5992d2e36adf8a559ffd90dab1442e4fbe429d320c0f33552a17d1557fa41ea70e8fb916c4fa27ed52b5f8ebd8461"+
		"afa78f1159159a64055ac5f6319e29c28eae58cbc6847770f32c3fed1d04750484f854790f95e9ec01bc5bc461f24966462e359511329305038e94deb6dd42c2")
	keymat := unhex(t, "462b9dd525d4fd71169174272779e704baf62c6231779ae9efe8c58b21916b42010164af2111ebd762f6916ca9a6f0ee05c8b320e4ee27705521de2589adea18"+
		"78f1a551738af7c88dc4f0bb0c096a3f7d1f1a670fc79f49f678d60d665bb371")
	child := unhex(t, "23647677e7d403fa1e3006f19840aee18ad9fecc4215814c4131bdeba98433d8b0e31bfbbddf822abcce5e06486aa388022b75e27e1e68aa5983028b65282c73")
	childPFS := unhex(t, "6a919387a5fa2835fe8a8237e4a14845bd2b9930db87eff7adf268f62186004902dba9aa942d0259a0edc4120b932a503865b57ba8fb88117ef5df7b26799cd8")

	skeyseed := r.Sum(nonces, gir)
	if want := "efaa7ab0eaa85a3d0be2100cd4b6fe00ff5025a9eafddb3ef518e9f0d3fe60e6"; hex.EncodeToString(skeyseed) != want {
		t.Fatalf("SKEYSEED is %x, want %s", skeyseed, want)
	}
	if got := r.Plus(skeyseed, slices.Concat(nonces, spis), len(keymat)); !bytes.Equal(got, keymat) {
		t.Fatalf("the keys of the IKE SA are %x, want %x", []byte(got), keymat)
	}
	skD := keymat[:r.KeyLen]
	if got := r.Plus(skD, nonces, len(child)); !bytes.Equal(got, child) {
		t.Errorf("the keys of a Child SA are %x, want %x", []byte(got), child)
	}
	if got := r.Plus(skD, slices.Concat(girNew, nonces), len(childPFS)); !bytes.Equal(got, childPFS) {
		t.Errorf("the keys of a Child SA with a key exchange are %x, want %x", []byte(got), childPFS)
	}
	if want := "90722c42bd849e9b72d240fc254174270fa8295de6f0338dafc303a9ec104f12"; hex.EncodeToString(r.Sum(skD, girNew, nonces)) != want {
		t.Errorf("SKEYSEED of the rekeyed IKE SA is not %s", want)
	}
}

// The standard library's HKDF-Expand is an independent prf+, up to the last block there is.
func TestPlusAgainstHKDF(t *testing.T) {
	key, seed := bytes.Repeat([]byte{0x42}, 64), []byte("a seed")
	for id, h := range map[uint16]func() hash.Hash{2: sha1.New, 5: sha256.New, 6: sha512.New384, 7: sha512.New} {
		r := row(t, id)
		n := 255 * r.OutLen
		want, err := hkdf.Expand(h, key, string(seed), n)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Plus(key, seed, n); !bytes.Equal(got, want) {
			t.Errorf("%s+ differs from HKDF-Expand within %d octets", r.Name, n)
		}
	}
}

func TestPlusRefusesMoreThanThereIs(t *testing.T) {
	r := row(t, 5)
	for _, n := range []int{-1, 255*r.OutLen + 1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s+ gives %d octets", r.Name, n)
				}
			}()
			r.Plus([]byte("key"), []byte("seed"), n)
		}()
	}
}

func TestPlusLeavesNothingBehindItsEnd(t *testing.T) {
	out := row(t, 5).Plus([]byte("key"), []byte("seed"), 33)
	if rest := out[:cap(out)][33:]; !bytes.Equal(rest, make([]byte, len(rest))) {
		t.Error("behind the 33 octets asked for stands key material that Wipe will not reach")
	}
}

func TestRows(t *testing.T) {
	ids, words := map[uint16]bool{}, map[string]bool{}
	proven, provenPlus := vectors.Sources(published(t, "")), vectors.Sources(published(t, "prf+"))
	for _, r := range Transforms {
		if ids[r.ID] {
			t.Errorf("two rows have the Transform ID %d", r.ID)
		}
		ids[r.ID] = true
		for _, w := range r.Keywords {
			if words[w] {
				t.Errorf("two rows have the keyword %q", w)
			}
			words[w] = true
		}
		if r.Status.Usable() != (r.New != nil) {
			t.Errorf("%s is %s, which does not fit its constructor", r.Name, r.Status)
		}
		if !r.Status.Usable() {
			continue
		}
		if len(proven[r.Name]) == 0 {
			t.Errorf("%s has no published vector", r.Name)
		}
		// prf+ is one for all of them; what `default` has is proven by its own.
		if r.Status == status.Default && !r.Named && len(provenPlus[r.Name]) == 0 {
			t.Errorf("%s has no published vector of prf+", r.Name)
		}
		if n := len(r.Sum(make([]byte, r.KeyLen))); n != r.OutLen {
			t.Errorf("%s gives %d octets, its row says %d", r.Name, n, r.OutLen)
		}
		if r.RFC == "" || len(r.Keywords) == 0 || r.Strength == 0 || r.KeyLen == 0 {
			t.Errorf("%s lacks its RFC, keyword, strength or key length", r.Name)
		}
	}
	if _, ok := Lookup(9999); ok {
		t.Error("a Transform ID that nobody assigned has a row")
	}
}
