package encr

import (
	"bytes"
	"crypto/cipher"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// vector is one published known answer. For a block cipher the nonce is the IV of CBC and there is no aad.
type vector struct {
	source                           string
	id                               uint16
	key, nonce, aad, plain, ciphered string // ciphered has the ICV at its end
}

const (
	gcmPlain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
	gcmAAD   = "feedfacedeadbeeffeedfacedeadbeefabaddad2"
	gcmKey   = "feffe9928665731c6d6a8f9467308308"
	gcmNonce = "cafebabefacedbaddecaf888"

	sp38aPlain = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
	sp38aIV    = "000102030405060708090a0b0c0d0e0f"
)

var vectors = []vector{
	{"RFC 3602 §4, case 1", 12, "06a9214036b8a15b512e03d534120006", "3dafba429d9eb430b422da802c9fac41", "",
		"53696e676c6520626c6f636b206d7367", "e353779c1079aeb82708942dbe77181a"},
	{"RFC 3602 §4, case 2", 12, "c286696d887c9aa0611bbb3e2025a45a", "562e17996d093d28ddb3ba695a2e6f58", "",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		"d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1"},
	{"RFC 3602 §4, case 5 (ESP, ping)", 12, "90d382b410eeba7ad938c46cec1a82bf", "e96e8c08ab465763fd098d45dd3ff893", "",
		"08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" +
			"202122232425262728292a2b2c2d2e2f30313233343536370102030405060708090a0b0c0d0e0e01",
		"f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc856a4699e523a55db08" +
			"0b59ec3a8e4b7e52775b07d1db34ed9c538ab50c551b874aa269add047ad2d5913ac19b7cfbad4a6"},
	{"NIST SP 800-38A F.2.1, CBC-AES128", 12, "2b7e151628aed2a6abf7158809cf4f3c", sp38aIV, "", sp38aPlain,
		"7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b273bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7"},
	{"NIST SP 800-38A F.2.3, CBC-AES192", 12, "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", sp38aIV, "", sp38aPlain,
		"4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd"},
	{"NIST SP 800-38A F.2.5, CBC-AES256", 12, "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", sp38aIV, "", sp38aPlain,
		"f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b"},

	{"McGrew and Viega, The Galois/Counter Mode, test case 4", 20, gcmKey, gcmNonce, gcmAAD, gcmPlain,
		"42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091" +
			"5bc94fbc3221a5db94fae95ae7121a47"},
	{"McGrew and Viega, The Galois/Counter Mode, test case 10", 20, gcmKey + gcmKey[:16], gcmNonce, gcmAAD, gcmPlain,
		"3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda2710" +
			"2519498e80f1478f37ba55bd6d27618c"},
	{"McGrew and Viega, The Galois/Counter Mode, test case 16", 20, gcmKey + gcmKey, gcmNonce, gcmAAD, gcmPlain,
		"522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662" +
			"76fc6ece0f4e1768cddf8853bb2d551b"},
	{"draft-mcgrew-gcm-test-01, first test (ESP; salt 2e443b68)", 20, "4c80cdefbb5d10da906ac73c3613a634", "2e443b684956ed7e3b244cfe",
		"000043218765432100000000",
		"45000048699a000080114db7c0a80102c0a801010a9bf15638d3010000010000000000000" +
			"45f736970045f756470037369700963796265726369747902646b0000210001" + "0102020" + "1",
		"fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34cfa2436f14a3f3cf65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce" +
			"61bc17d768fd9732459018148f6cbe722fd04796562dfdb4"},

	{"RFC 8439 §2.8.2", 28, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", "070000004041424344454647",
		"50515253c0c1c2c3c4c5c6c7",
		hex.EncodeToString([]byte("Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.")),
		"d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116" +
			"1ae10b594f09e26a7e902ecbd0600691"},
	{"RFC 7634 Appendix A (ESP; salt a0a1a2a3)", 28, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", "a0a1a2a31011121314151617",
		"0102030400000005",
		"45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec100007362708090a0b0c0d0e0f10111213" +
			"1415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363701020204",
		"24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da9165b82829f641e0" +
			"76aaa8266b7fb0f7b11b369907e1ad43"},
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("the test's own hex %q: %v", s, err)
	}
	return b
}

func TestPublishedVectors(t *testing.T) {
	for _, v := range vectors {
		t.Run(strings.ReplaceAll(v.source, " ", "_"), func(t *testing.T) {
			row, ok := Lookup(v.id)
			if !ok {
				t.Fatalf("the table has no row %d", v.id)
			}
			key, nonce, aad := unhex(t, v.key), unhex(t, v.nonce), unhex(t, v.aad)
			plain, want := unhex(t, v.plain), unhex(t, v.ciphered)
			if got := seal(t, row, key, nonce, aad, plain); !bytes.Equal(got, want) {
				t.Errorf("%s seals to\n%x, the source has\n%x", row.Name, got, want)
			}
			if got := open(t, row, key, nonce, aad, want); !bytes.Equal(got, plain) {
				t.Errorf("%s opens to\n%x, the source has\n%x", row.Name, got, plain)
			}
		})
	}
}

func seal(t *testing.T, row Transform, key, nonce, aad, plain []byte) []byte {
	if row.AEAD {
		return aead(t, row, key).Seal(nil, nonce, plain, aad)
	}
	encrypt, _ := cbc(t, row, key)
	out := make([]byte, len(plain))
	encrypt.SetIV(nonce)
	encrypt.CryptBlocks(out, plain)
	return out
}

func open(t *testing.T, row Transform, key, nonce, aad, ciphered []byte) []byte {
	if row.AEAD {
		out, err := aead(t, row, key).Open(nil, nonce, ciphered, aad)
		if err != nil {
			t.Fatalf("%s refuses the source's ciphertext: %v", row.Name, err)
		}
		return out
	}
	_, decrypt := cbc(t, row, key)
	out := make([]byte, len(ciphered))
	decrypt.SetIV(nonce)
	decrypt.CryptBlocks(out, ciphered)
	return out
}

func aead(t *testing.T, row Transform, key []byte) cipher.AEAD {
	a, err := row.NewAEAD(key)
	if err != nil {
		t.Fatalf("%s: %v", row.Name, err)
	}
	return a
}

func cbc(t *testing.T, row Transform, key []byte) (encrypt, decrypt CBC) {
	encrypt, decrypt, err := row.NewCBC(key)
	if err != nil {
		t.Fatalf("%s: %v", row.Name, err)
	}
	return encrypt, decrypt
}

// each calls f for every usable row and every key length of it.
func each(f func(row Transform, bits uint16)) {
	for _, row := range Transforms {
		if !row.Status.Usable() {
			continue
		}
		if len(row.KeyBits) == 0 {
			f(row, 0)
		}
		for _, bits := range row.KeyBits {
			f(row, bits)
		}
	}
}

func TestEveryUsableRowAndKeyLengthHasAVector(t *testing.T) {
	have := map[string]bool{}
	for _, v := range vectors {
		have[fmt.Sprint(v.id, " ", len(v.key)/2)] = true
	}
	each(func(row Transform, bits uint16) {
		if !have[fmt.Sprint(row.ID, " ", row.KeyLen(bits))] {
			t.Errorf("%s with a key of %d octets has no published vector", row.Name, row.KeyLen(bits))
		}
	})
}

func TestRowsAgreeWithTheirCiphers(t *testing.T) {
	each(func(row Transform, bits uint16) {
		n := row.KeyLen(bits)
		if row.RFC == "" || row.Log == "" || len(row.Keywords) == 0 {
			t.Errorf("%s lacks its RFC, log name or keyword", row.Name)
		}
		if (row.NewAEAD != nil) != row.AEAD || (row.NewCBC != nil) == row.AEAD {
			t.Fatalf("%s has not the one constructor of its kind", row.Name)
		}
		if row.StrengthBits(bits) < 112 {
			t.Errorf("%s with %d bits claims a strength of %d", row.Name, bits, row.StrengthBits(bits))
		}
		if row.AEAD {
			a := aead(t, row, make([]byte, n))
			if a.NonceSize() != row.SaltLen+row.IVLen || a.Overhead() != row.ICVLen {
				t.Errorf("%s has a nonce of %d and an ICV of %d octets, its row says %d+%d and %d",
					row.Name, a.NonceSize(), a.Overhead(), row.SaltLen, row.IVLen, row.ICVLen)
			}
			if _, err := row.NewAEAD(make([]byte, n+1)); err == nil {
				t.Errorf("%s takes a key of %d octets", row.Name, n+1)
			}
			return
		}
		encrypt, decrypt := cbc(t, row, make([]byte, n))
		if encrypt.BlockSize() != row.Block || decrypt.BlockSize() != row.Block || row.IVLen != row.Block || row.ICVLen != 0 {
			t.Errorf("%s has blocks of %d and %d octets, its row says %d", row.Name, encrypt.BlockSize(), decrypt.BlockSize(), row.Block)
		}
		if _, _, err := row.NewCBC(make([]byte, n+1)); err == nil {
			t.Errorf("%s takes a key of %d octets", row.Name, n+1)
		}
	})
}

func TestRowsAreUnique(t *testing.T) {
	ids, words := map[uint16]bool{}, map[string]bool{}
	for _, row := range Transforms {
		if ids[row.ID] {
			t.Errorf("two rows have the Transform ID %d", row.ID)
		}
		ids[row.ID] = true
		if row.Status.Usable() != (row.NewAEAD != nil || row.NewCBC != nil) {
			t.Errorf("%s is %s, which does not fit its constructors", row.Name, row.Status)
		}
		for _, k := range row.Keywords {
			if words[k.Word] {
				t.Errorf("two rows have the keyword %q", k.Word)
			}
			words[k.Word] = true
		}
	}
}

func TestTakesKeyBits(t *testing.T) {
	cbc, _ := Lookup(12)
	chacha, _ := Lookup(28)
	for _, c := range []struct {
		row  Transform
		bits uint16
		want bool
	}{
		{cbc, 128, true}, {cbc, 192, true}, {cbc, 256, true}, {cbc, 0, false}, {cbc, 512, false},
		{chacha, 0, true}, {chacha, 256, false},
	} {
		if got := c.row.TakesKeyBits(c.bits); got != c.want {
			t.Errorf("%s with a Key Length attribute of %d: taken %v, want %v", c.row.Name, c.bits, got, c.want)
		}
	}
	if _, ok := Lookup(9999); ok {
		t.Error("a Transform ID that nobody assigned has a row")
	}
}
