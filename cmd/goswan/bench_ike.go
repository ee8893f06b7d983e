package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/goswan/goswan/bench/ike"
	"github.com/goswan/goswan/bench/report"
	"github.com/goswan/goswan/bench/turns"
	"github.com/spf13/cobra"
)

func newBenchIKE() *cobra.Command {
	var output benchOutput
	var budget benchBudget
	var methods, schemes, certificates []string
	c := &cobra.Command{
		Use:   "ike",
		Short: "Exchange keys and negotiate in memory",
		Long: `Measures every key exchange method, in its three steps, every signature scheme, and whole handshakes: IKE_SA_INIT and IKE_AUTH with one
Child SA, between two of the state machines that the daemon runs. They are made with a pre-shared key for every key exchange, and with
certificates for x25519. What the initiator and the responder cost is measured apart, on one core. Needs no root and no network.

Of --ke, --sig and --cert those that are not given are left out: --ke alone measures key exchanges and handshakes with pre-shared keys,
--sig alone signatures, and --cert alone handshakes with certificates.`,
		Example: `  goswan bench ike
  goswan bench ike --ke x25519,ecp256 --time 5s
  goswan bench ike --sig ed25519,ecdsa-sha256
  goswan bench ike --cert rsa3072,ecdsa256
  goswan bench ike --json new.json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := budget.check(c); err != nil {
				return err
			}
			config := ike.Config{Time: budget.time, Rounds: budget.rounds}
			ke, sig, cert := c.Flags().Changed("ke"), c.Flags().Changed("sig"), c.Flags().Changed("cert")
			all := !ke && !sig && !cert
			var err error
			if ke || all {
				if config.KE, err = ike.Choose(methods); err != nil {
					return wrongUse(c, fmt.Errorf("--ke: %w", err))
				}
			}
			if sig || all {
				if config.Schemes, err = ike.ChooseSchemes(schemes); err != nil {
					return wrongUse(c, fmt.Errorf("--sig: %w", err))
				}
			}
			if cert || all {
				if config.Certificates, err = ike.ChooseCertificates(certificates); err != nil {
					return wrongUse(c, fmt.Errorf("--cert: %w", err))
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
	c.Flags().StringSliceVar(&certificates, "cert", nil, "`KINDS` of certificates to make handshakes with: "+strings.Join(ike.Certificates(), ", ")+" (default all)")
	budget.flags(c, 30*time.Second)
	output.flags(c)
	return c
}
