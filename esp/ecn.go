package esp

// ecnMask is the ECN field of an IPv4 TOS or IPv6 Traffic Class octet: Not-ECT 0, ECT(1) 1, ECT(0) 2, CE 3 (RFC 3168 §5).
const ecnMask = 3

const (
	notECT = 0
	ect1   = 1
	ect0   = 2
	ce     = 3
)

// DecapsulateECN combines the ECN fields of the inner and the outer header to the inner one that is forwarded, and keeps the
// rest of the inner octet. ok is false when the packet is to be dropped. RFC 6040 §4.2, Figure 4:
//
//	inner \ outer   Not-ECT   ECT(0)    ECT(1)    CE
//	Not-ECT         Not-ECT   Not-ECT   Not-ECT   drop
//	ECT(0)          ECT(0)    ECT(0)    ECT(1)    CE
//	ECT(1)          ECT(1)    ECT(1)    ECT(1)    CE
//	CE              CE        CE        CE        CE
func DecapsulateECN(inner, outer uint8) (tos uint8, ok bool) {
	in, out := inner&ecnMask, outer&ecnMask
	switch {
	case in == notECT:
		return inner, out != ce
	case out == ce, out == ect1 && in == ect0:
		in = out
	}
	return inner&^ecnMask | in, true
}
