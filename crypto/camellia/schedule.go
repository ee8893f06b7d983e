package camellia

import (
	"encoding/binary"

	"github.com/goswan/goswan/crypto/secret"
)

// sigma are the constants of the key schedule, RFC 3713 §2.2.
var sigma = [6]uint64{
	0xa09e667f3bcc908b, 0xb67ae8584caa73b2, 0xc6ef372fe94f82be, 0x54ff53a5f1d36f1c, 0x10e527fade682d1d, 0xb05688c2b3e6c1fd,
}

// word is 128 bits, the upper half first.
type word struct{ hi, lo uint64 }

// rotate is w <<< n, n below 128.
func (w word) rotate(n uint) word {
	if n >= 64 {
		w.hi, w.lo = w.lo, w.hi
		n -= 64
	}
	// A shift by 64 is zero, so that n = 0 needs no case.
	return word{w.hi<<n | w.lo>>(64-n), w.lo<<n | w.hi>>(64-n)}
}

// expand makes the subkeys, RFC 3713 §2.2.
func expand(key secret.Bytes) (s schedule) {
	kl, kr := parts(key)
	ka, kb := generate(kl, kr)
	if len(key) == 16 {
		return schedule128(kl, ka)
	}
	return schedule256(kl, kr, ka, kb)
}

// parts is KL and KR.
func parts(key secret.Bytes) (kl, kr word) {
	kl = word{binary.BigEndian.Uint64(key), binary.BigEndian.Uint64(key[8:])}
	switch len(key) {
	case 24:
		kr.hi = binary.BigEndian.Uint64(key[16:])
		kr.lo = ^kr.hi
	case 32:
		kr = word{binary.BigEndian.Uint64(key[16:]), binary.BigEndian.Uint64(key[24:])}
	}
	return kl, kr
}

// generate is KA and KB.
func generate(kl, kr word) (ka, kb word) {
	d1, d2 := kl.hi^kr.hi, kl.lo^kr.lo
	d2 ^= f(d1 ^ sigma[0])
	d1 ^= f(d2 ^ sigma[1])
	d1, d2 = d1^kl.hi, d2^kl.lo
	d2 ^= f(d1 ^ sigma[2])
	d1 ^= f(d2 ^ sigma[3])
	ka = word{d1, d2}
	d1, d2 = ka.hi^kr.hi, ka.lo^kr.lo
	d2 ^= f(d1 ^ sigma[4])
	d1 ^= f(d2 ^ sigma[5])
	return ka, word{d1, d2}
}

// schedule128 is the table for keys of 128 bits.
func schedule128(kl, ka word) (s schedule) {
	s.before = [2]uint64{kl.hi, kl.lo}
	s.rounds(ka, kl.rotate(15), ka.rotate(15))
	s.layers(ka.rotate(30))
	s.rounds(kl.rotate(45), word{ka.rotate(45).hi, kl.rotate(60).lo}, ka.rotate(60))
	s.layers(kl.rotate(77))
	s.rounds(kl.rotate(94), ka.rotate(94), kl.rotate(111))
	last := ka.rotate(111)
	s.after = [2]uint64{last.hi, last.lo}
	return s
}

// schedule256 is the table for keys of 192 and 256 bits.
func schedule256(kl, kr, ka, kb word) (s schedule) {
	s.before = [2]uint64{kl.hi, kl.lo}
	s.rounds(kb, kr.rotate(15), ka.rotate(15))
	s.layers(kr.rotate(30))
	s.rounds(kb.rotate(30), kl.rotate(45), ka.rotate(45))
	s.layers(kl.rotate(60))
	s.rounds(kr.rotate(60), kb.rotate(60), kl.rotate(77))
	s.layers(ka.rotate(77))
	s.rounds(kr.rotate(94), ka.rotate(94), kl.rotate(111))
	last := kb.rotate(111)
	s.after = [2]uint64{last.hi, last.lo}
	return s
}

// rounds appends the subkeys of six rounds.
func (s *schedule) rounds(a, b, c word) {
	s.round = append(s.round, a.hi, a.lo, b.hi, b.lo, c.hi, c.lo)
}

// layers appends the subkeys of FL and FL⁻¹.
func (s *schedule) layers(a word) { s.layer = append(s.layer, a.hi, a.lo) }
