// Package suite is a negotiated set of transforms as working code: proposals (RFC 7296 §3.3) and strongSwan's keywords
// for them, their selection, the diagnosis when nothing can be selected, and the keyed cipher of one direction.
//
//	"aes256gcm16-prfsha384-x25519" ──Parse──▶ []Proposal ──Select──▶ Proposal ──Resolve──▶ Set ──NewCipher──▶ Cipher
package suite

import (
	"fmt"

	"github.com/goswan/goswan/crypto/encr"
	"github.com/goswan/goswan/crypto/integ"
	"github.com/goswan/goswan/crypto/ke"
	"github.com/goswan/goswan/crypto/prf"
	"github.com/goswan/goswan/crypto/status"
)

// Protocol is a Security Protocol Identifier, RFC 7296 §3.3.1.
type Protocol uint8

// The protocols that proposals are made for.
const (
	IKE Protocol = 1
	AH  Protocol = 2
	ESP Protocol = 3
)

// String returns the name that strongSwan logs: "IKE", "AH", "ESP".
func (p Protocol) String() string {
	switch p {
	case IKE:
		return "IKE"
	case AH:
		return "AH"
	case ESP:
		return "ESP"
	}
	return fmt.Sprintf("protocol %d", uint8(p))
}

// Setting returns the swanctl.conf setting that holds the proposals of the protocol: "proposals", "esp_proposals",
// "ah_proposals".
func (p Protocol) Setting() string {
	switch p {
	case AH:
		return "ah_proposals"
	case ESP:
		return "esp_proposals"
	}
	return "proposals"
}

// TransformType is a Transform Type, RFC 7296 §3.3.2.
type TransformType uint8

// The transform types. ADDKE1 to ADDKE7, with five more in between, are the additional key exchanges of RFC 9370 §2.2.2.
const (
	ENCR   TransformType = 1
	PRF    TransformType = 2
	INTEG  TransformType = 3
	KE     TransformType = 4
	ESN    TransformType = 5
	ADDKE1 TransformType = 6
	ADDKE7 TransformType = 12
)

// String returns the RFC's name: "ENCR", "PRF", "INTEG", "KE", "ESN", "ADDKE1" ….
func (t TransformType) String() string {
	switch {
	case t == ENCR:
		return "ENCR"
	case t == PRF:
		return "PRF"
	case t == INTEG:
		return "INTEG"
	case t == KE:
		return "KE"
	case t == ESN:
		return "ESN"
	case t.additionalKE():
		return fmt.Sprintf("ADDKE%d", t-ADDKE1+1)
	}
	return fmt.Sprintf("transform type %d", uint8(t))
}

func (t TransformType) additionalKE() bool { return ADDKE1 <= t && t <= ADDKE7 }

func (t TransformType) known() bool { return ENCR <= t && t <= ADDKE7 }

// rank orders types the way strongSwan prints them: the integrity algorithm before the PRF.
func (t TransformType) rank() TransformType {
	switch t {
	case PRF:
		return INTEG
	case INTEG:
		return PRF
	}
	return t
}

// The values of ESN, RFC 7296 §3.3.2.
const (
	noESN  = 0
	useESN = 1
)

// none is the Transform ID of INTEG and KE that is as good as no transform, RFC 7296 §3.3.2.
const none = 0

// Transform is one algorithm as a proposal names it. KeyBits 0 means no Key Length attribute.
type Transform struct {
	Type    TransformType
	ID      uint16
	KeyBits uint16
}

// String returns the name that strongSwan logs: "AES_GCM_16_256", "HMAC_SHA2_256_128", "PRF_HMAC_SHA2_256",
// "CURVE_25519", "NO_EXT_SEQ"; a number where there is no name.
func (t Transform) String() string {
	name := t.facts().log
	switch {
	case name == "":
		name = fmt.Sprintf("UNKNOWN_%d_%d", t.Type, t.ID)
	case t.Type.additionalKE():
		name = fmt.Sprintf("KE%d_%s", t.Type-ADDKE1+1, name)
	}
	if t.KeyBits != 0 {
		name = fmt.Sprintf("%s_%d", name, t.KeyBits)
	}
	return name
}

// Status tells how far this version uses the transform, and for a refused or legacy one why. What has no row is
// Unimplemented.
func (t Transform) Status() (status.Status, string) {
	f := t.facts()
	return f.status, f.why
}

// notFor tells whether the transform is not for proposals of a protocol: what does not encrypt, or takes its IV from ESP's sequence
// number, is not for the IKE SA.
//
// IANA's registry of Transform Type 1 has, as their IKEv2 reference, "Not allowed".
func (t Transform) notFor(p Protocol) bool {
	if p != IKE || t.Type != ENCR {
		return false
	}
	r, ok := encr.Lookup(t.ID)
	return ok && r.ESPOnly
}

// facts is what the tables know of a transform; the zero value stands for a transform without a row.
type facts struct {
	log    string
	status status.Status
	why    string
}

func (t Transform) facts() facts {
	switch {
	case t.Type == ENCR:
		if r, ok := encr.Lookup(t.ID); ok {
			f := facts{r.Log, r.Status, r.Why}
			if f.status.Usable() && !r.TakesKeyBits(t.KeyBits) {
				f.status = status.Unimplemented
			}
			return f
		}
	case t.Type == PRF:
		if r, ok := prf.Lookup(t.ID); ok {
			return facts{r.Name, r.Status, r.Why}
		}
	case t.Type == INTEG:
		if t.ID == none {
			return facts{"NONE", status.Default, ""}
		}
		if r, ok := integ.Lookup(t.ID); ok {
			return facts{r.Log, r.Status, r.Why}
		}
	case t.Type == ESN && t.ID == noESN:
		return facts{"NO_EXT_SEQ", status.Default, ""}
	case t.Type == ESN && t.ID == useESN:
		return facts{"EXT_SEQ", status.Default, ""}
	case t.Type == KE || t.Type.additionalKE():
		return t.keFacts()
	}
	return facts{}
}

func (t Transform) keFacts() facts {
	if t.ID == none {
		return facts{"KE_NONE", status.Default, ""}
	}
	r, ok := ke.Lookup(t.ID)
	if !ok {
		return facts{}
	}
	f := facts{r.Name, r.Status, r.Why}
	if f.status.Usable() && t.Type != KE {
		f.status = status.Unimplemented
	}
	return f
}

// aead tells whether the transform is a combined-mode encryption algorithm.
func (t Transform) aead() bool {
	r, ok := encr.Lookup(t.ID)
	return t.Type == ENCR && ok && r.AEAD
}
