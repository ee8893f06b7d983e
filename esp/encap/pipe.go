package encap

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/goswan/goswan/tun/packet"
)

// The ports of RFC 7296 §2 and RFC 3948.
const (
	Port     = 500
	PortNATT = 4500
)

// Datagram is one datagram on its way through a Network.
type Datagram struct {
	From, To netip.AddrPort
	TOS      uint8
	Data     []byte // its own copy: it may be kept and changed
}

// Hook stands in the middle of a Network: it sees each datagram and calls deliver for what goes on. Not calling it
// drops, calling it twice duplicates, calling it later (from any goroutine) delays, and changed addresses or octets are
// what a NAT or an attacker does. It is called by the sender's goroutine.
type Hook func(d Datagram, deliver func(Datagram))

// Network is an IP network in memory. It carries UDP between the endpoints that were attached to it; what has no
// receiver, or comes to a full queue, is lost as on a real one.
type Network struct {
	lost atomic.Uint64

	mu        sync.RWMutex // protects the fields below
	endpoints []*Endpoint
	hook      Hook
	mtu       int
}

// NewNetwork makes a network without endpoints.
func NewNetwork() *Network { return new(Network) }

// Pipe is two endpoints with one address each, alone on a network.
func Pipe(a, b netip.Addr) (*Endpoint, *Endpoint) {
	n := NewNetwork()
	return n.Attach(EndpointConfig{Addresses: []netip.Addr{a}}), n.Attach(EndpointConfig{Addresses: []netip.Addr{b}})
}

// SetHook puts a hook in the middle; nil takes it away. While one is set, trains travel as single datagrams.
func (n *Network) SetHook(h Hook) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hook = h
}

// SetMTU refuses UDP payloads above octets with ErrTooBig, unless Train.Fragment lets them pass; 0 lets all pass.
func (n *Network) SetMTU(octets int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mtu = octets
}

// PathMTU implements PathMTU.
func (e *Endpoint) PathMTU(_, _ netip.AddrPort) int {
	e.network.mu.RLock()
	defer e.network.mu.RUnlock()
	return e.network.mtu
}

// Lost is the number of datagrams that had no receiver or came to a full queue. What a hook drops is not counted.
func (n *Network) Lost() uint64 { return n.lost.Load() }

// EndpointConfig describes an endpoint of a Network.
type EndpointConfig struct {
	Addresses      []netip.Addr
	Port, PortNATT uint16 // 500 and 4500 when 0
	Depth          int    // trains that wait in each socket before more are lost; 1024 when 0
}

// Attach makes an endpoint.
func (n *Network) Attach(c EndpointConfig) *Endpoint {
	if c.Port == 0 {
		c.Port = Port
	}
	if c.PortNATT == 0 {
		c.PortNATT = PortNATT
	}
	if c.Depth == 0 {
		c.Depth = 1024
	}
	e := &Endpoint{network: n, closed: make(chan struct{}), addrs: slices.Clone(c.Addresses)}
	for i, port := range []uint16{c.Port, c.PortNATT} {
		e.conns[i] = &pipeConn{
			endpoint: e, port: port, natt: i == 1,
			in:   make(chan *parcel, c.Depth),
			free: make(chan *parcel, c.Depth),
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.endpoints = append(n.endpoints, e)
	return e
}

// send takes one train from e's socket into the network.
func (n *Network) send(t *packet.Train) error {
	n.mu.RLock()
	hook, mtu := n.hook, n.mtu
	n.mu.RUnlock()
	if mtu > 0 && min(t.Seg, t.Len) > mtu && !t.Fragment {
		return ErrTooBig
	}
	if hook == nil {
		n.deliver(t.Local, t.Remote, t.TOS, t.Buf[:t.Len], t.Seg)
		return nil
	}
	for i := range t.Count() {
		d := Datagram{From: t.Local, To: t.Remote, TOS: t.TOS, Data: slices.Clone(t.Datagram(i))}
		hook(d, func(d Datagram) { n.deliver(d.From, d.To, d.TOS, d.Data, len(d.Data)) })
	}
	return nil
}

// deliver puts octets into the socket that owns the address to, or loses them.
func (n *Network) deliver(from, to netip.AddrPort, tos uint8, octets []byte, seg int) {
	n.mu.RLock()
	conn := n.receiver(to)
	n.mu.RUnlock()
	if conn == nil || len(octets) == 0 || len(octets) > packet.MaxTrain || !conn.put(from, to, tos, octets, seg) {
		n.lost.Add(uint64((len(octets) + seg - 1) / max(seg, 1)))
	}
}

// receiver finds the socket; n.mu is held.
func (n *Network) receiver(to netip.AddrPort) *pipeConn {
	for _, e := range n.endpoints {
		if !slices.Contains(e.addrs, to.Addr()) {
			continue
		}
		for _, c := range e.conns {
			if c.port == to.Port() {
				return c
			}
		}
	}
	return nil
}

// Endpoint is one host on a Network; it implements Transport.
type Endpoint struct {
	network *Network
	conns   [2]*pipeConn // 500 and 4500
	closed  chan struct{}
	once    sync.Once
	addrs   []netip.Addr // protected by network.mu
}

var _ Transport = (*Endpoint)(nil)

// Network is the network the endpoint is attached to.
func (e *Endpoint) Network() *Network { return e.network }

// SetAddresses gives the endpoint other addresses, as a roaming host gets them.
func (e *Endpoint) SetAddresses(addrs ...netip.Addr) {
	e.network.mu.Lock()
	defer e.network.mu.Unlock()
	e.addrs = slices.Clone(addrs)
}

// Conns implements Transport.
func (e *Endpoint) Conns() []Conn { return []Conn{e.conns[0], e.conns[1]} }

// SendIKE implements Transport.
func (e *Endpoint) SendIKE(local, remote netip.AddrPort, datagram []byte) error {
	t := &packet.Train{Local: local, Remote: remote, Buf: datagram}
	if local.Port() == e.conns[1].port {
		t.Buf = append(make([]byte, 4, 4+len(datagram)), datagram...)
	} else {
		t.Local = netip.AddrPortFrom(local.Addr(), e.conns[0].port)
	}
	t.Len, t.Seg = len(t.Buf), len(t.Buf)
	return e.send(t)
}

// SendKeepalive implements Transport.
func (e *Endpoint) SendKeepalive(local, remote netip.AddrPort) error {
	local = netip.AddrPortFrom(local.Addr(), e.conns[1].port)
	return e.send(&packet.Train{Local: local, Remote: remote, Buf: []byte{0xff}, Len: 1, Seg: 1})
}

// Write implements Transport.
func (e *Endpoint) Write(t *packet.Train) error {
	if t.Count() == 0 {
		return nil
	}
	local := t.Local
	t.Local = netip.AddrPortFrom(local.Addr(), e.conns[1].port)
	err := e.send(t)
	t.Local = local
	return err
}

func (e *Endpoint) send(t *packet.Train) error {
	select {
	case <-e.closed:
		return net.ErrClosed
	default:
	}
	if t.Len > packet.MaxTrain {
		return ErrTooBig
	}
	e.network.mu.RLock()
	addr, err := e.source(t.Local.Addr(), t.Remote.Addr())
	e.network.mu.RUnlock()
	if err != nil {
		return err
	}
	t.Local = netip.AddrPortFrom(addr, t.Local.Port())
	return e.network.send(t)
}

// source is the address to send from: the one asked for when it is the endpoint's, or the first of the same family;
// network.mu is held.
func (e *Endpoint) source(local, remote netip.Addr) (netip.Addr, error) {
	if !remote.IsValid() || remote.IsUnspecified() {
		return netip.Addr{}, fmt.Errorf("encap: no destination address")
	}
	if local.IsValid() && !local.IsUnspecified() {
		if !slices.Contains(e.addrs, local) {
			return netip.Addr{}, ErrNoAddress
		}
		return local, nil
	}
	for _, a := range e.addrs {
		if a.Is4() == remote.Is4() {
			return a, nil
		}
	}
	return netip.Addr{}, ErrNoAddress
}

// LocalFor implements Transport.
func (e *Endpoint) LocalFor(remote netip.Addr) (addr netip.Addr, port, portNATT uint16, err error) {
	e.network.mu.RLock()
	defer e.network.mu.RUnlock()
	addr, err = e.source(netip.Addr{}, remote)
	return addr, e.conns[0].port, e.conns[1].port, err
}

// Close implements Transport; the endpoint leaves the network.
func (e *Endpoint) Close() error {
	e.once.Do(func() {
		close(e.closed)
		e.network.mu.Lock()
		defer e.network.mu.Unlock()
		e.network.endpoints = slices.DeleteFunc(e.network.endpoints, func(o *Endpoint) bool { return o == e })
	})
	return nil
}

// parcel is a train in a socket's queue; parcels go round between in and free.
type parcel struct {
	from, to netip.AddrPort
	tos      uint8
	seg      int
	octets   []byte
}

// pipeConn is one socket of an Endpoint.
type pipeConn struct {
	endpoint *Endpoint
	port     uint16
	natt     bool
	in, free chan *parcel
}

// NATT implements Conn.
func (c *pipeConn) NATT() bool { return c.natt }

func (c *pipeConn) put(from, to netip.AddrPort, tos uint8, octets []byte, seg int) bool {
	var p *parcel
	select {
	case p = <-c.free:
	default:
		p = new(parcel)
	}
	p.from, p.to, p.tos, p.seg, p.octets = from, to, tos, seg, append(p.octets[:0], octets...)
	select {
	case c.in <- p:
		return true
	default:
		return false
	}
}

// Read implements Conn.
func (c *pipeConn) Read(t *packet.Train, idle func()) error {
	select {
	case <-c.endpoint.closed:
		return net.ErrClosed
	default:
	}
	select {
	case p := <-c.in:
		c.hand(p, t)
		return nil
	default:
	}
	if idle != nil {
		idle()
	}
	select {
	case p := <-c.in:
		c.hand(p, t)
		return nil
	case <-c.endpoint.closed:
		return net.ErrClosed
	}
}

func (c *pipeConn) hand(p *parcel, t *packet.Train) {
	t.Local, t.Remote, t.TOS, t.Seg = p.to, p.from, p.tos, p.seg
	t.Len = copy(t.Buf, p.octets)
	select {
	case c.free <- p:
	default:
	}
}
