// Command goswan is a userspace IPsec endpoint: the daemon, what controls it, and what checks its configuration.
//
// Exit status: 0 done, 1 failed with the reason printed, 2 wrong use.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// The exit statuses.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a command line that makes no sense.
type usageError struct{ error }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "goswan: %v\n", err)
		return exitUsage
	}
	// The library's own errors begin with its name, too.
	fmt.Fprintf(stderr, "goswan: %s\n", strings.TrimPrefix(err.Error(), "goswan: "))
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "goswan",
		Short: "A userspace IPsec endpoint: IKEv2 and ESP over a TUN device",
		Long: `goswan is a userspace IPsec endpoint: IKEv2 and ESP over a TUN device, without kernel IPsec.
It reads strongSwan's swanctl.conf and speaks strongSwan's vici protocol, so swanctl controls it too.`,
		Example: `  goswan demo                        two endpoints in one process, no root needed
  goswan connect vpn.example.org --user alice --proxy 127.0.0.1:1080
  goswan check                       is /etc/swanctl/swanctl.conf right?
  goswan explain office              what does the connection "office" accept?
  sudo goswan run                    the daemon, in the foreground
  sudo goswan up net                 bring up the child "net"`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return wrongUse(c, err) })
	root.RunE = func(c *cobra.Command, _ []string) error { return wrongUse(c, errors.New("a command is missing")) }
	root.AddCommand(newRun(), newConnect(), newUp(), newDown(), newStatus(), newCheck(), newPKI(), newExport(), newImport(), newExplain(), newDemo(), newBench(), newVersion())
	return root
}

func wrongUse(c *cobra.Command, err error) error {
	return usageError{fmt.Errorf("%w\n\n%s", err, c.UsageString())}
}

func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return wrongUse(c, fmt.Errorf("unknown command or argument %q", args[0]))
	}
	return nil
}

// exactly demands n arguments, which are called what.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return wrongUse(c, fmt.Errorf("%s: expected %s", c.Name(), what))
		}
		return nil
	}
}
