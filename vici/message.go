package vici

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Kind tells the three kinds of element of a message apart.
type Kind uint8

// The kinds of element.
const (
	KeyValue Kind = 1
	List     Kind = 2
	Section  Kind = 3
)

// Element is one key/value, list or section of a message.
type Element struct {
	Kind  Kind
	Name  string
	Value []byte   // of a KeyValue; any octets
	Items [][]byte // of a List
	Sub   *Message // of a Section
}

// Message is a tree of key/values, lists and sections in order. The zero value, and nil where it is only read, is the
// empty message.
type Message struct {
	elements []Element
}

// Elements are what the message holds, in order.
func (m *Message) Elements() []Element {
	if m == nil {
		return nil
	}
	return m.elements
}

// Add appends a key with a text and returns m.
func (m *Message) Add(key, value string) *Message {
	return m.AddBytes(key, []byte(value))
}

// AddBytes appends a key with any octets, which it keeps, and returns m.
func (m *Message) AddBytes(key string, value []byte) *Message {
	m.elements = append(m.elements, Element{Kind: KeyValue, Name: key, Value: value})
	return m
}

// Addf appends a key with a formatted text and returns m.
func (m *Message) Addf(key, format string, args ...any) *Message {
	return m.AddBytes(key, fmt.Appendf(nil, format, args...))
}

// AddList appends a list and returns m.
func (m *Message) AddList(name string, items ...string) *Message {
	octets := make([][]byte, len(items))
	for i, item := range items {
		octets[i] = []byte(item)
	}
	m.elements = append(m.elements, Element{Kind: List, Name: name, Items: octets})
	return m
}

// AddSection appends an empty section and returns it.
func (m *Message) AddSection(name string) *Message {
	sub := &Message{}
	m.elements = append(m.elements, Element{Kind: Section, Name: name, Sub: sub})
	return sub
}

// find is the first element of that kind and name behind the sections of the path.
func (m *Message) find(kind Kind, path []string) *Element {
	for i, name := range path {
		wanted := Section
		if i == len(path)-1 {
			wanted = kind
		}
		e := m.element(wanted, name)
		if e == nil || i == len(path)-1 {
			return e
		}
		m = e.Sub
	}
	return nil
}

func (m *Message) element(kind Kind, name string) *Element {
	for i, e := range m.Elements() {
		if e.Kind == kind && e.Name == name {
			return &m.elements[i]
		}
	}
	return nil
}

// Lookup is the text of a key: Lookup("uptime", "since") is since in the section uptime.
func (m *Message) Lookup(path ...string) (value string, ok bool) {
	if e := m.find(KeyValue, path); e != nil {
		return string(e.Value), true
	}
	return "", false
}

// Get is Lookup, "" if there is no such key.
func (m *Message) Get(path ...string) string {
	value, _ := m.Lookup(path...)
	return value
}

// Bytes are the octets of a key, shared with the message; nil if there is no such key.
func (m *Message) Bytes(path ...string) []byte {
	if e := m.find(KeyValue, path); e != nil {
		return e.Value
	}
	return nil
}

// List are the items of a list as texts.
func (m *Message) List(path ...string) []string {
	e := m.find(List, path)
	if e == nil {
		return nil
	}
	items := make([]string, len(e.Items))
	for i, item := range e.Items {
		items[i] = string(item)
	}
	return items
}

// Section is a section; nil, which reads as empty, if there is none.
func (m *Message) Section(path ...string) *Message {
	if e := m.find(Section, path); e != nil {
		return e.Sub
	}
	return nil
}

// String is the message on one line as `swanctl --raw` prints it: {key=value list=[a b] section {key=value}}.
// Octets that do not print are shown in hexadecimal. What is secret in the message is shown too.
func (m *Message) String() string {
	var b strings.Builder
	m.print(&b)
	return b.String()
}

func (m *Message) print(b *strings.Builder) {
	b.WriteByte('{')
	for i, e := range m.Elements() {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(e.Name)
		switch e.Kind {
		case KeyValue:
			b.WriteString("=" + printed(e.Value))
		case List:
			items := make([]string, len(e.Items))
			for i, item := range e.Items {
				items[i] = printed(item)
			}
			b.WriteString("=[" + strings.Join(items, " ") + "]")
		case Section:
			b.WriteByte(' ')
			e.Sub.print(b)
		}
	}
	b.WriteByte('}')
}

// printed is a value for people.
func printed(value []byte) string {
	for _, c := range value {
		if c < 0x20 || c > 0x7e {
			return fmt.Sprintf("0x%x", value)
		}
	}
	return string(value)
}

// MarshalJSON is the message as an object: values are strings, lists arrays of strings, sections objects. A name that
// stands more than once is there more than once.
func (m *Message) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, e := range m.Elements() {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(e.Name)
		if err != nil {
			return nil, err
		}
		value, err := e.json()
		if err != nil {
			return nil, err
		}
		b.Write(append(append(name, ':'), value...))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func (e Element) json() ([]byte, error) {
	switch e.Kind {
	case KeyValue:
		return json.Marshal(string(e.Value))
	case List:
		items := make([]string, len(e.Items))
		for i, item := range e.Items {
			items[i] = string(item)
		}
		return json.Marshal(items)
	}
	return e.Sub.MarshalJSON()
}
