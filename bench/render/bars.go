package render

import (
	"math"
)

// The distances of bars.
const (
	barHeight  = 10.
	barGap     = 2.
	rowGap     = 8.
	valueRoom  = 44. // for the number behind the longest bar
	besideMost = 150 // the widest name that stands beside its bars; wider ones stand above them
)

// bar is one bar of a row.
type bar struct {
	colour int
	series series
	point  point
}

// rows are the bars of each category.
func (d *drawing) rows() [][]bar {
	rows := make([][]bar, len(d.categories))
	for i, s := range d.series {
		for _, x := range s.points {
			if n := int(x.at); n >= 0 && n < len(rows) {
				rows[n] = append(rows[n], bar{i, s, x})
			}
		}
	}
	return rows
}

// bars draws a row for each category.
func (d *drawing) bars() {
	names := 0.
	for _, c := range d.categories {
		names = max(names, d.faces.width(labelStyle, string([]rune(c)[:min(len([]rune(c)), maxWords)])))
	}
	left, above := names+8, 0.
	if names > besideMost {
		left, above = 2, 16
	}
	d.y += lineHeight - 2
	d.text(xy{0, d.y - 4}, start, axisStyle, d.faces.fit(axisStyle, d.across.title(), plotWidth))
	rows := d.rows()
	top := d.y + 2
	bottom := top + rowGap/2
	for _, r := range rows {
		bottom += above + rowHeight(r)
	}
	lo, hi := d.extent()
	right := plotWidth - valueRoom
	along, ticks := newScale(d.value, lo, hi, left, right, max(int((right-left)/50), 2))
	for _, t := range ticks {
		d.stroke([]xy{{along.at(t.at), top}, {along.at(t.at), bottom}}, inkGrid, 1, nil)
	}
	base := d.base(along)
	d.stroke([]xy{{along.at(base), top}, {along.at(base), bottom}}, inkMuted, 1.2, nil)
	y := top + rowGap/2
	for i, r := range rows {
		y += above
		d.name(d.categories[i], left, y, above, rowHeight(r)-rowGap)
		for _, b := range r {
			d.one(b, along, base, y, d.categories[i])
			y += barHeight + barGap
		}
		y += rowGap - barGap
	}
	d.y = bottom
	d.ticksBelow(along, ticks, left, bottom)
	d.titleBelow(d.value, (left+right)/2)
}

func rowHeight(r []bar) float64 {
	return max(float64(len(r)), 1)*(barHeight+barGap) - barGap + rowGap
}

// base is the value at which bars begin.
func (d *drawing) base(along scale) float64 {
	switch {
	case d.reference != 0:
		return d.reference
	case d.value.log:
		return along.lo
	}
	return 0
}

// name writes the name of a category beside its bars or above them.
func (d *drawing) name(name string, left, y, above, height float64) {
	if above > 0 {
		name = d.faces.fit(labelStyle, name, plotWidth-left)
		d.fill(box(left+2, y-13, d.faces.width(labelStyle, name), 12), inkPaper) // no line of the grid goes through it
		d.text(xy{left + 2, y - 4}, start, labelStyle, name)
		return
	}
	d.text(xy{left - 8, y + height/2 + 4}, end, labelStyle, d.faces.fit(labelStyle, name, besideMost))
}

// one draws one bar with its range, its goal and its number.
func (d *drawing) one(b bar, along scale, base, y float64, category string) {
	d.group(d.words(b.series, b.point, category), func() {
		middleY := y + barHeight/2
		from, to := along.at(base), along.at(b.point.value)
		if d.value.log {
			d.stem(b.colour, xy{from, middleY}, xy{to, middleY})
		} else {
			d.fill(box(min(from, to), y, max(math.Abs(to-from), 0.5), barHeight), inkSeries+ink(b.colour))
		}
		reach := max(from, to)
		if b.point.low < b.point.high {
			d.whisker(xy{along.at(b.point.low), middleY}, xy{along.at(b.point.high), middleY})
			reach = max(reach, along.at(b.point.high))
		}
		if b.point.goal > 0 {
			d.goal(xy{along.at(b.point.goal), middleY})
			reach = max(reach, along.at(b.point.goal))
		}
		d.text(xy{reach + 6, middleY + 4}, start, numberStyle, short(b.point.value))
	})
}

// stem is a bar of a logarithmic axis, where a length means nothing: a thin line to a mark.
func (d *drawing) stem(colour int, from, to xy) {
	d.stroke([]xy{from, to}, inkSeries+ink(colour), 2, nil)
	d.fill(mark(colour, to, 4.2), inkSeries+ink(colour))
}
