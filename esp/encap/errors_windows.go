package encap

import (
	"errors"

	"golang.org/x/sys/windows"
)

// hostICMP says that a read failed for an ICMP error that came back for something sent, or for a datagram larger than
// the buffer.
func hostICMP(err error) bool {
	return errors.Is(err, windows.WSAECONNRESET) || errors.Is(err, windows.WSAENETRESET) || errors.Is(err, windows.WSAEMSGSIZE)
}

// hostRefused says that a send reported the ICMP error of an earlier one.
func hostRefused(err error) bool { return errors.Is(err, windows.WSAECONNRESET) }

// hostTooBig says that a datagram did not fit the path.
func hostTooBig(err error) bool { return errors.Is(err, windows.WSAEMSGSIZE) }

// hostNoAddress says that the source address is not the host's.
func hostNoAddress(err error) bool { return errors.Is(err, windows.WSAEADDRNOTAVAIL) }

// hostInUse says that a port is taken, by a socket or by a reservation of the system.
func hostInUse(err error) bool { return errors.Is(err, windows.WSAEADDRINUSE) }

// hostLacksFamily says that the host does not know the address family, or has it switched off.
func hostLacksFamily(err error) bool {
	return errors.Is(err, windows.WSAEAFNOSUPPORT) || errors.Is(err, windows.WSAEADDRNOTAVAIL)
}
