package ike

import (
	"net/netip"
	"sync/atomic"

	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2"
	"go.uber.org/zap"
)

// Counters count what happened to datagrams before any machine saw them.
type Counters struct {
	Received        uint64 // IKE datagrams
	Malformed       uint64 // no IKE header, or a length that is not the datagram's
	UnknownSPI      uint64 // for no IKE SA of ours
	UnknownVersion  uint64
	InboxFull       uint64
	CookiesRequired uint64
	Ignored         uint64 // IKE_SA_INIT requests over the limits
}

type counters struct {
	received, malformed, unknownSPI, unknownVersion, inboxFull, cookies, ignored atomic.Uint64
}

// Counters is a snapshot.
func (e *Endpoint) Counters() Counters {
	c := &e.counters
	return Counters{
		Received: c.received.Load(), Malformed: c.malformed.Load(), UnknownSPI: c.unknownSPI.Load(), UnknownVersion: c.unknownVersion.Load(),
		InboxFull: c.inboxFull.Load(), CookiesRequired: c.cookies.Load(), Ignored: c.ignored.Load(),
	}
}

// HalfOpen is the number of IKE SAs that peers began and have not authenticated.
func (e *Endpoint) HalfOpen() int { return e.halfOpen.count() }

// Deliver takes an IKE datagram, without its non-ESP marker, from the network. It does not block; the datagram belongs
// to the endpoint from here on.
func (e *Endpoint) Deliver(local, remote netip.AddrPort, datagram []byte) {
	e.counters.received.Add(1)
	h, err := header.Parse(datagram)
	if err != nil || int(h.Length) != len(datagram) {
		e.counters.malformed.Add(1)
		return
	}
	d := core.Datagram{Local: local, Remote: remote, Data: datagram}
	if h.Major != 2 {
		e.otherVersion(h, d)
		return
	}
	if first, initial := e.initialRequest(h); initial {
		e.deliverInitial(first, d)
		return
	}
	// "… the SPIs … the initiator's or the responder's, chosen by the I bit": ours is the one that the sender did not choose.  RFC 7296 §2.6
	ours := h.Initiator
	if h.FromInitiator() {
		ours = h.Responder
	}
	e.mu.Lock()
	l := e.bySPI[ours]
	e.mu.Unlock()
	if l == nil {
		// "… a message … with an unknown IKE SPI … the recipient … MUST NOT respond" without a protected reply to give:
		// an unauthenticated INVALID_IKE_SPI would only help a scanner.  RFC 7296 §2.21.4
		e.counters.unknownSPI.Add(1)
		return
	}
	e.hand(l, d)
}

func (e *Endpoint) hand(l *lineage, d core.Datagram) {
	if !l.deliver(d) {
		e.counters.inboxFull.Add(1)
	}
}

// initialRequest tells an IKE_SA_INIT request, which has no SPI of ours.
func (e *Endpoint) initialRequest(h header.Header) (header.SPI, bool) {
	return h.Initiator, h.Exchange == header.IKESAInit && h.FromInitiator() && !h.IsResponse() && h.Responder == header.SPI{}
}

func (e *Endpoint) deliverInitial(spi header.SPI, d core.Datagram) {
	key := initKey{spi, d.Remote}
	e.mu.Lock()
	l, closed := e.byInit[key], e.closed
	e.mu.Unlock()
	switch {
	case l != nil:
		e.hand(l, d)
	case closed || spi == header.SPI{}:
		e.counters.ignored.Add(1)
	default:
		e.stranger(key, d)
	}
}

// stranger decides, before there is any state, whether an IKE_SA_INIT request gets any.
func (e *Endpoint) stranger(key initKey, d core.Datagram) {
	secrets, err := e.halfOpen.cookieSecrets(e.cfg.Now())
	if err != nil {
		e.cfg.Log.Error("no randomness for cookies", zap.Error(err))
		return
	}
	switch e.halfOpen.judge(d.Remote.Addr(), ikev2.CookieValid(secrets, d), e.cfg.Limits) {
	case ask:
		e.counters.cookies.Add(1)
		if reply, ok := ikev2.CookieChallenge(secrets[0], d); ok {
			_ = e.cfg.Network.SendIKE(d.Local, d.Remote, reply) // the peer asks again
		}
		return
	case ignore:
		e.counters.ignored.Add(1)
		return
	}
	l, err := e.start(ikev2.NewResponder(e.cfg.Environment), func(l *lineage) {
		l.responder = e.halfOpen.enter(d.Remote.Addr())
		e.byInit[key] = l
		l.initKey = key
	})
	if err != nil {
		e.counters.ignored.Add(1)
		return
	}
	e.hand(l, d)
}

// otherVersion answers a version that we do not speak, once per request and without state.
//
// "If an endpoint receives a message with a higher major version number, it MUST drop the message and SHOULD send an
// unauthenticated notification message of type INVALID_MAJOR_VERSION"  RFC 7296 §2.5
func (e *Endpoint) otherVersion(h header.Header, d core.Datagram) {
	e.counters.unknownVersion.Add(1)
	if h.Major < 2 {
		e.cfg.Log.Debug("IKEv1 message dropped: this version of goswan speaks IKEv2 only", zap.Stringer("peer", d.Remote))
		return
	}
	if reply, ok := ikev2.InvalidMajorVersion(d); ok {
		_ = e.cfg.Network.SendIKE(d.Local, d.Remote, reply)
	}
}

// start registers a lineage and starts its goroutine; register runs with the tables locked.
func (e *Endpoint) start(m core.Machine, register func(*lineage)) (*lineage, error) {
	l := &lineage{
		id: e.nextID.Add(1), e: e, m: m,
		inbox: make(chan core.Datagram, e.cfg.Limits.Inbox), wake: make(chan struct{}, 1), killed: make(chan struct{}),
		ops: map[uint64]func(*core.Reason){},
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return nil, ErrClosed
	case len(e.lineages) >= e.cfg.Limits.IKESAs:
		return nil, ErrTooManyIKESAs
	}
	e.lineages[l.id] = l
	register(l)
	e.wg.Add(1)
	go l.run()
	return l, nil
}

func (e *Endpoint) addSPI(spi header.SPI, l *lineage) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.bySPI[spi] = l
}

func (e *Endpoint) removeSPI(spi header.SPI, l *lineage) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.bySPI[spi] == l {
		delete(e.bySPI, spi)
	}
}

// forget takes a lineage out of every table.
func (e *Endpoint) forget(l *lineage) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.lineages, l.id)
	if e.byInit[l.initKey] == l {
		delete(e.byInit, l.initKey)
	}
	for spi, other := range e.bySPI {
		if other == l {
			delete(e.bySPI, spi)
		}
	}
}
