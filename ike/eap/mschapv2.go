package eap

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/eap/mschap"
)

// PeerMSCHAPv2 is EAP-MSCHAPv2 (draft-kamath-pppext-eap-mschapv2) on the peer. It authenticates the server too, as far
// as that knows the password.
type PeerMSCHAPv2 struct {
	// Name goes into the response; "DOMAIN\user" is allowed. It is the identity on most servers.
	Name     string
	Password secret.Bytes
}

// ServerMSCHAPv2 is EAP-MSCHAPv2 on the server.
type ServerMSCHAPv2 struct {
	Users Users
	// Name is what the server calls itself; "" is "goswan".
	Name string
	// Retries is how many wrong passwords are answered with leave to try another (R=1).
	Retries int
}

// Type is TypeMSCHAPv2.
func (PeerMSCHAPv2) Type() Type { return TypeMSCHAPv2 }

// Type is TypeMSCHAPv2.
func (ServerMSCHAPv2) Type() Type { return TypeMSCHAPv2 }

func (c PeerMSCHAPv2) check() *Reason {
	if len(c.Name) > maxIdentity {
		return reasonf(BadConfig, TypeMSCHAPv2, "a name of %d octets", len(c.Name))
	}
	return nil
}

func (c ServerMSCHAPv2) check() *Reason {
	if len(c.Name) > maxIdentity {
		return reasonf(BadConfig, TypeMSCHAPv2, "a name of %d octets", len(c.Name))
	}
	return nil
}

// opCode is what an EAP-MSCHAPv2 packet is. draft-kamath-pppext-eap-mschapv2 §2
type opCode uint8

const (
	opChallenge      opCode = 1
	opResponse       opCode = 2
	opSuccess        opCode = 3
	opFailure        opCode = 4
	opChangePassword opCode = 7
)

// errAuthentication is ERROR_AUTHENTICATION_FAILURE; with it an unknown user and a wrong password look the same. RFC 2759 §6
const errAuthentication = 691

// errorNames are those of RFC 2759 §6.
var errorNames = map[int]string{
	646: "restricted logon hours", 647: "account disabled", 648: "password expired", 649: "no dialin permission",
	errAuthentication: "wrong name or password", 709: "error changing the password",
}

const (
	mschapHeader   = 4 // OpCode, MS-CHAPv2-ID, MS-Length
	responseSize   = 49
	flagsAndZeros  = 8
	maxMSCHAPError = 1024
)

// mschapPacket is an EAP-MSCHAPv2 packet behind the Type.
type mschapPacket struct {
	op   opCode
	id   uint8
	body []byte // behind MS-Length
}

// parseMSCHAP reads a packet. Success and Failure from the peer are the OpCode alone.
func parseMSCHAP(data []byte) (mschapPacket, error) {
	if len(data) == 1 && (opCode(data[0]) == opSuccess || opCode(data[0]) == opFailure) {
		return mschapPacket{op: opCode(data[0])}, nil
	}
	if len(data) < mschapHeader {
		return mschapPacket{}, fmt.Errorf("%w: %d octets of data", errLength, len(data))
	}
	// MS-Length "MUST be set to the value of the Length field minus 5": that is the data. draft-kamath-pppext-eap-mschapv2 §2.1
	if length := int(binary.BigEndian.Uint16(data[2:])); length != len(data) {
		return mschapPacket{}, fmt.Errorf("%w: MS-Length %d in %d octets of data", errLength, length, len(data))
	}
	return mschapPacket{op: opCode(data[0]), id: data[1], body: data[mschapHeader:]}, nil
}

func (p mschapPacket) data() []byte {
	b := []byte{byte(p.op), p.id, 0, 0}
	b = append(b, p.body...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

// challenge is the challenge in a Challenge: Value-Size, Challenge, Name.
func (p mschapPacket) challenge() (c mschap.Challenge, err error) {
	if len(p.body) < 1+mschap.ChallengeSize || p.body[0] != mschap.ChallengeSize {
		return c, fmt.Errorf("%w: Challenge of %d octets", errLength, len(p.body))
	}
	copy(c[:], p.body[1:])
	return c, nil
}

// mschapAnswer is the body of a Response: Value-Size 49, Peer-Challenge, 8 zeros, NT-Response, Flags, Name. TTLS carries
// the same without the Value-Size.
type mschapAnswer struct {
	peer     mschap.Challenge
	response mschap.Response
	name     string
}

func (a mschapAnswer) body() []byte {
	b := append([]byte{responseSize}, a.peer[:]...)
	b = append(b, make([]byte, flagsAndZeros)...)
	b = append(b, a.response[:]...)
	b = append(b, 0)
	return append(b, a.name...)
}

func (p mschapPacket) answer() (a mschapAnswer, err error) {
	if len(p.body) < 1+responseSize || p.body[0] != responseSize {
		return a, fmt.Errorf("%w: Response of %d octets", errLength, len(p.body))
	}
	if a.name = string(p.body[1+responseSize:]); len(a.name) > maxIdentity {
		return a, fmt.Errorf("%w: a name of %d octets", errLength, len(a.name))
	}
	copy(a.peer[:], p.body[1:])
	copy(a.response[:], p.body[1+mschap.ChallengeSize+flagsAndZeros:])
	return a, nil
}

// mschapState is how far an MSCHAPv2 conversation is; each side uses the states it has.
type mschapState uint8

const (
	mschapBegun     mschapState = iota // nothing answered yet
	mschapResponded                    // the peer has sent its response
	mschapProved                       // the server's proof is right; Success is next
	mschapFailing                      // Failure was announced
)

type mschapPeer struct {
	config   PeerMSCHAPv2
	hash     secret.Bytes
	random   io.Reader
	state    mschapState
	exchange mschap.Exchange
	response mschap.Response
}

func (c PeerMSCHAPv2) peer(random io.Reader) (peerMachine, *Reason) {
	return &mschapPeer{config: c, hash: mschap.NTHash(c.Password), random: random}, nil
}

func (m *mschapPeer) request(_ time.Time, _ uint8, data []byte) peerTurn {
	p, err := parseMSCHAP(data)
	if err != nil {
		return peerTurn{failed: reasonf(BadPacket, TypeMSCHAPv2, "%v", err)}
	}
	switch {
	case p.op == opChallenge && m.state == mschapBegun:
		return m.challenged(p)
	case p.op == opSuccess && m.state == mschapResponded:
		return m.succeeded(string(p.body))
	case p.op == opFailure && m.state == mschapResponded:
		return m.refused(string(p.body))
	}
	return peerTurn{failed: reasonf(BadPacket, TypeMSCHAPv2, "OpCode %d out of order", p.op)}
}

func (m *mschapPeer) challenged(p mschapPacket) peerTurn {
	var err error
	if m.exchange.Authenticator, err = p.challenge(); err != nil {
		return peerTurn{failed: reasonf(BadPacket, TypeMSCHAPv2, "%v", err)}
	}
	if _, err := io.ReadFull(m.random, m.exchange.Peer[:]); err != nil {
		return peerTurn{failed: noRandomness(TypeMSCHAPv2, err)}
	}
	m.exchange.Name = m.config.Name
	m.response = m.exchange.NTResponse(m.hash)
	m.state = mschapResponded
	a := mschapAnswer{peer: m.exchange.Peer, response: m.response, name: m.config.Name}
	return peerTurn{response: mschapPacket{op: opResponse, id: p.id, body: a.body()}.data()}
}

// succeeded checks that the server knows the password too: "S=<auth_string> M=<message>"  RFC 2759 §5
func (m *mschapPeer) succeeded(message string) peerTurn {
	proof, _, _ := strings.Cut(message, " ")
	if !mschap.SameAuthenticatorResponse(proof, m.exchange.AuthenticatorResponse(m.hash, m.response)) {
		return peerTurn{failed: reasonf(BadCredentials, TypeMSCHAPv2, "the server does not prove that it knows the password")}
	}
	m.state = mschapProved
	return peerTurn{response: []byte{byte(opSuccess)}}
}

// refused acknowledges a Failure. There is one password, so there is nothing to retry with or to change.
func (m *mschapPeer) refused(message string) peerTurn {
	m.state = mschapFailing
	reason := reasonf(BadCredentials, TypeMSCHAPv2, "the server refused %q: %s", m.config.Name, tellMSCHAP(message))
	reason.ByPeer = true
	return peerTurn{response: []byte{byte(opFailure)}, failed: reason}
}

// tellMSCHAP explains "E=eeeeeeeeee R=r C=cccccccccccccccccccccccccccccccc V=vvvvvvvvvv M=<msg>". RFC 2759 §6
func tellMSCHAP(message string) string {
	if len(message) > maxMSCHAPError {
		message = message[:maxMSCHAPError]
	}
	code := -1
	for field := range strings.FieldsSeq(message) {
		if digits, ok := strings.CutPrefix(field, "E="); ok {
			if n, err := strconv.Atoi(digits); err == nil {
				code = n
			}
			break
		}
	}
	_, text, _ := strings.Cut(message, " M=")
	switch name, known := errorNames[code]; {
	case known && text != "":
		return fmt.Sprintf("error %d, %s (%q)", code, name, text)
	case known:
		return fmt.Sprintf("error %d, %s", code, name)
	}
	return fmt.Sprintf("%q", message)
}

func (m *mschapPeer) finish() (outcome, *Reason) {
	if m.state != mschapProved {
		return outcome{}, reasonf(BadPacket, TypeMSCHAPv2, "Success before the server has proved that it knows the password")
	}
	return outcome{msk: mschap.MSK(m.hash, m.response)}, nil
}

func (m *mschapPeer) wipe() { m.hash.Wipe() }

type mschapServer struct {
	config    ServerMSCHAPv2
	identity  string
	hash      secret.Bytes
	missing   *Reason
	random    io.Reader
	challenge mschap.Challenge
	state     mschapState
	retries   int
	expected  mschap.Response
	wrong     *Reason
}

func (c ServerMSCHAPv2) server(identity string, random io.Reader) (serverMachine, *Reason) {
	m := &mschapServer{config: c, identity: identity, random: random, retries: c.Retries}
	if m.config.Name == "" {
		m.config.Name = "goswan"
	}
	if _, err := io.ReadFull(random, m.challenge[:]); err != nil {
		return nil, noRandomness(TypeMSCHAPv2, err)
	}
	var broken *Reason
	m.hash, m.missing, broken = c.Users.ntHash(TypeMSCHAPv2, identity, random)
	return m, broken
}

func (m *mschapServer) start(identifier uint8) []byte {
	body := append([]byte{mschap.ChallengeSize}, m.challenge[:]...)
	return mschapPacket{op: opChallenge, id: identifier, body: append(body, m.config.Name...)}.data()
}

func (m *mschapServer) response(_ time.Time, data []byte) serverTurn {
	p, err := parseMSCHAP(data)
	if err != nil {
		return serverTurn{failed: reasonf(BadPacket, TypeMSCHAPv2, "%v", err)}
	}
	switch {
	case p.op == opResponse && m.state == mschapBegun:
		return m.responded(p)
	case p.op == opSuccess && m.state == mschapProved:
		return serverTurn{passed: &outcome{identity: m.identity, msk: mschap.MSK(m.hash, m.expected)}}
	case p.op == opFailure && m.state == mschapProved:
		return serverTurn{failed: reasonf(BadCredentials, TypeMSCHAPv2, "the peer %q does not believe that we know the password", m.identity)}
	case m.wrong != nil && (p.op == opFailure || p.op == opChangePassword):
		// A password that the user wants to change here is not changed: the accounts are not ours to write.
		return serverTurn{failed: m.wrong}
	}
	return serverTurn{failed: reasonf(BadPacket, TypeMSCHAPv2, "OpCode %d out of order", p.op)}
}

// responded compares the peer's response with the right one, which takes the same for everybody.
func (m *mschapServer) responded(p mschapPacket) serverTurn {
	a, err := p.answer()
	if err != nil {
		return serverTurn{failed: reasonf(BadPacket, TypeMSCHAPv2, "%v", err)}
	}
	exchange := mschap.Exchange{Authenticator: m.challenge, Peer: a.peer, Name: a.name}
	m.expected = exchange.NTResponse(m.hash)
	proof := exchange.AuthenticatorResponse(m.hash, m.expected)
	right := secret.Bytes(m.expected[:]).Equal(a.response[:])
	if turn := verdict(TypeMSCHAPv2, m.identity, right, m.missing); turn.failed != nil {
		return m.refuse(turn.failed, p.id)
	}
	m.state = mschapProved
	return serverTurn{request: mschapPacket{op: opSuccess, id: p.id, body: []byte(proof + " M=Welcome")}.data()}
}

// refuse announces the failure. With R=1 the peer may answer the new challenge instead of giving up.
func (m *mschapServer) refuse(wrong *Reason, id uint8) serverTurn {
	m.wrong, m.state = wrong, mschapFailing
	retry := 0
	if m.retries > 0 {
		m.retries--
		retry, m.state = 1, mschapBegun
	}
	if _, err := io.ReadFull(m.random, m.challenge[:]); err != nil {
		return serverTurn{failed: noRandomness(TypeMSCHAPv2, err)}
	}
	text := fmt.Sprintf("E=%d R=%d C=%s V=3 M=Authentication failed",
		errAuthentication, retry, strings.ToUpper(hex.EncodeToString(m.challenge[:])))
	return serverTurn{request: mschapPacket{op: opFailure, id: id, body: []byte(text)}.data()}
}

// failed is what was wrong with the last response.
func (m *mschapServer) failed() *Reason { return m.wrong }

func (m *mschapServer) wipe() { m.hash.Wipe() }
