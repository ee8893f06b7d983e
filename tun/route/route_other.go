//go:build !linux

package route

import (
	"net/netip"
	"os"
)

// Open returns ErrUnsupported.
func Open(Config) (*Table, error) { return nil, ErrUnsupported }

func journalName(device string) string { return device + ".json" }

func lock(*os.File) error { return nil }

// SourceWithin finds no address.
func (t *Table) SourceWithin(bool, func(netip.Addr) bool) netip.Addr { return netip.Addr{} }

// Warnings has none.
func (t *Table) Warnings() []string { return nil }
