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
the rounds agree on. A file written with --json can be compared with another one later.`,
		Example: `  goswan bench crypto                  every suite, every size, one core and all: a minute and a half
  goswan bench ike                     key exchanges and handshakes
  goswan bench path                    the data path over 1 to 10,000 SAs
  sudo goswan bench tunnel             whole tunnels in network namespaces, beside others
  goswan bench compare OLD NEW         what changed between two results`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return wrongUse(c, errors.New("bench: what to measure is missing"))
		},
	}
	c.AddCommand(newBenchCrypto(), newBenchIKE(), newBenchPath(), newBenchTunnel(), newBenchCompare())
	return c
}

// benchOutput is where the result of a benchmark goes.
type benchOutput struct{ json, csv string }

func (o *benchOutput) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.json, "json", "", "write the result with every round's values as JSON to `FILE`, or - instead of the tables")
	c.Flags().StringVar(&o.csv, "csv", "", "write a line for each value of each round to `FILE`, or - instead of the tables")
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
	if o.json == "-" && o.csv == "-" {
		return wrongUse(c, errors.New("--json - and --csv -: only one of them can have the output"))
	}
	for _, path := range []string{o.json, o.csv} {
		if err := writable(path); err != nil {
			return err
		}
	}
	run := &report.Run{Bench: name, Goswan: goswan.Version, Command: commandLine(c), Time: time.Now().Round(time.Second), Machine: machine.Describe()}
	progress, done := newProgress(c.ErrOrStderr())
	begin := time.Now()
	err := measure(c.Context(), run, progress)
	run.Seconds = time.Since(begin).Seconds()
	done()
	if len(run.Measurements) == 0 {
		return err
	}
	return errors.Join(err, o.write(c.OutOrStdout(), run, figures))
}

// writable finds out before anything is measured whether a file can be written. What is in it stays.
func writable(path string) error {
	if path == "" || path == "-" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// write writes everything that was asked for.
func (o *benchOutput) write(stdout io.Writer, run *report.Run, figures []report.Figure) error {
	text := true
	for _, out := range []struct {
		path  string
		write func(io.Writer, *report.Run) error
	}{{o.json, report.Encode}, {o.csv, report.WriteCSV}} {
		switch {
		case out.path == "":
			continue
		case out.path == "-":
			text = false
			if err := out.write(stdout, run); err != nil {
				return err
			}
		default:
			if err := writeFile(out.path, run, out.write); err != nil {
				return err
			}
		}
	}
	if !text {
		return nil
	}
	return report.WriteText(stdout, run, figures...)
}

func writeFile(path string, run *report.Run, write func(io.Writer, *report.Run) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f, run), f.Close())
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
