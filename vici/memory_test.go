package vici

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/config/creds"
	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/pool"
)

// noon is the time of the memory daemon.
var noon = time.Date(2026, time.March, 4, 12, 0, 0, 0, time.UTC)

// memory is a daemon in memory. Its peers answer at once, but 192.0.2.1, which never answers, and 192.0.2.2, which
// refuses.
type memory struct {
	mu          sync.Mutex // guards what follows
	conns       []*core.Connection
	shared      []Shared
	certs       []Certificate
	keys        []string
	flushed     int
	authorities []*core.Authority
	pools       []Pool
	policies    []Policy
	sas         []core.IKEStatus
	watchers    map[int]func(Event)
	serial      uint32
	waiting     chan struct{} // gets something each time that an Initiate or Terminate begins to wait
	left        chan error    // gets the context's error when it ends before the wait does
	reloads     int
	loadErr     error
	forced      int
	rekeyed     chan Target
}

func newMemory() *memory {
	return &memory{
		watchers: map[int]func(Event){}, waiting: make(chan struct{}, 100), left: make(chan error, 100), rekeyed: make(chan Target, 100),
	}
}

func (d *memory) Version() Version { return Version{"goswan", "0.0.1"} }

func (d *memory) Stats() Stats {
	return Stats{
		Since: noon.Add(-90 * time.Second), Scheduled: 3, Plugins: []string{"ikev2", "vici"}, Drops: map[string]uint64{"replay": 7, "no-sa": 1},
	}
}

func (d *memory) ReloadSettings() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reloads++
	return d.loadErr
}

func (d *memory) IKESAs() []core.IKEStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.sas)
}

func (d *memory) Connections() []*core.Connection {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.conns)
}

func (d *memory) Policies() []Policy {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.policies)
}

func (d *memory) Pools() []Pool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.pools)
}

func (d *memory) SharedIDs() (ids []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.shared {
		if s.ID != "" {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

func (d *memory) LoadConnection(s *settings.Section) error {
	conn, _, err := config.Connection(s.Name, s)
	if err != nil {
		return err
	}
	if err := d.UnloadConnection(s.Name); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns = append(d.conns, conn)
	for _, child := range conn.Children {
		if child.StartAction&core.ActionTrap != 0 {
			d.install(conn.Name, child)
		}
	}
	return nil
}

func (d *memory) UnloadConnection(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns = slices.DeleteFunc(d.conns, func(c *core.Connection) bool { return c.Name == name })
	d.policies = slices.DeleteFunc(d.policies, func(p Policy) bool { return p.Conn == name })
	return nil
}

func (d *memory) LoadShared(s Shared) error {
	if _, _, err := config.Shared(s.Section()); err != nil {
		return err
	}
	if err := d.UnloadShared(s.ID); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shared = append(d.shared, s)
	return nil
}

func (d *memory) UnloadShared(id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shared = slices.DeleteFunc(d.shared, func(s Shared) bool { return s.ID == id && id != "" })
	return nil
}

func (d *memory) ClearCredentials() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shared, d.certs, d.keys = nil, nil, nil
	return nil
}

func (d *memory) LoadCertificate(data []byte, flag string) error {
	all, err := creds.ParseCertificates("the certificate", data)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.certs = append(d.certs, Certificate{Type: X509, CA: flag == FlagCA, Responder: flag == FlagOCSP, HasKey: flag == "NONE", Subject: all[0].Name(), DER: all[0].X509.Raw})
	return nil
}

func (d *memory) LoadCRL(data []byte) error {
	crl, err := creds.ParseCRL("the CRL", data)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.certs = append(d.certs, Certificate{Type: X509CRL, Subject: crl.Issuer(), DER: crl.List.Raw})
	return nil
}

func (d *memory) LoadPublicKey(data []byte) error {
	key, err := creds.ParsePublicKey("the public key", data)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.certs = append(d.certs, Certificate{Type: RawPublic, DER: key.SPKI})
	return nil
}

func (d *memory) LoadKey(data []byte) (string, error) {
	key, err := creds.ParsePrivateKey("the private key", data, nil)
	if err != nil {
		return "", err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keys = append(d.keys, key.ID())
	return key.ID(), nil
}

func (d *memory) UnloadKey(id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keys = slices.DeleteFunc(d.keys, func(k string) bool { return k == id })
	return nil
}

func (d *memory) KeyIDs() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.keys)
}

func (d *memory) Certificates() []Certificate {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.certs)
}

func (d *memory) FlushCertificates() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.flushed++
}

func (d *memory) LoadAuthority(s *settings.Section) error {
	a, _, err := config.Loader{}.Authority(s.Name, s)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.authorities = append(d.authorities, a)
	return nil
}

func (d *memory) UnloadAuthority(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := len(d.authorities)
	d.authorities = slices.DeleteFunc(d.authorities, func(a *core.Authority) bool { return a.Name == name })
	if len(d.authorities) == before {
		return fmt.Errorf("unload: authority '%s' not found", name)
	}
	return nil
}

func (d *memory) Authorities() []*core.Authority {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.authorities)
}

func (d *memory) LoadPool(s *settings.Section) error {
	p, _, err := config.Pool(s.Name, s)
	if err != nil {
		return err
	}
	if err := d.UnloadPool(s.Name); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	addrs, err := pool.ParseRange(p.Addrs)
	d.pools = append(d.pools, Pool{Name: p.Name, Base: addrs.First.String(), Size: addrs.Size})
	return err
}

func (d *memory) UnloadPool(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pools = slices.DeleteFunc(d.pools, func(p Pool) bool { return p.Name == name })
	return nil
}

func (d *memory) InstallPolicy(_ context.Context, conn, child string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.conns {
		for _, config := range c.Children {
			if c.Name == conn && config.Name == child {
				if config.RemoteTS[0].Dynamic && len(c.RemoteAddrs) == 0 {
					return errors.New("the traffic selector dynamic needs a remote address")
				}
				d.install(conn, config)
			}
		}
	}
	return nil
}

// install installs a policy; the caller holds the lock.
func (d *memory) install(conn string, child *core.Child) {
	d.policies = slices.DeleteFunc(d.policies, func(p Policy) bool { return p.Conn == conn && p.Child == child.Name })
	d.serial++
	d.policies = append(d.policies, Policy{
		Conn: conn, Child: child.Name, Reqid: d.serial, Mode: child.Mode, LocalTS: child.LocalTS, RemoteTS: child.RemoteTS,
	})
}

func (d *memory) UninstallPolicy(conn, child string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.policies = slices.DeleteFunc(d.policies, func(p Policy) bool { return p.Conn == conn && p.Child == child })
	return nil
}

func (d *memory) Subscribe(f func(Event)) (cancel func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := len(d.watchers)
	d.watchers[id] = f
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.watchers, id)
	}
}

// tell raises an event.
func (d *memory) tell(e Event) {
	d.mu.Lock()
	watchers := make([]func(Event), 0, len(d.watchers))
	for _, f := range d.watchers {
		watchers = append(watchers, f)
	}
	d.mu.Unlock()
	for _, f := range watchers {
		f(e)
	}
}

func (d *memory) log(conn string, id uint32, group string, level int, format string, args ...any) {
	d.tell(Event{Conn: conn, IKE: id, What: core.Log{Group: group, Level: level, Text: fmt.Sprintf(format, args...)}})
}

// hang waits as for a peer that does not answer.
func (d *memory) hang(ctx context.Context) error {
	d.waiting <- struct{}{}
	<-ctx.Done()
	d.left <- ctx.Err()
	return ctx.Err()
}

func (d *memory) Initiate(ctx context.Context, name, childName string) error {
	i := slices.IndexFunc(d.Connections(), func(c *core.Connection) bool { return c.Name == name })
	conn := d.Connections()[i]
	d.mu.Lock()
	d.serial++
	id := d.serial
	d.mu.Unlock()
	d.log(name, id, "IKE", 0, "initiating IKE_SA %s[%d] to %s", name, id, conn.RemoteAddrs[0])
	d.log(name, id, "ENC", 2, "detail")
	d.tell(Event{Conn: name, IKE: id, What: core.Message{Exchange: "IKE_SA_INIT", Outbound: true}})
	switch conn.RemoteAddrs[0] {
	case "192.0.2.1":
		return d.hang(ctx)
	case "192.0.2.2":
		reason := &core.Reason{Kind: core.NoProposalChosen, Phase: 1, Exchange: "IKE_SA_INIT", ByPeer: true, Text: "the peer refused"}
		d.tell(Event{Conn: name, IKE: id, What: core.Failed{Reason: reason}})
		return reason
	}
	sa := newIKE(conn, id)
	if childName != "" {
		for _, child := range conn.Children {
			if child.Name == childName {
				sa.Children = append(sa.Children, newChild(child, id+100))
			}
		}
	}
	d.mu.Lock()
	d.sas = append(d.sas, sa)
	d.mu.Unlock()
	d.tell(Event{Conn: name, IKE: id, What: core.Established{IKE: sa, Connection: conn}})
	for _, child := range sa.Children {
		d.tell(Event{Conn: name, IKE: id, What: core.ChildUp{IKE: sa, Child: child}})
	}
	return nil
}

// newIKE is an IKE SA as negotiated with the first of everything.
func newIKE(conn *core.Connection, id uint32) core.IKEStatus {
	sa := core.IKEStatus{
		UniqueID: id, Conn: conn.Name, Version: 2, State: core.IKEEstablished, Initiator: true,
		Local: netip.MustParseAddrPort("10.9.0.1:4500"), Remote: netip.AddrPortFrom(netip.MustParseAddr(conn.RemoteAddrs[0]), 4500),
		LocalID: conn.Local[0].ID, RemoteID: conn.Remote[0].ID, Suite: first(conn.Proposals[0]),
		Established: noon.Add(-24 * time.Second), RekeyAt: noon.Add(13218 * time.Second), Config: conn,
	}
	sa.SPIi = [8]byte{0, 0, 0, 0, 0, 0, 1, byte(id)}
	sa.SPIr = [8]byte{0xa3, 0, 0, 0, 0, 0, 1, byte(id)}
	return sa
}

func newChild(config *core.Child, id uint32) core.ChildStatus {
	child := core.ChildStatus{
		UniqueID: id, Name: config.Name, Reqid: id, State: core.ChildInstalled, Mode: config.Mode,
		SPIIn: esp.SPI(0xc0000000 + id), SPIOut: esp.SPI(0xd0000000 + id), Suite: first(config.Proposals[0]).Without(suite.KE),
		Installed: noon.Add(-24 * time.Second), RekeyAt: noon.Add(3303 * time.Second), ExpireAt: noon.Add(3936 * time.Second), Config: config,
		In: esp.Counters{Packets: 2, Bytes: 168, LastUse: noon}, Out: esp.Counters{Packets: 2, Bytes: 168, LastUse: noon},
	}
	for _, s := range config.LocalTS {
		child.LocalTS = append(child.LocalTS, s.TS)
	}
	for _, s := range config.RemoteTS {
		child.RemoteTS = append(child.RemoteTS, s.TS)
	}
	return child
}

// first is a proposal with the first transform of each type.
func first(p suite.Proposal) suite.Proposal {
	chosen := suite.Proposal{Protocol: p.Protocol}
	for _, t := range p.Transforms {
		if !slices.ContainsFunc(chosen.Transforms, func(have suite.Transform) bool { return have.Type == t.Type }) {
			chosen.Transforms = append(chosen.Transforms, t)
		}
	}
	return chosen
}

func (d *memory) Terminate(ctx context.Context, t Target, force bool) error {
	all := d.IKESAs()
	i := slices.IndexFunc(all, func(sa core.IKEStatus) bool { return sa.UniqueID == t.IKE })
	if i < 0 {
		return errors.New("it is gone already")
	}
	sa := all[i]
	d.log(sa.Conn, sa.UniqueID, "IKE", 0, "deleting IKE_SA %s[%d]", sa.Conn, sa.UniqueID)
	if sa.Remote.Addr() == netip.MustParseAddr("192.0.2.3") && !force {
		return d.hang(ctx)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if force {
		d.forced++
	}
	d.sas = slices.DeleteFunc(d.sas, func(other core.IKEStatus) bool { return t.Child == 0 && other.UniqueID == t.IKE })
	for i := range d.sas {
		d.sas[i].Children = slices.DeleteFunc(slices.Clone(d.sas[i].Children), func(c core.ChildStatus) bool { return c.UniqueID == t.Child })
	}
	return nil
}

func (d *memory) Rekey(_ context.Context, t Target) error {
	d.rekeyed <- t
	return nil
}

// id is a constant identity.
func id(text string) auth.Identity {
	identity, err := auth.ParseIdentity(text)
	if err != nil {
		panic(err)
	}
	return identity
}

// ts are constant traffic selectors.
func ts(texts ...string) (all []spd.TrafficSelector) {
	for _, text := range texts {
		all = append(all, spd.MustParse(text))
	}
	return all
}
