package ike

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cloudflare/circl/sign/ed448"
	"github.com/goswan/goswan/bench/report"
	"github.com/goswan/goswan/bench/turns"
	"github.com/goswan/goswan/crypto/sig"
)

// The operations of a signature.
const (
	Sign   = "sign"
	Verify = "verify"
)

// signedLen is about as many octets as AUTH covers: an IKE_SA_INIT message, a nonce and a hash (RFC 7296 §2.15).
const signedLen = 512

// The length of RSA's keys, and the others that one scheme shows: the key makes the time, not the hash.
const rsaBits = 3072

var otherRSABits = []int{2048, 4096}

// Schemes are the names of the signature schemes that can be used, in the order of the table.
func Schemes() (all []string) {
	for _, s := range sig.Schemes {
		if s.Status.Usable() {
			all = append(all, s.Name)
		}
	}
	return all
}

// ChooseSchemes picks schemes by name or by what the setting `auth` calls them. None picks all.
func ChooseSchemes(wanted []string) (chosen []string, err error) {
	if len(wanted) == 0 {
		return Schemes(), nil
	}
	for _, w := range wanted {
		w, found := strings.TrimSpace(w), false
		for _, s := range sig.Schemes {
			if w == "" || !s.Status.Usable() || s.Keyword != w && !strings.EqualFold(s.Name, w) {
				continue
			}
			if found = true; !slices.Contains(chosen, s.Name) {
				chosen = append(chosen, s.Name)
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no signature scheme %q; there are %s", w, strings.Join(Schemes(), ", "))
		}
	}
	return chosen, nil
}

// keyring makes keys, each kind once.
type keyring map[string]crypto.Signer

var errKeyType = errors.New("this version of the benchmark makes no such keys")

// key is one for a scheme, with what it is called; bits are those of RSA.
func (k keyring) key(s *sig.Scheme, bits int) (key crypto.Signer, name string, err error) {
	curve := s.Curve
	if s.Key == sig.ECDSA && curve == nil {
		curve = curveFor(s.Hash)
	}
	switch s.Key {
	case sig.RSA:
		name = fmt.Sprintf("RSA %d", bits)
	case sig.ECDSA:
		name = curve.Params().Name
	default:
		name = s.Key.String()
	}
	if key, ok := k[name]; ok {
		return key, name, nil
	}
	switch s.Key {
	case sig.RSA:
		key, err = rsa.GenerateKey(rand.Reader, bits)
	case sig.ECDSA:
		key, err = ecdsa.GenerateKey(curve, rand.Reader)
	case sig.Ed25519:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case sig.Ed448:
		_, key, err = ed448.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("%s: %w", s.Key, errKeyType)
	}
	k[name] = key
	return key, name, err
}

// curveFor is the curve that a hash is used with.
func curveFor(h crypto.Hash) elliptic.Curve {
	switch h {
	case crypto.SHA384:
		return elliptic.P384()
	case crypto.SHA512:
		return elliptic.P521()
	}
	return elliptic.P256()
}

// signatureJobs are both operations of each scheme, and of the first RSA scheme with other keys, too. What no key can be made for is
// noted.
func signatureJobs(run *report.Run, rec *report.Recorder, names []string) (jobs []turns.Job, err error) {
	keys, others := keyring{}, otherRSABits
	for _, name := range names {
		s, ok := sig.Lookup(name)
		if !ok || !s.Status.Usable() {
			return nil, fmt.Errorf("ike: there is no signature scheme %q", name)
		}
		lengths := []int{rsaBits}
		if s.Key == sig.RSA {
			lengths, others = append(lengths, others...), nil
		}
		for _, bits := range lengths {
			key, keyName, err := keys.key(s, bits)
			if errors.Is(err, errKeyType) {
				run.Note(fmt.Sprintf("left out: signatures by %s: %v", name, err))
				continue
			}
			if err != nil {
				return nil, err
			}
			suite := name
			if keyName != name { // ED25519 and ED448 are both
				suite += " " + keyName
			}
			more, err := schemeJobs(rec, s, key, suite)
			if err != nil {
				return nil, err
			}
			jobs = append(jobs, more...)
		}
	}
	return jobs, nil
}

// schemeJobs are both operations with one key.
func schemeJobs(rec *report.Recorder, s *sig.Scheme, key crypto.Signer, name string) (jobs []turns.Job, err error) {
	octets := make([]byte, signedLen)
	if s.Digested {
		octets = octets[:cmp.Or(s.Hash, crypto.SHA256).Size()]
	}
	signature, err := s.Sign(rand.Reader, key, octets)
	if err != nil {
		return nil, err
	}
	for _, op := range []struct {
		name string
		do   func() error
	}{
		{Sign, func() error { _, err := s.Sign(rand.Reader, key, octets); return err }},
		{Verify, func() error { return s.Verify(key.Public(), octets, signature) }},
	} {
		jobs = append(jobs, operation(rec, report.Key{Subject: Goswan, Suite: name, Operation: op.name}, op.do))
	}
	return jobs, nil
}
