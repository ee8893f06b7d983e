package goswan

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/tun/tuntest"
)

func TestPacketsGoThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		moon, sun := site(t)
		want(t, "without an SA nothing goes through", !reaches(t, moon, sun, "10.1.0.1", "10.2.0.1"))
		moon.up()
		want(t, "there and back", reaches(t, moon, sun, "10.1.0.1", "10.2.0.1") && reaches(t, sun, moon, "10.2.0.1", "10.1.0.1"))
		want(t, "what is outside the selectors does not", !reaches(t, moon, sun, "10.9.0.1", "10.2.0.1") && !reaches(t, moon, sun, "10.1.0.1", "10.9.0.1"))
		for _, x := range []*end{moon, sun} {
			s := x.Status()
			want(t, "a status has one IKE SA with one Child SA", len(s.IKESAs) == 1 && len(s.IKESAs[0].Children) == 1)
			c := s.IKESAs[0].Children[0]
			want(t, "each direction has counted one packet", c.In.Packets == 1 && c.Out.Packets == 1 && c.In.Bytes == 46 && !c.In.LastUse.IsZero())
			want(t, "IKE datagrams are counted", s.IKE.Received > 0 && s.Started.Equal(time.Now()))
		}
		want(t, "drops are counted by reason", moon.Status().Drops[esp.NoPolicy.String()] == 3)
	})
}

func TestRekeyAndTerminate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		moon, sun := site(t)
		moon.up()
		before := moon.IKESAs()[0]
		n, err := moon.Rekey(t.Context(), SelectSAs{Child: "net"})
		want(t, "one Child SA is rekeyed", n == 1 && err == nil)
		synctest.Wait()
		want(t, "packets go through the new one", reaches(t, moon, sun, "10.1.0.1", "10.2.0.1") && reaches(t, sun, moon, "10.2.0.1", "10.1.0.1"))
		n, err = moon.Rekey(t.Context(), SelectSAs{IKE: "site"})
		want(t, "one IKE SA is rekeyed", n == 1 && err == nil)
		pass(time.Minute)
		after := moon.IKESAs()[0]
		want(t, "both are new", after.UniqueID != before.UniqueID && after.SPIi != before.SPIi && after.Children[0].SPIIn != before.Children[0].SPIIn)
		want(t, "there is one of each", moon.children() == "site/net" && sun.children() == "site/net")
		want(t, "packets go on", reaches(t, moon, sun, "10.1.0.1", "10.2.0.1"))
		want(t, "neither end calls that up or down", len(told[core.ChildUp](moon)) == 1 && len(told[core.ChildDown](sun)) == 0)

		n, err = sun.Terminate(t.Context(), SelectSAs{ChildID: sun.IKESAs()[0].Children[0].UniqueID}, false)
		want(t, "a Child SA ends by its ID", n == 1 && err == nil && sun.children() == "site/" && moon.children() == "site/")
		n, err = moon.Terminate(t.Context(), SelectSAs{IKE: "site"}, false)
		synctest.Wait()
		want(t, "the IKE SA ends", n == 1 && err == nil && moon.children() == "" && sun.children() == "")
		want(t, "nothing goes through any more", !reaches(t, moon, sun, "10.1.0.1", "10.2.0.1"))
		_, err = moon.Terminate(t.Context(), SelectSAs{IKE: "site"}, false)
		want(t, "what is not there is not found", errors.Is(err, ErrNotFound))
		_, err = moon.Rekey(t.Context(), SelectSAs{})
		want(t, "no name is an error", err != nil && err.Error() == "goswan: no SA is named")
	})
}

func TestSeveralChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		moon, sun := site(t, func(m, s *text) {
			m.children = "web {\n local_ts = 10.11.0.0/16\n remote_ts = 10.12.0.0/16[udp/2000]\n }"
			s.children = "web {\n local_ts = 10.12.0.0/16[udp/2000]\n remote_ts = 10.11.0.0/16\n }"
		})
		moon.up()
		want(t, "the second child comes up", moon.Initiate(t.Context(), InitiateRequest{Child: "web", IKE: "site"}) == nil)
		want(t, "in the same IKE SA", moon.children() == "site/net web" && sun.children() == "site/net web")
		want(t, "each carries its own", reaches(t, moon, sun, "10.1.0.1", "10.2.0.1") && reaches(t, moon, sun, "10.11.0.1", "10.12.0.1"))
		_, err := moon.Terminate(t.Context(), SelectSAs{Child: "net"}, false)
		want(t, "one ends alone", err == nil && moon.children() == "site/web" && reaches(t, moon, sun, "10.11.0.1", "10.12.0.1"))
	})
}

func TestSeparateIKESAs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := moonText(), sunText()
		m.children = "web {\n local_ts = 10.11.0.0/16\n remote_ts = 10.12.0.0/16\n }"
		s.children = "web {\n local_ts = 10.12.0.0/16\n remote_ts = 10.11.0.0/16\n }"
		n := encap.NewNetwork()
		moon, sun := newEnd(t, n, m, func(c *Config) { c.SeparateIKESAs = true }).start(), newEnd(t, n, s).start()
		moon.up()
		want(t, "the second child comes up", moon.Initiate(t.Context(), InitiateRequest{Child: "web"}) == nil)
		want(t, "in an IKE SA of its own", moon.children() == "site/net, site/web" && sun.children() == "site/net, site/web")
	})
}

func TestWhyANegotiationFailed(t *testing.T) {
	for name, c := range map[string]struct {
		change func(moon, sun *text)
		kind   core.Kind
		text   string
	}{
		"another secret": {func(_, s *text) { s.secret = "another" }, core.AuthenticationFailed,
			`phase 1 IKE_AUTH: AUTHENTICATION_FAILED: the peer refused us as "moon" when asked for "sun"; ` +
				"compare the identities (swanctl.conf:9) and the secret \"ike-site\" (swanctl.conf:25) with the peer's"},
		"another IKE proposal": {func(_, s *text) { s.proposals = "aes128-sha256-ecp256" }, core.NoProposalChosen,
			"phase 1 IKE_SA_INIT: NO_PROPOSAL_CHOSEN: the peer refused with NO_PROPOSAL_CHOSEN; " +
				"offered IKE:AES_GCM_16_256/PRF_HMAC_SHA2_384/CURVE_25519; compare `proposals` of connection \"site\" (swanctl.conf:6) with the peer's: " +
				"it takes none of these, or has nothing for our address; `goswan explain site PROPOSAL` tells what the peer's would need"},
		"other selectors": {func(_, s *text) { s.localTS = "10.77.0.0/16" }, core.TSUnacceptable,
			"phase 2 IKE_AUTH: TS_UNACCEPTABLE: the peer refused with TS_UNACCEPTABLE; " +
				"offered 10.1.0.0/16 === 10.2.0.0/16; compare `local_ts` and `remote_ts` of child \"net\" (swanctl.conf:15) with the peer's"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				moon, _ := site(t, c.change)
				err := moon.Initiate(t.Context(), InitiateRequest{Child: "net"})
				var reason *core.Reason
				want(t, "the error is a reason", errors.As(err, &reason))
				if reason.Kind != c.kind || reason.Error() != c.text {
					t.Errorf("the reason is\n%v\nwant\n%s", reason, c.text)
				}
			})
		})
	}
}

func TestWhatCannotBeInitiated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		moon, _ := site(t, func(m, _ *text) {
			m.children = "local {\n mode = pass\n local_ts = 10.1.0.0/16\n remote_ts = 10.1.0.0/16\n }"
			m.connections = "anybody {\n remote_addrs = %any\n local { auth = psk\n id = moon }\n remote { auth = psk }\n children { any { } }\n }"
		})
		for _, c := range []struct {
			r        InitiateRequest
			text     string
			notFound bool
		}{
			{InitiateRequest{}, "goswan: neither a child nor a connection is named", false},
			{InitiateRequest{Child: "nothing"}, `goswan: child "nothing" not found in any connection`, true},
			{InitiateRequest{Child: "nothing", IKE: "site"}, `goswan: child "nothing" not found in connection "site"`, true},
			{InitiateRequest{IKE: "nothing"}, `goswan: connection "nothing" not found`, true},
			{InitiateRequest{Child: "local"}, `goswan: child "local" has mode PASS: it is a policy and has no SA to initiate`, false},
			{InitiateRequest{Child: "any"}, "phase 1: CONFIGURATION: connection \"anybody\" cannot be initiated: `remote_addrs` has no address to call; " +
				"it only says from whom to accept; give `remote_addrs` an address or a host name that resolves, swanctl.conf:26", false},
		} {
			err := moon.Initiate(t.Context(), c.r)
			if err == nil || err.Error() != c.text || errors.Is(err, ErrNotFound) != c.notFound {
				t.Errorf("%+v: the error is %v, want %s", c.r, err, c.text)
			}
		}
		want(t, "an IKE SA alone can be", moon.Initiate(t.Context(), InitiateRequest{IKE: "site"}) == nil && moon.children() == "site/")
	})
}

func TestOnlyTheWaitingEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := encap.NewNetwork()
		moon := newEnd(t, n, moonText()).start()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		want(t, "the waiting ends", errors.Is(moon.Initiate(ctx, InitiateRequest{Child: "net"}), context.DeadlineExceeded))
		newEnd(t, n, sunText()).start() // the peer comes up
		pass(10 * time.Second)
		want(t, "the negotiation went on", moon.children() == "site/net")
	})
}

func TestLifeOfAnEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := encap.NewNetwork()
		sun := newEnd(t, n, sunText()).start()
		moon := newEnd(t, n, moonText())
		moon.Load(parse(t, moonText()))
		initiated := make(chan error, 1)
		go func() { initiated <- moon.Initiate(t.Context(), InitiateRequest{Child: "net"}) }()
		synctest.Wait()
		want(t, "before Run nothing is sent", sun.Status().IKE.Received == 0 && moon.Status().Started.IsZero())
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		want(t, "before Run the waiting can end", errors.Is(moon.Initiate(ctx, InitiateRequest{Child: "net"}), context.Canceled))
		moon.start()
		want(t, "with Run it begins", <-initiated == nil && moon.children() == "site/net")
		want(t, "it runs once", moon.Run(t.Context()) != nil)
		want(t, "Close leaves what runs alone", moon.Close() == nil && moon.children() == "site/net")
		want(t, "the device has a name", moon.DeviceName() == "tun0")
		want(t, "it ends without an error", moon.stop() == nil)
		want(t, "after that nothing is initiated", errors.Is(moon.Initiate(t.Context(), InitiateRequest{Child: "net"}), ErrClosed))
		moon.Load(parse(t, moonText())) // harmless
		_, err := moon.DialContext(t.Context(), "tcp", "10.2.0.1:80")
		want(t, "a device that is no netstack cannot dial", errors.Is(err, ErrNoNetstack))
	})
}

func TestCloseBeforeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		moon := newEnd(t, encap.NewNetwork(), moonText())
		initiated := make(chan error, 1)
		go func() { initiated <- moon.Initiate(t.Context(), InitiateRequest{Child: "net"}) }()
		synctest.Wait()
		want(t, "it closes", moon.Close() == nil)
		want(t, "who waited is told", errors.Is(<-initiated, ErrClosed))
		want(t, "the device is closed", moon.dev.Inject([]byte{1}) != nil)
		want(t, "it does not run any more", moon.Run(t.Context()) != nil)
		want(t, "it may be closed again", moon.Close() == nil)
	})
}

func TestRunEndsWithTheDataPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := encap.NewNetwork()
		newEnd(t, n, sunText()).start()
		moon := newEnd(t, n, moonText())
		done := make(chan error, 1)
		go func() { done <- moon.Run(t.Context()) }()
		moon.up()
		begin := time.Now()
		_ = moon.dev.Close()
		want(t, "Run returns an error", <-done != nil)
		want(t, "it does not wait for answers that cannot come", time.Since(begin) == 0)
	})
}

func TestShutdownTellsThePeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		moon, sun := site(t)
		moon.up()
		begin := time.Now()
		want(t, "it ends without an error", moon.stop() == nil && time.Since(begin) == 0)
		synctest.Wait()
		want(t, "the peer has nothing left", sun.children() == "")
		down := told[core.IKEDown](sun)
		want(t, "and knows why", len(down) == 1 && down[0].Reason.Kind == core.Deleted && down[0].Reason.ByPeer)
	})
}

func TestShutdownWithoutThePeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		moon, sun := site(t)
		moon.up()
		moon.transport.(*encap.Endpoint).Network().SetHook(func(encap.Datagram, func(encap.Datagram)) {})
		begin := time.Now()
		want(t, "it ends without an error", moon.stop() == nil)
		want(t, "within ten seconds, after giving the peer a chance", time.Since(begin) > 4*time.Second && time.Since(begin) < 10*time.Second)
		_ = sun.stop()
	})
}

// failing is a transport whose Close fails.
type failing struct{ encap.Transport }

func (f failing) Close() error { return errors.Join(f.Transport.Close(), net.ErrWriteToConnected) }

func TestErrorsOfClosingAreReturned(t *testing.T) {
	a, _ := encap.Pipe(moonAddr, sunAddr)
	e, err := New(Config{Device: tuntest.New(tuntest.Config{}), Transport: failing{a}})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); !errors.Is(err, net.ErrWriteToConnected) {
		t.Errorf("Close returns %v", err)
	}
}
