package sim

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2"
)

// Node is one end: its machines and its data path.
type Node struct {
	Name    string
	Addr    netip.Addr
	Catalog *core.Catalog
	Env     core.Environment
	// Outputs are all outputs of all machines that tell something, in order; Logs are the log lines among them.
	Outputs []core.Output
	Logs    []string
	// Done are the reasons of finished operations, nil for success.
	Done map[uint64]*core.Reason
	// Watch sees each output when it is not nil, before it is carried out.
	Watch func(core.Output)
	// Arrived sees each datagram that reaches the node when it is not nil.
	Arrived func(core.Datagram)
	// Answer answers what machines ask, after a while; nil answers nothing.
	Answer func(core.Ask) (a core.Answer, after time.Duration)
	Path   Path
	// Record makes every new lineage write down its run (Lineage.Recording), for Replay.
	Record bool

	w        *World
	lineages []*Lineage
	nat      *nat
	nextOp   uint64
	random   *rand.ChaCha8
	ids      uint32
}

// Lineage is one machine and what the node knows of it.
type Lineage struct {
	core.Machine
	Conn   string // of an initiator
	Closed bool
	Reason *core.Reason // of the end
	// Recording is the run so far, when the node records.
	Recording *bytes.Buffer

	node  *Node
	spis  map[header.SPI]bool
	first []byte // the IKE_SA_INIT request that a responder was made for
	from  netip.AddrPort
}

func newNode(w *World, name string, addr netip.Addr, catalog *core.Catalog) *Node {
	n := &Node{Name: name, Addr: addr, Catalog: catalog, w: w, Done: map[uint64]*core.Reason{}}
	var seed [32]byte
	copy(seed[:], fmt.Sprintf("%s %d", name, w.seed))
	n.random = rand.NewChaCha8(seed)
	n.Path = newPath(n)
	n.Env = core.Environment{
		Rand:     n.random,
		NewSPI:   n.Path.reserve,
		UniqueID: func() uint32 { n.ids++; return n.ids },
		Reqid:    func() uint32 { n.ids++; return n.ids },
		Catalog:  func() *core.Catalog { return n.Catalog },
		LastInbound: func(spi esp.SPI) time.Time {
			return n.Path.lastIn[spi]
		},
		NATTPort: 4500,
		Settings: core.DefaultSettings(),
	}
	return n
}

// at is one of the node's own addresses.
func (n *Node) at(port uint16) netip.AddrPort { return netip.AddrPortFrom(n.Addr, port) }

// Initiate asks for a Child SA of a connection to a peer's address, in a lineage of the connection if there is one, and
// returns the operation's number. A child of "" asks for the IKE SA alone.
func (n *Node) Initiate(conn, childName string, remote netip.Addr) uint64 {
	c := n.Catalog.Connection(conn)
	n.nextOp++
	cmd := core.Initiate{Op: n.nextOp, Local: n.at(500), Remote: netip.AddrPortFrom(remote, 500)}
	for _, child := range c.Children {
		if child.Name == childName {
			cmd.Child = child
		}
	}
	l := n.Lineage(conn)
	if l == nil {
		l = n.add(c)
		l.Conn = conn
	}
	l.Command(n.w.now, cmd)
	n.drain(l)
	return cmd.Op
}

// Command gives a command with a fresh operation to a lineage.
func (n *Node) Command(l *Lineage, make func(op uint64) core.Command) uint64 {
	n.nextOp++
	op := n.nextOp
	l.Command(n.w.now, make(op))
	n.drain(l)
	return op
}

// Lineage is the live lineage of a connection, of either role; nil if there is none.
func (n *Node) Lineage(conn string) *Lineage {
	for _, l := range n.lineages {
		if l.Closed {
			continue
		}
		if s := l.Status(); len(s) > 0 && s[0].Conn == conn && s[0].State != core.IKEDeleting {
			return l
		}
	}
	return nil
}

// All are all lineages that there ever were.
func (n *Node) All() []*Lineage { return n.lineages }

// Lineages are those that have not closed.
func (n *Node) Lineages() []*Lineage {
	var live []*Lineage
	for _, l := range n.lineages {
		if !l.Closed {
			live = append(live, l)
		}
	}
	return live
}

// IKESAs are all live IKE SAs.
func (n *Node) IKESAs() []core.IKEStatus {
	var all []core.IKEStatus
	for _, l := range n.Lineages() {
		all = append(all, l.Status()...)
	}
	return all
}

// Children are all Child SAs that are in use.
func (n *Node) Children() []core.ChildStatus {
	var all []core.ChildStatus
	for _, s := range n.IKESAs() {
		for _, c := range s.Children {
			if c.State == core.ChildInstalled || c.State == core.ChildRekeying {
				all = append(all, c)
			}
		}
	}
	return all
}

// add makes a lineage: an initiator of a connection, or a responder for none.
func (n *Node) add(conn *core.Connection) *Lineage {
	l := &Lineage{node: n, spis: map[header.SPI]bool{}}
	env := n.Env
	var r *Recorder
	if n.Record {
		l.Recording = &bytes.Buffer{}
		r = NewRecorder(l.Recording)
		env = r.Environment(env)
	}
	l.Machine = ikev2.NewResponder(env)
	if conn != nil {
		l.Machine = ikev2.NewInitiator(env, conn)
	}
	if r != nil {
		r.Record(conn, l.Machine)
		l.Machine = r
	}
	n.lineages = append(n.lineages, l)
	return l
}

// Inject gives the node a datagram that no peer may have sent.
func (n *Node) Inject(d core.Datagram) { n.receive(d) }

// receive brings a datagram to its lineage as an endpoint does: by our SPI, or by the octets of a first message.
func (n *Node) receive(d core.Datagram) {
	if n.Arrived != nil {
		n.Arrived(d)
	}
	h, err := header.Parse(d.Data)
	if err != nil {
		return
	}
	if l := n.owner(h, d); l != nil {
		l.Receive(n.w.now, d)
		n.drain(l)
	}
}

func (n *Node) owner(h header.Header, d core.Datagram) *Lineage {
	initial := h.Exchange == header.IKESAInit && !h.IsResponse() && h.FromInitiator() && h.Responder.IsZero()
	ours := h.Initiator
	if h.FromInitiator() {
		ours = h.Responder
	}
	for _, l := range n.Lineages() {
		if (initial && l.first != nil && header.SPI(l.first[:8]) == h.Initiator && l.from == d.Remote) || (!initial && l.spis[ours]) {
			return l
		}
	}
	if !initial {
		return nil
	}
	l := n.add(nil)
	l.first, l.from = append([]byte{}, d.Data...), d.Remote
	return l
}

func (n *Node) deadline() time.Time {
	var first time.Time
	for _, l := range n.Lineages() {
		if d := l.Deadline(); !d.IsZero() && (first.IsZero() || d.Before(first)) {
			first = d
		}
	}
	return first
}

// advance tells every machine whose deadline has passed.
func (n *Node) advance() {
	for _, l := range n.Lineages() {
		if d := l.Deadline(); d.IsZero() || d.After(n.w.now) {
			continue
		}
		l.Advance(n.w.now)
		n.drain(l)
		if d := l.Deadline(); !l.Closed && !d.IsZero() && !d.After(n.w.now) {
			n.w.violated("%s: the deadline did not move by Advance at %s", n.Name, n.w.now.Sub(epoch))
			l.Closed = true
		}
	}
}

// drain carries out a machine's outputs.
func (n *Node) drain(l *Lineage) {
	for {
		o, ok := l.Next()
		if !ok {
			return
		}
		if l.Closed {
			n.w.violated("%s: %T after Closed", n.Name, o)
		}
		if n.Watch != nil {
			n.Watch(o)
		}
		n.carryOut(l, o)
	}
}

func (n *Node) carryOut(l *Lineage, o core.Output) {
	switch o := o.(type) {
	case core.Send:
		n.w.carry(n, o.Datagram)
		return
	case core.AddSPI:
		l.spis[o.SPI] = true
		return
	case core.RemoveSPI:
		if !l.spis[o.SPI] {
			n.w.violated("%s: RemoveSPI of %s, which was not added", n.Name, o.SPI)
		}
		delete(l.spis, o.SPI)
		return
	case core.InstallSA, core.RemoveSA, core.MoveSA, core.ReleaseSPI:
		n.Path.carryOut(l, o)
		return
	case core.Done:
		if _, twice := n.Done[o.Op]; twice {
			n.w.violated("%s: operation %d is done twice", n.Name, o.Op)
		}
		n.Done[o.Op] = o.Reason
	case core.Closed:
		n.closed(l, o)
	case core.Ask:
		n.asked(l, o)
	case core.Log:
		n.Logs = append(n.Logs, fmt.Sprintf("[%s] %s", o.Group, o.Text))
		return
	}
	n.Outputs = append(n.Outputs, o)
}

// asked brings the answer to a question.
func (n *Node) asked(l *Lineage, q core.Ask) {
	if n.Answer == nil {
		return
	}
	a, after := n.Answer(q)
	a.ID = q.ID
	n.w.After(after, func() {
		if !l.Closed {
			l.Command(n.w.now, a)
			n.drain(l)
		}
	})
}

// closed checks that a lineage leaves nothing behind.
func (n *Node) closed(l *Lineage, o core.Closed) {
	l.Closed, l.Reason = true, o.Reason
	if len(l.spis) > 0 {
		n.w.violated("%s: %d IKE SPIs are left after Closed", n.Name, len(l.spis))
	}
	if left := n.Path.of(l); left > 0 {
		n.w.violated("%s: %d SAs are left after Closed", n.Name, left)
	}
	if s := l.Status(); len(s) > 0 {
		n.w.violated("%s: %d IKE SAs are in the status after Closed", n.Name, len(s))
	}
}

// Told are the outputs of type T so far.
func Told[T core.Output](n *Node) []T {
	var all []T
	for _, o := range n.Outputs {
		if t, ok := o.(T); ok {
			all = append(all, t)
		}
	}
	return all
}

// Ladder is the node's messages in one line each, as a person debugs with.
func (n *Node) Ladder() []string {
	var lines []string
	for _, m := range Told[core.Message](n) {
		arrow, kind := "◀", "request"
		if m.Outbound {
			arrow = "▶"
		}
		if m.Response {
			kind = "response"
		}
		line := fmt.Sprintf("%s %s %s %d [ ", arrow, m.Exchange, kind, m.MessageID)
		if m.Payloads != "" {
			line += m.Payloads + " "
		}
		line += "]"
		if m.Retransmit > 0 {
			line += fmt.Sprintf(" again %d", m.Retransmit)
		}
		lines = append(lines, line)
	}
	return lines
}
