//go:build !linux

package poll

import (
	"errors"
	"syscall"
)

// Set is not to be had on this operating system.
type Set struct{}

// New returns errors.ErrUnsupported.
func New(...syscall.RawConn) (*Set, error) { return nil, errors.ErrUnsupported }

// Wait is never called: there is no set.
func (*Set) Wait() (uint64, error) { return 0, errors.ErrUnsupported }

// Add is never called: there is no set.
func (*Set) Add(syscall.RawConn) error { return errors.ErrUnsupported }

// Remove is never called: there is no set.
func (*Set) Remove(int) {}

// Stop is never called: there is no set.
func (*Set) Stop() {}

// Close is never called: there is no set.
func (*Set) Close() error { return nil }
