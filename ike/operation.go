package ike

import (
	"net/netip"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/ikev2"
)

// InitiateRequest asks for an IKE SA of a connection and a Child SA in it.
type InitiateRequest struct {
	Connection    *core.Connection
	Child         *core.Child // nil: the IKE SA alone
	Local, Remote netip.AddrPort
	Packet        core.Flow // that a trap policy caught
	// VIPs are asked for instead of the connection's `vips`, by an IKE SA that takes the place of another.
	VIPs []netip.Addr
	// Separate asks for a new IKE SA even when the connection has one (strongSwan's reuse_ikesa = no).
	Separate bool
}

// Initiate starts a negotiation, in an IKE SA of the connection when there is one. done is called once, on another
// goroutine, with nil when the Child SA is installed.
func (e *Endpoint) Initiate(r InitiateRequest, done func(*core.Reason)) error {
	op := e.nextID.Add(1)
	c := core.Initiate{Op: op, Child: r.Child, Local: r.Local, Remote: r.Remote, Packet: r.Packet, VIPs: r.VIPs}
	if !r.Separate {
		if l := e.ofConnection(r.Connection.Name); l != nil {
			l.operation(op, done)
			l.command(c)
			return nil
		}
	}
	l := e.newLineage(ikev2.NewInitiator(e.environment(), r.Connection))
	l.conn, l.ops[op], l.commands = r.Connection.Name, done, []core.Command{c}
	l.wake <- struct{}{}
	_, err := e.start(l)
	return err
}

// ofConnection finds the newest lineage that may take a new Child SA of the connection.
func (e *Endpoint) ofConnection(name string) (newest *lineage) {
	for _, l := range findAll(&e.tables, e.tables.byConn, name) {
		if l.takesChildOf(name) && (newest == nil || l.id > newest.id) {
			newest = l
		}
	}
	return newest
}

func (l *lineage) takesChildOf(conn string) bool {
	status := l.Status()
	if len(status) == 0 {
		return l.conn == conn && !l.begun.Load()
	}
	s := status[0]
	established := s.State == core.IKEEstablished || s.State == core.IKERekeying
	return s.Conn == conn && (established || s.Initiator && s.State != core.IKEDeleting)
}

// Command sends a command to the lineage that has the IKE SA with this unique ID; done is called once with its outcome.
// It tells false when there is no such IKE SA.
func (e *Endpoint) Command(ikeID uint32, make func(op uint64) core.Command, done func(*core.Reason)) bool {
	l := find(&e.tables, e.tables.byID, ikeID)
	if l == nil {
		return false
	}
	op := e.nextID.Add(1)
	l.operation(op, done)
	l.command(make(op))
	return true
}

// Broadcast sends a command to every lineage that select chooses by its snapshot.
func (e *Endpoint) Broadcast(c core.Command, choose func([]core.IKEStatus) bool) {
	for _, l := range e.tables.snapshot() {
		if choose(l.Status()) {
			l.command(c)
		}
	}
}

// Expire passes on that an SA has reached a lifetime by volume.
func (e *Endpoint) Expire(id esp.ID, hard bool) {
	e.about(id, core.Expire{SPI: id.SPI, Direction: id.Direction, Hard: hard})
}

// PeerMoved passes on that authenticated ESP packets on an inbound SA come from another address.
func (e *Endpoint) PeerMoved(spi esp.SPI, local, remote netip.AddrPort) {
	e.about(esp.ID{SPI: spi, Direction: esp.In}, core.Move{Local: local, Remote: remote})
}

// about sends a command to the lineage that installed an SA. When there is none the SA has just been removed.
func (e *Endpoint) about(id esp.ID, c core.Command) {
	if l := find(&e.tables, e.tables.bySA, saKey(id)); l != nil {
		l.command(c)
	}
}

// FirstContact tells whether no established IKE SA between these identities exists, so that INITIAL_CONTACT may be sent.
//
// "The INITIAL_CONTACT notification asserts that this IKE SA is the only IKE SA currently active between the
// authenticated identities."  RFC 7296 §2.4
func (e *Endpoint) FirstContact(local, remote auth.Identity) bool {
	for _, l := range findAll(&e.tables, e.tables.byEnds, endsOf(local, remote)) {
		if l.active() {
			return false
		}
	}
	return true
}

// active tells whether the lineage has an IKE SA with an authenticated peer.
func (l *lineage) active() bool {
	status := l.Status()
	return len(status) > 0 && status[0].State != core.IKECreated && status[0].State != core.IKEConnecting
}

// replace ends the IKE SAs that a peer's new one takes the place of: after INITIAL_CONTACT without waiting for an answer, for the peer
// has forgotten them (RFC 7296 §2.4), by the policy `unique = replace` with notice. `keep` ends the new one instead, unless
// it comes from where the old one is: that is a reauthentication, and the peer ends the old one itself. The policy is the
// responder's, as in strongSwan: whoever initiates knows what he wants.
func (l *lineage) replace(older []*lineage, up core.Established) {
	unique := up.Connection.Unique
	if up.IKE.Initiator || unique == core.UniqueNever || (unique == core.UniqueNo && !up.InitialContact) {
		return
	}
	for _, other := range older {
		if !other.active() {
			continue
		}
		old := other.Status()[0]
		switch {
		case old.State == core.IKEDeleting:
		case up.InitialContact || unique == core.UniqueReplace:
			other.command(core.Delete{IKE: true, Force: up.InitialContact, Reason: &core.Reason{
				Kind: core.Replaced, Phase: 1, Conn: up.IKE.Conn, Text: "the peer has a newer IKE SA"}})
		case old.Remote != up.IKE.Remote: // behind a NAT, another port is another device
			l.command(core.Delete{IKE: true, Reason: &core.Reason{
				Kind: core.Replaced, Phase: 1, Conn: up.IKE.Conn, Text: "unique = keep: an IKE SA between these identities exists"}})
			return
		}
	}
}

// Current names a lineage: its connection and its current IKE SA's unique ID; zero is not known.
func (e *Endpoint) Current(lineage uint64) (conn string, ikeID uint32) {
	l := find(&e.tables, e.tables.all, lineage)
	if l == nil {
		return "", 0
	}
	if status := l.Status(); len(status) > 0 {
		return status[0].Conn, status[0].UniqueID
	}
	return l.conn, 0
}

// Timers is how many lineages wait for a deadline: each has one timer.
func (e *Endpoint) Timers() int { return e.tables.count() }
