package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/ike/core"
	"github.com/spf13/cobra"
)

func newCheck() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "check",
		Short: "Validate a configuration without a running daemon",
		Long: `Reads swanctl.conf, and what it includes, and strongswan.conf as the daemon would, and prints every problem with its
file and line and what would be right. Nothing is sent and nothing is changed.

Exit status: 0 the configuration is good (there may be warnings), 1 it is not.`,
		Example: "  goswan check --swanctl-dir ./docs/example/site-a",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return check(c.OutOrStdout(), dir)
		},
	}
	c.Flags().StringVar(&dir, "swanctl-dir", swanctlDir(), "directory of swanctl.conf (also SWANCTL_DIR)")
	return c
}

// loadCatalog reads the configuration as the daemon would.
func loadCatalog(dir string) (*core.Catalog, []config.Warning, error) {
	charon, warnings, charonErr := config.LoadStrongswan("")
	catalog, more, err := config.Loader{Charon: charon}.Load(dir)
	return catalog, append(warnings, more...), errors.Join(charonErr, err)
}

func check(w io.Writer, dir string) error {
	catalog, warnings, err := loadCatalog(dir)
	for _, warning := range warnings {
		fmt.Fprintf(w, "warning: %v\n", warning)
	}
	if err != nil {
		return err
	}
	children := 0
	for _, conn := range catalog.Connections {
		children += len(conn.Children)
		if err := checkedRounds(w, conn); err != nil {
			return err
		}
	}
	fmt.Fprintf(w, "ok: %s, %s, %s\n", count(len(catalog.Connections), "connection"), count(children, "child", "children"), count(len(catalog.Secrets), "secret"))
	return nil
}

// checkedRounds tells how a connection authenticates where that is more than a round a side, or EAP: what such sections mean
// together is not seen at a glance.
func checkedRounds(w io.Writer, conn *core.Connection) error {
	isEAP := func(a core.Auth) bool { return a.Method == core.AuthEAP }
	if len(conn.Local) < 2 && len(conn.Remote) < 2 && !slices.ContainsFunc(conn.Local, isEAP) && !slices.ContainsFunc(conn.Remote, isEAP) {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "connection %q authenticates by\n", conn.Name)
	explainRounds(&b, config.Rounds(conn))
	_, err := io.WriteString(w, b.String())
	return err
}

// count is "1 secret" or "2 secrets"; plural is for what does not take an s.
func count(n int, what string, plural ...string) string {
	switch {
	case n == 1:
		return "1 " + what
	case len(plural) > 0:
		return fmt.Sprintf("%d %s", n, plural[0])
	}
	return fmt.Sprintf("%d %ss", n, what)
}
