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
	"strings"
	"testing"
)

// vectors are published known answers of the functions.
var vectors = []struct {
	source         string
	id             uint16
	key, data, out string
}{
	{"RFC 2202 §3, test case 1", 2, strings.Repeat("0b", 20), text("Hi There"), "b617318655057264e28bc0b6fb378c8ef146be00"},
	{"RFC 2202 §3, test case 2", 2, text("Jefe"), text("what do ya want for nothing?"), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
	{"RFC 4231 §4.2", 5, strings.Repeat("0b", 20), text("Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
	{"RFC 4231 §4.3", 5, text("Jefe"), text("what do ya want for nothing?"), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
	{"RFC 4231 §4.2", 6, strings.Repeat("0b", 20), text("Hi There"), "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6"},
	{"RFC 4231 §4.3", 6, text("Jefe"), text("what do ya want for nothing?"), "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"},
	{"RFC 4231 §4.2", 7, strings.Repeat("0b", 20), text("Hi There"), "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
	{"RFC 4231 §4.3", 7, text("Jefe"), text("what do ya want for nothing?"), "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
}

// plusVectors are published known answers of prf+. Those of NIST are from its validation of the key derivations of
// SP 800-135 Rev. 1 §4.2: the key is SKEYSEED and the seed is Ni | Nr | SPIi | SPIr. HKDF-Expand of RFC 5869 §2.3 is
// prf+ by another name.
var plusVectors = []struct {
	source         string
	id             uint16
	key, seed, out string
}{
	{"RFC 5869 A.4", 2, "9b6c18c432a7bf8f0e71c8eb88f4b30baa2ba243", "f0f1f2f3f4f5f6f7f8f9",
		"085a01ea1b10f36933068b56efa5ad81a4f14b822f5b091568a9cdd4f155fda2c22e422478d305f3f896"},
	{"RFC 5869 A.1", 5, "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5", "f0f1f2f3f4f5f6f7f8f9",
		"3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
	{"NIST CAVP, IKEv2 SHA-256", 5, "37fde90b81d63692620f67367b62092e3efdc6a03509137d731004767ff35010",
		"ed80dc79912c32a935fb6d1a3feac07847c1858efc932ea4606fd05609624002",
		"63d018a08f7a29daa7d1f92cb63f45fa39bbaf5e5f1a78139613bb891e3e6bf9d0448f7c74e05b4c1a25c0b61e62c875e852f287e192d4ae536112db51972164" +
			"00bd5e123470efc15f53161865fe8b19a1416518a157d651ecd2caddab6a9eae6a27a55af088218d5156edaa9789f934d9836ed43edffda553822202ff9f7d4860ca72e0"},
	{"NIST CAVP, IKEv2 SHA-384", 6, "54436a9ea95d6ff79b967f4b07f6de976a376e8ea26aa9574709afc60243c9c141da4ca0e158e627a75ea87f6feb07ef",
		"d672b0bc852829b93509f3b7247063640f9a016d7b22223c85f710daf8b982d8",
		"10b00a654643b3b985764f86e23ef62431122fcc96de16e338a372bee49391db1f83a7358c080380abbf4af47cdb83b9530343168f7dbc9221260e1546c6b383" +
			"e2235d2705a727f0b41aebf6a1b4c61cb460660152a17ba74c20d5191ba6841794945270d829587b7f3294639ea7b77149e1d07230ac16e0cd5ab236fa3212bd569ee70f"},
	{"NIST CAVP, IKEv2 SHA-512", 7, "daf9bd6f2f912da553867966af386e67909a8df0ca7e84b83b355cb7d7f1026f17d8ea34b5d57fd0d1ba389528fca1e81d1c8ce511b28a2458241143fee30ccc",
		"df7931db9b429e10b8aa8e4d460423939ba40af9157f47925383c7cd3d1046e6",
		"919a75deaeccbd393bebc89615f8a215edb7073b2319d86740221eee7a2deb92509044d7e61fcb1bf9676b3881c7ced49e6bba1549da3113601677a2445d91ac" +
			"13a597335782dd3a9cf496d9e19b932f27dd35e36f8070d232d0a3b3f4c4a0b4ba4470778dc090f31f52ab1b6d81e4c7dfb35063ad96c327adcdbde714cc9a6b5ef049b8"},
}

func text(s string) string { return hex.EncodeToString([]byte(s)) }

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

func TestPublishedVectors(t *testing.T) {
	for _, v := range vectors {
		r, data := row(t, v.id), unhex(t, v.data)
		if got := r.Sum(unhex(t, v.key), data[:3], data[3:]); !bytes.Equal(got, unhex(t, v.out)) {
			t.Errorf("%s gives %x for %s, the source has %s", r.Name, got, v.source, v.out)
		}
	}
}

func TestPublishedVectorsOfPlus(t *testing.T) {
	for _, v := range plusVectors {
		r, want := row(t, v.id), unhex(t, v.out)
		// Every length is a beginning of the longest.
		for n := range len(want) + 1 {
			if got := r.Plus(unhex(t, v.key), unhex(t, v.seed), n); !bytes.Equal(got, want[:n]) {
				t.Fatalf("the first %d octets of %s+ are %x for %s, the source has %x", n, r.Name, []byte(got), v.source, want[:n])
			}
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
	tested, testedPlus := map[uint16]bool{}, map[uint16]bool{}
	for _, v := range vectors {
		tested[v.id] = true
	}
	for _, v := range plusVectors {
		testedPlus[v.id] = true
	}
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
		if !tested[r.ID] || !testedPlus[r.ID] {
			t.Errorf("%s has no published vector of the function and of prf+", r.Name)
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
