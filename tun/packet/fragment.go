package packet

import "encoding/binary"

const (
	maxHeader4 = 60   // an IPv4 header with all its options
	optionCopy = 0x80 // the option's copied flag, RFC 791 §3.1
	optionEnd  = 0
	optionNop  = 1
)

// Fragments cuts an IPv4 packet into fragments (RFC 791 §3.2), in place as Segments does: each one's header is written
// right before its payload, over payload that was handed out before.
type Fragments struct {
	buf     []byte
	at, end int // next payload and the end of all, in buf
	size    int // payload of each fragment but the last
	offset  int // of the next payload in the whole datagram
	more    bool
	head    [maxHeader4]byte
	headLen int
}

// Start takes the IPv4 packet buf[off:off+n], of at most mtu octets each. It changes nothing and returns false when DF forbids
// fragments, when mtu has no room for eight octets of payload, or when the options or the offset are malformed.
func (f *Fragments) Start(buf []byte, off, n, mtu int) bool {
	ip := buf[off : off+n]
	headLen := int(ip[0]&15) * 4
	size := (mtu - headLen) &^ 7
	if DontFragment(ip) || size < 8 || !optionsOK(ip[lengthIPv4:headLen]) {
		return false
	}
	bits := int(binary.BigEndian.Uint16(ip[6:]))
	if bits&fragmentOffset*8+n > MaxPacket { // a fragment of no datagram: its parts would have no offset
		return false
	}
	f.buf, f.at, f.end, f.size, f.headLen = buf, off+headLen, off+n, size, headLen
	f.offset, f.more = bits&fragmentOffset*8, bits&moreFragments != 0
	copy(f.head[:], ip[:headLen])
	return true
}

// optionsOK says that a list of options can be walked.
func optionsOK(b []byte) bool {
	for len(b) > 0 && b[0] != optionEnd {
		n := 1
		if b[0] != optionNop {
			if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
				return false
			}
			n = int(b[1])
		}
		b = b[n:]
	}
	return true
}

// Next writes the next fragment and tells where in the buffer it stands; it is valid until the following call, and may have a
// trailer behind it as a segment may.
func (f *Fragments) Next() (off, n int, ok bool) {
	if f.at >= f.end {
		return 0, 0, false
	}
	m := min(f.size, f.end-f.at)
	off = f.at - f.headLen
	f.at += m
	p := f.buf[off:f.at:f.at]
	copy(p, f.head[:f.headLen])
	bits := f.offset / 8
	if f.more || f.at < f.end {
		bits |= moreFragments
	}
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	binary.BigEndian.PutUint16(p[6:], uint16(bits))
	header4(p)
	f.offset += m
	f.blank()
	return off, len(p), true
}

// blank puts No Operation in the place of the options that only the first fragment has.
func (f *Fragments) blank() {
	b := f.head[lengthIPv4:f.headLen]
	for len(b) > 0 && b[0] != optionEnd {
		n := 1
		if b[0] != optionNop {
			n = int(b[1])
			if b[0]&optionCopy == 0 {
				for i := range n {
					b[i] = optionNop
				}
			}
		}
		b = b[n:]
	}
}
