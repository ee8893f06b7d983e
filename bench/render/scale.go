package render

import (
	"math"
	"strconv"
	"strings"
)

// scale maps values to places of the drawing.
type scale struct {
	lo, hi   float64 // the values at the ends
	from, to float64 // their places
	log      bool
}

// at is the place of a value.
func (s scale) at(v float64) float64 {
	lo, hi := s.lo, s.hi
	if s.log {
		lo, hi, v = math.Log(lo), math.Log(hi), math.Log(max(v, s.lo))
	}
	return s.from + (s.to-s.from)*(v-lo)/(hi-lo)
}

// newScale is a scale of an axis whose values reach from lo to hi, with its ticks: about count of them, at round values. It
// begins at 0 unless it is logarithmic.
func newScale(a axis, lo, hi, from, to float64, count int) (scale, []tick) {
	s := scale{from: from, to: to, log: a.log}
	switch {
	case len(a.ticks) > 0:
		s.lo, s.hi = lo, hi
		if !(hi > lo) {
			s.lo, s.hi = around(lo, a.log)
		}
		return s, a.ticks
	case a.log:
		return s.logarithmic(lo, hi, count)
	}
	return s.linear(min(lo, 0), max(hi, 0), count)
}

// around are bounds with a value in their middle.
func around(v float64, log bool) (lo, hi float64) {
	if log && v > 0 {
		return v / 2, v * 2
	}
	return v - 1, v + 1
}

func (s scale) linear(lo, hi float64, count int) (scale, []tick) {
	if !(hi > lo) {
		hi = lo + 1
	}
	step := round125((hi - lo) / float64(count))
	first, last := math.Floor(lo/step+1e-9), math.Ceil(hi/step-1e-9)
	s.lo, s.hi = first*step, last*step
	var ticks []tick
	for i := first; i <= last && len(ticks) < 32; i++ {
		ticks = append(ticks, tick{i * step, short(i * step)})
	}
	return s, ticks
}

// round125 is the smallest of 1, 2, 5, 10, 20 … and their tenths that is not below v.
func round125(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= v*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

func (s scale) logarithmic(lo, hi float64, count int) (scale, []tick) {
	multiples := []float64{1, 2, 5}
	s.lo, s.hi = below125(lo), round125(hi)
	if s.lo == s.hi {
		s.lo, s.hi = below125(lo*0.99), round125(hi*1.01)
	}
	decades := math.Log10(s.hi / s.lo)
	every := 1.
	if decades*3 > float64(count)+1 { // not all of 1, 2 and 5 have room
		multiples = multiples[:1]
		every = max(math.Ceil(decades/float64(count+1)), 1)
	}
	var ticks []tick
	for d := math.Floor(math.Log10(s.lo) + 1e-9); d <= math.Ceil(math.Log10(s.hi)) && len(ticks) < 32; d++ {
		for _, m := range multiples {
			v := m * math.Pow(10, d)
			if v >= s.lo*(1-1e-9) && v <= s.hi*(1+1e-9) && math.Mod(math.Abs(d), every) == 0 {
				ticks = append(ticks, tick{v, short(v)})
			}
		}
	}
	if len(ticks) < 2 { // less than a decade, and none of its own
		ticks = []tick{{s.lo, short(s.lo)}, {s.hi, short(s.hi)}}
	}
	return s, ticks
}

// below125 is the largest of 1, 2, 5, 10 … and their tenths that is not above v.
func below125(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)+1e-12))
	for _, m := range []float64{5, 2} {
		if m*power <= v*(1+1e-9) {
			return m * power
		}
	}
	return power
}

// short writes a value with three digits: 0.025, 17.3, 1420, 2.5M.
func short(v float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if a := math.Abs(v); a >= unit.size*0.99999 && a < 1e15 {
			if unit.name == "k" {
				unit.size = 1e3
			}
			return digits(v/unit.size) + unit.name
		}
	}
	return digits(v)
}

// digits writes three digits at least, and no fraction that says nothing.
func digits(v float64) string {
	a := math.Abs(v)
	switch {
	case a != 0 && a < 1e-4 || a >= 1e15:
		return strings.NewReplacer(".0e+", "e", ".0e", "e", "e+", "e").Replace(strconv.FormatFloat(v, 'e', 1, 64))
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	text := strconv.FormatFloat(v, 'f', max(0, 2-int(math.Floor(math.Log10(max(a, 1e-4))))), 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}
