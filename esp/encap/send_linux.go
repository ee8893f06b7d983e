package encap

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/goswan/goswan/tun/packet"
	"github.com/goswan/goswan/tun/poll"
)

// letter is what the kernel reads of one train beside its octets: address and ancillary data.
type letter struct {
	name    unix.RawSockaddrInet6 // or an Inet4, which is shorter
	nameLen uint32
	ctl     [16]uint64 // ancillary data, aligned
	ctlLen  int
	iov     unix.Iovec
}

// sender is what one send needs. It is reused, with its closure, so that sending allocates nothing.
type sender struct {
	letter
	hdr  unix.Msghdr
	many [packet.MaxCars]mmsghdr
	iovs [packet.MaxCars]unix.Iovec
	// next and count are the messages of many that are still to be sent; count 0 means hdr is to be sent instead.
	next, count int

	errno syscall.Errno
	try   func(fd uintptr)

	discovery [3]int // level, option and value for discover
	discover  func(fd uintptr)
}

// mmsghdr is struct mmsghdr of sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

var senders = sync.Pool{New: func() any {
	x := new(sender)
	x.try = x.trySend
	x.discover = x.setDiscovery
	return x
}}

// setDiscovery sets what the socket does about the path's MTU.
func (x *sender) setDiscovery(fd uintptr) {
	x.errno = 0
	if err := unix.SetsockoptInt(int(fd), x.discovery[0], x.discovery[1], x.discovery[2]); err != nil {
		x.errno, _ = err.(syscall.Errno)
	}
}

// free gives the sender back, without holding on to the caller's buffer.
func (x *sender) free() {
	x.iov.Base = nil
	for i := range x.iovs[:x.count] {
		x.iovs[i].Base = nil
	}
	x.count = 0
	senders.Put(x)
}

// prepare fills in the address and the ancillary data that each datagram of the train carries. A connected socket knows both addresses;
// naming them would make the kernel look up the way again.
func (x *letter) prepare(t *packet.Train, connected bool) {
	x.nameLen, x.ctlLen = 0, 0
	local := netip.Addr{}
	if !connected {
		x.address(t.Remote)
		local = t.Local.Addr()
	}
	if local.IsUnspecified() {
		local = netip.Addr{}
	}
	if t.Remote.Addr().Is4() {
		if local.Is4() {
			info := x.append(unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
			a := local.As4()
			copy(info[4:8], a[:]) // ipi_spec_dst
		}
		if t.TOS != 0 {
			*native(x.append(unix.IPPROTO_IP, unix.IP_TOS, 4)) = int32(t.TOS)
		}
		return
	}
	if local.Is6() {
		info := x.append(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
		a := local.As16()
		copy(info[:16], a[:])
	}
	if t.TOS != 0 {
		*native(x.append(unix.IPPROTO_IPV6, unix.IPV6_TCLASS, 4)) = int32(t.TOS)
	}
}

func (x *letter) address(to netip.AddrPort) {
	if to.Addr().Is4() {
		a := (*unix.RawSockaddrInet4)(unsafe.Pointer(&x.name))
		*a = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: to.Addr().As4()}
		binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&a.Port))[:], to.Port())
		x.nameLen = unix.SizeofSockaddrInet4
		return
	}
	x.name = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: to.Addr().As16(), Scope_id: scope(to.Addr())}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&x.name.Port))[:], to.Port())
	x.nameLen = unix.SizeofSockaddrInet6
}

// scope is the interface index of an address with a zone.
func scope(a netip.Addr) uint32 {
	zone := a.Zone()
	if zone == "" {
		return 0
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	return zoneIndex(zone)
}

// append adds one ancillary item and returns its n octets, zeroed.
func (x *letter) append(level, kind int32, n int) []byte {
	all := unsafe.Slice((*byte)(unsafe.Pointer(&x.ctl)), len(x.ctl)*8)
	item := all[x.ctlLen : x.ctlLen+unix.CmsgSpace(n)]
	clear(item)
	h := (*unix.Cmsghdr)(unsafe.Pointer(&item[0]))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(n))
	x.ctlLen += len(item)
	return item[unix.CmsgLen(0):][:n]
}

// message is one message header over an iovec, with the address and all ancillary data.
func (x *letter) message(iov *unix.Iovec) unix.Msghdr {
	h := unix.Msghdr{Iov: iov}
	h.SetIovlen(1)
	if x.nameLen > 0 {
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&x.name)), x.nameLen
	}
	if x.ctlLen > 0 {
		h.Control = (*byte)(unsafe.Pointer(&x.ctl))
		h.SetControllen(x.ctlLen)
	}
	return h
}

// whole is the message of a whole train, which the kernel cuts into its datagrams (UDP_SEGMENT). It may be followed by messages of
// single datagrams once ctlLen is what it was.
func (x *letter) whole(t *packet.Train) unix.Msghdr {
	if t.Count() > 1 {
		size := x.append(unix.IPPROTO_UDP, unix.UDP_SEGMENT, 2)
		binary.NativeEndian.PutUint16(size, uint16(t.Seg))
	}
	x.iov.Base = &t.Buf[0]
	x.iov.SetLen(t.Len)
	return x.message(&x.iov)
}

// atOnce sends the train with one sendmsg.
func (x *sender) atOnce(file *poll.File, t *packet.Train) error {
	before := x.ctlLen
	x.hdr = x.whole(t)
	x.next, x.count = 0, 0
	err := x.run(file, t)
	x.ctlLen = before
	return err
}

// each sends the train's datagrams with sendmmsg.
func (x *sender) each(file *poll.File, t *packet.Train) error {
	for at := 0; at < t.Count(); at += len(x.many) {
		x.next, x.count = 0, min(t.Count()-at, len(x.many))
		for i := range x.count {
			d := t.Datagram(at + i)
			x.iovs[i].Base = &d[0]
			x.iovs[i].SetLen(len(d))
			x.many[i].hdr = x.message(&x.iovs[i])
		}
		if err := x.run(file, t); err != nil {
			return err
		}
	}
	return nil
}

// run sends what whole or each prepared and waits for room when the socket's buffer is full.
func (x *sender) run(file *poll.File, t *packet.Train) error {
	err := file.Control(x.try)
	for err == nil && x.errno == unix.EAGAIN {
		if err = file.WaitWrite(); err == nil {
			err = file.Control(x.try)
		}
	}
	if err != nil {
		return net.ErrClosed
	}
	return x.err(t)
}

// trySend is one attempt.
func (x *sender) trySend(fd uintptr) {
	for try := 0; ; try++ {
		n := 0
		if n, x.errno = x.call(fd); x.errno == 0 {
			x.next += n
			if x.next < x.count {
				continue
			}
			return
		}
		// An ICMP error for an earlier datagram is reported once and says nothing about this one.
		if again := x.errno == unix.EINTR || x.errno == unix.ECONNREFUSED; again && try < packet.MaxCars+8 {
			continue
		}
		return
	}
}

// call makes the system call; the number of messages sent is 0 for a whole train. It never blocks, so the scheduler need not know.
func (x *sender) call(fd uintptr) (int, syscall.Errno) {
	if x.count == 0 {
		_, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&x.hdr)), unix.MSG_DONTWAIT)
		return 0, errno
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&x.many[x.next])),
		uintptr(x.count-x.next), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

// segmentsRefused says that the last send of a whole train failed as it does where UDP_SEGMENT cannot be used: an old
// kernel or a device without checksum offload, or a segment larger than the path's MTU (which fragments when alone).
func (x *sender) segmentsRefused() bool {
	switch x.errno {
	case unix.EINVAL, unix.EIO, unix.EMSGSIZE, unix.EOPNOTSUPP, unix.ENOPROTOOPT:
		return true
	}
	return false
}

func (x *sender) err(t *packet.Train) error {
	switch x.errno {
	case 0:
		return nil
	case unix.EMSGSIZE:
		return ErrTooBig
	case unix.EINVAL, unix.ENETUNREACH, unix.EADDRNOTAVAIL:
		// A route look-up from an address that is not the host's fails with any of these.
		if foreign(t.Local.Addr()) {
			return ErrNoAddress
		}
	}
	return fmt.Errorf("encap: send to %v: %w", t.Remote, x.errno)
}

// foreign says that an address was asked for that the host cannot send from: it cannot be bound.
func foreign(a netip.Addr) bool {
	if !a.IsValid() || a.IsUnspecified() {
		return false
	}
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0)))
	if err != nil {
		return hostLacksFamily(err)
	}
	_ = c.Close()
	return false
}
