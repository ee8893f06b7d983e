package auth

import (
	"crypto/subtle"

	"github.com/goswan/goswan/crypto/prf"
	"github.com/goswan/goswan/crypto/secret"
)

// keyPad is the 17 octets of RFC 7296 §2.15, without a terminating zero.
const keyPad = "Key Pad for IKEv2"

// SignedOctets is what one side's AUTH covers: its first message, the other's nonce and prf(SK_p, ID') of its own
// identity, where ID' is the body of the IDi or IDr payload (RFC 7296 §2.15).
func SignedOctets(p prf.Transform, message, peerNonce []byte, skP secret.Bytes, idBody []byte) []byte {
	octets := make([]byte, 0, len(message)+len(peerNonce)+p.OutLen)
	octets = append(octets, message...)
	octets = append(octets, peerNonce...)
	return append(octets, p.Sum(skP, idBody)...)
}

// PSK is the AUTH data of the Shared Key Message Integrity Code method:
//
//	AUTH = prf( prf(Shared Secret, "Key Pad for IKEv2"), <SignedOctets>)   RFC 7296 §2.15
func PSK(p prf.Transform, psk secret.Bytes, signedOctets []byte) []byte {
	padded := secret.Bytes(p.Sum(psk, []byte(keyPad)))
	defer padded.Wipe()
	return p.Sum(padded, signedOctets)
}

// VerifyPSK compares a peer's AUTH data with ours in constant time.
func VerifyPSK(p prf.Transform, psk secret.Bytes, signedOctets, authData []byte) bool {
	return subtle.ConstantTimeCompare(PSK(p, psk, signedOctets), authData) == 1
}
