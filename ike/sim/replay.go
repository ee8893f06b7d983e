package sim

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/ikev2"
)

// Replay runs a recording again, with the same catalog, and compares every output. It returns the machine as it is at the
// end. The error tells the first line at which the run differs from what was recorded.
func Replay(recording io.Reader, catalog *core.Catalog) (core.Machine, error) {
	p := &player{scanner: bufio.NewScanner(recording), catalog: catalog}
	p.scanner.Buffer(nil, 1<<20)
	first, ok := p.next()
	if p.err != nil || !ok || first.Machine == nil {
		return nil, p.orErr("the recording does not begin with a machine")
	}
	env := p.environment(first.Machine)
	m := core.Machine(ikev2.NewResponder(env))
	if name := first.Machine.Conn; name != "" {
		p.conn = catalog.Connection(name)
		if p.conn == nil {
			return nil, fmt.Errorf("sim: the catalog has no connection %q", name)
		}
		m = ikev2.NewInitiator(env, p.conn)
	}
	for p.err == nil {
		e, more := p.next()
		if !more {
			break
		}
		p.apply(m, e)
	}
	return m, p.err
}

// player reads a recording line by line.
type player struct {
	scanner *bufio.Scanner
	catalog *core.Catalog
	conn    *core.Connection
	line    int
	err     error
}

func (p *player) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("sim: line %d: %s", p.line, fmt.Sprintf(format, args...))
	}
}

func (p *player) orErr(text string) error {
	p.fail("%s", text)
	return p.err
}

func (p *player) next() (Entry, bool) {
	var e Entry
	if p.err != nil || !p.scanner.Scan() {
		if err := p.scanner.Err(); err != nil {
			p.fail("%v", err)
		}
		return e, false
	}
	p.line++
	if err := json.Unmarshal(p.scanner.Bytes(), &e); err != nil {
		p.fail("%v", err)
		return e, false
	}
	return e, true
}

// apply gives the machine an input, or compares an output.
func (p *player) apply(m core.Machine, e Entry) {
	switch {
	case e.Input != nil:
		p.input(m, e.Input)
	case e.Output != "":
		o, ok := m.Next()
		if !ok {
			p.fail("it puts out nothing, where it was\n\t%s", e.Output)
			return
		}
		if got := line(o); got != e.Output {
			p.fail("it puts out\n\t%s\nwhere it was\n\t%s", got, e.Output)
		}
	default:
		p.fail("it asks its surroundings for less than it did")
	}
}

func (p *player) input(m core.Machine, in *Input) {
	if o, ok := m.Next(); ok {
		p.fail("it puts out more than it did: %s", line(o))
		return
	}
	switch in.Kind {
	case "receive":
		m.Receive(in.At, core.Datagram{Local: in.Local, Remote: in.Remote, Data: in.Data})
	case "advance":
		m.Advance(in.At)
	default:
		conn := p.conn
		if s := m.Status(); len(s) > 0 && s[0].Config != nil {
			conn = s[0].Config
		}
		c, err := in.command(p.catalog, conn)
		if err != nil {
			p.fail("%v", err)
			return
		}
		m.Command(in.At, c)
	}
}

// answer is the next answer of the environment, which has to be of this kind.
func (p *player) answer(kind string) Answer {
	e, ok := p.next()
	if !ok || e.Answer == nil || e.Answer.Kind != kind {
		p.fail("it asks its surroundings for %q, which it did not", kind)
		return Answer{Error: "the recording ends"}
	}
	return *e.Answer
}

func (p *player) environment(s *Setup) core.Environment {
	env := core.Environment{
		Rand:     playedRand{p},
		NewSPI:   func() (esp.SPI, error) { a := p.answer("spi"); return esp.SPI(a.N), failure(a.Error) },
		UniqueID: func() uint32 { return p.answer("id").N },
		Reqid:    func() uint32 { return p.answer("reqid").N },
		Catalog:  func() *core.Catalog { return p.catalog },
		NATTPort: s.NATTPort, Settings: s.Settings, KeyLog: s.KeyLog,
	}
	if slices.Contains(s.Knows, "first") {
		env.FirstContact = func(auth.Identity, auth.Identity) bool { return p.answer("first").Yes }
	}
	if slices.Contains(s.Knows, "resolve") {
		env.Resolve = func(string) []netip.Addr { return p.answer("resolve").Addrs }
	}
	if slices.Contains(s.Knows, "inbound") {
		env.LastInbound = func(esp.SPI) time.Time { return p.answer("inbound").At }
	}
	if slices.Contains(s.Knows, "lease") {
		env.Lease = func(core.LeaseRequest) (core.Lease, error) {
			a := p.answer("lease")
			if a.Lease == nil {
				return core.Lease{}, failure(a.Error)
			}
			return *a.Lease, nil
		}
		env.Release = func(core.Lease) {}
	}
	return env
}

type playedRand struct{ p *player }

func (r playedRand) Read(b []byte) (int, error) {
	a := r.p.answer("rand")
	if len(a.Data) > len(b) {
		r.p.fail("it reads %d octets of randomness where it read %d", len(b), len(a.Data))
	}
	return copy(b, a.Data), failure(a.Error)
}
