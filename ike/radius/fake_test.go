package radius

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/eap"
	"github.com/goswan/goswan/ike/radius/radiustest"
)

const shared = radiustest.Secret

// fake is a RADIUS server whose handler says what to send back.
type fake struct {
	at       netip.AddrPort
	requests chan []byte // as they came
}

// serve starts a server on loopback that ends with the test. The socket goes to the handler, which may use another.
func serve(t *testing.T, handle func(conn *net.UDPConn, from netip.AddrPort, request []byte)) *fake {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{at: localAddr(conn), requests: make(chan []byte, 64)}
	radiustest.Receive(t, conn, func(from netip.AddrPort, request []byte) {
		f.requests <- request
		handle(conn, from, request)
	})
	return f
}

func localAddr(conn *net.UDPConn) netip.AddrPort { return conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// answering is a server that sends what respond makes of a request, in that order.
func answering(t *testing.T, respond func(request []byte) [][]byte) *fake {
	t.Helper()
	f := &fake{requests: make(chan []byte, 64)}
	f.at = radiustest.Listen(t, func(request []byte) [][]byte {
		f.requests <- request
		return respond(request)
	})
	return f
}

// silence is a server that says nothing.
func silence(t *testing.T) *fake {
	t.Helper()
	return answering(t, func([]byte) [][]byte { return nil })
}

var (
	sign       = radiustest.Sign
	avp        = radiustest.AVP
	eapMessage = radiustest.EAPMessage
	acceptOf   = radiustest.Accept
)

// challengeOf and rejectOf are honest answers.
func challengeOf(request []byte) []byte {
	return sign(request, radius.CodeAccessChallenge, true, avp(rfc2865.State_Type, []byte("state")),
		eapMessage(eap.Packet{Code: eap.CodeRequest, Identifier: 2, Type: eap.TypeMD5, Data: []byte{1, 2}}))
}

func rejectOf(request []byte) []byte {
	return radiustest.Reject(request, avp(rfc2865.ReplyMessage_Type, []byte("not today")))
}

func client(t *testing.T, config Config, servers ...*fake) *Client {
	t.Helper()
	for _, f := range servers {
		config.Servers = append(config.Servers, Server{Auth: f.at, Accounting: f.at, Secret: secret.Bytes(shared)})
	}
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func question() eap.Question {
	return eap.Question{
		Identity: "alice",
		Packet:   eap.Packet{Code: eap.CodeResponse, Type: eap.TypeIdentity, Data: []byte("alice")}.AppendTo(nil),
	}
}

func ask(t *testing.T, c *Client, q eap.Question) (eap.Answer, error) {
	t.Helper()
	return c.Ask(context.Background(), q, Caller{SessionID: "1", Remote: netip.MustParseAddrPort("192.0.2.1:4500")})
}
