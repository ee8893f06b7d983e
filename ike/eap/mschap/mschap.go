// Package mschap is the arithmetic of MS-CHAP-V2 (RFC 2759 §8) and of the keys made with it (RFC 3079 §3). It is what
// EAP-MSCHAPv2 and the MSCHAPv2 of TTLS compute; how they carry it is theirs.
//
// MD4, DES and SHA-1 are not chosen here: the protocol is made of them. It is worth what the channel around it is worth.
package mschap

import (
	"crypto/des"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	//lint:ignore SA1019 MD4 is broken, and RFC 2759 is made of it
	"golang.org/x/crypto/md4"

	"github.com/goswan/goswan/crypto/secret"
)

// Sizes in octets.
const (
	HashSize      = 16 // an NT password hash
	ChallengeSize = 16
	ResponseSize  = 24 // an NT-Response
	MSKSize       = 64
)

// Challenge is what either side chose at random.
type Challenge [ChallengeSize]byte

// Response is an NT-Response.
type Response [ResponseSize]byte

// Exchange is the inputs of one authentication. Name is the user's, as sent; what stands before a backslash in it is not hashed.
type Exchange struct {
	Authenticator, Peer Challenge
	Name                string
}

// NTHash is NtPasswordHash (RFC 2759 §8.3) of a password in UTF-8, which MD4 sees in UTF-16LE.
func NTHash(password secret.Bytes) secret.Bytes {
	// As many units as octets is always enough, so that no copy is left behind by growing.
	wide := make(secret.Bytes, 0, 2*len(password))
	defer func() { wide.Wipe() }()
	for b := []byte(password); len(b) > 0; {
		r, n := utf8.DecodeRune(b)
		b = b[n:]
		if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
			wide = binary.LittleEndian.AppendUint16(wide, uint16(high))
			wide = binary.LittleEndian.AppendUint16(wide, uint16(low))
			continue
		}
		wide = binary.LittleEndian.AppendUint16(wide, uint16(r))
	}
	return sumMD4(wide)
}

func sumMD4(b []byte) secret.Bytes {
	h := md4.New()
	h.Write(b)
	return h.Sum(make([]byte, 0, HashSize))
}

// NTResponse is GenerateNTResponse (RFC 2759 §8.1).
func (e Exchange) NTResponse(hash secret.Bytes) Response {
	challenge := e.challengeHash()
	// "Set ZPasswordHash to PasswordHash zero-padded to 21 octets"  RFC 2759 §8.5
	var padded [21]byte
	copy(padded[:], hash)
	defer clear(padded[:])
	var r Response
	for i := range 3 {
		desEncrypt(r[8*i:], challenge[:], padded[7*i:7*i+7])
	}
	return r
}

// challengeHash is ChallengeHash (RFC 2759 §8.2).
func (e Exchange) challengeHash() (challenge [8]byte) {
	h := sha1.New()
	h.Write(e.Peer[:])
	h.Write(e.Authenticator[:])
	h.Write([]byte(WithoutDomain(e.Name)))
	copy(challenge[:], h.Sum(nil))
	return challenge
}

// WithoutDomain is what follows the backslash in `DOMAIN\user`: "only the user name is used, without any associated
// Windows NT domain name"  RFC 2759 §4
func WithoutDomain(name string) string { return name[strings.LastIndexByte(name, '\\')+1:] }

// desEncrypt encrypts one block with a key of 56 bits (RFC 2759 §8.6).
func desEncrypt(dst, src, key7 []byte) {
	var bits uint64
	for _, octet := range key7 {
		bits = bits<<8 | uint64(octet)
	}
	// Seven bits of the key in each octet; the eighth is parity, which DES ignores.
	var key8 [8]byte
	for i := range key8 {
		key8[i] = byte(bits>>(49-7*i)) << 1
	}
	defer clear(key8[:])
	block, err := des.NewCipher(key8[:])
	if err != nil {
		panic(err) // only the length of a key can be wrong
	}
	block.Encrypt(dst[:8], src)
}

// The texts of RFC 2759 §8.7.
const (
	serverSigning  = "Magic server to client signing constant"
	morePadIterate = "Pad to make it do more than one iteration"
)

// AuthenticatorResponse is GenerateAuthenticatorResponse (RFC 2759 §8.7): "S=" and 40 hexadecimal digits.
func (e Exchange) AuthenticatorResponse(hash secret.Bytes, r Response) string {
	hashHash := sumMD4(hash)
	defer hashHash.Wipe()
	h := sha1.New()
	h.Write(hashHash)
	h.Write(r[:])
	h.Write([]byte(serverSigning))
	digest := h.Sum(nil)
	challenge := e.challengeHash()
	h.Reset()
	h.Write(digest)
	h.Write(challenge[:])
	h.Write([]byte(morePadIterate))
	return "S=" + strings.ToUpper(hex.EncodeToString(h.Sum(nil)))
}

// SameAuthenticatorResponse compares what a server sent with what it had to send, in constant time. RFC 2759 §5 has
// upper case digits; not all servers keep to it.
func SameAuthenticatorResponse(got, want string) bool {
	return subtle.ConstantTimeCompare([]byte(strings.ToUpper(got)), []byte(want)) == 1
}

// The texts of RFC 3079 §3.4: which key each is for depends on the side.
const (
	masterKeyText     = "This is the MPPE Master Key"
	clientSendKeyText = "On the client side, this is the send key; on the server side, it is the receive key."
	serverSendKeyText = "On the client side, this is the receive key; on the server side, it is the send key."
)

// MSK is the 64 octets that both ends make of the two MPPE keys of 128 bits: what the client sends with, what the
// server sends with, zeros. RFC 3079 §3.3, draft-kamath-pppext-eap-mschapv2
func MSK(hash secret.Bytes, r Response) secret.Bytes {
	master := masterKey(hash, r)
	defer master.Wipe()
	send, receive := startKey(master, clientSendKeyText), startKey(master, serverSendKeyText)
	defer send.Wipe()
	defer receive.Wipe()
	msk := make(secret.Bytes, MSKSize)
	copy(msk, send)
	copy(msk[16:], receive)
	return msk
}

// masterKey is GetMasterKey (RFC 3079 §3.4).
func masterKey(hash secret.Bytes, r Response) secret.Bytes {
	hashHash := sumMD4(hash)
	defer hashHash.Wipe()
	h := sha1.New()
	h.Write(hashHash)
	h.Write(r[:])
	h.Write([]byte(masterKeyText))
	return h.Sum(nil)[:16]
}

// startKey is GetAsymmetricStartKey (RFC 3079 §3.4) for 128 bits.
func startKey(master secret.Bytes, text string) secret.Bytes {
	var pad1, pad2 [40]byte
	for i := range pad2 {
		pad2[i] = 0xf2
	}
	h := sha1.New()
	h.Write(master)
	h.Write(pad1[:])
	h.Write([]byte(text))
	h.Write(pad2[:])
	return h.Sum(nil)[:16]
}
