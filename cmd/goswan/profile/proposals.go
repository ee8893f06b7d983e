package profile

import (
	"fmt"
	"slices"

	"github.com/goswan/goswan/crypto/suite"
)

// The transforms that clients have, by their numbers at IANA.
const (
	aesCBC   = 12
	aesGCM16 = 20
	chacha20 = 28
)

// word is a transform by the name that a platform gives it.
type word struct {
	text string
	suite.Transform
}

func encr(text string, id, bits uint16) word {
	return word{text, suite.Transform{Type: suite.ENCR, ID: id, KeyBits: bits}}
}

func group(text string, id uint16) word {
	return word{text, suite.Transform{Type: suite.KE, ID: id}}
}

// hash is an HMAC by the name that a platform gives it: as INTEG, and as PRF.
type hash struct {
	text       string
	integ, prf uint16
}

// platform is what the IKEv2 of an operating system can negotiate. Of equal strength, what stands first is preferred. Old
// algorithms that newer versions of the platforms have given up are not in it.
type platform struct {
	name              string
	encr, espEncr     []word
	hashes, espHashes []hash
	groups, espGroups []word
	esn               bool
	// addIKE and addESP are proposals for a gateway that accepts nothing of this.
	addIKE, addESP string
}

// choice is a proposal in a platform's words. A combined-mode cipher has no INTEG; its hash is the PRF's. The zero group is none.
type choice struct {
	encr  word
	hash  hash
	group word
	rank  [2]int // how strong the weakest part is, and how early the cipher stands
}

// combined tells a combined-mode cipher.
func (c choice) combined() bool { return c.encr.ID != aesCBC }

// proposal is the choice with one transform of each type, which Keywords prints.
func (c choice) proposal(p suite.Protocol) suite.Proposal {
	out := suite.Proposal{Protocol: p, Transforms: []suite.Transform{c.encr.Transform}}
	if !c.combined() {
		out.Transforms = append(out.Transforms, suite.Transform{Type: suite.INTEG, ID: c.hash.integ})
	}
	if p == suite.IKE {
		out.Transforms = append(out.Transforms, suite.Transform{Type: suite.PRF, ID: c.hash.prf})
	}
	if c.group.ID != 0 {
		out.Transforms = append(out.Transforms, c.group.Transform)
	}
	if p == suite.ESP {
		out.Transforms = append(out.Transforms, suite.Transform{Type: suite.ESN})
	}
	return out
}

// choose finds the strongest proposal that the platform and the gateway have both.
func (p *platform) choose(protocol suite.Protocol, list []suite.Proposal, place string) (choice, error) {
	var best choice
	found := false
	for _, proposal := range list {
		c, ok := p.strongest(protocol, proposal)
		if ok && (!found || c.rank[0] > best.rank[0] || c.rank[0] == best.rank[0] && c.rank[1] < best.rank[1]) {
			best, found = c, true
		}
	}
	if found {
		return best, nil
	}
	add := p.addIKE
	if protocol == suite.ESP {
		add = p.addESP
	}
	return best, fmt.Errorf("%s can do none of the %s proposals of %s; add %s to it", p.name, protocol, place, add)
}

// chooseBoth chooses for IKE and for ESP.
func (p *platform) chooseBoth(c *Client) (ike, esp choice, err error) {
	if ike, err = p.choose(suite.IKE, c.IKE, c.IKEPlace); err != nil {
		return ike, esp, err
	}
	esp, err = p.choose(suite.ESP, c.ESP, c.ESPPlace)
	return ike, esp, err
}

// strongest takes of each type of one proposal the strongest transform that the platform has.
func (p *platform) strongest(protocol suite.Protocol, proposal suite.Proposal) (c choice, ok bool) {
	ciphers, hashes, groups := p.encr, p.hashes, p.groups
	if protocol == suite.ESP {
		ciphers, hashes, groups = p.espEncr, p.espHashes, p.espGroups
	}
	if c.encr, ok = pick(ciphers, proposal); !ok {
		return c, false
	}
	if c.hash, ok = pickHash(hashes, proposal, protocol == suite.IKE, !c.combined()); !ok {
		return c, false
	}
	if c.group, ok = pick(groups, proposal); !ok && (protocol == suite.IKE || demandsGroup(proposal)) {
		return c, false
	}
	if protocol == suite.ESP && !p.esn && !slices.Contains(proposal.Transforms, suite.Transform{Type: suite.ESN}) {
		return c, false
	}
	bits, _ := c.proposal(protocol).Strength()
	c.rank = [2]int{bits, slices.Index(ciphers, c.encr)}
	return c, true
}

// demandsGroup tells whether a Child SA has to have a key exchange of its own when it is rekeyed.
func demandsGroup(p suite.Proposal) bool {
	groups := p.Of(suite.KE)
	return len(groups) > 0 && !slices.ContainsFunc(groups, func(t suite.Transform) bool { return t.ID == 0 })
}

func pick(words []word, p suite.Proposal) (best word, ok bool) {
	for _, w := range words {
		if slices.Contains(p.Transforms, w.Transform) && (!ok || w.Strength() > best.Strength()) {
			best, ok = w, true
		}
	}
	return best, ok
}

// pickHash finds a hash that is in the proposal in each role that it has.
func pickHash(hashes []hash, p suite.Proposal, asPRF, asINTEG bool) (best hash, ok bool) {
	if !asPRF && !asINTEG {
		return hash{}, true
	}
	for _, h := range hashes {
		integ, prf := suite.Transform{Type: suite.INTEG, ID: h.integ}, suite.Transform{Type: suite.PRF, ID: h.prf}
		if asPRF && !slices.Contains(p.Transforms, prf) || asINTEG && !slices.Contains(p.Transforms, integ) {
			continue
		}
		if !ok || integ.Strength() > (suite.Transform{Type: suite.INTEG, ID: best.integ}).Strength() {
			best, ok = h, true
		}
	}
	return best, ok
}
