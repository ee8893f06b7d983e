package esptest

import (
	"bytes"
	"encoding/binary"

	"github.com/goswan/goswan/tun/packet"
)

// Cut is the packets that a super-packet stands for, or the one packet with its checksum completed; nil when the description
// does not fit. It goes by what a kernel does with a virtio-net header and shares nothing with package packet's way: each packet
// is made anew, and summed octet by octet.
func Cut(data []byte, gso packet.GSO) [][]byte {
	if !gso.NeedsCsum {
		if gso.Type != packet.GSONone {
			return nil
		}
		return [][]byte{bytes.Clone(data)}
	}
	start, at, hdr, size := int(gso.CsumStart), int(gso.CsumStart)+int(gso.CsumOffset), int(gso.HdrLen), int(gso.Size)
	if at+2 > len(data) {
		return nil
	}
	if gso.Type == packet.GSONone {
		p := bytes.Clone(data)
		complete(p, start, at, binary.BigEndian.Uint16(p[at:]))
		return [][]byte{p}
	}
	if size == 0 || hdr > len(data) || at+2 > hdr {
		return nil
	}
	// What the partial checksum covers but the length of the whole: the addresses, of which the last is where a routing header or a
	// source route leads, and the protocol.
	pseudo := Sum([]byte{^byte((len(data) - start) >> 8), ^byte(len(data) - start)}, binary.BigEndian.Uint16(data[at:]))
	var list [][]byte
	for from := 0; from == 0 || hdr+from < len(data); from += size {
		to := min(hdr+from+size, len(data))
		p := append(bytes.Clone(data[:hdr]), data[hdr+from:to]...)
		inIP(p, len(list))
		n := len(p) - start
		if gso.Type == packet.GSOUDP {
			binary.BigEndian.PutUint16(p[start+4:], uint16(n))
		} else {
			inTCP(p[start:], from, to == len(data))
		}
		complete(p, start, at, Sum([]byte{byte(n >> 8), byte(n)}, pseudo))
		list = append(list, p)
	}
	return list
}

// complete stores the checksum of p from start on, over the pseudo header's sum.
func complete(p []byte, start, at int, pseudo uint16) {
	binary.BigEndian.PutUint16(p[at:], 0)
	c := ^Sum(p[start:], pseudo)
	if c == 0 && at-start == 6 {
		c = 0xffff // of UDP: 0 is no checksum, RFC 768
	}
	binary.BigEndian.PutUint16(p[at:], c)
}

// inIP makes the length, the identification and the header checksum those of the i-th packet.
func inIP(p []byte, i int) {
	if p[0]>>4 == 6 {
		binary.BigEndian.PutUint16(p[4:], uint16(len(p)-40))
		return
	}
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	SetID(p, binary.BigEndian.Uint16(p[4:])+uint16(i))
}

// inTCP makes sequence number and flags those of the packet whose payload begins at from: CWR is of the first only, FIN and PSH of
// the last.
func inTCP(t []byte, from int, last bool) {
	const fin, psh, cwr = 0x01, 0x08, 0x80
	binary.BigEndian.PutUint32(t[4:], binary.BigEndian.Uint32(t[4:])+uint32(from))
	if from > 0 {
		t[13] &^= cwr
	}
	if !last {
		t[13] &^= fin | psh
	}
}
