package suite

import (
	"slices"
	"strings"
	"testing"
)

// added is what the peer could send and Parse would refuse.
var (
	tDES, tMODPNull = Transform{Type: ENCR, ID: 2}, Transform{Type: KE, ID: 1024}
	tNobodys        = Transform{Type: KE, ID: 4711}
	tPRFSHA1        = Transform{Type: PRF, ID: 2}
	tMLKEM          = Transform{Type: ADDKE1, ID: 36}
)

func TestNearest(t *testing.T) {
	for _, c := range []struct {
		name              string
		offered, accepted []Proposal
		missing           []TransformType
		add, ask          string
		says              string
	}{
		{"integrity and PRF", offer(t, IKE, "aes256-sha512-modp2048"), offer(t, IKE, "aes256-sha256-modp2048"), []TransformType{INTEG, PRF}, "aes256-sha512-modp2048", "aes256-sha256-modp2048",
			"the peer offered IKE:AES_CBC_256/HMAC_SHA2_512_256/PRF_HMAC_SHA2_512/MODP_2048, this connection accepts IKE:AES_CBC_256/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/MODP_2048; " +
				"no INTEG in common: offered is HMAC_SHA2_512_256, accepted is HMAC_SHA2_256_128; no PRF in common: offered is PRF_HMAC_SHA2_512, accepted is PRF_HMAC_SHA2_256; " +
				"add `aes256-sha512-modp2048` to `proposals`"},
		{"a legacy offer", offer(t, IKE, "aes256-sha1-modp2048"), offer(t, IKE, "aes256-sha256-modp2048"), []TransformType{INTEG, PRF}, "aes256-sha1-modp2048", "aes256-sha256-modp2048",
			"add `aes256-sha1-modp2048` to `proposals`, though HMAC_SHA1_96 is weak by today's measure (RFC 8247 §2.3 expects it to be withdrawn (MUST-)) and " +
				"PRF_HMAC_SHA1 is weak by today's measure (RFC 8247 §2.2 expects it to be withdrawn (MUST-)); better let the peer offer `aes256-sha256-modp2048`"},
		{"the nearer of two", offer(t, ESP, "aes256-sha256-x25519", "aes128gcm16-x25519"), offer(t, ESP, "aes128gcm16-ecp256"), []TransformType{KE}, "aes128gcm16-x25519", "aes128gcm16-ecp256", "`esp_proposals`"},
		{"the key exchange is less than the cipher", offer(t, IKE, "aes256gcm16-prfsha256-ecp256", "aes128gcm16-prfsha256-x25519"), offer(t, IKE, "aes128gcm16-prfsha256-ecp256"), []TransformType{ENCR},
			"aes256gcm16-prfsha256-ecp256", "aes128gcm16-prfsha256-ecp256", "AES_GCM_16_128"},
		{"a key length is less than a cipher", offer(t, ESP, "chacha20poly1305", "aes256gcm16"), offer(t, ESP, "aes128gcm16"), []TransformType{ENCR}, "aes256gcm16", "aes128gcm16",
			"the peer offered ESP:AES_GCM_16_256/NO_EXT_SEQ, this"},
		{"a sound remedy before a near one", offer(t, IKE, "aes256-sha1-modp2048", "aes128gcm16-prfsha256-x25519"), offer(t, IKE, "aes256-sha1-modp4096"), []TransformType{KE},
			"aes128gcm16-prfsha256-x25519", "aes256-sha1-modp4096", "the peer offered IKE:AES_CBC_256/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_2048, this connection accepts IKE:AES_CBC_256/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_4096; " +
				"no KE in common: offered is MODP_2048, accepted is MODP_4096; add `aes128gcm16-prfsha256-x25519` to `proposals`"},
		{"the remedy keeps the strength", offer(t, ESP, "aes128gcm16-x25519", "aes256gcm16-ecp384"), offer(t, ESP, "aes256gcm16-ecp521"), []TransformType{KE}, "aes256gcm16-ecp384", "aes256gcm16-ecp521", "ECP_384"},
		{"the transform that keeps the strength", offer(t, IKE, "aes256gcm16-prfsha384-modp2048-x25519-ecp521"), offer(t, IKE, "aes256gcm16-prfsha384-ecp384"), []TransformType{KE},
			"aes256gcm16-prfsha384-ecp521", "aes256gcm16-prfsha384-ecp384", "ECP_384"},
		{"what is accepted stays", offer(t, IKE, "aes128-aes256-sha1-sha256-prfsha256-x25519"), offer(t, IKE, "aes256-sha256-ecp256"), []TransformType{KE}, "aes256-sha256-x25519", "aes256-sha256-ecp256", "no KE in common"},
		{"sound before legacy", offer(t, ESP, "aes128-sha1-sha512"), offer(t, ESP, "aes128-sha256"), []TransformType{INTEG}, "aes128-sha512", "aes128-sha256", "add `aes128-sha512`"},
		{"a group that nobody knows", raw(IKE, tAES256, tSHA1, tPRFSHA1, tNobodys), offer(t, IKE, "aes256-sha1-modp2048"), []TransformType{KE}, "", "aes256-sha1-modp2048",
			"; no KE in common: offered is UNKNOWN_4_4711, accepted is MODP_2048; UNKNOWN_4_4711 is not implemented in this version; let the peer offer `aes256-sha1-modp2048`, which is in `proposals`"},
		{"a group that is refused", raw(IKE, tAES256, tSHA1, tPRFSHA1, tMODPNull), offer(t, IKE, "aes256-sha1-modp2048"), []TransformType{KE}, "", "aes256-sha1-modp2048",
			"dummy; let the peer offer `aes256-sha1-modp2048`"},
		{"a cipher that is refused, and one that is not", append(raw(ESP, tDES, tSHA256, tNoESN), offer(t, ESP, "aes128-sha256")...), offer(t, ESP, "aes256-sha256"), []TransformType{ENCR}, "aes128-sha256", "aes256-sha256",
			"no ENCR in common: offered is AES_CBC_128, accepted is AES_CBC_256; add"},
		{"a cipher that is not for IKE", raw(IKE, Transform{Type: ENCR, ID: 11}, tSHA256, tPRF256, tX25519), offer(t, IKE, "aes256-sha256-x25519"), []TransformType{ENCR}, "", "aes256-sha256-x25519",
			"; NULL is not for IKE; let the peer offer `aes256-sha256-x25519`"},
		{"one that is, beside it", raw(IKE, Transform{Type: ENCR, ID: 11}, tAES128, tSHA256, tPRF256, tX25519), offer(t, IKE, "aes256-sha256-x25519"), []TransformType{ENCR}, "aes128-sha256-x25519", "aes256-sha256-x25519", "add"},
		{"PFS wanted here", offer(t, ESP, "aes256gcm16"), offer(t, ESP, "aes256gcm16-x25519"), []TransformType{KE}, "aes256gcm16", "aes256gcm16-x25519",
			"a key exchange is required here (CURVE_25519), and none is offered; add `aes256gcm16` to `esp_proposals`, though it gives up perfect forward secrecy; better let the peer offer `aes256gcm16-x25519`"},
		{"PFS wanted there", offer(t, ESP, "aes256gcm16-x25519"), offer(t, ESP, "aes256gcm16"), []TransformType{KE}, "aes256gcm16-x25519", "aes256gcm16", "the offer insists on a key exchange (CURVE_25519), and none is configured; add"},
		{"ESN wanted there", offer(t, ESP, "aes256gcm16-esn"), offer(t, ESP, "aes256gcm16"), []TransformType{ESN}, "aes256gcm16-esn", "aes256gcm16", "the offer insists on extended sequence numbers"},
		{"ESN wanted here", offer(t, ESP, "aes256gcm16"), offer(t, ESP, "aes256gcm16-esn"), []TransformType{ESN}, "aes256gcm16", "aes256gcm16-esn", "extended sequence numbers are required here, and not offered"},
		{"combined mode against the other kind", offer(t, ESP, "aes256gcm16"), offer(t, ESP, "aes256-sha256"), []TransformType{ENCR}, "aes256gcm16", "aes256-sha256",
			"the offer encrypts in combined mode (AES_GCM_16_256), accepted is encryption with an integrity algorithm apart (AES_CBC_256)"},
		{"the other kind against combined mode", offer(t, ESP, "aes256-sha256"), offer(t, ESP, "aes256gcm16"), []TransformType{ENCR}, "aes256-sha256", "aes256gcm16",
			"the offer has encryption with an integrity algorithm apart (AES_CBC_256), accepted is combined mode (AES_GCM_16_256)"},
		{"encryption without integrity", raw(ESP, tAES256, tNoESN), offer(t, ESP, "aes256-sha256"), []TransformType{INTEG}, "", "aes256-sha256", "no INTEG is offered, accepted is HMAC_SHA2_256_128; let the peer offer `aes256-sha256`"},
		{"no key exchange for an IKE SA", raw(IKE, tGCM256, tPRF256), offer(t, IKE, "aes256gcm16-prfsha256-x25519"), []TransformType{KE}, "", "aes256gcm16-prfsha256-x25519", "a key exchange is required here (CURVE_25519), and none is offered; let"},
		{"AH", offer(t, AH, "sha256"), offer(t, AH, "sha512"), []TransformType{INTEG}, "sha256", "sha512", "`ah_proposals`"},
		{"an additional key exchange", raw(IKE, tGCM256, tPRF256, tX25519, tMLKEM), offer(t, IKE, "aes256gcm16-prfsha256-x25519"), []TransformType{ADDKE1}, "", "aes256gcm16-prfsha256-x25519",
			"the offer insists on the additional key exchange KE1_ML_KEM_768; KE1_ML_KEM_768 is not implemented in this version; let the peer offer `aes256gcm16-prfsha256-x25519`"},
		{"a type that nobody knows", raw(ESP, tGCM256, tNoESN, Transform{Type: 13, ID: 1}), offer(t, ESP, "aes256gcm16"), []TransformType{13}, "", "aes256gcm16", "the offer has transforms of transform type 13, which this version does not know"},
		{"nothing offered", nil, Default(IKE), nil, "", "aes128-sha256-x25519", "the peer offered no proposal"},
		{"nothing in what is offered", raw(IKE), Default(IKE), []TransformType{ENCR, PRF, KE}, "", "aes128gcm16-prfsha256-x25519", "the peer offered no proposal"},
		{"nothing accepted", offer(t, ESP, "aes128gcm16"), nil, nil, "", "", "the peer offered ESP:AES_GCM_16_128/NO_EXT_SEQ, and no proposal is configured"},
		{"another protocol", offer(t, AH, "sha256"), offer(t, ESP, "aes128gcm16"), nil, "", "aes128gcm16", "the peer offered AH:HMAC_SHA2_256_128/NO_EXT_SEQ, this connection accepts ESP:AES_GCM_16_128/NO_EXT_SEQ"},
	} {
		m := Nearest(c.offered, c.accepted)
		if !slices.Equal(m.Missing, c.missing) || m.Ours.Keywords != c.add || m.Ask != c.ask {
			t.Errorf("%s: missing is %v and the advice %q here and %q there, want %v and %q and %q", c.name, m.Missing, m.Ours.Keywords, m.Ask, c.missing, c.add, c.ask)
		}
		if !strings.Contains(m.String(), c.says) {
			t.Errorf("%s: the sentence is\n%s, want in it\n%s", c.name, m, c.says)
		}
		follow(t, c.name, m, c.offered, c.accepted)
	}
}

// follow follows both pieces of advice.
func follow(t *testing.T, name string, m Mismatch, offered, accepted []Proposal) {
	t.Helper()
	if m.Ours.Keywords != "" {
		if _, _, ok := Select(offered, parse(t, m.Offered.Protocol, m.Ours.Keywords), true); !ok {
			t.Errorf("%s: following the advice %q does not help", name, m.Ours.Keywords)
		}
	}
	if m.Ask != "" {
		if _, _, ok := Select(parse(t, m.Accepted.Protocol, m.Ask), accepted, true); !ok {
			t.Errorf("%s: that the peer offers %q does not help", name, m.Ask)
		}
	}
}

// What is added for a Child SA of IKE_AUTH, where no key exchange is offered, has the one of the configuration.
func TestNearestInAuthKeepsForwardSecrecy(t *testing.T) {
	m := NearestInAuth(offer(t, ESP, "aes256gcm16"), offer(t, ESP, "aes128gcm16-x25519-ecp256"))
	if m.Ours.Keywords != "aes256gcm16-x25519-ecp256" || m.Ours.WithoutPFS || m.Ask != "aes128gcm16-x25519" {
		t.Errorf("the advice is %+v here and %q there", m.Ours, m.Ask)
	}
	if want := []TransformType{ENCR}; !slices.Equal(m.Missing, want) {
		t.Errorf("missing is %v, want %v: IKE_AUTH has no key exchange for the Child SA", m.Missing, want)
	}
	m = NearestInAuth(offer(t, ESP, "aes256gcm16-x25519"), offer(t, ESP, "aes128gcm16"))
	if m.Ours.Keywords != "aes256gcm16" || m.Ours.WithoutPFS || !slices.Equal(m.Missing, []TransformType{ENCR}) {
		t.Errorf("a key exchange where there is none: the advice is %+v and missing is %v", m.Ours, m.Missing)
	}
}

func TestCompareNamesEachObjection(t *testing.T) {
	o := Proposal{IKE, []Transform{tAES256, tAES128, tDES, tSHA1, tPRFSHA1, tMODPNull, tNobodys, tECP256}}
	got := map[TransformType][]string{}
	gaps := map[TransformType]Gap{}
	for _, c := range Compare(o, parse(t, IKE, "aes192-sha256-x25519")[0]) {
		gaps[c.Type] = c.Gap
		for _, objection := range c.Objections {
			got[c.Type] = append(got[c.Type], objection.String())
		}
	}
	for kind, want := range map[TransformType][]string{
		ENCR: {"AES_CBC_256 is not configured, only a key of 192 bits is", "AES_CBC_128 is not configured, only a key of 192 bits is",
			"DES_CBC is refused: a key of 56 bits is searched in hours; RFC 8247 §2.1 and RFC 8221 §5: MUST NOT"},
		INTEG: {"HMAC_SHA1_96 is not configured"},
		PRF:   {"PRF_HMAC_SHA1 is not configured"},
		KE: {"MODP_NULL is refused: it is no key exchange at all but a load test's dummy",
			"UNKNOWN_4_4711 is not implemented in this version", "ECP_256 is not configured"},
	} {
		if !slices.Equal(got[kind], want) {
			t.Errorf("%s: the objections are %q, want %q", kind, got[kind], want)
		}
	}
	if gaps[ENCR] != KeyLength || gaps[INTEG] != Apart || gaps[KE] != Apart {
		t.Errorf("the gaps are %v", gaps)
	}
}

func TestStrengthIsThatOfTheWeakest(t *testing.T) {
	for text, want := range map[string]struct {
		bits    int
		weakest string
	}{
		"aes256gcm16-prfsha384-x25519":    {128, "CURVE_25519"},
		"aes256-sha512-ecp521":            {256, "AES_CBC_256"},
		"aes256-sha1-prfsha256-modp4096":  {96, "HMAC_SHA1_96"},
		"chacha20poly1305-prfsha1-ecp384": {80, "PRF_HMAC_SHA1"},
	} {
		if bits, weakest := parse(t, IKE, text)[0].Strength(); bits != want.bits || weakest.String() != want.weakest {
			t.Errorf("%s has %d bits for %s, want %d for %s", text, bits, weakest, want.bits, want.weakest)
		}
	}
	if bits, _ := (Proposal{ESP, []Transform{tNobodys, tNoESN}}).Strength(); bits != 0 {
		t.Errorf("what nobody knows has a strength of %d bits", bits)
	}
}

// A stranger can send as much as fits into a message before anything is known of him; the diagnosis stays short.
func TestTheDiagnosisOfAHugeOfferIsShort(t *testing.T) {
	var huge []Proposal
	for range 40 {
		p := Proposal{Protocol: IKE}
		for id := range uint16(200) {
			p.Transforms = append(p.Transforms, Transform{Type: TransformType(1 + id%7), ID: 5000 + id, KeyBits: id})
		}
		huge = append(huge, p)
	}
	if _, _, ok := Select(huge, Default(IKE), false); ok {
		t.Error("something is chosen of transforms that nobody knows")
	}
	if s := Nearest(huge, Default(IKE)).String(); len(s) > 4096 {
		t.Errorf("the diagnosis has %d octets", len(s))
	}
}
