//go:build linux

package radius

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/eap"
	"github.com/goswan/goswan/ike/eap/eaptest"
	"github.com/goswan/goswan/ike/radius/radiustest"
	"github.com/goswan/goswan/tun/tuntest/need"
	"github.com/goswan/goswan/tun/tuntest/testns"
)

const (
	alice         = "alice"
	alicePassword = "correct horse"
	hostapd       = "/usr/sbin/hostapd"
	eapolTest     = "/usr/bin/eapol_test"
)

// foreign gives a namespace for a test with a program of others, which Debian has in a package. Where the test cannot
// run it is skipped, or fails (package need).
func foreign(t *testing.T, program, pkg string) *testns.Namespace {
	t.Helper()
	if _, err := os.Stat(program); err != nil {
		need.Lacking(t, fmt.Sprintf("it needs %s (Debian package %s)", program, pkg))
	}
	return testns.New(t)
}

// daemon is a program that runs until the test ends. Its output is shown when the test fails.
type daemon struct {
	mu  sync.Mutex // guards out
	out bytes.Buffer
}

func (d *daemon) output() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.out.String()
}

// start runs a program in a namespace and waits for a line that says it is ready.
func start(t *testing.T, ns *testns.Namespace, ready string, name string, args ...string) *daemon {
	t.Helper()
	d := &daemon{}
	cmd := exec.Command(name, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	ns.Do(t, cmd.Start)
	up, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for told := false; lines.Scan(); {
			d.mu.Lock()
			d.out.WriteString(lines.Text() + "\n")
			d.mu.Unlock()
			if !told && strings.Contains(lines.Text(), ready) {
				told = true
				close(up)
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-over
		_ = cmd.Wait()
		if t.Failed() {
			lines := strings.Split(d.output(), "\n")
			t.Logf("%s said:\n%s", name, strings.Join(lines[max(0, len(lines)-150):], "\n"))
		}
	})
	select {
	case <-up:
	case <-over:
		t.Fatalf("%s ended before it was ready:\n%s", name, d.output())
	}
	return d
}

// startFreeRADIUS is FreeRADIUS on loopback in a namespace of its own, and a client of it.
func startFreeRADIUS(t *testing.T, pki *eaptest.PKI) (*Client, *radiustest.FreeRADIUS) {
	t.Helper()
	ns := foreign(t, radiustest.FreeRADIUSProgram, "freeradius")
	server := radiustest.NewFreeRADIUS(t, radiustest.FreeRADIUSConfig{PKI: pki, Users: freeradiusUsers})
	start(t, ns, radiustest.FreeRADIUSReady, server.Command[0], server.Command[1:]...)
	c, err := New(Config{
		Servers: []Server{{Auth: server.Auth, Accounting: server.Accounting, Secret: secret.Bytes(radiustest.Secret)}},
		// Nothing is lost on loopback: a server that is slow is waited for.
		Timeout: time.Minute,
		Dial:    within(t, ns),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, server
}

const freeradiusUsers = `alice Cleartext-Password := "correct horse"
	Framed-IP-Address = 10.3.2.1,
	Class = 0x7374616666,
	Filter-Id = "vpn",
	Session-Timeout = 3600

0alice Cleartext-Password := "correct horse"
`

// within makes sockets in a namespace.
func within(t *testing.T, ns *testns.Namespace) func(context.Context, netip.AddrPort) (net.Conn, error) {
	return func(_ context.Context, to netip.AddrPort) (conn net.Conn, err error) {
		ns.Do(t, func() error {
			conn, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
			return nil
		})
		return conn, err
	}
}

// passThrough lets a peer of ours talk to a RADIUS server through our pass-through authenticator.
func passThrough(t *testing.T, c *Client, peer *eap.Peer) (atServer, atPeer *eap.Result) {
	t.Helper()
	m := eap.NewPassThrough(eap.PassThroughConfig{})
	defer m.Wipe()
	defer peer.Wipe()
	for step := m.Start(); ; {
		switch {
		case step.Ask != nil:
			a, err := c.Ask(context.Background(), *step.Ask, Caller{SessionID: "1", Remote: netip.MustParseAddrPort("192.0.2.1:4500")})
			step = m.Answer(a, err)
			continue
		case step.Discarded != nil:
			t.Fatalf("the pass-through authenticator discards: %v", step.Discarded)
		}
		if step.Done != nil {
			atServer = step.Done
		}
		if step.Send == nil {
			return atServer, atPeer
		}
		answer := peer.Receive(time.Now(), step.Send)
		if answer.Done != nil {
			atPeer = answer.Done
		}
		if answer.Send == nil {
			if answer.Discarded != nil {
				t.Fatalf("the peer discards: %v", answer.Discarded)
			}
			return atServer, atPeer
		}
		step = m.Receive(time.Now(), answer.Send)
	}
}

func newPeer(t *testing.T, methods ...eap.PeerMethod) *eap.Peer {
	t.Helper()
	peer, err := eap.NewPeer(eap.PeerConfig{Identity: alice, Methods: methods, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	return peer
}

// method is one way to authenticate, with a password.
type method struct {
	name string
	keys bool
	make func(password string) eap.PeerMethod
}

// methods are all that our peer can do; version is of TLS.
func methods(pki *eaptest.PKI) (all []method) {
	md5 := func(p string) eap.PeerMethod { return eap.PeerMD5{Password: secret.Bytes(p)} }
	gtc := func(p string) eap.PeerMethod { return eap.PeerGTC{Password: secret.Bytes(p)} }
	mschapv2 := func(p string) eap.PeerMethod { return eap.PeerMSCHAPv2{Name: alice, Password: secret.Bytes(p)} }
	all = []method{{"MD5", false, md5}, {"GTC", false, gtc}, {"MSCHAPv2", true, mschapv2}}
	for version, suffix := range map[uint16]string{tls.VersionTLS12: " TLS 1.2", tls.VersionTLS13: " TLS 1.3"} {
		config := eap.TLSConfig{Roots: pki.Roots, Names: []string{eaptest.ServerName}, MinVersion: version, MaxVersion: version, FragmentSize: 500}
		for inner, in := range map[string]func(string) eap.PeerMethod{"MD5": md5, "GTC": gtc, "MSCHAPv2": mschapv2} {
			all = append(all, method{"TTLS/EAP-" + inner + suffix, true, func(p string) eap.PeerMethod {
				return eap.PeerTTLS{TLS: config, Name: alice, Methods: []eap.PeerMethod{in(p)}}
			}})
			if inner != "MD5" {
				all = append(all, method{"PEAP/" + inner + suffix, true, func(p string) eap.PeerMethod {
					return eap.PeerPEAP{TLS: config, Identity: alice, Methods: []eap.PeerMethod{in(p)}}
				}})
			}
		}
		for _, inner := range []eap.Inner{eap.InnerPAP, eap.InnerMSCHAPv2} {
			all = append(all, method{"TTLS/" + inner.String() + suffix, true, func(p string) eap.PeerMethod {
				return eap.PeerTTLS{TLS: config, Name: alice, Password: secret.Bytes(p), Inner: inner}
			}})
		}
	}
	return all
}

func wantSuccess(t *testing.T, atServer, atPeer *eap.Result, keys bool) {
	t.Helper()
	if atServer == nil || atPeer == nil || atServer.Err != nil || atPeer.Err != nil {
		t.Fatalf("the server ended with %v, the peer with %v; want success", failure(atServer), failure(atPeer))
	}
	if keys && (len(atServer.MSK) != 64 || !atServer.MSK.Equal(atPeer.MSK)) {
		t.Errorf("the MSKs have %d and %d octets and are not the same 64", len(atServer.MSK), len(atPeer.MSK))
	}
	if !keys && atPeer.MSK != nil {
		t.Error("the peer has keys of a method that makes none")
	}
}

// failure is why a conversation failed, in words also where it did not end.
func failure(r *eap.Result) error {
	if r == nil {
		return errors.New("no end")
	}
	if r.Err == nil {
		return nil
	}
	return r.Err
}

func TestForeignFreeRADIUS(t *testing.T) {
	pki := eaptest.NewPKI(t, time.Now())
	c, server := startFreeRADIUS(t, pki)
	for _, m := range methods(pki) {
		t.Run(m.name, func(t *testing.T) {
			atServer, atPeer := passThrough(t, c, newPeer(t, m.make(alicePassword)))
			wantSuccess(t, atServer, atPeer, m.keys)
			if want := []netip.Addr{netip.MustParseAddr("10.3.2.1")}; !reflect.DeepEqual(atServer.Grant.Addresses, want) ||
				atServer.Grant.SessionTimeout != time.Hour || !reflect.DeepEqual(atServer.Grant.Filters, []string{"vpn"}) ||
				len(atServer.Grant.Classes) != 1 || string(atServer.Grant.Classes[0]) != "staff" {
				t.Errorf("the grant is %+v", atServer.Grant)
			}
			atServer, atPeer = passThrough(t, c, newPeer(t, m.make("wrong horse")))
			if atServer == nil || atServer.Err == nil || atServer.Err.Kind != eap.Refused || atPeer == nil || atPeer.Err == nil {
				t.Errorf("with a wrong password the server ended with %v, the peer with %v", failure(atServer), failure(atPeer))
			}
		})
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(fmt.Sprintf("TLS %#x", version), func(t *testing.T) {
			config := eap.TLSConfig{
				Certificates: []tls.Certificate{pki.Client}, Roots: pki.Roots, Names: []string{eaptest.ServerName},
				MinVersion: version, MaxVersion: version, FragmentSize: 200,
			}
			atServer, atPeer := passThrough(t, c, newPeer(t, eap.PeerTLS{TLS: config}))
			wantSuccess(t, atServer, atPeer, true)
			config.Certificates = []tls.Certificate{pki.Expired}
			atServer, atPeer = passThrough(t, c, newPeer(t, eap.PeerTLS{TLS: config}))
			if atServer == nil || atServer.Err == nil || atPeer == nil || atPeer.Err == nil || !atPeer.Err.ByPeer {
				t.Errorf("with an expired certificate the server ended with %v, the peer with %v", failure(atServer), failure(atPeer))
			}
			config.Names = []string{"other.example.com"}
			if _, atPeer = passThrough(t, c, newPeer(t, eap.PeerTLS{TLS: config})); atPeer == nil || atPeer.Err == nil || atPeer.Err.Kind != eap.BadCertificate {
				t.Errorf("with another name in the server's certificate the peer ended with %v", failure(atPeer))
			}
		})
	}
	t.Run("accounting", func(t *testing.T) {
		for _, status := range []Status{Start, Interim, Stop} {
			err := c.Account(context.Background(), Record{
				Caller: Caller{SessionID: "session-7"}, Status: status, Identity: alice, InOctets: 5<<32 | 6, Cause: UserRequest,
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		detail := server.Accounts(t)
		for _, want := range []string{"Acct-Status-Type = Start", "Acct-Status-Type = Interim-Update", "Acct-Status-Type = Stop",
			`Acct-Session-Id = "session-7"`, "Acct-Input-Gigawords = 5", "Acct-Terminate-Cause = User-Request"} {
			if !strings.Contains(detail, want) {
				t.Errorf("FreeRADIUS's account has no %q:\n%s", want, detail)
			}
		}
	})
	t.Run("a prefix of identities", func(t *testing.T) {
		config := c.config
		config.IdentityPrefix = "0"
		prefixing, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		atServer, atPeer := passThrough(t, prefixing, newPeer(t, methods(pki)[0].make(alicePassword)))
		wantSuccess(t, atServer, atPeer, false)
	})
	t.Run("wrong shared secret", func(t *testing.T) {
		config := c.config
		config.Tries, config.Timeout = 1, time.Millisecond
		config.Servers = []Server{{Auth: config.Servers[0].Auth, Secret: secret.Bytes("other")}}
		stranger, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		atServer, _ := passThrough(t, stranger, newPeer(t, methods(pki)[0].make(alicePassword)))
		if atServer == nil || atServer.Err == nil || atServer.Err.Kind != eap.BackendFailed {
			t.Errorf("with another secret the server ended with %v", failure(atServer))
		}
	})
}
