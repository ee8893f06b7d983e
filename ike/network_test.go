package ike

import (
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
)

// The tests run in synctest's time: a wait of minutes takes none, and every goroutine must have ended when a test does.

var (
	leftAddr  = netip.MustParseAddr("192.0.2.1")
	rightAddr = netip.MustParseAddr("198.51.100.2")
)

// sent is a datagram that somebody sent.
type sent struct {
	from, to netip.AddrPort
	data     []byte
}

// network carries datagrams between endpoints in memory, at once.
type network struct {
	t *testing.T

	mu    sync.Mutex // guards what follows
	hosts map[netip.Addr]*host
	log   []sent
	drop  func(sent) bool // nil: nothing is lost
	nat   func(sent) sent // nil: addresses stay
}

// host is an endpoint on the network.
type host struct {
	*Endpoint
	net  *network
	addr netip.Addr
	path *path

	catalog atomic.Pointer[core.Catalog]

	mu   sync.Mutex // guards told
	told []core.Output
}

// path is a data path that only remembers.
type path struct {
	mu     sync.Mutex // guards what follows
	sas    map[esp.ID]esp.Params
	moved  []esp.ID
	refuse func(esp.Params) error
}

func (p *path) Install(s esp.Params) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse != nil {
		if err := p.refuse(s); err != nil {
			return err
		}
	}
	p.sas[s.ID()] = s
	return nil
}

func (p *path) Remove(id esp.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if id.Direction == esp.Out {
		delete(p.sas, id)
		return
	}
	for have := range p.sas {
		if have.SPI == id.SPI && have.Direction == esp.In {
			delete(p.sas, have)
		}
	}
}

func (p *path) Move(id esp.ID, _, _ netip.AddrPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.moved = append(p.moved, id)
}

func (p *path) ReleaseSPI(esp.SPI) {}

// ids are the installed SAs of one direction.
func (p *path) ids(d esp.Direction) []esp.ID {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []esp.ID
	for id := range p.sas {
		if id.Direction == d {
			all = append(all, id)
		}
	}
	return all
}

func newNetwork(t *testing.T) *network {
	return &network{t: t, hosts: map[netip.Addr]*host{}}
}

// host attaches an endpoint.
func (n *network) host(addr netip.Addr, c *core.Catalog, change ...func(*Config)) *host {
	h := &host{net: n, addr: addr, path: &path{sas: map[esp.ID]esp.Params{}}}
	h.catalog.Store(c)
	var serial, spi atomic.Uint32
	spi.Store(0x1000)
	cfg := Config{
		Environment: core.Environment{
			Rand: rand.Reader, Catalog: h.catalog.Load, NATTPort: 4500, Settings: core.DefaultSettings(),
			NewSPI:       func() (esp.SPI, error) { return esp.SPI(spi.Add(1)), nil },
			UniqueID:     func() uint32 { return serial.Add(1) },
			Reqid:        func() uint32 { return serial.Add(1) },
			FirstContact: func(l, r auth.Identity) bool { return h.FirstContact(l, r) },
		},
		Network: sender{h}, DataPath: h.path, Watch: h.watch,
	}
	for _, f := range change {
		f(&cfg)
	}
	h.Endpoint = New(cfg)
	n.t.Cleanup(func() { end(h) })
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[addr] = h
	return h
}

func (h *host) watch(_ uint64, o core.Output) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, o)
}

// outputs are those of one kind that were told so far.
func outputs[O core.Output](h *host) []O {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []O
	for _, o := range h.told {
		if o, ok := o.(O); ok {
			all = append(all, o)
		}
	}
	return all
}

type sender struct{ h *host }

func (s sender) SendIKE(local, remote netip.AddrPort, data []byte) error {
	return s.h.net.carry(sent{local, remote, slices.Clone(data)})
}

func (s sender) SendKeepalive(netip.AddrPort, netip.AddrPort) error { return nil }

var errUnreachable = errors.New("network: no such host")

func (n *network) carry(s sent) error {
	n.mu.Lock()
	if n.nat != nil {
		s = n.nat(s)
	}
	n.log = append(n.log, s)
	to, lost := n.hosts[s.to.Addr()], n.drop != nil && n.drop(s)
	n.mu.Unlock()
	switch {
	case lost:
		return nil
	case to == nil:
		return errUnreachable
	}
	to.Deliver(s.to, s.from, slices.Clone(s.data))
	return nil
}

// lose sets what is lost from now on.
func (n *network) lose(f func(sent) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.drop = f
}

// translate sets a NAT from now on.
func (n *network) translate(f func(sent) sent) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nat = f
}

// to are the datagrams sent to an address and port so far.
func (n *network) to(a netip.AddrPort) []sent {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []sent
	for _, s := range n.log {
		if s.to == a {
			all = append(all, s)
		}
	}
	return all
}

// detach takes a host off the network without a word.
func (n *network) detach(h *host) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.hosts, h.addr)
}

// want fails with the sentence unless it is true.
func want(t *testing.T, sentence string, ok bool) {
	t.Helper()
	if !ok {
		t.Fatalf("not so: %s", sentence)
	}
}

// pass lets time pass, and everything come to rest.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// outcome counts how often an operation was done.
type outcome struct {
	mu     sync.Mutex // guards what follows
	times  int
	reason *core.Reason
}

func (o *outcome) done(r *core.Reason) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.times++
	o.reason = r
}

// settled waits until nothing moves, and fails unless the operation was done once; it returns the reason.
func (o *outcome) settled(t *testing.T) *core.Reason {
	t.Helper()
	synctest.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.times != 1 {
		t.Fatalf("the operation was done %d times, want once", o.times)
	}
	return o.reason
}

// initiate starts the child "net" of the connection "site".
func (h *host) initiate(t *testing.T, change ...func(*InitiateRequest)) *outcome {
	t.Helper()
	conn := h.catalog.Load().Connection("site")
	r := InitiateRequest{Connection: conn, Child: conn.Children[0],
		Local: netip.AddrPortFrom(h.addr, 500), Remote: netip.AddrPortFrom(netip.MustParseAddr(conn.RemoteAddrs[0]), 500)}
	for _, f := range change {
		f(&r)
	}
	o := new(outcome)
	if err := h.Initiate(r, o.done); err != nil {
		t.Fatalf("Initiate: %v", err)
	}
	return o
}

// up brings "net" up.
func (h *host) up(t *testing.T, change ...func(*InitiateRequest)) {
	t.Helper()
	if r := h.initiate(t, change...).settled(t); r != nil {
		t.Fatalf("the Child SA does not come up: %v", r)
	}
}

// end closes hosts with notice, or by force if they do not manage.
func end(hosts ...*host) {
	for _, h := range hosts {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		_ = h.Close(ctx) // what matters here is that it returns
		cancel()
	}
}

// pair is two hosts whose connection "site" fits together.
func pair(t *testing.T, change ...func(*Config)) (n *network, left, right *host) {
	n = newNetwork(t)
	left = n.host(leftAddr, catalog("left", "right", rightAddr))
	right = n.host(rightAddr, catalog("right", "left", leftAddr), change...)
	return n, left, right
}

func mustID(s string) auth.Identity {
	id, err := auth.ParseIdentity(s)
	if err != nil {
		panic(err)
	}
	return id
}

func proposals(p suite.Protocol, s string) []suite.Proposal {
	all, err := suite.Parse(p, s)
	if err != nil {
		panic(err)
	}
	return all
}

func selectors(s string) []core.Selector {
	ts, dynamic, err := spd.Parse(s)
	if err != nil {
		panic(err)
	}
	return []core.Selector{{Dynamic: dynamic, TS: ts}}
}

// catalog is one end's configuration; the left is behind 10.1.0.0/16 and the right behind 10.2.0.0/16.
func catalog(local, remote string, peer netip.Addr) *core.Catalog {
	ts := map[string]string{"left": "10.1.0.0/16", "right": "10.2.0.0/16"}
	localTS, remoteTS := ts[local], ts[remote]
	if localTS == "" {
		localTS = "10.1.0.0/16"
	}
	return &core.Catalog{
		Connections: []*core.Connection{{
			Name: "site", Version: 2, Proposals: proposals(suite.IKE, "aes256gcm16-prfsha384-x25519"), KeyingTries: 1,
			RemoteAddrs: []string{peer.String(), "%any"},
			Local:       []core.Auth{{Method: core.AuthPSK, ID: mustID(local)}}, Remote: []core.Auth{{Method: core.AuthPSK, ID: mustID(remote)}},
			Children: []*core.Child{{
				Name: "net", Proposals: proposals(suite.ESP, "aes256gcm16"), LocalTS: selectors(localTS), RemoteTS: selectors(remoteTS), ReplayWindow: 32,
			}},
		}},
		Secrets: []*core.Secret{{Name: "ike-site", Kind: core.SecretIKE, Key: secret.Bytes("of no value")}},
	}
}
