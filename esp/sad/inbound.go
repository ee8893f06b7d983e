// Package sad is the Security Association Database (RFC 4301 §4.4.2).
//
// Inbound SPIs are ours to choose, so they carry the place of their SA. Looking one up is an index and a compare:
//
//	 31             16 15              0
//	+-----------------+-----------------+
//	| random, ≥ 1     | slot            |
//	+-----------------+-----------------+
//
// The random half makes the SPI of an SA that is gone point to nothing, although its slot is in use again.
//
// Outbound SAs are found through their policy: a Bundle is the SAs of one policy, the newest of which is in use.
package sad

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/goswan/goswan/esp"
)

const (
	slotBits  = 16
	slots     = 1 << slotBits
	chunkBits = 8 // slots are allocated by the chunk
	chunkSize = 1 << chunkBits
)

// ErrFull is returned when every inbound SPI is in use.
var ErrFull = errors.New("sad: every inbound SPI is in use")

// ErrExists is returned for a second SA of one name.
var ErrExists = errors.New("sad: there is an SA of this SPI already")

// Inbound is the inbound SAs by SPI. Find is for any number of goroutines and takes no lock.
type Inbound struct {
	chunks [slots / chunkSize]atomic.Pointer[chunk]

	mu   sync.Mutex // protects what follows
	rand io.Reader
	// taken is the SPI that each slot is reserved for or in use by, 0 when free.
	taken map[uint16]esp.SPI
	next  uint16 // where the search for a free slot goes on, round and round, so that a slot rests as long as possible
	sas   int
}

type chunk [chunkSize]atomic.Pointer[esp.Inbound]

// NewInbound makes an empty one that takes the random half of SPIs from rand.
func NewInbound(rand io.Reader) *Inbound {
	return &Inbound{rand: rand, taken: map[uint16]esp.SPI{}}
}

func slotOf(spi esp.SPI) uint16 { return uint16(spi) }

// Find is the SA of an SPI, nil when there is none.
func (d *Inbound) Find(spi esp.SPI) *esp.Inbound {
	slot := slotOf(spi)
	c := d.chunks[slot>>chunkBits].Load()
	if c == nil {
		return nil
	}
	in := c[slot%chunkSize].Load()
	if in == nil || in.SPI() != spi {
		return nil
	}
	return in
}

// Reserve chooses an SPI for an SA to come. It is the caller's until Add or Release.
func (d *Inbound) Reserve() (esp.SPI, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var b [2]byte
	for b[0]|b[1] == 0 { // the values up to 255 are reserved, RFC 4303 §2.1
		if _, err := io.ReadFull(d.rand, b[:]); err != nil {
			return 0, fmt.Errorf("sad: a random SPI: %w", err)
		}
	}
	slot, ok := d.freeSlot()
	if !ok {
		return 0, ErrFull
	}
	spi := esp.SPI(binary.BigEndian.Uint16(b[:]))<<slotBits | esp.SPI(slot)
	d.taken[slot] = spi
	return spi, nil
}

// freeSlot finds a free slot; d.mu is held.
func (d *Inbound) freeSlot() (uint16, bool) {
	if len(d.taken) == slots {
		return 0, false
	}
	for {
		slot := d.next
		d.next++
		if _, used := d.taken[slot]; !used {
			return slot, true
		}
	}
}

// Release gives back a reserved SPI that no SA was added for. Any other SPI is left alone.
func (d *Inbound) Release(spi esp.SPI) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.taken[slotOf(spi)] == spi && d.Find(spi) == nil {
		delete(d.taken, slotOf(spi))
	}
}

// Add puts an SA in its place. Its SPI is a reserved one, or one whose slot is free.
func (d *Inbound) Add(in *esp.Inbound) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	spi, slot := in.SPI(), slotOf(in.SPI())
	if owner, used := d.taken[slot]; used && (owner != spi || d.Find(spi) != nil) {
		return ErrExists
	}
	d.taken[slot] = spi
	c := d.chunks[slot>>chunkBits].Load()
	if c == nil {
		c = new(chunk)
		d.chunks[slot>>chunkBits].Store(c)
	}
	c[slot%chunkSize].Store(in)
	d.sas++
	return nil
}

// Remove takes an SA out and returns it; nil when there is none. Its SPI is free again.
func (d *Inbound) Remove(spi esp.SPI) *esp.Inbound {
	d.mu.Lock()
	defer d.mu.Unlock()
	in := d.Find(spi)
	if in == nil {
		return nil
	}
	slot := slotOf(spi)
	d.chunks[slot>>chunkBits].Load()[slot%chunkSize].Store(nil)
	delete(d.taken, slot)
	d.sas--
	return in
}

// Len is the number of SAs.
func (d *Inbound) Len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sas
}

// All is the SAs at one time.
func (d *Inbound) All() []*esp.Inbound {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]*esp.Inbound, 0, d.sas)
	for _, spi := range d.taken {
		if in := d.Find(spi); in != nil {
			list = append(list, in)
		}
	}
	return list
}
