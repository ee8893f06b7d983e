//go:build !linux

package encap

import (
	"net"
	"syscall"
)

// prepare has nothing to set before a socket is bound. These systems have no mark.
func prepare(_ syscall.RawConn, _, _, _ bool, c Config) (refused []string, err error) {
	if c.Mark != 0 {
		refused = append(refused, refusedMark)
	}
	return refused, nil
}

// share says that these sockets cannot share a port.
func share(socket) (ok bool, err error) { return false, nil }

// mark does nothing: these systems have no mark.
func mark(syscall.RawConn, uint32) error { return nil }

func openSocket(c *net.UDPConn, natt bool, config Config) (socket, error) {
	return openPortable(c, natt, config)
}
