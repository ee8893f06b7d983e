package render

import (
	"image/color"
	"math"
)

// canvas is what plots are drawn on: an SVG image or a raster. Places are CSS pixels from the upper left corner.
type canvas interface {
	// fill fills a polygon.
	fill(points []xy, i ink)
	// stroke draws a line through points; dash are lengths of line and gap by turns, nil for a line without gaps.
	stroke(points []xy, i ink, width float64, dash []float64)
	// text writes a line of text on its baseline.
	text(at xy, a anchor, t textStyle, s string)
	// group holds what is drawn for one measurement, in words.
	group(words string, draw func())
}

// xy is a place of a drawing.
type xy struct{ x, y float64 }

// anchor is the end of a text that its place says.
type anchor int

const (
	start anchor = iota
	middle
	end
)

// textStyle is how a text looks.
type textStyle struct {
	size  float64
	bold  bool
	muted bool
}

// The styles of texts.
var (
	titleStyle  = textStyle{size: 14, bold: true}
	labelStyle  = textStyle{size: 12}
	axisStyle   = textStyle{size: 11.5, muted: true}
	smallStyle  = textStyle{size: 11, muted: true}
	numberStyle = textStyle{size: 11}
)

// ink is the part that a colour plays. Colours of series are inkSeries and following.
type ink int

const (
	inkText ink = iota
	inkMuted
	inkGrid
	inkPaper
	inkSeries
)

// class is the name of an ink in the style sheet.
func (i ink) class() string {
	if i >= inkSeries {
		return "s" + string(rune('0'+i-inkSeries))
	}
	return [...]string{"text", "muted", "grid", "paper"}[i]
}

// palette is the colours of the inks.
type palette [inkSeries + maxSeries]color.NRGBA

// light and dark are the two schemes. Those of the series have a contrast of 3:1 to the paper at least, and are apart for
// those who do not see red or green; marks and dashes tell them apart too.
var (
	light = palette{
		rgb(0x1b1f24), rgb(0x59636e), rgb(0xdfe3e8), rgb(0xffffff),
		rgb(0x0072b2), rgb(0xd55e00), rgb(0x009e73), rgb(0x8a2be2), rgb(0x8c6d00), rgb(0x3d3d3d),
	}
	dark = palette{
		rgb(0xe6eaef), rgb(0x9aa5b1), rgb(0x333b45), rgb(0x14181d),
		rgb(0x56b4e9), rgb(0xff8c42), rgb(0x2ecc9a), rgb(0xc99bff), rgb(0xf0e442), rgb(0xd0d0d0),
	}
)

func rgb(v uint32) color.NRGBA {
	return color.NRGBA{R: uint8(v >> 16), G: uint8(v >> 8), B: uint8(v), A: 0xff}
}

// dashes tell the lines of series apart without colours.
var dashes = [maxSeries][]float64{nil, {6, 3}, {2, 2.5}, {9, 3, 2, 3}, {4, 2}, {1, 3}}

// mark is the outline of a series' mark of radius r.
func mark(series int, at xy, r float64) (outline []xy) {
	corners := [maxSeries]struct {
		n    int     // of them
		turn float64 // where the first is, in turns from the top
		r    float64
	}{{16, 0, 1}, {4, 0.125, 1.2}, {3, 0, 1.35}, {4, 0, 1.3}, {3, 0.5, 1.35}, {6, 0, 1.1}}[series%maxSeries]
	for i := range corners.n {
		angle := 2 * math.Pi * (corners.turn + float64(i)/float64(corners.n))
		outline = append(outline, xy{at.x + r*corners.r*math.Sin(angle), at.y - r*corners.r*math.Cos(angle)})
	}
	return outline
}

// box is the outline of a rectangle.
func box(x, y, width, height float64) []xy {
	return []xy{{x, y}, {x + width, y}, {x + width, y + height}, {x, y + height}}
}
