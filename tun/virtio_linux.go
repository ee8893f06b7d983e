package tun

import (
	"encoding/binary"
	"errors"

	"github.com/goswan/goswan/tun/packet"
)

// The virtio-net header that Linux puts before each packet of a TUN device opened with IFF_VNET_HDR
// (Virtual I/O Device 1.1 §5.1.6; linux/virtio_net.h), in the host's byte order:
//
//	 0        1         2         4          6            8             10
//	| flags  | gso_type | hdr_len | gso_size | csum_start | csum_offset |
const virtioLen = 10

const (
	virtioNeedsCsum = 1    // VIRTIO_NET_HDR_F_NEEDS_CSUM
	virtioGSOECN    = 0x80 // VIRTIO_NET_HDR_GSO_ECN: the first segment carries CWR
)

var errVirtio = errors.New("tun: a virtio-net header that does not fit its packet")

// decodeVirtio reads the header before ip. What it returns fits the packet: all headers lie within it, and the checksum.
func decodeVirtio(h []byte, ip []byte) (packet.GSO, error) {
	flags, kind := h[0], packet.GSOType(h[1]&^virtioGSOECN)
	if flags&virtioNeedsCsum == 0 {
		if kind != packet.GSONone {
			return packet.GSO{}, errVirtio
		}
		return packet.GSO{}, nil
	}
	g := packet.GSO{
		Type:       kind,
		Size:       binary.NativeEndian.Uint16(h[4:]),
		NeedsCsum:  true,
		CsumStart:  binary.NativeEndian.Uint16(h[6:]),
		CsumOffset: binary.NativeEndian.Uint16(h[8:]),
	}
	if int(g.CsumStart)+int(g.CsumOffset)+2 > len(ip) {
		return packet.GSO{}, errVirtio
	}
	if kind == packet.GSONone {
		g.Size = 0
		return g, nil
	}
	var ok bool
	if g.HdrLen, ok = headerLen(g, ip); !ok || g.Size == 0 || ip[0]>>4 != version(g, ip) {
		return packet.GSO{}, errVirtio
	}
	return g, nil
}

// headerLen is the length of the headers that each segment repeats. The kernel's hdr_len is not it: for a forwarded
// packet it may be the length of the whole first segment.
func headerLen(g packet.GSO, ip []byte) (uint16, bool) {
	n := int(g.CsumStart)
	switch g.Type {
	case packet.GSOTCP4, packet.GSOTCP6:
		if len(ip) < n+20 || ip[n+12]>>4 < 5 || g.CsumOffset != 16 {
			return 0, false
		}
		n += int(ip[n+12]>>4) * 4
	case packet.GSOUDP:
		if g.CsumOffset != 6 {
			return 0, false
		}
		n += 8
	default:
		return 0, false
	}
	return uint16(n), g.CsumStart >= 20 && n <= len(ip)
}

// version is the IP version that a super-packet must have.
func version(g packet.GSO, ip []byte) uint8 {
	switch g.Type {
	case packet.GSOTCP4:
		return 4
	case packet.GSOTCP6:
		return 6
	}
	if ip[0]>>4 == 4 {
		return 4
	}
	return 6
}

// encodeVirtio writes the header of a packet.
func encodeVirtio(h []byte, g packet.GSO) {
	clear(h[:virtioLen])
	if g.NeedsCsum {
		h[0] = virtioNeedsCsum
		binary.NativeEndian.PutUint16(h[6:], g.CsumStart)
		binary.NativeEndian.PutUint16(h[8:], g.CsumOffset)
	}
	if g.Type != packet.GSONone {
		h[1] = uint8(g.Type)
		binary.NativeEndian.PutUint16(h[2:], g.HdrLen)
		binary.NativeEndian.PutUint16(h[4:], g.Size)
	}
}
