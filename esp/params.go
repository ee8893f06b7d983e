// Package esp protects one direction of one Security Association with the Encapsulating Security Payload (RFC 4303).
package esp

import (
	"net/netip"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/suite"
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
	// Priority orders policies of equal selectors; smaller matches first. 0 means computed from the selectors.
	Priority uint32
}

// Counters is what one SA has done; a snapshot.
type Counters struct {
	Packets, Bytes uint64 // inner octets
	LastUse        time.Time
	// Drops counts packets dropped on this SA by reason name.
	Drops map[string]uint64
}
