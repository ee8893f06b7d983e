package report

import (
	"fmt"
	"math"
)

// Comparison sets a measurement beside another one of the same run, or, where Against is nil, beside a goal alone.
type Comparison struct {
	Of      Key     `json:"of"`
	Against *Key    `json:"against,omitempty"`
	Least   float64 `json:"least,omitempty"` // the goal of the ratio, or of the value itself; 0: no bound
	Most    float64 `json:"most,omitempty"`  // likewise
}

// Ratios are a measurement's values as multiples of another's. A ratio is formed within a round, because what else the machine
// did then fell on both; a round that lacks either, or has a base of 0, has none.
func Ratios(of, base Values) (ratios []float64) {
	for i := range min(len(of), len(base)) {
		if ratio := of[i] / base[i]; base[i] > 0 && !math.IsNaN(ratio) && !math.IsInf(ratio, 0) {
			ratios = append(ratios, ratio)
		}
	}
	return ratios
}

// Compare returns the ratios of a comparison, or the values where there is nothing to compare with. None means that a side was
// not measured.
func (r *Run) Compare(c Comparison) []float64 {
	of := r.Find(c.Of)
	if of == nil {
		return nil
	}
	if c.Against == nil {
		return of.Values.Present()
	}
	against := r.Find(*c.Against)
	if against == nil {
		return nil
	}
	return Ratios(of.Values, against.Values)
}

// Goal is the bounds in a few signs, "" where there are none.
func (c Comparison) Goal() string {
	switch {
	case c.Least > 0 && c.Most > 0:
		return fmt.Sprintf("%.3g … %.3g", c.Least, c.Most)
	case c.Most > 0:
		return fmt.Sprintf("≤ %.2g", c.Most)
	case c.Least > 0:
		return fmt.Sprintf("≥ %.3g", c.Least)
	}
	return ""
}

// Verdict tells whether the median of what was compared meets the goal: "met", "missed", or "" where either is missing.
func (c Comparison) Verdict(values []float64) string {
	v := Median(values)
	switch {
	case math.IsNaN(v) || c.Least == 0 && c.Most == 0:
		return ""
	case v < c.Least || c.Most > 0 && v > c.Most:
		return "missed"
	}
	return "met"
}
