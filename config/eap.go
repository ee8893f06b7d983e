package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/crypto/sig"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
)

// eapMethods are the methods that goswan has, by strongSwan's words for them.
var eapMethods = []word[eap.Type]{
	{"mschapv2", eap.TypeMSCHAPv2}, {"tls", eap.TypeTLS}, {"ttls", eap.TypeTTLS}, {"peap", eap.TypePEAP}, {"gtc", eap.TypeGTC}, {"md5", eap.TypeMD5},
}

// foreignMethods are those that strongSwan has and goswan has not.
var foreignMethods = []string{"eap-aka", "eap-sim", "eap-simaka", "eap-tnc", "eap-pt", "eap-otp", "eap-identity", "eap-notification", "eap-nak"}

// weakMD5 is said where EAP-MD5 is named.
var weakMD5 = warning("use mschapv2 if the other side can", "EAP-MD5 is weak: it makes no key, and whoever sees a conversation can try passwords on it")

// eapFix is what a round could have instead of a method that is not there.
func eapFix(local bool) string {
	if local {
		return "write eap-mschapv2, eap-tls, eap-ttls or eap-peap"
	}
	return "write eap-mschapv2, eap-tls, eap-ttls, eap-peap or eap-radius"
}

// readEAP reads `eap`, `eap-mschapv2`, `eap-26` or, with constraints for certificates, `eap-tls:ecdsa-256-sha256`.
func (r *round) readEAP(text string) error {
	name, rules, ruled := strings.Cut(text, ":")
	method, err := eapMethod(name, r.local)
	if err != nil {
		return err
	}
	got := core.EAP{Method: method, RADIUS: name == "eap-radius", ID: r.EAP.ID, IDSet: r.EAP.IDSet, ServerID: r.EAP.ServerID, Inner: r.EAP.Inner}
	var constraints sig.Constraints
	switch {
	case got.RADIUS && r.local:
		return bad(eapFix(true), "eap-radius is how a gateway judges its peers, not how this host proves itself")
	case ruled && !hasTLS(got):
		return bad("write "+name, "%s has no certificates that %q could rule", name, rules)
	case strings.Contains(rules, "ike:"):
		return bad("leave ike: out", "there is no AUTH payload that %q could rule", rules)
	case !ruled && hasTLS(got):
		rules = string(core.AuthPubkey)
	}
	if hasTLS(got) {
		if constraints, err = r.constraints(rules); err != nil {
			return err
		}
	}
	r.Method, r.EAP, r.Constraints = core.AuthEAP, got, constraints
	if method == eap.TypeMD5 {
		return weakMD5
	}
	return nil
}

// eapMethod is the method that is meant by a word; 0 is any, or none of ours for eap-radius.
func eapMethod(name string, local bool) (eap.Type, error) {
	if name == "eap" || name == "eap-dynamic" || name == "eap-radius" {
		return 0, nil
	}
	kind, isMethod := strings.CutPrefix(name, "eap-")
	number, err := strconv.ParseUint(kind, 10, 32)
	byNumber := err == nil
	for _, m := range eapMethods {
		if isMethod && (m.word == kind || byNumber && m.value == eap.Type(number)) {
			return m.value, nil
		}
	}
	if byNumber || slices.Contains(foreignMethods, name) || isVendorType(kind) {
		return 0, missing(name, eapFix(local))
	}
	if near := settings.Nearest(name, eapNames()); near != "" {
		return 0, bad("did you mean "+near+"?", "%q is not a way to authenticate", name)
	}
	return 0, bad(eapFix(local), "%q is not a way to authenticate", name)
}

// isVendorType takes "1-311": a type and the vendor that has it.
func isVendorType(kind string) bool {
	number, vendor, ok := strings.Cut(kind, "-")
	_, err1 := strconv.ParseUint(number, 10, 32)
	_, err2 := strconv.ParseUint(vendor, 10, 32)
	return ok && err1 == nil && err2 == nil
}

func eapNames() []string {
	names := []string{"eap", "eap-dynamic", "eap-radius"}
	for _, m := range eapMethods {
		names = append(names, "eap-"+m.word)
	}
	return names
}

// authWord is the method of a round as `auth` has it.
func authWord(a core.Auth) string {
	switch {
	case a.Method != core.AuthEAP:
		return string(a.Method)
	case a.EAP.RADIUS:
		return "eap-radius"
	}
	for _, m := range eapMethods {
		if m.value == a.EAP.Method {
			return "eap-" + m.word
		}
	}
	return "eap"
}

func isEAP(a core.Auth) bool { return a.Method == core.AuthEAP }

// hasTLS tells whether there may be certificates inside EAP that this host judges, or shows.
func hasTLS(e core.EAP) bool {
	switch e.Method {
	case eap.TypeTLS, eap.TypeTTLS, eap.TypePEAP:
		return true
	case 0:
		return !e.RADIUS
	}
	return false
}

func readEAPID(r *round, v settings.Value) error {
	id, err := identity(v.Text)
	switch {
	case err != nil:
		return err
	case r.local && id.IsAny():
		return warning("write the one name that this host has there, or remove eap_id", "has no effect: %%any is nobody, so that it is the IKE identity")
	case r.local && isNamePattern(id):
		return bad("write the one name that this host has there", "%q is a pattern, which only a remote eap_id can be", v.Text)
	}
	r.EAP.ID, r.EAP.IDSet = id, true
	return nil
}

func readServerID(r *round, v settings.Value) error {
	id, err := identity(v.Text)
	if err == nil && id.IsAny() {
		return bad("write the name in the server's certificate, or remove aaa_id if that is the gateway's", "whoever has any certificate of the CA would be taken for the server")
	}
	r.EAP.ServerID = id
	return err
}

func readGroups(r *round, v settings.Value) error {
	for _, group := range v.Items() {
		if len(group) > maxAttribute {
			return bad(fmt.Sprintf("write at most %d octets", maxAttribute), "a group has %d octets", len(group))
		}
		r.Groups = append(r.Groups, group)
	}
	return nil
}

// checkEAP looks at what a round says of EAP.
func (d *decoder) checkEAP(r *round, where at) {
	unused := func(set bool, key, fix string) {
		if set {
			d.report(where, warning(fix, "%s has no effect with auth = %s", key, authWord(r.Auth)))
		}
	}
	eapAuth := isEAP(r.Auth)
	tls := eapAuth && hasTLS(r.EAP)
	unused(r.EAP.IDSet && !eapAuth, "eap_id", "write auth = eap-…, or remove it")
	unused(r.local && !r.EAP.ServerID.IsAny() && !tls, "aaa_id", "remove it: it names who has the certificate inside eap-tls, eap-ttls and eap-peap")
	unused(r.local && r.EAP.Inner != eap.InnerEAP && !(eapAuth && (r.EAP.Method == eap.TypeTTLS || r.EAP.Method == 0)), "ttls_inner", "write auth = eap-ttls, or remove it")
	if eapAuth {
		unused(!tls && len(r.Certs)+len(r.CACerts) > 0, "a certificate", "write auth = eap-tls, eap-ttls or eap-peap, or remove it")
		unused(len(r.PublicKeys) > 0, "pubkeys", "write certs = …")
	}
	if r.local {
		return
	}
	radius := d.Charon.RADIUS
	switch asked := eapAuth && r.EAP.RADIUS; {
	case asked && len(radius.Servers) == 0:
		d.report(where, warning("add one to charon.plugins.eap-radius.servers in strongswan.conf", "auth = eap-radius, and there is no RADIUS server to ask"))
	case len(r.Groups) > 0 && !asked:
		d.report(where, warning("write auth = eap-radius, or remove groups and require a CA by cacerts",
			"groups lets nobody in: RADIUS alone says what groups a peer is in; attribute certificates are not supported in this version of goswan"))
	case len(r.Groups) > 0 && !radius.ClassGroup && !radius.FilterID:
		d.report(where, warning("set charon.plugins.eap-radius.class_group = yes in strongswan.conf", "groups lets nobody in: what the servers say in Class is not taken for groups"))
	}
}

// provesResponder tells whether a method proves who the responder is, so that it may be the only authentication. The methods
// that passwords alone make do not, or not to somebody who may try passwords. RFC 5998 §4
func provesResponder(e core.EAP) bool { return e.RADIUS || hasTLS(e) }

// checkEAPRounds looks at what both sides' rounds mean together.
func (d *decoder) checkEAPRounds(c *conn, where at) {
	isPSK := func(a core.Auth) bool { return a.Method == core.AuthPSK }
	isOther := func(a core.Auth) bool { return !isEAP(a) }
	local, remote := slices.ContainsFunc(c.Local, isEAP), slices.ContainsFunc(c.Remote, isEAP)
	localOnly, remoteOnly := local && !slices.ContainsFunc(c.Local, isOther), remote && !slices.ContainsFunc(c.Remote, isOther)
	if localOnly && remote || remoteOnly && local {
		d.checkEAPOnly(c, where)
		return
	}
	// "… and MUST be used in conjunction with a public-key-signature-based authentication of the responder to the initiator."
	// RFC 7296 §2.16
	for _, side := range []struct {
		asks      bool
		responder []core.Auth
		name      string
	}{{local, c.Remote, ".remote"}, {remote, c.Local, ".local"}} {
		if side.asks && !slices.ContainsFunc(side.responder, func(a core.Auth) bool { return !isPSK(a) }) {
			d.report(at{where.path + side.name, settings.Position(side.responder[0].Source)},
				warning("write auth = pubkey", "with EAP the responder has to prove itself by a certificate (RFC 7296 §2.16): whoever knows the pre-shared key can take its place"))
		}
	}
	if remoteOnly && c.initiates() {
		d.report(at{where.path + ".remote", settings.Position(c.Remote[0].Source)},
			warning("use start_action = none, and let the peer initiate", "start_action = start, but a responder does not authenticate by EAP unless both sides do"))
	}
}

// checkEAPOnly reports methods that cannot be the only authentication. RFC 5998 §4
func (d *decoder) checkEAPOnly(c *conn, where at) {
	for i, rounds := range [][]core.Auth{c.Local, c.Remote} {
		for _, a := range rounds {
			if a.Method != core.AuthEAP || provesResponder(a.EAP) {
				continue
			}
			d.report(at{where.path + []string{".local", ".remote"}[i], settings.Position(a.Source)}, bad(
				"write auth = pubkey for the side that responds, or eap-tls, eap-ttls or eap-peap for both",
				"%s cannot be the only authentication (RFC 5998): it does not prove who the responder is", authWord(a)))
		}
	}
}

// checkUsers warns of connections whose peers authenticate by a password where nobody has one, and of passwords that are then
// nobody's: a gateway knows its users by their names.
func (d *decoder) checkUsers(catalog *core.Catalog) {
	there := map[core.SecretKind]bool{}
	var nobodys []*core.Secret
	isName := func(owner auth.Identity) bool { return !owner.IsAny() }
	for _, s := range catalog.Secrets {
		switch {
		case s.Kind != core.SecretEAP && s.Kind != core.SecretNTLM:
		case slices.ContainsFunc(s.Owners, isName):
			there[s.Kind] = true
		default:
			nobodys = append(nobodys, s)
		}
	}
	asked := false
	for _, c := range catalog.Connections {
		for _, a := range c.Remote {
			if a.Method != core.AuthEAP || a.EAP.RADIUS || a.EAP.Method == eap.TypeTLS {
				continue
			}
			asked = true
			if err := d.enough(there, a); err != nil {
				d.report(at{"connections." + c.Name + ".remote", settings.Position(a.Source)}, err)
			}
		}
	}
	for _, s := range nobodys {
		if asked {
			d.report(at{"secrets." + s.Name, settings.Position(s.Source)}, warning("add `id = alice`, the name of the user",
				"no user's name is in it, so that no user of this gateway has it"))
		}
	}
}

// enough warns where the secrets of users are not enough for a method. An NT hash is for MSCHAPv2, inside a tunnel or not.
func (d *decoder) enough(there map[core.SecretKind]bool, a core.Auth) error {
	method := a.EAP.Method
	switch method {
	case eap.TypeTTLS:
		method = d.Charon.EAP.TTLS
	case eap.TypePEAP:
		method = d.Charon.EAP.PEAP
	}
	takesHash := method != eap.TypeMD5 && method != eap.TypeGTC
	if there[core.SecretEAP] || there[core.SecretNTLM] && takesHash {
		return nil
	}
	const fix = "add them to secrets: `eap-alice { id = alice secret = \"…\" }`, one setting a line"
	if there[core.SecretNTLM] {
		return warning(fix, "auth = %s, and secrets has only NT hashes of users, which are enough for MSCHAPv2 alone", authWord(a))
	}
	return warning(fix, "auth = %s, and secrets has no passwords of users", authWord(a))
}

// checkPasswords warns of connections in which this host authenticates by a password that is not there. Where both sides
// authenticate by EAP, the one that responds needs none, and which one that is is not known.
func (d *decoder) checkPasswords(catalog *core.Catalog) {
	for _, c := range catalog.Connections {
		if slices.ContainsFunc(c.Remote, isEAP) {
			continue
		}
		for _, mine := range c.Local {
			if mine.Method == core.AuthEAP && mine.EAP.Method != eap.TypeTLS && !mayShowCertificate(catalog, mine) {
				d.report(at{"connections." + c.Name + ".local", settings.Position(mine.Source)}, checkPassword(catalog, mine))
			}
		}
	}
}

// mayShowCertificate tells whether any method will do, and there is a certificate for EAP-TLS.
func mayShowCertificate(catalog *core.Catalog, mine core.Auth) bool {
	return mine.EAP.Method == 0 && len(mine.Certs)+len(catalog.Proofs().Own) > 0
}

// checkPassword warns where none of the secrets is the password of a round. One without id is anybody's.
func checkPassword(catalog *core.Catalog, mine core.Auth) error {
	id := mine.ID
	if mine.EAP.IDSet && !mine.EAP.ID.IsAny() {
		id = mine.EAP.ID
	}
	for _, s := range catalog.Secrets {
		isMine := func(owner auth.Identity) bool { return owner.IsUser(id.UserName()) }
		if s.Kind == core.SecretEAP && (id.IsAny() || len(s.Owners) == 0 || slices.ContainsFunc(s.Owners, isMine)) {
			return nil
		}
	}
	name := ""
	if !id.IsAny() {
		name = "id = " + id.String() + " "
	}
	return warning("add it to secrets: `eap-… { "+name+"secret = \"…\" }`, one setting a line", "auth = %s, and secrets has no password of %s", authWord(mine), nameOf(id, "this host"))
}
