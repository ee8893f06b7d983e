package ikev2_test

import (
	"testing"
	"time"

	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
	"github.com/goswan/goswan/ike/ikev2/wire"
	"github.com/goswan/goswan/ike/sim"
)

// TestAUTHOfNoMethod has a responder without a certificate answer with an AUTH payload of method 0, which is nothing: it proves
// nobody, also to an initiator that relies on EAP.
func TestAUTHOfNoMethod(t *testing.T) {
	p := newPKI(t)
	tc := newTest(t, sim.Faults{}, p.byEAP(eap.TypeMSCHAPv2), func(l, _ *core.Catalog) {
		l.Connections[0].Remote[0].Method, l.Connections[0].Local[0].EAP.Method = core.AuthEAP, 0
	})
	tc.meddle(func(msg *wire.Message) bool {
		proof := wire.First[*wire.AUTH](msg)
		if msg.MessageID != 1 || !msg.IsResponse() || proof == nil {
			return false
		}
		proof.Method = 0
		return true
	})
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(5 * time.Second)
	reason := tc.done(tc.left, op)
	tc.want("it does not come up", reason != nil)
	tc.inOrder(reason.Error(), []string{"AUTHENTICATION_FAILED", "the peer authenticates by method 0", `connection "site" requires EAP`})
	tc.w.Run(time.Minute)
	tc.end()
}

