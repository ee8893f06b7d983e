package sig

import (
	"crypto"
	"crypto/elliptic"
	_ "crypto/sha1" // the hashes of the rows
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/hex"

	"github.com/goswan/goswan/crypto/status"
)

// hashAlgorithm is a row of IANA's "IKEv2 Hash Algorithms".
type hashAlgorithm struct {
	id       uint16
	name     string // as strongSwan logs it
	keyword  string // in the setting `auth`
	hash     crypto.Hash
	oid      []byte // the OBJECT IDENTIFIER, DER; nil for none
	strength int    // bits of security against collisions
}

// hashes are the hash algorithms that rows have.
var hashes = []hashAlgorithm{
	{id: 1, name: "SHA1", keyword: "sha1", hash: crypto.SHA1, oid: der("06052b0e03021a"), strength: 63},
	{id: 2, name: "SHA2_256", keyword: "sha256", hash: crypto.SHA256, oid: der("0609608648016503040201"), strength: 128},
	{id: 3, name: "SHA2_384", keyword: "sha384", hash: crypto.SHA384, oid: der("0609608648016503040202"), strength: 192},
	{id: 4, name: "SHA2_512", keyword: "sha512", hash: crypto.SHA512, oid: der("0609608648016503040203"), strength: 256},
	{id: 5, name: "IDENTITY", keyword: "identity"},
}

// whySHA1 is the reason against every row with SHA-1.
const whySHA1 = "collisions of SHA-1 can be bought; RFC 8247 §3: MUST NOT"

// Schemes is the table. Where rows differ in nothing but the order, it is the order of preference.
//
// Numbers: IANA, "IKEv2 Parameters", IKEv2 Authentication Method and IKEv2 Hash Algorithms; "IPSEC Authentication
// Methods" for IKEv1. AlgorithmIdentifiers: RFC 7427 Appendix A; those of EdDSA: RFC 8420 Appendix A.
//
// RSASSA-PKCS1-v1_5 stands before RSASSA-PSS because every peer of RFC 7427 knows it: strongSwan, unless told otherwise,
// neither makes PSS signatures nor takes them where its configuration names hashes.
var Schemes = []Scheme{
	{Name: "RSA_EMSA_PKCS1_SHA2_256", Keyword: "rsa-sha256", Key: RSA, Method: 1, ID: der("300d06092a864886f70d01010b0500"),
		HashID: 2, Hash: crypto.SHA256, Strength: 128, RFC: "RFC 7427", Status: status.Default, sign: signPKCS1, verify: verifyPKCS1},
	{Name: "RSA_EMSA_PKCS1_SHA2_384", Keyword: "rsa-sha384", Key: RSA, Method: 1, ID: der("300d06092a864886f70d01010c0500"),
		HashID: 3, Hash: crypto.SHA384, Strength: 192, RFC: "RFC 7427", Status: status.Default, sign: signPKCS1, verify: verifyPKCS1},
	{Name: "RSA_EMSA_PKCS1_SHA2_512", Keyword: "rsa-sha512", Key: RSA, Method: 1, ID: der("300d06092a864886f70d01010d0500"),
		HashID: 4, Hash: crypto.SHA512, Strength: 256, RFC: "RFC 7427", Status: status.Default, sign: signPKCS1, verify: verifyPKCS1},
	{Name: "RSA_EMSA_PKCS1_SHA1", Keyword: "rsa-sha1", Key: RSA, Method: 1, ID: der("300d06092a864886f70d0101050500"),
		HashID: 1, Hash: crypto.SHA1, Strength: 63, RFC: "RFC 7296", Status: status.Legacy, Why: whySHA1, sign: signPKCS1, verify: verifyPKCS1},

	{Name: "RSA_EMSA_PSS_SHA2_256", Keyword: "rsa/pss-sha256", Key: RSA,
		ID: der("304106092a864886f70d01010a3034a00f300d06096086480165030402010500" +
			"a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120"),
		HashID: 2, Hash: crypto.SHA256, SaltLen: 32, Strength: 128, RFC: "RFC 7427", Status: status.Default, sign: signPSS, verify: verifyPSS},
	{Name: "RSA_EMSA_PSS_SHA2_384", Keyword: "rsa/pss-sha384", Key: RSA,
		ID: der("304106092a864886f70d01010a3034a00f300d06096086480165030402020500" +
			"a11c301a06092a864886f70d010108300d06096086480165030402020500a203020130"),
		HashID: 3, Hash: crypto.SHA384, SaltLen: 48, Strength: 192, RFC: "RFC 7427", Status: status.Default, sign: signPSS, verify: verifyPSS},
	{Name: "RSA_EMSA_PSS_SHA2_512", Keyword: "rsa/pss-sha512", Key: RSA,
		ID: der("304106092a864886f70d01010a3034a00f300d06096086480165030402030500" +
			"a11c301a06092a864886f70d010108300d06096086480165030402030500a203020140"),
		HashID: 4, Hash: crypto.SHA512, SaltLen: 64, Strength: 256, RFC: "RFC 7427", Status: status.Default, sign: signPSS, verify: verifyPSS},
	{Name: "RSA_EMSA_PSS_SHA1", Keyword: "rsa/pss-sha1", Key: RSA, ID: der("300d06092a864886f70d01010a3000"),
		HashID: 1, Hash: crypto.SHA1, SaltLen: 20, Strength: 63, RFC: "RFC 7427", Status: status.Legacy, Why: whySHA1, sign: signPSS, verify: verifyPSS},

	{Name: "ECDSA_WITH_SHA256_DER", Keyword: "ecdsa-sha256", Key: ECDSA, ID: der("300a06082a8648ce3d040302"),
		HashID: 2, Hash: crypto.SHA256, Strength: 128, RFC: "RFC 7427", Status: status.Default, sign: signDER, verify: verifyDER},
	{Name: "ECDSA_WITH_SHA384_DER", Keyword: "ecdsa-sha384", Key: ECDSA, ID: der("300a06082a8648ce3d040303"),
		HashID: 3, Hash: crypto.SHA384, Strength: 192, RFC: "RFC 7427", Status: status.Default, sign: signDER, verify: verifyDER},
	{Name: "ECDSA_WITH_SHA512_DER", Keyword: "ecdsa-sha512", Key: ECDSA, ID: der("300a06082a8648ce3d040304"),
		HashID: 4, Hash: crypto.SHA512, Strength: 256, RFC: "RFC 7427", Status: status.Default, sign: signDER, verify: verifyDER},
	{Name: "ECDSA_WITH_SHA1_DER", Keyword: "ecdsa-sha1", Key: ECDSA, ID: der("300906072a8648ce3d0401"),
		HashID: 1, Hash: crypto.SHA1, Strength: 63, RFC: "RFC 7427", Status: status.Legacy, Why: whySHA1, sign: signDER, verify: verifyDER},

	// A curve with its one hash, for peers that do not know RFC 7427.
	{Name: "ECDSA-256", Keyword: "ecdsa-sha256", Key: ECDSA, Curve: elliptic.P256(), Method: 9,
		Hash: crypto.SHA256, Strength: 128, RFC: "RFC 4754", Status: status.Default, sign: signFixed, verify: verifyFixed},
	{Name: "ECDSA-384", Keyword: "ecdsa-sha384", Key: ECDSA, Curve: elliptic.P384(), Method: 10,
		Hash: crypto.SHA384, Strength: 192, RFC: "RFC 4754", Status: status.Default, sign: signFixed, verify: verifyFixed},
	{Name: "ECDSA-521", Keyword: "ecdsa-sha512", Key: ECDSA, Curve: elliptic.P521(), Method: 11,
		Hash: crypto.SHA512, Strength: 256, RFC: "RFC 4754", Status: status.Default, sign: signFixed, verify: verifyFixed},

	{Name: "ED25519", Keyword: "ed25519", Key: Ed25519, ID: der("300506032b6570"),
		HashID: 5, Strength: 128, RFC: "RFC 8420", Status: status.Default, sign: signEd25519, verify: verifyEd25519},
	{Name: "ED448", Keyword: "ed448", Key: Ed448, ID: der("300506032b6571"),
		HashID: 5, Strength: 224, RFC: "RFC 8420", Status: status.Default, sign: signEd448, verify: verifyEd448},

	// IKEv1 signs HASH_I and HASH_R, which are digests already.
	{Name: "RSA_EMSA_PKCS1_NULL", Key: RSA, IKEv1: 3, Digested: true,
		RFC: "RFC 2409", Status: status.Legacy, Why: "IKEv1 is deprecated, RFC 9395", sign: signPKCS1, verify: verifyPKCS1},
	{Name: "ECDSA_WITH_NULL_256", Key: ECDSA, Curve: elliptic.P256(), IKEv1: 9, Digested: true,
		Hash: crypto.SHA256, Strength: 128, RFC: "RFC 4754", Status: status.Legacy, Why: "IKEv1 is deprecated, RFC 9395", sign: signFixed, verify: verifyFixed},
	{Name: "ECDSA_WITH_NULL_384", Key: ECDSA, Curve: elliptic.P384(), IKEv1: 10, Digested: true,
		Hash: crypto.SHA384, Strength: 192, RFC: "RFC 4754", Status: status.Legacy, Why: "IKEv1 is deprecated, RFC 9395", sign: signFixed, verify: verifyFixed},
	{Name: "ECDSA_WITH_NULL_521", Key: ECDSA, Curve: elliptic.P521(), IKEv1: 11, Digested: true,
		Hash: crypto.SHA512, Strength: 256, RFC: "RFC 4754", Status: status.Legacy, Why: "IKEv1 is deprecated, RFC 9395", sign: signFixed, verify: verifyFixed},

	// Never usable, whoever asks.
	{Name: "RSA_EMSA_PKCS1_MD5", Keyword: "rsa-md5", Key: RSA, ID: der("300d06092a864886f70d0101040500"),
		RFC: "RFC 7296", Status: status.Refused, Why: "MD5 is broken"},
	{Name: "DSS", Method: 3, IKEv1: 2, RFC: "RFC 7296", Status: status.Refused,
		Why: "keys of 1024 bits with SHA-1; RFC 8247 §3: SHOULD NOT, and FIPS 186-5 has withdrawn it"},
}

// der reads the table's own hexadecimal.
func der(octets string) []byte {
	b, err := hex.DecodeString(octets)
	if err != nil {
		panic(err)
	}
	return b
}
