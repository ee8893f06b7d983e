package render

import (
	_ "embed"
	"fmt"
	"image/color"
	"io"
	"strconv"
	"strings"

	"golang.org/x/net/html"
)

//go:embed style.css
var style string

// policy is what the page allows itself: its own style sheet, and the empty icon that keeps a browser from asking for one.
const policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

// HTML writes the page as one file that needs nothing else: no script, no font, no network.
func (p *Page) HTML(w io.Writer) error {
	head := element("head").with(
		element("meta", "charset", "utf-8"),
		element("meta", "http-equiv", "Content-Security-Policy", "content", policy),
		element("meta", "name", "viewport", "content", "width=device-width, initial-scale=1"),
		element("meta", "name", "color-scheme", "content", "light dark"),
		element("title").with(text(p.title)),
		element("link", "rel", "icon", "href", "data:,"),
		element("style").with(node{&html.Node{Type: html.TextNode, Data: colours() + style}}),
	)
	document := &html.Node{Type: html.DocumentNode}
	document.AppendChild(&html.Node{Type: html.DoctypeNode, Data: "html"})
	document.AppendChild(element("html", "lang", "en").with(head, element("body").with(p.header(), p.main())).Node)
	return html.Render(w, document)
}

// colours are the two palettes as variables of the style sheet. Paper is light.
func colours() string {
	return ":root{" + light.variables() + "}@media screen and (prefers-color-scheme:dark){:root{" + dark.variables() + "}}" + inkRules()
}

func (p *palette) variables() string {
	var b strings.Builder
	for i := range p {
		fmt.Fprintf(&b, "--%s:%s;", ink(i).class(), hex(p[i]))
	}
	return b.String()
}

func hex(c color.NRGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// inkRules are the classes of what is drawn.
func inkRules() string {
	var b strings.Builder
	for i := range light {
		c := ink(i).class()
		fmt.Fprintf(&b, ".f-%s{fill:var(--%s)}.l-%s{fill:none;stroke:var(--%s)}", c, c, c, c)
	}
	return b.String()
}

// header is what was measured where.
func (p *Page) header() node {
	h := element("header").with(element("h1").with(text(p.title)))
	if p.lead != "" {
		h.with(element("p", "class", "lead").with(text(p.lead)))
	}
	if p.tiles != nil {
		list := element("ul", "class", "tiles")
		for _, t := range p.tiles {
			value := element("strong").with(text(t.value))
			if t.unit != "" && t.unit != "1" {
				value.with(element("small").with(text(" " + t.unit)))
			}
			list.with(element("li").with(value, element("span").with(text(t.what))))
		}
		h.with(list)
	}
	if len(p.sections) > 1 {
		nav := element("nav", "aria-label", "Sections")
		for i, s := range p.sections {
			nav.with(element("a", "href", "#"+sectionID(i)).with(text(s.title)))
		}
		h.with(nav)
	}
	return h
}

func sectionID(i int) string { return "section-" + strconv.Itoa(i+1) }

// main is the sections, then the machine and the notes: what was measured comes first.
func (p *Page) main() node {
	m := element("main")
	m.with(p.about())
	for i, s := range p.sections {
		m.with(s.node(sectionID(i)))
	}
	return m
}

// about is the machine, the notes and how to read the rest.
func (p *Page) about() node {
	s := element("section", "class", "about", "aria-label", "What was measured, and how")
	if p.facts != nil {
		list := element("dl")
		for _, f := range p.facts {
			list.with(element("div").with(element("dt").with(text(f.name)), element("dd").with(text(f.value))))
		}
		s.with(element("div").with(element("h2").with(text("Machine and run")), list))
	}
	notes := element("ul")
	for _, n := range append([]string{howToRead}, p.notes...) {
		notes.with(element("li").with(text(n)))
	}
	return s.with(element("div").with(element("h2").with(text("Notes")), notes))
}

// widest is how much wider than the picture's the widest of the usual fonts is (DejaVu Sans): a page is shown with whatever there is.
const widest = 1.16

// howToRead is true of every page.
const howToRead = "values are medians of the rounds with the digits that the rounds agree on; ± is half the range of the rounds in percent of the median, and a thin line in a plot reaches from the smallest to the largest"

func (s *section) node(id string) node {
	n := element("section", "id", id)
	if s.plots == nil {
		n.set("class", "tables")
	}
	n.with(element("h2").with(text(s.title)))
	if s.plots != nil {
		grid := element("div", "class", "plots")
		f := newFaces(1, widest)
		for _, p := range s.plots {
			figure := element("figure").with(node{svgOf(p, f)})
			if p.about != "" {
				figure.with(element("figcaption").with(text(capital(p.about) + ".")))
			}
			grid.with(figure)
		}
		n.with(grid)
	}
	for i := range s.tables {
		n.with(s.tables[i].node())
	}
	return n
}

// node is the table in a box of its own, within which it scrolls when it is wider than the page.
func (t *table) node() node {
	head := element("tr").with(element("th", "scope", "col").with(text(t.first)))
	for _, h := range t.heads {
		head.with(element("th", "scope", "col").with(text(h)))
	}
	n := element("table").with(element("caption").with(element("span").with(text(t.title))), element("thead").with(head))
	for _, g := range t.groups {
		if len(g.rows) == 0 {
			continue
		}
		body := element("tbody")
		if g.name != "" {
			body.with(element("tr", "class", "group").with(element("th", "scope", "rowgroup", "colspan", strconv.Itoa(len(t.heads)+1)).with(text(capital(g.name)))))
		}
		for _, r := range g.rows {
			body.with(r.node())
		}
		n.with(body)
	}
	box := element("div", "class", "box", "tabindex", "0", "role", "region", "aria-label", t.title).with(n)
	if t.left > 0 {
		box.with(element("p").with(text(plural(t.left, "row") + " more than a page has room for: they are in the JSON.")))
	}
	return box
}

func (r row) node() node {
	n := element("tr").with(element("th", "scope", "row").with(text(r.name)))
	for _, c := range r.cells {
		td := element("td").with(text(c.text))
		switch {
		case c.heat > 0:
			td.set("class", "h"+strconv.Itoa(c.heat))
		case c.bad:
			td.set("class", "bad")
		}
		if c.spread != "" {
			td.with(text(" "), element("small").with(text(c.spread)))
		}
		n.with(td)
	}
	return n
}
