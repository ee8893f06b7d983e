package esp

import "sync/atomic"

// Reason is why a packet was dropped. The first are the auditable events of RFC 4301 and RFC 4303.
type Reason uint8

// The reasons; 0 is none.
const (
	OK               Reason = iota
	NoSA                    // no valid SA exists for the packet, RFC 4303 §3.4.2
	Replay                  // the number was seen or is left of the window, RFC 4303 §3.4.3
	BadICV                  // the integrity check fails, RFC 4303 §3.4.4
	SequenceOverflow        // the packet would make the sequence number cycle, RFC 4303 §3.3.3
	BadSelectors            // an inner packet outside the SA's selectors, RFC 4301 §5.2
	NoPolicy                // no policy for an outbound packet, RFC 4301 §5.1
	PolicyDrop              // a drop policy: DISCARD, RFC 4301 §4.4.1
	PolicyBypass            // a bypass policy: the packet must not enter the tunnel
	PolicyTrap              // a trap policy: an SA was asked for
	NoOutboundSA            // a protect policy whose SAs are gone
	Lifetime                // a lifetime by volume is over, RFC 4301 §4.4.2.1
	Truncated               // too short for ESP, or no whole number of cipher blocks
	BadPadding              // padding is not 1, 2, 3 …, or longer than the packet: RFC 4303 §2.4
	BadNextHeader           // neither IPv4 nor IPv6 nor a dummy in tunnel mode, or not what the inner packet is
	BadInnerHeader          // the inner IP header is malformed
	BadECN                  // congestion was experienced by a packet that does not know of it, RFC 6040 §4.2
	Dummy                   // a dummy packet, to be discarded: RFC 4303 §2.6
	TooBig                  // does not fit an outer packet
	Malformed               // what the device gave is no IP packet
	BadDatagram             // what came on port 4500 is neither ESP nor IKE nor a keepalive
	DeviceRefused           // the TUN device did not take it
	SendFailed              // the socket did not take it
	reasons
)

var reasonNames = [reasons]string{
	"ok", "no-sa", "replay", "bad-icv", "sequence-overflow", "bad-selectors", "no-policy", "policy-drop", "policy-bypass",
	"policy-trap", "no-outbound-sa", "lifetime", "truncated", "bad-padding", "bad-next-header", "bad-inner-header", "bad-ecn",
	"dummy", "too-big", "malformed", "bad-datagram", "device-refused", "send-failed",
}

// String is the name under which drops are counted.
func (r Reason) String() string {
	if r < reasons {
		return reasonNames[r]
	}
	return "unknown"
}

// Drops counts dropped packets by reason. It is safe for concurrent use; the zero value is ready.
type Drops [reasons]atomic.Uint64

// Add counts n packets.
func (d *Drops) Add(r Reason, n uint64) { d[r].Add(n) }

// Map is the counts that are not zero, by name; nil when all are.
func (d *Drops) Map() map[string]uint64 {
	var m map[string]uint64
	for i := range d {
		if n := d[i].Load(); n != 0 {
			if m == nil {
				m = map[string]uint64{}
			}
			m[Reason(i).String()] = n
		}
	}
	return m
}
