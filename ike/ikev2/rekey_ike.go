package ikev2

import (
	"bytes"
	"slices"

	"github.com/goswan/goswan/crypto/ke"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// rekeyIKE is a CREATE_CHILD_SA that replaces the IKE SA (RFC 7296 §1.3.2). The lineage's Child SAs are the new one's
// without any step (RFC 7296 §2.18). When both ends do it at once there are two new IKE SAs for a while: rival is the peer's.
type rekeyIKE struct {
	base
	next   *ikeSA // ours to be
	ke     ke.Initiator
	group  uint16
	tries  int
	ni     []byte
	rival  *ikeSA
	lowest []byte // of the rival exchange's two nonces
}

func (x *rekeyIKE) task() string              { return "IKE_REKEY" }
func (x *rekeyIKE) kind() header.ExchangeType { return header.CreateChildSA }

func (x *rekeyIKE) wipe() {
	if x.ke != nil {
		x.ke.Wipe()
		x.ke = nil
	}
}

func (x *rekeyIKE) request(sa *ikeSA) ([]wire.Payload, bool) {
	m := sa.m
	err := x.prepare(sa)
	if err != nil {
		x.failed(sa, sa.reason(core.Internal, 1, "CREATE_CHILD_SA", 0, err.Error()))
		return nil, false
	}
	sa.state = core.IKERekeying
	m.logf("IKE", 0, "initiating IKE_SA %s rekeying", sa.name())
	return []wire.Payload{
		wire.NewSA(m.conn.Proposals, x.next.spiI[:]), &wire.Nonce{Data: x.ni}, &wire.KE{Group: x.group, Data: x.ke.Public()},
	}, true
}

// prepare draws SPI, nonce and key pair; the key exchange is the old one's if it is still accepted.
func (x *rekeyIKE) prepare(sa *ikeSA) (err error) {
	m := sa.m
	x.tries++
	if x.group == 0 {
		x.group = firstGroup(m.conn.Proposals)
		if slices.Contains(groups(m.conn.Proposals), sa.set.KE.ID) {
			x.group = sa.set.KE.ID
		}
	}
	if x.next == nil {
		if x.next, err = m.newSA(true); err != nil {
			return err
		}
	}
	if x.ni, err = m.newNonce(); err != nil {
		return err
	}
	x.wipe()
	x.ke, err = m.newKE(x.group)
	return err
}

// drop gives up the IKE SA that we wanted to make.
func (x *rekeyIKE) drop(m *Machine) {
	x.wipe()
	if x.next != nil {
		m.forget(x.next)
		x.next = nil
	}
}

// abort lets the peer's IKE SA win when nothing came of ours.
func (x *rekeyIKE) abort(m *Machine, sa *ikeSA, reason *core.Reason) {
	x.drop(m)
	if x.rival != nil && !m.giving {
		rival := x.rival
		x.rival = nil
		m.adopt(sa, rival)
		sa.reapAt = m.now.Add(reapDelay)
		reason = nil
	} else if sa.state == core.IKERekeying {
		sa.state = core.IKEEstablished
	}
	m.finish(&x.base, reason)
}

func (x *rekeyIKE) response(sa *ikeSA, msg *wire.Message) {
	if n := msg.ErrorNotify(); n != nil && msg.Count(wire.TypeSA) == 0 {
		x.refused(sa, n, msg)
		return
	}
	if text := lacks(msg, wire.TypeSA, wire.TypeNonce, wire.TypeKE); text != "" {
		x.failed(sa, sa.reason(core.InvalidSyntax, 1, "CREATE_CHILD_SA", msg.MessageID, text))
		return
	}
	if reason := x.complete(sa, msg); reason != nil {
		x.failed(sa, reason)
		return
	}
	m, next := sa.m, x.next
	x.next = nil
	x.wipe()
	if x.rival != nil && bytes.Compare(lowestNonce(x.ni, wire.First[*wire.Nonce](msg).Data), x.lowest) < 0 {
		x.lose(m, sa, next)
	} else {
		x.win(m, sa, next)
	}
	m.finish(&x.base, nil)
}

// complete makes our new IKE SA from the response.
func (x *rekeyIKE) complete(sa *ikeSA, msg *wire.Message) *core.Reason {
	refuse := func(kind core.Kind, text string) *core.Reason {
		return sa.reason(kind, 1, "CREATE_CHILD_SA", msg.MessageID, text)
	}
	chosen, reason := sa.chosen(msg, sa.m.conn.Proposals, 1)
	if reason != nil {
		return reason
	}
	set, err := suite.Resolve(chosen.Proposal)
	if err != nil {
		return refuse(core.NoProposalChosen, err.Error())
	}
	spi, ok := chosen.IKESPI()
	ke := wire.First[*wire.KE](msg)
	if !ok || spi.IsZero() || set.KE == nil || set.KE.ID != x.group || ke.Group != x.group {
		return refuse(core.InvalidSyntax, "the peer's SPI or key exchange is not what was asked for")
	}
	shared, err := x.ke.Finish(ke.Data)
	if err != nil {
		return refuse(core.InvalidSyntax, "the peer's public value is refused: "+err.Error())
	}
	defer shared.Wipe()
	x.next.spiR = spi
	if err := x.next.inherit(sa, set, shared, x.ni, wire.First[*wire.Nonce](msg).Data); err != nil {
		return refuse(core.Internal, err.Error())
	}
	return nil
}

// inherit makes a new IKE SA of the lineage from the one it replaces.
//
// "The new IKE SA has its message counters set to 0, regardless of what they were in the earlier IKE SA."  RFC 7296 §1.3.2.
// Whoever began the rekeying is its original initiator (RFC 7296 §2.2).
func (sa *ikeSA) inherit(old *ikeSA, set suite.Set, shared secret.Bytes, ni, nr []byte) error {
	sa.set, sa.nat = set, old.nat
	sa.local, sa.remote = old.local, old.remote
	sa.localID, sa.remoteID = old.localID, old.remoteID
	sa.eapID, sa.grant = old.eapID, old.grant
	sa.fragments = old.fragments
	sa.lastIn, sa.lastOut = sa.m.now, old.lastOut
	sa.state = core.IKEEstablished
	return sa.keyUp(shared, &rekeying{keys: old.keys, ni: ni, nr: nr})
}

// adopt makes next the lineage's IKE SA in place of old.
func (m *Machine) adopt(old, next *ikeSA) {
	m.schedule(next)
	next.keepReauthentication(old)
	next.keepSessionEnd(old)
	m.unlink(next)
	m.retire(old, core.IKERekeyedOld)
	m.current = next
	m.logf("IKE", 0, "IKE_SA %s rekeyed between %s[%s]...%s[%s]", next.name(), next.local.Addr().Unmap(), next.localID, next.remote.Addr().Unmap(), next.remoteID)
	m.emit(core.IKERekeyed{Old: m.ikeStatus(old), New: m.ikeStatus(next)})
}

// win takes our new IKE SA; the peer deletes its own, if there is one, and we delete the old.
func (x *rekeyIKE) win(m *Machine, old, next *ikeSA) {
	if x.rival != nil {
		m.logf("IKE", 1, "IKE_SA %s was rekeyed by both, ours stays", old.name())
		x.rival.state, x.rival.redundant = core.IKERekeyedOld, true
		x.rival.reapAt = m.now.Add(reapDelay)
		x.rival = nil
	}
	m.adopt(old, next)
	m.enqueue(&deleteIKE{base: base{sa: old}})
}

// lose takes the peer's new IKE SA and deletes ours. The peer deletes the old one.
//
// "the new IKE SA containing the lowest nonce SHOULD be deleted by the node that created it, and the other surviving
// new IKE SA MUST inherit all the Child SAs."  RFC 7296 §2.8.2
func (x *rekeyIKE) lose(m *Machine, old, next *ikeSA) {
	m.logf("IKE", 1, "IKE_SA %s was rekeyed by both, the peer's stays", old.name())
	m.adopt(old, x.rival)
	old.reapAt = m.now.Add(reapDelay)
	x.rival = nil
	m.retire(next, core.IKERekeyedOld)
	m.enqueue(&deleteIKE{base: base{sa: next}})
}

func (x *rekeyIKE) refused(sa *ikeSA, n *wire.Notify, msg *wire.Message) {
	m := sa.m
	x.wipe()
	group, isGroup := n.Group()
	switch {
	case x.rival != nil:
		x.abort(m, sa, nil)
	case n.NotifyType == wire.TemporaryFailure:
		sa.state = core.IKEEstablished
		m.postpone(sa, x, sa.times.expireAt)
	case isGroup && group != x.group && slices.Contains(groups(m.conn.Proposals), group) && x.tries < maxChildTries:
		x.group = group
		sa.state = core.IKEEstablished
		m.again(x)
	default:
		x.failed(sa, sa.refusedBy(n, 1, msg))
	}
}

// failed leaves the IKE SA in place and tries again later: its hard lifetime is the end.
func (x *rekeyIKE) failed(sa *ikeSA, reason *core.Reason) {
	m := sa.m
	m.logf("IKE", 1, "rekeying IKE_SA %s failed: %s", sa.name(), reason.Error())
	sa.times.rekeyAt = m.now.Add(m.hurried(rekeyRetry, sa.times.expireAt))
	ops := x.ops
	x.ops = nil
	x.abort(m, sa, reason)
	x.ops = ops
	m.fail(&x.base, reason)
}

// answerIKERekey is the responder's side.
func (m *Machine) answerIKERekey(sa *ikeSA, req *request) {
	var mine *rekeyIKE
	if sa.inFlight != nil {
		mine, _ = sa.inFlight.exchange.(*rekeyIKE)
	}
	if sa != m.current || len(m.old)+1 >= maxIKESAs || m.busyWithChild(sa) || (mine != nil && mine.rival != nil) {
		sa.respond(req, &wire.Notify{NotifyType: wire.TemporaryFailure})
		return
	}
	offers := wire.First[*wire.SA](req.msg)
	chosen, i, ok := suite.Select(offers.Offers(), m.conn.Proposals, false)
	if !ok {
		m.refuseRekey(sa, req, wire.NoProposalChosen, m.noIKEProposal(offers.Offers(), []*core.Connection{m.conn}, req.from))
		return
	}
	offer := offers.Proposals[i]
	offer.Proposal = chosen
	set, err := suite.Resolve(chosen)
	spi, valid := offer.IKESPI()
	if err != nil || set.KE == nil || !valid || spi.IsZero() {
		m.refuseRekey(sa, req, wire.NoProposalChosen, sa.reason(core.NoProposalChosen, 1, "", 0, "the peer's proposal cannot be used: "+chosen.String()))
		return
	}
	m.acceptRekey(sa, req, mine, set, offer)
}

// acceptRekey goes on with the proposal that was chosen; mine is our own rekeying when it is in flight.
func (m *Machine) acceptRekey(sa *ikeSA, req *request, mine *rekeyIKE, set suite.Set, offer wire.Proposal) {
	theirs, ni := wire.First[*wire.KE](req.msg), wire.First[*wire.Nonce](req.msg).Data
	if theirs.Group != set.KE.ID {
		sa.respond(req, wire.NewInvalidKE(set.KE.ID))
		return
	}
	public, shared, err := set.KE.Respond(m.env.Rand, theirs.Data)
	if err != nil {
		m.refuseSyntax(sa, req, "the peer's public value is refused: "+err.Error())
		return
	}
	defer shared.Wipe()
	spi, _ := offer.IKESPI()
	next, nr, err := m.answerRekey(sa, set, spi, shared, ni)
	if err != nil {
		m.refuseRekey(sa, req, wire.NoAdditionalSAs, sa.reason(core.Internal, 1, "", 0, err.Error()))
		return
	}
	m.old = append(m.old, next)
	if mine != nil {
		// "it SHOULD reply as usual, and SHOULD prepare to close redundant SAs and move inherited Child SAs later based on the
		// nonces"  RFC 7296 §2.25.2
		mine.rival, mine.lowest = next, lowestNonce(ni, nr)
	} else {
		m.adopt(sa, next)
		sa.reapAt = m.now.Add(reapDelay)
	}
	answer := wire.Proposal{Num: offer.Num, SPI: next.spiR[:], Proposal: set.Proposal}
	sa.respond(req, &wire.SA{Proposals: []wire.Proposal{answer}}, &wire.Nonce{Data: nr}, &wire.KE{Group: theirs.Group, Data: public})
}

// answerRekey makes the new IKE SA that the peer asked for.
func (m *Machine) answerRekey(sa *ikeSA, set suite.Set, spi header.SPI, shared secret.Bytes, ni []byte) (*ikeSA, []byte, error) {
	nr, err := m.newNonce()
	if err != nil {
		return nil, nil, err
	}
	next, err := m.newSA(false)
	if err != nil {
		return nil, nil, err
	}
	next.spiI = spi
	if err := next.inherit(sa, set, shared, ni, nr); err != nil {
		m.forget(next)
		return nil, nil, err
	}
	return next, nr, nil
}

func (m *Machine) refuseRekey(sa *ikeSA, req *request, n wire.NotifyType, reason *core.Reason) {
	reason.Exchange, reason.MessageID = "CREATE_CHILD_SA", req.msg.MessageID
	sa.respond(req, &wire.Notify{NotifyType: n})
	m.emit(core.Failed{Reason: reason})
}

// busyWithChild tells that the IKE SA's rekeying has to wait.
//
// "If a peer receives a request to rekey the IKE SA, and it is currently creating, rekeying, or closing a Child SA of that
// IKE SA, it SHOULD reply with TEMPORARY_FAILURE."  RFC 7296 §2.25.1
func (m *Machine) busyWithChild(sa *ikeSA) bool {
	if sa.inFlight == nil {
		return false
	}
	switch sa.inFlight.exchange.(type) {
	case *createChild, *rekeyChild, *deleteChild:
		return true
	}
	return false
}
