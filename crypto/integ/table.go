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
		Keywords: []status.Keyword{{"sha256", 0}, {"sha2_256", 0}},
		KeyLen:   32, ICVLen: 16, Strength: 128, PRF: 5,
		RFC: "RFC 4868", Status: status.Default, New: newSHA256},
	{ID: 13, Name: "AUTH_HMAC_SHA2_384_192", Log: "HMAC_SHA2_384_192",
		Keywords: []status.Keyword{{"sha384", 0}, {"sha2_384", 0}},
		KeyLen:   48, ICVLen: 24, Strength: 192, PRF: 6,
		RFC: "RFC 4868", Status: status.Default, New: newSHA384},
	{ID: 14, Name: "AUTH_HMAC_SHA2_512_256", Log: "HMAC_SHA2_512_256",
		Keywords: []status.Keyword{{"sha512", 0}, {"sha2_512", 0}},
		KeyLen:   64, ICVLen: 32, Strength: 256, PRF: 7,
		RFC: "RFC 4868", Status: status.Default, New: newSHA512},
	{ID: 2, Name: "AUTH_HMAC_SHA1_96", Log: "HMAC_SHA1_96",
		Keywords: []status.Keyword{{"sha1", 0}, {"sha", 0}},
		KeyLen:   20, ICVLen: 12, Strength: 96, PRF: 2,
		RFC: "RFC 2404", Status: status.Legacy, New: newSHA1,
		Why: "RFC 8247 §2.3 expects it to be withdrawn (MUST-)"},

	// Known by name only: not implemented in this version.
	{ID: 5, Name: "AUTH_AES_XCBC_96", Log: "AES_XCBC_96", PRF: 4,
		Keywords: []status.Keyword{{"aesxcbc", 0}}, RFC: "RFC 3566", Status: status.Unimplemented},
	{ID: 7, Name: "AUTH_HMAC_SHA1_160", Log: "HMAC_SHA1_160", PRF: 2,
		Keywords: []status.Keyword{{"sha1_160", 0}}, RFC: "RFC 4595", Status: status.Unimplemented},
	{ID: 8, Name: "AUTH_AES_CMAC_96", Log: "AES_CMAC_96", PRF: 8,
		Keywords: []status.Keyword{{"aescmac", 0}}, RFC: "RFC 4494", Status: status.Unimplemented},
	{ID: 9, Name: "AUTH_AES_128_GMAC", Log: "AES_128_GMAC", RFC: "RFC 4543", Status: status.Unimplemented},
	{ID: 10, Name: "AUTH_AES_192_GMAC", Log: "AES_192_GMAC", RFC: "RFC 4543", Status: status.Unimplemented},
	{ID: 11, Name: "AUTH_AES_256_GMAC", Log: "AES_256_GMAC", RFC: "RFC 4543", Status: status.Unimplemented},
	{ID: 1026, Name: "AUTH_HMAC_SHA2_256_96", Log: "HMAC_SHA2_256_96", PRF: 5,
		Keywords: []status.Keyword{{"sha256_96", 0}, {"sha2_256_96", 0}}, Status: status.Unimplemented},
	{ID: 1030, Name: "AUTH_CAMELLIA_XCBC_96", Log: "CAMELLIA_XCBC_96", PRF: 1028,
		Keywords: []status.Keyword{{"camelliaxcbc", 0}}, Status: status.Unimplemented},

	// Never usable, whoever asks.
	{ID: 1, Name: "AUTH_HMAC_MD5_96", Log: "HMAC_MD5_96", PRF: 1,
		Keywords: []status.Keyword{{"md5", 0}}, RFC: "RFC 2403", Status: status.Refused,
		Why: "MD5 is broken; RFC 8247 §2.3 and RFC 8221 §6: MUST NOT"},
	{ID: 3, Name: "AUTH_DES_MAC", Log: "DES_MAC", Status: status.Refused,
		Why: "DES is broken; RFC 8247 §2.3 and RFC 8221 §6: MUST NOT"},
	{ID: 4, Name: "AUTH_KPDK_MD5", Log: "KPDK_MD5", Status: status.Refused,
		Why: "MD5 is broken; RFC 8247 §2.3 and RFC 8221 §6: MUST NOT"},
	{ID: 6, Name: "AUTH_HMAC_MD5_128", Log: "HMAC_MD5_128", PRF: 1,
		Keywords: []status.Keyword{{"md5_128", 0}}, RFC: "RFC 4595", Status: status.Refused,
		Why: "MD5 is broken; deprecated by RFC 9395"},
}

// HMAC of RFC 2104 keeps both pads as ready hash states, so that a packet costs two compressions less.

func newSHA1(key secret.Bytes) hash.Hash   { return hmac.New(sha1.New, key) }
func newSHA256(key secret.Bytes) hash.Hash { return hmac.New(sha256.New, key) }
func newSHA384(key secret.Bytes) hash.Hash { return hmac.New(sha512.New384, key) }
func newSHA512(key secret.Bytes) hash.Hash { return hmac.New(sha512.New, key) }
