package esp

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/tun/packet"
)

const (
	headerLen  = 8  // SPI and sequence number
	trailerLen = 2  // Pad Length and Next Header
	maxAlign   = 16 // the most that a cipher may align to
	// trailerRoom is what Seal needs behind a packet: more than the longest trailer, and of a length that is quickly copied.
	trailerRoom = 32
)

// padding: "the first padding byte appended to the plaintext is numbered 1, with subsequent padding bytes making up a
// monotonically increasing sequence: 1, 2, 3, …"  RFC 4303 §2.4
var padding = [trailerRoom]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// path is the outer addresses of an SA; immutable.
type path struct {
	local, remote netip.AddrPort
	// room is the length of the longest inner packet that fits an outbound SA's path, which is to be asked for anew from until on;
	// zero until: nothing is known of the path.
	room  int
	until time.Time
}

// Outbound is an SA that we send on. Between Begin and End it belongs to one goroutine, which fills one train.
type Outbound struct {
	params Params // without keys
	path   atomic.Pointer[path]

	mu sync.Mutex // held from Begin to End; protects what follows and keeps the trains in the order of their numbers
	// cipher is nil after Wipe.
	cipher suite.Cipher
	// ivRandom makes IVs that must be unpredictable; nil where a counter will do.
	ivRandom              *mathrand.ChaCha8
	seq, last             uint64 // the last one used, and the last one there is
	soft                  uint64 // number from which a rekey is asked for
	start, icvLen, align  int    // start: of what is encrypted, behind header and IV; align: a power of two
	spi                   uint64 // in the upper half, as in the header
	extended, apart, full bool   // 64-bit numbers; encryption and integrity are two algorithms; full: the numbers are used up
	implicit              bool   // the IV is the number and not in the packet
	tally
	aad    [12]byte  // SPI, high half, low half
	ivRoom [8]byte   // for an implicit IV
	bound  *path     // the one that Begin found
	asked  time.Time // when PathDue was last said

	tosMask uint8 // the bits of the inner TOS that are copied; does not change
}

// NewOutbound keys an SA.
func NewOutbound(p Params) (*Outbound, error) {
	if err := p.check(Out); err != nil {
		return nil, err
	}
	c, err := p.Suite.NewCipher(p.EncrKey, p.IntegKey)
	if err != nil {
		return nil, fmt.Errorf("esp: SPI %08x: %w", uint32(p.SPI), err)
	}
	o := &Outbound{
		params: p.withoutKeys(), cipher: c, seq: p.Sequence, last: math.MaxUint32,
		start: headerLen + c.IVLen(), icvLen: c.ICVLen(), spi: uint64(p.SPI) << 32,
		// "…the Pad Length and Next Header fields must be right aligned within a 4-byte word"  RFC 4303 §2.4
		align: max(c.Align(), 4), extended: p.Suite.ESN, apart: p.Suite.IntegKeyLen() != 0,
		implicit: p.Suite.Encr.Implicit, tally: newTally(&p), tosMask: p.tosMask(),
	}
	if o.align > maxAlign || o.align&(o.align-1) != 0 {
		return nil, fmt.Errorf("esp: SPI %08x: a cipher with blocks of %d octets", uint32(p.SPI), o.align)
	}
	if o.extended {
		o.last = math.MaxUint64
	}
	// A rekey in time for the numbers not to run out: when an eighth of them is left.
	o.soft = o.last - o.last/8
	if c.RandomIV() {
		var seed [32]byte
		_, _ = rand.Read(seed[:]) // never fails
		o.ivRandom = mathrand.NewChaCha8(seed)
		clear(seed[:])
	}
	binary.BigEndian.PutUint32(o.aad[:], uint32(p.SPI))
	o.path.Store(o.newPath(p.Local, p.Remote, packet.MaxTrain, time.Time{}))
	return o, nil
}

// Params is the description of the SA, without keys. Its addresses are those it was installed with.
func (o *Outbound) Params() *Params { return &o.params }

// Move gives the SA other outer addresses, from the next train on.
func (o *Outbound) Move(local, remote netip.AddrPort) {
	o.path.Store(o.newPath(local, remote, packet.MaxTrain, time.Time{}))
}

// Path is the outer addresses.
func (o *Outbound) Path() (local, remote netip.AddrPort) {
	p := o.path.Load()
	return p.local, p.remote
}

// Counters is a snapshot. Drops are counted by Drop.
func (o *Outbound) Counters() Counters { return o.counters() }

// Drop counts a packet that was not sent.
func (o *Outbound) Drop(r Reason) { o.drops.Add(r, 1) }

// Begin takes the SA for the trains that are sent together, and puts its addresses into the first, t, which is empty. It returns
// false when the SA is no more; otherwise End must follow.
func (o *Outbound) Begin(t *packet.Train) bool {
	o.mu.Lock()
	return o.begun(t)
}

// TryBegin is Begin for who has other SAs and so must not wait for this one; busy tells that somebody else has it.
func (o *Outbound) TryBegin(t *packet.Train) (ok, busy bool) {
	if !o.mu.TryLock() {
		return false, true
	}
	return o.begun(t), false
}

func (o *Outbound) begun(t *packet.Train) bool {
	if o.cipher == nil {
		o.mu.Unlock()
		return false
	}
	o.bound = o.path.Load()
	o.Address(t)
	return true
}

// Address puts the SA's addresses into another train, between Begin and End.
func (o *Outbound) Address(t *packet.Train) { t.Local, t.Remote = o.bound.local, o.bound.remote }

// Size is the length of the ESP packet that protects n octets.
func (o *Outbound) Size(n int) int {
	return o.start + (n+trailerLen+o.align-1)&-o.align + o.icvLen
}

// Seal protects the packet buf[off:off+n] and appends it to the train, where Fits(Size(n)) must hold. next is 4 for IPv4 or 41
// for IPv6. The trailer is written behind the packet into buf, which has packet.Tailroom octets there, and what was there is
// put back. When the result is not OK nothing was appended.
func (o *Outbound) Seal(t *packet.Train, buf []byte, off, n int, next uint8) Reason {
	// "…the sender MUST NOT send a packet on an SA if doing so would cause the Sequence Number to cycle."  RFC 4303 §3.3.3
	if o.seq >= o.last {
		o.full = true
		return SequenceOverflow
	}
	if o.over() {
		return Lifetime
	}
	o.seq++
	d := t.Grow(o.Size(n))
	plain := len(d) - o.start - o.icvLen
	behind := (*[trailerRoom]byte)(buf[off+n:])
	saved := *behind
	trailer(behind, plain-n, next)
	binary.BigEndian.PutUint64(d, o.spi|uint64(uint32(o.seq)))
	iv := o.iv(d[headerLen:o.start])
	aad, trail := o.associated(d)
	o.cipher.Seal(d[o.start:], iv, buf[off:off+plain], aad, trail)
	*behind = saved
	o.count(n)
	return OK
}

// trailer writes the n octets of padding, Pad Length and Next Header to b; what follows in b is of no use.
func trailer(b *[trailerRoom]byte, n int, next uint8) {
	pad := n - trailerLen
	*b = padding
	b[pad%trailerRoom], b[(pad+1)%trailerRoom] = uint8(pad), next
}

// iv makes the IV of the packet with the number o.seq, in the packet if it is to be there.
func (o *Outbound) iv(place []byte) []byte {
	switch {
	case o.ivRandom != nil:
		// "The IV MUST be chosen at random, and MUST be unpredictable."  RFC 3602 §3
		_, _ = o.ivRandom.Read(place) // never fails
	case len(place) == 8:
		// "For a given key, the IV MUST NOT repeat."  RFC 4106 §3.1. The sequence number never does.
		binary.BigEndian.PutUint64(place, o.seq)
	case o.implicit:
		return implicitIV(&o.ivRoom, o.seq)
	}
	return place
}

// implicitIV is the IV that a packet's number is: the extended one, of 64 bits, or four octets of zeros and the short one. RFC 8750 §4
func implicitIV(room *[8]byte, seq uint64) []byte {
	binary.BigEndian.PutUint64(room[:], seq)
	return room[:]
}

// associated is what the ICV covers before and behind the packet d.
func (o *Outbound) associated(d []byte) (aad, trail []byte) {
	return associated(&o.aad, d, o.seq, o.extended, o.apart)
}

// associated: without ESN the packet's header. With it the high half stands between SPI and low half for combined modes
// (RFC 4106 §5), and behind the packet otherwise (RFC 4303 §2.2.1). room holds the SPI.
func associated(room *[12]byte, d []byte, seq uint64, extended, apart bool) (aad, trail []byte) {
	if !extended {
		return d[:headerLen], nil
	}
	binary.BigEndian.PutUint64(room[4:], seq)
	if apart {
		return d[:headerLen], room[4:8]
	}
	return room[:], nil
}

// End gives the SA back when the train is sent, and tells what its owner has to know.
func (o *Outbound) End(now time.Time) Signal {
	s := o.publish(now) | o.pathDue(now)
	if o.seq >= o.soft {
		s |= o.raise(SoftExpire)
	}
	if o.full {
		s |= o.raise(HardExpire)
	}
	o.mu.Unlock()
	return s
}

// Wipe ends the SA: it waits for the train under way and overwrites the keys.
func (o *Outbound) Wipe() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.cipher != nil {
		o.cipher.Wipe()
		o.cipher, o.ivRandom = nil, nil
	}
}
