package vici

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// packetType is the first octet of a packet.
type packetType uint8

const (
	cmdRequest      packetType = 0
	cmdResponse     packetType = 1
	cmdUnknown      packetType = 2
	eventRegister   packetType = 3
	eventUnregister packetType = 4
	eventConfirm    packetType = 5
	eventUnknown    packetType = 6
	event           packetType = 7
)

// named says that a packet of this type has a name.
func (t packetType) named() bool {
	return t == cmdRequest || t == eventRegister || t == eventUnregister || t == event
}

// packet is one packet; body is a message's octets, which may be none.
type packet struct {
	kind packetType
	name string
	body []byte
}

// lengthOctets is the size of the length in front of a packet.
const lengthOctets = 4

// parsePacket splits what follows the length. The body shares memory with b.
func parsePacket(b []byte) (packet, error) {
	if len(b) == 0 {
		return packet{}, errors.New("empty packet")
	}
	p := packet{kind: packetType(b[0]), body: b[1:]}
	if p.kind > event {
		return packet{}, fmt.Errorf("packet type %d is unknown", p.kind)
	}
	if !p.kind.named() {
		return p, nil
	}
	if len(p.body) == 0 || len(p.body) < 1+int(p.body[0]) {
		return packet{}, fmt.Errorf("the name of a packet of type %d is cut off", p.kind)
	}
	n := int(p.body[0])
	p.name, p.body = string(p.body[1:1+n]), p.body[1+n:]
	return p, nil
}

// encodePacket makes a packet with its length in front. A nil message is none.
func encodePacket(kind packetType, name string, m *Message) ([]byte, error) {
	if len(name) > maxName {
		return nil, fmt.Errorf("vici: a name of %d octets is too long: %.40q…", len(name), name)
	}
	b := make([]byte, lengthOctets, 256)
	b = append(b, byte(kind))
	if kind.named() {
		b = append(append(b, byte(len(name))), name...)
	}
	b, err := m.AppendTo(b)
	if err != nil {
		return nil, err
	}
	if n := len(b) - lengthOctets; n > MaxPacket {
		return nil, fmt.Errorf("vici: a packet of %d octets is longer than %d", n, MaxPacket)
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-lengthOctets))
	return b, nil
}

// readLength reads the length in front of a packet. It is io.EOF between packets.
func readLength(r io.Reader) (int, error) {
	var b [lengthOctets]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, err
	}
	n := binary.BigEndian.Uint32(b[:])
	if n > MaxPacket {
		return 0, fmt.Errorf("a packet of %d octets is longer than %d", n, MaxPacket)
	}
	return int(n), nil
}

// readBody reads the octets of a packet behind its length.
func readBody(r io.Reader, n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("a packet is cut off: %w", err)
	}
	return b, nil
}
