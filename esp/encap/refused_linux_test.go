package encap

import (
	"bytes"
	"errors"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/goswan/goswan/tun/packet"
)

// TestRefusedSegmentationFallsBackAndIsRemembered: a kernel that refuses UDP_SEGMENT, for whatever reason, gets the same datagrams
// one by one: none is lost and none comes twice. That way is kept for the trains that follow, and what is refused for another reason
// is not taken for it.
func TestRefusedSegmentationFallsBackAndIsRemembered(t *testing.T) {
	for _, tt := range []struct {
		errno syscall.Errno
		falls bool
	}{
		{unix.EMSGSIZE, true}, {unix.EINVAL, true}, {unix.EIO, true}, {unix.EOPNOTSUPP, true}, {unix.ENOPROTOOPT, true},
		{unix.EPERM, false}, {unix.ENOBUFS, false},
	} {
		t.Run(tt.errno.Error(), func(t *testing.T) {
			a, b := listenFor(t, Config{}, openSocket), listenFor(t, Config{}, openSocket)
			to := netip.AddrPortFrom(loopback(false), b.portNATT)
			slot := &a.conn(t, false, true).(*linuxSocket).alone[class(to.Addr())]
			var trains []*packet.Train
			var want [][]byte
			for i := range 4 {
				out := train(netip.AddrPort{}, to, 700+i, 12+i)
				out.Len -= 33
				trains = append(trains, out)
				for n := range out.Count() {
					want = append(want, out.Datagram(n))
				}
			}
			errs := make([]error, 2)
			var alone []uint32
			refusing(t, tt.errno, func() {
				for _, out := range trains[:2] {
					errs = append(errs, a.Write(out))
					alone = append(alone, slot.Load())
				}
				slot.Store(0) // as at the beginning, for two trains at once
				a.WriteBatch(trains[2:], errs[:2])
				alone = append(alone, slot.Load())
			})
			if !tt.falls {
				for i, err := range errs {
					if !errors.Is(err, tt.errno) {
						t.Errorf("train %d: %v, want %v", i, err, tt.errno)
					}
				}
				if alone[0]+alone[1]+alone[2] != 0 {
					t.Errorf("%v was taken for a refusal of segments", tt.errno)
				}
				want = nil
			} else if err := errors.Join(errs...); err != nil {
				t.Error(err)
			} else if alone[0] != aloneFor || alone[1] != aloneFor-1 || alone[2] != aloneFor-1 {
				t.Errorf("%d trains are to go singly after the first, %d after the second, %d after a batch of two; want %d and one less", alone[0], alone[1], alone[2], aloneFor)
			}
			// A last one, by itself, ends what came.
			end := train(netip.AddrPort{}, to, 3, 1)
			if err := a.Write(end); err != nil {
				t.Fatal(err)
			}
			got, _ := readAll(t, b.conn(t, false, true), len(want)+1)
			for i, d := range append(want, end.Datagram(0)) {
				if !bytes.Equal(got[i], d) {
					t.Fatalf("datagram %d has %d octets, want %d", i, len(got[i]), len(d))
				}
			}
		})
	}
}

// refusing runs send on a thread for which sendmsg, and sendmmsg of few messages, fail with errno: what carries whole trains here.
func refusing(t *testing.T, errno syscall.Errno, send func()) {
	t.Helper()
	const few = 8
	load := func(k uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: k}
	}
	equal := func(k uint32, then, other uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jt: then, Jf: other}
	}
	give := func(k uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k}
	}
	vlen := uint32(16 + 2*8) // struct seccomp_data: the low half of the third argument
	if *(*byte)(unsafe.Pointer(&[]uint16{1}[0])) == 0 {
		vlen += 4
	}
	filter := []unix.SockFilter{
		load(0), equal(unix.SYS_SENDMSG, 4, 0), equal(unix.SYS_SENDMMSG, 0, 2), load(vlen),
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: few, Jt: 0, Jf: 1},
		give(unix.SECCOMP_RET_ALLOW), give(unix.SECCOMP_RET_ERRNO | uint32(errno)),
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its filter
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			done <- err
			return
		}
		err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
		if err == nil {
			send()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Skipf("SKIP: no system call can be made to fail here: %v", err)
	}
}
