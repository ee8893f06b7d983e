package engine

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/tun"
	"github.com/goswan/goswan/tun/poll"
)

// How much a lane reads from one source before it looks at the others.
const (
	supersInTurn = 64
	trainsInTurn = 16
)

// lane carries packets both ways between one queue of the device and its share of the sockets, on one goroutine that waits for all of
// them at once. That is what costs least where the operating system lets us; elsewhere each queue and each socket is read by a
// goroutine of its own.
type lane struct {
	set    *poll.Set
	queue  tun.Polled
	out    *sender
	conns  []encap.Polled // the last of them are direct's
	in     *receiver
	direct direct
}

// newLanes makes a lane for each queue and shares the sockets out. It returns none, and no error, where there is something that
// cannot be waited for so.
func (e *Engine) newLanes() (lanes []*lane, err error) {
	queues := e.config.Device.Queues()
	for _, q := range queues {
		p, ok := q.(tun.Polled)
		if !ok {
			return nil, nil
		}
		lanes = append(lanes, &lane{
			queue: p, out: newSender(e, p), in: newReceiver(e, p), direct: direct{strange: make([]stranger, 0, maxStrange)},
		})
	}
	for i, c := range e.config.Transport.Conns() {
		p, ok := c.(encap.Polled)
		if !ok {
			return nil, nil
		}
		l := lanes[i%len(lanes)]
		l.conns = append(l.conns, p)
	}
	for _, l := range lanes {
		if 1+len(l.conns) > poll.MaxSources {
			closeLanes(lanes)
			return nil, nil
		}
		if err = l.open(); err != nil {
			closeLanes(lanes)
			if errors.Is(err, errors.ErrUnsupported) {
				err = nil
			}
			return nil, err
		}
	}
	return lanes, nil
}

// open makes the set: the queue is source 0, the sockets follow.
func (l *lane) open() error {
	sources := make([]syscall.RawConn, 1+len(l.conns))
	var err error
	if sources[0], err = l.queue.SyscallConn(); err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	for i, c := range l.conns {
		if sources[1+i], err = c.SyscallConn(); err != nil {
			return fmt.Errorf("engine: %w", err)
		}
	}
	l.set, err = poll.New(sources...)
	return err
}

func closeLanes(lanes []*lane) {
	for _, l := range lanes {
		if l.set != nil {
			_ = l.set.Close()
		}
	}
}

// everything is all sources, ready or not.
const everything = ^uint64(0)

// run carries packets until the set is stopped or a source is closed or fails.
func (l *lane) run() error {
	for {
		ready, err := l.set.Wait()
		for more := true; more && err == nil; ready = everything {
			more, err = l.turn(ready)
		}
		if err != nil {
			return err
		}
	}
}

// turn reads from the sources that are ready, as many packets as one may have in its turn; more tells that one had no end. What was
// gathered is sent and written when its source is dry.
func (l *lane) turn(ready uint64) (more bool, err error) {
	if ready&1 != 0 {
		if more, err = l.send(); err != nil {
			return false, err
		}
	}
	for i, c := range l.conns {
		if ready&(2<<i) == 0 {
			continue
		}
		full, err := l.in.receive(c)
		if err == encap.ErrForgotten {
			return true, l.drop(i) // the others' bits are no longer theirs
		}
		if err != nil {
			return false, err
		}
		l.listen(c)
		more = more || full
	}
	return more, l.befriend()
}

// send carries what the queue has to the network; more tells that it may have more.
func (l *lane) send() (more bool, err error) {
	for range supersInTurn {
		ok, err := l.queue.TryRead(l.out.super)
		if err != nil || !ok {
			l.out.flush()
			return false, err
		}
		l.out.packet()
	}
	l.out.flush()
	return true, nil
}

// receive carries what the socket has to the device; more tells that it may have more.
func (l *receiver) receive(c encap.Polled) (more bool, err error) {
	l.natt, l.heard = c.NATT(), heard{}
	for range trainsInTurn {
		ok, err := c.TryRead(l.train)
		if err != nil || !ok {
			l.finish()
			return false, err
		}
		l.datagrams()
	}
	l.finish()
	return true, nil
}
