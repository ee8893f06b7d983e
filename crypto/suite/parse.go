package suite

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goswan/goswan/crypto/status"
)

// ParseError says what is wrong with a proposal in the configuration and what would be right.
type ParseError struct {
	Protocol Protocol
	Proposal string // the text of the one proposal
	Word     string // the word at fault; empty when it is the proposal as a whole
	Reason   string // what is wrong
	Suggest  string // a word to use instead or in addition; may be empty
}

// Error returns it as one sentence.
func (e *ParseError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s proposal %q: ", e.Protocol, e.Proposal)
	if e.Word != "" {
		fmt.Fprintf(&b, "%q ", e.Word)
	}
	b.WriteString(e.Reason)
	if e.Suggest != "" {
		fmt.Fprintf(&b, "; try %q", e.Suggest)
	}
	return b.String()
}

// Parse reads proposals as swanctl.conf has them: keywords joined by hyphens, proposals separated by commas, `default`
// for what Default returns. Every proposal it returns can be negotiated by this version. The error is a *ParseError.
//
// Additional key exchanges (RFC 9370), `ke1_mlkem768`, are understood and cannot be done yet. One that is optional, for
// `ke1_none` stands beside it, is left out, as a peer could demand as well; Forgone tells which. One that is not is an error.
func Parse(p Protocol, text string) ([]Proposal, error) { return parseList(p, text, parseOne) }

// parseList reads proposals that are separated by commas.
func parseList(p Protocol, text string, one func(Protocol, string) (Proposal, error)) ([]Proposal, error) {
	var out []Proposal
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if strings.EqualFold(part, "default") {
			out = append(out, Default(p)...)
			continue
		}
		proposal, err := one(p, part)
		if err != nil {
			return nil, err
		}
		out = append(out, proposal)
	}
	return out, nil
}

func parseOne(p Protocol, text string) (Proposal, error) {
	fail := func(word, reason, suggest string) (Proposal, error) {
		return Proposal{}, &ParseError{p, text, word, reason, suggest}
	}
	if text == "" {
		return fail("", "is empty", "default")
	}
	proposal := Proposal{Protocol: p}
	for word := range strings.SplitSeq(text, "-") {
		t, reason, suggest := parseWord(p, strings.TrimSpace(word))
		if reason != "" {
			return fail(word, reason, suggest)
		}
		// Repeating a word is harmless and growing without bound is not.
		if !slices.Contains(proposal.Transforms, t) {
			proposal.Transforms = append(proposal.Transforms, t)
		}
	}
	proposal, reason, suggest := complete(proposal)
	if reason != "" {
		return fail("", reason, suggest)
	}
	return proposal, nil
}

// parseWord returns the transform of a word, or the reason why there is none to be had.
func parseWord(p Protocol, word string) (t Transform, reason, suggest string) {
	if word == "" {
		return t, "has an empty word between two hyphens", ""
	}
	t, ok := lookup(word)
	if !ok {
		return t, "is no keyword", similar(p, word)
	}
	switch s, why := t.Status(); {
	case s == status.Refused:
		return t, fmt.Sprintf("(%s) is refused: %s", t, why), instead(t)
	case s == status.Unimplemented && !t.Type.additionalKE(): // those may be optional
		return t, fmt.Sprintf("(%s) is not implemented in this version", t), instead(t)
	}
	if t.notFor(p) {
		return t, fmt.Sprintf("(%s) is not for %s", t, p), instead(t)
	}
	return t, "", ""
}

// instead is what to use in the place of a transform that we refuse or do not have.
func instead(t Transform) string {
	if t.Type == ENCR && !t.aead() {
		return "aes256" // which goes with the integrity algorithm beside it
	}
	return substitute[t.Type]
}

// substitute is what to use for want of a transform of a type.
var substitute = map[TransformType]string{
	ENCR: "aes256gcm16", INTEG: "sha256", PRF: "prfsha256", KE: "x25519",
}

// complete applies the rules for a whole proposal: what is implied is added, what has no meaning is dropped, what is
// missing is an error.
func complete(p Proposal) (_ Proposal, reason, suggest string) {
	if p, reason, suggest = completeAdditional(p); reason != "" {
		return p, reason, suggest
	}
	if p.Protocol == IKE {
		if p, reason, suggest = completeIKE(p); reason != "" {
			return p, reason, suggest
		}
	} else {
		// A Child SA takes its keys from the IKE SA's PRF. strongSwan drops the word too.
		p = p.Without(PRF)
		if len(p.Of(ESN)) == 0 {
			p.Transforms = append(p.Transforms, Transform{Type: ESN, ID: noESN})
		}
	}
	if p.Protocol == AH {
		p, reason, suggest = completeAH(p)
	} else {
		p, reason, suggest = completeEncryption(p)
	}
	return p.sorted(), reason, suggest
}

// completeAdditional leaves out the additional key exchanges that are optional.
//
// If the responder selects NONE, "then any corresponding additional key exchanges MUST NOT take place": not to offer the
// type at all is to select NONE beforehand.  RFC 9370 §2.2.2
func completeAdditional(p Proposal) (_ Proposal, reason, suggest string) {
	named := ""
	for kind := ADDKE1; kind <= ADDKE7; kind++ {
		nothing := Transform{Type: kind, ID: none}
		methods := p.Of(kind)
		for _, t := range methods {
			if t != nothing && named == "" {
				named = t.Keyword()
			}
		}
		if len(methods) > 0 && !slices.Contains(methods, nothing) {
			return p, fmt.Sprintf("requires the additional key exchange %s (RFC 9370), which this version understands and cannot do yet: "+
				"add %s beside it if it may be left out, or remove it", methods[0].Keyword(), nothing.Keyword()), ""
		}
		p = p.Without(kind)
	}
	if named != "" && p.Protocol != IKE && !slices.ContainsFunc(p.Of(KE), func(t Transform) bool { return t.ID != none }) {
		return p, fmt.Sprintf("names %s, and no key exchange that it could be in addition to", named), substitute[KE]
	}
	return p, "", ""
}

// Forgone returns the additional key exchanges that Parse leaves out of a text that it has read.
func Forgone(text string) []Transform {
	var out []Transform
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '-' || r == ' ' }) {
		if t, ok := lookup(word); ok && t.Type.additionalKE() && t.ID != none && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

func completeIKE(p Proposal) (_ Proposal, reason, suggest string) {
	p = p.Without(ESN)
	if len(p.Of(PRF)) == 0 {
		p.Transforms = append(p.Transforms, derivedPRFs(p)...)
	}
	if len(p.Of(PRF)) == 0 {
		return p, "names no PRF, and no integrity algorithm to take it from", substitute[PRF]
	}
	p.Transforms = slices.DeleteFunc(p.Transforms, func(t Transform) bool { return t.Type == KE && t.ID == none })
	if len(p.Of(KE)) == 0 {
		return p, "names no key exchange", substitute[KE]
	}
	return p, "", ""
}

func completeAH(p Proposal) (_ Proposal, reason, suggest string) {
	p = p.Without(ENCR)
	if len(p.Of(INTEG)) == 0 {
		return p, "names no integrity algorithm", substitute[INTEG]
	}
	return p, "", ""
}

func completeEncryption(p Proposal) (_ Proposal, reason, suggest string) {
	all := p.Of(ENCR)
	if len(all) == 0 {
		return p, "names no encryption algorithm", substitute[ENCR]
	}
	combined := 0
	for _, t := range all {
		if t.aead() {
			combined++
		}
	}
	switch {
	// "If an initiator wants to propose both combined-mode ciphers and normal ciphers, it must include two proposals: one
	// will have all the combined-mode ciphers, and the other will have all the normal ciphers with the integrity
	// algorithms."  RFC 7296 §3.3
	case combined != 0 && combined != len(all):
		return p, "mixes combined-mode and other encryption algorithms, which need a proposal each", ""
	case combined != 0:
		return p.Without(INTEG), "", ""
	// "Encryption Must Be Authenticated"  RFC 8221 §4
	case len(p.Of(INTEG)) == 0:
		return p, fmt.Sprintf("names no integrity algorithm, which %s needs", all[0]), substitute[INTEG]
	}
	return p, "", ""
}

// similar returns the usable keyword that differs least from word, or nothing if all differ too much.
func similar(p Protocol, word string) string {
	if kind, method, ok := cutAdditional(word); ok {
		if w := nearestWord(method, func(t Transform) bool { s, _ := t.Status(); return t.Type == KE && s != status.Refused }); w != "" {
			return fmt.Sprintf("ke%d_%s", kind-ADDKE1+1, w)
		}
		return ""
	}
	return nearestWord(word, func(t Transform) bool {
		s, _ := t.Status()
		return s.Usable() && (p == IKE || t.Type != PRF) && (p != IKE || t.Type != ESN)
	})
}

// nearestWord returns the keyword that differs least from word among those whose transforms will do.
func nearestWord(word string, will func(Transform) bool) string {
	best, distance := "", len(word)/2+1
	for w, t := range keywords() {
		if !will(t) {
			continue
		}
		if d := edits(strings.ToLower(word), w); d < distance {
			best, distance = w, d
		}
	}
	return best
}

// edits is the Levenshtein distance. A word longer than any keyword could be is not measured.
func edits(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
