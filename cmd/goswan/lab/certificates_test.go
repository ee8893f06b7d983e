//go:build linux

package lab

import (
	"crypto/x509"
	"regexp"
	"strings"
	"testing"
)

// signature is a way to authenticate and what both daemons say that they did.
type signature struct {
	name, kind   string
	intermediate bool
	auth         string // of both sides; "" is pubkey
	says         string // regular expression
}

var signatures = []signature{
	{name: "ecdsa", kind: "ecdsa", says: `with ECDSA_WITH_SHA256_DER successful`},
	{name: "ecdsa with an intermediate CA", kind: "ecdsa", intermediate: true, says: `with ECDSA_WITH_SHA256_DER successful`},
	{name: "rsa", kind: "rsa", says: `with RSA_EMSA_PKCS1_SHA2_256 successful`},
	{name: "rsa-pss", kind: "rsa", auth: "ike:rsa/pss-sha256", says: `with RSA_EMSA_PSS_SHA2_256_SALT_32 successful`},
	{name: "ed25519 with an intermediate CA", kind: "ed25519", intermediate: true, says: `with ED25519 successful`},
}

// TestCertificates brings a tunnel up with each kind of signature, from either end: two ends that know nothing of each other but
// the root CA.
func TestCertificates(t *testing.T) {
	eachPair(t, pairs, "certificates", Topology{}, func(t *testing.T, n *Net) {
		for _, s := range signatures {
			t.Run(s.name, func(t *testing.T) { s.run(t, n) })
		}
	})
}

// hosts are both ends with the names in their certificates.
func (n *Net) hosts() map[string]*Host {
	return map[string]*Host{"left.example": n.Left, "right.example": n.Right}
}

// other is the name at the other end.
func other(name string) string {
	if name == "left.example" {
		return "right.example"
	}
	return "left.example"
}

func (s signature) run(t *testing.T, n *Net) {
	root := issue(t, s.kind, "root", nil, nil)
	issuer := root
	if s.intermediate {
		issuer = issue(t, s.kind, "intermediate", root, authority)
	}
	auth := s.auth
	if auth == "" {
		auth = "pubkey"
	}
	for name, h := range n.hosts() {
		h.ClearCredentials(t)
		h.own(t, issue(t, s.kind, name, issuer, nil))
		h.knows(t, "x509ca", "root.pem", root)
		if s.intermediate {
			h.knows(t, "x509", "intermediate.pem", issuer)
		}
		h.WriteConfig(t, "local.conf", "auth = "+auth+"\nid = "+name+"\ncerts = own.pem\n")
		h.WriteConfig(t, "remote.conf", "auth = "+auth+"\nid = "+other(name)+"\n")
		h.LoadCredentials(t)
	}
	n.bothWays(t, s.says)
}

// bothWays brings the tunnel up from either end and looks for what both daemons say of the authentication.
func (n *Net) bothWays(t *testing.T, says string) {
	t.Helper()
	for _, initiator := range []*Host{n.Left, n.Right} {
		from := map[*Host]int{n.Left: len(n.Left.Log(t)), n.Right: len(n.Right.Log(t))}
		initiator.Initiate(t, "net")
		n.WaitUp(t, "net")
		n.LeftLAN.Ping(t, n.RightLAN.IPv4)
		for name, h := range n.hosts() {
			h.WaitLogFrom(t, from[h], regexp.QuoteMeta(other(name))+`' `+says)
		}
		initiator.Terminate(t, "site")
		n.WaitGone(t)
	}
}

var _ = strings.Join
var _ x509.Certificate
