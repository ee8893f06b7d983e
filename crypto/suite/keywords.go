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
	for w, t := range keywords() {
		if w == word {
			return t, true
		}
	}
	return Transform{}, false
}

// keyword returns the word that we write, or the log name where there is none.
func (t Transform) keyword() string {
	if t.Type.additionalKE() {
		return fmt.Sprintf("ke%d_%s", t.Type-ADDKE1+1, Transform{Type: KE, ID: t.ID}.keyword())
	}
	for w, k := range keywords() {
		if k == t {
			return w
		}
	}
	return t.String()
}
