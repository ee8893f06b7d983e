package ikev2

import (
	"slices"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// childRequest is a peer's wish for a Child SA.
type childRequest struct {
	req    *request
	ni, nr []byte
	first  bool   // in IKE_AUTH: no nonces of its own, no key exchange
	old    *child // that it is to replace
}

// childReply is the answer: payloads, and what happens after they are on their way.
type childReply struct {
	m        *Machine
	payloads []wire.Payload
	child    *child       // nil when refused
	reason   *core.Reason // why
	fatal    *ikeSA       // that this is the end of, for what the peer sent is malformed
}

// refuse is an answer that says no.
func (m *Machine) refuse(n wire.NotifyType, reason *core.Reason) *childReply {
	return &childReply{m: m, payloads: []wire.Payload{&wire.Notify{NotifyType: n}}, reason: reason}
}

// conclude is what comes after the response: the outbound SA, for by now the peer can make its inbound SA.
func (r *childReply) conclude() {
	if r.child == nil {
		r.tell()
		return
	}
	r.m.installOut(r.child, r.child.later)
	r.m.up(r.child)
}

// tell is what comes after a refusal.
func (r *childReply) tell() {
	switch {
	case r.fatal != nil:
		r.m.endAnswered(r.fatal, r.reason)
	case r.reason != nil:
		r.m.emit(core.Failed{Reason: r.reason})
	}
}

// answerChild is CREATE_CHILD_SA for a new Child SA (RFC 7296 §1.3.1).
func (m *Machine) answerChild(sa *ikeSA, req *request) {
	if m.busyWithIKE(sa) {
		sa.respond(req, &wire.Notify{NotifyType: wire.TemporaryFailure})
		return
	}
	reply := m.respondChild(sa, childRequest{req: req, ni: wire.First[*wire.Nonce](req.msg).Data})
	sa.respond(req, reply.payloads...)
	reply.conclude()
}

// busyWithIKE tells that a Child SA has to wait.
//
// "If a peer receives a request to create or rekey a Child SA when it is currently rekeying the IKE SA, it SHOULD reply
// with TEMPORARY_FAILURE."  RFC 7296 §2.25.2
func (m *Machine) busyWithIKE(sa *ikeSA) bool {
	if sa != m.current {
		return true
	}
	if sa.inFlight == nil {
		return false
	}
	_, rekeying := sa.inFlight.exchange.(*rekeyIKE)
	return rekeying
}

// choice is a child's configuration with what of the offer it takes.
type choice struct {
	cfg           *core.Child
	local, remote []spd.TrafficSelector
	rank          int
	chosen        suite.Proposal
	offer         int  // index of the offered proposal
	agreed        bool // on a proposal
}

// respondChild answers a wish: it chooses, and installs the inbound SA before there is a response.
func (m *Machine) respondChild(sa *ikeSA, r childRequest) *childReply {
	msg := r.req.msg
	if len(m.children)+len(m.retired) >= maxChildren {
		return m.refuse(wire.NoAdditionalSAs, sa.reason(core.NoAdditionalSAs, 2, msg.Exchange.String(), msg.MessageID, "the peer has too many Child SAs"))
	}
	if r.first && m.conn.Childless == core.ChildlessForce {
		return m.refuse(wire.NoAdditionalSAs, sa.reason(core.NoAdditionalSAs, 2, msg.Exchange.String(), msg.MessageID, "`childless = force` allows no Child SA in IKE_AUTH"))
	}
	ch, others, refusal := m.chooseChild(sa, r)
	if refusal != nil {
		return refusal
	}
	return m.makeChild(sa, r, ch, others)
}

// chooseChild finds the configuration that fits best; others tells that another would take some of the offer too.
func (m *Machine) chooseChild(sa *ikeSA, r childRequest) (ch choice, others bool, refusal *childReply) {
	msg := r.req.msg
	tsi, tsr := wire.First[*wire.TSi](msg).Selectors, wire.First[*wire.TSr](msg).Selectors
	offers := wire.First[*wire.SA](msg).Offers()
	if r.first {
		offers = withoutKE(offers)
	}
	fitting := 0
	for _, cfg := range m.childrenFor(r.old) {
		c, ok := sa.fit(cfg, tsr, tsi)
		if !ok {
			continue
		}
		fitting++
		c.chosen, c.offer, c.agreed = suite.Select(offers, acceptable(cfg, r.first), false)
		if ch.cfg == nil || (c.agreed && !ch.agreed) || (c.agreed == ch.agreed && c.rank > ch.rank) {
			ch = c
		}
	}
	switch {
	case ch.cfg == nil:
		return ch, false, m.refuse(wire.TSUnacceptable, sa.noSelectors(m.conn, tsr, tsi, msg))
	case !ch.agreed:
		return ch, false, m.refuse(wire.NoProposalChosen, sa.noChildProposal(offers, ch.cfg, r.first, msg))
	}
	return ch, fitting > 1 && r.old == nil, nil
}

// childrenFor are the configurations that may answer: all of the connection, or the one of the Child SA to be replaced, as
// it is configured now.
func (m *Machine) childrenFor(old *child) []*core.Child {
	if old == nil {
		return slices.DeleteFunc(slices.Clone(m.conn.Children), func(c *core.Child) bool { return c.Mode != core.ModeTunnel })
	}
	return []*core.Child{m.configured(old.cfg)}
}

// configured is a child as the connection has it now, or as it was when it is gone from there.
func (m *Machine) configured(cfg *core.Child) *core.Child {
	for _, c := range m.conn.Children {
		if c.Name == cfg.Name {
			return c
		}
	}
	return cfg
}

func acceptable(cfg *core.Child, first bool) []suite.Proposal {
	if first {
		return withoutKE(cfg.Proposals)
	}
	return cfg.Proposals
}

// withoutKE leaves out key exchanges: in IKE_AUTH there are none for the Child SA.  RFC 7296 §1.2
func withoutKE(list []suite.Proposal) []suite.Proposal {
	out := make([]suite.Proposal, len(list))
	for i, p := range list {
		out[i] = p.WithoutKE()
	}
	return out
}

// fit narrows an offer to a configuration. Among several the one wins that is taken whole, then one that takes the whole offer.
func (sa *ikeSA) fit(cfg *core.Child, local, remote []spd.TrafficSelector) (choice, bool) {
	ourLocal, ourRemote := sa.selectors(cfg.LocalTS, sa.local), sa.selectors(cfg.RemoteTS, sa.remote)
	c := choice{cfg: cfg, local: spd.Narrow(local, ourLocal), remote: spd.Narrow(remote, ourRemote)}
	if len(c.local) == 0 || len(c.remote) == 0 {
		return c, false
	}
	if spd.Covers(c.local, ourLocal) && spd.Covers(c.remote, ourRemote) {
		c.rank += 2
	}
	if spd.Covers(c.local, local) && spd.Covers(c.remote, remote) {
		c.rank++
	}
	return c, true
}

// makeChild makes the Child SA of a choice.
func (m *Machine) makeChild(sa *ikeSA, r childRequest, ch choice, others bool) *childReply {
	msg := r.req.msg
	internal := func(err error) *childReply {
		return m.refuse(wire.NoAdditionalSAs, sa.childReason(core.Internal, ch.cfg, msg, err.Error()))
	}
	offer := wire.First[*wire.SA](msg).Proposals[ch.offer]
	set, err := suite.Resolve(ch.chosen)
	if err != nil {
		return m.refuse(wire.NoProposalChosen, sa.childReason(core.NoProposalChosen, ch.cfg, msg, err.Error()))
	}
	out, err := m.espSPI(offer.ChildSPI())
	if err != nil {
		return m.refuse(wire.NoProposalChosen, sa.childReason(core.NoProposalChosen, ch.cfg, msg, err.Error()))
	}
	ke, shared, refusal := m.respondKE(sa, ch.cfg, set, msg)
	if refusal != nil {
		return refusal
	}
	defer shared.Wipe()
	if !r.first {
		if r.nr, err = m.newNonce(); err != nil {
			return internal(err)
		}
	}
	in, err := m.env.NewSPI()
	if err != nil {
		return internal(err)
	}
	c := m.newChild(ch.cfg, set, in, out, r.old)
	c.localTS, c.remoteTS = ch.local, ch.remote
	m.logf("CFG", 1, "selected proposal: %s", set.Proposal)
	k := sa.keys.deriveChild(set, shared, r.ni, r.nr)
	inbound, outbound := m.params(sa, c, k, false)
	m.installIn(c, inbound)
	c.later = outbound
	return &childReply{m: m, child: c, payloads: r.payloads(offer.Num, c, ke, others)}
}

// payloads are SA, [No], [KE], TSi and TSr of the response.
func (r childRequest) payloads(num uint8, c *child, ke *wire.KE, others bool) []wire.Payload {
	chosen := wire.Proposal{Num: num, SPI: wire.AppendSPI(nil, uint32(c.in)), Proposal: c.set.Proposal}
	list := []wire.Payload{&wire.SA{Proposals: []wire.Proposal{chosen}}}
	if !r.first {
		list = append(list, &wire.Nonce{Data: r.nr})
	}
	if ke != nil {
		list = append(list, ke)
	}
	list = append(list, wire.NewTSi(c.remoteTS...), wire.NewTSr(c.localTS...))
	if others {
		// The rest of what was asked for may be had in another Child SA.  RFC 7296 §2.9
		list = append(list, &wire.Notify{NotifyType: wire.AdditionalTSPossible})
	}
	return list
}

// respondKE makes the key exchange of a Child SA, if one was chosen.
func (m *Machine) respondKE(sa *ikeSA, cfg *core.Child, set suite.Set, msg *wire.Message) (*wire.KE, secret.Bytes, *childReply) {
	if set.KE == nil {
		return nil, nil, nil
	}
	theirs := wire.First[*wire.KE](msg)
	if theirs == nil || theirs.Group != set.KE.ID {
		m.logf("IKE", 1, "key exchange method unacceptable, requesting %s", groupName(set.KE.ID))
		return nil, nil, &childReply{m: m, payloads: []wire.Payload{wire.NewInvalidKE(set.KE.ID)}}
	}
	public, shared, err := set.KE.Respond(m.env.Rand, theirs.Data)
	if err != nil {
		// A public value that fails its tests is treated as a malformed payload.  RFC 6989 §2.5
		reply := m.refuse(wire.InvalidSyntax, sa.childReason(core.InvalidSyntax, cfg, msg, "the peer's public value is refused: "+err.Error()))
		reply.fatal = sa
		return nil, nil, reply
	}
	return &wire.KE{Group: theirs.Group, Data: public}, shared, nil
}

// byOut is a Child SA that a notification or a Delete of the peer names.
func (m *Machine) byOut(spi uint32, ok bool) *child {
	if !ok {
		return nil
	}
	return m.childByOut(esp.SPI(spi))
}
