package route

import (
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// inNamespace runs a test in a network namespace of its own, which ends with its thread.
func inNamespace(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: routes on a real kernel need root")
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with the test's goroutine, and the namespace with it
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("SKIPPED: no network namespace to be had: %v", err)
	}
}

// addLink adds an interface, one end of a veth pair, that is up and has an address.
func addLink(t *testing.T, name, address string) netlink.Link {
	t.Helper()
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: name + "p"}
	if err := netlink.LinkAdd(link); err != nil {
		t.Fatal(err)
	}
	for _, end := range []netlink.Link{link, &netlink.Device{LinkAttrs: netlink.LinkAttrs{Name: name + "p"}}} {
		if err := netlink.LinkSetUp(end); err != nil {
			t.Fatal(err)
		}
	}
	if address != "" {
		addr, err := netlink.ParseAddr(address)
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.AddrAdd(link, addr); err != nil {
			t.Fatal(err)
		}
	}
	return link
}

// via is the interface by which the kernel sends a packet with this mark.
func via(t *testing.T, to string, mark uint32) (string, net.IP) {
	t.Helper()
	routes, err := netlink.RouteGetWithOptions(net.ParseIP(to), &netlink.RouteGetOptions{Mark: mark})
	if err != nil || len(routes) == 0 {
		return "", nil
	}
	link, err := netlink.LinkByIndex(routes[0].LinkIndex)
	if err != nil {
		t.Fatal(err)
	}
	return link.Attrs().Name, routes[0].Src
}

func TestTheEndpointsOwnPacketsNeverEnterTheTunnel(t *testing.T) {
	inNamespace(t)
	uplink := addLink(t, "uplink0", "192.0.2.1/24")
	addLink(t, "ipsec0", "")
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: uplink.Attrs().Index, Gw: net.ParseIP("192.0.2.254")}); err != nil {
		t.Fatal(err)
	}
	c := Config{Device: "ipsec0", StateDir: t.TempDir()}
	table, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Route(netip.MustParsePrefix("0.0.0.0/0"), netip.Addr{}); err != nil {
		t.Fatal(err)
	}
	if err := table.Throw(netip.MustParsePrefix("198.51.100.0/24")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		to   string
		mark uint32
		want string
		why  string
	}{
		{"203.0.113.1", 0, "ipsec0", "a packet for the tunnel"},
		{"203.0.113.1", DefaultMark, "uplink0", "the endpoint's own packet, although 0.0.0.0/0 is in the tunnel"},
		{"192.0.2.7", DefaultMark, "uplink0", "the endpoint's own packet to its link"},
		{"198.51.100.1", 0, "uplink0", "a packet of a passthrough policy"},
	} {
		if got, _ := via(t, c.to, c.mark); got != c.want {
			t.Errorf("%s (to %s, mark %#x) leaves by %q, want %q", c.why, c.to, c.mark, got, c.want)
		}
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	if got, _ := via(t, "203.0.113.1", 0); got != "uplink0" {
		t.Errorf("after Close a packet leaves by %q, want uplink0", got)
	}
	rules, err := netlink.RuleList(netlink.FAMILY_ALL)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		if r.Table == DefaultTable {
			t.Errorf("after Close the rule %v is left", r)
		}
	}
}

func TestRoutesCarryASourceAndAddressesGo(t *testing.T) {
	inNamespace(t)
	addLink(t, "lan0", "10.1.0.1/16")
	addLink(t, "ipsec0", "")
	table, err := Open(Config{Device: "ipsec0", StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	within := netip.MustParsePrefix("10.1.0.0/16")
	source := table.SourceWithin(true, within.Contains)
	if source != netip.MustParseAddr("10.1.0.1") {
		t.Fatalf("the host's address within %s is %v", within, source)
	}
	if err := table.Route(netip.MustParsePrefix("10.2.0.0/16"), source); err != nil {
		t.Fatal(err)
	}
	if dev, src := via(t, "10.2.0.5", 0); dev != "ipsec0" || !src.Equal(net.IP(source.AsSlice())) {
		t.Errorf("the host's own packet leaves by %q from %v, want ipsec0 from %v", dev, src, source)
	}
	if err := table.AddAddress(netip.MustParsePrefix("10.3.0.9/32"), "lan0"); err != nil {
		t.Fatal(err)
	}
	if err := table.AddAddress(netip.MustParsePrefix("fd03::9/128"), ""); err != nil {
		t.Fatal(err)
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(addrs, func(a netlink.Addr) bool { return a.IP.String() == "10.3.0.9" || a.IP.String() == "fd03::9" }) {
		t.Errorf("after Close an address is left: %v", addrs)
	}
}
