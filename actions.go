package goswan

import (
	"context"
	"net/netip"
	"time"

	"github.com/goswan/goswan/ike/core"
	"go.uber.org/zap"
)

// restartDelay is the pause before a Child SA that ended is negotiated anew, so that two ends that refuse each other do
// not do so without end.
const restartDelay = time.Second

// LoadSettings takes new IKE settings, for IKE SAs to come.
func (e *Endpoint) LoadSettings(s core.Settings) { e.ike.LoadSettings(s) }

// Load takes a new configuration: connections that are gone lose their policies, the others get theirs and their
// start_action. Established SAs stay. It must have been checked (package config does). Before Run it is only kept for Run.
func (e *Endpoint) Load(c *core.Catalog) {
	e.loading.Lock()
	defer e.loading.Unlock()
	e.files = c
	e.replace(c)
}

// replace does Load's work; the caller holds the lock.
func (e *Endpoint) replace(c *core.Catalog) {
	old := e.catalog.Swap(c)
	e.configurePools(c)
	if !e.running {
		return
	}
	select {
	case e.names.changed <- struct{}{}:
	default: // it will see this one too
	}
	for _, conn := range old.Connections {
		if next := c.Connection(conn.Name); next != conn {
			e.revisePolicies(conn, next)
		}
	}
	for _, conn := range c.Connections {
		if old.Connection(conn.Name) == conn {
			continue
		}
		name := conn.Name
		e.ike.Broadcast(core.Reconfigure{Connection: conn}, func(all []core.IKEStatus) bool { return len(all) > 0 && all[0].Conn == name })
		e.startActions(conn, old.Connection(conn.Name) != nil)
	}
}

// revisePolicies drops the policies that the next version of a connection does not want. Those that it wants are replaced
// where they are, so that no packet goes unprotected in between; what was installed by command stays.
func (e *Endpoint) revisePolicies(conn, next *core.Connection) {
	for _, child := range conn.Children {
		after := childNamed(next, child.Name)
		switch {
		case after != nil && wantsPolicy(after):
			// startActions replaces it.
		case after != nil && !wantsPolicy(child) && e.hasPolicy(childKey{conn.Name, child.Name}):
			e.policyLater(next, after)
		default:
			_ = e.UninstallPolicy(InitiateRequest{Child: child.Name, IKE: conn.Name}) // not found: it had none
		}
	}
}

// childNamed finds a child of a connection, which may be nil.
func childNamed(conn *core.Connection, name string) *core.Child {
	if conn == nil {
		return nil
	}
	for _, child := range conn.Children {
		if child.Name == name {
			return child
		}
	}
	return nil
}

// wantsPolicy tells whether start_action installs a child's policy: its trap, or what mode = pass or drop is.
func wantsPolicy(child *core.Child) bool {
	if child.Mode != core.ModeTunnel {
		return child.StartAction != core.ActionNone
	}
	return child.StartAction&core.ActionTrap != 0
}

// startActions does what the children's start_action says. A child that is up already is not started again on reload.
func (e *Endpoint) startActions(conn *core.Connection, reload bool) {
	for _, child := range conn.Children {
		if wantsPolicy(child) {
			e.policyLater(conn, child)
		}
		if child.Mode == core.ModeTunnel && child.StartAction&core.ActionStart != 0 && !(reload && e.isUp(conn.Name, child.Name)) {
			e.initiateLater(conn, child, core.Flow{}, "start_action")
		}
	}
}

// policyLater installs a child's policy, for which a name may have to be resolved.
func (e *Endpoint) policyLater(conn *core.Connection, child *core.Child) {
	e.background(func(ctx context.Context) { e.policyOrLog(ctx, conn, child) })
}

func (e *Endpoint) policyOrLog(ctx context.Context, conn *core.Connection, child *core.Child) {
	if err := e.installPolicy(ctx, conn, child); err != nil && ctx.Err() == nil {
		e.log.Error("policy not installed", zap.String("conn", conn.Name), zap.String("child", child.Name), zap.Error(err))
	}
}

func (e *Endpoint) isUp(conn, child string) bool {
	return len(SelectSAs{IKE: conn, Child: child}.matches(e.ike.IKESAs())) > 0
}

// afterDown does what close_action and dpd_action say when a Child SA ended that nobody here asked to end.
func (e *Endpoint) afterDown(ike core.IKEStatus, child core.ChildStatus, reason *core.Reason) {
	if reason == nil || child.Config == nil || ike.Config == nil {
		return
	}
	var action core.Action
	var why string
	switch reason.Kind {
	case core.Deleted:
		action, why = child.Config.CloseAction, "close_action"
	case core.Timeout:
		action, why = child.Config.DPDAction, "dpd_action"
	}
	conn := e.catalog.Load().Connection(ike.Conn)
	if conn == nil || action == core.ActionNone {
		return
	}
	current := childNamed(conn, child.Name)
	if current == nil {
		return // the configuration has it no more
	}
	e.background(func(ctx context.Context) {
		if action&core.ActionTrap != 0 {
			e.policyOrLog(ctx, conn, current)
		}
		if action&core.ActionStart == 0 {
			return
		}
		select {
		case <-time.After(e.restartDelay):
			e.initiateLater(conn, current, core.Flow{}, why)
		case <-ctx.Done():
		}
	})
}

// reauthenticate replaces an IKE SA whose reauth_time has come by a new one with the same children: made before the old
// one is broken, or after it (make_before_break).
func (e *Endpoint) reauthenticate(old core.IKEStatus) {
	conn := e.catalog.Load().Connection(old.Conn)
	if conn == nil {
		return // its configuration is gone; it ends at its hard lifetime
	}
	children := e.childrenOf(old.UniqueID, conn)
	e.background(func(ctx context.Context) {
		end := func() {
			if _, err := e.Terminate(ctx, SelectSAs{IKEID: old.UniqueID}, false); err != nil {
				e.log.Info("the reauthenticated IKE SA was not there to end", zap.String("conn", old.Conn), zap.Error(err))
			}
		}
		if !e.makeBeforeBreak {
			end()
		}
		err := e.initiateAnew(ctx, conn, children, old.Assigned.Addresses)
		if err != nil {
			e.log.Warn("reauthentication failed", zap.String("conn", old.Conn), zap.Error(err))
			return
		}
		if e.makeBeforeBreak {
			end()
		}
	})
}

// childrenOf are the Child SAs of an IKE SA, as the connection has them now.
func (e *Endpoint) childrenOf(ikeID uint32, conn *core.Connection) []*core.Child {
	var children []*core.Child
	sa, _ := e.ike.IKESA(ikeID)
	for _, c := range sa.Children {
		if c.Config == nil || (c.State != core.ChildInstalled && c.State != core.ChildRekeying) {
			continue
		}
		if current := childNamed(conn, c.Name); current != nil {
			children = append(children, current)
		}
	}
	return children
}

// initiateAnew makes an IKE SA of its own, with the children and the virtual addresses that the old one had.
func (e *Endpoint) initiateAnew(ctx context.Context, conn *core.Connection, children []*core.Child, vips []netip.Addr) error {
	var first *core.Child
	if len(children) > 0 {
		first, children = children[0], children[1:]
	}
	if err := e.negotiate(ctx, negotiation{conn: conn, child: first, separate: true, vips: vips, why: "reauthentication"}); err != nil {
		return err
	}
	for _, child := range children {
		if err := e.negotiate(ctx, negotiation{conn: conn, child: child, why: "reauthentication"}); err != nil {
			return err
		}
	}
	return nil
}
