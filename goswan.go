// Package goswan is an IPsec endpoint in one Go program: IKEv2 negotiates (RFC 7296), ESP protects (RFC 4303), a TUN
// device or a network stack in memory carries the plaintext. It needs no kernel IPsec.
//
//	catalog, _, err := config.Load("/etc/swanctl")
//	…
//	e, err := goswan.New(goswan.Config{Catalog: catalog})
//	…
//	go e.Run(ctx)
//	err = e.Initiate(ctx, goswan.InitiateRequest{Child: "net"})
//
// A program without root gives a netstack device instead of the host's TUN; DialContext and ListenTCP then reach
// through the tunnel:
//
//	device, err := netstack.New(netstack.Config{Addresses: …})
//	e, err := goswan.New(goswan.Config{Catalog: catalog, Device: device})
//	conn, err := e.DialContext(ctx, "tcp", "10.1.0.10:80")
package goswan

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/esp/engine"
	"github.com/goswan/goswan/ike"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/fetch"
	"github.com/goswan/goswan/ike/pool"
	"github.com/goswan/goswan/tun"
	"github.com/goswan/goswan/tun/route"
	"go.uber.org/zap"
)

// Version is this version of goswan.
const Version = "0.1.0"

// closeTimeout is how long peers have to answer the deletes of a shutdown: one retransmission's time. With what the updown
// scripts get, a shutdown takes less than ten seconds.
const closeTimeout = 6 * time.Second

// ErrClosed is returned by an endpoint that was closed or whose Run has ended.
var ErrClosed = ike.ErrClosed

// Config is what an endpoint is made of. Zero fields have the defaults that their comments give.
type Config struct {
	// Catalog is the configuration, as package config reads it; nil is an empty one, for Load to fill.
	Catalog *core.Catalog
	// Settings are the IKE settings; nil is core.DefaultSettings.
	Settings *core.Settings
	// Limits bound what strangers can make the endpoint do.
	Limits ike.Limits

	// Device carries the plaintext; nil opens the host's TUN device with TUN's name and MTU. Where TUN names no MTU it is
	// tun.DefaultMTU, or less while the path to a peer takes less. The endpoint closes the device.
	Device tun.Device
	TUN    tun.Config
	// Transport carries what is protected; nil opens UDP sockets as Sockets says. The endpoint closes it.
	Transport encap.Transport
	Sockets   encap.Config
	// Routes puts routes on the host for what the Child SAs protect; nil leaves the host's routing alone.
	Routes *route.Config

	// Leases is the file in which the leases of address pools are kept over a restart; "" keeps them in memory. It is made when
	// the first pool is loaded.
	Leases string
	// NoVirtualIPs leaves the addresses that a peer assigns to whoever is told of them, as an updown script; otherwise they are
	// put on the device, or on the link VirtualIPLink.
	NoVirtualIPs  bool
	VirtualIPLink string
	// ResolvConf is the file that name servers which a peer assigns are written to where there is no systemd-resolved to take
	// them; "" leaves the host's resolver alone.
	ResolvConf string

	// RADIUS are the servers that decide about peers with `auth = eap-radius`.
	RADIUS RADIUS

	// SeparateIKESAs negotiates an IKE SA for each Child SA (strongSwan's reuse_ikesa = no).
	SeparateIKESAs bool

	// KeyLog is a directory for Wireshark's key tables; "" writes none. Whoever reads it reads the traffic.
	KeyLog string
	// Log gets the log; nil is silence.
	Log *zap.Logger
}

// Endpoint is an IPsec endpoint. Its methods are safe for concurrent use.
type Endpoint struct {
	log       *zap.Logger
	device    tun.Device
	transport encap.Transport
	engine    *engine.Engine
	ike       *ike.Endpoint
	host      *route.Table // what is put on the host; nil: nothing
	routes    *route.Table // the same; nil: the host's routing is not ours
	virtual   *virtual
	leases    *pool.Leases
	updown    *updown
	mtu       tunnelMTU
	keys      *keyLog // nil: none
	library   fetch.Client

	authServers *authServers
	accounts    *accounts

	loading     sync.Mutex    // held while the catalog is being replaced
	running     bool          // Run acts on the catalog; guarded by loading
	files       *core.Catalog // what was loaded last as a whole, before vici changed anything; guarded by loading
	catalog     atomic.Pointer[core.Catalog]
	policies    policies
	names       hostNames
	subscribers subscribers
	started     atomic.Pointer[time.Time]
	serial      atomic.Uint32 // unique IDs
	reqid       atomic.Uint32

	makeBeforeBreak, separate bool
	restartDelay              time.Duration

	ctx    context.Context // ends what runs in the background
	cancel context.CancelFunc
	ran    atomic.Bool
	ready  chan struct{}

	ending sync.Mutex     // guards ended
	ended  bool           // nothing more begins in the background
	wg     sync.WaitGroup // what runs in the background
}

// New opens the device and the sockets and puts an endpoint together; nothing is sent before Run.
func New(c Config) (*Endpoint, error) {
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	e := &Endpoint{
		log: c.Log, updown: newUpdown(c.Log), ready: make(chan struct{}),
		policies: policies{installed: map[childKey]installedPolicy{}, starting: map[childKey]bool{}},
		names:    hostNames{changed: make(chan struct{}, 1)}, restartDelay: restartDelay,
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.files = &core.Catalog{}
	e.catalog.Store(e.files)
	e.leases = e.newLeases(c.Leases)
	e.authServers = newAuthServers(c.Log, e.serversSilent)
	e.authServers.load(c.RADIUS)
	e.accounts = newAccounts(c.Log, e.authServers)
	if err := e.open(c); err != nil {
		return nil, errors.Join(err, e.closeParts())
	}
	e.assemble(c)
	if c.Catalog != nil {
		e.files = c.Catalog
		e.catalog.Store(c.Catalog)
		e.configurePools(c.Catalog)
	}
	return e, nil
}

// open opens what the host gives.
func (e *Endpoint) open(c Config) error {
	var err error
	if c.KeyLog != "" {
		if e.keys, err = openKeyLog(c.KeyLog); err != nil {
			return err
		}
	}
	if e.device = c.Device; e.device == nil {
		device, err := tun.Open(c.TUN)
		if err != nil {
			return fmt.Errorf("goswan: %w", err)
		}
		e.device = device
		if c.TUN.MTU == 0 {
			e.mtu = ownMTU(device)
		}
	}
	if e.transport = c.Transport; e.transport == nil {
		sockets, err := encap.Listen(c.Sockets)
		if err != nil {
			return fmt.Errorf("goswan: %w", err)
		}
		e.transport = sockets
		for _, warning := range sockets.Warnings() {
			e.log.Warn(warning)
		}
	}
	if c.Routes != nil {
		if err := e.openRoutes(*c.Routes); err != nil {
			return err
		}
	}
	e.openVirtual(c)
	return nil
}

// assemble joins IKE and the data path.
func (e *Endpoint) assemble(c Config) {
	e.engine = engine.New(engine.Config{
		Device: e.device, Transport: e.transport, Log: e.log, Events: e.event,
		IKE: func(local, remote netip.AddrPort, datagram []byte) { e.ike.Deliver(local, remote, datagram) },
	})
	settings := core.DefaultSettings()
	if c.Settings != nil {
		settings = *c.Settings
	}
	e.makeBeforeBreak, e.separate = settings.MakeBeforeBreak, c.SeparateIKESAs
	e.ike = ike.New(ike.Config{
		Environment: core.Environment{
			Rand:         rand.Reader,
			NewSPI:       e.engine.NewSPI,
			UniqueID:     func() uint32 { return e.serial.Add(1) },
			Reqid:        func() uint32 { return e.reqid.Add(1) },
			Catalog:      e.catalog.Load,
			Lease:        e.leases.Lease,
			Release:      e.leases.Release,
			Evidence:     e.library.Evidence,
			FirstContact: func(local, remote auth.Identity) bool { return e.ike.FirstContact(local, remote) },
			Resolve:      e.names.lookup,
			LastInbound:  e.lastInbound,
			NATTPort:     e.portNATT(),
			Settings:     settings,
			KeyLog:       e.keys != nil,
		},
		Network: e.transport, DataPath: dataPath{e}, Limits: c.Limits, Library: &e.library, Backend: e.authServers,
		Watch: e.watch, Installed: e.accounts.installed, Log: e.log,
	})
	e.accounts.counters, e.accounts.end = e.engine.Counters, e.endIKE
}

// Run carries packets and negotiates until ctx is done; then it deletes the SAs with notice to the peers, undoes what
// it put on the host and returns nil. It may be called once.
func (e *Endpoint) Run(ctx context.Context) error {
	if e.ran.Swap(true) {
		return errors.New("goswan: the endpoint has run already")
	}
	now := time.Now()
	e.started.Store(&now)
	failed := make(chan error, 1)
	pathCtx, stopPath := context.WithCancel(context.Background())
	defer stopPath()
	go func() { failed <- e.engine.Run(pathCtx) }()
	scriptCtx, stopScripts := context.WithCancel(context.Background())
	scripts := make(chan struct{})
	go func() { e.updown.run(scriptCtx); close(scripts) }()
	accountCtx, stopAccounts := context.WithCancel(context.Background())
	accounts := make(chan struct{})
	go func() { e.accounts.run(accountCtx); close(accounts) }()
	e.background(e.names.follow(&e.catalog))
	e.background(e.authServers.follow)
	e.begin()
	var err error
	patience := closeTimeout
	select {
	case <-ctx.Done():
	case err = <-failed:
		failed <- nil
		patience = 0 // nothing that a peer says would arrive
	}
	e.shutdown(patience)
	stopPath()
	err = errors.Join(err, <-failed)
	stopScripts()
	stopAccounts()
	<-scripts
	<-accounts
	return errors.Join(err, e.closeParts())
}

// begin does the start actions of the catalog; from now on a new one is acted upon when it is loaded.
func (e *Endpoint) begin() {
	e.loading.Lock()
	defer e.loading.Unlock()
	e.running = true
	for _, conn := range e.catalog.Load().Connections {
		e.startActions(conn, false)
	}
	close(e.ready)
}

// awaitReady waits until Run works.
func (e *Endpoint) awaitReady(ctx context.Context) error {
	select {
	case <-e.ready:
		return nil
	default:
	}
	select {
	case <-e.ready:
		return nil
	case <-e.ctx.Done():
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Ready is closed when Run has begun to work.
func (e *Endpoint) Ready() <-chan struct{} { return e.ready }

// Close ends an endpoint that never ran; one that runs ends with Run's context.
func (e *Endpoint) Close() error {
	if e.ran.Swap(true) {
		return nil
	}
	return e.closeParts()
}

// DeviceName is the name of the device that carries the plaintext.
func (e *Endpoint) DeviceName() string { return e.device.Name() }

// shutdown ends the IKE SAs with notice while the data path still carries it, and waits for the peers for so long.
func (e *Endpoint) shutdown(patience time.Duration) {
	e.ending.Lock()
	e.ended = true
	e.ending.Unlock()
	e.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := e.ike.Close(ctx); err != nil {
		e.log.Warn("not every peer confirmed the end of its IKE SA", zap.Error(err))
	}
	e.wg.Wait()
}

// closeParts closes what open opened, whichever of it there is.
func (e *Endpoint) closeParts() error {
	e.cancel()
	errs := []error{e.leases.Close(), e.virtual.close()}
	if e.host != nil {
		errs = append(errs, e.host.Close())
	}
	if e.device != nil {
		errs = append(errs, e.device.Close())
	}
	if e.transport != nil {
		errs = append(errs, e.transport.Close())
	}
	return errors.Join(errs...)
}

// background runs f until the endpoint shuts down, which it learns from its context; after that it does nothing.
func (e *Endpoint) background(f func(ctx context.Context)) {
	e.ending.Lock()
	defer e.ending.Unlock()
	if !e.ended {
		e.wg.Go(func() { f(e.ctx) })
	}
}

// Catalog is the current configuration.
func (e *Endpoint) Catalog() *core.Catalog { return e.catalog.Load() }

// Status is a snapshot of an endpoint.
type Status struct {
	Started time.Time        // zero before Run
	IKESAs  []core.IKEStatus // with counters
	// Drops counts the packets that the data path dropped, by reason.
	Drops map[string]uint64
	IKE   ike.Counters
}

// Status is a snapshot of all SAs and their counters.
func (e *Endpoint) Status() Status {
	return Status{Started: e.startTime(), IKESAs: e.IKESAs(), Drops: e.engine.Drops(), IKE: e.ike.Counters()}
}

func (e *Endpoint) startTime() (t time.Time) {
	if p := e.started.Load(); p != nil {
		t = *p
	}
	return t
}

// IKESAs are snapshots of the live IKE SAs, ordered by unique ID, with the counters of their Child SAs.
func (e *Endpoint) IKESAs() []core.IKEStatus {
	all := e.ike.IKESAs()
	for i := range all {
		all[i].Children = slices.Clone(all[i].Children) // the snapshot is everybody's
		for j := range all[i].Children {
			c := &all[i].Children[j]
			c.In, _ = e.engine.Counters(esp.ID{SPI: c.SPIIn, Direction: esp.In})
			c.Out, _ = e.engine.Counters(esp.ID{SPI: c.SPIOut, Direction: esp.Out, Reqid: c.Reqid})
		}
	}
	slices.SortFunc(all, func(a, b core.IKEStatus) int { return cmp.Compare(a.UniqueID, b.UniqueID) })
	return all
}
