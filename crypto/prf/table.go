package prf

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
// Numbers: IANA, "IKEv2 Parameters", Transform Type 2; 1024 and above are private use as strongSwan numbers them.
var Transforms = []Transform{
	{ID: 5, Name: "PRF_HMAC_SHA2_256", Keywords: []string{"prfsha256"},
		KeyLen: 32, OutLen: 32, Strength: 128, RFC: "RFC 4868", Status: status.Default, New: newSHA256},
	{ID: 6, Name: "PRF_HMAC_SHA2_384", Keywords: []string{"prfsha384"},
		KeyLen: 48, OutLen: 48, Strength: 192, RFC: "RFC 4868", Status: status.Default, New: newSHA384},
	{ID: 7, Name: "PRF_HMAC_SHA2_512", Keywords: []string{"prfsha512"},
		KeyLen: 64, OutLen: 64, Strength: 256, RFC: "RFC 4868", Status: status.Default, New: newSHA512},
	{ID: 2, Name: "PRF_HMAC_SHA1", Keywords: []string{"prfsha1"},
		KeyLen: 20, OutLen: 20, Strength: 80, RFC: "RFC 2104", Status: status.Legacy, New: newSHA1,
		Why: "RFC 8247 §2.2 expects it to be withdrawn (MUST-)"},

	// Known by name only: not implemented in this version.
	{ID: 4, Name: "PRF_AES128_XCBC", Keywords: []string{"prfaesxcbc"},
		FixedKey: true, RFC: "RFC 4434", Status: status.Unimplemented},
	{ID: 8, Name: "PRF_AES128_CMAC", Keywords: []string{"prfaescmac"},
		FixedKey: true, RFC: "RFC 4615", Status: status.Unimplemented},
	{ID: 1028, Name: "PRF_CAMELLIA128_XCBC", Keywords: []string{"prfcamelliaxcbc"},
		FixedKey: true, Status: status.Unimplemented},

	// Never usable, whoever asks.
	{ID: 1, Name: "PRF_HMAC_MD5", Keywords: []string{"prfmd5"}, RFC: "RFC 2104", Status: status.Refused,
		Why: "MD5 is broken; RFC 8247 §2.2: MUST NOT"},
	{ID: 3, Name: "PRF_HMAC_TIGER", Status: status.Refused, Why: "never specified; deprecated by RFC 9395"},
}

// HMAC takes keys of any length; the preferred one is the output length of its hash, RFC 4868 §2.1.2.

func newSHA1(key secret.Bytes) hash.Hash   { return hmac.New(sha1.New, key) }
func newSHA256(key secret.Bytes) hash.Hash { return hmac.New(sha256.New, key) }
func newSHA384(key secret.Bytes) hash.Hash { return hmac.New(sha512.New384, key) }
func newSHA512(key secret.Bytes) hash.Hash { return hmac.New(sha512.New, key) }
