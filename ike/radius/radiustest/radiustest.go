// Package radiustest has RADIUS servers for tests: one that does and says what a test wants, on loopback or in memory, and the
// configuration of a FreeRADIUS.
package radiustest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"layeh.com/radius"
	"layeh.com/radius/rfc2866"
	"layeh.com/radius/rfc2869"

	"github.com/goswan/goswan/ike/eap"
)

// Secret is what all servers here share with their clients.
const Secret = "testing123"

const headerSize = 20 // octets in front of the attributes

// Handler is what a server sends back for a request, in that order; nothing is silence.
type Handler func(request []byte) [][]byte

// Receive hands every packet of a socket over until the test ends.
func Receive(t testing.TB, conn *net.UDPConn, handle func(from netip.AddrPort, packet []byte)) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		buffer := make([]byte, radius.MaxPacketLength)
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

// Listen starts a server on loopback that ends with the test.
func Listen(t testing.TB, handle Handler) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	Receive(t, conn, func(from netip.AddrPort, request []byte) {
		for _, octets := range handle(request) {
			_, _ = conn.WriteToUDPAddrPort(octets, from)
		}
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Network is servers in memory, for tests in synctest's time: Dial is radius.Config's.
type Network struct {
	mu      sync.Mutex // guards servers
	servers map[netip.AddrPort]Handler
}

// Serve puts a server, or another one, at an address. nil takes it away.
func (n *Network) Serve(at netip.AddrPort, handle Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.servers == nil {
		n.servers = map[netip.AddrPort]Handler{}
	}
	n.servers[at] = handle
}

var errUnreachable = errors.New("network is unreachable")

// Dial connects to a server.
func (n *Network) Dial(_ context.Context, to netip.AddrPort) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.servers[to] == nil {
		return nil, errUnreachable
	}
	ours, theirs := net.Pipe() // a Write of one end is a Read of the other
	go func() {
		buffer := make([]byte, radius.MaxPacketLength)
		for {
			size, err := theirs.Read(buffer)
			if err != nil {
				return
			}
			n.mu.Lock()
			handle := n.servers[to]
			n.mu.Unlock()
			if handle == nil {
				continue
			}
			for _, octets := range handle(bytes.Clone(buffer[:size])) {
				_, _ = theirs.Write(octets)
			}
		}
	}()
	return ours, nil
}

// Parse reads a request.
func Parse(t testing.TB, request []byte) *radius.Packet {
	t.Helper()
	p, err := radius.Parse(request, []byte(Secret))
	if err != nil {
		t.Error(err)
		return &radius.Packet{}
	}
	return p
}

// AVP is an attribute.
func AVP(typ radius.Type, value []byte) *radius.AVP { return &radius.AVP{Type: typ, Attribute: value} }

// EAPMessage is an attribute with a whole EAP packet.
func EAPMessage(p eap.Packet) *radius.AVP { return AVP(rfc2869.EAPMessage_Type, p.AppendTo(nil)) }

// Sign is a response as an honest server makes it, with a Message-Authenticator if mac is true.
func Sign(request []byte, code radius.Code, mac bool, attributes ...*radius.AVP) []byte {
	p := &radius.Packet{Code: code, Identifier: request[1], Secret: []byte(Secret), Attributes: attributes}
	copy(p.Authenticator[:], request[4:headerSize])
	if mac {
		p.Attributes = append(radius.Attributes{AVP(rfc2869.MessageAuthenticator_Type, make([]byte, md5.Size))}, p.Attributes...)
		octets, err := p.MarshalBinary()
		if err != nil {
			panic(err)
		}
		// With zeros in its place, and the Request Authenticator in the header. RFC 3579 §3.2
		h := hmac.New(md5.New, []byte(Secret))
		h.Write(octets)
		p.Attributes[0].Attribute = h.Sum(nil)
	}
	octets, err := p.Encode()
	if err != nil {
		panic(err)
	}
	return octets
}

// Accept is an honest Access-Accept with EAP's Success.
func Accept(request []byte, attributes ...*radius.AVP) []byte {
	return Sign(request, radius.CodeAccessAccept, true, append(slices.Clone(attributes), EAPMessage(eap.Packet{Code: eap.CodeSuccess}))...)
}

// Reject is an honest Access-Reject with EAP's Failure.
func Reject(request []byte, attributes ...*radius.AVP) []byte {
	return Sign(request, radius.CodeAccessReject, true, append(slices.Clone(attributes), EAPMessage(eap.Packet{Code: eap.CodeFailure}))...)
}

// Accounts is a server that takes records, and keeps them.
type Accounts struct {
	t testing.TB

	mu      sync.Mutex // guards what follows
	records []*radius.Packet
	silent  bool
}

// NewAccounts makes one for a test.
func NewAccounts(t testing.TB) *Accounts { return &Accounts{t: t} }

// Silence has it take nothing, and say nothing, or listen again.
func (a *Accounts) Silence(silent bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.silent = silent
}

// Handle is a Handler.
func (a *Accounts) Handle(request []byte) [][]byte {
	p := Parse(a.t, request)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.silent {
		return nil
	}
	if p.Code != radius.CodeAccountingRequest || !radius.IsAuthenticRequest(request, []byte(Secret)) {
		a.t.Errorf("the server of accounts gets a %s that is not genuine", p.Code)
		return nil
	}
	a.records = append(a.records, p)
	return [][]byte{Sign(request, radius.CodeAccountingResponse, false)}
}

// Take returns the records since the last time, in order.
func (a *Accounts) Take() []*radius.Packet {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.records
	a.records = nil
	return all
}

// Status is what a record tells.
func Status(p *radius.Packet) rfc2866.AcctStatusType { return rfc2866.AcctStatusType_Get(p) }
