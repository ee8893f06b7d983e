package route

import (
	"errors"
	"net/netip"

	"go.uber.org/zap"
)

// changes is what a host tells of changes that others make to it.
type changes interface {
	// addressesChanged tells that an address came or went; gone is invalid when none went.
	addressesChanged(v4 bool, gone netip.Addr)
	// routeGone tells that a route of the table was removed.
	routeGone(dst netip.Prefix)
	// rulesGone tells that a rule was removed.
	rulesGone()
	// deviceUp tells that the device is up, and may have been down before; or that changes were missed.
	deviceUp()
}

var _ changes = (*Table)(nil)

// follow runs f unless the table is closed, and logs its error.
func (t *Table) follow(what string, f func() error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	if err := f(); err != nil {
		t.log.Warn("the host's routing has changed and could not be followed", zap.String("change", what), zap.Error(err))
	}
}

// addressesChanged chooses sources anew. The kernel drops the routes whose source goes, even when it comes back at once.
func (t *Table) addressesChanged(v4 bool, gone netip.Addr) {
	t.follow("addresses", func() error {
		return t.settleAll(v4, func(e entry) bool { return gone.IsValid() && e.Source == gone })
	})
}

// routeGone puts a route back that is wanted.
func (t *Table) routeGone(dst netip.Prefix) {
	t.follow("route to "+dst.String()+" removed", func() error {
		if t.claims[dst] == nil {
			return nil // we removed it
		}
		return t.settle(dst, t.host.addresses(dst.Addr().Is4()), true)
	})
}

// rulesGone puts the rules back.
func (t *Table) rulesGone() {
	t.follow("rule removed", func() error { return t.restore(kindRule) })
}

// deviceUp puts everything back that a link loses when it goes down.
func (t *Table) deviceUp() {
	t.follow("device up", func() error {
		always := func(entry) bool { return true }
		if err := t.restore(kindAddress); err != nil {
			return err
		}
		if err := t.settleAll(true, always); err != nil {
			return err
		}
		return t.settleAll(false, always)
	})
}

// restore adds the rules, or the addresses, that are ours again; those that are there stay.
func (t *Table) restore(what kind) error {
	for _, e := range t.ledger.all() {
		if e.Kind != what {
			continue
		}
		if err := t.host.add(e); err != nil && !errors.Is(err, errExists) {
			return failed("restore", e, err)
		}
	}
	return nil
}
