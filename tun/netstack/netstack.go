// Package netstack is a device without root: the TCP/IP stack of a whole host in this process, gVisor's, in the place of
// a TUN device.
//
//	device, err := netstack.New(netstack.Config{Addresses: []netip.Addr{…}})
//	…
//	conn, err := device.DialContext(ctx, "tcp", "10.1.0.10:80")
package netstack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"

	"github.com/goswan/goswan/tun"
	wgtun "golang.zx2c4.com/wireguard/tun"
	wgnetstack "golang.zx2c4.com/wireguard/tun/netstack"
)

// Config describes a device.
type Config struct {
	// Addresses are the stack's own addresses, at least one.
	Addresses []netip.Addr
	// DNS are the servers that LookupHost and DialContext ask, through the device.
	DNS []netip.Addr
	// MTU is the device's MTU in octets; tun.DefaultMTU when 0.
	MTU int
}

// Device is a TCP/IP stack; it implements tun.Device. Its methods are safe for concurrent use.
type Device struct {
	inner wgtun.Device
	stack *wgnetstack.Net
	queue tun.Queue
	mtu   int

	closeOnce sync.Once
	closeErr  error
}

var _ tun.Device = (*Device)(nil)

// New makes a stack with its addresses; every other address is reached through the device.
func New(c Config) (*Device, error) {
	if len(c.Addresses) == 0 {
		return nil, errors.New("netstack: a stack without addresses reaches nobody")
	}
	if c.MTU == 0 {
		c.MTU = tun.DefaultMTU
	}
	inner, stack, err := wgnetstack.CreateNetTUN(c.Addresses, c.DNS, c.MTU)
	if err != nil {
		return nil, fmt.Errorf("netstack: %w", err)
	}
	return &Device{inner: inner, stack: stack, queue: tun.Adapt(inner), mtu: c.MTU}, nil
}

// Name implements tun.Device.
func (d *Device) Name() string { return "netstack" }

// MTU implements tun.Device.
func (d *Device) MTU() int { return d.mtu }

// Queues implements tun.Device.
func (d *Device) Queues() []tun.Queue { return []tun.Queue{d.queue} }

// Close implements tun.Device; it may be called more than once. Connections through the stack end.
func (d *Device) Close() error {
	d.closeOnce.Do(func() {
		// The stack hands over each packet that it still sends while it closes; somebody has to take them.
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			buf, sizes := [][]byte{make([]byte, 65536)}, []int{0}
			for {
				if _, err := d.inner.Read(buf, sizes, 0); errors.Is(err, os.ErrClosed) {
					return
				}
			}
		}()
		d.closeErr = d.inner.Close()
		<-drained
	})
	return d.closeErr
}

// DialContext connects through the device to "host:port"; network is tcp, tcp4, tcp6, udp, udp4, udp6 or ping, as of net.Dial.
func (d *Device) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d.stack.DialContext(ctx, network, address)
}

// ListenTCP accepts connections that come through the device. An unspecified address means all of the stack's.
func (d *Device) ListenTCP(address netip.AddrPort) (net.Listener, error) {
	l, err := d.stack.ListenTCPAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("netstack: listen on %s: %w", address, err)
	}
	return l, nil
}

// ListenUDP receives datagrams that come through the device.
func (d *Device) ListenUDP(address netip.AddrPort) (net.PacketConn, error) {
	c, err := d.stack.ListenUDPAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("netstack: listen on %s: %w", address, err)
	}
	return c, nil
}

// LookupHost asks the device's DNS servers.
func (d *Device) LookupHost(ctx context.Context, host string) ([]string, error) {
	return d.stack.LookupContextHost(ctx, host)
}
