// Package encap is how protected packets travel: UDP on ports 500 and 4500 (RFC 3948, RFC 7296 §2.23), one file per
// operating system, and Pipe, a network in memory.
package encap

import (
	"net/netip"
	"syscall"

	"github.com/goswan/goswan/tun/packet"
)

// Transport is a set of sockets. Implementations: Listen (the host's UDP) and Pipe (memory).
type Transport interface {
	// Conns are the sockets; each is read by one goroutine.
	Conns() []Conn
	// SendIKE sends one IKE datagram from local to remote; safe for concurrent use. It puts the non-ESP marker
	// (RFC 3948 §2.2) where local's port demands it. The source address is local's when valid.
	SendIKE(local, remote netip.AddrPort, datagram []byte) error
	// SendKeepalive sends one NAT-keepalive octet 0xFF (RFC 3948 §2.3).
	SendKeepalive(local, remote netip.AddrPort) error
	// Write sends one ESP train from t.Local to t.Remote; safe for concurrent use.
	Write(t *packet.Train) error
	// LocalFor tells the address that the host would use towards remote, with the ports of the two sockets:
	// port is 500's, portNATT 4500's as configured or chosen.
	LocalFor(remote netip.Addr) (addr netip.Addr, port, portNATT uint16, err error)
	// Close ends the transport; blocked reads return net.ErrClosed.
	Close() error
}

// Batch is a Transport that sends several trains at less cost than one after the other.
type Batch interface {
	// WriteBatch sends trains in their order, each as Write does, and puts what Write would return of each into errs, which is as
	// long.
	WriteBatch(trains []*packet.Train, errs []error)
}

// Direct is a Transport that can give a single peer a socket of its own. The kernel looks up neither the way to that peer nor the way
// from it for each datagram then.
type Direct interface {
	// Connect opens a socket for what goes between local, of which the address is known, and remote. It is to be read like those of Conns.
	// Write uses it from now on.
	Connect(local, remote netip.AddrPort) (Polled, error)
	// Forget tells that nothing goes to a peer any more. Whoever waits for its socket is woken, and TryRead returns ErrForgotten when
	// all that had come was read.
	Forget(local, remote netip.AddrPort)
	// Disconnect closes what Connect opened.
	Disconnect(c Polled) error
}

// PathMTU is a Transport that knows what its paths take.
type PathMTU interface {
	// PathMTU is the most octets of a datagram from local to remote, behind the UDP header, that fit the path unfragmented; 0
	// when that is not known.
	PathMTU(local, remote netip.AddrPort) int
}

// Conn is one socket, read by one goroutine.
type Conn interface {
	// Read reads the next train into t, addresses filled in. When none is waiting it calls idle once before it blocks.
	// Errors of a single datagram (an ICMP error come back) are not returned; net.ErrClosed after Close.
	Read(t *packet.Train, idle func()) error
	// NATT says that this socket is a port-4500 socket: datagrams are ESP, or IKE behind the four zero octets of the
	// non-ESP marker, or a keepalive. Otherwise each datagram is IKE.
	NATT() bool
}

// Polled is a Conn that can be waited for together with others (package tun/poll).
type Polled interface {
	Conn
	// TryRead is Read without waiting: ok is false when no train is there.
	TryRead(t *packet.Train) (ok bool, err error)
	// SyscallConn is the socket's descriptor.
	SyscallConn() (syscall.RawConn, error)
}

// Kind is what a datagram on a port-4500 socket is.
type Kind uint8

// The kinds of datagram.
const (
	ESP       Kind = iota
	IKE            // behind the non-ESP marker
	Keepalive      // one octet 0xFF
	Bad            // too short for any
)

// Split tells what a datagram received on a port-4500 socket is and returns it without its non-ESP marker (RFC 3948 §2).
func Split(d []byte) (Kind, []byte) {
	switch {
	case len(d) == 1 && d[0] == 0xff:
		return Keepalive, nil
	case len(d) < 8:
		return Bad, nil
	case d[0]|d[1]|d[2]|d[3] == 0:
		return IKE, d[4:]
	}
	return ESP, d
}
