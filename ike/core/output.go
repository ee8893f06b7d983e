package core

import (
	"net/netip"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/eap"
	"github.com/goswan/goswan/ike/header"
)

// Output is one thing that a machine wants done or known.
type Output interface{ output() }

// Send sends a datagram. Data belongs to the receiver of the output.
type Send struct{ Datagram }

// SendKeepalive sends a NAT-keepalive (RFC 3948 §2.3).
type SendKeepalive struct{ Local, Remote netip.AddrPort }

// InstallSA installs one direction of a Child SA. An outbound SA of the same Reqid takes over from the one before.
type InstallSA struct{ Params esp.Params }

// RemoveSA removes one direction of a Child SA. Outbound SPIs are chosen by the peers, so Reqid is needed to tell
// equal ones apart.
type RemoveSA struct {
	SPI       esp.SPI
	Direction esp.Direction
	Reqid     uint32
}

// MoveSA gives an installed SA new outer addresses.
type MoveSA struct {
	SPI           esp.SPI
	Direction     esp.Direction
	Reqid         uint32
	Local, Remote netip.AddrPort
}

// ReleaseSPI gives back a reserved SPI that was not installed.
type ReleaseSPI struct{ SPI esp.SPI }

// AddSPI makes datagrams with this IKE SPI of ours reach the lineage.
type AddSPI struct{ SPI header.SPI }

// RemoveSPI undoes AddSPI.
type RemoveSPI struct{ SPI header.SPI }

// Established: an IKE SA came up by IKE_AUTH. InitialContact is the peer's notify (RFC 7296 §2.4): the driver ends
// other lineages between the same identities, as it does for the connection's Unique policy.
type Established struct {
	IKE            IKEStatus
	Connection     *Connection
	InitialContact bool
}

// IKERekeyed: New took over from Old.
type IKERekeyed struct{ Old, New IKEStatus }

// IKEDown: an established IKE SA has ended; not sent for the old one of a rekey.
type IKEDown struct {
	IKE    IKEStatus
	Reason *Reason
}

// ReauthDue: the connection's reauth_time has come. The driver makes a new lineage and deletes this one, in the order of
// Settings.MakeBeforeBreak.
type ReauthDue struct{ IKE IKEStatus }

// ChildUp: a Child SA was installed that does not replace another. Child.Config is its configuration.
type ChildUp struct {
	IKE   IKEStatus
	Child ChildStatus
}

// ChildRekeyed: New took over from Old.
type ChildRekeyed struct {
	IKE      IKEStatus
	Old, New ChildStatus
}

// ChildDown: a Child SA that was not replaced has ended.
type ChildDown struct {
	IKE    IKEStatus
	Child  ChildStatus
	Reason *Reason
}

// Done ends the operation of a Command; Reason is nil on success. A command whose goal exists already is done at once.
type Done struct {
	Op     uint64
	Reason *Reason
}

// Failed tells of a failure that has no Op waiting for it (a responder's, a rekey's).
type Failed struct{ Reason *Reason }

// Closed is the last output of a lineage. Reason is nil when it was asked for.
type Closed struct{ Reason *Reason }

// Ask asks the driver for something that takes time; the answer comes as Answer with the same ID. A question is an auth.Fetch,
// whose answer is []byte, or an EAPQuestion, whose answer is an eap.Answer.
type Ask struct {
	ID       uint64
	Question any
}

// EAPQuestion is a packet of a peer for an authentication server (RFC 3579).
type EAPQuestion struct {
	eap.Question
	IKE IKEStatus // the IKE SA that is to come up
}

// Learned is what a machine found out about the revocation of certificates, and others may use: Environment.Evidence has it
// from then on.
type Learned struct{ Evidence auth.Evidence }

// Log is one line for the log. Group is strongSwan's: "IKE", "ENC", "NET", "CFG", "CHD", "KNL", "ESP"; Level 0 to 4 is too.
type Log struct {
	Group string
	Level int
	Text  string
}

// Message is one message of the Phase 1 / Phase 2 ladder.
type Message struct {
	At            time.Time
	Outbound      bool
	Phase         int // 1 or 2
	Exchange      string
	Response      bool
	MessageID     uint32
	Local, Remote netip.AddrPort
	Size          int    // octets on the wire, without UDP
	Payloads      string // one line: "SA KE No N(NATD_S_IP)"
	// Detail is the payloads one by one, without secrets: chosen transforms, identities, traffic selectors.
	Detail     []string
	Retransmit int // 0 for the first sending
}

// IKEKeys are an IKE SA's keys for a key log (Wireshark's ikev2_decryption_table). Only with Environment.KeyLog.
type IKEKeys struct {
	InitiatorSPI, ResponderSPI header.SPI
	EI, ER, AI, AR             secret.Bytes // SK_ei … SK_ar; EI and ER include the salt; AI and AR are empty for AEAD
	Suite                      suite.Set
}

func (Send) output()          {}
func (SendKeepalive) output() {}
func (InstallSA) output()     {}
func (RemoveSA) output()      {}
func (MoveSA) output()        {}
func (ReleaseSPI) output()    {}
func (AddSPI) output()        {}
func (RemoveSPI) output()     {}
func (Established) output()   {}
func (IKERekeyed) output()    {}
func (IKEDown) output()       {}
func (ReauthDue) output()     {}
func (ChildUp) output()       {}
func (ChildRekeyed) output()  {}
func (ChildDown) output()     {}
func (Done) output()          {}
func (Failed) output()        {}
func (Closed) output()        {}
func (Ask) output()           {}
func (Learned) output()       {}
func (Log) output()           {}
func (Message) output()       {}
func (IKEKeys) output()       {}
