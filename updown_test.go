package goswan

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"go.uber.org/zap"
)

func selector(t *testing.T, text string) spd.TrafficSelector {
	t.Helper()
	ts, _, err := spd.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return ts
}

func updownStatus(t *testing.T, script string) (core.IKEStatus, core.ChildStatus) {
	ike := core.IKEStatus{
		UniqueID: 7, Conn: "office", Local: netip.MustParseAddrPort("192.0.2.1:4500"), Remote: netip.MustParseAddrPort("198.51.100.1:4500"),
		LocalID: auth.Identity{Type: auth.IDFQDN, Data: "moon"}, RemoteID: auth.Identity{Type: auth.IDFQDN, Data: "sun"},
	}
	child := core.ChildStatus{
		Name: "net", Reqid: 3, Config: &core.Child{Name: "net", Updown: script, HostAccess: true},
		LocalTS:  []spd.TrafficSelector{selector(t, "10.1.0.0/16"), selector(t, "fd01::/64")},
		RemoteTS: []spd.TrafficSelector{selector(t, "10.2.0.0/16[tcp/80]")},
	}
	return ike, child
}

func TestPlutoEnvironment(t *testing.T) {
	ike, child := updownStatus(t, "x")
	ike.Assigned = core.Assignment{
		Addresses: []netip.Addr{netip.MustParseAddr("10.3.0.1"), netip.MustParseAddr("fd03::1")}, DNS: []netip.Addr{netip.MustParseAddr("10.2.0.53")},
		Subnets: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/32")},
	}
	ike.RemoteEAPID = "alice@example.org"
	ike.RemoteVIPs = []netip.Addr{netip.MustParseAddr("10.4.0.1"), netip.MustParseAddr("10.4.0.2")}
	env := plutoEnvironment(true, ike, child, child.LocalTS[0], child.RemoteTS[0], "ipsec0")
	for _, want := range []string{
		"PLUTO_VERSION=1.1", "PLUTO_VERB=up-client", "PLUTO_CONNECTION=net", "PLUTO_INTERFACE=ipsec0", "PLUTO_REQID=3", "PLUTO_PROTO=esp",
		"PLUTO_UNIQUEID=7", "PLUTO_ME=192.0.2.1", "PLUTO_MY_ID=moon", "PLUTO_MY_CLIENT=10.1.0.0/16", "PLUTO_MY_PORT=0", "PLUTO_MY_PROTOCOL=0",
		"PLUTO_PEER=198.51.100.1", "PLUTO_PEER_ID=sun", "PLUTO_PEER_CLIENT=10.2.0.0/16", "PLUTO_PEER_PORT=80", "PLUTO_PEER_PROTOCOL=6",
		"PLUTO_UDP_ENC=4500", "PLUTO_HOST_ACCESS=1", "PLUTO_XAUTH_ID=alice@example.org",
		"PLUTO_MY_SOURCEIP=10.3.0.1", "PLUTO_MY_SOURCEIP4_1=10.3.0.1", "PLUTO_MY_SOURCEIP6_1=fd03::1", "PLUTO_DNS4_1=10.2.0.53",
		"PLUTO_PEER_SUBNETS=10.0.0.0/8 fd00::/32", "PLUTO_PEER_SOURCEIP=10.4.0.1", "PLUTO_PEER_SOURCEIP4_1=10.4.0.1", "PLUTO_PEER_SOURCEIP4_2=10.4.0.2",
	} {
		if !slices.Contains(env, want) {
			t.Errorf("the environment lacks %s: it is %q", want, env)
		}
	}
}

func TestPlutoVerb(t *testing.T) {
	ike, _ := updownStatus(t, "x")
	for _, c := range []struct {
		up    bool
		local string
		want  string
	}{
		{true, "10.1.0.0/16", "up-client"}, {false, "10.1.0.0/16", "down-client"}, {true, "192.0.2.1/32", "up-host"},
		{true, "fd01::/64", "up-client-v6"}, {false, "10.1.0.1/32", "down-client"},
	} {
		if got := plutoVerb(c.up, ike, selector(t, c.local)); got != c.want {
			t.Errorf("the verb for %s is %s, want %s", c.local, got, c.want)
		}
	}
}

func TestUpdownRunsInOrderForEachPairOfOneFamily(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	ike, child := updownStatus(t, `echo "$PLUTO_VERB $PLUTO_MY_CLIENT" >>`+out)
	u := newUpdown(zap.NewNop())
	u.grace = time.Minute // however busy the machine is
	u.queue(true, ike, child, "ipsec0")
	u.queue(false, ike, child, "ipsec0")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	u.run(ctx) // runs what waits, then returns
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if want := "up-client 10.1.0.0/16\ndown-client 10.1.0.0/16\n"; string(got) != want {
		t.Errorf("the scripts wrote %q, want %q: one run for the IPv4 pair, none for IPv6 with IPv4", got, want)
	}
}

func TestAScriptThatHangsDoesNotHoldTheCaller(t *testing.T) {
	ike, child := updownStatus(t, "sleep 60")
	u := newUpdown(zap.NewNop())
	start := time.Now()
	for range updownQueue + 10 {
		u.queue(true, ike, child, "ipsec0")
	}
	if len(u.jobs) != updownQueue || time.Since(start) > 10*time.Second {
		t.Errorf("%d scripts wait, want %d and the rest dropped without waiting", len(u.jobs), updownQueue)
	}
}

func TestAScriptThatHangsDoesNotHoldTheShutdown(t *testing.T) {
	ike, child := updownStatus(t, "exec sleep 1000")
	u := newUpdown(zap.NewNop())
	u.grace = 0
	for range 3 {
		u.queue(true, ike, child, "ipsec0")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	u.run(ctx) // returns long before the scripts would
	if len(u.jobs) != 0 {
		t.Errorf("%d scripts were not looked at", len(u.jobs))
	}
}

func TestPlutoClientOfARange(t *testing.T) {
	ts := spd.TrafficSelector{EndPort: 65535, Start: netip.MustParseAddr("10.1.0.3"), End: netip.MustParseAddr("10.1.0.9")}
	if got := plutoClient(ts); got != "10.1.0.0/28" {
		t.Errorf("the range 10.1.0.3-10.1.0.9 is given as %s, want the prefix that holds it, 10.1.0.0/28", got)
	}
	if got := plutoPort(spd.TrafficSelector{StartPort: 100, EndPort: 200}); got != "100-200" {
		t.Errorf("the ports are given as %s", got)
	}
	if strings.Contains(plutoPort(spd.TrafficSelector{StartPort: 65535}), "65535") {
		t.Error("OPAQUE is given as a port")
	}
}
