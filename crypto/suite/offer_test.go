package suite

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParseOffer(t *testing.T) {
	for _, c := range []struct {
		name     string
		protocol Protocol
		text     string
		want     []string // as String prints them
	}{
		{"keywords", IKE, "aes256-sha256-x25519", []string{"IKE:AES_CBC_256/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/CURVE_25519"}},
		{"keywords of what is refused", IKE, "des-md5-modp768", []string{"IKE:DES_CBC/HMAC_MD5_96/PRF_HMAC_MD5/MODP_768"}},
		{"keywords of what few have", ESP, "serpent256-camelliaxcbc-ntru128", []string{"ESP:SERPENT_CBC_256/CAMELLIA_XCBC_96/NTRU_128/NO_EXT_SEQ"}},
		{"keywords that lack something", ESP, "aes128", []string{"ESP:AES_CBC_128/NO_EXT_SEQ"}},
		{"keywords of additional key exchanges", IKE, "aes256gcm16-prfsha384-x25519-ke1_mlkem768-ke1_none-ke7_mlkem1024", []string{"IKE:AES_GCM_16_256/PRF_HMAC_SHA2_384/CURVE_25519/KE1_ML_KEM_768/KE1_KE_NONE/KE7_ML_KEM_1024"}},
		{"two proposals in keywords, combined mode with a hash for its PRF", IKE, "aes128gcm16-sha256-ecp256, aes128-sha1-modp2048-esn",
			[]string{"IKE:AES_GCM_16_128/PRF_HMAC_SHA2_256/ECP_256", "IKE:AES_CBC_128/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_2048"}},
		{"default", AH, " Default", []string{Default(AH)[0].String()}},
		{"AH drops the cipher", AH, "aes128-sha256", []string{"AH:HMAC_SHA2_256_128/NO_EXT_SEQ"}},

		{"a proposal of a log", ESP, "IKE:AES_CBC_256/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_2048", []string{"IKE:AES_CBC_256/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_2048"}},
		{"algorithms alone", ESP, "AES_CBC_256/HMAC_SHA1_96/NO_EXT_SEQ", []string{"ESP:AES_CBC_256/HMAC_SHA1_96/NO_EXT_SEQ"}},
		{"one algorithm alone", ESP, "AES_GCM_16_256", []string{"ESP:AES_GCM_16_256"}},
		{"a line of charon's log", IKE, "12[CFG] received proposals: IKE:AES_GCM_16_256/PRF_HMAC_SHA2_384/CURVE_25519/KE1_ML_KEM_768, IKE:3DES_CBC/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_1024\n",
			[]string{"IKE:AES_GCM_16_256/PRF_HMAC_SHA2_384/CURVE_25519/KE1_ML_KEM_768", "IKE:3DES_CBC/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_1024"}},
		{"a reason of ours", IKE, `phase 1 IKE_SA_INIT: NO_PROPOSAL_CHOSEN: no proposal in common with 192.0.2.1; offered IKE:AES_CBC_128/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/ECP_256; acceptable IKE:AES_GCM_16_256/PRF_HMAC_SHA2_384/CURVE_25519; add …`,
			[]string{"IKE:AES_CBC_128/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/ECP_256"}},
		{"a reason that was cut off", ESP, "offered ESP:AES_CBC_128/HMAC_SHA2_256_128/NO_EXT_SEQ, ESP:AES_GCM_1…; acceptable …", []string{"ESP:AES_CBC_128/HMAC_SHA2_256_128/NO_EXT_SEQ"}},
		{"what swanctl lists", IKE, "AES_CBC-256/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/CURVE_25519", []string{"IKE:AES_CBC_256/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/CURVE_25519"}},
		{"the names of IANA", ESP, "ENCR_AES_GCM_16_256/MODP_NONE/EXT_SEQ", []string{"ESP:AES_GCM_16_256/KE_NONE/EXT_SEQ"}},
		{"what has no name", ESP, "ESP:UNKNOWN_1_999_128/UNKNOWN_13_1/NO_EXT_SEQ", []string{"ESP:UNKNOWN_1_999_128/NO_EXT_SEQ/UNKNOWN_13_1"}},
		{"NONE", ESP, "ESP:AES_GCM_16_256/NONE/NO_EXT_SEQ", []string{"ESP:AES_GCM_16_256/NONE/NO_EXT_SEQ"}},
	} {
		got, err := ParseOffer(c.protocol, c.text)
		var texts []string
		for _, p := range got {
			texts = append(texts, p.String())
		}
		if err != nil || !slices.Equal(texts, c.want) {
			t.Errorf("%s: %q is read as %q with %v, want %q", c.name, c.text, texts, err, c.want)
		}
	}
}

func TestParseOfferErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                              `IKE proposal "": is empty; try "default"`,
		"aes256-sha1,":                  `IKE proposal "": is empty; try "default"`,
		"aes256-nonsense":               `IKE proposal "aes256-nonsense": "nonsense" is no keyword; try "none"`,
		"aes257":                        `IKE proposal "aes257": "aes257" is no keyword; try "aes256"`,
		"IKE:AES_CBC_256/NONSENSE":      `IKE proposal "IKE:AES_CBC_256/NONSENSE": "NONSENSE" is no algorithm that goswan or strongSwan logs`,
		"IKE:HMAC_SHA1_96_96":           `IKE proposal "IKE:HMAC_SHA1_96_96": "HMAC_SHA1_96_96" is no algorithm that goswan or strongSwan logs`,
		"IKE:AES_CBC_256, XYZ:AES":      `IKE proposal "XYZ:AES": "XYZ" is no protocol that has proposals`,
		"ESP:UNKNOWN_1":                 `ESP proposal "ESP:UNKNOWN_1": "UNKNOWN_1" is no algorithm that goswan or strongSwan logs`,
		"ESP:UNKNOWN_999_1":             `ESP proposal "ESP:UNKNOWN_999_1": "UNKNOWN_999_1" is no algorithm that goswan or strongSwan logs`,
		"ESP:(1234)/NO_EXT_SEQ":         `ESP proposal "ESP:(1234)/NO_EXT_SEQ": "(1234)" is no algorithm that goswan or strongSwan logs`,
		"IKE:KE1_KE2_X":                 `IKE proposal "IKE:KE1_KE2_X": "KE1_KE2_X" is no algorithm that goswan or strongSwan logs`,
		"A_B…":                          `IKE proposal "A_B…": has no proposal in it`,
		strings.Repeat("a", maxOffer+1): `IKE proposal "": is longer than 65536 octets`,
	} {
		got, err := ParseOffer(IKE, text)
		var parseError *ParseError
		if !errors.As(err, &parseError) || got != nil || err.Error() != want {
			t.Errorf("%.40q is read as %v with\n%v, want\n%s", text, got, err, want)
		}
	}
}

// Each word and each name stands for a transform, whatever its standing, and both mean the same.
func TestEveryWordAndNameIsAnOffer(t *testing.T) {
	for word, tr := range keywords() {
		name := tr.String()
		fromWord, err := parseWords(ESP, word)
		fromName, ok := lookupLogged(name)
		if err != nil || !ok || fromName != tr {
			t.Errorf("%q is %v with %v, and %q is %v", word, fromWord, err, name, fromName)
		}
		if tr.Type == PRF {
			continue // ESP has none
		}
		if !slices.Contains(fromWord.Transforms, tr) {
			t.Errorf("%q is read as %s, without %s", word, fromWord, tr)
		}
	}
}

// What is logged is read back, whatever the peer sent.
func FuzzParseOffer(f *testing.F) {
	for _, s := range []string{"aes256-sha256-x25519", "received proposals: IKE:AES_CBC_256/MODP_1024, ESP:NONE", "KE1_ML_KEM_768/KE_NONE", "UNKNOWN_1_2_3", "default", "A/B; IKE:", "IKE:AES_CBC_65535"} {
		f.Add(uint8(1), s)
	}
	f.Fuzz(func(t *testing.T, protocol uint8, text string) {
		got, err := ParseOffer(Protocol(protocol%3+1), text)
		if err != nil {
			if got != nil || err.Error() == "" {
				t.Fatalf("%q is read as %v beside the error %v", text, got, err)
			}
			return
		}
		for _, p := range got[:min(8, len(got))] { // a text can hold thousands
			if len(p.Transforms) > longest {
				continue // String leaves some out
			}
			back, err := ParseOffer(AH, p.String())
			if err != nil || len(back) != 1 || !reflect.DeepEqual(back[0], p) {
				t.Fatalf("%s of %q is read back as %v with %v", p, text, back, err)
			}
		}
		_ = Nearest(got, Default(IKE)).String()
	})
}
