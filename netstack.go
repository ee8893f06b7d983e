package goswan

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/goswan/goswan/tun/netstack"
)

// ErrNoNetstack is returned where only an endpoint on a netstack device can help; on the host's TUN use package net.
var ErrNoNetstack = errors.New("goswan: the endpoint's device is not a netstack device")

func (e *Endpoint) stack() (*netstack.Device, error) {
	if d, ok := e.device.(*netstack.Device); ok {
		return d, nil
	}
	return nil, ErrNoNetstack
}

// DialContext connects through the tunnel, as net.Dialer does; only with a netstack device.
func (e *Endpoint) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d, err := e.stack()
	if err != nil {
		return nil, err
	}
	return d.DialContext(ctx, network, address)
}

// ListenTCP accepts connections that come through the tunnel; only with a netstack device.
func (e *Endpoint) ListenTCP(address netip.AddrPort) (net.Listener, error) {
	d, err := e.stack()
	if err != nil {
		return nil, err
	}
	return d.ListenTCP(address)
}

// ListenUDP receives datagrams that come through the tunnel; only with a netstack device.
func (e *Endpoint) ListenUDP(address netip.AddrPort) (net.PacketConn, error) {
	d, err := e.stack()
	if err != nil {
		return nil, err
	}
	return d.ListenUDP(address)
}
