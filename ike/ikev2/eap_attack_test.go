package ikev2_test

import (
	"runtime"
	"strings"
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

// TestEndsInTheMidstOfTLS: TLS inside EAP ends with the IKE SA, whoever ends it and why.
func TestEndsInTheMidstOfTLS(t *testing.T) {
	p := newPKI(t)
	for _, test := range []struct {
		name string
		end  func(*test)
		want string
	}{
		{"by command", func(tc *test) {
			tc.left.Command(tc.left.Lineages()[0], func(op uint64) core.Command { return core.Delete{Op: op, IKE: true} })
		}, "CANCELLED"},
		{"by force", func(tc *test) {
			tc.left.Command(tc.left.Lineages()[0], func(op uint64) core.Command { return core.Delete{Op: op, IKE: true, Force: true} })
		}, "CANCELLED"},
		{"by the responder's command", func(tc *test) {
			tc.right.Command(tc.right.Lineages()[0], func(op uint64) core.Command { return core.Delete{Op: op, IKE: true} })
		}, "TIMEOUT"},
		{"by a notify", nil, "AUTHENTICATION_FAILED"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			tc := newTest(t, sim.Faults{}, p.byEAP(eap.TypeTLS))
			if test.end == nil {
				tc.meddle(func(msg *wire.Message) bool {
					if !msg.IsResponse() || msg.MessageID != 3 {
						return false
					}
					msg.Payloads = []wire.Payload{&wire.Notify{NotifyType: wire.AuthenticationFailed}}
					return true
				})
			}
			op := tc.left.Initiate("site", "net", rightAddr)
			tc.w.Run(75 * time.Millisecond)
			tc.want("TLS is under way", runtime.NumGoroutine() > before)
			if test.end != nil {
				test.end(tc)
			}
			tc.w.Run(10 * time.Minute)
			reason := tc.done(tc.left, op)
			tc.want("who waits is told", reason != nil && strings.Contains(reason.Error(), test.want))
			tc.want("nothing is left", len(tc.left.Lineages())+len(tc.right.Lineages()) == 0)
			tc.end()
			goroutines(t, before)
		})
	}
}

// TestRoundWithoutSecret: an initiator that has nothing for its second round tells who waits, and the responder.
func TestRoundWithoutSecret(t *testing.T) {
	p := newPKI(t)
	tc := newTest(t, sim.Faults{}, p.byEAP(eap.TypeMSCHAPv2), func(l, r *core.Catalog) {
		psk := core.Auth{Method: core.AuthPSK, Round: 1, ID: l.Connections[0].Local[0].ID}
		l.Connections[0].Local = append(l.Connections[0].Local, psk)
		r.Connections[0].Remote = append(r.Connections[0].Remote, psk)
	})
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(5 * time.Second)
	_, told := tc.left.Done[op]
	tc.want("who waits is told", told)
	if told {
		tc.inOrder(tc.done(tc.left, op).Error(), []string{"NO_SECRET", `no pre-shared key for "left.example" (myself)`})
	}
	tc.want("so is the responder", len(sim.Told[core.Failed](tc.right)) == 1 && sim.Told[core.Failed](tc.right)[0].Reason.ByPeer)
	tc.w.Run(time.Minute)
	tc.end()
}
