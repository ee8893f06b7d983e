package esp

// CopyDSCP says in which direction the DSCP is copied between the inner and the outer header (RFC 4301
// §5.1.2.1, RFC 2983 §3). Where it is not copied the outer DSCP is 0 and the inner one stays.
type CopyDSCP uint8

// The directions. An outer DSCP is not authenticated: whoever forges it would choose the class of the inner packet, which
// is why it is not copied inwards unless asked for.
const (
	CopyDSCPOut   CopyDSCP = iota // from the inner to the outer header when sending
	CopyDSCPIn                    // from the outer to the inner header when receiving
	CopyDSCPBoth                  // both
	CopyDSCPNever                 // neither
)

func (c CopyDSCP) out() bool { return c == CopyDSCPOut || c == CopyDSCPBoth }

func (c CopyDSCP) in() bool { return c == CopyDSCPIn || c == CopyDSCPBoth }

// tosMask is the bits of the inner TOS octet that the outer one is made of.
func (p *Params) tosMask() (mask uint8) {
	if p.CopyDSCP.out() {
		mask |= ^uint8(ecnMask)
	}
	// RFC 6040 §4.1: normal mode copies the field, compatibility mode sends Not-ECT.
	if !p.KeepECN {
		mask |= ecnMask
	}
	return mask
}

// TOS is the outer IPv4 TOS or IPv6 Traffic Class octet of a packet whose inner one is inner.
func (o *Outbound) TOS(inner uint8) uint8 { return inner & o.tosMask }

// DecapsulateTOS is the inner TOS or Traffic Class octet to forward of a packet that came with these two. ok is false
// when the packet is to be dropped (DecapsulateECN).
func (in *Inbound) DecapsulateTOS(inner, outer uint8) (tos uint8, ok bool) {
	tos, ok = inner, true
	if !in.params.KeepECN {
		tos, ok = DecapsulateECN(inner, outer)
	}
	if in.params.CopyDSCP.in() {
		tos = outer&^ecnMask | tos&ecnMask
	}
	return tos, ok
}
