package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/goswan/goswan/bench/crypto"
	"github.com/goswan/goswan/bench/report"
	"github.com/goswan/goswan/bench/turns"
	"github.com/spf13/cobra"
)

// cryptoFigures are the words for --show.
var cryptoFigures = []struct {
	word    string
	figures []report.Figure
}{
	{"throughput", []report.Figure{report.Throughput}},
	{"packets", []report.Figure{report.PacketRate}},
	{"time", []report.Figure{report.PacketTime}},
	{"cycles", []report.Figure{report.CyclesByte, crypto.NominalCycles}},
	{"scaling", []report.Figure{report.Scaling}},
	{"allocations", []report.Figure{report.Allocations}},
}

func newBenchCrypto() *cobra.Command {
	var output benchOutput
	var budget benchBudget
	var suites, sizes, show []string
	var cores []int
	var openssl bool
	c := &cobra.Command{
		Use:   "crypto",
		Short: "Seal and open packets with every ESP suite",
		Long: `Measures how fast ESP's suites seal and open packets, as goswan uses them: by suite, size of the packet and number of cores that
work at once. Needs no root and no network. The suites are those that this version can negotiate: every combined-mode
algorithm, every other encryption with sha256, and every integrity algorithm with aes128 and null.

The sizes are those of the inner packet; imix is seven packets of 40 octets, four of 576 and one of 1500. Time is CPU time, so
other programs slow things down only as far as they use the same caches and clock. --time is divided among all that is measured.
--openssl takes a second more for each suite that OpenSSL has, size (of many, 64, 1420 and 16384), direction and round.`,
		Example: `  goswan bench crypto
  goswan bench crypto --suites 'aes*gcm16,chacha20poly1305' --sizes 64,1420 --cores 1 --time 10s
  goswan bench crypto --suites aes256gcm16 --show all
  goswan bench crypto --openssl --suites 'aes128gcm16' --json new.json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := budget.check(c); err != nil {
				return err
			}
			config, err := cryptoConfig(suites, sizes, cores)
			if err != nil {
				return wrongUse(c, err)
			}
			figures, err := shown(show)
			if err != nil {
				return wrongUse(c, err)
			}
			if config.Time, config.Rounds = budget.time, budget.rounds; openssl {
				if config.OpenSSL, err = exec.LookPath("openssl"); err != nil {
					return fmt.Errorf("--openssl: %w; Debian's package is called openssl", err)
				}
			}
			return output.benchmark(c, "crypto", figures, func(ctx context.Context, run *report.Run, progress turns.Progress) error {
				config.Progress = progress
				return crypto.Measure(ctx, run, config)
			})
		},
	}
	c.Flags().StringSliceVar(&suites, "suites", nil, "`WORDS` as esp_proposals has them; * and ? stand for others (default all)")
	c.Flags().StringSliceVar(&sizes, "sizes", nil, "`OCTETS` of the inner packets, or imix (default 64 to 16384 and imix)")
	c.Flags().IntSliceVar(&cores, "cores", nil, "`NUMBERS` of cores that work at once (default 1, 2, 4 … all)")
	c.Flags().StringSliceVar(&show, "show", []string{"throughput"}, "`FIGURES` in the tables: "+words()+", all")
	c.Flags().BoolVar(&openssl, "openssl", false, "compare with what openssl speed measures")
	budget.flags(c, 90*time.Second)
	output.flags(c)
	return c
}

// cryptoConfig reads what is to be measured.
func cryptoConfig(suites, sizes []string, cores []int) (config crypto.Config, err error) {
	config = crypto.Config{Sizes: crypto.Sizes, Cores: crypto.Cores()}
	if config.Suites, err = crypto.Choose(suites); err != nil {
		return config, fmt.Errorf("--suites: %w", err)
	}
	if len(sizes) > 0 {
		config.Sizes = nil
	}
	for _, text := range sizes {
		size, err := crypto.ParseSize(text)
		if err != nil {
			return config, fmt.Errorf("--sizes: %w", err)
		}
		if !slices.Contains(config.Sizes, size) {
			config.Sizes = append(config.Sizes, size)
		}
	}
	if len(cores) > 0 {
		slices.Sort(cores)
		config.Cores = slices.Compact(cores)
		if most := slices.Max(crypto.Cores()); cores[0] < 1 || slices.Max(cores) > most {
			return config, fmt.Errorf("--cores: 1 to %d", most)
		}
	}
	return config, nil
}

// words are those for --show.
func words() string {
	var all []string
	for _, f := range cryptoFigures {
		all = append(all, f.word)
	}
	return strings.Join(all, ", ")
}

// shown are the figures of the tables.
func shown(wanted []string) (figures []report.Figure, err error) {
	for _, w := range wanted {
		found := false
		for _, f := range cryptoFigures {
			if w == f.word || w == "all" {
				figures, found = append(figures, f.figures...), true
			}
		}
		if !found {
			return nil, fmt.Errorf("--show %q: use %s or all", w, words())
		}
	}
	if figures == nil {
		return nil, errors.New("--show: nothing to show")
	}
	return figures, nil
}
