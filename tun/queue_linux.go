package tun

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/goswan/goswan/tun/packet"
	"github.com/goswan/goswan/tun/poll"
)

// offloads are what wireguard's CreateTUNFromFile switches on: checksums and TCP always, UDP from Linux 6.2 on.
const offloads = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_USO4 | unix.TUN_F_USO6

func newVnetQueue(name string, file *poll.File) *vnetQueue {
	q := &vnetQueue{name: name, file: file}
	q.in.try = q.in.tryRead
	return q
}

// inspect makes sure that the file speaks as we do, and finds out whether it takes super-packets of UDP.
func (q *vnetQueue) inspect() error {
	var n int
	var failed error
	err := q.file.Control(func(fd uintptr) {
		n, failed = unix.IoctlGetInt(int(fd), unix.TUNGETVNETHDRSZ)
		q.uso = unix.IoctlSetInt(int(fd), unix.TUNSETOFFLOAD, offloads) == nil
	})
	switch {
	case err != nil:
		return err
	case failed != nil:
		return fmt.Errorf("TUNGETVNETHDRSZ: %w", failed)
	case n != virtioLen:
		return fmt.Errorf("a virtio-net header of %d octets, want %d", n, virtioLen)
	}
	return nil
}

// vnetQueue reads and writes super-packets straight on the device's file.
type vnetQueue struct {
	name string
	file *poll.File
	uso  bool
	in   vnetReader
}

// vnetReader is what one read needs; it belongs to the one goroutine that reads.
type vnetReader struct {
	buf   []byte
	n     int
	errno syscall.Errno
	try   func(fd uintptr)
}

// tryRead is one attempt.
func (r *vnetReader) tryRead(fd uintptr) {
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&r.buf[0])), uintptr(len(r.buf)))
		r.n, r.errno = int(n), errno
		if errno != unix.EINTR {
			return
		}
	}
}

// Read implements Queue.
func (q *vnetQueue) Read(s *packet.Super, idle func()) error {
	for {
		if ok, err := q.TryRead(s); ok || err != nil {
			return err
		}
		if idle != nil {
			idle()
			idle = nil
			continue
		}
		if q.file.WaitRead() != nil {
			return os.ErrClosed
		}
	}
}

// TryRead implements Polled.
func (q *vnetQueue) TryRead(s *packet.Super) (ok bool, err error) {
	for {
		q.in.into(s)
		if q.file.Control(q.in.try) != nil {
			return false, os.ErrClosed
		}
		if q.in.errno == unix.EAGAIN {
			return false, nil
		}
		if ok, err := q.took(s); ok || err != nil {
			return ok, err
		}
	}
}

// SyscallConn implements Polled.
func (q *vnetQueue) SyscallConn() (syscall.RawConn, error) { return q.file, nil }

// Close closes the descriptor.
func (q *vnetQueue) Close() error {
	if err := q.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// into makes s what the next read fills.
func (r *vnetReader) into(s *packet.Super) {
	s.Off = packet.Headroom
	r.buf = s.Buf[s.Off-virtioLen : s.Off+packet.MaxPacket]
}

// took makes s of what was read; ok is false for what is no packet that can be sent on, of which the kernel makes none.
func (q *vnetQueue) took(s *packet.Super) (ok bool, err error) {
	if q.in.errno != 0 {
		return false, q.readError(q.in.errno)
	}
	if s.Len = q.in.n - virtioLen; s.Len <= 0 {
		return false, nil
	}
	s.GSO, err = decodeVirtio(q.in.buf, s.Bytes())
	return err == nil, nil
}

// gone is the error when the interface was deleted under us.
func (q *vnetQueue) gone() error { return fmt.Errorf("tun: %s is gone: %w", q.name, os.ErrClosed) }

func (q *vnetQueue) readError(errno syscall.Errno) error {
	if errno == unix.EBADFD { // the interface was deleted under us
		return q.gone()
	}
	return fmt.Errorf("tun: read %s: %w", q.name, errno)
}

// vnetWriter is what one write needs. It is reused, with its closure, so that writing allocates nothing.
type vnetWriter struct {
	buf   []byte
	errno syscall.Errno
	try   func(fd uintptr)
}

var vnetWriters = sync.Pool{New: func() any {
	w := new(vnetWriter)
	w.try = w.tryWrite
	return w
}}

// tryWrite is one attempt.
func (w *vnetWriter) tryWrite(fd uintptr) {
	for {
		_, _, w.errno = unix.RawSyscall(unix.SYS_WRITE, fd, uintptr(unsafe.Pointer(&w.buf[0])), uintptr(len(w.buf)))
		if w.errno != unix.EINTR {
			return
		}
	}
}

// Write implements Queue.
func (q *vnetQueue) Write(s *packet.Super) error {
	if s.Len <= 0 || s.Off < virtioLen {
		return ErrRefused
	}
	if s.GSO.Type == packet.GSOUDP && !q.uso {
		return q.writeSegments(s)
	}
	return q.write(s)
}

// writeSegments writes a super-packet that the kernel does not take packet by packet. It is used up.
func (q *vnetQueue) writeSegments(s *packet.Super) error {
	var view packet.View
	if err := view.Parse(s.Bytes()); err != nil {
		return err
	}
	var segments packet.Segments
	if err := segments.Start(s, &view); err != nil {
		return err
	}
	var first error
	for {
		off, n, ok := segments.Next()
		if !ok {
			return first
		}
		if err := q.write(&packet.Super{Buf: s.Buf, Off: off, Len: n}); err != nil && first == nil {
			first = err
		}
	}
}

func (q *vnetQueue) write(s *packet.Super) error {
	w := vnetWriters.Get().(*vnetWriter)
	w.buf = s.Buf[s.Off-virtioLen : s.Off+s.Len]
	encodeVirtio(w.buf, s.GSO)
	err := q.file.Control(w.try)
	for err == nil && w.errno == unix.EAGAIN { // the device has no room now
		if err = q.file.WaitWrite(); err == nil {
			err = q.file.Control(w.try)
		}
	}
	errno := w.errno
	w.buf = nil
	vnetWriters.Put(w)
	if err != nil {
		return os.ErrClosed
	}
	return q.writeError(errno)
}

func (q *vnetQueue) writeError(errno syscall.Errno) error {
	switch errno {
	case 0:
		return nil
	case unix.EIO:
		return ErrDown
	case unix.EINVAL:
		return ErrRefused
	case unix.EBADFD:
		return q.gone()
	}
	return fmt.Errorf("tun: write %s: %w", q.name, errno)
}
