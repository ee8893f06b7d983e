// Package tun is the device that carries the plaintext: queues of super-packets over golang.zx2c4.com/wireguard/tun,
// one file per operating system.
package tun

import (
	"syscall"

	"github.com/goswan/goswan/tun/packet"
)

// Device is a TUN device. Implementations: the host's (Open), tuntest.Device in memory, netstack.Device without root.
type Device interface {
	// Name is the interface's name, "ipsec0".
	Name() string
	// MTU is the current MTU in octets.
	MTU() int
	// Queues are the device's packet queues, at least one. Each is read by one goroutine.
	Queues() []Queue
	// Close ends the device; blocked reads return os.ErrClosed.
	Close() error
}

// Resizable is a Device whose MTU can be changed; where the operating system cannot, SetMTU returns errors.ErrUnsupported.
type Resizable interface {
	Device
	SetMTU(octets int) error
}

// Queue is one packet queue of a device. Read is for one goroutine; Write is safe for several.
type Queue interface {
	// Read reads the next super-packet into s. When none is waiting it calls idle once, before it blocks
	// (so that the caller sends what it has gathered). It returns os.ErrClosed after Close.
	Read(s *packet.Super, idle func()) error
	// Write writes one super-packet. Octets before s.Off may be overwritten (virtio-net header).
	// A packet that the device refuses returns an error and is lost; after Close it is os.ErrClosed.
	Write(s *packet.Super) error
}

// Polled is a Queue that can be waited for together with sockets (package poll).
type Polled interface {
	Queue
	// TryRead is Read without waiting: ok is false when no super-packet is there.
	TryRead(s *packet.Super) (ok bool, err error)
	// SyscallConn is the queue's descriptor.
	SyscallConn() (syscall.RawConn, error)
}
