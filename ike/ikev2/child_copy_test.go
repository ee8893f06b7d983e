package ikev2_test

import (
	"fmt"
	"testing"

	espsa "github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/sim"
)

// TestHeaderFieldsToCopy: both directions of a Child SA are installed with its copy_dscp and copy_ecn.
func TestHeaderFieldsToCopy(t *testing.T) {
	for word, want := range map[string]espsa.CopyDSCP{
		"": espsa.CopyDSCPOut, "out": espsa.CopyDSCPOut, "in": espsa.CopyDSCPIn, "yes": espsa.CopyDSCPBoth, "no": espsa.CopyDSCPNever,
	} {
		for _, ecn := range []bool{true, false} {
			tc := newTest(t, sim.Faults{}, func(l, _ *core.Catalog) {
				child := l.Connections[0].Children[0]
				child.CopyDSCP, child.CopyECN = word, ecn
			})
			installed := 0
			tc.left.Watch = func(o core.Output) {
				if sa, ok := o.(core.InstallSA); ok {
					installed++
					tc.want(fmt.Sprintf("copy_dscp = %q and copy_ecn = %v are carried to the data path", word, ecn),
						sa.Params.CopyDSCP == want && sa.Params.KeepECN == !ecn)
				}
			}
			tc.up()
			tc.want("both directions are installed", installed == 2)
			tc.end()
		}
	}
}
