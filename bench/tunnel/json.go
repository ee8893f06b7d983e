//go:build linux

package main

import (
	"encoding/json"
	"io"

	"github.com/goswan/goswan/bench/report"
)

// comparison is a goal with what was measured of it, as JSON.
type comparison struct {
	Tunnel  string    `json:"tunnel"`
	Figure  figure    `json:"figure"`
	Against string    `json:"against"`
	Goal    string    `json:"goal"`
	Rounds  []float64 `json:"rounds"` // one value a round that has both sides
	Median  float64   `json:"median"`
	Verdict string    `json:"verdict"` // met or missed
}

// comparisons are the goals of which something was measured.
func comparisons(rounds []round) (all []comparison) {
	for _, g := range goals {
		values := g.measured(rounds)
		if len(values) == 0 {
			continue // a median of nothing is no number, and JSON has no other
		}
		all = append(all, comparison{g.of, g.figure, g.what(), g.bound(), values, report.Median(values), g.verdict(values)})
	}
	return all
}

// writeJSON writes every figure of every round, unrounded, and the comparisons.
func writeJSON(w io.Writer, seconds int, rounds []round) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "\t")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(struct {
		Seconds     int          `json:"seconds"` // of each measurement
		Rounds      []round      `json:"rounds"`
		Comparisons []comparison `json:"comparisons"`
	}{seconds, rounds, comparisons(rounds)})
}
