package esp_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/tun/packet"
)

// TestPathLimit: the MTU is the most that fits, of every suite; it is to be asked for anew with time, and forgotten with the path.
func TestPathLimit(t *testing.T) {
	now := time.Unix(1000, 0)
	until := now.Add(time.Minute)
	for _, keywords := range esptest.Suites {
		l := newLink(t, esptest.Pair{Keywords: keywords})
		tr := packet.NewTrain()
		mtu := func(now time.Time) (n int, s esp.Signal) {
			if !l.out.Begin(tr) {
				t.Fatal("the SA is no more")
			}
			n = l.out.MTU(4)
			if room, _ := l.out.Room(); room != n || !l.out.Fits(n) || l.out.Fits(n+1) {
				t.Errorf("%s: the MTU is %d and the room %d", keywords, n, room)
			}
			return n, l.out.End(now)
		}
		for _, n := range []int{packet.MaxTrain, 1472, 1471, 1470, 1469, 1452, 1232, 548} {
			l.out.LimitPath(bob, n, until)
			if m, _ := mtu(now); l.out.Size(m) > n || l.out.Size(m+1) <= n {
				t.Errorf("%s: an MTU of %d for %d octets: that makes %d, and one more %d", keywords, m, n, l.out.Size(m), l.out.Size(m+1))
			}
		}
		limited, _ := mtu(now)
		l.out.LimitPath(netip.MustParseAddrPort("192.0.2.99:4500"), 1000, time.Time{})
		for _, c := range []struct {
			now  time.Time
			want esp.Signal
		}{
			{until, 0},
			{until.Add(1), esp.PathDue},
			{until.Add(time.Second), 0}, // it was told just now
			{until.Add(2 * time.Second), esp.PathDue},
		} {
			if m, s := mtu(c.now); m != limited || s != c.want {
				t.Errorf("%s: at %v the MTU is %d and the signal %d, want %d and %d", keywords, c.now, m, s, limited, c.want)
			}
		}
		l.out.Move(alice, bob)
		if m, s := mtu(until.Add(time.Hour)); l.out.Size(m+1) <= packet.MaxTrain || s != 0 {
			t.Errorf("%s: after a move the MTU is still %d, and the signal %d", keywords, m, s)
		}
	}
}

// TestSealedWhole: what is sealed although it does not fit.
func TestSealedWhole(t *testing.T) {
	for _, ignore := range []bool{false, true} {
		o, i := esptest.Pair{SPI: 0xc0ffee01, From: alice, To: bob, FromTS: []string{"10.1.0.0/16"}, ToTS: []string{"10.2.0.0/16"}}.Params()
		o.IgnoreDF = ignore
		l := linkOf(t, o, i)
		for _, n := range []int{548, 1472} {
			l.out.LimitPath(bob, n, time.Unix(1000, 0))
			if !l.out.Begin(packet.NewTrain()) {
				t.Fatal("the SA is no more")
			}
			room, known := l.out.Room()
			four, six := l.out.MTU(4), l.out.MTU(6)
			l.out.End(time.Unix(1000, 0))
			switch {
			case !known || l.out.Size(room) > n:
				t.Errorf("the room is %d, %v", room, known)
			case ignore && (l.out.Size(four+1) <= packet.MaxTrain || six != four):
				t.Errorf("the MTU is %d and %d, want all that a datagram holds", four, six)
			case !ignore && (four != room || six != max(room, 1280)):
				t.Errorf("the MTU is %d and %d, want %d and %d", four, six, room, max(room, 1280))
			}
		}
	}
}

// TestMSSClamp: the MSS for each setting.
func TestMSSClamp(t *testing.T) {
	for _, c := range []struct {
		clamp     esp.MSSClamp
		room      int
		four, six uint16
	}{
		{esp.KeepMSS, 1438, 0xffff, 0xffff},
		{esp.MSSFromPath, 1438, 1398, 1378},
		{esp.MSSFromPath, 1000, 960, 1220}, // IPv6 always has 1280
		{esp.MSSFromPath, 10, 0, 1220},
		{1200, 1000, 1200, 1200},
	} {
		if four, six := c.clamp.Most(4, c.room), c.clamp.Most(6, c.room); four != c.four || six != c.six {
			t.Errorf("%d with room for %d: %d and %d, want %d and %d", c.clamp, c.room, four, six, c.four, c.six)
		}
	}
}
