package core

import (
	"fmt"
	"strings"
)

// Kind classifies a failure. Names are those of RFC 7296 §3.10.1 where there is one.
type Kind string

// The kinds of failure.
const (
	NoProposalChosen     Kind = "NO_PROPOSAL_CHOSEN"
	InvalidKEPayload     Kind = "INVALID_KE_PAYLOAD"
	AuthenticationFailed Kind = "AUTHENTICATION_FAILED"
	TSUnacceptable       Kind = "TS_UNACCEPTABLE"
	InvalidSyntax        Kind = "INVALID_SYNTAX"
	InvalidMajorVersion  Kind = "INVALID_MAJOR_VERSION"
	UnsupportedCritical  Kind = "UNSUPPORTED_CRITICAL_PAYLOAD"
	InvalidSelectors     Kind = "INVALID_SELECTORS"
	NoAdditionalSAs      Kind = "NO_ADDITIONAL_SAS"
	TemporaryFailure     Kind = "TEMPORARY_FAILURE"
	ChildSANotFound      Kind = "CHILD_SA_NOT_FOUND"
	SinglePairRequired   Kind = "SINGLE_PAIR_REQUIRED"
	InternalAddress      Kind = "INTERNAL_ADDRESS_FAILURE"
	FailedCPRequired     Kind = "FAILED_CP_REQUIRED"
	OtherNotify          Kind = "ERROR_NOTIFY" // an error notify with no kind of its own; Text names it

	Timeout      Kind = "TIMEOUT"       // the peer does not answer
	NoConnection Kind = "NO_CONNECTION" // no configured connection fits the peer
	NoSecret     Kind = "NO_SECRET"     // no secret for the two identities
	BadConfig    Kind = "CONFIGURATION" // the connection cannot be used as configured
	Deleted      Kind = "DELETED"       // the peer deleted it
	Replaced     Kind = "REPLACED"      // by a newer IKE SA of the same identities
	Cancelled    Kind = "CANCELLED"     // by command
	Expired      Kind = "EXPIRED"       // hard lifetime
	Collision    Kind = "COLLISION"     // lost an exchange collision
	Internal     Kind = "INTERNAL"      // ours: no SPI, no randomness
	ShuttingDown Kind = "SHUTTING_DOWN"
)

// Reason is why something failed: made where it is known, printed the same by log, vici and command line.
type Reason struct {
	Kind Kind
	// Phase is 1 for the IKE SA and 2 for a Child SA.
	Phase int
	// Exchange ("IKE_AUTH") and MessageID are of the message it became known with; Exchange is "" when none.
	Exchange  string
	MessageID uint32
	// ByPeer says that the peer refused (it sent the notify); otherwise we did.
	ByPeer bool
	Conn   string
	Child  string
	// Text is one sentence without a full stop: what happened.
	Text string
	// Offered and Acceptable are what the peer offered and what we accept (or the other way round with ByPeer), if that is the matter.
	Offered, Acceptable string
	// Fix is what to change, with file and line where known.
	Fix string
}

// Error is the whole reason in one line:
//
//	phase 1 IKE_SA_INIT: NO_PROPOSAL_CHOSEN: peer offered …; connection "office" accepts …; add … to …
func (r *Reason) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "phase %d", r.Phase)
	if r.Exchange != "" {
		fmt.Fprintf(&b, " %s", r.Exchange)
	}
	fmt.Fprintf(&b, ": %s", r.Kind)
	for _, part := range []string{r.Text, prefixed("offered ", r.Offered), prefixed("acceptable ", r.Acceptable), r.Fix} {
		if part != "" {
			b.WriteString("; " + part)
		}
	}
	return strings.Replace(b.String(), "; ", ": ", 1)
}

func prefixed(label, s string) string {
	if s == "" {
		return ""
	}
	return label + s
}
