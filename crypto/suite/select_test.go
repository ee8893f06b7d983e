package suite

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// offer builds the proposals of a peer out of keywords, with what Parse would refuse appended raw.
func offer(t testing.TB, p Protocol, texts ...string) []Proposal {
	t.Helper()
	var out []Proposal
	for _, text := range texts {
		out = append(out, parse(t, p, text)...)
	}
	return out
}

func raw(p Protocol, transforms ...Transform) []Proposal { return []Proposal{{p, transforms}} }

var (
	tAES128, tAES256 = Transform{ENCR, 12, 128}, Transform{ENCR, 12, 256}
	tGCM256          = Transform{ENCR, 20, 256}
	tGCM128          = Transform{ENCR, 20, 128}
	tSHA1, tSHA256   = Transform{Type: INTEG, ID: 2}, Transform{Type: INTEG, ID: 12}
	tPRF256          = Transform{Type: PRF, ID: 5}
	tX25519          = Transform{Type: KE, ID: 31}
	tECP256          = Transform{Type: KE, ID: 19}
	tNoKE            = Transform{Type: KE, ID: none}
	tNoInteg         = Transform{Type: INTEG, ID: none}
	tNoESN, tESN     = Transform{Type: ESN, ID: noESN}, Transform{Type: ESN, ID: useESN}
)

func TestSelect(t *testing.T) {
	for _, c := range []struct {
		name              string
		offered, accepted []Proposal
		preferOffered     bool
		want              string // empty: nothing to choose
		index             int
	}{
		{"our order of proposals", offer(t, ESP, "aes128gcm16", "aes256gcm16"), offer(t, ESP, "aes256gcm16", "aes128gcm16"), false, "ESP:AES_GCM_16_256/NO_EXT_SEQ", 1},
		{"the peer's order of proposals", offer(t, ESP, "aes128gcm16", "aes256gcm16"), offer(t, ESP, "aes256gcm16", "aes128gcm16"), true, "ESP:AES_GCM_16_128/NO_EXT_SEQ", 0},
		{"our order of transforms", offer(t, IKE, "aes128-aes256-sha1-sha256-prfsha1-prfsha256-ecp256-x25519"), offer(t, IKE, "aes256-aes128-sha256-sha1-x25519-ecp256"), false,
			"IKE:AES_CBC_256/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/CURVE_25519", 0},
		{"the peer's order of transforms", offer(t, IKE, "aes128-aes256-sha1-sha256-prfsha1-prfsha256-ecp256-x25519"), offer(t, IKE, "aes256-aes128-sha256-sha1-x25519-ecp256"), true,
			"IKE:AES_CBC_128/HMAC_SHA1_96/PRF_HMAC_SHA1/ECP_256", 0},
		{"the protocol differs", offer(t, AH, "sha256"), offer(t, ESP, "aes128-sha256"), true, "", 0},
		{"the protocol of the second fits", append(offer(t, AH, "sha256"), offer(t, ESP, "aes128-sha256")...), offer(t, ESP, "aes128-sha256"), true, "ESP:AES_CBC_128/HMAC_SHA2_256_128/NO_EXT_SEQ", 1},
		{"the key length differs", offer(t, ESP, "aes128gcm16"), offer(t, ESP, "aes256gcm16"), true, "", 0},
		{"no Key Length attribute", raw(ESP, Transform{Type: ENCR, ID: 20}, tNoESN), offer(t, ESP, "aes256gcm16"), true, "", 0},
		{"nothing offered", nil, Default(IKE), true, "", 0},
		{"a proposal without transforms", raw(IKE), Default(IKE), true, "", 0},
		{"nothing accepted", Default(IKE), nil, false, "", 0},
		{"AH", offer(t, AH, "sha1-sha256"), offer(t, AH, "sha256"), true, "AH:HMAC_SHA2_256_128/NO_EXT_SEQ", 0},

		{"combined mode, NONE for integrity", raw(ESP, tGCM256, tNoInteg, tNoESN), offer(t, ESP, "aes256gcm16"), true, "ESP:AES_GCM_16_256/NO_EXT_SEQ", 0},
		{"combined mode and others in one offer, ours combined", raw(ESP, tAES256, tGCM256, tSHA256, tNoESN), offer(t, ESP, "aes256gcm16"), true, "ESP:AES_GCM_16_256/NO_EXT_SEQ", 0},
		{"combined mode and others in one offer, ours apart", raw(ESP, tGCM256, tAES256, tSHA256, tNoESN), offer(t, ESP, "aes256-sha256"), true, "ESP:AES_CBC_256/HMAC_SHA2_256_128/NO_EXT_SEQ", 0},
		{"encryption without integrity", raw(ESP, tAES256, tNoESN), offer(t, ESP, "aes256-sha256"), true, "", 0},
		{"encryption with integrity NONE", raw(ESP, tAES256, tNoInteg, tNoESN), offer(t, ESP, "aes256-sha256"), true, "", 0},
		{"integrity NONE among others", raw(ESP, tAES256, tNoInteg, tSHA256, tNoESN), offer(t, ESP, "aes256-sha256"), true, "ESP:AES_CBC_256/HMAC_SHA2_256_128/NO_EXT_SEQ", 0},
		{"no PRF", raw(IKE, tGCM256, tX25519), offer(t, IKE, "aes256gcm16-prfsha256-x25519"), true, "", 0},
		{"no key exchange", raw(IKE, tGCM256, tPRF256), offer(t, IKE, "aes256gcm16-prfsha256-x25519"), true, "", 0},
		{"NONE for key exchange of an IKE SA", raw(IKE, tGCM256, tPRF256, tNoKE), offer(t, IKE, "aes256gcm16-prfsha256-x25519"), true, "", 0},

		{"PFS on both sides", offer(t, ESP, "aes256gcm16-x25519"), offer(t, ESP, "aes256gcm16-ecp256-x25519"), true, "ESP:AES_GCM_16_256/CURVE_25519/NO_EXT_SEQ", 0},
		{"PFS wanted here", offer(t, ESP, "aes256gcm16"), offer(t, ESP, "aes256gcm16-x25519"), true, "", 0},
		{"PFS wanted there", offer(t, ESP, "aes256gcm16-x25519"), offer(t, ESP, "aes256gcm16"), true, "", 0},
		{"PFS optional there", offer(t, ESP, "aes256gcm16-x25519-none"), offer(t, ESP, "aes256gcm16"), true, "ESP:AES_GCM_16_256/NO_EXT_SEQ", 0},
		{"PFS optional here", offer(t, ESP, "aes256gcm16"), offer(t, ESP, "aes256gcm16-x25519-none"), true, "ESP:AES_GCM_16_256/NO_EXT_SEQ", 0},
		{"PFS optional on both sides", offer(t, ESP, "aes256gcm16-none-x25519"), offer(t, ESP, "aes256gcm16-x25519-none"), false, "ESP:AES_GCM_16_256/CURVE_25519/NO_EXT_SEQ", 0},
		{"PFS optional, no group in common", offer(t, ESP, "aes256gcm16-x25519-none"), offer(t, ESP, "aes256gcm16-ecp256-none"), false, "ESP:AES_GCM_16_256/NO_EXT_SEQ", 0},
		{"PFS, no group in common", offer(t, ESP, "aes256gcm16-x25519"), offer(t, ESP, "aes256gcm16-ecp256"), false, "", 0},

		{"ESN on both sides", offer(t, ESP, "aes256gcm16-esn-noesn"), offer(t, ESP, "aes256gcm16-esn"), true, "ESP:AES_GCM_16_256/EXT_SEQ", 0},
		{"ESN there only", offer(t, ESP, "aes256gcm16-esn"), offer(t, ESP, "aes256gcm16"), true, "", 0},
		{"ESN here only", offer(t, ESP, "aes256gcm16"), offer(t, ESP, "aes256gcm16-esn"), true, "", 0},
		{"nothing said of ESN", raw(ESP, tGCM256), offer(t, ESP, "aes256gcm16"), true, "ESP:AES_GCM_16_256", 0},
		{"nothing said of ESN, which is wanted here", raw(ESP, tGCM256), offer(t, ESP, "aes256gcm16-esn"), true, "", 0},
		{"nothing said of ESN here", raw(ESP, tGCM256, tESN, tNoESN), raw(ESP, tGCM256), true, "ESP:AES_GCM_16_256/NO_EXT_SEQ", 0},

		{"an additional key exchange", raw(IKE, tGCM256, tPRF256, tX25519, Transform{Type: ADDKE1, ID: 36}), offer(t, IKE, "aes256gcm16-prfsha256-x25519"), true, "", 0},
		{"an optional additional key exchange", raw(IKE, tGCM256, tPRF256, tX25519, Transform{Type: ADDKE1, ID: 36}, Transform{Type: ADDKE1}), offer(t, IKE, "aes256gcm16-prfsha256-x25519"), true,
			"IKE:AES_GCM_16_256/PRF_HMAC_SHA2_256/CURVE_25519", 0},
		{"a type that nobody knows", raw(ESP, tGCM256, tNoESN, Transform{Type: 13, ID: 0}), offer(t, ESP, "aes256gcm16"), true, "", 0},
		{"the second proposal when the first has a type that nobody knows",
			append(raw(ESP, tGCM256, tNoESN, Transform{Type: 13, ID: 1}), offer(t, ESP, "aes256gcm16")...), offer(t, ESP, "aes256gcm16"), true, "ESP:AES_GCM_16_256/NO_EXT_SEQ", 1},
	} {
		chosen, index, ok := Select(c.offered, c.accepted, c.preferOffered)
		got := ""
		if ok {
			got = chosen.String()
		}
		if got != c.want || index != c.index {
			t.Errorf("%s: chosen is %q of proposal %d, want %q of proposal %d", c.name, got, index, c.want, c.index)
		}
		if ok {
			if _, err := Resolve(chosen); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
}

// Whatever is chosen was offered and is accepted, has one transform a type, and resolves; and the two orders of
// preference agree on whether anything is chosen.
func TestSelectOnRandomProposals(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var words []string
	for w, tr := range keywords() {
		if s, _ := tr.Status(); s.Usable() {
			words = append(words, w)
		}
	}
	list := func(p Protocol) (out []Proposal) {
		for range 1 + random.IntN(3) {
			for {
				var some []string
				for range 2 + random.IntN(8) {
					some = append(some, words[random.IntN(len(words))])
				}
				if ps, err := Parse(p, strings.Join(some, "-")); err == nil {
					out = append(out, ps...)
					break
				}
			}
		}
		return out
	}
	found := 0
	for range 3000 {
		p := []Protocol{IKE, AH, ESP}[random.IntN(3)]
		offered, accepted := list(p), list(p)
		chosen, i, ok := Select(offered, accepted, true)
		other, j, ok2 := Select(offered, accepted, false)
		if ok != ok2 {
			t.Fatalf("%v and %v: preferring the peer's order finds %v, ours %v", offered, accepted, ok, ok2)
		}
		if !ok {
			m := Nearest(offered, accepted)
			if len(m.Missing) == 0 || m.Ours.Keywords == "" || m.Ask == "" {
				t.Fatalf("%v and %v: nothing is chosen, and yet Nearest finds %+v", offered, accepted, m)
			}
			if _, _, ok := Select(offered, append(accepted, parse(t, p, m.Ours.Keywords)...), true); !ok {
				t.Fatalf("%v and %v: adding %q does not help", offered, accepted, m.Ours.Keywords)
			}
			if _, _, ok := Select(parse(t, p, m.Ask), accepted, true); !ok {
				t.Fatalf("%v and %v: that the peer offers %q does not help", offered, accepted, m.Ask)
			}
			continue
		}
		found++
		for _, c := range []struct {
			chosen Proposal
			from   Proposal
		}{{chosen, offered[i]}, {other, offered[j]}} {
			if _, err := Resolve(c.chosen); err != nil {
				t.Fatalf("%s: %v", c.chosen, err)
			}
			for _, tr := range c.chosen.Transforms {
				if !slices.Contains(c.from.Transforms, tr) {
					t.Fatalf("%s of %s was chosen and not offered", tr, c.chosen)
				}
			}
		}
	}
	if found < 100 {
		t.Errorf("only %d of 3000 random negotiations succeed: the test tests nothing", found)
	}
}

func TestResolveRefuses(t *testing.T) {
	for what, p := range map[string]Proposal{
		"two encryption algorithms":        {ESP, []Transform{tGCM128, tGCM256, tNoESN}},
		"no encryption algorithm":          {ESP, []Transform{tSHA256, tNoESN}},
		"no integrity algorithm":           {ESP, []Transform{tAES128, tNoESN}},
		"integrity NONE":                   {ESP, []Transform{tAES128, tNoInteg, tNoESN}},
		"no PRF":                           {IKE, []Transform{tGCM128, tX25519}},
		"no key exchange":                  {IKE, []Transform{tGCM128, tPRF256}},
		"key exchange NONE":                {IKE, []Transform{tGCM128, tPRF256, tNoKE}},
		"an encryption nobody has":         {ESP, []Transform{{ENCR, 999, 0}, tNoESN}},
		"NULL encryption of the IKE SA":    {IKE, []Transform{{ENCR, 11, 0}, tSHA256, tPRF256, tX25519}},
		"GMAC for the IKE SA":              {IKE, []Transform{{ENCR, 21, 128}, tPRF256, tX25519}},
		"an implicit IV in IKE":            {IKE, []Transform{{ENCR, 30, 128}, tPRF256, tX25519}},
		"integrity that is not for ESP":    {ESP, []Transform{tAES128, {Type: INTEG, ID: 9}, tNoESN}},
		"an encryption that is refused":    {ESP, []Transform{{ENCR, 2, 0}, tSHA256, tNoESN}},
		"a key length that nobody has":     {ESP, []Transform{{ENCR, 20, 512}, tNoESN}},
		"no key length":                    {ESP, []Transform{{ENCR, 20, 0}, tNoESN}},
		"a key length too many":            {ESP, []Transform{{ENCR, 28, 256}, tNoESN}},
		"a third kind of sequence numbers": {ESP, []Transform{tGCM128, {Type: ESN, ID: 2}}},
		"an additional key exchange":       {IKE, []Transform{tGCM128, tPRF256, tX25519, {Type: ADDKE1, ID: 19}}},
		"a type that nobody knows":         {ESP, []Transform{tGCM128, {Type: 13, ID: 1}}},
		"nothing":                          {IKE, nil},
		"AH without integrity":             {AH, []Transform{tNoESN}},
	} {
		if s, err := Resolve(p); err == nil {
			t.Errorf("%s: %s resolves to %v", what, p, s.Proposal)
		}
	}
}

func TestResolve(t *testing.T) {
	s := resolveOne(t, IKE, "aes256-sha384-ecp256")
	if s.Encr.Name != "ENCR_AES_CBC" || s.EncrKeyBits != 256 || s.Integ.ID != 13 || s.PRF.ID != 6 || s.KE.ID != tECP256.ID || s.ESN {
		t.Errorf("the set is %+v", s)
	}
	s = resolveOne(t, ESP, "aes128gcm16-esn")
	if s.Encr.Name != "ENCR_AES_GCM_16" || s.EncrKeyBits != 128 || s.Integ != nil || s.PRF != nil || s.KE != nil || !s.ESN {
		t.Errorf("the set is %+v", s)
	}
	s = resolveOne(t, AH, "sha256")
	if s.Encr.Name != "" || s.Integ.ID != 12 || s.IntegKeyLen() != 32 || s.EncrKeyLen() != 0 {
		t.Errorf("the set is %+v", s)
	}
	if _, err := s.NewCipher(nil, make([]byte, 32)); err == nil {
		t.Error("AH makes a cipher")
	}
}
