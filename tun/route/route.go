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
package route

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
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
	return c
}

// ErrUnsupported is returned where goswan does not configure the host's routing yet.
var ErrUnsupported = errors.New("route: this version of goswan does not configure routes and addresses on this operating system")

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
	Link   string       `json:"link,omitempty"` // of an address
	Table  int          `json:"table,omitempty"`
	Mark   uint32       `json:"mark,omitempty"`
	Prio   int          `json:"priority,omitempty"`
}

// key tells entries apart that would be in each other's way: a second route to the same prefix is the same route.
type key struct {
	kind   kind
	prefix netip.Prefix
	link   string
}

func (e entry) key() key { return key{e.Kind, e.Prefix, e.Link} }

// host is the operating system.
type host interface {
	add(e entry) error // errExists when it is there already
	remove(e entry) error
	close()
}

var errExists = errors.New("exists already")

// Table is a routing table of the endpoint's own, safe for concurrent use.
type Table struct {
	config  Config
	host    host
	journal *journal

	mu     sync.Mutex // guards what follows
	counts map[key]int
	mine   []entry       // what outlives the device, in the order in which it was done; the journal has the same
	onTUN  map[key]entry // what disappears with the device, and needs no journal
	closed bool
}

// outlives tells what stays on the host when the device is gone.
func (t *Table) outlives(e entry) bool { return e.Link != t.config.Device }

// open makes the table with a host's operations: what an earlier process left is undone, then the rules are added.
func open(c Config, h host) (*Table, error) {
	j, left, err := openJournal(c)
	if err != nil {
		return nil, err
	}
	t := &Table{config: c, host: h, journal: j, counts: map[key]int{}, onTUN: map[key]entry{}}
	for _, e := range slices.Backward(left) {
		_ = h.remove(e) // mostly gone with the device already
	}
	if err := j.write(nil); err != nil {
		return nil, errors.Join(err, j.close())
	}
	for _, all := range []string{"0.0.0.0/0", "::/0"} {
		rule := entry{Kind: kindRule, Prefix: netip.MustParsePrefix(all), Table: c.Table, Mark: c.Mark, Prio: c.Priority}
		if err := t.add(rule); err != nil && !errors.Is(err, errNoFamily) {
			return nil, errors.Join(fmt.Errorf("route: rule for table %d: %w", c.Table, err), t.Close())
		}
	}
	return t, nil
}

// errNoFamily is returned by a host without IPv6.
var errNoFamily = errors.New("the host does not have this address family")

// Route routes a prefix into the device, with a source address unless it is invalid. Each call needs one Unroute.
func (t *Table) Route(dst netip.Prefix, source netip.Addr) error {
	return t.add(entry{Kind: kindRoute, Prefix: dst.Masked(), Source: source, Link: t.config.Device, Table: t.config.Table})
}

// Unroute undoes one Route.
func (t *Table) Unroute(dst netip.Prefix) error {
	return t.drop(key{kindRoute, dst.Masked(), t.config.Device})
}

// Throw lets a prefix go by the host's other tables in spite of a wider Route. Each call needs one Unthrow.
func (t *Table) Throw(dst netip.Prefix) error {
	return t.add(entry{Kind: kindThrow, Prefix: dst.Masked(), Table: t.config.Table})
}

// Unthrow undoes one Throw.
func (t *Table) Unthrow(dst netip.Prefix) error { return t.drop(key{kindThrow, dst.Masked(), ""}) }

// AddAddress puts an address on a link, the device when link is "". Each call needs one RemoveAddress.
func (t *Table) AddAddress(address netip.Prefix, link string) error {
	return t.add(entry{Kind: kindAddress, Prefix: address, Link: t.link(link)})
}

// RemoveAddress undoes one AddAddress.
func (t *Table) RemoveAddress(address netip.Prefix, link string) error {
	return t.drop(key{kindAddress, address, t.link(link)})
}

func (t *Table) link(name string) string {
	if name == "" {
		return t.config.Device
	}
	return name
}

func (t *Table) add(e entry) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return errors.New("route: closed")
	}
	if t.counts[e.key()]++; t.counts[e.key()] > 1 {
		return nil
	}
	err := t.note(e)
	if err == nil {
		err = t.host.add(e)
	}
	if err == nil {
		return nil
	}
	// What was there before us is not ours to remove, and serves as well.
	forgotten := t.forget(e.key())
	if errors.Is(err, errExists) {
		return forgotten
	}
	delete(t.counts, e.key())
	return errors.Join(fmt.Errorf("route: add %s %s: %w", e.Kind, e.Prefix, err), forgotten)
}

// note writes an entry down before it is done.
func (t *Table) note(e entry) error {
	if !t.outlives(e) {
		t.onTUN[e.key()] = e
		return nil
	}
	t.mine = append(t.mine, e)
	return t.journal.write(t.mine)
}

// forget undoes note.
func (t *Table) forget(k key) error {
	delete(t.onTUN, k)
	i := slices.IndexFunc(t.mine, func(e entry) bool { return e.key() == k })
	if i < 0 {
		return nil
	}
	t.mine = slices.Delete(t.mine, i, i+1)
	return t.journal.write(t.mine)
}

// find is the entry of a key; there is none for what was on the host before us.
func (t *Table) find(k key) (entry, bool) {
	if e, ok := t.onTUN[k]; ok {
		return e, true
	}
	i := slices.IndexFunc(t.mine, func(e entry) bool { return e.key() == k })
	if i < 0 {
		return entry{}, false
	}
	return t.mine[i], true
}

func (t *Table) drop(k key) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.counts[k] == 0 {
		return nil
	}
	if t.counts[k]--; t.counts[k] > 0 {
		return nil
	}
	delete(t.counts, k)
	e, ok := t.find(k)
	if !ok {
		return nil
	}
	if err := errors.Join(t.host.remove(e), t.forget(k)); err != nil {
		return fmt.Errorf("route: remove %s %s: %w", e.Kind, e.Prefix, err)
	}
	return nil
}

// Close undoes everything, in the opposite order; it may be called more than once.
func (t *Table) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	var errs []error
	all := t.mine
	for _, e := range t.onTUN {
		all = append(all, e)
	}
	for _, e := range slices.Backward(all) {
		if err := t.host.remove(e); err != nil {
			errs = append(errs, fmt.Errorf("route: remove %s %s: %w", e.Kind, e.Prefix, err))
		}
	}
	t.host.close()
	if len(errs) == 0 {
		errs = append(errs, t.journal.discard())
	}
	return errors.Join(append(errs, t.journal.close())...)
}
