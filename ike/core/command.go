package core

import (
	"net/netip"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/spd"
)

// Command is a wish of the driver. Op, where not 0, comes back in exactly one Done.
type Command interface{ command() }

// Initiate asks for the IKE SA, if there is none yet, and then for a Child SA; a nil Child asks for the IKE SA alone.
// The addresses matter only while there is no IKE SA. Packet, when it has addresses, is the packet that a trap policy
// caught: its selectors go first in the traffic selector payloads (RFC 7296 §2.9).
type Initiate struct {
	Op            uint64
	Child         *Child
	Local, Remote netip.AddrPort
	Packet        Flow
	// VIPs are asked for instead of the connection's: the addresses of the IKE SA that this one takes the place of.
	VIPs []netip.Addr
}

// Flow is one packet's selectors as two traffic selectors of one address and one port each. The zero value is none.
type Flow struct {
	Local, Remote spd.TrafficSelector
}

// Expire tells that an SA passed a lifetime by volume. Soft asks for a rekey; Hard for its deletion.
type Expire struct {
	SPI       esp.SPI
	Direction esp.Direction
	Hard      bool
}

// Rekey asks for a CREATE_CHILD_SA now: of the IKE SA, or of Child SAs by name or by unique ID.
type Rekey struct {
	Op      uint64
	IKE     bool
	Child   string // configured name; "" with ChildID 0 and IKE false is none
	ChildID uint32 // unique ID
}

// Delete asks for the end of the IKE SA, with notice to the peer, or of Child SAs by name or by unique ID.
type Delete struct {
	Op      uint64
	IKE     bool
	Child   string
	ChildID uint32
	// Force does not wait for the peer's answer.
	Force bool
	// Reason is what is told to who watches; nil is an ordinary wish.
	Reason *Reason
}

// Move tells that authenticated packets of the peer come from another address (NAT rebinding, RFC 7296 §2.23),
// or that our own address changed when Local is valid.
type Move struct {
	Local, Remote netip.AddrPort
}

// Reconfigure gives the lineage its connection as newly loaded. Established SAs stay.
type Reconfigure struct {
	Connection *Connection
}

// Answer answers an Ask: with a Value, or with an Err when there is none.
type Answer struct {
	ID    uint64
	Value any
	Err   error
}

// Liveness asks for a liveness check now (RFC 7296 §2.4).
type Liveness struct{ Op uint64 }

func (Initiate) command()    {}
func (Expire) command()      {}
func (Rekey) command()       {}
func (Delete) command()      {}
func (Move) command()        {}
func (Reconfigure) command() {}
func (Answer) command()      {}
func (Liveness) command()    {}
