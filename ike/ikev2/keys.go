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

// deriveKeys takes the secrets of the IKE SA from its SKEYSEED and keys the ciphers of its messages.
func (sa *ikeSA) deriveKeys(skeyseed secret.Bytes, ni, nr []byte) error {
	p := *sa.set.PRF
	d := p.IKEKeys(skeyseed, ni, nr, sa.spiI[:], sa.spiR[:], sa.set.IntegKeyLen(), sa.set.EncrKeyLen())
	defer wipeAll(d.AI, d.AR, d.EI, d.ER)
	k := &keys{prf: p, d: d.D, pi: d.PI, pr: d.PR}

	fromInitiator, err := sa.set.NewCipher(d.EI, d.AI)
	if err != nil {
		return err
	}
	fromResponder, err := sa.set.NewCipher(d.ER, d.AR)
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
		sa.m.emit(core.IKEKeys{InitiatorSPI: sa.spiI, ResponderSPI: sa.spiR, EI: d.EI.Clone(), ER: d.ER.Clone(), AI: d.AI.Clone(), AR: d.AR.Clone(), Suite: sa.set})
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

// deriveChild takes the keys of a Child SA out of KEYMAT: initiator's direction first, encryption before integrity
// (RFC 7296 §2.17).
func (k *keys) deriveChild(set suite.Set, shared secret.Bytes, ni, nr []byte) childKeys {
	encr, integ := set.EncrKeyLen(), set.IntegKeyLen()
	material := k.prf.KEYMAT(k.d, shared, ni, nr, 2*(encr+integ))
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
