package goswan

import (
	"cmp"
	"container/heap"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/radius"
	"go.uber.org/zap"
)

// Accounting is what RADIUS servers are told of the sessions that they have allowed (RFC 2866). A session is an IKE SA with those
// that replace it by rekeying; one that a reauthentication makes is another session.
type Accounting struct {
	On bool
	// Interval is how often they are told of a session in its course where they do not say it themselves; 0: not.
	Interval time.Duration
	// RequiresVIP leaves out sessions without a virtual address.
	RequiresVIP bool
	// SendClass gives back the Class of the Access-Accept.
	SendClass bool
	// CloseOnTimeout ends an IKE SA whose beginning or course no server takes note of.
	CloseOnTimeout bool
}

const (
	// accountSenders is how many records are under way at a time.
	accountSenders = 64
	// accountTries is how often each record is offered to the servers, the first time at once, then after accountPause, which
	// doubles up to accountMaxPause: for half an hour in all.
	accountTries    = 10
	accountPause    = 15 * time.Second
	accountMaxPause = 5 * time.Minute
	// accountsOwed is how many ended sessions may have records that no server has taken.
	accountsOwed = 16384
	// accountGrace is how long servers have for the last records at a shutdown.
	accountGrace = 3 * time.Second
	// leastInterim is the shortest interval that a server may ask for: "The value MUST NOT be smaller than 60"  RFC 2869 §5.16
	leastInterim = time.Minute
)

// tally is what one direction of a session has carried.
type tally struct{ octets, packets uint64 }

func (t *tally) add(c esp.Counters) {
	t.octets += c.Bytes
	t.packets += c.Packets
}

// account is one session that a RADIUS server allowed.
type account struct {
	lineage uint64
	ike     uint32 // the unique ID of its IKE SA now
	conn    string
	common  radius.Record // what its records have in common
	began   time.Time
	on      bool          // servers are told of it
	interim time.Duration // 0: not
	idle    time.Duration // after which it ends without a packet, 0: never

	sas     map[esp.ID]struct{} // of its Child SAs, rekeyed ones too as long as they are there
	in, out tally               // of those that are gone
	used    time.Time           // when the last of those was

	cause   radius.Cause // why we end it; 0: we do not
	ended   bool
	settled bool            // it has ended, and owes nothing
	owed    []radius.Record // no server has taken them; the first may be under way
	sending bool
	queued  bool // it waits for a sender
	tries   int  // with the first of owed

	interimAt, idleAt, retryAt time.Time // zero: never
	place                      int       // in the agenda; -1: it is not there
}

// deadline is when something is to be done about it.
func (a *account) deadline() (first time.Time) {
	for _, t := range []time.Time{a.interimAt, a.idleAt, a.retryAt} {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// agenda is a heap of accounts by deadline.
type agenda []*account

func (g agenda) Len() int           { return len(g) }
func (g agenda) Less(i, j int) bool { return g[i].deadline().Before(g[j].deadline()) }
func (g agenda) Swap(i, j int) {
	g[i], g[j] = g[j], g[i]
	g[i].place, g[j].place = i, j
}

// Push is heap.Interface's.
func (g *agenda) Push(x any) {
	a := x.(*account)
	a.place = len(*g)
	*g = append(*g, a)
}

// Pop is heap.Interface's.
func (g *agenda) Pop() any {
	last := len(*g) - 1
	a := (*g)[last]
	(*g)[last] = nil
	*g = (*g)[:last]
	a.place = -1
	return a
}

// accounts keep the accounts of all sessions. What happens is told to them by the goroutines of the lineages, which never wait for
// a server; one goroutine looks after all deadlines, and records are sent by others, of which there are few.
type accounts struct {
	log      *zap.Logger
	servers  *authServers
	counters func(esp.ID) (esp.Counters, bool)
	end      func(ike uint32, reason *core.Reason) bool // begins it; false: there is no such IKE SA now
	prefix   string                                     // of the sessions' names: none is the same after a restart
	wake     chan struct{}
	senders  sync.WaitGroup

	mu       sync.Mutex // guards what follows
	all      map[uint64]*account
	bySA     map[esp.ID]*account
	agenda   agenda
	fresh    []*account // whose records wait for a sender
	again    []*account // likewise, but they were refused before
	busy     int        // senders
	owing    int        // ended sessions with records that are owed
	stopping bool
}

func newAccounts(log *zap.Logger, servers *authServers) *accounts {
	var random [6]byte
	_, _ = rand.Read(random[:]) // it does not fail
	return &accounts{
		log: log, servers: servers, prefix: hex.EncodeToString(random[:]), wake: make(chan struct{}, 1),
		all: map[uint64]*account{}, bySA: map[esp.ID]*account{},
	}
}

// watch sees what the lineages tell.
func (s *accounts) watch(lineage uint64, o core.Output) {
	switch o := o.(type) {
	case core.Established:
		if o.IKE.RADIUS != nil {
			s.begin(lineage, o.IKE, time.Now())
		}
	case core.IKERekeyed:
		s.about(lineage, func(a *account) { a.ike = o.New.UniqueID })
	case core.IKEDown:
		s.about(lineage, func(a *account) { s.finish(a, o.Reason, time.Now()) })
	}
}

// about calls f with the account of a lineage, if there is one.
func (s *accounts) about(lineage uint64, f func(*account)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.all[lineage]; a != nil {
		f(a)
	}
}

// begin opens an account.
func (s *accounts) begin(lineage uint64, sa core.IKEStatus, now time.Time) {
	_, settings, _ := s.servers.now()
	how, grant := settings.Accounting, sa.RADIUS
	a := &account{
		lineage: lineage, ike: sa.UniqueID, conn: sa.Conn, began: now, used: now, idle: grant.IdleTimeout, place: -1, sas: map[esp.ID]struct{}{},
		on: how.On && (!how.RequiresVIP || len(sa.RemoteVIPs) > 0),
		common: radius.Record{
			Caller: caller(sa),
			// A User-Name in the Access-Accept is the one that all records have. RFC 2865 §5.1
			Identity: cmp.Or(grant.Identity, sa.RemoteEAPID, sa.RemoteID.String()), Addresses: slices.Clone(sa.RemoteVIPs),
		},
	}
	a.common.SessionID = fmt.Sprintf("%s-%d", s.prefix, sa.UniqueID)
	if how.SendClass {
		a.common.Classes = grant.Classes
	}
	if a.interim = how.Interval; grant.InterimInterval > 0 {
		a.interim = max(grant.InterimInterval, leastInterim)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[lineage] = a
	if a.idle > 0 {
		a.idleAt = now.Add(a.idle)
	}
	if a.on {
		if a.interim > 0 {
			a.interimAt = now.Add(a.interim)
		}
		s.owe(a, radius.Start, now)
	}
	s.schedule(a)
}

// installed puts an SA on the account of its lineage, if there is one, until it is removed: also one of a Child SA that loses against
// another in a simultaneous rekeying, and is never told of.
func (s *accounts) installed(lineage uint64, id esp.ID) {
	id = accountKey(id)
	s.about(lineage, func(a *account) {
		a.sas[id] = struct{}{}
		s.bySA[id] = a
	})
}

// accountKey is an SA's name on accounts: inbound SPIs are ours and unique.
func accountKey(id esp.ID) esp.ID {
	if id.Direction == esp.In {
		id.Reqid = 0
	}
	return id
}

// remove has an SA removed, and keeps what it has counted for the account that it is on.
func (s *accounts) remove(id esp.ID, remove func() (esp.Counters, bool)) {
	id = accountKey(id)
	s.mu.Lock()
	a := s.bySA[id]
	if a == nil {
		s.mu.Unlock()
		remove()
		return
	}
	defer s.mu.Unlock()
	delete(s.bySA, id)
	delete(a.sas, id)
	c, _ := remove()
	a.count(id, c, &a.in, &a.out, &a.used)
}

// count adds what an SA has counted.
func (a *account) count(id esp.ID, c esp.Counters, in, out *tally, used *time.Time) {
	if id.Direction == esp.In {
		in.add(c)
	} else {
		out.add(c)
	}
	if c.LastUse.After(*used) {
		*used = c.LastUse
	}
}

// sum is what an account has counted up to now, and when its last packet was.
func (s *accounts) sum(a *account) (in, out tally, used time.Time) {
	in, out, used = a.in, a.out, a.used
	for id := range a.sas {
		if c, ok := s.counters(id); ok {
			a.count(id, c, &in, &out, &used)
		}
	}
	return in, out, used
}

// finish closes an account with the IKE SA.
func (s *accounts) finish(a *account, reason *core.Reason, now time.Time) {
	delete(s.all, a.lineage)
	a.interimAt, a.idleAt, a.ended = time.Time{}, time.Time{}, true
	if a.on {
		if s.owing++; s.owing > accountsOwed {
			s.lose(a, len(a.owed)+1, fmt.Errorf("records of %d sessions wait already", accountsOwed))
		} else {
			if a.owed = a.without(radius.Interim); len(a.owed) == 0 { // the end tells more
				a.tries = 0
			}
			if a.cause == 0 {
				a.cause = causeOf(reason)
			}
			s.owe(a, radius.Stop, now)
		}
	}
	for id := range a.sas {
		delete(s.bySA, id)
	}
	a.sas = nil
	s.schedule(a)
}

// without are the records that are owed but for those of a kind that are not under way.
func (a *account) without(status radius.Status) (rest []radius.Record) {
	for i, r := range a.owed {
		if r.Status != status || i == 0 && a.sending {
			rest = append(rest, r)
		}
	}
	return rest
}

var causes = map[core.Kind]radius.Cause{
	core.Deleted: radius.UserRequest, core.Replaced: radius.UserRequest, core.Timeout: radius.LostCarrier, core.Expired: radius.SessionTimeout,
	core.Cancelled: radius.AdminReset, core.ShuttingDown: radius.NASReboot,
}

// causeOf is why an IKE SA ended, in the words of RFC 2866 §5.10.
func causeOf(reason *core.Reason) radius.Cause {
	if reason == nil {
		return radius.AdminReset
	}
	if cause, ok := causes[reason.Kind]; ok {
		return cause
	}
	return radius.NASError
}

// owe adds a record of an account as it is now.
func (s *accounts) owe(a *account, status radius.Status, now time.Time) {
	r := a.common
	r.Status, r.EventTime = status, now
	if status != radius.Start {
		in, out, _ := s.sum(a)
		r.Elapsed, r.InOctets, r.InPackets, r.OutOctets, r.OutPackets = now.Sub(a.began), in.octets, in.packets, out.octets, out.packets
	}
	if status == radius.Stop {
		r.Cause = a.cause
	}
	a.owed = append(a.owed, r)
	if a.retryAt.IsZero() {
		s.queue(a, &s.fresh)
	}
}

// queue has an account wait for a sender.
func (s *accounts) queue(a *account, in *[]*account) {
	if len(a.owed) == 0 || a.sending || a.queued {
		return
	}
	a.queued = true
	*in = append(*in, a)
	s.signal()
}

func (s *accounts) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// schedule puts an account in its place in the agenda.
func (s *accounts) schedule(a *account) {
	switch due := !a.deadline().IsZero(); {
	case due && a.place < 0:
		heap.Push(&s.agenda, a)
	case due:
		heap.Fix(&s.agenda, a.place)
	case a.place >= 0:
		heap.Remove(&s.agenda, a.place)
	}
	s.signal()
}

// run looks after the deadlines until ctx is done; what is owed then has a short time.
func (s *accounts) run(ctx context.Context) {
	sending, stop := context.WithCancel(context.Background())
	defer s.senders.Wait()
	defer stop()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var grace <-chan time.Time
	done := ctx.Done()
	for {
		wait, rest := s.work(sending, time.Now())
		if rest && grace != nil {
			return
		}
		timer.Reset(wait)
		select {
		case <-s.wake:
		case <-timer.C:
		case <-done:
			done, grace = nil, time.After(accountGrace)
			s.stop()
		case <-grace:
			s.mu.Lock()
			s.log.Error("RADIUS accounts are not closed: no server answers", zap.Int("sessions", s.owing))
			s.mu.Unlock()
			return
		}
	}
}

// stop has everything that is owed offered once more, now.
func (s *accounts) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	for len(s.agenda) > 0 {
		a := heap.Pop(&s.agenda).(*account)
		a.interimAt, a.idleAt, a.retryAt = time.Time{}, time.Time{}, time.Time{}
		s.queue(a, &s.again)
	}
}

// work does what is due, and tells how long there is nothing to do, and whether nothing is owed.
func (s *accounts) work(ctx context.Context, now time.Time) (wait time.Duration, rest bool) {
	for s.step(now) {
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.busy < accountSenders {
		a := s.next()
		if a == nil {
			break
		}
		s.send(ctx, a)
	}
	if wait = time.Hour; len(s.agenda) > 0 {
		wait = max(0, s.agenda[0].deadline().Sub(now))
	}
	return wait, s.busy == 0 && len(s.fresh)+len(s.again) == 0
}

// step does what is due first.
func (s *accounts) step(now time.Time) (more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.agenda) == 0 || s.agenda[0].deadline().After(now) {
		return false
	}
	a := s.agenda[0]
	due := func(at *time.Time) bool {
		if at.IsZero() || at.After(now) {
			return false
		}
		*at = time.Time{}
		return true
	}
	if due(&a.retryAt) {
		s.queue(a, &s.again)
	}
	if due(&a.interimAt) {
		a.owed = a.without(radius.Interim)
		s.owe(a, radius.Interim, now)
		a.interimAt = now.Add(a.interim)
	}
	if due(&a.idleAt) {
		s.checkIdle(a, now)
	}
	s.schedule(a)
	return true
}

// checkIdle ends a session that no packet came or went in. "This Attribute sets the maximum number of consecutive seconds of idle
// connection allowed to the user before termination of the session or prompt."  RFC 2865 §5.28
func (s *accounts) checkIdle(a *account, now time.Time) {
	_, _, used := s.sum(a)
	if a.idleAt = used.Add(a.idle); a.idleAt.After(now) {
		return
	}
	a.idleAt = now.Add(a.idle) // should the IKE SA be there still
	s.close(a, radius.IdleTimeout, &core.Reason{Kind: core.Expired, Phase: 1, Conn: a.conn,
		Text: fmt.Sprintf("no packet came or went for %v, as long as the RADIUS server allows (Idle-Timeout)", a.idle)})
}

// close begins the end of an IKE SA.
func (s *accounts) close(a *account, cause radius.Cause, reason *core.Reason) {
	if s.end(a.ike, reason) {
		a.cause = cause
	}
}

// next takes the next account with a record to send, what is new first: old ones may wait for a server that is not there.
func (s *accounts) next() *account {
	for _, q := range []*[]*account{&s.fresh, &s.again} {
		if len(*q) > 0 {
			a := (*q)[0]
			(*q)[0] = nil
			*q = (*q)[1:]
			a.queued = false
			return a
		}
	}
	return nil
}

// send offers the first record that an account owes to the servers.
func (s *accounts) send(ctx context.Context, a *account) {
	if len(a.owed) == 0 {
		return // it was given up in the meantime
	}
	a.sending = true
	s.busy++
	r, again := a.owed[0], a.tries > 0
	s.senders.Go(func() {
		client, settings, err := s.servers.now()
		if err == nil {
			// "This attribute indicates how many seconds the client has been trying to send this record for"  RFC 2866 §5.2
			r.Delay = time.Since(r.EventTime)
			err = client.Account(ctx, r)
		}
		if errors.Is(err, radius.ErrSilent) && ctx.Err() == nil && !again {
			s.servers.silent(err)
		}
		s.sent(a, r, err, settings.Accounting.CloseOnTimeout, time.Now())
	})
}

// sent takes note of what became of a record.
func (s *accounts) sent(a *account, r radius.Record, err error, closes bool, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.signal()
	s.busy--
	a.sending = false
	switch {
	case len(a.owed) == 0: // it was given up in the meantime
	case err == nil:
		s.drop(a, 1, &s.fresh)
	default:
		s.refused(a, r, err, now)
		if closes && errors.Is(err, radius.ErrSilent) && !a.ended && a.cause == 0 {
			s.close(a, radius.NASError, &core.Reason{Kind: core.Cancelled, Phase: 1, Conn: a.conn,
				Text: "no RADIUS server takes note of the session (accounting_close_on_timeout)"})
		}
	}
}

// drop has done with the first records that an account owes; the next one waits for a sender.
func (s *accounts) drop(a *account, n int, in *[]*account) {
	a.tries, a.owed = 0, a.owed[n:]
	if len(a.owed) == 0 {
		s.settle(a)
		return
	}
	s.queue(a, in)
}

// refused has a record wait for another try.
func (s *accounts) refused(a *account, r radius.Record, err error, now time.Time) {
	a.tries++
	s.log.Warn("RADIUS account record not taken", append(a.fields(), zap.Stringer("record", r.Status), zap.Int("try", a.tries), zap.Error(err))...)
	switch {
	case s.stopping:
		s.lose(a, len(a.owed), err)
		return
	case a.tries >= accountTries:
		s.lose(a, 1, err)
		return
	}
	a.retryAt = now.Add(min(accountPause<<(a.tries-1), accountMaxPause))
	s.schedule(a)
}

// lose gives up the first records that an account owes. What comes behind them is offered as often: the end of a session tells most.
func (s *accounts) lose(a *account, n int, err error) {
	s.log.Error("RADIUS account records lost", append(a.fields(), zap.Int("records", n), zap.Error(err))...)
	s.drop(a, min(n, len(a.owed)), &s.again)
}

// settle notes that an account which has ended owes nothing any more.
func (s *accounts) settle(a *account) {
	if a.ended && !a.settled {
		a.settled = true
		s.owing--
	}
}

func (a *account) fields() []zap.Field {
	return []zap.Field{zap.String("conn", a.conn), zap.String("session", a.common.SessionID), zap.String("eap_id", a.common.Identity)}
}
