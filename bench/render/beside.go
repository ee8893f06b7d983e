package render

import (
	"slices"
	"strings"

	"github.com/goswan/goswan/bench/report"
)

// ratios are those of a comparison within each round, or the values of what is compared with nothing.
func (b *builder) ratios(c report.Comparison) []float64 {
	of := b.find[c.Of]
	if c.Against == nil {
		return of.Present()
	}
	return report.Ratios(of, b.find[*c.Against])
}

// compared draws how many times better than others what was compared is, and lists all comparisons.
func (b *builder) compared() {
	comparisons := b.run.Comparisons[:min(len(b.run.Comparisons), maxMeasurements)]
	var order []string
	plots := map[string]*plot{}
	list := table{title: "Compared", first: "what", heads: []string{"with", "ratio or value", "goal", "verdict"}}
	var rows []row
	for _, c := range comparisons {
		values := b.ratios(c)
		rows = append(rows, comparedRow(c, values))
		if c.Against == nil || len(values) == 0 {
			continue
		}
		name := c.What() + "\x00" + c.Of.SizeName()
		if plots[name] == nil {
			if len(order) == maxPlots {
				continue
			}
			order = append(order, name)
			plots[name] = besidePlot(c)
		}
		enterRatio(plots[name], c, values)
	}
	for _, name := range order {
		b.plot(b.beside, plots[name])
	}
	list.groups = []rowGroup{{rows: rows}}
	b.table(b.beside, list)
	b.goals(comparisons)
}

func besidePlot(c report.Comparison) *plot {
	other := strings.TrimPrefix(c.What(), "× ")
	return &plot{
		title: words("Beside "+other, c.Of.SizeName()), about: "to the right of 1 is better than " + other + "; where less is better the ratio is turned over",
		value:  axis{name: "times as good", unit: "×", log: true},
		across: axis{name: compareAxis(c)}, categories: []string{}, reference: 1,
	}
}

func compareAxis(c report.Comparison) string {
	if c.Of.Suite != "" {
		return "suite or algorithm"
	}
	return "figure"
}

// enterRatio enters a comparison, turned over where less is better, so that more is always better.
func enterRatio(p *plot, c report.Comparison, values []float64) {
	goal := c.Least
	if c.Of.Figure.Better == report.Less {
		goal = 0
		if c.Most > 0 {
			goal = 1 / c.Most
		}
		values = slices.Clone(values)
		for i := range values {
			values[i] = 1 / values[i]
		}
	}
	category, label := c.Of.Figure.Name, c.Of.Subject
	if c.Of.Suite != "" {
		category, label = c.Of.RowName(false), c.Of.Operation
	}
	i, ok := p.category(category)
	if !ok {
		p.left++
		return
	}
	if label == "" {
		label = c.Of.Subject
	}
	if x := p.add(label, float64(i), values); x != nil && drawable(goal) {
		x.goal = goal
	}
}

// comparedRow is a comparison in the table.
func comparedRow(c report.Comparison, values []float64) row {
	verdict := c.Verdict(values)
	return row{name: c.Of.String(), cells: []cell{
		{text: strings.TrimPrefix(c.What(), "× ")}, valueCell(values), {text: c.Goal()}, {text: verdict, bad: verdict == "missed"},
	}}
}

// goals enters how many goals are met.
func (b *builder) goals(all []report.Comparison) {
	met, of := 0, 0
	for _, c := range all {
		switch c.Verdict(b.ratios(c)) {
		case "met":
			met++
			of++
		case "missed":
			of++
		}
	}
	if of > 0 && len(b.tiles) < maxTiles {
		b.tiles = append(b.tiles, tile{value: short(float64(met)), unit: "of " + short(float64(of)), what: "goals are met"})
	}
}
