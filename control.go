package goswan

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/goswan/goswan/ike"
	"github.com/goswan/goswan/ike/core"
	"go.uber.org/zap"
)

// InitiateRequest names what to bring up. Child and IKE are configured names; with IKE empty the first connection that
// has the child is taken, with Child empty the IKE SA alone is negotiated.
type InitiateRequest struct {
	Child, IKE string
}

// ErrNotFound is wrapped by the errors of a command that names nothing that is there.
var ErrNotFound = errors.New("not found")

// Initiate brings up a Child SA, and the IKE SA that it needs, and waits until it is installed or has failed. A failure
// in the negotiation is a *core.Reason. Before Run it waits for Run. When ctx ends only the waiting ends: the negotiation
// goes on.
func (e *Endpoint) Initiate(ctx context.Context, r InitiateRequest) error {
	conn, child, err := e.find(r)
	if err != nil {
		return err
	}
	return e.negotiate(ctx, negotiation{conn: conn, child: child, why: "asked for"})
}

func (e *Endpoint) find(r InitiateRequest) (*core.Connection, *core.Child, error) {
	for _, conn := range e.catalog.Load().Connections {
		if r.IKE != "" && conn.Name != r.IKE {
			continue
		}
		if r.Child == "" {
			if r.IKE != "" {
				return conn, nil, nil
			}
			continue
		}
		for _, child := range conn.Children {
			if child.Name == r.Child {
				return conn, child, nil
			}
		}
	}
	switch {
	case r.Child == "" && r.IKE == "":
		return nil, nil, errors.New("goswan: neither a child nor a connection is named")
	case r.Child == "":
		return nil, nil, fmt.Errorf("goswan: connection %q %w", r.IKE, ErrNotFound)
	case r.IKE == "":
		return nil, nil, fmt.Errorf("goswan: child %q %w in any connection", r.Child, ErrNotFound)
	}
	return nil, nil, fmt.Errorf("goswan: child %q %w in connection %q", r.Child, ErrNotFound, r.IKE)
}

type negotiation struct {
	conn     *core.Connection
	child    *core.Child // nil: the IKE SA alone
	flow     core.Flow
	separate bool         // in an IKE SA of its own
	vips     []netip.Addr // to ask for, instead of the connection's
	why      string       // for the log
}

// negotiate begins a negotiation and waits for its outcome. A failure is logged, whether or not anybody still waits.
func (e *Endpoint) negotiate(ctx context.Context, r negotiation) error {
	if err := e.awaitReady(ctx); err != nil {
		return err
	}
	done := make(chan *core.Reason, 1)
	err := e.request(ctx, r, func(reason *core.Reason) {
		if reason != nil {
			e.logFailure(r, reason)
		}
		done <- reason
	})
	if err != nil {
		e.logFailure(r, err)
		return err
	}
	return await(ctx, done)
}

func (e *Endpoint) logFailure(r negotiation, err error) {
	fields := []zap.Field{zap.String("conn", r.conn.Name), zap.String("why", r.why), zap.String("reason", err.Error())}
	if r.child != nil {
		fields = append(fields, zap.String("child", r.child.Name))
	}
	e.log.Warn("negotiation failed", fields...)
}

// request begins a negotiation; done is called once with its outcome.
func (e *Endpoint) request(ctx context.Context, r negotiation, done func(*core.Reason)) error {
	conn, child := r.conn, r.child
	if child != nil && child.Mode != core.ModeTunnel {
		return fmt.Errorf("goswan: child %q has mode %s: it is a policy and has no SA to initiate", child.Name, child.Mode)
	}
	if conn.Version == 1 {
		return fmt.Errorf("goswan: connection %q has version = 1: this version of goswan speaks IKEv2 only", conn.Name)
	}
	local, remote, err := e.outerAddresses(ctx, conn)
	if err != nil {
		fix := "give `remote_addrs` an address or a host name that resolves"
		if at := conn.Source.String(); at != "" {
			fix += ", " + at
		}
		return &core.Reason{Kind: core.BadConfig, Phase: 1, Conn: conn.Name, Fix: fix,
			Text: fmt.Sprintf("connection %q cannot be initiated: %v", conn.Name, err)}
	}
	return e.ike.Initiate(ike.InitiateRequest{Connection: conn, Child: child, Local: local, Remote: remote, Packet: r.flow, VIPs: r.vips, Separate: r.separate || e.separate}, done)
}

func await(ctx context.Context, done <-chan *core.Reason) error {
	select {
	case r := <-done:
		if r != nil {
			return r
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// SelectSAs chooses IKE SAs and Child SAs by configured name or unique ID; what is zero does not choose.
// A Child or ChildID chooses Child SAs, otherwise whole IKE SAs are chosen.
type SelectSAs struct {
	Child, IKE     string
	ChildID, IKEID uint32
}

func (s SelectSAs) zero() bool { return s == SelectSAs{} }

func (s SelectSAs) children() bool { return s.Child != "" || s.ChildID != 0 }

// matches lists what is chosen: the IKE SA's unique ID and, when Child SAs are chosen, the Child SA's.
func (s SelectSAs) matches(all []core.IKEStatus) (found []SelectSAs) {
	for _, sa := range all {
		if (s.IKE != "" && sa.Conn != s.IKE) || (s.IKEID != 0 && sa.UniqueID != s.IKEID) {
			continue
		}
		if !s.children() {
			found = append(found, SelectSAs{IKEID: sa.UniqueID})
			continue
		}
		for _, c := range sa.Children {
			if (s.Child == "" || c.Name == s.Child) && (s.ChildID == 0 || c.UniqueID == s.ChildID) && c.State != core.ChildRekeyedOld {
				found = append(found, SelectSAs{IKEID: sa.UniqueID, ChildID: c.UniqueID})
			}
		}
	}
	return found
}

// Terminate deletes the chosen SAs with notice to their peers and waits for it. It returns how many were chosen.
// With force it does not wait for the peers' answers.
func (e *Endpoint) Terminate(ctx context.Context, s SelectSAs, force bool) (int, error) {
	return e.onEach(ctx, s, func(op uint64, m SelectSAs) core.Command {
		return core.Delete{Op: op, IKE: m.ChildID == 0, ChildID: m.ChildID, Force: force}
	})
}

// Rekey replaces the chosen SAs by new ones with new keys and waits for it. It returns how many were chosen.
func (e *Endpoint) Rekey(ctx context.Context, s SelectSAs) (int, error) {
	return e.onEach(ctx, s, func(op uint64, m SelectSAs) core.Command {
		return core.Rekey{Op: op, IKE: m.ChildID == 0, ChildID: m.ChildID}
	})
}

// onEach sends a command to the owner of each chosen SA and waits for all; the first failure is returned.
func (e *Endpoint) onEach(ctx context.Context, s SelectSAs, command func(op uint64, m SelectSAs) core.Command) (int, error) {
	if s.zero() {
		return 0, errors.New("goswan: no SA is named")
	}
	found := s.matches(e.ike.IKESAs())
	if len(found) == 0 {
		return 0, fmt.Errorf("goswan: no matching SA: %w", ErrNotFound)
	}
	done := make(chan *core.Reason, len(found))
	waiting := 0
	for _, m := range found {
		if e.ike.Command(m.IKEID, func(op uint64) core.Command { return command(op, m) }, func(r *core.Reason) { done <- r }) {
			waiting++
		}
	}
	var first error
	for ; waiting > 0; waiting-- {
		err := await(ctx, done)
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return len(found), first
}

// initiateLater begins a negotiation that nobody waits for.
func (e *Endpoint) initiateLater(conn *core.Connection, child *core.Child, flow core.Flow, why string) {
	e.background(func(ctx context.Context) {
		_ = e.negotiate(ctx, negotiation{conn: conn, child: child, flow: flow, why: why}) // it is logged
	})
}

// endIKE begins the end of an IKE SA, with notice to the peer, and does not wait for it. It tells false when there is no such IKE SA.
func (e *Endpoint) endIKE(id uint32, reason *core.Reason) bool {
	return e.ike.Command(id, func(op uint64) core.Command { return core.Delete{Op: op, IKE: true, Reason: reason} }, func(*core.Reason) {})
}
