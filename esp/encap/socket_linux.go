package encap

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/goswan/goswan/tun/packet"
	"github.com/goswan/goswan/tun/poll"
)

// prepare sets the options of a socket before it is bound. What the host does not permit and we can live without is
// returned as sentences.
func prepare(rc syscall.RawConn, v6, natt, shared bool, c Config) (refused []string, err error) {
	e := rc.Control(func(fd uintptr) {
		if refused, err = prepareFD(int(fd), v6, natt, c); err == nil && shared {
			err = sharePort(int(fd))
		}
	})
	return refused, errors.Join(e, err)
}

func prepareFD(fd int, v6, natt bool, c Config) (refused []string, err error) {
	if c.Mark != 0 {
		switch e := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(c.Mark)); e {
		case nil:
		case unix.EPERM:
			refused = append(refused, refusedMark)
		default:
			return nil, fmt.Errorf("SO_MARK: %w", e)
		}
	}
	buffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, c.Buffer)
	buffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, c.Buffer)
	// A kernel before 5.0 has no UDP_GRO; then each datagram comes alone.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1)
	level, options := unix.IPPROTO_IP, []int{unix.IP_PKTINFO, unix.IP_RECVTOS}
	discover := unix.IP_MTU_DISCOVER
	if v6 {
		level, options = unix.IPPROTO_IPV6, []int{unix.IPV6_RECVPKTINFO, unix.IPV6_RECVTCLASS}
		discover = unix.IPV6_MTU_DISCOVER
	}
	how := unix.IP_PMTUDISC_DONT // the numbers are the same in both families
	if c.DontFragment || natt {
		how = unix.IP_PMTUDISC_DO
	}
	for _, option := range options {
		if e := unix.SetsockoptInt(fd, level, option, 1); e != nil {
			return nil, fmt.Errorf("socket option %d of level %d: %w", option, level, e)
		}
	}
	if e := unix.SetsockoptInt(fd, level, discover, how); e != nil {
		return nil, fmt.Errorf("IP_MTU_DISCOVER: %w", e)
	}
	return refused, nil
}

// share lets other sockets of this user bind the socket's port; ok is false where that cannot be.
func share(s socket) (ok bool, err error) {
	l, ok := s.(*linuxSocket)
	if !ok {
		return false, nil
	}
	if e := l.file.Control(func(fd uintptr) { err = sharePort(int(fd)) }); e != nil {
		return true, e
	}
	return true, err
}

func sharePort(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return fmt.Errorf("SO_REUSEPORT: %w", err)
	}
	return nil
}

// buffer asks for a socket buffer, beyond the host's limit where we may.
func buffer(fd, force, normal, octets int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, octets) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, normal, octets) // the host caps it
	}
}

// mark puts the mark on a socket where that is permitted.
func mark(rc syscall.RawConn, mark uint32) error {
	if mark == 0 {
		return nil
	}
	return rc.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(mark))
	})
}

// linuxSocket reads and writes trains: recvmsg with UDP_GRO, sendmsg with UDP_SEGMENT, straight on the descriptor.
type linuxSocket struct {
	file *poll.File
	natt bool
	port uint16
	in   receiver
	// between are the addresses of a connected socket, see direct.
	between   pair
	forgotten atomic.Bool
	// whole: DF is never switched off, or never on.
	whole bool
	loose sync.Mutex // held while DF is off

	// alone holds, for each of a few classes of destinations, how many trains are still to be sent as single datagrams
	// because the kernel refused UDP_SEGMENT on the way there.
	alone [256]atomic.Uint32
}

// aloneFor is the number of trains after which UDP_SEGMENT is tried again.
const aloneFor = 4096

// openSocket takes the descriptor away from Go's poller.
func openSocket(c *net.UDPConn, natt bool, config Config) (socket, error) {
	port := c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	rc, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	var failed error
	err = rc.Control(func(x uintptr) { fd, failed = unix.FcntlInt(x, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(err, failed); err != nil {
		return nil, err
	}
	file, err := poll.NewFile(fd, "udp")
	if err != nil {
		return nil, err
	}
	if err := c.Close(); err != nil { // the socket lives on in its copy
		return nil, errors.Join(err, file.Close())
	}
	s := &linuxSocket{file: file, natt: natt, port: port, whole: config.DontFragment || !natt}
	s.in.init()
	return s, nil
}

// NATT implements Conn.
func (s *linuxSocket) NATT() bool { return s.natt }

func (s *linuxSocket) close() error { return s.file.Close() }

// Read implements Conn.
func (s *linuxSocket) Read(t *packet.Train, idle func()) error {
	for {
		if ok, err := s.TryRead(t); ok || err != nil {
			return err
		}
		if idle != nil {
			idle()
			idle = nil
			continue
		}
		if err := s.file.WaitRead(); err != nil {
			return err
		}
	}
}

// TryRead implements Polled.
func (s *linuxSocket) TryRead(t *packet.Train) (ok bool, err error) {
	ok, err = s.in.tryRead(s.file, s.port, t)
	if !ok && err == nil && s.forgotten.Load() {
		err = ErrForgotten
	}
	return ok, err
}

// SyscallConn implements Polled.
func (s *linuxSocket) SyscallConn() (syscall.RawConn, error) { return s.file, nil }

func (s *linuxSocket) send(t *packet.Train) error {
	x := senders.Get().(*sender)
	defer x.free()
	x.prepare(t, s.connected())
	if t.Fragment && !s.whole {
		return s.fragments(x, t)
	}
	err := s.whatFits(x, t)
	if err != ErrTooBig || s.whole {
		return err
	}
	if err := s.fragments(x, t); err != nil {
		return err
	}
	return ErrFragmented
}

// fragments sends a train whose datagrams do not fit the path. Linux sets DF for a socket, not for a datagram: while it is off, what
// others send through the socket goes out as if they did not mind.
func (s *linuxSocket) fragments(x *sender, t *packet.Train) error {
	s.loose.Lock()
	defer s.loose.Unlock()
	if err := s.discover(x, t, unix.IP_PMTUDISC_WANT); err != nil {
		return err
	}
	err := x.each(s.file, t) // the kernel does not cut a train into datagrams that it then has to fragment
	return errors.Join(err, s.discover(x, t, unix.IP_PMTUDISC_DO))
}

// discover sets what the socket does about the path's MTU.
func (s *linuxSocket) discover(x *sender, t *packet.Train, how int) error {
	x.discovery = [3]int{unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, how}
	if t.Remote.Addr().Is6() {
		x.discovery = [3]int{unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, how}
	}
	if s.file.Control(x.discover) != nil {
		return net.ErrClosed
	}
	if x.errno != 0 {
		return x.err(t)
	}
	return nil
}

// whatFits sends a train if its datagrams fit the path.
func (s *linuxSocket) whatFits(x *sender, t *packet.Train) error {
	if t.Count() == 1 {
		return x.atOnce(s.file, t)
	}
	slot := &s.alone[class(t.Remote.Addr())]
	if left := slot.Load(); left > 0 {
		slot.CompareAndSwap(left, left-1)
		return x.each(s.file, t)
	}
	err := x.atOnce(s.file, t)
	if !x.segmentsRefused() {
		return err
	}
	err = x.each(s.file, t)
	if err == nil {
		slot.Store(aloneFor)
	}
	return err
}

// native reads and writes a 32-bit integer in the host's order.
func native(b []byte) *int32 { return (*int32)(unsafe.Pointer(&b[0])) }
