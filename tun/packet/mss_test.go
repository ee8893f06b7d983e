package packet_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/tun/packet"
)

const syn = 0x02

// clamped runs IsSYN and ClampMSS on a packet, which it returns.
func clamped(t *testing.T, ip []byte, most uint16) (out []byte, changed bool) {
	t.Helper()
	var v packet.View
	if err := v.Parse(ip); err != nil {
		t.Fatal(err)
	}
	return ip, packet.IsSYN(ip, &v) && packet.ClampMSS(ip, &v, most)
}

// TestClampMSS: the MSS becomes smaller, never larger, wherever its option stands; everything else is what it was and the
// checksum is right.
func TestClampMSS(t *testing.T) {
	for _, addr := range [][2]string{{"10.1.0.1", "10.2.0.1"}, {"fd01::1", "fd02::1"}} {
		for _, c := range []struct {
			name       string
			flags      byte
			options    []byte
			most, want uint16 // want 0: nothing changes
			at         int    // where the MSS is in options
		}{
			{"MSS alone", syn, []byte{2, 4, 5, 180}, 1200, 1200, 2},
			{"in the answer", syn | 0x10, []byte{2, 4, 5, 180}, 1200, 1200, 2},
			{"at an odd place", syn, []byte{1, 2, 4, 0xff, 0xfe, 1, 1, 1}, 0x1234, 0x1234, 3},
			{"behind others", syn, []byte{4, 2, 3, 3, 7, 2, 4, 5, 180, 0, 0, 0}, 1398, 1398, 7},
			{"one less", syn, []byte{2, 4, 5, 180}, 1459, 1459, 2},
			{"to nothing", syn, []byte{2, 4, 5, 180}, 0, 0, 0},
			{"as large", syn, []byte{2, 4, 5, 180}, 1460, 0, 0},
			{"smaller already", syn, []byte{2, 4, 2, 0}, 1200, 0, 0},
			{"no options", syn, nil, 1200, 0, 0},
			{"no MSS", syn, []byte{1, 1, 4, 2}, 1200, 0, 0},
			{"behind the end", syn, []byte{0, 2, 4, 5, 180, 0, 0, 0}, 1200, 0, 0},
			{"no SYN", 0x10, []byte{2, 4, 5, 180}, 1200, 0, 0},
			{"an option of length 0", syn, []byte{8, 0, 2, 4, 5, 180, 0, 0}, 1200, 0, 0},
			{"an option that is too long", syn, []byte{8, 9, 2, 4, 5, 180, 0, 0}, 1200, 0, 0},
			{"an MSS of another length", syn, []byte{2, 6, 5, 180, 0, 0, 1, 1}, 1200, 0, 0},
			{"an option cut short", syn, []byte{1, 1, 1, 2}, 1200, 0, 0},
		} {
			ip := esptest.TCP(addr[0], addr[1], 5000, 80, 1000, 0, c.flags, c.options, "data")
			want := bytes.Clone(ip)
			if c.want != 0 || c.name == "to nothing" {
				options := bytes.Clone(c.options)
				at := max(c.at, 2)
				binary.BigEndian.PutUint16(options[at:], c.want)
				want = esptest.TCP(addr[0], addr[1], 5000, 80, 1000, 0, c.flags, options, "data")
			}
			changes := !bytes.Equal(ip, want)
			got, changed := clamped(t, ip, c.most)
			if changed != changes || !bytes.Equal(got, want) {
				t.Errorf("%s to %s: changed %v to\n% x, want %v\n% x", c.name, addr[1], changed, got, changes, want)
			}
		}
	}
}

// TestClampMSSOfFragments: the first fragment has the option; others and headers that are cut short are no SYN.
func TestClampMSSOfFragments(t *testing.T) {
	whole := esptest.TCP("10.1.0.1", "10.2.0.1", 5000, 80, 1000, 0, syn, []byte{2, 4, 5, 180}, "data")
	for _, c := range []struct {
		name string
		ip   func() []byte
		want bool
	}{
		{"the first", func() []byte { p := bytes.Clone(whole); p[6] = 0x20; return p }, true},
		{"another", func() []byte { p := bytes.Clone(whole); p[7] = 1; return p }, false},
		{"a header cut short", func() []byte { p := bytes.Clone(whole[:20+19]); p[3] = 39; p[6] = 0x20; return p }, false},
		{"options cut short", func() []byte { p := bytes.Clone(whole[:20+23]); p[3] = 43; p[6] = 0x20; return p }, false},
		{"a header of no length", func() []byte { p := bytes.Clone(whole); p[32] = 4 << 4; return p }, false},
		{"UDP", func() []byte { return esptest.UDP("10.1.0.1", "10.2.0.1", 1, 2, bytes.Repeat([]byte{2}, 40)) }, false},
	} {
		if _, changed := clamped(t, c.ip(), 1000); changed != c.want {
			t.Errorf("%s is changed: %v, want %v", c.name, changed, c.want)
		}
	}
}

func TestClampMSSAllocatesNothing(t *testing.T) {
	ip := esptest.TCP("10.1.0.1", "10.2.0.1", 5000, 80, 1000, 0, syn, []byte{2, 4, 5, 180}, "")
	var v packet.View
	if err := v.Parse(ip); err != nil {
		t.Fatal(err)
	}
	most := uint16(1400)
	if n := testing.AllocsPerRun(100, func() { packet.ClampMSS(ip, &v, most); most-- }); n != 0 {
		t.Errorf("clamping allocates %v times, want 0", n)
	}
}

// FuzzClampMSS: hostile octets change by no more than the MSS and the checksum, and a right checksum stays right.
func FuzzClampMSS(f *testing.F) {
	f.Add(esptest.TCP("10.1.0.1", "10.2.0.1", 5000, 80, 1000, 0, syn, []byte{1, 2, 4, 5, 180, 1, 1, 0}, "x"), uint16(1000))
	f.Add(esptest.TCP("fd01::1", "fd02::1", 5000, 80, 1000, 0, syn, []byte{3, 3, 7, 2, 4, 5, 180, 0}, ""), uint16(0))
	f.Fuzz(func(t *testing.T, ip []byte, most uint16) {
		var v packet.View
		if v.Parse(ip) != nil {
			return
		}
		before, right := bytes.Clone(ip), packet.ChecksumOK(ip, &v)
		_, changed := clamped(t, ip, most)
		differ := 0
		for i := range ip {
			if ip[i] != before[i] {
				differ++
			}
		}
		if differ > 4 || !changed && differ != 0 || right && !packet.ChecksumOK(ip, &v) {
			t.Fatalf("changed %v: % x\nto % x", changed, before, ip)
		}
	})
}
