package ikev2

import (
	"encoding/binary"
	"time"

	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// leastAuthLifetime is how soon a peer's AUTH_LIFETIME can make us reauthenticate, so that none makes us do nothing else.
const leastAuthLifetime = 10 * time.Second

// takeAuthLifetime plans our reauthentication before the time that the responder gives us, after which it ends the IKE SA
// (RFC 4478 §2 and §3). It is for the initiator alone, who has to prove again who it is.
func (m *Machine) takeAuthLifetime(sa *ikeSA, msg *wire.Message) {
	n := msg.Notify(wire.AuthLifetime)
	if n == nil || len(n.Data) != 4 || !m.initiates() || sa != m.current {
		return
	}
	lifetime := time.Duration(binary.BigEndian.Uint32(n.Data)) * time.Second
	early := m.conn.OverTime
	if early <= 0 || early >= lifetime {
		early = lifetime / 10
	}
	at := m.now.Add(max(lifetime-early, leastAuthLifetime))
	if sa.times.reauthAt.IsZero() || at.Before(sa.times.reauthAt) {
		sa.times.reauthAt = at
	}
	m.logf("IKE", 1, "received AUTH_LIFETIME of %s, scheduling reauthentication in %s", round(lifetime), round(sa.times.reauthAt.Sub(m.now)))
}

// authLifetime tells the initiator when we want it to reauthenticate: what is left until the connection's reauth_time.
func (m *Machine) authLifetime(sa *ikeSA) []wire.Payload {
	if sa.times.reauthAt.IsZero() {
		return nil
	}
	left := sa.times.reauthAt.Sub(m.now) / time.Second
	return []wire.Payload{&wire.Notify{NotifyType: wire.AuthLifetime, Data: binary.BigEndian.AppendUint32(nil, uint32(min(left, 1<<32-1)))}}
}

// initiates tells that we began the lineage; a rekeying of the IKE SA may have been the peer's.
func (m *Machine) initiates() bool { return m.attempt.remote.IsValid() }

// keepReauthentication keeps the time of reauthentication over a rekeying, which proves no identity anew (RFC 7296 §2.8.3).
func (sa *ikeSA) keepReauthentication(old *ikeSA) {
	if old.times.reauthAt.IsZero() {
		return
	}
	sa.times.reauthAt = old.times.reauthAt
	if over := sa.m.conn.OverTime; over > 0 && (sa.times.rekeyAt.IsZero() || sa.times.reauthAt.Before(sa.times.rekeyAt)) {
		sa.times.expireAt = sa.times.reauthAt.Add(over)
	}
}

// reauthenticationDue asks the driver for a new IKE SA. A peer that we gave a virtual address, or that proves itself by EAP, can
// only be waited for: it has to begin. It has until the hard lifetime, or none if there is no such.
func (m *Machine) reauthenticationDue(sa *ikeSA) {
	sa.times.reauthAt = zero
	if m.initiates() || len(m.virtual.leases) == 0 && sa.eapID == "" {
		m.emit(core.ReauthDue{IKE: m.ikeStatus(sa)})
		return
	}
	m.logf("IKE", 1, "initiator did not reauthenticate as requested")
	if sa.times.expireAt.IsZero() {
		m.deleteIKE(nil, sa.reason(core.Expired, 1, "", 0, "the initiator did not reauthenticate in time"))
	}
}

// limitSession ends the IKE SA when an authentication server says so (Session-Timeout, RFC 2865 §5.27); the initiator is told,
// and can reauthenticate before.
func (m *Machine) limitSession(sa *ikeSA) {
	if sa.grant == nil || sa.grant.SessionTimeout <= 0 {
		return
	}
	sa.sessionEnd = m.now.Add(sa.grant.SessionTimeout)
	if at := sa.sessionEnd.Add(-sa.grant.SessionTimeout / 10); sa.times.reauthAt.IsZero() || at.Before(sa.times.reauthAt) {
		sa.times.reauthAt = at
	}
	sa.keepSessionEnd(sa)
}

// keepSessionEnd keeps the end of the session over a rekeying.
func (sa *ikeSA) keepSessionEnd(old *ikeSA) {
	sa.sessionEnd = old.sessionEnd
	if end := sa.sessionEnd; !end.IsZero() && (sa.times.expireAt.IsZero() || end.Before(sa.times.expireAt)) {
		sa.times.expireAt = end
	}
}
