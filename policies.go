package goswan

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/core"
)

// policies are the policies that stand without an SA: traps, which start a negotiation, and the passthrough and drop
// policies (children with mode = pass or drop). What a Child SA protects is known to the data path itself.
type policies struct {
	mu        sync.Mutex // guards what follows
	installed map[childKey]installedPolicy
	starting  map[childKey]bool // an Acquire's negotiation is under way
}

// childKey names a child of a connection.
type childKey struct{ conn, child string }

func (k childKey) String() string { return k.conn + "/" + k.child }

func compareKeys(a, b childKey) int { return strings.Compare(a.String(), b.String()) }

type installedPolicy struct {
	conn   *core.Connection
	child  *core.Child
	policy spd.Policy
}

func (in installedPolicy) key() childKey { return childKey{in.conn.Name, in.child.Name} }

// Policy is an installed policy, for people.
type Policy struct {
	Conn, Child       string
	Mode              string // "TUNNEL", "PASS", "DROP"
	Trap              bool
	LocalTS, RemoteTS []spd.TrafficSelector
}

// list is what is installed, by name.
func (p *policies) list() []installedPolicy {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.SortedFunc(maps.Values(p.installed), func(a, b installedPolicy) int { return compareKeys(a.key(), b.key()) })
}

// Policies lists the installed traps and shunts, by name.
func (e *Endpoint) Policies() []Policy {
	var all []Policy
	for _, in := range e.policies.list() {
		all = append(all, Policy{
			Conn: in.conn.Name, Child: in.child.Name, Mode: in.child.Mode.String(), Trap: in.policy.Action == spd.Trap,
			LocalTS: in.policy.LocalTS, RemoteTS: in.policy.RemoteTS,
		})
	}
	return all
}

// InstallPolicy installs a child's trap, or its passthrough or drop policy.
func (e *Endpoint) InstallPolicy(ctx context.Context, r InitiateRequest) error {
	conn, child, err := e.find(r)
	if err != nil {
		return err
	}
	if child == nil {
		return fmt.Errorf("goswan: no child is named")
	}
	return e.installPolicy(ctx, conn, child)
}

// installPolicy installs or replaces a child's policy. One of a connection that has been replaced or removed in the meantime is
// left out.
func (e *Endpoint) installPolicy(ctx context.Context, conn *core.Connection, child *core.Child) error {
	policy, err := e.policyOf(ctx, conn, child)
	if err != nil {
		return err
	}
	key := childKey{conn.Name, child.Name}
	p := &e.policies
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.catalog.Load().Connection(conn.Name) != conn {
		return nil
	}
	old, had := p.installed[key]
	p.installed[key] = installedPolicy{conn, child, policy}
	if err := e.publishPolicies(); err != nil {
		delete(p.installed, key)
		if had {
			p.installed[key] = old
		}
		return err
	}
	err = e.routePolicy(p.installed[key])
	if had {
		e.unroutePolicy(old)
	}
	return err
}

func (e *Endpoint) hasPolicy(k childKey) bool {
	p := &e.policies
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.installed[k]
	return ok
}

// UninstallPolicy removes what InstallPolicy installed; with IKE empty that of the first connection, by name, which has such a
// child. SAs that it started stay.
func (e *Endpoint) UninstallPolicy(r InitiateRequest) error {
	p := &e.policies
	p.mu.Lock()
	defer p.mu.Unlock()
	var keys []childKey
	for k := range p.installed {
		if k.child == r.Child && (r.IKE == "" || k.conn == r.IKE) {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return fmt.Errorf("goswan: policy %q %w", r.Child, ErrNotFound)
	}
	key := slices.MinFunc(keys, compareKeys)
	gone := p.installed[key]
	delete(p.installed, key)
	err := e.publishPolicies()
	e.unroutePolicy(gone)
	return err
}

// publishPolicies gives the data path the current set; the caller holds the lock.
func (e *Endpoint) publishPolicies() error {
	all := make([]spd.Policy, 0, len(e.policies.installed))
	for _, in := range e.policies.installed {
		all = append(all, in.policy)
	}
	slices.SortFunc(all, func(a, b spd.Policy) int { return compareKeys(childKey{a.Conn, a.Name}, childKey{b.Conn, b.Name}) })
	return e.engine.SetPolicies(all)
}

// policyOf is a child's policy with its dynamic selectors filled in.
func (e *Endpoint) policyOf(ctx context.Context, conn *core.Connection, child *core.Child) (spd.Policy, error) {
	policy := spd.Policy{Name: child.Name, Conn: conn.Name, Priority: child.Priority, Reqid: child.Reqid}
	switch child.Mode {
	case core.ModePass:
		policy.Action = spd.Bypass
	case core.ModeDrop:
		policy.Action = spd.Drop
	default:
		policy.Action = spd.Trap
	}
	var local, remote []spd.TrafficSelector
	if hasDynamic(child.LocalTS) || hasDynamic(child.RemoteTS) {
		from, to, err := e.outerAddresses(ctx, conn)
		if err != nil {
			return policy, fmt.Errorf("goswan: child %q has a dynamic traffic selector: %w", child.Name, err)
		}
		local, remote = []spd.TrafficSelector{spd.FromAddr(from.Addr())}, []spd.TrafficSelector{spd.FromAddr(to.Addr())}
	}
	if len(conn.VIPs) > 0 {
		local = anyOf(conn.VIPs)
	}
	policy.LocalTS = fillDynamic(child.LocalTS, local)
	policy.RemoteTS = fillDynamic(child.RemoteTS, remote)
	return policy, nil
}

// anyOf are all addresses of the families of some: which virtual address there will be is not known before it is there.
func anyOf(vips []netip.Addr) (all []spd.TrafficSelector) {
	for _, a := range vips {
		prefix, err := a.Prefix(0)
		if ts := spd.FromPrefix(prefix); err == nil && !slices.Contains(all, ts) {
			all = append(all, ts)
		}
	}
	return all
}

func hasDynamic(all []core.Selector) bool {
	return slices.ContainsFunc(all, func(s core.Selector) bool { return s.Dynamic })
}

// fillDynamic puts addresses where the configuration says `dynamic`.
func fillDynamic(all []core.Selector, dynamic []spd.TrafficSelector) []spd.TrafficSelector {
	var out []spd.TrafficSelector
	for _, s := range all {
		out = append(out, s.Over(dynamic)...)
	}
	return out
}

// acquire starts the negotiation that a packet on a trap policy asks for, once at a time.
func (e *Endpoint) acquire(k childKey, flow core.Flow) {
	p := &e.policies
	p.mu.Lock()
	in, ok := p.installed[k]
	busy := p.starting[k]
	if ok && !busy {
		p.starting[k] = true
	}
	p.mu.Unlock()
	if !ok || busy {
		return
	}
	e.background(func(ctx context.Context) {
		_ = e.negotiate(ctx, negotiation{conn: in.conn, child: in.child, flow: flow, why: "a packet on its trap policy"}) // it is logged
		p.mu.Lock()
		delete(p.starting, k)
		p.mu.Unlock()
	})
}
