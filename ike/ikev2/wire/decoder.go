package wire

import (
	"encoding/binary"
	"fmt"
)

// decoder reads one length-delimited piece of a message. The first failure sticks: from then on every read returns
// zeros, nothing remains, and loops over what remains end.
type decoder struct {
	b       []byte
	base    int // offset of b's first octet in the message
	pos     int // within b
	payload PayloadType
	err     *fault
}

// fault is shared by the decoders of one message.
type fault struct{ first *Error }

func (d *decoder) failed() bool { return d.err.first != nil }

func (d *decoder) fail(r Reason, format string, args ...any) {
	if !d.failed() {
		d.err.first = &Error{Reason: r, Payload: d.payload, Offset: d.base + d.pos, Text: fmt.Sprintf(format, args...)}
	}
}

// remaining is how many octets are left, 0 after a failure.
func (d *decoder) remaining() int {
	if d.failed() {
		return 0
	}
	return len(d.b) - d.pos
}

// take returns the next n octets, or nil after failing.
func (d *decoder) take(n int) []byte {
	if d.failed() {
		return nil
	}
	if n > len(d.b)-d.pos {
		d.fail(Truncated, "%d octets needed, %d there", n, len(d.b)-d.pos)
		return nil
	}
	b := d.b[d.pos : d.pos+n : d.pos+n]
	d.pos += n
	return b
}

// rest returns all octets that are left; never nil unless it failed.
func (d *decoder) rest() []byte { return d.take(d.remaining()) }

func (d *decoder) uint8() uint8 {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) uint16() uint16 {
	if b := d.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// skip passes over a reserved field: "MUST be sent as zero; MUST be ignored on receipt."  RFC 7296 §3.2
func (d *decoder) skip(n int) { d.take(n) }

// sub returns a decoder of the next n octets, which d passes over.
func (d *decoder) sub(n int) *decoder {
	s := &decoder{base: d.base + d.pos, payload: d.payload, err: d.err}
	s.b = d.take(n)
	return s
}

// end fails when octets are left behind what was read.
func (d *decoder) end() {
	if n := d.remaining(); n > 0 {
		d.fail(BadLength, "%d octets too many", n)
	}
}
