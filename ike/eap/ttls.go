package eap

import (
	"bytes"
	"crypto/tls"
	"io"
	"slices"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/eap/mschap"
)

// Inner is how the peer proves itself inside TTLS.
type Inner uint8

// The ways. RFC 5281 §11.2
const (
	InnerEAP Inner = iota
	InnerPAP
	InnerMSCHAPv2
)

// String is the name that Result.InnerName has, "" for EAP, whose method has a Type.
func (i Inner) String() string { return [...]string{"", "PAP", "MSCHAPv2"}[i] }

// PeerTTLS is EAP-TTLSv0 (RFC 5281, with TLS 1.3 RFC 9427) on the peer.
type PeerTTLS struct {
	TLS   TLSConfig
	Inner Inner
	// Name is the identity inside the tunnel.
	Name string
	// Password is for PAP and MSCHAPv2.
	Password secret.Bytes
	// Methods are for EAP: MD5, GTC, MSCHAPv2.
	Methods []PeerMethod
}

// ServerTTLS is EAP-TTLSv0 on the server. It takes PAP and MSCHAPv2 if there are Users, and EAP if there are Methods.
type ServerTTLS struct {
	TLS     TLSConfig
	Users   Users
	Methods []ServerMethod
	// RequireCertificate asks the peer for a certificate too.
	RequireCertificate bool
}

// Type is TypeTTLS.
func (PeerTTLS) Type() Type { return TypeTTLS }

// Type is TypeTTLS.
func (ServerTTLS) Type() Type { return TypeTTLS }

func (c PeerTTLS) check() *Reason {
	switch {
	case c.Inner > InnerMSCHAPv2:
		return reasonf(BadConfig, TypeTTLS, "no such way inside")
	case len(c.Name) > maxIdentity:
		return reasonf(BadConfig, TypeTTLS, "a name of %d octets", len(c.Name))
	case c.Inner == InnerEAP:
		if reason := checkInner(TypeTTLS, c.Methods, TypeMD5, TypeGTC, TypeMSCHAPv2); reason != nil {
			return reason
		}
	case len(c.Password) == 0:
		return reasonf(BadConfig, TypeTTLS, "there is no password")
	}
	return c.TLS.check(TypeTTLS, false, true)
}

func (c ServerTTLS) check() *Reason {
	if len(c.Methods) > 0 || c.Users == nil {
		if reason := checkInner(TypeTTLS, c.Methods, TypeMD5, TypeGTC, TypeMSCHAPv2); reason != nil {
			return reason
		}
	}
	return c.TLS.check(TypeTTLS, true, c.RequireCertificate)
}

// checkInner checks the methods inside a tunnel: there are some, the tunnel can carry them, and each is configured well.
func checkInner[M interface{ Type() Type }](method Type, inner []M, allowed ...Type) *Reason {
	if len(inner) == 0 {
		return reasonf(BadConfig, method, "there is no method inside the tunnel")
	}
	for _, m := range inner {
		if !slices.Contains(allowed, m.Type()) {
			return reasonf(BadConfig, method, "%s inside the tunnel is not possible; %s are", m.Type(), list(allowed))
		}
		if c, ok := any(m).(checker); ok {
			if reason := c.check(); reason != nil {
				return reason
			}
		}
	}
	return nil
}

// ttlsChallenge is the implicit challenge: 16 octets and the identifier of MSCHAPv2. RFC 5281 §11.1, §11.2.4; RFC 9427 §2.1
// keeps the label for TLS 1.3.
func ttlsChallenge(t *tunnel) (c mschap.Challenge, ident byte, reason *Reason) {
	material, err := t.flow.Export("ttls challenge", nil, mschap.ChallengeSize+1, t.config.WithoutEMS)
	if err != nil {
		return c, 0, reasonf(TLSFailed, TypeTTLS, "no challenge: %v", err)
	}
	return mschap.Challenge(material), material[mschap.ChallengeSize], nil
}

// ttlsAnswer is the value of MS-CHAP2-Response: Ident, Flags, Peer-Challenge, Reserved, Response. RFC 2548 §2.3.2
type ttlsAnswer struct {
	ident    byte
	peer     mschap.Challenge
	response mschap.Response
}

const ttlsAnswerSize = 2 + mschap.ChallengeSize + flagsAndZeros + mschap.ResponseSize

func (a ttlsAnswer) data() []byte {
	b := append([]byte{a.ident, 0}, a.peer[:]...)
	b = append(b, make([]byte, flagsAndZeros)...)
	return append(b, a.response[:]...)
}

func parseTTLSAnswer(b []byte) (a ttlsAnswer, ok bool) {
	if len(b) != ttlsAnswerSize {
		return a, false
	}
	a.ident = b[0]
	copy(a.peer[:], b[2:])
	copy(a.response[:], b[2+mschap.ChallengeSize+flagsAndZeros:])
	return a, true
}

type ttlsPeer struct {
	config PeerTTLS
	random io.Reader
	begun  bool
	proved bool // nothing more is expected but Success

	hash     secret.Bytes // MSCHAPv2
	exchange mschap.Exchange
	response mschap.Response
	ident    byte

	peer  *Peer // EAP
	inner *Result
}

func (c PeerTTLS) peer(random io.Reader) (peerMachine, *Reason) {
	inside := &ttlsPeer{config: c, random: random}
	if c.Inner == InnerEAP {
		peer, err := NewPeer(PeerConfig{Identity: c.Name, Methods: c.Methods, Rand: random})
		if err != nil {
			return nil, reasonf(BadConfig, TypeTTLS, "%v", err)
		}
		inside.peer = peer
	}
	return newTunnelPeer(TypeTTLS, c.TLS, random, inside), nil
}

func (p *ttlsPeer) say(t *tunnel, _ uint8, data []byte) ([]byte, *Reason) {
	if !p.begun {
		// What a server has to say before the peer has spoken, for which there is nothing defined, is not listened to.
		p.begun = true
		return p.begin(t)
	}
	if len(data) == 0 {
		return nil, nil
	}
	found, reason := takeAVPs(data)
	if reason != nil {
		return nil, reason
	}
	switch p.config.Inner {
	case InnerMSCHAPv2:
		return nil, p.proof(found)
	case InnerEAP:
		return p.eap(t.now, found[avpEAPMessage])
	}
	return nil, nil
}

// begin is the peer's first word.
func (p *ttlsPeer) begin(t *tunnel) ([]byte, *Reason) {
	switch p.config.Inner {
	case InnerPAP:
		p.proved = true
		return appendAVPs(avp{code: avpUserName, data: []byte(p.config.Name)},
			avp{code: avpUserPassword, data: paddedPassword(p.config.Password)}), nil
	case InnerMSCHAPv2:
		return p.challenge(t)
	}
	// "The client initiates EAP by tunneling EAP-Response/Identity": as if the server had asked. RFC 5281 §11.2.1
	return p.eap(t.now, Packet{Code: CodeRequest, Type: TypeIdentity}.AppendTo(nil))
}

// paddedPassword is the password followed by zeros: "null-pad the password to a multiple of 16 octets, to obfuscate its
// length"  RFC 5281 §11.2.5
func paddedPassword(password secret.Bytes) []byte {
	padded := make([]byte, (len(password)+15)&^15)
	copy(padded, password)
	return padded
}

func (p *ttlsPeer) challenge(t *tunnel) ([]byte, *Reason) {
	var reason *Reason
	if p.exchange.Authenticator, p.ident, reason = ttlsChallenge(t); reason != nil {
		return nil, reason
	}
	if _, err := io.ReadFull(p.random, p.exchange.Peer[:]); err != nil {
		return nil, noRandomness(TypeTTLS, err)
	}
	p.exchange.Name = p.config.Name
	p.hash = mschap.NTHash(p.config.Password)
	p.response = p.exchange.NTResponse(p.hash)
	return appendAVPs(avp{code: avpUserName, data: []byte(p.config.Name)},
		avp{code: avpMSCHAPChallenge, data: p.exchange.Authenticator[:]},
		avp{code: avpMSCHAP2Response, data: ttlsAnswer{p.ident, p.exchange.Peer, p.response}.data()}), nil
}

// proof checks the server's MS-CHAP2-Success: Ident and the authenticator response. RFC 5281 §11.2.4, RFC 2548 §2.3.3
func (p *ttlsPeer) proof(found avps) *Reason {
	if data := found[avpMSCHAPError]; len(data) > 0 {
		reason := reasonf(BadCredentials, TypeTTLS, "the server refused %q: %s", p.config.Name, tellMSCHAP(string(data[1:])))
		reason.ByPeer = true
		return reason
	}
	data := found[avpMSCHAP2Success]
	if data == nil {
		return nil
	}
	// What follows the 42 octets is a message.
	if len(data) > 1 {
		proof, _, _ := bytes.Cut(data[1:], []byte(" "))
		if data[0] == p.ident && mschap.SameAuthenticatorResponse(string(proof), p.exchange.AuthenticatorResponse(p.hash, p.response)) {
			p.proved = true
			return nil
		}
	}
	return reasonf(BadCredentials, TypeTTLS, "the server does not prove that it knows the password")
}

// eap hands a packet to the conversation inside.
func (p *ttlsPeer) eap(now time.Time, packet []byte) ([]byte, *Reason) {
	if packet == nil {
		return nil, nil
	}
	step := p.peer.Receive(now, packet)
	switch {
	case step.Done != nil && step.Done.Err != nil:
		return nil, step.Done.Err
	case step.Done != nil:
		p.inner = step.Done
		return nil, nil
	case step.Send == nil:
		return nil, step.Discarded
	}
	return appendAVPs(avp{code: avpEAPMessage, data: step.Send}), nil
}

func (p *ttlsPeer) finished(*tunnel) (outcome, *Reason) {
	o := outcome{identity: p.config.Name, innerName: p.config.Inner.String()}
	if p.config.Inner != InnerEAP {
		if !p.proved {
			return outcome{}, reasonf(BadPacket, TypeTTLS, "Success before anything was proved inside the tunnel")
		}
		return o, nil
	}
	// Success is told outside alone by most servers.
	if p.inner == nil {
		inside, reason := p.peer.ready()
		if reason != nil {
			return outcome{}, reason
		}
		inside.msk.Wipe()
		inside.emsk.Wipe()
	}
	o.inner = p.peer.Method()
	o.innerName = o.inner.String()
	return o, nil
}

func (p *ttlsPeer) wipe() {
	p.hash.Wipe()
	if p.peer != nil {
		p.peer.Wipe()
	}
	if p.inner != nil {
		p.inner.Wipe()
	}
}

type ttlsServer struct {
	config ServerTTLS
	random io.Reader
	passed *outcome // MSCHAPv2 waits for the peer to agree
	server *Server  // EAP
}

func (c ServerTTLS) server(_ string, random io.Reader) (serverMachine, *Reason) {
	client := tls.NoClientCert
	if c.RequireCertificate {
		client = tls.RequireAnyClientCert
	}
	return newTunnelServer(TypeTTLS, c.TLS, random, client, &ttlsServer{config: c, random: random}), nil
}

func (s *ttlsServer) say(t *tunnel, data []byte) insideTurn {
	if len(data) == 0 {
		// After the handshake the word is the peer's; after our proof it means that the peer agrees.
		return insideTurn{passed: s.passed}
	}
	if s.passed != nil {
		return insideTurn{failed: reasonf(BadPacket, TypeTTLS, "the peer goes on after the end")}
	}
	found, reason := takeAVPs(data)
	switch {
	case reason != nil:
		return insideTurn{failed: reason}
	case found.has(avpEAPMessage) && len(s.config.Methods) > 0:
		return s.eap(t.now, found[avpEAPMessage])
	case found.has(avpUserPassword) && s.config.Users != nil:
		return s.pap(found)
	case found.has(avpMSCHAP2Response) && s.config.Users != nil:
		return s.mschap(t, found)
	}
	return insideTurn{failed: reasonf(NoMethod, TypeTTLS, "the peer proves itself in no way that is accepted inside the tunnel")}
}

func (s *ttlsServer) name(found avps) (string, *Reason) {
	name := found[avpUserName]
	if len(name) > maxIdentity {
		return "", reasonf(BadPacket, TypeTTLS, "a name of %d octets", len(name))
	}
	return string(name), nil
}

func (s *ttlsServer) pap(found avps) insideTurn {
	name, reason := s.name(found)
	if reason != nil {
		return insideTurn{failed: reason}
	}
	password, missing, broken := s.config.Users.password(TypeTTLS, name, s.random)
	if broken != nil {
		return insideTurn{failed: broken}
	}
	defer password.Wipe()
	got := bytes.TrimRight(found[avpUserPassword], "\x00")
	turn := verdict(TypeTTLS, name, samePassword(got, password), missing)
	return s.decide(turn, InnerPAP)
}

func (s *ttlsServer) mschap(t *tunnel, found avps) insideTurn {
	name, reason := s.name(found)
	if reason != nil {
		return insideTurn{failed: reason}
	}
	challenge, ident, reason := ttlsChallenge(t)
	if reason != nil {
		return insideTurn{failed: reason}
	}
	a, ok := parseTTLSAnswer(found[avpMSCHAP2Response])
	// Challenge and Ident "are equal to the values generated as challenge material", or "the TTLS server MUST reject the
	// client"  RFC 5281 §11.2.4
	if !ok || !bytes.Equal(found[avpMSCHAPChallenge], challenge[:]) || a.ident != ident {
		return insideTurn{failed: reasonf(BadPacket, TypeTTLS, "MSCHAPv2 of another conversation")}
	}
	hash, missing, broken := s.config.Users.ntHash(TypeTTLS, name, s.random)
	if broken != nil {
		return insideTurn{failed: broken}
	}
	defer hash.Wipe()
	exchange := mschap.Exchange{Authenticator: challenge, Peer: a.peer, Name: name}
	expected := exchange.NTResponse(hash)
	proof := exchange.AuthenticatorResponse(hash, expected)
	turn := s.decide(verdict(TypeTTLS, name, secret.Bytes(expected[:]).Equal(a.response[:]), missing), InnerMSCHAPv2)
	if turn.failed != nil {
		return turn
	}
	s.passed = turn.passed
	return insideTurn{answer: appendAVPs(avp{code: avpMSCHAP2Success, data: append([]byte{ident}, proof...)})}
}

func (s *ttlsServer) decide(turn serverTurn, inner Inner) insideTurn {
	if turn.passed != nil {
		turn.passed.innerName = inner.String()
	}
	return insideTurn{passed: turn.passed, failed: turn.failed}
}

// eap hands a packet to the conversation inside, which the peer begins with its identity.
func (s *ttlsServer) eap(now time.Time, packet []byte) insideTurn {
	if s.server == nil {
		return s.begin(packet)
	}
	return insideStep(s.server.Receive(now, packet), func(packet []byte) []byte {
		return appendAVPs(avp{code: avpEAPMessage, data: packet})
	})
}

func (s *ttlsServer) begin(octets []byte) insideTurn {
	packet, err := Parse(octets)
	if err != nil || packet.Code != CodeResponse || packet.Type != TypeIdentity || len(packet.Data) > maxIdentity || len(packet.Data) == 0 {
		return insideTurn{failed: reasonf(BadPacket, TypeTTLS, "EAP inside the tunnel does not begin with an identity")}
	}
	s.server, err = NewServer(ServerConfig{Identity: string(packet.Data), Methods: s.config.Methods, Rand: s.random})
	if err != nil {
		return insideTurn{failed: reasonf(BadConfig, TypeTTLS, "%v", err)}
	}
	return insideStep(s.server.Start(), func(packet []byte) []byte {
		return appendAVPs(avp{code: avpEAPMessage, data: packet})
	})
}

// insideStep is a step of the server inside a tunnel as a turn. Its Success and Failure stay inside.
func insideStep(step Step, wrap func([]byte) []byte) insideTurn {
	switch {
	case step.Done != nil && step.Done.Err != nil:
		return insideTurn{failed: step.Done.Err}
	case step.Done != nil:
		return insideTurn{passed: insideOutcome(step.Done)}
	case step.Discarded != nil:
		return insideTurn{failed: step.Discarded}
	}
	return insideTurn{answer: wrap(step.Send)}
}

// insideOutcome is what a good end inside the tunnel means for the tunnel: the identity counts, the keys do not.
func insideOutcome(result *Result) *outcome {
	defer result.Wipe()
	return &outcome{identity: result.Identity, inner: result.Method, innerName: result.Method.String()}
}

func (s *ttlsServer) wipe() {
	if s.server != nil {
		s.server.Wipe()
	}
}
