package config

import (
	"crypto/tls"
	"slices"
	"strings"

	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
)

// tlsPlugin are the settings of one of the plugins eap-tls, eap-ttls and eap-peap that the three share here.
type tlsPlugin struct {
	fragment int // octets; 0: not given
	rounds   int // packets; 0: not given, or no limit
}

// The plugins, as they stand in Charon.tlsPlugins.
const (
	pluginTLS = iota
	pluginTTLS
	pluginPEAP
	tlsPluginCount
)

// eapSettings are the settings of the plugins that do EAP, by their path below charon.
var eapSettings = slices.Concat(
	[]key[Charon]{
		{"plugins.eap-dynamic.preferred", readPreferred},
		{"plugins.eap-dynamic.prefer_user", boolean(func(c *Charon) *bool { return &c.EAP.PreferUser })},
	},
	below("plugins.eap-tls.", tlsPluginSettings(pluginTLS)),
	below("plugins.eap-ttls.", slices.Concat(tlsPluginSettings(pluginTTLS), tunnelSettings(
		func(c *Charon) *eap.Type { return &c.EAP.TTLS }, func(c *Charon) *bool { return &c.EAP.TTLSCertificate },
		eap.TypeMSCHAPv2, eap.TypeMD5, eap.TypeGTC))),
	below("plugins.eap-peap.", slices.Concat(tlsPluginSettings(pluginPEAP), tunnelSettings(
		func(c *Charon) *eap.Type { return &c.EAP.PEAP }, func(c *Charon) *bool { return &c.EAP.PEAPCertificate },
		eap.TypeMSCHAPv2, eap.TypeGTC))),
)

// below are settings by a longer path.
func below[T any](path string, rows []key[T]) []key[T] {
	rows = slices.Clone(rows)
	for i := range rows {
		rows[i].name = path + rows[i].name
	}
	return rows
}

// tlsPluginSettings are those of every method with TLS.
func tlsPluginSettings(plugin int) []key[Charon] {
	return []key[Charon]{
		{"fragment_size", number(func(c *Charon) *int { return &c.tlsPlugins[plugin].fragment }, leastEAPFragment, mostEAPFragment)},
		{"max_message_count", number(func(c *Charon) *int { return &c.tlsPlugins[plugin].rounds }, 0, mostEAPRounds)},
		{"include_length", switchOnly}, // a peer has to take it with and without
	}
}

// The bounds of what is done. A limit of 0 is none in strongSwan; here it is eap.DefaultRounds.
const (
	leastEAPFragment, mostEAPFragment = 64, 1 << 14
	mostEAPRounds                     = 10000
)

// switchOnly is a setting that is yes or no, and means what goswan does anyway.
func switchOnly(_ *Charon, v settings.Value) error {
	_, err := parseBool(v)
	return err
}

// tunnelSettings are those of methods with another one inside.
func tunnelSettings(inside func(*Charon) *eap.Type, certificate func(*Charon) *bool, allowed ...eap.Type) []key[Charon] {
	return []key[Charon]{
		{"phase2_method", readInside(inside, allowed)},
		{"phase2_piggyback", switchOnly},
		{"phase2_tnc", noEffect[Charon]("Trusted Network Connect is not supported in this version", "no")},
		{"phase2_tnc_method", func(*Charon, settings.Value) error { return nil }},
		{"request_peer_auth", boolean(certificate)},
	}
}

// readInside is a setting with the method inside a tunnel.
func readInside(field func(*Charon) *eap.Type, allowed []eap.Type) func(*Charon, settings.Value) error {
	words := slices.DeleteFunc(slices.Clone(eapMethods), func(w word[eap.Type]) bool { return !slices.Contains(allowed, w.value) })
	return oneOf(field, words...)
}

// readPreferred reads the order of methods: those named, and behind them those that are offered anyway. MD5 and GTC prove little,
// and are offered where they are named alone.
func readPreferred(c *Charon, v settings.Value) error {
	var list []eap.Type
	for item := range strings.FieldsFuncSeq(v.Text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		method, err := choose(settings.Value{Key: v.Key, Text: item}, eapMethods)
		if word, ok := strings.CutPrefix(item, "eap-"); ok && err != nil {
			return bad("write "+word, "%q has the name of a method with eap- before it", item)
		}
		if err != nil {
			return err
		}
		if !slices.Contains(list, method) {
			list = append(list, method)
		}
	}
	for _, usual := range core.DefaultSettings().EAP.Preferred {
		if !slices.Contains(list, usual) {
			list = append(list, usual)
		}
	}
	c.EAP.Preferred = list
	if slices.Contains(list, eap.TypeMD5) {
		return weakMD5
	}
	return nil
}

// tlsSettings are those of the section libtls, which stand below charon.tls too.
var tlsSettings = []key[Charon]{
	{"version_min", readTLSVersion(func(c *Charon) *uint16 { return &c.EAP.MinTLS })},
	{"version_max", readTLSVersion(func(c *Charon) *uint16 { return &c.EAP.MaxTLS })},
	// goswan's own; strongSwan, whose TLS 1.2 has no extended master secret, ignores it.
	{"extended_master_secret", readExtendedMasterSecret},
}

// readExtendedMasterSecret tells whether EAP alone may prove a responder with a TLS 1.2 that has none (RFC 7627).
func readExtendedMasterSecret(c *Charon, v settings.Value) error {
	needed, err := parseBool(v)
	if err != nil {
		return err
	}
	if c.EAP.WithoutEMS = !needed; c.EAP.WithoutEMS {
		return warning("use TLS 1.3 on both sides", "EAP that alone proves the responder (RFC 5998) is then only as good as the peers' check of its certificate")
	}
	return nil
}

// tlsVersions are strongSwan's words for versions of TLS. RFC 8996 has withdrawn those below 1.2.
var tlsVersions = []word[uint16]{{"1.0", tls.VersionTLS10}, {"1.1", tls.VersionTLS11}, {"1.2", tls.VersionTLS12}, {"1.3", tls.VersionTLS13}}

func readTLSVersion(field func(*Charon) *uint16) func(*Charon, settings.Value) error {
	return func(c *Charon, v settings.Value) error {
		if v.Key == "version_min" {
			c.minTLSAt = v.At
		}
		got, err := choose(v, tlsVersions)
		switch {
		case err != nil:
			return bad("write 1.2 or 1.3", "%q is not a version of TLS", v.Text)
		case got < tls.VersionTLS12 && v.Key == "version_max":
			return missing("TLS "+v.Text+" (RFC 8996 has withdrawn it)", "write 1.2 or 1.3")
		case got < tls.VersionTLS12:
			*field(c) = tls.VersionTLS12
			return warning("write 1.2 or 1.3", "TLS %s is not supported in goswan (RFC 8996 has withdrawn it): 1.2 is the least", v.Text)
		}
		*field(c) = got
		return nil
	}
}

// checkTLS looks at the two versions together.
func (r *charonReader) checkTLS() {
	c := r.charon
	if c.EAP.MaxTLS != 0 && c.EAP.MinTLS > c.EAP.MaxTLS {
		r.report(at{"tls.version_min", c.minTLSAt}, bad("write a version_max that is not below it", "there is no version of TLS from version_min to version_max"))
	}
}

// finishEAP fills in what follows from several settings. goswan has one size and one bound for the three plugins: the smallest
// fragments that one asks for, and the most packets. A lower bound than its own, which holds for all conversations, it keeps.
func (c *Charon) finishEAP() {
	for _, p := range c.tlsPlugins {
		if p.fragment != 0 && (c.EAP.FragmentSize == 0 || p.fragment < c.EAP.FragmentSize) {
			c.EAP.FragmentSize = p.fragment
		}
		if p.rounds > eap.DefaultRounds {
			c.EAP.MaxRounds = max(c.EAP.MaxRounds, p.rounds)
		}
	}
}
