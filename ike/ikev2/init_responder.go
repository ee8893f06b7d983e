package ikev2

import (
	"bytes"
	"slices"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// receiveInitRequest takes the first message of a stranger, or its retransmission.
//
// "Instead, a robust responder will do the IKE SA lookup using the whole packet, its hash, or the Ni payload": the SPIs do
// not tell, for the responder's is not there yet.  RFC 7296 §2.1
func (m *Machine) receiveInitRequest(h header.Header, d core.Datagram) {
	sa := m.current
	switch {
	case sa == nil && m.conn == nil && m.end == nil && h.FromInitiator() && h.Responder.IsZero() && h.MessageID == 0:
		m.answerInit(h, d)
	case sa != nil && !sa.initiator && sa.opened != nil && bytes.Equal(sa.opened.remoteMessage, d.Data):
		sa.repeat(d)
	default:
		m.logf("IKE", 1, "received %s, which is no first message, ignored", h)
	}
}

// answerInit is the responder's side of IKE_SA_INIT.
func (m *Machine) answerInit(h header.Header, d core.Datagram) {
	msg, err := wire.Parse(d.Data)
	if err != nil {
		reason := m.initReason(core.InvalidSyntax, err.Error())
		if n := err.(*wire.Error).Notify(); n != nil {
			m.refuseInit(h, d, n, reason)
			return
		}
		// INVALID_SYNTAX "may only be returned for and in an encrypted packet".  RFC 7296 §3.10.1
		m.close(reason)
		return
	}
	m.received(msg, d)
	if text := lacks(msg, wire.TypeSA, wire.TypeKE, wire.TypeNonce); text != "" {
		m.refuseInit(h, d, &wire.Notify{NotifyType: wire.InvalidSyntax}, m.initReason(core.InvalidSyntax, text))
		return
	}
	m.logf("IKE", 0, "%s is initiating an IKE_SA", d.Remote.Addr().Unmap())
	candidates := m.candidates(d.Local.Addr(), d.Remote.Addr())
	if len(candidates) == 0 {
		m.refuseInit(h, d, &wire.Notify{NotifyType: wire.NoProposalChosen}, m.noConnectionForAddresses(d))
		return
	}
	offers := wire.First[*wire.SA](msg)
	for _, conn := range candidates {
		if chosen, i, ok := suite.Select(offers.Offers(), conn.Proposals, false); ok {
			m.acceptInit(msg, d, candidates, conn, pick(offers.Proposals[i], chosen))
			return
		}
	}
	m.refuseInit(h, d, &wire.Notify{NotifyType: wire.NoProposalChosen}, m.noIKEProposal(offers.Offers(), candidates, d))
}

// pick is the proposal to answer with: the chosen transforms under the number of the offer.
func pick(offer wire.Proposal, chosen suite.Proposal) wire.Proposal {
	return wire.Proposal{Num: offer.Num, Proposal: chosen}
}

// acceptInit goes on with the proposal that was chosen.
func (m *Machine) acceptInit(msg *wire.Message, d core.Datagram, candidates []*core.Connection, conn *core.Connection, chosen wire.Proposal) {
	set, err := suite.Resolve(chosen.Proposal)
	if err != nil || set.KE == nil {
		m.refuseInit(msg.Header, d, &wire.Notify{NotifyType: wire.NoProposalChosen}, m.initReason(core.NoProposalChosen, "the chosen proposal cannot be used: "+chosen.String()))
		return
	}
	ke := wire.First[*wire.KE](msg)
	if ke.Group != set.KE.ID {
		// "If the initiator guesses wrong, the responder will respond with a Notify payload of type INVALID_KE_PAYLOAD
		// indicating the selected group."  RFC 7296 §1.2
		m.logf("IKE", 1, "key exchange method %s unacceptable, requesting %s", groupName(ke.Group), groupName(set.KE.ID))
		m.sendInit(msg.Header, d, wire.NewInvalidKE(set.KE.ID))
		m.end = &ending{m.initReason(core.InvalidKEPayload, "the peer was asked for the key exchange "+groupName(set.KE.ID))}
		return
	}
	public, shared, err := set.KE.Respond(m.env.Rand, ke.Data)
	if err != nil {
		m.refuseInit(msg.Header, d, &wire.Notify{NotifyType: wire.InvalidSyntax}, m.initReason(core.InvalidSyntax, "the peer's public value is refused: "+err.Error()))
		return
	}
	defer shared.Wipe()
	sa, nr, err := m.halfOpen()
	if err != nil {
		m.close(m.initReason(core.Internal, "no randomness: "+err.Error()))
		return
	}
	sa.spiI, sa.set = msg.Initiator, set
	sa.local, sa.remote = d.Local, d.Remote
	sa.opened = &opening{remoteMessage: bytes.Clone(d.Data), ni: wire.First[*wire.Nonce](msg).Data, nr: nr, candidates: candidates}
	sa.readOpening(msg, d)
	if err := sa.keyUp(shared, nil); err != nil {
		m.close(sa.reason(core.Internal, 1, "IKE_SA_INIT", 0, err.Error()))
		return
	}
	sa.answerOpening(msg, conn, chosen, &wire.KE{Group: ke.Group, Data: public}, d)
}

// halfOpen makes the IKE SA of a stranger, and our nonce.
func (m *Machine) halfOpen() (*ikeSA, []byte, error) {
	nr, err := m.newNonce()
	if err != nil {
		return nil, nil, err
	}
	sa, err := m.newSA(false)
	if err != nil {
		return nil, nil, err
	}
	m.current = sa
	sa.state, sa.lastIn = core.IKEConnecting, m.now
	if d := m.env.Settings.HalfOpenTimeout; d > 0 {
		sa.reapAt = m.now.Add(d)
	}
	return sa, nr, nil
}

// answerOpening sends the response.
func (sa *ikeSA) answerOpening(msg *wire.Message, conn *core.Connection, chosen wire.Proposal, ke *wire.KE, d core.Datagram) {
	payloads := []wire.Payload{&wire.SA{Proposals: []wire.Proposal{chosen}}, ke, &wire.Nonce{Data: sa.opened.nr}}
	detection, err := sa.detectionNotifies(d.Remote)
	if err != nil {
		sa.m.close(sa.reason(core.Internal, 1, "IKE_SA_INIT", 0, err.Error()))
		return
	}
	if sa.nat.known {
		payloads = append(payloads, detection...)
	}
	payloads = append(payloads, sa.m.requests(sa.opened.candidates...)...)
	if msg.Notify(wire.IKEv2FragmentationSupported) != nil {
		payloads = append(payloads, announceFragments(conn)...)
		sa.agreeFragments(conn, msg)
	}
	if sa.opened.hashes != nil {
		payloads = append(payloads, hashAlgorithms(sa.opened.candidates...))
	}
	if conn.Childless != core.ChildlessNever {
		payloads = append(payloads, &wire.Notify{NotifyType: wire.ChildlessIKEv2Supported})
	}
	if slices.ContainsFunc(sa.opened.candidates, severalRounds) {
		payloads = append(payloads, &wire.Notify{NotifyType: wire.MultipleAuthSupported})
	}
	reply := sa.message(header.IKESAInit, 0, true, payloads)
	octets := reply.AppendTo(nil)
	sa.opened.localMessage = octets
	sa.nextRecv = 1
	sa.answered = &answer{id: 0, datagrams: [][]byte{octets}, ladder: sa.m.ladder(reply, d, true, len(octets))}
	sa.repeat(d)
}

// refuseInit answers a first message with an error and keeps nothing. The answer is as large as a Notify payload, so it
// is no amplification.
func (m *Machine) refuseInit(h header.Header, d core.Datagram, n *wire.Notify, reason *core.Reason) {
	m.sendInit(h, d, n)
	m.close(reason)
}

func (m *Machine) sendInit(h header.Header, d core.Datagram, n *wire.Notify) {
	msg := clearReply(h, n)
	octets := msg.AppendTo(nil)
	m.emitMessage(m.ladder(msg, d, true, len(octets)))
	m.logf("NET", 1, "sending packet: from %s to %s (%d bytes)", endpoint(d.Local), endpoint(d.Remote), len(octets))
	m.emit(core.Send{Datagram: core.Datagram{Local: d.Local, Remote: d.Remote, Data: octets}})
}

// clearReply is an answer in the clear to a request without an IKE SA: the SPIs, the exchange and the Message ID are the
// request's.
func clearReply(h header.Header, n *wire.Notify) *wire.Message {
	return &wire.Message{
		Header: header.Header{
			Initiator: h.Initiator, Responder: h.Responder, Major: 2, Exchange: h.Exchange,
			Flags: header.Response, MessageID: h.MessageID,
		},
		Payloads: []wire.Payload{n},
	}
}
