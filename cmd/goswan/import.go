package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/goswan/goswan/cmd/goswan/pki"
	"github.com/goswan/goswan/cmd/goswan/profile"
)

func newImport() *cobra.Command {
	var dir string
	var force bool
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Make a swanctl directory of a client's profile: .mobileconfig or .sswan",
		Long: `Reads a VPN profile that was made for iOS and macOS (.mobileconfig, signed or not) or for strongSwan's app for Android (.sswan),
and writes swanctl.conf with its connections, its CAs into x509ca and the client's key into pkcs12. What has no counterpart is
listed by the name of its key, and what is not in the profile, as a password, stands in swanctl.conf as a comment to fill in.

The signature of a signed profile is not verified: import what you have from somebody whom you trust.`,
		Example: `  goswan import alice.mobileconfig --out ./alice
  goswan check --swanctl-dir ./alice
  sudo goswan run --swanctl-dir ./alice`,
		Args: exactly(1, "one file"),
		RunE: func(c *cobra.Command, args []string) error {
			octets, err := readBounded(args[0], profile.MaxFile+1) // an octet too much is seen
			if err != nil {
				return err
			}
			p, err := profile.Read(octets)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return importInto(c, dir, p, force)
		},
	}
	c.Flags().StringVar(&dir, "out", "swanctl", "directory to write into")
	c.Flags().BoolVar(&force, "force", false, "overwrite files that are there")
	return c
}

// readBounded reads a file, and of one that is longer its beginning.
func readBounded(file string, most int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// importInto writes the files of a profile, or none if one of them is there.
func importInto(c *cobra.Command, dir string, p *profile.Profile, force bool) error {
	files, notes := p.Directory()
	w := c.OutOrStdout()
	for _, f := range files {
		defer clear(f.Data)
		if force {
			continue
		}
		if err := pki.Free(filepath.Join(dir, filepath.FromSlash(f.Path))); err != nil {
			return fmt.Errorf("%w, or say --force", err)
		}
	}
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := put(path, f.Data, f.Mode, force); err != nil {
			return err
		}
		fmt.Fprintf(w, "wrote %s\n", path)
	}
	if p.Signed {
		fmt.Fprintln(w, "note: the profile is signed, and the signature was not verified")
	}
	for _, warning := range p.Warnings {
		fmt.Fprintf(w, "warning: %s\n", warning)
	}
	for _, note := range notes {
		fmt.Fprintf(w, "to do: %s\n", note)
	}
	fmt.Fprintf(w, "`goswan check --swanctl-dir %s` tells whether all is there\n", dir)
	return nil
}
