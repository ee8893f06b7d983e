// Package proxy lets programs of this host use a way out that the host's own stack does not know, as a tunnel whose device is
// a network stack in memory: SOCKS5 (RFC 1928) and an HTTP proxy (RFC 9110 §3.7, CONNECT and absolute URIs) on one port. What
// a client speaks, its first octet tells: 5 is SOCKS5's version, and no HTTP request begins with it.
//
// Where a client gives a host name, Config.Dial gets that name: the host's resolver is never asked.
package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"
)

// The defaults of a Config.
const (
	DefaultConnections = 512
	DefaultHandshake   = 15 * time.Second
	DefaultDial        = 30 * time.Second
	// "A NAT's "established connection idle-timeout" MUST NOT be less than 2 hours 4 minutes."  RFC 5382 §5
	DefaultIdle = 2*time.Hour + 4*time.Minute
)

// Bounds of the HTTP side.
const (
	maxHeader     = 64 << 10         // octets of a request's or response's header
	keepAlive     = 90 * time.Second // a connection without a request
	idleUpstreams = 64               // connections to servers that wait for another request
)

// Config describes a server. The zero value of a field is its default, where there is one.
type Config struct {
	// Dial connects to "host:port"; network is "tcp". It resolves host names. Needed.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Connections is how many clients there may be at a time; further ones wait until one leaves.
	Connections int
	// Handshake is how long a client may take to say what it wants, and Dial how long the connection to the server may take.
	Handshake, DialTimeout time.Duration
	// Idle is how long a connection may be silent in both directions.
	Idle time.Duration
	// Failed is told of what clients could not have; nil is silence.
	Failed func(err error)
}

func (c Config) withDefaults() Config {
	if c.Connections == 0 {
		c.Connections = DefaultConnections
	}
	if c.Handshake == 0 {
		c.Handshake = DefaultHandshake
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = DefaultDial
	}
	if c.Idle == 0 {
		c.Idle = DefaultIdle
	}
	if c.Failed == nil {
		c.Failed = func(error) {}
	}
	return c
}

// Server is a proxy. Its methods are safe for concurrent use.
type Server struct {
	Config
	http     *http.Server
	forward  *httputil.ReverseProxy
	requests chan net.Conn // clients that speak HTTP, for the http.Server
	ctx      context.Context
	cancel   context.CancelFunc

	mu       sync.Mutex // guards what follows
	clients  map[net.Conn]struct{}
	listener net.Listener
	wg       sync.WaitGroup
}

// New makes a server.
func New(c Config) *Server {
	s := &Server{Config: c.withDefaults(), requests: make(chan net.Conn), clients: map[net.Conn]struct{}{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.openHTTP()
	return s
}

// Serve takes clients from a listener until Close; it then returns nil. The listener is closed. It may be called once.
func (s *Server) Serve(l net.Listener) error {
	if !s.listen(l) {
		return l.Close()
	}
	s.wg.Go(func() { _ = s.http.Serve(fromChannel{s, l.Addr()}) }) // ends with Close
	places := make(chan struct{}, s.Connections)
	for {
		select {
		case places <- struct{}{}:
		case <-s.ctx.Done():
			return nil
		}
		conn, err := l.Accept()
		if err != nil {
			if s.ctx.Err() != nil {
				return nil
			}
			return errors.Join(err, s.Close())
		}
		c := &client{Conn: conn, left: sync.OnceFunc(func() { s.forget(conn); <-places })}
		if !s.remember(conn) {
			_ = c.Close()
			continue
		}
		s.wg.Go(func() { s.greet(c) })
	}
}

// Close ends the server and all its connections, and waits for them.
func (s *Server) Close() error {
	s.cancel()
	s.mu.Lock()
	if s.listener != nil {
		_ = s.listener.Close()
	}
	for c := range s.clients {
		_ = c.Close()
	}
	s.mu.Unlock()
	_ = s.http.Close()
	s.wg.Wait()
	return nil
}

func (s *Server) listen(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener = l
	return s.ctx.Err() == nil
}

func (s *Server) remember(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return false
	}
	s.clients[c] = struct{}{}
	return true
}

func (s *Server) forget(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, c)
}

// socksVersion is the first octet of a SOCKS5 client. RFC 1928 §3
const socksVersion = 5

// greet reads the first octet of a client and gives it to whom it wants.
func (s *Server) greet(c *client) {
	_ = c.SetDeadline(time.Now().Add(s.Handshake))
	if _, err := c.Conn.Read(c.first[:]); err != nil {
		_ = c.Close()
		return
	}
	c.unread = c.first[:]
	if c.first[0] == socksVersion {
		s.socks(c)
		return
	}
	select {
	case s.requests <- c: // its deadlines are the http.Server's from now on
	case <-s.ctx.Done():
		_ = c.Close()
	}
}

// dial connects for a client. Its context ends with the server, too.
func (s *Server) dial(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.DialTimeout)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	target, err := s.Dial(ctx, "tcp", address)
	if err != nil {
		s.Failed(err)
		return nil, err
	}
	return target, nil
}

// client is a connection of this host's. What was read to tell its protocol is read again.
type client struct {
	net.Conn
	first  [1]byte
	unread []byte
	left   func()
}

// Read implements net.Conn.
func (c *client) Read(b []byte) (int, error) {
	if len(c.unread) > 0 && len(b) > 0 {
		n := copy(b, c.unread)
		c.unread = c.unread[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// Close implements net.Conn.
func (c *client) Close() error {
	defer c.left()
	return c.Conn.Close()
}

// CloseWrite tells the other end that nothing more comes.
func (c *client) CloseWrite() error { return closeWrite(c.Conn) }

// fromChannel gives the http.Server the clients that speak HTTP.
type fromChannel struct {
	s    *Server
	addr net.Addr
}

// Accept implements net.Listener.
func (f fromChannel) Accept() (net.Conn, error) {
	select {
	case c := <-f.s.requests:
		return c, nil
	case <-f.s.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (f fromChannel) Close() error { return nil }

// Addr implements net.Listener.
func (f fromChannel) Addr() net.Addr { return f.addr }
