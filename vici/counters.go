package vici

import (
	"slices"
	"strings"
	"sync"

	"github.com/goswan/goswan/ike/core"
)

// counterNames are the counters of get-counters, in order: vici_query.c, vici_counter_type_names.
var counterNames = []string{
	"ike-rekey-init", "ike-rekey-resp", "child-rekey", "invalid", "invalid-spi",
	"ike-init-in-req", "ike-init-in-resp", "ike-init-out-req", "ike-init-out-resp",
	"ike-auth-in-req", "ike-auth-in-resp", "ike-auth-out-req", "ike-auth-out-resp",
	"create-child-in-req", "create-child-in-resp", "create-child-out-req", "create-child-out-resp",
	"info-in-req", "info-in-resp", "info-out-req", "info-out-resp",
}

// exchangeCounters are what the names of an exchange's counters begin with.
var exchangeCounters = map[string]string{
	"IKE_SA_INIT": "ike-init", "IKE_AUTH": "ike-auth", "CREATE_CHILD_SA": "create-child", "INFORMATIONAL": "info",
}

// counterSet is one value for each of counterNames.
type counterSet []uint64

// maxCounted bounds the connections that are counted by name. Names come from the configuration.
const maxCounted = 1 << 16

// counters count what the daemon's events tell, in all and by connection.
type counters struct {
	mu    sync.Mutex // guards what follows
	all   counterSet
	conns map[string]counterSet
}

// count counts an event, if it is one that is counted.
func (c *counters) count(e Event) {
	name := ""
	switch what := e.What.(type) {
	case core.IKERekeyed:
		name = "ike-rekey-resp"
		if what.New.Initiator {
			name = "ike-rekey-init"
		}
	case core.ChildRekeyed:
		name = "child-rekey"
	case core.Failed:
		if what.Reason != nil && what.Reason.Kind == core.InvalidSyntax && !what.Reason.ByPeer {
			name = "invalid"
		}
	case core.Message:
		name = messageCounter(what)
	}
	if i := slices.Index(counterNames, name); i >= 0 {
		c.add(e.Conn, i)
	}
}

// messageCounter is the counter of an IKE message. One that is sent again is not counted again.
func messageCounter(m core.Message) string {
	prefix := exchangeCounters[m.Exchange]
	if prefix == "" || m.Retransmit > 0 {
		return ""
	}
	direction, kind := "-in", "-req"
	if m.Outbound {
		direction = "-out"
	}
	if m.Response {
		kind = "-resp"
	}
	return prefix + direction + kind
}

func (c *counters) add(conn string, i int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = make(counterSet, len(counterNames))
	}
	c.all[i]++
	if conn == "" {
		return
	}
	set := c.conns[conn]
	if set == nil {
		if len(c.conns) >= maxCounted {
			return
		}
		if c.conns == nil {
			c.conns = map[string]counterSet{}
		}
		set = make(counterSet, len(counterNames))
		c.conns[conn] = set
	}
	set[i]++
}

// message adds the counters of one connection to m, or for "" those of all together; false is that there are none.
func (c *counters) message(m *Message, conn string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	set, ok := c.conns[conn]
	if conn == "" {
		set, ok = c.all, true
	}
	if !ok {
		return false
	}
	section := m.AddSection(conn)
	for i, name := range counterNames {
		value := uint64(0)
		if set != nil {
			value = set[i]
		}
		section.Addf(name, "%d", value)
	}
	return true
}

// names are the connections that are counted, sorted.
func (c *counters) names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := make([]string, 0, len(c.conns))
	for name := range c.conns {
		names = append(names, name)
	}
	slices.SortFunc(names, strings.Compare)
	return names
}

// reset forgets the counters of one connection, or for "" those of all together.
func (c *counters) reset(conn string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn == "" {
		c.all = nil
		return
	}
	delete(c.conns, conn)
}

// resetConns forgets the counters of every connection.
func (c *counters) resetConns() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = nil
}

func getCounters(c *call) *Message {
	names := []string{c.request.Get("name")}
	all := c.yes("all")
	if all {
		names = c.counters.names()
	}
	m := &Message{}
	section := m.AddSection("counters")
	for _, name := range names {
		if !c.counters.message(section, name) && !all {
			return m.Add("success", "no").Add("errmsg", "no counters found for this connection")
		}
	}
	return m.Add("success", "yes")
}

func resetCounters(c *call) *Message {
	if c.yes("all") {
		c.counters.resetConns()
	} else {
		c.counters.reset(c.request.Get("name"))
	}
	return success()
}
