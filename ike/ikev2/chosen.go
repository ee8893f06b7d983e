package ikev2

import (
	"fmt"

	"github.com/goswan/goswan/crypto/ke"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// chosen is the proposal of a response, checked: it is one, and it is one of ours with one transform of each type.
//
// The initiator makes sure that the accepted offer is consistent with one of its proposals.  RFC 7296 §3.3.6
func (sa *ikeSA) chosen(msg *wire.Message, ours []suite.Proposal, phase int) (wire.Proposal, *core.Reason) {
	refuse := func(kind core.Kind, text string) (wire.Proposal, *core.Reason) {
		return wire.Proposal{}, sa.reason(kind, phase, msg.Exchange.String(), msg.MessageID, text)
	}
	list := wire.First[*wire.SA](msg).Proposals
	if len(list) != 1 {
		return refuse(core.InvalidSyntax, fmt.Sprintf("the peer answered with %d proposals instead of one", len(list)))
	}
	p := list[0]
	if _, err := suite.Resolve(p.Proposal); err != nil {
		return refuse(core.NoProposalChosen, "the peer's choice cannot be used: "+err.Error())
	}
	normal, _, ok := suite.Select([]suite.Proposal{p.Proposal}, ours, false)
	if !ok {
		_, reason := refuse(core.NoProposalChosen, "the peer chose what was not offered")
		reason.Offered, reason.Acceptable = clip(p.String()), clip(proposals(ours))
		return wire.Proposal{}, reason
	}
	p.Proposal = normal
	return p, nil
}

// newKE makes a key pair of a key exchange method.
func (m *Machine) newKE(group uint16) (ke.Initiator, error) {
	t, ok := ke.Lookup(group)
	if !ok || !t.Status.Usable() {
		return nil, fmt.Errorf("the proposals name no key exchange that can be used")
	}
	return t.Initiate(m.env.Rand)
}

// finishKE is the shared secret of a Child SA's key exchange, nil when none was chosen.
func (o *childOffer) finishKE(set suite.Set, msg *wire.Message) (secret.Bytes, error) {
	if set.KE == nil {
		return nil, nil
	}
	theirs := wire.First[*wire.KE](msg)
	if theirs == nil || o.ke == nil || theirs.Group != o.keGroup || set.KE.ID != o.keGroup {
		return nil, fmt.Errorf("the peer chose a key exchange that was not made")
	}
	return o.ke.Finish(theirs.Data)
}
