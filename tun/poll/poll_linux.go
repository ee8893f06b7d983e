package poll

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Set is sources that are waited for together. Wait is for one goroutine; Stop is safe at any time.
//
// The sources are in an epoll instance, and that is in another, the gate, which Go's poller watches. The gate is open only while Wait
// is parked: otherwise Go's poller would be woken by each packet for nothing. For the same reason the sources must not be
// watched by Go's poller themselves; see File.
type Set struct {
	fd   int // the sources
	gate *os.File
	rc   syscall.RawConn // of the gate
	stop int             // an eventfd that becomes readable with Stop, and stays so

	// What a Wait needs; it belongs to the one goroutine that waits.
	events [MaxSources + 1]unix.EpollEvent
	ready  uint64 // a bit for each source that is ready
	errno  syscall.Errno
	direct bool // there is a processor to keep
	look   func(uintptr) bool
	turn   func(uintptr)
	wanted uint32
	swung  error
}

// stopped is the number of the eventfd among the sources.
const stopped = MaxSources

// New makes a set of descriptors, at most MaxSources. They have to stay open until Stop. The i-th is bit i of what Wait returns.
func New(sources ...syscall.RawConn) (*Set, error) {
	if len(sources) > MaxSources {
		return nil, fmt.Errorf("poll: %d sources, at most %d", len(sources), MaxSources)
	}
	s := &Set{fd: -1, stop: -1}
	s.look, s.turn = s.looks, s.turns
	sets.Add(1)
	if err := s.open(sources); err != nil {
		return nil, errors.Join(fmt.Errorf("poll: %w", err), s.Close())
	}
	s.direct = spare()
	return s, nil
}

func (s *Set) open(sources []syscall.RawConn) (err error) {
	if s.fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll_create1: %w", err)
	}
	if s.stop, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	if err := control(s.fd, unix.EPOLL_CTL_ADD, s.stop, unix.EPOLLIN, stopped); err != nil {
		return err
	}
	for i, source := range sources {
		var failed error
		err := source.Control(func(fd uintptr) { failed = control(s.fd, unix.EPOLL_CTL_ADD, int(fd), unix.EPOLLIN, i) })
		if err = errors.Join(err, failed); err != nil {
			return err
		}
	}
	return s.openGate()
}

func (s *Set) openGate() error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("epoll_create1: %w", err)
	}
	// A non-blocking descriptor is one that os.NewFile gives to Go's poller.
	err = unix.SetNonblock(fd, true)
	s.gate = os.NewFile(uintptr(fd), "gate")
	if err != nil {
		return err
	}
	if s.rc, err = s.gate.SyscallConn(); err != nil {
		return err
	}
	return control(fd, unix.EPOLL_CTL_ADD, s.fd, 0, 0)
}

// swing opens the gate to Go's poller (events is unix.EPOLLIN) or closes it (0).
func (s *Set) swing(events uint32) error {
	s.wanted = events
	if err := s.rc.Control(s.turn); err != nil {
		return err
	}
	return s.swung
}

func (s *Set) turns(gate uintptr) {
	s.swung = control(int(gate), unix.EPOLL_CTL_MOD, s.fd, s.wanted, 0)
}

func control(epoll, op, fd int, events uint32, number int) error {
	e := unix.EpollEvent{Events: events, Fd: int32(number)}
	if err := unix.EpollCtl(epoll, op, fd, &e); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// Wait returns the sources that are readable or failed, at least one, as bits. After Stop it returns net.ErrClosed.
func (s *Set) Wait() (ready uint64, err error) {
	s.ready, s.errno = 0, 0
	if s.direct {
		s.linger()
	}
	if s.ready == 0 && s.errno == 0 {
		err = s.park()
		s.direct = spare()
	}
	switch {
	case s.ready&(1<<stopped) != 0:
		return 0, net.ErrClosed
	case s.errno != 0:
		return 0, fmt.Errorf("poll: epoll_pwait: %w", s.errno)
	case err != nil:
		return 0, fmt.Errorf("poll: %w", err)
	}
	return s.ready, nil
}

// linger sleeps in the kernel until a source is ready, at most for Linger.
func (s *Set) linger() {
	until := time.Now().Add(Linger)
	for {
		left := time.Until(until).Milliseconds()
		if left <= 0 || s.poll(left) {
			return
		}
	}
}

// park waits in Go's poller.
func (s *Set) park() error {
	if err := s.swing(unix.EPOLLIN); err != nil {
		return err
	}
	if err := s.rc.Read(s.look); err != nil {
		return err
	}
	return s.swing(0)
}

// looks sees what is ready; false means that nothing is.
func (s *Set) looks(uintptr) bool {
	return s.poll(0) // which does not sleep, so that no signal ends it
}

// poll asks the kernel once. It reports whether there is an answer: sources in ready, or an error. The scheduler is not told of the
// system call, which is the point of it; a signal to make this goroutine give way ends it with EINTR, and then no answer has come.
func (s *Set) poll(milliseconds int64) bool {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(s.fd), uintptr(unsafe.Pointer(&s.events[0])),
		uintptr(len(s.events)), uintptr(milliseconds), 0, 0)
	if errno == unix.EINTR {
		return false
	}
	if s.errno = errno; errno != 0 {
		return true
	}
	for _, e := range s.events[:n] {
		s.ready |= 1 << e.Fd
	}
	return n > 0
}

// Stop ends the Wait under way and all to come. The set is to be closed when the last has returned.
func (s *Set) Stop() {
	one := [8]byte{1}
	_, _ = unix.Write(s.stop, one[:]) // full or not, it is readable
}

// Close frees the set. No Wait or Stop may be under way or come.
func (s *Set) Close() error {
	sets.Add(-1)
	var err error
	for _, fd := range []int{s.fd, s.stop} {
		if fd >= 0 {
			err = errors.Join(err, unix.Close(fd))
		}
	}
	if s.gate != nil {
		err = errors.Join(err, s.gate.Close())
	}
	return err
}
