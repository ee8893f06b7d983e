package config

import (
	"fmt"

	"github.com/goswan/goswan/crypto/sig"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
)

// Round is an authentication round of a connection in the words of swanctl.conf, for people and for JSON.
type Round struct {
	Section string   `json:"section"`         // "local-1", "remote-2": in the order in which they are taken
	Place   string   `json:"place,omitempty"` // "swanctl.conf:12"
	Auth    string   `json:"auth"`
	ID      string   `json:"id"`
	EAPID   string   `json:"eap_id,omitempty"`
	AAAID   string   `json:"aaa_id,omitempty"`
	Groups  []string `json:"groups,omitempty"`
	Certs   []string `json:"certs,omitempty"`   // by their subjects
	CACerts []string `json:"cacerts,omitempty"` // by their subjects
}

// Rounds are the authentication rounds of a connection, ours before the peer's.
func Rounds(conn *core.Connection) []Round {
	var all []Round
	for i, a := range conn.Local {
		all = append(all, roundOf(fmt.Sprintf("local-%d", i+1), a))
	}
	for i, a := range conn.Remote {
		all = append(all, roundOf(fmt.Sprintf("remote-%d", i+1), a))
	}
	return all
}

func roundOf(section string, a core.Auth) Round {
	r := Round{
		Section: section, Place: a.Source.String(), Auth: authText(a), ID: a.ID.String(), Groups: a.Groups,
		Certs: subjects(a.Certs), CACerts: subjects(a.CACerts),
	}
	if a.EAP.IDSet {
		r.EAPID = a.EAP.ID.String()
	}
	if !a.EAP.ServerID.IsAny() {
		r.AAAID = a.EAP.ServerID.String()
	}
	return r
}

// authText is `auth` with its constraints.
func authText(a core.Auth) string {
	switch text := constraintsText(a.Constraints); {
	case text == "" || a.Method == core.AuthAny:
		return authWord(a)
	case a.Method == core.AuthEAP:
		return authWord(a) + ":" + text
	default:
		return text
	}
}

// constraintsText is "" for those of pubkey, which are none.
func constraintsText(c sig.Constraints) string {
	if c.Text == string(core.AuthPubkey) {
		return ""
	}
	return c.Text
}

func subjects(all []*auth.Certificate) (names []string) {
	for _, c := range all {
		names = append(names, c.Name())
	}
	return names
}
