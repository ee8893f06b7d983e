package engine

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/tun/poll"
)

const (
	maxDirect  = 16          // sockets for single peers that a lane has at most
	maxStrange = 16          // peers among which it looks for those that are worth one
	worthy     = 64          // turns in which a peer was heard until it is
	directIdle = time.Minute // since it was last heard, after which a peer's socket may be another's
)

// direct is the sockets of a lane that are for single peers (encap.Direct): for those that it hears most. There are few, so they are
// for the gateway's busiest peers, and for the only one that a laptop has. A packet that was authentic gets its peer one, never
// a datagram alone.
type direct struct {
	used    []time.Time // when the peers of the lane's last conns were last heard, in the order of those
	strange []stranger
	ready   bool // one of the strangers has become worthy
}

// stranger is a peer that has no socket.
type stranger struct {
	local, remote netip.AddrPort
	turns         int // in which it was heard; -1: it cannot be connected to
}

// heard tells from where to where the last authentic packets of a turn came; the zero value that there were none.
type heard struct {
	local, remote netip.AddrPort
	at            time.Time
}

// listen notes who was heard in this turn on c.
func (l *lane) listen(c encap.Polled) {
	h, d := &l.in.heard, &l.direct
	if h.at.IsZero() {
		return
	}
	for i, direct := range l.conns[len(l.conns)-len(d.used):] {
		if direct == c {
			d.used[i] = h.at
			return
		}
	}
	d.ready = d.note(h.local, h.remote) || d.ready
}

// note counts a turn in which a peer without a socket was heard; it returns true when the peer has become worthy of one.
func (d *direct) note(local, remote netip.AddrPort) bool {
	least := 0
	for i := range d.strange {
		s := &d.strange[i]
		if s.remote == remote && s.local == local {
			if s.turns >= 0 {
				s.turns++
			}
			return s.turns == worthy
		}
		if s.turns < d.strange[least].turns {
			least = i
		}
	}
	s := stranger{local, remote, 1}
	if len(d.strange) < maxStrange {
		d.strange = append(d.strange, s)
	} else {
		d.strange[least] = s
	}
	return false
}

// befriend gives the peer that has become worthy a socket, in the place of one that was silent for long if there are many.
func (l *lane) befriend() error {
	d := &l.direct
	if !d.ready {
		return nil
	}
	d.ready = false
	i := slices.IndexFunc(d.strange, func(s stranger) bool { return s.turns >= worthy })
	transport, ok := l.out.engine.config.Transport.(encap.Direct)
	if i < 0 || !ok {
		return nil
	}
	if len(d.used) == maxDirect || len(l.conns)+1 == poll.MaxSources {
		if gone, err := l.unfriend(transport); err != nil || !gone {
			d.strange[i].turns = 0 // it may ask again
			return err
		}
	}
	local, remote, peers := d.strange[i].local, d.strange[i].remote, &l.in.engine.peers
	if !peers.known(local, remote) {
		d.strange[i].turns = 0 // an SA may still move to it
		return nil
	}
	conn, err := transport.Connect(local, remote)
	if err != nil {
		d.strange[i].turns = -1
		return nil // it is heard as before
	}
	d.strange = slices.Delete(d.strange, i, i+1)
	rc, err := conn.SyscallConn()
	if err == nil {
		err = l.set.Add(rc)
	}
	if err != nil {
		return err
	}
	if !peers.known(local, remote) { // its last SA may have gone before there was anything to forget
		transport.Forget(local, remote)
	}
	d.used = append(d.used, l.in.engine.config.Now())
	l.conns = append(l.conns, conn)
	return nil
}

// unfriend closes the socket of the peer that was silent longest, when what came meanwhile was read; false when none was silent long
// enough.
func (l *lane) unfriend(transport encap.Direct) (gone bool, err error) {
	d := &l.direct
	if len(d.used) == 0 {
		return false, nil
	}
	oldest := 0
	for i := range d.used {
		if d.used[i].Before(d.used[oldest]) {
			oldest = i
		}
	}
	if l.in.engine.config.Now().Sub(d.used[oldest]) < directIdle {
		return false, nil
	}
	i := len(l.conns) - len(d.used) + oldest
	if more, err := l.in.receive(l.conns[i]); more || err != nil && err != encap.ErrForgotten {
		return false, err
	}
	return true, l.drop(i)
}

// drop closes the i-th of conns, which is one of direct's.
func (l *lane) drop(i int) error {
	d := &l.direct
	err := l.out.engine.config.Transport.(encap.Direct).Disconnect(l.conns[i])
	l.set.Remove(1 + i)
	first := len(l.conns) - len(d.used)
	l.conns = slices.Delete(l.conns, i, i+1)
	d.used = slices.Delete(d.used, i-first, i-first+1)
	return err
}

// peers is to whom there are outbound SAs.
type peers struct {
	mu    sync.Mutex // protects what follows
	of    map[*esp.Outbound]peer
	count map[peer]int
}

type peer struct{ local, remote netip.AddrPort }

// known says that there is an SA to the peer.
func (p *peers) known(local, remote netip.AddrPort) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count[peer{local, remote}] > 0
}

// set takes note of where an SA goes to, or that it goes nowhere any more; it returns the peer that it was the last to go to.
func (p *peers) set(o *esp.Outbound, to peer, gone bool) (last peer, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	was, had := p.of[o]
	if had && !gone && was == to {
		return peer{}, false
	}
	if !gone {
		p.of[o] = to
		p.count[to]++
	} else {
		delete(p.of, o)
	}
	if !had {
		return peer{}, false
	}
	if p.count[was]--; p.count[was] > 0 {
		return peer{}, false
	}
	delete(p.count, was)
	return was, true
}

// notePeer takes note of an SA that was installed, moved or removed. The socket of a peer to which no SA is left is given up.
func (e *Engine) notePeer(o *esp.Outbound, gone bool) {
	local, remote := o.Path()
	last, ok := e.peers.set(o, peer{local, remote}, gone)
	if direct, can := e.config.Transport.(encap.Direct); ok && can {
		direct.Forget(last.local, last.remote)
	}
}
