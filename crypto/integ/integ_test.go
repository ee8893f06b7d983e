package integ

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/goswan/goswan/crypto/prf"
)

// vectors are published known answers: the whole value, of which the ICV is the beginning.
var vectors = []struct {
	source         string
	id             uint16
	key, data, mac string
}{
	{"RFC 2202 §3, test case 1", 2, strings.Repeat("0b", 20), text("Hi There"), "b617318655057264e28bc0b6fb378c8ef146be00"},
	{"RFC 2202 §3, test case 3", 2, strings.Repeat("aa", 20), strings.Repeat("dd", 50), "125d7342b9ac11cd91a39af48aa17b4f63f175d3"},
	{"RFC 2202 §3, test case 5 (its digest-96)", 2, strings.Repeat("0c", 20), text("Test With Truncation"), "4c1a03424b55e07fe7f27be1"},
	{"RFC 4868 §2.7.2.1, AUTH256-1", 12, strings.Repeat("0b", 32), text("Hi There"),
		"198a607eb44bfbc69903a0f1cf2bbdc5ba0aa3f3d9ae3c1c7a3b1696a0b68cf7"},
	{"RFC 4868 §2.7.2.1, AUTH256-2", 12, text("JefeJefeJefeJefeJefeJefeJefeJefe"), text("what do ya want for nothing?"),
		"167f928588c5cc2eef8e3093caa0e87c"},
	{"RFC 4868 §2.7.2.2, AUTH384-1", 13, strings.Repeat("0b", 48), text("Hi There"),
		"b6a8d5636f5c6a7224f9977dcf7ee6c7fb6d0c48cbdee9737a959796489bddbc4c5df61d5b3297b4fb68dab9f1b582c2"},
	{"RFC 4868 §2.7.2.3, AUTH512-1", 14, strings.Repeat("0b", 64), text("Hi There"),
		"637edc6e01dce7e6742a99451aae82df23da3e92439e590e43e761b33e910fb8ac2878ebd5803f6f0b61dbce5e251ff8789a4722c1be65aea45fd464e89f8f5b"},
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

func TestPublishedVectors(t *testing.T) {
	for _, v := range vectors {
		row, ok := Lookup(v.id)
		if !ok {
			t.Fatalf("the table has no row %d", v.id)
		}
		h := row.New(unhex(t, v.key))
		// Twice: Reset has to restore the keyed state.
		for range 2 {
			h.Reset()
			h.Write(unhex(t, v.data))
			want := unhex(t, v.mac)
			if got := h.Sum(nil)[:len(want)]; !bytes.Equal(got, want) {
				t.Errorf("%s gives %x for %s, the source has %x", row.Name, got, v.source, want)
			}
			if len(want) < row.ICVLen {
				t.Errorf("%s proves %d octets of %s, of which a packet has %d", v.source, len(want), row.Name, row.ICVLen)
			}
		}
	}
}

func TestEveryUsableRowHasAVectorWithAKeyOfItsLength(t *testing.T) {
	have := map[uint16]bool{}
	for _, v := range vectors {
		row, _ := Lookup(v.id)
		if len(v.key)/2 == row.KeyLen {
			have[v.id] = true
		}
	}
	for _, row := range Transforms {
		if row.Status.Usable() && !have[row.ID] {
			t.Errorf("%s has no published vector with a key of %d octets", row.Name, row.KeyLen)
		}
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
