package engine

import (
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/sad"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/tun/packet"
)

// clamp lowers the MSS that the packet in view offers to what fits the path of its SA, if the SA is to.
func (l *sender) clamp() {
	c := l.sa.Params().MSSClamp
	if ip := l.super.Bytes(); c != esp.KeepMSS && packet.IsSYN(ip, &l.view) {
		room, _ := l.sa.Room()
		packet.ClampMSS(ip, &l.view, c.Most(l.view.Version, room))
	}
}

// clamp does the same with a packet that came in: its MSS is for what goes out on the SA of the way back.
func (l *receiver) clamp(ip []byte) {
	c := l.sa.Params().MSSClamp
	if c != esp.KeepMSS && packet.IsSYN(ip, &l.view) {
		packet.ClampMSS(ip, &l.view, c.Most(l.view.Version, l.engine.roomBack(&l.view.Flow)))
	}
}

// roomBack is the room of the SA for the answers to a packet that came in; that of a datagram when there is none.
func (e *Engine) roomBack(f *packet.Flow) int {
	back := packet.Flow{Src: f.Dst, Dst: f.Src, SrcPort: f.DstPort, DstPort: f.SrcPort, Protocol: f.Protocol, Ports: f.Ports}
	p := e.policies.Load().Match(&back)
	if p == nil || p.Action != spd.Protect {
		return packet.MaxTrain
	}
	sa := p.State.(*sad.Bundle).Current()
	if sa == nil {
		return packet.MaxTrain
	}
	room, _ := sa.Room()
	return room
}
