package spd

import (
	"math/bits"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"

	"github.com/goswan/goswan/tun/packet"
)

// leafSize is the most entries that are looked at one after the other, where a field is left that may tell them apart.
const leafSize = 8

// node is a set of entries; immutable once a Snapshot has it. A leaf has them in a list, another one files them by a field, under
// the longest prefix that holds all values the entry takes. A packet's entries are in the children of the prefixes of its value:
//
//	remote address      local address       remote protocol, port     local protocol, port
//	172.16.0.0/12 ───┬▶ 10.0.0.0/8  ───┬▶ tcp, any   ──────┬▶ …
//	0.0.0.0/0        │  10.1.0.7/32    │  tcp, 80          │
//	                 │                 │                   └ leaves, of which most hang at the first field
type node struct {
	entries []entry            // of a leaf, by their order, the newer first
	table   *bart.Table[*node] // nil: a leaf
	field   field              // by which table files, or would
	bits    uint8              // of the prefix that the node is filed under in its parent
}

// entry is a policy with one of its remote selectors.
type entry struct {
	policy *Policy
	remote *TrafficSelector
	local  *TrafficSelector // the only one of the remote one's family; nil when there are several or none
	serial uint64
	order  uint32 // the least that it can match with
}

func newEntry(p *Policy, remote *TrafficSelector, serial uint64) entry {
	e := entry{policy: p, remote: remote, serial: serial, order: 1<<32 - 1}
	family := 0
	for i := range p.LocalTS {
		l := &p.LocalTS[i]
		if l.Start.BitLen() != remote.Start.BitLen() {
			continue
		}
		family++
		e.local, e.order = l, min(e.order, p.Order(l, remote))
	}
	if family != 1 {
		e.local = nil
	}
	return e
}

// compare orders entries: smaller order first, then the newer.
func compare(a, b entry) int {
	switch {
	case a.order < b.order, a.order == b.order && a.serial > b.serial:
		return -1
	case a.order == b.order && a.serial == b.serial:
		return 0
	}
	return 1
}

// field is one of the things that selectors tell packets apart by.
type field uint8

const (
	remoteAddr field = iota
	localAddr
	remoteUpper
	localUpper
	fields
)

// of is the packet's value: the longest prefix that entries which take it may be filed under.
func (f field) of(flow *packet.Flow) netip.Prefix {
	switch f {
	case remoteAddr:
		return netip.PrefixFrom(flow.Dst, flow.Dst.BitLen())
	case localAddr:
		return netip.PrefixFrom(flow.Src, flow.Src.BitLen())
	case remoteUpper:
		return upperOf(flow, flow.DstPort)
	}
	return upperOf(flow, flow.SrcPort)
}

// prefix is what an entry is filed under.
func (f field) prefix(e *entry) netip.Prefix {
	switch f {
	case remoteAddr:
		return e.remote.index()
	case remoteUpper:
		return e.remote.upper()
	}
	var all netip.Prefix
	for i := range e.policy.LocalTS {
		l := &e.policy.LocalTS[i]
		if l.Start.BitLen() != e.remote.Start.BitLen() {
			continue
		}
		p := l.upper()
		if f == localAddr {
			p = l.index()
		}
		all = join(all, p)
	}
	if !all.IsValid() { // it matches nothing
		return netip.PrefixFrom(e.remote.Start, 0).Masked()
	}
	return all
}

// index is the longest prefix that holds all addresses of the selector.
func (ts *TrafficSelector) index() netip.Prefix {
	return netip.PrefixFrom(ts.Start, ts.prefixBits()).Masked()
}

// A protocol and a port stand in a prefix as an IPv4 address, in which a range of ports has fewer bits:
//
//	| 0 | protocol |      port      |
//
// OPAQUE is filed as any port: packets may match it whatever their ports.
const (
	protocolBits = 16
	upperBits    = 32
)

func upperPrefix(protocol uint8, port uint16, bits int) netip.Prefix {
	a := netip.AddrFrom4([4]byte{0, protocol, byte(port >> 8), byte(port)})
	return netip.PrefixFrom(a, bits).Masked()
}

// upper is the longest prefix that holds all protocols and ports of the selector.
func (ts *TrafficSelector) upper() netip.Prefix {
	switch {
	case ts.Protocol == 0:
		return upperPrefix(0, 0, 0)
	case ts.AnyPort() || ts.Opaque():
		return upperPrefix(ts.Protocol, 0, protocolBits)
	}
	return upperPrefix(ts.Protocol, ts.StartPort, protocolBits+ts.portBits())
}

func upperOf(flow *packet.Flow, port uint16) netip.Prefix {
	if flow.Ports == packet.PortsOpaque {
		return upperPrefix(flow.Protocol, 0, protocolBits)
	}
	return upperPrefix(flow.Protocol, port, upperBits)
}

// join is the longest prefix that holds two of one family; one that is not valid is nothing.
func join(a, b netip.Prefix) netip.Prefix {
	if !a.IsValid() {
		return b
	}
	n := min(a.Bits(), b.Bits())
	x, y := a.Addr().AsSlice(), b.Addr().AsSlice()
	for i := range x {
		if d := x[i] ^ y[i]; d != 0 {
			n = min(n, 8*i+bits.LeadingZeros8(d))
			break
		}
	}
	return netip.PrefixFrom(a.Addr(), n).Masked()
}

// with is the node with one more entry; n may be nil, and the result is not yet filed.
func (n *node) with(e entry, by field) *node {
	if n == nil {
		return &node{entries: []entry{e}, field: by}
	}
	if n.table != nil {
		prefix := n.field.prefix(&e)
		child, _ := n.table.Get(prefix)
		return &node{table: n.table.InsertPersist(prefix, child.with(e, n.field+1).filed(prefix)), field: n.field}
	}
	at, _ := slices.BinarySearchFunc(n.entries, e, compare)
	entries := slices.Concat(n.entries[:at], []entry{e}, n.entries[at:])
	if len(entries) <= leafSize || n.field == fields {
		return &node{entries: entries, field: n.field}
	}
	split := newNode(n.field)
	for _, e := range entries {
		split = split.with(e, n.field)
	}
	return split
}

// without is the node without the entries of a policy that are filed as e is; nil when no other is left.
func (n *node) without(e *entry) *node {
	if n == nil {
		return nil
	}
	if n.table == nil {
		entries := slices.DeleteFunc(slices.Clone(n.entries), func(x entry) bool { return x.policy == e.policy })
		if len(entries) == 0 {
			return nil
		}
		return &node{entries: entries, field: n.field}
	}
	prefix := n.field.prefix(e)
	old, _ := n.table.Get(prefix)
	child := old.without(e)
	if child != nil {
		return &node{table: n.table.InsertPersist(prefix, child.filed(prefix)), field: n.field}
	}
	table := n.table.DeletePersist(prefix)
	if table.Size() == 0 {
		return nil
	}
	return &node{table: table, field: n.field}
}

// newNode makes one that files by a field.
func newNode(by field) *node { return &node{table: new(bart.Table[*node]), field: by} }

// filed notes the prefix under which the new node n is filed.
func (n *node) filed(p netip.Prefix) *node {
	n.bits = uint8(p.Bits())
	return n
}

// search looks for a better match than c. It allocates nothing.
func (n *node) search(f *packet.Flow, c *candidate) {
	if n.table == nil {
		c.scan(n.entries, f)
		return
	}
	// From the longest prefix that holds the packet's value to the shortest.
	at := n.field.of(f)
	child, ok := n.table.LookupPrefix(at)
	for ok {
		child.search(f, c)
		if child.bits == 0 {
			return
		}
		child, ok = n.table.LookupPrefix(netip.PrefixFrom(at.Addr(), int(child.bits)-1))
	}
}

// candidate is the best match so far.
type candidate struct {
	policy *Policy
	order  uint32
	serial uint64
}

// scan looks for a better match in a leaf.
func (c *candidate) scan(entries []entry, f *packet.Flow) {
	for i := range entries {
		e := &entries[i]
		if c.beats(e.order, e.serial) {
			return // and all that follow
		}
		if order, ok := e.match(f); ok && !c.beats(order, e.serial) {
			*c = candidate{policy: e.policy, order: order, serial: e.serial}
		}
	}
}

// beats says that nothing of this order and age is a better match.
func (c *candidate) beats(order uint32, serial uint64) bool {
	return c.policy != nil && (c.order < order || c.order == order && c.serial >= serial)
}

// match is the smallest Order with which the entry takes the packet.
func (e *entry) match(f *packet.Flow) (order uint32, ok bool) {
	switch {
	case !e.remote.MatchDst(f):
		return 0, false
	case e.local != nil:
		return e.order, e.local.MatchSrc(f)
	}
	return e.policy.match(f, e.remote)
}

// each calls f for every entry.
func (n *node) each(f func(*entry)) {
	for i := range n.entries {
		f(&n.entries[i])
	}
	if n.table == nil {
		return
	}
	for _, child := range n.table.All() {
		child.each(f)
	}
}
