// Package wire turns IKEv2 messages into octets and back (RFC 7296 §3), the Encrypted payload included (RFC 7296 §3.14,
// RFC 5282) and its fragments (RFC 7383).
//
// A message is the IKE header and a chain of payloads, each with the generic payload header:
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Next Payload  |C|  RESERVED   |         Payload Length        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
//	Parse   octets ─▶ Message     a message in the clear; an SK or SKF payload stays closed
//	Open    octets ─▶ Message     a protected one: its ICV is checked before anything in it is looked at
//	Seal    Message ─▶ octets     protected
//	AppendTo                      in the clear
//
// Whatever parses has consistent lengths and bounded counts; what the values mean is for the machine that reads them.
// Reserved fields are ignored on receipt and zero on sending, as RFC 7296 §2.5 wants. Octets in a parsed message are a
// copy: they stay when the datagram's memory is used again.
package wire

import (
	"strconv"

	"github.com/goswan/goswan/ike/header"
)

// Limits of what is parsed. A message beyond them is refused with the Reason TooMany; ones that the format itself sets
// (255 proposals, transforms or selectors, by their octet) are not repeated here.
const (
	MaxMessage             = 65535 // octets of a message, header included
	MaxPayloads            = 256   // payloads in one chain
	MaxTransformAttributes = 16    // attributes of one transform
	MaxCPAttributes        = 512   // attributes of one CP payload
	MaxDeleteSPIs          = 4096  // SPIs of one Delete payload
	MaxFragments           = 256   // fragments of one message
)

// PayloadType is the number of a payload in a Next Payload field (RFC 7296 §3.2 and IANA).
type PayloadType uint8

// The payload types that this package knows; every other is kept as Unknown.
const (
	TypeNone     PayloadType = 0
	TypeSA       PayloadType = 33
	TypeKE       PayloadType = 34
	TypeIDi      PayloadType = 35
	TypeIDr      PayloadType = 36
	TypeCERT     PayloadType = 37
	TypeCERTREQ  PayloadType = 38
	TypeAUTH     PayloadType = 39
	TypeNonce    PayloadType = 40
	TypeNotify   PayloadType = 41
	TypeDelete   PayloadType = 42
	TypeVendorID PayloadType = 43
	TypeTSi      PayloadType = 44
	TypeTSr      PayloadType = 45
	TypeSK       PayloadType = 46
	TypeCP       PayloadType = 47
	TypeEAP      PayloadType = 48
	TypeSKF      PayloadType = 53 // RFC 7383
)

var payloadNames = map[PayloadType]string{
	TypeSA: "SA", TypeKE: "KE", TypeIDi: "IDi", TypeIDr: "IDr", TypeCERT: "CERT", TypeCERTREQ: "CERTREQ",
	TypeAUTH: "AUTH", TypeNonce: "No", TypeNotify: "N", TypeDelete: "D", TypeVendorID: "V", TypeTSi: "TSi",
	TypeTSr: "TSr", TypeSK: "E", TypeCP: "CP", TypeEAP: "EAP", TypeSKF: "EF",
}

// String is the short name that charon logs, "SA" or "No"; "UNKN(99)" for a type without one.
func (t PayloadType) String() string {
	if t == TypeNone {
		return "none"
	}
	if name, ok := payloadNames[t]; ok {
		return name
	}
	return "UNKN(" + strconv.Itoa(int(t)) + ")"
}

// Payload is one payload of a message. The types of this package are all there are.
type Payload interface {
	// Type is the payload's type, which stands in the Next Payload field in front of it.
	Type() PayloadType
	// String is the payload in a message's one line, "SA" or "N(COOKIE)". Never secret.
	String() string
	// Detail is the payload in lines for a person: proposals, identities, selectors. Secrets appear by their length only.
	Detail() []string

	appendBody(b []byte) []byte // behind the generic payload header
	decode(d *decoder)          // all of d
}

// Message is one IKEv2 message. NextPayload and Length of the header are as received; they are worked out when a
// message is written.
type Message struct {
	header.Header
	// Payloads are the message's payloads; those within the Encrypted payload for Open and Seal.
	Payloads []Payload
	// Outer are the payloads in front of the Encrypted payload: authenticated by its ICV, but not encrypted. RFC 7296 puts
	// none there in any of its exchanges. Only Open fills it in.
	Outer []Payload
}

// First returns the message's first payload of type T, a pointer such as *SA; nil when there is none. Payloads of Outer
// are not looked at.
func First[T Payload](m *Message) T {
	for _, p := range m.Payloads {
		if t, ok := p.(T); ok {
			return t
		}
	}
	var none T
	return none
}

// All returns the message's payloads of type T in order.
func All[T Payload](m *Message) []T {
	var all []T
	for _, p := range m.Payloads {
		if t, ok := p.(T); ok {
			all = append(all, t)
		}
	}
	return all
}

// Count tells how many payloads of a type the message has, for the table of what an exchange requires and allows.
func (m *Message) Count(t PayloadType) int {
	n := 0
	for _, p := range m.Payloads {
		if p.Type() == t {
			n++
		}
	}
	return n
}

// Notify returns the first Notify payload of this type, or nil.
func (m *Message) Notify(t NotifyType) *Notify {
	for _, p := range m.Payloads {
		if n, ok := p.(*Notify); ok && n.NotifyType == t {
			return n
		}
	}
	return nil
}

// Notifies returns all Notify payloads of this type in order.
func (m *Message) Notifies(t NotifyType) []*Notify {
	var all []*Notify
	for _, p := range m.Payloads {
		if n, ok := p.(*Notify); ok && n.NotifyType == t {
			all = append(all, n)
		}
	}
	return all
}

// ErrorNotify returns the first Notify payload that reports an error (RFC 7296 §3.10.1), or nil.
func (m *Message) ErrorNotify() *Notify {
	for _, p := range m.Payloads {
		if n, ok := p.(*Notify); ok && n.NotifyType.IsError() {
			return n
		}
	}
	return nil
}
