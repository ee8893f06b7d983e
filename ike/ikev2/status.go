package ikev2

import (
	"slices"

	"github.com/goswan/goswan/ike/core"
)

// Status is a snapshot of all live IKE SAs, the current one first and with the Child SAs.
func (m *Machine) Status() []core.IKEStatus {
	var all []core.IKEStatus
	for _, sa := range m.sas() {
		s := m.ikeStatus(sa)
		if sa == m.current {
			for _, c := range m.children {
				s.Children = append(s.Children, m.childStatus(c))
			}
		}
		all = append(all, s)
	}
	return all
}

// lineageStatus is the current IKE SA, without its Child SAs; the zero value when there is none.
func (m *Machine) lineageStatus() core.IKEStatus {
	if m.current == nil {
		return core.IKEStatus{Conn: m.connName(), Version: 2, Config: m.conn}
	}
	return m.ikeStatus(m.current)
}

func (m *Machine) ikeStatus(sa *ikeSA) core.IKEStatus {
	s := core.IKEStatus{
		UniqueID: sa.id, Conn: m.connName(), Version: 2, State: sa.state, Initiator: sa.initiator,
		Local: sa.local, Remote: sa.remote, LocalID: sa.localID, RemoteID: sa.remoteID, RemoteEAPID: sa.eapID, SPIi: sa.spiI, SPIr: sa.spiR,
		NATLocal: sa.nat.local, NATRemote: sa.nat.remote, NATFake: true,
		Suite: sa.set.Proposal, Established: sa.times.established, RekeyAt: sa.times.rekeyAt, ReauthAt: sa.times.reauthAt,
		Assigned: m.virtual.assigned(), RemoteVIPs: m.virtual.remote(),
		RADIUS: sa.grant, Config: m.conn,
	}
	s.Suite.Transforms = slices.Clone(s.Suite.Transforms)
	if sa.inFlight != nil {
		s.Tasks = append(s.Tasks, sa.inFlight.exchange.task())
	}
	if sa.judging != nil && sa.judging.x != nil {
		s.Tasks = append(s.Tasks, sa.judging.x.task())
	}
	for _, x := range m.waiting {
		if t := x.common().sa; t == sa || (t == nil && sa == m.current) {
			s.Tasks = append(s.Tasks, x.task())
		}
	}
	return s
}

func (m *Machine) childStatus(c *child) core.ChildStatus {
	s := core.ChildStatus{
		UniqueID: c.id, Name: c.cfg.Name, Reqid: c.reqid, State: c.state, Mode: c.cfg.Mode, SPIIn: c.in, SPIOut: c.out,
		Suite: c.set.Proposal, Installed: c.times.installed, RekeyAt: c.times.rekeyAt, ExpireAt: c.times.expireAt,
		LocalTS: slices.Clone(c.localTS), RemoteTS: slices.Clone(c.remoteTS), Config: c.cfg,
	}
	s.Suite.Transforms = slices.Clone(s.Suite.Transforms)
	return s
}
