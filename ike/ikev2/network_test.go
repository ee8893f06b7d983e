package ikev2_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2"
	"github.com/goswan/goswan/ike/sim"
)

// TestRetransmission loses each message of the first exchanges once: requests come again, responses come from the cache, and
// there is one Child SA.
func TestRetransmission(t *testing.T) {
	for lost := range 4 {
		n := 0
		tc := newTest(t, sim.Faults{Drop: func(core.Datagram) bool { n++; return n == lost+1 }})
		op := tc.left.Initiate("site", "net", rightAddr)
		tc.w.Run(10 * time.Second)
		tc.want("it comes up", tc.done(tc.left, op) == nil)
		tc.same(1)
		tc.want("with one IKE SA", len(tc.right.Lineages()) == 1 && len(sim.Told[core.Established](tc.right)) == 1)
		again := slices.ContainsFunc(sim.Told[core.Message](tc.right), func(m core.Message) bool { return m.Outbound && m.Retransmit == 1 })
		tc.want("a lost response is repeated from the cache", again == (lost%2 == 1))
		tc.end()
	}
}

// TestBackOff is the timing of retransmissions: 4 s, and 1.8 times as long each time.
func TestBackOff(t *testing.T) {
	tc := newTest(t, sim.Faults{Loss: 1})
	tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(5 * time.Minute)
	var waits []string
	messages := sim.Told[core.Message](tc.left)
	for i := 1; i < len(messages); i++ {
		waits = append(waits, messages[i].At.Sub(messages[i-1].At).Round(time.Millisecond).String())
	}
	tc.want("it waits "+strings.Join(waits, " "), strings.Join(waits, " ") == "4s 7.2s 12.96s 23.328s 41.99s")

	tc = newTest(t, sim.Faults{Loss: 1})
	tc.left.Env.Settings.RetransmitLimit, tc.left.Env.Settings.RetransmitJitter = 10*time.Second, 50
	tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(5 * time.Minute)
	messages = sim.Told[core.Message](tc.left)
	for i := 1; i < len(messages); i++ {
		d := messages[i].At.Sub(messages[i-1].At)
		tc.want("limit and jitter bound the wait: "+d.String(), d >= 2*time.Second && d <= 10*time.Second)
	}
}

// TestInvalidKE has the responder want another key exchange. RFC 7296 §1.2
func TestInvalidKE(t *testing.T) {
	tc := newTest(t, sim.Faults{}, func(l, r *core.Catalog) {
		l.Connections[0].Proposals = ike("aes256gcm16-prfsha384-ecp256-x25519")
		r.Connections[0].Proposals = ike("aes256gcm16-prfsha384-ecp384-x25519")
	})
	tc.up()
	tc.want("it takes one round more", strings.HasPrefix(strings.Join(tc.left.Ladder(), "\n"), strings.Join([]string{
		"▶ IKE_SA_INIT request 0 [ SA KE No N(NATD_S_IP) N(NATD_D_IP) N(FRAG_SUP) N(HASH_ALG) ]",
		"◀ IKE_SA_INIT response 0 [ N(INVAL_KE) ]",
		"▶ IKE_SA_INIT request 0 [ SA KE No N(NATD_S_IP) N(NATD_D_IP) N(FRAG_SUP) N(HASH_ALG) ]"}, "\n")))
	tc.want("and the status names it", strings.HasSuffix(tc.left.IKESAs()[0].Suite.String(), "CURVE_25519"))
	tc.want("asking for another key exchange is no failure", len(sim.Told[core.Failed](tc.right)) == 0)
	tc.end()
}

// TestCookie goes through the stateless challenge, with both helpers and the initiator's side. RFC 7296 §2.6
func TestCookie(t *testing.T) {
	tc := newTest(t, sim.Faults{})
	secret, older := []byte("the secret of now"), []byte("the secret before")
	var first, second core.Datagram
	tc.right.Arrived = nil
	tc.w.Faults.Drop = func(d core.Datagram) bool {
		h, err := header.Parse(d.Data)
		if err != nil || h.Exchange != header.IKESAInit || h.IsResponse() {
			return false
		}
		seen := core.Datagram{Local: d.Remote, Remote: d.Local, Data: d.Data}
		if ikev2.CookieValid([][]byte{secret, older}, seen) {
			second = seen
			return false
		}
		first = seen
		return true
	}
	op := tc.left.Initiate("site", "net", rightAddr)
	reply, ok := ikev2.CookieChallenge(older, first)
	tc.want("the first request is challenged", ok)
	tc.left.Inject(core.Datagram{Local: first.Remote, Remote: first.Local, Data: reply})
	tc.w.Run(time.Second)
	tc.want("the request with the cookie goes on", tc.done(tc.left, op) == nil)
	tc.same(1)
	tc.want("the cookie stands in front and nothing else changed", strings.HasPrefix(tc.left.Ladder()[2], "▶ IKE_SA_INIT request 0 [ N(COOKIE) SA KE No N(NATD_S_IP)") &&
		slices.Equal(first.Data[:8], second.Data[:8]))
	moved := second
	moved.Remote = netip.AddrPortFrom(netip.MustParseAddr("203.0.113.9"), 500)
	tc.want("a cookie does not fit another address", !ikev2.CookieValid([][]byte{secret, older}, moved))
	tc.want("nor another secret", !ikev2.CookieValid([][]byte{secret}, second))
	tc.want("nor a request without one", !ikev2.CookieValid([][]byte{older}, first))
	_, ok = ikev2.CookieChallenge(secret, core.Datagram{Data: []byte("no message"), Remote: moved.Remote})
	tc.want("octets that are no request get no challenge", !ok)
	tc.end()
}

// TestCookieLoop has somebody answer every request with a cookie: the initiator stops playing along.
func TestCookieLoop(t *testing.T) {
	tc := newTest(t, sim.Faults{})
	tc.w.Faults.Drop = func(core.Datagram) bool { return true }
	requests := 0
	tc.left.Watch = func(o core.Output) {
		if s, ok := o.(core.Send); ok {
			requests++
			d := core.Datagram{Local: s.Remote, Remote: s.Local, Data: s.Data}
			if reply, ok := ikev2.CookieChallenge([]byte{byte(requests)}, d); ok && requests < 100 {
				tc.w.After(time.Millisecond, func() { tc.left.Inject(core.Datagram{Local: s.Local, Remote: s.Remote, Data: reply}) })
			}
		}
	}
	tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(3 * time.Second)
	tc.want("after a few rounds it answers no more", requests <= 8)
	tc.w.Run(5 * time.Minute)
	tc.end()
}

func TestInvalidMajorVersion(t *testing.T) {
	h := header.Header{Initiator: header.SPI{1}, Major: 3, Exchange: header.IKESAInit, Flags: header.Initiator, MessageID: 7, Length: 28}
	reply, ok := ikev2.InvalidMajorVersion(core.Datagram{Data: h.AppendTo(nil)})
	if !ok {
		t.Fatal("a request of version 3 gets no answer")
	}
	r, err := header.Parse(reply)
	if err != nil || r.Major != 2 || !r.IsResponse() || r.Initiator != h.Initiator || r.MessageID != 7 {
		t.Errorf("the answer is %v (%v)", r, err)
	}
	h.Flags |= header.Response
	if _, ok := ikev2.InvalidMajorVersion(core.Datagram{Data: h.AppendTo(nil)}); ok {
		t.Error("a response gets an answer")
	}
	h.Flags, h.Major = header.Initiator, 2
	if _, ok := ikev2.InvalidMajorVersion(core.Datagram{Data: h.AppendTo(nil)}); ok {
		t.Error("version 2 gets an answer")
	}
}

// TestNAT has the initiator behind a NAT that forgets its mapping. RFC 7296 §2.23
func TestNAT(t *testing.T) {
	tc := newTest(t, sim.Faults{})
	outside := netip.MustParseAddr("203.0.113.1")
	tc.left.Behind(outside)
	tc.up()
	l, r := tc.left.IKESAs()[0], tc.right.IKESAs()[0]
	tc.want("the initiator knows of its NAT", l.NATLocal && l.NATRemote)
	tc.want("the responder sees the NAT's address", r.NATRemote && !r.NATLocal && r.Remote.Addr() == outside && r.Remote.Port() != 4500)
	keepalives := 0
	tc.left.Watch = func(o core.Output) {
		if _, ok := o.(core.SendKeepalive); ok {
			keepalives++
		}
	}
	tc.w.Run(5 * time.Minute)
	tc.want("keepalives go out every 20 s", keepalives >= 14 && keepalives <= 15)
	tc.want("and only from behind the NAT", !strings.Contains(strings.Join(tc.right.Logs, "\n"), "keep alive"))
	tc.left.Rebind()
	reason := tc.command(tc.left, func(op uint64) core.Command { return core.Liveness{Op: op} })
	tc.want("after a rebinding the peer answers", reason == nil)
	now := tc.right.IKESAs()[0]
	tc.want("and has followed to the new port", now.Remote != r.Remote && now.Remote.Addr() == outside)
	for _, sa := range tc.right.Path.Out {
		tc.want("with its SAs", sa.Remote == now.Remote)
	}
	tc.left.Send()
	tc.right.Send()
	tc.w.Run(time.Second)
	tc.want("packets flow both ways", tc.w.PacketsLost == 0)
	tc.end()
}

// TestMoved has the data path tell that packets come from elsewhere, and our own address change.
func TestMoved(t *testing.T) {
	tc := newTest(t, sim.Faults{})
	tc.up()
	elsewhere := netip.MustParseAddrPort("192.0.2.77:4500")
	tc.right.Command(tc.right.Lineage("site"), func(uint64) core.Command { return core.Move{Remote: elsewhere} })
	tc.want("the IKE SA and its Child SAs move", tc.right.IKESAs()[0].Remote == elsewhere && tc.right.Path.Out[tc.right.Children()[0].SPIOut].Remote == elsewhere)
	tc.left.Move(elsewhere.Addr())
	tc.left.Command(tc.left.Lineage("site"), func(uint64) core.Command { return core.Move{Local: elsewhere} })
	tc.w.Run(time.Second)
	tc.want("our new address is told by a protected request", last(tc.left, 2) == "▶ INFORMATIONAL request 2 [ ]\n◀ INFORMATIONAL response 2 [ ]" && tc.left.IKESAs()[0].Local == elsewhere)
	tc.left.Move(leftAddr)
	tc.left.Command(tc.left.Lineage("site"), func(uint64) core.Command { return core.Move{Local: netip.AddrPortFrom(leftAddr, 4500)} })
	tc.w.Run(time.Second)
	tc.want("and so is the way back, which the peer follows", tc.right.IKESAs()[0].Remote.Addr() == leftAddr)
	tc.end()
}

// TestLiveness asks a silent peer, not one whose packets arrive, and gives up on a dead one. RFC 7296 §2.4
func TestLiveness(t *testing.T) {
	tc := newTest(t, sim.Faults{}, func(l, _ *core.Catalog) { l.Connections[0].DPDDelay = 30 * time.Second })
	tc.up()
	before := len(tc.left.Ladder())
	for range 120 {
		tc.right.Send()
		tc.w.Run(time.Second)
	}
	tc.want("while packets arrive nothing is asked", len(tc.left.Ladder()) == before)
	tc.w.Run(35 * time.Second)
	tc.want("after 30 s of silence it is", last(tc.left, 2) == "▶ INFORMATIONAL request 2 [ ]\n◀ INFORMATIONAL response 2 [ ]")
	tc.w.Faults.Loss = 1
	tc.w.Run(4 * time.Minute)
	tc.want("a dead peer's IKE SA ends", len(tc.left.Lineages()) == 0 && len(tc.left.Path.In) == 0)
	ike, child := sim.Told[core.IKEDown](tc.left), sim.Told[core.ChildDown](tc.left)
	tc.want("as a timeout, which is dpd_action's case", len(ike) == 1 && ike[0].Reason.Kind == core.Timeout && len(child) == 1 && child[0].Reason.Kind == core.Timeout)
	tc.says("left", ike[0].Reason.Error(), "phase 1 INFORMATIONAL: TIMEOUT: no answer from 198.51.100.2:4500 to 6 transmissions within 2m45.1s")
	tc.end()
}

// TestHalfOpen ends what a peer began and did not finish.
func TestHalfOpen(t *testing.T) {
	n := 0
	tc := newTest(t, sim.Faults{Drop: func(core.Datagram) bool { n++; return n > 2 }})
	tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(29 * time.Second)
	tc.want("for 30 s it is kept", len(tc.right.IKESAs()) == 1 && tc.right.IKESAs()[0].State == core.IKEConnecting)
	tc.w.Run(2 * time.Second)
	tc.want("and then no more", len(tc.right.Lineages()) == 0)
	tc.end()
}

// TestKeyLog gives the keys to whoever asked for them.
func TestKeyLog(t *testing.T) {
	tc := newTest(t, sim.Faults{})
	tc.left.Env.KeyLog, tc.right.Env.KeyLog = true, true
	tc.up()
	l, r := sim.Told[core.IKEKeys](tc.left), sim.Told[core.IKEKeys](tc.right)
	tc.want("both sides tell the same keys", len(l) == 1 && len(r) == 1 && l[0].EI.Equal(r[0].EI) && l[0].ER.Equal(r[0].ER) && l[0].InitiatorSPI == r[0].InitiatorSPI && len(l[0].EI) == 36)
	tc.end()
}
