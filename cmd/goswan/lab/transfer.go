//go:build linux

package lab

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pingCount is how many echo requests Ping sends.
const pingCount = 4

// Ping sends a few echo requests, one after the other, all of which have to be answered. Each is a ping of its own: one
// that sends several gives the last of them no longer than the first ones took.
func (ns *Namespace) Ping(t testing.TB, to string) {
	t.Helper()
	for i := range pingCount {
		if out, err := ns.Command(t.Context(), "ping", "-n", "-c", "1", "-W", "10", to).CombinedOutput(); err != nil {
			t.Fatalf("%s: ping %s: request %d of %d: %v\n%s", ns.Name, to, i+1, pingCount, err, out)
		}
	}
}

// NoPing asserts that echo requests are not answered.
func (ns *Namespace) NoPing(t testing.TB, to string) {
	t.Helper()
	if out, err := ns.Command(t.Context(), "ping", "-n", "-c", "2", "-i", "0.05", "-W", "0.3", to).CombinedOutput(); err == nil {
		t.Fatalf("%s: ping %s was answered, although it must not be:\n%s", ns.Name, to, out)
	}
}

// Transfer is a TCP stream of pseudo-random octets on its way between two hosts.
type Transfer struct {
	name     string
	stop     chan struct{} // closed by Finish: no more than the size
	sent     chan streamEnd
	received chan streamEnd
}

// streamEnd is what one end of the stream saw.
type streamEnd struct {
	octets  int64
	sum     [sha256.Size]byte
	retrans uint32 // segments sent again, at the sender
	err     error
}

// Stream describes a transfer. Port and Window are the kernel's choice where they are 0.
type Stream struct {
	Size   int64  // at least so many octets
	Port   uint16 // of the receiver
	Window int    // octets of receive buffer: bounds what is in flight, so that no queue on the way overflows
}

// Transfer sends size octets over TCP, from ns to an address of the other endpoint, and compares the checksums.
func (e *Endpoint) Transfer(t testing.TB, to *Endpoint, address string, size int64) {
	t.Helper()
	e.StartTransfer(t, to, address, Stream{Size: size}).Finish(t)
}

// StartTransfer starts a transfer that goes on until Finish, and at least for s.Size octets.
func (e *Endpoint) StartTransfer(t testing.TB, to *Endpoint, address string, s Stream) *Transfer {
	t.Helper()
	tr := &Transfer{
		name: fmt.Sprintf("%s to %s at %s", e.Name, to.Name, address),
		stop: make(chan struct{}), sent: make(chan streamEnd, 1), received: make(chan streamEnd, 1),
	}
	var listener net.Listener
	to.mustIn(t, func() (err error) {
		listener, err = s.listen(address)
		return err
	})
	t.Cleanup(func() { _ = listener.Close() })
	go func() { tr.received <- receive(listener) }()
	var conn net.Conn
	e.mustIn(t, func() (err error) {
		dialer := net.Dialer{Timeout: patience}
		dialer.SetMultipathTCP(false)
		conn, err = dialer.Dial("tcp", listener.Addr().String())
		return err
	})
	t.Cleanup(func() { _ = conn.Close() })
	go func() { tr.sent <- send(conn.(*net.TCPConn), s.Size, tr.stop) }()
	return tr
}

// Finish waits for the end of the transfer and compares what arrived with what was sent.
func (tr *Transfer) Finish(t testing.TB) {
	t.Helper()
	close(tr.stop)
	sent, received := <-tr.sent, <-tr.received
	if err := errors.Join(sent.err, received.err); err != nil {
		t.Fatalf("transfer from %s: after %d octets sent and %d received: %v", tr.name, sent.octets, received.octets, err)
	}
	if sent.octets != received.octets || sent.sum != received.sum {
		t.Fatalf("transfer from %s: sent %d octets with SHA-256 %x, received %d with %x",
			tr.name, sent.octets, sent.sum, received.octets, received.sum)
	}
	t.Logf("transfer from %s: %d octets, SHA-256 %x… equal at both ends, %d segments sent again",
		tr.name, sent.octets, sent.sum[:4], sent.retrans)
}

// listen opens the receiver's socket on a port of the kernel's choice.
func (s Stream) listen(address string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		if s.Window == 0 {
			return nil
		}
		var failed error
		err := raw.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, s.Window)
		})
		return errors.Join(err, failed)
	}}
	config.SetMultipathTCP(false)
	return config.Listen(context.Background(), "tcp", netip.AddrPortFrom(netip.MustParseAddr(address), s.Port).String())
}

// stall is how long a stream may stand still before it is given up.
const stall = 60 * time.Second

// send writes until size octets are out and stop is closed.
func send(conn *net.TCPConn, size int64, stop <-chan struct{}) (end streamEnd) {
	defer conn.Close()
	source := rand.NewChaCha8([32]byte(bytes.Repeat([]byte("octet"), 7)[:32]))
	hash := sha256.New()
	block := make([]byte, 64<<10)
	for end.octets < size || !closed(stop) {
		_, _ = source.Read(block)
		_ = conn.SetWriteDeadline(time.Now().Add(stall))
		n, err := conn.Write(block)
		hash.Write(block[:n])
		end.octets += int64(n)
		if err != nil {
			end.err = err
			return end
		}
	}
	end.retrans = retransmitted(conn)
	end.err = conn.CloseWrite()
	hash.Sum(end.sum[:0])
	// The receiver closes when it has everything.
	_ = conn.SetReadDeadline(time.Now().Add(stall))
	if _, err := conn.Read(block); err != io.EOF {
		end.err = errors.Join(end.err, fmt.Errorf("the receiver did not close: %w", err))
	}
	return end
}

// receive reads one connection to its end.
func receive(listener net.Listener) (end streamEnd) {
	_ = listener.(*net.TCPListener).SetDeadline(time.Now().Add(stall))
	conn, err := listener.Accept()
	_ = listener.Close()
	if err != nil {
		return streamEnd{err: err}
	}
	defer conn.Close()
	hash := sha256.New()
	block := make([]byte, 64<<10)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(stall))
		n, err := conn.Read(block)
		hash.Write(block[:n])
		end.octets += int64(n)
		if err == io.EOF {
			hash.Sum(end.sum[:0])
			return end
		}
		if err != nil {
			end.err = err
			return end
		}
	}
}

// retransmitted is how many segments the kernel has sent again, or 0 where it does not tell.
func retransmitted(conn *net.TCPConn) (count uint32) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			count = info.Total_retrans
		}
	})
	return count
}

// closed tells whether a channel is closed.
func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
