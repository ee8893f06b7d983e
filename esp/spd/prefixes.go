package spd

import (
	"math/bits"
	"net/netip"
)

// Prefix is the address range as one prefix; ok is false when it takes several.
func (ts TrafficSelector) Prefix() (p netip.Prefix, ok bool) {
	if !ts.Valid() {
		return netip.Prefix{}, false
	}
	p = widest(ts.Start, ts.End)
	return p, lastAddr(p) == ts.End
}

// Prefixes is the address range as the fewest prefixes, in order, for routes; nil for an invalid selector. A range of IPv4
// addresses takes at most 62, one of IPv6 addresses 254.
func (ts TrafficSelector) Prefixes() []netip.Prefix {
	if !ts.Valid() {
		return nil
	}
	var list []netip.Prefix
	for at := ts.Start; ; {
		p := widest(at, ts.End)
		list = append(list, p)
		last := lastAddr(p)
		if last == ts.End {
			return list
		}
		at = last.Next()
	}
}

// widest is the shortest prefix that begins at start and does not go beyond end.
func widest(start, end netip.Addr) netip.Prefix {
	n := start.BitLen() - trailingZeros(start)
	for {
		p := netip.PrefixFrom(start, n)
		if !end.Less(lastAddr(p)) {
			return p
		}
		n++
	}
}

// trailingZeros is the number of zero bits at the end of an address.
func trailingZeros(a netip.Addr) int {
	n := 0
	octets := a.AsSlice()
	for i := len(octets) - 1; i >= 0; i-- {
		if octets[i] != 0 {
			return n + bits.TrailingZeros8(octets[i])
		}
		n += 8
	}
	return n
}

// lastAddr is the greatest address of a prefix.
func lastAddr(p netip.Prefix) netip.Addr {
	octets := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(octets)*8; i++ {
		octets[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(octets)
	return a
}
