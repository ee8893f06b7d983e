// Package prf is the table of pseudorandom functions, Transform Type 2 of RFC 7296 §3.3.2, and prf+ of §2.13.
//
//	prf+ (K,S) = T1 | T2 | T3 | T4 | ...        T1 = prf (K, S | 0x01)
//	                                            T2 = prf (K, T1 | S | 0x02)
//	                                            T3 = prf (K, T2 | S | 0x03) …
package prf

import (
	"fmt"
	"hash"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/status"
)

// Transform is one row: an IANA "Transform Type 2 - Pseudorandom Function Transform ID".
type Transform struct {
	ID       uint16
	IKEv1    uint16   // the value of the Phase 1 attribute Hash Algorithm whose HMAC it is, RFC 2409 appendix A; 0: none
	Name     string   // as IANA registered it and strongSwan logs it, "PRF_HMAC_SHA2_256"
	Keywords []string // the first is the one we write
	KeyLen   int      // preferred octets of key, the size of SK_d, SK_pi and SK_pr: RFC 7296 §2.14
	OutLen   int      // octets of output
	FixedKey bool     // was specified for keys of KeyLen octets: SKEYSEED takes 64 bits of each nonce, RFC 7296 §2.14
	Strength int      // bits of security
	RFC      string   // where its use in IKE is specified
	Status   status.Status
	Named    bool   // of a Default row: sound, but used only when it is named; the proposal `default` stays short
	Why      string // of a refused or legacy row: why

	// New returns the function keyed with a key of any length.
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

// Sum returns prf(key, data[0] | data[1] | …), OutLen octets.
func (t Transform) Sum(key secret.Bytes, data ...[]byte) []byte {
	h := t.New(key)
	for _, d := range data {
		h.Write(d)
	}
	return h.Sum(make([]byte, 0, t.OutLen))
}

// Plus returns the first n octets of prf+(key, seed), RFC 7296 §2.13. Asking for more than 255 blocks is a bug
// of the caller and panics: n is made of key lengths of our own tables, never of what a peer sent.
func (t Transform) Plus(key, seed []byte, n int) secret.Bytes {
	// "The constant concatenated to the end of each prf function is a single octet. The prf+ function is not
	// defined beyond 255 times the size of the prf function output."  RFC 7296 §2.13
	if n < 0 || n > 255*t.OutLen {
		panic(fmt.Sprintf("prf: %d octets of %s+ asked for, at most %d exist", n, t.Name, 255*t.OutLen))
	}
	h := t.New(key)
	// The room is for whole blocks, so that nothing secret is left behind in a smaller array that append gave up.
	out := make(secret.Bytes, 0, (n+t.OutLen-1)/t.OutLen*t.OutLen)
	for counter := byte(1); len(out) < n; counter++ {
		h.Reset()
		h.Write(out[max(0, len(out)-t.OutLen):]) // the block before; nothing before the first
		h.Write(seed)
		h.Write([]byte{counter})
		out = h.Sum(out)
	}
	clear(out[n:])
	return out[:n]
}
