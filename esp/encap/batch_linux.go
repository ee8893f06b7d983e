package encap

import (
	"net"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/goswan/goswan/tun/packet"
)

// maxBatch is the most trains of one sendmmsg.
const maxBatch = 16

// batch is several trains for one sendmmsg. It is reused, with its closure, so that sending allocates nothing.
type batch struct {
	letters [maxBatch]letter
	many    [maxBatch]mmsghdr
	// next and count are the messages that are still to be sent.
	next, count int
	try         func(fd uintptr)
}

var batches = sync.Pool{New: func() any {
	b := new(batch)
	b.try = b.trySend
	return b
}}

// WriteBatch implements Batch. Trains that follow each other through one socket take one system call.
func (u *UDP) WriteBatch(trains []*packet.Train, errs []error) {
	for at := 0; at < len(trains); {
		s, whole := u.batchable(trains[at])
		n := 1
		for ; whole && n < maxBatch && at+n < len(trains); n++ {
			if next, ok := u.batchable(trains[at+n]); !ok || next != s {
				break
			}
		}
		if n == 1 {
			errs[at] = u.Write(trains[at])
		} else {
			u.sendBatch(s, trains[at:at+n], errs[at:at+n])
		}
		at += n
	}
}

// batchable is the socket of a train that can be sent whole.
func (u *UDP) batchable(t *packet.Train) (s *linuxSocket, ok bool) {
	if t.Count() == 0 {
		return nil, false
	}
	if s = u.direct.find(t); s == nil {
		x, err := u.from(t.Local.Addr().Unmap(), t.Remote.Addr().Unmap(), true)
		if err != nil {
			return nil, false
		}
		if s, ok = x.(*linuxSocket); !ok {
			return nil, false
		}
	}
	return s, !t.Fragment && (t.Count() == 1 || s.alone[class(t.Remote.Addr().Unmap())].Load() == 0)
}

// sendBatch sends several trains through s. One that the kernel does not take is sent again alone, which finds out why.
func (u *UDP) sendBatch(s *linuxSocket, trains []*packet.Train, errs []error) {
	b := batches.Get().(*batch)
	for i, t := range trains {
		unmap(t)
		l := &b.letters[i]
		l.prepare(t, s.connected())
		b.many[i].hdr = l.whole(t)
	}
	clear(errs)
	for b.next, b.count = 0, len(trains); b.next < b.count; {
		if s.file.Control(b.try) != nil {
			for i := b.next; i < b.count; i++ {
				errs[i] = net.ErrClosed
			}
			break
		}
		if b.next < b.count {
			errs[b.next] = u.Write(trains[b.next])
			b.next++
		}
	}
	for i := range trains {
		b.letters[i].iov.Base = nil
	}
	batches.Put(b)
}

// trySend sends until the kernel does not take one.
func (b *batch) trySend(fd uintptr) {
	for b.next < b.count {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&b.many[b.next])),
			uintptr(b.count-b.next), unix.MSG_DONTWAIT, 0, 0)
		if errno != 0 && errno != unix.EINTR {
			return
		}
		if errno == 0 {
			b.next += int(n)
		}
	}
}
