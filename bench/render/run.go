package render

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goswan/goswan/bench/report"
)

// builder makes the page of a run.
type builder struct {
	*Page
	run  *report.Run
	all  study
	find map[report.Key]report.Values

	glance, side, sizes, cores, sas, flows, costs, beside, tables *section
}

// OfRun is the page of a run: what it measured at a glance, then by what it depends on, then beside others, then every figure.
func OfRun(r *report.Run) *Page {
	b := &builder{Page: &Page{title: "goswan bench " + r.Bench}, run: r, all: r.Measurements, find: map[report.Key]report.Values{}}
	if len(b.all) > maxMeasurements {
		b.all = b.all[:maxMeasurements]
		b.note(plural(len(r.Measurements)-maxMeasurements, "measurement") + " more than a page has room for: they are in the JSON")
	}
	for _, m := range b.all {
		b.find[m.Key] = m.Values
	}
	b.head()
	b.glance = b.section("At a glance")
	b.side = b.section("Side by side")
	b.costs = b.section("What each costs")
	b.sizes = b.section("By packet size")
	b.cores = b.section("By number of cores")
	b.sas = b.section("By number of SAs")
	b.flows = b.section("By number of flows")
	b.beside = b.section("Beside others")
	b.tables = b.section("Every figure")
	for _, part := range b.all.by(func(k report.Key) string { return k.Figure.Name + "\x00" + k.Figure.Unit }) {
		if b.worthPlots(part[0].Figure) {
			b.plotsOf(part)
		}
	}
	b.compared()
	b.tablesOf()
	if len(b.all) == 0 {
		b.note("nothing was measured")
	}
	return b.finish()
}

// head is the machine and the run.
func (b *builder) head() {
	r, m := b.run, b.run.Machine
	b.lead = words(when(r.Time), nonEmpty("goswan ", r.Goswan), plural(r.Rounds, "round")+" in "+took(r.Seconds))
	b.fact("Processor", m.CPU)
	b.fact("Logical CPUs", fmt.Sprintf("%d, of which Go uses %d (GOMAXPROCS)", m.LogicalCPUs, m.GOMAXPROCS))
	if m.MHz > 0 {
		b.fact("Nominal frequency", short(m.MHz)+" MHz")
	}
	b.fact("Governor", m.Governor)
	b.fact("Features", strings.Join(m.Flags[:min(len(m.Flags), 100)], " "))
	b.fact("System", strings.Trim(m.OS+"/"+m.Arch+" "+m.Kernel, "/ "))
	b.fact("Go", m.Go)
	if m.NoASM {
		b.fact("GOSWAN_NOASM", "set: no assembly of goswan's own")
	}
	for _, p := range r.Peers {
		b.fact(p.Name, p.Version)
	}
	b.fact("Command", strings.Join(r.Command[:min(len(r.Command), 100)], " "))
	for _, n := range r.Notes {
		b.note(n)
	}
}

// fact enters a line about the machine or the run, unless it is not known.
func (p *Page) fact(name, value string) {
	if value != "" && len(p.facts) < maxFacts {
		p.facts = append(p.facts, fact{name, value})
	}
}

func nonEmpty(before, s string) string {
	if s == "" {
		return ""
	}
	return before + s
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format("2 January 2006, 15:04 MST")
}

// took is a time in seconds, or in minutes where they are many.
func took(seconds float64) string {
	if seconds >= 120 && seconds < 1e9 {
		return fmt.Sprintf("%.0f min", seconds/60)
	}
	return short(seconds) + " s"
}

// instead tells which figure shows what another one shows in its own way: that has no plots of its own beside it.
var instead = map[report.Figure]report.Figure{
	report.PacketTime:    report.Throughput,
	report.CyclesByte:    report.Throughput,
	report.OperationRate: report.OperationTime,
	report.HandshakeRate: report.HandshakeTime,
}

// worthPlots tells whether a figure is plotted. Allocations are a column: they are 0.
func (b *builder) worthPlots(f report.Figure) bool {
	if f == report.Allocations || f.Unit == report.CyclesByte.Unit {
		return false
	}
	other, ok := instead[f]
	return !ok || !b.measured(other)
}

func (b *builder) measured(f report.Figure) bool {
	return slices.ContainsFunc(b.all, func(m report.Measurement) bool { return m.Figure == f })
}

// plotsOf makes the plots of one figure, by what its measurements differ in.
func (b *builder) plotsOf(all study) {
	f := all[0].Figure
	if all[0].Suite != "" {
		name := all.main()
		all = all.where(func(k report.Key) bool { return k.Subject == name })
	}
	fewest := all.fewest(coresOf)
	few := all.where(func(k report.Key) bool { return k.Cores == fewest })
	switch {
	case varies(all, sasOf) || varies(all, flowsOf):
		if f == report.PacketRate && b.measured(report.Throughput) {
			return // it is the same lines
		}
		b.byCount(b.sas, all, "number of pairs of Child SAs", "SAs", sasOf, flowsOf, "flow")
		b.byCount(b.flows, all, "number of flows", "flows", flowsOf, sasOf, "SA")
	case f == report.Scaling:
		b.scaling(all)
	case f == report.PacketRate:
		b.bySize(few, false)
	case varies(all, report.Key.SizeName):
		usual := few.ofSize(few.usualSize())
		b.bars(b.glance, usual)
		b.tile(usual)
		b.bySize(few, true)
		b.byCores(all)
	case all[0].Suite == "":
		b.bars(b.side, few)
	default:
		b.bars(b.costs, few)
		b.tile(few)
		b.byCores(all)
	}
}

// conditions are what all measurements have in common.
func (s study) conditions() string {
	k := s[0].Key
	var parts []string
	for _, name := range []func(report.Key) string{report.Key.SizeName, report.Key.CoresName} {
		if !varies(s, name) {
			parts = append(parts, name(k))
		}
	}
	return words(parts...)
}

// valueAxis is the axis of a figure.
func valueAxis(f report.Figure) axis { return axis{name: f.Name, unit: f.Unit} }

// direction tells which way a figure is better.
func direction(f report.Figure) string {
	if f.Better == report.Less {
		return "less is better"
	}
	return "more is better"
}

// atMost is how many categories one plot of bars has; more are divided.
const atMost = 16

// bars draws bars: of suites by class, with a series for each operation, or of subjects.
func (b *builder) bars(in *section, all study) {
	if len(all) == 0 {
		return
	}
	if all[0].Suite == "" {
		b.barsOf(in, all, "", "subject", subjectOf, false)
		return
	}
	head := commonHead(distinct(all, suiteOf))
	name := func(k report.Key) string { return strings.TrimPrefix(k.RowName(false), head) }
	classNames, suites := byClass(distinct(all, suiteOf))
	for _, c := range classNames {
		parts := slices.Collect(slices.Chunk(suites[c], divided(len(suites[c]))))
		far := all.chosen(suites[c]).farApart()
		for i, part := range parts {
			title := c
			if len(parts) > 1 {
				title += fmt.Sprintf(" (%d of %d)", i+1, len(parts))
			}
			across := "suite or algorithm"
			if head != "" {
				across = head + "…"
			}
			b.barsOf(in, all.chosen(part), title, across, name, far)
		}
	}
}

// divided is how many of n go into each plot: all plots have about as many.
func divided(n int) int {
	plots := (n + atMost - 1) / atMost
	return (n + plots - 1) / max(plots, 1)
}

// barsOf draws one plot of bars; log asks for a logarithmic axis, so that plots that belong together have the same kind.
func (b *builder) barsOf(in *section, all study, title, across string, name func(report.Key) string, log bool) {
	if len(all) == 0 {
		return
	}
	k := all[0].Key
	p := &plot{title: words(capital(k.Figure.Name), title, all.conditions()), about: direction(k.Figure), value: valueAxis(k.Figure), across: axis{name: across}, categories: []string{}}
	p.value.log = log
	series := func(k report.Key) string { return k.Operation }
	if varies(all, report.Key.SizeName) {
		series = func(k report.Key) string { return words(k.Operation, k.SizeName()) }
	}
	for _, m := range all {
		label := series(m.Key)
		if label == "" {
			label = "median of " + plural(b.run.Rounds, "round")
		}
		if i, ok := p.category(name(m.Key)); ok {
			p.add(label, float64(i), m.Values.Present())
		}
	}
	b.plot(in, p)
}

// bySize draws lines over the packet size: for each operation one plot of the suites of each class, or one of all.
func (b *builder) bySize(all study, classed bool) {
	if !varies(all, report.Key.SizeName) {
		return
	}
	for _, op := range all.by(operationOf) {
		names, suites := []string{""}, map[string][]string{"": distinct(op, suiteOf)}
		if classed {
			names, suites = byClass(suites[""])
		}
		for _, c := range names {
			chosen := choose(suites[c], maxSeries)
			f := op[0].Figure
			p := &plot{title: words(capital(f.Name), op[0].Operation, c, op.conditions()), value: valueAxis(f)}
			p.about = words(few(len(chosen), len(suites[c])), direction(f))
			p.value.log = f == report.PacketRate
			var at func(report.Key) (float64, bool)
			p.across, at = op.sizeAxis()
			for _, m := range op.chosen(chosen) {
				place, apart := at(m.Key)
				if x := p.add(m.Key.RowName(false), place, m.Values.Present()); x != nil {
					x.apart = apart
				}
			}
			b.plot(b.sizes, p)
		}
	}
}

// few says that not all are shown.
func few(n, of int) string {
	if n < of {
		return fmt.Sprintf("%d of %d suites: the tables have all", n, of)
	}
	return ""
}

// byCores draws lines over the number of cores, unless there is a figure for that.
func (b *builder) byCores(all study) {
	if !b.measured(report.Scaling) {
		b.coresPlot(all, false)
	}
}

// scaling draws throughput as a multiple of one core's, beside as many times as there are cores.
func (b *builder) scaling(all study) { b.coresPlot(all, true) }

func (b *builder) coresPlot(all study, ideal bool) {
	if !varies(all, coresOf) && !ideal {
		return
	}
	size := all.usualSize()
	for _, op := range all.ofSize(size).by(operationOf) {
		chosen := choose(distinct(op, suiteOf), maxSeries)
		f := op[0].Figure
		p := &plot{title: words(capital(f.Name)+" by cores", op[0].Operation, size), value: valueAxis(f)}
		p.about = words(few(len(chosen), len(distinct(op, suiteOf))), direction(f))
		cores := op
		if ideal {
			p.value = axis{name: "throughput as a multiple of one core's", unit: "×"}
			one := op[0]
			one.Cores = 1
			cores = append(slices.Clone(op), one)
		}
		var at func(int) float64
		p.across, at = cores.countAxis("number of cores at work", coresOf)
		for _, m := range op.chosen(chosen) {
			name := m.Key.RowName(m.Suite == "")
			known := slices.ContainsFunc(p.series, func(s series) bool { return s.name == name })
			if x := p.add(name, at(m.Cores), m.Values.Present()); x != nil && ideal && !known {
				p.add(name, at(1), []float64{1})
			}
		}
		if ideal {
			p.series = append(p.series, perfect(cores, at))
		}
		b.plot(b.cores, p)
	}
}

// perfect is the line of what every core adding one whole core's would carry.
func perfect(all study, at func(int) float64) series {
	s := series{name: "every core a whole one", ideal: true}
	for _, n := range slices.Sorted(slices.Values(distinct(all, coresOf))) {
		s.points = append(s.points, point{at: at(n), value: float64(n), low: float64(n), high: float64(n)})
	}
	return s
}

// byCount draws lines over the number of SAs or flows, with a series for each number of the others.
func (b *builder) byCount(in *section, all study, axisName, title string, count, other func(report.Key) int, otherName string) {
	if !varies(all, count) {
		return
	}
	for _, part := range all.by(func(k report.Key) string { return words(k.Operation, k.SizeName()) }) {
		for _, suite := range part.by(suiteOf) {
			k := suite[0].Key
			p := &plot{title: words(capital(k.Figure.Name)+" by "+title, k.Suite, k.Operation, k.SizeName(), k.CoresName()), about: direction(k.Figure), value: valueAxis(k.Figure)}
			var at func(int) float64
			p.across, at = suite.countAxis(axisName, count)
			others := slices.Sorted(slices.Values(distinct(suite, other)))
			if len(others) > maxSeries {
				p.about = words(fmt.Sprintf("%d of %d lines: the tables have all", maxSeries, len(others)), p.about)
			}
			for _, n := range others[:min(len(others), maxSeries)] {
				for _, m := range suite {
					if other(m.Key) == n {
						p.add(plural(n, otherName), at(count(m.Key)), m.Values.Present())
					}
				}
			}
			b.plot(in, p)
		}
	}
}

// maxTiles is how many figures a page begins with.
const maxTiles = 6

// tile enters the best of each operation, of the figures that an engineer asks for first. Of suites that do not encrypt there is none.
func (b *builder) tile(all study) {
	if f := all[0].Figure; f != report.Throughput && f != report.HandshakeTime {
		return
	}
	for _, op := range all.by(operationOf) {
		best := -1
		for i, m := range op {
			c := class(m.Suite)
			if v := report.Median(m.Values.Present()); m.Suite != "" && c != "integrity alone" && drawable(v) && v > 0 &&
				(best < 0 || (m.Figure.Better == report.More) == (v > report.Median(op[best].Values.Present()))) {
				best = i
			}
		}
		if best >= 0 && len(b.tiles) < maxTiles {
			k := op[best].Key
			b.tiles = append(b.tiles, tile{
				value: valueCell(op[best].Values.Present()).text, unit: k.Figure.Unit,
				what: words(k.Operation, k.Figure.Name, "the best of "+strconv.Itoa(len(op))+": "+k.Suite, k.SizeName(), k.CoresName()),
			})
		}
	}
}
