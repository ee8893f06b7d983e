package goswan

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"

	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/pool"
	"github.com/goswan/goswan/tun/netstack"
	"github.com/goswan/goswan/tun/resolver"
	"go.uber.org/zap"
)

// virtual puts on the device's side what peers assign to us: addresses at once, so that they are there before the Child SA
// that uses them, and name servers on a goroutine of its own, for a resolver may let us wait.
type virtual struct {
	log      *zap.Logger
	off      bool                       // addresses are left to others
	link     string                     // that addresses go on; "" is the device
	resolver *resolver.Resolver         // nil: the host's is left alone
	stack    *netstack.Device           // nil: the device is a TUN device
	wake     chan struct{}              // capacity 1: name servers have changed
	stop     context.CancelFunc         // ends the goroutine
	stopped  chan struct{}              // it has ended
	mu       sync.Mutex                 // guards what follows
	counts   map[netip.Addr]int         // of the stack's virtual addresses
	given    map[uint64]core.Assignment // by lineage
	order    []uint64                   // of given, the newest first
}

// openVirtual prepares the device's side for virtual addresses.
func (e *Endpoint) openVirtual(c Config) {
	v := &virtual{
		log: e.log, off: c.NoVirtualIPs, link: c.VirtualIPLink, wake: make(chan struct{}, 1), stopped: make(chan struct{}),
		counts: map[netip.Addr]int{}, given: map[uint64]core.Assignment{},
	}
	v.stack, _ = e.device.(*netstack.Device)
	if v.stack == nil && c.ResolvConf != "" {
		state := ""
		if c.Routes != nil {
			state = c.Routes.StateDir
		}
		r, err := resolver.Open(resolver.Config{Device: e.device.Name(), File: c.ResolvConf, StateDir: state})
		if err != nil {
			e.log.Warn("name servers that a peer assigns are not put on the host", zap.Error(err))
		}
		v.resolver = r
	}
	ctx, stop := context.WithCancel(context.Background())
	v.stop = stop
	e.virtual = v
	go v.follow(ctx)
}

// close undoes what is left.
func (v *virtual) close() error {
	if v == nil {
		return nil
	}
	v.stop()
	<-v.stopped
	if v.resolver == nil {
		return nil
	}
	return v.resolver.Close()
}

// assigned takes what a peer gave to a lineage.
func (e *Endpoint) assigned(lineage uint64, sa core.IKEStatus) {
	for _, a := range sa.Assigned.Addresses {
		if err := e.addAddress(a); err != nil {
			e.log.Error("virtual address not installed", zap.String("conn", sa.Conn), zap.Stringer("address", a), zap.Error(err))
		}
	}
	v := e.virtual
	v.mu.Lock()
	v.given[lineage] = sa.Assigned
	v.order = slices.Insert(v.order, 0, lineage)
	v.mu.Unlock()
	v.signal()
}

// withdrawn undoes it.
func (e *Endpoint) withdrawn(lineage uint64, sa core.IKEStatus) {
	for _, a := range sa.Assigned.Addresses {
		if err := e.removeAddress(a); err != nil {
			e.log.Warn("virtual address not removed", zap.String("conn", sa.Conn), zap.Stringer("address", a), zap.Error(err))
		}
	}
	v := e.virtual
	v.mu.Lock()
	delete(v.given, lineage)
	v.order = slices.DeleteFunc(v.order, func(l uint64) bool { return l == lineage })
	v.mu.Unlock()
	v.signal()
}

// addAddress puts an address on the stack or on the host. Two IKE SAs may have the same while one takes the other's place.
func (e *Endpoint) addAddress(a netip.Addr) error {
	v := e.virtual
	switch {
	case v.off:
		return nil
	case v.stack == nil && e.host == nil:
		return errors.New("nothing is put on this host; do it in an updown script (PLUTO_MY_SOURCEIP)")
	case v.stack == nil:
		return e.host.AddAddress(netip.PrefixFrom(a, a.BitLen()), v.link)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.counts[a]++; v.counts[a] > 1 {
		return nil
	}
	return v.stack.AddAddress(a)
}

func (e *Endpoint) removeAddress(a netip.Addr) error {
	v := e.virtual
	switch {
	case v.off || v.stack == nil && e.host == nil:
		return nil
	case v.stack == nil:
		return e.host.RemoveAddress(netip.PrefixFrom(a, a.BitLen()), v.link)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.counts[a]--; v.counts[a] > 0 {
		return nil
	}
	delete(v.counts, a)
	return v.stack.RemoveAddress(a)
}

func (v *virtual) signal() {
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

// follow gives the resolver what is assigned, whenever that changes.
func (v *virtual) follow(ctx context.Context) {
	defer close(v.stopped)
	for {
		select {
		case <-ctx.Done():
			return
		case <-v.wake:
		}
		servers, domains := v.names()
		if v.stack != nil {
			if len(servers) > 0 {
				v.stack.SetDNS(servers)
			}
			continue
		}
		if v.resolver == nil {
			continue
		}
		if err := v.resolver.Set(servers, domains); err != nil {
			v.log.Warn("name servers not changed", zap.Stringers("servers", servers), zap.Error(err))
		}
	}
}

// names are the assigned name servers and what they are for, those of the newest IKE SA first. When any of them are for all
// domains, all are.
func (v *virtual) names() (servers []netip.Addr, domains []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := false
	for _, lineage := range v.order {
		given := v.given[lineage]
		if len(given.DNS) == 0 {
			continue
		}
		all = all || len(given.Domains) == 0
		for _, s := range given.DNS {
			if !slices.Contains(servers, s) {
				servers = append(servers, s)
			}
		}
		for _, d := range given.Domains {
			if !slices.Contains(domains, d) {
				domains = append(domains, d)
			}
		}
	}
	if all {
		domains = nil
	}
	return servers, domains
}

// newLeases makes the address pools, whose leases are kept in a file unless path is "".
func (e *Endpoint) newLeases(path string) *pool.Leases {
	c := pool.Config{Failed: func(err error) {
		e.log.Error("leases of virtual addresses are not kept over a restart", zap.Error(err))
	}}
	if path != "" {
		c.Open = func() (pool.Store, error) { return pool.OpenBolt(path) }
	}
	return pool.New(c)
}

// configurePools takes the pools of a configuration.
func (e *Endpoint) configurePools(c *core.Catalog) {
	if err := e.leases.Configure(c.Pools); err != nil {
		e.log.Error("address pool not loaded", zap.Error(err))
	}
}
