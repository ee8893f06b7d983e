// Package fetch is the driver behind the questions of auth.Trial: it gets CRLs, OCSP responses and certificates by HTTP and
// keeps what proved useful until it is out of date.
//
// What it is sent to get, others chose: the CA in a certificate, or the peer by Hash and URL (RFC 7296 §3.6). So it is
// bounded in size, time and number, speaks http and https only, and follows few redirects, to these schemes. Addresses of the
// inner network are allowed, because that is where a company's CA is.
//
// Whoever sends a Hash and URL has proved nothing yet, and need not be able to: it may want no more than the request itself, from
// this host to another one. Such a request is a GET without credentials of any kind, it never goes to this host itself, to a link or
// to a group, it does not take the proxy, which may reach what this host does not, and it has places of its own, so that it delays
// nobody else's. What remains, that a stranger has this host GET something within its networks, is why Hash and URL is off unless
// it is configured.
package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/goswan/goswan/ike/auth"
)

// The limits; a Client may have others.
const (
	DefaultTimeout = 10 * time.Second
	DefaultAtOnce  = 8

	maxRedirects = 3
	maxCached    = 256
	maxHeader    = 64 << 10
)

// Client fetches. The zero value is ready; it is safe for use by several goroutines.
type Client struct {
	// Transport is how HTTP is spoken; nil is a transport with the limits of this package, and with the proxy of the environment but
	// for certificates.
	Transport http.RoundTripper
	// Timeout is for one question, redirects included; 0 is DefaultTimeout.
	Timeout time.Duration
	// AtOnce is how many questions are under way at once, and as many for certificates; further ones wait. 0 is DefaultAtOnce.
	AtOnce int

	once sync.Once
	// ours are for what CAs chose, theirs for what a peer chose.
	ours, theirs way

	mu sync.Mutex // guards what follows
	// kept are CRLs by their issuer and OCSP responses by their CertID.
	kept map[string]entry
}

// way is how questions of one kind go.
type way struct {
	http  *http.Client
	slots chan struct{}
}

// entry is something worth keeping.
type entry struct {
	crl    *auth.CRL
	answer *auth.Answer
	until  time.Time
}

var errScheme = errors.New("not http or https")

func (c *Client) init() {
	c.ours, c.theirs = c.way(c.Transport), c.way(c.Transport)
	if c.Transport != nil {
		return
	}
	c.ours.http.Transport = c.transport()
	wary := c.transport()
	wary.Proxy, wary.DialContext = nil, (&net.Dialer{Timeout: c.timeout(), Control: elsewhere}).DialContext
	c.theirs.http.Transport = wary
}

func (c *Client) way(transport http.RoundTripper) way {
	atOnce := DefaultAtOnce
	if c.AtOnce > 0 {
		atOnce = c.AtOnce
	}
	return way{&http.Client{Transport: transport, CheckRedirect: redirect}, make(chan struct{}, atOnce)}
}

func (c *Client) transport() *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxResponseHeaderBytes: maxHeader, MaxIdleConns: 4, IdleConnTimeout: 30 * time.Second,
		TLSHandshakeTimeout: c.timeout(), ResponseHeaderTimeout: c.timeout(), ForceAttemptHTTP2: true,
	}
}

func (c *Client) timeout() time.Duration {
	if c.Timeout > 0 {
		return c.Timeout
	}
	return DefaultTimeout
}

// redirect allows a few redirects, and none from https to http: nobody on the way may take part of an answer away.
func redirect(next *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("more than %d redirects", maxRedirects)
	case next.URL.Scheme != "http" && next.URL.Scheme != "https":
		return fmt.Errorf("redirected to %s: %w", next.URL.Scheme, errScheme)
	case next.URL.Scheme == "http" && via[len(via)-1].URL.Scheme == "https":
		return errors.New("redirected from https to http")
	}
	return nil
}

// Do gets the answer to one question. The error says what went wrong in a few words, without the URL.
func (c *Client) Do(ctx context.Context, f auth.Fetch) ([]byte, error) {
	c.once.Do(c.init)
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	way := c.ours
	if f.Kind == auth.FetchCertificate {
		way = c.theirs
	}
	select {
	case way.slots <- struct{}{}:
		defer func() { <-way.slots }()
	case <-ctx.Done():
		return nil, errors.New("too many questions were under way")
	}
	request, err := newRequest(ctx, f)
	if err != nil {
		return nil, err
	}
	response, err := way.http.Do(request)
	if err != nil {
		return nil, plain(err, c.timeout())
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answers %s", response.Status)
	}
	octets, err := io.ReadAll(io.LimitReader(response.Body, int64(f.Limit())+1))
	switch {
	case err != nil:
		return nil, plain(err, c.timeout())
	case len(octets) > f.Limit():
		return nil, fmt.Errorf("the answer is longer than %d octets", f.Limit())
	}
	return octets, nil
}

// newRequest is a GET, or for OCSP a POST (RFC 6960 Appendix A.1).
func newRequest(ctx context.Context, f auth.Fetch) (*http.Request, error) {
	u, err := url.Parse(f.URL)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, errScheme
	}
	if f.Kind != auth.FetchOCSP {
		return http.NewRequestWithContext(ctx, http.MethodGet, f.URL, nil)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.URL, bytes.NewReader([]byte(f.Request)))
	if err == nil {
		request.Header.Set("Content-Type", "application/ocsp-request")
		request.Header.Set("Accept", "application/ocsp-response")
	}
	return request, err
}

// plain takes the method and the URL off an error: who asked has them.
func plain(err error, limit time.Duration) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %v", limit)
	}
	return err
}

// Complete answers everything that a trial asks for, one question after the other. It returns when the verdict is there.
// For where waiting is fine, as on the command line; an IKE SA asks through its driver instead.
func (c *Client) Complete(ctx context.Context, now time.Time, t *auth.Trial) {
	for needs := t.Needs(); len(needs) > 0; needs = t.Needs() {
		for _, f := range needs {
			octets, err := c.Do(ctx, f)
			t.Supply(now, f, octets, err)
		}
	}
	c.Learn(now, t.Learned())
}

// Learn keeps what a trial learned for others, until it is out of date.
func (c *Client) Learn(now time.Time, e auth.Evidence) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, crl := range e.CRLs {
		c.keep(now, "CRL "+crl.Key(), entry{crl: crl, until: crl.List.NextUpdate})
	}
	for _, a := range e.Answers {
		c.keep(now, "OCSP "+a.Subject, entry{answer: a, until: a.Until()})
	}
}

// keep enters something. When there is too much, what is out of date goes, and then what will be first.
func (c *Client) keep(now time.Time, key string, e entry) {
	if c.kept == nil {
		c.kept = map[string]entry{}
	}
	maps.DeleteFunc(c.kept, func(_ string, old entry) bool { return now.After(old.until) })
	if _, there := c.kept[key]; !there && len(c.kept) >= maxCached {
		delete(c.kept, c.first())
	}
	if !now.After(e.until) {
		c.kept[key] = e
	}
}

// first is the key of what is out of date first.
func (c *Client) first() (key string) {
	for k, e := range c.kept {
		if key == "" || e.until.Before(c.kept[key].until) {
			key = k
		}
	}
	return key
}

// Evidence is all that is kept and not out of date, for auth.Trust.Try.
func (c *Client) Evidence(now time.Time) (e auth.Evidence) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, kept := range c.kept {
		switch {
		case now.After(kept.until):
		case kept.crl != nil:
			e.CRLs = append(e.CRLs, kept.crl)
		default:
			e.Answers = append(e.Answers, kept.answer)
		}
	}
	return e
}

// Forget drops everything that is kept: for `swanctl --flush-certs`.
func (c *Client) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = nil
}
