package netstack

import (
	"os"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/goswan/goswan/tun"
	"github.com/goswan/goswan/tun/packet"
)

// Write implements tun.Queue. The stack takes super-packets of TCP whole; those of UDP are cut into their datagrams.
func (q *queue) Write(s *packet.Super) error {
	q.gate.RLock()
	defer q.gate.RUnlock()
	switch {
	case q.closed.Err() != nil:
		return os.ErrClosed
	case s.Len <= 0:
		return tun.ErrRefused
	case s.GSO.Type == packet.GSOUDP:
		return q.injectSegments(s)
	}
	// To the stack a super-packet of TCP is one large segment, whose checksum it verifies as any other's.
	s.GSO.Type = packet.GSONone
	if !s.Complete() {
		return tun.ErrRefused
	}
	return q.inject(s.Bytes())
}

// inject gives one packet, which is copied, to the stack.
func (q *queue) inject(ip []byte) error {
	number := ipv4.ProtocolNumber
	switch ip[0] >> 4 {
	case 4:
	case 6:
		number = ipv6.ProtocolNumber
	default:
		return tun.ErrRefused
	}
	p := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(ip)})
	defer p.DecRef()
	q.link.InjectInbound(number, p)
	return nil
}

func (q *queue) injectSegments(s *packet.Super) error {
	var view packet.View
	if err := view.Parse(s.Bytes()); err != nil {
		return err
	}
	var segments packet.Segments
	if err := segments.Start(s, &view); err != nil {
		return err
	}
	for {
		off, n, ok := segments.Next()
		if !ok {
			return nil
		}
		if err := q.inject(s.Buf[off : off+n]); err != nil {
			return err
		}
	}
}
