package goswan

import (
	"context"
	"time"

	"github.com/goswan/goswan/ike/core"
	"go.uber.org/zap"
)

// restartDelay is the pause before a Child SA that ended is negotiated anew, so that two ends that refuse each other do
// not do so without end.
const restartDelay = time.Second

// Load takes a new configuration: connections that are gone lose their policies, the others get theirs and their
// start_action. Established SAs stay. It must have been checked (package config does).
func (e *Endpoint) Load(c *core.Catalog) {
	e.loading.Lock()
	defer e.loading.Unlock()
	e.replace(c)
}

// replace does Load's work; the caller holds the lock.
func (e *Endpoint) replace(c *core.Catalog) {
	old := e.catalog.Swap(c)
	select {
	case e.names.changed <- struct{}{}:
	default: // it will see this one too
	}
	for _, conn := range old.Connections {
		if c.Connection(conn.Name) != conn {
			e.dropPolicies(conn)
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

func (e *Endpoint) dropPolicies(conn *core.Connection) {
	for _, child := range conn.Children {
		_ = e.UninstallPolicy(InitiateRequest{Child: child.Name, IKE: conn.Name}) // not found: it had none
	}
}

// startActions does what the children's start_action says. A child that is up already is not started again on reload.
func (e *Endpoint) startActions(conn *core.Connection, reload bool) {
	for _, child := range conn.Children {
		shunt := child.Mode != core.ModeTunnel && child.StartAction != core.ActionNone
		if shunt || child.StartAction&core.ActionTrap != 0 {
			e.background(func(ctx context.Context) {
				if err := e.installPolicy(ctx, conn, child); err != nil {
					e.log.Error("policy not installed", zap.String("conn", conn.Name), zap.String("child", child.Name), zap.Error(err))
				}
			})
		}
		if child.Mode == core.ModeTunnel && child.StartAction&core.ActionStart != 0 && !(reload && e.isUp(conn.Name, child.Name)) {
			e.initiateLater(conn, child, core.Flow{}, "start_action")
		}
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
	current := child.Config
	for _, c := range conn.Children {
		if c.Name == child.Name {
			current = c
		}
	}
	e.background(func(ctx context.Context) {
		if action&core.ActionTrap != 0 {
			if err := e.installPolicy(ctx, conn, current); err != nil {
				e.log.Error("policy not installed", zap.String("conn", conn.Name), zap.String("child", current.Name), zap.Error(err))
			}
		}
		if action&core.ActionStart == 0 {
			return
		}
		select {
		case <-time.After(restartDelay):
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
	var children []*core.Child
	for _, c := range old.Children {
		if c.Config != nil && c.State == core.ChildInstalled {
			children = append(children, c.Config)
		}
	}
	e.background(func(ctx context.Context) {
		end := func() {
			if _, err := e.Terminate(ctx, SelectSAs{IKEID: old.UniqueID}, false); err != nil {
				e.log.Info("the reauthenticated IKE SA was not there to end", zap.String("conn", old.Conn), zap.Error(err))
			}
		}
		if !e.makeBeforeBreak {
			end()
		}
		err := e.initiateAnew(ctx, conn, children)
		if err != nil {
			e.log.Warn("reauthentication failed", zap.String("conn", old.Conn), zap.Error(err))
			return
		}
		if e.makeBeforeBreak {
			end()
		}
	})
}

// initiateAnew makes an IKE SA of its own, with the children.
func (e *Endpoint) initiateAnew(ctx context.Context, conn *core.Connection, children []*core.Child) error {
	var first *core.Child
	if len(children) > 0 {
		first, children = children[0], children[1:]
	}
	done := make(chan *core.Reason, 1)
	if err := e.begin(ctx, beginRequest{conn: conn, child: first, separate: true}, func(r *core.Reason) { done <- r }); err != nil {
		return err
	}
	if err := await(ctx, done); err != nil {
		return err
	}
	for _, child := range children {
		if err := e.initiate(ctx, conn, child, core.Flow{}); err != nil {
			return err
		}
	}
	return nil
}
