//go:build linux

package lab

import (
	"fmt"
	"os"
	"testing"
)

// eapScenario is a way for a client to prove itself, and its gateway.
type eapScenario struct {
	name            string
	client, gateway string // what stands in their connections
	more            string // of swanctl.conf, on both sides
	tls             string // no later version; "" is 1.2
	noEMS           bool   // TLS 1.2 without extended master secret is enough
	pairs           []Pair // nil is all; the client is at the left
	says            says   // of both ends, as a regular expression
}

// users are the secrets of both ends.
const users = `secrets {
	eap-alice {
		id = alice@example.org
		secret = "not for use"
	}
	eap-left {
		id = left.example
		secret = "not for use either"
	}
	ike-both {
		id-a = left.example
		id-b = right.example
		secret = "nor this one"
	}
}
`

// block is a local or remote section with one setting a line.
func block(name string, settings ...string) string {
	text := name + " {\n"
	for _, s := range settings {
		text += "\t" + s + "\n"
	}
	return text + "}\n"
}

var (
	clientByCert  = block("local-0", "round = 0", "auth = pubkey", "id = left.example", "certs = own.pem")
	gatewayByCert = block("local", "auth = pubkey", "id = right.example", "certs = own.pem")
	gatewayIsCert = block("remote", "auth = pubkey", "id = right.example")
	// ourselves is for what Debian's strongSwan (5.9.8) has not: PEAP; and TLS 1.3 inside EAP, which it has but not as RFC 9190 and
	// RFC 9427 have it: as a client it crashes, crypto/tls cannot read its CertificateRequest, and the keys of its TTLS are others.
	// TestEAPRADIUS has both with FreeRADIUS, through a gateway of either kind.
	ourselves = []Pair{{Goswan, Goswan}}
)

// byEAP has the client use a method and the gateway prove itself by its certificate.
func byEAP(method string, more ...string) (client, gateway string) {
	return block("local", append([]string{"auth = eap-" + method, "id = left.example"}, more...)...) + gatewayIsCert,
		gatewayByCert + block("remote", "auth = eap-"+method, "id = left.example")
}

func succeeded(goswan, strongSwan string) says {
	return says{Goswan: `EAP method EAP-` + goswan + ` succeeded.*, (no )?MSK established(.*\n)*.*' with EAP successful`,
		StrongSwan: `EAP method EAP_` + strongSwan + ` succeeded, (no )?MSK established(.*\n)*.*' with EAP successful`}
}

func eapScenarios() (all []eapScenario) {
	add := func(s eapScenario, method string, more ...string) {
		if s.client == "" {
			s.client, s.gateway = byEAP(method, more...)
		}
		s.more = users
		all = append(all, s)
	}
	add(eapScenario{name: "MSCHAPv2", says: succeeded("MSCHAPv2", "MSCHAPV2")}, "mschapv2")
	add(eapScenario{name: "MD5", says: succeeded("MD5-Challenge", "MD5")}, "md5")
	add(eapScenario{
		name:    "MSCHAPv2 of whom the gateway asks",
		client:  block("local", "auth = eap", "id = left.example", "eap_id = alice@example.org") + gatewayIsCert,
		gateway: gatewayByCert + block("remote", "auth = eap-mschapv2", "eap_id = %any"),
		says: says{Goswan: `EAP method EAP-MSCHAPv2 succeeded(.*\n)*.*' with EAP successful`,
			StrongSwan: `EAP method EAP_MSCHAPV2 succeeded(.*\n)*.*' with EAP successful`},
	}, "")
	for tls, pairs := range map[string][]Pair{"1.2": nil, "1.3": ourselves} {
		add(eapScenario{name: "TLS " + tls, tls: tls, pairs: pairs, says: succeeded("TLS", "TLS")}, "tls", "certs = own.pem")
		add(eapScenario{name: "TTLS with TLS " + tls, tls: tls, pairs: pairs, says: succeeded("TTLS with EAP-MSCHAPv2", "TTLS")}, "ttls")
		add(eapScenario{name: "PEAP with TLS " + tls, tls: tls, pairs: ourselves, says: succeeded("PEAP with EAP-MSCHAPv2", "PEAP")}, "peap")
	}
	for tls, pairs := range map[string][]Pair{"1.2": nil, "1.3": ourselves} {
		add(eapScenario{
			name: "TLS " + tls + " alone", tls: tls, noEMS: tls == "1.2", pairs: pairs,
			client:  block("local", "auth = eap-tls", "id = left.example", "certs = own.pem") + block("remote", "auth = eap-tls", "id = right.example"),
			gateway: block("local", "auth = eap-tls", "id = right.example", "certs = own.pem") + block("remote", "auth = eap-tls", "id = left.example"),
			says:    succeeded("TLS", "TLS"),
		}, "")
	}
	add(eapScenario{
		name:    "a certificate, then MSCHAPv2",
		client:  clientByCert + block("local-1", "round = 1", "auth = eap-mschapv2", "id = left.example") + gatewayIsCert,
		gateway: gatewayByCert + block("remote-0", "round = 0", "auth = pubkey", "id = left.example") + block("remote-1", "round = 1", "auth = eap-mschapv2", "id = left.example"),
		says:    succeeded("MSCHAPv2", "MSCHAPV2"),
	}, "")
	add(eapScenario{
		name:    "a certificate, then a pre-shared key",
		client:  clientByCert + block("local-1", "round = 1", "auth = psk", "id = left.example") + gatewayIsCert,
		gateway: gatewayByCert + block("remote-0", "round = 0", "auth = pubkey", "id = left.example") + block("remote-1", "round = 1", "auth = psk", "id = left.example"),
		says:    says{Goswan: `ECDSA_WITH_SHA256_DER successful`, StrongSwan: `ECDSA_WITH_SHA256_DER successful`},
	}, "")
	return all
}

// TestEAP brings a tunnel up by each method of EAP, alone and behind a round of another kind.
func TestEAP(t *testing.T) {
	eachPair(t, pairs, "eap", Topology{}, func(t *testing.T, n *Net) {
		pair := Pair{n.Left.Daemon, n.Right.Daemon}
		for _, s := range eapScenarios() {
			fits := s.pairs == nil
			for _, p := range s.pairs {
				fits = fits || p == pair
			}
			if fits {
				t.Run(s.name, func(t *testing.T) { s.run(t, n) })
			}
		}
	})
}

func (s eapScenario) run(t *testing.T, n *Net) {
	s.configure(t, n)
	from := map[*Host]int{n.Left: len(n.Left.Log(t)), n.Right: len(n.Right.Log(t))}
	n.Left.Initiate(t, "net")
	n.WaitUp(t, "net")
	n.LeftLAN.Ping(t, n.RightLAN.IPv4)
	for _, h := range []*Host{n.Left, n.Right} {
		h.WaitLogFrom(t, from[h], s.says[h.Daemon])
		if s.tls != "" && h.Daemon == StrongSwan {
			h.WaitLogFrom(t, from[h], "negotiated TLS "+s.tls)
		}
	}
	n.Left.Terminate(t, "site")
	n.WaitGone(t)
}

// configure gives both ends new certificates and the scenario's configuration.
func (s eapScenario) configure(t *testing.T, n *Net) {
	t.Helper()
	root := issue(t, "ecdsa", "root", nil, nil)
	for name, h := range n.hosts() {
		h.certified(t, issue(t, "ecdsa", name, root, nil), root)
		h.WriteConfig(t, "more.conf", s.more)
		h.limitTLS(t, s.tls, s.noEMS)
	}
	n.Left.WriteConfig(t, "auth.conf", s.client)
	n.Right.WriteConfig(t, "auth.conf", s.gateway)
	for _, h := range n.hosts() {
		h.LoadCredentials(t)
	}
}

// limitTLS lets the daemon have no later version of TLS than this, "" for 1.2.
func (h *Host) limitTLS(t *testing.T, version string, noEMS bool) {
	t.Helper()
	if version == "" {
		version = "1.2"
	}
	ems := "yes"
	if noEMS {
		ems = "no"
	}
	h.Settings(t, fmt.Sprintf("libtls {\n\tversion_max = %s\n\textended_master_secret = %s\n}\n", version, ems))
}

// Settings adds to the host's strongswan.conf.
func (h *Host) Settings(t *testing.T, text string) {
	t.Helper()
	file, err := os.OpenFile(h.settingsFile(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	h.mustSwanctl(t, "--reload-settings")
}

// TestEAPRefused is a user with a wrong password, and one that nobody knows.
func TestEAPRefused(t *testing.T) {
	eachPair(t, pairs, "eap", Topology{}, func(t *testing.T, n *Net) {
		client, gateway := byEAP("mschapv2")
		s := eapScenario{client: client, gateway: gateway, more: users}
		for name, says := range map[string]says{
			"left.example": {Goswan: `EAP MSCHAPv2: BAD_CREDENTIALS: the password of .{0,2}left.example.{0,2} is wrong`, StrongSwan: `EAP-MS-CHAPv2 verification failed`},
			"nobody":       {Goswan: `EAP MSCHAPv2: BAD_CREDENTIALS: there is no user .{0,2}nobody`, StrongSwan: `no EAP key found for`},
		} {
			t.Run(name, func(t *testing.T) {
				s.gateway = gatewayByCert + block("remote", "auth = eap-mschapv2", "eap_id = %any")
				s.client = block("local", "auth = eap-mschapv2", "id = left.example", "eap_id = "+name) + gatewayIsCert
				s.configure(t, n)
				n.Left.WriteConfig(t, "more.conf", block("secrets", "eap-x {", "id = "+name, `secret = "quite wrong"`, "}"))
				n.Left.LoadCredentials(t)
				from := len(n.Right.Log(t))
				n.Left.InitiateFails(t, "net")
				n.Right.WaitLogFrom(t, from, says[n.Right.Daemon])
				n.WaitGone(t)
			})
		}
	})
}
