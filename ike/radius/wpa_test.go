//go:build linux

package radius

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/eap"
	"github.com/goswan/goswan/ike/eap/eaptest"
	"github.com/goswan/goswan/ike/radius/radiustest"
	"github.com/goswan/goswan/tun/tuntest/testns"
)

// authenticationServer is our EAP server behind just enough of a RADIUS server for eapol_test.
type authenticationServer struct {
	*radiustest.EAPServer
	at netip.AddrPort
}

func newAuthenticationServer(t *testing.T, ns *testns.Namespace) *authenticationServer {
	t.Helper()
	var conn *net.UDPConn
	ns.Do(t, func() (err error) {
		conn, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		return err
	})
	s := &authenticationServer{EAPServer: radiustest.NewEAPServer(t, nil), at: localAddr(conn)}
	radiustest.Receive(t, conn, func(from netip.AddrPort, request []byte) {
		for _, answer := range s.Handle(request) {
			_, _ = conn.WriteToUDPAddrPort(answer, from)
		}
	})
	return s
}

// eapol runs eapol_test, the supplicant of wpa_supplicant behind a RADIUS client, against an EAP server of ours.
func eapol(t *testing.T, ns *testns.Namespace, s *authenticationServer, dir, conf string, keys bool, env ...string) (*eap.Result, string, error) {
	t.Helper()
	file := filepath.Join(dir, "eapol.conf")
	if err := os.WriteFile(file, []byte("network={\nkey_mgmt=IEEE8021X\nfragment_size=300\n"+conf+"\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-c", file, "-a", "127.0.0.1", "-p", strconv.Itoa(int(s.at.Port())), "-s", shared, "-t", "60"}
	if !keys {
		args = append(args, "-n")
	}
	cmd := exec.Command(eapolTest, args...)
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	ns.Do(t, cmd.Start)
	err := cmd.Wait()
	select {
	case result := <-s.Ended:
		return result, out.String(), err
	default:
		return nil, out.String(), err
	}
}

// account has the user that all foreign peers are.
func account(identity string) (eap.Account, bool) {
	return eap.Account{Password: secret.Bytes(alicePassword)}, identity == alice
}

func TestForeignPeer(t *testing.T) {
	ns := foreign(t, eapolTest, "eapoltest")
	pki := eaptest.NewPKI(t, time.Now())
	files := radiustest.Certificates(t, pki)
	files["openssl.cnf"] = noEMS
	dir := radiustest.Write(t, files)
	s := newAuthenticationServer(t, ns)
	serverTLS := eap.TLSConfig{Certificates: []tls.Certificate{pki.Server}, Roots: pki.Roots, FragmentSize: 400}
	simple := []eap.ServerMethod{eap.ServerMSCHAPv2{Users: account}, eap.ServerGTC{Users: account}}
	withMD5 := append(simple[:2:2], eap.ServerMD5{Users: account})
	user := fmt.Sprintf("identity=%q\npassword=%q\n", alice, alicePassword)
	ca := fmt.Sprintf("ca_cert=%q\n", filepath.Join(dir, "ca.pem"))
	cert := fmt.Sprintf("client_cert=%q\nprivate_key=%q\n", filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key"))
	ttls := eap.ServerTTLS{TLS: serverTLS, Users: account, Methods: withMD5}
	peap := func(binding eap.Binding) eap.ServerMethod {
		return eap.ServerPEAP{TLS: serverTLS, Methods: simple, Binding: binding}
	}
	for _, tc := range []struct {
		name, conf string
		keys       bool
		method     eap.ServerMethod
	}{
		{"MD5", "eap=MD5\n" + user, false, eap.ServerMD5{Users: account}},
		{"GTC", "eap=GTC\n" + user, false, eap.ServerGTC{Users: account}},
		{"MSCHAPv2", "eap=MSCHAPV2\n" + user, true, eap.ServerMSCHAPv2{Users: account}},
		{"TLS", "eap=TLS\nidentity=\"anonymous\"\n" + ca + cert, true, eap.ServerTLS{TLS: serverTLS}},
		{"TTLS/PAP", "eap=TTLS\nanonymous_identity=\"anonymous\"\nphase2=\"auth=PAP\"\n" + user + ca, true, ttls},
		{"TTLS/MSCHAPv2", "eap=TTLS\nphase2=\"auth=MSCHAPV2\"\n" + user + ca, true, ttls},
		{"TTLS/EAP-MD5", "eap=TTLS\nphase2=\"autheap=MD5\"\n" + user + ca, true, ttls},
		{"TTLS/EAP-GTC", "eap=TTLS\nphase2=\"autheap=GTC\"\n" + user + ca, true, ttls},
		{"TTLS/EAP-MSCHAPv2", "eap=TTLS\nphase2=\"autheap=MSCHAPV2\"\n" + user + ca, true, ttls},
		{"PEAP/MSCHAPv2 bound", "eap=PEAP\nphase2=\"auth=MSCHAPV2\"\n" + user + ca + "#peapver=0 crypto_binding=2\n", true, peap(eap.BindingRequired)},
		{"PEAP/MSCHAPv2 optionally bound", "eap=PEAP\nphase2=\"auth=MSCHAPV2\"\n" + user + ca, true, peap(eap.BindingOptional)},
		{"PEAP/MSCHAPv2 by a peer that cannot be bound", "eap=PEAP\nphase2=\"auth=MSCHAPV2\"\n" + user + ca + "#crypto_binding=0\n", true, peap(eap.BindingOptional)},
		{"PEAP/MSCHAPv2 not bound", "eap=PEAP\nphase2=\"auth=MSCHAPV2\"\n" + user + ca, true, peap(eap.BindingOff)},
		{"PEAP/GTC", "eap=PEAP\nphase2=\"auth=GTC\"\n" + user + ca, true, peap(eap.BindingRequired)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			// What stands behind a # belongs into phase1, beside the version of TLS.
			conf, phase1, _ := strings.Cut(tc.conf, "#")
			conf += fmt.Sprintf("phase1=\"tls_disable_tlsv1_3=1 %s\"\n", strings.TrimSpace(phase1))
			s.Offer(tc.method)
			result, out, err := eapol(t, ns, s, dir, conf, tc.keys)
			if err != nil || result == nil || result.Err != nil || !strings.HasSuffix(strings.TrimSpace(out), "SUCCESS") {
				t.Fatalf("our server ended with %v, eapol_test with %v:\n%s", failure(result), err, tail(out))
			}
			if want := map[bool]string{true: eaptest.ClientName, false: alice}[tc.name == "TLS"]; result.Identity != want {
				t.Errorf("our server authenticated %q, want %q", result.Identity, want)
			}
			if tc.keys && !strings.Contains(out, "MPPE keys OK: 1  mismatch: 0") {
				t.Errorf("the keys of both sides differ:\n%s", tail(out))
			}
			if tc.name == "TLS" {
				return
			}
			conf = strings.Replace(conf, alicePassword, "wrong horse", 1)
			result, out, err = eapol(t, ns, s, dir, conf, tc.keys)
			// A peer that insists on being bound does not even answer a failure, which cannot be bound.
			silent := result == nil && strings.Contains(conf, "crypto_binding=2")
			if err == nil || !silent && (result == nil || result.Err == nil || result.Err.Kind != eap.BadCredentials) {
				t.Errorf("with a wrong password our server ended with %v, eapol_test with %v:\n%s", failure(result), err, tail(out))
			}
		})
	}
	t.Run("without extended master secret", func(t *testing.T) {
		conf := "eap=TLS\nidentity=\"anonymous\"\nphase1=\"tls_disable_tlsv1_3=1\"\n" + ca + cert
		env := "OPENSSL_CONF=" + filepath.Join(dir, "openssl.cnf")
		for _, allowed := range []bool{false, true} {
			config := serverTLS
			config.WithoutEMS = allowed
			s.Offer(eap.ServerTLS{TLS: config})
			result, out, err := eapol(t, ns, s, dir, conf, true, env)
			switch {
			case !allowed && (result == nil || result.Err == nil || !strings.Contains(result.Err.Error(), "extended master secret")):
				t.Errorf("where it is not allowed our server ended with %v", failure(result))
			case allowed && (err != nil || result == nil || result.Err != nil || !strings.Contains(out, "MPPE keys OK: 1  mismatch: 0")):
				t.Errorf("where it is allowed our server ended with %v, eapol_test with %v:\n%s", failure(result), err, tail(out))
			}
		}
	})
}

// noEMS has OpenSSL leave the extended master secret out.
const noEMS = `openssl_conf = openssl_init
[openssl_init]
ssl_conf = ssl_sect
[ssl_sect]
system_default = system_default_sect
[system_default_sect]
Options = -ExtendedMasterSecret
`

// tail is the last lines of an output.
func tail(out string) string {
	lines := strings.Split(out, "\n")
	return strings.Join(lines[max(0, len(lines)-80):], "\n")
}

const hostapdConf = `driver=none
interface=none
logger_stdout=-1
logger_stdout_level=0
eap_server=1
eap_user_file=@DIR@/users
ca_cert=@DIR@/ca.pem
server_cert=@DIR@/server.pem
private_key=@DIR@/server.key
radius_server_clients=@DIR@/clients
radius_server_auth_port=1812
fragment_size=400
`

// hostapdUsers is who may do what outside ("*" is everybody) and inside (2) a tunnel.
const hostapdUsers = `"alice" MD5,GTC,MSCHAPV2,PEAP,TTLS,TLS "correct horse"
"alice" MSCHAPV2,GTC,MD5,TTLS-PAP,TTLS-MSCHAPV2 "correct horse" [2]
`

// TestForeignServer has hostapd's EAP server, which binds PEAP's tunnel to what is inside.
func TestForeignServer(t *testing.T) {
	ns := foreign(t, hostapd, "hostapd")
	pki := eaptest.NewPKI(t, time.Now())
	files := radiustest.Certificates(t, pki)
	files["hostapd.conf"], files["users"], files["clients"] = hostapdConf, hostapdUsers, "127.0.0.1 "+shared+"\n"
	dir := radiustest.Write(t, files)
	start(t, ns, "AP-ENABLED", hostapd, "-dd", filepath.Join(dir, "hostapd.conf"))
	c, err := New(Config{
		Servers: []Server{{Auth: netip.MustParseAddrPort("127.0.0.1:1812"), Secret: secret.Bytes(shared)}},
		Timeout: time.Minute, Dial: within(t, ns),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range methods(pki) {
		if strings.HasSuffix(m.name, "TLS 1.3") {
			continue // Debian's hostapd has no TLS 1.3 for EAP, nor has its eapol_test
		}
		t.Run(m.name, func(t *testing.T) {
			peer := m.make(alicePassword)
			if p, ok := peer.(eap.PeerPEAP); ok {
				p.Binding = eap.BindingRequired
				peer = p
			}
			atServer, atPeer := passThrough(t, c, newPeer(t, peer))
			wantSuccess(t, atServer, atPeer, m.keys)
			atServer, atPeer = passThrough(t, c, newPeer(t, m.make("wrong horse")))
			if atServer == nil || atServer.Err == nil || atPeer == nil || atPeer.Err == nil {
				t.Errorf("with a wrong password the server ended with %v, the peer with %v", failure(atServer), failure(atPeer))
			}
		})
	}
}
