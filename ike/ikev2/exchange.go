package ikev2

import (
	"slices"
	"time"

	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// exchange is one that we initiate.
type exchange interface {
	// task is its name in a status, as strongSwan's.
	task() string
	kind() header.ExchangeType
	// request makes the payloads of the request. With false there is nothing to do any more, and the exchange is over.
	request(sa *ikeSA) ([]wire.Payload, bool)
	// response takes the authenticated response.
	response(sa *ikeSA, msg *wire.Message)
	// abort tells that no response will come, or none that can be read. A nil reason is an end that was wished.
	abort(m *Machine, sa *ikeSA, reason *core.Reason)
	// wipe overwrites its secrets.
	wipe()
	common() *base
}

// base is what all exchanges have in common.
type base struct {
	ops       []*operation
	sa        *ikeSA    // the IKE SA that it has to be on; nil is the current one
	notBefore time.Time // it waits until then
	refused   time.Time // of the first TEMPORARY_FAILURE
}

func (t *base) common() *base { return t }
func (t *base) wipe()         {}

// operation is a command with an Op: done when all its tasks are, with the first failure.
type operation struct {
	id      uint64
	pending int
	reason  *core.Reason
	done    bool
}

// operate begins the operation of a command; nil without an Op.
func (m *Machine) operate(id uint64) *operation {
	if id == 0 {
		return nil
	}
	return &operation{id: id}
}

// join makes an operation wait for one more task.
func (t *base) join(op *operation) {
	if op != nil {
		op.pending++
		t.ops = append(t.ops, op)
	}
}

// finish tells all operations that wait for the task; it tells whether there were any.
func (m *Machine) finish(t *base, reason *core.Reason) bool {
	ops := t.ops
	t.ops = nil
	for _, op := range ops {
		op.pending--
		if op.reason == nil {
			op.reason = reason
		}
		m.conclude(op)
	}
	return len(ops) > 0
}

// conclude emits Done when nothing of the operation is pending.
func (m *Machine) conclude(op *operation) {
	if op != nil && op.pending == 0 && !op.done {
		op.done = true
		m.emit(core.Done{Op: op.id, Reason: op.reason})
	}
}

// fail tells of a failed task: those who wait for it, or else who watches.
func (m *Machine) fail(t *base, reason *core.Reason) {
	if !m.finish(t, reason) {
		m.emit(core.Failed{Reason: reason})
	}
}

// enqueue lets an exchange wait for its turn.
func (m *Machine) enqueue(x exchange) {
	if len(m.waiting) >= maxWaiting {
		m.fail(x.common(), &core.Reason{Kind: core.Internal, Phase: 1, Conn: m.connName(), Text: "too many exchanges wait for this peer"})
		x.wipe()
		return
	}
	m.waiting = append(m.waiting, x)
}

// again gives an exchange its turn before all others.
func (m *Machine) again(x exchange) { m.waiting = slices.Insert(m.waiting, 0, x) }

// pump begins exchanges wherever an IKE SA has none in flight.
//
// An endpoint waits for the response to each of its requests before it sends the next, for the window is one.  RFC 7296 §2.3
func (m *Machine) pump() {
	for progress := true; progress; {
		progress = false
		for _, sa := range m.sas() {
			if sa.inFlight != nil || !sa.established() {
				continue
			}
			if x := m.take(sa); x != nil {
				m.begin(sa, x)
				progress = true
			}
		}
	}
}

// take is the first waiting exchange that may begin on this IKE SA.
func (m *Machine) take(sa *ikeSA) exchange {
	for i, x := range m.waiting {
		t := x.common()
		mine := t.sa == sa || (t.sa == nil && sa == m.current && sa.state == core.IKEEstablished)
		if mine && !m.now.Before(t.notBefore) && !m.tooEarly(x) {
			m.waiting = slices.Delete(m.waiting, i, i+1)
			return x
		}
	}
	return nil
}

// tooEarly holds back what has to wait for something else.
func (m *Machine) tooEarly(x exchange) bool {
	switch x := x.(type) {
	case *rekeyChild:
		// The peer may not have it yet: our response to its request may be under way. Its Delete of the old one tells.
		return x.old().later != nil
	case *deleteIKE:
		// The end of the lineage waits for that of its old IKE SAs.
		return x.sa == nil && m.deletesOld()
	}
	return false
}

// begin sends the request of an exchange.
func (m *Machine) begin(sa *ikeSA, x exchange) {
	if sa.exhausted() {
		x.abort(m, sa, sa.reason(core.Internal, 1, "", 0, "the message IDs of the IKE SA are used up"))
		m.close(sa.reason(core.Internal, 1, "", 0, "the message IDs of the IKE SA are used up"))
		return
	}
	payloads, ok := x.request(sa)
	if !ok {
		return
	}
	msg := sa.message(x.kind(), sa.nextSend, false, payloads)
	datagrams := sa.datagrams(msg)
	sa.nextSend++
	sa.inFlight = &inFlight{
		exchange: x, kind: x.kind(), id: msg.MessageID, datagrams: datagrams, first: m.now,
		ladder: m.ladder(msg, core.Datagram{Local: sa.local, Remote: sa.remote}, true, size(datagrams)),
	}
	sa.transmit()
}

// datagrams are a message as it goes on the wire: in the clear in IKE_SA_INIT, else protected.
func (sa *ikeSA) datagrams(msg *wire.Message) [][]byte {
	if msg.Exchange == header.IKESAInit {
		return [][]byte{msg.AppendTo(nil)}
	}
	return sa.protect(msg, sa.local, sa.remote)
}

// isWaiting tells whether an exchange that fits is waiting or in flight.
func (m *Machine) isWaiting(fits func(exchange) bool) bool { return m.pending(fits) != nil }

// pending is the first exchange that fits, in flight, with its response under judgement, or waiting.
func (m *Machine) pending(fits func(exchange) bool) exchange {
	for _, sa := range m.sas() {
		if sa.inFlight != nil && fits(sa.inFlight.exchange) {
			return sa.inFlight.exchange
		}
		if j := sa.judging; j != nil && j.x != nil && fits(j.x) {
			return j.x
		}
	}
	if i := slices.IndexFunc(m.waiting, fits); i >= 0 {
		return m.waiting[i]
	}
	return nil
}

// How an exchange that got TEMPORARY_FAILURE comes again.
const (
	temporaryDelay  = 10 * time.Second
	temporaryJitter = 5 * time.Second
	temporaryLimit  = 3 * time.Minute
)

// postpone puts off an exchange that got TEMPORARY_FAILURE, or closes the IKE SA after minutes of it.
//
// It "MUST wait" before it tries again; and a peer that "continues to receive TEMPORARY_FAILURE on the same IKE SA after
// several minutes … SHOULD conclude that the state information is out of sync and close the IKE SA."  RFC 7296 §2.25
//
// What is to take over from an SA that expires comes again in time for some more tries.
func (m *Machine) postpone(sa *ikeSA, x exchange, expireAt time.Time) {
	t := x.common()
	if t.refused.IsZero() {
		t.refused = m.now
	}
	if m.now.Sub(t.refused) >= temporaryLimit {
		reason := sa.reason(core.TemporaryFailure, 1, x.kind().String(), 0, "the peer refused with TEMPORARY_FAILURE for "+round(m.now.Sub(t.refused)).String())
		x.abort(m, sa, reason)
		m.deleteIKE(nil, reason)
		return
	}
	wait := temporaryDelay - time.Duration(m.chance()*float64(temporaryJitter))
	t.notBefore = m.now.Add(m.hurried(wait, expireAt))
	m.enqueue(x)
}
