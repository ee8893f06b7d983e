package ikev2

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
)

// fit is how closely an address pattern fits; greater is closer.
type fit int

const (
	fitNone  fit = iota
	fitAny       // %any
	fitRange     // a prefix or a range
	fitHost      // a host name
	fitExact     // the very address
)

// fitAddr is how an address fits the patterns of local_addrs or remote_addrs. None at all is %any.
func (m *Machine) fitAddr(patterns []string, a netip.Addr) fit {
	if len(patterns) == 0 {
		return fitAny
	}
	best := fitNone
	for _, p := range patterns {
		best = max(best, m.fitPattern(strings.TrimSpace(p), a.Unmap().WithZone("")))
	}
	return best
}

func (m *Machine) fitPattern(pattern string, a netip.Addr) fit {
	switch pattern {
	case "%any", "0.0.0.0/0", "::/0":
		if strings.Contains(pattern, "/") && a.Is4() != (pattern == "0.0.0.0/0") {
			return fitNone
		}
		return fitAny
	case "%any4", "0.0.0.0":
		return fitIf(a.Is4(), fitAny)
	case "%any6", "::":
		return fitIf(a.Is6(), fitAny)
	}
	if p, err := netip.ParsePrefix(pattern); err == nil {
		return fitIf(p.Contains(a), fitRange)
	}
	if want, err := netip.ParseAddr(pattern); err == nil {
		return fitIf(want.Unmap().WithZone("") == a, fitExact)
	}
	if from, to, ok := parseRange(pattern); ok {
		return fitIf(from.BitLen() == a.BitLen() && from.Compare(a) <= 0 && a.Compare(to) <= 0, fitRange)
	}
	if m.env.Resolve == nil {
		return fitNone
	}
	return fitIf(slices.ContainsFunc(m.env.Resolve(pattern), func(h netip.Addr) bool { return h.Unmap().WithZone("") == a }), fitHost)
}

func fitIf(ok bool, f fit) fit {
	if ok {
		return f
	}
	return fitNone
}

func parseRange(s string) (from, to netip.Addr, ok bool) {
	a, b, ok := strings.Cut(s, "-")
	if !ok {
		return
	}
	from, err1 := netip.ParseAddr(strings.TrimSpace(a))
	to, err2 := netip.ParseAddr(strings.TrimSpace(b))
	return from, to, err1 == nil && err2 == nil && from.BitLen() == to.BitLen()
}

// candidates are the connections that fit the addresses of a peer's IKE_SA_INIT, the closest first, in the order of the
// configuration among equals.
func (m *Machine) candidates(local, remote netip.Addr) []*core.Connection {
	type ranked struct {
		conn *core.Connection
		fit  fit
	}
	var all []ranked
	for _, c := range m.env.Catalog().Connections {
		if c.Version == 1 || len(c.Local) == 0 || len(c.Remote) == 0 {
			continue
		}
		l, r := m.fitAddr(c.LocalAddrs, local), m.fitAddr(c.RemoteAddrs, remote)
		if l != fitNone && r != fitNone {
			all = append(all, ranked{c, l + 10*r})
		}
	}
	slices.SortStableFunc(all, func(a, b ranked) int { return cmp.Compare(b.fit, a.fit) })
	var conns []*core.Connection
	for _, r := range all {
		conns = append(conns, r.conn)
	}
	return conns
}

// maxTried bounds the connections that one peer's signature is judged by.
const maxTried = 8

// fitting are the candidates that a peer may mean by what IKE_AUTH tells: the identities, the kind of its proof, and the proposal
// that IKE_SA_INIT chose. The closest identities go first, in the order of the candidates among equals. Only a signature is
// judged by more than one: connections differ in what certificates they take, and so do those that EAP is for in what users they
// take. One that takes no such proof, or not as many rounds, is there if it is the only one, to tell why not.
func fitting(candidates []*core.Connection, chosen suite.Proposal, c *claim, asked auth.Identity, several bool) []*core.Connection {
	type ranked struct {
		conn  *core.Connection
		match auth.Match
	}
	var all []ranked
	for _, conn := range candidates {
		if _, _, ok := suite.Select([]suite.Proposal{chosen}, conn.Proposals, false); !ok {
			continue
		}
		local := auth.MatchAny
		if !asked.IsAny() {
			local = asked.Matches(conn.Local[0].ID)
		}
		if remote := c.id.Matches(conn.Remote[0].ID); remote != auth.MatchNone && local != auth.MatchNone {
			all = append(all, ranked{conn, 2*remote + local})
		}
	}
	slices.SortStableFunc(all, func(a, b ranked) int { return cmp.Compare(b.match, a.match) })
	var conns []*core.Connection
	for _, r := range all {
		// How many rounds there are behind EAP, only EAP's AUTH will tell.
		rounds := c.method() == core.AuthEAP || several == (len(r.conn.Remote) > 1)
		if takes(r.conn.Remote[0], c.method()) && rounds && len(conns) < maxTried {
			conns = append(conns, r.conn)
		}
	}
	switch {
	case len(conns) == 0 && len(all) > 0:
		return []*core.Connection{all[0].conn}
	case len(conns) > 0 && c.method() == core.AuthPSK:
		return conns[:1]
	}
	return conns
}

// severalRounds tells whether a connection has more than one authentication round on a side.
func severalRounds(c *core.Connection) bool { return len(c.Local) > 1 || len(c.Remote) > 1 }

// describe lists connections by what they would match, for a reason.
func describe(conns []*core.Connection) string {
	const most = 8
	var texts []string
	for i, c := range conns {
		if i == most {
			texts = append(texts, fmt.Sprintf("and %d more", len(conns)-most))
			break
		}
		text := fmt.Sprintf("%q (%s)", c.Name, strings.Join(connectionFacts(c), ", "))
		texts = append(texts, text)
	}
	if texts == nil {
		return "none"
	}
	return strings.Join(texts, "; ")
}

func connectionFacts(c *core.Connection) []string {
	facts := []string{
		"local_addrs " + orAny(c.LocalAddrs), "remote_addrs " + orAny(c.RemoteAddrs),
	}
	if len(c.Local) > 0 {
		facts = append(facts, "local id "+c.Local[0].ID.String())
	}
	if len(c.Remote) > 0 {
		facts = append(facts, "remote id "+c.Remote[0].ID.String())
	}
	if at := c.Source.String(); at != "" {
		facts = append(facts, at)
	}
	return facts
}

func orAny(list []string) string {
	if len(list) == 0 {
		return "%any"
	}
	return strings.Join(list, " ")
}

// sendable tells an identity that can stand in a message: not %any and without a wildcard.
func sendable(id auth.Identity) bool {
	switch id.Type {
	case auth.IDAny:
		return false
	case auth.IDFQDN, auth.IDRFC822Addr:
		return !strings.HasPrefix(id.Data, "*")
	case auth.IDDERASN1DN:
		return !strings.Contains(id.String(), "=*")
	}
	return true
}
