package suite

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goswan/goswan/crypto/status"
)

// Comparison is what two proposals of one protocol have of one transform type.
type Comparison struct {
	Type              TransformType
	Offered, Accepted []Transform
	// Common are the transforms of both, in the peer's order.
	Common []Transform
	// Gap is why they do not agree, Closed if they do: on a common transform, or on going without one.
	Gap Gap
	// Objections are the offered transforms that are not accepted, and why.
	Objections []Objection
}

// Gap is why two proposals do not agree on a transform type.
type Gap string

// The gaps.
const (
	Closed      Gap = ""
	Apart       Gap = "no transform in common"
	KeyLength   Gap = "another key length"
	Mode        Gap = "combined mode against separate integrity" // RFC 7296 §3.3
	NotOffered  Gap = "required here and not offered"            // a key exchange: perfect forward secrecy
	NotAccepted Gap = "required by the offer and not accepted here"
	UnknownType Gap = "a transform type that is not known here" // RFC 7296 §3.3.6
)

// Objection is an offered transform that is not accepted.
type Objection struct {
	Transform Transform
	// Status is Refused or Unimplemented when no configuration could accept it, and otherwise whether it could be accepted
	// without a warning.
	Status status.Status
	// Why is the table's reason of a refused or legacy transform.
	Why string
	// NotFor is the protocol that it is not for, as encryption that does not encrypt is not for IKE; 0 is none.
	NotFor Protocol
	// OtherKeyBits are the key lengths with which the same algorithm is accepted.
	OtherKeyBits []uint16
}

// Compare sets two proposals side by side, type by type in the order strongSwan prints them.
func Compare(offered, accepted Proposal) []Comparison {
	var out []Comparison
	for _, kind := range types(offered, accepted) {
		c := Comparison{Type: kind, Offered: offered.Of(kind), Accepted: accepted.Of(kind)}
		c.Common = common(c.Offered, c.Accepted, true)
		c.Gap = gap(c, offered, accepted)
		for _, t := range c.Offered {
			if !slices.Contains(c.Accepted, t) && t.ID|t.KeyBits != none {
				c.Objections = append(c.Objections, object(offered.Protocol, t, c.Accepted))
			}
		}
		out = append(out, c)
	}
	return out
}

// gap finds out why the two proposals do not agree on the type.
func gap(c Comparison, o, a Proposal) Gap {
	if agree(c.Type, o, a) {
		return Closed
	}
	switch {
	case !c.Type.known():
		return UnknownType
	case len(c.Offered) == 0 || !someRequired(c.Type, c.Offered):
		return NotOffered
	case len(c.Accepted) == 0 || !someRequired(c.Type, c.Accepted):
		return NotAccepted
	case c.Type == ENCR && allAEAD(c.Offered) != allAEAD(c.Accepted) && noneAEAD(c.Offered) != noneAEAD(c.Accepted):
		return Mode
	case slices.ContainsFunc(c.Offered, func(t Transform) bool { return len(otherKeyBits(t, c.Accepted)) > 0 }):
		return KeyLength
	}
	return Apart
}

// someRequired tells that a list has more than NONE, of a type where that stands for nothing.
func someRequired(kind TransformType, list []Transform) bool {
	return kind == ESN || slices.ContainsFunc(list, func(t Transform) bool { return t.ID != none })
}

// agree tells whether something can be chosen of the type.
func agree(kind TransformType, o, a Proposal) bool {
	switch kind {
	case ENCR:
		return len(common(o.Of(ENCR), a.Of(ENCR), true)) > 0
	case INTEG:
		return !lacksInteg(o, a)
	}
	_, ok := pick(kind, o, a, true)
	return ok
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

func allAEAD(list []Transform) bool {
	return !slices.ContainsFunc(list, func(t Transform) bool { return !t.aead() })
}
func noneAEAD(list []Transform) bool { return !slices.ContainsFunc(list, Transform.aead) }

// object tells why a transform is not accepted.
func object(p Protocol, t Transform, accepted []Transform) Objection {
	s, why := t.Status()
	o := Objection{Transform: t, Status: s, Why: why, OtherKeyBits: otherKeyBits(t, accepted)}
	if t.notFor(p) {
		o.NotFor = p
	}
	return o
}

func otherKeyBits(t Transform, accepted []Transform) []uint16 {
	var out []uint16
	for _, a := range accepted {
		if a.Type == ENCR && a.ID == t.ID && a.KeyBits != t.KeyBits {
			out = append(out, a.KeyBits)
		}
	}
	return out
}

// String says in one clause what becomes of the transform: "MODP_768 is refused: …", "MODP_1024 is not configured".
func (o Objection) String() string {
	switch {
	case o.Status == status.Refused:
		return fmt.Sprintf("%s is refused: %s", o.Transform, o.Why)
	case o.Status == status.Unimplemented:
		return fmt.Sprintf("%s is not implemented in this version", o.Transform)
	case o.NotFor != 0:
		return fmt.Sprintf("%s is not for %s", o.Transform, o.NotFor)
	case len(o.OtherKeyBits) > 0:
		var bits []string
		for _, b := range o.OtherKeyBits {
			bits = append(bits, fmt.Sprint(b))
		}
		return fmt.Sprintf("%s is not configured, only a key of %s bits is", o.Transform, strings.Join(bits, ", "))
	}
	return fmt.Sprintf("%s is not configured", o.Transform)
}

// few is how many transforms a sentence lists: the preferred ones.
const few = 4

// String says in one clause how they differ, "" if they agree.
func (c Comparison) String() string {
	switch {
	case c.Gap == Closed:
		return ""
	case c.Gap == UnknownType:
		return fmt.Sprintf("the offer has transforms of %s, which this version does not know", c.Type)
	case c.Gap == Mode && allAEAD(c.Offered):
		return fmt.Sprintf("the offer encrypts in combined mode (%s), accepted is encryption with an integrity algorithm apart (%s)", list(c.Offered), list(c.Accepted))
	case c.Gap == Mode:
		return fmt.Sprintf("the offer has encryption with an integrity algorithm apart (%s), accepted is combined mode (%s)", list(c.Offered), list(c.Accepted))
	case c.Type == ESN && slices.Contains(c.Offered, Transform{Type: ESN, ID: useESN}):
		return "the offer insists on extended sequence numbers, which are not configured"
	case c.Type == ESN:
		return "extended sequence numbers are required here, and not offered"
	case c.Gap == NotOffered && c.Type == KE:
		return fmt.Sprintf("a key exchange is required here (%s), and none is offered", list(c.Accepted))
	case c.Gap == NotOffered:
		return fmt.Sprintf("no %s is offered, accepted is %s", c.Type, list(c.Accepted))
	case c.Gap == NotAccepted && c.Type.additionalKE():
		return fmt.Sprintf("the offer insists on the additional key exchange %s", list(c.Offered))
	case c.Gap == NotAccepted && c.Type == KE:
		return fmt.Sprintf("the offer insists on a key exchange (%s), and none is configured", list(c.Offered))
	}
	return fmt.Sprintf("no %s in common: offered is %s, accepted is %s", c.Type, list(c.Offered), list(c.Accepted))
}

// list prints the preferred transforms of one type.
func list(transforms []Transform) string {
	var names []string
	for _, t := range transforms[:min(few, len(transforms))] {
		names = append(names, t.String())
	}
	if more := len(transforms) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	if names == nil {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// distance is how far a type is from agreement: 0 if it agrees. What differs in the encryption differs most, and the
// same algorithm with another key is nearer than another one.
func (c Comparison) distance() int {
	if c.Gap == Closed {
		return 0
	}
	d := 16
	switch {
	case c.Type == ENCR && c.Gap == KeyLength:
		d = 3
	case c.Type == ENCR && c.Gap == Mode:
		d = 8
	case c.Type == ENCR:
		d = 6
	case c.Type == KE || c.Type == INTEG || c.Type.additionalKE():
		d = 4
	case c.Type == PRF:
		d = 3
	case c.Type == ESN:
		d = 1
	}
	if len(c.Offered) > 0 && !slices.ContainsFunc(c.Offered, Transform.usable) {
		d += 2 // nothing that a configuration could accept
	}
	return d
}

func (t Transform) usable() bool {
	s, _ := t.Status()
	return s.Usable()
}

// sound tells that it can be used without a warning.
func (t Transform) sound() bool {
	s, _ := t.Status()
	return s.Usable() && s != status.Legacy
}
