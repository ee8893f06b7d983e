package ikev2

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/goswan/goswan/crypto/ke"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// Bounds of what an unauthenticated peer can make an initiator do.
const (
	maxRounds = 8               // IKE_SA_INIT requests of one attempt, for cookies and other key exchanges
	patience  = 1 * time.Second // for a better answer after an error, which anybody could have sent
)

// attempt is how an initiator began.
type attempt struct {
	number        int // from 1 (keyingtries)
	local, remote netip.AddrPort
}

// connect begins an IKE SA.
func (m *Machine) connect() {
	m.end = nil
	m.takeReloaded()
	m.attempt.number++
	sa, err := m.newSA(true)
	if err != nil {
		m.close(m.reason(core.Internal, 1, "no randomness: "+err.Error()))
		return
	}
	sa.local, sa.remote = m.attempt.local, m.attempt.remote
	sa.state = core.IKEConnecting
	m.current = sa
	m.logf("IKE", 0, "initiating IKE_SA %s to %s", sa.name(), sa.remote.Addr().Unmap())
	m.begin(sa, &saInit{})
}

// retry begins again after a timeout, as often as keyingtries allows; it tells false when that is over.
func (m *Machine) retry(sa *ikeSA) bool {
	tries := m.conn.KeyingTries
	if !sa.initiator || (tries != 0 && m.attempt.number >= tries) {
		return false
	}
	of := ""
	if tries != 0 {
		of = fmt.Sprintf("/%d", tries)
	}
	m.logf("IKE", 1, "peer not responding, trying again (%d%s)", m.attempt.number+1, of)
	m.forget(sa)
	m.connect()
	return true
}

// saInit is IKE_SA_INIT (RFC 7296 §1.2), repeated with a cookie or another key exchange when the responder wants one.
type saInit struct {
	base
	ni      []byte
	group   uint16 // of the key exchange; 0: the first of the proposals
	ke      ke.Initiator
	cookie  []byte
	rounds  int
	refused *core.Reason // an error that arrived, if nothing better does until verdict
	verdict time.Time
}

func (x *saInit) task() string              { return "IKE_INIT" }
func (x *saInit) kind() header.ExchangeType { return header.IKESAInit }

func (x *saInit) wipe() {
	if x.ke != nil {
		x.ke.Wipe()
		x.ke = nil
	}
}

func (x *saInit) abort(*Machine, *ikeSA, *core.Reason) { x.wipe() }
func (x *saInit) response(*ikeSA, *wire.Message) {
	panic("ikev2: IKE_SA_INIT is answered in the clear")
}

func (x *saInit) request(sa *ikeSA) ([]wire.Payload, bool) {
	m := sa.m
	x.rounds++
	detection, err := sa.detectionNotifies(sa.remote)
	if err == nil {
		err = x.prepare(m)
	}
	if err != nil {
		m.close(sa.reason(core.BadConfig, 1, "IKE_SA_INIT", 0, err.Error()))
		return nil, false
	}
	var payloads []wire.Payload
	if x.cookie != nil {
		// "the initiator MUST then retry the IKE_SA_INIT request, and include the COOKIE notification containing the received
		// data as the first payload, and all other payloads unchanged."  RFC 7296 §2.6
		payloads = append(payloads, &wire.Notify{NotifyType: wire.Cookie, Data: x.cookie})
	}
	payloads = append(payloads, wire.NewSA(m.conn.Proposals, nil), &wire.KE{Group: x.group, Data: x.ke.Public()}, &wire.Nonce{Data: x.ni})
	payloads = append(payloads, detection...)
	payloads = append(payloads, announceFragments(m.conn)...)
	if m.env.Settings.Signatures {
		payloads = append(payloads, hashAlgorithms(m.conn))
	}
	return payloads, true
}

// prepare draws what the request needs and does not have from the one before.
func (x *saInit) prepare(m *Machine) (err error) {
	if x.ni == nil {
		if x.ni, err = m.newNonce(); err != nil {
			return err
		}
	}
	if x.group == 0 {
		x.group = firstGroup(m.conn.Proposals)
	}
	if x.ke == nil {
		x.ke, err = m.newKE(x.group)
	}
	return err
}

// receiveInit takes IKE_SA_INIT, in the clear: nothing in it is authenticated before IKE_AUTH.
func (m *Machine) receiveInit(h header.Header, d core.Datagram) {
	if !h.IsResponse() {
		m.receiveInitRequest(h, d)
		return
	}
	sa := m.current
	if sa == nil || !sa.initiator || sa.spiI != h.Initiator || h.FromInitiator() || !sa.awaits(h.Exchange, h.MessageID) {
		m.logf("IKE", 1, "received %s, which is not awaited, ignored", h)
		return
	}
	msg, err := wire.Parse(d.Data)
	if err != nil {
		m.logf("ENC", 1, "%s from %s dropped: %v", h, endpoint(d.Remote), err)
		return
	}
	m.received(msg, d)
	sa.inFlight.exchange.(*saInit).answered(sa, msg, d)
}

// answered takes a response. Only one that can be meant for us ends the waiting.
func (x *saInit) answered(sa *ikeSA, msg *wire.Message, d core.Datagram) {
	switch refusal := msg.ErrorNotify(); {
	case msg.Notify(wire.Cookie) != nil && msg.Count(wire.TypeSA) == 0:
		x.withCookie(sa, msg.Notify(wire.Cookie).Data)
	case refusal != nil && refusal.NotifyType == wire.InvalidKEPayload:
		x.withGroup(sa, refusal, msg)
	case refusal != nil:
		x.doubt(sa, sa.refusedBy(refusal, 1, msg))
	default:
		if text := lacks(msg, wire.TypeSA, wire.TypeKE, wire.TypeNonce); text != "" {
			x.doubt(sa, sa.reason(core.InvalidSyntax, 1, "IKE_SA_INIT", 0, text))
			return
		}
		x.accept(sa, msg, d)
	}
}

// withCookie repeats the request with a cookie, everything else as it was. RFC 7296 §2.6
func (x *saInit) withCookie(sa *ikeSA, cookie []byte) {
	if len(cookie) == 0 || len(cookie) > 64 || x.rounds >= maxRounds {
		return
	}
	x.cookie = bytes.Clone(cookie)
	x.again(sa)
}

// withGroup repeats the request with the key exchange that the responder names, if it is one of ours.
//
// "The initiator MUST again propose its full set of acceptable cryptographic suites because the rejection message was
// unauthenticated and otherwise an active attacker could trick the endpoints into negotiating a weaker suite than a
// stronger one that they both prefer."  RFC 7296 §1.2
func (x *saInit) withGroup(sa *ikeSA, n *wire.Notify, msg *wire.Message) {
	group, ok := n.Group()
	if !ok || group == x.group || !slices.Contains(groups(sa.m.conn.Proposals), group) || x.rounds >= maxRounds {
		x.doubt(sa, sa.refusedBy(n, 1, msg))
		return
	}
	sa.m.logf("IKE", 1, "peer didn't accept key exchange method %s, it requested %s", groupName(x.group), groupName(group))
	x.wipe()
	x.group = group
	x.again(sa)
}

// again sends a new first message in place of the one in flight.
func (x *saInit) again(sa *ikeSA) {
	x.refused, x.verdict = nil, time.Time{}
	sa.inFlight = nil
	sa.nextSend = 0
	sa.m.begin(sa, x)
}

// doubt keeps an error that nobody vouches for, and goes on waiting for something better.
//
// "Because all error notifications are completely unauthenticated, the recipient should continue trying for some time
// before giving up."  RFC 7296 §2.21.1
func (x *saInit) doubt(sa *ikeSA, reason *core.Reason) {
	sa.m.logf("IKE", 1, "%s", reason.Error())
	if x.refused == nil {
		x.verdict = sa.m.now.Add(patience)
	}
	x.refused = reason
}

// judge gives up when nothing better came than an error.
func (x *saInit) judge(sa *ikeSA) {
	sa.m.close(x.refused)
}

// accept ends IKE_SA_INIT on the initiator's side.
func (x *saInit) accept(sa *ikeSA, msg *wire.Message, d core.Datagram) {
	m := sa.m
	set, reason := x.agreed(sa, msg)
	if reason != nil {
		x.doubt(sa, reason)
		return
	}
	shared, err := x.ke.Finish(wire.First[*wire.KE](msg).Data)
	if err != nil {
		x.doubt(sa, sa.reason(core.InvalidSyntax, 1, "IKE_SA_INIT", 0, "the peer's public value is refused: "+err.Error()))
		return
	}
	defer shared.Wipe()
	sa.opened = &opening{
		localMessage: sa.inFlight.datagrams[0], remoteMessage: bytes.Clone(d.Data),
		ni: x.ni, nr: wire.First[*wire.Nonce](msg).Data, childless: msg.Notify(wire.ChildlessIKEv2Supported) != nil,
	}
	sa.inFlight = nil
	x.wipe()
	sa.spiR, sa.set = msg.Responder, set
	if err := sa.keyUp(shared, nil); err != nil {
		m.close(sa.reason(core.Internal, 1, "IKE_SA_INIT", 0, err.Error()))
		return
	}
	sa.lastIn = m.now
	sa.readOpening(msg, d)
	sa.readRequests(msg)
	sa.agreeFragments(m.conn, msg)
	sa.float()
	m.begin(sa, &ikeAuth{})
}

// agreed checks the responder's choice: one of ours, complete, with the key exchange that was made.
//
// The initiator makes sure that the accepted offer is consistent with one of its proposals.  RFC 7296 §3.3.6
func (x *saInit) agreed(sa *ikeSA, msg *wire.Message) (suite.Set, *core.Reason) {
	chosen, reason := sa.chosen(msg, sa.m.conn.Proposals, 1)
	if reason != nil {
		return suite.Set{}, reason
	}
	set, err := suite.Resolve(chosen.Proposal)
	switch ke := wire.First[*wire.KE](msg); {
	case err != nil:
		return set, sa.reason(core.NoProposalChosen, 1, "IKE_SA_INIT", 0, err.Error())
	case set.KE == nil || set.KE.ID != x.group || ke.Group != x.group:
		return set, sa.reason(core.InvalidKEPayload, 1, "IKE_SA_INIT", 0, "the peer chose a key exchange that was not made")
	case msg.Responder.IsZero():
		return set, sa.reason(core.InvalidSyntax, 1, "IKE_SA_INIT", 0, "the peer's SPI is zero")
	}
	return set, nil
}

// keyUp derives the keys from IKE_SA_INIT's nonces, or those of a rekeying from the old IKE SA's.
func (sa *ikeSA) keyUp(shared secret.Bytes, old *rekeying) error {
	var seed secret.Bytes
	ni, nr := []byte(nil), []byte(nil)
	if old == nil {
		ni, nr = sa.opened.ni, sa.opened.nr
		seed = sa.set.PRF.SKEYSEED(ni, nr, shared)
	} else {
		ni, nr = old.ni, old.nr
		seed = old.keys.prf.RekeyedSKEYSEED(old.keys.d, shared, ni, nr)
	}
	defer seed.Wipe()
	sa.m.logf("CFG", 1, "selected proposal: %s", sa.set.Proposal)
	return sa.deriveKeys(seed, ni, nr)
}

// rekeying is what the keys of a new IKE SA come from.
type rekeying struct {
	keys   *keys
	ni, nr []byte
}

// readOpening takes what both sides tell in IKE_SA_INIT besides the keys.
func (sa *ikeSA) readOpening(msg *wire.Message, d core.Datagram) {
	sa.detect(msg, d)
	sa.opened.multiple = msg.Notify(wire.MultipleAuthSupported) != nil
	if n := msg.Notify(wire.SignatureHashAlgorithms); n != nil && sa.m.env.Settings.Signatures {
		sa.opened.hashes = []uint16{}
		list, _ := n.HashAlgorithms()
		for _, h := range list {
			sa.opened.hashes = append(sa.opened.hashes, uint16(h))
		}
	}
}
