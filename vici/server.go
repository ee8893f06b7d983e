package vici

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Defaults of ServerConfig.
const (
	defaultMaxClients  = 128
	defaultMaxDetached = 1024
)

// ServerConfig is what a server is made of. Zero fields have the defaults that their comments give.
type ServerConfig struct {
	Daemon Daemon
	// Log gets the server's own lines; nil is silence. What it gets at level Info and above is rare enough to become
	// log events again.
	Log *zap.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// MaxClients bounds the connections at one time; 0 is 128.
	MaxClients int
	// StallTimeout is how long a client may not read what waits for it; 0 is five minutes.
	StallTimeout time.Duration
}

// Server serves clients.
//
// Events are raised on the goroutine that the daemon calls Subscribe's function on, and never wait for a client: who
// does not keep up loses log lines, and is disconnected before it loses anything else.
type Server struct {
	daemon   Daemon
	log      *zap.Logger
	now      func() time.Time
	stall    time.Duration
	limit    int
	counters counters

	ctx    context.Context // ends the commands under way
	cancel context.CancelFunc
	wg     sync.WaitGroup // clients and detached commands

	detached chan struct{} // a place for each command whose client does not wait for it

	mu        sync.Mutex // guards what follows
	closing   bool
	listeners map[net.Listener]struct{}
	clients   map[*client]struct{}
	serial    uint64 // numbers clients for the log
	stop      func() // ends the subscription
}

// NewServer makes a server of a daemon and subscribes to its events.
func NewServer(c ServerConfig) *Server {
	s := &Server{
		daemon: c.Daemon, log: c.Log, now: c.Now, stall: c.StallTimeout, limit: c.MaxClients,
		detached:  make(chan struct{}, defaultMaxDetached),
		listeners: map[net.Listener]struct{}{}, clients: map[*client]struct{}{},
	}
	if s.log == nil {
		s.log = zap.NewNop()
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.stall == 0 {
		s.stall = stallTimeout
	}
	if s.limit == 0 {
		s.limit = defaultMaxClients
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.stop = c.Daemon.Subscribe(s.raise)
	return s
}

// ErrClosed is what Serve returns after Shutdown.
var ErrClosed = errors.New("vici: the server is closed")

// Serve accepts clients until Shutdown, which makes it return ErrClosed. It closes l. It may be called for several listeners.
func (s *Server) Serve(l net.Listener) error {
	defer func() { _ = l.Close() }()
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return ErrClosed
	}
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
		s.log.Warn("vici listens on TCP for other hosts: whoever reaches the port commands the daemon", zap.Stringer("address", a))
	}
	var pause time.Duration
	for {
		conn, err := l.Accept()
		if err == nil {
			pause = 0
			s.admit(conn)
			continue
		}
		if s.isClosing() {
			return ErrClosed
		}
		// Out of file descriptors, most likely: that passes. A closed listener does not.
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		pause = min(max(2*pause, 10*time.Millisecond), time.Second)
		s.log.Warn("a vici client cannot be accepted", zap.Error(err))
		select {
		case <-time.After(pause):
		case <-s.ctx.Done():
		}
	}
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// admit serves a client, or turns it away.
func (s *Server) admit(conn net.Conn) {
	if !s.place(conn) {
		s.log.Warn("a vici client is turned away", zap.Int("limit", s.limit))
		_ = conn.Close()
	}
}

// place serves a client if there is a place for it.
func (s *Server) place(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || len(s.clients) >= s.limit {
		return false
	}
	s.serial++
	c := newClient(s, conn, s.serial)
	s.clients[c] = struct{}{}
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		c.run()
		s.mu.Lock()
		delete(s.clients, c)
		s.mu.Unlock()
	}()
	return true
}

// each is every client at this moment.
func (s *Server) each() []*client {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*client, 0, len(s.clients))
	for c := range s.clients {
		all = append(all, c)
	}
	return all
}

// detach runs a command that its client does not wait for; false is that too many are under way, or a server that closes.
func (s *Server) detach(f func(ctx context.Context)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	select {
	case s.detached <- struct{}{}:
	default:
		return false
	}
	s.wg.Add(1)
	go func() {
		defer func() {
			<-s.detached
			s.wg.Done()
		}()
		f(s.ctx)
	}()
	return true
}

// Shutdown stops to accept clients, ends the commands under way, sends their answers and disconnects. When ctx ends it
// disconnects at once; the error is then ctx's.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	for l := range s.listeners {
		_ = l.Close()
	}
	s.mu.Unlock()
	s.stop()
	s.cancel()
	for _, c := range s.each() {
		c.stopReading()
	}
	gone := make(chan struct{})
	go func() { s.wg.Wait(); close(gone) }()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
	}
	for _, c := range s.each() {
		_ = c.conn.Close()
		c.out.close()
	}
	<-gone
	return ctx.Err()
}
