package render

import (
	"cmp"
	"math"
	"slices"

	"github.com/goswan/goswan/bench/report"
)

// OfDifference is the page of what `goswan bench compare` found: what changed, the largest first, then all that was compared.
func OfDifference(old, new *report.Run, d *report.Difference) *Page {
	p := &Page{title: "goswan bench " + new.Bench + ", two runs compared"}
	p.lead = words("old: "+words(when(old.Time), nonEmpty("goswan ", old.Goswan)), "new: "+words(when(new.Time), nonEmpty("goswan ", new.Goswan)))
	p.fact("Processor", new.Machine.CPU)
	for _, s := range d.Machine {
		p.note("another machine: " + s)
	}
	for _, s := range d.Apart {
		p.note("not compared: " + s)
	}
	p.counts(d.Changes)
	changed := p.section("What changed")
	all := p.section("Everything that was compared")
	largest := slices.DeleteFunc(slices.Clone(d.Changes), func(c report.Change) bool {
		return c.Verdict != report.Improved && c.Verdict != report.Worsened
	})
	slices.SortStableFunc(largest, func(a, b report.Change) int { return cmp.Compare(b.Far(), a.Far()) })
	p.changesPlots(changed, largest)
	p.table(changed, changesTable("What changed", largest))
	p.table(all, changesTable("Everything", d.Changes))
	if len(largest) == 0 {
		p.note("nothing changed beyond the noise")
	}
	return p.finish()
}

// counts are how many measurements have which verdict.
func (p *Page) counts(all []report.Change) {
	n := map[report.Verdict]int{}
	for _, c := range all {
		n[c.Verdict]++
	}
	for _, v := range []report.Verdict{report.Improved, report.Worsened, report.Unchanged, report.TooFew} {
		p.tiles = append(p.tiles, tile{value: short(float64(n[v])), what: string(v)})
	}
}

// shown is how many changes are drawn.
const shown = 4 * atMost

// changesPlots draws the largest changes: how many times better the new run is.
func (p *Page) changesPlots(in *section, largest []report.Change) {
	for i, part := range slices.Collect(slices.Chunk(largest[:min(len(largest), shown)], atMost)) {
		x := &plot{
			title: "The largest changes", about: "to the right of 1 the new run is better; where less is better the ratio is turned over",
			value:  axis{name: "times as good as the old run", unit: "×", log: true},
			across: axis{name: "measurement"}, categories: []string{}, reference: 1,
		}
		if i > 0 {
			x.title = "More changes"
		}
		for _, c := range part {
			if n, ok := x.category(c.Key.String()); ok {
				x.add(string(c.Verdict), float64(n), advantages(c))
			}
		}
		p.plot(in, x)
	}
}

// advantages are the values of the new run as multiples of the old median, turned over where less is better.
func advantages(c report.Change) (all []float64) {
	base := report.Median(c.Old)
	for _, v := range c.New {
		if c.Figure.Better == report.Less {
			all = append(all, base/v)
		} else {
			all = append(all, v/base)
		}
	}
	return all
}

func changesTable(title string, changes []report.Change) table {
	t := table{title: title, first: "measurement", heads: []string{"old", "new", "new as a multiple of old", "verdict"}}
	var rows []row
	for _, c := range changes {
		ratio := cell{text: "–"}
		if r := c.Ratio(); !math.IsNaN(r) && !math.IsInf(r, 0) {
			ratio.text = short(r)
		}
		rows = append(rows, row{name: c.Key.String(), cells: []cell{
			valueCell(c.Old), valueCell(c.New), ratio, {text: string(c.Verdict), bad: c.Verdict == report.Worsened},
		}})
	}
	t.groups = []rowGroup{{rows: rows}}
	return t
}
