package replay

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// naive is the window as the RFC says it, one map entry a packet.
type naive struct {
	top, size uint64
	seen      map[uint64]bool
}

func (n *naive) check(seq uint64) bool {
	return seq != 0 && !n.seen[seq] && (seq > n.top || n.top-seq < n.size)
}

func (n *naive) update(seq uint64) {
	n.seen[seq] = true
	n.top = max(n.top, seq)
}

var sizes = []int{1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 129, 1000, 1024, 4095, 4096}

// TestAgainstNaive compares with the naive window over random walks, near zero and across 2³².
func TestAgainstNaive(t *testing.T) {
	for _, size := range sizes {
		for _, start := range []uint64{0, 1, 63, 64, 1<<32 - 10, 1<<32 - 5000, 1 << 40} {
			t.Run(fmt.Sprintf("%d from %d", size, start), func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(size), start))
				w := New(size, true, start)
				n := &naive{top: start, size: uint64(size), seen: map[uint64]bool{}}
				for i := start; i > 0 && start-i <= uint64(size); i-- {
					n.seen[i] = true
				}
				for range 5000 {
					seq := step(r, w.Top(), size)
					if got, want := w.Check(seq), n.check(seq); got != want {
						t.Fatalf("top %d: sequence number %d accepted %v, want %v", w.Top(), seq, got, want)
					}
					if got := w.Sequence(uint32(seq)); w.Check(seq) && got != seq {
						t.Fatalf("top %d: %d was taken for %d", w.Top(), seq, got)
					}
					if w.Check(seq) && r.IntN(8) != 0 {
						highest := seq > n.top
						n.update(seq)
						if w.Update(seq) != highest || w.Top() != n.top {
							t.Fatalf("after %d the top is %d, want %d", seq, w.Top(), n.top)
						}
					}
				}
			})
		}
	}
}

// step is a sequence number around top: mostly a bit further, sometimes far ahead, sometimes back.
func step(r *rand.Rand, top uint64, size int) uint64 {
	switch r.IntN(20) {
	case 0:
		return top + 1 + uint64(r.IntN(3*size+200))
	case 1:
		return top + uint64(r.IntN(1<<20))
	case 2, 3, 4, 5, 6, 7, 8:
		return top - min(top, uint64(r.IntN(size+70)))
	}
	return top + uint64(r.IntN(3))
}

func TestReplayIsRefused(t *testing.T) {
	w := New(32, false, 0)
	for seq := uint64(1); seq <= 100; seq++ {
		if !w.Check(seq) {
			t.Fatalf("%d is new but was refused", seq)
		}
		w.Update(seq)
		if w.Check(seq) {
			t.Fatalf("%d came twice and was accepted", seq)
		}
	}
	if w.Check(0) {
		t.Error("0 was accepted")
	}
	if w.Check(68) {
		t.Error("68 is left of the window 69 to 100 but was accepted")
	}
}

func TestCheckChangesNothing(t *testing.T) {
	w := New(64, true, 0)
	w.Update(5)
	for range 2 {
		if !w.Check(1<<33) || !w.Check(4) {
			t.Fatal("a packet that was only checked counts as seen")
		}
	}
	if w.Top() != 5 {
		t.Errorf("the top is %d after checks alone, want 5", w.Top())
	}
}

func TestOff(t *testing.T) {
	w := New(0, false, 0)
	w.Update(7)
	for _, seq := range []uint64{0, 1, 7, 1 << 31} {
		if !w.Check(seq) {
			t.Errorf("anti-replay is off and %d was refused", seq)
		}
	}
	if w.Update(3) || !w.Update(8) {
		t.Error("the highest number is not followed when anti-replay is off")
	}
}

func TestSizeIsBounded(t *testing.T) {
	if got := New(1<<20, false, 0).Size(); got != MaxSize {
		t.Errorf("a window of 1048576 has %d, want %d", got, MaxSize)
	}
	if got := New(-1, false, 0).Size(); got != 0 {
		t.Errorf("a window of -1 has %d, want 0", got)
	}
}

// TestSequence has the cases of RFC 4303 Appendix A2.1.
func TestSequence(t *testing.T) {
	for _, tt := range []struct {
		size int
		top  uint64
		low  uint32
		want uint64
	}{
		{64, 0, 1, 1},
		{64, 0, 0xffffffff, 0},                      // before the first packet
		{64, 10, 0xfffffff0, 0},                     // likewise: the window would begin below zero
		{64, 100, 50, 50},                           // case A, in the window
		{64, 100, 101, 101},                         // case A, ahead
		{64, 100, 20, 1<<32 | 20},                   // case A, left of the window: the next subspace
		{64, 1<<32 - 1, 0, 1 << 32},                 // the first of the next subspace
		{64, 1<<32 - 1, 0xffffffff, 1<<32 - 1},      // the top itself
		{64, 1<<32 + 5, 0xfffffff0, 0xfffffff0},     // case B, still of the subspace before
		{64, 1<<32 + 5, 6, 1<<32 | 6},               // case B, ahead
		{64, 5<<32 + 5, 0xffffffff, 5<<32 - 1},      // case B
		{0, 1<<32 + 5, 0xfffffff0, 0xfffffff0},      // anti-replay off: half of the numbers are ahead
		{0, 1 << 31, 1<<31 + 1, 1<<31 + 1},          //
		{0, 1<<32 - 1, 5, 1<<32 | 5},                //
		{4096, 1<<32 + 4094, 0xffffffff, 1<<32 - 1}, // the last of case B
		{4096, 1<<32 + 4095, 0xffffffff, 2<<32 - 1}, // the first of case A
	} {
		w := New(tt.size, true, tt.top)
		if got := w.Sequence(tt.low); got != tt.want {
			t.Errorf("window %d, top %#x: %#x stands for %#x, want %#x", tt.size, tt.top, tt.low, got, tt.want)
		}
	}
	if got := New(64, false, 1<<31).Sequence(3); got != 3 {
		t.Errorf("without ESN 3 stands for %d", got)
	}
}

// TestWraparound: without ESN the last number is the end; with it the window slides over 2³² without a gap.
func TestWraparound(t *testing.T) {
	w := New(64, true, 1<<32-100)
	for i := uint64(1<<32 - 99); i < 1<<32+200; i++ {
		seq := w.Sequence(uint32(i))
		if seq != i || !w.Check(seq) {
			t.Fatalf("%#x was taken for %#x or refused", i, seq)
		}
		w.Update(seq)
		if back := w.Sequence(uint32(i - 40)); i > 1<<32 && (back != i-40 || w.Check(back)) {
			t.Fatalf("the replay of %#x was taken for %#x or accepted", i-40, back)
		}
	}
	end := New(64, false, 1<<32-1)
	if end.Check(end.Sequence(1)) || end.Check(end.Sequence(1<<32-1)) {
		t.Error("a number was accepted after the last one")
	}
	last := New(64, true, 1<<64-1)
	if last.Check(last.Sequence(5)) {
		t.Error("a number was accepted after the last 64-bit number")
	}
}

func TestNoAllocation(t *testing.T) {
	w := New(4096, true, 0)
	seq := uint64(0)
	if n := testing.AllocsPerRun(1000, func() {
		seq += 3
		s := w.Sequence(uint32(seq))
		if w.Check(s) {
			w.Update(s)
		}
	}); n != 0 {
		t.Errorf("a packet allocates %v times, want 0", n)
	}
}

// FuzzWindow drives the window and the naive model with the same numbers.
func FuzzWindow(f *testing.F) {
	f.Add(uint16(64), uint32(0), []byte{1, 2, 3, 200, 1, 1})
	f.Add(uint16(4096), uint32(0xfffffff0), []byte{1, 2, 3, 200, 255, 9, 255, 255})
	f.Fuzz(func(t *testing.T, size uint16, start uint32, steps []byte) {
		w := New(int(size%MaxSize)+1, true, uint64(start))
		n := &naive{top: uint64(start), size: uint64(w.Size()), seen: map[uint64]bool{}}
		for i := uint64(0); i <= n.size && i < n.top; i++ {
			n.seen[n.top-i] = true
		}
		for i, s := range steps {
			seq := n.top + uint64(int64(int8(s))*int64(i%70+1))
			if int64(seq) <= 0 {
				continue
			}
			if w.Check(seq) != n.check(seq) {
				t.Fatalf("size %d, top %d: %d accepted %v, want %v", n.size, n.top, seq, w.Check(seq), n.check(seq))
			}
			if n.check(seq) {
				w.Update(seq)
				n.update(seq)
			}
		}
	})
}

func BenchmarkWindow(b *testing.B) {
	w := New(1024, true, 0)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		seq := w.Sequence(uint32(i + 1))
		if w.Check(seq) {
			w.Update(seq)
		}
	}
}
