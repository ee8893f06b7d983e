package packet_test

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/tun/packet"
)

const (
	a4, b4 = "10.1.0.1", "10.2.0.1"
	a6, b6 = "fd01::1", "fd02::1"
)

// with6 puts extension headers between an IPv6 header and its payload; each is next-header octets without the first.
func with6(protocol uint8, l4 []byte, kinds []uint8, headers ...[]byte) []byte {
	p := esptest.IP(a6, b6, protocol, l4)
	for i := len(headers) - 1; i >= 0; i-- {
		h := append([]byte{p[6]}, headers[i]...)
		p[6] = kinds[i]
		p = append(p[:40:40], append(h, p[40:]...)...)
	}
	binary.BigEndian.PutUint16(p[4:], uint16(len(p)-40))
	return p
}

func TestParse(t *testing.T) {
	ports := []byte{0x03, 0xe8, 0x00, 0x50, 0, 0, 0, 0}
	options := esptest.IP(a4, b4, packet.ProtoUDP, ports)
	options = append(options[:20:20], append([]byte{1, 1, 1, 0}, options[20:]...)...)
	options[0] = 0x46
	binary.BigEndian.PutUint16(options[2:], uint16(len(options)))
	fragment := func(field uint16) []byte {
		p := esptest.IP(a4, b4, packet.ProtoUDP, ports)
		binary.BigEndian.PutUint16(p[6:], field)
		return p
	}
	eight := make([]byte, 7)
	frag6 := func(field uint16) []byte { return []byte{0, byte(field >> 8), byte(field), 0, 0, 0, 1} }
	for _, tt := range []struct {
		name       string
		ip         []byte
		protocol   uint8
		ports      packet.Ports
		src, dst   uint16
		l4         int
		frag, exts bool
	}{
		{"UDP", esptest.IP(a4, b4, packet.ProtoUDP, ports), 17, packet.PortsPair, 1000, 80, 20, false, false},
		{"UDP in IPv6", esptest.IP(a6, b6, packet.ProtoUDP, ports), 17, packet.PortsPair, 1000, 80, 40, false, false},
		{"IPv4 options", options, 17, packet.PortsPair, 1000, 80, 24, false, true},
		{"the first fragment", fragment(0x2000), 17, packet.PortsPair, 1000, 80, 20, true, false},
		{"a later fragment", fragment(0x2010), 17, packet.PortsOpaque, 0, 0, 20, true, false},
		{"the last fragment", fragment(0x0010), 17, packet.PortsOpaque, 0, 0, 20, true, false},
		{"a header cut short", esptest.IP(a4, b4, packet.ProtoTCP, ports[:3]), 6, packet.PortsOpaque, 0, 0, 20, false, false},
		{"ICMP", esptest.IP(a4, b4, packet.ProtoICMP, []byte{3, 4, 0, 0, 0, 0, 0, 0}), 1, packet.PortsType, 0x304, 0x304, 20, false, false},
		{"ICMPv6", esptest.IP(a6, b6, packet.ProtoICMPv6, []byte{128, 0, 0, 0}), 58, packet.PortsType, 0x8000, 0x8000, 40, false, false},
		{"GRE", esptest.IP(a4, b4, 47, ports), 47, packet.PortsOpaque, 0, 0, 20, false, false},
		{"ESP", esptest.IP(a4, b4, packet.ProtoESP, ports), 50, packet.PortsOpaque, 0, 0, 20, false, false},
		{"SCTP", esptest.IP(a4, b4, packet.ProtoSCTP, ports), 132, packet.PortsPair, 1000, 80, 20, false, false},
		{"Mobility Header", esptest.IP(a6, b6, packet.ProtoMobility, []byte{59, 0, 5, 0}), 135, packet.PortsType, 0x500, 0x500, 40, false, false},
		{"two extension headers", with6(17, ports, []uint8{0, 60}, eight, eight), 17, packet.PortsPair, 1000, 80, 56, false, true},
		{"the first IPv6 fragment", with6(17, ports, []uint8{44}, frag6(1)), 17, packet.PortsPair, 1000, 80, 48, true, true},
		{"a later IPv6 fragment", with6(17, ports, []uint8{0, 44}, eight, frag6(8)), 17, packet.PortsOpaque, 0, 0, 56, true, true},
		{"an atomic fragment", with6(17, ports, []uint8{44}, frag6(0)), 17, packet.PortsPair, 1000, 80, 48, false, true},
		{"nothing behind", with6(59, nil, []uint8{60}, eight), 59, packet.PortsOpaque, 0, 0, 48, false, true},
	} {
		var v packet.View
		if err := v.Parse(append(tt.ip, 1, 2, 3)); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if v.Protocol != tt.protocol || v.Ports != tt.ports || v.SrcPort != tt.src || v.DstPort != tt.dst ||
			v.L4 != tt.l4 || v.Fragment != tt.frag || v.Extended != tt.exts || v.Len != len(tt.ip) {
			t.Errorf("%s: parsed as %+v", tt.name, v)
		}
		if src := map[uint8]string{4: a4, 6: a6}[v.Version]; v.Src != netip.MustParseAddr(src) {
			t.Errorf("%s: the source is %v", tt.name, v.Src)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	udp4, udp6 := esptest.UDP(a4, b4, 1, 2, []byte("abc")), esptest.UDP(a6, b6, 1, 2, []byte("abc"))
	var v packet.View
	for _, p := range [][]byte{udp4, udp6} {
		for n := range p {
			if err := v.Parse(p[:n]); err == nil {
				t.Errorf("IPv%d cut to %d of %d octets was parsed", p[0]>>4, n, len(p))
			}
		}
	}
	spoil := func(p []byte, at int, x byte) []byte {
		q := append([]byte(nil), p...)
		q[at] = x
		return q
	}
	deep := make([][]byte, 9)
	kinds := make([]uint8, 9)
	for i := range deep {
		deep[i], kinds[i] = make([]byte, 7), 60
	}
	for name, tt := range map[string]struct {
		ip   []byte
		want error
	}{
		"version 5":                       {spoil(udp4, 0, 0x55), packet.ErrVersion},
		"a header of 16 octets":           {spoil(udp4, 0, 0x44), packet.ErrHeader},
		"a total length below the header": {spoil(spoil(udp4, 2, 0), 3, 19), packet.ErrHeader},
		"an extension header too long":    {with6(17, nil, []uint8{60}, append([]byte{9}, make([]byte, 6)...)), packet.ErrHeader},
		"half an extension header":        {spoil(esptest.IP(a6, b6, 17, make([]byte, 7)), 6, 60), packet.ErrHeader},
		"half a fragment header":          {spoil(esptest.IP(a6, b6, 17, make([]byte, 7)), 6, 44), packet.ErrHeader},
		"extension headers without end":   {with6(17, nil, kinds, deep...), packet.ErrHeader},
	} {
		if err := v.Parse(tt.ip); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// TestParseAgainstGopacket compares with a foreign decoder.
func TestParseAgainstGopacket(t *testing.T) {
	for _, p := range [][]byte{
		esptest.UDP(a4, b4, 4660, 22136, []byte("hello")), esptest.UDP(a6, b6, 4660, 22136, []byte("hello")),
		esptest.TCP(a4, b4, 7, 8, 1, 2, 0x18, nil, "data"), esptest.TCP(a6, b6, 7, 8, 1, 2, 0x10, []byte{1, 1, 1, 0}, "data"),
	} {
		var v packet.View
		if err := v.Parse(p); err != nil {
			t.Fatal(err)
		}
		first := gopacket.LayerType(layers.LayerTypeIPv4)
		if v.Version == 6 {
			first = layers.LayerTypeIPv6
		}
		d := gopacket.NewPacket(p, first, gopacket.Default)
		if d.ErrorLayer() != nil {
			t.Fatal(d.ErrorLayer().Error())
		}
		net, l4 := d.NetworkLayer().NetworkFlow(), d.TransportLayer().TransportFlow()
		if net.Src().String() != v.Src.String() || net.Dst().String() != v.Dst.String() ||
			binary.BigEndian.Uint16(l4.Src().Raw()) != v.SrcPort || binary.BigEndian.Uint16(l4.Dst().Raw()) != v.DstPort {
			t.Errorf("%v %v was parsed as %+v", net, l4, v.Flow)
		}
		if !packet.ChecksumOK(p, &v) {
			t.Errorf("the right checksum of %v %v was called wrong", net, l4)
		}
		p[len(p)-1] ^= 1
		if packet.ChecksumOK(p, &v) {
			t.Errorf("the wrong checksum of %v %v was called right", net, l4)
		}
	}
}

func TestSetTOS(t *testing.T) {
	for _, from := range []uint8{0, 1, 0xb8, 0xff} {
		for _, to := range []uint8{0, 3, 0x28, 0xff} {
			p4, p6 := esptest.UDP(a4, b4, 1, 2, nil), esptest.UDP(a6, b6, 1, 2, nil)
			for _, p := range [][]byte{p4, p6} {
				flow := binary.BigEndian.Uint32(p) & 0xf00fffff
				packet.SetTOS(p, from)
				packet.SetTOS(p, to)
				var v packet.View
				if err := v.Parse(p); err != nil || v.TOS != to || !packet.ChecksumOK(p, &v) {
					t.Errorf("IPv%d %#x → %#x: parsed as %#x, checksum right %v, %v", p[0]>>4, from, to, v.TOS, packet.ChecksumOK(p, &v), err)
				}
				if v.Version == 6 && binary.BigEndian.Uint32(p)&0xf00fffff != flow {
					t.Error("setting the Traffic Class changed version or flow label")
				}
			}
		}
	}
	wrong := esptest.UDP(a4, b4, 1, 2, nil)
	wrong[10] ^= 0x55
	packet.SetTOS(wrong, 3)
	if esptest.Sum(wrong[:20], 0) == 0xffff {
		t.Error("a wrong header checksum became right")
	}
}

func FuzzParsePacket(f *testing.F) {
	f.Add(esptest.UDP(a4, b4, 1, 2, []byte("abc")))
	f.Add(esptest.UDP(a6, b6, 1, 2, []byte("abc")))
	f.Add(with6(17, make([]byte, 8), []uint8{0, 44}, make([]byte, 7), make([]byte, 7)))
	f.Fuzz(func(t *testing.T, p []byte) {
		var v packet.View
		if v.Parse(p) != nil {
			return
		}
		if v.Len > len(p) || v.L4 > v.Len || v.L4 < 20 || v.Src.BitLen() != v.Dst.BitLen() {
			t.Fatalf("%d octets were parsed as %+v", len(p), v)
		}
		if v.Ports == packet.PortsOpaque && v.SrcPort|v.DstPort != 0 {
			t.Fatalf("OPAQUE ports have values: %+v", v)
		}
		packet.ChecksumOK(p[:v.Len], &v)
		packet.SetTOS(p[:v.Len], 0xff)
		again := v
		if again.Parse(p) != nil || again.Flow != v.Flow || again.TOS != 0xff {
			t.Fatalf("after setting the TOS %+v became %+v", v, again)
		}
	})
}

func TestTrain(t *testing.T) {
	tr := packet.NewTrain()
	for i, step := range []struct {
		n    int
		fits bool
	}{{65508, false}, {100, true}, {101, false}, {100, true}, {40, true}, {40, false}, {100, false}, {1, false}} {
		if got := tr.Fits(step.n); got != step.fits {
			t.Errorf("step %d: %d octets fit a train of %d × %d: %v, want %v", i, step.n, tr.Count(), tr.Seg, got, step.fits)
		}
		if step.fits {
			if len(tr.Grow(step.n)) != step.n {
				t.Errorf("step %d: Grow(%d) gave another length", i, step.n)
			}
		}
	}
	if tr.Count() != 3 || len(tr.Datagram(2)) != 40 {
		t.Errorf("the train has %d datagrams, want 3 and the last of 40", tr.Count())
	}
	tr.Shrink(40)
	if !tr.Fits(100) {
		t.Error("after taking the short one away another does not fit")
	}
	tr.Reset()
	for range packet.MaxCars {
		if !tr.Fits(10) {
			t.Fatal("fewer than MaxCars fit")
		}
		tr.Grow(10)
	}
	if tr.Fits(10) || tr.Fits(5) {
		t.Error("more than MaxCars fit")
	}
	tr.Reset()
	tr.Grow(60000)
	if tr.Fits(6000) {
		t.Error("more than MaxTrain octets fit")
	}
	tr.Shrink(60000)
	if tr.Seg != 0 || !tr.Fits(65507) {
		t.Error("an emptied train is not empty")
	}
}
