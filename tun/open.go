package tun

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	wgtun "golang.zx2c4.com/wireguard/tun"
)

// Config describes the host's device. The zero value is the usual one.
type Config struct {
	// Name is the interface's name: "ipsec0" when empty ("utun" on macOS and "tun" on OpenBSD, which number it).
	Name string
	// MTU is the device's MTU in octets; 1400 when 0, which with every suite fits ESP in UDP in IPv4 packets of 1500 octets.
	MTU int
}

// DefaultMTU is the MTU of a device when the configuration names none.
const DefaultMTU = 1400

// Native is the host's TUN device; it implements Device.
type Native struct {
	device wgtun.Device
	name   string
	mtu    atomic.Int64
	meter  mtuMeter
	queue  Queue
	super  bool // takes and gives super-packets

	closeOnce sync.Once
	closeErr  error
	drained   chan struct{} // closed when the events have ended
}

var _ Device = (*Native)(nil)

// Open creates the device; it is down and without addresses. It disappears with Close or with the process.
func Open(c Config) (*Native, error) {
	if c.Name == "" {
		c.Name = defaultName
	}
	if c.MTU == 0 {
		c.MTU = DefaultMTU
	}
	// IPv4 requires 68 (RFC 791 §3.2).
	if c.MTU < 68 || c.MTU > 65535 {
		return nil, fmt.Errorf("tun: an MTU of %d octets is not within 68 to 65535", c.MTU)
	}
	device, err := wgtun.CreateTUN(c.Name, c.MTU)
	if err != nil {
		return nil, fmt.Errorf("tun: create %s: %w", c.Name, explain(err))
	}
	n := &Native{device: device, drained: make(chan struct{})}
	n.mtu.Store(int64(c.MTU))
	if err := n.start(); err != nil {
		return nil, errors.Join(fmt.Errorf("tun: %s: %w", c.Name, err), device.Close())
	}
	return n, nil
}

func (n *Native) start() error {
	var err error
	if n.name, err = n.device.Name(); err != nil {
		return err
	}
	if n.queue, n.super, err = openQueue(n.device, n.name); err != nil {
		return err
	}
	if n.meter, err = openMeter(n.device, n.name); err != nil {
		return err
	}
	go n.watch()
	return nil
}

// watch follows the device's events until it is closed; an administrator may change the MTU at any time.
func (n *Native) watch() {
	defer close(n.drained)
	for event := range n.device.Events() {
		if event&wgtun.EventMTUUpdate == 0 {
			continue
		}
		if mtu, err := n.meter.MTU(); err == nil {
			n.mtu.Store(int64(mtu))
		}
	}
	n.meter.Close()
}

// Name implements Device.
func (n *Native) Name() string { return n.name }

// MTU implements Device.
func (n *Native) MTU() int { return int(n.mtu.Load()) }

// Offload says whether the device gives and takes super-packets.
func (n *Native) Offload() bool { return n.super }

// Queues implements Device.
func (n *Native) Queues() []Queue { return []Queue{n.queue} }

// Close implements Device; it may be called more than once.
func (n *Native) Close() error {
	n.closeOnce.Do(func() {
		if err := n.device.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			n.closeErr = fmt.Errorf("tun: close %s: %w", n.name, err)
		}
	})
	return n.closeErr
}

// mtuMeter reads the device's MTU.
type mtuMeter interface {
	MTU() (int, error)
	Close()
}
