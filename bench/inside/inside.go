package inside

import (
	"errors"
	"runtime"
	"slices"
	"time"

	"github.com/goswan/goswan/bench/report"
)

// The figures.
var (
	SealSpeed = report.Figure{Name: "AES-128-GCM Seal of 1420 octets, one core", Unit: "GB/s", Better: report.More}
	OpenSpeed = report.Figure{Name: "AES-128-GCM Open of 1420 octets, one core", Unit: "GB/s", Better: report.More}
	Seal1420  = report.Figure{Name: "Seal of a packet of 1420 octets", Unit: "ns", Better: report.Less}
	Open1420  = report.Figure{Name: "Open of a packet of 1420 octets", Unit: "ns", Better: report.Less}
	Seal64    = report.Figure{Name: "Seal of a packet of 64 octets", Unit: "ns", Better: report.Less}
	Open64    = report.Figure{Name: "Open of a packet of 64 octets", Unit: "ns", Better: report.Less}
	PathSuper = report.Figure{Name: "engine out and in, one core, TCP super-packets of 44 × 1420 octets", Unit: "Gbit/s", Better: report.More}
	PathSmall = report.Figure{Name: "engine out and in, one core, single packets of 64 octets", Unit: "kpps", Better: report.More}
)

// The subjects.
const (
	Ours     = "crypto/aesgcm"
	Standard = "the standard library"
	Whole    = "whole packet" // look-up, sequence number, IV, framing, replay window
	Bare     = "bare cipher"  // the AEAD's method and nothing else, on the same octets in the same buffers
	OneSA    = "over 1 SA"
	ManySAs  = "over 1,000 of 10,000 SAs"
)

// Figure is a figure and the subjects it is measured of.
type Figure struct {
	report.Figure
	Subjects []string
}

// Figures are in the order in which they are best read.
var Figures = []Figure{
	{SealSpeed, []string{Ours, Standard}}, {OpenSpeed, []string{Ours, Standard}},
	{Seal1420, []string{Whole, Bare}}, {Open1420, []string{Whole, Bare}},
	{Seal64, []string{Whole, Bare}}, {Open64, []string{Whole, Bare}},
	{PathSuper, []string{ManySAs, OneSA}}, {PathSmall, []string{ManySAs, OneSA}},
}

// Result is one value of one subject.
type Result struct {
	Subject string
	Figure  report.Figure
	Value   float64
}

// lap does some work once, and tells how many packets it was and how long that part of it took that counts.
type lap func() (packets int, spent time.Duration)

// comparison is a figure with what is to be measured of its subjects.
type comparison struct {
	Figure
	laps  []lap                           // in the order of the subjects
	value func(perPacket float64) float64 // from nanoseconds
}

// Bench is everything to be measured, made ready. It is for one goroutine.
type Bench struct {
	comparisons []comparison
	paths       []*Path
}

// New makes ready what is measured: keys, SAs and engines.
func New() (*Bench, error) {
	b := &Bench{}
	for _, add := range []func() error{b.addCiphers, b.addPackets, b.addPaths} {
		if err := add(); err != nil {
			return nil, errors.Join(err, b.Close())
		}
	}
	return b, nil
}

// Close ends the engines.
func (b *Bench) Close() error {
	var errs []error
	for _, p := range b.paths {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

// add adds a comparison; what its figure is called tells the subjects.
func (b *Bench) add(figure report.Figure, value func(float64) float64, laps ...lap) {
	i := slices.IndexFunc(Figures, func(f Figure) bool { return f.Figure == figure })
	b.comparisons = append(b.comparisons, comparison{Figures[i], laps, value})
}

// nanoseconds is the value of a figure that is itself the time.
func nanoseconds(perPacket float64) float64 { return perPacket }

// Round measures every figure, all of them in about d.
func (b *Bench) Round(d time.Duration) (results []Result) {
	// What the work allocates is nothing; what was garbage before is not to be collected meanwhile.
	runtime.GC()
	runtime.LockOSThread() // its CPU time is the measure
	defer runtime.UnlockOSThread()
	for _, c := range b.comparisons {
		for i, perPacket := range interleave(c.laps, d/time.Duration(len(b.comparisons))) {
			results = append(results, Result{c.Subjects[i], c.Figure.Figure, c.value(perPacket)})
		}
	}
	return results
}

// A comparison takes this many turns at least, and each turn of a subject this much of its time.
const (
	leastTurns = 5
	turn       = 2 * time.Millisecond
)

// interleave lets the laps take turns for d, and returns for each the median of its turns: nanoseconds for a packet.
func interleave(laps []lap, d time.Duration) []float64 {
	turns := make([][]float64, len(laps))
	for _, l := range laps {
		l() // fills caches and grows buffers
	}
	start := time.Now()
	for n := 0; n < leastTurns || time.Since(start) < d; n++ {
		for i := range laps {
			at := (i + n) % len(laps) // no subject is always the first
			turns[at] = append(turns[at], oneTurn(laps[at]))
		}
	}
	medians := make([]float64, len(laps))
	for i, values := range turns {
		slices.Sort(values)
		medians[i] = values[len(values)/2]
	}
	return medians
}

// oneTurn repeats a lap for a turn.
func oneTurn(l lap) float64 {
	packets, spent := 0, time.Duration(0)
	for spent < turn {
		n, took := l()
		packets += n
		spent += max(took, 1) // a clock that stands still ends the turn too
	}
	return float64(spent) / float64(packets)
}
