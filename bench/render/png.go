package render

import (
	"fmt"
	"image/png"
	"io"
	"slices"
)

// The measures of a picture, in CSS pixels; each is two pixels of it, so that it is sharp on paper and on screens of today.
const (
	pngScale   = 2
	pngColumns = 3
	pngMargin  = 24
	pngGap     = 28
	// maxPNG is how many plots a picture has: with three columns it is at most about 8000 pixels high.
	maxPNG = 24
)

// placed is a plot with its place in the picture.
type placed struct {
	*plot
	at xy
}

// PNG writes the first plots of every section as one picture, in light colours.
func (p *Page) PNG(w io.Writer) error {
	chosen := p.forPicture()
	f := newFaces(pngScale, 1)
	columns := min(max(len(chosen), 1), pngColumns)
	width := float64(2*pngMargin + columns*plotWidth + (columns-1)*pngGap)
	top, heads := p.pictureHead(f, width-2*pngMargin, len(chosen))
	plots, height := arrange(chosen, f, columns, top)
	m := blank(int(width*pngScale), int((height+pngMargin)*pngScale), &light)
	c := &raster{image: m, faces: f, inks: &light}
	for i, h := range heads {
		c.text(xy{pngMargin, pngMargin + 16 + 20*float64(i)}, start, h.style, h.text)
	}
	for _, x := range plots {
		c.origin = x.at
		x.draw(c, f)
	}
	return (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(w, m)
}

// headLine is a line above the plots.
type headLine struct {
	style textStyle
	text  string
}

// pictureHead is what the picture begins with, and where the plots begin.
func (p *Page) pictureHead(f *faces, width float64, shown int) (top float64, lines []headLine) {
	add := func(style textStyle, s string, most int) {
		for _, line := range f.wrap(style, s, width, most) {
			lines = append(lines, headLine{style, line})
		}
	}
	add(textStyle{size: 18, bold: true}, p.title, 1)
	add(labelStyle, p.lead, 1)
	for _, x := range p.facts {
		if x.name == "Processor" || x.name == "System" || x.name == "Go" {
			add(labelStyle, x.name+": "+x.value, 1)
		}
	}
	if shown < p.plots {
		add(axisStyle, fmt.Sprintf("%d of %d plots: the page that --html writes has all, and the notes", shown, p.plots), 1)
	}
	if shown == 0 {
		add(labelStyle, "There is nothing to plot.", 1)
	}
	lines = slices.DeleteFunc(lines, func(h headLine) bool { return h.text == "" })
	return pngMargin + 20*float64(len(lines)) + pngGap/2, lines
}

// forPicture takes from each section by turns, so that each is there, and keeps the order of the page.
func (p *Page) forPicture() (chosen []*plot) {
	take := map[*plot]bool{}
	for i := 0; len(take) < min(p.plots, maxPNG); i++ {
		for _, s := range p.sections {
			if i < len(s.plots) && len(take) < maxPNG {
				take[s.plots[i]] = true
			}
		}
	}
	for _, s := range p.sections {
		for _, x := range s.plots {
			if take[x] {
				chosen = append(chosen, x)
			}
		}
	}
	return chosen
}

// arrange puts each plot into the column that ends highest.
func arrange(plots []*plot, f *faces, columns int, top float64) (all []placed, height float64) {
	ends := make([]float64, columns)
	for i := range ends {
		ends[i] = top
	}
	for _, p := range plots {
		i := slices.Index(ends, slices.Min(ends))
		all = append(all, placed{p, xy{pngMargin + float64(i)*(plotWidth+pngGap), ends[i]}})
		ends[i] += p.draw(nowhere{}, f) + pngGap
	}
	return all, slices.Max(ends)
}
