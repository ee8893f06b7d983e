package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/crypto/status"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/core"
)

// Question is what Explain answers.
type Question struct {
	// Connection is the name of one. With the name of one of its children the answer is about the Child SA.
	Connection, Child string
	// Offer is what a peer offers, as suite.ParseOffer reads it; "" asks what is accepted.
	Offer string
}

// Explanation is what a connection or a child accepts and, if something was offered, what becomes of that. All of it is
// for people and for JSON.
type Explanation struct {
	Connection string `json:"connection"`
	Child      string `json:"child,omitempty"`
	Setting    string `json:"setting"` // "proposals", "esp_proposals"
	Place      string `json:"place"`   // the setting with owner, file and line
	Accepted   []Line `json:"accepted"`
	// Authentication is how both sides of a connection prove who they are; a child has none.
	Authentication []Round `json:"authentication,omitempty"`
	Offered        []Line  `json:"offered,omitempty"`

	Outcome Outcome `json:"outcome,omitempty"` // "" when nothing was offered
	// Chosen is what would be negotiated; nil when refused.
	Chosen *Line `json:"chosen,omitempty"`
	// Types are the offered and the accepted proposal that agree, or differ least, side by side.
	Types []TypeRow `json:"types,omitempty"`
	// Differences says in a clause each in what they differ.
	Differences []string `json:"differences,omitempty"`
	// Add is the proposal in keywords that settles the matter when it is added to Setting, "" if there is none, and Ask what
	// the peer could offer instead.
	Add string `json:"add,omitempty"`
	Ask string `json:"ask,omitempty"`
	// AddWarnings says what is weak about Add.
	AddWarnings []string `json:"add_warnings,omitempty"`
	// Fix is all that in one sentence.
	Fix string `json:"fix,omitempty"`
}

// Outcome is what becomes of an offer.
type Outcome string

// The outcomes.
const (
	Agreed Outcome = "agreed"
	// AgreedInAuth is a Child SA that comes up with IKE_AUTH, where there are no key exchanges, and that cannot be rekeyed.
	AgreedInAuth Outcome = "agreed in IKE_AUTH, refused when rekeyed"
	Refused      Outcome = "no proposal chosen"
)

// Line is one proposal.
type Line struct {
	Log        string      `json:"log"`      // as strongSwan logs it
	Keywords   string      `json:"keywords"` // as swanctl.conf has it
	Strength   int         `json:"strength"` // bits of the weakest algorithm, 0 if not known
	Weakest    string      `json:"weakest,omitempty"`
	Algorithms []Algorithm `json:"algorithms"`
}

// Algorithm is one transform.
type Algorithm struct {
	Type     string `json:"type"` // "ENCR", "INTEG", "PRF", "KE", "ESN", "ADDKE1" …
	Name     string `json:"name"` // as strongSwan logs it
	Keyword  string `json:"keyword,omitempty"`
	Strength int    `json:"strength,omitempty"` // bits, 0 if not known or without meaning
	Status   string `json:"status"`             // its standing: "default", "named", "legacy", "refused", "unimplemented"
	Doubtful bool   `json:"doubtful,omitempty"` // it is legacy, refused or unimplemented
	Why      string `json:"why,omitempty"`      // it is legacy or refused
}

// TypeRow is one transform type of two proposals.
type TypeRow struct {
	Type     string      `json:"type"`
	Offered  []Algorithm `json:"offered"`
	Accepted []Algorithm `json:"accepted"`
	Common   []Algorithm `json:"common"`
	// Gap is why they do not agree, "" if they do.
	Gap string `json:"gap,omitempty"`
	// Objections says of each offered algorithm that is not accepted why.
	Objections []string `json:"objections,omitempty"`
}

// Explain answers a question about a configuration. The error says what is wrong with the question.
func Explain(catalog *core.Catalog, q Question) (*Explanation, error) {
	conn, err := FindConnection(catalog, q.Connection)
	if err != nil {
		return nil, err
	}
	child, err := FindChild(conn, q.Child)
	if err != nil {
		return nil, err
	}
	var offers []suite.Proposal
	if q.Offer != "" {
		if offers, child, err = readOffer(conn, child, q.Offer); err != nil {
			return nil, err
		}
	}
	x := &Explanation{Connection: conn.Name, Setting: suite.IKE.Setting(), Place: conn.ProposalsPlace()}
	accepted := conn.Proposals
	if child == nil {
		x.Authentication = Rounds(conn)
	}
	if child != nil {
		x.Child, x.Setting, x.Place, accepted = child.Name, suite.ESP.Setting(), child.ProposalsPlace(), child.Proposals
	}
	x.Accepted = lines(accepted)
	if q.Offer != "" {
		x.Offered = lines(offers)
		x.judge(offers, accepted)
	}
	return x, nil
}

// FindConnection finds a connection, or says which there are.
func FindConnection(catalog *core.Catalog, name string) (*core.Connection, error) {
	if conn := catalog.Connection(name); conn != nil {
		return conn, nil
	}
	var names []string
	for _, conn := range catalog.Connections {
		names = append(names, conn.Name)
		if slices.ContainsFunc(conn.Children, func(c *core.Child) bool { return c.Name == name }) {
			return nil, fmt.Errorf("%q is no connection but a child of %q: name both, %s %s", name, conn.Name, conn.Name, name)
		}
	}
	return nil, fmt.Errorf("there is no connection %q%s", name, thereIs(name, names))
}

// FindChild finds a child that negotiates, or says which there are; nil for the name "".
func FindChild(conn *core.Connection, name string) (*core.Child, error) {
	if name == "" {
		return nil, nil
	}
	for _, c := range conn.Children {
		switch {
		case c.Name == name && c.Mode != core.ModeTunnel:
			return nil, fmt.Errorf("child %q of connection %q negotiates nothing: mode = %s", name, conn.Name, strings.ToLower(c.Mode.String()))
		case c.Name == name:
			return c, nil
		}
	}
	return nil, noChild(conn, name)
}

func noChild(conn *core.Connection, name string) error {
	var names []string
	for _, c := range conn.Children {
		names = append(names, c.Name)
	}
	return fmt.Errorf("connection %q has no child %q%s", conn.Name, name, thereIs(name, names))
}

// thereIs lists the names that there are, and which may be meant.
func thereIs(name string, names []string) string {
	const most = 20
	if len(names) == 0 {
		return "; there is none at all"
	}
	list := strings.Join(names[:min(most, len(names))], ", ")
	if more := len(names) - most; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	if near := settings.Nearest(name, names); near != "" {
		return fmt.Sprintf("; did you mean %q? There is %s", near, list)
	}
	return "; there is " + list
}

// readOffer reads an offer for a connection or a child. A log line with proposals for ESP is about the child, also if none
// was named and the connection has only one.
func readOffer(conn *core.Connection, child *core.Child, text string) ([]suite.Proposal, *core.Child, error) {
	p := suite.IKE
	if child != nil {
		p = suite.ESP
	}
	all, err := suite.ParseOffer(p, text)
	if err != nil && child == nil && !strings.ContainsAny(text, "-_/:, ") {
		return nil, nil, fmt.Errorf("%w; and %w", err, noChild(conn, text))
	}
	if err != nil {
		return nil, nil, err
	}
	var ike, others []suite.Proposal
	for _, o := range all {
		if o.Protocol == suite.IKE {
			ike = append(ike, o)
		} else {
			others = append(others, o)
		}
	}
	switch {
	case child != nil && len(others) == 0:
		return nil, nil, fmt.Errorf("this offers IKE proposals, and a child has none: leave %s out", child.Name)
	case child != nil:
		return others, child, nil
	case len(ike) > 0:
		return ike, nil, nil
	}
	var names []string
	for _, c := range conn.Children {
		if c.Mode == core.ModeTunnel {
			names, child = append(names, c.Name), c
		}
	}
	if len(names) != 1 {
		return nil, nil, fmt.Errorf("this offers %s proposals, which are for a child: name one%s", others[0].Protocol, thereIs("", names))
	}
	return others, child, nil
}

// judge tells what becomes of an offer when this connection responds.
func (x *Explanation) judge(offers, accepted []suite.Proposal) {
	if chosen, i, ok := suite.Select(offers, accepted, false); ok {
		x.Outcome = Agreed
		x.agreed(chosen, offers[i], accepted)
		return
	}
	near := suite.Nearest(offers, accepted)
	if chosen, _, ok := suite.Select(withoutKE(offers), withoutKE(accepted), false); ok && x.Child != "" {
		x.Outcome = AgreedInAuth
		l := line(chosen)
		x.Chosen = &l
	} else {
		x.Outcome = Refused
		if x.Child != "" && !slices.ContainsFunc(offers, hasKE) {
			near = suite.NearestInAuth(offers, accepted)
		}
	}
	x.Types = rows(near.Types)
	for _, c := range near.Types {
		if s := c.String(); s != "" {
			x.Differences = append(x.Differences, s)
		}
	}
	x.Add, x.Ask, x.AddWarnings, x.Fix = near.Ours.Keywords, near.Ask, near.Ours.Warnings(), near.Fix(x.Place)
}

func (x *Explanation) agreed(chosen, offer suite.Proposal, accepted []suite.Proposal) {
	l := line(chosen)
	x.Chosen = &l
	for _, a := range accepted {
		if _, _, ok := suite.Select([]suite.Proposal{offer}, []suite.Proposal{a}, false); ok {
			x.Types = rows(suite.Compare(offer, a))
			return
		}
	}
}

func hasKE(p suite.Proposal) bool { return len(p.Of(suite.KE)) > 0 }

// withoutKE is what of proposals counts in IKE_AUTH.
func withoutKE(list []suite.Proposal) []suite.Proposal {
	var out []suite.Proposal
	for _, p := range list {
		out = append(out, p.WithoutKE())
	}
	return out
}

func lines(list []suite.Proposal) []Line {
	out := make([]Line, 0, len(list))
	for _, p := range list {
		out = append(out, line(p))
	}
	return out
}

func line(p suite.Proposal) Line {
	bits, weakest := p.Strength()
	l := Line{Log: p.String(), Keywords: p.Keywords(), Strength: bits, Algorithms: algorithms(p.Transforms)}
	if bits != 0 {
		l.Weakest = weakest.String()
	}
	return l
}

func algorithms(list []suite.Transform) []Algorithm {
	out := make([]Algorithm, 0, len(list))
	for _, t := range list {
		s, why := t.Status()
		a := Algorithm{Type: t.Type.String(), Name: t.String(), Keyword: t.Keyword(), Status: t.Standing(), Why: why}
		if a.Keyword == a.Name {
			a.Keyword = "" // it has none
		}
		if s.Usable() {
			a.Strength = t.Strength()
		}
		a.Doubtful = !s.Usable() || s == status.Legacy
		out = append(out, a)
	}
	return out
}

func rows(list []suite.Comparison) []TypeRow {
	var out []TypeRow
	for _, c := range list {
		row := TypeRow{Type: c.Type.String(), Offered: algorithms(c.Offered), Accepted: algorithms(c.Accepted), Common: algorithms(c.Common), Gap: string(c.Gap)}
		if c.Gap != suite.Closed {
			for _, o := range c.Objections {
				row.Objections = append(row.Objections, o.String())
			}
		}
		out = append(out, row)
	}
	return out
}
