package encap

import (
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// What stands before the payload of a datagram.
const (
	headersIPv4 = 20 + 8
	headersIPv6 = 40 + 8
)

// PathMTU implements PathMTU: a connected socket with our mark knows what the kernel learnt of its path (IP_MTU).
func (u *UDP) PathMTU(local, remote netip.AddrPort) int {
	d := net.Dialer{Control: func(_, _ string, rc syscall.RawConn) error { return mark(rc, u.config.Mark) }}
	from := local.Addr().Unmap()
	if from.IsValid() && !from.IsUnspecified() {
		d.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	remote = netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
	conn, err := d.Dial("udp", remote.String())
	if err != nil {
		return 0
	}
	defer conn.Close()
	rc, err := conn.(*net.UDPConn).SyscallConn()
	if err != nil {
		return 0
	}
	level, option, headers := unix.IPPROTO_IP, unix.IP_MTU, headersIPv4
	if remote.Addr().Is6() {
		level, option, headers = unix.IPPROTO_IPV6, unix.IPV6_MTU, headersIPv6
	}
	mtu := 0
	if err := rc.Control(func(fd uintptr) { mtu, err = unix.GetsockoptInt(int(fd), level, option) }); err != nil {
		return 0
	}
	return max(mtu-headers, 0)
}
