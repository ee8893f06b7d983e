// Package tlsflow runs a TLS conversation of crypto/tls without a connection: octets in, octets out.
//
// crypto/tls reads from its connection when it wants to, and waits. A Flow gives it a connection in memory and a
// goroutine to wait in. That goroutine runs only within Feed: Feed hands it octets and returns when it asks for more
// than there are, so that from outside a Flow is a function and never does two things at a time.
//
//	Feed(octets) ──resume──▶ goroutine: Handshake, Read, Read …
//	             ◀──parked── Read found no octets, or the conversation is over
//
// Close ends the goroutine and waits for its end; a Flow that is not closed keeps it.
package tlsflow

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

// MaxInput is how many octets are kept that TLS has not taken yet, and MaxData how many of data that the owner has not.
const (
	MaxInput = 1 << 16
	MaxData  = 1 << 17
)

var (
	errClosed = errors.New("tlsflow: closed")
	errInput  = errors.New("tlsflow: too many octets for one turn")
	errData   = errors.New("tlsflow: too much data for one turn")
)

// Flow is one end of a TLS conversation. The zero value is of no use; it has one owner.
type Flow struct {
	conn    *tls.Conn
	wire    *memory
	running bool // the goroutine exists
	now     time.Time
	keys    masterSecret

	// resume lets the goroutine run, closed ends it; parked comes back when it waits, over when it has ended.
	resume, parked chan struct{}
	closed, over   chan struct{}

	// What follows is the goroutine's while it runs and the owner's while it is parked.
	data        []byte
	established bool
	err         error
}

// Client is the side that begins. The configuration is copied; its Time becomes the time of Feed and Start.
func Client(config *tls.Config) *Flow { return newFlow(config, tls.Client) }

// Server is the other side.
func Server(config *tls.Config) *Flow { return newFlow(config, tls.Server) }

func newFlow(config *tls.Config, side func(net.Conn, *tls.Config) *tls.Conn) *Flow {
	f := &Flow{
		resume: make(chan struct{}), parked: make(chan struct{}),
		closed: make(chan struct{}), over: make(chan struct{}),
	}
	f.wire = &memory{flow: f}
	config = config.Clone()
	config.Time = func() time.Time { return f.now }
	config.KeyLogWriter = &f.keys
	f.conn = side(f.wire, config)
	return f
}

// Feed gives the conversation octets of the other side (none is how a client begins) and returns what is to be sent to
// it and the data that came out. Both belong to the caller. The error is how the conversation ended: with io.EOF when
// the other side closed it. Octets to send can come with an error: the alert that tells the other side.
func (f *Flow) Feed(now time.Time, octets []byte) (send, data []byte, err error) {
	if f.err != nil {
		return nil, nil, f.err
	}
	if len(f.wire.in)+len(octets) > MaxInput {
		return nil, nil, f.end(errInput)
	}
	f.now = now
	f.wire.in = append(f.wire.in, octets...)
	f.run()
	send, data = f.wire.take(), f.data
	f.data = nil
	return send, data, f.err
}

// run lets the goroutine go on until it is parked or over.
func (f *Flow) run() {
	if !f.running {
		f.running = true
		go f.converse()
	} else {
		select {
		case f.resume <- struct{}{}:
		case <-f.over:
			return
		}
	}
	select {
	case <-f.parked:
	case <-f.over:
	}
}

// converse is the goroutine.
func (f *Flow) converse() {
	defer close(f.over)
	if f.err = f.conn.Handshake(); f.err != nil {
		return
	}
	f.established = true
	// As much as a record can hold.
	buffer := make([]byte, 1<<14)
	defer clear(buffer)
	for {
		n, err := f.conn.Read(buffer)
		f.data = append(f.data, buffer[:n]...)
		if len(f.data) > MaxData && err == nil {
			err = errData
		}
		if err != nil {
			f.err = err
			return
		}
	}
}

// Write encrypts data for the other side. It errs before the handshake is complete, and after the end.
func (f *Flow) Write(now time.Time, data []byte) (send []byte, err error) {
	if f.err != nil {
		return nil, f.err
	}
	if !f.established {
		return nil, errors.New("tlsflow: data before the end of the handshake")
	}
	// The goroutine is parked in Read, which crypto/tls allows beside a Write.
	f.now = now
	if _, err := f.conn.Write(data); err != nil {
		return nil, f.end(err)
	}
	return f.wire.take(), nil
}

// Established tells whether the handshake is complete on this side.
func (f *Flow) Established() bool { return f.established }

// State is the connection's state. It is of use only once Established.
func (f *Flow) State() tls.ConnectionState {
	if !f.established {
		return tls.ConnectionState{}
	}
	return f.conn.ConnectionState()
}

// end closes with an error.
func (f *Flow) end(err error) error {
	f.Close()
	f.err = err
	return err
}

// Close ends the conversation without a word to the other side, and the goroutine with it. It may be called again.
func (f *Flow) Close() {
	select {
	case <-f.closed:
		return
	default:
	}
	close(f.closed)
	if f.running {
		<-f.over
	}
	if f.err == nil {
		f.err = errClosed
	}
	clear(f.data)
	clear(f.wire.in)
	f.keys.wipe()
}

// memory is the connection that crypto/tls sees.
type memory struct {
	flow *Flow
	in   []byte // from the other side, not read yet
	out  []byte // for the other side
	read int    // of in

	random serverRandom
}

// Read gives what there is, and else waits for the next Feed. It runs in the goroutine.
func (m *memory) Read(b []byte) (int, error) {
	for m.read == len(m.in) {
		m.in, m.read = m.in[:0], 0
		select {
		case m.flow.parked <- struct{}{}:
		case <-m.flow.closed:
			return 0, errClosed
		}
		select {
		case <-m.flow.resume:
		case <-m.flow.closed:
			return 0, errClosed
		}
	}
	n := copy(b, m.in[m.read:])
	m.random.see(m.in[m.read : m.read+n])
	m.read += n
	return n, nil
}

// Write keeps what is to be sent.
func (m *memory) Write(b []byte) (int, error) {
	m.random.see(b)
	m.out = append(m.out, b...)
	return len(b), nil
}

func (m *memory) take() []byte {
	out := m.out
	m.out = nil
	return out
}

// Close does nothing: the Flow is what is closed.
func (m *memory) Close() error { return nil }

// LocalAddr and RemoteAddr are there for crypto/tls, which asks a client for the one.
func (m *memory) LocalAddr() net.Addr  { return address{} }
func (m *memory) RemoteAddr() net.Addr { return address{} }

// SetDeadline and the two below do nothing: time is an argument.
func (m *memory) SetDeadline(time.Time) error      { return nil }
func (m *memory) SetReadDeadline(time.Time) error  { return nil }
func (m *memory) SetWriteDeadline(time.Time) error { return nil }

// address is no address.
type address struct{}

func (address) Network() string { return "memory" }
func (address) String() string  { return "memory" }

var _ io.ReadWriteCloser = (*memory)(nil)
