package fetch

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/goswan/goswan/ike/auth"
)

// TestWhereAPeerMaySendUs: not to this host, nor where no server with certificates is; to the networks of a company it may.
func TestWhereAPeerMaySendUs(t *testing.T) {
	own := []net.Addr{
		&net.IPNet{IP: net.ParseIP("10.0.0.7"), Mask: net.CIDRMask(24, 32)}, &net.IPNet{IP: net.ParseIP("fd00::7"), Mask: net.CIDRMask(64, 128)},
	}
	for address, want := range map[string]string{
		"192.0.2.1": "", "10.0.0.8": "", "2001:db8::1": "", "fd00::8": "", "::ffff:192.0.2.1": "", "64:ff9b::192.0.2.1": "",
		"127.0.0.1": "this host", "127.9.9.9": "this host", "::1": "this host", "::ffff:127.0.0.1": "this host", "64:ff9b::127.0.0.1": "this host",
		"0.0.0.0": "this host", "0.1.2.3": "this host", "::": "this host", "10.0.0.7": "this host", "fd00::7": "this host", "::ffff:10.0.0.7": "this host",
		"169.254.169.254": "an address of a link", "fe80::1": "an address of a link", "fe80::1%eth0": "an address of a link", "64:ff9b::a9fe:a9fe": "an address of a link",
		"224.0.0.1": "a group", "255.255.255.255": "a group", "ff02::1": "a group", "ff05::1": "a group",
	} {
		if got := forbidden(netip.MustParseAddr(address), own); got != want {
			t.Errorf("a peer sends us to %s: it is %q, want %q", address, got, want)
		}
	}
}

// TestCertificatesAreNotOurs has a server on this host: a CA may name it in a certificate, a stranger may not, by whatever name.
func TestCertificatesAreNotOurs(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write([]byte("octets"))
	}))
	defer server.Close()
	var client Client
	if got, err := client.Do(context.Background(), auth.Fetch{Kind: auth.FetchCRL, URL: server.URL}); err != nil || string(got) != "octets" {
		t.Errorf("a CRL on this host is had as %q (%v)", got, err)
	}
	before := asked.Load()
	_, err := client.Do(context.Background(), auth.Fetch{Kind: auth.FetchCertificate, URL: server.URL})
	if err == nil || !strings.Contains(err.Error(), "a peer may not have us connect to 127.0.0.1: it is this host") {
		t.Errorf("a certificate on this host gives %v", err)
	}
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	if _, err := client.Do(context.Background(), auth.Fetch{Kind: auth.FetchCertificate, URL: "http://localhost:" + port}); err == nil {
		t.Error("by a name of this host it is had")
	}
	if asked.Load() != before {
		t.Error("a stranger's URL reaches a server on this host")
	}
}

// TestNoProxyForStrangers has a proxy in the environment, which what a stranger chose does not go through.
func TestNoProxyForStrangers(t *testing.T) {
	var client Client
	client.once.Do(client.init)
	if ours := client.ours.http.Transport.(*http.Transport); ours.Proxy == nil {
		t.Error("CRLs do not take the proxy of the environment")
	}
	if theirs := client.theirs.http.Transport.(*http.Transport); theirs.Proxy != nil {
		t.Error("a stranger's URL goes to the proxy")
	}
}

// TestStrangersDelayNobody has servers that say nothing take all places for certificates: CRLs are still had.
func TestStrangersDelayNobody(t *testing.T) {
	waiting := make(chan struct{})
	client := &Client{AtOnce: 1, Transport: server(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host != "silent" {
			return reply(200, strings.NewReader("CRL"))
		}
		close(waiting)
		<-r.Context().Done()
		return nil, r.Context().Err()
	})}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = client.Do(ctx, auth.Fetch{Kind: auth.FetchCertificate, URL: "http://silent/"})
	}()
	<-waiting
	if got, err := client.Do(context.Background(), auth.Fetch{Kind: auth.FetchCRL, URL: "http://h/"}); err != nil || string(got) != "CRL" {
		t.Errorf("while a stranger's server is silent a CRL is had as %q (%v)", got, err)
	}
	cancel()
	<-done
}
