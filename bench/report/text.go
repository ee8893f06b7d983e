package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// WriteText prints the figures of a run as tables, after a head that says what was measured where; no figures means all. Values
// are medians with the digits that the rounds agree on; the spread is half the range of the rounds.
func WriteText(w io.Writer, r *Run, figures ...Figure) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	r.head(t)
	if len(figures) == 0 {
		figures = r.Figures()
	}
	for _, f := range figures {
		for _, b := range blocks(r.Of(f)) {
			fmt.Fprintln(t)
			b.write(t, r)
		}
	}
	r.compared(t, figures)
	if len(r.Notes) > 0 {
		fmt.Fprintln(t)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(t, "* %s\n", n)
	}
	return t.Flush()
}

// head is the machine and the run in a few lines.
func (r *Run) head(w io.Writer) {
	m := r.Machine
	fmt.Fprintf(w, "goswan bench %s, goswan %s, %s %s/%s, %s, %d rounds in %.3g s\n", r.Bench, r.Goswan, m.Go, m.OS, m.Arch, m.Kernel, r.Rounds, r.Seconds)
	fmt.Fprintf(w, "%s, %d logical CPUs, GOMAXPROCS %d", cmp.Or(m.CPU, "a processor without a name"), m.LogicalCPUs, m.GOMAXPROCS)
	if m.Governor != "" {
		fmt.Fprintf(w, ", governor %s", m.Governor)
	}
	if m.NoASM {
		fmt.Fprint(w, ", GOSWAN_NOASM=1")
	}
	fmt.Fprintf(w, "\nits features: %s\n", strings.Join(m.Flags, " "))
	for _, p := range r.Peers {
		fmt.Fprintf(w, "%s %s\n", p.Name, p.Version)
	}
}

// axis is the number that the columns of a table differ in: its name in each key.
type axis func(Key) string

// block is one table: rows of what is measured, a column for each name of the axis.
type block struct {
	title string
	cells []Measurement
	names []string
	axis
}

// blocks divides the measurements of a figure. The columns are the sizes of packets where there are several, else the cores. Where
// both differ there is a table by size for the fewest cores, and one by cores for one size.
func blocks(all []Measurement) (list []block) {
	if len(all) == 0 {
		return nil
	}
	sizes, cores := distinct(all, sizeName), distinct(all, coresName)
	if len(sizes) > 1 || len(cores) == 1 {
		fewest := least(all)
		list = byOperation(where(all, func(k Key) bool { return k.Cores == fewest }), sizeName)
	}
	if len(cores) > 1 {
		size := middle(sizes)
		list = append(list, byOperation(where(all, func(k Key) bool { return sizeName(k) == size }), coresName)...)
	}
	return list
}

// byOperation makes a table for each operation.
func byOperation(all []Measurement, columns axis) (list []block) {
	for _, op := range distinct(all, func(k Key) string { return k.Operation }) {
		cells := where(all, func(k Key) bool { return k.Operation == op })
		b := block{cells: cells, names: distinct(cells, columns), axis: columns}
		b.title = b.common(cells[0].Key)
		list = append(list, b)
	}
	return list
}

// common says what all of a table have in common.
func (b block) common(k Key) string {
	parts := []string{k.Figure.Name, k.Operation}
	for _, name := range []string{sizeName(k), coresName(k)} {
		if len(b.names) == 1 || !slices.Contains(b.names, name) {
			parts = append(parts, name)
		}
	}
	if k.Figure.Unit != "1" {
		parts = append(parts, k.Figure.Unit)
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
}

// write prints the table. With one column each row has its spread and, under it, what it is compared with.
func (b block) write(w io.Writer, r *Run) {
	if len(b.names) < 2 {
		b.writeList(w, r)
		return
	}
	fmt.Fprintf(w, "%s\t%s\tspread\t\n", b.title, strings.Join(b.names, "\t"))
	subjects := len(distinct(b.cells, func(k Key) string { return k.Subject })) > 1
	name := func(k Key) string { return rowName(k, subjects) }
	for _, row := range distinct(b.cells, name) {
		fmt.Fprintf(w, "  %s", row)
		worst := ""
		for _, column := range b.names {
			i := slices.IndexFunc(b.cells, func(m Measurement) bool { return name(m.Key) == row && b.axis(m.Key) == column })
			if i < 0 {
				fmt.Fprint(w, "\t-")
				continue
			}
			values := b.cells[i].Values.Present()
			fmt.Fprintf(w, "\t%s", Rounded(values))
			worst = wider(worst, SpreadText(values))
		}
		fmt.Fprintf(w, "\t%s\t\n", worst)
	}
}

// wider is the larger of two spreads.
func wider(a, b string) string {
	number := func(s string) int {
		n, err := strconv.Atoi(strings.Trim(s, "±%"))
		if err != nil {
			return -1 // it is not known
		}
		return n
	}
	if a == "" || number(b) > number(a) {
		return b
	}
	return a
}

func (b block) writeList(w io.Writer, r *Run) {
	goal := ""
	if slices.ContainsFunc(r.Comparisons, func(c Comparison) bool { return c.Goal() != "" }) {
		goal = "goal"
	}
	fmt.Fprintf(w, "%s\tmedian\tspread\t%s\t\n", b.title, goal)
	for _, m := range b.cells {
		values := m.Values.Present()
		fmt.Fprintf(w, "  %s\t%s\t%s\t\t\n", rowName(m.Key, true), Rounded(values), SpreadText(values))
		for _, c := range r.Comparisons {
			if c.Of == m.Key {
				values := r.Compare(c)
				fmt.Fprintf(w, "    %s\t%s\t%s\t%s\t%s\n", c.what(), Rounded(values), SpreadText(values), c.Goal(), c.Verdict(values))
			}
		}
	}
}

// what is the other side of a comparison, in words: what differs.
func (c Comparison) what() string {
	switch a := c.Against; {
	case a == nil:
		return "itself"
	case a.Figure != c.Of.Figure:
		return "× " + a.Figure.Name
	case a.Subject != c.Of.Subject:
		return "× " + a.Subject
	default:
		return "× " + rowName(*a, false)
	}
}

// compared lists the comparisons of what stands in tables of several columns.
func (r *Run) compared(w io.Writer, figures []Figure) {
	first := true
	for _, c := range r.Comparisons {
		values := r.Compare(c)
		if len(values) == 0 || c.Of.Size == 0 || !slices.Contains(figures, c.Of.Figure) {
			continue
		}
		if first {
			fmt.Fprint(w, "\ncompared\tratio\tspread\t\n")
			first = false
		}
		fmt.Fprintf(w, "  %s %s %s, %s %s\t%s\t%s\t%s\t%s\n", c.Of.Suite, c.Of.Operation, sizeName(c.Of), c.Of.Figure.Name, c.what(),
			Rounded(values), SpreadText(values), c.Goal(), c.Verdict(values))
	}
}

// rowName is what tells a row from the others of its table.
func rowName(k Key, subject bool) string {
	var parts []string
	if subject || k.Suite == "" {
		parts = append(parts, k.Subject)
	}
	if k.Suite != "" {
		parts = append(parts, k.Suite)
	}
	if k.SAs > 0 {
		parts = append(parts, plural(k.SAs, "SA"))
	}
	if k.Flows > 0 {
		parts = append(parts, plural(k.Flows, "flow"))
	}
	return strings.Join(parts, " ")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// sizeName and coresName are the headings of columns.
func sizeName(k Key) string {
	if k.Size == 0 {
		return k.Mix
	}
	return number(k.Size) + " B"
}

func coresName(k Key) string {
	if k.Cores == 0 {
		return ""
	}
	return plural(k.Cores, "core")
}

// distinct are the values of f in the order in which they come.
func distinct(all []Measurement, f func(Key) string) (values []string) {
	for _, m := range all {
		if v := f(m.Key); !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return values
}

func where(all []Measurement, f func(Key) bool) (some []Measurement) {
	for _, m := range all {
		if f(m.Key) {
			some = append(some, m)
		}
	}
	return some
}

// least is the smallest number of cores.
func least(all []Measurement) int {
	n := all[0].Cores
	for _, m := range all {
		n = min(n, m.Cores)
	}
	return n
}

// middle is the size that stands for all: 1420 octets, what a tunnel over Ethernet carries, or the last.
func middle(sizes []string) string {
	const usual = "1420 B"
	if slices.Contains(sizes, usual) {
		return usual
	}
	return sizes[len(sizes)-1]
}
