package auth

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"

	"github.com/cloudflare/circl/sign/ed448"

	"github.com/goswan/goswan/crypto/sig"
)

// PrivateKey is a key of ours. Whatever prints it prints [redacted].
type PrivateKey struct{ signer crypto.Signer }

// NewPrivateKey takes a key in memory or one that signs elsewhere. The error is sig.ErrKey, wrapped, for a type or size that
// cannot be used.
func NewPrivateKey(signer crypto.Signer) (PrivateKey, error) {
	if signer == nil {
		return PrivateKey{}, fmt.Errorf("auth: %w: there is none", sig.ErrKey)
	}
	if _, _, err := sig.KeyOf(signer.Public()); err != nil {
		return PrivateKey{}, err
	}
	return PrivateKey{signer}, nil
}

const redacted = "[redacted]"

// String returns "[redacted]".
func (PrivateKey) String() string { return redacted }

// GoString returns "[redacted]", for %#v.
func (PrivateKey) GoString() string { return redacted }

// Format prints "[redacted]" for every verb.
func (PrivateKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalJSON returns the JSON string "[redacted]".
func (PrivateKey) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// Valid tells whether there is a key.
func (k PrivateKey) Valid() bool { return k.signer != nil }

// Public is the public key.
func (k PrivateKey) Public() crypto.PublicKey { return k.signer.Public() }

// SameAs tells whether two private keys have the same public key.
func (k PrivateKey) SameAs(o PrivateKey) bool {
	public, ok := k.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(o.Public())
}

// ID is the SHA-1 of the subjectPublicKey, by which strongSwan's tools name a key, in hexadecimal.
func (k PrivateKey) ID() string {
	spki, err := MarshalPublicKey(k.Public())
	if err != nil {
		return ""
	}
	sum := sha1.Sum(keyOctets(spki))
	return hex.EncodeToString(sum[:])
}

// Signer gives the key to who has to write it to a file or sign a certificate with it.
func (k PrivateKey) Signer() crypto.Signer { return k.signer }

// Wipe overwrites the secret numbers, as far as the library's types let it: copies that it made are the garbage collector's,
// and so is the whole of an ECDSA key.
func (k PrivateKey) Wipe() {
	switch key := k.signer.(type) {
	case *rsa.PrivateKey:
		wipeInt(key.D)
		for _, p := range key.Primes {
			wipeInt(p)
		}
		wipeInt(key.Precomputed.Dp)
		wipeInt(key.Precomputed.Dq)
		wipeInt(key.Precomputed.Qinv)
	case ed25519.PrivateKey:
		clear(key)
	case ed448.PrivateKey:
		clear(key)
	}
}

func wipeInt(n *big.Int) {
	if n != nil {
		clear(n.Bits())
	}
}

// Credential is what we prove our identity with: a key, and a certificate for it or the key alone (RFC 7670).
type Credential struct {
	Certificate *Certificate
	// Chain are the intermediate CAs to send behind it, the issuer of Certificate first.
	Chain []*Certificate
	// Raw is the public key of a credential without a certificate.
	Raw *PublicKey
	Key PrivateKey
}

// Name is the certificate's subject, or the fingerprint of the raw key.
func (c *Credential) Name() string {
	if c.Certificate != nil {
		return c.Certificate.Name()
	}
	return "raw key " + c.Raw.Fingerprint()
}

// ID is the identity that we have when the configuration names none: the certificate's subject.
func (c *Credential) ID() Identity {
	if c.Certificate == nil {
		return Identity{}
	}
	if dn := c.Certificate.DN(); !dn.IsAny() {
		return dn
	}
	for _, id := range c.Certificate.Identities() {
		return id
	}
	return Identity{}
}

// proves tells whether the peer could find the identity in the credential. A raw key has none in it.
func (c *Credential) proves(id Identity) bool {
	return c.Certificate == nil || id.IsAny() || c.Certificate.Proves(id) != MatchNone
}

// Payloads are the CERT payloads to send: the certificate with its intermediate CAs. A root is not sent: a peer that trusts
// it has it.
func (c *Credential) Payloads() (all []CertPayload) {
	if c.Certificate == nil {
		return []CertPayload{{EncodingRawKey, c.Raw.SPKI}}
	}
	all = append(all, CertPayload{EncodingX509, c.Certificate.X509.Raw})
	for _, ca := range c.Chain {
		if !ca.SelfIssued() {
			all = append(all, CertPayload{EncodingX509, ca.X509.Raw})
		}
	}
	return all
}

// requested tells whether the credential comes from a CA that a CERTREQ names.
func (c *Credential) requested(hashes []KeyHash) bool {
	return c.Certificate != nil && slices.ContainsFunc(c.Chain, func(ca *Certificate) bool { return slices.Contains(hashes, ca.KeyHash()) })
}

// CompleteChain fills in Chain from the CAs that are known, up to the root, and returns the credential.
func (c *Credential) CompleteChain(known []*Certificate) *Credential {
	if c.Certificate == nil {
		return c
	}
	c.Chain = nil
	for last := c.Certificate; len(c.Chain) < MaxChain-1 && !last.SelfIssued(); {
		i := slices.IndexFunc(known, func(p *Certificate) bool {
			return string(p.X509.RawSubject) == string(last.X509.RawIssuer) && !p.in(c.Chain) && checkIssued(last, p, len(c.Chain)) == nil
		})
		if i < 0 {
			break
		}
		last = known[i]
		c.Chain = append(c.Chain, last)
	}
	return c
}

// NoCredential says that none of our credentials fits.
type NoCredential struct {
	ID     Identity
	Have   []string // what there was, and why it does not fit
	Reason error    // of the last one that fits but for its key; nil if no certificate has the identity
}

// Error tells the identity, what there was, and the nearest fix.
func (e *NoCredential) Error() string {
	if len(e.Have) == 0 {
		return "there is no private key with a certificate here; put them into the directories private and x509"
	}
	s := fmt.Sprintf("no certificate of ours proves the id %q; there are %s", e.ID, strings.Join(e.Have, "; "))
	if e.ID.IsAny() {
		s = "no certificate of ours can be used: " + strings.Join(e.Have, "; ")
	}
	if e.Reason == nil {
		s += "; get a certificate with that name in it, or write another id"
	}
	return s
}

// Unwrap returns the reason of crypto/sig.
func (e *NoCredential) Unwrap() error { return e.Reason }

// Choose finds the credential to authenticate with, and how to sign: it has to prove our identity (%any: any) and have a key
// that we may use and whose signatures the peer understands. Among those, the ones go first that come from a CA that the
// peer's CERTREQ names; a CERTREQ is a hint (RFC 7296 §3.7), so others follow, and then raw keys. The order is otherwise that
// of the list.
//
// hashes are those of the peer's SIGNATURE_HASH_ALGORITHMS, nil if it sent none. The error is *NoCredential.
func Choose(list []*Credential, id Identity, requests []KeyHash, constraints sig.Constraints, hashes []uint16) (*Credential, sig.Use, error) {
	ordered := slices.Clone(list)
	slices.SortStableFunc(ordered, func(a, b *Credential) int { return b.rank(requests) - a.rank(requests) })
	failure := &NoCredential{ID: id}
	for _, c := range ordered {
		if !c.proves(id) {
			failure.Have = append(failure.Have, fmt.Sprintf("%q (%s)", c.Name(), c.Certificate.Presents()))
			continue
		}
		use, err := constraints.Select(c.Key.Public(), hashes)
		if err != nil {
			failure.Reason = err
			failure.Have = append(failure.Have, fmt.Sprintf("%q: %s", c.Name(), trimPrefix(err)))
			continue
		}
		return c, use, nil
	}
	return nil, sig.Use{}, failure
}

// rank orders credentials: those of a CA that the peer asks for, then other certificates, then raw keys.
func (c *Credential) rank(requests []KeyHash) int {
	switch {
	case c.requested(requests):
		return 2
	case c.Certificate != nil:
		return 1
	}
	return 0
}

// Sign makes the Authentication Data of an AUTH payload with use.Method, over the octets of SignedOctets.
func (c *Credential) Sign(rand io.Reader, use sig.Use, octets []byte) ([]byte, error) {
	if !c.Key.Valid() {
		return nil, errors.New("auth: the credential has no private key")
	}
	signature, err := use.Scheme.Sign(rand, c.Key.signer, octets)
	if err != nil {
		return nil, fmt.Errorf("auth: %s: %w", c.Name(), err)
	}
	return use.Data(signature), nil
}
