// Package replay is the anti-replay window of an inbound SA: RFC 4303 §3.4.3 and, for extended sequence numbers,
// its Appendix A2.
//
//	      older: refused        the window: one bit each           newer: accepted
//	────────────────────────┤ 0 1 1 0 1 1 1 1 … 1 1 0 1 1 ├──────────────────────────▶
//	                          top-Size+1               top
package replay

import "math/bits"

// MaxSize is the largest window in packets.
const MaxSize = 4096

// esnOff is the window that tells the subspaces of an extended sequence number apart when anti-replay is off.
const esnOff = 1 << 31

// Window remembers which sequence numbers have come. It is not safe for concurrent use. The zero value accepts everything but
// zero: anti-replay is off, sequence numbers are of 32 bits.
type Window struct {
	top  uint64 // the highest authenticated sequence number
	size uint64 // 0: off
	esn  bool
	// ring holds the bit of sequence number n at ring[n/64 & mask]. It is a word longer than the window, so that the oldest
	// and the newest word are never the same. Bits above top are zero.
	ring []uint64
	mask uint64
}

// New makes a window of size packets, 0 to MaxSize (what is beyond is brought to it); 0 turns anti-replay off. esn says that
// sequence numbers have 64 bits, of which packets carry the low half. last is the highest number that counts as seen.
func New(size int, esn bool, last uint64) *Window {
	w := &Window{top: last, size: uint64(min(max(size, 0), MaxSize)), esn: esn}
	if w.size == 0 {
		return w
	}
	words := uint64(1) << bits.Len64((w.size+63)/64)
	w.ring, w.mask = make([]uint64, words), words-1
	if last == 0 {
		return w
	}
	// Everything up to last counts as seen.
	for i := range w.ring {
		w.ring[i] = ^uint64(0)
	}
	w.ring[last>>6&w.mask] = ^uint64(0) >> (63 - last&63)
	return w
}

// Top is the highest sequence number that Update has seen.
func (w *Window) Top() uint64 { return w.top }

// Size is the window in packets, 0 when off.
func (w *Window) Size() int { return int(w.size) }

// Sequence is the whole sequence number of a packet that carries low: low itself without ESN, and with it the one number
// that RFC 4303 Appendix A2.1 infers from the window. 0 is none.
func (w *Window) Sequence(low uint32) uint64 {
	if !w.esn {
		return uint64(low)
	}
	size := w.size
	if size == 0 {
		size = esnOff
	}
	high, topLow := w.top>>32, w.top&0xffffffff
	bottom := uint32(topLow - size + 1) // wraps around in case B
	// "Case A: Tl >= (W - 1). In this case, the window is within one sequence number subspace."
	if topLow >= size-1 {
		if low < bottom {
			high++
		}
		return high<<32 | uint64(low)
	}
	// "Case B: Tl < (W - 1). In this case, the window spans two sequence number subspaces."
	if low >= bottom {
		if high == 0 {
			return 0 // before the first packet
		}
		high--
	}
	return high<<32 | uint64(low)
}

// Check says that a packet with this sequence number may be new: neither seen nor left of the window. It changes nothing:
// "The receive window is updated only if the integrity verification succeeds."  RFC 4303 §3.4.3
func (w *Window) Check(seq uint64) bool {
	switch {
	case w.size == 0:
		return true
	case seq == 0: // "The first packet sent using a given SA will have a Sequence Number of 1."  RFC 4303 §2.2
		return false
	case seq > w.top:
		return true
	case w.top-seq >= w.size:
		return false
	}
	return w.ring[seq>>6&w.mask]&(1<<(seq&63)) == 0
}

// Update notes an authenticated packet that Check let pass, and says whether it is the highest so far.
func (w *Window) Update(seq uint64) (advanced bool) {
	if advanced = seq > w.top; advanced {
		w.advance(seq)
	}
	if w.size != 0 {
		w.ring[seq>>6&w.mask] |= 1 << (seq & 63)
	}
	return advanced
}

// advance moves the window's right edge and clears what comes into it.
func (w *Window) advance(seq uint64) {
	if w.size != 0 {
		from, to := w.top>>6, seq>>6
		if to-from > w.mask {
			from = to - w.mask - 1
		}
		for i := from + 1; i <= to; i++ {
			w.ring[i&w.mask] = 0
		}
	}
	w.top = seq
}
