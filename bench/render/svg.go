package render

import (
	"strconv"
	"strings"

	"golang.org/x/net/html"
)

// svg is a canvas that makes an <svg> element.
type svg struct{ into *html.Node }

// svgOf draws a plot. label is the plot in words, for those who do not see it.
func svgOf(p *plot, f *faces) *html.Node {
	root := element("svg", "xmlns", "http://www.w3.org/2000/svg", "role", "img", "aria-label", p.label())
	root.AppendChild(element("title").with(text(p.title)).Node)
	height := p.draw(&svg{root.Node}, f)
	root.set("viewBox", "-1 0 "+number(plotWidth+2)+" "+number(height))
	return root.Node
}

// label says what a plot shows.
func (p *plot) label() string {
	parts := []string{p.title, p.value.title() + " by " + p.across.title()}
	var names []string
	for _, s := range p.series {
		names = append(names, s.name)
	}
	return strings.Join(append(parts, strings.Join(names, "; ")), ". ")
}

func (c *svg) fill(points []xy, i ink) {
	c.add(element("path", "class", "f-"+i.class(), "d", outline(points)+"Z"))
}

func (c *svg) stroke(points []xy, i ink, width float64, dash []float64) {
	e := element("path", "class", "l-"+i.class(), "d", outline(points), "stroke-width", number(width))
	if dash != nil {
		var lengths []string
		for _, d := range dash {
			lengths = append(lengths, number(d))
		}
		e.set("stroke-dasharray", strings.Join(lengths, " "))
	}
	c.add(e)
}

func (c *svg) text(at xy, a anchor, t textStyle, s string) {
	class := "t"
	if t.muted {
		class += " muted"
	}
	if t.bold {
		class += " bold"
	}
	e := element("text", "x", number(at.x), "y", number(at.y), "font-size", number(t.size), "class", class)
	if a != start {
		e.set("text-anchor", [...]string{middle: "middle", end: "end"}[a])
	}
	c.add(e.with(text(s)))
}

func (c *svg) group(words string, draw func()) {
	outer := c.into
	g := element("g").with(element("title").with(text(words)))
	outer.AppendChild(g.Node)
	c.into = g.Node
	draw()
	c.into = outer
}

func (c *svg) add(e node) { c.into.AppendChild(e.Node) }

// outline is the data of a path through points.
func outline(points []xy) string {
	var b strings.Builder
	for i, p := range points {
		b.WriteByte("ML"[min(i, 1)])
		b.WriteString(number(p.x))
		b.WriteByte(' ')
		b.WriteString(number(p.y))
	}
	return b.String()
}

// number writes a length with a tenth of a pixel.
func number(v float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
}
