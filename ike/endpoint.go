// Package ike drives the IKE machines: it brings each datagram to the IKE SA lineage that it belongs to, gives each
// lineage its own goroutine and clock, and carries out what the machines want.
//
//	encap ─▶ Deliver ─▶ demux by SPI ─▶ inbox ─▶ lineage goroutine ─▶ core.Machine ─▶ outputs ─▶ Send, DataPath, Watch
//
// A datagram is matched by its IKE SPIs alone, never by addresses (RFC 7296 §2.1, §2.6). What is not yet an IKE SA costs
// nothing but a look: half-open limits and cookies come before any state (RFC 7296 §2.6).
package ike

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
	"go.uber.org/zap"
)

// DataPath is what an endpoint asks of the data path; esp/engine is one.
type DataPath interface {
	// Install starts using an SA. An outbound SA takes over from an earlier one of the same Reqid.
	Install(esp.Params) error
	Remove(esp.ID)
	Move(id esp.ID, local, remote netip.AddrPort)
	// ReleaseSPI gives back an SPI that Environment.NewSPI reserved and that was not installed.
	ReleaseSPI(esp.SPI)
}

// Network is how an endpoint sends; encap.Transport is one.
type Network interface {
	SendIKE(local, remote netip.AddrPort, datagram []byte) error
	SendKeepalive(local, remote netip.AddrPort) error
}

// Limits bound what strangers can make an endpoint do. The zero value of a field is its default.
type Limits struct {
	// CookieThreshold is the number of half-open IKE SAs from which on a cookie is asked for (RFC 7296 §2.6); default 30.
	CookieThreshold int
	// CookieThresholdIP is the same for one source address; default 3.
	CookieThresholdIP int
	// BlockThreshold is the number of half-open IKE SAs of one source address from which on its IKE_SA_INITs are ignored; default 5.
	BlockThreshold int
	// HalfOpen is the number of half-open IKE SAs from which on every IKE_SA_INIT is ignored; default 2000. One costs up to 100 KiB
	// while TLS inside EAP is under way.
	HalfOpen int
	// IKESAs is the greatest number of IKE SA lineages; default 100000.
	IKESAs int
	// InitiatorOnly ignores every IKE_SA_INIT request.
	InitiatorOnly bool
	// Inbox is the number of datagrams that may wait for one lineage; default 32.
	Inbox int
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		v *int
		d int
	}{{&l.CookieThreshold, 30}, {&l.CookieThresholdIP, 3}, {&l.BlockThreshold, 5}, {&l.HalfOpen, 2000}, {&l.IKESAs, 100000}, {&l.Inbox, 32}} {
		if *f.v == 0 {
			*f.v = f.d
		}
	}
	return l
}

// Config is what an endpoint is made of.
type Config struct {
	Environment core.Environment
	Network     Network
	DataPath    DataPath
	Limits      Limits
	// Library answers the machines' questions about certificates; nil answers none.
	Library Library
	// Backend answers their questions about peers that authenticate with EAP; nil is no authentication server.
	Backend Backend
	// Watch sees, in order and on the lineage's goroutine, every output that tells rather than asks: Established,
	// ChildUp, Failed, Message, Log, IKEKeys … It must not block.
	Watch func(id uint64, o core.Output)
	// Installed is told likewise of every SA that the data path has taken; DataPath.Remove is its end. nil is not told.
	Installed func(lineage uint64, id esp.ID)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	Log *zap.Logger
}

// Endpoint is the IKE side of an IPsec endpoint. Its methods are safe for concurrent use.
type Endpoint struct {
	cfg      Config
	settings atomic.Pointer[core.Settings] // of IKE SAs to come
	halfOpen halfOpen
	counters counters
	nextID   atomic.Uint64
	wg       sync.WaitGroup
	tables   tables
}

// initKey tells apart IKE_SA_INIT requests, which have no SPI of ours yet, so that a retransmission finds the lineage
// that answered the first (RFC 7296 §2.1).
type initKey struct {
	spi    header.SPI
	remote netip.AddrPort
}

// New makes an endpoint; nothing runs until a datagram or an Initiate comes.
func New(cfg Config) *Endpoint {
	cfg.Limits = cfg.Limits.withDefaults()
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	if cfg.Watch == nil {
		cfg.Watch = func(uint64, core.Output) {}
	}
	if cfg.Installed == nil {
		cfg.Installed = func(uint64, esp.ID) {}
	}
	e := &Endpoint{
		cfg:      cfg,
		halfOpen: newHalfOpen(cfg.Environment.Rand),
		tables:   newTables(),
	}
	e.LoadSettings(cfg.Environment.Settings)
	return e
}

// LoadSettings replaces Environment.Settings for the lineages to come.
func (e *Endpoint) LoadSettings(s core.Settings) { e.settings.Store(&s) }

// environment is that of a new machine.
func (e *Endpoint) environment() core.Environment {
	env := e.cfg.Environment
	env.Settings = *e.settings.Load()
	return env
}

// ErrClosed is returned by a closed endpoint.
var ErrClosed = errors.New("ike: endpoint is closed")

// ErrTooManyIKESAs is returned when Limits.IKESAs is reached.
var ErrTooManyIKESAs = errors.New("ike: the limit of IKE SAs is reached")

// IKESAs are snapshots of all live IKE SAs, in no particular order.
func (e *Endpoint) IKESAs() []core.IKEStatus {
	var all []core.IKEStatus
	for _, l := range e.tables.snapshot() {
		all = append(all, l.Status()...)
	}
	return all
}

// IKESA is the snapshot of the IKE SA with this unique ID; false when there is none.
func (e *Endpoint) IKESA(id uint32) (core.IKEStatus, bool) {
	if l := find(&e.tables, e.tables.byID, id); l != nil {
		for _, s := range l.Status() {
			if s.UniqueID == id {
				return s, true
			}
		}
	}
	return core.IKEStatus{}, false
}

func shuttingDown() *core.Reason {
	return &core.Reason{Kind: core.ShuttingDown, Phase: 1, Text: "this endpoint is shutting down"}
}

// Close ends all IKE SAs with notice to the peers, and waits for it until ctx is done; then it ends them without.
// It returns ctx's error when some peers did not answer.
func (e *Endpoint) Close(ctx context.Context) error {
	e.tables.close()
	for _, l := range e.tables.snapshot() {
		l.command(core.Delete{IKE: true, Reason: shuttingDown()})
	}
	done := make(chan struct{})
	go func() {
		e.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	for _, l := range e.tables.snapshot() {
		l.kill()
	}
	<-done
	return ctx.Err()
}
