package eap

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Kind classifies a failure.
type Kind string

// The kinds of failure.
const (
	BadPacket      Kind = "BAD_PACKET"      // octets that are not what the protocol has here
	NoMethod       Kind = "NO_METHOD"       // no method in common
	BadCredentials Kind = "BAD_CREDENTIALS" // unknown name, wrong password, or no such secret
	BadCertificate Kind = "BAD_CERTIFICATE" // ours of theirs, or theirs of ours
	TLSFailed      Kind = "TLS_FAILED"      // the TLS conversation broke
	BadBinding     Kind = "BAD_BINDING"     // the tunnel and what is in it do not belong together
	TooLong        Kind = "TOO_LONG"        // more rounds or octets than are allowed
	Refused        Kind = "REFUSED"         // the other side, or the backend, said Failure
	BadConfig      Kind = "CONFIGURATION"   // it cannot be done as configured
	BackendFailed  Kind = "BACKEND_FAILED"  // the authentication server did not answer, or not well
	Internal       Kind = "INTERNAL"        // ours: no randomness
	Finished       Kind = "FINISHED"        // a packet after the end
)

// Reason is why a conversation failed, or why a packet was discarded. It is for the operator: nothing of it goes to the
// other side, who learns of a wrong password what it learns of an unknown name.
type Reason struct {
	Kind Kind
	// Method is the method it became known in, 0 when none.
	Method Type
	// ByPeer says that the other side refused; otherwise we did.
	ByPeer bool
	// Text is one sentence without a full stop: what happened.
	Text string
	// Offered and Acceptable are what the other side had and what we wanted, if that is the matter.
	Offered, Acceptable string
	// Fix is what to change.
	Fix string
}

// Error is the whole reason in one line: "EAP MSCHAPv2: BAD_CREDENTIALS: the password of "alice" is wrong".
func (r *Reason) Error() string {
	var b strings.Builder
	b.WriteString("EAP")
	if r.Method != 0 {
		b.WriteString(" " + r.Method.String())
	}
	b.WriteString(": " + string(r.Kind))
	separator := ": "
	for _, part := range [][2]string{{"", r.Text}, {"offered ", r.Offered}, {"acceptable ", r.Acceptable}, {"", r.Fix}} {
		if part[1] != "" {
			b.WriteString(separator + part[0] + part[1])
			separator = "; "
		}
	}
	return b.String()
}

// reasonf makes a reason. What a peer chose goes in with %q and is clipped.
func reasonf(kind Kind, method Type, format string, args ...any) *Reason {
	return &Reason{Kind: kind, Method: method, Text: clip(fmt.Sprintf(format, args...))}
}

// noRandomness tells that the injected reader gave nothing.
func noRandomness(method Type, err error) *Reason {
	return reasonf(Internal, method, "no random octets: %v", err)
}

// clip shortens what a peer made long.
func clip(s string) string {
	const most = 1024
	if len(s) <= most {
		return s
	}
	s = s[:most]
	for !utf8.ValidString(s) && len(s) > most-utf8.UTFMax {
		s = s[:len(s)-1]
	}
	return s + "…"
}

// list is "MSCHAPv2, GTC", or "nothing".
func list(types []Type) string {
	if len(types) == 0 {
		return "nothing"
	}
	var names []string
	for _, t := range types {
		names = append(names, t.String())
	}
	return clip(strings.Join(names, ", "))
}
