//go:build linux

package lab

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// datagramBatch is how many datagrams are under way at a time; it fits any queue on the way.
const datagramBatch = 16

// datagramSizes are the sizes of payload that Datagrams sends over IPv4: 1371 is one less than what fills the MTU of 1400
// that strongSwan's TUN device has.
var datagramSizes = []int{1, 63, 64, 511, 1200, 1371}

// Datagrams sends numbered datagrams of each size, one by one and cut by the kernel from one large send (UDP_SEGMENT), and
// compares what arrives octet for octet. None may be lost, doubled or changed. With IPv6, whose header is longer by 20
// octets, the largest are shorter by that.
func (e *Endpoint) Datagrams(t testing.TB, to *Endpoint, address string, sizes []int) {
	t.Helper()
	receiver := to.listenUDP(t, address)
	defer receiver.Close()
	sender := e.dialUDP(t, receiver)
	defer sender.Close()
	for _, size := range sizes {
		if size == sizes[len(sizes)-1] && netip.MustParseAddr(address).Is6() {
			size -= 20
		}
		for batch, send := range []func(*net.UDPConn, [][]byte) error{sendSingly, sendSegments, sendSingly, sendSegments} {
			all := datagramsOf(size, batch*datagramBatch)
			if err := send(sender, all); err != nil {
				t.Fatalf("%s: send %d datagrams of %d octets to %s: %v", e.Name, len(all), size, address, err)
			}
			if err := expectDatagrams(receiver, all); err != nil {
				t.Fatalf("%s to %s: of %d datagrams of %d octets from number %d on: %v",
					e.Name, address, len(all), size, batch*datagramBatch, err)
			}
		}
	}
}

// datagramsOf are a batch of datagrams of one size, each with its number in the first octet and octets of its own.
func datagramsOf(size, from int) [][]byte {
	all := make([][]byte, datagramBatch)
	for i := range all {
		seed := [32]byte{}
		binary.BigEndian.PutUint64(seed[:], uint64(size))
		binary.BigEndian.PutUint64(seed[8:], uint64(from+i))
		d := make([]byte, size)
		_, _ = rand.NewChaCha8(seed).Read(d)
		d[0] = byte(from + i)
		all[i] = d
	}
	return all
}

func sendSingly(conn *net.UDPConn, all [][]byte) error {
	for _, d := range all {
		if _, err := conn.Write(d); err != nil {
			return err
		}
	}
	return nil
}

// sendSegments sends them with one call.
func sendSegments(conn *net.UDPConn, all [][]byte) error {
	control := make([]byte, unix.CmsgSpace(2))
	h := &unix.Cmsghdr{Level: unix.IPPROTO_UDP, Type: unix.UDP_SEGMENT}
	h.SetLen(unix.CmsgLen(2))
	if _, err := binary.Encode(control, binary.NativeEndian, h); err != nil {
		return err
	}
	binary.NativeEndian.PutUint16(control[unix.CmsgLen(0):], uint16(len(all[0])))
	_, _, err := conn.WriteMsgUDP(bytes.Join(all, nil), control, nil)
	return err
}

// expectDatagrams reads as many datagrams as were sent. Their order is the network's; their octets are not.
func expectDatagrams(conn *net.UDPConn, all [][]byte) error {
	missing := map[string]int{}
	for _, d := range all {
		missing[string(d)]++
	}
	b := make([]byte, 1<<16)
	for range all {
		_ = conn.SetReadDeadline(time.Now().Add(probeSilence))
		n, err := conn.Read(b)
		if err != nil {
			return fmt.Errorf("%d did not arrive: %w", len(missing), err)
		}
		if missing[string(b[:n])] == 0 {
			return fmt.Errorf("one arrived with %d octets that were not sent, or twice: %x", n, b[:min(n, 64)])
		}
		delete(missing, string(b[:n]))
	}
	return nil
}

// probeBuffer is the receive buffer of sockets that measure loss, so large that they lose nothing themselves.
const probeBuffer = 64 << 20

// listenUDP opens a socket that loses nothing, on a port of the kernel's choice.
func (ns *Namespace) listenUDP(t testing.TB, address string) (conn *net.UDPConn) {
	t.Helper()
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, probeBuffer)
		})
		return errors.Join(err, failed)
	}}
	ns.mustIn(t, func() error {
		c, err := config.ListenPacket(context.Background(), "udp", netip.AddrPortFrom(netip.MustParseAddr(address), 0).String())
		if err == nil {
			conn = c.(*net.UDPConn)
		}
		return err
	})
	return conn
}

// dialUDP opens a socket that sends to another.
func (ns *Namespace) dialUDP(t testing.TB, to *net.UDPConn) (conn *net.UDPConn) {
	t.Helper()
	ns.mustIn(t, func() (err error) {
		conn, err = net.DialUDP("udp", nil, to.LocalAddr().(*net.UDPAddr))
		return err
	})
	return conn
}
