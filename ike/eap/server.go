package eap

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"time"
)

// ServerMethod is one of ServerMD5, ServerGTC, ServerMSCHAPv2, ServerTLS, ServerTTLS and ServerPEAP: a method as the
// server is to do it.
type ServerMethod interface {
	// Type is the method's.
	Type() Type
	server(identity string, random io.Reader) (serverMachine, *Reason)
}

// serverMachine is a method under way on the server.
type serverMachine interface {
	// start is the data of the first Request.
	start(identifier uint8) []byte
	// response takes the data of a Response.
	response(now time.Time, data []byte) serverTurn
	wipe()
}

// serverTurn is what follows on a Response: a Request, or, with passed or failed, the end. A request without octets is a
// non-nil slice.
type serverTurn struct {
	request []byte
	passed  *outcome
	failed  *Reason
}

// ServerConfig says what a server accepts.
type ServerConfig struct {
	// Identity is who the peer says it is, when that is known beforehand; otherwise the peer is asked.
	Identity string
	// Methods are offered in this order; a Nak chooses among them, in this order too or, with PreferPeer, in the peer's.
	Methods    []ServerMethod
	PreferPeer bool
	// Rand is where random octets come from.
	Rand io.Reader
	// MaxRounds is how many packets are taken before the conversation fails; 0 is DefaultRounds.
	MaxRounds int
}

// Server is a standalone authenticator: authenticator and authentication server in one (RFC 3748 §2.3).
type Server struct {
	config     ServerConfig
	rounds     rounds
	done       bool
	identity   string
	identifier uint8  // of the last Request
	last       []byte // the last Request

	method   ServerMethod // nil while the identity is asked for
	machine  serverMachine
	answered bool // the peer has answered the method: too late for a Nak
	untried  []ServerMethod
}

// NewServer errs for a configuration that cannot work.
func NewServer(config ServerConfig) (*Server, error) {
	switch {
	case len(config.Methods) == 0:
		return nil, reasonf(BadConfig, 0, "a server without methods")
	case config.Rand == nil:
		return nil, reasonf(BadConfig, 0, "a server without a source of random octets")
	}
	for _, method := range config.Methods {
		if err := checkMethod(method); err != nil {
			return nil, err
		}
	}
	return &Server{
		config: config, rounds: newRounds(config.MaxRounds), identity: config.Identity,
		untried: slices.Clone(config.Methods),
	}, nil
}

// Start is the first Request: for the identity, or, when that is known, of the first method.
func (s *Server) Start() Step {
	// "Initializing the first Identifier with a random number rather than starting from zero is recommended"  RFC 3748 §4.1
	var first [1]byte
	if _, err := io.ReadFull(s.config.Rand, first[:]); err != nil {
		return s.fail(noRandomness(0, err))
	}
	s.identifier = first[0]
	if s.identity == "" {
		return s.send(TypeIdentity, nil)
	}
	return s.begin(s.untried[0])
}

// Receive takes the peer's next packet.
func (s *Server) Receive(now time.Time, octets []byte) Step {
	if s.done {
		return Step{Discarded: reasonf(Finished, 0, "a packet after the end")}
	}
	if s.rounds.take() {
		return s.fail(reasonf(TooLong, s.doing(), "the peer does not come to an end"))
	}
	packet, err := Parse(octets)
	switch {
	case err != nil:
		return s.discard(reasonf(BadPacket, s.doing(), "%v", err))
	case packet.Code != CodeResponse:
		return s.discard(reasonf(BadPacket, s.doing(), "the peer sent a %s", packet.Code))
	case packet.Identifier != s.identifier || s.last == nil:
		// "an authenticator receiving a Response whose Identifier value does not match that of the currently outstanding
		// Request MUST silently discard the Response."  RFC 3748 §4.1
		return s.discard(reasonf(BadPacket, s.doing(), "%s, expected identifier %d", packet, s.identifier))
	case s.method == nil:
		return s.identified(packet)
	case packet.Type == TypeNak:
		return s.nak(packet)
	case packet.Type != s.method.Type():
		return s.discard(reasonf(BadPacket, s.doing(), "the peer answered %s with %s", s.method.Type(), packet.Type))
	}
	s.answered = true
	return s.turn(s.machine.response(now, packet.Data))
}

// identified takes the peer's identity and offers the first method.
func (s *Server) identified(packet Packet) Step {
	if packet.Type != TypeIdentity {
		return s.discard(reasonf(BadPacket, 0, "the peer answered Identity with %s", packet.Type))
	}
	if len(packet.Data) > maxIdentity {
		return s.fail(reasonf(BadPacket, 0, "an identity of %d octets", len(packet.Data)))
	}
	s.identity = string(packet.Data)
	s.identifier++
	return s.begin(s.untried[0])
}

// nak goes on with the first of our methods that the peer would rather have.
func (s *Server) nak(packet Packet) Step {
	if s.answered {
		return s.discard(reasonf(BadPacket, s.doing(), "a Nak in the midst of the method"))
	}
	desired, err := packet.Desired()
	if err != nil {
		return s.discard(reasonf(BadPacket, s.doing(), "%v", err))
	}
	if method := s.desired(desired); method != nil {
		s.machine.wipe()
		s.identifier++
		return s.begin(method)
	}
	reason := reasonf(NoMethod, 0, "the peer wants none of the methods that are left")
	reason.Offered, reason.Acceptable = list(desired), list(types(s.config.Methods))
	return s.fail(reason)
}

// desired is the method to go on with, nil when there is none.
func (s *Server) desired(types []Type) (best ServerMethod) {
	rank := len(types)
	for _, method := range s.untried {
		i := slices.Index(types, method.Type())
		if i < 0 || i >= rank {
			continue
		}
		if best, rank = method, i; !s.config.PreferPeer {
			return best
		}
	}
	return best
}

func types(methods []ServerMethod) (all []Type) {
	for _, method := range methods {
		all = append(all, method.Type())
	}
	return all
}

// begin sends a method's first Request.
func (s *Server) begin(method ServerMethod) Step {
	s.method = method
	s.untried = slices.DeleteFunc(s.untried, func(m ServerMethod) bool { return m.Type() == method.Type() })
	machine, reason := method.server(s.identity, s.config.Rand)
	if reason != nil {
		return s.fail(reason)
	}
	s.machine = machine
	return s.send(method.Type(), machine.start(s.identifier))
}

func (s *Server) turn(turn serverTurn) Step {
	switch {
	case turn.failed != nil:
		return s.fail(turn.failed)
	case turn.passed != nil:
		return s.pass(*turn.passed)
	}
	s.identifier++
	return s.send(s.method.Type(), turn.request)
}

func (s *Server) send(typ Type, data []byte) Step {
	s.last = Packet{Code: CodeRequest, Identifier: s.identifier, Type: typ, Data: data}.AppendTo(nil)
	return Step{Send: bytes.Clone(s.last)}
}

// pass says Success. The identity is the one that was proved; without another it is the one that was given.
func (s *Server) pass(o outcome) Step {
	if o.identity == "" {
		o.identity = s.identity
	}
	result := o.result(s.method.Type())
	s.Wipe()
	return Step{Send: s.verdict(CodeSuccess), Done: result}
}

func (s *Server) fail(reason *Reason) Step {
	result := &Result{Err: reason, Method: s.doing(), Identity: s.identity}
	s.Wipe()
	return Step{Send: s.verdict(CodeFailure), Done: result}
}

// verdict is a Success or Failure for the last Response.
func (s *Server) verdict(code Code) []byte {
	return Packet{Code: code, Identifier: s.identifier}.AppendTo(nil)
}

// discard leaves all as it was. The Request that is not answered yet goes out again: over a reliable transport nobody
// else retransmits it (RFC 3748 §4.3).
func (s *Server) discard(reason *Reason) Step {
	return Step{Send: bytes.Clone(s.last), Discarded: reason}
}

// Failing is why the conversation is lost although the peer does not know yet, or has gone without an answer; nil if it is not.
func (s *Server) Failing() *Reason {
	if f, ok := s.machine.(interface{ failed() *Reason }); ok {
		return f.failed()
	}
	return nil
}

// doing is the method under way, 0 when none.
func (s *Server) doing() Type {
	if s.method == nil {
		return 0
	}
	return s.method.Type()
}

// Format prints what the server is doing, and none of its secrets, for every verb.
func (s *Server) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "EAP server of %q doing %s", s.identity, doing(s.doing()))
}

// doing names a method under way.
func doing(method Type) string {
	if method == 0 {
		return "no method yet"
	}
	return method.String()
}

// Wipe ends the conversation and clears its secrets.
func (s *Server) Wipe() {
	s.done = true
	if s.machine != nil {
		s.machine.wipe()
	}
}
