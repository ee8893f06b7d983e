package ikev2

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

func (m *Machine) logf(group string, level int, format string, args ...any) {
	m.emit(core.Log{Group: group, Level: level, Text: fmt.Sprintf(format, args...)})
}

// endpoint prints an address and port as strongSwan does, "192.0.2.1[500]".
func endpoint(a netip.AddrPort) string {
	return fmt.Sprintf("%s[%d]", a.Addr().Unmap(), a.Port())
}

// ladder is the message as one rung of the Phase 1 / Phase 2 ladder, and as a line in the log.
func (m *Machine) ladder(msg *wire.Message, d core.Datagram, outbound bool, size int) core.Message {
	l := core.Message{
		At: m.now, Outbound: outbound, Phase: phaseOf(msg),
		Exchange: msg.Exchange.String(), Response: msg.IsResponse(), MessageID: msg.MessageID,
		Local: d.Local, Remote: d.Remote, Size: size,
	}
	l.Payloads, l.Detail = msg.Summary(), msg.Detail()
	verb := "parsed"
	if outbound {
		verb = "generating"
	}
	m.logf("ENC", 1, "%s %s", verb, msg)
	return l
}

func (m *Machine) emitMessage(l core.Message) { m.emit(l) }

// received puts a message from the network on the ladder.
func (m *Machine) received(msg *wire.Message, d core.Datagram) {
	m.logf("NET", 1, "received packet: from %s to %s (%d bytes)", endpoint(d.Remote), endpoint(d.Local), len(d.Data))
	m.emitMessage(m.ladder(msg, d, false, len(d.Data)))
}

// phaseOf is 2 for what is about Child SAs: all CREATE_CHILD_SA but those of an IKE SA, and Deletes of Child SAs.
func phaseOf(msg *wire.Message) int {
	switch msg.Exchange {
	case header.CreateChildSA:
		if sa := wire.First[*wire.SA](msg); sa != nil && len(sa.Proposals) > 0 && sa.Proposals[0].Protocol == suite.IKE {
			return 1
		}
		return 2
	case header.Informational:
		if d := wire.First[*wire.Delete](msg); d != nil && d.Protocol != suite.IKE {
			return 2
		}
	}
	return 1
}

// join prints traffic selectors one after another, as strongSwan does.
func join(list []spd.TrafficSelector) string {
	var texts []string
	for _, ts := range list {
		texts = append(texts, ts.String())
	}
	return strings.Join(texts, " ")
}

func proposals(list []suite.Proposal) string {
	var texts []string
	for _, p := range list {
		texts = append(texts, p.String())
	}
	return strings.Join(texts, ", ")
}

// round prints a duration for people.
func round(d time.Duration) time.Duration { return d.Round(time.Second / 10) }
