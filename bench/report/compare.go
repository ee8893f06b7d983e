package report

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// Level is the probability up to which a difference is called a change: with which values that differ by nothing but chance would
// come out as far apart or farther.
const Level = 0.01

// enough rounds on both sides make the Mann–Whitney U test able to reach Level: of 5 and 5 the least probability is 2/252.
const enough = 5

// Verdict is what comparing two measurements says.
type Verdict string

// The verdicts.
const (
	Improved  Verdict = "better"
	Worsened  Verdict = "worse"
	Unchanged Verdict = "the same within the noise"
	TooFew    Verdict = "one round does not tell"
)

// Change is one measurement in two runs.
type Change struct {
	Key
	Old, New []float64 // the rounds' values
	Verdict  Verdict
}

// Ratio is the new median as a multiple of the old one; NaN where that is 0.
func (c Change) Ratio() float64 {
	if old := Median(c.Old); old != 0 {
		return Median(c.New) / old
	}
	return math.NaN()
}

// Difference is what two runs differ in.
type Difference struct {
	Changes []Change // of every measurement that both have and that was not computed from another, in the order of the new run
	// Machine has a sentence for each difference of the machines: then a change is not goswan's alone.
	Machine []string
	// Apart has a sentence for each reason why something cannot be compared.
	Apart []string
}

// Diff compares two runs of the same kind of benchmark.
//
// With five rounds or more on both sides it is the two-sided Mann–Whitney U test, which asks nothing of how values are spread,
// at Level; with two to four a change is when the ranges do not overlap. Rounds of one run follow each other, so what differs
// between two runs for reasons of its own, such as where the process lies in memory, is seen as a change too.
func Diff(old, new *Run) (*Difference, error) {
	if old.Bench != new.Bench {
		return nil, fmt.Errorf("report: `bench %s` and `bench %s` measure different things", old.Bench, new.Bench)
	}
	d := &Difference{Machine: old.Machine.differs(new.Machine)}
	before := map[Key]Measurement{}
	units := map[Key]string{}
	for _, m := range old.Measurements {
		before[m.Key] = m
		units[unitless(m.Key)] = m.Figure.Unit
	}
	onlyNew, otherUnit := 0, map[string]bool{}
	for _, m := range new.Measurements {
		was, ok := before[m.Key]
		delete(before, m.Key)
		switch unit := units[unitless(m.Key)]; {
		case ok && m.From == Figure{}:
			d.Changes = append(d.Changes, change(m.Key, was.Values.Present(), m.Values.Present()))
		case !ok && unit != "" && unit != m.Figure.Unit:
			otherUnit[fmt.Sprintf("%s is in %s in the old run and in %s in the new one", m.Figure.Name, unit, m.Figure.Unit)] = true
		case !ok && m.From == Figure{}:
			onlyNew++
		}
	}
	d.apart(otherUnit, onlyNew, before, new)
	return d, nil
}

// unitless is a key by which the same figure in two units is found.
func unitless(k Key) Key {
	k.Figure = Figure{Name: k.Figure.Name}
	return k
}

// apart says what only one of the runs has. left are the measurements of the old run that the new one lacks.
func (d *Difference) apart(otherUnit map[string]bool, onlyNew int, left map[Key]Measurement, new *Run) {
	units := map[Key]bool{}
	for _, m := range new.Measurements {
		units[unitless(m.Key)] = true
	}
	onlyOld := 0
	for k, m := range left {
		if m.From == (Figure{}) && !units[unitless(k)] {
			onlyOld++
		}
	}
	for s := range otherUnit {
		d.Apart = append(d.Apart, s)
	}
	slices.Sort(d.Apart)
	if onlyOld > 0 {
		d.Apart = append(d.Apart, fmt.Sprintf("%s only in the old run", plural(onlyOld, "measurement")))
	}
	if onlyNew > 0 {
		d.Apart = append(d.Apart, fmt.Sprintf("%s only in the new run", plural(onlyNew, "measurement")))
	}
}

// differs has a sentence for each way in which two machines differ that speed depends on.
func (m Machine) differs(n Machine) (all []string) {
	for _, f := range []struct {
		name     string
		old, new any
	}{
		{"processor", m.CPU, n.CPU}, {"processor's features", strings.Join(m.Flags, " "), strings.Join(n.Flags, " ")},
		{"number of logical CPUs", m.LogicalCPUs, n.LogicalCPUs}, {"GOMAXPROCS", m.GOMAXPROCS, n.GOMAXPROCS},
		{"system", m.OS + "/" + m.Arch, n.OS + "/" + n.Arch}, {"kernel", m.Kernel, n.Kernel}, {"governor", m.Governor, n.Governor},
		{"Go version", m.Go, n.Go}, {"GOSWAN_NOASM", m.NoASM, n.NoASM},
	} {
		if f.old != f.new {
			all = append(all, fmt.Sprintf("the %s was %v and is %v", f.name, f.old, f.new))
		}
	}
	return all
}

// change compares the values of one measurement.
func change(k Key, old, new []float64) Change {
	c := Change{Key: k, Old: old, New: new, Verdict: Unchanged}
	if !beyondNoise(old, new) {
		if min(len(old), len(new)) < 2 {
			c.Verdict = TooFew
		}
		return c
	}
	c.Verdict = Worsened
	if more := Median(new) > Median(old); more == (k.Figure.Better == More) {
		c.Verdict = Improved
	}
	return c
}

// beyondNoise tells whether two series differ by more than chance.
func beyondNoise(a, b []float64) bool {
	switch n := min(len(a), len(b)); {
	case n < 2 || Median(a) == Median(b):
		return false
	case n < enough:
		return slices.Max(a) < slices.Min(b) || slices.Max(b) < slices.Min(a)
	}
	return MannWhitney(a, b) <= Level
}

// WriteText prints the difference: the changes, the largest first, then how many there are of what, and what could not be compared.
func (d *Difference) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range d.Machine {
		fmt.Fprintf(t, "other machine: %s\n", s)
	}
	counts := map[Verdict]int{}
	var changed []Change
	for _, c := range d.Changes {
		counts[c.Verdict]++
		if c.Verdict == Improved || c.Verdict == Worsened {
			changed = append(changed, c)
		}
	}
	slices.SortStableFunc(changed, func(a, b Change) int { return cmp.Compare(b.far(), a.far()) })
	if len(changed) > 0 {
		fmt.Fprintln(t, "what changed\told\tspread\tnew\tspread\tdifference\t")
	}
	for _, c := range changed {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\n", c.Key, Rounded(c.Old), SpreadText(c.Old), Rounded(c.New), SpreadText(c.New), c.percent(), c.Verdict)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return d.summary(w, counts)
}

func (d *Difference) summary(w io.Writer, counts map[Verdict]int) error {
	tests := 0
	for _, c := range d.Changes {
		if min(len(c.Old), len(c.New)) >= enough {
			tests++
		}
	}
	_, err := fmt.Fprintf(w, "%s: %d better, %d worse, %d the same within the noise", plural(len(d.Changes), "measurement"), counts[Improved], counts[Worsened], counts[Unchanged])
	if n := counts[TooFew]; n > 0 && err == nil {
		_, err = fmt.Fprintf(w, ", %d of one round, which does not tell", n)
	}
	if by := Level * float64(tests); by >= 1 && err == nil {
		_, err = fmt.Fprintf(w, "; chance alone would change about %.0f", by)
	}
	if err == nil {
		_, err = fmt.Fprintln(w)
	}
	for _, s := range d.Apart {
		if err == nil {
			_, err = fmt.Fprintf(w, "not compared: %s\n", s)
		}
	}
	return err
}

// far is how far apart the medians are, in either direction.
func (c Change) far() float64 {
	r := c.Ratio()
	if !(r > 0) {
		return math.Inf(1)
	}
	return math.Abs(math.Log(r))
}

// percent is the difference of the medians.
func (c Change) percent() string {
	r := c.Ratio()
	if math.IsNaN(r) {
		return "-"
	}
	return fmt.Sprintf("%+.3g%%", 100*(r-1))
}

// String is a key in words, for a line of its own.
func (k Key) String() string {
	parts := []string{rowName(k, true), k.Operation, sizeName(k), coresName(k)}
	text := strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " ")
	if k.Figure.Unit == "1" {
		return text + ", " + k.Figure.Name
	}
	return text + ", " + k.Figure.Name + " in " + k.Figure.Unit
}
