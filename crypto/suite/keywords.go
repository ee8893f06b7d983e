package suite

import (
	"fmt"
	"iter"

	"github.com/goswan/goswan/crypto/encr"
	"github.com/goswan/goswan/crypto/integ"
	"github.com/goswan/goswan/crypto/ke"
	"github.com/goswan/goswan/crypto/prf"
)

// keywords yields every word that the tables know with the transform it stands for; of several words for one transform
// the one that we write comes first.
func keywords() iter.Seq2[string, Transform] {
	return func(yield func(string, Transform) bool) {
		for _, r := range encr.Transforms {
			for _, k := range r.Keywords {
				if !yield(k.Word, Transform{ENCR, r.ID, k.Bits}) {
					return
				}
			}
		}
		for _, r := range integ.Transforms {
			if !yieldAll(yield, INTEG, r.ID, r.Keywords) {
				return
			}
		}
		for _, r := range prf.Transforms {
			if !yieldAll(yield, PRF, r.ID, r.Keywords) {
				return
			}
		}
		for _, r := range ke.Transforms {
			if !yieldAll(yield, KE, r.ID, r.Keywords) {
				return
			}
		}
		_ = yieldAll(yield, KE, none, []string{"none", "modpnone"}) &&
			yieldAll(yield, ESN, noESN, []string{"noesn"}) &&
			yieldAll(yield, ESN, useESN, []string{"esn"})
	}
}

func yieldAll(yield func(string, Transform) bool, t TransformType, id uint16, words []string) bool {
	for _, w := range words {
		if !yield(w, Transform{Type: t, ID: id}) {
			return false
		}
	}
	return true
}

// lookup finds the transform of a word.
func lookup(word string) (Transform, bool) {
	if kind, method, ok := cutAdditional(word); ok {
		t, ok := lookupKeyword(method)
		return Transform{Type: kind, ID: t.ID}, ok && t.Type == KE
	}
	return lookupKeyword(word)
}

// lookupKeyword finds the transform of a word of the tables.
func lookupKeyword(word string) (Transform, bool) {
	for w, t := range keywords() {
		if w == word {
			return t, true
		}
	}
	return Transform{}, false
}

// cutAdditional takes the word of an additional key exchange (RFC 9370) apart: "ke1_mlkem768" is ADDKE1 and "mlkem768".
func cutAdditional(word string) (kind TransformType, method string, ok bool) {
	if len(word) < 4 || word[:2] != "ke" || word[2] < '1' || word[2] > '7' || word[3] != '_' {
		return 0, "", false
	}
	return ADDKE1 + TransformType(word[2]-'1'), word[4:], true
}

// Keyword returns the word that we write for the transform, or its log name where there is none.
func (t Transform) Keyword() string {
	if t.Type.additionalKE() {
		return fmt.Sprintf("ke%d_%s", t.Type-ADDKE1+1, Transform{Type: KE, ID: t.ID}.Keyword())
	}
	for w, k := range keywords() {
		if k == t {
			return w
		}
	}
	return t.String()
}
