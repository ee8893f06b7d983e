//go:build !windows

package encap

import (
	"errors"
	"syscall"
)

// hostICMP says that a read failed for an ICMP error that came back for something sent.
func hostICMP(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EHOSTUNREACH) ||
		errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EMSGSIZE)
}

// hostRefused says that a send reported the ICMP error of an earlier one.
func hostRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// hostTooBig says that a datagram did not fit the path.
func hostTooBig(err error) bool { return errors.Is(err, syscall.EMSGSIZE) }

// hostNoAddress says that the source address is not the host's.
func hostNoAddress(err error) bool { return errors.Is(err, syscall.EADDRNOTAVAIL) }

// hostInUse says that a port is taken.
func hostInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// hostLacksFamily says that the host does not know the address family, or has it switched off.
func hostLacksFamily(err error) bool {
	return errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EPROTONOSUPPORT)
}
