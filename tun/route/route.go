// Package route puts on the host what a tunnel needs besides its device: routes in a table of their own behind a rule
// that leaves out the endpoint's own packets, and addresses. What outlives the device is written down before it is done;
// everything is undone by Close, and what a killed process left is undone by the next Open.
//
//	priority 220:  not from all fwmark 0xdc lookup 220
//	table 220:     10.2.0.0/16 dev ipsec0 src 10.1.0.1
//	               throw 10.1.0.0/16                     (a passthrough policy)
//
// IKE and ESP sockets set the mark, so that a selector which covers the peer itself, or 0.0.0.0/0, neither loops nor
// locks the host out.
//
// What others change under us is followed: a source address that goes, which makes the kernel drop the route, a link
// that was down, a rule that a network manager flushed. Without that the packets would leave unprotected.
package route

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"go.uber.org/zap"
)

// The defaults of a Config, strongSwan's.
const (
	DefaultTable    = 220
	DefaultPriority = 220
	DefaultMark     = 0xdc
)

// DefaultStateDir is where journals are kept.
const DefaultStateDir = "/run/goswan"

// Config describes a table. The zero value of a field is its default.
type Config struct {
	// Device is the TUN device's name.
	Device string
	// Table and Priority are the routing table and the priority of the rule that leads to it.
	Table, Priority int
	// Mark is what the endpoint's own sockets put on their packets (SO_MARK).
	Mark uint32
	// StateDir is where the journal is kept.
	StateDir string
	// MTU is set on the device unless it is 0.
	MTU int
	// AddressesOnly leaves the host's routing alone: there are no rules, and nobody may call Route or Throw.
	AddressesOnly bool
	// Log gets what goes wrong where nobody waits for an error; nil is silence.
	Log *zap.Logger
}

func (c Config) withDefaults() Config {
	if c.Table == 0 {
		c.Table = DefaultTable
	}
	if c.Priority == 0 {
		c.Priority = DefaultPriority
	}
	if c.Mark == 0 {
		c.Mark = DefaultMark
	}
	if c.StateDir == "" {
		c.StateDir = DefaultStateDir
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	return c
}

// ErrUnsupported is returned where goswan does not configure the host's routing yet.
var ErrUnsupported = errors.New("route: this version of goswan does not configure routes and addresses on this operating system")

var errClosed = errors.New("route: the table is closed")

// kind is what an entry is.
type kind string

const (
	kindRule    kind = "rule"    // one for each family
	kindRoute   kind = "route"   // into the device
	kindThrow   kind = "throw"   // back to the next rule
	kindAddress kind = "address" // on Link
)

// entry is one thing on the host, as the journal has it.
type entry struct {
	Kind   kind         `json:"kind"`
	Prefix netip.Prefix `json:"prefix"`         // destination, or address with its length; 0.0.0.0/0 or ::/0 for a rule
	Source netip.Addr   `json:"source"`         // of a route; may be invalid
	Link   string       `json:"link,omitempty"` // of a route or an address
	Table  int          `json:"table,omitempty"`
	Mark   uint32       `json:"mark,omitempty"`
	Prio   int          `json:"priority,omitempty"`
}

// key tells entries apart that would be in each other's way. A route and a throw of one prefix are.
type key struct {
	kind   kind
	prefix netip.Prefix
	link   string
}

func (e entry) key() key {
	switch e.Kind {
	case kindRoute, kindThrow:
		return key{kindRoute, e.Prefix, ""}
	}
	return key{e.Kind, e.Prefix, e.Link}
}

// host is the operating system.
type host interface {
	add(e entry) error     // errExists when it is there already
	replace(e entry) error // a route or throw in the place of the one there is
	remove(e entry) error  // nil when it is gone already
	// addresses are the host's usable addresses of a family, the best to send from first.
	addresses(v4 bool) []netip.Addr
	unwatch() // ends what Open began
	close() error
}

// What a host says of an entry.
var (
	errExists   = errors.New("exists already")
	errNoFamily = errors.New("the host does not have this address family")
)

// Table is a routing table of the endpoint's own, safe for concurrent use.
type Table struct {
	config Config
	host   host
	log    *zap.Logger

	mu     sync.Mutex // protects what follows
	ledger ledger
	claims map[netip.Prefix]*claim
	counts map[key]int // how many want a rule or an address
	closed bool
}

// open makes the table with a host's operations: what an earlier process left is undone, then the rules are added.
func open(c Config, h host) (*Table, error) {
	j, left, err := openJournal(c)
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	t := &Table{
		config: c, host: h, log: c.Log, ledger: newLedger(c.Device, j),
		claims: map[netip.Prefix]*claim{}, counts: map[key]int{},
	}
	for _, e := range slices.Backward(left) {
		if err := h.remove(e); err != nil { // mostly gone with the device already
			t.log.Warn("what an earlier process left is not removed", zap.Error(failed("remove", e, err)))
		}
	}
	if err := t.ledger.write(nil); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	for _, rule := range rules(c) {
		if err := t.acquire(rule); err != nil && !errors.Is(err, errNoFamily) {
			return nil, errors.Join(err, t.Close())
		}
	}
	return t, nil
}

// rules are the rules that lead to the table, one for each family.
func rules(c Config) []entry {
	if c.AddressesOnly {
		return nil
	}
	return []entry{
		{Kind: kindRule, Prefix: netip.MustParsePrefix("0.0.0.0/0"), Table: c.Table, Mark: c.Mark, Prio: c.Priority},
		{Kind: kindRule, Prefix: netip.MustParsePrefix("::/0"), Table: c.Table, Mark: c.Mark, Prio: c.Priority},
	}
}

// failed says what could not be done.
func failed(what string, e entry, err error) error {
	return fmt.Errorf("route: %s %s %s: %w", what, e.Kind, e.Prefix, err)
}

// Close undoes everything, in the opposite order; it may be called more than once.
func (t *Table) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	t.mu.Unlock()
	// Whoever follows the host's changes ends here; it may be waiting for the lock.
	t.host.unwatch()

	t.mu.Lock()
	defer t.mu.Unlock()
	var errs []error
	for _, e := range slices.Backward(t.ledger.all()) {
		if err := t.host.remove(e); err != nil {
			errs = append(errs, failed("remove", e, err))
		}
	}
	errs = append(errs, t.host.close())
	return errors.Join(append(errs, t.ledger.close(errors.Join(errs...) == nil))...)
}
