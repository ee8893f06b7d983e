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
	var methods, schemes []string
	c := &cobra.Command{
		Use:   "ike",
		Short: "Exchange keys and negotiate in memory",
		Long: `Measures every key exchange method, in its three steps, every signature scheme, and whole handshakes: IKE_SA_INIT and IKE_AUTH with a
pre-shared key and one Child SA, between two of the state machines that the daemon runs. What the initiator and the
responder cost is measured apart, on one core. Needs no root and no network.

--ke alone measures no signatures, and --sig alone nothing but signatures.`,
		Example: `  goswan bench ike
  goswan bench ike --ke x25519,ecp256 --time 5s
  goswan bench ike --sig ed25519,ecdsa-sha256
  goswan bench ike --json new.json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := budget.check(c); err != nil {
				return err
			}
			config := ike.Config{Time: budget.time, Rounds: budget.rounds}
			// One alone leaves the other out.
			ke, sig := c.Flags().Changed("ke"), c.Flags().Changed("sig")
			var err error
			if ke || !sig {
				if config.KE, err = ike.Choose(methods); err != nil {
					return wrongUse(c, fmt.Errorf("--ke: %w", err))
				}
			}
			if sig || !ke {
				if config.Schemes, err = ike.ChooseSchemes(schemes); err != nil {
					return wrongUse(c, fmt.Errorf("--sig: %w", err))
				}
			}
			return output.benchmark(c, "ike", []report.Figure{report.OperationTime, report.HandshakeRate}, func(ctx context.Context, run *report.Run, progress turns.Progress) error {
				config.Progress = progress
				return ike.Measure(ctx, run, config)
			})
		},
	}
	c.Flags().StringSliceVar(&methods, "ke", nil, "`KEYWORDS` of key exchange methods (default all)")
	c.Flags().StringSliceVar(&schemes, "sig", nil, "`NAMES` of signature schemes, or what the setting auth calls them (default all)")
	budget.flags(c, 30*time.Second)
	output.flags(c)
	return c
}
