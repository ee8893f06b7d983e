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
	"math/bits"
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
	full [slots / 64]uint64 // a bit for each slot that is reserved or in use
	next uint16             // where the search for a free slot goes on, round and round, so that a slot rests as long as possible
	sas  int
}

type chunk struct {
	sas [chunkSize]atomic.Pointer[esp.Inbound]
	// taken is the SPI that each slot is reserved for or in use by, 0 when free; protected by Inbound.mu.
	taken [chunkSize]esp.SPI
}

// NewInbound makes an empty one that takes the random half of SPIs from rand.
func NewInbound(rand io.Reader) *Inbound { return &Inbound{rand: rand} }

func slotOf(spi esp.SPI) uint16 { return uint16(spi) }

// Find is the SA of an SPI, nil when there is none.
func (d *Inbound) Find(spi esp.SPI) *esp.Inbound {
	slot := slotOf(spi)
	c := d.chunks[slot>>chunkBits].Load()
	if c == nil {
		return nil
	}
	in := c.sas[slot%chunkSize].Load()
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
	d.take(spi)
	return spi, nil
}

// freeSlot finds a free slot; d.mu is held.
func (d *Inbound) freeSlot() (uint16, bool) {
	from := d.next / 64
	for i := range len(d.full) + 1 {
		word := (int(from) + i) % len(d.full)
		free := ^d.full[word]
		switch i {
		case 0:
			free &^= 1<<(d.next%64) - 1 // those from next on
		case len(d.full):
			free &= 1<<(d.next%64) - 1 // and at the end those before
		}
		if free != 0 {
			slot := uint16(word*64 + bits.TrailingZeros64(free))
			d.next = slot + 1
			return slot, true
		}
	}
	return 0, false
}

// take notes that a slot is reserved for or in use by an SPI; d.mu is held.
func (d *Inbound) take(spi esp.SPI) *chunk {
	slot := slotOf(spi)
	c := d.chunks[slot>>chunkBits].Load()
	if c == nil {
		c = new(chunk)
		d.chunks[slot>>chunkBits].Store(c)
	}
	d.full[slot/64] |= 1 << (slot % 64)
	c.taken[slot%chunkSize] = spi
	return c
}

// free is the contrary of take.
func (d *Inbound) free(spi esp.SPI) {
	slot := slotOf(spi)
	d.full[slot/64] &^= 1 << (slot % 64)
	d.chunks[slot>>chunkBits].Load().taken[slot%chunkSize] = 0
}

// owner is the SPI that has the slot of spi, 0 for none; d.mu is held.
func (d *Inbound) owner(spi esp.SPI) esp.SPI {
	slot := slotOf(spi)
	if c := d.chunks[slot>>chunkBits].Load(); c != nil {
		return c.taken[slot%chunkSize]
	}
	return 0
}

// Release gives back a reserved SPI that no SA was added for. Any other SPI is left alone.
func (d *Inbound) Release(spi esp.SPI) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if spi != 0 && d.owner(spi) == spi && d.Find(spi) == nil {
		d.free(spi)
	}
}

// Add puts an SA in its place. Its SPI is a reserved one, or one whose slot is free.
func (d *Inbound) Add(in *esp.Inbound) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	spi := in.SPI()
	if owner := d.owner(spi); owner != 0 && (owner != spi || d.Find(spi) != nil) {
		return ErrExists
	}
	d.take(spi).sas[slotOf(spi)%chunkSize].Store(in)
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
	d.chunks[slot>>chunkBits].Load().sas[slot%chunkSize].Store(nil)
	d.free(spi)
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
	for i := range d.chunks {
		c := d.chunks[i].Load()
		if c == nil {
			continue
		}
		for j := range c.sas {
			if in := c.sas[j].Load(); in != nil {
				list = append(list, in)
			}
		}
	}
	return list
}
