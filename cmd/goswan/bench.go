package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/goswan/goswan"
	"github.com/goswan/goswan/bench/machine"
	"github.com/goswan/goswan/bench/render"
	"github.com/goswan/goswan/bench/report"
	"github.com/goswan/goswan/bench/turns"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

func newBench() *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure what this machine can encrypt and negotiate",
		Long: `Measures goswan on this machine. Every benchmark runs in rounds, in which everything has a short turn and which begin with
something else each time; what is printed is the median of the rounds with half their range, and no more digits than
the rounds agree on. --html and --png write plots of the same. A file written with --json can be shown again later, and
compared with another one.`,
		Example: `  goswan bench crypto                  every suite, every size, one core and all: a minute and a half
  goswan bench ike                     key exchanges and handshakes
  goswan bench path                    the data path over 1 to 10,000 SAs
  sudo goswan bench tunnel             whole tunnels in network namespaces, beside others
  goswan bench crypto --html page.html the same as a page with plots
  goswan bench show RESULT             the tables of a result; with --html or --png, its plots
  goswan bench compare OLD NEW         what changed between two results`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return wrongUse(c, errors.New("bench: what to measure is missing"))
		},
	}
	c.AddCommand(newBenchCrypto(), newBenchIKE(), newBenchPath(), newBenchTunnel(), newBenchShow(), newBenchCompare())
	return c
}

// benchOutput is where the result of a benchmark goes.
type benchOutput struct{ json, csv, html, png string }

func (o *benchOutput) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.json, "json", "", "write the result with every round's values as JSON to `FILE`, or - instead of the tables")
	o.otherFlags(c)
}

// otherFlags are those of what was measured before.
func (o *benchOutput) otherFlags(c *cobra.Command) {
	c.Flags().StringVar(&o.csv, "csv", "", "write a line for each value of each round to `FILE`, or - instead of the tables")
	o.pageFlags(c)
}

// pageFlags are those of what can be shown, but has no values of its own.
func (o *benchOutput) pageFlags(c *cobra.Command) {
	c.Flags().StringVar(&o.html, "html", "", "write a page with tables and plots, which needs nothing else, to `FILE`, or - instead of the tables")
	c.Flags().StringVar(&o.png, "png", "", "write the plots as one picture to `FILE`, or - instead of the tables")
}

// of are the outputs of a run.
func (o *benchOutput) of(run *report.Run) outputs {
	return append(outputs{
		{flag: "--json", path: o.json, write: func(w io.Writer) error { return report.Encode(w, run) }},
		{flag: "--csv", path: o.csv, write: func(w io.Writer) error { return report.WriteCSV(w, run) }},
	}, o.page(func() *render.Page { return render.OfRun(run) })...)
}

// page are the outputs that show a page, which is made when it is written.
func (o *benchOutput) page(of func() *render.Page) outputs {
	return outputs{
		{flag: "--html", path: o.html, write: func(w io.Writer) error { return of().HTML(w) }},
		{flag: "--png", path: o.png, write: func(w io.Writer) error { return of().PNG(w) }},
	}
}

// benchBudget is how long a benchmark takes.
type benchBudget struct {
	time   time.Duration
	rounds int
}

func (b *benchBudget) flags(c *cobra.Command, whole time.Duration) {
	c.Flags().DurationVar(&b.time, "time", whole, "measure for so long in all")
	c.Flags().IntVar(&b.rounds, "rounds", 5, "measure everything `N` times")
}

func (b *benchBudget) check(c *cobra.Command) error {
	switch {
	case b.time <= 0:
		return wrongUse(c, fmt.Errorf("--time %v: it takes some time", b.time))
	case b.rounds < 1:
		return wrongUse(c, fmt.Errorf("--rounds %d: it takes a round", b.rounds))
	}
	return nil
}

// measurer fills a run. What it measured before an error is in it.
type measurer func(ctx context.Context, run *report.Run, progress turns.Progress) error

// benchmark measures and writes the result; figures are those of the tables, none for all.
func (o *benchOutput) benchmark(c *cobra.Command, name string, figures []report.Figure, measure measurer) error {
	run := &report.Run{Bench: name, Goswan: goswan.Version, Command: commandLine(c), Time: time.Now().Round(time.Second), Machine: machine.Describe()}
	files := o.of(run)
	if err := files.open(c); err != nil {
		return err
	}
	defer files.drop()
	progress, done := newProgress(c.ErrOrStderr())
	begin := time.Now()
	err := measure(c.Context(), run, progress)
	run.Seconds = time.Since(begin).Seconds()
	done()
	if len(run.Measurements) == 0 {
		return err
	}
	return errors.Join(err, files.finish(c, func(w io.Writer) error { return report.WriteText(w, run, figures...) }))
}

// commandLine is the command with the flags that were given.
func commandLine(c *cobra.Command) []string {
	line := strings.Fields(c.CommandPath())
	c.Flags().Visit(func(f *pflag.Flag) {
		value := f.Value.String()
		if slice, ok := f.Value.(pflag.SliceValue); ok {
			value = strings.Join(slice.GetSlice(), ",")
		}
		line = append(line, "--"+f.Name+"="+value)
	})
	return append(line, c.Flags().Args()...)
}

// newProgress shows a bar on a terminal, and nothing elsewhere.
func newProgress(w io.Writer) (progress turns.Progress, done func()) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, func() {}
	}
	bar := progressbar.NewOptions(1, progressbar.OptionSetWriter(w), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetPredictTime(true), progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond))
	shown := time.Time{}
	return func(done, total int, name string) {
		// A short turn is not worth a line.
		if time.Since(shown) < 100*time.Millisecond && done < total {
			return
		}
		shown = time.Now()
		bar.ChangeMax(max(total, 1))
		bar.Describe(fmt.Sprintf("%-34.34s", name))
		_ = bar.Set(done) // a bar that cannot be drawn is no reason to end
	}, func() { _ = bar.Clear() }
}
