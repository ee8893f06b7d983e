package goswan

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/engine"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/core"
	"go.uber.org/zap"
)

// dataPath is the data path as IKE sees it.
type dataPath struct{ e *Endpoint }

// Install takes the keys: the engine has its own copy of them afterwards.
func (d dataPath) Install(p esp.Params) error {
	defer p.EncrKey.Wipe()
	defer p.IntegKey.Wipe()
	if d.e.keys != nil {
		if err := d.e.keys.sa(p); err != nil {
			d.e.log.Warn("key log", zap.Error(err))
		}
	}
	return d.e.engine.Install(p)
}

func (d dataPath) Remove(id esp.ID) {
	d.e.accounts.remove(id, func() (esp.Counters, bool) { return d.e.engine.Remove(id) })
}

func (d dataPath) Move(id esp.ID, local, remote netip.AddrPort) { d.e.engine.Move(id, local, remote) }

func (d dataPath) ReleaseSPI(spi esp.SPI) { d.e.engine.ReleaseSPI(spi) }

// watch sees what the machines tell, on the goroutine of each lineage: it acts where the host is concerned, logs, and
// passes everything on.
func (e *Endpoint) watch(lineage uint64, o core.Output) {
	e.accounts.watch(lineage, o)
	switch o := o.(type) {
	case core.ChildUp:
		e.childUp(o.IKE, o.Child)
	case core.ChildDown:
		e.childDown(o.IKE, o.Child, o.Reason)
	case core.Assigned:
		e.assigned(lineage, o.IKE)
	case core.Withdrawn:
		e.withdrawn(lineage, o.IKE)
	case core.ReauthDue:
		e.reauthenticate(o.IKE)
	case core.IKEKeys:
		e.logKeys(o)
		return // keys go nowhere else
	}
	e.logOutput(o)
	e.subscribers.tell(Event{Time: time.Now(), Lineage: lineage, What: o})
}

func (e *Endpoint) childUp(ike core.IKEStatus, child core.ChildStatus) {
	if err := e.routeChild(child); err != nil {
		e.log.Error("routes not installed", zap.String("conn", ike.Conn), zap.String("child", child.Name), zap.Error(err))
	}
	e.updown.queue(true, ike, child, e.device.Name())
}

func (e *Endpoint) childDown(ike core.IKEStatus, child core.ChildStatus, reason *core.Reason) {
	e.unrouteChild(child)
	e.updown.queue(false, ike, child, e.device.Name())
	e.afterDown(ike, child, reason)
}

func (e *Endpoint) logKeys(keys core.IKEKeys) {
	defer func() {
		for _, k := range []secret.Bytes{keys.EI, keys.ER, keys.AI, keys.AR} {
			k.Wipe()
		}
	}()
	if e.keys == nil {
		return
	}
	if err := e.keys.ike(keys); err != nil {
		e.log.Warn("key log", zap.Error(err))
	}
}

// logOutput logs what is told, with one set of keys.
func (e *Endpoint) logOutput(o core.Output) {
	switch o := o.(type) {
	case core.Log:
		level := e.log.Info
		if o.Level > 1 {
			level = e.log.Debug
		}
		level(o.Text, zap.String("group", o.Group))
	case core.Established:
		e.log.Info("IKE SA established", append(ikeFields(o.IKE), zap.String("suite", o.IKE.Suite.String()))...)
	case core.IKERekeyed:
		e.log.Info("IKE SA rekeyed", ikeFields(o.New)...)
	case core.IKEDown:
		e.log.Info("IKE SA ended", append(ikeFields(o.IKE), reasonField(o.Reason))...)
	case core.ChildUp:
		e.log.Info("Child SA established", childFields(o.IKE, o.Child)...)
	case core.ChildRekeyed:
		e.log.Info("Child SA rekeyed", childFields(o.IKE, o.New)...)
	case core.ChildDown:
		e.log.Info("Child SA ended", append(childFields(o.IKE, o.Child), reasonField(o.Reason))...)
	case core.Failed:
		e.log.Warn("negotiation failed", zap.String("conn", o.Reason.Conn), zap.String("child", o.Reason.Child), zap.String("exchange", o.Reason.Exchange), reasonField(o.Reason))
	}
}

func ikeFields(s core.IKEStatus) []zap.Field {
	return []zap.Field{
		zap.String("conn", s.Conn), zap.Uint32("id", s.UniqueID), zap.Stringer("peer", s.Remote), zap.Stringer("peer_id", s.RemoteID),
		zap.Stringer("ike_spi_i", s.SPIi), zap.Stringer("ike_spi_r", s.SPIr),
	}
}

func childFields(s core.IKEStatus, c core.ChildStatus) []zap.Field {
	return []zap.Field{
		zap.String("conn", s.Conn), zap.String("child", c.Name), zap.Uint32("id", c.UniqueID), zap.Stringer("peer", s.Remote),
		zap.String("child_spi_in", spiText(c.SPIIn)), zap.String("child_spi_out", spiText(c.SPIOut)), zap.String("suite", c.Suite.String()),
		zap.Stringers("local_ts", c.LocalTS), zap.Stringers("remote_ts", c.RemoteTS),
	}
}

func spiText(spi esp.SPI) string { return fmt.Sprintf("%08x", uint32(spi)) }

func reasonField(r *core.Reason) zap.Field {
	if r == nil {
		return zap.String("reason", "asked for")
	}
	return zap.String("reason", r.Error())
}

// event takes what the data path tells.
func (e *Endpoint) event(ev engine.Event) {
	switch ev := ev.(type) {
	case engine.Acquire:
		local, remote := spd.FromFlow(&ev.Flow)
		e.acquire(childKey{ev.Policy.Conn, ev.Policy.Name}, core.Flow{Local: local, Remote: remote})
	case engine.Expire:
		e.ike.Expire(ev.ID, ev.Hard)
	case engine.RoomChanged:
		e.mtu.follow(ev.Octets, e.log)
	case engine.PeerMoved:
		e.ike.PeerMoved(ev.ID.SPI, ev.Local, ev.Remote)
	}
}

// lastInbound tells when the data path last took a packet on an inbound SA.
func (e *Endpoint) lastInbound(spi esp.SPI) time.Time {
	c, _ := e.engine.Counters(esp.ID{SPI: spi, Direction: esp.In})
	return c.LastUse
}
