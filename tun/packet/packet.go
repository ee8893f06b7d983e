// Package packet is what the data path hands around: super-packets on the TUN's side, trains on the wire's, and views
// of the IP packets within.
package packet

import "net/netip"

// Headroom is what stands free before the packet in a Super's buffer: the virtio-net header and what a device puts before it.
const Headroom = 64

// Tailroom is what stands free behind the packet: room for the ESP trailer, written in place (RFC 4303 §2.4).
const Tailroom = 288

// MaxPacket is the largest IP packet or super-packet in octets.
const MaxPacket = 65535

// GSOType says how a super-packet is to be segmented; the values are virtio-net's (VIRTIO_NET_HDR_GSO_*).
type GSOType uint8

// The kinds of super-packet.
const (
	GSONone GSOType = 0
	GSOTCP4 GSOType = 1
	GSOTCP6 GSOType = 4
	GSOUDP  GSOType = 5 // UDP_L4: USO, IPv4 or IPv6
)

// GSO describes a super-packet. The zero value is one plain packet whose checksums are complete.
type GSO struct {
	Type GSOType
	// Size is the payload of each segment but the last, in octets.
	Size uint16
	// HdrLen is the length of all headers that each segment repeats (IP and TCP or UDP).
	HdrLen uint16
	// NeedsCsum says that the transport checksum holds only the pseudo header's sum: it is to be completed
	// from CsumStart to the end and stored at CsumStart+CsumOffset.
	NeedsCsum             bool
	CsumStart, CsumOffset uint16
}

// Super is one super-packet with room around it. Buf[Off:Off+Len] is the packet.
type Super struct {
	Buf      []byte // at least Headroom+MaxPacket+Tailroom octets, made by NewSuper
	Off, Len int
	GSO      GSO
}

// NewSuper makes an empty super-packet with its buffer.
func NewSuper() *Super {
	return &Super{Buf: make([]byte, Headroom+MaxPacket+Tailroom), Off: Headroom}
}

// Bytes is the packet itself; it aliases Buf.
func (s *Super) Bytes() []byte { return s.Buf[s.Off : s.Off+s.Len] }

// MaxTrain is the longest train in octets: the most UDP payload that one send with UDP_SEGMENT takes.
const MaxTrain = 65507

// MaxCars is the greatest number of datagrams in one train.
const MaxCars = 64

// Train is datagrams of equal size (the last may be shorter) between one pair of addresses in one contiguous buffer.
type Train struct {
	Buf []byte // MaxTrain octets and more, made by NewTrain
	Len int    // octets in use
	Seg int    // size of every datagram but the last, 0 when empty
	// Local and Remote are the outer addresses: on receipt where it arrived and from whom, on sending from where and to whom.
	// An invalid Local address lets the host choose.
	Local, Remote netip.AddrPort
	// TOS is the outer IPv4 TOS or IPv6 traffic class octet (DSCP and ECN), received or to be sent.
	TOS uint8
	// Fragment tells that the datagrams do not fit the path and are to be sent in fragments.
	Fragment bool
}

// NewTrain makes an empty train with its buffer.
func NewTrain() *Train { return &Train{Buf: make([]byte, 65536+Tailroom)} }

// Reset empties the train.
func (t *Train) Reset() { t.Len, t.Seg, t.Fragment = 0, 0, false }

// Count is the number of datagrams.
func (t *Train) Count() int {
	if t.Seg == 0 {
		return 0
	}
	return (t.Len + t.Seg - 1) / t.Seg
}

// Datagram is the i-th datagram, 0 ≤ i < Count; it aliases Buf.
func (t *Train) Datagram(i int) []byte {
	return t.Buf[i*t.Seg : min((i+1)*t.Seg, t.Len)]
}

// Fits says whether a datagram of n octets may be appended: it is not longer than the train's others, none shorter came
// before, and a full train takes no more.
func (t *Train) Fits(n int) bool {
	if t.Seg == 0 {
		return n <= MaxTrain
	}
	return n <= t.Seg && t.Len+n <= MaxTrain && t.Len < MaxCars*t.Seg && t.Len%t.Seg == 0
}

// Grow appends room for a datagram of n octets that Fits, and returns it.
func (t *Train) Grow(n int) []byte {
	if t.Seg == 0 {
		t.Seg = n
	}
	t.Len += n
	return t.Buf[t.Len-n : t.Len : t.Len]
}

// Shrink takes the last n octets, which Grow gave, away again.
func (t *Train) Shrink(n int) {
	t.Len -= n
	if t.Len == 0 {
		t.Seg = 0
	}
}
