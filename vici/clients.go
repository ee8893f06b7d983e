package vici

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
)

// bodyTimeout is how long a packet may take to arrive once its length is there.
const bodyTimeout = time.Minute

// waitingPackets is how many packets of a client wait while a command of it is under way. "only one command can be
// active at a time on a single connection": a client that keeps to it has none there.
const waitingPackets = 4

// client is one connection to the server. Three goroutines serve it: one reads packets and notices when the client
// leaves, one runs its commands one after the other, one writes.
type client struct {
	server *Server
	conn   net.Conn
	out    *outbox
	log    *zap.Logger

	mu     sync.Mutex // guards what follows
	events map[string]bool
	watch  *watch // the command under way that streams control-log events, or nil
}

func newClient(s *Server, conn net.Conn, number uint64) *client {
	return &client{
		server: s, conn: conn, out: newOutbox(), events: map[string]bool{},
		log: s.log.With(zap.Uint64("vici_client", number)),
	}
}

// run serves the client until it leaves.
func (c *client) run() {
	ctx, cancel := context.WithCancel(c.server.ctx)
	defer cancel()
	packets := make(chan []byte, waitingPackets)
	var wg sync.WaitGroup
	wg.Add(2)
	go func() {
		defer wg.Done()
		defer close(packets)
		err := c.read(packets, ctx.Done())
		if !c.server.isClosing() {
			cancel()
			c.out.close()
		}
		c.ended("reading from a vici client", err)
	}()
	go func() {
		defer wg.Done()
		defer cancel()
		c.ended("writing to a vici client", c.out.run(c.conn, c.server.stall))
	}()
	for b := range packets {
		if err := c.handle(ctx, b); err != nil {
			c.ended("serving a vici client", err)
			break
		}
	}
	c.out.end()
	wg.Wait()
}

// ended logs why a goroutine of the client ended, if that is of interest.
func (c *client) ended(what string, err error) {
	usual := err == nil || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, errGone) ||
		errors.Is(err, os.ErrDeadlineExceeded) && c.server.isClosing()
	if usual {
		return
	}
	c.log.Warn(what+" failed", zap.Error(err))
}

// stopReading makes the reader end; commands under way still answer.
func (c *client) stopReading() { _ = c.conn.SetReadDeadline(time.Unix(1, 0)) }

// read hands over packets until the client leaves.
func (c *client) read(packets chan<- []byte, stop <-chan struct{}) error {
	r := bufio.NewReader(c.conn)
	for {
		n, err := readLength(r)
		if err != nil {
			return err
		}
		if err := c.readUntil(time.Now().Add(bodyTimeout)); err != nil {
			return err
		}
		b, err := readBody(r, n)
		if err != nil {
			return err
		}
		if err := c.readUntil(time.Time{}); err != nil {
			return err
		}
		select {
		case packets <- b:
		case <-stop:
			return nil
		}
	}
}

// readUntil sets the deadline of the reader, unless stopReading has.
func (c *client) readUntil(t time.Time) error {
	if err := c.conn.SetReadDeadline(t); err != nil {
		return err
	}
	if c.server.isClosing() {
		return net.ErrClosed
	}
	return nil
}

// handle answers one packet and wipes it: there may be a secret in it. An error disconnects the client: it does not
// speak the protocol, or is gone.
func (c *client) handle(ctx context.Context, b []byte) error {
	defer clear(b)
	p, err := parsePacket(b)
	if err != nil {
		return err
	}
	switch p.kind {
	case eventRegister:
		return c.register(p.name, true)
	case eventUnregister:
		return c.register(p.name, false)
	case cmdRequest:
		return c.command(ctx, p)
	}
	return errors.New("vici: a client does not send packets of this type")
}

// register adds an event to those that the client gets, or takes it away.
func (c *client) register(name string, wanted bool) error {
	if !knownEvents[name] || !wanted && !c.registered(name) {
		return c.send(eventUnknown, "", nil)
	}
	confirm, err := encodePacket(eventConfirm, "", nil)
	if err != nil {
		return err
	}
	// A client forgets events that come before the confirmation.
	return c.out.pushAnd(confirm, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if wanted {
			c.events[name] = true
		} else {
			delete(c.events, name)
		}
	})
}

// registered says that the client gets events of that name.
func (c *client) registered(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.events[name]
}

// send queues a packet and waits for room for it.
func (c *client) send(kind packetType, name string, m *Message) error {
	b, err := encodePacket(kind, name, m)
	if err != nil {
		return err
	}
	return c.out.push(b)
}

// command runs a command and answers it.
func (c *client) command(ctx context.Context, p packet) error {
	run, ok := commands[p.name]
	if !ok {
		return c.send(cmdUnknown, "", nil)
	}
	request, err := Parse(p.body)
	var answer *Message
	if err != nil {
		answer = failure("%v", err)
	} else {
		answer = run(&call{Server: c.server, client: c, ctx: ctx, name: p.name, request: request})
	}
	b, err := encodePacket(cmdResponse, "", answer)
	if err != nil {
		c.log.Warn("an answer cannot be sent", zap.String("command", p.name), zap.Error(err))
		if b, err = encodePacket(cmdResponse, "", failure("the answer cannot be sent: %v", err)); err != nil {
			return err
		}
	}
	return c.out.push(b)
}
