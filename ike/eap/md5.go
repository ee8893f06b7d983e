package eap

import (
	"crypto/md5"
	"crypto/subtle"
	"io"
	"time"

	"github.com/goswan/goswan/crypto/secret"
)

// PeerMD5 is MD5-Challenge (RFC 3748 §5.4) on the peer. It makes no keys and does not authenticate the server.
type PeerMD5 struct {
	Password secret.Bytes
}

// ServerMD5 is MD5-Challenge on the server.
type ServerMD5 struct {
	Users Users
}

// Type is TypeMD5.
func (PeerMD5) Type() Type { return TypeMD5 }

// Type is TypeMD5.
func (ServerMD5) Type() Type { return TypeMD5 }

// md5Data is Value-Size and Value; no Name follows. RFC 3748 §5.4, RFC 1994 §4.1
func md5Data(value []byte) []byte {
	return append([]byte{byte(len(value))}, value...)
}

// md5Value is the value of a challenge or response, whose name does not matter; nil when it is not well formed.
func md5Value(data []byte) []byte {
	if len(data) == 0 || data[0] == 0 || len(data)-1 < int(data[0]) {
		return nil
	}
	return data[1 : 1+int(data[0])]
}

// md5Response hashes identifier, secret and challenge. RFC 1994 §4.1
func md5Response(identifier uint8, password secret.Bytes, challenge []byte) []byte {
	h := md5.New()
	h.Write([]byte{identifier})
	h.Write(password)
	h.Write(challenge)
	return h.Sum(nil)
}

type md5Peer struct {
	password secret.Bytes
	answered bool
}

func (c PeerMD5) peer(io.Reader) (peerMachine, *Reason) {
	return &md5Peer{password: c.Password.Clone()}, nil
}

func (m *md5Peer) request(_ time.Time, identifier uint8, data []byte) peerTurn {
	challenge := md5Value(data)
	if challenge == nil {
		return peerTurn{failed: reasonf(BadPacket, TypeMD5, "a challenge of %d octets of data", len(data))}
	}
	m.answered = true
	return peerTurn{response: md5Data(md5Response(identifier, m.password, challenge))}
}

func (m *md5Peer) finish() (outcome, *Reason) {
	if !m.answered {
		return outcome{}, reasonf(BadPacket, TypeMD5, "Success before the challenge")
	}
	return outcome{}, nil
}

func (m *md5Peer) wipe() { m.password.Wipe() }

type md5Server struct {
	identity   string
	password   secret.Bytes
	missing    *Reason
	challenge  [16]byte
	identifier uint8
}

func (c ServerMD5) server(identity string, random io.Reader) (serverMachine, *Reason) {
	m := &md5Server{identity: identity}
	if _, err := io.ReadFull(random, m.challenge[:]); err != nil {
		return nil, noRandomness(TypeMD5, err)
	}
	var broken *Reason
	m.password, m.missing, broken = c.Users.password(TypeMD5, identity, random)
	return m, broken
}

func (m *md5Server) start(identifier uint8) []byte {
	m.identifier = identifier
	return md5Data(m.challenge[:])
}

func (m *md5Server) response(_ time.Time, data []byte) serverTurn {
	value := md5Value(data)
	right := subtle.ConstantTimeCompare(value, md5Response(m.identifier, m.password, m.challenge[:])) == 1
	return verdict(TypeMD5, m.identity, right, m.missing)
}

func (m *md5Server) wipe() { m.password.Wipe() }

// verdict ends a method with a password. A user that is missing has a decoy for one, so only the operator sees a difference.
func verdict(method Type, identity string, right bool, missing *Reason) serverTurn {
	switch {
	case missing != nil:
		return serverTurn{failed: missing}
	case !right:
		return serverTurn{failed: reasonf(BadCredentials, method, "the password of %q is wrong", identity)}
	}
	return serverTurn{passed: &outcome{identity: identity}}
}
