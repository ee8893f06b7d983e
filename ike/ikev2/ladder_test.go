package ikev2_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/sim"
)

var update = flag.Bool("update", false, "write the ladders of testdata/ladder anew")

// ladder is what both ends saw, in the order of time, with the payloads one by one.
func (tc *test) ladder() func() string {
	var b strings.Builder
	begin := tc.w.Now()
	for _, n := range []*sim.Node{tc.left, tc.right} {
		n.Watch = func(o core.Output) {
			at := fmt.Sprintf("%6d ms  %-5s ", tc.w.Now().Sub(begin).Milliseconds(), n.Name)
			switch o := o.(type) {
			case core.Message:
				if o.Outbound {
					kind := map[bool]string{false: "request", true: "response"}[o.Response]
					fmt.Fprintf(&b, "%s▶ %s %s %d, phase %d\n", at, o.Exchange, kind, o.MessageID, o.Phase)
					for _, d := range o.Detail {
						fmt.Fprintf(&b, "%18s%s\n", "", d)
					}
				}
			case core.InstallSA:
				fmt.Fprintf(&b, "%sinstalls an SA, %s\n", at, way(o.Params.Direction))
			case core.RemoveSA:
				fmt.Fprintf(&b, "%sremoves an SA, %s\n", at, way(o.Direction))
			case core.Established, core.IKERekeyed, core.IKEDown, core.ChildUp, core.ChildRekeyed, core.ChildDown, core.Closed:
				fmt.Fprintf(&b, "%s%s\n", at, strings.TrimPrefix(fmt.Sprintf("%T", o), "core."))
			case core.Failed:
				fmt.Fprintf(&b, "%sFailed: %v\n", at, o.Reason)
			case core.Done:
				fmt.Fprintf(&b, "%sDone: %v\n", at, o.Reason)
			}
		}
	}
	return b.String
}

// TestLadders compares whole runs with what was reviewed before: testdata/ladder has one file for each. After a change that
// is meant, run with -update and read the difference.
func TestLadders(t *testing.T) {
	both := func(tc *test, c func(op uint64) core.Command) {
		for _, n := range []*sim.Node{tc.left, tc.right} {
			n.Command(n.Lineage("site"), c)
		}
		tc.w.Run(10 * time.Second)
	}
	for _, s := range []struct {
		name   string
		option pairOption
		run    func(tc *test)
	}{
		{"establish", func(_, _ *core.Catalog) {}, func(tc *test) {
			tc.left.Initiate("site", "net", rightAddr)
			tc.w.Run(time.Second)
			tc.command(tc.left, func(op uint64) core.Command { return core.Delete{Op: op, IKE: true} })
			tc.w.Run(time.Minute)
		}},
		{"invalid-ke", func(l, r *core.Catalog) {
			l.Connections[0].Proposals, r.Connections[0].Proposals = ike("aes256gcm16-prfsha384-ecp256-x25519"), ike("aes256gcm16-prfsha384-ecp384-x25519")
		}, func(tc *test) {
			tc.left.Initiate("site", "net", rightAddr)
			tc.w.Run(time.Second)
		}},
		{"wrong-psk", func(_, r *core.Catalog) { r.Secrets[0].Key = []byte("of another value") }, func(tc *test) {
			tc.left.Initiate("site", "net", rightAddr)
			tc.w.Run(time.Minute)
		}},
		{"rekey-child", func(_, _ *core.Catalog) {}, func(tc *test) {
			tc.up()
			tc.command(tc.right, func(op uint64) core.Command { return core.Rekey{Op: op, Child: "net"} })
			tc.w.Run(10 * time.Second)
		}},
		{"rekey-child-by-both", func(_, _ *core.Catalog) {}, func(tc *test) {
			tc.up()
			both(tc, func(op uint64) core.Command { return core.Rekey{Op: op, Child: "net"} })
		}},
		{"rekey-ike", func(_, _ *core.Catalog) {}, func(tc *test) {
			tc.up()
			tc.command(tc.left, func(op uint64) core.Command { return core.Rekey{Op: op, IKE: true} })
		}},
		{"rekey-ike-by-both", func(_, _ *core.Catalog) {}, func(tc *test) {
			tc.up()
			both(tc, func(op uint64) core.Command { return core.Rekey{Op: op, IKE: true} })
		}},
	} {
		t.Run(s.name, func(t *testing.T) {
			tc := newTest(t, sim.Faults{}, s.option)
			ladder := tc.ladder()
			s.run(tc)
			file := filepath.Join("testdata", "ladder", s.name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(ladder()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got := ladder(); got != string(want) {
				t.Errorf("the ladder is not what %s has; run with -update and read the difference. It is:\n%s", file, got)
			}
		})
	}
}
