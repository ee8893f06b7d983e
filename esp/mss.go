package esp

import "github.com/goswan/goswan/tun/packet"

// MSSClamp is what the MSS option of TCP segments with SYN is lowered to, in both directions: KeepMSS, MSSFromPath, or octets.
type MSSClamp uint16

// The values that are no number of octets.
const (
	KeepMSS     MSSClamp = 0
	MSSFromPath MSSClamp = 0xffff // what fits the path to the peer in one ESP packet
)

// Most is the greatest MSS of an IP version where the path has room for inner packets of so many octets: "…the MTU value SHOULD be
// decreased by only the size of the fixed IP and TCP headers and SHOULD NOT be decreased to account for any possible IP or TCP
// options"  RFC 6691 §2.
func (c MSSClamp) Most(version uint8, room int) uint16 {
	switch {
	case c == KeepMSS:
		return 0xffff
	case c != MSSFromPath:
		return uint16(c)
	case version == 6:
		return mssOf(max(room, packet.MinMTU6) - 40 - 20)
	}
	return mssOf(room - 20 - 20)
}

func mssOf(n int) uint16 { return uint16(max(0, min(n, 0xffff))) }
