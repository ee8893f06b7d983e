package eap

import (
	"io"
	"time"

	"github.com/goswan/goswan/crypto/secret"
)

// PeerGTC is Generic Token Card (RFC 3748 §5.6) on the peer: the password or the code of a token, in clear. It belongs
// inside a tunnel, or inside IKE with a server that has shown its certificate.
type PeerGTC struct {
	Password secret.Bytes
}

// ServerGTC is Generic Token Card on the server.
type ServerGTC struct {
	Users Users
	// Prompt is shown to the user; "" is "Password:".
	Prompt string
}

// Type is TypeGTC.
func (PeerGTC) Type() Type { return TypeGTC }

// Type is TypeGTC.
func (ServerGTC) Type() Type { return TypeGTC }

func (c PeerGTC) check() *Reason {
	if len(c.Password) == 0 {
		return reasonf(BadConfig, TypeGTC, "there is no password")
	}
	return nil
}

type gtcPeer struct {
	password secret.Bytes
	answered bool
}

func (c PeerGTC) peer(io.Reader) (peerMachine, *Reason) {
	return &gtcPeer{password: c.Password.Clone()}, nil
}

// request answers the prompt, whatever it says, once: whoever is asked again has said the wrong thing.
func (m *gtcPeer) request(time.Time, uint8, []byte) peerTurn {
	if m.answered {
		return peerTurn{failed: reasonf(BadCredentials, TypeGTC, "the server asked for the password again")}
	}
	m.answered = true
	return peerTurn{response: append([]byte{}, m.password...)}
}

func (m *gtcPeer) finish() (outcome, *Reason) {
	if !m.answered {
		return outcome{}, reasonf(BadPacket, TypeGTC, "Success before the password was asked for")
	}
	return outcome{}, nil
}

func (m *gtcPeer) wipe() { m.password.Wipe() }

type gtcServer struct {
	identity string
	prompt   string
	password secret.Bytes
	missing  *Reason
}

func (c ServerGTC) server(identity string, random io.Reader) (serverMachine, *Reason) {
	m := &gtcServer{identity: identity, prompt: c.Prompt}
	if m.prompt == "" {
		m.prompt = "Password:"
	}
	var broken *Reason
	m.password, m.missing, broken = c.Users.password(TypeGTC, identity, random)
	return m, broken
}

func (m *gtcServer) start(uint8) []byte { return []byte(m.prompt) }

func (m *gtcServer) response(_ time.Time, data []byte) serverTurn {
	return verdict(TypeGTC, m.identity, samePassword(data, m.password), m.missing)
}

func (m *gtcServer) wipe() { m.password.Wipe() }
