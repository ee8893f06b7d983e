package goswan

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/ike"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
	"github.com/goswan/goswan/ike/radius"
	"github.com/goswan/goswan/ike/radius/radiustest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	rad "layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2866"
	"layeh.com/radius/rfc2869"
)

// serverAt is a RADIUS server by its address and port.
func serverAt(at netip.AddrPort) RADIUSServer {
	return RADIUSServer{Host: at.Addr().String(), AuthPort: at.Port(), AcctPort: at.Port(), Secret: secret.Bytes(radiustest.Secret)}
}

// asks are authServers whose log is seen.
func asks(r RADIUS) (*authServers, *observer.ObservedLogs) {
	watched, logs := observer.New(zapcore.InfoLevel)
	s := newAuthServers(zap.New(watched), func(error) {})
	s.load(r)
	return s, logs
}

func aQuestion(state []byte) core.EAPQuestion {
	return core.EAPQuestion{
		Question: eap.Question{
			Identity: "alice", State: state,
			Packet: eap.Packet{Code: eap.CodeResponse, Type: eap.TypeIdentity, Data: []byte("alice")}.AppendTo(nil),
		},
		IKE: core.IKEStatus{UniqueID: 7, Conn: "rw", Remote: netip.MustParseAddrPort("192.0.2.7:4500")},
	}
}

// TestServersDecide asks servers on loopback.
func TestServersDecide(t *testing.T) {
	at := radiustest.Listen(t, func(request []byte) [][]byte {
		p := radiustest.Parse(t, request)
		if rfc2865.CallingStationID_GetString(p) != "192.0.2.7[4500]" || rfc2869.NASPortID_GetString(p) != "rw" || rfc2865.NASPort_Get(p) != 7 {
			t.Error("the server is not told who calls, and for which connection")
		}
		return [][]byte{radiustest.Accept(request, radiustest.AVP(rfc2865.FramedIPAddress_Type, []byte{10, 3, 0, 9}))}
	})
	refuses := radiustest.Listen(t, func(request []byte) [][]byte {
		return [][]byte{radiustest.Reject(request, radiustest.AVP(rfc2865.ReplyMessage_Type, []byte("not today")))}
	})
	s, logs := asks(RADIUS{Servers: []RADIUSServer{serverAt(at)}})
	a, err := s.Ask(t.Context(), aQuestion(nil))
	want(t, "the server accepts", err == nil && a.Verdict == eap.Accept && len(a.Grant.Addresses) == 1)
	entry := logs.TakeAll()[0]
	fields := entry.ContextMap()
	want(t, "the log says who was accepted by whom", entry.Message == "RADIUS server accepted the peer" &&
		fields["eap_id"] == "alice" && fields["server"] == at.Addr().String() && fields["conn"] == "rw")
	s.load(RADIUS{Servers: []RADIUSServer{serverAt(refuses)}})
	a, err = s.Ask(t.Context(), aQuestion(nil))
	want(t, "the other one refuses", err == nil && a.Verdict == eap.Reject)
	entry = logs.TakeAll()[0]
	want(t, "and the log says why", entry.Message == "RADIUS server refused the peer" && entry.ContextMap()["reply"] == "not today")
}

// TestServersLie has whoever answers for a server not be believed: the next server decides.
func TestServersLie(t *testing.T) {
	lies := map[string]func(request []byte) []byte{
		"wrong Response Authenticator": func(r []byte) []byte { b := radiustest.Accept(r); b[4] ^= 1; return b },
		"no Message-Authenticator":     func(r []byte) []byte { return radiustest.Sign(r, rad.CodeAccessAccept, false) },
		"wrong Message-Authenticator": func(r []byte) []byte {
			return radiustest.Sign(r, rad.CodeAccessAccept, false, radiustest.AVP(rfc2869.MessageAuthenticator_Type, make([]byte, 16)))
		},
		"wrong identifier": func(r []byte) []byte { b := radiustest.Accept(r); b[1]++; return b },
	}
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var network radiustest.Network
				liar, honest := netip.MustParseAddrPort("192.0.2.10:1812"), netip.MustParseAddrPort("192.0.2.11:1812")
				network.Serve(liar, func(r []byte) [][]byte { return [][]byte{lie(r)} })
				network.Serve(honest, func(r []byte) [][]byte { return [][]byte{radiustest.Reject(r)} })
				s, logs := asks(RADIUS{Servers: []RADIUSServer{serverAt(liar), serverAt(honest)}, Client: radius.Config{Dial: network.Dial}})
				a, err := s.Ask(t.Context(), aQuestion(nil))
				want(t, "the honest server decides", err == nil && a.Verdict == eap.Reject)
				entry := logs.FilterMessageSnippet("does not answer").All()
				want(t, "the log says which server is not to be believed", len(entry) == 1 && entry[0].ContextMap()["server"] == "192.0.2.10")
			})
		})
	}
}

// TestServersChange has conversations go on with the servers that they began with.
func TestServersChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network radiustest.Network
		first, second := netip.MustParseAddrPort("192.0.2.10:1812"), netip.MustParseAddrPort("192.0.2.11:1812")
		challenge := func(name string) radiustest.Handler {
			return func(r []byte) [][]byte {
				p := radiustest.Parse(t, r)
				if state := rfc2865.State_Get(p); state != nil {
					if string(state) != name {
						t.Errorf("%s is given the State of %q", name, state)
					}
					return [][]byte{radiustest.Accept(r)}
				}
				return [][]byte{radiustest.Sign(r, rad.CodeAccessChallenge, true, radiustest.AVP(rfc2865.State_Type, []byte(name)),
					radiustest.EAPMessage(eap.Packet{Code: eap.CodeRequest, Type: eap.TypeMD5, Data: []byte{1, 2}}))}
			}
		}
		network.Serve(first, challenge("first"))
		network.Serve(second, challenge("second"))
		config := radius.Config{Dial: network.Dial}
		s, _ := asks(RADIUS{})
		_, err := s.Ask(t.Context(), aQuestion(nil))
		want(t, "without servers there is an error that says what to configure", errors.Is(err, ike.ErrNoBackend))
		_, _, err = s.now()
		want(t, "for accounts too", errors.Is(err, ike.ErrNoBackend))
		s.load(RADIUS{Servers: []RADIUSServer{serverAt(first)}, Client: config})
		a, err := s.Ask(t.Context(), aQuestion(nil))
		want(t, "the first asks for more", err == nil && a.Verdict == eap.Challenge)
		s.load(RADIUS{Servers: []RADIUSServer{serverAt(second)}, Client: config})
		b, err := s.Ask(t.Context(), aQuestion(nil))
		want(t, "a new conversation is with the second", err == nil && b.Verdict == eap.Challenge)
		for _, state := range [][]byte{a.State, b.State} {
			done, err := s.Ask(t.Context(), aQuestion(state))
			want(t, "each goes on where it began", err == nil && done.Verdict == eap.Accept)
		}
		s.load(RADIUS{})
		_, err = s.Ask(t.Context(), aQuestion(b.State))
		want(t, "even if there are no servers any more", err == nil)
		for range generations {
			s.load(RADIUS{Servers: []RADIUSServer{serverAt(second)}, Client: config})
		}
		_, err = s.Ask(t.Context(), aQuestion(a.State))
		want(t, "but not without end", err != nil && strings.Contains(err.Error(), "changed in the meantime"))
	})
}

// TestServersByName has names that are not resolved yet, and resolved anew.
func TestServersByName(t *testing.T) {
	at := radiustest.Listen(t, func(r []byte) [][]byte { return [][]byte{radiustest.Accept(r)} })
	server := serverAt(at)
	server.Host = "localhost"
	s, logs := asks(RADIUS{Servers: []RADIUSServer{server, {Host: "name.invalid"}}})
	want(t, "that names are not resolved yet is nothing to be told of", logs.Len() == 0)
	_, err := s.Ask(t.Context(), aQuestion(nil))
	want(t, "a name that is not resolved yet is an error that names it", err != nil && strings.Contains(err.Error(), "RADIUS server localhost has no address yet"))
	s.settings.Servers = s.settings.Servers[:1]
	s.resolve(t.Context())
	_, _, err = s.now()
	want(t, "then there is somebody to ask", err == nil && slices.ContainsFunc(s.servers, func(r radius.Server) bool { return r.Auth == at && r.Name == "localhost" }))
	before := s.generation
	s.resolve(t.Context())
	want(t, "the same addresses change nothing", s.generation == before)
	if n := known([]netip.Addr{at.Addr()}, netip.MustParseAddr("192.0.2.1")); n != 1 {
		t.Errorf("an unknown address stands at %d", n)
	}
	s.load(RADIUS{Servers: []RADIUSServer{{Host: "192.0.2.1", AuthPort: 1812}}})
	_, err = s.Ask(t.Context(), aQuestion(nil))
	want(t, "that nobody can be asked is", logs.FilterMessage("no RADIUS server can be asked").Len() == 1)
	want(t, "a server without a secret is never asked", err != nil && strings.Contains(err.Error(), "no secret"))
}

// TestNobodyWaits has a peer give up while the second of two silent servers is being asked: that nobody answers is not known.
func TestNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network radiustest.Network
		r := RADIUS{Client: radius.Config{Dial: network.Dial, Tries: 1, Timeout: 10 * time.Second}}
		for _, at := range []string{"192.0.2.10:1812", "192.0.2.11:1812"} {
			network.Serve(netip.MustParseAddrPort(at), func([]byte) [][]byte { return nil })
			r.Servers = append(r.Servers, serverAt(netip.MustParseAddrPort(at)))
		}
		s, _ := asks(r)
		silent := 0
		s.silent = func(error) { silent++ }
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		_, err := s.Ask(ctx, aQuestion(nil))
		want(t, "the question has no answer, and nothing is concluded from it", err != nil && silent == 0)
		_, err = s.Ask(t.Context(), aQuestion(nil))
		want(t, "when both were waited for, it is", errors.Is(err, radius.ErrSilent) && silent == 1)
	})
}

// TestCloseAllOnTimeout has no server answer.
func TestCloseAllOnTimeout(t *testing.T) {
	for _, closes := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var network radiustest.Network
			r := RADIUS{Servers: []RADIUSServer{serverAt(netip.MustParseAddrPort("192.0.2.10:1812"))}, Client: radius.Config{Dial: network.Dial}, CloseAll: closes}
			n := encap.NewNetwork()
			moon, sun := newEnd(t, n, moonText()).start(), newEnd(t, n, sunText()).start()
			sun.LoadRADIUS(r)
			moon.up()
			_, err := sun.authServers.Ask(t.Context(), aQuestion(nil))
			want(t, "nobody answers", errors.Is(err, radius.ErrSilent))
			want(t, "all IKE SAs end if that is wished", (sun.children() == "") == closes)
		})
	}
}

// eapTexts are moon, which logs in at its gateway sun with a name and a password, and sun, which asks RADIUS.
func eapTexts() (moon, sun text) {
	moon, sun = virtualTexts()
	sun.conn = "pools = radius"
	return moon, sun
}

// loggingIn has two ends log in by EAP-MSCHAPv2 instead of the pre-shared key.
func loggingIn(password string) (moon, sun func(*Config)) {
	moon = func(c *Config) {
		c.Catalog.Connections[0].Local[0] = core.Auth{Method: core.AuthEAP, ID: c.Catalog.Connections[0].Local[0].ID, EAP: core.EAP{Method: eap.TypeMSCHAPv2, ID: auth.FromUser("alice"), IDSet: true}}
		c.Catalog.Secrets = append(c.Catalog.Secrets, &core.Secret{Name: "eap-alice", Kind: core.SecretEAP, Owners: []auth.Identity{auth.FromUser("alice")}, Key: secret.Bytes(password)})
	}
	sun = func(c *Config) {
		c.Catalog.Connections[0].Remote[0] = core.Auth{Method: core.AuthEAP, EAP: core.EAP{RADIUS: true, IDSet: true}}
	}
	return moon, sun
}

// login is moon logging in at sun, whose RADIUS server knows alice.
type login struct {
	moon, sun *end
	server    *radiustest.EAPServer
	accounts  *radiustest.Accounts
	logs      *observer.ObservedLogs
}

// loggedIn has alice log in with a password.
func loggedIn(t *testing.T, password string, how Accounting, grant ...*rad.AVP) (l login, err error) {
	t.Helper()
	var network radiustest.Network
	authAt := netip.MustParseAddrPort("192.0.2.10:1812")
	l.server = radiustest.NewEAPServer(t, eap.ServerMSCHAPv2{Name: "sun", Users: func(name string) (eap.Account, bool) {
		return eap.Account{Password: secret.Bytes("correct horse")}, name == "alice"
	}}, grant...)
	l.accounts = radiustest.NewAccounts(t)
	network.Serve(authAt, l.server.Handle)
	network.Serve(acctAt, l.accounts.Handle)
	server := serverAt(authAt)
	server.AcctPort = acctAt.Port()
	watched, logs := observer.New(zapcore.InfoLevel)
	l.logs = logs
	n := encap.NewNetwork()
	m, s := eapTexts()
	moonIn, sunIn := loggingIn(password)
	l.moon = newEnd(t, n, m, moonIn).start()
	l.sun = newEnd(t, n, s, sunIn, func(c *Config) {
		c.RADIUS = RADIUS{Servers: []RADIUSServer{server}, Client: radius.Config{Dial: network.Dial, ClassGroups: true}, Accounting: how}
		c.Log = zap.New(watched)
	}).start()
	err = l.moon.Initiate(t.Context(), InitiateRequest{Child: "net"})
	synctest.Wait()
	return l, err
}

var (
	framed = radiustest.AVP(rfc2865.FramedIPAddress_Type, []byte{10, 3, 2, 1})
	staff  = radiustest.AVP(rfc2865.Class_Type, []byte("staff"))
)

// TestLogin has a RADIUS server let a peer in, and be told of its session.
func TestLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := loggedIn(t, "correct horse", Accounting{On: true, SendClass: true, RequiresVIP: true}, framed, staff)
		want(t, "alice gets in", err == nil && l.moon.children() == "site/net" && l.sun.children() == "site/net")
		sa := l.sun.IKESAs()[0]
		want(t, "she is who she is, with the address and the groups of the server", sa.RemoteEAPID == "alice" &&
			sa.RemoteVIPs[0].String() == "10.3.2.1" && slices.Equal(sa.RADIUS.Groups, []string{"staff"}))
		want(t, "the log says so", l.logs.FilterMessage("RADIUS server accepted the peer").Len() == 1)
		for range 3 {
			want(t, "packets pass", reaches(t, l.moon, l.sun, "10.3.2.1", "10.2.0.1"))
		}
		_, err = l.moon.Rekey(t.Context(), SelectSAs{Child: "net"})
		want(t, "the Child SA is rekeyed", err == nil)
		_, err = l.moon.Rekey(t.Context(), SelectSAs{IKE: "site"})
		want(t, "and the IKE SA", err == nil)
		pass(time.Minute)
		want(t, "packets pass again", reaches(t, l.moon, l.sun, "10.3.2.1", "10.2.0.1") && reaches(t, l.sun, l.moon, "10.2.0.1", "10.3.2.1"))
		pass(time.Minute)
		_, err = l.moon.Terminate(t.Context(), SelectSAs{IKE: "site"}, false)
		synctest.Wait()
		all := l.accounts.Take()
		want(t, "a session is one, with its beginning and its end", err == nil && len(all) == 2 &&
			rfc2866.AcctSessionID_GetString(all[0]) == rfc2866.AcctSessionID_GetString(all[1]))
		stop := all[1]
		want(t, "everything that it carried is counted", counted(stop) == "0.184/4 in, 0.46/1 out, 2m0s")
		want(t, "its end tells who, where, why, and the class", rfc2865.UserName_GetString(stop) == "alice" && rfc2865.FramedIPAddress_Get(stop).String() == "10.3.2.1" &&
			string(rfc2865.Class_Get(stop)) == "staff" && rfc2866.AcctTerminateCause_Get(stop) == rfc2866.AcctTerminateCause_Value_UserRequest)
	})
}

func TestLoginRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := loggedIn(t, "wrong horse", Accounting{On: true})
		var reason *core.Reason
		want(t, "a wrong password is refused", errors.As(err, &reason) && reason.Kind == core.AuthenticationFailed)
		want(t, "the log says by whom", l.logs.FilterMessage("RADIUS server refused the peer").Len() == 1)
		want(t, "no session begins", len(l.accounts.Take()) == 0 && l.sun.children() == "")
		for _, entry := range l.logs.All() {
			if text := fmt.Sprint(entry.Message, entry.ContextMap()); strings.Contains(text, radiustest.Secret) || strings.Contains(text, "horse") {
				t.Errorf("a secret is in the log: %s", text)
			}
		}
	})
}

// TestEndsOfSessions are those that the server and we ourselves bring about.
func TestEndsOfSessions(t *testing.T) {
	minutes := func(n uint32) []byte { return rad.NewInteger(60 * n) }
	for name, c := range map[string]struct {
		grant []*rad.AVP
		end   func(*testing.T, login)
		cause rfc2866.AcctTerminateCause
	}{
		"Idle-Timeout": {[]*rad.AVP{framed, radiustest.AVP(rfc2865.IdleTimeout_Type, minutes(10))}, func(t *testing.T, l login) {
			pass(5 * time.Minute)
			want(t, "a packet passes", reaches(t, l.moon, l.sun, "10.3.2.1", "10.2.0.1"))
			pass(9 * time.Minute)
			want(t, "it keeps the session", l.sun.children() == "site/net")
			pass(2 * time.Minute)
			want(t, "silence ends it", l.sun.children() == "" && l.moon.children() == "")
		}, rfc2866.AcctTerminateCause_Value_IdleTimeout},
		"a shutdown": {[]*rad.AVP{framed}, func(t *testing.T, l login) {
			if err := l.sun.stop(); err != nil {
				t.Error(err)
			}
		}, rfc2866.AcctTerminateCause_Value_NASReboot},
		"a shutdown, of which a silent peer takes no note": {[]*rad.AVP{framed}, func(t *testing.T, l login) {
			l.moon.transport.(*encap.Endpoint).Network().SetHook(func(encap.Datagram, func(encap.Datagram)) {})
			if err := l.sun.stop(); err != nil {
				t.Error(err)
			}
		}, rfc2866.AcctTerminateCause_Value_NASReboot},
		"a command": {[]*rad.AVP{framed}, func(t *testing.T, l login) {
			_, err := l.sun.Terminate(t.Context(), SelectSAs{IKE: "site"}, false)
			want(t, "it ends", err == nil)
		}, rfc2866.AcctTerminateCause_Value_AdminReset},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, err := loggedIn(t, "correct horse", Accounting{On: true}, c.grant...)
				want(t, "alice gets in", err == nil)
				c.end(t, l)
				synctest.Wait()
				all := l.accounts.Take()
				want(t, "the server is told of the end", len(all) == 2 && radiustest.Status(all[1]) == rfc2866.AcctStatusType_Value_Stop)
				if got := rfc2866.AcctTerminateCause_Get(all[1]); got != c.cause {
					t.Errorf("as %v, want %v", got, c.cause)
				}
			})
		})
	}
}

// TestReloadKeepsSessions has other servers take over from those that let alice in.
func TestReloadKeepsSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := loggedIn(t, "correct horse", Accounting{On: true}, framed)
		want(t, "alice gets in", err == nil && len(l.accounts.Take()) == 1)
		var network radiustest.Network
		other := radiustest.NewAccounts(t)
		network.Serve(acctAt, other.Handle)
		l.sun.LoadRADIUS(RADIUS{Servers: []RADIUSServer{serverAt(acctAt)}, Client: radius.Config{Dial: network.Dial}, Accounting: Accounting{On: true}})
		want(t, "packets go on", reaches(t, l.moon, l.sun, "10.3.2.1", "10.2.0.1"))
		_, err = l.moon.Terminate(t.Context(), SelectSAs{IKE: "site"}, false)
		synctest.Wait()
		want(t, "the new server is told of the end", err == nil && len(other.Take()) == 1 && len(l.accounts.Take()) == 0)
	})
}
