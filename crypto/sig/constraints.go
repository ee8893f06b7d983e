package sig

import (
	"crypto"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goswan/goswan/crypto/status"
)

// Constraints say which keys and signatures a connection uses and accepts. The zero value is what `auth = pubkey` means:
// every row that is not legacy, and RSA keys from DefaultRSABits on.
type Constraints struct {
	Keys  []KeySize // the types of keys, with the least size of each; nil: any
	Chain []*Scheme // what may sign a certificate; nil: any by default
	IKE   []*Scheme // what may sign an AUTH payload; nil: any by default
	Order []Key     // the types of keys whose schemes in IKE stand in a configured order of preference
	PSS   bool      // of two RSA signatures with the same hash, RSASSA-PSS is the better: charon.rsa_pss of strongswan.conf
	Text  string    // as the configuration has it, for messages: "ike:rsa/pss-sha256"
}

// KeySize is a type of key and the least size of it, in bits; 0: the default.
type KeySize struct {
	Key  Key
	Bits int
}

// keyWords are the words for types of keys; pubkey stands for all.
var keyWords = map[string]struct {
	key Key // 0: any
	pss bool
}{
	"pubkey": {}, "rsa": {key: RSA}, "rsa/pss": {key: RSA, pss: true}, "ecdsa": {key: ECDSA}, "ed25519": {key: Ed25519}, "ed448": {key: Ed448},
}

// ParseConstraints reads the constraints that strongSwan's setting `auth` has for public keys:
//
//	rsa-3072-sha384-sha512-ecdsa-256-sha256      types of keys, least sizes, hashes in order of preference
//	ike:rsa/pss-sha256                           for the AUTH payload alone, not for the certificates
//
// Words with ike: before them rule the AUTH payload; without such words the others rule it too. RSASSA-PSS is meant by
// rsa/pss, and with pss (the setting charon.rsa_pss) by rsa and pubkey as well. A type of key without hashes takes all that
// are not legacy; for strongSwan it would take those named for other types.
func ParseConstraints(auth string, pss bool) (Constraints, error) {
	p := parser{out: Constraints{PSS: pss, Text: auth}}
	for word := range strings.SplitSeq(auth, "-") {
		if err := p.word(word); err != nil {
			return Constraints{}, fmt.Errorf("sig: auth = %s: %w", auth, err)
		}
	}
	p.endKey()
	if !p.ike {
		p.out.IKE, p.out.Order = p.out.Chain, p.ordered
	}
	return p.out, nil
}

// parser is the state between the words of a setting.
type parser struct {
	out     Constraints
	ike     bool  // words with ike: before them were seen
	ordered []Key // the types whose hashes were named outside of ike:

	// Of the type of key that the next words belong to:
	open   bool
	forIKE bool
	key    Key
	pss    bool
	hashed bool // it has hashes
}

func (p *parser) word(word string) error {
	name, forIKE := strings.CutPrefix(word, "ike:")
	if k, ok := keyWords[name]; ok {
		p.endKey()
		p.open, p.forIKE, p.key, p.pss, p.hashed = true, forIKE, k.key, k.pss, false
		p.ike = p.ike || forIKE
		if k.key != 0 && !forIKE {
			p.addKey(k.key)
		}
		return nil
	}
	if !p.open || forIKE {
		return fmt.Errorf("%q is no type of key: write pubkey, rsa, rsa/pss, ecdsa, ed25519 or ed448", word)
	}
	if bits, err := strconv.ParseUint(word, 10, 16); err == nil {
		return p.size(int(bits))
	}
	return p.hash(word)
}

// addKey enters a type of key once.
func (p *parser) addKey(k Key) {
	if !slices.ContainsFunc(p.out.Keys, func(s KeySize) bool { return s.Key == k }) {
		p.out.Keys = append(p.out.Keys, KeySize{Key: k})
	}
}

// size takes the least size of the type of key before it.
func (p *parser) size(bits int) error {
	switch {
	case p.forIKE:
		return fmt.Errorf("the size %d stands behind ike:; write it for the keys, as in rsa-%d", bits, bits)
	case p.key != RSA && p.key != ECDSA:
		return fmt.Errorf("the size %d stands behind a type of key that has one size only, or none", bits)
	case p.key == RSA && (bits < MinRSABits || bits > MaxRSABits):
		return fmt.Errorf("RSA keys have from %d to %d bits here, not %d", MinRSABits, MaxRSABits, bits)
	case p.key == ECDSA && (bits < 1 || bits > 521):
		return fmt.Errorf("ECDSA keys have 256, 384 or 521 bits, not %d", bits)
	}
	for i := range p.out.Keys {
		if p.out.Keys[i].Key == p.key {
			p.out.Keys[i].Bits = bits
		}
	}
	return nil
}

// hash takes a hash for the type of key before it.
func (p *parser) hash(word string) error {
	i := slices.IndexFunc(hashes, func(h hashAlgorithm) bool { return h.keyword == word })
	if i < 0 {
		return fmt.Errorf("%q is no hash that signatures have here: write sha256, sha384, sha512 or identity, or sha1 if it must be", word)
	}
	added := p.add(func(s *Scheme) bool {
		return hashes[i].id == s.hashID() && s.Status.Usable() && (!p.pss || s.SaltLen != 0) && (s.SaltLen == 0 || p.pss || p.out.PSS)
	})
	if !added {
		return fmt.Errorf("no signature of this type of key has the hash %s", word)
	}
	p.hashed = true
	return nil
}

// hashID is HashID, and for the methods of RFC 4754 that of their one hash.
func (s *Scheme) hashID() uint16 {
	for _, h := range hashes {
		if s.HashID == 0 && h.hash == s.Hash && s.Hash != 0 {
			return h.id
		}
	}
	return s.HashID
}

// endKey ends what belongs to one type of key: without hashes it takes all that are used by default.
func (p *parser) endKey() {
	if p.open && !p.hashed && (p.key != 0 || p.forIKE) {
		p.add(func(s *Scheme) bool { return s.Status == status.Default && (!p.pss || s.SaltLen != 0) })
	}
	if !p.hashed {
		return
	}
	keys := []Key{p.key}
	if p.key == 0 {
		keys = []Key{RSA, ECDSA, Ed25519, Ed448}
	}
	if p.forIKE {
		p.out.Order = append(p.out.Order, keys...)
	} else {
		p.ordered = append(p.ordered, keys...)
	}
}

// add enters the rows of the type of key for which want holds; RSASSA-PSS first where it is wanted. It tells whether there
// was any, new or not.
func (p *parser) add(want func(*Scheme) bool) (any bool) {
	list := &p.out.Chain
	if p.forIKE {
		list = &p.out.IKE
	}
	for _, s := range inOrder(p.out.PSS) {
		if s.Keyword == "" || p.key != 0 && s.Key != p.key || !want(s) {
			continue
		}
		any = true
		if !slices.Contains(*list, s) {
			*list = append(*list, s)
		}
	}
	return any
}

// inOrder are all rows, RSASSA-PSS first if so wished.
func inOrder(pss bool) []*Scheme {
	var first, rest []*Scheme
	for i := range Schemes {
		s := &Schemes[i]
		if pss && s.SaltLen != 0 {
			first = append(first, s)
		} else {
			rest = append(rest, s)
		}
	}
	return append(first, rest...)
}

// ike are the schemes for AUTH payloads.
func (c Constraints) ike() []*Scheme {
	if c.IKE != nil {
		return c.IKE
	}
	return byDefault(c.PSS)
}

// byDefault are the rows that need not be named.
func byDefault(pss bool) []*Scheme {
	return slices.DeleteFunc(inOrder(pss), func(s *Scheme) bool { return s.Status != status.Default })
}

// accepts tells whether a scheme may sign an AUTH payload, whatever the length of its salt.
func (c Constraints) accepts(s Scheme) bool {
	return slices.ContainsFunc(c.ike(), func(row *Scheme) bool { return row.Name == s.Name })
}

// AcceptsChain tells whether a scheme may sign a certificate.
func (c Constraints) AcceptsChain(s Scheme) bool {
	chain := c.Chain
	if chain == nil {
		chain = byDefault(c.PSS)
	}
	return slices.ContainsFunc(chain, func(row *Scheme) bool { return row.Name == s.Name })
}

// Hashes are the hash algorithms to announce in SIGNATURE_HASH_ALGORITHMS, those of the acceptable schemes, ascending.
func (c Constraints) Hashes() (ids []uint16) {
	for _, s := range c.ike() {
		if s.ID != nil && !slices.Contains(ids, s.HashID) {
			ids = append(ids, s.HashID)
		}
	}
	slices.Sort(ids)
	return ids
}

// CheckKey checks the type and size of a key, of a peer or in its chain. The error is *WeakKey, or ErrKey, wrapped, for what
// nothing can verify with.
func (c Constraints) CheckKey(key crypto.PublicKey) error {
	t, bits, err := KeyOf(key)
	if err != nil {
		return err
	}
	sizes := c.Keys
	if sizes == nil {
		sizes = []KeySize{{Key: RSA}, {Key: ECDSA}, {Key: Ed25519}, {Key: Ed448}}
	}
	for _, size := range sizes {
		if size.Key == t && bits >= size.least() {
			return nil
		}
	}
	return &WeakKey{Key: Describe(key), Acceptable: sizes, Text: c.Text, Type: t, Bits: bits}
}

// least is the least size that is accepted, in bits.
func (s KeySize) least() int {
	if s.Key == RSA && s.Bits == 0 {
		return DefaultRSABits
	}
	return s.Bits
}

// String is "RSA from 2048 bits", or the name of the type.
func (s KeySize) String() string {
	if least := s.least(); least > 0 {
		return fmt.Sprintf("%s from %d bits", s.Key, least)
	}
	return s.Key.String()
}
