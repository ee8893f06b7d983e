package integ

import (
	"bytes"
	"slices"
	"testing"

	"github.com/goswan/goswan/crypto/prf"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/vectors"
)

// published are known answers: the whole value or its beginning, with which an ICV begins.
func published(t testing.TB) []vectors.Vector {
	t.Helper()
	list, err := vectors.Read("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	return list
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
	for _, v := range published(t) {
		row := named(t, v.Transform)
		if len(v.Key) != row.KeyLen {
			t.Errorf("%s has a key of %d octets, %s takes %d", v.Source, len(v.Key), row.Name, row.KeyLen)
			continue
		}
		h := row.New(secret.Bytes(v.Key))
		// Twice: Reset has to restore the keyed state.
		for range 2 {
			h.Reset()
			h.Write(v.Input)
			if got := h.Sum(nil)[:len(v.Output)]; !bytes.Equal(got, v.Output) {
				t.Errorf("%s gives %x for %s, the source has %x", row.Name, got, v.Source, v.Output)
			}
			if len(v.Output) < row.ICVLen {
				t.Errorf("%s proves %d octets of %s, of which a packet has %d", v.Source, len(v.Output), row.Name, row.ICVLen)
			}
		}
	}
}

func TestEveryUsableRowHasAVector(t *testing.T) {
	proven := vectors.Sources(published(t))
	for _, row := range Transforms {
		if row.Status.Usable() && len(proven[row.Name]) == 0 {
			t.Errorf("%s has no published vector", row.Name)
		}
	}
}

// IANA gave the numbers of IKEv1 out once each, but several rows have one hash.
func TestNumbersOfIKEv1(t *testing.T) {
	doi, ah := map[uint16]string{}, map[uint16]string{}
	for _, row := range Transforms {
		for _, c := range []struct {
			number uint16
			taken  map[uint16]string
		}{{row.DOI, doi}, {row.AH, ah}} {
			if other := c.taken[c.number]; c.number != 0 && (other != "" || c.number > 13) {
				t.Errorf("%s has the number %d of IKEv1, which is not assigned, or to %q", row.Name, c.number, other)
			}
			c.taken[c.number] = row.Name
		}
		if p, ok := prf.Lookup(row.PRF); ok && row.IKEv1 != 0 && row.IKEv1 != p.IKEv1 {
			t.Errorf("%s has the hash %d in IKEv1 and its PRF %d", row.Name, row.IKEv1, p.IKEv1)
		}
	}
	for name, want := range map[string][3]uint16{
		"AUTH_HMAC_MD5_96": {1, 1, 2}, "AUTH_HMAC_SHA1_96": {2, 2, 3}, "AUTH_HMAC_SHA2_256_128": {4, 5, 5}, "AUTH_AES_XCBC_96": {0, 9, 9},
		"AUTH_AES_256_GMAC": {0, 13, 13}, "AUTH_HMAC_SHA1_160": {0, 0, 0},
	} {
		if row := named(t, name); row.IKEv1 != want[0] || row.DOI != want[1] || row.AH != want[2] {
			t.Errorf("%s has the numbers %d, %d and %d in IKEv1, IANA gave %v", name, row.IKEv1, row.DOI, row.AH, want)
		}
	}
}

func TestAKeyOfAnotherLengthPanics(t *testing.T) {
	for _, name := range []string{"AUTH_AES_XCBC_96", "AUTH_AES_CMAC_96", "AUTH_CAMELLIA_XCBC_96"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s takes a key of 15 octets", name)
				}
			}()
			named(t, name).New(make([]byte, 15))
		}()
	}
}

func TestRows(t *testing.T) {
	ids, words := map[uint16]bool{}, map[string]bool{}
	for _, row := range Transforms {
		if ids[row.ID] {
			t.Errorf("two rows have the Transform ID %d", row.ID)
		}
		ids[row.ID] = true
		for _, w := range row.Keywords {
			if words[w] {
				t.Errorf("two rows have the keyword %q", w)
			}
			words[w] = true
		}
		if row.Status.Usable() != (row.New != nil) {
			t.Errorf("%s is %s, which does not fit its constructor", row.Name, row.Status)
		}
		if !row.Status.Usable() {
			continue
		}
		if size := row.New(make([]byte, row.KeyLen)).Size(); size < row.ICVLen || size != row.KeyLen {
			t.Errorf("%s has a value of %d octets: its ICV of %d and its key of %d do not fit", row.Name, size, row.ICVLen, row.KeyLen)
		}
		if p, ok := prf.Lookup(row.PRF); !ok || !p.Status.Usable() || p.OutLen != row.KeyLen {
			t.Errorf("%s gives an IKE proposal the PRF %d, which does not have its hash", row.Name, row.PRF)
		}
		if row.RFC == "" || row.Log == "" || len(row.Keywords) == 0 || row.Strength == 0 {
			t.Errorf("%s lacks its RFC, log name, keyword or strength", row.Name)
		}
	}
	if _, ok := Lookup(9999); ok {
		t.Error("a Transform ID that nobody assigned has a row")
	}
}

func TestAPacketAllocatesNothing(t *testing.T) {
	data, sum := make([]byte, 1400), make([]byte, 0, 64)
	for _, row := range Transforms {
		if !row.Status.Usable() {
			continue
		}
		h := row.New(make([]byte, row.KeyLen))
		h.Sum(nil)
		h.Reset()
		if n := testing.AllocsPerRun(100, func() {
			h.Reset()
			h.Write(data)
			h.Sum(sum)
		}); n != 0 {
			t.Errorf("one ICV of %s costs %v allocations, want none", row.Name, n)
		}
	}
}
