package config

import (
	"slices"
	"strings"

	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
)

// round is an authentication round being read.
type round struct {
	core.Auth
	local bool
}

const (
	certificates = "authentication with certificates"
	eap          = "EAP"
)

var roundTable = table[round]{
	place: "connections.<conn>.local and .remote",
	keys: []key[round]{
		{"round", number(func(r *round) *int { return &r.Round }, 0, 1<<16)},
		{"auth", readAuth},
		{"id", readID},
		{"eap_id", off[round](eap, "remove eap_id")},
		{"aaa_id", off[round](eap, "remove aaa_id")},
		{"xauth_id", off[round]("IKEv1 with XAuth", "remove xauth_id")},
		{"certs", off[round](certificates, "remove certs and write auth = psk")},
		{"cacerts", off[round](certificates, "remove cacerts and write auth = psk")},
		{"pubkeys", off[round](certificates, "remove pubkeys and write auth = psk")},
		{"ca_id", off[round](certificates, "remove ca_id and write auth = psk")},
		{"groups", off[round](certificates, "remove groups and write auth = psk")},
		{"cert_policy", off[round](certificates, "remove cert_policy and write auth = psk")},
		{"revocation", silent[round]("relaxed", "ifuri", "strict")},
	},
	groups: []group[round]{
		{"cert*", noCertificate},
		{"cacert*", noCertificate},
	},
}

// certificateTable is for what a section of a certificate may have, so that a typing error in it is named.
var certificateTable = table[round]{
	place: "connections.<conn>.local.cert and .remote.cacert",
	keys: []key[round]{
		{"file", func(*round, settings.Value) error { return nil }},
		{"handle", func(*round, settings.Value) error { return nil }},
		{"slot", func(*round, settings.Value) error { return nil }},
		{"module", func(*round, settings.Value) error { return nil }},
	},
}

func noCertificate(d *decoder, r *round, s *settings.Section, where at) {
	certificateTable.read(d, r, s, where)
	d.report(where, missing(certificates, "remove the section and write auth = psk"))
}

// round reads a local or remote section and puts it behind those of a lower or the same number.
func (d *decoder) round(rounds *[]core.Auth, s *settings.Section, where at, local bool) {
	r := &round{Auth: core.Auth{Source: position(s.At), IDSource: position(s.At)}, local: local}
	failed := len(d.problems)
	roundTable.read(d, r, s, where)
	if r.Method == "" && len(d.problems) == failed {
		d.report(where, bad("write auth = psk", "auth is not set, and its default, pubkey, is not supported in this version of goswan"))
	}
	i := slices.IndexFunc(*rounds, func(other core.Auth) bool { return other.Round > r.Round })
	if i < 0 {
		i = len(*rounds)
	}
	*rounds = slices.Insert(*rounds, i, r.Auth)
}

// checkRounds looks at a connection's rounds as a whole.
func (d *decoder) checkRounds(c *conn, where at) {
	for i, rounds := range [][]core.Auth{c.Local, c.Remote} {
		side := []string{"local", "remote"}[i]
		switch {
		case len(rounds) == 0 && c.Negotiates():
			d.report(where, bad("add `"+side+" { auth = psk }`, with an id",
				"there is no section %s, and the default, auth = pubkey, is not supported in this version of goswan", side))
		case len(rounds) > 1:
			d.report(at{where.path + "." + side, settings.Position(rounds[1].Source)},
				missing("a second authentication round (RFC 4739)", "keep one section "+side))
		}
	}
}

// authWords are the beginnings of strongSwan's other methods and what they are.
var authWords = []struct{ prefix, what string }{
	{"pubkey", certificates}, {"rsa", certificates}, {"ecdsa", certificates}, {"ed25519", certificates}, {"ed448", certificates},
	{"ike:", certificates}, {"eap", eap}, {"xauth", "IKEv1 with XAuth"},
}

func readAuth(r *round, v settings.Value) error {
	if strings.EqualFold(v.Text, string(core.AuthPSK)) {
		r.Method = core.AuthPSK
		return nil
	}
	for _, w := range authWords {
		if strings.HasPrefix(strings.ToLower(v.Text), w.prefix) {
			return missing(v.Text+" ("+w.what+")", "write psk")
		}
	}
	return bad("write psk", "%q is not a way to authenticate", v.Text)
}

func readID(r *round, v settings.Value) error {
	id, err := identity(v.Text)
	if err != nil {
		return err
	}
	if r.local && isNamePattern(id) {
		return bad("write the one identity that this host has", "%q is a pattern, which only a remote id can be", v.Text)
	}
	r.ID, r.IDSource = id, position(v.At)
	return nil
}

// identity reads an identity and refuses what strongSwan would not take for what it looks like.
func identity(s string) (auth.Identity, error) {
	_, rest, typed := strings.Cut(s, ":")
	if typed && strings.HasPrefix(rest, "^") && strings.HasSuffix(rest, "$") {
		return auth.Identity{}, missing("a regular expression as an identity", "write a name with a leading *, as in *.example.org")
	}
	id, err := auth.ParseIdentity(s)
	if err != nil {
		return auth.Identity{}, err
	}
	if id.Type == auth.IDFQDN && !typed && strings.ContainsAny(id.Data, ", \t") {
		return auth.Identity{}, bad("write one identity; a secret has several as id-1 = …, id-2 = …", "%q is not one identity", s)
	}
	return id, nil
}
