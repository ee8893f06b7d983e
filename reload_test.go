package goswan

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/goswan/goswan/config/creds"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
)

// renewedCA is a configuration in which the file of the peer's CA has another certificate than in parse's.
func renewedCA(t *testing.T, c text, file string) *core.Catalog {
	t.Helper()
	all, err := creds.ReadCertificates("config/creds/testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	catalog := parse(t, c)
	catalog.Connection("site").Remote[0].CACerts = []*auth.Certificate{all[0]}
	return catalog
}

// TestLoadCredentials has a tunnel up while what its connection's files hold changes: the connection takes it, with its traps, and
// nothing goes down or is begun.
func TestLoadCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := encap.NewNetwork()
		mine := moonText()
		mine.child = "start_action = trap"
		first := renewedCA(t, mine, "ca.pem")
		moon := newEnd(t, n, mine, func(c *Config) { c.Catalog = first }).start()
		newEnd(t, n, sunText()).start()
		moon.up()
		pass(time.Minute)
		before, came := moon.IKESAs()[0], len(told[core.ChildUp](moon))

		next := renewedCA(t, mine, "rsa.crt.pem")
		next.Pools = []*core.Pool{{Name: "ignored", Addrs: "10.9.0.0/24"}}
		want(t, "a connection that says the same but for certificates is taken", moon.LoadCredentials(next) == nil && moon.Catalog().Connection("site") == next.Connection("site"))
		pass(time.Minute)
		after := moon.IKESAs()[0]
		want(t, "the SAs stay", after.UniqueID == before.UniqueID && after.Children[0].SPIIn == before.Children[0].SPIIn && after.Config == next.Connection("site"))
		want(t, "nothing was begun", len(told[core.ChildUp](moon)) == came && len(told[core.ChildDown](moon)) == 0)
		want(t, "pools wait for Load", len(moon.Catalog().Pools) == 0)
		traps := moon.policies.list()
		want(t, "the trap negotiates the connection as it is now", len(traps) == 1 && traps[0].conn == next.Connection("site") && traps[0].child == next.Connection("site").Children[0])

		other := mine
		other.conn = "mobike = no"
		want(t, "a connection that says something else waits for Load", moon.LoadCredentials(renewedCA(t, other, "ca.pem")) == nil && moon.Catalog().Connection("site") == next.Connection("site"))
		gone := parse(t, mine)
		gone.Secrets = nil
		want(t, "a secret that is gone goes", moon.LoadCredentials(gone) == nil && len(moon.Catalog().Secrets) == 0)
		moon.Load(parse(t, other))
		want(t, "Load takes all", !moon.Catalog().Connection("site").Mobike && len(moon.Catalog().Secrets) == 1)
	})
}
