package ke

import "github.com/goswan/goswan/crypto/status"

// Transforms is the table. The order of the rows is the order of the proposal `default`: elliptic curves first, then
// what has at least 128 bits of security, then the rest.
//
// Numbers: IANA, "IKEv2 Parameters", Transform Type 4; 1024 and above are private use as strongSwan numbers them.
// The strength of a MODP group is the smaller estimate of RFC 3526 §8.
var Transforms = []Transform{
	{ID: 31, Name: "CURVE_25519", Keywords: []string{"x25519", "curve25519"},
		PublicLen: 32, ReplyLen: 32, SharedLen: 32, Strength: 128, RFC: "RFC 8031",
		Status: status.Default, Initiate: x25519.initiate, Respond: x25519.respond},
	{ID: 19, Name: "ECP_256", Keywords: []string{"ecp256"},
		PublicLen: 64, ReplyLen: 64, SharedLen: 32, Strength: 128, RFC: "RFC 5903",
		Status: status.Default, Initiate: ecp256.initiate, Respond: ecp256.respond},
	{ID: 20, Name: "ECP_384", Keywords: []string{"ecp384"},
		PublicLen: 96, ReplyLen: 96, SharedLen: 48, Strength: 192, RFC: "RFC 5903",
		Status: status.Default, Initiate: ecp384.initiate, Respond: ecp384.respond},
	{ID: 21, Name: "ECP_521", Keywords: []string{"ecp521"},
		PublicLen: 132, ReplyLen: 132, SharedLen: 66, Strength: 256, RFC: "RFC 5903",
		Status: status.Default, Initiate: ecp521.initiate, Respond: ecp521.respond},
	{ID: 15, Name: "MODP_3072", Keywords: []string{"modp3072"},
		PublicLen: 384, ReplyLen: 384, SharedLen: 384, Strength: 130, RFC: "RFC 3526",
		Status: status.Default, Initiate: modp3072.initiate, Respond: modp3072.respond},
	{ID: 16, Name: "MODP_4096", Keywords: []string{"modp4096"},
		PublicLen: 512, ReplyLen: 512, SharedLen: 512, Strength: 150, RFC: "RFC 3526",
		Status: status.Default, Initiate: modp4096.initiate, Respond: modp4096.respond},
	{ID: 14, Name: "MODP_2048", Keywords: []string{"modp2048"},
		PublicLen: 256, ReplyLen: 256, SharedLen: 256, Strength: 110, RFC: "RFC 3526",
		Status: status.Default, Initiate: modp2048.initiate, Respond: modp2048.respond},

	// Known by name only: not implemented in this version.
	{ID: 2, Name: "MODP_1024", Keywords: []string{"modp1024"}, RFC: "RFC 7296", Status: status.Unimplemented},
	{ID: 5, Name: "MODP_1536", Keywords: []string{"modp1536"}, RFC: "RFC 3526", Status: status.Unimplemented},
	{ID: 17, Name: "MODP_6144", Keywords: []string{"modp6144"}, RFC: "RFC 3526", Status: status.Unimplemented},
	{ID: 18, Name: "MODP_8192", Keywords: []string{"modp8192"}, RFC: "RFC 3526", Status: status.Unimplemented},
	{ID: 23, Name: "MODP_2048_224", Keywords: []string{"modp2048s224"}, RFC: "RFC 5114", Status: status.Unimplemented},
	{ID: 24, Name: "MODP_2048_256", Keywords: []string{"modp2048s256"}, RFC: "RFC 5114", Status: status.Unimplemented},
	{ID: 25, Name: "ECP_192", Keywords: []string{"ecp192"}, RFC: "RFC 5114", Status: status.Unimplemented},
	{ID: 26, Name: "ECP_224", Keywords: []string{"ecp224"}, RFC: "RFC 5114", Status: status.Unimplemented},
	{ID: 27, Name: "ECP_224_BP", Keywords: []string{"ecp224bp"}, RFC: "RFC 6954", Status: status.Unimplemented},
	{ID: 28, Name: "ECP_256_BP", Keywords: []string{"ecp256bp"}, RFC: "RFC 6954", Status: status.Unimplemented},
	{ID: 29, Name: "ECP_384_BP", Keywords: []string{"ecp384bp"}, RFC: "RFC 6954", Status: status.Unimplemented},
	{ID: 30, Name: "ECP_512_BP", Keywords: []string{"ecp512bp"}, RFC: "RFC 6954", Status: status.Unimplemented},
	{ID: 32, Name: "CURVE_448", Keywords: []string{"x448", "curve448"}, RFC: "RFC 8031", Status: status.Unimplemented},
	{ID: 33, Name: "GOST3410_256", Keywords: []string{"gost256"}, RFC: "RFC 9385", Status: status.Unimplemented},
	{ID: 34, Name: "GOST3410_512", Keywords: []string{"gost512"}, RFC: "RFC 9385", Status: status.Unimplemented},
	{ID: 35, Name: "ML_KEM_512", Keywords: []string{"mlkem512"}, Status: status.Unimplemented},
	{ID: 36, Name: "ML_KEM_768", Keywords: []string{"mlkem768"}, Status: status.Unimplemented},
	{ID: 37, Name: "ML_KEM_1024", Keywords: []string{"mlkem1024"}, Status: status.Unimplemented},
	{ID: 1030, Name: "NTRU_112", Keywords: []string{"ntru112"}, Status: status.Unimplemented},
	{ID: 1031, Name: "NTRU_128", Keywords: []string{"ntru128"}, Status: status.Unimplemented},
	{ID: 1032, Name: "NTRU_192", Keywords: []string{"ntru192"}, Status: status.Unimplemented},
	{ID: 1033, Name: "NTRU_256", Keywords: []string{"ntru256"}, Status: status.Unimplemented},

	// Never usable, whoever asks.
	{ID: 1, Name: "MODP_768", Keywords: []string{"modp768"}, RFC: "RFC 7296", Status: status.Refused,
		Why: "discrete logarithms of 768 bits have been computed; RFC 8247 §2.4: MUST NOT"},
	{ID: 22, Name: "MODP_1024_160", Keywords: []string{"modp1024s160"}, RFC: "RFC 5114", Status: status.Refused,
		Why: "1024 bits are within reach and nobody knows where its prime comes from; RFC 8247 §2.4: MUST NOT"},
	{ID: 1024, Name: "MODP_NULL", Keywords: []string{"modpnull"}, Status: status.Refused,
		Why: "it is no key exchange at all but a load test's dummy"},
}
