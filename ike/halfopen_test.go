package ike

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"math"
	"net/netip"
	"slices"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

func TestAggregate(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"2001:db8::1", "2001:db8::ffff:2", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
	} {
		a, b := aggregate(netip.MustParseAddr(c.a)), aggregate(netip.MustParseAddr(c.b))
		if (a == b) != c.same {
			t.Errorf("%s and %s are counted as %v and %v, want the same: %v", c.a, c.b, a, b, c.same)
		}
	}
}

func TestJudge(t *testing.T) {
	lim := Limits{CookieThreshold: 4, CookieThresholdIP: 2, BlockThreshold: 3, HalfOpen: 6}
	h := newHalfOpen(rand.Reader)
	yes, no := func() bool { return true }, func() bool { return false }
	a, b, c := netip.MustParseAddr("2001:db8:a::1"), netip.MustParseAddr("2001:db8:a::2"), netip.MustParseAddr("192.0.2.3")
	for i, step := range []struct {
		from   netip.Addr
		cookie func() bool
		want   verdict
	}{
		{a, no, admit}, {b, no, admit},
		{a, no, ask}, {b, yes, admit}, // the threshold of one /64
		{a, yes, ignore}, {a, no, ignore}, // it is blocked, cookie or not
		{c, no, admit},
		{c, no, ask}, {c, yes, admit}, // the threshold of all
		{netip.MustParseAddr("192.0.2.4"), yes, admit},
		{netip.MustParseAddr("192.0.2.5"), yes, ignore}, // the limit of all
	} {
		if got, counted := h.judge(step.from, step.cookie, lim); got != step.want || (counted != nil) != (got == admit) {
			t.Fatalf("step %d: the verdict on %v is %d, want %d", i, step.from, got, step.want)
		}
	}
	if got, _ := newInitiatorOnly().judge(c, yes, Limits{InitiatorOnly: true, HalfOpen: 10, BlockThreshold: 10}); got != ignore {
		t.Error("InitiatorOnly admits a stranger")
	}
}

func newInitiatorOnly() *halfOpen {
	h := newHalfOpen(rand.Reader)
	return &h
}

func TestCountsAreForgotten(t *testing.T) {
	h := newHalfOpen(rand.Reader)
	lim := Limits{}.withDefaults()
	a := netip.MustParseAddr("192.0.2.1")
	_, first := h.judge(a, nil, lim)
	_, second := h.judge(a, nil, lim)
	h.leave(first)
	if h.count() != 1 || len(h.byAddr) != 1 {
		t.Errorf("after one of two has left %d are counted", h.count())
	}
	h.leave(second)
	if h.count() != 0 || len(h.byAddr) != 0 {
		t.Errorf("after both have left %d are counted and %d addresses kept", h.count(), len(h.byAddr))
	}
}

func TestCookieSecretsChange(t *testing.T) {
	h := newHalfOpen(rand.Reader)
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	get := func(after time.Duration) [][]byte {
		s, err := h.cookieSecrets(at.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		var all [][]byte
		for _, one := range s {
			all = append(all, slices.Clone(one))
		}
		return all
	}
	first := get(0)
	if len(first) != 1 || !bytes.Equal(get(cookieLifetime)[0], first[0]) {
		t.Error("the secret changed within its lifetime")
	}
	second := get(cookieLifetime + 1)
	if len(second) != 2 || bytes.Equal(second[0], first[0]) || !bytes.Equal(second[1], first[0]) {
		t.Error("after its lifetime there is no new secret, or the old one is not accepted any more")
	}
	if third := get(10 * cookieLifetime); len(third) != 1 && bytes.Equal(third[1], first[0]) {
		t.Error("an old secret is accepted without end")
	}
	broken := newHalfOpen(iotest.ErrReader(errors.New("no randomness")))
	if _, err := broken.cookieSecrets(at); err == nil {
		t.Error("a secret was made without randomness")
	}
}

func limits(l Limits) func(*Config) { return func(c *Config) { c.Limits = l } }

// withCookie is a request repeated with a cookie, first of its payloads.
func withCookie(t *testing.T, request, cookie []byte) []byte {
	t.Helper()
	m, err := wire.Parse(request)
	if err != nil {
		t.Fatal(err)
	}
	m.Payloads = append([]wire.Payload{&wire.Notify{NotifyType: wire.Cookie, Data: cookie}}, m.Payloads...)
	return m.AppendTo(nil)
}

func TestACookieIsAskedFromTheThresholdOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		request := firstRequest(t)
		n, right := alone(t, limits(Limits{CookieThreshold: 2}))
		send := func(who int, data []byte) *wire.Message {
			right.Deliver(rightPort, stranger(who), slices.Clone(data))
			synctest.Wait()
			all := answers(t, n, stranger(who))
			want(t, "there is an answer", len(all) > 0)
			return all[len(all)-1]
		}
		for who := range 2 {
			want(t, "below the threshold no cookie is asked for", send(who, request).Notify(wire.Cookie) == nil)
		}
		asked := send(2, request).Notify(wire.Cookie)
		want(t, "from the threshold on a cookie is asked for", asked != nil)
		want(t, "asking costs no state", right.Timers() == 2 && right.HalfOpen() == 2 && right.Counters().CookiesRequired == 1)

		want(t, "a made-up cookie is asked for anew", send(2, withCookie(t, request, make([]byte, 32))).Notify(wire.Cookie) != nil)
		want(t, "somebody else's cookie is asked for anew", send(3, withCookie(t, request, asked.Data)).Notify(wire.Cookie) != nil)
		other := withCookie(t, withSPI(request, 77), asked.Data)
		want(t, "the cookie of another SPI is asked for anew", send(2, other).Notify(wire.Cookie) != nil)
		want(t, "none of this leaves state", right.Timers() == 2)

		want(t, "the right cookie is taken", send(2, withCookie(t, request, asked.Data)).Notify(wire.Cookie) == nil && right.HalfOpen() == 3)
		pass(cookieLifetime + time.Second)
		// The half-open IKE SAs have ended by now, so fill them up again.
		for who := 10; who < 12; who++ {
			send(who, request)
		}
		want(t, "the cookie is still good under the next secret", send(2, withCookie(t, request, asked.Data)).Notify(wire.Cookie) == nil)
	})
}

func TestARealInitiatorReturnsTheCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		request := firstRequest(t)
		_, left, right := pair(t, limits(Limits{CookieThreshold: 1}))
		right.Deliver(rightPort, stranger(1), request)
		left.up(t)
		want(t, "a cookie was asked for", right.Counters().CookiesRequired == 1)
		want(t, "only the stranger is half-open", right.HalfOpen() == 1)
	})
}

func TestAnAddressIsBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		request := firstRequest(t)
		n, right := alone(t, limits(Limits{CookieThreshold: math.MaxInt, CookieThresholdIP: math.MaxInt, BlockThreshold: 3}))
		from := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(stranger(1).Addr(), port) }
		for i := range uint16(5) {
			right.Deliver(rightPort, from(1000+i), withSPI(request, uint64(i)+1))
		}
		synctest.Wait()
		want(t, "three are admitted and two ignored without an answer",
			right.HalfOpen() == 3 && right.Counters().Ignored == 2 && len(n.to(from(1003)))+len(n.to(from(1004))) == 0)
		right.Deliver(rightPort, stranger(2), withSPI(request, 9))
		synctest.Wait()
		want(t, "somebody else is admitted", right.HalfOpen() == 4 && len(n.to(stranger(2))) == 1)
	})
}

func TestHalfOpenEnds(t *testing.T) {
	for name, c := range map[string]struct {
		change func(n *network, right *host)
		told   bool
	}{
		"by timeout": {func(n *network, right *host) {
			n.lose(func(s sent) bool { return s.to == netip.AddrPortFrom(rightAddr, 4500) }) // IKE_AUTH
		}, true},
		"by failure": {func(n *network, right *host) {
			next := catalog("right", "left", leftAddr)
			next.Secrets[0].Key = []byte("another")
			right.catalog.Store(next)
		}, true},
		"by success": {func(*network, *host) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, left, right := pair(t)
				seen := 0
				n.lose(func(sent) bool { seen = max(seen, right.HalfOpen()); return false })
				c.change(n, right)
				_ = left.initiate(t)
				pass(core.DefaultSettings().HalfOpenTimeout + time.Second)
				want(t, "nothing is half-open any more", right.HalfOpen() == 0 && len(right.halfOpen.byAddr) == 0)
				want(t, "a failure is told once", (len(outputs[core.Failed](right)) == 1) == c.told)
				want(t, "what failed has left nothing", !c.told || right.Timers() == 0)
			})
		})
	}
}

func TestInitiatorOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, left, right := pair(t, limits(Limits{InitiatorOnly: true}))
		o := left.initiate(t)
		pass(5 * time.Minute)
		want(t, "nobody answers", o.settled(t).Kind == core.Timeout && len(n.to(netip.AddrPortFrom(leftAddr, 500))) == 0)
		want(t, "the requests are counted as ignored", right.Counters().Ignored > 0 && right.Timers() == 0)
		right.up(t)
		want(t, "it can initiate itself", len(right.IKESAs()) == 1)
	})
}

func TestTheLimitOfIKESAs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		request := firstRequest(t)
		n, right := alone(t, limits(Limits{IKESAs: 2}))
		for i := range 3 {
			right.Deliver(rightPort, stranger(i), slices.Clone(request))
		}
		synctest.Wait()
		want(t, "the third is ignored and not counted as half-open",
			right.Timers() == 2 && right.HalfOpen() == 2 && right.Counters().Ignored == 1 && len(n.to(stranger(2))) == 0)
		conn := right.catalog.Load().Connections[0]
		want(t, "initiating tells why not", errors.Is(right.Initiate(InitiateRequest{Connection: conn}, nil), ErrTooManyIKESAs))
		_ = right.Close(context.Background())
		right.Deliver(rightPort, stranger(3), slices.Clone(request))
		want(t, "a closed endpoint takes no first request", right.Counters().Ignored == 2)
	})
}
