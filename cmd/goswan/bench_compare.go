package main

import (
	"fmt"
	"io"
	"os"

	"github.com/goswan/goswan/bench/report"
	"github.com/spf13/cobra"
)

func newBenchCompare() *cobra.Command {
	return &cobra.Command{
		Use:   "compare OLD NEW",
		Short: "Say what changed between two results beyond the noise",
		Long: fmt.Sprintf(`Compares two files written with --json, of the same kind of benchmark; - is the standard input. With five rounds or more in both, a
change is what the Mann-Whitney U test finds with a probability of %g or less to be chance; with two to four, when the
ranges of the rounds do not overlap. Where the machines differ that is said first. What differs between two runs for reasons of
its own, such as other load, is seen as a change too: measure twice.`, report.Level),
		Example: `  goswan bench crypto --json old.json
  goswan bench crypto --json new.json
  goswan bench compare old.json new.json`,
		Args: exactly(2, "two files written with --json"),
		RunE: func(c *cobra.Command, args []string) error {
			old, err := readRun(c, args[0])
			if err != nil {
				return err
			}
			latest, err := readRun(c, args[1])
			if err != nil {
				return err
			}
			difference, err := report.Diff(old, latest)
			if err != nil {
				return err
			}
			return difference.WriteText(c.OutOrStdout())
		},
	}
}

// readRun reads a file that --json wrote.
func readRun(c *cobra.Command, path string) (*report.Run, error) {
	var from io.Reader = c.InOrStdin()
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	run, err := report.Decode(from)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return run, nil
}
