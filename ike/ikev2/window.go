package ikev2

import (
	"math"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// window is the two message ID counters of one IKE SA, both with a window of one (RFC 7296 §2.2, §2.3).
type window struct {
	nextSend uint32 // Message ID of our next request
	nextRecv uint32 // Message ID of the peer's next request
	inFlight *inFlight
	deleted  []esp.SPI       // of the exchange whose response is being handled
	answered *answer         // to the peer's request before nextRecv
	parts    wire.Reassembly // of the peer's request nextRecv
}

// inFlight is our request that has no response yet.
type inFlight struct {
	exchange  exchange
	kind      header.ExchangeType
	id        uint32
	datagrams [][]byte // one, or the fragments
	ladder    core.Message
	first     time.Time
	sent      int       // transmissions
	next      time.Time // of the next transmission, or of giving up
	deleted   []esp.SPI // the peer's Child SAs whose Delete came before the response
	parts     wire.Reassembly
}

// answer is a response that is kept for a retransmitted request.
type answer struct {
	id        uint32
	datagrams [][]byte // one, or the fragments
	ladder    core.Message
	repeats   int
}

// verdict on a Message ID.
type verdict uint8

const (
	fresh verdict = iota
	repeated
	stale
)

// judge tells whether a request is the next one, the last one again, or neither.
//
// With a window of one only the next request and a retransmission of the last are inside; a request outside the window is
// not answered.  RFC 7296 §2.3
func (w *window) judge(id uint32) verdict {
	switch {
	case id == w.nextRecv:
		return fresh
	case w.answered != nil && id == w.answered.id:
		return repeated
	}
	return stale
}

// awaits tells whether a response belongs to the request in flight.
func (w *window) awaits(kind header.ExchangeType, id uint32) bool {
	return w.inFlight != nil && w.inFlight.id == id && w.inFlight.kind == kind
}

// exhausted tells that Message IDs are about to wrap; the IKE SA is closed before that.  RFC 7296 §2.2
func (w *window) exhausted() bool {
	return w.nextSend == math.MaxUint32 || w.nextRecv == math.MaxUint32
}

// backoff is the wait after the n-th transmission, n from 1: timeout · baseⁿ⁻¹, at most the limit, less jitter.
func (m *Machine) backoff(n int) time.Duration {
	s := m.env.Settings
	wait := float64(s.RetransmitTimeout) * math.Pow(s.RetransmitBase, float64(n-1))
	if s.RetransmitLimit > 0 {
		wait = min(wait, float64(s.RetransmitLimit))
	}
	wait = min(wait, float64(24*time.Hour))
	if s.RetransmitJitter > 0 {
		wait -= wait * float64(min(s.RetransmitJitter, 100)) / 100 * m.chance()
	}
	return max(time.Duration(wait), time.Millisecond)
}

// transmit sends the request in flight, for the first time or again.
func (sa *ikeSA) transmit() {
	m, f := sa.m, sa.inFlight
	f.ladder.Retransmit = f.sent
	f.ladder.At, f.ladder.Local, f.ladder.Remote = m.now, sa.local, sa.remote
	f.sent++
	f.next = m.now.Add(m.backoff(f.sent))
	if f.sent > 1 {
		m.logf("IKE", 1, "retransmit %d of request with message ID %d", f.sent-1, f.id)
	}
	sa.send(f.ladder, f.datagrams)
}

// retransmit sends the request in flight again, or gives up.
//
// Repeated attempts to contact the peer that have gone unanswered for a timeout period are what tells that it failed.
// RFC 7296 §2.4
func (sa *ikeSA) retransmit() {
	if x := sa.m.ends(); x != nil && !sa.established() {
		sa.m.close(x.(*deleteIKE).reason)
		return
	}
	if sa.inFlight.sent <= sa.m.env.Settings.RetransmitTries {
		sa.transmit()
		return
	}
	f := sa.inFlight
	sa.m.logf("IKE", 1, "giving up after %d retransmits", f.sent-1)
	sa.inFlight = nil
	sa.m.timedOut(sa, f)
}

// respond sends the response to the request with this Message ID, and keeps it.
//
// The responder "MUST remember each response until it receives a request whose sequence number is larger than or
// equal to the sequence number in the response plus its window size"  RFC 7296 §2.1
func (sa *ikeSA) respond(req *request, payloads ...wire.Payload) {
	msg := sa.message(req.msg.Exchange, req.msg.MessageID, true, payloads)
	datagrams := sa.protect(msg, req.from.Local, req.from.Remote)
	sa.answered = &answer{id: req.msg.MessageID, datagrams: datagrams, ladder: sa.m.ladder(msg, req.from, true, size(datagrams))}
	sa.repeat(req.from)
}

// repeat sends the kept response to where the request came from.
//
// An implementation "MUST respond to the address and port from which the request was received."  RFC 7296 §2.11
func (sa *ikeSA) repeat(from core.Datagram) {
	a := sa.answered
	a.ladder.At, a.ladder.Local, a.ladder.Remote, a.ladder.Retransmit = sa.m.now, from.Local, from.Remote, a.repeats
	if a.repeats > 0 {
		sa.m.logf("IKE", 1, "received retransmit of request with ID %d, retransmitting response", a.id)
	}
	a.repeats++
	sa.m.emitMessage(a.ladder)
	sa.sendTo(from.Local, from.Remote, a.datagrams)
}
