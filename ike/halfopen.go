package ike

import (
	"io"
	"net/netip"
	"sync"
	"time"
)

// cookieLifetime is how long one cookie secret makes new cookies; it is accepted for as long again.
const cookieLifetime = 2 * time.Minute

// halfOpen counts the IKE SAs that strangers began and have not authenticated, and keeps the cookie secrets.
type halfOpen struct {
	rand io.Reader

	mu      sync.Mutex // guards what follows
	total   int
	byAddr  map[netip.Addr]*peerCount
	secrets [2]cookieSecret // the current one and the one before
}

type peerCount struct {
	addr netip.Addr
	n    int
}

type cookieSecret struct {
	octets [32]byte
	made   time.Time
	valid  bool
}

func newHalfOpen(rand io.Reader) halfOpen {
	return halfOpen{rand: rand, byAddr: map[netip.Addr]*peerCount{}}
}

// aggregate is the address that is counted: an IPv6 host has its whole /64.
func aggregate(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64)
		return p.Addr()
	}
	return a
}

// verdict is what happens to an IKE_SA_INIT request of a stranger.
type verdict uint8

const (
	admit  verdict = iota // make a lineage
	ask                   // ask for a cookie first
	ignore                // too many already
)

// judge decides by the numbers; what it admits is counted until leave. A cookie that came back proves the address, so only
// the hard limits remain.
func (h *halfOpen) judge(from netip.Addr, hasCookie func() bool, lim Limits) (verdict, *peerCount) {
	from = aggregate(from)
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.byAddr[from]
	mine := 0
	if p != nil {
		mine = p.n
	}
	switch {
	case lim.InitiatorOnly, h.total >= lim.HalfOpen, mine >= lim.BlockThreshold:
		return ignore, nil
	case (h.total >= lim.CookieThreshold || mine >= lim.CookieThresholdIP) && !hasCookie():
		return ask, nil
	}
	if p == nil {
		p = &peerCount{addr: from}
		h.byAddr[from] = p
	}
	p.n++
	h.total++
	return admit, p
}

func (h *halfOpen) leave(p *peerCount) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p.n--
	h.total--
	if p.n == 0 {
		delete(h.byAddr, p.addr)
	}
}

func (h *halfOpen) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.total
}

// cookieSecrets are the valid secrets, the current one first; it makes a new one when the current is too old.
//
// "The responder should change the value of <secret> frequently, especially if under attack."  RFC 7296 §2.6
func (h *halfOpen) cookieSecrets(now time.Time) ([][]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if cur := &h.secrets[0]; !cur.valid || now.Sub(cur.made) > cookieLifetime {
		next := cookieSecret{made: now, valid: true}
		if _, err := io.ReadFull(h.rand, next.octets[:]); err != nil {
			return nil, err
		}
		h.secrets[1], h.secrets[0] = h.secrets[0], next
	}
	secrets := [][]byte{h.secrets[0].octets[:]}
	if old := &h.secrets[1]; old.valid && now.Sub(old.made) <= 2*cookieLifetime {
		secrets = append(secrets, old.octets[:])
	}
	return secrets, nil
}
