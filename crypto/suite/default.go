package suite

import (
	"github.com/goswan/goswan/crypto/encr"
	"github.com/goswan/goswan/crypto/integ"
	"github.com/goswan/goswan/crypto/ke"
	"github.com/goswan/goswan/crypto/prf"
	"github.com/goswan/goswan/crypto/status"
)

// Default returns what the keyword `default` stands for, by strongSwan's rule: a proposal with combined-mode encryption
// and one with encryption and integrity apart, which for IKE comes first and for ESP last; the ESP proposals without
// key exchange (a rekeyed Child SA takes its keys from the IKE SA), without extended sequence numbers, and of the
// combined modes with AES-GCM alone. For AH there is one proposal. Only rows of status Default are in it, and
// of those the ones that need not be named.
func Default(p Protocol) []Proposal {
	switch p {
	case IKE:
		return []Proposal{defaultIKE(false), defaultIKE(true)}
	case ESP:
		gcm := Proposal{ESP, append(defaultEncr(gcm16), Transform{Type: ESN, ID: noESN})}
		apart := append(defaultEncr(classic), defaultInteg()...)
		return []Proposal{gcm, {ESP, append(apart, Transform{Type: ESN, ID: noESN})}}
	case AH:
		return []Proposal{{AH, append(defaultInteg(), Transform{Type: ESN, ID: noESN})}}
	}
	return nil
}

func defaultIKE(combined bool) Proposal {
	p := Proposal{Protocol: IKE}
	if combined {
		p.Transforms = defaultEncr(aeads)
	} else {
		p.Transforms = append(defaultEncr(classic), defaultInteg()...)
	}
	for _, r := range prf.Transforms {
		if r.Status == status.Default && !r.Named {
			p.Transforms = append(p.Transforms, Transform{Type: PRF, ID: r.ID})
		}
	}
	for _, r := range ke.Transforms {
		if r.Status == status.Default && !r.Named {
			p.Transforms = append(p.Transforms, Transform{Type: KE, ID: r.ID})
		}
	}
	return p
}

func aeads(r encr.Transform) bool   { return r.AEAD }
func classic(r encr.Transform) bool { return !r.AEAD }
func gcm16(r encr.Transform) bool   { return r.Name == "ENCR_AES_GCM_16" }

func defaultEncr(take func(encr.Transform) bool) []Transform {
	var out []Transform
	for _, r := range encr.Transforms {
		if r.Status != status.Default || r.Named || !take(r) {
			continue
		}
		if len(r.KeyBits) == 0 {
			out = append(out, Transform{Type: ENCR, ID: r.ID})
		}
		for _, bits := range r.KeyBits {
			out = append(out, Transform{ENCR, r.ID, bits})
		}
	}
	return out
}

func defaultInteg() []Transform {
	var out []Transform
	for _, r := range integ.Transforms {
		if r.Status == status.Default && !r.Named {
			out = append(out, Transform{Type: INTEG, ID: r.ID})
		}
	}
	return out
}
