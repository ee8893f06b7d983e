package ikev2_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/sim"
)

// TestConnectionByAddress lets the responder choose among connections by local_addrs and remote_addrs.
func TestConnectionByAddress(t *testing.T) {
	for _, c := range []struct {
		pattern string
		fits    bool
	}{
		{"%any", true}, {"%any4", true}, {"%any6", false}, {"0.0.0.0/0", true}, {"::/0", false}, {"0.0.0.0", true}, {"::", false},
		{"192.0.2.1", true}, {"192.0.2.2", false}, {"192.0.2.0/24", true}, {"203.0.113.0/24", false},
		{"192.0.2.0-192.0.2.9", true}, {"192.0.2.2-192.0.2.9", false}, {"2001:db8::1", false},
		{"left.example", true}, {"right.example", false},
	} {
		tc := newTest(t, sim.Faults{}, func(_, r *core.Catalog) { r.Connections[0].RemoteAddrs = []string{"203.0.113.77", c.pattern} })
		tc.right.Env.Resolve = func(host string) []netip.Addr {
			if host == "left.example" {
				return []netip.Addr{leftAddr}
			}
			return nil
		}
		op := tc.left.Initiate("site", "net", rightAddr)
		tc.w.Run(3 * time.Second)
		if up := tc.done(tc.left, op) == nil; up != c.fits {
			t.Errorf("remote_addrs = %s: a peer at %s comes up: %v, want %v", c.pattern, leftAddr, up, c.fits)
		}
	}
}

// TestConnectionByIdentity has the responder tell connections of one address apart by identities and secrets.
func TestConnectionByIdentity(t *testing.T) {
	tc := newTest(t, sim.Faults{}, func(_, r *core.Catalog) {
		site := r.Connections[0]
		other, group, named := *site, *site, *site
		other.Name, other.Remote = "other", []core.Auth{{Method: core.AuthPSK, ID: identity("other.example")}}
		group.Name, group.Remote = "group", []core.Auth{{Method: core.AuthPSK, ID: identity("*.example")}}
		named.Name, named.Remote, named.Local = "named", site.Remote, []core.Auth{{Method: core.AuthPSK, ID: identity("third.example")}}
		r.Connections = []*core.Connection{&other, &group, &named, site}
		r.Secrets = append([]*core.Secret{{Name: "ike-any", Kind: core.SecretIKE, Key: secret.Bytes("for anybody")}, {Name: "eap", Kind: core.SecretEAP, Key: secret.Bytes("no IKE")}}, r.Secrets...)
	})
	tc.up()
	tc.want("the closest identity wins, and its own secret", tc.right.IKESAs()[0].Conn == "site")
	tc.end()
}

// TestIdentities uses each type of identity on the way (RFC 7296 §3.5).
func TestIdentities(t *testing.T) {
	for _, id := range []string{"192.0.2.1", "2001:db8::1", "left.example", "carol@example.org", "C=CH, O=goswan, CN=left", "keyid:office", "@#0102ff"} {
		tc := newTest(t, sim.Faults{}, func(l, r *core.Catalog) {
			l.Connections[0].Local[0].ID, r.Connections[0].Remote[0].ID = identity(id), identity(id)
			l.Secrets[0].Owners, r.Secrets[0].Owners = []auth.Identity{identity(id)}, []auth.Identity{identity(id)}
		})
		tc.up()
		tc.want(id+" is who the responder sees", tc.right.IKESAs()[0].RemoteID == identity(id))
		tc.end()
	}
}

// TestNoIdentities leaves them out: each side is its address.
func TestNoIdentities(t *testing.T) {
	tc := newTest(t, sim.Faults{}, func(l, r *core.Catalog) {
		for _, c := range []*core.Catalog{l, r} {
			c.Connections[0].Local[0].ID, c.Connections[0].Remote[0].ID = auth.Identity{}, auth.Identity{}
			c.Secrets[0].Owners = nil
		}
	})
	tc.up()
	s := tc.left.IKESAs()[0]
	tc.want("by the addresses", s.LocalID == identity("192.0.2.1") && s.RemoteID == identity("198.51.100.2"))
	tc.want("and asks for nobody", !strings.Contains(strings.Join(tc.left.Ladder(), "\n"), "IDr AUTH SA TSi TSr ]\n◀ IKE_AUTH response 2"))
	tc.end()
}

// TestProposalOfTheConnection: IKE_SA_INIT knows only addresses; IKE_AUTH must not end in a connection that does not accept
// what was chosen.
func TestProposalOfTheConnection(t *testing.T) {
	tc := newTest(t, sim.Faults{}, func(_, r *core.Catalog) {
		weak := *r.Connections[0]
		weak.Name, weak.Remote = "anybody", []core.Auth{{Method: core.AuthPSK}}
		r.Connections[0].Proposals = ike("aes128-sha256-ecp256")
		r.Connections = append(r.Connections, &weak)
	})
	tc.up()
	tc.want("the other connection takes it", tc.right.IKESAs()[0].Conn == "anybody")
	tc.end()
}

// TestUnusableAuthentication is a connection that says how to authenticate in a way that this machine cannot.
func TestUnusableAuthentication(t *testing.T) {
	tc := newTest(t, sim.Faults{}, func(l, _ *core.Catalog) { l.Connections[0].Local[0].Method = "xauth" })
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(time.Second)
	tc.says("left", tc.done(tc.left, op).Error(), `phase 1 IKE_AUTH: CONFIGURATION: authentication by "xauth" in round 0 is not possible; write `+"`auth = psk` or `auth = pubkey`")
	tc.w.Run(time.Minute)
	tc.end()

	tc = newTest(t, sim.Faults{}, func(l, _ *core.Catalog) { l.Connections[0].Proposals = nil })
	op = tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(time.Second)
	tc.want("nor without a proposal", tc.done(tc.left, op).Kind == core.BadConfig)
	tc.end()
}

// TestBusy gives a lineage more than it takes.
func TestBusy(t *testing.T) {
	tc := newTest(t, sim.Faults{})
	tc.up()
	l := tc.left.Lineage("site")
	var ops []uint64
	for range 600 {
		ops = append(ops, tc.left.Command(l, func(op uint64) core.Command { return core.Liveness{Op: op} }))
	}
	refused := 0
	tc.w.Run(time.Minute)
	for _, op := range ops {
		if tc.done(tc.left, op) != nil {
			refused++
		}
	}
	tc.want("what is too much is refused, the rest is done", refused > 50 && refused < 100)
	tc.end()
}

// TestManyChildren asks for more Child SAs than one peer may have.
func TestManyChildren(t *testing.T) {
	tc := newTest(t, sim.Faults{Min: time.Microsecond}, func(l, r *core.Catalog) {
		l.Connections[0].Children[0] = childConfig("net", "10.1.0.0/16", "10.2.0.0/16")
		r.Connections[0].Children = []*core.Child{childConfig("net", "10.2.0.0/16", "10.1.0.0/16")}
	})
	tc.up()
	l := tc.left.Lineage("site")
	var worst *core.Reason
	for i := range 300 {
		child := childConfig("c"+strings.Repeat("x", i), "10.1.0.0/16", "10.2.0.0/16")
		op := tc.left.Command(l, func(op uint64) core.Command { return core.Initiate{Op: op, Child: child} })
		tc.w.Run(10 * time.Millisecond)
		if reason := tc.done(tc.left, op); reason != nil {
			worst = reason
		}
	}
	tc.want("the responder has its limit", worst != nil && worst.Kind == core.NoAdditionalSAs && len(tc.right.Children()) == 256)
	tc.end()
}
