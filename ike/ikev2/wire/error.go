package wire

import (
	"errors"
	"fmt"
)

// ErrIntegrity is a protected message whose ICV is wrong. Nothing in it was looked at and no answer is due: it may be from
// anybody, and INVALID_SYNTAX is only for messages whose checksum was valid (RFC 7296 §3.10.1).
var ErrIntegrity = errors.New("ikev2: integrity check failed")

// Reason is what is wrong with octets.
type Reason uint8

// The reasons.
const (
	Truncated Reason = iota + 1 // less is there than a length field claims, or than the structure needs
	BadLength                   // a length that the structure cannot have
	BadValue                    // a field with a value that is not allowed
	TooMany                     // more of something than this package takes
	Misplaced                   // a payload that cannot stand where it does
	Version                     // the major version is not 2
	Critical                    // an unknown payload with the critical bit
)

var reasonNames = [...]string{
	Truncated: "is truncated", BadLength: "has a bad length", BadValue: "has a bad value", TooMany: "has too many parts",
	Misplaced: "is misplaced", Version: "has another major version", Critical: "is critical and unknown",
}

// String is the reason as the end of a sentence whose subject is the payload: "is truncated".
func (r Reason) String() string {
	if int(r) < len(reasonNames) && reasonNames[r] != "" {
		return reasonNames[r]
	}
	return fmt.Sprintf("has reason %d", uint8(r))
}

// Error is why a message was refused.
type Error struct {
	Reason Reason
	// Payload is the type of the payload at fault; TypeNone is the header or the message as a whole.
	Payload PayloadType
	// Offset is where in the message the fault is, in octets from the start of the IKE header; within the Encrypted
	// payload the offset of the ciphertext.
	Offset int
	// Text says more, without octets of the message.
	Text string
	// Protected tells that the message had passed its integrity check: the peer itself sent this, and an answer is due
	// under the IKE SA (RFC 7296 §2.21.3). Otherwise anybody may have sent it.
	Protected bool
	// Major is the message's major version, with the Reason Version.
	Major uint8
}

// Error is one line: "ikev2: KE payload is truncated at octet 30: 4 octets needed, 2 there".
func (e *Error) Error() string {
	subject := "message"
	if e.Payload != TypeNone {
		subject = e.Payload.String() + " payload"
	}
	s := fmt.Sprintf("ikev2: %s %s at octet %d", subject, e.Reason, e.Offset)
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// Notify is the notification that a request with this error may be answered with: UNSUPPORTED_CRITICAL_PAYLOAD with the
// payload's type, INVALID_MAJOR_VERSION, or INVALID_SYNTAX. It is nil when the message has to be dropped in silence.
func (e *Error) Notify() *Notify {
	switch {
	case e.Reason == Critical:
		// "the notification data contains the one-octet payload type."  RFC 7296 §2.5
		return &Notify{NotifyType: UnsupportedCriticalPayload, Data: []byte{uint8(e.Payload)}}
	case e.Reason == Version && e.Major > 2:
		// "it MUST drop the message and SHOULD send an unauthenticated Notify message of type INVALID_MAJOR_VERSION containing
		// the highest (closest) version number it supports."  RFC 7296 §2.5; that number is in the answer's header.
		return &Notify{NotifyType: InvalidMajorVersion}
	case e.Protected:
		// "this status may only be returned for and in an encrypted packet if the Message ID and cryptographic checksum were
		// valid."  RFC 7296 §3.10.1
		return &Notify{NotifyType: InvalidSyntax}
	}
	return nil
}
