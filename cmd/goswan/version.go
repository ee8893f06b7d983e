package main

import (
	"fmt"
	"runtime"

	"github.com/goswan/goswan"
	"github.com/spf13/cobra"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  goswan version",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(c.OutOrStdout(), "goswan %s %s %s/%s\n", goswan.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
