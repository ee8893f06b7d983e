// Package esp protects one direction of one Security Association with the Encapsulating Security Payload (RFC 4303), in
// tunnel mode:
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---------------------------------------------------------------+ ----
//	|                Security Parameters Index (SPI)                |  ^
//	+---------------------------------------------------------------+  |
//	|                 Sequence Number (the low half)                |  | authenticated;
//	+---------------------------------------------------------------+  | the high half of an
//	|                       IV (0, 8 or 16)                         |  | extended sequence number
//	+---------------------------------------------------------------+  | too, unsent
//	|                  inner IP packet (encrypted)                  |  |
//	+               +-----------------------------------------------+  |
//	|               | Padding 1, 2, 3 … | Pad Length | Next Header  |  v
//	+---------------------------------------------------------------+ ----
//	|                Integrity Check Value (ICV)                    |
//	+---------------------------------------------------------------+
//
// Params is the cold description of an SA. Outbound and Inbound are what a packet meets: built from Params once, and locked
// once for a train of packets, not for each.
package esp

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/esp/replay"
	"github.com/goswan/goswan/esp/spd"
)

// SPI is a Security Parameters Index in host order; 0 is none and 1 to 255 are reserved (RFC 4303 §2.1).
type SPI uint32

// Direction tells an SA we receive on from one we send on.
type Direction uint8

// The two directions; each SA has exactly one.
const (
	In  Direction = 1 // packets from the peer; we chose the SPI
	Out Direction = 2 // packets to the peer; the peer chose the SPI
)

// Params is everything the data path needs to know of one SA: the list of RFC 4301 §4.4.2.1, cold.
// Outbound and Inbound are built from it once.
type Params struct {
	Direction Direction
	SPI       SPI
	// Reqid ties together the SAs of one Child SA and its successors; it is unique per configured child and IKE SA lineage.
	Reqid uint32
	// Suite, EncrKey (salt included, RFC 4106 §8.1) and IntegKey are the negotiated transforms and the KEYMAT of this direction.
	// The engine keeps its own copy; the caller may wipe these.
	Suite    suite.Set
	EncrKey  secret.Bytes
	IntegKey secret.Bytes
	// Window is the anti-replay window in packets, 0 to 4096; 0 turns anti-replay off (RFC 4303 §3.4.3). Inbound only.
	Window int
	// Local and Remote are the outer addresses with the UDP encapsulation ports (RFC 3948).
	Local, Remote netip.AddrPort
	// LocalTS and RemoteTS are the negotiated traffic selectors, seen from our side in both directions.
	LocalTS, RemoteTS []spd.TrafficSelector
	// SoftBytes … HardPackets are lifetimes by volume (RFC 4301 §4.4.2.1); 0 is none. Passing one raises Expire once.
	SoftBytes, HardBytes, SoftPackets, HardPackets uint64
	// Name is the child's configured name and Conn its connection's, for counters and logs.
	Name, Conn string
	// Sequence is the last sequence number that counts as used (Out) or seen (In); 0 for a new SA.
	Sequence uint64
	// Priority orders policies of equal selectors; smaller matches first. 0 means computed from the selectors.
	Priority uint32
	// CopyDSCP says where the DSCP is copied between the inner and the outer header; the zero value is from the inner to the
	// outer. KeepECN leaves the ECN fields of the two headers apart: the outer one is Not-ECT and tells the inner one nothing.
	CopyDSCP CopyDSCP
	KeepECN  bool
	// IgnoreDF seals what does not fit the path whatever its DF says, to be sent in fragments (copy_df = no). Otherwise the sender of
	// such a packet is told (RFC 4301 §8.1), or, without DF, it is cut into fragments before it is sealed.
	IgnoreDF bool
	// MSSClamp is what the MSS option of TCP connections through the SA is lowered to.
	MSSClamp MSSClamp
}

// ID names an installed SA. Reqid tells apart outbound SAs of the same SPI: those are chosen by the peers, and two peers
// may choose the same one. Inbound SPIs are ours and unique.
type ID struct {
	SPI       SPI
	Direction Direction
	Reqid     uint32
}

// ID is the name of the SA.
func (p *Params) ID() ID { return ID{SPI: p.SPI, Direction: p.Direction, Reqid: p.Reqid} }

// check refuses what no packet could be sent or taken with.
func (p *Params) check(d Direction) error {
	switch {
	case p.Direction != d:
		return fmt.Errorf("esp: SPI %08x: the direction is %d, want %d", uint32(p.SPI), p.Direction, d)
	case p.SPI < 256: // "The set of SPI values in the range 1 through 255 are reserved"  RFC 4303 §2.1
		return fmt.Errorf("esp: SPI %08x is reserved", uint32(p.SPI))
	case !p.Remote.IsValid():
		return fmt.Errorf("esp: SPI %08x has no remote address", uint32(p.SPI))
	case p.Window < 0 || p.Window > replay.MaxSize:
		return fmt.Errorf("esp: SPI %08x: a replay window of %d is not within 0 to %d", uint32(p.SPI), p.Window, replay.MaxSize)
	}
	for _, list := range [][]spd.TrafficSelector{p.LocalTS, p.RemoteTS} {
		if len(list) == 0 {
			return fmt.Errorf("esp: SPI %08x has no traffic selectors on one side", uint32(p.SPI))
		}
		for _, ts := range list {
			if !ts.Valid() {
				return fmt.Errorf("esp: SPI %08x: the traffic selector %v is not valid", uint32(p.SPI), ts)
			}
		}
	}
	return nil
}

// withoutKeys is a copy that holds no key material.
func (p Params) withoutKeys() Params {
	p.EncrKey, p.IntegKey = nil, nil
	p.LocalTS, p.RemoteTS = slices.Clone(p.LocalTS), slices.Clone(p.RemoteTS)
	return p
}

// Counters is what one SA has done; a snapshot.
type Counters struct {
	Packets, Bytes uint64 // inner octets
	LastUse        time.Time
	// Drops counts packets dropped on this SA by reason name.
	Drops map[string]uint64
}
