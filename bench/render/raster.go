package render

import (
	"image"
	"image/draw"
	"math"

	"golang.org/x/image/font"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// raster is a canvas of pixels.
type raster struct {
	image  *image.RGBA
	faces  *faces // of the same scale
	inks   *palette
	origin xy // of the drawing, in CSS pixels of the picture
}

// place is where a point lies, in pixels.
func (c *raster) place(p xy) xy {
	return xy{(p.x + c.origin.x) * c.faces.scale, (p.y + c.origin.y) * c.faces.scale}
}

func (c *raster) fill(points []xy, i ink) {
	placed := make([]xy, len(points))
	for n, p := range points {
		placed[n] = c.place(p)
	}
	c.polygons([][]xy{placed}, i)
}

// polygons fills outlines that are in pixels. Only the rectangle around them is looked at.
func (c *raster) polygons(outlines [][]xy, i ink) {
	lo, hi := xy{math.Inf(1), math.Inf(1)}, xy{math.Inf(-1), math.Inf(-1)}
	for _, o := range outlines {
		for _, p := range o {
			lo, hi = xy{min(lo.x, p.x), min(lo.y, p.y)}, xy{max(hi.x, p.x), max(hi.y, p.y)}
		}
	}
	area := image.Rect(int(lo.x)-1, int(lo.y)-1, int(hi.x)+2, int(hi.y)+2).Intersect(c.image.Rect)
	if area.Empty() {
		return
	}
	z := vector.NewRasterizer(area.Dx(), area.Dy())
	for _, o := range outlines {
		for n, p := range o {
			x, y := float32(p.x-float64(area.Min.X)), float32(p.y-float64(area.Min.Y))
			if n == 0 {
				z.MoveTo(x, y)
			} else {
				z.LineTo(x, y)
			}
		}
		z.ClosePath()
	}
	z.Draw(c.image, area, image.NewUniform(c.inks[i]), image.Point{})
}

func (c *raster) stroke(points []xy, i ink, width float64, dash []float64) {
	half := width * c.faces.scale / 2
	var outlines [][]xy
	pen := dasher{lengths: dash}
	for n := 1; n < len(points); n++ {
		pen.segment(points[n-1], points[n], func(from, to xy) {
			outlines = append(outlines, thick(c.place(from), c.place(to), half))
		})
	}
	for _, o := range outlines {
		c.polygons([][]xy{o}, i)
	}
}

// thick is the outline of a line of half a width.
func thick(from, to xy, half float64) []xy {
	dx, dy := to.x-from.x, to.y-from.y
	length := math.Hypot(dx, dy)
	if length == 0 {
		return box(from.x-half, from.y-half, 2*half, 2*half)
	}
	dx, dy = dx/length*half, dy/length*half
	return []xy{{from.x - dy, from.y + dx}, {to.x - dy, to.y + dx}, {to.x + dy, to.y - dx}, {from.x + dy, from.y - dx}}
}

// dasher divides lines that follow each other into dashes.
type dasher struct {
	lengths []float64 // of line and gap by turns
	at      int       // which of them
	used    float64   // of it
}

// segment calls draw with each dash of a line.
func (d *dasher) segment(from, to xy, draw func(from, to xy)) {
	length := math.Hypot(to.x-from.x, to.y-from.y)
	if d.lengths == nil || length == 0 {
		draw(from, to)
		return
	}
	along := func(t float64) xy { return xy{from.x + (to.x-from.x)*t/length, from.y + (to.y-from.y)*t/length} }
	for done := 0.; done < length; {
		step := min(d.lengths[d.at]-d.used, length-done)
		if d.at%2 == 0 {
			draw(along(done), along(done+step))
		}
		done, d.used = done+step, d.used+step
		if d.used >= d.lengths[d.at]-1e-9 {
			d.at, d.used = (d.at+1)%len(d.lengths), 0
		}
	}
}

func (c *raster) text(at xy, a anchor, t textStyle, s string) {
	s = clean(s)
	width := c.faces.width(t, s)
	switch a {
	case middle:
		at.x -= width / 2
	case end:
		at.x -= width
	}
	i := inkText
	if t.muted {
		i = inkMuted
	}
	p := c.place(at)
	d := font.Drawer{
		Dst: c.image, Src: image.NewUniform(c.inks[i]), Face: c.faces.face(t),
		Dot: fixed.Point26_6{X: fixed.Int26_6(p.x * 64), Y: fixed.Int26_6(p.y * 64)},
	}
	d.DrawString(s)
}

func (c *raster) group(_ string, draw func()) { draw() }

// blank is an image all of one ink.
func blank(width, height int, inks *palette) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(m, m.Rect, image.NewUniform(inks[inkPaper]), image.Point{}, draw.Src)
	return m
}

// nowhere is a canvas that draws nothing: to see how high a plot becomes.
type nowhere struct{}

func (nowhere) fill([]xy, ink)                       {}
func (nowhere) stroke([]xy, ink, float64, []float64) {}
func (nowhere) text(xy, anchor, textStyle, string)   {}
func (nowhere) group(_ string, draw func())          { draw() }
