package render

import (
	"math"
	"slices"

	"github.com/goswan/goswan/bench/report"
)

// The bounds of a plot. What is beyond them is in the tables.
const (
	maxSeries     = 6 // as many as colours and marks that are easily told apart
	maxCategories = 32
)

// plot is one plot as data: lines over an axis of numbers, or horizontal bars by category.
type plot struct {
	title      string
	about      string // sentences for the reader: what was chosen, what it means
	value      axis   // what was measured: upwards of lines, to the right of bars
	across     axis   // what it depends on: to the right of lines; of bars what the categories are
	categories []string
	series     []series
	reference  float64 // bars begin here and there is a line; 0: none
	left       int     // values that no axis can hold
}

// axis is one direction of a plot.
type axis struct {
	name, unit string
	log        bool
	ticks      []tick // none: chosen by the values
}

// title is the axis in words.
func (a axis) title() string {
	text := a.name
	if a.unit != "" && a.unit != "1" {
		text += ", " + a.unit
	}
	if a.log {
		text += " (logarithmic)"
	}
	return text
}

// tick is a named place of an axis.
type tick struct {
	at   float64
	name string
}

// series is what belongs together: a line, or the bars of one colour.
type series struct {
	name   string
	points []point
	ideal  bool // not measured: a line to compare with
}

// point is one measurement: the median of the rounds and their range.
type point struct {
	at               float64 // on the axis across; of bars the index of the category
	value, low, high float64
	goal             float64 // what the value is to reach, 0: none
	apart            bool    // no line leads to it
}

// isBars tells bars from lines.
func (p *plot) isBars() bool { return p.categories != nil }

// drawable tells whether an axis can hold a value. Nothing that goswan measures comes near the bound.
func drawable(v float64) bool { return math.Abs(v) <= 1e30 }

// newPoint is the point of the values of the rounds. It is false when there are none that can be drawn.
func newPoint(at float64, values []float64) (point, bool) {
	if len(values) == 0 {
		return point{}, false
	}
	p := point{at: at, value: report.Median(values), low: slices.Min(values), high: slices.Max(values)}
	return p, drawable(p.value) && drawable(p.low) && drawable(p.high)
}

// add enters the values of the rounds into the series of a name, and counts what cannot be drawn. A plot that is full takes no
// further series.
func (p *plot) add(name string, at float64, values []float64) *point {
	pt, ok := newPoint(at, values)
	if !ok {
		p.left += min(len(values), 1)
		return nil
	}
	i := slices.IndexFunc(p.series, func(s series) bool { return s.name == name })
	if i < 0 {
		if len(p.series) == maxSeries {
			return nil
		}
		i = len(p.series)
		p.series = append(p.series, series{name: name})
	}
	s := &p.series[i]
	s.points = append(s.points, pt)
	return &s.points[len(s.points)-1]
}

// category is the index of a category, which is entered if there is room.
func (p *plot) category(name string) (i int, ok bool) {
	i = slices.Index(p.categories, name)
	if i < 0 && len(p.categories) < maxCategories {
		i = len(p.categories)
		p.categories = append(p.categories, name)
	}
	return i, i >= 0
}

// empty tells whether there is nothing to draw.
func (p *plot) empty() bool {
	return !slices.ContainsFunc(p.series, func(s series) bool { return !s.ideal && len(s.points) > 0 })
}

// spread tells whether any point has a range.
func (p *plot) spread() bool { return p.any(func(x point) bool { return x.low < x.high }) }

// hasGoals tells whether any point has a goal.
func (p *plot) hasGoals() bool { return p.any(func(x point) bool { return x.goal > 0 }) }

func (p *plot) any(is func(point) bool) bool {
	return slices.ContainsFunc(p.series, func(s series) bool { return slices.ContainsFunc(s.points, is) })
}

// extent is the least and the most of what the value axis has to show.
func (p *plot) extent() (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, s := range p.series {
		for _, x := range s.points {
			lo, hi = min(lo, x.low), max(hi, x.high)
			if x.goal > 0 {
				lo, hi = min(lo, x.goal), max(hi, x.goal)
			}
		}
	}
	if p.reference != 0 {
		lo, hi = min(lo, p.reference), max(hi, p.reference)
	}
	return lo, hi
}

// wide is the ratio of the largest to the smallest value beyond which only a logarithmic axis shows both.
const wide = 40

// settle chooses a logarithmic value axis where the values are far apart, and gives up one that they do not allow.
func (p *plot) settle() {
	lo, hi := math.Inf(1), 0.
	for _, s := range p.series {
		for _, x := range s.points {
			lo, hi = min(lo, x.low), max(hi, x.value)
		}
	}
	p.value.log = lo >= 1e-30 && (p.value.log || hi/lo > wide)
}
