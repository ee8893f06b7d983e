package eap

import (
	"crypto/tls"
	"io"
)

// PeerTLS is EAP-TLS (RFC 5216, with TLS 1.3 RFC 9190) on the peer.
type PeerTLS struct {
	TLS TLSConfig
}

// ServerTLS is EAP-TLS on the server. The identity that is proved is a name in the peer's certificate.
type ServerTLS struct {
	TLS TLSConfig
}

// Type is TypeTLS.
func (PeerTLS) Type() Type { return TypeTLS }

// Type is TypeTLS.
func (ServerTLS) Type() Type { return TypeTLS }

func (c PeerTLS) check() *Reason   { return c.TLS.check(TypeTLS, true, true) }
func (c ServerTLS) check() *Reason { return c.TLS.check(TypeTLS, true, true) }

func (c PeerTLS) peer(random io.Reader) (peerMachine, *Reason) {
	return newTunnelPeer(TypeTLS, c.TLS, random, &tlsPeer{}), nil
}

func (c ServerTLS) server(identity string, random io.Reader) (serverMachine, *Reason) {
	return newTunnelServer(TypeTLS, c.TLS, random, tls.RequireAnyClientCert, &tlsServer{identity: identity}), nil
}

// commitment is the protected success indication: one octet of application data, behind which the server sends nothing
// more inside the tunnel. RFC 9190 §2.1.1, §2.5
const commitment = 0x00

// tlsPeer has nothing to say inside the tunnel: it waits for the server's last word.
type tlsPeer struct{ committed bool }

func (p *tlsPeer) say(t *tunnel, _ uint8, data []byte) ([]byte, *Reason) {
	switch {
	case t.version() != tls.VersionTLS13 && len(data) == 0:
		p.committed = true // The server's Finished is its last word.
	case t.version() == tls.VersionTLS13 && len(data) == 0:
		// A session ticket, perhaps.
	case t.version() == tls.VersionTLS13 && len(data) == 1 && data[0] == commitment && !p.committed:
		p.committed = true
	default:
		return nil, reasonf(BadPacket, TypeTLS, "%d octets of application data", len(data))
	}
	return nil, nil
}

func (p *tlsPeer) finished(*tunnel) (outcome, *Reason) {
	if !p.committed {
		return outcome{}, reasonf(BadPacket, TypeTLS, "Success before the server's protected success indication")
	}
	return outcome{}, nil
}

func (*tlsPeer) wipe() {}

// tlsServer commits itself, where TLS 1.3 asks for it, and takes the peer's acknowledgement for its success.
type tlsServer struct {
	identity  string
	committed bool
}

func (s *tlsServer) say(t *tunnel, data []byte) insideTurn {
	if len(data) != 0 {
		return insideTurn{failed: reasonf(BadPacket, TypeTLS, "%d octets of application data", len(data))}
	}
	if t.version() == tls.VersionTLS13 && !s.committed {
		s.committed = true
		return insideTurn{answer: []byte{commitment}}
	}
	return insideTurn{passed: &outcome{identity: certifiedIdentity(t.certificates()[0], s.identity)}}
}

func (*tlsServer) wipe() {}
