package ikev2

import (
	"slices"
	"time"

	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
)

// Limits of one lineage. A peer that goes beyond them is refused, a command is Done with a reason.
const (
	maxChildren = 256 // Child SAs, the ones that are going away included
	maxIKESAs   = 16  // IKE SAs, the ones that are going away included
	maxWaiting  = 512 // exchanges that wait for their turn
)

// lingerTime is how long an IKE SA that has ended answers retransmissions of the peer's last request: as long as the
// first two of strongSwan's defaults take.
const lingerTime = 12 * time.Second

// Machine is one IKE SA lineage: an IKE SA, its successors by rekeying, and all their Child SAs. It is a core.Machine.
type Machine struct {
	env      core.Environment
	conn     *core.Connection // nil while a responder does not know it
	reloaded *core.Connection // that takes over when the IKE SA is established, or begins anew; nil: none
	now      time.Time        // of the input that is being handled
	out      []core.Output

	current *ikeSA   // takes new exchanges; nil before the first and after the last
	old     []*ikeSA // rekeyed or redundant: only their Delete is awaited
	gone    []*ikeSA // ended, and kept for a while to repeat the last response

	children []*child     // of the whole lineage: a rekeyed IKE SA's successor inherits them by doing nothing
	retired  []retired    // inbound SAs that outlive their Child SA for packets under way
	waiting  []exchange   // initiated exchanges in the order of their turn
	ikeOps   []*operation // wait for the IKE SA to be established
	attempt  attempt
	virtual  virtual // addresses

	questions uint64 // how many were asked: the ID of the last

	giving bool    // exchanges are given up: nothing is to come of them
	told   bool    // somebody who waited knows why the IKE SA will not come up
	end    *ending // the lineage is over; nil while it is not
	closed bool
}

// ending is how a lineage ended.
type ending struct{ reason *core.Reason }

// NewInitiator makes a machine for a connection; it does nothing before the first core.Initiate.
func NewInitiator(env core.Environment, conn *core.Connection) *Machine {
	return &Machine{env: env, conn: conn}
}

// NewResponder makes a machine whose first Receive is a peer's IKE_SA_INIT request.
func NewResponder(env core.Environment) *Machine {
	return &Machine{env: env}
}

// Receive takes a datagram from the network.
func (m *Machine) Receive(now time.Time, d core.Datagram) {
	if m.closed {
		return
	}
	m.now = now
	m.receive(d)
	if m.conn == nil && m.current == nil && m.end == nil {
		// A responder's first datagram was no IKE_SA_INIT request: there is nothing to wait for.
		m.end = &ending{m.initReason(core.InvalidSyntax, "the datagram is no IKE_SA_INIT request")}
	}
	m.settle()
}

// Command takes a wish of the driver. Everything with an Op comes back in exactly one core.Done.
func (m *Machine) Command(now time.Time, c core.Command) {
	m.now = now
	m.command(c)
	m.settle()
}

// Advance does what is due at now.
func (m *Machine) Advance(now time.Time) {
	if m.closed {
		return
	}
	m.now = now
	m.advance()
	m.settle()
}

// Next takes the next output.
func (m *Machine) Next() (core.Output, bool) {
	if len(m.out) == 0 {
		m.out = nil
		return nil, false
	}
	o := m.out[0]
	m.out[0] = nil
	m.out = m.out[1:]
	return o, true
}

func (m *Machine) emit(o core.Output) { m.out = append(m.out, o) }

// settle begins what can begin, and closes the lineage when nothing is left.
func (m *Machine) settle() {
	if m.closed {
		return
	}
	m.pump()
	if m.end != nil && len(m.old) == 0 && len(m.gone) == 0 && len(m.retired) == 0 {
		m.closed = true
		m.emit(core.Closed{Reason: m.end.reason})
	}
}

// sas are all IKE SAs of the lineage, the current one first.
func (m *Machine) sas() []*ikeSA {
	var all []*ikeSA
	if m.current != nil {
		all = append(all, m.current)
	}
	return append(all, m.old...)
}

// find is the IKE SA that a message belongs to. The Initiator flag, set by the original initiator of the IKE SA, is how
// a recipient knows which of the SPIs it made itself.  RFC 7296 §3.1
func (m *Machine) find(h header.Header) *ikeSA {
	for _, sa := range append(m.sas(), m.gone...) {
		if sa.spiI == h.Initiator && sa.spiR == h.Responder && sa.initiator != h.FromInitiator() {
			return sa
		}
	}
	return nil
}

// forget takes an IKE SA out of the lineage and wipes it.
func (m *Machine) forget(sa *ikeSA) {
	m.unlink(sa)
	m.emit(core.RemoveSPI{SPI: sa.ourSPI()})
	sa.wipe()
}

// unlink takes an IKE SA out of all lists.
func (m *Machine) unlink(sa *ikeSA) {
	if m.current == sa {
		m.current = nil
	}
	same := func(o *ikeSA) bool { return o == sa }
	m.old = slices.DeleteFunc(m.old, same)
	m.gone = slices.DeleteFunc(m.gone, same)
}

// retire makes sa one of those whose Delete is awaited, until reapAt.
func (m *Machine) retire(sa *ikeSA, state core.IKEState) {
	m.unlink(sa)
	sa.state = state
	m.old = append(m.old, sa)
}

// linger keeps an IKE SA that has ended for as long as the peer may repeat its last request.
func (m *Machine) linger(sa *ikeSA) {
	if f := sa.inFlight; f != nil {
		sa.inFlight = nil
		f.exchange.abort(m, sa, nil)
		f.exchange.wipe()
	}
	m.unlink(sa)
	sa.reapAt = m.now.Add(lingerTime)
	if len(m.gone) == maxIKESAs {
		m.forget(m.gone[0])
	}
	m.gone = append(m.gone, sa)
}
