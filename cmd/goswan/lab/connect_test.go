//go:build linux

package lab

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// laptop is a way to authenticate with goswan connect.
type laptop struct {
	name          string
	local, remote string // of the gateway's connection
	options       []string
}

// laptops find their files in the directory that they run in. The gateway is right.example with a certificate of ca.pem.
var laptops = []laptop{
	{
		name: "psk", local: "auth = psk\nid = right.example\n", remote: "auth = psk\nid = left.example\n",
		options: []string{"--psk-file", "psk", "--my-id", "left.example", "--id", "right.example"},
	},
	{
		name: "certificate", local: "auth = pubkey\nid = right.example\ncerts = own.pem\n", remote: "auth = pubkey\nid = left.example\n",
		options: []string{"--cert", "left.pem", "--key", "left.key", "--my-id", "left.example", "--id", "right.example", "--ca", "ca.pem"},
	},
	{
		name: "user", local: "auth = pubkey\nid = right.example\ncerts = own.pem\n", remote: "auth = eap-mschapv2\neap_id = %any\n",
		options: []string{"--user", "alice", "--password-file", "password", "--id", "right.example", "--ca", "ca.pem"},
	},
	{
		name: "user inside TTLS", local: "auth = pubkey\nid = right.example\ncerts = own.pem\n", remote: "auth = eap-ttls\neap_id = %any\n",
		options: []string{"--user", "alice", "--password-file", "password", "--id", "right.example", "--ca", "ca.pem"},
	},
	{
		name: "EAP-TLS", local: "auth = pubkey\nid = right.example\ncerts = own.pem\n", remote: "auth = eap-tls\neap_id = %any\n",
		options: []string{"--cert", "left.pem", "--key", "left.key", "--eap-tls", "--my-id", "left.example", "--id", "right.example", "--ca", "ca.pem"},
	},
}

// nobody is an account without any right.
var nobody = &syscall.Credential{Uid: 65534, Gid: 65534}

// connection is a running `goswan connect` on the left host.
type connection struct {
	log    string
	cmd    *exec.Cmd
	exited chan struct{}
}

// newGateway makes a topology with a gateway on the right and no daemon on the left, and behind the gateway a web server and a
// name server that knows web.example.
func newGateway(t *testing.T, d Daemon, l laptop) *Net {
	t.Helper()
	n := newNet(t, Topology{})
	// What is for a laptop that is not there must not leave unprotected.
	n.Right.IP(t, "route add unreachable 10.3.0.0/24")
	n.Right = n.newHost(t, "right", d, "connect")
	n.WatchForPlaintext(t)
	if err := buildGoswan(); err != nil {
		t.Fatal(err)
	}
	ca := issue(t, "ecdsa", "root", nil, nil)
	n.Right.ClearCredentials(t)
	n.Right.own(t, issue(t, "ecdsa", "right.example", ca, nil))
	n.Right.knows(t, "x509ca", "ca.pem", ca)
	n.Right.WriteConfig(t, "local.conf", l.local)
	n.Right.WriteConfig(t, "remote.conf", l.remote)
	n.Right.Start(t)
	n.laptopFiles(t, ca)
	n.serveWeb(t)
	n.serveNames(t)
	return n
}

// laptopDir is where the laptop's files are, for everybody to look in.
func (n *Net) laptopDir() string {
	return filepath.Join(programs.dir, filepath.Base(n.dir))
}

// laptopFiles writes a pre-shared key, a certificate with its key, and the gateway's CA. They are nobody's.
func (n *Net) laptopFiles(t *testing.T, ca *identity) {
	t.Helper()
	if err := os.Mkdir(n.laptopDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	own := issue(t, "ecdsa", "left.example", ca, nil)
	key, err := x509.MarshalPKCS8PrivateKey(own.key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := func(id *identity) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.cert.Raw})
	}
	for name, text := range map[string][]byte{
		"psk": []byte("a secret of the lab\n"), "password": []byte("a password of the lab\n"), "wrong-psk": []byte("another one\n"),
		"left.pem": certificate(own), "left.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		"ca.pem": certificate(ca), "other-ca.pem": certificate(issue(t, "ecdsa", "another root", nil, nil)),
	} {
		path := filepath.Join(n.laptopDir(), name)
		if err := errors.Join(os.WriteFile(path, text, 0o600), os.Chown(path, int(nobody.Uid), int(nobody.Gid))); err != nil {
			t.Fatal(err)
		}
	}
}

const page = "the page behind the gateway\n"

// serveWeb serves a page on the host behind the gateway.
func (n *Net) serveWeb(t *testing.T) {
	t.Helper()
	var l net.Listener
	n.RightLAN.mustIn(t, func() (err error) {
		l, err = net.Listen("tcp", net.JoinHostPort(n.RightLAN.IPv4, "80"))
		return err
	})
	server := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%sfor %s from %s\n", page, r.Host, r.RemoteAddr)
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
}

// serveNames answers for web.example, which is the host itself.
func (n *Net) serveNames(t *testing.T) {
	t.Helper()
	var conn net.PacketConn
	n.RightLAN.mustIn(t, func() (err error) {
		conn, err = net.ListenPacket("udp", net.JoinHostPort(n.RightLAN.IPv4, "53"))
		return err
	})
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		b := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			if reply := answer(b[:size], netip.MustParseAddr(n.RightLAN.IPv4)); reply != nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
}

// answer is the answer to a query; nil to what is none.
func answer(query []byte, web netip.Addr) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	reply := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true}, Questions: m.Questions}
	switch {
	case q.Name.String() != "web.example.":
		reply.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		reply.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 60}, Body: &dnsmessage.AResource{A: web.As4()},
		}}
	}
	packed, _ := reply.Pack()
	return packed
}

// connect starts `goswan connect` on the left host, as nobody or as root.
func (n *Net) connect(t *testing.T, as *syscall.Credential, options ...string) *connection {
	t.Helper()
	c := &connection{log: filepath.Join(n.dir, "connect.log"), exited: make(chan struct{})}
	log, err := os.Create(c.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	options = append([]string{"connect", RightOuter}, options...)
	start := func() error { return c.cmd.Start() }
	if as == nil {
		// In a namespace of mounts of its own, where the host's resolv.conf is another one.
		c.cmd = n.Left.Command(context.Background(), programs.goswan, options...)
	} else {
		c.cmd = exec.Command(programs.goswan, options...)
		start = func() error { return n.Left.In(c.cmd.Start) }
	}
	c.cmd.Dir, c.cmd.Stdout, c.cmd.Stderr = n.laptopDir(), log, log
	c.cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true}
	if err := start(); err != nil {
		t.Fatalf("goswan connect: %v", err)
	}
	go func() { _ = c.cmd.Wait(); close(c.exited) }()
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		<-c.exited
		if t.Failed() {
			t.Logf("goswan connect printed:\n%s", c.printed(t))
		}
	})
	return c
}

func (c *connection) printed(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(c.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// waitPrinted waits until goswan connect has printed something.
func (c *connection) waitPrinted(t *testing.T, want string) {
	t.Helper()
	waitFor(t, fmt.Sprintf("goswan connect prints %q", want), func() (bool, string) {
		printed := c.printed(t)
		if !strings.Contains(printed, want) && c.ended() {
			t.Fatalf("goswan connect has ended without printing %q", want)
		}
		return strings.Contains(printed, want), printed
	})
}

func (c *connection) ended() bool {
	select {
	case <-c.exited:
		return true
	default:
		return false
	}
}

// wantExit waits for the end and looks at the exit status.
func (c *connection) wantExit(t *testing.T, status int) {
	t.Helper()
	select {
	case <-c.exited:
	case <-time.After(patience):
		t.Fatalf("goswan connect has not ended within %v", patience)
	}
	if got := c.cmd.ProcessState.ExitCode(); got != status {
		t.Errorf("goswan connect exits with %d, want %d", got, status)
	}
}

// interrupt is Ctrl-C. The gateway has to know at once.
func (c *connection) interrupt(t *testing.T, n *Net) {
	t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	c.wantExit(t, 0)
	waitFor(t, "the gateway has no IKE SA any more", func() (bool, string) {
		sas := n.Right.SAs(t)
		return len(sas) == 0, fmt.Sprint(sas)
	})
}

const proxyAddr = "127.0.0.1:1080"

// dialProxy connects to the proxy on the left host.
func (n *Net) dialProxy(ctx context.Context, _, _ string) (conn net.Conn, err error) {
	return conn, n.Left.In(func() (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", proxyAddr)
		return err
	})
}

// fetch fetches a page through the proxy.
func (n *Net) fetch(t *testing.T, scheme, from string) (int, string) {
	t.Helper()
	transport := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: scheme, Host: proxyAddr}), DialContext: n.dialProxy}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: patience}).Get(from)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// TestConnectProxy has an unprivileged user without any configuration file reach a web server behind a gateway.
func TestConnectProxy(t *testing.T) {
	for _, d := range []Daemon{StrongSwan, Goswan} {
		for _, l := range laptops {
			t.Run(string(d)+"/"+l.name, func(t *testing.T) {
				n := newGateway(t, d, l)
				before := n.Left.state(t)
				names := n.StartCapture(t, "names", "any", "port 53")
				c := n.connect(t, nobody, append(l.options, "--proxy", proxyAddr)...)
				c.waitPrinted(t, "Proxy on "+proxyAddr+" (SOCKS5 and HTTP).\n")
				n.throughProxy(t)
				n.wantAfter(t, c)
				c.interrupt(t, n)
				if after := n.Left.state(t); after != before {
					t.Errorf("the host is not as it was. Before:\n%s\nafter:\n%s", before, after)
				}
				names.Stop(t)
				if asked := names.Packets(t); asked[0] != "" {
					t.Errorf("names were asked for beside the tunnel: %s", asked[0])
				}
			})
		}
	}
}

// throughProxy fetches pages by address and by name, which only the gateway's name server knows.
func (n *Net) throughProxy(t *testing.T) {
	t.Helper()
	for _, scheme := range []string{"socks5", "http"} {
		for _, host := range []string{n.RightLAN.IPv4, "web.example"} {
			want := fmt.Sprintf("%sfor %s from 10.3.0.1:", page, host)
			if status, got := n.fetch(t, scheme, "http://"+host+"/"); status != http.StatusOK || !strings.HasPrefix(got, want) {
				t.Errorf("through %s, http://%s/ is %d %q, want %q", scheme, host, status, got, want)
			}
		}
	}
	if status, got := n.fetch(t, "http", "http://nowhere.example/"); status != http.StatusBadGateway || !strings.Contains(got, "no such host") {
		t.Errorf("a name that is not there is answered with %d %q, want 502 and why", status, got)
	}
	conn, err := n.dialProxy(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "CONNECT web.example:80 HTTP/1.1\r\nHost: web.example:80\r\n\r\nGET / HTTP/1.0\r\nHost: inner\r\n\r\n")
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("CONNECT is answered with %v, %v", resp, err)
	}
	if inner, _ := io.ReadAll(r); !strings.Contains(string(inner), page+"for inner from 10.3.0.1:") {
		t.Errorf("through CONNECT comes %q", inner)
	}
}

// wantAfter has the gateway end the tunnel, and goswan connect make a new one.
func (n *Net) wantAfter(t *testing.T, c *connection) {
	t.Helper()
	n.Right.Terminate(t, "site")
	c.waitPrinted(t, "The tunnel is down: the peer deleted the IKE SA. Connecting again.\n")
	waitFor(t, "the tunnel is up again", func() (bool, string) {
		printed := c.printed(t)
		return strings.Count(printed, "Connected to "+RightOuter) == 2, printed
	})
	if status, got := n.fetch(t, "socks5", "http://web.example/"); status != http.StatusOK {
		t.Errorf("through the new tunnel comes %d %q", status, got)
	}
}

// TestConnectTUN has root's laptop send everything through the tunnel, and take everything back.
func TestConnectTUN(t *testing.T) {
	for _, d := range []Daemon{StrongSwan, Goswan} {
		t.Run(string(d), func(t *testing.T) {
			n := newGateway(t, d, laptops[1])
			resolv := n.Left.ownResolvConf(t)
			before := n.Left.state(t)
			c := n.connect(t, nil, laptops[1].options...)
			c.waitPrinted(t, "Ctrl-C ends it.\n")
			n.Left.Ping(t, n.RightLAN.IPv4)
			waitFor(t, "the gateway's name server is in resolv.conf", func() (bool, string) {
				got, err := os.ReadFile(resolv)
				return err == nil && strings.Contains(string(got), "nameserver 10.2.0.2\n"), string(got)
			})
			if got := mustRun(t, "ip", "-n", n.Left.Name, "route", "get", "203.0.113.9"); !strings.Contains(got, "dev ipsec0") || !strings.Contains(got, "src 10.3.0.1") {
				t.Errorf("what is for anybody does not go through the tunnel from its address: %s", got)
			}
			c.interrupt(t, n)
			if after := n.Left.state(t); after != before {
				t.Errorf("the host is not as it was. Before:\n%s\nafter:\n%s", before, after)
			}
			if got, err := os.ReadFile(resolv); err != nil || string(got) != ownNameServer {
				t.Errorf("resolv.conf has %q (%v), want what it had", got, err)
			}
		})
	}
}

// ownResolvConf gives commands in the namespace a resolv.conf of their own, as `ip netns exec` does it.
func (h *Host) ownResolvConf(t *testing.T) string {
	t.Helper()
	dir := filepath.Join("/etc/netns", h.Name)
	path := filepath.Join(dir, "resolv.conf")
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(path, []byte(ownNameServer), 0o644)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = os.RemoveAll(dir)
		_ = os.Remove(filepath.Dir(dir)) // not if others use it
	})
	return path
}

// TestConnectRefused has the reasons speak of options.
func TestConnectRefused(t *testing.T) {
	for _, test := range []struct {
		name    string
		laptop  laptop
		options []string
		want    []string
	}{
		{"another name", laptops[1], []string{"--cert", "left.pem", "--key", "left.key", "--ca", "ca.pem", "--my-id", "left.example", "--id", "*.wanted.example"},
			[]string{"phase 1 IKE_AUTH", "AUTHENTICATION_FAILED", `"*.wanted.example" (--id)`, "right.example"}},
		{"another CA", laptops[1], []string{"--cert", "left.pem", "--key", "left.key", "--ca", "other-ca.pem", "--my-id", "left.example", "--id", "right.example"},
			[]string{"AUTHENTICATION_FAILED", "is not known here", "name that CA's certificate with --ca"}},
		{"another secret", laptops[0], []string{"--psk-file", "wrong-psk", "--my-id", "left.example", "--id", "right.example"},
			[]string{"AUTHENTICATION_FAILED", "compare the identities (--my-id, --id)", `"psk" (--psk-file)`}},
		{"no proposal in common", laptops[0], []string{"--psk-file", "psk", "--my-id", "left.example", "--id", "right.example", "--ike", "camellia256-sha512-ecp224bp"},
			[]string{"NO_PROPOSAL_CHOSEN", "compare --ike with the peer's"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := newGateway(t, StrongSwan, test.laptop)
			c := n.connect(t, nobody, append(test.options, "--proxy", proxyAddr)...)
			c.wantExit(t, 1)
			for _, want := range test.want {
				if printed := c.printed(t); !strings.Contains(printed, want) {
					t.Errorf("goswan connect does not print %q but\n%s", want, printed)
				}
			}
		})
	}
}

// TestConnectWithoutRoot says what to do.
func TestConnectWithoutRoot(t *testing.T) {
	n := newGateway(t, StrongSwan, laptops[0])
	c := n.connect(t, nobody, laptops[0].options...)
	c.wantExit(t, 1)
	if printed := c.printed(t); !strings.Contains(printed, "run it with sudo, or without root as a proxy: --proxy 127.0.0.1:1080") {
		t.Errorf("without root goswan connect prints\n%s", printed)
	}
}
