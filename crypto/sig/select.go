package sig

import (
	"cmp"
	"crypto"
	"fmt"
	"slices"
)

// Use is a scheme as an AUTH payload has it: by an Authentication Method of its own, or as a Digital Signature.
type Use struct {
	Method uint8 // of RFC 7296 §3.8
	Scheme Scheme
}

// Data is the Authentication Data of a signature: for a Digital Signature with the AlgorithmIdentifier before it.
func (u Use) Data(signature []byte) []byte {
	if u.Method != DigitalSignature {
		return signature
	}
	id := u.Scheme.ID
	data := make([]byte, 0, 1+len(id)+len(signature))
	data = append(data, uint8(len(id)))
	data = append(data, id...)
	return append(data, signature...)
}

// Select finds what to sign an AUTH payload with, for the key that we have and the hash algorithms that the peer announced
// in SIGNATURE_HASH_ALGORITHMS; nil if it sent none, and then it is not known to understand Digital Signatures.
// Then the methods of RFC 7296 and RFC 4754 remain, of which RSA's means SHA-1 to implementations that have nothing newer
// (RFC 7296 §3.8): it has to be configured.
//
// Where no hashes are configured, those come first that are as strong as the key, the cheapest of them first.
// The error is *NoScheme, *WeakKey for a key of ours that is not acceptable, or ErrKey, wrapped.
func (c Constraints) Select(key crypto.PublicKey, peer []uint16) (Use, error) {
	if err := c.CheckKey(key); err != nil {
		return Use{}, err
	}
	t, bits, err := KeyOf(key)
	if err != nil {
		return Use{}, err
	}
	rows := slices.DeleteFunc(slices.Clone(c.ike()), func(s *Scheme) bool {
		return s.Key != t || s.Curve != nil && s.Curve.Params().BitSize != bits
	})
	if !slices.Contains(c.Order, t) {
		strength := t.Strength(bits)
		slices.SortStableFunc(rows, func(a, b *Scheme) int { return cmp.Compare(a.misfit(strength), b.misfit(strength)) })
	}
	for _, s := range rows {
		switch {
		case peer != nil && s.ID != nil && slices.Contains(peer, s.HashID):
			return Use{Method: DigitalSignature, Scheme: *s}, nil
		case peer == nil && s.Method != 0 && (s.Key != RSA || s.Hash == crypto.SHA1):
			return Use{Method: s.Method, Scheme: *s}, nil
		}
	}
	return Use{}, &NoScheme{Key: Describe(key), Type: t, Bits: bits, Peer: slices.Clone(peer), Silent: peer == nil, Acceptable: rows, Text: c.Text}
}

// misfit orders hashes for a key: those that are strong enough by their strength, then the weaker ones, the best first.
func (s *Scheme) misfit(strength int) int {
	if s.Strength >= strength {
		return s.Strength
	}
	return 1000 - s.Strength
}

// maxData bounds the Authentication Data of a signature: the longest AlgorithmIdentifier and the longest RSA signature.
const maxData = 1 + 255 + MaxRSABits/8

// Parse takes Authentication Data apart: the schemes that they may be of, and the signature. A Digital Signature names its
// one scheme; RSA's own method does not tell the hash, which the signature has within. The error is ErrAlgorithm, wrapped, for
// a Digital Signature that names nothing we have, and ErrSignature for data that are malformed or of another method.
func Parse(method uint8, data []byte) (schemes []Scheme, signature []byte, err error) {
	if len(data) > maxData {
		return nil, nil, fmt.Errorf("sig: %w: %d octets of Authentication Data", ErrSignature, len(data))
	}
	if method == DigitalSignature {
		s, signature, err := parseDigital(data)
		return []Scheme{s}, signature, err
	}
	for _, s := range Schemes {
		if s.Method == method && method != 0 && s.Status.Usable() {
			schemes = append(schemes, s)
		}
	}
	if schemes == nil {
		return nil, nil, fmt.Errorf("sig: %w: the Authentication Method %d has no signatures here", ErrSignature, method)
	}
	return schemes, data, nil
}

// parseDigital takes the data of a Digital Signature apart, RFC 7427 §3.
func parseDigital(data []byte) (s Scheme, signature []byte, err error) {
	if len(data) == 0 || len(data) < 1+int(data[0]) {
		return Scheme{}, nil, fmt.Errorf("sig: %w: it ends within its AlgorithmIdentifier", ErrSignature)
	}
	n := 1 + int(data[0])
	s, err = ParseAlgorithm(data[1:n])
	return s, data[n:], err
}

// Verify checks the AUTH payload of a peer, its method and Authentication Data, over the octets it should have signed, and
// returns the scheme it used. The error is *Unacceptable for a scheme that is not allowed, *WeakKey for such a key, and
// ErrSignature, ErrAlgorithm or ErrKey, wrapped, for what is wrong in itself.
func (c Constraints) Verify(method uint8, key crypto.PublicKey, octets, data []byte) (Scheme, error) {
	if err := c.CheckKey(key); err != nil {
		return Scheme{}, err
	}
	schemes, signature, err := Parse(method, data)
	if err != nil {
		return Scheme{}, err
	}
	if len(schemes) == 1 && !c.accepts(schemes[0]) {
		return Scheme{}, c.unacceptable(schemes[0])
	}
	for _, s := range schemes {
		if err = s.Verify(key, octets, signature); err != nil {
			continue
		}
		if !c.accepts(s) {
			return Scheme{}, c.unacceptable(s)
		}
		return s, nil
	}
	return Scheme{}, err
}

func (c Constraints) unacceptable(s Scheme) error {
	return &Unacceptable{Used: s, Acceptable: c.ike(), Text: c.Text}
}
