package goswan

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/tun/netstack"
)

const poolsText = `pools {
  dialin {
    addrs = 10.3.0.0/24
    dns = 10.2.0.53
    25 = corp.example
  }
}
`

// virtualTexts are moon, which asks for a virtual address, and sun, its gateway.
func virtualTexts() (moon, sun text) {
	moon, sun = moonText(), sunText()
	moon.localTS, sun.remoteTS = "dynamic", "dynamic"
	moon.conn, sun.conn = "vips = 0.0.0.0", "pools = dialin"
	return moon, sun
}

// withPools adds the pools to an end's catalog.
func withPools(t *testing.T, c text) func(*Config) {
	return func(cfg *Config) {
		catalog, _, err := config.Loader{}.Parse("swanctl.conf", []byte(c.String()+poolsText))
		if err != nil {
			t.Fatal(err)
		}
		cfg.Catalog = catalog
	}
}

// TestVirtualAddressOnTheStack has a program without root get its address and its name server from the gateway.
func TestVirtualAddressOnTheStack(t *testing.T) {
	n := encap.NewNetwork()
	m, s := virtualTexts()
	device, err := netstack.New(netstack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	far, err := netstack.New(netstack.Config{Addresses: []netip.Addr{netip.MustParseAddr("10.2.0.1")}})
	if err != nil {
		t.Fatal(err)
	}
	moon := newEnd(t, n, m, func(c *Config) { c.Device = device }).start()
	sun := newEnd(t, n, s, withPools(t, s), func(c *Config) { c.Device = far }).start()
	l, err := sun.ListenTCP(netip.MustParseAddrPort("10.2.0.1:7"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() { // says who calls
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, c.RemoteAddr().String())
		_ = c.Close()
	}()
	if err := moon.Initiate(t.Context(), InitiateRequest{Child: "net"}); err != nil {
		t.Fatal(err)
	}
	c, err := moon.DialContext(t.Context(), "tcp", "10.2.0.1:7")
	if err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(c)
	_ = c.Close()
	if err != nil || !strings.HasPrefix(string(said), "10.3.0.1:") {
		t.Errorf("the far end is called from %q (%v), want the virtual address", said, err)
	}
	gone := make(chan struct{})
	defer moon.Subscribe(func(ev Event) {
		if _, ok := ev.What.(core.Withdrawn); ok {
			close(gone)
		}
	})()
	if _, err := moon.Terminate(t.Context(), SelectSAs{IKE: "site"}, false); err != nil {
		t.Fatal(err)
	}
	<-gone
	if c, err := moon.DialContext(t.Context(), "udp", "10.2.0.1:7"); err == nil {
		_ = c.Close()
		t.Error("without the IKE SA the stack has an address still")
	}
}

// TestReauthenticationKeepsTheAddress has the gateway want it (RFC 4478), in either order.
func TestReauthenticationKeepsTheAddress(t *testing.T) {
	for _, makeFirst := range []bool{true, false} {
		t.Run(fmt.Sprintf("make before break %v", makeFirst), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := encap.NewNetwork()
				m, s := virtualTexts()
				s.conn += "\n reauth_time = 1h\n rand_time = 0\n rekey_time = 0\n over_time = 6m"
				settings := core.DefaultSettings()
				settings.MakeBeforeBreak = makeFirst
				moon := newEnd(t, n, m, func(c *Config) { c.Settings = &settings }).start()
				sun := newEnd(t, n, s, withPools(t, s)).start()
				moon.up()
				// Another laptop's lease stands behind moon's.
				_, err := sun.leases.Lease(core.LeaseRequest{Pools: []string{"dialin"}, Requested: netip.IPv4Unspecified()})
				want(t, "another has the next address", err == nil)
				pass(time.Minute)
				for range 3 {
					old := moon.IKESAs()[0].UniqueID
					pass(time.Hour)
					want(t, "there is one IKE SA with its child at both ends", moon.children() == "site/net" && sun.children() == "site/net")
					sa := moon.IKESAs()[0]
					want(t, "it is a new one", sa.UniqueID != old)
					want(t, "it has the same address", fmt.Sprint(sa.Assigned.Addresses) == "[10.3.0.1]")
					want(t, "packets pass", reaches(t, moon, sun, "10.3.0.1", "10.2.0.1") && reaches(t, sun, moon, "10.2.0.1", "10.3.0.1"))
					want(t, "there is one lease of it", sun.leases.Status()[0].Online == 2)
				}
				want(t, "the order is as configured", upBeforeDown(moon) == makeFirst)
			})
		})
	}
}

// TestInitialContactTakesTheAddressOver has moon forget everything and come again.
func TestInitialContactTakesTheAddressOver(t *testing.T) {
	for unique, address := range map[string]string{"no": "10.3.0.1", "replace": "10.3.0.1", "never": "10.3.0.2", "keep": "10.3.0.1"} {
		t.Run(unique, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := encap.NewNetwork()
				m, s := virtualTexts()
				s.conn += "\n unique = " + unique
				sun := newEnd(t, n, s, withPools(t, s), func(c *Config) { c.Catalog.Connections[0].RemoteAddrs = nil }).start()
				m.localAddr = netip.MustParseAddr("192.0.2.7")
				lost := newEnd(t, n, m).start()
				lost.up()
				m.localAddr = moonAddr
				again := newEnd(t, n, m).start() // which knows of no other IKE SA, and says so
				again.up()
				pass(time.Second)
				got := again.IKESAs()
				want(t, "it has the address that its policy gives", len(got) == 1 && fmt.Sprint(got[0].Assigned.Addresses) == "["+address+"]")
				sas := sun.IKESAs()
				want(t, "the gateway has as many IKE SAs as the policy wants", len(sas) == map[bool]int{true: 2, false: 1}[unique == "never"])
			})
		})
	}
}

// TestTrapForAVirtualAddress has a packet from the host's own address start the negotiation, once.
func TestTrapForAVirtualAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := encap.NewNetwork()
		m, s := virtualTexts()
		m.child = "start_action = trap"
		moon := newEnd(t, n, m).start()
		sun := newEnd(t, n, s, withPools(t, s)).start()
		synctest.Wait()
		want(t, "the trap is for every address of the family", fmt.Sprint(moon.Policies()[0].LocalTS) == "[0.0.0.0/0]")
		_ = reaches(t, moon, sun, "192.0.2.1", "10.2.0.1")
		pass(time.Second)
		want(t, "the packet brings the child up", moon.children() == "site/net")
		want(t, "packets from the virtual address pass", reaches(t, moon, sun, "10.3.0.1", "10.2.0.1"))
		_ = reaches(t, moon, sun, "192.0.2.1", "10.2.0.1")
		pass(time.Second)
		want(t, "another one does not make another child", moon.children() == "site/net")
	})
}

// TestLeasesOfTheEndpoint has them in a file, and shows them by vici.
func TestLeasesOfTheEndpoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.db")
	_, s := virtualTexts()
	for _, online := range []bool{true, false} {
		n := encap.NewNetwork()
		sun := newEnd(t, n, s, withPools(t, s), func(c *Config) { c.Leases = path })
		d := &viciDaemon{e: sun.Endpoint}
		if online {
			if _, err := sun.leases.Lease(core.LeaseRequest{Pools: []string{"dialin"}, Peer: auth.Identity{Type: auth.IDFQDN, Data: "moon"}, Requested: netip.IPv4Unspecified()}); err != nil {
				t.Fatal(err)
			}
		}
		got := d.Pools()[0]
		if got.Base != "10.3.0.1" || got.Size != 254 || len(got.Leases) != 1 || got.Leases[0].Identity != "moon" || got.Leases[0].Online != online {
			t.Errorf("the pool is shown as %+v, want moon's lease online: %v", got, online)
		}
		if err := sun.stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNamesOfSeveralPeers(t *testing.T) {
	v := &virtual{given: map[uint64]core.Assignment{}}
	give := func(lineage uint64, servers, domains string) {
		a := core.Assignment{Domains: strings.Fields(domains)}
		for s := range strings.FieldsSeq(servers) {
			a.DNS = append(a.DNS, netip.MustParseAddr(s))
		}
		v.given[lineage] = a
		v.order = slices.Insert(v.order, 0, lineage)
	}
	check := func(want string) {
		t.Helper()
		if servers, domains := v.names(); fmt.Sprint(servers, domains) != want {
			t.Errorf("the resolver is given %v %v, want %s", servers, domains, want)
		}
	}
	check("[] []")
	give(1, "10.2.0.53 10.2.0.54", "corp.example")
	check("[10.2.0.53 10.2.0.54] [corp.example]")
	give(2, "10.9.0.53 10.2.0.53", "lab.example corp.example")
	check("[10.9.0.53 10.2.0.53 10.2.0.54] [lab.example corp.example]")
	give(3, "", "nothing.example")
	check("[10.9.0.53 10.2.0.53 10.2.0.54] [lab.example corp.example]")
	give(4, "10.4.0.53", "")
	check("[10.4.0.53 10.9.0.53 10.2.0.53 10.2.0.54] []")
}

// TestStaticAddressesByVICI has swanctl.conf's addresses of single peers, which strongSwan's swanctl does not send.
func TestStaticAddressesByVICI(t *testing.T) {
	dir := t.TempDir()
	conf := "pools {\n office {\n addrs = 10.3.0.0/24\n static-alice {\n id = alice@example.org\n addr = 10.3.0.10\n }\n }\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "swanctl.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	sun := newEnd(t, encap.NewNetwork(), sunText())
	d := &viciDaemon{e: sun.Endpoint, loader: config.Loader{Path: dir}}
	load := func(fill func(*settings.Section)) {
		t.Helper()
		s := settings.New("office", settings.Position{})
		fill(s)
		if err := d.LoadPool(s); err != nil {
			t.Fatal(err)
		}
	}
	shows := func(identity string) bool {
		leases := d.Pools()[0].Leases
		return len(leases) == 1 && leases[0].Address == "10.3.0.10" && leases[0].Identity == identity && !leases[0].Online
	}
	load(func(s *settings.Section) { s.Set("addrs", "10.3.0.0/24", settings.Position{}) })
	want(t, "a pool as it stands in the file has its addresses", shows("alice@example.org"))
	load(func(s *settings.Section) { s.Set("addrs", "10.3.0.0/25", settings.Position{}) })
	want(t, "another one has not", len(d.Pools()[0].Leases) == 0)
	load(func(s *settings.Section) {
		s.Set("addrs", "10.3.0.0/25", settings.Position{})
		sub := s.Ensure("static-bob", settings.Position{})
		sub.Set("id", "bob", settings.Position{})
		sub.Set("addr", "10.3.0.10", settings.Position{})
	})
	want(t, "a message may have them itself", shows("bob"))
	lease, err := sun.leases.Lease(core.LeaseRequest{Pools: []string{"radius"}, Requested: netip.IPv4Unspecified(), Granted: []netip.Addr{netip.MustParseAddr("10.9.0.1")}})
	pools := d.Pools()
	want(t, "what a RADIUS server granted is shown", err == nil && lease.Pool == "radius" && len(pools) == 2 && pools[1].Base == "RADIUS" && pools[1].Online == 1)
}
