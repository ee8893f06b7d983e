//go:build linux

package lab

import (
	"fmt"
	"strings"
)

// IKESA is one entry of `swanctl --list-sas --raw`.
type IKESA struct {
	Name, State                string
	InitiatorSPI, ResponderSPI string
	Initiator                  bool
	Children                   []ChildSA
	Section                    *section // the entry as it was
}

// ChildSA is one entry of child-sas. During a rekey there are several of one name.
type ChildSA struct {
	Name, State        string
	SPIIn, SPIOut      string
	LocalTS, RemoteTS  string
	BytesIn, PacketsIn string
	Section            *section
}

// String is a line for a failure message.
func (sa IKESA) String() string {
	return fmt.Sprintf("%s %s %s_i %s_r %v", sa.Name, sa.State, sa.InitiatorSPI, sa.ResponderSPI, sa.Children)
}

// String is a part of a line.
func (c ChildSA) String() string {
	return fmt.Sprintf("%s %s in=%s out=%s %s===%s", c.Name, c.State, c.SPIIn, c.SPIOut, c.LocalTS, c.RemoteTS)
}

// installed are the installed Child SAs of that configured name.
func (sa IKESA) installed(name string) (found []ChildSA) {
	for _, child := range sa.Children {
		if child.Name == name && child.State == "INSTALLED" {
			found = append(found, child)
		}
	}
	return found
}

// section is a vici message or a section in it: entries in the order in which they were sent.
type section struct {
	entries []entry
}

// entry is a key with one of: a value, a list (as "[a b]"), a section.
type entry struct {
	key, value string
	section    *section
}

// get is the value of a key, or "".
func (s *section) get(key string) string {
	for _, e := range s.entries {
		if e.key == key && e.section == nil {
			return e.value
		}
	}
	return ""
}

// sub is the section of that key; an empty one when there is none.
func (s *section) sub(key string) *section {
	for _, e := range s.entries {
		if e.key == key && e.section != nil {
			return e.section
		}
	}
	return &section{}
}

// keys are the keys in order, those of sections included.
func (s *section) keys() (keys []string) {
	for _, e := range s.entries {
		keys = append(keys, e.key)
	}
	return keys
}

// parseSAs reads the output of `swanctl --list-sas --raw`: one "list-sa event {…}" a line for each IKE SA, then
// "list-sas reply {}".
func parseSAs(out string) (sas []IKESA, err error) {
	for _, body := range rawMessages(out, "list-sa event") {
		message, err := parseRaw(body)
		if err != nil {
			return nil, err
		}
		for _, e := range message.entries {
			if e.section != nil {
				sas = append(sas, ikeSA(e.key, e.section))
			}
		}
	}
	return sas, nil
}

// rawMessages are the bodies of the messages of that kind, one a line.
func rawMessages(out, kind string) (bodies []string) {
	for line := range strings.Lines(out) {
		if body, ok := strings.CutPrefix(strings.TrimSpace(line), kind+" {"); ok {
			bodies = append(bodies, strings.TrimSuffix(body, "}"))
		}
	}
	return bodies
}

func ikeSA(name string, s *section) IKESA {
	sa := IKESA{
		Name: name, State: s.get("state"), Initiator: s.get("initiator") == "yes",
		InitiatorSPI: s.get("initiator-spi"), ResponderSPI: s.get("responder-spi"), Section: s,
	}
	for _, e := range s.sub("child-sas").entries {
		c := e.section
		sa.Children = append(sa.Children, ChildSA{
			Name: c.get("name"), State: c.get("state"), SPIIn: c.get("spi-in"), SPIOut: c.get("spi-out"),
			LocalTS: c.get("local-ts"), RemoteTS: c.get("remote-ts"),
			BytesIn: c.get("bytes-in"), PacketsIn: c.get("packets-in"), Section: c,
		})
	}
	return sa
}

// parseRaw reads the body of a message in swanctl's --raw form: `key=value key=[a b] key {…}`. The form does not escape
// anything: a word that is neither a key with a value nor the name of a section belongs to the value before it, as in
// `class=pre-shared key`.
func parseRaw(text string) (*section, error) {
	p := &rawParser{rest: text}
	s, err := p.section()
	if err == nil && p.rest != "" {
		err = fmt.Errorf("lab: raw message: %q after its end", p.rest)
	}
	return s, err
}

type rawParser struct{ rest string }

// section reads entries up to a closing brace, which it leaves, or to the end.
func (p *rawParser) section() (*section, error) {
	s := &section{}
	for {
		p.rest = strings.TrimLeft(p.rest, " ")
		if p.rest == "" || p.rest[0] == '}' {
			return s, nil
		}
		if err := p.entry(s); err != nil {
			return nil, err
		}
	}
}

// entry reads `key=value`, `key=[…]`, `key {…}`, or one more word of the value before it.
func (p *rawParser) entry(s *section) (err error) {
	word := p.rest
	if end := strings.IndexAny(p.rest, "= {}"); end >= 0 {
		word = p.rest[:end]
	}
	if word == "" {
		return fmt.Errorf("lab: raw message: no key at %.40q", p.rest)
	}
	p.rest = p.rest[len(word):]
	if strings.HasPrefix(p.rest, "=") {
		s.entries = append(s.entries, entry{key: word, value: p.value()})
		return nil
	}
	if body, ok := strings.CutPrefix(strings.TrimLeft(p.rest, " "), "{"); ok {
		p.rest = body
		e := entry{key: word}
		e.section, err = p.body(word)
		s.entries = append(s.entries, e)
		return err
	}
	if len(s.entries) == 0 || s.entries[len(s.entries)-1].section != nil {
		return fmt.Errorf("lab: raw message: %q is neither a value nor a section", word)
	}
	s.entries[len(s.entries)-1].value += " " + word
	return nil
}

// body reads a section and its closing brace.
func (p *rawParser) body(name string) (*section, error) {
	s, err := p.section()
	if err != nil {
		return nil, err
	}
	if p.rest == "" {
		return nil, fmt.Errorf("lab: raw message: section %s has no end", name)
	}
	p.rest = p.rest[1:]
	return s, nil
}

// value reads what stands behind "=". A list is in brackets, and so are the ports in a traffic selector in it.
func (p *rawParser) value() string {
	p.rest = p.rest[1:]
	end, depth := 0, 0
	for end < len(p.rest) {
		c := p.rest[end]
		if depth == 0 && (c == ' ' || c == '}') {
			break
		}
		switch c {
		case '[':
			depth++
		case ']':
			depth--
		}
		end++
	}
	value := p.rest[:end]
	p.rest = p.rest[end:]
	return value
}
