package vici

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/goswan/goswan/ike/core"
	"go.uber.org/zap"
)

// defaultLogLevel is the level of control-log events when the request has none.
const defaultLogLevel = 1

// parallel is how many SAs of one command are terminated at a time: a peer that does not answer takes minutes.
const parallel = 64

// timeout is how long the request wants to wait: "The default timeout of 0 waits indefinitely for a result, and a timeout
// value of -1 returns a result immediately."
func (c *call) timeout() (wait time.Duration, now bool) {
	ms := min(c.number("timeout", 0), int64(365*24*time.Hour/time.Millisecond))
	return time.Duration(max(ms, 0)) * time.Millisecond, ms < 0
}

// within is the call's context with the request's timeout.
func (c *call) within(wait time.Duration) (context.Context, context.CancelFunc) {
	if wait == 0 {
		return context.WithCancel(c.ctx)
	}
	return context.WithTimeout(c.ctx, wait)
}

// watching streams the log lines that w selects to the client until end is called.
func (c *call) watching(w watch) (end func()) {
	w.level = int(c.number("loglevel", defaultLogLevel))
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	c.client.watch = &w
	return func() {
		c.client.mu.Lock()
		defer c.client.mu.Unlock()
		c.client.watch = nil
	}
}

// find looks up a connection and its child as strongSwan does: the first connection, of that name if there is one, that
// has the child. Without a child it is the connection of that name.
func (c *call) find(conn, child string) (*core.Connection, *core.Child) {
	for _, candidate := range c.daemon.Connections() {
		if conn != "" && conn != candidate.Name {
			continue
		}
		if child == "" {
			return candidate, nil
		}
		for _, config := range candidate.Children {
			if config.Name == child {
				return candidate, config
			}
		}
	}
	return nil, nil
}

func initiate(c *call) *Message {
	child, ike := c.request.Get("child"), c.request.Get("ike")
	if child == "" && ike == "" {
		return failure("missing configuration name")
	}
	kind, name := "CHILD_SA", child
	if child == "" {
		kind, name = "IKE_SA", ike
	}
	conn, _ := c.find(ike, child)
	if conn == nil {
		return failure("%s config '%s' not found", kind, name)
	}
	wait, now := c.timeout()
	if now {
		return c.later(fmt.Sprintf("initiating %s '%s'", kind, name), func(ctx context.Context) error {
			return c.daemon.Initiate(ctx, conn.Name, child)
		})
	}
	defer c.watching(watch{conn: conn.Name})()
	ctx, cancel := c.within(wait)
	defer cancel()
	err := c.daemon.Initiate(ctx, conn.Name, child)
	if errors.Is(err, context.DeadlineExceeded) {
		return failure("%s '%s' not established after %dms", kind, name, wait.Milliseconds())
	}
	if err != nil {
		return failure("establishing %s '%s' failed: %s", kind, name, c.why(err))
	}
	return success()
}

// why is an error's text, in words when it is the end of the wait.
func (c *call) why(err error) string {
	if errors.Is(err, context.Canceled) && c.Server.ctx.Err() != nil {
		return "the daemon is shutting down"
	}
	return err.Error()
}

// later runs f without the client waiting for it; what goes wrong is logged.
func (c *call) later(what string, f func(context.Context) error) *Message {
	log := c.log
	started := c.detach(func(ctx context.Context) {
		if err := f(ctx); err != nil && ctx.Err() == nil {
			log.Warn(what+" failed", zap.Error(err))
		}
	})
	if !started {
		return failure("%s failed: too many commands are under way", what)
	}
	return success()
}

// choice is which SAs a request means.
type choice struct {
	child, ike     string
	childID, ikeID int64
}

func (c *call) choice() choice {
	return choice{
		child: c.request.Get("child"), ike: c.request.Get("ike"),
		childID: c.number("child-id", 0), ikeID: c.number("ike-id", 0),
	}
}

func (w choice) none() bool     { return w == choice{} }
func (w choice) children() bool { return w.child != "" || w.childID != 0 }

// ikeSA tells whether the IKE SA is meant, or with children whether Child SAs of it can be. As in strongSwan a name and
// an ID both choose IKE SAs, and both have to fit when they restrict Child SAs.
func (w choice) ikeSA(sa core.IKEStatus) bool {
	name, id := w.ike == sa.Conn, w.ikeID == int64(sa.UniqueID)
	if !w.children() {
		return w.ike != "" && name || w.ikeID != 0 && id
	}
	return (w.ike == "" || name) && (w.ikeID == 0 || id)
}

// targets are the SAs that are meant, without those that a rekeying has replaced: they end by themselves.
func (w choice) targets(all []core.IKEStatus) (found []Target) {
	for _, sa := range all {
		if !w.ikeSA(sa) || sa.State == core.IKERekeyedOld && !w.children() {
			continue
		}
		if !w.children() {
			found = append(found, Target{IKE: sa.UniqueID})
			continue
		}
		for _, child := range sa.Children {
			meant := (w.child == "" || w.child == child.Name) && (w.childID == 0 || w.childID == int64(child.UniqueID))
			if meant && child.State != core.ChildRekeyedOld {
				found = append(found, Target{IKE: sa.UniqueID, Child: child.UniqueID})
			}
		}
	}
	return found
}

func terminate(c *call) *Message {
	wanted := c.choice()
	if wanted.none() {
		return failure("missing terminate selector")
	}
	targets := wanted.targets(c.daemon.IKESAs())
	wait, now := c.timeout()
	if now {
		return c.terminateLater(targets)
	}
	ids := map[uint32]bool{}
	for _, t := range targets {
		ids[t.IKE] = true
	}
	defer c.watching(watch{ids: ids})()
	done, err := c.terminateAll(targets, c.yes("force"), wait)
	return terminated(len(targets), done, err)
}

// terminateLater terminates without the client waiting.
func (c *call) terminateLater(targets []Target) *Message {
	force := c.yes("force")
	for i, t := range targets {
		answer := c.later("terminating an SA", func(ctx context.Context) error { return c.daemon.Terminate(ctx, t, force) })
		if answer.Get("success") != "yes" {
			return terminated(len(targets), i, errors.New(answer.Get("errmsg")))
		}
	}
	return terminated(len(targets), len(targets), nil)
}

// terminateAll terminates SAs, several at a time, and tells how many are gone and an error of the others.
func (c *call) terminateAll(targets []Target, force bool, wait time.Duration) (done int, failed error) {
	ctx, cancel := c.within(wait)
	defer cancel()
	var mu sync.Mutex // guards done and failed
	var wg sync.WaitGroup
	places := make(chan struct{}, parallel)
	for _, t := range targets {
		places <- struct{}{}
		wg.Add(1)
		go func() {
			defer func() { <-places; wg.Done() }()
			err := c.terminateOne(ctx, t, force, wait > 0)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				done++
			} else if failed == nil {
				failed = err
			}
		}()
	}
	wg.Wait()
	return done, failed
}

// terminateOne terminates an SA: "force: terminate IKE_SA without waiting for proper DELETE, if timeout is given, waits
// for a response until it is reached".
func (c *call) terminateOne(ctx context.Context, t Target, force, timed bool) error {
	err := c.daemon.Terminate(ctx, t, force && !timed)
	if force && errors.Is(err, context.DeadlineExceeded) {
		return c.daemon.Terminate(c.ctx, t, true)
	}
	return err
}

// terminated is the answer of terminate.
func terminated(matches, done int, err error) *Message {
	m := &Message{}
	text := ""
	switch {
	case matches == 0:
		text = "no matching SAs to terminate found"
	case done < matches && matches == 1:
		text = "terminating SA failed"
	case done < matches:
		text = "not all matching SAs could be terminated"
	}
	if text == "" {
		m.Add("success", "yes")
	} else {
		m.Add("success", "no")
	}
	m.Addf("matches", "%d", matches).Addf("terminated", "%d", done)
	if text != "" && err != nil {
		text += ": " + err.Error()
	}
	if text != "" {
		m.Add("errmsg", printable(text))
	}
	return m
}

// rekey starts the rekeying and does not wait for it, as strongSwan does.
func rekey(c *call) *Message {
	wanted := c.choice()
	switch {
	case wanted.none():
		return failure("missing rekey selector")
	case c.yes("reauth"):
		return failure("reauthentication by command is not supported in this version of goswan; terminate and initiate instead")
	}
	targets := wanted.targets(c.daemon.IKESAs())
	m, text := &Message{}, ""
	if len(targets) == 0 {
		text = "no matching SAs to rekey found"
	}
	for _, t := range targets {
		answer := c.later("rekeying an SA", func(ctx context.Context) error { return c.daemon.Rekey(ctx, t) })
		if answer.Get("success") != "yes" {
			text = answer.Get("errmsg")
			break
		}
	}
	if text == "" {
		return m.Add("success", "yes").Addf("matches", "%d", len(targets))
	}
	return m.Add("success", "no").Addf("matches", "%d", len(targets)).Add("errmsg", text)
}

func install(c *call) *Message {
	name := c.request.Get("child")
	if name == "" {
		return failure("missing configuration name")
	}
	conn, child := c.find(c.request.Get("ike"), name)
	if child == nil {
		return failure("configuration name not found")
	}
	if err := c.daemon.InstallPolicy(c.ctx, conn.Name, name); err != nil {
		return failure("installing policy '%s' failed: %s", name, c.why(err))
	}
	return success()
}

func uninstall(c *call) *Message {
	conn, name := c.request.Get("ike"), c.request.Get("child")
	if name == "" {
		return failure("missing configuration name")
	}
	for _, p := range c.daemon.Policies() {
		if p.Child == name && (conn == "" || conn == p.Conn) {
			if err := c.daemon.UninstallPolicy(p.Conn, name); err != nil {
				return failure("uninstalling policy '%s' failed: %v", name, err)
			}
			return success()
		}
	}
	return failure("policy '%s' not found", name)
}
