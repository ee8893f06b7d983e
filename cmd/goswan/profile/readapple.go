package profile

import (
	"bytes"
	"encoding/asn1"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"howett.net/plist"

	"github.com/goswan/goswan/config/creds"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/auth"
)

// The object identifiers of CMS, RFC 5652 §4 and §5.1.
var (
	oidData       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
)

// signedContent is the content of a CMS SignedData. The signature is not verified, and the content is as hostile as any.
//
//	ContentInfo ::= SEQUENCE { contentType OBJECT IDENTIFIER, content [0] EXPLICIT ANY DEFINED BY contentType }
//	SignedData ::= SEQUENCE { version CMSVersion, digestAlgorithms SET, encapContentInfo SEQUENCE {
//	    eContentType OBJECT IDENTIFIER, eContent [0] EXPLICIT OCTET STRING OPTIONAL }, … }     RFC 5652 §3, §5.1, §5.2
func signedContent(file []byte) ([]byte, error) {
	const fix = "`openssl cms -verify -noverify -nosigs -inform DER -in FILE -out new.mobileconfig` extracts what is signed"
	zero := cbasn1.Tag(0).ContextSpecific().Constructed()
	input := cryptobyte.String(file)
	var info, explicit, signed, digests, inner, wrapped, content cryptobyte.String
	var kind, innerKind asn1.ObjectIdentifier
	var version int64
	if !input.ReadASN1(&info, cbasn1.SEQUENCE) || !info.ReadASN1ObjectIdentifier(&kind) || !info.ReadASN1(&explicit, zero) {
		return nil, errors.New("it is neither XML nor a signed profile in DER; " + fix)
	}
	if !kind.Equal(oidSignedData) {
		return nil, fmt.Errorf("it is CMS of the type %s, and not signed data: an encrypted profile can be read by its device alone", kind)
	}
	if !explicit.ReadASN1(&signed, cbasn1.SEQUENCE) || !signed.ReadASN1Integer(&version) || !signed.ReadASN1(&digests, cbasn1.SET) ||
		!signed.ReadASN1(&inner, cbasn1.SEQUENCE) || !inner.ReadASN1ObjectIdentifier(&innerKind) {
		return nil, errors.New("the signed data is broken, or not in DER; " + fix)
	}
	if !innerKind.Equal(oidData) || !inner.ReadASN1(&wrapped, zero) || !wrapped.ReadASN1(&content, cbasn1.OCTET_STRING) {
		return nil, errors.New("nothing is in the signed data, or it is not in DER; " + fix)
	}
	return content, nil
}

// The bounds of a property list.
const (
	maxDepth    = 32
	maxElements = 100_000
)

// The bounds of what is made of a profile: every connection names every CA.
const (
	maxConnections  = 100
	maxCertificates = 200
)

// checkXML holds a property list to its bounds before it is read: depth, number of elements, and no entities of its own. The
// standard library's XML has no external ones, and expands no other but those of XML itself.
func checkXML(file []byte) error {
	d := xml.NewDecoder(bytes.NewReader(file))
	depth, elements := 0, 0
	for {
		token, err := d.RawToken()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the XML is broken: %w", err)
		}
		switch t := token.(type) {
		case xml.Directive:
			if bytes.ContainsAny(t, "[<") {
				return errors.New("the DOCTYPE declares something: a profile has no entities of its own")
			}
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return fmt.Errorf("the property list is more than %d levels deep", maxDepth)
			}
			if elements++; elements > maxElements {
				return fmt.Errorf("the property list has more than %d elements", maxElements)
			}
		case xml.EndElement:
			depth--
		}
	}
}

// ReadMobileconfig reads a configuration profile of Apple's systems in XML.
func ReadMobileconfig(file []byte) (*Profile, error) {
	if err := checkXML(file); err != nil {
		return nil, err
	}
	var values map[string]any
	if _, err := plist.Unmarshal(file, &values); err != nil {
		return nil, fmt.Errorf("it is no property list: %w", err)
	}
	top := newDict(&report{}, "", values)
	if kind := top.text("PayloadType"); kind != "Configuration" {
		return nil, fmt.Errorf("PayloadType is %q and not Configuration: it is no configuration profile", kind)
	}
	if _, encrypted := values["EncryptedPayloadContent"]; encrypted {
		return nil, errors.New("the profile is encrypted: its device alone can read it")
	}
	top.known("IsEncrypted", "PayloadScope", "PayloadRemovalDisallowed", "HasRemovalPasscode", "TargetDeviceType", "ConsentText", "PayloadExpirationDate",
		"RemovalDate", "DurationUntilRemoval", "EncryptedPayloadContent")
	top.describes()
	m := mobileconfig{Profile: &Profile{}, report: top.report, identities: map[string]*Identity{}}
	items, _ := take[[]any](top, "PayloadContent", "a list")
	top.rest()
	if err := m.payloads(items); err != nil {
		return nil, err
	}
	if len(m.Clients) == 0 {
		return nil, errors.New("there is no VPN with IKEv2 in the profile" + m.because())
	}
	m.Warnings = top.warnings
	return m.Profile, nil
}

// mobileconfig is a profile being read.
type mobileconfig struct {
	*Profile
	*report
	identities map[string]*Identity // by PayloadUUID
	cas        []*auth.Certificate
}

// because is what was told of payloads that are no IKEv2.
func (m *mobileconfig) because() string {
	if len(m.warnings) == 0 {
		return ""
	}
	return ": " + strings.Join(m.warnings[:min(len(m.warnings), 3)], "; ")
}

// describes are the keys that every payload has for people and for replacing it.
func (d *dict) describes() {
	d.known("PayloadIdentifier", "PayloadUUID", "PayloadVersion", "PayloadType", "PayloadDisplayName", "PayloadDescription", "PayloadOrganization", "PayloadEnabled")
}

// payloads reads certificates before connections, which need them.
func (m *mobileconfig) payloads(items []any) error {
	var connections []*dict
	for i, item := range items {
		values, ok := item.(map[string]any)
		if !ok {
			m.warn("PayloadContent has something in it that is no dictionary")
			continue
		}
		d := newDict(m.report, fmt.Sprintf("PayloadContent[%d]", i), values)
		switch kind := d.text("PayloadType"); kind {
		case "com.apple.vpn.managed":
			connections = append(connections, d)
		case "com.apple.security.root", "com.apple.security.pem", "com.apple.security.pkcs1":
			if err := m.certificates(d); err != nil {
				return err
			}
		case "com.apple.security.pkcs12":
			m.pkcs12(d)
		default:
			m.warn("%s, a payload of the type %q, is not taken over", d.path, kind)
		}
	}
	if len(connections) > maxConnections {
		return fmt.Errorf("there are %d connections in the profile; %d are the most", len(connections), maxConnections)
	}
	for _, d := range connections {
		if err := m.connection(d); err != nil {
			return err
		}
	}
	return nil
}

// certificates reads a payload with certificates: DER or PEM.
func (m *mobileconfig) certificates(d *dict) error {
	octets, _ := take[[]byte](d, "PayloadContent", "data")
	d.known("PayloadCertificateFileName", "AllowAllAppsAccess")
	d.describes()
	d.rest()
	all, err := creds.ParseCertificates(d.at("PayloadContent"), octets)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.SelfIssued() || d.text("PayloadType") == "com.apple.security.root" {
			m.cas = append(m.cas, c)
		} else {
			m.Intermediates = append(m.Intermediates, c)
		}
	}
	if len(m.cas)+len(m.Intermediates) > maxCertificates {
		return fmt.Errorf("there are more than %d certificates in the profile", maxCertificates)
	}
	return nil
}

func (m *mobileconfig) pkcs12(d *dict) {
	octets, _ := take[[]byte](d, "PayloadContent", "data")
	d.known("PayloadCertificateFileName", "AllowAllAppsAccess", "KeyIsExtractable")
	identity := &Identity{P12: octets, Passphrase: d.secret("Password")}
	m.identities[d.text("PayloadUUID")] = identity
	d.describes()
	d.rest()
}

// connection reads a payload com.apple.vpn.managed.
func (m *mobileconfig) connection(d *dict) error {
	kind := d.text("VPNType")
	if kind != "IKEv2" {
		m.warn("%s is not taken over: VPNType is %q and not IKEv2", d.path, kind)
		return nil
	}
	d.known("VPNSubType", "IPv4") // the former is to be empty, the latter is the default
	c := &Client{Name: d.text("UserDefinedName"), CAs: m.cas}
	ikev2 := d.sub("IKEv2")
	if err := m.ikev2(c, ikev2); err != nil {
		return err
	}
	d.unmapped("DNS", "the gateway assigns name servers")
	d.unmapped("Proxies", "programs have their own settings for it")
	d.unmapped("VendorConfig", "it is for programs of others")
	d.describes()
	d.rest()
	m.Clients = append(m.Clients, c)
	return nil
}

// ikev2 reads the dictionary IKEv2.
func (m *mobileconfig) ikev2(c *Client, d *dict) (err error) {
	if c.Server, err = d.host("RemoteAddress"); err != nil {
		return err
	}
	c.ServerID, c.LocalID = d.identity("RemoteIdentifier"), d.ownIdentity("LocalIdentifier")
	if err := m.authentication(c, d); err != nil {
		return err
	}
	c.IKE = d.associations("IKESecurityAssociationParameters", suite.IKE, true, &c.Rekey)
	pfs := d.flag("EnablePFS", false)
	child := "ChildSecurityAssociationParameters"
	if _, there := d.values[child]; !there {
		child = "IKESecurityAssociationParameters" // "These parameters apply to Child Security Association unless …"
	}
	c.ESP = d.associations(child, suite.ESP, pfs, &c.ChildRekey)
	switch rate := d.text("DeadPeerDetectionRate"); rate {
	case "None":
	case "High":
		c.DPD = rateHigh
	case "Low":
		c.DPD = rateLow
	default:
		c.DPD = rateMedium
	}
	c.Mobike = !d.flag("DisableMOBIKE", false)
	c.OnDemand = d.flag("OnDemandEnabled", false)
	d.ikev2Rest(c)
	return nil
}

// authentication reads how the two sides authenticate.
//
// "If this is None and the ExtendedAuthEnabled key isn't set, the authentication configuration defaults to SharedSecret."
func (m *mobileconfig) authentication(c *Client, d *dict) error {
	method, extended := d.text("AuthenticationMethod"), d.flag("ExtendedAuthEnabled", false)
	if uuid := d.text("PayloadCertificateUUID"); uuid != "" {
		if c.Identity = m.identities[uuid]; c.Identity == nil {
			d.warn("%s names a payload that is not in the profile, or no PKCS#12: put the client's certificate and key into x509 and private", d.at("PayloadCertificateUUID"))
		}
	}
	user, password, shared := d.user("AuthName"), d.secret("AuthPassword"), d.secret("SharedSecret")
	switch {
	case extended && method != "SharedSecret" && d.text("PayloadCertificateUUID") != "":
		c.Method = EAPTLS
	case extended && method != "SharedSecret":
		c.Method, c.User, c.Secret = EAP, user, password
	case method == "Certificate":
		c.Method = Certificate
	case method == "SharedSecret", method == "None", method == "":
		c.Method, c.Secret = PSK, shared
	default:
		return fmt.Errorf("%s %q is not one that is known: None, SharedSecret or Certificate", d.at("AuthenticationMethod"), method)
	}
	// "… the system sends this certificate out for IKEv2 machine authentication": a signature of its type.
	c.RSAPSS = d.text("CertificateType") == "RSA-PSS"
	return nil
}

// appleWords are what Apple's names of algorithms are for swanctl.
var appleWords = map[string]string{
	"DES": "des", "3DES": "3des", "AES-128": "aes128", "AES-256": "aes256", "AES-128-GCM": "aes128gcm16", "AES-256-GCM": "aes256gcm16",
	"ChaCha20Poly1305": "chacha20poly1305",
	"SHA1-96":          "sha1", "SHA1-160": "sha1_160", "SHA2-256": "sha256", "SHA2-384": "sha384", "SHA2-512": "sha512",
}

// associations reads security association parameters. Apple's defaults are AES-256, SHA2-256 and group 14.
func (d *dict) associations(key string, p suite.Protocol, withGroup bool, rekey *time.Duration) []suite.Proposal {
	s := d.sub(key)
	cipher, integ, number := s.text("EncryptionAlgorithm"), s.text("IntegrityAlgorithm"), s.number("DiffieHellmanGroup")
	if cipher == "" {
		cipher = "AES-256"
	}
	if integ == "" {
		integ = "SHA2-256"
	}
	if number == 0 {
		number = 14
	}
	const most = 60 * 24 * 365
	*rekey = time.Duration(min(s.number("LifeTimeInMinutes"), most)) * time.Minute
	s.unmapped("PostQuantumKeyExchangeMethods", "goswan cannot do additional key exchanges (RFC 9370) yet")
	s.rest()
	words := []string{appleWords[cipher]}
	switch combined := strings.Contains(words[0], "gcm") || strings.Contains(words[0], "poly"); {
	case !combined:
		words = append(words, appleWords[integ])
	case p == suite.IKE:
		words = append(words, "prf"+appleWords[integ])
	}
	if withGroup {
		group := suite.Transform{Type: suite.KE, ID: uint16(min(number, 65535))}
		words = append(words, group.Keyword())
	}
	if words[0] == "" || words[1%len(words)] == "" {
		d.warn("%s is not taken over, and goswan's default takes its place: %q with %q is not known", d.at(key), cipher, integ)
		return nil
	}
	return d.proposals(d.at(key), p, strings.Join(words, "-"))
}

// ikev2Rest tells of what has no place in swanctl.conf, or is so anyway.
func (d *dict) ikev2Rest(c *Client) {
	d.known("CertificateType", "DisableRedirect", "NATKeepAliveOffloadEnable", "EnableCertificateRevocationCheck", "ServerCertificateIssuerCommonName",
		"ProviderType", "EnableFallback", "OnDemandUserOverrideDisabled", "ExcludeLocalNetworks", "ExcludeCellularServices", "ExcludeAPNs", "ExcludeDeviceCommunication", "TLSMinimumVersion", "TLSMaximumVersion", "EnforceRoutes", "EnforceStrictAlgorithmSelection")
	if name := d.text("ServerCertificateCommonName"); name != "" && name != c.ServerID.String() {
		d.warn("%s is not taken over: goswan looks for the id %q in the gateway's certificate, and not for %q", d.at("ServerCertificateCommonName"), c.ServerID, name)
	}
	d.unmapped("OnDemandRules", "start_action = trap brings the connection up with the first packet, in whatever network")
	d.unmapped("UseConfigurationAttributeInternalIPSubnet", "remote_ts names the networks")
	d.unmapped("IncludeAllNetworks", "remote_ts names the networks, and addresses of the local network go there directly")
	d.unmapped("MTU", "`goswan run --mtu` sets it")
	d.unmapped("NATKeepAliveInterval", "charon.keep_alive in strongswan.conf sets it")
	d.unmapped("DisconnectOnIdle", "an idle connection stays")
	d.unmapped("PPK", "post-quantum pre-shared keys (RFC 8784) are not supported yet")
	d.known("PPKIdentifier", "PPKMandatory", "AllowPostQuantumKeyExchangeFallback", "DisconnectOnIdleTimer")
	d.rest()
}
