package main

import (
	"context"
	"fmt"
	"time"

	"github.com/goswan/goswan/bench/ike"
	"github.com/goswan/goswan/bench/report"
	"github.com/goswan/goswan/bench/turns"
	"github.com/spf13/cobra"
)

func newBenchIKE() *cobra.Command {
	var output benchOutput
	var budget benchBudget
	var methods []string
	c := &cobra.Command{
		Use:   "ike",
		Short: "Exchange keys and negotiate in memory",
		Long: `Measures every key exchange method, in its three steps, and whole handshakes: IKE_SA_INIT and IKE_AUTH with a pre-shared key and one
Child SA, between two of the state machines that the daemon runs. What the initiator and the responder cost is
measured apart, on one core. Needs no root and no network.`,
		Example: `  goswan bench ike
  goswan bench ike --ke x25519,ecp256 --time 5s
  goswan bench ike --json new.json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := budget.check(c); err != nil {
				return err
			}
			chosen, err := ike.Choose(methods)
			if err != nil {
				return wrongUse(c, fmt.Errorf("--ke: %w", err))
			}
			return output.benchmark(c, "ike", []report.Figure{report.OperationTime, report.HandshakeRate}, func(ctx context.Context, run *report.Run, progress turns.Progress) error {
				return ike.Measure(ctx, run, ike.Config{KE: chosen, Time: budget.time, Rounds: budget.rounds, Progress: progress})
			})
		},
	}
	c.Flags().StringSliceVar(&methods, "ke", nil, "`KEYWORDS` of key exchange methods (default all)")
	budget.flags(c, 30*time.Second)
	output.flags(c)
	return c
}
