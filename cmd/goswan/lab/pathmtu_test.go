//go:build linux

package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The MTU of the link behind the router, at first and later, and what inner packets fit it: an ESP packet of AES-GCM-16 has 8 octets of
// header, 8 of IV, a multiple of four with two of trailer, and 16 of ICV, behind 28 of IPv4 and UDP.
const (
	narrowLink   = 1300
	narrowRoom   = (narrowLink-28-32)/4*4 - 2
	narrowerLink = 1288
	narrowerRoom = (narrowerLink-28-32)/4*4 - 2
	leastMTU6    = 1280
)

// narrow gives the link behind the router that MTU.
func (n *Net) narrow(t *testing.T, mtu int) {
	t.Helper()
	n.Router.IP(t, fmt.Sprintf("link set dev right mtu %d", mtu))
	n.Right.IP(t, fmt.Sprintf("link set dev wan mtu %d", mtu))
}

// gateway is one end of a tunnel, the host behind it, and that at the far end.
type gateway struct {
	*Host
	lan, far *Endpoint
}

// goswans are the gateways that run goswan.
func (n *Net) goswans() (all []gateway) {
	for _, g := range []gateway{{n.Left, n.LeftLAN, n.RightLAN}, {n.Right, n.RightLAN, n.LeftLAN}} {
		if g.Daemon == Goswan {
			all = append(all, g)
		}
	}
	return all
}

// setChild puts settings into the children of the host's swanctl.conf.
func (h *Host) setChild(t *testing.T, settings string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(h.SwanctlDir(), "swanctl.conf"))
	if err != nil {
		t.Fatal(err)
	}
	h.WriteConfig(t, "swanctl.conf", strings.ReplaceAll(string(text), "esp_proposals =", settings+"\n\t\t\t\tesp_proposals ="))
	h.LoadAll(t)
}

// pingWhole sends one echo request in an IP packet of so many octets that must not be fragmented.
func (ns *Namespace) pingWhole(t *testing.T, to string, octets int) (answered bool, said string) {
	t.Helper()
	headers := 28
	if strings.Contains(to, ":") {
		headers = 48
	}
	out, err := ns.Command(t.Context(), "ping", "-n", "-M", "do", "-c", "1", "-W", "1", "-s", strconv.Itoa(octets-headers), to).CombinedOutput()
	return err == nil, string(out)
}

// mustPing waits until a whole packet of so many octets is answered: the first may be what tells the host of the path.
func (ns *Namespace) mustPing(t *testing.T, to string, octets int) {
	t.Helper()
	waitFor(t, fmt.Sprintf("%s pings %s with %d octets", ns.Name, to, octets), func() (bool, string) { return ns.pingWhole(t, to, octets) })
}

var cachedMTU = regexp.MustCompile(`mtu (\d+)`)

// learns sends whole packets of so many octets until the host has been told that the path takes want.
func (ns *Namespace) learns(t *testing.T, to string, octets, want int) {
	t.Helper()
	waitFor(t, fmt.Sprintf("%s is told that %s is to get at most %d octets", ns.Name, to, want), func() (bool, string) {
		_, said := ns.pingWhole(t, to, octets)
		out := mustRun(t, "ip", "-n", ns.Name, "route", "get", to)
		m := cachedMTU.FindStringSubmatch(out)
		return m != nil && m[1] == strconv.Itoa(want), said + out
	})
}

// forget takes what hosts learnt of paths from them.
func forget(t *testing.T, hosts ...*Namespace) {
	t.Helper()
	for _, ns := range hosts {
		mustRun(t, "ip", "-n", ns.Name, "-4", "route", "flush", "cache")
		mustRun(t, "ip", "-n", ns.Name, "-6", "route", "flush", "cache")
	}
}

// TestPathMTU has a link of 1300 octets behind the router, of which the left gateway learns by ICMP, and later of 1288. TCP arrives,
// inner senders are told what fits, IPv6 packets of 1280 octets go through, with mss_clamp nobody has to be told, and with
// copy_df = no everything goes through in outer fragments.
func TestPathMTU(t *testing.T) {
	eachPair(t, pairs, "site", Topology{}, func(t *testing.T, n *Net) {
		n.narrow(t, narrowLink)
		n.Left.Initiate(t, "net", "net6")
		n.WaitUp(t, "net", "net6")
		t.Run("TCP", n.transferAll)
		t.Run("inner senders are told", n.tellsSenders)
		n.narrow(t, narrowerLink)
		t.Run("a smaller path", n.followsPath)
		t.Run("mss_clamp", n.clampsMSS)
		t.Run("copy_df = no", n.ignoresDF)
	})
}

// tellsSenders: the TUN device takes what fits, but at least what IPv6 needs; what it takes and does not fit is answered by goswan.
func (n *Net) tellsSenders(t *testing.T) {
	forget(t, n.LeftLAN.Namespace, n.RightLAN.Namespace)
	for _, g := range n.goswans() {
		g.lan.learns(t, g.far.IPv4, 1400, leastMTU6)
		if got := g.Links(t)[goswanTUN].MTU; got != leastMTU6 {
			t.Errorf("%s: the MTU of the TUN device is %d, want %d", g.Name, got, leastMTU6)
		}
		if log := g.Host.Log(t); !strings.Contains(log, "follows what the paths to the peers take") {
			t.Errorf("%s: the log has no word on the MTU", g.Name)
		}
		g.lan.learns(t, g.far.IPv4, leastMTU6, narrowRoom)
		g.lan.mustPing(t, g.far.IPv4, narrowRoom)
		g.lan.learns(t, g.far.IPv6, 1400, leastMTU6)
		g.lan.mustPing(t, g.far.IPv6, leastMTU6)
	}
}

// followsPath: the path has become smaller while the SAs are used.
func (n *Net) followsPath(t *testing.T) {
	for _, g := range n.goswans() {
		g.lan.learns(t, g.far.IPv4, narrowRoom, narrowerRoom)
		g.lan.mustPing(t, g.far.IPv4, narrowerRoom)
		g.lan.mustPing(t, g.far.IPv6, leastMTU6)
	}
	n.transferAll(t)
}

var offeredMSS = regexp.MustCompile(`mss (\d+)`)

// clampsMSS: what the left host offers arrives smaller on the right, and the other way round.
func (n *Net) clampsMSS(t *testing.T) {
	n.Left.Terminate(t, "site")
	n.WaitGone(t)
	for _, g := range n.goswans() {
		g.setChild(t, "mss_clamp = auto")
	}
	n.Left.Initiate(t, "net", "net6")
	n.WaitUp(t, "net", "net6")
	for _, g := range n.goswans() {
		g.lan.learns(t, g.far.IPv4, leastMTU6, narrowerRoom) // it knows the path
	}
	forget(t, n.LeftLAN.Namespace, n.RightLAN.Namespace)
	const syn = "tcp[tcpflags] & tcp-syn != 0"
	near := n.startCapture(t, n.LeftLAN.Namespace, "near", "eth0", syn)
	far := n.startCapture(t, n.RightLAN.Namespace, "far", "eth0", syn)
	n.LeftLAN.Transfer(t, n.RightLAN, n.RightLAN.IPv4, 1<<20)
	near.Stop(t)
	far.Stop(t)
	offers := func(c *Capture, from string) (mss string) {
		for _, line := range c.Packets(t) {
			if m := offeredMSS.FindStringSubmatch(line); m != nil && strings.Contains(line, "IP "+from+".") {
				mss = m[1]
			}
		}
		return mss
	}
	want := strconv.Itoa(narrowerRoom - 40)
	for _, way := range []struct {
		from      *Endpoint
		sent, got *Capture
	}{{n.LeftLAN, near, far}, {n.RightLAN, far, near}} {
		if sent, got := offers(way.sent, way.from.IPv4), offers(way.got, way.from.IPv4); sent != "1460" || got != want {
			t.Errorf("%s offered an MSS of %s, which arrived as %s, want 1460 and %s", way.from.Name, sent, got, want)
		}
	}
}

// ignoresDF: nobody is told anything, and whole packets of what the TUN device takes by default arrive.
func (n *Net) ignoresDF(t *testing.T) {
	n.Left.Terminate(t, "site")
	n.WaitGone(t)
	for _, g := range n.goswans() {
		g.setChild(t, "copy_df = no")
	}
	forget(t, n.LeftLAN.Namespace, n.RightLAN.Namespace, n.Left.Namespace, n.Right.Namespace)
	n.Left.Initiate(t, "net", "net6")
	n.WaitUp(t, "net", "net6")
	for _, g := range n.goswans() {
		waitFor(t, g.Name+" has its default MTU again", func() (bool, string) {
			got := g.Links(t)[goswanTUN].MTU
			return got == 1400, strconv.Itoa(got)
		})
		for _, to := range []string{g.far.IPv4, g.far.IPv6} {
			g.lan.mustPing(t, to, 1400)
			if out := mustRun(t, "ip", "-n", g.lan.Name, "route", "get", to); cachedMTU.MatchString(out) && !strings.Contains(out, "mtu 1400") {
				t.Errorf("%s was told of a smaller path: %s", g.lan.Name, out)
			}
		}
	}
	n.transferAll(t)
}
