package ke

import "github.com/goswan/goswan/crypto/status"

// Why some rows are legacy.
const (
	whyUnknownPrime = "nobody knows where its prime comes from, nor that it has no trapdoor; RFC 8247 §2.4: "
	why96bits       = "a curve of 192 bits is a security of 96: too little for what is to stay secret for years"
)

// Transforms is the table. The order of the rows is the order of the proposal `default`: elliptic curves first, then
// what has at least 128 bits of security, then the rest.
//
// Numbers: IANA, "IKEv2 Parameters", Transform Type 4; 1024 and above are private use as strongSwan numbers them. IANA,
// "Internet Key Exchange (IKE) Attributes", Group Description.
// The strength of a MODP group is the smaller estimate of RFC 3526 §8; for 1024 bits and the groups of RFC 5114 it is that of
// SP 800-57 Part 1; for 768 bits the work of the logarithm that was computed in 2016. That of ML-KEM is the security of the
// block cipher that FIPS 203 §8 compares it with.
var Transforms = []Transform{
	{ID: 31, Name: "CURVE_25519", Keywords: []string{"x25519", "curve25519"},
		PublicLen: 32, ReplyLen: 32, SharedLen: 32, Strength: 128, RFC: "RFC 8031",
		Status: status.Default, Initiate: initiate(x25519), Respond: respond(x25519)},
	{ID: 19, IKEv1: 19, Name: "ECP_256", Keywords: []string{"ecp256"},
		PublicLen: 64, ReplyLen: 64, SharedLen: 32, Strength: 128, RFC: "RFC 5903",
		Status: status.Default, Initiate: initiate(ecp256), Respond: respond(ecp256)},
	{ID: 20, IKEv1: 20, Name: "ECP_384", Keywords: []string{"ecp384"},
		PublicLen: 96, ReplyLen: 96, SharedLen: 48, Strength: 192, RFC: "RFC 5903",
		Status: status.Default, Initiate: initiate(ecp384), Respond: respond(ecp384)},
	{ID: 21, IKEv1: 21, Name: "ECP_521", Keywords: []string{"ecp521"},
		PublicLen: 132, ReplyLen: 132, SharedLen: 66, Strength: 256, RFC: "RFC 5903",
		Status: status.Default, Initiate: initiate(ecp521), Respond: respond(ecp521)},
	{ID: 15, IKEv1: 15, Name: "MODP_3072", Keywords: []string{"modp3072"},
		PublicLen: 384, ReplyLen: 384, SharedLen: 384, Strength: 130, RFC: "RFC 3526",
		Status: status.Default, Initiate: initiate(modp3072), Respond: respond(modp3072)},
	{ID: 16, IKEv1: 16, Name: "MODP_4096", Keywords: []string{"modp4096"},
		PublicLen: 512, ReplyLen: 512, SharedLen: 512, Strength: 150, RFC: "RFC 3526",
		Status: status.Default, Initiate: initiate(modp4096), Respond: respond(modp4096)},
	{ID: 14, IKEv1: 14, Name: "MODP_2048", Keywords: []string{"modp2048"},
		PublicLen: 256, ReplyLen: 256, SharedLen: 256, Strength: 110, RFC: "RFC 3526",
		Status: status.Default, Initiate: initiate(modp2048), Respond: respond(modp2048)},

	// Sound, and used when they are named.
	{ID: 32, Name: "CURVE_448", Keywords: []string{"x448", "curve448"},
		PublicLen: 56, ReplyLen: 56, SharedLen: 56, Strength: 224, RFC: "RFC 8031",
		Status: status.Default, Named: true, Initiate: initiate(curve448{}), Respond: respond(curve448{})},
	{ID: 28, IKEv1: 28, Name: "ECP_256_BP", Keywords: []string{"ecp256bp"},
		PublicLen: 64, ReplyLen: 64, SharedLen: 32, Strength: 128, RFC: "RFC 6954",
		Status: status.Default, Named: true, Initiate: initiate(brainpool256), Respond: respond(brainpool256)},
	{ID: 29, IKEv1: 29, Name: "ECP_384_BP", Keywords: []string{"ecp384bp"},
		PublicLen: 96, ReplyLen: 96, SharedLen: 48, Strength: 192, RFC: "RFC 6954",
		Status: status.Default, Named: true, Initiate: initiate(brainpool384), Respond: respond(brainpool384)},
	{ID: 30, IKEv1: 30, Name: "ECP_512_BP", Keywords: []string{"ecp512bp"},
		PublicLen: 128, ReplyLen: 128, SharedLen: 64, Strength: 256, RFC: "RFC 6954",
		Status: status.Default, Named: true, Initiate: initiate(brainpool512), Respond: respond(brainpool512)},
	{ID: 26, IKEv1: 26, Name: "ECP_224", Keywords: []string{"ecp224"},
		PublicLen: 56, ReplyLen: 56, SharedLen: 28, Strength: 112, RFC: "RFC 5114",
		Status: status.Default, Named: true, Initiate: initiate(ecp224), Respond: respond(ecp224)},
	{ID: 27, IKEv1: 27, Name: "ECP_224_BP", Keywords: []string{"ecp224bp"},
		PublicLen: 56, ReplyLen: 56, SharedLen: 28, Strength: 112, RFC: "RFC 6954",
		Status: status.Default, Named: true, Initiate: initiate(brainpool224), Respond: respond(brainpool224)},
	{ID: 17, IKEv1: 17, Name: "MODP_6144", Keywords: []string{"modp6144"},
		PublicLen: 768, ReplyLen: 768, SharedLen: 768, Strength: 170, RFC: "RFC 3526",
		Status: status.Default, Named: true, Initiate: initiate(modp6144), Respond: respond(modp6144)},
	{ID: 18, IKEv1: 18, Name: "MODP_8192", Keywords: []string{"modp8192"},
		PublicLen: 1024, ReplyLen: 1024, SharedLen: 1024, Strength: 190, RFC: "RFC 3526",
		Status: status.Default, Named: true, Initiate: initiate(modp8192), Respond: respond(modp8192)},
	// The draft takes them "by itself or as an additional key exchange". As the main one the largest makes of IKE_SA_INIT, which
	// cannot be fragmented by IKE, a datagram that IP fragments.
	{ID: 35, Name: "ML_KEM_512", Keywords: []string{"mlkem512"},
		PublicLen: 800, ReplyLen: 768, SharedLen: 32, Strength: 128, RFC: "draft-ietf-ipsecme-ikev2-mlkem-09",
		Status: status.Default, Named: true, Initiate: kem512.initiate, Respond: kem512.respond},
	{ID: 36, Name: "ML_KEM_768", Keywords: []string{"mlkem768"},
		PublicLen: 1184, ReplyLen: 1088, SharedLen: 32, Strength: 192, RFC: "draft-ietf-ipsecme-ikev2-mlkem-09",
		Status: status.Default, Named: true, Initiate: kem768.initiate, Respond: kem768.respond},
	{ID: 37, Name: "ML_KEM_1024", Keywords: []string{"mlkem1024"},
		PublicLen: 1568, ReplyLen: 1568, SharedLen: 32, Strength: 256, RFC: "draft-ietf-ipsecme-ikev2-mlkem-09",
		Status: status.Default, Named: true, Initiate: kem1024.initiate, Respond: kem1024.respond},

	// For peers that can do nothing better.
	{ID: 5, IKEv1: 5, Name: "MODP_1536", Keywords: []string{"modp1536"},
		PublicLen: 192, ReplyLen: 192, SharedLen: 192, Strength: 90, RFC: "RFC 3526",
		Status: status.Legacy, Initiate: initiate(modp1536), Respond: respond(modp1536),
		Why: "1536 bits are a security of 90: too little for what is to stay secret for years; RFC 8247 §2.4: SHOULD NOT"},
	{ID: 25, IKEv1: 25, Name: "ECP_192", Keywords: []string{"ecp192"},
		PublicLen: 48, ReplyLen: 48, SharedLen: 24, Strength: 96, RFC: "RFC 5114",
		Status: status.Legacy, Initiate: initiate(ecp192), Respond: respond(ecp192), Why: why96bits},
	{ID: 24, IKEv1: 24, Name: "MODP_2048_256", Keywords: []string{"modp2048s256"},
		PublicLen: 256, ReplyLen: 256, SharedLen: 256, Strength: 112, RFC: "RFC 5114",
		Status: status.Legacy, Initiate: initiate(modp2048s256), Respond: respond(modp2048s256),
		Why: whyUnknownPrime + "SHOULD NOT"},
	{ID: 23, IKEv1: 23, Name: "MODP_2048_224", Keywords: []string{"modp2048s224"},
		PublicLen: 256, ReplyLen: 256, SharedLen: 256, Strength: 112, RFC: "RFC 5114",
		Status: status.Legacy, Initiate: initiate(modp2048s224), Respond: respond(modp2048s224),
		Why: whyUnknownPrime + "SHOULD NOT"},
	{ID: 2, IKEv1: 2, Name: "MODP_1024", Keywords: []string{"modp1024"},
		PublicLen: 128, ReplyLen: 128, SharedLen: 128, Strength: 80, RFC: "RFC 7296",
		Status: status.Legacy, Initiate: initiate(modp1024), Respond: respond(modp1024),
		Why: "one computation that a state can pay for opens every exchange of this group; RFC 8247 §2.4: SHOULD NOT"},
	{ID: 22, IKEv1: 22, Name: "MODP_1024_160", Keywords: []string{"modp1024s160"},
		PublicLen: 128, ReplyLen: 128, SharedLen: 128, Strength: 80, RFC: "RFC 5114",
		Status: status.Legacy, Initiate: initiate(modp1024s160), Respond: respond(modp1024s160),
		Why: "1024 bits are within a state's reach, and " + whyUnknownPrime + "MUST NOT"},
	{ID: 1, IKEv1: 1, Name: "MODP_768", Keywords: []string{"modp768"},
		PublicLen: 96, ReplyLen: 96, SharedLen: 96, Strength: 68, RFC: "RFC 7296",
		Status: status.Legacy, Initiate: initiate(modp768), Respond: respond(modp768),
		Why: "it protects nothing: discrete logarithms of 768 bits have been computed, and one such computation opens every exchange of this group; RFC 8247 §2.4: MUST NOT"},

	// Known by name only: not implemented in this version.
	{ID: 33, Name: "GOST3410_256", Keywords: []string{"gost256"}, RFC: "RFC 9385", Status: status.Unimplemented},
	{ID: 34, Name: "GOST3410_512", Keywords: []string{"gost512"}, RFC: "RFC 9385", Status: status.Unimplemented},
	{ID: 1030, Name: "NTRU_112", Keywords: []string{"ntru112"}, Status: status.Unimplemented},
	{ID: 1031, Name: "NTRU_128", Keywords: []string{"ntru128"}, Status: status.Unimplemented},
	{ID: 1032, Name: "NTRU_192", Keywords: []string{"ntru192"}, Status: status.Unimplemented},
	{ID: 1033, Name: "NTRU_256", Keywords: []string{"ntru256"}, Status: status.Unimplemented},

	// Never usable, whoever asks.
	{ID: 1024, Name: "MODP_NULL", Keywords: []string{"modpnull"}, Status: status.Refused,
		Why: "it is no key exchange at all but a load test's dummy"},
}
