package suite

import "slices"

// Select chooses from what the peer offered what is accepted here. The earlier proposal and the earlier transform win:
// in the peer's order if preferOffered, in ours otherwise. The chosen proposal has exactly one transform of each type
// that it has at all, none of them NONE, and no integrity algorithm beside combined-mode encryption. offeredIndex is the
// place in offered of the proposal it was chosen from.
//
// "The accepted cryptographic suite MUST contain exactly one transform of each type included in the proposal."  RFC 7296 §2.7
func Select(offered, accepted []Proposal, preferOffered bool) (chosen Proposal, offeredIndex int, ok bool) {
	if preferOffered {
		for i, o := range offered {
			for _, a := range accepted {
				if c, ok := choose(o, a, true); ok {
					return c, i, true
				}
			}
		}
		return Proposal{}, 0, false
	}
	for _, a := range accepted {
		for i, o := range offered {
			if c, ok := choose(o, a, false); ok {
				return c, i, true
			}
		}
	}
	return Proposal{}, 0, false
}

// choose takes one transform of each type from two proposals.
func choose(o, a Proposal, preferOffered bool) (Proposal, bool) {
	if o.Protocol != a.Protocol {
		return Proposal{}, false
	}
	kinds := types(o, a)
	if !slices.Contains(kinds, ENCR) {
		return chooseWith(o, a, kinds, nil, preferOffered)
	}
	// The encryption algorithm decides whether there has to be an integrity algorithm, so it is tried first.
	for _, e := range common(o.Of(ENCR), a.Of(ENCR), preferOffered) {
		if c, ok := chooseWith(o, a, kinds, &e, preferOffered); ok {
			return c, true
		}
	}
	return Proposal{}, false
}

// chooseWith completes the choice for one encryption algorithm.
func chooseWith(o, a Proposal, kinds []TransformType, e *Transform, preferOffered bool) (Proposal, bool) {
	out := Proposal{Protocol: o.Protocol}
	for _, kind := range kinds {
		if kind == ENCR {
			out.Transforms = append(out.Transforms, *e)
			continue
		}
		// Combined-mode ciphers "MUST either offer no integrity algorithm or a single integrity algorithm of 'NONE'":
		// whatever stands there is not looked at.  RFC 7296 §3.3
		if kind == INTEG && e != nil && e.aead() {
			continue
		}
		t, ok := pick(kind, o, a, preferOffered)
		if !ok {
			return Proposal{}, false
		}
		if t != nil {
			out.Transforms = append(out.Transforms, *t)
		}
	}
	return out, true
}

// pick chooses the transform of one type. A nil transform with ok means that this type goes without.
func pick(kind TransformType, o, a Proposal, preferOffered bool) (t *Transform, ok bool) {
	of, ac := o.Of(kind), a.Of(kind)
	if kind == ESN {
		return pickESN(of, ac, preferOffered)
	}
	// Of ESP and AH the key exchange is optional, and so is every additional one (RFC 7296 §3.3.3, RFC 9370 §2.2.2).
	// Leaving it out and offering NONE are the same. A type that we do not know is in no accepted proposal and so makes
	// the offer unacceptable, as RFC 7296 §3.3.6 wants.
	if kind == KE && o.Protocol != IKE || kind.additionalKE() {
		of, ac = orNone(kind, of), orNone(kind, ac)
	}
	for _, t := range common(of, ac, preferOffered) {
		switch {
		case t.ID != none:
			return &t, true
		case kind == KE && o.Protocol != IKE || kind.additionalKE():
			return nil, true
		}
	}
	return nil, false
}

// pickESN chooses the kind of sequence numbers. A peer that says nothing of them means the short ones, and is answered
// with nothing, since an answer has only transforms that were offered.
func pickESN(offered, accepted []Transform, preferOffered bool) (*Transform, bool) {
	short := Transform{Type: ESN, ID: noESN}
	if len(accepted) == 0 {
		accepted = []Transform{short}
	}
	if len(offered) == 0 {
		return nil, slices.Contains(accepted, short)
	}
	for _, t := range common(offered, accepted, preferOffered) {
		return &t, true
	}
	return nil, false
}

func orNone(kind TransformType, list []Transform) []Transform {
	if len(list) == 0 {
		return []Transform{{Type: kind, ID: none}}
	}
	return list
}

// common returns the transforms of both lists, in the order of the preferred one.
func common(offered, accepted []Transform, preferOffered bool) []Transform {
	first, second := accepted, offered
	if preferOffered {
		first, second = offered, accepted
	}
	var out []Transform
	for _, t := range first {
		if slices.Contains(second, t) {
			out = append(out, t)
		}
	}
	return out
}
