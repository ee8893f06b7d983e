package core

import (
	"net/netip"
	"time"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/eap"
	"github.com/goswan/goswan/ike/header"
)

// IKEState is the state of an IKE SA, with strongSwan's names.
type IKEState string

// The states of an IKE SA.
const (
	IKECreated     IKEState = "CREATED"
	IKEConnecting  IKEState = "CONNECTING"
	IKEEstablished IKEState = "ESTABLISHED"
	IKERekeying    IKEState = "REKEYING"
	IKERekeyedOld  IKEState = "REKEYED"
	IKEDeleting    IKEState = "DELETING"
)

// IKEStatus is a snapshot of one IKE SA.
type IKEStatus struct {
	UniqueID      uint32
	Conn          string
	Version       int
	State         IKEState
	Initiator     bool // of the original IKE SA exchange that made this SA
	Local, Remote netip.AddrPort
	LocalID       auth.Identity
	RemoteID      auth.Identity
	RemoteEAPID   string // whom EAP proved the peer to be, "" without EAP
	SPIi, SPIr    header.SPI
	NATLocal      bool // a NAT in front of us, as NAT_DETECTION told
	NATRemote     bool
	NATFake       bool           // we announced one ourselves to get UDP encapsulation
	Suite         suite.Proposal // chosen; empty while connecting
	// Assigned is what the peer gave to us; RemoteVIPs are the virtual addresses that we gave to the peer.
	Assigned    Assignment
	RemoteVIPs  []netip.Addr
	RADIUS      *eap.Grant // what an authentication server allows the peer; nil without one
	Established time.Time
	RekeyAt     time.Time // zero: never
	ReauthAt    time.Time
	Tasks       []string // what is queued or under way, by name
	Children    []ChildStatus
	Config      *Connection // nil while a responder does not know it yet
}

// Peer is who the peer is: whom EAP proved it to be, or its IKE identity.
func (s IKEStatus) Peer() auth.Identity {
	if s.RemoteEAPID != "" {
		return auth.FromUser(s.RemoteEAPID)
	}
	return s.RemoteID
}

// ChildState is the state of a Child SA, with strongSwan's names.
type ChildState string

// The states of a Child SA.
const (
	ChildCreated    ChildState = "CREATED"
	ChildInstalling ChildState = "INSTALLING"
	ChildInstalled  ChildState = "INSTALLED"
	ChildRekeying   ChildState = "REKEYING"
	ChildRekeyedOld ChildState = "REKEYED"
	ChildDeleting   ChildState = "DELETING"
)

// ChildStatus is a snapshot of one Child SA. Counters is filled in by the driver from the data path.
type ChildStatus struct {
	UniqueID          uint32
	Name              string
	Reqid             uint32
	State             ChildState
	Mode              Mode
	SPIIn, SPIOut     esp.SPI
	Suite             suite.Proposal // chosen, with the key exchange if one was made
	Installed         time.Time
	RekeyAt, ExpireAt time.Time // zero: never
	LocalTS, RemoteTS []spd.TrafficSelector
	Config            *Child
	In, Out           esp.Counters
}
