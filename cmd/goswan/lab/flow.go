//go:build linux

package lab

import (
	"encoding/binary"
	"fmt"
	"net"
	"testing"
	"time"
)

// Flow is a stream of numbered datagrams in one direction at a steady rate, which waits for nobody. Its receiver has room
// for seconds of it, so what is missing was lost on the way. A machine that is too slow makes the flow slower, not burstier.
type Flow struct {
	Name             string
	sender, receiver *net.UDPConn
	stop             chan struct{}
	sent             chan uint64
	arrived          chan uint64 // how many different datagrams have arrived; the newest count replaces what was not read
	marks            chan flowMarks
}

// flowMarks is what a receiver has seen: a bit for each number, and how many came again.
type flowMarks struct {
	seen  []uint64
	again uint64
}

const (
	flowSize  = 200
	flowTick  = time.Millisecond
	flowBurst = 32 // at most so many datagrams at one tick
)

// StartFlow sends rate datagrams a second to an address of the other endpoint until Finish.
func (e *Endpoint) StartFlow(t testing.TB, to *Endpoint, address string, rate int) *Flow {
	t.Helper()
	f := &Flow{
		Name: fmt.Sprintf("%s to %s at %s", e.Name, to.Name, address),
		stop: make(chan struct{}), sent: make(chan uint64, 1), arrived: make(chan uint64, 1), marks: make(chan flowMarks, 1),
	}
	f.receiver = to.listenUDP(t, address)
	t.Cleanup(func() { _ = f.receiver.Close() })
	f.sender = e.dialUDP(t, f.receiver)
	t.Cleanup(func() { _ = f.sender.Close() })
	go f.receive()
	go f.send(rate)
	return f
}

// send sends what is due at each tick. What the kernel does not take is lost and shows as that.
func (f *Flow) send(rate int) {
	tick := time.NewTicker(flowTick)
	defer tick.Stop()
	b := make([]byte, flowSize)
	var n, skipped uint64 // skipped were due and not sent, because the machine was too slow
	for start := time.Now(); !closed(f.stop); <-tick.C {
		due := uint64(time.Since(start).Seconds() * float64(rate))
		if behind := due - skipped - n; behind > flowBurst {
			skipped += behind - flowBurst
		}
		for ; n+skipped < due; n++ {
			binary.BigEndian.PutUint64(b, n)
			_, _ = f.sender.Write(b)
		}
	}
	f.sent <- n
}

// receive marks what arrives until the socket is closed.
func (f *Flow) receive() {
	var m flowMarks
	var count uint64
	b := make([]byte, flowSize+1)
	for {
		n, err := f.receiver.Read(b)
		if err != nil {
			f.marks <- m
			return
		}
		if n != flowSize {
			continue
		}
		if !m.mark(binary.BigEndian.Uint64(b)) {
			m.again++
			continue
		}
		count++
		select {
		case <-f.arrived:
		default:
		}
		f.arrived <- count
	}
}

// mark notes a number and returns whether it is new.
func (m *flowMarks) mark(number uint64) bool {
	for uint64(len(m.seen)) <= number/64 {
		m.seen = append(m.seen, 0)
	}
	if m.has(number) {
		return false
	}
	m.seen[number/64] |= 1 << (number % 64)
	return true
}

func (m *flowMarks) has(number uint64) bool {
	return number/64 < uint64(len(m.seen)) && m.seen[number/64]>>(number%64)&1 == 1
}

// Finish ends the flow and returns how many datagrams were sent, the numbers of those that did not arrive, and how many
// arrived again.
func (f *Flow) Finish() (sent uint64, lost []uint64, again uint64) {
	close(f.stop)
	sent = <-f.sent
	for arrived, silent := uint64(0), false; arrived < sent && !silent; {
		select {
		case arrived = <-f.arrived:
		case <-time.After(probeSilence): // it passes only when something was lost
			silent = true
		}
	}
	_ = f.receiver.Close()
	m := <-f.marks
	for n := range sent {
		if !m.has(n) {
			lost = append(lost, n)
		}
	}
	return sent, lost, m.again
}
