package ike

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// firstRequest is a real IKE_SA_INIT request of left's, which never arrived.
func firstRequest(t *testing.T) []byte {
	t.Helper()
	n := newNetwork(t)
	left := n.host(leftAddr, catalog("left", "right", rightAddr))
	n.lose(func(sent) bool { return true })
	_ = left.initiate(t)
	synctest.Wait()
	all := n.to(netip.AddrPortFrom(rightAddr, 500))
	want(t, "there is one request", len(all) == 1)
	end(left)
	return all[0].data
}

// withSPI is a request as another initiator would send it.
func withSPI(request []byte, n uint64) []byte {
	b := slices.Clone(request)
	binary.BigEndian.PutUint64(b, n)
	return b
}

// stranger is somebody else's address.
func stranger(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(n)}), 500)
}

// alone is a responder that strangers send datagrams to. Its answers are in the network's log.
func alone(t *testing.T, change ...func(*Config)) (*network, *host) {
	n := newNetwork(t)
	return n, n.host(rightAddr, catalog("right", "left", leftAddr), change...)
}

// answers are what was sent to an address.
func answers(t *testing.T, n *network, to netip.AddrPort) []*wire.Message {
	t.Helper()
	var all []*wire.Message
	for _, s := range n.to(to) {
		m, err := wire.Parse(s.data)
		if err != nil {
			t.Fatalf("an answer cannot be read: %v", err)
		}
		all = append(all, m)
	}
	return all
}

var rightPort = netip.AddrPortFrom(rightAddr, 500)

func TestAPeerIsKnownByItsSPIsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, left, right := pair(t)
		left.up(t)
		// From now on a NAT gives left another address and port.
		outside := netip.MustParseAddrPort("203.0.113.99:61234")
		inside := netip.AddrPortFrom(leftAddr, 4500)
		n.translate(func(s sent) sent {
			if s.from == inside {
				s.from = outside
			}
			if s.to == outside {
				s.to = inside
			}
			return s
		})
		before := right.Counters()
		rekeyed := new(outcome)
		left.Command(left.IKESAs()[0].UniqueID, func(op uint64) core.Command { return core.Rekey{Op: op, IKE: true} }, rekeyed.done)
		want(t, "the exchange goes on from the new address", rekeyed.settled(t) == nil)
		want(t, "it is the same lineage", right.Timers() == 1 && right.Counters().UnknownSPI == before.UnknownSPI)
		want(t, "the responder follows", right.IKESAs()[0].Remote == outside)
		end(left, right)
	})
}

func TestARetransmittedFirstRequestGetsTheSameAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		request := firstRequest(t)
		n, right := alone(t)
		from := stranger(1)
		for range 3 {
			right.Deliver(rightPort, from, slices.Clone(request))
			synctest.Wait()
		}
		got := n.to(from)
		want(t, "each copy is answered", len(got) == 3)
		want(t, "with the same octets", bytes.Equal(got[0].data, got[1].data) && bytes.Equal(got[0].data, got[2].data))
		want(t, "by one lineage", right.Timers() == 1 && right.HalfOpen() == 1)

		right.Deliver(rightPort, stranger(2), slices.Clone(request))
		synctest.Wait()
		want(t, "the same SPI of somebody else is another IKE SA", right.Timers() == 2)
	})
}

func TestACopyThatCameAtTheSameTime(t *testing.T) {
	tables := newTables()
	key := initKey{header.SPI{1}, stranger(1)}
	first, second := &lineage{id: 1, entries: entries{init: key}}, &lineage{id: 2, entries: entries{init: key}}
	if l, err := tables.enter(first, 10, func() {}); l != first || err != nil {
		t.Fatalf("the first copy is not entered: %v", err)
	}
	l, err := tables.enter(second, 10, func() { t.Error("the second copy's lineage was started") })
	if l != first || err != nil {
		t.Errorf("the second copy gets lineage %v (%v), want the first's", l, err)
	}
}

func TestWhatIsNoIKEMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		request := firstRequest(t)
		edit := func(f func(b []byte) []byte) []byte { return f(slices.Clone(request)) }
		for name, c := range map[string]struct {
			data  []byte
			count func(Counters) uint64
		}{
			"nothing":          {nil, func(c Counters) uint64 { return c.Malformed }},
			"half a header":    {request[:20], func(c Counters) uint64 { return c.Malformed }},
			"cut short":        {request[:len(request)-1], func(c Counters) uint64 { return c.Malformed }},
			"one octet more":   {append(slices.Clone(request), 0), func(c Counters) uint64 { return c.Malformed }},
			"length too small": {edit(func(b []byte) []byte { binary.BigEndian.PutUint32(b[24:], 27); return b }), func(c Counters) uint64 { return c.Malformed }},
			"IKEv1":            {edit(func(b []byte) []byte { b[17] = 0x10; return b }), func(c Counters) uint64 { return c.UnknownVersion }},
			"version 0":        {edit(func(b []byte) []byte { b[17] = 0; return b }), func(c Counters) uint64 { return c.UnknownVersion }},
			"a response":       {edit(func(b []byte) []byte { b[19] |= byte(header.Response); return b }), func(c Counters) uint64 { return c.UnknownSPI }},
			"an IKE_AUTH":      {edit(func(b []byte) []byte { b[18] = byte(header.IKEAuth); return b }), func(c Counters) uint64 { return c.UnknownSPI }},
			"no initiator SPI": {withSPI(request, 0), func(c Counters) uint64 { return c.Ignored }},
		} {
			n, right := alone(t)
			right.Deliver(rightPort, stranger(1), c.data)
			synctest.Wait()
			got := right.Counters()
			if got.Received != 1 || c.count(got) != 1 {
				t.Errorf("%s: the counters are %+v", name, got)
			}
			if len(n.to(stranger(1))) != 0 || right.Timers() != 0 || right.HalfOpen() != 0 {
				t.Errorf("%s is answered %d times and leaves %d lineages, want neither", name, len(n.to(stranger(1))), right.Timers())
			}
		}
	})
}

func TestALaterVersionIsToldOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, right := alone(t)
		request := firstRequest(t)
		request[17] = 0x30
		right.Deliver(rightPort, stranger(1), request)
		got := answers(t, n, stranger(1))
		want(t, "there is one answer", len(got) == 1)
		notify := got[0].Notify(wire.InvalidMajorVersion)
		want(t, "it is INVALID_MAJOR_VERSION with our version, 2", notify != nil && got[0].IsResponse() && bytes.Equal(notify.Data, []byte{0x20}))
		want(t, "nothing is kept", right.Timers() == 0 && right.HalfOpen() == 0 && right.Counters().UnknownVersion == 1)

		request = slices.Clone(request)
		request[19] |= byte(header.Response)
		right.Deliver(rightPort, stranger(2), request)
		want(t, "a response of a later version is not answered", len(n.to(stranger(2))) == 0)
	})
}

func TestAFirstRequestThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		request := firstRequest(t)
		n, right := alone(t)
		broken := slices.Clone(request)
		broken[header.Len+2], broken[header.Len+3] = 0xff, 0xff // the first payload claims more than there is
		right.Deliver(rightPort, stranger(1), broken)
		synctest.Wait()
		// INVALID_SYNTAX "may only be returned for and in an encrypted packet".  RFC 7296 §3.10.1
		want(t, "bad syntax in the clear is not answered", len(n.to(stranger(1))) == 0)
		want(t, "nothing is kept", right.Timers() == 0 && right.HalfOpen() == 0)

		critical := slices.Clone(request)
		critical[16] = 200            // the first payload is of an unknown type …
		critical[header.Len+1] = 0x80 // … and critical
		right.Deliver(rightPort, stranger(2), critical)
		synctest.Wait()
		got := answers(t, n, stranger(2))
		want(t, "an unknown critical payload is named", len(got) == 1 && got[0].Notify(wire.UnsupportedCriticalPayload) != nil)
		want(t, "nothing is kept", right.Timers() == 0 && right.HalfOpen() == 0)
	})
}

func TestAFullInboxLosesAndDoesNotBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		request := firstRequest(t)
		blocked, release := make(chan struct{}), make(chan struct{})
		first := true
		n := newNetwork(t)
		right := n.host(rightAddr, catalog("right", "left", leftAddr), func(c *Config) {
			c.Limits.Inbox = 4
			watch := c.Watch
			c.Watch = func(id uint64, o core.Output) {
				watch(id, o)
				if first {
					first = false
					close(blocked)
					<-release
				}
			}
		})
		right.Deliver(rightPort, stranger(1), slices.Clone(request))
		<-blocked
		for range 10 { // would never return if it blocked
			right.Deliver(rightPort, stranger(1), slices.Clone(request))
		}
		want(t, "four wait and six are counted as lost", right.Counters().InboxFull == 6)
		close(release)
		synctest.Wait()
		want(t, "what waited is answered", len(n.to(stranger(1))) == 5)
	})
}

func TestTablesAreEmptyInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, left, right := pair(t)
		left.up(t)
		left.up(t, func(r *InitiateRequest) { r.Separate = true })
		for _, s := range left.IKESAs() {
			for _, c := range []core.Rekey{{IKE: true}, {Child: "net"}} {
				o := new(outcome)
				left.Command(s.UniqueID, func(op uint64) core.Command { c.Op = op; return c }, o.done)
				synctest.Wait()
			}
		}
		pass(time.Minute) // for what is kept a while
		for _, h := range []*host{left, right} {
			tb := &h.tables
			want(t, "the tables hold what is there and nothing older",
				len(tb.bySPI) == 2 && len(tb.bySA) == 4 && len(tb.byID) == 2 && len(tb.byEnds) == 1 && len(tb.byConn) == 1)
		}
		end(left, right)
		for _, h := range []*host{left, right} {
			tb := &h.tables
			want(t, "the tables are empty", len(tb.all)+len(tb.bySPI)+len(tb.byInit)+len(tb.bySA)+len(tb.byID)+len(tb.byConn)+len(tb.byEnds) == 0)
		}
	})
}
