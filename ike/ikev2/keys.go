package ikev2

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/goswan/goswan/crypto/prf"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// nonceLen is the size of our nonces: "at least half the key size of the negotiated pseudorandom function", 16 to 256
// octets, and 32 is half of the longest key there is.  RFC 7296 §2.10
const (
	nonceLen    = 32
	minNonceLen = 16
	maxNonceLen = 256
)

// keys are the secrets of one IKE SA, with the two ciphers of its Encrypted payloads.
type keys struct {
	prf     prf.Transform
	d       secret.Bytes // derives Child SA keys and the keys of the next IKE SA
	pi, pr  secret.Bytes // prove the identities in IKE_AUTH
	in, out suite.Cipher
	ivs     io.Reader // of out
}

// wipeProofs overwrites what only IKE_AUTH needs.
func (k *keys) wipeProofs() { wipeAll(k.pi, k.pr) }

func (k *keys) wipe() {
	wipeAll(k.d, k.pi, k.pr)
	k.in.Wipe()
	k.out.Wipe()
}

// firstSeed is SKEYSEED of IKE_SA_INIT:
//
//	SKEYSEED = prf(Ni | Nr, g^ir)   RFC 7296 §2.14
func firstSeed(p prf.Transform, ni, nr []byte, shared secret.Bytes) secret.Bytes {
	return p.Sum(bytes.Join([][]byte{ni, nr}, nil), shared)
}

// rekeySeed is SKEYSEED of an IKE SA that takes over from another, with the PRF of the old one:
//
//	SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr)   RFC 7296 §2.18
func rekeySeed(old *keys, ni, nr []byte, shared secret.Bytes) secret.Bytes {
	return old.prf.Sum(old.d, shared, ni, nr)
}

// deriveKeys takes the seven secrets in their order:
//
//	{SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+ (SKEYSEED, Ni | Nr | SPIi | SPIr)   RFC 7296 §2.14
func (sa *ikeSA) deriveKeys(skeyseed secret.Bytes, ni, nr []byte) error {
	p, encr, integ := *sa.set.PRF, sa.set.EncrKeyLen(), sa.set.IntegKeyLen()
	seed := bytes.Join([][]byte{ni, nr, sa.spiI[:], sa.spiR[:]}, nil)
	material := p.Plus(skeyseed, seed, 3*p.KeyLen+2*integ+2*encr)
	defer material.Wipe()
	rest := material
	cut := func(n int) secret.Bytes {
		piece := rest[:n].Clone()
		rest = rest[n:]
		return piece
	}
	k := &keys{prf: p, d: cut(p.KeyLen)}
	ai, ar := cut(integ), cut(integ)
	ei, er := cut(encr), cut(encr)
	k.pi, k.pr = cut(p.KeyLen), cut(p.KeyLen)
	defer wipeAll(ai, ar, ei, er)

	fromInitiator, err := sa.set.NewCipher(ei, ai)
	if err != nil {
		return err
	}
	fromResponder, err := sa.set.NewCipher(er, ar)
	if err != nil {
		return err
	}
	k.out, k.in = fromInitiator, fromResponder
	if !sa.initiator {
		k.out, k.in = fromResponder, fromInitiator
	}
	k.ivs = wire.NewIVs(k.out, sa.m.env.Rand)
	sa.keys = k
	if sa.m.env.KeyLog {
		sa.m.emit(core.IKEKeys{InitiatorSPI: sa.spiI, ResponderSPI: sa.spiR, EI: ei.Clone(), ER: er.Clone(), AI: ai.Clone(), AR: ar.Clone(), Suite: sa.set})
	}
	return nil
}

// ownP and peerP are SK_pi and SK_pr by our role.
func (sa *ikeSA) ownP() secret.Bytes {
	if sa.initiator {
		return sa.keys.pi
	}
	return sa.keys.pr
}

func (sa *ikeSA) peerP() secret.Bytes {
	if sa.initiator {
		return sa.keys.pr
	}
	return sa.keys.pi
}

// childKeys are the keys of a Child SA's two directions, by who sends.
type childKeys struct {
	encrI, integI secret.Bytes // from the initiator of the exchange
	encrR, integR secret.Bytes
}

// deriveChild takes the keys of a Child SA: initiator's direction first, encryption before integrity.
//
//	KEYMAT = prf+(SK_d, [g^ir (new) |] Ni | Nr)   RFC 7296 §2.17
func (k *keys) deriveChild(set suite.Set, shared secret.Bytes, ni, nr []byte) childKeys {
	encr, integ := set.EncrKeyLen(), set.IntegKeyLen()
	seed := secret.Bytes(bytes.Join([][]byte{shared, ni, nr}, nil))
	defer seed.Wipe()
	material := k.prf.Plus(k.d, seed, 2*(encr+integ))
	defer material.Wipe()
	at := func(from, n int) secret.Bytes { return material[from : from+n].Clone() }
	half := encr + integ
	return childKeys{
		encrI: at(0, encr), integI: at(encr, integ),
		encrR: at(half, encr), integR: at(half+encr, integ),
	}
}

// random fills b from the environment.
func (m *Machine) random(b []byte) error {
	_, err := io.ReadFull(m.env.Rand, b)
	return err
}

func (m *Machine) newNonce() ([]byte, error) {
	nonce := make([]byte, nonceLen)
	return nonce, m.random(nonce)
}

// chance is a number in [0, 1). Without randomness it is 0: jitter is not worth failing for.
func (m *Machine) chance() float64 {
	var b [8]byte
	if m.random(b[:]) != nil {
		return 0
	}
	return float64(binary.BigEndian.Uint64(b[:])>>11) / (1 << 53)
}

// lowestNonce is the lower of an exchange's two nonces; collisions compare them octet by octet (RFC 7296 §2.8.1).
func lowestNonce(ni, nr []byte) []byte {
	if bytes.Compare(nr, ni) < 0 {
		return nr
	}
	return ni
}
