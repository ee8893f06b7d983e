package main

import (
	"context"
	"fmt"
	"time"

	"github.com/goswan/goswan/bench/crypto"
	"github.com/goswan/goswan/bench/path"
	"github.com/goswan/goswan/bench/report"
	"github.com/goswan/goswan/bench/turns"
	"github.com/spf13/cobra"
)

func newBenchPath() *cobra.Command {
	var output benchOutput
	var budget benchBudget
	var suites []string
	var sas, flows []int
	c := &cobra.Command{
		Use:   "path",
		Short: "Carry packets from a device in memory through the engine and back",
		Long: `Measures the data path without a kernel: packets come from a device in memory, are sealed, go over a wire in memory, are opened and
written to the device. There are TCP super-packets of 44 packets of 1420 octets, as a kernel with segmentation offload
gives them, and single UDP packets of 64 octets. One core does both directions. Flow i goes over SA i modulo the number of SAs.`,
		Example: `  goswan bench path
  goswan bench path --sas 1,10000 --flows 1000 --time 10s
  goswan bench path --suites aes128gcm16,aes256-sha256 --sas 1 --flows 1`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := budget.check(c); err != nil {
				return err
			}
			chosen, err := crypto.Choose(suites)
			if err != nil {
				return wrongUse(c, fmt.Errorf("--suites: %w", err))
			}
			for _, n := range sas {
				if n < 1 || n > path.MaxSAs {
					return wrongUse(c, fmt.Errorf("--sas %d: 1 to %d", n, path.MaxSAs))
				}
			}
			for _, n := range flows {
				if n < 1 || n > path.MaxFlows {
					return wrongUse(c, fmt.Errorf("--flows %d: 1 to %d", n, path.MaxFlows))
				}
			}
			return output.benchmark(c, "path", []report.Figure{report.Throughput, report.PacketTime}, func(ctx context.Context, run *report.Run, progress turns.Progress) error {
				return path.Measure(ctx, run, path.Config{Suites: chosen, SAs: sas, Flows: flows, Time: budget.time, Rounds: budget.rounds, Progress: progress})
			})
		},
	}
	c.Flags().StringSliceVar(&suites, "suites", []string{"aes128gcm16"}, "`WORDS` as esp_proposals has them; * and ? stand for others")
	c.Flags().IntSliceVar(&sas, "sas", []int{1, 10, 100, 1000, 10000}, "`NUMBERS` of SAs")
	c.Flags().IntSliceVar(&flows, "flows", []int{1, 1000}, "`NUMBERS` of flows")
	budget.flags(c, 30*time.Second)
	output.flags(c)
	return c
}
