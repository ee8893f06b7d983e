package encr

import "github.com/goswan/goswan/crypto/status"

// aesBits are the key lengths of AES and Camellia.
var aesBits = []uint16{128, 192, 256}

// Why several rows are refused.
const (
	desWhy     = "a key of 56 bits is searched in hours; RFC 8247 §2.1 and RFC 8221 §5: MUST NOT"
	block64Why = "its blocks of 64 bits leak plaintext after some gigabytes; deprecated by RFC 9395"
	gostWhy    = "its s-box has a structure that its designers did not tell of (IACR ToSC 2019/1)"
	privateWhy = "never specified for IPsec: the number is strongSwan's own"
)

// Transforms is the table. The order of the rows is the order of the proposal `default`.
//
// Numbers: IANA, "IKEv2 Parameters", Transform Type 1; 1024 and above are private use as strongSwan numbers them. Those of IKEv1:
// IANA, "Internet Key Exchange (IKE) Attributes", Encryption Algorithm, and "Magic Numbers for ISAKMP Protocol", IPSEC ESP
// Transform Identifiers.
var Transforms = []Transform{
	{ID: 12, IKEv1: 7, DOI: 12, Name: "ENCR_AES_CBC", Log: "AES_CBC",
		Keywords: []Keyword{{"aes128", 128}, {"aes", 128}, {"aes192", 192}, {"aes256", 256}},
		KeyBits:  aesBits, IVLen: 16, Block: 16, RandomIV: true,
		RFC: "RFC 3602", Status: status.Default, NewMode: newAESCBC},
	{ID: 20, DOI: 20, Name: "ENCR_AES_GCM_16", Log: "AES_GCM_16",
		Keywords: []Keyword{
			{"aes128gcm16", 128}, {"aes128gcm128", 128}, {"aes128gcm", 128},
			{"aes192gcm16", 192}, {"aes192gcm128", 192}, {"aes192gcm", 192},
			{"aes256gcm16", 256}, {"aes256gcm128", 256}, {"aes256gcm", 256},
		},
		KeyBits: aesBits, SaltLen: 4, IVLen: 8, ICVLen: 16, Block: 1, AEAD: true,
		RFC: "RFC 4106, RFC 5282", Status: status.Default, NewAEAD: newAESGCM(16)},
	{ID: 28, Name: "ENCR_CHACHA20_POLY1305", Log: "CHACHA20_POLY1305",
		Keywords: []Keyword{{"chacha20poly1305", 0}, {"chacha20poly1305compat", 256}},
		FixedKey: 32, SaltLen: 4, IVLen: 8, ICVLen: 16, Block: 1, AEAD: true, Strength: 256,
		RFC: "RFC 7634", Status: status.Default, NewAEAD: newChaCha20Poly1305},

	// Sound too, and usable by name: `default` has AES in the modes that every peer has.
	{ID: 13, DOI: 13, Name: "ENCR_AES_CTR", Log: "AES_CTR",
		Keywords: []Keyword{{"aes128ctr", 128}, {"aes192ctr", 192}, {"aes256ctr", 256}},
		KeyBits:  aesBits, SaltLen: 4, IVLen: 8, Block: 1,
		RFC: "RFC 3686, RFC 5930", Status: status.Default, Named: true, NewMode: newAESCTR},
	{ID: 14, DOI: 14, Name: "ENCR_AES_CCM_8", Log: "AES_CCM_8",
		Keywords: []Keyword{
			{"aes128ccm8", 128}, {"aes128ccm64", 128},
			{"aes192ccm8", 192}, {"aes192ccm64", 192},
			{"aes256ccm8", 256}, {"aes256ccm64", 256},
		},
		KeyBits: aesBits, SaltLen: 3, IVLen: 8, ICVLen: 8, Block: 1, AEAD: true,
		RFC: "RFC 4309, RFC 5282", Status: status.Default, Named: true, NewAEAD: newAESCCM(8)},
	{ID: 15, DOI: 15, Name: "ENCR_AES_CCM_12", Log: "AES_CCM_12",
		Keywords: []Keyword{
			{"aes128ccm12", 128}, {"aes128ccm96", 128},
			{"aes192ccm12", 192}, {"aes192ccm96", 192},
			{"aes256ccm12", 256}, {"aes256ccm96", 256},
		},
		KeyBits: aesBits, SaltLen: 3, IVLen: 8, ICVLen: 12, Block: 1, AEAD: true,
		RFC: "RFC 4309, RFC 5282", Status: status.Default, Named: true, NewAEAD: newAESCCM(12)},
	{ID: 16, DOI: 16, Name: "ENCR_AES_CCM_16", Log: "AES_CCM_16",
		Keywords: []Keyword{
			{"aes128ccm16", 128}, {"aes128ccm128", 128}, {"aes128ccm", 128},
			{"aes192ccm16", 192}, {"aes192ccm128", 192}, {"aes192ccm", 192},
			{"aes256ccm16", 256}, {"aes256ccm128", 256}, {"aes256ccm", 256},
		},
		KeyBits: aesBits, SaltLen: 3, IVLen: 8, ICVLen: 16, Block: 1, AEAD: true,
		RFC: "RFC 4309, RFC 5282", Status: status.Default, Named: true, NewAEAD: newAESCCM(16)},
	{ID: 19, DOI: 19, Name: "ENCR_AES_GCM_12", Log: "AES_GCM_12",
		Keywords: []Keyword{
			{"aes128gcm12", 128}, {"aes128gcm96", 128},
			{"aes192gcm12", 192}, {"aes192gcm96", 192},
			{"aes256gcm12", 256}, {"aes256gcm96", 256},
		},
		KeyBits: aesBits, SaltLen: 4, IVLen: 8, ICVLen: 12, Block: 1, AEAD: true,
		RFC: "RFC 4106, RFC 5282", Status: status.Default, Named: true, NewAEAD: newAESGCM(12)},
	{ID: 23, IKEv1: 8, DOI: 22, Name: "ENCR_CAMELLIA_CBC", Log: "CAMELLIA_CBC",
		Keywords: []Keyword{{"camellia128", 128}, {"camellia", 128}, {"camellia192", 192}, {"camellia256", 256}},
		KeyBits:  aesBits, IVLen: 16, Block: 16, RandomIV: true,
		RFC: "RFC 4312, RFC 5529", Status: status.Default, Named: true, NewMode: newCamelliaCBC},
	{ID: 24, Name: "ENCR_CAMELLIA_CTR", Log: "CAMELLIA_CTR",
		Keywords: []Keyword{{"camellia128ctr", 128}, {"camellia192ctr", 192}, {"camellia256ctr", 256}},
		KeyBits:  aesBits, SaltLen: 4, IVLen: 8, Block: 1,
		RFC: "RFC 5529", Status: status.Default, Named: true, NewMode: newCamelliaCTR},
	{ID: 25, Name: "ENCR_CAMELLIA_CCM_8", Log: "CAMELLIA_CCM_8",
		Keywords: []Keyword{
			{"camellia128ccm8", 128}, {"camellia128ccm64", 128},
			{"camellia192ccm8", 192}, {"camellia192ccm64", 192},
			{"camellia256ccm8", 256}, {"camellia256ccm64", 256},
		},
		KeyBits: aesBits, SaltLen: 3, IVLen: 8, ICVLen: 8, Block: 1, AEAD: true,
		RFC: "RFC 5529", Status: status.Default, Named: true, NewAEAD: newCamelliaCCM(8)},
	{ID: 26, Name: "ENCR_CAMELLIA_CCM_12", Log: "CAMELLIA_CCM_12",
		Keywords: []Keyword{
			{"camellia128ccm12", 128}, {"camellia128ccm96", 128},
			{"camellia192ccm12", 192}, {"camellia192ccm96", 192},
			{"camellia256ccm12", 256}, {"camellia256ccm96", 256},
		},
		KeyBits: aesBits, SaltLen: 3, IVLen: 8, ICVLen: 12, Block: 1, AEAD: true,
		RFC: "RFC 5529", Status: status.Default, Named: true, NewAEAD: newCamelliaCCM(12)},
	{ID: 27, Name: "ENCR_CAMELLIA_CCM_16", Log: "CAMELLIA_CCM_16",
		Keywords: []Keyword{
			{"camellia128ccm16", 128}, {"camellia128ccm128", 128},
			{"camellia192ccm16", 192}, {"camellia192ccm128", 192},
			{"camellia256ccm16", 256}, {"camellia256ccm128", 256},
		},
		KeyBits: aesBits, SaltLen: 3, IVLen: 8, ICVLen: 16, Block: 1, AEAD: true,
		RFC: "RFC 5529", Status: status.Default, Named: true, NewAEAD: newCamelliaCCM(16)},

	// The IV is the sequence number. strongSwan has no words for these; ours say what they are.
	{ID: 29, Name: "ENCR_AES_CCM_8_IIV", Log: "AES_CCM_8_IIV",
		Keywords: []Keyword{{"aes128ccm8iiv", 128}, {"aes192ccm8iiv", 192}, {"aes256ccm8iiv", 256}},
		KeyBits:  aesBits, SaltLen: 3, ICVLen: 8, Block: 1, AEAD: true, Implicit: true, ESPOnly: true,
		RFC: "RFC 8750", Status: status.Default, Named: true, NewAEAD: newAESCCM(8)},
	{ID: 30, Name: "ENCR_AES_GCM_16_IIV", Log: "AES_GCM_16_IIV",
		Keywords: []Keyword{{"aes128gcm16iiv", 128}, {"aes192gcm16iiv", 192}, {"aes256gcm16iiv", 256}},
		KeyBits:  aesBits, SaltLen: 4, ICVLen: 16, Block: 1, AEAD: true, Implicit: true, ESPOnly: true,
		RFC: "RFC 8750", Status: status.Default, Named: true, NewAEAD: newAESGCM(16)},
	{ID: 31, Name: "ENCR_CHACHA20_POLY1305_IIV", Log: "CHACHA20_POLY1305_IIV",
		Keywords: []Keyword{{"chacha20poly1305iiv", 0}},
		FixedKey: 32, SaltLen: 4, ICVLen: 16, Block: 1, AEAD: true, Implicit: true, ESPOnly: true, Strength: 256,
		RFC: "RFC 8750", Status: status.Default, Named: true, NewAEAD: newChaCha20Poly1305},

	// For peers that have nothing better, and for those who want no encryption.
	{ID: 18, DOI: 18, Name: "ENCR_AES_GCM_8", Log: "AES_GCM_8",
		Keywords: []Keyword{
			{"aes128gcm8", 128}, {"aes128gcm64", 128},
			{"aes192gcm8", 192}, {"aes192gcm64", 192},
			{"aes256gcm8", 256}, {"aes256gcm64", 256},
		},
		KeyBits: aesBits, SaltLen: 4, IVLen: 8, ICVLen: 8, Block: 1, AEAD: true,
		RFC: "RFC 4106, RFC 5282", Status: status.Legacy, NewAEAD: newAESGCM(8),
		Why: "each forged packet makes the next forgery of an ICV of 64 bits easier (NIST SP 800-38D appendix C)"},
	{ID: 3, IKEv1: 5, DOI: 3, Name: "ENCR_3DES", Log: "3DES_CBC",
		Keywords: []Keyword{{"3des", 0}},
		FixedKey: 24, IVLen: 8, Block: 8, RandomIV: true, Strength: 112,
		RFC: "RFC 2451", Status: status.Legacy, NewMode: newTripleDES,
		Why: "its blocks of 64 bits leak plaintext after some gigabytes; RFC 8221 §5: SHOULD NOT"},
	{ID: 11, DOI: 11, Name: "ENCR_NULL", Log: "NULL",
		Keywords: []Keyword{{"null", 0}},
		Block:    1, ESPOnly: true,
		RFC: "RFC 2410", Status: status.Legacy, NewMode: newNull,
		Why: "it encrypts nothing: whoever sees the packets reads them"},
	{ID: 21, DOI: 23, Name: "ENCR_NULL_AUTH_AES_GMAC", Log: "NULL_AES_GMAC",
		Keywords: []Keyword{{"aes128gmac", 128}, {"aes192gmac", 192}, {"aes256gmac", 256}},
		KeyBits:  aesBits, SaltLen: 4, IVLen: 8, ICVLen: 16, Block: 1, AEAD: true, ESPOnly: true,
		RFC: "RFC 4543", Status: status.Legacy, NewAEAD: newGMAC,
		Why: "it encrypts nothing: whoever sees the packets reads them"},
	// Never usable, whoever asks.
	{ID: 1, DOI: 1, Name: "ENCR_DES_IV64", Log: "DES_IV64",
		RFC: "RFC 1827", Status: status.Refused, Why: desWhy},
	{ID: 2, IKEv1: 1, DOI: 2, Name: "ENCR_DES", Log: "DES_CBC",
		Keywords: []Keyword{{"des", 0}},
		RFC:      "RFC 2405", Status: status.Refused, Why: desWhy},
	{ID: 4, IKEv1: 4, DOI: 4, Name: "ENCR_RC5", Log: "RC5_CBC",
		RFC: "RFC 2451", Status: status.Refused, Why: block64Why},
	{ID: 5, IKEv1: 2, DOI: 5, Name: "ENCR_IDEA", Log: "IDEA_CBC",
		RFC: "RFC 2451", Status: status.Refused, Why: block64Why},
	{ID: 6, IKEv1: 6, DOI: 6, Name: "ENCR_CAST", Log: "CAST_CBC",
		Keywords: []Keyword{{"cast128", 128}},
		RFC:      "RFC 2451", Status: status.Refused, Why: block64Why},
	{ID: 7, IKEv1: 3, DOI: 7, Name: "ENCR_BLOWFISH", Log: "BLOWFISH_CBC",
		Keywords: []Keyword{{"blowfish128", 128}, {"blowfish", 128}, {"blowfish192", 192}, {"blowfish256", 256}},
		RFC:      "RFC 2451", Status: status.Refused, Why: block64Why},
	{ID: 8, DOI: 8, Name: "ENCR_3IDEA", Log: "3IDEA",
		Status: status.Refused, Why: "never specified; deprecated by RFC 9395"},
	{ID: 9, DOI: 9, Name: "ENCR_DES_IV32", Log: "DES_IV32",
		Status: status.Refused, Why: desWhy},
	{ID: 32, Name: "ENCR_KUZNYECHIK_MGM_KTREE", Log: "KUZNYECHIK_MGM_KTREE", AEAD: true,
		RFC: "RFC 9227", Status: status.Refused, Why: gostWhy},
	{ID: 33, Name: "ENCR_MAGMA_MGM_KTREE", Log: "MAGMA_MGM_KTREE", AEAD: true,
		RFC: "RFC 9227", Status: status.Refused, Why: "its blocks are of 64 bits, as those of the ciphers that RFC 9395 deprecates"},
	{ID: 34, Name: "ENCR_KUZNYECHIK_MGM_MAC_KTREE", Log: "KUZNYECHIK_MGM_MAC_KTREE", AEAD: true,
		RFC: "RFC 9227", Status: status.Refused, Why: gostWhy},
	{ID: 35, Name: "ENCR_MAGMA_MGM_MAC_KTREE", Log: "MAGMA_MGM_MAC_KTREE", AEAD: true,
		RFC: "RFC 9227", Status: status.Refused, Why: "its blocks are of 64 bits, as those of the ciphers that RFC 9395 deprecates"},
	{ID: 1026, Name: "ENCR_SERPENT_CBC", Log: "SERPENT_CBC",
		Keywords: []Keyword{{"serpent128", 128}, {"serpent", 128}, {"serpent192", 192}, {"serpent256", 256}},
		Status:   status.Refused, Why: privateWhy},
	{ID: 1027, Name: "ENCR_TWOFISH_CBC", Log: "TWOFISH_CBC",
		Keywords: []Keyword{{"twofish128", 128}, {"twofish", 128}, {"twofish192", 192}, {"twofish256", 256}},
		Status:   status.Refused, Why: privateWhy},
}
