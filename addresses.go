package goswan

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/goswan/goswan/ike/core"
)

// resolveTimeout bounds the resolution of a connection's remote_addrs.
const resolveTimeout = 10 * time.Second

// peerAddress is the first of a connection's remote_addrs that is, or resolves to, one address.
//
// Prefixes, ranges and %any say from whom to accept; they are nobody to call.
func peerAddress(ctx context.Context, conn *core.Connection) (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	var last error
	for _, text := range conn.RemoteAddrs {
		if a, err := netip.ParseAddr(text); err == nil {
			if !a.IsUnspecified() {
				return a.Unmap(), nil
			}
			continue
		}
		if !isHostName(text) {
			continue
		}
		addrs, err := lookup(ctx, text)
		if err == nil {
			return addrs[0], nil
		}
		last = err
	}
	if last != nil {
		return netip.Addr{}, last
	}
	return netip.Addr{}, fmt.Errorf("`remote_addrs` has no address to call; it only says from whom to accept")
}

// isHostName tells a host name from an address, a prefix, a range and %any.
func isHostName(s string) bool {
	if strings.ContainsAny(s, "/*") || strings.HasPrefix(s, "%") {
		return false
	}
	first, _, _ := strings.Cut(s, "-")
	_, err := netip.ParseAddr(first)
	return err != nil
}

// outerAddresses are the addresses with which a connection is initiated.
func (e *Endpoint) outerAddresses(ctx context.Context, conn *core.Connection) (local, remote netip.AddrPort, err error) {
	peer, err := peerAddress(ctx, conn)
	if err != nil {
		return local, remote, err
	}
	addr, port, portNATT, err := e.transport.LocalFor(peer)
	if err != nil {
		return local, remote, err
	}
	for _, text := range conn.LocalAddrs {
		if a, err := netip.ParseAddr(text); err == nil && !a.IsUnspecified() && a.Is4() == peer.Is4() {
			addr = a
			break
		}
	}
	remotePort := conn.RemotePort
	if remotePort == 0 {
		remotePort = 500
	}
	// "An initiator can use port 4500 for both IKE and ESP, regardless of whether or not there is a NAT, even at the
	// beginning of IKE."  RFC 7296 §2.23: a port of the peer's other than 500 takes the non-ESP marker, so it is called from
	// our NAT-T port.
	if remotePort != 500 {
		port = portNATT
	}
	return netip.AddrPortFrom(addr, port), netip.AddrPortFrom(peer, remotePort), nil
}

// portNATT is the port of our sockets that speak with non-ESP markers.
func (e *Endpoint) portNATT() uint16 {
	for _, loopback := range []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()} {
		if _, _, port, err := e.transport.LocalFor(loopback); err == nil {
			return port
		}
	}
	return 0
}

// namesRefresh is how often the host names of the configuration are resolved anew.
const namesRefresh = 5 * time.Minute

// hostNames knows the addresses of the host names in local_addrs and remote_addrs, so that a responder, which must not
// wait for a resolver, can tell who is calling.
type hostNames struct {
	known   atomic.Pointer[map[string][]netip.Addr]
	changed chan struct{} // capacity 1: there is a new configuration
}

func (h *hostNames) lookup(name string) []netip.Addr {
	if known := h.known.Load(); known != nil {
		return (*known)[name]
	}
	return nil
}

// follow resolves the names of the current configuration, again when it has changed and from time to time.
func (h *hostNames) follow(catalog *atomic.Pointer[core.Catalog]) func(context.Context) {
	return func(ctx context.Context) {
		for {
			h.resolve(ctx, catalog.Load())
			select {
			case <-ctx.Done():
				return
			case <-h.changed:
			case <-time.After(namesRefresh):
			}
		}
	}
}

func (h *hostNames) resolve(ctx context.Context, c *core.Catalog) {
	known := map[string][]netip.Addr{}
	for _, conn := range c.Connections {
		for _, name := range slices.Concat(conn.LocalAddrs, conn.RemoteAddrs) {
			if _, done := known[name]; done || !isHostName(name) {
				continue
			}
			addrs, err := lookup(ctx, name)
			if err != nil {
				addrs = h.lookup(name)
			}
			known[name] = addrs
		}
	}
	h.known.Store(&known)
}

// lookup asks the resolver for the addresses of a name; there is at least one.
func lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	if err == nil && len(addrs) == 0 {
		err = fmt.Errorf("%s has no address", name)
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, err
}
