package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/goswan/goswan/bench/report"
	"github.com/goswan/goswan/bench/tunnel"
	"github.com/goswan/goswan/bench/turns"
	"github.com/spf13/cobra"
)

func newBenchTunnel() *cobra.Command {
	var output benchOutput
	config := tunnel.Config{}
	c := &cobra.Command{
		Use:   "tunnel",
		Short: "Compare whole tunnels in network namespaces, as root on Linux",
		Long: `Brings tunnels up between two network namespaces, one after the other, and measures them with iperf3 and ping: TCP with one stream
and four, in reverse, and over a link without super-packets; small UDP packets; latency, idle and under load; CPU time of
the endpoints for each GB; memory. Beside this goswan it takes what is installed: wireguard-go (in goswan's checkout it is
built) and strongSwan with kernel-libipsec. What is missing is left out, and said. The machine should do nothing else.

` + tunnelChoices(),
		Example: `  sudo goswan bench tunnel
  sudo goswan bench tunnel --rounds 2 --seconds 2 --only goswan,wireguard-go
  goswan bench tunnel --only inside --seconds 5`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if config.Rounds < 1 || config.Seconds < 1 {
				return wrongUse(c, fmt.Errorf("--rounds %d --seconds %d: at least 1 each", config.Rounds, config.Seconds))
			}
			return output.benchmark(c, "tunnel", nil, func(ctx context.Context, run *report.Run, progress turns.Progress) error {
				config.Progress = progress
				config.Say = func(line string) { fmt.Fprintln(c.ErrOrStderr(), line) }
				return tunnel.Measure(ctx, run, config)
			})
		},
	}
	c.Flags().IntVar(&config.Rounds, "rounds", 4, "measure everything `N` times")
	c.Flags().IntVar(&config.Seconds, "seconds", 4, "let each measurement take `N` seconds, and all of those inside the process")
	c.Flags().StringVar(&config.Only, "only", "", "measure only these `NAMES`, each whole or what several begin with")
	c.Flags().BoolVar(&config.Goals, "goals", false, "show the project's goals beside the ratios")
	output.flags(c)
	return c
}

// tunnelChoices lists the names for --only.
func tunnelChoices() string {
	choices := tunnel.Choices()
	if choices == nil {
		return "This system has no network namespaces, so it is not measured here."
	}
	var b strings.Builder
	b.WriteString("The NAMES for --only:\n")
	for _, choice := range choices {
		asked := ""
		if choice.Asked {
			asked = " (only when asked for)"
		}
		fmt.Fprintf(&b, "  %-14s %s%s\n", choice.Name, choice.What, asked)
	}
	return strings.TrimSpace(b.String())
}
