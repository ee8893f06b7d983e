package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/header"
)

// SK is an Encrypted payload that is closed (RFC 7296 §3.14, RFC 5282 §3). Open opens it.
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Next Payload  |C|  RESERVED   |         Payload Length        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                     Initialization Vector                     |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                    Encrypted IKE Payloads                     ~
//	+               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|               |             Padding (0-255 octets)            |
//	+-+-+-+-+-+-+-+-+                               +-+-+-+-+-+-+-+-+
//	|                                               |  Pad Length   |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                    Integrity Checksum Data                    ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
type SK struct {
	First PayloadType // of the payloads inside; TypeNone when there are none
	Body  []byte      // IV, ciphertext and ICV
}

// Type is TypeSK.
func (*SK) Type() PayloadType { return TypeSK }

// String is "E", as charon logs it.
func (*SK) String() string { return TypeSK.String() }

// Detail is "E 80 octets".
func (p *SK) Detail() []string { return []string{fmt.Sprintf("E %d octets", len(p.Body))} }

func (p *SK) appendBody(b []byte) []byte { return append(b, p.Body...) }

func (p *SK) decode(d *decoder) { p.Body = d.rest() }

// ErrIVs is IVCounter's end.
var ErrIVs = errors.New("ikev2: every IV of this key has been used")

// IVCounter gives the IVs of a cipher that wants them unique rather than unpredictable: each Read fills its argument with
// the next number, big endian. The zero value is ready. One key needs one counter, for as long as the key is used: the same
// IV must not come twice with one key (RFC 5282 §3.1).
type IVCounter struct {
	used uint64
}

// Read fills p, an IV of at least 8 octets, and fails with ErrIVs when the numbers have run out.
func (c *IVCounter) Read(p []byte) (int, error) {
	if len(p) < 8 {
		return 0, io.ErrShortBuffer
	}
	if c.used == math.MaxUint64 {
		return 0, ErrIVs
	}
	c.used++
	clear(p)
	binary.BigEndian.PutUint64(p[len(p)-8:], c.used)
	return len(p), nil
}

// NewIVs returns where the IVs for all messages sealed with c come from: random where the cipher needs unpredictable ones
// (CBC), else a new IVCounter. Call it once for each key.
func NewIVs(c suite.Cipher, random io.Reader) io.Reader {
	if c.RandomIV() {
		return random
	}
	return &IVCounter{}
}

// Seal appends the message to b with Payloads in an Encrypted payload behind Outer. The IV is read from ivs (see NewIVs).
// It fails when the message becomes too long, or ivs does.
func Seal(m *Message, c suite.Cipher, ivs io.Reader, b []byte) ([]byte, error) {
	inner, err := appendChain(nil, m.Payloads, TypeNone)
	if err != nil {
		return nil, err
	}
	b, err = seal(b, m, c, ivs, &SK{First: firstType(m.Payloads, TypeNone)}, inner)
	clear(inner)
	return b, err
}

// seal appends header, Outer and the Encrypted (Fragment) payload p, whose content is inner.
func seal(b []byte, m *Message, c suite.Cipher, ivs io.Reader, p Payload, inner []byte) ([]byte, error) {
	start := len(b)
	h := m.Header
	h.NextPayload = uint8(firstType(m.Outer, p.Type()))
	b, err := appendChain(h.AppendTo(b), m.Outer, p.Type())
	if err != nil {
		return nil, err
	}
	generic := len(b)
	if b, err = appendPayload(b, p, TypeNone); err != nil {
		return nil, err
	}
	aadEnd := len(b)
	pad := padding(len(inner), c.Align())
	total := aadEnd - start + c.IVLen() + len(inner) + pad + 1 + c.ICVLen()
	if total > MaxMessage {
		return nil, fmt.Errorf("ikev2: protected message of %d octets", total)
	}
	// Lengths are covered by the ICV, so they come first.
	binary.BigEndian.PutUint32(b[start+24:], uint32(total))
	binary.BigEndian.PutUint16(b[generic+2:], uint16(start+total-generic))

	b = append(b, make([]byte, start+total-aadEnd)...)
	iv := b[aadEnd:][:c.IVLen()]
	if _, err := io.ReadFull(ivs, iv); err != nil {
		return nil, fmt.Errorf("ikev2: no IV: %w", err)
	}
	text := b[aadEnd+len(iv):]
	plain := text[:len(inner)+pad+1]
	copy(plain, inner)
	plain[len(plain)-1] = uint8(pad)
	// "The associated data (A) MUST consist of the partial contents of the IKEv2 message, starting from the first octet of the
	// Fixed IKE Header through the last octet of the Payload Header of the Encrypted Payload"  RFC 5282 §5.1
	c.Seal(text, iv, plain, b[start:aadEnd:aadEnd], nil)
	return b, nil
}

// padding is "the minimum value that makes the combination of the payloads, the Padding, and the Pad Length a multiple of
// the block size"  RFC 7296 §3.14. For AEAD there is no such size, and no padding (RFC 5282 §3).
func padding(n, align int) int {
	if align <= 1 {
		return 0
	}
	return (align - (n+1)%align) % align
}

// Open checks the ICV over the whole datagram and only then reads what is in it. The message has the payloads that were
// encrypted in Payloads. It does not write to the datagram.
//
// ErrIntegrity, or an *Error that is not Protected: anybody may have sent the datagram, and the state stays as it was.
// An *Error that is Protected: the peer itself sent something wrong; with Reason Critical the message comes along with it,
// as from Parse.
func Open(datagram []byte, c suite.Cipher) (*Message, error) {
	e, err := openOuter(datagram, c, TypeSK)
	if err != nil {
		return nil, err
	}
	m := &Message{Header: e.header}
	outer, fail := parseBodies(e.outer)
	if fail == nil || fail.Reason == Critical {
		m.Outer = outer
		var inner *Error
		ch := chain{first: e.sealed.next}
		m.Payloads, inner = ch.parse(e.plain, e.plainOffset)
		if fail == nil || inner != nil && inner.Reason != Critical {
			fail = inner
		}
	}
	if fail == nil {
		return m, nil
	}
	fail.Protected = true
	if fail.Reason == Critical {
		return m, fail
	}
	return nil, fail
}

// opened is a protected message after its ICV was found right.
type opened struct {
	header      header.Header
	outer       []raw  // in front of the Encrypted (Fragment) payload
	sealed      raw    // the Encrypted (Fragment) payload
	plain       []byte // its content without padding
	plainOffset int    // where it was in the message
}

// openOuter finds the closing payload of type t, checks the ICV, decrypts and takes the padding off. Of the payloads in
// front, only the lengths have been looked at.
func openOuter(datagram []byte, c suite.Cipher, t PayloadType) (*opened, error) {
	h, err := parseHeader(datagram)
	if err != nil {
		return nil, err
	}
	ch := chain{first: PayloadType(h.NextPayload), outer: true}
	raws, fail := ch.split(datagram[header.Len:], header.Len)
	if fail != nil {
		return nil, fail
	}
	if len(raws) == 0 || raws[len(raws)-1].typ != t {
		return nil, &Error{Reason: Misplaced, Payload: t, Offset: len(datagram), Text: "the message does not end with one"}
	}
	e := &opened{header: h, outer: raws[:len(raws)-1], sealed: raws[len(raws)-1]}
	return e, e.decrypt(datagram, c)
}

func (e *opened) decrypt(datagram []byte, c suite.Cipher) error {
	at := e.sealed.offset
	if e.sealed.typ == TypeSKF {
		// Fragment Number and Total Fragments are not encrypted but authenticated (RFC 7383 §2.5).
		at += fragmentLen
	}
	text := len(datagram) - at - c.IVLen() - c.ICVLen()
	if text < 1 {
		return &Error{Reason: Truncated, Payload: e.sealed.typ, Offset: len(datagram), Text: "no room for IV, Pad Length and ICV"}
	}
	if align := max(c.Align(), 1); text%align != 0 {
		return &Error{Reason: BadLength, Payload: e.sealed.typ, Offset: at, Text: fmt.Sprintf("%d octets are not a whole number of blocks", text)}
	}
	e.plainOffset = at + c.IVLen()
	plain := make([]byte, text+c.ICVLen())
	n, err := c.Open(plain, datagram[at:e.plainOffset], datagram[e.plainOffset:], datagram[:at:at], nil)
	if err != nil || n < 1 {
		return ErrIntegrity
	}
	// "Padding MAY contain any value chosen by the sender"; "the recipient MUST accept any length that results in proper
	// alignment."  RFC 7296 §3.14
	pad := int(plain[n-1])
	if pad+1 > n {
		return &Error{Reason: BadLength, Payload: e.sealed.typ, Offset: e.plainOffset + n - 1, Protected: true,
			Text: fmt.Sprintf("Pad Length %d in %d octets", pad, n)}
	}
	e.plain = plain[: n-1-pad : n-1-pad]
	// The parsed payloads of Outer, if any, must not share the datagram's memory.
	for i := range e.outer {
		e.outer[i].body = append([]byte{}, e.outer[i].body...)
	}
	return nil
}
