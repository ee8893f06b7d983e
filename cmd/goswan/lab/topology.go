//go:build linux

package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goswan/goswan/cmd/goswan/lab/netns"
)

// Topology is what the router does beside routing. The zero value only routes.
type Topology struct {
	// NAT lets the router masquerade what comes from the left, with random ports.
	NAT bool
	// Loss is how many IKE packets in a hundred the router loses, in both directions: every datagram of port 500, and of
	// port 4500 those with a non-ESP marker (RFC 3948 §2.2). ESP is never lost.
	Loss int
}

// Net is one running topology with a daemon at each end.
type Net struct {
	Left, Right       *Host
	LeftLAN, RightLAN *Endpoint
	Router            *Namespace
	dir               string
}

// Endpoint is a host without a daemon, behind a gateway.
type Endpoint struct {
	*Namespace
	IPv4, IPv6 string
}

// The outer and inner addresses, as the configurations under testdata/lab have them.
const (
	LeftOuter, RightOuter       = "192.0.2.2", "198.51.100.2"
	LeftOuter6, RightOuter6     = "2001:db8:1::2", "2001:db8:2::2"
	LeftInner, RightInner       = "10.1.0.1", "10.2.0.1"
	LeftInner6, RightInner6     = "fd00:1::1", "fd00:2::1"
	leftLANAddr, rightLANAddr   = "10.1.0.2", "10.2.0.2"
	leftLANAddr6, rightLANAddr6 = "fd00:1::2", "fd00:2::2"
)

var topologies atomic.Int32

// New makes the topology, copies the scenario's configurations and starts the pair of daemons on them.
// Everything is undone when the test ends; when it failed, the last lines of both logs are printed first.
func New(t testing.TB, scenario string, pair Pair, topo Topology) *Net {
	t.Helper()
	n := newNet(t, topo)
	n.Left = n.newHost(t, "left", pair.Left, scenario)
	n.Right = n.newHost(t, "right", pair.Right, scenario)
	n.Left.Start(t)
	n.Right.Start(t)
	return n
}

// newNet makes the five namespaces, their links, addresses and routes.
func newNet(t testing.TB, topo Topology) *Net {
	t.Helper()
	requireLab(t)
	id := fmt.Sprintf("%d-%d", os.Getpid(), topologies.Add(1))
	n := &Net{dir: runDir(t, id)}
	name := func(role string) string { return "gs-" + id + "-" + role }
	n.Router = newNamespace(t, name("router"))
	left := newNamespace(t, name("left"))
	right := newNamespace(t, name("right"))
	n.LeftLAN = &Endpoint{newNamespace(t, name("leftlan")), leftLANAddr, leftLANAddr6}
	n.RightLAN = &Endpoint{newNamespace(t, name("rightlan")), rightLANAddr, rightLANAddr6}
	n.Left = &Host{Namespace: left}
	n.Right = &Host{Namespace: right}

	wire(t, left, "wan", n.Router, "left")
	wire(t, right, "wan", n.Router, "right")
	wire(t, n.LeftLAN.Namespace, "eth0", left, "lan")
	wire(t, n.RightLAN.Namespace, "eth0", right, "lan")
	address(t, n.Router, "left", "192.0.2.1/24", "2001:db8:1::1/64")
	address(t, n.Router, "right", "198.51.100.1/24", "2001:db8:2::1/64")
	address(t, left, "wan", LeftOuter+"/24", LeftOuter6+"/64")
	address(t, left, "lan", LeftInner+"/24", LeftInner6+"/64")
	address(t, right, "wan", RightOuter+"/24", RightOuter6+"/64")
	address(t, right, "lan", RightInner+"/24", RightInner6+"/64")
	address(t, n.LeftLAN.Namespace, "eth0", leftLANAddr+"/24", leftLANAddr6+"/64")
	address(t, n.RightLAN.Namespace, "eth0", rightLANAddr+"/24", rightLANAddr6+"/64")
	defaultRoute(t, left, "192.0.2.1", "2001:db8:1::1")
	defaultRoute(t, right, "198.51.100.1", "2001:db8:2::1")
	defaultRoute(t, n.LeftLAN.Namespace, LeftInner, LeftInner6)
	defaultRoute(t, n.RightLAN.Namespace, RightInner, RightInner6)
	n.Router.filter(t, topo)
	return n
}

// runDir is the topology's directory. It is short because the path of a unix socket has at most 107 octets.
func runDir(t testing.TB, id string) string {
	t.Helper()
	dir := filepath.Join(os.TempDir(), netns.DirPrefix+id)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if os.Getenv("GOSWAN_LAB_KEEP") != "" {
			t.Logf("kept: %s", dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	return dir
}

// wire joins two namespaces by a veth pair.
func wire(t testing.TB, a *Namespace, aName string, b *Namespace, bName string) {
	t.Helper()
	a.IP(t, fmt.Sprintf("link add name %s type veth peer name %s netns %s", aName, bName, b.Name))
}

// address sets addresses and brings the interface up.
func address(t testing.TB, ns *Namespace, dev, v4, v6 string) {
	t.Helper()
	ns.IP(t,
		"link set dev "+dev+" up",
		"addr add "+v4+" dev "+dev,
		"addr add "+v6+" dev "+dev+" nodad",
	)
}

// defaultRoute sends what is not local to a gateway.
func defaultRoute(t testing.TB, ns *Namespace, v4, v6 string) {
	t.Helper()
	ns.IP(t, "route add default via "+v4, "route add default via "+v6)
}

// filter installs the topology's rules on the router. "@th,64,32" are the first four octets of the UDP payload.
func (ns *Namespace) filter(t testing.TB, topo Topology) {
	t.Helper()
	var rules strings.Builder
	if topo.Loss > 0 {
		lose := fmt.Sprintf("numgen random mod 100 < %d counter name lost drop", topo.Loss)
		fmt.Fprintf(&rules, `table inet lab {
	counter lost { }
	chain forward {
		type filter hook forward priority 0;
		udp dport 500 %[1]s
		udp sport 500 udp dport != 500 %[1]s
		udp dport 4500 @th,64,32 0 %[1]s
		udp sport 4500 udp dport != 4500 @th,64,32 0 %[1]s
	}
}
`, lose)
	}
	if topo.NAT {
		rules.WriteString(`table ip nat {
	chain postrouting {
		type nat hook postrouting priority 100;
		oifname "right" masquerade random
	}
}
`)
	}
	if rules.Len() == 0 {
		return
	}
	ns.NFT(t, rules.String())
}

// NFT runs nftables commands in the namespace.
func (ns *Namespace) NFT(t testing.TB, rules string) {
	t.Helper()
	nft := ns.Command(t.Context(), "nft", "-f", "-")
	nft.Stdin = strings.NewReader(rules)
	if out, err := nft.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s\n%s", err, rules, out)
	}
}

var packetCount = regexp.MustCompile(`packets ([0-9]+)`)

// LostIKE is how many IKE packets the router has lost (Topology.Loss).
func (n *Net) LostIKE(t testing.TB) int {
	t.Helper()
	out, err := n.Router.Command(t.Context(), "nft", "list", "counter", "inet", "lab", "lost").CombinedOutput()
	m := packetCount.FindSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("nft list counter: %v\n%s", err, out)
	}
	count, _ := strconv.Atoi(string(m[1]))
	return count
}

// patience is how long a wait lasts before it is a failure. A working lab never waits that long.
const patience = 60 * time.Second

// waitFor polls until done returns true. On the deadline it fails with the sentence and done's last account.
func waitFor(t testing.TB, sentence string, done func() (bool, string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		ok, account := done()
		if ok {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waited %v in vain: %s\n%s", patience, sentence, account)
		case <-time.After(40 * time.Millisecond):
		}
	}
}
