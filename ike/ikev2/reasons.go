package ikev2

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goswan/goswan/crypto/status"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// reason makes a reason of this lineage.
func (m *Machine) reason(kind core.Kind, phase int, text string) *core.Reason {
	r := &core.Reason{Kind: kind, Phase: phase, Text: clip(text)}
	if m.conn != nil {
		r.Conn = m.conn.Name
	}
	return r
}

// reason makes a reason that became known with a message.
func (sa *ikeSA) reason(kind core.Kind, phase int, exchange string, id uint32, text string) *core.Reason {
	r := sa.m.reason(kind, phase, text)
	r.Exchange, r.MessageID = exchange, id
	return r
}

func (m *Machine) initReason(kind core.Kind, text string) *core.Reason {
	r := m.reason(kind, 1, text)
	r.Exchange = "IKE_SA_INIT"
	return r
}

// kinds are the error notifies that have a kind of their own.
var kinds = map[wire.NotifyType]core.Kind{
	wire.NoProposalChosen: core.NoProposalChosen, wire.InvalidKEPayload: core.InvalidKEPayload,
	wire.AuthenticationFailed: core.AuthenticationFailed, wire.TSUnacceptable: core.TSUnacceptable,
	wire.InvalidSyntax: core.InvalidSyntax, wire.InvalidMajorVersion: core.InvalidMajorVersion,
	wire.UnsupportedCriticalPayload: core.UnsupportedCritical, wire.InvalidSelectors: core.InvalidSelectors,
	wire.NoAdditionalSAs: core.NoAdditionalSAs, wire.TemporaryFailure: core.TemporaryFailure,
	wire.ChildSANotFound: core.ChildSANotFound, wire.SinglePairRequired: core.SinglePairRequired,
	wire.InternalAddressFailure: core.InternalAddress, wire.FailedCPRequired: core.FailedCPRequired,
}

// refusedBy is the reason that a peer's error notify is.
func (sa *ikeSA) refusedBy(n *wire.Notify, phase int, msg *wire.Message) *core.Reason {
	kind, known := kinds[n.NotifyType]
	if !known {
		kind = core.OtherNotify
	}
	r := sa.reason(kind, phase, msg.Exchange.String(), msg.MessageID, "the peer refused with "+n.NotifyType.String())
	r.ByPeer = true
	conn := sa.m.conn
	if conn == nil || phase != 1 {
		return r
	}
	switch kind {
	case core.NoProposalChosen:
		r.Offered = clip(proposals(conn.Proposals))
		r.Fix = sa.m.fixIKEProposals(msg.Exchange == header.IKESAInit)
	case core.InvalidKEPayload:
		return sa.otherIKEGroup(n, msg)
	case core.AuthenticationFailed:
		if !sa.initiator {
			r.Text = fmt.Sprintf("the peer %q does not accept us as %q, or has nothing to prove itself with", sa.remoteID, sa.localID)
			r.Fix = fmt.Sprintf("its log says why: it may require another identity%s, or not trust the CA of our certificate", at(conn.Local[0].IDSource))
			return r
		}
		r.Text = fmt.Sprintf("the peer refused us as %q when asked for %q", sa.localID, conn.Remote[0].ID)
		if conn.Local[0].Method.Signs() {
			r.Fix = fmt.Sprintf("compare the identities%s with the peer's, and let it trust the CA of our certificate; its log says why", at(conn.Local[0].IDSource))
			return r
		}
		if conn.Local[0].Method == core.AuthEAP {
			r.Fix = fmt.Sprintf("compare the identities%s with the peer's; its log says why", at(conn.Local[0].IDSource))
			return r
		}
		r.Fix = fmt.Sprintf("compare the identities%s and the secret %s with the peer's", at(conn.Local[0].IDSource),
			tell(sharedKeys(sa.m.env.Catalog(), sa.localID, conn.Remote[0].ID)))
	}
	return r
}

// fixIKEProposals says where to look when a peer takes none of our IKE proposals and does not say what it would take.
func (m *Machine) fixIKEProposals(first bool) string {
	fix := fmt.Sprintf("compare %s with the peer's", m.conn.ProposalsPlace())
	if !first {
		return fix + ": it has accepted one of these before"
	}
	// A peer's configuration is chosen by address before its proposals are looked at, and there is no other notify for that.
	return fix + fmt.Sprintf(": it takes none of these, or has nothing for our address; `goswan explain %s PROPOSAL` tells what the peer's would need", m.conn.Name)
}

// otherIKEGroup is the reason when a peer wants a key exchange for the IKE SA that it does not get.
func (sa *ikeSA) otherIKEGroup(n *wire.Notify, msg *wire.Message) *core.Reason {
	m := sa.m
	r := sa.reason(core.InvalidKEPayload, 1, msg.Exchange.String(), msg.MessageID, "")
	r.ByPeer = true
	r.Offered = clip(proposals(m.conn.Proposals))
	r.Text, r.Fix = wantsGroup(n, m.conn.Proposals, m.conn.ProposalsPlace())
	return r
}

// wantsGroup says which key exchange a peer's INVALID_KE_PAYLOAD asks for, and what to do about it.
func wantsGroup(n *wire.Notify, ours []suite.Proposal, where string) (text, fix string) {
	group, ok := n.Group()
	wanted := suite.Transform{Type: suite.KE, ID: group}
	s, why := wanted.Status()
	switch {
	case !ok:
		return "the peer refuses our key exchange and names no other", "compare " + where + " with the peer's"
	case slices.Contains(groups(ours), group):
		return fmt.Sprintf("the peer asks for the key exchange %s and refuses it", wanted), "see the peer's log for what is wrong with it"
	case s == status.Refused:
		fix = fmt.Sprintf("%s is refused: %s; let the peer accept a key exchange of %s", wanted, why, where)
	case !s.Usable():
		fix = fmt.Sprintf("%s is not implemented in this version; let the peer accept a key exchange of %s", wanted, where)
	default:
		fix = fmt.Sprintf("add `%s` to a proposal in %s", wanted.Keyword(), where)
	}
	if s == status.Legacy {
		fix += fmt.Sprintf(", though it is weak by today's measure (%s)", why)
	}
	return fmt.Sprintf("the peer wants the key exchange %s, which is not offered", wanted), fix
}

// noIKEProposal tells what was offered, what the connection accepts that is nearest to it, and what to change.
func (m *Machine) noIKEProposal(offers []suite.Proposal, candidates []*core.Connection, from core.Datagram) *core.Reason {
	// A stranger sends offers at will, and a gateway has many connections: the closest are looked at.
	const most = 4
	conn := candidates[0]
	near := suite.Nearest(offers, conn.Proposals)
	for _, c := range candidates[1:min(most, len(candidates))] {
		if n := suite.Nearest(offers, c.Proposals); n.Nearer(near) {
			conn, near = c, n
		}
	}
	r := m.initReason(core.NoProposalChosen, withDifferences(fmt.Sprintf("no proposal in common with %s", from.Remote.Addr().Unmap()), near))
	r.Conn = conn.Name
	r.Offered, r.Acceptable = clip(orNothing(proposals(offers))), clip(proposals(conn.Proposals))
	r.Fix = clip(near.Fix(conn.ProposalsPlace()))
	return r
}

// withDifferences adds in what the two nearest proposals differ.
func withDifferences(text string, m suite.Mismatch) string {
	if d := m.Differences(); d != "" {
		return text + ": " + d
	}
	return text
}

func (m *Machine) noConnectionForAddresses(from core.Datagram) *core.Reason {
	local, remote := from.Local.Addr().Unmap(), from.Remote.Addr().Unmap()
	r := m.initReason(core.NoConnection, fmt.Sprintf("no connection is for %s...%s", local, remote))
	r.Acceptable = describe(m.env.Catalog().Connections)
	r.Fix = fmt.Sprintf("let `local_addrs` and `remote_addrs` of a connection take %s and %s", local, remote)
	return r
}

func (sa *ikeSA) noConnectionForIdentities(idi, idr auth.Identity, id uint32) *core.Reason {
	text := fmt.Sprintf("no connection is for the peer %q", idi)
	if !idr.IsAny() {
		text = fmt.Sprintf("no connection is for the peer %q that asks for %q", idi, idr)
	}
	r := sa.reason(core.NoConnection, 1, "IKE_AUTH", id, text)
	r.Acceptable = describe(sa.opened.candidates)
	r.Fix = "set `remote { id }`, and `local { id }` to what the peer asks for, in one of them"
	return r
}

// noSecret tells that there is no pre-shared key for the two identities.
func (sa *ikeSA) noSecret(conn *core.Connection, exchange string, id uint32, local, remote auth.Identity) *core.Reason {
	r := sa.reason(core.NoSecret, 1, exchange, id, fmt.Sprintf("no pre-shared key for %q (myself) and %q", local, remote))
	r.Fix = fmt.Sprintf("add `ike-… { id-1 = %s; secret = … }` to `secrets`", remote)
	r.Conn = conn.Name
	return r
}

// noCredential tells that we have nothing to sign with.
func (sa *ikeSA) noCredential(conn *core.Connection, mine core.Auth, local auth.Identity, err error, id uint32) *core.Reason {
	r := sa.reason(core.NoSecret, 1, "IKE_AUTH", id, fmt.Sprintf("no signature for %q (myself)%s: %v", local, at(mine.Source), err))
	r.Conn = conn.Name
	return r
}

// refusedProof is the reason that the refusal of a peer's certificates is when they cannot be read.
func (sa *ikeSA) refusedProof(conn *core.Connection, err error, id uint32) *core.Reason {
	return sa.refusedClaim(conn, core.Auth{}, err, id)
}

// refusedClaim is the reason that the refusal of a peer's signature or certificates is. The connection is nil when there is none
// yet.
func (sa *ikeSA) refusedClaim(conn *core.Connection, want core.Auth, err error, id uint32) *core.Reason {
	text := err.Error()
	for _, prefix := range []string{"sig: ", "auth: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	r := sa.reason(core.AuthenticationFailed, 1, "IKE_AUTH", id, text)
	where := at(want.Source)
	if conn != nil {
		r.Conn = conn.Name
	}
	var refusal *auth.Refusal
	if !errors.As(err, &refusal) {
		r.Text = clip(fmt.Sprintf("the AUTH of %q is refused: %s%s", sa.remoteID, text, where))
		return r
	}
	if refusal.Why == auth.WrongIdentity {
		r.Offered, r.Acceptable = clip(refusal.Presents.String()), refusal.Required.String()
		where = ""
	}
	fix := refusal.Fix
	plain := *refusal
	plain.Fix = ""
	r.Text, r.Fix = clip(plain.Error()+where), clip(fix)
	return r
}

func (sa *ikeSA) wrongIdentity(conn *core.Connection, c *claim) *core.Reason {
	want, got := c.wanted(conn), c.id
	r := sa.reason(core.AuthenticationFailed, 1, "IKE_AUTH", c.msgID, fmt.Sprintf("the peer says it is %q, connection %s requires %q", got, quoted(conn.Name), want.ID))
	r.Offered, r.Acceptable = got.String(), want.ID.String()
	r.Fix = fmt.Sprintf("set `id` of `remote`%s to %q, or the peer's own identity to %q", at(want.IDSource), got, want.ID)
	return r
}

// words are the methods in words.
var words = map[core.AuthMethod]string{core.AuthPSK: "a pre-shared key", core.AuthPubkey: "a signature", core.AuthAny: "a signature or a pre-shared key", core.AuthEAP: "EAP"}

func (sa *ikeSA) wrongMethod(conn *core.Connection, c *claim) *core.Reason {
	want := c.wanted(conn)
	if want.Method == core.AuthAny && certified(want) {
		want.Method = core.AuthPubkey
	}
	r := sa.reason(core.AuthenticationFailed, 1, "IKE_AUTH", c.msgID, fmt.Sprintf("the peer authenticates by %s, connection %s requires %s", c.proof.Method, quoted(conn.Name), words[want.Method]))
	r.Conn = conn.Name
	r.Fix = fmt.Sprintf("let the peer use %s; `auth = %s` is required", words[want.Method], want.Method) + at(want.Source)
	return r
}

// wantsEAP tells of an initiator without an AUTH payload, which is how it asks for EAP (RFC 7296 §2.16).
func (sa *ikeSA) wantsEAP(conn *core.Connection, c *claim) *core.Reason {
	r := sa.wrongMethod(conn, c)
	r.Text = fmt.Sprintf("the peer %q wants to authenticate by EAP, connection %s requires %s", sa.remoteID, quoted(conn.Name), words[c.wanted(conn).Method])
	return r
}

// wrongProof tells whose AUTH did not fit which secrets.
func (sa *ikeSA) wrongProof(conn *core.Connection, tried []*core.Secret, id uint32) *core.Reason {
	r := sa.reason(core.AuthenticationFailed, 1, "IKE_AUTH", id,
		fmt.Sprintf("the AUTH of %q for %q (myself) does not fit pre-shared key %s", sa.remoteID, sa.localID, tell(tried)))
	r.Conn = conn.Name
	r.Fix = "compare the secret with the peer's"
	return r
}

// unsupported tells of a connection whose authentication this machine cannot do; nil if it can. EAP proves the initiator; a
// responder can rely on the same EAP instead of a round of its own, which is then its only one (RFC 5998).
func (sa *ikeSA) unsupported(conn *core.Connection) *core.Reason {
	ours, theirs := conn.Local, conn.Remote
	if !sa.initiator {
		ours, theirs = theirs, ours
	}
	for i, side := range [][]core.Auth{ours, theirs} {
		for _, a := range side {
			text := ""
			switch {
			case words[a.Method] == "":
				text = fmt.Sprintf("authentication by %q in round %d is not possible", a.Method, a.Round)
			case i == 1 && a.Method == core.AuthEAP && len(side) > 1:
				text = "a responder that proves itself by EAP can have no other round"
			case i == 1 && a.Method == core.AuthEAP && ours[0].Method != core.AuthEAP:
				text = "a responder can prove itself by EAP only to an initiator whose first round is EAP"
			}
			if text == "" {
				continue
			}
			r := sa.reason(core.BadConfig, 1, "IKE_AUTH", 1, text)
			r.Conn = conn.Name
			r.Fix = "write `auth = psk` or `auth = pubkey`" + at(a.Source)
			return r
		}
	}
	return nil
}

// noChildProposal tells what was offered for ESP and what the child accepts; first is in IKE_AUTH, without key exchanges.
func (sa *ikeSA) noChildProposal(offers []suite.Proposal, cfg *core.Child, first bool, msg *wire.Message) *core.Reason {
	near := suite.Nearest
	if first {
		near = suite.NearestInAuth
	}
	m := near(offers, cfg.Proposals)
	r := sa.childReason(core.NoProposalChosen, cfg, msg, clip(withDifferences("no proposal in common", m)))
	r.Offered, r.Acceptable = clip(orNothing(proposals(offers))), clip(proposals(acceptable(cfg, first)))
	r.Fix = clip(m.Fix(cfg.ProposalsPlace()))
	return r
}

// noSelectors tells what was asked for and what each child has, local === remote as we see it.
func (sa *ikeSA) noSelectors(conn *core.Connection, local, remote []spd.TrafficSelector, msg *wire.Message) *core.Reason {
	r := sa.reason(core.TSUnacceptable, 2, msg.Exchange.String(), msg.MessageID, "no child has traffic selectors in common with the peer's")
	r.Conn = conn.Name
	r.Offered = clip(pair(local, remote))
	var ours, places []string
	for _, c := range conn.Children {
		if c.Mode == core.ModeTunnel {
			ours = append(ours, quoted(c.Name)+" "+pair(sa.localSelectors(c), sa.remoteSelectors(c)))
			places = append(places, quoted(c.Name)+at(c.RemoteTSSource))
		}
	}
	r.Acceptable = clip(orNothing(strings.Join(ours, "; ")))
	r.Fix = clip("compare `local_ts` and `remote_ts` of child " + strings.Join(places, ", ") + " with the peer's")
	return r
}

// childReason makes a reason about a Child SA.
func (sa *ikeSA) childReason(kind core.Kind, cfg *core.Child, msg *wire.Message, text string) *core.Reason {
	r := sa.reason(kind, 2, msg.Exchange.String(), msg.MessageID, text)
	r.Child = cfg.Name
	return r
}

// childRefused is the reason that a peer's refusal of a Child SA is.
func (sa *ikeSA) childRefused(n *wire.Notify, o *childOffer, msg *wire.Message) *core.Reason {
	r := sa.refusedBy(n, 2, msg)
	r.Child = o.cfg.Name
	switch r.Kind {
	case core.NoProposalChosen:
		r.Offered = clip(proposals(o.proposals))
		r.Fix = sa.fixESPProposals(o.cfg, msg)
	case core.InvalidKEPayload:
		r.Offered = clip(proposals(o.proposals))
		r.Text, r.Fix = wantsGroup(n, o.proposals, o.cfg.ProposalsPlace())
	case core.InternalAddress:
		r.Text = "the peer has no virtual address for us"
		r.Fix = sa.m.fixVIPs()
	case core.FailedCPRequired:
		r.Fix = fmt.Sprintf("add `vips = 0.0.0.0` to connection %s%s: the peer wants to assign a virtual address", quoted(sa.m.conn.Name), at(sa.m.conn.Source))
	case core.TSUnacceptable, core.SinglePairRequired:
		r.Offered = clip(pair(o.local, o.remote))
		r.Fix = fmt.Sprintf("compare `local_ts` and `remote_ts` of child %s%s with the peer's", quoted(o.cfg.Name), at(o.cfg.RemoteTSSource))
	}
	return r
}

// fixESPProposals says where to look when a peer takes none of our proposals and does not say what it would take.
func (sa *ikeSA) fixESPProposals(cfg *core.Child, msg *wire.Message) string {
	fix := fmt.Sprintf("compare %s with the peer's", cfg.ProposalsPlace())
	if msg.Exchange == header.CreateChildSA {
		// In IKE_AUTH there was none to disagree on.  RFC 7296 §1.2
		fix += ": after IKE_AUTH it is mostly the key exchange (perfect forward secrecy), which only one side has, or another"
	}
	if sa.m.conn != nil {
		fix += fmt.Sprintf("; `goswan explain %s %s PROPOSAL` tells what the peer's would need", sa.m.conn.Name, cfg.Name)
	}
	return fix
}

// timeout tells how long who did not answer.
func (sa *ikeSA) timeout(f *inFlight) *core.Reason {
	phase := f.ladder.Phase
	r := sa.reason(core.Timeout, phase, f.kind.String(), f.id, fmt.Sprintf("no answer from %s to %d transmissions within %s", sa.remote, f.sent, round(sa.m.now.Sub(f.first))))
	switch {
	case f.kind.String() == "IKE_SA_INIT":
		r.Fix = fmt.Sprintf("check that %s is up, that UDP port %d reaches it, and that it accepts our address", sa.remote.Addr().Unmap(), sa.remote.Port())
	case f.kind.String() == "IKE_AUTH":
		r.Fix = fmt.Sprintf("the peer answered on port %d before: check that UDP port %d reaches it, and the peer's log", portIKE, sa.remote.Port())
	}
	return r
}

// at is " (file:line)" or "".
func at(p core.Position) string {
	if s := p.String(); s != "" {
		return " (" + s + ")"
	}
	return ""
}

func quoted(s string) string { return `"` + s + `"` }

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// pair prints the two sides of traffic selectors, ours first.
func pair(local, remote []spd.TrafficSelector) string { return join(local) + " === " + join(remote) }

// clip shortens what a peer made long.
func clip(s string) string {
	const most = 1024
	if len(s) <= most {
		return s
	}
	s = s[:most]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}

func groupName(group uint16) string { return suite.Transform{Type: suite.KE, ID: group}.String() }

// groups are the key exchanges of proposals in order; firstGroup is the one to begin with, 0 when there is none.
func groups(list []suite.Proposal) []uint16 {
	var all []uint16
	for _, p := range list {
		for _, t := range p.Of(suite.KE) {
			if t.ID != 0 {
				all = append(all, t.ID)
			}
		}
	}
	return all
}

func firstGroup(list []suite.Proposal) uint16 {
	if all := groups(list); len(all) > 0 {
		return all[0]
	}
	return 0
}
