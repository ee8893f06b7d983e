package report

import (
	"encoding/csv"
	"io"
	"math"
	"strconv"
)

// columns are those of the CSV.
var columns = []string{
	"bench", "figure", "unit", "better", "from", "subject", "suite", "operation", "size", "mix", "cores", "sas", "flows", "round", "value",
}

// WriteCSV writes a line for each value of each round, counted from 1, with a head; numbers that a key does not have are empty.
func WriteCSV(w io.Writer, r *Run) error {
	c := csv.NewWriter(w)
	if err := c.Write(columns); err != nil {
		return err
	}
	for _, m := range r.Measurements {
		for round, v := range m.Values {
			if math.IsNaN(v) {
				continue
			}
			err := c.Write([]string{
				r.Bench, m.Figure.Name, m.Figure.Unit, string(m.Figure.Better), m.From.Name, m.Subject, m.Suite, m.Operation,
				number(m.Size), m.Mix, number(m.Cores), number(m.SAs), number(m.Flows),
				strconv.Itoa(round + 1), strconv.FormatFloat(v, 'g', -1, 64),
			})
			if err != nil {
				return err
			}
		}
	}
	c.Flush()
	return c.Error()
}

// number is "" for 0.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
