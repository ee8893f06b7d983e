package render

import (
	"fmt"
	"math"
	"strings"

	"github.com/goswan/goswan/bench/report"
)

// The bounds of a page. A run of every suite on 64 processors is within them.
const (
	maxMeasurements = 40_000
	maxPlots        = 90
	maxCells        = 60_000 // of all tables
	maxRows         = 1_000  // of one
	maxColumns      = 80     // likewise
	maxNotes        = 200
	maxFacts        = 60
)

// Page is what is shown of a run or of a difference, as data.
type Page struct {
	title    string
	lead     string // a line below it
	facts    []fact
	tiles    []tile
	notes    []string
	sections []*section
	plots    int // of all sections
	cells    int // likewise
}

// fact is a line about the machine or the run.
type fact struct{ name, value string }

// tile is a figure to begin with.
type tile struct{ value, unit, what string }

// section is what belongs together under one heading.
type section struct {
	title  string
	plots  []*plot
	tables []table
}

// table has rows in groups.
type table struct {
	title  string
	first  string // heads the names of the rows
	heads  []string
	groups []rowGroup
	left   int // rows that did not fit
}

// rowGroup is rows that follow a heading, "" for none.
type rowGroup struct {
	name string
	rows []row
}

type row struct {
	name  string
	cells []cell
}

// cell is a value with its spread, or a word.
type cell struct {
	text, spread string
	value        float64
	heat         int // 1…heats: how good it is beside the best of its table; 0: not shown
	bad          bool
}

// heats is how many shades of the heat there are.
const heats = 9

// section adds an empty section.
func (p *Page) section(title string) *section {
	s := &section{title: title}
	p.sections = append(p.sections, s)
	return s
}

// plot adds a plot that has anything to show. What there is no room for is said once, in the notes.
func (p *Page) plot(s *section, x *plot) {
	switch {
	case x.empty():
		return
	case p.plots == maxPlots:
		p.note("there are more plots than a page has room for: the tables go on")
		return
	case x.left > 0:
		x.about = sentence(x.about, plural(x.left, "value")+" cannot be drawn")
	}
	p.plots++
	x.settle()
	s.plots = append(s.plots, x)
}

// table adds a table, as much of it as the page has room for.
func (p *Page) table(s *section, t table) {
	rows := 0
	for i := range t.groups {
		g := &t.groups[i]
		for n, r := range g.rows {
			if rows == maxRows || p.cells+len(r.cells) > maxCells {
				t.left += len(g.rows) - n
				g.rows = g.rows[:n]
				break
			}
			rows++
			p.cells += len(r.cells)
		}
	}
	if rows+t.left > 0 {
		s.tables = append(s.tables, t)
	}
}

// note adds a note, once.
func (p *Page) note(text string) {
	for _, n := range p.notes {
		if n == text {
			return
		}
	}
	switch {
	case len(p.notes) < maxNotes:
		p.notes = append(p.notes, text)
	case len(p.notes) == maxNotes:
		p.notes = append(p.notes, "there are more notes than a page has room for: they are in the JSON")
	}
}

// finish drops the sections that stayed empty.
func (p *Page) finish() *Page {
	var full []*section
	for _, s := range p.sections {
		if len(s.plots)+len(s.tables) > 0 {
			full = append(full, s)
		}
	}
	p.sections = full
	return p
}

// valueCell is a cell of the values of the rounds.
func valueCell(values []float64) cell {
	v := report.Median(values)
	if math.IsNaN(v) {
		return cell{text: "–", value: v}
	}
	c := cell{text: report.Rounded(values), spread: report.SpreadText(values), value: v}
	switch a := math.Abs(v); {
	case a >= 1e12 || a > 0 && a < 1e-9:
		c.text = short(v)
	case a >= 1e4:
		c.text = thousands(c.text)
	}
	if len(c.spread) > len("±999%") || c.spread == "-" {
		c.spread = ""
	}
	return c
}

// thousands puts commas into a number that has five digits or more.
func thousands(text string) string {
	whole, fraction, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	return strings.TrimSuffix(whole+"."+fraction, ".")
}

// warm gives each cell of a table its shade: the best the most.
func (t *table) warm(better report.Better) {
	best := math.NaN()
	each := func(f func(c *cell)) {
		for i := range t.groups {
			for j := range t.groups[i].rows {
				for k := range t.groups[i].rows[j].cells {
					if c := &t.groups[i].rows[j].cells[k]; drawable(c.value) && c.value > 0 {
						f(c)
					}
				}
			}
		}
	}
	each(func(c *cell) {
		if math.IsNaN(best) || (better == report.More) == (c.value > best) {
			best = c.value
		}
	})
	each(func(c *cell) {
		share := c.value / best
		if better != report.More {
			share = best / c.value
		}
		c.heat = 1 + int(math.Round((heats-1)*share))
	})
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// sentence joins remarks.
func sentence(parts ...string) (text string) {
	for _, p := range parts {
		if p != "" && text != "" {
			text += "; "
		}
		text += p
	}
	return text
}
