package packet_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/tun/packet"
)

// change is a packet with some octets replaced and its IPv4 header checksum made right again.
func change(ip []byte, octets map[int]byte) []byte {
	ip = bytes.Clone(ip)
	for at, x := range octets {
		ip[at] = x
	}
	if ip[0]>>4 == 4 {
		ip[10], ip[11] = 0, 0
		binary.BigEndian.PutUint16(ip[10:], ^esptest.Sum(ip[:20], 0))
	}
	return ip
}

// TestTooBig: who gets an ICMP error, and who must not.
func TestTooBig(t *testing.T) {
	four := esptest.UDP("10.1.0.1", "10.2.0.1", 1, 2, make([]byte, 1400))
	six := esptest.UDP("fd01::1", "fd02::1", 1, 2, make([]byte, 1400))
	icmp := func(src, dst string, protocol, kind byte) []byte {
		return esptest.IP(src, dst, protocol, append([]byte{kind, 4}, make([]byte, 1400)...))
	}
	from := func(src, dst string) []byte { return esptest.UDP(src, dst, 1, 2, make([]byte, 1400)) }
	fragment6 := func(offset byte) []byte {
		return esptest.IP("fd01::1", "fd02::1", packet.ProtoFragment, append([]byte{packet.ProtoUDP, 0, offset, 1, 0, 0, 0, 9}, make([]byte, 1400)...))
	}
	for _, c := range []struct {
		name string
		ip   []byte
		mtu  int
		want int // the MTU told; 0: nothing may be sent
	}{
		{"IPv4 with DF", four, 1300, 1300},
		{"IPv4 without DF", change(four, map[int]byte{6: 0}), 1300, 0},
		{"IPv4 and a path below the least MTU", four, -3, packet.MinMTU4},
		{"IPv4, the first fragment", change(four, map[int]byte{6: 0x60}), 1300, 1300},
		{"IPv4, another fragment", change(four, map[int]byte{6: 0x60, 7: 9}), 1300, 0},
		{"IPv4 echo request", icmp("10.1.0.1", "10.2.0.1", packet.ProtoICMP, 8), 1300, 1300},
		{"IPv4 Destination Unreachable", icmp("10.1.0.1", "10.2.0.1", packet.ProtoICMP, 3), 1300, 0},
		{"IPv4 Redirect", icmp("10.1.0.1", "10.2.0.1", packet.ProtoICMP, 5), 1300, 0},
		{"IPv4 Time Exceeded", icmp("10.1.0.1", "10.2.0.1", packet.ProtoICMP, 11), 1300, 0},
		{"IPv4 Parameter Problem", icmp("10.1.0.1", "10.2.0.1", packet.ProtoICMP, 12), 1300, 0},
		{"IPv4 to a multicast group", from("10.1.0.1", "224.0.0.9"), 1300, 0},
		{"IPv4 broadcast", from("10.1.0.1", "255.255.255.255"), 1300, 0},
		{"IPv4 from nobody", from("0.0.0.0", "10.2.0.1"), 1300, 0},
		{"IPv4 from a multicast group", from("224.0.0.9", "10.2.0.1"), 1300, 0},
		{"IPv4 from class E", from("240.0.0.1", "10.2.0.1"), 1300, 0},
		{"IPv4 from loopback", from("127.0.0.1", "10.2.0.1"), 1300, 0},
		{"IPv6", six, 1300, 1300},
		{"IPv6 and a path below the least MTU", six, 900, packet.MinMTU6},
		{"IPv6 that is not above the least MTU", esptest.UDP("fd01::1", "fd02::1", 1, 2, make([]byte, 1280-48)), 900, 0},
		{"IPv6, the first fragment", fragment6(0), 1300, 1300},
		{"IPv6, another fragment", fragment6(8), 1300, 0},
		{"IPv6 echo request", icmp("fd01::1", "fd02::1", packet.ProtoICMPv6, 128), 1300, 1300},
		{"IPv6 Packet Too Big", icmp("fd01::1", "fd02::1", packet.ProtoICMPv6, 2), 1300, 0},
		{"IPv6 error of an unknown type", icmp("fd01::1", "fd02::1", packet.ProtoICMPv6, 100), 1300, 0},
		{"IPv6 Redirect", icmp("fd01::1", "fd02::1", packet.ProtoICMPv6, 137), 1300, 0},
		{"IPv6 to a multicast group", from("fd01::1", "ff02::1"), 1300, 0},
		{"IPv6 from nobody", from("::", "fd02::1"), 1300, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var v packet.View
			if err := v.Parse(c.ip); err != nil {
				t.Fatal(err)
			}
			before := []byte("before")
			out, ok := packet.AppendTooBig(before, c.ip, &v, c.mtu)
			if !ok || c.want == 0 {
				if ok || c.want != 0 || len(out) != len(before) {
					t.Fatalf("an error is made: %v, want %v", ok, c.want != 0)
				}
				return
			}
			answers(t, out[len(before):], c.ip, c.want)
		})
	}
}

// answers checks an ICMP error for the packet ip in all its fields.
func answers(t *testing.T, p, ip []byte, mtu int) {
	t.Helper()
	var v, was packet.View
	if err := v.Parse(p); err != nil || v.Len != len(p) {
		t.Fatalf("the error is no whole packet: %v", err)
	}
	if err := was.Parse(ip); err != nil {
		t.Fatal(err)
	}
	if v.Src != was.Dst || v.Dst != was.Src {
		t.Errorf("it goes from %s to %s, want the way back", v.Src, v.Dst)
	}
	l4 := p[v.L4:]
	want, most := []byte{3, 4, 0, 0, 0, 0, byte(mtu >> 8), byte(mtu)}, 576
	var pseudo uint16
	if v.Version == 6 {
		want, most = []byte{2, 0, 0, 0, 0, 0, byte(mtu >> 8), byte(mtu)}, 1280
		pseudo = esptest.Sum(p[8:40], esptest.Sum([]byte{byte(len(l4) >> 8), byte(len(l4)), 0, packet.ProtoICMPv6}, 0))
	} else if esptest.Sum(p[:20], 0) != 0xffff {
		t.Error("the IPv4 header checksum is wrong")
	}
	if esptest.Sum(l4, pseudo) != 0xffff {
		t.Error("the ICMP checksum is wrong")
	}
	copy(want[2:4], l4[2:4]) // the checksum
	if !bytes.Equal(l4[:8], want) {
		t.Errorf("the ICMP header is % x, want % x", l4[:8], want)
	}
	if len(p) != min(most, v.L4+8+len(ip)) || !bytes.Equal(l4[8:], ip[:len(l4)-8]) {
		t.Errorf("%d octets quote %d, want as much as fits %d", len(p), len(l4)-8, most)
	}
}

func TestTooBigAllocatesNothing(t *testing.T) {
	ip := esptest.UDP("fd01::1", "fd02::1", 1, 2, make([]byte, 1400))
	var v packet.View
	if err := v.Parse(ip); err != nil {
		t.Fatal(err)
	}
	room := make([]byte, 0, packet.MaxTooBig)
	if n := testing.AllocsPerRun(100, func() { _, _ = packet.AppendTooBig(room, ip, &v, 1300) }); n != 0 {
		t.Errorf("an ICMP error costs %v allocations", n)
	}
}

// FuzzTooBig answers whatever parses: an answer is a whole packet of its family, no longer than MaxTooBig, to the sender,
// and is itself not answered.
func FuzzTooBig(f *testing.F) {
	f.Add(esptest.UDP("10.1.0.1", "10.2.0.1", 1, 2, make([]byte, 1400)), 1300)
	f.Add(esptest.UDP("fd01::1", "fd02::1", 1, 2, make([]byte, 1400)), 1300)
	f.Add(esptest.IP("10.1.0.1", "10.2.0.1", packet.ProtoICMP, []byte{3, 4, 0, 0}), 0)
	f.Add(esptest.IP("fd01::1", "fd02::1", packet.ProtoFragment, []byte{17, 0, 0, 1, 0, 0, 0, 9, 0, 1, 0, 2}), -1)
	f.Fuzz(func(t *testing.T, ip []byte, mtu int) {
		var v packet.View
		if v.Parse(ip) != nil {
			return
		}
		out, ok := packet.AppendTooBig(nil, ip[:v.Len], &v, mtu)
		if !ok {
			return
		}
		var back packet.View
		if err := back.Parse(out); err != nil || back.Len != len(out) || len(out) > packet.MaxTooBig || back.Version != v.Version || back.Dst != v.Src {
			t.Fatalf("the answer % x of %d octets is none: %v", out, len(out), err)
		}
		if back.Src == (netip.Addr{}) || packet.MayAnswer(out, &back) {
			t.Fatal("an ICMP error may be answered with another")
		}
	})
}
