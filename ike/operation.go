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
	// Separate asks for a new IKE SA even when the connection has one (strongSwan's reuse_ikesa = no).
	Separate bool
}

// Initiate starts a negotiation, in an IKE SA of the connection when there is one. done is called once, on another
// goroutine, with nil when the Child SA is installed.
func (e *Endpoint) Initiate(r InitiateRequest, done func(*core.Reason)) error {
	op := e.nextID.Add(1)
	c := core.Initiate{Op: op, Child: r.Child, Local: r.Local, Remote: r.Remote, Packet: r.Packet}
	if !r.Separate {
		if l := e.ofConnection(r.Connection.Name); l != nil {
			l.operation(op, done)
			l.command(c)
			return nil
		}
	}
	_, err := e.start(ikev2.NewInitiator(e.cfg.Environment, r.Connection), func(l *lineage) {
		l.conn = r.Connection.Name
		l.ops[op] = done
		l.commands = []core.Command{c}
		l.wake <- struct{}{}
	})
	return err
}

// ofConnection finds the newest lineage that may take a new Child SA of the connection.
func (e *Endpoint) ofConnection(name string) (newest *lineage) {
	for _, l := range e.snapshot() {
		if l.takesChildOf(name) && (newest == nil || l.id > newest.id) {
			newest = l
		}
	}
	return newest
}

func (l *lineage) takesChildOf(conn string) bool {
	status := l.Status()
	if len(status) == 0 {
		return l.conn == conn
	}
	s := status[0]
	established := s.State == core.IKEEstablished || s.State == core.IKERekeying
	return s.Conn == conn && (established || s.Initiator && s.State != core.IKEDeleting)
}

// Command sends a command to the lineage that has the IKE SA with this unique ID; done is called once with its outcome.
// It tells false when there is no such IKE SA.
func (e *Endpoint) Command(ikeID uint32, make func(op uint64) core.Command, done func(*core.Reason)) bool {
	for _, l := range e.snapshot() {
		for _, s := range l.Status() {
			if s.UniqueID != ikeID {
				continue
			}
			op := e.nextID.Add(1)
			l.operation(op, done)
			l.command(make(op))
			return true
		}
	}
	return false
}

// Broadcast sends a command to every lineage that select chooses by its snapshot.
func (e *Endpoint) Broadcast(c core.Command, choose func([]core.IKEStatus) bool) {
	for _, l := range e.snapshot() {
		if choose(l.Status()) {
			l.command(c)
		}
	}
}

// Expire passes on that an SA has reached a lifetime by volume.
func (e *Endpoint) Expire(spi esp.SPI, dir esp.Direction, hard bool) {
	e.Broadcast(core.Expire{SPI: spi, Direction: dir, Hard: hard}, func(all []core.IKEStatus) bool { return owns(all, spi, dir) })
}

// PeerMoved passes on that authenticated ESP packets on an inbound SA come from another address.
func (e *Endpoint) PeerMoved(spi esp.SPI, local, remote netip.AddrPort) {
	e.Broadcast(core.Move{Local: local, Remote: remote}, func(all []core.IKEStatus) bool { return owns(all, spi, esp.In) })
}

func owns(all []core.IKEStatus, spi esp.SPI, dir esp.Direction) bool {
	for _, s := range all {
		for _, c := range s.Children {
			if (dir == esp.In && c.SPIIn == spi) || (dir == esp.Out && c.SPIOut == spi) {
				return true
			}
		}
	}
	return false
}

// FirstContact tells whether no established IKE SA between these identities exists, so that INITIAL_CONTACT may be sent.
//
// "This notification asserts that this IKE SA is the only IKE SA currently active between the authenticated
// identities."  RFC 7296 §2.4
func (e *Endpoint) FirstContact(local, remote auth.Identity) bool {
	for _, s := range e.IKESAs() {
		if s.State != core.IKEConnecting && s.LocalID == local && s.RemoteID == remote {
			return false
		}
	}
	return true
}

// replaceOlder ends the IKE SAs that the new one takes the place of: after INITIAL_CONTACT without a word, for the peer
// has forgotten them (RFC 7296 §2.4), by the policy `unique = replace` with notice; `keep` ends the new one.
func (e *Endpoint) replaceOlder(l *lineage, up core.Established) {
	unique := up.Connection.Unique
	if unique == core.UniqueNever || (unique == core.UniqueNo && !up.InitialContact) {
		return
	}
	reason := &core.Reason{Kind: core.Replaced, Phase: 1, Conn: up.IKE.Conn, Text: "the peer has a newer IKE SA"}
	for _, other := range e.snapshot() {
		status := other.Status()
		if other == l || len(status) == 0 || status[0].LocalID != up.IKE.LocalID || status[0].RemoteID != up.IKE.RemoteID ||
			status[0].State == core.IKEConnecting || status[0].State == core.IKEDeleting {
			continue
		}
		if unique == core.UniqueKeep && !up.InitialContact {
			l.command(core.Delete{IKE: true, Reason: &core.Reason{Kind: core.Replaced, Phase: 1, Conn: up.IKE.Conn, Text: "unique = keep: an IKE SA between these identities exists"}})
			return
		}
		other.command(core.Delete{IKE: true, Force: up.InitialContact, Reason: reason})
	}
}

// Current names a lineage: its connection and its current IKE SA's unique ID; zero is not known.
func (e *Endpoint) Current(lineage uint64) (conn string, ikeID uint32) {
	e.mu.Lock()
	l := e.lineages[lineage]
	e.mu.Unlock()
	if l == nil {
		return "", 0
	}
	if status := l.Status(); len(status) > 0 {
		return status[0].Conn, status[0].UniqueID
	}
	return l.conn, 0
}

// Timers is how many lineages wait for a deadline: each has one timer.
func (e *Endpoint) Timers() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.lineages)
}
