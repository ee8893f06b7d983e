package prf

import (
	"slices"

	"github.com/goswan/goswan/crypto/secret"
)

// shortNonce is the octets of a nonce in the key of SKEYSEED for the functions that take a key of fixed length.
const shortNonce = 8

// NonceKey returns the key under which the shared secret of IKE_SA_INIT becomes SKEYSEED: Ni | Nr.
//
// "If the negotiated PRF is AES-XCBC-PRF-128 or AES-CMAC-PRF-128, only the first 64 bits of Ni and the first 64 bits of Nr are used in
// calculating SKEYSEED, but all the bits are used for input to the prf+ function."  RFC 7296 §2.14
func (t Transform) NonceKey(ni, nr []byte) []byte {
	if t.FixedKey {
		ni, nr = ni[:min(len(ni), shortNonce)], nr[:min(len(nr), shortNonce)]
	}
	return slices.Concat(ni, nr)
}

// SKEYSEED returns what the keys of the first IKE SA are made of:
//
//	SKEYSEED = prf(Ni | Nr, g^ir)   RFC 7296 §2.14
func (t Transform) SKEYSEED(ni, nr []byte, shared secret.Bytes) secret.Bytes {
	return t.Sum(t.NonceKey(ni, nr), shared)
}

// RekeyedSKEYSEED returns the SKEYSEED of an IKE SA that takes over from another. The function is that of the old IKE SA, and
// skD is its SK_d. The additional key exchanges of RFC 9370 §2.2.2 go on with the same formula.
//
//	SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr)   RFC 7296 §2.18
func (t Transform) RekeyedSKEYSEED(skD, shared secret.Bytes, ni, nr []byte) secret.Bytes {
	return t.Sum(skD, shared, ni, nr)
}

// IKEKeys are the seven secrets of an IKE SA, RFC 7296 §2.14.
type IKEKeys struct {
	D      secret.Bytes // SK_d derives the keys of Child SAs and of the next IKE SA
	AI, AR secret.Bytes // SK_ai and SK_ar protect the integrity of messages, empty for combined modes
	EI, ER secret.Bytes // SK_ei and SK_er encrypt them, salts included
	PI, PR secret.Bytes // SK_pi and SK_pr go into AUTH
}

// Wipe overwrites the secrets.
func (k IKEKeys) Wipe() {
	for _, b := range []secret.Bytes{k.D, k.AI, k.AR, k.EI, k.ER, k.PI, k.PR} {
		b.Wipe()
	}
}

// IKEKeys takes the seven secrets, which are independent copies, with integ and encr octets for integrity and encryption:
//
//	{SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+ (SKEYSEED, Ni | Nr | SPIi | SPIr)   RFC 7296 §2.14
func (t Transform) IKEKeys(skeyseed secret.Bytes, ni, nr, spiI, spiR []byte, integ, encr int) IKEKeys {
	material := t.Plus(skeyseed, slices.Concat(ni, nr, spiI, spiR), 3*t.KeyLen+2*integ+2*encr)
	defer material.Wipe()
	rest := material
	cut := func(n int) secret.Bytes {
		piece := rest[:n].Clone()
		rest = rest[n:]
		return piece
	}
	return IKEKeys{
		D:  cut(t.KeyLen),
		AI: cut(integ), AR: cut(integ),
		EI: cut(encr), ER: cut(encr),
		PI: cut(t.KeyLen), PR: cut(t.KeyLen),
	}
}

// KEYMAT returns n octets of key material for a Child SA; shared is empty unless there was a key exchange of its own.
//
//	KEYMAT = prf+(SK_d, [g^ir (new) |] Ni | Nr)   RFC 7296 §2.17
func (t Transform) KEYMAT(skD, shared secret.Bytes, ni, nr []byte, n int) secret.Bytes {
	seed := secret.Bytes(slices.Concat([]byte(shared), ni, nr))
	defer seed.Wipe()
	return t.Plus(skD, seed, n)
}
