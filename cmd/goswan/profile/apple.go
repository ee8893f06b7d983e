package profile

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"fmt"
	"time"

	"howett.net/plist"

	"github.com/goswan/goswan/ike/auth"
)

// apple is what Apple's Device Management documents of VPN.IKEv2.IKESecurityAssociationParameters, without what iOS 26 and
// macOS 26 have no more: DES, 3DES, SHA-1 and the groups below 14. With a combined-mode cipher, IntegrityAlgorithm is the PRF.
var apple = &platform{
	name:      "iOS and macOS",
	encr:      appleCiphers,
	espEncr:   appleCiphers,
	hashes:    appleHashes,
	espHashes: appleHashes,
	groups:    appleGroups,
	espGroups: appleGroups,
	addIKE:    "aes256gcm16-prfsha384-ecp384",
	addESP:    "aes256gcm16-ecp384",
}

var appleCiphers = []word{encr("AES-256-GCM", aesGCM16, 256), encr("ChaCha20Poly1305", chacha20, 0), encr("AES-256", aesCBC, 256),
	encr("AES-128-GCM", aesGCM16, 128), encr("AES-128", aesCBC, 128)}

var appleHashes = []hash{{"SHA2-256", 12, 5}, {"SHA2-384", 13, 6}, {"SHA2-512", 14, 7}}

var appleGroups = []word{group("31", 31), group("19", 19), group("20", 20), group("21", 21), group("32", 32),
	group("15", 15), group("16", 16), group("14", 14), group("17", 17), group("18", 18)}

// dictionary is one of a property list.
type dictionary = map[string]any

// Mobileconfig writes a configuration profile of Apple's systems: the connection, the CA that the gateway's certificate comes
// from, and the client's key. The notes are what is worth knowing.
func Mobileconfig(c *Client) (file []byte, notes []string, err error) {
	server, ok := identityText(c.ServerID)
	if !ok {
		return nil, nil, fmt.Errorf("iOS and macOS know a gateway by a host name, an address or an e-mail address, and not by the id %q: write one that its certificate has as subjectAltName into id of local", c.ServerID)
	}
	if err := c.demand("iOS and macOS", c.ServerID); err != nil {
		return nil, nil, err
	}
	if c.port() != 500 {
		return nil, nil, fmt.Errorf("iOS and macOS connect to the ports 500 and 4500 only, and the gateway listens on %d", c.port())
	}
	if c.Method == CertificateEAP {
		return nil, nil, fmt.Errorf("iOS and macOS do not authenticate by %s", c.Method)
	}
	id := c.identifier()
	ikev2, err := c.appleIKEv2(server, uuid(id+".identity"))
	if err != nil {
		return nil, nil, err
	}
	payloads := []any{payload(id+".vpn", "com.apple.vpn.managed", c.Name, dictionary{"VPNType": "IKEv2", "UserDefinedName": c.Name, "IKEv2": ikev2})}
	for i, ca := range c.CAs {
		payloads = append(payloads, payload(fmt.Sprintf("%s.ca%d", id, i), "com.apple.security.root", ca.Name(), dictionary{"PayloadContent": ca.X509.Raw}))
	}
	if c.Identity != nil {
		payloads = append(payloads, payload(id+".identity", "com.apple.security.pkcs12", c.Identity.Certificate.Name(), dictionary{"PayloadContent": c.Identity.P12}))
		notes = append(notes, "the device asks for the passphrase of the client's key when the profile is installed")
	}
	if len(c.Networks) > 0 {
		notes = append(notes, "which networks go through the tunnel, Apple's systems learn from the gateway's local_ts; the profile does not say it")
	}
	top := payload(id, "Configuration", c.Name, dictionary{"PayloadContent": payloads})
	file, err = plist.MarshalIndent(top, plist.XMLFormat, "\t")
	return append(file, '\n'), notes, err
}

// payload is a payload with what all have.
func payload(identifier, kind, name string, content dictionary) dictionary {
	content["PayloadIdentifier"] = identifier
	content["PayloadUUID"] = uuid(identifier)
	content["PayloadType"] = kind
	content["PayloadVersion"] = 1
	content["PayloadDisplayName"] = name
	return content
}

// appleIKEv2 is the dictionary IKEv2.
func (c *Client) appleIKEv2(server, identity string) (dictionary, error) {
	ike, esp, err := apple.chooseBoth(c)
	if err != nil {
		return nil, err
	}
	d := dictionary{
		"RemoteAddress": c.Server, "RemoteIdentifier": server, "LocalIdentifier": "",
		"IKESecurityAssociationParameters":          ike.apple(c.Rekey),
		"ChildSecurityAssociationParameters":        esp.apple(c.ChildRekey),
		"EnablePFS":                                 flag(esp.group.ID != 0),
		"DeadPeerDetectionRate":                     deadPeerDetectionRate(c.DPD),
		"DisableMOBIKE":                             flag(!c.Mobike),
		"DisableRedirect":                           1,
		"UseConfigurationAttributeInternalIPSubnet": flag(c.Subnets),
	}
	if !c.LocalID.IsAny() {
		text, ok := identityText(c.LocalID)
		if !ok {
			return nil, fmt.Errorf("iOS and macOS name themselves by a host name or an e-mail address, and not by %q: the client's certificate needs one as subjectAltName", c.LocalID)
		}
		d["LocalIdentifier"] = text
	}
	return d, c.appleAuthentication(d, identity)
}

// appleAuthentication says how the two sides authenticate.
//
// "To enable EAP-only authentication, set this to None and ExtendedAuthEnabled to 1": the client then does EAP, and the gateway
// still shows its certificate.
func (c *Client) appleAuthentication(d dictionary, identity string) error {
	switch c.Method {
	case PSK:
		d["AuthenticationMethod"], d["SharedSecret"] = "SharedSecret", string(c.Secret)
		return plain("the pre-shared key", string(c.Secret))
	case Certificate:
		d["AuthenticationMethod"] = "Certificate"
	default:
		d["AuthenticationMethod"], d["ExtendedAuthEnabled"] = "None", 1
		if c.User != "" {
			d["AuthName"] = c.User
			d["LocalIdentifier"] = c.User
		}
	}
	d["ServerCertificateCommonName"] = d["RemoteIdentifier"]
	if c.Issuer != "" {
		d["ServerCertificateIssuerCommonName"] = c.Issuer
	}
	return c.appleCertificate(d, identity)
}

// appleCertificate names the type of certificates, which has to be known beforehand: the client's own where IKE shows it, the
// gateway's elsewhere.
func (c *Client) appleCertificate(d dictionary, identity string) error {
	shown := c.Gateway
	if c.Identity != nil {
		d["PayloadCertificateUUID"] = identity
		if c.Method == Certificate {
			shown = c.Identity.Certificate
		}
	}
	kind, err := certificateType(shown)
	if err != nil {
		return err
	}
	if c.Issuer != "" && kind != "" { // "the system requires a value for ServerCertificateIssuerCommonName"
		d["CertificateType"] = kind
	}
	_, err = certificateType(c.Gateway)
	return err
}

func certificateType(c *auth.Certificate) (string, error) {
	if c == nil {
		return "", nil
	}
	switch key := c.Key.(type) {
	case *rsa.PublicKey:
		return "RSA", nil
	case *ecdsa.PublicKey:
		switch bits := key.Curve.Params().BitSize; bits {
		case 256, 384, 521:
			return fmt.Sprintf("ECDSA%d", bits), nil
		}
	}
	return "", fmt.Errorf("iOS and macOS take certificates with RSA keys and ECDSA keys of 256, 384 and 521 bits, and the key of %q is another", c.Name())
}

func flag(on bool) int {
	if on {
		return 1
	}
	return 0
}

// apple is the choice as security association parameters.
func (c choice) apple(rekey time.Duration) dictionary {
	const least, most = 10 * time.Minute, 1440 * time.Minute // of LifeTimeInMinutes
	if rekey == 0 {
		rekey = most
	}
	d := dictionary{"EncryptionAlgorithm": c.encr.text, "LifeTimeInMinutes": int(min(max(rekey, least), most) / time.Minute)}
	if c.hash.text != "" {
		d["IntegrityAlgorithm"] = c.hash.text
	}
	if c.group.ID != 0 {
		d["DiffieHellmanGroup"] = int(c.group.ID)
	}
	return d
}

// The rates of DeadPeerDetectionRate.
const (
	rateHigh   = time.Minute
	rateMedium = 10 * time.Minute
	rateLow    = 30 * time.Minute
)

// deadPeerDetectionRate is the rate nearest to the gateway's own.
func deadPeerDetectionRate(delay time.Duration) string {
	switch {
	case delay == 0: // nothing is said: the default
		return "Medium"
	case delay < (rateHigh+rateMedium)/2:
		return "High"
	case delay < (rateMedium+rateLow)/2:
		return "Medium"
	}
	return "Low"
}
