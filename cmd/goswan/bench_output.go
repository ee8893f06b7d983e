package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/goswan/goswan/bench/report"
	"github.com/spf13/cobra"
)

// output is one of the forms of a result, and where it goes.
type output struct {
	flag, path string // "" when it was not asked for, "-" for the standard output
	write      func(io.Writer) error
	file       *report.File
}

// outputs are all forms that a command has flags for.
type outputs []output

// open makes the files, before anything is measured: what cannot be written is known then. What is in them stays until finish.
func (all outputs) open(c *cobra.Command) error {
	taken := map[string]string{} // by path, the flag
	for i := range all {
		o := &all[i]
		if o.path == "" {
			continue
		}
		place := filepath.Clean(o.path)
		if other, ok := taken[place]; ok {
			all.drop()
			return wrongUse(c, fmt.Errorf("%s %s and %s %s: only one of them can be written there", other, o.path, o.flag, o.path))
		}
		if taken[place] = o.flag; o.path == "-" {
			continue
		}
		var err error
		if o.file, err = report.Create(o.path); err != nil {
			all.drop()
			return fmt.Errorf("%s: %w", o.flag, err)
		}
	}
	return nil
}

// drop removes what was not written.
func (all outputs) drop() {
	for _, o := range all {
		if o.file != nil {
			o.file.Drop()
		}
	}
}

// finish writes all of them, and text unless one of them has the standard output.
func (all outputs) finish(c *cobra.Command, text func(io.Writer) error) error {
	stdout := text
	for _, o := range all {
		switch {
		case o.path == "-":
			stdout = o.write
		case o.file != nil:
			if err := o.file.Write(o.write); err != nil {
				return fmt.Errorf("%s: %w", o.flag, err)
			}
		}
	}
	return stdout(c.OutOrStdout())
}
