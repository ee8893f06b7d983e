package goswan

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
	"github.com/goswan/goswan/ike/radius"
	"github.com/goswan/goswan/ike/radius/radiustest"
	"go.uber.org/zap/zaptest/observer"
	rad "layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2866"
	"layeh.com/radius/rfc2869"
)

var acctAt = netip.MustParseAddrPort("192.0.2.10:1813")

// sessions is accounts with a server that takes records, and a data path of numbers.
type sessions struct {
	*accounts
	t      *testing.T
	server *radiustest.Accounts
	logs   *observer.ObservedLogs
	stop   func() // as at a shutdown

	mu      sync.Mutex // guards what follows
	carried map[esp.ID]esp.Counters
	ended   []*core.Reason
	absent  bool // there is no IKE SA to end
}

// keeping runs accounts until the test ends.
func keeping(t *testing.T, how Accounting) *sessions {
	t.Helper()
	var network radiustest.Network
	s := &sessions{t: t, server: radiustest.NewAccounts(t), carried: map[esp.ID]esp.Counters{}}
	network.Serve(acctAt, s.server.Handle)
	servers, logs := asks(RADIUS{Servers: []RADIUSServer{serverAt(acctAt)}, Client: radius.Config{Dial: network.Dial}, Accounting: how})
	s.logs = logs
	s.accounts = newAccounts(servers.log, servers)
	s.counters, s.end = s.count, s.endIKE
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { s.run(ctx); close(over) }()
	s.stop = sync.OnceFunc(func() { cancel(); <-over })
	t.Cleanup(s.stop)
	return s
}

func (s *sessions) count(id esp.ID) (esp.Counters, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.carried[id]
	return c, ok
}

func (s *sessions) endIKE(_ uint32, reason *core.Reason) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.absent {
		s.ended = append(s.ended, reason)
	}
	return !s.absent
}

// endings are why IKE SAs were ended, since the last time.
func (s *sessions) endings() []*core.Reason {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.ended
	s.ended = nil
	return all
}

// carry has the SAs of a Child SA carry so much by now.
func (s *sessions) carry(c core.ChildStatus, in, out uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.carried[esp.ID{SPI: c.SPIIn, Direction: esp.In}] = esp.Counters{Bytes: in, Packets: in / 100, LastUse: time.Now()}
	s.carried[esp.ID{SPI: c.SPIOut, Direction: esp.Out, Reqid: c.Reqid}] = esp.Counters{Bytes: out, Packets: out / 100, LastUse: time.Now()}
}

// gone removes the SAs of a Child SA, the inbound one as a machine does later, without its Reqid.
func (s *sessions) gone(c core.ChildStatus) {
	for _, id := range []esp.ID{{SPI: c.SPIIn, Direction: esp.In}, {SPI: c.SPIOut, Direction: esp.Out, Reqid: c.Reqid}} {
		s.goneSA(id)
	}
}

func (s *sessions) goneSA(id esp.ID) {
	s.remove(id, func() (esp.Counters, bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		c, ok := s.carried[id]
		delete(s.carried, id)
		return c, ok
	})
}

// install has the data path take both SAs of a Child SA of a lineage.
func (s *sessions) install(lineage uint64, c core.ChildStatus) {
	s.installed(lineage, esp.ID{SPI: c.SPIIn, Direction: esp.In, Reqid: c.Reqid})
	s.installed(lineage, esp.ID{SPI: c.SPIOut, Direction: esp.Out, Reqid: c.Reqid})
}

func child(n uint32) core.ChildStatus {
	return core.ChildStatus{UniqueID: n, SPIIn: esp.SPI(1000 + n), SPIOut: esp.SPI(2000 + n), Reqid: 1}
}

// allowed is an IKE SA that a server has granted.
func allowed(id uint32, change ...func(*core.IKEStatus)) core.IKEStatus {
	sa := core.IKEStatus{
		UniqueID: id, Conn: "rw", RemoteEAPID: "alice", Remote: netip.MustParseAddrPort("192.0.2.7:4500"), Local: netip.MustParseAddrPort("198.51.100.2:4500"),
		RemoteVIPs: []netip.Addr{netip.MustParseAddr("10.3.0.9")}, RADIUS: &eap.Grant{Classes: [][]byte{[]byte("staff")}},
	}
	for _, f := range change {
		f(&sa)
	}
	return sa
}

// take are the records that the server has by now, of these kinds.
func (s *sessions) take(kinds ...radius.Status) []*rad.Packet {
	s.t.Helper()
	synctest.Wait()
	all := s.server.Take()
	var got []radius.Status
	for _, p := range all {
		got = append(got, radius.Status(radiustest.Status(p)))
	}
	if !slices.Equal(got, kinds) {
		s.t.Fatalf("the server has %v, want %v", got, kinds)
	}
	return all
}

// counted is a record's numbers as text.
func counted(p *rad.Packet) string {
	return fmt.Sprintf("%d.%d/%d in, %d.%d/%d out, %v",
		rfc2869.AcctInputGigawords_Get(p), rfc2866.AcctInputOctets_Get(p), rfc2866.AcctInputPackets_Get(p),
		rfc2869.AcctOutputGigawords_Get(p), rfc2866.AcctOutputOctets_Get(p), rfc2866.AcctOutputPackets_Get(p),
		time.Duration(rfc2866.AcctSessionTime_Get(p))*time.Second)
}

// TestAccountOfASession has Child SAs and the IKE SA rekeyed, and counts what all of them carried.
func TestAccountOfASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keeping(t, Accounting{On: true, Interval: 10 * time.Minute, SendClass: true})
		sa, first, second, third := allowed(7), child(1), child(2), child(3)
		s.watch(1, core.Established{IKE: sa})
		start := s.take(radius.Start)[0]
		want(t, "the beginning says who, where and what the server said", rfc2865.UserName_GetString(start) == "alice" &&
			rfc2869.NASPortID_GetString(start) == "rw" && rfc2865.NASPort_Get(start) == 7 &&
			rfc2865.CallingStationID_GetString(start) == "192.0.2.7[4500]" && string(rfc2865.Class_Get(start)) == "staff" &&
			rfc2865.FramedIPAddress_Get(start).String() == "10.3.0.9" && rfc2869.EventTimestamp_Get(start).Equal(time.Now()))
		name := rfc2866.AcctSessionID_GetString(start)
		s.install(1, first)
		s.carry(first, 6<<32+200, 300)
		pass(10 * time.Minute)
		interim := s.take(radius.Interim)[0]
		want(t, "its course is told, with 64 bits", counted(interim) == "6.200/257698039 in, 0.300/3 out, 10m0s" && rfc2866.AcctSessionID_GetString(interim) == name)
		s.install(1, second) // by rekeying
		s.carry(second, 100, 0)
		s.gone(first)
		s.install(1, third)
		s.carry(third, 500, 700)
		s.watch(1, core.IKERekeyed{Old: sa, New: allowed(8)})
		pass(10 * time.Minute)
		want(t, "all SAs are counted, those that are gone too", counted(s.take(radius.Interim)[0]) == "6.800/257698045 in, 0.1000/10 out, 20m0s")
		s.gone(second)
		s.gone(third)
		s.watch(1, core.IKEDown{IKE: sa, Reason: &core.Reason{Kind: core.Deleted}})
		stop := s.take(radius.Stop)[0]
		want(t, "nothing of it is lost at the end", counted(stop) == "6.800/257698045 in, 0.1000/10 out, 20m0s" && rfc2866.AcctSessionID_GetString(stop) == name)
		want(t, "and why it ended is told", rfc2866.AcctTerminateCause_Get(stop) == rfc2866.AcctTerminateCause_Value_UserRequest)
		pass(time.Hour)
		s.take()
		want(t, "nothing is kept of it", len(s.all)+len(s.bySA)+len(s.agenda)+s.owing == 0)
	})
}

// TestAccountOfRedundantSAs has Child SAs that nobody is told of, or of which only the inbound SA was ever installed.
func TestAccountOfRedundantSAs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keeping(t, Accounting{On: true})
		sa := allowed(7)
		s.watch(1, core.Established{IKE: sa})
		for n := range uint32(3) {
			half := child(n)
			s.installed(1, esp.ID{SPI: half.SPIIn, Direction: esp.In, Reqid: half.Reqid})
			s.watch(1, core.ChildRekeyed{IKE: sa, New: half})
			s.carry(half, 100, 0)
			s.goneSA(esp.ID{SPI: half.SPIIn, Direction: esp.In})
		}
		want(t, "what is gone is on no account", len(s.bySA) == 0 && len(s.all[1].sas) == 0)
		s.watch(1, core.IKEDown{IKE: sa})
		want(t, "what they carried is counted", counted(s.take(radius.Start, radius.Stop)[1]) == "0.300/3 in, 0.0/0 out, 0s")
	})
}

func TestSessionsHaveNamesOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := map[string]bool{}
		for range 2 { // a restart, after which IKE SAs have the same numbers
			s := keeping(t, Accounting{On: true})
			s.watch(1, core.Established{IKE: allowed(1)})
			s.watch(2, core.Established{IKE: allowed(2)}) // a reauthentication
			for _, p := range s.take(radius.Start, radius.Start) {
				names[rfc2866.AcctSessionID_GetString(p)] = true
			}
		}
		want(t, "four sessions have four names", len(names) == 4)
	})
}

// TestWhatIsAccounted has sessions that are told of and others that are not.
func TestWhatIsAccounted(t *testing.T) {
	without := func(sa *core.IKEStatus) { sa.RemoteVIPs = nil }
	for name, c := range map[string]struct {
		how    Accounting
		change func(*core.IKEStatus)
		told   bool
	}{
		"accounting is off":                {Accounting{}, func(*core.IKEStatus) {}, false},
		"on":                               {Accounting{On: true}, without, true},
		"it needs a virtual address":       {Accounting{On: true, RequiresVIP: true}, without, false},
		"which the session has":            {Accounting{On: true, RequiresVIP: true}, func(*core.IKEStatus) {}, true},
		"no RADIUS server has to do with":  {Accounting{On: true}, func(sa *core.IKEStatus) { sa.RADIUS = nil }, false},
		"the server knows it by this name": {Accounting{On: true}, func(sa *core.IKEStatus) { sa.RADIUS = &eap.Grant{Identity: "alice@corp"} }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := keeping(t, c.how)
				sa := allowed(1, c.change)
				s.watch(1, core.Established{IKE: sa})
				s.watch(1, core.IKEDown{IKE: sa})
				if !c.told {
					s.take()
					return
				}
				p := s.take(radius.Start, radius.Stop)[0]
				want(t, "the class is left out unless it is wanted", rfc2865.Class_Get(p) == nil)
				want(t, "the name is the server's if it has one", rfc2865.UserName_GetString(p) == map[bool]string{true: "alice@corp", false: "alice"}[strings.HasPrefix(name, "the server")])
			})
		})
	}
}

func TestIntervalOfTheServer(t *testing.T) {
	for asked, interval := range map[time.Duration]time.Duration{0: 5 * time.Minute, 2 * time.Minute: 2 * time.Minute, time.Second: time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			s := keeping(t, Accounting{On: true, Interval: 5 * time.Minute})
			s.watch(1, core.Established{IKE: allowed(1, func(sa *core.IKEStatus) { sa.RADIUS.InterimInterval = asked })})
			pass(interval - time.Second)
			s.take(radius.Start)
			pass(time.Second)
			s.take(radius.Interim)
		})
	}
}

// TestCauses are why sessions end.
func TestCauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keeping(t, Accounting{On: true})
		for _, c := range []struct {
			reason *core.Reason
			cause  rfc2866.AcctTerminateCause
		}{
			{nil, rfc2866.AcctTerminateCause_Value_AdminReset},
			{&core.Reason{Kind: core.Timeout}, rfc2866.AcctTerminateCause_Value_LostCarrier},
			{&core.Reason{Kind: core.Expired}, rfc2866.AcctTerminateCause_Value_SessionTimeout},
			{&core.Reason{Kind: core.ShuttingDown}, rfc2866.AcctTerminateCause_Value_NASReboot},
			{&core.Reason{Kind: core.Internal}, rfc2866.AcctTerminateCause_Value_NASError},
		} {
			s.watch(1, core.Established{IKE: allowed(1)})
			s.watch(1, core.IKEDown{Reason: c.reason})
			if got := rfc2866.AcctTerminateCause_Get(s.take(radius.Start, radius.Stop)[1]); got != c.cause {
				t.Errorf("%v is told as %v, want %v", c.reason, got, c.cause)
			}
		}
	})
}

// TestServerOfAccountsIsSilent has records wait for it.
func TestServerOfAccountsIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keeping(t, Accounting{On: true, Interval: time.Minute})
		s.server.Silence(true)
		s.watch(1, core.Established{IKE: allowed(1)})
		pass(3 * time.Minute)
		s.watch(1, core.IKEDown{IKE: allowed(1)})
		pass(time.Minute)
		want(t, "the IKE SA is not ended for it", len(s.endings()) == 0)
		s.server.Silence(false)
		pass(accountMaxPause)
		all := s.take(radius.Start, radius.Stop)
		began := rfc2869.EventTimestamp_Get(all[0])
		now := time.Now()
		want(t, "each tells how late it is", !began.Add(time.Duration(rfc2866.AcctDelayTime_Get(all[0]))*time.Second).After(now) &&
			rfc2866.AcctDelayTime_Get(all[0]) >= 240 && rfc2866.AcctDelayTime_Get(all[1]) >= 60)
		want(t, "the end tells more than what was to be told in between", rfc2866.AcctSessionTime_Get(all[1]) == 180)

		s.server.Silence(true)
		s.watch(2, core.Established{IKE: allowed(2)})
		s.watch(2, core.IKEDown{IKE: allowed(2)})
		pass(2 * time.Hour)
		s.server.Silence(false)
		pass(time.Hour)
		s.take()
		want(t, "records are not kept without end", s.owing == 0 && s.logs.FilterMessage("RADIUS account records lost").Len() == 2) // its beginning and its end
	})
}

// TestEndIsToldAfterLongSilence has a session end after records of its course, or its beginning, were offered for almost as long as they
// are: the end has its own time.
func TestEndIsToldAfterLongSilence(t *testing.T) {
	for name, c := range map[string]struct {
		silentFrom time.Duration // of the session
		want       []radius.Status
	}{
		"the course":    {time.Second, []radius.Status{radius.Stop}},
		"the beginning": {0, []radius.Status{radius.Stop}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := keeping(t, Accounting{On: true, Interval: time.Minute})
				s.server.Silence(c.silentFrom == 0)
				s.watch(1, core.Established{IKE: allowed(1)})
				pass(c.silentFrom)
				s.server.Silence(true)
				s.server.Take()
				pass(28 * time.Minute)
				s.watch(1, core.IKEDown{IKE: allowed(1)})
				pass(20 * time.Minute)
				s.server.Silence(false)
				pass(time.Hour)
				s.take(c.want...)
				want(t, "nothing is owed any more", s.owing == 0)
			})
		})
	}
}

// TestCloseOnTimeout has nobody take note of a session's beginning, or of its course.
func TestCloseOnTimeout(t *testing.T) {
	for _, interim := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := keeping(t, Accounting{On: true, Interval: time.Minute, CloseOnTimeout: true})
			s.server.Silence(!interim)
			s.watch(1, core.Established{IKE: allowed(1)})
			synctest.Wait()
			s.server.Silence(true)
			pass(2 * time.Minute)
			ended := s.endings()
			want(t, "the IKE SA ends, once", len(ended) == 1 && strings.Contains(ended[0].Text, "accounting_close_on_timeout"))
			s.watch(1, core.IKEDown{IKE: allowed(1), Reason: ended[0]})
			s.server.Silence(false)
			pass(accountMaxPause)
			all := s.take(radius.Start, radius.Stop)
			want(t, "the reason is ours", rfc2866.AcctTerminateCause_Get(all[1]) == rfc2866.AcctTerminateCause_Value_NASError)
		})
	}
}

// TestCloseOnTimeoutAlone has servers that answer, but not as they should, and no servers at all.
func TestCloseOnTimeoutAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keeping(t, Accounting{On: true, Interval: time.Minute, CloseOnTimeout: true})
		s.watch(1, core.Established{IKE: allowed(1)})
		pass(time.Second)
		var network radiustest.Network
		network.Serve(acctAt, func(r []byte) [][]byte { return [][]byte{radiustest.Sign(r, rad.CodeAccessReject, false)} })
		how := Accounting{On: true, CloseOnTimeout: true}
		named := serverAt(acctAt)
		named.Host = "name.invalid"
		for _, servers := range [][]RADIUSServer{{serverAt(acctAt)}, {named}, nil} {
			s.servers.load(RADIUS{Servers: servers, Client: radius.Config{Dial: network.Dial}, Accounting: how})
			pass(3 * time.Minute)
			want(t, "nobody ends a session that is not told of for another reason than silence", len(s.endings()) == 0)
		}
		want(t, "it is logged", s.logs.FilterMessage("RADIUS account record not taken").Len() >= 3)
	})
}

// TestEndThatDoesNotBegin has an IKE SA be replaced just when it is to end.
func TestEndThatDoesNotBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keeping(t, Accounting{On: true})
		sa := allowed(1, func(sa *core.IKEStatus) { sa.RADIUS.IdleTimeout = 10 * time.Minute })
		s.watch(1, core.Established{IKE: sa})
		s.mu.Lock()
		s.absent = true
		s.mu.Unlock()
		pass(10 * time.Minute)
		s.install(1, child(1))
		s.carry(child(1), 100, 0)
		s.watch(1, core.IKEDown{IKE: sa, Reason: &core.Reason{Kind: core.Deleted}})
		want(t, "its end later is told as what it is", rfc2866.AcctTerminateCause_Get(s.take(radius.Start, radius.Stop)[1]) == rfc2866.AcctTerminateCause_Value_UserRequest)
	})
}

// TestSilenceIsToldOnce has the end of a session be offered again and again to a server that is silent: what close_all_on_timeout does to
// all IKE SAs is done once, and not to each that comes up until the server is back.
func TestSilenceIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keeping(t, Accounting{On: true})
		var silent atomic.Int32
		s.servers.silent = func(error) { silent.Add(1) }
		s.watch(1, core.Established{IKE: allowed(1)})
		synctest.Wait()
		s.server.Silence(true)
		s.watch(1, core.IKEDown{IKE: allowed(1)})
		pass(time.Hour)
		want(t, "it is told once", silent.Load() == 1)
	})
}

func TestIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keeping(t, Accounting{On: true})
		sa := allowed(1, func(sa *core.IKEStatus) { sa.RADIUS.IdleTimeout = 10 * time.Minute })
		s.watch(1, core.Established{IKE: sa})
		s.install(1, child(1))
		pass(9 * time.Minute)
		s.carry(child(1), 100, 0)
		pass(9 * time.Minute)
		want(t, "a packet keeps it", len(s.endings()) == 0)
		s.gone(child(1))
		pass(time.Minute - time.Second)
		want(t, "also if its SA is gone", len(s.endings()) == 0)
		pass(time.Second)
		ended := s.endings()
		want(t, "silence ends it", len(ended) == 1 && ended[0].Kind == core.Expired && strings.Contains(ended[0].Text, "Idle-Timeout"))
		s.watch(1, core.IKEDown{IKE: sa, Reason: ended[0]})
		want(t, "and is told as what it is", rfc2866.AcctTerminateCause_Get(s.take(radius.Start, radius.Stop)[1]) == rfc2866.AcctTerminateCause_Value_IdleTimeout)
		pass(time.Hour)
		want(t, "once", len(s.endings()) == 0)
	})
}

// TestAccountsAtAShutdown has records under way, waiting for another try, and new.
func TestAccountsAtAShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keeping(t, Accounting{On: true, Interval: time.Minute})
		const many = 3 * accountSenders
		for i := range uint64(many) {
			s.watch(i, core.Established{IKE: allowed(uint32(i))})
		}
		synctest.Wait()
		s.server.Silence(true)
		pass(time.Minute + 20*time.Second) // their course is told to nobody
		for i := range uint64(many) {
			s.watch(i, core.IKEDown{Reason: &core.Reason{Kind: core.ShuttingDown}})
		}
		s.server.Silence(false)
		before := time.Now()
		s.stop()
		want(t, "a server that answers is not waited for any longer", time.Since(before) < accountGrace)
		stops := 0
		for _, p := range s.server.Take() {
			if radiustest.Status(p) == rfc2866.AcctStatusType_Value_Stop {
				stops++
				want(t, "the cause is that we go down", rfc2866.AcctTerminateCause_Get(p) == rfc2866.AcctTerminateCause_Value_NASReboot)
			}
		}
		want(t, "the end of every session is told", stops == many)
	})
	synctest.Test(t, func(t *testing.T) {
		s := keeping(t, Accounting{On: true})
		s.server.Silence(true)
		s.watch(1, core.Established{IKE: allowed(1)})
		s.watch(1, core.IKEDown{Reason: &core.Reason{Kind: core.ShuttingDown}})
		before := time.Now()
		s.stop()
		want(t, "one that does not is waited for a short time", time.Since(before) == accountGrace)
		want(t, "and what is lost is said", s.logs.FilterMessageSnippet("accounts are not closed").Len() == 1)
	})
}

// TestBoundOfOwedAccounts has more sessions end than are kept.
func TestBoundOfOwedAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keeping(t, Accounting{On: true})
		s.server.Silence(true)
		for i := range uint64(accountsOwed + 3) {
			s.watch(i, core.Established{IKE: allowed(uint32(i))})
			s.watch(i, core.IKEDown{})
		}
		synctest.Wait()
		want(t, "what is too much is lost, and said", s.owing == accountsOwed && s.logs.FilterMessage("RADIUS account records lost").Len() == 3)
		s.server.Silence(false)
		pass(time.Hour)
		want(t, "the others are told", s.owing == 0 && len(s.server.Take()) == 2*accountsOwed)
	})
}
