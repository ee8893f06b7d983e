package wire

import (
	"bytes"
	"fmt"

	"github.com/goswan/goswan/ike/header"
)

// Parse reads a message. An SK or SKF payload is kept closed, as the last payload. The error is always an *Error.
//
// With an unknown payload that has the critical bit the message comes together with the error, whose Reason is then
// Critical: the payloads are there to be looked at, but the message as a whole has to be rejected (RFC 7296 §2.5).
func Parse(b []byte) (*Message, error) {
	h, err := parseHeader(b)
	if err != nil {
		return nil, err
	}
	c := chain{first: PayloadType(h.NextPayload), outer: true}
	payloads, fail := c.parse(bytes.Clone(b[header.Len:]), header.Len)
	if fail != nil && fail.Reason != Critical {
		return nil, fail
	}
	m := &Message{Header: h, Payloads: payloads}
	if fail != nil {
		return m, fail
	}
	return m, nil
}

// parseHeader checks what the header itself tells: the version, and that the message is the whole of b.
func parseHeader(b []byte) (header.Header, error) {
	h, err := header.Parse(b)
	if len(b) >= header.Len && h.Major != 2 {
		return h, &Error{Reason: Version, Major: h.Major, Offset: 17, Text: fmt.Sprintf("version %d.%d", h.Major, h.Minor)}
	}
	switch {
	case err == header.ErrLength:
		return h, &Error{Reason: BadLength, Offset: 24, Text: fmt.Sprintf("length %d is smaller than the header", h.Length)}
	case err != nil:
		return h, &Error{Reason: Truncated, Offset: len(b), Text: "a message is as long as its header says"}
	case int(h.Length) != len(b):
		return h, &Error{Reason: BadLength, Offset: int(h.Length), Text: fmt.Sprintf("%d octets behind the message", len(b)-int(h.Length))}
	case len(b) > MaxMessage:
		return h, &Error{Reason: TooMany, Offset: MaxMessage, Text: fmt.Sprintf("%d octets", len(b))}
	}
	return h, nil
}

// chain is a run of payloads linked by their Next Payload fields.
type chain struct {
	first PayloadType
	outer bool // not within an Encrypted payload, so that one may be at the end
}

// raw is one payload of a chain before its body is looked at.
type raw struct {
	typ      PayloadType
	next     PayloadType // of an SK or SKF payload: the first payload inside
	critical bool
	offset   int // of the body in the message
	body     []byte
}

// parse reads a chain that fills b, which lies base octets into the message.
func (c chain) parse(b []byte, base int) ([]Payload, *Error) {
	raws, err := c.split(b, base)
	if err != nil {
		return nil, err
	}
	return parseBodies(raws)
}

// split cuts b into payloads by their lengths alone.
func (c chain) split(b []byte, base int) ([]raw, *Error) {
	d := &decoder{b: b, base: base, err: &fault{}}
	var raws []raw
	for t := c.first; t != TypeNone; {
		d.payload = t
		if len(raws) == MaxPayloads {
			d.fail(TooMany, "more than %d payloads", MaxPayloads)
			break
		}
		p := d.generic(t)
		if d.failed() {
			break
		}
		raws = append(raws, p)
		t = p.next
		// "The Encrypted payload, if present in a message, MUST be the last payload in the message."  RFC 7296 §3.14; its Next
		// Payload field is the type of the first payload inside. Likewise RFC 7383 §2.5.
		if p.typ == TypeSK || p.typ == TypeSKF {
			if !c.outer {
				d.fail(Misplaced, "within an Encrypted payload")
			}
			break
		}
	}
	d.end()
	return raws, d.err.first
}

// generic reads a generic payload header and cuts off the body (RFC 7296 §3.2).
func (d *decoder) generic(t PayloadType) raw {
	p := raw{typ: t, next: PayloadType(d.uint8())}
	p.critical = d.uint8()&0x80 != 0
	length := int(d.uint16())
	if d.failed() {
		return p
	}
	if length < genericLen {
		d.pos -= 2
		d.fail(BadLength, "payload length %d", length)
		return p
	}
	p.offset = d.base + d.pos
	p.body = d.take(length - genericLen)
	return p
}

const genericLen = 4

// parseBodies reads the payloads' bodies. An unknown critical payload is reported when everything else is sound.
func parseBodies(raws []raw) ([]Payload, *Error) {
	f := &fault{}
	var critical *Error
	payloads := make([]Payload, 0, len(raws))
	for _, r := range raws {
		p := newPayload(r)
		d := &decoder{b: r.body, base: r.offset, payload: r.typ, err: f}
		p.decode(d)
		d.end()
		if d.failed() {
			return nil, f.first
		}
		// "MUST be ignored by the recipient if the recipient understands the payload type code"  RFC 7296 §3.2
		if _, unknown := p.(*Unknown); unknown && r.critical && critical == nil {
			critical = &Error{Reason: Critical, Payload: r.typ, Offset: r.offset - genericLen}
		}
		payloads = append(payloads, p)
	}
	return payloads, critical
}

// newPayload is an empty payload of the raw one's type.
func newPayload(r raw) Payload {
	switch r.typ {
	case TypeSA:
		return &SA{}
	case TypeKE:
		return &KE{}
	case TypeIDi:
		return &IDi{}
	case TypeIDr:
		return &IDr{}
	case TypeCERT:
		return &CERT{}
	case TypeCERTREQ:
		return &CERTREQ{}
	case TypeAUTH:
		return &AUTH{}
	case TypeNonce:
		return &Nonce{}
	case TypeNotify:
		return &Notify{}
	case TypeDelete:
		return &Delete{}
	case TypeVendorID:
		return &VendorID{}
	case TypeTSi:
		return &TSi{}
	case TypeTSr:
		return &TSr{}
	case TypeSK:
		return &SK{First: r.next}
	case TypeCP:
		return &CP{}
	case TypeEAP:
		return &EAP{}
	case TypeSKF:
		return &SKF{First: r.next}
	}
	return &Unknown{T: r.typ, Critical: r.critical}
}
