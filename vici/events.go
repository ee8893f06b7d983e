package vici

import (
	"time"

	"github.com/goswan/goswan/ike/core"
	"go.uber.org/zap"
)

// knownEvents are the events that a client can register for.
var knownEvents = map[string]bool{
	"list-sa": true, "list-policy": true, "list-conn": true, "list-cert": true, "list-authority": true,
	"log": true, "control-log": true,
	"ike-updown": true, "ike-rekey": true, "child-updown": true, "child-rekey": true, "alert": true,
}

// logLevel is the highest level of log events: "issued to registered clients for each debug log message on level 0 or 1".
const logLevel = 1

// maxLogText bounds a line; a log event's value holds 64 KiB.
const maxLogText = 8 << 10

// raise gives an event of the daemon to the clients. It does not block.
func (s *Server) raise(e Event) {
	s.counters.count(e)
	now := s.now()
	switch what := e.What.(type) {
	case core.Log:
		s.raiseLog(e, what)
	case core.Established:
		s.publish("ike-updown", func() *Message { return ikeUpdown(what.IKE, true, now) })
	case core.IKEDown:
		s.publish("ike-updown", func() *Message { return ikeUpdown(what.IKE, false, now) })
	case core.IKERekeyed:
		s.publish("ike-rekey", func() *Message { return ikeRekey(what, now) })
	case core.ChildUp:
		s.publish("child-updown", func() *Message { return childUpdown(what.IKE, what.Child, true, now) })
	case core.ChildDown:
		s.publish("child-updown", func() *Message { return childUpdown(what.IKE, what.Child, false, now) })
	case core.ChildRekeyed:
		s.publish("child-rekey", func() *Message { return childRekey(what, now) })
	case core.Failed:
		s.raiseAlert(what.Reason)
	}
}

// publish sends an event to the clients that registered for it; it is made only if there are any.
func (s *Server) publish(name string, make func() *Message) {
	var packet []byte
	for _, c := range s.each() {
		if !c.registered(name) {
			continue
		}
		if packet == nil {
			if packet = s.encodeEvent(name, make()); packet == nil {
				return
			}
		}
		c.offer(name, packet)
	}
}

func (s *Server) encodeEvent(name string, m *Message) []byte {
	b, err := encodePacket(event, name, m)
	if err != nil {
		s.log.Debug("an event cannot be sent", zap.String("event", name), zap.Error(err))
		return nil
	}
	return b
}

// offer queues an event. A client that has not read for long loses log lines; one that would lose track of the SAs is
// disconnected, so that it knows.
func (c *client) offer(name string, packet []byte) {
	if c.out.offer(packet) || name == "log" || name == "control-log" {
		return
	}
	c.log.Debug("a vici client does not read its events and is disconnected", zap.String("event", name))
	c.out.close()
	_ = c.conn.Close()
}

// raiseLog gives a line to the clients that trace the log, and to those whose command it belongs to.
func (s *Server) raiseLog(e Event, line core.Log) {
	if line.Level <= logLevel {
		s.publish("log", func() *Message {
			m := &Message{}
			m.Add("group", line.Group).Addf("level", "%d", line.Level)
			// charon has a thread for each line; goroutines have no number.
			m.Add("thread", "0")
			return addLine(m, e, line)
		})
	}
	var packet []byte
	for _, c := range s.each() {
		if !c.watches(e, line.Level) {
			continue
		}
		if packet == nil {
			m := &Message{}
			m.Add("group", line.Group).Addf("level", "%d", line.Level)
			if packet = s.encodeEvent("control-log", addLine(m, e, line)); packet == nil {
				return
			}
		}
		c.offer("control-log", packet)
	}
}

func addLine(m *Message, e Event, line core.Log) *Message {
	if e.Conn != "" {
		m.Add("ikesa-name", e.Conn)
	}
	if e.IKE != 0 {
		m.Addf("ikesa-uniqueid", "%d", e.IKE)
	}
	return m.Add("msg", printable(line.Text[:min(len(line.Text), maxLogText)]))
}

// watch is which log lines belong to a command under way.
type watch struct {
	level int
	conn  string          // lines of this connection, or
	ids   map[uint32]bool // lines of these IKE SAs
}

// watches says that the line is one of the command that the client waits for.
func (c *client) watches(e Event, level int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.watch
	return w != nil && c.events["control-log"] && level <= w.level && (w.conn != "" && w.conn == e.Conn || w.ids[e.IKE])
}

func ikeUpdown(sa core.IKEStatus, up bool, now time.Time) *Message {
	m := &Message{}
	if up {
		m.Add("up", "yes")
	}
	addIKE(m.AddSection(nameOf(sa)), sa, now)
	return m
}

func ikeRekey(what core.IKERekeyed, now time.Time) *Message {
	m := &Message{}
	sa := m.AddSection(nameOf(what.Old))
	addIKE(sa.AddSection("old"), what.Old, now)
	addIKE(sa.AddSection("new"), what.New, now)
	return m
}

func childUpdown(sa core.IKEStatus, child core.ChildStatus, up bool, now time.Time) *Message {
	m := &Message{}
	if up {
		m.Add("up", "yes")
	}
	ike := m.AddSection(nameOf(sa))
	addIKE(ike, sa, now)
	addChild(ike.AddSection("child-sas"), sa, child, now)
	return m
}

func childRekey(what core.ChildRekeyed, now time.Time) *Message {
	m := &Message{}
	ike := m.AddSection(nameOf(what.IKE))
	addIKE(ike, what.IKE, now)
	// Here the section has the name alone, without the unique ID.
	child := ike.AddSection("child-sas").AddSection(what.Old.Name)
	fillChild(child.AddSection("old"), what.IKE, what.Old, now)
	fillChild(child.AddSection("new"), what.IKE, what.New, now)
	return m
}

// alertTypes are the alerts that stand for a failure, first those of phase 1, then those of phase 2.
var alertTypes = [2]map[core.Kind]string{
	{
		core.NoProposalChosen: "proposal-mismatch-ike", core.AuthenticationFailed: "peer-auth-failed",
		core.Timeout: "retransmit-send-timeout", core.Expired: "ike-sa-expired", core.Replaced: "unique-replace",
	},
	{
		core.NoProposalChosen: "proposal-mismatch-child", core.TSUnacceptable: "ts-mismatch",
		core.InternalAddress: "vip-failure", core.Internal: "install-child-sa-failed",
	},
}

// alertType is the alert of a failure, "" if there is none.
func alertType(r *core.Reason) string {
	switch {
	case r == nil || r.Phase < 1 || r.Phase > len(alertTypes):
		return ""
	case r.Kind == core.AuthenticationFailed && r.ByPeer:
		return "local-auth-failed"
	case r.Kind == core.Timeout && r.Exchange == "IKE_SA_INIT":
		return "peer-init-unreachable"
	}
	return alertTypes[r.Phase-1][r.Kind]
}

func (s *Server) raiseAlert(r *core.Reason) {
	if kind := alertType(r); kind != "" {
		s.publish("alert", func() *Message { return (&Message{}).Add("type", kind) })
	}
}
