package ikev2_test

import (
	"slices"
	"testing"

	"github.com/goswan/goswan/crypto/ke"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/sim"
)

// TestEveryKeyExchange uses each key exchange for an IKE SA, the rekeying of its Child SA, and its own rekeying from the other
// side: also those whose two Key Exchange Data are not of one length.
func TestEveryKeyExchange(t *testing.T) {
	for _, r := range ke.Transforms {
		if !r.Status.Usable() {
			continue
		}
		t.Run(r.Keywords[0], func(t *testing.T) {
			tc := newTest(t, sim.Faults{}, func(left, right *core.Catalog) {
				for _, c := range []*core.Catalog{left, right} {
					c.Connections[0].Proposals = ike("aes256gcm16-prfsha384-" + r.Keywords[0])
					c.Connections[0].Children[0].Proposals = esp("aes256gcm16-" + r.Keywords[0])
				}
			})
			has := func(p suite.Proposal) bool {
				return slices.Contains(p.Transforms, suite.Transform{Type: suite.KE, ID: r.ID})
			}
			tc.up()
			tc.want("the IKE SA has the key exchange", has(tc.left.IKESAs()[0].Suite))
			reason := tc.command(tc.left, func(op uint64) core.Command { return core.Rekey{Op: op, Child: "net"} })
			tc.want("the Child SA is rekeyed with it", reason == nil && has(tc.left.Children()[0].Suite))
			reason = tc.command(tc.right, func(op uint64) core.Command { return core.Rekey{Op: op, IKE: true} })
			tc.want("the IKE SA is rekeyed with it", reason == nil && has(tc.right.IKESAs()[0].Suite))
			tc.end()
		})
	}
}
