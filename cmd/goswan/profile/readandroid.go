package profile

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/goswan/goswan/config/creds"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/auth"
)

// ReadSSwan reads a profile of strongSwan's app for Android.
func ReadSSwan(file []byte) (*Profile, error) {
	var values map[string]any
	if err := json.Unmarshal(file, &values); err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	d := newDict(&report{}, "", values)
	d.known("uuid")
	c := &Client{Name: d.text("name"), Mobike: true}
	var err error
	if c.Method, err = d.sswanType(); err != nil {
		return nil, err
	}
	p := &Profile{Clients: []*Client{c}}
	remote := d.sub("remote")
	if c.Server, err = remote.host("addr"); err != nil {
		return nil, err
	}
	if err := remote.sswanRemote(c); err != nil {
		return nil, err
	}
	if err := d.sub("local").sswanLocal(c); err != nil {
		return nil, err
	}
	if text := d.text("ike-proposal"); text != "" {
		c.IKE = d.proposals(d.at("ike-proposal"), suite.IKE, text)
	}
	if text := d.text("esp-proposal"); text != "" {
		c.ESP = d.proposals(d.at("esp-proposal"), suite.ESP, text)
	}
	split := d.sub("split-tunneling")
	c.Networks = split.prefixes("subnets")
	split.unmapped("excluded", "a child with mode = pass and these networks in remote_ts does it")
	split.unmapped("block-ipv4", "what does not go through the tunnel is not blocked; a child with mode = drop does it")
	split.unmapped("block-ipv6", "what does not go through the tunnel is not blocked; a child with mode = drop does it")
	split.rest()
	d.sswanRest()
	p.Warnings = d.warnings
	return p, nil
}

func (d *dict) sswanType() (Method, error) {
	kind := d.text("type")
	if kind == "ikev2-byod-eap" {
		d.warn("%s: the state of the device (EAP-TNC) is not told to the gateway", d.at("type"))
		return EAP, nil
	}
	for method, name := range sswanTypes {
		if name == kind {
			return method, nil
		}
	}
	return 0, fmt.Errorf("%s %q is not one that is known: ikev2-eap, ikev2-cert, ikev2-cert-eap, ikev2-eap-tls or ikev2-byod-eap", d.at("type"), kind)
}

// sswanRemote reads what is of the gateway.
func (d *dict) sswanRemote(c *Client) error {
	port := d.number("port")
	if port > 65535 {
		return fmt.Errorf("%s %d is no port", d.at("port"), port)
	}
	c.Port = uint16(port)
	c.ServerID = d.identity("id")
	c.NoCertReq = !d.flag("certreq", true)
	revocation := d.sub("revocation")
	if revocation.flag("strict", false) {
		c.Revocation = auth.RevocationStrict
	}
	for _, key := range []string{"crl", "ocsp"} {
		if !revocation.flag(key, true) {
			d.warn("%s is not taken over: goswan asks whatever the certificate names", revocation.at(key))
		}
	}
	revocation.rest()
	cert, err := d.base64("cert")
	d.rest()
	if err != nil || cert == nil {
		return err
	}
	all, err := creds.ParseCertificates(d.at("cert"), cert)
	if err != nil {
		return err
	}
	// "CA or server certificate": the one is trusted, the other is the gateway's own.
	if all[0].IsCA() || all[0].SelfIssued() {
		c.CAs = append(c.CAs, all[0])
	} else {
		c.Gateway = all[0]
	}
	return nil
}

// sswanLocal reads what is of the client.
func (d *dict) sswanLocal(c *Client) error {
	c.LocalID = d.ownIdentity("id")
	if c.Method.usesPassword() {
		c.User, c.Secret = d.user("eap_id"), d.secret("shared_secret")
	}
	if c.Method.usesCertificate() {
		p12, err := d.base64("p12")
		if err != nil {
			return err
		}
		if p12 != nil {
			c.Identity = &Identity{P12: p12}
		}
		c.RSAPSS = d.flag("rsa-pss", false)
	}
	d.rest()
	return nil
}

// sswanRest tells of what has no place in swanctl.conf.
func (d *dict) sswanRest() {
	d.unmapped("mtu", "`goswan run --mtu` sets it")
	d.unmapped("nat-keepalive", "charon.keep_alive in strongswan.conf sets it")
	d.unmapped("dns-servers", "the gateway assigns name servers")
	d.unmapped("apps", "the tunnel is for the whole system")
	d.unmapped("excluded-apps", "the tunnel is for the whole system")
	d.unmapped("proxy", "programs have their own settings for it")
	d.unmapped("ipv6-transport", "the addresses of the gateway's name decide")
	d.rest()
}

// base64 is octets in Base64; nil is none.
func (d *dict) base64(key string) ([]byte, error) {
	text, ok := take[string](d, key, "a text")
	if !ok || text == "" {
		return nil, nil
	}
	octets, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, fmt.Errorf("%s is not Base64", d.at(key))
	}
	return octets, nil
}

// parsePrefixes reads a network, an address or a range.
func parsePrefixes(item string) ([]netip.Prefix, error) {
	ts, dynamic, err := spd.Parse(item)
	if err != nil || dynamic || ts.Protocol != 0 || !ts.AnyPort() {
		return nil, errors.Join(err, errors.New("it is no network"))
	}
	return ts.Prefixes(), nil
}
