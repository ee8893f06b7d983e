package ikev2

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// ikeSA is one IKE SA.
type ikeSA struct {
	m         *Machine
	id        uint32
	initiator bool // of the exchange that made this IKE SA
	state     core.IKEState

	spiI, spiR    header.SPI
	local, remote netip.AddrPort
	nat           nat
	localID       auth.Identity
	remoteID      auth.Identity
	eapID         string     // whom EAP proved the peer to be; "" without
	grant         *eap.Grant // what an authentication server allows the peer; nil without one

	set    suite.Set
	keys   *keys // nil until IKE_SA_INIT is done
	opened *opening
	// judging: the peer's IKE_AUTH is there, and something is being fetched before it is accepted; nil otherwise.
	judging *judging
	fragments
	window

	times      ikeTimes
	sessionEnd time.Time // an authentication server ends the session then; zero: never
	// redundant: the peer made it in a simultaneous rekeying and lost. It deletes it, if it ever knew of it.
	redundant bool

	lastIn  time.Time // authenticated message from the peer
	lastOut time.Time // any datagram to the peer, for keepalives
	reapAt  time.Time // when we delete it ourselves, or forget it; zero: never
}

// opening is what IKE_SA_INIT leaves for IKE_AUTH, wiped after it.
type opening struct {
	localMessage, remoteMessage []byte // RealMessage1 and RealMessage2 of RFC 7296 §2.15
	ni, nr                      []byte
	childless                   bool // the peer knows RFC 6023
	multiple                    bool // the peer knows several authentication rounds (RFC 4739); an initiator says so in IKE_AUTH
	eapOnly                     bool // the peer takes a responder that EAP alone proves (RFC 5998)
	candidates                  []*core.Connection
	applicant                   *applicant // of a responder; nil before IKE_AUTH
	hashes                      []uint16   // SIGNATURE_HASH_ALGORITHMS of the peer (RFC 7427 §4); nil: it sent none
	asked                       asked      // CERTREQ of the peer
}

// newSA makes an IKE SA with an SPI of ours, and makes the SPI known.
func (m *Machine) newSA(initiator bool) (*ikeSA, error) {
	spi, err := m.newIKESPI()
	if err != nil {
		return nil, err
	}
	sa := &ikeSA{m: m, id: m.env.UniqueID(), initiator: initiator, state: core.IKECreated}
	if initiator {
		sa.spiI = spi
	} else {
		sa.spiR = spi
	}
	m.emit(core.AddSPI{SPI: spi})
	return sa, nil
}

// newIKESPI draws an SPI that is not zero, which means none (RFC 7296 §2.6).
func (m *Machine) newIKESPI() (header.SPI, error) {
	var spi header.SPI
	for spi.IsZero() {
		if err := m.random(spi[:]); err != nil {
			return spi, err
		}
	}
	return spi, nil
}

func (sa *ikeSA) ourSPI() header.SPI {
	if sa.initiator {
		return sa.spiI
	}
	return sa.spiR
}

// established tells whether the peer is authenticated.
func (sa *ikeSA) established() bool {
	return sa.state != core.IKECreated && sa.state != core.IKEConnecting
}

// name is "office[1]", as people know it from strongSwan's log.
func (sa *ikeSA) name() string { return fmt.Sprintf("%s[%d]", sa.m.connName(), sa.id) }

func (m *Machine) connName() string {
	if m.conn == nil {
		return "(unnamed)"
	}
	return m.conn.Name
}

// message is a message of this IKE SA, in the clear.
func (sa *ikeSA) message(kind header.ExchangeType, id uint32, response bool, payloads []wire.Payload) *wire.Message {
	h := header.Header{Initiator: sa.spiI, Responder: sa.spiR, Major: 2, Exchange: kind, MessageID: id}
	if sa.initiator {
		h.Flags |= header.Initiator
	}
	if response {
		h.Flags |= header.Response
	}
	return &wire.Message{Header: h, Payloads: payloads}
}

// protect is the message as datagrams: one in an Encrypted payload, or several in Encrypted Fragment payloads where one is too
// long for the way from local to remote.
func (sa *ikeSA) protect(msg *wire.Message, local, remote netip.AddrPort) [][]byte {
	octets, err := wire.Seal(msg, sa.keys.out, sa.keys.ivs, nil)
	if err != nil {
		panic("ikev2: message that cannot be written: " + err.Error())
	}
	if pieces := sa.split(msg, len(octets), local, remote); pieces != nil {
		return pieces
	}
	return [][]byte{octets}
}

// send sends a message to the peer's current address.
func (sa *ikeSA) send(ladder core.Message, datagrams [][]byte) {
	sa.m.emitMessage(ladder)
	sa.sendTo(sa.local, sa.remote, datagrams)
}

func (sa *ikeSA) sendTo(local, remote netip.AddrPort, datagrams [][]byte) {
	sa.lastOut = sa.m.now
	for _, octets := range datagrams {
		sa.m.logf("NET", 1, "sending packet: from %s to %s (%d bytes)", endpoint(local), endpoint(remote), len(octets))
		sa.m.emit(core.Send{Datagram: core.Datagram{Local: local, Remote: remote, Data: append([]byte{}, octets...)}})
	}
}

// size is how many octets the datagrams of one message have.
func size(datagrams [][]byte) (n int) {
	for _, d := range datagrams {
		n += len(d)
	}
	return n
}

// wipe overwrites all secrets of the IKE SA.
func (sa *ikeSA) wipe() {
	if sa.inFlight != nil {
		sa.inFlight.exchange.wipe()
		sa.inFlight = nil
	}
	if sa.judging != nil && sa.judging.x != nil {
		sa.judging.x.wipe()
	}
	sa.judging = nil
	if sa.opened != nil {
		sa.opened.applicant.wipe()
	}
	if sa.keys != nil {
		sa.keys.wipe()
		sa.keys = nil
	}
	sa.opened = nil
}

func wipeAll(all ...secret.Bytes) {
	for _, b := range all {
		b.Wipe()
	}
}
