package poll

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// File is a non-blocking descriptor that Go's poller does not watch: each packet would wake it, though somebody else is waiting. Its
// methods are safe for concurrent use, but for WaitRead, which is for one goroutine. The descriptor stays open while one is under way.
type File struct {
	syscall.RawConn // for Control; Read and Write cannot wait
	file            *os.File

	mu     sync.Mutex // protects what follows; not held while waiting
	closed bool
	alone  *Set
	reader sync.Mutex // held while waiting
}

// NewFile takes a descriptor over, also when it fails.
func NewFile(fd int, name string) (*File, error) {
	// os.NewFile gives Go's poller what is non-blocking.
	if err := unix.SetNonblock(fd, false); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("poll: %w", err)
	}
	file := os.NewFile(uintptr(fd), name)
	f, err := Unwatched(file)
	if err != nil {
		_ = file.Close()
	}
	return f, err
}

// Unwatched is a File of one that os.NewFile made of a blocking descriptor.
func Unwatched(file *os.File) (*File, error) {
	rc, err := file.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("poll: %w", err)
	}
	var failed error
	err = rc.Control(func(fd uintptr) { failed = unix.SetNonblock(int(fd), true) })
	if err = errors.Join(err, failed); err != nil {
		return nil, fmt.Errorf("poll: %w", err)
	}
	return &File{RawConn: rc, file: file}, nil
}

// WaitRead waits until there is something to read. After Close it returns net.ErrClosed.
func (f *File) WaitRead() error {
	f.reader.Lock()
	defer f.reader.Unlock()
	set, err := f.set()
	if err != nil {
		return err
	}
	_, err = set.Wait()
	return err
}

// set is the set of this file alone.
func (f *File) set() (*Set, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, net.ErrClosed
	}
	if f.alone == nil {
		alone, err := New(f.RawConn)
		if err != nil {
			return nil, err
		}
		f.alone = alone
	}
	return f.alone, nil
}

// WaitWrite waits until there is room to write, a while at most: the caller tries again in any case. After Close it returns
// net.ErrClosed.
func (f *File) WaitWrite() error {
	var failed error
	if err := f.Control(func(fd uintptr) {
		// So short that Close need not end it. The scheduler is told: others run meanwhile.
		_, failed = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 100)
	}); err != nil {
		return net.ErrClosed
	}
	if failed != nil && failed != unix.EINTR {
		return fmt.Errorf("poll: %w", failed)
	}
	return nil
}

// Close closes the descriptor and ends a WaitRead under way. It may be called more than once.
func (f *File) Close() error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil
	}
	f.closed = true
	alone := f.alone
	f.mu.Unlock()
	if alone != nil {
		alone.Stop()
		f.reader.Lock() // until the reader has left
		defer f.reader.Unlock()
		_ = alone.Close()
	}
	return f.file.Close()
}
