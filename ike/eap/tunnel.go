package eap

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/eap/tlsflow"
)

// tunnel is what TLS, TTLS and PEAP have in common on both sides: a TLS conversation in fragments.
type tunnel struct {
	method Type
	config TLSConfig
	random io.Reader
	now    time.Time // of the packet that is worked on
	frames fragments
	flow   *tlsflow.Flow
	// failing is why the conversation is lost although the other side does not know yet.
	failing *Reason
}

func newTunnel(method Type, config TLSConfig, random io.Reader) tunnel {
	size := config.FragmentSize
	if size == 0 {
		size = defaultFragment
	}
	return tunnel{method: method, config: config, random: random, frames: fragments{method: method, size: size}}
}

// tlsConfig is crypto/tls's configuration. Certificates are verified by verify on both sides, so that the reasons are ours.
func (t *tunnel) tlsConfig(usage x509.ExtKeyUsage) *tls.Config {
	config := &tls.Config{
		Certificates: t.config.Certificates, Rand: t.random,
		MinVersion: tls.VersionTLS12,
		// "implementations MUST limit the maximum TLS version they use to 1.3, unless later versions are explicitly enabled":
		// keys and indications of a later one are not defined.  RFC 9190 §1
		MaxVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // VerifyConnection does it
		// Each conversation stands for itself: what was proved once is not taken for proved again.
		SessionTicketsDisabled: true, DynamicRecordSizingDisabled: true,
	}
	if t.config.MinVersion != 0 {
		config.MinVersion = t.config.MinVersion
	}
	if t.config.MaxVersion != 0 {
		config.MaxVersion = t.config.MaxVersion
	}
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if usage == x509.ExtKeyUsageClientAuth && len(state.PeerCertificates) == 0 && config.ClientAuth == tls.NoClientCert {
			return nil
		}
		if reason := t.config.verify(t.method, t.now, state.PeerCertificates, usage); reason != nil {
			return reason
		}
		return nil
	}
	return config
}

// feed hands a message to TLS and returns what TLS has to say and the data that was in it.
func (t *tunnel) feed(now time.Time, message []byte) (send, data []byte) {
	t.now = now
	send, data, err := t.flow.Feed(now, message)
	if err != nil {
		t.failing = t.broken(err)
	}
	return send, data
}

// seal encrypts data for the other side and puts it behind what TLS has to say.
func (t *tunnel) seal(now time.Time, send, data []byte) []byte {
	records, err := t.flow.Write(now, data)
	if err != nil {
		t.failing = t.broken(err)
	}
	return append(send, records...)
}

// broken tells why TLS gave up: for a certificate it has our reason in it, for an alert the other side's word.
func (t *tunnel) broken(err error) *Reason {
	var ours *Reason
	if errors.As(err, &ours) {
		return ours
	}
	var alert *net.OpError
	if errors.As(err, &alert) && alert.Op == "remote error" {
		reason := reasonf(TLSFailed, t.method, "the other side's alert: %v", alert.Err)
		reason.ByPeer = true
		return reason
	}
	return reasonf(TLSFailed, t.method, "%v", err)
}

// established tells whether the handshake is complete here.
func (t *tunnel) established() bool { return t.flow != nil && t.flow.Established() }

func (t *tunnel) version() uint16 { return t.flow.State().Version }

// The labels of keys. RFC 5216 §2.3, RFC 5281 §8; of all methods with TLS 1.3: RFC 9190 §2.3, RFC 9427 §2.1
const (
	labelTLS12  = "client EAP encryption"
	labelTTLS12 = "ttls keying material"
	labelTLS13  = "EXPORTER_EAP_TLS_Key_Material"
	keyMaterial = 128
	mskSize     = 64
)

// keys are MSK and EMSK: "MSK = Key_Material(0, 63), EMSK = Key_Material(64, 127)".
func (t *tunnel) keys() (msk, emsk secret.Bytes, reason *Reason) {
	label, context := labelTLS12, []byte(nil)
	switch {
	case t.version() == tls.VersionTLS13:
		label, context = labelTLS13, []byte{byte(t.method)}
	case t.method == TypeTTLS:
		label = labelTTLS12
	}
	material, err := t.flow.Export(label, context, keyMaterial, t.config.WithoutEMS)
	if err != nil {
		reason := reasonf(TLSFailed, t.method, "no keys: %v", err)
		if errors.Is(err, tlsflow.ErrNoEMS) {
			reason.Fix = "use TLS 1.3, or allow TLS 1.2 without extended master secret"
		}
		return nil, nil, reason
	}
	return material[:mskSize:mskSize], material[mskSize:], nil
}

// certificates is the other side's chain.
func (t *tunnel) certificates() []*x509.Certificate { return t.flow.State().PeerCertificates }

func (t *tunnel) wipe() {
	if t.flow != nil {
		t.flow.Close()
	}
	clear(t.frames.in)
	clear(t.frames.out)
}

// peerInside is what goes on inside the peer's tunnel.
type peerInside interface {
	// say takes data that came through the tunnel, none where the server only gave us the word, and returns data to be
	// sent, nil for none.
	say(t *tunnel, identifier uint8, data []byte) (answer []byte, failed *Reason)
	// finished is finish of a peerMachine, without the keys unless they are its own.
	finished(t *tunnel) (outcome, *Reason)
	wipe()
}

// tunnelPeer is a TLS method on the peer.
type tunnelPeer struct {
	tunnel
	inside peerInside
}

func newTunnelPeer(method Type, config TLSConfig, random io.Reader, inside peerInside) *tunnelPeer {
	return &tunnelPeer{tunnel: newTunnel(method, config, random), inside: inside}
}

func (m *tunnelPeer) request(now time.Time, identifier uint8, data []byte) peerTurn {
	got, message, reason := m.frames.take(data)
	switch {
	case reason != nil:
		return peerTurn{failed: reason}
	case (m.flow == nil) != (got == gotStart):
		return peerTurn{failed: reasonf(BadPacket, m.method, "Start is not the first packet, or not the only one")}
	case got == gotStart:
		return m.begin(now)
	case got == gotPart:
		return peerTurn{response: m.frames.ack()}
	}
	if fragment := m.frames.next(); fragment != nil {
		return peerTurn{response: fragment, failed: m.failing}
	}
	if m.failing != nil {
		return peerTurn{response: m.frames.ack(), failed: m.failing}
	}
	return m.turn(now, identifier, message)
}

// begin sends the ClientHello. The server may know versions of the method that we do not: "the client sets the V field to
// the highest version number that it supports that is no higher than the version number offered by the server" (RFC 5281
// §9.2.1), which is 0 for TTLS and PEAP.
func (m *tunnelPeer) begin(now time.Time) peerTurn {
	m.flow = tlsflow.Client(m.tlsConfig(x509.ExtKeyUsageServerAuth))
	hello, _ := m.feed(now, nil)
	if m.failing != nil {
		return peerTurn{failed: m.failing}
	}
	return peerTurn{response: m.frames.send(hello)}
}

// turn lets TLS and what is inside it answer. A peer that has Finished to send sends nothing with it.
func (m *tunnelPeer) turn(now time.Time, identifier uint8, message []byte) peerTurn {
	send, data := m.feed(now, message)
	if m.failing == nil && m.established() && (len(send) == 0 || len(data) > 0) {
		answer, failed := m.inside.say(&m.tunnel, identifier, data)
		if answer != nil {
			send = m.seal(now, send, answer)
		}
		if failed != nil {
			m.failing = failed
		}
	}
	return peerTurn{response: m.frames.send(send), failed: m.failing}
}

func (m *tunnelPeer) finish() (outcome, *Reason) {
	if !m.established() || m.frames.partial || m.frames.out != nil {
		return outcome{}, reasonf(BadPacket, m.method, "Success in the midst of the handshake")
	}
	if m.failing != nil {
		return outcome{}, m.failing
	}
	o, reason := m.inside.finished(&m.tunnel)
	if reason != nil {
		return outcome{}, reason
	}
	return m.complete(o)
}

func (m *tunnelPeer) wipe() {
	m.tunnel.wipe()
	m.inside.wipe()
}

// failed is why the conversation is lost.
func (t *tunnel) failed() *Reason { return t.failing }

// complete adds keys and certificates to an outcome.
func (t *tunnel) complete(o outcome) (outcome, *Reason) {
	o.certificates = t.certificates()
	if o.msk != nil {
		return o, nil
	}
	var reason *Reason
	o.msk, o.emsk, reason = t.keys()
	return o, reason
}

// serverInside is what goes on inside the server's tunnel.
type serverInside interface {
	// say takes data that came through the tunnel, none where the peer only gave us the word.
	say(t *tunnel, data []byte) insideTurn
	wipe()
}

// insideTurn is data to be sent, nil for none, or the end. An end with data is one that follows on the peer's next word.
type insideTurn struct {
	answer []byte
	passed *outcome
	failed *Reason
}

// tunnelServer is a TLS method on the server.
type tunnelServer struct {
	tunnel
	inside serverInside
	client tls.ClientAuthType
}

func newTunnelServer(method Type, config TLSConfig, random io.Reader, client tls.ClientAuthType, inside serverInside) *tunnelServer {
	return &tunnelServer{tunnel: newTunnel(method, config, random), client: client, inside: inside}
}

func (m *tunnelServer) start(uint8) []byte {
	config := m.tlsConfig(x509.ExtKeyUsageClientAuth)
	config.ClientAuth = m.client
	m.flow = tlsflow.Server(config)
	return []byte{flagStart}
}

func (m *tunnelServer) response(now time.Time, data []byte) serverTurn {
	got, message, reason := m.frames.take(data)
	switch {
	case reason != nil:
		return serverTurn{failed: reason}
	case got == gotStart:
		return serverTurn{failed: reasonf(BadPacket, m.method, "the peer sent a Start")}
	case got == gotPart:
		return serverTurn{request: m.frames.ack()}
	}
	if fragment := m.frames.next(); fragment != nil {
		return serverTurn{request: fragment}
	}
	if m.failing != nil {
		return serverTurn{failed: m.failing}
	}
	return m.turn(now, message)
}

// turn lets TLS answer, and what is inside it once TLS has nothing to say.
func (m *tunnelServer) turn(now time.Time, message []byte) serverTurn {
	send, data := m.feed(now, message)
	if m.failing == nil && m.established() && (len(send) == 0 || len(data) > 0) {
		turn := m.inside.say(&m.tunnel, data)
		switch {
		case turn.passed != nil:
			return m.pass(*turn.passed)
		case turn.failed != nil && turn.answer == nil:
			return serverTurn{failed: turn.failed}
		case turn.answer != nil:
			send = m.seal(now, send, turn.answer)
		}
		if turn.failed != nil {
			m.failing = turn.failed
		}
	}
	// TLS has an alert for the peer to learn the cause from; Failure follows on the peer's answer. RFC 5216 §2.1.3
	if m.failing != nil && len(send) == 0 {
		return serverTurn{failed: m.failing}
	}
	return serverTurn{request: m.frames.send(send)}
}

func (m *tunnelServer) pass(o outcome) serverTurn {
	o, reason := m.complete(o)
	if reason != nil {
		return serverTurn{failed: reason}
	}
	return serverTurn{passed: &o}
}

func (m *tunnelServer) wipe() {
	m.tunnel.wipe()
	m.inside.wipe()
}
