package prf

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"

	"github.com/goswan/goswan/crypto/camellia"
	"github.com/goswan/goswan/crypto/cmac"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/status"
)

// Transforms is the table. The order of the rows is the order of the proposal `default`.
//
// Numbers: IANA, "IKEv2 Parameters", Transform Type 2; 1024 and above are private use as strongSwan numbers them. Those of IKEv1:
// IANA, "Internet Key Exchange (IKE) Attributes", Hash Algorithm.
var Transforms = []Transform{
	{ID: 5, IKEv1: 4, Name: "PRF_HMAC_SHA2_256", Keywords: []string{"prfsha256"},
		KeyLen: 32, OutLen: 32, Strength: 128, RFC: "RFC 4868", Status: status.Default, New: newSHA256},
	{ID: 6, IKEv1: 5, Name: "PRF_HMAC_SHA2_384", Keywords: []string{"prfsha384"},
		KeyLen: 48, OutLen: 48, Strength: 192, RFC: "RFC 4868", Status: status.Default, New: newSHA384},
	{ID: 7, IKEv1: 6, Name: "PRF_HMAC_SHA2_512", Keywords: []string{"prfsha512"},
		KeyLen: 64, OutLen: 64, Strength: 256, RFC: "RFC 4868", Status: status.Default, New: newSHA512},

	// Sound too, and usable by name.
	{ID: 4, Name: "PRF_AES128_XCBC", Keywords: []string{"prfaesxcbc"},
		KeyLen: 16, OutLen: 16, FixedKey: true, Strength: 128, RFC: "RFC 4434", Status: status.Default, Named: true, New: newAESXCBC},
	{ID: 8, Name: "PRF_AES128_CMAC", Keywords: []string{"prfaescmac"},
		KeyLen: 16, OutLen: 16, FixedKey: true, Strength: 128, RFC: "RFC 4615", Status: status.Default, Named: true, New: newAESCMAC},
	{ID: 1028, Name: "PRF_CAMELLIA128_XCBC", Keywords: []string{"prfcamelliaxcbc"},
		KeyLen: 16, OutLen: 16, FixedKey: true, Strength: 128, RFC: "draft-kanno-ipsecme-camellia-xcbc", Status: status.Default, Named: true, New: newCamelliaXCBC},

	// For peers that have nothing better.
	{ID: 2, IKEv1: 2, Name: "PRF_HMAC_SHA1", Keywords: []string{"prfsha1"},
		KeyLen: 20, OutLen: 20, Strength: 80, RFC: "RFC 2104", Status: status.Legacy, New: newSHA1,
		Why: "RFC 8247 §2.2 expects it to be withdrawn (MUST-)"},
	{ID: 1, IKEv1: 1, Name: "PRF_HMAC_MD5", Keywords: []string{"prfmd5"},
		KeyLen: 16, OutLen: 16, Strength: 64, RFC: "RFC 2104", Status: status.Legacy, New: newMD5,
		Why: "MD5 is broken; RFC 8247 §2.2: MUST NOT"},

	// Never usable, whoever asks.
	{ID: 3, IKEv1: 3, Name: "PRF_HMAC_TIGER", Status: status.Refused, Why: "never specified; deprecated by RFC 9395"},
	{ID: 9, Name: "PRF_HMAC_STREEBOG_512", RFC: "RFC 9385", Status: status.Refused,
		Why: "its s-box has a structure that its designers did not tell of (IACR ToSC 2019/1)"},
}

// HMAC takes keys of any length; the preferred one is the output length of its hash, RFC 4868 §2.1.2.

func newMD5(key secret.Bytes) hash.Hash    { return hmac.New(md5.New, key) }
func newSHA1(key secret.Bytes) hash.Hash   { return hmac.New(sha1.New, key) }
func newSHA256(key secret.Bytes) hash.Hash { return hmac.New(sha256.New, key) }
func newSHA384(key secret.Bytes) hash.Hash { return hmac.New(sha512.New384, key) }
func newSHA512(key secret.Bytes) hash.Hash { return hmac.New(sha512.New, key) }

// blockKey is the octets of key of the functions made of block ciphers.
const blockKey = 16

func newAESXCBC(key secret.Bytes) hash.Hash      { return newXCBC(newAES, key) }
func newCamelliaXCBC(key secret.Bytes) hash.Hash { return newXCBC(newCamellia, key) }

func newAES(key secret.Bytes) (cipher.Block, error)      { return aes.NewCipher(key) }
func newCamellia(key secret.Bytes) (cipher.Block, error) { return camellia.New(key) }

// newXCBC: "If the key is exactly 128 bits long, use it as-is. If the key has fewer than 128 bits, lengthen it to exactly 128 bits by
// padding it on the right with zero bits. If the key is 129 bits or longer, shorten it to exactly 128 bits by performing the steps in
// AES-XCBC-PRF-128 … [with] 128 zero bits"  RFC 4434 §2
func newXCBC(newCipher cmac.NewCipher, key secret.Bytes) hash.Hash {
	var fixed [blockKey]byte
	defer clear(fixed[:])
	if len(key) > blockKey {
		h := keyed(cmac.NewXCBC(newCipher, fixed[:]))
		h.Write(key)
		h.Sum(fixed[:0])
	} else {
		copy(fixed[:], key)
	}
	return keyed(cmac.NewXCBC(newCipher, fixed[:]))
}

// newAESCMAC: "If VKlen is equal to 16, then K := VK; else K := AES-CMAC(0^128, VK, VKlen)"  RFC 4615 §3
func newAESCMAC(key secret.Bytes) hash.Hash {
	var fixed [blockKey]byte
	defer clear(fixed[:])
	if len(key) == blockKey {
		copy(fixed[:], key)
	} else {
		h := keyed(cmac.New(newAES, fixed[:]))
		h.Write(key)
		h.Sum(fixed[:0])
	}
	return keyed(cmac.New(newAES, fixed[:]))
}

// keyed is h; that a cipher refuses a key of blockKey octets would be a bug.
func keyed(h hash.Hash, err error) hash.Hash {
	if err != nil {
		panic("prf: " + err.Error())
	}
	return h
}
