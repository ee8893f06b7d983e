package route

import (
	"cmp"
	"maps"
	"slices"
)

// ledger is what is on the host and ours. What outlives the device is in the journal too, and there before it is done.
type ledger struct {
	device  string
	journal *journal
	serial  int
	entries map[key]numbered
	lasting map[key]numbered // those of entries that outlive the device
}

// numbered is an entry with its place in the order in which all were done.
type numbered struct {
	entry
	serial int
}

func newLedger(device string, j *journal) ledger {
	return ledger{device: device, journal: j, entries: map[key]numbered{}, lasting: map[key]numbered{}}
}

// find is what is ours of a key; there is nothing for what was on the host before us.
func (l *ledger) find(k key) (entry, bool) {
	e, ok := l.entries[k]
	return e.entry, ok
}

// put does an entry: it is written down, done, and in the books when that succeeds.
func (l *ledger) put(e entry, do func(entry) error) error {
	lasting := e.Link != l.device
	if lasting {
		if err := l.write(&e); err != nil {
			return err
		}
	}
	_, replaces := l.lasting[e.key()]
	err := do(e)
	if err == nil {
		l.serial++
		n := numbered{e, l.serial}
		l.entries[e.key()] = n
		delete(l.lasting, e.key())
		if lasting {
			l.lasting[e.key()] = n
		}
	}
	if replaces || err != nil && lasting {
		if e := l.write(nil); err == nil {
			err = e
		}
	}
	return err
}

// remove undoes an entry; what cannot be removed stays in the books.
func (l *ledger) remove(e entry, undo func(entry) error) error {
	if err := undo(e); err != nil {
		return err
	}
	delete(l.entries, e.key())
	if _, ok := l.lasting[e.key()]; !ok {
		return nil
	}
	delete(l.lasting, e.key())
	return l.write(nil)
}

// all is everything that is ours in the order in which it was done.
func (l *ledger) all() []entry { return ordered(l.entries) }

func ordered(m map[key]numbered) []entry {
	sorted := slices.SortedFunc(maps.Values(m), func(a, b numbered) int { return cmp.Compare(a.serial, b.serial) })
	all := make([]entry, len(sorted))
	for i, n := range sorted {
		all[i] = n.entry
	}
	return all
}

// write writes the journal, with an entry that is about to be done unless it is nil.
func (l *ledger) write(next *entry) error {
	all := ordered(l.lasting)
	if next != nil {
		all = append(all, *next)
	}
	return l.journal.write(all)
}

// close closes the journal, and removes it when everything is undone.
func (l *ledger) close(undone bool) error {
	if undone {
		return l.journal.discard()
	}
	return l.journal.close()
}
