package route

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// protocol marks our routes in the kernel's tables, for people who look ("ip route show table 220").
const protocol = 220

// Open brings the device up and makes its table.
func Open(c Config) (*Table, error) {
	c = c.withDefaults()
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("route: %w", err)
	}
	link, err := h.LinkByName(c.Device)
	if err == nil {
		err = h.LinkSetUp(link)
	}
	if err != nil {
		h.Close()
		return nil, fmt.Errorf("route: bring up %s: %w", c.Device, err)
	}
	return open(c, linux{h})
}

// linux is the host by rtnetlink.
type linux struct{ h *netlink.Handle }

func (l linux) close() { l.h.Close() }

func (l linux) add(e entry) error {
	var err error
	switch e.Kind {
	case kindRule:
		err = l.h.RuleAdd(rule(e))
	case kindAddress:
		var link netlink.Link
		if link, err = l.h.LinkByName(e.Link); err == nil {
			err = l.h.AddrAdd(link, &netlink.Addr{IPNet: ipNet(e.Prefix), Flags: unix.IFA_F_NODAD})
		}
	default:
		var r *netlink.Route
		if r, err = l.route(e); err == nil {
			err = l.h.RouteAdd(r)
		}
	}
	switch {
	case errors.Is(err, unix.EEXIST):
		return errExists
	case errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EOPNOTSUPP):
		return errNoFamily
	}
	return err
}

// remove removes an entry; one that is gone already is removed.
func (l linux) remove(e entry) error {
	var err error
	switch e.Kind {
	case kindRule:
		err = l.h.RuleDel(rule(e))
	case kindAddress:
		var link netlink.Link
		if link, err = l.h.LinkByName(e.Link); err == nil {
			err = l.h.AddrDel(link, &netlink.Addr{IPNet: ipNet(e.Prefix)})
		}
	default:
		var r *netlink.Route
		if r, err = l.route(e); err == nil {
			err = l.h.RouteDel(r)
		}
	}
	var noLink netlink.LinkNotFoundError
	switch {
	case errors.As(err, &noLink), errors.Is(err, unix.ESRCH), errors.Is(err, unix.ENOENT), errors.Is(err, unix.EADDRNOTAVAIL),
		errors.Is(err, unix.ENODEV), errors.Is(err, unix.EAFNOSUPPORT):
		return nil
	}
	return err
}

func (l linux) route(e entry) (*netlink.Route, error) {
	r := &netlink.Route{Dst: ipNet(e.Prefix), Table: e.Table, Protocol: protocol, Family: family(e.Prefix)}
	if e.Kind == kindThrow {
		r.Type = unix.RTN_THROW
		return r, nil
	}
	link, err := l.h.LinkByName(e.Link)
	if err != nil {
		return nil, err
	}
	r.LinkIndex, r.Scope = link.Attrs().Index, netlink.SCOPE_LINK
	if e.Source.IsValid() {
		r.Src = e.Source.AsSlice()
	}
	return r, nil
}

func rule(e entry) *netlink.Rule {
	r := netlink.NewRule()
	r.Family, r.Table, r.Priority = family(e.Prefix), e.Table, e.Prio
	r.Mark, r.Invert = e.Mark, true
	return r
}

func family(p netip.Prefix) int {
	if p.Addr().Is4() {
		return netlink.FAMILY_V4
	}
	return netlink.FAMILY_V6
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// journalName tells the journals of equally named devices in different network namespaces apart.
func journalName(device string) string {
	var st unix.Stat_t
	if unix.Stat("/proc/thread-self/ns/net", &st) != nil {
		return device + ".json"
	}
	return fmt.Sprintf("%s-%d.json", device, st.Ino)
}

func lock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }

// SourceWithin is an address of the host that contains accepts, to be the source of routes; invalid when there is none.
// Addresses of the loopback's own range do not count.
func (t *Table) SourceWithin(v4 bool, contains func(netip.Addr) bool) netip.Addr {
	fam := netlink.FAMILY_V6
	if v4 {
		fam = netlink.FAMILY_V4
	}
	addrs, err := netlink.AddrList(nil, fam)
	if err != nil {
		return netip.Addr{}
	}
	for _, a := range addrs {
		ip, ok := netip.AddrFromSlice(a.IP)
		if ip = ip.Unmap(); ok && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() && contains(ip) {
			return ip
		}
	}
	return netip.Addr{}
}

// Warnings name what on this host is known to keep packets from a tunnel, each with the command that changes it.
func (t *Table) Warnings() []string {
	var all []string
	if sysctl("net/ipv4/conf/all/rp_filter") == "1" || sysctl("net/ipv4/conf/"+t.config.Device+"/rp_filter") == "1" {
		all = append(all, fmt.Sprintf("strict reverse path filtering drops packets of a peer whose address is within the remote traffic selector; `sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.%s.rp_filter=2` loosens it", t.config.Device))
	}
	if sysctl("net/ipv4/ip_forward") == "0" {
		all = append(all, "IPv4 forwarding is off: only this host itself can use the tunnel; `sysctl -w net.ipv4.ip_forward=1` lets it be a gateway")
	}
	if sysctl("net/ipv6/conf/all/forwarding") == "0" {
		all = append(all, "IPv6 forwarding is off: only this host itself can use the tunnel; `sysctl -w net.ipv6.conf.all.forwarding=1` lets it be a gateway")
	}
	return all
}

func sysctl(name string) string {
	octets, err := os.ReadFile(filepath.Join("/proc/sys", name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(octets))
}
