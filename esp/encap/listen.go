package encap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"

	"github.com/goswan/goswan/tun/packet"
)

// Config describes the host's sockets. The zero value is two free ports on every address.
type Config struct {
	// Port and PortNATT are 500 and 4500 in the field (RFC 7296 §2); 0 takes any free port, the same in both families.
	Port, PortNATT uint16
	// Addresses are the addresses to bind; none means every address of both families.
	Addresses []netip.Addr
	// Mark is put on everything that is sent (SO_MARK, Linux), so that routes into the tunnel can leave it out; 0 is none.
	// A host that does not permit it is told of in Warnings, and Marked is false.
	Mark uint32
	// Buffer is the size wanted for each direction's socket buffer in octets; 7 MiB when 0.
	Buffer int
	// DontFragment sets DF on everything sent: what does not fit the path is refused with ErrTooBig, Train.Fragment or not.
	// Otherwise it has DF as well, so that the path is found out, and what does not fit is sent again in fragments (RFC 4301 §8.1
	// leaves the choice). IKE's own port is then left without DF, since a first message is not to hang on ICMP errors. Linux only.
	DontFragment bool
	// Lanes is how many sockets share the NAT-T port of each address, each to be read by a goroutine of its own; 1 when 0. The host
	// gives all datagrams of one peer to the same one. Linux only.
	Lanes int
}

// UDP is the host's sockets; it implements Transport.
type UDP struct {
	config   Config
	sockets  []bound
	port     uint16
	portNATT uint16
	marked   bool
	warnings []string
	direct   direct
}

var _ Transport = (*UDP)(nil)

// bound is a socket and the address it is bound to, the unspecified one for all of a family.
type bound struct {
	socket
	addr   netip.Addr
	shares int // of the first of those that share a port: how many they are, itself included, one after the other
}

// socket is one UDP socket, as the operating system's file makes it.
type socket interface {
	Conn
	// send sends a train; safe for concurrent use.
	send(t *packet.Train) error
	close() error
}

// opener makes a socket of an unconnected UDP socket.
type opener func(c *net.UDPConn, natt bool, config Config) (socket, error)

// Listen opens the sockets.
func Listen(c Config) (*UDP, error) { return listen(c, openSocket) }

func listen(c Config, open opener) (*UDP, error) {
	if c.Port != 0 && c.Port == c.PortNATT {
		return nil, fmt.Errorf("encap: port %d cannot be both the IKE and the NAT-T port", c.Port)
	}
	if c.Buffer == 0 {
		c.Buffer = 7 << 20
	}
	c.Lanes = max(c.Lanes, 1)
	u := &UDP{config: c, marked: c.Mark != 0}
	var err error
	if u.port, err = u.openPort(c.Port, false, open); err == nil {
		u.portNATT, err = u.openPort(c.PortNATT, true, open)
	}
	if err != nil {
		return nil, errors.Join(err, u.Close())
	}
	return u, nil
}

// openPort opens one port on every address. A free port of the first address may be taken on the second: try others.
func (u *UDP) openPort(port uint16, natt bool, open opener) (uint16, error) {
	for try := 0; ; try++ {
		before := len(u.sockets)
		got, err := u.openAll(port, natt, open)
		if err == nil {
			return got, nil
		}
		for _, s := range u.sockets[before:] {
			err = errors.Join(err, s.close())
		}
		u.sockets = u.sockets[:before]
		if port != 0 || try == 16 || !hostInUse(err) {
			return 0, err
		}
	}
}

func (u *UDP) openAll(port uint16, natt bool, open opener) (uint16, error) {
	addrs := u.config.Addresses
	anywhere := len(addrs) == 0
	if anywhere {
		addrs = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	}
	var errs []error
	for _, addr := range addrs {
		got, err := u.openLanes(addr, port, natt, open)
		switch {
		case err == nil:
			port = got
		case anywhere && hostLacksFamily(err):
			errs = append(errs, err) // a host without IPv6, or without IPv4
		default:
			return 0, err
		}
	}
	if len(errs) == len(addrs) {
		return 0, errors.Join(errs...)
	}
	return port, nil
}

// openLanes opens the sockets that share a port. The first is bound alone, so that a port of another process is found out, and lets
// the others in.
func (u *UDP) openLanes(addr netip.Addr, port uint16, natt bool, open opener) (got uint16, err error) {
	s, got, err := u.open(addr, port, natt, false, open)
	if err != nil {
		return 0, err
	}
	first := len(u.sockets)
	u.sockets = append(u.sockets, bound{s, addr, 1})
	if !natt || u.config.Lanes == 1 {
		return got, nil
	}
	if sharable, err := share(s); err != nil || !sharable {
		return got, err
	}
	for u.sockets[first].shares < u.config.Lanes {
		s, _, err := u.open(addr, got, natt, true, open)
		if err != nil {
			return 0, err
		}
		u.sockets = append(u.sockets, bound{s, addr, 1})
		u.sockets[first].shares++
	}
	return got, nil
}

func (u *UDP) open(addr netip.Addr, port uint16, natt, shared bool, open opener) (socket, uint16, error) {
	addr = addr.Unmap()
	network := "udp4"
	if addr.Is6() {
		network = "udp6" // IPv6 only
	}
	var refused []string
	lc := net.ListenConfig{Control: func(_, _ string, rc syscall.RawConn) error {
		var err error
		refused, err = prepare(rc, addr.Is6(), natt, shared, u.config)
		return err
	}}
	pc, err := lc.ListenPacket(context.Background(), network, netip.AddrPortFrom(addr, port).String())
	if err != nil {
		return nil, 0, explain(err)
	}
	for _, what := range refused {
		u.warn(what)
	}
	c := pc.(*net.UDPConn)
	s, err := open(c, natt, u.config)
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("encap: %w", err), c.Close())
	}
	return s, c.LocalAddr().(*net.UDPAddr).AddrPort().Port(), nil
}

// refusedMark is what prepare reports when the host does not permit the mark.
const refusedMark = "encap: the sockets carry no mark (SO_MARK needs CAP_NET_ADMIN): a route into the tunnel that covers a peer would capture its own packets"

func (u *UDP) warn(what string) {
	if what == refusedMark {
		u.marked = false
	}
	if !slices.Contains(u.warnings, what) {
		u.warnings = append(u.warnings, what)
	}
}

// explain adds to a failure to bind what usually is its reason.
func explain(err error) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("encap: %w (ports below 1024 need root or CAP_NET_BIND_SERVICE)", err)
	case hostInUse(err):
		return fmt.Errorf("encap: %w (is another IKE daemon running?)", err)
	}
	return fmt.Errorf("encap: %w", err)
}

// Warnings tells what the host did not permit, a sentence each.
func (u *UDP) Warnings() []string { return slices.Clone(u.warnings) }

// Marked says that everything sent carries Config.Mark. A route into the tunnel must not cover a peer otherwise.
func (u *UDP) Marked() bool { return u.marked }

// Conns implements Transport.
func (u *UDP) Conns() []Conn {
	conns := make([]Conn, len(u.sockets))
	for i, s := range u.sockets {
		conns[i] = s.socket
	}
	return conns
}

// from finds the socket that sends from a local address, which may be unknown, towards remote.
func (u *UDP) from(local, remote netip.Addr, natt bool) (socket, error) {
	if !remote.IsValid() || remote.IsUnspecified() {
		return nil, errors.New("encap: no destination address")
	}
	known := local.IsValid() && !local.IsUnspecified()
	any := -1
	for i := 0; i < len(u.sockets); i += u.sockets[i].shares {
		s := &u.sockets[i]
		switch {
		case s.NATT() != natt || s.addr.Is4() != remote.Is4():
		case known && s.addr == local:
			return u.share(i, remote), nil
		case any < 0 && (s.addr.IsUnspecified() || !known):
			any = i
		}
	}
	if any < 0 {
		return nil, ErrNoAddress
	}
	return u.share(any, remote), nil
}

// share is the one towards remote of the sockets that share the port of the i-th.
func (u *UDP) share(i int, remote netip.Addr) socket {
	if n := u.sockets[i].shares; n > 1 {
		i += int(class(remote)) % n
	}
	return u.sockets[i].socket
}

// class spreads destinations over a few classes.
func class(a netip.Addr) uint8 {
	b := a.As16()
	var h uint32 = 2166136261
	for _, octet := range b[8:] {
		h = (h ^ uint32(octet)) * 16777619
	}
	return uint8(h ^ h>>8 ^ h>>16)
}

// SendIKE implements Transport.
func (u *UDP) SendIKE(local, remote netip.AddrPort, datagram []byte) error {
	natt := local.Port() == u.portNATT
	if natt {
		// "A UDP packet … Non-ESP Marker is 4 zero-valued bytes aligning with the SPI field of an ESP packet."
		// RFC 3948 §2.2
		datagram = append(make([]byte, 4, 4+len(datagram)), datagram...)
	}
	return u.sendOne(local, remote, datagram, natt)
}

// SendKeepalive implements Transport.
func (u *UDP) SendKeepalive(local, remote netip.AddrPort) error {
	// "The sender MUST use a one-octet-long payload with the value 0xFF." RFC 3948 §2.3
	return u.sendOne(local, remote, []byte{0xff}, true)
}

func (u *UDP) sendOne(local, remote netip.AddrPort, datagram []byte, natt bool) error {
	err := u.send(&packet.Train{Local: local, Remote: remote, Buf: datagram, Len: len(datagram), Seg: len(datagram)}, natt)
	if errors.Is(err, ErrFragmented) {
		return nil
	}
	return err
}

// Write implements Transport.
func (u *UDP) Write(t *packet.Train) error { return u.send(t, true) }

func (u *UDP) send(t *packet.Train, natt bool) error {
	if t.Count() == 0 {
		return nil
	}
	unmap(t)
	if natt {
		if sent, err := u.direct.send(t); sent {
			return err
		}
	}
	s, err := u.from(t.Local.Addr(), t.Remote.Addr(), natt)
	if err != nil {
		return err
	}
	return s.send(t)
}

// unmap makes IPv4 addresses of those that are written as IPv6 ones.
func unmap(t *packet.Train) {
	t.Local = netip.AddrPortFrom(t.Local.Addr().Unmap(), t.Local.Port())
	t.Remote = netip.AddrPortFrom(t.Remote.Addr().Unmap(), t.Remote.Port())
}

// LocalFor implements Transport. It asks the host's routes as a marked packet would and sends nothing.
func (u *UDP) LocalFor(remote netip.Addr) (addr netip.Addr, port, portNATT uint16, err error) {
	remote = remote.Unmap()
	if _, err := u.from(netip.Addr{}, remote, true); err != nil {
		return netip.Addr{}, 0, 0, err
	}
	addr, err = probe(remote, u.config)
	if err != nil {
		return netip.Addr{}, 0, 0, fmt.Errorf("encap: no way to %v: %w", remote, err)
	}
	return u.ours(addr), u.port, u.portNATT, nil
}

// ours is addr when a socket can send from it, or else the first bound address of its family.
func (u *UDP) ours(addr netip.Addr) netip.Addr {
	first := addr
	for i := len(u.sockets) - 1; i >= 0; i-- {
		s := &u.sockets[i]
		if s.addr == addr || s.addr.IsUnspecified() && s.addr.Is4() == addr.Is4() {
			return addr
		}
		if s.addr.Is4() == addr.Is4() {
			first = s.addr
		}
	}
	return first
}

// probe is the source address that the host chooses towards remote: a connected UDP socket knows it.
func probe(remote netip.Addr, c Config) (netip.Addr, error) {
	d := net.Dialer{Control: func(_, _ string, rc syscall.RawConn) error { return mark(rc, c.Mark) }}
	conn, err := d.Dial("udp", netip.AddrPortFrom(remote, Port).String())
	if err != nil {
		return netip.Addr{}, err
	}
	addr := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
	return addr, conn.Close()
}

// Close implements Transport.
func (u *UDP) Close() error {
	errs := []error{u.direct.close()}
	for _, s := range u.sockets {
		if err := s.close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// maxFaults is how many reads in a row may fail for reasons unknown to us before Read returns the error.
const maxFaults = 1024
