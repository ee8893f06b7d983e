package packet

import "encoding/binary"

// TCP flag and options (RFC 9293 §3.1, §3.2).
const (
	tcpSYN    = 0x02
	tcpEnd    = 0
	tcpNop    = 1
	tcpMSS    = 2
	tcpMSSLen = 4
)

// IsSYN says that the packet ip, whose view is v, begins a TCP connection, and has its TCP header whole.
func IsSYN(ip []byte, v *View) bool {
	return v.Protocol == ProtoTCP && v.Ports == PortsPair && v.Len-v.L4 >= 20 && ip[v.L4+13]&tcpSYN != 0
}

// ClampMSS lowers the MSS option of a packet for which IsSYN holds to most, and says whether it did. It never raises it, and leaves
// alone a packet without the option or with options that are malformed. A TCP checksum that was right stays right, and one that was
// wrong stays wrong; it must be complete (Super.Complete).
func ClampMSS(ip []byte, v *View, most uint16) bool {
	t := ip[v.L4:v.Len]
	n := int(t[12]>>4) * 4
	if n < 20 || n > len(t) {
		return false
	}
	for at := 20; at < n && t[at] != tcpEnd; {
		if t[at] == tcpNop {
			at++
			continue
		}
		if at+2 > n || t[at+1] < 2 || at+int(t[at+1]) > n {
			return false
		}
		if t[at] == tcpMSS {
			return t[at+1] == tcpMSSLen && lower(t, at+2, most)
		}
		at += int(t[at+1])
	}
	return false
}

// lower puts most in the place of the greater number at t[at:], which need not be even, and mends the TCP header's checksum.
func lower(t []byte, at int, most uint16) bool {
	was := binary.BigEndian.Uint16(t[at:])
	if was <= most {
		return false
	}
	binary.BigEndian.PutUint16(t[at:], most)
	if at%2 != 0 {
		was, most = swap(int(was)), swap(int(most))
	}
	// HC' = ~(~HC + ~m + m')  RFC 1624 §3 eqn. 3
	acc := uint64(^binary.BigEndian.Uint16(t[16:])) + uint64(^was) + uint64(most)
	binary.BigEndian.PutUint16(t[16:], ^fold(acc))
	return true
}
