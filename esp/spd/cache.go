package spd

import (
	"encoding/binary"
	"net/netip"

	"github.com/goswan/goswan/tun/packet"
)

// A Cache remembers up to cacheSize flows; a power of two.
const (
	cacheBits = 12
	cacheSize = 1 << cacheBits
)

// Cache remembers the policies of recent flows, of one Database, for one goroutine. Each flow has two places, where it takes
// the place of another by turns: as long as no more than half of them are in use, every flow soon finds one that it keeps.
// What an attacker can bring about is that Match is called as if there were no cache. A new snapshot makes all that is
// remembered stale. The zero value is ready to use.
type Cache struct {
	last  *slot // of the packet before, since packets come in runs
	turn  uint
	slots [cacheSize]slot
}

type slot struct {
	generation uint64
	policy     *Policy
	flow       packet.Flow
}

// Match is s.Match(f), remembered. It allocates nothing.
func (c *Cache) Match(s *Snapshot, f *packet.Flow) *Policy {
	if c.last == nil || !c.last.holds(s, f) {
		c.last = c.find(s, f)
	}
	return c.last.policy
}

// find is the slot of a flow, which is filled if need be.
func (c *Cache) find(s *Snapshot, f *packet.Flow) *slot {
	a, b := c.places(f)
	switch {
	case a.holds(s, f):
		return a
	case b.holds(s, f):
		return b
	}
	at := a
	if c.turn++; a.generation == s.generation && (b.generation != s.generation || c.turn%2 == 0) {
		at = b
	}
	*at = slot{generation: s.generation, policy: s.Match(f), flow: *f}
	return at
}

// places is the two slots that a flow may be in.
func (c *Cache) places(f *packet.Flow) (a, b *slot) {
	h := hash(f)
	return &c.slots[h>>(64-cacheBits)], &c.slots[h>>(64-2*cacheBits)%cacheSize]
}

func (at *slot) holds(s *Snapshot, f *packet.Flow) bool {
	return at.generation == s.generation && at.flow == *f
}

// hash mixes a flow to two places: the highest bits and those below.
func hash(f *packet.Flow) uint64 {
	const k = 0x9e3779b97f4a7c15 // 2⁶⁴ over the golden ratio
	h := uint64(f.SrcPort)<<24 | uint64(f.DstPort)<<8 | uint64(f.Protocol)
	h = (h ^ fold(f.Src)) * k
	h = (h ^ h>>29 ^ fold(f.Dst)) * k
	return (h ^ h>>32) * k
}

func fold(a netip.Addr) uint64 {
	if a.Is4() {
		b := a.As4()
		return uint64(binary.LittleEndian.Uint32(b[:]))
	}
	b := a.As16()
	return binary.LittleEndian.Uint64(b[:]) ^ binary.LittleEndian.Uint64(b[8:])
}
