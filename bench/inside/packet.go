package inside

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/goswan/goswan/bench/clock"
	"github.com/goswan/goswan/bench/report"
	"github.com/goswan/goswan/crypto/aesgcm"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/esp/sad"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/tun/packet"
)

// The sizes of inner packets, and how many of them a train has: what a TCP super-packet is cut into, and the most small ones.
const (
	large, largeTrain = 1420, 44
	small, smallTrain = 64, packet.MaxCars
	// headers are those of IPv4 and TCP with timestamps, the payload of a large packet is the rest.
	headers = 52
	window  = 1024
	trains  = 8 // of a lap
)

// The parts of an ESP packet of AES-GCM: RFC 4106 §3 and RFC 4303 §2.
const (
	espHeader, ivLen, icvLen = 8, 8, 16
	saltLen                  = 4
)

var left, right = netip.MustParseAddrPort("192.0.2.1:4500"), netip.MustParseAddrPort("192.0.2.2:4500")

// pair is one SA at both its ends with what the engine finds it by, and the buffers that its packets go through.
type pair struct {
	size, count, stride int // of the inner packets; stride is from one to the next in the super-packet

	policies *spd.Database
	cache    spd.Cache
	in       *sad.Inbound
	view     packet.View

	super  *packet.Super
	trains []*packet.Train
	opened []byte

	aead  cipher.AEAD
	nonce [12]byte
}

// addPackets compares what the engine does for a packet with the cipher's part of it.
func (b *Bench) addPackets() error {
	for _, x := range []struct {
		seal, open          report.Figure
		size, count, stride int
	}{
		// The packets of a super-packet lie as segmentation lays them: each header over the payload before.
		{Seal1420, Open1420, large, largeTrain, large - headers},
		// Single packets are read into one place.
		{Seal64, Open64, small, smallTrain, 0},
	} {
		p, err := newPair(x.size, x.count, x.stride)
		if err != nil {
			return err
		}
		b.add(x.seal, nanoseconds, p.sealWhole, p.sealBare)
		b.add(x.open, nanoseconds, p.openWhole, p.openBare)
	}
	return nil
}

func newPair(size, count, stride int) (*pair, error) {
	p := &pair{
		size: size, count: count, stride: stride, policies: spd.NewDatabase(),
		super: packet.NewSuper(), opened: make([]byte, packet.Headroom+packet.MaxPacket+packet.Tailroom),
	}
	for range trains {
		p.trains = append(p.trains, packet.NewTrain())
	}
	out, in := esptest.Pair{
		SPI: 0x10000, Reqid: 1, From: left, To: right, Window: window,
		FromTS: []string{"10.1.0.0/16"}, ToTS: []string{"10.2.0.0/16"},
	}.Params()
	var err error
	if p.aead, err = aesgcm.New(secret.Bytes(out.EncrKey[:len(out.EncrKey)-saltLen])); err != nil {
		return nil, err
	}
	copy(p.nonce[:], out.EncrKey[len(out.EncrKey)-saltLen:])
	if err := p.install(out, in); err != nil {
		return nil, err
	}
	// Single packets are one after the other at one place; those of a super-packet follow each other, and all are of this flow.
	ip := esptest.UDP("10.1.0.1", "10.2.0.1", 1000, 2000, make([]byte, size-28))
	for i := range count {
		copy(p.super.Buf[p.off(i):], ip)
	}
	if err := p.view.Parse(ip); err != nil {
		return nil, err
	}
	return p, nil
}

// install enters the SA where the engine looks for it.
func (p *pair) install(out, in esp.Params) error {
	o, err := esp.NewOutbound(out)
	if err != nil {
		return err
	}
	if err := sad.NewOutbound(p.policies).Add(o); err != nil {
		return err
	}
	i, err := esp.NewInbound(in)
	if err != nil {
		return err
	}
	p.in = sad.NewInbound(nil)
	return p.in.Add(i)
}

// off is where packet i of a super-packet is.
func (p *pair) off(i int) int { return packet.Headroom + i*p.stride }

// packets is those of a lap.
func (p *pair) packets() int { return trains * p.count }

// sealWhole fills the trains as the engine does, look-up and framing included.
func (p *pair) sealWhole() (int, time.Duration) {
	return p.packets(), clock.Timed(func() {
		for _, t := range p.trains {
			p.fill(t)
		}
	})
}

// fill does what the sender does from a packet's view to the train that is ready: a super-packet is looked up once, single
// packets each.
func (p *pair) fill(t *packet.Train) {
	t.Reset()
	var held *esp.Outbound
	for i := range p.count {
		if i == 0 || p.stride == 0 {
			policy := p.cache.Match(p.policies.Load(), &p.view.Flow)
			sa := policy.State.(*sad.Bundle).Current()
			if sa != held {
				if ok, _ := sa.TryBegin(t); !ok {
					panic("inside: the SA is gone")
				}
			}
			held = sa
			t.TOS = sa.TOS(p.view.TOS)
		}
		if t.Len != 0 && !t.Fits(held.Size(p.size)) || p.size > held.MTU(4) {
			panic("inside: the packets do not fit a train")
		}
		if r := held.Seal(t, p.super.Buf, p.off(i), p.size, packet.ProtoIPv4); r != esp.OK {
			panic(fmt.Sprintf("inside: Seal: %v", r))
		}
	}
	held.End(time.Now())
}

// sealBare seals the same octets to the same places.
func (p *pair) sealBare() (int, time.Duration) {
	return p.packets(), clock.Timed(func() {
		for _, t := range p.trains {
			for i := range p.count {
				d := t.Datagram(i)
				copy(p.nonce[saltLen:], d[espHeader:])
				n := len(d) - espHeader - ivLen - icvLen
				off := p.off(i)
				p.aead.Seal(d[:espHeader+ivLen][espHeader+ivLen:], p.nonce[:], p.super.Buf[off:off+n], d[:espHeader])
			}
		}
	})
}

// openWhole opens fresh trains, which the replay window wants, as the receiver does.
func (p *pair) openWhole() (int, time.Duration) {
	p.sealWhole()
	return p.packets(), clock.Timed(func() {
		for _, t := range p.trains {
			p.open(t)
		}
	})
}

// open does what the receiver does with a run of packets, but for parsing what came out.
func (p *pair) open(t *packet.Train) {
	var held *esp.Inbound
	for i := range t.Count() {
		d := t.Datagram(i)
		if spi := esp.SPI(binary.BigEndian.Uint32(d)); held == nil || held.SPI() != spi {
			held = p.in.Find(spi)
			if held == nil || !held.Begin() {
				panic("inside: the SA is gone")
			}
		}
		n, next, r := held.Open(p.opened[p.off(i):p.off(i)+len(d)], d)
		if r != esp.OK || n != p.size {
			panic(fmt.Sprintf("inside: Open: %d octets and %v", n, r))
		}
		if r := held.Admit(&p.view, next); r != esp.OK {
			panic(fmt.Sprintf("inside: Admit: %v", r))
		}
		if _, ok := held.DecapsulateTOS(p.view.TOS, t.TOS); !ok {
			panic("inside: the ECN field is refused")
		}
		held.Count(n)
	}
	held.End(time.Now(), left)
}

// openBare opens the same octets to the same places, as fresh in the caches.
func (p *pair) openBare() (int, time.Duration) {
	p.sealWhole()
	return p.packets(), clock.Timed(func() {
		for _, t := range p.trains {
			for i := range p.count {
				d := t.Datagram(i)
				copy(p.nonce[saltLen:], d[espHeader:espHeader+ivLen])
				off := p.off(i)
				if _, err := p.aead.Open(p.opened[off:off], p.nonce[:], d[espHeader+ivLen:], d[:espHeader]); err != nil {
					panic("inside: Open: " + err.Error())
				}
			}
		}
	})
}
