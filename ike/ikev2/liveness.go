package ikev2

import (
	"time"

	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// liveness is an INFORMATIONAL without payloads, which the peer has to answer (RFC 7296 §1.4).
type liveness struct{ base }

func (x *liveness) task() string                               { return "IKE_DPD" }
func (x *liveness) kind() header.ExchangeType                  { return header.Informational }
func (x *liveness) request(*ikeSA) ([]wire.Payload, bool)      { return nil, true }
func (x *liveness) response(sa *ikeSA, _ *wire.Message)        { sa.m.finish(&x.base, nil) }
func (x *liveness) abort(m *Machine, _ *ikeSA, r *core.Reason) { m.finish(&x.base, r) }

// livenessDue is when the peer has been silent for too long. Any protected message of it counts, IKE or ESP.
//
// "receipt of a fresh cryptographically protected message on an IKE SA or any of its Child SAs ensures liveness of the IKE SA and all of its
// Child SAs."  RFC 7296 §2.4
func (m *Machine) livenessDue(sa *ikeSA) time.Time {
	if m.conn == nil || m.conn.DPDDelay <= 0 || sa.inFlight != nil || m.isWaiting(isLiveness) {
		return zero
	}
	return sa.lastIn.Add(m.conn.DPDDelay)
}

func isLiveness(x exchange) bool {
	_, ok := x.(*liveness)
	return ok
}

// checkLiveness asks the data path first, and then the peer.
func (m *Machine) checkLiveness(sa *ikeSA) {
	if m.env.LastInbound != nil {
		for _, c := range m.children {
			if seen := m.env.LastInbound(c.in); c.hasIn && seen.After(sa.lastIn) {
				sa.lastIn = seen
			}
		}
	}
	if sa.lastIn.Add(m.conn.DPDDelay).After(m.now) {
		return
	}
	m.logf("IKE", 1, "sending DPD request")
	m.enqueue(&liveness{})
}

// keepaliveDue is when the NAT in front of us has to see a packet (RFC 3948 §4).
func (m *Machine) keepaliveDue(sa *ikeSA) time.Time {
	if !sa.nat.local || m.env.Settings.KeepAlive <= 0 {
		return zero
	}
	return sa.lastOut.Add(m.env.Settings.KeepAlive)
}
