package vici

import (
	"encoding/binary"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/goswan/goswan/ike/core"
)

// maxPoolBits is how many host bits of a network strongSwan leases from.
const maxPoolBits = 31

// NewPool is a configured pool that has leased nothing, with the base and the size that strongSwan gives it: of a
// network the first and the last address are left out, mem_pool.c.
func NewPool(p *core.Pool) Pool {
	pool := Pool{Name: p.Name, Base: p.Addrs}
	if first, last, ok := strings.Cut(p.Addrs, "-"); ok {
		from, err1 := netip.ParseAddr(strings.TrimSpace(first))
		to, err2 := netip.ParseAddr(strings.TrimSpace(last))
		if err1 == nil && err2 == nil {
			pool.Base, pool.Size = from.String(), between(from, to)
		}
		return pool
	}
	prefix, err := netip.ParsePrefix(strings.TrimSpace(p.Addrs))
	if err != nil {
		return pool
	}
	base := prefix.Addr()
	bits := min(base.BitLen()-prefix.Bits(), maxPoolBits)
	size := uint64(1) << bits
	// "if base is the network id we skip the first address, otherwise" there are fewer left
	offset := between(netip.PrefixFrom(base, base.BitLen()-bits).Masked().Addr(), base) - 1
	switch {
	case size <= 2:
		size -= offset
	case offset == 0:
		base, size = base.Next(), size-2
	default:
		size -= offset + 1
	}
	pool.Base, pool.Size = base.String(), size
	return pool
}

// between counts the addresses from one to another, both included; 0 if they are not in that order.
func between(from, to netip.Addr) uint64 {
	if from.BitLen() != to.BitLen() || to.Less(from) {
		return 0
	}
	a, b := from.As16(), to.As16()
	if [8]byte(a[:8]) != [8]byte(b[:8]) {
		return math.MaxUint64
	}
	low, high := binary.BigEndian.Uint64(a[8:]), binary.BigEndian.Uint64(b[8:])
	return max(high-low+1, high-low)
}

func loadPool(c *call) *Message { return c.loadSections(c.daemon.LoadPool) }

func unloadPool(c *call) *Message {
	name := c.request.Get("name")
	if name == "" {
		return failure("missing pool name to unload")
	}
	for _, p := range c.daemon.Pools() {
		if p.Name != name {
			continue
		}
		if p.Online > 0 {
			return failure("%s has online leases, unable to unload", name)
		}
		return outcome(c.daemon.UnloadPool(name))
	}
	return failure("%s not found", name)
}

// getPools answers with the pools. Order: vici_attribute.c, get_pools.
func getPools(c *call) *Message {
	name, withLeases := c.request.Get("name"), c.yes("leases")
	m := &Message{}
	for _, p := range c.daemon.Pools() {
		if name != "" && name != p.Name {
			continue
		}
		section := m.AddSection(p.Name)
		section.Add("base", p.Base)
		section.Addf("size", "%d", p.Size).Addf("online", "%d", p.Online).Addf("offline", "%d", p.Offline)
		if !withLeases {
			continue
		}
		leases := section.AddSection("leases")
		for i, lease := range p.Leases {
			status := "offline"
			if lease.Online {
				status = "online"
			}
			leases.AddSection(strconv.Itoa(i)).Add("address", lease.Address).Add("identity", lease.Identity).Add("status", status)
		}
	}
	return m
}
