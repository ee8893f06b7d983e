package prf

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goswan/goswan/crypto/secret"
)

// derivation is one block of testdata/ikev1.txt or testdata/ikev2.txt.
type derivation struct {
	source string
	id     uint16
	values map[string]string
}

func derivations(t *testing.T, file string) []derivation {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var all []derivation
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch name {
		case "", "#":
		case "source":
			all = append(all, derivation{source: value, values: map[string]string{}})
		case "prf":
			id, err := strconv.ParseUint(value, 10, 16)
			if err != nil {
				t.Fatalf("%s: prf %s: %v", file, value, err)
			}
			all[len(all)-1].id = uint16(id)
		default:
			all[len(all)-1].values[name] = value
		}
	}
	return all
}

// octets are a value of the block, nil if it has none.
func (d derivation) octets(t *testing.T, name string) []byte {
	t.Helper()
	if _, ok := d.values[name]; !ok {
		return nil
	}
	return unhex(t, d.values[name])
}

// is compares what was derived with a value of the block, if it has that one.
func (d derivation) is(t *testing.T, name string, got secret.Bytes) {
	t.Helper()
	if want := d.octets(t, name); want != nil && !bytes.Equal(got, want) {
		t.Errorf("%s is %x, %s has %x", name, []byte(got), d.source, want)
	}
}

// usable is the row of a block; blocks of rows that this version cannot use are passed over.
func (d derivation) usable(t *testing.T) (Transform, bool) {
	t.Helper()
	r := row(t, d.id)
	return r, r.Status.Usable()
}

func TestPublishedDerivationsOfIKEv2(t *testing.T) {
	for _, d := range derivations(t, "ikev2.txt") {
		r, ok := d.usable(t)
		if !ok {
			continue
		}
		ni, nr, gir, girNew := d.octets(t, "Ni"), d.octets(t, "Nr"), d.octets(t, "g^ir"), d.octets(t, "g^ir_new")
		skeyseed := r.SKEYSEED(ni, nr, gir)
		d.is(t, "SKEYSEED", skeyseed)

		// The source has one string of octets; keys of any sizes are cut from its beginning.
		dkm := d.octets(t, "DKM")
		for _, size := range []struct{ integ, encr int }{{0, 0}, {0, 20}, {20, 16}, {32, 32}} {
			k := r.IKEKeys(skeyseed, ni, nr, d.octets(t, "SPIi"), d.octets(t, "SPIr"), size.integ, size.encr)
			joined := slices.Concat(k.D, k.AI, k.AR, k.EI, k.ER, k.PI, k.PR)
			n := min(len(joined), len(dkm))
			d.is(t, "DKM", slices.Concat(joined[:n], dkm[n:]))
			if len(k.D) != r.KeyLen || len(k.PI) != r.KeyLen || len(k.PR) != r.KeyLen || len(k.AI) != size.integ ||
				len(k.AR) != size.integ || len(k.EI) != size.encr || len(k.ER) != size.encr {
				t.Errorf("%s cuts the keys of %s into other lengths than asked for", r.Name, d.source)
			}
		}
		if girNew == nil {
			continue
		}
		skD := dkm[:r.KeyLen]
		d.is(t, "DKM_child", r.KEYMAT(skD, nil, ni, nr, len(d.octets(t, "DKM_child"))))
		d.is(t, "DKM_child_ke", r.KEYMAT(skD, girNew, ni, nr, len(d.octets(t, "DKM_child_ke"))))
		d.is(t, "SKEYSEED_rekey", r.RekeyedSKEYSEED(skD, girNew, ni, nr))
	}
}

func TestPublishedDerivationsOfIKEv1(t *testing.T) {
	for _, d := range derivations(t, "ikev1.txt") {
		r, ok := d.usable(t)
		if !ok {
			continue
		}
		ni, nr, gxy, psk := d.octets(t, "Ni"), d.octets(t, "Nr"), d.octets(t, "g^xy"), d.octets(t, "pre-shared-key")
		skeyid := secret.Bytes(d.octets(t, "SKEYID"))
		switch {
		case psk != nil:
			d.is(t, "SKEYID", r.PreSharedSKEYID(psk, ni, nr))
		case skeyid != nil:
			d.is(t, "SKEYID", r.SignatureSKEYID(ni, nr, gxy))
		}
		if d.octets(t, "CKY_I") != nil {
			k := r.SKEYIDs(skeyid, gxy, d.octets(t, "CKY_I"), d.octets(t, "CKY_R"))
			d.is(t, "SKEYID_d", k.D)
			d.is(t, "SKEYID_a", k.A)
			d.is(t, "SKEYID_e", k.E)
		}
		if want := d.octets(t, "Ka"); want != nil {
			d.is(t, "Ka", r.EncryptionKey(d.octets(t, "SKEYID_e"), len(want)))
		}
		if want := d.octets(t, "KEYMAT"); want != nil {
			d.is(t, "KEYMAT", r.QuickModeKEYMAT(d.octets(t, "SKEYID_d"), nil, 0, nil, nil, nil, len(want)))
		}
	}
}

// Every row that can be negotiated has published derivations: in IKEv2 all, in IKEv1 those that are the HMAC of a hash.
func TestEveryRowHasDerivations(t *testing.T) {
	for file, values := range map[string][]string{
		"ikev2.txt": {"SKEYSEED", "DKM", "DKM_child", "DKM_child_ke", "SKEYSEED_rekey"},
		"ikev1.txt": {"pre-shared-key", "SKEYID_d", "SKEYID_a", "SKEYID_e", "Ka", "KEYMAT"},
	} {
		proven := map[string]bool{}
		for _, d := range derivations(t, file) {
			if d.source == "" || row(t, d.id).Name == "" {
				t.Errorf("%s: a block tells no source or function", file)
			}
			for name := range d.values {
				proven[row(t, d.id).Name+name] = true
			}
		}
		for _, r := range Transforms {
			for _, name := range values {
				if isHMACOfSHA(r) && !proven[r.Name+name] {
					t.Errorf("%s: no published vector proves %s of %s", file, name, r.Name)
				}
			}
		}
	}
}

func isHMACOfSHA(r Transform) bool {
	return r.Status.Usable() && strings.HasPrefix(r.Name, "PRF_HMAC_SHA")
}

// RFC 2409 §5.5 spelled out: protocol, SPI and both nonces, with and without a key exchange, over several blocks.
func TestQuickModeKEYMAT(t *testing.T) {
	r := row(t, 5)
	key, gqmxy, spi, ni, nr := []byte("SKEYID_d"), []byte("g(qm)^xy"), []byte{0xde, 0xad, 0xbe, 0xef}, []byte("initiator's nonce"), []byte("responder's nonce")
	for _, pfs := range [][]byte{nil, gqmxy} {
		seed := slices.Concat(pfs, []byte{3}, spi, ni, nr)
		var want, k []byte
		for range 3 {
			h := hmac.New(sha256.New, key)
			h.Write(k)
			h.Write(seed)
			k = h.Sum(nil)
			want = append(want, k...)
		}
		for n := range len(want) + 1 {
			if got := r.QuickModeKEYMAT(key, pfs, 3, spi, ni, nr, n); !bytes.Equal(got, want[:n]) {
				t.Fatalf("%d octets of KEYMAT are %x, want %x", n, []byte(got), want[:n])
			}
		}
	}
}

// A function with a key of fixed length sees the first half of that length of each nonce, however long they are; prf+ sees them whole.
func TestShortNonces(t *testing.T) {
	var seen []byte
	r := Transform{Name: "a function of fixed key", KeyLen: 16, OutLen: 32, FixedKey: true, New: func(key secret.Bytes) hash.Hash {
		seen = bytes.Clone(key)
		return hmac.New(sha256.New, key)
	}}
	ni, nr := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 17)
	first := r.SKEYSEED(ni, nr, []byte("g^ir"))
	if want := slices.Concat(ni[:8], nr[:8]); !bytes.Equal(seen, want) {
		t.Errorf("SKEYSEED is keyed with %x, want %x", seen, want)
	}
	ni[31], nr[16] = 9, 9
	if second := r.SKEYSEED(ni, nr, []byte("g^ir")); !bytes.Equal(first, second) {
		t.Error("SKEYSEED depends on what stands behind the first 64 bits of a nonce")
	}
	a := r.IKEKeys(first, ni, nr, make([]byte, 8), make([]byte, 8), 0, 16)
	ni[31] = 8
	if b := r.IKEKeys(first, ni, nr, make([]byte, 8), make([]byte, 8), 0, 16); bytes.Equal(a.D, b.D) {
		t.Error("the keys do not depend on the whole nonce")
	}
	if got := r.NonceKey([]byte{1}, []byte{2}); !bytes.Equal(got, []byte{1, 2}) {
		t.Errorf("nonces of one octet make the key %x", got)
	}
	if got := row(t, 5).NonceKey(ni, nr); !bytes.Equal(got, slices.Concat(ni, nr)) {
		t.Errorf("HMAC is keyed with %x, not with both nonces whole", got)
	}
}

func TestKeysAreCopiesAndWiped(t *testing.T) {
	r := row(t, 5)
	k := r.IKEKeys([]byte("SKEYSEED"), []byte("Ni"), []byte("Nr"), make([]byte, 8), make([]byte, 8), 16, 20)
	before := bytes.Clone(k.AI)
	k.D.Wipe()
	if !bytes.Equal(before, k.AI) {
		t.Error("wiping SK_d changes SK_ai")
	}
	k.Wipe()
	v1 := r.SKEYIDs([]byte("SKEYID"), []byte("g^xy"), make([]byte, 8), make([]byte, 8))
	short := r.EncryptionKey(v1.E, 16)
	v1.Wipe()
	for i, b := range []secret.Bytes{k.D, k.AI, k.AR, k.EI, k.ER, k.PI, k.PR, v1.D, v1.A, v1.E} {
		if len(b) == 0 || !bytes.Equal(b, make([]byte, len(b))) {
			t.Errorf("secret %d is not wiped", i)
		}
	}
	if bytes.Equal(short, make([]byte, 16)) {
		t.Error("the encryption key is a part of SKEYID_e, not a copy")
	}
}

func TestFeedBackLeavesNothingBehindItsEnd(t *testing.T) {
	out := row(t, 5).QuickModeKEYMAT([]byte("SKEYID_d"), nil, 3, nil, nil, nil, 33)
	if rest := out[:cap(out)][33:]; !bytes.Equal(rest, make([]byte, len(rest))) {
		t.Error("behind the 33 octets asked for stands key material that Wipe will not reach")
	}
}
