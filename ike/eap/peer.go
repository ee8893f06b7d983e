package eap

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// PeerMethod is one of PeerMD5, PeerGTC, PeerMSCHAPv2, PeerTLS, PeerTTLS and PeerPEAP: a method as the peer is to do it.
type PeerMethod interface {
	// Type is the method's.
	Type() Type
	peer(random io.Reader) (peerMachine, *Reason)
}

// peerMachine is a method under way on the peer.
type peerMachine interface {
	// request takes the data of a Request of the method.
	request(now time.Time, identifier uint8, data []byte) peerTurn
	// finish is called when the server says Success. The reason is not nil if the method has not come to its end: then
	// "the peer … MUST silently discard" the Success (RFC 3748 §4.2).
	finish() (outcome, *Reason)
	wipe()
}

// peerTurn is the answer to a Request. With failed set and a response, the response goes out and the conversation is
// lost whatever comes; with failed and no response it is over at once. A response without octets is a non-nil slice.
type peerTurn struct {
	response []byte
	failed   *Reason
}

// PeerConfig says who the peer is and what it can do.
type PeerConfig struct {
	// Identity answers a Request/Identity. A tunnel's own identity may be another; then this one may be anonymous.
	Identity string
	// Methods are those that are done when they are asked for, and that a Nak names, in this order.
	Methods []PeerMethod
	// Rand is where random octets come from.
	Rand io.Reader
	// MaxRounds is how many packets are taken before the conversation fails; 0 is DefaultRounds.
	MaxRounds int
}

// maxIdentity bounds identities and names, of both sides. RFC 7542 §2.2 has 253 octets for what goes through RADIUS.
const maxIdentity = 512

// Peer is who authenticates (RFC 3748 §1.2).
type Peer struct {
	config PeerConfig
	rounds rounds
	done   bool

	method  PeerMethod // nil before the first Request of a method that is ours
	machine peerMachine
	failed  *Reason // what the conversation will end with, although the server has not said so yet

	lastRequest, lastResponse []byte
	lastIdentifier            uint8
	answered                  bool // there is a lastResponse
}

// NewPeer errs for a configuration that cannot work.
func NewPeer(config PeerConfig) (*Peer, error) {
	switch {
	case len(config.Methods) == 0:
		return nil, reasonf(BadConfig, 0, "a peer without methods")
	case config.Rand == nil:
		return nil, reasonf(BadConfig, 0, "a peer without a source of random octets")
	case len(config.Identity) > maxIdentity:
		return nil, reasonf(BadConfig, 0, "an identity of %d octets", len(config.Identity))
	}
	for _, method := range config.Methods {
		if err := checkMethod(method); err != nil {
			return nil, err
		}
	}
	return &Peer{config: config, rounds: newRounds(config.MaxRounds)}, nil
}

// checker is a method whose configuration can be wrong.
type checker interface{ check() *Reason }

func checkMethod(method any) error {
	if c, ok := method.(checker); ok {
		if reason := c.check(); reason != nil {
			return reason
		}
	}
	return nil
}

// Receive takes the server's next packet.
func (p *Peer) Receive(now time.Time, octets []byte) Step {
	if p.done {
		return Step{Discarded: reasonf(Finished, 0, "a packet after the end")}
	}
	if p.rounds.take() {
		return p.end(reasonf(TooLong, p.Method(), "the server does not come to an end"))
	}
	packet, err := Parse(octets)
	if err != nil {
		return p.discard(reasonf(BadPacket, p.Method(), "%v", err))
	}
	switch packet.Code {
	case CodeRequest:
		return p.request(now, packet, octets)
	case CodeSuccess:
		return p.success(packet)
	case CodeFailure:
		return p.failure(packet)
	}
	return p.discard(reasonf(BadPacket, p.Method(), "the server sent a %s", packet.Code))
}

func (p *Peer) request(now time.Time, packet Packet, octets []byte) Step {
	// "If a peer receives a valid duplicate Request for which it has already sent a Response, it MUST resend its original
	// Response without reprocessing the Request."  RFC 3748 §4.1. Not the identifier alone makes a duplicate: the identity
	// may have been asked for by another than who goes on.
	if p.answered && bytes.Equal(octets, p.lastRequest) {
		return Step{Send: bytes.Clone(p.lastResponse)}
	}
	switch packet.Type {
	case TypeIdentity:
		return p.identity(packet, octets)
	case TypeNotification:
		step := p.respond(packet, octets, TypeNotification, nil)
		step.Notice = notice(packet.Data)
		return step
	case TypeNak:
		return p.discard(reasonf(BadPacket, p.Method(), "the server sent a Nak"))
	}
	if p.method == nil {
		return p.propose(now, packet, octets)
	}
	// "Once a peer has sent a Response of the same Type as the initial Request, an authenticator MUST NOT send a Request of
	// a different Type prior to completion of the final round of a given method … a peer receiving such Requests MUST treat
	// them as invalid, and silently discard them."  RFC 3748 §2.1
	if packet.Type != p.method.Type() {
		return p.discard(reasonf(BadPacket, p.Method(), "the server asked for %s in the midst of %s", packet.Type, p.method.Type()))
	}
	return p.turn(packet, octets, p.machine.request(now, packet.Identifier, packet.Data))
}

// identity answers who we are. Once a method is under way it is too late to ask.
func (p *Peer) identity(packet Packet, octets []byte) Step {
	if p.method != nil {
		return p.discard(reasonf(BadPacket, p.Method(), "the server asked for the identity in the midst of %s", p.method.Type()))
	}
	return p.respond(packet, octets, TypeIdentity, []byte(p.config.Identity))
}

// propose begins the method that the server asks for, or names ours.
func (p *Peer) propose(now time.Time, packet Packet, octets []byte) Step {
	for _, method := range p.config.Methods {
		if method.Type() != packet.Type {
			continue
		}
		machine, reason := method.peer(p.config.Rand)
		if reason != nil {
			return p.end(reason)
		}
		p.method, p.machine = method, machine
		return p.turn(packet, octets, machine.request(now, packet.Identifier, packet.Data))
	}
	var ours []Type
	for _, method := range p.config.Methods {
		ours = append(ours, method.Type())
	}
	p.failed = reasonf(NoMethod, 0, "the server wants a method that is not ours")
	p.failed.Offered, p.failed.Acceptable = packet.Type.String(), list(ours)
	return p.send(octets, nak(packet, ours))
}

// turn sends what a method answers.
func (p *Peer) turn(packet Packet, octets []byte, turn peerTurn) Step {
	p.failed = turn.failed
	if turn.response == nil {
		return p.end(turn.failed)
	}
	return p.respond(packet, octets, p.method.Type(), turn.response)
}

func (p *Peer) respond(packet Packet, octets []byte, typ Type, data []byte) Step {
	return p.send(octets, Packet{Code: CodeResponse, Identifier: packet.Identifier, Type: typ, Expanded: packet.Expanded, Data: data})
}

func (p *Peer) send(request []byte, response Packet) Step {
	p.lastRequest = append(p.lastRequest[:0], request...)
	p.lastResponse = response.AppendTo(p.lastResponse[:0])
	p.lastIdentifier, p.answered = response.Identifier, true
	return Step{Send: bytes.Clone(p.lastResponse)}
}

// success believes a Success only behind a method that has come to its end.
func (p *Peer) success(packet Packet) Step {
	if reason := p.misplaced(packet); reason != nil {
		return p.discard(reason)
	}
	if p.failed != nil {
		return p.end(p.failed)
	}
	if p.method == nil {
		return p.discard(reasonf(BadPacket, 0, "the server said Success before any method"))
	}
	o, reason := p.machine.finish()
	if reason != nil {
		return p.discard(reason)
	}
	if o.identity == "" {
		o.identity = p.config.Identity
	}
	result := o.result(p.method.Type())
	p.Wipe()
	return Step{Done: result}
}

func (p *Peer) failure(packet Packet) Step {
	if reason := p.misplaced(packet); reason != nil {
		return p.discard(reason)
	}
	if p.failed != nil {
		return p.end(p.failed)
	}
	reason := reasonf(Refused, p.Method(), "the server said Failure")
	reason.ByPeer = true
	return p.end(reason)
}

// misplaced tells of a Success or Failure that does not belong to our last Response: "The Identifier field MUST match the
// Identifier field of the Response packet that it is sent in response to."  RFC 3748 §4.2
func (p *Peer) misplaced(packet Packet) *Reason {
	if p.answered && packet.Identifier != p.lastIdentifier {
		return reasonf(BadPacket, p.Method(), "%s after a response with identifier %d", packet, p.lastIdentifier)
	}
	return nil
}

func (p *Peer) discard(reason *Reason) Step { return Step{Discarded: reason} }

func (p *Peer) end(reason *Reason) Step {
	method := p.Method()
	p.Wipe()
	return Step{Done: &Result{Err: reason, Method: method, Identity: p.config.Identity}}
}

// Method is the one under way, 0 when none.
func (p *Peer) Method() Type {
	if p.method == nil {
		return 0
	}
	return p.method.Type()
}

// ready says that a Success would be believed now, or that there is nothing more to be done: what a tunnel asks of the
// conversation inside.
func (p *Peer) ready() (outcome, *Reason) {
	switch {
	case p.failed != nil:
		return outcome{}, p.failed
	case p.method == nil:
		return outcome{}, reasonf(BadPacket, 0, "no method was done")
	}
	return p.machine.finish()
}

// Format prints what the peer is doing, and none of its secrets, for every verb.
func (p *Peer) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "EAP peer %q doing %s", p.config.Identity, doing(p.Method()))
}

// Wipe ends the conversation and clears its secrets.
func (p *Peer) Wipe() {
	p.done = true
	if p.machine != nil {
		p.machine.wipe()
	}
	clear(p.lastResponse)
}

// notice is a text to be shown: "displayable message … UTF-8 encoded"  RFC 3748 §5.2
func notice(data []byte) string {
	const most = 256
	s := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return '.'
		}
		return r
	}, string(data[:min(len(data), most)]))
	if s == "" {
		return "(an empty notification)"
	}
	return s
}
