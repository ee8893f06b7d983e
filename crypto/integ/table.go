package integ

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/status"
)

// Transforms is the table. The order of the rows is the order of the proposal `default`.
//
// Numbers: IANA, "IKEv2 Parameters", Transform Type 3; 1024 and above are private use as strongSwan numbers them.
var Transforms = []Transform{
	{ID: 12, Name: "AUTH_HMAC_SHA2_256_128", Log: "HMAC_SHA2_256_128",
		Keywords: []string{"sha256", "sha2_256"},
		KeyLen:   32, ICVLen: 16, Strength: 128, PRF: 5,
		RFC: "RFC 4868", Status: status.Default, New: newSHA256},
	{ID: 13, Name: "AUTH_HMAC_SHA2_384_192", Log: "HMAC_SHA2_384_192",
		Keywords: []string{"sha384", "sha2_384"},
		KeyLen:   48, ICVLen: 24, Strength: 192, PRF: 6,
		RFC: "RFC 4868", Status: status.Default, New: newSHA384},
	{ID: 14, Name: "AUTH_HMAC_SHA2_512_256", Log: "HMAC_SHA2_512_256",
		Keywords: []string{"sha512", "sha2_512"},
		KeyLen:   64, ICVLen: 32, Strength: 256, PRF: 7,
		RFC: "RFC 4868", Status: status.Default, New: newSHA512},
	{ID: 2, Name: "AUTH_HMAC_SHA1_96", Log: "HMAC_SHA1_96",
		Keywords: []string{"sha1", "sha"},
		KeyLen:   20, ICVLen: 12, Strength: 96, PRF: 2,
		RFC: "RFC 2404", Status: status.Legacy, New: newSHA1,
		Why: "RFC 8247 §2.3 expects it to be withdrawn (MUST-)"},

	// Known by name only: not implemented in this version.
	{ID: 5, Name: "AUTH_AES_XCBC_96", Log: "AES_XCBC_96", PRF: 4,
		Keywords: []string{"aesxcbc"}, RFC: "RFC 3566", Status: status.Unimplemented},
	{ID: 7, Name: "AUTH_HMAC_SHA1_160", Log: "HMAC_SHA1_160", PRF: 2,
		Keywords: []string{"sha1_160"}, RFC: "RFC 4595", Status: status.Unimplemented},
	{ID: 8, Name: "AUTH_AES_CMAC_96", Log: "AES_CMAC_96", PRF: 8,
		Keywords: []string{"aescmac"}, RFC: "RFC 4494", Status: status.Unimplemented},
	{ID: 9, Name: "AUTH_AES_128_GMAC", Log: "AES_128_GMAC", RFC: "RFC 4543", Status: status.Unimplemented},
	{ID: 10, Name: "AUTH_AES_192_GMAC", Log: "AES_192_GMAC", RFC: "RFC 4543", Status: status.Unimplemented},
	{ID: 11, Name: "AUTH_AES_256_GMAC", Log: "AES_256_GMAC", RFC: "RFC 4543", Status: status.Unimplemented},
	{ID: 1026, Name: "AUTH_HMAC_SHA2_256_96", Log: "HMAC_SHA2_256_96", PRF: 5,
		Keywords: []string{"sha256_96", "sha2_256_96"}, Status: status.Unimplemented},
	{ID: 1030, Name: "AUTH_CAMELLIA_XCBC_96", Log: "CAMELLIA_XCBC_96", PRF: 1028,
		Keywords: []string{"camelliaxcbc"}, Status: status.Unimplemented},

	// Never usable, whoever asks.
	{ID: 1, Name: "AUTH_HMAC_MD5_96", Log: "HMAC_MD5_96", PRF: 1,
		Keywords: []string{"md5"}, RFC: "RFC 2403", Status: status.Refused,
		Why: "MD5 is broken; RFC 8247 §2.3 and RFC 8221 §6: MUST NOT"},
	{ID: 3, Name: "AUTH_DES_MAC", Log: "DES_MAC", Status: status.Refused,
		Why: "DES is broken; RFC 8247 §2.3 and RFC 8221 §6: MUST NOT"},
	{ID: 4, Name: "AUTH_KPDK_MD5", Log: "KPDK_MD5", Status: status.Refused,
		Why: "MD5 is broken; RFC 8247 §2.3 and RFC 8221 §6: MUST NOT"},
	{ID: 6, Name: "AUTH_HMAC_MD5_128", Log: "HMAC_MD5_128", PRF: 1,
		Keywords: []string{"md5_128"}, RFC: "RFC 4595", Status: status.Refused,
		Why: "MD5 is broken; deprecated by RFC 9395"},
}

// HMAC of RFC 2104 keeps both pads as ready hash states, so that a packet costs two compressions less.

func newSHA1(key secret.Bytes) hash.Hash   { return hmac.New(sha1.New, key) }
func newSHA256(key secret.Bytes) hash.Hash { return hmac.New(sha256.New, key) }
func newSHA384(key secret.Bytes) hash.Hash { return hmac.New(sha512.New384, key) }
func newSHA512(key secret.Bytes) hash.Hash { return hmac.New(sha512.New, key) }
