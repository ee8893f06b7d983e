package ikev2_test

import (
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/sim"
)

func TestEstablish(t *testing.T) {
	tc := newTest(t, sim.Faults{})
	tc.up()
	tc.want("it takes four messages", strings.Join(tc.left.Ladder(), "\n") == strings.Join([]string{
		"▶ IKE_SA_INIT request 0 [ SA KE No N(NATD_S_IP) N(NATD_D_IP) N(FRAG_SUP) N(HASH_ALG) ]",
		"◀ IKE_SA_INIT response 0 [ SA KE No N(NATD_S_IP) N(NATD_D_IP) N(FRAG_SUP) N(HASH_ALG) N(CHDLESS_SUP) ]",
		"▶ IKE_AUTH request 1 [ IDi N(INIT_CONTACT) IDr AUTH SA TSi TSr ]",
		"◀ IKE_AUTH response 1 [ IDr AUTH SA TSi TSr ]",
	}, "\n"))
	up := sim.Told[core.Established](tc.right)
	tc.want("the responder tells that it is established, with the peer's INITIAL_CONTACT", len(up) == 1 && up[0].InitialContact && up[0].IKE.RemoteID == identity("left.example"))
	tc.want("both moved to port 4500", up[0].IKE.Local.Port() == 4500 && up[0].IKE.Remote.Port() == 4500)
	op := tc.left.Command(tc.left.Lineage("site"), func(op uint64) core.Command { return core.Delete{Op: op, IKE: true} })
	tc.w.Run(time.Minute)
	tc.want("the IKE SA is deleted on both sides", tc.done(tc.left, op) == nil && len(tc.left.Lineages()) == 0 && len(tc.right.Lineages()) == 0)
}
