package prf

import (
	"slices"

	"github.com/goswan/goswan/crypto/secret"
)

// PreSharedSKEYID returns the SKEYID of IKEv1 when both sides authenticate with a pre-shared key; the nonces are the bodies
// of their payloads, without the header:
//
//	SKEYID = prf(pre-shared-key, Ni_b | Nr_b)   RFC 2409 §5
func (t Transform) PreSharedSKEYID(psk secret.Bytes, ni, nr []byte) secret.Bytes {
	return t.Sum(psk, ni, nr)
}

// SignatureSKEYID returns the SKEYID of IKEv1 when both sides authenticate with signatures:
//
//	SKEYID = prf(Ni_b | Nr_b, g^xy)   RFC 2409 §5
func (t Transform) SignatureSKEYID(ni, nr []byte, gxy secret.Bytes) secret.Bytes {
	return t.Sum(slices.Concat(ni, nr), gxy)
}

// SKEYIDs are the secrets that an ISAKMP SA derives from its SKEYID, RFC 2409 §5.
type SKEYIDs struct {
	D secret.Bytes // SKEYID_d derives the keys of IPsec SAs
	A secret.Bytes // SKEYID_a authenticates messages
	E secret.Bytes // SKEYID_e encrypts them, EncryptionKey
}

// Wipe overwrites the secrets.
func (k SKEYIDs) Wipe() {
	k.D.Wipe()
	k.A.Wipe()
	k.E.Wipe()
}

// SKEYIDs takes the secrets out of SKEYID, with the cookies of the initiator and the responder:
//
//	SKEYID_d = prf(SKEYID, g^xy | CKY-I | CKY-R | 0)
//	SKEYID_a = prf(SKEYID, SKEYID_d | g^xy | CKY-I | CKY-R | 1)
//	SKEYID_e = prf(SKEYID, SKEYID_a | g^xy | CKY-I | CKY-R | 2)   RFC 2409 §5
//
// "The values of 0, 1, and 2 above are represented by a single octet."
func (t Transform) SKEYIDs(skeyid, gxy secret.Bytes, cookieI, cookieR []byte) SKEYIDs {
	var k SKEYIDs
	k.D = t.Sum(skeyid, gxy, cookieI, cookieR, []byte{0})
	k.A = t.Sum(skeyid, k.D, gxy, cookieI, cookieR, []byte{1})
	k.E = t.Sum(skeyid, k.A, gxy, cookieI, cookieR, []byte{2})
	return k
}

// EncryptionKey returns the key of n octets with which an ISAKMP SA encrypts. It is the beginning of SKEYID_e, or where
// that is too short of Ka:
//
//	Ka = K1 | K2 | K3 …   K1 = prf(SKEYID_e, 0), K2 = prf(SKEYID_e, K1) …   RFC 2409 Appendix B
func (t Transform) EncryptionKey(skeyidE secret.Bytes, n int) secret.Bytes {
	if n <= len(skeyidE) {
		return skeyidE[:n].Clone()
	}
	return t.feedBack(skeyidE, []byte{0}, nil, n)
}

// QuickModeKEYMAT returns n octets of key material for the IPsec SA with this protocol and SPI, which is inbound for the
// side that chose the SPI; gqmxy is empty without perfect forward secrecy.
//
//	KEYMAT = K1 | K2 | K3 …
//	K1 = prf(SKEYID_d, [g(qm)^xy |] protocol | SPI | Ni_b | Nr_b)
//	K2 = prf(SKEYID_d, K1 | [g(qm)^xy |] protocol | SPI | Ni_b | Nr_b) …   RFC 2409 §5.5
func (t Transform) QuickModeKEYMAT(skeyidD, gqmxy secret.Bytes, protocol uint8, spi, ni, nr []byte, n int) secret.Bytes {
	seed := secret.Bytes(slices.Concat([]byte(gqmxy), []byte{protocol}, spi, ni, nr))
	defer seed.Wipe()
	return t.feedBack(skeyidD, seed, seed, n)
}

// feedBack returns the first n octets of K1 | K2 …, where K1 = prf(key, first) and the others are prf(key, the one before | rest).
func (t Transform) feedBack(key secret.Bytes, first, rest []byte, n int) secret.Bytes {
	h := t.New(key)
	// The room is for whole blocks, so that nothing secret is left behind in a smaller array that append gave up.
	out := make(secret.Bytes, 0, (n+t.OutLen-1)/t.OutLen*t.OutLen)
	for seed := first; len(out) < n; seed = rest {
		h.Reset()
		h.Write(out[max(0, len(out)-t.OutLen):])
		h.Write(seed)
		out = h.Sum(out)
	}
	clear(out[n:])
	return out[:n]
}
