package ikev2

import (
	"slices"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// row is a request that a peer may send: in which state, with which payloads, and who answers it. Handlers never look
// for a payload that is required, nor for a second one of a kind that may come once.
type row struct {
	exchange header.ExchangeType
	name     string
	states   []core.IKEState
	// when tells apart the exchanges that CREATE_CHILD_SA is; nil is always.
	when     func(*wire.Message) bool
	required []wire.PayloadType
	optional []wire.PayloadType // at most once; everything else is ignored (RFC 7296 §2.5), Notify and Delete come as they like
	answer   func(*Machine, *ikeSA, *request)
}

var alive = []core.IKEState{core.IKEEstablished, core.IKERekeying}

// rows is searched in order. IKE_SA_INIT, in the clear, is init.go's.
var rows = []row{{
	exchange: header.IKEAuth, name: "IKE_AUTH", states: []core.IKEState{core.IKEConnecting},
	// What is required depends on how far it has come.
	optional: []wire.PayloadType{wire.TypeIDi, wire.TypeIDr, wire.TypeAUTH, wire.TypeEAP, wire.TypeSA, wire.TypeTSi, wire.TypeTSr, wire.TypeCP},
	answer:   (*Machine).answerAuth,
}, {
	exchange: header.CreateChildSA, name: "rekeying of the IKE SA", states: alive, when: rekeysIKE,
	required: []wire.PayloadType{wire.TypeSA, wire.TypeNonce, wire.TypeKE},
	answer:   (*Machine).answerIKERekey,
}, {
	exchange: header.CreateChildSA, name: "rekeying of a Child SA", states: alive, when: rekeysChild,
	required: []wire.PayloadType{wire.TypeSA, wire.TypeNonce, wire.TypeTSi, wire.TypeTSr},
	optional: []wire.PayloadType{wire.TypeKE},
	answer:   (*Machine).answerChildRekey,
}, {
	exchange: header.CreateChildSA, name: "creation of a Child SA", states: alive,
	required: []wire.PayloadType{wire.TypeSA, wire.TypeNonce, wire.TypeTSi, wire.TypeTSr},
	optional: []wire.PayloadType{wire.TypeKE},
	answer:   (*Machine).answerChild,
}, {
	// "If a peer receives a request to rekey an IKE SA that it is currently trying to close, it SHOULD reply with
	// TEMPORARY_FAILURE."  RFC 7296 §2.25.2. There is no place for a new Child SA either.
	exchange: header.CreateChildSA, name: "CREATE_CHILD_SA on an IKE SA that ends", states: []core.IKEState{core.IKERekeyedOld, core.IKEDeleting},
	answer: func(_ *Machine, sa *ikeSA, req *request) {
		sa.respond(req, &wire.Notify{NotifyType: wire.TemporaryFailure})
	},
}, {
	exchange: header.Informational, name: "INFORMATIONAL",
	states: []core.IKEState{core.IKEEstablished, core.IKERekeying, core.IKERekeyedOld, core.IKEDeleting},
	answer: (*Machine).answerInformational,
}}

func rekeysIKE(msg *wire.Message) bool {
	sa := wire.First[*wire.SA](msg)
	return sa != nil && len(sa.Proposals) > 0 && sa.Proposals[0].Protocol == suite.IKE
}

func rekeysChild(msg *wire.Message) bool { return msg.Notify(wire.RekeySA) != nil }

// answer finds the row of a request. One without a row is refused: it has no place in this state.
func (m *Machine) answer(sa *ikeSA, req *request) {
	for _, r := range rows {
		if r.exchange != req.msg.Exchange || !slices.Contains(r.states, sa.state) || (r.when != nil && !r.when(req.msg)) {
			continue
		}
		if missing := r.wrong(req.msg); missing != "" {
			m.refuseSyntax(sa, req, r.name+": "+missing)
			return
		}
		r.answer(m, sa, req)
		return
	}
	if !sa.established() && req.msg.Exchange == header.Informational && sa.opened.applicant != nil && givesUp(req.msg) {
		// The initiator has refused us in the midst of IKE_AUTH (RFC 7296 §2.21.2), or does not want the IKE SA any more.
		sa.respond(req)
		m.endAnswered(sa, sa.opened.applicant.leaves(sa, req))
		return
	}
	if !sa.established() {
		// Before the peer is authenticated nothing but IKE_AUTH has a meaning.
		m.refuseSyntax(sa, req, req.msg.Exchange.String()+" before IKE_AUTH")
		return
	}
	m.logf("IKE", 1, "%s has no place in state %s", req.msg.Header, sa.state)
	sa.respond(req, &wire.Notify{NotifyType: wire.InvalidSyntax})
}

// givesUp tells whether an initiator ends an IKE SA that is not established.
func givesUp(msg *wire.Message) bool {
	return msg.ErrorNotify() != nil || slices.ContainsFunc(wire.All[*wire.Delete](msg), func(d *wire.Delete) bool { return d.Protocol == suite.IKE })
}

// wrong tells what a message lacks or has too often, "" when nothing.
func (r *row) wrong(msg *wire.Message) string {
	for _, t := range r.required {
		switch msg.Count(t) {
		case 0:
			return "the " + t.String() + " payload is missing"
		case 1:
		default:
			return "there is more than one " + t.String() + " payload"
		}
	}
	for _, t := range r.optional {
		if msg.Count(t) > 1 {
			return "there is more than one " + t.String() + " payload"
		}
	}
	return ""
}

// lacks tells which of the payloads a message lacks or has too often, "" when none.
func lacks(msg *wire.Message, required ...wire.PayloadType) string {
	return (&row{required: required}).wrong(msg)
}

// refuseSyntax answers INVALID_SYNTAX, which is the end of the IKE SA.
//
// "this error notification is considered fatal in both peers, meaning that the IKE SA is deleted without needing an
// explicit Delete payload."  RFC 7296 §2.21.3
func (m *Machine) refuseSyntax(sa *ikeSA, req *request, text string) {
	sa.respond(req, &wire.Notify{NotifyType: wire.InvalidSyntax})
	m.endAnswered(sa, sa.reason(core.InvalidSyntax, 1, req.msg.Exchange.String(), req.msg.MessageID, text))
}
