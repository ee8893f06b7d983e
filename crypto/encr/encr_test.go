package encr

import (
	"bytes"
	"crypto/cipher"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/goswan/goswan/crypto/gmac"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/status"
	"github.com/goswan/goswan/crypto/vectors"
)

// published are the known answers of all rows. The key length chooses what is keyed.
func published(t testing.TB) []vectors.Vector {
	t.Helper()
	list, err := vectors.Read("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// named is the row of a name.
func named(t testing.TB, name string) Transform {
	t.Helper()
	i := slices.IndexFunc(Transforms, func(r Transform) bool { return r.Name == name })
	if i < 0 {
		t.Fatalf("the table has no row %s", name)
	}
	return Transforms[i]
}

func TestPublishedVectors(t *testing.T) {
	for _, v := range published(t) {
		t.Run(v.Transform+"/"+strings.ReplaceAll(v.Source, " ", "_"), func(t *testing.T) {
			row := named(t, v.Transform)
			if len(v.Nonce) != 0 {
				proveElsewhere(t, row, v)
				return
			}
			if len(v.Salt) != row.SaltLen || len(v.IV) != row.NonceIV() {
				t.Fatalf("%s has a salt of %d and an IV of %d octets, the vector %d and %d", row.Name, row.SaltLen, row.NonceIV(), len(v.Salt), len(v.IV))
			}
			if got := seal(t, row, v); !bytes.Equal(got, v.Output) {
				t.Errorf("%s seals to\n%x, the source has\n%x", row.Name, got, v.Output)
			}
			if got := open(t, row, v); !bytes.Equal(got, v.Input) {
				t.Errorf("%s opens to\n%x, the source has\n%x", row.Name, got, v.Input)
			}
		})
	}
}

// proveElsewhere proves what a row is made of by a vector that has another nonce than ESP: CCM with more octets of it, and GMAC without
// an IV in what it covers.
func proveElsewhere(t *testing.T, row Transform, v vectors.Vector) {
	t.Helper()
	if row.Name == "ENCR_NULL_AUTH_AES_GMAC" {
		m, err := gmac.New(secret.Bytes(v.Key))
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Sum(v.Nonce, v.AAD); !bytes.Equal(got, v.Output) {
			t.Errorf("GMAC is %x, the source has %x", got, v.Output)
		}
		return
	}
	var a cipher.AEAD
	var err error
	switch {
	case strings.HasPrefix(row.Name, "ENCR_AES_CCM"):
		a, err = aesCCM(secret.Bytes(v.Key), len(v.Nonce), row.ICVLen)
	case strings.HasPrefix(row.Name, "ENCR_CAMELLIA_CCM"):
		a, err = camelliaCCM(secret.Bytes(v.Key), len(v.Nonce), row.ICVLen)
	default:
		t.Fatalf("%s takes no other nonce", row.Name)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Seal(nil, v.Nonce, v.Input, v.AAD); !bytes.Equal(got, v.Output) {
		t.Errorf("%s seals to\n%x, the source has\n%x", row.Name, got, v.Output)
	}
	if got, err := a.Open(nil, v.Nonce, v.Output, v.AAD); err != nil || !bytes.Equal(got, v.Input) {
		t.Errorf("%s opens to\n%x with %v, the source has\n%x", row.Name, got, err, v.Input)
	}
}

func seal(t *testing.T, row Transform, v vectors.Vector) []byte {
	if row.AEAD {
		return aead(t, row, v.Key).Seal(nil, slices.Concat(v.Salt, v.IV), v.Input, v.AAD)
	}
	encrypt, _ := mode(t, row, v.Key, v.Salt)
	out := make([]byte, len(v.Input))
	encrypt.SetIV(v.IV)
	encrypt.CryptBlocks(out, v.Input)
	return out
}

func open(t *testing.T, row Transform, v vectors.Vector) []byte {
	if row.AEAD {
		out, err := aead(t, row, v.Key).Open(nil, slices.Concat(v.Salt, v.IV), v.Output, v.AAD)
		if err != nil {
			t.Fatalf("%s refuses the source's ciphertext: %v", row.Name, err)
		}
		return out
	}
	_, decrypt := mode(t, row, v.Key, v.Salt)
	out := make([]byte, len(v.Output))
	decrypt.SetIV(v.IV)
	decrypt.CryptBlocks(out, v.Output)
	return out
}

func aead(t *testing.T, row Transform, key []byte) cipher.AEAD {
	a, err := row.NewAEAD(key)
	if err != nil {
		t.Fatalf("%s: %v", row.Name, err)
	}
	return a
}

func mode(t *testing.T, row Transform, key, salt []byte) (encrypt, decrypt Mode) {
	encrypt, decrypt, err := row.NewMode(key, salt)
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
	for _, v := range published(t) {
		have[fmt.Sprint(v.Transform, " ", len(v.Key))] = true
	}
	each(func(row Transform, bits uint16) {
		if !have[fmt.Sprint(row.Name, " ", row.KeyLen(bits))] {
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
		if (row.NewAEAD != nil) != row.AEAD || (row.NewMode != nil) == row.AEAD {
			t.Fatalf("%s has not the one constructor of its kind", row.Name)
		}
		if row.StrengthBits(bits) < 112 && row.Name != "ENCR_NULL" {
			t.Errorf("%s with %d bits claims a strength of %d", row.Name, bits, row.StrengthBits(bits))
		}
		if row.AEAD {
			a := aead(t, row, make([]byte, n))
			if a.NonceSize() != row.SaltLen+row.NonceIV() || a.Overhead() != row.ICVLen || row.RandomIV {
				t.Errorf("%s has a nonce of %d and an ICV of %d octets, its row says %d+%d and %d",
					row.Name, a.NonceSize(), a.Overhead(), row.SaltLen, row.NonceIV(), row.ICVLen)
			}
			if row.Implicit && (row.IVLen != 0 || !row.ESPOnly) {
				t.Errorf("%s has an implicit IV, and yet one in the packet, or a place in IKE", row.Name)
			}
			if _, err := row.NewAEAD(make([]byte, n+1)); err == nil {
				t.Errorf("%s takes a key of %d octets", row.Name, n+1)
			}
			return
		}
		encrypt, decrypt := mode(t, row, make([]byte, n), make([]byte, row.SaltLen))
		if encrypt.BlockSize() != row.Block || decrypt.BlockSize() != row.Block || row.ICVLen != 0 {
			t.Errorf("%s has blocks of %d and %d octets, its row says %d", row.Name, encrypt.BlockSize(), decrypt.BlockSize(), row.Block)
		}
		if chained := row.Block > 1; chained != row.RandomIV || chained && row.IVLen != row.Block {
			t.Errorf("%s has IVs of %d octets for blocks of %d, random %v", row.Name, row.IVLen, row.Block, row.RandomIV)
		}
		if _, _, err := row.NewMode(make([]byte, n+1), make([]byte, row.SaltLen)); err == nil {
			t.Errorf("%s takes a key of %d octets", row.Name, n+1)
		}
	})
}

// IANA gave the numbers of IKEv1 out once each, and a row has only those that its registries have.
func TestNumbersOfIKEv1(t *testing.T) {
	phase1, doi := map[uint16]string{}, map[uint16]string{}
	for _, row := range Transforms {
		for _, c := range []struct {
			number uint16
			most   uint16
			taken  map[uint16]string
		}{{row.IKEv1, 8, phase1}, {row.DOI, 23, doi}} {
			if c.number == 0 {
				continue
			}
			if other := c.taken[c.number]; other != "" || c.number > c.most {
				t.Errorf("%s has the number %d of IKEv1, which is not assigned, or to %q", row.Name, c.number, other)
			}
			c.taken[c.number] = row.Name
		}
	}
	for name, want := range map[string][2]uint16{
		"ENCR_3DES": {5, 3}, "ENCR_AES_CBC": {7, 12}, "ENCR_CAMELLIA_CBC": {8, 22}, "ENCR_NULL": {0, 11}, "ENCR_AES_GCM_16": {0, 20},
		"ENCR_NULL_AUTH_AES_GMAC": {0, 23}, "ENCR_CHACHA20_POLY1305": {0, 0},
	} {
		if row := named(t, name); row.IKEv1 != want[0] || row.DOI != want[1] {
			t.Errorf("%s has the numbers %d and %d in IKEv1, IANA gave %v", name, row.IKEv1, row.DOI, want)
		}
	}
}

// Every row that a proposal can name works, or is refused for good.
func TestNoRowWaits(t *testing.T) {
	for _, row := range Transforms {
		if row.Status == status.Unimplemented {
			t.Errorf("%s is known by name only", row.Name)
		}
	}
}

func TestRowsAreUnique(t *testing.T) {
	ids, words := map[uint16]bool{}, map[string]bool{}
	for _, row := range Transforms {
		if ids[row.ID] {
			t.Errorf("two rows have the Transform ID %d", row.ID)
		}
		ids[row.ID] = true
		if row.Status.Usable() != (row.NewAEAD != nil || row.NewMode != nil) {
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
