package route

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// protocol marks our routes in the kernel's tables, for people who look ("ip route show table 220"), and for us: what
// has it may be replaced.
const protocol = 220

// Open brings the device up, makes its table and follows what others change.
func Open(c Config) (*Table, error) {
	c = c.withDefaults()
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("route: %w", err)
	}
	l := &linux{h: h, config: c}
	if err := l.bringUp(); err != nil {
		h.Close()
		return nil, fmt.Errorf("route: bring up %s: %w", c.Device, err)
	}
	t, err := open(c, l)
	if err != nil {
		return nil, err
	}
	if err := l.watch(t); err != nil {
		return nil, errors.Join(fmt.Errorf("route: follow the host's changes: %w", err), t.Close())
	}
	return t, nil
}

// linux is the host by rtnetlink.
type linux struct {
	h       *netlink.Handle
	config  Config
	index   int // the device's
	monitor monitor
}

func (l *linux) bringUp() error {
	link, err := l.h.LinkByName(l.config.Device)
	if err != nil {
		return err
	}
	l.index = link.Attrs().Index
	// The kernel's own link-local address would send router solicitations into the tunnel. A kernel without IPv6 has
	// no such file, and one that refuses only makes noise.
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+l.config.Device+"/addr_gen_mode", []byte("1"), 0)
	if l.config.MTU != 0 {
		if err := l.h.LinkSetMTU(link, l.config.MTU); err != nil {
			return fmt.Errorf("MTU %d: %w", l.config.MTU, err)
		}
	}
	return l.h.LinkSetUp(link)
}

func (l *linux) close() error {
	l.h.Close()
	return nil
}

func (l *linux) add(e entry) error {
	switch e.Kind {
	case kindRule:
		return explain(l.h.RuleAdd(rule(e)))
	case kindAddress:
		link, err := l.h.LinkByName(e.Link)
		if err == nil {
			err = l.h.AddrAdd(link, &netlink.Addr{IPNet: ipNet(e.Prefix), Flags: unix.IFA_F_NODAD})
		}
		return explain(err)
	}
	err := explain(l.h.RouteAdd(l.route(e)))
	if !errors.Is(err, errExists) {
		return err
	}
	// Left by a process whose journal is lost, or somebody else's.
	if other, ours := l.occupant(e); !ours {
		return fmt.Errorf("table %d has a route of another program to it already (%s)", e.Table, other)
	}
	return l.replace(e)
}

func (l *linux) replace(e entry) error { return explain(l.h.RouteReplace(l.route(e))) }

// occupant describes the route that is in the place of e, and says whether it is one of ours.
func (l *linux) occupant(e entry) (text string, ours bool) {
	all, err := l.h.RouteListFiltered(family(e.Prefix), &netlink.Route{Table: e.Table, Dst: ipNet(e.Prefix)},
		netlink.RT_FILTER_TABLE|netlink.RT_FILTER_DST)
	if err != nil || len(all) == 0 {
		return "unknown", false
	}
	r := all[0]
	return r.String(), r.Protocol == protocol && (r.Type == unix.RTN_THROW || r.LinkIndex == l.index)
}

// explain makes of the kernel's errors what a table knows.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.EEXIST):
		return errExists
	case errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EOPNOTSUPP):
		return errNoFamily
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w (needs root or CAP_NET_ADMIN)", err)
	}
	return err
}

// remove removes an entry; one that is gone already is removed.
func (l *linux) remove(e entry) error {
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
		err = l.h.RouteDel(l.route(e))
	}
	var noLink netlink.LinkNotFoundError
	switch {
	case errors.As(err, &noLink), errors.Is(err, unix.ESRCH), errors.Is(err, unix.ENOENT), errors.Is(err, unix.EADDRNOTAVAIL),
		errors.Is(err, unix.ENODEV), errors.Is(err, unix.EAFNOSUPPORT):
		return nil
	}
	return explain(err)
}

func (l *linux) route(e entry) *netlink.Route {
	r := &netlink.Route{Dst: ipNet(e.Prefix), Table: e.Table, Protocol: protocol, Family: family(e.Prefix)}
	if e.Kind == kindThrow {
		r.Type = unix.RTN_THROW
		return r
	}
	r.LinkIndex, r.Scope = l.index, netlink.SCOPE_LINK
	if e.Source.IsValid() {
		r.Src = e.Source.AsSlice()
	}
	return r
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

// addresses are those of the device first, which a peer assigned, then those of other links in the kernel's order; not
// those of the loopback's own range or of a link alone, nor such as IPv6 does not send from. Temporary ones, which do not
// last (RFC 8981), come last.
func (l *linux) addresses(v4 bool) []netip.Addr {
	fam := netlink.FAMILY_V6
	if v4 {
		fam = netlink.FAMILY_V4
	}
	all, err := l.h.AddrList(nil, fam)
	if err != nil {
		return nil
	}
	const unusable = unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED | unix.IFA_F_DEPRECATED
	var ranked [3][]netip.Addr
	for _, a := range all {
		ip, ok := netip.AddrFromSlice(a.IP)
		ip = ip.Unmap()
		if !ok || ip.IsLoopback() || ip.IsLinkLocalUnicast() || a.Flags&unusable != 0 {
			continue
		}
		rank := 1
		switch {
		case a.LinkIndex == l.index:
			rank = 0
		case !v4 && a.Flags&unix.IFA_F_TEMPORARY != 0:
			rank = 2
		}
		ranked[rank] = append(ranked[rank], ip)
	}
	return append(append(ranked[0], ranked[1]...), ranked[2]...)
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
