package esp_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/tun/packet"
)

// TestPathLimit: the MTU is the most that fits, of every suite, and is forgotten with time and with the path.
func TestPathLimit(t *testing.T) {
	now := time.Unix(1000, 0)
	for _, keywords := range esptest.Suites {
		l := newLink(t, esptest.Pair{Keywords: keywords})
		tr := packet.NewTrain()
		mtu := func(now time.Time) int {
			if !l.out.Begin(tr) {
				t.Fatal("the SA is no more")
			}
			defer l.out.End(now)
			return l.out.MTU()
		}
		for _, n := range []int{packet.MaxTrain, 1472, 1471, 1470, 1469, 1452, 1232, 548} {
			l.out.LimitPath(bob, n, now)
			if m := mtu(now); l.out.Size(m) > n || l.out.Size(m+1) <= n {
				t.Errorf("%s: an MTU of %d for %d octets: that makes %d, and one more %d", keywords, m, n, l.out.Size(m), l.out.Size(m+1))
			}
		}
		limited := mtu(now)
		l.out.LimitPath(netip.MustParseAddrPort("192.0.2.99:4500"), 1000, now)
		if m := mtu(now.Add(10 * time.Minute)); m != limited {
			t.Errorf("%s: what another path takes changed the MTU to %d", keywords, m)
		}
		mtu(now.Add(10*time.Minute + 1)) // its End forgets
		if m := mtu(now); l.out.Size(m+1) <= packet.MaxTrain {
			t.Errorf("%s: after ten minutes the MTU is still %d", keywords, m)
		}
		l.out.LimitPath(bob, 1000, now)
		l.out.Move(alice, bob)
		if m := mtu(now); l.out.Size(m+1) <= packet.MaxTrain {
			t.Errorf("%s: after a move the MTU is still %d", keywords, m)
		}
	}
}
