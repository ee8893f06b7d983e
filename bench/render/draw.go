package render

// plotWidth is how wide every plot is drawn, in CSS pixels: on a telephone a little smaller, side by side on a desktop.
const plotWidth = 400

// The distances of a drawing.
const (
	lineHeight = 17
	tickSize   = 4
	areaHeight = 215 // of lines
	swatch     = 22  // of the legend
)

// drawing is a plot on its way onto a canvas. What is drawn goes downwards; y is how far it has come.
type drawing struct {
	*plot
	canvas
	faces *faces
	y     float64
}

// draw draws the plot, and returns how high it became.
func (p *plot) draw(c canvas, f *faces) (height float64) {
	d := &drawing{plot: p, canvas: c, faces: f}
	for _, line := range f.wrap(titleStyle, p.title, plotWidth, 3) {
		d.y += lineHeight
		d.text(xy{0, d.y - 3}, start, titleStyle, line)
	}
	d.legend()
	if p.isBars() {
		d.bars()
	} else {
		d.lines()
	}
	return d.y
}

// entry is one of the legend.
type entry struct {
	name string
	draw func(at xy) // the sample, from its left end
}

// legend names the series, and what else is to be seen.
func (d *drawing) legend() {
	d.y += 6
	x, y := 0., d.y+lineHeight
	for _, e := range d.entries() {
		name := d.faces.fit(labelStyle, e.name, plotWidth-swatch-8)
		width := swatch + d.faces.width(labelStyle, name)
		if x > 0 && x+width > plotWidth {
			x, y = 0, y+lineHeight
		}
		e.draw(xy{x, y - 9})
		d.text(xy{x + swatch, y - 5}, start, labelStyle, name)
		x += width + 14
	}
	d.y = y
}

func (d *drawing) entries() (all []entry) {
	colour := 0
	for _, s := range d.series {
		i := colour
		if s.ideal {
			all = append(all, entry{s.name, func(at xy) { d.stroke([]xy{at, {at.x + 17, at.y}}, inkMuted, 1.5, []float64{2, 3}) }})
			continue
		}
		colour++
		all = append(all, entry{s.name, func(at xy) { d.sample(i, at) }})
	}
	if d.spread() {
		all = append(all, entry{"range of the rounds", func(at xy) { d.whisker(at, xy{at.x + 17, at.y}) }})
	}
	if d.hasGoals() {
		all = append(all, entry{"goal", func(at xy) { d.goal(xy{at.x + 8, at.y}) }})
	}
	return all
}

// sample is a series in the legend.
func (d *drawing) sample(i int, at xy) {
	switch {
	case !d.isBars():
		d.stroke([]xy{at, {at.x + 17, at.y}}, inkSeries+ink(i), 2, dashes[i])
		d.fill(mark(i, xy{at.x + 8.5, at.y}, 3.6), inkSeries+ink(i))
	case d.value.log:
		d.stem(i, at, xy{at.x + 14, at.y})
	default:
		d.fill(box(at.x, at.y-4.5, 17, 9), inkSeries+ink(i))
	}
}

// whisker is the range of the rounds, along one of the axes.
func (d *drawing) whisker(from, to xy) {
	d.stroke([]xy{from, to}, inkText, 1.2, nil)
	for _, p := range []xy{from, to} {
		if from.y == to.y {
			d.stroke([]xy{{p.x, p.y - 3}, {p.x, p.y + 3}}, inkText, 1.2, nil)
		} else {
			d.stroke([]xy{{p.x - 3, p.y}, {p.x + 3, p.y}}, inkText, 1.2, nil)
		}
	}
}

// goal is what a bar is to reach.
func (d *drawing) goal(at xy) {
	d.stroke([]xy{{at.x, at.y - 6}, {at.x, at.y + 6}}, inkPaper, 4.5, nil)
	d.stroke([]xy{{at.x, at.y - 6}, {at.x, at.y + 6}}, inkText, 2.5, nil)
}

// words are what is said of a point when it is pointed at.
func (d *drawing) words(s series, x point, place string) string {
	text := s.name + ", " + place + ": " + short(x.value)
	if d.value.unit != "" && d.value.unit != "1" {
		text += " " + d.value.unit
	}
	if x.low < x.high {
		text += " (" + short(x.low) + " … " + short(x.high) + ")"
	}
	return text
}
