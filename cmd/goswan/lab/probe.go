//go:build linux

package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// Probe is a stream of numbered UDP datagrams that the far end sends back, so that every lost packet is known by number
// and direction.
//
// At most probeWindow datagrams are under way: the stream slows down with the machine instead of overflowing a queue, so
// a loss is a packet that the tunnel lost. Nothing is judged by how long it took.
type Probe struct {
	client, server *net.UDPConn
	stop           chan struct{}
	done           chan struct{}
	far            chan map[uint64]int // what the far end got, sent when server is closed
	sent           uint64
	back           map[uint64]int
}

const (
	probeWindow   = 32
	probeSize     = 200
	probeInterval = time.Millisecond
	// probeSilence is how long the end of the stream is waited for. It passes only when something was lost.
	probeSilence = 5 * time.Second
)

// StartProbe starts the stream, from ns to an address of the other namespace and back.
func (ns *Namespace) StartProbe(t testing.TB, to *Namespace, address string) *Probe {
	t.Helper()
	p := &Probe{stop: make(chan struct{}), done: make(chan struct{}), far: make(chan map[uint64]int, 1), back: map[uint64]int{}}
	to.mustIn(t, func() (err error) {
		p.server, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 0)))
		return err
	})
	t.Cleanup(func() { _ = p.server.Close() })
	ns.mustIn(t, func() (err error) {
		p.client, err = net.DialUDP("udp", nil, p.server.LocalAddr().(*net.UDPAddr))
		return err
	})
	t.Cleanup(func() { _ = p.client.Close() })
	go p.reflect()
	go p.run()
	return p
}

// reflect sends back what arrives until the socket is closed.
func (p *Probe) reflect() {
	seen := map[uint64]int{}
	b := make([]byte, probeSize)
	for {
		n, from, err := p.server.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			p.far <- seen
			return
		}
		if err != nil || n != probeSize {
			continue
		}
		seen[binary.BigEndian.Uint64(b)]++
		_, _ = p.server.WriteToUDPAddrPort(b[:n], from)
	}
}

// run sends one datagram a tick while the window is open and gathers the answers. After stop it waits for what is under way.
func (p *Probe) run() {
	defer close(p.done)
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	for !closed(p.stop) {
		if p.sent-uint64(len(p.back)) < probeWindow {
			p.send()
		}
		<-tick.C
		p.gather(0)
	}
	for p.sent > uint64(len(p.back)) {
		if !p.gather(probeSilence) {
			return
		}
	}
}

// send sends the next number. An error is a loss and shows as one.
func (p *Probe) send() {
	b := make([]byte, probeSize)
	binary.BigEndian.PutUint64(b, p.sent)
	_, _ = p.client.Write(b)
	p.sent++
}

// gather takes the answers that are there, waiting for the first one up to wait. It returns whether there was one.
func (p *Probe) gather(wait time.Duration) (any bool) {
	b := make([]byte, probeSize)
	_ = p.client.SetReadDeadline(time.Now().Add(max(wait, 10*time.Microsecond)))
	for {
		n, err := p.client.Read(b)
		if err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				return any
			}
			continue // an ICMP error of an earlier datagram: that one is lost and counted as such
		}
		if n == probeSize {
			p.back[binary.BigEndian.Uint64(b)]++
			any = true
		}
		if wait > 0 {
			return any
		}
	}
}

// Finish ends the stream and returns how many datagrams were sent and which were lost on the way there and back.
func (p *Probe) Finish() (sent uint64, lostThere, lostBack []uint64) {
	close(p.stop)
	<-p.done
	_ = p.server.Close()
	far := <-p.far
	for n := range p.sent {
		switch {
		case far[n] == 0:
			lostThere = append(lostThere, n)
		case p.back[n] == 0:
			lostBack = append(lostBack, n)
		}
	}
	return p.sent, lostThere, lostBack
}

// FinishLossless ends the stream, in which nothing may have been lost.
func (p *Probe) FinishLossless(t testing.TB) {
	t.Helper()
	p.finish(t, func() (int, string) { return 0, "" })
}

// FinishBut ends the stream, in which nothing may have been lost but what strongSwan's host has dropped since n.Losses told
// before: on a busy machine strongSwan may be too slow for a socket's buffer, which is not ours to mend.
func (p *Probe) FinishBut(t testing.TB, n *Net, before map[string]int) {
	t.Helper()
	p.finish(t, func() (theirs int, places string) {
		after := n.Losses(t)
		for place, count := range after {
			role, _, _ := strings.Cut(place, " ")
			role, _, _ = strings.Cut(role, "/")
			if h := map[string]*Host{"left": n.Left, "right": n.Right}[role]; h != nil && h.Daemon == StrongSwan {
				theirs += count - before[place]
			}
		}
		return theirs, fmt.Sprintf("\ndropped before: %v\ndropped by now: %v", before, after)
	})
}

// finish ends the stream; allowed tells how many may be lost, and where any were.
func (p *Probe) finish(t testing.TB, allowed func() (most int, places string)) {
	t.Helper()
	sent, there, back := p.Finish()
	most, places := allowed()
	if lost := len(there) + len(back); lost > most || sent == 0 {
		t.Fatalf("of %d packets there and back, %d were lost on the way there (numbers %v) and %d on the way back (%v)%s",
			sent, len(there), there, len(back), back, places)
	}
	t.Logf("probe: %d packets there and back, %d lost, of at most %d", sent, len(there)+len(back), most)
}
