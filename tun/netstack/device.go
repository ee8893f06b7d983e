// Package netstack is a device without root: the TCP/IP stack of a whole host in this process, gVisor's, in the place of
// a TUN device.
//
//	device, err := netstack.New(netstack.Config{Addresses: []netip.Addr{…}})
//	…
//	conn, err := device.DialContext(ctx, "tcp", "10.1.0.10:80")
//
// It stands on the gVisor modules that wireguard's netstack device uses, not on that device, which hands over one packet
// at a time, each to a waiting reader: with super-packets TCP is twenty times as fast.
package netstack

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"github.com/goswan/goswan/tun"
	"github.com/goswan/goswan/tun/packet"
)

// Config describes a device.
type Config struct {
	// Addresses are the stack's own; more may be added later (AddAddress).
	Addresses []netip.Addr
	// DNS are the name servers that LookupHost and DialContext ask, through the stack; none means that names are not resolved.
	DNS []netip.Addr
	// Name is what the device is called in logs; "netstack" when empty.
	Name string
	// MTU in octets; tun.DefaultMTU when 0.
	MTU int
}

// nic is the number of the stack's only interface.
const nic tcpip.NICID = 1

// depth is the number of packets that the stack may send ahead of the reader; beyond, they are lost and TCP slows down.
const depth = 512

// Device is a TCP/IP stack; it implements tun.Device. Its methods are safe for concurrent use.
type Device struct {
	name  string
	mtu   int
	dns   atomic.Pointer[[]netip.Addr]
	stack *stack.Stack
	link  *channel.Endpoint

	// gate is held for reading while a packet goes into the stack; Close holds it, so that none comes in afterwards.
	gate   sync.RWMutex
	closed context.Context
	end    context.CancelFunc
}

var _ tun.Device = (*Device)(nil)

// New makes a device.
func New(c Config) (*Device, error) {
	if c.Name == "" {
		c.Name = "netstack"
	}
	if c.MTU == 0 {
		c.MTU = tun.DefaultMTU
	}
	// IPv6 requires 1280 (RFC 8200 §5), and gVisor keeps to it.
	if c.MTU < header.IPv6MinimumMTU || c.MTU > packet.MaxPacket {
		return nil, fmt.Errorf("netstack: an MTU of %d octets is not within %d to %d", c.MTU, header.IPv6MinimumMTU, packet.MaxPacket)
	}
	d := &Device{name: c.Name, mtu: c.MTU, link: channel.New(depth, uint32(c.MTU), "")}
	d.SetDNS(c.DNS)
	d.link.SupportedGSOKind = stack.HostGSOSupported
	d.stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
		HandleLocal:        true,
	})
	d.closed, d.end = context.WithCancel(context.Background())
	if err := d.configure(c.Addresses); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Device) configure(addrs []netip.Addr) error {
	sack := tcpip.TCPSACKEnabled(true)
	if err := d.stack.SetTransportProtocolOption(tcp.ProtocolNumber, &sack); err != nil {
		return fmt.Errorf("netstack: SACK: %s", err)
	}
	if err := d.stack.CreateNIC(nic, d.link); err != nil {
		return fmt.Errorf("netstack: %s", err)
	}
	d.stack.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: nic},
		{Destination: header.IPv6EmptySubnet, NIC: nic},
	})
	for _, a := range addrs {
		if err := d.AddAddress(a); err != nil {
			return err
		}
	}
	return nil
}

// AddAddress gives the stack another address, as when a peer assigns a virtual one.
func (d *Device) AddAddress(a netip.Addr) error {
	a = a.Unmap()
	if !a.IsValid() || a.IsUnspecified() {
		return fmt.Errorf("netstack: %v is no address for an interface", a)
	}
	err := d.stack.AddProtocolAddress(nic, tcpip.ProtocolAddress{
		Protocol:          protocol(a),
		AddressWithPrefix: tcpip.AddrFromSlice(a.AsSlice()).WithPrefix(),
	}, stack.AddressProperties{})
	if err != nil {
		return fmt.Errorf("netstack: add %v: %s", a, err)
	}
	return nil
}

// RemoveAddress takes an address away.
func (d *Device) RemoveAddress(a netip.Addr) error {
	if err := d.stack.RemoveAddress(nic, tcpip.AddrFromSlice(a.Unmap().AsSlice())); err != nil {
		return fmt.Errorf("netstack: remove %v: %s", a, err)
	}
	return nil
}

// SetDNS replaces the name servers, as when a peer assigns some.
func (d *Device) SetDNS(servers []netip.Addr) {
	all := slices.Clone(servers)
	d.dns.Store(&all)
}

// protocol is the network protocol of an address.
func protocol(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return ipv4.ProtocolNumber
	}
	return ipv6.ProtocolNumber
}

// Name implements tun.Device.
func (d *Device) Name() string { return d.name }

// MTU implements tun.Device.
func (d *Device) MTU() int { return d.mtu }

// Offload says that the stack gives and takes super-packets.
func (d *Device) Offload() bool { return true }

// Queues implements tun.Device.
func (d *Device) Queues() []tun.Queue { return []tun.Queue{(*queue)(d)} }

// Close implements tun.Device. Connections and listeners of the stack end with errors. It may be called more than once.
func (d *Device) Close() error {
	d.gate.Lock()
	defer d.gate.Unlock()
	if d.closed.Err() != nil {
		return nil
	}
	d.end()
	d.stack.Close()
	d.link.Close()
	d.stack.Wait()
	return nil
}

// queue is the device's one queue; it implements tun.Queue.
type queue Device

// Read implements tun.Queue.
func (q *queue) Read(s *packet.Super, idle func()) error {
	for q.closed.Err() == nil {
		p := q.link.Read()
		if p == nil {
			if idle != nil {
				idle()
				idle = nil
			}
			if p = q.link.ReadContext(q.closed); p == nil {
				break
			}
		}
		ok := fill(s, p)
		p.DecRef()
		if ok {
			return nil
		}
	}
	return os.ErrClosed
}

// fill copies a packet of the stack; false when it is larger than any packet.
func fill(s *packet.Super, p *stack.PacketBuffer) bool {
	s.Off, s.Len = packet.Headroom, p.Size()
	if s.Len == 0 || s.Len > packet.MaxPacket {
		return false
	}
	at := s.Off
	for _, part := range p.AsSlices() {
		at += copy(s.Buf[at:], part)
	}
	s.GSO = packet.GSO{}
	g := &p.GSOOptions
	if g.Type == stack.GSONone || !g.NeedsCsum {
		return true
	}
	s.GSO.NeedsCsum, s.GSO.CsumStart, s.GSO.CsumOffset = true, g.L3HdrLen, g.CsumOffset
	headers := int(g.L3HdrLen) + len(p.TransportHeader().Slice())
	if s.Len-headers > int(g.MSS) {
		s.GSO.Type, s.GSO.Size, s.GSO.HdrLen = packet.GSOTCP4, g.MSS, uint16(headers)
		if g.Type == stack.GSOTCPv6 {
			s.GSO.Type = packet.GSOTCP6
		}
	}
	return true
}
