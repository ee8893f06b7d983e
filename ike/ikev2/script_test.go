package ikev2_test

import (
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

var (
	leftAddr  = netip.MustParseAddr("192.0.2.1")
	rightAddr = netip.MustParseAddr("198.51.100.2")
)

// test is a script over two nodes, left and right.
type test struct {
	*testing.T
	w           *sim.World
	left, right *sim.Node
}

// pairOption changes the two sides before they are made.
type pairOption func(left, right *core.Catalog)

// newTest makes two nodes whose connection "site" has the children "net" and "web" in mirror image.
func newTest(t *testing.T, f sim.Faults, options ...pairOption) *test {
	t.Helper()
	if f.Min == 0 {
		f.Min, f.Max = 10*time.Millisecond, 10*time.Millisecond
	}
	return seeded(t, 1, f, options...)
}

func seeded(t *testing.T, seed uint64, f sim.Faults, options ...pairOption) *test {
	t.Helper()
	w := sim.New(seed, f)
	l := catalog("left.example", "right.example", "10.1.0.0/24", "10.2.0.0/24")
	r := catalog("right.example", "left.example", "10.2.0.0/24", "10.1.0.0/24")
	for _, option := range options {
		option(l, r)
	}
	tc := &test{T: t, w: w, left: w.Node("left", leftAddr, l), right: w.Node("right", rightAddr, r)}
	t.Cleanup(func() {
		for _, v := range w.Violations {
			t.Errorf("contract: %s", v)
		}
		if t.Failed() {
			t.Logf("left:\n%s\nright:\n%s", strings.Join(tc.left.Logs, "\n"), strings.Join(tc.right.Logs, "\n"))
		}
	})
	return tc
}

// want fails with the sentence unless it is true.
func (tc *test) want(sentence string, ok bool) {
	tc.Helper()
	if !ok {
		tc.Fatalf("not so: %s\nladder of left:\n%s", sentence, strings.Join(tc.left.Ladder(), "\n"))
	}
}

// done is the reason of a finished operation; it fails when it is not finished.
func (tc *test) done(n *sim.Node, op uint64) *core.Reason {
	tc.Helper()
	reason, finished := n.Done[op]
	tc.want("the operation is done", finished)
	return reason
}

// up brings "net" up from the left and lets everything settle.
func (tc *test) up() {
	tc.Helper()
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(time.Second)
	if reason := tc.done(tc.left, op); reason != nil {
		tc.Fatalf("the Child SA does not come up: %v", reason)
	}
	tc.same(1)
}

// same tells that both ends have n Child SAs, with each other's SPIs, keys and selectors.
func (tc *test) same(n int) {
	tc.Helper()
	l, r := tc.left.Children(), tc.right.Children()
	if len(l) != n || len(r) != n {
		tc.Fatalf("left has %d Child SAs and right %d, want %d", len(l), len(r), n)
	}
	for _, c := range l {
		in, out := tc.left.Path.In[c.SPIIn], tc.left.Path.Out[c.SPIOut]
		theirIn, theirOut := tc.right.Path.In[c.SPIOut], tc.right.Path.Out[c.SPIIn]
		tc.want("SAs are installed on both sides in both directions", in.SPI != 0 && out.SPI != 0 && theirIn.SPI != 0 && theirOut.SPI != 0)
		tc.want("keys are the same on both sides", in.EncrKey.Equal(theirOut.EncrKey) && out.EncrKey.Equal(theirIn.EncrKey) &&
			in.IntegKey.Equal(theirOut.IntegKey) && out.IntegKey.Equal(theirIn.IntegKey))
		tc.want("selectors mirror each other", texts(in.LocalTS) == texts(theirIn.RemoteTS) && texts(in.RemoteTS) == texts(theirIn.LocalTS))
	}
}

func texts(list []spd.TrafficSelector) string {
	var s []string
	for _, ts := range list {
		s = append(s, ts.String())
	}
	return strings.Join(s, " ")
}

func identity(s string) auth.Identity {
	id, err := auth.ParseIdentity(s)
	if err != nil {
		panic(err)
	}
	return id
}

func selector(s string) core.Selector {
	ts, dynamic, err := spd.Parse(s)
	if err != nil {
		panic(err)
	}
	return core.Selector{Dynamic: dynamic, TS: ts}
}

func ike(s string) []suite.Proposal { return parsed(suite.IKE, s) }
func esp(s string) []suite.Proposal { return parsed(suite.ESP, s) }

func parsed(p suite.Protocol, s string) []suite.Proposal {
	list, err := suite.Parse(p, s)
	if err != nil {
		panic(err)
	}
	return list
}

func childConfig(name, local, remote string) *core.Child {
	return &core.Child{
		Name: name, Proposals: esp("aes256gcm16"), LocalTS: []core.Selector{selector(local)}, RemoteTS: []core.Selector{selector(remote)},
		ReplayWindow: 32, Source: core.Position{File: "swanctl.conf", Line: 20},
		ProposalsSource: core.Position{File: "swanctl.conf", Line: 21}, RemoteTSSource: core.Position{File: "swanctl.conf", Line: 23},
	}
}

func catalog(local, remote, localTS, remoteTS string) *core.Catalog {
	conn := &core.Connection{
		Name: "site", Version: 2, Proposals: ike("aes256gcm16-prfsha384-x25519"), KeyingTries: 1,
		Local:    []core.Auth{{Method: core.AuthPSK, ID: identity(local), IDSource: core.Position{File: "swanctl.conf", Line: 9}}},
		Remote:   []core.Auth{{Method: core.AuthPSK, ID: identity(remote), IDSource: core.Position{File: "swanctl.conf", Line: 13}}},
		Children: []*core.Child{childConfig("net", localTS, remoteTS), childConfig("web", strings.Replace(localTS, "10.", "10.9", 1), strings.Replace(remoteTS, "10.", "10.9", 1))},
		Source:   core.Position{File: "swanctl.conf", Line: 2}, ProposalsSource: core.Position{File: "swanctl.conf", Line: 6},
	}
	return &core.Catalog{
		Connections: []*core.Connection{conn},
		Secrets: []*core.Secret{{
			Name: "ike-site", Kind: core.SecretIKE, Key: secret.Bytes("of no value"),
			Owners: []auth.Identity{identity(local), identity(remote)}, Source: core.Position{File: "swanctl.conf", Line: 40},
		}},
	}
}
