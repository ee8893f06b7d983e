package config

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/crypto/sig"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
)

// round is an authentication round being read.
type round struct {
	core.Auth
	local bool
	d     *decoder
}

// The certificates of a round.
func ownOrPeers(r *round) *[]*auth.Certificate { return &r.Certs }
func itsCAs(r *round) *[]*auth.Certificate     { return &r.CACerts }

var roundTable = table[round]{
	place: "connections.<conn>.local and .remote",
	keys: []key[round]{
		{"round", number(func(r *round) *int { return &r.Round }, 0, 1<<16)},
		{"auth", readAuth},
		{"id", readID},
		{"eap_id", readEAPID},
		{"aaa_id", localOnly(readServerID)},
		{"ttls_inner", localOnly(oneOf(func(r *round) *eap.Inner { return &r.EAP.Inner },
			word[eap.Inner]{"eap", eap.InnerEAP}, word[eap.Inner]{"pap", eap.InnerPAP}, word[eap.Inner]{"mschapv2", eap.InnerMSCHAPv2}))},
		{"xauth_id", off[round]("IKEv1 with XAuth", "remove xauth_id")},
		{"certs", addCertificates("x509", ownOrPeers)},
		{"cacerts", peerOnly(addCertificates("x509ca", itsCAs))},
		{"pubkeys", readPublicKeys},
		{"ca_id", peerOnly(readCAID)},
		{"groups", peerOnly(readGroups)},
		{"cert_policy", peerOnly(readPolicies)},
		{"revocation", peerOnly(readRevocation)},
	},
	groups: []group[round]{
		{"cert*", certificateSection("x509", ownOrPeers)},
		{"cacert*", certificateSection("x509ca", itsCAs)},
	},
}

// peerOnly is a key of remote sections: in local ones it has no meaning.
func peerOnly(read func(*round, settings.Value) error) func(*round, settings.Value) error {
	return func(r *round, v settings.Value) error {
		if err := read(r, v); err != nil || !r.local {
			return err
		}
		return warning("write it into the section remote", "has no effect in a section local: it is about the peer")
	}
}

// localOnly is a key of local sections: in remote ones it has no meaning.
func localOnly(read func(*round, settings.Value) error) func(*round, settings.Value) error {
	return func(r *round, v settings.Value) error {
		if err := read(r, v); err != nil || r.local {
			return err
		}
		return warning("write it into the section local", "has no effect in a section remote: it is about how this host proves itself")
	}
}

func readCAID(r *round, v settings.Value) (err error) {
	r.CAID, err = identity(v.Text)
	return err
}

func readPolicies(r *round, v settings.Value) error {
	for _, item := range v.Items() {
		oid, err := x509.ParseOID(item)
		if err != nil {
			return bad("write numbers with dots, as in 2.23.140.1.2.1", "%q is not an object identifier", item)
		}
		r.Policies = append(r.Policies, oid)
	}
	return nil
}

func readRevocation(r *round, v settings.Value) error {
	got, err := auth.ParseRevocation(v.Text)
	if err != nil {
		return bad("write strict, ifuri or relaxed", "%q is not a value of revocation", v.Text)
	}
	r.Revocation = got
	return nil
}

// round reads a local or remote section and puts it behind those of a lower or the same number.
func (d *decoder) round(rounds *[]core.Auth, s *settings.Section, where at, local bool) {
	r := &round{Auth: d.byDefault(s.At), local: local, d: d}
	failed := len(d.problems)
	roundTable.read(d, r, s, where)
	if len(d.problems) == failed {
		d.checkEAP(r, where)
	}
	d.checkRound(r, where)
	i := slices.IndexFunc(*rounds, func(other core.Auth) bool { return other.Round > r.Round })
	if i < 0 {
		i = len(*rounds)
	}
	*rounds = slices.Insert(*rounds, i, r.Auth)
}

// byDefault is a round that says nothing.
func (d *decoder) byDefault(where settings.Position) core.Auth {
	constraints, _ := sig.ParseConstraints(string(core.AuthPubkey), d.Charon.RSAPSS)
	return core.Auth{Method: core.AuthPubkey, Constraints: constraints, Source: position(where), IDSource: position(where)}
}

// checkRound looks at a round as a whole. A local identity that no certificate of the round has gives way to the certificate's
// subject, as in strongSwan: no peer would believe it.
func (d *decoder) checkRound(r *round, where at) {
	if !r.Method.Signs() {
		if r.Method == core.AuthEAP {
			return
		}
		if len(r.Certs)+len(r.PublicKeys)+len(r.CACerts) > 0 {
			d.report(where, warning("write auth = pubkey", "certs, cacerts and pubkeys have no effect with auth = %s", r.Method))
		}
		return
	}
	if !r.local || len(r.Certs) == 0 {
		return
	}
	proves := func(c *auth.Certificate) bool { return c.Proves(r.ID) != auth.MatchNone }
	subject := (&auth.Credential{Certificate: r.Certs[0]}).ID()
	if !r.ID.IsAny() && !slices.ContainsFunc(r.Certs, proves) {
		d.report(at{where.path + ".id", settings.Position(r.IDSource)}, warning("write one of its names, or get a certificate with this one in its subjectAltName",
			"the certificate does not name %q but %s; the id is its subject, %q", r.ID, r.Certs[0].Presents(), subject))
		r.ID = subject
	}
	if r.ID.IsAny() && len(r.Certs) == 1 {
		r.ID = subject
	}
}

// maxRounds is how many rounds a side may have. Each is an exchange that the other side waits through.
const maxRounds = 8

// checkRounds looks at a connection's rounds as a whole.
func (d *decoder) checkRounds(c *conn, where at) {
	for i, rounds := range []*[]core.Auth{&c.Local, &c.Remote} {
		side := at{where.path + "." + []string{"local", "remote"}[i], where.pos}
		switch {
		case len(*rounds) == 0 && c.Negotiates():
			*rounds = []core.Auth{d.byDefault(settings.Position(c.Source))}
		case len(*rounds) > maxRounds:
			side.pos = settings.Position((*rounds)[maxRounds].Source)
			d.report(side, bad(fmt.Sprintf("keep %d", maxRounds), "%d authentication rounds (RFC 4739) are too many", len(*rounds)))
		default:
			d.checkOrder(*rounds, side)
		}
	}
}

// checkOrder warns where the numbers of rounds, which are in their order here, are not what they look like.
func (d *decoder) checkOrder(rounds []core.Auth, side at) {
	for i := 1; i < len(rounds); i++ {
		before, r := rounds[i-1], rounds[i]
		side.pos = settings.Position(r.Source)
		switch {
		case before.Round == r.Round && r.Round != 0:
			d.report(side, warning("give each its own number", "round = %d is that of the section at %s, too: that one comes first", r.Round, before.Source))
		case before.Round == 0 && r.Round != 0 && before.Source.File == r.Source.File && before.Source.Line > r.Source.Line:
			side.pos = settings.Position(before.Source)
			d.report(side, warning("write `round = …` in each section", "there is no round in it, so that it comes before the section at %s with round = %d", r.Source, r.Round))
		}
	}
}

// signatureWords are the beginnings of methods that are signatures.
var signatureWords = []string{"pubkey", "rsa", "ecdsa", "ed25519", "ed448", "ike:"}

func readAuth(r *round, v settings.Value) error {
	text := strings.ToLower(v.Text)
	switch core.AuthMethod(text) {
	case core.AuthPSK, core.AuthAny:
		r.Method = core.AuthMethod(text)
		if r.Method == core.AuthPSK {
			r.Constraints = sig.Constraints{}
		}
		return nil
	}
	for _, word := range signatureWords {
		if strings.HasPrefix(text, word) {
			return r.constrain(text)
		}
	}
	switch {
	case strings.HasPrefix(text, "eap"):
		return r.readEAP(text)
	case strings.HasPrefix(text, "xauth"):
		return missing(v.Text+" (IKEv1 with XAuth)", "write psk, pubkey or eap-mschapv2")
	}
	return bad("write psk, pubkey or eap-…, as in eap-mschapv2", "%q is not a way to authenticate", v.Text)
}

// constrain takes a method with constraints for keys and signatures, "rsa-3072-sha384".
func (r *round) constrain(text string) (err error) {
	if r.Constraints, err = r.constraints(text); err == nil {
		r.Method = core.AuthPubkey
	}
	return err
}

// constraints reads constraints for keys and signatures.
func (r *round) constraints(text string) (sig.Constraints, error) {
	c, err := sig.ParseConstraints(text, r.d.Charon.RSAPSS)
	if err != nil {
		err = bad("write pubkey, or types of keys with least sizes and hashes, as in rsa-3072-sha384", "%s", strings.TrimPrefix(err.Error(), "sig: auth = "+text+": "))
	}
	return c, err
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
		return auth.Identity{}, bad("write one, and fqdn: before a name with a blank in it; a secret has several as id-1 = …, id-2 = …", "%q is not one identity", s)
	}
	return id, nil
}
