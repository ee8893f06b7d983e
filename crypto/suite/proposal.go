package suite

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goswan/goswan/crypto/encr"
	"github.com/goswan/goswan/crypto/integ"
	"github.com/goswan/goswan/crypto/ke"
	"github.com/goswan/goswan/crypto/prf"
	"github.com/goswan/goswan/crypto/status"
)

// Proposal is one alternative that is offered or accepted; several transforms of one type are alternatives within it,
// the preferred one first. A proposal that Parse or Default made has its types in the order ENCR, INTEG, PRF, KE, ESN.
type Proposal struct {
	Protocol   Protocol
	Transforms []Transform
}

// Of returns the transforms of one type, in order.
func (p Proposal) Of(t TransformType) []Transform {
	var out []Transform
	for _, tr := range p.Transforms {
		if tr.Type == t {
			out = append(out, tr)
		}
	}
	return out
}

// Without returns the proposal without its transforms of one type.
func (p Proposal) Without(t TransformType) Proposal {
	out := Proposal{Protocol: p.Protocol, Transforms: make([]Transform, 0, len(p.Transforms))}
	for _, tr := range p.Transforms {
		if tr.Type != t {
			out.Transforms = append(out.Transforms, tr)
		}
	}
	return out
}

// WithoutKE returns the proposal without key exchanges, which is what belongs into an IKE_AUTH exchange: it makes a
// Child SA with no key exchange of its own (RFC 7296 §1.2).
func (p Proposal) WithoutKE() Proposal {
	for kind := range ADDKE7 + 1 {
		if kind == KE || kind.additionalKE() {
			p = p.Without(kind)
		}
	}
	return p
}

// Strength returns the bits of security of the proposal's weakest transform, and which that is; 0 when none of them has
// a known strength.
func (p Proposal) Strength() (bits int, weakest Transform) {
	for _, t := range p.Transforms {
		if b := t.Strength(); b != 0 && (bits == 0 || b < bits) {
			bits, weakest = b, t
		}
	}
	return bits, weakest
}

// Strength returns the transform's bits of security, 0 when they are not known or it has none, as sequence numbers have not.
func (t Transform) Strength() int {
	switch {
	case t.Type == ENCR:
		if r, ok := encr.Lookup(t.ID); ok {
			return r.StrengthBits(t.KeyBits)
		}
	case t.Type == PRF:
		if r, ok := prf.Lookup(t.ID); ok {
			return r.Strength
		}
	case t.Type == INTEG:
		if r, ok := integ.Lookup(t.ID); ok {
			return r.Strength
		}
	case t.Type == KE || t.Type.additionalKE():
		if r, ok := ke.Lookup(t.ID); ok {
			return r.Strength
		}
	}
	return 0
}

// Standing is the transform's status in one word, "named" for a sound one that `default` does not have.
func (t Transform) Standing() string {
	s, _ := t.Status()
	if s == status.Default && t.named() {
		return "named"
	}
	return s.String()
}

// named tells that the transform's row is used only when a proposal names it.
func (t Transform) named() bool {
	switch {
	case t.Type == ENCR:
		r, ok := encr.Lookup(t.ID)
		return ok && r.Named
	case t.Type == PRF:
		r, ok := prf.Lookup(t.ID)
		return ok && r.Named
	case t.Type == INTEG:
		r, ok := integ.Lookup(t.ID)
		return ok && r.Named
	case t.Type == KE || t.Type.additionalKE():
		r, ok := ke.Lookup(t.ID)
		return ok && r.Named
	}
	return false
}

// Legacy returns the transforms that deserve a warning.
func (p Proposal) Legacy() []Transform {
	var out []Transform
	for _, tr := range p.Transforms {
		if s, _ := tr.Status(); s == status.Legacy {
			out = append(out, tr)
		}
	}
	return out
}

// types returns the types that occur, in the order strongSwan prints them.
func types(proposals ...Proposal) []TransformType {
	var out []TransformType
	for _, p := range proposals {
		for _, tr := range p.Transforms {
			if !slices.Contains(out, tr.Type) {
				out = append(out, tr.Type)
			}
		}
	}
	slices.SortFunc(out, func(a, b TransformType) int { return int(a.rank()) - int(b.rank()) })
	return out
}

// String returns the line that strongSwan logs: "IKE:AES_GCM_16_256/PRF_HMAC_SHA2_256/CURVE_25519".
func (p Proposal) String() string { return p.Protocol.String() + ":" + p.algorithms() }

// longest is how many transforms String prints: more than any sound proposal has, few enough that a hostile one does not
// fill a log.
const longest = 64

// algorithms is String without the protocol.
func (p Proposal) algorithms() string {
	var names []string
	for _, t := range types(p) {
		for _, tr := range p.Of(t) {
			if len(names) == longest {
				return fmt.Sprintf("%s and %d more", strings.Join(names, "/"), len(p.Transforms)-longest)
			}
			names = append(names, tr.String())
		}
	}
	return strings.Join(names, "/")
}

// Keywords returns the configuration's words, which Parse reads back as the same proposal:
// "aes256gcm16-prfsha256-x25519". What Parse adds by itself is left out. A transform for which there is no word
// appears by its log name, and then Parse refuses the text.
func (p Proposal) Keywords() string {
	var words []string
	for _, t := range types(p) {
		transforms := p.Of(t)
		if t == PRF && p.Protocol == IKE && slices.Equal(transforms, derivedPRFs(p)) {
			continue
		}
		if t == ESN && slices.Equal(transforms, []Transform{{Type: ESN, ID: noESN}}) {
			continue
		}
		for _, tr := range transforms {
			words = append(words, tr.Keyword())
		}
	}
	return strings.Join(words, "-")
}

// derivedPRFs returns the PRFs of an IKE proposal that names none: those of its integrity algorithms.
func derivedPRFs(p Proposal) []Transform {
	var out []Transform
	for _, tr := range p.Of(INTEG) {
		if r, ok := integ.Lookup(tr.ID); ok && r.PRF != none {
			t := Transform{Type: PRF, ID: r.PRF}
			if !slices.Contains(out, t) {
				out = append(out, t)
			}
		}
	}
	return out
}

// sorted returns the proposal with its types in order and no transform twice.
func (p Proposal) sorted() Proposal {
	out := Proposal{Protocol: p.Protocol}
	for _, t := range types(p) {
		for _, tr := range p.Of(t) {
			if !slices.Contains(out.Transforms, tr) {
				out.Transforms = append(out.Transforms, tr)
			}
		}
	}
	return out
}
