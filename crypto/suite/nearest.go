package suite

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Mismatch is the diagnosis of a negotiation without a common proposal.
type Mismatch struct {
	// Offered and Accepted are the two proposals that differ least; without transforms if one side had none at all.
	Offered, Accepted Proposal
	// Types sets them side by side; it is empty if they have not the same protocol.
	Types []Comparison
	// Missing are the types on which they do not agree.
	Missing []TransformType
	// Ours is what to add to our configuration.
	Ours Remedy
	// Ask is a proposal in keywords that is accepted here and that the peer could offer, as near to what it offers as
	// there is; it is empty when nothing is accepted.
	Ask string

	distance int
}

// Nearer tells that the two proposals are nearer to agreement than those of another mismatch, or as near and easier to mend.
func (m Mismatch) Nearer(than Mismatch) bool {
	if len(m.Types) == 0 || len(than.Types) == 0 {
		return len(than.Types) == 0 && len(m.Types) > 0
	}
	if m.distance != than.distance {
		return m.distance < than.distance
	}
	return m.Ours.Keywords != "" && than.Ours.Keywords == ""
}

// Remedy is a proposal that, added to the configuration, settles the matter. The zero value is none: the peer offers
// nothing that this version could accept.
type Remedy struct {
	Keywords string
	// Legacy are its transforms that deserve a warning.
	Legacy []Transform
	// WithoutPFS tells that it gives up the key exchange of Child SAs that the configuration demands.
	WithoutPFS bool
	// Strength is in bits, that of the weakest transform.
	Strength int

	keeps, distance int // bits of the accepted strength that remain; from agreement
}

// most is how many proposals of an offer, and transforms of one, the diagnosis looks at: a stranger can send as much
// as fits into a message.
const most = 16

// Nearest finds the two proposals of one protocol that are nearest to agreement, and what to do about it.
func Nearest(offered, accepted []Proposal) Mismatch { return nearest(offered, accepted, false) }

// NearestInAuth is Nearest for the Child SA of an IKE_AUTH exchange, where there are no key exchanges (RFC 7296 §1.2).
// What it adds to the configuration has those of the accepted proposal all the same, since rekeying uses them.
func NearestInAuth(offered, accepted []Proposal) Mismatch { return nearest(offered, accepted, true) }

func nearest(offered, accepted []Proposal, inAuth bool) Mismatch {
	var best Mismatch
	var ours Remedy
	for _, o := range offered[:min(most, len(offered))] {
		o.Transforms = o.Transforms[:min(longest, len(o.Transforms))]
		for _, a := range accepted {
			if o.Protocol != a.Protocol {
				continue
			}
			m := mismatch(o, a, inAuth)
			if m.Ours.better(ours) {
				ours = m.Ours
			}
			if m.Nearer(best) {
				best = m
			}
		}
	}
	if len(best.Types) == 0 {
		return unrelated(offered, accepted)
	}
	best.Ours = ours
	return best
}

// mismatch compares one pair.
func mismatch(o, a Proposal, inAuth bool) Mismatch {
	whole := a
	if inAuth {
		o, a = o.WithoutKE(), a.WithoutKE()
	}
	m := Mismatch{Offered: o, Accepted: a, Types: Compare(o, a), Ask: ask(o, whole)}
	for _, c := range m.Types {
		m.distance += c.distance()
		if c.Gap != Closed {
			m.Missing = append(m.Missing, c.Type)
		}
	}
	m.Ours = remedy(o, a, whole)
	m.Ours.distance = m.distance
	return m
}

// unrelated is the Mismatch of lists that have no protocol in common, or are empty.
func unrelated(offered, accepted []Proposal) Mismatch {
	var m Mismatch
	if len(offered) > 0 {
		m.Offered = offered[0]
	}
	if len(accepted) > 0 {
		m.Accepted = accepted[0]
		m.Ask = ask(Proposal{Protocol: accepted[0].Protocol}, accepted[0])
	}
	return m
}

// better prefers what needs no warning, then what gives up least of the strength that is configured, then the smallest
// change.
func (r Remedy) better(than Remedy) bool {
	if r.Keywords == "" || than.Keywords == "" {
		return r.Keywords != ""
	}
	return cmp.Or(
		boolCompare(!r.weak(), !than.weak()),
		cmp.Compare(r.keeps, than.keeps),
		cmp.Compare(than.distance, r.distance),
	) > 0
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// weak tells that it should not be followed without a thought.
func (r Remedy) weak() bool { return len(r.Legacy) > 0 || r.WithoutPFS }

// remedy makes a proposal that o offers and this version can do, staying with what a accepts already where it can. whole
// is a with the key exchanges that o could not offer.
func remedy(o, a, whole Proposal) Remedy {
	p := Proposal{Protocol: o.Protocol}
	combined := false
	for _, kind := range types(o) {
		if kind == INTEG && combined {
			continue
		}
		t, ok := usable(kind, o, a)
		if !ok {
			return Remedy{}
		}
		combined = combined || t.aead()
		if t.ID != none || kind == ESN {
			p.Transforms = append(p.Transforms, t)
		}
	}
	inAuth := len(whole.Transforms) != len(a.Transforms)
	if inAuth {
		p.Transforms = append(p.Transforms, whole.Of(KE)...)
		p = p.sorted()
	}
	r := Remedy{Keywords: p.Keywords(), Legacy: p.Legacy(), WithoutPFS: p.Protocol != IKE && requiresKE(whole) && !requiresKE(p)}
	parsed, err := Parse(o.Protocol, r.Keywords)
	if err != nil {
		return Remedy{}
	}
	if inAuth {
		parsed[0] = parsed[0].WithoutKE()
	}
	// The proof that the advice is good.
	if _, _, ok := Select([]Proposal{o}, parsed, true); !ok {
		return Remedy{}
	}
	r.Strength, _ = p.Strength()
	strength, _ := a.Strength()
	r.keeps = min(r.Strength, strength)
	return r
}

// requiresKE tells that the proposal has a key exchange and not NONE beside it.
func requiresKE(p Proposal) bool {
	all := p.Of(KE)
	return len(all) > 0 && !slices.Contains(all, Transform{Type: KE, ID: none})
}

// usable chooses the transform of a type: a common one, else the first sound one that is as strong as the weakest that
// is accepted, else the strongest sound one, else the strongest legacy one.
func usable(kind TransformType, o, a Proposal) (Transform, bool) {
	if both := common(o.Of(kind), a.Of(kind), true); len(both) > 0 {
		return both[0], true
	}
	wanted, _ := Proposal{Transforms: a.Of(kind)}.Strength()
	for _, will := range []func(Transform) bool{Transform.sound, Transform.usable} {
		var best Transform
		found := false
		for _, t := range o.Of(kind) {
			if will(t) && !t.notFor(o.Protocol) && (!found || best.Strength() < wanted && t.Strength() > best.Strength()) {
				best, found = t, true
			}
		}
		if found {
			return best, true
		}
	}
	return Transform{}, false
}

// ask makes a proposal that a accepts, as near to what o offers as there is: of each type what is common, else what is
// sound, and with the key length that is offered.
func ask(o, a Proposal) string {
	p := Proposal{Protocol: a.Protocol}
	for _, kind := range types(a) {
		list := a.Of(kind)
		if both := common(o.Of(kind), list, true); len(both) > 0 {
			list = both
		}
		best := list[0]
		for _, t := range list {
			if closer(t, best, o.Of(kind)) {
				best = t
			}
		}
		p.Transforms = append(p.Transforms, best)
	}
	return p.Keywords()
}

// closer tells that t is the better proxy than best for what is offered: sound before legacy, then a key of the same length.
func closer(t, best Transform, offered []Transform) bool {
	if t.sound() != best.sound() {
		return t.sound()
	}
	length := func(t Transform) bool {
		return slices.ContainsFunc(offered, func(o Transform) bool { return o.KeyBits == t.KeyBits })
	}
	return length(t) && !length(best)
}

// Differences says in one clause for each type how the two proposals differ.
func (m Mismatch) Differences() string {
	var clauses []string
	for _, c := range m.Types {
		if s := c.String(); s != "" {
			clauses = append(clauses, s)
		}
	}
	return strings.Join(clauses, "; ")
}

// Fix says what to change. where is the setting that Ours belongs in: "`proposals` of connection …".
func (m Mismatch) Fix(where string) string {
	switch {
	case len(m.Accepted.Transforms) == 0:
		return "name proposals in " + where
	case len(m.Types) == 0:
		return where + " and the peer's have to meet"
	case m.Ours.Keywords == "":
		return m.hopeless() + m.letPeer("let") + ", which is in " + where
	}
	fix := fmt.Sprintf("add `%s` to %s", m.Ours.Keywords, where)
	if !m.Ours.weak() {
		return fix
	}
	return fix + ", though " + strings.Join(m.Ours.Warnings(), " and ") + m.letPeer("; better let")
}

// letPeer says what the peer could offer.
func (m Mismatch) letPeer(verb string) string {
	return fmt.Sprintf("%s the peer offer `%s`", verb, m.Ask)
}

// Warnings says what is weak about the remedy, a clause for each weakness.
func (r Remedy) Warnings() []string {
	var parts []string
	for _, t := range r.Legacy {
		_, why := t.Status()
		parts = append(parts, fmt.Sprintf("%s is weak by today's measure (%s)", t, why))
	}
	if r.WithoutPFS {
		parts = append(parts, "it gives up perfect forward secrecy")
	}
	return parts
}

// hopeless says of each missing type why nothing the peer offers can be added.
func (m Mismatch) hopeless() string {
	var b strings.Builder
	for _, c := range m.Types {
		if c.Gap == Closed {
			continue
		}
		for _, o := range c.Objections[:min(few, len(c.Objections))] {
			if !o.Status.Usable() || o.NotFor != 0 {
				fmt.Fprintf(&b, "%s; ", o)
			}
		}
	}
	return b.String()
}

// String returns the diagnosis as one sentence, which says what was offered, what is accepted, where they part, and
// what to change.
func (m Mismatch) String() string {
	if len(m.Offered.Transforms) == 0 {
		return "the peer offered no proposal"
	}
	if len(m.Accepted.Transforms) == 0 {
		return fmt.Sprintf("the peer offered %s, and no proposal is configured", m.Offered)
	}
	both := fmt.Sprintf("the peer offered %s, this connection accepts %s", m.Offered, m.Accepted)
	if len(m.Types) == 0 {
		return both
	}
	return both + "; " + m.Differences() + "; " + m.Fix("`"+m.Offered.Protocol.Setting()+"`")
}
