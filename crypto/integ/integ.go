// Package integ is the table of integrity algorithms, Transform Type 3 of RFC 7296 §3.3.2.
//
// The ICV of a packet is the value of the keyed function truncated to ICVLen octets from the left, and its key has
// exactly KeyLen octets, as many as the function's value: RFC 4868 §2.1.1, RFC 2404 §3, RFC 3566 §4.
package integ

import (
	"hash"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/status"
)

// Transform is one row: an IANA "Transform Type 3 - Integrity Algorithm Transform ID".
type Transform struct {
	ID       uint16
	IKEv1    uint16   // the value of the Phase 1 attribute Hash Algorithm for its hash, RFC 2409 appendix A; 0: none
	DOI      uint16   // its value of the Phase 2 attribute Authentication Algorithm, RFC 2407 §4.5; 0: none
	AH       uint16   // its AH transform ID of IKEv1, RFC 2407 §4.4.3; 0: none
	Name     string   // as IANA registered it, "AUTH_HMAC_SHA2_256_128"
	Log      string   // as strongSwan logs it, "HMAC_SHA2_256_128"
	Keywords []string // the first is the one we write
	KeyLen   int      // octets of key
	ICVLen   int      // octets of ICV in the packet
	Strength int      // bits of security
	PRF      uint16   // the PRF of the same function, which an IKE proposal that names none gets; 0 is none
	RFC      string   // where its use in IKE and ESP is specified
	Status   status.Status
	Named    bool   // of a Default row: sound, but used only when it is named; the proposal `default` stays short
	Why      string // of a refused or legacy row: why

	// New returns the keyed function; its Sum gives the value before truncation, and neither Reset, Write nor Sum
	// allocates once Sum's argument has room.
	New func(key secret.Bytes) hash.Hash
}

// Lookup finds the row of a Transform ID. The row belongs to the table: it is not to be changed.
func Lookup(id uint16) (*Transform, bool) {
	for i := range Transforms {
		if Transforms[i].ID == id {
			return &Transforms[i], true
		}
	}
	return nil, false
}
