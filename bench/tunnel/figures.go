//go:build linux

package tunnel

import (
	"cmp"
	"slices"

	"github.com/goswan/goswan/bench/inside"
	"github.com/goswan/goswan/bench/report"
)

// The figures.
var (
	tcpSpeed     = report.Figure{Name: "TCP one stream", Unit: "Gbit/s", Better: report.More}
	tcpCPU       = report.Figure{Name: "TCP one stream, endpoint CPU", Unit: "s/GB", Better: report.Less}
	tcp4Speed    = report.Figure{Name: "TCP four streams", Unit: "Gbit/s", Better: report.More}
	tcp4CPU      = report.Figure{Name: "TCP four streams, endpoint CPU", Unit: "s/GB", Better: report.Less}
	reverseSpeed = report.Figure{Name: "TCP reverse", Unit: "Gbit/s", Better: report.More}
	reverseCPU   = report.Figure{Name: "TCP reverse, endpoint CPU", Unit: "s/GB", Better: report.Less}
	plainSpeed   = report.Figure{Name: "TCP one stream, link without USO and GRO", Unit: "Gbit/s", Better: report.More}
	plainCPU     = report.Figure{Name: "TCP one stream, link without USO and GRO, endpoint CPU", Unit: "s/GB", Better: report.Less}
	floodRate    = report.Figure{Name: "UDP 64-octet flood received", Unit: "kpps", Better: report.More}
	packetCPU    = report.Figure{Name: "endpoint CPU per 64-octet packet at a fixed rate", Unit: "µs", Better: report.Less}
	idleMedian   = report.Figure{Name: "ping idle, median", Unit: "ms", Better: report.Less}
	idleTail     = report.Figure{Name: "ping idle, p99", Unit: "ms", Better: report.Less}
	loadedTail   = report.Figure{Name: "ping under TCP load, p99", Unit: "ms", Better: report.Less}
	memory       = report.Figure{Name: "peak resident memory of the larger endpoint", Unit: "MB", Better: report.Less}
	goHeap       = report.Figure{Name: "largest Go heap seen of the larger endpoint", Unit: "MB", Better: report.Less} // objects, those included that are not yet swept
)

// figures are those of tunnels, in the order of the table. Behind them come those of package inside.
var figures = []report.Figure{
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

// goal is what a figure of a subject is to be: a ratio to another's, or to another figure of its own, or, where neither is named, the
// figure itself.
type goal struct {
	of      string // the subject
	figure  report.Figure
	against string        // the other subject, or "" for the same
	other   report.Figure // the other figure, or zero for the same
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

// comparison is the goal, with its bounds or without. It is false where nothing is left to compare.
func (g goal) comparison(bounds bool) (c report.Comparison, ok bool) {
	c.Of = report.Key{Figure: g.figure, Subject: g.of}
	if g.against != "" || g.other != (report.Figure{}) {
		base := c.Of
		if g.against != "" {
			base.Subject = g.against
		}
		if g.other != (report.Figure{}) {
			base.Figure = g.other
		}
		c.Against = &base
	}
	if bounds {
		c.Least, c.Most = g.least, g.most
	}
	return c, bounds || c.Against != nil
}

// compared are the comparisons of what was measured: with bounds those of every goal whose subject was, even where the other side
// was not; without, those of which there are ratios.
func compared(run *report.Run, bounds bool) (all []report.Comparison) {
	for _, g := range goals {
		c, ok := g.comparison(bounds)
		if ok && run.Find(c.Of) != nil && (bounds || len(run.Compare(c)) > 0) {
			all = append(all, c)
		}
	}
	return all
}

// sorted puts the measurements into the order of the figures, and those of one figure into that of the subjects: where they were
// measured first depends on what failed.
func sorted(run *report.Run, subjects []string) {
	place := map[report.Figure]int{}
	for i, f := range figures {
		place[f] = i
	}
	for i, f := range inside.Figures {
		place[f.Figure] = len(figures) + i
	}
	slices.SortStableFunc(run.Measurements, func(a, b report.Measurement) int {
		return cmp.Or(cmp.Compare(place[a.Figure], place[b.Figure]),
			cmp.Compare(slices.Index(subjects, a.Subject), slices.Index(subjects, b.Subject)))
	})
}
