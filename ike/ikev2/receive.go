package ikev2

import (
	"errors"

	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// request is a peer's request that passed its checks.
type request struct {
	msg  *wire.Message
	from core.Datagram
}

// receive brings a datagram to its IKE SA. What is not for one of ours changes nothing.
func (m *Machine) receive(d core.Datagram) {
	h, err := header.Parse(d.Data)
	if err != nil || int(h.Length) != len(d.Data) || h.Major != 2 {
		m.logf("NET", 1, "received a datagram from %s that is not an IKEv2 message, ignored", endpoint(d.Remote))
		return
	}
	if h.Exchange == header.IKESAInit {
		m.receiveInit(h, d)
		return
	}
	sa := m.find(h)
	if sa == nil || sa.keys == nil {
		m.logf("NET", 1, "received %s for no IKE SA, ignored", h)
		return
	}
	if h.IsResponse() {
		m.receiveResponse(sa, h, d)
		return
	}
	m.receiveRequest(sa, h, d)
}

// open checks the integrity of a message and reads it. Without a message it was not the peer's, or is not for reading, or it was one
// of its fragments, which are gathered in parts.
func (m *Machine) open(sa *ikeSA, d core.Datagram, parts *wire.Reassembly) (*wire.Message, *wire.Error) {
	if sa.gathers && wire.IsFragment(d.Data) {
		return m.gather(sa, d, parts)
	}
	msg, err := wire.Open(d.Data, sa.keys.in)
	return m.opened(sa, d, msg, err)
}

// opened tells what to make of a message that was opened, or could not be.
func (m *Machine) opened(sa *ikeSA, d core.Datagram, msg *wire.Message, err error) (*wire.Message, *wire.Error) {
	var bad *wire.Error
	switch {
	case err == nil:
		return msg, nil
	case errors.As(err, &bad) && bad.Protected:
		return msg, bad
	}
	m.logf("ENC", 1, "%s from %s dropped: %v", sa.name(), endpoint(d.Remote), err)
	return nil, nil
}

func (m *Machine) receiveResponse(sa *ikeSA, h header.Header, d core.Datagram) {
	if !sa.awaits(h.Exchange, h.MessageID) {
		m.logf("IKE", 2, "received %s, which is not awaited, ignored", h)
		return
	}
	f := sa.inFlight
	msg, bad := m.open(sa, d, &f.parts)
	if msg == nil && bad == nil {
		return
	}
	sa.inFlight, sa.deleted = nil, f.deleted
	sa.lastIn = m.now
	if bad != nil {
		m.unreadable(sa, f, bad)
		return
	}
	m.received(msg, d)
	if n := msg.ErrorNotify(); n != nil && n.NotifyType == wire.InvalidSyntax && sa.established() {
		m.misunderstood(sa, f, n, msg)
		return
	}
	f.exchange.response(sa, msg)
}

// misunderstood ends an IKE SA whose peer could not read our request: "this error notification is considered fatal in both
// peers, meaning that the IKE SA is deleted without needing an explicit Delete payload."  RFC 7296 §2.21.3
func (m *Machine) misunderstood(sa *ikeSA, f *inFlight, n *wire.Notify, msg *wire.Message) {
	reason := sa.refusedBy(n, 1, msg)
	f.exchange.abort(m, sa, reason)
	f.exchange.wipe()
	switch {
	case m.end != nil:
	case sa == m.current:
		m.close(reason)
	default:
		m.forget(sa)
	}
}

// unreadable ends an IKE SA whose peer answers what cannot be read: with the notification in IKE_AUTH (RFC 7296 §2.21.2),
// and by a Delete after it.
//
// "If errors are seen that indicate that the peers do not have the same state, it might be good to delete the IKE SA to
// clean up state and start over."  RFC 7296 §2.21.3
func (m *Machine) unreadable(sa *ikeSA, f *inFlight, bad *wire.Error) {
	reason := sa.reason(core.InvalidSyntax, 1, f.kind.String(), f.id, "the response cannot be read: "+bad.Error())
	f.exchange.abort(m, sa, reason)
	f.exchange.wipe()
	switch {
	case m.end != nil:
	case sa != m.current:
		m.forget(sa)
	case sa.established():
		m.deleteIKE(nil, reason)
	default:
		m.say(sa, wire.InvalidSyntax, reason)
	}
}

func (m *Machine) receiveRequest(sa *ikeSA, h header.Header, d core.Datagram) {
	if sa.initiator && !sa.established() {
		// The responder is established before us: what it begins has to wait for its IKE_AUTH response, and is sent again.
		m.logf("IKE", 1, "received %s before the IKE SA is established, ignored", h)
		return
	}
	v := sa.judge(h.MessageID)
	if v == stale || (v == fresh && m.isGone(sa)) {
		m.logf("IKE", 1, "received %s outside of the window, expected %d, ignored", h, sa.nextRecv)
		return
	}
	if v == repeated {
		m.repeatedRequest(sa, d)
		return
	}
	if sa.judging != nil || sa.asks() {
		// The window is one: there can be no next request before the response to the one that is being judged.
		m.logf("IKE", 1, "received %s while the one before is being judged, ignored", h)
		return
	}
	msg, bad := m.open(sa, d, &sa.parts)
	if msg == nil && bad == nil {
		return
	}
	sa.nextRecv++
	sa.parts = wire.Reassembly{}
	sa.lastIn = m.now
	req := &request{msg: msg, from: d}
	if bad != nil {
		m.refuseUnreadable(sa, h, req, bad)
		return
	}
	m.follow(sa, d.Local, d.Remote)
	m.received(msg, d)
	m.answer(sa, req)
}

// repeatedRequest answers a request that came before, if it is the peer's.
func (m *Machine) repeatedRequest(sa *ikeSA, d core.Datagram) {
	if sa.gathers && wire.IsFragment(d.Data) {
		// The responder "MUST retransmit its response" for the fragment with the number 1 alone: one response is enough for all of
		// them.  RFC 7383 §2.6.1
		if f, err := wire.OpenFragment(d.Data, sa.keys.in); err == nil && f.Number == 1 {
			sa.repeat(d)
		}
		return
	}
	if msg, bad := m.open(sa, d, nil); msg != nil || bad != nil {
		sa.repeat(d)
	}
}

func (m *Machine) isGone(sa *ikeSA) bool {
	for _, other := range m.gone {
		if other == sa {
			return true
		}
	}
	return false
}

// refuseUnreadable answers a request that the peer itself sent but that cannot be read.
//
// A critical payload that we do not know costs the exchange alone (RFC 7296 §2.5); bad syntax in an authenticated message
// is the end of the IKE SA (RFC 7296 §2.21.3).
func (m *Machine) refuseUnreadable(sa *ikeSA, h header.Header, req *request, bad *wire.Error) {
	if req.msg == nil {
		req.msg = &wire.Message{Header: h}
	}
	m.logf("ENC", 1, "%s from %s refused: %v", h, endpoint(req.from.Remote), bad)
	sa.respond(req, bad.Notify())
	if bad.Reason == wire.Critical && sa.established() {
		m.emit(core.Failed{Reason: sa.reason(core.UnsupportedCritical, 1, h.Exchange.String(), h.MessageID, bad.Error())})
		return
	}
	kind := core.InvalidSyntax
	if bad.Reason == wire.Critical {
		kind = core.UnsupportedCritical
	}
	m.endAnswered(sa, sa.reason(kind, 1, h.Exchange.String(), h.MessageID, "the peer's request cannot be read: "+bad.Error()))
}
