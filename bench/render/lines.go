package render

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// lines draws the series over the axis across.
func (d *drawing) lines() {
	d.y += lineHeight - 2
	d.text(xy{0, d.y - 4}, start, axisStyle, d.axisTitle(d.value))
	lo, hi := d.extent()
	top, bottom := d.y+6, d.y+6+areaHeight
	up, ticks := newScale(d.value, lo, hi, bottom, top, 6)
	left := 0.
	for _, t := range ticks {
		left = max(left, d.faces.width(smallStyle, t.name))
	}
	left += 7
	right := float64(plotWidth - 10)
	for _, t := range ticks {
		y := up.at(t.at)
		d.stroke([]xy{{left, y}, {right, y}}, inkGrid, 1, nil)
		d.text(xy{left - 5, y + 4}, end, smallStyle, t.name)
	}
	first, last := d.reach()
	along, places := newScale(d.across, first, last, left+10, right-10, 6)
	d.ticksBelow(along, places, left, bottom)
	d.titleBelow(d.across, (left+right)/2)
	d.curves(along, up, places)
}

// reach is how far the axis across reaches: all of its ticks, or all points.
func (d *drawing) reach() (first, last float64) {
	first, last = math.Inf(1), math.Inf(-1)
	for _, t := range d.across.ticks {
		first, last = min(first, t.at), max(last, t.at)
	}
	for _, s := range d.series {
		for _, x := range s.points {
			first, last = min(first, x.at), max(last, x.at)
		}
	}
	return first, last
}

// ticksBelow draws the axis across. A name that has no room beside the one before goes below it.
func (d *drawing) ticksBelow(along scale, ticks []tick, left, bottom float64) {
	d.stroke([]xy{{left, bottom}, {plotWidth - 10, bottom}}, inkMuted, 1, nil)
	ends := [2]float64{-10, -10}
	rows := 1
	for _, t := range ticks {
		x, half := along.at(t.at), d.faces.width(smallStyle, t.name)/2
		row := slices.IndexFunc(ends[:], func(e float64) bool { return x-half >= e+4 })
		d.stroke([]xy{{x, bottom}, {x, bottom + tickSize}}, inkMuted, 1, nil)
		if row < 0 {
			continue // neither row has room: the mark alone
		}
		ends[row], rows = x+half, max(rows, row+1)
		d.text(xy{x, bottom + 15 + 13*float64(row)}, middle, smallStyle, t.name)
	}
	d.y = bottom + 6 + 13*float64(rows)
}

// titleBelow writes the title of the axis below the area, under its middle if it has room there.
func (d *drawing) titleBelow(a axis, x float64) {
	text := d.axisTitle(a)
	half := d.faces.width(axisStyle, text) / 2
	d.text(xy{min(max(x, half), plotWidth-half), d.y + lineHeight - 4}, middle, axisStyle, text)
	d.y += lineHeight + 2
}

// axisTitle is the title of an axis, of which the name is cut when there is no room for all: the unit is not.
func (d *drawing) axisTitle(a axis) string {
	unit := strings.TrimPrefix(a.title(), a.name)
	unit = d.faces.fit(axisStyle, unit, plotWidth/2)
	return d.faces.fit(axisStyle, a.name, plotWidth-d.faces.width(axisStyle, unit)) + unit
}

// curves draws the series: a line, then ranges and marks over it.
func (d *drawing) curves(along, up scale, places []tick) {
	colour := 0
	for _, s := range d.series {
		if s.ideal {
			d.stroke(places2D(s.points, along, up), inkMuted, 1.5, []float64{2, 3})
			continue
		}
		points := slices.SortedFunc(slices.Values(s.points), func(a, b point) int { return cmp.Compare(a.at, b.at) })
		joined := slices.DeleteFunc(slices.Clone(points), func(x point) bool { return x.apart })
		if len(joined) > 1 {
			d.stroke(places2D(joined, along, up), inkSeries+ink(colour), 2, dashes[colour])
		}
		for _, x := range points {
			d.group(d.words(s, x, placeName(places, x.at)), func() {
				at := xy{along.at(x.at), up.at(x.value)}
				if x.low < x.high {
					d.whisker(xy{at.x, up.at(x.low)}, xy{at.x, up.at(x.high)})
				}
				d.fill(mark(colour, at, 3.6), inkSeries+ink(colour))
			})
		}
		colour++
	}
}

func places2D(points []point, along, up scale) (all []xy) {
	for _, x := range points {
		all = append(all, xy{along.at(x.at), up.at(x.value)})
	}
	return all
}

// placeName is the name of the tick at a place, or the place itself.
func placeName(ticks []tick, at float64) string {
	if i := slices.IndexFunc(ticks, func(t tick) bool { return t.at == at }); i >= 0 {
		return ticks[i].name
	}
	return short(at)
}
