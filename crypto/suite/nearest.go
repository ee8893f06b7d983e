package suite

import (
	"fmt"
	"strings"

	"github.com/goswan/goswan/crypto/status"
)

// Mismatch is the diagnosis of a negotiation without a common proposal.
type Mismatch struct {
	// Offered and Accepted are the two proposals that differ least; without transforms if one side had none at all.
	Offered, Accepted Proposal
	// Missing are the types without a common transform.
	Missing []TransformType
	// Add is a proposal in keywords that the peer's offer and this version have in common: adding it to the
	// configuration settles the matter. It is empty when there is none.
	Add string
}

// Nearest finds the two proposals of one protocol that lack the fewest types, and what to do about it.
func Nearest(offered, accepted []Proposal) Mismatch {
	var best Mismatch
	for _, o := range offered {
		for _, a := range accepted {
			if o.Protocol != a.Protocol {
				continue
			}
			m := Mismatch{Offered: o, Accepted: a, Missing: missing(o, a), Add: remedy(o, a)}
			if best.Offered.Transforms == nil || m.nearer(best) {
				best = m
			}
		}
	}
	if best.Offered.Transforms == nil {
		best = unrelated(offered, accepted)
	}
	return best
}

// nearer prefers what lacks less, and what can be mended.
func (m Mismatch) nearer(than Mismatch) bool {
	if len(m.Missing) != len(than.Missing) {
		return len(m.Missing) < len(than.Missing)
	}
	return m.Add != "" && than.Add == ""
}

// unrelated is the Mismatch of lists that have no protocol in common, or are empty.
func unrelated(offered, accepted []Proposal) Mismatch {
	var m Mismatch
	if len(offered) > 0 {
		m.Offered = offered[0]
	}
	if len(accepted) > 0 {
		m.Accepted = accepted[0]
	}
	return m
}

// missing returns the types of which the two proposals have no common transform.
func missing(o, a Proposal) []TransformType {
	var out []TransformType
	for _, kind := range types(o, a) {
		switch kind {
		case ENCR:
			if len(common(o.Of(ENCR), a.Of(ENCR), true)) == 0 {
				out = append(out, kind)
			}
		case INTEG:
			if lacksInteg(o, a) {
				out = append(out, kind)
			}
		default:
			if _, ok := pick(kind, o, a, true); !ok {
				out = append(out, kind)
			}
		}
	}
	return out
}

// lacksInteg tells whether the integrity algorithm is to blame: not when encryption of one side has none, since then
// already the encryption differs, or is the same combined mode.
func lacksInteg(o, a Proposal) bool {
	if len(o.Of(ENCR)) > 0 && (len(o.Of(INTEG)) == 0 || len(a.Of(INTEG)) == 0) {
		for _, e := range common(o.Of(ENCR), a.Of(ENCR), true) {
			if !e.aead() {
				return true
			}
		}
		return false
	}
	_, ok := pick(INTEG, o, a, true)
	return !ok
}

// remedy returns keywords of a proposal that o offers and this version can do, staying with what a accepts already
// where it can. It is empty when o has nothing usable of a type, or is not a proposal that could be configured.
func remedy(o, a Proposal) string {
	p := Proposal{Protocol: o.Protocol}
	combined := false
	for _, kind := range types(o) {
		if kind == INTEG && combined {
			continue
		}
		t, ok := usable(kind, o, a)
		if !ok {
			return ""
		}
		combined = combined || t.aead()
		if t.ID != none || kind == ESN {
			p.Transforms = append(p.Transforms, t)
		}
	}
	words := p.Keywords()
	parsed, err := Parse(o.Protocol, words)
	if err != nil {
		return ""
	}
	// The proof that the advice is good.
	if _, _, ok := Select([]Proposal{o}, parsed, true); !ok {
		return ""
	}
	return words
}

// usable chooses the transform of a type: a common one, else a sound one, else a legacy one.
func usable(kind TransformType, o, a Proposal) (Transform, bool) {
	if both := common(o.Of(kind), a.Of(kind), true); len(both) > 0 {
		return both[0], true
	}
	for _, want := range []status.Status{status.Default, status.Legacy} {
		for _, t := range o.Of(kind) {
			if s, _ := t.Status(); s == want && !t.notFor(o.Protocol) {
				return t, true
			}
		}
	}
	return Transform{}, false
}

// String returns the diagnosis as one sentence, which says what was offered, what is accepted, where they part, and
// what to add to the configuration.
func (m Mismatch) String() string {
	if len(m.Offered.Transforms) == 0 {
		return "the peer offered no proposal"
	}
	if len(m.Accepted.Transforms) == 0 {
		return fmt.Sprintf("the peer offered %s, and no proposal is configured", m.Offered)
	}
	if m.Offered.Protocol != m.Accepted.Protocol {
		return fmt.Sprintf("the peer offered %s, this connection accepts %s", m.Offered, m.Accepted)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "the peer offered %s, this connection accepts %s", m.Offered, m.Accepted)
	if len(m.Missing) > 0 {
		fmt.Fprintf(&b, "; they have no %s in common", join(m.Missing))
	}
	if m.Add != "" {
		fmt.Fprintf(&b, "; add `%s` to `%s`", m.Add, m.Offered.Protocol.Setting())
	} else {
		b.WriteString(m.hopeless())
	}
	return b.String()
}

// hopeless says of each missing type why nothing the peer offers can be added: of the first few transforms, which are
// the ones it prefers.
func (m Mismatch) hopeless() string {
	const few = 4
	var b strings.Builder
	for _, kind := range m.Missing {
		list := m.Offered.Of(kind)
		for _, t := range list[:min(few, len(list))] {
			switch s, why := t.Status(); s {
			case status.Refused:
				fmt.Fprintf(&b, "; %s is refused: %s", t, why)
			case status.Unimplemented:
				fmt.Fprintf(&b, "; %s is not implemented in this version", t)
			}
		}
	}
	return b.String()
}

func join(kinds []TransformType) string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.String()
	}
	return strings.Join(names, " and no ")
}
