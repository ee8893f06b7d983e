package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/goswan/goswan/ike/header"
)

// AppendTo appends the message in the clear to b: header, Outer, Payloads. It panics for a message that cannot be
// written at all (more than MaxMessage octets, 256 selectors in one payload …), which is a bug of whoever made it.
func (m *Message) AppendTo(b []byte) []byte {
	start := len(b)
	payloads := m.Payloads
	if len(m.Outer) > 0 {
		payloads = append(append([]Payload{}, m.Outer...), m.Payloads...)
	}
	b = m.Header.AppendTo(b)
	b, err := appendChain(b, payloads, TypeNone)
	if err == nil && len(b)-start > MaxMessage {
		err = fmt.Errorf("ikev2: message of %d octets", len(b)-start)
	}
	if err != nil {
		panic(err)
	}
	b[start+16] = uint8(firstType(payloads, TypeNone))
	binary.BigEndian.PutUint32(b[start+24:], uint32(len(b)-start))
	return b
}

// firstType is the type of the first payload, or after when there is none.
func firstType(payloads []Payload, after PayloadType) PayloadType {
	if len(payloads) == 0 {
		return after
	}
	return payloads[0].Type()
}

// appendChain appends payloads with their generic headers; after is the Next Payload of the last one.
func appendChain(b []byte, payloads []Payload, after PayloadType) ([]byte, error) {
	for i, p := range payloads {
		var err error
		if b, err = appendPayload(b, p, firstType(payloads[i+1:], after)); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// checker is a payload with counts or sizes that do not fit every value of its Go type.
type checker interface{ check() error }

func appendPayload(b []byte, p Payload, next PayloadType) ([]byte, error) {
	if c, ok := p.(checker); ok {
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("ikev2: %s payload: %w", p.Type(), err)
		}
	}
	// "Next Payload - The payload type of the first embedded payload. Note that this is an exception in the standard header
	// format"  RFC 7296 §3.14
	flags := uint8(0)
	switch p := p.(type) {
	case *SK:
		next = p.First
	case *SKF:
		next = p.First
	case *Unknown:
		if p.Critical {
			flags = 0x80
		}
	}
	start := len(b)
	b = append(b, uint8(next), flags, 0, 0)
	b = p.appendBody(b)
	if len(b)-start > MaxMessage-header.Len {
		return nil, fmt.Errorf("ikev2: %s payload of %d octets", p.Type(), len(b)-start)
	}
	binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start))
	return b, nil
}
