package tun

import (
	"errors"
	"fmt"
	"os"
	"sync"

	wgtun "golang.zx2c4.com/wireguard/tun"

	"github.com/goswan/goswan/tun/packet"
)

// batchQueue is a queue over the packet batches that wireguard's device reads and writes on every operating system:
// super-packets of one packet each.
type batchQueue struct {
	device wgtun.Device

	// What one read brought and was not handed out yet; they belong to the one goroutine that reads.
	bufs  [][]byte
	sizes []int
	next  int
	count int
}

func newBatchQueue(device wgtun.Device) *batchQueue {
	q := &batchQueue{device: device, sizes: make([]int, device.BatchSize())}
	for range device.BatchSize() {
		q.bufs = append(q.bufs, make([]byte, packet.Headroom+packet.MaxPacket))
	}
	return q
}

// Read implements Queue. Whether a packet is waiting cannot be told, so idle is called before each read of the device.
func (q *batchQueue) Read(s *packet.Super, idle func()) error {
	for q.next == q.count {
		if idle != nil {
			idle()
			idle = nil
		}
		if err := q.fill(); err != nil {
			return err
		}
	}
	s.Off, s.Len, s.GSO = packet.Headroom, q.sizes[q.next], packet.GSO{}
	copy(s.Bytes(), q.bufs[q.next][packet.Headroom:])
	q.next++
	return nil
}

func (q *batchQueue) fill() error {
	n, err := q.device.Read(q.bufs, q.sizes, packet.Headroom)
	q.next, q.count = 0, n
	switch {
	case n > 0 || err == nil || errors.Is(err, wgtun.ErrTooManySegments):
		return nil
	case errors.Is(err, os.ErrClosed):
		return os.ErrClosed
	}
	return fmt.Errorf("tun: read: %w", err)
}

// single is a batch of one packet.
type single [1][]byte

var singles = sync.Pool{New: func() any { return new(single) }}

// Write implements Queue.
func (q *batchQueue) Write(s *packet.Super) error {
	if s.Len <= 0 || s.Off < packet.Headroom || s.GSO != (packet.GSO{}) {
		return ErrRefused
	}
	one := singles.Get().(*single)
	one[0] = s.Buf[:s.Off+s.Len]
	_, err := q.device.Write(one[:], s.Off)
	one[0] = nil
	singles.Put(one)
	if errors.Is(err, os.ErrClosed) {
		return os.ErrClosed
	}
	if err != nil {
		return fmt.Errorf("tun: write: %w", err)
	}
	return nil
}
