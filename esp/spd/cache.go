package spd

import (
	"encoding/binary"
	"net/netip"

	"github.com/goswan/goswan/tun/packet"
)

// cacheSize is the number of flows that a Cache remembers; a power of two.
const cacheSize = 256

// Cache remembers the policies of recent flows, of one Database, for one goroutine. Each flow has one place, where it takes
// the place of another: what an attacker can bring about is that Match is called as if there were no cache. A
// new snapshot makes all that is remembered stale. The zero value is ready to use.
type Cache struct {
	last  *slot // of the packet before, since packets come in runs
	slots [cacheSize]slot
}

type slot struct {
	generation uint64
	policy     *Policy
	flow       packet.Flow
}

// Match is s.Match(f), remembered. It allocates nothing.
func (c *Cache) Match(s *Snapshot, f *packet.Flow) *Policy {
	if c.last != nil && c.last.holds(s, f) {
		return c.last.policy
	}
	at := &c.slots[place(f)]
	c.last = at
	if !at.holds(s, f) {
		*at = slot{generation: s.generation, policy: s.Match(f), flow: *f}
	}
	return at.policy
}

func (at *slot) holds(s *Snapshot, f *packet.Flow) bool {
	return at.generation == s.generation && at.flow == *f
}

// place mixes a flow to the number of a slot.
func place(f *packet.Flow) uint64 {
	const k = 0x9e3779b97f4a7c15 // 2⁶⁴ over the golden ratio
	h := uint64(f.SrcPort)<<24 | uint64(f.DstPort)<<8 | uint64(f.Protocol)
	h = (h ^ fold(f.Src)) * k
	h = (h ^ h>>29 ^ fold(f.Dst)) * k
	return h >> 56
}

func fold(a netip.Addr) uint64 {
	b := a.As16()
	return binary.LittleEndian.Uint64(b[:]) ^ binary.LittleEndian.Uint64(b[8:])
}
