package goswan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
	"github.com/goswan/goswan/ike/radius"
	"go.uber.org/zap"
)

// RADIUS are the servers that decide about peers with `auth = eap-radius`, and what their answers rule. The zero value has none.
type RADIUS struct {
	// Servers are asked in this order.
	Servers []RADIUSServer
	// Client is how they are asked; its Servers are those above.
	Client radius.Config
	// CloseAll ends all IKE SAs when no server answers (strongSwan's close_all_on_timeout).
	CloseAll   bool
	Accounting Accounting
}

// RADIUSServer is one RADIUS server.
type RADIUSServer struct {
	Name string // for people; "" is Host
	Host string // an address, or a name that is resolved from time to time and when the server does not answer
	// AuthPort and AcctPort are UDP ports; AcctPort 0 is a server that keeps no accounts.
	AuthPort, AcctPort uint16
	Secret             secret.Bytes
	// NASIdentifier and MaxOpen are those of radius.Server.
	NASIdentifier string
	MaxOpen       int
}

// LoadRADIUS takes other RADIUS servers and settings. SAs stay, and conversations under way go on with the servers that they began
// with.
func (e *Endpoint) LoadRADIUS(r RADIUS) { e.authServers.load(r) }

const (
	// serverAddresses is how many addresses of one name are asked.
	serverAddresses = 4
	// generations is how many sets of servers are kept for the conversations that began with them, the current one among them.
	generations = 4
)

// authServers ask the RADIUS servers of the configuration, by way of a client for every set of addresses.
type authServers struct {
	log     *zap.Logger
	silent  func(error)   // no server has answered
	changed chan struct{} // capacity 1: names are to be resolved

	mu         sync.Mutex // guards what follows
	settings   RADIUS
	known      map[string][]netip.Addr // by name
	generation uint8
	clients    [generations]*radius.Client // by generation; nil where there are no servers
	servers    []radius.Server             // of the current one
	failed     error                       // why there is no client
}

func newAuthServers(log *zap.Logger, silent func(error)) *authServers {
	return &authServers{log: log, silent: silent, changed: make(chan struct{}, 1), known: map[string][]netip.Addr{}, failed: ike.ErrNoBackend}
}

// load replaces the settings. Servers that are given by address can be asked at once.
func (s *authServers) load(r RADIUS) {
	s.mu.Lock()
	s.settings = r
	s.renew()
	s.mu.Unlock()
	s.signal()
}

func (s *authServers) signal() {
	select {
	case s.changed <- struct{}{}:
	default: // it will see this one too
	}
}

// renew makes a client for the servers whose addresses are known; s.mu is held.
func (s *authServers) renew() {
	servers, err := s.addressed()
	var client *radius.Client
	if len(servers) > 0 {
		config := s.settings.Client
		config.Servers, config.Heard = servers, s.heard
		if client, err = radius.New(config); err != nil {
			s.log.Error("no RADIUS server can be asked", zap.Error(err))
		}
	}
	s.generation++
	s.clients[s.generation%generations] = client
	s.servers, s.failed = servers, err
}

// addressed are the servers of the settings with their addresses.
func (s *authServers) addressed() (all []radius.Server, err error) {
	if len(s.settings.Servers) == 0 {
		return nil, ike.ErrNoBackend
	}
	var unknown []error
	for _, server := range s.settings.Servers {
		addrs := s.known[server.Host]
		if a, err := netip.ParseAddr(server.Host); err == nil {
			addrs = []netip.Addr{a}
		}
		if len(addrs) == 0 {
			unknown = append(unknown, fmt.Errorf("RADIUS server %s has no address yet", cmp.Or(server.Name, server.Host)))
		}
		for _, a := range addrs {
			all = append(all, server.at(a))
		}
	}
	if len(all) > 0 {
		return all, nil
	}
	return nil, errors.Join(unknown...)
}

// at is the server at one of its addresses.
func (r RADIUSServer) at(a netip.Addr) radius.Server {
	s := radius.Server{
		Name: cmp.Or(r.Name, r.Host), Secret: r.Secret, NASIdentifier: r.NASIdentifier, MaxOpen: r.MaxOpen, Auth: netip.AddrPortFrom(a, r.AuthPort),
	}
	if r.AcctPort != 0 {
		s.Accounting = netip.AddrPortFrom(a, r.AcctPort)
	}
	return s
}

// heard is told of servers that fall silent or are back. A name may lead elsewhere by now.
func (s *authServers) heard(server string, err error) {
	if err == nil {
		s.log.Info("RADIUS server answers again", zap.String("server", server))
		return
	}
	s.log.Warn("RADIUS server does not answer: others are asked before it", zap.String("server", server), zap.Error(err))
	s.signal()
}

// follow resolves the names of servers, again when the settings have changed or a server does not answer, and from time to time.
func (s *authServers) follow(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.changed:
		case <-time.After(namesRefresh):
		}
		s.resolve(ctx)
	}
}

// resolve looks all names up, and takes what has changed. Names that cannot be resolved keep their addresses.
func (s *authServers) resolve(ctx context.Context) {
	s.mu.Lock()
	servers := s.settings.Servers
	s.mu.Unlock()
	found := map[string][]netip.Addr{}
	for _, server := range servers {
		if _, err := netip.ParseAddr(server.Host); err == nil || found[server.Host] != nil || ctx.Err() != nil {
			continue
		}
		addrs, err := lookup(ctx, server.Host)
		if err != nil {
			s.log.Warn("RADIUS server not found", zap.String("server", server.Host), zap.Error(err))
			continue
		}
		found[server.Host] = addrs[:min(len(addrs), serverAddresses)]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	moved := false
	for host, addrs := range found {
		slices.SortStableFunc(addrs, func(a, b netip.Addr) int { return known(s.known[host], a) - known(s.known[host], b) })
		moved = moved || !slices.Equal(s.known[host], addrs)
		s.known[host] = addrs
	}
	if moved {
		s.renew()
	}
}

// known is the place of an address among others, so that an answer in another order changes nothing.
func known(all []netip.Addr, a netip.Addr) int {
	if i := slices.Index(all, a); i >= 0 {
		return i
	}
	return len(all)
}

// now is the current client with its settings, or why there is none.
func (s *authServers) now() (*radius.Client, RADIUS, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clients[s.generation%generations], s.settings, s.failed
}

// route is whom a conversation is with: the servers that it began with, whose generation its state begins with.
func (s *authServers) route(state []byte) (client *radius.Client, generation uint8, rest []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	generation = s.generation
	if len(state) > 0 {
		generation, rest = state[0], state[1:]
	}
	client = s.clients[generation%generations]
	switch {
	case s.generation-generation >= generations, len(state) > 0 && client == nil:
		return nil, 0, nil, errors.New("the RADIUS servers were changed in the meantime")
	case client == nil:
		return nil, 0, nil, s.failed
	}
	return client, generation, rest, nil
}

// Ask is ike.Backend's.
func (s *authServers) Ask(ctx context.Context, q core.EAPQuestion) (eap.Answer, error) {
	client, generation, state, err := s.route(q.State)
	if err != nil {
		return eap.Answer{}, err
	}
	q.State = state
	a, err := client.Ask(ctx, q.Question, caller(q.IKE))
	if err != nil {
		if errors.Is(err, radius.ErrSilent) && ctx.Err() == nil {
			s.silent(err)
		}
		return eap.Answer{}, err
	}
	s.tell(q, client.Answered(a.State), a)
	a.State = append([]byte{generation}, a.State...)
	return a, nil
}

// caller is an IKE SA as RADIUS servers are told of it.
func caller(sa core.IKEStatus) radius.Caller {
	return radius.Caller{Remote: sa.Remote, Local: sa.Local, Port: sa.UniqueID, PortID: sa.Conn}
}

// tell logs what a server decided.
func (s *authServers) tell(q core.EAPQuestion, server string, a eap.Answer) {
	fields := []zap.Field{
		zap.String("conn", q.IKE.Conn), zap.Stringer("peer", q.IKE.Remote), zap.String("eap_id", q.Identity), zap.String("server", server),
	}
	if a.Text != "" {
		fields = append(fields, zap.String("reply", a.Text))
	}
	switch a.Verdict {
	case eap.Accept:
		s.log.Info("RADIUS server accepted the peer", append(fields, zap.Stringers("addresses", a.Grant.Addresses), zap.Strings("groups", a.Grant.Groups))...)
	case eap.Reject:
		s.log.Warn("RADIUS server refused the peer", fields...)
	}
}

// serversSilent does what close_all_on_timeout says.
func (e *Endpoint) serversSilent(err error) {
	if _, settings, _ := e.authServers.now(); !settings.CloseAll {
		return
	}
	reason := &core.Reason{Kind: core.Cancelled, Phase: 1, Text: "no RADIUS server answers, and close_all_on_timeout is set"}
	e.log.Error("all IKE SAs are closed", zap.String("reason", reason.Text), zap.Error(err))
	e.ike.Broadcast(core.Delete{IKE: true, Reason: reason}, func([]core.IKEStatus) bool { return true })
}
