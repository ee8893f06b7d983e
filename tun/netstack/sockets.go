package netstack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
)

// ErrNoNameServer is why a host name cannot be resolved while the device has no name server (Config.DNS, SetDNS).
var ErrNoNameServer = errors.New("the device has no name server")

// DialContext connects from the stack, as net.Dialer does from the host: network is "tcp", "tcp4", "tcp6", "udp", "udp4"
// or "udp6", address is "host:port". A host name is resolved as by LookupHost and its addresses are tried in order.
func (d *Device) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	kind, family, ok := splitNetwork(network)
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: network, Err: net.UnknownNetworkError(network)}
	}
	addrs, port, err := d.resolve(ctx, address, family)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	var errs []error
	for _, a := range addrs {
		c, err := d.dial(ctx, kind, netip.AddrPortFrom(a, port))
		if err == nil {
			return c, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// splitNetwork takes a network's name apart: "tcp6" is "tcp" and 6; family 0 is any.
func splitNetwork(network string) (kind string, family int, ok bool) {
	switch network {
	case "tcp", "udp":
		return network, 0, true
	case "tcp4", "udp4":
		return network[:3], 4, true
	case "tcp6", "udp6":
		return network[:3], 6, true
	}
	return "", 0, false
}

func (d *Device) dial(ctx context.Context, kind string, to netip.AddrPort) (net.Conn, error) {
	if d.closed.Err() != nil {
		return nil, net.ErrClosed
	}
	remote, number := full(to)
	if kind == "udp" {
		c, err := gonet.DialUDP(d.stack, nil, &remote, number)
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.closed, cancel)()
	c, err := gonet.DialContextTCP(ctx, d.stack, remote, number)
	if err != nil {
		if d.closed.Err() != nil {
			err = net.ErrClosed
		}
		return nil, err
	}
	return c, nil
}

// resolve takes "host:port" to addresses of a family.
func (d *Device) resolve(ctx context.Context, address string, family int) ([]netip.Addr, uint16, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, 0, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nil, 0, fmt.Errorf("netstack: port %q is not a number from 0 to 65535", service)
	}
	all, err := d.lookup(ctx, host)
	if err != nil {
		return nil, 0, err
	}
	var addrs []netip.Addr
	for _, a := range all {
		if family == 0 || family == 4 && a.Is4() || family == 6 && a.Is6() {
			addrs = append(addrs, a)
		}
	}
	if len(addrs) == 0 {
		return nil, 0, fmt.Errorf("netstack: %s has no address of IPv%d", host, family)
	}
	return addrs, uint16(port), nil
}

// lookup is the addresses of a host, asked of the device's name servers through the stack. An address is its own.
func (d *Device) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	servers := *d.dns.Load()
	if len(servers) == 0 {
		return nil, fmt.Errorf("netstack: %s cannot be resolved: %w", host, ErrNoNameServer)
	}
	var errs []error
	for _, server := range servers {
		addrs, err := d.resolver(server).LookupNetIP(ctx, "ip", host)
		if err == nil {
			for i := range addrs {
				addrs[i] = addrs[i].Unmap()
			}
			return addrs, nil
		}
		errs = append(errs, err)
		var dns *net.DNSError
		if errors.As(err, &dns) && dns.IsNotFound {
			break // an answer, not a failure: no other server is asked
		}
	}
	return nil, errors.Join(errs...)
}

// LookupHost is the addresses of a host, asked of the device's name servers through the stack.
func (d *Device) LookupHost(ctx context.Context, host string) ([]string, error) {
	addrs, err := d.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, a := range addrs {
		all = append(all, a.String())
	}
	return all, nil
}

// resolver asks one name server through the stack.
func (d *Device) resolver(server netip.Addr) *net.Resolver {
	to := netip.AddrPortFrom(server.Unmap(), 53)
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		kind, _, ok := splitNetwork(network)
		if !ok {
			return nil, net.UnknownNetworkError(network)
		}
		return d.dial(ctx, kind, to)
	}}
}

// ListenTCP listens on an address of the stack; an invalid or unspecified address is any of IPv4, or of both families
// for "::", and port 0 any free one.
func (d *Device) ListenTCP(at netip.AddrPort) (net.Listener, error) {
	if d.closed.Err() != nil {
		return nil, net.ErrClosed
	}
	local, number := full(at)
	l, err := gonet.ListenTCP(d.stack, local, number)
	if err != nil {
		return nil, err
	}
	return &listener{TCPListener: l, device: d}, nil
}

// ListenUDP opens a UDP socket on an address of the stack, as ListenTCP.
func (d *Device) ListenUDP(at netip.AddrPort) (net.PacketConn, error) {
	if d.closed.Err() != nil {
		return nil, net.ErrClosed
	}
	local, number := full(at)
	c, err := gonet.DialUDP(d.stack, &local, nil, number)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// full is an address as gVisor has it; the unspecified one is empty.
func full(a netip.AddrPort) (tcpip.FullAddress, tcpip.NetworkProtocolNumber) {
	addr := a.Addr().Unmap()
	f := tcpip.FullAddress{NIC: nic, Port: a.Port()}
	if addr.IsValid() && !addr.IsUnspecified() {
		f.Addr = tcpip.AddrFromSlice(addr.AsSlice())
	}
	if addr.Is6() {
		return f, ipv6.ProtocolNumber
	}
	return f, ipv4.ProtocolNumber
}

// listener makes Close end a blocked Accept and its error one that says so.
type listener struct {
	*gonet.TCPListener
	device *Device
	closed atomic.Bool
}

// Close implements net.Listener.
func (l *listener) Close() error {
	if l.closed.Swap(true) {
		return nil
	}
	l.Shutdown()
	return l.TCPListener.Close()
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.TCPListener.Accept()
	if err == nil {
		return c, nil
	}
	if l.closed.Load() || l.device.closed.Err() != nil {
		err = net.ErrClosed
	}
	return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: err}
}
