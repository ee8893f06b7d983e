package eap_test

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/eap"
	"github.com/goswan/goswan/ike/eap/eaptest"
	"github.com/goswan/goswan/ike/eap/mschap"
)

const (
	user     = "alice"
	password = "correct horse £ battery"
)

// users has one user.
func users(identity string) (eap.Account, bool) {
	return eap.Account{Password: secret.Bytes(password)}, identity == user
}

// scenario is one method on both sides: how the peer does it, with what password, and how the server does.
type scenario struct {
	name   string
	inner  string
	keys   bool // it makes an MSK
	peer   func(password string) eap.PeerMethod
	server func() eap.ServerMethod
}

func theTLS(pki *eaptest.PKI, version uint16, size int, own ...tls.Certificate) eap.TLSConfig {
	return eap.TLSConfig{
		Certificates: own, Roots: pki.Roots, Names: []string{eaptest.ServerName},
		MinVersion: version, MaxVersion: version, FragmentSize: size,
	}
}

// plain are the methods without TLS.
func plain() []scenario {
	return []scenario{
		{"MD5", "", false,
			func(p string) eap.PeerMethod { return eap.PeerMD5{Password: secret.Bytes(p)} },
			func() eap.ServerMethod { return eap.ServerMD5{Users: users} }},
		{"GTC", "", false,
			func(p string) eap.PeerMethod { return eap.PeerGTC{Password: secret.Bytes(p)} },
			func() eap.ServerMethod { return eap.ServerGTC{Users: users} }},
		{"MSCHAPv2", "", true,
			func(p string) eap.PeerMethod { return eap.PeerMSCHAPv2{Name: user, Password: secret.Bytes(p)} },
			func() eap.ServerMethod { return eap.ServerMSCHAPv2{Users: users} }},
		{"MSCHAPv2 with a domain", "", true,
			func(p string) eap.PeerMethod {
				return eap.PeerMSCHAPv2{Name: `EXAMPLE\` + user, Password: secret.Bytes(p)}
			},
			func() eap.ServerMethod { return eap.ServerMSCHAPv2{Users: users} }},
		{"MSCHAPv2 by hash", "", true,
			func(p string) eap.PeerMethod { return eap.PeerMSCHAPv2{Name: user, Password: secret.Bytes(p)} },
			func() eap.ServerMethod {
				return eap.ServerMSCHAPv2{Users: func(identity string) (eap.Account, bool) {
					return eap.Account{NTHash: mschap.NTHash(secret.Bytes(password))}, identity == user
				}}
			}},
	}
}

// tunnelled are the methods inside TTLS and PEAP, in one version of TLS and one size of fragments.
func tunnelled(pki *eaptest.PKI, version uint16, size int) []scenario {
	serverTLS, peerTLS := theTLS(pki, version, size, pki.Server), theTLS(pki, version, size)
	inPeer := map[string]func(p string) eap.PeerMethod{}
	inServer := map[string]eap.ServerMethod{}
	for _, s := range plain()[:3] {
		inPeer[s.name], inServer[s.name] = s.peer, s.server()
	}
	var all []scenario
	ttls := func(inner string, peer func(p string) eap.PeerTTLS, server eap.ServerTTLS) {
		server.TLS = serverTLS
		all = append(all, scenario{"TTLS/" + inner, inner, true, func(p string) eap.PeerMethod {
			method := peer(p)
			method.TLS, method.Name = peerTLS, user
			return method
		}, func() eap.ServerMethod { return server }})
	}
	for kind, name := range map[eap.Inner]string{eap.InnerPAP: "PAP", eap.InnerMSCHAPv2: "MSCHAPv2"} {
		ttls(name, func(p string) eap.PeerTTLS { return eap.PeerTTLS{Inner: kind, Password: secret.Bytes(p)} }, eap.ServerTTLS{Users: users})
	}
	for inner, method := range inPeer {
		name := method(password).Type().String()
		ttls(name, func(p string) eap.PeerTTLS { return eap.PeerTTLS{Methods: []eap.PeerMethod{method(p)}} },
			eap.ServerTTLS{Methods: []eap.ServerMethod{inServer[inner]}})
		if inner == "MD5" {
			continue
		}
		for _, binding := range []eap.Binding{eap.BindingOptional, eap.BindingRequired, eap.BindingOff} {
			all = append(all, scenario{fmt.Sprintf("PEAP/%s binding %d", name, binding), name, true, func(p string) eap.PeerMethod {
				return eap.PeerPEAP{TLS: peerTLS, Identity: user, Methods: []eap.PeerMethod{method(p)}, Binding: binding}
			}, func() eap.ServerMethod {
				return eap.ServerPEAP{TLS: serverTLS, Methods: []eap.ServerMethod{inServer[inner]}, Binding: binding}
			}})
		}
	}
	return all
}

// everyTLS calls f for both versions of TLS, with fragments that are small, of the usual size, and larger than all.
func everyTLS(t *testing.T, f func(t *testing.T, version uint16, size int)) {
	for version, name := range map[uint16]string{tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3"} {
		for _, size := range []int{100, 0, 8192} {
			t.Run(fmt.Sprintf("TLS %s fragments of %d", name, size), func(t *testing.T) { f(t, version, size) })
		}
	}
}

func newServer(t testing.TB, methods ...eap.ServerMethod) *eap.Server {
	t.Helper()
	server, err := eap.NewServer(eap.ServerConfig{Methods: methods, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Wipe)
	return server
}

func newPeer(t testing.TB, identity string, methods ...eap.PeerMethod) *eap.Peer {
	t.Helper()
	peer, err := eap.NewPeer(eap.PeerConfig{Identity: identity, Methods: methods, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(peer.Wipe)
	return peer
}

// wantSuccess checks that both ends agree about a good end and its keys.
func wantSuccess(t *testing.T, atServer, atPeer *eap.Result, identity string, keys bool) {
	t.Helper()
	if atServer == nil || atPeer == nil {
		t.Fatalf("the server's result is %v, the peer's %v: want both", atServer, atPeer)
	}
	if atServer.Err != nil || atPeer.Err != nil {
		t.Fatalf("the server says %v, the peer %v: want success", atServer.Err, atPeer.Err)
	}
	if atServer.Identity != identity {
		t.Errorf("the server authenticated %q, want %q", atServer.Identity, identity)
	}
	if !keys {
		if atServer.MSK != nil || atPeer.MSK != nil {
			t.Error("a method without keys has an MSK")
		}
		return
	}
	if len(atServer.MSK) != 64 || !atServer.MSK.Equal(atPeer.MSK) {
		t.Errorf("the MSKs have %d and %d octets and are not the same 64", len(atServer.MSK), len(atPeer.MSK))
	}
	if atServer.MSK.Equal(make(secret.Bytes, 64)) {
		t.Error("the MSK is zeros")
	}
	if !atServer.EMSK.Equal(atPeer.EMSK) {
		t.Error("the EMSKs differ")
	}
}

func wantFailure(t *testing.T, who string, result *eap.Result, kind eap.Kind) {
	t.Helper()
	switch {
	case result == nil:
		t.Errorf("the %s has no result, want %s", who, kind)
	case result.Err == nil:
		t.Errorf("the %s succeeded, want %s", who, kind)
	case result.Err.Kind != kind:
		t.Errorf("the %s failed with %v, want %s", who, result.Err, kind)
	case result.MSK != nil || result.EMSK != nil:
		t.Errorf("the %s failed and has keys", who)
	}
}

func TestMethods(t *testing.T) {
	check := func(t *testing.T, s scenario) {
		t.Run(s.name, func(t *testing.T) {
			atServer, atPeer, _ := eaptest.Converse(newServer(t, s.server()), newPeer(t, user, s.peer(password)), nil)
			wantSuccess(t, atServer, atPeer, user, s.keys)
			if atServer != nil && (atServer.InnerName != s.inner || atPeer.InnerName != s.inner) {
				t.Errorf("inside the tunnel the server saw %q and the peer %q, want %q", atServer.InnerName, atPeer.InnerName, s.inner)
			}
		})
	}
	for _, s := range plain() {
		check(t, s)
	}
	pki := eaptest.NewPKI(t, eaptest.Now)
	everyTLS(t, func(t *testing.T, version uint16, size int) {
		for _, s := range tunnelled(pki, version, size) {
			check(t, s)
		}
	})
}

func TestTLS(t *testing.T) {
	pki := eaptest.NewPKI(t, eaptest.Now)
	everyTLS(t, func(t *testing.T, version uint16, size int) {
		server := newServer(t, eap.ServerTLS{TLS: theTLS(pki, version, size, pki.Server)})
		peer := newPeer(t, "anonymous@example.com", eap.PeerTLS{TLS: theTLS(pki, version, size, pki.Client)})
		atServer, atPeer, _ := eaptest.Converse(server, peer, nil)
		wantSuccess(t, atServer, atPeer, eaptest.ClientName, true)
		if len(atServer.EMSK) != 64 {
			t.Errorf("the EMSK has %d octets, want 64", len(atServer.EMSK))
		}
		if len(atServer.Certificates) == 0 || len(atPeer.Certificates) == 0 {
			t.Error("the certificates of the other side are not told")
		}
	})
}

func TestTLSVersionsMeetOrNot(t *testing.T) {
	pki := eaptest.NewPKI(t, eaptest.Now)
	server := newServer(t, eap.ServerTLS{TLS: theTLS(pki, tls.VersionTLS13, 0, pki.Server)})
	peer := newPeer(t, user, eap.PeerTLS{TLS: theTLS(pki, tls.VersionTLS12, 0, pki.Client)})
	atServer, atPeer, _ := eaptest.Converse(server, peer, nil)
	wantFailure(t, "server", atServer, eap.TLSFailed)
	wantFailure(t, "peer", atPeer, eap.TLSFailed)
	if !atPeer.Err.ByPeer {
		t.Errorf("the peer does not know that it was told of the failure: %v", atPeer.Err)
	}
}

// TestWrongPassword wants of a wrong password and of an unknown user the same packets in the same order, as far as they
// are not random: nobody can ask which users there are.
func TestWrongPassword(t *testing.T) {
	pki := eaptest.NewPKI(t, eaptest.Now)
	scenarios := append(plain(), tunnelled(pki, tls.VersionTLS12, 0)...)
	scenarios = append(scenarios, tunnelled(pki, tls.VersionTLS13, 0)...)
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			atServer, atPeer, known := eaptest.Converse(newServer(t, s.server()), newPeer(t, user, s.peer("wrong horse")), nil)
			wantFailure(t, "server", atServer, eap.BadCredentials)
			if atPeer == nil || atPeer.Err == nil {
				t.Fatalf("the peer's result is %v, want a failure", atPeer)
			}
			nobody := strangers(s)
			atServer, atPeer, unknown := eaptest.Converse(newServer(t, nobody), newPeer(t, user, s.peer("wrong horse")), nil)
			wantFailure(t, "server", atServer, eap.BadCredentials)
			if atPeer == nil || atPeer.Err == nil {
				t.Fatalf("the peer's result is %v, want a failure", atPeer)
			}
			if !strings.Contains(atServer.Err.Error(), "no user") {
				t.Errorf("the operator is told %q of an unknown user", atServer.Err)
			}
			if shapes(known) != shapes(unknown) {
				t.Errorf("a wrong password looks like\n%s\nan unknown user like\n%s", shapes(known), shapes(unknown))
			}
		})
	}
}

// strangers is the scenario's server without any user.
func strangers(s scenario) eap.ServerMethod {
	none := func(string) (eap.Account, bool) { return eap.Account{}, false }
	var replace func(m eap.ServerMethod) eap.ServerMethod
	all := func(methods []eap.ServerMethod) (replaced []eap.ServerMethod) {
		for _, m := range methods {
			replaced = append(replaced, replace(m))
		}
		return replaced
	}
	replace = func(m eap.ServerMethod) eap.ServerMethod {
		switch m := m.(type) {
		case eap.ServerMD5:
			m.Users = none
			return m
		case eap.ServerGTC:
			m.Users = none
			return m
		case eap.ServerMSCHAPv2:
			m.Users = none
			return m
		case eap.ServerTTLS:
			if m.Users != nil {
				m.Users = none
			}
			m.Methods = all(m.Methods)
			return m
		case eap.ServerPEAP:
			m.Methods = all(m.Methods)
			return m
		}
		panic(fmt.Sprintf("%T has users?", m))
	}
	return replace(s.server())
}

// shapes is what can be seen of packets: code, type and roughly the length, which TLS signatures vary by an octet or two.
func shapes(packets [][]byte) string {
	var b strings.Builder
	for _, octets := range packets {
		packet, err := eap.Parse(octets)
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&b, "%s/%s about %d\n", packet.Code, packet.Type, (len(octets)+8)/64)
	}
	return b.String()
}

func TestCertificates(t *testing.T) {
	pki := eaptest.NewPKI(t, eaptest.Now)
	own := func(c tls.Certificate) func(*eap.TLSConfig) {
		return func(config *eap.TLSConfig) { config.Certificates = []tls.Certificate{c} }
	}
	nothing := func(*eap.TLSConfig) {}
	for _, tc := range []struct {
		name         string
		server, peer func(*eap.TLSConfig)
		byServer     bool // the server is who refuses
		says         string
	}{
		{"the client's is too old", nothing, own(pki.Expired), true, "expired"},
		{"the client's is by another authority", nothing, own(pki.Forged), true, "unknown authority"},
		{"the client's is a server's", nothing, own(pki.Server), true, "incompatible key usage"},
		{"the server's is a client's", own(pki.Client), nothing, false, "incompatible key usage"},
		{"the server's is too old", own(pki.Expired), nothing, false, "expired"},
		{"the server's is by another authority", own(pki.Forged), nothing, false, "unknown authority"},
		{"the server has another name", nothing, func(c *eap.TLSConfig) { c.Names = []string{"radius.example.com"} }, false, "another name"},
		{"the server's is refused by policy", nothing, func(c *eap.TLSConfig) {
			c.Verify = func(time.Time, []*x509.Certificate) error { return errors.New("it is on a list") }
		}, false, "on a list"},
		{"the client's is refused by policy", func(c *eap.TLSConfig) {
			c.Verify = func(now time.Time, chain []*x509.Certificate) error {
				if !now.Equal(eaptest.Now) || len(chain) == 0 {
					return errors.New("the facts are wrong")
				}
				return errors.New("it is on a list")
			}
		}, nothing, true, "on a list"},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(fmt.Sprintf("%s %#x", tc.name, version), func(t *testing.T) {
				serverTLS, peerTLS := theTLS(pki, version, 0, pki.Server), theTLS(pki, version, 0, pki.Client)
				tc.server(&serverTLS)
				tc.peer(&peerTLS)
				atServer, atPeer, _ := eaptest.Converse(newServer(t, eap.ServerTLS{TLS: serverTLS}),
					newPeer(t, user, eap.PeerTLS{TLS: peerTLS}), nil)
				refuses, learns, who := atPeer, atServer, "peer"
				if tc.byServer {
					refuses, learns, who = atServer, atPeer, "server"
				}
				wantFailure(t, who, refuses, eap.BadCertificate)
				if learns == nil || learns.Err == nil || !learns.Err.ByPeer {
					t.Fatalf("the other side of the %s ended with %v, want that it was refused", who, learns)
				}
				if text := refuses.Err.Error(); !strings.Contains(text, tc.says) {
					t.Errorf("the %s says %q, which has no %q", who, text, tc.says)
				}
				if strings.Contains(tc.name, "another name") &&
					(!strings.Contains(refuses.Err.Offered, eaptest.ServerName) || refuses.Err.Acceptable != "radius.example.com") {
					t.Errorf("offered %q, acceptable %q: want the certificate's names and ours", refuses.Err.Offered, refuses.Err.Acceptable)
				}
			})
		}
	}
}

func TestMSCHAPv2Retry(t *testing.T) {
	server := newServer(t, eap.ServerMSCHAPv2{Users: users, Retries: 1})
	peer := newPeer(t, user, eap.PeerMSCHAPv2{Name: user, Password: secret.Bytes("wrong horse")})
	var said string
	atServer, atPeer, _ := eaptest.Converse(server, peer, func(fromServer bool, packet []byte) []byte {
		if p, err := eap.Parse(packet); err == nil && fromServer && len(p.Data) > 4 && p.Data[0] == 4 {
			said = string(p.Data[4:])
		}
		return packet
	})
	wantFailure(t, "server", atServer, eap.BadCredentials)
	wantFailure(t, "peer", atPeer, eap.BadCredentials)
	if !strings.HasPrefix(said, "E=691 R=1 C=") || !strings.Contains(said, " V=3 M=") {
		t.Errorf("the server says %q", said)
	}
	if !strings.Contains(atPeer.Err.Text, "wrong name or password") || !atPeer.Err.ByPeer {
		t.Errorf("the peer's reason is %v", atPeer.Err)
	}
}

// TestSecretsStayInside looks for the password in everything a conversation prints.
func TestSecretsStayInside(t *testing.T) {
	for _, s := range plain() {
		server, peer := newServer(t, s.server()), newPeer(t, user, s.peer(password))
		atServer, atPeer, _ := eaptest.Converse(server, peer, nil)
		out := fmt.Sprintf("%v %+v %#v %v %+v %#v", atServer, atServer, atServer, atPeer, atPeer, atPeer)
		out += fmt.Sprintf("%v %+v %#v %v %#v %v %#v", s.peer(password), s.peer(password), s.peer(password), server, server, peer, peer)
		if strings.Contains(out, "horse") || strings.Contains(out, "104 111 114 115") {
			t.Errorf("%s: the password shows in %s", s.name, out)
		}
	}
}
