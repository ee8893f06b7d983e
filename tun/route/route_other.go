//go:build !linux

package route

import "os"

// Open returns ErrUnsupported.
func Open(Config) (*Table, error) { return nil, ErrUnsupported }

func journalName(device string) string { return device + ".json" }

func lock(*os.File) error { return nil }

// Warnings has none.
func (t *Table) Warnings() []string { return nil }
