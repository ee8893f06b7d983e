package goswan

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/config/creds"
	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/vici"
)

// viciShutdown is how long commands under way have to end when the control socket closes.
const viciShutdown = 2 * time.Second

// Control is a control socket.
type Control struct {
	server *vici.Server
	ended  chan error
	once   sync.Once
	err    error
}

// ServeVICI opens a control socket, "unix:///run/charon.vici" or "tcp://127.0.0.1:4502", on which strongSwan's swanctl
// and goswan's own commands control the endpoint. Connections that come by it are checked with loader; reload, which
// may be nil, reads strongswan.conf anew.
func (e *Endpoint) ServeVICI(uri string, loader config.Loader, reload func() error) (*Control, error) {
	l, err := vici.Listen(uri)
	if err != nil {
		return nil, err
	}
	return e.serveVICI(l, loader, reload), nil
}

func (e *Endpoint) serveVICI(l net.Listener, loader config.Loader, reload func() error) *Control {
	c := &Control{
		server: vici.NewServer(vici.ServerConfig{Daemon: &viciDaemon{e: e, loader: loader, reload: reload}, Log: e.log}),
		ended:  make(chan error, 1),
	}
	go func() { c.ended <- c.server.Serve(l) }()
	return c
}

// Close ends the control socket and its clients; it may be called more than once.
func (c *Control) Close() error {
	c.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), viciShutdown)
		defer cancel()
		c.err = c.server.Shutdown(ctx)
		if err := <-c.ended; !errors.Is(err, vici.ErrClosed) {
			c.err = errors.Join(c.err, err)
		}
	})
	return c.err
}

// viciDaemon is an endpoint as vici's clients see it.
type viciDaemon struct {
	e      *Endpoint
	loader config.Loader
	reload func() error
	places places
}

// places finds what a client loaded from swanctl.conf as it stands there: vici's messages do not tell the lines, which people want
// to know, and strongSwan's swanctl leaves out the sections of pools.
type places struct {
	mu      sync.Mutex // guards what follows
	read    time.Time
	catalog core.Catalog // its connections and pools
}

// placesAge is how soon the file may be read again for a connection that it did not have.
const placesAge = 20 * time.Millisecond

// find is the connection as it stands in the file, if it says the same there, otherwise the connection itself.
func (p *places) find(loader config.Loader, conn *core.Connection) *core.Connection {
	if loader.Path == "" {
		return conn
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	there := p.catalog.Connection(conn.Name)
	if !config.Same(there, conn) && time.Since(p.read) >= placesAge {
		p.load(loader)
		there = p.catalog.Connection(conn.Name)
	}
	if config.Same(there, conn) {
		return there
	}
	return conn
}

// pool is the pool as it stands in the file, with the addresses of single peers, if it says the same there but for those.
func (p *places) pool(loader config.Loader, pool *core.Pool) *core.Pool {
	if loader.Path == "" || len(pool.Static) > 0 {
		return pool
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.read) >= placesAge {
		p.load(loader)
	}
	for _, there := range p.catalog.Pools {
		bare := *there
		bare.Static = nil
		if config.SamePool(&bare, pool) {
			return there
		}
	}
	return pool
}

// load reads the file; one with mistakes has no places to tell.
func (p *places) load(loader config.Loader) {
	loader.ConnectionsOnly = true
	catalog, _, err := loader.Load(loader.Path)
	p.read, p.catalog = time.Now(), core.Catalog{}
	if err != nil {
		return
	}
	catalog.Wipe()
	p.catalog.Connections, p.catalog.Pools = catalog.Connections, catalog.Pools
}

func (d *viciDaemon) Version() vici.Version {
	return vici.Version{Daemon: "goswan", Version: Version}
}

func (d *viciDaemon) Stats() vici.Stats {
	plugins := []string{"ikev2", "esp", "udp-encap", "psk", "pubkey", "x509", "revocation", "eap-radius", "swanctl", "vici", "updown"}
	return vici.Stats{Since: d.e.startTime(), Scheduled: d.e.ike.Timers(), Plugins: plugins, Drops: d.e.engine.Drops()}
}

func (d *viciDaemon) ReloadSettings() error {
	if d.reload == nil {
		return errors.New("this daemon has no strongswan.conf to reload")
	}
	return d.reload()
}

func (d *viciDaemon) IKESAs() []core.IKEStatus        { return d.e.IKESAs() }
func (d *viciDaemon) Connections() []*core.Connection { return d.e.Catalog().Connections }

func (d *viciDaemon) Policies() []vici.Policy {
	var all []vici.Policy
	for _, in := range d.e.policies.list() {
		all = append(all, vici.Policy{
			Conn: in.conn.Name, Child: in.child.Name, Reqid: in.policy.Reqid, Mode: in.child.Mode, LocalTS: in.child.LocalTS, RemoteTS: in.child.RemoteTS,
		})
	}
	return all
}

func (d *viciDaemon) Pools() []vici.Pool {
	var all []vici.Pool
	for _, s := range d.e.leases.Status() {
		p := vici.Pool{Name: s.Name, Base: "RADIUS", Size: s.Size, Online: uint64(s.Online), Offline: uint64(s.Offline)}
		if s.First.IsValid() {
			p.Base = s.First.String()
		}
		for _, l := range s.Leases {
			p.Leases = append(p.Leases, vici.Lease{Address: l.Addr.String(), Identity: l.Peer.String(), Online: l.Online})
		}
		all = append(all, p)
	}
	return all
}

func (d *viciDaemon) SharedIDs() []string {
	var ids []string
	for _, s := range d.e.Catalog().Secrets {
		if s.Name != "" {
			ids = append(ids, s.Name)
		}
	}
	return ids
}

// warn logs what a loaded section says that changes nothing.
func (d *viciDaemon) warn(all []config.Warning) {
	for _, w := range all {
		d.e.log.Warn(w.Error())
	}
}

func (d *viciDaemon) LoadConnection(s *settings.Section) error {
	conn, warnings, err := d.loader.Connection(s.Name, s)
	d.warn(warnings)
	if err != nil {
		return err
	}
	conn = d.places.find(d.loader, conn)
	d.e.change(func(c *core.Catalog) {
		i := slices.IndexFunc(c.Connections, func(old *core.Connection) bool { return old.Name == conn.Name })
		switch {
		case i < 0:
			c.Connections = append(c.Connections, conn)
		case !config.Same(c.Connections[i], conn) || c.Connections[i].Source != conn.Source:
			c.Connections[i] = conn
		}
	})
	return nil
}

func (d *viciDaemon) UnloadConnection(name string) error {
	found := false
	d.e.change(func(c *core.Catalog) {
		c.Connections = slices.DeleteFunc(c.Connections, func(conn *core.Connection) bool {
			found = found || conn.Name == name
			return conn.Name == name
		})
	})
	if !found {
		return fmt.Errorf("unload: connection '%s' not found", name)
	}
	return nil
}

func (d *viciDaemon) LoadShared(s vici.Shared) error {
	loaded, warnings, err := config.Shared(s.Section())
	d.warn(warnings)
	if err != nil {
		s.Data.Wipe()
		return err
	}
	loaded.Key.Wipe()
	loaded.Key = s.Data
	d.e.change(func(c *core.Catalog) {
		i := slices.IndexFunc(c.Secrets, func(old *core.Secret) bool { return s.ID != "" && old.Name == s.ID })
		if i < 0 {
			c.Secrets = append(c.Secrets, loaded)
			return
		}
		c.Secrets[i] = loaded
	})
	return nil
}

func (d *viciDaemon) UnloadShared(id string) error {
	d.e.change(func(c *core.Catalog) {
		c.Secrets = slices.DeleteFunc(c.Secrets, func(s *core.Secret) bool { return id != "" && s.Name == id })
	})
	return nil
}

func (d *viciDaemon) ClearCredentials() error {
	d.e.change(func(c *core.Catalog) {
		c.Secrets = nil
		c.Credentials = creds.Join(core.Credentials{}, c.Authorities)
	})
	return nil
}

func (d *viciDaemon) LoadPool(s *settings.Section) error {
	pool, warnings, err := config.Pool(s.Name, s)
	d.warn(warnings)
	if err != nil {
		return err
	}
	pool = d.places.pool(d.loader, pool)
	d.e.change(func(c *core.Catalog) {
		c.Pools = append(slices.DeleteFunc(c.Pools, func(p *core.Pool) bool { return p.Name == pool.Name }), pool)
	})
	return nil
}

func (d *viciDaemon) UnloadPool(name string) error {
	found := false
	d.e.change(func(c *core.Catalog) {
		c.Pools = slices.DeleteFunc(c.Pools, func(p *core.Pool) bool { found = found || p.Name == name; return p.Name == name })
	})
	if !found {
		return fmt.Errorf("unload: pool '%s' not found", name)
	}
	return nil
}

func (d *viciDaemon) Initiate(ctx context.Context, conn, child string) error {
	return d.e.Initiate(ctx, InitiateRequest{IKE: conn, Child: child})
}

func (d *viciDaemon) Terminate(ctx context.Context, sa vici.Target, force bool) error {
	_, err := d.e.Terminate(ctx, SelectSAs{IKEID: sa.IKE, ChildID: sa.Child}, force)
	return err
}

func (d *viciDaemon) Rekey(ctx context.Context, sa vici.Target) error {
	_, err := d.e.Rekey(ctx, SelectSAs{IKEID: sa.IKE, ChildID: sa.Child})
	return err
}

func (d *viciDaemon) InstallPolicy(ctx context.Context, conn, child string) error {
	return d.e.InstallPolicy(ctx, InitiateRequest{IKE: conn, Child: child})
}

func (d *viciDaemon) UninstallPolicy(conn, child string) error {
	return d.e.UninstallPolicy(InitiateRequest{IKE: conn, Child: child})
}

func (d *viciDaemon) Subscribe(f func(vici.Event)) (cancel func()) {
	return d.e.Subscribe(func(ev Event) {
		conn, id := d.e.ike.Current(ev.Lineage)
		f(vici.Event{Conn: conn, IKE: id, What: ev.What})
	})
}

// change replaces the configuration by a changed copy, as Load does.
func (e *Endpoint) change(edit func(*core.Catalog)) {
	e.loading.Lock()
	defer e.loading.Unlock()
	old := e.catalog.Load()
	next := &core.Catalog{
		Connections: slices.Clone(old.Connections), Secrets: slices.Clone(old.Secrets), Pools: slices.Clone(old.Pools),
		Authorities: slices.Clone(old.Authorities), Credentials: old.Credentials, Files: old.Files,
	}
	edit(next)
	e.replace(next)
}
