package crypto

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/goswan/goswan/crypto/encr"
	"github.com/goswan/goswan/crypto/integ"
	"github.com/goswan/goswan/crypto/suite"
)

// The encryption that shows every integrity algorithm, and the integrity algorithm that shows every encryption: the product of
// all with all would tell nothing more.
const (
	plainWord  = "null"
	commonEncr = "aes128"
	commonAuth = "sha256"
)

// Suites are the ESP suites that can be configured, in the words of `esp_proposals` and the order of the tables: every combined-mode
// algorithm with each of its key lengths, every other encryption with sha256, and every integrity algorithm with aes128 and null.
func Suites() (all []string) {
	for _, row := range encr.Transforms {
		if !row.Status.Usable() {
			continue
		}
		for _, word := range words(row) {
			if row.AEAD {
				all = append(all, word)
				continue
			}
			for _, i := range integrity(word) {
				all = append(all, word+"-"+i)
			}
		}
	}
	// A combination that no proposal may have is none.
	return slices.DeleteFunc(all, func(s string) bool { _, err := resolve(s); return err != nil })
}

// words has the first keyword of each key length of a row.
func words(row encr.Transform) (all []string) {
	seen := map[uint16]bool{}
	for _, k := range row.Keywords {
		if !seen[k.Bits] && row.TakesKeyBits(k.Bits) {
			seen[k.Bits] = true
			all = append(all, k.Word)
		}
	}
	return all
}

// integrity are the algorithms that an encryption is measured with.
func integrity(encryption string) (all []string) {
	if encryption != commonEncr && encryption != plainWord {
		return []string{commonAuth}
	}
	for _, row := range integ.Transforms {
		if row.Status.Usable() && len(row.Keywords) > 0 {
			all = append(all, row.Keywords[0])
		}
	}
	return all
}

// Choose picks suites: words as `esp_proposals` has them, of which * and ? stand for others of Suites. None picks all.
func Choose(wanted []string) (chosen []string, err error) {
	all := Suites()
	if len(wanted) == 0 {
		return all, nil
	}
	for _, w := range wanted {
		found, err := match(all, strings.TrimSpace(w))
		if err != nil {
			return nil, err
		}
		for _, s := range found {
			if !slices.Contains(chosen, s) {
				chosen = append(chosen, s)
			}
		}
	}
	return chosen, nil
}

func match(all []string, wanted string) (found []string, err error) {
	if !strings.ContainsAny(wanted, "*?[") {
		_, err := resolve(wanted)
		return []string{wanted}, err
	}
	for _, s := range all {
		ok, err := path.Match(wanted, s)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", wanted, err)
		}
		if ok {
			found = append(found, s)
		}
	}
	if found == nil {
		return nil, fmt.Errorf("no suite is like %q; there are %s", wanted, strings.Join(all, ", "))
	}
	return found, nil
}

// resolve makes working code of a suite's words.
func resolve(words string) (suite.Set, error) {
	proposals, err := suite.Parse(suite.ESP, words)
	if err != nil {
		return suite.Set{}, err
	}
	if len(proposals) != 1 {
		return suite.Set{}, fmt.Errorf("%q is %d proposals, not one suite", words, len(proposals))
	}
	chosen, _, ok := suite.Select(proposals, proposals, true)
	if !ok {
		return suite.Set{}, fmt.Errorf("%q cannot be chosen", words)
	}
	return suite.Resolve(chosen)
}
