//go:build linux

package lab

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/ike/eap/eaptest"
	"github.com/goswan/goswan/ike/radius/radiustest"
)

// radiusAddr is where FreeRADIUS listens: the gateway's router.
const radiusAddr = "198.51.100.1"

// radiusUsers are whom FreeRADIUS knows, and what it grants to the one.
const radiusUsers = eaptest.ClientName + ` Cleartext-Password := "correct horse"
	Framed-IP-Address = 10.3.0.77,
	Class = 0x7374616666,
	Acct-Interim-Interval = 3600
`

// freeRADIUS is one that runs.
type freeRADIUS struct {
	*radiustest.FreeRADIUS
	said func() string
}

// startFreeRADIUS runs FreeRADIUS on the router.
func (n *Net) startFreeRADIUS(t *testing.T, pki *eaptest.PKI) *freeRADIUS {
	t.Helper()
	server := radiustest.NewFreeRADIUS(t, radiustest.FreeRADIUSConfig{
		Address: netip.MustParseAddr(radiusAddr), Clients: netip.MustParsePrefix(RightOuter + "/32"), PKI: pki, Users: radiusUsers,
	})
	log := filepath.Join(server.Dir, "log")
	out, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	cmd := n.Router.Command(t.Context(), server.Command[0], server.Command[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := func() string {
		text, _ := os.ReadFile(log)
		return string(text)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = out.Close()
		if t.Failed() {
			t.Logf("last lines of FreeRADIUS:\n%s", tail(said(), 80))
		}
	})
	waitFor(t, "FreeRADIUS is ready", func() (bool, string) { return strings.Contains(said(), radiustest.FreeRADIUSReady), tail(said(), 20) })
	return &freeRADIUS{server, said}
}

// radiusSettings has a gateway ask FreeRADIUS, and tell it of sessions.
var radiusSettings = fmt.Sprintf(`charon {
	plugins {
		eap-radius {
			accounting = yes
			class_group = yes
			servers {
				lab {
					address = %s
					secret = %s
				}
			}
		}
	}
}
`, radiusAddr, radiustest.Secret)

// radiusMethod is a way for a client to prove itself to FreeRADIUS.
type radiusMethod struct {
	name string
	auth []string // of the client's section local
	tls  bool     // there is TLS in it
	only Daemon   // the client has to be this one; "" is either
	says string   // of a goswan client
}

var radiusMethods = []radiusMethod{
	{name: "MD5", auth: []string{"auth = eap-md5"}, says: `EAP-MD5-Challenge succeeded`},
	{name: "MSCHAPv2", auth: []string{"auth = eap-mschapv2"}, says: `EAP-MSCHAPv2 succeeded`},
	{name: "TLS", tls: true, auth: []string{"auth = eap-tls", "certs = alice.pem"}, says: `EAP-TLS succeeded`},
	{name: "TTLS", tls: true, auth: []string{"auth = eap-ttls"}, says: `EAP-TTLS with EAP-MD5-Challenge succeeded`},
	{name: "TTLS with PAP", tls: true, auth: []string{"auth = eap-ttls", "ttls_inner = pap"}, only: Goswan, says: `EAP-TTLS with PAP succeeded`},
	{name: "TTLS with MSCHAPv2", tls: true, auth: []string{"auth = eap-ttls", "ttls_inner = mschapv2"}, only: Goswan, says: `EAP-TTLS with MSCHAPv2 succeeded`},
	{name: "PEAP", tls: true, auth: []string{"auth = eap-peap"}, only: Goswan, says: `EAP-PEAP with EAP-MSCHAPv2 succeeded`},
	{name: "what is asked for", auth: []string{"auth = eap"}, only: Goswan, says: `EAP-[A-Z].* succeeded`},
}

// TestEAPRADIUS has FreeRADIUS decide about the clients of a gateway, and give them their addresses; it is told of the sessions.
func TestEAPRADIUS(t *testing.T) {
	eachPair(t, pairs, "eap", Topology{}, func(t *testing.T, n *Net) {
		pki := eaptest.NewPKI(t, time.Now())
		server := n.startFreeRADIUS(t, pki)
		n.Right.Settings(t, radiusSettings)
		n.radiusCredentials(t, pki)
		if n.Right.Daemon == StrongSwan {
			n.Right.Restart(t) // its plugin looks once whether it is to keep accounts
		}
		n.Right.WriteConfig(t, "auth.conf", gatewayByCert+block("remote", "auth = eap-radius", "eap_id = %any", "groups = guests, staff")+
			"pools = radius\nchildren {\n\tnet {\n\t\tremote_ts = dynamic\n\t}\n}\n")
		n.Right.LoadCredentials(t)
		for _, m := range radiusMethods {
			if m.only == "" || m.only == n.Left.Daemon {
				t.Run(m.name, func(t *testing.T) { m.run(t, n, server) })
			}
		}
		n.Left.WriteConfig(t, "more.conf", block("secrets", "eap-x {", "id = "+eaptest.ClientName, `secret = "quite wrong"`, "}"))
		t.Run("refused", func(t *testing.T) { n.refusedByRADIUS(t) })
	})
}

// radiusCredentials gives the client the certificate that FreeRADIUS knows, and what it has to believe.
func (n *Net) radiusCredentials(t *testing.T, pki *eaptest.PKI) {
	t.Helper()
	root := issue(t, "ecdsa", "root", nil, nil)
	for name, h := range n.hosts() {
		h.certified(t, issue(t, "ecdsa", name, root, nil), root)
		h.WriteConfig(t, "more.conf", "")
	}
	leaf, err := x509.ParseCertificate(pki.Client.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	alice := &identity{leaf, pki.Client.PrivateKey.(crypto.Signer)}
	n.Left.knows(t, "x509", "alice.pem", alice)
	n.Left.privateKey(t, alice.key)
	n.Left.knows(t, "x509ca", "aaa.pem", &identity{cert: pki.Authority})
	n.Left.WriteConfig(t, "more.conf", block("secrets", "eap-x {", "id = "+eaptest.ClientName, `secret = "correct horse"`, "}"))
	if n.Left.Daemon == StrongSwan {
		n.Left.limitTLS(t, "1.2", false)
	}
}

func (m radiusMethod) client() string {
	return "vips = 0.0.0.0\nchildren {\n\tnet {\n\t\tlocal_ts = dynamic\n\t}\n}\n" + gatewayIsCert +
		block("local", append([]string{"id = left.example", "eap_id = " + eaptest.ClientName, "aaa_id = " + eaptest.ServerName}, m.auth...)...)
}

func (m radiusMethod) run(t *testing.T, n *Net, server *freeRADIUS) {
	n.Left.WriteConfig(t, "auth.conf", m.client())
	n.Left.LoadCredentials(t)
	from, said := len(n.Left.Log(t)), len(server.said())
	sessions := len(sessionsOf(server.Accounts(t)))
	n.Left.Initiate(t, "net")
	n.WaitUp(t, "net")
	n.Left.Ping(t, n.RightLAN.IPv4)
	if got := fmt.Sprint(n.Left.Child(t, "net").LocalTS); got != "[10.3.0.77/32]" {
		t.Errorf("the client's Child SA is for %s, want the address that FreeRADIUS gave, 10.3.0.77", got)
	}
	if n.Left.Daemon == Goswan {
		n.Left.WaitLogFrom(t, from, m.says)
		if m.tls && !strings.Contains(server.said()[said:], `TLS-Session-Version = "TLS 1.3"`) {
			t.Error("FreeRADIUS does not say that it was TLS 1.3")
		}
	}
	n.Left.Terminate(t, "site")
	n.WaitGone(t)
	waitFor(t, "FreeRADIUS is told of the end", func() (bool, string) {
		all := sessionsOf(server.Accounts(t))
		return len(all) > sessions && all[len(all)-1].stopped, server.Accounts(t)
	})
	last := sessionsOf(server.Accounts(t))[sessions]
	for _, want := range []string{`User-Name = "` + eaptest.ClientName + `"`, "Framed-IP-Address = 10.3.0.77", "Calling-Station-Id = \"" + LeftOuter} {
		if !strings.Contains(last.text, want) {
			t.Errorf("FreeRADIUS is not told %s but\n%s", want, last.text)
		}
	}
	if octets := regexp.MustCompile(`Acct-Input-Octets = ([1-9]\d*)`).FindString(last.text); octets == "" {
		t.Errorf("FreeRADIUS is told of no octets:\n%s", last.text)
	}
}

// session is what FreeRADIUS was told of one.
type session struct {
	text    string
	stopped bool
}

// sessionsOf takes FreeRADIUS's accounts apart, which have a record in each paragraph.
func sessionsOf(accounts string) (all []session) {
	index := map[string]int{}
	for _, record := range strings.Split(accounts, "\n\n") {
		id := regexp.MustCompile(`Acct-Session-Id = "(.*)"`).FindStringSubmatch(record)
		if id == nil {
			continue
		}
		if _, known := index[id[1]]; !known {
			index[id[1]] = len(all)
			all = append(all, session{})
		}
		s := &all[index[id[1]]]
		s.text += record + "\n\n"
		s.stopped = s.stopped || strings.Contains(record, "Acct-Status-Type = Stop")
	}
	return all
}

// refusedByRADIUS is a client with a wrong password.
func (n *Net) refusedByRADIUS(t *testing.T) {
	n.Left.WriteConfig(t, "auth.conf", radiusMethods[1].client())
	n.Left.LoadCredentials(t)
	from := len(n.Right.Log(t))
	n.Left.InitiateFails(t, "net")
	n.Right.WaitLogFrom(t, from, map[Daemon]string{
		// A client that believes the failure leaves before FreeRADIUS says so.
		Goswan:     `EAP: REFUSED: the authentication server refused the peer|the peer refused us`,
		StrongSwan: `RADIUS authentication of '` + eaptest.ClientName + `' failed|received AUTHENTICATION_FAILED`,
	}[n.Right.Daemon])
	n.WaitGone(t)
}
