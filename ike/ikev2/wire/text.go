package wire

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/goswan/goswan/esp/spd"
)

// String is the message in one line, as charon logs it:
//
//	IKE_SA_INIT request 0 [ SA KE No N(NATD_S_IP) N(NATD_D_IP) N(FRAG_SUP) N(HASH_ALG) ]
func (m *Message) String() string {
	kind := "request"
	if m.IsResponse() {
		kind = "response"
	}
	s := fmt.Sprintf("%s %s %d [ ", m.Exchange, kind, m.MessageID)
	if payloads := m.Summary(); payloads != "" {
		s += payloads + " "
	}
	return s + "]"
}

// Summary is the payloads in one line: "SA KE No N(NATD_S_IP)".
func (m *Message) Summary() string {
	var names []string
	for _, list := range [][]Payload{m.Outer, m.Payloads} {
		for _, p := range list {
			names = append(names, p.String())
		}
	}
	return strings.Join(names, " ")
}

// Detail is the payloads one by one, without secrets: proposals, key exchange methods, identities, traffic selectors. What
// a peer made long is cut short, and what is not printable does not reach the terminal.
func (m *Message) Detail() []string {
	var lines []string
	for _, list := range [][]Payload{m.Outer, m.Payloads} {
		for _, p := range list {
			lines = append(lines, p.Detail()...)
		}
	}
	return lines
}

// clip shortens text that a peer made long.
func clip(s string) string {
	const most = 256
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

var protocolNames = map[uint8]string{1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 51: "ah", 58: "ipv6-icmp", 132: "sctp"}

// selectorText is a selector as charon prints it: "10.1.0.0/16", "10.1.0.1..10.1.0.9[tcp/80]", "::/0[udp/1024-2047]".
func selectorText(ts spd.TrafficSelector) string {
	s := rangeText(ts.Start, ts.End)
	if ts.Protocol == 0 && ts.StartPort == 0 && ts.EndPort == 65535 {
		return s
	}
	protocol := fmt.Sprint(ts.Protocol)
	if name, ok := protocolNames[ts.Protocol]; ok {
		protocol = name
	} else if ts.Protocol == 0 {
		protocol = "any"
	}
	return s + "[" + protocol + portsText(ts.StartPort, ts.EndPort) + "]"
}

func portsText(start, end uint16) string {
	switch {
	case start == 0 && end == 65535:
		return ""
	case start == end:
		return fmt.Sprintf("/%d", start)
	case start == 65535 && end == 0:
		return "/OPAQUE"
	}
	return fmt.Sprintf("/%d-%d", start, end)
}

// rangeText is a range as a prefix where it is one.
func rangeText(start, end netip.Addr) string {
	for bits := start.BitLen(); bits >= 0; bits-- {
		prefix := netip.PrefixFrom(start, bits)
		if prefix.Masked().Addr() != start {
			break
		}
		if lastOf(prefix) == end {
			return prefix.String()
		}
	}
	return start.String() + ".." + end.String()
}

// lastOf is the highest address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
