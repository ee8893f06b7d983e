package sim

import (
	"bytes"
	"slices"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/ike/core"
)

// Path is the model of a node's data path.
type Path struct {
	In, Out  map[esp.SPI]Installed // Out by the peer's SPI
	reserved map[esp.SPI]bool
	current  map[uint32]esp.SPI // outbound SA by reqid: the last one installed
	lastIn   map[esp.SPI]time.Time
	n        *Node
}

// Installed is one SA.
type Installed struct {
	esp.Params
	owner *Lineage
}

func newPath(n *Node) Path {
	return Path{
		In: map[esp.SPI]Installed{}, Out: map[esp.SPI]Installed{}, reserved: map[esp.SPI]bool{},
		current: map[uint32]esp.SPI{}, lastIn: map[esp.SPI]time.Time{}, n: n,
	}
}

// reserve draws an SPI.
func (p *Path) reserve() (esp.SPI, error) {
	for {
		spi := esp.SPI(p.n.random.Uint64())
		if _, used := p.In[spi]; spi > 255 && !used && !p.reserved[spi] {
			p.reserved[spi] = true
			return spi, nil
		}
	}
}

// Reserved is how many SPIs are reserved and neither installed nor given back.
func (p *Path) Reserved() int { return len(p.reserved) }

func (p *Path) of(l *Lineage) int {
	left := 0
	for _, side := range []map[esp.SPI]Installed{p.In, p.Out} {
		for _, sa := range side {
			if sa.owner == l {
				left++
			}
		}
	}
	return left
}

func (p *Path) carryOut(l *Lineage, o core.Output) {
	switch o := o.(type) {
	case core.InstallSA:
		p.install(l, o.Params)
	case core.RemoveSA:
		p.remove(o)
	case core.MoveSA:
		side := p.side(o.Direction)
		sa, ok := side[o.SPI]
		if !ok {
			p.n.w.violated("%s: MoveSA of %08x, which is not installed", p.n.Name, uint32(o.SPI))
			return
		}
		sa.Local, sa.Remote = o.Local, o.Remote
		side[o.SPI] = sa
	case core.ReleaseSPI:
		if !p.reserved[o.SPI] {
			p.n.w.violated("%s: ReleaseSPI of %08x, which is not reserved", p.n.Name, uint32(o.SPI))
		}
		delete(p.reserved, o.SPI)
	}
}

func (p *Path) side(d esp.Direction) map[esp.SPI]Installed {
	if d == esp.In {
		return p.In
	}
	return p.Out
}

func (p *Path) install(l *Lineage, sa esp.Params) {
	side := p.side(sa.Direction)
	if _, twice := side[sa.SPI]; twice {
		p.n.w.violated("%s: %08x is installed twice", p.n.Name, uint32(sa.SPI))
	}
	if sa.Direction == esp.In {
		if !p.reserved[sa.SPI] {
			p.n.w.violated("%s: %08x is installed and was not reserved", p.n.Name, uint32(sa.SPI))
		}
		delete(p.reserved, sa.SPI)
	} else {
		p.current[sa.Reqid] = sa.SPI
	}
	// NULL encryption has no key of its own.
	keys := slices.Concat(sa.EncrKey, sa.IntegKey)
	if len(sa.EncrKey) != sa.Suite.EncrKeyLen() || bytes.Count(keys, []byte{0}) == len(keys) || !sa.Local.IsValid() || !sa.Remote.IsValid() {
		p.n.w.violated("%s: %08x is installed without keys or addresses", p.n.Name, uint32(sa.SPI))
	}
	side[sa.SPI] = Installed{sa, l}
}

func (p *Path) remove(o core.RemoveSA) {
	side := p.side(o.Direction)
	sa, ok := side[o.SPI]
	if !ok {
		p.n.w.violated("%s: RemoveSA of %08x, which is not installed", p.n.Name, uint32(o.SPI))
		return
	}
	delete(side, o.SPI)
	delete(p.lastIn, o.SPI)
	if o.Direction == esp.Out && p.current[sa.Reqid] == o.SPI {
		delete(p.current, sa.Reqid)
	}
}

// Send sends one packet on the outbound SA of each Child SA, over a network that loses none: a packet that finds no SA
// with its keys at the other end was lost by the machines.
func (n *Node) Send() {
	reqids := make([]uint32, 0, len(n.Path.current))
	for reqid := range n.Path.current {
		reqids = append(reqids, reqid)
	}
	slices.Sort(reqids)
	for _, reqid := range reqids {
		sa := n.Path.Out[n.Path.current[reqid]]
		src := n.translateOut(sa.Local)
		n.w.Packets++
		n.w.After(n.w.latency(), func() { n.w.arrivePacket(sa, src.Addr().IsValid()) })
	}
}

func (w *World) arrivePacket(sa Installed, valid bool) {
	for _, n := range w.nodes {
		local, mine := n.translateIn(sa.Remote)
		if !mine || !valid {
			continue
		}
		in, ok := n.Path.In[sa.SPI]
		if !ok || !in.EncrKey.Equal(sa.EncrKey) || !in.IntegKey.Equal(sa.IntegKey) || !local.IsValid() {
			break
		}
		n.Path.lastIn[sa.SPI] = w.now
		return
	}
	w.PacketsLost++
}
