package vici

import (
	"slices"
	"strings"

	"github.com/goswan/goswan/crypto/secret"
)

// CertificateType is the type of what list-certs lists and load-cert loads, strongSwan's certificate_type_names.
type CertificateType string

// The types of certificates here.
const (
	X509      CertificateType = "X509"
	X509CRL   CertificateType = "X509_CRL"
	OCSP      CertificateType = "OCSP_RESPONSE"
	RawPublic CertificateType = "PUBKEY"
)

// Certificate is a loaded certificate, CRL or raw public key.
type Certificate struct {
	Type CertificateType
	// CA says that it is trusted, Responder that it is a signer of OCSP responses, and HasKey that its private key is here.
	CA, Responder, HasKey bool

	Subject string // as strongSwan prints it; of a CRL: the issuer
	DER     []byte
}

// flag is strongSwan's x509_flag.
func (c Certificate) flag() string {
	switch {
	case c.CA:
		return FlagCA
	case c.Responder:
		return FlagOCSP
	}
	return "NONE"
}

// The flags of load-cert that tell what a certificate is for. With another one, it is a host's, a user's or an intermediate CA's.
const (
	FlagCA   = "CA"   // a CA to trust
	FlagOCSP = "OCSP" // a signer of OCSP responses to believe
)

// certificateFlags are those of load-cert. What is for attribute certificates is loaded as any other.
var certificateFlags = []string{"NONE", FlagCA, "AA", FlagOCSP, "ANY"}

func loadCert(c *call) *Message {
	kind, flag := strings.ToUpper(c.request.Get("type")), strings.ToUpper(c.request.Get("flag"))
	data := c.request.Bytes("data")
	switch {
	case kind == "":
		return failure("certificate type missing")
	case kind == "X509_AC":
		return failure("attribute certificates are not supported in this version of goswan")
	case !slices.Contains([]CertificateType{X509, X509CRL, RawPublic}, CertificateType(kind)):
		return failure("invalid certificate type: %s", kind)
	case flag != "" && !slices.Contains(certificateFlags, flag):
		return failure("invalid certificate flag '%s'", flag)
	case len(data) == 0:
		return failure("certificate data missing")
	}
	switch CertificateType(kind) {
	case X509CRL:
		return outcome(c.daemon.LoadCRL(slices.Clone(data)))
	case RawPublic:
		return outcome(c.daemon.LoadPublicKey(slices.Clone(data)))
	}
	return outcome(c.daemon.LoadCertificate(slices.Clone(data), flag))
}

// keyTypes are those of load-key. What a key is shows in its encoding.
var keyTypes = []string{"rsa", "ecdsa", "bliss", "any"}

func loadKey(c *call) *Message {
	kind := strings.ToLower(c.request.Get("type"))
	// The packet's octets are wiped when the command has been answered.
	data := secret.Bytes(c.request.Bytes("data")).Clone()
	defer data.Wipe()
	switch {
	case kind == "":
		return failure("key type missing")
	case !slices.Contains(keyTypes, kind):
		return failure("invalid key type: %s", kind)
	case len(data) == 0:
		return failure("key data missing")
	}
	id, err := c.daemon.LoadKey(data)
	if err != nil {
		return outcome(err)
	}
	return success().Add("id", id)
}

func unloadKey(c *call) *Message {
	id := c.request.Get("id")
	if id == "" {
		return failure("key id missing")
	}
	if !slices.Contains(c.daemon.KeyIDs(), id) {
		return failure("key not found")
	}
	return outcome(c.daemon.UnloadKey(id))
}

func getKeys(c *call) *Message {
	return (&Message{}).AddList("keys", c.daemon.KeyIDs()...)
}

// listCerts lists certificates. Fields: vici_query.c, list_certs.
func listCerts(c *call) *Message {
	kind, flag, subject := strings.ToUpper(c.request.Get("type")), strings.ToUpper(c.request.Get("flag")), c.request.Get("subject")
	for _, cert := range c.daemon.Certificates() {
		wrongKind := kind != "" && kind != "ANY" && kind != string(cert.Type)
		wrongFlag := flag != "" && flag != "ANY" && cert.Type == X509 && flag != cert.flag()
		if wrongKind || wrongFlag || subject != "" && subject != cert.Subject {
			continue
		}
		m := (&Message{}).Add("type", string(cert.Type))
		if cert.Type == X509 {
			m.Add("flag", cert.flag())
		}
		if cert.HasKey {
			m.Add("has_privkey", "yes")
		}
		m.AddBytes("data", cert.DER)
		if cert.Type == RawPublic && cert.Subject != "" {
			m.Add("subject", cert.Subject)
		}
		if !c.stream("list-cert", m) {
			break
		}
	}
	return &Message{}
}

func flushCerts(c *call) *Message {
	c.daemon.FlushCertificates()
	return success()
}

func loadAuthority(c *call) *Message { return c.loadSections(c.daemon.LoadAuthority) }

func unloadAuthority(c *call) *Message {
	name := c.request.Get("name")
	if name == "" {
		return failure("unload: missing authority name")
	}
	return outcome(c.daemon.UnloadAuthority(name))
}

func getAuthorities(c *call) *Message {
	var names []string
	for _, a := range c.daemon.Authorities() {
		names = append(names, a.Name)
	}
	return (&Message{}).AddList("authorities", names...)
}

// listAuthorities lists the authorities. Order: vici_authority.c, list_authorities.
func listAuthorities(c *call) *Message {
	name := c.request.Get("name")
	for _, a := range c.daemon.Authorities() {
		if name != "" && name != a.Name {
			continue
		}
		m := &Message{}
		section := m.AddSection(a.Name)
		section.Add("cacert", a.Certificate.Name())
		section.AddList("crl_uris", a.CRLURIs...)
		section.AddList("ocsp_uris", a.OCSPURIs...)
		if a.CertURIBase != "" {
			section.Add("cert_uri_base", a.CertURIBase)
		}
		if !c.stream("list-authority", m) {
			break
		}
	}
	return &Message{}
}
