package goswan

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/ike/core"
)

func TestAPacketOnATrapStartsTheNegotiation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		moon, sun := site(t, func(m, _ *text) { m.child = "start_action = trap" })
		synctest.Wait()
		want(t, "a trap is installed and nothing negotiated", policyNames(moon) == "site/net TUNNEL trap" && moon.children() == "")
		want(t, "the packet itself is lost", !reaches(t, moon, sun, "10.1.0.1", "10.2.0.1"))
		want(t, "it brought the SA up", moon.children() == "site/net")
		want(t, "the next goes through", reaches(t, moon, sun, "10.1.0.1", "10.2.0.1"))
		_, err := moon.Terminate(t.Context(), SelectSAs{IKE: "site"}, false)
		want(t, "after the SA's end the trap is still there", err == nil && policyNames(moon) == "site/net TUNNEL trap")
		pass(2 * time.Second) // a trap is silent for a second after it called
		_ = reaches(t, moon, sun, "10.1.0.1", "10.2.0.1")
		want(t, "and calls again", moon.children() == "site/net")
	})
}

// policyNames are the installed policies as text.
func policyNames(x *end) string {
	var all []string
	for _, p := range x.Policies() {
		s := fmt.Sprintf("%s/%s %s", p.Conn, p.Child, p.Mode)
		if p.Trap {
			s += " trap"
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}

func TestPoliciesByCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		moon, sun := site(t, func(m, _ *text) {
			m.children = "drop {\n mode = drop\n local_ts = 10.1.0.0/16\n remote_ts = 10.2.9.0/24\n }\n" +
				"pass {\n mode = pass\n local_ts = 10.1.0.0/16\n remote_ts = 10.1.0.0/16\n }\n" +
				"host {\n remote_ts = 10.2.0.0/16\n }"
			m.connections = "other {\n remote_addrs = 203.0.113.1\n local { auth = psk\n id = a }\n remote { auth = psk\n id = b }\n children { net { remote_ts = 10.3.0.0/16 } }\n }"
		})
		want(t, "at first there are none", policyNames(moon) == "")
		for _, name := range []string{"drop", "pass", "net", "host"} {
			want(t, name+" is installed", moon.InstallPolicy(t.Context(), InitiateRequest{Child: name}) == nil)
		}
		want(t, "all are listed", policyNames(moon) == "site/drop DROP, site/host TUNNEL trap, site/net TUNNEL trap, site/pass PASS")
		want(t, "a dynamic selector is our address", moon.Policies()[1].LocalTS[0].Start == moonAddr)
		moon.up()
		want(t, "a drop policy comes after an SA's", reaches(t, moon, sun, "10.1.0.1", "10.2.9.1"))
		want(t, "a pass policy does not lead into the tunnel", !reaches(t, moon, sun, "10.1.0.1", "10.1.0.2"))
		_, _ = moon.Terminate(t.Context(), SelectSAs{IKE: "site"}, false)

		want(t, "a second net is installed", moon.InstallPolicy(t.Context(), InitiateRequest{Child: "net", IKE: "other"}) == nil)
		want(t, "without a connection's name one goes", moon.UninstallPolicy(InitiateRequest{Child: "net"}) == nil && len(moon.Policies()) == 4)
		want(t, "with it the other", moon.UninstallPolicy(InitiateRequest{Child: "net", IKE: "site"}) == nil && len(moon.Policies()) == 3)
		want(t, "what is not there is not found", errors.Is(moon.UninstallPolicy(InitiateRequest{Child: "net"}), ErrNotFound))
		want(t, "nor is what is not configured", errors.Is(moon.InstallPolicy(t.Context(), InitiateRequest{Child: "nothing"}), ErrNotFound))
		want(t, "a connection alone is no policy", moon.InstallPolicy(t.Context(), InitiateRequest{IKE: "site"}) != nil)
		want(t, "a packet under no policy starts nothing", !reaches(t, moon, sun, "10.1.0.1", "10.2.0.1") && moon.children() == "")
	})
}

func TestLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := encap.NewNetwork()
		m := moonText()
		m.child = "start_action = trap|start"
		m.children = "pass {\n mode = pass\n start_action = trap\n local_ts = 10.1.0.0/16\n remote_ts = 10.1.0.0/16\n }"
		sun := newEnd(t, n, sunText()).start()
		moon := newEnd(t, n, m).start()
		synctest.Wait()
		want(t, "start_action starts and traps", moon.children() == "site/net" && policyNames(moon) == "site/net TUNNEL trap, site/pass PASS")
		first := moon.IKESAs()[0].UniqueID

		moon.Load(parse(t, m))
		synctest.Wait()
		want(t, "the same again changes nothing", policyNames(moon) == "site/net TUNNEL trap, site/pass PASS" && moon.children() == "site/net" && moon.IKESAs()[0].UniqueID == first)

		m.child, m.children = "rekey_time = 1h", "" // no start_action, no shunt
		want(t, "a policy by command", moon.InstallPolicy(t.Context(), InitiateRequest{Child: "pass"}) == nil)
		moon.Load(parse(t, m))
		synctest.Wait()
		want(t, "policies that are not configured any more go, SAs stay", policyNames(moon) == "" && moon.children() == "site/net")
		want(t, "the SA knows its new configuration", moon.IKESAs()[0].Config == moon.Catalog().Connections[0])

		want(t, "a trap by command", moon.InstallPolicy(t.Context(), InitiateRequest{Child: "net"}) == nil)
		moon.Load(parse(t, m))
		synctest.Wait()
		want(t, "what was installed by command stays", policyNames(moon) == "site/net TUNNEL trap")

		moon.Load(&core.Catalog{})
		synctest.Wait()
		want(t, "without the connection its policies go and its SAs stay", policyNames(moon) == "" && moon.children() == "site/net")
		want(t, "it cannot be initiated", errors.Is(moon.Initiate(t.Context(), InitiateRequest{Child: "net"}), ErrNotFound))
		want(t, "its SA carries on", reaches(t, moon, sun, "10.1.0.1", "10.2.0.1"))
		_, err := moon.Terminate(t.Context(), SelectSAs{IKE: "site"}, false)
		want(t, "its SA can be ended", err == nil)

		m.child = "start_action = start"
		moon.Load(parse(t, m))
		synctest.Wait()
		want(t, "a new connection is started", moon.children() == "site/net")
	})
}

func TestCloseAction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		moon, sun := site(t, func(m, _ *text) { m.child = "close_action = trap|start" })
		moon.up()
		_, err := sun.Terminate(t.Context(), SelectSAs{Child: "net"}, false)
		synctest.Wait()
		want(t, "the peer ends it", err == nil && moon.children() == "site/")
		pass(2 * time.Second)
		want(t, "it is up again, and trapped", moon.children() == "site/net" && policyNames(moon) == "site/net TUNNEL trap")
		_, _ = sun.Terminate(t.Context(), SelectSAs{IKE: "site"}, false)
		pass(2 * time.Second)
		want(t, "also after the end of the IKE SA", moon.children() == "site/net")
		_, _ = moon.Terminate(t.Context(), SelectSAs{Child: "net"}, false)
		pass(time.Minute)
		want(t, "not when it was ended here", moon.children() == "site/")
	})
}

func TestDPDAction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := encap.NewNetwork()
		m := moonText()
		m.conn, m.child = "dpd_delay = 30s\n keyingtries = 0", "dpd_action = restart"
		moon, sun := newEnd(t, n, m).start(), newEnd(t, n, sunText()).start()
		moon.up()
		n.SetHook(func(encap.Datagram, func(encap.Datagram)) {}) // the peer is dead …
		_ = sun.stop()
		pass(5 * time.Minute)
		down := told[core.ChildDown](moon)
		want(t, "the peer is found dead", len(down) == 1 && down[0].Reason.Kind == core.Timeout)
		n.SetHook(nil) // … and restarted
		sun = newEnd(t, n, sunText()).start()
		pass(5 * time.Minute)
		want(t, "it is up again", moon.children() == "site/net" && reaches(t, moon, sun, "10.1.0.1", "10.2.0.1"))
	})
}

func TestActionsEndWithTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		moon, sun := site(t, func(m, _ *text) { m.child = "close_action = start" })
		moon.up()
		m := moonText()
		m.localTS = "10.1.0.0/24"
		c := parse(t, m)
		c.Connections[0].Children[0].Name = "another"
		moon.Load(c)
		_, _ = sun.Terminate(t.Context(), SelectSAs{Child: "net"}, false)
		pass(time.Minute)
		want(t, "a child that is not configured any more is not started", moon.children() == "site/")
	})
}

func TestReauthentication(t *testing.T) {
	for name, makeFirst := range map[string]bool{"make before break": true, "break before make": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				more := func(local, remote string) string {
					return fmt.Sprintf("web {\n local_ts = %s\n remote_ts = %s\n }", local, remote)
				}
				m, s := moonText(), sunText()
				m.children, s.children = more("10.11.0.0/16", "10.12.0.0/16"), more("10.12.0.0/16", "10.11.0.0/16")
				m.conn = "reauth_time = 1h\n rand_time = 0\n rekey_time = 0"
				settings := core.DefaultSettings()
				settings.MakeBeforeBreak = makeFirst
				n := encap.NewNetwork()
				moon, sun := newEnd(t, n, m, func(c *Config) { c.Settings = &settings }).start(), newEnd(t, n, s).start()
				moon.up()
				want(t, "both children are up", moon.Initiate(t.Context(), InitiateRequest{Child: "web"}) == nil)
				old := moon.IKESAs()[0].UniqueID
				pass(time.Hour + time.Minute)
				want(t, "there is a new IKE SA with the same children", moon.children() == "site/net web" && sun.children() == "site/net web" && moon.IKESAs()[0].UniqueID != old)
				want(t, "they carry packets", reaches(t, moon, sun, "10.1.0.1", "10.2.0.1") && reaches(t, sun, moon, "10.12.0.1", "10.11.0.1"))
				want(t, "the order is as configured", upBeforeDown(moon) == makeFirst)
			})
		})
	}
}

// upBeforeDown tells whether the second Established came before the first IKEDown.
func upBeforeDown(x *end) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	up := 0
	for _, o := range x.told {
		switch o.(type) {
		case core.Established:
			up++
		case core.IKEDown:
			return up == 2
		}
	}
	return up == 2
}

func TestUpdownScriptsRunUpThenDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := filepath.Join(t.TempDir(), "out")
		moon, _ := site(t, func(m, _ *text) {
			m.child = "updown = \"echo $PLUTO_VERB $PLUTO_PEER $PLUTO_PEER_CLIENT $PLUTO_INTERFACE >>" + out + "\""
		})
		moon.up()
		_, _ = moon.Rekey(t.Context(), SelectSAs{Child: "net"})
		want(t, "the endpoint ends", moon.stop() == nil) // and with it the scripts
		got, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if want := "up-client 198.51.100.2 10.2.0.0/16 tun0\ndown-client 198.51.100.2 10.2.0.0/16 tun0\n"; string(got) != want {
			t.Errorf("the scripts wrote\n%swant\n%s", got, want)
		}
	})
}
