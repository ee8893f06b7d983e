package eap

import (
	"encoding/binary"
	"slices"
)

// The flags in the first octet of data of the TLS methods; the lowest three bits are the version of TTLS and PEAP.
// RFC 5216 §3.1, RFC 5281 §9.1, MS-PEAP §2.2.2
const (
	flagLength = 0x80 // the four octets of TLS Message Length follow
	flagMore   = 0x40 // more fragments of the message follow
	flagStart  = 0x20
	versionOf  = 0x07
)

// maxTLSMessage bounds what is put together of fragments: "a reasonable choice of maximum acceptable message length might
// be 64 KB"  RFC 5216 §2.1.5
const maxTLSMessage = 1 << 16

// The size of fragments: the usual one fits, with IKE's headers, into the smallest MTU of IPv6.
const (
	defaultFragment = 1024
	leastFragment   = 64
	mostFragment    = 1 << 14
)

// received is what a packet of a TLS method was.
type received uint8

const (
	gotStart   received = iota + 1
	gotPart             // a fragment, to be acknowledged
	gotAck              // an empty packet: the acknowledgement of a fragment, or nothing to say
	gotMessage          // a whole message
)

// fragments puts the messages of a TLS method into packets and takes them out (RFC 5216 §2.1.5).
type fragments struct {
	method  Type
	version byte // of the method, which the server sets and every packet carries
	size    int

	out     []byte // what is still to be sent of a message
	in      []byte // what has come of one
	total   int    // its TLS Message Length
	partial bool   // in is not whole yet
}

// take reads the data of a packet. The message is the receiver's.
func (f *fragments) take(data []byte) (received, []byte, *Reason) {
	if len(data) == 0 {
		return 0, nil, reasonf(BadPacket, f.method, "a packet without flags")
	}
	flags, body := data[0], data[1:]
	// "both server and client MUST set the V field to that version number in all subsequent EAP messages"  RFC 5281 §9.2.1
	if version := flags & versionOf; version != f.version && flags&flagStart == 0 && f.method != TypeTLS {
		return 0, nil, reasonf(BadPacket, f.method, "version %d in the midst of version %d", version, f.version)
	}
	length := -1
	if flags&flagLength != 0 {
		if len(body) < 4 {
			return 0, nil, reasonf(BadPacket, f.method, "a TLS Message Length of %d octets", len(body))
		}
		n := binary.BigEndian.Uint32(body)
		if n > maxTLSMessage {
			return 0, nil, reasonf(TooLong, f.method, "a TLS message of %d octets", n)
		}
		length, body = int(n), body[4:]
	}
	if flags&flagStart != 0 {
		return f.start(flags)
	}
	return f.part(flags&flagMore != 0, length, body)
}

// start takes the packet that begins it all. What else is in it is ignored.
func (f *fragments) start(flags byte) (received, []byte, *Reason) {
	if flags&flagMore != 0 || f.partial || f.out != nil {
		return 0, nil, reasonf(BadPacket, f.method, "a Start in the midst of a message")
	}
	return gotStart, nil, nil
}

// part takes a fragment, or a message that is whole.
func (f *fragments) part(more bool, length int, body []byte) (received, []byte, *Reason) {
	if !f.partial && !more && len(body) == 0 && length <= 0 {
		return gotAck, nil, nil
	}
	switch {
	case f.out != nil:
		return 0, nil, reasonf(BadPacket, f.method, "a message in the midst of ours")
	case len(body) == 0:
		return 0, nil, reasonf(BadPacket, f.method, "a fragment without octets")
	case !f.partial && more && length < 0:
		// The L bit "MUST be set for the first fragment of a fragmented TLS message or set of messages"  RFC 5216 §3.1
		return 0, nil, reasonf(BadPacket, f.method, "a first fragment without TLS Message Length")
	case f.partial && length >= 0 && length != f.total:
		return 0, nil, reasonf(BadPacket, f.method, "TLS Message Length %d after %d", length, f.total)
	case !f.partial && length < 0:
		length = len(body)
	}
	if !f.partial {
		f.partial, f.total = true, length
	}
	if len(f.in)+len(body) > f.total || !more && len(f.in)+len(body) < f.total {
		return 0, nil, reasonf(BadPacket, f.method, "%d octets of a TLS message of %d", len(f.in)+len(body), f.total)
	}
	f.in = append(f.in, body...)
	if more {
		return gotPart, nil, nil
	}
	message := f.in
	f.in, f.partial = nil, false
	return gotMessage, message, nil
}

// send begins a message and returns the data of its first packet. A message without octets is an acknowledgement.
func (f *fragments) send(message []byte) []byte {
	if len(message) <= f.size {
		return append([]byte{f.version}, message...)
	}
	f.out = message[f.size:]
	data := binary.BigEndian.AppendUint32([]byte{flagLength | flagMore | f.version}, uint32(len(message)))
	return append(data, message[:f.size]...)
}

// next is the data of the next fragment, or nil if nothing is left to be sent.
func (f *fragments) next() []byte {
	switch {
	case f.out == nil:
		return nil
	case len(f.out) <= f.size:
		data := slices.Concat([]byte{f.version}, f.out)
		f.out = nil
		return data
	}
	data := slices.Concat([]byte{flagMore | f.version}, f.out[:f.size])
	f.out = f.out[f.size:]
	return data
}

// ack is the data of a packet that says nothing.
func (f *fragments) ack() []byte { return []byte{f.version} }
