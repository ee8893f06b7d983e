package eap

import (
	"crypto/tls"
	"encoding/binary"
	"io"

	"github.com/goswan/goswan/crypto/secret"
)

// PeerPEAP is PEAPv0 (MS-PEAP, with TLS 1.3 RFC 9427) on the peer.
type PeerPEAP struct {
	TLS TLSConfig
	// Identity is the one inside the tunnel.
	Identity string
	// Methods are those inside: MSCHAPv2, GTC.
	Methods []PeerMethod
	Binding Binding
}

// ServerPEAP is PEAPv0 on the server.
type ServerPEAP struct {
	TLS     TLSConfig
	Methods []ServerMethod
	Binding Binding
	// RequireCertificate asks the peer for a certificate too.
	RequireCertificate bool
}

// Type is TypePEAP.
func (PeerPEAP) Type() Type { return TypePEAP }

// Type is TypePEAP.
func (ServerPEAP) Type() Type { return TypePEAP }

func (c PeerPEAP) check() *Reason {
	if len(c.Identity) > maxIdentity {
		return reasonf(BadConfig, TypePEAP, "an identity of %d octets", len(c.Identity))
	}
	if reason := checkInner(TypePEAP, c.Methods, TypeGTC, TypeMSCHAPv2); reason != nil {
		return reason
	}
	return c.TLS.check(TypePEAP, false, true)
}

func (c ServerPEAP) check() *Reason {
	if reason := checkInner(TypePEAP, c.Methods, TypeGTC, TypeMSCHAPv2); reason != nil {
		return reason
	}
	return c.TLS.check(TypePEAP, true, c.RequireCertificate)
}

// compress leaves off Code, Identifier and Length, as is done to all packets inside but Extensions. MS-PEAP §3.1.5.2.3
func compress(packet []byte) []byte { return packet[headerSize:] }

// decompress puts a header before what came out of the tunnel.
func decompress(code Code, identifier uint8, data []byte) []byte {
	packet := binary.BigEndian.AppendUint16([]byte{byte(code), identifier}, uint16(headerSize+len(data)))
	return append(packet, data...)
}

// asExtensions tells whether what came out of the tunnel is an Extensions packet, which has its header, and reads it.
func asExtensions(code Code, data []byte) (Packet, bool) {
	packet, err := Parse(data)
	return packet, err == nil && packet.Code == code && packet.Type == TypeExtensions
}

// bind makes the keys that bind the tunnel to the method inside.
func bind(t *tunnel, inner secret.Bytes) (compound, *Reason) {
	msk, emsk, reason := t.keys()
	if reason != nil {
		return compound{}, reason
	}
	defer msk.Wipe()
	defer emsk.Wipe()
	return newCompound(msk, inner), nil
}

type peapPeer struct {
	config PeerPEAP
	peer   *Peer
	done   *outcome // the server and we have said that all is well
}

func (c PeerPEAP) peer(random io.Reader) (peerMachine, *Reason) {
	peer, err := NewPeer(PeerConfig{Identity: c.Identity, Methods: c.Methods, Rand: random})
	if err != nil {
		return nil, reasonf(BadConfig, TypePEAP, "%v", err)
	}
	return newTunnelPeer(TypePEAP, c.TLS, random, &peapPeer{config: c, peer: peer}), nil
}

func (p *peapPeer) say(t *tunnel, identifier uint8, data []byte) ([]byte, *Reason) {
	switch {
	case len(data) == 0:
		return nil, nil
	case p.done != nil:
		return nil, reasonf(BadPacket, TypePEAP, "the server goes on after the end")
	case len(data) > maxPacket-headerSize:
		return nil, reasonf(TooLong, TypePEAP, "%d octets inside the tunnel", len(data))
	}
	if packet, ok := asExtensions(CodeRequest, data); ok {
		return p.extensions(t, packet)
	}
	step := p.peer.Receive(t.now, decompress(CodeRequest, identifier, data))
	switch {
	case step.Done != nil:
		return nil, step.Done.Err
	case step.Send == nil:
		return nil, step.Discarded
	}
	return compress(step.Send), nil
}

// extensions answers the server's verdict with ours.
func (p *peapPeer) extensions(t *tunnel, packet Packet) ([]byte, *Reason) {
	theirs, reason := parseExtensions(packet.Data)
	if reason != nil {
		return nil, reason
	}
	failure := extensions{result: resultFailure}.packet(CodeResponse, packet.Identifier)
	inside, reason := p.peer.ready()
	if theirs.result == resultFailure && reason == nil {
		reason = reasonf(Refused, TypePEAP, "the server refused %q inside the tunnel", p.config.Identity)
		reason.ByPeer = true
	}
	if reason != nil {
		return failure, reason
	}
	defer inside.msk.Wipe()
	ours := extensions{result: resultSuccess}
	o := outcome{identity: p.config.Identity, inner: p.peer.Method(), innerName: p.peer.Method().String()}
	switch {
	case theirs.binding != nil && p.config.Binding != BindingOff:
		if ours.binding, o.msk, reason = p.bound(t, theirs.binding, inside.msk); reason != nil {
			return failure, reason
		}
	case p.config.Binding == BindingRequired:
		return failure, reasonf(BadBinding, TypePEAP, "the server does not bind the tunnel to the method inside")
	}
	p.done = &o
	return ours.packet(CodeResponse, packet.Identifier), nil
}

// bound checks the server's Crypto-Binding and makes ours, which has the same nonce.
func (p *peapPeer) bound(t *tunnel, theirs *binding, inner secret.Bytes) (*binding, secret.Bytes, *Reason) {
	keys, reason := bind(t, inner)
	if reason != nil {
		return nil, nil, reason
	}
	defer keys.wipe()
	if theirs.subType != bindingRequest || !theirs.genuine(keys.cmk) {
		return nil, nil, reasonf(BadBinding, TypePEAP, "the tunnel and the method inside end at different servers")
	}
	ours := &binding{subType: bindingResponse, nonce: theirs.nonce}
	ours.mac = ours.sum(keys.cmk)
	return ours, keys.msk(), nil
}

func (p *peapPeer) finished(*tunnel) (outcome, *Reason) {
	if p.done == nil {
		return outcome{}, reasonf(BadPacket, TypePEAP, "Success before the result inside the tunnel")
	}
	o := *p.done
	o.msk = o.msk.Clone()
	return o, nil
}

func (p *peapPeer) wipe() {
	p.peer.Wipe()
	if p.done != nil {
		p.done.msk.Wipe()
	}
}

type peapServer struct {
	config ServerPEAP
	random io.Reader
	server *Server // nil before the first word inside

	sent   *binding // our Crypto-Binding
	keys   compound
	passed *outcome // what the peer is to agree to
	failed *Reason  // what it has been told of
}

func (c ServerPEAP) server(_ string, random io.Reader) (serverMachine, *Reason) {
	client := tls.NoClientCert
	if c.RequireCertificate {
		client = tls.RequireAnyClientCert
	}
	server, err := NewServer(ServerConfig{Methods: c.Methods, Rand: random})
	if err != nil {
		return nil, reasonf(BadConfig, TypePEAP, "%v", err)
	}
	return newTunnelServer(TypePEAP, c.TLS, random, client, &peapServer{config: c, random: random, server: server}), nil
}

func (s *peapServer) say(t *tunnel, data []byte) insideTurn {
	switch {
	case len(data) == 0:
		return s.begin(t)
	case s.passed != nil || s.failed != nil:
		return s.result(t, data)
	case s.server.last == nil:
		return insideTurn{failed: reasonf(BadPacket, TypePEAP, "the peer has the first word")}
	case len(data) > maxPacket-headerSize:
		return insideTurn{failed: reasonf(TooLong, TypePEAP, "%d octets inside the tunnel", len(data))}
	}
	return s.step(t, s.server.Receive(t.now, decompress(CodeResponse, s.server.identifier, data)))
}

// begin asks for the identity, once. A peer that says nothing later on is asked nothing more.
func (s *peapServer) begin(t *tunnel) insideTurn {
	if s.server.last != nil {
		return insideTurn{failed: reasonf(BadPacket, TypePEAP, "the peer has no answer inside the tunnel")}
	}
	return s.step(t, s.server.Start())
}

// step passes on what the server inside has to say. Its end is told in Extensions, which the peer has to agree to.
func (s *peapServer) step(t *tunnel, step Step) insideTurn {
	switch {
	case step.Done != nil && step.Done.Err != nil:
		s.failed = step.Done.Err
		return insideTurn{answer: extensions{result: resultFailure}.packet(CodeRequest, s.server.identifier)}
	case step.Done != nil:
		defer step.Done.Wipe()
		return s.offer(t, step.Done)
	case step.Discarded != nil:
		return insideTurn{failed: step.Discarded}
	}
	return insideTurn{answer: compress(step.Send)}
}

// offer tells the peer of its success, with our Crypto-Binding.
func (s *peapServer) offer(t *tunnel, inside *Result) insideTurn {
	e := extensions{result: resultSuccess}
	if s.config.Binding != BindingOff {
		var reason *Reason
		if s.keys, reason = bind(t, inside.MSK); reason != nil {
			return insideTurn{failed: reason}
		}
		s.sent = &binding{subType: bindingRequest}
		if _, err := io.ReadFull(s.random, s.sent.nonce[:]); err != nil {
			return insideTurn{failed: noRandomness(TypePEAP, err)}
		}
		s.sent.mac = s.sent.sum(s.keys.cmk)
		e.binding = s.sent
	}
	s.passed = &outcome{identity: inside.Identity, inner: inside.Method, innerName: inside.Method.String()}
	return insideTurn{answer: e.packet(CodeRequest, s.server.identifier)}
}

// result takes the peer's verdict on ours.
func (s *peapServer) result(t *tunnel, data []byte) insideTurn {
	if s.failed != nil {
		return insideTurn{failed: s.failed}
	}
	packet, ok := asExtensions(CodeResponse, data)
	if !ok {
		return insideTurn{failed: reasonf(BadPacket, TypePEAP, "the peer does not answer the result inside the tunnel")}
	}
	theirs, reason := parseExtensions(packet.Data)
	switch {
	case reason != nil:
		return insideTurn{failed: reason}
	case theirs.result != resultSuccess:
		reason = reasonf(Refused, TypePEAP, "the peer does not agree to the success inside the tunnel")
		reason.ByPeer = true
		return insideTurn{failed: reason}
	case theirs.binding == nil && s.config.Binding == BindingRequired:
		return insideTurn{failed: reasonf(BadBinding, TypePEAP, "the peer does not bind the tunnel to the method inside")}
	case theirs.binding == nil || s.sent == nil:
		return insideTurn{passed: s.passed}
	case theirs.binding.subType != bindingResponse || theirs.binding.nonce != s.sent.nonce || !theirs.binding.genuine(s.keys.cmk):
		return insideTurn{failed: reasonf(BadBinding, TypePEAP, "the tunnel and the method inside end at different peers")}
	}
	s.passed.msk = s.keys.msk()
	return insideTurn{passed: s.passed}
}

func (s *peapServer) wipe() {
	s.server.Wipe()
	s.keys.wipe()
}
