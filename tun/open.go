package tun

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
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
	// Queues is how many queues are wanted, each for a goroutine of its own; 1 when 0. Only Linux has more than one.
	Queues int
}

// MaxQueues is the most queues that Linux gives a device (MAX_TAP_QUEUES).
const MaxQueues = 256

// DefaultMTU is the MTU of a device when the configuration names none.
const DefaultMTU = 1400

// Native is the host's TUN device; it implements Device.
type Native struct {
	device wgtun.Device
	name   string
	mtu    atomic.Int64
	queues []Queue
	super  bool // takes and gives super-packets

	closeOnce sync.Once
	closeErr  error
	drained   chan struct{} // closed when the events have ended

	metering sync.Mutex // protects meter
	meter    mtuMeter   // nil when closed
}

var _ Resizable = (*Native)(nil)

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
	if c.Queues < 0 || c.Queues > MaxQueues {
		return nil, fmt.Errorf("tun: %d queues are not within 1 to %d", c.Queues, MaxQueues)
	}
	c.Queues = max(c.Queues, 1)
	device, err := create(c)
	if err != nil {
		return nil, fmt.Errorf("tun: create %s: %w", c.Name, explain(err))
	}
	n := &Native{device: device, drained: make(chan struct{})}
	n.mtu.Store(int64(c.MTU))
	if err := n.start(c.Queues); err != nil {
		return nil, errors.Join(fmt.Errorf("tun: %s: %w", c.Name, err), n.closeQueues(), device.Close())
	}
	return n, nil
}

func (n *Native) start(queues int) error {
	var err error
	if n.name, err = n.device.Name(); err != nil {
		return err
	}
	if n.queues, n.super, err = openQueues(n.device, n.name, queues); err != nil {
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
		n.metering.Lock()
		if mtu, err := n.meter.MTU(); err == nil {
			n.mtu.Store(int64(mtu))
		}
		n.metering.Unlock()
	}
	n.metering.Lock()
	n.meter.Close()
	n.meter = nil
	n.metering.Unlock()
}

// Name implements Device.
func (n *Native) Name() string { return n.name }

// MTU implements Device.
func (n *Native) MTU() int { return int(n.mtu.Load()) }

// SetMTU implements Resizable.
func (n *Native) SetMTU(octets int) error {
	n.metering.Lock()
	defer n.metering.Unlock()
	if n.meter == nil {
		return os.ErrClosed
	}
	if err := n.meter.SetMTU(octets); err != nil {
		return fmt.Errorf("tun: %s: MTU %d: %w", n.name, octets, err)
	}
	n.mtu.Store(int64(octets))
	return nil
}

// Offload says whether the device gives and takes super-packets.
func (n *Native) Offload() bool { return n.super }

// Queues implements Device.
func (n *Native) Queues() []Queue { return slices.Clone(n.queues) }

// Close implements Device; it may be called more than once.
func (n *Native) Close() error {
	n.closeOnce.Do(func() {
		err := n.device.Close()
		if errors.Is(err, os.ErrClosed) {
			err = nil
		}
		if err = errors.Join(err, n.closeQueues()); err != nil {
			n.closeErr = fmt.Errorf("tun: close %s: %w", n.name, err)
		}
	})
	return n.closeErr
}

// closeQueues closes what the queues have beside the device, and ends reads under way.
func (n *Native) closeQueues() error {
	var errs []error
	for _, q := range n.queues {
		if c, ok := q.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// mtuMeter reads and sets the device's MTU.
type mtuMeter interface {
	MTU() (int, error)
	SetMTU(octets int) error
	Close()
}
