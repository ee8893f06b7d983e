package pool

import (
	"fmt"
	"net/netip"
	"strings"
)

// maxBits bounds how many addresses of a network are leased: 2^31, as in strongSwan.
const maxBits = 31

// Range is the addresses of a pool: Size of them from First on. The zero value has none.
type Range struct {
	First netip.Addr
	Size  uint64
}

// ParseRange reads `addrs`: a network as 10.3.0.0/24, of which the first and the last address are left out unless there are
// no others, or a range as 10.3.0.10-10.3.0.99. A network that is written with another address than its first begins there.
func ParseRange(text string) (Range, error) {
	if first, last, ok := strings.Cut(text, "-"); ok {
		return between(strings.TrimSpace(first), strings.TrimSpace(last))
	}
	p, err := netip.ParsePrefix(strings.TrimSpace(text))
	if err != nil {
		return Range{}, fmt.Errorf("pool: %q is neither a network nor a range", text)
	}
	bits := min(p.Addr().BitLen()-p.Bits(), maxBits)
	network := netip.PrefixFrom(p.Addr(), p.Addr().BitLen()-bits).Masked().Addr()
	r := Range{First: p.Addr(), Size: uint64(1)<<bits - distance(network, p.Addr())}
	if bits > 1 && r.First == network {
		r.First, r.Size = r.First.Next(), r.Size-1
	}
	if bits > 1 && r.Size > 1 {
		r.Size-- // the last one is the broadcast address
	}
	return r, nil
}

func between(first, last string) (Range, error) {
	from, err1 := netip.ParseAddr(first)
	to, err2 := netip.ParseAddr(last)
	if err1 != nil || err2 != nil || from.BitLen() != to.BitLen() || to.Less(from) {
		return Range{}, fmt.Errorf("pool: %s-%s is no range of addresses", first, last)
	}
	return Range{First: from, Size: min(distance(from, to), 1<<maxBits-1) + 1}, nil
}

// distance is how far it is from one address to a later one, at most 2^32.
func distance(from, to netip.Addr) uint64 {
	a, b := from.As16(), to.As16()
	var d uint64
	borrow := 0
	for i := 15; i >= 0; i-- {
		digit := int(b[i]) - int(a[i]) - borrow
		if borrow = 0; digit < 0 {
			digit, borrow = digit+256, 1
		}
		if i < 12 && digit != 0 {
			return 1 << 32
		}
		d |= uint64(digit) << (8 * min(15-i, 7))
	}
	return d
}

// at is the i-th address, from 0.
func (r Range) at(i uint64) netip.Addr {
	b := r.First.As16()
	for k := 15; k >= 0 && i > 0; k-- {
		i += uint64(b[k])
		b[k] = byte(i)
		i >>= 8
	}
	a := netip.AddrFrom16(b)
	if r.First.Is4() {
		return a.Unmap()
	}
	return a
}

// Contains tells whether an address is one of the range's.
func (r Range) Contains(a netip.Addr) bool {
	return a.BitLen() == r.First.BitLen() && !a.Less(r.First) && distance(r.First, a) < r.Size
}
