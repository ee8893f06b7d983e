// Package integ is the table of integrity algorithms, Transform Type 3 of RFC 7296 §3.3.2.
package integ

import (
	"hash"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/status"
)

// Transform is one row: an IANA "Transform Type 3 - Integrity Algorithm Transform ID".
type Transform struct {
	ID       uint16
	Name     string           // as IANA registered it, "AUTH_HMAC_SHA2_256_128"
	Log      string           // as strongSwan logs it, "HMAC_SHA2_256_128"
	Keywords []status.Keyword // the first is the one we write
	KeyLen   int              // octets of key
	ICVLen   int              // octets of ICV in the packet
	Strength int              // bits of security
	PRF      uint16           // the PRF with the same hash, which an IKE proposal that names none gets; 0 is none
	RFC      string
	Status   status.Status
	Why      string // of a refused row: why

	// New returns the keyed function; its Sum gives the untruncated value.
	New func(key secret.Bytes) hash.Hash
}
