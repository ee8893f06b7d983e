package encap

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/goswan/goswan/tun/packet"
)

var _ Direct = (*UDP)(nil)

// pair is the addresses of a connected socket; the zero pair is that of any other.
type pair struct{ local, remote netip.AddrPort }

// direct is the sockets that are connected to single peers: beside one of Conns, bound to the same port. The kernel gives them what
// comes from their peer, and everybody else's datagrams to the one beside them.
type direct struct {
	list atomic.Pointer[[]*linuxSocket] // those that send; not changed in place
	mu   sync.Mutex                     // held while list or open is changed; protects open
	open []*linuxSocket                 // those that are not closed
}

// find is the socket for a train, nil when its peer has none.
func (d *direct) find(t *packet.Train) *linuxSocket {
	list := d.list.Load()
	if list == nil {
		return nil
	}
	for _, s := range *list {
		if s.between.remote == t.Remote && s.between.local == t.Local {
			return s
		}
	}
	return nil
}

// send sends a train through its peer's socket; it returns false when there is none, or none any more: a socket that cannot send
// for another reason than the size, because an address of the host is gone, is used no further.
func (d *direct) send(t *packet.Train) (sent bool, err error) {
	s := d.find(t)
	if s == nil {
		return false, nil
	}
	err = s.send(t)
	if err == nil || errors.Is(err, ErrTooBig) || errors.Is(err, ErrFragmented) {
		return true, err
	}
	d.change(func() { d.unlist(s) })
	return false, nil
}

func (d *direct) change(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

// unlist lets nobody send through s any more.
func (d *direct) unlist(s *linuxSocket) {
	if list := d.list.Load(); list != nil {
		without := slices.DeleteFunc(slices.Clone(*list), func(x *linuxSocket) bool { return x == s })
		d.list.Store(&without)
	}
}

// of is the socket for a peer that is not closed, nil when there is none; d.mu is held.
func (d *direct) of(between pair) *linuxSocket {
	for _, s := range d.open {
		if s.between == between {
			return s
		}
	}
	return nil
}

// add takes s up.
func (d *direct) add(s *linuxSocket) {
	var list []*linuxSocket
	if old := d.list.Load(); old != nil {
		list = slices.Clone(*old)
	}
	list = append(list, s)
	d.list.Store(&list)
	d.open = append(d.open, s)
}

func (d *direct) close() error {
	var errs []error
	d.change(func() {
		d.list.Store(nil)
		for _, s := range d.open {
			errs = append(errs, s.close())
		}
		d.open = nil
	})
	return errors.Join(errs...)
}

func between(local, remote netip.AddrPort) pair {
	return pair{netip.AddrPortFrom(local.Addr().Unmap(), local.Port()), netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())}
}

// Connect implements Direct.
func (u *UDP) Connect(local, remote netip.AddrPort) (Polled, error) {
	between := between(local, remote)
	if !between.local.Addr().IsValid() || between.local.Addr().IsUnspecified() || local.Port() != u.portNATT {
		return nil, fmt.Errorf("encap: no socket can be connected from %v", local)
	}
	if err := u.shareAll(); err != nil {
		return nil, err
	}
	x, _, err := u.open(between.local.Addr(), u.portNATT, true, true, openSocket)
	if err != nil {
		return nil, err
	}
	s := x.(*linuxSocket)
	if err := s.connect(between); err != nil {
		return nil, errors.Join(fmt.Errorf("encap: connect %v to %v: %w", local, remote, err), s.close())
	}
	u.direct.change(func() { u.direct.add(s) })
	return s, nil
}

// shareAll lets connected sockets have the NAT-T port as well.
func (u *UDP) shareAll() error {
	for _, s := range u.sockets {
		if !s.NATT() {
			continue
		}
		if ok, err := share(s.socket); err != nil || !ok {
			return errors.Join(err, errors.ErrUnsupported)
		}
	}
	return nil
}

// connect makes s the socket of a peer. What came from others between its being bound and connected is read from it like the rest.
func (s *linuxSocket) connect(between pair) error {
	remote := between.remote
	var to unix.Sockaddr
	level, info := unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO
	if remote.Addr().Is4() {
		to = &unix.SockaddrInet4{Port: int(remote.Port()), Addr: remote.Addr().As4()}
		level, info = unix.IPPROTO_IP, unix.IP_PKTINFO
	} else {
		to = &unix.SockaddrInet6{Port: int(remote.Port()), Addr: remote.Addr().As16(), ZoneId: scope(remote.Addr())}
	}
	var failed error
	err := s.file.Control(func(fd uintptr) {
		if failed = unix.Connect(int(fd), to); failed == nil {
			failed = unix.SetsockoptInt(int(fd), level, info, 0)
		}
	})
	s.between, s.in.at = between, between.local.Addr()
	return errors.Join(err, failed)
}

// connected says that the socket has one peer.
func (s *linuxSocket) connected() bool { return s.between != pair{} }

// Forget implements Direct.
func (u *UDP) Forget(local, remote netip.AddrPort) {
	u.direct.change(func() {
		s := u.direct.of(between(local, remote))
		if s == nil {
			return
		}
		u.direct.unlist(s)
		s.forgotten.Store(true)
		// It becomes readable by that, and stays so.
		_ = s.file.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RD) })
	})
}

// Disconnect implements Direct.
func (u *UDP) Disconnect(c Polled) error {
	s := c.(*linuxSocket)
	u.direct.change(func() {
		u.direct.unlist(s)
		u.direct.open = slices.DeleteFunc(u.direct.open, func(x *linuxSocket) bool { return x == s })
	})
	return s.close()
}
