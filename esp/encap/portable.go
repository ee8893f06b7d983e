package encap

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/goswan/goswan/tun/packet"
)

// portableSocket is a socket with what every operating system has: trains of one datagram. The local address comes from
// the socket's control messages where the system has them, and else from the route towards the sender. The TOS octet is
// not carried over IPv4.
type portableSocket struct {
	conn *net.UDPConn
	natt bool
	addr netip.AddrPort
	v4   *ipv4.PacketConn // one of the two
	v6   *ipv6.PacketConn

	routes sourceCache
}

// openPortable makes a portable socket.
func openPortable(c *net.UDPConn, natt bool, config Config) (socket, error) {
	// The host caps or refuses a size it does not like; then its own stays.
	_ = c.SetReadBuffer(config.Buffer)
	_ = c.SetWriteBuffer(config.Buffer)
	s := &portableSocket{conn: c, natt: natt, addr: c.LocalAddr().(*net.UDPAddr).AddrPort()}
	s.addr = netip.AddrPortFrom(s.addr.Addr().Unmap(), s.addr.Port())
	// A system that has no control messages says so here and gives none later.
	if s.addr.Addr().Is4() {
		s.v4 = ipv4.NewPacketConn(c)
		_ = s.v4.SetControlMessage(ipv4.FlagDst, true)
	} else {
		s.v6 = ipv6.NewPacketConn(c)
		_ = s.v6.SetControlMessage(ipv6.FlagDst|ipv6.FlagTrafficClass, true)
	}
	return s, nil
}

// NATT implements Conn.
func (s *portableSocket) NATT() bool { return s.natt }

func (s *portableSocket) close() error { return s.conn.Close() }

// Read implements Conn. It cannot tell whether a datagram is waiting and so calls idle each time.
func (s *portableSocket) Read(t *packet.Train, idle func()) error {
	if idle != nil {
		idle()
	}
	for faults := 0; ; faults++ {
		n, local, from, err := s.receive(t)
		switch {
		case errors.Is(err, net.ErrClosed):
			return net.ErrClosed
		case err == nil && n > 0 && from.IsValid():
			t.Len, t.Seg = n, n
			t.Remote = from
			t.Local = netip.AddrPortFrom(s.local(local, from.Addr()), s.addr.Port())
			return nil
		case err == nil || hostICMP(err):
			faults = 0 // an empty datagram, or an error that came back for something sent
		case faults == maxFaults:
			return fmt.Errorf("encap: receive: %w", err)
		}
	}
}

// receive reads one datagram; local is invalid where the system does not tell it.
func (s *portableSocket) receive(t *packet.Train) (n int, local netip.Addr, from netip.AddrPort, err error) {
	var source net.Addr
	t.TOS = 0
	if s.v4 != nil {
		var m *ipv4.ControlMessage
		n, m, source, err = s.v4.ReadFrom(t.Buf)
		if m != nil {
			local, _ = netip.AddrFromSlice(m.Dst)
		}
	} else {
		var m *ipv6.ControlMessage
		n, m, source, err = s.v6.ReadFrom(t.Buf)
		if m != nil {
			local, _ = netip.AddrFromSlice(m.Dst)
			t.TOS = uint8(m.TrafficClass)
		}
	}
	if a, ok := source.(*net.UDPAddr); ok {
		from = a.AddrPort()
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	}
	return n, local.Unmap().WithZone(from.Addr().Zone()), from, err
}

// local is the address a datagram from remote came to.
func (s *portableSocket) local(told, remote netip.Addr) netip.Addr {
	if told.IsValid() {
		return told
	}
	if !s.addr.Addr().IsUnspecified() {
		return s.addr.Addr()
	}
	return s.routes.lookup(remote)
}

func (s *portableSocket) send(t *packet.Train) error {
	for i := range t.Count() {
		if err := s.sendOne(t, t.Datagram(i)); err != nil {
			return err
		}
	}
	return nil
}

func (s *portableSocket) sendOne(t *packet.Train, d []byte) error {
	to := net.UDPAddrFromAddrPort(t.Remote)
	local := t.Local.Addr()
	known := local.IsValid() && !local.IsUnspecified() && s.addr.Addr().IsUnspecified()
	var err error
	if s.v4 != nil {
		var m *ipv4.ControlMessage
		if known && local.Is4() {
			m = &ipv4.ControlMessage{Src: local.AsSlice()}
		}
		_, err = s.v4.WriteTo(d, m, to)
	} else {
		m := &ipv6.ControlMessage{TrafficClass: int(t.TOS)}
		if known && local.Is6() {
			m.Src = local.AsSlice()
		}
		_, err = s.v6.WriteTo(d, m, to)
	}
	return portableError(err, t)
}

func portableError(err error, t *packet.Train) error {
	switch {
	case err == nil, hostRefused(err):
		return nil
	case errors.Is(err, net.ErrClosed):
		return net.ErrClosed
	case hostTooBig(err):
		return ErrTooBig
	case hostNoAddress(err):
		return ErrNoAddress
	}
	return fmt.Errorf("encap: send to %v: %w", t.Remote, err)
}

// sourceCache remembers for a few seconds which local address the host uses towards a remote one.
type sourceCache struct {
	mu      sync.Mutex // protects the map
	sources map[netip.Addr]cachedSource
}

type cachedSource struct {
	addr  netip.Addr
	until time.Time
}

const (
	cacheFor  = 5 * time.Second
	cacheSize = 4096
)

// lookup is the host's source address towards remote, invalid when there is none.
func (c *sourceCache) lookup(remote netip.Addr) netip.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if s, ok := c.sources[remote]; ok && now.Before(s.until) {
		return s.addr
	}
	addr, err := probe(remote, Config{})
	if err != nil {
		addr = netip.Addr{}
	}
	if c.sources == nil || len(c.sources) >= cacheSize {
		c.sources = make(map[netip.Addr]cachedSource)
	}
	c.sources[remote] = cachedSource{addr, now.Add(cacheFor)}
	return addr
}
