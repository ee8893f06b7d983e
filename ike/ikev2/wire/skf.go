package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/header"
)

// SKF is an Encrypted Fragment payload that is closed (RFC 7383 §2.5). OpenFragment opens it.
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Next Payload  |C|  RESERVED   |         Payload Length        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|        Fragment Number        |        Total Fragments        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                     Initialization Vector                     |
//	~                              …                                ~
type SKF struct {
	First         PayloadType // of the payloads inside, in fragment 1; TypeNone in the others
	Number, Total uint16      // 1 to Total
	Body          []byte      // IV, ciphertext and ICV
}

// fragmentLen is the size of Fragment Number and Total Fragments.
const fragmentLen = 4

// Type is TypeSKF.
func (*SKF) Type() PayloadType { return TypeSKF }

// String is "EF(1/3)", as charon logs it.
func (p *SKF) String() string { return fmt.Sprintf("EF(%d/%d)", p.Number, p.Total) }

// Detail is "EF(1/3) 1200 octets".
func (p *SKF) Detail() []string { return []string{fmt.Sprintf("%s %d octets", p, len(p.Body))} }

func (p *SKF) appendBody(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, p.Number)
	b = binary.BigEndian.AppendUint16(b, p.Total)
	return append(b, p.Body...)
}

func (p *SKF) decode(d *decoder) {
	p.Number, p.Total = d.uint16(), d.uint16()
	switch {
	case d.failed():
	// Fragment Number starts at 1 and is not greater than Total Fragments.  RFC 7383 §2.5
	case p.Number == 0 || p.Number > p.Total:
		d.fail(BadValue, "fragment %d of %d", p.Number, p.Total)
	case p.Total > MaxFragments:
		d.fail(TooMany, "%d fragments", p.Total)
	}
	p.Body = d.rest()
}

// ErrFragmentSize is SealFragments with a size that leaves no room, or needs more than MaxFragments.
var ErrFragmentSize = errors.New("ikev2: fragments of this size cannot carry the message")

// SealFragments makes the messages that carry m in Encrypted Fragment payloads, each of at most size octets (the IKE
// message: without IP, UDP and non-ESP marker). Each has an IV of its own from ivs. Outer goes into the first (RFC 7383 §2.5.1).
func SealFragments(m *Message, c suite.Cipher, ivs io.Reader, size int) ([][]byte, error) {
	inner, err := appendChain(nil, m.Payloads, TypeNone)
	if err != nil {
		return nil, err
	}
	defer clear(inner)
	outer, err := appendChain(nil, m.Outer, TypeSKF)
	if err != nil {
		return nil, err
	}
	pieces := cut(inner, room(size-len(outer), c), room(size, c))
	if pieces == nil || len(inner) > MaxMessage {
		return nil, ErrFragmentSize
	}
	messages := make([][]byte, 0, len(pieces))
	part := &Message{Header: m.Header, Outer: m.Outer}
	first := firstType(m.Payloads, TypeNone)
	for i, piece := range pieces {
		skf := &SKF{First: first, Number: uint16(i + 1), Total: uint16(len(pieces))}
		b, err := seal(nil, part, c, ivs, skf, piece)
		if err != nil {
			return nil, err
		}
		messages = append(messages, b)
		// Only the first fragment tells the type of the first payload; in the others Next Payload is zero.  RFC 7383 §2.5
		part.Outer, first = nil, TypeNone
	}
	return messages, nil
}

// room is how much content fits into a fragment of size octets.
func room(size int, c suite.Cipher) int {
	text := size - header.Len - genericLen - fragmentLen - c.IVLen() - c.ICVLen()
	if text < 1 {
		return 0
	}
	return text - text%max(c.Align(), 1) - 1
}

// cut divides b into pieces of at most first and then rest octets; nil when that is impossible or gives too many.
func cut(b []byte, first, rest int) [][]byte {
	if first < 1 || rest < 1 {
		return nil
	}
	pieces := [][]byte{b[:min(first, len(b))]}
	for b = b[len(pieces[0]):]; len(b) > 0; b = b[len(pieces[len(pieces)-1]):] {
		if len(pieces) == MaxFragments {
			return nil
		}
		pieces = append(pieces, b[:min(rest, len(b))])
	}
	return pieces
}

// Fragment is an opened fragment.
type Fragment struct {
	Header        header.Header
	Number, Total uint16
	first         PayloadType
	outer         []Payload
	content       []byte
	offset        int
}

// IsFragment tells whether a datagram ends with an Encrypted Fragment payload, so that OpenFragment is for it.
func IsFragment(datagram []byte) bool {
	h, err := parseHeader(datagram)
	if err != nil {
		return false
	}
	ch := chain{first: PayloadType(h.NextPayload), outer: true}
	raws, fail := ch.split(datagram[header.Len:], header.Len)
	return fail == nil && len(raws) > 0 && raws[len(raws)-1].typ == TypeSKF
}

// OpenFragment checks the ICV of one fragment and decrypts it. Errors are those of Open.
func OpenFragment(datagram []byte, c suite.Cipher) (*Fragment, error) {
	e, err := openOuter(datagram, c, TypeSKF)
	if err != nil {
		return nil, err
	}
	outer, fail := parseBodies(append(e.outer, e.sealed))
	if fail != nil {
		fail.Protected = true
		return nil, fail
	}
	skf := outer[len(outer)-1].(*SKF)
	return &Fragment{Header: e.header, Number: skf.Number, Total: skf.Total, first: skf.First,
		outer: outer[:len(outer)-1], content: e.plain, offset: e.plainOffset}, nil
}

// Reassembly collects the fragments of one message, all with the same Message ID (RFC 7383 §2.6). The zero value is
// empty. Its memory is bounded by MaxMessage and MaxFragments, and only the peer itself can fill it.
type Reassembly struct {
	parts []*Fragment // by number
	have  int
	size  int
}

// Add takes an opened fragment and returns the message when it is whole, after which the Reassembly is empty again. Until
// then it returns nil and nil, also for a fragment that is there already. Errors are those of Open, with Protected.
func (r *Reassembly) Add(f *Fragment) (*Message, error) {
	switch total := int(f.Total); {
	case total > len(r.parts):
		// The peer has turned to smaller fragments: "the receiver MUST discard all received fragments and start the reassembly
		// process over with just the received IKE Fragment message."  RFC 7383 §2.6
		*r = Reassembly{parts: make([]*Fragment, total)}
	case total < len(r.parts):
		return nil, nil
	}
	if r.parts[f.Number-1] != nil {
		return nil, nil
	}
	if r.size+len(f.content) > MaxMessage {
		*r = Reassembly{}
		return nil, &Error{Reason: TooMany, Payload: TypeSKF, Text: "the fragments are longer than a message", Protected: true}
	}
	r.parts[f.Number-1] = f
	r.have++
	r.size += len(f.content)
	if r.have < len(r.parts) {
		return nil, nil
	}
	return r.message()
}

// Missing tells how many fragments are still to come; 0 when none has come yet.
func (r *Reassembly) Missing() int { return len(r.parts) - r.have }

// message puts the parts together and leaves r empty.
func (r *Reassembly) message() (*Message, error) {
	first := r.parts[0]
	content := make([]byte, 0, r.size)
	for _, f := range r.parts {
		content = append(content, f.content...)
		clear(f.content)
	}
	*r = Reassembly{}
	m := &Message{Header: first.Header, Outer: first.outer}
	ch := chain{first: first.first}
	payloads, fail := ch.parse(content, first.offset)
	if fail == nil {
		m.Payloads = payloads
		return m, nil
	}
	fail.Protected = true
	if fail.Reason == Critical {
		m.Payloads = payloads
		return m, fail
	}
	return nil, fail
}
