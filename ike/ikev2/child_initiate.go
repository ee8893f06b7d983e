package ikev2

import (
	"slices"

	"github.com/goswan/goswan/crypto/ke"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// maxChildTries bounds how often one Child SA is asked for with another key exchange or fewer selectors.
const maxChildTries = 4

// childOffer is what we offer for a Child SA.
type childOffer struct {
	cfg       *core.Child
	packet    core.Flow // that caused it; the zero value is none
	single    bool      // only the packet's selectors (SINGLE_PAIR_REQUIRED)
	old       *child    // that it is to replace
	group     uint16    // that the peer asked for; 0: the first
	tries     int
	proposals []suite.Proposal
	spi       esp.SPI // reserved; 0: none yet
	ke        ke.Initiator
	keGroup   uint16
	ni        []byte
	local     []spd.TrafficSelector
	remote    []spd.TrafficSelector
}

func (o *childOffer) wipe() {
	if o.ke != nil {
		o.ke.Wipe()
		o.ke = nil
	}
}

// release gives back the SPI of an offer that came to nothing.
func (o *childOffer) release(m *Machine) {
	o.wipe()
	if o.spi != 0 {
		m.emit(core.ReleaseSPI{SPI: o.spi})
		o.spi = 0
	}
}

// payloads are SA, [No], [KE], TSi and TSr. Without a nonce they are IKE_AUTH's, where there is no key exchange for the
// Child SA (RFC 7296 §1.2).
func (o *childOffer) payloads(sa *ikeSA, nonce []byte) (list []wire.Payload, err error) {
	o.tries++
	o.wipe()
	o.proposals = o.cfg.Proposals
	if nonce == nil {
		o.proposals = withoutKE(o.proposals)
	}
	o.offerSelectors(sa)
	if o.spi == 0 {
		if o.spi, err = sa.m.env.NewSPI(); err != nil {
			return nil, err
		}
	}
	list = []wire.Payload{wire.NewSA(o.proposals, wire.AppendSPI(nil, uint32(o.spi)))}
	if nonce != nil {
		o.ni = nonce
		list = append(list, &wire.Nonce{Data: nonce})
		if o.keGroup = o.chooseGroup(); o.keGroup != 0 {
			if o.ke, err = sa.m.newKE(o.keGroup); err != nil {
				return nil, err
			}
			list = append(list, &wire.KE{Group: o.keGroup, Data: o.ke.Public()})
		}
	}
	return append(list, wire.NewTSi(o.local...), wire.NewTSr(o.remote...)), nil
}

// chooseGroup is the key exchange to send: what the peer asked for, what the old one had, or the first.
func (o *childOffer) chooseGroup() uint16 {
	if o.group != 0 {
		return o.group
	}
	if o.old != nil && o.old.set.KE != nil && slices.Contains(groups(o.proposals), o.old.set.KE.ID) {
		return o.old.set.KE.ID
	}
	return firstGroup(o.proposals)
}

// offerSelectors puts the packet's selectors in front of the configured ones.
//
// "To enable the responder to choose the appropriate range in this case, if the initiator has requested the SA due to a
// data packet, the initiator SHOULD include as the first Traffic Selector in each of TSi and TSr a very specific Traffic
// Selector including the addresses in the packet triggering the request."  RFC 7296 §2.9
func (o *childOffer) offerSelectors(sa *ikeSA) {
	o.local, o.remote = sa.localSelectors(o.cfg), sa.remoteSelectors(o.cfg)
	local, remote := sa.m.virtual.packet(o.packet)
	if !spd.Covers(o.local, []spd.TrafficSelector{local}) || !spd.Covers(o.remote, []spd.TrafficSelector{remote}) || !local.Valid() || !remote.Valid() {
		return
	}
	if o.single {
		o.local, o.remote = nil, nil
	}
	o.local = prepend(local, o.local)
	o.remote = prepend(remote, o.remote)
}

func prepend(first spd.TrafficSelector, rest []spd.TrafficSelector) []spd.TrafficSelector {
	if len(rest) == 1 && rest[0] == first {
		return rest
	}
	return append([]spd.TrafficSelector{first}, rest[:min(len(rest), spd.MaxSelectors-1)]...)
}

// agreement is what a response agreed to.
type agreement struct {
	set           suite.Set
	out           esp.SPI
	shared        secret.Bytes
	local, remote []spd.TrafficSelector
}

// agreed checks a response against the offer.
func (o *childOffer) agreed(sa *ikeSA, msg *wire.Message) (*agreement, *core.Reason) {
	refuse := func(kind core.Kind, text string) (*agreement, *core.Reason) {
		return nil, sa.childReason(kind, o.cfg, msg, text)
	}
	if text := lacks(msg, wire.TypeSA, wire.TypeTSi, wire.TypeTSr); text != "" {
		return refuse(core.InvalidSyntax, text)
	}
	chosen, reason := sa.chosen(msg, o.proposals, 2)
	if reason != nil {
		reason.Child = o.cfg.Name
		return nil, reason
	}
	a := &agreement{local: wire.First[*wire.TSi](msg).Selectors, remote: wire.First[*wire.TSr](msg).Selectors}
	var err error
	if a.set, err = suite.Resolve(chosen.Proposal); err != nil {
		return refuse(core.NoProposalChosen, err.Error())
	}
	if a.out, err = sa.m.espSPI(chosen.ChildSPI()); err != nil {
		return refuse(core.InvalidSyntax, err.Error())
	}
	if !spd.Covers(o.local, a.local) || !spd.Covers(o.remote, a.remote) {
		reason := sa.childReason(core.TSUnacceptable, o.cfg, msg, "the peer chose traffic selectors beyond the offer")
		reason.Offered, reason.Acceptable = clip(pair(a.local, a.remote)), clip(pair(o.local, o.remote))
		return nil, reason
	}
	if a.local = sa.withinAssigned(o.cfg, a.local); len(a.local) == 0 {
		return nil, sa.nothingAssigned(o.cfg, msg)
	}
	if a.shared, err = o.finishKE(a.set, msg); err != nil {
		return refuse(core.InvalidKEPayload, err.Error())
	}
	return a, nil
}

// fails makes the reason for a response that refuses, nil when it does not. Errors that concern the IKE SA are not here.
func (o *childOffer) refusal(msg *wire.Message) *wire.Notify {
	if msg.Count(wire.TypeSA) > 0 {
		return nil
	}
	return msg.ErrorNotify()
}

// createChild is a new Child SA: the payloads that come along with IKE_AUTH, or a CREATE_CHILD_SA (RFC 7296 §1.3.1).
type createChild struct {
	base
	offer childOffer
}

func (x *createChild) task() string              { return "CHILD_CREATE" }
func (x *createChild) kind() header.ExchangeType { return header.CreateChildSA }
func (x *createChild) wipe()                     { x.offer.wipe() }

func (x *createChild) request(sa *ikeSA) ([]wire.Payload, bool) {
	m := sa.m
	if m.virtual.lacking() {
		reason := m.reason(core.InternalAddress, 2, "the peer assigned no virtual address")
		reason.Child, reason.ByPeer, reason.Fix = x.offer.cfg.Name, true, m.fixVIPs()
		x.offer.release(m)
		m.fail(&x.base, reason)
		return nil, false
	}
	if m.served(core.Initiate{Child: x.offer.cfg, Packet: x.offer.packet}) {
		// What was made for another packet while this waited takes this one too.
		x.abort(m, sa, nil)
		return nil, false
	}
	m.logf("CHD", 0, "establishing CHILD_SA %s", x.offer.cfg.Name)
	ni, err := m.newNonce()
	var list []wire.Payload
	if err == nil {
		list, err = x.offer.payloads(sa, ni)
	}
	if err != nil {
		x.offer.release(m)
		m.fail(&x.base, sa.reason(core.Internal, 2, "CREATE_CHILD_SA", 0, err.Error()))
		return nil, false
	}
	return list, true
}

func (x *createChild) abort(m *Machine, _ *ikeSA, reason *core.Reason) {
	x.offer.release(m)
	m.finish(&x.base, reason)
}

func (x *createChild) response(sa *ikeSA, msg *wire.Message) {
	nr := wire.First[*wire.Nonce](msg)
	if nr == nil {
		nr = &wire.Nonce{} // of a refusal; accept looks for SA first
		if msg.ErrorNotify() == nil {
			x.failed(sa, sa.childReason(core.InvalidSyntax, x.offer.cfg, msg, "the No payload is missing"), true)
			return
		}
	}
	x.accept(sa, msg, x.offer.ni, nr.Data)
}

// accept takes the responder's part of a Child SA, from either exchange.
func (x *createChild) accept(sa *ikeSA, msg *wire.Message, ni, nr []byte) {
	m := sa.m
	if n := x.offer.refusal(msg); n != nil {
		x.refused(sa, n, msg)
		return
	}
	a, reason := x.offer.agreed(sa, msg)
	if reason != nil {
		x.failed(sa, reason, msg.Count(wire.TypeSA) > 0)
		return
	}
	c := m.bring(sa, &x.offer, a, ni, nr)
	m.installOut(c, c.later)
	m.up(c)
	m.finish(&x.base, nil)
	m.stillborn(sa, c, msg)
}

// bring makes the Child SA of an agreement, with its inbound SA installed and its outbound SA in later.
func (m *Machine) bring(sa *ikeSA, o *childOffer, a *agreement, ni, nr []byte) *child {
	c := m.newChild(o.cfg, a.set, o.spi, a.out, o.old)
	o.spi = 0
	o.wipe()
	c.localTS, c.remoteTS = a.local, a.remote
	k := sa.keys.deriveChild(a.set, a.shared, ni, nr)
	a.shared.Wipe()
	in, out := m.params(sa, c, k, true)
	m.installIn(c, in)
	c.later = out
	return c
}

// refused is the peer's no: some of them can be answered by asking otherwise.
func (x *createChild) refused(sa *ikeSA, n *wire.Notify, msg *wire.Message) {
	m, o := sa.m, &x.offer
	if n.NotifyType == wire.TemporaryFailure {
		m.postpone(sa, x, zero)
		return
	}
	if o.mend(sa, n) {
		m.again(x)
		return
	}
	x.failed(sa, sa.childRefused(n, o, msg), false)
}

// mend changes the offer to what a refusal asks for; false when there is nothing to change.
func (o *childOffer) mend(sa *ikeSA, n *wire.Notify) bool {
	if o.tries >= maxChildTries {
		return false
	}
	switch n.NotifyType {
	case wire.InvalidKEPayload:
		group, ok := n.Group()
		if !ok || group == o.keGroup || !slices.Contains(groups(o.proposals), group) {
			return false
		}
		sa.m.logf("IKE", 1, "peer didn't accept key exchange method %s, it requested %s", groupName(o.keGroup), groupName(group))
		o.group = group
		return true
	case wire.SinglePairRequired:
		// "The requestor is expected to respond by requesting an SA for only the specific traffic it is trying to forward."
		// RFC 7296 §2.9
		if o.single || !o.packet.Local.Valid() {
			return false
		}
		o.single = true
		return true
	}
	return false
}

// failed ends it. created tells that the peer has made its half, and is told to forget it.
func (x *createChild) failed(sa *ikeSA, reason *core.Reason, created bool) {
	m := sa.m
	m.logf("IKE", 1, "failed to establish CHILD_SA %s, keeping IKE_SA: %s", x.offer.cfg.Name, reason.Error())
	if created {
		m.enqueue(&deleteChild{spi: x.offer.spi, reserved: true})
		x.offer.wipe()
	} else {
		x.offer.release(m)
	}
	m.fail(&x.base, reason)
	if m.env.Settings.CloseIKEOnChildFailure && len(m.children) == 0 {
		m.deleteIKE(nil, reason)
	}
}
