package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/goswan/goswan"
	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
	"github.com/goswan/goswan/tun/netstack"
)

// TestConnectOptions has the wrong options say what to write.
func TestConnectOptions(t *testing.T) {
	t.Chdir(t.TempDir())
	makePKI(t)
	writeFile(t, "password", "secret\n", 0o600)
	writeFile(t, "open", "secret\n", 0o644)
	writeFile(t, "empty", "\n", 0o600)
	writeFile(t, "badpsk", "0xfoo\n", 0o600)
	const client, clientKey = "pki/issued/x509/alice@example.org.pem", "pki/issued/private/alice@example.org.key"
	t.Setenv("SSL_CERT_FILE", "pki/ca.pem")
	for _, c := range []struct {
		args   string
		status int
		stderr string
	}{
		{"", exitUsage, "connect: expected the host name or address of one gateway"},
		{"a b", exitUsage, "connect: expected the host name or address of one gateway"},
		{"vpn.example.org", exitUsage, "connect: who are you? Write --user NAME for a password, --cert FILE"},
		{"vpn.example.org:4500 --user alice", exitUsage, `"vpn.example.org:4500" is no gateway: write its host name or address, without a port`},
		{"10.0.0.0/8 --user alice", exitUsage, "is no gateway"},
		{"0.0.0.0 --user alice", exitUsage, "is no gateway"},
		{"10.0.0 --psk-file password --proxy 127.0.0.1:0", exitUsage, `SERVER: "10.0.0" is neither an address nor a host name`},
		{"a --user alice --cert x", exitUsage, "--user, --cert and --psk-file are different ways to authenticate"},
		{"a --user alice --key x", exitUsage, "--key is the private key of a certificate: add --cert FILE"},
		{"a --user alice --passphrase-file x", exitUsage, "add --cert FILE"},
		{"a --cert x.p12 --key x", exitUsage, "--key is not needed: x.p12 has the private key in it"},
		{"a --cert x --password-file x", exitUsage, "add --user NAME"},
		{"a --user x --eap-tls", exitUsage, "--eap-tls authenticates with a certificate"},
		{"a --user x --eap tls", exitUsage, "write --cert FILE --eap-tls instead"},
		{"a --user x --eap rot13", exitUsage, `--eap "rot13": write gtc, mschapv2, peap, ttls`},
		{"a --cert x --eap peap", exitUsage, "--eap is how a password is shown: add --user NAME"},
		{"a --cert x --aaa-id radius.example.org", exitUsage, "--aaa-id is about a certificate inside EAP"},
		{"a --psk-file password --ca pki/ca.pem", exitUsage, "--ca is for a gateway with a certificate"},
		{"a --user x --expose", exitUsage, "add --proxy ADDRESS:PORT"},
		{"a --user x --tun x --proxy 127.0.0.1:1080", exitUsage, "--tun names a TUN device"},
		{"a --user x --proxy 1080", exitUsage, `--proxy "1080": write an address and a port, as in 127.0.0.1:1080`},
		{"a --user x --proxy :1080", exitUsage, "whoever reaches that address could use the tunnel; write 127.0.0.1:1080, or add --expose"},
		{"a --user x --proxy 192.0.2.1:1080", exitUsage, "add --expose"},
		{"a --user x --proxy host:1080", exitUsage, "write an address, as in 127.0.0.1:1080"},
		{"a --user x --port 70000", exitUsage, "invalid argument"},
		{"a --psk-file password --route 10.1.0.0/33", exitUsage, `--route "10.1.0.0/33": write a network, as in 10.1.0.0/16`},
		{"a --psk-file password --ike rot13", exitUsage, "--ike: "},
		{"a --psk-file password --esp aes999", exitUsage, "--esp: "},
		{"a --psk-file password --id %any", exitUsage, `--id "%any" would take anybody for the gateway: write its name`},
		{"a --psk-file password --my-id ipv4:x", exitUsage, `--my-id "ipv4:x"`},
		{"a --psk-file none", exitFailed, "--psk-file: open none: no such file"},
		{"a --psk-file empty", exitFailed, "there is no passphrase in its first line"},
		{"a --psk-file badpsk", exitFailed, "--psk-file badpsk: the secret begins with 0x"},
		{"a --user x --ca none", exitFailed, "--ca none: "},
		{"a --user x --ca " + clientKey, exitFailed, "--ca " + clientKey},
		{"a --user x --proxy 127.0.0.1:0 --password-file none", exitFailed, "--password-file: open none"},
		{"a --user x --proxy 127.0.0.1:0 --password-file open", exitFailed, "run chmod 600 open"},
		{"a --cert none", exitFailed, "--cert none: "},
		{"a --cert " + client, exitFailed, "name its file with --key FILE"},
		{"a --cert " + client + " --key none", exitFailed, "--key none: "},
		{"a --cert " + client + " --key pki/ca.key", exitFailed, "the private key in pki/ca.key is not that of the certificate in " + client},
		{"a --cert alice.p12 --passphrase-file empty", exitFailed, "there is no passphrase in its first line"},
		{"a --cert alice.p12 --passphrase-file password", exitFailed, "--cert alice.p12: it is encrypted with another passphrase"},
		{"a --cert " + client + " --key " + clientKey + " --my-id bob@example.org", exitUsage, `--my-id "bob@example.org": the certificate does not have that name, but SANs [alice@example.org]`},
	} {
		if runtime.GOOS == "windows" && strings.Contains(c.stderr, "chmod") {
			continue
		}
		status, stdout, stderr := goswanRun(t, append([]string{"connect"}, strings.Fields(c.args)...)...)
		if status != c.status || stdout != "" || !strings.Contains(stderr, c.stderr) {
			t.Errorf("goswan connect %s exits with %d, want %d, and %q in its errors; it prints:\n%s\n%s", c.args, status, c.status, c.stderr, stdout, stderr)
		}
	}
}

func writeFile(t *testing.T, name, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// makePKI makes a CA in pki, a certificate for the gateway vpn.example.org, and one for alice@example.org, also as alice.p12.
func makePKI(t *testing.T) {
	t.Helper()
	writeFile(t, "phrase", "correct horse\n", 0o600)
	for _, args := range []string{
		"pki ca --name Example", "pki issue --gateway vpn.example.org",
		"pki issue --client alice@example.org --p12 alice.p12 --p12-passphrase-file phrase",
	} {
		if status, _, stderr := goswanRun(t, strings.Fields(args)...); status != exitDone {
			t.Fatalf("goswan %s: %s", args, stderr)
		}
	}
}

// TestConnectCatalog is what the options stand for.
func TestConnectCatalog(t *testing.T) {
	t.Chdir(t.TempDir())
	makePKI(t)
	writeFile(t, "psk", "0x616263\n", 0o600)
	t.Setenv("SSL_CERT_FILE", "pki/ca.pem")
	phrase := func() (secret.Bytes, error) { return secret.Bytes("correct horse"), nil }
	for _, c := range []struct {
		options connectOptions
		local   core.AuthMethod
		eap     core.EAP
		localID string
		remote  core.AuthMethod
		id      string
	}{
		{connectOptions{server: "vpn.example.org", pskFile: "psk", myID: "alice@example.org"}, core.AuthPSK, core.EAP{}, "alice@example.org", core.AuthPSK, "vpn.example.org"},
		{connectOptions{server: "192.0.2.1", pskFile: "psk", id: "vpn.example.org"}, core.AuthPSK, core.EAP{}, "%any", core.AuthPSK, "vpn.example.org"},
		{connectOptions{server: "2001:db8::1", user: "alice"}, core.AuthEAP, core.EAP{IDSet: true}, "alice", core.AuthPubkey, "2001:db8::1"},
		{connectOptions{server: "vpn.example.org", user: "alice", eap: "peap", myID: "laptop"}, core.AuthEAP, core.EAP{IDSet: true, Method: eap.TypePEAP}, "laptop", core.AuthPubkey, "vpn.example.org"},
		{connectOptions{server: "vpn.example.org", cert: "alice.p12"}, core.AuthPubkey, core.EAP{}, "CN=alice@example.org", core.AuthPubkey, "vpn.example.org"},
		{connectOptions{server: "vpn.example.org", user: "alice", aaaID: "keyid:radius"}, core.AuthEAP, core.EAP{IDSet: true, ServerID: auth.Identity{Type: auth.IDKeyID, Data: "radius"}}, "alice", core.AuthPubkey, "vpn.example.org"},
		{connectOptions{server: "vpn.example.org", cert: "alice.p12", eapTLS: true, myID: "alice@example.org"}, core.AuthEAP, core.EAP{Method: eap.TypeTLS}, "alice@example.org", core.AuthPubkey, "vpn.example.org"},
	} {
		if err := c.options.check(); err != nil {
			t.Errorf("%+v: %v", c.options, err)
			continue
		}
		catalog, err := c.options.catalog(phrase, func(err error) { t.Errorf("warning: %v", err) })
		if err != nil {
			t.Errorf("%+v: %v", c.options, err)
			continue
		}
		conn := catalog.Connections[0]
		local, remote := conn.Local[0], conn.Remote[0]
		method := local.EAP
		if c.options.user != "" && method.ID.String() != c.options.user {
			t.Errorf("%+v answers EAP as %q", c.options, method.ID)
		}
		method.ID = c.eap.ID
		if local.Method != c.local || method != c.eap || local.ID.String() != c.localID || remote.Method != c.remote || remote.ID.String() != c.id {
			t.Errorf("%+v stands for %s %+v as %q and %s as %q", c.options, local.Method, local.EAP, local.ID, remote.Method, remote.ID)
		}
		if trusted := len(catalog.Proofs().Trust.Certificates()); c.remote == core.AuthPubkey && trusted != 1 {
			t.Errorf("%+v trusts %d CAs, want the one of the .p12 file or of SSL_CERT_FILE", c.options, trusted)
		}
		if own := len(catalog.Proofs().Own); c.options.cert != "" && (own != 1 || len(local.Certs) != 1) {
			t.Errorf("%+v has %d certificates with keys", c.options, own)
		}
		if c.options.pskFile != "" && !catalog.Secrets[0].Key.Equal(secret.Bytes("abc")) {
			t.Errorf("%+v does not read the key", c.options)
		}
	}
}

// TestConnectNetworks are the networks behind the gateway.
func TestConnectNetworks(t *testing.T) {
	for _, c := range []struct {
		routes []string
		want   string
	}{
		{nil, "[0.0.0.0/0 ::/0]"},
		{[]string{"10.1.2.3/16", "fd00:1::/64", "192.0.2.7"}, "[10.1.0.0/16 fd00:1::/64 192.0.2.7/32]"},
	} {
		o := connectOptions{server: "a", routes: c.routes}
		conn, err := o.connection()
		if err != nil {
			t.Fatal(err)
		}
		var got []netip.Prefix
		for _, s := range conn.Children[0].RemoteTS {
			got = append(got, s.TS.Prefixes()...)
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("--route %v stands for %v, want %s", c.routes, got, c.want)
		}
	}
}

// TestSystemCAs finds the first bundle that has something in it, and what can be used of it.
func TestSystemCAs(t *testing.T) {
	t.Chdir(t.TempDir())
	makePKI(t)
	ca, err := os.ReadFile("pki/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	broken := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{0x30, 0x00}})
	other := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{0x30, 0x00}})
	files := map[string][]byte{
		bundles[0]: []byte("# nothing\n"), bundles[3]: bytes.Join([][]byte{[]byte("# a comment\n"), broken, other, ca, broken, ca}, nil), bundles[4]: ca, "mine": ca,
	}
	read := func(name string) ([]byte, error) {
		if octets, ok := files[name]; ok {
			return octets, nil
		}
		return nil, fs.ErrNotExist
	}
	for env, want := range map[string]int{"": 2, "mine": 1} {
		all, err := systemCAs(func(string) string { return env }, read)
		if err != nil || len(all) != want {
			t.Errorf("SSL_CERT_FILE=%q: %d CAs, %v, want %d", env, len(all), err, want)
		}
	}
	if _, err := systemCAs(func(string) string { return "none" }, read); err == nil || !strings.Contains(err.Error(), "in none of the files none: name the CA of the gateway with --ca FILE") {
		t.Errorf("without a bundle the error is %v", err)
	}
}

// TestConnectReasons has reasons speak of options.
func TestConnectReasons(t *testing.T) {
	for fix, want := range map[string]string{
		"put that CA's certificate into x509ca, or have the peer send it if it is an intermediate CA": "name that CA's certificate with --ca, or have the peer send it if it is an intermediate CA",
		"write id = right.example there if that is the peer":                                          "write --id right.example if that is the gateway",
		"set `id` of `remote` (--id) to \"b\", or the peer's own identity to \"a\"":                   "write --id b if that is the gateway, or the peer's own identity to \"a\"",
		"compare `proposals` of connection \"a\" (--ike) with the peer's: it takes none of these, or has nothing for our address; `goswan explain a PROPOSAL` tells what the peer's would need": "compare --ike with the peer's: it takes none of these, or has nothing for our address",
		"compare `esp_proposals` of child \"tunnel\" (--esp) with the peer's":                                               "compare --esp with the peer's",
		"give the peer an address pool for \"a\", or remove `vips` from connection \"vpn.example.org\"":                     "give the peer an address pool for \"a\"",
		"compare `local_ts` and `remote_ts` of child \"tunnel\" (--route) with the peer's":                                  "compare --route with the peer's",
		"compare the name and the secret `eap…` of `secrets`, or the certificate, with what the peer has; its log says why": "check the name and the password, or the certificate; its log says why",
		"check that 192.0.2.1 is up": "check that 192.0.2.1 is up",
	} {
		reason := &core.Reason{Fix: fix}
		if got := told(reason).(*core.Reason).Fix; got != want {
			t.Errorf("%q is told as %q, want %q", fix, got, want)
		}
		if reason.Fix != fix {
			t.Error("the reason itself has changed, which others read too")
		}
	}
	if err := told(context.Canceled); err.Error() != "interrupted before the tunnel was up" {
		t.Errorf("Ctrl-C is told as %v", err)
	}
}

// gateway is an endpoint in this process that assigns addresses, with a web server and a name server behind it.
type gateway struct {
	*goswan.Endpoint
	port uint16
}

const gatewayConfig = `connections {
  clients {
    version = 2
    pools = v4
    local {
      auth = %[1]s
      id = vpn.example.org
    }
    remote {
      auth = %[2]s
    }
    children {
      net {
        local_ts = 10.99.2.0/24
      }
    }
  }
}
pools {
  v4 {
    addrs = 10.99.3.0/24
    %[3]s
  }
}
secrets {
  ike-alice {
    id = alice@example.org
    secret = "a secret"
  }
  eap-alice {
    id = alice@example.org
    secret = "a password"
  }
}
`

// newGateway starts a gateway with the certificates of makePKI.
func newGateway(t *testing.T, local, remote, pool string) *gateway {
	t.Helper()
	dir := filepath.Join("pki", "issued")
	ca, err := os.ReadFile(filepath.Join("pki", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "x509ca"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "x509ca", "ca.pem"), string(ca), 0o644)
	writeFile(t, filepath.Join(dir, "swanctl.conf"), fmt.Sprintf(gatewayConfig, local, remote, pool), 0o600)
	catalog, _, err := config.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	device, err := netstack.New(netstack.Config{Addresses: []netip.Addr{demoAddrs["bob"]}})
	if err != nil {
		t.Fatal(err)
	}
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	sockets, err := encap.Listen(encap.Config{Addresses: []netip.Addr{loopback}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := goswan.New(goswan.Config{Catalog: catalog, Device: device, Transport: sockets})
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{Endpoint: e}
	if _, _, g.port, err = sockets.LocalFor(loopback); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	<-e.Ready()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the gateway ends with %v", err)
		}
	})
	g.serve(t)
	return g
}

// serve serves a page, and the name web.example of its host.
func (g *gateway) serve(t *testing.T) {
	t.Helper()
	l, err := g.ListenTCP(netip.AddrPortFrom(demoAddrs["bob"], 80))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "page of "+r.Host) })}
	go func() { _ = server.Serve(l) }()
	names, err := g.ListenUDP(netip.AddrPortFrom(demoAddrs["bob"], 53))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := names.ReadFrom(b)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(b[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Additionals = true, nil
			if m.Questions[0].Type == dnsmessage.TypeA && m.Questions[0].Name.String() == "web.example." {
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET}, Body: &dnsmessage.AResource{A: demoAddrs["bob"].As4()}}}
			}
			if reply, err := m.Pack(); err == nil {
				_, _ = names.WriteTo(reply, from)
			}
		}
	}()
	t.Cleanup(func() { _ = server.Close(); _ = names.Close() })
}

// spoken is what a command prints; it can be waited for.
type spoken struct {
	mu   sync.Mutex // guards text
	more *sync.Cond
	text strings.Builder
	over bool
}

func newSpoken() *spoken {
	s := &spoken{}
	s.more = sync.NewCond(&s.mu)
	return s
}

func (s *spoken) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.more.Broadcast()
	return s.text.Write(b)
}

func (s *spoken) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	s.more.Broadcast()
}

// wait waits for what an expression matches, n times; it returns the last of them, and nil when the command has ended before.
func (s *spoken) wait(expression string, n int) []string {
	re := regexp.MustCompile(expression)
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if all := re.FindAllStringSubmatch(s.text.String(), -1); len(all) >= n {
			return all[n-1]
		}
		if s.over {
			return nil
		}
		s.more.Wait()
	}
}

func (s *spoken) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// connecting runs `goswan connect` to a gateway until stop, which returns its exit status.
func connecting(t *testing.T, g *gateway, args ...string) (out *spoken, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out = newSpoken()
	status := make(chan int, 1)
	all := append([]string{"connect", "127.0.0.1", "--port", strconv.Itoa(int(g.port)), "--id", "vpn.example.org", "--my-id", "alice@example.org", "--proxy", "127.0.0.1:0"}, args...)
	go func() { status <- run(ctx, all, out, out); out.end() }()
	stop = sync.OnceValue(func() int { cancel(); return <-status })
	t.Cleanup(func() { stop() })
	return out, stop
}

// page fetches a page through the proxy.
func fetchVia(scheme, proxy, page string) (int, string, error) {
	transport := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: scheme, Host: proxy})}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get(page)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// TestConnect connects to a gateway in this process, whichever way there is to authenticate, and looks at its pages. The gateway
// ends the tunnel once.
func TestConnect(t *testing.T) {
	for _, c := range []struct {
		name, local, remote string
		options             []string
	}{
		{"psk", "psk", "psk", []string{"--psk-file", "psk"}},
		{"certificate", "pubkey", "pubkey", []string{"--cert", "pki/issued/x509/alice@example.org.pem", "--key", "pki/issued/private/alice@example.org.key", "--ca", "pki/ca.pem"}},
		{"PKCS#12", "pubkey", "pubkey", []string{"--cert", "alice.p12", "--passphrase-file", "phrase"}},
		{"a user", "pubkey", "eap-mschapv2", []string{"--user", "alice@example.org", "--password-file", "password", "--ca", "pki/ca.pem"}},
		{"a user, a method", "pubkey", "eap-dynamic", []string{"--user", "alice@example.org", "--eap", "peap", "--password-file", "password", "--ca", "pki/ca.pem"}},
		{"EAP-TLS", "pubkey", "eap-tls", []string{"--cert", "alice.p12", "--passphrase-file", "phrase", "--eap-tls"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			makePKI(t)
			writeFile(t, "psk", "a secret\n", 0o600)
			writeFile(t, "password", "a password\n", 0o600)
			g := newGateway(t, c.local, c.remote, "dns = "+demoAddrs["bob"].String())
			ended := make(chan struct{}, 8)
			defer g.Subscribe(func(ev goswan.Event) {
				if _, ok := ev.What.(core.IKEDown); ok {
					ended <- struct{}{}
				}
			})()
			out, stop := connecting(t, g, c.options...)
			const ready = `Proxy on (\S+) \(SOCKS5 and HTTP\)`
			found := out.wait(ready, 1)
			if found == nil {
				t.Fatalf("it has ended:\n%s", out)
			}
			for _, again := range []bool{false, true} {
				if again {
					if _, err := g.Terminate(t.Context(), goswan.SelectSAs{IKE: "clients"}, false); err != nil {
						t.Fatal(err)
					}
					if out.wait("Connected to 127.0.0.1", 2) == nil {
						t.Fatalf("it has ended:\n%s", out)
					}
				}
				for _, scheme := range []string{"socks5", "http"} {
					for _, host := range []string{"10.99.2.1", "web.example"} {
						if status, body, err := fetchVia(scheme, found[1], "http://"+host+"/"); err != nil || status != http.StatusOK || body != "page of "+host {
							t.Errorf("%s: http://%s/ is %d %q, %v", scheme, host, status, body, err)
						}
					}
				}
			}
			if status := stop(); status != exitDone {
				t.Errorf("after Ctrl-C it exits with %d", status)
			}
			for range 2 { // the one that the gateway has ended, and the one that goswan connect has
				<-ended
			}
			for _, want := range []string{
				`Connected to 127.0.0.1 as "alice@example.org"; the gateway is "vpn.example.org".`, "addresses     10.99.3.1\n", "name servers  10.99.2.1\n",
				"networks      10.99.2.0/24\n", "The tunnel is down: the peer deleted the IKE SA. Connecting again.\n", "Taking leave of 127.0.0.1.\n",
			} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("it does not print %q:\n%s", want, out)
				}
			}
		})
	}
}

// TestConnectNoMore does not call a gateway again that has refused who calls.
func TestConnectNoMore(t *testing.T) {
	t.Chdir(t.TempDir())
	makePKI(t)
	writeFile(t, "psk", "a secret\n", 0o600)
	g := newGateway(t, "psk", "psk", "")
	out, stop := connecting(t, g, "--psk-file", "psk")
	if out.wait("Ctrl-C ends it", 1) == nil {
		t.Fatalf("it has ended:\n%s", out)
	}
	catalog := *g.Catalog()
	changed := *catalog.Secrets[0]
	changed.Key = secret.Bytes("another secret")
	catalog.Secrets = []*core.Secret{&changed}
	g.Load(&catalog)
	if _, err := g.Terminate(t.Context(), goswan.SelectSAs{IKE: "clients"}, false); err != nil {
		t.Fatal(err)
	}
	out.wait("$never", 1) // until it ends
	if status := stop(); status != exitFailed || strings.Count(out.String(), "AUTHENTICATION_FAILED") != 1 {
		t.Errorf("it exits with %d, want 1 and the reason once:\n%s", status, out)
	}
}

// TestConnectWithoutNameServer does not ask the host's resolver.
func TestConnectWithoutNameServer(t *testing.T) {
	t.Chdir(t.TempDir())
	makePKI(t)
	writeFile(t, "psk", "a secret\n", 0o600)
	g := newGateway(t, "psk", "psk", "")
	out, _ := connecting(t, g, "--psk-file", "psk")
	found := out.wait(`Proxy on (\S+) `, 1)
	if found == nil {
		t.Fatalf("it has ended:\n%s", out)
	}
	status, body, err := fetchVia("http", found[1], "http://web.example/")
	if want := "web.example cannot be resolved: the gateway gave no name server, and that of this host is not asked"; err != nil || status != http.StatusBadGateway || !strings.Contains(body, want) {
		t.Errorf("http://web.example/ is %d %q, %v, want 502 and %q", status, body, err, want)
	}
	if _, _, err := fetchVia("socks5", found[1], "http://web.example/"); err == nil || !strings.Contains(err.Error(), "host unreachable") {
		t.Errorf("SOCKS5 is answered with %v, want host unreachable", err)
	}
}

// TestConnectFails exits with 1 and says why.
func TestConnectFails(t *testing.T) {
	t.Chdir(t.TempDir())
	makePKI(t)
	writeFile(t, "psk", "another secret\n", 0o600)
	writeFile(t, "password", "a password\n", 0o600)
	if status, _, stderr := goswanRun(t, "pki", "ca", "--dir", "other", "--name", "Another"); status != exitDone {
		t.Fatal(stderr)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	g, users := newGateway(t, "psk", "psk", ""), newGateway(t, "pubkey", "eap-mschapv2", "")
	for _, c := range []struct {
		to   *gateway
		args []string
		want string
	}{
		{users, []string{"--user", "alice@example.org", "--password-file", "psk", "--ca", "pki/ca.pem"}, "check the name and the password"},
		{users, []string{"--user", "alice@example.org", "--password-file", "psk", "--ca", "other/ca.pem"}, "name that CA's certificate with --ca"},
		{users, []string{"--user", "alice@example.org", "--password-file", "psk", "--ca", "pki/ca.pem", "--id", "other.example"}, "compare the identities (--my-id, --id)"},
		{g, []string{"--psk-file", "psk"}, `AUTHENTICATION_FAILED: the peer refused us as "alice@example.org"`},
		{g, []string{"--psk-file", "psk", "--ike", "aes256-sha512-modp8192"}, "NO_PROPOSAL_CHOSEN"},
		{g, []string{"--psk-file", "psk", "--proxy", taken.Addr().String()}, "address already in use"},
	} {
		out, stop := connecting(t, c.to, c.args...)
		out.wait("$never", 1) // until it ends
		if status := stop(); status != exitFailed || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: it exits with %d, want 1 and %q:\n%s", strings.Join(c.args, " "), status, c.want, out)
		}
	}
}

// TestPermission says what to do without root. It is about any error of the kind, since tests may run as root.
func TestPermission(t *testing.T) {
	if err := withoutRoot(fmt.Errorf("tun: %w", fs.ErrPermission)); !strings.Contains(err.Error(), "run it with sudo") || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("without root the error is %v", err)
	}
	other := errors.New("another")
	if err := withoutRoot(other); err != other { //nolint:errorlint // the same one
		t.Errorf("another error becomes %v", err)
	}
}
