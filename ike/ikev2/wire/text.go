package wire

import (
	"encoding/hex"
	"fmt"
	"strings"
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

// maxListed bounds what a line or a list of lines shows of a payload that a peer made long.
const maxListed = 16

// hexPrefix is octets in hexadecimal, at most maxListed of them.
func hexPrefix(b []byte) string {
	if len(b) <= maxListed {
		return hex.EncodeToString(b)
	}
	return fmt.Sprintf("%x… (%d octets)", b[:maxListed], len(b))
}

// listed joins items, at most maxListed of them.
func listed(items []string, sep string) string {
	if len(items) <= maxListed {
		return strings.Join(items, sep)
	}
	return strings.Join(items[:maxListed], sep) + fmt.Sprintf("%s… %d more", sep, len(items)-maxListed)
}
