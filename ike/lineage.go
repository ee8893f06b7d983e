package ike

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/ike/core"
	"go.uber.org/zap"
)

// lineage is the goroutine of one machine.
type lineage struct {
	id        uint64
	e         *Endpoint
	m         core.Machine
	inbox     chan core.Datagram
	wake      chan struct{} // capacity 1: commands are waiting
	killed    chan struct{}
	killOnce  sync.Once
	responder *peerCount // counted as half-open; nil once established
	conn      string     // of an initiator's lineage
	status    atomic.Pointer[[]core.IKEStatus]
	begun     atomic.Bool // there has been an IKE SA
	entries   entries     // in the endpoint's tables, guarded by them
	// asking ends what is being fetched for the machine; nil while it has asked nothing.
	asking     context.Context
	stopAsking context.CancelFunc

	mu       sync.Mutex // guards what follows
	commands []core.Command
	ops      map[uint64]func(*core.Reason)
	ended    bool
	endedBy  *core.Reason
}

// Status is the machine's last snapshot.
func (l *lineage) Status() []core.IKEStatus {
	if s := l.status.Load(); s != nil {
		return *s
	}
	return nil
}

// deliver queues a datagram; it tells false when the inbox is full.
func (l *lineage) deliver(d core.Datagram) bool {
	select {
	case l.inbox <- d:
		return true
	default:
		return false
	}
}

// over tells that there is no IKE SA any more: the machine only repeats its last response to whoever asks for it.
func (l *lineage) over() bool { return l.begun.Load() && len(l.Status()) == 0 }

// command queues a command; after the lineage's end it is lost.
func (l *lineage) command(c core.Command) {
	l.mu.Lock()
	if l.ended {
		discard(c)
	} else {
		l.commands = append(l.commands, c)
	}
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// operation registers what is to be called, once, when the command with this op is done.
func (l *lineage) operation(op uint64, done func(*core.Reason)) {
	l.mu.Lock()
	if !l.ended {
		l.ops[op] = done
		l.mu.Unlock()
		return
	}
	reason := l.endedBy
	l.mu.Unlock()
	done(reason)
}

func (l *lineage) kill() { l.killOnce.Do(func() { close(l.killed) }) }

func (l *lineage) run() {
	defer l.e.wg.Done()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for !l.drain() {
		l.publish()
		if l.over() && l.e.tables.isClosed() {
			l.m.Command(l.e.cfg.Now(), core.Delete{IKE: true, Force: true})
			if l.drain() {
				return
			}
		}
		wait := time.Hour
		if deadline := l.m.Deadline(); !deadline.IsZero() {
			wait = max(0, deadline.Sub(l.e.cfg.Now()))
		}
		timer.Reset(wait)
		select {
		case d := <-l.inbox:
			l.m.Receive(l.e.cfg.Now(), d)
		case <-l.wake:
			l.runCommands()
		case <-timer.C:
			if now, deadline := l.e.cfg.Now(), l.m.Deadline(); !deadline.IsZero() && !now.Before(deadline) {
				l.m.Advance(now)
			}
		case <-l.killed:
			l.m.Command(l.e.cfg.Now(), core.Delete{IKE: true, Force: true, Reason: shuttingDown()})
		}
	}
}

func (l *lineage) runCommands() {
	l.mu.Lock()
	commands := l.commands
	l.commands = nil
	l.mu.Unlock()
	for _, c := range commands {
		l.m.Command(l.e.cfg.Now(), c)
	}
}

func (l *lineage) publish() {
	before, now := l.Status(), l.m.Status()
	if len(now) > 0 {
		l.begun.Store(true)
	}
	l.status.Store(&now)
	if !slices.EqualFunc(before, now, func(a, b core.IKEStatus) bool { return a.UniqueID == b.UniqueID }) {
		l.e.tables.identify(l, now)
	}
}

// drain carries out the machine's outputs in order; it tells true after the last output of the lineage.
func (l *lineage) drain() bool {
	for {
		o, ok := l.m.Next()
		if !ok {
			return false
		}
		if closed, last := o.(core.Closed); last {
			l.publish()
			l.end(closed.Reason)
			l.e.cfg.Watch(l.id, o)
			return true
		}
		l.carryOut(o)
	}
}

func (l *lineage) carryOut(o core.Output) {
	net, path := l.e.cfg.Network, l.e.cfg.DataPath
	switch o := o.(type) {
	case core.Send:
		if err := net.SendIKE(o.Local, o.Remote, o.Data); err != nil {
			l.e.cfg.Log.Info("IKE datagram not sent", zap.Stringer("peer", o.Remote), zap.Error(err))
		}
	case core.SendKeepalive:
		_ = net.SendKeepalive(o.Local, o.Remote) // the next one comes anyway
	case core.InstallSA:
		l.install(o.Params)
	case core.RemoveSA:
		id := esp.ID{SPI: o.SPI, Direction: o.Direction, Reqid: o.Reqid}
		l.e.tables.removeSA(id, l)
		path.Remove(id)
	case core.MoveSA:
		path.Move(esp.ID{SPI: o.SPI, Direction: o.Direction, Reqid: o.Reqid}, o.Local, o.Remote)
	case core.ReleaseSPI:
		path.ReleaseSPI(o.SPI)
	case core.AddSPI:
		l.e.tables.addSPI(o.SPI, l)
	case core.RemoveSPI:
		l.e.tables.removeSPI(o.SPI, l)
	case core.Done:
		l.done(o)
	case core.Ask:
		l.ask(o)
	case core.Learned:
		if l.e.cfg.Library != nil {
			l.e.cfg.Library.Learn(l.e.cfg.Now(), o.Evidence)
		}
	default:
		l.tell(o)
	}
}

// install puts an SA in use. A Child SA of which the data path refuses one ends.
func (l *lineage) install(p esp.Params) {
	id := p.ID()
	l.e.tables.addSA(id, l)
	err := l.e.cfg.DataPath.Install(p)
	if err == nil {
		l.e.cfg.Installed(l.id, id)
		return
	}
	l.e.tables.removeSA(id, l)
	reason := &core.Reason{Kind: core.Internal, Phase: 2, Conn: p.Conn, Child: p.Name, Text: "the data path refused the SA: " + err.Error()}
	l.command(core.Delete{ChildID: l.childOf(id), Child: p.Name, Reason: reason})
	l.e.cfg.Watch(l.id, core.Failed{Reason: reason})
}

// childOf is the unique ID of the Child SA that an SA belongs to; 0 when there is none.
func (l *lineage) childOf(id esp.ID) uint32 {
	for _, s := range l.m.Status() {
		for _, c := range s.Children {
			if (id.Direction == esp.In && c.SPIIn == id.SPI) || (id.Direction == esp.Out && c.SPIOut == id.SPI && c.Reqid == id.Reqid) {
				return c.UniqueID
			}
		}
	}
	return 0
}

// tell passes on what is to be known, after the endpoint has taken its own share of it.
func (l *lineage) tell(o core.Output) {
	if up, ok := o.(core.Established); ok {
		l.publish()
		l.leaveHalfOpen()
		l.replace(l.e.tables.established(l, up.IKE), up)
	}
	switch o.(type) {
	case core.ChildUp, core.ChildRekeyed, core.IKERekeyed, core.ChildDown:
		l.publish()
	}
	l.e.cfg.Watch(l.id, o)
}

func (l *lineage) done(o core.Done) {
	l.publish()
	l.mu.Lock()
	f := l.ops[o.Op]
	delete(l.ops, o.Op)
	l.mu.Unlock()
	if f != nil {
		f(o.Reason)
	}
}

// end takes the lineage out of the tables and ends what waits for it.
func (l *lineage) end(reason *core.Reason) {
	l.leaveHalfOpen()
	l.e.tables.leave(l)
	if l.stopAsking != nil {
		l.stopAsking()
	}
	l.mu.Lock()
	l.ended = true
	if reason == nil {
		reason = &core.Reason{Kind: core.Cancelled, Phase: 1, Text: "the IKE SA was closed"}
	}
	l.endedBy = reason
	ops, lost := l.ops, l.commands
	l.ops, l.commands = nil, nil
	l.mu.Unlock()
	for _, c := range lost {
		discard(c)
	}
	for _, f := range ops {
		f(reason)
	}
}

func (l *lineage) leaveHalfOpen() {
	if l.responder != nil {
		l.e.halfOpen.leave(l.responder)
		l.responder = nil
	}
}
