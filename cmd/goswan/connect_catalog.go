package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/config/creds"
	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/sig"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
)

// connectChild is the name of the child of `goswan connect`.
const connectChild = "tunnel"

// passwordMethods are the values of --eap.
var passwordMethods = map[string]eap.Type{"mschapv2": eap.TypeMSCHAPv2, "ttls": eap.TypeTTLS, "peap": eap.TypePEAP, "gtc": eap.TypeGTC}

// check finds what the options lack or have too much. Its sentences say what to write.
func (o *connectOptions) check() error {
	for _, rule := range []struct {
		broken bool
		say    string
	}{
		{!isServer(o.server), fmt.Sprintf("%q is no gateway: write its host name or address, without a port", o.server)},
		{given(o.user, o.cert, o.pskFile) == 0, "who are you? Write --user NAME for a password, --cert FILE for a certificate, or --psk-file FILE for a pre-shared key"},
		{given(o.user, o.cert, o.pskFile) > 1, "--user, --cert and --psk-file are different ways to authenticate: write one of them"},
		{o.key != "" && o.cert == "", "--key is the private key of a certificate: add --cert FILE"},
		{o.passphraseFile != "" && o.cert == "", "--passphrase-file is for the private key of a certificate: add --cert FILE"},
		{o.key != "" && creds.IsPKCS12(o.cert), "--key is not needed: " + o.cert + " has the private key in it"},
		{o.passwordFile != "" && o.user == "", "--password-file has the password of a user: add --user NAME"},
		{o.eapTLS && o.cert == "", "--eap-tls authenticates with a certificate: add --cert FILE"},
		{o.eap == "tls", "EAP-TLS authenticates with a certificate: write --cert FILE --eap-tls instead of --eap tls"},
		{o.eap != "" && o.user == "", "--eap is how a password is shown: add --user NAME"},
		{o.eap != "" && passwordMethods[o.eap] == 0, fmt.Sprintf("--eap %q: write %s, or leave it to the gateway", o.eap, strings.Join(slices.Sorted(maps.Keys(passwordMethods)), ", "))},
		{o.aaaID != "" && o.user == "" && !o.eapTLS, "--aaa-id is about a certificate inside EAP: add --user NAME, or --cert FILE --eap-tls"},
		{len(o.cas) > 0 && o.pskFile != "", "--ca is for a gateway with a certificate; with --psk-file the gateway proves itself with the same key: remove one of them"},
		{o.expose && o.proxy == "", "--expose is about the proxy: add --proxy ADDRESS:PORT"},
		{o.tun != "" && o.proxy != "", "--tun names a TUN device, and with --proxy there is none: remove one of them"},
	} {
		if rule.broken {
			return errors.New(rule.say)
		}
	}
	return o.checkProxy()
}

func given(all ...string) (n int) {
	for _, s := range all {
		if s != "" {
			n++
		}
	}
	return n
}

// isServer takes an address, or what may be a host name.
func isServer(s string) bool {
	if a, err := netip.ParseAddr(s); err == nil {
		return !a.IsUnspecified() && a.Zone() == ""
	}
	return s != "" && !strings.ContainsAny(s, "/:@*%,\" \t\r\n")
}

// checkProxy looks at where the proxy listens: whoever reaches it is in the tunnel.
func (o *connectOptions) checkProxy() error {
	if o.proxy == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(o.proxy)
	if err != nil || port == "" {
		return fmt.Errorf("--proxy %q: write an address and a port, as in 127.0.0.1:1080", o.proxy)
	}
	a, err := netip.ParseAddr(host)
	switch {
	case host == "localhost" || err == nil && a.IsLoopback() || o.expose:
		return nil
	case err != nil && host != "":
		return fmt.Errorf("--proxy %q: write an address, as in 127.0.0.1:%s", o.proxy, port)
	}
	return fmt.Errorf("--proxy %s: whoever reaches that address could use the tunnel; write 127.0.0.1:%s, or add --expose if that is what you want", o.proxy, port)
}

// place is where a setting stands that an option gives.
func place(option string) core.Position { return core.Position{File: option} }

// catalog is the configuration that the options stand for; only a password is missing yet.
func (o *connectOptions) catalog(unlock func() (secret.Bytes, error), warn func(error)) (*core.Catalog, error) {
	conn, err := o.connection()
	if err != nil {
		return nil, err
	}
	c := &core.Catalog{Connections: []*core.Connection{conn}}
	if conn.Remote[0].ID, err = o.gateway(); err != nil {
		return nil, err
	}
	local := &conn.Local[0]
	if local.ID, err = option("--my-id", o.myID); err != nil {
		return nil, err
	}
	if o.pskFile != "" {
		conn.Remote[0].Method, conn.Remote[0].Constraints = core.AuthPSK, sig.Constraints{}
		local.Method, local.Constraints = core.AuthPSK, sig.Constraints{}
		psk, err := sharedKey(o.pskFile)
		c.Secrets = []*core.Secret{psk}
		return c, err
	}
	parts, err := o.credentials(unlock, warn)
	if err != nil {
		return nil, err
	}
	c.Credentials = creds.Join(*parts, nil)
	if local.EAP.ServerID, err = option("--aaa-id", o.aaaID); err != nil {
		return nil, err
	}
	if o.user != "" {
		return c, o.asUser(local)
	}
	return c, o.byCertificate(local, parts.Certificates[0])
}

// connection is the connection without who is who.
func (o *connectOptions) connection() (*core.Connection, error) {
	s := settings.New(o.server, settings.Position{})
	set := func(s *settings.Section, key, text string) { s.Set(key, text, settings.Position{}) }
	set(s, "version", "2")
	set(s, "remote_addrs", o.server)
	s.SetList("vips", []string{"0.0.0.0", "::"}, settings.Position{})
	set(s, "dpd_delay", "30s")
	if o.port != 0 {
		set(s, "remote_port", strconv.Itoa(int(o.port)))
	}
	set(s, "proposals", o.ike)
	child := s.Ensure("children", settings.Position{}).Ensure(connectChild, settings.Position{})
	set(child, "esp_proposals", o.esp)
	routes, err := o.networks()
	if err != nil {
		return nil, err
	}
	child.SetList("remote_ts", routes, settings.Position{})
	conn, _, err := config.Loader{}.Connection(o.server, s)
	if err != nil {
		return nil, optionError(err)
	}
	conn.Source, conn.ProposalsSource = core.Position{}, place("--ike")
	conn.Children[0].Source, conn.Children[0].ProposalsSource = core.Position{}, place("--esp")
	conn.Children[0].LocalTSSource, conn.Children[0].RemoteTSSource = core.Position{}, place("--route")
	for _, round := range []*core.Auth{&conn.Local[0], &conn.Remote[0]} {
		round.Source = core.Position{}
	}
	conn.Local[0].IDSource, conn.Remote[0].IDSource = place("--my-id"), place("--id")
	return conn, nil
}

// optionError tells what package config says of a setting as what it is of an option.
func optionError(err error) error {
	problem, ok := errors.AsType[*config.Problem](err)
	if !ok {
		return err
	}
	option := "SERVER"
	for key, name := range map[string]string{".proposals: ": "--ike", ".esp_proposals: ": "--esp"} {
		if strings.Contains(problem.What, key) {
			option = name
		}
	}
	_, what, _ := strings.Cut(problem.What, ": ")
	if problem.Fix != "" {
		what += "; " + problem.Fix
	}
	return usageError{fmt.Errorf("%s: %s", option, what)}
}

// networks are those behind the gateway: everything, unless --route names some.
func (o *connectOptions) networks() (all []string, err error) {
	if len(o.routes) == 0 {
		return []string{"0.0.0.0/0", "::/0"}, nil
	}
	for _, route := range o.routes {
		p, err := netip.ParsePrefix(route)
		if a, bad := netip.ParseAddr(route); bad == nil && a.Zone() == "" {
			p, err = a.Prefix(a.BitLen())
		}
		if err != nil {
			return nil, usageError{fmt.Errorf("--route %q: write a network, as in 10.1.0.0/16", route)}
		}
		all = append(all, p.Masked().String())
	}
	return all, nil
}

// gateway is who has to answer.
func (o *connectOptions) gateway() (auth.Identity, error) {
	if o.id == "" {
		return option("SERVER", o.server)
	}
	id, err := option("--id", o.id)
	if err == nil && id.IsAny() {
		err = usageError{fmt.Errorf("--id %q would take anybody for the gateway: write its name", o.id)}
	}
	return id, err
}

// option reads an identity; "" is none.
func option(name, text string) (auth.Identity, error) {
	id, err := auth.ParseIdentity(text)
	if err != nil {
		return id, usageError{fmt.Errorf("%s %q: %w", name, text, err)}
	}
	return id, nil
}

// asUser is EAP with a password, by whatever method the gateway likes best unless --eap names one.
func (o *connectOptions) asUser(local *core.Auth) (err error) {
	user, err := option("--user", o.user)
	if err != nil {
		return err
	}
	if o.myID == "" {
		local.ID, local.IDSource = user, place("--user")
	}
	local.Method = core.AuthEAP
	local.EAP.Method, local.EAP.ID, local.EAP.IDSet = passwordMethods[o.eap], user, true
	return nil
}

// byCertificate is a signature, or EAP-TLS.
func (o *connectOptions) byCertificate(local *core.Auth, own *auth.Certificate) error {
	switch {
	case o.myID == "":
		local.ID, local.IDSource = (&auth.Credential{Certificate: own}).ID(), place("--cert")
	case own.Proves(local.ID) == auth.MatchNone:
		return usageError{fmt.Errorf("--my-id %q: the certificate does not have that name, but %s; write one of them, or leave --my-id out", o.myID, own.Presents())}
	}
	local.Certs = []*auth.Certificate{own}
	if o.eapTLS {
		local.Method, local.EAP.Method = core.AuthEAP, eap.TypeTLS
	}
	return nil
}

// sharedKey reads a pre-shared key: a text, or octets behind 0x or 0s, as in swanctl.conf.
func sharedKey(file string) (*core.Secret, error) {
	text, err := confidential("--psk-file", file)
	if err != nil {
		return nil, err
	}
	defer text.Wipe()
	s := settings.New("", settings.Position{})
	s.Set("secret", string(text), settings.Position{})
	key, _, err := config.Secret("ike", s)
	if err != nil {
		problem, _ := errors.AsType[*config.Problem](err)
		_, what, _ := strings.Cut(problem.What, ": ")
		return nil, fmt.Errorf("--psk-file %s: %s; %s", file, what, problem.Fix)
	}
	key.Name, key.Source = "psk", place("--psk-file")
	return key, nil
}

// confidential is the first line of a file that only its owner may read.
func confidential(option, file string) (secret.Bytes, error) {
	if creds.CheckMode(file) != nil {
		return nil, fmt.Errorf("%s %s: others can read or change the file; run chmod 600 %s", option, file, file)
	}
	line, err := passphraseOf(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", option, err)
	}
	return line, nil
}

// credentials are our certificate, first, with its key and what belongs to it, and the CAs that may vouch for the gateway.
func (o *connectOptions) credentials(unlock func() (secret.Bytes, error), warn func(error)) (*core.Credentials, error) {
	var parts core.Credentials
	if o.cert != "" {
		if err := o.own(&parts, unlock, warn); err != nil {
			return nil, err
		}
	}
	for _, file := range o.cas {
		all, err := creds.ReadCertificates(file)
		if err != nil {
			return nil, fmt.Errorf("--ca %w", err)
		}
		parts.Authorities = append(parts.Authorities, all...)
	}
	if len(parts.Authorities) > 0 {
		return &parts, nil
	}
	var err error
	parts.Authorities, err = systemCAs(os.Getenv, os.ReadFile)
	return &parts, err
}

// own reads our certificate and its key. The CAs of a PKCS#12 file vouch for the gateway, too.
func (o *connectOptions) own(parts *core.Credentials, unlock func() (secret.Bytes, error), warn func(error)) error {
	file := o.cert
	if creds.IsPKCS12(o.cert) {
		c, err := creds.ReadPKCS12(o.cert, unlock)
		if err != nil {
			return fmt.Errorf("--cert %w", err)
		}
		parts.Certificates, parts.Authorities, parts.Keys = []*auth.Certificate{c.Certificate}, c.CAs, []auth.PrivateKey{c.Key}
	} else {
		all, err := creds.ReadCertificates(o.cert)
		if err != nil {
			return fmt.Errorf("--cert %w", err)
		}
		if o.key != "" {
			file = o.key
		}
		key, err := creds.ReadPrivateKey(file, unlock)
		switch {
		case err != nil && o.key == "":
			return fmt.Errorf("--cert %s: there is no private key that could be read in the file; name its file with --key FILE (%w)", o.cert, err)
		case err != nil:
			return fmt.Errorf("--key %w", err)
		}
		parts.Certificates, parts.Keys = all, []auth.PrivateKey{key}
	}
	if spki, err := auth.MarshalPublicKey(parts.Keys[0].Public()); err != nil || !bytes.Equal(spki, parts.Certificates[0].X509.RawSubjectPublicKeyInfo) {
		return fmt.Errorf("the private key in %s is not that of the certificate in %s", file, o.cert)
	}
	if problem := creds.CheckMode(file); problem != nil {
		warn(problem)
	}
	return nil
}
