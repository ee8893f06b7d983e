package radius

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"layeh.com/radius"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/eap"
)

// Server is one RADIUS server.
type Server struct {
	// Name is what errors call it; "" is its address.
	Name string
	// Auth and Accounting are its two ports. An invalid Accounting is a server that keeps no accounts.
	Auth, Accounting netip.AddrPort
	Secret           secret.Bytes
	// NASIdentifier is what we call ourselves to this server; "" is Config's.
	NASIdentifier string
	// MaxOpen is how many requests to it are under way at a time, each with a socket; further ones wait. 0: 256.
	MaxOpen int
}

func (s Server) name() string {
	if s.Name != "" {
		return s.Name
	}
	return s.Auth.Addr().String()
}

// Config says whom to ask and how long to wait.
type Config struct {
	// Servers are asked in this order; one that did not answer lately comes last.
	Servers []Server
	// NASIdentifier is what we call ourselves; "" is "goswan".
	NASIdentifier string
	// FramedMTU tells servers how long an EAP packet may be; 0 is 1024, which fits IKE into the smallest MTU of IPv6.
	FramedMTU int
	// Tries are the transmissions of a request to one server, 0: 4. Timeout is how long the first is waited for, 0: 2 s;
	// each further one is waited for Growth times as long as the one before, 0: 1.4 times.
	Tries   int
	Timeout time.Duration
	Growth  float64
	// DeadTime is how long a server that did not answer comes last, 0: 1 min.
	DeadTime time.Duration
	// WithoutPorts leaves the ports out of Called-Station-Id and Calling-Station-Id.
	WithoutPorts bool
	// EAPStart begins a conversation with an empty EAP-Message, so that the server asks for the identity itself (RFC 3579 §2.1);
	// otherwise IdentityPrefix goes before the identity in the EAP packet and in User-Name, by which some servers choose a method.
	EAPStart       bool
	IdentityPrefix string
	// ClassGroups and FilterGroups make groups of Class, and of Filter-Id where the Tunnel-Type is ESP (eap.Grant.Groups).
	ClassGroups, FilterGroups bool
	// Heard is told when a server that answered before does not, with the error, and when it does again, with nil. It must not
	// block; nil is told nothing.
	Heard func(server string, err error)
	// Dial makes the sockets, connected ones: they take packets from the server's address and port alone. nil is plain UDP.
	Dial func(ctx context.Context, server netip.AddrPort) (net.Conn, error)
}

// Client asks RADIUS servers. It may be used by many goroutines at a time.
type Client struct {
	config Config
	open   []chan struct{} // by server: has a place for every request under way

	mu     sync.Mutex  // guards silent
	silent []time.Time // by server: until when it comes last; zero once it has answered
}

// New errs for a configuration that cannot work.
func New(config Config) (*Client, error) {
	if len(config.Servers) == 0 || len(config.Servers) > math.MaxUint8 {
		return nil, fmt.Errorf("radius: %d servers", len(config.Servers))
	}
	for _, s := range config.Servers {
		if !s.Auth.IsValid() {
			return nil, fmt.Errorf("radius: server %s has no address", s.Name)
		}
		// An empty secret would let anybody answer.
		if len(s.Secret) == 0 {
			return nil, fmt.Errorf("radius: server %s has no secret", s.name())
		}
		if n := max(len(s.NASIdentifier), len(config.NASIdentifier)); n > maxAttribute {
			return nil, fmt.Errorf("radius: a NAS-Identifier of %d octets", n)
		}
	}
	if config.FramedMTU < 0 || config.FramedMTU > 0 && config.FramedMTU < 64 {
		return nil, fmt.Errorf("radius: Framed-MTU %d", config.FramedMTU)
	}
	c := &Client{config: config.withDefaults(), silent: make([]time.Time, len(config.Servers))}
	for _, s := range config.Servers {
		room := s.MaxOpen
		if room <= 0 {
			room = maxOpen
		}
		c.open = append(c.open, make(chan struct{}, room))
	}
	return c, nil
}

const maxOpen = 256 // requests under way to a server that has no number of its own

func (c Config) withDefaults() Config {
	if c.NASIdentifier == "" {
		c.NASIdentifier = "goswan"
	}
	if c.Dial == nil {
		c.Dial = func(ctx context.Context, server netip.AddrPort) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "udp", server.String())
		}
	}
	for _, value := range []struct{ at, usual *int }{
		{&c.FramedMTU, new(1024)}, {&c.Tries, new(4)},
	} {
		if *value.at <= 0 {
			*value.at = *value.usual
		}
	}
	if c.Timeout <= 0 {
		c.Timeout = 2 * time.Second
	}
	if c.DeadTime <= 0 {
		c.DeadTime = time.Minute
	}
	if c.Growth < 1 {
		c.Growth = 1.4
	}
	if c.Heard == nil {
		c.Heard = func(string, error) {}
	}
	return c
}

// Ask asks a question and returns the answer, for PassThrough.Answer. A conversation stays with the server that has
// answered its first question: the answer's State says which. The first question goes from server to server until one
// answers; a Reject is an answer. It errs if none does, for an answer that makes no sense, and when ctx ends.
func (c *Client) Ask(ctx context.Context, q eap.Question, caller Caller) (eap.Answer, error) {
	var failed []error
	order, state, err := c.route(q.State)
	if err != nil {
		return eap.Answer{}, err
	}
	for _, i := range order {
		a, err := c.askOne(ctx, i, q, state, caller)
		if err == nil {
			a.State = append([]byte{byte(i)}, a.State...)
			return a, nil
		}
		failed = append(failed, err)
		if ctx.Err() != nil || !errors.Is(err, ErrSilent) {
			break
		}
	}
	return eap.Answer{}, errors.Join(failed...)
}

// Answered is the name of the server whose answer has this State.
func (c *Client) Answered(state []byte) string {
	if len(state) == 0 || int(state[0]) >= len(c.config.Servers) {
		return ""
	}
	return c.config.Servers[state[0]].name()
}

// route is whom to ask: with a state, whose first octet is the server's place in the configuration, that one.
func (c *Client) route(state []byte) (order []int, serverState []byte, err error) {
	if len(state) == 0 {
		return c.order(func(Server) bool { return true }), nil, nil
	}
	if int(state[0]) >= len(c.config.Servers) {
		return nil, nil, fmt.Errorf("radius: the state of server %d", state[0])
	}
	return []int{int(state[0])}, state[1:], nil
}

// order are the servers to ask, those last that did not answer lately.
func (c *Client) order(fits func(Server) bool) (order []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var late []int
	now := time.Now()
	for i, s := range c.config.Servers {
		switch {
		case !fits(s):
		case now.Before(c.silent[i]):
			late = append(late, i)
		default:
			order = append(order, i)
		}
	}
	return append(order, late...)
}

// heard remembers whether a server has answered; err is why it has not.
func (c *Client) heard(server int, err error) {
	var until time.Time
	if err != nil {
		until = time.Now().Add(c.config.DeadTime)
	}
	c.mu.Lock()
	changed := c.silent[server].IsZero() != until.IsZero()
	c.silent[server] = until
	c.mu.Unlock()
	if changed {
		c.config.Heard(c.config.Servers[server].name(), err)
	}
}

// askOne asks one server.
func (c *Client) askOne(ctx context.Context, i int, q eap.Question, state []byte, caller Caller) (eap.Answer, error) {
	server := c.config.Servers[i]
	p, err := newPacket(radius.CodeAccessRequest, server.Secret)
	if err != nil {
		return eap.Answer{}, err
	}
	response, err := c.exchange(ctx, i, server.Auth, func(n nas) ([]byte, error) {
		return n.accessRequest(p, q, state, caller)
	}, true)
	if err != nil {
		return eap.Answer{}, err
	}
	a, err := answer(response, p)
	a.Grant.Groups = c.config.groups(response, a.Grant)
	return a, err
}

// newPacket has a random identifier and authenticator, which must be "unpredictable and unique over the lifetime of a
// secret" (RFC 2865 §3).
func newPacket(code radius.Code, key secret.Bytes) (*radius.Packet, error) {
	var random [17]byte
	if _, err := io.ReadFull(rand.Reader, random[:]); err != nil {
		return nil, fmt.Errorf("radius: no random octets: %w", err)
	}
	return &radius.Packet{Code: code, Identifier: random[0], Authenticator: [16]byte(random[1:]), Secret: key}, nil
}

// ErrSilent says that a server has not answered, or not so that it can be believed.
var ErrSilent = errors.New("no answer")

// exchange sends a request to a server until it answers and returns what is genuine.
func (c *Client) exchange(ctx context.Context, i int, to netip.AddrPort, request func(nas) ([]byte, error), needMAC bool) (*radius.Packet, error) {
	select {
	case c.open[i] <- struct{}{}:
		defer func() { <-c.open[i] }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	server := c.config.Servers[i]
	conn, err := c.config.Dial(ctx, to)
	if err != nil {
		err = fmt.Errorf("radius: server %s: %w: %w", server.name(), ErrSilent, err)
		c.heard(i, err)
		return nil, err
	}
	defer conn.Close()
	octets, err := request(c.nas(server, conn))
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	t := transmission{conn: conn, octets: octets, server: server, needMAC: needMAC}
	response, err := t.run(ctx, c.config)
	if ctx.Err() == nil {
		c.heard(i, err)
	}
	return response, err
}

// nas is who we are to the server behind a socket.
func (c *Client) nas(to Server, conn net.Conn) nas {
	n := nas{
		identifier: cmp.Or(to.NASIdentifier, c.config.NASIdentifier), framedMTU: c.config.FramedMTU,
		withoutPorts: c.config.WithoutPorts, start: c.config.EAPStart, prefix: c.config.IdentityPrefix,
	}
	if local, ok := conn.LocalAddr().(*net.UDPAddr); ok {
		n.address = local.AddrPort().Addr()
	}
	return n
}

// maxErrors is how many errors of its socket a request lives with.
const maxErrors = 16

// transmission is a request under way to one server.
type transmission struct {
	conn    net.Conn
	octets  []byte
	server  Server
	needMAC bool
	ignored int   // packets that were not believed
	errors  int   // of the socket
	why     error // the last of them
}

// run sends the request again and again, each time the same: "the identifier MUST remain unchanged"  RFC 2865 §2.5
func (t *transmission) run(ctx context.Context, c Config) (*radius.Packet, error) {
	wait := c.Timeout
	for range c.Tries {
		deadline := time.Now().Add(wait)
		if _, err := t.conn.Write(t.octets); err != nil {
			t.why = err
		}
		response, err := t.listen(ctx, deadline)
		if response != nil {
			return response, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err != nil {
			t.why = err
			break
		}
		wait = time.Duration(float64(wait) * c.Growth)
	}
	if t.why != nil {
		return nil, fmt.Errorf("radius: server %s: %w to %d transmissions; %d packets were ignored, the last because %w",
			t.server.name(), ErrSilent, c.Tries, t.ignored, t.why)
	}
	return nil, fmt.Errorf("radius: server %s: %w to %d transmissions", t.server.name(), ErrSilent, c.Tries)
}

// listen waits for a packet to believe. Others are passed over: whoever can send to this socket from the server's
// address could otherwise end the conversation.
func (t *transmission) listen(ctx context.Context, deadline time.Time) (*radius.Packet, error) {
	buffer := make([]byte, maxPacket)
	for {
		if err := t.conn.SetReadDeadline(deadline); err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := t.conn.Read(buffer)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, ctx.Err()
		case err != nil:
			// Nobody listens there at the moment, perhaps: it may be starting. An error is read once, the next Read waits.
			if t.errors++; t.errors > maxErrors {
				return nil, err
			}
			t.why = err
			continue
		}
		response, err := genuine(buffer[:n], t.octets, t.server.Secret, t.needMAC)
		if err == nil {
			return response, nil
		}
		t.ignored++
		t.why = err
	}
}
