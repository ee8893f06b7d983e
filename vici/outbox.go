package vici

import (
	"errors"
	"net"
	"sync"
	"time"
)

// outboxLimit is how many octets may wait for a client that does not read. Events beyond are not sent; answers wait.
const outboxLimit = 1 << 20

// stallTimeout is how long a client may not read while something waits for it. A person with a pager gets this long.
const stallTimeout = 5 * time.Minute

// errGone is what a push into a closed outbox is.
var errGone = errors.New("vici: the client is gone")

// outbox are the packets that wait to be written to one client, in order. Packets are shared between clients and are
// not changed.
type outbox struct {
	mu      sync.Mutex // guards what follows
	changed sync.Cond
	packets net.Buffers
	size    int  // octets in packets
	ending  bool // what is there is still written
	closed  bool // nothing is written any more
}

func newOutbox() *outbox {
	o := &outbox{}
	o.changed.L = &o.mu
	return o
}

// push queues a packet, and waits for room for it.
func (o *outbox) push(b []byte) error { return o.pushAnd(b, func() {}) }

// pushAnd is push, and calls then before anything can be queued behind the packet.
func (o *outbox) pushAnd(b []byte, then func()) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.size >= outboxLimit && !o.closed {
		o.changed.Wait()
	}
	if o.closed || o.ending {
		return errGone
	}
	o.add(b)
	then()
	return nil
}

// offer queues a packet if there is room for it.
func (o *outbox) offer(b []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.ending || o.size+len(b) > outboxLimit {
		return false
	}
	o.add(b)
	return true
}

func (o *outbox) add(b []byte) {
	o.packets = append(o.packets, b)
	o.size += len(b)
	o.changed.Broadcast()
}

// end lets the writer end when all is written.
func (o *outbox) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ending = true
	o.changed.Broadcast()
}

// close ends everything at once.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.packets, o.size = nil, 0
	o.changed.Broadcast()
}

// take waits for packets and takes all; none is the end.
func (o *outbox) take() net.Buffers {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.packets) == 0 && !o.ending && !o.closed {
		o.changed.Wait()
	}
	taken := o.packets
	o.packets = nil
	return taken
}

// written makes room.
func (o *outbox) written(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.size = max(0, o.size-n)
	o.changed.Broadcast()
}

// run writes until the outbox ends or the connection fails, and closes both.
func (o *outbox) run(conn net.Conn, stall time.Duration) error {
	defer func() {
		o.close()
		_ = conn.Close()
	}()
	for {
		packets := o.take()
		if len(packets) == 0 {
			return nil
		}
		for _, b := range packets {
			if err := conn.SetWriteDeadline(time.Now().Add(stall)); err != nil {
				return err
			}
			if _, err := conn.Write(b); err != nil {
				return err
			}
			o.written(len(b))
		}
	}
}
