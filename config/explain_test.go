package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goswan/goswan/ike/core"
)

const explained = `connections {
	office {
		remote_addrs = 192.0.2.1
		proposals = aes256gcm16-prfsha384-x25519, aes256-sha256-modp2048
		local {
			auth = psk
		}
		remote {
			auth = psk
		}
		children {
			lan {
				esp_proposals = aes256gcm16-x25519
			}
			dns {
				mode = pass
				start_action = trap
			}
		}
	}
	home {
		remote_addrs = 192.0.2.2
		local {
			auth = psk
		}
		remote {
			auth = psk
		}
		children {
			a {
			}
			b {
			}
		}
	}
}
secrets {
	ike-all {
		secret = abc
	}
}
`

func explainedCatalog(t *testing.T) *core.Catalog {
	t.Helper()
	catalog, _, err := Loader{}.Parse("swanctl.conf", []byte(explained))
	if err != nil {
		t.Fatal(err)
	}
	return catalog
}

func TestExplain(t *testing.T) {
	catalog := explainedCatalog(t)
	for _, c := range []struct {
		name     string
		q        Question
		child    string
		outcome  Outcome
		chosen   string // in keywords
		add, ask string
		fix      string // a part of it
	}{
		{"what is accepted", Question{Connection: "office"}, "", "", "", "", "", ""},
		{"an offer that is accepted", Question{Connection: "office", Offer: "aes256-sha256-modp2048-x25519"}, "", Agreed, "aes256-sha256-modp2048", "", "", ""},
		{"an offer with something in it that is refused", Question{Connection: "office", Offer: "des-aes256-md5-sha256-modpnull-modp2048"}, "", Agreed, "aes256-sha256-modp2048", "", "", ""},
		{"an additional key exchange that may be left out", Question{Connection: "office", Offer: "aes256gcm16-prfsha384-x25519-ke1_mlkem768-ke1_none"}, "", Agreed, "aes256gcm16-prfsha384-x25519", "", "", ""},
		{"one that may not", Question{Connection: "office", Offer: "aes256gcm16-prfsha384-x25519-ke1_mlkem768"}, "", Refused, "", "", "aes256gcm16-prfsha384-x25519",
			"let the peer offer `aes256gcm16-prfsha384-x25519`, which is in `proposals` of connection \"office\" (swanctl.conf:4)"},
		{"a line of a log", Question{Connection: "office", Offer: "10[CFG] received proposals: IKE:AES_CBC_256/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/ECP_256"}, "", Refused, "", "aes256-sha256-ecp256", "aes256-sha256-modp2048",
			"add `aes256-sha256-ecp256` to `proposals` of connection \"office\" (swanctl.conf:4)"},
		{"ESP of a log is for the only child", Question{Connection: "office", Offer: "ESP:AES_GCM_16_128/NO_EXT_SEQ"}, "lan", Refused, "", "aes128gcm16-x25519", "aes256gcm16-x25519",
			"add `aes128gcm16-x25519` to `esp_proposals` of child \"lan\" (swanctl.conf:13)"},
		{"a child without forward secrecy", Question{Connection: "office", Child: "lan", Offer: "aes256gcm16"}, "lan", AgreedInAuth, "aes256gcm16", "aes256gcm16", "aes256gcm16-x25519", "gives up perfect forward secrecy"},
		{"a child with another group", Question{Connection: "office", Child: "lan", Offer: "aes256gcm16-ecp256"}, "lan", AgreedInAuth, "aes256gcm16", "aes256gcm16-ecp256", "aes256gcm16-x25519", "add `aes256gcm16-ecp256`"},
		{"a child with AH", Question{Connection: "office", Child: "lan", Offer: "AH:HMAC_SHA2_256_128/NO_EXT_SEQ"}, "lan", Refused, "", "", "aes256gcm16-x25519", "have to meet"},
		{"proposals that are not set", Question{Connection: "home", Offer: "aes256-sha1-modp2048"}, "", Refused, "", "aes256-sha1-modp2048", "aes256-sha256-modp2048",
			"to `proposals` of connection \"home\" (swanctl.conf:21; it is not set, so write `default` too)"},
	} {
		x, err := Explain(catalog, c.q)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		chosen := ""
		if x.Chosen != nil {
			chosen = x.Chosen.Keywords
		}
		if x.Child != c.child || x.Outcome != c.outcome || chosen != c.chosen || x.Add != c.add || x.Ask != c.ask || !strings.Contains(x.Fix, c.fix) {
			t.Errorf("%s: of child %q the outcome is %q, %q; add %q here or offer %q there: %s; want child %q, %q, %q, %q, %q, %s",
				c.name, x.Child, x.Outcome, chosen, x.Add, x.Ask, x.Fix, c.child, c.outcome, c.chosen, c.add, c.ask, c.fix)
		}
		if (c.q.Offer == "") != (x.Offered == nil) || len(x.Accepted) == 0 {
			t.Errorf("%s: offered is %v and accepted %v", c.name, x.Offered, x.Accepted)
		}
	}
}

func TestExplainTellsStrengthAndStanding(t *testing.T) {
	x, err := Explain(explainedCatalog(t), Question{Connection: "office", Offer: "des-md5-modpnull-ecp256"})
	if err != nil {
		t.Fatal(err)
	}
	if l := x.Accepted[1]; l.Strength != 110 || l.Weakest != "MODP_2048" || l.Algorithms[0] != (Algorithm{Type: "ENCR", Name: "AES_CBC_256", Keyword: "aes256", Strength: 256, Status: "default"}) {
		t.Errorf("the second proposal is %+v", l)
	}
	i := slices.IndexFunc(x.Types, func(r TypeRow) bool { return r.Type == "KE" })
	row := x.Types[i]
	if len(row.Offered) != 2 || row.Offered[0].Status != "refused" || row.Offered[0].Why == "" || row.Offered[0].Strength != 0 || row.Gap == "" || len(row.Common) != 0 {
		t.Errorf("the row of the key exchange is %+v", row)
	}
	if want := []string{"MODP_NULL is refused: " + row.Offered[0].Why, "ECP_256 is not configured"}; !slices.Equal(row.Objections, want) {
		t.Errorf("the objections are %q, want %q", row.Objections, want)
	}
}

// What is sound and not in default is called named.
func TestExplainTellsWhatHasToBeNamed(t *testing.T) {
	x, err := Explain(explainedCatalog(t), Question{Connection: "office", Offer: "aes256ccm16-prfsha384-x448"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range x.Offered[0].Algorithms {
		got = append(got, a.Name+" "+a.Status)
		if a.Doubtful {
			t.Errorf("%s is doubtful", a.Name)
		}
	}
	if want := []string{"AES_CCM_16_256 named", "PRF_HMAC_SHA2_384 default", "CURVE_448 named"}; !slices.Equal(got, want) {
		t.Errorf("the offer has %q, want %q", got, want)
	}
}

func TestExplainErrors(t *testing.T) {
	catalog := explainedCatalog(t)
	for _, c := range []struct {
		q    Question
		want string
	}{
		{Question{Connection: "ofice"}, `there is no connection "ofice"; did you mean "office"? There is office, home`},
		{Question{Connection: "x"}, `there is no connection "x"; there is office, home`},
		{Question{Connection: "lan"}, `"lan" is no connection but a child of "office": name both, office lan`},
		{Question{Connection: "office", Child: "lam"}, `connection "office" has no child "lam"; did you mean "lan"? There is lan, dns`},
		{Question{Connection: "office", Child: "dns"}, `child "dns" of connection "office" negotiates nothing: mode = pass`},
		{Question{Connection: "office", Offer: "lam"}, `IKE proposal "lam": "lam" is no keyword; and connection "office" has no child "lam"; did you mean "lan"? There is lan, dns`},
		{Question{Connection: "office", Offer: "aes256-sha257"}, `IKE proposal "aes256-sha257": "sha257" is no keyword; try "sha256"`},
		{Question{Connection: "office", Child: "lan", Offer: "IKE:AES_CBC_256"}, `this offers IKE proposals, and a child has none: leave lan out`},
		{Question{Connection: "home", Offer: "ESP:AES_CBC_256"}, `this offers ESP proposals, which are for a child: name one; there is a, b`},
	} {
		if x, err := Explain(catalog, c.q); err == nil || err.Error() != c.want {
			t.Errorf("%+v is answered with %v and\n%v, want\n%s", c.q, x, err, c.want)
		}
	}
	if _, err := Explain(&core.Catalog{}, Question{Connection: "x"}); err == nil || err.Error() != `there is no connection "x"; there is none at all` {
		t.Errorf("an empty configuration says %v", err)
	}
}

// TestExplainTellsRounds has the rounds of a connection, which a child does not have.
func TestExplainTellsRounds(t *testing.T) {
	catalog, _ := parse(t, rounds("auth = eap-peap\nid = carol@example.org\neap_id = carol\naaa_id = aaa.example.org", "auth = rsa-2048\ngroups = a, b"))
	x, err := Explain(catalog, Question{Connection: "c"})
	if err != nil {
		t.Fatal(err)
	}
	want := []Round{
		{Section: "local-1", Place: "x.conf:3", Auth: "eap-peap", ID: "carol@example.org", EAPID: "carol", AAAID: "aaa.example.org"},
		{Section: "remote-1", Place: "x.conf:9", Auth: "rsa-2048", ID: "%any", Groups: []string{"a", "b"}},
	}
	if !reflect.DeepEqual(x.Authentication, want) {
		t.Errorf("the rounds are %+v, want %+v", x.Authentication, want)
	}
	if x, err = Explain(explainedCatalog(t), Question{Connection: "office", Child: "lan"}); err != nil || x.Authentication != nil {
		t.Errorf("a child authenticates by %+v, %v", x.Authentication, err)
	}
}
