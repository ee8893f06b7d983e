package render

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/goswan/goswan/bench/report"
	"golang.org/x/net/html"
)

// rendered is the page as it is written.
func rendered(t testing.TB, p *Page) string {
	t.Helper()
	var out bytes.Buffer
	if err := p.HTML(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// parsedPage reads a page as a browser does.
func parsedPage(t testing.TB, text string) *html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// all are the elements of a name.
func all(root *html.Node, name string) (found []*html.Node) {
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == name {
			found = append(found, n)
		}
	}
	return found
}

// textsOf are the texts below an element.
func textsOf(root *html.Node) string {
	var b strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.TextNode {
			b.WriteString(n.Data + "\n")
		}
	}
	return b.String()
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// allPlots are the plots of a page in order.
func allPlots(p *Page) (plots []*plot) {
	for _, s := range p.sections {
		plots = append(plots, s.plots...)
	}
	return plots
}

// TestPlotsAreComplete: every plot of every kind of run has a title, axes with units, its series in the legend and in words.
func TestPlotsAreComplete(t *testing.T) {
	for name, run := range sampleRuns() {
		page := OfRun(run)
		images := all(parsedPage(t, rendered(t, page)), "svg")
		plots := allPlots(page)
		if len(images) != len(plots) || len(plots) < 4 {
			t.Fatalf("%s: the page has %d images of %d plots", name, len(images), len(plots))
		}
		for i, p := range plots {
			said := strings.ReplaceAll(textsOf(images[i]), "\n", " ")
			wants := []string{p.value.title(), p.across.title()}
			for _, s := range p.series {
				wants = append(wants, s.name)
			}
			wants = append(wants, p.categories...)
			wants = append(wants, strings.Fields(p.title)...)
			for _, want := range wants {
				if !strings.Contains(said, want) {
					t.Errorf("%s, %q: the image does not show %q", name, p.title, want)
				}
			}
			if p.value.unit == "" || !strings.HasSuffix(strings.TrimSuffix(p.value.title(), " (logarithmic)"), p.value.unit) {
				t.Errorf("%s, %q: the axis %q is without its unit %q", name, p.title, p.value.title(), p.value.unit)
			}
			if attribute(images[i], "role") != "img" || !strings.Contains(attribute(images[i], "aria-label"), p.title) {
				t.Errorf("%s, %q: a reader of screens hears %q as %q", name, p.title, attribute(images[i], "aria-label"), attribute(images[i], "role"))
			}
			if first := images[i].FirstChild; first.Data != "title" || first.FirstChild.Data != p.title {
				t.Errorf("%s: the image's title is not %q", name, p.title)
			}
			if p.spread() && !strings.Contains(said, "range of the rounds") {
				t.Errorf("%s, %q: what the thin lines are is not said", name, p.title)
			}
		}
	}
}

// TestPlotsByKind: each kind of run has the plots that were asked for.
func TestPlotsByKind(t *testing.T) {
	for name, wants := range map[string][]string{
		"large": {
			"Throughput, combined mode (1 of 2), 1420 B, 1 core", "Throughput, seal, combined mode, 1 core", "Throughput, open, encryption and integrity apart, 1 core",
			"Throughput, seal, older algorithms, 1 core", "Packet rate, open, 1 core", "Scaling by cores, seal, 1420 B", "Beside openssl, 64 B",
		},
		"ike": {
			"Time per operation, elliptic curves", "Time per operation, MODP groups", "Time per operation, post-quantum", "Time per operation, signatures",
			"Time per handshake, elliptic curves", "Time per handshake, signatures",
		},
		"path":   {"Throughput by SAs, aes128gcm16, 64 B", "Throughput by flows, chacha20poly1305, TCP 44 × 1420 B"},
		"tunnel": {"TCP one stream", "Ping idle, median", "Beside wireguard-go", "Beside strongSwan libipsec AES-128-GCM"},
	} {
		var titles []string
		for _, p := range allPlots(OfRun(sampleRuns()[name])) {
			titles = append(titles, p.title)
		}
		for _, want := range wants {
			if !slices.Contains(titles, want) {
				t.Errorf("%s: there is no plot %q; there are\n%s", name, want, strings.Join(titles, "\n"))
			}
		}
	}
}

// TestSVGIsXML: each image is well-formed by itself.
func TestSVGIsXML(t *testing.T) {
	for name, run := range sampleRuns() {
		for _, p := range allPlots(OfRun(run)) {
			wellFormed(t, name, p)
		}
	}
}

func wellFormed(t testing.TB, name string, p *plot) {
	t.Helper()
	var out bytes.Buffer
	if err := html.Render(&out, svgOf(p, newFaces(1, widest))); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), `<svg xmlns="http://www.w3.org/2000/svg"`) {
		t.Errorf("%s, %q: the image begins with %.60s", name, p.title, out.String())
	}
	for _, no := range []string{"NaN", "Inf"} {
		for _, attr := range []string{` d="`, ` x="`, ` y="`, "viewBox"} {
			for _, part := range strings.Split(out.String(), attr)[1:] {
				if value, _, _ := strings.Cut(part, `" `); strings.Contains(value, no) {
					t.Errorf("%s, %q: a place is no number: %s%.80s", name, p.title, attr, value)
				}
			}
		}
	}
	d := xml.NewDecoder(&out)
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%s, %q: %v", name, p.title, err)
		}
	}
}

// harmless are the elements of a page, and the attributes that they may have.
var (
	harmlessElements = strings.Fields(`html head meta title link style body header main nav section div figure figcaption svg path text g
		h1 h2 p a ul li dl dt dd strong small span table caption thead tbody tr th td`)
	harmlessAttributes = strings.Fields(`lang charset http-equiv name content rel href id class role aria-label tabindex scope colspan xmlns viewBox
		d stroke-width stroke-dasharray x y font-size text-anchor`)
)

// checkContained reports what a page loads, runs or is not expected to hold.
func checkContained(t testing.TB, name, text string) {
	t.Helper()
	root := parsedPage(t, text)
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if !slices.Contains(harmlessElements, n.Data) {
			t.Errorf("%s: there is an element <%s>", name, n.Data)
		}
		for _, a := range n.Attr {
			if !slices.Contains(harmlessAttributes, a.Key) {
				t.Errorf("%s: <%s> has an attribute %s", name, n.Data, a.Key)
			}
			if a.Key == "href" && !strings.HasPrefix(a.Val, "#section-") && a.Val != "data:," {
				t.Errorf("%s: <%s> leads to %q", name, n.Data, a.Val)
			}
		}
	}
	for _, s := range all(root, "style") {
		if css := s.FirstChild.Data; strings.Contains(css, "url(") || strings.Contains(css, "@import") || strings.Contains(css, "<") {
			t.Errorf("%s: the style sheet loads something", name)
		}
	}
	if len(all(root, "style")) != 1 || !strings.Contains(text, `content="default-src &#39;none&#39;;`) {
		t.Errorf("%s: the page does not forbid itself what it does not need", name)
	}
}

// TestPagesAreContained: a page is one file, without scripts, that loads nothing.
func TestPagesAreContained(t *testing.T) {
	for name, run := range sampleRuns() {
		checkContained(t, name, rendered(t, OfRun(run)))
	}
}

// hostile are texts that somebody may put into a file, all of which Decode lets through, and then some.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</title></svg></style><style>*{display:none}</style>`, `]]><!--`, `&lt;b&gt; &#0; &amp`,
	`' onload='alert(1)`, `javascript:alert(1)`, `http://example.org/`, `<![CDATA[`, strings.Repeat("long", 1000), strings.Repeat("w ", 2000), "-", "",
	"nul\x00 esc\x1b[2J bell\a", "\xff\xfe", "right\u202eto left", "\u2028line", "日本語 ελληνικά", "a\tb\nc",
}

// hostileRun has every text in every place.
func hostileRun(text string) *report.Run {
	r := newRun(text, text)
	r.Goswan, r.Command, r.Peers = text, []string{text, text}, []report.Peer{{Name: text, Version: text}}
	r.Machine = report.Machine{CPU: text, Flags: []string{text}, OS: text, Arch: text, Kernel: text, Governor: text, Go: text}
	rec := report.NewRecorder(r)
	f := report.Figure{Name: text, Unit: text, Better: report.More}
	for i := range 3 {
		for _, k := range []report.Key{
			{Suite: text, Operation: text, Size: 64 << i, Cores: 1 + i}, {Suite: text, Operation: text, Mix: text, Cores: 1}, {Operation: text},
			{Suite: text + "-", SAs: 1 + i, Flows: 1 + i, Mix: text}, {Suite: text, Operation: text + text},
		} {
			k.Figure, k.Subject = f, text
			rec.Record(0, k, float64(i+1))
			other := k
			other.Subject += "2"
			rec.Record(0, other, 2)
			r.Comparisons = append(r.Comparisons, report.Comparison{Of: k, Against: &other, Least: 1})
		}
	}
	return r
}

// TestHostileTexts: nothing of a run becomes an element, an attribute or a script.
func TestHostileTexts(t *testing.T) {
	for _, text := range hostile {
		run := hostileRun(text)
		page := OfRun(run)
		checkContained(t, fmt.Sprintf("%.20q", text), rendered(t, page))
		for _, p := range allPlots(page) {
			wellFormed(t, text, p)
		}
		if len(text) > 4000 || !utf8.ValidString(text) || text == "" {
			pixels(t, page) // fonts have no more to do with the others
		}
		d, err := report.Diff(run, run)
		if err != nil {
			t.Fatal(err)
		}
		checkContained(t, fmt.Sprintf("difference of %.20q", text), rendered(t, OfDifference(run, run, d)))
	}
}

// TestEscapedTextIsShown: what looks like markup is read as it was written.
func TestEscapedTextIsShown(t *testing.T) {
	run := newRun("crypto", hostile[0])
	run.Machine.CPU = hostile[1]
	said := textsOf(parsedPage(t, rendered(t, OfRun(run))))
	for _, want := range []string{hostile[0], hostile[1], "nothing was measured"} {
		if !strings.Contains(said, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
}

// TestValuesThatNoAxisHolds: whatever is recorded, no place of a drawing is anything but a number, and what is left out is said.
func TestValuesThatNoAxisHolds(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, test := range []struct {
		name   string
		values [][]float64 // of each size
		plots  bool
	}{
		{"none", [][]float64{{}, {}}, false},
		{"missing", [][]float64{{nan}, {nan, nan}}, false},
		{"zero", [][]float64{{0}, {0, 0}}, true},
		{"one value", [][]float64{{17}, {}}, true},
		{"equal", [][]float64{{3, 3}, {3, 3}}, true},
		{"infinite", [][]float64{{inf}, {-inf}}, false},
		{"infinite and not", [][]float64{{inf}, {1}}, true},
		{"huge", [][]float64{{math.MaxFloat64}, {-math.MaxFloat64}}, false},
		{"huge and small", [][]float64{{1e30}, {1e-30}}, true},
		{"smallest", [][]float64{{math.SmallestNonzeroFloat64}, {1}}, true},
		{"below zero", [][]float64{{-5, -3}, {7}}, true},
		{"far apart", [][]float64{{1e-9, 1e9}, {1}}, true},
	} {
		run := newRun("crypto")
		rec := report.NewRecorder(run)
		for i, values := range test.values {
			for _, op := range []string{"seal", "open"} {
				for round, v := range values {
					rec.Record(round, report.Key{Figure: report.Throughput, Subject: "goswan", Suite: "aes128gcm16", Operation: op, Size: 64 << i, Cores: 1}, v)
					rec.Record(round, report.Key{Figure: report.HandshakeTime, Subject: "goswan", Suite: "x25519", Operation: op}, v)
					rec.Record(round, report.Key{Figure: report.Scaling, Subject: "goswan", Suite: "aes128gcm16", Operation: op, Size: 64, Cores: 2 + i}, v)
				}
			}
		}
		page := OfRun(run)
		plots := allPlots(page)
		if (len(plots) > 0) != test.plots && test.name != "zero" {
			t.Errorf("%s: %d plots", test.name, len(plots))
		}
		for _, p := range plots {
			wellFormed(t, test.name, p)
			if strings.Contains(test.name, "infinite and") && p.left > 0 && !strings.Contains(p.about, "1 value cannot be drawn") {
				t.Errorf("%s: that a value is missing is not said: %q", test.name, p.about)
			}
		}
		checkContained(t, test.name, rendered(t, page))
		pixels(t, page)
	}
}

// pixels is the picture of a page, and how many of its pixels are not paper.
func pixels(t testing.TB, p *Page) (width, height, inked int) {
	t.Helper()
	var out bytes.Buffer
	if err := p.PNG(&out); err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(&out)
	if err != nil {
		t.Fatalf("the picture cannot be read: %v", err)
	}
	b := m.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y += 3 {
		for x := b.Min.X; x < b.Max.X; x += 3 {
			if r, g, b, _ := m.At(x, y).RGBA(); r&g&b != 0xffff {
				inked++
			}
		}
	}
	return b.Dx(), b.Dy(), inked
}

// TestPNG: the picture is not blank, and of a size that programs can show.
func TestPNG(t *testing.T) {
	runs := sampleRuns()
	runs["empty"] = newRun("crypto")
	for name, run := range runs {
		width, height, inked := pixels(t, OfRun(run))
		if width < plotWidth*pngScale || width > 3000 || height < 100 || height > 12000 {
			t.Errorf("%s: the picture has %d × %d pixels", name, width, height)
		}
		if least := 200; inked < least {
			t.Errorf("%s: the picture has ink at %d of its points, want %d", name, inked, least)
		}
	}
}

// recorder notes the texts that are drawn.
type recorder struct {
	nowhere
	texts []string
}

func (r *recorder) text(_ xy, _ anchor, _ textStyle, s string) { r.texts = append(r.texts, s) }

// TestBothCanvasesShowTheSame: where fonts are equally wide, the texts of the picture are those of the page.
func TestBothCanvasesShowTheSame(t *testing.T) {
	for _, p := range allPlots(OfRun(tunnelRun())) {
		var r recorder
		p.draw(&r, newFaces(1, 1))
		var shown []string
		for _, n := range all(svgOf(p, newFaces(1, 1)), "text") {
			shown = append(shown, n.FirstChild.Data)
		}
		if !slices.Equal(shown, r.texts) || len(shown) < 5 {
			t.Errorf("%q: the page shows %q, the picture %q", p.title, shown, r.texts)
		}
	}
}

// TestBounds: a file of the size that Decode takes makes a page that a browser takes, and the page says what it leaves out.
func TestBounds(t *testing.T) {
	run := newRun("crypto")
	for i := range 3 * maxNotes {
		run.Note(fmt.Sprint("note ", i))
	}
	for i := range maxMeasurements + 10_000 {
		k := report.Key{Figure: report.Figure{Name: fmt.Sprint("figure ", i%500), Unit: "ns", Better: report.Less}, Subject: fmt.Sprint("subject ", i), Suite: fmt.Sprint("suite", i%7000), Size: 1 + i%300, Cores: i % 100}
		run.Measurements = append(run.Measurements, report.Measurement{Key: k, Values: report.Values{float64(i)}})
		run.Comparisons = append(run.Comparisons, report.Comparison{Of: k, Against: &run.Measurements[0].Key})
	}
	run.Rounds = 1
	page := OfRun(run)
	if page.plots > maxPlots || page.cells > maxCells || len(page.notes) > maxNotes+1 {
		t.Errorf("%d plots, %d cells, %d notes", page.plots, page.cells, len(page.notes))
	}
	text := rendered(t, page)
	if len(text) > 24<<20 {
		t.Errorf("the page has %d octets", len(text))
	}
	for _, want := range []string{"10000 measurements more than a page has room for", "more notes than a page has room for", "rows more than a page has room for"} {
		if !strings.Contains(text, want) {
			t.Errorf("that something is left out is not said: %q", want)
		}
	}
	if _, height, _ := pixels(t, page); height > 20000 {
		t.Errorf("the picture is %d pixels high", height)
	}
}

// TestHead: the machine, the run, the peers and the notes are on the page, and as few plots as there is data for.
func TestHead(t *testing.T) {
	run := tunnelRun()
	run.Machine.NoASM = true
	said := textsOf(parsedPage(t, rendered(t, OfRun(run))))
	for _, want := range append([]string{
		"goswan bench tunnel", "4 March 2026, 05:06 UTC, goswan 1.2.3, 4 rounds in 13 min", "AMD EPYC 9654 96-Core Processor", "192, of which Go uses 64 (GOMAXPROCS)",
		"2400 MHz", "performance", "aes pclmulqdq vaes vpclmulqdq avx2 avx512f sha_ni bmi2 adx", "linux/amd64 6.12.0", "go1.26.8", "no assembly of goswan's own",
		"wireguard-go", "5.9.8", "goswan bench tunnel --html run.html", "11", "of 15", "goals are met", "missed",
	}, run.Notes...) {
		if !strings.Contains(said, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

// TestTables: every figure is in a table, with its spread, and allocations are a column.
func TestTables(t *testing.T) {
	root := parsedPage(t, rendered(t, OfRun(largeRun())))
	var titles, heads []string
	for _, c := range all(root, "caption") {
		titles = append(titles, strings.TrimSpace(textsOf(c)))
	}
	for _, th := range all(root, "th") {
		heads = append(heads, strings.TrimSpace(textsOf(th)))
	}
	for _, want := range []string{
		"Compared", "Every figure, of goswan, 1420 B, 1 core", "Throughput, Gbit/s, seal, 1 core", "Throughput, Gbit/s, open, 1420 B", "Packet rate, Mpackets/s, open, 1 core",
	} {
		if !slices.Contains(titles, want) {
			t.Errorf("there is no table %q; there are\n%s", want, strings.Join(titles, "\n"))
		}
	}
	for _, want := range []string{"seal, allocations per packet", "open, throughput, Gbit/s", "imix", "64 cores", "camellia256ctr-sha256", "Older algorithms"} {
		if !slices.Contains(heads, want) {
			t.Errorf("there is no row or column %q", want)
		}
	}
	if !strings.Contains(textsOf(root), "±") {
		t.Error("no value has a spread")
	}
}

// TestDifference: what changed is drawn and listed, and what differs of the machines is said.
func TestDifference(t *testing.T) {
	old, latest := ikeRun(), ikeRun()
	latest.Machine.CPU = "another processor"
	for i := range latest.Measurements {
		if m := &latest.Measurements[i]; m.Suite == "x25519" && m.Figure == report.OperationTime {
			for j := range m.Values {
				m.Values[j] /= 2
			}
		}
	}
	d, err := report.Diff(old, latest)
	if err != nil {
		t.Fatal(err)
	}
	page := OfDifference(old, latest, d)
	text := rendered(t, page)
	checkContained(t, "difference", text)
	said := textsOf(parsedPage(t, text))
	for _, want := range []string{
		"goswan bench ike, two runs compared", "another machine: the processor was AMD EPYC 9654 96-Core Processor and is another processor",
		"The largest changes", "goswan x25519 initiate, time per operation in µs", "better", "the same within the noise", "times as good as the old run, × (logarithmic)",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if plots := allPlots(page); len(plots) != 1 || len(plots[0].categories) != 3 || math.Abs(plots[0].series[0].points[0].value-2) > 0.1 {
		t.Errorf("three operations became twice as fast; drawn are %+v", plots)
	}
	same, err := report.Diff(old, old)
	if err != nil {
		t.Fatal(err)
	}
	if said := rendered(t, OfDifference(old, old, same)); !strings.Contains(said, "nothing changed beyond the noise") {
		t.Error("that nothing changed is not said")
	}
}

// TestWriteErrors: a disk that is full is an error.
func TestWriteErrors(t *testing.T) {
	page := OfRun(tunnelRun())
	for name, err := range map[string]error{"HTML": page.HTML(full{}), "PNG": page.PNG(full{})} {
		if err == nil {
			t.Errorf("%s onto a full disk is no error", name)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// FuzzPage: whatever a run holds, its page loads nothing and its plots can be drawn.
func FuzzPage(f *testing.F) {
	f.Add("aes128gcm16", "seal", "Gbit/s", 1.5, 3., 64, 2, 0, true)
	f.Add("<script>-x", "", "1", math.Inf(1), -1., 1420, 0, 1000, false)
	f.Add("modp2048", "imix", "µs", 1e-300, 1e300, 0, 1, -1, true)
	f.Fuzz(func(t *testing.T, suite, operation, unit string, a, b float64, size, cores, sas int, more bool) {
		run := newRun(operation, suite)
		rec := report.NewRecorder(run)
		figures := []report.Figure{report.Throughput, report.Scaling, {Name: operation, Unit: unit, Better: report.Less}}
		for i, figure := range figures {
			ours := report.Key{Figure: figure, Subject: "goswan", Suite: suite, Operation: operation, Size: size, Cores: cores, SAs: sas}
			theirs, next := ours, ours
			theirs.Subject, next.Size, next.Cores, next.Flows, next.Mix = unit, size+i, cores*2, sas, operation
			for round, v := range []float64{a, b, a / b} {
				rec.Record(round, ours, v)
				rec.Record(round, next, v*2)
				if more {
					rec.Record(round, theirs, a)
				}
			}
			run.Comparisons = append(run.Comparisons, report.Comparison{Of: ours, Against: &theirs, Least: a, Most: b})
		}
		page := OfRun(run)
		checkContained(t, "page", rendered(t, page))
		for _, p := range allPlots(page) {
			wellFormed(t, "page", p)
			faces := newFaces(1, 1)
			p.draw(&raster{image: blank(plotWidth, 300, &light), faces: faces, inks: &light}, faces)
		}
	})
}
