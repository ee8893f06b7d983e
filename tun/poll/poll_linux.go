package poll

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Set is sources that are waited for together. Wait is for one goroutine; Stop is safe at any time.
//
// It waits with ppoll(2), which puts the sleeper on the sources' own wait queues only while it sleeps: what comes while nobody waits costs
// nothing. (In an epoll instance each packet pays for being noted there, and for each instance that watches that one.) For
// the same reason the sources must not be watched by Go's poller; see File.
type Set struct {
	stop int // an eventfd that becomes readable with Stop, and stays so

	// What a Wait needs; it belongs to the one goroutine that waits.
	fds    []unix.PollFd // the sources, and stop behind them
	direct bool          // there is a processor to keep
}

// New makes a set of descriptors, at most MaxSources. They have to stay open until Stop. The i-th is bit i of what Wait returns.
func New(sources ...syscall.RawConn) (*Set, error) {
	s := &Set{stop: -1}
	sets.Add(1)
	if err := s.open(sources); err != nil {
		return nil, errors.Join(fmt.Errorf("poll: %w", err), s.Close())
	}
	s.direct = spare()
	return s, nil
}

func (s *Set) open(sources []syscall.RawConn) (err error) {
	if s.stop, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	s.fds = []unix.PollFd{readable(s.stop)}
	for _, source := range sources {
		if err := s.Add(source); err != nil {
			return err
		}
	}
	return nil
}

func readable(fd int) unix.PollFd { return unix.PollFd{Fd: int32(fd), Events: unix.POLLIN} }

// Add puts a source behind the others. Like Remove it is for the goroutine that waits.
func (s *Set) Add(source syscall.RawConn) error {
	last := len(s.fds) - 1
	if last == MaxSources {
		return fmt.Errorf("poll: no more than %d sources", MaxSources)
	}
	return source.Control(func(fd uintptr) { s.fds = slices.Insert(s.fds, last, readable(int(fd))) })
}

// Remove takes the i-th source out; those behind it move up.
func (s *Set) Remove(i int) { s.fds = slices.Delete(s.fds, i, i+1) }

// Wait returns the sources that are readable or failed, at least one, as bits. After Stop it returns net.ErrClosed.
func (s *Set) Wait() (ready uint64, err error) {
	if s.direct {
		ready, err = s.linger()
	}
	if ready == 0 && err == nil {
		ready, err = s.park()
		s.direct = spare()
	}
	if err == nil && s.fds[len(s.fds)-1].Revents != 0 {
		return 0, net.ErrClosed
	}
	return ready, err
}

// linger sleeps in the kernel until a source is ready, at most for Linger. The scheduler is not told of the system call, which is
// the point of it. A signal to make this goroutine give way ends it with EINTR, and then it sleeps on.
func (s *Set) linger() (ready uint64, err error) {
	until := time.Now().Add(Linger)
	for left := Linger; left > 0; left = time.Until(until) {
		sleep := unix.NsecToTimespec(int64(left))
		n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&s.fds[0])), uintptr(len(s.fds)),
			uintptr(unsafe.Pointer(&sleep)), 0, 0, 0)
		if ready, err = s.result(n, errno); ready != 0 || err != nil {
			break
		}
	}
	return ready, err
}

// park sleeps until a source is ready, and the scheduler knows it: the processor is for others.
func (s *Set) park() (ready uint64, err error) {
	for ready == 0 && err == nil {
		n, _, errno := unix.Syscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&s.fds[0])), uintptr(len(s.fds)), 0, 0, 0, 0)
		ready, err = s.result(n, errno)
	}
	return ready, err
}

// result is what ppoll found: nothing when it was interrupted. The eventfd has the bit behind the sources'.
func (s *Set) result(n uintptr, errno syscall.Errno) (ready uint64, err error) {
	switch {
	case errno == unix.EINTR || errno == 0 && n == 0:
		return 0, nil
	case errno != 0:
		return 0, fmt.Errorf("poll: ppoll: %w", errno)
	}
	for i := range s.fds {
		if s.fds[i].Revents != 0 {
			ready |= 1 << i
		}
	}
	return ready, nil
}

// Stop ends the Wait under way and all to come. The set is to be closed when the last has returned.
func (s *Set) Stop() {
	one := [8]byte{1}
	_, _ = unix.Write(s.stop, one[:]) // full or not, it is readable
}

// Close frees the set. No Wait or Stop may be under way or come.
func (s *Set) Close() error {
	sets.Add(-1)
	if s.stop < 0 {
		return nil
	}
	return unix.Close(s.stop)
}
