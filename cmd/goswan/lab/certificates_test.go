//go:build linux

package lab

import (
	"crypto/x509"
	"net"
	"net/http"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
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
	s.configure(t, n)
	for _, h := range n.hosts() {
		h.LoadCredentials(t)
	}
	n.bothWays(t, s.says)
}

// configure writes new credentials for both ends.
func (s signature) configure(t *testing.T, n *Net) {
	root := issue(t, s.kind, "root", nil, nil)
	var intermediate *identity
	if s.intermediate {
		intermediate = issue(t, s.kind, "intermediate", root, authority)
	}
	s.configureWith(t, n, root, intermediate)
}

func (s signature) configureWith(t *testing.T, n *Net, root, intermediate *identity) {
	t.Helper()
	issuer, auth := root, s.auth
	if intermediate != nil {
		issuer = intermediate
	}
	if auth == "" {
		auth = "pubkey"
	}
	for name, h := range n.hosts() {
		h.certified(t, issue(t, s.kind, name, issuer, nil), root)
		if intermediate != nil {
			h.knows(t, "x509", "intermediate.pem", issuer)
		}
		h.WriteConfig(t, "local.conf", "auth = "+auth+"\nid = "+name+"\ncerts = own.pem\n")
		h.WriteConfig(t, "remote.conf", "auth = "+auth+"\nid = "+other(name)+"\n")
	}
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

// TestRawPublicKeys has no certificates at all: each end knows the other's key. RFC 7670
func TestRawPublicKeys(t *testing.T) {
	eachPair(t, pairs, "certificates", Topology{}, func(t *testing.T, n *Net) {
		keys := map[string]*identity{}
		for name := range n.hosts() {
			keys[name] = &identity{key: keyOf(t, "ecdsa")}
		}
		for name, h := range n.hosts() {
			h.ClearCredentials(t)
			h.privateKey(t, keys[name].key)
			h.publicKey(t, "own.pub", keys[name].key.Public())
			h.publicKey(t, "peer.pub", keys[other(name)].key.Public())
			h.WriteConfig(t, "local.conf", "auth = pubkey\nid = "+name+"\npubkeys = own.pub\n")
			h.WriteConfig(t, "remote.conf", "auth = pubkey\nid = "+other(name)+"\npubkeys = peer.pub\n")
			h.LoadCredentials(t)
		}
		n.bothWays(t, `with ECDSA_WITH_SHA256_DER successful`)
	})
}

// TestSwanctlLoadsCredentials has strongSwan's swanctl give goswan its certificates and keys, and take them away.
func TestSwanctlLoadsCredentials(t *testing.T) {
	eachPair(t, []Pair{{Goswan, StrongSwan}}, "certificates", Topology{}, func(t *testing.T, n *Net) {
		signatures[1].configure(t, n)
		for _, h := range n.hosts() {
			out := h.mustSwanctl(t, "--load-all", "--noprompt", "--clear")
			for _, want := range []string{`loaded certificate from .*x509/own\.pem`, `loaded certificate from .*x509ca/root\.pem`, `loaded private key from .*own\.pem`, `loaded connection 'site'`} {
				if !regexp.MustCompile(want).MatchString(out) {
					t.Errorf("%s (%s): swanctl --load-all does not print %q but\n%s", h.Name, h.Daemon, want, out)
				}
			}
			if out = h.mustSwanctl(t, "--list-certs"); !regexp.MustCompile(`(?s)subject:.*example.*pubkey:.*has private key.*subject: .*CN=root`).MatchString(out) {
				t.Errorf("%s (%s): swanctl --list-certs prints\n%s", h.Name, h.Daemon, out)
			}
		}
		n.bothWays(t, signatures[1].says)
		n.Left.ClearCredentials(t)
		n.Left.mustSwanctl(t, "--load-creds", "--noprompt", "--clear")
		out := n.Left.InitiateFails(t, "net")
		if n.Left.Daemon == Goswan && !regexp.MustCompile(`NO_SECRET: no signature for .*there is no private key`).MatchString(out) {
			t.Errorf("without a key swanctl --initiate prints\n%s", out)
		}
	})
}

// badCertificate is a certificate that must be refused and what the daemon says that refuses it.
type badCertificate struct {
	name string
	// make makes the certificate of a name; ca is what the verifier trusts.
	make func(t *testing.T, name string, ca *identity) *identity
	// verifier changes what the host that verifies demands.
	verifier func(t *testing.T, h *Host, ca, bad *identity)
	remote   string // more of the verifier's section remote
	// claims is the identity of the bad end, if not the right one. It is then a stranger to a responder, so that only the
	// verifier begins.
	claims string
	says   says
}

var badCertificates = []badCertificate{{
	name: "another name",
	make: func(t *testing.T, _ string, ca *identity) *identity {
		return issue(t, "ecdsa", "mallory.example", ca, nil)
	},
	claims: "mallory.example",
	says: says{
		Goswan:     `AUTHENTICATION_FAILED: .*peer presented SANs \[mallory\.example\], CN mallory\.example.*connection .{0,2}site.{0,2} requires id .{0,2}\*\.wanted\.example.{0,3}.*/remote\.conf:2`,
		StrongSwan: `constraint check failed: identity '\*\.wanted\.example' required`,
	},
}, {
	name: "an unknown CA",
	make: func(t *testing.T, name string, _ *identity) *identity {
		return issue(t, "ecdsa", name, issue(t, "ecdsa", "another root", nil, nil), nil)
	},
	says: says{
		Goswan:     `AUTHENTICATION_FAILED: certificate .*CN=(left|right)\.example.*its issuer, .*CN=another root.* is not known here.*put that CA's certificate into x509ca`,
		StrongSwan: `no issuer certificate found for|no trusted .*public key found`,
	},
}, {
	name: "expired",
	make: func(t *testing.T, name string, ca *identity) *identity {
		return issue(t, "ecdsa", name, ca, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
		})
	},
	says: says{
		Goswan:     `AUTHENTICATION_FAILED: certificate .*CN=(left|right)\.example.*it expired at .*it has to be renewed`,
		StrongSwan: `certificate invalid \(valid from|no trusted .*public key found`,
	},
}, {
	name: "revoked by a CRL in x509crl",
	make: func(t *testing.T, name string, ca *identity) *identity { return issue(t, "ecdsa", name, ca, nil) },
	verifier: func(t *testing.T, h *Host, ca, bad *identity) {
		h.WriteConfig(t, "x509crl/ca.crl", string(ca.revoke(t, bad)))
	},
	says: says{
		Goswan:     `AUTHENTICATION_FAILED: certificate .*CN=(left|right)\.example.*revoked at .*key compromise.*says the CRL of`,
		StrongSwan: `certificate was revoked on`,
	},
}, {
	name: "a CA that the connection does not take",
	make: func(t *testing.T, name string, ca *identity) *identity { return issue(t, "ecdsa", name, ca, nil) },
	verifier: func(t *testing.T, h *Host, _, _ *identity) {
		h.knows(t, "x509ca", "wanted.pem", issue(t, "ecdsa", "wanted", nil, nil))
	},
	remote: "cacerts = wanted.pem\n",
	says: says{
		Goswan:     `AUTHENTICATION_FAILED: certificate .*it comes from .*CN=root.*connection .{0,2}site.{0,2} accepts .*CN=wanted`,
		StrongSwan: `constraint check failed: peer not authenticated by CA`,
	},
}}

// TestBadCertificates has a bad certificate at the left end refused by the right one, and the other way round, whoever begins.
func TestBadCertificates(t *testing.T) {
	eachPair(t, pairs, "certificates", Topology{}, func(t *testing.T, n *Net) {
		for _, bad := range badCertificates {
			for name := range n.hosts() {
				t.Run(bad.name+" at "+name, func(t *testing.T) { bad.run(t, n, name) })
			}
		}
	})
}

func (b badCertificate) run(t *testing.T, n *Net, who string) {
	ca := issue(t, "ecdsa", "root", nil, nil)
	bad := b.make(t, who, ca)
	hosts := n.hosts()
	signatures[0].configureWith(t, n, ca, nil)
	hosts[who].own(t, bad)
	verifier := hosts[other(who)]
	if b.verifier != nil {
		b.verifier(t, verifier, ca, bad)
	}
	verifier.WriteConfig(t, "remote.conf", "auth = pubkey\nid = "+who+"\n"+b.remote)
	initiators := []*Host{n.Left, n.Right}
	if b.claims != "" {
		hosts[who].WriteConfig(t, "local.conf", "auth = pubkey\nid = "+b.claims+"\n")
		initiators = []*Host{verifier}
		// A pattern does not go to the peer, which would have no connection of that name.
		verifier.WriteConfig(t, "remote.conf", "auth = pubkey\nid = *.wanted.example\n")
	}
	for _, h := range hosts {
		h.LoadCredentials(t)
	}
	n.refusedBy(t, verifier, b.says, initiators...)
}

// refusedBy has no tunnel come up, whoever begins, and the verifier say why.
func (n *Net) refusedBy(t *testing.T, verifier *Host, why says, initiators ...*Host) {
	t.Helper()
	for _, initiator := range initiators {
		from := len(verifier.Log(t))
		initiator.InitiateFails(t, "net")
		verifier.WaitLogFrom(t, from, why[verifier.Daemon])
		n.WaitGone(t)
	}
}

// pkiServer answers for a CA in the router's namespace, which both ends reach. Revoked serial numbers are those of bad.
func (n *Net) pkiServer(t *testing.T, ca *identity, bad *identity) (asked *atomic.Int32) {
	t.Helper()
	asked = &atomic.Int32{}
	mux := http.NewServeMux()
	mux.HandleFunc("/ca.crl", func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write(ca.revoke(t, bad))
	})
	mux.HandleFunc("/ocsp", func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		response, err := ocsp.CreateResponse(ca.cert, ca.cert, ocsp.Response{
			Status: ocsp.Revoked, SerialNumber: bad.cert.SerialNumber, ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour),
			RevokedAt: time.Now().Add(-time.Minute), RevocationReason: ocsp.KeyCompromise,
		}, ca.key)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/ocsp-response")
		_, _ = w.Write(response)
	})
	n.serve(t, mux)
	return asked
}

// serve answers HTTP in the router's namespace until the test ends.
func (n *Net) serve(t *testing.T, handler http.Handler) {
	t.Helper()
	var l net.Listener
	n.Router.mustIn(t, func() (err error) {
		l, err = net.Listen("tcp", pkiAddr)
		return err
	})
	server := &http.Server{Handler: handler, ReadHeaderTimeout: patience}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
}

// pkiAddr is where serve listens.
const pkiAddr = "192.0.2.1:80"

// TestRevokedOverHTTP has a certificate name where to ask, and the verifier ask there while the peer waits.
func TestRevokedOverHTTP(t *testing.T) {
	for kind, names := range map[string]func(*x509.Certificate){
		"CRL":  func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"http://" + pkiAddr + "/ca.crl"} },
		"OCSP": func(c *x509.Certificate) { c.OCSPServer = []string{"http://" + pkiAddr + "/ocsp"} },
	} {
		t.Run(kind, func(t *testing.T) {
			eachPair(t, pairs, "certificates", Topology{}, func(t *testing.T, n *Net) {
				verifiers := n.goswans()
				for _, v := range verifiers {
					t.Run(v.Name, func(t *testing.T) { revokedOverHTTP(t, n, v.Host, names) })
				}
			})
		})
	}
}

func revokedOverHTTP(t *testing.T, n *Net, verifier *Host, names func(*x509.Certificate)) {
	who := "left.example"
	if verifier == n.Left {
		who = "right.example"
	}
	ca := issue(t, "ecdsa", "root", nil, nil)
	signatures[0].configureWith(t, n, ca, nil)
	bad := issue(t, "ecdsa", who, ca, names)
	n.hosts()[who].own(t, bad)
	for _, h := range n.hosts() {
		h.LoadCredentials(t)
	}
	asked := n.pkiServer(t, ca, bad)
	n.refusedBy(t, verifier, says{Goswan: `AUTHENTICATION_FAILED: certificate .*CN=` + who + `.*revoked at .*key compromise, says (the CRL of|an OCSP response)`}, n.Left, n.Right)
	if asked.Load() == 0 {
		t.Errorf("%s: nobody was asked", verifier.Name)
	}
}

// TestLongAuthentication has an IKE_AUTH that is longer than the MTU, on a way on which IP fragments are lost: IKE has to cut it
// itself. RFC 7383
func TestLongAuthentication(t *testing.T) {
	eachPair(t, pairs, "certificates", Topology{}, func(t *testing.T, n *Net) {
		n.Router.NFT(t, `table inet fragments { counter lost { }
	chain early { type filter hook prerouting priority -450; ip frag-off & 0x3fff != 0 counter name lost drop; }; }`)
		root := issue(t, "rsa", "root", nil, nil)
		issuer := issue(t, "rsa", "intermediate", root, authority)
		long := signature{kind: "rsa", intermediate: true, says: `with RSA_EMSA_PKCS1_SHA2_256 successful`}
		long.configureWith(t, n, root, issuer)
		for _, h := range n.hosts() {
			h.LoadCredentials(t)
		}
		n.bothWays(t, long.says)
		for _, h := range n.hosts() {
			if !regexp.MustCompile(`EF\(\d+/\d+\)|splitting IKE message|in \d+ fragments`).MatchString(h.Log(t)) {
				t.Errorf("%s (%s): IKE_AUTH did not go in fragments", h.Name, h.Daemon)
			}
		}
	})
}

// TestRenewedCredentials has a gateway's certificate and key renewed and a client revoked while a tunnel is up: goswan sees that
// in its files. The tunnel lives on, the revoked client gets none, and the next IKE SA has the new certificate.
func TestRenewedCredentials(t *testing.T) {
	eachPair(t, []Pair{{Goswan, Goswan}, {Goswan, StrongSwan}}, "certificates", Topology{}, func(t *testing.T, n *Net) {
		gateway, client := n.Left, n.Right
		if gateway.Daemon != Goswan {
			t.Skip("lab: no goswan on the left, which would see that files change")
		}
		ca := issue(t, "ecdsa", "root", nil, nil)
		signatures[0].configureWith(t, n, ca, nil)
		gateway.WriteConfig(t, "remote.conf", "auth = pubkey\nid = *.example\n")
		revoked := issue(t, "ecdsa", "revoked.example", ca, nil)
		client.knows(t, "x509", "revoked.pem", revoked)
		client.privateKeyAs(t, "revoked.pem", revoked.key)
		client.WriteConfig(t, "more.conf", secondConnection)
		for _, h := range n.hosts() {
			h.LoadCredentials(t)
		}
		client.Initiate(t, "net")
		n.WaitUp(t, "net")
		before, from := gateway.SA(t).String(), len(gateway.Log(t))

		gateway.WriteConfig(t, "x509crl/ca.crl", string(ca.revoke(t, revoked)))
		gateway.own(t, issue(t, "ecdsa", "left.example", ca, func(c *x509.Certificate) { c.Subject.OrganizationalUnit = []string{"renewed"} }))
		gateway.WaitLogFrom(t, from, `certificates renewed.*site`)
		gateway.WaitLogFrom(t, from, `credentials reloaded.*"crls": 1`)
		if after := gateway.SA(t).String(); after != before {
			t.Errorf("the SAs were\n%s\nand after the reload they are\n%s", before, after)
		}
		n.LeftLAN.Ping(t, n.RightLAN.IPv4)

		from = len(gateway.Log(t))
		client.InitiateFails(t, "second")
		gateway.WaitLogFrom(t, from, `AUTHENTICATION_FAILED: certificate .*CN=revoked\.example.*revoked at .*key compromise, says the CRL of`)
		client.Terminate(t, "site")
		n.WaitGone(t)
		from = len(client.Log(t))
		client.Initiate(t, "net")
		n.WaitUp(t, "net")
		client.WaitLogFrom(t, from, `received end entity cert "C=CH, O=goswan lab, OU=renewed, CN=left\.example"`)
	})
}

// secondConnection is a connection of the right end for another user of it.
const secondConnection = `connections {
	second {
		version = 2
		local_addrs = 198.51.100.2
		remote_addrs = 192.0.2.2
		proposals = aes256gcm16-prfsha384-x25519
		local {
			auth = pubkey
			id = revoked.example
			certs = revoked.pem
		}
		remote {
			auth = pubkey
			id = left.example
		}
		children {
			second {
				local_ts = 10.2.0.0/24
				remote_ts = 10.1.0.0/24
				esp_proposals = aes256gcm16
			}
		}
	}
}
`
