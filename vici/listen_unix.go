//go:build unix

package vici

import (
	"context"
	"net"
	"syscall"
)

// What bind fails with when there is something at the path, and dial when nobody listens.
const (
	errInUse   = syscall.EADDRINUSE
	errRefused = syscall.ECONNREFUSED
)

// bind makes the socket. On Linux its mode is that of the unbound socket, so there is no moment at which others can connect.
func bind(path string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		// Other systems refuse to change the mode of an unbound socket; there it is changed right after.
		return c.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), socketMode) })
	}}
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	return own(l.(*net.UnixListener), path)
}
