package vici

import (
	"net"

	"golang.org/x/sys/windows"
)

// What bind fails with when there is something at the path, and dial when nobody listens.
const (
	errInUse   = windows.WSAEADDRINUSE
	errRefused = windows.WSAECONNREFUSED
)

// bind makes the socket, which has the access rights of its directory.
func bind(path string) (net.Listener, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	return own(l, path)
}
