package sig

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goswan/goswan/crypto/status"
)

// NoScheme says that there is nothing to sign with that the peer understands and that we may use.
type NoScheme struct {
	Key        string // ours, "RSA with 2048 bits"
	Type       Key
	Bits       int
	Peer       []uint16 // the hash algorithms that the peer announced
	Silent     bool     // it announced none: it is not known to understand RFC 7427
	Acceptable []*Scheme
	Text       string // our setting
}

// Error tells what the peer offered, what was acceptable, and the nearest fix.
func (e *NoScheme) Error() string {
	return fmt.Sprintf("our key is %s and %s; we may sign with %s; %s", e.Key, e.offered(), keywords(e.Acceptable), e.Fix())
}

func (e *NoScheme) offered() string {
	if e.Silent {
		return "the peer does not announce Digital Signatures (RFC 7427)"
	}
	return "the peer takes the hashes " + hashNames(e.Peer)
}

// Fix is what to change, a sentence.
func (e *NoScheme) Fix() string {
	if e.Silent {
		switch e.Type {
		case RSA:
			return "what is left is RSA with SHA-1: write auth = ike:rsa-sha1 if the peer cannot be updated"
		case ECDSA:
			return fmt.Sprintf("write auth = ike:ecdsa-%s, the hash that its curve has in RFC 4754", curveHash(e.Bits))
		}
		return "such keys need a peer with RFC 8420"
	}
	for _, s := range inOrder(false) {
		if s.Key == e.Type && s.ID != nil && s.Status.Usable() && slices.Contains(e.Peer, s.HashID) {
			return fmt.Sprintf("add ike:%s to auth, now %q", s.Keyword, e.Text)
		}
	}
	return "the peer has to accept another hash, or we need another key"
}

// curveHash is the keyword of the hash that a curve has in RFC 4754.
func curveHash(bits int) string {
	switch bits {
	case 256:
		return "sha256"
	case 384:
		return "sha384"
	}
	return "sha512"
}

// Unacceptable says that the peer signed with what the connection does not allow.
type Unacceptable struct {
	Used       Scheme
	Acceptable []*Scheme
	Text       string // our setting
}

// Error tells what the peer used, what was acceptable, and the nearest fix.
func (e *Unacceptable) Error() string {
	return fmt.Sprintf("the peer signed with %s; this connection accepts %s; %s", e.Used, keywords(e.Acceptable), e.Fix())
}

// Fix is what to change, a sentence.
func (e *Unacceptable) Fix() string {
	switch {
	case !e.Used.Status.Usable():
		return "the peer has to use another: " + e.Used.Why
	case e.Used.Keyword == "":
		return "it is for IKEv1 only"
	case e.Used.Status == status.Legacy:
		return fmt.Sprintf("add ike:%s to auth, now %q, if the peer cannot be changed: %s", e.Used.Keyword, e.Text, e.Used.Why)
	}
	return fmt.Sprintf("add ike:%s to auth, now %q", e.Used.Keyword, e.Text)
}

// WeakKey says that a key is of a type or size that the connection does not allow.
type WeakKey struct {
	Key        string // "RSA with 1024 bits"
	Type       Key
	Bits       int
	Acceptable []KeySize
	Text       string // our setting
}

// Error tells what the key is, what was acceptable, and the nearest fix.
func (e *WeakKey) Error() string {
	var sizes []string
	for _, s := range e.Acceptable {
		sizes = append(sizes, s.String())
	}
	return fmt.Sprintf("the key is %s; this connection accepts %s; %s", e.Key, strings.Join(sizes, ", "), e.Fix())
}

// Fix is what to change, a sentence.
func (e *WeakKey) Fix() string {
	word := strings.ToLower(e.Type.String())
	if e.Type == RSA && e.Bits < DefaultRSABits {
		return fmt.Sprintf("a key this short has %d bits of security: replace it, or write rsa-%d in auth, now %q", e.Type.Strength(e.Bits), e.Bits, e.Text)
	}
	if e.Type == RSA || e.Type == ECDSA {
		word = fmt.Sprintf("%s-%d", word, e.Bits)
	}
	return fmt.Sprintf("add %s to auth, now %q", word, e.Text)
}

// keywords are schemes as the configuration names them, each once.
func keywords(rows []*Scheme) string {
	var words []string
	for _, s := range rows {
		if !slices.Contains(words, s.Keyword) {
			words = append(words, s.Keyword)
		}
	}
	if words == nil {
		return "nothing"
	}
	return strings.Join(words, ", ")
}

// hashNames are the names of IANA's numbers, as strongSwan logs them.
func hashNames(ids []uint16) string {
	var names []string
	for _, id := range ids {
		i := slices.IndexFunc(hashes, func(h hashAlgorithm) bool { return h.id == id })
		if i < 0 {
			names = append(names, fmt.Sprint(id))
			continue
		}
		names = append(names, hashes[i].name)
	}
	if names == nil {
		return "(none)"
	}
	return strings.Join(names, ", ")
}
