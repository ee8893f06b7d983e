package eap

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/goswan/goswan/crypto/secret"
)

// Question is one packet of a peer for the authentication server. The machine's driver asks it and brings the Answer back.
type Question struct {
	// Identity is what the peer answered to Request/Identity.
	Identity string
	// Packet is the peer's Response.
	Packet []byte
	// State is what the last answer said to bring back, nil at first (RFC 2865 §5.24).
	State []byte
}

// Verdict is what an authentication server says with a packet.
type Verdict uint8

// The verdicts: the conversation goes on, or it is over.
const (
	Challenge Verdict = iota + 1
	Accept
	Reject
)

// Answer is the authentication server's answer to a Question.
type Answer struct {
	Verdict Verdict
	// Packet is for the peer; empty if the server left it out.
	Packet []byte
	State  []byte
	// MSK has 64 octets, or none. The machine takes it over.
	MSK   secret.Bytes
	Grant Grant
	// Text is what the server would have the user read (RFC 2865 §5.18).
	Text string
}

// Grant is what an authentication server allows an accepted peer. The zero value sets no bounds.
type Grant struct {
	// Identity is the name the server knows the peer by (User-Name in the Access-Accept, RFC 2865 §5.1), "" when it says none.
	Identity string
	// Addresses are those that the peer is to have (Framed-IP-Address, Framed-IPv6-Address).
	Addresses []netip.Addr
	// Prefixes are routed to the peer, or delegated to it (Framed-Route is not read; Framed-IPv6-Prefix, Delegated-IPv6-Prefix).
	Prefixes []netip.Prefix
	// SessionTimeout and IdleTimeout end the session, 0: never.
	SessionTimeout, IdleTimeout time.Duration
	// InterimInterval is how often accounting is to be told of it, 0: not.
	InterimInterval time.Duration
	// Filters are the names of Filter-Id.
	Filters []string
	// Classes go into every accounting message as they are (RFC 2865 §5.25).
	Classes [][]byte
	// Groups are those that the peer is in, as whoever asked the server reads its answer: Classes, Filters, or none of them.
	Groups []string
}

// PassThrough is a pass-through authenticator (RFC 3748 §2.3): it knows no methods, and hands the peer's packets to an
// authentication server. At most one question is open.
type PassThrough struct {
	rounds     rounds
	done       bool
	asking     bool
	identified bool
	identity   string
	identifier uint8
	last       []byte // the last Request to the peer
	state      []byte
}

// PassThroughConfig says what is known beforehand.
type PassThroughConfig struct {
	// Identity is who the peer says it is; "" asks the peer.
	Identity string
	// MaxRounds is how many packets are taken before the conversation fails; 0 is DefaultRounds.
	MaxRounds int
}

// NewPassThrough returns a machine that has not begun.
func NewPassThrough(config PassThroughConfig) *PassThrough {
	return &PassThrough{rounds: newRounds(config.MaxRounds), identity: config.Identity}
}

// Start asks the peer for its identity, or, when that is known, the backend with a Response that the peer did not have
// to send.
func (p *PassThrough) Start() Step {
	if p.identity == "" {
		p.last = Packet{Code: CodeRequest, Type: TypeIdentity}.AppendTo(nil)
		return Step{Send: bytes.Clone(p.last)}
	}
	p.identified = true
	return p.ask(Packet{Code: CodeResponse, Type: TypeIdentity, Data: []byte(p.identity)}.AppendTo(nil))
}

// Receive takes the peer's next packet.
func (p *PassThrough) Receive(_ time.Time, octets []byte) Step {
	switch {
	case p.done:
		return Step{Discarded: reasonf(Finished, 0, "a packet after the end")}
	case p.asking:
		return Step{Discarded: reasonf(BadPacket, 0, "a packet while the backend is asked about another")}
	case p.rounds.take():
		return p.abandon(reasonf(TooLong, 0, "the peer does not come to an end"))
	}
	packet, err := Parse(octets)
	switch {
	case err != nil:
		return p.discard(reasonf(BadPacket, 0, "%v", err))
	case packet.Code != CodeResponse:
		return p.discard(reasonf(BadPacket, 0, "the peer sent a %s", packet.Code))
	case packet.Identifier != p.identifier || p.last == nil:
		return p.discard(reasonf(BadPacket, packet.Type, "%s, expected identifier %d", packet, p.identifier))
	case p.identified:
		return p.ask(octets)
	case packet.Type != TypeIdentity || len(packet.Data) > maxIdentity:
		return p.discard(reasonf(BadPacket, packet.Type, "the peer answered Identity with %s", packet))
	}
	p.identified, p.identity = true, string(packet.Data)
	return p.ask(octets)
}

func (p *PassThrough) ask(packet []byte) Step {
	p.asking = true
	return Step{Ask: &Question{Identity: p.identity, Packet: bytes.Clone(packet), State: bytes.Clone(p.state)}}
}

// Answer takes what the backend said to the question that is open; err says that it did not, or that it is not to be believed.
func (p *PassThrough) Answer(answer Answer, err error) Step {
	if p.done || !p.asking {
		answer.MSK.Wipe()
		return Step{Discarded: reasonf(Finished, 0, "an answer that nobody waits for")}
	}
	p.asking = false
	if err != nil {
		return p.abandon(reasonf(BackendFailed, 0, "%v", err))
	}
	packet, reason := p.answered(answer)
	if reason != nil {
		answer.MSK.Wipe()
		return p.abandon(reason)
	}
	switch answer.Verdict {
	case Accept:
		return p.accept(answer)
	case Reject:
		return p.reject(answer)
	}
	p.identifier, p.last, p.state = packet.Identifier, bytes.Clone(answer.Packet), bytes.Clone(answer.State)
	return Step{Send: bytes.Clone(p.last)}
}

// answered checks that packet and verdict agree: an Access-Accept goes with Success, an Access-Reject with Failure, and
// a challenge with a Request, which must be there. With others "the NAS and peer will arrive at different conclusions"
// (RFC 3579 §2.6.3).
func (p *PassThrough) answered(answer Answer) (Packet, *Reason) {
	fitting, known := map[Verdict]Code{Challenge: CodeRequest, Accept: CodeSuccess, Reject: CodeFailure}[answer.Verdict]
	if !known {
		return Packet{}, reasonf(BackendFailed, 0, "verdict %d", answer.Verdict)
	}
	if len(answer.Packet) == 0 && answer.Verdict != Challenge {
		return Packet{}, nil
	}
	packet, err := Parse(answer.Packet)
	switch {
	case err != nil:
		return packet, reasonf(BackendFailed, 0, "the backend's packet: %v", err)
	case packet.Code != fitting:
		return packet, reasonf(BackendFailed, 0, "the backend sent a %s where a %s belongs", packet.Code, fitting)
	}
	return packet, nil
}

func rejected(answer Answer) *Reason {
	reason := reasonf(Refused, 0, "the authentication server refused the peer")
	if answer.Text != "" {
		reason.Text = clip(reason.Text + ": " + notice([]byte(answer.Text)))
	}
	reason.ByPeer = true
	return reason
}

func (p *PassThrough) accept(answer Answer) Step {
	p.Wipe()
	result := &Result{Identity: p.identity, MSK: answer.MSK, Grant: answer.Grant}
	if answer.Grant.Identity != "" {
		result.Identity = answer.Grant.Identity
	}
	return Step{Send: p.verdict(CodeSuccess, answer.Packet), Done: result}
}

func (p *PassThrough) reject(answer Answer) Step {
	p.Wipe()
	return Step{Send: p.verdict(CodeFailure, answer.Packet), Done: &Result{Err: rejected(answer), Identity: p.identity}}
}

// verdict is the backend's last packet, or, where it left it out, ours that says the same: IKE does not end without one.
func (p *PassThrough) verdict(code Code, packet []byte) []byte {
	if len(packet) == 0 {
		return Packet{Code: code, Identifier: p.identifier}.AppendTo(nil)
	}
	return bytes.Clone(packet)
}

// abandon ends without a packet: "the NAS MUST NOT "manufacture" EAP packets in order to correct contradictory messages
// that it receives" (RFC 3579 §2.6.3), nor for a backend that is silent. IKE has a notify for it.
func (p *PassThrough) abandon(reason *Reason) Step {
	p.Wipe()
	return Step{Done: &Result{Err: reason, Identity: p.identity}}
}

// discard sends the Request again that is not answered yet.
func (p *PassThrough) discard(reason *Reason) Step {
	return Step{Send: bytes.Clone(p.last), Discarded: reason}
}

// Wipe ends the conversation. An answer that still comes is discarded.
func (p *PassThrough) Wipe() { p.done, p.asking = true, false }
