package sim_test

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/sim"
)

func proposals(t *testing.T, p suite.Protocol, s string) []suite.Proposal {
	t.Helper()
	list, err := suite.Parse(p, s)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func catalog(t *testing.T, local, remote, localTS, remoteTS string) *core.Catalog {
	t.Helper()
	id := func(s string) auth.Identity { return auth.Identity{Type: auth.IDFQDN, Data: s} }
	child := &core.Child{
		Name: "net", Proposals: proposals(t, suite.ESP, "aes128-sha256-x25519"), RekeyTime: time.Minute, LifeTime: 5 * time.Minute,
		LocalTS: []core.Selector{{TS: spd.MustParse(localTS)}}, RemoteTS: []core.Selector{{TS: spd.MustParse(remoteTS)}}, ReplayWindow: 32,
	}
	return &core.Catalog{
		Connections: []*core.Connection{{
			Name: "site", Version: 2, Proposals: proposals(t, suite.IKE, "aes128-sha256-x25519"), KeyingTries: 1, DPDDelay: 20 * time.Second,
			Local: []core.Auth{{Method: core.AuthPSK, ID: id(local)}}, Remote: []core.Auth{{Method: core.AuthPSK, ID: id(remote)}},
			Children: []*core.Child{child}, RekeyTime: 3 * time.Minute, OverTime: 10 * time.Minute,
		}},
		Secrets: []*core.Secret{{Name: "ike", Kind: core.SecretIKE, Key: secret.Bytes("of no value")}},
	}
}

// recorded runs two nodes over a bad network for a while, with both writing everything down.
func recorded(t *testing.T, seed uint64) (left, right *sim.Node) {
	t.Helper()
	w := sim.New(seed, sim.Faults{Loss: 0.1, Duplicate: 0.1, Min: time.Millisecond, Max: 200 * time.Millisecond})
	left = w.Node("left", netip.MustParseAddr("192.0.2.1"), catalog(t, "left", "right", "10.1.0.0/24", "10.2.0.0/24"))
	right = w.Node("right", netip.MustParseAddr("198.51.100.2"), catalog(t, "right", "left", "10.2.0.0/24", "10.1.0.0/24"))
	left.Record, right.Record = true, true
	left.Initiate("site", "net", right.Addr)
	w.Run(time.Minute)
	r := rand.New(rand.NewPCG(seed, 1))
	for range 20 {
		n := []*sim.Node{left, right}[r.IntN(2)]
		if l := n.Lineage("site"); l != nil {
			n.Command(l, func(op uint64) core.Command {
				return []core.Command{
					core.Rekey{Op: op, Child: "net"}, core.Rekey{Op: op, IKE: true}, core.Liveness{Op: op},
					core.Move{Local: netip.AddrPortFrom(n.Addr, 4500)}, core.Delete{Op: op, Child: "web"},
				}[r.IntN(5)]
			})
		}
		left.Send()
		right.Send()
		w.Run(20 * time.Second)
	}
	if l := left.Lineage("site"); l != nil {
		left.Command(l, func(op uint64) core.Command { return core.Delete{Op: op, IKE: true} })
	}
	w.Run(10 * time.Minute)
	for _, v := range w.Violations {
		t.Error(v)
	}
	return left, right
}

// TestReplay plays recordings back: the run is the same to the octet.
func TestReplay(t *testing.T) {
	for seed := range uint64(20) {
		left, right := recorded(t, seed)
		for _, n := range []*sim.Node{left, right} {
			for _, l := range n.All() {
				if _, err := sim.Replay(bytes.NewReader(l.Recording.Bytes()), n.Catalog); err != nil {
					t.Fatalf("seed %d, %s: %v", seed, n.Name, err)
				}
			}
		}
	}
}

// TestReplayTellsDifferences changes a recording, or the configuration it is played with.
func TestReplayTellsDifferences(t *testing.T) {
	left, _ := recorded(t, 1)
	recording := left.All()[0].Recording.String()
	lines := strings.SplitAfter(recording, "\n")
	for name, changed := range map[string]string{
		"an output less":   strings.Replace(recording, firstWith(lines, `"out":"Send`), "", 1),
		"an answer less":   strings.Replace(recording, firstWith(lines, `"kind":"rand"`), "", 1),
		"another output":   strings.Replace(recording, `"out":"InstallSA 1`, `"out":"InstallSA 2`, 1),
		"no machine":       strings.Join(lines[1:], ""),
		"no JSON":          "{" + recording,
		"an input unknown": strings.Replace(recording, `"kind":"initiate"`, `"kind":"invite"`, 1),
	} {
		if changed == recording {
			t.Fatalf("%s: nothing was changed", name)
		}
		if _, err := sim.Replay(strings.NewReader(changed), left.Catalog); err == nil {
			t.Errorf("%s: the difference is not told", name)
		}
	}
	other := catalog(t, "left", "right", "10.1.0.0/24", "10.3.0.0/24")
	if _, err := sim.Replay(strings.NewReader(recording), other); err == nil {
		t.Error("with another configuration the run is the same")
	}
	if strings.Contains(recording, "of no value") {
		t.Error("the pre-shared key is in the recording")
	}
}

func firstWith(lines []string, part string) string {
	for _, l := range lines {
		if strings.Contains(l, part) {
			return l
		}
	}
	return "?"
}
