package route

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/tun"
	"github.com/goswan/goswan/tun/packet"
	"github.com/goswan/goswan/tun/tuntest/testns"
)

// gateway is a namespace with an uplink, a default route by it in both families, and a TUN device.
type gateway struct {
	*testns.Namespace
	peer   *testns.Namespace // the uplink's other end, 192.0.2.254 and fd02::fe
	device *tun.Native
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{Namespace: testns.New(t), peer: testns.New(t)}
	testns.Veth(t, g.Namespace, "uplink0", g.peer, "downlink0")
	for _, a := range []string{"192.0.2.1/24", "fd02::1/64"} {
		g.AddAddress(t, "uplink0", a)
	}
	for _, a := range []string{"192.0.2.254/24", "fd02::fe/64"} {
		g.peer.AddAddress(t, "downlink0", a)
	}
	g.AddRoute(t, "0.0.0.0/0", "192.0.2.254")
	g.AddRoute(t, "::/0", "fd02::fe")
	g.AwaitAddresses(t, "uplink0")
	g.peer.AwaitAddresses(t, "downlink0")
	g.openDevice(t)
	return g
}

func (g *gateway) openDevice(t *testing.T) {
	t.Helper()
	g.Do(t, func() (err error) {
		g.device, err = tun.Open(tun.Config{Name: "ipsec0"})
		return err
	})
	device := g.device
	t.Cleanup(func() { _ = device.Close() })
}

func (g *gateway) open(t *testing.T, dir string) *Table {
	t.Helper()
	var table *Table
	g.Do(t, func() (err error) {
		table, err = Open(Config{Device: "ipsec0", StateDir: dir})
		return err
	})
	t.Cleanup(func() { _ = table.Close() })
	return table
}

// via is the interface by which the kernel sends a packet with this mark, and its source.
func (g *gateway) via(t *testing.T, to string, mark uint32) (name, source string) {
	t.Helper()
	g.Do(t, func() error {
		routes, err := netlink.RouteGetWithOptions(net.ParseIP(to), &netlink.RouteGetOptions{Mark: mark})
		if err != nil || len(routes) == 0 {
			return nil // there is no way
		}
		link, err := netlink.LinkByIndex(routes[0].LinkIndex)
		if err != nil {
			return err
		}
		name, source = link.Attrs().Name, routes[0].Src.String()
		return nil
	})
	return name, source
}

func (g *gateway) wantVia(t *testing.T, why, to string, mark uint32, want string) {
	t.Helper()
	if got, _ := g.via(t, to, mark); got != want {
		t.Errorf("%s (to %s, mark %#x) leaves by %q, want %q", why, to, mark, got, want)
	}
}

// snapshot is all rules, routes and addresses of a namespace but those of its TUN device.
func (g *gateway) snapshot(t *testing.T) []string {
	t.Helper()
	var all []string
	g.Do(t, func() error {
		rules, err1 := netlink.RuleList(netlink.FAMILY_ALL)
		for _, r := range rules {
			all = append(all, fmt.Sprintf("rule %+v", r))
		}
		routes, err2 := netlink.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
		for _, r := range routes {
			if r.Dst == nil || !r.Dst.IP.IsMulticast() && !r.Dst.IP.IsLinkLocalUnicast() {
				all = append(all, fmt.Sprintf("route %d %s %s", r.Type, r.Protocol, r))
			}
		}
		addrs, err3 := netlink.AddrList(nil, netlink.FAMILY_ALL)
		for _, a := range addrs {
			if !a.IP.IsLinkLocalUnicast() {
				all = append(all, fmt.Sprintf("address %s %d", a.IPNet, a.LinkIndex))
			}
		}
		return errors.Join(err1, err2, err3)
	})
	slices.Sort(all)
	return all
}

func wantSame(t *testing.T, when string, got, want []string) {
	t.Helper()
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("%s there is still: %s", when, line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("%s there is no more: %s", when, line)
		}
	}
}

func TestTheEndpointsOwnPacketsNeverEnterTheTunnel(t *testing.T) {
	g := newGateway(t)
	before := g.snapshot(t)
	table := g.open(t, t.TempDir())
	must(t, table.Route(netip.MustParsePrefix("0.0.0.0/0"), nil))
	must(t, table.Route(netip.MustParsePrefix("::/0"), nil))
	must(t, table.Throw(netip.MustParsePrefix("198.51.100.0/24")))
	must(t, table.Throw(netip.MustParsePrefix("fd51::/32")))
	for _, c := range []struct {
		why, to string
		mark    uint32
		want    string
	}{
		{"a packet for the tunnel", "203.0.113.1", 0, "ipsec0"},
		{"the endpoint's own packet, although 0.0.0.0/0 is in the tunnel", "203.0.113.1", DefaultMark, "uplink0"},
		{"the endpoint's own packet to its link", "192.0.2.7", DefaultMark, "uplink0"},
		{"a packet of a passthrough policy", "198.51.100.1", 0, "uplink0"},
		{"a packet for the tunnel", "fd99::1", 0, "ipsec0"},
		{"the endpoint's own packet, although ::/0 is in the tunnel", "fd99::1", DefaultMark, "uplink0"},
		{"a packet of a passthrough policy", "fd51::1", 0, "uplink0"},
	} {
		g.wantVia(t, c.why, c.to, c.mark, c.want)
	}
	must(t, table.Close())
	g.wantVia(t, "after Close a packet", "203.0.113.1", 0, "uplink0")
	wantSame(t, "after Close", g.snapshot(t), before)
}

// The same with octets: what the sockets send reaches the peer by the uplink, and what another program sends to the very
// same address enters the tunnel.
func TestMarkedSocketsReachAPeerWithinTheSelectors(t *testing.T) {
	g := newGateway(t)
	table := g.open(t, t.TempDir())
	must(t, table.Route(netip.MustParsePrefix("0.0.0.0/0"), nil))
	var ours, theirs *encap.UDP
	g.Do(t, func() (err error) {
		ours, err = encap.Listen(encap.Config{Mark: DefaultMark})
		return err
	})
	defer ours.Close()
	g.peer.Do(t, func() (err error) {
		theirs, err = encap.Listen(encap.Config{})
		return err
	})
	defer theirs.Close()
	peer := netip.MustParseAddr("192.0.2.254")
	var local netip.Addr
	var port, peerPort uint16
	g.Do(t, func() (err error) {
		local, port, _, err = ours.LocalFor(peer)
		return err
	})
	if local.String() != "192.0.2.1" || !ours.Marked() {
		t.Errorf("towards the peer the endpoint uses %v (marked %v), want the uplink's address", local, ours.Marked())
	}
	g.peer.Do(t, func() (err error) {
		_, peerPort, _, err = theirs.LocalFor(netip.MustParseAddr("192.0.2.1"))
		return err
	})
	must(t, ours.SendIKE(netip.AddrPortFrom(local, port), netip.AddrPortFrom(peer, peerPort), []byte("our own IKE")))
	in := packet.NewTrain()
	must(t, theirs.Conns()[0].Read(in, nil))
	if string(in.Datagram(0)) != "our own IKE" || in.Remote.Addr() != local {
		t.Errorf("the peer received %q from %v", in.Datagram(0), in.Remote)
	}
	g.Do(t, func() error {
		c, err := net.Dial("udp", netip.AddrPortFrom(peer, peerPort).String())
		if err != nil {
			return err
		}
		_, err = c.Write([]byte("somebody else's"))
		return errors.Join(err, c.Close())
	})
	s := packet.NewSuper()
	must(t, g.device.Queues()[0].Read(s, nil))
	if !strings.HasSuffix(string(s.Bytes()), "somebody else's") {
		t.Errorf("the tunnel carries % x, want the other program's datagram", s.Bytes())
	}
}

func TestSourcesFollowTheKernel(t *testing.T) {
	g := newGateway(t)
	table := g.open(t, t.TempDir())
	g.AddAddress(t, "lo", "10.1.0.1/32")
	g.AddAddress(t, "lo", "fd01::1/128")
	g.AwaitAddresses(t, "lo")
	must(t, table.Route(net2, sides(net1)))
	must(t, table.Route(netip.MustParsePrefix("fd20::/64"), sides(netip.MustParsePrefix("fd01::/64"))))
	wantSource := func(when, to, want string) {
		t.Helper()
		await(t, fmt.Sprintf("%s: the route to %s to have the source %s", when, to, want), func() bool {
			dev, src := g.via(t, to, 0)
			return dev == "ipsec0" && src == want
		})
	}
	wantSource("at first", "10.2.0.5", "10.1.0.1")
	wantSource("at first", "fd20::5", "fd01::1")
	g.AddAddress(t, "uplink0", "10.1.0.2/32")
	g.deleteAddress(t, "lo", "10.1.0.1/32") // the kernel drops the route with its source
	wantSource("when the source is gone", "10.2.0.5", "10.1.0.2")
	g.AddAddress(t, "uplink0", "fd01::2/128")
	g.AwaitAddresses(t, "uplink0")
	g.deleteAddress(t, "lo", "fd01::1/128")
	wantSource("when the source is gone", "fd20::5", "fd01::2")
	g.deleteAddress(t, "uplink0", "10.1.0.2/32")
	await(t, "the route without a source to be in the tunnel still", func() bool {
		dev, src := g.via(t, "10.2.0.5", 0)
		return dev == "ipsec0" && src != "10.1.0.2"
	})
}

func (g *gateway) deleteAddress(t *testing.T, link, prefix string) {
	t.Helper()
	g.Do(t, func() error {
		l, err := netlink.LinkByName(link)
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr(prefix)
		if err != nil {
			return err
		}
		return netlink.AddrDel(l, a)
	})
}

// await waits for what another goroutine or the kernel does.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	end, ok := t.Deadline()
	for !done() {
		if ok && time.Until(end) < 5*time.Second { // some are left to say so before the test is killed
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestWhatTheKernelLosesIsPutBack(t *testing.T) {
	g := newGateway(t)
	table := g.open(t, t.TempDir())
	must(t, table.AddAddress(netip.MustParsePrefix("10.3.0.9/32"), ""))
	must(t, table.AddAddress(netip.MustParsePrefix("fd03::9/128"), ""))
	must(t, table.Route(net2, sides(net3)))
	must(t, table.Route(netip.MustParsePrefix("fd20::/64"), nil))
	inTunnel := func() bool {
		dev4, src := g.via(t, "10.2.0.1", 0)
		dev6, _ := g.via(t, "fd20::1", 0)
		return dev4 == "ipsec0" && dev6 == "ipsec0" && src == "10.3.0.9"
	}
	if !inTunnel() {
		t.Fatal("the routes do not lead into the tunnel")
	}
	g.SetUp(t, "ipsec0", false)
	if inTunnel() {
		t.Fatal("a device that is down has routes still: the test tests nothing")
	}
	g.SetUp(t, "ipsec0", true)
	await(t, "the routes to be back after the link was down", inTunnel)
	g.Do(t, func() error {
		for _, e := range rules(table.config) {
			if err := netlink.RuleDel(rule(e)); err != nil {
				return err
			}
		}
		return nil
	})
	await(t, "the rules to be back after somebody flushed them", inTunnel)
	g.Do(t, func() error {
		return netlink.RouteDel(&netlink.Route{Dst: ipNet(net2), Table: DefaultTable, Scope: netlink.SCOPE_NOWHERE})
	})
	await(t, "a route to be back after somebody removed it", inTunnel)
}

func TestRoutesOfOtherProgramsStay(t *testing.T) {
	g := newGateway(t)
	g.Do(t, func() error {
		uplink, err := netlink.LinkByName("uplink0")
		if err != nil {
			return err
		}
		return errors.Join(
			netlink.RouteAdd(&netlink.Route{Dst: ipNet(net1), Table: DefaultTable, LinkIndex: uplink.Attrs().Index}),
			// Left by a goswan whose journal is lost.
			netlink.RouteAdd(&netlink.Route{Dst: ipNet(net2), Table: DefaultTable, Type: unix.RTN_THROW, Protocol: protocol}),
		)
	})
	table := g.open(t, t.TempDir())
	if err := table.Route(net1, nil); err == nil || !strings.Contains(err.Error(), "route of another program") {
		t.Errorf("a prefix that another program routes gave %v", err)
	}
	g.wantVia(t, "a packet of the other program's route", "10.1.0.1", 0, "uplink0")
	must(t, table.Route(net2, nil))
	g.wantVia(t, "a packet where only a left-over was", "10.2.0.1", 0, "ipsec0")
	must(t, table.Close())
	g.wantVia(t, "after Close a packet of the other program's route", "10.1.0.1", 0, "uplink0")
}

func TestThrowAndRouteOfOnePrefixInBothFamilies(t *testing.T) {
	g := newGateway(t)
	table := g.open(t, t.TempDir())
	for to, prefix := range map[string]netip.Prefix{"10.2.0.1": net2, "fd20::1": netip.MustParsePrefix("fd20::/64")} {
		must(t, table.Route(prefix, nil))
		must(t, table.Throw(prefix))
		g.wantVia(t, "what passes through", to, 0, "uplink0")
		must(t, table.Unthrow(prefix))
		g.wantVia(t, "what passes through no more", to, 0, "ipsec0")
		must(t, table.Unroute(prefix, nil))
		g.wantVia(t, "what is protected no more", to, 0, "uplink0")
	}
}

func TestWarningsNameTheCommand(t *testing.T) {
	g := newGateway(t)
	table := g.open(t, t.TempDir())
	warnings := func() string {
		var all []string
		g.Do(t, func() error { all = table.Warnings(); return nil })
		return strings.Join(all, "\n")
	}
	for name, value := range map[string]string{
		"net/ipv4/ip_forward": "0", "net/ipv6/conf/all/forwarding": "0",
		"net/ipv4/conf/all/rp_filter": "0", "net/ipv4/conf/uplink0/rp_filter": "1", "net/ipv4/conf/ipsec0/rp_filter": "0",
	} {
		g.Sysctl(t, name, value)
	}
	for _, want := range []string{"net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "on uplink0 drops", "net.ipv4.conf.all.rp_filter=2"} {
		if got := warnings(); !strings.Contains(got, want) {
			t.Errorf("the warnings do not name %q:\n%s", want, got)
		}
	}
	for name, value := range map[string]string{
		"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1", "net/ipv4/conf/all/rp_filter": "2",
	} {
		g.Sysctl(t, name, value)
	}
	if got := warnings(); got != "" {
		t.Errorf("on a host where all is well there are warnings:\n%s", got)
	}
}

// killed is the environment variable that makes the test binary the process that is killed; its value is the state
// directory.
const killed = "GOSWAN_TEST_ROUTE_KILLED"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killed); dir != "" {
		if err := waitToBeKilled(dir); err != nil {
			fmt.Println(err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func waitToBeKilled(dir string) error {
	if _, err := tun.Open(tun.Config{Name: "ipsec1"}); err != nil {
		return err
	}
	table, err := Open(Config{Device: "ipsec1", StateDir: dir})
	if err != nil {
		return err
	}
	err = errors.Join(
		table.Route(net2, nil),
		table.Throw(net3),
		table.Throw(netip.MustParsePrefix("fd51::/32")),
		table.AddAddress(netip.MustParsePrefix("10.9.0.1/32"), "uplink0"),
		table.AddAddress(netip.MustParsePrefix("fd09::1/128"), "uplink0"),
	)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	select {}
}

func TestTheNextStartUndoesWhatAKilledProcessLeft(t *testing.T) {
	g := newGateway(t)
	before, dir := g.snapshot(t), t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killed+"="+dir)
	out, err := cmd.StdoutPipe()
	must(t, err)
	g.Do(t, cmd.Start)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "ready\n" {
		t.Fatalf("the process to be killed says %q (%v)", line, err)
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	left := strings.Join(g.snapshot(t), "\n")
	for _, what := range []string{"10.3.0.0/16", "fd51::/32", "10.9.0.1/32", "fd09::1/128", "220"} {
		if !strings.Contains(left, what) {
			t.Errorf("a killed process leaves no %s: the test tests nothing", what)
		}
	}
	g.Do(t, func() error {
		device, err := tun.Open(tun.Config{Name: "ipsec1"})
		if err != nil {
			return err
		}
		table, err := Open(Config{Device: "ipsec1", StateDir: dir})
		if err != nil {
			return errors.Join(err, device.Close())
		}
		return errors.Join(table.Close(), device.Close())
	})
	await(t, "the device to be gone", func() bool {
		return !strings.Contains(strings.Join(g.snapshot(t), "\n"), "ipsec1")
	})
	wantSame(t, "after the next start and end", g.snapshot(t), before)
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Errorf("after a clean end the state directory has %v (%v)", files, err)
	}
}

func TestOpenSaysWhyItCannot(t *testing.T) {
	g := newGateway(t)
	g.Do(t, func() error {
		if _, err := Open(Config{Device: "nosuch0", StateDir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "nosuch0") {
			t.Errorf("a device that does not exist gave %v", err)
		}
		return nil
	})
	dir := t.TempDir()
	g.open(t, dir)
	g.Do(t, func() error {
		if _, err := Open(Config{Device: "ipsec0", StateDir: dir}); err == nil || !strings.Contains(err.Error(), "another goswan") {
			t.Errorf("a second table for a device gave %v", err)
		}
		return nil
	})
}

func TestTheMTUIsSet(t *testing.T) {
	g := newGateway(t)
	g.Do(t, func() error {
		table, err := Open(Config{Device: "ipsec0", StateDir: t.TempDir(), MTU: 1337})
		if err != nil {
			return err
		}
		defer table.Close()
		link, err := netlink.LinkByName("ipsec0")
		if err == nil && (link.Attrs().MTU != 1337 || link.Attrs().Flags&net.FlagUp == 0) {
			t.Errorf("the device is %v of MTU %d, want up and 1337", link.Attrs().Flags, link.Attrs().MTU)
		}
		return err
	})
}
