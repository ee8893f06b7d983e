// Package settings reads the format of strongswan.conf and swanctl.conf into a tree that remembers where everything
// stands. It knows nothing of IPsec.
//
//	# a comment, to the end of the line
//	section {
//	  key = value up to the end of the line     # runs of blanks become one
//	  key = "quoted: blanks, #, } and \"escapes\" stay"
//	  key =                                     # as if it were not set, also if a template sets it
//	  subsection : template, other.template {   # what is not set here is taken from there
//	    include conf.d/*.conf                   # relative to this file; read as if it stood here
//	  }
//	}
//
// A section that appears again is the same section; a key that appears again overrides. Names are made of anything but
// blanks and the characters # { } : . , = and ".
package settings

import (
	"strconv"
	"strings"
)

// Position is a place in a file. The zero value is unknown: the setting was not read from a file.
type Position struct {
	File string
	Line int // from 1
}

// String is "file:line", or "" when unknown.
func (p Position) String() string {
	if p.File == "" {
		return ""
	}
	return p.File + ":" + strconv.Itoa(p.Line)
}

// Value is one setting: a text, or a list when it was made by SetList.
type Value struct {
	Key  string
	Text string
	List []string // nil unless IsList
	At   Position

	IsList bool
	unset  bool // "key =": hides the same key of a template
}

// Items are the list's items, or the text split at commas with the blanks around each item removed; empty ones are
// left out.
func (v Value) Items() []string {
	if v.IsList {
		return v.List
	}
	var items []string
	for item := range strings.SplitSeq(v.Text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// Section is a named group of settings and subsections, both in the order in which they were added. Sections are made
// by Parse, or by New, Set, SetList and Ensure.
type Section struct {
	Name string
	At   Position
	// Referenced says of a section at the top that a reference leads to it or into it.
	Referenced bool

	values   []Value
	sections []*Section
	refs     []reference

	// Found by name; made when there are many.
	valueAt   map[string]int
	sectionAt map[string]int
}

// reference is a template of a section: a path of names from the top, joined by dots.
type reference struct {
	path string
	at   Position
}

// indexFrom is from how many entries on a map is worth it.
const indexFrom = 16

// New is an empty section.
func New(name string, at Position) *Section { return &Section{Name: name, At: at} }

// Set sets a key to a text, over what it was.
func (s *Section) Set(key, text string, at Position) {
	s.put(Value{Key: key, Text: text, At: at})
}

// SetList sets a key to a list, over what it was.
func (s *Section) SetList(key string, items []string, at Position) {
	s.put(Value{Key: key, Text: strings.Join(items, ", "), List: items, IsList: true, At: at})
}

// Add appends an item to a key that is a list, or makes it one.
func (s *Section) Add(key, item string, at Position) {
	if i := s.findValue(key); i >= 0 && s.values[i].IsList {
		v := &s.values[i]
		if len(v.List) > 0 {
			v.Text += ", "
		}
		v.Text += item
		v.List = append(v.List, item)
		return
	}
	s.SetList(key, []string{item}, at)
}

// Ensure is the subsection of that name, which is added if there is none.
func (s *Section) Ensure(name string, at Position) *Section {
	if sub := s.Section(name); sub != nil {
		return sub
	}
	sub := New(name, at)
	s.sections = append(s.sections, sub)
	if s.sectionAt != nil {
		s.sectionAt[name] = len(s.sections) - 1
	} else if len(s.sections) >= indexFrom {
		s.sectionAt = make(map[string]int, len(s.sections))
		for i, sub := range s.sections {
			s.sectionAt[sub.Name] = i
		}
	}
	return sub
}

// Value is the setting of that key.
func (s *Section) Value(key string) (Value, bool) {
	if i := s.findValue(key); i >= 0 && !s.values[i].unset {
		return s.values[i], true
	}
	return Value{}, false
}

// Values are the settings, in order.
func (s *Section) Values() []Value { return s.values }

// Section is the subsection of that name, nil if there is none.
func (s *Section) Section(name string) *Section {
	if s.sectionAt != nil {
		if i, ok := s.sectionAt[name]; ok {
			return s.sections[i]
		}
		return nil
	}
	for _, sub := range s.sections {
		if sub.Name == name {
			return sub
		}
	}
	return nil
}

// Sections are the subsections, in order.
func (s *Section) Sections() []*Section { return s.sections }

// put adds or replaces a value and returns what it replaced.
func (s *Section) put(v Value) (old Value, replaced bool) {
	if i := s.findValue(v.Key); i >= 0 {
		old, s.values[i] = s.values[i], v
		return old, true
	}
	s.values = append(s.values, v)
	if s.valueAt != nil {
		s.valueAt[v.Key] = len(s.values) - 1
	} else if len(s.values) >= indexFrom {
		s.valueAt = make(map[string]int, len(s.values))
		for i := range s.values {
			s.valueAt[s.values[i].Key] = i
		}
	}
	return Value{}, false
}

func (s *Section) findValue(key string) int {
	if s.valueAt != nil {
		if i, ok := s.valueAt[key]; ok {
			return i
		}
		return -1
	}
	for i := range s.values {
		if s.values[i].Key == key {
			return i
		}
	}
	return -1
}
