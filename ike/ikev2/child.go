package ikev2

import (
	"fmt"
	"slices"
	"time"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/core"
)

// child is one Child SA: a pair of ESP SAs.
type child struct {
	id      uint32
	reqid   uint32
	cfg     *core.Child
	state   core.ChildState
	in, out esp.SPI
	hasIn   bool // installed
	hasOut  bool
	// later is our outbound SA, not installed yet: as responder of a rekeying we send on the old one until the peer deletes it.
	later *esp.Params
	// successor took over from this one; replaces is the one that this takes over from.
	successor, replaces *child
	announced           bool // ChildUp or ChildRekeyed told of it, so ChildDown is due
	set                 suite.Set
	localTS, remoteTS   []spd.TrafficSelector
	times               childTimes
}

// name is "net{1}", as people know it from strongSwan's log.
func (c *child) name() string { return fmt.Sprintf("%s{%d}", c.cfg.Name, c.id) }

// retired is an inbound SA that outlives its Child SA for packets that are under way.
type retired struct {
	spi   esp.SPI
	until time.Time
}

// direction is one installed SA of a Child SA.
type direction struct {
	spi       esp.SPI
	direction esp.Direction
}

func (c *child) directions() []direction {
	var all []direction
	if c.hasIn {
		all = append(all, direction{c.in, esp.In})
	}
	if c.hasOut {
		all = append(all, direction{c.out, esp.Out})
	}
	return all
}

// newChild makes a Child SA from what was agreed. The one it replaces, if any, gives it its reqid: to the data path they are one.
func (m *Machine) newChild(cfg *core.Child, set suite.Set, in, out esp.SPI, old *child) *child {
	c := &child{id: m.env.UniqueID(), cfg: cfg, state: core.ChildInstalling, set: set, in: in, out: out, replaces: old}
	switch {
	case old != nil:
		c.reqid = old.reqid
	case cfg.Reqid != 0:
		c.reqid = cfg.Reqid
	default:
		c.reqid = m.env.Reqid()
	}
	m.children = append(m.children, c)
	m.scheduleChild(c)
	return c
}

// params are the two directions of a Child SA for the data path, inbound first; ours tells that we initiated the exchange.
func (m *Machine) params(sa *ikeSA, c *child, k childKeys, ours bool) (in, out *esp.Params) {
	base := esp.Params{
		Reqid: c.reqid, Suite: c.set, Local: sa.local, Remote: sa.remote, LocalTS: slices.Clone(c.localTS), RemoteTS: slices.Clone(c.remoteTS),
		Name: c.cfg.Name, Conn: m.connName(), Priority: c.cfg.Priority,
		SoftBytes: m.less(c.cfg.RekeyBytes, c.cfg.RandBytes), HardBytes: c.cfg.LifeBytes,
		SoftPackets: m.less(c.cfg.RekeyPackets, c.cfg.RandPackets), HardPackets: c.cfg.LifePackets,
		CopyDSCP: copyDSCP(c.cfg.CopyDSCP), KeepECN: !c.cfg.CopyECN, IgnoreDF: !c.cfg.CopyDF, MSSClamp: c.cfg.MSSClamp,
	}
	i, o := base, base
	i.Direction, i.SPI, i.Window = esp.In, c.in, c.cfg.ReplayWindow
	o.Direction, o.SPI = esp.Out, c.out
	i.EncrKey, i.IntegKey, o.EncrKey, o.IntegKey = k.encrI, k.integI, k.encrR, k.integR
	if ours {
		i.EncrKey, i.IntegKey, o.EncrKey, o.IntegKey = k.encrR, k.integR, k.encrI, k.integI
	}
	return &i, &o
}

// copyDSCP is the value of a child's copy_dscp; none is the default, out.
func copyDSCP(value string) esp.CopyDSCP {
	switch value {
	case "in":
		return esp.CopyDSCPIn
	case "yes":
		return esp.CopyDSCPBoth
	case "no":
		return esp.CopyDSCPNever
	}
	return esp.CopyDSCPOut
}

func (m *Machine) installIn(c *child, in *esp.Params) {
	c.hasIn = true
	m.emit(core.InstallSA{Params: *in})
}

func (m *Machine) installOut(c *child, out *esp.Params) {
	c.hasOut = true
	c.later = nil
	m.emit(core.InstallSA{Params: *out})
}

// release gives back what a Child SA has in the data path, the inbound SA after a delay.
func (m *Machine) release(c *child, delay time.Duration) {
	if c.hasOut {
		m.emit(core.RemoveSA{SPI: c.out, Direction: esp.Out, Reqid: c.reqid})
	}
	switch {
	case c.hasIn && delay > 0:
		m.retired = append(m.retired, retired{c.in, m.now.Add(delay)})
	case c.hasIn:
		m.emit(core.RemoveSA{SPI: c.in, Direction: esp.In, Reqid: c.reqid})
	default:
		m.emit(core.ReleaseSPI{SPI: c.in})
	}
	c.hasIn, c.hasOut = false, false
	if c.later != nil {
		wipeAll(c.later.EncrKey, c.later.IntegKey)
		c.later = nil
	}
}

// remove ends a Child SA. One that was replaced keeps its inbound SA for packets under way, and hands over to its
// successor; the end of any other is told.
func (m *Machine) remove(c *child, reason *core.Reason) {
	i := slices.Index(m.children, c)
	if i < 0 {
		return
	}
	m.children = slices.Delete(m.children, i, i+1)
	delay := time.Duration(0)
	if next := c.successor; next != nil {
		delay = m.env.Settings.DeleteRekeyedDelay
		if next.later != nil {
			m.installOut(next, next.later)
		}
	}
	status := m.childStatus(c)
	m.release(c, delay)
	for _, other := range m.children {
		if other.replaces == c {
			other.replaces = nil
		}
	}
	if c.announced && c.successor == nil {
		m.emit(core.ChildDown{IKE: m.lineageStatus(), Child: status, Reason: reason})
	}
}

// up tells of a new Child SA.
func (m *Machine) up(c *child) {
	c.state = core.ChildInstalled
	c.announced = true
	m.logf("IKE", 0, "CHILD_SA %s established with SPIs %08x_i %08x_o and TS %s", c.name(), uint32(c.in), uint32(c.out), pair(c.localTS, c.remoteTS))
	m.emit(core.ChildUp{IKE: m.lineageStatus(), Child: m.childStatus(c)})
}

// replace makes c the successor of the one it replaces, and tells it.
func (m *Machine) replace(c *child) {
	old := c.replaces
	if old == nil || !slices.Contains(m.children, old) {
		// The old one went while its rekeying was under way: what came of it is a Child SA like any other.
		c.replaces = nil
		m.up(c)
		return
	}
	c.state, c.announced = core.ChildInstalled, true
	old.state, old.successor, old.announced = core.ChildRekeyedOld, c, false
	old.times.rekeyAt = zero
	m.logf("IKE", 0, "CHILD_SA %s rekeyed, now %s with SPIs %08x_i %08x_o and TS %s", old.name(), c.name(), uint32(c.in), uint32(c.out), pair(c.localTS, c.remoteTS))
	m.emit(core.ChildRekeyed{IKE: m.lineageStatus(), Old: m.childStatus(old), New: m.childStatus(c)})
}

// childByOut finds the Child SA whose outbound SPI a peer names: the SPI that the peer receives on.
func (m *Machine) childByOut(spi esp.SPI) *child {
	i := slices.IndexFunc(m.children, func(c *child) bool { return c.out == spi })
	if i < 0 {
		return nil
	}
	return m.children[i]
}

// espSPI checks the SPI of a peer's proposal: 0 is none and 1 to 255 are reserved.  RFC 4303 §2.1
func (m *Machine) espSPI(spi uint32, ok bool) (esp.SPI, error) {
	switch {
	case !ok || spi <= 255:
		return 0, fmt.Errorf("the peer's SPI %08x cannot be used", spi)
	case m.childByOut(esp.SPI(spi)) != nil:
		return 0, fmt.Errorf("the peer's SPI %08x is in use already", spi)
	}
	return esp.SPI(spi), nil
}
