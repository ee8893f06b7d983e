package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// servers are what is behind the proxy: connections to it are answered by serve, and addresses are remembered.
type servers struct {
	serve func(net.Conn)
	err   error

	mu     sync.Mutex // guards dialed
	dialed []string
}

func (s *servers) dial(_ context.Context, network, address string) (net.Conn, error) {
	s.mu.Lock()
	s.dialed = append(s.dialed, network+" "+address)
	s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	near, far, err := pair()
	if err != nil {
		return nil, err
	}
	go s.serve(far)
	return near, nil
}

func (s *servers) last() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.dialed) == 0 {
		return ""
	}
	return s.dialed[len(s.dialed)-1]
}

// pair are the two ends of a TCP connection, which has halves.
func pair() (near, far net.Conn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	if far, err = l.Accept(); err != nil {
		return nil, nil, errors.Join(err, near.Close())
	}
	return near, far, nil
}

// echo says what it heard, once it has heard all of it.
func echo(c net.Conn) {
	heard, _ := io.ReadAll(c)
	_, _ = fmt.Fprintf(c, "heard %s", heard)
	_ = c.Close()
}

// start runs a proxy and returns its address.
func start(t *testing.T, c Config) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(c)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), <-ended); err != nil {
			t.Errorf("the proxy ends with %v", err)
		}
	})
	return l.Addr().String()
}

func connect(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

// TestSOCKSRequests has clients send what is right and what is not. A conversation is octets in one piece: the greeting and
// the request.
func TestSOCKSRequests(t *testing.T) {
	const greeting, welcome = "\x05\x01\x00", "\x05\x00"
	none := "\x00\x01\x00\x00\x00\x00\x00\x00" // reserved, IPv4, 0.0.0.0:0
	for _, test := range []struct {
		name, said string
		err        error
		want       string // of the answer, up to the address
		dialed     string
	}{
		{"CONNECT to IPv4", greeting + "\x05\x01\x00\x01\x0a\x02\x00\x02\x00\x50", nil, welcome + "\x05\x00\x00\x01", "tcp 10.2.0.2:80"},
		{"CONNECT to IPv6", greeting + "\x05\x01\x00\x04\xfd\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x01\xbb", nil, welcome + "\x05\x00\x00\x01", "tcp [fd00:2::2]:443"},
		{"CONNECT to a name", greeting + "\x05\x01\x00\x03\x0bweb.example\x00\x50", nil, welcome + "\x05\x00\x00\x01", "tcp web.example:80"},
		{"several methods", "\x05\x03\x02\x01\x00\x05\x01\x00\x03\x01a\x00\x50", nil, welcome + "\x05\x00\x00\x01", "tcp a:80"},
		{"an address as a name", greeting + "\x05\x01\x00\x03\x0810.2.0.2\x00\x50", nil, welcome + "\x05\x00\x00\x01", "tcp 10.2.0.2:80"},
		{"no empty name", greeting + "\x05\x01\x00\x03\x00\x00\x50", errors.New("no such host"), welcome + "\x05\x04" + none, "tcp :80"},
		{"connection refused", greeting + "\x05\x01\x00\x01\x0a\x02\x00\x02\x00\x50", errors.New("connection was refused"), welcome + "\x05\x05" + none, "tcp 10.2.0.2:80"},
		{"network unreachable", greeting + "\x05\x01\x00\x01\x0a\x02\x00\x02\x00\x50", errors.New("network is unreachable"), welcome + "\x05\x03" + none, "tcp 10.2.0.2:80"},
		{"no name server", greeting + "\x05\x01\x00\x03\x01a\x00\x50", errors.New("a cannot be resolved"), welcome + "\x05\x04" + none, "tcp a:80"},
		{"BIND", greeting + "\x05\x02\x00\x01\x0a\x02\x00\x02\x00\x50", nil, welcome + "\x05\x07" + none, ""},
		{"UDP ASSOCIATE", greeting + "\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00", nil, welcome + "\x05\x07" + none, ""},
		{"an unknown command", greeting + "\x05\x09\x00\x01\x0a\x02\x00\x02\x00\x50", nil, welcome + "\x05\x07" + none, ""},
		{"an unknown kind of address", greeting + "\x05\x01\x00\x02\x0a\x02", nil, welcome + "\x05\x08" + none, ""},
		{"only with a password", "\x05\x01\x02", nil, "\x05\xff", ""},
		{"no method at all", "\x05\x00", nil, "\x05\xff", ""},
		{"another version in the request", greeting + "\x04\x01\x00\x01\x0a\x02\x00\x02\x00\x50", nil, welcome, ""},
		{"cut in the methods", "\x05\x05\x00", nil, "", ""},
		{"cut in the name", greeting + "\x05\x01\x00\x03\x0bweb", nil, welcome, ""},
		{"nothing behind the version", "\x05", nil, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			behind := &servers{serve: echo, err: test.err}
			c := connect(t, start(t, Config{Dial: behind.dial}))
			_, _ = io.WriteString(c, test.said)
			_ = c.CloseWrite()
			got, _ := io.ReadAll(c) // a reset is an end, too
			connected := strings.HasPrefix(test.want, welcome+"\x05\x00")
			switch {
			case connected && (!strings.HasPrefix(string(got), test.want) || !strings.HasSuffix(string(got), "heard ")):
				t.Errorf("the answer is %q, want %q, an address and what the server says", got, test.want)
			case !connected && string(got) != test.want:
				t.Errorf("the answer is %q, want %q", got, test.want)
			}
			if got := behind.last(); got != test.dialed {
				t.Errorf("it dialled %q, want %q", got, test.dialed)
			}
		})
	}
}

// through dials through the proxy by SOCKS5 or by HTTP's CONNECT, without any library.
func through(t *testing.T, addr, protocol, more string) (*net.TCPConn, *bufio.Reader) {
	t.Helper()
	c := connect(t, addr)
	r := bufio.NewReader(c)
	if protocol == "socks5" {
		_, _ = io.WriteString(c, "\x05\x01\x00\x05\x01\x00\x03\x01a\x00\x50"+more)
		if _, err := io.ReadFull(r, make([]byte, 2+10)); err != nil {
			t.Fatalf("SOCKS5: %v", err)
		}
		return c, r
	}
	_, _ = io.WriteString(c, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"+more)
	resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("CONNECT is answered with %v, %v", resp, err)
	}
	return c, r
}

// TestHalves has a client that says all it has to say before the server answers, some of it together with its request.
func TestHalves(t *testing.T) {
	for _, protocol := range []string{"socks5", "http"} {
		t.Run(protocol, func(t *testing.T) {
			c, r := through(t, start(t, Config{Dial: (&servers{serve: echo}).dial}), protocol, "early ")
			big := strings.Repeat("x", 1<<20)
			_, _ = io.WriteString(c, big)
			_ = c.CloseWrite()
			got, err := io.ReadAll(r)
			if want := "heard early " + big; err != nil || string(got) != want {
				t.Errorf("%d octets came back (%v), want %d: the server's answer to all that was said", len(got), err, len(want))
			}
		})
	}
}

// TestServerEndsFirst has the server close its half, and the client still be heard.
func TestServerEndsFirst(t *testing.T) {
	heard := make(chan string, 1)
	behind := &servers{serve: func(c net.Conn) {
		_, _ = io.WriteString(c, "bye")
		_ = c.(*net.TCPConn).CloseWrite()
		all, _ := io.ReadAll(c)
		heard <- string(all)
	}}
	c, r := through(t, start(t, Config{Dial: behind.dial}), "socks5", "")
	if got, err := io.ReadAll(r); err != nil || string(got) != "bye" {
		t.Errorf("the client hears %q, %v", got, err)
	}
	_, _ = io.WriteString(c, "still here")
	_ = c.Close()
	if got := <-heard; got != "still here" {
		t.Errorf("after its end the server hears %q", got)
	}
}

// TestSilence ends a connection on which nobody says anything any more, at both ends.
func TestSilence(t *testing.T) {
	for _, protocol := range []string{"socks5", "http"} {
		ended := make(chan struct{})
		behind := &servers{serve: func(c net.Conn) { _, _ = io.ReadAll(c); close(ended) }}
		_, r := through(t, start(t, Config{Dial: behind.dial, Idle: 20 * time.Millisecond}), protocol, "hello")
		if _, err := r.ReadByte(); err == nil {
			t.Errorf("%s: something came from nowhere", protocol)
		}
		<-ended
	}
}

// TestSlowClients ends those who do not say what they want.
func TestSlowClients(t *testing.T) {
	for _, said := range []string{"", "\x05", "\x05\x01\x00", "\x05\x01\x00\x05\x01\x00\x03\xff", "GET http://a/ HTTP/1.1\r\n"} {
		c := connect(t, start(t, Config{Dial: (&servers{serve: echo}).dial, Handshake: 20 * time.Millisecond}))
		_, _ = io.WriteString(c, said)
		if _, err := io.ReadAll(c); err != nil && !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
			t.Errorf("after %q: %v", said, err)
		}
	}
}

// TestSlowServers do not keep a client for ever.
func TestSlowServers(t *testing.T) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
	addr := start(t, Config{Dial: dial, DialTimeout: 20 * time.Millisecond})
	c := connect(t, addr)
	_, _ = io.WriteString(c, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("CONNECT is answered with %v, %v, want 504", resp, err)
	}
}

// TestConnections has a second client wait for its place until the first one leaves.
func TestConnections(t *testing.T) {
	addr := start(t, Config{Dial: (&servers{serve: echo}).dial, Connections: 1})
	first, _ := through(t, addr, "socks5", "")
	second := connect(t, addr)
	_, _ = io.WriteString(second, "\x05\x01\x00")
	_ = second.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := second.Read(make([]byte, 2)); err == nil {
		t.Errorf("the second client was served %d octets while the first was there", n)
	}
	_ = first.Close()
	_ = second.SetReadDeadline(time.Time{})
	if _, err := io.ReadFull(second, make([]byte, 2)); err != nil {
		t.Errorf("after the first client has left, the second gets %v", err)
	}
}

// TestHTTPRequests are the requests that are no CONNECT.
func TestHTTPRequests(t *testing.T) {
	var got http.Request
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = *r
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "secret")
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s", r.Method, body)
	}))
	defer origin.Close()
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if address != "web.example:80" {
			return nil, fmt.Errorf("%s is not known", address)
		}
		return new(net.Dialer).DialContext(ctx, network, origin.Listener.Addr().String())
	}
	addr := start(t, Config{Dial: dial})
	for _, test := range []struct {
		request string
		status  int
		body    string
	}{
		{"GET http://web.example/page?q=1 HTTP/1.1\r\nHost: other.example\r\nProxy-Authorization: Basic eDp5\r\nConnection: X-Mine\r\nX-Mine: secret\r\n\r\n", 200, "GET "},
		{"POST http://web.example/ HTTP/1.1\r\nHost: web.example\r\nContent-Length: 4\r\n\r\nbody", 200, "POST body"},
		{"GET http://nowhere.example/ HTTP/1.1\r\nHost: nowhere.example\r\n\r\n", 502, "nowhere.example:80 is not known"},
		{"CONNECT nowhere.example:443 HTTP/1.1\r\nHost: nowhere.example:443\r\n\r\n", 502, "nowhere.example:443 is not known"},
		{"CONNECT web.example HTTP/1.1\r\nHost: web.example\r\n\r\n", 400, "host:port"},
		{"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400, "enter its address as the HTTP or SOCKS5 proxy"},
		{"GET https://web.example/ HTTP/1.1\r\nHost: web.example\r\n\r\n", 501, "use CONNECT"},
		{"GET ftp://web.example/ HTTP/1.1\r\nHost: web.example\r\n\r\n", 501, "use CONNECT"},
		{"GET http://web.example/ HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", maxHeader+8<<10) + "\r\n\r\n", 431, ""},
		{"\x04\x01\x00\x50\x0a\x02\x00\x02\x00\r\n\r\n", 400, ""},
		{"\x16\x03\x01\x02\x00\r\n\r\n", 400, ""},
		{"nonsense\r\n\r\n", 400, ""},
	} {
		c := connect(t, addr)
		_, _ = io.WriteString(c, test.request)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Errorf("%.60q: %v", test.request, err)
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != test.status || !strings.Contains(string(body), test.body) {
			t.Errorf("%.60q is answered with %d %q, want %d and %q", test.request, resp.StatusCode, body, test.status, test.body)
		}
		if resp.StatusCode == http.StatusOK && (resp.Header.Get("X-Hop") != "" || resp.Header.Get("Via") != via) {
			t.Errorf("the answer has the headers %v", resp.Header)
		}
		if strings.Contains(test.request, "X-Mine") && (got.Host != "web.example" || got.URL.String() != "/page?q=1" || got.Header.Get("X-Mine") != "" ||
			got.Header.Get("Proxy-Authorization") != "" || got.Header.Get("X-Forwarded-For") != "" || got.Header.Get("Via") != via) {
			t.Errorf("the server gets %s at %s with the headers %v", got.URL, got.Host, got.Header)
		}
	}
}

// TestClients are Go's own of both protocols, several at a time.
func TestClients(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "page of "+r.Host) }))
	defer origin.Close()
	addr := start(t, Config{Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, origin.Listener.Addr().String())
	}})
	var wg sync.WaitGroup
	for _, scheme := range []string{"socks5", "socks5h", "http"} {
		for range 8 {
			wg.Go(func() {
				transport := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: scheme, Host: addr})}
				defer transport.CloseIdleConnections()
				for range 4 {
					resp, err := (&http.Client{Transport: transport}).Get("http://web.example/")
					if err != nil {
						t.Errorf("%s: %v", scheme, err)
						return
					}
					body, _ := io.ReadAll(resp.Body)
					_ = resp.Body.Close()
					if string(body) != "page of web.example" {
						t.Errorf("%s: the page is %q", scheme, body)
					}
				}
			})
		}
	}
	wg.Wait()
}

// TestClose ends what is under way: clients that have said nothing, and connections that are in use.
func TestClose(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{Dial: (&servers{serve: echo}).dial})
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	silent := connect(t, l.Addr().String())
	used, _ := through(t, l.Addr().String(), "socks5", "hello")
	also, _ := through(t, l.Addr().String(), "http", "")
	if err := errors.Join(s.Close(), <-ended); err != nil {
		t.Errorf("Close and Serve return %v", err)
	}
	for _, c := range []net.Conn{silent, used, also} {
		if n, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("after Close a client reads %d octets", n)
		}
	}
	again, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(again); err != nil {
		t.Errorf("Serve after Close returns %v", err)
	}
}

// FuzzClient has a client say anything: the proxy must take it, and end.
func FuzzClient(f *testing.F) {
	for _, seed := range []string{
		"\x05\x01\x00\x05\x01\x00\x01\x0a\x02\x00\x02\x00\x50hello", "\x05\x01\x00\x05\x01\x00\x03\x01a\x00\x50", "\x05\x02\x00\x02\x05\x03\x00\x04",
		"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\nhello", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.0\r\n\r\n", "\x04\x01", "",
		"POST http://a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	s := New(Config{Dial: (&servers{serve: echo}).dial, Handshake: time.Second, Idle: time.Second})
	go func() { _ = s.Serve(l) }()
	f.Cleanup(func() { _ = s.Close() })
	f.Fuzz(func(t *testing.T, said []byte) {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = c.Write(said)
		_ = c.(*net.TCPConn).CloseWrite()
		got, _ := io.ReadAll(c)
		if len(said) > 0 && said[0] == socksVersion && len(got) > 0 && !bytes.HasPrefix(got, []byte{socksVersion}) {
			t.Errorf("SOCKS5 is answered with %q", got)
		}
	})
}
