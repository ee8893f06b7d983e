package vici

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Element types on the wire.
const (
	sectionStart = 1
	sectionEnd   = 2
	keyValue     = 3
	listStart    = 4
	listItem     = 5
	listEnd      = 6
)

// Limits of a message.
const (
	// MaxPacket is the longest packet: "The maximum segment length is currently limited to 512KB of data".
	MaxPacket = 512 << 10
	// maxName and maxValue follow from the lengths of the length fields.
	maxName  = 255
	maxValue = 65535
	// maxDepth is far above the four levels of a connection; maxElements bounds what a packet of tiny elements costs.
	maxDepth    = 32
	maxElements = 1 << 16
)

// ErrMalformed is wrapped by the errors of Parse.
var ErrMalformed = errors.New("malformed message")

// decoder reads a message.
type decoder struct {
	b        []byte
	at       int
	elements int
}

// Parse reads a message. Its values share memory with b. A name may stand more than once, as in charon's answer to
// get-algorithms.
func Parse(b []byte) (*Message, error) {
	d := decoder{b: b}
	m := &Message{}
	if err := d.section(m, 0); err != nil {
		return nil, fmt.Errorf("vici: %w: octet %d: %w", ErrMalformed, d.at, err)
	}
	return m, nil
}

var (
	errTruncated = errors.New("the message ends too early")
	errDepth     = fmt.Errorf("more than %d sections deep", maxDepth)
	errElements  = fmt.Errorf("more than %d elements", maxElements)
)

// section reads elements up to the end of the section, or of the message for the outermost.
func (d *decoder) section(m *Message, depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	for d.at < len(d.b) {
		if d.elements++; d.elements > maxElements {
			return errElements
		}
		kind := d.b[d.at]
		d.at++
		if kind == sectionEnd {
			if depth == 0 {
				return errors.New("a section ends that did not start")
			}
			return nil
		}
		if err := d.element(m, kind, depth); err != nil {
			return err
		}
	}
	if depth > 0 {
		return errTruncated
	}
	return nil
}

func (d *decoder) element(m *Message, kind byte, depth int) error {
	if kind != sectionStart && kind != keyValue && kind != listStart {
		return fmt.Errorf("element type %d is not allowed here", kind)
	}
	name, err := d.take(1)
	if err != nil {
		return err
	}
	switch kind {
	case keyValue:
		value, err := d.take(2)
		if err != nil {
			return err
		}
		m.AddBytes(string(name), value)
		return nil
	case listStart:
		items, err := d.list()
		m.elements = append(m.elements, Element{Kind: List, Name: string(name), Items: items})
		return err
	}
	return d.section(m.AddSection(string(name)), depth+1)
}

func (d *decoder) list() (items [][]byte, err error) {
	for d.at < len(d.b) {
		if d.elements++; d.elements > maxElements {
			return nil, errElements
		}
		kind := d.b[d.at]
		d.at++
		switch kind {
		case listEnd:
			return items, nil
		case listItem:
			item, err := d.take(2)
			if err != nil {
				return nil, err
			}
			items = append(items, item)
		default:
			return nil, fmt.Errorf("element type %d is not allowed in a list", kind)
		}
	}
	return nil, errTruncated
}

// take reads octets behind their length of one or two octets.
func (d *decoder) take(lengthOctets int) ([]byte, error) {
	rest := d.b[d.at:]
	if len(rest) < lengthOctets {
		return nil, errTruncated
	}
	n := int(rest[0])
	if lengthOctets == 2 {
		n = int(binary.BigEndian.Uint16(rest))
	}
	if len(rest) < lengthOctets+n {
		return nil, errTruncated
	}
	d.at += lengthOctets + n
	return rest[lengthOctets : lengthOctets+n : lengthOctets+n], nil
}

// AppendTo appends the message's octets to b. It fails when a name is longer than 255 octets or a value longer than 65535.
func (m *Message) AppendTo(b []byte) ([]byte, error) {
	var err error
	for _, e := range m.Elements() {
		if len(e.Name) > maxName {
			return b, fmt.Errorf("vici: a name of %d octets is too long: %.40q…", len(e.Name), e.Name)
		}
		if b, err = e.appendTo(b); err != nil {
			return b, err
		}
	}
	return b, nil
}

func (e Element) appendTo(b []byte) ([]byte, error) {
	switch e.Kind {
	case KeyValue:
		return appendValue(appendName(b, keyValue, e.Name), e.Name, e.Value)
	case List:
		b = appendName(b, listStart, e.Name)
		for _, item := range e.Items {
			var err error
			if b, err = appendValue(append(b, listItem), e.Name, item); err != nil {
				return b, err
			}
		}
		return append(b, listEnd), nil
	}
	b, err := e.Sub.AppendTo(appendName(b, sectionStart, e.Name))
	return append(b, sectionEnd), err
}

func appendName(b []byte, kind byte, name string) []byte {
	return append(append(b, kind, byte(len(name))), name...)
}

func appendValue(b []byte, name string, value []byte) ([]byte, error) {
	if len(value) > maxValue {
		return b, fmt.Errorf("vici: the value of %q has %d octets, more than %d", name, len(value), maxValue)
	}
	return append(binary.BigEndian.AppendUint16(b, uint16(len(value))), value...), nil
}
