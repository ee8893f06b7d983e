package engine

import (
	"errors"
	"net/netip"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/esp/sad"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/tun"
	"github.com/goswan/goswan/tun/packet"
)

// sender carries packets from one queue of the device to the network.
type sender struct {
	engine *Engine
	queue  tun.Queue
	cache  spd.Cache

	super *packet.Super
	view  packet.View
	segs  packet.Segments
	frags packet.Fragments
	errs  tooBig

	load load
	// sa and train are those of the packet in view; sa is nil when it has none.
	sa    *esp.Outbound
	train *packet.Train
}

func newSender(e *Engine, q tun.Queue) *sender {
	return &sender{engine: e, queue: q, super: packet.NewSuper(), errs: newTooBig()}
}

// run carries packets until the queue is closed. What was gathered is sent when the queue has nothing more.
func (l *sender) run() error {
	idle := l.flush
	for {
		if err := l.queue.Read(l.super, idle); err != nil {
			l.flush()
			return err
		}
		l.packet()
	}
}

// packet sends what is in super.
func (l *sender) packet() {
	s := l.super
	if l.view.Parse(s.Bytes()) != nil {
		l.drop(esp.Malformed)
		return
	}
	if s.GSO.Type != packet.GSONone {
		l.segments()
		return
	}
	if !s.Complete() {
		l.drop(esp.Malformed)
		return
	}
	if l.take() {
		l.clamp()
		l.seal(s.Off, l.view.Len)
	}
}

// segments sends the packets that the super-packet stands for.
func (l *sender) segments() {
	if l.segs.Start(l.super, &l.view) != nil {
		l.drop(esp.Malformed)
		return
	}
	if !l.take() {
		return
	}
	for {
		off, n, ok := l.segs.Next()
		if !ok {
			return
		}
		l.seal(off, n)
	}
}

// take finds the SA for the packet in view and makes it that of the train. It returns false when the packet was dropped.
func (l *sender) take() bool {
	// An SA may be removed between being found and being taken. Its policy was changed before that, so looking again helps.
	for range 2 {
		sa, reason := l.match()
		if reason != esp.OK {
			l.drop(reason)
			return false
		}
		if l.begin(sa) {
			return true
		}
	}
	l.drop(esp.NoOutboundSA)
	return false
}

// match asks the policies (RFC 4301 §5.1).
func (l *sender) match() (*esp.Outbound, esp.Reason) {
	p := l.cache.Match(l.engine.policies.Load(), &l.view.Flow)
	if p == nil {
		return nil, esp.NoPolicy
	}
	switch p.Action {
	case spd.Protect:
		if sa := p.State.(*sad.Bundle).Current(); sa != nil {
			return sa, esp.OK
		}
		return nil, esp.NoOutboundSA
	case spd.Bypass:
		return nil, esp.PolicyBypass
	case spd.Trap:
		l.engine.acquire(p, &l.view.Flow)
		return nil, esp.PolicyTrap
	}
	return nil, esp.PolicyDrop
}

// acquire raises Acquire for a trap policy.
func (e *Engine) acquire(p *spd.Policy, f *packet.Flow) {
	if p.State.(*trap).due(e.config.Now(), e.config.AcquireInterval) {
		e.events.put(Acquire{Policy: p, Flow: *f})
	}
}

// begin makes sa, and a train with the outer TOS of the packet in view, those of the packet. It returns false when sa is no more.
func (l *sender) begin(sa *esp.Outbound) bool {
	tos := sa.TOS(l.view.TOS)
	if l.sa == sa && l.train.TOS == tos {
		return true
	}
	at, held := l.load.find(sa, tos)
	if at == nil {
		return l.another(sa, tos, held)
	}
	l.sa, l.train = sa, at.train
	return true
}

// another makes a new train of sa that of the packet; held tells that the load has one of it. It returns false when sa is no more.
func (l *sender) another(sa *esp.Outbound, tos uint8, held bool) bool {
	if l.load.full() {
		l.flush()
		held = false
	}
	at := l.start(sa, held)
	if at == nil {
		l.sa, l.train = nil, nil
		return false
	}
	at.train.TOS = tos
	l.sa, l.train = sa, at.train
	return true
}

// start begins a train of sa, which is held already or has to be taken; nil when sa is no more. Two senders that wait for each
// other's SAs would wait for ever: who waits holds none.
func (l *sender) start(sa *esp.Outbound, held bool) *wagon {
	at := l.load.next()
	if held {
		sa.Address(at.train)
		l.load.add(sa, false)
		return at
	}
	ok, busy := sa.TryBegin(at.train)
	if busy {
		l.flush()
		at = l.load.next()
		ok = sa.Begin(at.train)
	}
	if !ok {
		return nil
	}
	l.load.add(sa, true)
	return at
}

// seal sends one packet, where the trailer's room is free, in fragments if it must and may be cut.
func (l *sender) seal(off, n int) {
	if l.sa == nil || l.sa.Fits(n) || !l.cut(off, n) {
		l.put(off, n)
		return
	}
	for {
		off, n, ok := l.frags.Next()
		if !ok {
			return
		}
		l.put(off, n)
	}
}

// put appends one packet to the train of its SA; behind a train that it does not fit comes another.
func (l *sender) put(off, n int) {
	if sa := l.sa; sa != nil && l.train.Len != 0 && !l.train.Fits(sa.Size(n)) {
		if !l.another(sa, l.train.TOS, true) && !l.take() {
			return
		}
	}
	if l.sa == nil {
		l.drop(esp.NoOutboundSA)
		return
	}
	if !l.sa.Fits(n) {
		if n > l.sa.MTU(l.view.Version) {
			l.tooBig(l.super.Buf[off : off+n])
			return
		}
		l.train.Fragment = true // what does fit is never longer than the rest of its train
	}
	next := uint8(packet.ProtoIPv4)
	if l.view.Version == 6 {
		next = packet.ProtoIPv6
	}
	if reason := l.sa.Seal(l.train, l.super.Buf, off, n, next); reason != esp.OK {
		l.sa.Drop(reason)
		l.engine.audit.drop(reason, 1, l.sa.Params(), l.train.Remote)
	}
}

// flush sends what was gathered and gives the SAs back.
func (l *sender) flush() {
	l.sa, l.train = nil, nil
	if l.load.n == 0 {
		return
	}
	l.load.send(l.engine.config.Transport)
	for i := range l.load.wagons[:l.load.n] {
		if w := &l.load.wagons[i]; l.load.errs[i] != nil {
			l.unsent(w, l.load.errs[i])
		}
	}
	now := l.engine.config.Now()
	for i := range l.load.wagons[:l.load.n] {
		w := &l.load.wagons[i]
		if w.took {
			if s := w.sa.End(now); s != 0 {
				l.engine.signal(s, w.sa.Params().ID(), w.train.Local, w.train.Remote)
			}
		}
	}
	l.load.clear()
}

// unsent counts the packets of a train that the socket did not take, and learns from that, or from a train that went out in
// fragments, what the path takes.
func (l *sender) unsent(w *wagon, err error) {
	if errors.Is(err, encap.ErrFragmented) {
		l.engine.refused(w.sa, w.train.Local, w.train.Remote, w.train.Seg)
		return
	}
	reason := esp.SendFailed
	if errors.Is(err, encap.ErrTooBig) && l.engine.limit(w.sa, w.train.Local, w.train.Remote, w.train.Seg) {
		reason = esp.TooBig
	}
	n := w.train.Count()
	for range n {
		w.sa.Drop(reason)
	}
	l.engine.audit.drop(reason, uint64(n), w.sa.Params(), w.train.Remote)
}

// drop counts the packet in super, or all it stands for as one, that met no SA.
func (l *sender) drop(r esp.Reason) { l.engine.audit.drop(r, 1, nil, netip.AddrPort{}) }
