package radiustest

import (
	"crypto/rand"
	"strconv"
	"sync"
	"testing"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"
	"layeh.com/radius/vendors/microsoft"

	"github.com/goswan/goswan/ike/eap"
)

const maxAttribute = 253 // octets of value

// EAPServer is our EAP server behind just enough of a RADIUS server.
type EAPServer struct {
	// Ended has how conversations ended, unless nobody takes the last one out.
	Ended chan *eap.Result
	t     testing.TB

	mu            sync.Mutex // guards what follows
	method        eap.ServerMethod
	grant         []*radius.AVP
	conversations map[string]*eap.Server // by State
}

// NewEAPServer makes one whose conversations are about a method, and whose Access-Accepts have these attributes.
func NewEAPServer(t testing.TB, method eap.ServerMethod, grant ...*radius.AVP) *EAPServer {
	return &EAPServer{t: t, Ended: make(chan *eap.Result, 1), method: method, grant: grant, conversations: map[string]*eap.Server{}}
}

// Offer says what the next conversations are about.
func (s *EAPServer) Offer(method eap.ServerMethod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.method = method
}

// Handle is a Handler. It lets the EAP server take the peer's packet; the first is its identity, which begins a conversation.
func (s *EAPServer) Handle(octets []byte) [][]byte {
	request := Parse(s.t, octets)
	var packet []byte
	for _, a := range request.Attributes {
		if a.Type == rfc2869.EAPMessage_Type {
			packet = append(packet, a.Attribute...)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	state := rfc2865.State_GetString(request)
	if state != "" {
		server := s.conversations[state]
		if server == nil {
			s.t.Errorf("the EAP server gets the State %q of no conversation", state)
			return nil
		}
		return s.respond(octets, request, state, server.Receive(time.Now(), packet))
	}
	identity, err := eap.Parse(packet)
	if err != nil {
		s.t.Errorf("the EAP server gets no EAP packet first: %v", err)
		return nil
	}
	server, err := eap.NewServer(eap.ServerConfig{Identity: string(identity.Data), Methods: []eap.ServerMethod{s.method}, Rand: rand.Reader})
	if err != nil {
		s.t.Error(err)
		return nil
	}
	state = strconv.Itoa(len(s.conversations) + 1)
	s.conversations[state] = server
	return s.respond(octets, request, state, server.Start())
}

// respond is the response with what the EAP server did; s.mu is held.
func (s *EAPServer) respond(octets []byte, request *radius.Packet, state string, step eap.Step) [][]byte {
	var attributes []*radius.AVP
	for rest := step.Send; len(rest) > 0; {
		n := min(len(rest), maxAttribute)
		attributes = append(attributes, AVP(rfc2869.EAPMessage_Type, rest[:n]))
		rest = rest[n:]
	}
	code := radius.CodeAccessChallenge
	switch {
	case step.Done == nil:
		attributes = append(attributes, AVP(rfc2865.State_Type, []byte(state)))
	case step.Done.Err != nil:
		code = radius.CodeAccessReject
	default:
		code = radius.CodeAccessAccept
		attributes = append(attributes, s.grant...)
		if msk := step.Done.MSK; msk != nil {
			keys := request.Response(code)
			_ = microsoft.MSMPPERecvKey_Add(keys, msk[:32])
			_ = microsoft.MSMPPESendKey_Add(keys, msk[32:])
			attributes = append(attributes, keys.Attributes...)
		}
	}
	if step.Done != nil {
		select {
		case s.Ended <- step.Done:
		default:
		}
	}
	return [][]byte{Sign(octets, code, true, attributes...)}
}
