package sig

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// identifiers are the AlgorithmIdentifiers that the RFCs print.
var identifiers = []struct {
	source, scheme, der string
}{
	{"RFC 7427 A.1.1", "RSA_EMSA_PKCS1_SHA1", "300d0609 2a864886 f70d0101 050500"},
	{"RFC 7427 A.1.2", "RSA_EMSA_PKCS1_SHA2_256", "300d0609 2a864886 f70d0101 0b0500"},
	{"RFC 7427 A.1.3", "RSA_EMSA_PKCS1_SHA2_384", "300d0609 2a864886 f70d0101 0c0500"},
	{"RFC 7427 A.1.4", "RSA_EMSA_PKCS1_SHA2_512", "300d0609 2a864886 f70d0101 0d0500"},
	{"RFC 7427 A.3.1", "ECDSA_WITH_SHA1_DER", "30090607 2a8648ce 3d0401"},
	{"RFC 7427 A.3.2", "ECDSA_WITH_SHA256_DER", "300a0608 2a8648ce 3d040302"},
	{"RFC 7427 A.3.3", "ECDSA_WITH_SHA384_DER", "300a0608 2a8648ce 3d040303"},
	{"RFC 7427 A.3.4", "ECDSA_WITH_SHA512_DER", "300a0608 2a8648ce 3d040304"},
	{"RFC 7427 A.4.1", "RSA_EMSA_PSS_SHA1", "300d0609 2a864886 f70d0101 0a3000"},
	{"RFC 7427 A.4.2", "RSA_EMSA_PSS_SHA1", "303e0609 2a864886 f70d0101 0a3031a0 0b300906 052b0e03 021a0500 a1183016" +
		"06092a86 4886f70d 01010830 0906052b 0e03021a 0500a203 020114a3 03020101"},
	{"RFC 7427 A.4.3", "RSA_EMSA_PSS_SHA2_256", "30460609 2a864886 f70d0101 0a3039a0 0f300d06 09608648 01650304 02010500" +
		"a11c301a 06092a86 4886f70d 01010830 0d060960 86480165 03040201 0500a203 020120a3 03020101"},
	{"RFC 7427, errata to A.4.3", "RSA_EMSA_PSS_SHA2_256", "30410609 2a864886 f70d0101 0a3034a0 0f300d06 09608648 01650304 02010500" +
		"a11c301a 06092a86 4886f70d 01010830 0d060960 86480165 03040201 0500a203 020120"},
	{"RFC 8420 A.1", "ED25519", "30050603 2b6570"},
	{"RFC 8420 A.2", "ED448", "30050603 2b6571"},
}

func TestPublishedAlgorithmIdentifiers(t *testing.T) {
	for _, i := range identifiers {
		id := der(strings.ReplaceAll(i.der, " ", ""))
		s, err := ParseAlgorithm(id)
		if err != nil || s.Name != i.scheme {
			t.Errorf("the AlgorithmIdentifier of %s is read as %q (%v), it is %s", i.source, s.Name, err, i.scheme)
		}
	}
}

// oids are those of PKIX with the parameters that each takes, encoded here by the standard library.
func TestAlgorithmIdentifiersOfTheTable(t *testing.T) {
	null := asn1.RawValue{Tag: asn1.TagNull, FullBytes: []byte{5, 0}}
	pkcs1 := func(n int) pkix.AlgorithmIdentifier {
		return pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, n}, Parameters: null}
	}
	ecdsa := func(arcs ...int) pkix.AlgorithmIdentifier {
		return pkix.AlgorithmIdentifier{Algorithm: append(asn1.ObjectIdentifier{1, 2, 840, 10045, 4}, arcs...)}
	}
	sha := func(n int) pkix.AlgorithmIdentifier {
		return pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, n}, Parameters: null}
	}
	pss := func(n, salt int) pkix.AlgorithmIdentifier {
		return pssIdentifier(t, pssParams{sha(n), mgf(t, sha(n)), salt, 1})
	}
	want := map[string]pkix.AlgorithmIdentifier{
		"RSA_EMSA_PKCS1_MD5": pkcs1(4), "RSA_EMSA_PKCS1_SHA1": pkcs1(5),
		"RSA_EMSA_PKCS1_SHA2_256": pkcs1(11), "RSA_EMSA_PKCS1_SHA2_384": pkcs1(12), "RSA_EMSA_PKCS1_SHA2_512": pkcs1(13),
		"ECDSA_WITH_SHA1_DER": ecdsa(1), "ECDSA_WITH_SHA256_DER": ecdsa(3, 2), "ECDSA_WITH_SHA384_DER": ecdsa(3, 3), "ECDSA_WITH_SHA512_DER": ecdsa(3, 4),
		"RSA_EMSA_PSS_SHA2_256": pss(1, 32), "RSA_EMSA_PSS_SHA2_384": pss(2, 48), "RSA_EMSA_PSS_SHA2_512": pss(3, 64),
		"RSA_EMSA_PSS_SHA1": {Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}, Parameters: asn1.RawValue{FullBytes: []byte{0x30, 0}}},
		"ED25519":           {Algorithm: asn1.ObjectIdentifier{1, 3, 101, 112}}, "ED448": {Algorithm: asn1.ObjectIdentifier{1, 3, 101, 113}},
	}
	for _, s := range Schemes {
		if s.ID == nil {
			continue
		}
		if id := marshal(t, want[s.Name]); !bytes.Equal(s.ID, id) {
			t.Errorf("the AlgorithmIdentifier of %s is %x, want %x", s.Name, s.ID, id)
		}
		if got, err := ParseAlgorithm(s.ID); err != nil || got.Name != s.Name || got.SaltLen != s.SaltLen {
			t.Errorf("the AlgorithmIdentifier of %s is read as %s (%v)", s.Name, got, err)
		}
	}
}

// pssParams are RSASSA-PSS-params in the words of encoding/asn1. The tags say which field is left out at its default.
type pssParams struct {
	Hash    pkix.AlgorithmIdentifier `asn1:"explicit,tag:0"`
	MGF     pkix.AlgorithmIdentifier `asn1:"explicit,tag:1"`
	Salt    int                      `asn1:"explicit,tag:2"`
	Trailer int                      `asn1:"optional,explicit,tag:3,default:1"`
}

func marshal(t testing.TB, value any) []byte {
	t.Helper()
	b, err := asn1.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mgf(t testing.TB, hash pkix.AlgorithmIdentifier) pkix.AlgorithmIdentifier {
	return pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}, Parameters: asn1.RawValue{FullBytes: marshal(t, hash)}}
}

func pssIdentifier(t testing.TB, p any) pkix.AlgorithmIdentifier {
	return pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}, Parameters: asn1.RawValue{FullBytes: marshal(t, p)}}
}

func TestPSSParameters(t *testing.T) {
	null := asn1.RawValue{Tag: asn1.TagNull, FullBytes: []byte{5, 0}}
	sha256 := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, Parameters: null}
	bare := pkix.AlgorithmIdentifier{Algorithm: sha256.Algorithm}
	sha224 := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 4}, Parameters: null}
	sha512 := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, Parameters: null}
	odd := pkix.AlgorithmIdentifier{Algorithm: sha256.Algorithm, Parameters: asn1.RawValue{FullBytes: []byte{2, 1, 7}}}
	mgf2 := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 99}, Parameters: asn1.RawValue{FullBytes: marshal(t, sha256)}}
	for _, c := range []struct {
		what   string
		params any
		want   string // what it is read as, or a part of the error
	}{
		{"the row's own", pssParams{sha256, mgf(t, sha256), 32, 1}, "RSA_EMSA_PSS_SHA2_256_SALT_32"},
		{"hashes without NULL", pssParams{bare, mgf(t, bare), 32, 1}, "RSA_EMSA_PSS_SHA2_256_SALT_32"},
		{"another salt", pssParams{sha256, mgf(t, sha256), 20, 1}, "RSA_EMSA_PSS_SHA2_256_SALT_20"},
		{"the longest salt there could be", pssParams{sha256, mgf(t, sha256), 1024, 1}, "RSA_EMSA_PSS_SHA2_256_SALT_1024"},
		{"a mask of another hash", pssParams{sha256, mgf(t, sha512), 32, 1}, "with SHA2_256 and a mask made with SHA2_512"},
		{"a mask by default", struct {
			Hash pkix.AlgorithmIdentifier `asn1:"explicit,tag:0"`
		}{sha256}, "with SHA2_256 and a mask made with SHA1"},
		{"an unknown hash", pssParams{sha224, mgf(t, sha224), 28, 1}, "the hash 2.16.840.1.101.3.4.2.4"},
		{"an unknown mask", pssParams{sha256, mgf2, 32, 1}, "the mask 1.2.840.113549.1.1.99"},
		{"odd parameters of the hash", pssParams{odd, mgf(t, sha256), 32, 1}, "it is not DER"},
		{"odd parameters of the mask's hash", pssParams{sha256, mgf(t, odd), 32, 1}, "it is not DER"},
		{"no salt", pssParams{sha256, mgf(t, sha256), 0, 1}, "a salt of 0 octets"},
		{"a negative salt", pssParams{sha256, mgf(t, sha256), -1, 1}, "a salt of -1 octets"},
		{"a salt longer than any key", pssParams{sha256, mgf(t, sha256), 1025, 1}, "a salt of 1025 octets"},
		{"another trailer", pssParams{sha256, mgf(t, sha256), 32, 2}, "the trailer field 2"},
		{"no SEQUENCE", 7, "without parameters"},
		{"the fields in another order", struct {
			Salt int                      `asn1:"explicit,tag:2"`
			Hash pkix.AlgorithmIdentifier `asn1:"explicit,tag:0"`
		}{32, sha256}, "it is not DER"},
		{"a fifth field", struct {
			Salt  int `asn1:"explicit,tag:2"`
			Fifth int `asn1:"explicit,tag:4"`
		}{20, 1}, "it is not DER"},
		{"an implicit tag", struct {
			Salt int `asn1:"tag:2"`
		}{32}, "it is not DER"},
		{"a salt that is no INTEGER", struct {
			Salt []byte `asn1:"explicit,tag:2"`
		}{[]byte{32}}, "it is not DER"},
	} {
		s, err := ParseAlgorithm(marshal(t, pssIdentifier(t, c.params)))
		if err == nil && s.String() != c.want {
			t.Errorf("RSASSA-PSS with %s is read as %s, want %s", c.what, s, c.want)
		}
		if err != nil && (!errors.Is(err, ErrAlgorithm) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("RSASSA-PSS with %s: %v, want %s", c.what, err, c.want)
		}
	}
	if _, err := ParseAlgorithm(der("300b06092a864886f70d01010a")); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("RSASSA-PSS passes without parameters, which stand for no defaults: %v", err)
	}
}

func TestRefusesMalformedAlgorithmIdentifiers(t *testing.T) {
	for _, c := range []struct{ what, id, want string }{
		{"nothing", "", "it is not DER"},
		{"an empty SEQUENCE", "3000", "it is not DER"},
		{"no SEQUENCE", "06092a864886f70d01010b", "it is not DER"},
		{"a length beyond the end", "300e06092a864886f70d01010b0500", "it is not DER"},
		{"octets behind it", "300d06092a864886f70d01010b050000", "it is not DER"},
		{"a length in the long form", "30810d06092a864886f70d01010b0500", "it is not DER"},
		{"an indefinite length", "308006092a864886f70d01010b05000000", "it is not DER"},
		{"an OID with a length in the long form", "300e0681092a864886f70d01010b0500", "it is not DER"},
		{"two parameters", "300f06092a864886f70d01010b05000500", "it is not DER"},
		{"RSA with an INTEGER for parameters", "300e06092a864886f70d01010b020107", "the parameters of RSA_EMSA_PKCS1_SHA2_256 are 020107"},
		{"RSA with a NULL that is none", "300e06092a864886f70d01010b050100", "the parameters of"},
		{"ECDSA with NULL", "300c06082a8648ce3d0403020500", "the parameters of ECDSA_WITH_SHA256_DER are 0500"},
		{"Ed25519 with NULL", "300706032b65700500", "the parameters of ED25519 are 0500"},
		{"rsaEncryption", "300d06092a864886f70d0101010500", "nothing here is called 1.2.840.113549.1.1.1"},
		{"an OID of two arcs", "300306012a", "nothing here is called 1.2"},
		{"an OID without arcs", "30020600", "nothing here is called 0600"},
		{"an arc without end", "30040602 2a86", "nothing here is called 06022a86"},
		{"dsa-with-sha1", "300906072a8648ce380403", "nothing here is called 1.2.840.10040.4.3"},
	} {
		s, err := ParseAlgorithm(der(strings.ReplaceAll(c.id, " ", "")))
		if !errors.Is(err, ErrAlgorithm) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s is read as %q: %v, want %s", c.what, s.Name, err, c.want)
		}
	}
	// RFC 4055 §5 wants this one accepted.
	if s, err := ParseAlgorithm(der("300b06092a864886f70d01010b")); err != nil || s.Name != "RSA_EMSA_PKCS1_SHA2_256" {
		t.Errorf("RSA without the NULL is read as %q: %v", s.Name, err)
	}
}

func FuzzParseAlgorithm(f *testing.F) {
	for _, i := range identifiers {
		f.Add(der(strings.ReplaceAll(i.der, " ", "")))
	}
	f.Fuzz(func(t *testing.T, id []byte) {
		s, err := ParseAlgorithm(id)
		if err != nil {
			if !errors.Is(err, ErrAlgorithm) {
				t.Errorf("%x: the error is of another kind: %v", id, err)
			}
			return
		}
		row, ok := Lookup(s.Name)
		if !ok || s.SaltLen < 0 || s.SaltLen > maxSalt || (s.SaltLen != 0) != (row.SaltLen != 0) {
			t.Fatalf("%x is read as %s with a salt of %d octets", id, s.Name, s.SaltLen)
		}
		// What is read comes back from what is kept of it.
		if again, err := ParseAlgorithm(s.ID); err != nil || again.String() != s.String() {
			t.Errorf("%s is read as %s, which is read as %s (%v)", hex.EncodeToString(id), s, again, err)
		}
	})
}
