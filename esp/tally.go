package esp

import (
	"math"
	"sync/atomic"
	"time"
)

// Signal is what happened to an SA within one train that its owner has to know; bits.
type Signal uint8

// The signals.
const (
	SoftExpire Signal = 1 << iota // a soft lifetime by volume has passed: rekey
	HardExpire                    // a hard one, or the last sequence number was used: nothing is sent or taken any more
	PeerMoved                     // a new highest packet came from another address than the SA's, RFC 7296 §2.23
	PathDue                       // what is known of an outbound SA's path is old: ask again, and LimitPath
)

// tally counts what one SA does and watches its lifetimes by volume. The plain fields belong to who holds the SA's lock; the
// atomic ones are published once per train, for whoever asks.
type tally struct {
	packets, bytes         uint64
	softPackets, softBytes uint64 // the greatest number: none
	hardPackets, hardBytes uint64
	raised                 Signal
	touched                bool // an authentic packet went through since publish

	publicPackets, publicBytes atomic.Uint64
	lastUse                    atomic.Int64
	drops                      Drops
}

func newTally(p *Params) tally {
	return tally{
		softPackets: lifetime(p.SoftPackets), softBytes: lifetime(p.SoftBytes),
		hardPackets: lifetime(p.HardPackets), hardBytes: lifetime(p.HardBytes),
	}
}

// lifetime is one that is never reached when none is configured.
func lifetime(n uint64) uint64 {
	if n == 0 {
		return math.MaxUint64
	}
	return n
}

// over says that a hard lifetime has passed, "…at which point the SA is terminated"  RFC 4301 §4.4.2.1.
func (t *tally) over() bool {
	return t.packets >= t.hardPackets || t.bytes >= t.hardBytes
}

// count counts one packet of n inner octets.
func (t *tally) count(n int) {
	t.packets++
	t.bytes += uint64(n)
	t.touched = true
}

// publish shows the counts to others and returns what has expired since it was last called.
func (t *tally) publish(now time.Time) Signal {
	if t.touched {
		t.touched = false
		t.publicPackets.Store(t.packets)
		t.publicBytes.Store(t.bytes)
		t.lastUse.Store(now.UnixNano())
	}
	var s Signal
	if t.packets >= t.softPackets || t.bytes >= t.softBytes {
		s |= SoftExpire
	}
	if t.over() {
		s |= HardExpire
	}
	return t.raise(s)
}

// raise returns the signals of s that were not raised before.
func (t *tally) raise(s Signal) Signal {
	s &^= t.raised
	t.raised |= s
	return s
}

// counters is a snapshot.
func (t *tally) counters() Counters {
	return Counters{
		Packets: t.publicPackets.Load(), Bytes: t.publicBytes.Load(), LastUse: t.used(), Drops: t.drops.Map(),
	}
}

// used is when an authentic packet last went through.
func (t *tally) used() time.Time {
	if n := t.lastUse.Load(); n != 0 {
		return time.Unix(0, n)
	}
	return time.Time{}
}
