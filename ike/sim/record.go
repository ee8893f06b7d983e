package sim

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
)

// Entry is one line of a recording, which is JSON: the machine itself in the first, then an input, an answer of its
// environment, or one of the outputs that followed. A recording has the randomness of private keys in it: it is as secret as
// they are.
type Entry struct {
	Machine *Setup  `json:"machine,omitempty"`
	Input   *Input  `json:"in,omitempty"`
	Answer  *Answer `json:"env,omitempty"`
	Output  string  `json:"out,omitempty"`
}

// Setup is what a machine was made of, besides the catalog. Without a connection it is a responder.
type Setup struct {
	Conn     string        `json:"conn,omitempty"`
	Settings core.Settings `json:"settings"`
	NATTPort uint16        `json:"natt_port,omitempty"`
	KeyLog   bool          `json:"key_log,omitempty"`
	// Knows are the optional questions that its environment answers: first, resolve, inbound, lease.
	Knows []string `json:"knows,omitempty"`
}

// Input is what a driver gave to the machine: "receive", "advance" or the name of a command.
type Input struct {
	Kind      string         `json:"kind"`
	At        time.Time      `json:"at,omitzero"`
	Conn      string         `json:"conn,omitempty"`
	Child     string         `json:"child,omitempty"`
	Local     netip.AddrPort `json:"local,omitzero"`
	Remote    netip.AddrPort `json:"remote,omitzero"`
	Data      []byte         `json:"data,omitempty"`
	ID        uint32         `json:"id,omitempty"`
	Op        uint64         `json:"op,omitempty"`
	SPI       esp.SPI        `json:"spi,omitempty"`
	Direction esp.Direction  `json:"direction,omitempty"`
	Packet    *core.Flow     `json:"packet,omitempty"`
	VIPs      []netip.Addr   `json:"vips,omitempty"`
	IKE       bool           `json:"ike,omitempty"`
	Force     bool           `json:"force,omitempty"` // or Hard
	Reason    *core.Reason   `json:"reason,omitempty"`
}

// Answer is what the environment said to the machine. Kind is rand, spi, id, reqid, first, resolve, inbound or lease.
type Answer struct {
	Kind  string       `json:"kind"`
	Data  []byte       `json:"data,omitempty"`
	N     uint32       `json:"n,omitempty"`
	Yes   bool         `json:"yes,omitempty"`
	Addrs []netip.Addr `json:"addrs,omitempty"`
	Lease *core.Lease  `json:"lease,omitempty"`
	At    time.Time    `json:"at,omitzero"`
	Error string       `json:"error,omitempty"`
}

// Recorder is a machine that writes down everything it is told and what it does:
//
//	r := sim.NewRecorder(file)
//	r.Record(conn, ikev2.NewInitiator(r.Environment(env), conn))
//
// Replay reads it back.
type Recorder struct {
	// Err is the first error of writing.
	Err error

	m     core.Machine
	enc   *json.Encoder
	setup Setup
}

// NewRecorder makes a recorder that writes to w.
func NewRecorder(w io.Writer) *Recorder { return &Recorder{enc: json.NewEncoder(w)} }

func (r *Recorder) write(e Entry) {
	if err := r.enc.Encode(e); err != nil && r.Err == nil {
		r.Err = err
	}
}

func (r *Recorder) answer(a Answer) { r.write(Entry{Answer: &a}) }

// Record begins with a machine whose environment is the recorder's; conn is nil for a responder.
func (r *Recorder) Record(conn *core.Connection, m core.Machine) {
	r.m = m
	if conn != nil {
		r.setup.Conn = conn.Name
	}
	r.write(Entry{Machine: &r.setup})
}

// Receive is core.Machine's.
func (r *Recorder) Receive(now time.Time, d core.Datagram) {
	r.write(Entry{Input: &Input{Kind: "receive", At: now, Local: d.Local, Remote: d.Remote, Data: d.Data}})
	r.m.Receive(now, d)
}

// Advance is core.Machine's.
func (r *Recorder) Advance(now time.Time) {
	r.write(Entry{Input: &Input{Kind: "advance", At: now}})
	r.m.Advance(now)
}

// Command is core.Machine's.
func (r *Recorder) Command(now time.Time, c core.Command) {
	in := commandInput(c)
	in.At = now
	r.write(Entry{Input: &in})
	r.m.Command(now, c)
}

// Deadline is core.Machine's.
func (r *Recorder) Deadline() time.Time { return r.m.Deadline() }

// Status is core.Machine's.
func (r *Recorder) Status() []core.IKEStatus { return r.m.Status() }

// Next is core.Machine's.
func (r *Recorder) Next() (core.Output, bool) {
	o, ok := r.m.Next()
	if ok {
		r.write(Entry{Output: line(o)})
	}
	return o, ok
}

// commandInput writes a command with names in place of configuration.
func commandInput(c core.Command) Input {
	switch c := c.(type) {
	case core.Initiate:
		in := Input{Kind: "initiate", Op: c.Op, Local: c.Local, Remote: c.Remote, VIPs: c.VIPs}
		if c.Child != nil {
			in.Child = c.Child.Name
		}
		if c.Packet != (core.Flow{}) {
			in.Packet = &c.Packet
		}
		return in
	case core.Expire:
		return Input{Kind: "expire", SPI: c.SPI, Direction: c.Direction, Force: c.Hard}
	case core.Rekey:
		return Input{Kind: "rekey", Op: c.Op, IKE: c.IKE, Child: c.Child, ID: c.ChildID}
	case core.Delete:
		return Input{Kind: "delete", Op: c.Op, IKE: c.IKE, Child: c.Child, ID: c.ChildID, Force: c.Force, Reason: c.Reason}
	case core.Move:
		return Input{Kind: "move", Local: c.Local, Remote: c.Remote}
	case core.Reconfigure:
		return Input{Kind: "reconfigure", Conn: c.Connection.Name}
	case core.Liveness:
		return Input{Kind: "liveness", Op: c.Op}
	}
	return Input{Kind: fmt.Sprintf("%T", c)}
}

// command is the command of an input.
func (in *Input) command(catalog *core.Catalog, conn *core.Connection) (core.Command, error) {
	switch in.Kind {
	case "initiate":
		c := core.Initiate{Op: in.Op, Local: in.Local, Remote: in.Remote, VIPs: in.VIPs}
		if in.Packet != nil {
			c.Packet = *in.Packet
		}
		if in.Child != "" {
			if c.Child = childOf(conn, in.Child); c.Child == nil {
				return nil, fmt.Errorf("sim: the catalog has no child %q", in.Child)
			}
		}
		return c, nil
	case "expire":
		return core.Expire{SPI: in.SPI, Direction: in.Direction, Hard: in.Force}, nil
	case "rekey":
		return core.Rekey{Op: in.Op, IKE: in.IKE, Child: in.Child, ChildID: in.ID}, nil
	case "delete":
		return core.Delete{Op: in.Op, IKE: in.IKE, Child: in.Child, ChildID: in.ID, Force: in.Force, Reason: in.Reason}, nil
	case "move":
		return core.Move{Local: in.Local, Remote: in.Remote}, nil
	case "reconfigure":
		return core.Reconfigure{Connection: catalog.Connection(in.Conn)}, nil
	case "liveness":
		return core.Liveness{Op: in.Op}, nil
	}
	return nil, fmt.Errorf("sim: unknown input %q", in.Kind)
}

func childOf(conn *core.Connection, name string) *core.Child {
	if conn == nil {
		return nil
	}
	for _, c := range conn.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Environment records what an environment answers.
func (r *Recorder) Environment(env core.Environment) core.Environment {
	e := env
	r.setup = Setup{Settings: env.Settings, NATTPort: env.NATTPort, KeyLog: env.KeyLog}
	e.Rand = recordedRand{r, env.Rand}
	e.NewSPI = func() (esp.SPI, error) {
		spi, err := env.NewSPI()
		r.answer(Answer{Kind: "spi", N: uint32(spi), Error: text(err)})
		return spi, err
	}
	number := func(kind string, f func() uint32) func() uint32 {
		return func() uint32 {
			n := f()
			r.answer(Answer{Kind: kind, N: n})
			return n
		}
	}
	e.UniqueID, e.Reqid = number("id", env.UniqueID), number("reqid", env.Reqid)
	if env.FirstContact != nil {
		r.setup.Knows = append(r.setup.Knows, "first")
		e.FirstContact = func(local, remote auth.Identity) bool {
			yes := env.FirstContact(local, remote)
			r.answer(Answer{Kind: "first", Yes: yes})
			return yes
		}
	}
	if env.Resolve != nil {
		r.setup.Knows = append(r.setup.Knows, "resolve")
		e.Resolve = func(host string) []netip.Addr {
			addrs := env.Resolve(host)
			r.answer(Answer{Kind: "resolve", Addrs: addrs})
			return addrs
		}
	}
	if env.LastInbound != nil {
		r.setup.Knows = append(r.setup.Knows, "inbound")
		e.LastInbound = func(spi esp.SPI) time.Time {
			at := env.LastInbound(spi)
			r.answer(Answer{Kind: "inbound", At: at})
			return at
		}
	}
	if env.Lease != nil {
		r.setup.Knows = append(r.setup.Knows, "lease")
		e.Lease = func(q core.LeaseRequest) (core.Lease, error) {
			l, err := env.Lease(q)
			a := Answer{Kind: "lease", Error: text(err)}
			if err == nil {
				a.Lease = &l
			}
			r.answer(a)
			return l, err
		}
	}
	return e
}

type recordedRand struct {
	r    *Recorder
	rand io.Reader
}

func (rr recordedRand) Read(p []byte) (int, error) {
	n, err := rr.rand.Read(p)
	rr.r.answer(Answer{Kind: "rand", Data: p[:n], Error: text(err)})
	return n, err
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func failure(text string) error {
	if text == "" {
		return nil
	}
	return errors.New(text)
}

// line is an output in one line: enough to tell two apart, and no secret.
func line(o core.Output) string {
	switch o := o.(type) {
	case core.Send:
		return fmt.Sprintf("Send %s %s %x", o.Local, o.Remote, o.Data)
	case core.InstallSA:
		p := o.Params
		keys := sha256.Sum256(append(append([]byte{}, p.EncrKey...), p.IntegKey...))
		return fmt.Sprintf("InstallSA %d %08x %s %s %v %v %d %x", p.Direction, uint32(p.SPI), p.Local, p.Remote, p.LocalTS, p.RemoteTS, p.Reqid, keys[:4])
	case core.Log:
		return fmt.Sprintf("Log %s %d %s", o.Group, o.Level, o.Text)
	case core.Message:
		return fmt.Sprintf("Message %v %s %v %d %s", o.Outbound, o.Exchange, o.Response, o.MessageID, o.Payloads)
	case core.Done:
		return fmt.Sprintf("Done %d %v", o.Op, o.Reason)
	case core.Failed:
		return fmt.Sprintf("Failed %v", o.Reason)
	case core.Closed:
		return fmt.Sprintf("Closed %v", o.Reason)
	case core.IKEDown:
		return fmt.Sprintf("IKEDown %d %v", o.IKE.UniqueID, o.Reason)
	case core.ChildUp:
		return fmt.Sprintf("ChildUp %d %08x %08x", o.Child.UniqueID, uint32(o.Child.SPIIn), uint32(o.Child.SPIOut))
	case core.ChildDown:
		return fmt.Sprintf("ChildDown %d %v", o.Child.UniqueID, o.Reason)
	case core.RemoveSA, core.MoveSA, core.ReleaseSPI, core.AddSPI, core.RemoveSPI, core.SendKeepalive:
		return fmt.Sprintf("%T %v", o, o)
	}
	return fmt.Sprintf("%T", o)
}
