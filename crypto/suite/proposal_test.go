package suite

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goswan/goswan/crypto/encr"
	"github.com/goswan/goswan/crypto/integ"
	"github.com/goswan/goswan/crypto/ke"
	"github.com/goswan/goswan/crypto/prf"
	"github.com/goswan/goswan/crypto/status"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		protocol             Protocol
		text, want, keywords string
	}{
		{IKE, "aes256gcm16-prfsha384-x25519", "IKE:AES_GCM_16_256/PRF_HMAC_SHA2_384/CURVE_25519", "aes256gcm16-prfsha384-x25519"},
		{IKE, "aes128-sha256-x25519", "IKE:AES_CBC_128/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/CURVE_25519", "aes128-sha256-x25519"},
		{IKE, "aes-sha-modp2048", "IKE:AES_CBC_128/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_2048", "aes128-sha1-modp2048"},
		{IKE, "aes256-sha2_512-prfsha256-ecp521", "IKE:AES_CBC_256/HMAC_SHA2_512_256/PRF_HMAC_SHA2_256/ECP_521", "aes256-sha512-prfsha256-ecp521"},
		{IKE, "aes192-sha2_384-ecp384-ecp256-modp4096", "IKE:AES_CBC_192/HMAC_SHA2_384_192/PRF_HMAC_SHA2_384/ECP_384/ECP_256/MODP_4096", "aes192-sha384-ecp384-ecp256-modp4096"},
		{IKE, "chacha20poly1305-prfsha512-curve25519", "IKE:CHACHA20_POLY1305/PRF_HMAC_SHA2_512/CURVE_25519", "chacha20poly1305-prfsha512-x25519"},
		// The PRF comes from the integrity algorithm, which combined mode then has no use for.
		{IKE, "aes128gcm128-sha256-modp3072", "IKE:AES_GCM_16_128/PRF_HMAC_SHA2_256/MODP_3072", "aes128gcm16-prfsha256-modp3072"},
		{IKE, "aes192gcm-aes256gcm-prfsha256-none-x25519", "IKE:AES_GCM_16_192/AES_GCM_16_256/PRF_HMAC_SHA2_256/CURVE_25519", "aes192gcm16-aes256gcm16-prfsha256-x25519"},
		{IKE, "aes128-aes256-sha256-sha512-x25519-aes128", "IKE:AES_CBC_128/AES_CBC_256/HMAC_SHA2_256_128/HMAC_SHA2_512_256/PRF_HMAC_SHA2_256/PRF_HMAC_SHA2_512/CURVE_25519", "aes128-aes256-sha256-sha512-x25519"},
		{IKE, "x25519-sha256-aes128-esn", "IKE:AES_CBC_128/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/CURVE_25519", "aes128-sha256-x25519"},

		{ESP, "aes128gcm16", "ESP:AES_GCM_16_128/NO_EXT_SEQ", "aes128gcm16"},
		{ESP, "aes256gcm128-x25519-esn", "ESP:AES_GCM_16_256/CURVE_25519/EXT_SEQ", "aes256gcm16-x25519-esn"},
		{ESP, "aes256-sha256-modp2048-none-esn-noesn", "ESP:AES_CBC_256/HMAC_SHA2_256_128/MODP_2048/KE_NONE/EXT_SEQ/NO_EXT_SEQ", "aes256-sha256-modp2048-none-esn-noesn"},
		{ESP, "aes128 - sha1 - prfsha256", "ESP:AES_CBC_128/HMAC_SHA1_96/NO_EXT_SEQ", "aes128-sha1"},
		{ESP, "chacha20poly1305-sha256-noesn", "ESP:CHACHA20_POLY1305/NO_EXT_SEQ", "chacha20poly1305"},

		{IKE, "aes128ctr-aesxcbc-modp2048", "IKE:AES_CTR_128/AES_XCBC_96/PRF_AES128_XCBC/MODP_2048", "aes128ctr-aesxcbc-modp2048"},
		{IKE, "3des-md5-modp2048", "IKE:3DES_CBC/HMAC_MD5_96/PRF_HMAC_MD5/MODP_2048", "3des-md5-modp2048"},
		{IKE, "aes256ccm96-prfaescmac-x25519", "IKE:AES_CCM_12_256/PRF_AES128_CMAC/CURVE_25519", "aes256ccm12-prfaescmac-x25519"},
		{ESP, "null-sha256_96", "ESP:NULL/HMAC_SHA2_256_96/NO_EXT_SEQ", "null-sha256_96"},
		{ESP, "aes128gmac-chacha20poly1305iiv-esn", "ESP:NULL_AES_GMAC_128/CHACHA20_POLY1305_IIV/EXT_SEQ", "aes128gmac-chacha20poly1305iiv-esn"},
		{AH, "sha256-sha1-esn", "AH:HMAC_SHA2_256_128/HMAC_SHA1_96/EXT_SEQ", "sha256-sha1-esn"},
		{AH, "aes128-sha512-ecp256", "AH:HMAC_SHA2_512_256/ECP_256/NO_EXT_SEQ", "sha512-ecp256"},
	} {
		got, err := Parse(c.protocol, c.text)
		if err != nil || len(got) != 1 {
			t.Errorf("Parse(%s, %q) returns %v and %v", c.protocol, c.text, got, err)
			continue
		}
		if got[0].String() != c.want {
			t.Errorf("Parse(%s, %q) is %s, want %s", c.protocol, c.text, got[0], c.want)
		}
		if got[0].Keywords() != c.keywords {
			t.Errorf("%s is written %q, want %q", got[0], got[0].Keywords(), c.keywords)
		}
		if back := parse(t, c.protocol, c.keywords); !reflect.DeepEqual(back, got) {
			t.Errorf("%q is read back as %s, not %s", c.keywords, back[0], got[0])
		}
	}
}

func TestParseLists(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"aes128gcm16, aes256-sha256", []string{"aes128gcm16", "aes256-sha256"}},
		{"aes128gcm16,default", []string{"aes128gcm16", Default(ESP)[0].Keywords(), Default(ESP)[1].Keywords()}},
		{" Default ", []string{Default(ESP)[0].Keywords(), Default(ESP)[1].Keywords()}},
	} {
		var got []string
		for _, p := range parse(t, ESP, c.text) {
			got = append(got, p.Keywords())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("Parse(%q) is %q, want %q", c.text, got, c.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		protocol   Protocol
		text, want string
	}{
		{IKE, "", `IKE proposal "": is empty; try "default"`},
		{IKE, "aes128-sha256-x25519,", `IKE proposal "": is empty; try "default"`},
		{IKE, "aes256-shaa1-modp2048", `IKE proposal "aes256-shaa1-modp2048": "shaa1" is no keyword; try "sha1"`},
		{IKE, "AES256-sha256-x25519", `IKE proposal "AES256-sha256-x25519": "AES256" is no keyword; try "aes256"`},
		{IKE, "aes256-sha256-x25591", `IKE proposal "aes256-sha256-x25591": "x25591" is no keyword; try "x25519"`},
		{IKE, "aes256--x25519", `IKE proposal "aes256--x25519": has an empty word between two hyphens`},
		{ESP, "qwertyuiop", `ESP proposal "qwertyuiop": "qwertyuiop" is no keyword`},
		{ESP, "des-sha1", `ESP proposal "des-sha1": "des" (DES_CBC) is refused: a key of 56 bits is searched in hours; RFC 8247 §2.1 and RFC 8221 §5: MUST NOT; try "aes256"`},
		{IKE, "aes128-sha256-modpnull", `IKE proposal "aes128-sha256-modpnull": "modpnull" (MODP_NULL) is refused: it is no key exchange at all but a load test's dummy; try "x25519"`},
		{IKE, "aes128-sha256-gost512", `IKE proposal "aes128-sha256-gost512": "gost512" (GOST3410_512) is not implemented in this version; try "x25519"`},
		{ESP, "serpent256-sha256", `ESP proposal "serpent256-sha256": "serpent256" (SERPENT_CBC_256) is refused: never specified for IPsec: the number is strongSwan's own; try "aes256"`},
		{IKE, "null-sha256-x25519", `IKE proposal "null-sha256-x25519": "null" (NULL) is not for IKE; try "aes256"`},
		{IKE, "aes128gmac-prfsha256-x25519", `IKE proposal "aes128gmac-prfsha256-x25519": "aes128gmac" (NULL_AES_GMAC_128) is not for IKE; try "aes256gcm16"`},
		{IKE, "aes256gcm16iiv-prfsha256-x25519", `IKE proposal "aes256gcm16iiv-prfsha256-x25519": "aes256gcm16iiv" (AES_GCM_16_IIV_256) is not for IKE; try "aes256gcm16"`},
		{ESP, "null", `ESP proposal "null": names no integrity algorithm, which NULL needs; try "sha256"`},
		{ESP, "aes128ctr", `ESP proposal "aes128ctr": names no integrity algorithm, which AES_CTR_128 needs; try "sha256"`},
		{ESP, "chacha20poly1305compat", `ESP proposal "chacha20poly1305compat": "chacha20poly1305compat" (CHACHA20_POLY1305_256) is not implemented in this version; try "aes256gcm16"`},
		{IKE, "aes128-sha256-x25519-ke1_mlkem768", `IKE proposal "aes128-sha256-x25519-ke1_mlkem768": requires the additional key exchange ke1_mlkem768 (RFC 9370), which this version understands and cannot do yet: add ke1_none beside it if it may be left out, or remove it`},
		{ESP, "aes128gcm16-x25519-ke1_none-ke3_mlkem1024-ke3_x25519", `ESP proposal "aes128gcm16-x25519-ke1_none-ke3_mlkem1024-ke3_x25519": requires the additional key exchange ke3_mlkem1024 (RFC 9370), which this version understands and cannot do yet: add ke3_none beside it if it may be left out, or remove it`},
		{ESP, "aes128gcm16-none-ke1_mlkem768-ke1_none", `ESP proposal "aes128gcm16-none-ke1_mlkem768-ke1_none": names ke1_mlkem768, and no key exchange that it could be in addition to; try "x25519"`},
		{IKE, "aes128-sha256-ke1_mlkem768-ke1_none", `IKE proposal "aes128-sha256-ke1_mlkem768-ke1_none": names no key exchange; try "x25519"`},
		{IKE, "aes128-sha256-x25519-ke1_modpnull-ke1_none", `IKE proposal "aes128-sha256-x25519-ke1_modpnull-ke1_none": "ke1_modpnull" (KE1_MODP_NULL) is refused: it is no key exchange at all but a load test's dummy`},
		{IKE, "aes128-sha256-x25519-ke1_mlkem786", `IKE proposal "aes128-sha256-x25519-ke1_mlkem786": "ke1_mlkem786" is no keyword; try "ke1_mlkem768"`},
		{IKE, "aes128-sha256-x25519-ke8_qqqqqqqq", `IKE proposal "aes128-sha256-x25519-ke8_qqqqqqqq": "ke8_qqqqqqqq" is no keyword`},
		{IKE, "aes128-sha256-x25519-ke1_aes256", `IKE proposal "aes128-sha256-x25519-ke1_aes256": "ke1_aes256" is no keyword; try "ke1_ecp256"`},
		{IKE, "aes128-sha256-x25519-ke1_ke1_x25519", `IKE proposal "aes128-sha256-x25519-ke1_ke1_x25519": "ke1_ke1_x25519" is no keyword; try "ke1_x25519"`},
		{IKE, "aes128gcm16-x25519", `IKE proposal "aes128gcm16-x25519": names no PRF, and no integrity algorithm to take it from; try "prfsha256"`},
		{IKE, "aes128-sha256", `IKE proposal "aes128-sha256": names no key exchange; try "x25519"`},
		{IKE, "aes128-sha256-none", `IKE proposal "aes128-sha256-none": names no key exchange; try "x25519"`},
		{IKE, "sha256-x25519", `IKE proposal "sha256-x25519": names no encryption algorithm; try "aes256gcm16"`},
		{IKE, "aes128-prfsha256-x25519", `IKE proposal "aes128-prfsha256-x25519": names no integrity algorithm, which AES_CBC_128 needs; try "sha256"`},
		{ESP, "aes128", `ESP proposal "aes128": names no integrity algorithm, which AES_CBC_128 needs; try "sha256"`},
		{ESP, "aes128gcm16, aes256gcm16-aes256-sha256", `ESP proposal "aes256gcm16-aes256-sha256": mixes combined-mode and other encryption algorithms, which need a proposal each`},
		{AH, "aes128", `AH proposal "aes128": names no integrity algorithm; try "sha256"`},
	} {
		got, err := Parse(c.protocol, c.text)
		var parseError *ParseError
		if !errors.As(err, &parseError) || got != nil {
			t.Errorf("Parse(%s, %q) returns %v and %v, want a *ParseError", c.protocol, c.text, got, err)
			continue
		}
		if err.Error() != c.want {
			t.Errorf("Parse(%s, %q) says\n%s, want\n%s", c.protocol, c.text, err, c.want)
		}
	}
}

func TestDefault(t *testing.T) {
	for _, c := range []struct {
		protocol Protocol
		want     []string
	}{
		{IKE, []string{
			"IKE:AES_CBC_128/AES_CBC_192/AES_CBC_256/HMAC_SHA2_256_128/HMAC_SHA2_384_192/HMAC_SHA2_512_256/" +
				"PRF_HMAC_SHA2_256/PRF_HMAC_SHA2_384/PRF_HMAC_SHA2_512/" +
				"CURVE_25519/ECP_256/ECP_384/ECP_521/MODP_3072/MODP_4096/MODP_2048",
			"IKE:AES_GCM_16_128/AES_GCM_16_192/AES_GCM_16_256/CHACHA20_POLY1305/" +
				"PRF_HMAC_SHA2_256/PRF_HMAC_SHA2_384/PRF_HMAC_SHA2_512/" +
				"CURVE_25519/ECP_256/ECP_384/ECP_521/MODP_3072/MODP_4096/MODP_2048",
		}},
		{ESP, []string{
			"ESP:AES_GCM_16_128/AES_GCM_16_192/AES_GCM_16_256/NO_EXT_SEQ",
			"ESP:AES_CBC_128/AES_CBC_192/AES_CBC_256/HMAC_SHA2_256_128/HMAC_SHA2_384_192/HMAC_SHA2_512_256/NO_EXT_SEQ",
		}},
		{AH, []string{"AH:HMAC_SHA2_256_128/HMAC_SHA2_384_192/HMAC_SHA2_512_256/NO_EXT_SEQ"}},
		{Protocol(9), nil},
	} {
		var got []string
		for _, p := range Default(c.protocol) {
			got = append(got, p.String())
			if len(p.Legacy()) != 0 {
				t.Errorf("the default %s contains %v", p, p.Legacy())
			}
			if back := parse(t, c.protocol, p.Keywords()); !reflect.DeepEqual(back[0], p) {
				t.Errorf("the default %s is read back as %s", p, back[0])
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("Default(%s) is\n%s, want\n%s", c.protocol, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

func TestDefaultIsTheCallersOwn(t *testing.T) {
	Default(IKE)[0].Transforms[0] = Transform{}
	Default(ESP)[1].Transforms[0] = Transform{}
	if Default(IKE)[0].Transforms[0] == (Transform{}) || Default(ESP)[1].Transforms[0] == (Transform{}) {
		t.Error("changing what Default returned changes what it returns next")
	}
}

// What is optional is left out, and told.
func TestOptionalAdditionalKeyExchangesAreForgone(t *testing.T) {
	for _, c := range []struct {
		protocol   Protocol
		text, want string
		forgone    []Transform
	}{
		{IKE, "aes256gcm16-prfsha384-x25519-ke1_mlkem768-ke1_none", "aes256gcm16-prfsha384-x25519", []Transform{{Type: ADDKE1, ID: 36}}},
		{IKE, "aes256gcm16-prfsha384-x25519-ke1_none", "aes256gcm16-prfsha384-x25519", nil},
		{ESP, "aes256gcm16-x25519-ke2_none-ke2_mlkem1024-ke7_x448-ke7_none-esn", "aes256gcm16-x25519-esn", []Transform{{Type: ADDKE1 + 1, ID: 37}, {Type: ADDKE7, ID: 32}}},
	} {
		got := parse(t, c.protocol, c.text)
		if len(got) != 1 || got[0].Keywords() != c.want {
			t.Errorf("%q is read as %v, want %s", c.text, got, c.want)
		}
		if forgone := Forgone(c.text); !slices.Equal(forgone, c.forgone) {
			t.Errorf("of %q %v are forgone, want %v", c.text, forgone, c.forgone)
		}
	}
}

// Every word that can be used survives being written and read.
func TestEveryUsableWordRoundTrips(t *testing.T) {
	frame := map[TransformType]string{ENCR: "sha256", INTEG: "aes128", KE: "aes128-sha256", ESN: "aes128-sha256", PRF: "aes128-sha256"}
	for word, tr := range keywords() {
		if s, _ := tr.Status(); !s.Usable() {
			continue
		}
		protocol, text := ESP, word+"-"+frame[tr.Type]
		if tr.Type == PRF {
			protocol, text = IKE, text+"-x25519"
		}
		p := parse(t, protocol, text)[0]
		if !slices.Contains(p.Transforms, tr) {
			t.Errorf("%q is read as %s, without %s", text, p, tr)
		}
		if back := parse(t, protocol, p.Keywords())[0]; !reflect.DeepEqual(back, p) {
			t.Errorf("%s is written %q and read back as %s", p, p.Keywords(), back)
		}
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		transform Transform
		want      string
	}{
		{Transform{ENCR, 20, 256}, "AES_GCM_16_256"},
		{Transform{ENCR, 12, 128}, "AES_CBC_128"},
		{Transform{ENCR, 3, 0}, "3DES_CBC"},
		{Transform{ENCR, 28, 0}, "CHACHA20_POLY1305"},
		{Transform{ENCR, 999, 128}, "UNKNOWN_1_999_128"},
		{Transform{Type: INTEG, ID: 12}, "HMAC_SHA2_256_128"},
		{Transform{Type: INTEG, ID: 0}, "NONE"},
		{Transform{Type: PRF, ID: 2}, "PRF_HMAC_SHA1"},
		{Transform{Type: KE, ID: 31}, "CURVE_25519"},
		{Transform{Type: KE, ID: 2}, "MODP_1024"},
		{Transform{Type: KE, ID: 0}, "KE_NONE"},
		{Transform{Type: ESN, ID: 0}, "NO_EXT_SEQ"},
		{Transform{Type: ESN, ID: 1}, "EXT_SEQ"},
		{Transform{Type: ESN, ID: 2}, "UNKNOWN_5_2"},
		{Transform{Type: ADDKE1, ID: 36}, "KE1_ML_KEM_768"},
		{Transform{Type: ADDKE7, ID: 36}, "KE7_ML_KEM_768"},
		{Transform{Type: 77, ID: 3}, "UNKNOWN_77_3"},
	} {
		if got := c.transform.String(); got != c.want {
			t.Errorf("%#v is called %s, want %s", c.transform, got, c.want)
		}
	}
	for got, want := range map[string]string{
		IKE.String(): "IKE", AH.String(): "AH", ESP.String(): "ESP", Protocol(7).String(): "protocol 7",
		IKE.Setting(): "proposals", AH.Setting(): "ah_proposals", ESP.Setting(): "esp_proposals",
		fmt.Sprint(ENCR, PRF, INTEG, KE, ESN, ADDKE1, ADDKE7, TransformType(99)): "ENCR PRF INTEG KE ESN ADDKE1 ADDKE7 transform type 99",
	} {
		if got != want {
			t.Errorf("a name is %q, want %q", got, want)
		}
	}
}

func TestAHugeProposalPrintsShort(t *testing.T) {
	p := Proposal{Protocol: IKE}
	for id := range uint16(5000) {
		p.Transforms = append(p.Transforms, Transform{Type: KE, ID: id})
	}
	if s := p.String(); len(s) > 2000 || !strings.HasSuffix(s, "and 4936 more") {
		t.Errorf("5000 transforms print as %d octets ending in %q", len(s), s[len(s)-20:])
	}
}

func TestWithoutAndOf(t *testing.T) {
	p := parse(t, ESP, "aes128gcm16-x25519-ecp256-esn")[0]
	if got := p.Without(KE).Keywords(); got != "aes128gcm16-esn" {
		t.Errorf("without KE it is %q", got)
	}
	if got := p.Keywords(); got != "aes128gcm16-x25519-ecp256-esn" {
		t.Errorf("Without changes its receiver to %q", got)
	}
	if got := p.Of(KE); !slices.Equal(got, []Transform{{Type: KE, ID: 31}, {Type: KE, ID: 19}}) {
		t.Errorf("its key exchanges are %v", got)
	}
}

func TestKeywordsOfWhatHasNone(t *testing.T) {
	p := Proposal{ESP, []Transform{{ENCR, 12, 128}, {Type: INTEG, ID: 12}, {Type: ADDKE1, ID: 36}, {Type: KE, ID: 4711}}}
	if got, want := p.Keywords(), "aes128-sha256-UNKNOWN_4_4711-ke1_mlkem768"; got != want {
		t.Errorf("%s is written %q, want %q", p, got, want)
	}
	if _, err := Parse(ESP, p.Keywords()); err == nil {
		t.Error("a proposal with a transform without keyword is read back")
	}
}

func TestLegacyIsNamed(t *testing.T) {
	got := parse(t, IKE, "aes128-sha1-sha256-x25519")[0].Legacy()
	if want := []Transform{{Type: INTEG, ID: 2}, {Type: PRF, ID: 2}}; !slices.Equal(got, want) {
		t.Errorf("the legacy transforms are %v, want %v", got, want)
	}
	for _, tr := range got {
		if _, why := tr.Status(); why == "" {
			t.Errorf("%s does not say why it is legacy", tr)
		}
	}
}

// Each row that is refused or legacy says why; each row has a name; log names are unique within a type.
func TestRowsExplainThemselves(t *testing.T) {
	var all []Transform
	for _, r := range encr.Transforms {
		all = append(all, Transform{Type: ENCR, ID: r.ID})
	}
	for _, r := range prf.Transforms {
		all = append(all, Transform{Type: PRF, ID: r.ID})
	}
	for _, r := range integ.Transforms {
		all = append(all, Transform{Type: INTEG, ID: r.ID})
	}
	for _, r := range ke.Transforms {
		all = append(all, Transform{Type: KE, ID: r.ID})
	}
	names := map[string]bool{}
	for _, tr := range all {
		f := tr.facts()
		if (f.status == status.Refused || f.status == status.Legacy) && f.why == "" {
			t.Errorf("%s is %s and does not say why", tr, f.status)
		}
		if f.log == "" || names[f.log] {
			t.Errorf("%s has no log name of its own", tr)
		}
		names[f.log] = true
	}
}

func FuzzParse(f *testing.F) {
	for _, p := range []Protocol{IKE, AH, ESP} {
		for _, s := range []string{"default", "aes128-sha256-x25519", "aes256gcm16-prfsha384-x25519-esn, default", "des", "none-modpnone-noesn-esn", "ke1_mlkem768", ",-,", "aes128gcm16-aes128"} {
			f.Add(uint8(p), s)
		}
	}
	f.Fuzz(func(t *testing.T, protocol uint8, text string) {
		p := Protocol(protocol%3 + 1)
		got, err := Parse(p, text)
		if err != nil {
			if got != nil || err.Error() == "" {
				t.Fatalf("Parse(%s, %q) returns proposals beside the error %v", p, text, err)
			}
			return
		}
		for _, proposal := range got {
			back, err := Parse(p, proposal.Keywords())
			if err != nil || !reflect.DeepEqual(back[0], proposal) {
				t.Fatalf("%s of %q is written %q, which is read as %v with %v", proposal, text, proposal.Keywords(), back, err)
			}
			chosen, _, ok := Select([]Proposal{proposal}, got, true)
			if !ok {
				t.Fatalf("%s of %q does not agree with itself", proposal, text)
			}
			if _, err := Resolve(chosen); err != nil {
				t.Fatalf("%s was chosen and is not resolved: %v", chosen, err)
			}
		}
	})
}
