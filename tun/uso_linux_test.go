package tun

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/tun/packet"
	"github.com/goswan/goswan/tun/poll"
)

// TestWithoutUSOUDPIsCut: a kernel that takes no super-packets of UDP is given the packets that one stands for, and those of TCP whole.
func TestWithoutUSOUDPIsCut(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fds[1]) }()
	file, err := poll.NewFile(fds[0], "device")
	if err != nil {
		t.Fatal(err)
	}
	q := newVnetQueue("device", file)
	defer func() { _ = q.Close() }()
	for _, addrs := range [][2]string{{"10.1.0.1", "10.2.0.1"}, {"fd01::1", "fd02::1"}} {
		for _, list := range [][][]byte{
			esptest.Datagrams(addrs[0], addrs[1], 20, 701, 3), esptest.Datagrams(addrs[0], addrs[1], 2, 1, 1),
			esptest.Stream(addrs[0], addrs[1], 20, 701, 3, 0x10, 0x18),
		} {
			data, gso := esptest.Super(list)
			s := packet.NewSuper()
			s.Len, s.GSO = copy(s.Buf[s.Off:], data), gso
			if err := q.Write(s); err != nil {
				t.Fatal(err)
			}
			want := [][]byte{data}
			var header [virtioLen]byte
			if gso.Type == packet.GSOUDP {
				want = list
			} else {
				encodeVirtio(header[:], gso)
			}
			for i, p := range want {
				got := make([]byte, virtioLen+packet.MaxPacket)
				n, err := unix.Read(fds[1], got)
				if err != nil || !bytes.Equal(got[:min(n, virtioLen)], header[:]) || !bytes.Equal(got[min(n, virtioLen):n], p) {
					t.Fatalf("write %d of a super-packet of kind %d has %d octets (%v) with the header % x, want %d and % x", i, gso.Type, n, err, got[:virtioLen], virtioLen+len(p), header)
				}
			}
			if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fds[1]), Events: unix.POLLIN}}, 0); n != 0 || err != nil {
				t.Errorf("more was written than the super-packet stands for (%d, %v)", n, err)
			}
		}
	}
}
