package route

import (
	"errors"
	"net/netip"
)

// AddAddress puts an address on a link, the device when link is "". Each call needs one RemoveAddress.
func (t *Table) AddAddress(address netip.Prefix, link string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.acquire(t.address(address, link)); err != nil {
		return err
	}
	return t.resettle(address.Addr().Is4())
}

// RemoveAddress undoes one AddAddress.
func (t *Table) RemoveAddress(address netip.Prefix, link string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.release(t.address(address, link).key()); err != nil {
		return err
	}
	return t.resettle(address.Addr().Is4())
}

func (t *Table) address(address netip.Prefix, link string) entry {
	if link == "" {
		link = t.config.Device
	}
	return entry{Kind: kindAddress, Prefix: address, Link: link}
}

// acquire puts a rule or an address on the host, or counts one more that wants it.
func (t *Table) acquire(e entry) error {
	if t.closed {
		return errClosed
	}
	k := e.key()
	if t.counts[k] > 0 {
		t.counts[k]++
		return nil
	}
	err := t.ledger.put(e, t.host.add)
	// What was there before us is not ours to remove, and serves as well.
	if err != nil && !errors.Is(err, errExists) {
		return failed("add", e, err)
	}
	t.counts[k] = 1
	return nil
}

// release takes a rule or an address away, or counts one less that wants it.
func (t *Table) release(k key) error {
	if t.closed || t.counts[k] == 0 {
		return nil
	}
	if t.counts[k]--; t.counts[k] > 0 {
		return nil
	}
	delete(t.counts, k)
	return t.undo(k)
}

// undo removes what is ours of a key.
func (t *Table) undo(k key) error {
	e, ok := t.ledger.find(k)
	if !ok {
		return nil
	}
	if err := t.ledger.remove(e, t.host.remove); err != nil {
		return failed("remove", e, err)
	}
	return nil
}
