package eap

import (
	"crypto/x509"

	"github.com/goswan/goswan/crypto/secret"
)

// Step is what a machine answers to one input. At least one of Send, Done, Ask and Discarded is set; Send and Done come
// together at a server's end, Send and Discarded when a packet was no answer and the last one goes out again.
type Step struct {
	// Send is the packet to send. It belongs to the receiver of the step.
	Send []byte
	// Done ends the conversation. Where a PassThrough ends with an error and nothing to Send, IKE tells the peer.
	Done *Result
	// Ask is for the backend; its answer goes to PassThrough.Answer. Only a PassThrough asks.
	Ask *Question
	// Discarded is why the packet was ignored. A caller whose transport has no other packet to come gives up with it.
	Discarded *Reason
	// Notice is the text of a Notification, to be shown to the user: shortened, and valid UTF-8.
	Notice string
}

// Result is how a conversation ended. Its receiver owns it and wipes it.
type Result struct {
	// Err is nil on success.
	Err *Reason
	// Method is what authenticated, and Inner what did inside its tunnel; 0 for none (PAP and MSCHAPv2 in TTLS have no
	// type of their own: Inner is then 0 and InnerName tells).
	Method, Inner Type
	InnerName     string
	// Identity is who the peer proved to be: the name in the tunnel when there is one, for TLS a name in the certificate.
	// On a Peer it is the identity it used.
	Identity string
	// MSK and EMSK have 64 octets, or none when the method makes no keys (MD5, GTC). RFC 3748 §7.10
	MSK, EMSK secret.Bytes
	// Certificates is the other side's chain, its own certificate first.
	Certificates []*x509.Certificate
	// Grant is what a backend allows the peer.
	Grant Grant
}

// Wipe clears the keys.
func (r *Result) Wipe() {
	r.MSK.Wipe()
	r.EMSK.Wipe()
}

// outcome is what a method that came to its good end knows.
type outcome struct {
	identity     string
	inner        Type
	innerName    string
	msk, emsk    secret.Bytes
	certificates []*x509.Certificate
}

func (o outcome) result(method Type) *Result {
	return &Result{
		Method: method, Inner: o.inner, InnerName: o.innerName, Identity: o.identity,
		MSK: o.msk, EMSK: o.emsk, Certificates: o.certificates,
	}
}

// DefaultRounds is how many packets a machine takes when its configuration does not say: enough for 64 KiB each way in
// fragments of 1 KiB.
const DefaultRounds = 160

// rounds counts the packets of a conversation.
type rounds struct{ left int }

func newRounds(limit int) rounds {
	if limit == 0 {
		limit = DefaultRounds
	}
	return rounds{limit}
}

// take counts a packet and tells whether it is one too many.
func (r *rounds) take() bool {
	r.left--
	return r.left < 0
}
