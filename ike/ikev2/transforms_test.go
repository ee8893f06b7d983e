package ikev2_test

import (
	"testing"

	"github.com/goswan/goswan/crypto/encr"
	"github.com/goswan/goswan/crypto/integ"
	"github.com/goswan/goswan/crypto/prf"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/sim"
)

// transformWords are the proposals, for IKE without a key exchange and for ESP, that name each encryption and integrity algorithm and
// each PRF that is not refused, with its longest key.
func transformWords() (ikes, esps []string) {
	for _, row := range encr.Transforms {
		if !row.Status.Usable() {
			continue
		}
		word := row.Keywords[len(row.Keywords)-1].Word
		if row.Name == "ENCR_CHACHA20_POLY1305" {
			word = row.Keywords[0].Word
		}
		if !row.AEAD {
			word += "-sha256"
		}
		esps = append(esps, word)
		if !row.ESPOnly {
			ikes = append(ikes, word+"-prfsha256")
		}
	}
	for _, row := range integ.Transforms {
		if row.Status.Usable() {
			ikes, esps = append(ikes, "aes256-"+row.Keywords[0]), append(esps, "aes128-"+row.Keywords[0])
		}
	}
	for _, row := range prf.Transforms {
		if row.Status.Usable() {
			ikes = append(ikes, "aes128gcm16-"+row.Keywords[0])
		}
	}
	return ikes, esps
}

// TestEveryTransform establishes an IKE SA and a Child SA with each algorithm, and rekeys both, which takes keys from the PRF in all ways
// there are.
func TestEveryTransform(t *testing.T) {
	ikes, esps := transformWords()
	for i := range max(len(ikes), len(esps)) {
		words, child := ikes[i%len(ikes)]+"-x25519", esps[i%len(esps)]+"-x25519"
		t.Run(words+"/"+child, func(t *testing.T) {
			tc := newTest(t, sim.Faults{}, func(l, r *core.Catalog) {
				for _, c := range []*core.Catalog{l, r} {
					c.Connections[0].Proposals, c.Connections[0].Children[0].Proposals = ike(words), esp(child)
				}
			})
			tc.up()
			for _, step := range []struct {
				sentence string
				by       *sim.Node
				rekey    core.Rekey
			}{
				{"the Child SA is rekeyed", tc.left, core.Rekey{Child: "net"}},
				{"the IKE SA is rekeyed", tc.left, core.Rekey{IKE: true}},
				{"the Child SA is rekeyed under the new IKE SA, by the other side", tc.right, core.Rekey{Child: "net"}},
			} {
				reason := tc.command(step.by, func(op uint64) core.Command { step.rekey.Op = op; return step.rekey })
				tc.want(step.sentence, reason == nil)
				tc.same(1)
			}
		})
	}
}
