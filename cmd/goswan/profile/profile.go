// Package profile is the road warrior's side of a connection in the formats of clients: what a gateway's configuration makes
// of it is written for Apple's systems, for Android and for Windows, and what others wrote is read into a swanctl directory.
//
//	core.Catalog ──New──▶ Client ──Mobileconfig──▶ .mobileconfig   Apple's Device Management: com.apple.vpn.managed
//	                        │    ──SSwan─────────▶ .sswan          strongSwan's app for Android
//	                        │    ──PowerShell────▶ .ps1            the module VpnClient of Windows
//	.mobileconfig ─Read─▶ Client ──Directory──▶ swanctl.conf, x509ca, x509, pkcs12
//	.sswan
//
// The functions do no I/O. What is read is hostile: it is bounded in size and depth, has no references that could be followed,
// and no name in it becomes a path.
package profile

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/auth"
)

// Client is a connection as a client has it, in the words of no platform.
type Client struct {
	Connection string // the gateway's name for it
	Name       string // what its user calls it
	Server     string // host name or address
	Port       uint16 // of IKE; 0 is 500

	// ServerID is who the gateway has to prove to be, LocalID who the client says that it is; the zero value leaves it open.
	ServerID, LocalID auth.Identity
	Method            Method
	User              string       // of EAP
	Secret            secret.Bytes // the pre-shared key, or EAP's password; nil is none
	Identity          *Identity    // nil: none, or the device has it already
	// CAs are those that the gateway's certificate may come from. Gateway is the certificate itself, where it is known, and
	// Issuer the common name of the CA that issued it.
	CAs     []*auth.Certificate
	Gateway *auth.Certificate
	Issuer  string

	// IKE and ESP are what the gateway accepts, or what the client offers; empty is the default of whoever reads it. The places
	// name the settings that they are from.
	IKE, ESP           []suite.Proposal
	IKEPlace, ESPPlace string
	Networks           []netip.Prefix // behind the gateway; empty: all traffic goes there
	Rekey, ChildRekey  time.Duration  // 0: never
	DPD                time.Duration  // 0: never
	Mobike             bool
	// Subnets tells that the gateway assigns networks (INTERNAL_IP4_SUBNET, RFC 7296 §3.15.1).
	Subnets bool
	// Of profiles that are read:
	OnDemand   bool // brought up by the first packet
	NoCertReq  bool
	Revocation auth.Revocation
	RSAPSS     bool // signs with RSASSA-PSS
}

// Identity is a private key with its certificate.
type Identity struct {
	P12         []byte            // PKCS#12
	Certificate *auth.Certificate // nil when it could not be opened
	Passphrase  secret.Bytes      // nil is not known
}

// Method is how the client proves who it is. The gateway has a certificate, except with PSK.
type Method int

// The methods.
const (
	PSK            Method = iota
	Certificate           // a signature in IKE
	EAP                   // with a user name and password
	EAPTLS                // with a certificate inside of EAP
	CertificateEAP        // a signature in IKE, and then EAP (RFC 4739)
)

// String is what a person calls it.
func (m Method) String() string {
	return [...]string{"a pre-shared key", "a certificate", "EAP", "EAP-TLS", "a certificate and EAP"}[m]
}

// usesCertificate tells whether the client has a private key.
func (m Method) usesCertificate() bool { return m == Certificate || m == EAPTLS || m == CertificateEAP }

// usesPassword tells whether the client has a user name with a password.
func (m Method) usesPassword() bool { return m == EAP || m == CertificateEAP }

// port is the port of IKE.
func (c *Client) port() uint16 {
	if c.Port == 0 {
		return 500
	}
	return c.Port
}

// identifier names the profile among all of a device: a new export replaces the old one.
func (c *Client) identifier() string {
	parts := []string{"goswan", c.Server, c.Connection}
	if c.User != "" {
		parts = append(parts, c.User)
	}
	return strings.Join(parts, ".")
}

// uuid is the same for the same name: a UUID of version 5 in the name space of URLs.
//
// "Compute the hash of the name space ID concatenated with the name"  RFC 9562 §6.5
func uuid(name string) string {
	space := []byte{0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}
	sum := sha1.Sum(append(space, name...))
	u := sum[:16]
	u[6] = u[6]&0x0f | 0x50
	u[8] = u[8]&0x3f | 0x80
	h := hex.EncodeToString(u)
	return strings.ToUpper(strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-"))
}

// maxText bounds a text of a profile, in octets.
const maxText = 1024

// plain checks a text that goes into a profile or came from one: no control characters, nothing that changes the direction of
// writing, and not without end.
func plain(what, s string) error {
	switch {
	case len(s) > maxText:
		return fmt.Errorf("%s has %d octets; %d are the most", what, len(s), maxText)
	case !utf8.ValidString(s):
		return fmt.Errorf("%s is not UTF-8", what)
	case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("%s has characters in it that do not print: %q", what, s)
	}
	return nil
}

// checkTexts holds the texts that are written to plain.
func (c *Client) checkTexts() error {
	for _, t := range []struct{ what, text string }{{"the name of the connection", c.Connection}, {"--name", c.Name}, {"the server", c.Server}, {"the user", c.User}, {"the CA's name", c.Issuer}} {
		if err := plain(t.what, t.text); err != nil {
			return err
		}
	}
	return nil
}

// isHost tells a host name or address from other text.
func isHost(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Zone() == "" || err != nil && config.IsHostName(s)
}

// identityText is an identity as clients write it, and whether they can.
func identityText(id auth.Identity) (string, bool) {
	switch id.Type {
	case auth.IDFQDN, auth.IDRFC822Addr, auth.IDIPv4Addr, auth.IDIPv6Addr:
		return id.String(), !slices.Contains([]string{"", "?"}, id.String())
	}
	return id.String(), false
}
