//go:build linux

package lab

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// soakRate is how many numbered datagrams a second go in each direction beside the TCP streams.
const soakRate = 2000

// soakTime is how long TestSoak loads the tunnel: GOSWAN_LAB_SOAK, else 15 s.
func soakTime(t *testing.T) time.Duration {
	t.Helper()
	value := os.Getenv("GOSWAN_LAB_SOAK")
	if value == "" {
		return 15 * time.Second
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		t.Fatalf("GOSWAN_LAB_SOAK=%s: %v; an example is 10m", value, err)
	}
	return d
}

// TestSoak loads the tunnel with TCP in both directions, as fast as it goes, while both ends rekey every Child SA each 5 s
// and the IKE SA each 12 s, many at the same moment. Not one numbered datagram may be lost, neither daemon may drop a
// packet, every rekey has to succeed, and in the end goswan has no goroutine and no open file more than in the beginning,
// and no more memory than garbage explains.
func TestSoak(t *testing.T) {
	eachPair(t, []Pair{{Goswan, Goswan}}, "soak", Topology{}, func(t *testing.T, n *Net) {
		if n.Left.Daemon != Goswan || n.Right.Daemon != Goswan {
			t.Skip("lab: the soak asks goswan for its memory and goroutines, which strongSwan does not tell")
		}
		s := &soak{Net: n, hosts: [2]*Host{n.Left, n.Right}}
		for i, h := range s.hosts {
			s.idle[i], s.logged[i] = h.Load(t), len(h.Log(t))
		}
		n.Left.Initiate(t, "net", "net6")
		n.WaitUp(t, "net", "net6")
		// After these the endpoints know the path's MTU, and what was in use once is in use.
		n.transferAll(t)
		for i, h := range s.hosts {
			s.begin[i] = h.Load(t)
		}
		s.load(t, soakTime(t))
		s.checkRekeys(t)
		s.checkMemory(t)
		s.checkEnd(t)
	})
}

// soak is one run of TestSoak.
type soak struct {
	*Net
	hosts   [2]*Host
	idle    [2]Load   // before there was an SA
	logged  [2]int    // octets of log by then
	begin   [2]Load   // with SAs, before the load
	samples [2][]Load // under load
}

// load loads the tunnel for so long, and until both kinds of SA were rekeyed, and looks at the daemons meanwhile.
func (s *soak) load(t *testing.T, d time.Duration) {
	before, began := s.account(t), time.Now()
	flows := []*Flow{
		s.LeftLAN.StartFlow(t, s.RightLAN, s.RightLAN.IPv4, soakRate),
		s.RightLAN.StartFlow(t, s.LeftLAN, s.LeftLAN.IPv4, soakRate),
	}
	transfers := []*Transfer{
		s.LeftLAN.StartTransfer(t, s.RightLAN, s.RightLAN.IPv4, Stream{}),
		s.RightLAN.StartTransfer(t, s.LeftLAN, s.LeftLAN.IPv4, Stream{}),
		s.LeftLAN.StartTransfer(t, s.RightLAN, s.RightLAN.IPv6, Stream{}),
		s.RightLAN.StartTransfer(t, s.LeftLAN, s.LeftLAN.IPv6, Stream{}),
	}
	tick := time.NewTicker(min(max(d/60, 500*time.Millisecond), 5*time.Second))
	defer tick.Stop()
	for time.Since(began) < d || s.rekeys(t, s.Left, childRekeyed) < 4 || s.rekeys(t, s.Left, ikeRekeyed) < 1 {
		<-tick.C
		for i, h := range s.hosts {
			s.samples[i] = append(s.samples[i], h.Load(t))
		}
		if time.Since(began) > d+patience {
			t.Fatalf("%v of load, and the SAs have not been rekeyed", time.Since(began))
		}
	}
	for _, tr := range transfers {
		tr.Finish(t)
	}
	t.Logf("load: %v", time.Since(began).Round(time.Millisecond))
	for _, f := range flows {
		f.finishLossless(t)
	}
	s.reportLosses(t, before, s.account(t))
}

// finishLossless ends the flow, of which nothing may be missing and nothing may come twice.
func (f *Flow) finishLossless(t *testing.T) {
	t.Helper()
	sent, lost, again := f.Finish()
	t.Logf("flow from %s: %d datagrams, %d lost, %d arrived twice", f.Name, sent, len(lost), again)
	if sent == 0 || len(lost) > 0 || again > 0 {
		t.Errorf("flow from %s: of %d datagrams %d were lost (numbers %v), and %d arrived twice",
			f.Name, sent, len(lost), lost[:min(len(lost), 100)], again)
	}
}

// account is what may have been lost so far.
type account struct {
	places          map[string]int // Net.Losses
	again, needless int            // TCP segments of both endpoints, Namespace.TCP
	octets, packets uint64         // what went through both TUN devices
}

func (s *soak) account(t *testing.T) account {
	t.Helper()
	a := account{places: s.Losses(t)}
	for _, e := range []*Endpoint{s.LeftLAN, s.RightLAN} {
		again, needless := e.TCP(t)
		a.again, a.needless = a.again+again, a.needless+needless
	}
	for _, h := range s.hosts {
		tx := h.Links(t)[goswanTUN].Stats.TX
		a.octets, a.packets = a.octets+tx.Bytes, a.packets+tx.Packets
	}
	return a
}

// reportLosses tells where packets were dropped. What goswan itself drops is an error. A full queue of the host is none as
// long as no flow lost a datagram in it: TCP fills queues until they overflow, and that is how it learns their size.
func (s *soak) reportLosses(t *testing.T, before, after account) {
	t.Helper()
	t.Logf("into the tunnel: %.3f GB in %d packets and super-packets", float64(after.octets-before.octets)/1e9, after.packets-before.packets)
	for _, place := range slices.Sorted(maps.Keys(after.places)) {
		if count := after.places[place] - before.places[place]; count > 0 {
			t.Logf("lost: %d packets at %s", count, place)
		}
	}
	if maps.Equal(before.places, after.places) {
		t.Log("lost: nothing at any device, socket or daemon")
	}
	t.Logf("TCP sent %d segments again, %d of which had arrived already", after.again-before.again, after.needless-before.needless)
	for _, h := range s.hosts {
		if drops := h.Drops(t); len(drops) > 0 {
			t.Errorf("%s: goswan has dropped packets: %v", h.Name, drops)
		}
	}
}

// What goswan logs of a rekey, and what it must not log while the SAs are kept alive by rekeys.
var (
	childRekeyed = regexp.MustCompile(`(?m)^\S+ info Child SA rekeyed`)
	ikeRekeyed   = regexp.MustCompile(`(?m)^\S+ info IKE SA rekeyed`)
	soakTrouble  = regexp.MustCompile(`(?m)^\S+ (warn|error) .*$|^\S+ info (Child SA ended|IKE SA ended).*$`)
)

// rekeys is how many rekeys an end has logged.
func (s *soak) rekeys(t *testing.T, h *Host, what *regexp.Regexp) int {
	t.Helper()
	return len(what.FindAllStringIndex(h.Log(t), -1))
}

// checkRekeys waits until no rekey is under way. Both ends must have seen the same ones, and no SA may have ended, which is
// what its lifetime does to one whose rekey failed.
func (s *soak) checkRekeys(t *testing.T) {
	t.Helper()
	waitFor(t, "both ends agree on the SAs and have logged the same rekeys", func() (bool, string) {
		left, right := s.Left.SAs(t), s.Right.SAs(t)
		return sameSAs(left, right, []string{"net", "net6"}) &&
			s.rekeys(t, s.Left, childRekeyed) == s.rekeys(t, s.Right, childRekeyed) &&
			s.rekeys(t, s.Left, ikeRekeyed) == s.rekeys(t, s.Right, ikeRekeyed), ""
	})
	t.Logf("rekeys: %d of Child SAs, %d of the IKE SA", s.rekeys(t, s.Left, childRekeyed), s.rekeys(t, s.Left, ikeRekeyed))
	for i, h := range s.hosts {
		if trouble := soakTrouble.FindAllString(h.Log(t)[s.logged[i]:], 20); len(trouble) > 0 {
			t.Errorf("%s: goswan has logged trouble:\n%s", h.Name, strings.Join(trouble, "\n"))
		}
	}
}

// How much higher memory may be in the last fifth of the load than in the second. What is live is known from the last garbage
// collection, which in a short run may be one from before the load: 1 MB is the trains of a sender, which makes each when it
// is first needed. In ten minutes, a leak of 8 kB a rekey or of one octet in a hundred packets is another. rssGrowth is twice what
// Go's garbage comes to: it is collected when there is as much of it as of what is live, and 4 MB at least.
const (
	liveGrowth = 2 << 20
	rssGrowth  = 8 << 20
)

// checkMemory compares the highest levels of the second fifth of the load, when everything that is used has been used once,
// with those of the last.
func (s *soak) checkMemory(t *testing.T) {
	t.Helper()
	for i, h := range s.hosts {
		all := s.samples[i]
		early, late := highest(all[len(all)/5:max(len(all)*2/5, len(all)/5+1)]), highest(all[len(all)*4/5:])
		t.Logf("%s: before the load: %v", h.Name, s.begin[i])
		t.Logf("%s: highest in the second fifth: %v", h.Name, early)
		t.Logf("%s: highest in the last fifth: %v", h.Name, late)
		if late.RSS > early.RSS+rssGrowth || late.Live > early.Live+liveGrowth {
			t.Errorf("%s: goswan's memory grows; all samples:\n%v", h.Name, all)
		}
	}
}

// highest is the maximum of each figure.
func highest(all []Load) (top Load) {
	for _, l := range all {
		top = Load{
			RSS: max(top.RSS, l.RSS), Heap: max(top.Heap, l.Heap), Live: max(top.Live, l.Live),
			Goroutines: max(top.Goroutines, l.Goroutines), Files: max(top.Files, l.Files),
		}
	}
	return top
}

// checkEnd waits until goswan has what it had before the load and, after a prolonged run, takes the SAs down and waits
// until it has what it had before there was one: for some seconds it keeps what answers the peer's repeated request.
func (s *soak) checkEnd(t *testing.T) {
	t.Helper()
	s.waitLoad(t, s.begin)
	if os.Getenv("GOSWAN_LAB_SOAK") == "" {
		return
	}
	s.Left.Terminate(t, "site")
	s.WaitGone(t)
	s.waitLoad(t, s.idle)
}

// waitLoad waits until both daemons have as many goroutines and files as they had then.
func (s *soak) waitLoad(t *testing.T, then [2]Load) {
	t.Helper()
	for i, h := range s.hosts {
		waitFor(t, h.Name+": goswan has the goroutines and files that it had", func() (bool, string) {
			now := h.Load(t)
			return now.Goroutines == then[i].Goroutines && now.Files == then[i].Files, "then " + then[i].String() + ", now " + now.String()
		})
		t.Logf("%s: after the load %v; it had %d goroutines and %d files", h.Name, h.Load(t), then[i].Goroutines, then[i].Files)
	}
}
