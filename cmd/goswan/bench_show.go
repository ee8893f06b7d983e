package main

import (
	"io"

	"github.com/goswan/goswan/bench/report"
	"github.com/spf13/cobra"
)

func newBenchShow() *cobra.Command {
	var output benchOutput
	c := &cobra.Command{
		Use:   "show RESULT",
		Short: "Show a result again: as tables, a page or a picture",
		Long: `Prints every figure of a file written with --json, or makes a page, a picture or CSV of it; - is the standard input. The file may
come from another machine: nothing in it is run or loaded.`,
		Example: `  goswan bench show new.json
  goswan bench show new.json --html new.html --png new.png`,
		Args: exactly(1, "a file written with --json"),
		RunE: func(c *cobra.Command, args []string) error {
			run, err := readRun(c, args[0])
			if err != nil {
				return err
			}
			files := output.of(run)
			if err := files.open(c); err != nil {
				return err
			}
			defer files.drop()
			return files.finish(c, func(w io.Writer) error { return report.WriteText(w, run) })
		},
	}
	output.otherFlags(c)
	return c
}
