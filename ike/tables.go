package ike

import (
	"sync"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
)

// identities are the two ends of an established IKE SA.
type identities struct{ local, remote auth.Identity }

// endsOf are two identities as those that match them perfectly have them too: nobody is another by capitals.
func endsOf(local, remote auth.Identity) identities {
	return identities{local.Folded(), remote.Folded()}
}

// groups finds the lineages that share something.
type groups[K comparable] map[K]map[*lineage]struct{}

func (g groups[K]) add(k K, l *lineage) {
	if g[k] == nil {
		g[k] = map[*lineage]struct{}{}
	}
	g[k][l] = struct{}{}
}

func (g groups[K]) remove(k K, l *lineage) {
	delete(g[k], l)
	if len(g[k]) == 0 {
		delete(g, k)
	}
}

func (g groups[K]) list(k K) []*lineage {
	all := make([]*lineage, 0, len(g[k]))
	for l := range g[k] {
		all = append(all, l)
	}
	return all
}

// tables find the lineage that something belongs to. Each lineage knows its own entries, so that nothing but
// a snapshot costs more the more lineages there are.
type tables struct {
	mu     sync.Mutex // guards what follows, and the entries of each lineage
	closed bool
	all    map[uint64]*lineage
	bySPI  map[header.SPI]*lineage
	byInit map[initKey]*lineage
	bySA   map[esp.ID]*lineage
	byID   map[uint32]*lineage // by unique IDs of IKE SAs
	byConn groups[string]
	byEnds groups[identities]
}

// entries are what a lineage has in the tables.
type entries struct {
	init initKey // of a responder's lineage
	spis map[header.SPI]struct{}
	sas  map[esp.ID]struct{}
	ids  []uint32
	conn string
	ends identities
}

func newTables() tables {
	return tables{
		all: map[uint64]*lineage{}, bySPI: map[header.SPI]*lineage{}, byInit: map[initKey]*lineage{}, bySA: map[esp.ID]*lineage{},
		byID: map[uint32]*lineage{}, byConn: groups[string]{}, byEnds: groups[identities]{},
	}
}

// enter takes a new lineage in, and runs start with the tables locked. The lineage of a responder gives way to the one that
// a copy of the same request has made in the meantime.
func (t *tables) enter(l *lineage, limit int, start func()) (*lineage, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	other := t.byInit[l.entries.init]
	switch {
	case t.closed:
		return nil, ErrClosed
	case other != nil:
		return other, nil
	case len(t.all) >= limit:
		return nil, ErrTooManyIKESAs
	}
	t.all[l.id] = l
	if l.entries.init != (initKey{}) {
		t.byInit[l.entries.init] = l
	}
	if l.conn != "" {
		t.join(l, l.conn)
	}
	start()
	return l, nil
}

// join files a lineage under its connection; t.mu is held.
func (t *tables) join(l *lineage, conn string) {
	if l.entries.conn != "" {
		t.byConn.remove(l.entries.conn, l)
	}
	l.entries.conn = conn
	t.byConn.add(conn, l)
}

// established files a lineage under what its IKE_AUTH told, and returns those between the same ends that came before it: of two
// that come up at the same time one is the older.
func (t *tables) established(l *lineage, up core.IKEStatus) (older []*lineage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.join(l, up.Conn)
	t.byEnds.remove(l.entries.ends, l)
	l.entries.ends = endsOf(up.LocalID, up.Peer())
	older = t.byEnds.list(l.entries.ends)
	t.byEnds.add(l.entries.ends, l)
	return older
}

// leave takes a lineage out of all tables.
func (t *tables) leave(l *lineage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, l.id)
	if t.byInit[l.entries.init] == l {
		delete(t.byInit, l.entries.init)
	}
	for spi := range l.entries.spis {
		delete(t.bySPI, spi)
	}
	for id := range l.entries.sas {
		if t.bySA[id] == l {
			delete(t.bySA, id)
		}
	}
	for _, id := range l.entries.ids {
		delete(t.byID, id)
	}
	t.byConn.remove(l.entries.conn, l)
	t.byEnds.remove(l.entries.ends, l)
	l.entries = entries{}
}

func (t *tables) addSPI(spi header.SPI, l *lineage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.entries.spis == nil {
		l.entries.spis = map[header.SPI]struct{}{}
	}
	l.entries.spis[spi] = struct{}{}
	t.bySPI[spi] = l
}

func (t *tables) removeSPI(spi header.SPI, l *lineage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(l.entries.spis, spi)
	if t.bySPI[spi] == l {
		delete(t.bySPI, spi)
	}
}

// saKey is the name of an SA in the tables: inbound SPIs are ours and unique.
func saKey(id esp.ID) esp.ID {
	if id.Direction == esp.In {
		id.Reqid = 0
	}
	return id
}

func (t *tables) addSA(id esp.ID, l *lineage) {
	id = saKey(id)
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.entries.sas == nil {
		l.entries.sas = map[esp.ID]struct{}{}
	}
	l.entries.sas[id] = struct{}{}
	t.bySA[id] = l
}

func (t *tables) removeSA(id esp.ID, l *lineage) {
	id = saKey(id)
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(l.entries.sas, id)
	if t.bySA[id] == l {
		delete(t.bySA, id)
	}
}

// identify files a lineage under the unique IDs of its IKE SAs.
func (t *tables) identify(l *lineage, all []core.IKEStatus) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range l.entries.ids {
		delete(t.byID, id)
	}
	l.entries.ids = l.entries.ids[:0]
	for _, s := range all {
		l.entries.ids = append(l.entries.ids, s.UniqueID)
		t.byID[s.UniqueID] = l
	}
}

// close lets no lineage in any more.
func (t *tables) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
}

func (t *tables) isClosed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed
}

// snapshot is all lineages.
func (t *tables) snapshot() []*lineage {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*lineage, 0, len(t.all))
	for _, l := range t.all {
		all = append(all, l)
	}
	return all
}

func (t *tables) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.all)
}

// find looks one thing up in one of the tables.
func find[K comparable](t *tables, in map[K]*lineage, k K) *lineage {
	t.mu.Lock()
	defer t.mu.Unlock()
	return in[k]
}

// findAll is find for what several lineages share.
func findAll[K comparable](t *tables, in groups[K], k K) []*lineage {
	t.mu.Lock()
	defer t.mu.Unlock()
	return in.list(k)
}
