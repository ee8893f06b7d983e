package radius

import (
	"bytes"
	"context"
	"crypto/md5"
	"net"
	"net/netip"
	"testing"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/eap"
)

const shared = "testing123"

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
	receive(t, conn, func(from netip.AddrPort, request []byte) {
		f.requests <- request
		handle(conn, from, request)
	})
	return f
}

func localAddr(conn *net.UDPConn) netip.AddrPort { return conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// receive hands every packet of a socket over until the test ends.
func receive(t *testing.T, conn *net.UDPConn, handle func(from netip.AddrPort, packet []byte)) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		buffer := make([]byte, maxPacket)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			handle(from, bytes.Clone(buffer[:n]))
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-over
	})
}

// answering is a server that sends what respond makes of a request, in that order.
func answering(t *testing.T, respond func(request []byte) [][]byte) *fake {
	t.Helper()
	return serve(t, func(conn *net.UDPConn, from netip.AddrPort, request []byte) {
		for _, octets := range respond(request) {
			_, _ = conn.WriteToUDPAddrPort(octets, from)
		}
	})
}

// silence is a server that says nothing.
func silence(t *testing.T) *fake {
	t.Helper()
	return answering(t, func([]byte) [][]byte { return nil })
}

// sign is a response as an honest server makes it, with a Message-Authenticator unless told otherwise.
func sign(request []byte, code radius.Code, mac bool, attributes ...*radius.AVP) []byte {
	p := &radius.Packet{Code: code, Identifier: request[1], Secret: []byte(shared), Attributes: attributes}
	copy(p.Authenticator[:], request[authenticator:])
	if mac {
		p.Attributes = append(radius.Attributes{{Type: rfc2869.MessageAuthenticator_Type, Attribute: make([]byte, md5.Size)}}, p.Attributes...)
		octets, err := p.MarshalBinary()
		if err != nil {
			panic(err)
		}
		p.Attributes[0].Attribute = messageAuthenticator(octets, request[authenticator:headerSize], secret.Bytes(shared))
	}
	octets, err := p.Encode()
	if err != nil {
		panic(err)
	}
	return octets
}

func avp(typ radius.Type, value []byte) *radius.AVP {
	return &radius.AVP{Type: typ, Attribute: value}
}

func eapMessage(p eap.Packet) *radius.AVP { return avp(rfc2869.EAPMessage_Type, p.AppendTo(nil)) }

// challengeOf and acceptOf are honest answers.
func challengeOf(request []byte) []byte {
	return sign(request, radius.CodeAccessChallenge, true, avp(rfc2865.State_Type, []byte("state")),
		eapMessage(eap.Packet{Code: eap.CodeRequest, Identifier: 2, Type: eap.TypeMD5, Data: []byte{1, 2}}))
}

func acceptOf(request []byte, attributes ...*radius.AVP) []byte {
	return sign(request, radius.CodeAccessAccept, true, append(attributes, eapMessage(eap.Packet{Code: eap.CodeSuccess}))...)
}

func rejectOf(request []byte) []byte {
	return sign(request, radius.CodeAccessReject, true, avp(rfc2865.ReplyMessage_Type, []byte("not today")),
		eapMessage(eap.Packet{Code: eap.CodeFailure}))
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
