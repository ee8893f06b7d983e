//go:build linux

package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/goswan/goswan/bench/inside"
	"github.com/goswan/goswan/bench/report"
)

// figure is one thing that is measured of every tunnel.
type figure string

// The figures, with their units.
const (
	tcpSpeed     figure = "TCP one stream, Gbit/s"
	tcpCPU       figure = "TCP one stream, endpoint CPU s/GB"
	tcp4Speed    figure = "TCP four streams, Gbit/s"
	tcp4CPU      figure = "TCP four streams, endpoint CPU s/GB"
	reverseSpeed figure = "TCP reverse, Gbit/s"
	reverseCPU   figure = "TCP reverse, endpoint CPU s/GB"
	plainSpeed   figure = "TCP one stream, link without USO and GRO, Gbit/s"
	plainCPU     figure = "TCP one stream, link without USO and GRO, endpoint CPU s/GB"
	floodRate    figure = "UDP 64-octet flood received, kpps"
	packetCPU    figure = "endpoint CPU per 64-octet packet at a fixed rate, µs"
	idleMedian   figure = "ping idle, median ms"
	idleTail     figure = "ping idle, p99 ms"
	loadedTail   figure = "ping under TCP load, p99 ms"
	memory       figure = "peak resident memory of the larger endpoint, MB"
	goHeap       figure = "largest Go heap seen of the larger endpoint, MB" // objects, those included that are not yet swept
)

// figures are those of tunnels, in the order of the table. Behind them come those of package inside.
var figures = []figure{
	tcpSpeed, tcpCPU, tcp4Speed, tcp4CPU, reverseSpeed, reverseCPU, plainSpeed, plainCPU,
	floodRate, packetCPU, idleMedian, idleTail, loadedTail, memory, goHeap,
}

// The names of the tunnels, as the table has them.
const (
	noTunnel     = "no tunnel"
	goswanGCM    = "goswan AES-128-GCM"
	goswanNoASM  = "goswan AES-128-GCM, GOSWAN_NOASM=1"
	goswanChaCha = "goswan ChaCha20-Poly1305"
	goswanNull   = "goswan's data path, NULL cipher"
	goswanStatic = "goswan's data path, AES-128-GCM"
	wireguardGo  = "wireguard-go"
	libipsec     = "strongSwan libipsec AES-128-GCM"
)

// goal is what a figure of a tunnel is to be: a ratio to another tunnel's, or to another figure of its own, or, where
// neither is named, the figure itself.
type goal struct {
	of      string // the tunnel
	figure  figure
	against string // the other tunnel, or "" for the same
	other   figure // the other figure, or "" for the same
	least   float64
	most    float64 // 0: no upper bound
}

// goals are what is to be shown.
var goals = []goal{
	{of: goswanGCM, figure: tcpSpeed, against: wireguardGo, least: 2.8},
	{of: goswanGCM, figure: tcpSpeed, against: libipsec, least: 20},
	{of: goswanGCM, figure: tcpCPU, against: wireguardGo, most: 1. / 4},
	{of: goswanGCM, figure: tcpCPU, against: libipsec, most: 1. / 28},
	{of: goswanNoASM, figure: tcpSpeed, against: wireguardGo, least: 2.3},
	{of: goswanNoASM, figure: tcpCPU, against: wireguardGo, most: 1. / 3},
	{of: goswanChaCha, figure: tcpSpeed, against: wireguardGo, least: 1.8},
	{of: goswanChaCha, figure: tcpCPU, against: wireguardGo, most: 0.45},
	{of: goswanGCM, figure: tcp4Speed, other: tcpSpeed, least: 0.9},
	{of: goswanGCM, figure: reverseSpeed, other: tcpSpeed, least: 0.9},
	{of: goswanGCM, figure: plainSpeed, against: wireguardGo, least: 4.5},
	{of: goswanGCM, figure: floodRate, against: wireguardGo, least: 4.4},
	{of: goswanGCM, figure: floodRate, against: libipsec, least: 2.6},
	{of: goswanGCM, figure: packetCPU, against: wireguardGo, most: 1. / 7},
	{of: goswanGCM, figure: packetCPU, against: libipsec, most: 1. / 5},
	{of: goswanGCM, figure: idleMedian, against: wireguardGo, most: 0.35},
	{of: goswanGCM, figure: loadedTail, against: wireguardGo, most: 0.25},
	{of: goswanGCM, figure: memory, most: 24},
	{of: goswanGCM, figure: goHeap, most: 16},
	{of: goswanGCM, figure: tcpSpeed, against: goswanNull, least: 0.80},
	{of: inside.ManySAs, figure: inside.PathSuper, against: inside.OneSA, least: 0.9},
	{of: inside.Ours, figure: inside.SealSpeed, against: inside.Standard, least: 2},
	{of: inside.Ours, figure: inside.OpenSpeed, against: inside.Standard, least: 2},
	{of: inside.Whole, figure: inside.Seal1420, against: inside.Bare, most: 1.2},
	{of: inside.Whole, figure: inside.Open1420, against: inside.Bare, most: 1.2},
	{of: inside.Whole, figure: inside.Seal64, against: inside.Bare, most: 1.5},
	{of: inside.Whole, figure: inside.Open64, against: inside.Bare, most: 1.5},
}

// round is what one round measured: by tunnel, then by figure. What could not be measured is not in it.
type round map[string]map[figure]float64

// add enters what was measured inside the process.
func (r round) add(results []inside.Result) {
	for _, x := range results {
		if r[x.Subject] == nil {
			r[x.Subject] = map[figure]float64{}
		}
		r[x.Subject][figure(x.Figure)] = x.Value
	}
}

// series are the rounds' values of one figure of one tunnel.
func series(rounds []round, tunnel string, f figure) (values []float64) {
	for _, r := range rounds {
		if v, ok := r[tunnel][f]; ok {
			values = append(values, v)
		}
	}
	return values
}

// measured are the rounds' values of what the goal speaks of. A ratio is formed within a round; a round that lacks
// either side has none.
func (g goal) measured(rounds []round) (values []float64) {
	if g.against == "" && g.other == "" {
		return series(rounds, g.of, g.figure)
	}
	tunnel, other := g.of, g.figure
	if g.against != "" {
		tunnel = g.against
	}
	if g.other != "" {
		other = g.other
	}
	for _, r := range rounds {
		v, ok := r[g.of][g.figure]
		base, okBase := r[tunnel][other]
		if ok && okBase && base > 0 {
			values = append(values, v/base)
		}
	}
	return values
}

// bound is the goal in a few signs.
func (g goal) bound() string {
	if g.most == 0 {
		return fmt.Sprintf("≥ %.3g", g.least)
	}
	return fmt.Sprintf("≤ %.2g", g.most)
}

// verdict tells whether the median meets the goal, or "" where there is none.
func (g goal) verdict(values []float64) string {
	v := report.Median(values)
	switch {
	case math.IsNaN(v):
		return ""
	case v < g.least || g.most > 0 && v > g.most:
		return "missed"
	}
	return "met"
}

// what is the other side of the comparison, in words.
func (g goal) what() string {
	switch {
	case g.against != "":
		return "× " + g.against
	case g.other != "":
		name, _, _ := strings.Cut(string(g.other), ",")
		return "× " + name
	}
	return "itself"
}

// writeTable prints every figure of every tunnel with its spread, and under a figure that has a goal the comparison and
// the goal beside it. Behind them come the figures of package inside that were measured.
func writeTable(w io.Writer, tunnels []string, rounds []round) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(tunnels) > 0 {
		for _, f := range figures {
			writeFigure(t, f, tunnels, rounds)
		}
	}
	for _, f := range inside.Figures {
		if len(series(rounds, f.Subjects[0], figure(f.Name))) > 0 {
			writeFigure(t, figure(f.Name), f.Subjects, rounds)
		}
	}
	return t.Flush()
}

// writeFigure prints one figure of its subjects.
func writeFigure(w io.Writer, f figure, subjects []string, rounds []round) {
	fmt.Fprintf(w, "%s\tmedian\tspread\tgoal\t\n", f)
	for _, subject := range subjects {
		values := series(rounds, subject, f)
		fmt.Fprintf(w, "  %s\t%s\t%s\t\t\n", subject, report.Rounded(values), report.SpreadText(values))
		for _, g := range goals {
			if g.of == subject && g.figure == f {
				values := g.measured(rounds)
				fmt.Fprintf(w, "    %s\t%s\t%s\t%s\t%s\n", g.what(), report.Rounded(values), report.SpreadText(values), g.bound(), g.verdict(values))
			}
		}
	}
}
