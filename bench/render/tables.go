package render

import (
	"slices"

	"github.com/goswan/goswan/bench/report"
)

// kind is what a measurement is of, which the form of its table follows.
type kind int

const (
	ofSubjects   kind = iota // each figure of whole programs
	ofPackets                // suites by packet size and cores
	ofCounts                 // SAs and flows
	ofOperations             // key exchanges, signatures, handshakes
)

func kindOf(k report.Key) kind {
	switch {
	case k.SAs > 0 || k.Flows > 0:
		return ofCounts
	case k.Suite == "":
		return ofSubjects
	case k.SizeName() != "" || k.Cores > 0:
		return ofPackets
	}
	return ofOperations
}

// tablesOf makes the tables of a run.
func (b *builder) tablesOf() {
	for _, k := range []kind{ofPackets, ofCounts, ofOperations, ofSubjects} {
		all := b.all.where(func(key report.Key) bool { return kindOf(key) == k })
		if len(all) == 0 {
			continue
		}
		subject := varies(all, subjectOf)
		row := func(key report.Key) string { return key.RowName(subject) }
		switch k {
		case ofPackets:
			b.packets(all, row)
		case ofCounts:
			b.table(b.tables, all.pivot("By SAs and flows", "what", classOf, row, column))
		case ofOperations:
			b.operations(all, row)
		case ofSubjects:
			b.table(b.tables, all.pivot("Every subject", "figure", ungrouped, figureName, subjectOf))
		}
	}
}

func classOf(k report.Key) string     { return class(k.Suite) }
func ungrouped(report.Key) string     { return "" }
func column(k report.Key) string      { return words(k.Operation, k.SizeName(), figureName(k)) }
func withoutSize(k report.Key) string { return words(k.Operation, figureName(k)) }
func figureName(k report.Key) string  { return valueAxis(k.Figure).title() }
func (s study) of(f report.Figure) study {
	return s.where(func(k report.Key) bool { return k.Figure == f })
}

// packets makes a table of every figure at the usual size, and of those that are plotted one by size and one by cores.
func (b *builder) packets(all study, row func(report.Key) string) {
	fewest := all.fewest(coresOf)
	few := all.where(func(k report.Key) bool { return k.Cores == fewest })
	size := few.usualSize()
	name := all.main()
	ours := few.ofSize(size).where(func(k report.Key) bool { return k.Subject == name })
	if len(ours) > 0 {
		title := words("Every figure", "of "+name, size, few[0].CoresName())
		b.table(b.tables, ours.pivot(title, "suite", classOf, func(k report.Key) string { return k.RowName(false) }, withoutSize))
	}
	for _, f := range distinct(all, figureOf) {
		if !b.worthPlots(f) {
			continue
		}
		for _, op := range few.of(f).by(operationOf) {
			if varies(op, report.Key.SizeName) {
				b.heatTable(op, words(capital(figureName(op[0].Key)), op[0].Operation, op.conditions()), row, report.Key.SizeName)
			}
		}
		for _, op := range all.of(f).ofSize(size).by(operationOf) {
			if varies(op, coresOf) {
				b.heatTable(op, words(capital(figureName(op[0].Key)), op[0].Operation, size), row, report.Key.CoresName)
			}
		}
	}
}

func (b *builder) heatTable(all study, title string, row, column func(report.Key) string) {
	t := all.pivot(title, "suite", classOf, row, column)
	t.warm(all[0].Figure.Better)
	b.table(b.tables, t)
}

// operations makes a table of what was measured and what was computed from it.
func (b *builder) operations(all study, row func(report.Key) string) {
	derived := map[report.Figure]report.Figure{}
	for _, m := range all {
		if m.From != (report.Figure{}) {
			derived[m.Figure] = m.From
		}
	}
	root := func(k report.Key) string {
		if from, ok := derived[k.Figure]; ok {
			return from.Name
		}
		return k.Figure.Name
	}
	operations := map[string]string{} // of each suite
	for _, suite := range all.by(suiteOf) {
		operations[suite[0].Suite] = words(distinct(suite, operationOf)...)
	}
	for _, part := range all.by(func(k report.Key) string { return root(k) + "\x00" + operations[k.Suite] }) {
		// What belongs to an operation stands side by side.
		ops := distinct(part, operationOf)
		slices.SortStableFunc(part, func(a, b report.Measurement) int {
			return slices.Index(ops, a.Operation) - slices.Index(ops, b.Operation)
		})
		b.table(b.tables, part.pivot(words(capital(root(part[0].Key)), operations[part[0].Suite]), "suite or algorithm", classOf, row, withoutSize))
	}
}
