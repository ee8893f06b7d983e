//go:build linux

package lab

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// scheme is a way to sign.
type scheme struct {
	name   string // as goswan logs it
	kind   string // of key
	auth   string // of both sides
	method string // the Authentication Method, for the record
	old    string // what strongSwan calls a method that is not RFC 7427's
}

// digital are the schemes that go by RFC 7427. Those with SHA-1 are left out: nobody announces it.
var digital = []scheme{
	{"RSA_EMSA_PKCS1_SHA2_256", "rsa", "ike:rsa-sha256", "method 14", ""},
	{"RSA_EMSA_PKCS1_SHA2_384", "rsa", "ike:rsa-sha384", "method 14", ""},
	{"RSA_EMSA_PKCS1_SHA2_512", "rsa", "ike:rsa-sha512", "method 14", ""},
	{"RSA_EMSA_PSS_SHA2_256", "rsa", "ike:rsa/pss-sha256", "method 14", ""},
	{"RSA_EMSA_PSS_SHA2_384", "rsa", "ike:rsa/pss-sha384", "method 14", ""},
	{"RSA_EMSA_PSS_SHA2_512", "rsa", "ike:rsa/pss-sha512", "method 14", ""},
	{"ECDSA_WITH_SHA256_DER", "ecdsa", "pubkey", "method 14", ""},
	{"ECDSA_WITH_SHA384_DER", "ecdsa384", "pubkey", "method 14", ""},
	{"ECDSA_WITH_SHA512_DER", "ecdsa521", "pubkey", "method 14", ""},
	{"ED25519", "ed25519", "pubkey", "method 14", ""},
	{"ED448", "ed448", "pubkey", "method 14", ""},
}

// older are what a peer uses that does not know RFC 7427: RFC 7296 §3.8 and RFC 4754.
var older = []scheme{
	{"RSA_EMSA_PKCS1_SHA1", "rsa", "ike:rsa-sha1", "method 1", "RSA signature"},
	{"ECDSA-256", "ecdsa", "pubkey", "method 9", "ECDSA-256 signature"},
	{"ECDSA-384", "ecdsa384", "pubkey", "method 10", "ECDSA-384 signature"},
	{"ECDSA-521", "ecdsa521", "pubkey", "method 11", "ECDSA-521 signature"},
}

// TestSignatures signs by each scheme of RFC 7427, in both directions and from either end.
func TestSignatures(t *testing.T) {
	eachPair(t, pairs, "certificates", Topology{}, func(t *testing.T, n *Net) {
		for _, s := range digital {
			t.Run(s.name, func(t *testing.T) { s.prove(t, n) })
		}
	})
}

// TestOlderSignatures has one end not know RFC 7427, strongSwan where there is one.
func TestOlderSignatures(t *testing.T) {
	eachPair(t, pairs, "certificates", Topology{}, func(t *testing.T, n *Net) {
		old := n.Left
		if n.Right.Daemon == StrongSwan {
			old = n.Right
		}
		old.AddSettings(t, "charon {\n\tsignature_authentication = no\n}\n")
		old.Restart(t)
		for _, s := range older {
			t.Run(s.name, func(t *testing.T) { s.prove(t, n) })
		}
	})
}

// TestRSAPSSByDefault has both ends make RSASSA-PSS signatures of what says RSA: `rsa_pss`.
func TestRSAPSSByDefault(t *testing.T) {
	eachPair(t, pairs, "certificates", Topology{}, func(t *testing.T, n *Net) {
		for _, h := range n.hosts() {
			h.AddSettings(t, "charon {\n\trsa_pss = yes\n}\n")
			h.Restart(t)
		}
		scheme{"RSA_EMSA_PSS_SHA2_256", "rsa", "rsa-ike:rsa-sha256", "method 14", ""}.prove(t, n)
	})
}

// prove brings the tunnel up with the scheme from either end, and records it.
func (s scheme) prove(t *testing.T, n *Net) {
	root := issue(t, "ecdsa", "root", nil, nil)
	if s.kind == "rsa" {
		root = issue(t, "rsa", "root", nil, nil)
	}
	for name, h := range n.hosts() {
		h.ClearCredentials(t)
		s.ownAs(t, h, name, root)
		h.knows(t, "x509ca", "root.pem", root)
		h.WriteConfig(t, "local.conf", "auth = "+s.auth+"\nid = "+name+"\ncerts = own.pem\n")
		h.WriteConfig(t, "remote.conf", "auth = "+s.auth+"\nid = "+other(name)+"\n")
		h.LoadCredentials(t)
	}
	n.bothWays(t, s.says())
	n.recordSignature(t, s.method, s.name)
}

// says is what a daemon logs of its peer.
func (s scheme) says() string {
	says := `with ` + regexp.QuoteMeta(s.name) + `(_SALT_\d+)? successful`
	if s.old != "" {
		says += `|with ` + s.old + ` successful`
	}
	return `(` + says + `)`
}

// ownAs gives a host a key for the scheme and a certificate for it.
func (s scheme) ownAs(t *testing.T, h *Host, name string, root *identity) {
	t.Helper()
	if s.kind != "ed448" {
		h.own(t, issue(t, s.kind, name, root, nil))
		return
	}
	// crypto/x509 makes no certificates for Ed448, strongSwan's pki does.
	w := newShop(t)
	der, err := x509.MarshalPKCS8PrivateKey(root.key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{"ca.key": {Type: "PRIVATE KEY", Bytes: der}, "ca.pem": {Type: "CERTIFICATE", Bytes: root.cert.Raw}} {
		if err := os.WriteFile(filepath.Join(w.dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.save("own.key", "pki", "--gen", "--type", "ed448", "--outform", "pem")
	w.save("own.pem", "pki", "--issue", "--in", "own.key", "--type", "priv", "--cacert", "ca.pem", "--cakey", "ca.key",
		"--dn", "C=CH, O=goswan lab, CN="+name, "--san", name, "--outform", "pem")
	for from, to := range map[string]string{"own.key": "private/own.pem", "own.pem": "x509/own.pem"} {
		text, err := os.ReadFile(filepath.Join(w.dir, from))
		if err != nil {
			t.Fatal(err)
		}
		h.WriteConfig(t, to, string(text))
	}
}
