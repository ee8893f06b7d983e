// Package tuntest is a tun.Device in memory: a test injects what a host would send and reads what was written to it.
package tuntest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/goswan/goswan/tun"
	"github.com/goswan/goswan/tun/packet"
)

// Config describes a device. The zero value is one queue without offload, named "tun0", of MTU 1400.
type Config struct {
	Name   string // "tun0" when empty
	MTU    int    // 1400 when 0
	Queues int    // 1 when 0
	// Offload says that the device gives and takes super-packets and unfinished checksums, as Linux does.
	Offload bool
	// Depth is the number of packets that wait in each queue before Inject blocks; 1024 when 0.
	Depth int
	// Discard counts what is written and forgets it, for benchmarks.
	Discard bool
}

// Packet is what was written to a device.
type Packet struct {
	Data []byte
	GSO  packet.GSO
}

// Device is the device; it implements tun.Device.
type Device struct {
	name    string
	mtu     atomic.Int64
	offload bool
	discard bool
	queues  []*queue
	written chan struct{} // holds one token while out is not empty
	closed  chan struct{}
	once    sync.Once
	count   atomic.Uint64

	mu     sync.Mutex // protects the fields below
	out    []Packet
	refuse error
}

var _ tun.Device = (*Device)(nil)

// New makes a device.
func New(c Config) *Device {
	if c.Name == "" {
		c.Name = "tun0"
	}
	if c.MTU == 0 {
		c.MTU = 1400
	}
	if c.Depth == 0 {
		c.Depth = 1024
	}
	d := &Device{
		name: c.Name, offload: c.Offload, discard: c.Discard,
		written: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	d.mtu.Store(int64(c.MTU))
	for range max(c.Queues, 1) {
		d.queues = append(d.queues, &queue{
			device: d,
			in:     make(chan *packet.Super, c.Depth),
			free:   make(chan *packet.Super, c.Depth),
		})
	}
	return d
}

// Name implements tun.Device.
func (d *Device) Name() string { return d.name }

// MTU implements tun.Device.
func (d *Device) MTU() int { return int(d.mtu.Load()) }

// SetMTU changes the MTU, as an administrator would.
func (d *Device) SetMTU(octets int) { d.mtu.Store(int64(octets)) }

// Offload says whether the device gives and takes super-packets.
func (d *Device) Offload() bool { return d.offload }

// Queues implements tun.Device.
func (d *Device) Queues() []tun.Queue {
	queues := make([]tun.Queue, len(d.queues))
	for i, q := range d.queues {
		queues[i] = q
	}
	return queues
}

// Close implements tun.Device; it may be called more than once.
func (d *Device) Close() error {
	d.once.Do(func() { close(d.closed) })
	return nil
}

// Inject gives one plain packet, which is copied, to the reader of the first queue.
func (d *Device) Inject(ip []byte) error { return d.InjectSuper(0, ip, packet.GSO{}) }

// InjectSuper gives one super-packet, which is copied, to the reader of a queue. It blocks while the queue is full and
// returns os.ErrClosed after Close.
func (d *Device) InjectSuper(queue int, ip []byte, gso packet.GSO) error {
	if len(ip) == 0 || len(ip) > packet.MaxPacket {
		return fmt.Errorf("tuntest: a packet of %d octets", len(ip))
	}
	if gso != (packet.GSO{}) && !d.offload {
		return errors.New("tuntest: this device has no offload and gives no super-packets")
	}
	q := d.queues[queue]
	s := q.buffer()
	s.Off, s.Len, s.GSO = packet.Headroom, len(ip), gso
	copy(s.Bytes(), ip)
	select {
	case <-d.closed:
		return os.ErrClosed
	default:
	}
	select {
	case q.in <- s:
		return nil
	case <-d.closed:
		return os.ErrClosed
	}
}

// Refuse makes every following Write fail with err, as a full or broken device does; nil ends it.
func (d *Device) Refuse(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refuse = err
}

// Count is the number of packets written so far.
func (d *Device) Count() uint64 { return d.count.Load() }

// Written takes all that was written and not taken before, oldest first. It does not wait.
func (d *Device) Written() []Packet {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := d.out
	d.out = nil
	return out
}

// Next takes the oldest packet written and not taken before. It waits for one until ctx ends or the device is closed.
func (d *Device) Next(ctx context.Context) (Packet, error) {
	for {
		if p, ok := d.take(); ok {
			return p, nil
		}
		select {
		case <-d.written:
		case <-d.closed:
			if p, ok := d.take(); ok {
				return p, nil
			}
			return Packet{}, os.ErrClosed
		case <-ctx.Done():
			return Packet{}, ctx.Err()
		}
	}
}

// take takes the oldest packet and leaves the token to the next reader when there are more.
func (d *Device) take() (Packet, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.out) == 0 {
		return Packet{}, false
	}
	p := d.out[0]
	d.out = d.out[1:]
	if len(d.out) > 0 {
		d.signal()
	}
	return p, true
}

func (d *Device) signal() {
	select {
	case d.written <- struct{}{}:
	default:
	}
}

// keep records one written super-packet.
func (d *Device) keep(s *packet.Super) error {
	if s.GSO != (packet.GSO{}) && !d.offload {
		return errors.New("tuntest: this device has no offload and takes no super-packets")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refuse != nil {
		return d.refuse
	}
	d.count.Add(1)
	if d.discard {
		return nil
	}
	d.out = append(d.out, Packet{Data: append([]byte(nil), s.Bytes()...), GSO: s.GSO})
	d.signal()
	return nil
}

// queue implements tun.Queue. Buffers go round between in and free, so that a running test does not allocate.
type queue struct {
	device   *Device
	in, free chan *packet.Super
}

func (q *queue) buffer() *packet.Super {
	select {
	case s := <-q.free:
		return s
	default:
		return packet.NewSuper()
	}
}

// Read implements tun.Queue.
func (q *queue) Read(s *packet.Super, idle func()) error {
	select {
	case <-q.device.closed:
		return os.ErrClosed
	default:
	}
	select {
	case p := <-q.in:
		q.hand(p, s)
		return nil
	default:
	}
	if idle != nil {
		idle()
	}
	select {
	case p := <-q.in:
		q.hand(p, s)
		return nil
	case <-q.device.closed:
		return os.ErrClosed
	}
}

func (q *queue) hand(from, to *packet.Super) {
	to.Off, to.Len, to.GSO = packet.Headroom, from.Len, from.GSO
	copy(to.Bytes(), from.Bytes())
	select {
	case q.free <- from:
	default:
	}
}

// Write implements tun.Queue.
func (q *queue) Write(s *packet.Super) error {
	select {
	case <-q.device.closed:
		return os.ErrClosed
	default:
	}
	if s.Len == 0 {
		return errors.New("tuntest: an empty packet")
	}
	return q.device.keep(s)
}
