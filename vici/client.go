package vici

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// Errors of a client.
var (
	// ErrUnknownCommand is wrapped when the daemon does not have the command.
	ErrUnknownCommand = errors.New("the daemon does not know the command")
	// ErrUnknownEvent is wrapped when the daemon does not have the event.
	ErrUnknownEvent = errors.New("the daemon does not know the event")
)

// CommandError is an answer without success: the daemon understood the command and says why it failed.
type CommandError struct {
	Command string
	Text    string
}

// Error is the daemon's text.
func (e *CommandError) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("%s failed and the daemon does not say why", e.Command)
	}
	return e.Text
}

// Client is a connection to a daemon. Its methods are safe for concurrent use; the protocol has one request at a time,
// so they wait for each other.
type Client struct {
	conn     net.Conn
	turn     chan struct{} // held by the request under way
	changing chan struct{} // held by the registration under way
	awaiting atomic.Bool   // an answer is to come
	answers  chan packet
	done     chan struct{} // closed when the connection is no more
	err      error         // why; read after done

	mu       sync.Mutex // guards what follows
	serial   uint64
	handlers map[string]map[uint64]func(*Message)
}

// Dial connects to a daemon; see ParseURI for the form of the URI.
func Dial(ctx context.Context, uri string) (*Client, error) {
	network, address, err := ParseURI(uri)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("vici: no daemon at %s: %w", uri, err)
	}
	return NewClient(conn), nil
}

// NewClient speaks to a daemon over a connection, which it owns from then on.
func NewClient(conn net.Conn) *Client {
	c := &Client{
		conn: conn, turn: make(chan struct{}, 1), changing: make(chan struct{}, 1),
		answers: make(chan packet, 1), done: make(chan struct{}), handlers: map[string]map[uint64]func(*Message){},
	}
	go c.read()
	return c
}

// Close ends the connection and what waits for it.
func (c *Client) Close() error {
	err := c.conn.Close()
	<-c.done
	return err
}

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err is why the connection ended, once Done is closed.
func (c *Client) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// read hands out what the daemon sends until the connection ends.
func (c *Client) read() {
	defer close(c.done)
	r := bufio.NewReader(c.conn)
	for {
		if c.err = c.readOne(r); c.err != nil {
			c.err = fmt.Errorf("vici: the connection to the daemon ended: %w", c.err)
			_ = c.conn.Close()
			return
		}
	}
}

func (c *Client) readOne(r *bufio.Reader) error {
	n, err := readLength(r)
	if err != nil {
		return err
	}
	b, err := readBody(r, n)
	if err != nil {
		return err
	}
	p, err := parsePacket(b)
	if err != nil {
		return err
	}
	if p.kind == event {
		return c.dispatch(p)
	}
	if !c.awaiting.CompareAndSwap(true, false) {
		return fmt.Errorf("a packet of type %d answers nothing", p.kind)
	}
	c.answers <- p
	return nil
}

func (c *Client) dispatch(p packet) error {
	c.mu.Lock()
	handlers := make([]func(*Message), 0, len(c.handlers[p.name]))
	for _, f := range c.handlers[p.name] {
		handlers = append(handlers, f)
	}
	c.mu.Unlock()
	m, err := Parse(p.body)
	if err != nil {
		return err
	}
	for _, f := range handlers {
		f(m)
	}
	return nil
}

// Request runs a command and returns its answer, whether it tells of success or not; Check tells that. A nil request is
// the empty one. The protocol cannot take a request back: when ctx ends first, the connection is closed.
func (c *Client) Request(ctx context.Context, command string, request *Message) (*Message, error) {
	p, err := c.exchange(ctx, cmdRequest, command, request)
	if err != nil {
		return nil, err
	}
	switch p.kind {
	case cmdResponse:
		return Parse(p.body)
	case cmdUnknown:
		return nil, fmt.Errorf("vici: %s: %w", command, ErrUnknownCommand)
	}
	return nil, c.confused(command, p)
}

// Check is a *CommandError unless the answer says success=yes.
func Check(command string, answer *Message) error {
	if answer.Get("success") == "yes" {
		return nil
	}
	return &CommandError{Command: command, Text: answer.Get("errmsg")}
}

// Do is Request and Check.
func (c *Client) Do(ctx context.Context, command string, request *Message) error {
	answer, err := c.Request(ctx, command, request)
	if err != nil {
		return err
	}
	return Check(command, answer)
}

// Stream is Request with the events that the daemon sends meanwhile: each is given to f, in order, before Stream returns.
// f must not call the client's methods.
func (c *Client) Stream(ctx context.Context, command, event string, request *Message, f func(*Message)) (*Message, error) {
	unsubscribe, err := c.Subscribe(ctx, event, f)
	if err != nil {
		return nil, err
	}
	answer, err := c.Request(ctx, command, request)
	if errUnsubscribe := unsubscribe(ctx); err == nil {
		err = errUnsubscribe
	}
	return answer, err
}

// Subscribe gives each event of that name to f until unsubscribe is called or the connection ends, which Done tells.
// f must not call the client's methods.
func (c *Client) Subscribe(ctx context.Context, event string, f func(*Message)) (unsubscribe func(context.Context) error, err error) {
	if err := c.enter(ctx, c.changing); err != nil {
		return nil, err
	}
	defer func() { <-c.changing }()
	id, first := c.add(event, f)
	if first {
		if err := c.registration(ctx, eventRegister, event); err != nil {
			c.remove(event, id)
			return nil, err
		}
	}
	return func(ctx context.Context) error {
		if err := c.enter(ctx, c.changing); err != nil {
			return err
		}
		defer func() { <-c.changing }()
		if c.remove(event, id) {
			return c.registration(ctx, eventUnregister, event)
		}
		return nil
	}, nil
}

// enter waits for a turn.
func (c *Client) enter(ctx context.Context, turn chan struct{}) error {
	select {
	case <-c.done:
		return c.err
	default:
	}
	select {
	case turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.done:
		return c.err
	}
}

// add adds a handler; first is that the daemon does not know yet that the event is wanted.
func (c *Client) add(event string, f func(*Message)) (id uint64, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first = len(c.handlers[event]) == 0
	if first {
		c.handlers[event] = map[uint64]func(*Message){}
	}
	c.serial++
	c.handlers[event][c.serial] = f
	return c.serial, first
}

// remove removes a handler; last is that it was there and that the event is not wanted any more.
func (c *Client) remove(event string, id uint64) (last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.handlers[event][id] == nil {
		return false
	}
	delete(c.handlers[event], id)
	return len(c.handlers[event]) == 0
}

func (c *Client) registration(ctx context.Context, kind packetType, event string) error {
	p, err := c.exchange(ctx, kind, event, nil)
	if err != nil {
		return err
	}
	switch p.kind {
	case eventConfirm:
		return nil
	case eventUnknown:
		return fmt.Errorf("vici: %s: %w", event, ErrUnknownEvent)
	}
	return c.confused(event, p)
}

// confused closes a connection on which answers do not fit requests any more.
func (c *Client) confused(name string, p packet) error {
	_ = c.conn.Close()
	return fmt.Errorf("vici: %s is answered by a packet of type %d", name, p.kind)
}

// exchange sends a packet and waits for the one that answers it.
func (c *Client) exchange(ctx context.Context, kind packetType, name string, m *Message) (packet, error) {
	b, err := encodePacket(kind, name, m)
	if err != nil {
		return packet{}, err
	}
	if err := c.enter(ctx, c.turn); err != nil {
		return packet{}, err
	}
	defer func() { <-c.turn }()
	c.awaiting.Store(true)
	stop := context.AfterFunc(ctx, func() { _ = c.conn.Close() })
	defer stop()
	if _, err := c.conn.Write(b); err != nil {
		return packet{}, c.ended(ctx, err)
	}
	select {
	case p := <-c.answers:
		return p, nil
	case <-c.done:
	}
	select {
	case p := <-c.answers: // the last thing that the daemon sent
		return p, nil
	default:
		return packet{}, c.ended(ctx, c.err)
	}
}

// ended is why an exchange ended without an answer: ctx, if that is why the connection was closed.
func (c *Client) ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
