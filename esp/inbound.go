package esp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/esp/replay"
	"github.com/goswan/goswan/tun/packet"
)

// moveInterval is how long a PeerMoved signal is not repeated for the same address.
const moveInterval = time.Second

// Inbound is an SA that we receive on. Between Begin and End it belongs to one goroutine, which opens one run of packets.
type Inbound struct {
	params Params // without keys
	path   atomic.Pointer[path]

	mu     sync.Mutex // held from Begin to End; protects what follows
	cipher suite.Cipher
	window replay.Window

	start, icvLen   int // start: of what is encrypted, behind header and IV
	extended, apart bool
	implicit        bool // the IV is the number and not in the packet
	aad             [12]byte
	ivRoom          [8]byte // for an implicit IV
	advanced        bool    // a new highest number came since Begin
	admitted        packet.Flow
	movedTo         netip.AddrPort // the last address that PeerMoved told of, and when
	movedAt         time.Time
	tally
}

// NewInbound keys an SA.
func NewInbound(p Params) (*Inbound, error) {
	if err := p.check(In); err != nil {
		return nil, err
	}
	c, err := p.Suite.NewCipher(p.EncrKey, p.IntegKey)
	if err != nil {
		return nil, fmt.Errorf("esp: SPI %08x: %w", uint32(p.SPI), err)
	}
	in := &Inbound{
		params: p.withoutKeys(), cipher: c, window: *replay.New(p.Window, p.Suite.ESN, p.Sequence),
		start: headerLen + c.IVLen(), icvLen: c.ICVLen(), extended: p.Suite.ESN, apart: p.Suite.IntegKeyLen() != 0,
		implicit: p.Suite.Encr.Implicit, tally: newTally(&p),
	}
	binary.BigEndian.PutUint32(in.aad[:], uint32(p.SPI))
	in.path.Store(&path{local: p.Local, remote: p.Remote})
	return in, nil
}

// Params is the description of the SA, without keys. Its addresses are those it was installed with.
func (in *Inbound) Params() *Params { return &in.params }

// SPI is the SA's.
func (in *Inbound) SPI() SPI { return in.params.SPI }

// Move gives the SA other outer addresses. Packets are taken from anywhere; the addresses say from where a packet is news.
func (in *Inbound) Move(local, remote netip.AddrPort) {
	in.path.Store(&path{local: local, remote: remote})
}

// Counters is a snapshot. Drops are counted by Drop.
func (in *Inbound) Counters() Counters { return in.counters() }

// LastUse is when an authentic packet last came in, a dummy packet included; zero when none has.
func (in *Inbound) LastUse() time.Time { return in.used() }

// Drop counts a packet that was not taken.
func (in *Inbound) Drop(r Reason) { in.drops.Add(r, 1) }

// Begin takes the SA for one run of packets. It returns false when the SA is no more; otherwise End must follow.
func (in *Inbound) Begin() bool {
	in.mu.Lock()
	if in.cipher == nil {
		in.mu.Unlock()
		return false
	}
	in.advanced = false
	return true
}

// Open checks the ESP packet d, decrypts it to dst, which has room for len(d) octets and does not overlap d, and returns the
// number of octets of the inner packet and the Next Header. When the result is not OK dst holds nothing of use. A packet
// that is not authentic changes nothing.
func (in *Inbound) Open(dst, d []byte) (n int, next uint8, r Reason) {
	if len(d) < in.start+trailerLen+in.icvLen {
		return 0, 0, Truncated
	}
	if in.over() {
		return 0, 0, Lifetime
	}
	seq := in.window.Sequence(binary.BigEndian.Uint32(d[4:]))
	// "This SHOULD be the first ESP check applied to a packet after it has been matched to an SA, to speed rejection of
	// duplicate packets."  RFC 4303 §3.4.3
	if !in.window.Check(seq) {
		return 0, 0, Replay
	}
	aad, trail := associated(&in.aad, d, seq, in.extended, in.apart)
	iv := d[headerLen:in.start]
	if in.implicit {
		iv = implicitIV(&in.ivRoom, seq)
	}
	n, err := in.cipher.Open(dst, iv, d[in.start:], aad, trail)
	switch err {
	case nil:
	case suite.ErrLength:
		return 0, 0, Truncated
	default:
		return 0, 0, BadICV
	}
	// "The receive window is updated only if the integrity verification succeeds."  RFC 4303 §3.4.3
	if in.window.Update(seq) {
		in.advanced = true
	}
	in.touched = true
	return untrail(dst[:n])
}

// untrail checks and takes off the padding and the trailer.
func untrail(p []byte) (n int, next uint8, r Reason) {
	if len(p) < trailerLen {
		return 0, 0, Truncated
	}
	pad := int(p[len(p)-2])
	n = len(p) - trailerLen - pad
	if n < 0 {
		return 0, 0, BadPadding
	}
	// "…the receiver SHOULD inspect the Padding field."  RFC 4303 §2.4
	for i := range pad {
		if p[n+i] != uint8(i+1) {
			return 0, 0, BadPadding
		}
	}
	return n, p[len(p)-1], OK
}

// Admit judges the inner packet of view v that came with Next Header next.
//
// "If an IPsec system receives an inbound packet on an SA and the packet's header fields are not consistent with the
// selectors for the SA, it MUST discard the packet."  RFC 4301 §5.2
func (in *Inbound) Admit(v *packet.View, next uint8) Reason {
	if next != packet.ProtoIPv4 && next != packet.ProtoIPv6 || (next == packet.ProtoIPv4) != (v.Version == 4) {
		return BadNextHeader
	}
	// A run of packets of one flow is looked up once.
	if v.Flow != in.admitted {
		if !in.selected(&v.Flow) {
			return BadSelectors
		}
		in.admitted = v.Flow
	}
	return OK
}

func (in *Inbound) selected(f *packet.Flow) bool {
	src, dst := false, false
	for i := range in.params.RemoteTS {
		src = src || in.params.RemoteTS[i].MatchSrc(f)
	}
	for i := range in.params.LocalTS {
		dst = dst || in.params.LocalTS[i].MatchDst(f)
	}
	return src && dst
}

// Count counts one inner packet of n octets that was let in.
func (in *Inbound) Count(n int) { in.count(n) }

// End gives the SA back after a run of packets that came from remote, and tells what its owner has to know.
func (in *Inbound) End(now time.Time, remote netip.AddrPort) Signal {
	s := in.publish(now)
	if in.advanced && in.moved(now, remote) {
		s |= PeerMoved
	}
	in.mu.Unlock()
	return s
}

// moved: hosts not behind a NAT "SHOULD send all packets … to the IP address and port in the last valid authenticated packet
// from the other end"  RFC 7296 §2.23. Only the newest packet counts: one that was held back tells nothing.
func (in *Inbound) moved(now time.Time, remote netip.AddrPort) bool {
	if remote == in.path.Load().remote || remote == in.movedTo && now.Sub(in.movedAt) < moveInterval {
		return false
	}
	in.movedTo, in.movedAt = remote, now
	return true
}

// Wipe ends the SA: it waits for the run under way and overwrites the keys.
func (in *Inbound) Wipe() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.cipher != nil {
		in.cipher.Wipe()
		in.cipher = nil
	}
}
