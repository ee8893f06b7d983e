package sig

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/cloudflare/circl/sign/ed448"
)

func constraints(t testing.TB, auth string) Constraints {
	t.Helper()
	c, err := ParseConstraints(auth, false)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// rsaKey makes a public key of a size out of nothing; it verifies nothing.
func publicRSA(bits uint) *rsa.PublicKey {
	return &rsa.PublicKey{N: new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), bits-1), big.NewInt(1)), E: 65537}
}

func names(rows []*Scheme) string {
	var all []string
	for _, s := range rows {
		all = append(all, s.Name)
	}
	return strings.Join(all, " ")
}

func TestParseConstraints(t *testing.T) {
	const pkcs1 = "RSA_EMSA_PKCS1_SHA2_256 RSA_EMSA_PKCS1_SHA2_384 RSA_EMSA_PKCS1_SHA2_512"
	const pss = "RSA_EMSA_PSS_SHA2_256 RSA_EMSA_PSS_SHA2_384 RSA_EMSA_PSS_SHA2_512"
	const ecdsa = "ECDSA_WITH_SHA256_DER ECDSA_WITH_SHA384_DER ECDSA_WITH_SHA512_DER ECDSA-256 ECDSA-384 ECDSA-521"
	for _, c := range []struct {
		auth             string
		pss              bool
		chain, ike, keys string
	}{
		{"pubkey", false, "", "", ""},
		{"pubkey-sha256", false, "RSA_EMSA_PKCS1_SHA2_256 ECDSA_WITH_SHA256_DER ECDSA-256", "=", ""},
		{"pubkey-sha256", true, "RSA_EMSA_PSS_SHA2_256 RSA_EMSA_PKCS1_SHA2_256 ECDSA_WITH_SHA256_DER ECDSA-256", "=", ""},
		{"pubkey-sha384-sha256", false, "RSA_EMSA_PKCS1_SHA2_384 ECDSA_WITH_SHA384_DER ECDSA-384 RSA_EMSA_PKCS1_SHA2_256 ECDSA_WITH_SHA256_DER ECDSA-256", "=", ""},
		{"pubkey-identity", false, "ED25519 ED448", "=", ""},
		{"ike:pubkey-sha512", false, "", "RSA_EMSA_PKCS1_SHA2_512 ECDSA_WITH_SHA512_DER ECDSA-521", ""},
		{"ike:pubkey", false, "", pkcs1 + " " + pss + " " + ecdsa + " ED25519 ED448", ""},
		{"ike:rsa/pss-sha256", false, "", "RSA_EMSA_PSS_SHA2_256", ""},
		{"rsa/pss", false, pss, "=", "RSA from 2048 bits"},
		{"rsa", false, pkcs1 + " " + pss, "=", "RSA from 2048 bits"},
		{"rsa", true, pss + " " + pkcs1, "=", "RSA from 2048 bits"},
		{"rsa-3072", false, pkcs1 + " " + pss, "=", "RSA from 3072 bits"},
		{"rsa-1024-sha1", false, "RSA_EMSA_PKCS1_SHA1", "=", "RSA from 1024 bits"},
		{"rsa/pss-sha1", false, "RSA_EMSA_PSS_SHA1", "=", "RSA from 2048 bits"},
		{"rsa-2048-sha256-ecdsa-256-sha384", false, "RSA_EMSA_PKCS1_SHA2_256 ECDSA_WITH_SHA384_DER ECDSA-384", "=", "RSA from 2048 bits, ECDSA from 256 bits"},
		{"rsa-2048-ecdsa-384", false, pkcs1 + " " + pss + " " + ecdsa, "=", "RSA from 2048 bits, ECDSA from 384 bits"},
		{"rsa-sha256-ike:pubkey-sha512", false, "RSA_EMSA_PKCS1_SHA2_256", "RSA_EMSA_PKCS1_SHA2_512 ECDSA_WITH_SHA512_DER ECDSA-521", "RSA from 2048 bits"},
		{"rsa-sha256-sha256-rsa-sha256", false, "RSA_EMSA_PKCS1_SHA2_256", "=", "RSA from 2048 bits"},
		{"ed25519", false, "ED25519", "=", "ED25519"},
		{"ed25519-ed448-identity", false, "ED25519 ED448", "=", "ED25519, ED448"},
	} {
		got, err := ParseConstraints(c.auth, c.pss)
		if err != nil {
			t.Errorf("%s is refused: %v", c.auth, err)
			continue
		}
		ike := c.ike
		if ike == "=" {
			ike = c.chain
		}
		var keys []string
		for _, k := range got.Keys {
			keys = append(keys, k.String())
		}
		if names(got.Chain) != c.chain || names(got.IKE) != ike || strings.Join(keys, ", ") != c.keys {
			t.Errorf("%s (rsa_pss %v) means\nchain %s\nike   %s\nkeys  %s\nwant\nchain %s\nike   %s\nkeys  %s",
				c.auth, c.pss, names(got.Chain), names(got.IKE), strings.Join(keys, ", "), c.chain, ike, c.keys)
		}
	}
}

func TestParseConstraintsRefuses(t *testing.T) {
	for auth, want := range map[string]string{
		"":                   `"" is no type of key`,
		"psk":                `"psk" is no type of key`,
		"sha256":             `"sha256" is no type of key`,
		"rsa-":               `"" is no hash`,
		"rsa-md5":            `"md5" is no hash that signatures have here`,
		"rsa-sha224":         `"sha224" is no hash`,
		"rsa-512":            "RSA keys have from 1024 to 8192 bits here, not 512",
		"rsa-9000":           "not 9000",
		"rsa-65536":          `"65536" is no hash`,
		"ecdsa-0":            "ECDSA keys have 256, 384 or 521 bits, not 0",
		"ecdsa-522":          "not 522",
		"ed25519-256":        "has one size only",
		"pubkey-2048":        "has one size only, or none",
		"ike:rsa-2048":       "stands behind ike:; write it for the keys, as in rsa-2048",
		"rsa-ike:sha256":     `"ike:sha256" is no type of key`,
		"rsa-identity":       "no signature of this type of key has the hash identity",
		"ed448-sha256":       "no signature of this type of key has the hash sha256",
		"rsa/pss-identity":   "no signature of this type of key",
		"RSA":                `"RSA" is no type of key`,
		"ike:":               `"ike:" is no type of key`,
		"pubkey-sha256-rsa ": `"rsa " is no hash`,
	} {
		if _, err := ParseConstraints(auth, false); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "auth = "+auth) {
			t.Errorf("auth = %q: %v, want %s", auth, err, want)
		}
	}
}

func TestSelect(t *testing.T) {
	all := []uint16{1, 2, 3, 4, 5}
	p256, p384, p521 := generate(t, elliptic.P256()).Public(), generate(t, elliptic.P384()).Public(), generate(t, elliptic.P521()).Public()
	ed25519Key, ed448Key := ed25519.PublicKey(make([]byte, 32)), ed448.PublicKey(make([]byte, 57))
	for _, c := range []struct {
		what   string
		auth   string
		pss    bool
		key    crypto.PublicKey
		peer   []uint16
		method uint8
		want   string // a name, or a part of the error
	}{
		{"RSA is as strong as SHA-256", "pubkey", false, publicRSA(2048), all, 14, "RSA_EMSA_PKCS1_SHA2_256"},
		{"so are 3072 bits", "pubkey", false, publicRSA(3072), all, 14, "RSA_EMSA_PKCS1_SHA2_256"},
		{"8192 bits are stronger", "pubkey", false, publicRSA(8192), all, 14, "RSA_EMSA_PKCS1_SHA2_384"},
		{"a peer without SHA-256", "pubkey", false, publicRSA(2048), []uint16{4, 3}, 14, "RSA_EMSA_PKCS1_SHA2_384"},
		{"a peer with unknown hashes", "pubkey", false, publicRSA(2048), []uint16{6, 7, 999, 4}, 14, "RSA_EMSA_PKCS1_SHA2_512"},
		{"a weaker hash is better than none", "pubkey", false, p521, []uint16{2, 3}, 14, "ECDSA_WITH_SHA384_DER"},
		{"PSS by the setting", "pubkey", true, publicRSA(2048), all, 14, "RSA_EMSA_PSS_SHA2_256_SALT_32"},
		{"PSS by name", "ike:rsa/pss-sha512", false, publicRSA(2048), all, 14, "RSA_EMSA_PSS_SHA2_512_SALT_64"},
		{"the configured order", "ike:pubkey-sha512-sha256", false, publicRSA(2048), all, 14, "RSA_EMSA_PKCS1_SHA2_512"},
		{"the configured order, second best", "ike:pubkey-sha512-sha256", false, publicRSA(2048), []uint16{2}, 14, "RSA_EMSA_PKCS1_SHA2_256"},
		{"no order for a type without hashes", "rsa-sha512-ecdsa", false, p384, all, 14, "ECDSA_WITH_SHA384_DER"},
		{"P-256", "pubkey", false, p256, all, 14, "ECDSA_WITH_SHA256_DER"},
		{"P-384", "pubkey", false, p384, all, 14, "ECDSA_WITH_SHA384_DER"},
		{"P-521", "pubkey", false, p521, all, 14, "ECDSA_WITH_SHA512_DER"},
		{"any hash with any curve", "ecdsa-sha512", false, p256, all, 14, "ECDSA_WITH_SHA512_DER"},
		{"Ed25519", "pubkey", false, ed25519Key, all, 14, "ED25519"},
		{"Ed448", "pubkey", false, ed448Key, []uint16{5}, 14, "ED448"},
		{"SHA-1 by name", "rsa-sha1", false, publicRSA(2048), []uint16{1}, 14, "RSA_EMSA_PKCS1_SHA1"},

		{"P-256 for an old peer", "pubkey", false, p256, nil, 9, "ECDSA-256"},
		{"P-384 for an old peer", "pubkey", false, p384, nil, 10, "ECDSA-384"},
		{"P-521 for an old peer", "pubkey", false, p521, nil, 11, "ECDSA-521"},
		{"RSA for an old peer, by name", "ike:rsa-sha256-sha1", false, publicRSA(2048), nil, 1, "RSA_EMSA_PKCS1_SHA1"},

		{"SHA-1 without a name", "pubkey", false, publicRSA(2048), []uint16{1}, 0,
			`our key is RSA with 2048 bits and the peer takes the hashes SHA1; we may sign with rsa-sha256, rsa/pss-sha256, rsa-sha384, rsa/pss-sha384, rsa-sha512, rsa/pss-sha512; add ike:rsa-sha1 to auth, now "pubkey"`},
		{"no common hash", "ike:pubkey-sha512", false, p256, []uint16{2, 3}, 0, `the peer takes the hashes SHA2_256, SHA2_384; we may sign with ecdsa-sha512; add ike:ecdsa-sha256 to auth, now "ike:pubkey-sha512"`},
		{"an empty list", "pubkey", false, p256, []uint16{}, 0, "the peer takes the hashes (none); we may sign with"},
		{"only unknown hashes", "pubkey", false, p256, []uint16{6, 7}, 0, "the hashes 6, 7; we may sign with ecdsa-sha256, ecdsa-sha384, ecdsa-sha512; the peer has to accept another hash"},
		{"Ed25519 and a peer without Identity", "pubkey", false, ed25519Key, []uint16{2, 3, 4}, 0, "the peer has to accept another hash, or we need another key"},
		{"RSA for an old peer", "pubkey", false, publicRSA(2048), nil, 0, "the peer does not announce Digital Signatures (RFC 7427); we may sign with rsa-sha256, rsa/pss-sha256, rsa-sha384, rsa/pss-sha384, rsa-sha512, rsa/pss-sha512; what is left is RSA with SHA-1: write auth = ike:rsa-sha1"},
		{"P-256 for an old peer, without its hash", "ecdsa-sha384", false, p256, nil, 0, "write auth = ike:ecdsa-sha256, the hash that its curve has in RFC 4754"},
		{"P-384 for an old peer, without its hash", "ecdsa-sha256", false, p384, nil, 0, "write auth = ike:ecdsa-sha384"},
		{"P-521 for an old peer, without its hash", "ecdsa-sha256", false, p521, nil, 0, "write auth = ike:ecdsa-sha512"},
		{"Ed25519 for an old peer", "pubkey", false, ed25519Key, nil, 0, "such keys need a peer with RFC 8420"},
		{"a key of another type", "ecdsa", false, publicRSA(2048), all, 0, `the key is RSA with 2048 bits; this connection accepts ECDSA; add rsa-2048 to auth, now "ecdsa"`},
		{"a weak key", "pubkey", false, publicRSA(1024), all, 0, `the key is RSA with 1024 bits; this connection accepts RSA from 2048 bits, ECDSA, ED25519, ED448; a key this short has 80 bits of security: replace it, or write rsa-1024 in auth, now "pubkey"`},
		{"a weak key by name", "rsa-1024", false, publicRSA(1024), all, 14, "RSA_EMSA_PKCS1_SHA2_256"},
		{"a small curve", "ecdsa-384", false, p256, all, 0, "this connection accepts ECDSA from 384 bits; add ecdsa-256 to auth"},
		{"a type that is not named", "rsa", false, ed448Key, all, 0, `add ed448 to auth, now "rsa"`},
		{"only for IKE of another type", "ike:ecdsa-sha256", false, publicRSA(2048), all, 0, "we may sign with nothing; add ike:rsa-sha256 to auth"},
	} {
		set, err := ParseConstraints(c.auth, c.pss)
		if err != nil {
			t.Fatal(err)
		}
		use, err := set.Select(c.key, c.peer)
		switch {
		case c.method == 0 && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %s selects %q: %v\nwant %s", c.what, c.auth, use.Scheme, err, c.want)
		case c.method != 0 && (err != nil || use.Method != c.method || use.Scheme.String() != c.want):
			t.Errorf("%s: %s selects %s with method %d (%v), want %s with %d", c.what, c.auth, use.Scheme, use.Method, err, c.want, c.method)
		}
	}
	if _, err := (Constraints{}).Select("key", all); !errors.Is(err, ErrKey) {
		t.Errorf("something is selected for what is no key: %v", err)
	}
	var none *NoScheme
	if _, err := (Constraints{}).Select(publicRSA(2048), nil); !errors.As(err, &none) || !none.Silent || none.Type != RSA || none.Bits != 2048 {
		t.Errorf("the failure does not hold what it was about: %v", err)
	}
}

func TestTheZeroConstraintsArePubkey(t *testing.T) {
	pubkey := constraints(t, "pubkey")
	for i := range Schemes {
		s := Schemes[i]
		if pubkey.accepts(s) != (Constraints{}).accepts(s) || pubkey.AcceptsChain(s) != (Constraints{}).AcceptsChain(s) {
			t.Errorf("auth = pubkey and no constraints differ about %s", s)
		}
	}
}

func TestHashes(t *testing.T) {
	for auth, want := range map[string][]uint16{
		"pubkey": {2, 3, 4, 5}, "ike:pubkey-sha512-sha256": {2, 4}, "rsa-sha1-sha256": {1, 2}, "ed25519": {5}, "rsa-sha256-ike:ed448": {5},
	} {
		if got := constraints(t, auth).Hashes(); !slices.Equal(got, want) {
			t.Errorf("auth = %s announces the hashes %v, want %v", auth, got, want)
		}
	}
}

func TestAcceptsChain(t *testing.T) {
	for _, c := range []struct {
		auth, name string
		want       bool
	}{
		{"pubkey", "RSA_EMSA_PKCS1_SHA2_256", true}, {"pubkey", "RSA_EMSA_PSS_SHA2_512", true}, {"pubkey", "RSA_EMSA_PKCS1_SHA1", false},
		{"pubkey", "RSA_EMSA_PKCS1_MD5", false}, {"pubkey-sha1", "RSA_EMSA_PKCS1_SHA1", true}, {"rsa-sha384", "RSA_EMSA_PKCS1_SHA2_256", false},
		{"rsa-sha384-ike:rsa-sha256", "RSA_EMSA_PKCS1_SHA2_256", false}, {"ike:rsa-sha384", "RSA_EMSA_PKCS1_SHA2_256", true},
	} {
		s, _ := Lookup(c.name)
		if got := constraints(t, c.auth).AcceptsChain(*s); got != c.want {
			t.Errorf("auth = %s lets %s sign a certificate: %v, want %v", c.auth, c.name, got, c.want)
		}
	}
}

// payload is what a peer with a key sends for octets.
func payload(t testing.TB, name string, method uint8, key crypto.Signer, octets []byte) []byte {
	t.Helper()
	s, ok := Lookup(name)
	if !ok {
		t.Fatalf("no row is called %s", name)
	}
	return Use{Method: method, Scheme: *s}.Data(sign(t, *s, key, octets))
}

func TestVerifyPayloads(t *testing.T) {
	signers, octets := keys(t), []byte("SignedOctets")
	rsaKey, p256, p384, ed := signers["RSA_EMSA_PKCS1_SHA2_256"], signers["ECDSA-256"], signers["ECDSA-384"], signers["ED25519"]
	for _, c := range []struct {
		what, auth string
		scheme     string
		method     uint8
		key        crypto.Signer
		want       string // what is returned, or a part of the error
	}{
		{"RSA", "pubkey", "RSA_EMSA_PKCS1_SHA2_256", 14, rsaKey, "RSA_EMSA_PKCS1_SHA2_256"},
		{"PSS", "pubkey", "RSA_EMSA_PSS_SHA2_384", 14, rsaKey, "RSA_EMSA_PSS_SHA2_384_SALT_48"},
		{"ECDSA", "pubkey", "ECDSA_WITH_SHA512_DER", 14, p256, "ECDSA_WITH_SHA512_DER"},
		{"Ed25519", "pubkey", "ED25519", 14, ed, "ED25519"},
		{"RSA's own method with SHA-256", "pubkey", "RSA_EMSA_PKCS1_SHA2_256", 1, rsaKey, "RSA_EMSA_PKCS1_SHA2_256"},
		{"RSA's own method with SHA-512", "pubkey", "RSA_EMSA_PKCS1_SHA2_512", 1, rsaKey, "RSA_EMSA_PKCS1_SHA2_512"},
		{"RSA's own method with SHA-1, named", "ike:rsa-sha1", "RSA_EMSA_PKCS1_SHA1", 1, rsaKey, "RSA_EMSA_PKCS1_SHA1"},
		{"RFC 4754", "pubkey", "ECDSA-384", 10, p384, "ECDSA-384"},

		{"RSA's own method with SHA-1", "pubkey", "RSA_EMSA_PKCS1_SHA1", 1, rsaKey,
			`the peer signed with RSA_EMSA_PKCS1_SHA1; this connection accepts rsa-sha256, rsa-sha384, rsa-sha512, rsa/pss-sha256, rsa/pss-sha384, rsa/pss-sha512, ecdsa-sha256, ecdsa-sha384, ecdsa-sha512, ed25519, ed448; add ike:rsa-sha1 to auth, now "pubkey", if the peer cannot be changed: collisions of SHA-1`},
		{"a Digital Signature with SHA-1", "pubkey", "RSA_EMSA_PKCS1_SHA1", 14, rsaKey, "the peer signed with RSA_EMSA_PKCS1_SHA1"},
		{"PSS where it is not named", "rsa-sha256", "RSA_EMSA_PSS_SHA2_256", 14, rsaKey, `the peer signed with RSA_EMSA_PSS_SHA2_256_SALT_32; this connection accepts rsa-sha256; add ike:rsa/pss-sha256 to auth, now "rsa-sha256"`},
		{"a hash that is not named", "ike:pubkey-sha512", "ECDSA_WITH_SHA256_DER", 14, p256, "the peer signed with ECDSA_WITH_SHA256_DER"},
		{"a type of key that is not named", "ecdsa", "RSA_EMSA_PKCS1_SHA2_256", 14, rsaKey, "the key is RSA with 2048 bits; this connection accepts ECDSA"},
		{"the method of another curve", "pubkey", "ECDSA-256", 10, p256, "the key cannot be used"},
		{"DER under RFC 4754's method", "pubkey", "ECDSA_WITH_SHA256_DER", 9, p256, "the signature is wrong"},
		{"RSA under RFC 4754's method", "pubkey", "RSA_EMSA_PKCS1_SHA2_256", 9, rsaKey, "the key cannot be used"},
		{"DSS", "pubkey", "RSA_EMSA_PKCS1_SHA2_256", 3, rsaKey, "the Authentication Method 3 has no signatures here"},
		{"a pre-shared key's method", "pubkey", "RSA_EMSA_PKCS1_SHA2_256", 2, rsaKey, "the Authentication Method 2 has no signatures here"},
		{"no method", "pubkey", "RSA_EMSA_PKCS1_SHA2_256", 0, rsaKey, "the Authentication Method 0 has no signatures here"},
	} {
		data := payload(t, c.scheme, c.method, c.key, octets)
		s, err := constraints(t, c.auth).Verify(c.method, c.key.Public(), octets, data)
		if err == nil && s.String() != c.want || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %s verifies %s: %v\nwant %s", c.what, c.auth, s, err, c.want)
		}
		if _, err := constraints(t, c.auth).Verify(c.method, c.key.Public(), []byte("other octets"), data); err == nil {
			t.Errorf("%s: %s verifies other octets", c.what, c.auth)
		}
	}
}

func TestVerifyRefusesMalformedData(t *testing.T) {
	key, octets := keys(t)["RSA_EMSA_PKCS1_SHA2_256"], []byte("SignedOctets")
	good := payload(t, "RSA_EMSA_PKCS1_SHA2_256", 14, key, octets)
	for n := range good {
		if _, err := (Constraints{}).Verify(14, key.Public(), octets, good[:n]); err == nil {
			t.Fatalf("the first %d of %d octets verify", n, len(good))
		}
	}
	md5, _ := Lookup("RSA_EMSA_PKCS1_MD5")
	for what, c := range map[string]struct {
		data []byte
		want error
	}{
		"octets behind the signature":     {append(slices.Clone(good), 0), ErrSignature},
		"a length of 0":                   {append([]byte{0}, good[1:]...), ErrAlgorithm},
		"a length that ends too early":    {append([]byte{good[0] - 1}, good[1:]...), ErrAlgorithm},
		"a length that ends too late":     {append([]byte{good[0] + 1}, good[1:]...), ErrAlgorithm},
		"a length beyond the end":         {[]byte{255, 0x30, 0}, ErrSignature},
		"more octets than there could be": {make([]byte, maxData+1), ErrSignature},
	} {
		if _, err := (Constraints{}).Verify(14, key.Public(), octets, c.data); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
	var unacceptable *Unacceptable
	data := Use{Method: 14, Scheme: *md5}.Data(make([]byte, 256))
	if _, err := (Constraints{}).Verify(14, key.Public(), octets, data); !errors.As(err, &unacceptable) || !strings.Contains(err.Error(), "the peer has to use another: MD5 is broken") {
		t.Errorf("MD5: %v", err)
	}
	v1, _ := Lookup("RSA_EMSA_PKCS1_NULL")
	if fix := (&Unacceptable{Used: *v1}).Fix(); fix != "it is for IKEv1 only" {
		t.Errorf("a scheme of IKEv1: %s", fix)
	}
}

func TestData(t *testing.T) {
	s, _ := Lookup("ED25519")
	signature := []byte{1, 2, 3}
	if got := (Use{Method: 14, Scheme: *s}).Data(signature); !bytes.Equal(got, []byte{7, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 1, 2, 3}) {
		t.Errorf("the Authentication Data of a Digital Signature are %x", got)
	}
	if got := (Use{Method: 9}).Data(signature); !bytes.Equal(got, signature) {
		t.Errorf("the Authentication Data of RFC 4754 are %x", got)
	}
}

func FuzzVerify(f *testing.F) {
	signers, octets := keys(f), []byte("SignedOctets")
	public := []crypto.PublicKey{}
	for _, name := range []string{"RSA_EMSA_PKCS1_SHA2_256", "RSA_EMSA_PSS_SHA2_256", "ECDSA_WITH_SHA256_DER", "ED25519", "ED448"} {
		f.Add(uint8(14), uint8(len(public)), payload(f, name, 14, signers[name], octets))
		public = append(public, signers[name].Public())
	}
	f.Add(uint8(9), uint8(2), payload(f, "ECDSA-256", 9, signers["ECDSA-256"], octets))
	f.Add(uint8(1), uint8(0), payload(f, "RSA_EMSA_PKCS1_SHA2_256", 1, signers["RSA_EMSA_PKCS1_SHA2_256"], octets))
	f.Fuzz(func(t *testing.T, method, key uint8, data []byte) {
		k := public[int(key)%len(public)]
		s, err := (Constraints{}).Verify(method, k, octets, data)
		if err != nil {
			return
		}
		// Nobody but the owner of a key makes signatures, so what verifies here is a seed's, over the one text.
		if _, err := (Constraints{}).Verify(method, k, []byte("other octets"), data); err == nil {
			t.Errorf("%s: %x verifies over two texts", s, data)
		}
	})
}

func FuzzParseConstraints(f *testing.F) {
	for _, auth := range []string{"pubkey", "rsa-2048-sha256-ecdsa-256-sha256-sha384", "ike:rsa/pss-sha256", "rsa-sha1-ike:pubkey-identity", "ed448"} {
		f.Add(auth, false)
	}
	f.Fuzz(func(t *testing.T, auth string, pss bool) {
		c, err := ParseConstraints(auth, pss)
		if err != nil {
			return
		}
		for _, s := range slices.Concat(c.Chain, c.IKE) {
			if !s.Status.Usable() || s.Keyword == "" {
				t.Errorf("auth = %s allows %s, which is %s", auth, s, s.Status)
			}
		}
		if len(c.Chain) > len(Schemes) || len(c.IKE) > len(Schemes) || len(c.Keys) > 4 {
			t.Errorf("auth = %s names %d, %d schemes and %d types of keys", auth, len(c.Chain), len(c.IKE), len(c.Keys))
		}
		_, _ = c.Select(publicRSA(2048), []uint16{1, 2, 3, 4, 5})
	})
}
