package tun

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
	wgtun "golang.zx2c4.com/wireguard/tun"

	"github.com/goswan/goswan/tun/packet"
)

// offloads are what wireguard's CreateTUN switches on: checksums and TCP always, UDP from Linux 6.2 on.
const offloads = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_USO4 | unix.TUN_F_USO6

// openQueue takes the device's file for a queue of super-packets; super is false for a device without virtio-net header.
func openQueue(device wgtun.Device, name string) (queue Queue, super bool, err error) {
	rc, err := device.File().SyscallConn()
	if err != nil {
		return nil, false, err
	}
	q := &vnetQueue{name: name, rc: rc}
	q.in.try = q.in.tryRead
	e := rc.Control(func(fd uintptr) { super, err = q.inspect(int(fd)) })
	if err = errors.Join(e, err); err == nil && !super {
		return newBatchQueue(device), false, nil
	}
	return q, super, err
}

// inspect tells whether the file speaks as CreateTUN leaves it, and finds out whether it takes super-packets of UDP.
func (q *vnetQueue) inspect(fd int) (super bool, err error) {
	ifr, err := unix.NewIfreq(q.name)
	if err != nil {
		return false, err
	}
	if err := unix.IoctlIfreq(fd, unix.TUNGETIFF, ifr); err != nil {
		return false, fmt.Errorf("TUNGETIFF: %w", err)
	}
	if ifr.Uint16()&unix.IFF_VNET_HDR == 0 {
		return false, nil
	}
	n, err := unix.IoctlGetInt(fd, unix.TUNGETVNETHDRSZ)
	if err != nil {
		return false, fmt.Errorf("TUNGETVNETHDRSZ: %w", err)
	}
	if n != virtioLen {
		return false, fmt.Errorf("a virtio-net header of %d octets, want %d", n, virtioLen)
	}
	q.uso = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, offloads) == nil
	return true, nil
}

// vnetQueue reads and writes super-packets straight on the device's file, which is non-blocking and waited for with
// Go's poller.
type vnetQueue struct {
	name string
	rc   syscall.RawConn
	uso  bool
	in   vnetReader
}

// vnetReader is what one read needs; it belongs to the one goroutine that reads.
type vnetReader struct {
	buf   []byte
	idle  func()
	n     int
	errno syscall.Errno
	try   func(fd uintptr) bool
}

// tryRead is one attempt; false means that nothing is waiting.
func (r *vnetReader) tryRead(fd uintptr) bool {
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&r.buf[0])), uintptr(len(r.buf)))
		r.n, r.errno = int(n), errno
		if errno == unix.EINTR {
			continue
		}
		if errno != unix.EAGAIN {
			return true
		}
		if r.idle == nil {
			return false
		}
		idle := r.idle
		r.idle = nil
		idle()
	}
}

// Read implements Queue.
func (q *vnetQueue) Read(s *packet.Super, idle func()) error {
	s.Off = packet.Headroom
	q.in.buf = s.Buf[s.Off-virtioLen : s.Off+packet.MaxPacket]
	q.in.idle = idle
	defer func() { q.in.buf, q.in.idle = nil, nil }()
	for {
		if err := q.rc.Read(q.in.try); err != nil {
			return q.ended()
		}
		if q.in.errno != 0 {
			return q.readError(q.in.errno)
		}
		s.Len = q.in.n - virtioLen
		if s.Len <= 0 {
			continue
		}
		var err error
		if s.GSO, err = decodeVirtio(q.in.buf, s.Bytes()); err == nil {
			return nil
		}
		// Such a packet is none that can be sent on; the kernel makes no such.
	}
}

// ended says why the poller waits no more: the file is closed, or the interface is being deleted under us, which makes
// it a file that cannot be waited for.
func (q *vnetQueue) ended() error {
	if q.rc.Control(func(uintptr) {}) != nil {
		return os.ErrClosed
	}
	return q.gone()
}

// gone is the error when the interface was deleted under us.
func (q *vnetQueue) gone() error { return fmt.Errorf("tun: %s is gone: %w", q.name, os.ErrClosed) }

func (q *vnetQueue) readError(errno syscall.Errno) error {
	if errno == unix.EBADFD { // the interface was deleted under us
		return q.gone()
	}
	return fmt.Errorf("tun: read %s: %w", q.name, errno)
}

// vnetWriter is what one write needs. It is reused, with its closures, so that writing allocates nothing.
type vnetWriter struct {
	buf     []byte
	errno   syscall.Errno
	try     func(fd uintptr) bool
	control func(fd uintptr)
}

var vnetWriters = sync.Pool{New: func() any {
	w := new(vnetWriter)
	w.try = w.tryWrite
	w.control = func(fd uintptr) { w.tryWrite(fd) }
	return w
}}

// tryWrite is one attempt; false means that the device has no room now.
func (w *vnetWriter) tryWrite(fd uintptr) bool {
	for {
		_, _, w.errno = unix.RawSyscall(unix.SYS_WRITE, fd, uintptr(unsafe.Pointer(&w.buf[0])), uintptr(len(w.buf)))
		if w.errno != unix.EINTR {
			return w.errno != unix.EAGAIN
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
	err := q.rc.Control(w.control)
	if err == nil && w.errno == unix.EAGAIN {
		err = q.rc.Write(w.try)
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
