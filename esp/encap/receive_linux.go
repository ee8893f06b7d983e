package encap

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/goswan/goswan/tun/packet"
	"github.com/goswan/goswan/tun/poll"
)

// receiver is what one read needs and the kernel writes; it belongs to the one goroutine that reads the socket.
type receiver struct {
	name unix.RawSockaddrInet6 // or an Inet4
	ctl  [32]uint64            // ancillary data, aligned
	hdr  unix.Msghdr
	iov  unix.Iovec

	n     int
	errno syscall.Errno
	try   func(fd uintptr)
	// faults is how many reads in a row failed for reasons unknown to us.
	faults int

	at   netip.Addr    // the local address where the kernel does not tell it, because the socket is bound to it
	rest *packet.Train // datagrams beyond MaxCars, kept for the next read; nil until the first time
	zone zone
}

func (r *receiver) init() { r.try = r.tryReceive }

// tryRead reads the next train; ok is false when nothing is there.
func (r *receiver) tryRead(file *poll.File, port uint16, t *packet.Train) (ok bool, err error) {
	for {
		r.into(t)
		if r.errno = 0; !r.kept() {
			if err := file.Control(r.try); err != nil {
				return false, net.ErrClosed
			}
		}
		if r.errno == unix.EAGAIN {
			return false, nil
		}
		if ok, err := r.took(t, port); ok || err != nil {
			return ok, err
		}
	}
}

// into makes t what the next read fills.
func (r *receiver) into(t *packet.Train) {
	r.iov.Base = &t.Buf[0]
	r.iov.SetLen(min(len(t.Buf), 1<<16))
}

// kept says that an earlier read left datagrams.
func (r *receiver) kept() bool { return r.rest != nil && r.rest.Len > 0 }

// took makes t of what was read; ok is false for an empty datagram and for an error that came back for something sent.
func (r *receiver) took(t *packet.Train, port uint16) (ok bool, err error) {
	switch {
	case r.kept():
		r.takeRest(t)
	case r.errno == 0 && r.n > 0:
		r.fill(t, port)
	case r.errno == 0 || icmp(r.errno):
		return false, nil
	case r.faults == maxFaults:
		return false, fmt.Errorf("encap: receive: %w", r.errno)
	default:
		r.faults++
		return false, nil
	}
	r.faults = 0
	return true, nil
}

// tryReceive is one attempt.
func (r *receiver) tryReceive(fd uintptr) {
	for {
		r.hdr = unix.Msghdr{
			Name: (*byte)(unsafe.Pointer(&r.name)), Namelen: unix.SizeofSockaddrInet6,
			Iov: &r.iov, Control: (*byte)(unsafe.Pointer(&r.ctl)),
		}
		r.hdr.SetIovlen(1)
		r.hdr.SetControllen(len(r.ctl) * 8)
		n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&r.hdr)), unix.MSG_DONTWAIT)
		r.n, r.errno = int(n), errno
		if errno != unix.EINTR {
			return
		}
	}
}

// icmp says that an error is one that an ICMP message makes a socket report.
func icmp(errno syscall.Errno) bool {
	switch errno {
	case unix.ECONNREFUSED, unix.ECONNRESET, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN, unix.ENETDOWN,
		unix.EMSGSIZE, unix.EPROTO, unix.EOPNOTSUPP, unix.ENOPROTOOPT, unix.EACCES, unix.EPERM, unix.ETIMEDOUT, unix.ENONET:
		return true
	}
	return false
}

// fill makes the train of what the kernel wrote.
func (r *receiver) fill(t *packet.Train, port uint16) {
	t.Len = min(r.n, len(t.Buf))
	t.Seg, t.TOS = t.Len, 0
	t.Remote = r.remote()
	local := r.at
	control := unsafe.Slice((*byte)(unsafe.Pointer(&r.ctl)), min(int(r.hdr.Controllen), len(r.ctl)*8))
	for len(control) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
		length := int(h.Len)
		if length < unix.CmsgLen(0) || length > len(control) {
			break
		}
		data := control[unix.CmsgLen(0):length]
		switch {
		case h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO && len(data) >= 4:
			if seg := int(*native(data)); seg > 0 {
				t.Seg = min(seg, t.Len)
			}
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			local = netip.AddrFrom4([4]byte(data[4:8])) // ipi_spec_dst
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_TOS && len(data) >= 1:
			t.TOS = data[0]
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			local = r.zone.add(netip.AddrFrom16([16]byte(data[:16])), binary.NativeEndian.Uint32(data[16:]))
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_TCLASS && len(data) >= 4:
			t.TOS = uint8(*native(data))
		}
		control = control[min(unix.CmsgSpace(len(data)), len(control)):]
	}
	t.Local = netip.AddrPortFrom(local, port)
	if t.Count() > packet.MaxCars {
		r.keepRest(t)
	}
}

func (r *receiver) remote() netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&r.name.Port))[:])
	if r.name.Family == unix.AF_INET {
		a := (*unix.RawSockaddrInet4)(unsafe.Pointer(&r.name))
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), port)
	}
	return netip.AddrPortFrom(r.zone.add(netip.AddrFrom16(r.name.Addr), r.name.Scope_id), port)
}

// keepRest cuts a train at MaxCars; newer kernels join more.
func (r *receiver) keepRest(t *packet.Train) {
	if r.rest == nil {
		r.rest = packet.NewTrain()
	}
	cut := packet.MaxCars * t.Seg
	r.rest.Len = copy(r.rest.Buf, t.Buf[cut:t.Len])
	r.rest.Seg, r.rest.Local, r.rest.Remote, r.rest.TOS = t.Seg, t.Local, t.Remote, t.TOS
	t.Len = cut
}

// takeRest is a read from what an earlier one left.
func (r *receiver) takeRest(t *packet.Train) {
	t.Len = copy(t.Buf, r.rest.Buf[:r.rest.Len])
	t.Seg, t.Local, t.Remote, t.TOS = r.rest.Seg, r.rest.Local, r.rest.Remote, r.rest.TOS
	r.rest.Len = 0
	if t.Count() > packet.MaxCars {
		r.keepRest(t)
	}
}

// zone remembers the last interface index with its zone, since making one allocates.
type zone struct {
	index uint32
	name  string
}

// add gives a link-local address its zone, which is the interface's index in decimal; any other address has none.
func (z *zone) add(a netip.Addr, index uint32) netip.Addr {
	if !a.IsLinkLocalUnicast() || index == 0 {
		return a
	}
	if z.index != index {
		z.index, z.name = index, strconv.FormatUint(uint64(index), 10)
	}
	return a.WithZone(z.name)
}

// zoneIndex is the index of an interface by name, 0 when there is none.
func zoneIndex(name string) uint32 {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return 0
	}
	return uint32(i.Index)
}
