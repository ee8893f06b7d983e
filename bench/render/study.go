package render

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/goswan/goswan/bench/report"
)

// study is measurements of one figure or several, and what they differ in.
type study []report.Measurement

// distinct are the values of f in the order in which they come.
func distinct[T comparable](all study, f func(report.Key) T) (values []T) {
	seen := map[T]bool{}
	for _, m := range all {
		if v := f(m.Key); !seen[v] {
			seen[v] = true
			values = append(values, v)
		}
	}
	return values
}

// where are those of which f is true.
func (s study) where(f func(report.Key) bool) (some study) {
	for _, m := range s {
		if f(m.Key) {
			some = append(some, m)
		}
	}
	return some
}

// by divides the measurements, in the order in which they come.
func (s study) by(f func(report.Key) string) (parts []study) {
	at := map[string]int{}
	for _, m := range s {
		name := f(m.Key)
		i, ok := at[name]
		if !ok {
			i = len(parts)
			at[name] = i
			parts = append(parts, nil)
		}
		parts[i] = append(parts[i], m)
	}
	return parts
}

func suiteOf(k report.Key) string                             { return k.Suite }
func subjectOf(k report.Key) string                           { return k.Subject }
func operationOf(k report.Key) string                         { return k.Operation }
func figureOf(k report.Key) report.Figure                     { return k.Figure }
func coresOf(k report.Key) int                                { return k.Cores }
func sasOf(k report.Key) int                                  { return k.SAs }
func flowsOf(k report.Key) int                                { return k.Flows }
func varies[T comparable](s study, f func(report.Key) T) bool { return len(distinct(s, f)) > 1 }

// chosen are those of the suites, in their order.
func (s study) chosen(suites []string) (some study) {
	of := map[string]study{}
	for _, suite := range suites {
		of[suite] = nil
	}
	for _, m := range s {
		if _, ok := of[m.Suite]; ok {
			of[m.Suite] = append(of[m.Suite], m)
		}
	}
	for _, suite := range suites {
		some = append(some, of[suite]...)
	}
	return some
}

// main is the subject that was measured most; the others are what it is compared with.
func (s study) main() string {
	count := map[string]int{}
	best := ""
	for _, m := range s {
		count[m.Subject]++
	}
	for _, name := range distinct(s, subjectOf) {
		if count[name] > count[best] {
			best = name
		}
	}
	return best
}

// farApart tells whether only a logarithmic axis shows all values.
func (s study) farApart() bool {
	lo, hi := math.Inf(1), 0.
	for _, m := range s {
		if v := report.Median(m.Values.Present()); v > 0 && drawable(v) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	return hi/lo > wide
}

// fewest is the smallest of what f tells.
func (s study) fewest(f func(report.Key) int) int {
	n := math.MaxInt
	for _, m := range s {
		n = min(n, f(m.Key))
	}
	return n
}

// usualSize is the size that stands for all: 1420 octets, what a tunnel over Ethernet carries, or the one in the middle.
func (s study) usualSize() string {
	const usual = 1420
	sizes := slices.Sorted(slices.Values(slices.DeleteFunc(distinct(s, func(k report.Key) int { return k.Size }), func(n int) bool { return n == 0 })))
	switch {
	case slices.Contains(sizes, usual):
		return report.Key{Size: usual}.SizeName()
	case len(sizes) > 0:
		return report.Key{Size: sizes[len(sizes)/2]}.SizeName()
	}
	return s[0].SizeName()
}

// ofSize are those of one size or mixture.
func (s study) ofSize(name string) study {
	return s.where(func(k report.Key) bool { return k.SizeName() == name })
}

// sizeAxis is packet sizes on a logarithmic axis, which mixtures follow. at is the place of a key.
func (s study) sizeAxis() (a axis, at func(report.Key) (place float64, apart bool)) {
	a = axis{name: "inner packet", unit: "octets"}
	places := map[string]float64{}
	for _, n := range slices.Sorted(slices.Values(distinct(s, func(k report.Key) int { return k.Size }))) {
		if n > 0 {
			places[report.Key{Size: n}.SizeName()] = math.Log2(float64(n))
			a.ticks = append(a.ticks, tick{math.Log2(float64(n)), strconv.Itoa(n)})
		}
	}
	for _, mix := range distinct(s, func(k report.Key) string { return k.Mix }) {
		if mix == "" || places[mix] != 0 {
			continue
		}
		next := 0.
		if len(a.ticks) > 0 {
			next = a.ticks[len(a.ticks)-1].at + 1
		}
		places[mix] = next
		a.ticks = append(a.ticks, tick{next, mix})
	}
	return a, func(k report.Key) (float64, bool) { return places[k.SizeName()], k.Size == 0 }
}

// countAxis is an axis of numbers of something, with a tick for each: logarithmic where they are far apart.
func (s study) countAxis(name string, f func(report.Key) int) (a axis, at func(int) float64) {
	counts := slices.Sorted(slices.Values(distinct(s, f)))
	at = func(n int) float64 { return float64(n) }
	a.name = name
	if most := counts[len(counts)-1]; most > 8*max(counts[0], 1) {
		at = func(n int) float64 { return math.Log2(float64(max(n, 1))) }
	}
	for _, n := range counts {
		a.ticks = append(a.ticks, tick{at(n), short(float64(n))})
	}
	return a, at
}

// pivot makes a table: a row and a column for each name that the functions give, with the rows in classes.
func (s study) pivot(title, first string, group, row, column func(report.Key) string) table {
	t := table{title: title, first: first, heads: distinct(s, column)}
	t.heads = t.heads[:min(len(t.heads), maxColumns)]
	cells := map[[2]string]cell{}
	for _, m := range s {
		cells[[2]string{row(m.Key), column(m.Key)}] = valueCell(m.Values.Present())
	}
	order := func(a, b study) int {
		return cmp.Compare(slices.Index(classes, group(a[0].Key)), slices.Index(classes, group(b[0].Key)))
	}
	parts := s.by(group)
	slices.SortStableFunc(parts, order)
	for _, part := range parts {
		g := rowGroup{name: group(part[0].Key)}
		for _, name := range distinct(part, row) {
			r := cellsOf(name, t.heads, cells)
			g.rows = append(g.rows, r)
		}
		t.groups = append(t.groups, g)
	}
	return t
}

// cellsOf is the row of a name.
func cellsOf(name string, heads []string, cells map[[2]string]cell) row {
	r := row{name: name}
	for _, h := range heads {
		c, ok := cells[[2]string{name, h}]
		if !ok {
			c = cell{text: "–", value: math.NaN()}
		}
		r.cells = append(r.cells, c)
	}
	return r
}

// words joins what is not empty.
func words(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
}

// capital is a text with its first letter in upper case.
func capital(s string) string {
	r := []rune(s)
	if len(r) == 0 {
		return s
	}
	return strings.ToUpper(string(r[0])) + string(r[1:])
}
