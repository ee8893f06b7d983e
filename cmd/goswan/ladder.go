package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/goswan/goswan"
	"github.com/goswan/goswan/ike/core"
)

// ladder prints the messages of a negotiation as people draw them: one line a message, an arrow for its direction,
// Phase 1 and Phase 2 apart.
type ladder struct {
	w          io.Writer
	here, peer string // names of the two ends
	detail     bool

	mu    sync.Mutex // guards what follows
	start time.Time
	last  time.Time // of the message that came last: what follows from it has its time
	phase int
}

// see prints an event if it belongs on the ladder.
func (l *ladder) see(ev goswan.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch o := ev.What.(type) {
	case core.Message:
		l.message(o)
	case core.Established:
		l.milestone("Phase 1 done: IKE SA %q between %s and %s, %s", o.IKE.Conn, o.IKE.LocalID, o.IKE.RemoteID, o.IKE.Suite)
	case core.ChildUp:
		l.milestone("Phase 2 done: Child SA %q %v === %v, %s", o.Child.Name, o.Child.LocalTS, o.Child.RemoteTS, o.Child.Suite)
	case core.IKERekeyed:
		l.milestone("Phase 1 rekeyed: IKE SA %q has new keys, SPIs %s %s", o.New.Conn, o.New.SPIi, o.New.SPIr)
	case core.ChildRekeyed:
		l.milestone("Phase 2 rekeyed: Child SA %q has new keys, SPIs %08x_in %08x_out", o.New.Name, uint32(o.New.SPIIn), uint32(o.New.SPIOut))
	case core.ChildDown:
		l.milestone("Phase 2 ended: Child SA %q", o.Child.Name)
	case core.IKEDown:
		l.milestone("Phase 1 ended: IKE SA %q", o.IKE.Conn)
	case core.Failed:
		l.milestone("failed: %v", o.Reason)
	}
}

func (l *ladder) since(t time.Time) string {
	if l.start.IsZero() {
		l.start = t
	}
	return fmt.Sprintf("%9.2f ms", float64(t.Sub(l.start).Microseconds())/1000)
}

func (l *ladder) milestone(format string, args ...any) {
	fmt.Fprintf(l.w, "%s  ✓ %s\n", l.since(l.last), fmt.Sprintf(format, args...))
}

func (l *ladder) message(m core.Message) {
	l.last = m.At
	when := l.since(m.At)
	if m.Phase != l.phase {
		l.phase = m.Phase
		fmt.Fprintf(l.w, "%s  ── Phase %d ──\n", strings.Repeat(" ", len(when)), m.Phase)
	}
	arrow, kind := "◀──", "request "
	if m.Outbound {
		arrow = "──▶"
	}
	if m.Response {
		kind = "response"
	}
	again := ""
	if m.Retransmit > 0 {
		again = fmt.Sprintf(" (retransmission %d)", m.Retransmit)
	}
	fmt.Fprintf(l.w, "%s  %s %s %s  %-15s %s %d  [ %s ] %d octets%s\n", when, l.here, arrow, l.peer, m.Exchange, kind, m.MessageID, m.Payloads, m.Size, again)
	if l.detail {
		for _, d := range m.Detail {
			fmt.Fprintf(l.w, "%s      %s\n", strings.Repeat(" ", len(when)), d)
		}
	}
}
