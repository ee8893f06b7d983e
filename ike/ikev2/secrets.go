package ikev2

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
)

// maxSecrets bounds how many pre-shared keys are tried for one peer.
const maxSecrets = 16

// sharedKeys are the pre-shared keys for two identities, the closest first. An owner that is the peer weighs more than
// one that is us; a secret without owners fits anybody, last.
func sharedKeys(c *core.Catalog, local, remote auth.Identity) []*core.Secret {
	type ranked struct {
		secret *core.Secret
		weight auth.Match
	}
	var all []ranked
	for _, s := range c.Secrets {
		if s.Kind != core.SecretIKE {
			continue
		}
		if w := weigh(s, local, remote); w > auth.MatchNone {
			all = append(all, ranked{s, w})
		}
	}
	slices.SortStableFunc(all, func(a, b ranked) int { return cmp.Compare(b.weight, a.weight) })
	var found []*core.Secret
	for _, r := range all[:min(len(all), maxSecrets)] {
		found = append(found, r.secret)
	}
	return found
}

func weigh(s *core.Secret, local, remote auth.Identity) auth.Match {
	if len(s.Owners) == 0 {
		return auth.MatchAny
	}
	me, other := auth.MatchNone, auth.MatchNone
	for _, owner := range s.Owners {
		me = max(me, local.Matches(owner))
		other = max(other, remote.Matches(owner))
		if !sendable(remote) {
			// We do not know yet who will answer: an owner that fits the pattern may be the one.
			other = max(other, owner.Matches(remote))
		}
	}
	if me == auth.MatchNone && other == auth.MatchNone {
		return auth.MatchNone
	}
	return auth.MatchPerfect + 100*other + me
}

// tell names secrets by section, owners and place, never by key.
func tell(secrets []*core.Secret) string {
	var texts []string
	for _, s := range secrets {
		text := fmt.Sprintf("%q", s.Name)
		if at := s.Source.String(); at != "" {
			text += " (" + at + ")"
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", ")
}
