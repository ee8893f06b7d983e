package config

import (
	"slices"
	"strings"

	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
)

// owners are the identities that pre-shared keys belong to, indexed: there may be tens of thousands of both.
type owners struct {
	anyone   bool // there is a secret that fits everyone
	address  bool // there is one that belongs to an address
	exact    map[auth.Identity]bool
	patterns []auth.Identity
	all      []auth.Identity
}

func newOwners(secrets []*core.Secret) *owners {
	o := &owners{exact: map[auth.Identity]bool{}}
	for _, s := range secrets {
		if s.Kind != core.SecretIKE {
			continue
		}
		o.anyone = o.anyone || len(s.Owners) == 0
		for _, id := range s.Owners {
			o.add(id)
		}
	}
	return o
}

func (o *owners) add(id auth.Identity) {
	o.all = append(o.all, id)
	switch {
	case id.IsAny():
		o.anyone = true
	case id.Type == auth.IDIPv4Addr || id.Type == auth.IDIPv6Addr:
		o.address = true
	case isPattern(id):
		o.patterns = append(o.patterns, id)
	}
	o.exact[id.Folded()] = true
}

// isPattern tells identities that may fit more than themselves.
func isPattern(id auth.Identity) bool {
	return id.Type == auth.IDDERASN1DN || isNamePattern(id)
}

// isNamePattern tells a name with a wildcard.
func isNamePattern(id auth.Identity) bool {
	return (id.Type == auth.IDFQDN || id.Type == auth.IDRFC822Addr) && strings.Contains(id.Data, "*")
}

// fit tells whether an identity may be that of an owner; either may be a pattern.
func (o *owners) fit(id auth.Identity) bool {
	if o.exact[id.Folded()] {
		return true
	}
	candidates := o.patterns
	if isPattern(id) {
		candidates = o.all
	}
	return slices.ContainsFunc(candidates, func(owner auth.Identity) bool {
		return id.Matches(owner) != auth.MatchNone || owner.Matches(id) != auth.MatchNone
	})
}

// between tells whether there may be a secret between two identities. One of them is enough. A remote identity that is
// not set may be anything, a local one is our address.
func (o *owners) between(local, remote auth.Identity) bool {
	switch {
	case o.anyone:
		return true
	case remote.IsAny():
		return len(o.all) > 0
	case local.IsAny() && o.address:
		return true
	}
	return o.fit(local) || o.fit(remote)
}

// checkOwners reports the connections with a pre-shared key, on one side at least, for which there is no secret.
func (d *decoder) checkOwners(catalog *core.Catalog) {
	o := newOwners(catalog.Secrets)
	for _, c := range catalog.Connections {
		for _, pair := range pskPairs(c) {
			local, remote := pair[0], pair[1]
			if o.between(local.ID, remote.ID) {
				continue
			}
			hint := ""
			if !remote.ID.IsAny() {
				hint = "id = " + remote.ID.String() + " "
			}
			d.report(at{"connections." + c.Name, settings.Position(local.Source)}, bad(
				"add one to secrets: `ike-"+c.Name+" { "+hint+"secret = \"…\" }`, one setting a line",
				"no secret for %s and %s", nameOf(local.ID, "this host"), nameOf(remote.ID, "any peer")))
		}
	}
}

// pskPairs are the rounds with a pre-shared key, on one side at least, each with the other side's of the same turn, or its last.
func pskPairs(c *core.Connection) (pairs [][2]core.Auth) {
	if len(c.Local) == 0 || len(c.Remote) == 0 {
		return nil
	}
	for i := range max(len(c.Local), len(c.Remote)) {
		local, remote := c.Local[min(i, len(c.Local)-1)], c.Remote[min(i, len(c.Remote)-1)]
		if i < len(c.Local) && local.Method == core.AuthPSK || i < len(c.Remote) && remote.Method == core.AuthPSK {
			pairs = append(pairs, [2]core.Auth{local, remote})
		}
	}
	return pairs
}

func nameOf(id auth.Identity, none string) string {
	if id.IsAny() {
		return none
	}
	return id.String()
}
