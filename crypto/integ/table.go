package integ

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

// Why several rows are what they are.
const (
	md5Why  = "MD5 is broken; RFC 8247 §2.3 and RFC 8221 §6: MUST NOT"
	sha1Why = "RFC 8247 §2.3 expects it to be withdrawn (MUST-)"
	desWhy  = "DES is broken; RFC 8247 §2.3 and RFC 8221 §6: MUST NOT"
)

// Transforms is the table. The order of the rows is the order of the proposal `default`.
//
// Numbers: IANA, "IKEv2 Parameters", Transform Type 3; 1024 and above are private use as strongSwan numbers them. Those of IKEv1:
// IANA, "Internet Key Exchange (IKE) Attributes", Hash Algorithm, and "Magic Numbers for ISAKMP Protocol", Authentication Algorithm
// and IPSEC AH Transform Identifiers.
var Transforms = []Transform{
	{ID: 12, IKEv1: 4, DOI: 5, AH: 5, Name: "AUTH_HMAC_SHA2_256_128", Log: "HMAC_SHA2_256_128",
		Keywords: []string{"sha256", "sha2_256"},
		KeyLen:   32, ICVLen: 16, Strength: 128, PRF: 5,
		RFC: "RFC 4868", Status: status.Default, New: newSHA256},
	{ID: 13, IKEv1: 5, DOI: 6, AH: 6, Name: "AUTH_HMAC_SHA2_384_192", Log: "HMAC_SHA2_384_192",
		Keywords: []string{"sha384", "sha2_384"},
		KeyLen:   48, ICVLen: 24, Strength: 192, PRF: 6,
		RFC: "RFC 4868", Status: status.Default, New: newSHA384},
	{ID: 14, IKEv1: 6, DOI: 7, AH: 7, Name: "AUTH_HMAC_SHA2_512_256", Log: "HMAC_SHA2_512_256",
		Keywords: []string{"sha512", "sha2_512"},
		KeyLen:   64, ICVLen: 32, Strength: 256, PRF: 7,
		RFC: "RFC 4868", Status: status.Default, New: newSHA512},

	// Sound too, and usable by name.
	{ID: 5, DOI: 9, AH: 9, Name: "AUTH_AES_XCBC_96", Log: "AES_XCBC_96",
		Keywords: []string{"aesxcbc"},
		KeyLen:   16, ICVLen: 12, Strength: 96, PRF: 4,
		RFC: "RFC 3566", Status: status.Default, Named: true, New: newAESXCBC},
	{ID: 8, Name: "AUTH_AES_CMAC_96", Log: "AES_CMAC_96",
		Keywords: []string{"aescmac"},
		KeyLen:   16, ICVLen: 12, Strength: 96, PRF: 8,
		RFC: "RFC 4494", Status: status.Default, Named: true, New: newAESCMAC},
	{ID: 1030, Name: "AUTH_CAMELLIA_XCBC_96", Log: "CAMELLIA_XCBC_96",
		Keywords: []string{"camelliaxcbc"},
		KeyLen:   16, ICVLen: 12, Strength: 96, PRF: 1028,
		RFC: "draft-kanno-ipsecme-camellia-xcbc", Status: status.Default, Named: true, New: newCamelliaXCBC},

	// For peers that have nothing better.
	{ID: 2, IKEv1: 2, DOI: 2, AH: 3, Name: "AUTH_HMAC_SHA1_96", Log: "HMAC_SHA1_96",
		Keywords: []string{"sha1", "sha"},
		KeyLen:   20, ICVLen: 12, Strength: 96, PRF: 2,
		RFC: "RFC 2404", Status: status.Legacy, New: newSHA1, Why: sha1Why},
	{ID: 7, Name: "AUTH_HMAC_SHA1_160", Log: "HMAC_SHA1_160",
		Keywords: []string{"sha1_160"},
		KeyLen:   20, ICVLen: 20, Strength: 128, PRF: 2,
		RFC: "RFC 4595", Status: status.Legacy, New: newSHA1,
		Why: "it is SHA-1, which RFC 8247 §2.3 expects to be withdrawn, and was made for Fibre Channel"},
	{ID: 1026, Name: "AUTH_HMAC_SHA2_256_96", Log: "HMAC_SHA2_256_96",
		Keywords: []string{"sha256_96", "sha2_256_96"},
		KeyLen:   32, ICVLen: 12, Strength: 96, PRF: 5,
		RFC: "draft-ietf-ipsec-ciph-sha-256-00", Status: status.Legacy, New: newSHA256,
		Why: "RFC 4868 has an ICV of 128 bits; 96 are for kernels that took the draft before it"},
	{ID: 1, IKEv1: 1, DOI: 1, AH: 2, Name: "AUTH_HMAC_MD5_96", Log: "HMAC_MD5_96",
		Keywords: []string{"md5"},
		KeyLen:   16, ICVLen: 12, Strength: 64, PRF: 1,
		RFC: "RFC 2403", Status: status.Legacy, New: newMD5, Why: md5Why},
	{ID: 6, Name: "AUTH_HMAC_MD5_128", Log: "HMAC_MD5_128",
		Keywords: []string{"md5_128"},
		KeyLen:   16, ICVLen: 16, Strength: 64, PRF: 1,
		RFC: "RFC 4595", Status: status.Legacy, New: newMD5,
		Why: "MD5 is broken; deprecated by RFC 9395"},

	// Known by name only: they are for AH, and of ESP the row is ENCR_NULL_AUTH_AES_GMAC.
	{ID: 9, DOI: 11, AH: 11, Name: "AUTH_AES_128_GMAC", Log: "AES_128_GMAC", RFC: "RFC 4543", Status: status.Unimplemented},
	{ID: 10, DOI: 12, AH: 12, Name: "AUTH_AES_192_GMAC", Log: "AES_192_GMAC", RFC: "RFC 4543", Status: status.Unimplemented},
	{ID: 11, DOI: 13, AH: 13, Name: "AUTH_AES_256_GMAC", Log: "AES_256_GMAC", RFC: "RFC 4543", Status: status.Unimplemented},

	// Never usable, whoever asks.
	{ID: 3, DOI: 3, AH: 4, Name: "AUTH_DES_MAC", Log: "DES_MAC", Status: status.Refused, Why: desWhy},
	{ID: 4, DOI: 4, Name: "AUTH_KPDK_MD5", Log: "KPDK_MD5", Status: status.Refused, Why: md5Why},
}

// HMAC of RFC 2104 keeps both pads as ready hash states, so that a packet costs two compressions less.

func newMD5(key secret.Bytes) hash.Hash    { return hmac.New(md5.New, key) }
func newSHA1(key secret.Bytes) hash.Hash   { return hmac.New(sha1.New, key) }
func newSHA256(key secret.Bytes) hash.Hash { return hmac.New(sha256.New, key) }
func newSHA384(key secret.Bytes) hash.Hash { return hmac.New(sha512.New384, key) }
func newSHA512(key secret.Bytes) hash.Hash { return hmac.New(sha512.New, key) }

// The codes of block ciphers take keys of KeyLen octets, as every key that is asked of this table has.

func newAESXCBC(key secret.Bytes) hash.Hash      { return keyed(cmac.NewXCBC(newAES, key)) }
func newAESCMAC(key secret.Bytes) hash.Hash      { return keyed(cmac.New(newAES, key)) }
func newCamelliaXCBC(key secret.Bytes) hash.Hash { return keyed(cmac.NewXCBC(newCamellia, key)) }

func newAES(key secret.Bytes) (cipher.Block, error)      { return aes.NewCipher(key) }
func newCamellia(key secret.Bytes) (cipher.Block, error) { return camellia.New(key) }

func keyed(h hash.Hash, err error) hash.Hash {
	if err != nil {
		panic("integ: a key of another length than the row's: " + err.Error())
	}
	return h
}
