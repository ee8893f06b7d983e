package engine

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"slices"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/tun"
	"github.com/goswan/goswan/tun/packet"
)

// receiver carries packets from sockets to one queue of the device.
type receiver struct {
	engine *Engine
	queue  tun.Queue
	natt   bool // of the socket that is read

	train *packet.Train
	view  packet.View
	// out is what goes to the device; it is written when the socket has nothing more.
	out *packet.Coalescer

	// sa is held, between its Begin and End, for a run of packets that came between these addresses, over several trains.
	sa            *esp.Inbound
	local, remote netip.AddrPort
	authentic     bool // the run had a packet that was

	heard heard
}

func newReceiver(e *Engine, q tun.Queue) *receiver {
	l := &receiver{engine: e, queue: q, train: packet.NewTrain()}
	l.out = packet.NewCoalescer(tun.Offload(e.config.Device), l.write)
	return l
}

// run carries packets from a socket until it is closed.
func (l *receiver) run(c encap.Conn) error {
	idle := l.finish
	l.natt = c.NATT()
	for {
		if err := c.Read(l.train, idle); err != nil {
			l.release()
			return err
		}
		l.datagrams()
	}
}

// finish ends a turn: the SA is given back, and what is gathered is written.
func (l *receiver) finish() {
	l.release()
	l.out.Flush()
}

// datagrams takes the train apart.
func (l *receiver) datagrams() {
	if l.sa != nil && (l.remote != l.train.Remote || l.local != l.train.Local) {
		l.release()
	}
	for i := range l.train.Count() {
		l.datagram(l.train.Datagram(i))
	}
}

// datagram tells ESP from IKE (RFC 3948 §2, RFC 7296 §2.23).
func (l *receiver) datagram(d []byte) {
	if !l.natt {
		l.ike(d)
		return
	}
	kind, body := encap.Split(d)
	switch kind {
	case encap.ESP:
		l.packet(body)
	case encap.IKE:
		l.ike(body)
	case encap.Bad:
		l.engine.audit.drop(esp.BadDatagram, 1, nil, l.train.Remote)
	}
}

func (l *receiver) ike(d []byte) {
	l.release() // the callee may want to remove it
	if l.engine.config.IKE != nil {
		l.engine.config.IKE(l.train.Local, l.train.Remote, slices.Clone(d))
		// Whom that woke is to run here and now: a lane may keep its processor while it sleeps.
		runtime.Gosched()
	}
}

// packet opens one ESP packet.
func (l *receiver) packet(d []byte) {
	if !l.take(esp.SPI(binary.BigEndian.Uint32(d))) {
		l.engine.audit.drop(esp.NoSA, 1, nil, l.train.Remote)
		return
	}
	p := l.out.Room(len(d))
	if reason := l.open(p, d); reason != esp.OK {
		l.out.Abandon()
		l.sa.Drop(reason)
		l.engine.audit.drop(reason, 1, l.sa.Params(), l.train.Remote)
		return
	}
	l.authentic = true
	l.clamp(p[:l.view.Len])
	l.sa.Count(l.view.Len)
	l.out.Accept(&l.view)
}

// take makes the SA of an SPI that of the run.
func (l *receiver) take(spi esp.SPI) bool {
	if l.sa != nil && l.sa.SPI() == spi {
		return true
	}
	l.release()
	sa := l.engine.in.Find(spi)
	if sa == nil || !sa.Begin() {
		return false
	}
	l.sa, l.local, l.remote, l.authentic = sa, l.train.Local, l.train.Remote, false
	return true
}

// open decrypts d to p and judges what it finds; view is its view.
func (l *receiver) open(p, d []byte) esp.Reason {
	n, next, reason := l.sa.Open(p, d)
	if reason != esp.OK {
		return reason
	}
	// "A receiver MUST be prepared to discard a dummy packet without indicating an error."  RFC 4303 §2.6
	if next == packet.ProtoNoNext {
		return esp.Dummy
	}
	// Octets behind the inner packet are traffic flow confidentiality padding, RFC 4303 §2.7.
	if l.view.Parse(p[:n]) != nil {
		return esp.BadInnerHeader
	}
	if reason := l.sa.Admit(&l.view, next); reason != esp.OK {
		return reason
	}
	tos, ok := l.sa.DecapsulateTOS(l.view.TOS, l.train.TOS)
	if !ok {
		return esp.BadECN
	}
	if tos != l.view.TOS {
		packet.SetTOS(p[:n], tos)
		l.view.TOS = tos
	}
	return esp.OK
}

// release gives the SA back.
func (l *receiver) release() {
	sa := l.sa
	if sa == nil {
		return
	}
	l.sa = nil
	now := l.engine.config.Now()
	if l.authentic {
		l.heard = heard{l.local, l.remote, now}
	}
	if s := sa.End(now, l.remote); s != 0 {
		l.engine.signal(s, sa.Params().ID(), l.local, l.remote)
	}
}

// write hands a finished super-packet to the device.
func (l *receiver) write(s *packet.Super) {
	if l.queue.Write(s) != nil {
		l.engine.audit.drop(esp.DeviceRefused, 1, nil, l.train.Remote)
	}
}
