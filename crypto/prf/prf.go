// Package prf is the table of pseudorandom functions, Transform Type 2 of RFC 7296 §3.3.2, and prf+ of §2.13.
package prf

import (
	"hash"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/status"
)

// Transform is one row: an IANA "Transform Type 2 - Pseudorandom Function Transform ID".
type Transform struct {
	ID       uint16
	Name     string           // as IANA registered it and strongSwan logs it, "PRF_HMAC_SHA2_256"
	Keywords []status.Keyword // the first is the one we write
	KeyLen   int              // preferred octets of key, the size of SK_d, SK_pi and SK_pr: RFC 7296 §2.14
	OutLen   int              // octets of output
	Strength int              // bits of security
	RFC      string
	Status   status.Status
	Why      string // of a refused row: why

	// New returns the function keyed with a key of any length.
	New func(key secret.Bytes) hash.Hash
}

// Sum returns prf(key, data[0] | data[1] | …).
func (t Transform) Sum(key secret.Bytes, data ...[]byte) []byte { panic("prf: not built yet") }

// Plus returns the first n octets of prf+(key, seed), RFC 7296 §2.13.
func (t Transform) Plus(key, seed []byte, n int) secret.Bytes { panic("prf: not built yet") }
