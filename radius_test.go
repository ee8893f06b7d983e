package goswan

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/ike"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
	"github.com/goswan/goswan/ike/radius"
	"github.com/goswan/goswan/ike/radius/radiustest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	rad "layeh.com/radius"
	"layeh.com/radius/rfc2865"
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
		IKE: core.IKEStatus{Conn: "rw", Remote: netip.MustParseAddrPort("192.0.2.7:4500")},
	}
}

// TestServersDecide asks servers on loopback.
func TestServersDecide(t *testing.T) {
	at := radiustest.Listen(t, func(request []byte) [][]byte {
		if rfc2865.CallingStationID_GetString(radiustest.Parse(t, request)) != "192.0.2.7[4500]" {
			t.Error("the server is not told who calls")
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
	s, _ := asks(RADIUS{Servers: []RADIUSServer{server, {Host: "name.invalid"}}})
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
	want(t, "a server without a secret is never asked", err != nil && strings.Contains(err.Error(), "no secret"))
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
