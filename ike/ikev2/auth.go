package ikev2

import (
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
)

func (sa *ikeSA) ourNonce() []byte {
	if sa.initiator {
		return sa.opened.ni
	}
	return sa.opened.nr
}

func (sa *ikeSA) theirNonce() []byte {
	if sa.initiator {
		return sa.opened.nr
	}
	return sa.opened.ni
}

// establish makes an IKE SA of a proven peer the lineage's own.
func (m *Machine) establish(sa *ikeSA, contact bool) {
	m.takeReloaded()
	sa.state = core.IKEEstablished
	sa.reapAt = zero
	sa.opened = nil
	sa.keys.wipeProofs()
	m.attempt.number = 0
	m.schedule(sa)
	m.limitSession(sa)
	m.logf("IKE", 0, "IKE_SA %s established between %s[%s]...%s[%s]", sa.name(), sa.local.Addr().Unmap(), sa.localID, sa.remote.Addr().Unmap(), sa.remoteID)
	m.emit(core.Established{IKE: m.ikeStatus(sa), Connection: m.conn, InitialContact: contact})
	m.tellAssigned(sa)
	ops := m.ikeOps
	m.ikeOps = nil
	for _, op := range ops {
		op.pending--
		m.conclude(op)
	}
}

// firstContact tells whether INITIAL_CONTACT is true: no other IKE SA between the two, and we care (unique is not never).
func (m *Machine) firstContact(local, remote auth.Identity) bool {
	if m.conn.Unique == core.UniqueNever {
		return false
	}
	return m.env.FirstContact == nil || m.env.FirstContact(local, remote)
}

// firstChild takes the Child SA that comes with IKE_AUTH: the first that waits, unless it is to be childless.
func (m *Machine) firstChild(sa *ikeSA) (*createChild, *core.Reason) {
	separate := m.conn.Childless == core.ChildlessForce || (m.conn.Childless == core.ChildlessPrefer && sa.opened.childless)
	for i, x := range m.waiting {
		if c, ok := x.(*createChild); ok && !separate {
			m.waiting = append(m.waiting[:i:i], m.waiting[i+1:]...)
			return c, nil
		}
	}
	if sa.opened.childless {
		return nil, nil
	}
	reason := sa.reason(core.BadConfig, 1, "IKE_SA_INIT", 0, "the peer cannot bring up an IKE SA without a Child SA (it does not know RFC 6023)")
	reason.Fix = "initiate a child of connection " + quoted(m.conn.Name)
	if separate {
		reason.Fix = "set `childless = allow` in connection " + quoted(m.conn.Name) + at(m.conn.Source)
	}
	return nil, reason
}
