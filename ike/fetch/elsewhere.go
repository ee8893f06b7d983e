package fetch

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// elsewhere refuses a connection to an address that a peer must not send us to. It is asked for the address that is connected to,
// whatever names and redirects led there.
func elsewhere(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("fetch: %q is no address", address)
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("fetch: whether %s is this host is not known: %w", to.Addr(), err)
	}
	if why := forbidden(to.Addr(), own); why != "" {
		return fmt.Errorf("a peer may not have us connect to %s: it is %s", to.Addr(), why)
	}
	return nil
}

// thisNetwork is "this host on this network" (RFC 6890 §2.2.2), which some systems take for the loopback; nat64 has IPv4 addresses
// in it (RFC 6052 §2.1).
var thisNetwork, nat64 = netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("64:ff9b::/96")

// forbidden tells what is wrong with an address as the target of somebody unknown; "" is nothing. own are this host's.
func forbidden(a netip.Addr, own []net.Addr) string {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	switch {
	case a.IsLoopback(), a.IsUnspecified(), thisNetwork.Contains(a):
		return "this host"
	case a.IsLinkLocalUnicast():
		return "an address of a link"
	case a.IsMulticast(), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "a group"
	}
	for _, o := range own {
		if p, err := netip.ParsePrefix(o.String()); err == nil && p.Addr().Unmap().WithZone("") == a {
			return "this host"
		}
	}
	return ""
}
