package route

import (
	"errors"
	"net/netip"
	"slices"
)

// claim is what is wanted for one prefix: by how many Child SAs and policies, each with its local side, and by how many
// passthrough policies. Equal prefixes of two connections are one route; the SPD tells them apart.
type claim struct {
	locals [][]netip.Prefix
	throws int
}

// Route routes a prefix into the device. When the host owns an address within local, the local side of what is
// protected, the route makes it the source of the host's own packets, so that they are within the selectors. Each
// call needs one Unroute with the same arguments.
func (t *Table) Route(dst netip.Prefix, local []netip.Prefix) error {
	return t.change(dst, func(c *claim) { c.locals = append(c.locals, slices.Clone(local)) },
		func(c *claim) { c.remove(local) })
}

// Unroute undoes one Route.
func (t *Table) Unroute(dst netip.Prefix, local []netip.Prefix) error {
	return t.change(dst, func(c *claim) { c.remove(local) }, nil)
}

// Throw lets a prefix go by the host's other tables, in spite of a Route to it or to a wider prefix. Each call needs
// one Unthrow.
func (t *Table) Throw(dst netip.Prefix) error {
	return t.change(dst, func(c *claim) { c.throws++ }, func(c *claim) { c.throws-- })
}

// Unthrow undoes one Throw.
func (t *Table) Unthrow(dst netip.Prefix) error {
	return t.change(dst, func(c *claim) { c.throws = max(c.throws-1, 0) }, nil)
}

// remove takes one local side away.
func (c *claim) remove(local []netip.Prefix) {
	i := slices.IndexFunc(c.locals, func(l []netip.Prefix) bool { return slices.Equal(l, local) })
	if i >= 0 {
		c.locals = slices.Delete(c.locals, i, i+1)
	}
}

// change changes what is wanted for a prefix and does it; when that fails and there is a way back, it is gone.
func (t *Table) change(dst netip.Prefix, apply, revert func(*claim)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		if revert == nil {
			return nil // everything is undone already
		}
		return errClosed
	}
	dst = netip.PrefixFrom(dst.Addr().Unmap(), dst.Bits()).Masked()
	if !dst.IsValid() {
		return errors.New("route: no prefix")
	}
	c := t.claims[dst]
	if c == nil {
		c = new(claim)
		t.claims[dst] = c
	}
	apply(c)
	addrs := t.host.addresses(dst.Addr().Is4())
	err := t.settle(dst, addrs, false)
	if err != nil && revert != nil {
		revert(c)
		err = errors.Join(err, t.settle(dst, addrs, false))
	}
	if len(c.locals) == 0 && c.throws == 0 {
		delete(t.claims, dst)
	}
	return err
}

// want is the entry that a claim comes to; ok is false when nothing is wanted. A throw goes before a route: it stands
// for a policy that lets packets pass.
func (t *Table) want(dst netip.Prefix, c *claim, addrs []netip.Addr, have netip.Addr) (e entry, ok bool) {
	switch {
	case c == nil || len(c.locals) == 0 && c.throws == 0:
		return entry{}, false
	case c.throws > 0:
		return entry{Kind: kindThrow, Prefix: dst, Table: t.config.Table}, true
	}
	return entry{Kind: kindRoute, Prefix: dst, Source: c.source(addrs, have), Link: t.config.Device, Table: t.config.Table}, true
}

// source is the first of a host's addresses that is within a local side, invalid when there is none. The source that a
// route has stays as long as it may: connections of the host's own use it.
func (c *claim) source(addrs []netip.Addr, have netip.Addr) netip.Addr {
	var first netip.Addr
	for _, local := range c.locals {
		for _, a := range addrs {
			if !slices.ContainsFunc(local, func(p netip.Prefix) bool { return p.Contains(a) }) {
				continue
			}
			if a == have {
				return a
			}
			if !first.IsValid() {
				first = a
			}
		}
	}
	return first
}

// settle makes the host have what is wanted for a prefix; again means even if it should have it.
func (t *Table) settle(dst netip.Prefix, addrs []netip.Addr, again bool) error {
	k := key{kindRoute, dst, ""}
	have, had := t.ledger.find(k)
	want, wanted := t.want(dst, t.claims[dst], addrs, have.Source)
	switch {
	case !wanted:
		return t.undo(k)
	case had && have == want && !again:
		return nil
	}
	do := t.host.add
	if had {
		do = t.host.replace
	}
	if err := t.ledger.put(want, do); err != nil {
		return failed("add", want, err)
	}
	return nil
}

// resettle settles the prefixes of a family after the host's addresses have changed.
func (t *Table) resettle(v4 bool) error {
	return t.settleAll(v4, func(entry) bool { return false })
}

// settleAll settles the prefixes of a family; those whose entry on the host is told by again, even if it should be right.
func (t *Table) settleAll(v4 bool, again func(entry) bool) error {
	var addrs []netip.Addr
	var errs []error
	for dst := range t.claims {
		if dst.Addr().Is4() != v4 {
			continue
		}
		if addrs == nil {
			addrs = t.host.addresses(v4)
		}
		have, had := t.ledger.find(key{kindRoute, dst, ""})
		errs = append(errs, t.settle(dst, addrs, had && again(have)))
	}
	return errors.Join(errs...)
}
