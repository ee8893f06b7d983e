package config

import "strings"

// places are the kinds of section with what they may have, for the hint where a misplaced name belongs.
func places() []struct {
	place        string
	keys, groups []string
} {
	type p = struct {
		place        string
		keys, groups []string
	}
	return []p{
		{connectionTable.place, connectionTable.keyNames(), connectionTable.groupNames()},
		{roundTable.place, roundTable.keyNames(), nil},
		{childTable.place, childTable.keyNames(), nil},
		{"secrets.ike<suffix>", []string{"secret"}, nil},
		{"pools.<name>", append([]string{"addrs"}, poolAttributes...), nil},
		{authorityTable.place, authorityTable.keyNames(), nil},
		{"the top of the file", nil, topNames},
	}
}

// belongs is the kind of section that has a name which the section here does not have, "" if none.
func belongs(name, here string, section bool) string {
	for _, p := range places() {
		names := p.keys
		if section {
			names = p.groups
		}
		for _, n := range names {
			if p.place != here && strings.EqualFold(n, name) {
				return p.place
			}
		}
	}
	return ""
}
