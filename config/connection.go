package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/core"
)

// conn is a connection being read. Durations of unset were not given.
type conn struct {
	core.Connection
}

var connectionTable = table[conn]{
	place: "connections.<conn>",
	keys: []key[conn]{
		{"version", readVersion},
		{"local_addrs", hosts(func(c *conn) *[]string { return &c.LocalAddrs })},
		{"remote_addrs", hosts(func(c *conn) *[]string { return &c.RemoteAddrs })},
		{"local_port", number(func(c *conn) *uint16 { return &c.LocalPort }, 0, 65535)},
		{"remote_port", number(func(c *conn) *uint16 { return &c.RemotePort }, 1, 65535)},
		{"proposals", readIKEProposals},
		{"vips", readVIPs},
		{"pools", readPools},
		{"aggressive", ikev1Only(func(c *conn) *bool { return &c.Aggressive }, false)},
		{"pull", ikev1Only(func(*conn) *bool { return new(bool) }, true)},
		{"dscp", notObeyed(readDSCP, "IKE packets are sent without a DSCP", "000000", "0")},
		{"encap", boolean(func(c *conn) *bool { return &c.Encap })},
		{"mobike", notObeyed(boolean(func(c *conn) *bool { return &c.Mobike }), "MOBIKE (RFC 4555) is not offered to peers", "no")},
		{"dpd_delay", span(func(c *conn) *time.Duration { return &c.DPDDelay })},
		{"dpd_timeout", readDPDTimeout},
		{"fragmentation", oneOf(func(c *conn) *core.Fragmentation { return &c.Fragmentation },
			word[core.Fragmentation]{"yes", core.FragmentYes}, word[core.Fragmentation]{"accept", core.FragmentAccept},
			word[core.Fragmentation]{"force", core.FragmentForce}, word[core.Fragmentation]{"no", core.FragmentNo})},
		{"childless", oneOf(func(c *conn) *core.Childless { return &c.Childless },
			word[core.Childless]{"allow", core.ChildlessAllow}, word[core.Childless]{"prefer", core.ChildlessPrefer},
			word[core.Childless]{"force", core.ChildlessForce}, word[core.Childless]{"never", core.ChildlessNever})},
		{"unique", oneOf(func(c *conn) *core.Unique { return &c.Unique },
			word[core.Unique]{"no", core.UniqueNo}, word[core.Unique]{"never", core.UniqueNever},
			word[core.Unique]{"keep", core.UniqueKeep}, word[core.Unique]{"replace", core.UniqueReplace})},
		{"keyingtries", readKeyingTries},
		{"reauth_time", span(func(c *conn) *time.Duration { return &c.ReauthTime })},
		{"rekey_time", span(func(c *conn) *time.Duration { return &c.RekeyTime })},
		{"over_time", span(func(c *conn) *time.Duration { return &c.OverTime })},
		{"rand_time", span(func(c *conn) *time.Duration { return &c.RandTime })},
		{"if_id_in", noEffect[conn]("there are no XFRM interfaces in its data path", "0")},
		{"if_id_out", noEffect[conn]("there are no XFRM interfaces in its data path", "0")},
		{"send_certreq", func(c *conn, v settings.Value) error {
			yes, err := parseBool(v)
			c.NoCertReq = !yes
			return err
		}},
		{"send_cert", oneOf(func(c *conn) *core.SendCert { return &c.SendCert },
			word[core.SendCert]{"ifasked", core.SendCertIfAsked}, word[core.SendCert]{"always", core.SendCertAlways},
			word[core.SendCert]{"never", core.SendCertNever})},
		{"ocsp", silent[conn]("reply", "request", "both", "never")},
		{"ppk_id", off[conn]("a post-quantum pre-shared key (RFC 8784)", "remove ppk_id and ppk_required")},
		{"ppk_required", off[conn]("a post-quantum pre-shared key (RFC 8784)", "write no", "no")},
		{"mediation", off[conn]("the IKEv2 mediation extension", "write no", "no")},
		{"mediated_by", off[conn]("the IKEv2 mediation extension", "remove mediated_by")},
		{"mediation_peer", off[conn]("the IKEv2 mediation extension", "remove mediation_peer")},
	},
	groups: []group[conn]{
		{"local*", func(d *decoder, c *conn, s *settings.Section, where at) { d.round(&c.Local, s, where, true) }},
		{"remote*", func(d *decoder, c *conn, s *settings.Section, where at) { d.round(&c.Remote, s, where, false) }},
		{"children", readChildren},
	},
}

// connection reads a connection and fills in what it leaves out.
func (d *decoder) connection(s *settings.Section, where at) *core.Connection {
	c := &conn{Connection: core.Connection{
		Name: s.Name, Source: position(s.At), ProposalsSource: position(s.At),
		RemotePort: 500,
		Mobike:     true, KeyingTries: 1,
		ReauthTime: unset, RekeyTime: unset, OverTime: unset, RandTime: unset,
	}}
	if s.Name == "" || strings.ContainsAny(s.Name, "\r\n\x00") {
		d.report(where, bad("", "a connection needs a name"))
	}
	failed := len(d.problems)
	connectionTable.read(d, c, s, where)
	if c.Proposals == nil && len(d.problems) == failed {
		c.Proposals = suite.Default(suite.IKE)
	}
	if c.LocalPort == 0 {
		c.LocalPort = d.Charon.Port
	}
	c.lifetimes()
	d.checkRounds(c, where)
	if len(d.problems) == failed {
		d.checkEAPRounds(c, where)
	}
	d.checkConnection(c, where)
	return &c.Connection
}

// unset is a duration that was not given.
const unset = time.Duration(-1)

// lifetimes fills in what is not given: rekeying every 4 hours unless there is a reauthentication, a tenth of the
// longer time as over_time, and that as rand_time, though no more than half of the shorter time.
func (c *conn) lifetimes() {
	if c.RekeyTime == unset && c.ReauthTime == unset {
		c.RekeyTime = 4 * time.Hour
	}
	c.RekeyTime, c.ReauthTime = max(c.RekeyTime, 0), max(c.ReauthTime, 0)
	longer, shorter := max(c.RekeyTime, c.ReauthTime), min(c.RekeyTime, c.ReauthTime)
	if shorter == 0 {
		shorter = longer
	}
	if c.OverTime == unset {
		c.OverTime = longer / 10
	}
	if c.RandTime == unset {
		c.RandTime = min(c.OverTime, shorter/2)
	}
}

// checkConnection looks at what keys mean together.
func (d *decoder) checkConnection(c *conn, where at) {
	if shortest := c.shortestTime(); shortest > 0 && c.RandTime > shortest {
		d.report(where, warning("write a rand_time well below rekey_time and reauth_time",
			"rand_time %v is longer than %v, the time that it is taken off; it is cut to that", c.RandTime, shortest))
		c.RandTime = shortest
	}
	if c.initiates() && !c.namesPeer() {
		d.report(where, warning("write the peer's address or host name into remote_addrs, or use start_action = trap",
			"start_action = start, but remote_addrs names nobody to initiate to"))
	}
	if c.LocalPort != d.Charon.Port {
		d.report(where, warning(fmt.Sprintf("set charon.port = %d in strongswan.conf instead", c.LocalPort), "local_port %d has no effect in goswan: it listens on one port", c.LocalPort))
	}
	if len(c.Children) == 0 && c.Childless == core.ChildlessNever {
		d.report(where, warning("add a section to children, or allow childless", "no children, and childless = never: nothing can be negotiated"))
	}
}

func (c *conn) shortestTime() time.Duration {
	if c.RekeyTime == 0 || c.ReauthTime == 0 {
		return max(c.RekeyTime, c.ReauthTime)
	}
	return min(c.RekeyTime, c.ReauthTime)
}

func (c *conn) initiates() bool {
	return slices.ContainsFunc(c.Children, func(child *core.Child) bool {
		return child.Mode == core.ModeTunnel && child.StartAction&core.ActionStart != 0
	})
}

// namesPeer tells whether there is an address to initiate to. As initiator, networks and ranges do not count.
func (c *conn) namesPeer() bool {
	return slices.ContainsFunc(c.RemoteAddrs, func(host string) bool {
		return !strings.HasPrefix(host, "%any") && !strings.Contains(host, "/") && !isRange(host)
	})
}

func readVersion(c *conn, v settings.Value) error {
	switch v.Text {
	case "0", "2":
		c.Version, _ = strconv.Atoi(v.Text)
		return nil
	case "1":
		return missing("IKEv1 (version = 1)", "write version = 2 if the peer can do IKEv2")
	}
	return bad("write 2 for IKEv2, or 0", "%q is not a version of IKE", v.Text)
}

func readIKEProposals(c *conn, v settings.Value) (err error) {
	c.ProposalsSource = position(v.At)
	c.Proposals, err = readProposals(suite.IKE, v)
	return err
}

// readProposals reads a list of proposals. It warns of old algorithms and of additional key exchanges that are left out; any
// other error leaves the list empty.
func readProposals(p suite.Protocol, v settings.Value) ([]suite.Proposal, error) {
	items := v.Items()
	if len(items) == 0 {
		return suite.Default(p), nil
	}
	text := strings.Join(items, ",")
	all, err := suite.Parse(p, text)
	if e, ok := err.(*suite.ParseError); ok && e.Suggest != "" {
		fix := "try " + e.Suggest
		e.Suggest = ""
		return nil, bad(fix, "%v", e)
	}
	if err != nil {
		return nil, err
	}
	var old, what, fix []string
	for _, proposal := range all {
		for _, t := range proposal.Legacy() {
			_, why := t.Status()
			if reason := fmt.Sprintf("%s (%s)", t, why); !slices.Contains(old, reason) {
				old = append(old, reason)
			}
		}
	}
	if old != nil {
		what, fix = append(what, "weak by today's measure: "+strings.Join(old, ", ")), append(fix, "use them only with a peer that can do nothing better")
	}
	if forgone := suite.Forgone(text); forgone != nil {
		var words []string
		for _, t := range forgone {
			words = append(words, t.Keyword())
		}
		what = append(what, "goswan cannot do additional key exchanges (RFC 9370) yet, and does without "+strings.Join(words, ", ")+", which is optional here")
		fix = append(fix, "write the proposal without them if that is what you mean")
	}
	if what == nil {
		return all, nil
	}
	return all, warning(strings.Join(fix, "; "), "%s", strings.Join(what, "; "))
}

// maxVIPs is how many virtual addresses a connection can ask for.
const maxVIPs = 4

func readVIPs(c *conn, v settings.Value) error {
	for _, item := range v.Items() {
		switch a, err := netip.ParseAddr(item); {
		case item == "%config" || item == "%config4":
			c.VIPs = append(c.VIPs, netip.IPv4Unspecified())
		case item == "%config6":
			c.VIPs = append(c.VIPs, netip.IPv6Unspecified())
		case err != nil || a.Zone() != "":
			return bad("write addresses; 0.0.0.0 and :: ask for any", "%q is not an address", item)
		default:
			c.VIPs = append(c.VIPs, a.Unmap())
		}
	}
	if len(c.VIPs) > maxVIPs {
		return bad(fmt.Sprintf("write at most %d", maxVIPs), "%d addresses are too many", len(c.VIPs))
	}
	return nil
}

func readPools(c *conn, v settings.Value) error {
	c.Pools = v.Items()
	return nil
}

func readDSCP(c *conn, v settings.Value) error {
	n, err := strconv.ParseUint(v.Text, 2, 6)
	if err != nil {
		return bad("write six binary digits, as in 101110", "%q is not a DSCP", v.Text)
	}
	c.DSCP = uint8(n)
	return nil
}

func readDPDTimeout(c *conn, v settings.Value) error {
	timeout, err := parseSpan(v)
	if c.DPDTimeout = timeout; err == nil && timeout != 0 {
		err = warning("with IKEv2 the retransmission settings of strongswan.conf count", "has no effect in goswan: it is for IKEv1")
	}
	return err
}

func readKeyingTries(c *conn, v settings.Value) error {
	if v.Text == "%forever" {
		return bad("write 0 for trying without end", "%q is of ipsec.conf", v.Text)
	}
	return number(func(c *conn) *int { return &c.KeyingTries }, 0, 1<<31-1)(c, v)
}

// ikev1Only is a switch that has a meaning with IKEv1 only; usual is its default.
func ikev1Only(field func(*conn) *bool, usual bool) func(*conn, settings.Value) error {
	return func(c *conn, v settings.Value) error {
		on, err := parseBool(v)
		if *field(c) = on; err == nil && on != usual {
			err = warning("", "has no effect in goswan: it is for IKEv1")
		}
		return err
	}
}

// hosts is a key with addresses, networks, ranges, host names or %any.
func hosts(field func(*conn) *[]string) func(*conn, settings.Value) error {
	return func(c *conn, v settings.Value) error {
		for _, host := range v.Items() {
			if err := checkHost(host); err != nil {
				return err
			}
		}
		*field(c) = v.Items()
		return nil
	}
}

const hostForms = "write addresses, networks as 10.0.0.0/8, ranges as 10.0.0.1-10.0.0.9, host names or %any"

func checkHost(host string) error {
	switch {
	case host == "%any" || host == "%any4" || host == "%any6":
		return nil
	case strings.HasPrefix(host, "%"):
		return bad(hostForms, "%q is not a host", host)
	case strings.Contains(host, "/"):
		if _, err := netip.ParsePrefix(host); err != nil {
			return bad(hostForms, "%q is not a network", host)
		}
		return nil
	case isRange(host):
		return nil
	}
	if _, err := netip.ParseAddr(host); err == nil || IsHostName(host) {
		return nil
	}
	return bad(hostForms, "%q is neither an address nor a host name", host)
}

// isRange tells a range of addresses from a host name with a hyphen.
func isRange(s string) bool {
	from, to, _ := strings.Cut(s, "-")
	first, err1 := netip.ParseAddr(strings.TrimSpace(from))
	last, err2 := netip.ParseAddr(strings.TrimSpace(to))
	return err1 == nil && err2 == nil && first.Is4() == last.Is4() && first.Compare(last) <= 0
}

// IsHostName takes what a resolver may be asked for, and no address with a typing error.
func IsHostName(s string) bool {
	if len(s) > 253 || strings.Trim(s, "0123456789.-/") == "" {
		return false
	}
	for _, r := range s {
		ok := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._", r) || r > 0x7f
		if !ok {
			return false
		}
	}
	return s[0] != '-' && s[0] != '.'
}
