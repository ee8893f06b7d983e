// Package spd is the Security Policy Database (RFC 4301 §4.4.1): traffic selectors and the policies that use them.
package spd

import "net/netip"

// TrafficSelector selects packets by protocol, an inclusive address range and an inclusive port range (RFC 7296 §3.13.1).
//
// Addresses of both ends are of one family. The zero value selects nothing. Values compare with ==.
type TrafficSelector struct {
	// Protocol is the IP protocol ID; 0 is any.
	Protocol uint8
	// StartPort and EndPort are inclusive; 0 and 65535 are any, 65535 and 0 are OPAQUE (RFC 7296 §3.13.1).
	// For ICMP, ICMPv6 and Mobility Header the type is in the high and the code in the low octet.
	StartPort, EndPort uint16
	// Start and End are inclusive and of the same family.
	Start, End netip.Addr
}
