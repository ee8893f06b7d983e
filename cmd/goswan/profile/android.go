package profile

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/goswan/goswan/crypto/suite"
)

// android is what strongSwan's app negotiates, as far as it is not old.
var android = &platform{
	name:      "strongSwan's app for Android",
	encr:      androidCiphers,
	espEncr:   androidCiphers,
	hashes:    androidHashes,
	espHashes: androidHashes,
	groups:    androidGroups,
	espGroups: androidGroups,
	addIKE:    "aes256gcm16-prfsha384-ecp384",
	addESP:    "aes256gcm16-ecp384",
}

var androidCiphers = []word{encr("", aesGCM16, 256), encr("", chacha20, 0), encr("", aesCBC, 256), encr("", aesGCM16, 192), encr("", aesCBC, 192),
	encr("", aesGCM16, 128), encr("", aesCBC, 128)}

var androidHashes = []hash{{"", 12, 5}, {"", 13, 6}, {"", 14, 7}}

var androidGroups = []word{group("", 31), group("", 19), group("", 20), group("", 21), group("", 15), group("", 16), group("", 14)}

// sswan is the profile of strongSwan's app, as "VPN Profile Import for the Android VPN Client" of strongSwan's documentation has it.
type sswan struct {
	UUID        string       `json:"uuid"`
	Name        string       `json:"name"`
	Type        string       `json:"type"`
	Remote      sswanRemote  `json:"remote"`
	Local       *sswanLocal  `json:"local,omitempty"`
	IKEProposal string       `json:"ike-proposal,omitempty"`
	ESPProposal string       `json:"esp-proposal,omitempty"`
	Split       *sswanTunnel `json:"split-tunneling,omitempty"`
}

type sswanRemote struct {
	Addr string `json:"addr"`
	Port uint16 `json:"port,omitempty"`
	ID   string `json:"id,omitempty"`
	Cert []byte `json:"cert,omitempty"` // Base64 of DER
}

type sswanLocal struct {
	ID    string `json:"id,omitempty"`
	EAPID string `json:"eap_id,omitempty"`
	P12   []byte `json:"p12,omitempty"`
}

type sswanTunnel struct {
	Subnets []string `json:"subnets,omitempty"`
}

// sswanTypes are the app's names for methods.
var sswanTypes = map[Method]string{EAP: "ikev2-eap", Certificate: "ikev2-cert", EAPTLS: "ikev2-eap-tls", CertificateEAP: "ikev2-cert-eap"}

// SSwan writes a profile of strongSwan's app for Android.
func SSwan(c *Client) (file []byte, notes []string, err error) {
	kind, ok := sswanTypes[c.Method]
	if !ok {
		return nil, nil, errors.New("strongSwan's app for Android has no pre-shared keys: it wants the gateway's certificate, and of the client a password (auth = eap-mschapv2) or a certificate (auth = pubkey)")
	}
	ike, esp, err := android.chooseBoth(c)
	if err != nil {
		return nil, nil, err
	}
	p := sswan{
		UUID: strings.ToLower(uuid(c.identifier())), Name: c.Name, Type: kind,
		Remote:      sswanRemote{Addr: c.Server, ID: c.ServerID.String()},
		IKEProposal: ike.proposal(suite.IKE).Keywords(), ESPProposal: esp.proposal(suite.ESP).Keywords(),
	}
	if c.port() != 500 {
		p.Remote.Port = c.port()
	}
	if len(c.CAs) > 1 {
		return nil, nil, fmt.Errorf("the profile has room for one CA, and there are %d", len(c.CAs))
	}
	for _, ca := range c.CAs {
		p.Remote.Cert = ca.X509.Raw
	}
	local := sswanLocal{EAPID: c.User}
	if !c.LocalID.IsAny() {
		local.ID = c.LocalID.String()
	}
	if c.Identity != nil {
		local.P12 = c.Identity.P12
		notes = append(notes, "the app asks for the passphrase of the client's key when the profile is imported")
	}
	if local.ID != "" || local.EAPID != "" || local.P12 != nil {
		p.Local = &local
	}
	for _, n := range c.Networks {
		if p.Split == nil {
			p.Split = &sswanTunnel{}
		}
		p.Split.Subnets = append(p.Split.Subnets, n.String())
	}
	file, err = json.MarshalIndent(p, "", "  ")
	return append(file, '\n'), notes, err
}
