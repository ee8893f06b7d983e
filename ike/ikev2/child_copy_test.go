package ikev2_test

import (
	"fmt"
	"testing"

	espsa "github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/sim"
)

// TestHeaderFieldsToCopy: both directions of a Child SA are installed with its copy_dscp, copy_ecn, copy_df and mss_clamp.
func TestHeaderFieldsToCopy(t *testing.T) {
	for word, want := range map[string]espsa.CopyDSCP{
		"": espsa.CopyDSCPOut, "out": espsa.CopyDSCPOut, "in": espsa.CopyDSCPIn, "yes": espsa.CopyDSCPBoth, "no": espsa.CopyDSCPNever,
	} {
		for _, ecn := range []bool{true, false} {
			df, mss := !ecn, espsa.MSSFromPath
			if ecn {
				mss = 1200
			}
			tc := newTest(t, sim.Faults{}, func(l, _ *core.Catalog) {
				child := l.Connections[0].Children[0]
				child.CopyDSCP, child.CopyECN, child.CopyDF, child.MSSClamp = word, ecn, df, mss
			})
			installed := 0
			tc.left.Watch = func(o core.Output) {
				if sa, ok := o.(core.InstallSA); ok {
					installed++
					tc.want(fmt.Sprintf("copy_dscp = %q and copy_ecn = %v are carried to the data path", word, ecn),
						sa.Params.CopyDSCP == want && sa.Params.KeepECN == !ecn)
					tc.want(fmt.Sprintf("copy_df = %v and mss_clamp = %d are carried to the data path", df, mss),
						sa.Params.IgnoreDF == !df && sa.Params.MSSClamp == mss)
				}
			}
			tc.up()
			tc.want("both directions are installed", installed == 2)
			tc.end()
		}
	}
}
