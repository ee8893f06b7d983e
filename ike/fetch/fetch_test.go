package fetch

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/ike/auth"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// server answers requests without a network.
type server func(*http.Request) (*http.Response, error)

func (s server) RoundTrip(r *http.Request) (*http.Response, error) { return s(r) }

func reply(status int, body io.Reader, header ...string) (*http.Response, error) {
	r := &http.Response{StatusCode: status, Status: fmt.Sprint(status, " ", http.StatusText(status)), Body: io.NopCloser(body), Header: http.Header{}}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r, nil
}

// endless is a body without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestDo(t *testing.T) {
	redirects := func(to string) server {
		return func(r *http.Request) (*http.Response, error) {
			if r.URL.String() == to {
				return reply(200, strings.NewReader("there"))
			}
			return reply(302, strings.NewReader(""), "Location", to)
		}
	}
	for _, c := range []struct {
		name   string
		url    string
		server server
		want   string // the body, or behind "!" what the error says
	}{
		{"an answer", "http://h/crl", func(r *http.Request) (*http.Response, error) {
			return reply(200, strings.NewReader(r.Method+" "+r.URL.Path))
		}, "GET /crl"},
		{"not there", "http://h/crl", func(*http.Request) (*http.Response, error) { return reply(404, strings.NewReader("page")) }, "!the server answers 404 Not Found"},
		{"no connection", "http://h/crl", func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }, "!connection refused"},
		{"an endless answer", "http://h/crl", func(*http.Request) (*http.Response, error) { return reply(200, endless{}) }, "!the answer is longer than 4194304 octets"},
		{"a redirect", "http://h/crl", redirects("http://other/crl"), "there"},
		{"a redirect to https", "http://h/crl", redirects("https://other/crl"), "there"},
		{"a redirect to http", "https://h/crl", redirects("http://other/crl"), "!redirected from https to http"},
		{"a redirect to a file", "http://h/crl", redirects("file:///etc/passwd"), "!redirected to file: not http or https"},
		{"redirects in a circle", "http://h/crl", func(r *http.Request) (*http.Response, error) {
			return reply(302, strings.NewReader(""), "Location", "http://h/crl?"+r.URL.RawQuery+"x")
		}, "!more than 3 redirects"},
		{"another scheme", "ftp://h/crl", nil, "!not http or https"},
		{"no URL", "http://[", nil, "!not a URL"},
	} {
		client := &Client{Transport: c.server}
		got, err := client.Do(context.Background(), auth.Fetch{Kind: auth.FetchCRL, URL: c.url})
		if text, failure := strings.CutPrefix(c.want, "!"); failure {
			if err == nil || err.Error() != text {
				t.Errorf("%s: the error is %v, want %s", c.name, err, text)
			}
		} else if err != nil || string(got) != c.want {
			t.Errorf("%s: got %q (%v), want %q", c.name, got, err, c.want)
		}
	}
}

func TestOCSPIsPosted(t *testing.T) {
	client := &Client{Transport: server(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		return reply(200, strings.NewReader(r.Method+" "+r.Header.Get("Content-Type")+" "+string(body)))
	})}
	got, err := client.Do(context.Background(), auth.Fetch{Kind: auth.FetchOCSP, URL: "http://h/", Request: "octets"})
	if want := "POST application/ocsp-request octets"; err != nil || string(got) != want {
		t.Errorf("an OCSP request is sent as %q (%v), want %q", got, err, want)
	}
}

func TestTimeIsBounded(t *testing.T) {
	client := &Client{Timeout: time.Millisecond, AtOnce: 1, Transport: server(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})}
	_, err := client.Do(context.Background(), auth.Fetch{Kind: auth.FetchCRL, URL: "http://h/"})
	if want := "no answer within 1ms"; err == nil || err.Error() != want {
		t.Errorf("a server that says nothing gives %v, want %s", err, want)
	}
}

// newCRL makes a CA and its CRL.
func newCRL(t *testing.T, name string, until time.Time) *auth.CRL {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, SubjectKeyId: []byte{1}, KeyUsage: x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: until}, ca, key)
	if err != nil {
		t.Fatal(err)
	}
	crl, err := auth.ParseCRL(der)
	if err != nil {
		t.Fatal(err)
	}
	return crl
}

func TestWhatIsKeptGoesOutOfDate(t *testing.T) {
	var c Client
	first, second := newCRL(t, "a", now.Add(time.Hour)), newCRL(t, "a", now.Add(2*time.Hour))
	c.Learn(now, auth.Evidence{CRLs: []*auth.CRL{first}})
	c.Learn(now, auth.Evidence{CRLs: []*auth.CRL{second, newCRL(t, "old", now.Add(-time.Second).Add(2*time.Second))}})
	if e := c.Evidence(now); len(e.CRLs) != 2 {
		t.Errorf("%d CRLs are kept, want the newest of each CA", len(e.CRLs))
	}
	if e := c.Evidence(now.Add(90 * time.Minute)); len(e.CRLs) != 1 || e.CRLs[0] != second {
		t.Errorf("after 90 minutes %v are kept, want the one that holds for two hours", e.CRLs)
	}
	if e := c.Evidence(now.Add(3 * time.Hour)); len(e.CRLs) != 0 {
		t.Error("a CRL is used after its nextUpdate")
	}
	for i := range 2 * maxCached {
		c.mu.Lock()
		c.keep(now, fmt.Sprint(i), entry{crl: first, until: now.Add(time.Duration(i) * time.Minute)})
		c.mu.Unlock()
	}
	if n := len(c.kept); n != maxCached {
		t.Errorf("%d things are kept, want at most %d", n, maxCached)
	}
	c.Forget()
	if e := c.Evidence(now); len(e.CRLs) != 0 {
		t.Error("something is kept after Forget")
	}
}

// FuzzAnswer has a server say anything in HTTP: what is taken was answered with 200 and is not longer than it may be.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde"), uint8(0))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\nffffffffffffffff\r\n"), uint8(1))
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\nabcde"), uint8(2))
	f.Add([]byte("HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n"), uint8(0))
	f.Add([]byte("HTTP/1.1 302 Found\r\nLocation: //h/x\r\n\r\n"), uint8(1))
	f.Fuzz(func(t *testing.T, octets []byte, kind uint8) {
		status, asked := 0, 0
		client := &Client{Transport: server(func(r *http.Request) (*http.Response, error) {
			if asked++; asked > maxRedirects+1 {
				t.Fatalf("%d requests for one question", asked)
			}
			if r.URL.Scheme != "http" && r.URL.Scheme != "https" {
				t.Fatalf("asked by %s", r.URL.Scheme)
			}
			response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(octets)), r)
			if err == nil {
				status = response.StatusCode
			}
			return response, err
		})}
		question := auth.Fetch{Kind: []auth.FetchKind{auth.FetchCRL, auth.FetchOCSP, auth.FetchCertificate}[kind%3], URL: "http://h/x"}
		got, err := client.Do(context.Background(), question)
		if err == nil && (status != http.StatusOK || len(got) > question.Limit()) {
			t.Errorf("%d octets are taken with the status %d", len(got), status)
		}
	})
}
